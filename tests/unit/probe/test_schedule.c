#include "probe/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define MANY 10000

static uint64_t seed;

struct plan {
    struct probe_schedule *s;
    struct rng rng;
    char (*keys)[64];
    struct probe_schedule_target *targets;
    uint32_t n;
};

static void plan_open(struct plan *p, uint32_t n, int64_t interval_ms, uint32_t concurrency,
                      int64_t now_ms)
{
    memset(p, 0, sizeof *p);
    rng_seed(&p->rng, seed);
    p->n = n;
    p->keys = calloc(n + 1, sizeof *p->keys);
    p->targets = calloc(n + 1, sizeof *p->targets);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(p->keys[i], sizeof p->keys[i], "www%u.gslb.example|eu|192.0.2.%u", i / 7, i);
        p->targets[i] = (struct probe_schedule_target){p->keys[i], interval_ms};
    }
    assert_int_equal(
        probe_schedule_create(p->targets, n, concurrency, now_ms, &p->rng, NULL, &p->s), ERR_OK);
}

static void plan_close(struct plan *p)
{
    probe_schedule_destroy(&p->s);
    assert_null(p->s);
    free(p->keys);
    free(p->targets);
}

/* Makes subset the targets, as the runner does. */
static void plan_change(struct plan *p, const struct probe_schedule_target *t, uint32_t n,
                        uint32_t concurrency, int64_t now_ms)
{
    struct probe_schedule *next;
    assert_int_equal(probe_schedule_create(t, n, concurrency, now_ms, &p->rng, p->s, &next),
                     ERR_OK);
    probe_schedule_destroy(&p->s);
    p->s = next;
}

static bool take_one(struct plan *p, int64_t now_ms, struct probe_schedule_due *due)
{
    return probe_schedule_take(p->s, now_ms, &p->rng, due, 1) == 1;
}

static struct probe_schedule_counters counters(const struct plan *p)
{
    struct probe_schedule_counters c;
    probe_schedule_counters(p->s, &c);
    return c;
}

static void at_start_all_are_probed_within_the_first_interval_and_never_bunched(void **state)
{
    (void)state;
    const int64_t starts[] = {0, 123456789, 4999};
    for (size_t k = 0; k < 3; k++) {
        struct plan p;
        int64_t t0 = starts[k], interval = 10000;
        plan_open(&p, MANY, interval, MANY, t0);
        unsigned first_bin[101] = {0}, later_bin[100] = {0};
        uint8_t *seen = calloc(MANY, 1);
        uint32_t seen_n = 0;
        for (int64_t now = t0; now < t0 + 6 * interval; now++) {
            struct probe_schedule_due due;
            while (take_one(&p, now, &due)) {
                probe_schedule_done(p.s, due.target, now);
                assert_false(due.late);
                if (now <= t0 + interval && !seen[due.target]) {
                    seen[due.target] = 1;
                    seen_n++;
                    first_bin[(now - t0) / 100]++;
                }
                if (now >= t0 + 5 * interval)
                    later_bin[(now - t0 - 5 * interval) / 100]++;
            }
        }
        assert_int_equal(seen_n, MANY);
        for (int i = 0; i < 100; i++) {
            assert_in_range(first_bin[i], 1, 2 * MANY / 100);
            assert_in_range(later_bin[i], 1, 2 * MANY / 100);
        }
        struct probe_schedule_counters c = counters(&p);
        assert_in_range(c.taken, 6 * MANY - MANY, 6 * MANY + MANY);
        assert_int_equal(c.late + c.overdue + c.extra, 0);
        free(seen);
        plan_close(&p);
    }
}

static void regular_probes_stay_within_jitter_of_their_interval(void **state)
{
    (void)state;
    struct plan p;
    plan_open(&p, 50, 10000, 50, 777);
    int64_t first[50] = {0}, last[50] = {0};
    unsigned turns[50] = {0};
    for (int64_t now = 777; now < 1000000; now = probe_schedule_due(p.s)) {
        struct probe_schedule_due due;
        while (take_one(&p, now, &due)) {
            probe_schedule_done(p.s, due.target, now);
            uint32_t i = due.target;
            if (turns[i] > 1)
                assert_in_range(now - last[i], 9000, 11000);
            if (turns[i]++ == 0)
                first[i] = now;
            last[i] = now;
        }
    }
    for (int i = 0; i < 50; i++) { /* no drift: turn k is k intervals after the first */
        int64_t drift = last[i] - first[i] - (int64_t)(turns[i] - 1) * 10000;
        assert_in_range(drift + 1500, 0, 3000);
        assert_in_range(turns[i], 98, 101);
    }
    plan_close(&p);
}

static void nobody_starves_when_the_bound_is_far_too_small(void **state)
{
    (void)state;
    struct plan p;
    plan_open(&p, 1000, 1000, 5, 0); /* a probe takes 100 ms: 50 a second for 1000 wanted */
    unsigned taken[1000] = {0}, late = 0;
    struct {
        uint32_t target;
        int64_t end;
    } run[5];
    unsigned running = 0;
    for (int64_t now = 0; now < 200000; now += 10) {
        for (unsigned i = 0; i < running;)
            if (run[i].end <= now) {
                probe_schedule_done(p.s, run[i].target, now);
                run[i] = run[--running];
            } else
                i++;
        struct probe_schedule_due due;
        while (take_one(&p, now, &due)) {
            assert_true(running < 5);
            run[running].target = due.target;
            run[running++].end = now + 100;
            taken[due.target]++;
            late += due.late;
        }
        assert_int_equal(probe_schedule_running(p.s), running);
        if (running == 5)
            assert_true(probe_schedule_due(p.s) == INT64_MAX);
    }
    for (int i = 0; i < 1000; i++)
        assert_in_range(taken[i], 8, 12);
    struct probe_schedule_counters c = counters(&p);
    assert_int_equal(c.late, late);
    assert_true(late > c.taken * 9 / 10);
    assert_in_range(c.taken + c.overdue, 180000, 200500);
    plan_close(&p);
}

static void a_target_under_way_when_due_again_is_skipped_and_counted(void **state)
{
    (void)state;
    struct plan p;
    plan_open(&p, 1, 1000, 10, 0);
    struct probe_schedule_due due;
    int64_t start = probe_schedule_due(p.s);
    assert_true(take_one(&p, start, &due));
    for (int64_t now = start; now < start + 5200; now++)
        assert_false(take_one(&p, now, &due));
    assert_int_equal(counters(&p).overdue, 5);
    probe_schedule_done(p.s, 0, start + 5200);
    int64_t next = probe_schedule_due(p.s);
    assert_in_range(next, start + 5200, start + 6200);
    assert_true(take_one(&p, next, &due));
    assert_false(due.late);
    assert_int_equal(counters(&p).taken, 2);
    plan_close(&p);
}

static void turns_that_pass_unseen_are_counted_and_not_made_up_for(void **state)
{
    (void)state;
    struct plan p;
    plan_open(&p, 1, 1000, 10, 0);
    struct probe_schedule_due due[4];
    int64_t start = probe_schedule_due(p.s), now = start + 7100;
    assert_int_equal(probe_schedule_take(p.s, now, &p.rng, due, 4), 1);
    assert_true(due[0].late);
    assert_int_equal(due[0].due_ms, start);
    probe_schedule_done(p.s, 0, now);
    assert_int_equal(probe_schedule_take(p.s, now, &p.rng, due, 4), 0);
    assert_in_range(counters(&p).overdue, 6, 7);
    assert_in_range(probe_schedule_due(p.s), now + 500, now + 1550);
    plan_close(&p);
}

static void late_is_more_than_a_second_or_half_an_interval(void **state)
{
    (void)state;
    const struct {
        int64_t interval, wait;
        bool late;
    } rows[] = {{10000, 1000, false}, {10000, 1001, true}, {1000, 500, false}, {1000, 501, true}};
    for (size_t i = 0; i < 4; i++) {
        struct plan p;
        struct probe_schedule_due due;
        plan_open(&p, 1, rows[i].interval, 1, 0);
        assert_true(take_one(&p, probe_schedule_due(p.s) + rows[i].wait, &due));
        assert_int_equal(due.late, rows[i].late);
        assert_int_equal(counters(&p).late, rows[i].late);
        plan_close(&p);
    }
}

static void an_extra_probe_leaves_the_regular_ones_where_they_are(void **state)
{
    (void)state;
    struct plan p, q;
    plan_open(&p, 20, 5000, 20, 0);
    plan_open(&q, 20, 5000, 20, 0);
    struct probe_schedule_due due;
    int64_t regular = probe_schedule_due(q.s), at = 1;
    probe_schedule_soon(p.s, 3, at, true);
    assert_int_equal(probe_schedule_due(p.s), at);
    assert_false(take_one(&p, at - 1, &due));
    assert_true(take_one(&p, at, &due));
    assert_int_equal(due.target, 3);
    assert_true(due.confirm);
    assert_false(due.late);
    probe_schedule_done(p.s, 3, at + 1);
    assert_int_equal(probe_schedule_due(p.s), regular);
    for (int64_t now = 0; now < 60000; now++) {
        struct probe_schedule_due b;
        while (take_one(&q, now, &b)) {
            assert_true(take_one(&p, now, &due));
            assert_int_equal(due.target, b.target);
            assert_false(due.confirm);
            probe_schedule_done(p.s, due.target, now);
            probe_schedule_done(q.s, due.target, now);
        }
        assert_false(take_one(&p, now, &due));
    }
    assert_int_equal(counters(&p).extra, 1);
    plan_close(&p);
    plan_close(&q);
}

static void an_extra_probe_waits_for_the_one_under_way(void **state)
{
    (void)state;
    struct plan p;
    plan_open(&p, 1, 10000, 5, 0);
    struct probe_schedule_due due;
    int64_t start = probe_schedule_due(p.s);
    assert_true(take_one(&p, start, &due));
    probe_schedule_soon(p.s, 0, start + 10, true);
    assert_false(take_one(&p, start + 2000, &due));
    probe_schedule_soon(p.s, 0, start + 4000, true); /* the same request again */
    probe_schedule_done(p.s, 0, start + 3000);
    assert_int_equal(probe_schedule_due(p.s), start + 3000);
    assert_true(take_one(&p, start + 3001, &due));
    assert_true(due.confirm);
    assert_false(due.late); /* waiting for oneself is not lateness */
    probe_schedule_done(p.s, 0, start + 3002);
    assert_false(take_one(&p, start + 5000, &due));
    assert_int_equal(counters(&p).extra, 1);
    assert_int_equal(counters(&p).overdue, 0);
    plan_close(&p);
}

static void two_requests_for_an_extra_probe_become_one_that_serves_both(void **state)
{
    (void)state;
    struct plan p;
    plan_open(&p, 1, 1000000, 5, 0);
    struct probe_schedule_due due;
    probe_schedule_soon(p.s, 0, 40, true);
    probe_schedule_soon(p.s, 0, 20, false);
    probe_schedule_soon(p.s, 0, 30, true);
    assert_true(take_one(&p, 20, &due));
    assert_false(due.confirm);
    probe_schedule_done(p.s, 0, 21);
    assert_false(take_one(&p, 50, &due));
    probe_schedule_soon(p.s, 0, 60, true); /* a new request is not tainted by the old one */
    assert_true(take_one(&p, 60, &due));
    assert_true(due.confirm);
    plan_close(&p);
}

static void reconfiguration_keeps_phase_and_what_is_under_way(void **state)
{
    (void)state;
    struct plan p, q;
    plan_open(&p, 100, 5000, 100, 0);
    plan_open(&q, 100, 5000, 100, 0);
    struct probe_schedule_due due;
    /* q never changes; p is turned round, grown by ten and cut every 700 ms. */
    struct probe_schedule_target t[110];
    for (int64_t now = 0; now < 20000; now++) {
        if (now % 700 == 0) {
            uint32_t n = 0;
            for (uint32_t i = 100; i-- > 0;)
                t[n++] = p.targets[i];
            static char extra[10][16];
            for (uint32_t i = 0; i < 10 && now % 1400 == 0; i++) {
                snprintf(extra[i], sizeof extra[i], "new%u", i);
                t[n++] = (struct probe_schedule_target){extra[i], 1000000000};
            }
            plan_change(&p, t, n, 100, now);
            assert_int_equal(probe_schedule_targets(p.s), n);
        }
        while (take_one(&q, now, &due))
            probe_schedule_done(q.s, due.target, now);
        while (take_one(&p, now, &due))
            probe_schedule_done(p.s, due.target, now);
    }
    /* Jitters differ, turns do not: each was probed as often, give or take the last one. */
    assert_in_range(counters(&p).taken, 390, 410);
    assert_in_range(counters(&q).taken, 390, 410);
    assert_int_equal(counters(&p).overdue + counters(&p).late, 0);

    assert_int_equal(probe_schedule_find(p.s, p.keys[42]), 57); /* turned round */
    plan_change(&p, p.targets, 100, 100, 20000);
    assert_int_equal(probe_schedule_find(p.s, p.keys[42]), 42);
    assert_int_equal(probe_schedule_find(p.s, "new1"), PROBE_NONE);
    plan_close(&p);
    plan_close(&q);
}

static void the_next_due_time_survives_reconfiguration_exactly(void **state)
{
    (void)state;
    struct plan p;
    plan_open(&p, 1, 60000, 4, 5000);
    int64_t due_ms = probe_schedule_due(p.s);
    for (int64_t now = 5000; now < due_ms; now += 997) {
        plan_change(&p, p.targets, 1, 4, now);
        assert_int_equal(probe_schedule_due(p.s), due_ms);
    }
    p.targets[0].interval_ms = 2000; /* a shorter interval is in force at once */
    plan_change(&p, p.targets, 1, 4, 5001);
    assert_in_range(probe_schedule_due(p.s), 5001, 7001);
    plan_close(&p);
}

static void a_target_under_way_stays_so_and_one_that_left_frees_its_place(void **state)
{
    (void)state;
    struct plan p;
    plan_open(&p, 3, 1000, 2, 0);
    struct probe_schedule_due due[3];
    assert_int_equal(probe_schedule_take(p.s, 1000, &p.rng, due, 3), 2);
    uint32_t stays = due[0].target, goes = due[1].target;
    probe_schedule_soon(p.s, stays, 1100, true);
    struct probe_schedule_target t[2];
    uint32_t n = 0;
    for (uint32_t i = 0; i < 3; i++)
        if (i != goes)
            t[n++] = p.targets[i];
    plan_change(&p, t, n, 2, 1001);
    assert_int_equal(probe_schedule_running(p.s), 1);
    uint32_t now_at = probe_schedule_find(p.s, p.keys[stays]);
    assert_int_equal(probe_schedule_take(p.s, 1200, &p.rng, due, 3), 1); /* the third */
    assert_int_not_equal(due[0].target, now_at);
    probe_schedule_done(p.s, due[0].target, 1200);
    probe_schedule_done(p.s, now_at, 1200);
    assert_true(take_one(&p, 1200, due)); /* the extra probe came along */
    assert_int_equal(due[0].target, now_at);
    assert_true(due[0].confirm);
    plan_close(&p);
}

static void an_empty_schedule_is_never_due(void **state)
{
    (void)state;
    struct plan p;
    plan_open(&p, 0, 1000, 0, 0);
    struct probe_schedule_due due;
    assert_true(probe_schedule_due(p.s) == INT64_MAX);
    assert_false(take_one(&p, 1000000, &due));
    assert_int_equal(probe_schedule_find(p.s, "x"), PROBE_NONE);
    struct probe_schedule *out = NULL;
    assert_int_equal(probe_schedule_create(NULL, PROBE_TARGETS_MAX + 1, 1, 0, &p.rng, NULL, &out),
                     ERR_LIMIT);
    plan_close(&p);
}

static void due_never_lies(void **state)
{
    (void)state;
    struct plan p;
    plan_open(&p, 200, 700, 20, 0);
    struct rng rng;
    rng_seed(&rng, seed + 1);
    uint32_t run[20], running = 0;
    int64_t now = 0;
    for (int step = 0; step < 50000; step++) {
        struct probe_schedule_due due;
        if (rng_below(&rng, 3) == 0 && running > 0) {
            uint32_t i = rng_below(&rng, running);
            probe_schedule_done(p.s, run[i], now);
            run[i] = run[--running];
        } else if (rng_below(&rng, 10) == 0)
            probe_schedule_soon(p.s, rng_below(&rng, 200), now + rng_below(&rng, 500), true);
        else
            now += rng_below(&rng, 8);
        int64_t due_ms = probe_schedule_due(p.s);
        bool got = take_one(&p, now, &due);
        if (due_ms > now)
            assert_false(got);
        if (got) {
            assert_true(running < 20);
            run[running++] = due.target;
        }
    }
    plan_close(&p);
}

int main(void)
{
    const char *given = getenv("SEED");
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    printf("SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_start_all_are_probed_within_the_first_interval_and_never_bunched),
        cmocka_unit_test(regular_probes_stay_within_jitter_of_their_interval),
        cmocka_unit_test(nobody_starves_when_the_bound_is_far_too_small),
        cmocka_unit_test(a_target_under_way_when_due_again_is_skipped_and_counted),
        cmocka_unit_test(turns_that_pass_unseen_are_counted_and_not_made_up_for),
        cmocka_unit_test(late_is_more_than_a_second_or_half_an_interval),
        cmocka_unit_test(an_extra_probe_leaves_the_regular_ones_where_they_are),
        cmocka_unit_test(an_extra_probe_waits_for_the_one_under_way),
        cmocka_unit_test(two_requests_for_an_extra_probe_become_one_that_serves_both),
        cmocka_unit_test(reconfiguration_keeps_phase_and_what_is_under_way),
        cmocka_unit_test(the_next_due_time_survives_reconfiguration_exactly),
        cmocka_unit_test(a_target_under_way_stays_so_and_one_that_left_frees_its_place),
        cmocka_unit_test(an_empty_schedule_is_never_due),
        cmocka_unit_test(due_never_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
