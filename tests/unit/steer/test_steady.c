/* Where all of the first group is at 1 the short way answers: the same as the long one. */
#include "lab.h"

#include "base/check.h"
#include "base/hash.h"

#include <string.h>

#define N 3000u

#define WORLD                                                                                      \
    "{" LAB_GEO LAB_ZONE                                                                           \
    "'regions':[{'name':'eu','at':[51.5,-0.1]},{'name':'us','at':[39.0,-77.5]},"                   \
    "{'name':'ap','at':[35.7,139.7]}],"                                                            \
    "'maps':[{'name':'m','rules':[{'where':'continent:EU','regions':['eu','us']},"                 \
    "{'where':'default','regions':['us','ap']}]}],'services':["                                    \
    "{'name':'s.g.test','policy':'sticky','endpoints':" ENDPOINTS "},"                             \
    "{'name':'w.g.test','policy':'weighted','endpoints':" ENDPOINTS "},"                           \
    "{'name':'gs.g.test','policy':'geo | sticky','map':'m','endpoints':" ENDPOINTS "},"            \
    "{'name':'fs.g.test','policy':'fence | sticky','map':'m','endpoints':" ENDPOINTS "},"          \
    "{'name':'fw.g.test','policy':'fence | weighted','map':'m','endpoints':" ENDPOINTS "},"        \
    "{'name':'ps.g.test','policy':'failover | sticky','endpoints':" ENDPOINTS "},"                 \
    "{'name':'es.g.test','policy':'sticky','endpoints':" EVEN "},"                                 \
    "{'name':'efs.g.test','policy':'fence | sticky','map':'m','endpoints':" EVEN "},"              \
    "{'name':'n.g.test','policy':'nearest','endpoints':" ENDPOINTS "}]}"
/* Two of a family and one, weights of all kinds, one of 0, one region with a single family. */
#define ENDPOINTS                                                                                  \
    "[{'region':'eu','address':'192.0.2.1','weight':3},{'region':'eu','address':'192.0.2.2'},"     \
    "{'region':'eu','address':'2001:db8::1'},{'region':'us','address':'192.0.2.3','weight':0},"    \
    "{'region':'us','address':'192.0.2.4','weight':70},{'region':'us','address':'2001:db8::2'},"   \
    "{'region':'us','address':'2001:db8::3','weight':9,'priority':2},"                             \
    "{'region':'ap','address':'192.0.2.5','weight':250}]"
/* Regions weigh the same, one of them in two addresses. */
#define EVEN                                                                                       \
    "[{'region':'eu','address':'192.0.2.1','weight':8},{'region':'us','address':'192.0.2.2',"      \
    "'weight':6},{'region':'us','address':'192.0.2.3','weight':2},{'region':'us',"                 \
    "'address':'2001:db8::1','weight':8},{'region':'ap','address':'192.0.2.4','weight':8}]"

static void flag_regions(struct lab *l, uint32_t word)
{
    lab_set_region_word(l, "eu", word);
    lab_set_region_word(l, "us", word);
    lab_set_region_word(l, "ap", word);
}

static void decide(struct lab *l, const char *service, uint32_t client, uint16_t type,
                   struct answer_plan *out)
{
    struct lab_question q = {.name = service, .type = type, .net = lab_client(client)};
    memset(out, 0, sizeof *out);
    lab_decide(l, &q, out);
}

static void assert_alike(struct lab *l, const char *service, uint32_t client, uint16_t type)
{
    static struct answer_plan brief, at_length;
    struct rng rng = l->worker.rng;
    decide(l, service, client, type, &brief);
    struct rng drawn = l->worker.rng;
    l->worker.rng = rng;
    /* It works, and waits for nothing: another word that says the same, and is looked at closely. */
    flag_regions(l, AVAIL_FULL | STEER_WORD_WAITS);
    decide(l, service, client, type, &at_length);
    flag_regions(l, AVAIL_FULL);
    assert_int_equal(brief.steer.n, at_length.steer.n);
    assert_int_equal(brief.steer.why, at_length.steer.why);
    assert_int_equal(brief.steer.hashed, at_length.steer.hashed);
    assert_int_equal(brief.scope, at_length.scope);
    if (brief.steer.n)
        assert_int_equal(brief.steer.endpoint[0], at_length.steer.endpoint[0]);
    assert_memory_equal(&drawn, &l->worker.rng, sizeof drawn);
}

static void both_ways_answer_alike(void **state)
{
    (void)state;
    static const char *services[] = {"s.g.test",  "w.g.test",   "gs.g.test",
                                     "fs.g.test", "fw.g.test",  "ps.g.test",
                                     "es.g.test", "efs.g.test", "n.g.test"};
    struct lab l;
    lab_open(&l, WORLD);
    for (size_t s = 0; s < ARRAY_LEN(services); s++)
        for (uint32_t i = 0; i < N; i++)
            assert_alike(&l, services[s], i, i % 3 ? 1 : 28);
    lab_close(&l);
}

/* What is not at 1 is no matter of the short way, be it one address of the family asked for. */
static void one_address_below_1_is_looked_at(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD);
    lab_set_endpoint(&l, "s.g.test", "192.0.2.5", 0);
    lab_set_endpoint_word(&l, "w.g.test", "192.0.2.4", STEER_WORD_OFF);
    lab_set_site(&l, "gs.g.test", "us", 0);
    for (uint32_t i = 0; i < N; i++) {
        struct ip_prefix net = lab_client(i);
        assert_string_not_equal(lab_address(&l, lab_pick_net(&l, "s.g.test", &net, 1)),
                                "192.0.2.5");
        assert_string_not_equal(lab_address(&l, lab_pick_net(&l, "w.g.test", &net, 1)),
                                "192.0.2.4");
        assert_int_not_equal(lab_region_of(&l, lab_pick_net(&l, "gs.g.test", &net, 1)),
                             lab_region(&l, "us"));
    }
    lab_close(&l);
}

static uint64_t unshift(uint64_t x, unsigned by) /* of x ^ x >> by */
{
    uint64_t y = x;
    for (unsigned done = by; done < 64; done += by)
        y = x ^ y >> by;
    return y;
}

/* The cost of a pair whose hash is h: hash_mix undone. */
static uint64_t cost_of(uint64_t h)
{
    uint64_t x = unshift(h, 31) * 0x319642b2d24d8ec3ull; /* inverses mod 2^64 of its factors */
    x = unshift(unshift(x, 27) * 0x96de1b173f119089ull, 30);
    uint64_t client = x - 0x9e3779b97f4a7c15ull;
    assert_true(steer_hash_pair(client, 1) == h);
    return steer_rendezvous_cost(client, 1);
}

/* What lets the short way compare hashes: 2^40 more always costs less. */
static void a_larger_hash_costs_less(void **state)
{
    (void)state;
    const uint64_t apart = 1ull << 40;
    for (unsigned z = 0; z < 24; z++)
        for (uint64_t i = 0; i < 256; i++)
            for (int64_t by = -1; by <= 1; by++) { /* around where the table has an entry */
                uint64_t h = ((1ull << 63 | i << 55) >> z) + (uint64_t)by;
                if (h <= UINT64_MAX - apart)
                    assert_true(cost_of(h + apart) < cost_of(h));
                if (h >= apart)
                    assert_true(cost_of(h) < cost_of(h - apart));
            }
    assert_true(cost_of(apart) < cost_of(0));
    assert_true(cost_of(UINT64_MAX) < cost_of(UINT64_MAX - apart));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_answer_alike),
        cmocka_unit_test(one_address_below_1_is_looked_at),
        cmocka_unit_test(a_larger_hash_costs_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
