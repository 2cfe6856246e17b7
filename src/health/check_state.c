/* check_state: what must hold between any two calls. Tests and the simulator ask after each step.
 */
#include "engine_priv.h"

#define MUST(expr)                                                                                 \
    do {                                                                                           \
        if (!(expr))                                                                               \
            return #expr;                                                                          \
    } while (0)

static const char *check_mover(const struct health *h, const struct mover *m)
{
    MUST(m->avail <= AVAIL_FULL && m->target <= AVAIL_FULL);
    MUST(!m->ramping || m->avail < m->target);
    MUST(m->wait == WAIT_NONE || m->avail < m->target);
    MUST(!m->ramping || m->ramp_at_ms <= h->now_ms);
    MUST(!m->ramping || m->hold_until_ms <= m->ramp_at_ms);
    MUST(m->target > 0 || m->avail == 0);
    MUST(!m->kept_out || m->avail == 0);
    return NULL;
}

static const char *check_endpoint(const struct health *h, const struct probed *p)
{
    bool failing = p->streak && !p->streak_ok;
    bool down = p->observed == HEALTH_OBSERVED_DOWN;
    MUST(!down || p->m.target == AVAIL_NONE);
    MUST(down || p->restored || p->m.target == AVAIL_FULL || h->source_of[p->endpoint]);
    MUST(!p->silent || (!p->in_on && !p->streak && p->observed == HEALTH_OBSERVED_UP));
    MUST(p->listed == (failing && !down && p->witness_ms == NEVER_MS && h->regions_probed_n >= 2));
    MUST(!p->ready || (p->listed && p->streak >= health_probe_of(&h->cfg, p->endpoint)->fall));
    MUST(!p->unproven || p->listed);
    MUST(!p->in_rate || p->in_up);
    MUST(!p->in_up || p->in_on);
    MUST(p->in_up == (p->in_on && !down));
    MUST(!p->in_forced || !p->in_on);
    return check_mover(h, &p->m);
}

static const char *check_site(const struct health *h, const struct judged *j)
{
    const struct health_site_config *s = &h->cfg.site[j->site];
    uint32_t n = 0, fail = 0, on = 0, up = 0, forced = 0;
    for (uint32_t i = 0; i < s->endpoint_n; i++) {
        const struct probed *p = health__probed(h, s->endpoint_first + i);
        uint32_t samples = 0, failed = 0, more = 0; /* no way out of the loop: it is vectorised */
        for (size_t b = 0; p && b < WINDOW_BUCKETS; b++) {
            samples += p->w.n[b];
            failed += p->w.fail[b];
            more |= p->w.fail[b] > p->w.n[b];
        }
        MUST(!more);
        MUST(!samples || p->in_rate);
        n += samples;
        fail += failed;
        on += p && p->in_on;
        up += p && p->in_up;
        forced += p && p->in_forced;
    }
    MUST(n == j->n && fail == j->fail);
    MUST(on == j->on_n && up == j->up_n && forced == j->forced_n);
    MUST(j->silent || j->restored || j->zero == (j->m.target == AVAIL_NONE));
    return check_mover(h, &j->m);
}

static const char *check_regions(const struct health *h)
{
    uint32_t listed = 0, ready = 0, asked = 0, planned = 0;
    for (uint32_t i = 0; i < h->cfg.regions_n; i++) {
        const struct region *r = &h->region[i];
        uint32_t zero = 0;
        for (uint32_t k = h->region_site_first[i]; k < h->region_site_first[i + 1]; k++) {
            const struct judged *j = health__judged(h, h->region_site[k]);
            zero += j && j->zero;
        }
        for (uint32_t e = r->unwitnessed; e; e = h->probed[e - 1].next) {
            MUST(h->probed[e - 1].listed);
            MUST(health__region_of(h, h->probed[e - 1].endpoint) == i);
            listed++;
            ready += h->probed[e - 1].ready;
        }
        for (uint32_t o = r->planned; o; o = h->order[o].next) {
            MUST(h->order[o].maintenance && h->order[o].cap <= AVAIL_FULL);
            MUST(h->timer_pos[h->cfg.endpoints_n + h->cfg.sites_n + i] ||
                 (h->order[o].state != HEALTH_AUTO &&
                  h->now_ms >= h->order[o].start_ms + h->order[o].over_ms));
            planned++;
        }
        MUST(zero == r->zero_n);
        asked += r->witnesses_asked_n;
        const char *bad = check_mover(h, &r->m);
        if (bad)
            return bad;
    }
    uint32_t flagged = 0;
    for (uint32_t i = 0; i < h->probed_n; i++) {
        flagged += h->probed[i].listed;
        asked -= h->probed[i].witness_asked;
    }
    MUST(listed == h->unwitnessed_n && flagged == listed && ready == h->ready_n);
    MUST(asked == 0);
    MUST(planned == h->planned_n);
    MUST(!h->isolated || h->ready_n > 0);
    return NULL;
}

static const char *check_words(const struct health *h)
{
    for (uint32_t i = 0; i < h->cfg.endpoints_n; i++)
        MUST(health_endpoint_word(h, i) == health__endpoint_word_now(h, i));
    for (uint32_t i = 0; i < h->cfg.sites_n; i++)
        MUST(health_site_word(h, i) == health__site_word_now(h, i));
    for (uint32_t i = 0; i < h->cfg.regions_n; i++)
        MUST(h->region_word[i] == health__region_word_now(h, i));
    for (uint32_t v = 0; v < h->cfg.services_n; v++) {
        uint32_t moving = 0;
        for (uint32_t i = h->service_site_first[v]; i < h->service_site_first[v + 1]; i++) {
            uint32_t site = health__service_site(h, i);
            const struct health_site_config *s = &h->cfg.site[site];
            const struct judged *j = health__judged(h, site);
            moving += j && j->moving;
            moving += !health__is_dependency(h, site) && h->region[s->region].moving;
            for (uint32_t e = 0; e < s->endpoint_n; e++) {
                const struct probed *p = health__probed(h, s->endpoint_first + e);
                const struct order *o = health__endpoint_order(h, s->endpoint_first + e);
                moving += (p && p->moving) + (o && o->moving);
            }
        }
        MUST(moving == h->service_moving_n[v]);
        MUST(moving || h->service_ttl[v] == h->cfg.service[v].config->ttl_s);
        MUST(h->service_ttl[v] <= h->cfg.service[v].config->ttl_s);
    }
    return NULL;
}

static const char *check_timers(const struct health *h)
{
    for (uint32_t i = 1; i <= h->heap_n; i++) {
        MUST(h->timer_pos[h->heap[i]] == i);
        MUST(i == 1 || h->timer_due[h->heap[i / 2]] <= h->timer_due[h->heap[i]]);
    }
    uint32_t set = 0;
    for (uint32_t i = 0; i < h->items_n; i++)
        set += h->timer_pos[i] != 0;
    MUST(set == h->heap_n);
    for (uint32_t i = 0; i < h->probed_n; i++) /* what moves will be looked at again */
        MUST(!h->probed[i].m.ramping || h->timer_pos[h->probed[i].endpoint]);
    for (uint32_t i = 0; i < h->judged_n; i++)
        MUST(!h->judged[i].m.ramping || h->timer_pos[h->cfg.endpoints_n + h->judged[i].site]);
    return NULL;
}

static const char *check_sources(const struct health *h)
{
    uint32_t used = 0;
    for (uint32_t item = 0; item < h->items_n; item++) {
        uint32_t n = 0;
        for (uint32_t at = h->source_of[item]; at; at = h->source[at].next) {
            const struct source *s = &h->source[at];
            MUST(s->item == item && s->name[0]);
            MUST(s->want <= AVAIL_FULL && s->load_want <= AVAIL_FULL);
            MUST(s->judged_fail <= s->judged_n);
            MUST(++n <= HEALTH_SOURCES_PER_ITEM);
        }
        MUST(!n || h->timer_pos[item]); /* what is fresh becomes stale, and is forgotten */
        used += n;
    }
    MUST(used == h->sources_used);
    return NULL;
}

const char *health_check_state(const struct health *h)
{
    const char *bad = NULL;
    for (uint32_t i = 0; !bad && i < h->probed_n; i++)
        bad = check_endpoint(h, &h->probed[i]);
    for (uint32_t i = 0; !bad && i < h->judged_n; i++)
        bad = check_site(h, &h->judged[i]);
    if (!bad)
        bad = check_regions(h);
    if (!bad)
        bad = check_words(h);
    if (!bad)
        bad = check_sources(h);
    return bad ? bad : check_timers(h);
}
