/* Networks as a set: what is in it, whatever the order and overlap of the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ip_set.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct arena *arena;

static int open_arena(void **state)
{
    (void)state;
    arena = arena_create(0);
    return arena ? 0 : -1;
}

static int close_arena(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

static bool in(const struct ip_set *s, const char *text)
{
    struct ip ip;
    assert_true(ip_parse(text, &ip));
    return ip_set_contains(s, &ip);
}

static void set_of(const char *text, struct ip_set *s)
{
    char bad[PREFIX_TEXT_MAX];
    assert_true(ip_set_parse(text, arena, s, bad));
}

static void nobody_is_in_the_empty_set(void **state)
{
    (void)state;
    struct ip_set s;
    set_of("", &s);
    assert_false(in(&s, "0.0.0.0"));
    assert_false(in(&s, "::"));
    set_of("  ", &s);
    assert_int_equal(s.n, 0);
}

static void a_network_holds_its_first_and_its_last_address(void **state)
{
    (void)state;
    struct ip_set s;
    set_of("192.0.2.0/25, 2001:db8::/33 ,198.51.100.7", &s);
    assert_true(in(&s, "192.0.2.0"));
    assert_true(in(&s, "192.0.2.127"));
    assert_false(in(&s, "192.0.2.128"));
    assert_false(in(&s, "192.0.1.255"));
    assert_true(in(&s, "198.51.100.7"));
    assert_false(in(&s, "198.51.100.6"));
    assert_false(in(&s, "198.51.100.8"));
    assert_true(in(&s, "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"));
    assert_false(in(&s, "2001:db8:8000::"));
    assert_false(in(&s, "::192.0.2.1")); /* another family */
}

static void everything_is_everything_of_its_family(void **state)
{
    (void)state;
    struct ip_set s;
    set_of("0.0.0.0/0,10.0.0.0/8", &s);
    assert_int_equal(s.n, 1);
    assert_true(in(&s, "255.255.255.255"));
    assert_false(in(&s, "::"));
    set_of("::/0,ffff::/16,0.0.0.0/0", &s);
    assert_int_equal(s.n, 2);
    assert_true(in(&s, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
}

static void neighbours_and_nested_networks_become_one_range(void **state)
{
    (void)state;
    struct ip_set s;
    set_of("10.1.0.0/16,10.0.0.0/16,10.0.5.0/24", &s);
    assert_int_equal(s.n, 1);
    set_of("10.0.0.0/16,10.2.0.0/16", &s);
    assert_int_equal(s.n, 2);
    assert_false(in(&s, "10.1.0.0"));
}

static void a_refusal_names_the_piece(void **state)
{
    (void)state;
    struct ip_set s;
    char bad[PREFIX_TEXT_MAX];
    assert_false(ip_set_parse("10.0.0.0/8,10.0.0.1/8,::1", NULL, &s, bad));
    assert_string_equal(bad, "10.0.0.1/8");
    assert_false(ip_set_parse("10.0.0.0/8,,::1", NULL, &s, bad));
    assert_string_equal(bad, ",");
    assert_false(ip_set_parse("a very long piece that no network could ever be written as, at all",
                              NULL, &s, bad));
    assert_int_equal(strlen(bad), PREFIX_TEXT_MAX - 1);
    assert_true(ip_set_parse("10.0.0.0/8,::1", NULL, &s, bad));
}

static void as_many_as_the_limit_and_no_more(void **state)
{
    (void)state;
    static char text[IP_SET_MAX * 20];
    struct ip_set s;
    char bad[PREFIX_TEXT_MAX];
    size_t len = 0;
    for (unsigned i = 0; i < IP_SET_MAX; i++)
        len += (size_t)sprintf(text + len, "%s10.%u.%u.0/24", i ? "," : "", i >> 7 & 255,
                               (i & 127) * 2);
    assert_true(ip_set_parse(text, arena, &s, bad));
    assert_int_equal(s.n, IP_SET_MAX);
    strcpy(text + len, ",11.0.0.0/8");
    assert_false(ip_set_parse(text, arena, &s, bad));
    assert_string_equal(bad, "");
}

/* Against the plain definition: in the set is who is in one of the networks. */
static void it_agrees_with_the_list_it_was_made_of(void **state)
{
    (void)state;
    const char *seed = getenv("SEED");
    struct rng rng;
    rng_seed(&rng, seed ? strtoull(seed, NULL, 0) : 7);
    printf("SEED=%s\n", seed ? seed : "7");
    unsigned inside = 0;
    for (unsigned round = 0; round < 200; round++) {
        struct ip_prefix list[12];
        char text[12 * PREFIX_TEXT_MAX] = "", one[PREFIX_TEXT_MAX];
        unsigned n = 1 + rng_below(&rng, 12);
        for (unsigned i = 0; i < n; i++) {
            struct ip_prefix *p = &list[i];
            *p = (struct ip_prefix){.ip.family = rng_below(&rng, 3) ? 4 : 6};
            for (unsigned k = 0; k < ip_bits(&p->ip) / 8; k++)
                p->ip.b[k] = (uint8_t)rng_below(&rng, 4);
            p->len = (uint8_t)rng_below(&rng, ip_bits(&p->ip) + 1);
            ip_mask(&p->ip, p->len);
            strcat(strcat(text, i ? "," : ""), ip_prefix_format(p, one));
        }
        struct ip_set s;
        set_of(text, &s);
        for (unsigned k = 0; k < 500; k++) {
            struct ip ip = {.family = rng_below(&rng, 2) ? 4 : 6};
            bool expected = false;
            for (unsigned b = 0; b < ip_bits(&ip) / 8; b++)
                ip.b[b] = (uint8_t)rng_below(&rng, 5);
            for (unsigned i = 0; i < n; i++)
                expected |= ip_prefix_contains(&list[i], &ip);
            assert_int_equal(ip_set_contains(&s, &ip), expected);
            inside += expected;
        }
    }
    assert_true(inside > 1000 && inside < 99000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_in_the_empty_set),
        cmocka_unit_test(a_network_holds_its_first_and_its_last_address),
        cmocka_unit_test(everything_is_everything_of_its_family),
        cmocka_unit_test(neighbours_and_nested_networks_become_one_range),
        cmocka_unit_test(a_refusal_names_the_piece),
        cmocka_unit_test(as_many_as_the_limit_and_no_more),
        cmocka_unit_test(it_agrees_with_the_list_it_was_made_of),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
