/* report: what a region's own load balancer says of a region, a site or an endpoint: successes,
 * errors, load. A source is one reporter (by its name) of one of them; each has a window of its own
 * and is judged alone, and the worst fresh one rules.
 *
 *            report, samples enough
 *   NEW ──────────────────────────────> FRESH <──────────┐
 *    ^                                    │  └ each such report
 *    │ an hour later: forgotten           │ nothing judged for fresh_ms
 *    └────────────── STALE <──────────────┘
 *                     judges nothing
 *
 *   transition          function
 *   → FRESH             judge (load: load.c), from health_report
 *   → STALE, forgotten  health__reports_tick, by the item's timer
 *
 * A report with too few samples in the window renews nothing: what was judged before stands, but
 * not for ever. Without that, a region that has been emptied could never come back: nobody is there
 * to succeed. So it returns, by hold and ramp, and what it then reports is judged anew.
 *
 * Nor does silence speak while something waits for a witness: a prober that has lost its network hears
 * no reports either. What was fresh stays so (keep), and once it is over for as long as after a report
 * (health__reports_resume), so that the reporters can be heard before it is judged.
 *
 * A reporter lives in the region that it reports of and its reports have come here, so no other
 * region is asked for a witness; in return what reports move is gradual: safety.c binds it.
 *
 * Slots are taken when first needed. An unprobed endpoint or site gets its state with them. */
#include "engine_priv.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define REPORT_WINDOW_MS_MIN 60000
#define STALE_COVERS 3     /* reports that may be missed */
#define HELD_STEP_MS 10000 /* between two looks while a prober may be deaf */

static uint32_t items_n(const struct health *h)
{
    return h->items_n - 1; /* the last is the isolation verdict */
}

static struct place place_of(const struct health *h, uint32_t item)
{
    uint32_t e = h->cfg.endpoints_n, s = h->cfg.sites_n;
    return item < e       ? health__place_endpoint(h, item)
           : item < e + s ? health__place_site(h, item - e)
                          : health__place_region(item - e - s);
}

static int64_t window_ms(const struct health *h, uint32_t item)
{
    uint32_t e = h->cfg.endpoints_n, s = h->cfg.sites_n;
    if (item < e)
        return health__window_ms(h, health__site_of(h, item));
    if (item < e + s)
        return health__window_ms(h, item - e);
    return h->cfg.window_ms ? h->cfg.window_ms : REPORT_WINDOW_MS_MIN;
}

static void thresholds(const struct health *h, uint32_t item, double *degrade, double *fail)
{
    struct place at = place_of(h, item);
    bool own = at.service != HEALTH_NONE;
    *degrade = own ? h->cfg.service[at.service].config->degrade : h->cfg.degrade;
    *fail = own ? h->cfg.service[at.service].config->fail : h->cfg.fail;
}

/* ------------------------------------------------------------------------------------- sources */

static bool fresh(const struct source *s, int64_t now_ms)
{
    return s->fresh_until_ms > now_ms;
}

static bool idle(const struct source *s, int64_t now_ms)
{
    return !fresh(s, now_ms) && s->load_until_ms <= now_ms;
}

static void release(struct health *h, uint32_t *link)
{
    uint32_t slot = *link;
    *link = h->source[slot].next;
    h->source[slot].next = h->sources_free;
    h->sources_free = slot;
    h->sources_used--;
}

/* Room for one more: a slot of its own, else that of a source of the item that is stale. */
static enum err make(struct health *h, uint32_t item, const char *name, struct source **out)
{
    uint32_t n = 0, *oldest = NULL;
    for (uint32_t *at = &h->source_of[item]; *at; at = &h->source[*at].next) {
        const struct source *s = &h->source[*at];
        n++;
        if (idle(s, h->now_ms) && (!oldest || s->last_ms < h->source[*oldest].last_ms))
            oldest = at;
    }
    if (n >= HEALTH_SOURCES_PER_ITEM || h->sources_used + 1 >= h->sources_cap) {
        if (!oldest)
            return ERR_LIMIT;
        release(h, oldest);
    }
    uint32_t slot = h->sources_free;
    if (slot)
        h->sources_free = h->source[slot].next;
    else
        slot = ++h->sources_top;
    CHECK(slot < h->sources_cap);
    h->sources_used++;
    struct source *s = &h->source[slot];
    *s = (struct source){.item = item, .want = AVAIL_FULL, .load_want = AVAIL_FULL};
    snprintf(s->name, sizeof s->name, "%s", name);
    s->last_ms = s->fresh_until_ms = s->load_until_ms = INT64_MIN / 2;
    int64_t bucket_ms = (window_ms(h, item) + WINDOW_BUCKETS - 1) / WINDOW_BUCKETS;
    s->bucket_ms = bucket_ms > INT32_MAX ? INT32_MAX : (uint32_t)bucket_ms;
    s->bucket = h->now_ms / s->bucket_ms;
    /* In the order they came: the first of two equally bad ones rules. */
    uint32_t *at = &h->source_of[item];
    while (*at)
        at = &h->source[*at].next;
    *at = slot;
    *out = s;
    return ERR_OK;
}

static enum err source_named(struct health *h, uint32_t item, const char *name, struct source **out)
{
    for (uint32_t at = h->source_of[item]; at; at = h->source[at].next)
        if (strcmp(h->source[at].name, name) == 0) {
            *out = &h->source[at];
            return ERR_OK;
        }
    return make(h, item, name, out);
}

static void roll(struct health *h, struct source *s)
{
    int64_t bucket = h->now_ms / s->bucket_ms, gone = bucket - s->bucket;
    if (gone > WINDOW_BUCKETS)
        gone = WINDOW_BUCKETS;
    for (int64_t k = 0; k < gone; k++) {
        size_t at = (size_t)((bucket - k) % WINDOW_BUCKETS);
        s->n[at] = s->fail[at] = 0;
    }
    s->bucket = gone > 0 ? bucket : s->bucket;
}

/* One bucket holds at most UINT32_MAX: what a report may say is far below it. */
static void add(struct source *s, const struct health_report *r)
{
    size_t at = (size_t)(s->bucket % WINDOW_BUCKETS);
    uint64_t n = (uint64_t)s->n[at] + r->ok + r->errors;
    if (n > UINT32_MAX)
        return;
    s->n[at] = (uint32_t)n;
    s->fail[at] += (uint32_t)r->errors;
}

static void judge(struct health *h, struct source *s, int64_t covered_ms)
{
    double degrade, fail;
    uint64_t n = 0, failed = 0;
    for (size_t i = 0; i < WINDOW_BUCKETS; i++) {
        n += s->n[i];
        failed += s->fail[i];
    }
    s->seen = n;
    if (n < h->cfg.samples_min)
        return;
    thresholds(h, s->item, &degrade, &fail);
    s->judged_n = n;
    s->judged_fail = failed;
    s->low = health__wilson_low(failed, n);
    s->want = health__degraded(s->low, degrade, fail);
    int64_t window = (int64_t)s->bucket_ms * WINDOW_BUCKETS;
    int64_t most = STALE_COVERS * covered_ms;
    s->fresh_until_ms = h->now_ms + (most > window ? most : window);
}

/* -------------------------------------------------------------------------------------- verdicts */

struct verdict health__reports_verdict(const struct health *h, uint32_t item)
{
    struct verdict v = {.want = AVAIL_FULL, .load = AVAIL_FULL};
    for (uint32_t at = h->source_of[item]; at; at = h->source[at].next) {
        const struct source *s = &h->source[at];
        if (fresh(s, h->now_ms) && s->want < v.want) {
            v.want = s->want;
            v.by = s;
        }
        if (s->load_until_ms > h->now_ms && s->load_want < v.load) {
            v.load = s->load_want;
            v.load_by = s;
        }
    }
    return v;
}

struct proof health__reports_proof(const struct source *s)
{
    return (struct proof){.source = s->name,
                          .n = s->judged_n,
                          .fail = s->judged_fail,
                          .low = s->low,
                          .window_ms = (int64_t)s->bucket_ms * WINDOW_BUCKETS};
}

static int64_t next_due(const struct source *s, int64_t now_ms)
{
    int64_t due = s->last_ms + HEALTH_SOURCE_FORGET_MS;
    if (due <= now_ms)
        due = now_ms + HELD_STEP_MS;
    if (s->fresh_until_ms > now_ms && s->fresh_until_ms < due)
        due = s->fresh_until_ms;
    if (s->load_until_ms > now_ms && s->load_until_ms < due)
        due = s->load_until_ms;
    return due;
}

void health__reports_due(const struct health *h, uint32_t item, int64_t *due_ms)
{
    for (uint32_t at = h->source_of[item]; at; at = h->source[at].next) {
        int64_t due = next_due(&h->source[at], h->now_ms);
        if (due < *due_ms)
            *due_ms = due;
    }
}

static void say_stale(struct health *h, const struct source *s)
{
    char span[TIME_TEXT_MAX];
    struct place at = place_of(h, s->item);
    const char *address = at.endpoint == HEALTH_NONE ? "" : h->cfg.endpoint[at.endpoint].address;
    health__event(h, HEALTH_EVENT_REPORT, s->want < AVAIL_FULL ? LOG_NOTICE : LOG_INFO, at,
                  RULE_REPORT,
                  "%s%sreports stale source=%s cause=\"last one %s ago, n=%llu in the window\" "
                  "effect=\"not judged any more\"",
                  address, *address ? " " : "", s->name,
                  duration_format_rough(h->now_ms - s->last_ms, span), (unsigned long long)s->seen);
}

/* The prober may be the one that hears nothing. */
static bool held(const struct health *h)
{
    return h->ready_n > 0;
}

static void keep(struct source *s, int64_t now_ms)
{
    if (s->fresh_said && !fresh(s, now_ms))
        s->fresh_until_ms = now_ms + HELD_STEP_MS;
    if (s->load_want < AVAIL_FULL && s->load_until_ms <= now_ms)
        s->load_until_ms = now_ms + HELD_STEP_MS;
}

void health__reports_resume(struct health *h)
{
    for (uint32_t i = 1; i <= h->sources_top; i++) {
        struct source *s = &h->source[i];
        int64_t until = h->now_ms + (int64_t)s->bucket_ms * WINDOW_BUCKETS;
        if (fresh(s, h->now_ms) && s->fresh_until_ms < until)
            s->fresh_until_ms = until;
        if (s->load_until_ms > h->now_ms && s->load_until_ms < until)
            s->load_until_ms = until;
    }
}

/* What has become stale says so once; what is forgotten gives its slot back. */
void health__reports_tick(struct health *h, uint32_t item)
{
    if (held(h)) {
        for (uint32_t i = h->source_of[item]; i; i = h->source[i].next)
            keep(&h->source[i], h->now_ms);
        return;
    }
    uint32_t *at = &h->source_of[item];
    while (*at) {
        struct source *s = &h->source[*at];
        if (s->fresh_said && !fresh(s, h->now_ms)) {
            s->fresh_said = false;
            say_stale(h, s);
        }
        if (s->load_until_ms <= h->now_ms)
            s->load_want = AVAIL_FULL;
        if (s->last_ms + HEALTH_SOURCE_FORGET_MS <= h->now_ms && idle(s, h->now_ms))
            release(h, at);
        else
            at = &s->next;
    }
}

/* ---------------------------------------------------------------------------------------- intake */

static void say_report(struct health *h, struct source *s, const struct health_report *r)
{
    struct place at = place_of(h, s->item);
    const char *address = at.endpoint == HEALTH_NONE ? "" : h->cfg.endpoint[at.endpoint].address;
    char latency[80] = "", load[64] = "", covers[TIME_TEXT_MAX + 8] = "", span[TIME_TEXT_MAX];
    if (r->p50_us)
        snprintf(latency, sizeof latency, " p50=%.1fms", r->p50_us / 1000.0);
    if (r->p99_us) {
        size_t n = strlen(latency);
        snprintf(latency + n, sizeof latency - n, " p99=%.1fms", r->p99_us / 1000.0);
    }
    if (r->has_load)
        snprintf(load, sizeof load, " load=%.1f%%", 100 * s->load);
    if (r->covered_ms)
        snprintf(covers, sizeof covers, " over=%s", duration_format(r->covered_ms, span));
    bool begins = !s->fresh_said && fresh(s, h->now_ms);
    health__event(h, HEALTH_EVENT_REPORT, begins ? LOG_INFO : LOG_DEBUG, at, RULE_REPORT,
                  "%s%sreport source=%s ok=%llu errors=%llu%s%s%s%s", address, *address ? " " : "",
                  s->name, (unsigned long long)r->ok, (unsigned long long)r->errors, latency, load,
                  covers, begins ? " fresh" : "");
    s->fresh_said |= begins;
}

static bool bounded(const struct health *h, const struct health_report *r)
{
    bool place = r->region < h->cfg.regions_n &&
                 (r->site == HEALTH_NONE ||
                  (r->site < h->cfg.sites_n && h->cfg.site[r->site].region == r->region)) &&
                 (r->endpoint == HEALTH_NONE ||
                  (r->endpoint < h->cfg.endpoints_n && health__site_of(h, r->endpoint) == r->site));
    size_t n = r->source ? strnlen(r->source, HEALTH_SOURCE_MAX) : 0;
    return place && n > 0 && n < HEALTH_SOURCE_MAX && r->ok <= HEALTH_REPORT_COUNT_MAX &&
           r->errors <= HEALTH_REPORT_COUNT_MAX && r->covered_ms >= 0 &&
           r->covered_ms <= HEALTH_REPORT_COVERED_MS_MAX &&
           (!r->has_load || (r->utilisation >= 0 && r->utilisation <= HEALTH_REPORT_LOAD_MAX &&
                             r->site == HEALTH_NONE));
}

static uint32_t item_of(const struct health *h, const struct health_report *r)
{
    if (r->endpoint != HEALTH_NONE)
        return r->endpoint;
    if (r->site != HEALTH_NONE)
        return h->cfg.endpoints_n + r->site;
    return h->cfg.endpoints_n + h->cfg.sites_n + r->region;
}

static void judge_item(struct health *h, uint32_t item)
{
    uint32_t e = h->cfg.endpoints_n, s = h->cfg.sites_n;
    if (item < e) {
        health__endpoint_judge(h, item);
        health__site_judge(h, health__site_of(h, item));
    } else if (item < e + s) {
        health__site_judge(h, item - e);
    } else {
        health__region_judge(h, item - e - s);
    }
}

enum err health_report(struct health *h, const struct health_report *r)
{
    health_advance(h, r->now_ms, r->wall_ms);
    if (!bounded(h, r))
        return ERR_INVALID;
    uint32_t item = item_of(h, r);
    struct source *s;
    enum err e = health__reports_place(h, item);
    if (!e)
        e = source_named(h, item, r->source, &s);
    if (e)
        return e;
    int64_t covered_ms = r->covered_ms;
    if (!covered_ms && s->last_ms > 0 && h->now_ms - s->last_ms < HEALTH_REPORT_COVERED_MS_MAX)
        covered_ms = h->now_ms - s->last_ms;
    s->last_ms = h->now_ms;
    s->covered_ms = covered_ms;
    s->last_n = r->ok + r->errors;
    s->last_fail = r->errors;
    s->p50_us = r->p50_us;
    s->p99_us = r->p99_us;
    roll(h, s);
    add(s, r);
    judge(h, s, covered_ms);
    if (r->has_load) {
        s->load = r->utilisation;
        s->load_ms = h->now_ms;
        int64_t window = window_ms(h, item), most = STALE_COVERS * covered_ms;
        s->load_until_ms = h->now_ms + (most > window ? most : window);
        health__load_judge(h, item - h->cfg.endpoints_n - h->cfg.sites_n, s);
    }
    say_report(h, s, r);
    judge_item(h, item);
    return ERR_OK;
}

/* ---------------------------------------------------------------------------------- taken over */

void health__reports_adopt(struct health *h, uint32_t item, const struct health *old,
                           uint32_t old_item)
{
    if (!old->source_of[old_item] || health__reports_place(h, item))
        return;
    for (uint32_t at = old->source_of[old_item]; at; at = old->source[at].next) {
        const struct source *from = &old->source[at];
        struct source *s;
        if (make(h, item, from->name, &s))
            return;
        uint32_t next = s->next;
        *s = *from;
        s->item = item;
        s->next = next;
    }
}

bool health_region_load(const struct health *h, uint32_t region, double *utilisation,
                        int64_t *at_ms)
{
    const struct source *worst = NULL;
    uint32_t item = h->cfg.endpoints_n + h->cfg.sites_n + region;
    for (uint32_t at = h->source_of[item]; at; at = h->source[at].next) {
        const struct source *s = &h->source[at];
        if (s->load_until_ms > h->now_ms && (!worst || s->load > worst->load))
            worst = s;
    }
    if (!worst)
        return false;
    *utilisation = worst->load;
    *at_ms = worst->load_ms;
    return true;
}

bool health_source_show(const struct health *h, const struct health_report *place, uint32_t nth,
                        struct health_source_view *out)
{
    uint32_t item = item_of(h, place), at = item < items_n(h) ? h->source_of[item] : 0;
    for (uint32_t i = 0; at && i < nth; i++)
        at = h->source[at].next;
    if (!at)
        return false;
    const struct source *s = &h->source[at];
    memset(out, 0, sizeof *out);
    snprintf(out->source, sizeof out->source, "%s", s->name);
    out->fresh = fresh(s, h->now_ms);
    out->samples = s->judged_n;
    out->failures = s->judged_fail;
    out->error_rate = s->judged_n ? (double)s->judged_fail / (double)s->judged_n : 0;
    out->error_rate_low = s->low;
    out->has_load = s->load_until_ms > h->now_ms;
    out->utilisation = s->load;
    out->p50_us = s->p50_us;
    out->p99_us = s->p99_us;
    out->age_ms = h->now_ms - s->last_ms;
    out->covered_ms = s->covered_ms;
    out->last_samples = s->last_n;
    out->last_failures = s->last_fail;
    uint32_t load = out->has_load ? s->load_want : AVAIL_FULL;
    out->want = out->fresh && s->want < load ? s->want : load;
    return true;
}
