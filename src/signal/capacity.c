#include "signal_priv.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static bool allocate(struct signal_capacity *c)
{
    const struct snapshot *s = c->s;
    uint32_t units = 0;
    c->view_weight = calloc(s->views_n + 1, sizeof *c->view_weight);
    c->class_weight = calloc(s->views_n + 1, sizeof *c->class_weight);
    c->unit_first = calloc(s->views_n + 1, sizeof *c->unit_first);
    c->unit_n = calloc(s->views_n + 1, sizeof *c->unit_n);
    if (!c->view_weight || !c->class_weight || !c->unit_first || !c->unit_n)
        return false;
    for (uint32_t v = 0; v < s->views_n; v++) {
        c->unit_first[v] = units;
        units += s->shapes[v].units_n;
    }
    c->units_n = units;
    c->unit = calloc(units + 1, sizeof *c->unit);
    c->unit_part = calloc(units + 1, sizeof *c->unit_part);
    return c->unit && c->unit_part;
}

static void inherit(struct signal_capacity *c, const struct signal_capacity *before)
{
    int was[R];
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        was[r] = model_region_index(before->s->model, c->s->model->regions[r].name);
    c->followed = before->followed;
    c->looked_ms = before->looked_ms;
    c->again_ms = before->again_ms;
    c->level_said = before->level_said;
    c->eased = before->eased;
    c->pressure_said = before->pressure_said;
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        if (was[r] < 0) {
            c->to[r][r] = c->follow[r][r] = 1;
            continue;
        }
        c->of[r] = before->of[was[r]];
        c->down_ms[r] = before->down_ms[was[r]];
        c->in_ms[r] = before->in_ms[was[r]];
        c->in_from[r] = before->in_from[was[r]];
        c->contested[r] = before->contested[was[r]];
        c->admit[0][r] = before->admit[0][was[r]];
        c->admit[1][r] = before->admit[1][was[r]];
        for (uint32_t q = 0; q < c->s->regions_n; q++)
            if (was[q] >= 0) {
                c->to[r][q] = before->to[was[r]][was[q]];
                c->follow[r][q] = before->follow[was[r]][was[q]];
            }
    }
}

struct signal_capacity *signal_capacity_create(const struct snapshot *s,
                                               const struct signal_capacity *before)
{
    struct signal_capacity *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->s = s;
    c->views_n = s->views_n;
    c->step = s->services_n / SIGNAL_SERVICES_MAX + 1;
    c->high = signal__share(s->model, "load-high", 0.90);
    c->aim = (c->high + signal__share(s->model, "load-low", 0.70)) / 2;
    c->dead_band = signal__share(s->model, "dead-band", 0.05);
    c->level_said = 1;
    c->again_ms = INT64_MIN;
    for (uint32_t r = 0; r < R; r++) {
        c->admit[0][r] = c->admit[1][r] = c->planned.level[r] = 1;
        c->of[r].seen_ms = c->down_ms[r] = c->in_ms[r] = INT64_MIN;
        c->of[r].swell = c->of[r].ceiling = 1;
    }
    for (uint32_t r = 0; r < s->regions_n; r++) {
        double capacity = (double)s->model->regions[r].capacity;
        c->region[r] =
            (struct fill_region){.capacity = capacity * c->aim, .most = capacity * c->high};
        c->any_capacity |= capacity > 0 && c->high > 0;
    }
    if (!allocate(c)) {
        signal_capacity_destroy(&c);
        return NULL;
    }
    if (before)
        inherit(c, before);
    return c;
}

void signal_capacity_destroy(struct signal_capacity **cp)
{
    struct signal_capacity *c = *cp;
    *cp = NULL;
    if (!c)
        return;
    for (uint32_t v = 0; c->class_weight && v < c->views_n; v++)
        free(c->class_weight[v]);
    free(c->class_weight);
    free(c->view_weight);
    free(c->unit_first);
    free(c->unit_n);
    free(c->unit);
    free(c->unit_part);
    free(c->flow);
    free(c);
}

/* ------------------------------------------------------------------------------------- one look */

double signal__level(const struct signal_capacity *c)
{
    double level = 1;
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        if (c->planned.level[r] > level)
            level = c->planned.level[r];
    return level;
}

/* Regions below 1 take guests only where those at 1 would be too full without; and until those have
 * room for all again. */
static void plan(struct signal_capacity *c, const struct fill_world *w, const struct health *h,
                 int64_t now_ms)
{
    bool was = c->eased;
    signal__ease(c, false, now_ms);
    fill_solve(w, &c->planned);
    bool full = signal__level(c) > (was ? 1 + SOME : c->high / c->aim);
    c->pressure = signal__level(c) * c->aim;
    signal__mark_waiting(c, h, now_ms, full);
    if (!full)
        return;
    signal__measure_units(c);
    signal__ease(c, true, now_ms);
    fill_solve(w, &c->planned);
}

static void set_marks(struct signal_capacity *c)
{
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        c->region[r].capacity = (double)c->s->model->regions[r].capacity * c->aim;
}

/* What was too much once is not admitted again, unless all together could not carry it then. */
static void plan_below_ceilings(struct signal_capacity *c, const struct fill_world *w)
{
    bool any = false;
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        any |= c->of[r].ceiling < 1;
        if (c->region[r].shut < 1 - c->of[r].ceiling)
            c->region[r].shut = 1 - c->of[r].ceiling;
    }
    if (!any)
        return;
    c->unbound = c->planned;
    fill_solve(w, &c->planned);
    if (signal__level(c) * c->aim > 1)
        c->planned = c->unbound;
}

bool signal_capacity_look(struct signal_capacity *c, struct health *h, int64_t now_ms,
                          int64_t wall_ms)
{
    if (!c->any_capacity)
        return false;
    signal__measure_units(c);
    if (!c->built)
        signal__build_flows(c);
    if (c->followed)
        signal__follow(c, now_ms);
    else {
        signal__measure_ways(c);
        memcpy(c->follow, c->to, sizeof c->follow);
        c->followed = true;
        c->looked_ms = now_ms;
    }
    signal__hear(c, h);
    for (uint32_t i = 0; i < c->flows_n; i++)
        c->fill[i].demand = c->flow[i].part * c->of[c->flow[i].region].demand;
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        c->region[r].swell = c->of[r].swell;
    struct fill_world w = {.region = c->region,
                           .regions_n = c->s->regions_n,
                           .flow = c->fill,
                           .flows_n = c->active ? c->flows_n : 0};
    plan(c, &w, h, now_ms);
    signal__plan_with_room(c, &w);
    plan_below_ceilings(c, &w);
    set_marks(c);
    bool changed = signal__publish(c, now_ms, wall_ms);
    signal__measure_ways(c);
    signal__tell_engine(c, h);
    return changed;
}

size_t signal_capacity_events(struct signal_capacity *c, struct health_event *out, size_t cap)
{
    size_t n = c->events_n < cap ? c->events_n : cap;
    memcpy(out, c->event, n * sizeof *out);
    memmove(c->event, c->event + n, (c->events_n - n) * sizeof *out);
    c->events_n -= n;
    return n;
}

void signal_capacity_show(const struct signal_capacity *c, uint32_t region,
                          struct signal_capacity_view *out)
{
    *out = (struct signal_capacity_view){.capacity = (double)c->s->model->regions[region].capacity,
                                         .known = c->active && c->of[region].known,
                                         .demand = c->active ? c->of[region].demand : 0,
                                         .expected =
                                             c->active ? signal__expected(c, c->to, region) : 0,
                                         .admits = {c->admit[0][region], c->admit[1][region]},
                                         .level = c->planned.level[region]};
}
