/* The order of regions: every step alone, in pairs, and where nothing is known of the client. */
#include "lab.h"

#include <stdio.h>
#include <string.h>

#define REGIONS                                                                                    \
    "'regions':[{'name':'eu','at':[51.5,-0.1]},{'name':'us','at':[39.0,-77.5]},"                   \
    "{'name':'ap','at':[35.7,139.7]},{'name':'sa','at':[-23.5,-46.6]}],"
#define MAP                                                                                        \
    "'maps':[{'name':'world','rules':["                                                            \
    "{'where':'continent:EU','regions':['us','eu']},"                                              \
    "{'where':'country:GB','regions':['eu','us']},"                                                \
    "{'where':'city:GB/London','regions':['ap']},"                                                 \
    "{'where':'subdivision:US-CA','regions':['ap','us']},"                                         \
    "{'where':'asn:3320','regions':['sa','eu']},"                                                  \
    "{'where':'net:80.1.2.0/24','regions':['ap','eu']},"                                           \
    "{'where':'net:80.1.2.16/28','regions':['us']},"                                               \
    "{'where':'default','regions':['sa','us']}]}],"
#define FOUR                                                                                       \
    "[{'region':'eu','address':'192.0.2.1'},{'region':'us','address':'192.0.2.2'},"                \
    "{'region':'ap','address':'192.0.2.3'},{'region':'sa','address':'192.0.2.4'}]"
#define SERVICE(policy, more, endpoints)                                                           \
    "'services':[{'name':'w.g.test','policy':'" policy "'," more "'endpoints':" endpoints "}]"
#define WORLD(policy, more, endpoints)                                                             \
    "{" LAB_GEO LAB_ZONE REGIONS MAP SERVICE(policy, more, endpoints) "}"

static const char london[] = "81.2.3.0/24", berlin[] = "80.1.9.0/24", ashburn[] = "9.1.2.0/24",
                  california[] = "9.9.9.0/24", tokyo[] = "58.1.1.0/24", brazil[] = "200.1.1.0/24",
                  nowhere[] = "150.0.0.0/24";

static void assert_row(struct lab *l, const char *client, const char *want)
{
    assert_string_equal(lab_row(l, "w.g.test", client), want);
}

static void geo_takes_the_most_specific_rule(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("geo", "'map':'world',", FOUR));
    assert_row(&l, london, "ap > eu > us > sa");         /* city before country before continent */
    assert_row(&l, "80.1.2.16/28", "us > eu > ap > sa"); /* the longest network first */
    assert_row(&l, "80.1.2.0/28", "ap > eu > us > sa");
    assert_row(&l, berlin, "sa > eu > us > ap"); /* ASN before continent */
    assert_row(&l, california, "ap > us > eu > sa");
    lab_close(&l);
}

static void geo_puts_unlisted_regions_last_by_distance(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("geo", "'map':'world',", FOUR));
    assert_row(&l, ashburn, "sa > us > eu > ap"); /* default, then by distance */
    assert_row(&l, tokyo, "sa > us > ap > eu");
    lab_close(&l);
}

static void geo_gives_an_unlocated_client_the_default_and_then_the_declared_order(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("geo", "'map':'world',", FOUR));
    assert_row(&l, nowhere, "sa > us > eu > ap");
    assert_row(&l, brazil, "sa > us > eu > ap"); /* a country, but no coordinates */
    lab_reopen(&l, WORLD("geo", "", FOUR));
    assert_row(&l, nowhere, "eu > us > ap > sa");
    assert_row(&l, tokyo, "ap > eu > us > sa"); /* no map: by distance */
    lab_close(&l);
}

#define BIASED(km)                                                                                 \
    "{" LAB_GEO LAB_ZONE "'regions':[{'name':'eu','at':[51.5,-0.1]},"                              \
    "{'name':'us','at':[39.0,-77.5],'bias_km':" km "}]," SERVICE(                                  \
        "nearest", "",                                                                             \
        "[{'region':'eu','address':'192.0.2.1'},{'region':'us','address':'192.0.2.2'}]") "}"

static void nearest_goes_by_distance_less_bias(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("nearest", "", FOUR));
    assert_row(&l, london, "eu > us > sa > ap");
    assert_row(&l, tokyo, "ap > eu > us > sa");
    assert_row(&l, nowhere, "eu > us > ap > sa");
    /* Ashburn is 5,900 km from London and 6,700 km from Berlin, London 930 km from Berlin. */
    lab_reopen(&l, BIASED("5700"));
    assert_row(&l, london, "eu > us");
    assert_row(&l, berlin, "eu > us");
    lab_reopen(&l, BIASED("5900"));
    assert_row(&l, london, "eu > us");
    assert_row(&l, berlin, "us > eu");
    lab_reopen(&l, BIASED("6000"));
    assert_row(&l, london, "us > eu");
    lab_close(&l);
}

static void nearest_within_joins_the_regions_near_the_best(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("nearest within=6000", "", FOUR));
    assert_row(&l, london, "eu = us > sa = ap"); /* 0, 5 900; 9 500, 9 560 */
    assert_row(&l, tokyo, "ap > eu = us > sa");
    assert_row(&l, nowhere, "eu > us > ap > sa"); /* order, not distance: nothing is near */
    lab_close(&l);
}

#define LATENCY                                                                                    \
    "'latency':[{'where':'continent:EU','region':'eu','ms':90},"                                   \
    "{'where':'continent:EU','region':'us','ms':40},"                                              \
    "{'where':'country:GB','region':'eu','ms':30},"                                                \
    "{'where':'asn:100','region':'ap','ms':20},"                                                   \
    "{'where':'net:81.2.0.0/16','region':'sa','ms':15},"                                           \
    "{'where':'net:81.2.3.0/24','region':'sa','ms':500},"                                          \
    "{'where':'net:150.0.0.0/16','region':'us','ms':1}],"
#define MEASURED(policy) "{" LAB_GEO LAB_ZONE REGIONS LATENCY SERVICE(policy, "", FOUR) "}"

static void latency_takes_the_most_specific_measurement_of_each_region(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, MEASURED("latency"));
    assert_row(&l, "81.2.4.0/24", "sa > ap > eu > us"); /* 15 net, 20 asn, 30 country, 40 */
    assert_row(&l, "81.9.9.0/24", "ap > eu > us > sa"); /* sa: estimated */
    assert_row(&l, london, "ap > eu > us > sa");        /* sa: 500, the longest network wins */
    lab_close(&l);
}

static void latency_is_estimated_from_distance_where_nothing_is_measured(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, MEASURED("latency"));
    assert_row(&l, tokyo, "ap > eu > us > sa");
    assert_row(&l, nowhere, "us > eu > ap > sa"); /* measured first, then as declared */
    lab_close(&l);
}

static void latency_within_groups_milliseconds(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, MEASURED("latency within=10ms"));
    assert_row(&l, "81.2.4.0/24", "sa = ap > eu = us"); /* 15 20, 30 40: each from its own best */
    lab_close(&l);
}

#define TIERS                                                                                      \
    "[{'region':'eu','address':'192.0.2.1','priority':2},"                                         \
    "{'region':'eu','address':'192.0.2.11','priority':9},"                                         \
    "{'region':'us','address':'192.0.2.2','priority':2},"                                          \
    "{'region':'ap','address':'192.0.2.3','priority':1},"                                          \
    "{'region':'ap','address':'192.0.2.13','priority':9},"                                         \
    "{'region':'sa','address':'192.0.2.4','priority':5}]"

static void failover_goes_by_priority_and_regions_may_have_several(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("failover", "", TIERS));
    assert_row(&l, london, "ap > eu/1 = us/1 > sa/2 > eu/3 = ap/3");
    lab_reopen(&l, WORLD("failover | nearest", "", TIERS));
    assert_row(&l, ashburn, "ap > us/1 > eu/1 > sa/2 > eu/3 > ap/3");
    lab_reopen(&l, WORLD("nearest | failover", "", TIERS));
    assert_row(&l, ashburn, "us/1 > eu/1 > eu/3 > sa/2 > ap > ap/3");
    lab_reopen(&l, WORLD("nearest within=9000 | failover", "", TIERS));
    assert_row(&l, ashburn, "us/1 = eu/1 > sa/2 > eu/3 > ap > ap/3");
    lab_close(&l);
}

static void priorities_do_not_matter_without_failover(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("nearest", "", TIERS));
    assert_row(&l, ashburn, "us > eu > sa > ap");
    lab_close(&l);
}

static void fence_drops_what_the_rule_does_not_list(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("fence | nearest", "'map':'world',", FOUR));
    assert_row(&l, london, "ap");
    assert_row(&l, berlin, "eu > sa");
    assert_row(&l, "80.1.2.16/28", "us");
    assert_row(&l, nowhere, "sa > us"); /* both by the default rule */
    lab_close(&l);
}

static void a_chooser_alone_knows_one_group(void **state)
{
    (void)state;
    static const char *const policies[] = {"weighted", "sticky", "all"};
    for (size_t i = 0; i < 3; i++) {
        char json[4000];
        struct lab l;
        snprintf(json, sizeof json,
                 "{" LAB_GEO LAB_ZONE REGIONS "'services':[{'name':'w.g.test','policy':'%s',"
                 "'endpoints':" FOUR "}]}",
                 policies[i]);
        lab_open(&l, json);
        assert_row(&l, london, "eu = us = ap = sa");
        lab_close(&l);
    }
}

static void embedded_and_private_clients_are_found_as_the_contract_says(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD("nearest", "", FOUR));
    assert_row(&l, "::ffff:58.1.1.0/120", "ap > eu > us > sa"); /* mapped */
    assert_row(&l, "2002:3a01:0100::/40", "ap > eu > us > sa"); /* 6to4 of 58.1.1.0 */
    assert_row(&l, "64:ff9b::5801:0100/120", "eu > us > ap > sa");
    assert_row(&l, "64:ff9b::3a01:0100/120", "ap > eu > us > sa");
    struct answer_plan p;
    lab_decide(&l,
               &(struct lab_question){
                   .name = "w.g.test", .type = 1, .subnet = "10.1.2.0/24", .source = "58.0.0.1"},
               &p);
    assert_string_equal(lab_address(&l, p.steer.endpoint[0]), "192.0.2.3");
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(geo_takes_the_most_specific_rule),
        cmocka_unit_test(geo_puts_unlisted_regions_last_by_distance),
        cmocka_unit_test(geo_gives_an_unlocated_client_the_default_and_then_the_declared_order),
        cmocka_unit_test(nearest_goes_by_distance_less_bias),
        cmocka_unit_test(nearest_within_joins_the_regions_near_the_best),
        cmocka_unit_test(latency_takes_the_most_specific_measurement_of_each_region),
        cmocka_unit_test(latency_is_estimated_from_distance_where_nothing_is_measured),
        cmocka_unit_test(latency_within_groups_milliseconds),
        cmocka_unit_test(failover_goes_by_priority_and_regions_may_have_several),
        cmocka_unit_test(priorities_do_not_matter_without_failover),
        cmocka_unit_test(fence_drops_what_the_rule_does_not_list),
        cmocka_unit_test(a_chooser_alone_knows_one_group),
        cmocka_unit_test(embedded_and_private_clients_are_found_as_the_contract_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
