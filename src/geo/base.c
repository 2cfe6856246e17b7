#include "sweep.h"

#include "base/check.h"

#include <stdlib.h>

struct geo_base *geo_base_ref(struct geo_base *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void geo_base_unref(struct geo_base **base)
{
    struct geo_base *b = *base;
    *base = NULL;
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < b->dbs_n; i++) {
        geo_db_unref(&b->dbs[i]);
        if (b->place_of)
            free(b->place_of[i]);
    }
    free(b->dbs);
    free(b->place_of);
    free(b->own);
    geo__ranges_v6_full_fini(&b->own_ranges[0]);
    geo__ranges_v6_full_fini(&b->own_ranges[1]);
    free(b->places);
    free(b->spots);
    geo__index_fini(&b->spot_index);
    geo__base_drop(b);
    free(b);
}

uint32_t geo_base_spots_n(const struct geo_base *b)
{
    return b->spots_n;
}

const struct geo_spot *geo_base_spot(const struct geo_base *b, uint32_t spot)
{
    CHECK(spot < b->spots_n);
    return &b->spots[spot];
}

uint32_t geo_base_places_n(const struct geo_base *b)
{
    return b->places_n;
}

const struct geo_place *geo_base_place(const struct geo_base *b, uint32_t place)
{
    CHECK(place < b->places_n);
    return &b->places[place];
}

uint32_t geo_base_own_n(const struct geo_base *b)
{
    return b->own_n;
}

const struct geo_own *geo_base_own(const struct geo_base *b, uint32_t own)
{
    CHECK(own < b->own_n);
    return &b->own[own];
}

uint32_t geo_base_own_find(const struct geo_base *b, const struct ip_prefix *p)
{
    uint32_t low = 0, high = b->own_n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct ip_prefix *q = &b->own[mid].prefix;
        int c = ip_compare(&q->ip, &p->ip);
        if (c == 0)
            c = (int)q->len - (int)p->len;
        if (c == 0)
            return mid;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return GEO_NONE;
}

uint32_t geo_base_find(const struct geo_base *b, const struct ip *ip)
{
    struct geo_spot s = geo__spot_at(b, ip);
    return geo__spot_find(b, &s);
}

size_t geo_base_dbs_n(const struct geo_base *b)
{
    return b->dbs_n;
}

struct geo_db *geo_base_db(const struct geo_base *b, size_t i)
{
    CHECK(i < b->dbs_n);
    return b->dbs[i];
}

/* The range from first to just before end. */
static void tell(void (*fn)(void *, const struct ip *, uint64_t, uint32_t), void *ctx, u128 first,
                 u128 end, uint32_t spot)
{
    unsigned shift = 32 - BLOCK_BITS_V4;
    struct ip ip = geo__address(4, first);
    fn(ctx, &ip, (uint64_t)(((end - 1) >> shift) - (first >> shift)) + 1, spot);
}

bool geo_base_each_v4(const struct geo_base *b,
                      void (*fn)(void *ctx, const struct ip *first, uint64_t blocks, uint32_t spot),
                      void *ctx)
{
    const struct ranges_v4 *v4 = &b->v4;
    if (!geo__base_folds(b)) {
        for (size_t i = 0; i < v4->n; i++)
            tell(fn, ctx, v4->start[i], i + 1 < v4->n ? v4->start[i + 1] : geo__family_last(4) + 1,
                 v4->value[i]);
        return true;
    }
    struct sweep s;
    bool ok = geo__sweep_open(&s, b, NULL, 4) == ERR_OK;
    u128 first = 0;
    uint32_t spot = GEO_NONE;
    for (bool more = ok; more; more = geo__sweep_on(&s)) {
        uint32_t here;
        enum err e = geo__sweep_spot(&s, &here);
        CHECK(e == ERR_OK); /* all spots are known */
        if (here == spot)
            continue;
        if (spot != GEO_NONE)
            tell(fn, ctx, first, s.at, spot);
        first = s.at;
        spot = here;
    }
    if (ok)
        tell(fn, ctx, first, geo__family_last(4) + 1, spot);
    geo__sweep_close(&s);
    return ok;
}
