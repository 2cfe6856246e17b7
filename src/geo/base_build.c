#include "geo_priv.h"

#include "base/check.h"
#include "base/hash.h"
#include "index.h"

/* Something that says one thing of each address: a database, the own networks, the kinds. */
struct source {
    const void *start;
    const uint32_t *value;
    unsigned start_bits; /* 32: IPv4; 64: the upper half of IPv6; 128 */
    size_t n, i;         /* i: the range the sweep is in */
};

struct build {
    struct geo_base *b;
    struct geo_index place_index, spot_index;
    uint32_t **place_of; /* per database: its place -> ours */
    size_t places_cap, spots_cap;
    struct source *sources; /* the databases, then own networks, then kinds */
    size_t sources_n;
    struct ranges_v6_full own[2]; /* flattened: IPv4, IPv6 */
};

#define V6(upper, lower) ((u128)(upper) << 64 | (lower))

static const u128 kind_start_v4[] = {0,          0x0a000000, 0x0b000000, 0xac100000,
                                     0xac200000, 0xc0a80000, 0xc0a90000};
static const uint32_t kind_value_v4[] = {GEO_KIND_PLAIN,   GEO_KIND_PRIVATE, GEO_KIND_PLAIN,
                                         GEO_KIND_PRIVATE, GEO_KIND_PLAIN,   GEO_KIND_PRIVATE,
                                         GEO_KIND_PLAIN};
static const u128 kind_start_v6[] = {
    0,
    V6(0, 0x0000ffff00000000), /* ::ffff:0:0/96 */
    V6(0, 0x0001000000000000),
    V6(0x0064ff9b00000000, 0), /* 64:ff9b::/96 */
    V6(0x0064ff9b00000000, 0x100000000),
    V6(0x2001000000000000, 0), /* 2001::/32 */
    V6(0x2001000100000000, 0),
    V6(0x2002000000000000, 0), /* 2002::/16 */
    V6(0x2003000000000000, 0),
    V6(0xfc00000000000000, 0), /* fc00::/7 */
    V6(0xfe00000000000000, 0),
};
static const uint32_t kind_value_v6[] = {
    GEO_KIND_PLAIN, GEO_KIND_EMBEDDED, GEO_KIND_PLAIN, GEO_KIND_EMBEDDED,
    GEO_KIND_PLAIN, GEO_KIND_EMBEDDED, GEO_KIND_PLAIN, GEO_KIND_EMBEDDED,
    GEO_KIND_PLAIN, GEO_KIND_PRIVATE,  GEO_KIND_PLAIN,
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
    w->place_of = calloc(w->b->dbs_n + 1, sizeof *w->place_of);
    if (!w->place_of)
        return ERR_NOMEM;
    for (size_t d = 0; d < w->b->dbs_n && !e; d++) {
        const struct geo_db *db = w->b->dbs[d];
        w->place_of[d] = malloc(db->places_n * sizeof **w->place_of);
        if (!w->place_of[d])
            return ERR_NOMEM;
        for (uint32_t i = 0; i < db->places_n && !e; i++)
            e = intern_place(w, &db->places[i], &w->place_of[d][i]);
    }
    return e;
}

static bool same_spot(const void *ctx, uint32_t value, const void *key)
{
    const struct geo_spot *a = &((const struct build *)ctx)->b->spots[value], *s = key;
    return a->place == s->place && a->asn == s->asn && a->own == s->own && a->kind == s->kind;
}

static enum err intern_spot(struct build *w, const struct geo_spot *s, uint32_t *out)
{
    struct geo_base *b = w->b;
    if (!geo__index_reserve(&w->spot_index))
        return ERR_NOMEM;
    uint32_t hash = (uint32_t)hash_mix(((uint64_t)s->place << 32 | s->asn) ^
                                       hash_mix((uint64_t)s->own << 8 | s->kind));
    *out = geo__index_find(&w->spot_index, hash, same_spot, w, s);
    if (*out != GEO_NONE)
        return ERR_OK;
    if (b->spots_n == w->spots_cap) {
        struct geo_spot *q = grow(b->spots, &w->spots_cap, sizeof *q);
        if (!q)
            return ERR_NOMEM;
        b->spots = q;
    }
    *out = b->spots_n++;
    b->spots[*out] = *s;
    geo__index_put(&w->spot_index, hash, *out);
    return ERR_OK;
}

static u128 source_start(const struct source *s, size_t i)
{
    switch (s->start_bits) {
    case 32:
        return ((const uint32_t *)s->start)[i];
    case 64:
        return (u128)((const uint64_t *)s->start)[i] << 64;
    default:
        return ((const u128 *)s->start)[i];
    }
}

static void open_sources(struct build *w, unsigned family)
{
    size_t dbs_n = w->b->dbs_n;
    for (size_t d = 0; d < dbs_n; d++) {
        const struct geo_db *db = w->b->dbs[d];
        w->sources[d] = family == 4 ? (struct source){db->v4.start, db->v4.value, 32, db->v4.n, 0}
                                    : (struct source){db->v6.start, db->v6.value, 64, db->v6.n, 0};
    }
    const struct ranges_v6_full *own = &w->own[family == 6];
    w->sources[dbs_n] = (struct source){own->start, own->value, 128, own->n, 0};
    w->sources[dbs_n + 1] =
        family == 4
            ? (struct source){kind_start_v4, kind_value_v4, 128, ARRAY_LEN(kind_start_v4), 0}
            : (struct source){kind_start_v6, kind_value_v6, 128, ARRAY_LEN(kind_start_v6), 0};
}

/* The spot at the point where the sweep is. */
static enum err spot_here(struct build *w, uint32_t *out)
{
    struct geo_spot s = {0};
    size_t dbs_n = w->b->dbs_n;
    for (size_t d = 0; d < dbs_n && !(s.place && s.asn); d++) {
        uint32_t value = w->sources[d].value[w->sources[d].i];
        if (s.place == 0)
            s.place = w->place_of[d][value];
        if (s.asn == 0)
            s.asn = w->b->dbs[d]->places[value].asn;
    }
    s.own = w->sources[dbs_n].value[w->sources[dbs_n].i];
    s.kind = (uint8_t)w->sources[dbs_n + 1].value[w->sources[dbs_n + 1].i];
    return intern_spot(w, &s, out);
}

/* Steps every source that ends first. Returns false at the end of the family. */
static bool sweep_on(struct build *w, u128 *at)
{
    u128 next = 0;
    bool any = false;
    for (size_t i = 0; i < w->sources_n; i++) {
        const struct source *s = &w->sources[i];
        if (s->i + 1 == s->n)
            continue;
        u128 start = source_start(s, s->i + 1);
        if (!any || start < next)
            next = start;
        any = true;
    }
    for (size_t i = 0; any && i < w->sources_n; i++) {
        struct source *s = &w->sources[i];
        if (s->i + 1 < s->n && source_start(s, s->i + 1) == next)
            s->i++;
    }
    *at = next;
    return any;
}

static enum err sweep(struct build *w, unsigned family)
{
    struct ranges_v4 *v4 = &w->b->v4;
    struct ranges_v6_full *v6 = &w->b->v6;
    open_sources(w, family);
    size_t most = 0;
    for (size_t i = 0; i < w->sources_n; i++)
        most += w->sources[i].n;
    if (family == 4 ? !geo__ranges_v4_reserve(v4, most) : !geo__ranges_v6_full_reserve(v6, most))
        return ERR_NOMEM;
    u128 at = 0;
    do {
        uint32_t spot;
        enum err e = spot_here(w, &spot);
        if (e)
            return e;
        if (family == 4 && (v4->n == 0 || v4->value[v4->n - 1] != spot)) {
            v4->start[v4->n] = (uint32_t)at;
            v4->value[v4->n++] = spot;
        } else if (family == 6 && (v6->n == 0 || v6->value[v6->n - 1] != spot)) {
            v6->start[v6->n] = at;
            v6->value[v6->n++] = spot;
        }
    } while (sweep_on(w, &at));
    bool ok =
        family == 4 ? geo__ranges_v4_reserve(v4, v4->n) : geo__ranges_v6_full_reserve(v6, v6->n);
    return ok ? ERR_OK : ERR_NOMEM;
}

static enum err build(struct build *w, struct geo_db *const *dbs, size_t dbs_n,
                      const struct ip_prefix *own, size_t own_n)
{
    w->b->dbs = calloc(dbs_n + 1, sizeof(struct geo_db *));
    if (!w->b->dbs)
        return ERR_NOMEM;
    for (size_t i = 0; i < dbs_n; i++)
        w->b->dbs[w->b->dbs_n++] = geo_db_ref(dbs[i]);
    w->sources_n = dbs_n + 2;
    w->sources = calloc(w->sources_n, sizeof *w->sources);
    enum err e = w->sources ? ERR_OK : ERR_NOMEM;
    if (!e)
        e = geo__own_build(w->b, own, own_n);
    if (!e)
        e = geo__own_flatten(w->b, 4, &w->own[0]);
    if (!e)
        e = geo__own_flatten(w->b, 6, &w->own[1]);
    if (!e)
        e = build_places(w);
    if (!e)
        e = sweep(w, 4);
    if (!e)
        e = sweep(w, 6);
    return e;
}

static void build_fini(struct build *w)
{
    for (size_t d = 0; w->place_of && d < w->b->dbs_n; d++)
        free(w->place_of[d]);
    free(w->place_of);
    free(w->sources);
    geo__index_fini(&w->place_index);
    geo__index_fini(&w->spot_index);
    geo__ranges_v6_full_fini(&w->own[0]);
    geo__ranges_v6_full_fini(&w->own[1]);
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
    build_fini(&w);
    if (e) {
        geo_base_unref(&b);
        return diag_error(diag, e, "geo", "%s for the merged networks of %zu databases and %zu own",
                          err_text(e), dbs_n, own_n);
    }
    *out = b;
    return ERR_OK;
}
