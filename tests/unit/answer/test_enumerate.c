/* The whole address space, at every edge that a large database draws: no address inside a returned
 * scope would have been answered differently, and no two scopes overlap (RFC 7871 section 7.2.1).
 *
 * Where what is said of clients changes, it changes at an edge of a network of the database, of the
 * /24 or /48 around one that is longer (location is decided by those), or of a network of our own. So
 * it is enough to ask at every edge, in order, and to compare with the scope that holds it: that is
 * every address, in a few hundred thousand questions. */
#include "lab.h"

#include "base/hash.h"
#include "dns/types.h"
#include "mmdb_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) ||                                                               \
    defined(__SANITIZE_THREAD__) /* they look at memory, not at scopes */
#define NETWORKS_V4 15000u
#define NETWORKS_V6 5000u
#else
#define NETWORKS_V4 150000u
#define NETWORKS_V6 50000u
#endif
#define PLACES 48u
#define EDGES_MAX ((NETWORKS_V4 + NETWORKS_V6 + 64) * 6)

static struct {
    char path[64];
    struct ip *edge; /* sorted, each once */
    uint32_t edges_n;
    uint32_t networks_n;
} big;

static const char *const own_nets[] = {
    "20.0.0.0/9",     "20.1.2.0/24",    "20.1.2.64/27",     "20.1.2.77/32",       "90.16.0.0/12",
    "90.17.3.128/25", "2a01:8000::/33", "2a01:8000:7::/48", "2a01:8000:7:1::/64", "128.0.0.0/2"};

static struct ip last_of(const struct ip_prefix *p)
{
    struct ip ip = p->ip;
    for (unsigned i = p->len; i < ip_bits(&ip); i++)
        ip.b[i / 8] |= (uint8_t)(0x80u >> (i % 8));
    return ip;
}

static bool step(struct ip *ip, int by) /* false: past the end of the family */
{
    for (unsigned i = ip_bits(ip) / 8; i-- > 0;) {
        int v = ip->b[i] + by;
        ip->b[i] = (uint8_t)v;
        if (v >= 0 && v <= 255)
            return true;
    }
    return false;
}

static void add_edges(const struct ip_prefix *p)
{
    struct ip first = p->ip, last = last_of(p);
    big.edge[big.edges_n++] = first;
    big.edge[big.edges_n++] = last;
    if (step(&first, -1))
        big.edge[big.edges_n++] = first;
    if (step(&last, 1))
        big.edge[big.edges_n++] = last;
}

static int by_address(const void *a, const void *b)
{
    return ip_compare(a, b);
}

static int by_length(const void *a, const void *b)
{
    const struct ip_prefix *x = a, *y = b;
    return x->len - y->len;
}

static struct ip_prefix random_net(struct rng *rng, bool v6)
{
    struct ip_prefix p = {.ip.family = v6 ? 6 : 4};
    uint64_t bits = rng_next(rng);
    p.len = (uint8_t)(v6 ? 20 + rng_below(rng, 37) : 10 + rng_below(rng, 20));
    for (unsigned i = 0; i < (v6 ? 8u : 4u); i++)
        p.ip.b[i] = (uint8_t)(bits >> 8 * i);
    if (v6) { /* where clients live, so that networks nest */
        p.ip.b[0] = 0x2a;
        p.ip.b[1] &= 0x0f;
    }
    ip_mask(&p.ip, p.len);
    return p;
}

static void make_database(struct rng *rng)
{
    static const char *const continents[] = {"EU", "NA", "AS", "SA", "AF", "OC"};
    uint32_t places[PLACES], n = NETWORKS_V4 + NETWORKS_V6;
    struct ip_prefix *net = calloc(n, sizeof *net);
    struct mmdb m;
    mmdb_init(&m, 6, 28);
    assert_non_null(net);
    for (unsigned i = 0; i < PLACES; i++) {
        char country[3] = {(char)('A' + i / 8), (char)('A' + i % 8)}, city[16];
        snprintf(city, sizeof city, "City%u", i);
        places[i] = mmdb_place(&m, &(struct mmdb_place){.continent = continents[i % 6],
                                                        .country = country,
                                                        .city = city,
                                                        .lat = (double)(i * 37 % 140) - 70,
                                                        .lon = (double)(i * 71 % 360) - 180,
                                                        .radius_km = 20,
                                                        .asn = i % 4 ? 64500 + i : 0});
    }
    for (uint32_t i = 0; i < n; i++)
        net[i] = random_net(rng, i >= NETWORKS_V4);
    qsort(net, n, sizeof *net, by_length);
    for (uint32_t i = 0; i < n; i++) {
        mmdb_add_prefix(&m, &net[i], MMDB_DATA + places[rng_below(rng, PLACES)]);
        struct ip_prefix around = {.ip = net[i].ip, .len = net[i].ip.family == 4 ? 24 : 48};
        ip_mask(&around.ip, around.len);
        add_edges(&net[i]);
        if (net[i].len > around.len)
            add_edges(&around);
    }
    big.networks_n = n;
    mmdb_write(&m, big.path);
    mmdb_fini(&m);
    free(net);
}

static int open_database(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, lab_seed());
    strcpy(big.path, "/tmp/meridian-big-XXXXXX");
    int fd = mkstemp(big.path);
    big.edge = malloc(EDGES_MAX * 2 * sizeof *big.edge);
    if (fd < 0 || !big.edge)
        return -1;
    close(fd);
    make_database(&rng);
    for (size_t i = 0; i < sizeof own_nets / sizeof own_nets[0]; i++) {
        struct ip_prefix p = lab_prefix(own_nets[i]);
        add_edges(&p);
    }
    for (unsigned family = 4; family <= 6; family += 2) {
        struct ip_prefix all = {.ip.family = (uint8_t)family};
        add_edges(&all);
    }
    qsort(big.edge, big.edges_n, sizeof *big.edge, by_address);
    uint32_t n = 0;
    for (uint32_t i = 0; i < big.edges_n; i++)
        if (n == 0 || !ip_equal(&big.edge[n - 1], &big.edge[i]))
            big.edge[n++] = big.edge[i];
    big.edges_n = n;
    return 0;
}

static int close_database(void **state)
{
    (void)state;
    unlink(big.path);
    free(big.edge);
    return 0;
}

struct seen {
    struct ip_prefix block; /* the scope that came back */
    struct ip last;
    uint16_t class, endpoints_n;
    uint32_t endpoint;
    bool hashed;
    uint64_t hash;
};

static void look(struct lab *l, const struct ip *ip, unsigned len, struct seen *out)
{
    struct answer_plan p;
    struct ip_prefix net = {.ip = *ip, .len = (uint8_t)len};
    ip_mask(&net.ip, len);
    lab_decide(l, &(struct lab_question){.name = "w.g.test", .type = DNS_A, .net = net}, &p);
    assert_int_equal(p.kind, PLAN_SERVICE);
    memset(out, 0, sizeof *out);
    out->block = (struct ip_prefix){.ip = net.ip, .len = p.scope};
    ip_mask(&out->block.ip, p.scope);
    out->last = last_of(&out->block);
    out->class = p.client.class;
    out->endpoints_n = p.steer.n;
    out->endpoint = p.steer.endpoint[0];
    out->hashed = p.steer.hashed;
    struct ip_prefix network = geo_client_network(&p.client);
    if (p.steer.hashed)
        out->hash = steer_hash_client(&network.ip, network.len);
}

static const char *show(const struct ip *ip)
{
    static char text[2][IP_TEXT_MAX];
    static unsigned turn;
    return ip_format(ip, text[turn++ % 2]);
}

static void assert_same(const char *policy, const struct ip *at, const struct seen *now,
                        const struct seen *block, bool exact)
{
    bool same =
        now->block.len == block->block.len && now->class == block->class &&
        now->hashed == block->hashed && now->hash == block->hash &&
        (!exact || (now->endpoint == block->endpoint && now->endpoints_n == block->endpoints_n));
    if (!same)
        fail_msg("%s: %s lies inside %s/%u and got /%u, class %u, endpoint %u, not class %u, "
                 "endpoint %u",
                 policy, show(at), show(&block->block.ip), block->block.len, now->block.len,
                 now->class, now->endpoint, block->class, block->endpoint);
}

/* In order, every edge: inside the block before it, or the first of another that begins behind it. */
static uint32_t sweep(struct lab *l, const char *policy, bool exact)
{
    struct seen block = {.block.ip.family = 0}, now, wide;
    uint32_t blocks = 0;
    for (uint32_t i = 0; i < big.edges_n; i++) {
        const struct ip *at = &big.edge[i];
        unsigned bits = ip_bits(at), usual = bits == 32 ? 24 : 48;
        look(l, at, bits, &now);
        if (block.block.ip.family == at->family && ip_compare(at, &block.last) <= 0) {
            assert_same(policy, at, &now, &block, exact);
        } else {
            if (block.block.ip.family == at->family && ip_compare(&now.block.ip, &block.last) <= 0)
                fail_msg("%s: the scope of %s, %s/%u, overlaps the one before", policy, show(at),
                         show(&now.block.ip), now.block.len);
            block = now;
            blocks++;
        }
        look(l, at, usual, &wide); /* as resolvers ask */
        if (now.block.len <= usual)
            assert_same(policy, at, &wide, &now, exact);
        else
            assert_true(wide.block.len > usual); /* too short to decide: a longer scope */
    }
    return blocks;
}

#define EP(region, address, priority)                                                              \
    "{'region':'" region "','address':'" address "','priority':" priority "}"
#define RULE(where, regions) "{'where':'" where "','regions':[" regions "]}"

static void open_world(struct lab *l, const char *policy)
{
    static char json[6000];
    bool map = strstr(policy, "geo") || strstr(policy, "fence");
    size_t n = (size_t)snprintf(
        json, sizeof json,
        "{'settings':{'geo':'%s'}," LAB_ZONE
        "'regions':[{'name':'eu','at':[51.5,-0.1]},{'name':'us','at':[39.0,-77.5]},"
        "{'name':'ap','at':[35.7,139.7]},{'name':'sa','at':[-23.5,-46.6]},"
        "{'name':'af','at':[-26.2,28.0]}],'maps':[{'name':'m','rules':[",
        big.path);
    static const char *const order[] = {"'us','eu'", "'ap'", "'sa','us'", "'eu'", "'af','ap'"};
    for (size_t i = 0; i < sizeof own_nets / sizeof own_nets[0]; i++)
        n += (size_t)snprintf(json + n, sizeof json - n, RULE("net:%s", "%s") ",", own_nets[i],
                              order[i % 5]);
    snprintf(
        json + n, sizeof json - n,
        RULE("country:AA", "'eu','us'") "," RULE("asn:64501", "'ap','eu'") "," RULE("continent:NA", "'us','sa'") "," RULE(
            "continent:AF",
            "'af'") "," RULE("default",
                             "'eu','ap'") "]}],"
                                          "'latency':[{'where':'net:90.16.0.0/"
                                          "12','region':'sa','ms':3},"
                                          "{'where':'continent:OC','region':'ap','ms':9}],"
                                          "'services':[{'name':'w.g.test','policy':'%s',%s'"
                                          "endpoints':[" EP("eu", "192.0.2.1", "1") "," EP(
                                              "us", "192.0.2.2",
                                              "1") "," EP("ap", "192.0.2.3",
                                                          "2") "," EP("sa", "192.0.2.4",
                                                                      "2") "," EP("af", "192.0.2.5",
                                                                                  "3") "]}]}",
        policy, map ? "'map':'m'," : "");
    lab_open(l, json);
}

static void check(const char *policy, bool exact, bool in_part)
{
    struct lab l;
    open_world(&l, policy);
    if (in_part) {
        lab_set_region(&l, "eu", 0.4);
        lab_set_region(&l, "ap", 0.8);
        exact = false; /* who does not stay may be placed by weight */
    }
    uint32_t blocks = sweep(&l, policy, exact);
    printf("%-28s %u edges of %u networks, %u scopes\n", policy, big.edges_n, big.networks_n,
           blocks);
    bool everybody = strcmp(policy, "failover") == 0 || strcmp(policy, "all") == 0;
    assert_true(everybody ? blocks == 2 : blocks > 1000); /* one of each family */
    lab_close(&l);
}

/* RFC 7871 section 7.2.1 */
static void every_edge_under_every_policy(void **state)
{
    (void)state;
    check("geo", true, false);
    check("nearest", true, false);
    check("latency", true, false);
    check("geo | sticky", true, false);
    check("nearest within=2000 | sticky", true, false);
    check("fence | latency | sticky", true, false);
    check("failover | geo", true, false);
    check("failover", false, false); /* two of priority 1: drawn */
    check("sticky", true, false);
    check("latency within=40", false, false);
    check("all", false, false);
}

static void every_edge_while_regions_are_there_in_part(void **state)
{
    (void)state;
    check("geo", true, true);
    check("nearest", true, true);
    check("fence | nearest | sticky", true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_edge_under_every_policy),
        cmocka_unit_test(every_edge_while_regions_are_there_in_part),
    };
    return cmocka_run_group_tests(tests, open_database, close_database);
}
