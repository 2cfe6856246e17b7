/* What becomes of old events. A slice is one short transaction, so that an edit never waits long
 * behind it; whoever calls goes on while there is more. */
#include "store_priv.h"

#define TRIM_ROWS 5000
#define BY_SIZE_LOOK 6000  /* TRIM_ROWS and KEPT_AT_LEAST */
#define KEPT_AT_LEAST 1000 /* the saved state shares the file: it must not push out all events */
#define SLACK_SHARE 16     /* a bout by size makes room for a while: one in so many */
#define VACUUM_SHARE 8     /* more free pages than this share of the file go back to the disk, */
#define VACUUM_PAGES 2000  /* so many at a time */

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
_Static_assert(BY_SIZE_LOOK == TRIM_ROWS + KEPT_AT_LEAST, "a slice, and what stays");

static enum err number(struct store *s, const char *sql, int64_t *out, struct diag *diag)
{
    struct query q = store__query(s, &s->history, sql, diag);
    *out = 0;
    if (store__row(&q))
        *out = sqlite3_column_int64(q.st, 0);
    return store__end(&q);
}

static enum err drop(struct store *s, const char *sql, int64_t limit, uint64_t *gone,
                     struct diag *diag)
{
    struct query q = store__query(s, &s->history, sql, diag);
    store__bind_int(&q, 1, limit);
    store__run(&q);
    int changes = sqlite3_changes(s->history.db);
    enum err e = store__end(&q);
    if (!e)
        *gone = (uint64_t)changes;
    return e;
}

struct use { /* of the file, in pages */
    int64_t page_bytes, pages, free;
};

static enum err measure(struct store *s, struct use *u, struct diag *diag)
{
    enum err e = number(s, "PRAGMA page_size", &u->page_bytes, diag);
    if (!e)
        e = number(s, "PRAGMA page_count", &u->pages, diag);
    if (!e)
        e = number(s, "PRAGMA freelist_count", &u->free, diag);
    return e;
}

/* The oldest go first. out->until_wall_ms is the time of the newest that went. */
static enum err by_size(struct store *s, struct store_trimmed *out, struct diag *diag)
{
    int64_t n, rows;
    enum err e = number(
        s, "SELECT count(*) FROM (SELECT 1 FROM event LIMIT " TEXT(BY_SIZE_LOOK) ")", &n, diag);
    rows = n - KEPT_AT_LEAST;
    if (e || rows <= 0)
        return e;
    struct query q = store__query(
        s, &s->history, "SELECT id, wall_ms FROM event ORDER BY id LIMIT 1 OFFSET ?", diag);
    store__bind_int(&q, 1, rows - 1);
    int64_t last = 0;
    if (store__row(&q)) {
        last = sqlite3_column_int64(q.st, 0);
        out->until_wall_ms = sqlite3_column_int64(q.st, 1);
    }
    e = store__end(&q);
    return e ? e : drop(s, "DELETE FROM event WHERE id <= ?1", last, &out->by_size, diag);
}

static enum err give_back(struct store *s, struct use u, struct store_trimmed *out,
                          struct diag *diag)
{
    int64_t incremental;
    enum err e = number(s, "PRAGMA auto_vacuum", &incremental, diag);
    if (e || incremental != 2 || u.free * VACUUM_SHARE <= u.pages)
        return e;
    out->more = true;
    return store__exec(s, &s->history, "PRAGMA incremental_vacuum(" TEXT(VACUUM_PAGES) ")", diag);
}

enum err store_events_trim(struct store *s, const struct store_trim *t, struct store_trimmed *out,
                           struct diag *diag)
{
    struct use u = {0};
    *out = (struct store_trimmed){0};
    enum err e = store__history(s, diag);
    if (!e)
        e = drop(s,
                 "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE wall_ms < ?1 "
                 "ORDER BY wall_ms LIMIT " TEXT(TRIM_ROWS) ")",
                 t->before_wall_ms, &out->by_time, diag);
    if (!e)
        e = measure(s, &u, diag);
    if (e)
        return e;
    out->more = out->by_time == TRIM_ROWS;
    int64_t used = (u.pages - u.free) * u.page_bytes, room = t->size_bytes;
    if (t->size_bytes && t->bout)
        room -= room / SLACK_SHARE;
    if (!out->more && room && used > room) {
        e = by_size(s, out, diag);
        out->more = out->by_size > 0;
        out->bout = out->more;
        return e;
    }
    return out->more ? ERR_OK : give_back(s, u, out, diag);
}
