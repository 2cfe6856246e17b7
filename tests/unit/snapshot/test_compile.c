/* What the compiler makes of a configuration: numbering, sharing, limits, a full board. */
#include "lab.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGIONS                                                                                    \
    "'regions':[{'name':'zeta','at':[1,1]},{'name':'alpha','at':[2,2]},{'name':'mid','at':[3,3]}]" \
    ","
#define E(region, address) "{'region':'" region "','address':'" address "'}"
#define TWO "[" E("alpha", "192.0.2.1") "," E("zeta", "192.0.2.2") "]"
#define SERVICE(name, policy, endpoints)                                                           \
    "{'name':'" name ".g.test','policy':'" policy "','endpoints':" endpoints "}"
#define WORLD(services) "{" LAB_GEO LAB_ZONE REGIONS "'services':[" services "]}"

static void slots_follow_the_model(void **state)
{
    (void)state;
    struct lab l;
    lab_open(
        &l,
        WORLD(SERVICE("b", "nearest | sticky", TWO) "," SERVICE(
            "a", "failover",
            "[" E("mid", "192.0.2.9") "," E("mid", "2001:db8::9") "," E("zeta", "192.0.2.8") "]")));
    assert_int_equal(l.s->services_n, 2);
    assert_int_equal(l.s->endpoints_n, 5);
    assert_int_equal(l.s->board_sites_n, 4);
    assert_int_equal(l.s->service_endpoint_first[0], 0);
    assert_int_equal(l.s->service_endpoint_first[1], 3);
    assert_int_equal(l.s->service_endpoint_first[2], 5);
    unsigned hashes = 0;
    for (uint32_t i = 0; i < l.s->services_n; i++)
        for (uint32_t k = 0; k < l.s->model->services[i].endpoints_n; k++) {
            const struct model_endpoint *e = &l.s->model->services[i].endpoints[k];
            uint32_t at = l.s->service_endpoint_first[i] + k;
            const struct steer_site *site = steer_site_of(&l.s->steer, i, at);
            uint32_t slot = snapshot_board_site(l.s, i, at);
            assert_string_equal(l.s->regions[site->region].name, e->region);
            assert_int_equal(l.s->board_site_region[slot], site->region);
            assert_true(slot >= l.s->service_site_first[i] &&
                        slot < l.s->service_site_first[i + 1]);
            assert_true(k >= site->first && k < (uint32_t)site->first + site->endpoint_n);
            uint8_t len;
            struct ip ip;
            const uint8_t *rdata = steer_rdata(&l.s->steer, i, at,
                                               steer_endpoint_of(&l.s->steer, i, at)->family, &len);
            assert_true(ip_parse(e->address, &ip));
            assert_int_equal(e->family, ip.family);
            assert_int_equal(len, ip.family == 4 ? 4 : 16);
            assert_memory_equal(rdata, ip.b, len);
            assert_true(l.s->steer.region_hash[site->region] == steer_hash_name(e->region));
            const struct steer_service *svc = &l.s->steer.service[i];
            assert_int_equal(svc->endpoint_first, l.s->service_endpoint_first[i]);
            if (svc->chooser == STEP_STICKY) {
                hashes++;
                assert_true(l.s->steer.hash[svc->hash_first + k] == steer_hash_name(e->address));
            }
        }
    assert_int_equal(hashes, 2);
    lab_close(&l);
}

static void services_laid_out_alike_share_one_layout(void **state)
{
    (void)state;
    struct lab l;
    lab_open(
        &l,
        WORLD(SERVICE("a", "sticky", "[" E("mid", "192.0.2.1") "," E("zeta", "192.0.2.2") "]") "," SERVICE(
            "b", "nearest",
            "[" E("mid", "192.0.2.3") "," E(
                "zeta",
                "192.0.2.4") "]") "," SERVICE("c", "nearest",
                                              "[" E("mid", "2001:db8::1") "," E(
                                                  "zeta",
                                                  "192.0.2.4") "]") "," SERVICE("d", "nearest",
                                                                                "[{'region':'"
                                                                                "mid','"
                                                                                "address':'"
                                                                                "192.0.2.1','"
                                                                                "weight':7}"
                                                                                "," E(
                                                                                    "zeta",
                                                                                    "192.0.2."
                                                                                    "4") "]") "," SERVICE("e",
                                                                                                          "sticky",
                                                                                                          "[" E("mid", "192.0.2.5") "," E(
                                                                                                              "zeta",
                                                                                                              "192.0.2.6") "]")));
    const struct steer_service *svc = l.s->steer.service;
    assert_int_equal(svc[0].layout, svc[1].layout);
    assert_int_equal(svc[0].layout, svc[4].layout);
    assert_int_not_equal(svc[0].layout, svc[2].layout); /* another family */
    assert_int_not_equal(svc[0].layout, svc[3].layout); /* another weight */
    assert_int_not_equal(svc[2].layout, svc[3].layout);
    uint8_t len;
    const uint8_t want[] = {192, 0, 2, 6}; /* zeta is declared first */
    assert_memory_equal(steer_rdata(&l.s->steer, 4, svc[4].endpoint_first, STEER_V4, &len), want,
                        4);
    assert_int_equal(steer_endpoint_of(&l.s->steer, 3, svc[3].endpoint_first + 1)->weight, 7);
    lab_close(&l);
}

static void everything_starts_at_full_with_its_own_ttl(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l,
             "{" LAB_ZONE REGIONS "'services':[{'name':'w.g.test','ttl':77,'endpoints':" TWO "}]}");
    for (uint32_t i = 0; i < l.s->endpoints_n; i++)
        assert_int_equal(steer_effective(&l.s->steer, 0, i, NULL), AVAIL_FULL);
    _Atomic uint32_t *ttl = steer_ttl_word(&l.s->steer, 0);
    assert_int_equal(*ttl, 77);
    assert_true(snapshot_board_set(ttl, 0, 5));
    assert_false(snapshot_board_set(ttl, 0, 5));
    lab_close(&l);
}

static void priorities_become_tiers_of_one_board_site(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD(SERVICE("w", "failover",
                               "[{'region':'mid','address':'192.0.2.1','priority':7},"
                               "{'region':'mid','address':'192.0.2.2','priority':1000},"
                               "{'region':'mid','address':'192.0.2.3','priority':7},"
                               "{'region':'zeta','address':'192.0.2.4','priority':9}]")));
    assert_int_equal(l.s->steer.service[0].site_n, 3);
    assert_int_equal(l.s->board_sites_n, 2);
    assert_string_equal(lab_row(&l, "w.g.test", "203.0.113.0/24"), "mid > zeta/1 > mid/2");
    lab_set_site(&l, "w.g.test", "mid", 0); /* one site, both tiers */
    assert_string_equal(lab_pick(&l, "w.g.test", "203.0.113.0/24"), "192.0.2.4");
    lab_close(&l);
}

static void services_that_are_steered_alike_share_a_view(void **state)
{
    (void)state;
    struct lab l;
    lab_open(
        &l,
        WORLD(SERVICE("a", "nearest", TWO) "," SERVICE("b", "nearest | sticky", TWO) "," SERVICE(
            "c", "latency", TWO) "," SERVICE("d", "nearest within=100", TWO)));
    assert_int_equal(l.s->views_n, 3);
    assert_ptr_equal(snapshot_view_of(l.s, 0), snapshot_view_of(l.s, 1));
    assert_ptr_not_equal(snapshot_view_of(l.s, 0), snapshot_view_of(l.s, 2));
    assert_ptr_not_equal(snapshot_view_of(l.s, 0), snapshot_view_of(l.s, 3));
    lab_close(&l);
}

static void the_next_snapshot_shares_what_did_not_change(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD(SERVICE("a", "nearest", TWO)));
    const struct snapshot_view *view = l.s->views[0];
    const struct geo_base *base = l.s->base;
    lab_reopen(&l, WORLD(SERVICE("a", "nearest", TWO) "," SERVICE("b", "failover", TWO)));
    assert_ptr_equal(snapshot_view_of(l.s, 0), view);
    assert_ptr_equal(l.s->base, base);
    /* A region moves: the order may change. */
    lab_reopen(&l, "{" LAB_GEO LAB_ZONE
                   "'regions':[{'name':'zeta','at':[9,9]},{'name':'alpha','at':[2,2]}],"
                   "'services':[" SERVICE("a", "nearest", TWO) "]}");
    assert_ptr_not_equal(snapshot_view_of(l.s, 0), view);
    assert_ptr_equal(l.s->base, base);
    lab_close(&l);
}

static uint32_t serial(const struct lab *l)
{
    const struct zone_tree *t = &l->s->tree;
    const struct zone_tree_rrset *soa = &t->rrsets[t->zones[0].soa];
    const uint8_t *p = t->rdata + soa->rdata + soa->rdata_bytes - 20;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void the_table_of_names_is_kept_until_a_name_changes(void **state)
{
    (void)state;
    struct lab l;
#define AT(revision, zones, services)                                                              \
    "{'revision':" revision "," zones REGIONS "'services':[" services "]}"
    lab_open(&l, AT("5", LAB_ZONE, SERVICE("a", "failover", TWO)));
    const struct zone_node *nodes = l.s->tree.nodes;
    assert_int_equal(serial(&l), 5);
    lab_reopen(&l, AT("7", LAB_ZONE, SERVICE("a", "weighted", "[" E("mid", "192.0.2.1") "]")));
    assert_ptr_equal(l.s->tree.nodes, nodes);
    assert_int_equal(serial(&l), 7);
    struct answer_plan p;
    lab_decide(&l, &(struct lab_question){.name = "a.g.test", .type = 1}, &p);
    assert_int_equal(p.kind, PLAN_SERVICE);
    /* The serial of before is not that of the table: it goes on from snapshot to snapshot. */
    lab_reopen(&l, AT("8", LAB_ZONE, SERVICE("a", "weighted", TWO)));
    assert_ptr_equal(l.s->tree.nodes, nodes);
    assert_int_equal(serial(&l), 8);

    lab_reopen(&l, AT("9", LAB_ZONE, SERVICE("a", "weighted", TWO) "," SERVICE("b", "all", TWO)));
    assert_ptr_not_equal(l.s->tree.nodes, nodes);
    assert_int_equal(serial(&l), 9);
    lab_decide(&l, &(struct lab_question){.name = "b.g.test", .type = 1}, &p);
    assert_int_equal(p.kind, PLAN_SERVICE);
    lab_reopen(&l, AT("10", LAB_ZONE, SERVICE("c", "weighted", TWO) "," SERVICE("b", "all", TWO)));
    lab_decide(&l, &(struct lab_question){.name = "a.g.test", .type = 1}, &p);
    assert_int_equal(p.kind, PLAN_NXDOMAIN);
    assert_int_equal(l.s->tree.holes_n, 1); /* it was changed, not built */
    /* Name servers are names, too. */
    nodes = l.s->tree.nodes;
    lab_reopen(&l,
               AT("11",
                  "'zones':[{'name':'g.test','ns':[{'name':'other.g.test','addresses':['192.0.2."
                  "9']}]}],",
                  SERVICE("c", "weighted", TWO) "," SERVICE("b", "all", TWO)));
    assert_ptr_not_equal(l.s->tree.nodes, nodes);
    lab_decide(&l, &(struct lab_question){.name = "other.g.test", .type = 1}, &p);
    assert_int_equal(p.kind, PLAN_RRSET);
    lab_close(&l);
}

static void a_rule_s_new_network_changes_the_base(void **state)
{
    (void)state;
    struct lab l;
#define MAPPED(net, regions)                                                                       \
    "{" LAB_ZONE REGIONS "'maps':[{'name':'m','rules':[{'where':'net:" net                         \
    "','regions':['" regions "']},{'where':'default','regions':['zeta']}]}],'services':[{'name':"  \
    "'w.g.test','policy':'geo','map':'m','endpoints':" TWO "}]}"
    lab_open(&l, MAPPED("10.0.0.0/8", "alpha"));
    assert_string_equal(lab_pick(&l, "w.g.test", "10.1.2.0/24"), "192.0.2.1");
    lab_reopen(&l, MAPPED("11.0.0.0/8", "alpha"));
    assert_string_equal(lab_pick(&l, "w.g.test", "11.1.2.0/24"), "192.0.2.1");
    assert_string_equal(lab_pick(&l, "w.g.test", "12.1.2.0/24"), "192.0.2.2");
    lab_reopen(&l, MAPPED("11.0.0.0/8", "zeta"));
    assert_string_equal(lab_pick(&l, "w.g.test", "11.1.2.0/24"), "192.0.2.2");
    lab_close(&l);
}

static void every_service_may_have_a_view_of_its_own_and_change_it(void **state)
{
    (void)state;
    char *json = malloc(400000);
    struct lab l;
    for (int round = 0; round < 2; round++) {
        size_t n = (size_t)sprintf(json, "{" LAB_ZONE REGIONS "'services':[");
        for (int i = 0; i < 60; i++)
            n += (size_t)sprintf(
                json + n,
                "%s{'name':'s%d.g.test','policy':'nearest within=%d','endpoints':" TWO "}",
                i ? "," : "", i, 1 + i + 60 * round);
        strcpy(json + n, "]}");
        if (round == 0)
            lab_open(&l, json);
        else
            lab_reopen(&l, json);
        assert_int_equal(l.s->views_n, 60);
    }
    lab_close(&l);
    free(json);
}

static void a_service_without_endpoints_is_nodata(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, "{" LAB_ZONE REGIONS "'services':[{'name':'w.g.test'}]}");
    struct answer_plan p;
    lab_decide(&l, &(struct lab_question){.name = "w.g.test", .type = 1}, &p);
    assert_int_equal(p.kind, PLAN_NODATA);
    lab_close(&l);
}

static void the_largest_service_compiles_and_answers(void **state)
{
    (void)state;
    char *json = malloc(100000);
    struct lab l;
    size_t n = (size_t)sprintf(json, "{" LAB_ZONE "'regions':[");
    for (int i = 0; i < 64; i++)
        n += (size_t)sprintf(json + n, "%s{'name':'r%d','at':[%d,%d]}", i ? "," : "", i, i, i);
    n += (size_t)sprintf(json + n,
                         "],'services':[{'name':'w.g.test','policy':'failover | nearest | all',"
                         "'endpoints':[");
    for (int i = 0; i < 256; i++)
        n += (size_t)sprintf(json + n, "%s{'region':'r%d','address':'192.0.2.%d','priority':%d}",
                             i ? "," : "", i / 4, i, i + 1);
    strcpy(json + n, "]}]}");
    lab_open(&l, json);
    assert_int_equal(l.s->steer.service[0].site_n, 256);
    assert_string_equal(lab_pick(&l, "w.g.test", "203.0.113.0/24"), "192.0.2.0");
    lab_set_all(&l, 0);
    lab_set_region(&l, "r63", 1);
    lab_set_site(&l, "w.g.test", "r63", 1);
    lab_set_endpoint(&l, "w.g.test", "192.0.2.255", 1);
    assert_string_equal(lab_pick(&l, "w.g.test", "203.0.113.0/24"), "192.0.2.255");
    lab_close(&l);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_follow_the_model),
        cmocka_unit_test(everything_starts_at_full_with_its_own_ttl),
        cmocka_unit_test(services_laid_out_alike_share_one_layout),
        cmocka_unit_test(priorities_become_tiers_of_one_board_site),
        cmocka_unit_test(services_that_are_steered_alike_share_a_view),
        cmocka_unit_test(the_next_snapshot_shares_what_did_not_change),
        cmocka_unit_test(the_table_of_names_is_kept_until_a_name_changes),
        cmocka_unit_test(a_rule_s_new_network_changes_the_base),
        cmocka_unit_test(every_service_may_have_a_view_of_its_own_and_change_it),
        cmocka_unit_test(a_service_without_endpoints_is_nodata),
        cmocka_unit_test(the_largest_service_compiles_and_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
