#include "steer/order.h"

#include "base/check.h"
#include "geo/distance.h"
#include "steer/places.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A unit while it is being ordered: the group it is in so far, and what the step at hand says. */
struct ranked {
    uint16_t unit;
    uint16_t group;
    double key; /* smaller is better; ties keep the declared order */
};

struct ordering {
    const struct steer_shape *shape;
    const struct geo_spot *spot;
    const struct steer_trace *trace;
    const struct steer_rule *rule; /* of the client, NULL */
    uint64_t fence;
    uint32_t n;
    struct ranked r[STEER_UNITS_MAX];
};

static void trace_step(const struct ordering *o, const char *step, const char *text)
{
    if (o->trace)
        o->trace->step(o->trace->ctx, step, text);
}

static const struct geo_place *place_of(const struct ordering *o)
{
    return geo_base_place(o->shape->base, o->spot->place);
}

/* DBL_MAX when client or region has no coordinates. */
static double distance_between(const struct steer_shape *s, const struct geo_spot *spot,
                               uint8_t region)
{
    const struct geo_place *p = geo_base_place(s->base, spot->place);
    const struct steer_region *r = &s->regions[region];
    if (!p->located || !r->placed)
        return DBL_MAX;
    return geo_distance_km((double)p->lat, (double)p->lon, r->lat, r->lon);
}

double steer_milliseconds(const struct steer_shape *s, const struct geo_spot *spot, uint8_t region,
                          const char **where)
{
    *where = NULL;
    double ms = s->latency ? steer_latency_measured(s->latency, s->base, spot, region, where) : -1;
    if (ms >= 0)
        return ms;
    double km = distance_between(s, spot, region);
    return km < DBL_MAX ? geo_estimated_ms(km) : -1;
}

/* Stable insertion sort by (group, key): n is small, and most rows are nearly sorted. */
static void sort_ranked(struct ordering *o)
{
    for (uint32_t i = 1; i < o->n; i++) {
        struct ranked x = o->r[i];
        uint32_t j = i;
        for (; j > 0 && (o->r[j - 1].group > x.group ||
                         (o->r[j - 1].group == x.group && o->r[j - 1].key > x.key));
             j--)
            o->r[j] = o->r[j - 1];
        o->r[j] = x;
    }
}

/* Splits every group by key: keys within `within` of the best one left form one group. With
 * `per_region`, equal keys of different regions are still different groups. */
static void regroup(struct ordering *o, double within, bool per_region)
{
    sort_ranked(o);
    uint16_t group = 0, old = 0;
    double best = 0;
    uint8_t region = 0;
    for (uint32_t i = 0; i < o->n; i++) {
        struct ranked *x = &o->r[i];
        uint8_t own = o->shape->units[x->unit].region;
        bool fresh = i == 0 || x->group != old || x->key > best + within ||
                     (per_region && within <= 0 && own != region);
        if (fresh) {
            if (i > 0)
                group++;
            best = x->key;
            region = own;
        }
        old = x->group;
        x->group = group;
    }
}

static void trace_order(const struct ordering *o, const char *step, const char *what)
{
    if (!o->trace)
        return;
    char text[512];
    size_t len = (size_t)snprintf(text, sizeof text, "%s:", what);
    for (uint32_t i = 0; i < o->n && len < sizeof text - 1; i++) {
        const struct steer_unit *u = &o->shape->units[o->r[i].unit];
        const char *glue = i == 0 ? " " : o->r[i].group != o->r[i - 1].group ? " > " : " = ";
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", glue,
                                o->shape->regions[u->region].name);
    }
    trace_step(o, step, text);
}

/* ---------------------------------------------------------------------------------- the steps */

static int rank_in_rule(const struct steer_rule *rule, uint8_t region)
{
    for (uint32_t i = 0; rule && i < rule->regions_n; i++)
        if (rule->regions[i] == region)
            return (int)i;
    return -1;
}

static void step_fence(struct ordering *o)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < o->n; i++)
        if (rank_in_rule(o->rule, o->shape->units[o->r[i].unit].region) >= 0)
            o->r[kept++] = o->r[i];
    o->n = kept;
    o->fence = 0;
    for (uint32_t i = 0; o->rule && i < o->rule->regions_n; i++)
        o->fence |= 1ull << o->rule->regions[i];
    char what[160];
    snprintf(what, sizeof what, "rule %s keeps", o->rule ? o->rule->where : "(none)");
    trace_order(o, "fence", what);
}

static double distance_to(const struct ordering *o, uint8_t region)
{
    return distance_between(o->shape, o->spot, region);
}

/* Where distance cannot tell: the map's default, then the order of declaration. Larger than any
 * kilometre or millisecond. */
static double undecided_key(const struct ordering *o, uint8_t region)
{
    const struct steer_rule *fallback = o->shape->map ? steer_map_default(o->shape->map) : NULL;
    int rank = rank_in_rule(fallback, region);
    return 1e9 * (1 + (rank >= 0 ? rank : STEER_REGIONS_MAX + region));
}

static void step_geo(struct ordering *o)
{
    for (uint32_t i = 0; i < o->n; i++) {
        uint8_t region = o->shape->units[o->r[i].unit].region;
        int rank = rank_in_rule(o->rule, region);
        double km = distance_to(o, region);
        if (rank >= 0)
            o->r[i].key = rank;
        else if (km < DBL_MAX)
            o->r[i].key = 1e3 + km;
        else
            o->r[i].key = 1e6 + region;
    }
    regroup(o, 0, true);
    char what[160];
    snprintf(what, sizeof what, "rule %s", o->rule ? o->rule->where : "(none: by distance)");
    trace_order(o, "geo", what);
}

static void trace_measure(const struct ordering *o, const char *step, uint8_t region, double value,
                          const char *unit, const char *how)
{
    if (!o->trace)
        return;
    char text[200];
    snprintf(text, sizeof text, "%s %.1f %s%s%s", o->shape->regions[region].name, value, unit,
             how[0] ? " " : "", how);
    trace_step(o, step, text);
}

static void step_nearest(struct ordering *o, double within)
{
    for (uint32_t i = 0; i < o->n; i++) {
        uint8_t region = o->shape->units[o->r[i].unit].region;
        double km = distance_to(o, region), bias = o->shape->regions[region].bias_km;
        o->r[i].key = km < DBL_MAX ? km - bias : undecided_key(o, region);
        if (km < DBL_MAX)
            trace_measure(o, "nearest", region, km, "km", bias != 0 ? "(biased)" : "");
    }
    regroup(o, within, true);
    trace_order(o, "nearest", place_of(o)->located ? "by distance" : "client not located");
}

static void step_latency(struct ordering *o, double within)
{
    for (uint32_t i = 0; i < o->n; i++) {
        uint8_t region = o->shape->units[o->r[i].unit].region;
        const char *where;
        double ms = steer_milliseconds(o->shape, o->spot, region, &where);
        o->r[i].key = ms >= 0 ? ms : undecided_key(o, region);
        if (o->trace && ms >= 0) {
            char how[160];
            snprintf(how, sizeof how, where ? "measured for %s" : "estimated from distance%s",
                     where ? where : "");
            trace_measure(o, "latency", region, ms, "ms", how);
        }
    }
    regroup(o, within, true);
    trace_order(o, "latency", "by milliseconds");
}

static void step_failover(struct ordering *o)
{
    for (uint32_t i = 0; i < o->n; i++)
        o->r[i].key = o->shape->units[o->r[i].unit].tier;
    regroup(o, 0, false);
    trace_order(o, "failover", "by priority");
}

/* --------------------------------------------------------------------------------- the pipeline */

void steer_order(const struct steer_shape *s, const struct geo_spot *spot, struct steer_row *out,
                 const struct steer_trace *trace)
{
    struct ordering o;
    o.shape = s;
    o.spot = spot;
    o.trace = trace;
    o.rule = s->map ? steer_map_match(s->map, s->base, spot) : NULL;
    o.fence = UINT64_MAX;
    o.n = s->units_n;
    CHECK(s->units_n <= STEER_UNITS_MAX);
    for (uint32_t i = 0; i < s->units_n; i++)
        o.r[i] = (struct ranked){.unit = (uint16_t)i};
    for (uint32_t i = 0; i < s->policy.n; i++) {
        const struct policy_step *step = &s->policy.step[i];
        switch (step->kind) {
        case STEP_FENCE:
            step_fence(&o);
            break;
        case STEP_GEO:
            step_geo(&o);
            break;
        case STEP_NEAREST:
            step_nearest(&o, step->within);
            break;
        case STEP_LATENCY:
            step_latency(&o, step->within);
            break;
        case STEP_FAILOVER:
            step_failover(&o);
            break;
        case STEP_WEIGHTED:
        case STEP_STICKY:
        case STEP_ALL:
            break;
        }
    }
    out->n = (uint16_t)o.n;
    out->fence = o.fence;
    for (uint32_t i = 0; i < o.n; i++) {
        bool first = i == 0 || o.r[i].group != o.r[i - 1].group;
        out->item[i] = (uint16_t)(o.r[i].unit | (first ? STEER_GROUP : 0));
    }
}

bool steer_shape_uses_asn(const struct steer_shape *s)
{
    return (s->map && steer_map_uses_asn(s->map)) ||
           (s->latency && steer_latency_uses_asn(s->latency));
}

bool steer_shape_names(const struct steer_shape *s, uint32_t own)
{
    return own != GEO_NONE && ((s->map && steer_map_names(s->map, s->base, own)) ||
                               (s->latency && steer_latency_names(s->latency, s->base, own)));
}
