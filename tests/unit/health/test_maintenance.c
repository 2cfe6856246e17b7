/* Maintenance windows: by the wall clock, done by `from`, beside a person's word. */
#include "world.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world w; /* two services, two regions, one endpoint each: TTL 30, moving TTL 15 */
static int64_t zero;   /* wall clock at the start */
static struct health_maintenance window[3];
static size_t windows;

static int setup(void **state)
{
    (void)state;
    world_init(&w, 2, 2, 1);
    world_start(&w);
    world_rounds(&w, 2, 5000);
    world_forget_log(&w);
    zero = w.wall;
    windows = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_end(&w);
    return 0;
}

/* Minutes after the start. */
static struct health_maintenance *plan(double from, double until)
{
    struct health_maintenance *m = &window[windows++];
    *m = (struct health_maintenance){.id = 6 + (uint32_t)windows,
                                     .state = HEALTH_DRAIN,
                                     .created_wall_ms = w.wall,
                                     .from_wall_ms = zero + (int64_t)(from * 60000),
                                     .until_wall_ms = zero + (int64_t)(until * 60000),
                                     .author = "ana",
                                     .reason = "db move"};
    return m;
}

static void look(void)
{
    for (size_t i = 0; i < windows; i++) {
        health_maintenance_look(w.h, 0, &window[i], w.now, w.wall);
        world_settle(&w);
        if (health_maintenance_look(w.h, 0, &window[i], w.now, w.wall))
            fail_msg("a second look at window %u changed something", window[i].id);
    }
}

/* As a keeper would: a look each half second. */
static void pass_until(double minute)
{
    int64_t to = zero + (int64_t)(minute * 60000);
    look();
    while (w.wall < to) {
        world_advance(&w, to - w.wall < 500 ? to - w.wall : 500);
        look();
    }
}

static void person(enum health_override state, int64_t over_ms, int64_t until)
{
    struct health_order o = {
        .state = state, .over_ms = over_ms, .until_wall_ms = until, .author = "bob"};
    health_order_region(w.h, 0, &o, w.now, w.wall);
    world_settle(&w);
}

static double avail(void)
{
    return avail_to_double(world_avail_region(&w, 0));
}

static const char *why(void)
{
    static struct health_region_view v;
    health_region_show(w.h, 0, &v);
    return v.why;
}

static uint32_t ttl(void)
{
    return health_service_ttl_s(w.h, 0);
}

static void a_drain_is_done_and_its_clients_gone_when_the_window_begins(void **state)
{
    (void)state;
    plan(20, 30)->over_ms = 600000;
    struct health_maintenance_times t = health_maintenance_times(w.h, 0, &window[0]);
    assert_int_equal(t.start_ms - zero, 1200000 - 600000 - 15000); /* moving TTL before `from` */
    assert_int_equal(t.start_ms - t.notice_ms, 30000);             /* a full TTL before that */
    pass_until(9.2);
    assert_int_equal(ttl(), 30);
    assert_not_said(&w, "maintenance");
    pass_until(9.26);
    assert_int_equal(ttl(), 15);
    assert_float_equal(avail(), 1, 0);
    assert_said(&w, "maintenance|state auto -> drain rule=maintenance keep=0.00 over=10m from=");
    assert_said(&w, "author=ana reason=\"db move\" maintenance=7");
    pass_until(14.75);
    assert_float_equal(avail(), 0.5, 0.011);
    pass_until(19.75);
    assert_int_equal(health_region_word(w.h, 0), HEALTH_WORD_DRAIN);
    assert_int_equal(ttl(), 30);
    pass_until(29.99);
    assert_int_equal(health_region_word(w.h, 0), HEALTH_WORD_DRAIN);
    assert_non_null(strstr(why(), "maintenance 7 until "));
    assert_non_null(strstr(why(), ": db move"));
}

static void what_went_over_a_time_comes_back_over_it(void **state)
{
    (void)state;
    plan(20, 30)->over_ms = 600000;
    pass_until(30);
    assert_said(&w, "state drain -> auto rule=maintenance cause=\"");
    assert_said(&w, "has come\" author=ana reason=\"db move\" maintenance=7");
    assert_int_equal(ttl(), 15);
    pass_until(35);
    assert_float_equal(avail(), 0.5, 0.011);
    assert_non_null(strstr(why(), "(on its way back)"));
    pass_until(40.01);
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
    assert_string_equal(why(), "-");
    assert_false(health_maintenance_begun(w.h, 0, 7));
}

static void without_a_time_it_goes_and_comes_at_once(void **state)
{
    (void)state;
    plan(5, 6)->to = avail_from_double(0.4);
    pass_until(4.70);
    assert_int_equal(ttl(), 15); /* 30 s of notice, 15 s for the last answers */
    assert_float_equal(avail(), 1, 0);
    pass_until(4.76);
    assert_float_equal(avail(), 0.4, 0.001);
    assert_int_equal(ttl(), 30);
    pass_until(6);
    assert_float_equal(avail(), 1, 0);
    assert_int_equal(ttl(), 30);
}

/* No look of a keeper between: the engine lowers it by itself. */
static void one_ttl_before_a_window_ends_the_ttl_is_short(void **state)
{
    (void)state;
    plan(5, 10)->state = HEALTH_DOWN;
    pass_until(6);
    world_advance(&w, zero + 570000 - 1 - w.wall);
    assert_int_equal(ttl(), 30);
    world_advance(&w, 1);
    assert_int_equal(ttl(), 15);
    assert_int_equal(health_region_word(w.h, 0), HEALTH_WORD_OFF);
    world_advance(&w, 40000); /* a keeper that is late: it stays in force, and short */
    assert_int_equal(ttl(), 15);
    look();
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
    assert_int_equal(ttl(), 30);
}

static void the_end_of_what_is_not_in_force_does_not_shorten_the_ttl(void **state)
{
    (void)state;
    plan(5, 10)->to = avail_from_double(0.4);
    plan(6, 15);
    pass_until(9.9);
    assert_int_equal(ttl(), 30);
    person(HEALTH_DOWN, 0, 0);
    pass_until(14.9);
    assert_int_equal(ttl(), 30);
    person(HEALTH_AUTO, 0, 0);
    windows = 0;
    person(HEALTH_DOWN, 0, zero + 20 * 60000); /* a word above a window, with its own end */
    plan(17, 30);
    pass_until(19.4);
    assert_int_equal(ttl(), 30);
    pass_until(19.51);
    assert_int_equal(ttl(), 15);
    pass_until(20.1);
    assert_int_equal(ttl(), 30);
    assert_int_equal(health_region_word(w.h, 0), HEALTH_WORD_DRAIN);
}

static void a_clock_set_back_from_the_end_of_a_window_lengthens_the_ttl(void **state)
{
    (void)state;
    plan(5, 20)->state = HEALTH_DOWN;
    pass_until(19.6);
    assert_int_equal(ttl(), 15);
    w.wall = zero + 10 * 60000;
    pass_until(11.1);
    assert_int_equal(ttl(), 30);
}

static void a_window_that_says_down_is_a_drain_until_it_begins(void **state)
{
    (void)state;
    plan(5, 6)->state = HEALTH_DOWN;
    pass_until(4.99);
    assert_int_equal(health_region_word(w.h, 0), HEALTH_WORD_DRAIN);
    pass_until(5);
    assert_int_equal(health_region_word(w.h, 0), HEALTH_WORD_OFF);
    assert_said(&w, "state drain -> down rule=maintenance from=");
    pass_until(6);
    assert_int_equal(health_region_word(w.h, 0), AVAIL_FULL);
    assert_said(&w, "state down -> auto rule=maintenance");
}

static void told_late_it_begins_at_once_and_no_faster(void **state)
{
    (void)state;
    plan(2, 30)->over_ms = 600000;
    pass_until(5);
    assert_float_equal(avail(), 0.5, 0.011);
    pass_until(10.01);
    assert_float_equal(avail(), 0, 0);
}

static void told_a_little_late_the_notice_is_short(void **state)
{
    (void)state;
    plan(1, 30)->over_ms = 40000; /* the drain begins in 5 s */
    pass_until(0.01);
    assert_int_equal(ttl(), 15);
    pass_until(0.75);
    assert_float_equal(avail(), 0, 0);
}

static void who_starts_in_the_middle_is_where_one_is_that_ran_on(void **state)
{
    (void)state;
    plan(20, 30)->over_ms = 600000;
    struct health_maintenance alone = window[0];
    pass_until(14.75);
    double before = avail();
    world_end(&w);
    int64_t now = w.now, wall = w.wall;
    world_init(&w, 2, 2, 1);
    w.now = now + 77777;
    w.wall = wall;
    world_start(&w);
    window[0] = alone; /* as it is stored */
    look();
    assert_float_equal(avail(), before, 0.011);
    pass_until(19.76);
    assert_float_equal(avail(), 0, 0);
    pass_until(41);
    assert_float_equal(avail(), 1, 0);
}

static void an_engine_that_takes_over_goes_on(void **state)
{
    (void)state;
    plan(20, 30)->over_ms = 600000;
    *plan(14, 16) = (struct health_maintenance){.id = 8,
                                                .state = HEALTH_DRAIN,
                                                .to = avail_from_double(0.2),
                                                .created_wall_ms = zero,
                                                .from_wall_ms = zero + 14 * 60000,
                                                .until_wall_ms = zero + 16 * 60000};
    pass_until(14.75);
    world_forget_log(&w);
    struct health *next = NULL;
    assert_int_equal(health_create(&w.cfg, w.now, w.wall, &next), ERR_OK);
    health_adopt(next, w.h);
    health_destroy(&w.h);
    w.h = next;
    world_settle(&w);
    look();
    assert_float_equal(avail(), 0.2, 0.001);
    assert_not_said(&w, "maintenance");
    pass_until(16.01);
    assert_float_equal(avail(), 0.37, 0.02);
    pass_until(45);
    assert_float_equal(avail(), 1, 0);
}

static void of_windows_that_overlap_the_one_that_allows_least_is_in_force(void **state)
{
    (void)state;
    plan(5, 10)->to = avail_from_double(0.4);
    plan(7, 9);
    plan(8, 12)->to = avail_from_double(0.6);
    pass_until(6);
    assert_float_equal(avail(), 0.4, 0.001);
    pass_until(7);
    assert_float_equal(avail(), 0, 0);
    assert_non_null(strstr(why(), "maintenance 8 until"));
    pass_until(9);
    assert_float_equal(avail(), 0.4, 0.001);
    assert_non_null(strstr(why(), "maintenance 7 until"));
    pass_until(10);
    assert_float_equal(avail(), 0.6, 0.001);
    pass_until(12);
    assert_float_equal(avail(), 1, 0);
}

static void a_persons_word_beats_the_window_and_outlives_it(void **state)
{
    (void)state;
    plan(5, 10);
    pass_until(6);
    person(HEALTH_UP, 0, 0);
    assert_float_equal(avail(), 1, 0);
    assert_string_equal(why(), "bob");
    pass_until(10.5);
    assert_string_equal(why(), "bob");
    assert_said(&w, "state up -> up rule=maintenance cause=");
    person(HEALTH_AUTO, 0, 0);
    assert_string_equal(why(), "-");
}

static void a_window_that_begins_under_a_persons_word_waits_for_its_end(void **state)
{
    (void)state;
    person(HEALTH_UP, 0, zero + 7 * 60000);
    plan(5, 10);
    pass_until(6);
    assert_float_equal(avail(), 1, 0);
    assert_said(&w, "state up -> up rule=maintenance keep=0.00 blocked-by=override(bob)");
    pass_until(6.99);
    assert_float_equal(avail(), 1, 0);
    /* No moment between them in which the region is open. */
    world_advance(&w, 1000);
    assert_int_equal(health_region_word(w.h, 0), HEALTH_WORD_DRAIN);
    assert_said(&w, "state up -> drain rule=until");
    pass_until(10);
    assert_float_equal(avail(), 1, 0);
}

static void undrain_takes_the_window_back_for_good(void **state)
{
    (void)state;
    plan(5, 10);
    pass_until(6);
    person(HEALTH_AUTO, 60000, 0);
    assert_said(&w, "maintenance 7 ended rule=override cause=\"undrain by bob\"");
    assert_false(health_maintenance_begun(w.h, 0, 7));
    windows = 0; /* its keeper forgets it */
    pass_until(6.5);
    assert_float_equal(avail(), 0.5, 0.02);
    pass_until(7.01);
    assert_float_equal(avail(), 1, 0);
}

static void a_window_takes_over_from_a_region_on_its_way_back(void **state)
{
    (void)state;
    person(HEALTH_DOWN, 0, 0);
    person(HEALTH_AUTO, 600000, 0);
    plan(5, 8);
    pass_until(4);
    assert_float_equal(avail(), 0.4, 0.011);
    pass_until(5);
    assert_float_equal(avail(), 0, 0);
    pass_until(8);
    assert_float_equal(avail(), 0.8, 0.011);
    pass_until(10.01);
    assert_float_equal(avail(), 1, 0);
}

static void a_clock_set_forward_or_back_is_followed(void **state)
{
    (void)state;
    plan(60, 90)->over_ms = 600000;
    pass_until(1);
    w.wall = zero + 50 * 60000 - 15000 + 300000; /* into the middle of the drain */
    look();
    assert_float_equal(avail(), 0.5, 0.011);
    w.wall -= 120000; /* still in it */
    look();
    assert_float_equal(avail(), 0.7, 0.011);
    w.wall = zero + 70 * 60000;
    look();
    assert_float_equal(avail(), 0, 0);
    w.wall = zero + 20 * 60000;
    look();
    assert_said(&w, "rule=maintenance cause=\"the clock was set back\"");
    w.wall = zero + 60 * 60000;
    look();
    assert_float_equal(avail(), 0, 0);
    w.wall = zero + 100 * 60000;
    look();
    world_advance(&w, 600001);
    assert_float_equal(avail(), 1, 0);
    world_forget_log(&w);
    w.wall = zero + 90 * 60000 - 5000; /* a small step back reopens nothing */
    look();
    assert_not_said(&w, "maintenance");
    w.wall = zero + 80 * 60000; /* a large one does */
    look();
    assert_float_equal(avail(), 0, 0);
}

static void removed_it_ends_at_once_or_never_begins(void **state)
{
    (void)state;
    plan(5, 10)->over_ms = 60000;
    pass_until(6);
    assert_true(health_maintenance_remove(w.h, 0, 7, "bob", w.now, w.wall));
    world_settle(&w);
    assert_float_equal(avail(), 1, 0);
    assert_said(&w, "state drain -> auto rule=maintenance cause=\"removed by bob\" author=ana");
    assert_false(health_maintenance_remove(w.h, 0, 7, "bob", w.now, w.wall));
}

static void what_is_dead_under_a_window_stays_dead_after_it(void **state)
{
    (void)state;
    plan(5, 10);
    pass_until(5);
    uint32_t eu = world_endpoint(&w, 0, 0, 0);
    world_fall(&w, eu, world_endpoint(&w, 0, 1, 0));
    pass_until(10.1);
    assert_float_equal(avail(), 1, 0);
    assert_int_equal(world_avail_endpoint(&w, eu), 0);
}

/* ---- any windows, words, clocks and reconfigurations, from a seed ---- */

/* What the windows allow by their times alone: the bounds between which it has to be. */
static void bounds_of(const struct health_maintenance *m, double *low, double *high)
{
    struct health_maintenance_times t = health_maintenance_times(w.h, 0, m);
    double to = m->state == HEALTH_DOWN ? 0 : avail_to_double(m->to);
    int64_t done = t.start_ms + m->over_ms;
    bool open = health_maintenance_begun(w.h, 0, m->id);
    *low = *high = 1;
    if (w.wall >= t.notice_ms - HEALTH_MAINTENANCE_SLACK_MS &&
        w.wall < m->until_wall_ms + HEALTH_MAINTENANCE_SLACK_MS)
        *low = to;
    if (!open) /* gone, or on its way back */
        *low = to;
    if (open && w.wall >= done + 3000 && w.wall < m->until_wall_ms - 1)
        *high = to;
}

static void check_bounds(uint64_t seed, unsigned step)
{
    double low = 1, high = 1;
    for (size_t i = 0; i < windows; i++) {
        double l, h;
        bounds_of(&window[i], &l, &h);
        low = l < low ? l : low;
        high = h < high ? h : high;
        bool due = w.wall >= window[i].from_wall_ms && w.wall < window[i].until_wall_ms - 60001;
        if (due && window[i].created_wall_ms <= w.wall &&
            !health_maintenance_begun(w.h, 0, window[i].id))
            fail_msg("SEED=%llu step %u: window %u is open by the clock, and not in force",
                     (unsigned long long)seed, step, window[i].id);
    }
    if (avail() < low - 0.001 || avail() > high + 0.001)
        fail_msg("SEED=%llu step %u: %.3f is not within %.3f and %.3f\n%s",
                 (unsigned long long)seed, step, avail(), low, high, w.log);
}

static void adopt(void)
{
    struct health *next = NULL;
    assert_int_equal(health_create(&w.cfg, w.now, w.wall, &next), ERR_OK);
    health_adopt(next, w.h);
    health_destroy(&w.h);
    w.h = next;
    world_settle(&w);
}

static void story(uint64_t seed)
{
    struct rng r;
    rng_seed(&r, seed);
    for (uint32_t i = 0; i < 3; i++) {
        struct health_maintenance *m = plan(1 + rng_below(&r, 60), 0);
        m->until_wall_ms = m->from_wall_ms + 60000 + rng_below(&r, 3600000);
        m->state = rng_below(&r, 3) ? HEALTH_DRAIN : HEALTH_DOWN;
        m->to = rng_below(&r, 2) ? rng_below(&r, AVAIL_FULL) : 0;
        m->over_ms = rng_below(&r, 2) ? rng_below(&r, 900000) : 0;
    }
    for (unsigned step = 0; step < 200; step++) {
        switch (rng_below(&r, 24)) {
        case 0:
            w.wall += (int64_t)rng_below(&r, 3600000) - 1200000;
            break;
        case 1:
            person(1 + rng_below(&r, 3), 0, w.wall + 1 + rng_below(&r, 600000));
            break;
        case 2:
            adopt();
            break;
        }
        world_advance(&w, 1 + rng_below(&r, 60000));
        look();
        struct health_region_view v;
        health_region_show(w.h, 0, &v);
        if (v.set == HEALTH_AUTO || v.set_maintenance) /* no person's word in force */
            check_bounds(seed, step);
    }
    w.wall += (int64_t)48 * 3600000; /* past all of them */
    look();
    world_advance(&w, 900001);
    look();
    if (health_region_word(w.h, 0) != AVAIL_FULL || strcmp(why(), "-") != 0)
        fail_msg("SEED=%llu: all windows are over, and it is at %.3f: %s", (unsigned long long)seed,
                 avail(), why());
}

static void whatever_happens_it_is_where_its_times_say(void **state)
{
    const char *given = getenv("SEED");
    uint64_t first = given ? strtoull(given, NULL, 0) : 1, n = given ? 1 : 200;
    printf("SEED=%llu and %llu more\n", (unsigned long long)first, (unsigned long long)n - 1);
    for (uint64_t seed = first; seed < first + n; seed++) {
        teardown(state);
        setup(state);
        story(seed);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_drain_is_done_and_its_clients_gone_when_the_window_begins),
        T(what_went_over_a_time_comes_back_over_it),
        T(without_a_time_it_goes_and_comes_at_once),
        T(one_ttl_before_a_window_ends_the_ttl_is_short),
        T(the_end_of_what_is_not_in_force_does_not_shorten_the_ttl),
        T(a_clock_set_back_from_the_end_of_a_window_lengthens_the_ttl),
        T(a_window_that_says_down_is_a_drain_until_it_begins),
        T(told_late_it_begins_at_once_and_no_faster),
        T(told_a_little_late_the_notice_is_short),
        T(who_starts_in_the_middle_is_where_one_is_that_ran_on),
        T(an_engine_that_takes_over_goes_on),
        T(of_windows_that_overlap_the_one_that_allows_least_is_in_force),
        T(a_persons_word_beats_the_window_and_outlives_it),
        T(a_window_that_begins_under_a_persons_word_waits_for_its_end),
        T(undrain_takes_the_window_back_for_good),
        T(a_window_takes_over_from_a_region_on_its_way_back),
        T(a_clock_set_forward_or_back_is_followed),
        T(removed_it_ends_at_once_or_never_begins),
        T(what_is_dead_under_a_window_stays_dead_after_it),
        T(whatever_happens_it_is_where_its_times_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
