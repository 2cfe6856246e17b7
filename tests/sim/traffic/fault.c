#include "traffic.h"

#include <string.h>

const char *fault_name(enum fault_kind kind)
{
    static const char *const name[] = {"crash",      "endpoint",  "brown-out", "slow", "flap",
                                       "probe loss", "isolation", "one-way",   "cut",  "surge"};
    return kind < FAULT_KINDS ? name[kind] : "none";
}

static double between(struct rng *rng, double a, double b)
{
    return a + (b - a) * rng_unit(rng);
}

/* Four to eight in two hours, at any time, of any kind: they may meet. */
void fault_draw(struct world *w, struct rng *rng)
{
    static const struct {
        double least_s, most_s;
    } lasts[FAULT_KINDS] = {{120, 1200}, {120, 1200}, {180, 1800}, {180, 1800}, {300, 1800},
                            {300, 1200}, {20, 300},   {60, 600},   {60, 600},   {300, 1200}};
    w->faults = 4 + (int)rng_below(rng, 5);
    for (int i = 0; i < w->faults; i++) {
        struct fault *f = &w->fault[i];
        f->kind = (enum fault_kind)rng_below(rng, FAULT_KINDS);
        f->region = (int)rng_below(rng, (uint32_t)w->regions);
        f->endpoint = (int)rng_below(rng, (uint32_t)w->region[f->region].endpoints);
        f->from = 120 + (int)rng_below(rng, (uint32_t)w->end_s - 1800);
        f->to = f->from + (int)between(rng, lasts[f->kind].least_s, lasts[f->kind].most_s);
        f->period = (int)between(rng, 10, 300);
        f->refuses = rng_below(rng, 2) == 0;
        f->p = f->kind == FAULT_SURGE  ? between(rng, 1.3, 3)
               : f->kind == FAULT_LOSS ? between(rng, 0.05, 0.3)
                                       : between(rng, 0.05, 0.6);
    }
}

static void add(double *fails, double p)
{
    *fails = 1 - (1 - *fails) * (1 - p);
}

static void add_region(const struct world *w, struct truth *t, const struct fault *f, double p)
{
    for (int k = 0; k < w->region[f->region].endpoints; k++)
        add(&t->fails[f->region][k], p);
    if (!f->refuses || f->kind == FAULT_SLOW)
        add(&t->times_out[f->region], p);
    t->silent[f->region] |= p >= 1;
}

static void apply(const struct world *w, const struct fault *f, int now, struct truth *t)
{
    switch (f->kind) {
    case FAULT_CRASH:
        add_region(w, t, f, 1);
        break;
    case FAULT_ENDPOINT:
        t->fails[f->region][f->endpoint] = 1;
        break;
    case FAULT_BROWN:
    case FAULT_SLOW:
        add_region(w, t, f, f->p);
        break;
    case FAULT_FLAP:
        if ((now - f->from) % f->period < f->period / 2)
            add_region(w, t, f, 1);
        break;
    case FAULT_LOSS:
        add(&t->probe_loss, f->p);
        break;
    case FAULT_ISOLATION:
        t->isolated = true;
        break;
    case FAULT_ONE_WAY:
        t->one_way[f->region] = true;
        break;
    case FAULT_CUT: /* a third of those who live there */
        for (int c = 0; c < w->classes; c++)
            t->cut[c][f->region] |= c % 3 == f->endpoint % 3;
        break;
    case FAULT_SURGE:
        for (int c = 0; c < w->classes; c++)
            if (w->class[c].home == f->region)
                t->surge[c] *= f->p;
        break;
    case FAULT_KINDS:
        break;
    }
}

void fault_truth(const struct world *w, int now, struct truth *t)
{
    memset(t, 0, sizeof *t);
    for (int c = 0; c < w->classes; c++)
        t->surge[c] = 1;
    for (int i = 0; i < w->faults; i++)
        if (w->fault[i].from <= now && now < w->fault[i].to)
            apply(w, &w->fault[i], now, t);
}

bool probe_succeeds(struct run *r, struct rng *rng, int region, int endpoint, bool own_network,
                    bool *timed_out)
{
    const struct truth *t = &r->truth;
    *timed_out = true;
    if (own_network && (t->isolated || t->one_way[region] || rng_unit(rng) < t->probe_loss))
        return false;
    double fails = t->fails[region][endpoint];
    double all = 1 - (1 - fails) * (1 - r->overload[region]);
    if (rng_unit(rng) >= all)
        return true;
    *timed_out = t->times_out[region] > 0;
    return false;
}
