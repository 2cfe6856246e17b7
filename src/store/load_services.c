/* Services and endpoints: nearly all rows that there are. Each table is one scan in the order of service
 * ids, and both scans may go on at once; then one walk puts them together. */
#include "load_priv.h"

#include "base/beside.h"

#include <string.h>

/* ---- values of a row ---- */

static const char *text_or(sqlite3_value *v, const char *missing)
{
    const char *text = (const char *)sqlite3_value_text(v);
    return text ? text : missing;
}

static const char *copy_text(struct loader *l, sqlite3_value *v)
{
    const void *text = sqlite3_value_text(v);
    return text ? arena_dup(l->a, text, (size_t)sqlite3_value_bytes(v) + 1) : NULL;
}

static int64_t int_or_unset(sqlite3_value *v)
{
    return sqlite3_value_type(v) == SQLITE_NULL ? MODEL_UNSET : sqlite3_value_int64(v);
}

/* What only a file edited by hand can hold is still outside what validation accepts. */
static int64_t int_within(sqlite3_value *v, int64_t max)
{
    int64_t n = sqlite3_value_int64(v);
    return n > max ? max : n < -max ? -max : n;
}

static double share_or_unset(sqlite3_value *v)
{
    return sqlite3_value_type(v) == SQLITE_NULL ? MODEL_UNSET : sqlite3_value_double(v);
}

static const char *name_or_null(struct loader *l, sqlite3_value *v, const struct names *names)
{
    return sqlite3_value_type(v) == SQLITE_NULL ? NULL
                                                : load__name_of(l, names, sqlite3_value_int64(v));
}

/* ---- services ---- */

struct services {
    struct loader *l;
    int64_t *ids; /* of the model's, while they stand in the order of ids */
    uint32_t room;
    struct arena
        *scratch; /* what goes again, apart: once a large piece of its own was freed, the heap keeps
                            * larger ones to itself */
};

static const struct model_thresholds *service_thresholds(struct loader *l, sqlite3_value **v)
{
    struct model_thresholds own = model_thresholds_unset, *t = &own;
    t->degrade = share_or_unset(v[0]);
    t->fail = share_or_unset(v[1]);
    t->panic = share_or_unset(v[2]);
    t->min_capacity = share_or_unset(v[3]);
    t->ramp_ms = int_or_unset(v[4]);
    t->hold_ms = int_or_unset(v[5]);
    t->window_ms = int_or_unset(v[6]);
    t->min_regions = int_or_unset(v[7]);
    const char *failback = text_or(v[8], "");
    t->failback = strcmp(failback, "auto") == 0    ? FAILBACK_AUTO
                  : strcmp(failback, "after") == 0 ? FAILBACK_AFTER
                  : strcmp(failback, "hold") == 0  ? FAILBACK_HOLD
                                                   : MODEL_UNSET;
    t->failback_after_ms = sqlite3_value_int64(v[9]);
    t->max_move = share_or_unset(v[10]);
    return model_intern_thresholds(&l->in, l->a, t);
}

static bool service_row(void *ctx, sqlite3_value **v)
{
    struct services *x = ctx;
    struct loader *l = x->l;
    uint32_t at = l->m->services_n;
    struct model_service *s = at < x->room ? model_part_insert(l->m, PART_SERVICES, at) : NULL;
    l->failed = !s;
    if (!s)
        return false;
    x->ids[at] = sqlite3_value_int64(v[0]);
    const char *policy = (const char *)sqlite3_value_text(v[2]), *on_empty = text_or(v[8], "");
    s->name = copy_text(l, v[1]);
    s->policy = policy ? model_intern(&l->in, l->a, policy) : NULL;
    s->map = name_or_null(l, v[3], &l->maps);
    s->ttl_s = (int32_t)int_within(v[4], INT32_MAX);
    s->ttl_moving_s = sqlite3_value_type(v[5]) == SQLITE_NULL
                          ? MODEL_UNSET
                          : (int32_t)int_within(v[5], INT32_MAX);
    s->probe = name_or_null(l, v[6], &l->probes);
    s->answers = (int16_t)int_within(v[7], INT16_MAX);
    s->on_empty = strcmp(on_empty, "nodata") == 0    ? ON_EMPTY_NODATA
                  : strcmp(on_empty, "service") == 0 ? ON_EMPTY_SERVICE
                                                     : ON_EMPTY_ALL;
    if (s->on_empty == ON_EMPTY_SERVICE)
        s->on_empty_service = copy_text(l, v[9]);
    s->thresholds = service_thresholds(l, v + 10);
    return true;
}

static enum err services_init(struct services *x)
{
    struct loader *l = x->l;
    int64_t n;
    enum err e = store__number(l->s, l->f, "SELECT count(*) FROM service", &n, l->diag);
    x->scratch = n < UINT32_MAX ? arena_create(0) : NULL;
    x->room = x->scratch ? (uint32_t)n : 0;
    if (x->scratch)
        arena_dense(x->scratch, true);
    x->ids = x->scratch ? ARENA_ARRAY(x->scratch, int64_t, x->room + (size_t)1) : NULL;
    l->failed = !x->ids || !model_part_reserve(l->m, PART_SERVICES, x->room);
    return e;
}

static enum err read_services(struct services *x)
{
    return store__each(x->l->s, x->l->f,
                       "SELECT 1 FROM service WHERE each_row("
                       "id, name, policy, map_id, ttl_s, ttl_moving_s, probe_id, answers, "
                       "on_empty, on_empty_service, degrade, fail, panic, min_capacity, ramp_ms, "
                       "hold_ms, window_ms, min_regions, failback, failback_after_ms, max_move) "
                       "ORDER BY id",
                       service_row, x, x->l->diag);
}

/* ---- endpoints ---- */

struct endpoints {
    struct loader
        l;       /* of this thread; names and the model's regions are the other's, and only read */
    struct run { /* of one service */
        int64_t service;
        const struct model_endpoint *list;
        uint32_t n;
    } * runs; /* room for one of each service: more is of none */
    uint32_t n, room;
    struct model_endpoint
        list[MODEL_ENDPOINTS_PER_SERVICE_MAX]; /* of the service that is read now */
    uint32_t list_n;
    int64_t service;
    struct diag diag;
    enum err e;
};

static bool keep_run(struct endpoints *x)
{
    struct loader *l = &x->l;
    if (!x->list_n)
        return true;
    if (x->n == x->room) {
        l->dangling = true;
        x->list_n = 0;
        return true;
    }
    struct model_endpoint *copy = ARENA_ARRAY(l->a, struct model_endpoint, x->list_n);
    if (!copy)
        return false;
    model_endpoints_sort(l->m, x->list, x->list_n);
    memcpy(copy, x->list, x->list_n * sizeof *copy);
    x->runs[x->n++] = (struct run){x->service, copy, x->list_n};
    x->list_n = 0;
    return true;
}

/* More endpoints than a service may have are cut, which only a file edited by hand can hold. */
static bool endpoint_row(void *ctx, sqlite3_value **v)
{
    struct endpoints *x = ctx;
    struct loader *l = &x->l;
    int64_t service = sqlite3_value_int64(v[0]);
    if (service != x->service) {
        l->failed = !keep_run(x);
        x->service = service;
    }
    if (l->failed || x->list_n == MODEL_ENDPOINTS_PER_SERVICE_MAX)
        return !l->failed;
    struct model_endpoint *e = &x->list[x->list_n++];
    memset(e, 0, sizeof *e);
    e->region = load__name_of(l, &l->regions, sqlite3_value_int64(v[1]));
    e->address = copy_text(l, v[2]);
    e->weight = (int32_t)int_within(v[3], INT32_MAX);
    e->priority = (int16_t)int_within(v[4], INT16_MAX);
    e->probe = name_or_null(l, v[5], &l->probes);
    struct ip ip;
    if (e->address && ip_parse(e->address, &ip))
        e->family = ip.family;
    return true;
}

static void read_endpoints(void *ctx)
{
    struct endpoints *x = ctx;
    x->e = store__each(x->l.s, x->l.f,
                       "SELECT 1 FROM endpoint WHERE each_row(service_id, region_id, address, "
                       "weight, priority, probe_id) ORDER BY service_id",
                       endpoint_row, x, &x->diag);
    x->l.failed = x->l.failed || !keep_run(x);
}

/* ---- both ---- */

static void put_together(struct services *s, struct endpoints *x)
{
    struct loader *l = s->l;
    uint32_t at = 0;
    for (uint32_t i = 0; i < x->n; i++) {
        while (at < l->m->services_n && s->ids[at] < x->runs[i].service)
            at++;
        if (at == l->m->services_n || s->ids[at] != x->runs[i].service) {
            l->dangling = true;
            continue;
        }
        l->m->services[at].endpoints = x->runs[i].list;
        l->m->services[at].endpoints_n = x->runs[i].n;
    }
    l->dangling = l->dangling || x->l.dangling;
    l->failed = l->failed || x->l.failed;
}

/* Endpoints as the services' own thread reads them, or another, which has texts of its own. */
static struct endpoints *endpoints_create(const struct services *s, struct file *second)
{
    struct loader *l = s->l;
    struct endpoints *x = ARENA_NEW(s->scratch, struct endpoints);
    struct arena *a = second ? model_arena_more(l->m) : l->a;
    struct run *runs = ARENA_ARRAY(s->scratch, struct run, s->room + (size_t)1);
    if (!x || !a || !runs)
        return NULL;
    x->l = (struct loader){.s = l->s,
                           .f = second ? second : l->f,
                           .m = l->m,
                           .a = a,
                           .diag = &x->diag,
                           .regions = l->regions,
                           .probes = l->probes};
    x->runs = runs;
    x->room = s->room;
    return x;
}

static enum err read_both(struct services *s, struct endpoints *x, bool beside)
{
    struct loader *l = s->l;
    struct beside work = {0};
    if (beside)
        beside_begin(&work, "endpoints", read_endpoints, x);
    enum err e = read_services(s);
    if (beside)
        beside_end(&work);
    else if (!e && !l->failed)
        read_endpoints(x);
    if (!e) {
        e = x->e;
        diag_take(l->diag, &x->diag);
    }
    if (!e && !l->failed)
        put_together(s, x);
    l->failed = l->failed || arena_failed(x->l.a);
    diag_fini(&x->diag);
    return e;
}

enum err load__services(struct loader *l, struct file *second)
{
    struct services s = {.l = l};
    enum err e = services_init(&s);
    struct endpoints *x = e || l->failed ? NULL : endpoints_create(&s, second);
    if (x)
        e = read_both(&s, x, second);
    else
        l->failed = true;
    arena_destroy(s.scratch);
    return e;
}
