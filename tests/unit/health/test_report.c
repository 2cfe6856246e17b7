/* Reports of a region's own load balancer: a source beside the probes. */
#include "world.h"

#include <stdio.h>
#include <string.h>

static struct world w;

static enum err report(uint32_t region, uint32_t site, uint32_t endpoint, const char *source,
                       uint64_t ok, uint64_t errors)
{
    struct health_report r = {.region = region,
                              .site = site,
                              .endpoint = endpoint,
                              .source = source,
                              .ok = ok,
                              .errors = errors,
                              .covered_ms = 10000,
                              .now_ms = w.now,
                              .wall_ms = w.wall};
    enum err e = health_report(w.h, &r);
    world_settle(&w);
    return e;
}

static void site_report(uint32_t region, const char *source, uint64_t ok, uint64_t errors)
{
    assert_int_equal(report(region, world_site(&w, 0, region), HEALTH_NONE, source, ok, errors),
                     ERR_OK);
}

static void region_report(uint32_t region, uint64_t ok, uint64_t errors)
{
    assert_int_equal(report(region, HEALTH_NONE, HEALTH_NONE, "haproxy", ok, errors), ERR_OK);
}

static enum err load_report(uint32_t region, const char *source, double utilisation)
{
    struct health_report r = {.region = region,
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

static void begin(uint32_t services, uint32_t regions, uint32_t per_site)
{
    world_init(&w, services, regions, per_site);
    w.cfg.load_high = 0.9;
    w.cfg.load_low = 0.7;
}

static void go(void)
{
    world_start(&w);
    world_rounds(&w, 15, 5000);
    world_forget_log(&w);
}

static void end(void)
{
    world_end(&w);
}

static double avail_of(uint32_t word)
{
    return avail_to_double(word & HEALTH_WORD_AVAIL);
}

static void reports_move_a_site_while_its_probes_are_green(void **state)
{
    (void)state;
    begin(1, 2, 1);
    go();
    site_report(0, "haproxy", 3500, 1500);
    /* 30 %, at least 28.7 %: (0.5 - 0.287) / 0.45 */
    assert_float_equal(avail_of(health_site_word(w.h, 0)), 0.4726, 0.005);
    assert_said(&w, "availability 1.00 -> 0.47 rule=degrade cause=\"error rate 30.0%, at least "
                    "28.7%\" window=100s n=1500/5000 source=haproxy");
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_string_equal(v.why, "error rate 30.0%, reported by haproxy");
    assert_int_equal(v.observed, HEALTH_OBSERVED_DEGRADED);
    assert_float_equal(v.error_rate, 0.30, 1e-9);
    end();
}

static void one_of_three_is_not_a_third(void **state)
{
    (void)state;
    begin(1, 2, 1);
    go();
    site_report(0, "haproxy", 2, 1);
    assert_avail(health_site_word(w.h, 0), 1);
    site_report(0, "haproxy", 4, 2); /* 9 samples in all: one short */
    assert_avail(health_site_word(w.h, 0), 1);
    site_report(0, "haproxy", 1, 0); /* 3 of 10: at least 10.8 % */
    assert_float_equal(avail_of(health_site_word(w.h, 0)), 0.871, 0.005);
    end();
}

static void probe_samples_do_not_dilute_reports_nor_the_other_way_round(void **state)
{
    (void)state;
    begin(1, 2, 1);
    go();
    for (int i = 0; i < 6; i++) {
        site_report(0, "haproxy", 100000, 0); /* all good */
        world_fail(&w, 0);
        world_ok(&w, 0);
        world_ok(&w, 1);
        world_advance(&w, 3000);
    }
    assert_true(world_avail_site(&w, 0) < AVAIL_FULL); /* probes have failed one of two */
    assert_not_said(&w, "rule=degrade cause=\"error rate 0");
    assert_not_said(&w, "n=6/600");
    end();
}

static void each_source_is_judged_alone_and_the_worst_rules(void **state)
{
    (void)state;
    begin(1, 2, 1);
    go();
    site_report(0, "haproxy", 900000, 100);
    site_report(0, "nginx", 700, 300);
    assert_float_equal(avail_of(health_site_word(w.h, 0)), 0.506, 0.01);
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_string_equal(v.why, "error rate 30.0%, reported by nginx");
    end();
}

static void reports_under_one_name_add_up(void **state)
{
    (void)state;
    begin(1, 2, 1);
    go();
    site_report(0, "lb", 5000, 0);
    site_report(0, "lb", 0, 5000);
    struct health_site_view v;
    health_site_show(w.h, 0, &v);
    assert_float_equal(v.error_rate, 0.5, 1e-9);
    assert_int_equal(v.samples, 10000);
    end();
}

static void stale_reports_are_ignored_and_say_so_once(void **state)
{
    (void)state;
    begin(1, 2, 1);
    go();
    site_report(0, "haproxy", 0, 5000);
    assert_avail(health_site_word(w.h, 0), 0);
    world_advance(&w, 99000);
    assert_avail(health_site_word(w.h, 0), 0);
    assert_not_said(&w, "stale");
    world_advance(&w, 2000);
    assert_said(&w, "reports stale source=haproxy cause=\"last one 1m40s ago, n=5000 in the "
                    "window\" effect=\"not judged any more\"");
    assert_avail(health_site_word(w.h, 0), 0.10); /* by hold and ramp */
    world_advance(&w, 120000);
    assert_avail(health_site_word(w.h, 0), 1);
    assert_int_equal(world_count(&w, "stale"), 1);
    end();
}

static void seldom_reports_stay_fresh_for_three_of_their_times(void **state)
{
    (void)state;
    begin(1, 2, 1);
    go();
    struct health_report r = {.region = 0,
                              .site = 0,
                              .endpoint = HEALTH_NONE,
                              .source = "cron",
                              .errors = 100,
                              .covered_ms = 300000,
                              .now_ms = w.now,
                              .wall_ms = w.wall};
    assert_int_equal(health_report(w.h, &r), ERR_OK);
    world_advance(&w, 899000);
    assert_avail(health_site_word(w.h, 0), 0);
    world_advance(&w, 2000);
    assert_avail(health_site_word(w.h, 0), 0.10);
    end();
}

static void an_emptied_region_tries_again_although_it_reports_nothing_good(void **state)
{
    (void)state;
    begin(1, 2, 1);
    go();
    site_report(0, "haproxy", 0, 5000);
    int tries = 0;
    bool was_out = true;
    for (int i = 0; i < 120; i++) { /* as many requests as it is given, all of them fail */
        world_advance(&w, 10000);
        bool out = world_avail_site(&w, 0) == 0;
        tries += was_out && !out;
        was_out = out;
        site_report(0, "haproxy", 0, out ? 0 : 500);
    }
    assert_in_range(tries, 2, 8); /* held longer each time */
    assert_true(world_count(&w, "flaps=") > 0);
    end();
}

static void reports_alone_never_take_the_last_region(void **state)
{
    (void)state;
    begin(1, 3, 1);
    go();
    for (int i = 0; i < 10; i++) {
        for (uint32_t r = 0; r < 3; r++)
            site_report(r, "liar", 0, 1000);
        world_advance(&w, 10000);
    }
    uint32_t left = 0;
    for (uint32_t r = 0; r < 3; r++)
        left += world_avail_site(&w, world_site(&w, 0, r)) > 0;
    assert_int_equal(left, 1);
    assert_said(&w, "would=0.00 blocked-by=min-regions(1)");
    end();
}

static void min_capacity_binds_reports_of_every_level(void **state)
{
    (void)state;
    for (int level = 0; level < 3; level++) {
        begin(1, 2, 2);
        w.service[0].min_capacity = 0.8;
        go();
        uint32_t site = level < 2 ? world_site(&w, 0, 0) : HEALTH_NONE;
        uint32_t endpoint = level < 1 ? world_endpoint(&w, 0, 0, 0) : HEALTH_NONE;
        assert_int_equal(report(0, site, endpoint, "haproxy", 0, 1000), ERR_OK);
        double sum = 0;
        for (uint32_t i = 0; i < 4; i++) {
            struct health_endpoint_view v;
            health_endpoint_show(w.h, i, &v);
            sum += avail_to_double(v.effective);
        }
        assert_float_equal(sum, 0.8 * 4, 0.001);
        assert_said(&w, "would=0.00 blocked-by=min-capacity(80%)");
        end();
    }
}

static void a_fall_of_its_probes_reaches_0_whatever_is_reported(void **state)
{
    (void)state;
    begin(1, 2, 1);
    w.service[0].min_capacity = 0.9;
    go();
    site_report(0, "haproxy", 0, 1000);
    assert_true(world_avail_site(&w, 0) > 0);
    world_fall(&w, 0, 1);
    assert_avail(health_site_word(w.h, 0), 0);
    end();
}

static void an_endpoint_is_reported_of_by_itself(void **state)
{
    (void)state;
    begin(1, 2, 2);
    go();
    assert_int_equal(report(0, 0, 1, "haproxy", 700, 300), ERR_OK);
    assert_true(world_avail_endpoint(&w, 1) < AVAIL_FULL && world_avail_endpoint(&w, 1) > 0);
    assert_int_equal(world_avail_endpoint(&w, 0), AVAIL_FULL);
    assert_int_equal(world_avail_site(&w, 0), AVAIL_FULL);
    struct health_endpoint_view v;
    health_endpoint_show(w.h, 1, &v);
    assert_string_equal(v.why, "error rate 30.0%, reported by haproxy");
    assert_int_equal(v.observed, HEALTH_OBSERVED_DEGRADED);
    assert_said(&w, "10.0.0.1 availability 1.00 -> 0.51 rule=degrade");
    end();
}

static void what_has_no_probe_is_judged_by_reports(void **state)
{
    (void)state;
    begin(1, 2, 2);
    for (uint32_t i = 0; i < 4; i++)
        w.probe_of[i] = 0;
    world_start(&w);
    site_report(0, "haproxy", 700, 300);
    assert_true(world_avail_site(&w, 0) < AVAIL_FULL);
    assert_int_equal(report(1, 1, 2, "haproxy", 0, 300), ERR_OK);
    assert_int_equal(world_avail_endpoint(&w, 2), 0);
    struct health_endpoint_view v;
    health_endpoint_show(w.h, 3, &v);
    assert_int_equal(v.observed, HEALTH_OBSERVED_UP);
    health_endpoint_show(w.h, 2, &v);
    assert_int_equal(v.observed, HEALTH_OBSERVED_DOWN);
    world_advance(&w, 300000); /* stale, and back */
    assert_int_equal(world_avail_endpoint(&w, 2), AVAIL_FULL);
    assert_int_equal(world_avail_site(&w, 0), AVAIL_FULL);
    world_advance(&w, 4000000); /* and forgotten */
    end();
}

static void region_reports_move_the_whole_region_for_all_its_services(void **state)
{
    (void)state;
    begin(3, 2, 1);
    go();
    region_report(0, 700, 300);
    assert_float_equal(avail_of(health_region_word(w.h, 0)), 0.506, 0.01);
    assert_said(&w, "availability 1.00 -> 0.51 rule=degrade");
    region_report(0, 0, 100000);
    assert_int_equal(world_avail_region(&w, 0), 0);
    struct health_region_view v;
    health_region_show(w.h, 0, &v);
    assert_string_equal(v.why, "error rate 99.3%, reported by haproxy");
    assert_int_equal(v.observed, HEALTH_OBSERVED_DOWN);
    assert_int_equal(v.outages.falls, 1);
    end();
}

static void a_service_that_has_only_this_region_keeps_the_region_from_0(void **state)
{
    (void)state;
    begin(2, 2, 1);
    go();
    struct health_order down = {.state = HEALTH_DOWN, .author = "ana", .reason = "x"};
    health_order_endpoint(w.h, world_endpoint(&w, 1, 1, 0), &down, w.now, w.wall);
    region_report(0, 0, 1000);
    assert_avail(health_region_word(w.h, 0), 0.05);
    assert_said(&w, "would=0.00 blocked-by=min-regions(1) service=s1.gslb.example");
    struct health_region_view v;
    health_region_show(w.h, 0, &v);
    assert_string_equal(v.why, "error rate 100.0%, reported by haproxy, would be 0.00, blocked by "
                               "min-regions");
    end();
}

static void a_persons_word_stands_above_reports(void **state)
{
    (void)state;
    begin(1, 2, 1);
    go();
    struct health_order up = {.state = HEALTH_UP, .author = "ana", .reason = "x"};
    health_order_region(w.h, 0, &up, w.now, w.wall);
    region_report(0, 0, 1000);
    site_report(0, "haproxy", 0, 1000);
    assert_int_equal(world_avail_region(&w, 0), AVAIL_FULL);
    assert_int_equal(world_avail_site(&w, 0), AVAIL_FULL);
    end();
}

static void what_is_out_of_bounds_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    begin(1, 2, 2);
    go();
    const struct health_report good = {.region = 0,
                                       .site = 0,
                                       .endpoint = 0,
                                       .source = "haproxy",
                                       .errors = 1000,
                                       .now_ms = w.now,
                                       .wall_ms = w.wall};
    struct health_report bad[11];
    for (size_t i = 0; i < 11; i++)
        bad[i] = good;
    bad[0].region = 2;
    bad[1].site = 99;
    bad[2].endpoint = 99;
    bad[3].region = 1;   /* the site is in another */
    bad[4].endpoint = 2; /* of another site */
    bad[5].errors = HEALTH_REPORT_COUNT_MAX + 1;
    bad[6].ok = UINT64_MAX;
    bad[7].covered_ms = -1;
    bad[8].source = "";
    bad[9].source = "0123456789012345678901234567890123456789";
    bad[10].has_load = true; /* load is a region's */
    for (size_t i = 0; i < 11; i++)
        assert_int_equal(health_report(w.h, &bad[i]), ERR_INVALID);
    struct health_report load = good;
    load.site = load.endpoint = HEALTH_NONE;
    load.has_load = true;
    load.utilisation = -0.1;
    assert_int_equal(health_report(w.h, &load), ERR_INVALID);
    load.utilisation = 1.0 / 0.0;
    assert_int_equal(health_report(w.h, &load), ERR_INVALID);
    load.utilisation = 0.0 / 0.0;
    assert_int_equal(health_report(w.h, &load), ERR_INVALID);
    world_settle(&w);
    assert_int_equal(world_avail_endpoint(&w, 0), AVAIL_FULL);
    assert_int_equal(w.log_n, 0);
    end();
}

static void so_many_reporters_and_the_next_takes_the_place_of_a_stale_one(void **state)
{
    (void)state;
    begin(1, 2, 1);
    go();
    char name[24];
    for (int i = 0; i < HEALTH_SOURCES_PER_ITEM; i++) {
        snprintf(name, sizeof name, "lb-%d", i);
        site_report(0, name, 1000, 0);
    }
    assert_int_equal(report(0, 0, HEALTH_NONE, "one-more", 1000, 0), ERR_LIMIT);
    world_advance(&w, 50000);
    for (int i = 1; i < HEALTH_SOURCES_PER_ITEM; i++) {
        snprintf(name, sizeof name, "lb-%d", i);
        site_report(0, name, 1000, 0);
    }
    world_advance(&w, 60000);
    site_report(0, "one-more", 0, 1000); /* lb-0 is stale */
    assert_avail(health_site_word(w.h, 0), 0);
    end();
}

static void everything_goes_over_to_a_new_configuration(void **state)
{
    (void)state;
    begin(2, 2, 2);
    for (uint32_t i = 4; i < 8; i++)
        w.probe_of[i] = 0;
    w.region[0].capacity = 1000;
    go();
    site_report(0, "haproxy", 700, 300);
    assert_int_equal(report(1, 3, 6, "haproxy", 700, 300), ERR_OK);
    assert_int_equal(load_report(0, "haproxy", 1.2), ERR_OK);
    struct health *old = w.h;
    assert_int_equal(health_create(&w.cfg, w.now, w.wall, &w.h), ERR_OK);
    health_adopt(w.h, old);
    world_settle(&w);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(health_endpoint_word(w.h, i), health_endpoint_word(old, i));
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(health_site_word(w.h, i), health_site_word(old, i));
    assert_int_equal(health_region_word(w.h, 0), health_region_word(old, 0));
    assert_true(world_avail_region(&w, 0) < AVAIL_FULL);
    health_destroy(&old);
    world_advance(&w, 20000); /* and is judged on */
    assert_true(world_avail_site(&w, 0) < AVAIL_FULL);
    struct health_source_view v;
    assert_true(health_source_show(
        w.h, &(struct health_report){.region = 0, .site = 0, .endpoint = HEALTH_NONE}, 0, &v));
    assert_string_equal(v.source, "haproxy");
    assert_int_equal(v.samples, 1000);
    assert_true(v.last_samples == 1000 && v.last_failures == 300);
    assert_true(v.fresh);
    end();
}

static void keep_rows(void *ctx, const struct health_saved *s)
{
    health_restore(ctx, s, w.now);
}

static void a_restart_serves_what_was_reported_last_until_reports_come(void **state)
{
    (void)state;
    begin(1, 2, 1);
    w.probe_of[0] = w.probe_of[1] = 0;
    world_start(&w);
    site_report(0, "haproxy", 700, 300);
    uint32_t had = world_avail_site(&w, 0);
    struct health *fresh = NULL;
    assert_int_equal(health_create(&w.cfg, w.now, w.wall, &fresh), ERR_OK);
    health_save(w.h, keep_rows, fresh);
    health_destroy(&w.h);
    w.h = fresh;
    world_settle(&w);
    assert_int_equal(world_avail_site(&w, 0), had);
    world_advance(&w, 50000);
    assert_int_equal(world_avail_site(&w, 0), had);
    world_advance(&w, 120000);
    assert_int_equal(world_avail_site(&w, 0), AVAIL_FULL);
    end();
}

static void a_region_emptied_by_reports_stays_empty_for_a_minute_after_a_restart(void **state)
{
    (void)state;
    begin(2, 2, 1);
    go();
    region_report(0, 0, 1000);
    world_advance(&w, 50000); /* the hold is over */
    struct health *fresh = NULL;
    assert_int_equal(health_create(&w.cfg, w.now, w.wall, &fresh), ERR_OK);
    health_save(w.h, keep_rows, fresh);
    health_destroy(&w.h);
    w.h = fresh;
    world_settle(&w);
    world_advance(&w, 59000);
    assert_int_equal(world_avail_region(&w, 0), 0);
    world_advance(&w, 1000);
    assert_avail(health_region_word(w.h, 0), 0.10);
    end();
}

/* ------------------------------------------------------------------------------------------ load */

static void load_above_the_high_mark_sheds_towards_the_middle(void **state)
{
    (void)state;
    begin(1, 2, 1);
    w.region[0].capacity = 40000;
    go();
    assert_int_equal(load_report(0, "haproxy", 0.9), ERR_OK);
    assert_int_equal(world_avail_region(&w, 0), AVAIL_FULL);
    assert_int_equal(load_report(0, "haproxy", 1.0), ERR_OK);
    assert_avail(health_region_word(w.h, 0), 0.80);
    assert_said(&w, "availability 1.00 -> 0.80 rule=load cause=\"utilisation 100.0% of 40000, "
                    "above 90%\" source=haproxy");
    struct health_region_view v;
    health_region_show(w.h, 0, &v);
    assert_string_equal(v.why, "utilisation 100%, reported by haproxy");
    end();
}

static void load_that_has_been_told_to_go_is_not_shed_again_before_the_hold(void **state)
{
    (void)state;
    begin(1, 2, 1);
    w.region[0].capacity = 40000;
    go();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(load_report(0, "haproxy", 1.0), ERR_OK);
        assert_avail(health_region_word(w.h, 0), 0.80);
        world_advance(&w, 9000);
    }
    world_advance(&w, 3000);
    assert_int_equal(load_report(0, "haproxy", 1.0), ERR_OK);
    assert_avail(health_region_word(w.h, 0), 0.64);
    end();
}

static void load_between_the_marks_changes_nothing_and_below_the_low_one_returns(void **state)
{
    (void)state;
    begin(1, 2, 1);
    w.region[0].capacity = 40000;
    go();
    assert_int_equal(load_report(0, "haproxy", 1.6), ERR_OK);
    assert_avail(health_region_word(w.h, 0), 0.50);
    for (int i = 0; i < 12; i++) {
        world_advance(&w, 10000);
        assert_int_equal(load_report(0, "haproxy", 0.75), ERR_OK);
    }
    assert_avail(health_region_word(w.h, 0), 0.50);
    for (int i = 0; i < 12; i++) {
        world_advance(&w, 10000);
        assert_int_equal(load_report(0, "haproxy", 0.5), ERR_OK);
    }
    assert_avail(health_region_word(w.h, 0), 1);
    end();
}

/* Clients arrive within a TTL of 30 s, and the load is theirs: the engine finds a level. */
static void load_that_follows_settles_without_swinging(void **state)
{
    (void)state;
    for (int demand = 8; demand <= 30; demand += 2) {
        begin(1, 2, 1);
        w.region[0].capacity = 1000;
        go();
        double share = 1;
        int downs = 0, ups = 0;
        uint32_t was = AVAIL_FULL;
        double load = 0;
        for (int i = 0; i < 360; i++) {
            double avail = avail_of(health_region_word(w.h, 0));
            share += (avail - share) / 3;
            load = share * demand / 10;
            assert_int_equal(load_report(0, "haproxy", load), ERR_OK);
            world_advance(&w, 10000);
            uint32_t is = world_avail_region(&w, 0);
            downs += is < was;
            ups += is > was && i > 60;
            was = is;
        }
        if (demand > 9)
            assert_true(load <= 0.9001 && load > 0.55);
        assert_true(downs <= 6);
        assert_int_equal(ups, 0);
        end();
    }
}

static void without_a_capacity_load_moves_nothing(void **state)
{
    (void)state;
    begin(1, 2, 1);
    go();
    assert_int_equal(load_report(0, "haproxy", 5), ERR_OK);
    assert_int_equal(world_avail_region(&w, 0), AVAIL_FULL);
    end();
}

static void load_never_takes_the_last_tenth(void **state)
{
    (void)state;
    begin(1, 2, 1);
    w.region[0].capacity = 10;
    go();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(load_report(0, "haproxy", 50), ERR_OK);
        world_advance(&w, 31000);
    }
    assert_avail(health_region_word(w.h, 0), 0.10);
    end();
}

static void stale_load_is_ignored(void **state)
{
    (void)state;
    begin(1, 2, 1);
    w.region[0].capacity = 40000;
    go();
    assert_int_equal(load_report(0, "haproxy", 1.6), ERR_OK);
    world_advance(&w, 59000);
    assert_avail(health_region_word(w.h, 0), 0.50);
    world_advance(&w, 70000);
    assert_avail(health_region_word(w.h, 0), 1);
    end();
}

static void min_capacity_binds_load(void **state)
{
    (void)state;
    begin(1, 2, 1);
    w.region[0].capacity = 40000;
    w.service[0].min_capacity = 0.9;
    go();
    assert_int_equal(load_report(0, "haproxy", 1.6), ERR_OK);
    assert_avail(health_region_word(w.h, 0), 0.80);
    assert_said(&w, "hold 0.80 would=0.50 blocked-by=min-capacity(90%) service=s0.gslb.example");
    end();
}

static void what_was_held_back_is_not_shed_later_when_the_load_is_gone(void **state)
{
    (void)state;
    begin(1, 3, 1);
    w.region[0].capacity = 40000;
    w.service[0].min_capacity = 0.6;
    go();
    struct health_order down = {.state = HEALTH_DOWN, .author = "ana", .reason = "x"};
    health_order_region(w.h, 1, &down, w.now, w.wall);
    assert_int_equal(load_report(0, "haproxy", 1.6), ERR_OK);
    assert_avail(health_region_word(w.h, 0), 0.80);
    world_advance(&w, 10000);
    assert_int_equal(load_report(0, "haproxy", 0.8), ERR_OK);
    down.state = HEALTH_AUTO;
    health_order_region(w.h, 1, &down, w.now, w.wall);
    world_advance(&w, 10000);
    assert_int_equal(load_report(0, "haproxy", 0.8), ERR_OK);
    assert_avail(health_region_word(w.h, 0), 0.80);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_move_a_site_while_its_probes_are_green),
        cmocka_unit_test(one_of_three_is_not_a_third),
        cmocka_unit_test(probe_samples_do_not_dilute_reports_nor_the_other_way_round),
        cmocka_unit_test(each_source_is_judged_alone_and_the_worst_rules),
        cmocka_unit_test(reports_under_one_name_add_up),
        cmocka_unit_test(stale_reports_are_ignored_and_say_so_once),
        cmocka_unit_test(seldom_reports_stay_fresh_for_three_of_their_times),
        cmocka_unit_test(an_emptied_region_tries_again_although_it_reports_nothing_good),
        cmocka_unit_test(reports_alone_never_take_the_last_region),
        cmocka_unit_test(min_capacity_binds_reports_of_every_level),
        cmocka_unit_test(a_fall_of_its_probes_reaches_0_whatever_is_reported),
        cmocka_unit_test(an_endpoint_is_reported_of_by_itself),
        cmocka_unit_test(what_has_no_probe_is_judged_by_reports),
        cmocka_unit_test(region_reports_move_the_whole_region_for_all_its_services),
        cmocka_unit_test(a_service_that_has_only_this_region_keeps_the_region_from_0),
        cmocka_unit_test(a_persons_word_stands_above_reports),
        cmocka_unit_test(what_is_out_of_bounds_is_refused_and_changes_nothing),
        cmocka_unit_test(so_many_reporters_and_the_next_takes_the_place_of_a_stale_one),
        cmocka_unit_test(everything_goes_over_to_a_new_configuration),
        cmocka_unit_test(a_restart_serves_what_was_reported_last_until_reports_come),
        cmocka_unit_test(a_region_emptied_by_reports_stays_empty_for_a_minute_after_a_restart),
        cmocka_unit_test(load_above_the_high_mark_sheds_towards_the_middle),
        cmocka_unit_test(load_that_has_been_told_to_go_is_not_shed_again_before_the_hold),
        cmocka_unit_test(load_between_the_marks_changes_nothing_and_below_the_low_one_returns),
        cmocka_unit_test(load_that_follows_settles_without_swinging),
        cmocka_unit_test(without_a_capacity_load_moves_nothing),
        cmocka_unit_test(load_never_takes_the_last_tenth),
        cmocka_unit_test(stale_load_is_ignored),
        cmocka_unit_test(min_capacity_binds_load),
        cmocka_unit_test(what_was_held_back_is_not_shed_later_when_the_load_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
