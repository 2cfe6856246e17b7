#include "sweep.h"

#include "base/check.h"

#include <stdlib.h>

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

/* What source i of a base says, over a family: the databases, then the own networks, then the kinds. */
static struct sweep_source source(const struct geo_base *b, size_t i, unsigned family)
{
    if (i < b->dbs_n) {
        const struct geo_db *db = b->dbs[i];
        return family == 4 ? (struct sweep_source){db->v4.start, db->v4.value, 32, db->v4.n, 0}
                           : (struct sweep_source){db->v6.start, db->v6.value, 64, db->v6.n, 0};
    }
    if (i == b->dbs_n) {
        const struct ranges_v6_full *own = &b->own_ranges[family == 6];
        return (struct sweep_source){own->start, own->value, 128, own->n, 0};
    }
    return family == 4 ? (struct sweep_source){kind_start_v4, kind_value_v4, 128,
                                               ARRAY_LEN(kind_start_v4), 0}
                       : (struct sweep_source){kind_start_v6, kind_value_v6, 128,
                                               ARRAY_LEN(kind_start_v6), 0};
}

static u128 start_of(const struct sweep_source *s, size_t i)
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

/* What database d says, where those before it said nothing. */
static void add(const struct geo_base *b, struct geo_spot *s, size_t d, uint32_t value)
{
    if (s->place == 0)
        s->place = b->place_of[d][value];
    if (s->asn == 0)
        s->asn = b->dbs[d]->places[value].asn;
}

static struct geo_spot merge(const struct geo_base *b, const struct sweep_source *sources)
{
    const struct sweep_source *own = &sources[b->dbs_n], *kind = own + 1;
    struct geo_spot s = {.own = own->value[own->i], .kind = (uint8_t)kind->value[kind->i]};
    for (size_t d = 0; d < b->dbs_n && !(s.place && s.asn); d++)
        add(b, &s, d, sources[d].value[sources[d].i]);
    return s;
}

static uint32_t db_value(const struct geo_db *db, unsigned family, u128 key)
{
    return family == 4 ? db->v4.value[geo__ranges_v4_find(&db->v4, (uint32_t)key)]
                       : db->v6.value[geo__ranges_v6_find(&db->v6, (uint64_t)(key >> 64))];
}

struct geo_spot geo__spot_at(const struct geo_base *b, const struct ip *ip)
{
    u128 key = geo__number(ip);
    const struct ranges_v6_full *own = &b->own_ranges[ip->family == 6];
    struct sweep_source kind = source(b, b->dbs_n + 1, ip->family);
    while (kind.i + 1 < kind.n && start_of(&kind, kind.i + 1) <= key)
        kind.i++;
    struct geo_spot s = {.own = own->value[geo__ranges_v6_full_find(own, key)],
                         .kind = (uint8_t)kind.value[kind.i]};
    for (size_t d = 0; d < b->dbs_n && !(s.place && s.asn); d++)
        add(b, &s, d, db_value(b->dbs[d], ip->family, key));
    return s;
}

/* Where the next of all but the lead begins. */
static void begin_era(struct sweep *s)
{
    s->era++;
    s->others_end = true;
    for (size_t i = 0; i < s->n; i++) {
        const struct sweep_source *x = &s->sources[i];
        if (i == s->lead || x->i + 1 == x->n)
            continue;
        u128 start = start_of(x, x->i + 1);
        if (s->others_end || start < s->others_at)
            s->others_at = start;
        s->others_end = false;
    }
}

enum err geo__sweep_open(struct sweep *s, const struct geo_base *b, struct geo_base *grows,
                         unsigned family)
{
    *s = (struct sweep){.b = b, .grows = grows, .n = b->dbs_n + 2, .lead = b->dbs_n + 2};
    s->sources = calloc(s->n, sizeof *s->sources);
    if (!s->sources)
        return ERR_NOMEM;
    for (size_t i = 0; i < s->n; i++) {
        s->sources[i] = source(b, i, family);
        if (i < b->dbs_n && (s->lead == s->n || s->sources[i].n > s->sources[s->lead].n))
            s->lead = i;
    }
    if (s->lead < s->n) {
        s->known = calloc(b->dbs[s->lead]->places_n, sizeof *s->known);
        if (!s->known)
            return ERR_NOMEM;
    }
    begin_era(s);
    return ERR_OK;
}

void geo__sweep_close(struct sweep *s)
{
    free(s->sources);
    free(s->known);
    *s = (struct sweep){0};
}

static enum err number(const struct sweep *s, uint32_t *spot)
{
    struct geo_spot here = merge(s->b, s->sources);
    if (s->grows)
        return geo__spot_intern(s->grows, &here, spot);
    *spot = geo__spot_find(s->b, &here);
    return ERR_OK;
}

enum err geo__sweep_spot(struct sweep *s, uint32_t *spot)
{
    if (s->lead == s->n)
        return number(s, spot);
    const struct sweep_source *lead = &s->sources[s->lead];
    struct sweep_known *known = &s->known[lead->value[lead->i]];
    if (known->era != s->era) {
        enum err e = number(s, &known->spot);
        if (e)
            return e;
        known->era = s->era;
    }
    *spot = known->spot;
    return ERR_OK;
}

bool geo__sweep_on(struct sweep *s)
{
    bool any = !s->others_end;
    u128 next = s->others_at;
    if (s->lead < s->n) {
        struct sweep_source *lead = &s->sources[s->lead];
        if (lead->i + 1 < lead->n) {
            u128 start = start_of(lead, lead->i + 1);
            if (!any || start < next) {
                lead->i++;
                s->at = start;
                return true;
            }
        }
    }
    if (!any)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        struct sweep_source *x = &s->sources[i];
        if (x->i + 1 < x->n && start_of(x, x->i + 1) == next)
            x->i++;
    }
    s->at = next;
    begin_era(s);
    return true;
}
