#include "signal/capacity.h"

#include "base/check.h"
#include "steer/fill.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define R STEER_REGIONS_MAX
#define SMOOTH_MS 30000.0
#define KNOWN_FROM 0.3 /* of its own clients have to be at home for a first estimate */
#define FOLLOW_TTL_S_MAX 300
#define FOLLOW_TTL_PARTS 3.0 /* after a TTL 95 % have followed */
#define SOME 0.01         /* of the capacity: fewer guests, or less overload, than this is none */
#define CROWDED_UNTIL 0.9 /* of the capacity */
#define EVENTS_CAP (R + 1)

struct flow { /* clients of one class that are at home in one region */
    uint32_t view, class;
    uint16_t home; /* item of the row, from 1 on */
    uint8_t region;
    double part; /* of the region's demand */
};

struct estimate { /* of the demand of a region's own clients */
    bool known;
    double demand;
    double reported; /* load, the last one */
    int64_t seen_ms; /* and when it was reported; INT64_MIN: never */
};

struct signal_capacity {
    const struct snapshot *s;
    uint32_t views_n, step; /* every so many services are looked at */
    double aim, high, dead_band;
    bool any_capacity;

    double *view_weight; /* by view */
    double **class_weight;
    bool weighed, built;
    struct flow *flow;
    struct fill_flow fill[SIGNAL_FLOWS_MAX];
    uint32_t flows_n;
    double home_weight[R]; /* of all clients */
    struct fill_unit *unit;
    uint32_t *unit_first, *unit_n; /* by view */
    double follow_ms;

    struct estimate of[R];
    struct fill_region region[R];
    struct fill_result planned;
    double admit[2][R]; /* published */
    double to[R][R],
        follow[R][R]; /* where a region's clients are sent, and where they are by now */
    bool followed, active;
    int64_t looked_ms;
    double level_said;
    bool crowded[R]; /* nobody has room for those who live there */

    struct health_event event[EVENTS_CAP];
    size_t events_n;
};

/* ----------------------------------------------------------------------------------- life of it */

static double setting_share(const struct model *m, const char *key, double fallback)
{
    const char *text = model_setting(m, key);
    char *end;
    double v = text ? strtod(text, &end) : fallback;
    return text && *end == '%' ? v / 100 : v;
}

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
    c->unit = calloc(units + 1, sizeof *c->unit);
    return c->unit != NULL;
}

static void inherit(struct signal_capacity *c, const struct signal_capacity *before)
{
    int was[R];
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        was[r] = model_region_index(before->s->model, c->s->model->regions[r].name);
    c->followed = before->followed;
    c->looked_ms = before->looked_ms;
    c->level_said = before->level_said;
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        if (was[r] < 0) {
            c->to[r][r] = c->follow[r][r] = 1;
            continue;
        }
        c->of[r] = before->of[was[r]];
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
    c->high = setting_share(s->model, "load-high", 0.90);
    c->aim = (c->high + setting_share(s->model, "load-low", 0.70)) / 2;
    c->dead_band = setting_share(s->model, "dead-band", 0.05);
    c->level_said = 1;
    for (uint32_t r = 0; r < R; r++) {
        c->admit[0][r] = c->admit[1][r] = c->planned.level[r] = 1;
        c->of[r].seen_ms = INT64_MIN;
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
    free(c->flow);
    free(c);
}

/* -------------------------------------------------------------------------------------- the flows */

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
static void measure_units(struct signal_capacity *c)
{
    const struct snapshot *s = c->s;
    const struct steer_tables *t = &s->steer;
    uint32_t ttl_s = 1;
    memset(c->unit_n, 0, s->views_n * sizeof *c->unit_n);
    for (uint32_t v = 0; v < s->views_n; v++)
        for (uint32_t u = 0; u < s->shapes[v].units_n; u++)
            c->unit[c->unit_first[v] + u] =
                (struct fill_unit){.region = s->shapes[v].units[u].region};
    for (uint32_t i = 0; i < s->services_n; i += c->step) {
        const struct steer_service *svc = &t->service[i];
        c->unit_n[svc->view]++;
        if (s->model->services[i].ttl_s > ttl_s)
            ttl_s = (uint32_t)s->model->services[i].ttl_s;
        for (uint32_t u = 0; u < svc->site_n; u++) {
            const struct steer_site *site = &t->site[svc->site_first + u];
            struct fill_unit *out = &c->unit[c->unit_first[svc->view] + u];
            double weight = 0, keep = 0;
            bool open = false;
            for (uint32_t e = site->endpoint_first; e < site->endpoint_first + site->endpoint_n;
                 e++) {
                uint32_t avail = steer_effective(t, e, NULL);
                weight += t->endpoint[e].weight;
                keep += t->endpoint[e].weight * avail_to_double(avail);
                open |= avail == AVAIL_FULL && t->endpoint[e].weight > 0;
            }
            out->weight += site->weight;
            out->keep += weight > 0 ? keep / weight : 0;
            out->open += open;
        }
    }
    for (uint32_t v = 0; v < s->views_n; v++)
        for (uint32_t u = 0; c->unit_n[v] && u < s->shapes[v].units_n; u++) {
            struct fill_unit *out = &c->unit[c->unit_first[v] + u];
            out->weight /= c->unit_n[v];
            out->keep /= c->unit_n[v];
            out->open /= c->unit_n[v];
        }
    c->follow_ms = 1000 / FOLLOW_TTL_PARTS * (ttl_s < FOLLOW_TTL_S_MAX ? ttl_s : FOLLOW_TTL_S_MAX);
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

static void build_flows(struct signal_capacity *c)
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

/* ----------------------------------------------------------------------------------- the demand */

/* Where each region's clients are sent by the board as it is. */
static void measure_ways(struct signal_capacity *c)
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

/* Clients follow the board as what they have been told runs out. */
static void follow(struct signal_capacity *c, int64_t now_ms)
{
    double gone = 1 - exp(-(double)(now_ms - c->looked_ms) / c->follow_ms);
    for (uint32_t q = 0; q < c->s->regions_n; q++)
        for (uint32_t r = 0; r < c->s->regions_n; r++)
            c->follow[q][r] += gone * (c->to[q][r] - c->follow[q][r]);
    c->looked_ms = now_ms;
}

static double expected(const struct signal_capacity *c, const double ways[R][R], uint32_t r)
{
    double sum = 0;
    for (uint32_t q = 0; q < c->s->regions_n; q++)
        sum += c->of[q].demand * ways[q][r];
    return sum;
}

static void first_estimate(struct signal_capacity *c, uint32_t r, double load)
{
    double own = c->follow[r][r], guests = expected(c, c->follow, r) - c->of[r].demand * own;
    if (own < KNOWN_FROM)
        return;
    double most = load - guests, least = load * SOME;
    c->of[r].demand = (most > least ? most : least) / own;
    c->of[r].known = true;
}

/* How sure it is who is in a region: 1, and 0 while a fifth of its load is on the way. */
static double sure_of(const struct signal_capacity *c, uint32_t r)
{
    double on_the_way = 0, all = expected(c, c->follow, r) + expected(c, c->to, r);
    for (uint32_t q = 0; q < c->s->regions_n; q++)
        on_the_way += c->of[q].demand * fabs(c->to[q][r] - c->follow[q][r]);
    return all > 0 && 10 * on_the_way < all ? 1 - 10 * on_the_way / all : 0;
}

static void learn(struct signal_capacity *c, uint32_t r, double load, int64_t at_ms)
{
    struct estimate *e = &c->of[r];
    double was = expected(c, c->follow, r);
    double gain = e->seen_ms == INT64_MIN ? 1 : 1 - exp(-(double)(at_ms - e->seen_ms) / SMOOTH_MS);
    gain *= sure_of(c, r);
    e->seen_ms = at_ms;
    e->reported = load;
    if (!e->known) {
        first_estimate(c, r, load);
        return;
    }
    if (was <= 1e-6 * c->region[r].capacity)
        return;
    double ratio = load / was;
    ratio = ratio < 0.1 ? 0.1 : ratio > 10 ? 10 : ratio;
    for (uint32_t q = 0; q < c->s->regions_n; q++)
        if (c->of[q].known)
            c->of[q].demand *= 1 + gain * c->follow[q][r] * (ratio - 1);
}

/* Those who never reported: as full as the others are; without a capacity, by their part of the
 * networks, which says little of how much is asked for, so not more than all the others together. */
static void guess(struct signal_capacity *c)
{
    double demand = 0, weight = 0, capacity = 0;
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        if (c->of[r].known) {
            demand += c->of[r].demand;
            weight += c->home_weight[r];
            capacity += c->region[r].capacity;
        }
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        double own = c->region[r].capacity;
        if (c->of[r].known)
            continue;
        double part = own > 0      ? capacity > 0 ? own / capacity : 0
                      : weight > 0 ? c->home_weight[r] / weight
                                   : 0;
        if (own <= 0 && part > 1)
            part = 1;
        c->of[r].demand = demand * part;
    }
}

bool signal_capacity_due(const struct signal_capacity *c, const struct health *h)
{
    double load;
    int64_t at_ms;
    for (uint32_t r = 0; c->any_capacity && r < c->s->regions_n; r++)
        if (c->region[r].capacity > 0 && health_region_load(h, r, &load, &at_ms) &&
            at_ms > c->of[r].seen_ms)
            return true;
    return false;
}

static void hear(struct signal_capacity *c, const struct health *h)
{
    double load;
    int64_t at_ms;
    c->active = false;
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        double capacity = (double)c->s->model->regions[r].capacity;
        if (capacity <= 0 || !health_region_load(h, r, &load, &at_ms))
            continue;
        c->active = true;
        if (at_ms > c->of[r].seen_ms) {
            guess(c);
            learn(c, r, load * capacity, at_ms);
        }
    }
    guess(c);
}

/* --------------------------------------------------------------------------------- what is admitted */

static void say(struct signal_capacity *c, int64_t wall_ms, uint32_t region, enum log_level level,
                const char *text)
{
    if (c->events_n == EVENTS_CAP)
        return; /* one a region and one of overload, taken after each look */
    struct health_event *e = &c->event[c->events_n++];
    *e = (struct health_event){.kind = HEALTH_EVENT_SPILL,
                               .level = level,
                               .wall_ms = wall_ms,
                               .service = HEALTH_NONE,
                               .region = region,
                               .endpoint = HEALTH_NONE,
                               .rule = "capacity"};
    snprintf(e->text, sizeof e->text, "%s", text);
}

/* Does anybody pass by who might ask to be admitted? Without, there is nothing to refuse. */
static void passers_by(const struct signal_capacity *c, bool out[2][R])
{
    for (uint32_t i = 0; i < c->flows_n; i++) {
        const struct fill_flow *f = &c->fill[i];
        double share[R], own[R], away = 1;
        fill_spread(f, NULL, NULL, share, own);
        for (uint32_t r = 0; r < R; r++)
            away -= own[r];
        for (uint16_t k = 0; away > 1e-6 && f->demand > 0 && k < f->row_n; k++)
            out[f->fenced][f->unit[f->row[k] & STEER_UNIT].region] = true;
    }
}

/* Less from half a dead band on, more from a whole one. */
static double settled(const struct signal_capacity *c, double is, double want)
{
    bool moves = want < is - c->dead_band / 2 || want > is + c->dead_band - 1e-9 ||
                 ((want <= 0 || want >= 1) && want != is);
    return moves ? want : is;
}

static uint32_t admit_word(double free_part, double fenced_part)
{
    return (uint32_t)(fenced_part * STEER_ADMIT_FULL) << 16 |
           (uint32_t)(free_part * STEER_ADMIT_FULL);
}

static void say_spill(struct signal_capacity *c, uint32_t r, const double was[2], int64_t wall_ms)
{
    char text[HEALTH_TEXT_MAX * 2], fenced[48] = "", level[24] = "";
    double capacity = (double)c->s->model->regions[r].capacity;
    if (was[1] != c->admit[1][r] && (c->admit[1][r] != c->admit[0][r] || was[1] != was[0]))
        snprintf(fenced, sizeof fenced, " fenced=\"%.2f -> %.2f\"", was[1], c->admit[1][r]);
    if (c->planned.level[r] > 1 + SOME)
        snprintf(level, sizeof level, " overload=%.2f", c->planned.level[r]);
    snprintf(text, sizeof text,
             "spill %.2f -> %.2f%s rule=capacity cause=\"%.0f of its own, guests up to %.0f of "
             "%.0f\" expected=%.1f%%%s",
             was[0], c->admit[0][r], fenced, c->planned.own[r],
             c->region[r].capacity * c->planned.level[r], capacity,
             100 * (c->planned.own[r] + c->planned.guests[r]) / capacity, level);
    say(c, wall_ms, r, LOG_NOTICE, text);
}

static void say_overload(struct signal_capacity *c, int64_t wall_ms)
{
    char text[HEALTH_TEXT_MAX];
    double level = 1;
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        if (c->planned.level[r] > level)
            level = c->planned.level[r];
    if (level <= 1 + SOME)
        level = 1;
    if (level == c->level_said ||
        (level > 1 && c->level_said > 1 && fabs(level - c->level_said) < c->dead_band))
        return;
    if (level > 1)
        snprintf(text, sizeof text,
                 "overload %.2f rule=capacity cause=\"more is asked for than regions can carry\" "
                 "effect=\"spread evenly, up to %.0f%% of each\"",
                 level, 100 * level * c->aim);
    else
        snprintf(text, sizeof text, "overload -> over rule=capacity");
    c->level_said = level;
    say(c, wall_ms, HEALTH_NONE, LOG_WARN, text);
}

static bool publish(struct signal_capacity *c, int64_t wall_ms)
{
    bool passes[2][R] = {{false}}, changed = false;
    if (c->active)
        passers_by(c, passes);
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        double was[2] = {c->admit[0][r], c->admit[1][r]};
        for (int k = 0; k < 2; k++)
            c->admit[k][r] = settled(c, was[k], passes[k][r] ? c->planned.admit[k][r] : 1);
        snapshot_spill_set(&c->s->steer.board, r, admit_word(c->admit[0][r], c->admit[1][r]));
        if (was[0] == c->admit[0][r] && was[1] == c->admit[1][r])
            continue;
        changed = true;
        say_spill(c, r, was, wall_ms);
    }
    say_overload(c, wall_ms);
    return changed;
}

/* Has nobody room for those who live in a region? For each of its flows, all that is open is as full as
 * it can be. Once so, it is until a tenth is free again. */
static void find_crowded(struct signal_capacity *c)
{
    bool roomy[R] = {false};
    for (uint32_t i = 0; i < c->flows_n; i++) {
        const struct fill_flow *f = &c->fill[i];
        double most = c->crowded[c->flow[i].region] ? CROWDED_UNTIL : 1;
        for (uint16_t k = 0; f->demand > 0 && k < f->row_n; k++) {
            const struct fill_unit *u = &f->unit[f->row[k] & STEER_UNIT];
            bool room =
                c->region[u->region].capacity <= 0 || c->planned.level[u->region] * c->aim <= most;
            roomy[c->flow[i].region] |= u->open > 0 && u->weight > 0 && room;
        }
    }
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        c->crowded[r] = c->active && !roomy[r];
}

/* Guests leave before a region sheds its own clients; in overload none sheds below what an even
 * level leaves it, or all of them would shed in turn. */
static void tell_engine(struct signal_capacity *c, struct health *h)
{
    find_crowded(c);
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        double own = c->of[r].demand * c->to[r][r], floor = 0, demand = c->of[r].demand;
        bool guests = c->active && c->admit[0][r] + c->admit[1][r] > 0 &&
                      expected(c, c->to, r) - own > SOME * c->region[r].capacity;
        if (c->follow[r][r] > KNOWN_FROM && c->of[r].reported / c->follow[r][r] > demand)
            demand = c->of[r].reported / c->follow[r][r]; /* the estimate is smoothed */
        if (c->active && c->planned.level[r] > 1 + SOME && demand > 0)
            floor = c->region[r].capacity * c->planned.level[r] / demand;
        health_region_crowded(h, r, c->crowded[r]);
        health_region_carries(h, r, guests, avail_from_double(floor < 1 ? floor : 1));
    }
}

bool signal_capacity_look(struct signal_capacity *c, struct health *h, int64_t now_ms,
                          int64_t wall_ms)
{
    if (!c->any_capacity)
        return false;
    measure_units(c);
    if (!c->built)
        build_flows(c);
    if (c->followed)
        follow(c, now_ms);
    else {
        measure_ways(c);
        memcpy(c->follow, c->to, sizeof c->follow);
        c->followed = true;
        c->looked_ms = now_ms;
    }
    hear(c, h);
    for (uint32_t i = 0; i < c->flows_n; i++)
        c->fill[i].demand = c->flow[i].part * c->of[c->flow[i].region].demand;
    struct fill_world w = {.region = c->region,
                           .regions_n = c->s->regions_n,
                           .flow = c->fill,
                           .flows_n = c->active ? c->flows_n : 0};
    fill_solve(&w, &c->planned);
    bool changed = publish(c, wall_ms);
    measure_ways(c);
    tell_engine(c, h);
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
                                         .expected = c->active ? expected(c, c->to, region) : 0,
                                         .admits = {c->admit[0][region], c->admit[1][region]},
                                         .level = c->planned.level[region]};
}
