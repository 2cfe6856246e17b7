/* Types: unknown ones, strings, service bindings and what goes along with them. */
#include "zoned.h"

#include <string.h>

static struct zoned z;

static const struct zoned_zone zones[] = {
    {"z.test",
     ZONED_TOP "odd TYPE65280 \\# 10 03777777017a04746573\n"
               "known TYPE1 \\# 4 c0000201\nknown MX \\# 12 0001 016d 017a 0474657374 00\n"
               "txt TXT \"a\" \"b c\" \"\"\n"
               "@ HTTPS 0 svc\n"
               "svc HTTPS 2 . alpn=h2\nsvc HTTPS 1 host port=8443 alpn=h3\n"
               "svc A 192.0.2.1\nsvc AAAA 2001:db8::1\n"
               "host A 192.0.2.2\n"
               "_x.gone SVCB 0 .\n"
               "tosvc CNAME svc\n"
               "toservice HTTPS 1 www\n"
               "away HTTPS 1 www.example.org.\n"
               "below HTTPS 1 x.cut\ncut NS ns.far.test.\n"
               "twice HTTPS 1 host alpn=h2\ntwice HTTPS 2 HOST alpn=h3\n"
               "*.w HTTPS 1 . alpn=h2\n*.w A 192.0.2.3\n"
               "*.h HTTPS 1 foo.h\nfoo.h A 192.0.2.4\n"},
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

#define SOA " | z.test 300 SOA ns1.z.test"

/* RFC 3597 section 3 and 4: octets as they are, also where they look like a name that could be
 * compressed. RFC 8906 section 3.1.2: and unknown types that are not there are just not there. */
static void unknown_types_are_answered_octet_for_octet(void **state)
{
    (void)state;
    const struct reply *r =
        ask(&z.lab, &(struct lab_question){.name = "odd.z.test", .type = 65280});
    assert_int_equal(r->answers, 1);
    assert_int_equal(r->rr[0].rdata_len, 10);
    assert_memory_equal(r->rr[0].rdata, "\3www\1z\4tes", 10);
    assert_line(&z, "odd.z.test", 65281, "NOERROR aa" SOA);
    assert_line(&z, "www.z.test", 65280, "NOERROR aa | z.test 30 SOA ns1.z.test");
    assert_line(&z, "no.z.test", 65280, "NXDOMAIN aa" SOA);
}

/* RFC 3597 section 5: known types may be written as octets. */
static void known_types_written_as_octets_are_themselves(void **state)
{
    (void)state;
    assert_line(&z, "known.z.test", DNS_A, "NOERROR aa known.z.test 3600 A 192.0.2.1");
    assert_line(&z, "known.z.test", DNS_MX, "NOERROR aa known.z.test 3600 MX #12");
}

/* RFC 1035 section 3.3.14: the strings of a TXT stay apart. */
static void strings_stay_apart(void **state)
{
    (void)state;
    const struct reply *r =
        ask(&z.lab, &(struct lab_question){.name = "txt.z.test", .type = DNS_TXT});
    assert_int_equal(r->rr[0].rdata_len, 7);
    assert_memory_equal(r->rr[0].rdata, "\1a\3b c\0", 7);
}

/* RFC 9460 section 2.4.2: an alias that may stand at the top of a zone, unlike a CNAME. Section 4.1:
 * with it goes what it leads to. */
static void an_alias_binding_stands_at_the_apex(void **state)
{
    (void)state;
    assert_line(&z, "z.test", DNS_HTTPS,
                "NOERROR aa z.test 3600 HTTPS #14 + svc.z.test 3600 A 192.0.2.1; svc.z.test 3600 "
                "AAAA 2001:db8::1; svc.z.test 3600 HTTPS #28; svc.z.test 3600 HTTPS #10");
    assert_line(&z, "z.test", DNS_A, "NOERROR aa" SOA);
}

/* RFC 9460 section 2.2: rising keys; section 2.2 also: the target is never compressed. */
static void bindings_have_rising_keys_and_whole_names(void **state)
{
    (void)state;
    const struct reply *r =
        ask(&z.lab, &(struct lab_question){.name = "svc.z.test", .type = DNS_HTTPS});
    assert_int_equal(r->answers, 2);
    assert_int_equal(r->rr[0].rdata_len, 28);
    assert_memory_equal(r->rr[0].rdata, "\0\1\4host\1z\4test\0\0\1\0\3\2h3\0\3\0\2\x20\xfb", 28);
    assert_memory_equal(r->rr[1].rdata, "\0\2\0\0\1\0\3\2h2", 10);
}

/* RFC 9460 section 4.1: addresses of targets in our zones, each once; "." is the owner. */
static void addresses_of_targets_go_along(void **state)
{
    (void)state;
    const struct reply *r =
        ask(&z.lab, &(struct lab_question){.name = "svc.z.test", .type = DNS_HTTPS});
    assert_int_equal(r->additionals, 3); /* of host one, of svc two */
    r = ask(&z.lab, &(struct lab_question){.name = "tosvc.z.test", .type = DNS_HTTPS});
    assert_int_equal(r->answers, 3);
    assert_int_equal(r->additionals, 3);
    r = ask(&z.lab, &(struct lab_question){.name = "twice.z.test", .type = DNS_HTTPS});
    assert_int_equal(r->additionals, 1);
    assert_line(&z, "a.w.z.test", DNS_HTTPS,
                "NOERROR aa a.w.z.test 3600 HTTPS #10 + a.w.z.test 3600 A 192.0.2.3");
}

/* RFC 9460 section 2.5.1: an alias to "." says that there is no service. Section 4.1 asks for targets
 * in the zone only; those of a service depend on the client, below a cut they are another's. */
static void targets_that_are_not_ours_to_say_are_left_out(void **state)
{
    (void)state;
    static const char *const names[] = {"toservice.z.test", "away.z.test", "below.z.test"};
    for (size_t i = 0; i < 3; i++) {
        const struct reply *r =
            ask(&z.lab, &(struct lab_question){.name = names[i], .type = DNS_HTTPS});
        assert_int_equal(r->answers, 1);
        assert_int_equal(r->additionals, 0);
    }
    assert_line(&z, "_x.gone.z.test", DNS_SVCB, "NOERROR aa _x.gone.z.test 3600 SVCB #3");
}

/* RFC 2181 section 11: a label may hold octets that read like other labels; a pointer leads to whole
 * ones only (RFC 1035 section 4.1.4). */
static void a_label_that_looks_like_names_is_not_pointed_into(void **state)
{
    (void)state;
    static const char plain[] = "\5abcde\1h\1z\4test\0", odd[] = "\5a\3foo\1h\1z\4test\0";
    const struct reply *r = zoned_ask(&z, plain, sizeof plain - 1, DNS_HTTPS, DNS_IN);
    assert_int_equal(r->additionals, 1);
    size_t length = ask_length();
    r = zoned_ask(&z, odd, sizeof odd - 1, DNS_HTTPS, DNS_IN);
    assert_int_equal(r->additionals, 1);
    assert_int_equal(ask_length(), length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_types_are_answered_octet_for_octet),
        cmocka_unit_test(known_types_written_as_octets_are_themselves),
        cmocka_unit_test(strings_stay_apart),
        cmocka_unit_test(an_alias_binding_stands_at_the_apex),
        cmocka_unit_test(bindings_have_rising_keys_and_whole_names),
        cmocka_unit_test(addresses_of_targets_go_along),
        cmocka_unit_test(targets_that_are_not_ours_to_say_are_left_out),
        cmocka_unit_test(a_label_that_looks_like_names_is_not_pointed_into),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
