/* What a person said of a region or endpoint: beside the configuration, outside revisions. */
#include "store_priv.h"

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

enum err store_override_put(struct store *s, const struct store_override *o, struct diag *diag)
{
    bool again;
    enum err e = store__current(s, &again, diag);
    if (e)
        return e;
    struct query q = store__query(s, &s->config,
                                  "INSERT OR REPLACE INTO override(region, service, address, "
                                  "state, keep, over_ms, since_wall_ms, until_wall_ms, author, "
                                  "reason) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                  diag);
    store__bind_text(&q, 1, o->region);
    store__bind_text(&q, 2, or_empty(o->service));
    store__bind_text(&q, 3, or_empty(o->address));
    store__bind_text(&q, 4, o->state);
    store__bind_real(&q, 5, o->to);
    store__bind_int(&q, 6, o->over_ms);
    store__bind_int(&q, 7, o->since_wall_ms);
    store__bind_int(&q, 8, o->until_wall_ms);
    store__bind_text(&q, 9, or_empty(o->author));
    store__bind_text(&q, 10, or_empty(o->reason));
    store__run(&q);
    return store__end(&q);
}

enum err store_override_remove(struct store *s, const char *region, const char *service,
                               const char *address, struct diag *diag)
{
    bool again;
    enum err e = store__current(s, &again, diag);
    if (e)
        return e;
    struct query q = store__query(s, &s->config,
                                  "DELETE FROM override WHERE region = ? AND service = ? AND "
                                  "address = ?",
                                  diag);
    store__bind_text(&q, 1, region);
    store__bind_text(&q, 2, or_empty(service));
    store__bind_text(&q, 3, or_empty(address));
    store__run(&q);
    e = store__end(&q);
    if (e || sqlite3_changes(s->config.db) > 0)
        return e;
    if (service && *service)
        return diag_error(diag, ERR_NOT_FOUND, "", "endpoint %s of %s in region %s has no override",
                          or_empty(address), service, region);
    return diag_error(diag, ERR_NOT_FOUND, "", "region %s has no override", region);
}

enum err store_override_each(struct store *s, void (*fn)(void *ctx, const struct store_override *o),
                             void *ctx, struct diag *diag)
{
    bool again;
    enum err e = store__current(s, &again, diag);
    if (e)
        return e;
    struct query q = store__query(s, &s->config,
                                  "SELECT region, service, address, state, keep, over_ms, "
                                  "since_wall_ms, until_wall_ms, author, reason FROM override "
                                  "ORDER BY region, service, address",
                                  diag);
    while (store__row(&q)) {
        const char *service = store__column(&q, 1), *address = store__column(&q, 2);
        struct store_override o = {
            .region = store__column(&q, 0),
            .service = *service ? service : NULL,
            .address = *address ? address : NULL,
            .state = store__column(&q, 3),
            .to = sqlite3_column_double(q.st, 4),
            .over_ms = sqlite3_column_int64(q.st, 5),
            .since_wall_ms = sqlite3_column_int64(q.st, 6),
            .until_wall_ms = sqlite3_column_int64(q.st, 7),
            .author = store__column(&q, 8),
            .reason = store__column(&q, 9),
        };
        fn(ctx, &o);
    }
    return store__end(&q);
}
