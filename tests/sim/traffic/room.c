#include "traffic.h"

#include "base/hash.h"
#include "steer/fill.h"

#include <string.h>

/* A region whose requests fail for another reason does not count as one that carries. */
#define WORKS_BELOW 0.05
/* After a failure it takes a rule about as long until it has its clients back: two successes or three,
 * a hold, a ramp, a TTL. What works for less offers no steady room; so what flaps offers none. */
#define STEADY_S 120
/* Clients come in lumps, and a large resolver is a tenth of a region: nobody fills them to the brim. */
#define FILL 0.9

static bool works(const struct run *r, int region)
{
    double sum = 0;
    int n = r->w->region[region].endpoints;
    for (int k = 0; k < n; k++)
        sum += r->truth.fails[region][k];
    return sum < WORKS_BELOW * n;
}

/* keep: the part of its own clients that stays in a region; open: does it take others? */
static void find(const struct run *r, const double *keep, const bool *open, double fill,
                 struct room *out)
{
    static struct fill_region region[REGIONS_MAX];
    static struct fill_unit unit[REGIONS_MAX];
    static struct fill_flow flow[CLASSES_MAX];
    static uint16_t row[CLASSES_MAX][REGIONS_MAX];
    static struct fill_result result;
    const struct world *w = r->w;
    uint64_t state = hash_bytes(r->truth.surge, sizeof r->truth.surge, 1);
    state = hash_bytes(open, REGIONS_MAX * sizeof *open, state);
    state = hash_bytes(keep, REGIONS_MAX * sizeof *keep, state);
    if (state == out->state)
        return;
    out->state = state;
    out->since_s = r->now;
    for (int i = 0; i < w->regions; i++) {
        double capacity = w->region[i].capacity;
        region[i] = (struct fill_region){.capacity = fill * capacity, .most = capacity};
        unit[i] =
            (struct fill_unit){.region = (uint8_t)i, .weight = 1, .keep = keep[i], .open = open[i]};
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
    fill_solve(&world, &result);
    for (int i = 0; i < w->regions; i++)
        out->carries[i] = result.level[i] <= 1;
    memcpy(out->open, open, sizeof out->open);
    for (int c = 0; c < w->classes; c++) {
        out->stuck[c] = true;
        for (int i = 0; i < w->class[c].order_n; i++)
            out->stuck[c] &= !open[w->class[c].order[i]] || !out->carries[w->class[c].order[i]];
    }
}

void room_find(struct run *r)
{
    bool now[REGIONS_MAX] = {false};
    double keeps_now[REGIONS_MAX] = {0}, keeps[REGIONS_MAX] = {0};
    memset(r->works, 0, sizeof r->works);
    for (int i = 0; i < r->w->regions; i++) {
        now[i] = works(r, i);
        if (!now[i])
            r->fails_s[i] = r->now;
        r->works[i] = r->now - r->fails_s[i] >= STEADY_S;
        keeps_now[i] = now[i];
        keeps[i] = r->works[i];
    }
    find(r, keeps_now, now, 1, &r->room);
    find(r, keeps, r->works, FILL, &r->steady);
}

void room_find_open(struct run *r)
{
    bool open[REGIONS_MAX] = {false};
    double keeps[REGIONS_MAX] = {0};
    for (int i = 0; i < r->w->regions; i++) {
        keeps[i] = r->rule->keeps(r, i);
        open[i] = keeps[i] >= 1 && r->works[i];
    }
    find(r, keeps, open, FILL, &r->open);
}
