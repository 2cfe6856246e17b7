/* The table is the manual: it must be complete, and docs/cli.md must be what it says. */
#include "help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void every_command_has_help_and_an_example_that_parses(void **state)
{
    (void)state;
    size_t n;
    const struct command *all = commands(&n);
    for (size_t i = 0; i < n; i++) {
        assert_true(all[i].help[0] && all[i].help[strlen(all[i].help) - 1] == '.');
        char text[600], *save = NULL;
        snprintf(text, sizeof text, "%s", all[i].example);
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
            char *argv[40];
            int argc = 0;
            for (char *p = line;
                 *p && argc < 40;) { /* words, with double quotes as the shell has */
                p += strspn(p, " ");
                if (*p == '>')
                    break;
                bool quoted = *p == '"';
                argv[argc++] = p += quoted;
                p += strcspn(p, quoted ? "\"" : " ");
                if (*p)
                    *p++ = '\0';
            }
            struct call call;
            struct diag diag = {0};
            char why[300];
            enum admin_code code = call_parse(&call, argc, argv, &diag);
            if (code || call.command != &all[i])
                fail_msg("%s: %s", all[i].words, diag_first(&diag, why, sizeof why));
            diag_fini(&diag);
        }
    }
}

static bool check_flag(void *ctx, const struct flag_view *f)
{
    const struct command *c = ctx;
    if (!f->help || !f->help[0])
        fail_msg("%s --%s has no help", c->words, f->name);
    for (const char *p = f->name; *p; p++)
        assert_true(islower((unsigned char)*p) || *p == '-' || isdigit((unsigned char)*p));
    return true;
}

static void every_flag_has_help(void **state)
{
    (void)state;
    size_t n;
    const struct command *all = commands(&n);
    for (size_t i = 0; i < n; i++)
        command_flags_each(&all[i], check_flag, (void *)&all[i]);
}

struct names {
    const char *name[100];
    size_t n;
};

static bool unique_flag(void *ctx, const struct flag_view *f)
{
    struct names *names = ctx;
    for (size_t i = 0; i < names->n; i++)
        assert_string_not_equal(names->name[i], f->name);
    names->name[names->n++] = f->name;
    return true;
}

static void no_command_has_two_flags_of_one_name(void **state)
{
    (void)state;
    size_t n, globals;
    const struct command *all = commands(&n);
    const struct command_flag *global = flags_global(&globals);
    for (size_t i = 0; i < n; i++) {
        struct names names = {.n = 0};
        for (size_t k = 0; k < globals; k++)
            names.name[names.n++] = global[k].name;
        command_flags_each(&all[i], unique_flag, &names);
    }
}

static void the_manual_in_docs_is_the_one_of_the_table(void **state)
{
    (void)state;
    char *made = NULL, *kept = NULL;
    size_t made_len, kept_len = 0, cap;
    FILE *f = open_memstream(&made, &made_len);
    help_markdown(f);
    fclose(f);
    f = fopen(MERIDIAN_SOURCE_DIR "/docs/cli.md", "r");
    assert_non_null(f);
    cap = made_len + 2;
    kept = calloc(1, cap);
    kept_len = fread(kept, 1, cap - 1, f);
    fclose(f);
    if (kept_len != made_len || memcmp(made, kept, made_len) != 0)
        fail_msg("docs/cli.md is old: meridian help --markdown > docs/cli.md");
    free(made);
    free(kept);
}

static void the_completion_script_names_every_command(void **state)
{
    (void)state;
    char *made = NULL;
    size_t len, n;
    FILE *f = open_memstream(&made, &len);
    help_bash(f);
    fclose(f);
    const struct command *all = commands(&n);
    for (size_t i = 0; i < n; i++)
        assert_non_null(strstr(made, all[i].words));
    free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_help_and_an_example_that_parses),
        cmocka_unit_test(every_flag_has_help),
        cmocka_unit_test(no_command_has_two_flags_of_one_name),
        cmocka_unit_test(the_manual_in_docs_is_the_one_of_the_table),
        cmocka_unit_test(the_completion_script_names_every_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
