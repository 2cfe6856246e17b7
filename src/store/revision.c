/* Revisions: begin, commit, and the walk through what was. */
#include "store_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum err store_head(struct store *s, int64_t *revision, struct diag *diag)
{
    bool again;
    *revision = 0;
    enum err e = store__current(s, &again, diag);
    if (e)
        return e;
    struct query q = store__query(s, &s->config, "SELECT max(revision) FROM revision", diag);
    if (store__row(&q))
        *revision = sqlite3_column_int64(q.st, 0);
    return store__end(&q);
}

enum err store_begin(struct store *s, int64_t *head, struct diag *diag)
{
    bool again;
    *head = 0;
    if (s->writing)
        return diag_error(diag, ERR_BUG, "", "an edit is under way already");
    enum err e = store__current(s, &again, diag);
    if (!e)
        e = store__exec(s, &s->config, "BEGIN IMMEDIATE", diag);
    if (e)
        return e;
    s->writing = true;
    e = store_head(s, &s->head, diag);
    *head = s->head;
    if (e)
        store_abort(s);
    return e;
}

void store_abort(struct store *s)
{
    if (s->writing)
        (void)sqlite3_exec(s->config.db, "ROLLBACK", NULL, NULL, NULL);
    s->writing = false;
}

enum err store_try_write(struct store *s, struct diag *diag)
{
    bool again;
    char sql[100];
    int64_t version;
    enum err e = store__current(s, &again, diag);
    if (e)
        return e;
    sqlite3_busy_timeout(s->config.db, 0);
    /* The header's first page, as it is: a commit that reaches the disk. A newer program may have taken the
     * file to its version meanwhile. */
    e = store__exec(s, &s->config, "BEGIN IMMEDIATE", diag);
    if (!e)
        e = store__number(s, &s->config, "PRAGMA user_version", &version, diag);
    if (!e) {
        snprintf(sql, sizeof sql, "PRAGMA user_version = %lld; COMMIT", (long long)version);
        e = store__exec(s, &s->config, sql, diag);
    }
    if (e)
        (void)sqlite3_exec(s->config.db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_busy_timeout(s->config.db, s->busy_ms);
    return e;
}

static enum err put_revision(struct store *s, int64_t revision, const struct store_meta *meta,
                             size_t changes, struct diag *diag)
{
    struct query q = store__query(s, &s->config,
                                  "INSERT INTO revision(revision, wall_ms, author, message, verb, "
                                  "changes) VALUES(?, ?, ?, ?, ?, ?)",
                                  diag);
    store__bind_int(&q, 1, revision);
    store__bind_int(&q, 2, meta->wall_ms);
    store__bind_text(&q, 3, meta->author ? meta->author : "");
    store__bind_text(&q, 4, meta->message ? meta->message : "");
    store__bind_text(&q, 5, meta->verb ? meta->verb : "");
    store__bind_int(&q, 6, (int64_t)changes);
    store__run(&q);
    return store__end(&q);
}

static enum err put_changes(struct store *s, int64_t revision, const struct config_changes *c,
                            struct diag *diag)
{
    struct query q = store__query(s, &s->config,
                                  "INSERT INTO revision_change(revision, position, noun, key, "
                                  "before, after) VALUES(?, ?, ?, ?, ?, ?)",
                                  diag);
    for (size_t i = 0; i < c->n; i++) {
        store__bind_int(&q, 1, revision);
        store__bind_int(&q, 2, (int64_t)i);
        store__bind_text(&q, 3, config_noun_name(c->change[i].noun));
        store__bind_text(&q, 4, c->change[i].key);
        store__bind_text(&q, 5, c->change[i].before);
        store__bind_text(&q, 6, c->change[i].after);
        store__run(&q);
    }
    return store__end(&q);
}

static enum err commit(struct store *s, const struct model *before, const struct model *after,
                       const struct store_meta *meta, const struct config_changes *changes,
                       struct diag *diag)
{
    enum err e = put_revision(s, s->head + 1, meta, changes->n, diag);
    if (!e)
        e = put_changes(s, s->head + 1, changes, diag);
    if (!e)
        e = store__save(s, before, after, changes, diag);
    if (!e && !store__file_there(&s->config))
        return diag_error(diag, ERR_IO, "", "%s was taken away during the edit: nothing was stored",
                          s->config.path);
    return e ? e : store__exec(s, &s->config, "COMMIT", diag);
}

enum err store_commit(struct store *s, const struct model *before, const struct model *after,
                      const struct config_changes *changes, const struct store_meta *meta,
                      int64_t *revision, struct diag *diag)
{
    *revision = 0;
    if (!s->writing)
        return diag_error(diag, ERR_BUG, "", "no edit is under way");
    if (before->revision != s->head) {
        store_abort(s);
        return diag_error(diag, ERR_CONFLICT, "",
                          "the edit starts from revision %lld, and %lld is the newest",
                          (long long)before->revision, (long long)s->head);
    }
    enum err e = changes->n ? commit(s, before, after, meta, changes, diag) : ERR_OK;
    if (!e)
        *revision = changes->n ? s->head + 1 : s->head;
    if (!e && changes->n)
        s->writing = false;
    store_abort(s); /* where nothing changed or something failed */
    return e;
}

/* ---- history of revisions ---- */

enum err store_history(struct store *s, int64_t from, uint32_t limit,
                       bool (*fn)(void *ctx, const struct store_revision *r), void *ctx,
                       struct diag *diag)
{
    bool again, more = true;
    enum err e = store__current(s, &again, diag);
    if (e)
        return e;
    struct query q = store__query(s, &s->config,
                                  "SELECT revision, wall_ms, author, message, verb, changes "
                                  "FROM revision WHERE ?1 = 0 OR revision <= ?1 "
                                  "ORDER BY revision DESC LIMIT ?2",
                                  diag);
    store__bind_int(&q, 1, from);
    store__bind_int(&q, 2, limit ? (int64_t)limit : -1);
    while (more && store__row(&q)) {
        struct store_revision r = {
            .revision = sqlite3_column_int64(q.st, 0),
            .wall_ms = sqlite3_column_int64(q.st, 1),
            .author = store__column(&q, 2),
            .message = store__column(&q, 3),
            .verb = store__column(&q, 4),
            .changes_n = (uint32_t)sqlite3_column_int64(q.st, 5),
        };
        more = fn(ctx, &r);
    }
    return store__end(&q);
}

struct gathered {
    struct config_change *list;
    size_t n, cap;
    bool failed;
};

static char *dup_column(struct query *q, int at)
{
    const char *text = (const char *)sqlite3_column_text(q->st, at);
    return text ? strdup(text) : NULL;
}

static bool gather(struct gathered *g, struct query *q)
{
    struct config_change c = {.noun = NOUN_COUNT};
    if (g->n == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 64;
        void *grown = reallocarray(g->list, cap, sizeof *g->list);
        if (!grown) {
            g->failed = true;
            return false;
        }
        g->list = grown;
        g->cap = cap;
    }
    if (!config_noun_parse(store__column(q, 0), &c.noun))
        q->rc = SQLITE_CORRUPT;
    c.key = dup_column(q, 1);
    c.before = dup_column(q, 2);
    c.after = dup_column(q, 3);
    g->list[g->n++] = c;
    g->failed = g->failed || !c.key || (!c.before && !c.after);
    return !g->failed && q->rc == SQLITE_OK;
}

static int by_item(const void *a, const void *b)
{
    const struct config_change *x = *(struct config_change *const *)a;
    const struct config_change *y = *(struct config_change *const *)b;
    if (x->noun != y->noun)
        return x->noun < y->noun ? -1 : 1;
    int c = strcmp(x->key, y->key);
    return c ? c : x < y ? -1 : x > y; /* the same item: in the order of revisions */
}

static bool same(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

/* The first before and the last after of each item; what came back to where it was is dropped. */
static enum err merge(struct gathered *g, struct config_changes *out)
{
    struct config_change **order = malloc((g->n + 1) * sizeof *order);
    out->change = malloc((g->n + 1) * sizeof *out->change);
    if (!order || !out->change) {
        free(order);
        free(out->change);
        *out = (struct config_changes){0};
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < g->n; i++)
        order[i] = &g->list[i];
    qsort(order, g->n, sizeof *order, by_item);
    for (size_t i = 0, end; i < g->n; i = end) {
        struct config_change *first = order[i];
        for (end = i + 1; end < g->n && order[end]->noun == first->noun &&
                          strcmp(order[end]->key, first->key) == 0;)
            end++;
        struct config_change *last = order[end - 1];
        if (same(first->before, last->after))
            continue;
        out->change[out->n++] =
            (struct config_change){first->noun, first->key, first->before, last->after};
        first->key = first->before = NULL; /* moved */
        last->after = NULL;
    }
    free(order);
    return ERR_OK;
}

static enum err known_revision(struct store *s, int64_t revision, struct diag *diag)
{
    int64_t head;
    enum err e = store_head(s, &head, diag);
    if (!e && (revision < 0 || revision > head))
        return diag_error(diag, ERR_NOT_FOUND, "",
                          "revision %lld does not exist: the newest is %lld", (long long)revision,
                          (long long)head);
    return e;
}

enum err store_changes(struct store *s, int64_t a, int64_t b, struct config_changes *out,
                       struct diag *diag)
{
    struct gathered g = {0};
    *out = (struct config_changes){0};
    enum err e = known_revision(s, b, diag);
    if (!e && (a < 0 || a > b))
        e = diag_error(diag, ERR_INVALID, "", "revision %lld does not come before %lld",
                       (long long)a, (long long)b);
    if (e)
        return e;
    struct query q = store__query(s, &s->config,
                                  "SELECT noun, key, before, after FROM revision_change "
                                  "WHERE revision > ? AND revision <= ? ORDER BY revision, "
                                  "position",
                                  diag);
    store__bind_int(&q, 1, a);
    store__bind_int(&q, 2, b);
    while (store__row(&q) && gather(&g, &q))
        ;
    e = store__end(&q);
    if (!e && (g.failed || merge(&g, out) != ERR_OK))
        e = diag_error(diag, ERR_NOMEM, "", "out of memory");
    struct config_changes rest = {g.list, g.n};
    config_changes_fini(&rest);
    return e;
}

enum err store_load_at(struct store *s, int64_t revision, struct model **out, struct diag *diag)
{
    struct config_changes changes = {0};
    *out = NULL;
    enum err e = known_revision(s, revision, diag);
    if (!e)
        e = store_load(s, out, diag);
    if (!e)
        e = store_changes(s, revision, (*out)->revision, &changes, diag);
    if (!e)
        e = config_apply_changes(*out, &changes, true, diag);
    config_changes_fini(&changes);
    if (e)
        model_unref(out);
    else
        (*out)->revision = revision;
    return e;
}
