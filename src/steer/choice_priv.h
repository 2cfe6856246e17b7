/* choice_priv: one choice under way: what counts at which level, and how much. */
#pragma once

#include "base/hash.h"
#include "model/model.h"
#include "steer/choose.h"

enum level {                  /* which endpoints count, one after the other until one is found */
             LEVEL_PLACE,     /* weight above 0, as if everything were at 1 */
             LEVEL_GUEST,     /* weight above 0, in a region that admits the client */
             LEVEL_FULL,      /* weight above 0, availability 1 */
             LEVEL_PARTIAL,   /* weight above 0, availability above 0 */
             LEVEL_ZERO,      /* weight 0, availability above 0 */
             LEVEL_DRAINED,   /* drained, but not dead */
             LEVEL_OPEN,      /* fail open, as if all that is not off were up: weight above 0 */
             LEVEL_OPEN_ZERO, /* the same with weight 0 */
             LEVEL_OPEN_DRAINED
};

struct client_hash { /* taken when it is first asked for: mostly nobody does */
    bool taken;
    uint64_t value;
};

struct choice {
    const struct steer_tables *t;
    const struct steer_service *svc;
    const struct steer_site *site; /* the service's, as are the next three */
    const struct steer_endpoint *endpoint;
    const _Atomic uint32_t *slot_word, *endpoint_word;
    const uint16_t *row;
    uint16_t row_n;
    uint8_t family;
    const struct steer_client *client;
    struct steer_plan *plan;
    struct client_hash *hash;
};

struct group { /* items [first, end) of the row */
    uint16_t first, end;
};

/* Endpoints are numbered from the service's first; only an answer names them as the tables do. */
static inline uint32_t word(const _Atomic uint32_t *w, uint32_t i)
{
    return atomic_load_explicit(&w[i], memory_order_relaxed);
}

static inline uint32_t word_avail(uint32_t w)
{
    return w & STEER_WORD_AVAIL;
}

static inline uint32_t min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint64_t client_hash(const struct choice *c)
{
    if (!c->hash->taken)
        *c->hash =
            (struct client_hash){true, steer_hash_client(c->client->ip, c->client->network_len)};
    return c->hash->value;
}

/* Only what is between 0 and 1 needs the hash. */
static inline bool stays(const struct choice *c, uint64_t region_hash, uint32_t avail)
{
    return avail >= AVAIL_FULL || (avail > 0 && steer_stays(client_hash(c), region_hash, avail));
}

/* What the region admits of guests like this one. */
static inline uint32_t admission(const struct choice *c, uint8_t region)
{
    return steer_admission(&c->t->board, region, c->client->fenced);
}

static inline uint32_t word_eased(uint32_t w)
{
    return w & STEER_WORD_WAITS ? AVAIL_FULL : word_avail(w);
}

/* Where guests are eased: what only waits is there for them. */
static inline uint32_t avail_eased(const struct choice *c, const struct steer_site *s,
                                   uint32_t endpoint)
{
    uint32_t region = word_eased(word(c->t->board.region, s->region));
    uint32_t site = word_eased(word(c->slot_word, s->slot));
    return min32(min32(region, site), word_eased(word(c->endpoint_word, 2 * endpoint)));
}

/* Of guests a region admits the part that its word says. What is below 1 takes some only where the rest
 * is too full: of that part as much as it is available. */
static inline bool admits(const struct choice *c, const struct steer_site *s, uint32_t endpoint,
                          uint32_t avail)
{
    if (avail < AVAIL_FULL)
        avail = steer_eased(&c->t->board) ? avail_eased(c, s, endpoint) : 0;
    uint64_t part = (uint64_t)avail * admission(c, s->region) / STEER_ADMIT_FULL;
    return stays(c, c->t->region_hash[s->region], (uint32_t)part);
}

static inline const struct steer_site *site_of(const struct choice *c, uint16_t item)
{
    return &c->site[item & STEER_UNIT];
}

/* Of an endpoint of a sticky service. */
static inline uint64_t hash_of(const struct choice *c, uint32_t endpoint)
{
    return c->t->hash[c->svc->hash_first + endpoint];
}

/* Region and site together: what every endpoint of the site is bounded by. */
struct bound {
    uint32_t avail, flags;
    uint32_t alive; /* the same with drains ignored: not dead? */
};

static inline struct bound site_bound(const struct choice *c, const struct steer_site *s)
{
    uint32_t r = word(c->t->board.region, s->region), w = word(c->slot_word, s->slot);
    return (struct bound){.avail = min32(word_avail(r), word_avail(w)),
                          .flags = (r | w) & ~STEER_WORD_AVAIL,
                          .alive = min32(r & STEER_WORD_DRAIN ? AVAIL_FULL : word_avail(r),
                                         w & STEER_WORD_DRAIN ? AVAIL_FULL : word_avail(w))};
}

static inline struct bound endpoint_bound(const struct choice *c, uint32_t endpoint,
                                          struct bound site)
{
    uint32_t w = word(c->endpoint_word, 2 * endpoint);
    return (struct bound){.avail = min32(site.avail, word_avail(w)),
                          .flags = site.flags | (w & ~STEER_WORD_AVAIL),
                          .alive =
                              min32(site.alive, w & STEER_WORD_DRAIN ? AVAIL_FULL : word_avail(w))};
}

static inline uint32_t effective(struct bound b)
{
    return b.flags & (STEER_WORD_OFF | STEER_WORD_DRAIN) ? 0 : b.avail;
}

static inline struct choice choice_of(const struct steer_tables *t, uint32_t service)
{
    const struct steer_service *svc = &t->service[service];
    const _Atomic uint32_t *words = steer_words(t, service);
    return (struct choice){.t = t,
                           .svc = svc,
                           .site = steer_sites(t, svc),
                           .endpoint = steer_endpoints(t, svc),
                           .slot_word = words + 1,
                           .endpoint_word = words + 1 + svc->slots};
}

static inline const struct steer_site *holder(const struct choice *c, uint32_t endpoint)
{
    const struct steer_site *s = c->site;
    while (endpoint - s->first >= s->endpoint_n)
        s++;
    return s;
}

/* What an endpoint weighs at a level; 0 when it does not count there. */
static inline uint64_t level_weight(const struct choice *c, const struct steer_site *s,
                                    uint32_t endpoint, struct bound b, enum level level)
{
    const struct steer_endpoint *e = &c->endpoint[endpoint];
    if (b.flags & STEER_WORD_OFF && level != LEVEL_PLACE)
        return 0;
    bool drained = (b.flags & STEER_WORD_DRAIN) != 0;
    switch (level) {
    case LEVEL_PLACE:
        return e->weight;
    case LEVEL_GUEST: /* and admitted */
        return !drained && admits(c, s, endpoint, b.avail) ? e->weight : 0;
    case LEVEL_FULL:
        return !drained && b.avail == AVAIL_FULL ? e->weight : 0;
    case LEVEL_PARTIAL:
        return drained ? 0 : (uint64_t)e->weight * b.avail;
    case LEVEL_ZERO:
        return !drained && e->weight == 0 && b.avail > 0;
    case LEVEL_DRAINED:
        return drained && b.alive > 0 ? (e->weight ? e->weight : 1) : 0;
    case LEVEL_OPEN:
        return drained ? 0 : e->weight;
    case LEVEL_OPEN_ZERO:
        return !drained && e->weight == 0;
    case LEVEL_OPEN_DRAINED:
        return drained ? (e->weight ? e->weight : 1) : 0;
    }
    return 0;
}

/* The group that starts at first: where it ends. */
static inline uint16_t group_end(const struct choice *c, uint16_t first)
{
    uint16_t end = (uint16_t)(first + 1);
    while (end < c->row_n && !(c->row[end] & STEER_GROUP))
        end++;
    return end;
}

static inline bool allowed(const struct choice *c, const struct steer_site *s)
{
    return (c->client->allowed >> s->region & 1) != 0;
}

static inline uint64_t random_below(struct rng *rng, uint64_t n)
{
    return (uint64_t)(((__uint128_t)rng_next(rng) * n) >> 64);
}

/* Calls for each endpoint of the right family in items [first, end) that counts at the level. */
#define EACH_CANDIDATE(c, from, end, level, ...)                                                   \
    for (uint16_t item_ = (from); item_ < (end); item_++) {                                        \
        const struct steer_site *site = site_of((c), (c)->row[item_]);                             \
        if (!allowed((c), site))                                                                   \
            continue;                                                                              \
        struct bound bound_ = site_bound((c), site);                                               \
        for (uint32_t i = site->first, e_ = i + site->endpoint_n; i < e_; i++) {                   \
            const struct steer_endpoint *e = &(c)->endpoint[i];                                    \
            if (e->family != (c)->family)                                                          \
                continue;                                                                          \
            struct bound b = endpoint_bound((c), i, bound_);                                       \
            uint64_t weight = level_weight((c), site, i, b, (level));                              \
            if (weight == 0)                                                                       \
                continue;                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

/* The best so far by rendezvous: the smallest cost/weight, compared without dividing. */
struct best {
    uint32_t index;
    uint64_t cost, weight;
};

/* Is it the best now? */
static inline bool consider(struct best *best, uint32_t index, uint64_t cost, uint64_t weight)
{
    bool better = best->index == STEER_NONE ||
                  (__uint128_t)cost * best->weight < (__uint128_t)best->cost * weight;
    if (better)
        *best = (struct best){index, cost, weight};
    return better;
}

/* What a region weighs against others, as long as anything is at 1. */
static inline uint64_t full_weight(const struct steer_site *s)
{
    return s->weight ? s->weight : 1;
}

/* pick.c: one endpoint of items [first, end) at a level, counted from the service's first; STEER_NONE. */
uint32_t steer__pick(const struct choice *c, uint16_t first, uint16_t end, enum level level);
uint32_t steer__pick_weighted(const struct choice *c, uint16_t first, uint16_t end,
                              enum level level);
uint32_t steer__pick_of_site(const struct choice *c, uint16_t item, enum level level);
uint32_t steer__pick_by_group(const struct choice *c, enum level level, struct group *where);
bool steer__group_with(const struct choice *c, enum level level, struct group *out);

/* place.c: where a client is placed. */
struct home {
    uint32_t endpoint, avail; /* effective */
    uint8_t region;
    bool fraction; /* a member of the group is between 0 and 1 */
    bool away;     /* a member of the group is below 1 */
};
bool steer__any_fraction(const struct choice *c, struct group g, bool *away);
/* In the first group that has an endpoint of weight above 0. */
bool steer__place(const struct choice *c, struct home *out);

/* steady.c: of a first group that is at 1, as `place` and then `stays` find it. The endpoint as the tables
 * number it; STEER_NONE: not so simple, and nothing was drawn. */
uint32_t steer__steady(const struct steer_tables *t, uint32_t service, const uint16_t *row,
                       uint16_t row_n, enum steer_family family, const struct steer_client *client,
                       bool *hashed);
