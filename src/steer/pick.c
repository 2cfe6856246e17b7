/* One endpoint of some: by weight, or by rendezvous. */
#include "choice_priv.h"

uint32_t steer__pick_weighted(const struct choice *c, uint16_t first, uint16_t end,
                              enum level level)
{
    uint64_t total = 0;
    uint32_t n = 0, found = STEER_NONE;
    EACH_CANDIDATE(c, first, end, level, {
        total += weight;
        found = i;
        n++;
    })
    if (n <= 1)
        return found;
    uint64_t at = random_below(c->client->rng, total);
    EACH_CANDIDATE(c, first, end, level, {
        if (at < weight)
            return i;
        at -= weight;
    })
    return found; /* the board moved between the two passes: the last candidate is as good */
}

/* What a region weighs against others: its full weight, so that A and AAAA agree and one dead
 * endpoint does not move the region's clients; where nothing is at 1, weight x availability, the
 * larger of the families' sums for the same reason. */
static uint64_t site_weight(const struct choice *c, const struct steer_site *s, enum level level)
{
    if (level != LEVEL_PARTIAL)
        return full_weight(s);
    uint64_t sum[3] = {0};
    struct bound sb = site_bound(c, s);
    for (uint32_t i = s->first; i < (uint32_t)s->first + s->endpoint_n; i++)
        sum[c->endpoint[i].family] += level_weight(c, s, i, endpoint_bound(c, i, sb), level);
    uint64_t top = sum[0] > sum[1] ? sum[0] : sum[1];
    return top > sum[2] ? top : sum[2];
}

/* The region first. */
static uint16_t sticky_item(const struct choice *c, uint16_t first, uint16_t end, enum level level)
{
    struct best best = {.index = STEER_NONE};
    for (uint16_t item = first; item < end; item++) {
        bool counts = false;
        const struct steer_site *s = site_of(c, c->row[item]);
        EACH_CANDIDATE(c, item, item + 1, level, { counts = true; })
        if (!counts)
            continue;
        if (best.index != STEER_NONE)
            c->plan->hashed = true;
        (void)consider(&best, item,
                       steer_rendezvous_cost(client_hash(c), c->t->region_hash[s->region]),
                       site_weight(c, s, level));
    }
    return (uint16_t)(best.index == STEER_NONE ? end : best.index);
}

/* The address second. */
uint32_t steer__pick_of_site(const struct choice *c, uint16_t item, enum level level)
{
    struct best best = {.index = STEER_NONE};
    EACH_CANDIDATE(c, item, item + 1, level, {
        if (best.index != STEER_NONE)
            c->plan->hashed = true;
        (void)consider(&best, i, steer_rendezvous_cost(client_hash(c), hash_of(c, i)), weight);
    })
    return best.index;
}

static uint32_t pick_sticky(const struct choice *c, uint16_t first, uint16_t end, enum level level)
{
    uint16_t item = sticky_item(c, first, end, level);
    return item == end ? STEER_NONE : steer__pick_of_site(c, item, level);
}

uint32_t steer__pick(const struct choice *c, uint16_t first, uint16_t end, enum level level)
{
    return c->svc->chooser == STEP_STICKY ? pick_sticky(c, first, end, level)
                                          : steer__pick_weighted(c, first, end, level);
}

/* The first group that has one at this level. */
uint32_t steer__pick_by_group(const struct choice *c, enum level level, struct group *where)
{
    for (uint16_t first = 0, end; first < c->row_n; first = end) {
        end = group_end(c, first);
        uint32_t e = steer__pick(c, first, end, level);
        if (e != STEER_NONE) {
            *where = (struct group){first, end};
            return e;
        }
    }
    return STEER_NONE;
}

/* The first group with a candidate at the level, without choosing one. */
bool steer__group_with(const struct choice *c, enum level level, struct group *out)
{
    for (uint16_t first = 0, end; first < c->row_n; first = end) {
        end = group_end(c, first);
        EACH_CANDIDATE(c, first, end, level, {
            out->first = first;
            out->end = end;
            return true;
        })
    }
    return false;
}
