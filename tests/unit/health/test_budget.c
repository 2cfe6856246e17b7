/* --max-move: what the engine moves in a minute by its own doing is bounded; falls and people are not. */
#include "world.h"

#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world w;

static void begin(uint32_t services, uint32_t regions, double max_move)
{
    world_init(&w, services, regions, 1);
    for (uint32_t s = 0; s < services; s++) {
        w.service[s].max_move = max_move;
        w.service[s].min_regions = 0;
    }
    w.cfg.load_high = 0.9;
    w.cfg.load_low = 0.7;
}

static void go(void)
{
    world_start(&w);
    world_rounds(&w, 15, 5000);
    world_forget_log(&w);
}

static void report(uint32_t region, uint32_t site, uint64_t ok, uint64_t errors, double load)
{
    struct health_report r = {.region = region,
                              .site = site,
                              .endpoint = HEALTH_NONE,
                              .source = "haproxy",
                              .ok = ok,
                              .errors = errors,
                              .has_load = load > 0,
                              .utilisation = load,
                              .covered_ms = 100000,
                              .now_ms = w.now,
                              .wall_ms = w.wall};
    assert_int_equal(health_report(w.h, &r), ERR_OK);
    world_settle(&w);
}

/* What each service carries, by weight. */
static double carried(uint32_t service)
{
    double sum = 0;
    for (uint32_t r = 0; r < w.regions; r++) {
        uint32_t e = health_endpoint_word(w.h, world_endpoint(&w, service, r, 0));
        uint32_t s = health_site_word(w.h, world_site(&w, service, r));
        uint32_t least = e < s ? e : s, region = health_region_word(w.h, r);
        least = (region < least ? region : least) & HEALTH_WORD_AVAIL;
        sum += avail_to_double(least);
    }
    return sum / w.regions;
}

static void a_brown_out_moves_as_much_as_a_minute_allows_and_then_the_rest(void **state)
{
    (void)state;
    begin(1, 2, 0.2);
    go();
    report(0, world_site(&w, 0, 0), 100, 10000, 0);
    assert_avail(health_site_word(w.h, world_site(&w, 0, 0)), 0.60); /* half of the service */
    assert_said(&w, "hold 0.60 would=0.00 blocked-by=max-move(20%/min)");
    assert_int_equal(world_count(&w, "blocked-by=max-move"), 1);
    for (int minute = 1; minute < 4; minute++) { /* what was moved is remembered for 60 to 65 s */
        double before = carried(0);
        for (int s = 0; s < 66; s++)
            world_advance(&w, 1000);
        double moved = before - carried(0);
        if (moved > 0.2 + 1e-3 || (minute < 2 && moved < 0.15))
            fail_msg("minute %d: %.3f moved", minute, moved);
        report(0, world_site(&w, 0, 0), 100, 10000, 0);
    }
    assert_avail(health_site_word(w.h, world_site(&w, 0, 0)), 0);
    assert_int_equal(world_count(&w, "blocked-by=max-move"), 1);
    world_end(&w);
}

static void the_way_up_is_bound_and_says_so_once(void **state)
{
    (void)state;
    begin(1, 2, 0.1);
    go();
    world_fall(&w, world_endpoint(&w, 0, 0, 0), world_endpoint(&w, 0, 1, 0));
    assert_avail(health_site_word(w.h, world_site(&w, 0, 0)), 0); /* a fall is at once */
    assert_not_said(&w, "max-move");
    int64_t began = 0, done = 0;
    for (int s = 0; s < 600; s++) {
        if (s % 5 == 0) {
            world_ok(&w, world_endpoint(&w, 0, 0, 0));
            world_ok(&w, world_endpoint(&w, 0, 1, 0));
        }
        world_advance(&w, 1000);
        uint32_t now = health_site_word(w.h, world_site(&w, 0, 0));
        if (now > 0 && !began)
            began = w.now;
        if (now == AVAIL_FULL && !done)
            done = w.now;
    }
    assert_true(began && done);
    /* Half of the service at a tenth in 60 to 65 s; the first tenth at once. */
    if (done - began < 230000 || done - began > 340000)
        fail_msg("back in %lld ms\n%s", (long long)(done - began), w.log);
    assert_said(&w, "would=1.00 blocked-by=max-move(10%/min)");
    assert_in_range(world_count(&w, "blocked-by=max-move"), 1, 2);
    world_end(&w);
}

static void a_persons_word_is_not_bound(void **state)
{
    (void)state;
    begin(1, 2, 0.01);
    go();
    struct health_order down = {.state = HEALTH_DOWN, .author = "ana", .reason = "x"};
    health_order_region(w.h, 0, &down, w.now, w.wall);
    assert_true(health_region_word(w.h, 0) & HEALTH_WORD_OFF);
    down.state = HEALTH_AUTO;
    health_order_region(w.h, 0, &down, w.now, w.wall);
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
    world_end(&w);
}

static void load_of_a_region_is_bound_by_the_service_that_allows_least(void **state)
{
    (void)state;
    begin(2, 2, 0);
    w.service[1].max_move = 0.1;
    w.region[0].capacity = 1000;
    go();
    report(0, HEALTH_NONE, 0, 0, 1.6);
    assert_avail(health_region_word(w.h, 0), 0.80);
    assert_said(&w, "hold 0.80 would=0.50 blocked-by=max-move(10%/min) service=s1.gslb.example");
    world_end(&w);
}

static void a_new_configuration_does_not_move_more(void **state)
{
    (void)state;
    begin(1, 2, 0.2);
    go();
    report(0, world_site(&w, 0, 0), 100, 10000, 0);
    struct health *fresh;
    assert_int_equal(health_create(&w.cfg, w.now, w.wall, &fresh), ERR_OK);
    health_adopt(fresh, w.h);
    health_destroy(&w.h);
    w.h = fresh;
    world_advance(&w, 30000);
    assert_avail(health_site_word(w.h, world_site(&w, 0, 0)), 0.60);
    world_advance(&w, 36000);
    assert_true((health_site_word(w.h, world_site(&w, 0, 0)) & HEALTH_WORD_AVAIL) <
                avail_from_double(0.5));
    world_end(&w);
}

/* Reports of any kind at any time: no minute sees more, whenever it begins. */
static void no_minute_sees_more_whatever_is_reported(void **state)
{
    (void)state;
    struct rng rng;
    const char *text = getenv("SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 20261126;
    printf("SEED=%llu\n", (unsigned long long)seed);
    rng_seed(&rng, seed);
    for (int turn = 0; turn < 12; turn++) {
        static double moved[1200];
        double most = 0.05 + rng_unit(&rng) / 3;
        begin(2, 2 + rng_below(&rng, 3), most);
        w.region[0].capacity = 1000;
        go();
        double last = carried(0), any = 0;
        for (int s = 0; s < 1200; s++) {
            uint32_t region = rng_below(&rng, w.regions);
            if (rng_below(&rng, 20) == 0)
                report(region, rng_below(&rng, 2) ? world_site(&w, 0, region) : HEALTH_NONE,
                       rng_below(&rng, 1000), rng_below(&rng, 2000), 0);
            if (rng_below(&rng, 20) == 0)
                report(0, HEALTH_NONE, 0, 0, rng_unit(&rng) * 2);
            for (uint32_t r = 0; s % 5 == 0 && r < w.regions; r++) {
                world_ok(&w, world_endpoint(&w, 0, r, 0));
                world_ok(&w, world_endpoint(&w, 1, r, 0));
            }
            world_advance(&w, 1000);
            double now = carried(0), in_minute = 0;
            moved[s] = fabs(now - last);
            any += moved[s];
            last = now;
            for (int k = s > 59 ? s - 59 : 0; k <= s; k++)
                in_minute += moved[k];
            if (in_minute > most + 1e-3)
                fail_msg("turn %d, second %d: %.3f of %.3f\n%s", turn, s, in_minute, most, w.log);
        }
        assert_true(any > most);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_brown_out_moves_as_much_as_a_minute_allows_and_then_the_rest),
        cmocka_unit_test(the_way_up_is_bound_and_says_so_once),
        cmocka_unit_test(a_persons_word_is_not_bound),
        cmocka_unit_test(load_of_a_region_is_bound_by_the_service_that_allows_least),
        cmocka_unit_test(a_new_configuration_does_not_move_more),
        cmocka_unit_test(no_minute_sees_more_whatever_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
