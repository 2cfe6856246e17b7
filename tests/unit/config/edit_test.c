#include "testing.h"

static void refused(enum err got, enum err wanted, const char *sentence)
{
    assert_string_equal(said, sentence);
    assert_int_equal(got, wanted);
}

static void the_quick_start_works_by_edits(void **state)
{
    (void)state;
    struct model *m = model_create();
    assert_int_equal(edit(m, VERB_ADD, NOUN_ZONE, "gslb.example.com", NULL, NULL,
                          "{\"ns\": [\"ns1.gslb.example.com=192.0.2.53\", "
                          "\"ns2.gslb.example.com=198.51.100.53\"]}"),
                     ERR_OK);
    assert_int_equal(
        edit(m, VERB_ADD, NOUN_REGION, "us-east", NULL, NULL, "{\"at\": \"39.04,-77.49\"}"),
        ERR_OK);
    assert_int_equal(edit(m, VERB_ADD, NOUN_REGION, "eu-west", NULL, NULL,
                          "{\"at\": \"53.34,-6.26\", \"capacity\": \"40000\"}"),
                     ERR_OK);
    assert_int_equal(edit(m, VERB_SET, NOUN_SETTING, "geo", NULL, NULL,
                          "{\"value\": \"/var/lib/GeoIP/GeoLite2-City.mmdb\"}"),
                     ERR_OK);
    assert_int_equal(edit(m, VERB_ADD, NOUN_PROBE, "web", NULL, NULL,
                          "{\"type\": \"http\", \"port\": \"80\", \"path\": \"/healthz\", "
                          "\"interval\": \"5s\", \"timeout\": \"2s\", \"fall\": \"3\", \"rise\": "
                          "\"2\"}"),
                     ERR_OK);
    assert_int_equal(edit(m, VERB_ADD, NOUN_SERVICE, "WWW.gslb.example.com.", NULL, NULL,
                          "{\"policy\": \"latency\", \"ttl\": \"30\", \"probe\": \"web\"}"),
                     ERR_OK);
    assert_int_equal(edit(m, VERB_ADD, NOUN_ENDPOINT, "www.gslb.example.com", "us-east",
                          "203.0.113.10", "{\"weight\": \"100\"}"),
                     ERR_OK);
    assert_int_equal(edit(m, VERB_ADD, NOUN_ENDPOINT, "www.gslb.example.com", "eu-west",
                          "203.0.113.20", "{\"weight\": \"100\"}"),
                     ERR_OK);
    assert_string_equal(model_setting(m, "geo"), "/var/lib/GeoIP/GeoLite2-City.mmdb");
    assert_int_equal(m->services[0].endpoints_n, 2);
    assert_int_equal(m->regions[1].order, 2);
    model_unref(&m);
}

static void set_changes_only_what_it_names_and_null_resets(void **state)
{
    (void)state;
    struct model *m = model_of(BASE);
    assert_int_equal(edit(m, VERB_SET, NOUN_PROBE, "web", NULL, NULL, "{\"fall\": 5}"), ERR_OK);
    assert_int_equal(m->probes[0].fall, 5);
    assert_int_equal(m->probes[0].interval_ms, 5000);
    assert_int_equal(
        edit(m, VERB_SET, NOUN_PROBE, "web", NULL, NULL, "{\"interval\": null, \"path\": null}"),
        ERR_OK);
    assert_int_equal(m->probes[0].interval_ms, 10000);
    assert_string_equal(m->probes[0].path, "/");
    assert_int_equal(edit(m, VERB_SET, NOUN_SERVICE, "www.gslb.example", NULL, NULL,
                          "{\"probe\": \"\", \"policy\": null, \"map\": null}"),
                     ERR_OK);
    assert_null(m->services[0].probe);
    assert_string_equal(m->services[0].policy, "weighted");
    assert_int_equal(m->services[0].parsed->n, 1);
    model_unref(&m);
}

static void thresholds_are_shared_and_never_changed_in_place(void **state)
{
    (void)state;
    struct model *head =
        model_of("{\"zones\": [{\"name\": \"z\", \"file\": \"/z\"}], \"services\": ["
                 "{\"name\": \"a.z\"}, {\"name\": \"b.z\"}, {\"name\": \"c.z\"}]}");
    struct model *m = model_clone(head);
    assert_ptr_equal(m->services[0].thresholds, m->services[1].thresholds);
    assert_int_equal(edit(m, VERB_SET, NOUN_SERVICE, "a.z", NULL, NULL,
                          "{\"degrade\": 0.1, \"failback\": \"after 5m\", \"ramp\": \"7s\"}"),
                     ERR_OK);
    assert_true(m->services[0].thresholds->degrade == 0.1);
    assert_int_equal(m->services[0].thresholds->failback_after_ms, 300000);
    assert_true(m->services[1].thresholds->degrade == MODEL_UNSET);
    assert_int_equal(m->services[1].thresholds->failback, MODEL_UNSET);
    assert_true(head->services[0].thresholds->degrade == MODEL_UNSET);
    assert_int_equal(differences(head, m), 1);
    assert_int_equal(edit(m, VERB_SET, NOUN_SERVICE, "a.z", NULL, NULL, "{\"degrade\": 2}"),
                     ERR_INVALID);
    assert_int_equal(edit(m, VERB_SET, NOUN_SERVICE, "a.z", NULL, NULL,
                          "{\"degrade\": null, \"failback\": null, \"ramp\": null}"),
                     ERR_OK);
    assert_int_equal(differences(head, m), 0);
    model_unref(&m);
    model_unref(&head);
}

static void names_exist_once_and_misses_suggest(void **state)
{
    (void)state;
    struct model *m = model_of(BASE);
    refused(edit(m, VERB_ADD, NOUN_REGION, "EU", NULL, NULL, NULL), ERR_EXISTS,
            "region \"eu\" exists already: change it with region set");
    refused(edit(m, VERB_SET, NOUN_SERVICE, "ww.gslb.example", NULL, NULL, NULL), ERR_NOT_FOUND,
            "service \"ww.gslb.example\" does not exist; did you mean \"www.gslb.example\"?");
    refused(edit(m, VERB_REMOVE, NOUN_PROBE, "webb", NULL, NULL, NULL), ERR_NOT_FOUND,
            "probe \"webb\" does not exist; did you mean \"web\"?");
    refused(edit(m, VERB_ADD, NOUN_REGION, "a b", NULL, NULL, NULL), ERR_INVALID,
            "region name \"a b\" is not accepted: give letters, digits, '-' and '_', at most 63");
    refused(edit(m, VERB_SET, NOUN_REGION, "eu", NULL, NULL, "{\"name\": \"xx\"}"), ERR_INVALID,
            "name: the name cannot be changed from \"eu\" to \"xx\": add a new one and remove the "
            "old");
    refused(edit(m, VERB_SET, NOUN_REGION, "eu", NULL, NULL, "{\"bias_km\": \"x\"}"), ERR_INVALID,
            "--bias: \"x\" is not accepted: give a number of kilometres");
    refused(edit(m, VERB_SET, NOUN_SERVICE, "www.gslb.example", NULL, NULL,
                 "{\"policy\": \"geo|latensy\"}"),
            ERR_SYNTAX, "--policy: word 2 \"latensy\" is not a step; did you mean \"latency\"?");
    model_unref(&m);
}

static void what_is_referenced_cannot_be_removed(void **state)
{
    (void)state;
    struct model *m = model_of(BASE);
    refused(edit(m, VERB_REMOVE, NOUN_REGION, "eu", NULL, NULL, NULL), ERR_REFUSED,
            "region eu is still used by service www.gslb.example (1 endpoint), map world (2 "
            "rules); remove or change those first");
    refused(edit(m, VERB_REMOVE, NOUN_PROBE, "web", NULL, NULL, NULL), ERR_REFUSED,
            "probe web is still used by service www.gslb.example; remove or change it first");
    refused(edit(m, VERB_REMOVE, NOUN_MAP, "world", NULL, NULL, NULL), ERR_REFUSED,
            "map world is still used by service www.gslb.example; remove or change it first");
    refused(edit(m, VERB_REMOVE, NOUN_ZONE, "gslb.example", NULL, NULL, NULL), ERR_REFUSED,
            "zone gslb.example is still used by service www.gslb.example; remove or change it "
            "first");
    assert_int_equal(edit(m, VERB_ADD, NOUN_SERVICE, "b.gslb.example", NULL, NULL,
                          "{\"on_empty\": \"www.gslb.example\"}"),
                     ERR_OK);
    refused(edit(m, VERB_REMOVE, NOUN_SERVICE, "www.gslb.example", NULL, NULL, NULL), ERR_REFUSED,
            "service www.gslb.example is still used by on_empty of service b.gslb.example; remove "
            "or change it first");
    assert_int_equal(edit(m, VERB_REMOVE, NOUN_SERVICE, "b.gslb.example", NULL, NULL, NULL),
                     ERR_OK);
    assert_int_equal(edit(m, VERB_REMOVE, NOUN_SERVICE, "www.gslb.example", NULL, NULL, NULL),
                     ERR_OK);
    assert_int_equal(edit(m, VERB_REMOVE, NOUN_MAP, "world", NULL, NULL, NULL), ERR_OK);
    assert_int_equal(edit(m, VERB_REMOVE, NOUN_REGION, "eu", NULL, NULL, NULL), ERR_OK);
    assert_int_equal(edit(m, VERB_REMOVE, NOUN_ZONE, "gslb.example", NULL, NULL, NULL), ERR_OK);
    model_unref(&m);
}

static void many_references_are_counted(void **state)
{
    (void)state;
    struct model *m = model_of(BASE);
    for (char c = 'a'; c < 'f'; c++) {
        char name[] = "x.gslb.example";
        name[0] = c;
        assert_int_equal(edit(m, VERB_ADD, NOUN_SERVICE, name, NULL, NULL, "{\"probe\": \"web\"}"),
                         ERR_OK);
    }
    refused(edit(m, VERB_REMOVE, NOUN_PROBE, "web", NULL, NULL, NULL), ERR_REFUSED,
            "probe web is still used by service a.gslb.example, service b.gslb.example, service "
            "c.gslb.example and 3 more; remove or change those first");
    model_unref(&m);
}

static void endpoints_are_known_by_service_region_and_address(void **state)
{
    (void)state;
    struct model *m = model_of(BASE);
    const char *www = "www.gslb.example";
    refused(edit(m, VERB_ADD, NOUN_ENDPOINT, www, "eu", "203.0.113.20", NULL), ERR_EXISTS,
            "service www.gslb.example has endpoint 203.0.113.20 in region eu already: change it "
            "with endpoint set");
    refused(edit(m, VERB_ADD, NOUN_ENDPOINT, www, "uu", "203.0.113.20", NULL), ERR_NOT_FOUND,
            "region \"uu\" does not exist; did you mean \"eu\"?");
    assert_int_equal(edit(m, VERB_ADD, NOUN_ENDPOINT, www, "eu", "203.0.113.21",
                          "{\"weight\": 5, \"priority\": 2, \"probe\": \"web\"}"),
                     ERR_OK);
    assert_int_equal(m->services[0].endpoints_n, 3);
    assert_string_equal(m->services[0].endpoints[1].address, "203.0.113.21");
    refused(edit(m, VERB_SET, NOUN_ENDPOINT, www, "eu", NULL, "{\"weight\": 1}"), ERR_INVALID,
            "service www.gslb.example has 2 endpoints in region eu: name the address of one");
    assert_int_equal(edit(m, VERB_SET, NOUN_ENDPOINT, www, "us", NULL, "{\"weight\": 1}"), ERR_OK);
    assert_int_equal(m->services[0].endpoints[2].weight, 1);
    refused(edit(m, VERB_SET, NOUN_ENDPOINT, www, "eu", "203.0.113.22", "{\"weight\": 1}"),
            ERR_NOT_FOUND,
            "service www.gslb.example has no endpoint 203.0.113.22 in region eu; did you mean "
            "\"203.0.113.20\"?");
    assert_int_equal(edit(m, VERB_REMOVE, NOUN_ENDPOINT, www, "eu", NULL, NULL), ERR_OK);
    assert_int_equal(m->services[0].endpoints_n, 1);
    refused(edit(m, VERB_REMOVE, NOUN_ENDPOINT, www, "eu", NULL, NULL), ERR_NOT_FOUND,
            "service www.gslb.example has no endpoint in region eu");
    assert_int_equal(edit(m, VERB_REMOVE, NOUN_ENDPOINT, www, "us", "203.0.113.10", NULL), ERR_OK);
    model_unref(&m);
}

static void rules_are_known_by_map_and_place(void **state)
{
    (void)state;
    struct model *m = model_of(BASE);
    assert_int_equal(
        edit(m, VERB_ADD, NOUN_RULE, "world", NULL, "net:10.0.0.0/8", "{\"regions\": \"us,eu\"}"),
        ERR_OK);
    assert_int_equal(m->maps[0].rules_n, 3);
    assert_string_equal(m->maps[0].rules[0].where.text, "net:10.0.0.0/8");
    assert_string_equal(m->maps[0].rules[0].regions[1], "eu");
    refused(edit(m, VERB_ADD, NOUN_RULE, "world", NULL, "continent:eu", "{\"regions\": [\"us\"]}"),
            ERR_EXISTS,
            "map world has a rule for continent:EU already: change it with map rule set");
    assert_int_equal(
        edit(m, VERB_SET, NOUN_RULE, "world", NULL, "continent:eu", "{\"regions\": [\"us\"]}"),
        ERR_OK);
    assert_int_equal(m->maps[0].rules[1].regions_n, 1);
    refused(edit(m, VERB_ADD, NOUN_RULE, "world", NULL, "asn:1", "{\"regions\": [\"uss\"]}"),
            ERR_INVALID, "map world: region \"uss\" does not exist; did you mean \"us\"?");
    refused(edit(m, VERB_REMOVE, NOUN_RULE, "world", NULL, "asn:2", NULL), ERR_NOT_FOUND,
            "map world has no rule for asn:2");
    model_unref(&m);
    m = model_of(BASE);
    assert_int_equal(edit(m, VERB_REMOVE, NOUN_RULE, "world", NULL, "default", NULL), ERR_OK);
    assert_int_equal(m->maps[0].rules_n, 1);
    refused(edit(m, VERB_ADD, NOUN_RULE, "world", NULL, "default", NULL), ERR_USAGE,
            "a rule needs regions: map rule add MAP WHERE REGION[,REGION...]");
    model_unref(&m);
}

static void settings_are_set_and_reset(void **state)
{
    (void)state;
    struct model *m = model_create();
    assert_int_equal(edit(m, VERB_SET, NOUN_SETTING, "ramp", NULL, NULL, "{\"value\": \"90s\"}"),
                     ERR_OK);
    assert_int_equal(edit(m, VERB_SET, NOUN_SETTING, "workers", NULL, NULL, "{\"value\": 3}"),
                     ERR_OK);
    assert_string_equal(model_setting(m, "ramp"), "90s");
    assert_string_equal(model_setting(m, "workers"), "3");
    assert_int_equal(edit(m, VERB_REMOVE, NOUN_SETTING, "ramp", NULL, NULL, NULL), ERR_OK);
    assert_string_equal(model_setting(m, "ramp"), "60s");
    assert_int_equal(edit(m, VERB_SET, NOUN_SETTING, "geo", NULL, NULL, "{\"value\": \"\"}"),
                     ERR_OK);
    refused(edit(m, VERB_SET, NOUN_SETTING, "rampp", NULL, NULL, "{\"value\": 1}"), ERR_NOT_FOUND,
            "\"rampp\" is not a setting; did you mean \"ramp\"?");
    refused(edit(m, VERB_SET, NOUN_SETTING, "workers", NULL, NULL, "{\"value\": \"x\"}"),
            ERR_INVALID, "workers \"x\" is not accepted: give a whole number from 0 to 256");
    refused(edit(m, VERB_SET, NOUN_SETTING, "workers", NULL, NULL, NULL), ERR_USAGE,
            "a value is needed: set KEY VALUE");
    model_unref(&m);
}

/* The fields of an edit: n networks and one more. */
static char *networks(unsigned n, const char *last)
{
    char *text = malloc(100000), *at = text + sprintf(text, "{\"value\": \"");
    assert_non_null(text);
    for (unsigned i = 0; i < n; i++)
        at += sprintf(at, "10.%u.%u.0/24,", i / 256, i % 256);
    sprintf(at, "%s\"}", last);
    return text;
}

static void a_list_may_have_4096_networks_and_says_which_is_none(void **state)
{
    (void)state;
    static const struct {
        unsigned n;
        const char *last, *refused;
    } rows[] = {{4095, "192.0.2.0/24", NULL},
                {4096, "192.0.2.0/24", "deny \"10.0.0.0/24,10.0.1.0/24"},
                {4095, "192.0.2.1/24", "deny \"192.0.2.1/24\" is not accepted: give networks"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct model *m = model_create();
        char *text = networks(rows[i].n, rows[i].last);
        enum err e = edit(m, VERB_SET, NOUN_SETTING, "deny", NULL, NULL, text);
        if (rows[i].refused) {
            assert_int_equal(e, ERR_INVALID);
            assert_non_null(strstr(said, rows[i].refused));
        } else {
            assert_int_equal(e, ERR_OK);
        }
        free(text);
        model_unref(&m);
    }
}

static void the_latency_table_is_replaced_as_a_whole(void **state)
{
    (void)state;
    struct model *m = model_of(BASE);
    assert_int_equal(edit(m, VERB_REPLACE_ALL, NOUN_LATENCY, NULL, NULL, NULL,
                          "{\"rows\": [{\"where\": \"country:DE\", \"region\": \"us\", \"ms\": "
                          "\"90.5\"}, {\"where\": \"asn:3320\", \"region\": \"eu\", \"ms\": 12}]}"),
                     ERR_OK);
    assert_int_equal(m->latency_n, 2);
    assert_string_equal(m->latency[0].where.text, "asn:3320");
    assert_true(m->latency[1].ms == 90.5);
    refused(edit(m, VERB_REPLACE_ALL, NOUN_LATENCY, NULL, NULL, NULL,
                 "{\"rows\": [{\"where\": \"country:DE\", \"region\": \"us\"}]}"),
            ERR_INVALID, "rows[0]: the key \"ms\" is missing");
    assert_int_equal(m->latency_n, 2);
    assert_int_equal(edit(m, VERB_REPLACE_ALL, NOUN_LATENCY, NULL, NULL, NULL, "{\"rows\": []}"),
                     ERR_OK);
    assert_int_equal(m->latency_n, 0);
    model_unref(&m);
}

static void an_edit_travels_as_json(void **state)
{
    (void)state;
    struct config_edit e;
    struct diag d = {0};
    json_t *j = json_loads("{\"verb\": \"add\", \"noun\": \"region\", \"name\": \"eu\", "
                           "\"fields\": {\"capacity\": 5}}",
                           0, NULL);
    assert_int_equal(config_edit_from_json(j, &e, &d), ERR_OK);
    assert_int_equal(e.verb, VERB_ADD);
    assert_int_equal(e.noun, NOUN_REGION);
    assert_string_equal(e.name, "eu");
    assert_int_equal(json_integer_value(json_object_get(e.fields, "capacity")), 5);
    json_decref(j);
    static const char *const bad[] = {"{}", "{\"verb\": \"add\"}", "[]", "{\"verb\": \"ad\"}",
                                      "{\"verb\": \"add\", \"noun\": \"region\", \"fields\": 3}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        j = json_loads(bad[i], 0, NULL);
        assert_int_equal(config_edit_from_json(j, &e, &d), ERR_INVALID);
        json_decref(j);
    }
    diag_fini(&d);
}

static void a_clone_is_edited_without_touching_the_original(void **state)
{
    (void)state;
    struct model *m = model_of(BASE), *copy = model_clone(m);
    assert_int_equal(
        edit(copy, VERB_SET, NOUN_ENDPOINT, "www.gslb.example", "eu", NULL, "{\"weight\": 7}"),
        ERR_OK);
    assert_int_equal(m->services[0].endpoints[0].weight, 100);
    assert_int_equal(copy->services[0].endpoints[0].weight, 7);
    assert_int_equal(differences(m, copy), 1);
    model_unref(&m);
    assert_string_equal(copy->services[0].endpoints[1].address, "203.0.113.10");
    model_unref(&copy);
}

/* A daemon edits for months: each edit clones the one before. */
static void ten_thousand_edits_do_not_grow_without_bound(void **state)
{
    (void)state;
    struct model *m = model_of(BASE);
    for (int i = 0; i < 10000; i++) {
        char fields[60];
        snprintf(fields, sizeof fields, "{\"weight\": %d}", i);
        struct model *next = model_clone(m);
        assert_int_equal(
            edit(next, VERB_SET, NOUN_ENDPOINT, "www.gslb.example", "eu", NULL, fields), ERR_OK);
        assert_int_equal(differences(m, next), 1);
        model_unref(&m);
        m = next;
        assert_true(arena_size_bytes(m->arena) < (1u << 20));
    }
    assert_int_equal(m->services[0].endpoints[0].weight, 9999);
    assert_string_equal(m->zones[0].name, "gslb.example");
    char line[200] = "";
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fgets(line, sizeof line, f))
        pages = strtol(strchr(line, ' '), NULL, 10);
    if (f)
        fclose(f);
    assert_true(pages * 4096 <
                400L << 20); /* with a sanitizer's quarantine; 10,000 leaks are more */
    model_unref(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_quick_start_works_by_edits),
        cmocka_unit_test(set_changes_only_what_it_names_and_null_resets),
        cmocka_unit_test(thresholds_are_shared_and_never_changed_in_place),
        cmocka_unit_test(names_exist_once_and_misses_suggest),
        cmocka_unit_test(what_is_referenced_cannot_be_removed),
        cmocka_unit_test(many_references_are_counted),
        cmocka_unit_test(endpoints_are_known_by_service_region_and_address),
        cmocka_unit_test(rules_are_known_by_map_and_place),
        cmocka_unit_test(settings_are_set_and_reset),
        cmocka_unit_test(a_list_may_have_4096_networks_and_says_which_is_none),
        cmocka_unit_test(the_latency_table_is_replaced_as_a_whole),
        cmocka_unit_test(an_edit_travels_as_json),
        cmocka_unit_test(a_clone_is_edited_without_touching_the_original),
        cmocka_unit_test(ten_thousand_edits_do_not_grow_without_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
