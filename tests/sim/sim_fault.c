#include "sim.h"

#include <math.h>
#include <stdio.h>

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
    if (s->world == WORLD_WIDE && rng_below(&s->rng, 2)) /* any period, up to forty intervals */
        t->period = (int64_t)(1000 * pow(40e-3 * s->proto.interval_ms + 2, rng_unit(&s->rng)));
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
    for (uint32_t i = 0; s->any_cut && i < s->regions; i++) {
        if (s->cut[i])
            s->cut_last[i] = s->any_cut_last = s->now;
        s->cut[i] = 0;
    }
    s->any_cut = false;
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
    if (s->world == WORLD_WIDE && rng_below(&s->rng, 6) == 0) /* it is over before it begins */
        o.until_wall_ms = sim_wall(s) - rng_below(&s->rng, 7200000);
    s->ordered_at = sim_seen(s);
    sim_check_cancel_promises(s);
    if (rng_below(&s->rng, 2))
        health_order_region(s->h, rng_below(&s->rng, sim_config(s)->cfg.regions_n), &o, sim_mono(s),
                            sim_wall(s));
    else
        health_order_endpoint(s->h, rng_below(&s->rng, sim_config(s)->cfg.endpoints_n), &o,
                              sim_mono(s), sim_wall(s));
    sim_check_step(s);
}

static void no_orders(struct sim *s)
{
    struct health_order o = {.state = HEALTH_AUTO};
    s->ordered_at = sim_seen(s);
    for (uint32_t i = 0; i < sim_config(s)->cfg.regions_n; i++) {
        health_order_region(s->h, i, &o, sim_mono(s), sim_wall(s));
        sim_check_step(s);
    }
    for (uint32_t i = 0; i < sim_config(s)->cfg.endpoints_n; i++) {
        health_order_endpoint(s->h, i, &o, sim_mono(s), sim_wall(s));
        sim_check_step(s);
    }
}

/* Somebody switches everything off, or drains it, one region after the other. */
static void all_down(struct sim *s)
{
    struct health_order o = {.state = rng_below(&s->rng, 2) ? HEALTH_DOWN : HEALTH_DRAIN,
                             .until_wall_ms = sim_wall(s) + 1000 + rng_below(&s->rng, 1800000),
                             .author = "bob",
                             .reason = "the wrong window"};
    s->ordered_at = sim_seen(s);
    sim_check_cancel_promises(s);
    for (uint32_t i = 0; i < sim_config(s)->cfg.regions_n; i++) {
        health_order_region(s->h, i, &o, sim_mono(s), sim_wall(s));
        sim_check_step(s);
    }
}

static void release(struct sim *s)
{
    for (uint32_t i = 0; i < s->regions; i++) {
        uint32_t number = sim_config(s)->region_of[i];
        if (number == HEALTH_NONE || rng_below(&s->rng, 2))
            continue;
        s->released_at[i] = sim_seen(s);
        health_release_region(s->h, number, sim_mono(s), sim_wall(s));
        sim_check_step(s);
    }
}

/* The prober no longer hears of some regions: requests do not arrive there (reports still come), or
 * answers do not come back, and reports neither. */
static void partition(struct sim *s)
{
    uint8_t what = CUT_PROBES | (rng_below(&s->rng, 2) ? CUT_REPORTS : 0);
    double share = rng_unit(&s->rng);
    s->any_cut = true;
    sim_check_cancel_promises(s);
    for (uint32_t i = 0; i < s->regions; i++)
        if (rng_unit(&s->rng) < share)
            s->cut[i] = what;
}

/* A host that slept, or was moved: the monotonic clock too may leap, and the engine holds a step
 * back. */
static void clock_leaps(struct sim *s)
{
    static const uint32_t forward[] = {2000, 60000, 3600000, 86400000};
    sim_check_cancel_promises(s);
    if (rng_below(&s->rng, 2)) {
        s->mono_offset += rng_below(&s->rng, forward[rng_below(&s->rng, 4)]);
        sim_check_leapt(s);
    } else {
        s->mono_offset -= rng_below(&s->rng, forward[rng_below(&s->rng, 2)]);
    }
    if (rng_below(&s->rng, 2))
        s->wall_offset += (int64_t)rng_below(&s->rng, 172800000) - 86400000;
    health_advance(s->h, sim_mono(s), sim_wall(s));
    sim_check_step(s);
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

static const char *const fault_names[] = {
    "endpoint",  "endpoint",    "endpoint",   "endpoint", "isolation",       "region",
    "loss",      "late probes", "wall clock", "order",    "reconfiguration", "restart",
    "partition", "partition",   "clock leap", "release",  "all down"};

static void one_fault(struct sim *s)
{
    s->faults++;
    s->check_now = true;
    uint32_t kind = rng_below(&s->rng, s->world == WORLD_WIDE ? 17 : 12);
    if (s->verbose)
        printf("%9.3f fault    %s\n", (double)s->now / 1000, fault_names[kind]);
    switch (kind) {
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
    case 12:
    case 13:
        partition(s);
        break;
    case 14:
        clock_leaps(s);
        break;
    case 15:
        release(s);
        break;
    case 16:
        all_down(s);
        break;
    }
}

void sim_fault_run(struct sim *s)
{
    if (s->fault_at <= s->now) {
        for (uint32_t n = 1 + rng_below(&s->rng, 2); n > 0; n--)
            one_fault(s);
        int64_t next = 5000 + rng_below(&s->rng, 120000);
        s->fault_at = s->now + next * s->scale.stretch / 1000;
        if (s->unfault_at == INT64_MAX) {
            int64_t heal = 3000 + rng_below(&s->rng, 150000);
            s->unfault_at = s->now + heal * s->scale.stretch / 1000;
        }
        if (s->scale.quiet && rng_below(&s->rng, 4) == 0)
            s->fault_at += rng_below(&s->rng, (uint32_t)s->scale.quiet);
    }
    if (s->unfault_at <= s->now) {
        heal_all(s);
        if (s->world == WORLD_WIDE && rng_below(&s->rng, 2))
            no_orders(s);
        if (s->world == WORLD_WIDE && rng_below(&s->rng, 2))
            release(s);
        s->unfault_at = INT64_MAX;
    }
}
