/* Events: the probe and failover log. */
#include "store_priv.h"

#define TRIM_ROWS 5000 /* a slice, so that a writer never waits long behind a trim */

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

static enum err add(struct store *s, const struct store_event *e, size_t n, struct diag *diag)
{
    enum err err = store__exec(s, &s->history, "BEGIN IMMEDIATE", diag);
    if (err)
        return err;
    struct query q = store__query(s, &s->history,
                                  "INSERT INTO event(wall_ms, level, kind, service, region, "
                                  "endpoint, revision, line) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                                  diag);
    for (size_t i = 0; i < n; i++) {
        store__bind_int(&q, 1, e[i].wall_ms);
        store__bind_text(&q, 2, or_empty(e[i].level));
        store__bind_text(&q, 3, or_empty(e[i].kind));
        store__bind_text(&q, 4, or_empty(e[i].service));
        store__bind_text(&q, 5, or_empty(e[i].region));
        store__bind_text(&q, 6, or_empty(e[i].endpoint));
        store__bind_int(&q, 7, e[i].revision);
        store__bind_text(&q, 8, or_empty(e[i].line));
        store__run(&q);
    }
    err = store__end(&q);
    if (!err)
        err = store__exec(s, &s->history, "COMMIT", diag);
    if (err)
        (void)sqlite3_exec(s->history.db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

/* Damage found on the way is a warning when a new file takes the events after all. */
enum err store_events_add(struct store *s, const struct store_event *e, size_t n, struct diag *diag)
{
    struct diag first = {0};
    enum err err = n ? store__history(s, diag) : ERR_OK;
    if (err || !n)
        return err;
    err = add(s, e, n, &first);
    if (err && store__history_renewed(s, err, diag))
        err = add(s, e, n, diag);
    else if (err)
        diag_error(diag, err, "", "%s", first.n ? first.findings[0].text : err_text(err));
    diag_fini(&first);
    return err;
}

static struct store_event event_row(struct query *q)
{
    return (struct store_event){
        .id = sqlite3_column_int64(q->st, 0),
        .wall_ms = sqlite3_column_int64(q->st, 1),
        .level = store__column(q, 2),
        .kind = store__column(q, 3),
        .service = store__column(q, 4),
        .region = store__column(q, 5),
        .endpoint = store__column(q, 6),
        .revision = sqlite3_column_int64(q->st, 7),
        .line = store__column(q, 8),
    };
}

enum err store_events_each(struct store *s, const struct store_event_filter *f,
                           bool (*fn)(void *ctx, const struct store_event *e), void *ctx,
                           struct diag *diag)
{
    bool more = true;
    enum err e = store__history(s, diag);
    if (e)
        return e;
    struct query q =
        store__query(s, &s->history,
                     "SELECT * FROM (SELECT id, wall_ms, level, kind, service, region, endpoint, "
                     "revision, line FROM event WHERE id > ?1 AND wall_ms >= ?2 "
                     "AND (?3 = '' OR service = ?3) AND (?4 = '' OR region = ?4) "
                     "AND (?5 = '' OR kind = ?5) ORDER BY id DESC LIMIT ?6) ORDER BY id",
                     diag);
    store__bind_int(&q, 1, f->after_id);
    store__bind_int(&q, 2, f->since_wall_ms);
    store__bind_text(&q, 3, or_empty(f->service));
    store__bind_text(&q, 4, or_empty(f->region));
    store__bind_text(&q, 5, or_empty(f->kind));
    store__bind_int(&q, 6, f->limit ? (int64_t)f->limit : -1);
    while (more && store__row(&q)) {
        struct store_event event = event_row(&q);
        more = fn(ctx, &event);
    }
    return store__end(&q);
}

enum err store_events_trim(struct store *s, int64_t before_wall_ms, struct diag *diag)
{
    enum err e = store__history(s, diag);
    for (int gone = TRIM_ROWS; !e && gone == TRIM_ROWS;) {
        struct query q = store__query(s, &s->history,
                                      "DELETE FROM event WHERE id IN (SELECT id FROM event "
                                      "WHERE wall_ms < ? ORDER BY wall_ms LIMIT ?)",
                                      diag);
        store__bind_int(&q, 1, before_wall_ms);
        store__bind_int(&q, 2, TRIM_ROWS);
        store__run(&q);
        gone = sqlite3_changes(s->history.db);
        e = store__end(&q);
    }
    return e;
}
