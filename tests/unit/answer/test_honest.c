/* The scope is honest: everybody inside it gets the same. Walked over every edge that the
 * configuration or a database draws, under every policy, whole, in part and with everything down.
 *
 * For a query with any source length, and for other clients inside the scope that came back:
 *   the same scope (so that scopes never overlap), the same candidates (row and fence) and, where no
 *   generator takes part, exactly the same answer; where a hash decides, the scope is so long that
 *   only clients of one hash are inside. */
#include "lab.h"

#include "base/hash.h"
#include "dns/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define EDGES_MAX 6000

struct walk {
    struct lab lab;
    struct rng rng;
    const char *policy;
    enum sameness { EXACT, REGION, ROW } sameness; /* what must not differ inside a scope */
    struct ip edge[EDGES_MAX];
    uint32_t edges_n;
    uint64_t asked;
};

static struct ip shift(struct ip ip, int by) /* the address before or after */
{
    for (int i = (int)ip_bits(&ip) / 8 - 1; i >= 0; i--) {
        int v = ip.b[i] + by;
        ip.b[i] = (uint8_t)v;
        if (v >= 0 && v <= 255)
            break;
    }
    return ip;
}

static struct ip last_of(const struct ip_prefix *p)
{
    struct ip ip = p->ip;
    for (unsigned i = p->len; i < ip_bits(&ip); i++)
        ip.b[i / 8] |= (uint8_t)(0x80u >> (i % 8));
    return ip;
}

static void add_edge(struct walk *w, struct ip ip)
{
    if (w->edges_n < EDGES_MAX)
        w->edge[w->edges_n++] = ip;
    else /* a fair sample of all of them */
        w->edge[rng_below(&w->rng, EDGES_MAX)] = ip;
}

static bool add_block(void *ctx, const struct ip_prefix *block, struct geo_found found)
{
    struct walk *w = ctx;
    (void)found;
    add_edge(w, block->ip);
    add_edge(w, last_of(block));
    return true;
}

static void add_own(struct walk *w, const char *const *nets)
{
    for (; *nets; nets++) {
        struct ip_prefix p = lab_prefix(*nets);
        struct ip last = last_of(&p);
        add_edge(w, p.ip);
        add_edge(w, last);
        add_edge(w, shift(p.ip, -1));
        add_edge(w, shift(last, 1));
    }
}

static struct ip embed(struct ip v4, unsigned how) /* ways to carry IPv4 inside IPv6 */
{
    struct ip ip = {.family = 6};
    static const uint8_t prefix[3][12] = {
        {[10] = 0xff, [11] = 0xff}, {0, 0x64, 0xff, 0x9b}, {0x20, 0x01}};
    if (how == 3) {
        ip.b[0] = 0x20;
        ip.b[1] = 0x02;
        memcpy(ip.b + 2, v4.b, 4);
        return ip;
    }
    memcpy(ip.b, prefix[how], 12);
    for (int i = 0; i < 4; i++)
        ip.b[12 + i] = how == 2 ? v4.b[i] ^ 0xff : v4.b[i];
    return ip;
}

static struct ip random_ip(struct walk *w)
{
    struct ip ip = w->edge[rng_below(&w->rng, w->edges_n)];
    unsigned bits = ip_bits(&ip), keep = rng_below(&w->rng, bits + 1);
    for (unsigned i = keep; i < bits; i++) {
        uint8_t mask = (uint8_t)(0x80u >> (i % 8));
        ip.b[i / 8] = (uint8_t)((ip.b[i / 8] & ~mask) | (rng_next(&w->rng) & 1 ? mask : 0));
    }
    if (ip.family == 4 && rng_below(&w->rng, 4) == 0)
        ip = embed(ip, rng_below(&w->rng, 4));
    return ip;
}

struct seen {
    enum answer_kind kind;
    unsigned scope;
    uint32_t service;
    uint16_t class, n;
    uint32_t endpoint[8];
    bool hashed, private;
    struct geo_client client;
};

static void look(struct walk *w, struct ip_prefix net, struct ip source, struct seen *out)
{
    static struct answer_plan p;
    ip_mask(&net.ip, net.len);
    lab_decide(
        &w->lab,
        &(struct lab_question){.name = "w.g.test", .type = DNS_A, .net = net, .source_ip = source},
        &p);
    w->asked++;
    assert_true(p.located);
    memset(out, 0, sizeof *out);
    out->kind = p.kind;
    out->scope = p.scope;
    out->service = p.service;
    out->class = p.client.class;
    out->hashed = p.steer.hashed;
    out->client = p.client;
    out->n = p.steer.n < 8 ? p.steer.n : 8;
    memcpy(out->endpoint, p.steer.endpoint, out->n * sizeof out->endpoint[0]);
}

static const char *show(const struct ip_prefix *p)
{
    static char text[4][PREFIX_TEXT_MAX];
    static unsigned turn;
    return ip_prefix_format(p, text[turn++ % 4]);
}

static uint64_t hash_of(const struct geo_client *c)
{
    struct ip_prefix network = geo_client_network(c);
    return steer_hash_client(&network.ip, network.len);
}

static void compare(struct walk *w, const struct ip_prefix *asked, const struct seen *a,
                    const struct ip_prefix *other, const struct seen *b)
{
    bool same = a->kind == b->kind && a->scope == b->scope && a->class == b->class &&
                a->service == b->service && a->hashed == b->hashed;
    if (same && a->hashed)
        same = hash_of(&a->client) == hash_of(&b->client);
    if (same && w->sameness == EXACT)
        same = a->n == b->n && memcmp(a->endpoint, b->endpoint, sizeof a->endpoint) == 0;
    if (same && w->sameness == REGION)
        same = a->n == b->n &&
               lab_region_of(&w->lab, a->endpoint[0]) == lab_region_of(&w->lab, b->endpoint[0]);
    if (!same)
        fail_msg("%s: %s got /%u class %u service %u endpoint %u hashed %d; %s inside it got /%u "
                 "class %u service %u endpoint %u hashed %d",
                 w->policy, show(asked), a->scope, a->class, a->service, a->endpoint[0], a->hashed,
                 show(other), b->scope, b->class, b->service, b->endpoint[0], b->hashed);
}

/* One client, one source length: the scope, and others inside it. */
static void check_one(struct walk *w, struct ip ip, unsigned len, struct ip source)
{
    struct ip_prefix net = {.ip = ip, .len = (uint8_t)len}, other;
    struct seen a, b;
    ip_mask(&net.ip, len);
    look(w, net, source, &a);
    unsigned bits = ip_bits(&ip);
    assert_true(a.scope <= bits);
    if (a.hashed && a.client.from == GEO_FROM_SUBNET)
        assert_true(a.scope >= (bits == 32 ? 24 : 40)); /* 6to4: 16 + 24 */
    for (int i = 0; i < 4; i++) {
        other.ip = i == 0 ? last_of(&(struct ip_prefix){net.ip, (uint8_t)a.scope}) : net.ip;
        for (unsigned bit = a.scope; i > 0 && bit < bits; bit++)
            if (rng_next(&w->rng) & 1)
                other.ip.b[bit / 8] ^= (uint8_t)(0x80u >> (bit % 8));
        /* With all bits, or with as few as still lie inside the scope. */
        other.len = (uint8_t)(i & 1 && a.scope > 0 ? a.scope : bits);
        look(w, other, source, &b);
        compare(w, &net, &a, &other, &b);
    }
}

static void walk_all(struct walk *w, const char *const *nets, uint32_t turns)
{
    uint32_t view = 0;
    w->edges_n = 0;
    add_own(w, nets);
    for (; view < w->lab.s->views_n; view++)
        geo_view_each(w->lab.s->views[view]->map, add_block, w);
    struct ip source = lab_ip("198.18.0.1");
    uint32_t step = w->edges_n / turns + 1;
    for (uint32_t i = rng_below(&w->rng, step); i < w->edges_n; i += step) {
        unsigned bits = ip_bits(&w->edge[i]);
        check_one(w, w->edge[i], bits, source);
        check_one(w, w->edge[i], 1 + rng_below(&w->rng, bits), source);
        check_one(w, w->edge[i], bits == 32 ? 24 : 48, source);
    }
    for (uint32_t i = 0; i < turns; i++) {
        struct ip ip = random_ip(w);
        check_one(w, ip, 1 + rng_below(&w->rng, ip_bits(&ip)), source);
    }
    for (unsigned len = 1; len <= 128; len++) { /* every source length */
        struct ip ip = random_ip(w);
        check_one(w, ip, len > ip_bits(&ip) ? ip_bits(&ip) : len, source);
    }
}

/* ----------------------------------------------------------------------------------- the worlds */

static const char *const nets[] = {"1.2.0.0/20",
                                   "1.2.3.0/24",
                                   "1.2.3.16/28",
                                   "1.2.3.200/32",
                                   "10.0.0.0/8",
                                   "10.1.2.0/24",
                                   "192.168.7.0/25",
                                   "80.1.2.0/23",
                                   "80.1.2.64/26",
                                   "0.0.0.0/1",
                                   "2001:db8::/32",
                                   "2001:db8:1::/48",
                                   "2001:db8:1:2::/64",
                                   "2001:db8:1:2::80/121",
                                   "fd00:1::/32",
                                   "2002:102:300::/40",
                                   "fc00::/9",
                                   "200.1.0.0/17",
                                   "255.255.255.240/28",
                                   "ffff:ffff::/32",
                                   NULL};

#define RULE(net, regions) "{'where':'net:" net "','regions':[" regions "]},"
#define MAPS                                                                                       \
    "'maps':[{'name':'m','rules':[" RULE("1.2.0.0/20", "'us','eu'") RULE("1.2.3.0/24", "'ap'")     \
        RULE("1.2.3.16/28", "'sa','us'") RULE("1.2.3.200/32", "'eu'") RULE("10.0.0.0/8", "'us'")   \
            RULE("10.1.2.0/24", "'ap','eu'") RULE("192.168.7.0/25", "'eu'")                        \
                RULE("80.1.2.0/23", "'us'") RULE("80.1.2.64/26", "'eu','us'")                      \
                    RULE("0.0.0.0/1", "'sa','eu'") RULE("2001:db8::/32", "'us'")                   \
                        RULE("2001:db8:1::/48", "'eu','ap'") RULE("2001:db8:1:2::/64", "'sa'")     \
                            RULE("2001:db8:1:2::80/121", "'us','sa'") RULE("fd00:1::/32", "'ap'")  \
                                RULE("2002:102:300::/40", "'eu'") RULE("200.1.0.0/17", "'ap'")     \
                                    RULE("255.255.255.240/28", "'sa'") RULE(                       \
                                        "ffff:ffff::/32",                                          \
                                        "'ap'") "{'where':'country:GB','regions':['eu','us']},{'"  \
                                                "where':'asn:3320','regions':['us','eu']},"        \
                                                "{'where':'continent:NA','regions':['us','sa']},{" \
                                                "'where':'default','regions':['eu','ap']}]}],"
#define ROW(net, region, ms) "{'where':'net:" net "','region':'" region "','ms':" ms "},"
#define LATENCY                                                                                    \
    "'latency':[" ROW("1.2.0.0/20", "us", "10") ROW("1.2.3.16/28", "ap", "5")                      \
        ROW("2001:db8:1::/48", "sa", "3") ROW("fc00::/9", "ap", "2")                               \
            ROW("10.1.2.0/24", "sa", "1") "{'where':'country:GB','region':'us','ms':4},{'where':'" \
                                          "asn:3320','region':'ap','ms':6}],"
#define EP(region, address, priority)                                                              \
    "{'region':'" region "','address':'" address "','priority':" priority "}"
#define EPS                                                                                        \
    "[" EP("eu", "192.0.2.1", "1") "," EP("eu", "192.0.2.11", "2") "," EP(                         \
        "us", "192.0.2.2", "1") "," EP("ap", "192.0.2.3",                                          \
                                       "2") "," EP("ap", "192.0.2.13",                             \
                                                   "1") "," EP("sa", "192.0.2.4", "3") "]"

/* Under sticky the answer is fixed; under an order of single regions the region is, unless nothing is
 * at 1 and weight times availability decides; else only what the generator draws from. */
static enum sameness sameness_of(const char *policy, int board)
{
    if (strstr(policy, "sticky"))
        return EXACT;
    bool drawn = strstr(policy, "within") || strstr(policy, "all") || board == 3 ||
                 strcmp(policy, "weighted") == 0 || strcmp(policy, "failover") == 0 ||
                 strcmp(policy, "fence") == 0;
    return drawn ? ROW : REGION;
}

static void open_world(struct walk *w, const char *policy, const char *geo, const char *on_empty)
{
    char json[12000];
    bool map = strstr(policy, "fence") || strstr(policy, "geo");
    snprintf(json, sizeof json,
             "{'settings':{'geo':'%s'}," LAB_ZONE
             "'regions':[{'name':'eu','at':[51.5,-0.1]},{'name':'us','at':[39.0,-77.5]},"
             "{'name':'ap','at':[35.7,139.7]},{'name':'sa','at':[-23.5,-46.6]}]," MAPS LATENCY
             "'services':[{'name':'w.g.test','policy':'%s',%s'on_empty':'%s','endpoints':" EPS
             "},{'name':'other.g.test','policy':'latency | sticky','endpoints':" EPS "}]}",
             geo, policy, map ? "'map':'m'," : "", on_empty);
    w->policy = policy;
    lab_open(&w->lab, json);
}

static const char *const policies[] = {"geo",
                                       "geo | sticky",
                                       "nearest",
                                       "nearest within=3000 | sticky",
                                       "latency",
                                       "latency within=20 | all",
                                       "failover",
                                       "failover | geo",
                                       "failover | sticky",
                                       "weighted",
                                       "sticky",
                                       "all",
                                       "fence",
                                       "fence | latency | sticky",
                                       "fence | nearest within=5000 | failover | sticky",
                                       "fence | all"};

/* Boards: whole, a part here and there, one region gone, nothing at 1, everything down; one gone and
 * others full; one in part, and one full for all but those behind a fence. */
#define BOARDS 7
static void set_board(struct lab *l, int which)
{
    static const double avail[][4] = {{1, 1, 1, 1},       {0.4, 1, 1, 0.9}, {0, 1, 0.5, 1},
                                      {0.3, 0.6, 0.2, 0}, {0, 0, 0, 0},     {0, 1, 1, 1},
                                      {1, 0.5, 1, 1}};
    static const char *const regions[] = {"eu", "us", "ap", "sa"};
    lab_set_all(l, 1);
    for (int i = 0; i < 4; i++)
        lab_set_region(l, regions[i], avail[which][i]);
    if (which == 2)
        lab_set_endpoint(l, "w.g.test", "192.0.2.1", 0.7);
    if (which == 1)
        lab_set_region_word(l, "us", STEER_WORD_DRAIN);
    for (int i = 0; i < 4; i++)
        lab_set_spill(l, regions[i], 1, 1);
    if (which == 5) {
        lab_set_spill(l, "us", 0.3, 0.6);
        lab_set_spill(l, "ap", 0, 0.5);
    }
    if (which == 6)
        lab_set_spill(l, "eu", 0.2, 1);
}

static void walk_policies(const char *geo, const char *on_empty, uint32_t turns)
{
    static struct walk w;
    rng_seed(&w.rng, lab_seed());
    w.asked = 0;
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        open_world(&w, policies[i], geo, on_empty);
        for (int board = 0; board < BOARDS; board++) {
            set_board(&w.lab, board);
            w.sameness = sameness_of(policies[i], board);
            walk_all(&w, nets, turns);
        }
        lab_close(&w.lab);
    }
    printf("%llu clients asked\n", (unsigned long long)w.asked);
}

/* RFC 7871 section 7.2.1: a cache may hand the answer to everybody inside the scope. */
static void every_policy_is_honest_over_nested_networks(void **state)
{
    (void)state;
    walk_policies("@GEO", "all", 400);
}

static void without_a_database_too(void **state)
{
    (void)state;
    walk_policies("", "all", 150);
}

static void where_another_service_answers_too(void **state)
{
    (void)state;
    walk_policies("@GEO", "other.g.test", 150);
}

static void over_a_real_database_too(void **state)
{
    (void)state;
    const char *dir = getenv("MERIDIAN_GEOIP_DIR");
    char path[600];
    struct stat st;
    snprintf(path, sizeof path, "%s/GeoIP2-City-Test.mmdb",
             dir ? dir : MERIDIAN_SOURCE_DIR "/../shared/geoip");
    if (stat(path, &st) != 0)
        skip();
    walk_policies(path, "all", 300);
}

/* For all /24 (and /48) of a stretch: scopes are nested or apart, never half over each other. */
/* RFC 7871 section 7.2.1: prefixes must not overlap. */
static void scopes_of_neighbours_never_overlap(void **state)
{
    (void)state;
    static struct walk w;
    rng_seed(&w.rng, lab_seed());
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        open_world(&w, policies[i], "@GEO", "all");
        set_board(&w.lab, 1);
        struct ip source = lab_ip("198.18.0.1"), covered = {0};
        for (uint32_t k = 0; k < 8192; k++) {
            struct ip_prefix net = {.ip = {.family = 4, .b = {1, (uint8_t)(k >> 8), (uint8_t)k}},
                                    .len = 24};
            struct seen a;
            look(&w, net, source, &a);
            struct ip_prefix block = {.ip = net.ip, .len = (uint8_t)a.scope};
            ip_mask(&block.ip, block.len);
            struct ip last = last_of(&block);
            if (covered.family && ip_compare(&net.ip, &covered) <= 0)
                assert_true(ip_compare(&last, &covered) <= 0); /* inside the one before */
            else {
                assert_true(k == 0 || ip_compare(&block.ip, &covered) > 0);
                covered = last;
            }
        }
        lab_close(&w.lab);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_is_honest_over_nested_networks),
        cmocka_unit_test(without_a_database_too),
        cmocka_unit_test(where_another_service_answers_too),
        cmocka_unit_test(over_a_real_database_too),
        cmocka_unit_test(scopes_of_neighbours_never_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
