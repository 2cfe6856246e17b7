/* index: a hash table of numbers for interning: the things themselves lie in the caller's array.
 * Owns      its slots. Lifetime: zero-filled is a valid empty one; geo__index_fini.
 * Errors    geo__index_reserve returns false when out of memory. */
#pragma once

#include "geo/db.h"

#include <stdlib.h>

struct geo_index_slot {
    uint32_t hash;
    uint32_t value; /* GEO_NONE: free */
};

struct geo_index {
    struct geo_index_slot *slots;
    size_t mask; /* slots - 1 */
    size_t used;
};

static inline void geo__index_put(struct geo_index *x, uint32_t hash, uint32_t value)
{
    size_t i = hash & x->mask;
    while (x->slots[i].value != GEO_NONE)
        i = (i + 1) & x->mask;
    x->slots[i] = (struct geo_index_slot){hash, value};
    x->used++;
}

/* Makes room for one more, at most half full. */
static inline bool geo__index_reserve(struct geo_index *x)
{
    size_t n = x->slots ? x->mask + 1 : 0;
    if (2 * (x->used + 1) <= n)
        return true;
    struct geo_index wider = {.mask = (n ? 2 * n : 256) - 1};
    wider.slots = malloc((wider.mask + 1) * sizeof *wider.slots);
    if (!wider.slots)
        return false;
    for (size_t i = 0; i <= wider.mask; i++)
        wider.slots[i].value = GEO_NONE;
    for (size_t i = 0; i < n; i++)
        if (x->slots[i].value != GEO_NONE)
            geo__index_put(&wider, x->slots[i].hash, x->slots[i].value);
    free(x->slots);
    *x = wider;
    return true;
}

/* The value for which same() says yes, else GEO_NONE. Needs a reserve before. */
static inline uint32_t geo__index_find(const struct geo_index *x, uint32_t hash,
                                       bool (*same)(const void *ctx, uint32_t value,
                                                    const void *key),
                                       const void *ctx, const void *key)
{
    for (size_t i = hash & x->mask; x->slots[i].value != GEO_NONE; i = (i + 1) & x->mask)
        if (x->slots[i].hash == hash && same(ctx, x->slots[i].value, key))
            return x->slots[i].value;
    return GEO_NONE;
}

static inline void geo__index_fini(struct geo_index *x)
{
    free(x->slots);
    *x = (struct geo_index){0};
}
