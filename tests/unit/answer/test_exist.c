/* What exists and what does not: denial, its TTL, empty non-terminals, TTLs and whole RRsets. */
#include "zoned.h"

#include <string.h>

static struct zoned z;

static const struct zoned_zone zones[] = {
    {"z.test", ZONED_TOP "a.b.c TXT \"deep\"\n"
                         "mail 20 A 192.0.2.1\nmail 10 A 192.0.2.2\nmail 30 A 192.0.2.1\n"
                         "mail AAAA 2001:db8::1\nmail TXT \"x\"\n"
                         "forever 2147483647 A 192.0.2.3\n"
                         "never 0 A 192.0.2.4\n"},
    {"low.test", "$TTL 3600\n@ 60 SOA ns.far.test. host 1 2 3 4 900\n@ NS ns.far.test.\n"},
    {"zero.test", "$TTL 3600\n@ SOA ns.far.test. host 1 2 3 4 0\n@ NS ns.far.test.\n"},
    {"huge.test",
     "$TTL 2147483647\n@ SOA ns.far.test. host 1 2 3 4 4294967295\n@ NS ns.far.test.\n"},
};

static int open_world(void **state)
{
    (void)state;
    zoned_open(&z, zones, sizeof zones / sizeof zones[0],
               ZONED_SERVICE("a.very.deep.app.z.test", 30, "192.0.2.9"));
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    zoned_close(&z);
    return 0;
}

#define SOA " | z.test 300 SOA ns1.z.test"

/* RFC 2308 section 2.1, 2.2 and 3: NXDOMAIN and NODATA both carry the SOA. */
static void denials_carry_the_soa(void **state)
{
    (void)state;
    assert_line(&z, "no.z.test", DNS_A, "NXDOMAIN aa" SOA);
    assert_int_equal(ask_outcome(), ANSWER_nxdomain);
    assert_line(&z, "mail.z.test", DNS_MX, "NOERROR aa" SOA);
    assert_int_equal(ask_outcome(), ANSWER_nodata);
}

/* RFC 2308 section 3 and 5: the smaller of the SOA's TTL and its last field; asked for itself the SOA
 * has its own. */
static void denials_live_for_the_smaller_of_two_ttls(void **state)
{
    (void)state;
    assert_line(&z, "z.test", DNS_SOA, "NOERROR aa z.test 600 SOA ns1.z.test");
    assert_line(&z, "no.z.test", DNS_A, "NXDOMAIN aa" SOA);
    assert_line(&z, "no.low.test", DNS_A, "NXDOMAIN aa | low.test 60 SOA ns.far.test");
    assert_line(&z, "no.zero.test", DNS_A, "NXDOMAIN aa | zero.test 0 SOA ns.far.test");
    assert_line(&z, "no.huge.test", DNS_A, "NXDOMAIN aa | huge.test 2147483647 SOA ns.far.test");
}

/* RFC 8020 section 2: what has something below it exists; what does not has nothing below. RFC 4592
 * section 2.2.2 says the same of empty non-terminals. */
static void nxdomain_holds_for_all_that_is_below(void **state)
{
    (void)state;
    static const char *const empty[] = {"c.z.test", "b.c.z.test", "app.z.test", "deep.app.z.test",
                                        "very.deep.app.z.test"};
    static const uint16_t types[] = {DNS_A, DNS_AAAA, DNS_NS, DNS_SOA, DNS_TXT, DNS_DS, 65280};
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < 7; k++)
            assert_line(&z, empty[i], types[k], "NOERROR aa" SOA);
    assert_line(&z, "no.z.test", DNS_A, "NXDOMAIN aa" SOA);
    assert_line(&z, "x.no.z.test", DNS_A, "NXDOMAIN aa" SOA);
    assert_line(&z, "x.y.no.z.test", DNS_A, "NXDOMAIN aa" SOA);
}

/* RFC 9156 section 2: a resolver that hides the name asks label by label, for A or NS; nothing on the
 * way to a service may send it back. */
static void every_label_on_the_way_to_a_service_lets_a_resolver_pass(void **state)
{
    (void)state;
    static const uint16_t types[] = {DNS_NS, DNS_A};
    static const char full[] = "a.very.deep.app.z.test";
    for (const char *name = full + strlen(full) - 6; name > full;) {
        for (name--; name > full && name[-1] != '.';)
            name--;
        if (name == full)
            break;
        for (size_t k = 0; k < 2; k++) {
            const struct reply *r =
                ask(&z.lab, &(struct lab_question){.name = name, .type = types[k]});
            assert_int_equal(r->rcode, DNS_NOERROR);
            assert_true(r->aa);
            assert_int_equal(r->answers, 0);
            assert_int_equal(r->authorities, 1);
            assert_int_equal(r->rr[0].type, DNS_SOA);
        }
    }
    assert_line(&z, full, DNS_NS, "NOERROR aa | z.test 30 SOA ns1.z.test");
    assert_line(&z, full, DNS_A, "NOERROR aa a.very.deep.app.z.test 30 A 192.0.2.9");
    assert_line(&z, "z.test", DNS_NS, "NOERROR aa z.test 3600 NS ns1.z.test");
}

/* RFC 2181 section 5: an RRset goes whole and without doubles; section 5.2: with one TTL. */
static void an_rrset_is_whole_with_one_ttl(void **state)
{
    (void)state;
    assert_line(&z, "mail.z.test", DNS_A,
                "NOERROR aa mail.z.test 10 A 192.0.2.1; mail.z.test 10 A 192.0.2.2");
}

/* RFC 2181 section 8: 0 to 2^31-1, and a file with more is refused. */
static void ttls_reach_from_0_to_2_to_the_31(void **state)
{
    (void)state;
    assert_line(&z, "forever.z.test", DNS_A, "NOERROR aa forever.z.test 2147483647 A 192.0.2.3");
    assert_line(&z, "never.z.test", DNS_A, "NOERROR aa never.z.test 0 A 192.0.2.4");
    char said[600];
    zoned_refused(ZONED_TOP "x 2147483648 A 192.0.2.1\n", "", said, sizeof said);
    assert_non_null(strstr(said, "2147483648"));
}

/* RFC 8482 section 4.1: of a name with many types one RRset, NOERROR, over TCP as over UDP. */
static void any_is_one_rrset(void **state)
{
    (void)state;
    for (int tcp = 0; tcp < 2; tcp++) {
        const struct reply *r =
            ask(&z.lab, &(struct lab_question){.name = "mail.z.test", .type = DNS_ANY, .tcp = tcp});
        assert_int_equal(r->rcode, DNS_NOERROR);
        assert_true(r->answers > 0);
        for (unsigned i = 1; i < r->n; i++)
            assert_int_equal(r->rr[i].type, r->rr[0].type);
    }
    assert_line(&z, "c.z.test", DNS_ANY, "NOERROR aa" SOA);
    assert_line(&z, "a.very.deep.app.z.test", DNS_ANY,
                "NOERROR aa a.very.deep.app.z.test 30 A 192.0.2.9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(denials_carry_the_soa),
        cmocka_unit_test(denials_live_for_the_smaller_of_two_ttls),
        cmocka_unit_test(nxdomain_holds_for_all_that_is_below),
        cmocka_unit_test(every_label_on_the_way_to_a_service_lets_a_resolver_pass),
        cmocka_unit_test(an_rrset_is_whole_with_one_ttl),
        cmocka_unit_test(ttls_reach_from_0_to_2_to_the_31),
        cmocka_unit_test(any_is_one_rrset),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
