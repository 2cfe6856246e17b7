#include "validate_priv.h"

#include "base/clock.h"
#include "base/hash.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LATENCY_MS_MAX 60000.0
#define TCP_IDLE_MS_MIN 100
#define CAPACITY_MAX 1000000000000 /* 10^12 */
#define EARTH_KM 20040.0           /* half its girth: no two places are farther apart */

const char *validate__place(struct validation *v, const char *noun, const char *name)
{
    snprintf(v->where, sizeof v->where, "%s%s%.260s", noun, *name ? " " : "", name);
    return v->where;
}

void validate__range(struct validation *v, const char *noun, const char *name, const char *key,
                     int64_t value, int64_t min, int64_t max, const char *unit)
{
    if (value < min || value > max)
        FAIL(v, noun, name, "%s %" PRId64 " is not accepted: give %" PRId64 " to %" PRId64 "%s%s",
             key, value, min, max, *unit ? " " : "", unit);
}

const char *validate__hint(struct validation *v, enum model_part part, const char *name)
{
    struct nearest near;
    nearest_start(&near, name);
    const char *items = model_part_items(v->m, part);
    for (uint32_t i = 0; i < model_part_count(v->m, part); i++)
        nearest_offer(&near,
                      *(const char *const *)(const void *)(items + i * model_part_size(part)));
    return nearest_hint(&near, v->hint, sizeof v->hint);
}

static uint64_t region_hash(const char *name)
{
    return hash_bytes(name, strlen(name), 1);
}

int validate__region(const struct validation *v, const char *name)
{
    for (uint64_t at = region_hash(name);; at++) {
        unsigned slot = v->region_slot[at % REGION_SLOTS];
        if (!slot)
            return -1;
        if (strcmp(v->m->regions[slot - 1].name, name) == 0)
            return (int)slot - 1;
    }
}

/* Between the two marks a region stays as it is. */
static void load_marks(struct validation *v)
{
    double high = 1, low = 0;
    bool marks = model_share_parse(model_setting(v->m, "load-high"), &high) &&
                 model_share_parse(model_setting(v->m, "load-low"), &low);
    if (marks && high > 0 && low >= high)
        FAIL(v, "setting", "load-low",
             "%g must be below load-high, which is %g: a region sheds load above the one and takes "
             "it back below the other",
             low, high);
}

int validate__region_named(struct validation *v, const char *noun, const char *of, const char *name)
{
    int r = validate__region(v, name);
    if (r < 0)
        FAIL(v, noun, of, "region \"%s\" does not exist%s", name,
             validate__hint(v, PART_REGIONS, name));
    return r;
}

/* Less is nothing in the units of edns-tcp-keepalive, and no client can make use of it. */
static void tcp_idle(struct validation *v)
{
    const char *text = model_setting(v->m, "tcp-idle");
    int64_t ms;
    if (duration_parse(text, &ms) && ms < TCP_IDLE_MS_MIN)
        FAIL(v, "setting", "tcp-idle", "%s is not accepted: give at least %dms", text,
             TCP_IDLE_MS_MIN);
}

/* A total below the rate of one answer leaves that rate without a use. */
static void rate_limits(struct validation *v)
{
    int64_t rate = 0, total = 0;
    if (model_integer_parse(model_setting(v->m, "rate-limit"), &rate) &&
        model_integer_parse(model_setting(v->m, "rate-limit-total"), &total) && total > 0 &&
        total < rate)
        WARN(v, "setting", "rate-limit-total",
             "%lld is below rate-limit, which is %lld and is never met", (long long)total,
             (long long)rate);
}

static void settings(struct validation *v)
{
    const struct model *m = v->m;
    for (uint32_t i = 0; i < m->settings_n; i++) {
        const struct model_setting *s = &m->settings[i];
        if (model_setting_check(s->key, s->value, "setting", v->diag) != ERR_OK)
            v->errors++;
        if (i && strcmp(s->key, s[-1].key) == 0)
            FAIL(v, "setting", s->key, "is given twice");
    }
    model__defaults_fill(v->m);
    load_marks(v);
    if (v->m->defaults.degrade >= v->m->defaults.fail)
        FAIL(v, "setting", "degrade",
             "%g must be below fail, which is %g: weight moves between the two",
             v->m->defaults.degrade, v->m->defaults.fail);
    rate_limits(v);
    tcp_idle(v);
}

static bool host_valid(const char *name)
{
    char canonical[MODEL_HOST_TEXT_MAX];
    return model_host_canonical(name, canonical) && strcmp(canonical, name) == 0;
}

void validate__name(struct validation *v, const char *noun, const char *name, const char *before)
{
    char canonical[MODEL_NAME_TEXT_MAX];
    if (!model_name_canonical(name, canonical) || strcmp(canonical, name) != 0)
        FAIL(v, noun, name,
             "the name \"%s\" is not accepted: give letters, digits, '-' and '_', at most 63, "
             "starting with a letter or digit",
             name);
    if (before && strcmp(before, name) == 0)
        FAIL(v, noun, name, "is there twice; names are unique");
}

static void name_servers(struct validation *v, const struct model_zone *z)
{
    for (uint32_t i = 0; i < z->ns_n; i++) {
        const struct model_ns *ns = &z->ns[i];
        struct ip ip;
        if (!host_valid(ns->name))
            FAIL(v, "zone", z->name, "name server \"%s\" is not a host name", ns->name);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(z->ns[k].name, ns->name) == 0)
                FAIL(v, "zone", z->name, "name server %s is there twice", ns->name);
        for (uint32_t k = 0; k < ns->addresses_n; k++)
            if (!ip_parse(ns->addresses[k], &ip))
                FAIL(v, "zone", z->name, "address \"%s\" of name server %s is not an IP address",
                     ns->addresses[k], ns->name);
        if (ns->addresses_n == 0 && !z->file && model_host_within(ns->name, z->name))
            FAIL(v, "zone", z->name,
                 "name server %s lies inside the zone and needs an address (glue): give "
                 "--ns %s=ADDRESS",
                 ns->name, ns->name);
    }
}

static void zones(struct validation *v)
{
    const struct model *m = v->m;
    for (uint32_t i = 0; i < m->zones_n; i++) {
        const struct model_zone *z = &m->zones[i];
        if (!host_valid(z->name))
            FAIL(v, "zone", z->name,
                 "\"%s\" is not a zone name: give a domain name of letters, digits, '-' and '_'",
                 z->name);
        if (i && strcmp(z->name, z[-1].name) == 0)
            FAIL(v, "zone", z->name, "is there twice; names are unique");
        validate__range(v, "zone", z->name, "ttl", z->ttl_s, 0, MODEL_TTL_MAX, "seconds");
        validate__range(v, "zone", z->name, "negative_ttl", z->negative_ttl_s, 0, MODEL_TTL_MAX,
                        "seconds");
        name_servers(v, z);
        if (z->ns_n == 0 && !z->file)
            WARN(v, "zone", z->name,
                 "has neither a zone file nor name servers, and cannot be delegated: give --ns "
                 "NAME=ADDRESS or --file PATH");
    }
}

static void regions(struct validation *v)
{
    const struct model *m = v->m;
    if (m->regions_n > MODEL_REGIONS_MAX)
        FAIL(v, "regions", "", "there are %u regions, at most %d are possible", m->regions_n,
             MODEL_REGIONS_MAX);
    for (uint32_t i = 0; i < m->regions_n; i++) {
        const struct model_region *r = &m->regions[i];
        validate__name(v, "region", r->name, NULL);
        if (r->placed && !(fabs(r->lat) <= 90 && fabs(r->lon) <= 180))
            FAIL(v, "region", r->name,
                 "at %g,%g is not on earth: give latitude -90 to 90 and longitude -180 to 180",
                 r->lat, r->lon);
        validate__range(v, "region", r->name, "capacity", r->capacity, 0, CAPACITY_MAX, "");
        if (!(fabs(r->bias_km) <= EARTH_KM))
            FAIL(v, "region", r->name, "bias_km %g is not accepted: give -%g to %g kilometres",
                 r->bias_km, EARTH_KM, EARTH_KM);
        if (i >= MODEL_REGIONS_MAX)
            continue;
        if (validate__region(v, r->name) >= 0) {
            FAIL(v, "region", r->name, "is there twice; names are unique");
            continue;
        }
        uint64_t at = region_hash(r->name);
        while (v->region_slot[at % REGION_SLOTS])
            at++;
        v->region_slot[at % REGION_SLOTS] = (uint8_t)(i + 1);
    }
}

static void rule(struct validation *v, const struct model_map *map, const struct model_rule *r)
{
    uint64_t seen = 0;
    if (r->regions_n == 0)
        FAIL(v, "map", map->name, "rule %s names no region", r->where.text);
    for (uint32_t k = 0; k < r->regions_n; k++) {
        int at = validate__region_named(v, "map", map->name, r->regions[k]);
        if (at >= 0 && (seen >> at & 1))
            FAIL(v, "map", map->name, "rule %s names region %s twice", r->where.text,
                 r->regions[k]);
        if (at >= 0)
            seen |= 1ull << at;
    }
}

static void maps(struct validation *v)
{
    const struct model *m = v->m;
    for (uint32_t i = 0; i < m->maps_n; i++) {
        const struct model_map *map = &m->maps[i];
        validate__name(v, "map", map->name, i ? map[-1].name : NULL);
        for (uint32_t k = 0; k < map->rules_n; k++) {
            rule(v, map, &map->rules[k]);
            if (k && model_place_compare(&map->rules[k].where, &map->rules[k - 1].where) == 0)
                FAIL(v, "map", map->name, "rule %s is there twice; one rule per place",
                     map->rules[k].where.text);
        }
    }
}

static void latency(struct validation *v)
{
    const struct model *m = v->m;
    for (uint32_t i = 0; i < m->latency_n; i++) {
        const struct model_latency *l = &m->latency[i];
        enum model_where kind = l->where.kind;
        if (kind == WHERE_CITY || kind == WHERE_SUBDIVISION || kind == WHERE_DEFAULT)
            FAIL(v, "latency", l->where.text,
                 "is not measured by: give net:, asn:, country: or continent:");
        if (!(l->ms > 0 && l->ms <= LATENCY_MS_MAX))
            FAIL(v, "latency", l->where.text,
                 "%g ms to region %s is not accepted: give a number above 0, at most %g", l->ms,
                 l->region, LATENCY_MS_MAX);
        int at = validate__region_named(v, "latency", l->where.text, l->region);
        if (at >= 0)
            v->measured[at] = 1;
        if (i && model_part_compare(PART_LATENCY, l - 1, l) == 0)
            FAIL(v, "latency", l->where.text, "has two rows for region %s", l->region);
    }
}

static enum err validate(struct validation *v)
{
    settings(v);
    zones(v);
    regions(v);
    validate__probes(v);
    validate__dependencies(v);
    maps(v);
    latency(v);
    validate__services(v);
    if (arena_failed(v->m->arena))
        return diag_error(v->diag, ERR_NOMEM, "", "out of memory");
    model__held(v->m)->valid = v->errors == 0;
    return v->errors ? ERR_INVALID : ERR_OK;
}

enum err model_validate(struct model *m, struct diag *diag)
{
    struct validation v = {.m = m, .diag = diag};
    return validate(&v);
}

bool model_valid(const struct model *m)
{
    return ((const struct held *)(const void *)m)->valid;
}

/* To the last pointer: a clone shares its strings. */
static bool part_untouched(const struct model *a, const struct model *b, enum model_part part)
{
    size_t n = model_part_count(a, part), bytes = n * model_part_size(part);
    return n == model_part_count(b, part) &&
           (n == 0 || memcmp(model_part_items(a, part), model_part_items(b, part), bytes) == 0);
}

enum err model_validate_edit(struct model *m, const struct model *head, struct diag *diag)
{
    bool same = model_valid(head);
    for (unsigned p = 0; same && p < PART_COUNT; p++)
        same = p == PART_SERVICES || part_untouched(m, head, p);
    struct validation v = {.m = m, .like = same ? head : NULL, .diag = diag};
    return validate(&v);
}

/* Thresholds were judged with the model below, which has other settings, but rarely these two. */
static bool same_bounds(const struct model *m)
{
    const struct model *under = ((const struct held *)(const void *)m)->under;
    return under && under->defaults.degrade == m->defaults.degrade &&
           under->defaults.fail == m->defaults.fail;
}

enum err model_validate_settings(struct model *m, struct diag *diag)
{
    struct validation v = {.m = m, .diag = diag};
    settings(&v);
    if (!same_bounds(m))
        validate__thresholds(&v);
    return v.errors ? ERR_INVALID : ERR_OK;
}
