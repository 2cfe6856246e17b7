#include "dns/writer.h"

#include <string.h>

#define POINTER 0xc000u /* RFC 1035 §4.1.4 */

static uint8_t *put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

/* n octets at the cursor to be filled in, or NULL and the overflow mark: a record is written whole
 * or not at all. */
static uint8_t *take(struct dns_writer *w, size_t n)
{
    if (w->overflow || n > w->cap - w->len) {
        w->overflow = true;
        return NULL;
    }
    uint8_t *p = w->buf + w->len;
    w->len += n;
    return p;
}

void dns_put_bytes(struct dns_writer *w, const void *bytes, size_t len)
{
    uint8_t *p = take(w, len);
    if (p && len > 0)
        memcpy(p, bytes, len);
}

void dns_writer_begin(struct dns_writer *w, uint8_t *buf, size_t cap, const uint8_t *msg,
                      const struct dns_query *q)
{
    *w = (struct dns_writer){.buf = buf, .cap = cap, .rclass = DNS_IN};
    if (!q->has_question) {
        (void)take(w, DNS_HEADER_BYTES);
        return;
    }
    if (q->qclass == DNS_CH)
        w->rclass = DNS_CH;
    /* The header octets copied along are written over by dns_writer_finish. */
    dns_put_bytes(w, msg, q->question_end);
    w->counts[DNS_SECTION_QUESTION] = 1;
}

void dns_writer_rr(struct dns_writer *w, enum dns_section section, uint16_t owner,
                   const uint8_t *wire, size_t wire_len, uint16_t type, uint32_t ttl,
                   const void *rdata, size_t rdata_len)
{
    unsigned target = owner == DNS_OWNER_QNAME ? DNS_HEADER_BYTES : owner;
    bool pointer = owner != DNS_OWNER_WIRE;
    if ((pointer && target >= 0x4000) || rdata_len > UINT16_MAX) {
        w->overflow = true; /* not to be said in a message */
        return;
    }
    uint8_t *p = take(w, (pointer ? 2 : wire_len) + DNS_RR_BYTES + rdata_len);
    if (!p)
        return;
    if (pointer) {
        p = put16(p, POINTER | target);
    } else {
        memcpy(p, wire, wire_len);
        p += wire_len;
    }
    p = put16(p, type);
    p = put16(p, w->rclass);
    p = put16(p, ttl >> 16);
    p = put16(p, ttl);
    p = put16(p, (unsigned)rdata_len);
    if (rdata_len > 0)
        memcpy(p, rdata, rdata_len);
    w->counts[section]++;
}

static size_t ecs_size(const struct dns_query *q)
{
    return q->ecs.present ? DNS_OPTION_BYTES + DNS_ECS_BYTES + (size_t)q->ecs.addr_octets : 0;
}

static size_t nsid_size(const struct dns_query *q, size_t nsid_len)
{
    return q->nsid && nsid_len > 0 ? DNS_OPTION_BYTES + nsid_len : 0;
}

#define COOKIE_BYTES (DNS_CLIENT_COOKIE_BYTES + DNS_SERVER_COOKIE_BYTES)

size_t dns_opt_size(const struct dns_query *q, const struct dns_opt_reply *opt)
{
    if (!q->edns)
        return 0;
    size_t size = DNS_OPT_BYTES + nsid_size(q, opt->nsid_len) + ecs_size(q);
    if (opt->cookie)
        size += DNS_OPTION_BYTES + COOKIE_BYTES;
    if (opt->keepalive_100ms)
        size += DNS_OPTION_BYTES + 2;
    if (opt->ede_text)
        size += DNS_OPTION_BYTES + 2 + strlen(opt->ede_text);
    return size;
}

size_t dns_opt_fit(const struct dns_query *q, struct dns_opt_reply *opt, size_t max)
{
    size_t question_end = q->has_question ? q->question_end : DNS_HEADER_BYTES;
    size_t size = dns_opt_size(q, opt);
    if (question_end + size <= max || opt->nsid_len == 0)
        return size;
    opt->nsid_len = 0;
    return dns_opt_size(q, opt);
}

static uint8_t *put_option(uint8_t *p, unsigned code, const void *bytes, size_t len)
{
    p = put16(p, code);
    p = put16(p, (unsigned)len);
    memcpy(p, bytes, len);
    return p + len;
}

/* RFC 8914 §2: INFO-CODE and text, without a NUL at its end. */
static uint8_t *put_ede(uint8_t *p, unsigned code, const char *text)
{
    size_t len = strlen(text);
    p = put16(p, DNS_OPTION_EDE);
    p = put16(p, (unsigned)(2 + len));
    p = put16(p, code);
    memcpy(p, text, len);
    return p + len;
}

static uint8_t *put_keepalive(uint8_t *p, unsigned timeout_100ms)
{
    p = put16(p, DNS_OPTION_KEEPALIVE);
    p = put16(p, 2);
    return put16(p, timeout_100ms);
}

static uint8_t *put_ecs(uint8_t *p, const struct dns_ecs *ecs, uint8_t scope)
{
    p = put16(p, DNS_OPTION_ECS);
    p = put16(p, DNS_ECS_BYTES + (unsigned)ecs->addr_octets);
    p = put16(p, ecs->family);
    *p++ = ecs->source;
    *p++ = scope;
    memcpy(p, ecs->ip.b, ecs->addr_octets);
    return p + ecs->addr_octets;
}

void dns_writer_opt(struct dns_writer *w, const struct dns_query *q,
                    const struct dns_opt_reply *opt)
{
    if (!q->edns)
        return;
    size_t size = dns_opt_size(q, opt);
    uint8_t *p = take(w, size);
    if (!p)
        return;
    *p++ = 0; /* the root */
    p = put16(p, DNS_OPT);
    p = put16(p, DNS_UDP_EDNS_MAX);
    *p++ = (uint8_t)(opt->rcode >> 4);
    *p++ = 0; /* our version, also in BADVERS: RFC 6891 §6.1.3 */
    p = put16(p, q->edns_do ? 0x8000 : 0);
    p = put16(p, (unsigned)(size - DNS_OPT_BYTES));
    if (nsid_size(q, opt->nsid_len) > 0)
        p = put_option(p, DNS_OPTION_NSID, opt->nsid, opt->nsid_len);
    if (q->ecs.present)
        p = put_ecs(p, &q->ecs, opt->ecs_scope);
    if (opt->cookie)
        p = put_option(p, DNS_OPTION_COOKIE, opt->cookie, COOKIE_BYTES);
    if (opt->keepalive_100ms)
        p = put_keepalive(p, opt->keepalive_100ms);
    if (opt->ede_text)
        put_ede(p, opt->ede, opt->ede_text);
    w->counts[DNS_SECTION_ADDITIONAL]++;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
    return p + 4;
}

size_t dns_write_address(uint8_t *buf, size_t cap, const uint8_t *msg, const struct dns_query *q,
                         uint8_t ecs_scope, uint32_t ttl, const uint8_t *rdata, size_t rdata_len)
{
    /* Addresses are copied as if they were as long as they can be; what is too much lies behind. */
    if (q->question_end + 2 + DNS_RR_BYTES + DNS_OPT_BYTES + DNS_OPTION_BYTES + DNS_ECS_BYTES +
            sizeof(struct ip) * 2 >
        cap)
        return 0;
    memcpy(buf, msg, q->question_end);
    uint8_t *p =
        put32(buf, (uint32_t)q->id << 16 | 0x8400u | (uint32_t)q->rd << 8 | (uint32_t)q->cd << 4);
    p = put32(p, 1u << 16 | 1);
    put32(p, q->edns);
    p = buf + q->question_end;
    p = put32(p, (POINTER | DNS_HEADER_BYTES) << 16 |
                     (rdata_len == 4 ? (unsigned)DNS_A : (unsigned)DNS_AAAA));
    p = put32(p, (uint32_t)DNS_IN << 16 | ttl >> 16);
    p = put32(p, ttl << 16 | (uint32_t)rdata_len);
    if (rdata_len == 4)
        memcpy(p, rdata, 4);
    else
        memcpy(p, rdata, 16);
    p += rdata_len;
    if (!q->edns)
        return (size_t)(p - buf);
    unsigned ecs = q->ecs.present ? DNS_OPTION_BYTES + DNS_ECS_BYTES + q->ecs.addr_octets : 0;
    *p++ = 0; /* the root */
    p = put32(p, (uint32_t)DNS_OPT << 16 | DNS_UDP_EDNS_MAX);
    p = put32(p, q->edns_do ? 0x8000 : 0);
    p = put16(p, ecs);
    if (!ecs)
        return (size_t)(p - buf);
    p = put32(p, (uint32_t)DNS_OPTION_ECS << 16 | (DNS_ECS_BYTES + (uint32_t)q->ecs.addr_octets));
    p = put32(p, (uint32_t)q->ecs.family << 16 | (uint32_t)q->ecs.source << 8 | ecs_scope);
    memcpy(p, q->ecs.ip.b, sizeof q->ecs.ip.b);
    return (size_t)(p - buf) + q->ecs.addr_octets;
}

void dns_writer_tsig(struct dns_writer *w, const uint8_t *msg, const struct dns_query *q,
                     unsigned error)
{
    const uint8_t *owner = msg + q->tsig_off;
    const uint8_t *rdata = owner + q->tsig_owner_len + DNS_RR_BYTES;
    size_t rdlength = (size_t)q->tsig_algorithm_len + DNS_TSIG_FIXED_BYTES;
    size_t size = q->tsig_owner_len + DNS_RR_BYTES + rdlength;
    uint8_t *p = w->cap - w->len < size ? NULL : take(w, size);
    if (!p)
        return;
    memcpy(p, owner, q->tsig_owner_len + DNS_RR_BYTES - 2u); /* class ANY, TTL 0: it was checked */
    p = put16(p + q->tsig_owner_len + DNS_RR_BYTES - 2u, (unsigned)rdlength);
    memcpy(p, rdata, q->tsig_algorithm_len + 8u); /* with Time Signed and Fudge */
    p = put16(p + q->tsig_algorithm_len + 8u, 0); /* no MAC */
    p = put16(p, q->id);
    p = put16(p, error);
    put16(p, 0); /* no Other Data */
    w->counts[DNS_SECTION_ADDITIONAL]++;
}

size_t dns_writer_finish(struct dns_writer *w, const struct dns_query *q,
                         const struct dns_reply_flags *flags)
{
    if (w->len < DNS_HEADER_BYTES)
        return 0;
    unsigned bits = 0x8000u | (unsigned)q->opcode << 11 | (unsigned)flags->aa << 10 |
                    (unsigned)flags->tc << 9 | (unsigned)q->rd << 8 | (unsigned)q->cd << 4 |
                    (flags->rcode & 15);
    uint8_t *p = put16(w->buf, q->id);
    p = put16(p, bits);
    uint64_t counts;
    memcpy(&counts, w->counts, sizeof counts);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ /* all four swapped at once */
    const uint64_t low = 0x00ff00ff00ff00ffull;
    counts = (counts & low) << 8 | (counts >> 8 & low);
#endif
    memcpy(p, &counts, sizeof counts);
    return w->len;
}
