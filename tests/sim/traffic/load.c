#include "meridian.h"

#include "base/hash.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* After a change it takes a rule about as long to know of it and its clients to follow: three probes, a
 * report, a TTL. */
#define NEWS_S 60
#define SAY_AGAIN_S 20 /* the same episode, when it was over for less */

void run_fail(struct run *r, const char *fmt, ...)
{
    if (r->failure[0])
        return;
    va_list ap;
    va_start(ap, fmt);
    int n = snprintf(r->failure, sizeof r->failure, "at %d s: ", r->now);
    vsnprintf(r->failure + n, sizeof r->failure - (size_t)n, fmt, ap);
    va_end(ap);
}

/* Whose answer has expired asks anew; the networks behind it may find themselves elsewhere. */
static void ask(struct run *r, int i)
{
    const struct asker *a = &r->w->asker[i];
    struct answer next = r->rule->ask(r, i);
    bool first = r->expires[i] < 0;
    if (first)
        r->first[i] = next.region;
    else if (next.region != r->cached[i].region)
        r->sums.flips += a->networks;
    double ttl = next.ttl_s * a->stretch;
    ttl = ttl < a->floor_s ? a->floor_s : ttl;
    /* at the start resolvers are anywhere within their TTL */
    r->expires[i] = r->now + (first ? 1 + i * 7 % (int)ttl : (int)ttl);
    r->cached[i] = next;
    r->digest = hash_mix(r->digest ^ ((uint64_t)r->now << 32) ^ ((uint64_t)i << 8) ^
                         (uint64_t)(next.region + 1));
}

static double demand(const struct run *r, const struct asker *a)
{
    return a->demand * r->truth.surge[a->class];
}

/* The load of each region, if everybody asked now. */
static void spread_sent(struct run *r)
{
    const struct world *w = r->w;
    memset(r->sent, 0, sizeof r->sent);
    memset(r->sent_of, 0, sizeof r->sent_of);
    for (int i = 0; i < w->askers; i++) {
        struct answer a = r->rule->ask(r, i);
        if (a.region == NOWHERE)
            continue;
        r->sent[a.region] += demand(r, &w->asker[i]);
        r->sent_of[a.region][w->asker[i].class] += demand(r, &w->asker[i]);
    }
    r->decided = false;
}

/* A region is driven over its capacity by steering where its own clients alone would not be too many and
 * all that there is could be carried. Where a region has no part in that (it does not work): all but
 * those who have no room anywhere else. */
static bool could_carry(const struct run *r, int region, const struct room *room,
                        const double *of_class)
{
    double stuck = 0;
    for (int c = 0; !room->open[region] && c < r->w->classes; c++)
        stuck += room->stuck[c] ? of_class[c] : 0;
    double capacity = r->w->region[region].capacity;
    return r->home[region] <= capacity && room->carries[region] && stuck <= capacity;
}

/* A rule could have prevented it where more are sent there than the region can carry, though those
 * regions that work for good could carry all and nothing of that has changed for NEWS_S; and for as
 * long as clients hold the answers of that time. */
static void judge_sent(struct run *r, int region)
{
    if (r->sent[region] <= r->w->region[region].capacity ||
        !could_carry(r, region, &r->steady, r->sent_of[region]) ||
        r->now - r->steady.since_s < NEWS_S)
        return;
    r->sent_s[OVER_SENT][region] = r->now;
    room_find_open(r);
    if (could_carry(r, region, &r->open, r->sent_of[region]))
        r->sent_s[OVER_OPEN][region] = r->now;
}

static void count_over(struct run *r, int region, enum over_kind kind, double failed)
{
    struct over *o = &r->sums.over[kind];
    o->s++;
    o->failed += failed;
    o->regions += !r->counted[kind][region];
    r->counted[kind][region] = true;
}

/* What could have been prevented begins with what is in force of each region. */
static void say_over(struct run *r, int region, enum over_kind kind)
{
    static const char *const said[OVER_KINDS] = {"", ", preventable",
                                                 ", preventable, room is open"};
    double capacity = r->w->region[region].capacity;
    bool begins = kind > OVER_ANY && r->now - r->said_s[region] > SAY_AGAIN_S;
    if (kind > OVER_ANY)
        r->said_s[region] = r->now;
    if (begins || r->now % 10 == 0)
        printf("%5d r%-3d over %.2f, sent %.2f%s\n", r->now, region, r->load[region] / capacity,
               r->sent[region] / capacity, said[kind]);
    if (begins)
        meridian_say_regions(r);
}

static void judge_load(struct run *r, int region)
{
    double load = r->load[region], capacity = r->w->region[region].capacity;
    if (load <= capacity || !could_carry(r, region, &r->room, r->load_of[region]))
        return;
    enum over_kind last = OVER_ANY;
    for (enum over_kind k = OVER_SENT; k < OVER_KINDS; k++)
        if (r->now - r->sent_s[k][region] < TTL_S)
            last = k;
    for (enum over_kind k = OVER_ANY; k <= last; k++)
        count_over(r, region, k, load - capacity);
    if (last >= OVER_SENT)
        r->sent_by[r->fault]++;
    if (load / capacity > r->sums.over_peak)
        r->sums.over_peak = load / capacity;
    if (meridian_log)
        say_over(r, region, last);
}

static void spread_load(struct run *r)
{
    const struct world *w = r->w;
    memset(r->load, 0, sizeof r->load);
    memset(r->home, 0, sizeof r->home);
    memset(r->load_of, 0, sizeof r->load_of);
    for (int i = 0; i < w->askers; i++) {
        double d = demand(r, &w->asker[i]);
        r->home[w->class[w->asker[i].class].home] += d;
        if (r->cached[i].region == NOWHERE)
            continue;
        r->load[r->cached[i].region] += d;
        r->load_of[r->cached[i].region][w->asker[i].class] += d;
    }
    if (r->decided || r->room.since_s == r->now)
        spread_sent(r);
    for (int i = 0; i < w->regions; i++) {
        double capacity = w->region[i].capacity;
        r->overload[i] = r->load[i] > capacity ? 1 - capacity / r->load[i] : 0;
        judge_sent(r, i);
        judge_load(r, i);
    }
}

/* What began last of all that goes on, or has ended in the last ten minutes; FAULTS_MAX: nothing. */
static int last_fault(const struct run *r)
{
    int found = FAULTS_MAX, since = -1;
    for (int i = 0; i < r->w->faults; i++) {
        const struct fault *f = &r->w->fault[i];
        if (f->from <= r->now && r->now < f->to + 600 && f->from > since) {
            found = i;
            since = f->from;
        }
    }
    return found;
}

static void serve(struct run *r)
{
    const struct world *w = r->w;
    double failed = 0;
    for (int i = 0; i < w->askers; i++) {
        const struct asker *a = &w->asker[i];
        double d = demand(r, a), fails = 1;
        int at = r->cached[i].region;
        r->sums.requests += d;
        if (at != NOWHERE && !r->truth.cut[a->class][at]) {
            fails = 1 - (1 - r->truth.fails[at][r->cached[i].endpoint]) * (1 - r->overload[at]);
            r->reported[at].ok += d * (1 - fails);
            r->reported[at].errors += d * fails;
            r->reported[at].load += d;
        }
        failed += d * fails;
    }
    r->sums.failed += failed;
    r->sums.failed_by[r->fault < FAULTS_MAX ? r->w->fault[r->fault].kind : FAULT_KINDS] += failed;
}

void load_second(struct run *r)
{
    fault_truth(r->w, r->now, &r->truth);
    r->fault = last_fault(r);
    for (int i = 0; i < r->w->askers; i++)
        if (r->expires[i] <= r->now)
            ask(r, i);
    room_find(r);
    spread_load(r);
    serve(r);
}

void run_rule(const struct world *w, const struct rule *rule, struct run *r)
{
    memset(r, 0, sizeof *r);
    r->w = w;
    r->rule = rule;
    r->digest = w->seed;
    r->checked = rule == &rule_meridian;
    rng_seed(&r->rng, w->seed ^ 0x70726f62);
    r->decided = true;
    for (int i = 0; i < w->askers; i++)
        r->expires[i] = -1;
    for (int i = 0; i < w->regions; i++)
        r->fails_s[i] = r->sent_s[OVER_SENT][i] = r->sent_s[OVER_OPEN][i] = r->said_s[i] =
            -w->end_s;
    r->state = rule->open(r);
    for (r->now = 0; r->now < w->end_s && !r->failure[0]; r->now++) {
        load_second(r);
        rule->second(r);
        if (r->checked)
            check_second(r);
        if (r->now % REPORT_S == REPORT_S - 1)
            memset(r->reported, 0, sizeof r->reported);
    }
    rule->close(r->state);
    r->state = NULL;
}
