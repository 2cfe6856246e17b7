/* What would change, against what the wire says and against sums done by hand. */
#include "lab.h"

#include "crowd/whatif.h"
#include "crowd/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGIONS                                                                                    \
    "'regions':[{'name':'eu','at':[51.5,-0.1],'capacity':1000},"                                   \
    "{'name':'us','at':[39.0,-77.5],'capacity':1000},{'name':'ap','at':[35.7,139.7]}],"
#define ENDPOINTS(eu, us, ap)                                                                      \
    "[{'region':'eu','address':'192.0.2.1','weight':" #eu "},"                                     \
    "{'region':'us','address':'192.0.2.2','weight':" #us "},"                                      \
    "{'region':'ap','address':'192.0.2.3','weight':" #ap "}]"
#define SERVICE(name, policy, more, endpoints)                                                     \
    "{'name':'" name ".g.test','policy':'" policy "'," more "'endpoints':" endpoints "}"
#define WORLD(services)                                                                            \
    "{" LAB_GEO LAB_ZONE REGIONS                                                                   \
    "'maps':[{'name':'m','rules':[{'where':'country:GB','regions':['eu','us']},"                   \
    "{'where':'default','regions':['us','ap','eu']}]}],'services':[" services "]}"
#define EVEN ENDPOINTS(100, 100, 100)

static json_t *ask_with(struct lab *l, struct snapshot *after, const char *regions,
                        const char *service, const struct crowd *answers, const double *load)
{
    struct diag diag = {0};
    char text[300];
    json_t *set = regions ? json_loads(regions, 0, NULL) : NULL, *out;
    struct crowd_what_if w = {.before = l->s,
                              .after = after,
                              .service = service,
                              .regions = set,
                              .answers = answers,
                              .load = load};
    if (crowd_what_if(&w, &out, &diag))
        fail_msg("refused: %s", diag_first(&diag, text, sizeof text));
    diag_fini(&diag);
    json_decref(set);
    return out;
}

static json_t *ask_if(struct lab *l, const char *regions)
{
    return ask_with(l, NULL, regions, NULL, NULL, NULL);
}

static double at(const json_t *j, const char *list, const char *key, const char *name,
                 const char *value)
{
    size_t i;
    json_t *x;
    json_array_foreach(json_object_get(j, list), i,
                       x) if (strcmp(json_string_value(json_object_get(x, key)), name) ==
                              0) return json_number_value(json_object_get(x, value));
    return -1;
}

#define REGION(j, name, value) at(j, "regions", "name", name, value)
#define CLASS(j, name, value) at(j, "classes", "order", name, value)
#define MOVED(j) json_number_value(json_object_get(j, "moved"))

static double in_class(const json_t *j, const char *order, const char *side, const char *region)
{
    size_t i;
    json_t *x;
    json_array_foreach(
        json_object_get(j, "classes"), i,
        x) if (strcmp(json_string_value(json_object_get(x, "order")), order) ==
               0) return json_number_value(json_object_get(json_object_get(x, side), region));
    return -1;
}

/* 65,536 blocks each of London (and 256 of Berlin), America, Tokyo, Brazil (as London). */
#define ALL (4 * 65536.0 + 256)
#define EU ((2 * 65536.0 + 256) / ALL)
#define OTHER (65536.0 / ALL)

static void a_region_that_goes_gives_its_clients_to_the_next(void **state)
{
    struct lab l;
    (void)state;
    lab_open(&l, WORLD(SERVICE("w", "nearest", "'ttl':40,", EVEN)));
    json_t *j = ask_if(&l, "{\"eu\":0}");
    assert_near(REGION(j, "eu", "before"), EU, 1e-4);
    assert_near(REGION(j, "eu", "after"), 0, 0);
    assert_near(REGION(j, "us", "after"), EU + OTHER, 1e-4);
    assert_near(REGION(j, "ap", "after"), OTHER, 1e-4);
    assert_near(MOVED(j), EU, 1e-4);
    assert_int_equal(json_integer_value(json_object_get(j, "ttl_s")), 40);
    assert_string_equal(json_string_value(json_object_get(j, "basis")), "networks");
    assert_near(CLASS(j, "eu > us > ap", "moved"), 1, 0);
    assert_near(in_class(j, "eu > us > ap", "after", "us"), 1, 1e-9);
    assert_near(in_class(j, "us > eu > ap", "after", "us"), 1, 1e-9);
    /* London to London 5 ms, to Ashburn some 5,900 km: docs/geo.md. */
    json_t *latency = json_object_get(json_array_get(json_object_get(j, "classes"), 0), "latency");
    assert_near(json_number_value(json_object_get(latency, "before_ms")), 5, 0.2);
    assert_near(json_number_value(json_object_get(latency, "after_ms")), 94, 3);
    assert_near(json_number_value(json_object_get(latency, "known")), 0.5, 0.01); /* Brazil: no */
    json_decref(j);
    /* Nothing that serves was touched. */
    assert_int_equal(atomic_load(&l.s->steer.board.region[lab_region(&l, "eu")]), AVAIL_FULL);
    lab_close(&l);
}

static void a_partial_region_keeps_its_share(void **state)
{
    struct lab l;
    (void)state;
    lab_open(&l, WORLD(SERVICE("w", "nearest", "", EVEN)));
    json_t *j = ask_if(&l, "{\"eu\":0.6}");
    assert_near(REGION(j, "eu", "after"), 0.6 * EU, 0.01);
    assert_near(MOVED(j), 0.4 * EU, 0.01);
    json_decref(j);
    lab_close(&l);
}

/* All choosers, a world that has troubles already: the shares are those that queries get. */
static void shares_are_those_that_queries_get(void **state)
{
    static const char *const policies[] = {
        "weighted", "sticky",    "nearest",        "latency within=200ms | sticky",
        "failover", "geo | all", "fence | nearest"};
    struct lab l;
    (void)state;
    for (size_t k = 0; k < sizeof policies / sizeof *policies; k++) {
        char json[4000];
        snprintf(json, sizeof json,
                 WORLD("{'name':'w.g.test','map':'m','policy':'%s','endpoints':" ENDPOINTS(60, 30,
                                                                                           10) "}"),
                 policies[k]);
        lab_open(&l, json);
        lab_set_region(&l, "us", 0.7);
        lab_set_endpoint(&l, "w.g.test", "192.0.2.3", 0.5);
        json_t *j = ask_if(&l, "{\"eu\":0.25}");
        for (int after = 0; after < 2; after++) {
            if (after)
                lab_set_region(&l, "eu", 0.25);
            double share[3] = {0};
            uint32_t n = 40000, places = 0;
            struct crowd c;
            assert_true(crowd_of_networks(l.s->base, &c));
            for (uint32_t i = 0; i < n; i++) { /* other clients of the same blocks, by the wire */
                struct ip_prefix net = {.ip = c.client[(uint64_t)i * c.n / n].address, .len = 24};
                struct lab_question q = {.name = "w.g.test", .type = 1};
                struct answer_plan p;
                net.ip.b[3] = 0;
                q.net = net;
                lab_decide(&l, &q, &p);
                for (uint16_t e = 0; e < p.steer.n; e++)
                    share[lab_region_of(&l, p.steer.endpoint[e])] += 1.0 / p.steer.n;
                places += p.steer.n > 0;
            }
            crowd_fini(&c);
            assert_int_equal(places, n);
            const char *names[] = {"eu", "us", "ap"};
            for (int r = 0; r < 3; r++)
                assert_near(REGION(j, names[r], after ? "after" : "before"),
                            share[lab_region(&l, names[r])] / n, 0.02);
        }
        json_decref(j);
        lab_close(&l);
    }
}

/* A weight that is changed moves what it must; drawing anew for every answer is no move. */
static void new_weights_move_the_difference(void **state)
{
    static const char *const policies[] = {"weighted", "sticky"};
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct lab l;
        char json[3000];
        snprintf(
            json, sizeof json,
            WORLD("{'name':'w.g.test','policy':'%s','endpoints':" ENDPOINTS(100, 100, 100) "}"),
            policies[k]);
        lab_open(&l, json);
        struct snapshot *before = snapshot_ref(l.s);
        snprintf(
            json, sizeof json,
            WORLD("{'name':'w.g.test','policy':'%s','endpoints':" ENDPOINTS(100, 100, 200) "}"),
            policies[k]);
        lab_reopen(&l, json);
        struct lab was = {.s = before};
        json_t *j = ask_with(&was, l.s, NULL, NULL, NULL, NULL);
        assert_near(REGION(j, "ap", "before"), 1.0 / 3, 0.01);
        assert_near(REGION(j, "ap", "after"), 0.5, 0.01);
        assert_near(MOVED(j), 0.5 - 1.0 / 3, 0.015);
        json_decref(j);
        snapshot_unref(&before);
        lab_close(&l);
    }
}

static void what_is_observed_stays_in_another_configuration(void **state)
{
    struct lab l;
    (void)state;
    lab_open(&l, WORLD(SERVICE("w", "nearest", "", EVEN)));
    lab_set_endpoint(&l, "w.g.test", "192.0.2.1", 0);
    lab_set_site(&l, "w.g.test", "us", 0);
    struct snapshot *before = snapshot_ref(l.s);
    /* One more service in front and another region before all. */
    lab_reopen(
        &l, "{" LAB_GEO LAB_ZONE "'regions':[{'name':'aa'},{'name':'us','at':[39.0,-77.5]},"
            "{'name':'eu','at':[51.5,-0.1]},{'name':'ap','at':[35.7,139.7]}],'services':[" SERVICE(
                "a", "nearest", "", EVEN) "," SERVICE("w", "nearest", "", EVEN) "]}");
    struct lab was = {.s = before};
    json_t *j = ask_with(&was, l.s, NULL, NULL, NULL, NULL);
    assert_near(REGION(j, "ap", "before"), 1, 1e-9); /* the only one left */
    assert_near(REGION(j, "ap", "after"), 1, 1e-9);
    assert_near(MOVED(j), 0, 0);
    json_decref(j);
    /* The service is gone: nobody is answered. */
    lab_reopen(&l, WORLD(SERVICE("x", "nearest", "", EVEN)));
    j = ask_with(&was, l.s, NULL, NULL, NULL, NULL);
    assert_near(json_number_value(json_object_get(j, "unanswered_after")), 1, 1e-9);
    assert_near(MOVED(j), 1, 1e-9);
    json_decref(j);
    snapshot_unref(&before);
    lab_close(&l);
}

static void on_empty_leads_to_another_service(void **state)
{
    struct lab l;
    (void)state;
    lab_open(&l,
             WORLD(SERVICE(
                 "w", "nearest", "'on_empty':'back.g.test',",
                 "[{'region':'eu','address':'192.0.2.1'}]") "," SERVICE("back", "nearest", "",
                                                                        "[{'region':'ap','address':"
                                                                        "'192.0.2.9'}]")));
    json_t *j = ask_with(&l, NULL, "{\"eu\":0}", "w.g.test", NULL, NULL);
    assert_near(REGION(j, "eu", "before"), 1, 1e-9);
    assert_near(REGION(j, "ap", "after"), 1, 1e-9);
    json_decref(j);
    lab_close(&l);
}

static void recent_answers_say_who_asks_for_what(void **state)
{
    struct lab l;
    (void)state;
    lab_open(&l,
             WORLD(SERVICE("a", "nearest", "", EVEN) "," SERVICE("b", "geo", "'map':'m',", EVEN)));
    uint32_t a = lab_service(&l, "a.g.test"), b = lab_service(&l, "b.g.test");
    struct crowd_client list[] = {
        {.address = lab_ip("81.1.2.3"), .subnet = true, .service = a, .weight = 6},
        {.address = lab_ip("58.1.2.3"), .subnet = true, .service = a, .weight = 2},
        {.address = lab_ip("58.1.2.3"), .subnet = true, .service = b, .weight = 2}};
    struct crowd c = {.client = list, .n = 3, .basis = CROWD_ANSWERS, .span_ms = 60000};
    double load[3] = {600, -1, 200};
    json_t *j = ask_with(&l, NULL, "{\"eu\":0}", NULL, &c, load);
    assert_string_equal(json_string_value(json_object_get(j, "basis")), "answers");
    assert_near(REGION(j, "eu", "before"), 0.6, 1e-6);
    assert_near(REGION(j, "us", "before"), 0.2, 1e-6);
    assert_near(REGION(j, "us", "after"), 0.8, 1e-6);
    /* 800 are reported where 0.8 of the answers go: 1,000 in all, of which us gets 0.8. */
    assert_near(REGION(j, "us", "load_after"), 800, 1e-3);
    assert_near(REGION(j, "us", "overrun"), 0, 0);
    assert_near(REGION(j, "eu", "load_after"), 0, 1e-3);
    json_decref(j);
    load[1] = 700;
    j = ask_with(&l, NULL, "{\"eu\":0}", NULL, &c, load);
    assert_near(REGION(j, "us", "load_after"), 700 + 600, 1e-3);
    assert_near(REGION(j, "us", "overrun"), 300, 1e-3);
    json_decref(j);
    j = ask_with(&l, NULL, "{\"eu\":0}", "b.g.test", &c, load);
    assert_near(REGION(j, "us", "before"), 1, 1e-6);
    assert_near(MOVED(j), 0, 0);
    assert_true(json_is_null(json_object_get(json_array_get(json_object_get(j, "regions"), 0),
                                             "load_after"))); /* loads are of all services */
    json_decref(j);
    lab_close(&l);
}

static void what_is_not_there_is_refused(void **state)
{
    struct lab l;
    char text[300];
    (void)state;
    lab_open(&l, WORLD(SERVICE("w", "nearest", "", EVEN)));
    const struct {
        const char *regions, *service, *said;
    } cases[] = {{"{\"mars\":0}", NULL, "region \"mars\" does not exist"},
                 {"{\"eu\":1.5}", NULL, "an availability is from 0 to 1"},
                 {"{\"eu\":\"x\"}", NULL, "an availability is from 0 to 1"},
                 {"{\"eu\":0}", "no.g.test", "service \"no.g.test\" does not exist"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct diag diag = {0};
        json_t *set = json_loads(cases[i].regions, 0, NULL), *out;
        struct crowd_what_if w = {.before = l.s, .service = cases[i].service, .regions = set};
        assert_int_not_equal(crowd_what_if(&w, &out, &diag), ERR_OK);
        assert_null(out);
        assert_non_null(strstr(diag_first(&diag, text, sizeof text), cases[i].said));
        diag_fini(&diag);
        json_decref(set);
    }
    lab_close(&l);
}

/* Bounded, whatever the number of services: one point each, and each counts as much. */
static void many_services_are_asked_once_each(void **state)
{
    struct lab l;
    size_t n = 70000, cap = n * 120 + 1000, len;
    char *json = malloc(cap);
    (void)state;
    len = (size_t)snprintf(json, cap, "{" LAB_GEO LAB_ZONE REGIONS "'services':[");
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(json + len, cap - len,
                                "%s{'name':'s%zu.g.test','policy':'nearest','endpoints':[{'region':"
                                "'%s','address':'192.0.2.1'}]}",
                                i ? "," : "", i, i % 4 ? "eu" : "us");
    snprintf(json + len, cap - len, "]}");
    lab_open(&l, json);
    free(json);
    json_t *j = ask_if(&l, "{\"eu\":1}");
    assert_int_equal(json_integer_value(json_object_get(j, "points")), n);
    assert_int_equal(json_integer_value(json_object_get(j, "services_asked")), n);
    assert_near(REGION(j, "eu", "before"), 0.75, 1e-9);
    assert_near(MOVED(j), 0, 0);
    json_decref(j);
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_region_that_goes_gives_its_clients_to_the_next),
        cmocka_unit_test(a_partial_region_keeps_its_share),
        cmocka_unit_test(shares_are_those_that_queries_get),
        cmocka_unit_test(new_weights_move_the_difference),
        cmocka_unit_test(what_is_observed_stays_in_another_configuration),
        cmocka_unit_test(on_empty_leads_to_another_service),
        cmocka_unit_test(recent_answers_say_who_asks_for_what),
        cmocka_unit_test(what_is_not_there_is_refused),
        cmocka_unit_test(many_services_are_asked_once_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
