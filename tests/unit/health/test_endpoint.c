#include "world.h"

#include <string.h>

static struct world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w, 1, 2, 1);
    world_start(&w);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_end(&w);
    return 0;
}

static void an_unknown_endpoint_serves_as_up(void **state)
{
    (void)state;
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UNKNOWN);
    assert_int_equal(health_endpoint_word(w.h, 0), AVAIL_FULL);
    assert_int_equal(health_due(w.h), INT64_MAX);
}

static void unknown_becomes_up_by_rise_successes(void **state)
{
    (void)state;
    world_ok(&w, 0);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UNKNOWN);
    world_ok(&w, 0);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
    assert_said(&w, "rise|10.0.0.0 unknown -> up rule=rise cause=\"2 successes in a row\"");
}

static void exactly_fall_failures_take_it_out_and_one_less_does_not(void **state)
{
    (void)state;
    world_rounds(&w, 2, 5000);
    world_fail(&w, 0);
    world_advance(&w, 1000);
    world_ok(&w, 1);
    world_fail(&w, 0);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
    assert_int_equal(health_endpoint_word(w.h, 0), AVAIL_FULL);
    world_advance(&w, 1000);
    world_fail(&w, 0);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_DOWN);
    assert_int_equal(health_endpoint_word(w.h, 0), 0);
    assert_int_equal(health_site_word(w.h, 0), 0);
    assert_said(&w, "probe|probe web 10.0.0.0:80 fail: timeout after 2000 ms (3/3)");
    assert_said(&w, "fall|10.0.0.0 up -> down rule=fall cause=\"3 failures in a row\"");
    assert_said(&w, "fall|availability 1.00 -> 0.00 rule=fall cause=\"no endpoint up\"");
}

static void it_has_failed_since_its_first_failed_probe_was_sent(void **state)
{
    (void)state;
    world_rounds(&w, 2, 5000);
    int64_t first_ms = w.now;
    world_fail(&w, 0);
    world_advance(&w, 1000);
    world_ok(&w, 1);
    world_fail(&w, 0);
    assert_true(health_failing_since_ms(w.h, 0) == INT64_MIN); /* it is up yet */
    world_advance(&w, 1000);
    world_fail(&w, 0);
    assert_int_equal(health_failing_since_ms(w.h, 0), first_ms);
    world_advance(&w, 5000);
    world_fail(&w, 0);
    assert_int_equal(health_failing_since_ms(w.h, 0), first_ms);
    world_ok(&w, 0);
    assert_true(health_failing_since_ms(w.h, 0) == INT64_MIN); /* it is down, and answers */
}

static void a_success_between_begins_the_count_anew(void **state)
{
    (void)state;
    world_rounds(&w, 2, 5000);
    for (int i = 0; i < 5; i++) {
        world_fail(&w, 0);
        world_advance(&w, 1000);
        world_ok(&w, 1);
        world_fail(&w, 0);
        world_advance(&w, 1000);
        world_ok(&w, 0);
    }
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
    assert_int_equal(world_count(&w, "(2/3)"), 5);
    assert_int_equal(world_count(&w, "10.0.0.0:80 ok: 200 in 12 ms"), 5);
}

static void the_first_failure_asks_for_a_confirmation_at_a_fifth_of_the_interval(void **state)
{
    (void)state;
    world_ok(&w, 0);
    world_advance(&w, 5000);
    world_fail(&w, 0);
    assert_int_equal(w.asked[0], 1);
    assert_int_equal(w.asked_at[0], w.now + 1000);
}

static void confirmations_are_never_closer_than_half_a_second(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 1, 2, 1);
    w.probe[0].interval_ms = 1000;
    world_start(&w);
    world_fail(&w, 0);
    assert_int_equal(w.asked_at[0], w.now + 500);
}

static void a_confirmation_after_a_timeout_is_asked_at_once(void **state)
{
    (void)state;
    int64_t sent = w.now;
    world_advance(&w, 2000);
    world_sample(&w, (struct health_sample){.endpoint = 0, .started_ms = sent});
    assert_in_range(w.asked_at[0], w.now, w.now + 20);
}

static void confirmations_count_for_the_fall_but_not_for_the_error_rate(void **state)
{
    (void)state;
    world_rounds(&w, 12, 5000);
    struct health_site_view before, after;
    health_site_show(w.h, 0, &before);
    for (int i = 0; i < 2; i++)
        world_sample(&w,
                     (struct health_sample){.endpoint = 0, .confirm = true, .started_ms = w.now});
    health_site_show(w.h, 0, &after);
    assert_int_equal(before.samples, after.samples);
    assert_int_equal(after.failures, 0);
    world_advance(&w, 1);
    world_ok(&w, 1);
    world_advance(&w, 1);
    world_sample(&w, (struct health_sample){.endpoint = 0, .confirm = true, .started_ms = w.now});
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_DOWN);
}

static void a_late_sample_counts_for_nothing(void **state)
{
    (void)state;
    world_rounds(&w, 2, 5000);
    for (int i = 0; i < 10; i++) {
        world_sample(&w, (struct health_sample){.endpoint = 0, .late = true, .started_ms = w.now});
        world_ok(&w, 1);
        world_advance(&w, 1000);
    }
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
    assert_not_said(&w, "fail:");
}

static void rise_successes_start_the_return_and_one_less_does_not(void **state)
{
    (void)state;
    world_rounds(&w, 2, 5000);
    world_fall(&w, 0, 1);
    w.asked[0] = 0;
    world_ok(&w, 0);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_DOWN);
    assert_int_equal(w.asked[0], 1); /* a confirmation, so that it is quick */
    assert_said(&w, "probe web 10.0.0.0:80 ok: 200 in 12 ms (1/2)");
    world_ok(&w, 0);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
    assert_int_equal(health_endpoint_word(w.h, 0), 0); /* held */
    assert_said(&w, "rise|10.0.0.0 down -> up rule=rise cause=\"2 successes in a row\"");
}

static void a_failure_between_begins_the_return_anew(void **state)
{
    (void)state;
    world_rounds(&w, 2, 5000);
    world_fall(&w, 0, 1);
    for (int i = 0; i < 4; i++) {
        world_ok(&w, 0);
        world_fail(&w, 0);
    }
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_DOWN);
    world_ok(&w, 0);
    world_ok(&w, 0);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
}

static void an_endpoint_without_a_probe_is_always_up(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 1, 2, 1);
    w.probe_of[0] = 0;
    world_start(&w);
    for (int i = 0; i < 5; i++)
        world_fail(&w, 0);
    assert_int_equal(health_endpoint_word(w.h, 0), AVAIL_FULL);
    struct health_endpoint_view v;
    health_endpoint_show(w.h, 0, &v);
    assert_int_equal(v.observed, HEALTH_OBSERVED_UP);
    assert_string_equal(v.why, "-");
}

static void a_sample_for_no_endpoint_is_ignored(void **state)
{
    (void)state;
    world_fail(&w, 77);
    assert_int_equal(w.log_n, 0);
}

static void the_view_tells_streak_latency_and_why(void **state)
{
    (void)state;
    world_rounds(&w, 2, 5000);
    world_fall(&w, 0, 1);
    struct health_endpoint_view v;
    health_endpoint_show(w.h, 0, &v);
    assert_int_equal(v.streak, 3);
    assert_false(v.streak_ok);
    assert_int_equal(v.latency_us, 12000);
    assert_int_equal(v.effective, 0);
    assert_string_equal(v.why, "3 failures in a row: timeout after 2000 ms");
    assert_string_equal(v.last, "timeout after 2000 ms");
}

static void a_clock_that_steps_back_is_held(void **state)
{
    (void)state;
    world_rounds(&w, 2, 5000);
    world_fall(&w, 0, 1);
    int64_t due = health_due(w.h);
    health_advance(w.h, w.now - 500000, w.wall);
    assert_int_equal(health_due(w.h), due);
    world_advance(&w, 0);
    assert_null(health_check_state(w.h));
}

static void events_that_do_not_fit_are_counted(void **state)
{
    (void)state;
    struct health_sample s = {.endpoint = 0, .started_ms = w.now, .now_ms = w.now, .text = "no"};
    for (int i = 0; i < 5000; i++)
        health_sample(w.h, &s);
    assert_true(health_events_lost(w.h) > 0);
    struct health_event ev;
    uint64_t taken = 0;
    while (health_take_events(w.h, &ev, 1) == 1)
        taken++;
    assert_in_range(taken + health_events_lost(w.h), 5000, 5010);
}

static void a_configuration_with_holes_is_refused(void **state)
{
    (void)state;
    struct health *h;
    struct health_config c = w.cfg;
    struct health_site_config bad[2] = {w.site[0], w.site[1]};
    bad[1].region = 9;
    c.site = bad;
    assert_int_equal(health_create(&c, 0, 0, &h), ERR_INVALID);
    assert_null(h);
    bad[1] = w.site[1];
    bad[1].endpoint_n = 2;
    assert_int_equal(health_create(&c, 0, 0, &h), ERR_INVALID);
    c = w.cfg;
    c.probes_n = 1;
    assert_int_equal(health_create(&c, 0, 0, &h), ERR_INVALID);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_unknown_endpoint_serves_as_up),
        T(unknown_becomes_up_by_rise_successes),
        T(it_has_failed_since_its_first_failed_probe_was_sent),
        T(exactly_fall_failures_take_it_out_and_one_less_does_not),
        T(a_success_between_begins_the_count_anew),
        T(the_first_failure_asks_for_a_confirmation_at_a_fifth_of_the_interval),
        T(confirmations_are_never_closer_than_half_a_second),
        T(a_confirmation_after_a_timeout_is_asked_at_once),
        T(confirmations_count_for_the_fall_but_not_for_the_error_rate),
        T(a_late_sample_counts_for_nothing),
        T(rise_successes_start_the_return_and_one_less_does_not),
        T(a_failure_between_begins_the_return_anew),
        T(an_endpoint_without_a_probe_is_always_up),
        T(a_sample_for_no_endpoint_is_ignored),
        T(the_view_tells_streak_latency_and_why),
        T(a_clock_that_steps_back_is_held),
        T(events_that_do_not_fit_are_counted),
        T(a_configuration_with_holes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
