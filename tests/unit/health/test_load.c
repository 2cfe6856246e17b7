/* A region's load together with what is known of its guests. */
#include "world.h"

static struct world w;

static void begin(void)
{
    world_init(&w, 1, 2, 1);
    w.cfg.load_high = 0.9;
    w.cfg.load_low = 0.7;
    w.region[0].capacity = 1000;
    world_start(&w);
    world_rounds(&w, 15, 5000);
}

static enum err report(const char *source, double utilisation)
{
    struct health_report r = {.region = 0,
                              .site = HEALTH_NONE,
                              .endpoint = HEALTH_NONE,
                              .source = source,
                              .has_load = true,
                              .utilisation = utilisation,
                              .covered_ms = 10000,
                              .now_ms = w.now,
                              .wall_ms = w.wall};
    enum err e = health_report(w.h, &r);
    world_settle(&w);
    return e;
}

static void guests_leave_before_a_region_sheds_its_own(void **state)
{
    (void)state;
    begin();
    health_region_carries(w.h, 0, true, 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(report("haproxy", 1.2), ERR_OK);
        world_advance(&w, 10000);
    }
    assert_int_equal(world_avail_region(&w, 0), AVAIL_FULL);
    health_region_carries(w.h, 0, false, 0); /* they have been told to go, which takes a TTL */
    assert_int_equal(report("haproxy", 1.2), ERR_OK);
    assert_int_equal(world_avail_region(&w, 0), AVAIL_FULL);
    world_advance(&w, 31000);
    assert_int_equal(report("haproxy", 1.0), ERR_OK);
    assert_avail(health_region_word(w.h, 0), 0.80);
    world_end(&w);
}

static void in_an_overload_of_all_none_sheds_below_what_is_even(void **state)
{
    (void)state;
    begin();
    health_region_carries(w.h, 0, false, avail_from_double(0.9));
    for (int i = 0; i < 6; i++) {
        assert_int_equal(report("haproxy", 1.6), ERR_OK);
        world_advance(&w, 31000);
        assert_avail(health_region_word(w.h, 0), 0.90);
    }
    world_end(&w);
}

static void the_worst_fresh_load_of_a_region_is_told_with_its_time(void **state)
{
    (void)state;
    double load;
    int64_t at_ms;
    begin();
    assert_false(health_region_load(w.h, 0, &load, &at_ms));
    assert_int_equal(report("a", 0.5), ERR_OK);
    world_advance(&w, 5000);
    assert_int_equal(report("b", 0.4), ERR_OK);
    assert_true(health_region_load(w.h, 0, &load, &at_ms));
    assert_true(load == 0.5 && at_ms == w.now - 5000);
    world_advance(&w, 120000);
    assert_false(health_region_load(w.h, 0, &load, &at_ms));
    world_end(&w);
}

static void errors(uint64_t ok, uint64_t bad, double utilisation)
{
    struct health_report r = {.region = 0,
                              .site = HEALTH_NONE,
                              .endpoint = HEALTH_NONE,
                              .source = "haproxy",
                              .ok = ok,
                              .errors = bad,
                              .has_load = true,
                              .utilisation = utilisation,
                              .covered_ms = 10000,
                              .now_ms = w.now,
                              .wall_ms = w.wall};
    assert_int_equal(health_report(w.h, &r), ERR_OK);
    world_settle(&w);
}

static void errors_of_the_crowded_move_nobody(void **state)
{
    (void)state;
    begin();
    health_region_crowded(w.h, 0, true);
    errors(7000, 3000, 0.8);
    assert_int_equal(world_avail_region(&w, 0), AVAIL_FULL);
    errors(100, 90000, 1.4); /* however many, where there is too much load */
    assert_int_equal(world_avail_region(&w, 0), AVAIL_FULL);
    health_region_crowded(w.h, 0, false);
    errors(7000, 3000, 0.8);
    assert_int_equal(world_avail_region(&w, 0), AVAIL_NONE);
    world_end(&w);
}

static void what_fails_without_load_leaves_a_crowd_too(void **state)
{
    (void)state;
    begin();
    health_region_crowded(w.h, 0, true);
    errors(100, 90000, 0.8);
    assert_int_equal(world_avail_region(&w, 0), AVAIL_NONE);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests_leave_before_a_region_sheds_its_own),
        cmocka_unit_test(in_an_overload_of_all_none_sheds_below_what_is_even),
        cmocka_unit_test(the_worst_fresh_load_of_a_region_is_told_with_its_time),
        cmocka_unit_test(errors_of_the_crowded_move_nobody),
        cmocka_unit_test(what_fails_without_load_leaves_a_crowd_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
