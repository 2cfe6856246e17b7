/* command: what the command line knows, one row each (commands.c), and one call of it.
 * Shape     a row says words, arguments, flags, help, an example and the function that runs it.
 *           Help texts, docs/cli.md, shell completion and the parser all read these rows.
 * Flags     a command takes the global flags, those of its groups, its own, and with FLAGS_FIELDS
 *           the field flags of its noun (config/fields).
 * Owns      struct call: its flag list; texts are borrowed from argv.
 * Errors    run returns the exit status (admin/protocol.h: enum admin_code). */
#pragma once

#include "admin/protocol.h"
#include "config/config.h"

#define CALL_ARGS_MAX 16
#define CALL_FLAGS_MAX 256
#define COMMAND_WORDS_MAX 3

struct call;

enum flag_group {
    FLAGS_EDIT = 1 << 0,   /* makes a revision: --dry-run, --message, --author */
    FLAGS_ORDER = 1 << 1,  /* an override: --reason, --until, --author */
    FLAGS_MOVE = 1 << 2,   /* a drain: --over, --to */
    FLAGS_STATE = 1 << 3,  /* --state */
    FLAGS_FIELDS = 1 << 4, /* the field flags of the command's noun */
    FLAGS_REPEAT = 1 << 5  /* of a command's own flag: it may be given again */
};

struct command_flag {
    const char *name;
    const char *value; /* what help shows for it; NULL: a switch */
    const char *help;
    unsigned group; /* enum flag_group; a command's own: 0 or FLAGS_REPEAT */
};

struct command {
    const char *words;   /* "zone add", "map rule add", "drain" */
    const char *args;    /* "SERVICE REGION ADDRESS", "[NAME]", "FILE|-"; "" none */
    const char *help;    /* one sentence */
    const char *example; /* lines as typed */
    int (*run)(struct call *c);
    unsigned groups;
    enum config_noun noun;          /* what it is about; NOUN_COUNT: no noun of the configuration */
    const struct command_flag *own; /* ends with a NULL name */
};

const struct command *commands(size_t *n);
const struct command_flag *flags_global(size_t *n); /* every command takes them */

/* Calls fn for each flag that the command takes, globals left out; false stops. */
struct flag_view {
    const char *name, *value, *help;
    const struct config_field *field; /* NULL: not a field */
    bool needs_value;                 /* false: a switch, or a yes-or-no field */
    bool repeat;                      /* may be given again */
};
void command_flags_each(const struct command *c, bool (*fn)(void *ctx, const struct flag_view *f),
                        void *ctx);

struct call_flag {
    const char *name, *value; /* value NULL: a switch */
    const struct config_field *field;
};

struct call {
    const struct command *command; /* NULL: only help or the version was asked for */
    const char *arg[CALL_ARGS_MAX];
    size_t args_n;
    struct call_flag flag[CALL_FLAGS_MAX];
    size_t flags_n;
    const char *db;
    bool json, help, version;
    char after[64]; /* room for --failback after DURATION */
};

/* Reads argv. Returns ADMIN_DONE, or ADMIN_USAGE with a sentence in diag. */
enum admin_code call_parse(struct call *c, int argc, char **argv, struct diag *diag);
/* The last value given, "" for a switch; NULL: not given. */
const char *call_flag(const struct call *c, const char *name);
bool call_has(const struct call *c, const char *name);
/* The idx-th argument, NULL past the end. */
const char *call_arg(const struct call *c, size_t idx);
/* Words and arguments as typed, for history and log: "region add eu-west"; "(secret)" for what is.
 * Returns out. */
char *call_text(const struct call *c, char *out, size_t cap);
