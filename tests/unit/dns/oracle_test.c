/* Messages that ldns has built, read by ldns and by us: both must see the same. Only well-formed
 * ones: ldns is kind to malformed input, and leaks on some of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h> /* before ldns, which else makes bool a signed char */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include <ldns/ldns.h>

#include "base/random.h"
#include "dns/query.h"

static ldns_rdf *name_random(struct rng *r)
{
    uint8_t wire[256];
    unsigned at = 0;
    for (unsigned labels = rng_below(r, 9); labels > 0; labels--) {
        unsigned n = 1 + rng_below(r, 20);
        wire[at++] = (uint8_t)n;
        while (n-- > 0)
            wire[at++] = (uint8_t)rng_next(r);
    }
    wire[at++] = 0;
    return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, at, wire);
}

static void subnet_add(struct rng *r, ldns_pkt *pkt)
{
    bool v6 = rng_below(r, 2) == 1;
    unsigned source = rng_below(r, v6 ? 129 : 33), octets = (source + 7) / 8;
    uint8_t option[24] = {0, 8, 0, (uint8_t)(4 + octets), 0, v6 ? 2 : 1, (uint8_t)source, 0};
    for (unsigned i = 0; i < octets; i++)
        option[8 + i] = (uint8_t)rng_next(r);
    if (source % 8)
        option[8 + octets - 1] &= (uint8_t)(0xff << (8 - source % 8));
    ldns_pkt_set_edns_data(pkt, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_UNKNOWN, 8 + octets, option));
}

static void compare(const uint8_t *wire, size_t len)
{
    ldns_pkt *pkt = NULL;
    assert_int_equal(ldns_wire2pkt(&pkt, wire, len), LDNS_STATUS_OK);
    struct dns_query q;
    assert_int_equal(dns_query_parse(wire, len, &q), DNS_PARSE_OK);
    const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
    ldns_rdf *owner = ldns_rr_owner(question);
    assert_int_equal(q.id, ldns_pkt_id(pkt));
    assert_int_equal(q.rd, ldns_pkt_rd(pkt));
    assert_int_equal(q.cd, ldns_pkt_cd(pkt));
    assert_int_equal(q.qtype, ldns_rr_get_type(question));
    assert_int_equal(q.qclass, ldns_rr_get_class(question));
    assert_int_equal(q.labels, ldns_dname_label_count(owner));
    ldns_dname2canonical(owner);
    assert_int_equal(q.qname_len, ldns_rdf_size(owner));
    assert_memory_equal(q.lower, ldns_rdf_data(owner), q.qname_len);
    assert_int_equal(q.edns, ldns_pkt_edns(pkt));
    if (q.edns) {
        assert_int_equal(q.udp_size, ldns_pkt_edns_udp_size(pkt));
        assert_int_equal(q.edns_do, ldns_pkt_edns_do(pkt));
        const ldns_rdf *options = ldns_pkt_edns_data(pkt);
        assert_int_equal(q.ecs.present, options != NULL);
        if (options) {
            const uint8_t *o = ldns_rdf_data(options);
            assert_int_equal(q.ecs.source, o[6]);
            assert_int_equal(q.ecs.addr_octets, ldns_rdf_size(options) - 8);
            assert_memory_equal(q.ecs.ip.b, o + 8, q.ecs.addr_octets);
        }
    }
    ldns_pkt_free(pkt);
}

static void queries_built_by_ldns_read_the_same(void **state)
{
    (void)state;
    const char *s = getenv("SEED");
    uint64_t seed = s ? strtoull(s, NULL, 0) : (uint64_t)time(NULL);
    printf("SEED=%llu\n", (unsigned long long)seed);
    struct rng r;
    rng_seed(&r, seed);
    for (int i = 0; i < 5000; i++) {
        uint16_t flags =
            (uint16_t)((rng_below(&r, 2) ? LDNS_RD : 0) | (rng_below(&r, 2) ? LDNS_CD : 0));
        ldns_pkt *pkt = ldns_pkt_query_new(
            name_random(&r), (ldns_rr_type)(1 + rng_below(&r, 65535)), LDNS_RR_CLASS_IN, flags);
        ldns_pkt_set_id(pkt, (uint16_t)rng_next(&r));
        if (rng_below(&r, 3)) {
            ldns_pkt_set_edns_udp_size(pkt, (uint16_t)(1 + rng_below(&r, 65535)));
            ldns_pkt_set_edns_do(pkt, rng_below(&r, 2) == 1);
            if (rng_below(&r, 2))
                subnet_add(&r, pkt);
        }
        if (rng_below(&r, 4) == 0) { /* a record before the OPT */
            ldns_rr *rr = NULL;
            assert_int_equal(
                ldns_rr_new_frm_str(&rr, "x.example. 60 IN MX 5 y.example.", 0, NULL, NULL),
                LDNS_STATUS_OK);
            ldns_pkt_push_rr(pkt, LDNS_SECTION_ADDITIONAL, rr);
        }
        uint8_t *wire = NULL;
        size_t len = 0;
        assert_int_equal(ldns_pkt2wire(&wire, pkt, &len), LDNS_STATUS_OK);
        compare(wire, len);
        free(wire);
        ldns_pkt_free(pkt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(queries_built_by_ldns_read_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
