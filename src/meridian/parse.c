/* parse: argv to a call. Flags may stand anywhere, also before the command's words; whether a flag
 * takes a value is therefore looked up over all commands first, and judged for the one command
 * afterwards. */
#include "command.h"

#include "base/utf8.h"
#include "model/nearest.h"
#include "model/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DB_DEFAULT "/var/lib/meridian/meridian.db"

struct seek {
    const char *name;
    size_t len;
    struct flag_view found;
    bool hit;
};

static bool seek_flag(void *ctx, const struct flag_view *f)
{
    struct seek *s = ctx;
    if (strlen(f->name) != s->len || strncmp(f->name, s->name, s->len) != 0)
        return true;
    s->found = *f;
    s->hit = true;
    return false;
}

static bool find_global(struct seek *s)
{
    size_t n;
    const struct command_flag *flags = flags_global(&n);
    for (size_t i = 0; i < n && !s->hit; i++) {
        struct flag_view v = {flags[i].name, flags[i].value,         flags[i].help,
                              NULL,          flags[i].value != NULL, false};
        seek_flag(s, &v);
    }
    return s->hit;
}

/* NULL command: in any. */
static bool find_flag(const struct command *c, struct seek *s)
{
    if (find_global(s))
        return true;
    if (c) {
        command_flags_each(c, seek_flag, s);
        return s->hit;
    }
    size_t n;
    const struct command *all = commands(&n);
    for (size_t i = 0; i < n && !s->hit; i++)
        command_flags_each(&all[i], seek_flag, s);
    return s->hit;
}

/* Words of a row, split at blanks. */
static size_t split_words(const char *words, const char *out[COMMAND_WORDS_MAX],
                          size_t len[COMMAND_WORDS_MAX])
{
    size_t n = 0;
    while (*words && n < COMMAND_WORDS_MAX) {
        len[n] = strcspn(words, " ");
        out[n++] = words;
        words += len[n - 1];
        words += *words == ' ';
    }
    return n;
}

/* How many of the row's words the arguments begin with. */
static size_t match_words(const struct command *row, const char *const *arg, size_t args_n,
                          bool *whole)
{
    const char *word[COMMAND_WORDS_MAX];
    size_t len[COMMAND_WORDS_MAX], n = split_words(row->words, word, len), i = 0;
    while (i < n && i < args_n && strlen(arg[i]) == len[i] && strncmp(arg[i], word[i], len[i]) == 0)
        i++;
    *whole = i == n;
    return i;
}

/* What people type who come from elsewhere. */
static const char *synonym(const char *word)
{
    static const char *const pairs[][2] = {
        {"create", "add"},       {"new", "add"},           {"delete", "remove"},
        {"del", "remove"},       {"rm", "remove"},         {"update", "set"},
        {"edit", "set"},         {"modify", "set"},        {"change", "set"},
        {"get", "show"},         {"describe", "show"},     {"view", "show"},
        {"ls", "list"},          {"validate", "check"},    {"import", "apply"},
        {"restore", "rollback"}, {"version", "--version"}, {"settings", "show"},
        {"config", "show"},      {"enable", "undrain"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strcmp(word, pairs[i][0]) == 0)
            return pairs[i][1];
    return NULL;
}

/* The arguments match `matched` words of some command, and then no row. */
static void unknown_word(const char *const *arg, size_t args_n, size_t matched, struct diag *diag)
{
    size_t n;
    const struct command *all = commands(&n);
    char known[64][32], list[600] = "", prefix[128] = "";
    size_t known_n = 0, used = 0;
    for (size_t i = 0; i < matched; i++)
        used +=
            (size_t)snprintf(prefix + used, sizeof prefix - used, "%s%.32s", i ? " " : "", arg[i]);
    used = 0;
    for (size_t i = 0; i < n; i++) {
        const char *word[COMMAND_WORDS_MAX];
        size_t len[COMMAND_WORDS_MAX], words_n = split_words(all[i].words, word, len);
        bool whole;
        if (words_n <= matched || match_words(&all[i], arg, args_n, &whole) < matched)
            continue;
        char w[32];
        snprintf(w, sizeof w, "%.*s", (int)len[matched], word[matched]);
        bool seen = false;
        for (size_t k = 0; k < known_n && !seen; k++)
            seen = strcmp(known[k], w) == 0;
        if (seen || known_n == sizeof known / sizeof *known)
            continue;
        strcpy(known[known_n++], w);
        int add = snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", w);
        if (add > 0 && used + (size_t)add < sizeof list)
            used += (size_t)add;
    }
    if (args_n <= matched) {
        diag_error(diag, ERR_USAGE, "", "%s%sneeds one of: %s", prefix, prefix[0] ? " " : "", list);
        return;
    }
    struct nearest near;
    nearest_start(&near, arg[matched]);
    for (size_t k = 0; k < known_n; k++)
        nearest_offer(&near, known[k]);
    char hint[128];
    const char *other = synonym(arg[matched]);
    nearest_hint(&near, hint, sizeof hint);
    if (!hint[0] && other)
        snprintf(hint, sizeof hint, "; did you mean \"%s\"?", other);
    diag_error(diag, ERR_USAGE, prefix, "\"%.64s\" is not %s%s (%s)", arg[matched],
               matched ? "one of its verbs" : "a command", hint, list);
}

static enum admin_code choose_command(struct call *c, struct diag *diag)
{
    size_t n, best = 0, deepest = 0;
    const struct command *all = commands(&n);
    for (size_t i = 0; i < n; i++) {
        bool whole;
        size_t words = match_words(&all[i], c->arg, c->args_n, &whole);
        if (words > deepest)
            deepest = words;
        if (whole && words > best) {
            best = words;
            c->command = &all[i];
        }
    }
    /* "map rule foo" matches "map rule" further than any whole row does. */
    if (!c->command || deepest > best) {
        c->command = NULL;
        unknown_word(c->arg, c->args_n, deepest, diag);
        return ADMIN_USAGE;
    }
    memmove(c->arg, c->arg + best, (c->args_n - best) * sizeof c->arg[0]);
    c->args_n -= best;
    return ADMIN_DONE;
}

static bool offer_flag(void *ctx, const struct flag_view *f)
{
    nearest_offer(ctx, f->name);
    return true;
}

static enum admin_code unknown_flag(const struct command *c, const char *name, size_t len,
                                    struct diag *diag)
{
    char word[80], hint[160];
    snprintf(word, sizeof word, "%.*s", (int)len, name);
    struct nearest near;
    nearest_start(&near, word);
    command_flags_each(c, offer_flag, &near);
    size_t n;
    const struct command_flag *global = flags_global(&n);
    for (size_t i = 0; i < n; i++)
        nearest_offer(&near, global[i].name);
    const char *best = nearest_best(&near);
    if (best)
        snprintf(hint, sizeof hint, "; did you mean \"--%s\"?", best);
    else
        snprintf(hint, sizeof hint, ": `meridian %s --help` lists them", c->words);
    diag_error(diag, ERR_USAGE, "", "%s has no flag \"--%s\"%s", c->words, word, hint);
    return ADMIN_USAGE;
}

static bool yes_or_no(const char *text)
{
    static const char *const words[] = {"yes", "no", "true", "false", "on", "off"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

/* A flag as typed, before the command is known. */
struct typed {
    const char *name;
    size_t len;
    const char *value;
    bool negated; /* --no-verify */
};

static bool is_yes_no_flag(const char *name, size_t len)
{
    struct seek s = {.name = name, .len = len};
    return find_flag(NULL, &s) && s.found.field && s.found.field->kind == FIELD_BOOL;
}

/* Takes argv[*i], a flag, and its value if it has one. */
static enum admin_code take_flag(struct call *c, struct typed *t, int argc, char **argv, int *i,
                                 struct diag *diag)
{
    const char *text = argv[*i] + 2, *eq = strchr(text, '=');
    *t = (struct typed){.name = text, .len = eq ? (size_t)(eq - text) : strlen(text)};
    if (eq) {
        t->value = eq + 1;
        return ADMIN_DONE;
    }
    struct seek s = {.name = text, .len = t->len};
    bool known = find_flag(NULL, &s);
    if (!known && strncmp(text, "no-", 3) == 0 && is_yes_no_flag(text + 3, t->len - 3)) {
        *t = (struct typed){.name = text + 3, .len = t->len - 3, .value = "no", .negated = true};
        return ADMIN_DONE;
    }
    if (!known)
        return ADMIN_DONE;
    bool more = *i + 1 < argc;
    if (s.found.needs_value) {
        if (!more || strncmp(argv[*i + 1], "--", 2) == 0) {
            diag_error(diag, ERR_USAGE, "", "--%s needs a value: --%s %s", text, text,
                       s.found.value ? s.found.value : "VALUE");
            return ADMIN_USAGE;
        }
        t->value = argv[++*i];
        /* --failback after 10m: the one value of two words. */
        if (s.found.field && s.found.field->kind == FIELD_FAILBACK &&
            strcmp(t->value, "after") == 0 && *i + 1 < argc && argv[*i + 1][0] != '-') {
            snprintf(c->after, sizeof c->after, "after %s", argv[++*i]);
            t->value = c->after;
        }
    } else if (s.found.field && more && yes_or_no(argv[*i + 1])) {
        t->value = argv[++*i];
    }
    return ADMIN_DONE;
}

/* Judges the typed flags for the command that was found. */
static enum admin_code settle_flags(struct call *c, const struct typed *typed, size_t n,
                                    struct diag *diag)
{
    for (size_t i = 0; i < n; i++) {
        const struct typed *t = &typed[i];
        struct seek s = {.name = t->name, .len = t->len};
        if (!find_flag(c->command, &s))
            return unknown_flag(c->command, t->name, t->len, diag);
        struct call_flag *f = &c->flag[c->flags_n++];
        *f = (struct call_flag){s.found.name, t->value, s.found.field};
        if (!f->value && s.found.field)
            f->value = "yes";
        if (s.found.needs_value && !f->value) {
            diag_error(diag, ERR_USAGE, "", "--%s needs a value: --%s %s", f->name, f->name,
                       s.found.value);
            return ADMIN_USAGE;
        }
        if (!s.found.needs_value && !s.found.field && f->value) {
            diag_error(diag, ERR_USAGE, "", "--%s takes no value", f->name);
            return ADMIN_USAGE;
        }
        bool repeat = s.found.repeat;
        for (size_t k = 0; k + 1 < c->flags_n && !repeat; k++)
            if (strcmp(c->flag[k].name, f->name) == 0) {
                diag_error(diag, ERR_USAGE, "", "--%s is given twice", f->name);
                return ADMIN_USAGE;
            }
    }
    return ADMIN_DONE;
}

static enum admin_code count_args(const struct call *c, struct diag *diag)
{
    size_t least = 0, most = 0;
    for (const char *p = c->command->args; *p;) {
        size_t len = strcspn(p, " ");
        bool optional = *p == '[';
        if (!optional && least == c->args_n) { /* the first word that is missing */
            diag_error(diag, ERR_USAGE, "", "%s needs %.*s: meridian %s %s", c->command->words,
                       (int)len, p, c->command->words, c->command->args);
            return ADMIN_USAGE;
        }
        least += !optional;
        most = len > 4 && strncmp(p + len - 4, "...]", 4) == 0 ? CALL_ARGS_MAX : most + 1;
        p += len;
        p += *p == ' ';
    }
    if (c->args_n > most) {
        diag_error(diag, ERR_USAGE, "", "\"%.100s\" is one word too many: meridian %s%s%s",
                   c->arg[most], c->command->words, c->command->args[0] ? " " : "",
                   c->command->args);
        return ADMIN_USAGE;
    }
    return ADMIN_DONE;
}

static void settle_globals(struct call *c)
{
    const char *env = getenv("MERIDIAN_DB");
    const char *db = call_flag(c, "db");
    c->db = db ? db : env && env[0] ? env : DB_DEFAULT;
    c->json = call_has(c, "json");
}

enum admin_code call_parse(struct call *c, int argc, char **argv, struct diag *diag)
{
    *c = (struct call){0};
    struct typed typed[CALL_FLAGS_MAX];
    size_t typed_n = 0;
    bool flags = true;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (flags && strcmp(a, "--") == 0) {
            flags = false;
        } else if (flags && (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0)) {
            c->help = true;
        } else if (flags && strcmp(a, "--version") == 0) {
            c->version = true;
        } else if (flags && a[0] == '-' && a[1] == '-') {
            if (typed_n == CALL_FLAGS_MAX) {
                diag_error(diag, ERR_USAGE, "", "too many flags: %d is the most", CALL_FLAGS_MAX);
                return ADMIN_USAGE;
            }
            enum admin_code code = take_flag(c, &typed[typed_n++], argc, argv, &i, diag);
            if (code)
                return code;
        } else if (flags && a[0] == '-' && a[1]) {
            diag_error(diag, ERR_USAGE, "", "\"%.32s\" is not a flag: they begin with two dashes",
                       a);
            return ADMIN_USAGE;
        } else if (c->args_n == CALL_ARGS_MAX) {
            diag_error(diag, ERR_USAGE, "", "too many words: %d is the most", CALL_ARGS_MAX);
            return ADMIN_USAGE;
        } else {
            c->arg[c->args_n++] = a;
        }
    }
    if (c->version || c->help || c->args_n == 0) {
        if (c->args_n > 0 && !c->version && choose_command(c, NULL) != ADMIN_DONE)
            c->command = NULL; /* help of a noun */
        c->help = !c->version;
        return !c->version && argc == 1 ? ADMIN_USAGE : ADMIN_DONE;
    }
    enum admin_code code = choose_command(c, diag);
    if (!code)
        code = settle_flags(c, typed, typed_n, diag);
    if (!code)
        code = count_args(c, diag);
    settle_globals(c);
    return code;
}

const char *call_flag(const struct call *c, const char *name)
{
    for (size_t i = c->flags_n; i > 0; i--)
        if (strcmp(c->flag[i - 1].name, name) == 0)
            return c->flag[i - 1].value ? c->flag[i - 1].value : "";
    return NULL;
}

bool call_has(const struct call *c, const char *name)
{
    return call_flag(c, name) != NULL;
}

const char *call_arg(const struct call *c, size_t idx)
{
    return idx < c->args_n ? c->arg[idx] : NULL;
}

/* The value of a setting that is secret: the text goes into the log, where many may read. */
static bool is_secret(const struct call *c, size_t arg)
{
    if (strcmp(c->command->words, "set") != 0 || arg == 0)
        return false;
    const struct model_setting_info *info = model_setting_info(c->arg[0]);
    return info && info->kind == SETTING_SECRETS;
}

char *call_text(const struct call *c, char *out, size_t cap)
{
    size_t used = (size_t)snprintf(out, cap, "%s", c->command->words);
    for (size_t i = 0; i < c->args_n && used < cap; i++)
        used += (size_t)snprintf(out + used, cap - used, " %s",
                                 is_secret(c, i) ? "(secret)" : c->arg[i]);
    return utf8_clean(out); /* a character may have been cut */
}
