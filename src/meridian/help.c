#include "help.h"
#include "runs.h"

#include "model/settings.h"
#include <string.h>

static const char exit_statuses[] = "Exit status: 0 done, 1 refused, 2 usage, 3 not found, 4 the "
                                    "daemon is needed and not reachable, "
                                    "5 conflict with a newer revision.\n";

static bool begins_with(const struct command *c, const char *const *arg, size_t n)
{
    const char *p = c->words;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(arg[i]);
        if (strncmp(p, arg[i], len) != 0 || (p[len] != ' ' && p[len] != '\0'))
            return false;
        p += len;
        p += *p == ' ';
    }
    return true;
}

const struct command *help_find(const char *const *arg, size_t n, bool *noun)
{
    size_t count;
    const struct command *all = commands(&count), *found = NULL;
    char words[200] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof words; i++)
        used +=
            (size_t)snprintf(words + used, sizeof words - used, "%s%.60s", i ? " " : "", arg[i]);
    *noun = false;
    for (size_t i = 0; i < count; i++) {
        *noun |= n > 0 && begins_with(&all[i], arg, n);
        if (strcmp(all[i].words, words) == 0)
            found = &all[i];
    }
    return found;
}

static void print_line(FILE *out, const struct command *c)
{
    char usage[120];
    snprintf(usage, sizeof usage, "%s%s%s", c->words, c->args[0] ? " " : "", c->args);
    fprintf(out, "  %-40s %s\n", usage, c->help);
}

void help_noun(FILE *out, const char *const *arg, size_t n)
{
    size_t count;
    const struct command *all = commands(&count);
    for (size_t i = 0; i < count; i++)
        if (begins_with(&all[i], arg, n))
            print_line(out, &all[i]);
}

void help_summary(FILE *out)
{
    size_t n;
    const struct command *all = commands(&n);
    fputs("meridian <noun> <verb> [name] [--flags]\n\n", out);
    for (size_t i = 0; i < n; i++)
        print_line(out, &all[i]);
    fputs("\nEvery command takes --db PATH, --json and --help. ", out);
    fputs(exit_statuses, out);
}

struct flag_out {
    FILE *out;
    bool markdown;
    unsigned n;
};

static bool print_flag(void *ctx, const struct flag_view *f)
{
    struct flag_out *o = ctx;
    char usage[100];
    const char *fallback =
        f->field && f->field->fallback && f->field->fallback[0] ? f->field->fallback : NULL;
    snprintf(usage, sizeof usage, "--%s%s%s", f->name, f->value ? " " : "",
             f->value ? f->value : "");
    if (o->n++ == 0 && !o->markdown)
        fputs("\nFlags:\n", o->out);
    if (o->markdown)
        fprintf(o->out, "- `%s`: %s", usage, f->help);
    else
        fprintf(o->out, "  --%-30s %s", usage + 2, f->help);
    if (fallback)
        fprintf(o->out, " (default %s)", fallback);
    if (f->field && f->field->repeat)
        fputs(" (may be repeated)", o->out);
    fputc('\n', o->out);
    return true;
}

void help_command(FILE *out, const struct command *c)
{
    fprintf(out, "meridian %s%s%s\n\n%s\n", c->words, c->args[0] ? " " : "", c->args, c->help);
    struct flag_out o = {.out = out};
    command_flags_each(c, print_flag, &o);
    size_t n;
    const struct command_flag *global = flags_global(&n);
    for (size_t i = 0; i < n; i++) {
        struct flag_view v = {global[i].name, global[i].value, global[i].help, NULL, false, false};
        print_flag(&o, &v);
    }
    fputs("\nExample:\n", out);
    for (const char *p = c->example; *p;) {
        size_t len = strcspn(p, "\n");
        fprintf(out, "  %.*s\n", (int)len, p);
        p += len + (p[len] == '\n');
    }
}

static void markdown_settings(FILE *out)
{
    size_t n;
    const struct model_setting_info *info = model_settings_table(&n);
    fputs("\nThe settings:\n\n| setting | default | what it is | accepts |\n| --- | --- | --- | "
          "--- |\n",
          out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "| `%s` | %s%s%s | %s%s | %s |\n", info[i].key, info[i].fallback[0] ? "`" : "",
                info[i].fallback, info[i].fallback[0] ? "`" : "", info[i].help,
                info[i].local ? " (this host only)" : "", model_setting_accepted(info[i].kind));
}

void help_markdown(FILE *out)
{
    size_t n, globals;
    const struct command *all = commands(&n);
    const struct command_flag *global = flags_global(&globals);
    fputs(
        "# The command line\n\n"
        "This page is made by `meridian help --markdown` from the table of commands.\n\n"
        "`meridian <noun> <verb> [name] [--flags]`. Flags may stand anywhere, as `--flag VALUE` or "
        "`--flag=VALUE`; `--` ends them. An empty value (`--probe=`) gives a field its default "
        "back; "
        "a yes-or-no flag is also written `--verify` and `--no-verify`.\n\n"
        "Every command takes:\n\n",
        out);
    struct flag_out o = {.out = out, .markdown = true};
    for (size_t i = 0; i < globals; i++) {
        struct flag_view v = {global[i].name, global[i].value, global[i].help, NULL, false, false};
        print_flag(&o, &v);
    }
    fputs(
        "\n"
        "Lists are aligned tables on a terminal and tab-separated when piped; the first line names "
        "the "
        "columns in both, and `-` stands for nothing. With `--json` a list is a JSON array, one "
        "item an "
        "object; `log --json` is one object a line. Errors are one sentence a finding on standard "
        "error.\n\n"
        "While the daemon runs, an edit goes through it: the command returns when the new revision "
        "serves "
        "(`revision 7 is serving`), or says why it was refused. Without a daemon it is compiled "
        "and stored. "
        "When the daemon holds the database and does not answer, nothing is stored and the exit "
        "status is "
        "4.\n\n",
        out);
    fputs(exit_statuses, out);
    for (size_t i = 0; i < n; i++) {
        const struct command *c = &all[i];
        fprintf(out, "\n## meridian %s\n\n`meridian %s%s%s`\n\n%s\n", c->words, c->words,
                c->args[0] ? " " : "", c->args, c->help);
        struct flag_out list = {.out = out, .markdown = true};
        if (c->groups || c->own)
            fputc('\n', out);
        command_flags_each(c, print_flag, &list);
        fprintf(out, "\n```\n%s\n```\n", c->example);
        if (strcmp(c->words, "show") == 0)
            markdown_settings(out);
    }
}

int run_help(struct call *c)
{
    bool noun;
    if (call_has(c, "markdown")) {
        help_markdown(stdout);
        return ADMIN_DONE;
    }
    const struct command *found = help_find(c->arg, c->args_n, &noun);
    if (found)
        help_command(stdout, found);
    else if (noun)
        help_noun(stdout, c->arg, c->args_n);
    else if (c->args_n == 0)
        help_summary(stdout);
    else {
        fprintf(stderr, "meridian: no command is called \"%.60s\": `meridian help` lists them\n",
                c->arg[0]);
        return ADMIN_USAGE;
    }
    return ADMIN_DONE;
}
