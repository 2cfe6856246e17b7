/* set: the runner's own copy of its targets. */
#include "probe_priv.h"

#include "base/hash.h"

#include <string.h>

static const char *copy(struct arena *a, const char *s)
{
    return s ? arena_strdup(a, s) : NULL;
}

static const struct model_probe *copy_probe(struct arena *a, const struct model_probe *p)
{
    struct model_probe *c = ARENA_NEW(a, struct model_probe);
    if (!c)
        return NULL;
    *c = *p;
    const char **strings[] = {&c->name,   &c->path,  &c->host,  &c->status,  &c->body,  &c->send,
                              &c->expect, &c->qname, &c->qtype, &c->command, &c->target};
    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        *strings[i] = copy(a, *strings[i]);
    if (c->target && !c->host) /* IPv6 as in a URL */
        c->host = strchr(c->target, ':') ? arena_printf(a, "[%s]", c->target) : c->target;
    c->of = NULL; /* set_target.of has them */
    const char **args = ARENA_ARRAY(a, const char *, p->args_n + 1);
    for (uint32_t i = 0; args && i < p->args_n; i++)
        args[i] = copy(a, p->args[i]);
    c->args = args;
    return c;
}

static uint64_t mix_text(uint64_t h, const char *s)
{
    return s ? hash_bytes(s, strlen(s), h + 1) : hash_mix(h);
}

static uint64_t mix_number(uint64_t h, int64_t v)
{
    return hash_mix(h ^ ((uint64_t)v + 0x9e3779b97f4a7c15ull));
}

/* Of all that decides what a probe does and how it is judged; fall and rise are the engine's. */
static uint64_t definition(const struct model_probe *p)
{
    uint64_t h = mix_number(0, p->type);
    const char *const strings[] = {p->path,   p->host,  p->status, p->body,    p->send,
                                   p->expect, p->qname, p->qtype,  p->command, p->target};
    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        h = mix_text(h, strings[i]);
    for (uint32_t i = 0; i < p->args_n; i++)
        h = mix_text(h, p->args[i]);
    const int64_t numbers[] = {p->port,   p->verify, p->follow, p->timeout_ms,
                               p->args_n, p->quorum, p->of_n};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        h = mix_number(h, numbers[i]);
    return h;
}

/* A probe as it was copied last: targets come service by service, and neighbours mostly share it. */
struct copied {
    const struct model_probe *of, *copy;
    uint64_t definition;
};

static void know(struct arena *a, struct copied *c, const struct model_probe *p)
{
    if (c->of != p)
        *c = (struct copied){.of = p, .copy = copy_probe(a, p), .definition = definition(p)};
}

/* One target; where its probe has a target of its own, that is what it is about. */
static void fill(struct arena *a, struct set_target *out, const struct probe_target *t,
                 const struct copied *c)
{
    const char *address = c->of->target ? c->of->target : t->address;
    *out = (struct set_target){.definition = c->definition,
                               .t = {.probe = c->copy,
                                     .service = copy(a, t->service),
                                     .region = copy(a, t->region),
                                     .address = copy(a, address),
                                     .ip = t->ip}};
    if (c->of->target && !ip_parse(address, &out->t.ip))
        out->t.ip = (struct ip){.family = 0};
}

static uint32_t members(const struct model_probe *p)
{
    if (!model_probe_combines(p))
        return 0;
    return p->of_n < MODEL_PROBE_OF_MAX ? p->of_n : MODEL_PROBE_OF_MAX;
}

/* The probes that a probe is of, as targets behind the others; a change of one is a change of it. */
static void add_members(struct arena *a, struct probe_set *set, struct set_target *out,
                        const struct probe_target *t, struct copied known[MODEL_PROBE_OF_MAX])
{
    out->of_first = set->all_n;
    for (uint32_t i = 0; i < members(t->probe); i++) {
        const struct model_probe *p = t->model ? model_probe(t->model, t->probe->of[i]) : NULL;
        if (!p || model_probe_combines(p))
            continue;
        know(a, &known[i], p);
        struct probe_target one = {.service = t->service,
                                   .region = t->region,
                                   .address = t->probe->target ? t->probe->target : t->address,
                                   .ip = out->t.ip};
        fill(a, &set->target[set->all_n++], &one, &known[i]);
        out->of_n++;
        out->definition = hash_mix(out->definition ^ known[i].definition);
    }
}

struct probe_set *probe__set_create(const struct probe_target *targets, uint32_t n)
{
    struct arena *a = arena_create(0);
    if (!a)
        return NULL;
    struct copied last = {0}, known[MODEL_PROBE_OF_MAX] = {0};
    size_t all = n ? n : 1;
    for (uint32_t i = 0; i < n; i++)
        all += members(targets[i].probe);
    struct probe_set *set = ARENA_NEW(a, struct probe_set);
    struct set_target *out = ARENA_ARRAY(a, struct set_target, all);
    if (!arena_failed(a))
        *set = (struct probe_set){.arena = a, .refs = 1, .n = n, .all_n = n, .target = out};
    for (uint32_t i = 0; i < n && !arena_failed(a); i++) {
        const struct probe_target *t = &targets[i];
        know(a, &last, t->probe);
        fill(a, &out[i], t, &last);
        out[i].key =
            arena_printf(a, "%s|%s|%s|%s", t->service, t->region, t->address, t->probe->name);
        if (!arena_failed(a))
            add_members(a, set, &out[i], t, known);
    }
    if (arena_failed(a)) {
        arena_destroy(a);
        return NULL;
    }
    return set;
}

void probe__set_unref(struct probe_set **set)
{
    if (*set && --(*set)->refs == 0)
        arena_destroy((*set)->arena);
    *set = NULL;
}
