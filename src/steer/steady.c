/* What most queries find: all of the first group is at 1, and nobody has switched anything. Place and level
 * come to the same, at length; here is no bound, no level, no second pass, and no branch on what differs from
 * query to query: that is guessed wrong, and costs more than what it skips. */
#include "choice_priv.h"

#define MEMBERS_MAX 16 /* of a group that is drawn from here */

struct steady {
    const struct steer_tables *t;
    const struct steer_service *svc;
    const struct steer_site *site;
    const struct steer_endpoint *endpoint;
    const _Atomic uint32_t *region_word, *slot_word, *endpoint_word;
    const uint16_t *row;
    uint16_t row_n;
    enum steer_family family;
    const struct steer_client *client;
};

static inline struct steady steady_of(const struct steer_tables *t, uint32_t service,
                                      const uint16_t *row, uint16_t row_n, enum steer_family family,
                                      const struct steer_client *client)
{
    const struct steer_service *svc = &t->service[service];
    const _Atomic uint32_t *words = steer_words(t, service);
    return (struct steady){.t = t,
                           .svc = svc,
                           .site = steer_sites(t, svc),
                           .endpoint = steer_endpoints(t, svc),
                           .region_word = t->board.region,
                           .slot_word = words + 1,
                           .endpoint_word = words + 1 + svc->slots,
                           .row = row,
                           .row_n = row_n,
                           .family = family,
                           .client = client};
}

static inline bool at_1(const struct steady *y, const struct steer_site *s)
{
    return word(y->region_word, s->region) == AVAIL_FULL &&
           word(y->slot_word, s->slot) == AVAIL_FULL;
}

static inline bool counts(const struct steady *y, uint32_t i)
{
    return (y->endpoint[i].family == y->family) & (y->endpoint[i].weight > 0);
}

static inline bool allowed_in(const struct steady *y, const struct steer_site *s)
{
    return (y->client->allowed >> s->region & 1) != 0;
}

static inline const struct steer_site *site_at(const struct steady *y, uint32_t item)
{
    return &y->site[y->row[item] & STEER_UNIT];
}

static inline bool more(const struct steady *y, uint16_t item)
{
    return item < y->row_n && !(y->row[item] & STEER_GROUP);
}

static uint32_t weighted(const struct steady *y)
{
    uint32_t member[MEMBERS_MAX + 1], n = 0;
    uint64_t below[MEMBERS_MAX + 1], total = 0; /* weights of those before */
    bool full = true;
    uint16_t item = 0;
    do {
        const struct steer_site *s = site_at(y, item);
        if (!allowed_in(y, s))
            continue;
        if (!at_1(y, s) || n + s->endpoint_n > MEMBERS_MAX)
            return STEER_NONE;
        for (uint32_t i = s->first, end = i + s->endpoint_n; i < end; i++) {
            bool one = counts(y, i);
            full &= !one | (word(y->endpoint_word, 2 * i) == AVAIL_FULL);
            member[n] = i;
            below[n] = total;
            n += one;
            total += one ? y->endpoint[i].weight : 0;
        }
    } while (more(y, ++item));
    if (n == 0 || !full)
        return STEER_NONE;
    uint64_t at = n > 1 ? random_below(y->client->rng, total) : 0;
    uint32_t k = 0;
    for (uint32_t i = 1; i < n; i++)
        k += at >= below[i];
    return member[k];
}

/* Endpoints of one site that count: how many, and the first. False: one is not at 1. */
static inline bool offers(const struct steady *y, const struct steer_site *s, uint32_t *n,
                          uint32_t *first)
{
    bool full = true;
    *n = *first = 0;
    for (uint32_t i = s->first, end = i + s->endpoint_n; i < end; i++) {
        bool one = counts(y, i);
        full &= !one | (word(y->endpoint_word, 2 * i) == AVAIL_FULL);
        *first = one & (*n == 0) ? i : *first;
        *n += one;
    }
    return full;
}

static uint32_t by_rendezvous(const struct steady *y, const struct steer_site *s, uint64_t hash)
{
    const uint64_t *name = y->t->hash + y->svc->hash_first;
    struct best best = {.index = STEER_NONE};
    for (uint32_t i = s->first, end = i + s->endpoint_n; i < end; i++)
        if (counts(y, i))
            (void)consider(&best, i, steer_rendezvous_cost(hash, name[i]),
                           (uint64_t)y->endpoint[i].weight);
    return best.index;
}

struct candidate { /* a site that has endpoints which count */
    const struct steer_site *site;
    uint32_t n, first;
};

enum next {
    NEXT_FOUND,
    NEXT_NONE,
    NEXT_ILL /* something is not at 1 */
};

/* Of the first group, from *item on. */
static inline enum next next_site(const struct steady *y, uint16_t *item, struct candidate *out)
{
    while (*item == 0 || more(y, *item)) {
        out->site = site_at(y, (*item)++);
        if (!allowed_in(y, out->site))
            continue;
        if (!at_1(y, out->site) || !offers(y, out->site, &out->n, &out->first))
            return NEXT_ILL;
        if (out->n > 0)
            return NEXT_FOUND;
    }
    return NEXT_NONE;
}

/* Both: how many sites had a say, 0 if something is not at 1. */
static uint32_t by_cost(const struct steady *y, uint64_t hash, struct candidate *out)
{
    struct best best = {.index = STEER_NONE};
    uint32_t sites = 0;
    uint16_t item = 0;
    enum next next;
    for (struct candidate c; (next = next_site(y, &item, &c)) == NEXT_FOUND; sites++)
        if (consider(&best, item, steer_rendezvous_cost(hash, y->t->region_hash[c.site->region]),
                     full_weight(c.site)))
            *out = c;
    return next == NEXT_NONE ? sites : 0;
}

/* Among equal weights the smallest cost is the largest hash: no logarithm, no product, no branch. Two hashes
 * as close as this may cost the same, and then the first of them wins. */
#define HASH_CLOSE (1ull << 40)

static uint32_t by_hash(const struct steady *y, uint64_t hash, struct candidate *out)
{
    uint64_t top = 0, second = 0, weight = full_weight(site_at(y, 0));
    uint32_t sites = 0;
    uint16_t item = 0;
    bool alike = true;
    enum next next;
    for (struct candidate c; (next = next_site(y, &item, &c)) == NEXT_FOUND; sites++) {
        uint64_t h = steer_hash_pair(hash, y->t->region_hash[c.site->region]);
        bool better = h > top;
        uint64_t lower = better ? top : h;
        second = lower > second ? lower : second;
        top = better ? h : top;
        out->site = better ? c.site : out->site;
        out->n = better ? c.n : out->n;
        out->first = better ? c.first : out->first;
        alike &= full_weight(c.site) == weight;
    }
    if (next == NEXT_ILL)
        return 0;
    return alike && top - second >= HASH_CLOSE ? sites : by_cost(y, hash, out);
}

static uint32_t sticky(const struct steady *y, bool *hashed)
{
    uint64_t hash = steer_hash_client(y->client->ip, y->client->network_len);
    struct candidate best = {.site = y->site};
    uint32_t sites = by_hash(y, hash, &best);
    if (sites == 0)
        return STEER_NONE;
    *hashed = sites > 1 || best.n > 1;
    return best.n == 1 ? best.first : by_rendezvous(y, best.site, hash);
}

/* One site with one endpoint of the family: every chooser comes to the same. Mostly it is so, and what the
 * others need is not even taken down. */
static inline uint32_t only(const struct steer_tables *t, const struct steer_service *svc,
                            const _Atomic uint32_t *slot, const struct steer_site *s,
                            enum steer_family family, uint64_t allowed)
{
    if (!(allowed >> s->region & 1) || word(t->board.region, s->region) != AVAIL_FULL ||
        word(slot, s->slot) != AVAIL_FULL)
        return STEER_NONE;
    const struct steer_endpoint *e = steer_endpoints(t, svc);
    uint32_t found = STEER_NONE;
    for (uint32_t i = s->first, end = i + s->endpoint_n; i < end; i++) {
        if (e[i].family != family || e[i].weight == 0)
            continue;
        if (found != STEER_NONE)
            return STEER_NONE;
        found = i;
    }
    if (found == STEER_NONE || word(slot + svc->slots, 2 * found) != AVAIL_FULL)
        return STEER_NONE;
    return found;
}

static __attribute__((noinline)) uint32_t several(const struct steer_tables *t, uint32_t service,
                                                  const uint16_t *row, uint16_t row_n,
                                                  enum steer_family family,
                                                  const struct steer_client *client, bool *hashed)
{
    struct steady y = steady_of(t, service, row, row_n, family, client);
    return y.svc->chooser == STEP_WEIGHTED ? weighted(&y)
           : y.svc->chooser == STEP_STICKY ? sticky(&y, hashed)
                                           : STEER_NONE;
}

uint32_t steer__steady(const struct steer_tables *t, uint32_t service, const uint16_t *row,
                       uint16_t row_n, enum steer_family family, const struct steer_client *client,
                       bool *hashed)
{
    const struct steer_service *svc = &t->service[service];
    uint32_t found = STEER_NONE;
    if (row_n == 1 || (row_n > 1 && row[1] & STEER_GROUP))
        found = only(t, svc, steer_words(t, service) + 1,
                     steer_sites(t, svc) + (row[0] & STEER_UNIT), family, client->allowed);
    if (found == STEER_NONE && row_n > 0)
        found = several(t, service, row, row_n, family, client, hashed);
    return found == STEER_NONE ? STEER_NONE : svc->endpoint_first + found;
}
