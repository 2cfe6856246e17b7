/* Events: the probe and failover log. */
#include "store_priv.h"

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

static void bind_facts(struct query *q, int at, const struct store_facts *f)
{
    bool held = f->blocked_by && *f->blocked_by;
    store__bind_text(q, at++, or_empty(f->rule));
    store__bind_text(q, at++, or_empty(f->cause));
    store__bind_text(q, at++, or_empty(f->was));
    store__bind_text(q, at++, or_empty(f->is));
    store__bind_share(q, at++, f->has_avail ? f->before : -1);
    store__bind_share(q, at++, f->has_avail ? f->after : -1);
    store__bind_share(q, at++, held ? f->would : -1);
    store__bind_text(q, at++, or_empty(f->blocked_by));
    store__bind_int(q, at++, f->failed);
    store__bind_int(q, at++, f->samples);
    store__bind_text(q, at++, or_empty(f->effect));
    store__bind_text(q, at++, or_empty(f->to));
    store__bind_int(q, at, f->moved_by_ms);
}

static void bind_event(struct query *q, const struct store_event *e)
{
    store__bind_int(q, 1, e->wall_ms);
    store__bind_text(q, 2, or_empty(e->level));
    store__bind_text(q, 3, or_empty(e->kind));
    store__bind_text(q, 4, or_empty(e->service));
    store__bind_text(q, 5, or_empty(e->region));
    store__bind_text(q, 6, or_empty(e->endpoint));
    store__bind_int(q, 7, e->revision);
    store__bind_text(q, 8, or_empty(e->line));
    bind_facts(q, 9, &e->facts);
}

static enum err add(struct store *s, const struct store_event *e, size_t n, struct diag *diag)
{
    enum err err = store__exec(s, &s->history, "BEGIN IMMEDIATE", diag);
    if (err)
        return err;
    struct query q = store__query(
        s, &s->history,
        "INSERT INTO event(wall_ms, level, kind, service, region, endpoint, revision, line, rule, "
        "cause, state_before, state_after, avail_before, avail_after, avail_would, blocked_by, "
        "failures, samples, effect, heir, moved_by_ms) "
        "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        diag);
    for (size_t i = 0; i < n; i++) {
        bind_event(&q, &e[i]);
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
