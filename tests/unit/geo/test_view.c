#include "world.h"

#include <stdlib.h>
#include <string.h>

#define WORLDS 300

static struct geo_found look(const struct geo_view *v, const char *text)
{
    struct ip ip = world_ip(text);
    return geo_view_lookup(v, &ip);
}

static void build_with(const char *const *own, size_t n, struct world *w)
{
    memset(w, 0, sizeof *w);
    w->own_n = n;
    for (size_t i = 0; i < n; i++)
        w->own[i] = world_prefix(own[i]);
    assert_int_equal(geo_base_build(NULL, 0, w->own, n, &w->base, NULL), ERR_OK);
    w->values = calloc(geo_base_spots_n(w->base), sizeof *w->values);
}

/* Keeps what carries IPv4 apart, and nothing else. */
static void keep_embedded(struct world *w)
{
    for (uint32_t i = 0; i < geo_base_spots_n(w->base); i++)
        if (geo_base_spot(w->base, i)->kind == GEO_KIND_EMBEDDED)
            w->values[i].kind = GEO_KIND_EMBEDDED;
}

static void build_view(struct world *w)
{
    assert_int_equal(geo_view_build(w->base, w->values, &w->view, NULL), ERR_OK);
}

static void a_world_of_one_class_has_scope_0(void **state)
{
    (void)state;
    const char *own[] = {"192.0.2.0/24", "2001:db8::/48", "192.0.2.7/32"};
    struct world w;
    build_with(own, 3, &w);
    build_view(&w); /* class 0, kind PLAIN everywhere */
    assert_int_equal(look(w.view, "192.0.2.7").scope, 0);
    assert_int_equal(look(w.view, "2001:db8::1").scope, 0);
    assert_int_equal(geo_view_blocks_n(w.view), 2);
    world_free(&w);
}

static void neighbours_with_one_class_merge_across_the_root_s_borders(void **state)
{
    (void)state;
    const char *own[] = {"4.0.0.0/8",    "5.0.0.0/9", "5.128.0.0/9",
                         "5.255.0.0/16", "2400::/16", "2401::/16"};
    struct world w;
    build_with(own, 6, &w);
    for (uint32_t i = 0; i < geo_base_spots_n(w.base); i++)
        w.values[i].class = geo_base_spot(w.base, i)->own != GEO_NONE;
    keep_embedded(&w);
    build_view(&w);
    assert_int_equal(look(w.view, "4.1.2.3").scope, 7);
    assert_int_equal(look(w.view, "5.255.255.255").scope, 7);
    assert_int_equal(look(w.view, "5.0.0.0").class, 1);
    assert_int_equal(look(w.view, "6.0.0.0").scope, 7);
    assert_int_equal(look(w.view, "3.255.255.255").class, 0);
    assert_int_equal(look(w.view, "2401:ffff::").scope, 15);
    world_check_blocks(&w);
    world_free(&w);
}

static void single_addresses_have_scopes_of_full_length(void **state)
{
    (void)state;
    const char *own[] = {"192.0.2.7/32", "2001:db8::7/128"};
    struct world w;
    build_with(own, 2, &w);
    for (uint32_t i = 0; i < geo_base_spots_n(w.base); i++)
        w.values[i].class = geo_base_spot(w.base, i)->own != GEO_NONE;
    build_view(&w);
    assert_int_equal(look(w.view, "192.0.2.7").scope, 32);
    assert_int_equal(look(w.view, "192.0.2.7").class, 1);
    assert_int_equal(look(w.view, "192.0.2.6").scope, 32);
    assert_int_equal(look(w.view, "192.0.2.5").scope, 31);
    assert_int_equal(look(w.view, "192.0.2.200").scope, 25);
    assert_int_equal(look(w.view, "2001:db8::7").scope, 128);
    assert_int_equal(look(w.view, "2001:db8::7").class, 1);
    assert_int_equal(look(w.view, "2001:db8::").scope, 126);
    assert_int_equal(look(w.view, "8000::").scope, 1);
    world_free(&w);
}

static void classes_and_kinds_keep_all_their_bits(void **state)
{
    (void)state;
    const char *own[] = {"192.0.2.0/24"};
    struct world w;
    build_with(own, 1, &w);
    for (uint32_t i = 0; i < geo_base_spots_n(w.base); i++) {
        const struct geo_spot *s = geo_base_spot(w.base, i);
        w.values[i] = (struct geo_value){s->own == 0 ? 65535 : 1, s->kind};
    }
    build_view(&w);
    struct geo_found f = look(w.view, "192.0.2.9");
    assert_int_equal(f.class, 65535);
    assert_int_equal(f.scope, 24);
    assert_int_equal(look(w.view, "10.9.8.7").kind, GEO_KIND_PRIVATE);
    assert_int_equal(look(w.view, "10.9.8.7").scope, 8);
    assert_int_equal(look(w.view, "172.31.0.1").scope, 12);
    assert_int_equal(look(w.view, "2002::1").kind, GEO_KIND_EMBEDDED);
    assert_int_equal(look(w.view, "2002::1").scope, 16);
    assert_int_equal(look(w.view, "fdff::").kind, GEO_KIND_PRIVATE);
    world_free(&w);
}

static void ranges_that_carry_ipv4_stay_apart_even_if_called_plain(void **state)
{
    (void)state;
    const char *own[] = {"2000::/14"};
    struct world w;
    build_with(own, 1, &w);
    for (uint32_t i = 0; i < geo_base_spots_n(w.base); i++)
        w.values[i].class = geo_base_spot(w.base, i)->own == 0;
    build_view(&w);
    assert_int_equal(look(w.view, "2000::1").scope, 16);
    assert_int_equal(look(w.view, "2001:1::").scope, 32);
    assert_int_equal(look(w.view, "2002::1").kind, GEO_KIND_EMBEDDED);
    assert_int_equal(look(w.view, "2003::1").scope, 16);
    world_free(&w);
}

static void every_address_of_a_small_world_is_found_as_if_by_hand(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, world_seed());
    for (unsigned round = 0; round < 20; round++) {
        struct world w = {.own_n = 40};
        for (size_t i = 0; i < w.own_n; i++) { /* all inside 192.0.0.0/16 */
            w.own[i] = world_prefix_random(&r, 4, 32);
            w.own[i].len = (uint8_t)(16 + rng_below(&r, 17));
            w.own[i].ip.b[0] = 192;
            w.own[i].ip.b[1] = 0;
            ip_mask(&w.own[i].ip, w.own[i].len);
        }
        assert_int_equal(geo_base_build(NULL, 0, w.own, w.own_n, &w.base, NULL), ERR_OK);
        uint16_t class_of[WORLD_OWN_MAX];
        for (size_t i = 0; i < WORLD_OWN_MAX; i++)
            class_of[i] = (uint16_t)rng_below(&r, 3);
        w.values = calloc(geo_base_spots_n(w.base), sizeof *w.values);
        for (uint32_t i = 0; i < geo_base_spots_n(w.base); i++) {
            uint32_t own = geo_base_spot(w.base, i)->own;
            w.values[i].class = own == GEO_NONE ? 0 : class_of[own];
        }
        keep_embedded(&w);
        build_view(&w);
        world_check_blocks(&w);
        for (unsigned a = 0; a < 65536; a++) {
            struct ip ip = {.family = 4, .b = {192, 0, (uint8_t)(a >> 8), (uint8_t)a}};
            uint32_t own = world_own_of(&w, &ip);
            uint32_t sorted = own == GEO_NONE ? GEO_NONE : geo_base_own_find(w.base, &w.own[own]);
            unsigned class = own == GEO_NONE ? 0 : class_of[sorted];
            assert_int_equal(geo_view_lookup(w.view, &ip).class, class);
        }
        world_free(&w);
    }
}

/* RFC 7871 section 7.2.1: nested prefixes are taken apart, into as few as can be. */
static void blocks_of_random_worlds_are_total_disjoint_uniform_and_maximal(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, world_seed());
    for (unsigned round = 0; round < WORLDS; round++) {
        struct world w;
        world_make(&w, &r, rng_below(&r, WORLD_OWN_MAX + 1), 1 + rng_below(&r, 5));
        world_check_blocks(&w);
        for (unsigned i = 0; i < 200; i++) {
            struct ip ip = world_pick(&w, &r);
            struct geo_value v = w.values[geo_base_find(w.base, &ip)];
            struct geo_found f = geo_view_lookup(w.view, &ip);
            assert_int_equal(f.class, v.class);
            assert_int_equal(f.kind, v.kind);
            struct geo_seek seek;
            geo_view_seek_root(w.view, &ip, &seek);
            geo_view_seek_node(w.view, &seek);
            geo_view_seek_entry(w.view, &ip, &seek);
            struct geo_found same = geo_view_seek_end(w.view, &ip, &seek);
            assert_int_equal(same.class, f.class);
            assert_int_equal(same.kind, f.kind);
            assert_int_equal(same.scope, f.scope);
        }
        world_free(&w);
    }
}

static bool stop_at_third(void *ctx, const struct ip_prefix *block, struct geo_found found)
{
    (void)block;
    (void)found;
    return ++*(int *)ctx < 3;
}

static void a_walk_over_the_blocks_ends_when_told(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 1);
    struct world w;
    world_make(&w, &r, 20, 4);
    int n = 0;
    assert_false(geo_view_each(w.view, stop_at_third, &n));
    assert_int_equal(n, 3);
    struct geo_view *second = geo_view_ref(w.view);
    geo_view_unref(&second);
    assert_null(second);
    assert_true(geo_view_size_bytes(w.view) >= 2 * 65536 * 4);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_world_of_one_class_has_scope_0),
        cmocka_unit_test(neighbours_with_one_class_merge_across_the_root_s_borders),
        cmocka_unit_test(single_addresses_have_scopes_of_full_length),
        cmocka_unit_test(classes_and_kinds_keep_all_their_bits),
        cmocka_unit_test(ranges_that_carry_ipv4_stay_apart_even_if_called_plain),
        cmocka_unit_test(every_address_of_a_small_world_is_found_as_if_by_hand),
        cmocka_unit_test(blocks_of_random_worlds_are_total_disjoint_uniform_and_maximal),
        cmocka_unit_test(a_walk_over_the_blocks_ends_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
