/* The latency file: rows with line numbers, or nothing. */
#include "latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static struct model *model;

static int set_up(void **state)
{
    (void)state;
    model = model_create();
    struct config_edit edits[] = {{.verb = VERB_ADD, .noun = NOUN_REGION, .name = "eu"},
                                  {.verb = VERB_ADD, .noun = NOUN_REGION, .name = "us"}};
    struct diag diag = {0};
    return config_apply_edits(model, edits, 2, &diag);
}

static int tear_down(void **state)
{
    (void)state;
    model_unref(&model);
    return 0;
}

static json_t *parse(const char *text, char *first, size_t cap, size_t *errors)
{
    struct diag diag = {0};
    json_t *rows = latency_parse(text, strlen(text), "l.csv", model, &diag);
    diag_first(&diag, first, cap);
    *errors = diag.errors;
    diag_fini(&diag);
    return rows;
}

static void header_comments_quotes_and_blank_lines_are_understood(void **state)
{
    (void)state;
    char first[300];
    size_t errors;
    json_t *rows = parse("\xef\xbb\xbfWhere,Region,Milliseconds\r\n"
                         "# measured in May\n\n"
                         "net:81.2.69.0/24, eu ,12.5\r\n"
                         "\"country:DE\",\"us\",95",
                         first, sizeof first, &errors);
    assert_non_null(rows);
    assert_int_equal(json_array_size(rows), 2);
    json_t *row = json_array_get(rows, 1);
    assert_string_equal(json_string_value(json_object_get(row, "where")), "country:DE");
    assert_string_equal(json_string_value(json_object_get(row, "region")), "us");
    assert_true(json_real_value(json_object_get(row, "ms")) == 95.0);
    json_decref(rows);
}

static void every_bad_line_is_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"net:1.2.3.0/24,eu",     "net:1.2.3.0/24,eu,1,2",
                                      "net:1.2.3.0/24,xx,1",   "net:1.2.3.0/24,eu,fast",
                                      "net:1.2.3.0/24,eu,-1",  "net:1.2.3.0/24,eu,nan",
                                      "net:1.2.3.0/24,eu,1e9", "city:GB/London,eu,5",
                                      "somewhere,eu,5",        "net:1.2.3.4/24,eu,5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[200], first[300];
        size_t errors;
        snprintf(text, sizeof text, "country:DE,eu,5\n%s\ncountry:FR,eu,5\n", bad[i]);
        assert_null(parse(text, first, sizeof first, &errors));
        assert_int_equal(errors, 1);
        if (!strstr(first, "l.csv:2"))
            fail_msg("%s: %s", bad[i], first);
    }
}

static void all_bad_lines_are_reported_at_once(void **state)
{
    (void)state;
    char first[300];
    size_t errors;
    assert_null(parse("a,b,c\nd,e,f\ng,h,i\n", first, sizeof first, &errors));
    assert_true(errors >= 3);
    json_t *rows = parse("", first, sizeof first, &errors);
    assert_int_equal(json_array_size(rows), 0); /* an empty file empties the table */
    json_decref(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_comments_quotes_and_blank_lines_are_understood),
        cmocka_unit_test(every_bad_line_is_named),
        cmocka_unit_test(all_bad_lines_are_reported_at_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
