#include "steer/places.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ------------------------------------------------------------------------------------ the keys */

/* Text kinds are matched by comparing what follows the colon: "GB/London", "US-CA", "GB", "EU". */
struct text_rule {
    const char *key;
    uint32_t rule;
};

struct asn_rule {
    uint32_t asn, rule;
};

struct steer_map {
    const struct steer_rule *rules;
    const uint32_t *of_own; /* [own_n]: rule named by exactly this network, GEO_NONE */
    struct asn_rule *asn;
    uint32_t asn_n;
    struct text_rule *text[WHERE_DEFAULT]; /* by kind, sorted */
    uint32_t text_n[WHERE_DEFAULT];
    uint32_t fallback; /* the default rule, GEO_NONE */
};

static const char *after_colon(const char *text)
{
    const char *colon = strchr(text, ':');
    return colon ? colon + 1 : text;
}

static int text_order(const void *a, const void *b)
{
    return strcasecmp(((const struct text_rule *)a)->key, ((const struct text_rule *)b)->key);
}

static int asn_order(const void *a, const void *b)
{
    uint32_t x = ((const struct asn_rule *)a)->asn, y = ((const struct asn_rule *)b)->asn;
    return x < y ? -1 : x > y;
}

static const uint8_t *region_indices(const struct model *m, const char *const *names, uint32_t n,
                                     struct arena *arena)
{
    uint8_t *out = ARENA_ARRAY(arena, uint8_t, n ? n : 1);
    for (uint32_t i = 0; out && i < n; i++) {
        int index = model_region_index(m, names[i]);
        CHECK(index >= 0); /* validated */
        out[i] = (uint8_t)index;
    }
    return out;
}

static void sort_text(struct steer_map *map)
{
    for (int kind = 0; kind < WHERE_DEFAULT; kind++)
        if (map->text_n[kind])
            qsort(map->text[kind], map->text_n[kind], sizeof *map->text[kind], text_order);
    if (map->asn_n)
        qsort(map->asn, map->asn_n, sizeof *map->asn, asn_order);
}

const struct steer_map *steer_map_build(const struct model *m, const struct model_map *in,
                                        const struct geo_base *base, struct arena *arena)
{
    uint32_t own_n = geo_base_own_n(base), n = in->rules_n;
    struct steer_map *map = ARENA_NEW(arena, struct steer_map);
    struct steer_rule *rules = ARENA_ARRAY(arena, struct steer_rule, n ? n : 1);
    uint32_t *of_own = ARENA_ARRAY(arena, uint32_t, own_n ? own_n : 1);
    struct asn_rule *asn = ARENA_ARRAY(arena, struct asn_rule, n ? n : 1);
    if (!map || !rules || !of_own || !asn)
        return NULL;
    for (uint32_t i = 0; i < own_n; i++)
        of_own[i] = GEO_NONE;
    for (int kind = 0; kind < WHERE_DEFAULT; kind++) {
        map->text[kind] = ARENA_ARRAY(arena, struct text_rule, n ? n : 1);
        if (!map->text[kind])
            return NULL;
    }
    *map = (struct steer_map){.rules = rules,
                              .of_own = of_own,
                              .asn = asn,
                              .fallback = GEO_NONE,
                              .text = {map->text[0], map->text[1], map->text[2], map->text[3],
                                       map->text[4], map->text[5]}};
    for (uint32_t i = 0; i < n; i++) {
        const struct model_rule *r = &in->rules[i];
        rules[i] =
            (struct steer_rule){.regions = region_indices(m, r->regions, r->regions_n, arena),
                                .regions_n = r->regions_n,
                                .where = r->where.text};
        if (r->where.kind == WHERE_NET) {
            uint32_t own = geo_base_own_find(base, &r->where.net);
            CHECK(own != GEO_NONE);
            of_own[own] = i;
        } else if (r->where.kind == WHERE_ASN)
            asn[map->asn_n++] = (struct asn_rule){r->where.asn, i};
        else if (r->where.kind == WHERE_DEFAULT)
            map->fallback = i;
        else
            map->text[r->where.kind][map->text_n[r->where.kind]++] =
                (struct text_rule){after_colon(r->where.text), i};
    }
    sort_text(map);
    return arena_failed(arena) ? NULL : map;
}

/* ------------------------------------------------------------------------------------- matching */

/* What a place calls itself for each text kind; false when it does not know. */
static bool place_key(const struct geo_place *p, enum model_where kind, char *out, size_t cap)
{
    switch (kind) {
    case WHERE_CITY: {
        size_t c = strlen(p->country), n = strlen(p->city);
        if (!c || !n || c + 1 + n >= cap)
            return false;
        memcpy(out, p->country, c);
        out[c] = '/';
        memcpy(out + c + 1, p->city, n + 1);
        return true;
    }
    case WHERE_SUBDIVISION:
        strcpy(out, p->subdivision);
        break;
    case WHERE_COUNTRY:
        strcpy(out, p->country);
        break;
    case WHERE_CONTINENT:
        strcpy(out, p->continent);
        break;
    case WHERE_NET:
    case WHERE_ASN:
    case WHERE_DEFAULT:
        return false;
    }
    return out[0] != '\0';
}

static uint32_t match_text(const struct text_rule *rules, uint32_t n, const char *key)
{
    struct text_rule want = {.key = key};
    const struct text_rule *hit = n ? bsearch(&want, rules, n, sizeof *rules, text_order) : NULL;
    return hit ? hit->rule : GEO_NONE;
}

static uint32_t match_asn(const struct asn_rule *rules, uint32_t n, uint32_t asn)
{
    struct asn_rule want = {.asn = asn};
    const struct asn_rule *hit =
        n && asn ? bsearch(&want, rules, n, sizeof *rules, asn_order) : NULL;
    return hit ? hit->rule : GEO_NONE;
}

const struct steer_rule *steer_map_match(const struct steer_map *map, const struct geo_base *base,
                                         const struct geo_spot *spot)
{
    for (uint32_t own = spot->own; own != GEO_NONE; own = geo_base_own(base, own)->parent)
        if (map->of_own[own] != GEO_NONE)
            return &map->rules[map->of_own[own]];
    uint32_t rule = match_asn(map->asn, map->asn_n, spot->asn);
    if (rule != GEO_NONE)
        return &map->rules[rule];
    const struct geo_place *place = geo_base_place(base, spot->place);
    for (int kind = WHERE_CITY; kind < WHERE_DEFAULT; kind++) {
        char key[160];
        if (map->text_n[kind] && place_key(place, (enum model_where)kind, key, sizeof key)) {
            rule = match_text(map->text[kind], map->text_n[kind], key);
            if (rule != GEO_NONE)
                return &map->rules[rule];
        }
    }
    return steer_map_default(map);
}

const struct steer_rule *steer_map_default(const struct steer_map *map)
{
    return map->fallback == GEO_NONE ? NULL : &map->rules[map->fallback];
}

bool steer_map_uses_asn(const struct steer_map *map)
{
    return map->asn_n > 0;
}

bool steer_map_names(const struct steer_map *map, const struct geo_base *base, uint32_t own)
{
    for (; own != GEO_NONE; own = geo_base_own(base, own)->parent)
        if (map->of_own[own] != GEO_NONE)
            return true;
    return false;
}

/* -------------------------------------------------------------------------------------- latency */

struct latency_row {
    uint32_t number;  /* own network or ASN */
    const char *text; /* country or continent code */
    uint32_t region;
    double ms;
    const char *where;
};

struct steer_latency {
    struct latency_row *own, *asn, *country, *continent; /* each sorted */
    uint32_t own_n, asn_n, country_n, continent_n;
};

static int number_order(const void *a, const void *b)
{
    const struct latency_row *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->region < y->region ? -1 : x->region > y->region;
}

static int latency_text_order(const void *a, const void *b)
{
    const struct latency_row *x = a, *y = b;
    int c = strcasecmp(x->text, y->text);
    return c ? c : x->region < y->region ? -1 : x->region > y->region;
}

const struct steer_latency *steer_latency_build(const struct model *m, const struct geo_base *base,
                                                struct arena *arena)
{
    uint32_t n = m->latency_n ? m->latency_n : 1;
    struct steer_latency *l = ARENA_NEW(arena, struct steer_latency);
    if (!l)
        return NULL;
    l->own = ARENA_ARRAY(arena, struct latency_row, n);
    l->asn = ARENA_ARRAY(arena, struct latency_row, n);
    l->country = ARENA_ARRAY(arena, struct latency_row, n);
    l->continent = ARENA_ARRAY(arena, struct latency_row, n);
    if (arena_failed(arena))
        return NULL;
    for (uint32_t i = 0; i < m->latency_n; i++) {
        const struct model_latency *in = &m->latency[i];
        int region = model_region_index(m, in->region);
        CHECK(region >= 0);
        struct latency_row row = {.region = (uint32_t)region,
                                  .ms = in->ms,
                                  .where = in->where.text,
                                  .text = after_colon(in->where.text)};
        if (in->where.kind == WHERE_NET) {
            row.number = geo_base_own_find(base, &in->where.net);
            CHECK(row.number != GEO_NONE);
            l->own[l->own_n++] = row;
        } else if (in->where.kind == WHERE_ASN) {
            row.number = in->where.asn;
            l->asn[l->asn_n++] = row;
        } else if (in->where.kind == WHERE_COUNTRY)
            l->country[l->country_n++] = row;
        else if (in->where.kind == WHERE_CONTINENT)
            l->continent[l->continent_n++] = row;
    }
    qsort(l->own, l->own_n, sizeof *l->own, number_order);
    qsort(l->asn, l->asn_n, sizeof *l->asn, number_order);
    qsort(l->country, l->country_n, sizeof *l->country, latency_text_order);
    qsort(l->continent, l->continent_n, sizeof *l->continent, latency_text_order);
    return l;
}

static const struct latency_row *find_row(const struct latency_row *rows, uint32_t n,
                                          struct latency_row want,
                                          int (*order)(const void *, const void *))
{
    return n ? bsearch(&want, rows, n, sizeof *rows, order) : NULL;
}

double steer_latency_measured(const struct steer_latency *l, const struct geo_base *base,
                              const struct geo_spot *spot, uint32_t region, const char **where)
{
    const struct latency_row *hit = NULL;
    for (uint32_t own = spot->own; !hit && own != GEO_NONE; own = geo_base_own(base, own)->parent)
        hit = find_row(l->own, l->own_n, (struct latency_row){.number = own, .region = region},
                       number_order);
    if (!hit && spot->asn)
        hit = find_row(l->asn, l->asn_n,
                       (struct latency_row){.number = spot->asn, .region = region}, number_order);
    const struct geo_place *place = geo_base_place(base, spot->place);
    if (!hit && place->country[0])
        hit = find_row(l->country, l->country_n,
                       (struct latency_row){.text = place->country, .region = region},
                       latency_text_order);
    if (!hit && place->continent[0])
        hit = find_row(l->continent, l->continent_n,
                       (struct latency_row){.text = place->continent, .region = region},
                       latency_text_order);
    if (where)
        *where = hit ? hit->where : NULL;
    return hit ? hit->ms : -1;
}

bool steer_latency_uses_asn(const struct steer_latency *l)
{
    return l->asn_n > 0;
}

bool steer_latency_names(const struct steer_latency *l, const struct geo_base *base, uint32_t own)
{
    for (; own != GEO_NONE; own = geo_base_own(base, own)->parent)
        for (uint32_t i = 0; i < l->own_n; i++)
            if (l->own[i].number == own)
                return true;
    return false;
}
