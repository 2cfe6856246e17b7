/* show: what status prints. Set, observed and effective are three things and stay three. */
#include "engine_priv.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void say(char out[HEALTH_TEXT_MAX], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void say(char out[HEALTH_TEXT_MAX], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out, HEALTH_TEXT_MAX, fmt, ap);
    va_end(ap);
}

/* "ana until 2026-11-22T12:00:00Z: db move" */
static void say_order(char out[HEALTH_TEXT_MAX], const struct order *o)
{
    char until[TIME_TEXT_MAX], when[TIME_TEXT_MAX + 8] = "";
    if (o->until_wall_ms)
        snprintf(when, sizeof when, " until %s", time_format_s(o->until_wall_ms, until));
    const char *verb = o->state == HEALTH_AUTO ? " (on its way back)" : "";
    char who[sizeof o->author + 16];
    if (o->maintenance)
        snprintf(who, sizeof who, "maintenance %u", o->maintenance);
    else
        snprintf(who, sizeof who, "%s", *o->author ? o->author : "override");
    say(out, "%s%s%s%s%s", who, when, verb, *o->reason ? ": " : "", o->reason);
}

/* The way up, where there is one to tell of. */
static bool say_return(const struct health *h, char out[HEALTH_TEXT_MAX], const struct mover *m,
                       const struct mover_rules *r)
{
    char span[TIME_TEXT_MAX], flaps[32] = "";
    int64_t from = m->hold_until_ms;
    if (m->target <= m->avail)
        return false;
    if (m->ramping) {
        say(out, "back, ramp over %s", duration_format(r->ramp_ms, span));
        return true;
    }
    if (m->wait == WAIT_RELEASE) {
        say(out, "good again, kept out by failback=hold until released");
        return true;
    }
    if (m->wait == WAIT_AFTER)
        from = m->good_since_ms + r->after_ms;
    if (m->wait == WAIT_NONE)
        return false;
    int64_t left_s = (from - h->now_ms + 999) / 1000;
    if (m->wait == WAIT_HOLD && m->flaps > 1)
        snprintf(flaps, sizeof flaps, ", %u falls in a row", m->flaps);
    say(out, "good again, %s for %s%s", m->wait == WAIT_AFTER ? "failback after waits" : "held",
        duration_format_rough((left_s < 0 ? 0 : left_s) * 1000, span), flaps);
    return true;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* "error rate 30.6%, reported by haproxy, would be 0.00, blocked by min-regions" */
static void say_reported(char out[HEALTH_TEXT_MAX], const struct source *s, uint32_t want,
                         const struct held *held)
{
    char blocked[64] = "";
    double rate = s->judged_n ? 100.0 * (double)s->judged_fail / (double)s->judged_n : 0;
    if (held->by != RULE_NONE)
        snprintf(blocked, sizeof blocked, ", would be %.2f, blocked by %s", avail_to_double(want),
                 health__rule_name(held->by));
    say(out, "error rate %.1f%%, reported by %s%s", rate, s->name, blocked);
}

static void endpoint_why(const struct health *h, const struct probed *p, char out[HEALTH_TEXT_MAX])
{
    const struct health_probe_config *probe = health_probe_of(&h->cfg, p->endpoint);
    struct mover_rules r = health__service_rules(h, health__service_of(h, p->endpoint));
    const char *last = h->last[p - h->probed];
    bool failing = p->streak && !p->streak_ok;
    struct verdict v = health__reports_verdict(h, p->endpoint);
    if (p->note)
        say(out, "%s", h->note[p->note]);
    else if (failing && p->observed != HEALTH_OBSERVED_DOWN && p->streak >= probe->fall)
        say(out, "%s: %u failures in a row: %s", h->isolated ? "isolated" : "waits for a witness",
            p->streak, last);
    else if (failing)
        say(out, "%u failure%s in a row: %s", p->streak, p->streak == 1 ? "" : "s", last);
    else if (p->observed == HEALTH_OBSERVED_DOWN)
        say(out, "down by %u failures, %u of %u successes", p->streak_fall, p->streak, probe->rise);
    else if (v.by && v.want < p->m.avail + avail_from_double(h->cfg.dead_band))
        say_reported(out, v.by, v.want, &p->held);
    else if (!say_return(h, out, &p->m, &r))
        say(out, "-");
}

void health_endpoint_show(const struct health *h, uint32_t endpoint,
                          struct health_endpoint_view *out)
{
    memset(out, 0, sizeof *out);
    const struct probed *p = health__probed(h, endpoint);
    const struct order *o = health__endpoint_order(h, endpoint);
    uint32_t site = health__site_of(h, endpoint), region = health__region_of(h, endpoint);
    const struct judged *j = health__judged(h, site);
    uint32_t own = health_endpoint_word(h, endpoint) & HEALTH_WORD_AVAIL;
    uint32_t at_site = health_site_word(h, site) & HEALTH_WORD_AVAIL;
    uint32_t at_region = h->region_word[region] & HEALTH_WORD_AVAIL;
    out->set = o ? (enum health_override)o->state : HEALTH_AUTO;
    out->effective = least(own, least(at_site, at_region));
    out->observed = p ? health__endpoint_observed(h, p) : HEALTH_OBSERVED_UP;
    out->since_wall_ms = p ? p->m.since_wall_ms : h->created_wall_ms;
    if (o)
        out->since_wall_ms = o->since_wall_ms;
    else if (at_site < own && at_site <= at_region && j)
        out->since_wall_ms = j->m.since_wall_ms;
    else if (at_region < own)
        out->since_wall_ms = h->region[region].m.since_wall_ms;
    say(out->why, "-");
    if (p) {
        out->streak = p->streak;
        out->streak_ok = p->streak_ok;
        out->latency_us = p->latency_us;
        out->outages = health__outages(&p->out, &p->m, h->now_ms);
        snprintf(out->last, sizeof out->last, "%s", h->last[p - h->probed]);
        endpoint_why(h, p, out->why);
    }
    if (o)
        say_order(out->why, o);
}

static void site_why(const struct health *h, const struct judged *j, char out[HEALTH_TEXT_MAX])
{
    struct mover_rules r = health__service_rules(h, h->cfg.site[j->site].service);
    struct verdict v = health__reports_verdict(h, h->cfg.endpoints_n + j->site);
    bool soft = j->evidence_rule == RULE_DEGRADE && j->reported && v.by;
    if (j->note)
        say(out, "%s", h->note[j->note]);
    else if (j->evidence == AVAIL_NONE && j->evidence_rule == RULE_FALL)
        say(out, "no endpoint up");
    else if (j->evidence == AVAIL_NONE && j->evidence_rule == RULE_PANIC)
        say(out, "%u of %u endpoints up", j->up_n, j->on_n);
    else if (soft && (j->held.by != RULE_NONE || j->evidence <= j->m.avail))
        say_reported(out, v.by, j->evidence, &j->held);
    else if (j->held.by != RULE_NONE && j->evidence < j->m.avail)
        say(out, "error rate %.1f%%, would be %.2f, blocked by %s",
            j->n ? 100.0 * j->fail / j->n : 0, avail_to_double(j->evidence),
            health__rule_name(j->held.by));
    else if (j->held.by == RULE_MAX_MOVE && j->m.ramping)
        say(out, "back, no faster than max-move %.0f%% a minute",
            100 * h->cfg.service[h->cfg.site[j->site].service].config->max_move);
    else if (say_return(h, out, &j->m, &r))
        return;
    else if (j->evidence < AVAIL_FULL && j->m.avail < AVAIL_FULL)
        say(out, "error rate over %lld s", (long long)j->bucket_ms * WINDOW_BUCKETS / 1000);
    else
        say(out, "-");
}

static void region_why(const struct health *h, uint32_t region, char out[HEALTH_TEXT_MAX])
{
    const struct region *r = &h->region[region];
    struct verdict v = health__reports_verdict(h, h->cfg.endpoints_n + h->cfg.sites_n + region);
    uint32_t want = v.want < v.load ? v.want : v.load;
    bool down = want <= r->m.avail || r->held.by != RULE_NONE;
    uint32_t on = health_dependency(h, region);
    const struct probed *p = on == HEALTH_NONE ? NULL : health__probed(h, on);
    char target[TARGET_TEXT_MAX];
    if (r->note)
        say(out, "%s", h->note[r->note]);
    else if (p && p->observed == HEALTH_OBSERVED_DOWN)
        say(out, "depends on %.60s %s, which is down%s", health_probe_of(&h->cfg, on)->name,
            health__target_text(h, on, target), r->stranded ? ": blocked by last-region" : "");
    else if (r->zero_n >= 2 && r->zero_n * 2 > r->judged_n)
        say(out, "%u of %u services down", r->zero_n, r->judged_n);
    else if (v.by && v.want <= v.load && down)
        say_reported(out, v.by, v.want, &r->held);
    else if (v.load_by && down)
        say(out, "utilisation %.0f%%, reported by %s", 100 * v.load_by->load, v.load_by->name);
    else if (!say_return(h, out, &r->m, &r->rules))
        say(out, "-");
}

static uint32_t site_latency(const struct health *h, uint32_t site)
{
    const struct health_site_config *s = &h->cfg.site[site];
    uint64_t sum = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->endpoint_n; i++) {
        const struct probed *p = health__probed(h, s->endpoint_first + i);
        if (p && p->latency_us) {
            sum += p->latency_us;
            n++;
        }
    }
    return n ? (uint32_t)(sum / n) : 0;
}

/* The rate that is shown is that of the source that rules. */
static void worst_reported(const struct source *s, struct health_site_view *out)
{
    if (!s || s->low <= out->error_rate_low)
        return;
    out->error_rate = (double)s->judged_fail / (double)s->judged_n;
    out->error_rate_low = s->low;
    out->samples = s->judged_n > UINT32_MAX ? UINT32_MAX : (uint32_t)s->judged_n;
    out->failures = s->judged_fail > UINT32_MAX ? UINT32_MAX : (uint32_t)s->judged_fail;
}

void health_site_show(const struct health *h, uint32_t site, struct health_site_view *out)
{
    memset(out, 0, sizeof *out);
    const struct judged *j = health__judged(h, site);
    const struct health_site_config *s = &h->cfg.site[site];
    uint32_t region = h->region_word[s->region] & HEALTH_WORD_AVAIL, best = 0;
    for (uint32_t i = 0; i < s->endpoint_n; i++) {
        uint32_t e = health_endpoint_word(h, s->endpoint_first + i) & HEALTH_WORD_AVAIL;
        best = e > best ? e : best;
    }
    out->effective = least(best, least(health_site_word(h, site) & HEALTH_WORD_AVAIL, region));
    out->moving = h->region[s->region].moving;
    out->observed = HEALTH_OBSERVED_UP;
    out->since_wall_ms = h->created_wall_ms;
    out->latency_us = site_latency(h, site);
    say(out->why, "-");
    if (j) {
        out->observed = health__site_observed(h, j);
        out->samples = j->n;
        out->failures = j->fail;
        out->error_rate = j->n ? (double)j->fail / j->n : 0;
        out->error_rate_low = health__wilson_low(j->fail, j->n);
        worst_reported(health__reports_verdict(h, h->cfg.endpoints_n + site).by, out);
        out->since_wall_ms = j->m.since_wall_ms;
        out->outages = health__outages(&j->out, &j->m, h->now_ms);
        site_why(h, j, out->why);
        out->moving |= j->moving;
    }
    for (uint32_t i = 0; i < s->endpoint_n; i++) {
        const struct probed *p = health__probed(h, s->endpoint_first + i);
        out->moving |= p && p->moving;
    }
    const struct order *o = health__region_order(h, s->region);
    if (o) {
        say_order(out->why, o);
        out->since_wall_ms = o->since_wall_ms;
    } else if (h->region[s->region].m.avail < (j ? j->m.avail : AVAIL_FULL)) {
        out->since_wall_ms = h->region[s->region].m.since_wall_ms;
        char why[HEALTH_TEXT_MAX];
        region_why(h, s->region, why);
        say(out->why, "the whole region: %.*s", HEALTH_TEXT_MAX - 20, why);
    }
}

/* The region's rate, latency and state are those of all that is probed in it. */
static void region_sums(const struct health *h, uint32_t region, struct health_region_view *out)
{
    uint64_t n = 0, fail = 0, latency = 0;
    uint32_t with_latency = 0, lowest = 0, sites = 0, known = 0, degraded = 0;
    for (uint32_t i = h->region_site_first[region]; i < h->region_site_first[region + 1]; i++) {
        const struct judged *j = health__judged(h, h->region_site[i]);
        if (!j)
            continue;
        uint32_t us = site_latency(h, j->site);
        enum health_observed o = health__site_observed(h, j);
        n += j->n;
        fail += j->fail;
        latency += us;
        with_latency += us > 0;
        sites++;
        known += o != HEALTH_OBSERVED_UNKNOWN;
        lowest += o == HEALTH_OBSERVED_DOWN;
        degraded += o == HEALTH_OBSERVED_DEGRADED;
    }
    out->error_rate = n ? (double)fail / (double)n : 0;
    out->latency_us = with_latency ? (uint32_t)(latency / with_latency) : 0;
    if (sites && lowest == sites)
        out->observed = HEALTH_OBSERVED_DOWN;
    else if (lowest || degraded)
        out->observed = HEALTH_OBSERVED_DEGRADED;
    else
        out->observed = sites && !known ? HEALTH_OBSERVED_UNKNOWN : HEALTH_OBSERVED_UP;
}

void health_region_show(const struct health *h, uint32_t region, struct health_region_view *out)
{
    memset(out, 0, sizeof *out);
    const struct region *r = &h->region[region];
    const struct order *o = health__region_order(h, region);
    region_sums(h, region, out);
    struct verdict v = health__reports_verdict(h, h->cfg.endpoints_n + h->cfg.sites_n + region);
    uint32_t on = health_dependency(h, region);
    if (r->m.target == AVAIL_NONE || v.want == AVAIL_NONE ||
        (on != HEALTH_NONE && health__probed(h, on)->observed == HEALTH_OBSERVED_DOWN))
        out->observed = HEALTH_OBSERVED_DOWN;
    else if (v.by || v.load_by)
        out->observed = HEALTH_OBSERVED_DEGRADED;
    if (v.by) {
        double rate = (double)v.by->judged_fail / (double)v.by->judged_n;
        out->error_rate = rate > out->error_rate ? rate : out->error_rate;
    }
    out->effective = h->region_word[region] & HEALTH_WORD_AVAIL;
    out->since_wall_ms = r->m.since_wall_ms;
    out->outages = health__outages(&r->out, &r->m, h->now_ms);
    region_why(h, region, out->why);
    if (!o)
        return;
    out->set = (enum health_override)o->state;
    out->set_to = o->to;
    out->set_until_wall_ms = o->until_wall_ms;
    out->set_maintenance = o->maintenance;
    out->since_wall_ms = o->since_wall_ms;
    snprintf(out->set_author, sizeof out->set_author, "%s", o->author);
    snprintf(out->set_reason, sizeof out->set_reason, "%s", o->reason);
    say_order(out->why, o);
}

static bool waits(const struct health *h, const struct mover *m, const struct mover_rules *r,
                  int64_t good_ms)
{
    int64_t least = good_ms > r->hold_ms ? good_ms : r->hold_ms;
    return m->target == AVAIL_FULL && m->avail < AVAIL_FULL &&
           (m->ramping || m->wait == WAIT_HOLD) && m->good_since_ms != NEVER_MS &&
           h->now_ms - m->good_since_ms >= least && h->now_ms - m->fell_ms >= r->hold_ms;
}

bool health_waits(const struct health *h, uint8_t level, uint32_t index, int64_t good_ms)
{
    if (level == 2)
        return waits(h, &h->region[index].m, &h->region[index].rules, good_ms);
    uint32_t site = level == 1 ? index : health__site_of(h, index);
    struct mover_rules r = health__service_rules(h, h->cfg.site[site].service);
    const struct judged *j = level == 1 ? health__judged(h, index) : NULL;
    const struct probed *p = level == 0 ? health__probed(h, index) : NULL;
    return level == 1 ? j && waits(h, &j->m, &r, good_ms) : p && waits(h, &p->m, &r, good_ms);
}

bool health_ordered(const struct health *h, uint8_t level, uint32_t index)
{
    return level == 2 ? health__region_order(h, index) != NULL
                      : level == 0 && health__endpoint_order(h, index) != NULL;
}

int64_t health_failing_since_ms(const struct health *h, uint32_t endpoint)
{
    const struct probed *p = health__probed(h, endpoint);
    bool fails = p && p->observed == HEALTH_OBSERVED_DOWN && p->streak && !p->streak_ok;
    return fails ? p->first_started_ms : INT64_MIN;
}
