#include "crowd/compare.h"

#include "base/hash.h"
#include "crowd_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS (4 * CROWD_CLASSES_MAX) /* a power of two */
#define ORDER_TEXT_MAX 8192
#define UNSEEN UINT32_MAX

struct side { /* one of the two worlds */
    const struct snapshot *s;
    uint32_t region[MODEL_REGIONS_MAX]; /* its regions among those of both */
    const uint32_t *service;            /* services of before; NULL: the same */
    uint32_t *spot;                     /* of each client */
    struct steer_shape shape;           /* for latency */
};

struct comparing {
    const struct crowd_question *q;
    struct crowd_outcome *out;
    struct side before, after;
    uint32_t **class_of;  /* by view of before and class: number of the shift, UNSEEN */
    uint32_t slot[SLOTS]; /* by text: number + 1 */
    bool failed;
};

/* -------------------------------------------------------------------------------------- regions */

static uint32_t region_named(struct crowd_outcome *o, const char *name)
{
    uint32_t i = 0;
    while (i < o->regions_n && strcmp(o->region[i], name) != 0)
        i++;
    if (i == o->regions_n)
        o->region[o->regions_n++] = name;
    return i;
}

static void number_regions(struct crowd_outcome *o, struct side *side)
{
    for (uint32_t i = 0; i < side->s->regions_n; i++) {
        side->region[i] = region_named(o, side->s->model->regions[i].name);
        o->capacity[side->region[i]] = side->s->model->regions[i].capacity;
    }
}

/* -------------------------------------------------------------------------------------- classes */

/* Regions in their order, each where it comes first. */
static void order_text(const struct snapshot *s, uint32_t service, const struct snapshot_row *row,
                       char *out)
{
    const struct steer_service *svc = &s->steer.service[service];
    const uint16_t *item = snapshot_view_of(s, service)->items + row->item;
    uint64_t said = 0;
    bool next_group = false;
    char *end = out;
    *out = '\0';
    for (uint16_t i = 0; i < row->n; i++) {
        uint8_t region = steer_sites(&s->steer, svc)[item[i] & STEER_UNIT].region;
        next_group |= (item[i] & STEER_GROUP) != 0;
        if (said >> region & 1)
            continue;
        const char *glue = !said ? "" : next_group ? " > " : " = ";
        size_t left = ORDER_TEXT_MAX - (size_t)(end - out);
        int n = snprintf(end, left, "%s%s", glue, s->regions[region].name);
        if (n < 0 || (size_t)n >= left)
            break;
        end += n;
        said |= 1ull << region;
        next_group = false;
    }
    if (!said)
        snprintf(out, ORDER_TEXT_MAX, "(no region)");
}

/* The last one takes those past the limit. */
static uint32_t class_named(struct comparing *x, const char *text)
{
    struct crowd_outcome *o = x->out;
    uint32_t at = (uint32_t)hash_bytes(text, strlen(text), 0) & (SLOTS - 1);
    for (; x->slot[at]; at = (at + 1) & (SLOTS - 1))
        if (strcmp(o->class[x->slot[at] - 1].order, text) == 0)
            return x->slot[at] - 1;
    if (o->classes_n == CROWD_CLASSES_MAX)
        return CROWD_CLASSES_MAX;
    char *copy = strdup(text);
    x->failed |= !copy;
    if (!copy)
        return CROWD_CLASSES_MAX;
    o->class[o->classes_n].order = copy;
    x->slot[at] = ++o->classes_n;
    return o->classes_n - 1;
}

static struct crowd_shift *shift_of(struct comparing *x, const struct crowd_point *p)
{
    const struct snapshot *s = x->before.s;
    uint32_t view = s->steer.service[p->service].view;
    const struct snapshot_view *v = s->views[view];
    if (!x->class_of[view]) {
        x->class_of[view] = malloc(v->rows_n * sizeof **x->class_of);
        x->failed |= !x->class_of[view];
        if (!x->class_of[view])
            return &x->out->class[CROWD_CLASSES_MAX];
        memset(x->class_of[view], 0xff, v->rows_n * sizeof **x->class_of);
    }
    uint16_t class = crowd_locate(&x->q->crowd->client[p->client], v->map).class;
    uint32_t *known = &x->class_of[view][class];
    if (*known == UNSEEN) {
        char text[ORDER_TEXT_MAX];
        order_text(s, p->service, &v->rows[class], text);
        *known = class_named(x, text);
    }
    return &x->out->class[*known];
}

/* --------------------------------------------------------------------------------------- a point */

struct answered { /* in one world */
    double share[CROWD_REGIONS_MAX + 1];
    double ms; /* mean over the answers; negative: not known */
    bool drawn;
    uint32_t ttl_s;
};

static double latency_of(const struct side *side, uint32_t client, const struct answer_plan *plan)
{
    const struct snapshot *s = side->s;
    const struct geo_spot *spot = geo_base_spot(s->base, side->spot[client]);
    double sum = 0;
    for (uint16_t i = 0; i < plan->steer.n; i++) {
        const char *where;
        const struct steer_site *site =
            steer_site_of(&s->steer, plan->service, plan->steer.endpoint[i]);
        double ms = steer_milliseconds(&side->shape, spot, site->region, &where);
        if (ms < 0)
            return -1;
        sum += ms;
    }
    return plan->steer.n ? sum / plan->steer.n : -1;
}

static void answer_in(const struct comparing *x, const struct side *side,
                      const struct crowd_point *p, struct answered *out)
{
    struct answer_plan plan;
    uint32_t service = side->service ? side->service[p->service] : p->service;
    uint32_t n = x->out->regions_n;
    memset(out->share, 0, (n + 1) * sizeof *out->share);
    out->drawn = false;
    out->ms = -1;
    out->share[n] = 1;
    if (service == CROWD_ANY) /* gone */
        return;
    crowd_decide(side->s, x->q->crowd, p, service, &plan, &out->drawn);
    if (plan.kind != PLAN_SERVICE)
        return;
    out->share[n] = 0;
    out->ttl_s = plan.ttl;
    for (uint16_t i = 0; i < plan.steer.n; i++) {
        uint8_t region =
            steer_site_of(&side->s->steer, plan.service, plan.steer.endpoint[i])->region;
        out->share[side->region[region]] += 1.0 / plan.steer.n;
    }
    out->ms = latency_of(side, p->client, &plan);
}

/* How much of the one is not in the other. */
static double difference(const double *before, const double *after, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i <= n; i++)
        sum += before[i] > after[i] ? before[i] - after[i] : 0;
    return sum;
}

static void add(struct crowd_shift *to, uint32_t n, double weight, const struct answered *a,
                const struct answered *b)
{
    double moved = weight * difference(a->share, b->share, n);
    bool drawn = a->drawn || b->drawn;
    to->weight += weight;
    if (drawn)
        to->drawn_moved += moved;
    else
        to->moved += moved;
    for (uint32_t i = 0; i <= n; i++) {
        to->before[i] += weight * a->share[i];
        to->after[i] += weight * b->share[i];
        if (drawn) {
            to->drawn_before[i] += weight * a->share[i];
            to->drawn_after[i] += weight * b->share[i];
        }
    }
    if (a->ms >= 0 && b->ms >= 0) {
        to->known += weight;
        to->ms_before += weight * a->ms;
        to->ms_after += weight * b->ms;
    }
}

static void compare_point(void *ctx, const struct crowd_point *p)
{
    struct comparing *x = ctx;
    struct answered a, b;
    uint32_t n = x->out->regions_n;
    answer_in(x, &x->before, p, &a);
    answer_in(x, &x->after, p, &b);
    add(shift_of(x, p), n, p->weight, &a, &b);
    if (a.share[n] <= 0 && a.ttl_s > x->out->ttl_s && difference(a.share, b.share, n) > 0)
        x->out->ttl_s = a.ttl_s;
}

/* ----------------------------------------------------------------------------------------- all */

static bool open_side(struct comparing *x, struct side *side, const struct snapshot *s)
{
    const struct crowd *c = x->q->crowd;
    side->s = s;
    side->shape = (struct steer_shape){
        .regions = s->regions, .regions_n = s->regions_n, .latency = s->latency, .base = s->base};
    side->spot = malloc((c->n + 1) * sizeof *side->spot);
    for (uint32_t i = 0; side->spot && i < c->n; i++)
        side->spot[i] = geo_base_find(s->base, &c->client[i].address);
    number_regions(x->out, side);
    return side->spot != NULL;
}

/* Drawn ones move as many as they must: what common random numbers say where shares only give way, less
 * where weights themselves changed. */
static void settle(struct crowd_shift *s, uint32_t n)
{
    double least = difference(s->drawn_before, s->drawn_after, n);
    s->moved += least < s->drawn_moved ? least : s->drawn_moved;
    s->drawn_moved = 0;
}

static void add_up(struct crowd_shift *to, const struct crowd_shift *s, uint32_t n)
{
    to->weight += s->weight;
    to->moved += s->moved;
    to->known += s->known;
    to->ms_before += s->ms_before;
    to->ms_after += s->ms_after;
    for (uint32_t i = 0; i <= n; i++) {
        to->before[i] += s->before[i];
        to->after[i] += s->after[i];
    }
}

static int heavier(const void *a, const void *b)
{
    const struct crowd_shift *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return strcmp(x->order, y->order);
}

static void finish(struct crowd_outcome *o)
{
    struct crowd_shift *others = &o->class[CROWD_CLASSES_MAX];
    for (uint32_t i = 0; i <= CROWD_CLASSES_MAX; i++) {
        settle(&o->class[i], o -> regions_n);
        add_up(&o->all, &o->class[i], o -> regions_n);
    }
    qsort(o->class, o->classes_n, sizeof *o->class, heavier);
    if (others->weight > 0 && o->classes_n == CROWD_CLASSES_MAX)
        o->classes_n++;
}

bool crowd_compare(const struct crowd_question *q, struct crowd_outcome *out)
{
    struct comparing *x = calloc(1, sizeof *x);
    uint32_t *map = NULL;
    memset(out, 0, sizeof *out);
    out->class = calloc(CROWD_CLASSES_MAX + 1, sizeof *out->class);
    bool ok = x && out->class;
    if (ok) {
        x->q = q;
        x->out = out;
        x->class_of = calloc(q->before->views_n + 1, sizeof *x->class_of);
        ok =
            open_side(x, &x->before, q->before) && open_side(x, &x->after, q->after) && x->class_of;
    }
    if (ok && q->before->model != q->after->model) {
        map = crowd__match_services(q->before->model, q->after->model);
        x->after.service = map;
        ok = map != NULL;
    }
    if (ok) {
        out->asked = crowd_points(q->crowd, q->before, q->service, q->points, compare_point, x);
        finish(out);
        ok = !x->failed;
    }
    for (uint32_t i = 0; x && x->class_of && i < q->before->views_n; i++)
        free(x->class_of[i]);
    if (x) {
        free(x->class_of);
        free(x->before.spot);
        free(x->after.spot);
    }
    free(map);
    free(x);
    return ok;
}

void crowd_outcome_fini(struct crowd_outcome *o)
{
    for (uint32_t i = 0; o->class && i < CROWD_CLASSES_MAX; i++)
        free((char *)o->class[i].order);
    free(o->class);
    o->class = NULL;
}
