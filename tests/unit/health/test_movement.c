#include "world.h"

#include <string.h>

static struct world w; /* one service, two regions, one endpoint each */

static int setup(void **state)
{
    (void)state;
    world_init(&w, 1, 2, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_end(&w);
    return 0;
}

/* Falls at w.now; returns the moment. */
static int64_t fallen(uint32_t e)
{
    world_fail(&w, e);
    world_fail(&w, e);
    world_advance(&w, 1);
    world_ok(&w, 1 - e);
    world_fail(&w, e);
    assert_int_equal(health_site_word(w.h, e), 0);
    return w.now;
}

static void back(uint32_t e)
{
    world_ok(&w, e);
    world_ok(&w, e);
    assert_int_equal(world_observed(&w, e), HEALTH_OBSERVED_UP);
}

static void advance_to(int64_t at)
{
    world_advance(&w, at - w.now);
}

static void hold_is_30_s_or_the_ttl_and_nothing_rises_before(void **state)
{
    (void)state;
    world_start(&w);
    int64_t down = fallen(0);
    world_advance(&w, 5000);
    back(0);
    assert_said(&w, "hold 0.00 would=1.00 blocked-by=hold(30s)");
    advance_to(down + 29999);
    assert_int_equal(health_site_word(w.h, 0), 0);
    advance_to(down + 30000);
    assert_avail(health_site_word(w.h, 0), 0.10);
    assert_avail(health_endpoint_word(w.h, 0), 0.10);
}

static void a_longer_ttl_holds_longer(void **state)
{
    (void)state;
    w.service[0].ttl_s = 90;
    world_start(&w);
    int64_t down = fallen(0);
    back(0);
    advance_to(down + 89999);
    assert_int_equal(health_site_word(w.h, 0), 0);
    advance_to(down + 90000);
    assert_avail(health_site_word(w.h, 0), 0.10);
}

static void the_ramp_goes_in_steps_of_the_dead_band_and_reaches_one_exactly(void **state)
{
    (void)state;
    world_start(&w);
    int64_t down = fallen(0);
    back(0);
    int64_t begin = down + 30000;
    advance_to(begin);
    uint32_t steps = 0, was = health_site_word(w.h, 0);
    while (health_site_word(w.h, 0) != AVAIL_FULL) {
        world_advance(&w, 10);
        uint32_t is = health_site_word(w.h, 0);
        if (is == was)
            continue;
        steps++;
        assert_float_equal(avail_to_double(is - was), 0.05, 0.0001);
        /* never ahead of the line: 10 % at the start, 1/60 a second */
        assert_true(avail_to_double(is) <= 0.1001 + (double)(w.now - begin) / 60000);
        was = is;
        assert_true(w.now < begin + 60000);
    }
    assert_int_equal(steps, 18);
    assert_in_range(w.now, begin + 53990, begin + 54020);
    assert_int_equal(health_endpoint_word(w.h, 0), AVAIL_FULL);
    assert_int_equal(world_count(&w, "\nramp|availability"), 19);
}

static void failing_again_on_the_ramp_is_down_at_once_and_holds_twice_as_long(void **state)
{
    (void)state;
    world_start(&w);
    int64_t down = fallen(0);
    back(0);
    advance_to(down + 45000);
    assert_true(world_avail_site(&w, 0) > 0);
    int64_t again = fallen(0);
    back(0);
    advance_to(again + 59999);
    assert_int_equal(health_site_word(w.h, 0), 0);
    advance_to(again + 60000);
    assert_avail(health_site_word(w.h, 0), 0.10);
}

static void a_late_caller_catches_up_with_the_line(void **state)
{
    (void)state;
    world_start(&w);
    int64_t down = fallen(0);
    back(0);
    w.now = down + 30000 + 20000;
    health_advance(w.h, w.now, w.wall);
    world_settle(&w);
    assert_avail(health_site_word(w.h, 0), 0.40); /* 0.10 + 20/60 = 0.433 */
}

static void ramp_zero_returns_in_one_step(void **state)
{
    (void)state;
    w.service[0].ramp_ms = 0;
    world_start(&w);
    int64_t down = fallen(0);
    back(0);
    advance_to(down + 30000);
    assert_int_equal(health_site_word(w.h, 0), AVAIL_FULL);
}

static void failback_after_waits_from_the_good_evidence_on(void **state)
{
    (void)state;
    w.service[0].failback = HEALTH_FAILBACK_AFTER;
    w.service[0].failback_after_ms = 120000;
    world_start(&w);
    fallen(0);
    world_advance(&w, 20000);
    back(0);
    int64_t good = w.now;
    assert_said(&w, "blocked-by=failback(after 2m)");
    advance_to(good + 119999);
    assert_int_equal(health_site_word(w.h, 0), 0);
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_non_null(strstr(v.why, "failback after waits"));
    advance_to(good + 120000);
    assert_avail(health_site_word(w.h, 0), 0.10);
}

static void failback_hold_waits_for_release(void **state)
{
    (void)state;
    w.service[0].failback = HEALTH_FAILBACK_HOLD;
    world_start(&w);
    fallen(0);
    back(0);
    world_advance(&w, 3600000);
    assert_int_equal(health_site_word(w.h, 0), 0);
    assert_int_equal(health_service_ttl_s(w.h, 0), 30); /* nothing is about to move */
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_string_equal(v.why, "good again, kept out by failback=hold until released");
    health_release_region(w.h, 0, w.now, w.wall);
    world_settle(&w);
    assert_avail(health_site_word(w.h, 0), 0.10);
    world_advance(&w, 30000);
    assert_avail(health_site_word(w.h, 0), 0.60);
    assert_avail(health_endpoint_word(w.h, 0), 0.60);
    assert_said(&w, "released rule=override");
}

static void a_release_while_it_is_still_bad_counts_when_it_is_good(void **state)
{
    (void)state;
    w.service[0].failback = HEALTH_FAILBACK_HOLD;
    world_start(&w);
    fallen(0);
    world_advance(&w, 40000);
    health_release_region(w.h, 0, w.now, w.wall);
    world_settle(&w);
    assert_int_equal(health_site_word(w.h, 0), 0);
    back(0);
    world_advance(&w, 1);
    assert_avail(health_site_word(w.h, 0), 0.10);
}

static void a_degrade_returns_by_itself_under_failback_hold(void **state)
{
    (void)state;
    w.service[0].failback = HEALTH_FAILBACK_HOLD;
    w.probe[0].fall = 100;
    world_start(&w);
    for (int i = 0; i < 40; i++)
        world_sample(&w,
                     (struct health_sample){.endpoint = 0, .ok = i % 3 != 2, .started_ms = w.now});
    uint32_t low = world_avail_site(&w, 0);
    assert_in_range(low, 1, AVAIL_FULL - 1);
    world_rounds(&w, 50, 5000);
    assert_int_equal(health_site_word(w.h, 0), AVAIL_FULL);
}

static void the_ttl_is_short_while_something_moves_or_may(void **state)
{
    (void)state;
    world_start(&w);
    world_rounds(&w, 2, 5000);
    assert_int_equal(health_service_ttl_s(w.h, 0), 30);
    world_fail(&w, 0); /* a streak */
    assert_int_equal(health_service_ttl_s(w.h, 0), 15);
    assert_int_equal(w.changes[3], 1);
    world_ok(&w, 0);
    assert_int_equal(health_service_ttl_s(w.h, 0), 30);
    int64_t down = fallen(0);
    advance_to(down + 29999);
    assert_int_equal(health_service_ttl_s(w.h, 0), 15); /* holding */
    advance_to(down + 31000);
    assert_int_equal(health_service_ttl_s(w.h, 0), 30); /* dead and settled */
    world_ok(&w, 0);
    assert_int_equal(health_service_ttl_s(w.h, 0), 15); /* on the rise */
    world_ok(&w, 0);
    assert_avail(health_site_word(w.h, 0), 0.10);
    assert_int_equal(health_service_ttl_s(w.h, 0), 15); /* ramping */
    world_advance(&w, 60000);
    assert_int_equal(health_service_ttl_s(w.h, 0), 30);
}

static void the_short_ttl_is_set_or_half_at_least_5_never_above(void **state)
{
    (void)state;
    static const uint32_t rows[][3] = {{30, 7, 7}, {30, 0, 15}, {8, 0, 5}, {3, 0, 3}, {30, 60, 30}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        w.service[0].ttl_s = rows[i][0];
        w.service[0].ttl_moving_s = rows[i][1];
        world_start(&w);
        world_fail(&w, 0);
        assert_int_equal(health_service_ttl_s(w.h, 0), rows[i][2]);
        health_destroy(&w.h);
    }
    world_start(&w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(hold_is_30_s_or_the_ttl_and_nothing_rises_before),
        T(a_longer_ttl_holds_longer),
        T(the_ramp_goes_in_steps_of_the_dead_band_and_reaches_one_exactly),
        T(failing_again_on_the_ramp_is_down_at_once_and_holds_twice_as_long),
        T(a_late_caller_catches_up_with_the_line),
        T(ramp_zero_returns_in_one_step),
        T(failback_after_waits_from_the_good_evidence_on),
        T(failback_hold_waits_for_release),
        T(a_release_while_it_is_still_bad_counts_when_it_is_good),
        T(a_degrade_returns_by_itself_under_failback_hold),
        T(the_ttl_is_short_while_something_moves_or_may),
        T(the_short_ttl_is_set_or_half_at_least_5_never_above),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
