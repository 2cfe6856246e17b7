/* answer_bench SERVICES POLICY [MMDB|- [ROUNDS [QUERIES [subnet|cookie]]]]: whole answers in process: ns
 * per answer over random names and client subnets (or with a client cookie instead), beside the parse
 * alone and what ldns takes to read such a query and write an answer, with compile time and memory. QUERIES is rounded down to whole batches; twice as many are
 * answered in each round, the first half to warm up. Figures, no test, but for one: an answer that asks for
 * memory fails it. What else may not change is counted by instructions.py. */
#include "allocations.h"
#include "answer/answer.h"
#include "by_ldns.h"
#include "base/clock.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUERIES_USUAL 65536u
#define ROUNDS_USUAL 40u

/* CPU time of this thread: the machines that run this are shared. */
static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static char *make_config(unsigned services, const char *policy, const char *mmdb)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    fprintf(f, "{\"settings\":{%s%s%s},", mmdb ? "\"geo\":\"" : "", mmdb ? mmdb : "",
            mmdb ? "\"" : "");
    fputs("\"zones\":[{\"name\":\"gslb.example\",\"ns\":[{\"name\":\"ns1.gslb.example\","
          "\"addresses\":[\"192.0.2.53\"]}]}],"
          "\"regions\":[{\"name\":\"us\",\"at\":[38.9,-77.0]},{\"name\":\"eu\",\"at\":[50.1,8.7]},"
          "{\"name\":\"as\",\"at\":[35.7,139.7]}],"
          "\"maps\":[{\"name\":\"m\",\"rules\":["
          "{\"where\":\"continent:NA\",\"regions\":[\"us\",\"eu\",\"as\"]},"
          "{\"where\":\"continent:EU\",\"regions\":[\"eu\",\"us\",\"as\"]},"
          "{\"where\":\"continent:AS\",\"regions\":[\"as\",\"us\",\"eu\"]},"
          "{\"where\":\"default\",\"regions\":[\"us\",\"eu\",\"as\"]}]}],\"services\":[",
          f);
    static const char *const regions[] = {"us", "eu", "as"};
    for (unsigned i = 0; i < services; i++) {
        fprintf(f,
                "%s{\"name\":\"svc%06u.gslb.example\",\"policy\":\"%s\",\"map\":\"m\",\"ttl\":30,"
                "\"endpoints\":[",
                i ? "," : "", i, policy);
        for (unsigned r = 0; r < 3; r++)
            fprintf(f,
                    "%s{\"region\":\"%s\",\"address\":\"10.%u.%u.%u\",\"priority\":%u},"
                    "{\"region\":\"%s\",\"address\":\"2001:db8:%x::%x:%x\",\"priority\":%u}",
                    r ? "," : "", regions[r], (i >> 16 & 63) + 64 * r, i >> 8 & 255, i & 255, r + 1,
                    regions[r], r + 1, i >> 16, i & 0xffff, r + 1);
        fputs("]}", f);
    }
    fputs("]}", f);
    fclose(f);
    return text;
}

struct packet {
    uint8_t len;
    uint8_t bytes[79];
};

static void put_name(struct packet *p, unsigned service)
{
    char label[16];
    int n = snprintf(label, sizeof label, "svc%06u", service);
    p->bytes[p->len++] = (uint8_t)n;
    memcpy(p->bytes + p->len, label, (size_t)n);
    p->len = (uint8_t)(p->len + n);
    memcpy(p->bytes + p->len, "\4gslb\7example", 14);
    p->len += 14;
}

static void make_cookie_packet(struct rng *rng, unsigned services, struct packet *p)
{
    static const uint8_t header[12] = {0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    uint8_t tail[] = {0,  1, 0,  1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0,
                      12, 0, 10, 0, 8, 0, 0,  0, 0,   0, 0, 0, 0};
    p->len = 12;
    memcpy(p->bytes, header, 12);
    put_name(p, rng_below(rng, services));
    tail[1] = rng_below(rng, 5) ? 1 : 28;
    for (unsigned i = 19; i < sizeof tail; i++)
        tail[i] = (uint8_t)rng_below(rng, 256);
    memcpy(p->bytes + p->len, tail, sizeof tail);
    p->len = (uint8_t)(p->len + sizeof tail);
}

static void make_packet(struct rng *rng, unsigned services, struct packet *p)
{
    static const uint8_t header[12] = {0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    uint8_t tail[] = {0, 1,  0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0,
                      0, 11, 0, 8, 0, 7, 0,  1, 24,  0, 0, 0, 0};
    p->len = 12;
    memcpy(p->bytes, header, 12);
    put_name(p, rng_below(rng, services));
    tail[1] = rng_below(rng, 5) ? 1 : 28;
    uint32_t net = 1 + rng_below(rng, 223);
    tail[23] = (uint8_t)net;
    tail[24] = (uint8_t)rng_below(rng, 256);
    tail[25] = (uint8_t)rng_below(rng, 256);
    memcpy(p->bytes + p->len, tail, sizeof tail);
    p->len = (uint8_t)(p->len + sizeof tail);
}

static size_t answer_some(struct answer_worker *w, const struct snapshot *s, const struct packet *p)
{
    static uint8_t out[ANSWER_BATCH_MAX][1232];
    struct answer_request r[ANSWER_BATCH_MAX];
    size_t bytes = 0;
    for (unsigned i = 0; i < ANSWER_BATCH_MAX; i++)
        r[i] = (struct answer_request){.msg = p[i].bytes,
                                       .len = p[i].len,
                                       .source = {.family = 4, .b = {127, 0, 0, 1}},
                                       .out = out[i],
                                       .cap = sizeof out[i]};
    answer_batch(w, s, r, ANSWER_BATCH_MAX);
    for (unsigned i = 0; i < ANSWER_BATCH_MAX; i++)
        bytes += r[i].out_len;
    return bytes;
}

/* The parse alone; a function by itself, so that what is executed in it can be counted. */
static __attribute__((noipa)) unsigned parse_all(const struct packet *packets, unsigned n)
{
    struct dns_query q;
    unsigned sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += dns_query_parse(packets[i].bytes, packets[i].len, &q) + q.labels;
    return sum;
}

/* Nanoseconds that ldns takes, of one pass over the packets; negative if it fails. */
static double ldns_ns(const struct packet *packets, unsigned n)
{
    double began = now_s();
    for (unsigned i = 0; i < n; i++)
        if (by_ldns(packets[i].bytes, packets[i].len) == 0)
            return -1;
    return (now_s() - began) * 1e9 / n;
}

int main(int argc, char **argv)
{
    unsigned services = argc > 1 ? (unsigned)atoi(argv[1]) : 1000;
    const char *policy = argc > 2 ? argv[2] : "geo",
               *mmdb = argc > 3 && strcmp(argv[3], "-") != 0 ? argv[3] : NULL;
    unsigned rounds = argc > 4 ? (unsigned)atoi(argv[4]) : ROUNDS_USUAL;
    unsigned queries = argc > 5 ? (unsigned)atoi(argv[5]) : QUERIES_USUAL;
    bool cookie = argc > 6 && strcmp(argv[6], "cookie") == 0;
    queries -= queries % ANSWER_BATCH_MAX;
    if (services == 0 || rounds == 0 || queries == 0) {
        fputs("usage: answer_bench SERVICES POLICY [MMDB|- [ROUNDS [QUERIES [subnet|cookie]]]]\n",
              stderr);
        return 2;
    }
    struct diag diag = {0};
    char text[512];
    char *config = make_config(services, policy, mmdb);
    struct model *m = model_create();
    int64_t revision;
    double t0 = now_s();
    if (config_import(m, config, strlen(config), &revision, &diag) || model_validate(m, &diag)) {
        fprintf(stderr, "%s\n", diag_first(&diag, text, sizeof text));
        return 1;
    }
    double t1 = now_s();
    struct snapshot_cache *cache = snapshot_cache_create();
    struct snapshot_options options = {.workers = 1};
    struct snapshot *s = NULL;
    if (snapshot_compile(m, cache, &options, &s, &diag)) {
        fprintf(stderr, "%s\n", diag_first(&diag, text, sizeof text));
        return 1;
    }
    double t2 = now_s();
    snapshot_cache_serves(cache, s);
    struct snapshot *again = NULL;
    if (snapshot_compile(m, cache, &options, &again, &diag))
        return 1;
    double t3 = now_s();
    printf("import and validate %.3f s, first compile %.3f s, compile again %.3f s\n", t1 - t0,
           t2 - t1, t3 - t2);
    for (uint32_t i = 0; i < s->views_n; i++)
        printf("view %u: %u classes, %llu blocks, %.1f MiB\n", i, s->views[i]->rows_n,
               (unsigned long long)geo_view_blocks_n(s->views[i]->map),
               (double)geo_view_size_bytes(s->views[i]->map) / 1048576);

    struct packet *packets = calloc(queries, sizeof *packets);
    struct rng rng;
    rng_seed(&rng, 42);
    for (unsigned i = 0; i < queries; i++)
        (cookie ? make_cookie_packet : make_packet)(&rng, services, &packets[i]);
    static struct answer_worker w;
    answer_worker_init(&w, 0, 1);
    size_t bytes = 0;
    uint64_t allocations = allocations_n();
    for (unsigned pass = 0; pass < 2; pass++) {
        t0 = now_s();
        for (unsigned round = 0; round < rounds; round++)
            for (unsigned i = 0; i < queries; i += ANSWER_BATCH_MAX)
                bytes += answer_some(&w, s, &packets[i]);
        t1 = now_s();
    }
    allocations = allocations_n() - allocations;
    double parse = now_s();
    unsigned sink = 0;
    for (unsigned round = 0; round < rounds; round++)
        sink += parse_all(packets, queries);
    parse = now_s() - parse;
    printf(
        "%s, %u services: %.1f ns a whole answer (%.1f of it the parse), %.0f octets on average; "
        "%u noerror\n",
        policy, services, (t1 - t0) * 1e9 / (queries * rounds), parse * 1e9 / (queries * rounds),
        (double)bytes / (2.0 * queries * rounds), (unsigned)w.outcome[ANSWER_noerror] + (sink & 0));
    double ldns = ldns_ns(packets, queries), whole = (t1 - t0) * 1e9 / (queries * rounds);
    printf("ldns: %.0f ns to read a query and write two addresses, %.1f times a whole answer\n",
           ldns, ldns / whole);
    printf("answers %llu, parses %llu\n", 2ull * queries * rounds, 1ull * queries * rounds);
    if (allocations_are_counted)
        printf("allocations %llu of all answers\n", (unsigned long long)allocations);
    snapshot_unref(&again);
    snapshot_unref(&s);
    snapshot_cache_destroy(&cache);
    model_unref(&m);
    free(packets);
    free(config);
    diag_fini(&diag);
    return allocations != 0;
}
