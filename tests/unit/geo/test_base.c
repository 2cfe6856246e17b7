#include "world.h"

#include <stdlib.h>
#include <string.h>

static uint32_t spot_at(const struct geo_base *b, const char *text)
{
    struct ip ip = world_ip(text);
    return geo_base_find(b, &ip);
}

static void without_anything_there_are_only_kinds(void **state)
{
    (void)state;
    struct geo_base *b;
    assert_int_equal(geo_base_build(NULL, 0, NULL, 0, &b, NULL), ERR_OK);
    assert_int_equal(geo_base_spots_n(b), 3);
    assert_int_equal(geo_base_places_n(b), 1);
    assert_int_equal(geo_base_own_n(b), 0);
    assert_int_equal(geo_base_dbs_n(b), 0);
    const struct geo_spot *s = geo_base_spot(b, spot_at(b, "8.8.8.8"));
    assert_int_equal(s->place, 0);
    assert_int_equal(s->asn, 0);
    assert_int_equal(s->own, GEO_NONE);
    assert_int_equal(s->kind, GEO_KIND_PLAIN);
    assert_string_equal(geo_base_place(b, 0)->city, "");
    geo_base_unref(&b);
    assert_null(b);
    geo_base_unref(&b);
}

static void kinds_begin_and_end_where_the_rfcs_say(void **state)
{
    (void)state;
    static const struct {
        const char *ip;
        unsigned kind;
    } rows[] = {
        {"9.255.255.255", GEO_KIND_PLAIN},
        {"10.0.0.0", GEO_KIND_PRIVATE},
        {"10.255.255.255", GEO_KIND_PRIVATE},
        {"11.0.0.0", GEO_KIND_PLAIN},
        {"172.15.255.255", GEO_KIND_PLAIN},
        {"172.16.0.0", GEO_KIND_PRIVATE},
        {"172.31.255.255", GEO_KIND_PRIVATE},
        {"172.32.0.0", GEO_KIND_PLAIN},
        {"192.167.255.255", GEO_KIND_PLAIN},
        {"192.168.0.0", GEO_KIND_PRIVATE},
        {"192.169.0.0", GEO_KIND_PLAIN},
        {"::fffe:ffff:ffff", GEO_KIND_PLAIN},
        {"::ffff:0.0.0.0", GEO_KIND_EMBEDDED},
        {"::ffff:255.255.255.255", GEO_KIND_EMBEDDED},
        {"::1:0:0:0", GEO_KIND_PLAIN},
        {"64:ff9b::", GEO_KIND_EMBEDDED},
        {"64:ff9b::ffff:ffff", GEO_KIND_EMBEDDED},
        {"64:ff9b::1:0:0", GEO_KIND_PLAIN},
        {"2001::", GEO_KIND_EMBEDDED},
        {"2001:0:ffff::", GEO_KIND_EMBEDDED},
        {"2001:1::", GEO_KIND_PLAIN},
        {"2002::", GEO_KIND_EMBEDDED},
        {"2003::", GEO_KIND_PLAIN},
        {"fbff::", GEO_KIND_PLAIN},
        {"fc00::", GEO_KIND_PRIVATE},
        {"fdff:ffff::", GEO_KIND_PRIVATE},
        {"fe00::", GEO_KIND_PLAIN},
    };
    struct geo_base *b;
    assert_int_equal(geo_base_build(NULL, 0, NULL, 0, &b, NULL), ERR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ip ip = world_ip(rows[i].ip);
        assert_int_equal(geo_base_spot(b, geo_base_find(b, &ip))->kind, rows[i].kind);
        assert_int_equal(world_kind_of(&ip), rows[i].kind);
        assert_int_equal(geo_is_private(&ip), rows[i].kind == GEO_KIND_PRIVATE);
    }
    geo_base_unref(&b);
}

static void own_networks_are_sorted_single_and_know_their_parents(void **state)
{
    (void)state;
    static const char *const text[] = {"2001:db8::/32",   "192.0.2.128/25", "192.0.2.0/24",
                                       "192.0.2.0/25",    "0.0.0.0/0",      "192.0.2.128/25",
                                       "192.0.2.130/32",  "::/0",           "2001:db8:0:1::/64",
                                       "198.51.100.0/24", "192.0.2.0/32"};
    struct ip_prefix own[11];
    for (int i = 0; i < 11; i++)
        own[i] = world_prefix(text[i]);
    struct geo_base *b;
    assert_int_equal(geo_base_build(NULL, 0, own, 11, &b, NULL), ERR_OK);
    static const struct {
        const char *prefix;
        uint32_t parent;
    } want[] = {{"0.0.0.0/0", GEO_NONE}, {"192.0.2.0/24", 0},   {"192.0.2.0/25", 1},
                {"192.0.2.0/32", 2},     {"192.0.2.128/25", 1}, {"192.0.2.130/32", 4},
                {"198.51.100.0/24", 0},  {"::/0", GEO_NONE},    {"2001:db8::/32", 7},
                {"2001:db8:0:1::/64", 8}};
    assert_int_equal(geo_base_own_n(b), 10);
    for (uint32_t i = 0; i < 10; i++) {
        char out[PREFIX_TEXT_MAX];
        assert_string_equal(ip_prefix_format(&geo_base_own(b, i)->prefix, out), want[i].prefix);
        assert_int_equal(geo_base_own(b, i)->parent, want[i].parent);
        assert_int_equal(geo_base_own_find(b, &geo_base_own(b, i)->prefix), i);
    }
    struct ip_prefix absent = world_prefix("192.0.2.0/26");
    assert_int_equal(geo_base_own_find(b, &absent), GEO_NONE);
    assert_int_equal(geo_base_spot(b, spot_at(b, "192.0.2.130"))->own, 5);
    assert_int_equal(geo_base_spot(b, spot_at(b, "192.0.2.131"))->own, 4);
    assert_int_equal(geo_base_spot(b, spot_at(b, "192.0.3.0"))->own, 0);
    assert_int_equal(geo_base_spot(b, spot_at(b, "255.255.255.255"))->own, 0);
    assert_int_equal(geo_base_spot(b, spot_at(b, "ffff::"))->own, 7);
    geo_base_unref(&b);
}

static void the_longest_own_network_wins_in_random_worlds(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, world_seed());
    for (unsigned round = 0; round < 300; round++) {
        struct world w;
        world_make(&w, &r, 1 + rng_below(&r, WORLD_OWN_MAX), 2);
        for (unsigned i = 0; i < 300; i++) {
            struct ip ip = world_pick(&w, &r);
            uint32_t own = world_own_of(&w, &ip);
            const struct geo_spot *s = geo_base_spot(w.base, geo_base_find(w.base, &ip));
            assert_int_equal(s->kind, world_kind_of(&ip));
            assert_int_equal(s->own,
                             own == GEO_NONE ? GEO_NONE : geo_base_own_find(w.base, &w.own[own]));
        }
        world_free(&w);
    }
}

struct seen {
    const struct geo_base *base;
    uint64_t blocks, of_a_16, of_an_address;
    uint32_t ranges, before, wrong;
};

static void look(void *ctx, const struct ip *first, uint64_t blocks, uint32_t spot)
{
    struct seen *x = ctx;
    uint32_t own = geo_base_spot(x->base, spot)->own;
    x->wrong += geo_base_find(x->base, first) != spot || (x->ranges && spot == x->before);
    x->ranges++;
    x->before = spot;
    x->blocks += blocks;
    x->of_a_16 += own == 0 ? blocks : 0;
    x->of_an_address += own == 1 ? blocks : 0;
}

static void each_range_is_told_with_its_blocks_of_24_bits(void **state)
{
    (void)state;
    struct ip_prefix own[] = {world_prefix("192.0.0.0/16"), world_prefix("198.51.100.7/32"),
                              world_prefix("2001:db8::/32")};
    struct geo_base *b;
    assert_int_equal(geo_base_build(NULL, 0, own, 3, &b, NULL), ERR_OK);
    struct seen x = {.base = b};
    assert_true(geo_base_each_v4(b, look, &x));
    assert_int_equal(x.wrong, 0);
    assert_int_equal(x.of_a_16, 256);
    assert_int_equal(x.of_an_address, 1);
    assert_int_equal(x.ranges, 11); /* three private ones, the two here, and what lies between */
    assert_int_equal(x.blocks, (1u << 24) + 2); /* an address begins a block and ends one */
    geo_base_unref(&b);
}

static void a_folded_base_says_the_same_and_its_views_are_the_same(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, world_seed());
    for (unsigned round = 0; round < 20; round++) {
        struct world w;
        world_make(&w, &r, 40, 5);
        struct geo_view *again;
        geo_base_fold(w.base);
        geo_base_fold(w.base);
        assert_int_equal(geo_view_build(w.base, w.values, &again, NULL), ERR_OK);
        assert_int_equal(geo_view_blocks_n(again), geo_view_blocks_n(w.view));
        geo_base_fold(w.base);
        for (unsigned i = 0; i < 500; i++) {
            struct ip ip = world_pick(&w, &r);
            struct geo_found a = geo_view_lookup(w.view, &ip), b = geo_view_lookup(again, &ip);
            assert_memory_equal(&a, &b, sizeof a);
            assert_int_equal(a.class, w.values[geo_base_find(w.base, &ip)].class);
        }
        geo_view_unref(&again);
        world_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_anything_there_are_only_kinds),
        cmocka_unit_test(kinds_begin_and_end_where_the_rfcs_say),
        cmocka_unit_test(own_networks_are_sorted_single_and_know_their_parents),
        cmocka_unit_test(the_longest_own_network_wins_in_random_worlds),
        cmocka_unit_test(each_range_is_told_with_its_blocks_of_24_bits),
        cmocka_unit_test(a_folded_base_says_the_same_and_its_views_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
