/* endpoint: samples in, up and down out.
 *
 *                      rise successes in a row
 *      ┌─────────┐ ───────────────────────────────> ┌──────┐
 *      │ UNKNOWN │                                   │  UP  │ <─────────────────────┐
 *      └─────────┘                                   └──────┘                       │
 *           │ failure                                    │ failure                  │
 *           v                                            v                          │
 *      ┌───────────────────────────────────────────────────────┐  success: back     │
 *      │ FAILING: serves as before; confirmation probes asked  │  where it was      │ rise
 * successes └───────────────────────────────────────────────────────┘                    │ in a row
 *           │ fall failures in a row                                                │
 *           v                                                                       │
 *      ┌───────────────────────────────────────────────────────┐                    │
 *      │ READY: needs a witness, a success in another region   │                    │
 *      │ later than the first failure; none: ISOLATED (engine) │                    │
 *      └───────────────────────────────────────────────────────┘                    │
 *           │ witness                        ┌──────┐                               │
 *           └──────────────────────────────> │ DOWN │ ──────────────────────────────┘
 *                                            └──────┘   then hold and ramp (mover.c)
 *
 *   transition                     function
 *   UNKNOWN → UP, DOWN → UP        rise
 *   → FAILING                      on_failure, health__witness_streak
 *   FAILING → READY, → DOWN        health__witness_try_fall, health__endpoint_fall
 *   FAILING or READY → back        on_success, health__witness_clear
 *   READY, no witness → isolated   health__witness_settle
 *
 * Invariants (health_check_state): DOWN means target 0; FAILING without a witness is in its
 * region's list, and nothing else is; UNKNOWN and UP want full availability. */
#include "engine_priv.h"

#include <stdio.h>
#include <string.h>

static const struct health_endpoint_config *config_of(const struct health *h,
                                                      const struct probed *p)
{
    return &h->cfg.endpoint[p->endpoint];
}

static const struct health_probe_config *probe_of(const struct health *h, const struct probed *p)
{
    return health_probe_of(&h->cfg, p->endpoint);
}

static bool single(const struct health *h, uint32_t endpoint)
{
    return h->cfg.site[health__site_of(h, endpoint)].endpoint_n == 1;
}

static void count(uint32_t *n, bool *counted, bool now)
{
    *n += (uint32_t)now - (uint32_t)*counted;
    *counted = now;
}

/* Who counts in the site: in panic, all that no person has switched up or down; in the error rate,
 * those that take traffic as probes have it: not down, and no order on them. */
void health__endpoint_recount(struct health *h, uint32_t endpoint)
{
    struct probed *p = health__probed(h, endpoint);
    if (!p || p->silent || health__is_dependency(h, health__site_of(h, endpoint)))
        return;
    struct judged *j = health__judged(h, health__site_of(h, endpoint));
    const struct order *o = health__endpoint_order(h, endpoint);
    enum health_override state = o ? (enum health_override)o->state : HEALTH_AUTO;
    bool on = state == HEALTH_AUTO || state == HEALTH_DRAIN;
    bool up = on && p->observed != HEALTH_OBSERVED_DOWN;
    bool leaves = p->in_rate && !(up && state == HEALTH_AUTO);
    count(&j->on_n, &p->in_on, on);
    count(&j->up_n, &p->in_up, up);
    count(&j->forced_n, &p->in_forced, state == HEALTH_UP);
    p->in_rate = up && state == HEALTH_AUTO;
    if (!leaves)
        return;
    health__window_forget(j, p);
    if (j->n < h->cfg.samples_min && !j->restored) /* what is left says nothing */
        j->rate_target = AVAIL_FULL;
}

bool health__endpoint_may_change(const struct probed *p)
{
    bool failing = p->streak && !p->streak_ok;
    return p->observed == HEALTH_OBSERVED_DOWN ? p->streak_ok : failing;
}

static uint32_t target_of(const struct probed *p)
{
    if (p->observed == HEALTH_OBSERVED_DOWN)
        return AVAIL_NONE;
    return p->restored ? p->m.avail : AVAIL_FULL;
}

/* What reports want of an endpoint that its probes let serve: gradual, so the safety rules bind. */
static uint32_t reported(struct health *h, struct probed *p, const struct verdict *v,
                         uint32_t target, struct mover_rules *r, uint32_t *way,
                         struct safety_by *by)
{
    uint32_t limited = v->want;
    if (v->want >= target)
        limited = target;
    else if (v->want < p->m.avail)
        limited = health__safety_limit(h, p->endpoint, p->m.avail, v->want, by);
    *way = limited;
    limited = health__budget_bind(h, p->endpoint, &p->m, r, limited, by->gradual, by);
    health__safety_say(h, p->endpoint, &p->held, &p->m, v->want, limited, by);
    return limited;
}

static void say_reported(struct health *h, const struct probed *p, const struct verdict *v,
                         uint32_t before)
{
    char flaps[FLAP_TEXT_MAX];
    struct proof proof = health__reports_proof(v->by);
    health__event_degrade(h, health__place_endpoint(h, p->endpoint), LOG_NOTICE, before, p->m.avail,
                          &proof, health__flap_text(&p->m, flaps));
}

void health__endpoint_judge(struct health *h, uint32_t endpoint)
{
    int64_t due = NEVER_MS;
    struct probed *p = health__probed(h, endpoint);
    if (p && health__is_dependency(h, health__site_of(h, endpoint))) {
        health__dependency_judge(h, p);
        return;
    }
    if (p) {
        health__reports_tick(h, endpoint);
        struct verdict v = health__reports_verdict(h, endpoint);
        struct mover_rules r = health__service_rules(h, health__service_of(h, endpoint));
        struct safety_by by = {.rule = RULE_NONE};
        uint32_t way, target = reported(h, p, &v, target_of(p), &r, &way, &by);
        uint32_t before = p->m.avail;
        uint8_t waited = p->m.wait;
        bool moved = health__mover_step(&p->m, &r, target, h->now_ms, &due);
        /* With one endpoint in the site, the site's own line says the same. */
        enum log_level level = single(h, endpoint) ? LOG_DEBUG : LOG_INFO;
        if (moved) {
            p->m.since_wall_ms = h->wall_ms;
            p->m.rule = p->m.avail > before                            ? RULE_RAMP
                        : p->observed == HEALTH_OBSERVED_DOWN || !v.by ? RULE_FALL
                                                                       : RULE_DEGRADE;
        }
        if (moved && p->m.rule == RULE_DEGRADE)
            say_reported(h, p, &v, before);
        if (moved && p->m.avail > before) {
            struct health_event *e = health__event(
                h, HEALTH_EVENT_AVAILABILITY, level, health__place_endpoint(h, endpoint), RULE_RAMP,
                "%s availability %.2f -> %.2f rule=ramp cause=\"return over %lld s\"",
                config_of(h, p)->address, avail_to_double(before), avail_to_double(p->m.avail),
                (long long)(r.ramp_ms / 1000));
            health__event_moves(e, before, p->m.avail);
        }
        health__budget_settle(h, endpoint, &p->held, &p->m, &r, before, way, &by, &due);
        if (p->m.wait != WAIT_NONE && p->m.wait != waited)
            health__event_waits(h, health__place_endpoint(h, endpoint), LOG_DEBUG, &p->m, &r);
        health__moving_set(h, &p->moving,
                           health__endpoint_may_change(p) || health__mover_moving(&p->m, h->now_ms),
                           health__service_of(h, endpoint));
        health__outage_set(&p->out, health__endpoint_observed(h, p) == HEALTH_OBSERVED_DOWN,
                           h->now_ms);
        health__reports_due(h, endpoint, &due);
    }
    uint32_t service = health__service_of(h, endpoint);
    int64_t lead_ms = (int64_t)h->cfg.service[service].config->ttl_s * 1000;
    struct order *o = h->order_of[endpoint] ? &h->order[h->order_of[endpoint]] : NULL;
    if (o) {
        o->service = service;
        health__moving_set(h, &o->moving, health__order_may_move(h, o, lead_ms), service);
    }
    health__order_due(h, o, lead_ms, &due);
    health__endpoint_publish(h, endpoint);
    health__timer_set(h, endpoint, due);
}

/* Probes first; what they let serve may be worse by what is reported. */
enum health_observed health__endpoint_observed(const struct health *h, const struct probed *p)
{
    if (p->observed == HEALTH_OBSERVED_DOWN)
        return HEALTH_OBSERVED_DOWN;
    uint32_t want = health__reports_verdict(h, p->endpoint).want;
    if (want == AVAIL_NONE)
        return HEALTH_OBSERVED_DOWN;
    return want < AVAIL_FULL ? HEALTH_OBSERVED_DEGRADED : (enum health_observed)p->observed;
}

/* Its site's judgement follows from what changed here. */
static void changed(struct health *h, struct probed *p)
{
    health__endpoint_recount(h, p->endpoint);
    health__endpoint_judge(h, p->endpoint);
}

static void observe(struct health *h, struct probed *p, enum health_observed to, uint8_t rule,
                    enum log_level level, const char *cause)
{
    uint8_t was = p->observed;
    uint32_t before = p->m.avail;
    char flaps[FLAP_TEXT_MAX] = "";
    if (to == HEALTH_OBSERVED_DOWN && before > 0) { /* as the mover will have it in a moment */
        struct mover_rules r = health__service_rules(h, health__service_of(h, p->endpoint));
        struct mover m = p->m;
        health__flap_falls(&m, &r, h->now_ms);
        health__flap_text(&m, flaps);
    }
    p->observed = (uint8_t)to;
    p->restored = false;
    p->note = 0;
    const char *kind =
        health__is_dependency(h, health__site_of(h, p->endpoint)) ? "dependency " : "";
    struct health_event *e =
        health__event(h, HEALTH_EVENT_ENDPOINT, level, health__place_endpoint(h, p->endpoint), rule,
                      "%s%s %s -> %s rule=%s cause=\"%s\"%s", kind, config_of(h, p)->address,
                      health__observed_name(was), health__observed_name(p->observed),
                      health__rule_name(rule), cause, flaps);
    if (!*kind) /* else it is the region's that moves */
        health__event_moves(e, before, to == HEALTH_OBSERVED_DOWN ? AVAIL_NONE : before);
    e->was = health__observed_name(was);
    e->is = health__observed_name(p->observed);
    e->judged = p->streak;
    e->failed = to == HEALTH_OBSERVED_DOWN ? p->streak : 0;
    changed(h, p);
}

void health__endpoint_fall(struct health *h, struct probed *p)
{
    char cause[HEALTH_TEXT_MAX];
    snprintf(cause, sizeof cause, "%u failure%s in a row%s", p->streak, p->streak == 1 ? "" : "s",
             health__witness_possible(h, health__region_of(h, p->endpoint))
                 ? ""
                 : ", no witness possible");
    health__witness_clear(h, p);
    p->streak_fall = p->streak;
    observe(h, p, HEALTH_OBSERVED_DOWN, RULE_FALL, LOG_NOTICE, cause);
}

static void rise(struct health *h, struct probed *p)
{
    char cause[HEALTH_TEXT_MAX];
    snprintf(cause, sizeof cause, "%u success%s in a row", p->streak, p->streak == 1 ? "" : "es");
    bool down = p->observed == HEALTH_OBSERVED_DOWN;
    struct judged *j = health__judged(h, health__site_of(h, p->endpoint));
    if (down &&
        j->restored) { /* what the site was restored with was about endpoints like this one */
        j->restored = false;
        j->rate_target = AVAIL_FULL;
        j->note = 0;
    }
    observe(h, p, HEALTH_OBSERVED_UP, RULE_RISE, down ? LOG_NOTICE : LOG_INFO, cause);
}

/* Soon, but not in the breath of the probe before it, and after a witness asked at the same time.
 */
void health__endpoint_confirm(struct health *h, struct probed *p, int64_t not_before_ms)
{
    int64_t spacing = probe_of(h, p)->interval_ms / 5;
    if (spacing < CONFIRM_SPACING_MS_MIN)
        spacing = CONFIRM_SPACING_MS_MIN;
    int64_t at = p->last_started_ms + spacing;
    health__action(h, p, at > not_before_ms ? at : not_before_ms);
}

const char *health__target_text(const struct health *h, uint32_t endpoint,
                                char out[TARGET_TEXT_MAX])
{
    const struct health_endpoint_config *c = &h->cfg.endpoint[endpoint];
    const struct health_probe_config *probe = health_probe_of(&h->cfg, endpoint);
    bool v6 = strchr(c->address, ':') != NULL;
    if (probe->port)
        snprintf(out, TARGET_TEXT_MAX, v6 ? "[%.100s]:%u" : "%.100s:%u", c->address, probe->port);
    else
        snprintf(out, TARGET_TEXT_MAX, "%.100s", c->address);
    return out;
}

static void probe_event(struct health *h, const struct probed *p, bool ok, enum log_level level,
                        const char *text, uint32_t of)
{
    const struct health_probe_config *probe = probe_of(h, p);
    char count[32] = "", target[TARGET_TEXT_MAX];
    if (of)
        snprintf(count, sizeof count, " (%u/%u)", p->streak < of ? p->streak : of, of);
    struct health_event *e =
        health__event(h, HEALTH_EVENT_PROBE, level, health__place_endpoint(h, p->endpoint),
                      RULE_PROBE, "probe %.60s %s %s: %.100s%s", probe->name,
                      health__target_text(h, p->endpoint, target), ok ? "ok" : "fail", text, count);
    if (!health__is_dependency(h, health__site_of(h, p->endpoint)))
        health__event_moves(e, p->m.avail, p->m.avail);
}

static void on_failure(struct health *h, struct probed *p, const struct health_sample *s)
{
    const struct health_probe_config *probe = probe_of(h, p);
    bool down = p->observed == HEALTH_OBSERVED_DOWN;
    bool first = p->streak == 0 || p->streak_ok;
    p->streak = first ? 1 : p->streak + (p->streak < UINT32_MAX);
    p->streak_ok = false;
    probe_event(h, p, false, down || p->streak > probe->fall ? LOG_DEBUG : LOG_INFO, s->text,
                down ? 0 : probe->fall);
    if (down)
        return;
    p->note = 0;
    if (first)
        health__witness_streak(h, p, s->started_ms);
    if (p->listed && p->streak + 1 >= probe->fall && p->streak < probe->fall)
        health__witness_seek(h, p); /* so that it is known when the last failure is */
    if (p->streak < probe->fall)
        health__endpoint_confirm(h, p, h->now_ms + CONFIRM_AFTER_WITNESS_MS);
    else
        health__witness_try_fall(h, p);
}

static void on_success(struct health *h, struct probed *p, const struct health_sample *s)
{
    const struct health_probe_config *probe = probe_of(h, p);
    bool down = p->observed == HEALTH_OBSERVED_DOWN;
    bool after_failures = p->streak && !p->streak_ok;
    p->streak = after_failures ? 1 : p->streak + (p->streak < UINT32_MAX);
    p->streak_ok = true;
    p->latency_us =
        p->latency_us ? p->latency_us - p->latency_us / 8 + s->latency_us / 8 : s->latency_us;
    if (after_failures) {
        probe_event(h, p, true, LOG_INFO, s->text, down ? probe->rise : 0);
        health__witness_clear(h, p);
    }
    if (!down && p->restored) {
        p->restored = false;
        p->note = 0;
    }
    struct judged *j = health__judged(h, health__site_of(h, p->endpoint));
    if (j->restored && j->observed_saved <= HEALTH_OBSERVED_UP) { /* it was on its way back */
        j->restored = false;
        j->rate_target = AVAIL_FULL;
        j->note = 0;
    }
    if (p->observed != HEALTH_OBSERVED_UP && p->streak >= probe->rise)
        rise(h, p);
    else if (down)
        health__endpoint_confirm(h, p, h->now_ms);
    /* What is shared may stand next to the prober: it proves nothing of the way to a region. */
    if (!health__is_dependency(h, health__site_of(h, p->endpoint)))
        health__witness_success(h, p, s->started_ms);
}

void health_sample(struct health *h, const struct health_sample *s)
{
    health_advance(h, s->now_ms, s->wall_ms);
    struct probed *p = s->endpoint < h->cfg.endpoints_n ? health__probed(h, s->endpoint) : NULL;
    if (!p || p->silent)
        return;
    uint32_t site = health__site_of(h, s->endpoint);
    struct judged *j = health__judged(h, site);
    if (s->late) /* says something of the prober only */
        return;
    if (s->started_ms > p->last_started_ms)
        p->last_started_ms = s->started_ms;
    snprintf(h->last[p - h->probed], LAST_TEXT_MAX, "%.63s", s->text);
    health__window_roll(h, j);
    health__witness_answered(h, p, s->started_ms);
    if (s->ok) {
        if (!s->confirm && p->in_rate)
            health__window_add(j, p, true);
        on_success(h, p, s);
    } else {
        on_failure(h, p, s);
        if (!s->confirm && p->in_rate && p->listed)
            p->unproven++; /* may be the prober's own: waits for a witness as a fall does */
        else if (!s->confirm && p->in_rate && health__witness_proves(h, p, s->started_ms))
            health__window_add(j, p, false);
    }
    if (!health__is_dependency(h, site))
        health__witness_remember(h, p, s->ok);
    health__witness_settle(h, NULL);
    health__endpoint_judge(h, s->endpoint);
    health__site_judge(h, site);
}
