/* Water-filling: small worlds by hand, and what must hold in any world. */
#include "steer/fill.h"

#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REGIONS_MAX 12
#define FLOWS_MAX 40

struct world {
    struct fill_region region[REGIONS_MAX];
    struct fill_unit unit[REGIONS_MAX];
    struct fill_flow flow[FLOWS_MAX];
    uint16_t row[FLOWS_MAX][REGIONS_MAX];
    struct fill_world w;
    struct fill_result out;
};

static void add_region(struct world *x, double capacity)
{
    uint32_t r = x->w.regions_n++;
    x->region[r] = (struct fill_region){.capacity = capacity, .most = capacity};
    x->unit[r] = (struct fill_unit){.region = (uint8_t)r, .weight = 100, .keep = 1, .open = 1};
}

/* order: "0,12,3": a comma between groups. */
static void add_flow(struct world *x, double demand, bool fenced, const char *order)
{
    uint32_t i = x->w.flows_n++;
    uint16_t n = 0, mark = STEER_GROUP;
    for (const char *c = order; *c; c++) {
        if (*c == ',') {
            mark = STEER_GROUP;
            continue;
        }
        x->row[i][n++] = (uint16_t)((*c - '0') | mark);
        mark = 0;
    }
    x->flow[i] = (struct fill_flow){.row_n = n, .fenced = fenced, .demand = demand};
}

static void set_avail(struct world *x, uint32_t r, double avail)
{
    x->unit[r].keep = avail;
    x->unit[r].open = avail >= 1;
}

static double load(const struct world *x, uint32_t r)
{
    return x->out.own[r] + x->out.guests[r];
}

/* Worlds are copied about: their pointers are set here. */
static void solve(struct world *x)
{
    x->w.region = x->region;
    x->w.flow = x->flow;
    for (uint32_t i = 0; i < x->w.flows_n; i++) {
        x->flow[i].row = x->row[i];
        x->flow[i].unit = x->unit;
    }
    fill_solve(&x->w, &x->out);
}

static void assert_near(double a, double b, double within)
{
    if (fabs(a - b) > within)
        fail_msg("%.6f is not %.6f", a, b);
}

static struct world three(void)
{
    struct world x = {0};
    for (int i = 0; i < 3; i++)
        add_region(&x, 100);
    add_flow(&x, 60, false, "0,1,2");
    add_flow(&x, 60, false, "1,2,0");
    add_flow(&x, 50, false, "2,1,0");
    return x;
}

static void nobody_is_refused_while_all_are_at_home(void **state)
{
    (void)state;
    struct world x = three();
    solve(&x);
    for (uint32_t r = 0; r < 3; r++) {
        assert_near(x.out.admit[0][r], 1, 0);
        assert_near(x.out.guests[r], 0, 0);
        assert_near(x.out.level[r], 1, 0);
    }
}

static void the_nearest_takes_what_it_has_room_for_and_the_next_the_rest(void **state)
{
    (void)state;
    struct world x = three();
    set_avail(&x, 0, 0);
    solve(&x);
    assert_near(x.out.admit[0][1], 40.0 / 60, 1e-4);
    assert_near(x.out.admit[0][2], 1, 0);
    assert_near(load(&x, 1), 100, 0.01);
    assert_near(load(&x, 2), 70, 0.01);
}

static void total_overload_is_spread_evenly(void **state)
{
    (void)state;
    struct world x = three();
    x.region[1].capacity = x.region[1].most = 80;
    x.region[2].capacity = x.region[2].most = 70;
    set_avail(&x, 0, 0);
    solve(&x);
    for (uint32_t r = 1; r < 3; r++) {
        assert_near(x.out.level[r], 170.0 / 150, 0.001);
        assert_near(load(&x, r) / x.region[r].capacity, 170.0 / 150, 0.001);
    }
}

static void own_clients_above_the_mark_overflow_too(void **state)
{
    (void)state;
    struct world x = three();
    x.flow[1].demand = 130;
    x.region[1].most = 110;
    solve(&x);
    assert_near(x.out.keep[1], 110.0 / 130, 1e-6);
    assert_near(x.out.admit[0][1], 0, 0);
    assert_near(load(&x, 2), 70, 0.01);
    x.flow[0].demand = x.flow[2].demand = 100;
    solve(&x); /* 330 on 300 */
    for (uint32_t r = 0; r < 3; r++)
        assert_near(load(&x, r), 110, 0.2);
}

static void fenced_guests_come_before_those_who_can_go_elsewhere(void **state)
{
    (void)state;
    struct world x = {0};
    for (int i = 0; i < 4; i++)
        add_region(&x, 100);
    add_flow(&x, 50, true, "0,1"); /* may use 0 and 1 only */
    add_flow(&x, 50, false, "0,1,2,3");
    add_flow(&x, 40, false, "1,0,2,3");
    add_flow(&x, 40, false, "2,3,0,1");
    set_avail(&x, 0, 0);
    solve(&x);
    assert_near(x.out.admit[1][1], 1, 0);
    assert_near(x.out.admit[0][1], 0.2, 1e-4);
    assert_near(load(&x, 1), 100, 0.01);
    assert_near(load(&x, 2), 80, 0.01);
    x.flow[0].demand = 80; /* more than 1 can carry: it is above, and takes nobody else */
    solve(&x);
    assert_near(x.out.admit[0][1], 0, 0.001);
    assert_near(load(&x, 1), 120, 0.1);
    assert_near(load(&x, 2), 90, 0.1);
    assert_near(x.out.level[2], 1, 0);
}

static void members_of_a_group_share_by_weight_and_the_full_one_leaves_it_to_the_other(void **state)
{
    (void)state;
    struct world x = {0};
    add_region(&x, 100);
    add_region(&x, 20);
    add_region(&x, 0); /* no capacity set */
    add_flow(&x, 60, false, "0,12");
    set_avail(&x, 0, 0);
    solve(&x);
    assert_near(load(&x, 1), 20, 0.01);
    assert_near(load(&x, 2), 40, 0.01);
    x.region[1].capacity = 50;
    solve(&x);
    assert_near(load(&x, 1), 30, 0.01);
    assert_near(load(&x, 2), 30, 0.01);
}

/* ------------------------------------------------------------------------------- random worlds */

static void shuffle(struct rng *rng, uint32_t *a, uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = rng_below(rng, i), t = a[i - 1];
        a[i - 1] = a[j];
        a[j] = t;
    }
}

static void random_flow(struct world *x, struct rng *rng, bool fences, bool groups)
{
    uint32_t order[REGIONS_MAX], i = x->w.flows_n++, n = x->w.regions_n;
    for (uint32_t r = 0; r < n; r++)
        order[r] = r;
    shuffle(rng, order, n);
    bool fenced = fences && n > 2 && rng_below(rng, 3) == 0;
    if (fenced) { /* all of them the same: even and odd regions */
        uint32_t kept = 0;
        for (uint32_t k = 0; k < n; k++)
            if (order[k] % 2 == 0)
                order[kept++] = order[k];
        n = kept;
    }
    for (uint32_t k = 0; k < n; k++)
        x->row[i][k] =
            (uint16_t)(order[k] | (k == 0 || !groups || rng_below(rng, 3) ? STEER_GROUP : 0));
    x->flow[i] =
        (struct fill_flow){.row_n = (uint16_t)n, .fenced = fenced, .demand = rng_unit(rng) * 100};
}

static struct world random_world(struct rng *rng, bool fences, bool groups)
{
    struct world x = {0};
    uint32_t regions = 3 + rng_below(rng, REGIONS_MAX - 2), flows = 1 + rng_below(rng, FLOWS_MAX);
    for (uint32_t r = 0; r < regions; r++) {
        add_region(&x, 20 + rng_unit(rng) * 400);
        x.region[r].most *= 1 + rng_unit(rng) / 5;
        x.unit[r].weight = 1 + rng_below(rng, 300);
        uint32_t dice = rng_below(rng, 8);
        if (dice < 3)
            set_avail(&x, r, dice == 0 ? 0 : dice == 1 ? rng_unit(rng) : 1);
    }
    set_avail(&x, rng_below(rng, regions), 0);
    while (x.w.flows_n < flows)
        random_flow(&x, rng, fences, groups);
    return x;
}

static bool any_open(const struct world *x)
{
    for (uint32_t r = 0; r < x->w.regions_n; r++)
        if (x->unit[r].open > 0)
            return true;
    return false;
}

static bool overloaded(const struct world *x)
{
    for (uint32_t r = 0; r < x->w.regions_n; r++)
        if (x->out.level[r] > 1)
            return true;
    return false;
}

#define SLACK(x) (0.002 * (x))

/* What holds in each world, the results summed up anew by what each flow does. */
static void check(const struct world *x)
{
    double sum[STEER_REGIONS_MAX] = {0};
    for (uint32_t i = 0; i < x->w.flows_n; i++) {
        const struct fill_flow *f = &x->flow[i];
        double share[STEER_REGIONS_MAX], all = 0;
        fill_spread(f, x->out.admit[f->fenced], x->out.keep, share, NULL);
        for (uint32_t r = 0; r < x->w.regions_n; r++) {
            assert_true(share[r] >= 0);
            all += share[r];
            sum[r] += f->demand * share[r];
        }
        bool anywhere = false;
        for (uint16_t k = 0; k < f->row_n; k++)
            anywhere |= x->unit[f->row[k] & STEER_UNIT].keep > 0;
        assert_near(all, anywhere, 1e-9);
    }
    for (uint32_t r = 0; r < x->w.regions_n; r++) {
        double most = x->region[r].capacity * x->out.level[r];
        assert_near(sum[r], load(x, r), 1e-6 * (1 + sum[r]));
        for (int k = 0; k < 2; k++)
            assert_true(x->out.admit[k][r] >= 0 && x->out.admit[k][r] <= 1);
        if (x->unit[r].open <= 0)
            continue;
        /* None above what it is allowed to carry, but by its own clients alone. */
        if (load(x, r) > most + SLACK(most) && x->out.guests[r] > SLACK(most))
            fail_msg("region %u carries %.3f of %.3f", r, load(x, r), most);
        /* None passed by with room left: nearest first. */
        if (load(x, r) < most - SLACK(most))
            if (x->out.admit[0][r] < 1)
                fail_msg("region %u carries %.3f of %.3f and admits %.4f", r, load(x, r), most,
                         x->out.admit[0][r]);
    }
}

#define WORLDS 3000

static uint64_t seed_of(void)
{
    const char *text = getenv("SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 20261126;
    printf("SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void no_region_is_overfilled_while_another_has_room(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, seed_of());
    int even = 0, full = 0;
    for (int i = 0; i < WORLDS; i++) {
        struct world x = random_world(&rng, i % 3 == 0, i % 2 == 0);
        if (!any_open(&x))
            continue;
        solve(&x);
        check(&x);
        full += !overloaded(&x);
        if (!overloaded(&x) || i % 3 == 0)
            continue;
        even++; /* without fences all that take guests are filled alike, or by their own */
        double level = 0;
        for (uint32_t r = 0; r < x.w.regions_n; r++)
            if (x.unit[r].open > 0)
                level = fmax(level, x.out.level[r]);
        for (uint32_t r = 0; r < x.w.regions_n; r++)
            if (x.unit[r].open > 0 && load(&x, r) < level * x.region[r].capacity * 0.99)
                fail_msg("world %d: overload %.3f, but region %u carries %.3f of %.3f", i, level, r,
                         load(&x, r), x.region[r].capacity);
    }
    assert_true(even > WORLDS / 20 && full > WORLDS / 20);
}

/* One region after another leaves; none of those left is run over before all are full. */
static void losing_regions_never_cascades(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, seed_of());
    for (int i = 0; i < WORLDS / 10; i++) {
        struct world x = random_world(&rng, false, i % 2 == 0);
        for (uint32_t r = 0; r < x.w.regions_n; r++)
            set_avail(&x, r, 1);
        struct fill_result before = {0};
        for (uint32_t gone = 0; gone + 1 < x.w.regions_n; gone++) {
            double capacity = 0, demand = 0;
            solve(&x);
            check(&x);
            for (uint32_t r = gone; r < x.w.regions_n; r++)
                capacity += x.region[r].capacity;
            for (uint32_t f = 0; f < x.w.flows_n; f++)
                demand += x.flow[f].demand;
            if (demand < capacity)
                assert_false(overloaded(&x));
            for (uint32_t r = gone; !overloaded(&x) && gone > 0 && r < x.w.regions_n; r++)
                if (x.out.admit[0][r] > before.admit[0][r] + 1e-6) /* monotone */
                    fail_msg("world %d: region %u admits %.4f, with one more up %.4f", i, r,
                             x.out.admit[0][r], before.admit[0][r]);
            before = x.out;
            set_avail(&x, gone, 0);
        }
    }
}

static void more_capacity_never_admits_less_anywhere(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, seed_of());
    for (int i = 0; i < WORLDS / 3; i++) {
        struct world x = random_world(&rng, false, i % 2 == 0);
        solve(&x);
        if (overloaded(&x))
            continue;
        struct fill_result before = x.out;
        uint32_t more = rng_below(&rng, x.w.regions_n);
        x.region[more].capacity *= 1.3;
        x.region[more].most *= 1.3;
        solve(&x);
        for (uint32_t r = 0; r < x.w.regions_n; r++)
            assert_true(x.out.admit[0][r] >= before.admit[0][r] - 1e-5);
    }
}

/* Where guests are known to make twice the load that they are said to, half of them fill it. */
static void guests_count_as_they_are_known_to_ask(void **state)
{
    (void)state;
    struct world x = {.w = {.regions_n = 0}};
    for (int r = 0; r < 3; r++)
        add_region(&x, 100);
    x.region[1].swell = 2;
    add_flow(&x, 90, false, "0,1,2");
    set_avail(&x, 0, 0);
    solve(&x);
    assert_near(load(&x, 1), 100, 0.1);
    assert_near(load(&x, 2), 40, 0.1);
    assert_near(x.out.admit[0][1], 50.0 / 90, 0.001);
    assert_true(x.out.level[1] == 1);
}

/* Of what is below 1 guests see a part. */
static void what_is_below_1_takes_guests_where_it_may(void **state)
{
    (void)state;
    struct world x = three();
    set_avail(&x, 0, 0);
    set_avail(&x, 1, 0.6);
    solve(&x);
    assert_near(x.out.guests[1], 0, 1e-4);
    x.flow[1].demand = 0;
    x.unit[1].eases = 0.6;
    x.region[1].capacity = x.region[1].most = 1000;
    for (uint32_t i = 0; i < x.w.flows_n; i++)
        x.flow[i].home = 1;
    solve(&x);
    assert_near(x.out.guests[1], 0.6 * 60, 1e-4);
    x.region[1].shut = 0.5;
    solve(&x);
    assert_near(x.out.guests[1], 0.3 * 60, 1e-4);
    assert_near(x.out.admit[0][1], 0.5, 1e-6);
    x.flow[1].demand = 60;
    set_avail(&x, 1, 0); /* it works, and waits: its own come back, up to what is admitted */
    x.unit[1].eases = 1;
    solve(&x);
    assert_near(x.out.own[1] + x.out.guests[1], 0.5 * 60 + 0.5 * 60, 1e-4);
    x.region[1].swell = 3; /* strangers only */
    solve(&x);
    assert_near(x.out.own[1] + x.out.guests[1], 0.5 * 60 + 3 * 0.5 * 60, 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests_count_as_they_are_known_to_ask),
        cmocka_unit_test(what_is_below_1_takes_guests_where_it_may),
        cmocka_unit_test(nobody_is_refused_while_all_are_at_home),
        cmocka_unit_test(the_nearest_takes_what_it_has_room_for_and_the_next_the_rest),
        cmocka_unit_test(total_overload_is_spread_evenly),
        cmocka_unit_test(own_clients_above_the_mark_overflow_too),
        cmocka_unit_test(fenced_guests_come_before_those_who_can_go_elsewhere),
        cmocka_unit_test(
            members_of_a_group_share_by_weight_and_the_full_one_leaves_it_to_the_other),
        cmocka_unit_test(no_region_is_overfilled_while_another_has_room),
        cmocka_unit_test(losing_regions_never_cascades),
        cmocka_unit_test(more_capacity_never_admits_less_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
