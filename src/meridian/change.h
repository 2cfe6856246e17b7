/* change: one edit, through the daemon when one runs on the database, else in this process.
 * Shape     both ways take the same edits, as they travel (docs/control.md), and say what came of
 * it in the same words. */
#pragma once

#include "session.h"
#include "store/revise.h"

struct change {
    enum store_revise_kind kind;
    json_t *edits; /* REVISE_EDITS: list of edits; taken */
    const char *document;
    size_t document_len;
    const char *folder; /* what its relative paths are meant from */
    int64_t rollback_to;
    bool force;
    int64_t confirm_within_ms; /* change_submit reads it from the flag */
    const char *token;         /* NULL, or what is printed with the outcome, once */
};

/* Makes the change, prints the outcome, returns the exit status. */
int change_submit(const struct call *c, struct change *change);
/* {"verb","noun","name","region","address","fields"}; NULL texts are left out; fields is taken. */
json_t *change_edit(const char *verb, const char *noun, const char *name, const char *region,
                    const char *address, json_t *fields);
/* Compiles what the daemon would serve, and throws it away: the judge of edits without a daemon and
 * of `check`. A store_compile_fn. */
enum err change_compile(void *ctx, struct model *m, struct diag *diag) WARN_UNUSED;
