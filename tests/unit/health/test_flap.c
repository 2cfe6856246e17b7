/* Flap damping, and what is counted of outages. */
#include "world.h"

/* Two regions, one endpoint each; number 0 flaps, number 1 is the witness. */
static void start(struct world *w)
{
    world_init(w, 1, 2, 1);
    w->service[0].ramp_ms = 20000;
    world_start(w);
    world_rounds(w, 3, 5000);
    world_forget_log(w);
}

static void answers_again(struct world *w)
{
    world_ok(w, 0);
    world_ok(w, 0);
    assert_int_equal(world_observed(w, 0), HEALTH_OBSERVED_UP);
}

/* How long after its fall the site takes its first clients again. */
static int64_t time_out_ms(struct world *w)
{
    int64_t fell = w->now;
    while (world_avail_site(w, 0) == 0 && w->now - fell < 7200000)
        world_advance(w, 100);
    return w->now - fell;
}

static struct health_outages endpoint_outages(const struct world *w)
{
    struct health_endpoint_view v;
    health_endpoint_show(w->h, 0, &v);
    return v.outages;
}

static void fall_and_answer(struct world *w)
{
    world_fall(w, 0, 1);
    answers_again(w);
}

static void each_return_within_ten_minutes_doubles_the_hold(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    static const int64_t holds_s[] = {30, 60, 120, 240, 480, 480, 480};
    for (size_t i = 0; i < sizeof holds_s / sizeof *holds_s; i++) {
        fall_and_answer(&w);
        int64_t out = time_out_ms(&w);
        /* world_fall lets a second pass after the last failure */
        assert_in_range(out, holds_s[i] * 1000 - 1100, holds_s[i] * 1000);
        world_advance(&w, 60000);
        assert_avail(world_avail_site(&w, 0), 1);
    }
    world_end(&w);
}

/* What works and is only damped, or ramps: as soon as the hold itself is over. */
static void it_is_known_what_only_waits(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    for (int i = 0; i < 3; i++) {
        fall_and_answer(&w);
        if (i < 2) {
            time_out_ms(&w);
            world_advance(&w, 60000);
        }
    }
    world_advance(&w, 25000); /* of a hold of 2 m; without damping 30 s */
    assert_false(health_waits(w.h, 0, 0, 10000) || health_waits(w.h, 1, 0, 10000));
    world_advance(&w, 10000);
    assert_true(health_waits(w.h, 0, 0, 10000) && health_waits(w.h, 1, 0, 10000));
    assert_false(health_waits(w.h, 0, 0, 60000)); /* not good for so long */
    assert_false(health_waits(w.h, 2, 0, 10000)); /* the region is at 1 */
    world_fall(&w, 0, 1);
    assert_false(health_waits(w.h, 0, 0, 10000) || health_waits(w.h, 1, 0, 10000));
    answers_again(&w);
    world_advance(&w, 600000);
    assert_avail(world_avail_site(&w, 0), 1);
    assert_false(health_waits(w.h, 0, 0, 10000) || health_waits(w.h, 1, 0, 10000));
    world_end(&w);
}

static void the_log_says_the_hold_and_the_falls_in_a_row(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    fall_and_answer(&w);
    assert_not_said(&w, "flaps=");
    time_out_ms(&w);
    world_advance(&w, 60000);
    fall_and_answer(&w);
    assert_said(&w, "10.0.0.0 up -> down rule=fall cause=\"3 failures in a row\" hold=1m flaps=2");
    assert_said(&w, "availability 1.00 -> 0.00 rule=fall cause=\"no endpoint up\" hold=1m flaps=2");
    time_out_ms(&w);
    world_advance(&w, 60000);
    fall_and_answer(&w);
    assert_said(&w, "rule=fall cause=\"no endpoint up\" hold=2m flaps=3");
    assert_said(&w, "hold 0.00 would=1.00 blocked-by=hold(2m) flaps=3");
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_string_equal(v.why, "good again, held for 1m59s, 3 falls in a row");
    assert_int_equal(endpoint_outages(&w).flaps, 3);
    world_end(&w);
}

static void a_fall_in_the_middle_of_a_return_counts(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    fall_and_answer(&w);
    time_out_ms(&w);
    assert_true(world_avail_site(&w, 0) < AVAIL_FULL / 4);
    fall_and_answer(&w);
    assert_in_range(time_out_ms(&w), 58900, 60000);
    world_end(&w);
}

static void ten_quiet_minutes_forget_the_falls(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    for (int i = 0; i < 3; i++) {
        fall_and_answer(&w);
        time_out_ms(&w);
        world_advance(&w, 60000);
    }
    assert_int_equal(endpoint_outages(&w).flaps, 3);
    world_advance(&w, 541000);
    assert_int_equal(endpoint_outages(&w).flaps, 0);
    fall_and_answer(&w);
    assert_in_range(time_out_ms(&w), 28900, 30000);
    world_end(&w);
}

static void nine_quiet_minutes_do_not(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    fall_and_answer(&w);
    time_out_ms(&w);
    world_advance(&w, 540000);
    fall_and_answer(&w);
    assert_in_range(time_out_ms(&w), 58900, 60000);
    world_end(&w);
}

static void a_return_after_a_long_outage_doubles_nothing(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    world_fall(&w, 0, 1);
    world_advance(&w, 601000);
    answers_again(&w);
    time_out_ms(&w);
    world_advance(&w, 30000);
    fall_and_answer(&w);
    assert_in_range(time_out_ms(&w), 28900, 30000);
    world_end(&w);
}

static void a_damped_hold_is_an_hour_at_most_unless_it_is_longer_itself(void **state)
{
    (void)state;
    static const struct {
        uint32_t hold_s;
        int64_t last_s;
    } c[] = {{600, 3600}, {7000, 7000}};
    for (size_t k = 0; k < 2; k++) {
        struct world w;
        world_init(&w, 1, 2, 1);
        w.service[0].hold_ms = c[k].hold_s * 1000;
        w.service[0].ramp_ms = 0;
        world_start(&w);
        world_rounds(&w, 3, 5000);
        int64_t out = 0;
        for (int i = 0; i < 6; i++) {
            fall_and_answer(&w);
            out = time_out_ms(&w);
        }
        assert_in_range(out, c[k].last_s * 1000 - 1100, c[k].last_s * 1000);
        world_end(&w);
    }
}

static void failback_after_counts_beside_the_damped_hold(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1, 2, 1);
    w.service[0].failback = HEALTH_FAILBACK_AFTER;
    w.service[0].failback_after_ms = 100000;
    w.service[0].ramp_ms = 0;
    world_start(&w);
    world_rounds(&w, 3, 5000);
    static const int64_t out_s[] = {100, 100, 120, 240}; /* holds 30, 60, 120, 240 */
    for (size_t i = 0; i < 4; i++) {
        fall_and_answer(&w);
        assert_in_range(time_out_ms(&w), out_s[i] * 1000 - 1100, out_s[i] * 1000 + 100);
    }
    /* What falls again while it waits waits anew from when it answers. */
    fall_and_answer(&w);
    world_advance(&w, 460000);
    world_fall(&w, 0, 1);
    answers_again(&w);
    assert_in_range(time_out_ms(&w), 99000, 101100);
    world_end(&w);
}

static void failback_hold_waits_for_its_release_however_often_it_flaps(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1, 2, 1);
    w.service[0].failback = HEALTH_FAILBACK_HOLD;
    w.service[0].ramp_ms = 0;
    world_start(&w);
    world_rounds(&w, 3, 5000);
    for (int i = 0; i < 3; i++) {
        fall_and_answer(&w);
        world_advance(&w, 300000);
        assert_avail(world_avail_site(&w, 0), 0);
        health_release_region(w.h, 0, w.now, w.wall);
        world_settle(&w);
        world_advance(&w, 100);
        assert_avail(world_avail_site(&w, 0), 1);
    }
    /* Released at once: the damped hold still stands. */
    fall_and_answer(&w);
    health_release_region(w.h, 0, w.now, w.wall);
    world_settle(&w);
    assert_in_range(time_out_ms(&w), 238900, 240000);
    world_end(&w);
}

static void a_release_after_a_long_outage_doubles_nothing(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1, 2, 1);
    w.service[0].failback = HEALTH_FAILBACK_HOLD;
    w.service[0].ramp_ms = 0;
    world_start(&w);
    world_rounds(&w, 3, 5000);
    fall_and_answer(&w);
    world_advance(&w, 3600000);
    health_release_region(w.h, 0, w.now, w.wall);
    world_settle(&w);
    world_advance(&w, 100);
    assert_avail(world_avail_site(&w, 0), 1);
    world_fall(&w, 0, 1);
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_int_equal(v.outages.flaps, 1);
    world_end(&w);
}

static void a_persons_word_does_not_count_as_a_return(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    fall_and_answer(&w);
    struct health_order up = {.state = HEALTH_UP, .author = "ana", .reason = "I looked"};
    health_order_endpoint(w.h, 0, &up, w.now, w.wall);
    world_settle(&w);
    assert_avail(world_avail_site(&w, 0), 1);
    up.state = HEALTH_AUTO;
    health_order_endpoint(w.h, 0, &up, w.now, w.wall);
    world_settle(&w);
    world_fall(&w, 0, 1);
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_int_equal(v.outages.flaps, 1);
    world_end(&w);
}

static void outages_shorter_than_a_scrape_are_counted(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    for (int i = 0; i < 3; i++) {
        world_fall(&w, 0, 1);   /* a second passes after the last failure, */
        world_advance(&w, 500); /* and a half */
        answers_again(&w);
        world_advance(&w, 5000);
    }
    assert_int_equal(endpoint_outages(&w).falls, 3);
    assert_int_equal(endpoint_outages(&w).down_ms, 4500);
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_int_equal(v.outages.falls, 3);
    assert_int_equal(v.outages.down_ms, 4500);
    struct health_region_view r;
    health_region_show(w.h, 0, &r);
    assert_int_equal(r.outages.falls, 3);
    assert_int_equal(r.outages.down_ms, 4500);
    health_region_show(w.h, 1, &r);
    assert_int_equal(r.outages.falls, 0);
    world_end(&w);
}

static void an_outage_that_lasts_counts_while_it_lasts(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    world_fall(&w, 0, 1);
    int64_t before = endpoint_outages(&w).down_ms;
    world_advance(&w, 7000);
    assert_int_equal(endpoint_outages(&w).down_ms, before + 7000);
    assert_int_equal(endpoint_outages(&w).falls, 1);
    world_end(&w);
}

static void counts_and_damping_go_over_to_a_new_configuration(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    fall_and_answer(&w);
    time_out_ms(&w);
    struct health *old = w.h;
    assert_int_equal(health_create(&w.cfg, w.now, w.wall, &w.h), ERR_OK);
    health_adopt(w.h, old);
    health_destroy(&old);
    world_settle(&w);
    assert_int_equal(endpoint_outages(&w).falls, 1);
    fall_and_answer(&w);
    assert_in_range(time_out_ms(&w), 58900, 60000);
    assert_int_equal(endpoint_outages(&w).falls, 2);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_return_within_ten_minutes_doubles_the_hold),
        cmocka_unit_test(it_is_known_what_only_waits),
        cmocka_unit_test(the_log_says_the_hold_and_the_falls_in_a_row),
        cmocka_unit_test(a_fall_in_the_middle_of_a_return_counts),
        cmocka_unit_test(ten_quiet_minutes_forget_the_falls),
        cmocka_unit_test(nine_quiet_minutes_do_not),
        cmocka_unit_test(a_return_after_a_long_outage_doubles_nothing),
        cmocka_unit_test(a_damped_hold_is_an_hour_at_most_unless_it_is_longer_itself),
        cmocka_unit_test(failback_after_counts_beside_the_damped_hold),
        cmocka_unit_test(failback_hold_waits_for_its_release_however_often_it_flaps),
        cmocka_unit_test(a_release_after_a_long_outage_doubles_nothing),
        cmocka_unit_test(a_persons_word_does_not_count_as_a_return),
        cmocka_unit_test(outages_shorter_than_a_scrape_are_counted),
        cmocka_unit_test(an_outage_that_lasts_counts_while_it_lasts),
        cmocka_unit_test(counts_and_damping_go_over_to_a_new_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
