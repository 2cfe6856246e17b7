/* Rows for people and for programs. */
#include "items.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const char *const head[] = {"NAME", "N", "WHY", NULL};

static void fill(struct table *t)
{
    table_start(t, head, 1u << 1);
    table_cell(t, "é-west"); /* two bytes, one column */
    table_cell(t, "%d", 5);
    table_cell(t, "tab\tand\nnewline\x1b[31m");
    table_cell(t, "us");
    table_cell(t, "%d", 4000);
    table_cell(t, "%s", "");
}

static char *print(struct table *t, bool aligned)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    assert_true(table_print(t, f, aligned));
    fclose(f);
    return text;
}

static void on_a_terminal_columns_are_aligned(void **state)
{
    (void)state;
    struct table t;
    fill(&t);
    char *text = print(&t, true);
    assert_string_equal(text, "NAME       N  WHY\n"
                              "é-west     5  tab?and?newline?[31m\n"
                              "us      4000  -\n");
    free(text);
}

static void in_a_pipe_columns_are_separated_by_one_tab(void **state)
{
    (void)state;
    struct table t;
    fill(&t);
    char *text = print(&t, false);
    assert_string_equal(text, "NAME\tN\tWHY\n"
                              "é-west\t5\ttab?and?newline?[31m\n"
                              "us\t4000\t-\n");
    free(text);
}

static void values_look_as_they_are_typed(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } values[] = {{"\"5s\"", "5s"},
                  {"[51.51,-0.13]", "51.51,-0.13"},
                  {"true", "yes"},
                  {"null", "-"},
                  {"0.25", "0.25"},
                  {"[{\"name\":\"ns1.x\",\"addresses\":[\"192.0.2.1\",\"2001:db8::1\"]},{\"name\":"
                   "\"ns2.y\"}]",
                   "ns1.x=192.0.2.1,2001:db8::1 ns2.y"},
                  {"[]", ""}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        json_t *j = json_loads(values[i].json, JSON_DECODE_ANY, NULL);
        char *text = item_text(j);
        assert_string_equal(text, values[i].text);
        free(text);
        json_decref(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_terminal_columns_are_aligned),
        cmocka_unit_test(in_a_pipe_columns_are_separated_by_one_tab),
        cmocka_unit_test(values_look_as_they_are_typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
