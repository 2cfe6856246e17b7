/* Delegations: referrals, glue, DS, and what lies below a cut. */
#include "zoned.h"

#include <string.h>

static struct zoned z;

static const struct zoned_zone zones[] = {
    {"z.test", ZONED_TOP "own NS ns.own\n"
                         "ns.own A 192.0.2.1\nns.own AAAA 2001:db8::1\n"
                         "sib NS ns.own\n"
                         "here NS mail\n"
                         "mail A 192.0.2.25\n"
                         "far NS ns.far.example.\n"
                         "many NS ns.many\nmany NS ns.own\nmany NS mail\nmany NS ns.far.example.\n"
                         "ns.many A 192.0.2.2\n"
                         "signed NS ns.far.example.\n"
                         "signed DS 12345 13 2 aabb\n"
                         "self NS self\nself A 192.0.2.3\n"
                         "x.deep NS ns.far.example.\n"
                         "serv NS www\n"
                         "in NS ns.far.example.\n"
                         "@ MX 10 mail\n_s._tcp SRV 1 1 1 mail\n"},
    {"in.z.test", "$TTL 60\n@ SOA ns.far.example. host 1 2 3 4 5\n@ NS ns.far.example.\n"
                  "b TXT \"x\"\n"},
};

static int open_world(void **state)
{
    (void)state;
    zoned_open(&z, zones, sizeof zones / sizeof zones[0],
               ZONED_SERVICE("www.z.test", 30, "192.0.2.9") "," ZONED_SERVICE("a.in.z.test", 30,
                                                                              "192.0.2.8"));
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    zoned_close(&z);
    return 0;
}

#define SOA " | z.test 300 SOA ns1.z.test"
#define OWN                                                                                        \
    " | own.z.test 3600 NS ns.own.z.test + ns.own.z.test 3600 A 192.0.2.1; ns.own.z.test 3600 "    \
    "AAAA 2001:db8::1"

/* RFC 1034 section 4.3.2 step 3b: AA=0, NS in the authority section, the addresses that we hold;
 * RFC 9471 section 3.1: in-domain glue all of it. */
static void a_cut_and_all_below_it_is_a_referral(void **state)
{
    (void)state;
    static const char *const names[] = {"own.z.test", "x.own.z.test", "a.b.c.own.z.test",
                                        "ns.own.z.test"};
    static const uint16_t types[] = {DNS_A, DNS_AAAA, DNS_NS, DNS_SOA, DNS_ANY, 65280};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 6; k++) {
            assert_line(&z, names[i], types[k], "NOERROR" OWN);
            assert_int_equal(ask_outcome(), ANSWER_referral);
        }
    assert_line(&z, "self.z.test", DNS_A,
                "NOERROR | self.z.test 3600 NS self.z.test + self.z.test 3600 A 192.0.2.3");
}

/* RFC 9471 section 3.2: glue from a sister's zone goes along where it fits; so do addresses of our
 * own zone. What others hold is theirs to say, and a service's addresses depend on the client. */
static void other_addresses_go_along(void **state)
{
    (void)state;
    assert_line(&z, "x.sib.z.test", DNS_A,
                "NOERROR | sib.z.test 3600 NS ns.own.z.test + ns.own.z.test 3600 A 192.0.2.1; "
                "ns.own.z.test 3600 AAAA 2001:db8::1");
    assert_line(&z, "x.here.z.test", DNS_A,
                "NOERROR | here.z.test 3600 NS mail.z.test + mail.z.test 3600 A 192.0.2.25");
    assert_line(&z, "x.far.z.test", DNS_A, "NOERROR | far.z.test 3600 NS ns.far.example");
    assert_line(&z, "x.serv.z.test", DNS_A, "NOERROR | serv.z.test 3600 NS www.z.test");
    const struct reply *r = ask(&z.lab, &(struct lab_question){.name = "many.z.test", .type = 1});
    assert_int_equal(r->authorities, 4);
    assert_int_equal(r->additionals, 4);
    assert_string_equal(reply_text(&r->rr[4].owner), "ns.many.z.test"); /* the needed one first */
}

/* RFC 4035 section 3.1.4.1: the parent's side of the cut answers for DS, there or not. */
static void ds_is_answered_above_the_cut(void **state)
{
    (void)state;
    assert_line(&z, "signed.z.test", DNS_DS, "NOERROR aa signed.z.test 3600 DS #6");
    assert_line(&z, "own.z.test", DNS_DS, "NOERROR aa" SOA);
    assert_int_equal(ask_outcome(), ANSWER_nodata);
    assert_line(&z, "x.signed.z.test", DNS_DS, "NOERROR | signed.z.test 3600 NS ns.far.example");
    assert_line(&z, "z.test", DNS_DS, "NOERROR aa" SOA);    /* its parent is not ours */
    assert_line(&z, "in.z.test", DNS_DS, "NOERROR aa" SOA); /* and here it is */
}

/* RFC 1034 section 4.2.1: the longest zone answers; the other one's NS are no cut for it. */
static void a_zone_of_ours_below_a_cut_answers_for_itself(void **state)
{
    (void)state;
    assert_line(&z, "in.z.test", DNS_NS, "NOERROR aa in.z.test 60 NS ns.far.example");
    assert_line(&z, "in.z.test", DNS_SOA, "NOERROR aa in.z.test 60 SOA ns.far.example");
    assert_line(&z, "a.in.z.test", DNS_A, "NOERROR aa a.in.z.test 30 A 192.0.2.8");
    assert_line(&z, "b.in.z.test", DNS_A, "NOERROR aa | in.z.test 5 SOA ns.far.example");
    assert_line(&z, "c.in.z.test", DNS_A, "NXDOMAIN aa | in.z.test 5 SOA ns.far.example");
}

/* RFC 8020 section 2: the name above a cut exists. */
static void the_name_above_a_cut_is_an_empty_non_terminal(void **state)
{
    (void)state;
    assert_line(&z, "deep.z.test", DNS_A, "NOERROR aa" SOA);
    assert_line(&z, "y.deep.z.test", DNS_A, "NXDOMAIN aa" SOA);
    assert_line(&z, "x.deep.z.test", DNS_A, "NOERROR | x.deep.z.test 3600 NS ns.far.example");
}

/* RFC 1034 section 4.3.2 step 6 lets more be added; RFC 2181 section 9 that it may be left out. No NS
 * beside an answer, no addresses beside NS, MX or SRV: answers stay small. */
static void answers_are_minimal(void **state)
{
    (void)state;
    assert_line(&z, "www.z.test", DNS_A, "NOERROR aa www.z.test 30 A 192.0.2.9");
    assert_line(&z, "z.test", DNS_NS, "NOERROR aa z.test 3600 NS ns1.z.test");
    assert_line(&z, "z.test", DNS_MX, "NOERROR aa z.test 3600 MX #15");
    assert_line(&z, "_s._tcp.z.test", DNS_SRV, "NOERROR aa _s._tcp.z.test 3600 SRV #19");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_and_all_below_it_is_a_referral),
        cmocka_unit_test(other_addresses_go_along),
        cmocka_unit_test(ds_is_answered_above_the_cut),
        cmocka_unit_test(a_zone_of_ours_below_a_cut_answers_for_itself),
        cmocka_unit_test(the_name_above_a_cut_is_an_empty_non_terminal),
        cmocka_unit_test(answers_are_minimal),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
