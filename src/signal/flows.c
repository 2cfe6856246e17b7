/* Who asks: the classes of the views, each at home in one or more regions. */
#include "signal_priv.h"

#include <stdlib.h>
#include <string.h>

#define FOLLOW_TTL_S_MAX 300

bool signal_capacity_wants(const struct signal_capacity *c, const struct health *h)
{
    bool known = signal_capacity_due(c, h);
    for (uint32_t r = 0; c->any_capacity && r < c->s->regions_n; r++)
        known |= c->of[r].known;
    return known && !c->weighed;
}

enum err signal_capacity_weigh(struct signal_capacity *c, uint32_t view, double view_weight,
                               const double *by_class)
{
    uint32_t n = c->s->views[view]->rows_n;
    double *copy = malloc((n + 1) * sizeof *copy);
    if (!copy)
        return ERR_NOMEM;
    memcpy(copy, by_class, n * sizeof *copy);
    free(c->class_weight[view]);
    c->class_weight[view] = copy;
    c->view_weight[view] = view_weight;
    c->weighed = true;
    c->built = false;
    return ERR_OK;
}

/* Weights, availabilities and whether guests are taken, of each unit of each view: the mean over its
 * services. */
void signal__measure_units(struct signal_capacity *c)
{
    const struct snapshot *s = c->s;
    const struct steer_tables *t = &s->steer;
    uint32_t ttl_s = 1;
    memset(c->unit_n, 0, s->views_n * sizeof *c->unit_n);
    for (uint32_t v = 0; v < s->views_n; v++)
        for (uint32_t u = 0; u < s->shapes[v].units_n; u++)
            c->unit[c->unit_first[v] + u] =
                (struct fill_unit){.region = s->shapes[v].units[u].region};
    memset(c->unit_part, 0, c->units_n * sizeof *c->unit_part);
    for (uint32_t i = 0; i < s->services_n; i += c->step) {
        const struct steer_service *svc = &t->service[i];
        c->unit_n[svc->view]++;
        if ((uint32_t)s->model->services[i].ttl_s > ttl_s)
            ttl_s = (uint32_t)s->model->services[i].ttl_s;
        for (uint32_t u = 0; u < svc->site_n; u++) {
            const struct steer_site *site = &steer_sites(t, svc)[u];
            const struct steer_endpoint *endpoint = &steer_endpoints(t, svc)[site->first];
            struct fill_unit *out = &c->unit[c->unit_first[svc->view] + u];
            double weight = 0, keep = 0;
            uint32_t most = 0, eased = 0;
            uint32_t first = svc->endpoint_first + site->first;
            for (uint32_t e = 0; e < site->endpoint_n; e++) {
                uint32_t avail = steer_effective(t, i, first + e, NULL);
                weight += endpoint[e].weight;
                keep += endpoint[e].weight * avail_to_double(avail);
                most = endpoint[e].weight > 0 && avail > most ? avail : most;
                uint32_t part = c->waits_n ? steer_effective_eased(t, i, first + e) : avail;
                eased = endpoint[e].weight > 0 && part > eased ? part : eased;
            }
            out->weight += site->weight;
            out->keep += weight > 0 ? keep / weight : 0;
            out->open += most == AVAIL_FULL;
            c->unit_part[out - c->unit] += most < AVAIL_FULL ? avail_to_double(eased) : 0;
        }
    }
    for (uint32_t v = 0; v < s->views_n; v++)
        for (uint32_t u = 0; c->unit_n[v] && u < s->shapes[v].units_n; u++) {
            struct fill_unit *out = &c->unit[c->unit_first[v] + u];
            out->weight /= c->unit_n[v];
            out->keep /= c->unit_n[v];
            out->open /= c->unit_n[v];
            c->unit_part[out - c->unit] /= c->unit_n[v];
        }
    c->ttl_ms = 1000.0 * (ttl_s < FOLLOW_TTL_S_MAX ? ttl_s : FOLLOW_TTL_S_MAX);
}

static int by_part(const void *a, const void *b)
{
    const struct flow *x = a, *y = b;
    if (x->part != y->part)
        return x->part > y->part ? -1 : 1;
    if (x->view != y->view)
        return x->view < y->view ? -1 : 1;
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    return x->home < y->home ? -1 : x->home > y->home;
}

static bool add_flow(struct signal_capacity *c, uint32_t *cap, struct flow f)
{
    if (c->flows_n == *cap) {
        *cap = *cap ? *cap * 2 : 64;
        struct flow *more = realloc(c->flow, *cap * sizeof *more);
        if (!more)
            return false;
        c->flow = more;
    }
    c->flow[c->flows_n++] = f;
    return true;
}

/* One class of a view: a flow for each region of its first group with weight. */
static bool add_class(struct signal_capacity *c, uint32_t *cap, uint32_t view, uint32_t class,
                      double weight)
{
    const struct snapshot_view *v = c->s->views[view];
    const struct snapshot_row *row = &v->rows[class];
    const struct fill_unit *unit = c->unit + c->unit_first[view];
    double sum = 0;
    for (uint16_t i = 0, first = 0; i < row->n; i++) {
        uint16_t item = v->items[row->item + i];
        if (item & STEER_GROUP && sum > 0)
            break;
        if (item & STEER_GROUP)
            first = i;
        sum += unit[item & STEER_UNIT].weight;
        bool last = i + 1 == row->n || v->items[row->item + i + 1] & STEER_GROUP;
        for (uint16_t k = first; last && sum > 0 && k <= i; k++) {
            const struct fill_unit *u = &unit[v->items[row->item + k] & STEER_UNIT];
            struct flow f = {.view = view,
                             .class = class,
                             .home = (uint16_t)(k + 1),
                             .region = u->region,
                             .part = weight * u->weight / sum};
            if (f.part > 0 && !add_flow(c, cap, f))
                return false;
        }
    }
    return true;
}

/* The largest flows, their parts of each region's demand summing to 1. */
static void keep_largest(struct signal_capacity *c)
{
    double kept[R] = {0};
    qsort(c->flow, c->flows_n, sizeof *c->flow, by_part);
    for (uint32_t i = 0; i < c->flows_n; i++)
        c->home_weight[c->flow[i].region] += c->flow[i].part;
    if (c->flows_n > SIGNAL_FLOWS_MAX)
        c->flows_n = SIGNAL_FLOWS_MAX;
    for (uint32_t i = 0; i < c->flows_n; i++)
        kept[c->flow[i].region] += c->flow[i].part;
    for (uint32_t i = 0; i < c->flows_n; i++) {
        struct flow *f = &c->flow[i];
        const struct snapshot_view *v = c->s->views[f->view];
        const struct snapshot_row *row = &v->rows[f->class];
        f->part /= kept[f->region];
        c->fill[i] = (struct fill_flow){.row = v->items + row->item,
                                        .row_n = row->n,
                                        .home = f->home,
                                        .fenced = row->fence != UINT64_MAX,
                                        .unit = c->unit + c->unit_first[f->view]};
    }
}

void signal__build_flows(struct signal_capacity *c)
{
    uint32_t cap = 0;
    bool whole = true;
    free(c->flow);
    c->flow = NULL;
    c->flows_n = 0;
    memset(c->home_weight, 0, sizeof c->home_weight);
    for (uint32_t v = 0; v < c->s->views_n; v++) {
        uint32_t n = c->s->views[v]->rows_n;
        const double *weight = c->class_weight[v];
        double of_view = weight ? c->view_weight[v] : (double)c->unit_n[v] * c->step;
        for (uint32_t class = 0; whole && class < n; class ++)
            whole = add_class(c, &cap, v, class, of_view * (weight ? weight[class] : 1.0 / n));
    }
    if (c->flows_n)
        keep_largest(c);
    c->built = true;
}

void signal__measure_ways(struct signal_capacity *c)
{
    memset(c->to, 0, sizeof c->to);
    for (uint32_t i = 0; i < c->flows_n; i++) {
        const struct fill_flow *f = &c->fill[i];
        double share[R];
        fill_spread(f, c->admit[f->fenced], NULL, share, NULL);
        for (uint32_t r = 0; r < c->s->regions_n; r++)
            c->to[c->flow[i].region][r] += c->flow[i].part * share[r];
    }
}
