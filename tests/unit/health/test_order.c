#include "world.h"

#include <string.h>

static struct world w; /* two services, two regions, one endpoint each */

static int setup(void **state)
{
    (void)state;
    world_init(&w, 2, 2, 1);
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

static void order_region(uint32_t region, struct health_order o)
{
    health_order_region(w.h, region, &o, w.now, w.wall);
    world_settle(&w);
}

static void order_endpoint(uint32_t endpoint, struct health_order o)
{
    health_order_endpoint(w.h, endpoint, &o, w.now, w.wall);
    world_settle(&w);
}

static void a_drain_binds_at_once_and_keeps_the_region_as_a_reserve(void **state)
{
    (void)state;
    order_region(
        0, (struct health_order){.state = HEALTH_DRAIN, .author = "ana", .reason = "db move"});
    assert_int_equal(health_region_word(w.h, 0), HEALTH_WORD_DRAIN);
    assert_said(&w, "override|state auto -> drain rule=override keep=0.00 author=ana "
                    "reason=\"db move\"");
    struct health_region_view v;
    health_region_show(w.h, 0, &v);
    assert_int_equal(v.set, HEALTH_DRAIN);
    assert_int_equal(v.observed, HEALTH_OBSERVED_UP);
    assert_int_equal(v.effective, 0);
    assert_string_equal(v.why, "ana: db move");
    order_region(0, (struct health_order){.state = HEALTH_AUTO, .author = "ana"});
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL); /* no hold, no ramp */
    assert_said(&w, "state drain -> auto");
}

static void a_partial_drain_keeps_its_share_without_the_flag(void **state)
{
    (void)state;
    order_region(0, (struct health_order){.state = HEALTH_DRAIN, .to = avail_from_double(0.4)});
    assert_int_equal(health_region_word(w.h, 0), avail_from_double(0.4));
}

static void a_drain_over_time_lowers_the_ttl_first_and_moves_one_ttl_later(void **state)
{
    (void)state;
    order_region(0, (struct health_order){.state = HEALTH_DRAIN, .over_ms = 600000});
    assert_int_equal(health_service_ttl_s(w.h, 0), 15);
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
    world_advance(&w, 30000);
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
    world_advance(&w, 300000);
    assert_avail(health_region_word(w.h, 0), 0.5);
    world_advance(&w, 299999);
    assert_true(world_avail_region(&w, 0) > 0);
    world_advance(&w, 1);
    assert_int_equal(health_region_word(w.h, 0), HEALTH_WORD_DRAIN);
    assert_int_equal(health_service_ttl_s(w.h, 0), 30);
    assert_int_equal(world_count(&w, "override|availability"), 100);
}

static void an_endpoints_drain_over_time_lowers_the_ttl_as_well(void **state)
{
    (void)state;
    order_endpoint(0, (struct health_order){.state = HEALTH_DRAIN, .over_ms = 60000});
    assert_int_equal(health_service_ttl_s(w.h, 0), 15);
    assert_int_equal(health_service_ttl_s(w.h, 1), 30); /* of another service */
    world_advance(&w, 30000 + 59000);
    assert_int_equal(health_service_ttl_s(w.h, 0), 15);
    world_advance(&w, 1000);
    assert_int_equal(health_endpoint_word(w.h, 0), HEALTH_WORD_DRAIN);
    assert_int_equal(health_service_ttl_s(w.h, 0), 30);
    order_endpoint(0, (struct health_order){.state = HEALTH_AUTO, .over_ms = 60000});
    assert_int_equal(health_service_ttl_s(w.h, 0), 15);
    order_endpoint(0, (struct health_order){.state = HEALTH_AUTO});
    assert_int_equal(health_service_ttl_s(w.h, 0), 30);
}

/* Until then clients move next: the TTL is lowered one TTL ahead. */
static void before_a_word_ends_by_its_time_the_ttl_is_short(void **state)
{
    (void)state;
    order_region(1, (struct health_order){.state = HEALTH_DOWN, .until_wall_ms = w.wall + 90000});
    order_endpoint(2, (struct health_order){.state = HEALTH_DOWN, .until_wall_ms = w.wall + 20000});
    assert_int_equal(health_service_ttl_s(w.h, 0), 30);
    assert_int_equal(health_service_ttl_s(w.h, 1), 15); /* of the endpoint's service */
    world_advance(&w, 20000);
    assert_int_equal(health_service_ttl_s(w.h, 1), 30);
    world_advance(&w, 39999);
    assert_int_equal(health_service_ttl_s(w.h, 0), 30);
    world_advance(&w, 1);
    assert_int_equal(health_service_ttl_s(w.h, 0), 15);
    assert_int_equal(health_region_word(w.h, 1), HEALTH_WORD_OFF);
    world_advance(&w, 30000);
    assert_int_equal(health_region_word(w.h, 1), AVAIL_FULL);
    assert_int_equal(health_service_ttl_s(w.h, 0), 30);
}

static void an_undrain_over_time_comes_back_linearly(void **state)
{
    (void)state;
    order_region(0, (struct health_order){.state = HEALTH_DRAIN});
    order_region(0, (struct health_order){.state = HEALTH_AUTO, .over_ms = 100000});
    world_advance(&w, 50000);
    assert_avail(health_region_word(w.h, 0), 0.5);
    world_advance(&w, 50000);
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
    assert_int_equal(health_service_ttl_s(w.h, 0), 30);
    assert_int_equal(health_due(w.h), INT64_MAX);
}

static void a_drained_region_that_dies_is_no_reserve(void **state)
{
    (void)state;
    order_region(0, (struct health_order){.state = HEALTH_DRAIN});
    world_fall(&w, 0, 1);
    world_fall(&w, 2, 1);
    assert_int_equal(health_region_word(w.h, 0), 0);
    struct health_region_view v;
    health_region_show(w.h, 0, &v);
    assert_int_equal(v.observed, HEALTH_OBSERVED_DOWN);
    assert_int_equal(v.set, HEALTH_DRAIN);
}

static void down_is_never_answered(void **state)
{
    (void)state;
    order_region(0, (struct health_order){.state = HEALTH_DOWN, .author = "ana"});
    assert_int_equal(health_region_word(w.h, 0), HEALTH_WORD_OFF);
    order_endpoint(1, (struct health_order){.state = HEALTH_DOWN, .author = "ana"});
    assert_int_equal(health_endpoint_word(w.h, 1), HEALTH_WORD_OFF);
    assert_said(&w, "override|10.0.1.0 state auto -> down rule=override author=ana");
}

static void up_ignores_failing_probes_and_observation_goes_on(void **state)
{
    (void)state;
    order_region(0, (struct health_order){.state = HEALTH_UP});
    world_fall(&w, 0, 1);
    world_fall(&w, 2, 1);
    assert_int_equal(health_endpoint_word(w.h, 0), AVAIL_FULL);
    assert_int_equal(health_site_word(w.h, 0), AVAIL_FULL);
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
    assert_said(&w, "rule=fall cause=\"no endpoint up\" in-effect=1.00");
    struct health_endpoint_view v;
    health_endpoint_show(w.h, 0, &v);
    assert_int_equal(v.observed, HEALTH_OBSERVED_DOWN);
    assert_int_equal(v.effective, AVAIL_FULL);
    order_region(0, (struct health_order){.state = HEALTH_AUTO});
    assert_int_equal(health_endpoint_word(w.h, 0), 0);
    assert_int_equal(health_site_word(w.h, 0), 0);
    assert_int_equal(health_region_word(w.h, 0), 0);
}

static void an_endpoint_set_up_serves_at_once_though_its_site_was_out(void **state)
{
    (void)state;
    world_fall(&w, 0, 1);
    assert_int_equal(health_site_word(w.h, 0), 0);
    order_endpoint(0, (struct health_order){.state = HEALTH_UP});
    assert_int_equal(health_endpoint_word(w.h, 0), AVAIL_FULL);
    assert_int_equal(health_site_word(w.h, 0), AVAIL_FULL);
    for (int i = 0; i < 20; i++)
        world_fail(&w, 0);
    assert_int_equal(health_site_word(w.h, 0), AVAIL_FULL);
    order_endpoint(0, (struct health_order){.state = HEALTH_AUTO});
    assert_int_equal(health_endpoint_word(w.h, 0), 0);
    assert_int_equal(health_site_word(w.h, 0), 0);
}

static void a_person_who_takes_an_endpoint_out_and_back_waits_for_nothing(void **state)
{
    (void)state;
    order_endpoint(0, (struct health_order){.state = HEALTH_DOWN});
    assert_int_equal(health_site_word(w.h, 0), AVAIL_FULL);
    world_advance(&w, 5000);
    order_endpoint(0, (struct health_order){.state = HEALTH_AUTO});
    assert_int_equal(health_endpoint_word(w.h, 0), AVAIL_FULL);
    order_endpoint(0, (struct health_order){.state = HEALTH_DRAIN});
    assert_int_equal(health_endpoint_word(w.h, 0), HEALTH_WORD_DRAIN);
    assert_int_equal(health_site_word(w.h, 0), AVAIL_FULL);
}

static void an_order_with_an_end_ends_by_itself(void **state)
{
    (void)state;
    order_region(0, (struct health_order){
                        .state = HEALTH_DOWN, .author = "ana", .until_wall_ms = w.wall + 600000});
    order_endpoint(1, (struct health_order){
                          .state = HEALTH_DRAIN, .author = "bo", .until_wall_ms = w.wall + 90000});
    world_advance(&w, 89999);
    assert_int_equal(health_endpoint_word(w.h, 1), HEALTH_WORD_DRAIN);
    world_advance(&w, 1);
    assert_int_equal(health_endpoint_word(w.h, 1), AVAIL_FULL);
    assert_said(&w, "until|10.0.1.0 state drain -> auto rule=until cause=\"2027-01-15T08:0");
    world_advance(&w, 510000);
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
    assert_said(&w, "until|state down -> auto rule=until cause=\"");
    struct health_region_view v;
    health_region_show(w.h, 0, &v);
    assert_int_equal(v.set, HEALTH_AUTO);
}

static void the_end_follows_the_wall_clock_when_it_is_set(void **state)
{
    (void)state;
    order_region(0,
                 (struct health_order){.state = HEALTH_DOWN, .until_wall_ms = w.wall + 36000000});
    world_advance(&w, 1000);
    w.wall += 36000000;
    world_advance(&w, 60000);
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
}

static void a_person_is_not_bound_by_safety(void **state)
{
    (void)state;
    order_region(0, (struct health_order){.state = HEALTH_DRAIN});
    order_region(1, (struct health_order){.state = HEALTH_DRAIN});
    assert_int_equal(health_region_word(w.h, 0), HEALTH_WORD_DRAIN);
    assert_int_equal(health_region_word(w.h, 1), HEALTH_WORD_DRAIN);
}

static void long_texts_are_shortened(void **state)
{
    (void)state;
    char text[400];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    order_region(0, (struct health_order){.state = HEALTH_DOWN, .author = text, .reason = text});
    struct health_region_view v;
    health_region_show(w.h, 0, &v);
    assert_int_equal(strlen(v.set_author), 39);
    assert_int_equal(strlen(v.set_reason), 79);
}

static void orders_on_nothing_are_ignored(void **state)
{
    (void)state;
    order_region(99, (struct health_order){.state = HEALTH_DOWN});
    order_endpoint(99, (struct health_order){.state = HEALTH_DOWN});
    assert_int_equal(w.log_n, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_drain_binds_at_once_and_keeps_the_region_as_a_reserve),
        T(a_partial_drain_keeps_its_share_without_the_flag),
        T(a_drain_over_time_lowers_the_ttl_first_and_moves_one_ttl_later),
        T(an_endpoints_drain_over_time_lowers_the_ttl_as_well),
        T(before_a_word_ends_by_its_time_the_ttl_is_short),
        T(an_undrain_over_time_comes_back_linearly),
        T(a_drained_region_that_dies_is_no_reserve),
        T(down_is_never_answered),
        T(up_ignores_failing_probes_and_observation_goes_on),
        T(an_endpoint_set_up_serves_at_once_though_its_site_was_out),
        T(a_person_who_takes_an_endpoint_out_and_back_waits_for_nothing),
        T(an_order_with_an_end_ends_by_itself),
        T(the_end_follows_the_wall_clock_when_it_is_set),
        T(a_person_is_not_bound_by_safety),
        T(long_texts_are_shortened),
        T(orders_on_nothing_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
