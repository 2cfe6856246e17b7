#include "world.h"

#include <string.h>

static struct world w; /* one service, three regions, two endpoints each */

static int setup(void **state)
{
    (void)state;
    world_init(&w, 1, 3, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_end(&w);
    return 0;
}

/* Another region answers, so that the failures before it are the endpoint's own. */
static void witness(uint32_t e)
{
    world_advance(&w, 1);
    world_sample(&w,
                 (struct health_sample){
                     .endpoint = (e + 3) % 6, .ok = true, .confirm = true, .started_ms = w.now});
}

static void fail_with_witness(uint32_t e)
{
    world_fail(&w, e);
    witness(e);
}

/* n samples now, the failures among them spread evenly, and a witness of the last. */
static void brown_out(uint32_t e, int n, int fails)
{
    for (int i = 0; i < n; i++) {
        bool bad = i * fails / n != (i + 1) * fails / n;
        world_sample(&w, (struct health_sample){.endpoint = e, .ok = !bad, .started_ms = w.now});
    }
    witness(e);
}

static void one_of_three_is_not_a_third(void **state)
{
    (void)state;
    world_start(&w);
    brown_out(0, 3, 1);
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_int_equal(v.samples, 3);
    assert_avail(health_site_word(w.h, 0), 1);
}

static void nine_samples_say_nothing_and_ten_do(void **state)
{
    (void)state;
    world_start(&w);
    brown_out(0, 8, 4);
    world_ok(&w, 0);
    assert_avail(health_site_word(w.h, 0), 1);
    world_fail(&w, 0);
    world_advance(&w, 1);
    assert_avail(health_site_word(w.h, 0), 1); /* a failure counts when it has a witness */
    world_ok(&w, 2);
    /* 5 of 10: at least 23.7 % */
    assert_avail(health_site_word(w.h, 0), (0.5 - 0.2366) / 0.45);
}

static void the_lower_bound_of_26_in_100_is_18_4_percent_and_leaves_0_70(void **state)
{
    (void)state;
    w.service[0].hold_ms = 1;
    w.cfg.samples_min = 100;
    world_start(&w);
    brown_out(0, 100, 26);
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_int_equal(v.samples, 100);
    assert_int_equal(v.failures, 26);
    assert_float_equal(v.error_rate_low, 0.184, 0.0005);
    assert_avail(health_site_word(w.h, 0), 0.70);
    assert_int_equal(v.observed, HEALTH_OBSERVED_DEGRADED);
    assert_said(&w, "degrade|availability 1.00 -> 0.70 rule=degrade cause=\"error rate 26.0%, at "
                    "least 18.4%\" window=100s n=26/100");
    assert_string_equal(v.why, "error rate over 100 s");
}

static void a_low_error_rate_moves_nothing(void **state)
{
    (void)state;
    world_start(&w);
    brown_out(0, 100, 5);
    assert_avail(health_site_word(w.h, 0), 1);
    assert_not_said(&w, "availability");
}

static void at_fail_all_of_it_has_moved(void **state)
{
    (void)state;
    w.probe[0].fall = 1000;
    w.cfg.samples_min = 50;
    world_start(&w);
    for (int i = 0; i < 50; i++)
        world_sample(&w,
                     (struct health_sample){.endpoint = 0, .ok = i % 4 == 0, .started_ms = w.now});
    witness(0);
    assert_int_equal(health_site_word(w.h, 0), 0);
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_int_equal(v.observed, HEALTH_OBSERVED_DOWN);
}

static void the_window_slides(void **state)
{
    (void)state;
    world_start(&w);
    brown_out(0, 40, 4);
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_int_equal(v.samples, 40);
    world_advance(&w, 94998); /* the window is 20 intervals: 100 s, in 20 parts */
    world_ok(&w, 0);
    health_site_show(w.h, 0, &v);
    assert_int_equal(v.samples, 41);
    world_advance(&w, 5001);
    world_ok(&w, 0);
    health_site_show(w.h, 0, &v);
    assert_int_equal(v.samples, 2);
    assert_int_equal(v.failures, 0);
}

static void samples_of_a_fallen_endpoint_leave_the_window(void **state)
{
    (void)state;
    world_start(&w);
    for (int i = 0; i < 12; i++) {
        world_ok(&w, 0);
        world_ok(&w, 1);
    }
    world_fail(&w, 0);
    world_fail(&w, 0);
    world_advance(&w, 1);
    world_ok(&w, 2);
    world_fail(&w, 0);
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_int_equal(v.samples, 12);
    assert_int_equal(v.failures, 0);
    for (int i = 0; i < 3; i++)
        world_fail(&w, 0);
    health_site_show(w.h, 0, &v);
    assert_int_equal(v.samples, 12); /* and none are added while it is down */
}

static void half_of_the_endpoints_up_is_no_panic(void **state)
{
    (void)state;
    world_start(&w);
    world_fall(&w, 0, 2);
    assert_int_equal(health_endpoint_word(w.h, 0), 0);
    assert_avail(health_site_word(w.h, 0), 1);
}

static void less_than_the_panic_share_up_counts_as_none(void **state)
{
    (void)state;
    w.service[0].panic = 0.51;
    world_start(&w);
    world_fall(&w, 0, 2);
    assert_int_equal(health_site_word(w.h, 0), 0);
    assert_int_equal(health_endpoint_word(w.h, 1), AVAIL_FULL);
    assert_said(&w, "panic|availability 1.00 -> 0.00 rule=panic cause=\"1 of 2 endpoints up\"");
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_string_equal(v.why, "1 of 2 endpoints up");
    assert_int_equal(v.effective, 0);
}

static void the_last_region_degrades_to_a_floor_and_not_to_nothing(void **state)
{
    (void)state;
    w.cfg.samples_min = 20;
    for (int e = 0; e < 6; e++)
        w.probe[e].fall = 1000;
    world_start(&w);
    for (uint32_t r = 0; r < 3; r++)
        for (int i = 0; i < 20; i++)
            fail_with_witness(r * 2);
    assert_int_equal(health_site_word(w.h, 0), 0);
    assert_int_equal(health_site_word(w.h, 1), 0);
    assert_avail(health_site_word(w.h, 2), 0.05);
    assert_said(&w, "min-regions|hold 0.05 would=0.00 blocked-by=min-regions(1)");
    for (int i = 0; i < 20; i++)
        fail_with_witness(4);
    assert_int_equal(world_count(&w, "blocked-by=min-regions"), 1);
}

static void a_fall_is_not_limited_by_min_regions(void **state)
{
    (void)state;
    w.service[0].min_regions = 3;
    world_start(&w);
    world_fall(&w, 0, 2);
    world_fall(&w, 1, 2);
    assert_int_equal(health_site_word(w.h, 0), 0);
}

static void min_capacity_limits_a_degrade_and_says_so_once(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 1, 2, 1);
    w.service[0].min_capacity = 0.8;
    w.probe[0].fall = 1000;
    w.cfg.samples_min = 20;
    world_start(&w);
    for (int i = 0; i < 40; i++) {
        world_sample(&w,
                     (struct health_sample){.endpoint = 0, .ok = i % 2 == 0, .started_ms = w.now});
        world_advance(&w, 1);
    }
    /* 1.0 + v of 2.0 must be 0.8 of it */
    assert_avail(health_site_word(w.h, 0), 0.6);
    assert_said(&w, "hold 0.60 would=0.");
    assert_true(world_count(&w, "blocked-by=min-capacity(80%)") <= 3);
}

static void min_capacity_counts_what_a_person_took_away(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 1, 2, 1);
    w.service[0].min_capacity = 0.5;
    w.probe[0].fall = 1000;
    w.cfg.samples_min = 20;
    world_start(&w);
    struct health_order o = {.state = HEALTH_DOWN, .author = "ana"};
    health_order_region(w.h, 1, &o, w.now, w.wall);
    for (int i = 0; i < 40; i++)
        world_sample(&w,
                     (struct health_sample){.endpoint = 0, .ok = i % 2 == 0, .started_ms = w.now});
    assert_avail(health_site_word(w.h, 0), 1);
    assert_said(&w, "hold 1.00 would=");
}

static void a_change_inside_the_dead_band_is_not_published(void **state)
{
    (void)state;
    w.cfg.samples_min = 100;
    world_start(&w);
    brown_out(0, 100, 11); /* at least 6.3 %: 0.971 */
    assert_int_equal(health_site_word(w.h, 0), AVAIL_FULL);
    for (int i = 0; i < 4; i++) { /* 15 of 108: at least 8.6 %; on the way it passes 0.945 */
        world_ok(&w, 0);
        world_fail(&w, 0);
    }
    assert_avail(health_site_word(w.h, 0), 0.945);
    assert_int_equal(world_count(&w, "availability"), 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(one_of_three_is_not_a_third),
        T(nine_samples_say_nothing_and_ten_do),
        T(the_lower_bound_of_26_in_100_is_18_4_percent_and_leaves_0_70),
        T(a_low_error_rate_moves_nothing),
        T(at_fail_all_of_it_has_moved),
        T(the_window_slides),
        T(samples_of_a_fallen_endpoint_leave_the_window),
        T(half_of_the_endpoints_up_is_no_panic),
        T(less_than_the_panic_share_up_counts_as_none),
        T(the_last_region_degrades_to_a_floor_and_not_to_nothing),
        T(a_fall_is_not_limited_by_min_regions),
        T(min_capacity_limits_a_degrade_and_says_so_once),
        T(min_capacity_counts_what_a_person_took_away),
        T(a_change_inside_the_dead_band_is_not_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
