/* CNAME and DNAME: chains, loops, names too long, across our zones and out of them. */
#include "zoned.h"

#include <string.h>

static struct zoned z;

static const struct zoned_zone zones[] = {
    {"z.test", ZONED_TOP "to CNAME Host.Y.Test.\n"
                         "toabsent CNAME absent.y.test.\n"
                         "toempty CNAME ent.y.test.\n"
                         "tocut CNAME x.cut.y.test.\n"
                         "out CNAME out.y.test.\n"
                         "ping CNAME pong.y.test.\n"
                         "c1 CNAME c2\nc2 CNAME c3\nc3 CNAME c4\nc4 CNAME c5\nc5 CNAME c6\n"
                         "c6 CNAME c7\nc7 CNAME c8\nc8 CNAME mail\n"
                         "d0 CNAME c1\n"
                         "mail A 192.0.2.25\n"
                         "dn DNAME y.test.\n"
                         "dn TXT \"beside the DNAME\"\n"
                         "spin DNAME a.spin\n"
                         "short DNAME a.rather.long.name.in.y.test.\n"
                         "tolong CNAME "
                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
                         "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb."
                         "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc."
                         "dddddddddddddddddddddddddddddddddddddddddddd.short\n"},
    {"y.test", ZONED_TOP "host A 192.0.2.44\n"
                         "a.ent TXT \"x\"\n"
                         "cut NS ns.far.test.\n"
                         "out CNAME www.example.org.\n"
                         "pong CNAME ping.z.test.\n"
                         "cn CNAME host\n"
                         "again DNAME z.test.\n"},
    {"apex.test", "$TTL 60\n@ SOA ns.far.test. host 1 2 3 4 5\n@ NS ns.far.test.\n"
                  "@ DNAME y.test.\n@ MX 10 mail.y.test.\n"},
};

static int open_world(void **state)
{
    (void)state;
    zoned_open(&z, zones, sizeof zones / sizeof zones[0],
               ZONED_SERVICE("www.z.test", 30, "192.0.2.9"));
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    zoned_close(&z);
    return 0;
}

#define SOA_Z " | z.test 300 SOA ns1.z.test"
#define SOA_Y " | y.test 300 SOA ns1.y.test"

/* RFC 1034 section 4.3.2 step 3a: from one of our zones into another. */
static void an_alias_is_followed_into_another_zone_of_ours(void **state)
{
    (void)state;
    assert_line(&z, "to.z.test", DNS_A,
                "NOERROR aa to.z.test 3600 CNAME Host.Y.Test; Host.Y.Test 3600 A 192.0.2.44");
    assert_line(&z, "out.z.test", DNS_A,
                "NOERROR aa out.z.test 3600 CNAME out.y.test; out.y.test 3600 CNAME "
                "www.example.org");
}

/* RFC 6604 section 3: the RCODE is that of the last name; RFC 2308 section 2.1: its zone's SOA. */
static void the_rcode_and_the_soa_are_those_of_the_last_name(void **state)
{
    (void)state;
    assert_line(&z, "toabsent.z.test", DNS_A,
                "NXDOMAIN aa toabsent.z.test 3600 CNAME absent.y.test" SOA_Y);
    assert_line(&z, "toempty.z.test", DNS_A,
                "NOERROR aa toempty.z.test 3600 CNAME ent.y.test" SOA_Y);
}

/* RFC 6604 section 2, RFC 1035 section 4.1.1: AA speaks of the first name of the answer. */
static void aa_is_that_of_the_first_name(void **state)
{
    (void)state;
    assert_line(&z, "tocut.z.test", DNS_A,
                "NOERROR aa tocut.z.test 3600 CNAME x.cut.y.test | cut.y.test 3600 NS ns.far.test");
    assert_line(&z, "x.cut.y.test", DNS_A, "NOERROR | cut.y.test 3600 NS ns.far.test");
}

/* RFC 1034 section 3.6.2: a question for the alias itself, or for anything, stops at it. */
static void a_question_for_the_alias_stops_there(void **state)
{
    (void)state;
    assert_line(&z, "to.z.test", DNS_CNAME, "NOERROR aa to.z.test 3600 CNAME Host.Y.Test");
    assert_line(&z, "to.z.test", DNS_ANY, "NOERROR aa to.z.test 3600 CNAME Host.Y.Test");
}

/* RFC 1034 section 3.6.2: chains are followed, loops found out. RFC 2181 section 5: nothing twice. */
static void loops_across_zones_end(void **state)
{
    (void)state;
    assert_line(&z, "ping.z.test", DNS_A,
                "NOERROR aa ping.z.test 3600 CNAME pong.y.test; pong.y.test 3600 CNAME "
                "ping.z.test");
    assert_line(&z, "x.spin.z.test", DNS_A,
                "NOERROR aa spin.z.test 3600 DNAME a.spin.z.test; x.spin.z.test 3600 CNAME "
                "x.a.spin.z.test");
}

/* RFC 1034 section 3.6.2: eight aliases, and the resolver goes on from there. */
static void a_chain_has_a_limit(void **state)
{
    (void)state;
    const struct reply *r = ask(&z.lab, &(struct lab_question){.name = "c2.z.test", .type = DNS_A});
    assert_int_equal(r->answers, 8); /* seven aliases and the address */
    assert_int_equal(r->rr[7].type, DNS_A);
    r = ask(&z.lab, &(struct lab_question){.name = "d0.z.test", .type = DNS_A});
    assert_int_equal(r->answers, ANSWER_CHAIN_MAX);
    assert_int_equal(r->rr[7].type, DNS_CNAME);
    assert_int_equal(r->rcode, DNS_NOERROR);
    assert_true(r->aa);
}

/* RFC 2181 section 10.1: an alias stands alone, in the file and at the top of a zone. */
static void an_alias_beside_other_data_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"x CNAME a\nx A 192.0.2.1\n", "x CNAME a\nx CNAME b\n",
                                      "@ CNAME www.example.org.\n"};
    char text[300], said[600];
    for (size_t i = 0; i < 3; i++) {
        strcat(strcpy(text, ZONED_TOP), bad[i]);
        zoned_refused(text, "", said, sizeof said);
        assert_non_null(strstr(said, "CNAME"));
    }
    zoned_refused(ZONED_TOP, ZONED_SERVICE("z.test", 30, "www.example.org"), said, sizeof said);
}

/* RFC 6672 section 3.1: the DNAME, and a CNAME with its TTL for those who do not know it. */
static void a_dname_comes_with_its_cname(void **state)
{
    (void)state;
    assert_line(&z, "host.dn.z.test", DNS_A,
                "NOERROR aa dn.z.test 3600 DNAME y.test; host.dn.z.test 3600 CNAME host.y.test; "
                "host.y.test 3600 A 192.0.2.44");
    assert_line(&z, "no.dn.z.test", DNS_A,
                "NXDOMAIN aa dn.z.test 3600 DNAME y.test; no.dn.z.test 3600 CNAME no.y.test" SOA_Y);
}

/* RFC 1034 section 3.6.2: the alias that a DNAME makes is the answer where one is asked for; what is
 * behind it is another question, and may be denied by itself. */
static void a_question_for_the_alias_stops_at_one_that_a_dname_makes(void **state)
{
    (void)state;
    static const uint16_t types[] = {DNS_CNAME, DNS_ANY};
    for (size_t i = 0; i < 2; i++) {
        assert_line(&z, "no.dn.z.test", types[i],
                    "NOERROR aa dn.z.test 3600 DNAME y.test; no.dn.z.test 3600 CNAME no.y.test");
        assert_int_equal(ask_outcome(), ANSWER_noerror);
        assert_line(
            &z, "host.dn.z.test", types[i],
            "NOERROR aa dn.z.test 3600 DNAME y.test; host.dn.z.test 3600 CNAME host.y.test");
    }
}

/* RFC 6672 section 2.3: only what is below is renamed; the owner keeps its data, also at an apex. */
static void the_owner_of_a_dname_is_not_renamed(void **state)
{
    (void)state;
    assert_line(&z, "dn.z.test", DNS_TXT, "NOERROR aa dn.z.test 3600 TXT #17");
    assert_line(&z, "dn.z.test", DNS_A, "NOERROR aa" SOA_Z);
    assert_line(&z, "dn.z.test", DNS_DNAME, "NOERROR aa dn.z.test 3600 DNAME y.test");
    assert_line(&z, "apex.test", DNS_MX, "NOERROR aa apex.test 60 MX #15");
    assert_line(&z, "host.apex.test", DNS_A,
                "NOERROR aa apex.test 60 DNAME y.test; host.apex.test 60 CNAME host.y.test; "
                "host.y.test 3600 A 192.0.2.44");
}

/* RFC 6672 section 3.2: behind a DNAME one step is enough, the resolver asks for the rest. */
static void an_alias_behind_a_dname_is_for_the_resolver(void **state)
{
    (void)state;
    assert_line(&z, "cn.dn.z.test", DNS_A,
                "NOERROR aa dn.z.test 3600 DNAME y.test; cn.dn.z.test 3600 CNAME cn.y.test");
    assert_line(&z, "mail.again.dn.z.test", DNS_A,
                "NOERROR aa dn.z.test 3600 DNAME y.test; mail.again.dn.z.test 3600 CNAME "
                "mail.again.y.test");
}

/* RFC 6672 section 2.2: YXDOMAIN with the DNAME, also behind an alias. */
static void a_name_too_long_behind_an_alias_is_yxdomain(void **state)
{
    (void)state;
    const struct reply *r =
        ask(&z.lab, &(struct lab_question){.name = "tolong.z.test", .type = DNS_A, .edns = 1232});
    assert_int_equal(r->rcode, ANSWER_YXDOMAIN);
    assert_true(r->aa);
    assert_int_equal(r->answers, 2);
    assert_int_equal(r->rr[0].type, DNS_CNAME);
    assert_int_equal(r->rr[1].type, DNS_DNAME);
    assert_int_equal(ask_outcome(), ANSWER_yxdomain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alias_is_followed_into_another_zone_of_ours),
        cmocka_unit_test(the_rcode_and_the_soa_are_those_of_the_last_name),
        cmocka_unit_test(aa_is_that_of_the_first_name),
        cmocka_unit_test(a_question_for_the_alias_stops_there),
        cmocka_unit_test(loops_across_zones_end),
        cmocka_unit_test(a_chain_has_a_limit),
        cmocka_unit_test(an_alias_beside_other_data_is_refused),
        cmocka_unit_test(a_dname_comes_with_its_cname),
        cmocka_unit_test(a_question_for_the_alias_stops_at_one_that_a_dname_makes),
        cmocka_unit_test(the_owner_of_a_dname_is_not_renamed),
        cmocka_unit_test(an_alias_behind_a_dname_is_for_the_resolver),
        cmocka_unit_test(a_name_too_long_behind_an_alias_is_yxdomain),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
