/* Large configurations: what a sample costs must not depend on them. No times are asserted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "health/engine.h"

#include <stdio.h>
#include <stdlib.h>

#define SERVICES 100000u
#define REGIONS 6u
#define ENDPOINTS (SERVICES * REGIONS)

static struct health_config big;
static const struct health_probe_config web = {
    .name = "web", .port = 80, .interval_ms = 5000, .timeout_ms = 2000, .fall = 3, .rise = 2};
static struct health_endpoint_config *endpoint;
static uint32_t *probe_of;

static int setup(void **state)
{
    (void)state;
    struct health_site_config *site = calloc(ENDPOINTS + 1, sizeof *site);
    static const struct health_service_config alike = {.ttl_s = 30,
                                                       .degrade = 0.05,
                                                       .fail = 0.5,
                                                       .ramp_ms = 60000,
                                                       .panic = 0.5,
                                                       .min_regions = 1};
    struct health_service *service = calloc(SERVICES + 1, sizeof *service);
    struct health_region_config *region = calloc(REGIONS, sizeof *region);
    char(*text)[16] = calloc(SERVICES + REGIONS, sizeof *text);
    endpoint = calloc(ENDPOINTS + 1, sizeof *endpoint);
    probe_of = calloc(ENDPOINTS + 1, sizeof *probe_of);
    assert_true(site && service && region && text && endpoint && probe_of);
    for (uint32_t r = 0; r < REGIONS; r++) {
        sprintf(text[SERVICES + r], "r%u", r);
        region[r].name = text[SERVICES + r];
    }
    for (uint32_t s = 0; s < SERVICES; s++) {
        sprintf(text[s], "s%u", s);
        service[s] = (struct health_service){text[s], &alike};
    }
    for (uint32_t i = 0; i < ENDPOINTS; i++) {
        site[i] = (struct health_site_config){.service = i / REGIONS,
                                              .region = (uint8_t)(i % REGIONS),
                                              .endpoint_first = i,
                                              .endpoint_n = 1};
        endpoint[i] =
            (struct health_endpoint_config){.address = "192.0.2.1", .site = i, .weight = 1};
    }
    big = (struct health_config){.endpoint = endpoint,
                                 .site = site,
                                 .service = service,
                                 .region = region,
                                 .probe = &web,
                                 .probe_of = probe_of,
                                 .probes_n = 1,
                                 .endpoints_n = ENDPOINTS,
                                 .sites_n = ENDPOINTS,
                                 .services_n = SERVICES,
                                 .regions_n = REGIONS,
                                 .dead_band = 0.05,
                                 .samples_min = 10};
    return 0;
}

static void probe_first(uint32_t n)
{
    for (uint32_t i = 0; i < ENDPOINTS; i++)
        probe_of[i] = i < n;
}

static void sample(struct health *h, uint32_t e, bool ok, int64_t now)
{
    struct health_sample s = {
        .endpoint = e, .ok = ok, .started_ms = now, .now_ms = now, .text = "x"};
    health_sample(h, &s);
}

static void drain(struct health *h)
{
    static struct health_event ev[256];
    struct health_action a[64];
    while (health_take_events(h, ev, 256) == 256)
        ;
    while (health_take_actions(h, a, 64) == 64)
        ;
}

static void a_hundred_thousand_services_without_probes_cost_little(void **state)
{
    (void)state;
    struct health *h;
    probe_first(0);
    int64_t t0 = clock_mono_ms();
    assert_int_equal(health_create(&big, 0, 0, &h), ERR_OK);
    print_message("create, 600000 endpoints, none probed: %lld ms\n",
                  (long long)(clock_mono_ms() - t0));
    assert_int_equal(health_endpoint_word(h, ENDPOINTS - 1), AVAIL_FULL);
    assert_int_equal(health_due(h), INT64_MAX);
    health_destroy(&h);
}

static void a_hundred_thousand_probed_endpoints_fall_rise_and_are_adopted(void **state)
{
    (void)state;
    struct health *h, *next;
    const uint32_t n = 100000;
    probe_first(n);
    assert_int_equal(health_create(&big, 0, 0, &h), ERR_OK);
    int64_t now = 1000, t0 = clock_mono_ms(), samples = 0;
    for (int round = 0; round < 5; round++, now += 5000)
        for (uint32_t i = 0; i < n; i++, samples++) {
            sample(h, i, round < 2 || i % REGIONS != 0, now + i / 100);
            drain(h);
        }
    print_message("%lld samples: %lld ms\n", (long long)samples, (long long)(clock_mono_ms() - t0));
    assert_int_equal(health_endpoint_word(h, 0), 0);
    assert_int_equal(health_endpoint_word(h, 1), AVAIL_FULL);
    assert_int_equal(health_region_word(h, 0), 0);
    assert_null(health_check_state(h));
    t0 = clock_mono_ms();
    assert_int_equal(health_create(&big, now, 0, &next), ERR_OK);
    int64_t t1 = clock_mono_ms();
    health_adopt(next, h);
    print_message("create %lld ms, adopt %lld ms\n", (long long)(t1 - t0),
                  (long long)(clock_mono_ms() - t1));
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(health_endpoint_word(next, i), health_endpoint_word(h, i));
    assert_null(health_check_state(next));
    health_destroy(&h);
    health_destroy(&next);
}

/* A region's gradual move asks the safety rules of every service in it. */
static void a_report_of_a_region_with_a_hundred_thousand_services_asks_them_all(void **state)
{
    (void)state;
    struct health *h;
    probe_first(0);
    assert_int_equal(health_create(&big, 0, 0, &h), ERR_OK);
    struct health_report r = {.region = 0,
                              .site = HEALTH_NONE,
                              .endpoint = HEALTH_NONE,
                              .source = "haproxy",
                              .errors = 1000,
                              .now_ms = 1000};
    int64_t t0 = clock_mono_ms();
    for (r.region = 0; r.region < REGIONS; r.region++) {
        assert_int_equal(health_report(h, &r), ERR_OK);
        drain(h);
    }
    print_message("%u reports: %lld ms\n", REGIONS, (long long)(clock_mono_ms() - t0));
    for (uint32_t i = 0; i < REGIONS; i++)
        assert_true(health_region_word(h, i) == 0 || i == REGIONS - 1);
    assert_true(health_region_word(h, REGIONS - 1) > 0);
    assert_null(health_check_state(h));
    health_destroy(&h);
}

/* A region dies with what it depends on: its hundred thousand services are not asked by each other
 * whether another region is left. */
static void a_dependency_of_a_hundred_thousand_services_is_looked_at_once(void **state)
{
    (void)state;
    struct health *h;
    struct health_config c = big;
    const uint32_t n = 100000;
    struct health_region_config region[REGIONS];
    for (uint32_t i = 0; i < REGIONS; i++)
        region[i] = big.region[i];
    region[0].dependency = ENDPOINTS;
    static const struct health_service_config none = {
        .ttl_s = 1, .fail = 1, .ramp_ms = 1000, .dependencies = true};
    ((struct health_service *)big.service)[SERVICES] =
        (struct health_service){"(dependency)", &none};
    ((struct health_site_config *)big.site)[ENDPOINTS] = (struct health_site_config){
        .service = SERVICES, .endpoint_first = ENDPOINTS, .endpoint_n = 1};
    endpoint[ENDPOINTS] =
        (struct health_endpoint_config){.address = "192.0.2.9", .site = ENDPOINTS, .weight = 1};
    probe_of[ENDPOINTS] = 1;
    c.endpoints_n = c.sites_n = ENDPOINTS + 1;
    c.services_n = SERVICES + 1;
    c.region = region;
    probe_first(n);
    assert_int_equal(health_create(&c, 0, 0, &h), ERR_OK);
    int64_t now = 1000, t0 = clock_mono_ms();
    for (int round = 0; round < 6; round++, now += 5000)
        for (uint32_t i = 0; i < n; i++) {
            if (i == 0)
                sample(h, ENDPOINTS, round < 2, now);
            sample(h, i, round < 2 || i % REGIONS != 0, now + i / 100);
            drain(h);
        }
    print_message("with a dependency: %lld ms\n", (long long)(clock_mono_ms() - t0));
    assert_int_equal(health_region_word(h, 0), 0);
    assert_int_equal(health_region_word(h, 1), AVAIL_FULL);
    assert_null(health_check_state(h));
    health_destroy(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_services_without_probes_cost_little),
        cmocka_unit_test(a_hundred_thousand_probed_endpoints_fall_rise_and_are_adopted),
        cmocka_unit_test(a_report_of_a_region_with_a_hundred_thousand_services_asks_them_all),
        cmocka_unit_test(a_dependency_of_a_hundred_thousand_services_is_looked_at_once),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
