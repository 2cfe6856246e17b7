#include "geo_priv.h"

#include "base/check.h"
#include <stdlib.h>

static int compare_own(const void *x, const void *y)
{
    const struct geo_own *a = x, *b = y;
    int c = ip_compare(&a->prefix.ip, &b->prefix.ip);
    return c ? c : (int)a->prefix.len - (int)b->prefix.len;
}

static void set_parents(struct geo_base *b)
{
    for (uint32_t i = 0; i < b->own_n; i++) {
        /* The network before is the parent, or one of its ancestors is. */
        uint32_t p = i ? i - 1 : GEO_NONE;
        while (p != GEO_NONE && !ip_prefix_contains(&b->own[p].prefix, &b->own[i].prefix.ip))
            p = b->own[p].parent;
        b->own[i].parent = p;
    }
}

enum err geo__own_build(struct geo_base *b, const struct ip_prefix *own, size_t own_n)
{
    if (own_n >= GEO_NONE)
        return ERR_LIMIT;
    b->own = calloc(own_n ? own_n : 1, sizeof *b->own);
    if (!b->own)
        return ERR_NOMEM;
    for (size_t i = 0; i < own_n; i++) {
        b->own[i].prefix = own[i];
        ip_mask(&b->own[i].prefix.ip, own[i].len);
    }
    qsort(b->own, own_n, sizeof *b->own, compare_own);
    for (size_t i = 0; i < own_n; i++)
        if (i == 0 || compare_own(&b->own[b->own_n - 1], &b->own[i]) != 0)
            b->own[b->own_n++] = b->own[i];
    set_parents(b);
    return ERR_OK;
}

static u128 last_of(const struct geo_base *b, uint32_t own)
{
    const struct ip_prefix *p = &b->own[own].prefix;
    unsigned bits = ip_bits(&p->ip);
    u128 host = p->len == bits ? 0 : geo__family_last(p->ip.family) >> p->len;
    return geo__number(&p->ip) | host;
}

static void put(struct ranges_v6_full *out, u128 start, uint32_t value)
{
    if (out->n && out->start[out->n - 1] == start)
        out->n--;
    if (out->n && out->value[out->n - 1] == value)
        return;
    CHECK(out->n < out->cap);
    out->start[out->n] = start;
    out->value[out->n++] = value;
}

/* Closes the open network and those around it that end before `next`. */
static uint32_t close_before(const struct geo_base *b, struct ranges_v6_full *out, uint32_t open,
                             u128 next)
{
    while (open != GEO_NONE && last_of(b, open) < next) {
        u128 last = last_of(b, open);
        open = b->own[open].parent;
        put(out, last + 1, open);
    }
    return open;
}

enum err geo__own_flatten(const struct geo_base *b, unsigned family, struct ranges_v6_full *out)
{
    if (!geo__ranges_v6_full_reserve(out, 2 * (size_t)b->own_n + 1))
        return ERR_NOMEM;
    put(out, 0, GEO_NONE);
    uint32_t open = GEO_NONE;
    for (uint32_t i = 0; i < b->own_n; i++) {
        const struct ip_prefix *p = &b->own[i].prefix;
        if (p->ip.family != family)
            continue;
        u128 start = geo__number(&p->ip);
        open = close_before(b, out, open, start);
        put(out, start, i);
        open = i;
    }
    /* What ends with the family needs no end. */
    close_before(b, out, open, geo__family_last(family));
    return ERR_OK;
}
