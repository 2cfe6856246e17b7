#include "model/model.h"

#include "base/check.h"
#include "model_priv.h"

#include <stdlib.h>
#include <string.h>

/* A clone may carry this much on top of twice the compact size before it copies. */
#define GARBAGE_BYTES_FREE (4u << 20)

static struct mem *mem_create(void)
{
    struct mem *mem = malloc(sizeof *mem);
    struct arena *a = mem ? arena_create(0) : NULL;
    if (!a) {
        free(mem);
        return NULL;
    }
    mem->arena = a;
    atomic_init(&mem->refs, 1);
    return mem;
}

static void mem_unref(struct mem *mem)
{
    if (atomic_fetch_sub_explicit(&mem->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_destroy(mem->arena);
    free(mem);
}

struct model *model_create(void)
{
    struct held *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->mems[0] = mem_create();
    if (!h->mems[0]) {
        free(h);
        return NULL;
    }
    h->mems_n = 1;
    h->m.arena = h->mems[0]->arena;
    atomic_init(&h->refs, 1);
    return &h->m;
}

struct arena *model_arena_more(struct model *m)
{
    struct held *h = model__held(m);
    struct mem *mem = h->mems_n < MODEL_MEMS_MAX ? mem_create() : NULL;
    if (!mem)
        return NULL;
    h->mems[h->mems_n++] = mem;
    return mem->arena;
}

struct model *model_ref(struct model *m)
{
    atomic_fetch_add_explicit(&model__held(m)->refs, 1, memory_order_relaxed);
    return m;
}

void model_unref(struct model **m)
{
    struct model *gone = *m;
    *m = NULL;
    if (!gone)
        return;
    struct held *h = model__held(gone);
    if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned p = 0; p < PART_COUNT; p++)
        if (!h->under || p == PART_SETTINGS)
            free(model_part_items(gone, p));
    if (h->under)
        model_unref(&h->under);
    for (unsigned i = 0; i < h->mems_n; i++)
        mem_unref(h->mems[i]);
    free(h);
}

/* With room for a few more: what is cloned is edited, and an array that grows moves. */
#define SPARE 16

static bool arrays_copy(struct model *to, const struct model *from)
{
    for (unsigned p = 0; p < PART_COUNT; p++) {
        uint32_t n = model_part_count(from, p);
        if (n == 0)
            continue;
        void *items = malloc((n + (size_t)SPARE) * model_part_size(p));
        if (!items)
            return false;
        memcpy(items, model_part_items(from, p), n * model_part_size(p));
        model_part_take(to, p, items, n);
        model__held(to)->room[p] = n + SPARE;
    }
    return true;
}

static size_t mems_bytes(const struct held *h)
{
    size_t sum = 0;
    for (unsigned i = 0; i < h->mems_n; i++)
        sum += arena_size_bytes(h->mems[i]->arena);
    return sum;
}

/* Months of edits make a chain of clones: each leans on the arenas of the one before. When there
 * are many, or what they hold is mostly out of use, the clone copies instead and leans on nobody. That is
 * an edit that takes several times as long as others, for nothing lies where it did: a rare one.
 */
static bool lean_or_copy(struct held *to, const struct held *from)
{
    size_t base = from->compact_bytes ? from->compact_bytes : mems_bytes(from);
    bool copy =
        from->mems_n + 1 > MODEL_MEMS_MAX || mems_bytes(from) > 2 * base + GARBAGE_BYTES_FREE;
    if (copy) {
        if (!model__deepen(&to->m))
            return false;
        to->compact_bytes = mems_bytes(to);
        return true;
    }
    to->compact_bytes = base;
    for (unsigned i = 0; i < from->mems_n; i++) {
        atomic_fetch_add_explicit(&from->mems[i]->refs, 1, memory_order_relaxed);
        to->mems[to->mems_n++] = from->mems[i];
    }
    return true;
}

static bool settings_copy(struct model *to, const struct model *from)
{
    if (!model_part_reserve(to, PART_SETTINGS, from->settings_n + 1))
        return false;
    if (from->settings_n)
        memcpy(to->settings, from->settings, from->settings_n * sizeof *to->settings);
    to->settings_n = from->settings_n;
    return true;
}

struct model *model_over(struct model *m)
{
    struct model *to = model_create();
    if (!to)
        return NULL;
    to->revision = m->revision;
    to->zones = m->zones;
    to->zones_n = m->zones_n;
    to->regions = m->regions;
    to->regions_n = m->regions_n;
    to->probes = m->probes;
    to->probes_n = m->probes_n;
    to->maps = m->maps;
    to->maps_n = m->maps_n;
    to->latency = m->latency;
    to->latency_n = m->latency_n;
    to->services = m->services;
    to->services_n = m->services_n;
    model__held(to)->under = model_ref(m);
    if (!settings_copy(to, m))
        model_unref(&to);
    return to;
}

struct model *model_clone(const struct model *m)
{
    CHECK(!((const struct held *)(const void *)m)->under);
    struct model *to = model_create();
    if (!to)
        return NULL;
    to->revision = m->revision;
    to->defaults = m->defaults;
    if (!arrays_copy(to, m) || !lean_or_copy(model__held(to), (const struct held *)(const void *)m))
        model_unref(&to);
    return to;
}

static const void *find_named(const struct model *m, enum model_part part, const char *name)
{
    bool found;
    /* Only the name is compared, and it comes first in every named item. */
    uint32_t at = model_part_find(m, part, &name, &found);
    return found ? (const char *)model_part_items(m, part) + at * model_part_size(part) : NULL;
}

const char *model_setting(const struct model *m, const char *key)
{
    const struct model_setting *s = find_named(m, PART_SETTINGS, key);
    if (s)
        return s->value;
    const struct model_setting_info *info = model_setting_info(key);
    return info ? info->fallback : NULL;
}

const struct model_zone *model_zone(const struct model *m, const char *name)
{
    return find_named(m, PART_ZONES, name);
}

const struct model_probe *model_probe(const struct model *m, const char *name)
{
    return find_named(m, PART_PROBES, name);
}

const struct model_map *model_map(const struct model *m, const char *name)
{
    return find_named(m, PART_MAPS, name);
}

const struct model_service *model_service(const struct model *m, const char *name)
{
    return find_named(m, PART_SERVICES, name);
}

int model_region_index(const struct model *m, const char *name)
{
    for (uint32_t i = 0; i < m->regions_n; i++) /* interned names hit here */
        if (m->regions[i].name == name)
            return (int)i;
    for (uint32_t i = 0; i < m->regions_n; i++)
        if (strcmp(m->regions[i].name, name) == 0)
            return (int)i;
    return -1;
}

const struct model_region *model_region(const struct model *m, const char *name)
{
    int i = model_region_index(m, name);
    return i < 0 ? NULL : &m->regions[i];
}
