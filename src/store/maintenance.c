/* Maintenance windows: planned words on regions, beside the overrides, outside revisions. Windows
 * that are over stay for as long as there is room: a clock that is set back finds them. */
#include "store_priv.h"

static enum err count(struct store *s, int64_t *n, struct diag *diag)
{
    struct query q = store__query(s, &s->config, "SELECT count(*) FROM maintenance", diag);
    *n = store__row(&q) ? sqlite3_column_int64(q.st, 0) : 0;
    return store__end(&q);
}

static enum err make_room(struct store *s, int64_t now_wall_ms, struct diag *diag)
{
    int64_t n = 0;
    enum err e = count(s, &n, diag);
    if (e || n < STORE_MAINTENANCE_MAX)
        return e;
    struct query q =
        store__query(s, &s->config, "DELETE FROM maintenance WHERE until_wall_ms <= ?", diag);
    store__bind_int(&q, 1, now_wall_ms);
    store__run(&q);
    e = store__end(&q);
    if (!e)
        e = count(s, &n, diag);
    if (e || n < STORE_MAINTENANCE_MAX)
        return e;
    return diag_error(diag, ERR_LIMIT, "", "%d maintenance windows are planned already: remove one",
                      STORE_MAINTENANCE_MAX);
}

enum err store_maintenance_add(struct store *s, const struct store_maintenance *m, int64_t *id,
                               struct diag *diag)
{
    bool again;
    enum err e = store__current(s, &again, diag);
    if (!e)
        e = make_room(s, m->created_wall_ms, diag);
    if (e)
        return e;
    struct query q = store__query(
        s, &s->config,
        "INSERT INTO maintenance(region, state, keep, over_ms, created_wall_ms, from_wall_ms, "
        "until_wall_ms, author, reason) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
        diag);
    store__bind_text(&q, 1, m->region);
    store__bind_text(&q, 2, m->state);
    store__bind_real(&q, 3, m->to);
    store__bind_int(&q, 4, m->over_ms);
    store__bind_int(&q, 5, m->created_wall_ms);
    store__bind_int(&q, 6, m->from_wall_ms);
    store__bind_int(&q, 7, m->until_wall_ms);
    store__bind_text(&q, 8, m->author ? m->author : "");
    store__bind_text(&q, 9, m->reason ? m->reason : "");
    store__run(&q);
    e = store__end(&q);
    *id = e ? 0 : sqlite3_last_insert_rowid(s->config.db);
    return e;
}

enum err store_maintenance_remove(struct store *s, int64_t id, struct diag *diag)
{
    bool again;
    enum err e = store__current(s, &again, diag);
    if (e)
        return e;
    struct query q = store__query(s, &s->config, "DELETE FROM maintenance WHERE id = ?", diag);
    store__bind_int(&q, 1, id);
    store__run(&q);
    e = store__end(&q);
    if (e || sqlite3_changes(s->config.db) > 0)
        return e;
    return diag_error(diag, ERR_NOT_FOUND, "", "there is no maintenance window %lld",
                      (long long)id);
}

enum err store_maintenance_each(struct store *s,
                                void (*fn)(void *ctx, const struct store_maintenance *m), void *ctx,
                                struct diag *diag)
{
    bool again;
    enum err e = store__current(s, &again, diag);
    if (e)
        return e;
    struct query q = store__query(s, &s->config,
                                  "SELECT id, region, state, keep, over_ms, created_wall_ms, "
                                  "from_wall_ms, until_wall_ms, author, reason FROM maintenance "
                                  "ORDER BY from_wall_ms, id",
                                  diag);
    while (store__row(&q)) {
        struct store_maintenance m = {
            .id = sqlite3_column_int64(q.st, 0),
            .region = store__column(&q, 1),
            .state = store__column(&q, 2),
            .to = sqlite3_column_double(q.st, 3),
            .over_ms = sqlite3_column_int64(q.st, 4),
            .created_wall_ms = sqlite3_column_int64(q.st, 5),
            .from_wall_ms = sqlite3_column_int64(q.st, 6),
            .until_wall_ms = sqlite3_column_int64(q.st, 7),
            .author = store__column(&q, 8),
            .reason = store__column(&q, 9),
        };
        fn(ctx, &m);
    }
    return store__end(&q);
}
