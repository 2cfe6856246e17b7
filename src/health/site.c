/* site: one service in one region. Evidence is the error rate of the endpoints that take traffic
 * (degrade .. fail, by the lower bound) and how many of them are up (panic); the worse rules.
 *
 *                         bound > degrade                bound >= fail, or panic
 *      FULL ──────────────────> DEGRADED ───────────────────────> OUT
 *        ^  \_____________________________________________________^ │
 *        │                                                          │
 *        └────────── HOLDING, RAMPING (mover.c) <───────────────────┘
 *
 *   transition            function
 *   what evidence wants   judge_rate, judge_panic → evidence
 *   gradual moves only    limit (min-regions, min-capacity), blocked
 *   down, hold, ramp      health__mover_step
 *   OUT counts in region  health__region_count
 *
 * Safety binds gradual moves: a fall, panic included, and a person's word always reach 0. */
#include "engine_priv.h"

#include "base/clock.h"

static const struct health_service_config *service_of(const struct health *h, uint32_t site)
{
    return &h->cfg.service[h->cfg.site[site].service];
}

static void judge_rate(struct health *h, struct judged *j)
{
    if (j->n <
        h->cfg.samples_min) { /* what was known last stands, but takes nothing further down */
        if (j->rate_target < j->m.avail)
            j->rate_target = j->m.avail;
        return;
    }
    const struct health_service_config *s = service_of(h, j->site);
    double low = health__wilson_low(j->fail, j->n);
    j->restored = false;
    j->note = 0;
    if (low <= s->degrade)
        j->rate_target = AVAIL_FULL;
    else if (low >= s->fail)
        j->rate_target = AVAIL_NONE;
    else
        j->rate_target = avail_from_double((s->fail - low) / (s->fail - s->degrade));
}

/* What evidence wants, and whose word that is. */
static void judge_evidence(struct health *h, struct judged *j)
{
    const struct health_service_config *s = service_of(h, j->site);
    judge_rate(h, j);
    if (!j->on_n && !j->forced_n) /* all switched off: nothing to judge, and nobody asks */
        return;
    j->evidence = j->restored ? j->m.avail : j->rate_target;
    j->evidence_rule = RULE_DEGRADE;
    if (j->forced_n) /* a person vouches for one: the others are out by themselves if they are */
        return;
    if (j->up_n == 0) {
        j->evidence = AVAIL_NONE;
        j->evidence_rule = RULE_FALL;
    } else if (j->up_n < s->panic * j->on_n) {
        j->evidence = AVAIL_NONE;
        j->evidence_rule = RULE_PANIC;
    }
}

/* What a site would carry at v, by weight; *any is whether it would take traffic at all. */
static double carries(const struct health *h, uint32_t site, uint32_t v, bool *any)
{
    const struct health_site_config *s = &h->cfg.site[site];
    uint32_t region = h->region_word[s->region] & HEALTH_WORD_AVAIL;
    double sum = 0;
    *any = false;
    for (uint32_t i = 0; i < s->endpoint_n; i++) {
        uint32_t e = h->endpoint_word[s->endpoint_first + i] & HEALTH_WORD_AVAIL;
        uint32_t least = e < v ? e : v;
        least = least < region ? least : region;
        sum += avail_to_double(least) * h->cfg.endpoint[s->endpoint_first + i].weight;
        *any |= least > 0;
    }
    return sum;
}

struct capacity {
    double others, full;
    uint32_t others_regions;
};

static struct capacity capacity_of(const struct health *h, uint32_t site)
{
    struct capacity c = {0};
    uint32_t service = h->cfg.site[site].service;
    for (uint32_t i = h->service_site_first[service]; i < h->service_site_first[service + 1]; i++) {
        uint32_t other = h->service_site[i];
        const struct health_site_config *s = &h->cfg.site[other];
        for (uint32_t k = 0; k < s->endpoint_n; k++)
            c.full += h->cfg.endpoint[s->endpoint_first + k].weight;
        if (other == site)
            continue;
        bool any;
        c.others += carries(h, other, h->site_word[other] & HEALTH_WORD_AVAIL, &any);
        c.others_regions += any;
    }
    return c;
}

/* The lowest value that a gradual move of this site to `want` may reach. */
static uint32_t limit(const struct health *h, const struct judged *j, uint32_t want, uint8_t *by)
{
    const struct health_service_config *s = service_of(h, j->site);
    struct capacity c = capacity_of(h, j->site);
    uint32_t now = j->m.avail;
    *by = RULE_NONE;
    if (want == 0 && c.others_regions < s->min_regions) {
        want = avail_from_double(h->cfg.dead_band);
        want = want < now ? want : now;
        *by = RULE_MIN_REGIONS;
    }
    bool any;
    double need = s->min_capacity * c.full - 1e-9 * c.full;
    if (s->min_capacity <= 0 || c.others + carries(h, j->site, want, &any) >= need)
        return want;
    *by = RULE_MIN_CAPACITY;
    if (c.others + carries(h, j->site, now, &any) < need)
        return now;
    uint32_t low = want, high = now; /* low is too little, high is enough */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (c.others + carries(h, j->site, middle, &any) >= need)
            high = middle;
        else
            low = middle;
    }
    return high;
}

static double distance(uint32_t a, uint32_t b)
{
    return avail_to_double(a > b ? a - b : b - a);
}

/* Says once per change of value that a move is held back, and by which rule. */
static void blocked(struct health *h, struct judged *j, uint32_t limited, uint8_t by)
{
    const struct health_service_config *s = service_of(h, j->site);
    uint32_t want = j->evidence;
    bool matters = by != RULE_NONE && (want == 0 || distance(want, limited) >= h->cfg.dead_band);
    if (!matters) {
        j->blocked_by = RULE_NONE;
        return;
    }
    if (j->blocked_by == by && !(want == 0 && j->would != 0) &&
        distance(want, j->would) < h->cfg.dead_band)
        return;
    j->blocked_by = by;
    j->would = want;
    uint32_t shown = distance(limited, j->m.avail) >= h->cfg.dead_band ? limited : j->m.avail;
    struct health_event *e;
    if (by == RULE_MIN_REGIONS)
        e = health__event(h, HEALTH_EVENT_HOLD, LOG_NOTICE, health__place_site(h, j->site), by,
                          "hold %.2f would=%.2f blocked-by=min-regions(%u)", avail_to_double(shown),
                          avail_to_double(want), s->min_regions);
    else
        e = health__event(h, HEALTH_EVENT_HOLD, LOG_NOTICE, health__place_site(h, j->site), by,
                          "hold %.2f would=%.2f blocked-by=min-capacity(%.0f%%)",
                          avail_to_double(shown), avail_to_double(want), 100 * s->min_capacity);
    e->before = j->m.avail;
    e->after = shown;
}

static void say_moved(struct health *h, struct judged *j, uint32_t before)
{
    const struct health_service_config *s = service_of(h, j->site);
    struct place at = health__place_site(h, j->site);
    double was = avail_to_double(before), is = avail_to_double(j->m.avail);
    const struct order *o = health__region_order(h, at.region);
    const char *masked = o && o->state == HEALTH_UP ? " in-effect=1.00" : "";
    char span[TIME_TEXT_MAX], flaps[FLAP_TEXT_MAX];
    health__flap_text(&j->m, flaps);
    struct health_event *e;
    if (j->m.rule == RULE_FALL)
        e = health__event(h, HEALTH_EVENT_AVAILABILITY, LOG_NOTICE, at, RULE_FALL,
                          "availability %.2f -> %.2f rule=fall cause=\"no endpoint up\"%s%s", was,
                          is, flaps, masked);
    else if (j->m.rule == RULE_PANIC)
        e = health__event(
            h, HEALTH_EVENT_AVAILABILITY, LOG_NOTICE, at, RULE_PANIC,
            "availability %.2f -> %.2f rule=panic cause=\"%u of %u endpoints up\"%s%s", was, is,
            j->up_n, j->on_n, flaps, masked);
    else if (j->m.rule == RULE_DEGRADE)
        e = health__event(
            h, HEALTH_EVENT_AVAILABILITY, LOG_NOTICE, at, RULE_DEGRADE,
            "availability %.2f -> %.2f rule=degrade cause=\"error rate %.1f%%, at least %.1f%%\" "
            "window=%llds n=%u/%u%s%s",
            was, is, j->n ? 100.0 * j->fail / j->n : 0, 100 * health__wilson_low(j->fail, j->n),
            (long long)j->bucket_ms * WINDOW_BUCKETS / 1000, j->fail, j->n, flaps, masked);
    else if (j->m.rule == RULE_OVERRIDE)
        e = health__event(h, HEALTH_EVENT_AVAILABILITY, LOG_NOTICE, at, RULE_OVERRIDE,
                          "availability %.2f -> %.2f rule=override cause=\"an endpoint set up\"%s",
                          was, is, masked);
    else
        e = health__event(h, HEALTH_EVENT_AVAILABILITY, LOG_NOTICE, at, RULE_RAMP,
                          "availability %.2f -> %.2f rule=ramp cause=\"return over %s\"%s", was, is,
                          duration_format(s->ramp_ms, span), masked);
    e->before = before;
    e->after = j->m.avail;
}

void health__site_judge(struct health *h, uint32_t site)
{
    struct judged *j = health__judged(h, site);
    if (!j)
        return;
    health__window_roll(h, j);
    judge_evidence(h, j);
    uint32_t target = j->evidence;
    uint8_t by = RULE_NONE;
    if (j->evidence_rule == RULE_DEGRADE && target < j->m.avail)
        target = limit(h, j, target, &by);
    blocked(h, j, target, by);
    struct mover_rules r = health__service_rules(h, h->cfg.site[site].service);
    uint32_t before = j->m.avail;
    uint8_t waited = j->m.wait;
    int64_t due;
    if (health__mover_step(&j->m, &r, target, h->now_ms, &due)) {
        j->m.since_wall_ms = h->wall_ms;
        j->note = 0;
        j->m.rule = j->m.avail < before ? j->evidence_rule : RULE_RAMP;
        say_moved(h, j, before);
    }
    if (j->m.wait != WAIT_NONE && j->m.wait != waited)
        health__event_waits(h, health__place_site(h, site), LOG_INFO, &j->m, &r);
    health__moving_set(h, &j->moving, health__mover_moving(&j->m, h->now_ms),
                       h->cfg.site[site].service);
    health__site_publish(h, site);
    health__timer_set(h, h->cfg.endpoints_n + site, due);
    health__outage_set(&j->out, health__site_observed(h, j) == HEALTH_OBSERVED_DOWN, h->now_ms);
    health__region_count(h, j);
}

void health__site_lift(struct health *h, uint32_t site)
{
    struct judged *j = health__judged(h, site);
    if (!j)
        return;
    judge_evidence(h, j);
    uint32_t before = j->m.avail;
    if (before == 0 && j->evidence > 0) {
        health__mover_lift(&j->m, j->evidence);
        j->m.since_wall_ms = h->wall_ms;
        j->m.rule = RULE_OVERRIDE;
        say_moved(h, j, before);
    }
    health__site_judge(h, site);
}

enum health_observed health__site_observed(const struct health *h, const struct judged *j)
{
    if (j->restored)
        return (enum health_observed)j->observed_saved;
    if (j->evidence == AVAIL_NONE)
        return HEALTH_OBSERVED_DOWN;
    if (j->evidence < AVAIL_FULL &&
        (j->m.avail < AVAIL_FULL || distance(j->evidence, AVAIL_FULL) >= h->cfg.dead_band))
        return HEALTH_OBSERVED_DEGRADED;
    const struct health_site_config *s = &h->cfg.site[j->site];
    for (uint32_t i = 0; i < s->endpoint_n; i++) {
        const struct probed *p = health__probed(h, s->endpoint_first + i);
        if (p && p->observed != HEALTH_OBSERVED_UNKNOWN)
            return HEALTH_OBSERVED_UP;
    }
    return HEALTH_OBSERVED_UNKNOWN;
}
