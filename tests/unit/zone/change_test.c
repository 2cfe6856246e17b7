/* Trees that were changed find what trees that were built find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "dns/types.h"
#include "zone_util.h"

#define APEX "$TTL 300\n@ 600 SOA ns1 host 1 2 3 4 60\n@ NS ns1\nns1 A 192.0.2.53\n"
#define POOL 1500

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

/* Which of the pool's names are services: in the order of the pool, as those of a model are sorted. */
struct services {
    struct zone_service_input in[POOL];
    uint32_t of_pool[POOL], n;
};

struct world {
    struct arena *arena;
    struct zone_input zones[3];
    size_t zones_n;
    char name[POOL][128];
    uint32_t zone[POOL], pool_n;
    bool wanted[POOL];
};

static struct world *world_new(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->arena = *state;
    return w;
}

static void world_zone(struct world *w, const char *name, const char *text)
{
    w->zones[w->zones_n++] =
        (struct zone_input){.name = nm(name), .records = load_good(name, text, w->arena)};
}

static void world_name(struct world *w, uint32_t zone, const char *name)
{
    assert_true(w->pool_n < POOL);
    snprintf(w->name[w->pool_n], sizeof w->name[0], "%s", name);
    w->zone[w->pool_n++] = zone;
}

static struct services *services_now(const struct world *w)
{
    struct services *s = calloc(1, sizeof *s);
    assert_non_null(s);
    for (uint32_t i = 0; i < w->pool_n; i++)
        if (w->wanted[i]) {
            s->of_pool[s->n] = i;
            s->in[s->n++] = (struct zone_service_input){w->name[i], w->zone[i]};
        }
    return s;
}

static struct zone_tree build(const struct world *w, const struct services *s)
{
    struct zone_tree t;
    struct diag diag = {0};
    char text[512];
    if (zone_tree_build(w->zones, w->zones_n, s->in, s->n, w->arena, &t, &diag) != ERR_OK)
        fail_msg("%s", diag_first(&diag, text, sizeof text));
    diag_fini(&diag);
    return t;
}

static bool change(const struct world *w, const struct zone_tree *like, const struct services *was,
                   const struct services *is, struct zone_tree *out)
{
    uint32_t now[POOL], added[POOL];
    struct zone_services_change c = {.now = now, .added = added};
    uint32_t o = 0, n = 0;
    while (o < was->n || n < is->n) {
        uint32_t old = o < was->n ? was->of_pool[o] : POOL, new = n < is->n ? is->of_pool[n] : POOL;
        if (old == new)
            now[o++] = n++;
        else if (old < new) {
            now[o++] = ZONE_NONE;
            c.gone_n++;
        } else
            added[c.added_n++] = n++;
    }
    return zone_tree_change(like, w->zones, is->in, &c, w->arena, out);
}

static void same_node(const struct zone_tree *a, uint32_t at_a, const struct zone_tree *b,
                      uint32_t at_b, const char *asked)
{
    if ((at_a == ZONE_NONE) != (at_b == ZONE_NONE))
        fail_msg("%s: a node in one tree only", asked);
    if (at_a == ZONE_NONE)
        return;
    const struct zone_node *x = &a->nodes[at_a], *y = &b->nodes[at_b];
    size_t x_len, y_len;
    const uint8_t *x_name = zone_node_name(a, at_a, &x_len),
                  *y_name = zone_node_name(b, at_b, &y_len);
    if (x_len != y_len || memcmp(x_name, y_name, x_len) != 0)
        fail_msg("%s: other nodes", asked);
    if (x->zone != y->zone || x->service != y->service || x->flags != y->flags ||
        (x->cut == ZONE_NONE) != (y->cut == ZONE_NONE) ||
        (x->wildcard == ZONE_NONE) != (y->wildcard == ZONE_NONE) ||
        (x->parent == ZONE_NONE) != (y->parent == ZONE_NONE))
        fail_msg("%s: the nodes differ (service %u and %u)", asked, x->service, y->service);
    assert_int_equal(x->rrsets_n, y->rrsets_n);
    for (unsigned i = 0; i < x->rrsets_n; i++) {
        const struct zone_tree_rrset *p = &a->rrsets[x->rrsets + i], *q = &b->rrsets[y->rrsets + i];
        assert_int_equal(p->type, q->type);
        assert_int_equal(p->ttl, q->ttl);
        assert_int_equal(p->rdata_bytes, q->rdata_bytes);
        assert_memory_equal(a->rdata + p->rdata, b->rdata + q->rdata, p->rdata_bytes);
    }
}

static void same_answer(const struct zone_tree *a, const struct zone_tree *b, const char *asked,
                        uint16_t qtype)
{
    struct dns_name n = nm(asked);
    struct zone_hit x = zone_tree_find_name(a, n.wire, n.len, qtype);
    struct zone_hit y = zone_tree_find_name(b, n.wire, n.len, qtype);
    if (x.kind != y.kind || x.zone != y.zone)
        fail_msg("%s: kind %d and %d", asked, x.kind, y.kind);
    same_node(a, x.node, b, y.node, asked);
    same_node(a, zone_tree_node(a, n.wire, n.len), b, zone_tree_node(b, n.wire, n.len), asked);
}

/* All of the pool's names, those around them, and one below each. */
static void same(const struct world *w, const struct zone_tree *a, const struct zone_tree *b)
{
    for (uint32_t i = 0; i < w->pool_n; i++) {
        char below[160];
        snprintf(below, sizeof below, "q.%s", w->name[i]);
        same_answer(a, b, below, DNS_A);
        for (const char *p = w->name[i]; p; p = strchr(p, '.') ? strchr(p, '.') + 1 : NULL)
            same_answer(a, b, p, DNS_A);
    }
    for (size_t z = 0; z < w->zones_n; z++) {
        assert_int_equal(a->zones[z].node, b->zones[z].node);
        assert_int_equal(a->zones[z].soa, b->zones[z].soa);
        assert_int_equal(a->zones[z].ns, b->zones[z].ns);
    }
    assert_true(a->labels_max >= b->labels_max);
    assert_int_equal(a->unread, b->unread);
}

/* Every name has one slot, and each node that is no hole is found where it is. */
static void sound(const struct zone_tree *t)
{
    uint32_t taken = 0;
    for (size_t i = 0; i <= t->slots_mask; i++) {
        if (t->slots[i].node == ZONE_NONE)
            continue;
        size_t len;
        const uint8_t *name = zone_node_name(t, t->slots[i].node, &len);
        assert_int_equal(zone_tree_node(t, name, len), t->slots[i].node);
        taken++;
    }
    assert_int_equal(taken, t->nodes_n - t->holes_n);
    assert_true((size_t)t->slots_mask + 1 >= 2 * (size_t)taken);
}

static struct world *random_world(void **state)
{
    struct world *w = world_new(state);
    char name[128];
    world_zone(w, "example",
               APEX "deep.static A 192.0.2.1\n*.wild A 192.0.2.2\nsub NS ns1\nx.lone TXT a\n");
    world_zone(w, "in.way.example", APEX "t A 192.0.2.3\n");
    world_zone(w, "test", APEX);
    for (uint32_t i = 0; i < 300; i++) {
        static const char *const around[] = {"example",
                                             "a.example",
                                             "b.a.example",
                                             "c.b.a.example",
                                             "static.example",
                                             "in.way.example",
                                             "u.in.way.example",
                                             "way.example",
                                             "test",
                                             "very.long.way.down.test"};
        uint32_t k = i % 10;
        snprintf(name, sizeof name, "s%u.%s", i, around[k]);
        world_name(w, k >= 8 ? 2 : k == 5 || k == 6 ? 1 : 0, name);
        if (i < 10 && strcmp(around[k], "way.example") != 0) {
            snprintf(name, sizeof name, "*.%s", around[k]);
            world_name(w, k >= 8 ? 2 : k == 5 || k == 6 ? 1 : 0, name);
        }
    }
    world_name(w, 0, "a.example"); /* above others */
    world_name(w, 0, "b.a.example");
    world_name(w, 0, "way.example"); /* above a zone */
    world_name(w, 0, "static.example");
    world_name(w, 0, "*.way.example");
    world_name(w, 0, "p.*.a.example"); /* below an asterisk */
    return w;
}

static void services_that_come_and_go_are_found_as_in_a_tree_that_was_built(void **state)
{
    const char *env = getenv("SEED");
    uint64_t seed = env ? strtoull(env, NULL, 10) : 20261126;
    struct rng r;
    printf("SEED=%llu\n", (unsigned long long)seed);
    rng_seed(&r, seed);
    struct world *w = random_world(state);
    for (uint32_t i = 0; i < w->pool_n; i++)
        w->wanted[i] = rng_below(&r, 2);
    struct services *was = services_now(w);
    struct zone_tree tree = build(w, was);
    unsigned changed = 0, holes = 0;
    enum { ROUNDS = 400 };
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (uint32_t i = rng_below(&r, 6) ? rng_below(&r, 4) + 1 : rng_below(&r, w->pool_n); i > 0;
             i--) {
            uint32_t at = rng_below(&r, w->pool_n);
            w->wanted[at] = !w->wanted[at];
        }
        struct services *is = services_now(w);
        struct zone_tree built = build(w, is), next;
        if (change(w, &tree, was, is, &next)) {
            changed++;
            holes += next.holes_n > 0;
            sound(&next);
            same(w, &next, &built);
            tree = next;
        } else
            tree = built;
        free(was);
        was = is;
    }
    printf("%u of %u changed, %u with holes\n", changed, ROUNDS, holes);
    assert_true(changed > ROUNDS / 2 && changed < ROUNDS); /* now and then too many holes */
    assert_true(holes > 0);
    free(was);
    free(w);
}

/* From the services that are there first to those that are there then. */
static bool goes(void **state, const char *zone, const char *before, const char *after)
{
    struct world *w = world_new(state);
    world_zone(w, "example", zone);
    world_zone(w, "in.example", APEX);
    world_zone(w, "in.lone.example", APEX);
    for (int i = 0; i < 70; i++) {
        char name[32];
        snprintf(name, sizeof name, "s%d.example", i);
        world_name(w, 0, name);
        w->wanted[i] = true;
    }
    uint32_t at = w->pool_n;
    world_name(w, 0, before ? before : after);
    if (before && after)
        world_name(w, 0, after);
    w->wanted[at] = before;
    struct services *was = services_now(w);
    struct zone_tree tree = build(w, was), next;
    w->wanted[at] = !before;
    if (before && after)
        w->wanted[at + 1] = true;
    struct services *is = services_now(w);
    bool good = change(w, &tree, was, is, &next);
    if (good) {
        struct zone_tree built = build(w, is);
        sound(&next);
        same(w, &next, &built);
    }
    free(was);
    free(is);
    free(w);
    return good;
}

static void what_is_more_than_a_name_is_left_to_building(void **state)
{
    assert_true(goes(state, APEX, NULL, "x.example"));
    assert_true(goes(state, APEX, "x.example", NULL));
    assert_true(goes(state, APEX, "x.example", "y.example"));
    assert_true(goes(state, APEX, "x.y.z.example", "y.z.example"));
    assert_true(goes(state, APEX, "y.z.example", "x.y.z.example"));
    assert_true(goes(state, APEX "* A 192.0.2.1\n", NULL, "x.example"));
    /* What a name was below stays where a record or another zone keeps it. */
    assert_true(goes(state, APEX, "x.ns1.example", NULL));
    assert_true(goes(state, APEX, "x.lone.example", NULL));
    assert_true(goes(state, APEX, "lone.example", NULL));
    /* A record is there, a delegation, a DNAME, another zone, no zone. */
    assert_false(goes(state, APEX "x A 192.0.2.1\n", NULL, "x.example"));
    assert_false(goes(state, APEX "x NS ns1\n", NULL, "y.x.example"));
    assert_false(goes(state, APEX "x DNAME y\n", NULL, "y.x.example"));
    assert_false(goes(state, APEX, NULL, "x.in.example"));
    assert_false(goes(state, APEX, NULL, "example"));
    assert_false(goes(state, APEX, NULL, "x.test"));
    /* A wildcard loses the names below what comes between. */
    assert_false(goes(state, APEX "* A 192.0.2.1\n", NULL, "x.y.example"));
    /* A name server is found at the service that goes, by its name or as a wildcard. */
    assert_false(goes(state, APEX "@ NS X\n", "x.example", NULL));
    assert_false(goes(state, APEX "@ NS a.b.x\n", "*.x.example", NULL));
    assert_true(goes(state, APEX "@ NS x.test.\n", "x.example", NULL));
}

static void serials_follow_and_holes_are_bounded(void **state)
{
    struct world *w = world_new(state);
    world_zone(w, "example", "$TTL 300\n@ NS ns1\nns1 A 192.0.2.53\n");
    struct zone_records *soas[2] = {
        load_good("example", "$TTL 300\n@ 600 SOA ns1 host 1 2 3 4 60\n", *state),
        load_good("example", "$TTL 300\n@ 600 SOA ns1 host 7 2 3 4 60\n", *state)};
    w->zones[0].extra = soas[0]->rrset;
    w->zones[0].extra_n = 1;
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof name, "s%d.example", i);
        world_name(w, 0, name);
        w->wanted[i] = true;
    }
    struct services *was = services_now(w);
    struct zone_tree tree = build(w, was), next;
    w->zones[0].extra = soas[1]->rrset;
    unsigned steps = 0;
    for (bool good = true; good; steps++) {
        w->wanted[steps] = false;
        struct services *is = services_now(w);
        good = change(w, &tree, was, is, &next);
        struct zone_tree built = build(w, is);
        if (good) {
            same(w, &next, &built);
            tree = next;
        }
        free(was);
        was = is;
    }
    assert_in_range(steps, 100, 300);
    free(was);
    free(w);
}

/* A changed tree does not grow: how much room is needed is known before. */
static void many_long_and_deep_names_have_room(void **state)
{
    struct world *w = world_new(state);
    world_zone(w, "example", APEX);
    for (int i = 0; i < 600; i++) {
        char name[128];
        snprintf(name, sizeof name, "s%d.example", i);
        world_name(w, 0, name);
        w->wanted[i] = true;
    }
    for (int i = 0; i < 40; i++) {
        char name[128];
        snprintf(name, sizeof name,
                 "s.%d.a-label-of-some-length-%d.another-one-as-long-%d.%d.example", i, i, i, i);
        world_name(w, 0, name);
    }
    struct services *was = services_now(w);
    struct zone_tree tree = build(w, was), next;
    for (uint32_t i = 600; i < w->pool_n; i++)
        w->wanted[i] = true;
    struct services *is = services_now(w);
    struct zone_tree built = build(w, is);
    assert_true(change(w, &tree, was, is, &next));
    assert_true(next.nodes_n == tree.nodes_n + 40 * 5 && next.names_bytes > tree.names_bytes);
    sound(&next);
    same(w, &next, &built);
    free(was);
    free(is);
    free(w);
}

/* A table that is half full is doubled where it is built; up to there it is changed. */
static void a_table_without_room_is_left_to_building(void **state)
{
    struct world *w = world_new(state);
    world_zone(w, "example", APEX);
    for (int i = 0; i < 64; i++) {
        char name[32];
        snprintf(name, sizeof name, "s%d.example", i);
        world_name(w, 0, name);
        w->wanted[i] = i < 61;
    }
    struct services *was = services_now(w);
    struct zone_tree tree = build(w, was), next;
    assert_int_equal(tree.nodes_n, 63); /* with the apex and the name server */
    assert_int_equal(tree.slots_mask, 127);
    w->wanted[61] = true;
    struct services *is = services_now(w);
    assert_true(change(w, &tree, was, is, &next));
    sound(&next);
    w->wanted[62] = true;
    struct services *more = services_now(w);
    struct zone_tree none;
    assert_false(change(w, &next, is, more, &none));
    assert_int_equal(build(w, more).slots_mask, 255);
    free(was);
    free(is);
    free(more);
    free(w);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, arena_setup, arena_teardown)
    const struct CMUnitTest tests[] = {
        T(services_that_come_and_go_are_found_as_in_a_tree_that_was_built),
        T(what_is_more_than_a_name_is_left_to_building),
        T(serials_follow_and_holes_are_bounded),
        T(many_long_and_deep_names_have_room),
        T(a_table_without_room_is_left_to_building),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
