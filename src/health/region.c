/* region: a whole region leaves for all its services when most of those that are probed there, and
 * two at least, are out by observation, or by what is reported of it as a whole; it comes back by
 * hold and ramp when that is no longer so.
 */
#include "engine_priv.h"

#include "base/clock.h"

#include <stdio.h>

/* The largest TTL and ramp of the services that the region has. */
void health__region_rules(struct health *h, uint32_t region)
{
    struct region *r = &h->region[region];
    int64_t ttl_ms = 0, moving_ms = 0, ramp_ms = -1;
    for (uint32_t i = h->region_site_first[region]; i < h->region_site_first[region + 1]; i++) {
        const struct health_service_config *s =
            h->cfg.service[h->cfg.site[h->region_site[i]].service].config;
        if ((int64_t)s->ttl_s * 1000 > ttl_ms)
            ttl_ms = (int64_t)s->ttl_s * 1000;
        if ((int64_t)health__service_ttl_moving_s(s) * 1000 > moving_ms)
            moving_ms = (int64_t)health__service_ttl_moving_s(s) * 1000;
        if (s->ramp_ms > ramp_ms)
            ramp_ms = s->ramp_ms;
    }
    int64_t hold_ms = ttl_ms < HOLD_MS_MIN ? HOLD_MS_MIN : ttl_ms;
    r->ttl_ms_max = ttl_ms;
    r->ttl_moving_ms_max = moving_ms;
    r->rules = (struct mover_rules){
        .ramp_ms = ramp_ms < 0 ? 60000 : ramp_ms,
        .hold_ms = hold_ms > REGION_HOLD_MS_MAX ? REGION_HOLD_MS_MAX : hold_ms,
        .failback = HEALTH_FAILBACK_AUTO, /* failback is a service's word: its sites keep it */
        .dead_band = h->cfg.dead_band,
        .most = AVAIL_FULL};
}

void health__region_count(struct health *h, struct judged *j)
{
    /* What was restored at 0 may have been on its way back: then it is not a witness against the
     * region. */
    if (j->silent) /* only what is probed has a say */
        return;
    bool zero = j->restored ? j->observed_saved == HEALTH_OBSERVED_DOWN : j->m.target == AVAIL_NONE;
    if (zero == j->zero)
        return;
    uint32_t region = h->cfg.site[j->site].region;
    j->zero = zero;
    if (zero)
        h->region[region].zero_n++;
    else
        h->region[region].zero_n--;
    if (h->rebuilding)
        health__timer_set(h, h->cfg.endpoints_n + h->cfg.sites_n + region, h->now_ms + 1);
    else
        health__region_judge(h, region);
}

static void set_moving(struct health *h, uint32_t region, bool moving)
{
    struct region *r = &h->region[region];
    if (r->moving == moving)
        return;
    r->moving = moving;
    for (uint32_t i = h->region_site_first[region]; i < h->region_site_first[region + 1]; i++) {
        uint32_t service = h->cfg.site[h->region_site[i]].service;
        h->service_moving_n[service] += moving ? 1u : UINT32_MAX;
        health__service_publish(h, service);
    }
}

/* What reports want of the region: gradual, so the safety rules of all its services bind. */
static uint32_t reported(struct health *h, uint32_t region, const struct verdict *v, uint32_t *way,
                         struct safety_by *by)
{
    struct region *r = &h->region[region];
    uint32_t item = h->cfg.endpoints_n + h->cfg.sites_n + region;
    uint32_t want = v->want < v->load ? v->want : v->load, limited = want;
    if (want < r->m.avail)
        limited = health__safety_limit(h, item, r->m.avail, want, by);
    *way = limited;
    limited = health__budget_bind(h, item, &r->m, &r->rules, limited, by->gradual, by);
    health__safety_say(h, item, &r->held, &r->m, want, limited, by);
    return limited;
}

static void say_load(struct health *h, uint32_t region, uint32_t before, const struct source *s,
                     const char *more)
{
    struct region *r = &h->region[region];
    struct health_event *e = health__event(
        h, HEALTH_EVENT_AVAILABILITY, LOG_NOTICE, health__place_region(region), RULE_LOAD,
        "availability %.2f -> %.2f rule=load cause=\"utilisation %.1f%% of %.0f, above "
        "%.0f%%\" source=%s%s",
        avail_to_double(before), avail_to_double(r->m.avail), 100 * s->load,
        h->cfg.region[region].capacity, 100 * h->cfg.load_high, s->name, more);
    health__event_moves(e, before, r->m.avail);
}

static void say_moved(struct health *h, uint32_t region, uint32_t before, const struct verdict *v)
{
    struct region *r = &h->region[region];
    double was = avail_to_double(before), is = avail_to_double(r->m.avail);
    const struct order *o = health__region_order(h, region);
    const char *masked = o && o->state == HEALTH_UP ? " in-effect=1.00" : "";
    char span[TIME_TEXT_MAX], flaps[FLAP_TEXT_MAX], more[FLAP_TEXT_MAX + 24];
    snprintf(more, sizeof more, "%s%s", health__flap_text(&r->m, flaps), masked);
    struct health_event *e;
    if (r->m.rule == RULE_DEGRADE) {
        struct proof p = health__reports_proof(v->by);
        health__event_degrade(h, health__place_region(region), LOG_NOTICE, before, r->m.avail, &p,
                              more);
        return;
    }
    if (r->m.rule == RULE_LOAD) {
        say_load(h, region, before, v->load_by, more);
        return;
    }
    if (r->m.rule == RULE_DEPENDENCY) {
        char target[TARGET_TEXT_MAX];
        uint32_t on = health_dependency(h, region);
        e = health__event(
            h, HEALTH_EVENT_AVAILABILITY, LOG_NOTICE, health__place_region(region), RULE_DEPENDENCY,
            "availability %.2f -> %.2f rule=dependency cause=\"%.60s %s down\"%s", was, is,
            health_probe_of(&h->cfg, on)->name, health__target_text(h, on, target), more);
    } else if (r->m.rule == RULE_REGION)
        e = health__event(
            h, HEALTH_EVENT_AVAILABILITY, LOG_NOTICE, health__place_region(region), RULE_REGION,
            "availability %.2f -> %.2f rule=region cause=\"%u of %u services down\"%s", was, is,
            r->zero_n, r->judged_n, more);
    else
        e = health__event(h, HEALTH_EVENT_AVAILABILITY, LOG_NOTICE, health__place_region(region),
                          RULE_RAMP,
                          "availability %.2f -> %.2f rule=ramp cause=\"return over %s\"%s", was, is,
                          duration_format(r->rules.ramp_ms, span), masked);
    health__event_moves(e, before, r->m.avail);
}

/* What takes it out at once: what it depends on first, since that is why its services fail. */
static uint8_t fallen_by(struct health *h, uint32_t region)
{
    const struct region *r = &h->region[region];
    if (health__dependency_down(h, region))
        return RULE_DEPENDENCY;
    return r->zero_n >= 2 && r->zero_n * 2 > r->judged_n ? RULE_REGION : RULE_NONE;
}

void health__region_judge(struct health *h, uint32_t region)
{
    struct region *r = &h->region[region];
    uint8_t fallen = fallen_by(h, region);
    bool most = fallen != RULE_NONE;
    uint32_t item = h->cfg.endpoints_n + h->cfg.sites_n + region;
    health__reports_tick(h, item);
    struct verdict v = health__reports_verdict(h, item);
    struct safety_by by = {.rule = RULE_NONE};
    uint32_t way = AVAIL_NONE, target = most ? AVAIL_NONE : reported(h, region, &v, &way, &by);
    uint32_t before = r->m.avail;
    uint8_t waited = r->m.wait;
    int64_t due;
    if (health__mover_step(&r->m, &r->rules, target, h->now_ms, &due)) {
        r->m.since_wall_ms = h->wall_ms;
        r->m.rule = r->m.avail > before             ? RULE_RAMP
                    : fallen == RULE_DEPENDENCY     ? RULE_DEPENDENCY
                    : most || (!v.by && !v.load_by) ? RULE_REGION
                    : v.want <= v.load              ? RULE_DEGRADE
                                                    : RULE_LOAD;
        r->note = 0;
        say_moved(h, region, before, &v);
    }
    health__budget_settle(h, item, &r->held, &r->m, &r->rules, before, way, &by, &due);
    if (r->m.wait != WAIT_NONE && r->m.wait != waited)
        health__event_waits(h, health__place_region(region), LOG_INFO, &r->m, &r->rules);
    health__outage_set(&r->out,
                       most || v.want == AVAIL_NONE || (r->judged_n && r->zero_n == r->judged_n),
                       h->now_ms);
    set_moving(h, region,
               health__mover_moving(&r->m, h->now_ms) || health__region_order_may_move(h, region) ||
                   health__dependency_moving(h, region));
    health__region_order_due(h, region, &due);
    health__reports_due(h, item, &due);
    health__dependency_due(h, region, &due);
    health__region_publish(h, region);
    health__timer_set(h, item, due);
}
