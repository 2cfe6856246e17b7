/* Where a client is placed as if everything were at 1, in as few passes over its group as can be. */
#include "choice_priv.h"

/* Is any member of the group between 0 and 1? Then who stays is a matter of the client's hash. */
bool steer__any_fraction(const struct choice *c, struct group g, bool *away)
{
    bool fraction = false;
    *away = false;
    EACH_CANDIDATE(c, g.first, g.end, LEVEL_PLACE, {
        uint32_t avail = effective(b);
        fraction |= avail > 0 && avail < AVAIL_FULL;
        *away |= avail < AVAIL_FULL;
    })
    return fraction;
}

#define PLACE_MAX 16 /* members of a group that are looked at once */

/* A group in one pass, as pick_weighted and any_fraction see it in three. More members than fit: how
 * many there are is all that comes of it. */
static uint32_t place_weighted(const struct choice *c, struct group g, struct home *out)
{
    struct member {
        uint32_t endpoint, avail, weight;
        uint8_t region;
    } member[PLACE_MAX];
    uint64_t total = 0;
    uint32_t n = 0;
    out->fraction = out->away = false;
    EACH_CANDIDATE(c, g.first, g.end, LEVEL_PLACE, {
        uint32_t avail = effective(b);
        out->fraction |= avail > 0 && avail < AVAIL_FULL;
        out->away |= avail < AVAIL_FULL;
        if (n < PLACE_MAX)
            member[n] = (struct member){i, avail, (uint32_t)weight, site->region};
        total += weight;
        n++;
    })
    if (n == 0 || n > PLACE_MAX)
        return n;
    const struct member *m = member;
    if (n > 1)
        for (uint64_t at = random_below(c->client->rng, total); at >= m->weight; m++)
            at -= m->weight;
    out->endpoint = m->endpoint;
    out->avail = m->avail;
    out->region = m->region;
    return n;
}

/* The endpoints of the family that one site of a group offers at LEVEL_PLACE. */
struct offer {
    uint32_t n, first;
    uint32_t avail; /* of the first, effective */
};

static inline struct offer offer_of(const struct choice *c, const struct steer_site *s,
                                    struct home *out)
{
    struct offer o = {.n = 0};
    struct bound sb = site_bound(c, s);
    for (uint32_t i = s->first, end = i + s->endpoint_n; i < end; i++) {
        if (c->endpoint[i].family != c->family || c->endpoint[i].weight == 0)
            continue;
        uint32_t avail = effective(endpoint_bound(c, i, sb));
        out->fraction |= avail > 0 && avail < AVAIL_FULL;
        out->away |= avail < AVAIL_FULL;
        if (o.n++ == 0) {
            o.first = i;
            o.avail = avail;
        }
    }
    return o;
}

/* A group in one pass, as pick_sticky and any_fraction see it in four. */
static bool place_sticky(const struct choice *c, struct group g, struct home *out)
{
    struct best best = {.index = STEER_NONE};
    struct offer kept = {.n = 0};
    out->fraction = out->away = false;
    for (uint16_t item = g.first; item < g.end; item++) {
        const struct steer_site *s = site_of(c, c->row[item]);
        struct offer o = allowed(c, s) ? offer_of(c, s, out) : (struct offer){.n = 0};
        if (o.n == 0)
            continue;
        c->plan->hashed |= best.index != STEER_NONE;
        uint64_t cost = steer_rendezvous_cost(client_hash(c), c->t->region_hash[s->region]);
        if (consider(&best, item, cost, full_weight(s)))
            kept = o;
    }
    if (best.index == STEER_NONE)
        return false;
    const struct steer_site *s = site_of(c, c->row[best.index]);
    out->region = s->region;
    out->endpoint = kept.first;
    out->avail = kept.avail;
    if (kept.n > 1) {
        out->endpoint = steer__pick_of_site(c, (uint16_t)best.index, LEVEL_PLACE);
        out->avail = effective(endpoint_bound(c, out->endpoint, site_bound(c, s)));
    }
    return true;
}

/* The same for large groups. */
static bool place_at_length(const struct choice *c, struct group g, struct home *out)
{
    uint32_t e = steer__pick(c, g.first, g.end, LEVEL_PLACE);
    if (e == STEER_NONE)
        return false;
    out->endpoint = e;
    const struct steer_site *s = holder(c, e);
    out->avail = effective(endpoint_bound(c, e, site_bound(c, s)));
    out->region = s->region;
    out->fraction = steer__any_fraction(c, g, &out->away);
    return true;
}

bool steer__place(const struct choice *c, struct home *out)
{
    for (uint16_t first = 0, end; first < c->row_n; first = end) {
        end = group_end(c, first);
        struct group g = {first, end};
        if (c->svc->chooser == STEP_STICKY) {
            if (place_sticky(c, g, out))
                return true;
            continue;
        }
        uint32_t n = place_weighted(c, g, out);
        if (n > PLACE_MAX ? place_at_length(c, g, out) : n > 0)
            return true;
    }
    return false;
}
