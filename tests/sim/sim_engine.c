/* sim_engine SEEDS [FIRST]      runs that many seeds, each twice: the two logs must be the same
 * sim_engine --list FILE        the seeds that once failed, one a line, # begins a comment; each
 *                               with reporters and without
 * sim_engine --show SEED [plain]  one, with its log; plain: without reporters
 * Of three seeds two have load balancers that report. */
#include "sim.h"

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

static void run(struct sim *s, uint64_t seed, bool reports, bool verbose, bool hash_only)
{
    sim_world_init(s, seed, reports);
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

struct totals {
    uint64_t events, falls, degrades, isolations, flaps, reported, by_report, by_load;
};

static bool seed_passes(uint64_t seed, bool reports, struct totals *t)
{
    static struct sim a, b;
    run(&a, seed, reports, false, false);
    run(&b, seed, reports, false, true);
    t->events += a.events;
    t->falls += a.falls;
    t->degrades += a.degrades;
    t->isolations += a.isolations;
    t->flaps += a.flaps;
    t->reported += a.reported;
    t->by_report += a.by_report;
    t->by_load += a.by_load;
    if (!a.failure[0] && a.hash != b.hash)
        snprintf(a.failure, sizeof a.failure, "the same seed gave another log");
    if (a.failure[0])
        printf("SEED=%llu failed %s\n  repeat with: sim_engine --show %llu%s\n",
               (unsigned long long)seed, a.failure, (unsigned long long)seed,
               reports ? "" : " plain");
    return !a.failure[0];
}

static int run_list(const char *path)
{
    FILE *f = fopen(path, "r");
    char line[128];
    struct totals t = {0};
    int failed = 0, n = 0;
    if (!f) {
        fprintf(stderr, "sim_engine: cannot open %s\n", path);
        return 2;
    }
    while (fgets(line, sizeof line, f)) {
        char *end;
        unsigned long long seed = strtoull(line, &end, 10);
        if (end == line)
            continue;
        n++;
        failed += !seed_passes(seed, false, &t);
        failed += !seed_passes(seed, true, &t);
    }
    fclose(f);
    printf("%d seeds that once failed, %d fail now\n", n, failed);
    return failed ? 1 : 0;
}

static int show(uint64_t seed, bool reports)
{
    static struct sim s;
    run(&s, seed, reports, true, false);
    printf("%s\n", s.failure[0] ? s.failure : "passed");
    return s.failure[0] ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--list") == 0)
        return run_list(argv[2]);
    bool plain = argc == 4 && strcmp(argv[3], "plain") == 0;
    if ((argc == 3 || plain) && strcmp(argv[1], "--show") == 0)
        return show(strtoull(argv[2], NULL, 10), !plain);
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: sim_engine SEEDS [FIRST] | --list FILE | --show SEED [plain]\n");
        return 2;
    }
    uint64_t n = strtoull(argv[1], NULL, 10), first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    struct totals t = {0};
    uint64_t failed = 0;
    for (uint64_t i = 0; i < n && failed < 10; i++)
        failed += !seed_passes(first + i, (first + i) % 3 != 0, &t);
    printf("%llu seeds from %llu: %llu failed; %llu events, %llu falls, %llu degrades, "
           "%llu isolated, %llu flaps, %llu reports, %llu moves by them, %llu by load\n",
           (unsigned long long)n, (unsigned long long)first, (unsigned long long)failed,
           (unsigned long long)t.events, (unsigned long long)t.falls,
           (unsigned long long)t.degrades, (unsigned long long)t.isolations,
           (unsigned long long)t.flaps, (unsigned long long)t.reported,
           (unsigned long long)t.by_report, (unsigned long long)t.by_load);
    /* A run in which nothing happened has tested nothing. */
    bool idle = n >= 100 && (!t.falls || !t.degrades || !t.isolations || !t.flaps || !t.by_report ||
                             !t.by_load);
    return failed || idle ? 1 : 0;
}
