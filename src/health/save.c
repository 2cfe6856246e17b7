/* save: the state that survives a restart. A restored value serves until fresh evidence: an
 * endpoint that was down needs its successes as always, one that was not serves what it had until
 * its first sample; a site keeps its value until it has samples enough, or an endpoint of it rises.
 */
#include "engine_priv.h"

#include <stdio.h>
#include <string.h>

#define RESTORED_HOLD_MS 60000

uint32_t health__note(struct health *h, const char *text)
{
    if (!*text || strcmp(text, "-") == 0 || h->notes_used + 1 >= NOTES_MAX)
        return 0;
    snprintf(h->note[++h->notes_used], HEALTH_TEXT_MAX, "%s", text);
    return h->notes_used;
}

static bool worth_saving(const struct mover *m, uint8_t observed, int64_t now_ms)
{
    return m->avail != AVAIL_FULL || observed == HEALTH_OBSERVED_DOWN ||
           observed == HEALTH_OBSERVED_DEGRADED || m->hold_until_ms > now_ms || m->kept_out;
}

static bool counted(const struct outage *o)
{
    return o->falls || o->down_ms || o->since_ms != NEVER_MS;
}

static void fill(const struct health *h, struct health_saved *s, const struct mover *m,
                 const struct outage *o)
{
    struct health_outages out = health__outages(o, m, h->now_ms);
    s->falls = out.falls;
    s->down_ms = out.down_ms;
    s->counted_since_wall_ms = out.since_wall_ms;
    int64_t left = m->hold_until_ms > h->now_ms ? m->hold_until_ms - h->now_ms : 0;
    s->avail = m->avail;
    s->hold_left_ms = left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
    s->kept_out = m->kept_out;
    s->since_wall_ms = m->since_wall_ms;
}

void health_save(const struct health *h, void (*fn)(void *ctx, const struct health_saved *s),
                 void *ctx)
{
    for (uint32_t i = 0; i < h->cfg.regions_n; i++) {
        const struct mover *m = &h->region[i].m;
        if (!worth_saving(m, HEALTH_OBSERVED_UP, h->now_ms) && !counted(&h->region[i].out))
            continue;
        struct health_region_view v;
        health_region_show(h, i, &v);
        struct health_saved s = {.region = h->cfg.region[i].name, .observed = (uint8_t)v.observed};
        fill(h, &s, m, &h->region[i].out);
        memcpy(s.why, v.why, sizeof s.why);
        fn(ctx, &s);
    }
    for (uint32_t i = 0; i < h->judged_n; i++) {
        const struct judged *j = &h->judged[i];
        enum health_observed observed = health__site_observed(h, j);
        if (!worth_saving(&j->m, (uint8_t)observed, h->now_ms) && !counted(&j->out))
            continue;
        const struct health_site_config *c = &h->cfg.site[j->site];
        struct health_site_view v;
        health_site_show(h, j->site, &v);
        struct health_saved s = {.service = h->cfg.service[c->service].name,
                                 .region = h->cfg.region[c->region].name,
                                 .observed = (uint8_t)observed,
                                 .released = j->m.avail == 0 && !j->m.kept_out &&
                                             h->cfg.service[c->service].config->failback ==
                                                 HEALTH_FAILBACK_HOLD};
        fill(h, &s, &j->m, &j->out);
        memcpy(s.why, v.why, sizeof s.why);
        fn(ctx, &s);
    }
    for (uint32_t i = 0; i < h->probed_n; i++) {
        const struct probed *p = &h->probed[i];
        if (!worth_saving(&p->m, p->observed, h->now_ms) && !counted(&p->out))
            continue;
        uint32_t service = health__service_of(h, p->endpoint);
        struct health_endpoint_view v;
        health_endpoint_show(h, p->endpoint, &v);
        struct health_saved s = {.service = h->cfg.service[service].name,
                                 .region = h->cfg.region[health__region_of(h, p->endpoint)].name,
                                 .address = h->cfg.endpoint[p->endpoint].address,
                                 .observed = p->observed,
                                 .released = p->m.avail == 0 && !p->m.kept_out &&
                                             h->cfg.service[service].config->failback ==
                                                 HEALTH_FAILBACK_HOLD};
        fill(h, &s, &p->m, &p->out);
        memcpy(s.why, v.why, sizeof s.why);
        fn(ctx, &s);
    }
}

/* Is there more in it than counts? */
static bool has_state(const struct health_saved *s)
{
    return s->avail < AVAIL_FULL || s->observed >= HEALTH_OBSERVED_DEGRADED || s->hold_left_ms ||
           s->kept_out;
}

/* What is down goes on being down, and did not fall again. Nobody looked in between. */
static void count_on(const struct health *h, struct outage *o, const struct health_saved *s)
{
    o->falls = s->falls;
    o->down_ms = s->down_ms > 0 ? s->down_ms : 0;
    if (s->counted_since_wall_ms > 0)
        o->counted_since_wall_ms = s->counted_since_wall_ms;
    if (s->observed == HEALTH_OBSERVED_DOWN)
        o->since_ms = h->now_ms;
}

static void take_back(struct health *h, struct mover *m, const struct health_saved *s)
{
    health__mover_init(m, s->since_wall_ms);
    m->avail = m->target = s->avail > AVAIL_FULL ? AVAIL_FULL : s->avail;
    m->kept_out = s->kept_out;
    m->hold_until_ms = s->hold_left_ms ? h->now_ms + s->hold_left_ms : INT64_MIN;
}

/* Judged by reports alone: what it had stands for as long as a report is good, then it returns. */
static void restore_silent(struct health *h, struct mover *m, const struct health_saved *s)
{
    take_back(h, m, s);
    if (m->avail < AVAIL_FULL && m->hold_until_ms < h->now_ms + RESTORED_HOLD_MS)
        m->hold_until_ms = h->now_ms + RESTORED_HOLD_MS;
}

static void restore_region(struct health *h, const struct health_saved *s)
{
    for (uint32_t i = 0; i < h->cfg.regions_n; i++) {
        if (strcmp(h->cfg.region[i].name, s->region) != 0)
            continue;
        count_on(h, &h->region[i].out, s);
        if (!has_state(s))
            return;
        if (s->observed >= HEALTH_OBSERVED_DEGRADED)
            restore_silent(h, &h->region[i].m, s);
        else
            take_back(h, &h->region[i].m, s);
        h->region[i].note = health__note(h, s->why);
        health__region_publish(h, i);
        /* Its sites are being restored as well: judge when they are. */
        health__timer_set(h, h->cfg.endpoints_n + h->cfg.sites_n + i, h->now_ms + 1);
        return;
    }
}

static void restore_endpoint(struct health *h, struct probed *p, const struct health_saved *s)
{
    take_back(h, &p->m, s);
    p->observed = s->observed == HEALTH_OBSERVED_DOWN ? HEALTH_OBSERVED_DOWN
                  : s->observed == HEALTH_OBSERVED_UP ? HEALTH_OBSERVED_UP
                                                      : HEALTH_OBSERVED_UNKNOWN;
    if (p->observed == HEALTH_OBSERVED_DOWN)
        p->m.avail = AVAIL_NONE;
    p->restored = p->observed != HEALTH_OBSERVED_DOWN;
    p->note = health__note(h, s->why);
    health__endpoint_recount(h, p->endpoint);
    health__endpoint_judge(h, p->endpoint);
    health__timer_set(h, h->cfg.endpoints_n + health__site_of(h, p->endpoint), h->now_ms + 1);
}

static void restore_below(struct health *h, const struct health_saved *s)
{
    uint32_t item = health__find(h, s->service, s->region, s->address);
    if (item == HEALTH_NONE || health__reports_place(h, item))
        return;
    struct probed *e = s->address ? health__probed(h, item) : NULL;
    struct judged *of = s->address ? NULL : health__judged(h, item - h->cfg.endpoints_n);
    if (e || of)
        count_on(h, e ? &e->out : &of->out, s);
    if (!has_state(s))
        return;
    if (s->address && health__probed(h, item)->silent) {
        restore_silent(h, &health__probed(h, item)->m, s);
        health__endpoint_judge(h, item);
        return;
    }
    if (!s->address && health__judged(h, item - h->cfg.endpoints_n)->silent) {
        restore_silent(h, &health__judged(h, item - h->cfg.endpoints_n)->m, s);
        health__site_judge(h, item - h->cfg.endpoints_n);
        return;
    }
    if (s->address) {
        struct probed *p = health__probed(h, item);
        if (p)
            restore_endpoint(h, p, s);
        return;
    }
    struct judged *j = health__judged(h, item - h->cfg.endpoints_n);
    if (!j)
        return;
    take_back(h, &j->m, s);
    j->restored = true;
    j->observed_saved = s->observed <= HEALTH_OBSERVED_DOWN ? s->observed : HEALTH_OBSERVED_UNKNOWN;
    j->rate_target = j->evidence = j->m.avail;
    j->note = health__note(h, s->why);
    health__site_judge(h, j->site);
}

bool health_restore(struct health *h, const struct health_saved *s, int64_t now_ms)
{
    if (now_ms > h->now_ms)
        h->now_ms = now_ms;
    if (!s->region)
        return false;
    h->rebuilding = true;
    if (s->service)
        restore_below(h, s);
    else
        restore_region(h, s);
    h->rebuilding = false;
    return has_state(s);
}
