#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/random.h"
#include "dns/name.h"
#include "dns/types.h"

static struct dns_name name(const char *text)
{
    struct dns_name n;
    assert_true(dns_name_from_text(text, &n));
    return n;
}

static uint64_t seed_get(void)
{
    const char *s = getenv("SEED");
    uint64_t seed = s ? strtoull(s, NULL, 0) : (uint64_t)time(NULL);
    printf("SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static struct dns_name name_random(struct rng *r)
{
    struct dns_name n = {0};
    unsigned at = 0, labels = rng_below(r, rng_below(r, 8) ? 6 : 128);
    while (labels-- > 0) {
        unsigned len = 1 + rng_below(r, rng_below(r, 8) ? 4 : 63);
        if (at + len + 2 > DNS_NAME_MAX)
            break;
        n.wire[at++] = (uint8_t)len;
        for (unsigned i = 0; i < len; i++)
            n.wire[at++] = (uint8_t)(rng_below(r, 4) ? 'a' + rng_below(r, 3) : rng_below(r, 256));
    }
    n.wire[at] = 0;
    n.len = (uint8_t)(at + 1);
    dns_name_lower(n.wire, n.len);
    return n;
}

static void text_becomes_lower_case_wire(void **state)
{
    (void)state;
    struct dns_name n = name("WwW.Example.COM");
    assert_int_equal(n.len, 17);
    assert_memory_equal(n.wire, "\3www\7example\3com", 17);
    struct dns_name dot = name("www.example.com.");
    assert_true(dns_name_equal(&n, &dot));
    struct dns_name root = name(".");
    assert_int_equal(root.len, 1);
    struct dns_name odd = name("a\\.b\\046\\000\\\\.c");
    assert_int_equal(odd.len, 10);
    assert_memory_equal(odd.wire, "\6a.b.\0\\\1c", 10);
}

static void text_that_is_no_name_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "..",    ".a",     "a..b",  "a..",
                                      "a\\", "a\\25", "a\\256", "a\\1x2"};
    struct dns_name n;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (dns_name_from_text(bad[i], &n))
            fail_msg("accepted \"%s\"", bad[i]);
}

static void labels_and_names_end_at_their_limits(void **state)
{
    (void)state;
    char text[400];
    struct dns_name n;
    memset(text, 'x', 64);
    text[63] = '\0';
    assert_true(dns_name_from_text(text, &n));
    text[63] = 'x';
    text[64] = '\0';
    assert_false(dns_name_from_text(text, &n));
    /* 127 labels of one octet: 255 octets on the wire. */
    char *p = text;
    for (int i = 0; i < 127; i++)
        p += sprintf(p, "a.");
    assert_true(dns_name_from_text(text, &n));
    assert_int_equal(n.len, 255);
    assert_int_equal(dns_name_labels(n.wire), 127);
    p[-1] = '\0';
    assert_true(dns_name_from_text(text, &n));
    strcat(text, "b");
    assert_false(dns_name_from_text(text, &n));
    strcpy(p, "a");
    p[-1] = '.';
    assert_false(dns_name_from_text(text, &n));
    /* Three labels of 63 and one of 61 make 255, one of 62 makes 256. */
    memset(text, 'y', sizeof text);
    text[63] = text[127] = text[191] = '.';
    text[192 + 61] = '\0';
    assert_true(dns_name_from_text(text, &n));
    assert_int_equal(n.len, 255);
    text[192 + 61] = 'y';
    text[192 + 62] = '\0';
    assert_false(dns_name_from_text(text, &n));
}

static void any_name_survives_text_and_back(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, seed_get());
    for (int i = 0; i < 20000; i++) {
        struct dns_name a = name_random(&r), b;
        char text[DNS_NAME_TEXT_MAX];
        dns_name_to_text(a.wire, text);
        assert_true(strlen(text) < DNS_NAME_TEXT_MAX);
        assert_true(dns_name_from_text(text, &b));
        assert_true(dns_name_equal(&a, &b));
        assert_int_equal(dns_name_length(a.wire, sizeof a.wire), a.len);
    }
}

static void the_longest_text_fits_its_buffer(void **state)
{
    (void)state;
    struct dns_name n = {.len = 255};
    memset(n.wire, 0xff, 254);
    n.wire[0] = n.wire[64] = n.wire[128] = 63;
    n.wire[192] = 61;
    n.wire[254] = 0;
    char text[DNS_NAME_TEXT_MAX];
    assert_int_equal(strlen(dns_name_to_text(n.wire, text)), 250 * 4 + 3);
    assert_string_equal(dns_name_to_text((const uint8_t *)"", text), ".");
}

static void lower_case_touches_only_ascii_letters(void **state)
{
    (void)state;
    uint8_t in[256], out[256], want[256];
    for (int i = 0; i < 256; i++) {
        in[i] = (uint8_t)i;
        want[i] = (uint8_t)(i >= 'A' && i <= 'Z' ? i + 32 : i);
    }
    for (size_t from = 0; from < 256; from += 7) {
        for (size_t len = 0; from + len <= 256; len += 1 + len / 9) {
            memset(out, 0xee, sizeof out);
            dns_name_lower_copy(out, in + from, len);
            assert_memory_equal(out, want + from, len);
            assert_true(len == 256 || out[len] == 0xee);
        }
    }
    dns_name_lower(in, 256);
    assert_memory_equal(in, want, 256);
}

static void a_length_never_leaves_the_buffer(void **state)
{
    (void)state;
    const uint8_t wire[] = "\3www\1x";
    assert_int_equal(dns_name_length(wire, 7), 7);
    for (size_t max = 0; max < 7; max++)
        assert_int_equal(dns_name_length(wire, max), 0);
    assert_int_equal(dns_name_length((const uint8_t *)"\100", 100), 0);
    assert_int_equal(dns_name_length((const uint8_t *)"\300\014", 2), 0);
}

static void within_goes_by_labels_not_by_letters(void **state)
{
    (void)state;
    struct dns_name zone = name("example.com"), root = name(".");
    struct dns_name in = name("a.b.example.com"), near = name("notexample.com");
    assert_true(dns_name_within(&in, &zone));
    assert_true(dns_name_within(&zone, &zone));
    assert_true(dns_name_within(&zone, &root));
    assert_false(dns_name_within(&near, &zone));
    assert_false(dns_name_within(&zone, &in));
    struct dns_name trap = name("x\\007example.com");
    assert_false(dns_name_within(&trap, &zone));
}

static void canonical_order_is_that_of_rfc_4034(void **state)
{
    (void)state;
    static const char *const order[] = {/* RFC 4034 §6.1 */
                                        "example",         "a.example",      "yljkjljk.a.example",
                                        "z.a.example",     "zabc.a.example", "z.example",
                                        "\\001.z.example", "*.z.example",    "\\200.z.example"};
    size_t n = sizeof order / sizeof order[0];
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            struct dns_name a = name(order[i]), b = name(order[j]);
            int c = dns_name_compare(a.wire, b.wire);
            assert_true(i < j ? c < 0 : i > j ? c > 0 : c == 0);
        }
    }
}

static void hashes_differ_where_names_differ(void **state)
{
    (void)state;
    enum { N = 1 << 16 };
    uint32_t *seen = calloc(N, sizeof *seen);
    assert_non_null(seen);
    unsigned worst = 0;
    for (int i = 0; i < N; i++) {
        char text[64];
        sprintf(text, "s%d.gslb.example", i);
        struct dns_name n = name(text);
        uint64_t h = dns_name_hash(n.wire, n.len);
        assert_true(h == dns_name_hash(n.wire, n.len));
        unsigned load = ++seen[h & (N - 1)];
        worst = load > worst ? load : worst;
    }
    free(seen);
    assert_true(worst < 14); /* balls in as many bins: 8 or 9 is usual, 14 one in ten million */
}

static void types_have_text_both_ways(void **state)
{
    (void)state;
    char buf[16];
    uint16_t type;
    for (unsigned t = 0; t <= 0xffff; t++) {
        assert_true(dns_type_from_text(dns_type_text((uint16_t)t, buf), &type));
        assert_int_equal(type, t);
    }
    assert_true(dns_type_from_text("aaaa", &type));
    assert_int_equal(type, DNS_AAAA);
    assert_true(dns_type_from_text("type65", &type));
    assert_int_equal(type, DNS_HTTPS);
    assert_string_equal(dns_type_text(65280, buf), "TYPE65280");
    assert_false(dns_type_from_text("TYPE65536", &type));
    assert_false(dns_type_from_text("TYPE", &type));
    assert_false(dns_type_from_text("TYPE1x", &type));
    assert_false(dns_type_from_text("", &type));
    assert_string_equal(dns_rcode_text(5), "REFUSED");
    assert_string_equal(dns_rcode_text(16), "BADVERS");
    assert_string_equal(dns_rcode_text(4095), "RCODE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_lower_case_wire),
        cmocka_unit_test(text_that_is_no_name_is_refused),
        cmocka_unit_test(labels_and_names_end_at_their_limits),
        cmocka_unit_test(any_name_survives_text_and_back),
        cmocka_unit_test(the_longest_text_fits_its_buffer),
        cmocka_unit_test(lower_case_touches_only_ascii_letters),
        cmocka_unit_test(a_length_never_leaves_the_buffer),
        cmocka_unit_test(within_goes_by_labels_not_by_letters),
        cmocka_unit_test(canonical_order_is_that_of_rfc_4034),
        cmocka_unit_test(hashes_differ_where_names_differ),
        cmocka_unit_test(types_have_text_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
