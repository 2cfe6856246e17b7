/* Availability is the chance to stay: how many, who, and where the others go. 20,000 client
 * networks are asked; the hash is fixed, so these numbers are the same in every run. */
#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 20000u
#define GONE UINT32_MAX

#define REGIONS                                                                                    \
    "'regions':[{'name':'eu','at':[51.5,-0.1]},{'name':'us','at':[39.0,-77.5]},"                   \
    "{'name':'ap','at':[35.7,139.7]}],"
#define ENDPOINTS(eu, us, ap)                                                                      \
    "[{'region':'eu','address':'192.0.2.1','weight':" eu "},"                                      \
    "{'region':'us','address':'192.0.2.2','weight':" us "},"                                       \
    "{'region':'ap','address':'192.0.2.3','weight':" ap "}]"
#define WORLD(policy, endpoints)                                                                   \
    "{" LAB_GEO LAB_ZONE REGIONS "'services':[{'name':'w.g.test','policy':'" policy                \
    "','endpoints':" endpoints "}]}"
#define RANKED                                                                                     \
    "[{'region':'eu','address':'192.0.2.1','priority':1},"                                         \
    "{'region':'us','address':'192.0.2.2','priority':2},"                                          \
    "{'region':'ap','address':'192.0.2.3','priority':3}]"
#define EVEN ENDPOINTS("100", "100", "100")

/* Where each client goes, as a region. */
static void ask_all(struct lab *l, uint32_t *out)
{
    for (uint32_t i = 0; i < N; i++) {
        struct ip_prefix net = lab_client(i);
        uint32_t e = lab_pick_net(l, "w.g.test", &net, 1);
        out[i] = e == STEER_NONE ? GONE : lab_region_of(l, e);
    }
}

static uint32_t *one[3];

static int take_memory(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        one[i] = calloc(N, sizeof **one);
    return 0;
}

static int give_memory(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        free(one[i]);
    return 0;
}

static double share(const uint32_t *of, uint32_t region)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < N; i++)
        n += of[i] == region;
    return (double)n / N;
}

static void a_region_at_0_4_keeps_40_percent_under_every_deterministic_policy(void **state)
{
    (void)state;
    static const char *const worlds[] = {WORLD("nearest", EVEN), WORLD("geo", EVEN),
                                         WORLD("latency", EVEN), WORLD("failover", RANKED),
                                         WORLD("sticky", EVEN),  WORLD("nearest | sticky", EVEN)};
    for (size_t w = 0; w < sizeof worlds / sizeof worlds[0]; w++) {
        struct lab l;
        lab_open(&l, worlds[w]);
        ask_all(&l, one[0]);
        lab_set_region(&l, "eu", 0.4);
        ask_all(&l, one[1]);
        ask_all(&l, one[2]);
        uint32_t own = 0, kept = 0;
        for (uint32_t i = 0; i < N; i++) {
            if (one[0][i] == 0) {
                own++;
                kept += one[1][i] == 0;
            } else
                assert_int_equal(one[0][i], one[1][i]); /* nobody else moves */
            assert_int_equal(one[1][i], one[2][i]);     /* the same when asked again */
        }
        assert_true(own > 1000);
        assert_near((double)kept / own, 0.4, 0.015);
        lab_close(&l);
    }
}

static void who_leaves_goes_to_the_next_best_for_that_client(void **state)
{
    (void)state;
    static const struct {
        const char *net;
        uint32_t next; /* after eu */
    } clients[] = {{"81.0.0.0", 1}, {"80.1.0.0", 1}};
    struct lab l;
    lab_open(&l, WORLD("nearest", EVEN));
    lab_set_region(&l, "eu", 0.5);
    uint32_t moved = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        struct ip_prefix net = {.ip = lab_ip(clients[i & 1].net), .len = 24};
        net.ip.b[1] = (uint8_t)(i & 1 ? 1 : i >> 9);
        net.ip.b[2] = (uint8_t)(i >> 1);
        uint32_t r = lab_region_of(&l, lab_pick_net(&l, "w.g.test", &net, 1));
        moved += r != 0;
        if (r != 0)
            assert_int_equal(r, clients[i & 1].next);
        struct ip_prefix far = {.ip = {.family = 4, .b = {58, (uint8_t)(i >> 8), (uint8_t)i}},
                                .len = 24};
        assert_int_equal(lab_region_of(&l, lab_pick_net(&l, "w.g.test", &far, 1)), 2);
    }
    assert_in_range(moved, 900, 1100);
    lab_set_region(&l, "us", 0.9); /* not at 1: it keeps its own and takes no guests */
    struct ip_prefix net = lab_prefix("81.0.0.0/24");
    for (uint32_t i = 0; i < 256; i++) {
        net.ip.b[2] = (uint8_t)i;
        assert_int_not_equal(lab_region_of(&l, lab_pick_net(&l, "w.g.test", &net, 1)), 1);
    }
    lab_close(&l);
}

static void lowering_only_removes_and_raising_only_returns(void **state)
{
    (void)state;
    static const char *const worlds[] = {WORLD("nearest", EVEN), WORLD("sticky", EVEN),
                                         WORLD("nearest within=20000 | sticky", EVEN)};
    for (size_t w = 0; w < 3; w++) {
        struct lab l;
        lab_open(&l, worlds[w]);
        lab_set_region(&l, "us", 1);
        double last = 1;
        ask_all(&l, one[0]);
        for (double avail = 0.9; avail > -0.05; avail -= 0.1) {
            lab_set_region(&l, "eu", avail < 0.05 ? 0 : avail);
            ask_all(&l, one[1]);
            for (uint32_t i = 0; i < N; i++) {
                if (one[0][i] != one[1][i])
                    assert_int_equal(one[0][i], 0); /* only eu's clients move, and away */
                one[0][i] = one[1][i];
            }
            assert_true(share(one[1], 0) < last);
            last = share(one[1], 0);
        }
        assert_true(last == 0);
        for (double avail = 0.1; avail < 1.05; avail += 0.1) {
            lab_set_region(&l, "eu", avail > 0.95 ? 1 : avail);
            ask_all(&l, one[1]);
            for (uint32_t i = 0; i < N; i++) {
                if (one[0][i] != one[1][i])
                    assert_int_equal(one[1][i], 0);
                one[0][i] = one[1][i];
            }
        }
        lab_close(&l);
    }
}

static void the_last_to_leave_are_the_first_to_return(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("nearest", EVEN));
    static const double steps[] = {1, 0.7, 0.4, 0.1, 0};
    /* The way down, remembered by the step at which a client left, is the way up. */
    for (size_t i = 0; i < 5; i++) {
        lab_set_region(&l, "eu", steps[i]);
        ask_all(&l, one[1]);
        for (uint32_t k = 0; k < N; k++)
            if (one[1][k] == 0)
                one[0][k] = (uint32_t)i; /* the last step at which it was there */
    }
    for (size_t i = 4; i-- > 0;) {
        lab_set_region(&l, "eu", steps[i]);
        ask_all(&l, one[1]);
        for (uint32_t k = 0; k < N; k++)
            if (one[1][k] == 0)
                assert_true(one[0][k] >= i);
    }
    lab_close(&l);
}

static void site_and_endpoint_availability_count_like_the_regions(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("nearest", EVEN));
    lab_set_region(&l, "eu", 0.4);
    ask_all(&l, one[0]);
    lab_set_region(&l, "eu", 1);
    lab_set_site(&l, "w.g.test", "eu", 0.4);
    ask_all(&l, one[1]);
    assert_memory_equal(one[0], one[1], N * sizeof **one);
    lab_set_endpoint(&l, "w.g.test", "192.0.2.1", 0.4);
    lab_set_region(&l, "eu", 0.4);
    ask_all(&l, one[1]);
    assert_memory_equal(one[0], one[1], N * sizeof **one); /* the smallest, not the product */
    lab_close(&l);
}

static void weights_are_kept_within_two_points(void **state)
{
    (void)state;
    static const char *const worlds[] = {WORLD("weighted", ENDPOINTS("50", "30", "20")),
                                         WORLD("sticky", ENDPOINTS("50", "30", "20"))};
    for (size_t w = 0; w < 2; w++) {
        struct lab l;
        lab_open(&l, worlds[w]);
        ask_all(&l, one[0]);
        assert_near(share(one[0], 0), 0.5, 0.02);
        assert_near(share(one[0], 1), 0.3, 0.02);
        assert_near(share(one[0], 2), 0.2, 0.02);
        lab_set_region(&l, "eu", 0.5); /* half of eu's go where the weights send them */
        ask_all(&l, one[0]);
        assert_near(share(one[0], 0), 0.25, 0.02);
        assert_near(share(one[0], 1), 0.3 + 0.25 * 0.6, 0.02);
        assert_near(share(one[0], 2), 0.2 + 0.25 * 0.4, 0.02);
        lab_close(&l);
    }
}

static void where_nothing_is_at_one_weight_times_availability_decides(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("weighted", ENDPOINTS("100", "100", "200")));
    lab_set_region(&l, "eu", 0.2);
    lab_set_region(&l, "us", 0.8);
    lab_set_region(&l, "ap", 0);
    ask_all(&l, one[0]);
    /* Placed 25 25 50 %: 5 and 20 stay, 75 are spread 1 to 4. */
    assert_near(share(one[0], 0), 0.05 + 0.75 * 0.2, 0.02);
    assert_near(share(one[0], 1), 0.20 + 0.75 * 0.8, 0.02);
    assert_true(share(one[0], 2) == 0);
    lab_close(&l);
}

static void under_sticky_too_and_by_all_endpoints_of_a_region(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("sticky", "[{'region':'eu','address':'192.0.2.1','weight':100},"
                                 "{'region':'eu','address':'192.0.2.11','weight':100},"
                                 "{'region':'us','address':'192.0.2.2','weight':200}]"));
    lab_set_endpoint(&l, "w.g.test", "192.0.2.1", 0.0001);
    lab_set_endpoint(&l, "w.g.test", "192.0.2.11", 0.5);
    lab_set_region(&l, "us", 0.1);
    ask_all(&l, one[0]);
    /* Placed half and half: 12.5 and 5 % stay in their way, the rest is spread 50 to 20. */
    double rest = 0.25 + 0.125 + 0.45;
    assert_near(share(one[0], 0), 0.125 + rest * 50 / 70, 0.03);
    assert_near(share(one[0], 1), 0.05 + rest * 20 / 70, 0.03);
    lab_close(&l);
}

static void removing_a_region_moves_only_its_own_sticky_clients(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("sticky", EVEN));
    ask_all(&l, one[0]);
    lab_reopen(&l, WORLD("sticky", "[{'region':'eu','address':'192.0.2.1'},"
                                   "{'region':'ap','address':'192.0.2.3'}]"));
    ask_all(&l, one[1]);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_not_equal(one[1][i], 1);
        if (one[0][i] != 1)
            assert_int_equal(one[0][i], one[1][i]);
    }
    /* Taking it back is the same the other way; switching it off is like removing it. */
    lab_reopen(&l, WORLD("sticky", EVEN));
    ask_all(&l, one[2]);
    assert_memory_equal(one[0], one[2], N * sizeof **one);
    lab_set_region_word(&l, "us", STEER_WORD_OFF);
    ask_all(&l, one[2]);
    assert_memory_equal(one[1], one[2], N * sizeof **one);
    lab_close(&l);
}

static void a_change_of_weight_moves_sticky_clients_in_one_direction_only(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("sticky", EVEN));
    ask_all(&l, one[0]);
    lab_reopen(&l, WORLD("sticky", ENDPOINTS("100", "150", "100")));
    ask_all(&l, one[1]);
    uint32_t moved = 0;
    for (uint32_t i = 0; i < N; i++) {
        moved += one[0][i] != one[1][i];
        if (one[0][i] != one[1][i])
            assert_int_equal(one[1][i], 1);
    }
    assert_near((double)moved / N, 150 / 350.0 - 1 / 3.0, 0.015);
    lab_close(&l);
}

static void two_servers_give_the_same_sticky_answers(void **state)
{
    (void)state;
    struct lab a, b;
    lab_open(&a, WORLD("nearest within=9000 | sticky", EVEN));
    lab_open(&b, WORLD("nearest within=9000 | sticky", EVEN));
    rng_seed(&b.worker.rng, 99);
    lab_set_region(&a, "us", 0.3);
    lab_set_region(&b, "us", 0.3);
    ask_all(&a, one[0]);
    ask_all(&b, one[1]);
    assert_memory_equal(one[0], one[1], N * sizeof **one);
    lab_close(&a);
    lab_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_region_at_0_4_keeps_40_percent_under_every_deterministic_policy),
        cmocka_unit_test(who_leaves_goes_to_the_next_best_for_that_client),
        cmocka_unit_test(lowering_only_removes_and_raising_only_returns),
        cmocka_unit_test(the_last_to_leave_are_the_first_to_return),
        cmocka_unit_test(site_and_endpoint_availability_count_like_the_regions),
        cmocka_unit_test(weights_are_kept_within_two_points),
        cmocka_unit_test(where_nothing_is_at_one_weight_times_availability_decides),
        cmocka_unit_test(under_sticky_too_and_by_all_endpoints_of_a_region),
        cmocka_unit_test(removing_a_region_moves_only_its_own_sticky_clients),
        cmocka_unit_test(a_change_of_weight_moves_sticky_clients_in_one_direction_only),
        cmocka_unit_test(two_servers_give_the_same_sticky_answers),
    };
    return cmocka_run_group_tests(tests, take_memory, give_memory);
}
