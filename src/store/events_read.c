/* Reading the log. Each filter has its index (schema.c), rows come by id, and a slice at a time is
 * taken into memory: a reader that waits at a pager must not hold a transaction open, since the
 * log of the file could not be cut back meanwhile. */
#include "store_priv.h"

#include "base/arena.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define SLICE_ROWS 512
#define CLAUSES_MAX 6

static const char columns[] =
    "id, wall_ms, level, kind, service, region, endpoint, revision, line, rule, cause, "
    "state_before, state_after, avail_before, avail_after, avail_would, blocked_by, failures, "
    "samples, effect, heir, moved_by_ms";

struct clauses { /* of a filter, most selective first */
    const char *index;
    const char *sql[CLAUSES_MAX];
    const char *text[CLAUSES_MAX];
    unsigned n;
    const char *level; /* SQL, or "" */
};

static void clause(struct clauses *c, const char *index, const char *sql, const char *text)
{
    if (!text || !*text)
        return;
    if (c->n == 0)
        c->index = index;
    c->sql[c->n] = sql;
    c->text[c->n++] = text;
}

/* The history has no line of level debug. */
static void level_clause(struct clauses *c, const char *text)
{
    enum log_level level = LOG_DEBUG;
    bool alarm = text && log_level_parse(text, &level) && level >= LOG_WARN;
    c->level = "";
    if (alarm)
        c->level = level == LOG_WARN ? " AND level IN ('warn', 'error')"
                                     : " AND level IN ('warn', 'error') AND level = 'error'";
    else if (level == LOG_NOTICE)
        c->level = " AND level IN ('notice', 'warn', 'error')";
    if (alarm && c->n == 0)
        c->index = "event_alarm";
}

static struct clauses clauses_of(const struct store_event_filter *f)
{
    struct clauses c = {0};
    clause(&c, "event_endpoint", " AND endpoint = ?", f->endpoint);
    clause(&c, "event_service", " AND service = ?", f->service);
    clause(&c, "event_rule", " AND rule = ?", f->rule);
    clause(&c, "event_region", " AND region = ?", f->region);
    clause(&c, "event_kind", " AND kind = ?", f->kind);
    level_clause(&c, f->level);
    return c;
}

char *store__events_sql(const struct store_event_filter *f, const char *what, const char *tail,
                        char out[EVENTS_SQL_MAX])
{
    struct clauses c = clauses_of(f);
    size_t len = (size_t)snprintf(
        out, EVENTS_SQL_MAX, "SELECT %s FROM event%s%s WHERE id BETWEEN ? AND ?%s%s", what,
        c.index ? " INDEXED BY " : "", c.index ? c.index : "", c.level,
        f->since_wall_ms || f->until_wall_ms ? " AND wall_ms BETWEEN ? AND ?" : "");
    for (unsigned i = 0; i < c.n; i++)
        len += (size_t)snprintf(out + len, EVENTS_SQL_MAX - len, "%s", c.sql[i]);
    snprintf(out + len, EVENTS_SQL_MAX - len, " %s", tail);
    return out;
}

struct range { /* of ids, both included */
    int64_t low, high;
};

static struct query ask(struct store *s, const struct store_event_filter *f, const char *what,
                        const char *tail, struct range r, int64_t last, struct diag *diag)
{
    char sql[EVENTS_SQL_MAX];
    struct clauses c = clauses_of(f);
    struct query q = store__query(s, &s->history, store__events_sql(f, what, tail, sql), diag);
    int at = 1;
    store__bind_int(&q, at++, r.low);
    store__bind_int(&q, at++, r.high);
    if (f->since_wall_ms || f->until_wall_ms) {
        store__bind_int(&q, at++, f->since_wall_ms);
        store__bind_int(&q, at++, f->until_wall_ms ? f->until_wall_ms : INT64_MAX);
    }
    for (unsigned i = 0; i < c.n; i++)
        store__bind_text(&q, at++, c.text[i]);
    store__bind_int(&q, at, last);
    return q;
}

static enum err one_number(struct store *s, const char *sql, int64_t arg, int64_t none,
                           int64_t *out, struct diag *diag)
{
    struct query q = store__query(s, &s->history, sql, diag);
    store__bind_int(&q, 1, arg);
    *out = none;
    if (store__row(&q) && sqlite3_column_type(q.st, 0) == SQLITE_INTEGER)
        *out = sqlite3_column_int64(q.st, 0);
    return store__end(&q);
}

/* Times need not ascend with ids (the clock may be set back), so the index on times says which ids
 * are concerned at all. Lines that are written later are left to a later reading. */
static enum err range_of(struct store *s, const struct store_event_filter *f, struct range *r,
                         struct diag *diag)
{
    int64_t low = 0, high = 0;
    enum err e = f->until_wall_ms
                     ? one_number(s, "SELECT max(id) FROM event WHERE wall_ms <= ?",
                                  f->until_wall_ms, 0, &high, diag)
                     : one_number(s, "SELECT max(id) FROM event WHERE id >= ?", 0, 0, &high, diag);
    if (!e && f->since_wall_ms)
        e = one_number(s, "SELECT min(id) FROM event WHERE wall_ms >= ?", f->since_wall_ms,
                       INT64_MAX, &low, diag);
    *r = (struct range){low > f->after_id ? low : f->after_id + 1, high};
    return e;
}

/* The newest so many: where they begin. */
static enum err cut_to_limit(struct store *s, const struct store_event_filter *f, struct range *r,
                             struct diag *diag)
{
    if (!f->limit || f->newest_first)
        return ERR_OK;
    struct query q =
        ask(s, f, "id", "ORDER BY id DESC LIMIT 1 OFFSET ?", *r, (int64_t)f->limit - 1, diag);
    if (store__row(&q))
        r->low = sqlite3_column_int64(q.st, 0);
    return store__end(&q);
}

static double share(struct query *q, int at)
{
    return sqlite3_column_double(q->st, at);
}

static const char *kept(struct arena *a, struct query *q, int at)
{
    const char *text = store__column(q, at);
    return *text ? arena_strdup(a, text) : "";
}

static void keep(struct arena *a, struct query *q, struct store_event *e)
{
    *e = (struct store_event){
        .id = sqlite3_column_int64(q->st, 0),
        .wall_ms = sqlite3_column_int64(q->st, 1),
        .level = kept(a, q, 2),
        .kind = kept(a, q, 3),
        .service = kept(a, q, 4),
        .region = kept(a, q, 5),
        .endpoint = kept(a, q, 6),
        .revision = sqlite3_column_int64(q->st, 7),
        .line = kept(a, q, 8),
        .facts = {.rule = kept(a, q, 9),
                  .cause = kept(a, q, 10),
                  .was = kept(a, q, 11),
                  .is = kept(a, q, 12),
                  .has_avail = sqlite3_column_type(q->st, 14) != SQLITE_NULL,
                  .before = share(q, 13),
                  .after = share(q, 14),
                  .would = share(q, 15),
                  .blocked_by = kept(a, q, 16),
                  .failed = sqlite3_column_int64(q->st, 17),
                  .samples = sqlite3_column_int64(q->st, 18),
                  .effect = kept(a, q, 19),
                  .to = kept(a, q, 20),
                  .moved_by_ms = sqlite3_column_int64(q->st, 21)},
    };
}

/* The next rows of the range, as many as *n says at most. */
static enum err read_slice(struct store *s, const struct store_event_filter *f, struct range r,
                           struct arena *a, struct store_event *rows, size_t *n, struct diag *diag)
{
    size_t cap = *n;
    struct query q =
        ask(s, f, columns, f->newest_first ? "ORDER BY id DESC LIMIT ?" : "ORDER BY id LIMIT ?", r,
            (int64_t)cap, diag);
    *n = 0;
    while (*n < cap && store__row(&q))
        keep(a, &q, &rows[(*n)++]);
    enum err e = store__end(&q);
    if (!e && arena_failed(a))
        e = diag_error(diag, ERR_NOMEM, "", "out of memory");
    return e;
}

enum err store_events_each(struct store *s, const struct store_event_filter *f,
                           bool (*fn)(void *ctx, const struct store_event *e), void *ctx,
                           struct diag *diag)
{
    struct range r;
    enum err e = store__history(s, diag);
    if (!e)
        e = range_of(s, f, &r, diag);
    if (!e)
        e = cut_to_limit(s, f, &r, diag);
    uint64_t left = f->limit ? f->limit : UINT64_MAX;
    for (bool more = true; !e && more && left && r.low <= r.high;) {
        struct arena *a = arena_create(0);
        struct store_event *rows = a ? ARENA_ARRAY(a, struct store_event, SLICE_ROWS) : NULL;
        size_t cap = left < SLICE_ROWS ? (size_t)left : SLICE_ROWS, n = cap;
        e = rows ? read_slice(s, f, r, a, rows, &n, diag)
                 : diag_error(diag, ERR_NOMEM, "", "out of memory");
        for (size_t i = 0; !e && i < n && more; i++)
            more = fn(ctx, &rows[i]);
        if (!e && n && f->newest_first)
            r.high = rows[n - 1].id - 1;
        else if (!e && n)
            r.low = rows[n - 1].id + 1;
        more = more && n == cap;
        left -= n;
        arena_destroy(a);
    }
    return e;
}

static bool same(const char *wanted, const char *text)
{
    return !wanted || !*wanted || strcmp(wanted, text ? text : "") == 0;
}

bool store_event_matches(const struct store_event_filter *f, const struct store_event *e)
{
    enum log_level least = LOG_DEBUG, level = LOG_INFO;
    if (f->level && log_level_parse(f->level, &least) && log_level_parse(e->level, &level) &&
        level < least)
        return false;
    return same(f->service, e->service) && same(f->region, e->region) &&
           same(f->endpoint, e->endpoint) && same(f->kind, e->kind) &&
           same(f->rule, e->facts.rule) && e->wall_ms >= f->since_wall_ms &&
           (!f->until_wall_ms || e->wall_ms <= f->until_wall_ms);
}
