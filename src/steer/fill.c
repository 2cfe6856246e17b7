#include "steer/fill.h"

#include <string.h>

#define ROUNDS_MAX 400 /* of one fixed point; it comes from above: to stop early admits too many */
#define SETTLED 1e-7
#define LOST 1e-6 /* of all demand: less than this is placed */
#define LEVEL_STEPS 24
#define LEVEL_NEAR 1e-4
#define LEVEL_MAX 1e6
#define SUBSET_MAX 8 /* members of a group that admit some: all combinations are looked at */

/* ---------------------------------------------------------------------------------- one flow */

static uint16_t group_end(const struct fill_flow *f, uint16_t first)
{
    uint16_t end = (uint16_t)(first + 1);
    while (end < f->row_n && !(f->row[end] & STEER_GROUP))
        end++;
    return end;
}

static const struct fill_unit *unit_at(const struct fill_flow *f, uint16_t i)
{
    return &f->unit[f->row[i] & STEER_UNIT];
}

struct member { /* of a group, taking guests */
    uint8_t region;
    double weight, chance; /* to admit one; above 0 */
    double part;           /* filled in: of those who come */
};

/* More members that admit some than can be gone through: as if the group admitted or not as one. */
static double group_at_large(struct member *m, uint32_t n)
{
    double sum = 0, none = 1;
    for (uint32_t i = 0; i < n; i++) {
        sum += m[i].weight * m[i].chance;
        none *= 1 - m[i].chance;
    }
    for (uint32_t i = 0; i < n; i++)
        m[i].part = sum > 0 ? (1 - none) * m[i].weight * m[i].chance / sum : 0;
    return none;
}

/* Each member admits by its own chance, and among those that admit weights decide. Returns the part
 * that nobody admits. */
static double group_guests(struct member *m, uint32_t n)
{
    if (n == 1) {
        m->part = m->chance;
        return 1 - m->chance;
    }
    uint32_t some[SUBSET_MAX], some_n = 0;
    double sure = 0;
    for (uint32_t i = 0; i < n; i++) {
        m[i].part = 0;
        if (m[i].chance >= 1)
            sure += m[i].weight;
        else if (m[i].chance > 0) {
            if (some_n == SUBSET_MAX)
                return group_at_large(m, n);
            some[some_n++] = i;
        }
    }
    double none = 0;
    for (uint32_t set = 0; set < 1u << some_n; set++) {
        double p = 1, weight = sure;
        for (uint32_t k = 0; k < some_n; k++) {
            bool in = set >> k & 1;
            p *= in ? m[some[k]].chance : 1 - m[some[k]].chance;
            weight += in ? m[some[k]].weight : 0;
        }
        if (weight <= 0) {
            none += p;
            continue;
        }
        for (uint32_t i = 0; i < n; i++)
            if (m[i].chance >= 1)
                m[i].part += p * m[i].weight / weight;
        for (uint32_t k = 0; k < some_n; k++)
            if (set >> k & 1)
                m[some[k]].part += p * m[some[k]].weight / weight;
    }
    return none;
}

/* Adds what guests (`left` of them) do to share; returns what is left of them. */
static double walk(const struct fill_flow *f, const double *admit, double left, double *share)
{
    struct member m[STEER_UNITS_MAX];
    for (uint16_t first = 0, end; first < f->row_n && left > 0; first = end) {
        end = group_end(f, first);
        uint32_t n = 0;
        for (uint16_t i = first; i < end; i++) {
            const struct fill_unit *u = unit_at(f, i);
            double chance = admit ? (u->open + u->eases) * admit[u->region] : u->open;
            if (u->weight > 0 && chance > 0)
                m[n++] =
                    (struct member){.region = u->region, .weight = u->weight, .chance = chance};
        }
        if (!n)
            continue;
        double none = group_guests(m, n);
        for (uint32_t i = 0; i < n; i++)
            share[m[i].region] += left * m[i].part;
        left *= none;
    }
    return left;
}

/* Its home: the first group with weight. Adds what stays; returns what does not. */
static double stay(const struct fill_flow *f, const double *keep, double *own)
{
    if (f->home) {
        const struct fill_unit *u = unit_at(f, (uint16_t)(f->home - 1));
        double part = u->keep * (keep ? keep[u->region] : 1);
        own[u->region] += part;
        return part < 1 ? 1 - part : 0;
    }
    for (uint16_t first = 0, end; first < f->row_n; first = end) {
        end = group_end(f, first);
        double sum = 0, stays = 0;
        for (uint16_t i = first; i < end; i++)
            sum += unit_at(f, i)->weight;
        if (sum <= 0)
            continue;
        for (uint16_t i = first; i < end; i++) {
            const struct fill_unit *u = unit_at(f, i);
            double part = u->weight / sum * u->keep * (keep ? keep[u->region] : 1);
            own[u->region] += part;
            stays += part;
        }
        return stays < 1 ? 1 - stays : 0;
    }
    return 0;
}

static double plain_left(const struct fill_flow *f, double left, double *share)
{
    left = walk(f, NULL, left, share);
    double sum = 0;
    for (uint16_t i = 0; i < f->row_n; i++)
        sum += unit_at(f, i)->weight * unit_at(f, i)->keep;
    if (left <= 0 || sum <= 0)
        return left;
    for (uint16_t i = 0; i < f->row_n; i++)
        share[unit_at(f, i)->region] += left * unit_at(f, i)->weight * unit_at(f, i)->keep / sum;
    return 0;
}

void fill_spread(const struct fill_flow *f, const double *admit, const double *keep,
                 double share[STEER_REGIONS_MAX], double own[STEER_REGIONS_MAX])
{
    double home[STEER_REGIONS_MAX] = {0};
    memset(share, 0, STEER_REGIONS_MAX * sizeof *share);
    double left = walk(f, admit, stay(f, keep, home), share);
    plain_left(f, left, share);
    for (uint32_t r = 0; r < STEER_REGIONS_MAX; r++)
        share[r] += home[r];
    if (own)
        memcpy(own, home, sizeof home);
}

/* -------------------------------------------------------------------------------- all the flows */

struct filling {
    const struct fill_world *w;
    struct fill_result *out;
    double demand;                     /* of all */
    double home[STEER_REGIONS_MAX];    /* own clients, if nothing bound them */
    double earlier[STEER_REGIONS_MAX]; /* guests of the round before: fenced ones */
    bool any_fenced, fenced;           /* whom this round places */
};

static void measure_home(struct filling *x)
{
    for (uint32_t i = 0; i < x->w->flows_n; i++) {
        const struct fill_flow *f = &x->w->flow[i];
        double own[STEER_REGIONS_MAX] = {0};
        stay(f, NULL, own);
        x->demand += f->demand;
        x->any_fenced |= f->fenced;
        for (uint32_t r = 0; r < x->w->regions_n; r++)
            x->home[r] += f->demand * own[r];
    }
}

/* What a region keeps of its own clients at a level. */
static double own_at(const struct filling *x, uint32_t r, double level)
{
    const struct fill_region *at = &x->w->region[r];
    double most = at->capacity * level > at->most ? at->capacity * level : at->most;
    return at->capacity > 0 && x->home[r] > most ? most : x->home[r];
}

static void set_keep(struct filling *x)
{
    for (uint32_t r = 0; r < x->w->regions_n; r++) {
        x->out->own[r] = own_at(x, r, x->out->level[r]);
        x->out->keep[r] = x->home[r] > 0 ? x->out->own[r] / x->home[r] : 1;
    }
}

static double swell_of(const struct filling *x, uint32_t r)
{
    return x->w->region[r].swell > 0 ? x->w->region[r].swell : 1;
}

/* Where those live who would be guests at home, if that is below 1 and takes some: they do not swell. */
static uint32_t home_of(const struct fill_flow *f)
{
    return unit_at(f, (uint16_t)(f->home ? f->home - 1 : 0))->region;
}

/* One pass over the flows of this round: guests by region. Returns how many no region admits though
 * one is open; the regions that those had to choose from are stuck. */
static double guests_of(const struct filling *x, const double *admit, double *guests,
                        bool stuck[STEER_REGIONS_MAX])
{
    double sum = 0, back[STEER_REGIONS_MAX] = {0};
    memset(guests, 0, STEER_REGIONS_MAX * sizeof *guests);
    for (uint32_t i = 0; i < x->w->flows_n; i++) {
        const struct fill_flow *f = &x->w->flow[i];
        if (f->fenced != x->fenced || f->demand <= 0)
            continue;
        double own[STEER_REGIONS_MAX] = {0}, scrap[STEER_REGIONS_MAX] = {0};
        double away = stay(f, x->out->keep, own) * f->demand;
        if (away <= 0)
            continue;
        uint32_t home = home_of(f);
        double had = guests[home], left = walk(f, admit, away, guests);
        back[home] += guests[home] - had;
        if (left <= LOST * away)
            continue;
        left -= walk(f, NULL, away, scrap);
        sum += left;
        for (uint16_t k = 0; stuck && left > LOST * x->demand && k < f->row_n; k++)
            if (unit_at(f, k)->open + unit_at(f, k)->eases > 0 && unit_at(f, k)->weight > 0)
                stuck[unit_at(f, k)->region] = true;
    }
    for (uint32_t r = 0; r < x->w->regions_n; r++)
        guests[r] = back[r] + (guests[r] - back[r]) * swell_of(x, r);
    return sum;
}

/* The largest admissions under which no region gets more guests than it has room for: from 1
 * downwards, each round by what comes under the round before. What one region refuses only adds to
 * what comes to others, so it only falls, to the greatest fixed point. Returns what is lost. */
static double settle(struct filling *x, double *admit, double *guests,
                     bool stuck[STEER_REGIONS_MAX])
{
    for (uint32_t r = 0; r < x->w->regions_n; r++)
        admit[r] = 1 - x->w->region[r].shut;
    double moved = 1;
    for (int round = 0; round < ROUNDS_MAX && moved > SETTLED; round++) {
        moved = 0;
        guests_of(x, admit, guests, NULL);
        for (uint32_t r = 0; r < x->w->regions_n; r++) {
            const struct fill_region *at = &x->w->region[r];
            double room = at->capacity * x->out->level[r] - x->out->own[r] - x->earlier[r];
            if (at->capacity <= 0 || guests[r] <= room || admit[r] <= 0)
                continue;
            double to = room > 0 ? admit[r] * room / guests[r] : 0;
            if (admit[r] - to > moved)
                moved = admit[r] - to;
            admit[r] = to;
        }
    }
    return guests_of(x, admit, guests, stuck);
}

static void raise(struct filling *x, const bool *stuck, double level)
{
    for (uint32_t r = 0; r < x->w->regions_n; r++)
        if (stuck[r] && x->out->level[r] < level)
            x->out->level[r] = level;
    set_keep(x);
}

static double carried_at(const struct filling *x, const bool *stuck, double level)
{
    double sum = 0;
    for (uint32_t r = 0; r < x->w->regions_n; r++) {
        double own = own_at(x, r, level) + x->earlier[r];
        double most = x->w->region[r].capacity * level;
        sum += !stuck[r] ? 0 : own > most ? own : most;
    }
    return sum;
}

/* The level at which the regions that are stuck could carry just what comes to them now: none below
 * it will do, and where they take from nobody else this is the one. */
static double least_level(const struct filling *x, const bool *stuck, const double *guests,
                          double lost)
{
    double load = lost, low = 1, high = 2;
    for (uint32_t r = 0; r < x->w->regions_n; r++)
        load += stuck[r] ? x->out->own[r] + x->earlier[r] + guests[r] : 0;
    for (; carried_at(x, stuck, high) < load && high < LEVEL_MAX; high *= 2)
        low = high;
    while (high - low > 1e-6 * low) {
        double mid = (low + high) / 2;
        if (carried_at(x, stuck, mid) >= load)
            high = mid;
        else
            low = mid;
    }
    return high;
}

/* Overload: the smallest level of the regions that are stuck under which nothing is lost. Returns what
 * is lost elsewhere, and who is stuck then. */
static double level_up(struct filling *x, double *admit, double *guests, bool *stuck, double lost)
{
    double before[STEER_REGIONS_MAX], most = LOST * x->demand;
    bool up[STEER_REGIONS_MAX];
    double low = least_level(x, stuck, guests, lost), high = low * (1 + LEVEL_NEAR);
    memcpy(before, x->out->level, sizeof before);
    memcpy(up, stuck, sizeof up);
    raise(x, up, high);
    memset(stuck, 0, sizeof up);
    lost = settle(x, admit, guests, stuck);
    if (lost <= most)
        return lost;
    for (double step = 0.1; high < LEVEL_MAX && lost > most; step *= 2) {
        low = high;
        high = low * (1 + step);
        raise(x, up, high);
        lost = settle(x, admit, guests, NULL);
    }
    for (int i = 0; i < LEVEL_STEPS && high - low > LEVEL_NEAR * low; i++) {
        double mid = (low + high) / 2;
        memcpy(x->out->level, before, sizeof before);
        raise(x, up, mid);
        if (settle(x, admit, guests, NULL) <= most)
            high = mid;
        else
            low = mid;
    }
    memcpy(x->out->level, before, sizeof before);
    raise(x, up, high);
    memset(stuck, 0, sizeof up);
    return settle(x, admit, guests, stuck);
}

/* Those of this round. At first only the regions of rows that are stuck get more; each time that may
 * leave others stuck. Returns whether any got more. */
static bool place(struct filling *x)
{
    double *admit = x->out->admit[x->fenced], guests[STEER_REGIONS_MAX];
    bool stuck[STEER_REGIONS_MAX] = {false}, raised = false;
    double lost = settle(x, admit, guests, stuck);
    for (uint32_t i = 0; i < x->w->regions_n && lost > LOST * x->demand; i++) {
        lost = level_up(x, admit, guests, stuck, lost);
        raised = true;
    }
    for (uint32_t r = 0; r < x->w->regions_n; r++)
        x->earlier[r] += guests[r];
    return raised;
}

/* Those included who find nothing open and are spread over what is left. */
static void count_guests(struct filling *x)
{
    for (uint32_t i = 0; i < x->w->flows_n; i++) {
        const struct fill_flow *f = &x->w->flow[i];
        double share[STEER_REGIONS_MAX], own[STEER_REGIONS_MAX];
        fill_spread(f, x->out->admit[f->fenced], x->out->keep, share, own);
        for (uint32_t r = 0; r < x->w->regions_n; r++)
            x->out->guests[r] +=
                f->demand * (share[r] - own[r]) * (r == home_of(f) ? 1 : swell_of(x, r));
    }
}

void fill_solve(const struct fill_world *w, struct fill_result *out)
{
    struct filling x = {.w = w, .out = out};
    memset(out, 0, sizeof *out);
    for (uint32_t r = 0; r < STEER_REGIONS_MAX; r++)
        out->admit[0][r] = out->admit[1][r] = out->keep[r] = out->level[r] = 1;
    measure_home(&x);
    set_keep(&x);
    /* Twice: what the second round raises lets regions keep more of their own, so that fewer fenced
     * guests come than the first one thought. */
    bool again = true;
    for (int round = 0; round < 2 && again; round++) {
        memset(x.earlier, 0, sizeof x.earlier);
        x.fenced = true;
        if (x.any_fenced)
            place(&x);
        x.fenced = false;
        again = place(&x) && x.any_fenced;
    }
    count_guests(&x);
}
