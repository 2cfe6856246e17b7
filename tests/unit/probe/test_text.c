/* What is pure in the room: patterns, escapes, status lists, texts from outside. */
#include "probe_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static const char *clean(const char *text)
{
    static char out[16];
    probe__text_clean(out, sizeof out, text, strlen(text));
    return out;
}

static void texts_from_outside_become_one_line_of_utf8(void **state)
{
    (void)state;
    assert_string_equal(clean("plain"), "plain");
    assert_string_equal(clean("a\tb\x1b[31m"), "a b?[31m");
    assert_string_equal(clean("Z\xc3\xbcrich"), "Z\xc3\xbcrich");
    assert_string_equal(clean("\xff\xc3"), "??");
    assert_string_equal(clean("\xed\xa0\x80x"), "???x"); /* a surrogate */
    assert_string_equal(clean("\xc0\xafx"), "??x");      /* overlong */
    assert_string_equal(clean("\xc2\x9bx"), "?x");       /* C1 control */
    assert_string_equal(clean("trailing  "), "trailing");
    assert_string_equal(clean("0123456789abcdefgh"), "0123456789abcde");
    assert_string_equal(clean("0123456789abc\xe2\x82\xac"), "0123456789abc"); /* whole or not */
}

static void status_lists_hold_codes_and_ranges(void **state)
{
    (void)state;
    assert_true(probe__status_accepted("200-399", 200));
    assert_true(probe__status_accepted("200-399", 399));
    assert_false(probe__status_accepted("200-399", 400));
    assert_true(probe__status_accepted("200,204,300-302", 301));
    assert_true(probe__status_accepted("200, 404", 404));
    assert_false(probe__status_accepted("200,204", 201));
    assert_false(probe__status_accepted("", 200));
    assert_false(probe__status_accepted("ok", 200));
    assert_false(probe__status_accepted("-200", 200));
    assert_false(probe__status_accepted("300-", 301));
    assert_false(probe__status_accepted(NULL, 200));
}

static void escapes_are_those_of_c(void **state)
{
    (void)state;
    uint8_t out[16];
    const char *bad;
    int n = probe__unescape("a\\r\\n\\t\\\\\\x00\\xFfz", out, sizeof out, &bad);
    assert_int_equal(n, 8);
    assert_memory_equal(out, "a\r\n\t\\\0\xffz", 8);
    assert_int_equal(probe__unescape("good\\q", out, sizeof out, &bad), -1);
    assert_string_equal(bad, "\\q");
    assert_int_equal(probe__unescape("\\x1", out, sizeof out, &bad), -1);
    assert_int_equal(probe__unescape("end\\", out, sizeof out, &bad), -1);
    assert_int_equal(probe__unescape("0123456789abcdef", out, sizeof out, &bad), 16);
    assert_int_equal(probe__unescape("0123456789abcdefg", out, sizeof out, &bad), -1);
    assert_string_equal(bad, "g");
}

/* Against memmem, over texts of few letters, cut at random places. */
static void a_pattern_is_found_however_the_stream_is_cut(void **state)
{
    (void)state;
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    printf("SEED=%llu\n", (unsigned long long)seed);
    struct rng rng;
    rng_seed(&rng, seed);
    static struct probe_match m;
    unsigned found = 0;
    for (int round = 0; round < 20000; round++) {
        uint8_t text[64];
        size_t len = rng_below(&rng, sizeof text);
        for (size_t i = 0; i < len; i++)
            text[i] = (uint8_t)('a' + rng_below(&rng, 2));
        m.len = (uint16_t)(1 + rng_below(&rng, 8));
        for (uint16_t i = 0; i < m.len; i++)
            m.pattern[i] = (uint8_t)('a' + rng_below(&rng, 2));
        probe__match_start(&m);
        bool got = false;
        for (size_t at = 0; at < len;) {
            size_t piece = 1 + rng_below(&rng, 9);
            if (piece > len - at)
                piece = len - at;
            got = probe__match_feed(&m, text + at, piece);
            at += piece;
        }
        bool want = memmem(text, len, m.pattern, m.len) != NULL;
        assert_int_equal(got, want);
        found += want;
    }
    assert_in_range(found, 2000, 18000);
}

static void an_empty_pattern_matches_at_once(void **state)
{
    (void)state;
    static struct probe_match m;
    probe__match_start(&m);
    assert_true(probe__match_feed(&m, "", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_from_outside_become_one_line_of_utf8),
        cmocka_unit_test(status_lists_hold_codes_and_ranges),
        cmocka_unit_test(escapes_are_those_of_c),
        cmocka_unit_test(a_pattern_is_found_however_the_stream_is_cut),
        cmocka_unit_test(an_empty_pattern_matches_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
