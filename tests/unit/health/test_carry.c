/* What is carried to the next configuration (adopt) and over a restart (save, restore). */
#include "world.h"

#include <string.h>
#include <time.h>
#include <stdio.h>

static struct world w, v; /* before and after */

static int setup(void **state)
{
    (void)state;
    world_init(&w, 2, 2, 2);
    world_init(&v, 2, 2, 2);
    world_start(&w);
    world_rounds(&w, 12, 5000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_end(&w);
    world_end(&v);
    return 0;
}

static void next_world(void)
{
    v.now = w.now;
    v.wall = w.wall;
    assert_int_equal(health_create(&v.cfg, v.now, v.wall, &v.h), ERR_OK);
}

static void adopt(void)
{
    next_world();
    health_adopt(v.h, w.h);
    world_settle(&v);
}

static void down_both(uint32_t site)
{
    world_fall(&w, site * 2, (site * 2 + 2) % 8);
    world_fall(&w, site * 2 + 1, (site * 2 + 2) % 8);
    assert_int_equal(health_site_word(w.h, site), 0);
}

static void back(struct world *x, uint32_t e)
{
    world_ok(x, e);
    world_ok(x, e);
}

static void adopt_carries_what_is_down_and_its_hold(void **state)
{
    (void)state;
    down_both(0);
    int64_t down = w.now - 1000;
    adopt();
    assert_int_equal(health_site_word(v.h, 0), 0);
    assert_int_equal(health_endpoint_word(v.h, 0), 0);
    assert_int_equal(health_endpoint_word(v.h, 2), AVAIL_FULL);
    assert_int_equal(world_observed(&v, 0), HEALTH_OBSERVED_DOWN);
    back(&v, 0);
    back(&v, 1);
    world_advance(&v, down + 29999 - v.now);
    assert_int_equal(health_site_word(v.h, 0), 0);
    world_advance(&v, 1);
    assert_avail(health_site_word(v.h, 0), 0.10);
}

static void adopt_in_the_middle_of_a_ramp_goes_on_with_it(void **state)
{
    (void)state;
    down_both(0);
    back(&w, 0);
    back(&w, 1);
    world_advance(&w, 50000);
    uint32_t mid = world_avail_site(&w, 0);
    assert_in_range(mid, AVAIL_FULL / 10, AVAIL_FULL * 9 / 10);
    adopt();
    assert_int_equal(health_site_word(v.h, 0), mid);
    world_advance(&w, 10000);
    world_advance(&v, 10000);
    assert_int_equal(health_site_word(v.h, 0), health_site_word(w.h, 0));
    assert_true(world_avail_site(&v, 0) > mid);
}

static void adopt_under_a_shorter_ramp_does_not_jump(void **state)
{
    (void)state;
    down_both(0);
    back(&w, 0);
    back(&w, 1);
    world_advance(&w, 50000);
    uint32_t mid = world_avail_site(&w, 0);
    v.service[0].ramp_ms = 10000;
    adopt();
    assert_int_equal(health_site_word(v.h, 0), mid);
    world_advance(&v, 100);
    assert_int_equal(health_site_word(v.h, 0), mid);
    world_advance(&v, 10000);
    assert_int_equal(health_site_word(v.h, 0), AVAIL_FULL);
}

static void adopt_goes_by_key_not_by_number(void **state)
{
    (void)state;
    down_both(1); /* service 0 in region 1 */
    /* the services change places, and region 1 is declared first */
    v.named[0].name = w.names[1][1];
    v.named[1].name = w.names[1][0];
    v.region[0].name = w.names[0][1];
    v.region[1].name = w.names[0][0];
    for (uint32_t e = 0; e < 8; e++)
        v.endpoint[e].address = w.names[2][7 - e];
    adopt();
    for (uint32_t s = 0; s < 4; s++)
        assert_int_equal(health_site_word(v.h, s), s == 2 ? 0 : AVAIL_FULL);
    for (uint32_t e = 0; e < 8; e++)
        assert_int_equal(health_endpoint_word(v.h, e), e == 4 || e == 5 ? 0 : AVAIL_FULL);
}

static void what_is_new_starts_unknown(void **state)
{
    (void)state;
    down_both(0);
    v.endpoint[1].address = "192.0.2.99";
    adopt();
    assert_int_equal(world_observed(&v, 0), HEALTH_OBSERVED_DOWN);
    assert_int_equal(world_observed(&v, 1), HEALTH_OBSERVED_UNKNOWN);
    assert_int_equal(health_endpoint_word(v.h, 1), AVAIL_FULL);
}

static void adopt_carries_samples_streaks_and_orders(void **state)
{
    (void)state;
    world_fail(&w, 0);
    world_fail(&w, 0);
    world_advance(&w, 1);
    world_ok(&w, 2);
    struct health_order o = {.state = HEALTH_DRAIN, .author = "ana", .over_ms = 100000};
    health_order_region(w.h, 1, &o, w.now, w.wall);
    o = (struct health_order){.state = HEALTH_DOWN, .until_wall_ms = w.wall + 5000};
    health_order_endpoint(w.h, 7, &o, w.now, w.wall);
    world_advance(&w, 1000);
    adopt();
    struct health_site_view a, b;
    health_site_show(w.h, 0, &a);
    health_site_show(v.h, 0, &b);
    assert_int_equal(a.samples, 26);
    assert_int_equal(b.samples, a.samples);
    assert_int_equal(b.failures, a.failures);
    assert_int_equal(health_endpoint_word(v.h, 7), HEALTH_WORD_OFF);
    world_fail(&v, 0);
    assert_int_equal(world_observed(&v, 0), HEALTH_OBSERVED_DOWN);
    world_advance(&v, 130000);
    assert_int_equal(health_endpoint_word(v.h, 7), AVAIL_FULL);
    assert_int_equal(health_region_word(v.h, 1), HEALTH_WORD_DRAIN);
}

/* An edit may be published in the very millisecond of a step. */
static void adopt_on_the_dot_of_a_step_of_a_drain_takes_it(void **state)
{
    (void)state;
    struct health_order o = {.state = HEALTH_DRAIN, .author = "ana", .over_ms = 100000};
    health_order_region(w.h, 0, &o, w.now, w.wall);
    world_settle(&w);
    world_advance(&w, 30000 + 39999); /* the TTL comes first */
    assert_avail(world_avail_region(&w, 0), 0.61);
    w.now++;
    w.wall++;
    adopt();
    world_advance(&v, 1); /* it is due at once */
    assert_avail(world_avail_region(&v, 0), 0.60);
    world_advance(&v, 999);
    assert_avail(world_avail_region(&v, 0), 0.59);
}

static void adopt_on_the_dot_of_the_last_step_takes_it(void **state)
{
    (void)state;
    struct health_order o = {.state = HEALTH_DRAIN, .author = "ana", .over_ms = 100000};
    health_order_region(w.h, 0, &o, w.now, w.wall);
    health_order_endpoint(w.h, 2, &o, w.now, w.wall);
    world_settle(&w);
    world_advance(&w, 30000 + 99999);
    assert_avail(world_avail_region(&w, 0), 0.01);
    w.now++;
    w.wall++;
    adopt();
    world_advance(&v, 1);
    assert_avail(world_avail_region(&v, 0), 0);
    assert_int_equal(health_endpoint_word(v.h, 2) & HEALTH_WORD_AVAIL, 0);
}

static void adopt_of_an_isolated_engine_stays_isolated_and_says_it_once(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        for (uint32_t e = 0; e < 8; e++)
            world_fail(&w, e);
        world_advance(&w, 5000);
    }
    assert_int_equal(world_count(&w, "isolated 10."), 1);
    adopt();
    for (uint32_t e = 0; e < 8; e++)
        world_fail(&v, e);
    assert_int_equal(world_count(&v, "isolated 10."), 0);
    world_rounds(&v, 1, 5000);
    assert_said(&v, "isolated -> over");
    assert_not_said(&v, "-> down");
}

static void adopting_the_same_twice_gives_the_same(void **state)
{
    (void)state;
    down_both(0);
    adopt();
    struct world u;
    world_init(&u, 2, 2, 2);
    u.now = w.now;
    assert_int_equal(health_create(&u.cfg, u.now, u.wall, &u.h), ERR_OK);
    health_adopt(u.h, v.h);
    world_settle(&u);
    for (uint32_t e = 0; e < 8; e++)
        assert_int_equal(health_endpoint_word(u.h, e), health_endpoint_word(w.h, e));
    assert_int_equal(health_due(u.h), health_due(v.h));
    world_end(&u);
}

struct kept {
    struct health_saved s[32];
    size_t n;
};

static void keep(void *ctx, const struct health_saved *s)
{
    struct kept *k = ctx;
    assert_true(k->n < 32);
    k->s[k->n++] = *s;
}

static struct kept restart(bool backwards)
{
    struct kept k = {.n = 0};
    health_save(w.h, keep, &k);
    v.now = 5; /* the monotonic clock starts anew */
    v.wall = w.wall;
    assert_int_equal(health_create(&v.cfg, v.now, v.wall, &v.h), ERR_OK);
    for (size_t i = 0; i < k.n; i++)
        health_restore(v.h, &k.s[backwards ? k.n - 1 - i : i], v.now);
    world_settle(&v);
    return k;
}

static void a_healthy_engine_saves_nothing(void **state)
{
    (void)state;
    struct kept k = {.n = 0};
    health_save(w.h, keep, &k);
    assert_int_equal(k.n, 0);
}

static void what_was_down_is_down_after_a_restart_until_it_rises(void **state)
{
    (void)state;
    down_both(0);
    struct kept k = restart(false);
    assert_int_equal(k.n, 3);
    assert_int_equal(health_site_word(v.h, 0), 0);
    assert_int_equal(health_endpoint_word(v.h, 0), 0);
    assert_int_equal(world_observed(&v, 0), HEALTH_OBSERVED_DOWN);
    struct health_endpoint_view view;
    health_endpoint_show(v.h, 0, &view);
    assert_string_equal(view.why, "3 failures in a row: timeout after 2000 ms");
    world_advance(&v, 600000); /* nothing says otherwise */
    assert_int_equal(health_site_word(v.h, 0), 0);
    world_ok(&v, 0);
    assert_int_equal(world_observed(&v, 0), HEALTH_OBSERVED_DOWN);
    world_ok(&v, 0);
    assert_int_equal(world_observed(&v, 0), HEALTH_OBSERVED_UP);
    assert_avail(health_site_word(v.h, 0), 0.10); /* one of two up */
}

static struct health_outages outages(struct world *x, uint32_t endpoint)
{
    struct health_endpoint_view view;
    health_endpoint_show(x->h, endpoint, &view);
    return view.outages;
}

static void counts_of_outages_go_on_over_a_restart(void **state)
{
    (void)state;
    int64_t began = outages(&w, 0).since_wall_ms;
    world_fall(&w, 0, 2);
    back(&w, 0);
    world_advance(&w, 700000); /* over, and long forgotten */
    world_ok(&w, 0);
    world_fall(&w, 1, 2);
    world_advance(&w, 7000);
    struct health_outages over = outages(&w, 0), lasts = outages(&w, 1);
    assert_int_equal(over.falls, 1);
    assert_true(over.down_ms > 0 && lasts.down_ms >= 7000);
    v.wall = w.wall + 3600000; /* an hour in which nobody looked */
    struct kept k = restart(false);
    assert_int_equal(k.n, 2);
    assert_int_equal(outages(&v, 0).falls, 1);
    assert_int_equal(outages(&v, 0).down_ms, over.down_ms);
    assert_int_equal(outages(&v, 0).since_wall_ms, began);
    assert_int_equal(world_observed(&v, 0), HEALTH_OBSERVED_UNKNOWN); /* counts are no state */
    assert_int_equal(outages(&v, 1).falls, 1);
    assert_int_equal(outages(&v, 1).down_ms, lasts.down_ms);
    world_advance(&v, 2000);
    assert_int_equal(outages(&v, 1).down_ms, lasts.down_ms + 2000);
    back(&v, 1);
    int64_t total = outages(&v, 1).down_ms;
    world_advance(&v, 9000);
    assert_int_equal(outages(&v, 1).down_ms, total);
    world_fall(&v, 0, 2);
    assert_int_equal(outages(&v, 0).falls, 2);
    assert_int_equal(outages(&v, 2).falls, 0);
    assert_int_equal(outages(&v, 2).since_wall_ms, v.h ? outages(&v, 3).since_wall_ms : 0);
    assert_true(outages(&v, 2).since_wall_ms > began); /* it was not down: counted from here on */
}

static void only_counts_are_no_restored_state(void **state)
{
    (void)state;
    next_world();
    struct health_saved s = {.service = w.names[1][0],
                             .region = w.names[0][0],
                             .address = w.names[2][0],
                             .observed = HEALTH_OBSERVED_UP,
                             .avail = AVAIL_FULL,
                             .falls = 3,
                             .down_ms = 500};
    assert_false(health_restore(v.h, &s, v.now));
    assert_int_equal(outages(&v, 0).falls, 3);
    s.avail = AVAIL_FULL / 2;
    assert_true(health_restore(v.h, &s, v.now));
}

static void a_restart_in_the_middle_of_the_hold_goes_on_with_it(void **state)
{
    (void)state;
    for (int backwards = 0; backwards < 2; backwards++) {
        if (v.h) {
            world_end(&v);
            world_end(&w);
            world_init(&w, 2, 2, 2);
            world_init(&v, 2, 2, 2);
            world_start(&w);
        }
        down_both(0);
        back(&w, 0);
        back(&w, 1);
        world_advance(&w, 10000);
        restart(backwards);
        back(&v, 0);
        back(&v, 1);
        assert_int_equal(health_site_word(v.h, 0), 0);
        world_advance(&v, 18000);
        assert_int_equal(health_site_word(v.h, 0), 0);
        world_advance(&v, 2000);
        assert_avail(health_site_word(v.h, 0), 0.10);
        assert_avail(health_endpoint_word(v.h, 1), 0.10);
    }
}

static void a_restart_in_the_middle_of_a_ramp_waits_for_evidence(void **state)
{
    (void)state;
    down_both(0);
    back(&w, 0);
    back(&w, 1);
    world_advance(&w, 50000);
    uint32_t mid = world_avail_site(&w, 0);
    restart(true);
    world_advance(&v, 60000);
    assert_int_equal(health_site_word(v.h, 0), mid);
    assert_true(world_avail_endpoint(&v, 0) < AVAIL_FULL);
    world_ok(&v, 0);
    world_ok(&v, 1);
    world_advance(&v, 60000);
    assert_int_equal(health_site_word(v.h, 0), AVAIL_FULL);
    assert_int_equal(health_endpoint_word(v.h, 0), AVAIL_FULL);
}

static void a_degraded_site_stays_degraded_until_there_are_samples_enough(void **state)
{
    (void)state;
    w.probe[0].fall = 1000;
    for (int i = 0; i < 60; i++)
        world_sample(&w,
                     (struct health_sample){.endpoint = 0, .ok = i % 3 != 2, .started_ms = w.now});
    uint32_t low = world_avail_site(&w, 0);
    assert_in_range(low, 1, AVAIL_FULL - 1);
    restart(false);
    world_advance(&v, 100000);
    for (int i = 0; i < 9; i++)
        world_ok(&v, 0);
    assert_int_equal(health_site_word(v.h, 0), low);
    world_ok(&v, 0);
    world_advance(&v, 60000);
    assert_int_equal(health_site_word(v.h, 0), AVAIL_FULL);
}

static void what_is_kept_out_stays_out_over_a_restart(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 2, 2, 2);
    w.service[0].failback = v.service[0].failback = HEALTH_FAILBACK_HOLD;
    world_start(&w);
    down_both(0);
    back(&w, 0);
    back(&w, 1);
    world_advance(&w, 100000);
    restart(false);
    back(&v, 0);
    back(&v, 1);
    world_advance(&v, 600000);
    assert_int_equal(health_site_word(v.h, 0), 0);
    health_release_region(v.h, 0, v.now, v.wall);
    world_settle(&v);
    assert_avail(health_site_word(v.h, 0), 0.10);
}

static void a_region_that_was_out_is_out_after_a_restart(void **state)
{
    (void)state;
    down_both(0);
    down_both(2);
    assert_int_equal(health_region_word(w.h, 0), 0);
    restart(false);
    assert_int_equal(health_region_word(v.h, 0), 0);
    world_advance(&v, 600000);
    assert_int_equal(health_region_word(v.h, 0), 0);
    back(&v, 0);
    back(&v, 1);
    world_advance(&v, 100000);
    assert_int_equal(health_region_word(v.h, 0), AVAIL_FULL);
}

static void sites_restored_on_their_way_back_do_not_take_the_region_out(void **state)
{
    (void)state;
    down_both(0);
    back(&w, 0);
    back(&w, 1); /* held */
    down_both(2);
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
    restart(true);
    world_advance(&v, 10000);
    assert_int_equal(health_site_word(v.h, 0), 0);
    assert_int_equal(health_site_word(v.h, 2), 0);
    assert_int_equal(health_region_word(v.h, 0), AVAIL_FULL);
}

static void what_is_unknown_to_the_configuration_is_not_restored(void **state)
{
    (void)state;
    next_world();
    health_restore(v.h, &(struct health_saved){.service = "no", .region = "such", .address = "x"},
                   0);
    health_restore(v.h, &(struct health_saved){.service = "no", .region = "region-0"}, 0);
    health_restore(v.h, &(struct health_saved){.region = "nowhere"}, 0);
    health_restore(v.h, &(struct health_saved){.service = "lost"}, 0);
    world_settle(&v);
    assert_int_equal(v.changes[0] + v.changes[1] + v.changes[2], 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(adopt_carries_what_is_down_and_its_hold),
        T(adopt_in_the_middle_of_a_ramp_goes_on_with_it),
        T(adopt_under_a_shorter_ramp_does_not_jump),
        T(adopt_goes_by_key_not_by_number),
        T(what_is_new_starts_unknown),
        T(adopt_carries_samples_streaks_and_orders),
        T(adopt_on_the_dot_of_a_step_of_a_drain_takes_it),
        T(adopt_on_the_dot_of_the_last_step_takes_it),
        T(adopt_of_an_isolated_engine_stays_isolated_and_says_it_once),
        T(adopting_the_same_twice_gives_the_same),
        T(a_healthy_engine_saves_nothing),
        T(what_was_down_is_down_after_a_restart_until_it_rises),
        T(counts_of_outages_go_on_over_a_restart),
        T(only_counts_are_no_restored_state),
        T(a_restart_in_the_middle_of_the_hold_goes_on_with_it),
        T(a_restart_in_the_middle_of_a_ramp_waits_for_evidence),
        T(a_degraded_site_stays_degraded_until_there_are_samples_enough),
        T(what_is_kept_out_stays_out_over_a_restart),
        T(a_region_that_was_out_is_out_after_a_restart),
        T(sites_restored_on_their_way_back_do_not_take_the_region_out),
        T(what_is_unknown_to_the_configuration_is_not_restored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
