/* sim_engine SEEDS [FIRST]          worlds of every scale, each twice: the two logs must be the same
 * sim_engine --short SEEDS [FIRST]  quarters of an hour; of three, two have load balancers that report
 * sim_engine --list FILE            the seeds that once failed, one a line, # begins a comment: of a
 *                                   short world with reporters and without; "wide SEED" of any scale
 * sim_engine --show SEED [short|bare]  one, with its log; short: of --short, bare: without reporters
 * Exits 1 if a seed failed, or if too little happened to have tested anything. */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t engine_due(const struct sim *s)
{
    int64_t due = health_due(s->h);
    return due == INT64_MAX ? INT64_MAX : due - s->mono_offset;
}

static void run(struct sim *s, uint64_t seed, enum world world, bool verbose, bool hash_only)
{
    sim_world_init(s, seed, world);
    s->verbose = verbose;
    s->hash_only = hash_only;
    while (s->now < s->end && !s->failure[0]) {
        int64_t due = least(least(sim_prober_due(s), sim_fault_due(s)),
                            least(engine_due(s), sim_report_due(s)));
        s->now = due > s->now ? due : s->now;
        if (engine_due(s) <= s->now) {
            health_advance(s->h, sim_mono(s), sim_wall(s));
            sim_check_step(s);
            if (engine_due(s) <= s->now)
                sim_fail(s, "due again at once");
        }
        sim_fault_run(s);
        sim_prober_run(s);
        sim_report_run(s);
    }
    sim_world_fini(s);
}

/* What happened, by name; the order is that of the summary. */
enum {
    DAYS,
    PROBES,
    REPORTS,
    FAULTS,
    EVENTS,
    FALLS,
    DEGRADES,
    BY_REPORT,
    BY_LOAD,
    ISOLATED,
    FLAPS
};
static const char *const total_names[] = {"days",    "probes",   "reports",  "faults",
                                          "events",  "falls",    "degrades", "by reports",
                                          "by load", "isolated", "flaps"};
#define TOTALS (sizeof total_names / sizeof *total_names)
struct totals {
    double n[TOTALS];
};

static void add(struct totals *t, const struct sim *s)
{
    const double n[TOTALS] = {
        [DAYS] = (double)s->now / 86400000, [PROBES] = (double)s->samples,
        [REPORTS] = (double)s->reported,    [FAULTS] = (double)s->faults,
        [EVENTS] = (double)s->events,       [FALLS] = (double)s->falls,
        [DEGRADES] = (double)s->degrades,   [BY_REPORT] = (double)s->by_report,
        [BY_LOAD] = (double)s->by_load,     [ISOLATED] = (double)s->isolations,
        [FLAPS] = (double)s->flaps};
    for (size_t i = 0; i < TOTALS; i++)
        t->n[i] += n[i];
}

static bool seed_passes(uint64_t seed, enum world world, struct totals *t)
{
    static const char *const words[] = {" short", " bare", ""};
    static struct sim a, b;
    run(&a, seed, world, false, false);
    run(&b, seed, world, false, true);
    add(t, &a);
    if (!a.failure[0] && (a.hash != b.hash || a.steps != b.steps))
        snprintf(a.failure, sizeof a.failure, "the same seed gave another log");
    if (a.failure[0])
        printf("SEED=%llu failed %s\n  repeat with: sim_engine --show %llu%s\n",
               (unsigned long long)seed, a.failure, (unsigned long long)seed, words[world]);
    fflush(stdout);
    return !a.failure[0];
}

static int run_list(const char *path)
{
    FILE *f = fopen(path, "r");
    char line[256];
    struct totals t = {0};
    int failed = 0, n = 0;
    if (!f) {
        fprintf(stderr, "sim_engine: cannot open %s\n", path);
        return 2;
    }
    while (fgets(line, sizeof line, f)) {
        bool wide = strncmp(line, "wide ", 5) == 0;
        char *end, *number = wide ? line + 5 : line;
        unsigned long long seed = strtoull(number, &end, 10);
        if (end == number)
            continue;
        n++;
        if (wide) {
            failed += !seed_passes(seed, WORLD_WIDE, &t);
            continue;
        }
        failed += !seed_passes(seed, WORLD_BARE, &t);
        failed += !seed_passes(seed, WORLD_SHORT, &t);
    }
    fclose(f);
    printf("%d seeds that once failed, %d fail now\n", n, failed);
    return failed || !n ? 1 : 0;
}

static int show(uint64_t seed, enum world world)
{
    static struct sim s;
    run(&s, seed, world, true, false);
    printf("%u regions, %u services, %u endpoints, interval %u ms, %.2f days\n", s.regions,
           s.services, s.ids, s.proto.interval_ms, (double)s.now / 86400000);
    printf("%s\n", s.failure[0] ? s.failure : "passed");
    return s.failure[0] ? 1 : 0;
}

#define FAILED_MOST 10 /* then enough is known */

static int run_seeds(uint64_t n, uint64_t first, bool wide)
{
    struct totals t = {0};
    uint64_t failed = 0, ran = 0;
    for (; ran < n && failed < FAILED_MOST; ran++) {
        uint64_t seed = first + ran;
        enum world world = wide ? WORLD_WIDE : seed % 3 ? WORLD_SHORT : WORLD_BARE;
        failed += !seed_passes(seed, world, &t);
    }
    printf("seeds %llu\nfirst %llu\nfailed %llu\n", (unsigned long long)ran,
           (unsigned long long)first, (unsigned long long)failed);
    for (size_t i = 0; i < TOTALS; i++)
        printf("%s %.*f\n", total_names[i], i == DAYS ? 1 : 0, t.n[i]);
    bool idle = false; /* a run in which nothing happened has tested nothing */
    for (size_t i = 0; n >= 50 && i < TOTALS; i++)
        idle |= t.n[i] <= 0;
    if (idle)
        printf("too little happened\n");
    return failed || idle ? 1 : 0;
}

static bool number(const char *text, uint64_t *n)
{
    char *end;
    errno = 0;
    *n = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno;
}

static int usage(void)
{
    fprintf(stderr, "usage: sim_engine [--short] SEEDS [FIRST] | --list FILE | "
                    "--show SEED [short|bare]\n");
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t n, first = 1;
    if (argc == 3 && strcmp(argv[1], "--list") == 0)
        return run_list(argv[2]);
    if (argc > 2 && argc < 5 && strcmp(argv[1], "--show") == 0) {
        const char *word = argc == 4 ? argv[3] : "";
        enum world world = !*word                      ? WORLD_WIDE
                           : strcmp(word, "bare") == 0 ? WORLD_BARE
                                                       : WORLD_SHORT;
        if (!number(argv[2], &n) || (world == WORLD_SHORT && strcmp(word, "short")))
            return usage();
        return show(n, world);
    }
    bool is_short = argc > 1 && strcmp(argv[1], "--short") == 0;
    argc -= is_short;
    argv += is_short;
    if (argc < 2 || argc > 3 || !number(argv[1], &n) || (argc == 3 && !number(argv[2], &first)))
        return usage();
    return run_seeds(n, first, !is_short);
}
