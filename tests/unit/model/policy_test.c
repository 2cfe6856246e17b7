#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/random.h"
#include "model/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void accepts(const char *text, const char *canonical)
{
    struct policy p, again;
    struct diag d = {0};
    char out[POLICY_TEXT_MAX], once[POLICY_TEXT_MAX], first[300];
    if (policy_parse(text, "policy", &p, &d) != ERR_OK)
        fail_msg("%s: %s", text, diag_first(&d, first, sizeof first));
    assert_string_equal(policy_format(&p, out), canonical);
    assert_int_equal(policy_parse(out, "policy", &again, &d), ERR_OK);
    assert_string_equal(policy_format(&again, once), canonical);
    assert_memory_equal(&p, &again, sizeof p);
    diag_fini(&d);
}

static void refuses(const char *text, const char *message)
{
    struct policy p;
    struct diag d = {0};
    char first[300];
    assert_int_not_equal(policy_parse(text, "policy", &p, &d), ERR_OK);
    assert_string_equal(diag_first(&d, first, sizeof first), message);
    assert_int_equal(d.errors, 1);
    diag_fini(&d);
}

static void a_single_word_is_a_policy(void **state)
{
    (void)state;
    static const char *const words[] = {"fence",  "latency",  "geo",      "nearest",
                                        "sticky", "failover", "weighted", "all"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        accepts(words[i], words[i]);
}

static void the_canonical_text_is_lower_case_with_units(void **state)
{
    (void)state;
    accepts("Fence|LATENCY within=10|Sticky", "fence | latency within=10ms | sticky");
    accepts("  failover |  geo\t", "failover | geo");
    accepts("nearest within=500KM", "nearest within=500km");
    accepts("latency within=2.5ms | weighted", "latency within=2.5ms");
    accepts("weighted", "weighted");
    accepts("fence | geo | nearest within=12345.678km | latency within=59999.999 | failover | all",
            "fence | geo | nearest within=12345.678km | latency within=59999.999ms | failover | "
            "all");
}

static void the_chooser_is_always_the_last_step(void **state)
{
    (void)state;
    struct policy p;
    assert_int_equal(policy_parse("geo", "policy", &p, NULL), ERR_OK);
    assert_int_equal(p.n, 2);
    assert_int_equal(p.step[1].kind, STEP_WEIGHTED);
    assert_int_equal(policy_parse("geo|sticky", "policy", &p, NULL), ERR_OK);
    assert_int_equal(p.n, 2);
    assert_int_equal(p.step[1].kind, STEP_STICKY);
}

static void errors_point_at_the_word(void **state)
{
    (void)state;
    refuses("fence | geo | latensy",
            "policy: word 3 \"latensy\" is not a step; did you mean \"latency\"?");
    refuses("fence | sticky | geo", "policy: word 3 \"geo\" is a grouping and must come before the "
                                    "chooser \"sticky\"");
    refuses("geo | fence",
            "policy: word 2 \"fence\" is a filter and must come before the grouping \"geo\"");
    refuses("sticky | all",
            "policy: word 2 \"all\" is a second chooser after \"sticky\"; a policy has one, last");
    refuses("geo | failover | geo",
            "policy: word 3 \"geo\" is in the policy already; a step is named once");
    refuses("geo sticky",
            "policy: word 2 \"sticky\" follows \"geo\" without a |; write \"geo | sticky\"");
    refuses("xyzzyplugh", "policy: word 1 \"xyzzyplugh\" is not a step; steps are fence, geo, "
                          "nearest, latency, failover, weighted, sticky, all");
}

static void errors_name_what_within_takes(void **state)
{
    (void)state;
    refuses("latency within=500km",
            "policy: word 2 \"within=500km\" is not accepted; \"latency\" takes a number of "
            "milliseconds above 0, at most 60000: within=10ms");
    refuses("nearest within=0", "policy: word 2 \"within=0\" is not accepted; \"nearest\" takes a "
                                "number of kilometres above 0, at most 20040: within=10km");
    refuses("nearest within=nan",
            "policy: word 2 \"within=nan\" is not accepted; \"nearest\" takes "
            "a number of kilometres above 0, at most 20040: within=10km");
    refuses("geo within=5",
            "policy: word 2 \"within=5\" is not understood; \"geo\" takes nothing behind it");
    refuses("latency fast",
            "policy: word 2 \"fast\" is not understood; \"latency\" takes within=NUMBERms");
    refuses("latency within=1 within=2",
            "policy: word 3 \"within=2\" is a second within for \"latency\"");
}

static void missing_steps_are_refused(void **state)
{
    (void)state;
    refuses("", "policy: a policy must name at least one step of fence, geo, nearest, latency, "
                "failover, weighted, sticky, all");
    refuses("  ", "policy: a policy must name at least one step of fence, geo, nearest, latency, "
                  "failover, weighted, sticky, all");
    refuses("geo |", "policy: a step is missing after word 1, at \"|\"");
    refuses("| geo", "policy: a step is missing before word 1, at \"|\"");
    refuses("geo || sticky", "policy: a step is missing after word 1, at \"|\"");
}

/* Whatever is accepted has filters, then groupings, then one chooser, and reads back as itself. */
static void random_policies_are_ordered_or_refused(void **state)
{
    (void)state;
    static const char *const pieces[] = {"fence",    "geo",       "nearest", "latency", "failover",
                                         "weighted", "sticky",    "all",     "|",       "|",
                                         "|",        " within=3", " "};
    const char *env = getenv("SEED");
    uint64_t seed = env ? strtoull(env, NULL, 10) : 20261122;
    struct rng r;
    printf("SEED=%llu\n", (unsigned long long)seed);
    rng_seed(&r, seed);
    unsigned accepted = 0;
    for (int round = 0; round < 20000; round++) {
        char text[200] = "", out[POLICY_TEXT_MAX];
        struct policy p, again;
        for (unsigned n = 1 + rng_below(&r, 6); n; n--)
            strcat(text, pieces[rng_below(&r, sizeof pieces / sizeof pieces[0])]);
        if (policy_parse(text, "policy", &p, NULL) != ERR_OK)
            continue;
        accepted++;
        for (unsigned i = 0; i < p.n; i++) {
            assert_int_equal(p.step[i].kind >= STEP_WEIGHTED, i == p.n - 1u);
            assert_true(p.step[i].kind != STEP_FENCE || i == 0);
        }
        assert_int_equal(policy_parse(policy_format(&p, out), "policy", &again, NULL), ERR_OK);
        assert_memory_equal(&p, &again, sizeof p);
    }
    assert_true(accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_word_is_a_policy),
        cmocka_unit_test(the_canonical_text_is_lower_case_with_units),
        cmocka_unit_test(the_chooser_is_always_the_last_step),
        cmocka_unit_test(errors_point_at_the_word),
        cmocka_unit_test(errors_name_what_within_takes),
        cmocka_unit_test(missing_steps_are_refused),
        cmocka_unit_test(random_policies_are_ordered_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
