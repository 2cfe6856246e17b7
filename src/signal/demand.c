/* How much the clients of each region ask for: learned from the loads that regions report, knowing where
 * clients are by now. */
#include "signal_priv.h"

#include <math.h>

#define FOLLOW_TTL_PARTS 3 /* after a TTL 95 % have followed */
#define SMOOTH_MS 30000.0
#define JUMP                                                                                       \
    1.2 /* so many times what was expected, and more than it can carry, is believed at once */
#define SWELL_UP_MS 20000.0
#define SWELL_DOWN_MS 300000.0
#define SWELL_MOST 4
#define GUESTS_FROM 0.05 /* of what a region is filled up to: fewer say nothing of how they ask */
#define CEILING_MS 600000
#define CEILING_AGAIN_MS 25000 /* clients follow, and are reported */
#define CEILING_OVER 1.08      /* of what is planned: more is no chance */
#define CEILING_STEP 0.3       /* of its guests, at most, at once */
#define RATIO_MAX 10.0         /* of what was reported to what was expected */

static double gain_of(double passed_ms, double over_ms)
{
    return 1 - exp(-passed_ms / over_ms);
}

/* Clients follow the board as what they have been told runs out. */
void signal__follow(struct signal_capacity *c, int64_t now_ms)
{
    double gone = gain_of((double)(now_ms - c->looked_ms), c->ttl_ms / FOLLOW_TTL_PARTS);
    for (uint32_t q = 0; q < c->s->regions_n; q++)
        for (uint32_t r = 0; r < c->s->regions_n; r++)
            c->follow[q][r] += gone * (c->to[q][r] - c->follow[q][r]);
    c->looked_ms = now_ms;
}

double signal__expected(const struct signal_capacity *c, const double ways[R][R], uint32_t r)
{
    double sum = 0;
    for (uint32_t q = 0; q < c->s->regions_n; q++)
        sum += c->of[q].demand * ways[q][r] * (q == r ? 1 : c->of[r].swell);
    return sum;
}

/* Guests of a region are few resolvers out of many, and the largest may be among them: how much more
 * they ask for than is believed. More is believed at once, less only slowly. */
static void learn_swell(struct signal_capacity *c, uint32_t r, double guests, double missed,
                        double gain_up, double gain_down)
{
    struct estimate *e = &c->of[r];
    if (guests < GUESTS_FROM * c->region[r].capacity)
        e->swell += gain_down * (1 - e->swell); /* forgotten, others will come */
    else {
        double ratio = 1 + missed / guests;
        ratio = ratio < 1 / RATIO_MAX ? 1 / RATIO_MAX : ratio > RATIO_MAX ? RATIO_MAX : ratio;
        e->swell *= pow(ratio, missed > 0 ? gain_up : gain_down);
    }
    e->swell = e->swell < 1 ? 1 : e->swell > SWELL_MOST ? SWELL_MOST : e->swell;
}

static void first_estimate(struct signal_capacity *c, uint32_t r, double load)
{
    if (c->home_weight[r] <= 0) { /* nobody's home: guests are all that it has */
        c->of[r].demand = 0;
        c->of[r].known = true;
        return;
    }
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

/* Guests come in lumps: a resolver that is a quarter of a region is admitted or is not, and whoever aims
 * between the two has it come and go for ever. Where more came than a region can carry, and more than
 * was planned, so many are not admitted again for a while. */
static void learn_ceiling(struct signal_capacity *c, uint32_t r, double load, int64_t at_ms)
{
    struct estimate *e = &c->of[r];
    double capacity = (double)c->s->model->regions[r].capacity;
    double planned = c->region[r].capacity * c->planned.level[r];
    double guests = load - e->demand * c->follow[r][r];
    if (e->ceiling < 1 && at_ms - e->ceiling_ms > CEILING_MS)
        e->ceiling = 1;
    if (load <= capacity || load <= CEILING_OVER * planned || planned > capacity ||
        guests < GUESTS_FROM * capacity ||
        (e->ceiling < 1 && at_ms - e->ceiling_ms < CEILING_AGAIN_MS))
        return;
    double admits = c->admit[0][r] < c->admit[1][r] ? c->admit[0][r] : c->admit[1][r];
    double excess = (load - planned) / guests;
    e->ceiling = (e->ceiling < admits ? e->ceiling : admits) *
                 (1 - (excess < CEILING_STEP ? excess : CEILING_STEP));
    e->ceiling_ms = at_ms;
    c->refuses = true;
}

static void learn(struct signal_capacity *c, uint32_t r, double load, int64_t at_ms)
{
    struct estimate *e = &c->of[r];
    double was = signal__expected(c, c->follow, r), sure = sure_of(c, r);
    double passed = e->seen_ms == INT64_MIN ? INFINITY : (double)(at_ms - e->seen_ms);
    double gain = sure * gain_of(passed, SMOOTH_MS);
    e->seen_ms = at_ms;
    e->reported = load;
    learn_ceiling(c, r, load, at_ms);
    if (!e->known) {
        first_estimate(c, r, load);
        return;
    }
    if (was <= 1e-6 * c->region[r].capacity)
        return;
    learn_swell(c, r, was - e->demand * c->follow[r][r], load - was,
                sure * gain_of(passed, SWELL_UP_MS), sure * gain_of(passed, SWELL_DOWN_MS));
    if (load > JUMP * was && load > (double)c->s->model->regions[r].capacity)
        gain = sure; /* a crowd; who takes it for a third of that sends on too many */
    double ratio = load / was;
    ratio = ratio < 1 / RATIO_MAX ? 1 / RATIO_MAX : ratio > RATIO_MAX ? RATIO_MAX : ratio;
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
