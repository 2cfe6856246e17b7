/* The changed items of a model into the tables. References between rows are checked at the commit,
 * so that the order of writes does not matter; names become ids by a lookup in the statement. */
#include "store_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The statements of the bulk tables are prepared once and used for every row. */
enum { PUT_SERVICE, PUT_ENDPOINT, DELETE_ENDPOINT, PUT_LATENCY, DELETE_LATENCY, STATEMENTS };
static const char *const statements[STATEMENTS] = {
    [PUT_SERVICE] =
        "INSERT INTO service(name, policy, map_id, ttl_s, ttl_moving_s, probe_id, answers,"
        " on_empty, on_empty_service, degrade, fail, panic, min_capacity, ramp_ms, hold_ms,"
        " window_ms, min_regions, failback, failback_after_ms, max_move)"
        " VALUES(?1, ?2, (SELECT id FROM map WHERE name = ?3), ?4, ?5,"
        " (SELECT id FROM probe WHERE name = ?6), ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,"
        " ?17, ?18, ?19, ?20)"
        " ON CONFLICT(name) DO UPDATE SET policy = excluded.policy, map_id = excluded.map_id,"
        " ttl_s = excluded.ttl_s, ttl_moving_s = excluded.ttl_moving_s,"
        " probe_id = excluded.probe_id, answers = excluded.answers, on_empty = excluded.on_empty,"
        " on_empty_service = excluded.on_empty_service, degrade = excluded.degrade,"
        " fail = excluded.fail, panic = excluded.panic, min_capacity = excluded.min_capacity,"
        " ramp_ms = excluded.ramp_ms, hold_ms = excluded.hold_ms, window_ms = excluded.window_ms,"
        " min_regions = excluded.min_regions, failback = excluded.failback,"
        " failback_after_ms = excluded.failback_after_ms, max_move = excluded.max_move RETURNING "
        "id",
    [PUT_ENDPOINT] = "INSERT OR REPLACE INTO endpoint(service_id, region_id, address, weight,"
                     " priority, probe_id) VALUES(?1, (SELECT id FROM region WHERE name = ?2), ?3,"
                     " ?4, ?5, (SELECT id FROM probe WHERE name = ?6))",
    [DELETE_ENDPOINT] = "DELETE FROM endpoint WHERE service_id = ?1 AND region_id ="
                        " (SELECT id FROM region WHERE name = ?2) AND address = ?3",
    [PUT_LATENCY] = "INSERT OR REPLACE INTO latency(place, region_id, ms)"
                    " VALUES(?1, (SELECT id FROM region WHERE name = ?2), ?3)",
    [DELETE_LATENCY] = "DELETE FROM latency WHERE place = ?1 AND region_id ="
                       " (SELECT id FROM region WHERE name = ?2)",
};

struct saver {
    struct store *s;
    const struct model *before, *after;
    struct diag *diag;
    struct query bulk[STATEMENTS];
};

static struct query query(struct saver *v, const char *sql)
{
    return store__query(v->s, &v->s->config, sql, v->diag);
}

static struct query *bulk(struct saver *v, unsigned which)
{
    if (!v->bulk[which].st)
        v->bulk[which] = query(v, statements[which]);
    return &v->bulk[which];
}

/* The outcome of a bulk statement: OK as long as nothing failed. */
static enum err told(struct query *q)
{
    return q->rc == SQLITE_OK ? ERR_OK : store__fail(q->s, q->f, q->rc, q->diag);
}

static enum err delete_by_name(struct saver *v, const char *sql, const char *name)
{
    struct query q = query(v, sql);
    store__bind_text(&q, 1, name);
    store__run(&q);
    return store__end(&q);
}

static enum err delete_children(struct saver *v, const char *sql, int64_t id)
{
    struct query q = query(v, sql);
    store__bind_int(&q, 1, id);
    store__run(&q);
    return store__end(&q);
}

static enum err setting(struct saver *v, const char *key, bool there)
{
    if (!there)
        return delete_by_name(v, "DELETE FROM setting WHERE key = ?", key);
    struct query q = query(v, "INSERT OR REPLACE INTO setting(key, value) VALUES(?, ?)");
    store__bind_text(&q, 1, key);
    store__bind_text(&q, 2, model_setting(v->after, key));
    store__run(&q);
    return store__end(&q);
}

/* Runs an upsert with RETURNING id. */
static int64_t put_returning(struct query *q)
{
    int64_t id = store__row(q) ? sqlite3_column_int64(q->st, 0) : 0;
    store__run(q);
    return id;
}

static enum err zone_servers(struct saver *v, const struct model_zone *z, int64_t id)
{
    enum err e = delete_children(v, "DELETE FROM zone_ns WHERE zone_id = ?", id);
    if (e)
        return e;
    struct query ns = query(v, "INSERT INTO zone_ns(zone_id, position, name) VALUES(?, ?, ?)");
    struct query at = query(v, "INSERT INTO zone_ns_address(zone_id, ns_position, position, "
                               "address) VALUES(?, ?, ?, ?)");
    for (uint32_t i = 0; i < z->ns_n; i++) {
        store__bind_int(&ns, 1, id);
        store__bind_int(&ns, 2, i);
        store__bind_text(&ns, 3, z->ns[i].name);
        store__run(&ns);
        for (uint32_t k = 0; k < z->ns[i].addresses_n; k++) {
            store__bind_int(&at, 1, id);
            store__bind_int(&at, 2, i);
            store__bind_int(&at, 3, k);
            store__bind_text(&at, 4, z->ns[i].addresses[k]);
            store__run(&at);
        }
    }
    e = store__end(&ns);
    enum err end = store__end(&at);
    return e ? e : end;
}

static enum err zone(struct saver *v, const char *name)
{
    const struct model_zone *z = model_zone(v->after, name);
    if (!z)
        return delete_by_name(v, "DELETE FROM zone WHERE name = ?", name);
    struct query q = query(v, "INSERT INTO zone(name, file, ttl_s, negative_ttl_s)"
                              " VALUES(?, ?, ?, ?) ON CONFLICT(name) DO UPDATE SET"
                              " file = excluded.file, ttl_s = excluded.ttl_s,"
                              " negative_ttl_s = excluded.negative_ttl_s RETURNING id");
    store__bind_text(&q, 1, z->name);
    store__bind_text(&q, 2, z->file);
    store__bind_int(&q, 3, z->ttl_s);
    store__bind_int(&q, 4, z->negative_ttl_s);
    int64_t id = put_returning(&q);
    enum err e = store__end(&q);
    return e ? e : zone_servers(v, z, id);
}

static enum err region(struct saver *v, const char *name)
{
    const struct model_region *r = model_region(v->after, name);
    if (!r)
        return delete_by_name(v, "DELETE FROM region WHERE name = ?", name);
    struct query q = query(
        v,
        "INSERT INTO region(name, position, latitude, longitude, capacity, bias_km, depends_on)"
        " VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(name) DO UPDATE SET position = excluded.position,"
        " latitude = excluded.latitude, longitude = excluded.longitude,"
        " capacity = excluded.capacity, bias_km = excluded.bias_km,"
        " depends_on = excluded.depends_on");
    store__bind_text(&q, 1, r->name);
    store__bind_int(&q, 2, r->order);
    if (r->placed) {
        store__bind_real(&q, 3, r->lat);
        store__bind_real(&q, 4, r->lon);
    }
    store__bind_int(&q, 5, r->capacity);
    store__bind_real(&q, 6, r->bias_km);
    store__bind_text(&q, 7, r->depends_on);
    store__run(&q);
    return store__end(&q);
}

/* Texts of a probe, in order. */
static enum err probe_list(struct saver *v, int64_t id, const char *clear, const char *insert,
                           const char *const *list, uint32_t n)
{
    enum err e = delete_children(v, clear, id);
    if (e)
        return e;
    struct query q = query(v, insert);
    for (uint32_t i = 0; i < n; i++) {
        store__bind_int(&q, 1, id);
        store__bind_int(&q, 2, i);
        store__bind_text(&q, 3, list[i]);
        store__run(&q);
    }
    return store__end(&q);
}

static enum err probe(struct saver *v, const char *name)
{
    const struct model_probe *p = model_probe(v->after, name);
    if (!p)
        return delete_by_name(v, "DELETE FROM probe WHERE name = ?", name);
    const char *texts[] = {p->path,   p->host,  p->status, p->body,   p->send,
                           p->expect, p->qname, p->qtype,  p->command};
    const int64_t numbers[] = {p->port,       p->verify, p->follow, p->interval_ms,
                               p->timeout_ms, p->fall,   p->rise};
    struct query q = query(
        v, "INSERT INTO probe(name, type, port, verify, follow, interval_ms, timeout_ms, fall,"
           " rise, path, host, status, body, send, expect, qname, qtype, command, target, combine,"
           " quorum)"
           " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
           " ON CONFLICT(name) DO UPDATE SET type = excluded.type, port = excluded.port,"
           " verify = excluded.verify, follow = excluded.follow,"
           " interval_ms = excluded.interval_ms, timeout_ms = excluded.timeout_ms,"
           " fall = excluded.fall, rise = excluded.rise, path = excluded.path,"
           " host = excluded.host, status = excluded.status, body = excluded.body,"
           " send = excluded.send, expect = excluded.expect, qname = excluded.qname,"
           " qtype = excluded.qtype, command = excluded.command, target = excluded.target,"
           " combine = excluded.combine, quorum = excluded.quorum RETURNING id");
    bool combines = model_probe_combines(p);
    store__bind_text(&q, 1, p->name);
    store__bind_text(&q, 2, model_probe_type_name(combines ? PROBE_EXEC : p->type));
    for (int i = 0; i < 7; i++)
        store__bind_int(&q, 3 + i, numbers[i]);
    for (int i = 0; i < 9; i++)
        store__bind_text(&q, 10 + i, texts[i]);
    store__bind_text(&q, 19, p->target);
    store__bind_text(&q, 20, combines ? model_probe_type_name(p->type) : NULL);
    store__bind_int(&q, 21, p->quorum);
    int64_t id = put_returning(&q);
    enum err e = store__end(&q);
    if (!e)
        e = probe_list(v, id, "DELETE FROM probe_arg WHERE probe_id = ?",
                       "INSERT INTO probe_arg(probe_id, position, value) VALUES(?, ?, ?)", p->args,
                       p->args_n);
    if (!e)
        e = probe_list(v, id, "DELETE FROM probe_of WHERE probe_id = ?",
                       "INSERT INTO probe_of(probe_id, position, name) VALUES(?, ?, ?)", p->of,
                       p->of_n);
    return e;
}

static enum err map_rules(struct saver *v, const struct model_map *map, int64_t id)
{
    enum err e = delete_children(v, "DELETE FROM map_rule WHERE map_id = ?", id);
    if (e)
        return e;
    struct query rule = query(v, "INSERT INTO map_rule(map_id, place) VALUES(?, ?)");
    struct query to = query(v, "INSERT INTO map_rule_region(map_id, place, position, region_id)"
                               " VALUES(?, ?, ?, (SELECT id FROM region WHERE name = ?))");
    for (uint32_t i = 0; i < map->rules_n; i++) {
        const struct model_rule *r = &map->rules[i];
        store__bind_int(&rule, 1, id);
        store__bind_text(&rule, 2, r->where.text);
        store__run(&rule);
        for (uint32_t k = 0; k < r->regions_n; k++) {
            store__bind_int(&to, 1, id);
            store__bind_text(&to, 2, r->where.text);
            store__bind_int(&to, 3, k);
            store__bind_text(&to, 4, r->regions[k]);
            store__run(&to);
        }
    }
    e = store__end(&rule);
    enum err end = store__end(&to);
    return e ? e : end;
}

static enum err map(struct saver *v, const char *name)
{
    const struct model_map *m = model_map(v->after, name);
    if (!m)
        return delete_by_name(v, "DELETE FROM map WHERE name = ?", name);
    struct query q = query(v, "INSERT INTO map(name) VALUES(?) ON CONFLICT(name) DO UPDATE SET"
                              " name = excluded.name RETURNING id");
    store__bind_text(&q, 1, m->name);
    int64_t id = put_returning(&q);
    enum err e = store__end(&q);
    return e ? e : map_rules(v, m, id);
}

/* The key of a row is "PLACE REGION"; a place may hold spaces (city names), a region none. */
static enum err latency(struct saver *v, const struct config_change *c)
{
    const char *space = strrchr(c->key, ' ');
    char *place = space ? strndup(c->key, (size_t)(space - c->key)) : NULL;
    if (!place)
        return diag_error(v->diag, ERR_NOMEM, "", "out of memory");
    struct query *q = bulk(v, c->after ? PUT_LATENCY : DELETE_LATENCY);
    store__bind_text(q, 1, place);
    store__bind_text(q, 2, space + 1);
    if (c->after) {
        json_t *j = json_loads(c->after, 0, NULL);
        store__bind_real(q, 3, json_number_value(json_object_get(j, "ms")));
        json_decref(j);
    }
    store__run(q);
    free(place);
    return told(q);
}

static int64_t service_row(struct saver *v, const struct model_service *s)
{
    static const char *const on_empty[] = {"all", "nodata", "service"};
    static const char *const failback[] = {"auto", "after", "hold"};
    const struct model_thresholds *t = s->thresholds;
    struct query *q = bulk(v, PUT_SERVICE);
    store__bind_text(q, 1, s->name);
    store__bind_text(q, 2, s->policy);
    store__bind_text(q, 3, s->map);
    store__bind_int(q, 4, s->ttl_s);
    store__bind_int_or_null(q, 5, s->ttl_moving_s);
    store__bind_text(q, 6, s->probe);
    store__bind_int(q, 7, s->answers);
    store__bind_text(q, 8, on_empty[s->on_empty]);
    store__bind_text(q, 9, s->on_empty_service);
    store__bind_share(q, 10, t->degrade);
    store__bind_share(q, 11, t->fail);
    store__bind_share(q, 12, t->panic);
    store__bind_share(q, 13, t->min_capacity);
    store__bind_int_or_null(q, 14, t->ramp_ms);
    store__bind_int_or_null(q, 15, t->hold_ms);
    store__bind_int_or_null(q, 16, t->window_ms);
    store__bind_int_or_null(q, 17, t->min_regions);
    store__bind_text(q, 18, t->failback >= 0 ? failback[t->failback] : NULL);
    store__bind_int_or_null(q, 19,
                            t->failback == FAILBACK_AFTER ? t->failback_after_ms : MODEL_UNSET);
    store__bind_share(q, 20, t->max_move);
    return put_returning(q);
}

static const struct model_endpoint *endpoint_like(const struct model_service *s,
                                                  const struct model_endpoint *e)
{
    for (uint32_t i = 0; s && i < s->endpoints_n; i++)
        if (strcmp(s->endpoints[i].address, e->address) == 0 &&
            strcmp(s->endpoints[i].region, e->region) == 0)
            return &s->endpoints[i];
    return NULL;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Only the rows that differ: one weight of 256 endpoints is one row. */
static enum err endpoints(struct saver *v, const struct model_service *before,
                          const struct model_service *after, int64_t id)
{
    struct query *q = bulk(v, DELETE_ENDPOINT);
    for (uint32_t i = 0; before && i < before->endpoints_n; i++) {
        if (endpoint_like(after, &before->endpoints[i]))
            continue;
        store__bind_int(q, 1, id);
        store__bind_text(q, 2, before->endpoints[i].region);
        store__bind_text(q, 3, before->endpoints[i].address);
        store__run(q);
    }
    enum err err = told(q);
    if (err)
        return err;
    q = bulk(v, PUT_ENDPOINT);
    for (uint32_t i = 0; i < after->endpoints_n; i++) {
        const struct model_endpoint *e = &after->endpoints[i];
        const struct model_endpoint *was = endpoint_like(before, e);
        if (was && was->weight == e->weight && was->priority == e->priority &&
            same(was->probe, e->probe))
            continue;
        store__bind_int(q, 1, id);
        store__bind_text(q, 2, e->region);
        store__bind_text(q, 3, e->address);
        store__bind_int(q, 4, e->weight);
        store__bind_int(q, 5, e->priority);
        store__bind_text(q, 6, e->probe);
        store__run(q);
    }
    return told(q);
}

static enum err service(struct saver *v, const char *name)
{
    const struct model_service *s = model_service(v->after, name);
    if (!s)
        return delete_by_name(v, "DELETE FROM service WHERE name = ?", name);
    int64_t id = service_row(v, s);
    enum err e = told(&v->bulk[PUT_SERVICE]);
    return e ? e : endpoints(v, model_service(v->before, name), s, id);
}

static enum err save_one(struct saver *v, const struct config_change *c)
{
    switch (c->noun) {
    case NOUN_SETTING:
        return setting(v, c->key, c->after);
    case NOUN_ZONE:
        return zone(v, c->key);
    case NOUN_REGION:
        return region(v, c->key);
    case NOUN_PROBE:
        return probe(v, c->key);
    case NOUN_MAP:
        return map(v, c->key);
    case NOUN_LATENCY:
        return latency(v, c);
    default:
        return service(v, c->key);
    }
}

/* Changes come regions first and services last. What others refer to is written before them and, in
 * the second pass, deleted after them: names become ids on the way. */
enum err store__save(struct store *s, const struct model *before, const struct model *after,
                     const struct config_changes *changes, struct diag *diag)
{
    struct saver v = {.s = s, .before = before, .after = after, .diag = diag};
    enum err e = ERR_OK;
    for (size_t i = 0; !e && i < changes->n; i++)
        if (changes->change[i].after)
            e = save_one(&v, &changes->change[i]);
    for (size_t i = changes->n; !e && i-- > 0;)
        if (!changes->change[i].after)
            e = save_one(&v, &changes->change[i]);
    for (unsigned i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(v.bulk[i].st);
    return e;
}
