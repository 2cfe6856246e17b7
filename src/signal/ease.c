/* Easing: where those at 1 would be too full, guests are also let in to what is below 1: to what is
 * available in part, of that part; and, over a ramp, to what works and only waits.
 *
 *   waits      evidence has been good for a while, and only flap damping or the ramp keep it out
 *   contested  all that is in a region is down, found by probes, but its load balancer goes on
 *              reporting requests that succeed: the prober does not reach what clients do. So until it
 *              has returned.
 *
 * The engine's own words stay as they are: when there is room again, so are the answers. */
#include "signal_priv.h"

#include <string.h>

#define GOOD_MS 60000   /* a hold at least, and longer than most of what flaps is up */
#define SILENT_MS 25000 /* two reports */
#define FEW 0.05        /* failures of a report */
#define RAMP_MS 60000
#define RAMP_FROM 0.1

static void set_waits(_Atomic uint32_t *at, bool waits, uint32_t *n)
{
    uint32_t old = atomic_load_explicit(at, memory_order_relaxed) & ~STEER_WORD_WAITS;
    snapshot_board_set(at, 0, old | (waits ? STEER_WORD_WAITS : 0));
    *n += waits;
}

/* Do requests succeed, by all that is reported of a region, half of it at least from since_ms on? */
static bool succeeds(const struct health *h, uint32_t r, int64_t since_ms, int64_t now_ms)
{
    struct health_report place = {.region = r, .site = HEALTH_NONE, .endpoint = HEALTH_NONE};
    struct health_source_view v;
    bool good = false;
    for (uint32_t i = 0; health_source_show(h, &place, i, &v); i++) {
        if (!v.fresh || v.age_ms > SILENT_MS || now_ms - v.age_ms - v.covered_ms / 2 < since_ms)
            continue;
        if (v.want < AVAIL_FULL || (double)v.last_failures > FEW * (double)v.last_samples)
            return false;
        good |= v.has_load && v.utilisation > SOME;
    }
    return good;
}

/* Is anything of a site available? If not, since when: by probes, since the last of them began to fail. */
static bool any_up(const struct steer_tables *t, const struct health *h, uint32_t service,
                   uint32_t first, const struct steer_site *site, int64_t *since_ms)
{
    for (uint32_t e = first; e < first + site->endpoint_n; e++) {
        if (steer_effective(t, service, e, NULL) > 0)
            return true;
        int64_t at_ms = health_failing_since_ms(h, e);
        *since_ms = at_ms > *since_ms ? at_ms : *since_ms;
    }
    return false;
}

/* Since when is nothing of a region available, and since when do its probes fail? */
static void measure_down(struct signal_capacity *c, const struct health *h, int64_t now_ms,
                         int64_t since_ms[R])
{
    const struct steer_tables *t = &c->s->steer;
    bool up[R] = {false};
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        uint32_t on = health_dependency(h, r);
        since_ms[r] = on == HEALTH_NONE ? INT64_MIN : health_failing_since_ms(h, on);
    }
    for (uint32_t i = 0; i < c->s->services_n; i += c->step) {
        const struct steer_service *svc = &t->service[i];
        for (uint32_t u = 0; u < svc->site_n; u++) {
            const struct steer_site *site = &steer_sites(t, svc)[u];
            uint32_t r = site->region;
            up[r] = up[r] || any_up(t, h, i, svc->endpoint_first + site->first, site, &since_ms[r]);
        }
    }
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        if (up[r])
            c->down_ms[r] = INT64_MIN;
        else if (c->down_ms[r] == INT64_MIN) {
            c->down_ms[r] = since_ms[r] == INT64_MIN ? now_ms : since_ms[r];
            c->contested[r] = false;
        }
}

/* It is contested while its probes fail, else it may only be between two outages. What is so stays so
 * until it has returned: then probes and reports agree. */
static void contest(struct signal_capacity *c, const struct health *h, int64_t now_ms, bool any,
                    const int64_t since_ms[R])
{
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        bool fails = c->down_ms[r] != INT64_MIN && since_ms[r] != INT64_MIN;
        c->contested[r] =
            any && (c->contested[r] || fails) && succeeds(h, r, c->down_ms[r], now_ms);
    }
}

/* Whether a word may count as one for guests: because its region is contested, until all that is back is
 * at 1, or because it only waits. What a person has said of it binds. */
static bool waits(struct signal_capacity *c, const struct health *h, uint8_t level, uint32_t index,
                  uint32_t r, const _Atomic uint32_t *at, bool any)
{
    uint32_t avail = atomic_load_explicit(at, memory_order_relaxed) & STEER_WORD_AVAIL;
    if (!any || health_ordered(h, level, index))
        return false;
    if (c->contested[r] && (c->down_ms[r] != INT64_MIN || (avail > 0 && avail < AVAIL_FULL))) {
        c->returning[r] = true;
        return true;
    }
    return health_waits(h, level, index, GOOD_MS);
}

void signal__mark_waiting(struct signal_capacity *c, const struct health *h, int64_t now_ms,
                          bool any)
{
    const struct snapshot *s = c->s;
    const struct steer_tables *t = &s->steer;
    int64_t since_ms[R];
    measure_down(c, h, now_ms, since_ms);
    contest(c, h, now_ms, any, since_ms);
    if (!any && !c->waits_n)
        return;
    c->waits_n = 0;
    memset(c->returning, 0, sizeof c->returning);
    for (uint32_t r = 0; r < s->regions_n; r++) {
        _Atomic uint32_t *word = &t->board.region[r];
        set_waits(word, waits(c, h, 2, r, r, word, any), &c->waits_n);
    }
    for (uint32_t i = 0; i < s->services_n; i++) {
        for (uint32_t k = s->service_site_first[i]; k < s->service_site_first[i + 1]; k++) {
            _Atomic uint32_t *word = steer_site_word(t, i, k);
            set_waits(word, waits(c, h, 1, k, s->board_site_region[k], word, any), &c->waits_n);
        }
        for (uint32_t e = s->service_endpoint_first[i]; e < s->service_endpoint_first[i + 1]; e++) {
            _Atomic uint32_t *word = steer_endpoint_word(t, i, e);
            set_waits(word, waits(c, h, 0, e, steer_site_of(t, i, e)->region, word, any),
                      &c->waits_n);
        }
    }
    for (uint32_t r = 0; r < s->regions_n; r++)
        c->contested[r] = c->contested[r] && c->returning[r];
}

/* Whom a region lets in beyond what it is available for comes over a ramp: from as much on as is left of
 * one that began when it went. */
static double slowly(struct signal_capacity *c, uint32_t r, bool beyond, int64_t now_ms)
{
    if (!beyond) {
        c->in_ms[r] = INT64_MIN;
        return 1;
    }
    if (c->in_ms[r] == INT64_MIN) {
        double away = c->down_ms[r] == INT64_MIN ? 1 : (double)(now_ms - c->down_ms[r]) / RAMP_MS;
        c->in_ms[r] = now_ms;
        c->in_from[r] = away < 1 - RAMP_FROM ? 1 - away : RAMP_FROM;
    }
    double part = c->in_from[r] + (double)(now_ms - c->in_ms[r]) / RAMP_MS;
    return part < 1 ? part : 1;
}

void signal__ease(struct signal_capacity *c, bool eased, int64_t now_ms)
{
    bool beyond[R] = {false};
    c->eased = eased;
    for (uint32_t i = 0; i < c->units_n; i++) {
        struct fill_unit *u = &c->unit[i];
        u->eases = eased && c->unit_part[i] >= EASES_FROM ? c->unit_part[i] : 0;
        beyond[u->region] |= u->eases > u->keep + SOME;
    }
    for (uint32_t r = 0; r < R; r++)
        c->region[r].shut = eased ? 1 - slowly(c, r, beyond[r], now_ms) : 0;
}
