/* Removing an item: only while nothing refers to it, and the message names what does. */
#include "config_priv.h"

#include <stdio.h>
#include <string.h>

#define USERS_NAMED_MAX 3

struct users {
    char text[900]; /* the first few */
    unsigned n;
};

static void user(struct users *u, const char *noun, const char *name, unsigned count,
                 const char *of)
{
    size_t at = strlen(u->text);
    if (u->n++ >= USERS_NAMED_MAX)
        return;
    snprintf(u->text + at, sizeof u->text - at, "%s%s%s%.255s", u->n > 1 ? ", " : "", noun,
             *name ? " " : "", name);
    at = strlen(u->text);
    if (count)
        snprintf(u->text + at, sizeof u->text - at, " (%u %s%s)", count, of, count == 1 ? "" : "s");
}

static enum err in_use(struct reader *r, enum config_noun noun, const char *name,
                       const struct users *u)
{
    char more[40] = "";
    if (u->n > USERS_NAMED_MAX)
        snprintf(more, sizeof more, " and %u more", u->n - USERS_NAMED_MAX);
    return diag_error(r->diag, ERR_REFUSED, "",
                      "%s %s is still used by %s%s; remove or change %s first",
                      config_noun_name(noun), name, u->text, more, u->n == 1 ? "it" : "those");
}

static void region_users(const struct model *m, const char *name, struct users *u)
{
    for (uint32_t i = 0; i < m->services_n; i++) {
        unsigned n = 0;
        for (uint32_t k = 0; k < m->services[i].endpoints_n; k++)
            n += strcmp(m->services[i].endpoints[k].region, name) == 0;
        if (n)
            user(u, "service", m->services[i].name, n, "endpoint");
    }
    for (uint32_t i = 0; i < m->maps_n; i++) {
        unsigned n = 0;
        for (uint32_t k = 0; k < m->maps[i].rules_n; k++)
            for (uint32_t j = 0; j < m->maps[i].rules[k].regions_n; j++)
                n += strcmp(m->maps[i].rules[k].regions[j], name) == 0;
        if (n)
            user(u, "map", m->maps[i].name, n, "rule");
    }
    unsigned rows = 0;
    for (uint32_t i = 0; i < m->latency_n; i++)
        rows += strcmp(m->latency[i].region, name) == 0;
    if (rows)
        user(u, "the latency table", "", rows, "row");
}

static void probe_users(const struct model *m, const char *name, struct users *u)
{
    for (uint32_t i = 0; i < m->services_n; i++) {
        const struct model_service *s = &m->services[i];
        unsigned n = 0;
        for (uint32_t k = 0; k < s->endpoints_n; k++)
            n += s->endpoints[k].probe && strcmp(s->endpoints[k].probe, name) == 0;
        if (n || (s->probe && strcmp(s->probe, name) == 0))
            user(u, "service", s->name, n, "endpoint");
    }
    for (uint32_t i = 0; i < m->regions_n; i++)
        if (m->regions[i].depends_on && strcmp(m->regions[i].depends_on, name) == 0)
            user(u, "region", m->regions[i].name, 0, "");
    for (uint32_t i = 0; i < m->probes_n; i++)
        for (uint32_t k = 0; k < m->probes[i].of_n; k++)
            if (strcmp(m->probes[i].of[k], name) == 0)
                user(u, "probe", m->probes[i].name, 0, "");
}

/* Services of the zone that would then lie in no other one. */
static void zone_users(const struct model *m, const char *name, struct users *u)
{
    for (uint32_t i = 0; i < m->services_n; i++) {
        bool covered = false;
        if (!model_host_within(m->services[i].name, name))
            continue;
        for (uint32_t k = 0; k < m->zones_n; k++)
            covered = covered || (strcmp(m->zones[k].name, name) != 0 &&
                                  model_host_within(m->services[i].name, m->zones[k].name));
        if (!covered)
            user(u, "service", m->services[i].name, 0, "");
    }
}

static void find_users(const struct model *m, enum config_noun noun, const char *name,
                       struct users *u)
{
    if (noun == NOUN_REGION)
        region_users(m, name, u);
    else if (noun == NOUN_PROBE)
        probe_users(m, name, u);
    else if (noun == NOUN_ZONE)
        zone_users(m, name, u);
    for (uint32_t i = 0; i < m->services_n; i++) {
        const struct model_service *s = &m->services[i];
        const char *target = noun == NOUN_MAP       ? s->map
                             : noun == NOUN_SERVICE ? s->on_empty_service
                                                    : NULL;
        if (target && strcmp(target, name) == 0 && strcmp(s->name, name) != 0)
            user(u, noun == NOUN_MAP ? "service" : "on_empty of service", s->name, 0, "");
    }
}

enum err config__remove(struct reader *r, enum config_noun noun, const char *name)
{
    struct users u = {.n = 0};
    find_users(r->m, noun, name, &u);
    if (u.n)
        return in_use(r, noun, name, &u);
    int64_t at = config__find(r->m, noun, name);
    CHECK(at >= 0);
    model_part_remove(r->m, config__part(noun), (uint32_t)at);
    return ERR_OK;
}
