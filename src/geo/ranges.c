#include "geo_priv.h"

#include "base/pages.h"

#include <stdlib.h>

static bool resize(void **p, size_t before, size_t n, size_t size)
{
    if (n > SIZE_MAX / size)
        return false;
    void *q = realloc(*p, n ? n * size : 1);
    if (q && n > before)
        pages_ready(q, before * size, n * size);
    if (q)
        *p = q;
    return q != NULL;
}

/* The three kinds differ in the type of their starts only. */
#define RANGES(kind, key)                                                                          \
    bool geo__##kind##_reserve(struct kind *r, size_t cap)                                         \
    {                                                                                              \
        void *start = r->start, *value = r->value;                                                 \
        bool ok = resize(&start, r->cap, cap, sizeof *r->start) &&                                 \
                  resize(&value, r->cap, cap, sizeof *r->value);                                   \
        r->start = start;                                                                          \
        r->value = value;                                                                          \
        if (ok)                                                                                    \
            r->cap = cap;                                                                          \
        return ok;                                                                                 \
    }                                                                                              \
    void geo__##kind##_fini(struct kind *r)                                                        \
    {                                                                                              \
        free(r->start);                                                                            \
        free(r->value);                                                                            \
        memset(r, 0, sizeof *r);                                                                   \
    }                                                                                              \
    size_t geo__##kind##_find(const struct kind *r, key k)                                         \
    {                                                                                              \
        size_t at = 0, n = r->n;                                                                   \
        while (n > 1) {                                                                            \
            size_t half = n / 2;                                                                   \
            at += r->start[at + half] <= k ? half : 0;                                             \
            n -= half;                                                                             \
        }                                                                                          \
        return at;                                                                                 \
    }

RANGES(ranges_v4, uint32_t)
RANGES(ranges_v6, uint64_t)
RANGES(ranges_v6_full, u128)

unsigned geo__block_around(u128 at, u128 first, u128 last, unsigned bits)
{
    unsigned len = 0;
    for (; len < bits; len++) {
        u128 host = geo__family_last(bits == 32 ? 4 : 6) >> len;
        if ((at & ~host) >= first && (at | host) <= last)
            break;
    }
    return len;
}
