/* sim_traffic SEEDS [FIRST]          Meridian alone, every invariant on, each seed twice
 * sim_traffic --table SEEDS [FIRST]  Meridian and the peers side by side, as Markdown
 * sim_traffic --alone SEEDS [FIRST]  Meridian's row of it, seed by seed
 * sim_traffic --marks SEEDS [FIRST]  the marks that the table has to meet
 * sim_traffic --fewest SEEDS [FIRST] the fewest changes that any rule needs, knowing what will come
 * sim_traffic --movement WORLDS [FIRST]  one of five regions fails: who moves, who is back
 * sim_traffic --show SEED            one seed's faults and Meridian's log */
#include "meridian.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world w;
static struct run a, b;

static int run_seeds(uint64_t first, uint64_t n)
{
    int failed = 0;
    double requests = 0, lost = 0, flips = 0;
    for (uint64_t i = 0; i < n && failed < 10; i++) {
        world_draw(&w, first + i);
        run_rule(&w, &rule_meridian, &a);
        run_rule(&w, &rule_meridian, &b);
        if (!a.failure[0] && a.digest != b.digest)
            snprintf(a.failure, sizeof a.failure, "the same seed gave other answers");
        if (a.failure[0])
            printf("SEED=%llu failed %s\n  repeat with: sim_traffic --show %llu\n",
                   (unsigned long long)w.seed, a.failure, (unsigned long long)w.seed);
        failed += a.failure[0] != '\0';
        requests += a.sums.requests;
        lost += a.sums.failed;
        flips += a.sums.flips;
    }
    printf("%llu seeds from %llu: %d failed; %.3f %% of %.3g requests failed, %.0f flips\n",
           (unsigned long long)n, (unsigned long long)first, failed, 100 * lost / requests,
           requests, flips);
    return failed || flips <= 0;
}

static int show(uint64_t seed)
{
    world_draw(&w, seed);
    printf("%d regions, %d classes%s, %d networks behind %d askers\n", w.regions, w.classes,
           w.fenced ? ", some fenced" : "", w.networks, w.askers);
    for (int i = 0; i < w.regions; i++)
        printf("r%d capacity %.0f, %d endpoints\n", i, w.region[i].capacity, w.region[i].endpoints);
    for (int i = 0; i < w.faults; i++)
        printf("%5d to %5d r%-3d %s %.2f period %d\n", w.fault[i].from, w.fault[i].to,
               w.fault[i].region, fault_name(w.fault[i].kind), w.fault[i].p, w.fault[i].period);
    meridian_log = true;
    run_rule(&w, &rule_meridian, &a);
    printf("%s; %.3f %% failed, %llu regions over capacity for %.0f s\n",
           a.failure[0] ? a.failure : "passed", 100 * a.sums.failed / a.sums.requests,
           (unsigned long long)a.sums.over[OVER_ANY].regions, a.sums.over[OVER_ANY].s);
    return a.failure[0] != '\0';
}

int main(int argc, char **argv)
{
    bool option = argc > 1 && argv[1][0] == '-';
    if (argc < 2 + option || argc > 3 + option) {
        fprintf(stderr, "usage: sim_traffic [--table | --alone | --marks | --fewest | --movement] "
                        "SEEDS [FIRST] | --show SEED\n");
        return 2;
    }
    uint64_t n = strtoull(argv[1 + option], NULL, 10);
    uint64_t first = argc > 2 + option ? strtoull(argv[2 + option], NULL, 10) : 1;
    if (option && strcmp(argv[1], "--table") == 0)
        return table_print(first, (int)n);
    if (option && strcmp(argv[1], "--fewest") == 0)
        return hindsight_print(first, (int)n);
    if (option && strcmp(argv[1], "--marks") == 0)
        return table_marks(first, (int)n);
    if (option && strcmp(argv[1], "--alone") == 0)
        return table_alone(first, (int)n);
    if (option && strcmp(argv[1], "--show") == 0)
        return show(n);
    if (option && strcmp(argv[1], "--movement") == 0)
        return movement_test(first, (int)n);
    return run_seeds(first, n);
}
