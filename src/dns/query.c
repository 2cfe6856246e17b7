#include "dns/query.h"

#include <string.h>

#define QUESTION_FIXED_BYTES 4
/* RFC 1035 §4.1.4; 0x40 and 0x80 were never assigned a use that lived. */
#define LABEL_POINTER 0xc0

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void query_reset(struct dns_query *q, const uint8_t *msg)
{
    memset(q, 0, offsetof(struct dns_query, lower));
    q->id = get16(msg);
    q->flags = get16(msg + 2);
    q->opcode = msg[2] >> 3 & 15;
    q->rd = msg[2] & 1;
    q->cd = msg[3] >> 4 & 1;
    q->qname_off = DNS_HEADER_BYTES;
    q->question_end = DNS_HEADER_BYTES;
}

/* The question of an ordinary query. Nothing lies before it that a compression pointer could point
 * back to, so that a pointer in it is as malformed as the label types 01 and 10. */
static bool question_read(const uint8_t *msg, size_t len, struct dns_query *q)
{
    const uint8_t *name = msg + DNS_HEADER_BYTES;
    size_t max = len - DNS_HEADER_BYTES, at = 0;
    size_t name_max = max < DNS_NAME_MAX ? max : DNS_NAME_MAX;
    unsigned labels = 0, n = 1;
    while (at < name_max && (n = name[at]) - 1u < 63) {
        labels++;
        at += n + 1;
    }
    if (n != 0 || at >= name_max || max - ++at < QUESTION_FIXED_BYTES)
        return false;
    q->labels = (uint8_t)labels;
    q->qname_len = (uint8_t)at;
    dns_name_lower_copy(q->lower, name, at);
    q->qtype = get16(name + at);
    q->qclass = get16(name + at + 2);
    q->question_end = (uint16_t)(DNS_HEADER_BYTES + at + QUESTION_FIXED_BYTES);
    q->has_question = true;
    return true;
}

/* The offset behind the name at `at`, 0 where it is malformed. A pointer ends a name here without
 * being followed: only that it points backwards, into the message, is checked. */
static size_t name_skip(const uint8_t *msg, size_t len, size_t at)
{
    size_t start = at;
    while (at < len && at - start < DNS_NAME_MAX) {
        unsigned n = msg[at];
        if (n == 0)
            return at + 1;
        if (n >= LABEL_POINTER) {
            if (at + 2 > len)
                return 0;
            size_t to = get16(msg + at) & 0x3fffu;
            return to >= DNS_HEADER_BYTES && to < start ? at + 2 : 0;
        }
        if (n > 63)
            return 0;
        at += n + 1;
    }
    return 0;
}

/* RFC 7871 §6 and §7.1.2. The octets must be as many as SOURCE needs, with nothing set past it, or
 * the answer is FORMERR: else two spellings of one network would make two cache entries. */
static bool ecs_read(const uint8_t *p, size_t len, struct dns_ecs *ecs)
{
    if (len < DNS_ECS_BYTES)
        return false;
    unsigned family = get16(p), source = p[2], scope = p[3];
    unsigned octets = (source + 7) / 8;
    /* FAMILY 0 is no address family, but what dig +subnet=0 and older resolvers send for "none". */
    unsigned source_max = family == 1 ? 32 : family == 2 ? 128 : 0;
    if (family > 2 || source > source_max || scope != 0 || len - DNS_ECS_BYTES != octets)
        return false;
    if (source % 8 && (p[DNS_ECS_BYTES + octets - 1] & (0xffu >> source % 8)))
        return false;
    ecs->present = true;
    ecs->family = (uint16_t)family;
    ecs->source = ecs->used = (uint8_t)source;
    ecs->addr_octets = (uint8_t)octets;
    ecs->ip.family = family == 1 ? 4 : family == 2 ? 6 : 0;
    if (octets == 3) { /* what most send of IPv4, without a loop */
        memcpy(ecs->ip.b, p + DNS_ECS_BYTES, 2);
        ecs->ip.b[2] = p[DNS_ECS_BYTES + 2];
        return true;
    }
    for (unsigned i = 0; i < octets; i++)
        ecs->ip.b[i] = p[DNS_ECS_BYTES + i];
    return true;
}

/* RFC 7873 §5.2.2: a client cookie of 8 octets, alone or with a server cookie of 8 to 32. Of several
 * options the first counts (§5.2). */
static void cookie_read(const uint8_t *msg, const uint8_t *p, size_t len, struct dns_query *q)
{
    if (q->cookie_len || q->cookie_bad)
        return;
    if (len != DNS_CLIENT_COOKIE_BYTES &&
        (len < 2 * DNS_CLIENT_COOKIE_BYTES || len > DNS_COOKIE_BYTES_MAX)) {
        q->cookie_bad = true;
        return;
    }
    q->cookie_len = (uint8_t)len;
    q->cookie_off = (uint16_t)(p - msg);
}

/* Nothing fit to be sent back is kept of a subnet that is malformed, or comes a second time and would
 * contradict the first. */
static bool subnet_read(const uint8_t *p, size_t len, struct dns_query *q)
{
    if (!q->ecs.present && ecs_read(p, len, &q->ecs))
        return true;
    q->ecs = (struct dns_ecs){0};
    return false;
}

static bool option_read(const uint8_t *msg, unsigned code, const uint8_t *p, size_t len,
                        struct dns_query *q)
{
    switch (code) {
    case DNS_OPTION_NSID: /* a second one says nothing new */
        q->nsid = true;
        return true;
    case DNS_OPTION_ECS:
        return subnet_read(p, len, q);
    case DNS_OPTION_COOKIE:
        cookie_read(msg, p, len, q);
        return true;
    case DNS_OPTION_KEEPALIVE:
        q->keepalive = true;
        q->keepalive_bad |= len != 0;
        return true;
    default: /* unknown options are skipped, RFC 6891 §6.1.2 */
        return true;
    }
}

/* What most who send options have: one, a client subnet of an IPv4 /24. */
static bool usual_subnet(const uint8_t *p, size_t len, struct dns_query *q)
{
    static const uint8_t head[DNS_OPTION_BYTES + DNS_ECS_BYTES] = {
        0, DNS_OPTION_ECS, 0, DNS_ECS_BYTES + 3, 0, 1, 24, 0};
    if (len != sizeof head + 3 || memcmp(p, head, sizeof head) != 0)
        return false;
    q->ecs =
        (struct dns_ecs){.present = true, .source = 24, .family = 1, .addr_octets = 3, .used = 24};
    q->ecs.ip.family = 4;
    memcpy(q->ecs.ip.b, p + sizeof head, 3);
    return true;
}

static bool options_read(const uint8_t *msg, const uint8_t *p, const uint8_t *end,
                         struct dns_query *q)
{
    while (p < end) {
        if (end - p < DNS_OPTION_BYTES)
            return false;
        unsigned code = get16(p), n = get16(p + 2);
        p += DNS_OPTION_BYTES;
        if (n > (size_t)(end - p))
            return false;
        if (!option_read(msg, code, p, n, q))
            return false;
        p += n;
    }
    return true;
}

/* rr is at the fixed part (TYPE...), known to lie within the message with its RDATA. */
static bool opt_read(const uint8_t *msg, const uint8_t *rr, size_t rdlength, struct dns_query *q)
{
    q->edns = true;
    q->udp_size = get16(rr + 2);
    q->edns_version = rr[5];
    q->edns_do = rr[6] & 0x80;
    /* What the options of a later version look like is not ours to know: BADVERS answers it. */
    return q->edns_version > 0 || usual_subnet(rr + DNS_RR_BYTES, rdlength, q) ||
           options_read(msg, rr + DNS_RR_BYTES, rr + DNS_RR_BYTES + rdlength, q);
}

/* The octets of a name without compression, 0 where there is none. */
static size_t plain_name(const uint8_t *name, size_t len)
{
    size_t at = 0;
    while (at < len && at < DNS_NAME_MAX && name[at] <= 63) {
        if (name[at] == 0)
            return at + 1;
        at += name[at] + 1u;
    }
    return 0;
}

/* RFC 8945 §4.2. A key's name that points elsewhere could not be sent back as it came; it is as good as
 * malformed. */
static bool tsig_read(const uint8_t *msg, size_t at, size_t rr, struct dns_query *q)
{
    const uint8_t *rdata = msg + rr + DNS_RR_BYTES;
    size_t rdlength = get16(msg + rr + 8);
    bool fixed = get16(msg + rr + 2) == DNS_CLASS_ANY && get16(msg + rr + 4) == 0 &&
                 get16(msg + rr + 6) == 0;
    size_t owner = plain_name(msg + at, rr - at), algorithm = plain_name(rdata, rdlength);
    if (!fixed || owner == 0 || algorithm == 0 || rdlength - algorithm < DNS_TSIG_FIXED_BYTES)
        return false;
    size_t rest = rdlength - algorithm - DNS_TSIG_FIXED_BYTES, mac = get16(rdata + algorithm + 8);
    if (mac > rest || get16(rdata + rdlength - (rest - mac) - 2) != rest - mac)
        return false;
    q->tsig_off = (uint16_t)at;
    q->tsig_owner_len = (uint8_t)owner;
    q->tsig_algorithm_len = (uint8_t)algorithm;
    return true;
}

/* Everything behind the question, for the one OPT that may be there. Each record takes eleven
 * octets at least, so that the length of the message bounds the loop, whatever the counts say. */
static bool records_read(const uint8_t *msg, size_t len, size_t at, struct dns_query *q)
{
    unsigned before_additional = get16(msg + 6) + get16(msg + 8);
    unsigned n = before_additional + get16(msg + 10);
    bool ok = true;
    for (unsigned i = 0; i < n; i++) {
        size_t rr = name_skip(msg, len, at);
        if (rr == 0 || len - rr < DNS_RR_BYTES)
            return false;
        size_t rdlength = get16(msg + rr + 8);
        if (len - rr - DNS_RR_BYTES < rdlength)
            return false;
        if (get16(msg + rr) == DNS_OPT) {
            /* RFC 6891 §6.1.1: one at most, in the additional section, owned by the root. */
            if (i < before_additional || msg[at] != 0 || q->edns)
                return false;
            ok = opt_read(msg, msg + rr, rdlength, q);
        } else if (get16(msg + rr) == DNS_TSIG) {
            /* RFC 8945 §5.1: one at most, the last record of the additional section. */
            if (i < before_additional || i + 1 < n || !tsig_read(msg, at, rr, q))
                return false;
        }
        at = rr + DNS_RR_BYTES + rdlength;
    }
    /* Octets behind the last record are none of the message: RFC 1035 §4.1 has the counts say what
     * is in it, and no section forbids them. They are tolerated, as BIND and NSD do. */
    return ok;
}

/* What nearly every query has behind its question: one OPT and nothing else. */
static bool only_opt(const uint8_t *msg, size_t len, size_t at)
{
    static const uint8_t counts[6] = {0, 0, 0, 0, 0, 1}; /* ANCOUNT, NSCOUNT, ARCOUNT */
    return memcmp(msg + 6, counts, sizeof counts) == 0 && len - at >= DNS_OPT_BYTES &&
           msg[at] == 0 && get16(msg + at + 1) == DNS_OPT;
}

/* Behind questions that are not exactly one, to find the OPT that the reply owes an OPT for (RFC
 * 6891 §6.1.1). 0 if they cannot be read. */
static size_t questions_skip(const uint8_t *msg, size_t len)
{
    size_t at = DNS_HEADER_BYTES;
    for (unsigned n = get16(msg + 4); n > 0; n--) {
        at = name_skip(msg, len, at);
        if (at == 0 || len - at < QUESTION_FIXED_BYTES)
            return 0;
        at += QUESTION_FIXED_BYTES;
    }
    return at;
}

static enum dns_parse questions_wrong(const uint8_t *msg, size_t len, struct dns_query *q)
{
    size_t at = questions_skip(msg, len);
    if (at == 0)
        return DNS_PARSE_HEADER_ERROR;
    bool readable = records_read(msg, len, at, q);
    if (get16(msg + 4) == 0 && readable && q->cookie_len && !q->tsig_off)
        return DNS_PARSE_COOKIE;
    return DNS_PARSE_FORMERR; /* RFC 9619 §4 */
}

enum dns_parse dns_query_parse(const uint8_t *msg, size_t len, struct dns_query *q)
{
    if (len < DNS_HEADER_BYTES) {
        query_reset(q, (const uint8_t[DNS_HEADER_BYTES]){0});
        return DNS_PARSE_DROP;
    }
    query_reset(q, msg);
    if (q->flags & 0x8000)
        return DNS_PARSE_DROP;
    if (q->opcode != DNS_OP_QUERY)
        return DNS_PARSE_NOTIMP;
    if (get16(msg + 4) != 1)
        return questions_wrong(msg, len, q);
    if (!question_read(msg, len, q))
        return DNS_PARSE_HEADER_ERROR;
    size_t at = q->question_end;
    if (only_opt(msg, len, at)) {
        size_t rdlength = get16(msg + at + 9);
        if (len - at - DNS_OPT_BYTES < rdlength || !opt_read(msg, msg + at + 1, rdlength, q))
            return DNS_PARSE_FORMERR;
    } else if (!records_read(msg, len, at, q)) {
        return DNS_PARSE_FORMERR;
    }
    if (q->tsig_off)
        return DNS_PARSE_TSIG;
    return q->edns_version > 0 ? DNS_PARSE_BADVERS : DNS_PARSE_OK;
}

uint16_t dns_query_udp_limit(const struct dns_query *q, uint16_t ours)
{
    if (!q->edns || q->udp_size < DNS_UDP_PLAIN_MAX)
        return DNS_UDP_PLAIN_MAX;
    return q->udp_size < ours ? q->udp_size : ours;
}
