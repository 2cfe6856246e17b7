/* The rules side by side over many seeds, and the marks that ctest holds them to. */
#include "traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct sums *to, const struct sums *s)
{
    to->requests += s->requests;
    to->failed += s->failed;
    for (int k = 0; k <= FAULT_KINDS; k++)
        to->failed_by[k] += s->failed_by[k];
    to->over_s += s->over_s;
    to->over_peak = s->over_peak > to->over_peak ? s->over_peak : to->over_peak;
    to->over_regions += s->over_regions;
    to->flips += s->flips;
}

static void print_row(const struct rule *rule, const struct sums *s, double networks, int seeds)
{
    printf("| %s: %s | %.3f %% | %llu, %.0f min | %.2f | %.1f |\n", rule->name, rule->about,
           100 * s->failed / s->requests, (unsigned long long)s->over_regions, s->over_s / 60,
           s->over_peak, s->flips / networks);
    (void)seeds;
}

static void print_kinds(const struct rule *rule, const struct sums *s)
{
    printf("| %s ", rule->name);
    for (int k = 0; k <= FAULT_KINDS; k++)
        printf("| %.1f ", s->failed_by[k] / 1e6);
    printf("|\n");
}

int table_print(uint64_t first, int seeds, bool equal_intervals)
{
    enum { MOST = 10 };
    static struct world w;
    struct run *r = malloc(sizeof *r);
    struct sums sums[MOST] = {0};
    int rules = 1 + (equal_intervals ? rules_of_peers_n : 4), bad = 0;
    double networks = 0;
    if (!r)
        return 2;
    for (int i = 0; i < seeds; i++) {
        world_draw(&w, first + (uint64_t)i);
        networks += w.networks;
        for (int k = 0; k < rules; k++) {
            run_rule(&w, k ? &rules_of_peers[k - 1] : &rule_meridian, r);
            if (r->failure[0]) {
                printf("SEED=%llu %s: %s\n", (unsigned long long)w.seed, r->rule->name, r->failure);
                bad++;
            }
            add(&sums[k], &r->sums);
        }
    }
    printf("| rule | requests failed | regions driven over capacity | at most | "
           "changes of a network's answer |\n| --- | --- | --- | --- | --- |\n");
    for (int k = 0; k < rules; k++)
        print_row(k ? &rules_of_peers[k - 1] : &rule_meridian, &sums[k], networks, seeds);
    printf("\n| failed, millions, by what began last ");
    for (int k = 0; k <= FAULT_KINDS; k++)
        printf("| %s ", fault_name((enum fault_kind)k));
    printf("|\n| --- ");
    for (int k = 0; k <= FAULT_KINDS; k++)
        printf("| --- ");
    printf("|\n");
    for (int k = 0; k < rules; k++)
        print_kinds(k ? &rules_of_peers[k - 1] : &rule_meridian, &sums[k]);
    free(r);
    return bad ? 1 : 0;
}
