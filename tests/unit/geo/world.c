#include "world.h"

#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t world_seed(void)
{
    static uint64_t seed;
    if (seed == 0) {
        const char *text = getenv("SEED");
        seed = text ? strtoull(text, NULL, 0) : (uint64_t)clock_wall_ms() | 1;
        printf("SEED=%llu\n", (unsigned long long)seed);
    }
    return seed;
}

struct ip world_ip(const char *text)
{
    struct ip ip;
    assert_true(ip_parse(text, &ip));
    return ip;
}

struct ip_prefix world_prefix(const char *text)
{
    struct ip_prefix p;
    assert_true(ip_prefix_parse(text, &p));
    return p;
}

/* Bytes from a small set, so that networks nest, touch and repeat, and lie where kinds change. */
struct ip_prefix world_prefix_random(struct rng *r, unsigned family, unsigned len_max)
{
    static const uint8_t bytes[] = {0, 0, 1, 2, 10, 11, 127, 128, 172, 192, 168, 255, 16};
    static const char *const starts[] = {
        "::ffff:a00:1", "64:ff9b::a00:1", "2001:0:1:2::", "2002:a00::",
        "fc00::1",      "2001:db8::",     "::",           "2400::"};
    struct ip_prefix p = {.ip.family = (uint8_t)family};
    unsigned fixed = 0;
    if (family == 6 && rng_below(r, 2)) {
        p.ip = world_ip(starts[rng_below(r, 8)]);
        fixed = rng_below(r, 17);
    }
    for (unsigned i = fixed; i < (family == 4 ? 4u : 16u); i++)
        p.ip.b[i] = rng_below(r, 8) ? bytes[rng_below(r, sizeof bytes)] : (uint8_t)rng_next(r);
    p.len = (uint8_t)rng_below(r, len_max + 1);
    if (rng_below(r, 3) == 0)
        p.len = p.len / 8 * 8;
    ip_mask(&p.ip, p.len);
    return p;
}

static void step(struct ip *ip, int by)
{
    for (int i = ip->family == 4 ? 3 : 15; i >= 0; i--) {
        ip->b[i] = (uint8_t)(ip->b[i] + by);
        if (ip->b[i] != (by > 0 ? 0 : 255))
            return;
    }
}

static struct ip last_of(const struct ip_prefix *p)
{
    struct ip ip = p->ip;
    for (unsigned i = p->len; i < ip_bits(&ip); i++)
        ip.b[i / 8] |= (uint8_t)(0x80 >> (i % 8));
    return ip;
}

struct ip world_pick(const struct world *w, struct rng *r)
{
    unsigned how = rng_below(r, 8);
    if (how == 0 || w->own_n == 0)
        return last_of(
            &(struct ip_prefix){world_prefix_random(r, rng_below(r, 2) ? 4 : 6, 32).ip, 128});
    const struct ip_prefix *p = &w->own[rng_below(r, (uint32_t)w->own_n)];
    struct ip ip = how < 4 ? p->ip : last_of(p);
    if (how % 4 == 1)
        step(&ip, -1);
    if (how % 4 == 2)
        step(&ip, 1);
    if (how == 7)
        for (unsigned i = p->len; i < ip_bits(&ip); i++)
            if (rng_below(r, 2))
                ip.b[i / 8] ^= (uint8_t)(0x80 >> (i % 8));
    return ip;
}

unsigned world_kind_of(const struct ip *ip)
{
    static const char *const embedded[] = {"::ffff:0:0/96", "2002::/16", "2001::/32",
                                           "64:ff9b::/96"};
    static const char *const private[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                          "fc00::/7"};
    for (unsigned i = 0; i < 4; i++) {
        struct ip_prefix e = world_prefix(embedded[i]), p = world_prefix(private[i]);
        if (ip_prefix_contains(&e, ip))
            return GEO_KIND_EMBEDDED;
        if (ip_prefix_contains(&p, ip))
            return GEO_KIND_PRIVATE;
    }
    return GEO_KIND_PLAIN;
}

uint32_t world_own_of(const struct world *w, const struct ip *ip)
{
    uint32_t best = GEO_NONE;
    for (size_t i = 0; i < w->own_n; i++)
        if (ip_prefix_contains(&w->own[i], ip) &&
            (best == GEO_NONE || w->own[i].len > w->own[best].len))
            best = (uint32_t)i;
    return best;
}

void world_make(struct world *w, struct rng *r, size_t n, unsigned classes)
{
    memset(w, 0, sizeof *w);
    w->own_n = n;
    for (size_t i = 0; i < n; i++)
        w->own[i] =
            rng_below(r, 2) ? world_prefix_random(r, 4, 32) : world_prefix_random(r, 6, 128);
    assert_int_equal(geo_base_build(NULL, 0, w->own, n, &w->base, NULL), ERR_OK);
    uint32_t spots_n = geo_base_spots_n(w->base);
    w->values = calloc(spots_n, sizeof *w->values);
    for (uint32_t i = 0; i < spots_n; i++)
        w->values[i] = (struct geo_value){.class = (uint16_t)rng_below(r, classes),
                                          .kind = geo_base_spot(w->base, i)->kind};
    assert_int_equal(geo_view_build(w->base, w->values, &w->view, NULL), ERR_OK);
}

void world_free(struct world *w)
{
    geo_view_unref(&w->view);
    geo_base_unref(&w->base);
    free(w->values);
}

struct walk {
    const struct world *w;
    struct ip next; /* where the next block must begin */
    uint64_t n;
};

static bool check_block(void *ctx, const struct ip_prefix *block, struct geo_found found)
{
    struct walk *k = ctx;
    const struct world *w = k->w;
    if (block->ip.family != k->next.family)
        k->next = (struct ip){.family = block->ip.family};
    assert_true(ip_equal(&block->ip, &k->next));
    struct ip masked = block->ip;
    ip_mask(&masked, block->len);
    assert_true(ip_equal(&masked, &block->ip));
    k->next = last_of(block);
    struct ip ends[2] = {block->ip, k->next};
    step(&k->next, 1);
    for (int i = 0; i < 2; i++) {
        struct geo_value v = w->values[geo_base_find(w->base, &ends[i])];
        assert_int_equal(v.class, found.class);
        assert_int_equal(v.kind, found.kind);
    }
    if (block->len > 0) { /* maximal: the sibling is not one block of the same value */
        struct ip sibling = block->ip;
        sibling.b[(block->len - 1) / 8] ^= (uint8_t)(0x80 >> ((block->len - 1) % 8));
        struct geo_found other = geo_view_lookup(w->view, &sibling);
        assert_false(other.scope == found.scope && other.class == found.class &&
                     other.kind == found.kind);
    }
    k->n++;
    return true;
}

void world_check_blocks(const struct world *w)
{
    struct walk k = {.w = w, .next.family = 4};
    assert_true(geo_view_each(w->view, check_block, &k));
    assert_true(ip_equal(&k.next, &(struct ip){.family = 6})); /* wrapped around: total */
    assert_int_equal(k.n, geo_view_blocks_n(w->view));
}
