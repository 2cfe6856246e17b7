/* argv to a call: flags anywhere, nearest words, exit statuses. */
#include "command.h"
#include "override.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct call call;
static char sentence[1024];

static enum admin_code parse(const char *line)
{
    static char text[1024];
    char *argv[64], *save = NULL;
    int argc = 0;
    struct diag diag = {0};
    snprintf(text, sizeof text, "meridian|%s", line);
    for (char *word = strtok_r(text, "|", &save); word; word = strtok_r(NULL, "|", &save))
        argv[argc++] = word;
    enum admin_code code = call_parse(&call, argc, argv, &diag);
    diag_first(&diag, sentence, sizeof sentence);
    diag_fini(&diag);
    return code;
}

#define assert_says(text)                                                                          \
    do {                                                                                           \
        if (!strstr(sentence, text))                                                               \
            fail_msg("\"%s\" does not say \"%s\"", sentence, text);                                \
    } while (0)

static void a_command_is_found_by_its_words(void **state)
{
    (void)state;
    assert_int_equal(parse("region|add|eu-west|--at|53.34,-6.26|--capacity=40000"), ADMIN_DONE);
    assert_string_equal(call.command->words, "region add");
    assert_int_equal(call.args_n, 1);
    assert_string_equal(call_arg(&call, 0), "eu-west");
    assert_string_equal(call_flag(&call, "at"), "53.34,-6.26");
    assert_string_equal(call_flag(&call, "capacity"), "40000");
    assert_int_equal(parse("map|rule|add|world|default|eu,us"), ADMIN_DONE);
    assert_string_equal(call.command->words, "map rule add");
    assert_int_equal(call.args_n, 3);
}

static void flags_may_stand_anywhere(void **state)
{
    (void)state;
    assert_int_equal(parse("--json|--db|/x.db|region|--capacity|5|set|--dry-run|eu"), ADMIN_DONE);
    assert_string_equal(call.command->words, "region set");
    assert_string_equal(call.db, "/x.db");
    assert_true(call.json);
    assert_true(call_has(&call, "dry-run"));
    assert_string_equal(call_arg(&call, 0), "eu");
}

static void a_value_may_begin_with_a_minus(void **state)
{
    (void)state;
    assert_int_equal(parse("region|add|sydney|--at|-33.87,151.21"), ADMIN_DONE);
    assert_string_equal(call_flag(&call, "at"), "-33.87,151.21");
    assert_int_equal(parse("region|add|sydney|--at|--capacity|5"), ADMIN_USAGE);
    assert_says("--at needs a value");
}

static void what_follows_two_dashes_is_no_flag(void **state)
{
    (void)state;
    assert_int_equal(parse("region|show|--|--json"), ADMIN_DONE);
    assert_string_equal(call_arg(&call, 0), "--json");
    assert_false(call.json);
    assert_int_equal(parse("apply|-"), ADMIN_DONE);
    assert_string_equal(call_arg(&call, 0), "-");
}

static void yes_or_no_flags_have_three_forms(void **state)
{
    (void)state;
    static const struct {
        const char *line, *value;
    } forms[] = {{"probe|set|web|--verify", "yes"},
                 {"probe|set|web|--no-verify", "no"},
                 {"probe|set|--verify|no|web", "no"},
                 {"probe|set|--verify|web", "yes"},
                 {"probe|set|web|--verify=false", "false"}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        assert_int_equal(parse(forms[i].line), ADMIN_DONE);
        assert_string_equal(call_flag(&call, "verify"), forms[i].value);
        assert_string_equal(call_arg(&call, 0), "web");
    }
    assert_int_equal(parse("region|set|eu|--no-capacity"), ADMIN_USAGE);
}

static void failback_after_takes_two_words(void **state)
{
    (void)state;
    assert_int_equal(parse("service|set|www.example|--failback|after|10m"), ADMIN_DONE);
    assert_string_equal(call_flag(&call, "failback"), "after 10m");
    assert_int_equal(parse("service|set|www.example|--failback|hold"), ADMIN_DONE);
    assert_string_equal(call_flag(&call, "failback"), "hold");
}

static void a_repeated_flag_is_kept_only_where_it_may_be(void **state)
{
    (void)state;
    assert_int_equal(parse("zone|add|g.example|--ns|a.g.example=192.0.2.1|--ns|b.g.example"),
                     ADMIN_DONE);
    assert_int_equal(call.flags_n, 2);
    assert_int_equal(parse("region|add|eu|--capacity|1|--capacity|2"), ADMIN_USAGE);
    assert_says("--capacity is given twice");
}

static void a_misspelt_word_gets_its_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } slips[] = {{"regoin|list", "did you mean \"region\"?"},
                 {"region|ad|eu", "did you mean \"add\"?"},
                 {"region|delete|eu", "did you mean \"remove\"?"},
                 {"service|ls", "did you mean \"list\"?"},
                 {"map|rule|ad|w", "did you mean \"add\"?"},
                 {"region", "region needs one of: add, set, show, list, remove"},
                 {"region|add|eu|--capacty|5", "did you mean \"--capacity\"?"},
                 {"status|--jsn", "did you mean \"--json\"?"},
                 {"region|list|--capacity|5", "region list has no flag \"--capacity\""},
                 {"drain|eu|-x", "begin with two dashes"},
                 {"region|add", "region add needs NAME"},
                 {"endpoint|add|www|eu", "endpoint add needs ADDRESS"},
                 {"region|list|now", "\"now\" is one word too many"},
                 {"region|show|eu|--json=yes", "--json takes no value"},
                 {"region|add|eu|--at", "--at needs a value: --at LAT,LON"}};
    for (size_t i = 0; i < sizeof slips / sizeof *slips; i++) {
        assert_int_equal(parse(slips[i].line), ADMIN_USAGE);
        assert_says(slips[i].says);
    }
}

static void optional_words_may_be_left_out(void **state)
{
    (void)state;
    assert_int_equal(parse("diff"), ADMIN_DONE);
    assert_int_equal(parse("diff|1|2"), ADMIN_DONE);
    assert_int_equal(parse("diff|1|2|3"), ADMIN_USAGE);
    assert_int_equal(parse("probe|run|web|192.0.2.1"), ADMIN_DONE);
    assert_int_equal(parse("probe|run|web|www|eu|192.0.2.1"), ADMIN_DONE);
    assert_int_equal(parse("probe|run|web"), ADMIN_DONE); /* it may have a target */
    assert_int_equal(parse("probe|run"), ADMIN_USAGE);
    assert_int_equal(parse("help|region|add"), ADMIN_DONE);
}

static void help_and_version_need_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(parse("region|add|--help"), ADMIN_DONE);
    assert_true(call.help);
    assert_string_equal(call.command->words, "region add");
    assert_int_equal(parse("region|-h"), ADMIN_DONE);
    assert_true(call.help);
    assert_null(call.command);
    assert_int_equal(parse("--version"), ADMIN_DONE);
    assert_true(call.version);
}

static void too_much_is_refused_not_overrun(void **state)
{
    (void)state;
    char line[1024] = "";
    for (int i = 0; i < CALL_ARGS_MAX + 1; i++)
        strcat(line, i ? "|x" : "x");
    assert_int_equal(parse(line), ADMIN_USAGE);
    assert_says("too many words");
    char *argv[CALL_FLAGS_MAX + 10];
    for (int i = 0; i < CALL_FLAGS_MAX + 10; i++)
        argv[i] = "--dry-run";
    struct diag diag = {0};
    assert_int_equal(call_parse(&call, CALL_FLAGS_MAX + 10, argv, &diag), ADMIN_USAGE);
    diag_fini(&diag);
}

static void the_database_comes_from_flag_then_environment_then_default(void **state)
{
    (void)state;
    unsetenv("MERIDIAN_DB");
    parse("region|list");
    assert_string_equal(call.db, "/var/lib/meridian/meridian.db");
    setenv("MERIDIAN_DB", "/from/env.db", 1);
    parse("region|list");
    assert_string_equal(call.db, "/from/env.db");
    parse("region|list|--db=/from/flag.db");
    assert_string_equal(call.db, "/from/flag.db");
    unsetenv("MERIDIAN_DB");
}

static void a_moment_is_a_time_or_a_duration(void **state)
{
    (void)state;
    int64_t ms;
    assert_true(moment_parse("10m", 1000000, 1, &ms));
    assert_int_equal(ms, 1600000);
    assert_true(moment_parse("10m", 1000000, -1, &ms));
    assert_int_equal(ms, 400000);
    assert_true(moment_parse("1970-01-01T00:00:01Z", 5, 1, &ms));
    assert_int_equal(ms, 1000);
    assert_false(moment_parse("tomorrow", 5, 1, &ms));
}

static void the_text_for_the_log_keeps_secrets(void **state)
{
    (void)state;
    char text[200];
    parse("set|cookie-secret|00112233445566778899aabbccddeeff");
    assert_string_equal(call_text(&call, text, sizeof text), "set cookie-secret (secret)");
    assert_string_equal(call_arg(&call, 1), "00112233445566778899aabbccddeeff");
    parse("set|nsid|ns1");
    assert_string_equal(call_text(&call, text, sizeof text), "set nsid ns1");
    parse("unset|cookie-secret");
    assert_string_equal(call_text(&call, text, sizeof text), "unset cookie-secret");
    parse("region|add|eu");
    assert_string_equal(call_text(&call, text, sizeof text), "region add eu");
}

static void the_text_for_the_log_stays_text_where_it_is_cut(void **state)
{
    (void)state;
    char text[12];
    for (size_t cap = 9; cap <= sizeof text; cap++) {
        parse("set|nsid|\u00e9\u00e9\u00e9");
        call_text(&call, text, cap);
        json_t *j = json_string(text);
        assert_non_null(j); /* jansson takes UTF-8 alone */
        json_decref(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_found_by_its_words),
        cmocka_unit_test(flags_may_stand_anywhere),
        cmocka_unit_test(a_value_may_begin_with_a_minus),
        cmocka_unit_test(what_follows_two_dashes_is_no_flag),
        cmocka_unit_test(yes_or_no_flags_have_three_forms),
        cmocka_unit_test(failback_after_takes_two_words),
        cmocka_unit_test(a_repeated_flag_is_kept_only_where_it_may_be),
        cmocka_unit_test(a_misspelt_word_gets_its_nearest),
        cmocka_unit_test(optional_words_may_be_left_out),
        cmocka_unit_test(help_and_version_need_nothing_else),
        cmocka_unit_test(too_much_is_refused_not_overrun),
        cmocka_unit_test(the_database_comes_from_flag_then_environment_then_default),
        cmocka_unit_test(the_text_for_the_log_keeps_secrets),
        cmocka_unit_test(the_text_for_the_log_stays_text_where_it_is_cut),
        cmocka_unit_test(a_moment_is_a_time_or_a_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
