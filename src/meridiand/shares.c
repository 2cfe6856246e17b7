/* Shares: what was answered (got), and what the client networks say should be (want). */
#include "base/clock.h"
#include "daemon.h"
#include "steer/fill.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------ got */

static void add_tallies(const struct snapshot *s, uint64_t *by_region)
{
    for (unsigned w = 0; w < s->workers; w++)
        for (uint32_t i = 0; i < s->endpoints_n; i++) {
            uint32_t n = atomic_load_explicit(&s->tally[w].endpoint[i], memory_order_relaxed);
            if (n)
                by_region[s->steer.site[s->steer.endpoint[i].site].region] += n;
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

struct weighing {
    const struct snapshot *s;
    const struct snapshot_view *v;
    double *located, *all; /* /24 blocks by class */
    double located_sum, all_sum;
};

static void weigh_range(void *ctx, const struct ip *first, uint64_t blocks, uint32_t spot)
{
    struct weighing *x = ctx;
    uint32_t class = geo_view_lookup(x->v->map, first).class;
    x->all[class] += (double)blocks;
    x->all_sum += (double)blocks;
    if (geo_base_spot(x->s->base, spot)->place != 0) {
        x->located[class] += (double)blocks;
        x->located_sum += (double)blocks;
    }
}

/* The share of client networks in each class of a view: IPv4 /24s that a database locates, else
 * all. IPv6 is left out: its sizes say nothing about how many people are there. */
static void weigh_classes(const struct snapshot *s, const struct snapshot_view *v, double *weight)
{
    struct weighing x = {
        .s = s, .v = v, .located = weight, .all = calloc(v->rows_n, sizeof *x.all)};
    memset(weight, 0, v->rows_n * sizeof *weight);
    if (!x.all)
        return;
    geo_base_each_v4(s->base, weigh_range, &x);
    for (uint32_t i = 0; i < v->rows_n; i++)
        weight[i] = x.located_sum > 0 ? weight[i] / x.located_sum : x.all[i] / x.all_sum;
    free(x.all);
}

/* Walking a million networks takes tens of milliseconds: once per view of a world. */
static const double *class_weights(struct daemon *d, const struct snapshot *s, uint32_t view)
{
    if (d->weights_of != s) {
        shares_forget(d);
        d->weights = calloc(s->views_n + 1, sizeof *d->weights);
        d->weights_n = d->weights ? s->views_n : 0;
        d->weights_of = s;
    }
    if (view >= d->weights_n)
        return NULL;
    if (!d->weights[view]) {
        d->weights[view] = calloc(s->views[view]->rows_n + 1, sizeof **d->weights);
        if (d->weights[view])
            weigh_classes(s, s->views[view], d->weights[view]);
    }
    return d->weights[view];
}

#define WEIGHED_VIEWS_MAX 16 /* each takes tens of milliseconds, over a large database */

void shares_weigh(struct daemon *d, const struct snapshot *s, struct signal_capacity *c)
{
    uint32_t *services = calloc(s->views_n + 1, sizeof *services);
    if (!services)
        return;
    for (uint32_t i = 0; i < s->services_n; i++)
        services[s->steer.service[i].view]++;
    for (uint32_t n = 0; n < WEIGHED_VIEWS_MAX && n < s->views_n; n++) {
        uint32_t most = 0;
        for (uint32_t v = 1; v < s->views_n; v++)
            if (services[v] > services[most])
                most = v;
        const double *weight = services[most] ? class_weights(d, s, most) : NULL;
        if (!weight || signal_capacity_weigh(c, most, services[most], weight))
            break;
        services[most] = 0;
    }
    free(services);
}

void shares_forget(struct daemon *d)
{
    for (uint32_t i = 0; i < d->weights_n; i++)
        free(d->weights[i]);
    free(d->weights);
    d->weights = NULL;
    d->weights_n = 0;
    d->weights_of = NULL;
}

struct spread { /* one class of one service */
    const struct snapshot *s;
    const struct steer_service *svc;
    const uint16_t *row;
    uint16_t row_n;
    bool fenced;
    double *out; /* by endpoint of the service */
    uint32_t first;
};

static double avail_of(const struct spread *x, uint32_t e)
{
    return avail_to_double(steer_effective(&x->s->steer, e, NULL));
}

static uint16_t group_end(const struct spread *x, uint16_t first)
{
    uint16_t end = (uint16_t)(first + 1);
    while (end < x->row_n && !(x->row[end] & STEER_GROUP))
        end++;
    return end;
}

/* Gives share to the members of items [first, end) in proportion to weight x f(availability). mode
 * 0: as if all were at 1; 1: those at 1; 2: by availability. Returns the sum of weights. */
static double give(const struct spread *x, uint16_t first, uint16_t end, int mode, double share,
                   double *to)
{
    double sum = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint16_t i = first; i < end; i++) {
            const struct steer_site *site =
                &x->s->steer.site[x->svc->site_first + (x->row[i] & STEER_UNIT)];
            for (uint32_t e = site->endpoint_first; e < site->endpoint_first + site->endpoint_n;
                 e++) {
                double a = avail_of(x, e), w = x->s->steer.endpoint[e].weight;
                w *= mode == 0 ? 1 : mode == 1 ? a >= 1 : a;
                if (pass == 0)
                    sum += w;
                else if (sum > 0)
                    to[e - x->first] += share * w / sum;
            }
        }
    return sum;
}

/* Guests of the group, each region by what it admits; the weight of a region is that of its members
 * at 1. Returns what nobody admits. */
static double give_admitted(const struct spread *x, uint16_t first, uint16_t end, double share)
{
    struct fill_member m[STEER_UNITS_MAX];
    uint16_t item[STEER_UNITS_MAX];
    uint32_t n = 0;
    for (uint16_t i = first; i < end; i++) {
        const struct steer_site *site =
            &x->s->steer.site[x->svc->site_first + (x->row[i] & STEER_UNIT)];
        uint32_t admit = steer_admission(&x->s->steer.board, site->region, x->fenced);
        double weight = give(x, i, (uint16_t)(i + 1), 1, 0, x->out);
        item[n] = i;
        if (weight > 0 && admit > 0)
            m[n++] =
                (struct fill_member){.weight = weight, .chance = (double)admit / STEER_ADMIT_FULL};
    }
    if (!n)
        return share;
    double none = fill_group(m, n);
    for (uint32_t k = 0; k < n; k++)
        give(x, item[k], (uint16_t)(item[k] + 1), 1, share * m[k].part, x->out);
    return share * none;
}

/* The rules of steer/choose in expectation: placed, stays, moves on. Families are not told apart.
 */
static void spread_class(const struct spread *x, double share)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->svc->site_n; i++)
        n += x->s->steer.site[x->svc->site_first + i].endpoint_n;
    double *placed = calloc(n + 1, sizeof *placed);
    if (!placed || !x->row_n) {
        free(placed);
        return;
    }
    uint16_t first = 0, end = group_end(x, 0);
    while (give(x, first, end, 0, share, placed) <= 0 && end < x->row_n) {
        first = end;
        end = group_end(x, first);
    }
    double moved = 0;
    for (uint32_t i = 0; i < n; i++) {
        double stays = placed[i] * avail_of(x, x->first + i);
        x->out[i] += stays;
        moved += placed[i] - stays;
    }
    for (first = 0; moved > 0 && first < x->row_n; first = end) {
        end = group_end(x, first);
        moved = give_admitted(x, first, end, moved);
    }
    bool settled = moved <= 0;
    for (first = 0; !settled && first < x->row_n; first = end) {
        end = group_end(x, first);
        settled = give(x, first, end, 1, moved, x->out) > 0;
    }
    if (!settled && give(x, 0, x->row_n, 2, moved, x->out) <= 0)
        give(x, 0, x->row_n, 0, moved, x->out); /* fails open */
    free(placed);
}

static void want_with(const struct snapshot *s, uint32_t service, const double *weight, double *out)
{
    const struct snapshot_view *v = snapshot_view_of(s, service);
    struct spread x = {.s = s,
                       .svc = &s->steer.service[service],
                       .out = out,
                       .first = s->service_endpoint_first[service]};
    for (uint32_t c = 0; c < v->rows_n; c++) {
        if (weight[c] <= 0)
            continue;
        x.row = v->items + v->rows[c].item;
        x.row_n = v->rows[c].n;
        x.fenced = v->rows[c].fence != UINT64_MAX;
        spread_class(&x, weight[c]);
    }
}

void shares_want_service(struct daemon *d, const struct snapshot *s, uint32_t service,
                         double *by_endpoint)
{
    const double *weight = class_weights(d, s, s->steer.service[service].view);
    if (weight)
        want_with(s, service, weight, by_endpoint);
}

#define WANT_SERVICES_MAX 2000 /* beyond that the first ones stand for all */

void shares_want(struct daemon *d, const struct snapshot *s, double *by_region)
{
    double sum = 0;
    memset(by_region, 0, DAEMON_REGIONS_MAX * sizeof *by_region);
    for (uint32_t i = 0; i < s->services_n && i < WANT_SERVICES_MAX; i++) {
        uint32_t first = s->service_endpoint_first[i];
        uint32_t n = s->service_endpoint_first[i + 1] - first;
        double *out = calloc(n + 1, sizeof *out);
        if (out)
            shares_want_service(d, s, i, out);
        for (uint32_t k = 0; out && k < n; k++) {
            by_region[s->steer.site[s->steer.endpoint[first + k].site].region] += out[k];
            sum += out[k];
        }
        free(out);
    }
    for (unsigned i = 0; i < DAEMON_REGIONS_MAX; i++)
        by_region[i] = sum > 0 ? by_region[i] / sum : 0;
}

/* ----------------------------------------------------------------------------------------- heir */

#define HEIR_ROWS_MAX 64

static bool site_full(const struct snapshot *s, const struct steer_site *site)
{
    for (uint32_t e = site->endpoint_first; e < site->endpoint_first + site->endpoint_n; e++)
        if (steer_effective(&s->steer, e, NULL) == AVAIL_FULL && s->steer.endpoint[e].weight)
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
            const struct steer_site *site = &s->steer.site[svc->site_first + (row[i] & STEER_UNIT)];
            if (i == 0)
                first_is_region = site->region == region;
            if (site->region != region && site_full(s, site)) {
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
