/* Properties that hold for any sequence of samples, times and orders: SEED=n repeats one. */
#include "world.h"

#include "base/clock.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 60
#define STEPS 400

static uint64_t first_seed(void)
{
    const char *text = getenv("SEED");
    return text ? strtoull(text, NULL, 10) : (uint64_t)clock_wall_ms();
}

static void random_step(struct world *w, struct rng *r)
{
    uint32_t e = rng_below(r, w->cfg.endpoints_n);
    struct health_order o = {.state = (enum health_override)rng_below(r, 4),
                             .to = rng_below(r, 2 * AVAIL_FULL),
                             .over_ms = rng_below(r, 3) ? 0 : rng_below(r, 50000),
                             .until_wall_ms = rng_below(r, 2) ? w->wall + rng_below(r, 50000) : 0};
    switch (rng_below(r, 12)) {
    case 0:
        health_order_region(w->h, rng_below(r, w->regions), &o, w->now, w->wall);
        world_settle(w);
        break;
    case 1:
        health_order_endpoint(w->h, e, &o, w->now, w->wall);
        world_settle(w);
        break;
    case 2:
        health_release_region(w->h, rng_below(r, w->regions), w->now, w->wall);
        world_settle(w);
        break;
    case 3:
        w->wall += (int64_t)rng_below(r, 100000) - 50000;
        break;
    case 4:
        world_advance(w, rng_below(r, 60000));
        break;
    case 5: { /* odd samples: from the future, from the past, late */
        world_sample(
            w, (struct health_sample){.endpoint = e,
                                      .ok = rng_below(r, 2),
                                      .late = rng_below(r, 2),
                                      .confirm = rng_below(r, 2),
                                      .started_ms = w->now + (int64_t)rng_below(r, 8000) - 4000});
        break;
    }
    default:
        for (uint32_t n = rng_below(r, 8); n > 0; n--)
            world_sample(w, (struct health_sample){
                                .endpoint = e, .ok = rng_below(r, 5) != 0, .started_ms = w->now});
        world_advance(w, rng_below(r, 2000));
    }
}

static void draw(struct world *w, struct rng *r)
{
    world_init(w, 1 + rng_below(r, 3), 1 + rng_below(r, 4), 1 + rng_below(r, 3));
    for (uint32_t e = 0; e < w->cfg.endpoints_n; e++) {
        w->probe[e].fall = 1 + rng_below(r, 4);
        w->probe[e].rise = 1 + rng_below(r, 3);
        w->probe_of[e] = rng_below(r, 6) != 0 ? e + 1 : 0;
        w->endpoint[e].weight = rng_below(r, 3) * 50;
    }
    for (uint32_t s = 0; s < w->services; s++) {
        w->service[s].failback = (enum health_failback)rng_below(r, 3);
        w->service[s].failback_after_ms = rng_below(r, 60000);
        w->service[s].ramp_ms = rng_below(r, 3) * 20000;
        w->service[s].hold_ms = rng_below(r, 40000);
        w->service[s].min_capacity = rng_unit(r);
        w->service[s].min_regions = rng_below(r, 4);
        w->service[s].panic = rng_unit(r);
    }
    w->cfg.dead_band = 0.01 + rng_unit(r) / 5;
}

/* world_settle checks every invariant after every step. */
static void any_sequence_keeps_the_invariants(void **state)
{
    (void)state;
    static struct world w;
    uint64_t seed = first_seed();
    print_message("SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct rng r;
        rng_seed(&r, seed + i);
        draw(&w, &r);
        world_start(&w);
        for (int step = 0; step < STEPS; step++)
            random_step(&w, &r);
        assert_int_equal(health_events_lost(w.h), 0);
        world_end(&w);
    }
}

/* Whatever happened, an hour of good answers and no orders bring everything back. */
static void everything_good_for_long_means_everything_full(void **state)
{
    (void)state;
    static struct world w;
    uint64_t seed = first_seed();
    print_message("SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 15; i++) {
        struct rng r;
        rng_seed(&r, seed + i);
        draw(&w, &r);
        world_start(&w);
        for (int step = 0; step < STEPS; step++)
            random_step(&w, &r);
        struct health_order none = {.state = HEALTH_AUTO};
        for (uint32_t e = 0; e < w.cfg.endpoints_n; e++)
            health_order_endpoint(w.h, e, &none, w.now, w.wall);
        for (uint32_t k = 0; k < w.regions; k++)
            health_order_region(w.h, k, &none, w.now, w.wall);
        world_rounds(&w, 100, 5000);
        for (uint32_t k = 0; k < w.regions; k++)
            health_release_region(w.h, k, w.now, w.wall);
        world_rounds(&w, 100, 5000);
        for (uint32_t e = 0; e < w.cfg.endpoints_n; e++)
            assert_int_equal(health_endpoint_word(w.h, e), AVAIL_FULL);
        for (uint32_t s = 0; s < w.cfg.sites_n; s++)
            assert_int_equal(health_site_word(w.h, s), AVAIL_FULL);
        for (uint32_t k = 0; k < w.regions; k++)
            assert_int_equal(health_region_word(w.h, k), AVAIL_FULL);
        for (uint32_t s = 0; s < w.services; s++)
            assert_int_equal(health_service_ttl_s(w.h, s), 30);
        assert_int_equal(health_due(w.h), INT64_MAX);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_sequence_keeps_the_invariants),
        cmocka_unit_test(everything_good_for_long_means_everything_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
