#include "geo_priv.h"

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
    for (size_t i = 0; i < b->dbs_n; i++)
        geo_db_unref(&b->dbs[i]);
    free(b->dbs);
    free(b->own);
    free(b->places);
    free(b->spots);
    geo__ranges_v4_fini(&b->v4);
    geo__ranges_v6_full_fini(&b->v6);
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
    if (ip->family == 4)
        return b->v4.value[geo__ranges_v4_find(&b->v4, (uint32_t)geo__number(ip))];
    return b->v6.value[geo__ranges_v6_full_find(&b->v6, geo__number(ip))];
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

void geo_base_sizes(const struct geo_base *b, uint64_t *blocks)
{
    memset(blocks, 0, b->spots_n * sizeof *blocks);
    for (size_t i = 0; i < b->v4.n; i++) {
        uint32_t last = i + 1 < b->v4.n ? b->v4.start[i + 1] - 1 : UINT32_MAX;
        unsigned shift = 32 - BLOCK_BITS_V4;
        blocks[b->v4.value[i]] += (last >> shift) - (b->v4.start[i] >> shift) + 1;
    }
    for (size_t i = 0; i < b->v6.n; i++) {
        u128 last = i + 1 < b->v6.n ? b->v6.start[i + 1] - 1 : geo__family_last(6);
        unsigned shift = 128 - BLOCK_BITS_V6;
        blocks[b->v6.value[i]] += (uint64_t)((last >> shift) - (b->v6.start[i] >> shift)) + 1;
    }
}

void geo_base_each_v4(const struct geo_base *b,
                      void (*fn)(void *ctx, const struct ip *first, uint64_t blocks, uint32_t spot),
                      void *ctx)
{
    unsigned shift = 32 - BLOCK_BITS_V4;
    for (size_t i = 0; i < b->v4.n; i++) {
        uint32_t first = b->v4.start[i];
        uint32_t last = i + 1 < b->v4.n ? b->v4.start[i + 1] - 1 : UINT32_MAX;
        struct ip ip = {.family = 4,
                        .b = {(uint8_t)(first >> 24), (uint8_t)(first >> 16), (uint8_t)(first >> 8),
                              (uint8_t)first}};
        fn(ctx, &ip, (last >> shift) - (first >> shift) + 1, b->v4.value[i]);
    }
}
