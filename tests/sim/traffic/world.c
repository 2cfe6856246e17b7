#include "traffic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double between(struct rng *rng, double a, double b)
{
    return a + (b - a) * rng_unit(rng);
}

static int whole(struct rng *rng, int a, int b) /* both included */
{
    return a + (int)rng_below(rng, (uint32_t)(b - a + 1));
}

/* Regions lie in up to six continents of a flat map that wraps around in x. */
static void draw_regions(struct world *w, struct rng *rng)
{
    int continents = whole(rng, 2, 6);
    double at[6][2];
    for (int i = 0; i < continents; i++) {
        at[i][0] = between(rng, 0, 360);
        at[i][1] = between(rng, -40, 60);
    }
    w->regions = rng_below(rng, 2) ? whole(rng, 3, 10) : whole(rng, 3, REGIONS_MAX);
    for (int i = 0; i < w->regions; i++) {
        struct region *r = &w->region[i];
        int c = i < continents ? i : whole(rng, 0, continents - 1);
        r->x = at[c][0] + between(rng, -20, 20);
        r->y = at[c][1] + between(rng, -15, 15);
        r->endpoints = whole(rng, 2, ENDPOINTS_MAX);
    }
}

static double distance(const struct region *r, double x, double y)
{
    double dx = fabs(fmod(r->x - x, 360));
    dx = dx > 180 ? 360 - dx : dx;
    return hypot(dx, r->y - y);
}

static void order_regions(const struct world *w, struct class *c, double x, double y)
{
    c->order_n = w->regions;
    for (int i = 0; i < w->regions; i++) {
        int at = i;
        for (;
             at > 0 && distance(&w->region[c->order[at - 1]], x, y) > distance(&w->region[i], x, y);
             at--)
            c->order[at] = c->order[at - 1];
        c->order[at] = i;
    }
    c->home = c->order[0];
}

/* One or two classes near each region; some may use the nearest regions alone. */
static void draw_classes(struct world *w, struct rng *rng)
{
    w->fenced = rng_below(rng, 3) == 0 && w->regions >= 5;
    for (int i = 0; i < w->regions; i++)
        for (int k = whole(rng, 1, 2); k > 0; k--) {
            struct class *c = &w->class[w->classes++];
            const struct region *r = &w->region[i];
            order_regions(w, c, r->x + between(rng, -6, 6), r->y + between(rng, -6, 6));
            c->demand = 200 * exp(between(rng, 0, 2));
            c->fenced = w->fenced && rng_below(rng, 2) == 0;
            if (c->fenced)
                c->order_n = whole(rng, 3, w->regions - 1);
        }
}

static void add_asker(struct world *w, struct asker a)
{
    if (w->askers < ASKERS_MAX)
        w->asker[w->askers++] = a;
}

/* The resolvers of a class: some pass the client's network on, most obey TTLs. */
static void draw_askers(struct world *w, struct rng *rng, int class)
{
    int resolvers = whole(rng, 8, 16), per = w->regions > 20 ? 4 : 8;
    double part[16], sum = 0;
    for (int i = 0; i < resolvers; i++)
        sum += part[i] = exp(between(rng, 0, 1));
    for (int i = 0; i < resolvers; i++) {
        int networks = whole(rng, per / 2, per);
        double demand = w->class[class].demand * part[i] / sum;
        struct asker a = {.class = class,
                          .ip = {.family = 4, .b = {20, (uint8_t) class, (uint8_t)(i * 16), 0}},
                          .subnet = rng_below(rng, 5) < 3,
                          .stretch = 1};
        if (rng_below(rng, 7) == 0) {
            if (rng_below(rng, 2))
                a.floor_s = 60;
            else
                a.stretch = between(rng, 2, 10);
        }
        w->networks += networks;
        if (!a.subnet) {
            a.ip.b[3] = 53;
            a.networks = networks;
            a.demand = demand;
            add_asker(w, a);
            continue;
        }
        for (int k = 0; k < networks; k++) {
            a.ip.b[2] = (uint8_t)(i * 16 + k);
            a.networks = 1;
            a.demand = demand / networks;
            add_asker(w, a);
        }
    }
}

/* Enough for the usual load, each with its own margin, and all together enough for the loss of any
 * one of them: what people who buy capacity reckon with. */
static void draw_capacities(struct world *w, struct rng *rng)
{
    double total = 0, all = 0, largest = 0;
    for (int i = 0; i < w->classes; i++) {
        w->region[w->class[i].home].capacity += w->class[i].demand;
        total += w->class[i].demand;
    }
    for (int i = 0; i < w->regions; i++) {
        double *c = &w->region[i].capacity;
        *c = (*c > total / (4 * w->regions) ? *c : total / (4 * w->regions)) /
             between(rng, 0.5, 0.8);
        all += *c;
        largest = *c > largest ? *c : largest;
    }
    double need = total * 1.15 / (all - largest);
    for (int i = 0; i < w->regions; i++)
        w->region[i].capacity = floor(w->region[i].capacity * (need > 1 ? need : 1));
}

/* A fence is wide enough for the loss of any one of the regions in it, too. */
static void widen_fence(const struct world *w, struct class *c)
{
    for (; c->order_n < w->regions; c->order_n++) {
        double all = 0, largest = 0, demand = 0;
        for (int i = 0; i < c->order_n; i++) {
            const struct region *r = &w->region[c->order[i]];
            all += r->capacity;
            largest = r->capacity > largest ? r->capacity : largest;
            for (int k = 0; k < w->classes; k++)
                demand += w->class[k].home == c->order[i] ? w->class[k].demand : 0;
        }
        if (all - largest >= 1.15 * demand)
            return;
    }
}

void world_draw(struct world *w, uint64_t seed)
{
    struct rng rng;
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->end_s = 7200;
    rng_seed(&rng, seed);
    draw_regions(w, &rng);
    draw_classes(w, &rng);
    for (int i = 0; i < w->classes; i++)
        draw_askers(w, &rng, i);
    draw_capacities(w, &rng);
    for (int i = 0; i < w->classes; i++)
        if (w->class[i].fenced)
            widen_fence(w, &w->class[i]);
    w->capacities = true;
    fault_draw(w, &rng);
}
