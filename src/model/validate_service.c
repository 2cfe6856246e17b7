#include "validate_priv.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MS_MAX (30 * 86400000ll)

enum { TYPE_A = 1, TYPE_AAAA = 2, TYPE_HOST = 4 };

/* What the endpoints of one service amount to. */
struct facts {
    const struct model_service *s;
    uint8_t types;                     /* of all endpoints */
    uint8_t region[MODEL_REGIONS_MAX]; /* of those in each region */
    uint64_t used;                     /* regions with endpoints */
    bool weighs;                       /* one of them has a weight above 0 */
    int region_last;                   /* of the endpoint looked at last */
};

struct services {
    struct validation *v;
    uint64_t placed, measured; /* regions with coordinates, with latency rows */
    uint64_t *rule_regions;    /* of all rules of all maps: the regions they name */
    uint32_t *map_rules;       /* of each map: where its rules start there */
};

static const char *type_text(uint8_t type)
{
    return type == TYPE_A ? "A" : type == TYPE_AAAA ? "AAAA" : "CNAME";
}

static const char *zone_of(const struct model *m, const char *name)
{
    for (const char *p = name; p; p = strchr(p, '.')) {
        p += *p == '.';
        const struct model_zone *z = model_zone(m, p);
        if (z)
            return z->name;
    }
    return NULL;
}

static void fail_no_zone(struct validation *v, const char *name)
{
    const struct model *m = v->m;
    char zones[200] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < m->zones_n && i < 4 && at < sizeof zones; i++)
        at += (size_t)snprintf(zones + at, sizeof zones - at, "%s%.60s", i ? ", " : "",
                               m->zones[i].name);
    if (m->zones_n == 0)
        FAIL(v, "service", name, "lies in no zone, and there is none yet: add one with zone add");
    else
        FAIL(v, "service", name, "lies in no zone: the zones are %s%s", zones,
             m->zones_n > 4 ? ", …" : "");
}

/* Address texts are canonical: equal addresses have equal texts. */
static bool same_address(const struct model_endpoint *a, const struct model_endpoint *b)
{
    return a->family == b->family && strcmp(a->address, b->address) == 0;
}

#define REGIONS_AT_HAND 8

/* Names are mostly the region's own text, which is told by where it lies. */
static int region_of(struct validation *v, const struct model_service *s, const char *name)
{
    for (uint32_t i = 0; i < v->m->regions_n && i < REGIONS_AT_HAND; i++)
        if (v->m->regions[i].name == name)
            return (int)i;
    return validate__region_named(v, "service", s->name, name);
}

static void endpoint(struct validation *v, struct facts *f, uint32_t i)
{
    const struct model_service *s = f->s;
    const struct model_endpoint *e = &s->endpoints[i];
    char canonical[MODEL_HOST_TEXT_MAX];
    uint8_t type = e->family == 4 ? TYPE_A : e->family == 6 ? TYPE_AAAA : TYPE_HOST;
    if (!i || e->region != e[-1].region)
        f->region_last = region_of(v, s, e->region);
    int region = f->region_last;
    if (region >= 0) {
        f->region[region] |= type;
        f->used |= 1ull << region;
    }
    f->types |= type;
    f->weighs = f->weighs || e->weight > 0;
    if (type == TYPE_HOST && !model_host_canonical(e->address, canonical))
        FAIL(v, "service", s->name,
             "endpoint \"%s\" is neither an IPv4 or IPv6 address nor a host name", e->address);
    if (type == TYPE_HOST && strcmp(e->address, s->name) == 0)
        FAIL(v, "service", s->name, "an endpoint cannot be the service's own name");
    validate__range(v, "service", s->name, "weight", e->weight, 0, 1000000, "");
    validate__range(v, "service", s->name, "priority", e->priority, 1, 1000, "");
    if (e->probe && (!i || e->probe != e[-1].probe) && !model_probe(v->m, e->probe))
        FAIL(v, "service", s->name, "probe \"%s\" of endpoint %s does not exist%s", e->probe,
             e->address, validate__hint(v, PART_PROBES, e->probe));
    for (uint32_t k = 0; k < i; k++)
        if (same_address(e, &s->endpoints[k]) && strcmp(e->region, s->endpoints[k].region) == 0)
            FAIL(v, "service", s->name, "endpoint %s is in region %s twice", e->address, e->region);
}

static void endpoints(struct validation *v, struct facts *f)
{
    const struct model_service *s = f->s;
    if (s->endpoints_n > MODEL_ENDPOINTS_PER_SERVICE_MAX) {
        FAIL(v, "service", s->name, "has %u endpoints, at most %d are possible", s->endpoints_n,
             MODEL_ENDPOINTS_PER_SERVICE_MAX);
        return;
    }
    for (uint32_t i = 0; i < s->endpoints_n; i++)
        endpoint(v, f, i);
    if (s->endpoints_n == 0)
        WARN(v, "service", s->name, "has no endpoints: queries for it get an empty answer");
    else if (!f->weighs)
        WARN(v, "service", s->name,
             "every endpoint has weight 0: they share the clients equally, as if nothing was said");
    if (!(f->types & TYPE_HOST))
        return;
    if (f->types != TYPE_HOST)
        FAIL(v, "service", s->name,
             "has both addresses and host names as endpoints: they are all one or the other");
    if (s->zone && strcmp(s->zone, s->name) == 0)
        FAIL(v, "service", s->name,
             "host names cannot be endpoints at a zone's apex, where no CNAME may stand: give "
             "addresses");
    if (policy_has(s->parsed, STEP_ALL))
        FAIL(v, "service", s->name,
             "host names cannot be endpoints under the policy step all, since a name has one "
             "CNAME: give addresses or another policy");
}

/* A and AAAA come from the same region, so that a region without one type is skipped for it. */
static void missing_types(struct validation *v, const struct facts *f)
{
    for (uint32_t r = 0; r < v->m->regions_n && r < MODEL_REGIONS_MAX; r++) {
        uint8_t missing = f->types & (uint8_t)~f->region[r];
        if (!(f->used >> r & 1) || !missing || (f->types & TYPE_HOST))
            continue;
        WARN(v, "service", f->s->name,
             "region %s has no %s endpoint, though another has: clients that ask for %s are sent "
             "past it",
             v->m->regions[r].name, type_text(missing), type_text(missing));
    }
}

static void coordinates(struct services *x, const struct facts *f)
{
    const struct model_service *s = f->s;
    bool nearest = policy_has(s->parsed, STEP_NEAREST),
         latency = policy_has(s->parsed, STEP_LATENCY);
    uint64_t unplaced = f->used & ~x->placed;
    for (int r = 0; unplaced; r++, unplaced >>= 1) {
        if (!(unplaced & 1))
            continue;
        const char *name = x->v->m->regions[r].name;
        if (nearest)
            FAIL(x->v, "service", s->name,
                 "the policy step nearest needs to know where region %s is: give it --at LAT,LON",
                 name);
        else if (latency && !(x->measured >> r & 1))
            FAIL(x->v, "service", s->name,
                 "the policy step latency needs measurements of region %s or where it is: give it "
                 "--at LAT,LON",
                 name);
        else if (latency)
            WARN(x->v, "service", s->name,
                 "region %s has no coordinates: where its latency is not measured it comes last",
                 name);
    }
}

static void fence(struct services *x, const struct facts *f, const struct model_map *map)
{
    const struct model_service *s = f->s;
    uint64_t whole = 0; /* regions with every type that the service has */
    for (unsigned r = 0; r < MODEL_REGIONS_MAX; r++)
        if ((f->used >> r & 1) && f->region[r] == f->types)
            whole |= 1ull << r;
    if (map->rules_n == 0 || map->rules[map->rules_n - 1].where.kind != WHERE_DEFAULT)
        FAIL(x->v, "service", s->name,
             "the policy step fence needs a default rule in map %s: add one with map rule add %s "
             "default REGION",
             map->name, map->name);
    if (s->endpoints_n == 0)
        return;
    const uint64_t *named = x->rule_regions + x->map_rules[map - x->v->m->maps];
    for (uint32_t i = 0; i < map->rules_n; i++)
        if (!(named[i] & whole))
            FAIL(x->v, "service", s->name,
                 "no region of rule %s of map %s has an endpoint%s, so that the policy step fence "
                 "would leave these clients without an answer",
                 map->rules[i].where.text, map->name,
                 (f->types & (f->types - 1)) ? " of each type, A and AAAA" : "");
}

static void policy(struct services *x, const struct facts *f)
{
    const struct model_service *s = f->s;
    bool geo = policy_has(s->parsed, STEP_GEO), fenced = policy_has(s->parsed, STEP_FENCE);
    const struct model_map *map = s->map ? model_map(x->v->m, s->map) : NULL;
    if (s->map && !map)
        FAIL(x->v, "service", s->name, "map \"%s\" does not exist%s", s->map,
             validate__hint(x->v, PART_MAPS, s->map));
    if (fenced && !s->map)
        FAIL(x->v, "service", s->name, "the policy step fence needs a map: give --map NAME");
    if (geo && !s->map)
        WARN(x->v, "service", s->name,
             "the policy step geo has no map and goes by distance alone: give --map NAME");
    if (map && !geo && !fenced)
        WARN(x->v, "service", s->name,
             "map %s has no effect: only the policy steps geo and fence read it", s->map);
    if (s->answers && !policy_has(s->parsed, STEP_ALL))
        WARN(x->v, "service", s->name, "answers has no effect without the policy step all");
    if (fenced && map)
        fence(x, f, map);
    coordinates(x, f);
}

static void share(struct validation *v, const char *name, const char *key, double value)
{
    if (value != MODEL_UNSET && !(value >= 0 && value <= 1))
        FAIL(v, "service", name, "%s %g is not accepted: give 0 to 1, or 0%% to 100%%", key, value);
}

static void wait(struct validation *v, const char *name, const char *key, int64_t ms, int64_t min)
{
    if (ms < min || ms > DURATION_MS_MAX)
        FAIL(v, "service", name, "%s of %" PRId64 " ms is not accepted: give 0s to 30d", key, ms);
}

static void thresholds(struct validation *v, const struct model_service *s)
{
    const struct model_thresholds *t = s->thresholds;
    share(v, s->name, "degrade", t->degrade);
    share(v, s->name, "fail", t->fail);
    share(v, s->name, "panic", t->panic);
    share(v, s->name, "min_capacity", t->min_capacity);
    share(v, s->name, "max_move", t->max_move);
    wait(v, s->name, "ramp", t->ramp_ms, MODEL_UNSET);
    wait(v, s->name, "hold", t->hold_ms, MODEL_AUTO);
    wait(v, s->name, "window", t->window_ms, MODEL_AUTO);
    validate__range(v, "service", s->name, "min_regions", t->min_regions, MODEL_UNSET,
                    MODEL_REGIONS_MAX, "");
    if (t->degrade < 0 && t->fail < 0)
        return;
    double degrade = t->degrade >= 0 ? t->degrade : v->m->defaults.degrade;
    double fail = t->fail >= 0 ? t->fail : v->m->defaults.fail;
    if (degrade >= fail)
        FAIL(v, "service", s->name,
             "degrade %g must be below fail, which is %g: weight moves between the two", degrade,
             fail);
}

static void times(struct validation *v, const struct model_service *s)
{
    validate__range(v, "service", s->name, "ttl", s->ttl_s, 0, MODEL_TTL_MAX, "seconds");
    if (s->ttl_moving_s != MODEL_UNSET && (s->ttl_moving_s < 0 || s->ttl_moving_s > s->ttl_s))
        FAIL(v, "service", s->name, "ttl_moving %d is not accepted: give 0 to the ttl, which is %d",
             s->ttl_moving_s, s->ttl_s);
    validate__range(v, "service", s->name, "answers", s->answers, 0,
                    MODEL_ENDPOINTS_PER_SERVICE_MAX, "");
}

/* Services are alike, or of a few kinds: a policy is parsed once for as long as its place in the table
 * is not taken by another. */
static void parse_policy(struct validation *v, struct model_service *s)
{
    struct parsed *known =
        &v->parsed[hash_bytes(s->policy, strlen(s->policy), 2) % PARSED_POLICIES];
    if (!known->text || strcmp(known->text, s->policy) != 0) {
        char where[WHERE_TEXT_MAX + 10];
        struct policy p;
        snprintf(where, sizeof where, "%s: policy", validate__place(v, "service", s->name));
        s->parsed = NULL;
        if (policy_parse(s->policy, where, &p, v->diag) != ERR_OK) {
            v->errors++;
            return;
        }
        *known = (struct parsed){s->policy, model__policy(v->m->arena, &p)};
    }
    s->parsed = known->policy;
}

static void twice(struct validation *v, const struct model_service *s,
                  const struct model_service *before)
{
    if (before && strcmp(before->name, s->name) == 0)
        FAIL(v, "service", s->name, "is there twice; names are unique");
}

static void service(struct services *x, struct model_service *s, const struct model_service *before)
{
    struct validation *v = x->v;
    struct facts f = {.s = s};
    char canonical[MODEL_HOST_TEXT_MAX];
    if (!model_host_canonical(s->name, canonical) || strcmp(canonical, s->name) != 0)
        FAIL(v, "service", s->name,
             "\"%s\" is not a service name: give a domain name of letters, digits, '-' and '_'",
             s->name);
    twice(v, s, before);
    s->zone = zone_of(v->m, s->name);
    if (!s->zone)
        fail_no_zone(v, s->name);
    if (s->probe && !model_probe(v->m, s->probe))
        FAIL(v, "service", s->name, "probe \"%s\" does not exist%s", s->probe,
             validate__hint(v, PART_PROBES, s->probe));
    times(v, s);
    thresholds(v, s);
    parse_policy(v, s);
    endpoints(v, &f);
    missing_types(v, &f);
    if (s->parsed)
        policy(x, &f);
}

static bool hosts(const struct model_service *s)
{
    return s->endpoints_n && s->endpoints[0].family == 0;
}

/* Each service hands over to at most one other: walks are marked, and one that meets its own mark
 * has found a loop. Every service is walked over once. */
static void on_empty(struct validation *v)
{
    const struct model *m = v->m;
    uint32_t *walk = calloc(m->services_n + 1, sizeof *walk);
    if (!walk)
        arena_fail(v->m->arena);
    for (uint32_t i = 0; walk && i < m->services_n; i++) {
        const struct model_service *s = &m->services[i];
        while (s->on_empty == ON_EMPTY_SERVICE && !walk[s - m->services]) {
            walk[s - m->services] = i + 1;
            const struct model_service *to = model_service(m, s->on_empty_service);
            if (!to) {
                FAIL(v, "service", s->name, "on_empty: service \"%s\" does not exist%s",
                     s->on_empty_service, validate__hint(v, PART_SERVICES, s->on_empty_service));
                break;
            }
            if (to == s)
                FAIL(v, "service", s->name, "on_empty cannot name the service itself");
            else if (walk[to - m->services] == i + 1)
                FAIL(v, "service", s->name, "on_empty: %s leads back to it, in a circle", to->name);
            if (s->endpoints_n && to->endpoints_n && hosts(s) != hosts(to))
                FAIL(v, "service", s->name,
                     "on_empty: %s answers with %s, this service with %s; both must be alike",
                     to->name, hosts(to) ? "host names" : "addresses",
                     hosts(s) ? "host names" : "addresses");
            s = to;
        }
    }
    free(walk);
}

/* The glue of a zone is static data, and a name that is both is refused. */
static void glue_names(struct validation *v)
{
    const struct model *m = v->m;
    for (uint32_t i = 0; i < m->zones_n; i++)
        for (uint32_t k = 0; k < m->zones[i].ns_n; k++) {
            const struct model_ns *ns = &m->zones[i].ns[k];
            if (ns->addresses_n && model_service(m, ns->name))
                FAIL(v, "service", ns->name,
                     "is a name server of zone %s with an address; a name is either static or a "
                     "service",
                     m->zones[i].name);
        }
}

static bool prepare(struct services *x)
{
    const struct model *m = x->v->m;
    uint32_t n = 0;
    for (uint32_t r = 0; r < m->regions_n && r < MODEL_REGIONS_MAX; r++) {
        x->placed |= (uint64_t)m->regions[r].placed << r;
        x->measured |= (uint64_t)x->v->measured[r] << r;
    }
    for (uint32_t i = 0; i < m->maps_n; i++)
        n += m->maps[i].rules_n;
    x->rule_regions = calloc(n + 1, sizeof *x->rule_regions);
    x->map_rules = calloc(m->maps_n + 1, sizeof *x->map_rules);
    if (!x->rule_regions || !x->map_rules)
        return false;
    n = 0;
    for (uint32_t i = 0; i < m->maps_n; i++) {
        x->map_rules[i] = n;
        for (uint32_t k = 0; k < m->maps[i].rules_n; k++, n++)
            for (uint32_t j = 0; j < m->maps[i].rules[k].regions_n; j++) {
                int r = validate__region(x->v, m->maps[i].rules[k].regions[j]);
                if (r >= 0)
                    x->rule_regions[n] |= 1ull << r;
            }
    }
    return true;
}

void validate__thresholds(struct validation *v)
{
    for (uint32_t i = 0; i < v->m->services_n; i++)
        thresholds(v, &v->m->services[i]);
}

/* All services, or those that are not, to the last pointer, in the model that was judged before. */
static void each_service(struct services *x)
{
    struct model *m = x->v->m;
    const struct model *like = x->v->like;
    uint32_t like_n = like ? like->services_n : 0, k = 0;
    bool judged = false; /* the one before */
    for (uint32_t i = 0; i < m->services_n; i++) {
        struct model_service *s = &m->services[i];
        const struct model_service *before = i ? s - 1 : NULL;
        while (k < like_n && like->services[k].name != s->name &&
               strcmp(like->services[k].name, s->name) < 0)
            k++;
        bool known = k < like_n && memcmp(&like->services[k], s, sizeof *s) == 0;
        if (!known)
            service(x, s, before);
        else if (judged)
            twice(x->v, s, before);
        judged = !known;
        k += known;
    }
}

void validate__services(struct validation *v)
{
    struct model *m = v->m;
    struct services x = {.v = v};
    if (prepare(&x)) {
        each_service(&x);
        on_empty(v);
        glue_names(v);
    } else
        arena_fail(m->arena);
    free(x.rule_regions);
    free(x.map_rules);
}
