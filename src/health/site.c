/* site: one service in one region. Evidence is the error rate of the endpoints that take traffic
 * (degrade .. fail, by the lower bound), what reports say of it, and how many endpoints are up
 * (panic); the worst rules.
 *
 *                         bound > degrade                bound >= fail, or panic
 *      FULL ──────────────────> DEGRADED ───────────────────────> OUT
 *        ^  \_____________________________________________________^ │
 *        │                                                          │
 *        └────────── HOLDING, RAMPING (mover.c) <───────────────────┘
 *
 *   transition            function
 *   what evidence wants   judge_rate, judge_panic → evidence
 *   gradual moves only    health__safety_limit (min-regions, min-capacity)
 *   gradual and upwards   health__budget_bind (max-move)
 *   down, hold, ramp      health__mover_step
 *   OUT counts in region  health__region_count
 *
 * Safety binds gradual moves: a fall, panic included, and a person's word always reach 0. */
#include "engine_priv.h"

#include "base/clock.h"

#include <stdio.h>

static const struct health_service_config *service_of(const struct health *h, uint32_t site)
{
    return h->cfg.service[h->cfg.site[site].service].config;
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
    j->rate_target = health__degraded(low, s->degrade, s->fail);
}

/* What evidence wants, and whose word that is: the worst of the sources, each judged alone. */
static void judge_evidence(struct health *h, struct judged *j, const struct verdict *v)
{
    const struct health_service_config *s = service_of(h, j->site);
    judge_rate(h, j);
    if (!j->on_n && !j->forced_n && !j->silent) /* all switched off: nobody asks */
        return;
    j->evidence = j->restored ? j->m.avail : j->rate_target;
    j->evidence_rule = RULE_DEGRADE;
    j->reported = v->want < j->evidence;
    if (j->reported)
        j->evidence = v->want;
    if (j->silent)
        return;
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

static void say_moved(struct health *h, struct judged *j, uint32_t before, const struct verdict *v)
{
    const struct health_service_config *s = service_of(h, j->site);
    struct place at = health__place_site(h, j->site);
    double was = avail_to_double(before), is = avail_to_double(j->m.avail);
    const struct order *o = health__region_order(h, at.region);
    const char *masked = o && o->state == HEALTH_UP ? " in-effect=1.00" : "";
    char span[TIME_TEXT_MAX], flaps[FLAP_TEXT_MAX], more[FLAP_TEXT_MAX + 24];
    health__flap_text(&j->m, flaps);
    struct health_event *e;
    if (j->m.rule == RULE_DEGRADE) {
        struct proof p =
            j->reported && v->by ? health__reports_proof(v->by) : health__window_proof(j);
        snprintf(more, sizeof more, "%s%s", flaps, masked);
        health__event_degrade(h, at, LOG_NOTICE, before, j->m.avail, &p, more);
        return;
    }
    if (j->m.rule == RULE_FALL)
        e = health__event(h, HEALTH_EVENT_AVAILABILITY, LOG_NOTICE, at, RULE_FALL,
                          "availability %.2f -> %.2f rule=fall cause=\"no endpoint up\"%s%s", was,
                          is, flaps, masked);
    else if (j->m.rule == RULE_PANIC)
        e = health__event(
            h, HEALTH_EVENT_AVAILABILITY, LOG_NOTICE, at, RULE_PANIC,
            "availability %.2f -> %.2f rule=panic cause=\"%u of %u endpoints up\"%s%s", was, is,
            j->up_n, j->on_n, flaps, masked);
    else if (j->m.rule == RULE_OVERRIDE)
        e = health__event(h, HEALTH_EVENT_AVAILABILITY, LOG_NOTICE, at, RULE_OVERRIDE,
                          "availability %.2f -> %.2f rule=override cause=\"an endpoint set up\"%s",
                          was, is, masked);
    else
        e = health__event(h, HEALTH_EVENT_AVAILABILITY, LOG_NOTICE, at, RULE_RAMP,
                          "availability %.2f -> %.2f rule=ramp cause=\"return over %s\"%s", was, is,
                          duration_format(s->ramp_ms, span), masked);
    health__event_moves(e, before, j->m.avail);
}

void health__site_judge(struct health *h, uint32_t site)
{
    struct judged *j = health__judged(h, site);
    if (!j)
        return;
    uint32_t item = h->cfg.endpoints_n + site;
    if (health__is_dependency(h, site)) { /* its region goes by the one endpoint */
        health__timer_set(h, item, NEVER_MS);
        return;
    }
    health__window_roll(h, j);
    health__reports_tick(h, item);
    struct verdict v = health__reports_verdict(h, item);
    judge_evidence(h, j, &v);
    uint32_t target = j->evidence;
    struct safety_by by = {.rule = RULE_NONE};
    if (j->evidence_rule == RULE_DEGRADE && target < j->m.avail)
        target = health__safety_limit(h, item, j->m.avail, target, &by);
    struct mover_rules r = health__service_rules(h, h->cfg.site[site].service);
    uint32_t way = target;
    target = health__budget_bind(h, item, &j->m, &r, target, by.gradual, &by);
    health__safety_say(h, item, &j->held, &j->m, j->evidence, target, &by);
    uint32_t before = j->m.avail;
    uint8_t waited = j->m.wait;
    int64_t due;
    if (health__mover_step(&j->m, &r, target, h->now_ms, &due)) {
        j->m.since_wall_ms = h->wall_ms;
        j->note = 0;
        j->m.rule = j->m.avail < before ? j->evidence_rule : RULE_RAMP;
        say_moved(h, j, before, &v);
    }
    health__budget_settle(h, item, &j->held, &j->m, &r, before, way, &by, &due);
    if (j->m.wait != WAIT_NONE && j->m.wait != waited)
        health__event_waits(h, health__place_site(h, site), LOG_INFO, &j->m, &r);
    health__moving_set(h, &j->moving, health__mover_moving(&j->m, h->now_ms),
                       h->cfg.site[site].service);
    health__site_publish(h, site);
    health__reports_due(h, item, &due);
    health__timer_set(h, item, due);
    health__outage_set(&j->out, health__site_observed(h, j) == HEALTH_OBSERVED_DOWN, h->now_ms);
    health__region_count(h, j);
}

void health__site_lift(struct health *h, uint32_t site)
{
    struct judged *j = health__judged(h, site);
    if (!j)
        return;
    struct verdict v = health__reports_verdict(h, h->cfg.endpoints_n + site);
    judge_evidence(h, j, &v);
    uint32_t before = j->m.avail;
    if (before == 0 && j->evidence > 0) {
        health__mover_lift(&j->m, j->evidence);
        j->m.since_wall_ms = h->wall_ms;
        j->m.rule = RULE_OVERRIDE;
        say_moved(h, j, before, &v);
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
        (j->m.avail < AVAIL_FULL || avail_to_double(AVAIL_FULL - j->evidence) >= h->cfg.dead_band))
        return HEALTH_OBSERVED_DEGRADED;
    if (j->silent)
        return HEALTH_OBSERVED_UP;
    const struct health_site_config *s = &h->cfg.site[j->site];
    for (uint32_t i = 0; i < s->endpoint_n; i++) {
        const struct probed *p = health__probed(h, s->endpoint_first + i);
        if (p && p->observed != HEALTH_OBSERVED_UNKNOWN)
            return HEALTH_OBSERVED_UP;
    }
    return HEALTH_OBSERVED_UNKNOWN;
}
