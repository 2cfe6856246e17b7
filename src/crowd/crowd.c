#include "crowd/crowd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_STEP 256u /* addresses of a /24 */

/* ------------------------------------------------------------------------------------- networks */

struct counting {
    const struct geo_base *base;
    uint64_t located, all; /* blocks */
    uint64_t located_ranges, all_ranges;
};

static bool is_located(const struct geo_base *base, uint32_t spot)
{
    return geo_base_spot(base, spot)->place != 0;
}

static void count_range(void *ctx, const struct ip *first, uint64_t blocks, uint32_t spot)
{
    struct counting *x = ctx;
    (void)first;
    x->all += blocks;
    x->all_ranges++;
    if (is_located(x->base, spot)) {
        x->located += blocks;
        x->located_ranges++;
    }
}

struct drawing {
    const struct geo_base *base;
    struct crowd *out;
    bool all;    /* those that nothing locates as well */
    bool each;   /* no range is left out */
    double step; /* blocks that one client stands for */
    double next; /* systematic: where the next client is, from the start of the range at hand */
};

static void add_block(struct drawing *x, const struct ip *first, uint64_t block, double weight)
{
    if (x->out->n == CROWD_CLIENTS_MAX)
        return;
    uint32_t at = (uint32_t)first->b[0] << 24 | (uint32_t)first->b[1] << 16 |
                  (uint32_t)first->b[2] << 8 | first->b[3];
    if (block) /* the first block of a range may begin in the middle: own networks do */
        at = (at & ~(BLOCK_STEP - 1)) + (uint32_t)(block * BLOCK_STEP);
    x->out->client[x->out->n++] =
        (struct crowd_client){.address = {.family = 4,
                                          .b = {(uint8_t)(at >> 24), (uint8_t)(at >> 16),
                                                (uint8_t)(at >> 8), (uint8_t)at}},
                              .subnet = true,
                              .family = STEER_V4,
                              .service = CROWD_ANY,
                              .weight = (float)weight};
}

/* As many clients as it deserves, one at least; together they weigh what it weighs. */
static void draw_each(struct drawing *x, const struct ip *first, uint64_t blocks)
{
    uint64_t n = (uint64_t)((double)blocks / x->step);
    n = n ? n : 1;
    for (uint64_t i = 0; i < n; i++)
        add_block(x, first, blocks * i / n, (double)blocks / (double)n);
}

static void draw_range(void *ctx, const struct ip *first, uint64_t blocks, uint32_t spot)
{
    struct drawing *x = ctx;
    if (!x->all && !is_located(x->base, spot))
        return;
    if (x->each) {
        draw_each(x, first, blocks);
        return;
    }
    for (; x->next < (double)blocks; x->next += x->step)
        add_block(x, first, (uint64_t)x->next, x->step);
    x->next -= (double)blocks;
}

bool crowd_of_networks(const struct geo_base *base, struct crowd *out)
{
    struct counting n = {.base = base};
    *out = (struct crowd){.basis = CROWD_NETWORKS};
    out->client = malloc(CROWD_CLIENTS_MAX * sizeof *out->client);
    out->upto = malloc(CROWD_CLIENTS_MAX * sizeof *out->upto);
    if (!out->client || !out->upto) {
        crowd_fini(out);
        return false;
    }
    if (!geo_base_each_v4(base, count_range, &n)) {
        crowd_fini(out);
        return false;
    }
    struct drawing x = {.base = base, .out = out, .all = n.located == 0};
    uint64_t ranges = x.all ? n.all_ranges : n.located_ranges;
    x.each = ranges <= CROWD_CLIENTS_MAX / 2;
    /* Each range may have one client more than its part. */
    uint64_t places = x.each ? CROWD_CLIENTS_MAX - ranges : CROWD_CLIENTS_MAX;
    x.step = (double)(x.all ? n.all : n.located) / (double)places;
    x.step = x.step < 1 ? 1 : x.step;
    x.next = x.step / 2;
    if (!geo_base_each_v4(base, draw_range, &x)) {
        crowd_fini(out);
        return false;
    }
    double sum = 0;
    for (uint32_t i = 0; i < out->n; i++)
        out->upto[i] = sum += (double)out->client[i].weight;
    return true;
}

void crowd_fini(struct crowd *c)
{
    free(c->client);
    free(c->upto);
    *c = (struct crowd){0};
}

/* -------------------------------------------------------------------------------------- classes */

struct geo_client crowd_locate(const struct crowd_client *c, const struct geo_view *map)
{
    struct geo_client_in in = {.source = c->address};
    if (c->subnet) {
        in.subnet = c->address;
        in.subnet_len = (uint8_t)ip_bits(&c->address);
    }
    return geo_client_locate(map, &in);
}

bool crowd_class_weights(const struct crowd *c, const struct snapshot *s, uint32_t view,
                         double *weight)
{
    const struct snapshot_view *v = s->views[view];
    double sum = 0;
    memset(weight, 0, v->rows_n * sizeof *weight);
    for (uint32_t i = 0; i < c->n; i++) {
        const struct crowd_client *x = &c->client[i];
        if (x->service != CROWD_ANY && s->steer.service[x->service].view != view)
            continue;
        weight[crowd_locate(x, v->map).class] += (double)x->weight;
        sum += (double)x->weight;
    }
    for (uint32_t i = 0; sum > 0 && i < v->rows_n; i++)
        weight[i] /= sum;
    return sum > 0;
}
