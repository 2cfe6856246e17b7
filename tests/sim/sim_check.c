#include "sim.h"

#include "base/hash.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_MS 600000

void sim_check_board_reset(struct sim *s)
{
    const struct health_config *c = &sim_config(s)->cfg;
    struct health_change change;
    while (health_take_changes(s->h, &change, 1))
        ;
    for (uint32_t i = 0; i < c->endpoints_n; i++)
        s->endpoint_board[i] = health_endpoint_word(s->h, i);
    for (uint32_t i = 0; i < c->sites_n; i++)
        s->site_board[i] = health_site_word(s->h, i);
    for (uint32_t i = 0; i < c->regions_n; i++)
        s->region_board[i] = health_region_word(s->h, i);
    for (uint32_t i = 0; i < c->services_n; i++)
        s->ttl_board[i] = health_service_ttl_s(s->h, i);
}

static void witness(struct sim *s, uint32_t region, int64_t started)
{
    s->unwitnessed = false;
    for (uint32_t i = 0; i < s->ids; i++) {
        struct truth *t = &s->t[i];
        if (!t->streak || t->streak_ok || t->witnessed)
            continue;
        t->witnessed = id_region(s, i) != region && t->first_fail < started;
        s->unwitnessed |= !t->witnessed;
    }
}

void sim_check_sample(struct sim *s, uint32_t id, bool ok, bool real, int64_t started)
{
    struct truth *t = &s->t[id];
    if (ok) {
        t->streak = t->streak_ok ? t->streak + 1 : 1;
        t->streak_ok = true;
        if (s->unwitnessed)
            witness(s, id_region(s, id), started);
        return;
    }
    if (t->streak == 0 || t->streak_ok) {
        t->streak = 0;
        t->streak_ok = t->witnessed = t->streak_real = false;
        t->first_fail = sim_seen(s);
        s->unwitnessed = true;
    }
    t->streak++;
    t->streak_real |= real;
    if (real)
        s->site_real_fail[id_site(s, id)] = sim_seen(s);
}

/* A crash while all else is well is out within the promise. */
void sim_check_crash(struct sim *s, uint32_t id)
{
    const struct health_probe_config *c = &s->proto;
    if (s->t[id].unprobed) {
        sim_check_cancel_promises(s); /* nobody will notice, but it may be a witness that fails */
        return;
    }
    bool quiet = !s->isolated && !s->any_cut && s->now - s->any_cut_last > QUIET_MS &&
                 sim_mono(s) >= s->mono_floor && s->loss == 0 && s->late == 0 &&
                 s->now - s->isolated_last > 2 * (int64_t)c->interval_ms && s->t[id].present;
    for (uint32_t i = 0; i < s->ids; i++)
        quiet &= id_region(s, i) == id_region(s, id) || s->t[i].fault == FAULT_NONE;
    if (!quiet) {
        sim_check_cancel_promises(s);
        return;
    }
    int64_t a = (int64_t)c->fall * c->interval_ms;
    int64_t b = c->interval_ms + (int64_t)c->fall * c->timeout_ms;
    s->t[id].promise_at = s->now + (a > b ? a : b) + 1000;
    if (s->t[id].promise_at < s->promise_next)
        s->promise_next = s->t[id].promise_at;
}

void sim_check_cancel_promises(struct sim *s)
{
    for (uint32_t i = 0; i < s->ids; i++)
        s->t[i].promise_at = INT64_MAX;
}

void sim_check_forget_streaks(struct sim *s)
{
    sim_check_cancel_promises(s);
    for (uint32_t i = 0; i < s->ids; i++)
        s->t[i].streak = 0;
}

static void check_promises(struct sim *s)
{
    if (s->promise_next > s->now)
        return;
    s->promise_next = INT64_MAX;
    for (uint32_t i = 0; i < s->ids; i++) {
        if (s->t[i].promise_at > s->now) {
            if (s->t[i].promise_at < s->promise_next)
                s->promise_next = s->t[i].promise_at;
            continue;
        }
        s->t[i].promise_at = INT64_MAX;
        struct health_endpoint_view v;
        health_endpoint_show(s->h, sim_config(s)->endpoint_of[i], &v);
        if (v.observed != HEALTH_OBSERVED_DOWN)
            sim_fail(s, "%s crashed and is not out within the promise (%s)", s->names[2][i], v.why);
    }
}

static uint32_t key_of(const uint32_t *number_of, uint32_t number, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (number_of[i] == number)
            return i;
    return HEALTH_NONE;
}

void sim_check_item_init(struct item *it)
{
    *it = (struct item){.avail = AVAIL_FULL,
                        .down_at = INT64_MIN / 2,
                        .up_at = INT64_MIN / 2,
                        .returned_at = INT64_MAX};
}

static void vague(struct item *it, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        it[i].vague |= it[i].flaps > 0;
}

/* What was due in the time that is missing is told late, as of when it was due. */
void sim_check_leapt(struct sim *s)
{
    s->leapt_at = sim_seen(s);
    vague(s->endpoint_item, s->ids);
    vague(s->site_item, s->services * s->regions);
    vague(s->region_item, s->regions);
}

static void forget_flaps(struct item *it, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        it[i].flaps = 0;
        it[i].vague = false;
        it[i].returned_at = INT64_MAX;
    }
}

/* Falls in a row are not saved; counts of outages are, to the millisecond. */
void sim_check_forget_flaps(struct sim *s)
{
    forget_flaps(s->endpoint_item, s->ids);
    forget_flaps(s->site_item, s->services * s->regions);
    forget_flaps(s->region_item, s->regions);
}

#define VAGUE_MS 20000 /* a return begins before its first event */

static bool near(int64_t a, int64_t b)
{
    return a > b - VAGUE_MS && a < b + VAGUE_MS;
}

/* The rule of docs/failover.md, "Flap damping", once more. */
static void mirror_fall(struct sim *s, struct item *it, const struct health_event *e,
                        int64_t hold_ms)
{
    bool back = it->returned_at != INT64_MAX;
    int64_t from = back ? it->returned_at : it->down_at;
    int64_t most = 16 * hold_ms < 3600000 ? 16 * hold_ms : 3600000;
    most = most < hold_ms ? hold_ms : most;
    int64_t known = it->vague ? most : it->held; /* it may have been doubled more often */
    int64_t still = known > QUIET_MS ? known : QUIET_MS;
    int64_t soon = it->down_at + (it->held > QUIET_MS ? it->held : QUIET_MS);
    /* A region's return may be held back by its load for long before its first event. */
    bool region = e->service == HEALTH_NONE && back;
    int64_t first = it->down_at + it->held;
    int64_t earliest = region && first < from ? first : from;
    bool far = it->trough == 0 || e->before - it->trough >= AVAIL_FULL / 4;
    /* Without a return in the log one may have begun just now. */
    bool vague = it->flaps && (near(sim_seen(s) - from, still) ||
                               (back ? near(it->returned_at, soon) : sim_seen(s) - from > still) ||
                               (sim_seen(s) - earliest > still) != (sim_seen(s) - from > still) ||
                               (earliest <= soon) != (from <= soon));
    if (sim_seen(s) - from > still) {
        it->flaps = 0;
        it->vague = false;
    }
    it->vague |= vague;
    if (it->flaps == 0)
        it->flaps = 1;
    else if (back && it->returned_at <= soon && far)
        it->flaps++;
    it->held = hold_ms;
    for (uint32_t i = 1; i < it->flaps && it->held < most && !it->vague; i++)
        it->held *= 2;
    it->held = it->held < most ? it->held : most;
    it->returned_at = INT64_MAX;
    const char *said = strstr(e->text, " flaps=");
    uint32_t flaps = said ? (uint32_t)strtoul(said + 7, NULL, 10) : 1;
    s->flaps += flaps > 1;
    if (!it->vague && flaps != it->flaps)
        sim_fail(s, "%u falls in a row, and the log says %u: %s", it->flaps, flaps, e->text);
}

struct mover_bounds {
    int64_t hold_ms, ramp_ms;
};

static struct mover_bounds service_bounds(const struct health_service_config *v)
{
    int64_t ttl = (int64_t)v->ttl_s * 1000;
    return (struct mover_bounds){v->hold_ms ? v->hold_ms : ttl > 30000 ? ttl : 30000, v->ramp_ms};
}

static struct item *item_of(struct sim *s, const struct health_event *e, struct mover_bounds *b)
{
    struct sim_config *c = sim_config(s);
    if (e->endpoint != HEALTH_NONE) {
        *b = service_bounds(&c->service[e->service]);
        return &s->endpoint_item[c->id_of[e->endpoint]];
    }
    uint32_t region = key_of(c->region_of, e->region, s->regions);
    if (e->service != HEALTH_NONE) {
        *b = service_bounds(&c->service[e->service]);
        uint32_t service = key_of(c->service_of, e->service, s->services);
        return &s->site_item[service * s->regions + region];
    }
    *b = (struct mover_bounds){30000, 0};
    for (uint32_t i = 0; i < c->cfg.services_n;
         i++) { /* by the TTLs: a service's own hold is its own */
        int64_t ttl_ms = (int64_t)c->service[i].ttl_s * 1000;
        b->ramp_ms = c->service[i].ramp_ms > b->ramp_ms ? c->service[i].ramp_ms : b->ramp_ms;
        b->hold_ms = ttl_ms > b->hold_ms ? ttl_ms : b->hold_ms;
    }
    return &s->region_item[region];
}

static uint32_t probed_regions(const struct sim *s)
{
    bool probed[REGIONS_MAX] = {false};
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->ids; i++) {
        bool *one = &probed[id_region(s, i)];
        n += !*one && s->t[i].present && !s->t[i].unprobed;
        *one |= s->t[i].present && !s->t[i].unprobed;
    }
    return n;
}

static void check_fall(struct sim *s, const struct health_event *e)
{
    const struct truth *t = &s->t[sim_config(s)->id_of[e->endpoint]];
    s->falls++;
    if (t->streak_ok || t->streak < s->proto.fall)
        sim_fail(s, "a fall after %u failures: %s", t->streak, e->text);
    if (!t->witnessed && probed_regions(s) >= 2)
        sim_fail(s, "a fall without a witness: %s", e->text);
    if (!t->streak_real && probed_regions(s) >= 2) /* else nobody could tell: docs/failover.md */
        sim_fail(s, "a fall by the prober's own isolation: %s", e->text);
}

static bool effective(const struct sim *s, const struct sim_config *c, uint32_t e, double *avail)
{
    const struct health_site_config *site = &c->site[c->endpoint[e].site];
    uint32_t w = health_endpoint_word(s->h, e) & HEALTH_WORD_AVAIL;
    uint32_t at_site = health_site_word(s->h, c->endpoint[e].site) & HEALTH_WORD_AVAIL;
    uint32_t at_region = health_region_word(s->h, site->region) & HEALTH_WORD_AVAIL;
    w = at_site < w ? at_site : w;
    w = at_region < w ? at_region : w;
    *avail = avail_to_double(w);
    return w > 0;
}

/* Gradual moves leave something of the service: regions, and weight. region is the one that moved,
 * by its number. */
static void check_left(struct sim *s, const struct health_event *e, uint32_t service,
                       uint32_t region)
{
    struct sim_config *c = sim_config(s);
    const struct health_service_config *v = &c->service[service];
    uint32_t regions = 0;
    double carried = 0, full = 0;
    bool own = false;
    for (uint32_t i = 0; i < c->cfg.sites_n; i++) {
        if (c->site[i].service != service)
            continue;
        bool any = false;
        for (uint32_t k = 0; k < c->site[i].endpoint_n; k++) {
            double avail;
            any |= effective(s, c, c->site[i].endpoint_first + k, &avail);
            carried += avail;
            full++;
        }
        regions += any && c->site[i].region != region;
        own |= any && c->site[i].region == region;
    }
    if (e->after == 0 && !own && regions < v->min_regions)
        sim_fail(s, "a gradual move to nothing with %u other regions of %s: %s", regions,
                 c->named[service].name, e->text);
    if (carried < v->min_capacity * full - 0.001)
        sim_fail(s, "a gradual move leaves %.3f of %.0f of %s: %s", carried, full,
                 c->named[service].name, e->text);
}

static struct reporter *reporter_of(struct sim *s, const struct health_event *e)
{
    struct sim_config *c = sim_config(s);
    uint32_t region = key_of(c->region_of, e->region, s->regions);
    if (e->endpoint != HEALTH_NONE)
        return &s->reporter[c->id_of[e->endpoint]];
    if (e->service == HEALTH_NONE)
        return &s->reporter[s->ids + s->services * s->regions + region];
    uint32_t service = key_of(c->service_of, e->service, s->services);
    return &s->reporter[s->ids + service * s->regions + region];
}

static void check_gradual(struct sim *s, const struct health_event *e)
{
    struct sim_config *c = sim_config(s);
    bool reported = strstr(e->text, " source=") != NULL, load = strcmp(e->rule, "load") == 0;
    int64_t window = 20 * (int64_t)s->proto.interval_ms;
    window = window > 60000 ? window : 60000;
    for (uint32_t i = 0; i < s->services; i++)
        if (s->service_proto[i].window_ms > window)
            window = s->service_proto[i].window_ms;
    s->degrades += !reported;
    s->by_report += reported && !load;
    s->by_load += load;
    if (reported) {
        const struct reporter *r = reporter_of(s, e);
        if (!load && sim_seen(s) > r->bad_until + window)
            sim_fail(s, "a degrade by reports, and none told of errors: %s", e->text);
        if (load && sim_seen(s) > r->heavy_until)
            sim_fail(s, "load shed, and none was too high: %s", e->text);
        if (load && avail_to_double(e->after) < 0.0999)
            sim_fail(s, "load took more than nine tenths: %s", e->text);
    } else {
        uint32_t region = key_of(c->region_of, e->region, s->regions);
        uint32_t service = key_of(c->service_of, e->service, s->services);
        /* A restart empties the windows, and of ten samples the few that were under way in a short
         * isolation weigh much: docs/failover.md says so. */
        if (sim_seen(s) - s->site_real_fail[service * s->regions + region] > window &&
            sim_seen(s) - s->restarted_at > window)
            sim_fail(s, "a degrade by the prober's own isolation: %s", e->text);
    }
    if (e->service != HEALTH_NONE)
        check_left(s, e, e->service, e->region);
    for (uint32_t i = 0; e->service == HEALTH_NONE && i < c->cfg.services_n; i++)
        check_left(s, e, i, e->region);
}

/* Nothing that failback keeps out comes back by itself, or too early. A person's word on an endpoint
 * lets its site serve at once, and so do its own words. */
static void check_failback(struct sim *s, const struct item *it, const struct health_event *e)
{
    const struct health_service_config *v = &sim_config(s)->service[e->service];
    uint32_t region = key_of(sim_config(s)->region_of, e->region, s->regions);
    if (v->failback == HEALTH_FAILBACK_AFTER && sim_seen(s) - it->down_at < v->failback_after_ms)
        sim_fail(s, "back %lld ms after its fall: %s", (long long)(sim_seen(s) - it->down_at),
                 e->text);
    if (v->failback == HEALTH_FAILBACK_HOLD && s->released_at[region] < it->down_at &&
        s->ordered_at < it->down_at)
        sim_fail(s, "back, and nobody released it: %s", e->text);
}

static void check_move(struct sim *s, const struct health_event *e)
{
    struct mover_bounds b;
    struct item *it = item_of(s, e, &b);
    bool person = strcmp(e->rule, "override") == 0;
    double way = fabs(avail_to_double(e->after) - avail_to_double(e->before));
    if (e->after > AVAIL_FULL || e->before > AVAIL_FULL)
        sim_fail(s, "out of range: %s", e->text);
    if (person)
        return;
    if (e->before == e->after || (way < 0.0498 && e->after != 0 && e->after != AVAIL_FULL))
        sim_fail(s, "a change inside the dead band: %s", e->text);
    if (e->after < e->before) {
        mirror_fall(s, it, e, b.hold_ms);
        it->down_at = it->up_at = sim_seen(s);
        it->avail = e->after;
        return;
    }
    int64_t held = it->held ? it->held : b.hold_ms; /* by the rules when it fell */
    if (sim_seen(s) - it->down_at < held)
        sim_fail(s, "up %lld ms after a move down, hold is %lld ms: %s",
                 (long long)(sim_seen(s) - it->down_at), (long long)held, e->text);
    if (e->service != HEALTH_NONE && e->endpoint == HEALTH_NONE && e->before == 0)
        check_failback(s, it, e);
    if (it->returned_at == INT64_MAX) {
        it->returned_at = sim_seen(s);
        it->trough = e->before;
    }
    double from = avail_to_double(e->before) > 0.1 ? avail_to_double(e->before) : 0.1;
    double most =
        b.ramp_ms ? from + (double)(sim_seen(s) - it->up_at) / (double)b.ramp_ms + 0.001 : 1;
    if (s->leapt_at >= it->returned_at) /* the step after one that was late is early */
        most += 0.05;
    if (avail_to_double(e->after) > most + 0.001)
        sim_fail(s, "faster than the ramp: %s", e->text);
    it->up_at = sim_seen(s);
    it->avail = e->after;
}

/* Every outage is counted, to the millisecond. */
static void check_outages(struct sim *s, const struct health_event *e)
{
    struct truth *t = &s->t[sim_config(s)->id_of[e->endpoint]];
    struct health_endpoint_view v;
    health_endpoint_show(s->h, e->endpoint, &v);
    if (strstr(e->text, "-> down")) {
        t->falls++;
        t->down_since = sim_seen(s);
    } else if (t->down_since != INT64_MAX) {
        t->down_ms += sim_seen(s) - t->down_since;
        t->down_since = INT64_MAX;
    }
    if (s->reporter[sim_config(s)->id_of[e->endpoint]].period) {
        if (v.outages.falls < t->falls_seen || v.outages.down_ms < t->down_ms_seen)
            sim_fail(s, "counts of outages went back: %s", e->text);
        t->falls_seen = v.outages.falls; /* reports count as well, and may cover a fall */
        t->down_ms_seen = v.outages.down_ms;
        return;
    }
    if (v.outages.falls != t->falls || v.outages.down_ms != t->down_ms)
        sim_fail(s, "%u falls and %lld ms down, counted as %u and %lld: %s", t->falls,
                 (long long)t->down_ms, v.outages.falls, (long long)v.outages.down_ms, e->text);
}

void sim_check_touched(struct sim *s, uint32_t id)
{
    const struct sim_config *c = sim_config(s);
    uint32_t e = c->endpoint_of[id], site = c->endpoint[e].site, region = c->site[site].region;
    if (s->endpoint_board[e] != health_endpoint_word(s->h, e) ||
        s->site_board[site] != health_site_word(s->h, site) ||
        s->region_board[region] != health_region_word(s->h, region))
        sim_fail(s, "a sample of %s moved what is not among the changes", s->names[2][id]);
}

/* Has an endpoint that is not down failed often enough, and nobody witnessed it? */
static bool waits(const struct sim *s)
{
    for (uint32_t i = 0; i < s->ids; i++) {
        const struct truth *t = &s->t[i];
        if (t->streak >= s->proto.fall && !t->streak_ok && !t->witnessed && t->present &&
            t->down_since == INT64_MAX)
            return true;
    }
    return false;
}

static void follow_waits(struct sim *s)
{
    if (s->waits)
        sim_report_hold(s, false);
    s->waits = s->unwitnessed && waits(s);
    s->waits_seen = sim_seen(s);
}

static void check_event(struct sim *s, const struct health_event *e)
{
    s->events++;
    s->hash = hash_bytes(e->text, strlen(e->text), s->hash ^ (uint64_t)e->kind ^ (uint64_t)s->now);
    if (s->verbose)
        printf("%9.3f %-8s %s/%s %s\n", (double)s->now / 1000, e->rule,
               e->service == HEALTH_NONE ? "-" : sim_config(s)->named[e->service].name,
               e->region == HEALTH_NONE ? "-" : sim_config(s)->region[e->region].name, e->text);
    if (e->kind == HEALTH_EVENT_ISOLATED)
        s->isolations++;
    if (e->kind == HEALTH_EVENT_ISOLATED && strstr(e->text, "-> over"))
        sim_report_hold(s, true);
    if (e->kind == HEALTH_EVENT_ENDPOINT && !s->hash_only)
        check_outages(s, e);
    if (e->kind == HEALTH_EVENT_ENDPOINT && strstr(e->text, "-> down")) {
        check_fall(s, e);
        if (e->before > 0)
            check_move(s, e);
    }
    if (e->kind == HEALTH_EVENT_AVAILABILITY) {
        check_move(s, e);
        if (strcmp(e->rule, "degrade") == 0 || strcmp(e->rule, "load") == 0)
            check_gradual(s, e);
    }
}

#define EVENTS_SEEN 4096
struct seen {
    struct health_event e[EVENTS_SEEN];
    uint32_t n;
};

/* Has one of the events of this step told of it? */
static bool told(const struct seen *seen, uint32_t service, uint32_t region, uint32_t endpoint)
{
    for (uint32_t i = 0; i < seen->n; i++) {
        const struct health_event *e = &seen->e[i];
        bool mine = e->region == region && e->service == service && e->endpoint == endpoint;
        bool of_region = e->kind == HEALTH_EVENT_OVERRIDE && e->region == region;
        if (mine || of_region)
            return true;
    }
    return false;
}

static void check_change(struct sim *s, const struct seen *seen, const struct health_change *c)
{
    const struct health_config *cfg = &sim_config(s)->cfg;
    uint32_t i = c->index;
    if (c->level == 0) {
        const struct health_site_config *site = &cfg->site[cfg->endpoint[i].site];
        if (s->endpoint_board[i] != health_endpoint_word(s->h, i) &&
            !told(seen, site->service, site->region, i))
            sim_fail(s, "the word of endpoint %s changed without an event: %x -> %x",
                     cfg->endpoint[i].address, s->endpoint_board[i], health_endpoint_word(s->h, i));
        s->endpoint_board[i] = health_endpoint_word(s->h, i);
    } else if (c->level == 1) {
        if (s->site_board[i] != health_site_word(s->h, i) &&
            !told(seen, cfg->site[i].service, cfg->site[i].region, HEALTH_NONE))
            sim_fail(s, "the word of site %u changed without an event", i);
        s->site_board[i] = health_site_word(s->h, i);
    } else if (c->level == 2) {
        if (s->region_board[i] != health_region_word(s->h, i) &&
            !told(seen, HEALTH_NONE, i, HEALTH_NONE))
            sim_fail(s, "the word of region %u changed without an event", i);
        s->region_board[i] = health_region_word(s->h, i);
    } else {
        s->ttl_board[i] = health_service_ttl_s(s->h, i);
    }
}

/* A board written from the changes alone shows what is in force. */
static void check_board(struct sim *s)
{
    const struct health_config *c = &sim_config(s)->cfg;
    for (uint32_t i = 0; i < c->endpoints_n; i++)
        if (s->endpoint_board[i] != health_endpoint_word(s->h, i))
            sim_fail(s, "endpoint %u is not among the changes", i);
    for (uint32_t i = 0; i < c->sites_n; i++)
        if (s->site_board[i] != health_site_word(s->h, i))
            sim_fail(s, "site %u is not among the changes", i);
    for (uint32_t i = 0; i < c->regions_n; i++)
        if (s->region_board[i] != health_region_word(s->h, i))
            sim_fail(s, "region %u is not among the changes", i);
    for (uint32_t i = 0; i < c->services_n; i++)
        if (s->ttl_board[i] != health_service_ttl_s(s->h, i))
            sim_fail(s, "the TTL of service %u is not among the changes", i);
}

void sim_check_step(struct sim *s)
{
    static struct seen seen; /* one simulation at a time */
    struct health_change change;
    struct health_action action;
    if (s->waits)
        sim_report_hold(s, false);
    seen.n = (uint32_t)health_take_events(s->h, seen.e, EVENTS_SEEN);
    for (uint32_t i = 0; i < seen.n; i++)
        check_event(s, &seen.e[i]);
    while (health_take_changes(s->h, &change, 1))
        check_change(s, &seen, &change);
    while (health_take_actions(s->h, &action, 1))
        sim_prober_wish(s, &action);
    if (health_events_lost(s->h) || seen.n == EVENTS_SEEN)
        sim_fail(s, "events lost");
    s->steps++;
    if (sim_mono(s) > s->mono_floor)
        s->mono_floor = sim_mono(s);
    follow_waits(s);
    if (s->hash_only)
        return;
    check_promises(s);
    /* In a large world not after each step, but soon after whatever happened. */
    s->check_now |= seen.n > 0 && s->unchecked >= s->scale.check_every / 8;
    if (++s->unchecked < s->scale.check_every && !s->check_now)
        return;
    s->check_now = false;
    s->unchecked = 0;
    check_board(s);
    const char *bad = health_check_state(s->h);
    if (bad)
        sim_fail(s, "invariant: %s", bad);
}
