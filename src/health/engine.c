#include "engine_priv.h"

int64_t health__window_ms(const struct health *h, uint32_t site)
{
    const struct health_site_config *s = &h->cfg.site[site];
    const struct health_service_config *service = h->cfg.service[s->service].config;
    if (service->window_ms)
        return service->window_ms;
    int64_t longest = 60000;
    for (uint32_t i = 0; i < s->endpoint_n; i++) {
        const struct health_probe_config *p = health_probe_of(&h->cfg, s->endpoint_first + i);
        if (p && 20 * (int64_t)p->interval_ms > longest)
            longest = 20 * (int64_t)p->interval_ms;
    }
    return longest;
}

int64_t health__service_hold_ms(const struct health_service_config *s)
{
    int64_t ttl_ms = (int64_t)s->ttl_s * 1000;
    return s->hold_ms ? s->hold_ms : ttl_ms > HOLD_MS_MIN ? ttl_ms : HOLD_MS_MIN;
}

struct mover_rules health__service_rules(const struct health *h, uint32_t service)
{
    const struct health_service_config *s = h->cfg.service[service].config;
    return (struct mover_rules){.ramp_ms = s->ramp_ms,
                                .hold_ms = health__service_hold_ms(s),
                                .after_ms = s->failback_after_ms,
                                .failback = s->failback,
                                .dead_band = h->cfg.dead_band,
                                .most = AVAIL_FULL};
}

static bool config_valid(const struct health_config *c)
{
    for (uint32_t i = 0; i < c->sites_n; i++) {
        const struct health_site_config *s = &c->site[i];
        if (s->service >= c->services_n || s->region >= c->regions_n ||
            s->endpoint_first > c->endpoints_n ||
            s->endpoint_n > c->endpoints_n - s->endpoint_first)
            return false;
    }
    for (uint32_t i = 0; i < c->endpoints_n; i++) {
        const struct health_endpoint_config *e = &c->endpoint[i];
        if (e->site >= c->sites_n || i < c->site[e->site].endpoint_first ||
            i - c->site[e->site].endpoint_first >= c->site[e->site].endpoint_n)
            return false;
        const struct health_probe_config *p = health_probe_of(c, i);
        if (p && (c->probe_of[i] > c->probes_n || !p->fall || !p->rise || !p->interval_ms))
            return false;
    }
    for (uint32_t i = 0; i < c->regions_n; i++) {
        uint32_t at = c->region[i].dependency;
        if (at == HEALTH_NONE || !at)
            continue;
        if (at >= c->endpoints_n || !health_probe_of(c, at) ||
            c->site[c->endpoint[at].site].region != i ||
            !c->service[c->site[c->endpoint[at].site].service].config->dependencies)
            return false;
    }
    uint64_t slots = (uint64_t)c->endpoints_n + c->sites_n + c->regions_n + c->services_n;
    return slots < UINT32_MAX / 4 && c->dead_band >= 0.001 && c->dead_band <= 0.5;
}

static bool by_service(const struct health_config *c)
{
    for (uint32_t i = 1; i < c->sites_n; i++)
        if (c->site[i].service < c->site[i - 1].service)
            return false;
    return true;
}

static void put_site(uint32_t *sites, uint32_t at, uint32_t site)
{
    if (sites)
        sites[at] = site;
}

/* Sites by service and by region: where[k] .. where[k + 1] in sites, which is NULL where they come so. What
 * a region depends on is none of its sites. */
static void group_sites(const struct health *h, uint32_t *first, uint32_t *sites, bool by_region)
{
    uint32_t groups = by_region ? h->cfg.regions_n : h->cfg.services_n;
    const struct health_site_config *s = h->cfg.site;
    uint32_t n = 0;
    for (uint32_t i = 0; i < h->cfg.sites_n; i++) {
        if (by_region && health__is_dependency(h, i))
            continue;
        first[(by_region ? s[i].region : s[i].service) + 1]++;
        n++;
    }
    for (uint32_t g = 0; g < groups; g++)
        first[g + 1] += first[g];
    for (uint32_t i = h->cfg.sites_n; i-- > 0;) { /* backwards, so that groups are in order */
        uint32_t g = by_region ? s[i].region : s[i].service;
        if (!by_region || !health__is_dependency(h, i))
            put_site(sites, --first[g + 1], i);
    }
    for (uint32_t g = 0; g < groups; g++) /* each end has become its start: move them back */
        first[g] = first[g + 1];
    first[groups] = n;
}

static void count_probed(struct health *h)
{
    for (uint32_t i = 0; i < h->cfg.sites_n; i++) {
        const struct health_site_config *s = &h->cfg.site[i];
        uint32_t n = 0;
        for (uint32_t e = s->endpoint_first; e < s->endpoint_first + s->endpoint_n; e++)
            if (health_probe_of(&h->cfg, e)) {
                n++;
                h->probed_of[e] = ++h->probed_n;
            }
        if (n)
            h->judged_of[i] = ++h->judged_n;
    }
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool allocate(struct health *h)
{
    struct arena *a = h->arena;
    const struct health_config *c = &h->cfg;
    size_t e = c->endpoints_n, s = c->sites_n, r = c->regions_n, v = c->services_n;
    h->probed_of = ARENA_ARRAY(a, uint32_t, e);
    h->order_of = ARENA_ARRAY(a, uint32_t, e);
    h->judged_of = ARENA_ARRAY(a, uint32_t, s);
    if (arena_failed(a))
        return false;
    count_probed(h);
    /* With room for what only reports will judge. */
    h->probed_cap = h->probed_n + least(c->endpoints_n - h->probed_n, SOURCES_MAX);
    h->judged_cap = h->judged_n + least(c->sites_n - h->judged_n, SOURCES_MAX);
    h->probed = ARENA_ARRAY(a, struct probed, h->probed_cap);
    h->judged = ARENA_ARRAY(a, struct judged, h->judged_cap);
    h->last = arena_alloc(a, (size_t)h->probed_cap * LAST_TEXT_MAX);
    h->region = ARENA_ARRAY(a, struct region, r);
    h->service_moving_n = ARENA_ARRAY(a, uint32_t, v);
    for (size_t i = 0; i < v; i++)
        h->budgeted |= c->service[i].config->max_move > 0;
    h->budget = ARENA_ARRAY(a, struct budget, h->budgeted ? v : 1);
    h->service_site_first = ARENA_ARRAY(a, uint32_t, v + 1);
    h->service_site = by_service(c) ? NULL : ARENA_ARRAY(a, uint32_t, s);
    h->region_site_first = ARENA_ARRAY(a, uint32_t, r + 1);
    arena_dense(a, true);
    h->region_site = ARENA_ARRAY(a, uint32_t, s);
    arena_dense(a, false);
    h->endpoint_not_full = ARENA_ARRAY(a, uint32_t, e);
    h->site_not_full = ARENA_ARRAY(a, uint32_t, s);
    h->region_word = ARENA_ARRAY(a, uint32_t, r);
    h->service_ttl = ARENA_ARRAY(a, uint32_t, v);
    h->items_n = (uint32_t)(e + s + r + 1);
    h->timer_due = ARENA_ARRAY(a, int64_t, h->items_n);
    h->timer_pos = ARENA_ARRAY(a, uint32_t, h->items_n);
    h->heap = ARENA_ARRAY(a, uint32_t, h->items_n + 1);
    h->dirty = ARENA_ARRAY(a, uint8_t, e + s + r + v);
    h->changed = ARENA_ARRAY(a, uint32_t, e + s + r + v);
    /* Reserved for the worst case; a page that is never used is never touched. */
    h->orders_cap = (uint32_t)(e + r + 1 + HEALTH_MAINTENANCE_MAX);
    h->order = ARENA_ARRAY(a, struct order, h->orders_cap);
    h->sources_cap = SOURCES_MAX + 1;
    h->source = ARENA_ARRAY(a, struct source, h->sources_cap);
    h->source_of = ARENA_ARRAY(a, uint32_t, h->items_n);
    h->note = arena_alloc(a, (size_t)NOTES_MAX * HEALTH_TEXT_MAX);
    h->actions_cap = h->probed_n + 1;
    h->action = ARENA_ARRAY(a, struct health_action, h->actions_cap);
    h->events_cap = h->probed_n > EVENTS_MAX / 4 ? EVENTS_MAX : h->probed_n * 4;
    if (h->events_cap < EVENTS_MIN)
        h->events_cap = EVENTS_MIN;
    h->event = ARENA_ARRAY(a, struct health_event, h->events_cap + 1);
    uint32_t table = 16;
    while (table < 2 * (e + s))
        table *= 2;
    h->table_mask = table - 1;
    h->table = ARENA_ARRAY(a, uint32_t, table);
    return !arena_failed(a);
}

static void start_endpoint(struct health *h, struct probed *p, uint32_t endpoint)
{
    p->endpoint = endpoint;
    p->witness_ms = NEVER_MS;
    p->last_started_ms = INT64_MIN / 2;
    health__mover_init(&p->m, h->wall_ms);
    health__outage_init(&p->out, h->wall_ms);
}

static void start_endpoints(struct health *h)
{
    for (uint32_t i = 0; h->probed_n && i < h->cfg.endpoints_n; i++) {
        struct probed *p = health__probed(h, i);
        if (!p)
            continue;
        start_endpoint(h, p, i);
        if (!health__is_dependency(h, health__site_of(h, i)))
            h->region[health__region_of(h, i)].probed_n++;
        if (health_probe_of(&h->cfg, i)->timeout_ms > h->timeout_ms_max)
            h->timeout_ms_max = health_probe_of(&h->cfg, i)->timeout_ms;
        health__endpoint_recount(h, i);
    }
}

static void start_site(struct health *h, struct judged *j, uint32_t site)
{
    j->site = site;
    j->evidence = j->rate_target = AVAIL_FULL;
    int64_t bucket_ms = (health__window_ms(h, site) + WINDOW_BUCKETS - 1) / WINDOW_BUCKETS;
    j->bucket_ms = bucket_ms > INT32_MAX ? INT32_MAX : (uint32_t)bucket_ms;
    j->bucket = h->now_ms / j->bucket_ms;
    health__mover_init(&j->m, h->wall_ms);
    health__outage_init(&j->out, h->wall_ms);
}

static void start_sites(struct health *h)
{
    for (uint32_t i = 0; h->judged_n && i < h->cfg.sites_n; i++) {
        struct judged *j = health__judged(h, i);
        if (!j)
            continue;
        start_site(h, j, i);
        if (!health__is_dependency(h, i))
            h->region[h->cfg.site[i].region].judged_n++;
    }
}

enum err health__reports_place(struct health *h, uint32_t item)
{
    uint32_t e = h->cfg.endpoints_n, s = h->cfg.sites_n;
    if (item < e && !h->probed_of[item]) {
        if (h->probed_n == h->probed_cap)
            return ERR_LIMIT;
        struct probed *p = &h->probed[h->probed_n];
        h->probed_of[item] = ++h->probed_n;
        start_endpoint(h, p, item);
        p->silent = true;
        p->observed = HEALTH_OBSERVED_UP;
    } else if (item >= e && item < e + s && !h->judged_of[item - e]) {
        if (h->judged_n == h->judged_cap)
            return ERR_LIMIT;
        struct judged *j = &h->judged[h->judged_n];
        h->judged_of[item - e] = ++h->judged_n;
        start_site(h, j, item - e);
        j->silent = true;
    }
    return ERR_OK;
}

static void start(struct health *h)
{
    group_sites(h, h->service_site_first, h->service_site, false);
    group_sites(h, h->region_site_first, h->region_site, true);
    h->failed = h->failed_any = h->answered =
        (struct latest){{HEALTH_NONE, HEALTH_NONE}, {INT64_MIN, INT64_MIN}};
    h->isolated_until_ms = h->isolated_answer_ms = INT64_MIN;
    start_sites(h);
    start_endpoints(h);
    for (uint32_t i = 0; i < h->cfg.regions_n; i++) {
        h->region_word[i] = AVAIL_FULL;
        h->region[i].guests_until_ms = NEVER_MS;
        health__mover_init(&h->region[i].m, h->wall_ms);
        health__outage_init(&h->region[i].out, h->wall_ms);
        health__region_rules(h, i);
        h->regions_probed_n += h->region[i].probed_n > 0;
    }
    for (uint32_t i = 0; i < h->cfg.services_n; i++)
        h->service_ttl[i] = h->cfg.service[i].config->ttl_s;
}

enum err health_create(const struct health_config *config, int64_t now_ms, int64_t wall_ms,
                       struct health **out)
{
    *out = NULL;
    if (!config_valid(config))
        return ERR_INVALID;
    struct arena *a = arena_create(0);
    struct health *h = a ? ARENA_NEW(a, struct health) : NULL;
    if (!h) {
        arena_destroy(a);
        return ERR_NOMEM;
    }
    h->arena = a;
    h->cfg = *config;
    if (h->cfg.fail <= 0) {
        h->cfg.degrade = 0.05;
        h->cfg.fail = 0.50;
    }
    h->now_ms = now_ms;
    h->wall_ms = h->created_wall_ms = wall_ms;
    if (!allocate(h)) {
        arena_destroy(a);
        return ERR_NOMEM;
    }
    start(h);
    *out = h;
    return ERR_OK;
}

void health_destroy(struct health **h)
{
    if (*h)
        arena_destroy((*h)->arena);
    *h = NULL;
}

static void item_due(struct health *h, uint32_t item)
{
    uint32_t e = h->cfg.endpoints_n, s = h->cfg.sites_n;
    if (item < e) {
        health__order_tick_endpoint(h, item);
        health__endpoint_judge(h, item);
    } else if (item < e + s) {
        health__site_judge(h, item - e);
    } else if (item < h->items_n - 1) {
        health__order_tick_region(h, item - e - s);
        health__region_judge(h, item - e - s);
    } else {
        health__witness_deadline(h);
    }
}

void health_advance(struct health *h, int64_t now_ms, int64_t wall_ms)
{
    if (now_ms > h->now_ms) /* a step back is held */
        h->now_ms = now_ms;
    h->wall_ms = wall_ms;
    while (h->heap_n && h->timer_due[h->heap[1]] <= h->now_ms)
        item_due(h, h->heap[1]);
}

int64_t health_due(const struct health *h)
{
    return h->heap_n ? h->timer_due[h->heap[1]] : NEVER_MS;
}

uint32_t health_endpoint_word(const struct health *h, uint32_t endpoint)
{
    return h->endpoint_not_full[endpoint] ^ AVAIL_FULL;
}

uint32_t health_site_word(const struct health *h, uint32_t site)
{
    return h->site_not_full[site] ^ AVAIL_FULL;
}

uint32_t health_region_word(const struct health *h, uint32_t region)
{
    return h->region_word[region];
}

uint32_t health_service_ttl_s(const struct health *h, uint32_t service)
{
    return h->service_ttl[service];
}

uint32_t health_region_ttl_max_s(const struct health *h, uint32_t region)
{
    return (uint32_t)(h->region[region].ttl_ms_max / 1000);
}
