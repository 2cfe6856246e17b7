/* store/revise: one edit as one transaction: lock, change, validate, compile, commit.
 * Shape     the same path for the daemon (its compile callback builds the snapshot that it then
 *           publishes) and for the command without one. What does not validate or compile is never
 *           stored, so the head revision always starts.
 * Owns      struct store_revised: its changes, until store_revised_fini.
 * Lifetime  *head is a cached model of the head revision, or NULL; it is loaded again when another
 *           process has written meanwhile, and replaced by the new one on success.
 * Threads   the store's thread.
 * Errors    ERR_CONFLICT: the document is older than the head and force was not given; else those
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
    int64_t rollback_to;
    bool force;   /* apply a document of an older revision */
    bool dry_run; /* all but the commit */
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
/* The changes as lines for people, for answers and the terminal (new reference; NULL out of
 * memory). */
json_t *store_revised_lines(const struct store_revised *r);
