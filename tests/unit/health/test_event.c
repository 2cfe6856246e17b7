/* What an event says beside its text: the log keeps it in columns. */
#include "world.h"

#include <stdio.h>
#include <string.h>

static struct world w; /* one service, three regions, two endpoints each */

static int setup(void **state)
{
    (void)state;
    world_init(&w, 1, 3, 2);
    world_start(&w);
    world_rounds(&w, 2, 5000);
    world_forget_log(&w);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_end(&w);
    return 0;
}

static void part_is(const struct health_event *e, struct health_span at, const char *wanted)
{
    char got[400];
    snprintf(got, sizeof got, "%.*s", (int)at.len, e->text + at.at);
    assert_string_equal(got, wanted);
}

static void avail_is(const struct health_event *e, double before, double after)
{
    assert_true(e->has_avail);
    assert_avail(e->before, before);
    assert_avail(e->after, after);
}

static void states_are(const struct health_event *e, const char *was, const char *is)
{
    assert_string_equal(e->was, was);
    assert_string_equal(e->is, is);
}

static void order_region(uint32_t region, struct health_order o)
{
    health_order_region(w.h, region, &o, w.now, w.wall);
    world_settle(&w);
}

static void a_fall_tells_its_samples_and_states(void **state)
{
    (void)state;
    world_fall(&w, 0, 2);
    const struct health_event *e = world_event(&w, "fall", "up -> down");
    part_is(e, e->cause, "3 failures in a row");
    states_are(e, "up", "down");
    avail_is(e, 1, 0);
    assert_int_equal(e->failed, 3);
    assert_int_equal(e->judged, 3);
    world_fall(&w, 1, 2);
    e = world_event(&w, "fall", "availability");
    part_is(e, e->cause, "no endpoint up");
    avail_is(e, 1, 0);
    assert_null(e->was);
}

static void a_rise_a_hold_and_a_ramp_tell_theirs(void **state)
{
    (void)state;
    world_fall(&w, 0, 2);
    world_fall(&w, 1, 2);
    world_ok(&w, 0);
    world_ok(&w, 0);
    const struct health_event *e = world_event(&w, "rise", "down -> up");
    states_are(e, "down", "up");
    part_is(e, e->cause, "2 successes in a row");
    assert_int_equal(e->failed, 0);
    assert_int_equal(e->judged, 2);
    world_ok(&w, 1);
    world_ok(&w, 1);
    e = world_event(&w, "hold", "blocked-by=hold");
    part_is(e, e->blocked_by, "hold(30s)");
    avail_is(e, 0, 0);
    assert_int_equal(e->would, AVAIL_FULL);
    world_advance(&w, 40000);
    e = world_event(&w, "ramp", "availability");
    part_is(e, e->cause, "return over 1m");
    assert_true(e->has_avail && e->after > e->before);
}

static void an_error_rate_tells_its_samples(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        world_sample(&w,
                     (struct health_sample){.endpoint = 0, .ok = i % 4 != 0, .started_ms = w.now});
    world_advance(&w, 1);
    world_sample(&w, (struct health_sample){
                         .endpoint = 2, .ok = true, .confirm = true, .started_ms = w.now});
    const struct health_event *e = world_event(&w, "degrade", "availability");
    assert_true(e->has_avail && e->after < AVAIL_FULL && e->after > 0);
    assert_true(e->judged >= 10 && e->failed > 0 && e->failed < e->judged);
    char rate[80];
    snprintf(rate, sizeof rate, "n=%d/%d", (int)e->failed, (int)e->judged);
    assert_non_null(strstr(e->text, rate));
    assert_true(e->cause.len > 10 && strncmp(e->text + e->cause.at, "error rate", 10) == 0);
}

static void a_held_back_move_tells_what_it_would_be(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 1, 3, 2);
    w.service[0].min_capacity = 0.9;
    world_start(&w);
    struct health_report r = {.region = 0,
                              .site = 0,
                              .endpoint = HEALTH_NONE,
                              .source = "haproxy",
                              .errors = 1000,
                              .now_ms = w.now,
                              .wall_ms = w.wall};
    assert_int_equal(health_report(w.h, &r), ERR_OK);
    world_settle(&w);
    const struct health_event *e = world_event(&w, "min-capacity", "blocked-by");
    part_is(e, e->blocked_by, "min-capacity(90%)");
    assert_int_equal(e->would, 0);
}

static void a_persons_word_tells_its_reason_and_nothing_that_it_makes_up(void **state)
{
    (void)state;
    order_region(0, (struct health_order){.state = HEALTH_DRAIN,
                                          .author = "a cause=\"x\" blocked-by=y(z)",
                                          .reason = "so cause=\"lie\" effect=\"all\""});
    const struct health_event *e = world_event(&w, "override", "auto -> drain");
    states_are(e, "auto", "drain");
    part_is(e, e->cause, "so cause=\"lie\" effect=\"all\"");
    part_is(e, e->blocked_by, "");
    part_is(e, e->effect, "");
    avail_is(e, 1, 0);
    assert_int_equal(e->moving_ms, 0);
    order_region(0, (struct health_order){.state = HEALTH_AUTO});
    avail_is(world_event(&w, "override", "drain -> auto"), 0, 1);
}

static void a_move_over_time_tells_how_long_it_goes_on(void **state)
{
    (void)state;
    order_region(0, (struct health_order){.state = HEALTH_DRAIN, .over_ms = 600000});
    const struct health_event *e = world_event(&w, "override", "auto -> drain");
    avail_is(e, 1, 1);
    assert_int_equal(e->moving_ms, 630000); /* the TTL first */
    world_advance(&w, 330000);
    order_region(0, (struct health_order){.state = HEALTH_AUTO, .over_ms = 100000});
    e = world_event(&w, "override", "drain -> auto");
    assert_int_equal(e->moving_ms, 100000);
}

static void a_word_that_ends_by_its_time_tells_both_states(void **state)
{
    (void)state;
    order_region(0, (struct health_order){.state = HEALTH_DOWN, .until_wall_ms = w.wall + 60000});
    avail_is(world_event(&w, "override", "auto -> down"), 1, 0);
    world_advance(&w, 60000);
    states_are(world_event(&w, "until", "down -> auto"), "down", "auto");
    avail_is(world_event(&w, "override", "availability"), 0, 1);
}

static void isolation_tells_its_effect(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        for (uint32_t e = 0; e < 6; e++)
            world_fail(&w, e);
        world_advance(&w, 5000);
    }
    const struct health_event *e = world_event(&w, "witness", "isolated");
    part_is(e, e->effect, "nothing moves");
    assert_true(e->judged >= 3 && e->failed == e->judged);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_fall_tells_its_samples_and_states),
        T(a_rise_a_hold_and_a_ramp_tell_theirs),
        T(an_error_rate_tells_its_samples),
        T(a_held_back_move_tells_what_it_would_be),
        T(a_persons_word_tells_its_reason_and_nothing_that_it_makes_up),
        T(a_move_over_time_tells_how_long_it_goes_on),
        T(a_word_that_ends_by_its_time_tells_both_states),
        T(isolation_tells_its_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
