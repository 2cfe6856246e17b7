/* adopt: state moves from one numbering to the next by key: service name, region name, address. */
#include "engine_priv.h"

#include "base/hash.h"

#include <string.h>

static uint64_t key_hash(const char *service, const char *region, const char *address)
{
    uint64_t x = hash_bytes(service, strlen(service), 1);
    x = hash_bytes(region, strlen(region), x);
    return address ? hash_bytes(address, strlen(address), x) : x;
}

static const char *address_of(const struct health *h, uint32_t item)
{
    return item < h->cfg.endpoints_n ? h->cfg.endpoint[item].address : NULL;
}

static const struct health_site_config *site_of(const struct health *h, uint32_t item)
{
    return item < h->cfg.endpoints_n ? &h->cfg.site[h->cfg.endpoint[item].site]
                                     : &h->cfg.site[item - h->cfg.endpoints_n];
}

static bool is_item(const struct health *h, uint32_t item, const char *service, const char *region,
                    const char *address)
{
    const struct health_site_config *s = site_of(h, item);
    const char *a = address_of(h, item);
    return (a != NULL) == (address != NULL) && (!a || strcmp(a, address) == 0) &&
           strcmp(h->cfg.region[s->region].name, region) == 0 &&
           strcmp(h->cfg.service[s->service].name, service) == 0;
}

/* Has it a state that could be taken over? Without probes only a person's word is. */
static bool has_state(const struct health *h, uint32_t item)
{
    return item < h->cfg.endpoints_n ? h->probed_of[item] != 0
                                     : h->judged_of[item - h->cfg.endpoints_n] != 0;
}

static void build_table(struct health *h, bool all)
{
    uint32_t n = h->cfg.endpoints_n + h->cfg.sites_n;
    if (h->table_built)
        memset(h->table, 0, ((size_t)h->table_mask + 1) * sizeof *h->table);
    h->table_built = true;
    h->table_all = all;
    for (uint32_t item = 0; item < n; item++) {
        if (!all && !has_state(h, item))
            continue;
        const struct health_site_config *s = site_of(h, item);
        uint64_t at = key_hash(h->cfg.service[s->service].name, h->cfg.region[s->region].name,
                               address_of(h, item));
        while (h->table[at & h->table_mask])
            at++;
        h->table[at & h->table_mask] = item + 1;
    }
}

static uint32_t find(struct health *h, const char *service, const char *region, const char *address,
                     bool all)
{
    if (!h->table_built || (all && !h->table_all))
        build_table(h, all);
    for (uint64_t at = key_hash(service, region, address); h->table[at & h->table_mask]; at++) {
        uint32_t item = h->table[at & h->table_mask] - 1;
        if (is_item(h, item, service, region, address))
            return item;
    }
    return HEALTH_NONE;
}

uint32_t health__find(struct health *h, const char *service, const char *region,
                      const char *address)
{
    uint32_t item = find(h, service, region, address, false);
    return item == HEALTH_NONE ? find(h, service, region, address, true) : item;
}

/* The same thing in the new numbering. Most configurations differ little from the one before: where
 * the last one was found, the next one is likely to be next. */
static uint32_t find_like(struct health *h, const struct health *old, uint32_t item, bool all,
                          int64_t *shift)
{
    const struct health_site_config *s = site_of(old, item);
    const char *service = old->cfg.service[s->service].name;
    const char *region = old->cfg.region[s->region].name;
    const char *address = address_of(old, item);
    int64_t first = address ? 0 : h->cfg.endpoints_n, guess = item + *shift;
    int64_t end = address ? h->cfg.endpoints_n : first + h->cfg.sites_n;
    if (guess >= first && guess < end && is_item(h, (uint32_t)guess, service, region, address))
        return (uint32_t)guess;
    uint32_t found = find(h, service, region, address, all);
    if (found != HEALTH_NONE)
        *shift = (int64_t)found - item;
    return found;
}

/* Under other rules a way up begins anew from where it is: it must not seem to have begun earlier.
 */
static void take_mover(const struct health *h, struct mover *m, const struct mover *from,
                       bool other_rules)
{
    *m = *from;
    if (!other_rules)
        return;
    m->ramping = false;
    if (m->hold_until_ms < h->now_ms)
        m->hold_until_ms = h->now_ms;
    m->wait = WAIT_NONE;
    if (m->good_since_ms != NEVER_MS && m->avail > 0)
        m->good_since_ms = h->now_ms;
}

static bool same_rules(struct mover_rules a, struct mover_rules b)
{
    return a.ramp_ms == b.ramp_ms && a.hold_ms == b.hold_ms && a.after_ms == b.after_ms &&
           a.failback == b.failback && a.dead_band == b.dead_band;
}

static uint32_t take_note(struct health *h, const struct health *old, uint32_t note)
{
    return note ? health__note(h, old->note[note]) : 0;
}

static uint32_t take_order(struct health *h, const struct health *old, uint32_t slot)
{
    if (!slot)
        return 0;
    uint32_t n = health__order_new(h);
    h->order[n] = old->order[slot];
    h->order[n].next = 0;
    h->order[n].moving = false; /* until it is judged */
    return n;
}

static void take_planned(struct health *h, const struct health *old, struct region *r,
                         uint32_t slot)
{
    for (uint32_t *at = &r->planned; slot; slot = old->order[slot].next) {
        *at = take_order(h, old, slot);
        at = &h->order[*at].next;
        h->planned_n++;
    }
}

static bool samples_fit(const struct judged *a, const struct judged *b)
{
    return a->bucket_ms == b->bucket_ms;
}

/* A new configuration is no reason to move more. */
static void adopt_budget(struct health *h, const struct health *old, uint32_t service,
                         uint32_t old_service)
{
    if (h->cfg.service[service].config->max_move > 0 &&
        old->cfg.service[old_service].config->max_move > 0)
        h->budget[service] = old->budget[old_service];
}

static void adopt_site(struct health *h, const struct health *old, const struct judged *from,
                       int64_t *shift)
{
    uint32_t item = find_like(h, old, old->cfg.endpoints_n + from->site, from->silent, shift);
    if (item == HEALTH_NONE || (from->silent && health__reports_place(h, item)))
        return;
    health__reports_adopt(h, item, old, old->cfg.endpoints_n + from->site);
    struct judged *j = health__judged(h, item - h->cfg.endpoints_n);
    if (!j)
        return;
    struct mover_rules a = health__service_rules(h, h->cfg.site[j->site].service);
    struct mover_rules b = health__service_rules(old, old->cfg.site[from->site].service);
    take_mover(h, &j->m, &from->m, !same_rules(a, b));
    adopt_budget(h, old, h->cfg.site[j->site].service, old->cfg.site[from->site].service);
    j->out = from->out;
    j->evidence = from->evidence;
    j->evidence_rule = from->evidence_rule;
    j->rate_target = from->rate_target;
    j->restored = from->restored;
    j->observed_saved = from->observed_saved;
    j->held = from->held;
    j->note = take_note(h, old, from->note);
    if (samples_fit(j, from))
        j->bucket = from->bucket;
}

static void adopt_endpoint(struct health *h, const struct health *old, uint32_t endpoint,
                           int64_t *shift)
{
    const struct probed *from = health__probed(old, endpoint);
    if (!from && !old->order_of[endpoint])
        return;
    uint32_t e = find_like(h, old, endpoint, !from || from->silent, shift);
    if (e == HEALTH_NONE || (from && from->silent && health__reports_place(h, e)))
        return;
    health__reports_adopt(h, e, old, endpoint);
    h->order_of[e] = take_order(h, old, old->order_of[endpoint]);
    struct probed *p = health__probed(h, e);
    if (!p || !from)
        return;
    struct mover_rules a = health__service_rules(h, health__service_of(h, e));
    struct mover_rules b = health__service_rules(old, health__service_of(old, endpoint));
    struct judged *j = health__judged(h, health__site_of(h, e));
    take_mover(h, &p->m, &from->m, !same_rules(a, b));
    p->out = from->out;
    p->held = from->held;
    if (from->silent || p->silent) /* a probe begins anew */
        return;
    p->observed = from->observed;
    p->streak_ok = from->streak_ok;
    p->streak = from->streak;
    p->streak_fall = from->streak_fall;
    p->unproven = from->unproven;
    p->restored = from->restored;
    p->first_fail_ms = from->first_fail_ms;
    p->first_started_ms = from->first_started_ms;
    p->witness_ms = from->witness_ms;
    p->last_started_ms = from->last_started_ms;
    p->latency_us = from->latency_us;
    p->note = take_note(h, old, from->note);
    memcpy(h->last[p - h->probed], old->last[from - old->probed], LAST_TEXT_MAX);
    health__endpoint_recount(h, e);
    if (p->in_rate && samples_fit(j, health__judged(old, health__site_of(old, endpoint)))) {
        p->w = from->w;
        for (size_t i = 0; i < WINDOW_BUCKETS; i++) {
            j->n += p->w.n[i];
            j->fail += p->w.fail[i];
        }
    }
    if (p->streak && !p->streak_ok && p->observed != HEALTH_OBSERVED_DOWN &&
        p->witness_ms == NEVER_MS && health__witness_possible(h, health__region_of(h, p->endpoint)))
        health__witness_link(h, p);
}

static uint32_t region_named(const struct health *h, const char *name, uint32_t guess)
{
    for (uint32_t i = 0; i < h->cfg.regions_n; i++) { /* usually where it was */
        uint32_t r = (guess + i) % h->cfg.regions_n;
        if (strcmp(h->cfg.region[r].name, name) == 0)
            return r;
    }
    return HEALTH_NONE;
}

static void renumber(struct latest *l, const struct latest *old, uint32_t was, uint32_t is)
{
    for (int i = 0; i < 2; i++)
        if (old->region[i] == was)
            l->region[i] = is;
}

static void adopt_region(struct health *h, const struct health *old, uint32_t region)
{
    uint32_t r = region_named(h, old->cfg.region[region].name, region);
    renumber(&h->failed, &old->failed, region, r);
    renumber(&h->failed_any, &old->failed_any, region, r);
    renumber(&h->answered, &old->answered, region, r);
    if (r == HEALTH_NONE)
        return;
    const struct region *from = &old->region[region];
    take_mover(h, &h->region[r].m, &from->m, !same_rules(h->region[r].rules, from->rules));
    h->region[r].out = from->out;
    h->region[r].held = from->held;
    uint32_t first = h->cfg.endpoints_n + h->cfg.sites_n;
    health__reports_adopt(h, first + r, old, old->cfg.endpoints_n + old->cfg.sites_n + region);
    h->region[r].order = take_order(h, old, from->order);
    take_planned(h, old, &h->region[r], from->planned);
    h->region[r].note = take_note(h, old, from->note);
}

/* What the old engine had asked for is asked for again: confirmations, and witnesses of those that
 * wait for one. */
static void resume_waiting(struct health *h)
{
    for (uint32_t i = 0; i < h->probed_n; i++) {
        struct probed *p = &h->probed[i];
        bool down = p->observed == HEALTH_OBSERVED_DOWN;
        if (p->listed && p->streak >= health_probe_of(&h->cfg, p->endpoint)->fall)
            health__witness_try_fall(h, p);
        else if (p->streak && p->streak_ok == down)
            health__endpoint_confirm(h, p, h->now_ms);
    }
    if (h->ready_n == 0 || h->isolated)
        health__witness_settle(h, NULL);
}

static void publish_all(struct health *h)
{
    for (uint32_t i = 0; i < h->cfg.endpoints_n; i++)
        if (h->probed_of[i] || h->order_of[i])
            health__endpoint_publish(h, i);
    for (uint32_t i = 0; i < h->judged_n; i++)
        health__site_publish(h, h->judged[i].site);
    for (uint32_t i = 0; i < h->cfg.regions_n; i++)
        health__region_publish(h, i);
}

void health_adopt(struct health *h, const struct health *old)
{
    if (old->now_ms > h->now_ms)
        h->now_ms = old->now_ms;
    h->failed = old->failed;
    h->failed_any = old->failed_any;
    h->answered = old->answered;
    h->rebuilding = true;
    int64_t shift = (int64_t)h->cfg.endpoints_n - old->cfg.endpoints_n; /* of sites */
    for (uint32_t i = 0; i < old->cfg.regions_n; i++)
        adopt_region(h, old, i);
    for (uint32_t i = 0; i < old->judged_n; i++)
        adopt_site(h, old, &old->judged[i], &shift);
    shift = 0;
    for (uint32_t i = 0; i < old->cfg.endpoints_n; i++)
        adopt_endpoint(h, old, i, &shift);
    h->isolated = old->isolated;
    h->isolated_since_ms = old->isolated_since_ms;
    h->isolated_until_ms = old->isolated_until_ms;
    h->isolated_answer_ms = old->isolated_answer_ms;
    publish_all(h); /* safety rules look at what the others carry */
    resume_waiting(h);
    for (uint32_t i = 0; i < h->cfg.endpoints_n; i++)
        if (h->probed_of[i] || h->order_of[i])
            health__endpoint_judge(h, i);
    for (uint32_t i = 0; i < h->judged_n; i++)
        health__site_judge(h, h->judged[i].site);
    h->rebuilding = false;
    for (uint32_t i = 0; i < h->cfg.regions_n; i++) {
        health__region_judge(h, i);
        const struct order *o = health__region_order(h, i);
        for (uint32_t k = h->region_site_first[i];
             o && o->state == HEALTH_UP && k < h->region_site_first[i + 1]; k++) {
            const struct health_site_config *s = &h->cfg.site[h->region_site[k]];
            health__site_publish(h, h->region_site[k]);
            for (uint32_t e = 0; e < s->endpoint_n; e++)
                health__endpoint_publish(h, s->endpoint_first + e);
        }
    }
}
