/* dependency: a shared service that a region cannot do without. It is probed as an endpoint is, with
 * streaks, confirmations and a witness, and when it is down the region leaves for all its services;
 * the region's mover holds it and lets it back.
 *
 *                     down, and others stand
 *      IN SERVICE ──────────────────────────────> OUT (region.c, rule=dependency)
 *        ^    │                                      │
 *        │    │ down, and none of the others stands  │ up again, or none of the others stands
 *        │    v                                      │ any more: hold and ramp
 *        │  STRANDED: nothing moves, and it is said  │
 *        └───────────────────────────────────────────┘
 *
 *   transition              function
 *   down or up              endpoint.c, as of any endpoint
 *   do others stand         stands, leaves_nothing
 *   → OUT, → STRANDED       health__dependency_down
 *
 * A fall is not bound by min-regions, but what all regions share says nothing of any of them: if a
 * service of the region that is elsewhere as well had no other region left, the region stays. A
 * region stands for this if it takes traffic and what it depends on itself is not failing; so with
 * a target that all of them share nobody leaves first.
 *
 * It is never a witness, and its failures cast no doubt on others: it may stand anywhere. */
#include "engine_priv.h"

#include <stdio.h>

#define LOOK_MS 1000 /* while it is down: what the others do is not told to this region */

uint32_t health_dependency(const struct health *h, uint32_t region)
{
    uint32_t at = h->cfg.region[region].dependency;
    if (at >= h->cfg.endpoints_n || health__region_of(h, at) != region ||
        !health__is_dependency(h, health__site_of(h, at)))
        return HEALTH_NONE;
    return at;
}

static const struct probed *probed_of(const struct health *h, uint32_t region)
{
    uint32_t at = health_dependency(h, region);
    return at == HEALTH_NONE ? NULL : health__probed(h, at);
}

void health__dependency_judge(struct health *h, struct probed *p)
{
    bool down = p->observed == HEALTH_OBSERVED_DOWN;
    uint32_t was = p->m.avail;
    p->m.avail = p->m.target = down ? AVAIL_NONE : AVAIL_FULL;
    if (p->m.avail != was)
        p->m.since_wall_ms = h->wall_ms;
    health__outage_set(&p->out, down, h->now_ms);
    health__endpoint_publish(h, p->endpoint);
    uint32_t region = health__region_of(h, p->endpoint);
    h->region[region].stranded_looked_ms = INT64_MIN / 2;
    if (h->rebuilding)
        health__timer_set(h, h->cfg.endpoints_n + h->cfg.sites_n + region, h->now_ms + 1);
    else
        health__region_judge(h, region);
}

/* Takes a site's region traffic of it, and may it be counted on? Who is out already does not come
 * back because a single probe of another's has failed: then only `down` counts. */
static bool stands(const struct health *h, uint32_t site, bool out)
{
    const struct health_site_config *s = &h->cfg.site[site];
    const struct probed *p = probed_of(h, s->region);
    bool failing =
        p && ((!out && p->streak && !p->streak_ok) || p->observed == HEALTH_OBSERVED_DOWN);
    if (failing || !(health_site_word(h, site) & HEALTH_WORD_AVAIL) ||
        !(h->region_word[s->region] & HEALTH_WORD_AVAIL))
        return false;
    for (uint32_t e = s->endpoint_first; e < s->endpoint_first + s->endpoint_n; e++)
        if (health_endpoint_word(h, e) & HEALTH_WORD_AVAIL)
            return true;
    return false;
}

/* The service that would have no region left; HEALTH_NONE: none. One that is in this region only
 * has nowhere to go in any case, and is left to --on-empty. */
static uint32_t left_with_nothing(const struct health *h, uint32_t region)
{
    bool out = h->region[region].m.target == AVAIL_NONE;
    for (uint32_t i = h->region_site_first[region]; i < h->region_site_first[region + 1]; i++) {
        uint32_t service = h->cfg.site[h->region_site[i]].service;
        bool elsewhere = false, standing = false;
        for (uint32_t k = h->service_site_first[service]; k < h->service_site_first[service + 1];
             k++) {
            uint32_t site = health__service_site(h, k);
            if (h->cfg.site[site].region == region)
                continue;
            elsewhere = true;
            standing = standing || stands(h, site, out);
        }
        if (elsewhere && !standing)
            return service;
    }
    return HEALTH_NONE;
}

static void say_stranded(struct health *h, uint32_t region, uint32_t service)
{
    struct region *r = &h->region[region];
    uint32_t on = health_dependency(h, region);
    char target[TARGET_TEXT_MAX], hold[40] = "dependency";
    if (r->m.avail)
        snprintf(hold, sizeof hold, "hold %.2f would=0.00", avail_to_double(r->m.avail));
    struct health_event *e = health__event(
        h, HEALTH_EVENT_HOLD, LOG_WARN, health__place_region(region), RULE_LAST_REGION,
        "%s blocked-by=last-region(%.60s) cause=\"%.60s %s down\"%s", hold,
        h->cfg.service[service].name, health_probe_of(&h->cfg, on)->name,
        health__target_text(h, on, target), r->m.avail ? "" : " effect=\"it returns\"");
    health__event_moves(e, r->m.avail, r->m.avail);
    e->would = AVAIL_NONE;
}

bool health__dependency_down(struct health *h, uint32_t region)
{
    struct region *r = &h->region[region];
    const struct probed *p = probed_of(h, region);
    if (!p || p->observed != HEALTH_OBSERVED_DOWN) {
        r->stranded = false;
        r->stranded_looked_ms = INT64_MIN / 2;
        return false;
    }
    /* It costs a step for each site of its services, and a region that dies is judged as often as it
     * has sites. */
    if (h->now_ms < r->stranded_looked_ms + LOOK_MS)
        return !r->stranded;
    r->stranded_looked_ms = h->now_ms;
    uint32_t service = left_with_nothing(h, region);
    bool stranded = service != HEALTH_NONE;
    if (stranded && !r->stranded)
        say_stranded(h, region, service);
    r->stranded = stranded;
    return !stranded;
}

void health__dependency_due(const struct health *h, uint32_t region, int64_t *due_ms)
{
    const struct probed *p = probed_of(h, region);
    if (p && p->observed == HEALTH_OBSERVED_DOWN && h->now_ms + LOOK_MS < *due_ms)
        *due_ms = h->now_ms + LOOK_MS;
}

bool health__dependency_moving(const struct health *h, uint32_t region)
{
    const struct probed *p = probed_of(h, region);
    return p && health__endpoint_may_change(p);
}
