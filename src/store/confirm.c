/* An edit that is taken back unless somebody confirms it in time: at most one waits. */
#include "store_priv.h"

enum err store_waiting_get(struct store *s, struct store_waiting *out, struct diag *diag)
{
    bool again;
    *out = (struct store_waiting){0};
    enum err e = store__current(s, &again, diag);
    if (e)
        return e;
    struct query q =
        store__query(s, &s->config, "SELECT revision, back_to, until_wall_ms FROM waiting", diag);
    if (store__row(&q))
        *out = (struct store_waiting){.revision = sqlite3_column_int64(q.st, 0),
                                      .back_to = sqlite3_column_int64(q.st, 1),
                                      .until_wall_ms = sqlite3_column_int64(q.st, 2)};
    return store__end(&q);
}

enum err store_waiting_end(struct store *s, struct diag *diag)
{
    bool again;
    enum err e = store__current(s, &again, diag);
    if (e)
        return e;
    struct query q = store__query(s, &s->config, "DELETE FROM waiting", diag);
    store__run(&q);
    return store__end(&q);
}

enum err store__waiting_put(struct store *s, const struct store_waiting *w, struct diag *diag)
{
    struct query q = store__query(s, &s->config,
                                  "INSERT OR REPLACE INTO waiting(one, revision, back_to, "
                                  "until_wall_ms) VALUES(1, ?, ?, ?)",
                                  diag);
    store__bind_int(&q, 1, w->revision);
    store__bind_int(&q, 2, w->back_to);
    store__bind_int(&q, 3, w->until_wall_ms);
    store__run(&q);
    return store__end(&q);
}
