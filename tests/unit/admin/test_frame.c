/* Lines out of bytes, however they are cut. */
#include "admin/frame.h"
#include "admin/protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void a_line_cut_into_single_bytes_is_one_line(void **state)
{
    (void)state;
    struct admin_frame f = {0};
    const char *text = "{\"op\":\"ping\"}\r\n\nx";
    const char *line;
    size_t len, lines = 0;
    for (const char *p = text; *p; p++) {
        assert_int_equal(admin_frame_append(&f, p, 1, 100), ERR_OK);
        while (admin_frame_take(&f, &line, &len)) {
            if (lines++ == 0) {
                assert_int_equal(len, 13);
                assert_memory_equal(line, "{\"op\":\"ping\"}", 13);
            } else {
                assert_int_equal(len, 0);
            }
        }
    }
    assert_int_equal(lines, 2);
    admin_frame_fini(&f);
}

static void many_lines_in_one_piece_come_out_in_order(void **state)
{
    (void)state;
    struct admin_frame f = {0};
    assert_int_equal(admin_frame_append(&f, "a\nbb\nccc\nrest", 13, 100), ERR_OK);
    const char *line;
    size_t len;
    for (size_t want = 1; want <= 3; want++) {
        assert_true(admin_frame_take(&f, &line, &len));
        assert_int_equal(len, want);
    }
    assert_false(admin_frame_take(&f, &line, &len));
    assert_int_equal(admin_frame_append(&f, "!\n", 2, 100), ERR_OK);
    assert_true(admin_frame_take(&f, &line, &len));
    assert_int_equal(len, 5);
    assert_memory_equal(line, "rest!", 5);
    admin_frame_fini(&f);
}

static void a_line_without_end_is_refused_at_the_limit(void **state)
{
    (void)state;
    struct admin_frame f = {0};
    char piece[64];
    memset(piece, 'a', sizeof piece);
    const char *line;
    size_t len;
    enum err e = ERR_OK;
    int pieces = 0;
    while (!e && pieces < 100) {
        e = admin_frame_append(&f, piece, sizeof piece, 1000);
        assert_false(admin_frame_take(&f, &line, &len));
        pieces++;
    }
    assert_int_equal(e, ERR_LIMIT);
    assert_in_range(pieces, 16, 18);
    admin_frame_fini(&f);
}

static void a_request_needs_to_be_an_object_with_an_op(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"op\":1}",
                                      "{\"op\":\"a\",\"op\":\"b\"}",
                                      "{\"op\":\"a\"} x",
                                      "nonsense",
                                      "{\"op\":\"\\u0000\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct diag d = {0};
        json_t *j;
        const char *op;
        assert_int_equal(admin_request_parse(bad[i], strlen(bad[i]), &j, &op, &d), ERR_USAGE);
        assert_null(j);
        assert_int_equal(d.errors, 1);
        diag_fini(&d);
    }
    json_t *j;
    const char *op;
    struct diag d = {0};
    assert_int_equal(admin_request_parse("{\"op\":\"ping\"}", 13, &j, &op, &d), ERR_OK);
    assert_string_equal(op, "ping");
    json_decref(j);
    diag_fini(&d);
}

static void a_refusal_with_broken_text_is_still_a_refusal(void **state)
{
    (void)state;
    json_t *j = admin_refusal(ADMIN_CONFLICT, "no region \xc3", NULL);
    assert_int_equal(json_integer_value(json_object_get(j, "code")), 5);
    assert_string_equal(json_string_value(json_object_get(j, "error")), "no region ?");
    size_t len;
    char *line = admin_line(j, &len);
    assert_int_equal(line[len - 1], '\n');
    assert_int_equal(strlen(line), len);
    free(line);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_cut_into_single_bytes_is_one_line),
        cmocka_unit_test(many_lines_in_one_piece_come_out_in_order),
        cmocka_unit_test(a_line_without_end_is_refused_at_the_limit),
        cmocka_unit_test(a_request_needs_to_be_an_object_with_an_op),
        cmocka_unit_test(a_refusal_with_broken_text_is_still_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
