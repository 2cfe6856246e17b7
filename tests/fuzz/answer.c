/* Any octets to the whole answer path over a configuration with a bit of everything. What comes back
 * is read by two readers that know nothing of the encoder: a strict one of our own and ldns. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ldns/ldns.h>

#include "answer/answer.h"
#include "base/check.h"
#include "reply.h"
#include "wire.h"
#include "world.h"

#define OPTION_COOKIE 10    /* RFC 7873 */
#define OPTION_KEEPALIVE 11 /* RFC 7828 */
#define OPTION_EDE 15       /* RFC 8914 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_subnet(const struct dns_query *q, const struct reply *r)
{
    CHECK(r->ecs == q->ecs.present); /* RFC 7871 §7.2.1 */
    if (!r->ecs)
        return;
    CHECK(r->ecs_family == q->ecs.family && r->ecs_source == q->ecs.source);
    CHECK(r->ecs_octets == q->ecs.addr_octets);
    CHECK(memcmp(r->ecs_addr, q->ecs.ip.b, r->ecs_octets) == 0);
    CHECK(q->ecs.source > 0 || r->ecs_scope == 0);
}

/* What an answer's OPT may hold, by what the query's OPT holds; read by ldns there, by wire_walk
 * here. An option that a build does not know is simply never in its answers. */
struct options {
    const uint8_t *asked, *given;
    size_t asked_len, given_len;
    bool tcp;
    unsigned rcode;
};

static const uint8_t *asked(const struct options *o, unsigned code, size_t *len)
{
    return o->asked ? wire_option(o->asked, o->asked_len, code, len) : NULL;
}

/* RFC 7873 §5.2: the first COOKIE counts; RFC 9018 §4: version 1, three zeros, time, hash. */
static void check_cookie(const struct options *o, const uint8_t *cookie, size_t len)
{
    size_t n = 0;
    const uint8_t *client = asked(o, OPTION_COOKIE, &n);
    CHECK(client && (n == 8 || (n >= 16 && n <= 40)));
    CHECK(len == 24 && memcmp(cookie, client, 8) == 0);
    CHECK(cookie[8] == 1 && cookie[9] == 0 && cookie[10] == 0 && cookie[11] == 0);
}

/* RFC 8914 §2: INFO-CODE, then UTF-8 that may be empty and is not ended by a zero. */
static void check_error(const struct options *o, const uint8_t *error, size_t len)
{
    CHECK(len >= 2 && len < 256);
    unsigned info = wire_get16(error);
    CHECK(o->rcode == DNS_REFUSED ? info == 18 || info == 20
                                  : o->rcode == DNS_SERVFAIL && (info == 0 || info == 14));
    for (size_t i = 2; i < len; i++)
        CHECK(error[i] >= 0x20 && error[i] != 0x7f);
}

/* RFC 7828 §3.3.2: over TCP only, in units of 100 ms, to those who sent it. */
static void check_keepalive(const struct options *o, const uint8_t *value, size_t len)
{
    size_t n = 0;
    CHECK(o->tcp && asked(o, OPTION_KEEPALIVE, &n) && n == 0);
    CHECK(len == 2 && wire_get16(value) > 0);
}

static void check_options(const struct options *o)
{
    static const unsigned known[] = {DNS_OPTION_NSID, DNS_OPTION_ECS, OPTION_COOKIE,
                                     OPTION_KEEPALIVE, OPTION_EDE};
    unsigned known_n = 0;
    size_t n;
    CHECK(wire_options_whole(o->given, o->given_len));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        unsigned times = wire_options_count(o->given, o->given_len, known[i]);
        CHECK(times <= 1);
        known_n += times;
    }
    CHECK(known_n == wire_options_n(o->given, o->given_len)); /* nothing else, no PADDING */
    if (wire_option(o->given, o->given_len, DNS_OPTION_NSID, &n))
        CHECK(asked(o, DNS_OPTION_NSID, &n)); /* RFC 5001 §2.2 */
    if (wire_option(o->given, o->given_len, DNS_OPTION_ECS, &n))
        CHECK(asked(o, DNS_OPTION_ECS, &n)); /* RFC 7871 §7.2.2 */
    const uint8_t *p = wire_option(o->given, o->given_len, OPTION_COOKIE, &n);
    if (p)
        check_cookie(o, p, n);
    p = wire_option(o->given, o->given_len, OPTION_EDE, &n);
    if (p)
        check_error(o, p, n);
    p = wire_option(o->given, o->given_len, OPTION_KEEPALIVE, &n);
    if (p)
        check_keepalive(o, p, n);
}

static void check_by_ldns(const struct answer_request *q, size_t len, unsigned rcode)
{
    ldns_pkt *pkt = NULL;
    CHECK(ldns_wire2pkt(&pkt, q->out, len) == LDNS_STATUS_OK);
    const ldns_rdf *rdf = ldns_pkt_edns_data(pkt);
    struct wire w;
    if (rdf && wire_walk(q->msg, q->len, &w))
        check_options(&(struct options){.asked = w.options,
                                        .asked_len = w.options_len,
                                        .given = ldns_rdf_data(rdf),
                                        .given_len = ldns_rdf_size(rdf),
                                        .tcp = q->tcp,
                                        .rcode = rcode});
    ldns_pkt_free(pkt);
}

static void check_reply(const struct answer_request *req, size_t len)
{
    static struct reply r;
    const char *bad = reply_read(req->out, len, &r);
    if (bad)
        fprintf(stderr, "%s\n", bad);
    CHECK(!bad);
    CHECK(req->out[0] == req->msg[0] && req->out[1] == req->msg[1]);
    check_by_ldns(req, len, r.rcode);
    struct dns_query q;
    if (dns_query_parse(req->msg, req->len, &q) != DNS_PARSE_OK)
        return;
    CHECK(r.opt == q.edns && r.opt_do == (q.edns && q.edns_do));
    CHECK(r.has_question == q.has_question);
    if (q.has_question) { /* octet for octet: 0x20 */
        CHECK(r.qname.len == q.qname_len);
        CHECK(memcmp(r.qname.wire, req->msg + DNS_HEADER_BYTES, q.qname_len) == 0);
        CHECK(r.qtype == q.qtype && r.qclass == q.qclass);
    }
    check_subnet(&q, &r);
    CHECK(!r.tc || r.n == 0);
    CHECK(r.rcode != DNS_NXDOMAIN || r.authorities == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[65535];
    static struct answer_worker w;
    if (size < 2)
        return 0;
    const struct snapshot *s = world_open("answer.json");
    struct ip source = {.family = data[0] & 2 ? 6 : 4, .b = {data[0], data[1], 7, 7}};
    answer_worker_init(&w, 0, data[0]);
    world_set_board(s, data[1]);
    struct answer_request r = {.msg = data + 2,
                               .len = size - 2,
                               .source = source,
                               .tcp = data[0] & 1,
                               .out = out,
                               .cap = data[0] & 1 ? sizeof out : 1232};
    size_t len = answer_query(&w, s, &r);
    uint64_t counted = 0;
    for (int i = 0; i < ANSWER_OUTCOMES; i++)
        counted += atomic_load(&w.outcome[i]);
    CHECK(counted == 1);
    CHECK((len == 0) == (atomic_load(&w.outcome[ANSWER_dropped]) == 1));
    CHECK(len <= r.cap);
    if (len)
        check_reply(&r, len);
    return 0;
}
