/* The deep copy of a model: every string and nested array into the model's own arena. */
#include "model_priv.h"

#include <string.h>

struct copier {
    struct arena *a;
    const struct policy *policy, *policy_copy; /* the last one */
    struct model_intern in;                    /* names that many items share */
};

static void text(struct copier *c, const char **s)
{
    if (*s)
        *s = arena_strdup(c->a, *s);
}

static void shared(struct copier *c, const char **s)
{
    if (*s)
        *s = model_intern(&c->in, c->a, *s);
}

/* Copies an array of n items of size bytes; NULL past the memory, which arena_failed remembers. */
static void *array(struct copier *c, const void *items, size_t n, size_t size)
{
    void *out = arena_alloc(c->a, n * size);
    if (out && n)
        memcpy(out, items, n * size);
    return out;
}

static const char *const *texts(struct copier *c, const char *const *list, uint32_t n)
{
    const char **out = array(c, list, n, sizeof *list);
    for (uint32_t i = 0; out && i < n; i++)
        shared(c, &out[i]);
    return out;
}

const struct policy *model__policy(struct arena *a, const struct policy *p)
{
    struct policy *copy = ARENA_NEW(a, struct policy);
    if (copy)
        *copy = *p;
    return copy;
}

static void policy(struct copier *c, const struct policy **p)
{
    if (*p != c->policy) {
        c->policy = *p;
        c->policy_copy = *p ? model__policy(c->a, *p) : NULL;
    }
    *p = c->policy_copy;
}

static void zone(struct copier *c, struct model_zone *z)
{
    text(c, &z->name);
    text(c, &z->file);
    struct model_ns *ns = array(c, z->ns, z->ns_n, sizeof *ns);
    for (uint32_t i = 0; ns && i < z->ns_n; i++) {
        text(c, &ns[i].name);
        ns[i].addresses = texts(c, ns[i].addresses, ns[i].addresses_n);
    }
    z->ns = ns;
}

static void probe(struct copier *c, struct model_probe *p)
{
    shared(c, &p->name);
    const char **fields[] = {&p->path,   &p->host,  &p->status, &p->body,    &p->send,
                             &p->expect, &p->qname, &p->qtype,  &p->command, &p->target};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        text(c, fields[i]);
    p->args = texts(c, p->args, p->args_n);
    p->of = texts(c, p->of, p->of_n);
}

static void map(struct copier *c, struct model_map *map)
{
    shared(c, &map->name);
    struct model_rule *rules = array(c, map->rules, map->rules_n, sizeof *rules);
    for (uint32_t i = 0; rules && i < map->rules_n; i++) {
        text(c, &rules[i].where.text);
        rules[i].regions = texts(c, rules[i].regions, rules[i].regions_n);
    }
    map->rules = rules;
}

static void service(struct copier *c, struct model_service *s)
{
    text(c, &s->name);
    shared(c, &s->zone);
    shared(c, &s->policy);
    policy(c, &s->parsed);
    shared(c, &s->map);
    shared(c, &s->probe);
    text(c, &s->on_empty_service);
    s->thresholds = model_intern_thresholds(&c->in, c->a, s->thresholds);
    struct model_endpoint *e = array(c, s->endpoints, s->endpoints_n, sizeof *e);
    for (uint32_t i = 0; e && i < s->endpoints_n; i++) {
        shared(c, &e[i].region);
        text(c, &e[i].address);
        shared(c, &e[i].probe);
    }
    s->endpoints = e;
}

bool model__deepen(struct model *m)
{
    struct copier c = {.a = m->arena};
    for (uint32_t i = 0; i < m->settings_n; i++) {
        text(&c, &m->settings[i].key);
        text(&c, &m->settings[i].value);
    }
    for (uint32_t i = 0; i < m->zones_n; i++)
        zone(&c, &m->zones[i]);
    for (uint32_t i = 0; i < m->regions_n; i++) {
        shared(&c, &m->regions[i].name);
        shared(&c, &m->regions[i].depends_on);
    }
    for (uint32_t i = 0; i < m->probes_n; i++)
        probe(&c, &m->probes[i]);
    for (uint32_t i = 0; i < m->maps_n; i++)
        map(&c, &m->maps[i]);
    for (uint32_t i = 0; i < m->latency_n; i++) {
        text(&c, &m->latency[i].where.text);
        shared(&c, &m->latency[i].region);
    }
    for (uint32_t i = 0; i < m->services_n; i++)
        service(&c, &m->services[i]);
    return !arena_failed(m->arena);
}
