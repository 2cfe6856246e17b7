/* Shares: what was answered (got), and what the client networks say should be (want). */
#include "base/clock.h"
#include "crowd/spread.h"
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------ got */

static void add_tallies(const struct snapshot *s, uint64_t *by_region)
{
    for (uint32_t v = 0; v < s->services_n; v++)
        for (uint32_t i = s->service_endpoint_first[v]; i < s->service_endpoint_first[v + 1]; i++) {
            uint64_t n = 0;
            for (unsigned w = 0; w < s->workers; w++)
                n += atomic_load_explicit(&s->tally[w].endpoint[i], memory_order_relaxed);
            if (n)
                by_region[steer_site_of(&s->steer, v, i)->region] += n;
        }
}

/* Regions keep their counts by name through a change of numbering. */
void shares_fold(struct daemon *d, const struct snapshot *s)
{
    uint64_t counts[DAEMON_REGIONS_MAX] = {0};
    const struct snapshot *now = world_now(d);
    add_tallies(s, counts);
    for (uint32_t i = 0; now && i < s->regions_n; i++) {
        int at = model_region_index(now->model, s->model->regions[i].name);
        if (at >= 0)
            d->region_answers[at] += counts[i];
    }
}

static void renumber(uint64_t *counts, const struct model *from, const struct model *to)
{
    uint64_t moved[DAEMON_REGIONS_MAX] = {0};
    for (uint32_t i = 0; i < from->regions_n; i++) {
        int at = model_region_index(to, from->regions[i].name);
        if (at >= 0)
            moved[at] = counts[i];
    }
    memcpy(counts, moved, sizeof moved);
}

void shares_renumber(struct daemon *d, const struct snapshot *next)
{
    const struct snapshot *now = world_now(d);
    if (!now)
        return;
    renumber(d->region_answers, now->model, next->model);
    for (unsigned i = 0; i < SHARE_RING; i++)
        renumber(d->share_ring[i], now->model, next->model);
}

static void totals(const struct daemon *d, uint64_t *by_region)
{
    memcpy(by_region, d->region_answers, sizeof d->region_answers);
    add_tallies(world_now(d), by_region);
}

/* Every SHARE_STEP_MS: the ring remembers the totals of the last minute. */
void shares_step(struct daemon *d)
{
    int64_t now = clock_mono_ms();
    if (now - d->share_stepped_ms < SHARE_STEP_MS)
        return;
    d->share_stepped_ms = now;
    d->share_at = (d->share_at + 1) % SHARE_RING;
    totals(d, d->share_ring[d->share_at]);
}

void shares_got(const struct daemon *d, double *by_region)
{
    uint64_t now[DAEMON_REGIONS_MAX], sum = 0;
    const uint64_t *then = d->share_ring[(d->share_at + 1) % SHARE_RING];
    totals(d, now);
    for (unsigned i = 0; i < DAEMON_REGIONS_MAX; i++) {
        now[i] = now[i] > then[i] ? now[i] - then[i] : 0;
        sum += now[i];
    }
    for (unsigned i = 0; i < DAEMON_REGIONS_MAX; i++)
        by_region[i] = sum ? (double)now[i] / (double)sum : 0;
}

/* ----------------------------------------------------------------------------------------- want */

#define WANT_POINTS 16384u

/* Walking a million networks takes some milliseconds: once per geo base. */
static const struct crowd *networks(struct daemon *d, const struct snapshot *s)
{
    if (d->networks_of != s->base) {
        shares_forget(d);
        if (!crowd_of_networks(s->base, &d->networks))
            return NULL;
        d->networks_of = geo_base_ref(s->base);
    }
    return &d->networks;
}

#define WEIGHED_VIEWS_MAX 16 /* the views that most services have; each takes milliseconds */

void shares_weigh(struct daemon *d, const struct snapshot *s, struct signal_capacity *c)
{
    const struct crowd *of = networks(d, s);
    uint32_t *services = calloc(s->views_n + 1, sizeof *services);
    for (uint32_t i = 0; services && i < s->services_n; i++)
        services[s->steer.service[i].view]++;
    for (uint32_t n = 0; of && services && n < WEIGHED_VIEWS_MAX && n < s->views_n; n++) {
        uint32_t most = 0;
        for (uint32_t v = 1; v < s->views_n; v++)
            if (services[v] > services[most])
                most = v;
        double *weight = calloc(s->views[most]->rows_n + 1, sizeof *weight);
        bool weighed = weight && services[most] && crowd_class_weights(of, s, most, weight) &&
                       !signal_capacity_weigh(c, most, services[most], weight);
        free(weight);
        if (!weighed)
            break;
        services[most] = 0;
    }
    free(services);
}

void shares_forget(struct daemon *d)
{
    crowd_fini(&d->networks);
    if (d->networks_of)
        geo_base_unref(&d->networks_of);
}

void shares_want_service(struct daemon *d, const struct snapshot *s, uint32_t service,
                         double *by_endpoint)
{
    const struct crowd *c = networks(d, s);
    if (c)
        crowd_spread_service(c, s, service, WANT_POINTS, by_endpoint);
}

void shares_want(struct daemon *d, const struct snapshot *s, double *by_region)
{
    const struct crowd *c = networks(d, s);
    double sum = 0;
    memset(by_region, 0, DAEMON_REGIONS_MAX * sizeof *by_region);
    if (c)
        crowd_spread(c, s, WANT_POINTS, by_region);
    for (unsigned i = 0; i < DAEMON_REGIONS_MAX; i++)
        sum += by_region[i];
    for (unsigned i = 0; i < DAEMON_REGIONS_MAX; i++)
        by_region[i] = sum > 0 ? by_region[i] / sum : 0;
}

/* ----------------------------------------------------------------------------------------- heir */

#define HEIR_ROWS_MAX 64

static bool site_full(const struct snapshot *s, uint32_t service, const struct steer_site *site)
{
    uint32_t first = s->service_endpoint_first[service] + site->first;
    for (uint32_t e = first; e < first + site->endpoint_n; e++)
        if (steer_effective(&s->steer, service, e, NULL) == AVAIL_FULL &&
            steer_endpoint_of(&s->steer, service, e)->weight)
            return true;
    return false;
}

int shares_heir(const struct snapshot *s, uint32_t service, uint32_t region)
{
    const struct snapshot_view *v = snapshot_view_of(s, service);
    const struct steer_service *svc = &s->steer.service[service];
    unsigned votes[DAEMON_REGIONS_MAX] = {0};
    for (uint32_t c = 0; c < v->rows_n && c < HEIR_ROWS_MAX; c++) {
        const uint16_t *row = v->items + v->rows[c].item;
        bool first_is_region = false;
        for (uint16_t i = 0; i < v->rows[c].n; i++) {
            const struct steer_site *site = &steer_sites(&s->steer, svc)[row[i] & STEER_UNIT];
            if (i == 0)
                first_is_region = site->region == region;
            if (site->region != region && site_full(s, service, site)) {
                votes[site->region] += first_is_region ? 1000 : 1;
                break;
            }
        }
    }
    int heir = -1;
    for (int i = 0; i < DAEMON_REGIONS_MAX; i++)
        if (votes[i] && (heir < 0 || votes[i] > votes[heir]))
            heir = i;
    return heir;
}
