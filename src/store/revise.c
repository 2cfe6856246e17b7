#include "store/revise.h"

#include "base/check.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void store_revised_fini(struct store_revised *r)
{
    config_changes_fini(&r->changes);
    *r = (struct store_revised){0};
}

/* A change of a service may be several lines: its own and its endpoints'. */
static bool append_lines(json_t *list, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (len > 0 && json_array_append_new(list, json_stringn(text, len)) != 0)
            return false;
        text += len + (text[len] == '\n');
    }
    return true;
}

json_t *store_revised_lines(const struct store_revised *r)
{
    json_t *lines = json_array();
    for (size_t i = 0; lines && i < r->changes.n; i++) {
        char *text = config_change_text(&r->changes.change[i]);
        if (!text || !append_lines(lines, text)) {
            json_decref(lines);
            lines = NULL;
        }
        free(text);
    }
    return lines;
}

/* Makes *head the model of revision `now`. What is stored was valid when it was stored; should a
 * newer version of this program think otherwise, then the edit, not the loading, is what it has to
 * say so of. */
static enum err refresh_head(struct store *s, struct model **head, int64_t now, struct diag *diag)
{
    if (*head && (*head)->revision == now && !store_exchanged(s))
        return ERR_OK;
    struct model *m = NULL;
    enum err e = store_load(s, &m, diag);
    if (e)
        return e;
    struct diag unheard = {0};
    (void)!model_validate(m, &unheard);
    diag_fini(&unheard);
    model_unref(head);
    *head = m;
    return ERR_OK;
}

static enum err import_document(struct model *m, const struct store_revise *what, struct diag *diag)
{
    int64_t revision = 0, head = m->revision;
    enum err e = config_import(m, what->document, what->document_len, &revision, diag);
    if (e)
        return e;
    if (revision != 0 && revision < head && !what->force)
        return diag_error(diag, ERR_CONFLICT, "revision",
                          "the document was exported at revision %" PRId64 " and %" PRId64
                          " is the newest: export again, or use --force",
                          revision, head);
    return ERR_OK;
}

/* The configuration as it shall be, not validated yet. */
static enum err changed_model(struct store *s, const struct model *head,
                              const struct store_revise *what, struct model **out,
                              struct diag *diag)
{
    if (what->kind == REVISE_ROLLBACK)
        return store_load_at(s, what->rollback_to, out, diag);
    struct model *m = model_clone(head);
    if (!m)
        return diag_error(diag, ERR_NOMEM, "", "out of memory for the new configuration");
    enum err e = what->kind == REVISE_DOCUMENT
                     ? import_document(m, what, diag)
                     : config_apply_edits(m, what->edits, what->edits_n, diag);
    if (e)
        model_unref(&m);
    *out = m;
    return e;
}

static bool said_before(const struct diag *old, const struct diag_finding *f)
{
    for (size_t i = 0; i < old->n; i++)
        if (strcmp(old->findings[i].where, f->where) == 0 &&
            strcmp(old->findings[i].text, f->text) == 0)
            return true;
    return false;
}

/* An edit speaks of what it brings: warnings that the head has as well are for `check`. */
static void drop_old_warnings(const struct model *head, struct diag *diag, size_t first)
{
    struct diag old = {0};
    struct model *m = diag->n > first ? model_clone(head) : NULL;
    size_t kept = first;
    if (!m)
        return;
    (void)!model_validate(m, &old);
    for (size_t i = first; i < diag->n; i++) {
        struct diag_finding *f = &diag->findings[i];
        if (said_before(&old, f)) {
            free(f->where);
            free(f->text);
            diag->warnings--;
        } else {
            diag->findings[kept++] = *f;
        }
    }
    diag->n = kept;
    diag_fini(&old);
    model_unref(&m);
}

/* Under the write lock, before anything is written. */
static enum err judge(const struct model *head, struct model *m, store_compile_fn *compile,
                      void *ctx, struct store_revised *out, struct diag *diag)
{
    size_t first = diag->n;
    enum err e = model_validate_edit(m, head, diag);
    if (!e)
        drop_old_warnings(head, diag, first);
    if (!e)
        e = config_diff(head, m, &out->changes);
    if (e)
        return e;
    out->changed = out->changes.n > 0;
    m->revision = head->revision + (out->changed ? 1 : 0);
    return out->changed ? compile(ctx, m, diag) : ERR_OK;
}

enum err store_revise(struct store *s, struct model **head, const struct store_revise *what,
                      store_compile_fn *compile, void *ctx, struct store_revised *out,
                      struct diag *diag)
{
    *out = (struct store_revised){0};
    int64_t now;
    enum err e = store_begin(s, &now, diag);
    if (e)
        return e;
    struct model *m = NULL;
    e = refresh_head(s, head, now, diag);
    if (!e)
        e = changed_model(s, *head, what, &m, diag);
    if (!e)
        e = judge(*head, m, compile, ctx, out, diag);
    if (!e && out->changed && !what->dry_run) {
        e = store_commit(s, *head, m, &what->meta, &out->revision, diag);
        if (!e) {
            CHECK(out->revision == m->revision); /* revisions count without gaps */
            model_unref(head);
            *head = m;
            return ERR_OK;
        }
        store_abort(s);
    } else {
        store_abort(s);
    }
    model_unref(&m);
    out->revision = now;
    if (e)
        store_revised_fini(out);
    return e;
}
