#include "geo_priv.h"

#include "base/check.h"
#include "base/hash.h"
#include "sweep.h"

struct build {
    struct geo_base *b;
    struct geo_index place_index;
    size_t places_cap;
};

static void *grow(void *p, size_t *cap, size_t size)
{
    size_t wider = *cap ? 2 * *cap : 256;
    void *q = realloc(p, wider * size);
    if (q)
        *cap = wider;
    return q;
}

static bool same_place(const void *ctx, uint32_t value, const void *key)
{
    const struct geo_place *a = &((const struct build *)ctx)->b->places[value], *p = key;
    return strcmp(a->continent, p->continent) == 0 && strcmp(a->country, p->country) == 0 &&
           strcmp(a->subdivision, p->subdivision) == 0 && a->located == p->located &&
           memcmp(&a->lat, &p->lat, sizeof a->lat) == 0 &&
           memcmp(&a->lon, &p->lon, sizeof a->lon) == 0 && a->radius_km == p->radius_km &&
           strcmp(a->city, p->city) == 0;
}

static uint32_t hash_place(const struct geo_place *p)
{
    char texts[sizeof p->continent + sizeof p->country + sizeof p->subdivision];
    memcpy(texts, p->continent, sizeof p->continent);
    memcpy(texts + sizeof p->continent, p->country, sizeof p->country);
    memcpy(texts + sizeof p->continent + sizeof p->country, p->subdivision, sizeof p->subdivision);
    uint32_t lat, lon;
    memcpy(&lat, &p->lat, sizeof lat);
    memcpy(&lon, &p->lon, sizeof lon);
    uint64_t h = hash_bytes(texts, sizeof texts, (uint64_t)lat << 32 | lon);
    return (uint32_t)hash_bytes(p->city, strlen(p->city), h ^ p->radius_km);
}

/* A place is what is known of the location alone: two records that differ in the AS are one place.
 */
static enum err intern_place(struct build *w, const struct geo_place *p, uint32_t *out)
{
    struct geo_base *b = w->b;
    if (!geo__index_reserve(&w->place_index))
        return ERR_NOMEM;
    uint32_t hash = hash_place(p);
    *out = geo__index_find(&w->place_index, hash, same_place, w, p);
    if (*out != GEO_NONE)
        return ERR_OK;
    if (b->places_n == w->places_cap) {
        struct geo_place *q = grow(b->places, &w->places_cap, sizeof *q);
        if (!q)
            return ERR_NOMEM;
        b->places = q;
    }
    *out = b->places_n++;
    b->places[*out] = *p;
    b->places[*out].asn = 0;
    b->places[*out].as_org = "";
    geo__index_put(&w->place_index, hash, *out);
    return ERR_OK;
}

static enum err build_places(struct build *w)
{
    static const struct geo_place nowhere = {.city = "", .as_org = ""};
    uint32_t zero;
    enum err e = intern_place(w, &nowhere, &zero);
    w->b->place_of = calloc(w->b->dbs_n + 1, sizeof *w->b->place_of);
    if (!w->b->place_of)
        return ERR_NOMEM;
    for (size_t d = 0; d < w->b->dbs_n && !e; d++) {
        const struct geo_db *db = w->b->dbs[d];
        uint32_t *of = malloc(db->places_n * sizeof *of);
        w->b->place_of[d] = of;
        if (!of)
            return ERR_NOMEM;
        for (uint32_t i = 0; i < db->places_n && !e; i++)
            e = intern_place(w, &db->places[i], &of[i]);
    }
    return e;
}

static bool same_spot(const void *ctx, uint32_t value, const void *key)
{
    const struct geo_spot *a = &((const struct geo_base *)ctx)->spots[value], *s = key;
    return a->place == s->place && a->asn == s->asn && a->own == s->own && a->kind == s->kind;
}

static uint32_t hash_spot(const struct geo_spot *s)
{
    return (uint32_t)hash_mix(((uint64_t)s->place << 32 | s->asn) ^
                              hash_mix((uint64_t)s->own << 8 | s->kind));
}

uint32_t geo__spot_find(const struct geo_base *b, const struct geo_spot *s)
{
    uint32_t spot = geo__index_find(&b->spot_index, hash_spot(s), same_spot, b, s);
    CHECK(spot != GEO_NONE);
    return spot;
}

enum err geo__spot_intern(struct geo_base *b, const struct geo_spot *s, uint32_t *out)
{
    if (!geo__index_reserve(&b->spot_index))
        return ERR_NOMEM;
    uint32_t hash = hash_spot(s);
    *out = geo__index_find(&b->spot_index, hash, same_spot, b, s);
    if (*out != GEO_NONE)
        return ERR_OK;
    if (b->spots_n == b->spots_cap) {
        struct geo_spot *q = grow(b->spots, &b->spots_cap, sizeof *q);
        if (!q)
            return ERR_NOMEM;
        b->spots = q;
    }
    *out = b->spots_n++;
    b->spots[*out] = *s;
    geo__index_put(&b->spot_index, hash, *out);
    return ERR_OK;
}

static bool reserve(struct geo_base *b, unsigned family, size_t n)
{
    return family == 4 ? geo__ranges_v4_reserve(&b->v4, n) : geo__ranges_v6_full_reserve(&b->v6, n);
}

static void put_range(struct geo_base *b, unsigned family, u128 at, uint32_t spot)
{
    struct ranges_v4 *v4 = &b->v4;
    struct ranges_v6_full *v6 = &b->v6;
    if (family == 4 && (v4->n == 0 || v4->value[v4->n - 1] != spot)) {
        v4->start[v4->n] = (uint32_t)at;
        v4->value[v4->n++] = spot;
    } else if (family == 6 && (v6->n == 0 || v6->value[v6->n - 1] != spot)) {
        v6->start[v6->n] = at;
        v6->value[v6->n++] = spot;
    }
}

static enum err spread_family(struct geo_base *b, unsigned family)
{
    struct sweep s;
    enum err e =
        geo__sweep_open(&s, b, b->built ? NULL : b, family); /* what others read does not grow */
    size_t most = 0;
    for (size_t i = 0; !e && i < s.n; i++)
        most += s.sources[i].n;
    if (!e && !reserve(b, family, most))
        e = ERR_NOMEM;
    for (bool more = !e; more; more = geo__sweep_on(&s)) {
        uint32_t spot;
        e = geo__sweep_spot(&s, &spot);
        if (e)
            break;
        put_range(b, family, s.at, spot);
    }
    geo__sweep_close(&s);
    return e;
}

enum err geo__base_spread(struct geo_base *b)
{
    if (b->spread)
        return ERR_OK;
    enum err e = spread_family(b, 4);
    if (!e)
        e = spread_family(b, 6);
    if (!e && (!reserve(b, 4, b->v4.n) || !reserve(b, 6, b->v6.n)))
        e = ERR_NOMEM;
    b->spread = true;
    if (e)
        geo__base_drop(b);
    return e;
}

void geo_base_fold(struct geo_base *b)
{
    if (!geo__base_folds(b))
        return;
    geo__base_drop(b);
}

void geo__base_drop(struct geo_base *b)
{
    geo__ranges_v4_fini(&b->v4);
    geo__ranges_v6_full_fini(&b->v6);
    b->spread = false;
}

static enum err build(struct build *w, struct geo_db *const *dbs, size_t dbs_n,
                      const struct ip_prefix *own, size_t own_n)
{
    w->b->dbs = calloc(dbs_n + 1, sizeof(struct geo_db *));
    if (!w->b->dbs)
        return ERR_NOMEM;
    for (size_t i = 0; i < dbs_n; i++)
        w->b->dbs[w->b->dbs_n++] = geo_db_ref(dbs[i]);
    enum err e = geo__own_build(w->b, own, own_n);
    if (!e)
        e = geo__own_flatten(w->b, 4, &w->b->own_ranges[0]);
    if (!e)
        e = geo__own_flatten(w->b, 6, &w->b->own_ranges[1]);
    if (!e)
        e = build_places(w);
    if (!e)
        e = geo__base_spread(w->b);
    w->b->built = true;
    return e;
}

enum err geo_base_build(struct geo_db *const *dbs, size_t dbs_n, const struct ip_prefix *own,
                        size_t own_n, struct geo_base **out, struct diag *diag)
{
    *out = NULL;
    struct geo_base *b = calloc(1, sizeof *b);
    if (!b)
        return diag_error(diag, ERR_NOMEM, "geo", "out of memory for the merged networks");
    atomic_init(&b->refs, 1);
    struct build w = {.b = b};
    enum err e = build(&w, dbs, dbs_n, own, own_n);
    geo__index_fini(&w.place_index);
    if (e) {
        geo_base_unref(&b);
        return diag_error(diag, e, "geo", "%s for the merged networks of %zu databases and %zu own",
                          err_text(e), dbs_n, own_n);
    }
    *out = b;
    return ERR_OK;
}
