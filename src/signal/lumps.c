/* Guests come in lumps: a resolver passes nobody's network on, and all who are behind it come, or none.
 * So the load of those whom a region admits is known but for a chance. It is reckoned as if the clients
 * of each region were behind LUMPS resolvers of one size: of a part p of them the load has the variance
 * demand^2 p (1 - p) / LUMPS. Each region is filled up to the mark, or as far that twice the spread of
 * its guests is free below its capacity, whichever is less; where one that is small, or the last of a
 * row, has guests of a large one. Not where the others cannot take as much. */
#include "signal_priv.h"

#include <math.h>
#include <string.h>

#define LUMPS 30
#define SPREADS 2
#define MORE 1.05 /* others may be filled so many times as far for it */

/* The part of the clients of each region that is planned to be guests in each. */
static void measure_guests(const struct signal_capacity *c, double part[R][R])
{
    memset(part, 0, R * sizeof *part);
    for (uint32_t i = 0; i < c->flows_n; i++) {
        const struct fill_flow *f = &c->fill[i];
        double share[R], own[R];
        fill_spread(f, c->planned.admit[f->fenced], c->planned.keep, share, own);
        for (uint32_t r = 0; r < c->s->regions_n; r++)
            part[c->flow[i].region][r] += c->flow[i].part * (share[r] - own[r]);
    }
}

static double spread_of(const struct signal_capacity *c, double part[R][R], uint32_t r)
{
    double sum = 0;
    for (uint32_t q = 0; q < c->s->regions_n; q++)
        if (q != r && part[q][r] < 1)
            sum += c->of[q].demand * c->of[q].demand * part[q][r] * (1 - part[q][r]);
    return sqrt(sum / LUMPS);
}

void signal__plan_with_room(struct signal_capacity *c, const struct fill_world *w)
{
    double part[R][R], mark[R], level = signal__level(c);
    bool less = false;
    if (!w->flows_n || level > c->high / c->aim)
        return;
    measure_guests(c, part);
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        double capacity = (double)c->s->model->regions[r].capacity;
        double to = (capacity - SPREADS * spread_of(c, part, r)) / level;
        mark[r] = c->region[r].capacity;
        if (to >= mark[r])
            continue;
        c->region[r].capacity = to > SOME * capacity ? to : SOME * capacity;
        less = true;
    }
    if (!less)
        return;
    c->unbound = c->planned;
    fill_solve(w, &c->planned);
    if (signal__level(c) <= MORE * level)
        return;
    c->planned = c->unbound;
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        c->region[r].capacity = mark[r];
}
