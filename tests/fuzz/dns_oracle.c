/* Our query parser against ldns: a message that ldns takes for a QUERY with one question must be
 * read the same by both: id, flags, name, type, class, EDNS with version, DO, size and options.
 *
 * Where ldns accepts and we refuse, the outcome is expected exactly, and no other:
 *   QR is 1                              dropped          RFC 1035 §4.1.1; an answer is never answered
 *   a pointer in the question            header error     RFC 1035 §4.1.4: "a prior occurrence": none
 *   an owner's pointer leads forward     FORMERR          RFC 1035 §4.1.4
 *   two OPT, OPT elsewhere or owned      FORMERR          RFC 6891 §6.1.1, §6.1.2
 *   an option runs out of the OPT        FORMERR          RFC 6891 §6.1.2
 *   a client subnet malformed, or two    FORMERR          RFC 7871 §6, §7.1.2
 *   version above 0                      BADVERS          RFC 6891 §6.1.3, before the options count
 *   a cookie of a length that cannot be  OK or FORMERR    RFC 7873 §5.2.2: the setting decides
 *   keepalive with a timeout             OK or FORMERR    RFC 7828 §3.2.1: the transport decides
 * An OPT whose size, flags and options are all zero is EDNS for us (RFC 6891 §6.1.1) and none for ldns.
 * Octets behind the last record are tolerated by both (RFC 1035 §4.1: the counts say what is in it).
 *
 * Input     octet 0: bit 0 set: the rest is the message; else the rest is a recipe, see build().
 * ldns      loses memory on a second TSIG (its issue 317): whatever could be one never reaches it,
 *           nor do more records than RECORDS_MAX. Behind RDATA that ends before its RDLENGTH it reads
 *           on where the RDATA ended and not where RDLENGTH says (RFC 1035 §3.2.1): such messages
 *           cannot be compared, and only RDATA of shapes that wire_walk vouches for is sent there. */
#include "base/check.h"
#include "dns/query.h"
#include "wire.h"

#include <ldns/ldns.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX 4096
#define RECORDS_MAX 24
#define TSIG 250

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---------------------------------------------------------------------------------- the recipe */

struct recipe {
    const uint8_t *p, *end;
    uint8_t msg[MESSAGE_MAX];
    size_t len;
};

static unsigned take(struct recipe *r) /* zeros when it is used up */
{
    return r->p < r->end ? *r->p++ : 0;
}

static void put(struct recipe *r, unsigned v)
{
    if (r->len < sizeof r->msg)
        r->msg[r->len++] = (uint8_t)v;
}

static void put16(struct recipe *r, unsigned v)
{
    put(r, v >> 8);
    put(r, v);
}

static void put_taken(struct recipe *r, unsigned n)
{
    while (n-- > 0)
        put(r, take(r));
}

/* Labels, then the root, or for one octet in sixteen a pointer. */
static void put_name(struct recipe *r)
{
    unsigned how = take(r), labels = how & 7;
    for (; labels > 0; labels--) {
        unsigned n = take(r) & 63;
        n = n ? n : 63;
        put(r, n);
        put_taken(r, n);
    }
    if (how >> 4 == 15)
        put16(r, 0xc000 | take(r));
    else
        put(r, 0);
}

static void put_owner(struct recipe *r)
{
    switch (take(r) % 4) {
    case 0:
        put(r, 0);
        break;
    case 1:
        put16(r, 0xc00c);
        break;
    case 2:
        put16(r, 0xc000 | take(r));
        break;
    default:
        put_name(r);
    }
}

static void put_subnet(struct recipe *r)
{
    unsigned family = 1 + (take(r) & 1), source = take(r) % (family == 1 ? 33 : 129);
    unsigned octets = (source + 7) / 8;
    put16(r, 4 + octets);
    put16(r, family);
    put(r, source);
    put(r, 0);
    for (unsigned i = 0; i < octets; i++)
        put(r, take(r) & (i + 1 == octets && source % 8 ? 0xff00u >> source % 8 : 0xffu));
}

static void put_option(struct recipe *r)
{
    static const uint16_t codes[] = {3, 8, 10, 11, 12, 15, 5, 65001};
    unsigned how = take(r), code = codes[how & 7];
    put16(r, code);
    if (code == 8 && how < 200) {
        put_subnet(r);
        return;
    }
    unsigned n = how >> 3;
    put16(r, n);
    put_taken(r, how & 0x80 ? n / 2 : n); /* half of them promise too much */
}

static void put_opt(struct recipe *r)
{
    put16(r, 41);
    put_taken(r, 2); /* size */
    unsigned how = take(r);
    put(r, how & 8 ? take(r) : 0); /* extended RCODE */
    put(r, how & 16 ? take(r) : 0);
    put_taken(r, 2); /* DO and the rest */
    size_t length_at = r->len;
    put16(r, 0);
    for (unsigned n = how & 7; n > 0; n--)
        put_option(r);
    if (r->len < sizeof r->msg) {
        r->msg[length_at] = (uint8_t)((r->len - length_at - 2) >> 8);
        r->msg[length_at + 1] = (uint8_t)(r->len - length_at - 2);
    }
}

static void put_record(struct recipe *r)
{
    static const uint16_t types[] = {41, 41, 1, 28, 2, 15, 16, 65280};
    unsigned type = types[take(r) & 7];
    if (type == 41 && take(r) < 240)
        put(r, 0);
    else
        put_owner(r);
    if (type == 41) {
        put_opt(r);
        return;
    }
    put16(r, type);
    put16(r, 1);
    put_taken(r, 4);
    unsigned n = type == 1 ? 4 : type == 28 ? 16 : type == 2 ? 2 : type == 15 ? 4 : take(r) & 31;
    put16(r, type == 16 ? n + 1 : n);
    if (type == 16)
        put(r, n);
    put_taken(r, n);
}

static void build(struct recipe *r)
{
    put_taken(r, 2);
    unsigned flags = take(r);
    put(r, flags & 0x80 ? take(r) : flags & 7); /* else QUERY, QR 0 */
    put(r, take(r));
    put16(r, 1);
    unsigned an = take(r), records = an & 7;
    put16(r, an & 8 ? 1 : 0);
    put16(r, an & 16 ? 1 : 0);
    unsigned before = (an >> 3 & 1) + (an >> 4 & 1);
    put16(r, records > before ? records - before : 0);
    put_name(r);
    put_taken(r, 4);
    for (unsigned i = 0; i < records; i++)
        put_record(r);
    unsigned last = take(r);
    put_taken(r, last & 3); /* behind the last record */
    for (unsigned n = last >> 6; n > 0; n--) {
        size_t at = take(r) | (size_t)(take(r) & 3) << 8;
        if (at < r->len)
            r->msg[at] ^= (uint8_t)take(r);
    }
}

/* --------------------------------------------------------------------------------- the readers */

/* A TSIG in any place that could be a type. */
static bool may_hold_tsig(const uint8_t *msg, size_t len)
{
    for (size_t i = 12; i + 1 < len; i++)
        if (msg[i] == 0 && msg[i + 1] == TSIG)
            return true;
    return false;
}

static bool fit_for_ldns(const uint8_t *msg, size_t len, struct wire *w)
{
    if (len > MESSAGE_MAX || !wire_walk(msg, len, w) || !w->whole || !w->plain)
        return false;
    return w->counts[1] + w->counts[2] + w->counts[3] <= RECORDS_MAX && !may_hold_tsig(msg, len);
}

static bool subnet_is_sound(const uint8_t *p, size_t len)
{
    if (len < 4 || p[3] != 0) /* SCOPE in a query */
        return false;
    unsigned family = wire_get16(p), source = p[2];
    unsigned most = family == 1 ? 32 : family == 2 ? 128 : 0;
    if (family > 2 || source > most || len != 4 + (source + 7) / 8)
        return false;
    return source % 8 == 0 || (uint8_t)(p[len - 1] << source % 8) == 0;
}

enum expected { OK, DROP, HEADER_ERROR, FORMERR, BADVERS, OK_OR_FORMERR };

static enum expected expected_of_options(const struct wire *w)
{
    size_t n;
    const uint8_t *o = w->options;
    if (!wire_options_whole(o, w->options_len))
        return FORMERR;
    if (wire_options_count(o, w->options_len, 8) > 1)
        return FORMERR;
    const uint8_t *subnet = wire_option(o, w->options_len, 8, &n);
    if (subnet && !subnet_is_sound(subnet, n))
        return FORMERR;
    if (wire_option(o, w->options_len, 10, &n) && n != 8 && (n < 16 || n > 40))
        return OK_OR_FORMERR;
    if (wire_option(o, w->options_len, 11, &n) && n > 0)
        return OK_OR_FORMERR;
    return OK;
}

static enum expected expected(const struct wire *w)
{
    if (w->flags & 0x8000)
        return DROP;
    if (w->question_pointer)
        return HEADER_ERROR;
    if (w->pointer_forward || w->opts > 1 || w->opt_astray)
        return FORMERR;
    if (w->opts == 0)
        return OK;
    return w->opt[5] > 0 ? BADVERS : expected_of_options(w);
}

static void check_question(const struct dns_query *q, const ldns_pkt *pkt)
{
    const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
    ldns_rdf *owner = ldns_rr_owner(question);
    CHECK(q->has_question);
    CHECK(q->qtype == ldns_rr_get_type(question) && q->qclass == ldns_rr_get_class(question));
    CHECK(q->labels == ldns_dname_label_count(owner));
    ldns_dname2canonical(owner);
    CHECK(q->qname_len == ldns_rdf_size(owner));
    CHECK(memcmp(q->lower, ldns_rdf_data(owner), q->qname_len) == 0);
}

static void check_header(const struct dns_query *q, const ldns_pkt *pkt)
{
    CHECK(q->id == ldns_pkt_id(pkt));
    CHECK(q->opcode == ldns_pkt_get_opcode(pkt));
    CHECK(q->rd == ldns_pkt_rd(pkt) && q->cd == ldns_pkt_cd(pkt));
    unsigned flags = (unsigned)ldns_pkt_qr(pkt) << 15 | (unsigned)ldns_pkt_get_opcode(pkt) << 11 |
                     (unsigned)ldns_pkt_aa(pkt) << 10 | (unsigned)ldns_pkt_tc(pkt) << 9 |
                     (unsigned)ldns_pkt_rd(pkt) << 8 | (unsigned)ldns_pkt_ra(pkt) << 7 |
                     (unsigned)ldns_pkt_ad(pkt) << 5 | (unsigned)ldns_pkt_cd(pkt) << 4 |
                     (unsigned)ldns_pkt_get_rcode(pkt);
    CHECK((q->flags & ~0x40u) == flags); /* ldns does not keep Z */
}

static void check_subnet(const struct dns_query *q, const uint8_t *options, size_t len)
{
    size_t n = 0;
    const uint8_t *o = wire_option(options, len, 8, &n);
    CHECK(q->ecs.present == (o != NULL));
    if (!o)
        return;
    CHECK(q->ecs.family == wire_get16(o) && q->ecs.source == o[2] && q->ecs.addr_octets == n - 4);
    CHECK(memcmp(q->ecs.ip.b, o + 4, n - 4) == 0);
    for (size_t i = n - 4; i < sizeof q->ecs.ip.b; i++)
        CHECK(q->ecs.ip.b[i] == 0);
}

static void check_edns(const struct dns_query *q, const struct wire *w, const ldns_pkt *pkt,
                       bool options_read)
{
    CHECK(q->edns == (w->opts == 1));
    if (!q->edns) {
        CHECK(!ldns_pkt_edns(pkt));
        return;
    }
    /* For ldns an OPT that says nothing at all is none. */
    CHECK(ldns_pkt_edns(pkt) || (!q->edns_do && q->udp_size == 0 && w->options_len == 0));
    CHECK(q->edns_version == ldns_pkt_edns_version(pkt));
    CHECK(q->udp_size == ldns_pkt_edns_udp_size(pkt));
    CHECK(q->edns_do == ldns_pkt_edns_do(pkt));
    if (!options_read)
        return;
    const ldns_rdf *rdf = ldns_pkt_edns_data(pkt);
    const uint8_t *options = rdf ? ldns_rdf_data(rdf) : NULL;
    size_t len = rdf ? ldns_rdf_size(rdf) : 0;
    CHECK(q->nsid == (wire_options_count(options, len, 3) > 0));
    check_subnet(q, options, len);
}

static void compare(const uint8_t *msg, size_t len, const struct wire *w, const ldns_pkt *pkt)
{
    struct dns_query q;
    enum dns_parse got = dns_query_parse(msg, len, &q);
    enum expected want = expected(w);
    static const enum dns_parse as[] = {[OK] = DNS_PARSE_OK,
                                        [DROP] = DNS_PARSE_DROP,
                                        [HEADER_ERROR] = DNS_PARSE_HEADER_ERROR,
                                        [FORMERR] = DNS_PARSE_FORMERR,
                                        [BADVERS] = DNS_PARSE_BADVERS};
    CHECK(want == OK_OR_FORMERR ? got == DNS_PARSE_OK || got == DNS_PARSE_FORMERR
                                : got == as[want]);
    check_header(&q, pkt);
    if (got == DNS_PARSE_DROP || got == DNS_PARSE_HEADER_ERROR)
        return;
    check_question(&q, pkt);
    if (got == DNS_PARSE_FORMERR)
        return;
    check_edns(&q, w, pkt, got == DNS_PARSE_OK);
}

static void try_message(const uint8_t *msg, size_t len)
{
    struct wire w;
    ldns_pkt *pkt = NULL;
    if (!fit_for_ldns(msg, len, &w) || ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
        return;
    if (ldns_pkt_get_opcode(pkt) == LDNS_PACKET_QUERY && ldns_pkt_qdcount(pkt) == 1)
        compare(msg, len, &w, pkt);
    ldns_pkt_free(pkt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct recipe r;
    if (size < 1)
        return 0;
    if (data[0] & 1) {
        try_message(data + 1, size - 1);
        return 0;
    }
    r.p = data + 1;
    r.end = data + size;
    r.len = 0;
    build(&r);
    uint8_t *exact = malloc(r.len); /* so that the sanitizer sees a read past the end */
    CHECK(exact);
    memcpy(exact, r.msg, r.len);
    try_message(exact, r.len);
    free(exact);
    return 0;
}
