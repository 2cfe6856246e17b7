/* The published numbers: other implementations must come to the same, and so must we next year. */
#include "lab.h"

#include "base/hash.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static uint64_t client_hash(const char *net)
{
    struct ip_prefix p = lab_prefix(net);
    return steer_hash_client(&p.ip, p.len);
}

/* docs/steering.md prints these. */
static const struct {
    const char *net, *name;
    uint64_t client, name_hash, pair, cost;
    uint32_t stay; /* of 65536: stays where the availability is above it */
} vectors[] = {
#include "vectors.inc"
};

static uint32_t stay_number(uint64_t client, uint64_t name)
{
    uint32_t low = 0, high = 65536; /* the smallest availability that keeps the client, less one */
    while (high - low > 1) {
        uint32_t mid = (low + high) / 2;
        if (steer_stays(client, name, mid))
            high = mid;
        else
            low = mid;
    }
    return low;
}

static void published_vectors_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint64_t c = client_hash(vectors[i].net), n = steer_hash_name(vectors[i].name);
        if (c != vectors[i].client || n != vectors[i].name_hash ||
            steer_hash_pair(c, n) != vectors[i].pair ||
            steer_rendezvous_cost(c, n) != vectors[i].cost || stay_number(c, n) != vectors[i].stay)
            fail_msg(
                "{\"%s\", \"%s\", 0x%016llx, 0x%016llx, 0x%016llx, 0x%llx, %u}, not as printed",
                vectors[i].net, vectors[i].name, (unsigned long long)c, (unsigned long long)n,
                (unsigned long long)steer_hash_pair(c, n),
                (unsigned long long)steer_rendezvous_cost(c, n), stay_number(c, n));
    }
}

static void the_cost_is_minus_the_logarithm_of_the_hash(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, lab_seed());
    for (int i = 0; i < 20000; i++) {
        uint64_t c = rng_next(&r), n = rng_next(&r);
        double want = -log2(((double)(steer_hash_pair(c, n) | 1)) * 0x1p-64);
        double got = (double)steer_rendezvous_cost(c, n) * 0x1p-32;
        assert_near(got, want, 0x1p-17);
    }
}

static void zero_keeps_nobody_and_one_keeps_everybody(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, lab_seed());
    for (int i = 0; i < 100000; i++) {
        uint64_t c = rng_next(&r), n = rng_next(&r);
        assert_false(steer_stays(c, n, AVAIL_NONE));
        assert_true(steer_stays(c, n, AVAIL_FULL));
    }
}

static void staying_is_monotone_and_in_proportion(void **state)
{
    (void)state;
    const uint32_t n = 20000;
    uint64_t region = steer_hash_name("eu");
    for (int percent = 0; percent <= 100; percent += 5) {
        uint32_t stay = 0;
        for (uint32_t i = 0; i < n; i++) {
            struct ip_prefix p = lab_client(i);
            uint64_t c = steer_hash_client(&p.ip, p.len);
            bool stays = steer_stays(c, region, avail_from_double(percent / 100.0));
            stay += stays;
            if (stays && percent < 100)
                assert_true(steer_stays(c, region, avail_from_double(percent / 100.0 + 0.05)));
        }
        assert_near((double)stay / n, percent / 100.0, 0.015);
    }
}

static void staying_in_one_region_says_nothing_of_another(void **state)
{
    (void)state;
    uint32_t both = 0, n = 20000;
    for (uint32_t i = 0; i < n; i++) {
        struct ip_prefix p = lab_client(i);
        uint64_t c = steer_hash_client(&p.ip, p.len);
        both += steer_stays(c, steer_hash_name("eu"), AVAIL_FULL / 2) &&
                steer_stays(c, steer_hash_name("us"), AVAIL_FULL / 2);
    }
    assert_near((double)both / n, 0.25, 0.015);
}

/* Who was chosen by the smallest cost must stay as often as anybody. */
static void staying_is_independent_of_the_rendezvous(void **state)
{
    (void)state;
    static const char *const names[] = {"eu", "us", "ap", "sa", "af"};
    uint32_t stay = 0, n = 20000;
    for (uint32_t i = 0; i < n; i++) {
        struct ip_prefix p = lab_client(i);
        uint64_t c = steer_hash_client(&p.ip, p.len), best = UINT64_MAX, region = 0;
        for (int k = 0; k < 5; k++) {
            uint64_t cost = steer_rendezvous_cost(c, steer_hash_name(names[k]));
            if (cost < best) {
                best = cost;
                region = steer_hash_name(names[k]);
            }
        }
        stay += steer_stays(c, region, avail_from_double(0.4));
    }
    assert_near((double)stay / n, 0.4, 0.015);
}

/* Chi-square over 20 regions of different weights; 43.8 is its 0.1 % bound for 19 degrees. */
static void rendezvous_shares_follow_the_weights(void **state)
{
    (void)state;
    enum { N = 20 };
    uint64_t names[N], weight[N], total = 0;
    uint32_t got[N] = {0}, n = 50000;
    for (int k = 0; k < N; k++) {
        char name[16];
        snprintf(name, sizeof name, "region-%d", k);
        names[k] = steer_hash_name(name);
        weight[k] = 1 + (uint64_t)k * k;
        total += weight[k];
    }
    for (uint32_t i = 0; i < n; i++) {
        struct ip_prefix p = lab_client(i);
        uint64_t c = steer_hash_client(&p.ip, p.len);
        int best = 0;
        double cost = INFINITY;
        for (int k = 0; k < N; k++) {
            double x = (double)steer_rendezvous_cost(c, names[k]) / (double)weight[k];
            if (x < cost) {
                cost = x;
                best = k;
            }
        }
        got[best]++;
    }
    double chi = 0;
    for (int k = 0; k < N; k++) {
        double want = (double)n * (double)weight[k] / (double)total;
        chi += (got[k] - want) * (got[k] - want) / want;
    }
    assert_true(chi < 43.8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_hold),
        cmocka_unit_test(the_cost_is_minus_the_logarithm_of_the_hash),
        cmocka_unit_test(zero_keeps_nobody_and_one_keeps_everybody),
        cmocka_unit_test(staying_is_monotone_and_in_proportion),
        cmocka_unit_test(staying_in_one_region_says_nothing_of_another),
        cmocka_unit_test(staying_is_independent_of_the_rendezvous),
        cmocka_unit_test(rendezvous_shares_follow_the_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
