#include "crowd/spread.h"

#include "base/check.h"
#include "base/hash.h"

#include <math.h>
#include <string.h>

#define DRAWS_MAX 16u /* of one recent answer */
#define GOLDEN 0.6180339887498949

/* --------------------------------------------------------------------------------------- points */

/* Each answer as often as there is room for. */
static uint32_t each_answer(const struct crowd *c, uint32_t service, uint32_t points,
                            void (*fn)(void *ctx, const struct crowd_point *p), void *ctx)
{
    double sum = 0;
    uint32_t n = 0, draws;
    for (uint32_t i = 0; i < c->n; i++)
        if (service == CROWD_ANY || c->client[i].service == service) {
            sum += (double)c->client[i].weight;
            n++;
        }
    draws = n ? points / n : 0;
    draws = draws < 1 ? 1 : draws > DRAWS_MAX ? DRAWS_MAX : draws;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct crowd_client *x = &c->client[i];
        if (service != CROWD_ANY && x->service != service)
            continue;
        for (uint32_t k = 0; k < draws; k++) {
            struct crowd_point p = {.client = i,
                                    .service = x->service,
                                    .weight = (double)x->weight / sum / draws,
                                    .seed = (uint64_t)i * DRAWS_MAX + k};
            fn(ctx, &p);
        }
    }
    return n * draws;
}

/* Which services are asked: first, first + step, … */
struct walk {
    double first, step;
    uint32_t n;
};

static struct walk walk_of(const struct snapshot *s, uint32_t service, uint32_t most)
{
    if (service != CROWD_ANY)
        return (struct walk){.first = service, .step = 1, .n = 1};
    uint32_t n = s->services_n < most ? s->services_n : most;
    return (struct walk){.first = 0, .step = n ? (double)s->services_n / n : 1, .n = n};
}

/* The client in whose part of the weight this lies. */
static uint32_t client_at(const struct crowd *c, double want)
{
    uint32_t low = 0, high = c->n - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (c->upto[middle] > want)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Clients of one service at equal distances of weight, from a start that differs by service. */
static void each_network(const struct crowd *c, uint32_t service, uint32_t n, double weight,
                         uint64_t seed, void (*fn)(void *ctx, const struct crowd_point *p),
                         void *ctx)
{
    double whole, start = modf((double)seed * GOLDEN, &whole), sum = c->upto[c->n - 1];
    for (uint32_t k = 0; k < n; k++) {
        uint32_t at = client_at(c, ((double)k + start) * sum / n);
        struct crowd_point p = {
            .client = at, .service = service, .weight = weight / n, .seed = hash_mix(seed + 1) + k};
        fn(ctx, &p);
    }
}

static struct crowd_asked ask_points(const struct crowd *c, const struct snapshot *s,
                                     uint32_t service, uint32_t points, uint32_t services,
                                     void (*fn)(void *ctx, const struct crowd_point *p), void *ctx)
{
    struct walk w = walk_of(s, service, services);
    if (c->n == 0 || w.n == 0)
        return (struct crowd_asked){0};
    if (c->basis == CROWD_ANSWERS)
        return (struct crowd_asked){each_answer(c, service, points, fn, ctx), w.n};
    uint32_t each = points / w.n ? points / w.n : 1;
    for (uint32_t i = 0; i < w.n; i++)
        each_network(c, (uint32_t)(w.first + i * w.step), each, 1.0 / w.n, i, fn, ctx);
    return (struct crowd_asked){each * w.n, w.n};
}

struct crowd_asked crowd_points(const struct crowd *c, const struct snapshot *s, uint32_t service,
                                uint32_t points, void (*fn)(void *ctx, const struct crowd_point *p),
                                void *ctx)
{
    return ask_points(c, s, service, points, CROWD_SERVICES_MAX, fn, ctx);
}

/* ------------------------------------------------------------------------------------- decision */

static uint16_t type_of(const struct crowd_client *x, const struct steer_service *svc)
{
    bool networks = x->service == CROWD_ANY; /* they ask for what there is */
    if (networks && !(svc->families & (1u << STEER_V4)) && svc->families & (1u << STEER_V6))
        return DNS_AAAA;
    return x->family == STEER_V6 ? DNS_AAAA : DNS_A;
}

void crowd_decide(const struct snapshot *s, const struct crowd *c, const struct crowd_point *p,
                  uint32_t service, struct answer_plan *out, bool *drawn)
{
    const struct crowd_client *x = &c->client[p->client];
    struct geo_client_in in = {.source = x->address};
    struct rng rng, fresh;
    if (x->subnet) {
        in.subnet = x->address;
        in.subnet_len = (uint8_t)ip_bits(&x->address);
    }
    rng_seed(&rng, p->seed);
    fresh = rng;
    answer_decide_service(s, service, type_of(x, &s->steer.service[service]), &in, &rng, out);
    *drawn = memcmp(&rng, &fresh, sizeof rng) != 0;
}

/* --------------------------------------------------------------------------------------- shares */

struct spreading {
    const struct crowd *c;
    const struct snapshot *s;
    double *out;
};

static void spread_endpoint(void *ctx, const struct crowd_point *p)
{
    const struct spreading *x = ctx;
    struct answer_plan plan;
    bool drawn;
    crowd_decide(x->s, x->c, p, p->service, &plan, &drawn);
    for (uint16_t i = 0; plan.service == p->service && i < plan.steer.n; i++)
        x->out[plan.steer.endpoint[i] - x->s->service_endpoint_first[p->service]] +=
            p->weight / plan.steer.n;
}

void crowd_spread_service(const struct crowd *c, const struct snapshot *s, uint32_t service,
                          uint32_t points, double *by_endpoint)
{
    struct spreading x = {c, s, by_endpoint};
    crowd_points(c, s, service, points, spread_endpoint, &x);
}

static void spread_region(void *ctx, const struct crowd_point *p)
{
    const struct spreading *x = ctx;
    struct answer_plan plan;
    bool drawn;
    crowd_decide(x->s, x->c, p, p->service, &plan, &drawn);
    for (uint16_t i = 0; i < plan.steer.n; i++)
        x->out[steer_site_of(&x->s->steer, plan.service, plan.steer.endpoint[i])->region] +=
            p->weight / plan.steer.n;
}

void crowd_spread(const struct crowd *c, const struct snapshot *s, uint32_t points,
                  double *by_region)
{
    struct spreading x = {c, s, by_region};
    ask_points(c, s, CROWD_ANY, points, points, spread_region, &x);
}
