#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dns/types.h"
#include "zone_util.h"

#define APEX "$TTL 300\n@ 600 SOA ns1 host 1 2 3 4 60\n@ NS ns1\nns1 A 192.0.2.53\n"

static int arena_setup(void **state)
{
    *state = arena_create(0);
    return *state ? 0 : 1;
}

static int arena_teardown(void **state)
{
    arena_destroy(*state);
    return 0;
}

struct world {
    struct arena *arena;
    struct zone_input zones[4];
    size_t zones_n;
    struct zone_service_input services[4];
    size_t services_n;
    struct zone_tree tree;
    struct diag diag;
};

static struct world world_new(void **state)
{
    return (struct world){.arena = *state};
}

static void world_zone(struct world *w, const char *name, const char *text)
{
    w->zones[w->zones_n++] =
        (struct zone_input){.name = nm(name), .records = load_good(name, text, w->arena)};
}

static void world_service(struct world *w, const char *name, uint32_t zone)
{
    w->services[w->services_n++] = (struct zone_service_input){name, zone};
}

static enum err world_build(struct world *w)
{
    return zone_tree_build(w->zones, w->zones_n, w->services, w->services_n, w->arena, &w->tree,
                           &w->diag);
}

static void world_build_good(struct world *w)
{
    char first[512];
    if (world_build(w) != ERR_OK)
        fail_msg("%s", diag_first(&w->diag, first, sizeof first));
    diag_fini(&w->diag);
}

/* Builds, and expects one error that says so at the place. */
static void world_refused(struct world *w, const char *says)
{
    enum err e = world_build(w);
    if (e != ERR_INVALID || w->diag.errors != 1 || !diag_says(&w->diag, DIAG_ERROR, says)) {
        diag_print(&w->diag);
        fail_msg("expected: %s", says);
    }
    diag_fini(&w->diag);
}

static struct zone_hit look(const struct zone_tree *t, const char *name, uint16_t qtype)
{
    struct dns_name n = nm(name);
    struct zone_hit a = zone_tree_find_name(t, n.wire, n.len, qtype);
    /* The same, as a query would ask. */
    uint8_t msg[300] = {0, 0, 0, 0, 0, 1};
    memcpy(msg + 12, n.wire, n.len);
    msg[12 + n.len] = (uint8_t)(qtype >> 8);
    msg[13 + n.len] = (uint8_t)qtype;
    struct dns_query q;
    assert_int_equal(dns_query_parse(msg, 16 + n.len, &q), DNS_PARSE_OK);
    struct zone_hit b = zone_tree_find(t, &q);
    assert_int_equal(a.kind, b.kind);
    assert_int_equal(a.node, b.node);
    assert_int_equal(a.zone, b.zone);
    /* In steps, also when another name has the same hash. */
    struct zone_seek seek;
    zone_tree_seek_slot(t, &q, &seek);
    zone_tree_seek_node(t, &seek);
    uint32_t service = zone_tree_seek_service(t, &seek);
    struct zone_hit c = zone_tree_seek_end(t, &q, &seek);
    assert_int_equal(a.kind, c.kind);
    assert_int_equal(a.node, c.node);
    assert_int_equal(a.zone, c.zone);
    if (zone_tree_node(t, n.wire, n.len) != ZONE_NONE) {
        assert_int_equal(seek.node, zone_tree_node(t, n.wire, n.len));
        assert_int_equal(service, t->nodes[seek.node].service);
    }
    seek.node = 0; /* the apex of the first zone, whatever was asked for */
    c = zone_tree_seek_end(t, &q, &seek);
    assert_int_equal(a.kind, c.kind);
    assert_int_equal(a.node, c.node);
    return a;
}

static void expect(const struct zone_tree *t, const char *name, uint16_t qtype,
                   enum zone_hit_kind kind, const char *node)
{
    struct zone_hit hit = look(t, name, qtype);
    if (hit.kind != kind)
        fail_msg("%s type %u: kind %d, not %d", name, qtype, hit.kind, kind);
    if (!node) {
        assert_int_equal(hit.node, ZONE_NONE);
        return;
    }
    size_t len;
    char text[DNS_NAME_TEXT_MAX];
    dns_name_to_text(zone_node_name(t, hit.node, &len), text);
    if (strcmp(text, node) != 0)
        fail_msg("%s type %u: at %s, not %s", name, qtype, text, node);
    assert_int_equal(dns_name_length(zone_node_name(t, hit.node, &len), 255), len);
}

static void names_are_found_and_others_have_their_closest_encloser(void **state)
{
    struct world w = world_new(state);
    world_zone(&w, "example", APEX "a.b.c A 192.0.2.1\n");
    world_service(&w, "www.Example", 0);
    world_build_good(&w);
    const struct zone_tree *t = &w.tree;
    expect(t, "example", DNS_SOA, ZONE_HIT_NODE, "example");
    expect(t, "www.example", DNS_A, ZONE_HIT_NODE, "www.example");
    expect(t, "a.b.c.example", DNS_A, ZONE_HIT_NODE, "a.b.c.example");
    expect(t, "b.c.example", DNS_A, ZONE_HIT_NODE, "b.c.example"); /* empty, RFC 8020 */
    expect(t, "c.example", DNS_A, ZONE_HIT_NODE, "c.example");
    expect(t, "x.example", DNS_A, ZONE_HIT_NXDOMAIN, "example");
    expect(t, "x.b.c.example", DNS_A, ZONE_HIT_NXDOMAIN, "b.c.example");
    expect(t, "x.y.www.example", DNS_A, ZONE_HIT_NXDOMAIN, "www.example");
    expect(t, "p.o.n.m.l.k.j.i.h.g.f.e.d.c.example", DNS_A, ZONE_HIT_NXDOMAIN, "c.example");
    expect(t, "com", DNS_A, ZONE_HIT_OUTSIDE, NULL);
    expect(t, ".", DNS_NS, ZONE_HIT_OUTSIDE, NULL);
    expect(t, "notexample", DNS_A, ZONE_HIT_OUTSIDE, NULL);
    struct zone_hit hit = look(t, "www.example", DNS_A);
    assert_int_equal(t->nodes[hit.node].service, 0);
    assert_int_equal(t->nodes[hit.node].rrsets_n, 0);
    assert_int_equal(t->nodes[look(t, "example", DNS_A).node].service, ZONE_NONE);
    assert_int_equal(t->labels_max, 4);
}

static void apexes_know_their_soa_and_name_servers(void **state)
{
    struct world w = world_new(state);
    world_zone(&w, "example", APEX);
    world_build_good(&w);
    const struct zone_apex *apex = &w.tree.zones[0];
    assert_int_equal(w.tree.rrsets[apex->soa].type, DNS_SOA);
    assert_int_equal(w.tree.rrsets[apex->ns].type, DNS_NS);
    assert_int_equal(apex->negative_ttl, 60);
    assert_int_equal(apex->name_len, 9);
    assert_int_equal(apex->parent, ZONE_NONE);
    const struct zone_tree_rrset *ns = zone_node_rrset(&w.tree, apex->node, DNS_NS);
    assert_ptr_equal(ns, &w.tree.rrsets[apex->ns]);
    assert_int_equal(ns->ttl, 300);
    assert_int_equal(ns->n, 1);
    assert_int_equal(ns->rdata_bytes, 2 + 13);
    assert_memory_equal(w.tree.rdata + ns->rdata, "\0\15\3ns1\7example", 15);
    assert_null(zone_node_rrset(&w.tree, apex->node, DNS_A));
}

/* The zone of RFC 4592 §2.2.1 and what it says of it. */
static void wildcards_are_those_of_rfc_4592(void **state)
{
    struct world w = world_new(state);
    world_zone(&w, "example",
               "$TTL 3600\n@ SOA ns.example.com. host 1 2 3 4 5\n@ NS ns.example.com.\n"
               "@ NS ns.example.net.\n* TXT \"this is a wildcard\"\n* MX 10 host1\n"
               "sub.* TXT \"this is not a wildcard\"\nhost1 A 192.0.2.1\n"
               "_ssh._tcp.host1 SRV 0 0 22 host1\n_ssh._tcp.host2 SRV 0 0 22 host2\n"
               "subdel NS ns.example.com.\nsubdel NS ns.example.net.\n");
    world_build_good(&w);
    const struct zone_tree *t = &w.tree;
    expect(t, "host3.example", DNS_MX, ZONE_HIT_WILDCARD, "*.example");
    expect(t, "host3.example", DNS_A, ZONE_HIT_WILDCARD, "*.example");
    expect(t, "foo.bar.example", DNS_TXT, ZONE_HIT_WILDCARD, "*.example");
    expect(t, "host1.example", DNS_MX, ZONE_HIT_NODE, "host1.example");
    expect(t, "sub.*.example", DNS_MX, ZONE_HIT_NODE, "sub.*.example");
    expect(t, "*.example", DNS_TXT, ZONE_HIT_NODE, "*.example");
    expect(t, "_telnet._tcp.host1.example", DNS_SRV, ZONE_HIT_NXDOMAIN, "_tcp.host1.example");
    expect(t, "host.subdel.example", DNS_A, ZONE_HIT_DELEGATION, "subdel.example");
    expect(t, "ghost.*.example", DNS_MX, ZONE_HIT_NXDOMAIN, "*.example");
    expect(t, "host2.example", DNS_A, ZONE_HIT_NODE, "host2.example"); /* an empty non-terminal */
}

static void a_service_may_be_a_wildcard(void **state)
{
    struct world w = world_new(state);
    world_zone(&w, "example", APEX);
    world_service(&w, "*.app.example", 0);
    world_service(&w, "example", 0);
    world_build_good(&w);
    expect(&w.tree, "x.y.app.example", DNS_A, ZONE_HIT_WILDCARD, "*.app.example");
    expect(&w.tree, "app.example", DNS_A, ZONE_HIT_NODE, "app.example");
    assert_int_equal(w.tree.nodes[look(&w.tree, "example", DNS_A).node].service, 1);
}

static void delegations_hide_what_is_below_but_not_their_ds(void **state)
{
    struct world w = world_new(state);
    world_zone(&w, "example",
               APEX
               "sub NS ns.sub\nsub NS sub\nsub A 192.0.2.8\n"
               "sub DS 1 13 2 00000000000000000000000000000000000000000000000000000000000000aa\n"
               "ns.sub A 192.0.2.9\nnds NS ns1\n");
    world_build_good(&w);
    const struct zone_tree *t = &w.tree;
    expect(t, "sub.example", DNS_A, ZONE_HIT_DELEGATION, "sub.example");
    expect(t, "sub.example", DNS_NS, ZONE_HIT_DELEGATION, "sub.example");
    expect(t, "sub.example", DNS_ANY, ZONE_HIT_DELEGATION, "sub.example");
    expect(t, "ns.sub.example", DNS_A, ZONE_HIT_DELEGATION, "sub.example");
    expect(t, "ns.sub.example", DNS_DS, ZONE_HIT_DELEGATION, "sub.example");
    expect(t, "x.y.sub.example", DNS_A, ZONE_HIT_DELEGATION, "sub.example");
    expect(t, "sub.example", DNS_DS, ZONE_HIT_NODE, "sub.example"); /* RFC 4035 §3.1.4.1 */
    expect(t, "nds.example", DNS_DS, ZONE_HIT_NODE, "nds.example");
    struct dns_name glue = nm("ns.sub.example");
    uint32_t node = zone_tree_node(t, glue.wire, glue.len);
    assert_non_null(zone_node_rrset(t, node, DNS_A));
    assert_int_equal(zone_tree_node(t, (const uint8_t *)"\1x", 3), ZONE_NONE);
}

static void dname_takes_what_is_below_but_not_itself(void **state)
{
    struct world w = world_new(state);
    world_zone(&w, "example", APEX "old DNAME new\nold TXT x\n* TXT wild\n");
    world_build_good(&w);
    expect(&w.tree, "old.example", DNS_TXT, ZONE_HIT_NODE, "old.example");
    expect(&w.tree, "a.old.example", DNS_A, ZONE_HIT_DNAME, "old.example");
    expect(&w.tree, "b.a.old.example", DNS_A, ZONE_HIT_DNAME, "old.example");
    expect(&w.tree, "a.example", DNS_A, ZONE_HIT_WILDCARD, "*.example");
}

static void a_zone_within_a_zone_has_its_own_names(void **state)
{
    struct world w = world_new(state);
    world_zone(&w, "example",
               APEX
               "in NS ns.in\nns.in A 192.0.2.99\n"
               "in DS 1 13 2 00000000000000000000000000000000000000000000000000000000000000aa\n"
               "cut NS ns1\n* TXT wild\n");
    world_zone(&w, "in.example", APEX "x A 192.0.2.1\n");
    world_zone(&w, "a.b.example", APEX);   /* the outer zone does not delegate it */
    world_zone(&w, "d.cut.example", APEX); /* somebody else's zone lies between */
    world_service(&w, "y.in.example", 1);
    world_build_good(&w);
    const struct zone_tree *t = &w.tree;
    expect(t, "in.example", DNS_SOA, ZONE_HIT_NODE, "in.example");
    assert_int_equal(look(t, "in.example", DNS_NS).zone, 1);
    assert_int_equal(look(t, "y.in.example", DNS_A).zone, 1);
    expect(t, "z.in.example", DNS_A, ZONE_HIT_NXDOMAIN,
           "in.example"); /* no wildcard from outside */
    expect(t, "ns.in.example", DNS_A, ZONE_HIT_NXDOMAIN, "in.example");
    /* The DS is the outer zone's, and so is the word that there is none. */
    struct zone_hit ds = look(t, "in.example", DNS_DS);
    assert_int_equal(ds.kind, ZONE_HIT_NODE);
    assert_int_equal(ds.zone, 0);
    assert_non_null(zone_node_rrset(t, ds.node, DNS_DS));
    ds = look(t, "a.b.example", DNS_DS);
    assert_int_equal(ds.zone, 0);
    assert_null(zone_node_rrset(t, ds.node, DNS_DS));
    ds = look(t, "d.cut.example", DNS_DS);
    assert_int_equal(ds.kind, ZONE_HIT_NODE);
    assert_int_equal(ds.zone, 3);
    expect(t, "cut.example", DNS_A, ZONE_HIT_DELEGATION, "cut.example");
    expect(t, "b.example", DNS_A, ZONE_HIT_NODE, "b.example");
    expect(t, "ns1.a.b.example", DNS_A, ZONE_HIT_NODE, "ns1.a.b.example");
}

static void the_root_can_be_a_zone(void **state)
{
    struct world w = world_new(state);
    world_zone(&w, ".", "$TTL 5\n. SOA a. b. 1 2 3 4 5\n. NS a.\na. A 192.0.2.1\ncom. NS a.\n");
    world_build_good(&w);
    expect(&w.tree, ".", DNS_NS, ZONE_HIT_NODE, ".");
    expect(&w.tree, "x.y", DNS_A, ZONE_HIT_NXDOMAIN, ".");
    expect(&w.tree, "x.com", DNS_A, ZONE_HIT_DELEGATION, "com");
}

static void without_zones_everything_is_outside(void **state)
{
    struct world w = world_new(state);
    world_build_good(&w);
    expect(&w.tree, "example", DNS_A, ZONE_HIT_OUTSIDE, NULL);
}

static void the_database_fills_in_what_the_file_lacks(void **state)
{
    struct world w = world_new(state);
    struct zone_records *made = load_good(
        "example", "$TTL 9\n@ SOA made host 1 2 3 4 5\n@ NS made\nmade A 192.0.2.1\n", *state);
    world_zone(&w, "example", "$TTL 5\n@ SOA own host 1 2 3 4 5\nmade AAAA ::1\n");
    w.zones[0].extra = made->rrset;
    w.zones[0].extra_n = made->n;
    w.zones[w.zones_n++] = (struct zone_input){.name = nm("else")};
    struct zone_records *other =
        load_good("else", "$TTL 9\n@ SOA a b 1 2 3 4 5\n@ NS made.example.\n", *state);
    w.zones[1].extra = other->rrset;
    w.zones[1].extra_n = other->n;
    world_build_good(&w);
    const struct zone_tree *t = &w.tree;
    assert_int_equal(t->rrsets[t->zones[0].soa].ttl, 5); /* the file's */
    assert_int_equal(t->rrsets[t->zones[0].ns].ttl, 9);
    uint32_t node = look(t, "made.example", DNS_A).node;
    assert_non_null(zone_node_rrset(t, node, DNS_A));
    assert_non_null(zone_node_rrset(t, node, DNS_AAAA));
    assert_int_equal(t->zones[1].negative_ttl, 5);
}

static const struct {
    const char *zone, *service, *says;
} refused[] = {
    {APEX "www TXT x\n", "www.example", "www.example is a service and has a static TXT"},
    {APEX "@ A 192.0.2.1\n", "example", "static A"},
    {APEX "sub NS ns1\n", "sub.example", "lies in sub.example, which is delegated"},
    {APEX "sub NS ns1\n", "x.sub.example", "lies in sub.example, which is delegated"},
    {APEX "old DNAME new\n", "x.old.example", "below a DNAME"},
    {APEX, "www.test", "outside the zone"},
    {APEX, "notexample", "outside the zone"},
    {APEX "sub NS ns1\nx.sub TXT x\n", NULL, "x.sub.example TXT would never be answered"},
    {APEX "sub NS ns1\nx.sub NS ns1\n", NULL, "x.sub.example NS would never be answered"},
    {APEX "sub NS ns1\nsub MX 1 ns1\n", NULL, "sub.example MX would never be answered"},
    {APEX "* NS ns1\n", NULL, "wildcard cannot be delegated"},
    {APEX "* DNAME test.\n", NULL, "a wildcard cannot carry"},
    {"$TTL 5\n@ NS ns.test.\n", NULL, "no SOA"},
    {"$TTL 5\n@ SOA a.test. b 1 2 3 4 5\n", NULL, "no name servers"},
};

static void what_would_never_be_answered_is_refused(void **state)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct world w = world_new(state);
        world_zone(&w, "example", refused[i].zone);
        if (refused[i].service)
            world_service(&w, refused[i].service, 0);
        world_refused(&w, refused[i].says);
    }
}

static void zones_and_services_are_there_once(void **state)
{
    struct world w = world_new(state);
    world_zone(&w, "example", APEX);
    world_service(&w, "www.example", 0);
    world_service(&w, "www.example", 0);
    world_refused(&w, "the service www.example is there twice");
    w = world_new(state);
    world_zone(&w, "example", APEX);
    world_zone(&w, "in.example", APEX);
    world_service(&w, "www.in.example", 0);
    world_refused(&w, "belongs to the zone in.example");
    w = world_new(state);
    world_zone(&w, "example", APEX "x.in TXT x\n");
    world_zone(&w, "in.example", APEX);
    world_refused(&w, "x.in.example TXT belongs to the zone in.example");
    w = world_new(state);
    world_zone(&w, "example", APEX);
    world_zone(&w, "EXAMPLE", "$TTL 5\nx A 192.0.2.1\n");
    (void)world_build(&w);
    assert_true(diag_says(&w.diag, DIAG_ERROR, "there twice"));
    diag_fini(&w.diag);
}

static void an_alias_from_the_file_and_glue_from_the_database_collide(void **state)
{
    struct world w = world_new(state);
    struct zone_records *made = load_good("example", "ns1 9 A 192.0.2.1\n", *state);
    world_zone(&w, "example",
               "$TTL 5\n@ SOA ns1 b 1 2 3 4 5\n@ NS ns1\nns1 CNAME x\nx A 192.0.2.1\n");
    w.zones[0].extra = made->rrset;
    w.zones[0].extra_n = made->n;
    world_refused(&w, "ns1.example has a CNAME beside A");
}

static void name_servers_without_address_are_warned_of(void **state)
{
    static const struct {
        const char *zone, *says; /* NULL: nothing to warn of */
    } cases[] = {
        {APEX "@ NS ns2\n", "the name server ns2.example has no address"},
        {APEX "@ NS ns2.test.\n", NULL},
        {APEX "@ NS x.wild\n*.wild A 192.0.2.1\n", NULL},
        {APEX "sub NS ns.sub\n", "the name server ns.sub.example has no address"},
        {APEX "sub NS ns.sub\nns.sub A 192.0.2.1\n", NULL},
        {APEX "sub NS ns.other\n", NULL},
        {APEX "sub NS ns1\nx.sub A 192.0.2.1\n", "x.sub.example is in a delegated zone"},
        {APEX "sub NS ns.cut\ncut NS ns.cut\nns.cut A 192.0.2.1\n", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world w = world_new(state);
        world_zone(&w, "example", cases[i].zone);
        assert_int_equal(world_build(&w), ERR_OK);
        if (cases[i].says ? w.diag.warnings != 1 || !diag_says(&w.diag, DIAG_WARNING, cases[i].says)
                          : w.diag.warnings != 0) {
            diag_print(&w.diag);
            fail_msg("case %zu", i);
        }
        diag_fini(&w.diag);
    }
}

/* Many names, each found again and none found that is not there. */
static void a_hundred_thousand_services_are_all_found(void **state)
{
    enum { N = 100000 };
    struct zone_service_input *services = calloc(N, sizeof *services);
    assert_non_null(services);
    char(*names)[64] = calloc(N, sizeof *names), text[64];
    assert_non_null(names);
    for (int i = 0; i < N; i++) {
        sprintf(names[i], i % 3 ? "s%d.example" : "s%d.deep.er.example", i);
        services[i] = (struct zone_service_input){names[i], 0};
    }
    struct zone_input zone = {.name = nm("example"), .records = load_good("example", APEX, *state)};
    struct zone_tree t;
    assert_int_equal(zone_tree_build(&zone, 1, services, N, *state, &t, NULL), ERR_OK);
    assert_int_equal(t.nodes_n, N + 4);
    assert_true(t.slots_mask + 1 >= 2 * t.nodes_n && t.slots_mask + 1 < 8 * t.nodes_n);
    for (uint32_t i = 0; i < N; i++) {
        struct dns_name own = nm(names[i]);
        struct zone_hit hit = zone_tree_find_name(&t, own.wire, own.len, DNS_A);
        assert_int_equal(hit.kind, ZONE_HIT_NODE);
        assert_int_equal(t.nodes[hit.node].service, i);
        sprintf(text, i % 3 ? "s%u.deep.er.example" : "s%u.example", i);
        struct dns_name other = nm(text);
        assert_int_equal(zone_tree_node(&t, other.wire, other.len), ZONE_NONE);
    }
    free(names);
    free(services);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, arena_setup, arena_teardown)
    const struct CMUnitTest tests[] = {
        T(names_are_found_and_others_have_their_closest_encloser),
        T(apexes_know_their_soa_and_name_servers),
        T(wildcards_are_those_of_rfc_4592),
        T(a_service_may_be_a_wildcard),
        T(delegations_hide_what_is_below_but_not_their_ds),
        T(dname_takes_what_is_below_but_not_itself),
        T(a_zone_within_a_zone_has_its_own_names),
        T(the_root_can_be_a_zone),
        T(without_zones_everything_is_outside),
        T(the_database_fills_in_what_the_file_lacks),
        T(what_would_never_be_answered_is_refused),
        T(zones_and_services_are_there_once),
        T(an_alias_from_the_file_and_glue_from_the_database_collide),
        T(name_servers_without_address_are_warned_of),
        T(a_hundred_thousand_services_are_all_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
