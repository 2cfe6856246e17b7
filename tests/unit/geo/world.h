/* world: random own networks, random classes, and the slow, obvious way to look one up. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "geo/client.h"

#define WORLD_OWN_MAX 64

struct world {
    struct ip_prefix own[WORLD_OWN_MAX];
    size_t own_n;
    struct geo_base *base;
    struct geo_value *values; /* of the base's spots */
    struct geo_view *view;
};

/* The seed of this run: SEED from the environment, else the clock; printed once. */
uint64_t world_seed(void);

struct ip world_ip(const char *text);
struct ip_prefix world_prefix(const char *text);
/* An address near the world's networks: their edges and just beyond, or anything. */
struct ip world_pick(const struct world *w, struct rng *r);
struct ip_prefix world_prefix_random(struct rng *r, unsigned family, unsigned len_max);

/* n random own networks of both families; classes 0..classes-1, kinds as the base has them. */
void world_make(struct world *w, struct rng *r, size_t n, unsigned classes);
void world_free(struct world *w);
/* The longest own network around an address, by looking at all of them. */
uint32_t world_own_of(const struct world *w, const struct ip *ip);
unsigned world_kind_of(const struct ip *ip);
/* Checks the view's blocks: total, in order, uniform, maximal. */
void world_check_blocks(const struct world *w);
