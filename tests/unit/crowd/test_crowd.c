/* Who asks: clients that stand for all networks, and what each class of a view weighs by them. */
#include "lab.h"

#include "crowd/crowd.h"

#include <stdio.h>
#include <stdlib.h>

#define REGIONS                                                                                    \
    "'regions':[{'name':'eu','at':[51.5,-0.1]},{'name':'us','at':[39.0,-77.5]},"                   \
    "{'name':'ap','at':[35.7,139.7]}],"
#define ENDPOINTS                                                                                  \
    "[{'region':'eu','address':'192.0.2.1'},{'region':'us','address':'192.0.2.2'},"                \
    "{'region':'ap','address':'192.0.2.3'}]"
#define WORLD(geo)                                                                                 \
    "{" geo LAB_ZONE REGIONS "'services':[{'name':'near.g.test','policy':'nearest','endpoints':"   \
    "" ENDPOINTS "},{'name':'any.g.test','policy':'weighted','endpoints':" ENDPOINTS "}]}"

/* Blocks of /24 in the lab's database, and where "nearest" sends them. */
#define LONDON 65536.0
#define BERLIN 256.0
#define AMERICA 65536.0
#define TOKYO 65536.0
#define BRAZIL 65536.0
#define ALL (LONDON + BERLIN + AMERICA + TOKYO + BRAZIL)

static double weight_of(struct lab *l, const double *weight, const char *service,
                        const char *address)
{
    struct ip ip = lab_ip(address);
    uint32_t view = l->s->steer.service[lab_service(l, service)].view;
    return weight[geo_view_lookup(l->s->views[view]->map, &ip).class];
}

static void the_networks_of_a_small_base_are_weighed_exactly(void **state)
{
    struct lab l;
    struct crowd c;
    (void)state;
    lab_open(&l, WORLD(LAB_GEO));
    uint32_t view = l.s->steer.service[lab_service(&l, "near.g.test")].view;
    double *weight = calloc(l.s->views[view]->rows_n, sizeof *weight), sum = 0;
    assert_true(crowd_of_networks(l.s->base, &c));
    assert_int_equal(c.basis, CROWD_NETWORKS);
    assert_in_range(c.n, CROWD_CLIENTS_MAX / 2, CROWD_CLIENTS_MAX);
    assert_true(crowd_class_weights(&c, l.s, view, weight));
    for (uint32_t i = 0; i < l.s->views[view]->rows_n; i++)
        sum += weight[i];
    assert_near(sum, 1, 1e-9);
    assert_near(weight_of(&l, weight, "near.g.test", "9.1.2.3"), AMERICA / ALL, 1e-5);
    assert_near(weight_of(&l, weight, "near.g.test", "58.1.2.3"), TOKYO / ALL, 1e-5);
    /* Brazil has no coordinates there, and the order of declaration is London's. */
    assert_near(weight_of(&l, weight, "near.g.test", "81.1.2.3"), (LONDON + BERLIN + BRAZIL) / ALL,
                1e-5);
    free(weight);
    crowd_fini(&c);
    lab_close(&l);
}

static void without_a_database_every_network_counts(void **state)
{
    struct lab l;
    struct crowd c;
    (void)state;
    lab_open(&l, WORLD(""));
    assert_true(crowd_of_networks(l.s->base, &c));
    double total = 0;
    for (uint32_t i = 0; i < c.n; i++)
        total += (double)c.client[i].weight;
    assert_near(total, 16777216.0, 16);
    crowd_fini(&c);
    lab_close(&l);
}

static void clients_of_another_view_have_no_say(void **state)
{
    struct lab l;
    (void)state;
    lab_open(&l, WORLD(LAB_GEO));
    uint32_t near = lab_service(&l, "near.g.test"), any = lab_service(&l, "any.g.test");
    struct crowd_client list[] = {
        {.address = lab_ip("81.1.2.3"), .subnet = true, .service = near, .weight = 3},
        {.address = lab_ip("9.1.2.3"), .subnet = true, .service = near, .weight = 1},
        {.address = lab_ip("58.1.2.3"), .subnet = true, .service = any, .weight = 100}};
    struct crowd c = {.client = list, .n = 3, .basis = CROWD_ANSWERS};
    uint32_t view = l.s->steer.service[near].view;
    double *weight = calloc(l.s->views[view]->rows_n, sizeof *weight);
    assert_true(crowd_class_weights(&c, l.s, view, weight));
    assert_near(weight_of(&l, weight, "near.g.test", "81.1.2.3"), 0.75, 1e-9);
    assert_near(weight_of(&l, weight, "near.g.test", "9.1.2.3"), 0.25, 1e-9);
    assert_near(weight_of(&l, weight, "near.g.test", "58.1.2.3"), 0, 1e-9);
    c.n = 0;
    assert_false(crowd_class_weights(&c, l.s, view, weight));
    free(weight);
    lab_close(&l);
}

/* More ranges than clients: every client stands for as many networks. */
static void a_large_base_is_sampled_evenly(void **state)
{
    struct lab l;
    struct crowd c;
    (void)state;
    size_t cap = 1 << 20, len = 0;
    char *json = malloc(cap);
    len += (size_t)snprintf(json, cap, "{" LAB_GEO REGIONS "'maps':[{'name':'m','rules':[");
    for (unsigned i = 0; i < 10000; i++) /* 10,000 holes in London */
        len += (size_t)snprintf(json + len, cap - len,
                                "{'where':'net:81.%u.%u.0/25','regions':['us']},", i / 100,
                                i % 100 * 2);
    snprintf(json + len, cap - len,
             "{'where':'default','regions':['eu']}]}]," LAB_ZONE
             "'services':[{'name':'w.g.test','policy':'geo','map':'m','endpoints':" ENDPOINTS
             "}]}");
    lab_open(&l, json);
    free(json);
    assert_true(crowd_of_networks(l.s->base, &c));
    assert_in_range(c.n, CROWD_CLIENTS_MAX - 4, CROWD_CLIENTS_MAX);
    uint32_t view = l.s->steer.service[0].view;
    double *weight = calloc(l.s->views[view]->rows_n, sizeof *weight);
    assert_true(crowd_class_weights(&c, l.s, view, weight));
    /* Each /25 and the half beside it count as a begun /24. */
    assert_near(weight_of(&l, weight, "w.g.test", "81.7.2.3"), 10000 / (ALL + 10000), 0.005);
    free(weight);
    crowd_fini(&c);
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_networks_of_a_small_base_are_weighed_exactly),
        cmocka_unit_test(without_a_database_every_network_counts),
        cmocka_unit_test(clients_of_another_view_have_no_say),
        cmocka_unit_test(a_large_base_is_sampled_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
