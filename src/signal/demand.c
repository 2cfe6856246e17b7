/* How much the clients of each region ask for: learned from the loads that regions report, knowing where
 * clients are by now. */
#include "signal_priv.h"

#include <math.h>

#define SMOOTH_MS 30000.0

/* Clients follow the board as what they have been told runs out. */
void signal__follow(struct signal_capacity *c, int64_t now_ms)
{
    double gone = 1 - exp(-(double)(now_ms - c->looked_ms) / c->follow_ms);
    for (uint32_t q = 0; q < c->s->regions_n; q++)
        for (uint32_t r = 0; r < c->s->regions_n; r++)
            c->follow[q][r] += gone * (c->to[q][r] - c->follow[q][r]);
    c->looked_ms = now_ms;
}

double signal__expected(const struct signal_capacity *c, const double ways[R][R], uint32_t r)
{
    double sum = 0;
    for (uint32_t q = 0; q < c->s->regions_n; q++)
        sum += c->of[q].demand * ways[q][r];
    return sum;
}

static void first_estimate(struct signal_capacity *c, uint32_t r, double load)
{
    double own = c->follow[r][r],
           guests = signal__expected(c, c->follow, r) - c->of[r].demand * own;
    if (own < KNOWN_FROM)
        return;
    double most = load - guests, least = load * SOME;
    c->of[r].demand = (most > least ? most : least) / own;
    c->of[r].known = true;
}

/* How sure it is who is in a region: 1, and 0 while a fifth of its load is on the way. */
static double sure_of(const struct signal_capacity *c, uint32_t r)
{
    double on_the_way = 0, all = signal__expected(c, c->follow, r) + signal__expected(c, c->to, r);
    for (uint32_t q = 0; q < c->s->regions_n; q++)
        on_the_way += c->of[q].demand * fabs(c->to[q][r] - c->follow[q][r]);
    return all > 0 && 10 * on_the_way < all ? 1 - 10 * on_the_way / all : 0;
}

static void learn(struct signal_capacity *c, uint32_t r, double load, int64_t at_ms)
{
    struct estimate *e = &c->of[r];
    double was = signal__expected(c, c->follow, r);
    double gain = e->seen_ms == INT64_MIN ? 1 : 1 - exp(-(double)(at_ms - e->seen_ms) / SMOOTH_MS);
    gain *= sure_of(c, r);
    e->seen_ms = at_ms;
    e->reported = load;
    if (!e->known) {
        first_estimate(c, r, load);
        return;
    }
    if (was <= 1e-6 * c->region[r].capacity)
        return;
    double ratio = load / was;
    ratio = ratio < 0.1 ? 0.1 : ratio > 10 ? 10 : ratio;
    for (uint32_t q = 0; q < c->s->regions_n; q++)
        if (c->of[q].known)
            c->of[q].demand *= 1 + gain * c->follow[q][r] * (ratio - 1);
}

/* Those who never reported: as full as the others are; without a capacity, by their part of the
 * networks, which says little of how much is asked for, so not more than all the others together. */
static void guess(struct signal_capacity *c)
{
    double demand = 0, weight = 0, capacity = 0;
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        if (c->of[r].known) {
            demand += c->of[r].demand;
            weight += c->home_weight[r];
            capacity += c->region[r].capacity;
        }
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        double own = c->region[r].capacity;
        if (c->of[r].known)
            continue;
        double part = own > 0      ? capacity > 0 ? own / capacity : 0
                      : weight > 0 ? c->home_weight[r] / weight
                                   : 0;
        if (own <= 0 && part > 1)
            part = 1;
        c->of[r].demand = demand * part;
    }
}

bool signal_capacity_due(const struct signal_capacity *c, const struct health *h)
{
    double load;
    int64_t at_ms;
    for (uint32_t r = 0; c->any_capacity && r < c->s->regions_n; r++)
        if (c->region[r].capacity > 0 && health_region_load(h, r, &load, &at_ms) &&
            at_ms > c->of[r].seen_ms)
            return true;
    return false;
}

void signal__hear(struct signal_capacity *c, const struct health *h)
{
    double load;
    int64_t at_ms;
    c->active = false;
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        double capacity = (double)c->s->model->regions[r].capacity;
        if (capacity <= 0 || !health_region_load(h, r, &load, &at_ms))
            continue;
        c->active = true;
        if (at_ms > c->of[r].seen_ms) {
            guess(c);
            learn(c, r, load * capacity, at_ms);
        }
    }
    guess(c);
}
