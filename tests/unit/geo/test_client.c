#include "world.h"

#include <stdlib.h>
#include <string.h>

/* A world by hand: own networks with a class each, class 0 elsewhere. */
static const struct {
    const char *prefix;
    uint16_t class;
} rows[] = {
    {"81.2.69.0/24", 1},    {"81.2.69.160/32", 2}, {"203.0.113.0/24", 3},
    {"2001:db8:1::/48", 4}, {"10.20.0.0/16", 5},   {"2002::/16", 6},
    {"2001::/32", 7},       {"81.0.0.0/8", 8},     {"198.51.0.0/16", 9},
};
#define ROWS (sizeof rows / sizeof *rows)

static struct world w;

static int make_world(void **state)
{
    (void)state;
    w.own_n = ROWS;
    for (size_t i = 0; i < ROWS; i++)
        w.own[i] = world_prefix(rows[i].prefix);
    if (geo_base_build(NULL, 0, w.own, w.own_n, &w.base, NULL))
        return -1;
    w.values = calloc(geo_base_spots_n(w.base), sizeof *w.values);
    for (uint32_t i = 0; i < geo_base_spots_n(w.base); i++) {
        const struct geo_spot *s = geo_base_spot(w.base, i);
        w.values[i].kind = s->kind;
        for (size_t k = 0; k < ROWS && s->own != GEO_NONE; k++)
            if (geo_base_own_find(w.base, &w.own[k]) == s->own) {
                w.values[i].class = rows[k].class;
                if (s->kind == GEO_KIND_PRIVATE)
                    w.values[i].kind = GEO_KIND_PLAIN; /* a rule names it */
            }
    }
    return geo_view_build(w.base, w.values, &w.view, NULL);
}

static int free_world(void **state)
{
    (void)state;
    world_free(&w);
    return 0;
}

static struct geo_client locate(const char *subnet, const char *source)
{
    struct geo_client_in in = {.source = world_ip(source)};
    if (subnet) {
        struct ip_prefix p = world_prefix(subnet);
        in.subnet = p.ip;
        in.subnet_len = p.len;
    }
    return geo_client_locate(w.view, &in);
}

static void assert_network(const struct geo_client *c, const char *want)
{
    char got[PREFIX_TEXT_MAX];
    struct ip_prefix p = geo_client_network(c);
    assert_string_equal(ip_prefix_format(&p, got), want);
}

static void assert_ip(const struct ip *ip, const char *want)
{
    char got[IP_TEXT_MAX];
    assert_string_equal(ip_format(ip, got), want);
}

static void without_a_subnet_the_source_decides_with_scope_0(void **state)
{
    (void)state;
    struct geo_client c = locate(NULL, "203.0.113.9");
    assert_int_equal(c.class, 3);
    assert_int_equal(c.scope, 0);
    assert_int_equal(c.hash_scope, 0);
    assert_int_equal(c.from, GEO_FROM_SOURCE);
    assert_network(&c, "203.0.113.9/32");
    c = locate(NULL, "2001:db8:1::5");
    assert_int_equal(c.class, 4);
    assert_network(&c, "2001:db8:1::5/128");
}

static void a_source_that_carries_ipv4_is_that_client(void **state)
{
    (void)state;
    struct geo_client c = locate(NULL, "::ffff:203.0.113.9");
    assert_int_equal(c.class, 3);
    assert_ip(&c.looked_up, "203.0.113.9");
    assert_network(&c, "203.0.113.9/32");
}

static void a_subnet_of_length_0_leaves_it_to_the_source(void **state)
{
    (void)state;
    struct geo_client c = locate("0.0.0.0/0", "203.0.113.9");
    assert_int_equal(c.class, 3);
    assert_int_equal(c.scope, 0);
    assert_int_equal(c.from, GEO_FROM_SOURCE);
    c = locate("::/0", "203.0.113.9");
    assert_int_equal(c.class, 3);
    assert_int_equal(c.scope, 0);
}

static void a_subnet_decides_and_says_how_far(void **state)
{
    (void)state;
    struct geo_client c = locate("198.51.100.0/24", "203.0.113.9");
    assert_int_equal(c.class, 9);
    assert_int_equal(c.scope, 16);
    assert_int_equal(c.hash_scope, 24);
    assert_int_equal(c.from, GEO_FROM_SUBNET);
    assert_network(&c, "198.51.100.0/24");
    c = locate("198.51.100.77/32", "203.0.113.9");
    assert_int_equal(c.scope, 16);
    assert_network(&c, "198.51.100.0/24");
    c = locate("2001:db8:1::/56", "203.0.113.9");
    assert_int_equal(c.class, 4);
    assert_int_equal(c.scope, 48);
    assert_int_equal(c.hash_scope, 48);
    assert_network(&c, "2001:db8:1::/48");
}

/* RFC 7871 section 7.2.1. */
static void a_subnet_too_short_to_decide_gets_a_longer_scope(void **state)
{
    (void)state;
    struct geo_client c = locate("81.2.0.0/16", "203.0.113.9");
    assert_int_equal(c.class, 8);
    assert_int_equal(c.scope, 18); /* 81.2.69.0/24 lies in the other half of 81.2.64.0/18 */
    c = locate("81.2.69.0/24", "203.0.113.9");
    assert_int_equal(c.class, 1);
    assert_int_equal(c.scope, 25); /* because of 81.2.69.160/32 */
    c = locate("81.2.69.160/32", "203.0.113.9");
    assert_int_equal(c.class, 2);
    assert_int_equal(c.scope, 32);
}

static void embedded_clients_are_looked_up_as_ipv4(void **state)
{
    (void)state;
    static const struct {
        const char *subnet, *looked_up, *network;
        unsigned class, scope, hash_scope;
    } t[] = {
        {"::ffff:81.2.69.160/128", "81.2.69.160", "81.2.69.0/24", 2, 128, 120},
        {"::ffff:198.51.100.0/120", "198.51.100.0", "198.51.100.0/24", 9, 112, 120},
        {"2002:cb00:7109::/48", "203.0.113.9", "203.0.113.0/24", 3, 40, 40},
        {"2002:cb00:7100::/40", "203.0.113.0", "203.0.113.0/24", 3, 40, 40},
        {"2002:cb00:7109:1::1/128", "203.0.113.9", "203.0.113.0/24", 3, 40, 40},
        {"64:ff9b::203.0.113.0/120", "203.0.113.0", "203.0.113.0/24", 3, 120, 120},
        {"64:ff9b::198.51.3.4/128", "198.51.3.4", "198.51.3.0/24", 9, 112, 120},
        /* Teredo: server 65.54.227.120, client 203.0.113.9 with its bits inverted */
        {"2001:0:4136:e378:8000:63bf:34ff:8ef6/128", "203.0.113.9", "203.0.113.0/24", 3, 128, 128},
        {"2001:0:4136:e378:8000:63bf:34ff:8e00/120", "203.0.113.255", "203.0.113.0/24", 3, 128,
         128},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct geo_client c = locate(t[i].subnet, "192.0.2.1");
        assert_int_equal(c.from, GEO_FROM_SUBNET);
        assert_ip(&c.looked_up, t[i].looked_up);
        assert_network(&c, t[i].network);
        assert_int_equal(c.class, t[i].class);
        assert_int_equal(c.scope, t[i].scope);
        assert_int_equal(c.hash_scope, t[i].hash_scope);
    }
}

static void an_embedded_subnet_with_few_bits_stays_honest(void **state)
{
    (void)state;
    /* 81.0.0.0/8 in 6to4: what a query with all bits of 2002:5100:: would get, and a longer scope.
     */
    struct geo_client c = locate("2002:5100::/24", "192.0.2.1");
    assert_int_equal(c.class, 8);
    assert_int_equal(c.scope, 31); /* 81.0.0.0/15 is uniform, 81.2.0.0/16 is not */
    assert_int_equal(c.hash_scope, 40);
    c = locate("2001:0:4136:e378::/64", "192.0.2.1");
    assert_int_equal(c.scope, 128);
}

static void unmapping_needs_24_bits_of_the_client(void **state)
{
    (void)state;
    unsigned offset;
    struct ip six = world_ip("2002:cb00:7100::");
    struct ip got = geo_client_unmap(&six, 40, &offset);
    assert_int_equal(offset, 16);
    assert_ip(&got, "203.0.113.0");
    got = geo_client_unmap(&six, 39, &offset);
    assert_int_equal(offset, 0);
    assert_ip(&got, "2002:cb00:7100::");
    struct ip plain = world_ip("2001:db8::1");
    got = geo_client_unmap(&plain, 128, &offset);
    assert_int_equal(offset, 0);
    assert_true(ip_equal(&got, &plain));
    struct ip four = world_ip("192.0.2.1");
    got = geo_client_unmap(&four, 32, &offset);
    assert_int_equal(offset, 0);
    assert_true(ip_equal(&got, &four));
}

static void a_private_subnet_counts_only_where_named(void **state)
{
    (void)state;
    struct geo_client c = locate("10.20.30.0/24", "203.0.113.9");
    assert_int_equal(c.class, 5);
    assert_int_equal(c.scope, 16);
    assert_int_equal(c.from, GEO_FROM_SUBNET);
    c = locate("10.99.30.0/24", "203.0.113.9");
    assert_int_equal(c.class, 3);
    assert_int_equal(c.from, GEO_FROM_SOURCE_PRIVATE);
    assert_int_equal(c.scope, 10); /* 10.64.0.0/10, up to the half with 10.20.0.0/16 */
    assert_int_equal(c.hash_scope, 0);
    assert_network(&c, "203.0.113.9/32");
    c = locate("192.168.1.0/24", "203.0.113.9");
    assert_int_equal(c.class, 3);
    assert_int_equal(c.scope, 16);
    c = locate("fd00:1::/32", "203.0.113.9");
    assert_int_equal(c.class, 3);
    assert_int_equal(c.scope, 7);
    c = locate("::ffff:192.168.1.0/120", "203.0.113.9");
    assert_int_equal(c.from, GEO_FROM_SOURCE_PRIVATE);
    assert_int_equal(c.scope, 112);
    c = locate("192.168.1.0/24", "192.168.1.1");
    assert_int_equal(c.class, 0);
    assert_int_equal(c.from, GEO_FROM_SOURCE_PRIVATE);
}

static struct ip inside(const struct ip_prefix *block, struct rng *r)
{
    struct ip ip = block->ip;
    unsigned how = rng_below(r, 3);
    for (unsigned i = block->len; i < ip_bits(&ip); i++)
        if (how == 1 || (how == 2 && rng_below(r, 2)))
            ip.b[i / 8] |= (uint8_t)(0x80 >> (i % 8));
    return ip;
}

static struct geo_client ask(const struct world *x, const struct ip *ip, unsigned len)
{
    struct geo_client_in in = {.subnet = *ip, .subnet_len = (uint8_t)len};
    in.source = world_ip("203.0.113.9");
    ip_mask(&in.subnet, len);
    struct geo_client c = geo_client_locate(x->view, &in), found = {0};
    bool alone = geo_client_found(&in.subnet, geo_view_lookup(x->view, &in.subnet), &found);
    assert_int_equal(alone, ip->family == 4 && c.from == GEO_FROM_SUBNET);
    if (alone) {
        assert_int_equal(found.class, c.class);
        assert_int_equal(found.scope, c.scope);
        assert_int_equal(found.hash_scope, c.hash_scope);
        assert_int_equal(found.from, c.from);
        assert_int_equal(found.network_len, c.network_len);
        assert_true(ip_equal(&found.looked_up, &c.looked_up));
    }
    return c;
}

/* A resolver may give the answer to everyone in the block of the scope around the subnet's address:
 * then each of them must get the same when it asks with its whole address, and blocks must nest. */
static void scopes_are_honest(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, world_seed());
    for (unsigned round = 0; round < 200; round++) {
        struct world x;
        world_make(&x, &r, rng_below(&r, WORLD_OWN_MAX + 1), 1 + rng_below(&r, 4));
        for (unsigned i = 0; i < 300; i++) {
            struct ip ip = world_pick(&x, &r);
            unsigned bits = ip_bits(&ip), len = 1 + rng_below(&r, bits);
            ip_mask(&ip, len);
            struct geo_client c = ask(&x, &ip, len);
            assert_true(c.scope <= bits && c.hash_scope <= bits);
            bool hash = rng_below(&r, 2);
            struct ip_prefix block = {ip, hash && c.hash_scope > c.scope ? c.hash_scope : c.scope};
            ip_mask(&block.ip, block.len);
            struct ip a = inside(&block, &r);
            struct geo_client full = ask(&x, &a, bits);
            assert_int_equal(full.class, c.class);
            assert_int_equal(full.from, c.from);
            assert_int_equal(full.scope, c.scope);
            if (hash) {
                struct ip_prefix one = geo_client_network(&full), other = geo_client_network(&c);
                assert_true(ip_equal(&one.ip, &other.ip));
                assert_int_equal(one.len, other.len);
            }
        }
        world_free(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_subnet_the_source_decides_with_scope_0),
        cmocka_unit_test(a_source_that_carries_ipv4_is_that_client),
        cmocka_unit_test(a_subnet_of_length_0_leaves_it_to_the_source),
        cmocka_unit_test(a_subnet_decides_and_says_how_far),
        cmocka_unit_test(a_subnet_too_short_to_decide_gets_a_longer_scope),
        cmocka_unit_test(embedded_clients_are_looked_up_as_ipv4),
        cmocka_unit_test(an_embedded_subnet_with_few_bits_stays_honest),
        cmocka_unit_test(unmapping_needs_24_bits_of_the_client),
        cmocka_unit_test(a_private_subnet_counts_only_where_named),
        cmocka_unit_test(scopes_are_honest),
    };
    return cmocka_run_group_tests(tests, make_world, free_world);
}
