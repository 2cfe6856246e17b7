/* A comparison as JSON. */
#include "crowd/compare.h"

#include <string.h>

static json_t *ms_json(double sum, double known)
{
    return known > 0 ? json_real(sum / known) : json_null();
}

static json_t *latency_json(const struct crowd_shift *s)
{
    return json_pack("{s:o, s:o, s:f}", "before_ms", ms_json(s->ms_before, s->known), "after_ms",
                     ms_json(s->ms_after, s->known), "known",
                     s->weight > 0 ? s->known / s->weight : 0.0);
}

/* What is reported now, and what it would be: a region that loses a part of its share loses that part of
 * its load, and those that gain get what was lost, each by what its share gains. */
struct loads {
    const double *now; /* NULL: nothing is known */
    uint32_t n;
    double per_share;    /* of those that do not report: as loaded as the others together */
    double lost, gained; /* load; share */
};

static double load_now(const struct crowd_outcome *o, const struct loads *l, uint32_t i)
{
    return i < l->n && l->now[i] >= 0 ? l->now[i] : o->all.before[i] * l->per_share;
}

static double load_lost(const struct crowd_outcome *o, const struct loads *l, uint32_t i)
{
    double before = o->all.before[i], after = o->all.after[i];
    return after < before ? load_now(o, l, i) * (before - after) / before : 0;
}

static double share_gained(const struct crowd_outcome *o, uint32_t i)
{
    double more = o->all.after[i] - o->all.before[i];
    return more > 0 ? more : 0;
}

static struct loads loads_of(const struct crowd_outcome *o, const struct crowd_question *q,
                             const double *load)
{
    double sum = 0, share = 0;
    struct loads l = {.n = q->before->regions_n};
    for (uint32_t i = 0; load && i < l.n; i++)
        if (load[i] >= 0) {
            sum += load[i];
            share += o->all.before[i];
        }
    if (share <= 0)
        return l;
    l.now = load;
    l.per_share = sum / share;
    for (uint32_t i = 0; i <= o->regions_n; i++) /* the last one: who is not answered */
        l.gained += share_gained(o, i);
    for (uint32_t i = 0; i < o->regions_n; i++)
        l.lost += load_lost(o, &l, i);
    /* Who was not answered brings load of his own. */
    double back = o->all.before[o->regions_n] - o->all.after[o->regions_n];
    l.lost += back > 0 ? back * l.per_share : 0;
    return l;
}

static void put_load(json_t *o, const struct crowd_outcome *out, const struct loads *l, uint32_t i)
{
    int64_t capacity = out->capacity[i];
    bool known = l->now && i < l->n && l->now[i] >= 0;
    json_object_set_new(o, "capacity", capacity ? json_integer(capacity) : json_null());
    json_object_set_new(o, "load_before", known ? json_real(l->now[i]) : json_null());
    if (!l->now) {
        json_object_set_new(o, "load_after", json_null());
        json_object_set_new(o, "overrun", json_null());
        return;
    }
    double after = load_now(out, l, i) - load_lost(out, l, i);
    if (l->gained > 0)
        after += l->lost * share_gained(out, i) / l->gained;
    double over = after - (double)capacity;
    json_object_set_new(o, "load_after", json_real(after));
    json_object_set_new(o, "overrun", !capacity ? json_null() : json_real(over > 0 ? over : 0));
}

static json_t *regions_json(const struct crowd_outcome *o, const struct loads *l)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < o->regions_n; i++) {
        json_t *r = json_pack("{s:s, s:f, s:f}", "name", o->region[i], "before", o->all.before[i],
                              "after", o->all.after[i]);
        put_load(r, o, l, i);
        json_array_append_new(list, r);
    }
    return list;
}

/* Of a class's own clients: those regions that any of them go to. */
static json_t *split_json(const struct crowd_outcome *o, const struct crowd_shift *s,
                          const double *share)
{
    json_t *j = json_object();
    for (uint32_t i = 0; i < o->regions_n; i++)
        if (share[i] > 0)
            json_object_set_new(j, o->region[i], json_real(share[i] / s->weight));
    return j;
}

static json_t *class_json(const struct crowd_outcome *o, const struct crowd_shift *s)
{
    uint32_t none = o->regions_n;
    return json_pack("{s:s?, s:f, s:f, s:o, s:o, s:f, s:f, s:o}", "order", s->order, "share",
                     s->weight, "moved", s->moved / s->weight, "before",
                     split_json(o, s, s->before), "after", split_json(o, s, s->after),
                     "unanswered_before", s->before[none] / s->weight, "unanswered_after",
                     s->after[none] / s->weight, "latency", latency_json(s));
}

static json_t *classes_json(const struct crowd_outcome *o, uint32_t *others_n, double *others,
                            double *others_moved)
{
    json_t *list = json_array();
    *others = *others_moved = 0;
    *others_n = 0;
    for (uint32_t i = 0; i < o->classes_n; i++) {
        const struct crowd_shift *s = &o->class[i];
        if (s->weight <= 0)
            continue;
        if (i < CROWD_CLASSES_SHOWN && s->order) {
            json_array_append_new(list, class_json(o, s));
            continue;
        }
        ++*others_n;
        *others += s->weight;
        *others_moved += s->moved;
    }
    return list;
}

json_t *crowd_outcome_json(const struct crowd_outcome *o, const struct crowd_question *q,
                           const double *load, uint32_t seen)
{
    const struct crowd *c = q->crowd;
    struct loads l = loads_of(o, q, q->service == CROWD_ANY ? load : NULL);
    uint32_t others_n;
    double others, others_moved;
    json_t *classes = classes_json(o, &others_n, &others, &others_moved);
    json_t *j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "basis",
                          c->basis == CROWD_ANSWERS ? "answers" : "networks", "answers_seen",
                          (json_int_t)seen, "answers_needed", (json_int_t)CROWD_ANSWERS_MIN,
                          "span_ms", (json_int_t)c->span_ms, "points", (json_int_t)o->asked.points,
                          "services_asked", (json_int_t)o->asked.services, "services",
                          (json_int_t)(q->service == CROWD_ANY ? q->before->services_n : 1));
    json_object_set_new(j, "moved", json_real(o->all.moved));
    json_object_set_new(j, "ttl_s", json_integer(o->ttl_s));
    json_object_set_new(j, "unanswered_before", json_real(o->all.before[o->regions_n]));
    json_object_set_new(j, "unanswered_after", json_real(o->all.after[o->regions_n]));
    json_object_set_new(j, "latency", latency_json(&o->all));
    json_object_set_new(j, "regions", regions_json(o, &l));
    json_object_set_new(j, "classes", classes);
    json_object_set_new(j, "other_classes",
                        json_pack("{s:I, s:f, s:f}", "classes", (json_int_t)others_n, "share",
                                  others, "moved", others > 0 ? others_moved / others : 0.0));
    return j;
}
