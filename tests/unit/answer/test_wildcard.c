/* Wildcards: RFC 4592 through the whole answer path. */
#include "zoned.h"

#include <string.h>

static struct zoned z;

/* The zone of RFC 4592 section 2.2.1, and one of our own. */
static const struct zoned_zone zones[] = {
    {"example", "$TTL 3600\n"
                "@ SOA ns.example.com. host 1 2 3 4 5\n"
                "@ NS ns.example.com.\n@ NS ns.example.net.\n"
                "* TXT \"this is a wildcard\"\n"
                "* MX 10 host1\n"
                "sub.* TXT \"this is not a wildcard\"\n"
                "host1 A 192.0.2.1\n"
                "_ssh._tcp.host1 SRV 0 0 22 host1\n"
                "_ssh._tcp.host2 SRV 0 0 22 host2\n"
                "subdel NS ns.example.com.\nsubdel NS ns.example.net.\n"},
    {"z.test", ZONED_TOP "*.app A 192.0.2.1\n"
                         "*.ent A 192.0.2.2\n"
                         "x.y.ent TXT \"y exists, without data\"\n"
                         "*.cn CNAME mail\n"
                         "here.cn TXT \"x\"\n"
                         "*.far CNAME www.example.org.\n"
                         "*.self CNAME a.self\n"
                         "cut NS ns.far.test.\n"
                         "*.deep.*.star A 192.0.2.4\n"
                         "sub.*.empty TXT \"the wildcard is an empty non-terminal\"\n"
                         "_sip._tcp.*.srv SRV 1 1 5060 mail\n"
                         "*.ds A 192.0.2.5\n"
                         "*.ren CNAME x.dn\n"
                         "dn DNAME other\n"
                         "x.other A 192.0.2.6\n"
                         "mail A 192.0.2.25\n"},
};

static int open_world(void **state)
{
    (void)state;
    zoned_open(&z, zones, sizeof zones / sizeof zones[0],
               ZONED_SERVICE("www.app.z.test", 30, "192.0.2.9"));
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    zoned_close(&z);
    return 0;
}

#define NEGATIVE " | example 5 SOA ns.example.com"
#define SOA " | z.test 300 SOA ns1.z.test"

/* RFC 4592 section 2.2.1: the answers that it lists. */
static void the_examples_of_the_standard_are_synthesised(void **state)
{
    (void)state;
    assert_line(&z, "host3.example", DNS_MX, "NOERROR aa host3.example 3600 MX #17");
    assert_line(&z, "host3.example", DNS_A, "NOERROR aa" NEGATIVE); /* the type is not there */
    assert_line(&z, "foo.bar.example", DNS_TXT, "NOERROR aa foo.bar.example 3600 TXT #19");
}

/* RFC 4592 section 2.2.1: and those that no wildcard may touch. */
static void the_examples_of_the_standard_are_left_alone(void **state)
{
    (void)state;
    assert_line(&z, "host1.example", DNS_MX, "NOERROR aa" NEGATIVE);
    assert_line(&z, "sub.*.example", DNS_MX, "NOERROR aa" NEGATIVE);
    assert_line(&z, "_telnet._tcp.host1.example", DNS_SRV, "NXDOMAIN aa" NEGATIVE);
    const struct reply *r =
        ask(&z.lab, &(struct lab_question){.name = "host.subdel.example", .type = DNS_A});
    assert_int_equal(r->answers, 0);
    assert_int_equal(r->authorities, 2);
    assert_false(r->aa);
    assert_line(&z, "ghost.*.example", DNS_MX, "NXDOMAIN aa" NEGATIVE);
}

/* RFC 4592 section 3.3.1: the closest encloser decides, and only its own asterisk counts. */
static void the_closest_encloser_is_the_one_that_counts(void **state)
{
    (void)state;
    assert_line(&z, "_telnet._tcp.host1.example", DNS_TXT, "NXDOMAIN aa" NEGATIVE);
    assert_line(&z, "_dns._udp.host2.example", DNS_TXT, "NXDOMAIN aa" NEGATIVE);
    assert_line(&z, "_telnet._tcp.host3.example", DNS_TXT,
                "NOERROR aa _telnet._tcp.host3.example 3600 TXT #19");
    assert_line(&z, "_chat._udp.host3.example", DNS_TXT,
                "NOERROR aa _chat._udp.host3.example 3600 TXT #19");
    assert_line(&z, "foobar.*.example", DNS_TXT, "NXDOMAIN aa" NEGATIVE);
}

/* RFC 4592 section 2.1.1, 2.3: asked for by its own name a wildcard is a name as others are. */
static void an_asterisk_in_the_question_is_a_name(void **state)
{
    (void)state;
    assert_line(&z, "*.example", DNS_MX, "NOERROR aa *.example 3600 MX #17");
    assert_line(&z, "*.example", DNS_A, "NOERROR aa" NEGATIVE);
    assert_line(&z, "sub.*.example", DNS_TXT, "NOERROR aa sub.*.example 3600 TXT #23");
    assert_line(&z, "x.deep.*.star.z.test", DNS_A,
                "NOERROR aa x.deep.*.star.z.test 3600 A 192.0.2.4");
    assert_line(&z, "x.deep.y.star.z.test", DNS_A,
                "NOERROR aa" SOA); /* of *.star, which is empty */
}

/* RFC 4592 section 2.2.2: an empty non-terminal exists, and blocks. */
static void an_empty_non_terminal_blocks_a_wildcard(void **state)
{
    (void)state;
    assert_line(&z, "y.ent.z.test", DNS_A, "NOERROR aa" SOA);
    assert_line(&z, "other.y.ent.z.test", DNS_A, "NXDOMAIN aa" SOA);
    assert_line(&z, "q.ent.z.test", DNS_A, "NOERROR aa q.ent.z.test 3600 A 192.0.2.2");
    assert_line(&z, "host2.example", DNS_TXT, "NOERROR aa" NEGATIVE);
}

/* RFC 4592 section 4.9: a wildcard that is itself an empty non-terminal answers nothing, but is there. */
static void an_empty_wildcard_is_nodata(void **state)
{
    (void)state;
    assert_line(&z, "*.empty.z.test", DNS_TXT, "NOERROR aa" SOA);
    assert_line(&z, "x.empty.z.test", DNS_TXT, "NOERROR aa" SOA);
    assert_line(&z, "sub.x.empty.z.test", DNS_TXT, "NOERROR aa" SOA);
    assert_line(&z, "sub.*.empty.z.test", DNS_TXT, "NOERROR aa sub.*.empty.z.test 3600 TXT #38");
}

/* RFC 4592 section 4.5: labels below an asterisk are no pattern. */
static void an_asterisk_in_the_middle_is_no_pattern(void **state)
{
    (void)state;
    assert_line(&z, "_sip._tcp.x.srv.z.test", DNS_SRV, "NOERROR aa" SOA);
    assert_line(&z, "_sip._tcp.*.srv.z.test", DNS_SRV,
                "NOERROR aa _sip._tcp.*.srv.z.test 3600 SRV #19");
}

/* RFC 4592 section 3.3.1 and 4.3: an alias at a wildcard is followed under the name asked for. */
static void a_wildcard_alias_is_followed(void **state)
{
    (void)state;
    assert_line(&z, "x.cn.z.test", DNS_A,
                "NOERROR aa x.cn.z.test 3600 CNAME mail.z.test; mail.z.test 3600 A 192.0.2.25");
    assert_line(&z, "x.cn.z.test", DNS_CNAME, "NOERROR aa x.cn.z.test 3600 CNAME mail.z.test");
    assert_line(&z, "x.cn.z.test", DNS_MX, "NOERROR aa x.cn.z.test 3600 CNAME mail.z.test" SOA);
    assert_line(&z, "here.cn.z.test", DNS_A, "NOERROR aa" SOA);
    assert_line(&z, "x.far.z.test", DNS_A, "NOERROR aa x.far.z.test 3600 CNAME www.example.org");
    assert_line(&z, "x.ren.z.test", DNS_A,
                "NOERROR aa x.ren.z.test 3600 CNAME x.dn.z.test; dn.z.test 3600 DNAME "
                "other.z.test; x.dn.z.test 3600 CNAME x.other.z.test; x.other.z.test 3600 A "
                "192.0.2.6");
    const struct reply *r =
        ask(&z.lab, &(struct lab_question){.name = "b.self.z.test", .type = DNS_A});
    assert_int_equal(r->answers, 1); /* b to a; a leads to itself */
}

/* RFC 4592 section 4.6: DS is no exception where there is no cut. */
static void ds_at_a_synthesised_name_is_nodata(void **state)
{
    (void)state;
    assert_line(&z, "x.ds.z.test", DNS_DS, "NOERROR aa" SOA);
}

/* RFC 4592 section 4.2 leaves NS there undefined, section 4.4 (and RFC 6672 section 3.3) a DNAME: a
 * file that has one is refused. */
static void a_wildcard_neither_delegates_nor_renames(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"*.w NS ns.far.test.\n", "a wildcard cannot be delegated"},
        {"*.w DNAME other\n", "a wildcard cannot carry"}};
    for (size_t i = 0; i < 2; i++) {
        char text[200], said[600];
        strcat(strcpy(text, ZONED_TOP), bad[i][0]);
        zoned_refused(text, "", said, sizeof said);
        if (!strstr(said, bad[i][1]))
            fail_msg("%s", said);
    }
}

/* RFC 4592 section 2.2: a service is a name that exists; so is whatever lies on the way to it. */
static void a_service_below_a_wildcard_blocks_it(void **state)
{
    (void)state;
    assert_line(&z, "www.app.z.test", DNS_A, "NOERROR aa www.app.z.test 30 A 192.0.2.9");
    assert_line(&z, "www.app.z.test", DNS_AAAA, "NOERROR aa | z.test 30 SOA ns1.z.test");
    assert_line(&z, "x.www.app.z.test", DNS_A, "NXDOMAIN aa" SOA);
    assert_line(&z, "other.app.z.test", DNS_A, "NOERROR aa other.app.z.test 3600 A 192.0.2.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_standard_are_synthesised),
        cmocka_unit_test(the_examples_of_the_standard_are_left_alone),
        cmocka_unit_test(the_closest_encloser_is_the_one_that_counts),
        cmocka_unit_test(an_asterisk_in_the_question_is_a_name),
        cmocka_unit_test(an_empty_non_terminal_blocks_a_wildcard),
        cmocka_unit_test(an_empty_wildcard_is_nodata),
        cmocka_unit_test(an_asterisk_in_the_middle_is_no_pattern),
        cmocka_unit_test(a_wildcard_alias_is_followed),
        cmocka_unit_test(ds_at_a_synthesised_name_is_nodata),
        cmocka_unit_test(a_wildcard_neither_delegates_nor_renames),
        cmocka_unit_test(a_service_below_a_wildcard_blocks_it),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
