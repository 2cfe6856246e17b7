#include "sim.h"

void sim_fault_init(struct sim *s)
{
    s->fault_at = 20000 + rng_below(&s->rng, 60000);
    s->unfault_at = INT64_MAX;
}

int64_t sim_fault_due(const struct sim *s)
{
    return s->fault_at < s->unfault_at ? s->fault_at : s->unfault_at;
}

static void hurt(struct sim *s, uint32_t id)
{
    struct truth *t = &s->t[id];
    t->fault = (enum fault)(1 + rng_below(&s->rng, 4));
    t->since = s->now;
    t->p = 0.1 + 0.8 * rng_unit(&s->rng);
    t->period = 1000 + rng_below(&s->rng, 60000);
    t->refuses = rng_below(&s->rng, 2);
    if (t->fault == FAULT_CRASH)
        sim_check_crash(s, id);
    else
        sim_check_cancel_promises(s);
}

static void heal_all(struct sim *s)
{
    for (uint32_t i = 0; i < s->ids; i++) {
        s->t[i].fault = FAULT_NONE;
        s->t[i].promise_at = INT64_MAX;
    }
    s->loss = s->late = 0;
    if (s->isolated) {
        s->isolated = false;
        s->isolated_last = s->now;
    }
}

static void order(struct sim *s)
{
    struct health_order o = {
        .state = (enum health_override)rng_below(&s->rng, 4),
        .to = rng_below(&s->rng, 2) ? 0 : rng_below(&s->rng, AVAIL_FULL),
        .over_ms = rng_below(&s->rng, 2) ? rng_below(&s->rng, 120000) : 0,
        .until_wall_ms = rng_below(&s->rng, 2) ? sim_wall(s) + rng_below(&s->rng, 120000) : 0,
        .author = "ana",
        .reason = "drill"};
    s->orders = true;
    sim_check_cancel_promises(s);
    if (rng_below(&s->rng, 2))
        health_order_region(s->h, rng_below(&s->rng, s->regions), &o, sim_mono(s), sim_wall(s));
    else
        health_order_endpoint(s->h, rng_below(&s->rng, sim_config(s)->cfg.endpoints_n), &o,
                              sim_mono(s), sim_wall(s));
    sim_check_step(s);
}

static void no_orders(struct sim *s)
{
    struct health_order o = {.state = HEALTH_AUTO};
    for (uint32_t i = 0; i < s->regions; i++) {
        health_order_region(s->h, i, &o, sim_mono(s), sim_wall(s));
        sim_check_step(s);
    }
    for (uint32_t i = 0; i < sim_config(s)->cfg.endpoints_n; i++) {
        health_order_endpoint(s->h, i, &o, sim_mono(s), sim_wall(s));
        sim_check_step(s);
    }
    s->orders = false;
}

static void isolate(struct sim *s)
{
    /* A network that is back for a moment only looks like a witness, to any rule. */
    if (!s->isolated && s->now - s->isolated_last > 3 * (int64_t)s->proto.interval_ms) {
        s->isolated = true;
        s->isolated_since = s->now;
        sim_check_cancel_promises(s);
    }
}

static void region_fails(struct sim *s)
{
    uint32_t r = rng_below(&s->rng, s->regions);
    bool refuses = rng_below(&s->rng, 2);
    for (uint32_t i = 0; i < s->ids; i++)
        if (id_region(s, i) == r && s->t[i].present) {
            s->t[i].fault = FAULT_CRASH;
            s->t[i].since = s->now;
            s->t[i].refuses = refuses;
        }
    for (uint32_t i = 0; i < s->ids; i++)
        if (id_region(s, i) == r && s->t[i].present)
            sim_check_crash(s, i);
}

static void one_fault(struct sim *s)
{
    switch (rng_below(&s->rng, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        hurt(s, rng_below(&s->rng, s->ids));
        break;
    case 4:
        isolate(s);
        break;
    case 5:
        region_fails(s);
        break;
    case 6:
        s->loss = 0.3 * rng_unit(&s->rng);
        sim_check_cancel_promises(s);
        break;
    case 7:
        s->late = 0.5 * rng_unit(&s->rng);
        sim_check_cancel_promises(s);
        break;
    case 8: /* somebody sets the clock */
        s->wall_offset += (int64_t)rng_below(&s->rng, 7200000) - 3600000;
        break;
    case 9:
        order(s);
        break;
    case 10:
        sim_reconfigure(s);
        break;
    case 11:
        no_orders(s);
        sim_restart(s);
        break;
    }
}

void sim_fault_run(struct sim *s)
{
    if (s->fault_at <= s->now) {
        for (uint32_t n = 1 + rng_below(&s->rng, 2); n > 0; n--)
            one_fault(s);
        s->fault_at = s->now + 5000 + rng_below(&s->rng, 120000);
        if (s->unfault_at == INT64_MAX)
            s->unfault_at = s->now + 3000 + rng_below(&s->rng, 150000);
    }
    if (s->unfault_at <= s->now) {
        heal_all(s);
        s->unfault_at = INT64_MAX;
    }
}
