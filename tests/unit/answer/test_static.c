/* Static data, delegations, wildcards, aliases: RFC 1034 section 4.3.2 as seen from outside. */
#include "ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char zone_path[] = "/tmp/meridian-answer-XXXXXX";

static const char zone_text[] =
    "$TTL 3600\n"
    "@ 600 IN SOA ns1 host 1 2 3 4 300\n"
    "@ IN NS ns1\n"
    "@ IN NS ns.far.test.\n"
    "ns1 IN A 192.0.2.53\n"
    "@ IN MX 10 mail\n"
    "mail IN A 192.0.2.25\n"
    "a.b.ent IN TXT \"deep\"\n"
    "alias IN CNAME mail\n"
    "alias2 IN CNAME alias\n"
    "towww IN CNAME www\n"
    "toabsent IN CNAME absent\n"
    "tonodata IN CNAME mail\n"
    "abroad IN CNAME www.example.com.\n"
    "tochild IN CNAME host.child\n"
    "loop1 IN CNAME loop2\n"
    "loop2 IN CNAME loop1\n"
    "self IN CNAME self\n"
    "into IN CNAME x.dn\n"
    "c1 CNAME c2\nc2 CNAME c3\nc3 CNAME c4\nc4 CNAME c5\nc5 CNAME c6\nc6 CNAME c7\nc7 CNAME c8\n"
    "c8 CNAME c9\nc9 CNAME c10\nc10 CNAME mail\n"
    "*.wild 60 IN A 192.0.2.77\n"
    "here.wild 60 IN TXT \"x\"\n"
    "*.spin IN CNAME again.spin\n"
    "child IN NS ns.child\n"
    "child IN NS ns.far.test.\n"
    "child IN NS mail\n"
    "child IN DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
    "ns.child IN A 192.0.2.99\n"
    "ns.child IN AAAA 2001:db8::99\n"
    "dn IN DNAME other\n"
    "t.other IN A 192.0.2.44\n"
    "cn.other IN CNAME mail\n"
    "tohost IN CNAME host\n"
    "tostick IN CNAME stick\n"
    "*.w IN CNAME www\n"
    "same IN DNAME z.test.\n"
    "odd IN TYPE65280 \\# 2 cafe\n";

static struct lab lab;

static int open_world(void **state)
{
    (void)state;
    char json[2500];
    int fd = mkstemp(zone_path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, zone_text, strlen(zone_text)), (long)strlen(zone_text));
    close(fd);
    snprintf(json, sizeof json,
             "{'zones':[{'name':'z.test','file':'%s'}],'regions':[{'name':'eu'}],'services':["
             "{'name':'www.z.test','ttl':30,'endpoints':[{'region':'eu','address':'192.0.2.1'}]},"
             "{'name':'slow.z.test','ttl':900,'endpoints':[{'region':'eu','address':'192.0.2.1'}]},"
             "{'name':'host.z.test','ttl':40,'endpoints':[{'region':'eu','address':"
             "'Origin.Example.net'}]},"
             "{'name':'stick.z.test','policy':'sticky','ttl':50,'endpoints':["
             "{'region':'eu','address':'192.0.2.1'},{'region':'eu','address':'192.0.2.2'}]},"
             "{'name':'z.test','ttl':20,'endpoints':[{'region':'eu','address':'192.0.2.9'}]}]}",
             zone_path);
    lab_open(&lab, json);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    lab_close(&lab);
    return unlink(zone_path);
}

#define SOA " | z.test 300 SOA ns1.z.test"

static void assert_said(const char *name, uint16_t type, const char *want)
{
    assert_string_equal(ask_for(&lab, name, type), want);
}

static void the_apex_answers_from_its_file(void **state)
{
    (void)state;
    assert_said("z.test", DNS_SOA, "NOERROR aa z.test 600 SOA ns1.z.test");
    const struct reply *r = ask(&lab, &(struct lab_question){.name = "z.test", .type = DNS_NS});
    assert_int_equal(r->answers, 2);
    assert_true(r->aa);
    assert_said("z.test", DNS_MX, "NOERROR aa z.test 3600 MX #15");
}

static void a_service_lives_beside_the_apex_data(void **state)
{
    (void)state;
    assert_said("z.test", DNS_A, "NOERROR aa z.test 20 A 192.0.2.9");
    assert_said("z.test", DNS_AAAA, "NOERROR aa | z.test 20 SOA ns1.z.test");
    assert_int_equal(ask_outcome(), ANSWER_nodata);
}

static void a_name_that_does_not_exist_is_nxdomain_with_the_soa(void **state)
{
    (void)state;
    assert_said("absent.z.test", DNS_A, "NXDOMAIN aa" SOA);
    assert_int_equal(ask_outcome(), ANSWER_nxdomain);
    assert_said("below.www.z.test", DNS_A, "NXDOMAIN aa" SOA); /* RFC 8020 */
}

static void a_name_without_the_type_is_nodata(void **state)
{
    (void)state;
    assert_said("mail.z.test", DNS_AAAA, "NOERROR aa" SOA);
    assert_said("ent.z.test", DNS_A, "NOERROR aa" SOA); /* empty non-terminals */
    assert_said("b.ent.z.test", DNS_A, "NOERROR aa" SOA);
    assert_said("mail.z.test", 65281, "NOERROR aa" SOA); /* RFC 8906 section 3.1.2 */
    assert_said("mail.z.test", 0, "NOERROR aa" SOA);
    assert_said("odd.z.test", 65280, "NOERROR aa odd.z.test 3600 TYPE65280 #2");
}

static void negative_answers_at_a_service_take_the_smaller_ttl(void **state)
{
    (void)state;
    assert_said("www.z.test", DNS_TXT, "NOERROR aa | z.test 30 SOA ns1.z.test");
    assert_said("slow.z.test", DNS_TXT, "NOERROR aa | z.test 300 SOA ns1.z.test");
    snapshot_board_set(steer_ttl_word(&lab.s->steer, lab_service(&lab, "www.z.test")), 0,
                       15); /* moving */
    assert_said("www.z.test", DNS_TXT, "NOERROR aa | z.test 15 SOA ns1.z.test");
    assert_said("www.z.test", DNS_A, "NOERROR aa www.z.test 15 A 192.0.2.1");
    snapshot_board_set(steer_ttl_word(&lab.s->steer, lab_service(&lab, "www.z.test")), 0, 30);
}

static void what_is_not_ours_is_refused(void **state)
{
    (void)state;
    assert_said("example.org", DNS_A, "REFUSED");
    assert_said("test", DNS_NS, "REFUSED");
    assert_said(".", DNS_NS, "REFUSED");
    assert_said("zz.test", DNS_NS, "REFUSED");
    assert_int_equal(ask_outcome(), ANSWER_refused);
}

static void wildcards_stand_in_for_names_that_do_not_exist(void **state)
{
    (void)state;
    assert_said("any.wild.z.test", DNS_A, "NOERROR aa any.wild.z.test 60 A 192.0.2.77");
    assert_said("x.y.wild.z.test", DNS_A, "NOERROR aa x.y.wild.z.test 60 A 192.0.2.77");
    assert_said("any.wild.z.test", DNS_MX, "NOERROR aa" SOA);
    assert_said("here.wild.z.test", DNS_A, "NOERROR aa" SOA); /* RFC 4592 section 2.2.1 */
    assert_said("x.here.wild.z.test", DNS_A, "NXDOMAIN aa" SOA);
    assert_said("*.wild.z.test", DNS_A, "NOERROR aa *.wild.z.test 60 A 192.0.2.77");
    assert_said("wild.z.test", DNS_A, "NOERROR aa" SOA);
}

static void aliases_are_followed_inside_our_zones(void **state)
{
    (void)state;
    assert_said("alias2.z.test", DNS_A,
                "NOERROR aa alias2.z.test 3600 CNAME alias.z.test; alias.z.test 3600 CNAME "
                "mail.z.test; mail.z.test 3600 A 192.0.2.25");
    assert_said("towww.z.test", DNS_A,
                "NOERROR aa towww.z.test 3600 CNAME www.z.test; www.z.test 30 A 192.0.2.1");
    assert_said("alias.z.test", DNS_CNAME, "NOERROR aa alias.z.test 3600 CNAME mail.z.test");
    assert_said("toabsent.z.test", DNS_A,
                "NXDOMAIN aa toabsent.z.test 3600 CNAME absent.z.test" SOA); /* RFC 6604 */
    assert_said("tonodata.z.test", DNS_MX, "NOERROR aa tonodata.z.test 3600 CNAME mail.z.test" SOA);
    assert_said("abroad.z.test", DNS_A, "NOERROR aa abroad.z.test 3600 CNAME www.example.com");
    assert_int_equal(ask_outcome(), ANSWER_noerror);
}

static void aliases_lead_to_services_of_every_kind(void **state)
{
    (void)state;
    assert_said("tohost.z.test", DNS_A,
                "NOERROR aa tohost.z.test 3600 CNAME host.z.test; host.z.test 40 CNAME "
                "origin.example.net");
    assert_said("x.y.w.z.test", DNS_A,
                "NOERROR aa x.y.w.z.test 3600 CNAME www.z.test; www.z.test 30 A 192.0.2.1");
    assert_said("www.same.z.test", DNS_A,
                "NOERROR aa same.z.test 3600 DNAME z.test; www.same.z.test 3600 CNAME "
                "www.z.test; www.z.test 30 A 192.0.2.1");
    assert_said("www.same.z.test", DNS_AAAA,
                "NOERROR aa same.z.test 3600 DNAME z.test; www.same.z.test 3600 CNAME "
                "www.z.test | z.test 30 SOA ns1.z.test");
    const struct reply *r =
        ask(&lab, &(struct lab_question){
                      .name = "tostick.z.test", .type = DNS_A, .subnet = "203.0.113.0/28"});
    assert_int_equal(r->answers, 2);
    assert_int_equal(r->ecs_scope, 24); /* the service's, for the whole answer */
    r = ask(&lab, &(struct lab_question){
                      .name = "alias.z.test", .type = DNS_A, .subnet = "203.0.113.0/24"});
    assert_int_equal(r->ecs_scope, 0);
}

static void loops_end_and_say_nothing_twice(void **state)
{
    (void)state;
    assert_said("self.z.test", DNS_A, "NOERROR aa self.z.test 3600 CNAME self.z.test");
    assert_said("loop1.z.test", DNS_A,
                "NOERROR aa loop1.z.test 3600 CNAME loop2.z.test; loop2.z.test 3600 CNAME "
                "loop1.z.test");
    const struct reply *r =
        ask(&lab, &(struct lab_question){.name = "x.spin.z.test", .type = DNS_A});
    assert_true(r->aa && r->answers >= 1 && r->answers <= 2);
    r = ask(&lab, &(struct lab_question){.name = "c1.z.test", .type = DNS_A});
    assert_int_equal(r->answers, ANSWER_CHAIN_MAX); /* the resolver goes on from there */
}

static void dnames_rename_what_is_below_them(void **state)
{
    (void)state;
    assert_said("T.dn.z.test", DNS_A,
                "NOERROR aa dn.z.test 3600 DNAME other.z.test; T.dn.z.test 3600 CNAME "
                "t.other.z.test; t.other.z.test 3600 A 192.0.2.44");
    assert_said("no.dn.z.test", DNS_A,
                "NXDOMAIN aa dn.z.test 3600 DNAME other.z.test; no.dn.z.test 3600 CNAME "
                "no.other.z.test" SOA);
    assert_said("dn.z.test", DNS_DNAME, "NOERROR aa dn.z.test 3600 DNAME other.z.test");
    assert_said("dn.z.test", DNS_A, "NOERROR aa" SOA);
    assert_said(
        "into.z.test", DNS_A,
        "NXDOMAIN aa into.z.test 3600 CNAME x.dn.z.test; dn.z.test 3600 DNAME other.z.test; "
        "x.dn.z.test 3600 CNAME x.other.z.test" SOA);
}

static void a_name_that_a_dname_makes_too_long_is_yxdomain(void **state)
{
    (void)state;
    char name[300] = "", label[64];
    memset(label, 'a', 63);
    label[63] = '\0';
    for (int i = 0; i < 3; i++)
        strcat(strcat(name, label), ".");
    label[50] = '\0';
    strcat(strcat(name, label), ".dn.z.test"); /* 254 octets; other is three longer than dn */
    assert_said(name, DNS_A, "YXDOMAIN aa dn.z.test 3600 DNAME other.z.test");
    assert_int_equal(ask_outcome(), ANSWER_yxdomain);
}

static void a_delegation_is_referred_with_its_glue(void **state)
{
    (void)state;
    static const char *const names[] = {"child.z.test", "x.child.z.test", "ns.child.z.test"};
    for (size_t i = 0; i < 3; i++) {
        const struct reply *r = ask(&lab, &(struct lab_question){.name = names[i], .type = DNS_A});
        assert_int_equal(r->rcode, DNS_NOERROR);
        assert_false(r->aa);
        assert_int_equal(r->answers, 0);
        assert_int_equal(r->authorities, 3);
        assert_int_equal(r->additionals, 3);
        assert_int_equal(ask_outcome(), ANSWER_referral);
    }
}

static void ds_at_a_cut_is_the_parent_s_to_answer(void **state)
{
    (void)state;
    assert_said("child.z.test", DNS_DS, "NOERROR aa child.z.test 3600 DS #36");
    const struct reply *r =
        ask(&lab, &(struct lab_question){.name = "x.child.z.test", .type = DNS_DS});
    assert_int_equal(r->authorities, 3); /* below it is the child's */
    assert_false(r->aa);
}

static void an_alias_into_a_delegation_ends_in_a_referral(void **state)
{
    (void)state;
    const struct reply *r = ask(&lab, &(struct lab_question){.name = "tochild.z.test", .type = 1});
    assert_int_equal(r->answers, 1);
    assert_int_equal(r->authorities, 3);
    assert_true(r->aa); /* of the first owner name, RFC 6604 section 2 */
}

static void any_gives_one_rrset(void **state)
{
    (void)state;
    assert_said("www.z.test", DNS_ANY, "NOERROR aa www.z.test 30 A 192.0.2.1");
    assert_said("z.test", DNS_ANY, "NOERROR aa z.test 20 A 192.0.2.9");
    assert_said("mail.z.test", DNS_ANY, "NOERROR aa mail.z.test 3600 A 192.0.2.25");
    assert_said("alias.z.test", DNS_ANY, "NOERROR aa alias.z.test 3600 CNAME mail.z.test");
    assert_said("ent.z.test", DNS_ANY, "NOERROR aa" SOA);
    assert_said("absent.z.test", DNS_ANY, "NXDOMAIN aa" SOA);
}

static void host_name_endpoints_are_one_cname_for_every_type(void **state)
{
    (void)state;
    static const uint16_t types[] = {DNS_A, DNS_AAAA, DNS_TXT, DNS_CNAME, DNS_ANY, 65280};
    for (size_t i = 0; i < 6; i++)
        assert_said("host.z.test", types[i], "NOERROR aa host.z.test 40 CNAME origin.example.net");
}

static void the_question_comes_back_in_its_own_case(void **state)
{
    (void)state;
    const struct reply *r = ask(&lab, &(struct lab_question){.name = "WwW.z.TeSt", .type = DNS_A});
    assert_string_equal(reply_text(&r->qname), "WwW.z.TeSt");
    assert_string_equal(reply_text(&r->rr[0].owner), "WwW.z.TeSt");
    assert_said("ALIAS.z.test", DNS_A,
                "NOERROR aa ALIAS.z.test 3600 CNAME mail.z.test; mail.z.test 3600 A 192.0.2.25");
}

static void other_classes_and_meta_types_are_not_ours(void **state)
{
    (void)state;
    static const uint16_t classes[] = {2, DNS_CH, 4, 254, DNS_CLASS_ANY};
    for (size_t i = 0; i < 5; i++) {
        const struct reply *r =
            ask(&lab, &(struct lab_question){.name = "www.z.test", .type = 1, .class = classes[i]});
        assert_int_equal(r->rcode, DNS_REFUSED);
        assert_int_equal(r->n, 0);
        assert_false(r->aa);
    }
    assert_said("z.test", DNS_AXFR, "REFUSED");
    assert_said("z.test", DNS_IXFR, "REFUSED");
    assert_said("www.z.test", DNS_OPT, "REFUSED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_apex_answers_from_its_file),
        cmocka_unit_test(a_service_lives_beside_the_apex_data),
        cmocka_unit_test(a_name_that_does_not_exist_is_nxdomain_with_the_soa),
        cmocka_unit_test(a_name_without_the_type_is_nodata),
        cmocka_unit_test(negative_answers_at_a_service_take_the_smaller_ttl),
        cmocka_unit_test(what_is_not_ours_is_refused),
        cmocka_unit_test(wildcards_stand_in_for_names_that_do_not_exist),
        cmocka_unit_test(aliases_are_followed_inside_our_zones),
        cmocka_unit_test(aliases_lead_to_services_of_every_kind),
        cmocka_unit_test(loops_end_and_say_nothing_twice),
        cmocka_unit_test(dnames_rename_what_is_below_them),
        cmocka_unit_test(a_name_that_a_dname_makes_too_long_is_yxdomain),
        cmocka_unit_test(a_delegation_is_referred_with_its_glue),
        cmocka_unit_test(ds_at_a_cut_is_the_parent_s_to_answer),
        cmocka_unit_test(an_alias_into_a_delegation_ends_in_a_referral),
        cmocka_unit_test(any_gives_one_rrset),
        cmocka_unit_test(host_name_endpoints_are_one_cname_for_every_type),
        cmocka_unit_test(the_question_comes_back_in_its_own_case),
        cmocka_unit_test(other_classes_and_meta_types_are_not_ours),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
