/* Who moves when one of five regions fails, and who is back afterwards. The engine finds the failure by
 * its own probes; regions have no capacities, so that nothing but the failure decides. */
#include "meridian.h"

#include <stdio.h>
#include <string.h>

#define REGIONS 5
#define NETWORKS 1280 /* all of the classes' /16 */
#define FAILS_S 100
#define BACK_S 400
#define END_S 800
#define MOST 1.02 /* of those who lived in the region that failed */

static void draw(struct world *w, uint64_t seed, bool weighted, bool weights)
{
    struct rng rng;
    world_draw(w, seed);
    rng_seed(&rng, seed);
    w->regions = w->classes = REGIONS;
    w->fenced = w->capacities = false;
    w->weighted = weighted;
    for (int i = 0; i < REGIONS; i++) {
        struct class *c = &w->class[i];
        *c = (struct class){.order_n = REGIONS, .home = i, .demand = 1};
        for (int k = 0; k < REGIONS; k++)
            c->order[k] = (i + k * (1 + (int)(seed % 4))) % REGIONS;
        w->region[i].endpoints = 2;
        w->region[i].capacity = weights ? 100 * (1 + rng_below(&rng, 50)) : 1000;
    }
    w->askers = w->networks = NETWORKS;
    for (int i = 0; i < NETWORKS; i++)
        w->asker[i] = (struct asker){
            .class = i % REGIONS,
            .ip = {.family = 4, .b = {20, (uint8_t)(i % REGIONS), (uint8_t)(i / REGIONS)}},
            .subnet = true,
            .networks = 1,
            .stretch = 1};
    w->faults = 1;
    w->end_s = END_S;
}

static void place(struct run *r, int *at)
{
    for (int i = 0; i < r->w->askers; i++)
        at[i] = r->rule->ask(r, i).region;
}

static bool fails_well(const struct world *w, struct run *r, int region, double *worst)
{
    static int before[NETWORKS], without[NETWORKS], after[NETWORKS];
    int lived = 0, moved = 0, astray = 0;
    memset(r, 0, sizeof *r);
    r->w = w;
    r->rule = &rule_meridian;
    rng_seed(&r->rng, w->seed);
    r->state = rule_meridian.open(r);
    for (r->now = 0; r->now < w->end_s && !r->failure[0]; r->now++) {
        fault_truth(w, r->now, &r->truth);
        rule_meridian.second(r);
        if (r->now == FAILS_S - 1)
            place(r, before);
        if (r->now == BACK_S - 1)
            place(r, without);
    }
    place(r, after);
    rule_meridian.close(r->state);
    for (int i = 0; i < w->askers; i++) {
        lived += before[i] == region;
        moved += before[i] != without[i];
        astray += before[i] != after[i] || without[i] == region;
    }
    double ratio = lived ? (double)moved / lived : 0;
    *worst = ratio > *worst ? ratio : *worst;
    if (r->failure[0] || lived == 0 || moved < lived || ratio > MOST || astray)
        printf("SEED=%llu r%d: %d lived there, %d moved, %d are not where they belong; %s\n",
               (unsigned long long)w->seed, region, lived, moved, astray, r->failure);
    return !r->failure[0] && lived > 0 && moved >= lived && ratio <= MOST && !astray;
}

int movement_test(uint64_t first, int worlds)
{
    static struct world w;
    static struct run r;
    static const char *const kind[] = {"geo | sticky", "sticky, equal weights", "sticky, weights"};
    int bad = 0;
    for (int k = 0; k < 3; k++) {
        double worst = 0;
        for (int i = 0; i < worlds; i++) {
            draw(&w, first + (uint64_t)i, k > 0, k == 2);
            for (int region = 0; region < REGIONS; region++) {
                w.fault[0] = (struct fault){
                    .kind = FAULT_CRASH, .region = region, .from = FAILS_S, .to = BACK_S};
                bad += !fails_well(&w, &r, region, &worst);
            }
        }
        printf("%s: at most %.3f of the fewest possible moved\n", kind[k], worst);
    }
    return bad ? 1 : 0;
}
