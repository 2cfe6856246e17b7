/* What any rule needs at least: a bound, not a rule. Each network may be anywhere at any time, knows what will
 * fail, moves at once, and no region is ever too full; it begins where the policy places it. With a price on each
 * change the cheapest way is found network by network. Whoever fails at most F requests makes, for any price p,
 * at least K + (L - F) / p changes, where the cheapest way fails L with K changes: else he would be cheaper. */
#include "traffic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPANS_MAX 7200 /* seconds of a world */
#define PRICE_LEAST 1e-3
#define PRICE_MOST 1e9 /* requests that a change is worth; more than any outage costs a network */
#define STEPS 24       /* between them, by halves of the logarithm */

struct span { /* of time, in which nothing changes */
    int s;
    float fails[REGIONS_MAX]; /* the least of a region's endpoints */
    bool cut[CLASSES_MAX][REGIONS_MAX];
    float surge[CLASSES_MAX];
};

struct past { /* a world, and where the policy placed everybody */
    struct world w;
    int first[ASKERS_MAX], spans;
    struct span *span;
};

struct least { /* requests, and networks moved */
    double failed, changes;
};

static bool same(const struct span *a, const struct span *b)
{
    return memcmp(a->fails, b->fails, sizeof a->fails) == 0 &&
           memcmp(a->cut, b->cut, sizeof a->cut) == 0 &&
           memcmp(a->surge, b->surge, sizeof a->surge) == 0;
}

static void look(const struct world *w, int now, struct span *out)
{
    struct truth t;
    fault_truth(w, now, &t);
    memset(out, 0, sizeof *out);
    out->s = 1;
    for (int i = 0; i < w->regions; i++) {
        double least = 1;
        for (int k = 0; k < w->region[i].endpoints; k++)
            least = fmin(least, t.fails[i][k]);
        out->fails[i] = (float)least;
    }
    memcpy(out->cut, t.cut, sizeof out->cut);
    for (int c = 0; c < w->classes; c++)
        out->surge[c] = (float)t.surge[c];
}

static bool open_past(struct past *p, const struct run *r)
{
    p->w = *r->w;
    memcpy(p->first, r->first, sizeof p->first);
    p->span = calloc(SPANS_MAX, sizeof *p->span);
    if (!p->span)
        return false;
    for (int now = 0; now < p->w.end_s; now++) {
        struct span *s = &p->span[p->spans];
        look(&p->w, now, s);
        if (p->spans > 0 && same(s, s - 1))
            s[-1].s++;
        else
            p->spans++;
    }
    return true;
}

/* Of one asker, by region where it is now. */
struct way {
    double failed[REGIONS_MAX], changes[REGIONS_MAX];
};

static double cost(const struct way *way, int region, double price)
{
    return way->failed[region] + price * way->changes[region];
}

static int cheapest(const struct way *way, const struct class *c, double price)
{
    int best = c->order[0];
    for (int k = 1; k < c->order_n; k++)
        if (cost(way, c->order[k], price) < cost(way, best, price))
            best = c->order[k];
    return best;
}

static struct least least_of(const struct past *p, int asker, double price)
{
    const struct asker *a = &p->w.asker[asker];
    const struct class *c = &p->w.class[a->class];
    struct way way = {0};
    price *= a->networks;
    for (int k = 0; k < c->order_n; k++) {
        way.failed[c->order[k]] = 0;
        way.changes[c->order[k]] = c->order[k] != p->first[asker];
    }
    for (int i = 0; i < p->spans; i++) {
        const struct span *s = &p->span[i];
        double asks = a->demand * s->surge[a->class] * s->s;
        int best = cheapest(&way, c, price);
        double failed = way.failed[best], changes = way.changes[best] + 1;
        for (int k = 0; k < c->order_n; k++) {
            int r = c->order[k];
            if (failed + price * changes < cost(&way, r, price)) {
                way.failed[r] = failed;
                way.changes[r] = changes;
            }
            way.failed[r] += asks * (s->cut[a->class][r] ? 1 : (double)s->fails[r]);
        }
    }
    int best = cheapest(&way, c, price);
    return (struct least){way.failed[best], way.changes[best] * a->networks};
}

static struct least least_at(const struct past *p, int n, double price)
{
    struct least sum = {0, 0};
    for (int i = 0; i < n; i++)
        for (int k = 0; k < p[i].w.askers; k++) {
            struct least one = least_of(&p[i], k, price);
            sum.failed += one.failed;
            sum.changes += one.changes;
        }
    return sum;
}

/* Changes with which at most so many requests fail: not fewer than these. */
static double fewest(const struct past *p, int n, double failed)
{
    double low = log(PRICE_LEAST), high = log(PRICE_MOST), most = 0;
    for (int i = 0; i < STEPS; i++) {
        double price = exp((low + high) / 2);
        struct least now = least_at(p, n, price);
        most = fmax(most, now.changes + (now.failed - failed) / price);
        if (now.failed > failed)
            high = log(price);
        else
            low = log(price);
    }
    return most;
}

static void print_fewest(const struct past *p, int seeds, const struct least *by, double requests,
                         double networks)
{
    double best = by[1].failed;
    for (int k = 2; k <= rules_of_peers_n; k++)
        best = fmin(best, by[k].failed);
    printf("nobody moves: %.3f %% of the requests fail\n",
           100 * least_at(p, seeds, PRICE_MOST).failed / requests);
    printf("half of the best peer's failures, %.3f %%: at least %.3f changes a network\n",
           50 * best / requests, fewest(p, seeds, best / 2) / networks);
    for (int k = 0; k <= rules_of_peers_n; k++)
        printf("%s, %.3f %%: at least %.3f; it makes %.3f\n",
               k ? rules_of_peers[k - 1].name : rule_meridian.name, 100 * by[k].failed / requests,
               fewest(p, seeds, by[k].failed) / networks, by[k].changes / networks);
}

/* Nobody can be better than a bound: Meridian is held to it. */
int hindsight_print(uint64_t first, int seeds)
{
    static struct world w;
    struct past *past = calloc((size_t)seeds, sizeof *past);
    struct run *r = malloc(sizeof *r);
    struct least *by = calloc((size_t)rules_of_peers_n + 1, sizeof *by);
    double networks = 0, requests = 0;
    bool good = past && r && by;
    for (int i = 0; good && i < seeds; i++) {
        world_draw(&w, first + (uint64_t)i);
        networks += w.networks;
        for (int k = rules_of_peers_n; k >= 0; k--) {
            run_rule(&w, k ? &rules_of_peers[k - 1] : &rule_meridian, r);
            by[k].failed += r->sums.failed;
            by[k].changes += r->sums.flips;
        }
        requests += r->sums.requests;
        good = open_past(&past[i], r);
    }
    if (good) {
        print_fewest(past, seeds, by, requests, networks);
        good = by[0].changes >= fewest(past, seeds, by[0].failed);
    }
    for (int i = 0; past && i < seeds; i++)
        free(past[i].span);
    free(past);
    free(by);
    free(r);
    return !good;
}
