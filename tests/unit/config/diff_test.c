#include "testing.h"

#include "base/random.h"

static struct config_changes changes_of(const struct model *a, const struct model *b)
{
    struct config_changes c;
    assert_int_equal(config_diff(a, b, &c), ERR_OK);
    return c;
}

static void text_is(struct model *a, struct model *b, const char *text)
{
    struct config_changes c = changes_of(a, b);
    assert_int_equal(c.n, 1);
    char *line = config_change_text(&c.change[0]);
    assert_string_equal(line, text);
    free(line);
    config_changes_fini(&c);
}

static void changes_are_told_as_lines(void **state)
{
    (void)state;
    struct model *a = model_of(BASE), *b = model_clone(a);
    assert_int_equal(
        edit(b, VERB_SET, NOUN_SERVICE, "www.gslb.example", NULL, NULL, "{\"ttl\": 60}"), ERR_OK);
    text_is(a, b, "~ service www.gslb.example: ttl 30 -> 60");
    text_is(b, a, "~ service www.gslb.example: ttl 60 -> 30");
    assert_int_equal(
        edit(b, VERB_SET, NOUN_ENDPOINT, "www.gslb.example", "eu", NULL, "{\"weight\": 5}"),
        ERR_OK);
    assert_int_equal(edit(b, VERB_ADD, NOUN_ENDPOINT, "www.gslb.example", "us", "203.0.113.11",
                          "{\"priority\": 2}"),
                     ERR_OK);
    text_is(a, b,
            "~ service www.gslb.example endpoint eu 203.0.113.20: weight 100 -> 5\n"
            "+ service www.gslb.example endpoint us 203.0.113.11: priority 2\n"
            "~ service www.gslb.example: ttl 30 -> 60");
    model_unref(&b);
    b = model_clone(a);
    assert_int_equal(edit(b, VERB_ADD, NOUN_REGION, "ap", NULL, NULL, "{\"at\": \"1.35,103.8\"}"),
                     ERR_OK);
    text_is(a, b, "+ region ap: at [1.35, 103.8]");
    text_is(b, a, "- region ap: at [1.35, 103.8]");
    model_unref(&b);
    b = model_clone(a);
    assert_int_equal(edit(b, VERB_SET, NOUN_SETTING, "ramp", NULL, NULL, "{\"value\": \"5s\"}"),
                     ERR_OK);
    text_is(a, b, "+ setting ramp: value 5s");
    model_unref(&a);
    model_unref(&b);
}

static void only_what_differs_is_listed(void **state)
{
    (void)state;
    struct model *a = model_of(BASE), *b = model_of(BASE);
    assert_int_equal(differences(a, b), 0); /* equal values, other pointers */
    assert_int_equal(edit(b, VERB_SET, NOUN_REGION, "eu", NULL, NULL, "{\"capacity\": 1}"), ERR_OK);
    struct config_changes c = changes_of(a, b);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.change[0].noun, NOUN_REGION);
    assert_string_equal(c.change[0].key, "eu");
    assert_string_equal(c.change[0].before, "{\"at\": [51.51, -0.13], \"capacity\": 40000, "
                                            "\"name\": \"eu\", \"order\": 1}");
    config_changes_fini(&c);
    model_unref(&a);
    model_unref(&b);
}

static void another_order_of_regions_is_no_change_of_services(void **state)
{
    (void)state;
    struct model *a = model_of(BASE), *b = model_clone(a);
    assert_int_equal(import_into(b, "{\"regions\": [{\"name\": \"us\", \"at\": [39.04, -77.49], "
                                    "\"bias_km\": 100}, {\"name\": \"eu\", \"at\": [51.51, -0.13],"
                                    " \"capacity\": 40000}]}"),
                     ERR_OK);
    assert_string_equal(b->services[0].endpoints[0].region, "us");
    struct config_changes c = changes_of(a, b);
    for (size_t i = 0; i < c.n; i++)
        assert_int_equal(c.change[i].noun, NOUN_REGION);
    assert_true(c.n > 0);
    struct diag d = {0};
    assert_int_equal(config_apply_changes(b, &c, true, &d), ERR_OK);
    assert_int_equal(differences(a, b), 0);
    assert_string_equal(b->regions[0].name, "eu");
    assert_string_equal(b->services[0].endpoints[0].region, "eu");
    config_changes_fini(&c);
    diag_fini(&d);
    model_unref(&a);
    model_unref(&b);
}

static void a_removed_region_comes_back_to_its_place(void **state)
{
    (void)state;
    struct model *a = model_create();
    for (const char *p = "abcde"; *p; p++) {
        char name[2] = {*p, 0};
        assert_int_equal(edit(a, VERB_ADD, NOUN_REGION, name, NULL, NULL, NULL), ERR_OK);
    }
    struct model *b = model_clone(a);
    assert_int_equal(edit(b, VERB_REMOVE, NOUN_REGION, "c", NULL, NULL, NULL), ERR_OK);
    struct config_changes c = changes_of(a, b);
    assert_int_equal(c.n, 1);
    assert_int_equal(config_apply_changes(b, &c, true, NULL), ERR_OK);
    assert_string_equal(b->regions[2].name, "c");
    config_changes_fini(&c);
    model_unref(&a);
    model_unref(&b);
}

static void damaged_changes_are_refused(void **state)
{
    (void)state;
    struct model *a = model_of(BASE);
    static char *const bad[] = {"", "{", "[]", "{\"name\": 3}", "{}", "{\"nam\": \"x\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct config_change change = {NOUN_REGION, "eu", NULL, bad[i]};
        struct config_changes c = {&change, 1};
        struct diag d = {0};
        struct model *b = model_clone(a);
        assert_int_not_equal(config_apply_changes(b, &c, false, &d), ERR_OK);
        assert_int_equal(d.errors, 1);
        diag_fini(&d);
        model_unref(&b);
    }
    model_unref(&a);
}

/* ---- a random walk through edits, and back ---- */

static const char *pick(struct rng *r, const char *const *list, uint32_t n)
{
    return list[rng_below(r, n)];
}

static void random_edit(struct rng *r, struct model *m)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    static const char *const services[] = {"s1.gslb.example", "s2.gslb.example",
                                           "www.gslb.example"};
    static const char *const places[] = {"default", "country:DE", "net:10.0.0.0/8", "asn:5"};
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
    char fields[200];
    enum config_verb verb = (enum config_verb)rng_below(r, 3);
    unsigned n = rng_below(r, 1000) + 1;
    const char *name = pick(r, names, 4);
    switch (rng_below(r, 7)) {
    case 0:
        snprintf(fields, sizeof fields, "{\"at\": [%u.5, %u.25], \"capacity\": %u}", n % 90, n % 90,
                 n);
        edit(m, verb, NOUN_REGION, name, NULL, NULL, fields);
        break;
    case 1:
        snprintf(fields, sizeof fields, "{\"interval\": \"%ums\", \"timeout\": \"50ms\"}", 100 + n);
        edit(m, verb, NOUN_PROBE, name, NULL, NULL, fields);
        break;
    case 2:
        snprintf(fields, sizeof fields, "{\"ttl\": %u, \"degrade\": %u.%u, \"policy\": \"%s\"}", n,
                 0u, n % 5, n % 2 ? "sticky" : "failover | all");
        edit(m, verb, NOUN_SERVICE, pick(r, services, 3), NULL, NULL, fields);
        break;
    case 3:
        snprintf(fields, sizeof fields, "{\"weight\": %u}", n);
        edit(m, verb, NOUN_ENDPOINT, pick(r, services, 3), name, pick(r, addresses, 3), fields);
        break;
    case 4:
        edit(m, verb, NOUN_MAP, name, NULL, NULL, NULL);
        break;
    case 5:
        snprintf(fields, sizeof fields, "{\"regions\": \"%s\"}", name);
        edit(m, verb, NOUN_RULE, pick(r, names, 4), NULL, pick(r, places, 4), fields);
        break;
    default:
        snprintf(fields, sizeof fields,
                 "{\"rows\": [{\"where\": \"asn:%u\", \"region\": \"%s\", \"ms\": %u.25}]}",
                 n % 3 + 1, name, n);
        edit(m, VERB_REPLACE_ALL, NOUN_LATENCY, NULL, NULL, NULL, fields);
    }
}

static void a_random_walk_can_be_walked_back_and_forth(void **state)
{
    (void)state;
    enum { STEPS = 400 };
    static struct config_changes c[STEPS];
    static char *text[STEPS + 1];
    const char *env = getenv("SEED");
    uint64_t seed = env ? strtoull(env, NULL, 10) : 7;
    struct rng r;
    printf("SEED=%llu\n", (unsigned long long)seed);
    rng_seed(&r, seed);
    struct model *m = model_of(BASE);
    int n = 0;
    text[0] = config_export(m, true);
    for (int tries = 0; tries < 5000 && n < STEPS; tries++) {
        struct model *next = model_clone(m);
        random_edit(&r, next);
        struct diag d = {0};
        enum err e = model_validate(next, &d);
        diag_fini(&d);
        if (e || differences(m, next) == 0) {
            model_unref(&next);
            continue;
        }
        c[n] = changes_of(m, next);
        text[++n] = config_export(next, true);
        model_unref(&m);
        m = next;
    }
    assert_true(n > 100);
    for (int pass = 0; pass < 2; pass++) /* all the way back, then all the way forth */
        for (int k = 0; k < n; k++) {
            int at = pass ? k : n - 1 - k;
            assert_int_equal(config_apply_changes(m, &c[at], pass == 0, NULL), ERR_OK);
            char *now = config_export(m, true);
            assert_string_equal(now, text[pass ? at + 1 : at]);
            free(now);
        }
    for (int k = 0; k < n; k++)
        config_changes_fini(&c[k]);
    for (int k = 0; k <= n; k++)
        free(text[k]);
    model_unref(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_told_as_lines),
        cmocka_unit_test(only_what_differs_is_listed),
        cmocka_unit_test(another_order_of_regions_is_no_change_of_services),
        cmocka_unit_test(a_removed_region_comes_back_to_its_place),
        cmocka_unit_test(damaged_changes_are_refused),
        cmocka_unit_test(a_random_walk_can_be_walked_back_and_forth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
