/* What a region depends on: it leaves for all its services, and never the last one. */
#include "world.h"

#include <string.h>

static struct world w; /* two services in three regions; regions 0 and 1 depend on something */
static uint32_t eu_db, us_db;

static void depend(struct world *v)
{
    v->service[2] = (struct health_service_config){
        .ttl_s = 1, .fail = 1, .ramp_ms = 1000, .dependencies = true};
    v->named[2] = (struct health_service){"(dependency)", &v->service[2]};
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t slot = 6 + i;
        v->probe[slot] = v->probe[0];
        v->probe[slot].name = i ? "us-db" : "eu-db";
        v->probe[slot].port = 5432;
        v->endpoint[slot] = (struct health_endpoint_config){
            .address = i ? "10.9.0.2" : "10.9.0.1", .site = 6 + i, .weight = 1};
        v->probe_of[slot] = slot + 1;
        v->site[slot] = (struct health_site_config){
            .service = 2, .region = (uint8_t)i, .endpoint_first = slot, .endpoint_n = 1};
        v->region[i].dependency = slot;
    }
    v->region[2].dependency = HEALTH_NONE;
    v->cfg.endpoints_n = v->cfg.sites_n = 8;
    v->cfg.services_n = 3;
    eu_db = 6;
    us_db = 7;
}

static int setup(void **state)
{
    (void)state;
    world_init(&w, 2, 3, 1);
    depend(&w);
    world_start(&w);
    world_rounds(&w, 3, 5000);
    world_forget_log(&w);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_end(&w);
    return 0;
}

static double at(uint32_t region)
{
    return avail_to_double(world_avail_region(&w, region));
}

static void fail_thrice(uint32_t slot)
{
    for (int i = 0; i < 3; i++) {
        world_fail(&w, slot);
        world_advance(&w, 1000);
    }
}

static void a_region_leaves_when_it_is_down_and_a_witness_answers(void **state)
{
    (void)state;
    fail_thrice(eu_db);
    assert_float_equal(at(0), 1, 0); /* no witness yet */
    assert_int_equal(health_service_ttl_s(w.h, 0), 15);
    assert_int_equal(health_service_ttl_s(w.h, 1), 15);
    world_ok(&w, world_endpoint(&w, 0, 0, 0)); /* the region's own is none */
    world_ok(&w, us_db);                       /* what another depends on is none */
    assert_float_equal(at(0), 1, 0);
    world_ok(&w, world_endpoint(&w, 1, 2, 0));
    assert_float_equal(at(0), 0, 0);
    assert_float_equal(at(1), 1, 0);
    assert_said(&w, "fall|dependency 10.9.0.1 up -> down rule=fall cause=\"3 failures in a row\"");
    assert_said(&w, "dependency|availability 1.00 -> 0.00 rule=dependency cause=\"eu-db "
                    "10.9.0.1:5432 down\"");
    struct health_region_view v;
    health_region_show(w.h, 0, &v);
    assert_int_equal(v.observed, HEALTH_OBSERVED_DOWN);
    assert_string_equal(v.why, "depends on eu-db 10.9.0.1:5432, which is down");
    struct health_site_view s;
    health_site_show(w.h, world_site(&w, 1, 0), &s);
    assert_int_equal(s.effective, 0);
}

static void without_a_witness_the_prober_is_isolated(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        for (uint32_t e = 0; e < w.cfg.endpoints_n; e++) {
            world_fail(&w, e);
            world_advance(&w, 500);
        }
    world_advance(&w, 10000);
    assert_float_equal(at(0), 1, 0);
    assert_float_equal(at(1), 1, 0);
    assert_said(&w, "isolated");
    assert_not_said(&w, "rule=dependency");
}

static void its_failures_cast_no_doubt_on_endpoints(void **state)
{
    (void)state;
    uint32_t web = world_endpoint(&w, 0, 2, 0);
    world_fail(&w, web);
    world_fail(&w, eu_db);
    world_fail(&w, us_db);
    world_advance(&w, 1000);
    world_fail(&w, web);
    world_advance(&w, 1000);
    world_fail(&w, web);
    world_advance(&w, 1000);
    /* The first witness is enough: no endpoint of another region has failed since. */
    world_ok(&w, world_endpoint(&w, 1, 0, 0));
    assert_int_equal(world_observed(&w, web), HEALTH_OBSERVED_DOWN);
}

static void it_returns_by_hold_and_ramp(void **state)
{
    (void)state;
    world_fall(&w, eu_db, world_endpoint(&w, 0, 2, 0));
    assert_float_equal(at(0), 0, 0);
    world_ok(&w, eu_db);
    world_ok(&w, eu_db);
    assert_said(&w, "dependency 10.9.0.1 down -> up rule=rise");
    world_advance(&w, 20000);
    assert_float_equal(at(0), 0, 0);
    world_advance(&w, 20000);
    assert_true(at(0) > 0 && at(0) < 0.5);
    world_advance(&w, 60000);
    assert_float_equal(at(0), 1, 0);
}

static void the_last_region_of_a_service_stays(void **state)
{
    (void)state;
    struct health_order down = {.state = HEALTH_DOWN, .author = "ana"};
    health_order_region(w.h, 2, &down, w.now, w.wall);
    world_fall(&w, eu_db, world_endpoint(&w, 0, 2, 0));
    assert_float_equal(at(0), 0, 0); /* us is left */
    world_fall(&w, us_db, world_endpoint(&w, 0, 2, 0));
    assert_float_equal(at(1), 1, 0);
    assert_said(&w, "last-region|hold 1.00 would=0.00 blocked-by=last-region(s0.gslb.example) "
                    "cause=\"us-db 10.9.0.2:5432 down\"");
    struct health_region_view v;
    health_region_show(w.h, 1, &v);
    assert_string_equal(v.why, "depends on us-db 10.9.0.2:5432, which is down: blocked by "
                               "last-region");
    /* Neither is better than the other: the one that left comes back. */
    world_advance(&w, 120000);
    assert_float_equal(at(0), 1, 0);
    assert_int_equal(world_count(&w, "blocked-by=last-region"), 2); /* once each */
    struct health_order up = {.state = HEALTH_AUTO, .author = "ana"};
    health_order_region(w.h, 2, &up, w.now, w.wall);
    world_advance(&w, 1000);
    assert_float_equal(at(0), 0, 0);
    assert_float_equal(at(1), 0, 0);
}

static void a_service_that_has_no_other_region_holds_none_back(void **state)
{
    (void)state;
    world_end(&w);
    world_init(&w, 2, 3, 1);
    depend(&w);
    /* The second service's sites of regions 1 and 2 become another's. */
    w.named[3] = (struct health_service){"other.gslb.example", &w.service[1]};
    w.cfg.services_n = 4;
    w.site[world_site(&w, 1, 1)].service = w.site[world_site(&w, 1, 2)].service = 3;
    world_start(&w);
    world_rounds(&w, 3, 5000);
    world_fall(&w, eu_db, world_endpoint(&w, 0, 2, 0));
    assert_float_equal(at(0), 0, 0);
}

static void what_fails_already_is_nowhere_to_go(void **state)
{
    (void)state;
    struct health_order down = {.state = HEALTH_DOWN, .author = "ana"};
    health_order_region(w.h, 2, &down, w.now, w.wall);
    world_fail(&w, us_db); /* as the shared target would */
    world_fall(&w, eu_db, world_endpoint(&w, 0, 2, 0));
    assert_float_equal(at(0), 1, 0);
    world_ok(&w, us_db); /* it was not shared */
    world_advance(&w, 1000);
    assert_float_equal(at(0), 0, 0);
}

static void one_failure_elsewhere_brings_nobody_back(void **state)
{
    (void)state;
    struct health_order down = {.state = HEALTH_DOWN, .author = "ana"};
    health_order_region(w.h, 2, &down, w.now, w.wall);
    world_fall(&w, eu_db, world_endpoint(&w, 0, 2, 0));
    world_forget_log(&w);
    world_fail(&w, us_db);
    world_advance(&w, 60000);
    assert_float_equal(at(0), 0, 0);
    assert_not_said(&w, "last-region");
    world_fall(&w, us_db, world_endpoint(&w, 0, 2, 0));
    world_advance(&w, 1000);
    assert_said(&w, "last-region|dependency blocked-by=last-region(s0.gslb.example) "
                    "cause=\"eu-db 10.9.0.1:5432 down\" effect=\"it returns\"");
}

static void it_is_kept_over_a_restart_and_a_reconfiguration(void **state)
{
    (void)state;
    world_fall(&w, eu_db, world_endpoint(&w, 0, 2, 0));
    struct health *next = NULL;
    assert_int_equal(health_create(&w.cfg, w.now, w.wall, &next), ERR_OK);
    health_adopt(next, w.h);
    health_destroy(&w.h);
    w.h = next;
    world_settle(&w);
    assert_float_equal(at(0), 0, 0);
    assert_int_equal(world_observed(&w, eu_db), HEALTH_OBSERVED_DOWN);
    world_advance(&w, 100000);
    assert_float_equal(at(0), 0, 0);
}

static struct health_saved saved[16];
static size_t saved_n;

static void keep(void *ctx, const struct health_saved *s)
{
    (void)ctx;
    saved[saved_n++] = *s;
}

static void a_restart_goes_on_from_where_it_was(void **state)
{
    (void)state;
    saved_n = 0;
    world_fall(&w, eu_db, world_endpoint(&w, 0, 2, 0));
    health_save(w.h, keep, NULL);
    health_destroy(&w.h);
    assert_int_equal(health_create(&w.cfg, w.now, w.wall, &w.h), ERR_OK);
    for (size_t i = 0; i < saved_n; i++)
        health_restore(w.h, &saved[i], w.now);
    world_settle(&w);
    assert_float_equal(at(0), 0, 0);
    world_advance(&w, 200000);
    assert_float_equal(at(0), 0, 0);
    assert_int_equal(world_observed(&w, eu_db), HEALTH_OBSERVED_DOWN);
    world_ok(&w, eu_db);
    world_ok(&w, eu_db);
    world_advance(&w, 120000);
    assert_float_equal(at(0), 1, 0);
}

static void a_number_that_is_not_a_dependency_is_refused(void **state)
{
    (void)state;
    struct health *h;
    struct health_config c = w.cfg;
    w.region[0].dependency = us_db; /* of another region */
    assert_int_equal(health_create(&c, w.now, w.wall, &h), ERR_INVALID);
    w.region[0].dependency = 1; /* an endpoint of a service */
    assert_int_equal(health_create(&c, w.now, w.wall, &h), ERR_INVALID);
    w.region[0].dependency = 99;
    assert_int_equal(health_create(&c, w.now, w.wall, &h), ERR_INVALID);
    w.region[0].dependency = eu_db;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_region_leaves_when_it_is_down_and_a_witness_answers),
        T(without_a_witness_the_prober_is_isolated),
        T(its_failures_cast_no_doubt_on_endpoints),
        T(it_returns_by_hold_and_ramp),
        T(the_last_region_of_a_service_stays),
        T(a_service_that_has_no_other_region_holds_none_back),
        T(what_fails_already_is_nowhere_to_go),
        T(one_failure_elsewhere_brings_nobody_back),
        T(it_is_kept_over_a_restart_and_a_reconfiguration),
        T(a_restart_goes_on_from_where_it_was),
        T(a_number_that_is_not_a_dependency_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
