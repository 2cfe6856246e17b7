/* safety: what a gradual move (error rate, load, reports) must leave: --min-regions of the service,
 * and --min-capacity of its full weight. A fall, panic included, and a person's word are not asked.
 *
 * Where all that a region's clients could go to is full (signal/capacity.h), a gradual move of the
 * region or of what is in it stops where it is: everyone who went would cost another one his answer, and
 * the errors of regions that have too much to do would push their clients around in a circle. Only what
 * fails altogether, and not for too much load, goes to 0.
 *
 * A move is judged for every service that it touches: an endpoint's and a site's touch one, a
 * region's all that are in it, and the one that allows least binds. How fast it may go is budget.c's
 * matter. Costs one step per endpoint of
 * the services touched; asked only where something wants to move down. */
#include "engine_priv.h"

#include <stdio.h>

/* In force, a person's word included. */
static uint32_t avail_of(const struct health *h, const struct trial *t, uint32_t item,
                         uint32_t word)
{
    uint32_t e = h->cfg.endpoints_n, s = h->cfg.sites_n;
    if (t && t->item == item)
        word = item < e       ? health__endpoint_word_at(h, item, t->avail)
               : item < e + s ? health__site_word_at(h, item - e, t->avail)
                              : health__region_word_at(h, item - e - s, t->avail);
    return word & HEALTH_WORD_AVAIL;
}

double health__carries(const struct health *h, uint32_t site, const struct trial *t, bool *any)
{
    const struct health_site_config *s = &h->cfg.site[site];
    uint32_t e_n = h->cfg.endpoints_n, s_n = h->cfg.sites_n;
    uint32_t at_site = avail_of(h, t, e_n + site, health_site_word(h, site));
    uint32_t at_region = avail_of(h, t, e_n + s_n + s->region, h->region_word[s->region]);
    uint32_t most = at_site < at_region ? at_site : at_region;
    double sum = 0;
    *any = false;
    for (uint32_t i = s->endpoint_first; i < s->endpoint_first + s->endpoint_n; i++) {
        uint32_t e = avail_of(h, t, i, health_endpoint_word(h, i));
        uint32_t least = e < most ? e : most;
        sum += avail_to_double(least) * h->cfg.endpoint[i].weight;
        *any |= least > 0;
    }
    return sum;
}

double health__full_weight(const struct health *h, uint32_t service)
{
    double sum = 0;
    for (uint32_t i = h->service_site_first[service]; i < h->service_site_first[service + 1]; i++) {
        const struct health_site_config *s = &h->cfg.site[health__service_site(h, i)];
        for (uint32_t k = 0; k < s->endpoint_n; k++)
            sum += h->cfg.endpoint[s->endpoint_first + k].weight;
    }
    return sum;
}

struct capacity {
    double others, full;
    uint32_t others_regions;
};

static struct capacity capacity_of(const struct health *h, uint32_t site)
{
    struct capacity c = {0};
    uint32_t service = h->cfg.site[site].service;
    for (uint32_t i = h->service_site_first[service]; i < h->service_site_first[service + 1]; i++) {
        uint32_t other = health__service_site(h, i);
        const struct health_site_config *s = &h->cfg.site[other];
        for (uint32_t k = 0; k < s->endpoint_n; k++)
            c.full += h->cfg.endpoint[s->endpoint_first + k].weight;
        if (other == site)
            continue;
        bool any;
        c.others += health__carries(h, other, NULL, &any);
        c.others_regions += any;
    }
    return c;
}

/* The lowest value to which an item of this site may go from now towards want. */
static uint32_t limit_site(const struct health *h, uint32_t site, uint32_t item, uint32_t now,
                           uint32_t want, uint8_t *by)
{
    const struct health_service_config *s = h->cfg.service[h->cfg.site[site].service].config;
    *by = RULE_NONE;
    if (want > 0 && s->min_capacity <= 0) /* nothing can bind */
        return want;
    struct capacity c = capacity_of(h, site);
    struct trial t = {.item = item, .avail = want};
    bool any;
    double own = health__carries(h, site, &t, &any);
    if (want == 0 && !any && c.others_regions < s->min_regions) {
        want = avail_from_double(h->cfg.dead_band);
        t.avail = want = want < now ? want : now;
        own = health__carries(h, site, &t, &any);
        *by = RULE_MIN_REGIONS;
    }
    double need = s->min_capacity * c.full - 1e-9 * c.full;
    if (s->min_capacity <= 0 || c.others + own >= need)
        return want;
    *by = RULE_MIN_CAPACITY;
    t.avail = now;
    if (c.others + health__carries(h, site, &t, &any) < need)
        return now;
    uint32_t low = want, high = now; /* low is too little, high is enough */
    while (high - low > 1) {
        t.avail = low + (high - low) / 2;
        if (c.others + health__carries(h, site, &t, &any) >= need)
            high = t.avail;
        else
            low = t.avail;
    }
    return high;
}

static uint32_t region_at(const struct health *h, uint32_t item)
{
    uint32_t e_n = h->cfg.endpoints_n, s_n = h->cfg.sites_n;
    return item < e_n         ? health__region_of(h, item)
           : item < e_n + s_n ? h->cfg.site[item - e_n].region
                              : item - e_n - s_n;
}

void health_region_crowded(struct health *h, uint32_t region, bool crowded)
{
    h->region[region].crowded = crowded;
}

/* Errors of a region that has more load than capacity may well come of that, however many they are. */
static bool crowded(const struct health *h, uint32_t region, uint32_t want)
{
    double utilisation;
    int64_t at_ms;
    return h->region[region].crowded &&
           (want > 0 || (health_region_load(h, region, &utilisation, &at_ms) && utilisation > 1));
}

uint32_t health__safety_limit(const struct health *h, uint32_t item, uint32_t now, uint32_t want,
                              struct safety_by *by)
{
    uint32_t e_n = h->cfg.endpoints_n, s_n = h->cfg.sites_n, service = HEALTH_NONE;
    *by = (struct safety_by){.rule = RULE_NONE, .gradual = true, .service = HEALTH_NONE};
    if (crowded(h, region_at(h, item), want)) {
        by->rule = RULE_OVERLOAD;
        return now;
    }
    if (item < e_n + s_n) {
        uint32_t site = item < e_n ? health__site_of(h, item) : item - e_n;
        service = h->cfg.site[site].service;
        uint32_t most = limit_site(h, site, item, now, want, &by->rule);
        by->service = service;
        return most;
    }
    uint32_t region = item - e_n - s_n, limited = want;
    for (uint32_t i = h->region_site_first[region];
         i < h->region_site_first[region + 1] && limited < now; i++) {
        uint8_t rule;
        uint32_t least = limit_site(h, h->region_site[i], item, now, want, &rule);
        if (rule == RULE_NONE || least <= limited)
            continue;
        limited = least;
        by->rule = rule;
        by->service = h->cfg.site[h->region_site[i]].service;
    }
    return limited;
}

static double distance(uint32_t a, uint32_t b)
{
    return avail_to_double(a > b ? a - b : b - a);
}

void health__safety_say(struct health *h, uint32_t item, struct held *held, const struct mover *m,
                        uint32_t want, uint32_t limited, const struct safety_by *by)
{
    bool matters =
        by->rule != RULE_NONE && (want == 0 || distance(want, limited) >= h->cfg.dead_band);
    if (!matters) {
        if (held->by != RULE_MAX_MOVE || want <= m->avail) /* a way up says it once */
            held->by = RULE_NONE;
        return;
    }
    if (held->by == by->rule && !(want == 0 && held->would != 0) &&
        distance(want, held->would) < h->cfg.dead_band)
        return;
    held->by = by->rule;
    held->would = want;
    uint32_t shown = distance(limited, m->avail) >= h->cfg.dead_band ? limited : m->avail;
    uint32_t e_n = h->cfg.endpoints_n, s_n = h->cfg.sites_n;
    struct place at = item < e_n         ? health__place_endpoint(h, item)
                      : item < e_n + s_n ? health__place_site(h, item - e_n)
                                         : health__place_region(item - e_n - s_n);
    const char *address = item < e_n ? h->cfg.endpoint[item].address : "";
    char rule[48], service[80] = "";
    const struct health_service_config *s =
        by->service == HEALTH_NONE ? NULL : h->cfg.service[by->service].config;
    if (!s)
        snprintf(rule, sizeof rule, "%s", health__rule_name(by->rule));
    else if (by->rule == RULE_MIN_REGIONS)
        snprintf(rule, sizeof rule, "min-regions(%u)", s->min_regions);
    else if (by->rule == RULE_MAX_MOVE)
        snprintf(rule, sizeof rule, "max-move(%.0f%%/min)", 100 * s->max_move);
    else
        snprintf(rule, sizeof rule, "min-capacity(%.0f%%)", 100 * s->min_capacity);
    if (s && item >= e_n + s_n)
        snprintf(service, sizeof service, " service=%.60s", h->cfg.service[by->service].name);
    struct health_event *e = health__event(
        h, HEALTH_EVENT_HOLD, LOG_NOTICE, at, by->rule, "%s%shold %.2f would=%.2f blocked-by=%s%s",
        address, *address ? " " : "", avail_to_double(shown), avail_to_double(want), rule, service);
    health__event_moves(e, m->avail, shown);
    e->would = want;
}
