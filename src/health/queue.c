/* queue: what is in force and what the caller has still to hear of: words, changed slots, actions.
 * A slot is in the list of changes at most once, an endpoint in the queue of actions at most once,
 * so neither can overflow. */
#include "engine_priv.h"

uint32_t health__endpoint_word_at(const struct health *h, uint32_t endpoint, uint32_t observed)
{
    const struct order *o = health__endpoint_order(h, endpoint);
    if (o && o->state == HEALTH_DOWN)
        return HEALTH_WORD_OFF;
    if (o && o->state == HEALTH_UP)
        return AVAIL_FULL;
    const struct order *r = health__region_order(h, health__region_of(h, endpoint));
    if (r && r->state == HEALTH_UP)
        observed = AVAIL_FULL;
    if (!o)
        return observed;
    if (o->cap == 0 && o->to == 0 && observed > 0)
        return HEALTH_WORD_DRAIN;
    return o->cap < observed ? o->cap : observed;
}

uint32_t health__endpoint_word_now(const struct health *h, uint32_t endpoint)
{
    const struct probed *p = health__probed(h, endpoint);
    return health__endpoint_word_at(h, endpoint, p ? p->m.avail : AVAIL_FULL);
}

uint32_t health__site_word_at(const struct health *h, uint32_t site, uint32_t observed)
{
    const struct order *r = health__region_order(h, h->cfg.site[site].region);
    return r && r->state == HEALTH_UP ? AVAIL_FULL : observed;
}

uint32_t health__site_word_now(const struct health *h, uint32_t site)
{
    const struct judged *j = health__judged(h, site);
    return health__site_word_at(h, site, j ? j->m.avail : AVAIL_FULL);
}

uint32_t health__region_word_now(const struct health *h, uint32_t region)
{
    return health__region_word_at(h, region, h->region[region].m.avail);
}

uint32_t health__region_word_at(const struct health *h, uint32_t region, uint32_t observed)
{
    const struct order *o = health__region_order(h, region);
    if (!o)
        return observed;
    if (o->state == HEALTH_DOWN)
        return HEALTH_WORD_OFF;
    if (o->state == HEALTH_UP)
        return AVAIL_FULL;
    if (o->cap == 0 && o->to == 0 && observed > 0)
        return HEALTH_WORD_DRAIN;
    return o->cap < observed ? o->cap : observed;
}

/* Levels follow each other in one numbering: endpoints, sites, regions, services. */
static void mark(struct health *h, uint32_t slot)
{
    if (h->dirty[slot])
        return;
    h->dirty[slot] = 1;
    uint32_t cap = h->cfg.endpoints_n + h->cfg.sites_n + h->cfg.regions_n + h->cfg.services_n;
    h->changed[(h->changes_head + h->changes_n++) % cap] = slot;
}

static void publish(struct health *h, uint32_t *kept, uint32_t now, uint32_t slot)
{
    if (*kept == now)
        return;
    *kept = now;
    mark(h, slot);
}

void health__endpoint_publish(struct health *h, uint32_t endpoint)
{
    publish(h, &h->endpoint_not_full[endpoint], health__endpoint_word_now(h, endpoint) ^ AVAIL_FULL,
            endpoint);
}

void health__site_publish(struct health *h, uint32_t site)
{
    publish(h, &h->site_not_full[site], health__site_word_now(h, site) ^ AVAIL_FULL,
            h->cfg.endpoints_n + site);
}

void health__region_publish(struct health *h, uint32_t region)
{
    publish(h, &h->region_word[region], health__region_word_now(h, region),
            h->cfg.endpoints_n + h->cfg.sites_n + region);
}

uint32_t health__service_ttl_moving_s(const struct health_service_config *s)
{
    uint32_t ttl = s->ttl_s;
    uint32_t moving = s->ttl_moving_s ? s->ttl_moving_s : ttl / 2 > 5 ? ttl / 2 : 5;
    return moving < ttl ? moving : ttl;
}

void health__service_publish(struct health *h, uint32_t service)
{
    const struct health_service_config *s = h->cfg.service[service].config;
    uint32_t ttl = h->service_moving_n[service] ? health__service_ttl_moving_s(s) : s->ttl_s;
    publish(h, &h->service_ttl[service], ttl,
            h->cfg.endpoints_n + h->cfg.sites_n + h->cfg.regions_n + service);
}

void health__moving_set(struct health *h, bool *flag, bool moving, uint32_t service)
{
    if (*flag == moving)
        return;
    *flag = moving;
    if (moving)
        h->service_moving_n[service]++;
    else
        h->service_moving_n[service]--;
    health__service_publish(h, service);
}

size_t health_take_changes(struct health *h, struct health_change *out, size_t cap)
{
    const uint32_t level_n[] = {h->cfg.endpoints_n, h->cfg.sites_n, h->cfg.regions_n,
                                h->cfg.services_n};
    uint32_t all = level_n[0] + level_n[1] + level_n[2] + level_n[3];
    size_t n = 0;
    while (n < cap && h->changes_n) {
        uint32_t slot = h->changed[h->changes_head];
        h->dirty[slot] = 0;
        uint8_t level = 0;
        while (slot >= level_n[level])
            slot -= level_n[level++];
        out[n++] = (struct health_change){.level = level, .index = slot};
        h->changes_head = (h->changes_head + 1) % all;
        h->changes_n--;
    }
    return n;
}

/* At most one waits in the queue for an endpoint; a second wish is the same wish. */
void health__action(struct health *h, struct probed *p, int64_t at_ms)
{
    if (p->queued)
        return;
    p->queued = true;
    CHECK(h->actions_n < h->actions_cap);
    uint32_t at = (h->actions_head + h->actions_n++) % h->actions_cap;
    h->action[at] = (struct health_action){
        .kind = HEALTH_ACTION_PROBE, .endpoint = p->endpoint, .at_ms = at_ms, .confirm = true};
}

size_t health_take_actions(struct health *h, struct health_action *out, size_t cap)
{
    size_t n = 0;
    while (n < cap && h->actions_n) {
        const struct health_action *a = &h->action[h->actions_head];
        health__probed(h, a->endpoint)->queued = false;
        out[n++] = *a;
        h->actions_head = (h->actions_head + 1) % h->actions_cap;
        h->actions_n--;
    }
    return n;
}
