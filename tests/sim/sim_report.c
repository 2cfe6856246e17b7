/* Reporters: load balancers that count what really happens in their site, endpoint or region, and
 * some that lie. They draw from a generator of their own, so that a seed's other faults are the same
 * with and without them. */
#include "sim.h"

#include <string.h>

static uint32_t items(const struct sim *s)
{
    return s->ids + s->services * s->regions + s->regions;
}

/* The ids of an endpoint or site: *n from the one returned. */
static uint32_t id_first(const struct sim *s, uint32_t item, uint32_t *n)
{
    *n = item < s->ids ? 1 : s->per_site;
    return item < s->ids ? item : (item - s->ids) * s->per_site;
}

/* The share of requests that fails there now. */
static double failing(const struct sim *s, uint32_t id)
{
    const struct truth *t = &s->t[id];
    switch (t->fault) {
    case FAULT_CRASH:
        return 1;
    case FAULT_BROWN:
        return t->p;
    case FAULT_SLOW:
        return 0.4;
    case FAULT_FLAP:
        return (s->now - t->since) / (t->period / 2) % 2 == 1 ? 0 : 1;
    case FAULT_NONE:
        break;
    }
    return 0;
}

static double rate_of(const struct sim *s, uint32_t item)
{
    double sum = 0;
    uint32_t present = 0, n, sites = s->services * s->regions;
    if (item < s->ids + sites) {
        uint32_t first = id_first(s, item, &n);
        for (uint32_t i = first; i < first + n; i++) {
            sum += s->t[i].present ? failing(s, i) : 0;
            present += s->t[i].present;
        }
        return present ? sum / present : 0;
    }
    for (uint32_t i = 0; i < s->ids; i++) {
        bool mine = s->t[i].present && id_region(s, i) == item - s->ids - sites;
        sum += mine ? failing(s, i) : 0;
        present += mine;
    }
    return present ? sum / present : 0;
}

void sim_report_draw(struct sim *s)
{
    rng_seed(&s->report_rng, s->seed ^ 0x7265706f7274u);
    for (uint32_t v = 1; s->reports && v < s->services; v++) {
        bool unprobed = rng_below(&s->report_rng, 3) == 0;
        for (uint32_t i = 0; i < s->ids; i++)
            if (id_service(s, i) == v)
                s->t[i].unprobed = unprobed;
    }
    /* And single endpoints, beside probed ones. */
    for (uint32_t i = 0; s->reports && s->per_site > 1 && i < s->ids; i++)
        s->t[i].unprobed |= i % s->per_site && rng_below(&s->report_rng, 12) == 0;
}

static void due_anew(struct sim *s)
{
    s->report_next = INT64_MAX;
    for (uint32_t i = 0; i < s->reporting_n; i++)
        if (s->report_at[i] < s->report_next)
            s->report_next = s->report_at[i];
}

void sim_report_init(struct sim *s)
{
    s->reporting_n = 0;
    for (uint32_t i = 0; i < items(s); i++) {
        struct reporter *r = &s->reporter[i];
        uint32_t often = i < s->ids ? 4 : 2; /* one of so many has one */
        r->period = 0;
        r->bad_until = r->heavy_until = r->sent_at[0] = r->sent_at[1] = INT64_MIN / 2;
        if (!s->reports || rng_below(&s->report_rng, often))
            continue;
        r->period = s->scale.report_period + rng_below(&s->report_rng, 28000);
        s->report_at[s->reporting_n] = s->now + rng_below(&s->report_rng, (uint32_t)r->period);
        s->reporting[s->reporting_n++] = i;
        r->requests = 1u << (2 + rng_below(&s->report_rng, 12));
        r->demand = 0.3 + rng_unit(&s->report_rng);
        r->carried = 1;
    }
    due_anew(s);
}

int64_t sim_report_due(const struct sim *s)
{
    return s->report_next;
}

static struct health_report place(struct sim *s, uint32_t item)
{
    struct sim_config *c = sim_config(s);
    uint32_t sites = s->services * s->regions;
    struct health_report r = {.site = HEALTH_NONE, .endpoint = HEALTH_NONE};
    uint32_t key = item - s->ids;
    if (item < s->ids) {
        r.endpoint = c->endpoint_of[item];
        key = id_site(s, item);
    }
    if (item < s->ids + sites) {
        r.site = c->site_of[key];
        r.region = c->region_of[key % s->regions];
    } else {
        r.region = c->region_of[key - sites];
    }
    return r;
}

/* Its own opinion of itself for a while: all is well, or nothing is. */
static double told(struct sim *s, struct reporter *r, double rate)
{
    if (s->now >= r->lies_until && rng_below(&s->report_rng, 60) == 0) {
        r->lies_until = s->now + 10000 + rng_below(&s->report_rng, 120000);
        r->lie = rng_below(&s->report_rng, 2) ? 1 : rng_unit(&s->report_rng);
    }
    return s->now < r->lies_until ? r->lie : rate;
}

static const char *const names[] = {"haproxy", "other"};

#define WINDOW_PARTS 20 /* a window is kept in so many of whole milliseconds, and is that long */

static int64_t longest_window(const struct sim *s)
{
    int64_t window = 20 * (int64_t)s->proto.interval_ms;
    window = window > 60000 ? window : 60000;
    for (uint32_t i = 0; i < s->services; i++)
        if (s->service_proto[i].window_ms > window)
            window = s->service_proto[i].window_ms;
    return (window + WINDOW_PARTS - 1) / WINDOW_PARTS * WINDOW_PARTS;
}

/* The window, or three times what the report covers: longer than that none may rule. */
static void remember(struct sim *s, struct reporter *r, const struct health_report *h, int name)
{
    int64_t covered = h->covered_ms, window = longest_window(s);
    if (!covered && sim_seen(s) - r->sent_at[name] < 3600000)
        covered = sim_seen(s) - r->sent_at[name];
    r->sent_at[name] = sim_seen(s);
    int64_t until = sim_seen(s) + (3 * covered > window ? 3 * covered : window);
    if (until > r->fresh_until[name]) /* one with few samples does not renew, nor shorten */
        r->fresh_until[name] = until;
}

/* While something waits for a witness, from the step before this one on, no silence is judged;
 * what is fresh when an isolated episode is over stays so for a window. */
void sim_report_hold(struct sim *s, bool over)
{
    int64_t now = sim_seen(s), until = over ? now + longest_window(s) : now + 10000;
    for (uint32_t i = 0; i < s->reporting_n; i++) {
        struct reporter *r = &s->reporter[s->reporting[i]];
        int64_t *at[] = {&r->fresh_until[0], &r->fresh_until[1], &r->bad_until, &r->heavy_until};
        for (size_t k = 0; k < sizeof at / sizeof *at; k++)
            if (*at[k] >= s->waits_seen && *at[k] < until)
                *at[k] = until;
    }
}

static void check_stale(struct sim *s, const struct reporter *r, const struct health_report *h)
{
    struct health_source_view v;
    health_advance(s->h, sim_mono(s), sim_wall(s));
    for (uint32_t i = 0; health_source_show(s->h, h, i, &v); i++) {
        bool mine = sim_seen(s) >= r->fresh_until[strcmp(v.source, names[0]) != 0];
        if (mine && (v.fresh || v.has_load || v.want != AVAIL_FULL))
            sim_fail(s, "%s is judged %lld ms after its last report", v.source,
                     (long long)v.age_ms);
    }
    sim_check_step(s);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void send(struct sim *s, uint32_t item)
{
    struct reporter *r = &s->reporter[item];
    struct health_report h = place(s, item);
    double rate = told(s, r, rate_of(s, item));
    int name = rng_below(&s->report_rng, 8) == 0;
    check_stale(s, r, &h);
    bool region = item >= s->ids + s->services * s->regions;
    h.source = names[name];
    h.covered_ms = rng_below(&s->report_rng, 2) ? r->period : 0;
    struct rng rng = s->report_rng; /* a copy stays in registers */
    uint32_t n = rng_below(&rng, r->requests) + 1, errors = 0;
    for (uint32_t i = 0; i < n; i++)
        errors += rng_unit(&rng) < rate;
    s->report_rng = rng;
    h.errors = errors;
    h.ok = n - errors;
    if (region) {
        double avail = avail_to_double(health_region_word(s->h, h.region) & HEALTH_WORD_AVAIL);
        r->carried += (avail - r->carried) / 2;
        h.has_load = true;
        h.utilisation = r->demand * r->carried;
        if (rng_below(&s->report_rng, 40) == 0)
            r->demand = 0.3 + 1.5 * rng_unit(&s->report_rng);
    }
    remember(s, r, &h, name);
    h.now_ms = sim_mono(s);
    h.wall_ms = sim_wall(s);
    if (h.errors)
        r->bad_until = later(r->bad_until, r->fresh_until[name]);
    if (h.has_load && h.utilisation > s->load_high)
        r->heavy_until = later(r->heavy_until, r->fresh_until[name]);
    s->reported++;
    if (health_report(s->h, &h) != ERR_OK)
        sim_fail(s, "a report was refused");
    sim_check_step(s);
}

/* Is it in the configuration, and does what it sends come through? */
static bool reaches(const struct sim *s, uint32_t item)
{
    uint32_t key = item < s->ids ? id_site(s, item) : item - s->ids;
    uint32_t sites = s->services * s->regions;
    bool of_region = item >= s->ids + sites;
    uint32_t region = of_region ? key - sites : key % s->regions;
    if (s->isolated || s->region_gone[region] || (s->cut[region] & CUT_REPORTS))
        return false;
    return of_region ||
           (!s->service_gone[key / s->regions] && (item >= s->ids || s->t[item].present));
}

void sim_report_run(struct sim *s)
{
    if (s->report_next > s->now)
        return;
    for (uint32_t i = 0; i < s->reporting_n && !s->failure[0]; i++) {
        int64_t *at = &s->report_at[i], period = s->reporter[s->reporting[i]].period;
        if (*at > s->now)
            continue;
        *at = s->now + period / 2 + rng_below(&s->report_rng, (uint32_t)period);
        if (rng_below(&s->report_rng, 100) == 0) /* silent for a while: what it said gets stale */
            *at += (100000 + rng_below(&s->report_rng, 200000)) * s->scale.stretch / 1000;
        if (reaches(s, s->reporting[i]))
            send(s, s->reporting[i]);
    }
    due_anew(s);
}
