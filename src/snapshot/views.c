/* Views: the distinct orders of regions become classes, the client networks a trie to them. Equal
 * views are built once and shared by services and by snapshots. */
#include "base/check.h"
#include "base/hash.h"
#include "snapshot_priv.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------- the key */

static struct view_key shape_key(const struct compile *c, const struct steer_shape *shape)
{
    struct {
        uint64_t base, regions, map, latency, policy_n, units_n;
        double within[POLICY_STEPS_MAX];
        uint8_t kind[POLICY_STEPS_MAX];
        struct steer_unit unit[STEER_UNITS_MAX];
    } in;
    memset(&in, 0, sizeof in);
    in.base = c->cache->base_serial;
    in.regions = c->regions_digest;
    in.latency = shape->latency ? c->latency_digest : 0;
    for (uint32_t i = 0; shape->map && i < c->m->maps_n; i++)
        if (c->maps[i] == shape->map)
            in.map = c->map_digest[i];
    in.units_n = shape->units_n;
    for (uint32_t i = 0; i < shape->policy.n; i++) {
        const struct policy_step *step = &shape->policy.step[i];
        if (step->kind >= STEP_WEIGHTED)
            continue;
        in.within[in.policy_n] = step->within;
        in.kind[in.policy_n++] = (uint8_t)step->kind;
    }
    memcpy(in.unit, shape->units, shape->units_n * sizeof *shape->units);
    static const uint8_t key_a[16] = "view key, part a", key_b[16] = "view key, part b";
    size_t len = sizeof in - (STEER_UNITS_MAX - shape->units_n) * sizeof in.unit[0];
    return (struct view_key){siphash24(key_a, &in, len), siphash24(key_b, &in, len)};
}

/* ------------------------------------------------------------------------------ rows to classes */

struct row_set { /* distinct rows by content */
    struct snapshot_row *rows;
    uint32_t n, cap;
    uint16_t *items;
    uint32_t items_n, items_cap;
    uint32_t *slots; /* class + 1, by hash */
    uint32_t slots_n;
};

static bool grow(void **p, uint32_t *cap, uint32_t need, size_t size)
{
    if (need <= *cap)
        return true;
    uint32_t next = *cap ? *cap * 2 : 64;
    while (next < need)
        next *= 2;
    void *q = realloc(*p, next * size);
    if (!q)
        return false;
    *p = q;
    *cap = next;
    return true;
}

static uint64_t row_hash(const struct steer_row *row)
{
    return hash_bytes(row->item, row->n * sizeof row->item[0], row->fence);
}

static bool row_equal(const struct row_set *set, const struct snapshot_row *a,
                      const struct steer_row *b)
{
    return a->n == b->n && a->fence == b->fence &&
           (b->n == 0 || memcmp(set->items + a->item, b->item, b->n * sizeof b->item[0]) == 0);
}

/* The class of a row, new or known; UINT32_MAX when there are too many or no memory. */
static uint32_t row_class(struct row_set *set, const struct steer_row *row)
{
    uint32_t mask = set->slots_n - 1;
    uint32_t at = (uint32_t)row_hash(row) & mask;
    for (; set->slots[at]; at = (at + 1) & mask)
        if (row_equal(set, &set->rows[set->slots[at] - 1], row))
            return set->slots[at] - 1;
    if (set->n >= GEO_CLASSES_MAX ||
        !grow((void **)&set->rows, &set->cap, set->n + 1, sizeof *set->rows) ||
        !grow((void **)&set->items, &set->items_cap, set->items_n + row->n, sizeof *set->items))
        return UINT32_MAX;
    set->rows[set->n] =
        (struct snapshot_row){.item = set->items_n, .n = row->n, .fence = row->fence};
    if (row->n)
        memcpy(set->items + set->items_n, row->item, row->n * sizeof row->item[0]);
    set->items_n += row->n;
    set->slots[at] = ++set->n;
    return set->n - 1;
}

/* Spots that a shape cannot tell apart have one class: remembered by (place, ASN if used, own). */
struct memo {
    struct {
        uint32_t place, asn, own, class; /* class + 1 */
    } * slot;
    uint32_t mask;
};

static uint32_t classify(struct row_set *set, struct memo *memo, const struct steer_shape *shape,
                         const struct geo_spot *spot, bool by_asn)
{
    uint32_t key[3] = {spot->place, by_asn ? spot->asn : 0, spot->own};
    uint32_t at = (uint32_t)hash_bytes(key, sizeof key, 0) & memo->mask;
    for (; memo->slot[at].class; at = (at + 1) & memo->mask)
        if (memo->slot[at].place == key[0] && memo->slot[at].asn == key[1] &&
            memo->slot[at].own == key[2])
            return memo->slot[at].class - 1;
    struct steer_row row;
    steer_order(shape, spot, &row, NULL);
    uint32_t class = row_class(set, &row);
    if (class == UINT32_MAX)
        return class;
    memo->slot[at].place = key[0];
    memo->slot[at].asn = key[1];
    memo->slot[at].own = key[2];
    memo->slot[at].class = class + 1;
    return class;
}

static uint32_t power_of_two(uint64_t n)
{
    uint32_t p = 64;
    while (p < n)
        p *= 2;
    return p;
}

/* Fills values for every spot. The special ranges stay special even where one class is all there is:
 * a hash of the client may still have to tell them apart. */
static enum err classify_spots(struct compile *c, const struct steer_shape *shape,
                               struct row_set *set, struct geo_value *values)
{
    const struct geo_base *base = c->s->base;
    uint32_t n = geo_base_spots_n(base);
    struct memo memo = {.mask = power_of_two((uint64_t)n * 2) - 1};
    memo.slot = calloc((size_t)memo.mask + 1, sizeof *memo.slot);
    set->slots_n = 2 * GEO_CLASSES_MAX;
    set->slots = calloc(set->slots_n, sizeof *set->slots);
    bool failed = !memo.slot || !set->slots, by_asn = steer_shape_uses_asn(shape);
    for (uint32_t i = 0; i < n && !failed; i++) {
        const struct geo_spot *spot = geo_base_spot(base, i);
        uint32_t class = classify(set, &memo, shape, spot, by_asn);
        failed = class == UINT32_MAX;
        bool named = spot->kind == GEO_KIND_PRIVATE && steer_shape_names(shape, spot->own);
        values[i] = (struct geo_value){.class = (uint16_t) class,
                                       .kind = named ? GEO_KIND_PLAIN : spot->kind};
    }
    free(memo.slot);
    free(set->slots);
    if (failed)
        return diag_error(
            c->diag, ERR_LIMIT, "",
            "a policy gives more than %u different orders of regions, or memory is out",
            GEO_CLASSES_MAX);
    return ERR_OK;
}

static enum err build(struct compile *c, const struct steer_shape *shape, struct view_entry *v)
{
    struct row_set set = {0};
    struct geo_value *values = calloc(geo_base_spots_n(c->s->base), sizeof *values);
    if (!values)
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory while compiling a policy");
    enum err e = classify_spots(c, shape, &set, values);
    if (!e)
        e = geo_view_build(c->s->base, values, &v->view.map, c->diag);
    free(values);
    v->view.rows = set.rows;
    v->view.rows_n = set.n;
    v->view.items = set.items;
    return e;
}

/* ------------------------------------------------------------------------------------ the cache */

static void entry_unref(struct view_entry *v)
{
    if (atomic_fetch_sub(&v->refs, 1) != 1)
        return;
    geo_view_unref(&v->view.map);
    free((void *)v->view.rows);
    free((void *)v->view.items);
    free(v);
}

void view_unref(const struct snapshot_view *v)
{
    entry_unref((struct view_entry *)v); /* the public part comes first */
}

void cache_begin_views(struct snapshot_cache *c)
{
    for (size_t i = 0; i < c->views_n; i++)
        c->views[i]->used = false; /* of a compilation that failed */
}

void cache_drop_views(struct snapshot_cache *c, bool unused_only)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->views_n; i++) {
        struct view_entry *v = c->views[i];
        if (unused_only && v->used) {
            v->used = false;
            c->views[kept++] = v;
        } else
            entry_unref(v);
    }
    c->views_n = kept;
}

static struct view_entry *cache_find(struct snapshot_cache *c, struct view_key key)
{
    for (size_t i = 0; i < c->views_n; i++)
        if (c->views[i]->key.a == key.a && c->views[i]->key.b == key.b)
            return c->views[i];
    return NULL;
}

enum err view_get(struct compile *c, const struct steer_shape *shape,
                  const struct snapshot_view **out)
{
    struct view_key key = shape_key(c, shape);
    struct view_entry *v = cache_find(c->cache, key);
    /* Those of the world before, still in the cache, do not count. */
    if (!(v && v->used) && ++c->views_used > SNAPSHOT_VIEWS_MAX)
        return diag_error(c->diag, ERR_LIMIT, "",
                          "more than %u different combinations of policy, map and regions",
                          SNAPSHOT_VIEWS_MAX);
    if (!v) {
        if (c->cache->views_n == c->cache->views_cap) {
            size_t cap = c->cache->views_cap ? c->cache->views_cap * 2 : 16;
            void *p = realloc(c->cache->views, cap * sizeof *c->cache->views);
            if (!p)
                return diag_error(c->diag, ERR_NOMEM, "", "out of memory while compiling a policy");
            c->cache->views = p;
            c->cache->views_cap = cap;
        }
        v = calloc(1, sizeof *v);
        if (!v)
            return diag_error(c->diag, ERR_NOMEM, "", "out of memory while compiling a policy");
        v->key = key;
        atomic_init(&v->refs, 1);
        enum err e = build(c, shape, v);
        if (e) {
            entry_unref(v);
            return e;
        }
        c->cache->views[c->cache->views_n++] = v;
    }
    v->used = true;
    atomic_fetch_add(&v->refs, 1);
    *out = &v->view;
    return ERR_OK;
}
