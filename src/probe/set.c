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
    const char **strings[] = {&c->name, &c->path,   &c->host,  &c->status, &c->body,
                              &c->send, &c->expect, &c->qname, &c->qtype,  &c->command};
    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        *strings[i] = copy(a, *strings[i]);
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
    const char *const strings[] = {p->path,   p->host,  p->status, p->body,   p->send,
                                   p->expect, p->qname, p->qtype,  p->command};
    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        h = mix_text(h, strings[i]);
    for (uint32_t i = 0; i < p->args_n; i++)
        h = mix_text(h, p->args[i]);
    const int64_t numbers[] = {p->port, p->verify, p->follow, p->timeout_ms, p->args_n};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        h = mix_number(h, numbers[i]);
    return h;
}

struct probe_set *probe__set_create(const struct probe_target *targets, uint32_t n)
{
    struct arena *a = arena_create(0);
    if (!a)
        return NULL;
    struct probe_set *set = ARENA_NEW(a, struct probe_set);
    struct set_target *out = ARENA_ARRAY(a, struct set_target, n ? n : 1);
    /* Targets come service by service: neighbours mostly share their probe. */
    const struct model_probe *last = NULL, *last_copy = NULL;
    uint64_t last_definition = 0;
    for (uint32_t i = 0; i < n && !arena_failed(a); i++) {
        const struct probe_target *t = &targets[i];
        if (t->probe != last) {
            last = t->probe;
            last_copy = copy_probe(a, last);
            last_definition = definition(last);
        }
        out[i].definition = last_definition;
        out[i].t = (struct probe_target){.probe = last_copy,
                                         .service = copy(a, t->service),
                                         .region = copy(a, t->region),
                                         .address = copy(a, t->address),
                                         .ip = t->ip};
        out[i].key = arena_printf(a, "%s|%s|%s|%s", t->service, t->region, t->address, last->name);
    }
    if (arena_failed(a)) {
        arena_destroy(a);
        return NULL;
    }
    *set = (struct probe_set){.arena = a, .refs = 1, .n = n, .target = out};
    return set;
}

void probe__set_unref(struct probe_set **set)
{
    if (*set && --(*set)->refs == 0)
        arena_destroy((*set)->arena);
    *set = NULL;
}
