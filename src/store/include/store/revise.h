/* store/revise: one edit as one transaction: lock, change, validate, compile, commit.
 * Shape     the same path for the daemon (its compile callback builds the snapshot that it then
 *           publishes) and for the command without one. What does not validate or compile is never
 *           stored, so the head revision always starts.
 * Owns      struct store_revised: its changes, until store_revised_fini.
 * Lifetime  *head is a cached model of the head revision, or NULL; it is loaded again when another
 *           process has written meanwhile, and replaced by the new one on success.
 * Threads   the store's thread.
 * Errors    ERR_CONFLICT: the document is older than the head and force was not given, or an edit
 *           waits for its confirmation and this is no rollback for good, which ends the waiting; else those
 * of config, model, the callback and the store. On success diag holds the warnings that
 *           the edit brings. */
#pragma once

#include "store/store.h"

enum store_revise_kind {
    REVISE_EDITS,
    REVISE_DOCUMENT, /* make the configuration equal to a document */
    REVISE_ROLLBACK  /* make it what it was at a revision */
};

struct store_revise {
    enum store_revise_kind kind;
    const struct config_edit *edits;
    size_t edits_n;
    const char *document;
    size_t document_len;
    const char *folder; /* of the document: what its relative paths are meant from, or NULL */
    int64_t rollback_to;
    bool force;                    /* apply a document of an older revision */
    bool dry_run;                  /* all but the commit */
    int64_t confirm_until_wall_ms; /* it waits until then for store_waiting_end; 0: it does not */
    struct store_meta meta;
};

struct store_revised {
    int64_t revision; /* the new one; the head's when nothing changed or nothing was stored */
    bool changed;     /* the configuration differs from what it was (would differ, for a dry run) */
    struct config_changes changes;
};
void store_revised_fini(struct store_revised *r);

/* Judges what validation cannot: whether it can be served. Called before the commit, under the
 * write lock, only when something changed; m->revision is the one it will get. May take a
 * reference. */
typedef enum err store_compile_fn(void *ctx, struct model *m, struct diag *diag);

enum err store_revise(struct store *s, struct model **head, const struct store_revise *what,
                      store_compile_fn *compile, void *ctx, struct store_revised *out,
                      struct diag *diag) WARN_UNUSED;
/* The rollback that takes an edit back which nobody confirmed. It borrows words, which the call fills. */
struct store_take_back_words {
    char verb[64], message[64];
};
struct store_revise store_take_back(const struct store_waiting *w, int64_t wall_ms,
                                    struct store_take_back_words *words);
/* The changes as lines for people, for answers and the terminal (new reference; NULL out of memory), and then
 * forgets them: of a large edit they are as large as the configuration. *more: so many changes are not among
 * the lines, which end after the one that reaches STORE_LINES_MAX. */
#define STORE_LINES_MAX 10000
json_t *store_revised_take(struct store_revised *r, size_t *more);
/* Puts them into reply, an object: "changes" and, where there are more, "changes_more". Takes lines, NULL
 * for none. */
void store_changes_put(json_t *reply, json_t *lines, size_t more);
