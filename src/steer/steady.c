/* What most queries find: all of the first group is at 1, and nobody has switched anything. Place and level
 * come to the same, at length; here is no bound, no level, no second pass, and no branch on what differs from
 * query to query: that is guessed wrong, and costs more than what it skips. */
#include "choice_priv.h"

#define MEMBERS_MAX 16 /* of a group that is drawn from here */

struct steady {
    const struct steer_site *site;
    const struct steer_endpoint *endpoint;
    const _Atomic uint32_t *region_word, *slot_word, *endpoint_word;
    uint64_t allowed;
    enum steer_family family;
};

static inline struct steady steady_of(const struct steer_tables *t, uint32_t service,
                                      enum steer_family family, uint64_t allowed)
{
    const struct steer_service *svc = &t->service[service];
    const _Atomic uint32_t *words = steer_words(t, service);
    return (struct steady){.site = steer_sites(t, svc),
                           .endpoint = steer_endpoints(t, svc),
                           .region_word = t->board.region,
                           .slot_word = words + 1,
                           .endpoint_word = words + 1 + svc->slots,
                           .allowed = allowed,
                           .family = family};
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

static inline bool more(const uint16_t *row, uint16_t row_n, uint16_t item)
{
    return item < row_n && !(row[item] & STEER_GROUP);
}

uint32_t steer__steady_weighted(const struct steer_tables *t, uint32_t service, const uint16_t *row,
                                uint16_t row_n, enum steer_family family,
                                const struct steer_client *client)
{
    struct steady y = steady_of(t, service, family, client->allowed);
    uint32_t member[MEMBERS_MAX + 1], n = 0;
    uint64_t below[MEMBERS_MAX + 1], total = 0; /* weights of those before */
    bool full = true;
    uint16_t item = 0;
    do {
        const struct steer_site *s = &y.site[row[item] & STEER_UNIT];
        if (!(y.allowed >> s->region & 1))
            continue;
        if (!at_1(&y, s) || n + s->endpoint_n > MEMBERS_MAX)
            return STEER_NONE;
        for (uint32_t i = s->first, end = i + s->endpoint_n; i < end; i++) {
            bool one = counts(&y, i);
            full &= !one | (word(y.endpoint_word, 2 * i) == AVAIL_FULL);
            member[n] = i;
            below[n] = total;
            n += one;
            total += one ? y.endpoint[i].weight : 0;
        }
    } while (more(row, row_n, ++item));
    if (n == 0 || !full)
        return STEER_NONE;
    uint64_t at = n > 1 ? random_below(client->rng, total) : 0;
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
    *n = 0;
    for (uint32_t i = s->first, end = i + s->endpoint_n; i < end; i++) {
        bool one = counts(y, i);
        full &= !one | (word(y->endpoint_word, 2 * i) == AVAIL_FULL);
        *first = one & (*n == 0) ? i : *first;
        *n += one;
    }
    return full;
}

static uint32_t by_rendezvous(const struct steer_tables *t, uint32_t service,
                              const struct steady *y, const struct steer_site *s, uint64_t hash)
{
    const uint64_t *name = t->hash + t->service[service].hash_first;
    struct best best = {.index = STEER_NONE};
    for (uint32_t i = s->first, end = i + s->endpoint_n; i < end; i++)
        if (counts(y, i))
            (void)consider(&best, i, steer_rendezvous_cost(hash, name[i]),
                           (uint64_t)y->endpoint[i].weight);
    return best.index;
}

uint32_t steer__steady_sticky(const struct steer_tables *t, uint32_t service, const uint16_t *row,
                              uint16_t row_n, enum steer_family family,
                              const struct steer_client *client, bool *hashed)
{
    struct steady y = steady_of(t, service, family, client->allowed);
    uint64_t hash = steer_hash_client(client->ip, client->network_len);
    struct best best = {.index = STEER_NONE};
    uint32_t sites = 0, kept_n = 0, kept = 0;
    uint16_t item = 0;
    do {
        const struct steer_site *s = &y.site[row[item] & STEER_UNIT];
        if (!(y.allowed >> s->region & 1))
            continue;
        uint32_t n, first = 0;
        if (!at_1(&y, s) || !offers(&y, s, &n, &first))
            return STEER_NONE;
        if (n == 0)
            continue;
        sites++;
        if (consider(&best, item, steer_rendezvous_cost(hash, t->region_hash[s->region]),
                     full_weight(s))) {
            kept_n = n;
            kept = first;
        }
    } while (more(row, row_n, ++item));
    if (sites == 0)
        return STEER_NONE;
    *hashed = sites > 1 || kept_n > 1;
    return kept_n == 1 ? kept
                       : by_rendezvous(t, service, &y, &y.site[row[best.index] & STEER_UNIT], hash);
}
