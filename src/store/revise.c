#include "store/revise.h"

#include "store_priv.h"

#include "base/check.h"
#include "base/clock.h"
#include <inttypes.h>
#include <stdio.h>
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

json_t *store_revised_take(struct store_revised *r, size_t *more)
{
    json_t *lines = json_array();
    size_t i = 0;
    for (; lines && i < r->changes.n && json_array_size(lines) < STORE_LINES_MAX; i++) {
        char *text = config_change_text(&r->changes.change[i]);
        if (!text || !append_lines(lines, text)) {
            json_decref(lines);
            lines = NULL;
        }
        free(text);
    }
    *more = r->changes.n - i;
    config_changes_fini(&r->changes);
    return lines;
}

void store_changes_put(json_t *reply, json_t *lines, size_t more)
{
    json_object_set_new(reply, "changes", lines ? lines : json_array());
    if (more > 0)
        json_object_set_new(reply, "changes_more", json_integer((json_int_t)more));
}

struct store_revise store_take_back(const struct store_waiting *w, int64_t wall_ms,
                                    struct store_take_back_words *words)
{
    snprintf(words->verb, sizeof words->verb, "rollback %" PRId64, w->back_to);
    snprintf(words->message, sizeof words->message, "revision %" PRId64 " was not confirmed",
             w->revision);
    return (struct store_revise){.kind = REVISE_ROLLBACK,
                                 .rollback_to = w->back_to,
                                 .meta = {.author = "meridiand",
                                          .message = words->message,
                                          .verb = words->verb,
                                          .wall_ms = wall_ms}};
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

/* What comes on top of an edit that may yet be taken back would go with it. */
static enum err nothing_waits(struct store *s, const struct store_revise *what, struct diag *diag)
{
    struct store_waiting w;
    char when[TIME_TEXT_MAX];
    enum err e = store_waiting_get(s, &w, diag);
    bool ends = what->kind == REVISE_ROLLBACK && !what->confirm_until_wall_ms;
    if (e || !w.revision || what->dry_run || ends)
        return e;
    return diag_error(diag, ERR_CONFLICT, "",
                      "revision %" PRId64 " waits until %s for its confirmation: `meridian "
                      "confirm` keeps it, `meridian rollback %" PRId64 "` takes it back",
                      w.revision, time_format_s(w.until_wall_ms, when), w.back_to);
}

static enum err begin_or_end_waiting(struct store *s, const struct store_revise *what,
                                     int64_t before, int64_t revision, struct diag *diag)
{
    struct store_waiting w = {revision, before, what->confirm_until_wall_ms};
    if (w.until_wall_ms)
        return store__waiting_put(s, &w, diag);
    return what->kind == REVISE_ROLLBACK ? store_waiting_end(s, diag) : ERR_OK;
}

static enum err import_document(struct model *m, const struct store_revise *what, struct diag *diag)
{
    int64_t revision = 0, head = m->revision;
    enum err e =
        config_import_from(m, what->document, what->document_len, what->folder, &revision, diag);
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

/* An edit speaks of what it brings: warnings that the head has as well are for `check`. Where the edit's are
 * only of services that differ, those of the head are wanted of the same ones only. */
static void drop_old_warnings(const struct model *head, const struct model *edited,
                              struct diag *diag, size_t first)
{
    struct diag old = {0};
    struct model *m = diag->n > first ? model_clone(head) : NULL;
    size_t kept = first;
    if (!m)
        return;
    if (model_valid(head))
        (void)!model_validate_edit(m, edited, &old);
    else
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
        drop_old_warnings(head, m, diag, first);
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
    e = nothing_waits(s, what, diag);
    if (!e)
        e = refresh_head(s, head, now, diag);
    if (!e)
        e = changed_model(s, *head, what, &m, diag);
    if (!e)
        e = judge(*head, m, compile, ctx, out, diag);
    if (!e && out->changed && !what->dry_run) {
        e = begin_or_end_waiting(s, what, now, m->revision, diag);
        if (!e)
            e = store_commit(s, *head, m, &out->changes, &what->meta, &out->revision, diag);
        if (!e) {
            CHECK(out->revision == m->revision); /* revisions count without gaps */
            model_unref(head);
            *head = m;
            return ERR_OK;
        }
        store_abort(s);
    } else {
        store_abort(s);
        if (!e && !what->dry_run && what->kind == REVISE_ROLLBACK)
            e = store_waiting_end(s, diag);
    }
    model_unref(&m);
    out->revision = now;
    if (e)
        store_revised_fini(out);
    return e;
}
