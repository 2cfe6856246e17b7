/* Models of how others decide, each from its public documentation, with a prober of its own:
 *
 * gdnsd 3       gdnsd.config(5) "service_types": interval 10 s, time-out half of it, up_thresh 20,
 *               ok_thresh 10, down_thresh 10. While up, failures are counted; ok_thresh successes in
 *               a row forget them; down_thresh of them take the address down. While down, up_thresh
 *               successes in a row bring it back. gdnsd-plugin-multifo(8), gdnsd-plugin-geoip(8): a
 *               data centre with less than up_thresh (0.5) of its addresses up is skipped for the
 *               next of the client's list; the answer is of the addresses that are up.
 * Route 53      Developer Guide, "How Amazon Route 53 determines whether a health check is healthy":
 *               checkers in several places, each for itself; an interval of 30 s (or 10 s, "fast");
 *               failure threshold 3, for failing and for passing; an endpoint is healthy while more
 *               than 18 % of the checkers say so. Records of a region behind an alias that evaluates
 *               the target's health: the region is in while any of its endpoints is. If all are
 *               unhealthy, all are considered healthy. Two of sixteen checkers are behind the network
 *               that faults of the prober concern.
 * in or out     the rule of thumb of scripts and monitoring alerts: out while more than 5 % of a minute's
 *               results are errors, in otherwise, from ten results on. It is given the evidence that
 *               Meridian has: its probes (endpoint by endpoint) and the balancers' reports (regions).
 *
 * All send a client to the first region of its order that is in, and there to one of the endpoints that
 * are in, the same one each time; TTL 30 s. None knows of load. */
#include "traffic.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define CHECKERS 16
#define CHECKERS_OF_PROBER 2
#define WINDOW_S 60

struct checker { /* of one endpoint */
    int due, ends;
    bool ok, up;
    int good, bad;
    uint64_t seen, failed; /* the last results, newest in bit 0 */
};

struct peer {
    int interval, timeout, checkers;
    void (*judge)(struct checker *c);
    bool up[REGIONS_MAX][ENDPOINTS_MAX];
    bool in[REGIONS_MAX];
    double ok[REGIONS_MAX][WINDOW_S / REPORT_S], errors[REGIONS_MAX][WINDOW_S / REPORT_S];
    struct checker checker[REGIONS_MAX][ENDPOINTS_MAX][CHECKERS];
};

static void judge_gdnsd(struct checker *c)
{
    enum { UP_THRESH = 20, OK_THRESH = 10, DOWN_THRESH = 10 };
    if (c->ok)
        c->good++;
    else {
        c->good = 0;
        c->bad++;
    }
    if (c->up && c->bad >= DOWN_THRESH) {
        c->up = false;
        c->bad = 0;
    } else if (c->good >= (c->up ? OK_THRESH : UP_THRESH)) {
        c->up = true;
        c->good = c->bad = 0;
    }
}

static void judge_route53(struct checker *c)
{
    enum { THRESHOLD = 3 };
    c->good = c->ok ? c->good + 1 : 0;
    c->bad = c->ok ? 0 : c->bad + 1;
    if (c->bad >= THRESHOLD)
        c->up = false;
    else if (c->good >= THRESHOLD)
        c->up = true;
}

static void judge_five(struct checker *c)
{
    c->seen = c->seen << 1 | 1;
    c->failed = c->failed << 1 | !c->ok;
}

static bool within_five(double errors, double all)
{
    return all < 10 || errors <= 0.05 * all;
}

static bool endpoint_up(const struct run *r, const struct peer *p, int region, int endpoint)
{
    const struct checker *c = p->checker[region][endpoint];
    if (p->judge == judge_five) {
        uint64_t window = ((uint64_t)1 << WINDOW_S / p->interval) - 1;
        return within_five(__builtin_popcountll(c->failed & window),
                           __builtin_popcountll(c->seen & window));
    }
    int up = 0;
    (void)r;
    for (int i = 0; i < p->checkers; i++)
        up += c[i].up;
    return up > 0.18 * p->checkers;
}

static bool region_in(const struct run *r, const struct peer *p, int region)
{
    int up = 0, n = r->w->region[region].endpoints;
    for (int k = 0; k < n; k++)
        up += p->up[region][k];
    if (p->judge == judge_gdnsd)
        return up >= 0.5 * n;
    if (p->judge == judge_route53)
        return up > 0;
    double ok = 0, errors = 0;
    for (int i = 0; i < WINDOW_S / REPORT_S; i++) {
        ok += p->ok[region][i];
        errors += p->errors[region][i];
    }
    return up > 0 && within_five(errors, ok + errors);
}

static void check(struct run *r, struct peer *p, int region, int endpoint, int which)
{
    struct checker *c = &p->checker[region][endpoint][which];
    if (c->ends >= 0 && c->ends <= r->now) {
        c->ends = -1;
        p->judge(c);
    }
    if (c->due > r->now)
        return;
    bool timed_out, own = p->checkers == 1 || which < CHECKERS_OF_PROBER;
    c->due += p->interval;
    c->ok = probe_succeeds(r, &r->rng, region, endpoint, own, &timed_out);
    c->ends = r->now + (!c->ok && timed_out ? p->timeout : 0);
    if (c->ends == r->now) {
        c->ends = -1;
        p->judge(c);
    }
}

static void second(struct run *r)
{
    struct peer *p = r->state;
    for (int i = 0; i < r->w->regions; i++) {
        for (int k = 0; k < r->w->region[i].endpoints; k++) {
            for (int c = 0; c < p->checkers; c++)
                check(r, p, i, k, c);
            p->up[i][k] = endpoint_up(r, p, i, k);
        }
        if (r->now % REPORT_S == REPORT_S - 1) {
            int at = r->now / REPORT_S % (WINDOW_S / REPORT_S);
            p->ok[i][at] = r->truth.silent[i] ? 0 : r->reported[i].ok;
            p->errors[i][at] = r->truth.silent[i] ? 0 : r->reported[i].errors;
        }
        bool in = region_in(r, p, i);
        r->decided |= in != p->in[i];
        p->in[i] = in;
    }
}

static int pick_endpoint(const struct run *r, const struct peer *p, int region, int asker)
{
    int best = 0;
    uint64_t cost = UINT64_MAX;
    bool any = false;
    for (int k = 0; k < r->w->region[region].endpoints; k++)
        any |= p->up[region][k];
    for (int k = 0; k < r->w->region[region].endpoints; k++) {
        uint64_t c = hash_mix((uint64_t)asker * 977 + (uint64_t)region * 31 + (uint64_t)k);
        if ((p->up[region][k] || !any) && c < cost) {
            cost = c;
            best = k;
        }
    }
    return best;
}

static struct answer ask(struct run *r, int asker)
{
    const struct peer *p = r->state;
    const struct class *c = &r->w->class[r->w->asker[asker].class];
    int region = c->order[0];
    for (int i = 0; i < c->order_n; i++)
        if (p->in[c->order[i]]) {
            region = c->order[i];
            break;
        }
    return (struct answer){region, pick_endpoint(r, p, region, asker), TTL_S};
}

static double keeps(const struct run *r, int region)
{
    const struct peer *p = r->state;
    return p->in[region];
}

static void *open_peer(struct run *r, int interval, int timeout, int checkers,
                       void (*judge)(struct checker *c))
{
    struct peer *p = calloc(1, sizeof *p);
    CHECK(p);
    p->interval = interval;
    p->timeout = timeout;
    p->checkers = checkers;
    p->judge = judge;
    for (int i = 0; i < r->w->regions; i++) {
        p->in[i] = true;
        for (int k = 0; k < r->w->region[i].endpoints; k++) {
            p->up[i][k] = true;
            for (int c = 0; c < checkers; c++)
                p->checker[i][k][c] = (struct checker){
                    .due = (int)rng_below(&r->rng, (uint32_t)interval), .ends = -1, .up = true};
        }
    }
    return p;
}

static void *open_gdnsd(struct run *r)
{
    int interval = r->rule->option;
    return open_peer(r, interval, interval / 2, 1, judge_gdnsd);
}

static void *open_route53(struct run *r)
{
    return open_peer(r, r->rule->option, 4, CHECKERS, judge_route53);
}

static void *open_five(struct run *r)
{
    return open_peer(r, r->rule->option, 2, 1, judge_five);
}

#define PEER(name_, about_, open_, option_)                                                        \
    {                                                                                              \
        .name = name_, .about = about_, .open = open_, .close = free, .second = second,            \
        .ask = ask, .keeps = keeps, .option = option_                                              \
    }

const struct rule rules_of_peers[] = {
    PEER("gdnsd", "10/20/10, every 10 s, up_thresh 0.5", open_gdnsd, 10),
    PEER("Route 53", "3 failures, every 30 s", open_route53, 30),
    PEER("Route 53, fast", "3 failures, every 10 s", open_route53, 10),
    PEER("in or out at 5 %", "probes every 5 s, reports every 10 s", open_five, 5),
    PEER("gdnsd, every 5 s", "10/20/10 at Meridian's interval", open_gdnsd, 5),
    PEER("Route 53, every 5 s", "3 failures at Meridian's interval", open_route53, 5),
};
const int rules_of_peers_n = sizeof rules_of_peers / sizeof *rules_of_peers;
