/* The chooser's rules one by one: weights, drains, types, many answers. */
#include "lab.h"

#include "base/check.h"
#include "dns/types.h"

#include <stdio.h>
#include <string.h>

#define REGIONS "'regions':[{'name':'eu'},{'name':'us'},{'name':'ap'}],"
#define SERVICE(policy, more, endpoints)                                                           \
    "{'name':'w.g.test','policy':'" policy "'," more "'endpoints':" endpoints "}"
#define WORLD(policy, more, endpoints)                                                             \
    "{" LAB_ZONE REGIONS "'services':[" SERVICE(policy, more, endpoints) "]}"
#define RANKED                                                                                     \
    "[{'region':'eu','address':'192.0.2.1','priority':1},"                                         \
    "{'region':'us','address':'192.0.2.2','priority':2},"                                          \
    "{'region':'ap','address':'192.0.2.3','priority':3}]"

static void assert_pick(struct lab *l, const char *want)
{
    for (int i = 0; i < 20; i++)
        assert_string_equal(lab_pick(l, "w.g.test", "203.0.113.0/24"), want);
}

static void weight_zero_takes_no_client_while_another_can(void **state)
{
    (void)state;
    static const char *const worlds[] = {
        WORLD("weighted", "",
              "[{'region':'eu','address':'192.0.2.1','weight':0},"
              "{'region':'us','address':'192.0.2.2','weight':1}]"),
        WORLD("sticky", "",
              "[{'region':'eu','address':'192.0.2.1','weight':0},"
              "{'region':'us','address':'192.0.2.2','weight':1}]"),
        WORLD("all", "",
              "[{'region':'eu','address':'192.0.2.1','weight':0},"
              "{'region':'us','address':'192.0.2.2','weight':1}]"),
        WORLD("geo", "",
              "[{'region':'eu','address':'192.0.2.1','weight':0},"
              "{'region':'us','address':'192.0.2.2','weight':1}]")};
    for (size_t w = 0; w < 4; w++) {
        struct lab l;
        lab_open(&l, worlds[w]);
        assert_pick(&l, "192.0.2.2");
        lab_set_region(&l, "us", 0.01); /* still another can */
        assert_pick(&l, "192.0.2.2");
        lab_set_region(&l, "us", 0);
        assert_pick(&l, "192.0.2.1");
        lab_set_region(&l, "us", 1);
        lab_set_region_word(&l, "us", STEER_WORD_DRAIN); /* weight 0 before drained */
        assert_pick(&l, "192.0.2.1");
        lab_set_all(&l, 0); /* fails open as if all were up: weight 0 takes none then either */
        assert_pick(&l, "192.0.2.2");
        lab_close(&l);
    }
}

/* Region, site and endpoint, each alone: who is the only one of its group has to heed all three. */
static void any_of_the_three_words_moves_the_clients(void **state)
{
    (void)state;
    static const char *const policies[] = {"failover", "failover | sticky", "failover | all"};
    static const uint32_t words[] = {0, STEER_WORD_OFF | AVAIL_FULL, STEER_WORD_DRAIN | AVAIL_FULL};
    for (size_t p = 0; p < 3; p++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "{" LAB_ZONE REGIONS "'services':[{'name':'w.g.test','policy':'%s',"
                 "'endpoints':" RANKED "}]}",
                 policies[p]);
        struct lab l;
        lab_open(&l, text);
        for (size_t w = 0; w < 3; w++) {
            assert_pick(&l, "192.0.2.1");
            lab_set_endpoint_word(&l, "w.g.test", "192.0.2.1", words[w]);
            assert_pick(&l, "192.0.2.2");
            lab_set_all(&l, 1);
            lab_set_region_word(&l, "eu", words[w]);
            assert_pick(&l, "192.0.2.2");
            lab_set_all(&l, 1);
            snapshot_board_set(steer_site_word(&l.s->steer, 0, 0), 0, words[w]);
            assert_pick(&l, "192.0.2.2");
            lab_set_all(&l, 1);
        }
        lab_close(&l);
    }
}

static void a_drained_endpoint_is_used_before_any_dead_one_and_off_never(void **state)
{
    (void)state;
    static const char *const worlds[] = {WORLD("failover", "", RANKED),
                                         WORLD("failover | sticky", "", RANKED),
                                         WORLD("failover | all", "", RANKED)};
    for (size_t w = 0; w < 3; w++) {
        struct lab l;
        lab_open(&l, worlds[w]);
        assert_pick(&l, "192.0.2.1");
        lab_set_region_word(&l, "eu", STEER_WORD_DRAIN);
        assert_pick(&l, "192.0.2.2");
        lab_set_region(&l, "us", 0);
        lab_set_endpoint(&l, "w.g.test", "192.0.2.3", 0);
        assert_pick(&l, "192.0.2.1"); /* drained, but alive */
        lab_set_endpoint_word(&l, "w.g.test", "192.0.2.1", STEER_WORD_OFF);
        assert_pick(&l, "192.0.2.2"); /* fails open, past what is off */
        lab_set_region_word(&l, "us", STEER_WORD_OFF);
        assert_pick(&l, "192.0.2.3");
        lab_set_region_word(&l, "ap", STEER_WORD_OFF | STEER_WORD_DRAIN);
        assert_pick(&l, "nodata"); /* all of it switched off by a person */
        lab_close(&l);
    }
}

static void a_drained_endpoint_that_is_dead_is_dead(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("failover", "", RANKED));
    lab_set_region_word(&l, "eu", STEER_WORD_DRAIN);
    lab_set_endpoint(&l, "w.g.test", "192.0.2.1", 0);
    lab_set_region(&l, "us", 0);
    lab_set_region_word(&l, "ap", STEER_WORD_DRAIN);
    assert_pick(&l, "192.0.2.3");
    lab_set_endpoint(&l, "w.g.test", "192.0.2.3", 0);
    assert_pick(&l, "192.0.2.2"); /* open: as if up, and who is up and not drained goes first */
    lab_close(&l);
}

static void one_endpoint_of_a_region_down_moves_clients_to_its_neighbour(void **state)
{
    (void)state;
    static const char *const worlds[] = {
        WORLD("geo", "",
              "[{'region':'eu','address':'192.0.2.1'},{'region':'eu','address':"
              "'192.0.2.11'},{'region':'us','address':'192.0.2.2'}]"),
        WORLD("geo | sticky", "",
              "[{'region':'eu','address':'192.0.2.1'},{'region':'eu','address':"
              "'192.0.2.11'},{'region':'us','address':'192.0.2.2'}]")};
    for (size_t w = 0; w < 2; w++) {
        struct lab l;
        lab_open(&l, worlds[w]);
        lab_set_endpoint(&l, "w.g.test", "192.0.2.1", 0);
        for (uint32_t i = 0; i < 200; i++) {
            struct ip_prefix net = lab_client(i);
            assert_string_equal(lab_address(&l, lab_pick_net(&l, "w.g.test", &net, DNS_A)),
                                "192.0.2.11");
        }
        lab_close(&l);
    }
}

/* ---------------------------------------------------------------------------------- A and AAAA */

#define BOTH                                                                                       \
    "[{'region':'eu','address':'192.0.2.1','priority':1},"                                         \
    "{'region':'eu','address':'2001:db8::1','priority':1,'weight':30},"                            \
    "{'region':'us','address':'192.0.2.2','priority':2,'weight':70},"                              \
    "{'region':'us','address':'2001:db8::2','priority':2},"                                        \
    "{'region':'ap','address':'192.0.2.3','priority':3}]"

static void a_and_aaaa_come_from_the_same_region(void **state)
{
    (void)state;
    static const char *const worlds[] = {WORLD("sticky", "", BOTH), WORLD("geo", "", BOTH),
                                         WORLD("failover", "", BOTH),
                                         WORLD("failover | sticky", "", BOTH)};
    for (size_t w = 0; w < 4; w++) {
        for (int avail = 0; avail <= 10; avail += 2) {
            struct lab l;
            lab_open(&l, worlds[w]);
            lab_set_region(&l, "eu", avail / 10.0);
            for (uint32_t i = 0; i < 500; i++) {
                struct ip_prefix net = lab_client(i);
                uint32_t a = lab_pick_net(&l, "w.g.test", &net, DNS_A),
                         aaaa = lab_pick_net(&l, "w.g.test", &net, DNS_AAAA);
                assert_int_equal(steer_endpoint_of(&l.s->steer, 0, a)->family, STEER_V4);
                assert_int_equal(steer_endpoint_of(&l.s->steer, 0, aaaa)->family, STEER_V6);
                if (lab_region_of(&l, a) != 2) /* ap has no AAAA and is skipped */
                    assert_int_equal(lab_region_of(&l, a), lab_region_of(&l, aaaa));
            }
            lab_close(&l);
        }
    }
}

static void a_region_that_lacks_the_type_is_skipped(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("failover", "",
                       "[{'region':'ap','address':'192.0.2.3','priority':1},"
                       "{'region':'eu','address':'192.0.2.1','priority':2},"
                       "{'region':'eu','address':'2001:db8::1','priority':2}]"));
    struct ip_prefix net = lab_prefix("203.0.113.0/24");
    assert_string_equal(lab_address(&l, lab_pick_net(&l, "w.g.test", &net, DNS_A)), "192.0.2.3");
    assert_string_equal(lab_address(&l, lab_pick_net(&l, "w.g.test", &net, DNS_AAAA)),
                        "2001:db8::1");
    lab_set_region(&l, "eu", 0); /* the type's only region is dead: open, not empty */
    assert_string_equal(lab_address(&l, lab_pick_net(&l, "w.g.test", &net, DNS_AAAA)),
                        "2001:db8::1");
    lab_close(&l);
}

/* ----------------------------------------------------------------------------------------- all */

static void all_n(struct lab *l, const char *net, struct answer_plan *p)
{
    lab_decide(l, &(struct lab_question){.name = "w.g.test", .type = DNS_A, .subnet = net}, p);
    assert_int_equal(p->kind, PLAN_SERVICE);
    for (uint16_t i = 0; i < p->steer.n; i++)
        for (uint16_t k = 0; k < i; k++)
            assert_int_not_equal(p->steer.endpoint[i], p->steer.endpoint[k]);
}

#define SIX                                                                                        \
    "[{'region':'eu','address':'192.0.2.1','priority':1},"                                         \
    "{'region':'eu','address':'192.0.2.11','priority':1},"                                         \
    "{'region':'us','address':'192.0.2.2','priority':1},"                                          \
    "{'region':'us','address':'192.0.2.12','priority':1},"                                         \
    "{'region':'ap','address':'192.0.2.3','priority':2},"                                          \
    "{'region':'ap','address':'192.0.2.13','priority':3}]"

static void all_gives_every_live_endpoint_of_the_first_group_in_any_order(void **state)
{
    (void)state;
    struct lab l;
    struct answer_plan p;
    lab_open(&l, WORLD("failover | all", "", SIX));
    unsigned first[8] = {0};
    for (int i = 0; i < 4000; i++) {
        all_n(&l, "203.0.113.0/24", &p);
        assert_int_equal(p.steer.n, 4);
        first[p.steer.endpoint[0]]++;
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(first[i], 850, 1150);
    lab_set_endpoint(&l, "w.g.test", "192.0.2.11", 0);
    all_n(&l, "203.0.113.0/24", &p);
    assert_int_equal(p.steer.n, 3);
    lab_set_region(&l, "eu", 0);
    lab_set_region(&l, "us", 0);
    all_n(&l, "203.0.113.0/24", &p);
    assert_int_equal(p.steer.n, 1);
    assert_string_equal(lab_address(&l, p.steer.endpoint[0]), "192.0.2.3");
    lab_close(&l);
}

static void answers_bounds_all_and_every_member_gets_its_turn(void **state)
{
    (void)state;
    struct lab l;
    struct answer_plan p;
    lab_open(&l, WORLD("all", "'answers':2,", SIX));
    unsigned seen[8] = {0};
    for (int i = 0; i < 3000; i++) {
        all_n(&l, "203.0.113.0/24", &p);
        assert_int_equal(p.steer.n, 2);
        seen[p.steer.endpoint[0]]++;
        seen[p.steer.endpoint[1]]++;
    }
    for (int i = 0; i < 6; i++)
        assert_in_range(seen[i], 850, 1150);
    lab_close(&l);
}

static void all_keeps_a_region_s_share_of_clients_and_no_guests_go_to_a_part(void **state)
{
    (void)state;
    struct lab l;
    struct answer_plan p;
    lab_open(&l, WORLD("failover | all", "",
                       "[{'region':'eu','address':'192.0.2.1','priority':1},"
                       "{'region':'us','address':'192.0.2.2','priority':2},"
                       "{'region':'ap','address':'192.0.2.3','priority':3}]"));
    lab_set_region(&l, "eu", 0.4);
    lab_set_region(&l, "us", 0.5);
    uint32_t at[3] = {0}, n = 10000;
    for (uint32_t i = 0; i < n; i++) {
        lab_decide(&l,
                   &(struct lab_question){.name = "w.g.test", .type = DNS_A, .net = lab_client(i)},
                   &p);
        assert_int_equal(p.steer.n, 1);
        at[p.steer.endpoint[0]]++;
    }
    assert_near((double)at[0] / n, 0.4, 0.015);
    assert_int_equal(at[1], 0); /* who does not stay goes to a member at 1 */
    lab_close(&l);
}

/* A region of n addresses weighing 10, 20, 30, 10, … */
static void open_group(struct lab *l, unsigned n)
{
    char list[8192] = "[", json[9000];
    for (unsigned i = 0; i < n; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list),
                 "%s{'region':'eu','address':'192.0.2.%u','weight':%u}", i ? "," : "", i + 1,
                 10 * (i % 3 + 1));
    snprintf(json, sizeof json,
             "{" LAB_ZONE "'regions':[{'name':'eu'}],'services':[{'name':'w.g.test','policy':"
             "'weighted','endpoints':%s]}]}",
             list);
    lab_open(l, json);
}

static void draw(struct lab *l, bool hashed, double share[64])
{
    enum { N = 20000 };
    struct answer_plan p;
    memset(share, 0, 64 * sizeof *share);
    for (uint32_t i = 0; i < N; i++) {
        lab_decide(
            l, &(struct lab_question){.name = "w.g.test", .type = DNS_A, .net = lab_client(i)}, &p);
        assert_int_equal(p.steer.n, 1);
        assert_int_equal(p.steer.hashed, hashed);
        share[p.steer.endpoint[0]] += 1.0 / N;
    }
}

/* Groups above a size are looked at another way: nobody may tell. */
static void a_group_of_any_size_is_drawn_by_weight(void **state)
{
    (void)state;
    static const unsigned sizes[] = {2, 15, 16, 17, 40};
    for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
        struct lab l;
        double share[64], half[64], sum = 0;
        unsigned n = sizes[k];
        for (unsigned i = 0; i < n; i++)
            sum += 10 * (i % 3 + 1);
        open_group(&l, n);
        draw(&l, false, share);
        lab_set_endpoint(&l, "w.g.test", "192.0.2.2", 0);
        draw(&l, false, half); /* nobody stays at a dead one, whatever the hash */
        assert_true(half[lab_endpoint(&l, "w.g.test", "192.0.2.2")] == 0);
        lab_set_endpoint(&l, "w.g.test", "192.0.2.2", 0.5);
        draw(&l, true, half);
        for (unsigned i = 0; i < n; i++) {
            char address[32];
            snprintf(address, sizeof address, "192.0.2.%u", i + 1);
            uint32_t at = lab_endpoint(&l, "w.g.test", address);
            assert_near(share[at], 10 * (i % 3 + 1) / sum, 0.012);
            if (i == 1)
                assert_near(half[at], 20 / sum / 2, 0.012);
        }
        lab_close(&l);
    }
}

static void the_reason_is_told(void **state)
{
    (void)state;
    struct lab l;
    struct answer_plan p;
    struct lab_question q = {.name = "w.g.test", .type = DNS_A, .subnet = "203.0.113.0/24"};
    lab_open(&l, WORLD("failover", "", RANKED));
    lab_decide(&l, &q, &p);
    assert_int_equal(p.steer.why, STEER_WHY_HOME);
    lab_set_region(&l, "eu", 0);
    lab_decide(&l, &q, &p);
    assert_int_equal(p.steer.why, STEER_WHY_MOVED);
    lab_set_region(&l, "us", 0);
    lab_set_region(&l, "ap", 0.00002);
    lab_decide(&l, &q, &p);
    assert_int_equal(p.steer.why, STEER_WHY_PARTIAL);
    lab_set_region_word(&l, "ap", STEER_WORD_DRAIN);
    lab_decide(&l, &q, &p);
    assert_int_equal(p.steer.why, STEER_WHY_DRAINED);
    lab_set_region(&l, "ap", 0);
    lab_decide(&l, &q, &p);
    assert_int_equal(p.steer.why, STEER_WHY_FAIL_OPEN);
    for (int i = 0; i <= STEER_WHY_NO_TYPE; i++)
        assert_true(strlen(steer_why_text((enum steer_why)i)) > 10);
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weight_zero_takes_no_client_while_another_can),
        cmocka_unit_test(any_of_the_three_words_moves_the_clients),
        cmocka_unit_test(a_drained_endpoint_is_used_before_any_dead_one_and_off_never),
        cmocka_unit_test(a_drained_endpoint_that_is_dead_is_dead),
        cmocka_unit_test(one_endpoint_of_a_region_down_moves_clients_to_its_neighbour),
        cmocka_unit_test(a_and_aaaa_come_from_the_same_region),
        cmocka_unit_test(a_region_that_lacks_the_type_is_skipped),
        cmocka_unit_test(all_gives_every_live_endpoint_of_the_first_group_in_any_order),
        cmocka_unit_test(answers_bounds_all_and_every_member_gets_its_turn),
        cmocka_unit_test(all_keeps_a_region_s_share_of_clients_and_no_guests_go_to_a_part),
        cmocka_unit_test(a_group_of_any_size_is_drawn_by_weight),
        cmocka_unit_test(the_reason_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
