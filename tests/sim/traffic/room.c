#include "traffic.h"

#include "base/hash.h"
#include "steer/fill.h"

#include <string.h>

/* A region whose requests fail for another reason does not count as one that carries. */
#define WORKS_BELOW 0.05

static bool works(const struct run *r, int region)
{
    double sum = 0;
    int n = r->w->region[region].endpoints;
    for (int k = 0; k < n; k++)
        sum += r->truth.fails[region][k];
    return sum < WORKS_BELOW * n;
}

static uint64_t state_of(const struct run *r)
{
    uint64_t h = 1;
    for (int i = 0; i < r->w->regions; i++)
        h = hash_mix(h ^ (uint64_t)works(r, i));
    return hash_bytes(r->truth.surge, sizeof r->truth.surge, h);
}

void room_find(struct run *r)
{
    static struct fill_region region[REGIONS_MAX];
    static struct fill_unit unit[REGIONS_MAX];
    static struct fill_flow flow[CLASSES_MAX];
    static uint16_t row[CLASSES_MAX][REGIONS_MAX];
    static struct fill_result out;
    const struct world *w = r->w;
    uint64_t state = state_of(r);
    if (state == r->carried_of)
        return;
    r->carried_of = state;
    for (int i = 0; i < w->regions; i++) {
        double capacity = w->region[i].capacity;
        region[i] = (struct fill_region){.capacity = capacity, .most = capacity};
        unit[i] = (struct fill_unit){
            .region = (uint8_t)i, .weight = 1, .keep = works(r, i), .open = works(r, i)};
    }
    for (int c = 0; c < w->classes; c++) {
        for (int i = 0; i < w->class[c].order_n; i++)
            row[c][i] = (uint16_t)(STEER_GROUP | w->class[c].order[i]);
        flow[c] = (struct fill_flow){.row = row[c],
                                     .row_n = (uint16_t)w->class[c].order_n,
                                     .fenced = w->class[c].fenced,
                                     .unit = unit,
                                     .demand = w->class[c].demand * r->truth.surge[c]};
    }
    struct fill_world world = {region, (uint32_t)w->regions, flow, (uint32_t)w->classes};
    fill_solve(&world, &out);
    for (int i = 0; i < w->regions; i++)
        r->carried[i] = out.level[i] <= 1;
}
