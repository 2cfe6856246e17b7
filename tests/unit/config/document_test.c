#include "testing.h"

static void the_document_of_the_manual_is_read(void **state)
{
    (void)state;
    struct model *m = model_of(BASE);
    assert_int_equal(m->zones_n, 1);
    assert_string_equal(m->zones[0].ns[0].addresses[0], "192.0.2.53");
    assert_int_equal(m->zones[0].ttl_s, 3600);
    assert_null(m->zones[0].file);
    assert_string_equal(m->regions[0].name, "eu");
    assert_true(m->regions[0].placed && m->regions[0].lat == 51.51 && m->regions[0].lon == -0.13);
    assert_int_equal(m->regions[0].capacity, 40000);
    assert_true(m->regions[1].bias_km == 100);
    const struct model_probe *p = model_probe(m, "web");
    assert_int_equal(p->interval_ms, 5000);
    assert_int_equal(p->timeout_ms, 2000);
    assert_true(p->verify);
    const struct model_service *s = model_service(m, "www.gslb.example");
    assert_string_equal(s->zone, "gslb.example");
    assert_string_equal(s->policy, "geo");
    assert_int_equal(s->parsed->step[0].kind, STEP_GEO);
    assert_int_equal(s->ttl_moving_s, MODEL_UNSET);
    assert_int_equal(s->endpoints_n, 2);
    assert_int_equal(s->endpoints[0].family, 4);
    assert_int_equal(s->endpoints[1].weight, 100);
    assert_int_equal(s->endpoints[1].priority, 1);
    assert_string_equal(model_setting(m, "ramp"), "60s");
    model_unref(&m);
}

static void an_export_reads_back_as_the_same(void **state)
{
    (void)state;
    struct model *m = model_of(BASE), *back = model_create();
    char *text = config_export(m, false);
    assert_int_equal(import_into(back, text), ERR_OK);
    assert_int_equal(differences(m, back), 0);
    char *again = config_export(back, false);
    assert_string_equal(text, again);
    free(text);
    free(again);
    model_unref(&m);
    model_unref(&back);
}

static void an_export_has_sorted_keys_and_one_item_a_line(void **state)
{
    (void)state;
    struct model *m = model_of(BASE);
    char *text = config_export(m, false);
    assert_string_equal(
        text,
        "{\n \"latency\": [],\n \"maps\": [\n  {\"name\": \"world\", \"rules\": [\n"
        "   {\"regions\": [\"eu\", \"us\"], \"where\": \"continent:EU\"},\n"
        "   {\"regions\": [\"us\", \"eu\"], \"where\": \"default\"}]}\n ],\n"
        " \"probes\": [\n  {\"interval\": \"5s\", \"name\": \"web\", \"path\": \"/healthz\", "
        "\"port\": 80, \"timeout\": \"2s\"}\n ],\n"
        " \"regions\": [\n  {\"at\": [51.51, -0.13], \"capacity\": 40000, \"name\": \"eu\"},\n"
        "  {\"at\": [39.04, -77.49], \"bias_km\": 100, \"name\": \"us\"}\n ],\n"
        " \"revision\": 0,\n \"services\": [\n  {\"endpoints\": [\n"
        "   {\"address\": \"203.0.113.20\", \"region\": \"eu\"},\n"
        "   {\"address\": \"203.0.113.10\", \"region\": \"us\"}], \"map\": \"world\", "
        "\"name\": \"www.gslb.example\", \"policy\": \"geo\", \"probe\": \"web\"}\n ],\n"
        " \"settings\": {},\n \"zones\": [\n  {\"name\": \"gslb.example\", \"ns\": "
        "[{\"addresses\": "
        "[\"192.0.2.53\"], \"name\": \"ns1.gslb.example\"}]}\n ]\n}\n");
    free(text);
    model_unref(&m);
}

static void every_field_survives_export_and_import(void **state)
{
    (void)state;
    struct model *m = model_of(
        "{\"settings\": {\"geo\": \"/a,/b \\\"c\\\"\", \"workers\": 2, \"dead-band\": 0.1},"
        "\"zones\": [{\"name\": \"z.example.\", \"file\": \"/z\\u00e4\\t\", \"ttl\": \"60\", "
        "\"negative_ttl\": 5, \"ns\": [\"ns1.z.example=192.0.2.1,2001:DB8::1\", "
        "\"ns1.z.example=192.0.2.2\", \"ns.other.example\"]}],"
        "\"regions\": [{\"name\": \"B\", \"at\": \"-33.1234567890123,151\"}, {\"name\": \"a\", "
        "\"bias_km\": -0.5, \"capacity\": \"7\"}],"
        "\"probes\": [{\"name\": \"p\", \"type\": \"exec\", \"command\": \"/bin/x\", \"args\": "
        "[\"-H\", \"{address}\", \"5\", \"a,b\"], \"interval\": 30, \"timeout\": \"250ms\"},"
        "{\"name\": \"q\", \"type\": \"HTTPS\", \"verify\": \"no\", \"follow\": true, \"status\": "
        "\"200,204\", \"body\": \"ok\", \"host\": \"h.example\"},"
        "{\"name\": \"t\", \"type\": \"tcp\", \"port\": 25, \"send\": \"QUIT\\\\r\\\\n\", "
        "\"expect\": \"220\"}, {\"name\": \"d\", \"type\": \"dns\", \"qname\": \"x.example\", "
        "\"qtype\": \"AAAA\"}],"
        "\"maps\": [{\"name\": \"m\", \"rules\": [{\"where\": \"default\", \"regions\": \"a,b\"}, "
        "{\"where\": \"city:GB/S\\u00e3o\", \"regions\": [\"b\"]}, {\"where\": \"net:10.0.0.0/8\","
        " \"regions\": [\"a\"]}]}],"
        "\"latency\": [{\"where\": \"country:DE\", \"region\": \"a\", \"ms\": 12.25}],"
        "\"services\": [{\"name\": \"S.z.example\", \"policy\": \"FENCE|latency within=10|all\", "
        "\"map\": \"M\", \"ttl\": 60, \"ttl_moving\": 7, \"probe\": \"q\", \"answers\": 2, "
        "\"on_empty\": \"t.z.example.\", \"degrade\": \"1%\", \"fail\": 0.4, \"ramp\": \"2m\", "
        "\"hold\": \"auto\", \"window\": 90, \"failback\": \"after 10m\", \"panic\": 0, "
        "\"min_regions\": 2, \"min_capacity\": \"60%\", \"endpoints\": [{\"region\": \"a\", "
        "\"address\": \"2001:DB8:0:0::1\", \"probe\": \"p\", \"weight\": 0}, {\"region\": \"b\", "
        "\"address\": \"2001:db8::2\", \"priority\": 3}, {\"region\": \"a\", \"address\": "
        "\"2001:db8::3\"}]}, {\"name\": \"t.z.example\", \"on_empty\": \"nodata\", \"failback\": "
        "\"hold\"}]}");
    const struct model_service *s = model_service(m, "s.z.example");
    assert_string_equal(s->policy, "fence | latency within=10ms | all");
    assert_string_equal(s->endpoints[0].region, "b"); /* declared first */
    assert_string_equal(s->endpoints[1].address, "2001:db8::1");
    assert_int_equal(s->thresholds->hold_ms, MODEL_AUTO);
    assert_int_equal(s->thresholds->window_ms, 90000);
    assert_int_equal(s->thresholds->failback_after_ms, 600000);
    assert_int_equal(m->zones[0].ns_n, 2);
    assert_int_equal(m->zones[0].ns[0].addresses_n, 3);
    assert_string_equal(m->zones[0].ns[0].addresses[1], "2001:db8::1");
    assert_string_equal(m->maps[0].rules[0].where.text, "net:10.0.0.0/8");
    assert_string_equal(model_probe(m, "p")->args[2], "5");
    struct model *back = model_create();
    char *text = config_export(m, true);
    if (import_into(back, text) != ERR_OK)
        fail_msg("%s", said);
    assert_int_equal(differences(m, back), 0);
    free(text);
    model_unref(&m);
    model_unref(&back);
}

static void what_belongs_to_one_host_is_exported_on_demand_and_kept(void **state)
{
    (void)state;
    struct model *m = model_of("{\"settings\": {\"workers\": \"4\", \"ramp\": \"30s\"}}");
    char *shared = config_export(m, false), *all = config_export(m, true);
    assert_null(strstr(shared, "workers"));
    assert_non_null(strstr(shared, "\"ramp\": \"30s\""));
    assert_non_null(strstr(all, "\"workers\": \"4\""));
    assert_int_equal(import_into(m, "{\"settings\": {\"ramp\": \"45s\"}}"), ERR_OK);
    assert_string_equal(model_setting(m, "workers"), "4");
    assert_string_equal(model_setting(m, "ramp"), "45s");
    assert_int_equal(import_into(m, "{\"settings\": {}}"), ERR_OK);
    assert_string_equal(model_setting(m, "ramp"), "60s");
    free(shared);
    free(all);
    model_unref(&m);
}

static void an_absent_key_is_left_alone_and_an_empty_list_removes(void **state)
{
    (void)state;
    struct model *m = model_of(BASE);
    assert_int_equal(import_into(m, "{\"settings\": {\"ramp\": \"30s\"}}"), ERR_OK);
    assert_int_equal(m->services_n, 1);
    assert_int_equal(import_into(m, "{\"services\": [], \"probes\": []}"), ERR_OK);
    assert_int_equal(m->services_n, 0);
    assert_int_equal(m->probes_n, 0);
    assert_int_equal(m->regions_n, 2);
    model_unref(&m);
}

static void importing_an_export_changes_nothing(void **state)
{
    (void)state;
    struct model *m = model_of(BASE);
    assert_int_equal(edit(m, VERB_ADD, NOUN_REGION, "ap", NULL, NULL, NULL), ERR_OK);
    assert_int_equal(edit(m, VERB_ADD, NOUN_REGION, "sa", NULL, NULL, NULL), ERR_OK);
    assert_int_equal(edit(m, VERB_REMOVE, NOUN_REGION, "ap", NULL, NULL, NULL), ERR_OK);
    struct model *same = model_clone(m);
    char *text = config_export(m, false);
    assert_int_equal(import_into(same, text), ERR_OK);
    assert_int_equal(differences(m, same), 0);
    free(text);
    model_unref(&m);
    model_unref(&same);
}

static void the_revision_of_the_document_is_given(void **state)
{
    (void)state;
    struct model *m = model_create();
    struct diag d = {0};
    int64_t revision;
    assert_int_equal(config_import(m, "{\"revision\": 7}", 15, &revision, &d), ERR_OK);
    assert_int_equal(revision, 7);
    assert_int_equal(config_import(m, "{}", 2, &revision, &d), ERR_OK);
    assert_int_equal(revision, 0);
    diag_fini(&d);
    model_unref(&m);
    import_refused("{\"revision\": \"x\"}", "revision: \"x\" is not accepted: give a whole number");
}

static void errors_name_the_place_and_what_would_do(void **state)
{
    (void)state;
    import_refused("{\"regions\": [{\"name\": \"eu\", \"bias_km\": \"far\"}]}",
                   "regions[0].bias_km: \"far\" is not accepted: give a number of kilometres");
    import_refused("{\"regions\": [{\"name\": \"eu\", \"capcity\": 1}]}",
                   "regions[0]: \"capcity\" is not a field of a region; did you mean "
                   "\"capacity\"?");
    import_refused("{\"regions\": [{\"name\": \"eu\"}, {}]}",
                   "regions[1]: the key \"name\" is missing");
    import_refused(
        "{\"region\": []}",
        "\"region\" is not a part of the configuration; did you mean \"regions\"?; parts "
        "are settings, zones, regions, probes, maps, latency, services");
    import_refused("{\"regions\": {}}", "regions: an object is not accepted: give a list");
    import_refused("{\"regions\": [3]}", "regions[0]: 3 is not accepted: give an object with the "
                                         "fields of a region");
    import_refused("[]", "the configuration is a list: it must be an object with the keys "
                         "settings, zones, regions, probes, maps, latency, services");
    import_refused("{\"services\": [{\"name\": \"a.b\", \"endpoints\": [{\"region\": \"eu\", "
                   "\"address\": \"10.0.0.300\"}]}]}",
                   "services[0].endpoints[0].address: \"10.0.0.300\" is neither an IPv4 or IPv6 "
                   "address nor a host name");
    import_refused("{\"services\": [{\"name\": \"a.b\", \"policy\": \"geo | nearst\"}]}",
                   "services[0].policy: word 2 \"nearst\" is not a step; did you mean "
                   "\"nearest\"?");
    import_refused("{\"services\": [{\"name\": \"a.b\", \"ttl\": -1}]}",
                   "services[0].ttl: -1 is not accepted: give 0 to 86400 seconds");
    import_refused("{\"maps\": [{\"name\": \"m\", \"rules\": [{\"where\": \"land:DE\", "
                   "\"regions\": [\"eu\"]}]}]}",
                   "maps[0].rules[0].where: \"land:DE\" is not a place: give net:10.0.0.0/8, "
                   "asn:3320, city:GB/London, subdivision:US-CA, country:DE, continent:EU or "
                   "default");
    import_refused("{\"settings\": {\"worker\": 1}}",
                   "settings.worker: \"worker\" is not a setting; did you mean \"workers\"?");
    import_refused("{\"probes\": [{\"name\": \"p\", \"type\": \"htp\"}]}",
                   "probes[0].type: \"htp\" is not a probe type: give http, https, tcp, dns, "
                   "exec, all, any or quorum; did you mean \"http\"?");
    import_refused("{\"zones\": [{\"name\": \"z\", \"ns\": [\"a=1.2.3\"]}]}",
                   "zones[0].ns[0]: \"1.2.3\" is not an IP address: give a name server as "
                   "NAME=ADDRESS[,ADDRESS]");
}

static void all_errors_of_a_document_are_found(void **state)
{
    (void)state;
    struct diag d = {0};
    struct model *m = model_create();
    int64_t revision;
    const char *text = "{\"regions\": [{\"name\": \"a b\"}, {\"name\": \"eu\", \"at\": 5}], "
                       "\"zones\": [{}], \"x\": 1}";
    assert_int_not_equal(config_import(m, text, strlen(text), &revision, &d), ERR_OK);
    assert_int_equal(d.errors, 4);
    diag_fini(&d);
    model_unref(&m);
}

static void syntax_errors_name_line_and_column(void **state)
{
    (void)state;
    struct model *m = model_create();
    assert_int_equal(import_into(m, "{\"regions\": [\n{\"name\": \"a\",}\n]}"), ERR_SYNTAX);
    assert_non_null(strstr(said, "line 2"));
    assert_int_equal(import_into(m, "{\"zones\": [], \"zones\": []}"), ERR_SYNTAX);
    assert_int_equal(import_into(m, "{\"zones\": []"), ERR_SYNTAX);
    assert_int_equal(import_into(m, "{\"zones\": []} x"), ERR_SYNTAX);
    assert_int_equal(import_into(m, "{\"zones\": [,]}"), ERR_SYNTAX);
    assert_int_equal(import_into(m, "{\"zones\" []}"), ERR_SYNTAX);
    assert_int_equal(import_into(m, "{,}"), ERR_SYNTAX);
    assert_int_equal(import_into(m, ""), ERR_SYNTAX);
    assert_int_equal(import_into(m, "{\"zones\": [{\"name\": \"a\", \"name\": \"b\"}]}"),
                     ERR_SYNTAX);
    model_unref(&m);
}

static void an_item_can_be_had_as_json(void **state)
{
    (void)state;
    struct model *m = model_of(BASE);
    json_t *brief = config_item_json(m, NOUN_REGION, &m->regions[1], false);
    json_t *full = config_item_json(m, NOUN_REGION, &m->regions[1], true);
    assert_null(json_object_get(brief, "capacity"));
    assert_int_equal(json_integer_value(json_object_get(full, "capacity")), 0);
    assert_string_equal(json_string_value(json_object_get(full, "name")), "us");
    json_t *service = config_item_json(m, NOUN_SERVICE, &m->services[0], true);
    assert_true(json_is_null(json_object_get(service, "degrade")));
    assert_int_equal(json_array_size(json_object_get(service, "endpoints")), 2);
    json_decref(brief);
    json_decref(full);
    json_decref(service);
    model_unref(&m);
}

static void every_field_has_its_row_in_full(void **state)
{
    (void)state;
    for (unsigned noun = 0; noun < NOUN_COUNT; noun++) {
        size_t n;
        const struct config_field *f = config_fields((enum config_noun)noun, &n);
        enum config_noun back;
        assert_true(n > 0);
        assert_true(config_noun_parse(config_noun_name((enum config_noun)noun), &back));
        assert_int_equal(back, noun);
        for (size_t i = 0; i < n; i++) {
            assert_true(*f[i].key && *f[i].value && *f[i].accepted && *f[i].help);
            for (size_t k = 0; k < i; k++)
                assert_string_not_equal(f[i].key, f[k].key);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_of_the_manual_is_read),
        cmocka_unit_test(an_export_reads_back_as_the_same),
        cmocka_unit_test(an_export_has_sorted_keys_and_one_item_a_line),
        cmocka_unit_test(every_field_survives_export_and_import),
        cmocka_unit_test(what_belongs_to_one_host_is_exported_on_demand_and_kept),
        cmocka_unit_test(an_absent_key_is_left_alone_and_an_empty_list_removes),
        cmocka_unit_test(importing_an_export_changes_nothing),
        cmocka_unit_test(the_revision_of_the_document_is_given),
        cmocka_unit_test(errors_name_the_place_and_what_would_do),
        cmocka_unit_test(all_errors_of_a_document_are_found),
        cmocka_unit_test(syntax_errors_name_line_and_column),
        cmocka_unit_test(an_item_can_be_had_as_json),
        cmocka_unit_test(every_field_has_its_row_in_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
