/* What an edit makes of the tables that serve is what a start would make of the configuration. */
#include "lab.h"

#include "base/random.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGIONS                                                                                    \
    "'regions':[{'name':'zeta','at':[1,1]},{'name':'alpha','at':[50,2]},{'name':'mid','at':"       \
    "[3,100]}],"
#define RULES                                                                                      \
    "{'where':'net:10.0.0.0/8','regions':['mid']},{'where':'default','regions':['zeta','mid']}"
#define MAP "'maps':[{'name':'m','rules':[" RULES "]},{'name':'n','rules':[" RULES "]}],"
#define E(region, address) "{'region':'" region "','address':'" address "'}"
#define SERVICE(name, policy, more, endpoints)                                                     \
    "{'name':'" name ".g.test','policy':'" policy "'," more "'endpoints':[" endpoints "]}"
#define MAPPED "'map':'m',"
#define ONE E("mid", "192.0.2.1")
#define BOTH E("zeta", "192.0.2.2") "," E("zeta", "2001:db8::2") "," E("mid", "192.0.2.3")
#define HOST E("mid", "origin.example.net")
#define WORLD(services) "{" LAB_GEO LAB_ZONE REGIONS MAP "'services':[" services "]}"

/* ------------------------------------------------------------------------------- the same tables */

static void same_names(const struct snapshot *a, const struct snapshot *b)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < b->tree.nodes_n; i++) {
        size_t len;
        const uint8_t *name = zone_node_name(&b->tree, i, &len);
        uint32_t at = zone_tree_node(&a->tree, name, len);
        if (zone_tree_node(&b->tree, name, len) != i) /* a hole */
            continue;
        assert_int_not_equal(at, ZONE_NONE);
        assert_int_equal(a->tree.nodes[at].service, b->tree.nodes[i].service);
        found++;
    }
    assert_int_equal(found, a->tree.nodes_n - a->tree.holes_n);
}

static void same_view(const struct snapshot_view *a, const struct snapshot_view *b)
{
    assert_int_equal(a->rows_n, b->rows_n);
    assert_int_equal(geo_view_blocks_n(a->map), geo_view_blocks_n(b->map));
    for (uint32_t i = 0; i < a->rows_n; i++) {
        assert_int_equal(a->rows[i].n, b->rows[i].n);
        assert_true(a->rows[i].fence == b->rows[i].fence);
        assert_memory_equal(a->items + a->rows[i].item, b->items + b->rows[i].item,
                            a->rows[i].n * sizeof *a->items);
    }
}

static void same_service(const struct snapshot *a, const struct snapshot *b, uint32_t i)
{
    struct steer_service x = a->steer.service[i], y = b->steer.service[i];
    uint32_t n = a->service_endpoint_first[i + 1] - a->service_endpoint_first[i];
    assert_int_equal(x.site_n, y.site_n);
    if (n) {
        assert_memory_equal(steer_sites(&a->steer, &x), steer_sites(&b->steer, &y),
                            x.site_n * sizeof(struct steer_site));
        assert_memory_equal(steer_endpoints(&a->steer, &x), steer_endpoints(&b->steer, &y),
                            n * sizeof(struct steer_endpoint));
    }
    same_view(snapshot_view_of(a, i), snapshot_view_of(b, i));
    assert_int_equal(a->shapes[x.view].units_n, x.site_n);
    x.layout = y.layout = 0;
    x.view = y.view = 0;
    assert_memory_equal(&x, &y, sizeof x);
    assert_int_equal(a->steer.on_empty_service[i], b->steer.on_empty_service[i]);
}

/* What was there before the edit, and what all of it is from the start. */
static void same_tables(const struct snapshot *a, const struct snapshot *b)
{
    uint32_t n = b->services_n, words = 0, rdata = 0, hashes = 0;
    assert_int_equal(a->services_n, n);
    assert_int_equal(a->endpoints_n, b->endpoints_n);
    assert_int_equal(a->board_sites_n, b->board_sites_n);
    assert_int_equal(a->views_n, b->views_n);
    assert_memory_equal(a->service_endpoint_first, b->service_endpoint_first, (n + 1) * 4);
    assert_memory_equal(a->service_site_first, b->service_site_first, (n + 1) * 4);
    assert_memory_equal(a->board_site_region, b->board_site_region, b->board_sites_n);
    for (uint32_t i = 0; i < n; i++) {
        same_service(a, b, i);
        const struct model_service *svc = &b->model->services[i];
        hashes += b->steer.service[i].chooser == STEP_STICKY ? svc->endpoints_n : 0;
        words =
            b->steer.service[i].words + steer_words_n(b->steer.service[i].slots, svc->endpoints_n);
        for (uint32_t k = 0; k < svc->endpoints_n; k++)
            rdata += svc->endpoints[k].family == 4 ? 0
                     : svc->endpoints[k].family == 6
                         ? 16
                         : (uint32_t)strlen(svc->endpoints[k].address) + 3;
    }
    assert_true(words <= a->service_words);
    assert_memory_equal(a->steer.rdata, b->steer.rdata, rdata);
    assert_memory_equal(a->steer.hash, b->steer.hash, hashes * sizeof *b->steer.hash);
    for (uint32_t i = 0; i < words; i++)
        assert_int_equal(a->steer.board.service[i], b->steer.board.service[i]);
    same_names(a, b);
}

/* ------------------------------------------------------------------------------------------ edits */

/* Compiles an edited clone of what the lab has, which serves from then on or was only tried. False: the edit
 * is refused. */
static bool edit(struct lab *l, const char *text, bool only_tried)
{
    struct diag diag = {0};
    struct model *m = model_clone(l->s->model);
    char json[400];
    struct config_edit e;
    struct snapshot *s = NULL, *fresh = NULL;
    struct snapshot_cache *empty = snapshot_cache_create();
    struct snapshot_options options = {.workers = 1, .before = l->s->model};
    assert_non_null(m);
    snprintf(json, sizeof json, "%s", text);
    for (char *p = json; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    json_t *j = json_loads(json, 0, NULL);
    assert_non_null(j);
    bool done = config_edit_from_json(j, &e, &diag) == ERR_OK &&
                config_apply_edits(m, &e, 1, &diag) == ERR_OK &&
                model_validate_edit(m, l->s->model, &diag) == ERR_OK;
    if (done) {
        assert_int_equal(snapshot_compile(m, l->cache, &options, &s, &diag), ERR_OK);
        assert_int_equal(snapshot_compile(m, empty, &options, &fresh, &diag), ERR_OK);
        same_tables(s, fresh);
    }
    if (done && !only_tried) {
        snapshot_cache_serves(l->cache, s);
        snapshot_unref(&l->s);
        l->s = snapshot_ref(s);
        for (uint32_t i = 0; i < s->endpoints_n; i++) /* as the engine does, which is not copied */
            snapshot_board_set(
                steer_endpoint_word(&s->steer,
                                    snapshot_service_with(s, s->service_endpoint_first, i), i),
                0, AVAIL_FULL / 2 + i);
    }
    snapshot_unref(&s);
    snapshot_unref(&fresh);
    snapshot_cache_destroy(&empty);
    model_unref(&m);
    json_decref(j);
    diag_fini(&diag);
    return done;
}

#define ADD(name, fields)                                                                          \
    "{'verb':'add','noun':'service','name':'" name ".g.test','fields':{" fields "}}"
#define SET(name, fields)                                                                          \
    "{'verb':'set','noun':'service','name':'" name ".g.test','fields':{" fields "}}"
#define REMOVE(name) "{'verb':'remove','noun':'service','name':'" name ".g.test'}"
#define REMOVE_REGION(name) "{'verb':'remove','noun':'region','name':'" name "'}"
#define RULE(map, where, region)                                                                   \
    "{'verb':'set','noun':'rule','name':'" map "','address':'" where                               \
    "','fields':{'regions':['" region "']}}"
#define ENDPOINT(verb, name, region, address, fields)                                              \
    "{'verb':'" verb "','noun':'endpoint','name':'" name ".g.test','region':'" region              \
    "','address':'" address "','fields':{" fields "}}"

static void what_an_edit_leaves_alone_is_as_a_start_has_it(void **state)
{
    (void)state;
    struct lab l;
    lab_open(
        &l,
        WORLD(SERVICE("b", "sticky", "", BOTH) "," SERVICE("c", "failover", "", BOTH) "," SERVICE(
            "d", "weighted", "", HOST) "," SERVICE("e", "geo | sticky", MAPPED,
                                                   BOTH) "," SERVICE("f", "nearest", "", ONE)));
    assert_true(edit(&l, ADD("a", ""), false)); /* all others move */
    assert_true(edit(&l, ENDPOINT("add", "a", "mid", "192.0.2.77", ""), false));
    assert_true(edit(&l, ENDPOINT("add", "c", "alpha", "2001:db8::8", "'priority':3"), false));
    assert_true(edit(&l, ENDPOINT("set", "c", "zeta", "192.0.2.2", "'priority':9"), false));
    assert_true(edit(&l, ENDPOINT("set", "b", "mid", "192.0.2.3", "'weight':7"), false));
    assert_true(edit(&l, ENDPOINT("remove", "c", "mid", "192.0.2.3", ""), false));
    assert_true(edit(&l, SET("c", "'policy':'sticky'"), false));
    assert_true(edit(&l, SET("d", "'ttl':77"), false));
    assert_true(edit(&l, SET("f", "'on_empty':'a.g.test'"), false));
    assert_true(edit(&l, REMOVE("b"), false)); /* so that a has another number */
    assert_true(edit(&l, REMOVE("d"), false));
    assert_true(
        edit(&l, "{'verb':'set','noun':'setting','name':'fail','fields':{'value':'0.6'}}", false));
    assert_true(
        edit(&l, "{'verb':'set','noun':'region','name':'mid','fields':{'at':'50,3'}}", false));
    assert_true(
        edit(&l, "{'verb':'add','noun':'region','name':'beta','fields':{'at':'9,9'}}", false));
    assert_true(edit(&l, ENDPOINT("remove", "c", "alpha", "2001:db8::8", ""), false));
    assert_true(edit(&l, REMOVE_REGION("alpha"), false)); /* mid has another number */
    assert_true(edit(&l, SET("e", "'policy':'all','answers':2"), false));
    assert_true(edit(&l, SET("e", "'answers':1"), false));
    lab_close(&l);
}

/* Services that are steered alike are not, once the map of one of them, or a service's map, is another. */
static void services_part_where_their_maps_do(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD(SERVICE("b", "geo", MAPPED, BOTH) "," SERVICE(
                     "c", "geo", MAPPED, BOTH) "," SERVICE("d", "geo", "'map':'n',", BOTH)));
    assert_int_equal(l.s->views_n, 1);
    assert_true(edit(&l, RULE("n", "net:10.0.0.0/8", "zeta"), false));
    assert_int_equal(l.s->views_n, 2);
    assert_string_equal(lab_row(&l, "c.g.test", "10.1.2.0/24"), "mid > zeta");
    assert_string_equal(lab_row(&l, "d.g.test", "10.1.2.0/24"), "zeta > mid");
    assert_true(edit(&l, SET("c", "'map':'n'"), false));
    assert_string_equal(lab_row(&l, "c.g.test", "10.1.2.0/24"), "zeta > mid");
    assert_true(edit(&l, RULE("n", "net:10.0.0.0/8", "mid"), false));
    assert_int_equal(l.s->views_n, 1);
    lab_close(&l);
}

static void services_without_endpoints_share_no_layout(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD(SERVICE("a", "weighted", "", "") "," SERVICE("b", "weighted", "", ONE)));
    assert_true(edit(&l, ADD("c", ""), false));
    assert_true(edit(&l, REMOVE("a"), false));
    assert_true(edit(&l, REMOVE("b"), false));
    lab_close(&l);
}

static void what_is_only_tried_leaves_nothing_behind(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD(SERVICE("b", "weighted", "", ONE) "," SERVICE("c", "weighted", "", BOTH)));
    const struct zone_node *nodes = l.s->tree.nodes;
    assert_true(edit(&l, ADD("a", ""), true));
    assert_true(edit(&l, REMOVE("b"), true));
    assert_true(edit(&l, ENDPOINT("add", "b", "mid", "192.0.2.88", ""), false));
    assert_ptr_equal(l.s->tree.nodes, nodes); /* kept: no name has changed */
    assert_true(edit(&l, ADD("d", ""), true));
    assert_true(edit(&l, REMOVE("b"), false));
    assert_int_equal(l.s->tree.holes_n, 1); /* changed, not built */
    lab_close(&l);
}

/* Any edit of a few services, regions and a map; most are stored, some only tried. */
static void edits_in_any_order_make_what_a_start_makes(void **state)
{
    (void)state;
    static const char *const policy[] = {"weighted", "sticky",    "failover",         "nearest",
                                         "geo",      "geo | all", "failover | sticky"};
    static const char *const region[] = {"zeta", "alpha", "mid", "beta"};
    static const char *const service[] = {"a", "b", "c.b", "d", "e", "f.c.b"};
    struct lab l;
    struct rng r;
    unsigned done = 0;
    rng_seed(&r, lab_seed());
    lab_open(&l, WORLD(SERVICE("b", "sticky", "", BOTH) "," SERVICE("d", "weighted", "", HOST)));
    for (unsigned round = 0; round < 1500; round++) {
        char text[300], address[40];
        const char *s = service[rng_below(&r, 6)], *of = region[rng_below(&r, 4)];
        uint32_t k = rng_below(&r, 5), number = 1 + rng_below(&r, 3);
        snprintf(address, sizeof address,
                 k < 2   ? "192.0.2.%u"
                 : k < 4 ? "2001:db8::%u"
                         : "o%u.example.net",
                 number);
        const char *verb = rng_below(&r, 2) ? "add" : "remove";
        switch (rng_below(&r, 9)) {
        case 0:
        case 1:
            snprintf(text, sizeof text,
                     "{'verb':'%s','noun':'service','name':'%s.g.test','fields':{}}", verb, s);
            break;
        case 2:
            snprintf(text, sizeof text,
                     "{'verb':'set','noun':'service','name':'%s.g.test','fields':{'policy':'%s','"
                     "map':'m',"
                     "'ttl':%u}}",
                     s, policy[rng_below(&r, 7)], number);
            break;
        case 3:
            snprintf(
                text, sizeof text,
                "{'verb':'set','noun':'endpoint','name':'%s.g.test','region':'%s','address':'%s',"
                "'fields':{'priority':%u,'weight':%u}}",
                s, of, address, 1 + rng_below(&r, 2), rng_below(&r, 3));
            break;
        case 4:
            snprintf(text, sizeof text,
                     "{'verb':'%s','noun':'region','name':'%s','fields':{'at':'%u,9'}}",
                     rng_below(&r, 2) ? verb : "set", of, number);
            break;
        default:
            snprintf(
                text, sizeof text,
                "{'verb':'%s','noun':'endpoint','name':'%s.g.test','region':'%s','address':'%s',"
                "'fields':{}}",
                verb, s, of, address);
        }
        done += edit(&l, text, rng_below(&r, 8) == 0);
    }
    assert_true(done > 300);
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_edit_leaves_alone_is_as_a_start_has_it),
        cmocka_unit_test(services_part_where_their_maps_do),
        cmocka_unit_test(services_without_endpoints_share_no_layout),
        cmocka_unit_test(what_is_only_tried_leaves_nothing_behind),
        cmocka_unit_test(edits_in_any_order_make_what_a_start_makes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
