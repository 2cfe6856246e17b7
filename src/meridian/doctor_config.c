/* Traps in the configuration: each is allowed, and seldom meant. */
#include "doctor.h"

#include "base/clock.h"
#include <stdio.h>
#include <string.h>

#define CHECK_NAME "configuration"

static bool serves_in(const struct model_service *s, const char *region)
{
    for (uint32_t i = 0; i < s->endpoints_n; i++)
        if (strcmp(s->endpoints[i].region, region) == 0)
            return true;
    return false;
}

static void look_at_weights(struct doctor *d, const struct model_service *s)
{
    uint32_t zero = 0;
    for (uint32_t i = 0; i < s->endpoints_n; i++)
        zero += s->endpoints[i].weight == 0;
    if (s->endpoints_n == 0)
        doctor_say(d, DOCTOR_PROBLEM, CHECK_NAME, s->name, "has no endpoints");
    else if (zero == s->endpoints_n)
        doctor_say(d, DOCTOR_WARNING, CHECK_NAME, s->name,
                   "all weights are 0: they share the clients equally, as if nothing was said");
}

static void look_at_fence(struct doctor *d, const struct model_service *s,
                          const struct model_map *map)
{
    for (uint32_t i = 0; i < map->rules_n; i++) {
        const struct model_rule *r = &map->rules[i];
        uint32_t usable = 0;
        for (uint32_t k = 0; k < r->regions_n; k++)
            usable += serves_in(s, r->regions[k]);
        if (usable == 1)
            doctor_say(d, DOCTOR_WARNING, CHECK_NAME, s->name,
                       "fence leaves clients of %s one region: when it fails there is no other",
                       r->where.text);
    }
}

/* Clients there are looked up as the IPv4 client that is inside (docs/geo.md). */
static bool hides_ipv4(const struct ip_prefix *net)
{
    static const char *const ranges[] = {"::ffff:0:0/96", "2002::/16", "2001::/32", "64:ff9b::/96"};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        struct ip_prefix range;
        if (net->ip.family == 6 && ip_prefix_parse(ranges[i], &range) && net->len >= range.len &&
            ip_prefix_contains(&range, &net->ip))
            return true;
    }
    return false;
}

static void look_at_rules(struct doctor *d, const struct model_service *s,
                          const struct model_map *map)
{
    const char *geo = model_setting(d->m, "geo");
    bool located = geo && geo[0];
    for (uint32_t i = 0; i < map->rules_n; i++) {
        const struct model_place *at = &map->rules[i].where;
        if (at->kind == WHERE_NET && hides_ipv4(&at->net))
            doctor_say(d, DOCTOR_WARNING, CHECK_NAME, s->name,
                       "rule %s of map %s never matches: write it for the IPv4 network", at->text,
                       map->name);
        else if (at->kind != WHERE_NET && at->kind != WHERE_DEFAULT && !located)
            doctor_say(d, DOCTOR_WARNING, CHECK_NAME, s->name,
                       "rule %s of map %s never matches: no geo database is set", at->text,
                       map->name);
    }
}

/* Who holds an answer for longer than it takes to find out learns late. */
static void look_at_probe(struct doctor *d, const struct model_service *s,
                          const struct model_probe *p)
{
    int64_t detection_ms = p->interval_ms * p->fall;
    char detection[TIME_TEXT_MAX];
    if ((int64_t)s->ttl_s * 1000 > detection_ms)
        doctor_say(d, DOCTOR_WARNING, CHECK_NAME, s->name,
                   "its TTL of %d s is longer than probe %s takes to see a failure (%s)", s->ttl_s,
                   p->name, duration_format(detection_ms, detection));
    if (p->target && model_service(d->m, p->target))
        doctor_say(d, DOCTOR_PROBLEM, CHECK_NAME, s->name,
                   "probe %s checks %s, a balanced name: it finds whichever endpoint is healthy",
                   p->name, p->target);
}

static void look_at_endpoints(struct doctor *d, const struct model_service *s)
{
    const struct model_probe *last = NULL;
    bool probed = false;
    for (uint32_t i = 0; i < s->endpoints_n; i++) {
        const struct model_endpoint *e = &s->endpoints[i];
        const char *name = e->probe ? e->probe : s->probe;
        const struct model_probe *p = name ? model_probe(d->m, name) : NULL;
        if (e->family == 0 && model_service(d->m, e->address))
            doctor_say(d, DOCTOR_WARNING, CHECK_NAME, s->name,
                       "endpoint %s is a balanced name: its probe finds whichever is healthy",
                       e->address);
        if (p && p != last)
            look_at_probe(d, s, p);
        last = p ? p : last;
        probed = probed || p;
    }
    if (!probed && s->endpoints_n > 1)
        doctor_say(d, DOCTOR_WARNING, CHECK_NAME, s->name,
                   "nothing is probed: no failure is seen but what is reported");
}

void doctor_config(struct doctor *d)
{
    size_t before = json_array_size(d->findings);
    for (uint32_t i = 0; i < d->m->services_n; i++) {
        const struct model_service *s = &d->m->services[i];
        if (strcmp(s->zone, d->zone->name) != 0)
            continue;
        const struct model_map *map = s->map ? model_map(d->m, s->map) : NULL;
        look_at_weights(d, s);
        look_at_endpoints(d, s);
        if (map && policy_has(s->parsed, STEP_FENCE))
            look_at_fence(d, s, map);
        if (map)
            look_at_rules(d, s, map);
    }
    if (json_array_size(d->findings) == before)
        doctor_say(d, DOCTOR_OK, CHECK_NAME, d->zone->name, "no trap was found");
}
