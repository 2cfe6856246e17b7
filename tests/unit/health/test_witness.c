#include "world.h"

static struct world w; /* one service, three regions, one endpoint each */

static int setup(void **state)
{
    (void)state;
    world_init(&w, 1, 3, 1);
    world_start(&w);
    world_rounds(&w, 3, 5000);
    world_forget_log(&w);
    for (int i = 0; i < 3; i++)
        w.asked[i] = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_end(&w);
    return 0;
}

static void fail_times(uint32_t e, int n)
{
    for (int i = 0; i < n; i++) {
        world_fail(&w, e);
        world_advance(&w, 1000);
    }
}

static void a_success_before_the_first_failure_is_no_witness(void **state)
{
    (void)state;
    world_ok(&w, 1);
    world_advance(&w, 1);
    world_fail(&w, 0);
    world_fail(&w, 0);
    world_fail(&w, 0);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
    struct health_endpoint_view v;
    health_endpoint_show(w.h, 0, &v);
    assert_string_equal(v.why, "waits for a witness: 3 failures in a row: timeout after 2000 ms");
}

static void a_success_sent_before_the_first_failure_is_none_even_if_it_arrives_later(void **state)
{
    (void)state;
    int64_t sent = w.now;
    world_advance(&w, 10);
    world_fail(&w, 0);
    world_fail(&w, 0);
    world_fail(&w, 0);
    world_sample(&w, (struct health_sample){.endpoint = 1, .ok = true, .started_ms = sent});
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
    assert_not_said(&w, "isolated");
}

static void witnesses_in_other_regions_are_asked_before_the_last_failure(void **state)
{
    (void)state;
    world_fail(&w, 0);
    assert_int_equal(w.asked[1] + w.asked[2], 0);
    world_fail(&w, 0);
    assert_int_equal(w.asked[1], 1);
    assert_int_equal(w.asked[2], 1);
    assert_int_equal(w.asked_at[1], w.now + 1);
}

static void the_fall_happens_as_soon_as_a_witness_answers(void **state)
{
    (void)state;
    fail_times(0, 3);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
    world_ok(&w, 2);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_DOWN);
    assert_not_said(&w, "isolated");
}

static void another_endpoint_of_the_same_region_is_no_witness(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 2, 2, 1);
    world_start(&w);
    fail_times(world_endpoint(&w, 0, 0, 0), 3);
    world_ok(&w, world_endpoint(&w, 1, 0, 0)); /* the other service, the same region */
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UNKNOWN);
    world_ok(&w, world_endpoint(&w, 1, 1, 0)); /* any service, another region */
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_DOWN);
}

static void when_all_fail_nothing_moves_and_the_log_says_isolated_once(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        for (uint32_t e = 0; e < 3; e++)
            world_fail(&w, e);
        world_advance(&w, 5000);
    }
    for (uint32_t e = 0; e < 3; e++)
        assert_int_equal(health_endpoint_word(w.h, e), AVAIL_FULL);
    assert_int_equal(world_count(&w, "isolated 10."), 1);
    assert_said(&w, "witness|isolated 10.0.");
    assert_not_said(&w, "-> down");
    struct health_endpoint_view v;
    health_endpoint_show(w.h, 0, &v);
    assert_string_equal(v.why, "isolated: 10 failures in a row: timeout after 2000 ms");
}

/* Each is asked to be the others' witness, fails within milliseconds, and asks them in turn. */
static void those_that_fail_do_not_chase_each_other(void **state)
{
    (void)state;
    uint32_t taken[3] = {0}, probes[3] = {0};
    for (uint32_t e = 0; e < 3; e++)
        world_ok(&w, e);
    for (uint32_t e = 0; e < 3; e++)
        world_fail(&w, e);
    for (int step = 0; step < 500; step++) {
        world_advance(&w, 5);
        for (uint32_t e = 0; e < 3; e++)
            if (w.asked[e] > taken[e] && w.asked_at[e] <= w.now) {
                taken[e] = w.asked[e];
                probes[e]++;
                world_fail(&w, e);
            }
    }
    for (uint32_t e = 0; e < 3;
         e++) /* 2.5 s: one of its own each second, one for the others each half */
        assert_in_range(probes[e], 2, 10);
    assert_not_said(&w, "-> down");
}

static void
isolation_ends_with_the_first_answer_and_nothing_falls_unless_it_fails_again(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        for (uint32_t e = 0; e < 3; e++)
            world_fail(&w, e);
        world_advance(&w, 5000);
    }
    world_ok(&w, 1); /* the network is back; 0 and 2 have not been asked since */
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
    assert_int_equal(world_observed(&w, 2), HEALTH_OBSERVED_UP);
    assert_said(&w, "isolated -> over rule=witness cause=\"10.0.1.0 answers\" lasted=");
    world_advance(&w, 100);
    world_ok(&w, 0);
    for (int i = 0; i < 3; i++) { /* this one is really dead */
        assert_int_equal(world_observed(&w, 2), HEALTH_OBSERVED_UP);
        world_fail(&w, 2);
        world_advance(&w, 1000);
        world_ok(&w, 0);
    }
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
    assert_int_equal(world_observed(&w, 2), HEALTH_OBSERVED_DOWN);
}

static void a_second_episode_is_logged_again(void **state)
{
    (void)state;
    for (int episode = 0; episode < 2; episode++) {
        for (int round = 0; round < 4; round++) {
            for (uint32_t e = 0; e < 3; e++)
                world_fail(&w, e);
            world_advance(&w, 5000);
        }
        world_rounds(&w, 2, 5000);
    }
    assert_int_equal(world_count(&w, "isolated 10."), 2);
    assert_int_equal(world_count(&w, "isolated -> over"), 2);
    assert_not_said(&w, "-> down");
}

static void witnesses_that_never_answer_at_all_mean_isolated_after_the_timeout(void **state)
{
    (void)state;
    fail_times(0, 3);
    assert_not_said(&w, "isolated");
    world_advance(&w, 3000);
    assert_int_equal(world_count(&w, "isolated 10.0.0.0"), 1);
    world_ok(&w, 0);
    assert_said(&w, "isolated -> over");
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
}

static void isolation_moves_no_error_rate_either(void **state)
{
    (void)state;
    world_rounds(&w, 10, 5000);
    for (int round = 0; round < 30; round++) {
        for (uint32_t e = 0; e < 3; e++)
            world_fail(&w, e);
        world_advance(&w, 5000);
    }
    world_rounds(&w, 10, 5000);
    assert_not_said(&w, "availability");
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_int_equal(v.failures, 0);
}

static void with_two_regions_the_second_dead_one_stays_as_isolated(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 1, 2, 1);
    world_start(&w);
    world_rounds(&w, 2, 5000);
    world_fall(&w, 0, 1);
    for (int round = 0; round < 5; round++) {
        world_fail(&w, 0);
        world_fail(&w, 1);
        world_advance(&w, 5000);
    }
    assert_int_equal(world_observed(&w, 1), HEALTH_OBSERVED_UP);
    assert_int_equal(world_count(&w, "isolated 10.0.1.0"), 1);
}

static void with_one_region_nobody_could_witness_and_the_fall_goes_ahead(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 2, 1, 1);
    world_start(&w);
    world_rounds(&w, 2, 5000);
    fail_times(0, 3);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_DOWN);
    assert_said(&w, "cause=\"3 failures in a row, no witness possible\"");
}

static void unprobed_endpoints_elsewhere_make_no_second_region(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 1, 2, 1);
    w.probe_of[1] = 0;
    world_start(&w);
    fail_times(0, 3);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_DOWN);
}

static void where_others_fail_too_one_more_failure_after_the_witness_is_needed(void **state)
{
    (void)state;
    world_fall(&w, 2, 1);
    fail_times(0, 2);
    world_fail(&w, 2);
    world_fail(&w, 0);
    world_advance(&w, 1);
    world_ok(&w, 1); /* sent after the last failure: the network may just have come back */
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
    assert_true(w.asked[0] > 0);
    world_advance(&w, 1000);
    world_fail(&w, 0);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_DOWN);
}

static void with_fall_one_a_witness_is_needed_too(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 1, 2, 1);
    w.probe[0].fall = 1;
    world_start(&w);
    world_rounds(&w, 2, 5000);
    world_fail(&w, 0);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_UP);
    assert_int_equal(w.asked[1], 1);
    world_advance(&w, 1);
    world_ok(&w, 1);
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_DOWN);
    assert_said(&w, "cause=\"1 failure in a row\"");
}

static void after_isolation_a_fall_needs_a_fresh_streak(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        for (uint32_t e = 0; e < 3; e++)
            world_fail(&w, e);
        world_advance(&w, 5000);
    }
    assert_said(&w, "isolated 10.");
    world_ok(&w, 1); /* back; the other regions' ways are found a little later */
    for (int i = 0; i < 2; i++) {
        world_advance(&w, 500);
        world_fail(&w, 0);
        world_fail(&w, 2);
        world_advance(&w, 1);
        world_ok(&w, 1);
    }
    assert_not_said(&w, "-> down");
    world_ok(&w, 2);
    assert_said(&w, "isolated -> over");
    for (int i = 0; i < 2; i++) { /* and one that is dead indeed falls */
        world_advance(&w, 500);
        world_fail(&w, 0);
        world_advance(&w, 1);
        world_ok(&w, 1);
    }
    assert_int_equal(world_observed(&w, 0), HEALTH_OBSERVED_DOWN);
    assert_int_equal(world_observed(&w, 2), HEALTH_OBSERVED_UP);
}

static void reports_are_not_stale_for_being_unheard_while_isolated(void **state)
{
    (void)state;
    world_rounds(&w, 15, 5000);
    struct health_report r = {.endpoint = HEALTH_NONE,
                              .source = "haproxy",
                              .errors = 5000,
                              .covered_ms = 10000,
                              .now_ms = w.now,
                              .wall_ms = w.wall};
    assert_int_equal(health_report(w.h, &r), ERR_OK);
    world_settle(&w);
    for (int round = 0; round < 1000; round++) { /* longer than a reporter is remembered */
        for (uint32_t e = 0; e < 3; e++)
            world_fail(&w, e);
        world_advance(&w, 5000);
    }
    assert_said(&w, "isolated 10.");
    assert_avail(health_site_word(w.h, 0), 0);
    world_rounds(&w, 19, 5000);
    assert_said(&w, "isolated -> over");
    assert_not_said(&w, "stale");
    assert_avail(health_site_word(w.h, 0), 0);
    world_rounds(&w, 2, 5000); /* a window after it silence is what it is elsewhere */
    assert_int_equal(world_count(&w, "stale"), 1);
    assert_true((health_site_word(w.h, 0) & HEALTH_WORD_AVAIL) > 0); /* by hold and ramp */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_success_before_the_first_failure_is_no_witness),
        T(a_success_sent_before_the_first_failure_is_none_even_if_it_arrives_later),
        T(witnesses_in_other_regions_are_asked_before_the_last_failure),
        T(the_fall_happens_as_soon_as_a_witness_answers),
        T(another_endpoint_of_the_same_region_is_no_witness),
        T(when_all_fail_nothing_moves_and_the_log_says_isolated_once),
        T(those_that_fail_do_not_chase_each_other),
        T(isolation_ends_with_the_first_answer_and_nothing_falls_unless_it_fails_again),
        T(a_second_episode_is_logged_again),
        T(witnesses_that_never_answer_at_all_mean_isolated_after_the_timeout),
        T(isolation_moves_no_error_rate_either),
        T(with_two_regions_the_second_dead_one_stays_as_isolated),
        T(with_one_region_nobody_could_witness_and_the_fall_goes_ahead),
        T(unprobed_endpoints_elsewhere_make_no_second_region),
        T(where_others_fail_too_one_more_failure_after_the_witness_is_needed),
        T(with_fall_one_a_witness_is_needed_too),
        T(reports_are_not_stale_for_being_unheard_while_isolated),
        T(after_isolation_a_fall_needs_a_fresh_streak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
