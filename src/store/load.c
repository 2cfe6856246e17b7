/* The tables into a model: one ordered scan a table, names looked up by id. */
#include "load_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *copy_text(struct loader *l, struct query *q, int at)
{
    const void *text = sqlite3_column_text(q->st, at);
    if (!text)
        return NULL;
    return arena_dup(l->a, text, (size_t)sqlite3_column_bytes(q->st, at) + 1);
}

static const char *shared_text(struct loader *l, struct query *q, int at)
{
    const char *text = (const char *)sqlite3_column_text(q->st, at);
    return text ? model_intern(&l->in, l->a, text) : NULL;
}

static void *append(struct loader *l, enum model_part part)
{
    void *item = model_part_insert(l->m, part, model_part_count(l->m, part));
    l->failed = l->failed || !item;
    return item;
}

static void name_add(struct loader *l, struct names *names, int64_t id, const char *text)
{
    if (names->n == names->cap) {
        uint32_t cap = names->cap ? names->cap * 2 : 64;
        void *grown = reallocarray(names->list, cap, sizeof *names->list);
        if (!grown) {
            l->failed = true;
            return;
        }
        names->list = grown;
        names->cap = cap;
    }
    names->list[names->n++] = (struct name){id, text};
}

/* Ids of a table mostly count up from one without gaps, so the first guess is nearly always right. */
const char *load__name_of(struct loader *l, const struct names *names, int64_t id)
{
    if (id >= 1 && id <= names->n && names->list[id - 1].id == id)
        return names->list[id - 1].text;
    uint32_t low = 0, high = names->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (names->list[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < names->n && names->list[low].id == id)
        return names->list[low].text;
    l->dangling = true;
    return "";
}

static const char *name_or_null(struct loader *l, struct query *q, int at,
                                const struct names *names)
{
    return sqlite3_column_type(q->st, at) == SQLITE_NULL
               ? NULL
               : load__name_of(l, names, sqlite3_column_int64(q->st, at));
}

static enum err settings(struct loader *l)
{
    struct query q =
        store__query(l->s, l->f, "SELECT key, value FROM setting ORDER BY key", l->diag);
    while (!l->failed && store__row(&q)) {
        struct model_setting *s = append(l, PART_SETTINGS);
        if (s)
            *s = (struct model_setting){copy_text(l, &q, 0), copy_text(l, &q, 1)};
    }
    return store__end(&q);
}

enum err store_setting(struct store *s, const char *key, char **out, struct diag *diag)
{
    bool again;
    *out = NULL;
    enum err e = store__current(s, &again, diag);
    if (e)
        return e;
    struct query q = store__query(s, &s->config, "SELECT value FROM setting WHERE key = ?", diag);
    store__bind_text(&q, 1, key);
    if (store__row(&q)) {
        *out = strdup(store__column(&q, 0));
        e = *out ? ERR_OK : diag_error(diag, ERR_NOMEM, "", "out of memory");
    }
    enum err end = store__end(&q);
    return e ? e : end;
}

/* ---- zones ---- */

#define NS_LIST_MAX 64 /* name servers of a zone, addresses of one; the reader allows fewer */

static enum err zone_addresses(struct loader *l, int64_t zone, int64_t position,
                               struct model_ns *ns)
{
    struct query q = store__query(l->s, l->f,
                                  "SELECT address FROM zone_ns_address WHERE zone_id = ? AND "
                                  "ns_position = ? ORDER BY position",
                                  l->diag);
    const char *found[NS_LIST_MAX];
    uint32_t n = 0;
    store__bind_int(&q, 1, zone);
    store__bind_int(&q, 2, position);
    while (n < NS_LIST_MAX && store__row(&q))
        found[n++] = copy_text(l, &q, 0);
    const char **list = ARENA_ARRAY(l->a, const char *, n + 1);
    if (list)
        memcpy(list, found, n * sizeof *list);
    ns->addresses = list;
    ns->addresses_n = list ? n : 0;
    return store__end(&q);
}

static enum err zone_servers(struct loader *l, int64_t zone, struct model_zone *z)
{
    struct query q = store__query(
        l->s, l->f, "SELECT position, name FROM zone_ns WHERE zone_id = ? ORDER BY position",
        l->diag);
    struct model_ns found[NS_LIST_MAX] = {{0}};
    uint32_t n = 0;
    enum err e = ERR_OK;
    store__bind_int(&q, 1, zone);
    while (!e && n < NS_LIST_MAX && store__row(&q)) {
        found[n].name = copy_text(l, &q, 1);
        e = zone_addresses(l, zone, sqlite3_column_int64(q.st, 0), &found[n++]);
    }
    struct model_ns *list = ARENA_ARRAY(l->a, struct model_ns, n + 1);
    if (list)
        memcpy(list, found, n * sizeof *list);
    z->ns = list;
    z->ns_n = list ? n : 0;
    enum err end = store__end(&q);
    return e ? e : end;
}

static enum err zones(struct loader *l)
{
    struct query q = store__query(
        l->s, l->f, "SELECT id, name, file, ttl_s, negative_ttl_s FROM zone ORDER BY name",
        l->diag);
    enum err e = ERR_OK;
    while (!e && !l->failed && store__row(&q)) {
        struct model_zone *z = append(l, PART_ZONES);
        if (!z)
            break;
        z->name = copy_text(l, &q, 1);
        z->file = copy_text(l, &q, 2);
        z->ttl_s = sqlite3_column_int64(q.st, 3);
        z->negative_ttl_s = sqlite3_column_int64(q.st, 4);
        e = zone_servers(l, sqlite3_column_int64(q.st, 0), z);
    }
    enum err end = store__end(&q);
    return e ? e : end;
}

/* ---- regions, probes, maps, latency ---- */

static enum err regions(struct loader *l)
{
    struct query q = store__query(l->s, l->f,
                                  "SELECT id, name, position, latitude, longitude, capacity, "
                                  "bias_km, depends_on FROM region ORDER BY id",
                                  l->diag);
    while (!l->failed && store__row(&q)) {
        struct model_region *r = append(l, PART_REGIONS);
        if (!r)
            break;
        r->name = shared_text(l, &q, 1);
        r->order = sqlite3_column_int64(q.st, 2);
        r->placed = sqlite3_column_type(q.st, 3) != SQLITE_NULL;
        r->lat = sqlite3_column_double(q.st, 3);
        r->lon = sqlite3_column_double(q.st, 4);
        r->capacity = sqlite3_column_int64(q.st, 5);
        r->bias_km = sqlite3_column_double(q.st, 6);
        if (sqlite3_column_type(q.st, 7) != SQLITE_NULL)
            r->depends_on = shared_text(l, &q, 7);
        name_add(l, &l->regions, sqlite3_column_int64(q.st, 0), r->name);
    }
    model_part_sort(l->m, PART_REGIONS);
    return store__end(&q);
}

/* Texts of a probe, in order. */
static enum err probe_list(struct loader *l, int64_t probe, const char *sql,
                           const char *const **out, uint32_t *out_n)
{
    struct query q = store__query(l->s, l->f, sql, l->diag);
    const char **list = NULL;
    uint32_t n = 0;
    store__bind_int(&q, 1, probe);
    while (!l->failed && store__row(&q)) {
        if (!list)
            list = ARENA_ARRAY(l->a, const char *, sqlite3_column_int64(q.st, 1));
        if (!list)
            l->failed = true;
        else
            list[n++] = copy_text(l, &q, 0);
    }
    *out = list;
    *out_n = n;
    return store__end(&q);
}

static enum err probe_row(struct loader *l, struct query *q, struct model_probe *p)
{
    const char **texts[] = {&p->path,   &p->host,  &p->status, &p->body,   &p->send,
                            &p->expect, &p->qname, &p->qtype,  &p->command};
    p->name = shared_text(l, q, 1);
    for (int k = PROBE_HTTP; k <= PROBE_QUORUM; k++)
        if (strcmp(store__column(q, sqlite3_column_type(q->st, 20) == SQLITE_NULL ? 2 : 20),
                   model_probe_type_name((enum model_probe_type)k)) == 0)
            p->type = (enum model_probe_type)k;
    p->port = sqlite3_column_int64(q->st, 3);
    p->verify = sqlite3_column_int(q->st, 4);
    p->follow = sqlite3_column_int(q->st, 5);
    p->interval_ms = sqlite3_column_int64(q->st, 6);
    p->timeout_ms = sqlite3_column_int64(q->st, 7);
    p->fall = sqlite3_column_int64(q->st, 8);
    p->rise = sqlite3_column_int64(q->st, 9);
    for (int i = 0; i < 9; i++)
        *texts[i] = copy_text(l, q, 10 + i);
    p->target = copy_text(l, q, 19);
    p->quorum = sqlite3_column_int64(q->st, 21);
    int64_t id = sqlite3_column_int64(q->st, 0);
    name_add(l, &l->probes, id, p->name);
    enum err e = probe_list(l, id,
                            "SELECT value, count(*) OVER () FROM probe_arg WHERE probe_id = ? "
                            "ORDER BY position",
                            &p->args, &p->args_n);
    return e ? e
             : probe_list(l, id,
                          "SELECT name, count(*) OVER () FROM probe_of WHERE probe_id = ? "
                          "ORDER BY position",
                          &p->of, &p->of_n);
}

static enum err probes(struct loader *l)
{
    struct query q =
        store__query(l->s, l->f,
                     "SELECT id, name, type, port, verify, follow, interval_ms, timeout_ms, fall, "
                     "rise, path, host, status, body, send, expect, qname, qtype, command, "
                     "target, combine, quorum "
                     "FROM probe ORDER BY id",
                     l->diag);
    enum err e = ERR_OK;
    while (!e && !l->failed && store__row(&q)) {
        struct model_probe *p = append(l, PART_PROBES);
        if (p)
            e = probe_row(l, &q, p);
    }
    model_part_sort(l->m, PART_PROBES);
    enum err end = store__end(&q);
    return e ? e : end;
}

static int rule_compare(const void *a, const void *b)
{
    const struct model_rule *x = a, *y = b;
    return model_place_compare(&x->where, &y->where);
}

struct rules { /* of the map that is read now */
    struct model_rule *list;
    uint32_t n, cap;
};

static struct model_rule *rule_add(struct loader *l, struct rules *r)
{
    if (r->n == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 64;
        void *grown = reallocarray(r->list, cap, sizeof *r->list);
        if (!grown) {
            l->failed = true;
            return NULL;
        }
        r->list = grown;
        r->cap = cap;
    }
    memset(&r->list[r->n], 0, sizeof *r->list);
    return &r->list[r->n++];
}

static void rule_regions(struct loader *l, struct model_rule *rule, const char *const *found,
                         uint32_t n)
{
    const char **list = ARENA_ARRAY(l->a, const char *, n + 1);
    l->failed = l->failed || !list;
    if (list && n)
        memcpy(list, found, n * sizeof *list);
    rule->regions = list;
    rule->regions_n = list ? n : 0;
}

/* Rules and their regions in one scan; a rule ends where the place changes. */
static enum err map_rules(struct loader *l, int64_t map, struct rules *rules)
{
    struct query q = store__query(l->s, l->f,
                                  "SELECT place, region_id FROM map_rule LEFT JOIN map_rule_region "
                                  "USING(map_id, place) WHERE map_id = ? ORDER BY place, position",
                                  l->diag);
    const char *found[MODEL_REGIONS_MAX];
    uint32_t n = 0;
    struct model_rule *rule = NULL;
    enum err e = ERR_OK;
    rules->n = 0;
    store__bind_int(&q, 1, map);
    while (!e && !l->failed && store__row(&q)) {
        const char *place = store__column(&q, 0);
        if (!rule || strcmp(rule->where.text, place) != 0) {
            if (rule)
                rule_regions(l, rule, found, n);
            n = 0;
            rule = rule_add(l, rules);
            if (!rule)
                break;
            e = model_place_parse(place, l->a, &rule->where, "map_rule", l->diag);
        }
        const char *region = e ? NULL : name_or_null(l, &q, 1, &l->regions);
        if (region && n < MODEL_REGIONS_MAX)
            found[n++] = region;
    }
    if (rule && !e)
        rule_regions(l, rule, found, n);
    enum err end = store__end(&q);
    return e ? e : end;
}

static enum err map_row(struct loader *l, struct query *q, struct rules *rules)
{
    struct model_map *map = append(l, PART_MAPS);
    if (!map)
        return ERR_OK;
    map->name = shared_text(l, q, 1);
    name_add(l, &l->maps, sqlite3_column_int64(q->st, 0), map->name);
    enum err e = map_rules(l, sqlite3_column_int64(q->st, 0), rules);
    if (e)
        return e;
    struct model_rule *list = ARENA_ARRAY(l->a, struct model_rule, rules->n + 1);
    if (!list)
        return ERR_OK; /* the arena remembers */
    if (rules->n)
        memcpy(list, rules->list, rules->n * sizeof *list);
    qsort(list, rules->n, sizeof *list, rule_compare);
    map->rules = list;
    map->rules_n = rules->n;
    return ERR_OK;
}

static enum err maps(struct loader *l)
{
    struct query q = store__query(l->s, l->f, "SELECT id, name FROM map ORDER BY id", l->diag);
    struct rules rules = {0};
    enum err e = ERR_OK;
    while (!e && !l->failed && store__row(&q))
        e = map_row(l, &q, &rules);
    free(rules.list);
    model_part_sort(l->m, PART_MAPS);
    enum err end = store__end(&q);
    return e ? e : end;
}

static enum err latency(struct loader *l)
{
    struct query q = store__query(l->s, l->f, "SELECT place, region_id, ms FROM latency", l->diag);
    enum err e = ERR_OK;
    while (!e && !l->failed && store__row(&q)) {
        struct model_latency *row = append(l, PART_LATENCY);
        if (!row)
            break;
        e = model_place_parse(store__column(&q, 0), l->a, &row->where, "latency", l->diag);
        row->region = load__name_of(l, &l->regions, sqlite3_column_int64(q.st, 1));
        row->ms = sqlite3_column_double(q.st, 2);
    }
    if (!e)
        model_part_sort(l->m, PART_LATENCY);
    enum err end = store__end(&q);
    return e ? e : end;
}

/* ---- the whole ---- */

static enum err load_all(struct loader *l, struct file *second)
{
    static enum err (*const parts[])(struct loader *) = {settings, zones, regions,
                                                         probes,   maps,  latency};
    size_t n = sizeof parts / sizeof parts[0];
    enum err e = store_head(l->s, &l->m->revision, l->diag);
    for (size_t i = 0; !e && i <= n; i++) {
        e = i < n ? parts[i](l) : load__services(l, second);
        if (!e && (l->failed || arena_failed(l->a)))
            e = diag_error(l->diag, ERR_NOMEM, "", "out of memory while loading %s",
                           l->s->config.path);
    }
    model_part_sort(l->m, PART_SERVICES);
    if (!e && l->dangling)
        e = diag_error(l->diag, ERR_CORRUPT, "",
                       "%s is damaged (a row refers to one that is not there): restore it from a "
                       "copy",
                       l->s->config.path);
    return e;
}

/* A file that is smaller is read sooner than a second connection to it is opened. */
#define SECOND_BYTES_MIN (4 << 20)

static bool is_large(const struct file *f)
{
    struct stat st;
    return stat(f->path, &st) == 0 && st.st_size >= SECOND_BYTES_MIN;
}

static void end_transaction(struct file *f)
{
    (void)sqlite3_exec(f->db, "COMMIT", NULL, NULL, NULL);
}

/* Transactions on both connections, of the same state: as seen by the first, nobody committed from before
 * the second's began until after its own had. */
static bool begin_both(struct store *s, struct file *second)
{
    struct diag unheard = {0};
    int64_t before, after, any;
    bool same = false, good = true;
    for (unsigned tries = 3; good && !same && tries; tries--) {
        good = !store__number(s, &s->config, "PRAGMA data_version", &before, &unheard) &&
               !store__exec(s, second, "BEGIN", &unheard) &&
               !store__number(s, second, "SELECT count(*) FROM sqlite_schema", &any, &unheard) &&
               !store__exec(s, &s->config, "BEGIN", &unheard) &&
               !store__number(s, &s->config, "PRAGMA data_version", &after, &unheard);
        same = good && before == after;
        if (!same) {
            end_transaction(second);
            end_transaction(&s->config);
        }
    }
    diag_fini(&unheard);
    return same;
}

/* A second connection, with both in a transaction: true. Without one all is as well, and takes longer. */
static bool begin_with_second(struct store *s, struct file *second)
{
    struct diag unheard = {0};
    if (!is_large(&s->config))
        return false;
    second->path = s->config.path;
    bool good =
        !store__open_file(s, second, &store__config_schema, SQLITE_OPEN_READWRITE, &unheard) &&
        second->dev == s->config.dev && second->ino == s->config.ino && begin_both(s, second);
    if (!good)
        store__close_file(second);
    diag_fini(&unheard);
    return good;
}

/* One read transaction: all tables as of one revision. Under the write lock there is one, and nobody else may
 * see what it has written. */
static enum err load_state(struct store *s, struct loader *l)
{
    struct file second = {0};
    bool two = !s->writing && begin_with_second(s, &second);
    enum err e = two || s->writing ? ERR_OK : store__exec(s, &s->config, "BEGIN", l->diag);
    if (!e)
        e = load_all(l, two ? &second : NULL);
    if (!s->writing)
        end_transaction(&s->config);
    if (two)
        store__close_file(&second); /* and its transaction */
    return e;
}

enum err store_load(struct store *s, struct model **out, struct diag *diag)
{
    bool again;
    *out = NULL;
    enum err e = store__current(s, &again, diag);
    if (e)
        return e;
    struct loader *l = calloc(1, sizeof *l);
    struct model *m = l ? model_create() : NULL;
    if (!m) {
        free(l);
        return diag_error(diag, ERR_NOMEM, "", "out of memory");
    }
    l->s = s;
    l->f = &s->config;
    l->m = m;
    l->a = m->arena;
    l->diag = diag;
    e = load_state(s, l);
    free(l->regions.list);
    free(l->probes.list);
    free(l->maps.list);
    free(l);
    (void)sqlite3_db_release_memory(s->config.db); /* pages that are not read again */
    if (e)
        model_unref(&m);
    *out = m;
    return e;
}
