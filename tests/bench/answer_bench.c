/* answer_bench SERVICES POLICY [MMDB|- [ROUNDS [QUERIES [subnet|cookie]]]]: whole answers in process: ns
 * per answer over random names and client subnets (or with a client cookie instead), beside the parse
 * alone and what ldns takes to read such a query and write an answer, with compile time and memory. QUERIES is
 * rounded down to whole batches; twice as many are answered in each round, the first half to warm up. Figures,
 * no test, but for one: an answer that asks for memory fails it. What else may not change is counted by
 * instructions.py. */
#include "allocations.h"
#include "by_ldns.h"
#include "config/config.h"
#include "world.h"

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

/* The parse alone; a function by itself, so that what is executed in it can be counted. */
static __attribute__((noipa)) unsigned parse_all(const struct bench_packet *packets, unsigned n)
{
    struct dns_query q;
    unsigned sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += dns_query_parse(packets[i].bytes, packets[i].len, &q) + q.labels;
    return sum;
}

/* Nanoseconds that ldns takes, of one pass over the packets; negative if it fails. */
static double ldns_ns(const struct bench_packet *packets, unsigned n)
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
    char *config = bench_config(services, policy, mmdb);
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

    struct bench_packet *packets = calloc(queries, sizeof *packets);
    struct rng rng;
    rng_seed(&rng, 42);
    for (unsigned i = 0; i < queries; i++)
        (cookie ? bench_cookie_packet : bench_packet)(&rng, services, &packets[i]);
    static struct answer_worker w;
    static uint8_t out[ANSWER_BATCH_MAX][BENCH_OUT];
    answer_worker_init(&w, 0, 1);
    size_t bytes = 0;
    uint64_t allocations = allocations_n();
    for (unsigned pass = 0; pass < 2; pass++) {
        t0 = now_s();
        for (unsigned round = 0; round < rounds; round++)
            for (unsigned i = 0; i < queries; i += ANSWER_BATCH_MAX)
                bytes += bench_answer(&w, s, &packets[i], out);
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
