/* Regions that are full pass guests on: how many, who, and that the flows are those of steer/fill. */
#include "lab.h"

#include "steer/fill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 20000u

#define REGIONS                                                                                    \
    "'regions':[{'name':'eu','at':[51.5,-0.1]},{'name':'us','at':[39.0,-77.5]},"                   \
    "{'name':'ap','at':[35.7,139.7]}],"
#define ENDPOINTS                                                                                  \
    "[{'region':'eu','address':'192.0.2.1','weight':100},"                                         \
    "{'region':'us','address':'192.0.2.2','weight':100},"                                          \
    "{'region':'ap','address':'192.0.2.3','weight':50}]"
#define WORLD(policy)                                                                              \
    "{" LAB_GEO LAB_ZONE REGIONS "'services':[{'name':'w.g.test','policy':'" policy                \
    "','endpoints':" ENDPOINTS "}]}"
#define FENCED                                                                                     \
    "{" LAB_GEO LAB_ZONE REGIONS                                                                   \
    "'maps':[{'name':'m','rules':[{'where':'default','regions':['eu','us']}]}],"                   \
    "'services':[{'name':'w.g.test','policy':'fence | nearest','map':'m','endpoints':" ENDPOINTS   \
    "}]}"

static uint8_t seen[3][N];

static void ask_all(struct lab *l, uint8_t *out)
{
    for (uint32_t i = 0; i < N; i++) {
        struct ip_prefix net = lab_client(i);
        uint32_t e = lab_pick_net(l, "w.g.test", &net, 1);
        assert_int_not_equal(e, STEER_NONE);
        out[i] = (uint8_t)lab_region_of(l, e);
    }
}

static double share_of(const uint8_t *of, uint8_t region)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < N; i++)
        n += of[i] == region;
    return (double)n / N;
}

static void a_full_region_passes_guests_on_and_keeps_its_own(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("nearest"));
    ask_all(&l, seen[0]);
    lab_set_region(&l, "eu", 0);
    ask_all(&l, seen[1]);
    lab_set_spill(&l, "us", 0.35, 1);
    ask_all(&l, seen[2]);
    uint32_t came = 0, stayed = 0;
    for (uint32_t i = 0; i < N; i++) {
        if (seen[0][i] != 0 || seen[1][i] != 1)
            assert_int_equal(seen[2][i], seen[1][i]); /* at home, or guests elsewhere */
        else {
            came++;
            stayed += seen[2][i] == 1;
            assert_int_not_equal(seen[2][i], 0);
        }
    }
    assert_true(came > 500);
    assert_near((double)stayed / came, 0.35, 0.03);
    lab_close(&l);
}

static void refusing_more_only_removes_and_admitting_more_only_returns(void **state)
{
    (void)state;
    static const char *const worlds[] = {WORLD("nearest"), WORLD("sticky"),
                                         WORLD("nearest within=20000 | sticky")};
    for (size_t w = 0; w < 3; w++) {
        struct lab l;
        lab_open(&l, worlds[w]);
        lab_set_region(&l, "eu", 0);
        ask_all(&l, seen[0]);
        memcpy(seen[2], seen[0], sizeof seen[0]);
        for (int step = 9; step >= -9; step--) { /* 0.9 to 0 to 0.9 */
            lab_set_spill(&l, "us", abs(step) / 10.0, 1);
            ask_all(&l, seen[1]);
            for (uint32_t i = 0; i < N; i++) {
                if (seen[0][i] != seen[1][i])
                    assert_int_equal(step >= 0 ? seen[0][i] : seen[1][i], 1);
                seen[0][i] = seen[1][i];
            }
        }
        lab_set_spill(&l, "us", 1, 1);
        ask_all(&l, seen[1]);
        assert_memory_equal(seen[1], seen[2], sizeof seen[1]);
        lab_close(&l);
    }
}

static void whom_nobody_admits_is_answered_as_if_all_did(void **state)
{
    (void)state;
    static const char *const worlds[] = {WORLD("nearest"), WORLD("sticky")};
    for (size_t w = 0; w < 2; w++) {
        struct lab l;
        lab_open(&l, worlds[w]);
        lab_set_region(&l, "eu", 0);
        ask_all(&l, seen[0]);
        lab_set_spill(&l, "us", 0, 0);
        lab_set_spill(&l, "ap", 0, 0);
        ask_all(&l, seen[1]);
        assert_memory_equal(seen[0], seen[1], sizeof seen[0]);
        lab_close(&l);
    }
}

static void those_behind_a_fence_have_a_word_of_their_own(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, FENCED);
    lab_set_region(&l, "eu", 0.5);
    ask_all(&l, seen[0]);
    lab_set_spill(&l, "us", 0, 1);
    ask_all(&l, seen[1]);
    assert_memory_equal(seen[0], seen[1], sizeof seen[0]);
    lab_set_region(&l, "eu", 1);
    ask_all(&l, seen[0]);
    lab_set_region(&l, "us", 0);
    lab_set_spill(&l, "eu", 1, 0.2); /* and nowhere else to go */
    ask_all(&l, seen[1]);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(seen[1][i], 0);
    lab_close(&l);
}

/* The plan of steer/fill and the answers on the wire are the same, groups included. */
static void flows_are_those_of_the_plan(void **state)
{
    (void)state;
    static const double boards[][6] = {/* availability; admission */
                                       {0, 1, 1, 1, 0.35, 1},
                                       {0, 1, 1, 1, 0.35, 0.5},
                                       {0.4, 1, 1, 1, 0, 0.7},
                                       {1, 0, 1, 0.2, 1, 0.1},
                                       {0.5, 0.5, 1, 1, 1, 0.3}};
    static const char *const worlds[] = {WORLD("weighted"), WORLD("sticky")};
    static const uint16_t row[] = {STEER_GROUP, 1, 2};
    static const char *const regions[] = {"eu", "us", "ap"};
    for (size_t w = 0; w < 2; w++)
        for (size_t b = 0; b < sizeof boards / sizeof boards[0]; b++) {
            struct lab l;
            struct fill_unit unit[3];
            struct fill_flow f = {.row = row, .row_n = 3, .unit = unit, .demand = 1};
            double share[STEER_REGIONS_MAX];
            lab_open(&l, worlds[w]);
            for (uint8_t r = 0; r < 3; r++) {
                lab_set_region(&l, regions[r], boards[b][r]);
                lab_set_spill(&l, regions[r], boards[b][3 + r], 1);
                unit[r] = (struct fill_unit){.region = r,
                                             .weight = r == 2 ? 50 : 100,
                                             .keep = boards[b][r],
                                             .open = boards[b][r] >= 1};
            }
            ask_all(&l, seen[0]);
            fill_spread(&f, boards[b] + 3, NULL, share, NULL);
            for (uint8_t r = 0; r < 3; r++)
                if (share_of(seen[0], r) < share[r] - 0.02 ||
                    share_of(seen[0], r) > share[r] + 0.02)
                    fail_msg("world %zu board %zu: %s has %.3f, planned %.3f", w, b, regions[r],
                             share_of(seen[0], r), share[r]);
            lab_close(&l);
        }
}

/* Of those who come from eu, and have us next: how many are in us now? */
static double taken(void)
{
    uint32_t came = 0, here = 0;
    for (uint32_t i = 0; i < N; i++) {
        if (seen[0][i] != 0)
            continue;
        came++;
        here += seen[2][i] == 1;
    }
    assert_true(came > 500);
    return (double)here / came;
}

static void what_is_below_1_takes_guests_only_where_they_are_eased(void **state)
{
    (void)state;
    static const uint32_t words[] = {39322, STEER_WORD_WAITS}; /* 0.6; out, but it works */
    for (size_t k = 0; k < 2; k++) {
        struct lab l;
        lab_open(&l, WORLD("nearest"));
        ask_all(&l, seen[0]);
        lab_set_region(&l, "eu", 0);
        lab_set_region_word(&l, "us", words[k]);
        lab_set_spill(&l, "us", 0.5, 1);
        ask_all(&l, seen[2]);
        assert_near(taken(), 0, 0);
        snapshot_spill_ease(&l.s->steer.board, true);
        ask_all(&l, seen[2]);
        assert_near(taken(), k == 0 ? 0.3 : 0.5, 0.02);
        memcpy(seen[1], seen[2], sizeof seen[1]);
        lab_set_spill(&l, "us", 0.8, 1); /* more are added, nobody else moves */
        ask_all(&l, seen[2]);
        assert_near(taken(), k == 0 ? 0.48 : 0.8, 0.02);
        for (uint32_t i = 0; i < N; i++)
            assert_true(seen[1][i] == seen[2][i] || seen[2][i] == 1);
        lab_set_region_word(&l, "us", STEER_WORD_WAITS | STEER_WORD_OFF); /* a person's word */
        ask_all(&l, seen[2]);
        assert_near(taken(), 0, 0);
        lab_close(&l);
    }
}

/* A region that is below 1 has its own clients as guests, too: they come back in the order in which they
 * would without. */
static void its_own_clients_are_guests_at_home_in_their_order(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("nearest"));
    lab_set_region(&l, "eu", 0.4);
    ask_all(&l, seen[0]);
    lab_set_region_word(&l, "eu", STEER_WORD_WAITS);
    lab_set_spill(&l, "eu", 0.4, 1);
    snapshot_spill_ease(&l.s->steer.board, true);
    ask_all(&l, seen[1]);
    assert_near(share_of(seen[1], 0), 0.4, 0.02);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(seen[1][i] == 0, seen[0][i] == 0);
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_region_passes_guests_on_and_keeps_its_own),
        cmocka_unit_test(refusing_more_only_removes_and_admitting_more_only_returns),
        cmocka_unit_test(whom_nobody_admits_is_answered_as_if_all_did),
        cmocka_unit_test(those_behind_a_fence_have_a_word_of_their_own),
        cmocka_unit_test(what_is_below_1_takes_guests_only_where_they_are_eased),
        cmocka_unit_test(its_own_clients_are_guests_at_home_in_their_order),
        cmocka_unit_test(flows_are_those_of_the_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
