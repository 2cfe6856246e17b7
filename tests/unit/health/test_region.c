#include "world.h"

static struct world w; /* four services, three regions, one endpoint each */

static int setup(void **state)
{
    (void)state;
    world_init(&w, 4, 3, 1);
    world_start(&w);
    world_rounds(&w, 2, 5000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_end(&w);
    return 0;
}

static uint32_t at(uint32_t service, uint32_t region)
{
    return world_endpoint(&w, service, region, 0);
}

static void half_of_the_services_down_is_not_most(void **state)
{
    (void)state;
    world_fall(&w, at(0, 0), at(0, 1));
    world_fall(&w, at(1, 0), at(0, 1));
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
}

static void most_of_the_services_down_takes_the_region_out_for_all(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < 3; s++)
        world_fall(&w, at(s, 0), at(0, 1));
    assert_int_equal(health_region_word(w.h, 0), 0);
    assert_int_equal(w.changes[2], 1);
    assert_said(&w, "region|availability 1.00 -> 0.00 rule=region cause=\"3 of 4 services down\"");
    struct health_endpoint_view v;
    health_endpoint_show(w.h, at(3, 0), &v);
    assert_int_equal(v.effective, 0);
    assert_int_equal(v.observed, HEALTH_OBSERVED_UP);
    struct health_region_view r;
    health_region_show(w.h, 0, &r);
    assert_int_equal(r.observed, HEALTH_OBSERVED_DOWN);
    assert_string_equal(r.why, "3 of 4 services down");
    assert_int_equal(health_region_word(w.h, 1), AVAIL_FULL);
}

static void one_service_alone_is_never_most(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 1, 2, 1);
    world_start(&w);
    world_fall(&w, 0, 1);
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
}

static void services_without_probes_have_no_say(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 4, 3, 1);
    for (uint32_t s = 2; s < 4; s++)
        w.probe_of[at(s, 0)] = 0;
    world_start(&w);
    world_fall(&w, at(0, 0), at(0, 1));
    world_fall(&w, at(1, 0), at(0, 1));
    assert_int_equal(health_region_word(w.h, 0), 0);
    assert_said(&w, "2 of 2 services down");
}

static void the_region_returns_by_hold_and_ramp_when_no_longer_most(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < 3; s++)
        world_fall(&w, at(s, 0), at(0, 1));
    struct health_region_view before;
    health_region_show(w.h, 0, &before);
    int64_t hold_left = 30000 - (w.wall - before.since_wall_ms);
    world_ok(&w, at(0, 0));
    world_ok(&w, at(0, 0));
    assert_int_equal(health_region_word(w.h, 0), 0);
    world_advance(&w, hold_left - 1);
    assert_int_equal(health_region_word(w.h, 0), 0);
    world_advance(&w, 1);
    assert_avail(health_region_word(w.h, 0), 0.10);
    world_advance(&w, 54001);
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
}

static void a_regions_hold_is_its_largest_ttl_at_most_300_s(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 2, 2, 1);
    w.service[1].ttl_s = 3600;
    world_start(&w);
    assert_int_equal(health_region_ttl_max_s(w.h, 0), 3600);
    world_fall(&w, at(0, 0), at(0, 1));
    world_fall(&w, at(1, 0), at(0, 1));
    assert_int_equal(health_region_word(w.h, 0), 0);
    world_ok(&w, at(0, 0));
    world_ok(&w, at(0, 0));
    world_advance(&w, 298000);
    assert_int_equal(health_region_word(w.h, 0), 0);
    world_advance(&w, 3000);
    assert_true(world_avail_region(&w, 0) > 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(half_of_the_services_down_is_not_most),
        T(most_of_the_services_down_takes_the_region_out_for_all),
        T(one_service_alone_is_never_most),
        T(services_without_probes_have_no_say),
        T(the_region_returns_by_hold_and_ramp_when_no_longer_most),
        T(a_regions_hold_is_its_largest_ttl_at_most_300_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
