/* The engine's state: what a daemon that comes back serves until fresh evidence says otherwise. */
#include "store_priv.h"

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

static enum err put_rows(struct store *s, const struct store_state *rows, size_t n,
                         struct diag *diag)
{
    struct query q = store__query(s, &s->history,
                                  "INSERT OR REPLACE INTO state(service, region, address, "
                                  "observed, avail, hold_left_ms, since_wall_ms, released, "
                                  "kept_out, why, falls, down_ms, counted_since_wall_ms) "
                                  "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                  diag);
    for (size_t i = 0; i < n; i++) {
        store__bind_text(&q, 1, or_empty(rows[i].service));
        store__bind_text(&q, 2, or_empty(rows[i].region));
        store__bind_text(&q, 3, or_empty(rows[i].address));
        store__bind_int(&q, 4, rows[i].observed);
        store__bind_int(&q, 5, rows[i].avail);
        store__bind_int(&q, 6, rows[i].hold_left_ms);
        store__bind_int(&q, 7, rows[i].since_wall_ms);
        store__bind_int(&q, 8, rows[i].released);
        store__bind_int(&q, 9, rows[i].kept_out);
        store__bind_text(&q, 10, or_empty(rows[i].why));
        store__bind_int(&q, 11, rows[i].falls);
        store__bind_int(&q, 12, rows[i].down_ms);
        store__bind_int(&q, 13, rows[i].counted_since_wall_ms);
        store__run(&q);
    }
    return store__end(&q);
}

static enum err put_saved(struct store *s, int64_t wall_ms, struct diag *diag)
{
    struct query q = store__query(
        s, &s->history, "INSERT OR REPLACE INTO state_saved(one, wall_ms) VALUES(1, ?)", diag);
    store__bind_int(&q, 1, wall_ms);
    store__run(&q);
    return store__end(&q);
}

static enum err replace(struct store *s, const struct store_state *rows, size_t n, int64_t wall_ms,
                        struct diag *diag)
{
    enum err e = store__exec(s, &s->history, "BEGIN IMMEDIATE; DELETE FROM state;", diag);
    if (!e)
        e = put_rows(s, rows, n, diag);
    if (!e)
        e = put_saved(s, wall_ms, diag);
    if (!e)
        e = store__exec(s, &s->history, "COMMIT", diag);
    if (e)
        (void)sqlite3_exec(s->history.db, "ROLLBACK", NULL, NULL, NULL);
    return e;
}

enum err store_state_replace(struct store *s, const struct store_state *rows, size_t n,
                             int64_t wall_ms, struct diag *diag)
{
    struct diag first = {0};
    enum err e = store__history(s, diag);
    if (e)
        return e;
    e = replace(s, rows, n, wall_ms, &first);
    if (e && store__history_renewed(s, e, diag))
        e = replace(s, rows, n, wall_ms, diag);
    else if (e)
        diag_error(diag, e, "", "%s", first.n ? first.findings[0].text : err_text(e));
    diag_fini(&first);
    return e;
}

enum err store_state_each(struct store *s, int64_t *saved_wall_ms,
                          void (*fn)(void *ctx, const struct store_state *row), void *ctx,
                          struct diag *diag)
{
    *saved_wall_ms = 0;
    enum err e = store__history(s, diag);
    if (e)
        return e;
    struct query saved = store__query(s, &s->history, "SELECT wall_ms FROM state_saved", diag);
    if (store__row(&saved))
        *saved_wall_ms = sqlite3_column_int64(saved.st, 0);
    e = store__end(&saved);
    if (e)
        return e;
    struct query q = store__query(s, &s->history,
                                  "SELECT service, region, address, observed, avail, "
                                  "hold_left_ms, since_wall_ms, released, kept_out, why, "
                                  "falls, down_ms, counted_since_wall_ms "
                                  "FROM state ORDER BY service, region, address",
                                  diag);
    while (store__row(&q)) {
        struct store_state row = {
            .service = store__column(&q, 0),
            .region = store__column(&q, 1),
            .address = store__column(&q, 2),
            .observed = sqlite3_column_int64(q.st, 3),
            .avail = sqlite3_column_int64(q.st, 4),
            .hold_left_ms = sqlite3_column_int64(q.st, 5),
            .since_wall_ms = sqlite3_column_int64(q.st, 6),
            .released = sqlite3_column_int(q.st, 7),
            .kept_out = sqlite3_column_int(q.st, 8),
            .why = store__column(&q, 9),
            .falls = sqlite3_column_int64(q.st, 10),
            .down_ms = sqlite3_column_int64(q.st, 11),
            .counted_since_wall_ms = sqlite3_column_int64(q.st, 12),
        };
        fn(ctx, &row);
    }
    return store__end(&q);
}
