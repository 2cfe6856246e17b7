/* RDATA: from the text of a zone file to octets, or to a refusal; nothing in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dns/types.h"
#include "zone_util.h"

static int arena_setup(void **state)
{
    *state = arena_create(0);
    return *state ? 0 : 1;
}

static int arena_teardown(void **state)
{
    arena_destroy(*state);
    return 0;
}

/* "x" with this type and data: its octets in hexadecimal, NULL when refused. */
static const char *octets(const char *text, struct arena *arena)
{
    static char hex[4096];
    char zone[4096];
    struct zone_records *r;
    struct diag diag = {0};
    snprintf(zone, sizeof zone, "$TTL 60\nx %s\n", text);
    enum err e = load_text("example", zone, arena, &r, &diag);
    assert_int_equal(e != ERR_OK, diag.errors > 0);
    diag_fini(&diag);
    if (e)
        return NULL;
    assert_int_equal(r->n, 1);
    assert_int_equal(r->rrset[0].n, 1);
    const struct zone_rr *rr = &r->rrset[0].rr[0];
    hex[0] = '\0';
    for (unsigned i = 0; i < rr->rdata_len && i < sizeof hex / 2 - 1; i++)
        sprintf(hex + 2 * i, "%02x", rr->rdata[i]);
    return hex;
}

struct form {
    const char *text, *hex;
};

static void check(const struct form *forms, size_t n, struct arena *arena)
{
    for (size_t i = 0; i < n; i++) {
        const char *got = octets(forms[i].text, arena);
        if (!got != !forms[i].hex || (got && strcmp(got, forms[i].hex) != 0))
            fail_msg("%s\n  gives  %s\n  wanted %s", forms[i].text, got ? got : "a refusal",
                     forms[i].hex ? forms[i].hex : "a refusal");
    }
}
#define CHECK_FORMS(forms) check((forms), sizeof(forms) / sizeof((forms)[0]), *state)

/* RFC 3597 section 5: types and RDATA without a name of their own, and with one. */
static void unknown_types_and_generic_octets_are_read(void **state)
{
    static const struct form forms[] = {
        {"TYPE65280 \\# 4 c0ffee00", "c0ffee00"},
        {"TYPE65280 \\# 4 C0 FFEE ( 00 )", "c0ffee00"},
        {"TYPE65535 \\# 0", ""},
        {"CLASS1 TYPE65280 \\# 1 00", "00"},
        {"TYPE1 192.0.2.1", "c0000201"},
        {"TYPE1 \\# 4 c0000201", "c0000201"},
        {"A \\# 4 c0 00 02 01", "c0000201"},
        {"MX \\# 5 0001 016100", "0001016100"},
        {"TXT \\# 3 026162", "026162"},
        {"TYPE257 0 issue \"ca.example\"", "0005697373756563612e6578616d706c65"},
        {"HTTPS \\# 10 0001 00 0001 0003 026832", "00010000010003026832"},
        {"CLASS3 A 192.0.2.1", NULL},
        {"TYPE65280 \\# 3 c0ffee00", NULL},
        {"TYPE65280 \\# 5 c0ffee00", NULL},
        {"TYPE65280 \\# 2 c0f", NULL},
        {"TYPE65280 \\# 1 xx", NULL},
        {"TYPE65280 c0", NULL},
        {"TYPE65536 \\# 0", NULL},
        {"TYPE1x \\# 4 c0000201", NULL},
        {"TYPE41 \\# 0", NULL},
    };
    CHECK_FORMS(forms);
}

/* Octets that nobody could read as the type that they are said to be. */
static void generic_octets_must_fit_a_type_that_is_known(void **state)
{
    static const struct form forms[] = {
        {"A \\# 3 c00002", NULL},
        {"AAAA \\# 4 c0000201", NULL},
        {"NS \\# 2 0161", NULL},
        {"MX \\# 2 0001", NULL},
        {"SRV \\# 8 0001 0002 0050 0000", NULL}, /* one octet too many */
        {"SRV \\# 7 0001 0002 0050 00", "00010002005000"},
        {"TXT \\# 0", NULL},
        {"TXT \\# 3 056162", NULL},
        {"CAA \\# 1 00", NULL},
        {"CAA \\# 3 000561", NULL},
        {"HTTPS \\# 2 0001", NULL},
        {"HTTPS \\# 7 0001 00 0003 0000", NULL},
    };
    CHECK_FORMS(forms);
}

/* Numbers are not cut to the width of their field. */
static void numbers_out_of_range_are_refused(void **state)
{
    static const struct form forms[] = {
        {"MX 65535 .", "ffff00"},
        {"MX 65536 .", NULL},
        {"MX -1 .", NULL},
        {"MX +1 .", NULL},
        {"MX 1x .", NULL},
        {"MX 99999999999999999999999 .", NULL},
        {"SRV 1 2 65535 .", "00010002ffff00"},
        {"SRV 1 2 65536 .", NULL},
        {"SRV 1 65536 3 .", NULL},
        {"CAA 255 issue \"a\"", "ff05697373756561"},
        {"CAA 256 issue \"a\"", NULL},
        {"DS 65536 13 2 00", NULL},
        {"DS 1 256 2 00", NULL},
        {"DS 1 13 2 aab", NULL},
        {"DS 1 ECDSAP256SHA256 2 aa bb", "00010d02aabb"},
        {"TLSA 3 1 1 aabb", "030101aabb"},
        {"TLSA 256 1 1 aabb", NULL},
        {"SSHFP 4 2 aabb", "0402aabb"},
        {"SSHFP 260 2 aabb", NULL},
        {"NAPTR 65536 1 \"\" \"\" \"\" .", NULL},
        {"URI 1 65536 \"a\"", NULL},
        {"HTTPS 65536 .", NULL},
    };
    CHECK_FORMS(forms);
    struct zone_records *r =
        load_good("example", "$TTL 1\n@ SOA a b 4294967295 1h 1d 1w 4294967295\n", *state);
    assert_memory_equal(r->rrset[0].rr[0].rdata + r->rrset[0].rr[0].rdata_len - 20,
                        "\xff\xff\xff\xff\0\0\x0e\x10\0\1\x51\x80\0\x09\x3a\x80\xff\xff\xff\xff",
                        20);
    static const char *const bad[] = {"4294967296 1 1 1 1", "1 1 1 1 4294967296", "1 1 7102w 1 1",
                                      "-1 1 1 1 1"};
    for (size_t i = 0; i < 4; i++) {
        char text[100];
        struct diag diag = {0};
        snprintf(text, sizeof text, "$TTL 1\n@ SOA a b %s\n", bad[i]);
        if (load_text("example", text, *state, &r, &diag) == ERR_OK)
            fail_msg("SOA %s was taken", bad[i]);
        diag_fini(&diag);
    }
}

/* RFC 1035 section 3.3.14 and 5.1: strings, at most 255 octets each. */
static void strings_are_255_octets_at_most_and_may_be_several(void **state)
{
    char text[1200], want[1200];
    char run[256];
    memset(run, 'a', 255);
    run[255] = '\0';
    snprintf(text, sizeof text, "TXT \"%s\" \"%s\" b \"\"", run, run);
    const char *got = octets(text, *state);
    assert_non_null(got);
    assert_int_equal(strlen(got), 2 * (256 + 256 + 2 + 1));
    assert_memory_equal(got, "ff6161", 6);
    snprintf(want, sizeof want, "TXT \"%sa\"", run);
    assert_null(octets(want, *state));
    static const struct form forms[] = {
        {"TXT \"a;b\" \"\\\"\\\\\\000\\255\"", "03613b620422"
                                               "5c00ff"},
        {"TXT", NULL},
        {"TXT \"\\256\"", NULL},
    };
    CHECK_FORMS(forms);
}

#define FOO "03666f6f076578616d706c65036f726700" /* foo.example.org */

/* RFC 9460 section 2.1 and appendix A: any order in the text, rising keys in the octets. */
static void service_parameters_are_sorted_and_their_values_take_their_form(void **state)
{
    static const struct form forms[] = {
        {"HTTPS 0 foo.example.org.", "0000" FOO},
        {"SVCB 1 .", "000100"},
        {"SVCB 16 foo.example.org. port=53", "0010" FOO "000300020035"},
        {"SVCB 1 . key667=hello", "000100029b000568656c6c6f"},
        {"SVCB 1 . key667=\"hello\\210qoo\"", "000100029b000968656c6c6fd2716f6f"},
        {"SVCB 1 . ipv6hint=\"2001:db8::1,2001:db8::53:1\"",
         "0001000006002020010db800000000000000000000000120010db8000000000000000000530001"},
        {"SVCB 16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1",
         "0010" FOO "00000004000100040001000902683205"
         "68332d3139"
         "00040004c0000201"},
        {"SVCB 16 foo.example.org. alpn=\"f\\\\\\\\oo\\\\,bar,h2\"",
         "0010" FOO "0001000c08665c6f6f2c626172026832"},
        {"SVCB 16 foo.example.org. alpn=f\\\\\\092oo\\092,bar,h2",
         "0010" FOO "0001000c08665c6f6f2c626172026832"},
        {"HTTPS 1 . ech=AEj+ no-default-alpn alpn=h2", "000100000100030268320002000000050003"
                                                       "0048fe"},
        {"SVCB 1 . dohpath=/q{?dns} ohttp", "00010000070008"
                                            "2f717b3f646e737d"
                                            "00080000"},
        {"HTTPS 1 . key1=\\002h2 key65534", "00010000010003026832fffe0000"},
        {"HTTPS 1 . key3=\\001\\187", "0001000003000201bb"},
    };
    CHECK_FORMS(forms);
}

/* RFC 9460 section 2.2, 7.1.1, 8: what a client would have to throw away is not served. */
static void service_parameters_that_clients_would_reject_are_refused(void **state)
{
    static const struct form forms[] = {
        {"HTTPS 1 . alpn=h2 alpn=h3", NULL},
        {"HTTPS 1 . alpn=h2 key1=\\002h3", NULL},
        {"HTTPS 1 . mandatory=port", NULL},
        {"HTTPS 1 . mandatory=mandatory,alpn alpn=h2", NULL},
        {"HTTPS 1 . mandatory=alpn,alpn alpn=h2", NULL},
        {"HTTPS 1 . mandatory alpn=h2", NULL},
        {"HTTPS 1 . no-default-alpn", NULL},
        {"HTTPS 1 . no-default-alpn=1 alpn=h2", NULL},
        {"HTTPS 1 . port=65536", NULL},
        {"HTTPS 1 . port=", NULL},
        {"HTTPS 1 . port=1x", NULL},
        {"HTTPS 1 . key3=443", NULL}, /* three octets where two are the port */
        {"HTTPS 1 . ipv4hint=192.0.2", NULL},
        {"HTTPS 1 . ipv4hint=192.0.2.1,", NULL},
        {"HTTPS 1 . ipv4hint=2001:db8::1", NULL},
        {"HTTPS 1 . ipv6hint=192.0.2.1", NULL},
        {"HTTPS 1 . ech=", NULL},
        {"HTTPS 1 . ech=!!!", NULL},
        {"HTTPS 1 . alpn=", NULL},
        {"HTTPS 1 . alpn=h2,,h3", NULL},
        {"HTTPS 1 . alpn=\"h2\"h3", NULL},
        {"HTTPS 1 . alpn=\\256", NULL},
        {"HTTPS 1 . ALPN=h2", NULL},
        {"HTTPS 1 . nonsense=1", NULL},
        {"HTTPS 1 . key65535=1", NULL},
        {"HTTPS 1 . key65536=1", NULL},
        {"HTTPS 1 . key01=1", NULL},
        {"HTTPS 1 . =h2", NULL},
        {"HTTPS 1", NULL},
        {"HTTPS", NULL},
        {"HTTPS one .", NULL},
    };
    CHECK_FORMS(forms);
}

static void rdata_is_told_as_a_zone_file_has_it(void **state)
{
    static const char *const texts[] = {
        "A 192.0.2.1",
        "AAAA 2001:db8::1",
        "NS ns1.example.",
        "CNAME .",
        "DNAME a\\.b.example.",
        "MX 10 m1.example.",
        "SRV 0 65535 443 www.example.",
        "TXT \"v=spf1 -all\" \"\" \"a \\\"quoted\\\\ one\\200\"",
        "CAA 128 issue \"ca.example; policy=ev\"",
        "TYPE65280 \\# 3 0a0b0c",
        "TYPE65280 \\# 0",
        "SSHFP \\# 4 01020304",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct zone_records *r;
        char zone[500];
        snprintf(zone, sizeof zone, "$TTL 60\nx %s\n", texts[i]);
        r = load_good("example", zone, *state);
        const struct zone_rrset *set = &r->rrset[0];
        char *text = zone_rdata_text(set->type, set->rr[0].rdata, set->rr[0].rdata_len);
        assert_string_equal(text, strchr(texts[i], ' ') + 1);
        free(text);
    }
    static const uint8_t soa[] = "\1n\0\1h\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5";
    char *text = zone_rdata_text(DNS_SOA, soa, sizeof soa - 1);
    assert_string_equal(text, "n. h. 1 2 3 4 5");
    free(text);
    for (uint16_t len = 0; len < sizeof soa - 1; len++) { /* what is cut off is of no type */
        text = zone_rdata_text(DNS_SOA, soa, len);
        assert_memory_equal(text, "\\# ", 3);
        free(text);
    }
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, arena_setup, arena_teardown)
    const struct CMUnitTest tests[] = {
        T(unknown_types_and_generic_octets_are_read),
        T(generic_octets_must_fit_a_type_that_is_known),
        T(numbers_out_of_range_are_refused),
        T(strings_are_255_octets_at_most_and_may_be_several),
        T(service_parameters_are_sorted_and_their_values_take_their_form),
        T(service_parameters_that_clients_would_reject_are_refused),
        T(rdata_is_told_as_a_zone_file_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
