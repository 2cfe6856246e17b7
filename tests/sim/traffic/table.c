/* The rules side by side over many seeds, and the marks that ctest holds them to. */
#include "traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 10
#define OF_BEST 0.5    /* requests failed, of the best peer's */
#define OF_LARGEST 0.1 /* changes of answers, of the peer's that moves most */
#define OVER_MOST 2e-4 /* requests that were too many for a region by steering, of all */
#define SENT_MOST 2e-5 /* the part of it that the rule could have prevented */
#define OPEN_MOST 5e-6 /* with room where it sends others */

struct beside {       /* faults under which a rule drives regions over capacity, preventably */
    int faults, ours; /* and Meridian under the same one, in the same world */
    double s, ours_s;
};

struct table {
    struct sums of[RULES_MAX];
    struct beside beside[RULES_MAX];
    int rules, bad;
    double networks;
};

static const struct rule *rule_at(int k)
{
    return k ? &rules_of_peers[k - 1] : &rule_meridian;
}

static void add(struct sums *to, const struct sums *s)
{
    to->requests += s->requests;
    to->failed += s->failed;
    for (int k = 0; k <= FAULT_KINDS; k++)
        to->failed_by[k] += s->failed_by[k];
    for (int k = 0; k < OVER_KINDS; k++) {
        to->over[k].s += s->over[k].s;
        to->over[k].failed += s->over[k].failed;
        to->over[k].regions += s->over[k].regions;
    }
    to->over_peak = s->over_peak > to->over_peak ? s->over_peak : to->over_peak;
    to->flips += s->flips;
}

/* Each world's, Meridian's first. */
static void set_beside(struct beside *b, const struct run *r, const double *ours)
{
    for (int f = 0; f <= FAULTS_MAX; f++) {
        if (r->sent_by[f] <= 0)
            continue;
        b->faults++;
        b->s += r->sent_by[f];
        b->ours += ours[f] > 0;
        b->ours_s += ours[f];
    }
}

static bool measure(struct table *t, uint64_t first, int seeds)
{
    static struct world w;
    double ours[FAULTS_MAX + 1];
    struct run *r = malloc(sizeof *r);
    if (!r)
        return false;
    t->rules = 1 + rules_of_peers_n;
    for (int i = 0; i < seeds; i++) {
        world_draw(&w, first + (uint64_t)i);
        t->networks += w.networks;
        for (int k = 0; k < t->rules; k++) {
            run_rule(&w, rule_at(k), r);
            if (r->failure[0]) {
                printf("SEED=%llu %s: %s\n", (unsigned long long)w.seed, r->rule->name, r->failure);
                t->bad++;
            }
            add(&t->of[k], &r->sums);
            if (k == 0)
                memcpy(ours, r->sent_by, sizeof ours);
            set_beside(&t->beside[k], r, ours);
        }
    }
    free(r);
    return true;
}

static void print_over(const struct sums *s, enum over_kind kind)
{
    const struct over *o = &s->over[kind];
    printf(" %llu, %.0f, %.4f %%", (unsigned long long)o->regions, o->s / 60,
           100 * o->failed / s->requests);
}

static void print_rules(const struct table *t)
{
    printf("| rule | requests failed | driven over capacity: regions, minutes, requests too many, "
           "highest load | preventable of that | with room where it sends others | changes of a "
           "network's answer |\n| --- | --- | --- | --- | --- | --- |\n");
    for (int k = 0; k < t->rules; k++) {
        const struct sums *s = &t->of[k];
        printf("| %s: %s | %.3f %% |", rule_at(k)->name, rule_at(k)->about,
               100 * s->failed / s->requests);
        print_over(s, OVER_ANY);
        printf(", %.1f times |", s->over_peak);
        print_over(s, OVER_SENT);
        printf(" |");
        print_over(s, OVER_OPEN);
        printf(" | %.2f |\n", s->flips / t->networks);
    }
}

static void print_kinds(const struct table *t)
{
    printf("\n| requests failed, in 100,000, by what began last ");
    for (int k = 0; k <= FAULT_KINDS; k++)
        printf("| %s ", fault_name((enum fault_kind)k));
    printf("|\n| --- ");
    for (int k = 0; k <= FAULT_KINDS; k++)
        printf("| --- ");
    printf("|\n");
    for (int k = 0; k < t->rules; k++) {
        printf("| %s ", rule_at(k)->name);
        for (int i = 0; i <= FAULT_KINDS; i++)
            printf("| %.1f ", 1e5 * t->of[k].failed_by[i] / t->of[k].requests);
        printf("|\n");
    }
}

static void print_beside(const struct table *t)
{
    const struct sums *us = &t->of[0];
    printf("\n| beside Meridian | faults under which it drives regions over capacity, preventably: "
           "number, minutes | and Meridian under the same | its changes of a network's answer, of "
           "theirs | requests failed, of theirs |\n| --- | --- | --- | --- | --- |\n");
    for (int k = 1; k < t->rules; k++) {
        const struct sums *s = &t->of[k];
        const struct beside *b = &t->beside[k];
        printf("| %s | %d, %.0f | %d, %.1f | %.3f | %.3f |\n", rule_at(k)->name, b->faults,
               b->s / 60, b->ours, b->ours_s / 60, us->flips / s->flips, us->failed / s->failed);
    }
}

int table_alone(uint64_t first, int seeds)
{
    static struct world w;
    struct table t = {.rules = 1};
    struct run *r = malloc(sizeof *r);
    if (!r)
        return 2;
    for (int i = 0; i < seeds; i++) {
        world_draw(&w, first + (uint64_t)i);
        run_rule(&w, &rule_meridian, r);
        printf("%llu: ", (unsigned long long)w.seed);
        for (enum over_kind k = OVER_ANY; k < OVER_KINDS; k++)
            printf(" %llu/%.0fs/%.4f%%", (unsigned long long)r->sums.over[k].regions,
                   r->sums.over[k].s, 100 * r->sums.over[k].failed / r->sums.requests);
        printf(" failed %.3f%% flips %.2f %s\n", 100 * r->sums.failed / r->sums.requests,
               r->sums.flips / w.networks, r->failure);
        fflush(stdout);
        t.networks += w.networks;
        t.bad += r->failure[0] != 0;
        add(&t.of[0], &r->sums);
    }
    free(r);
    print_rules(&t);
    return t.bad != 0;
}

int table_print(uint64_t first, int seeds)
{
    struct table t = {.bad = 0};
    if (!measure(&t, first, seeds))
        return 2;
    print_rules(&t);
    print_beside(&t);
    print_kinds(&t);
    return t.bad != 0;
}

static bool holds(bool is, const char *what, double meridian, double mark)
{
    printf("%s: %.5g, at most %.5g%s\n", what, meridian, mark, is ? "" : ": FAILS");
    return is;
}

int table_marks(uint64_t first, int seeds)
{
    struct table t = {.bad = 0};
    if (!measure(&t, first, seeds))
        return 2;
    const struct sums *us = &t.of[0];
    double best = t.of[1].failed, flips = 0;
    for (int k = 1; k < t.rules; k++) {
        best = t.of[k].failed < best ? t.of[k].failed : best;
        flips = t.of[k].flips > flips ? t.of[k].flips : flips;
    }
    bool good = holds(us->failed <= OF_BEST * best, "requests failed", us->failed, OF_BEST * best);
    good &=
        holds(us->flips <= OF_LARGEST * flips, "changes of answers", us->flips, OF_LARGEST * flips);
    good &=
        holds(us->over[OVER_ANY].failed <= OVER_MOST * us->requests,
              "requests too many by steering", us->over[OVER_ANY].failed, OVER_MOST * us->requests);
    good &= holds(us->over[OVER_SENT].failed <= SENT_MOST * us->requests, "preventable of them",
                  us->over[OVER_SENT].failed, SENT_MOST * us->requests);
    good &= holds(us->over[OVER_OPEN].failed <= OPEN_MOST * us->requests,
                  "with room where others are sent", us->over[OVER_OPEN].failed,
                  OPEN_MOST * us->requests);
    return t.bad || !good;
}
