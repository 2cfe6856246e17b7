#include "model/build.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/pages.h"
#include "model_priv.h"

#include <stdlib.h>
#include <string.h>

/* Where the array and the count of each part lie in struct model. */
static const struct {
    size_t items, count, size;
} layout[PART_COUNT] = {
#define PART(part, member)                                                                         \
    [part] = {offsetof(struct model, member), offsetof(struct model, member##_n),                  \
              sizeof *((struct model *)0)->member}
    PART(PART_SETTINGS, settings), PART(PART_ZONES, zones), PART(PART_REGIONS, regions),
    PART(PART_PROBES, probes),     PART(PART_MAPS, maps),   PART(PART_LATENCY, latency),
    PART(PART_SERVICES, services),
#undef PART
};

static void **items_at(struct model *m, enum model_part part)
{
    return (void **)(void *)((char *)m + layout[part].items);
}

static uint32_t *count_at(struct model *m, enum model_part part)
{
    return (uint32_t *)(void *)((char *)m + layout[part].count);
}

size_t model_part_size(enum model_part part)
{
    return layout[part].size;
}

void *model_part_items(const struct model *m, enum model_part part)
{
    return *(void *const *)(const void *)((const char *)m + layout[part].items);
}

uint32_t model_part_count(const struct model *m, enum model_part part)
{
    return *(const uint32_t *)(const void *)((const char *)m + layout[part].count);
}

bool model_part_reserve(struct model *m, enum model_part part, uint32_t n)
{
    struct held *h = model__held(m);
    CHECK(!h->under || part == PART_SETTINGS);
    if (n <= h->room[part])
        return true;
    uint32_t room = h->room[part] > UINT32_MAX / 2 ? UINT32_MAX : h->room[part] * 2;
    room = n > room ? n : room;
    void *grown = reallocarray(*items_at(m, part), room, layout[part].size);
    if (!grown)
        return false;
    pages_ready(grown, (size_t)h->room[part] * layout[part].size, (size_t)n * layout[part].size);
    *items_at(m, part) = grown;
    h->room[part] = room;
    return true;
}

void *model_part_insert(struct model *m, enum model_part part, uint32_t at)
{
    uint32_t *n = count_at(m, part);
    size_t size = layout[part].size;
    CHECK(at <= *n);
    if (*n == UINT32_MAX || !model_part_reserve(m, part, *n + 1))
        return NULL;
    char *slot = (char *)*items_at(m, part) + at * size;
    memmove(slot + size, slot, (*n - at) * size);
    memset(slot, 0, size);
    ++*n;
    return slot;
}

void model_part_remove(struct model *m, enum model_part part, uint32_t at)
{
    uint32_t *n = count_at(m, part);
    size_t size = layout[part].size;
    CHECK(at < *n);
    CHECK(!model__held(m)->under || part == PART_SETTINGS);
    char *slot = (char *)*items_at(m, part) + at * size;
    memmove(slot, slot + size, (*n - at - 1) * size);
    --*n;
}

void model_part_take(struct model *m, enum model_part part, void *items, uint32_t n)
{
    CHECK(!model__held(m)->under || part == PART_SETTINGS);
    free(*items_at(m, part));
    *items_at(m, part) = items;
    *count_at(m, part) = n;
    model__held(m)->room[part] = n;
}

static int name_compare(const void *a, const void *b) /* every named item starts with its name */
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    return x == y ? 0 : strcmp(x, y);
}

static int region_compare(const void *a, const void *b)
{
    const struct model_region *x = a, *y = b;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int latency_compare(const void *a, const void *b)
{
    const struct model_latency *x = a, *y = b;
    int c = model_place_compare(&x->where, &y->where);
    return c || x->region == y->region ? c : strcmp(x->region, y->region);
}

static int (*const compares[PART_COUNT])(const void *, const void *) = {
    [PART_SETTINGS] = name_compare, [PART_ZONES] = name_compare, [PART_REGIONS] = region_compare,
    [PART_PROBES] = name_compare,   [PART_MAPS] = name_compare,  [PART_LATENCY] = latency_compare,
    [PART_SERVICES] = name_compare,
};

int model_part_compare(enum model_part part, const void *a, const void *b)
{
    return compares[part](a, b);
}

/* glibc's qsort is a merge sort while memory lasts, but that is not promised: equal keys are
 * errors that validation reports, so their order does not matter. */
void model_part_sort(struct model *m, enum model_part part)
{
    const char *items = *items_at(m, part);
    uint32_t n = *count_at(m, part);
    size_t size = layout[part].size;
    for (uint32_t i = 1; i < n; i++)
        if (compares[part](items + (i - 1) * size, items + i * size) > 0) {
            qsort(*items_at(m, part), n, size, compares[part]);
            return;
        }
}

uint32_t model_part_find(const struct model *m, enum model_part part, const void *item, bool *found)
{
    const char *items = model_part_items(m, part);
    size_t size = layout[part].size;
    uint32_t low = 0, high = model_part_count(m, part);
    *found = false;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int c = compares[part](items + mid * size, item);
        if (c < 0)
            low = mid + 1;
        else {
            high = mid;
            *found = *found || c == 0;
        }
    }
    return low;
}

static int endpoint_compare(const struct model_endpoint *a, const struct model_endpoint *b,
                            int region_a, int region_b)
{
    if (region_a != region_b)
        return region_a < region_b ? -1 : 1;
    if (region_a < 0 && strcmp(a->region, b->region) != 0) /* regions that do not exist */
        return strcmp(a->region, b->region);
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    return strcmp(a->address, b->address);
}

/* Insertion sort: a service has a handful of endpoints, nearly always in order already, and at most
 * MODEL_ENDPOINTS_PER_SERVICE_MAX; past that (refused later by validation) it is left alone. */
void model_endpoints_sort(const struct model *m, struct model_endpoint *e, uint32_t n)
{
    int index[MODEL_ENDPOINTS_PER_SERVICE_MAX];
    if (n > MODEL_ENDPOINTS_PER_SERVICE_MAX)
        return;
    for (uint32_t i = 0; i < n; i++) {
        struct model_endpoint x = e[i];
        int xi = i && x.region == e[i - 1].region ? index[i - 1] : model_region_index(m, x.region);
        uint32_t j = i;
        for (; j > 0 && endpoint_compare(&e[j - 1], &x, index[j - 1], xi) > 0; j--) {
            e[j] = e[j - 1];
            index[j] = index[j - 1];
        }
        e[j] = x;
        index[j] = xi;
    }
}

const char *model_intern(struct model_intern *in, struct arena *a, const char *text)
{
    size_t len = strlen(text);
    const char **slot = &in->slot[hash_bytes(text, len, 0) % MODEL_INTERN_SLOTS];
    if (!*slot || strcmp(*slot, text) != 0) {
        const char *copy = arena_dup(a, text, len + 1);
        if (!copy)
            return NULL;
        *slot = copy;
    }
    return *slot;
}

const struct model_thresholds model_thresholds_unset = {.degrade = MODEL_UNSET,
                                                        .fail = MODEL_UNSET,
                                                        .panic = MODEL_UNSET,
                                                        .min_capacity = MODEL_UNSET,
                                                        .ramp_ms = MODEL_UNSET,
                                                        .hold_ms = MODEL_UNSET,
                                                        .window_ms = MODEL_UNSET,
                                                        .min_regions = MODEL_UNSET,
                                                        .failback = MODEL_UNSET,
                                                        .max_move = MODEL_UNSET};

/* Values that the same text was read into are the same to the bit; if not, they are kept twice. */
const struct model_thresholds *model_intern_thresholds(struct model_intern *in, struct arena *a,
                                                       const struct model_thresholds *t)
{
    if (memcmp(t, &model_thresholds_unset, sizeof *t) == 0)
        return &model_thresholds_unset;
    const struct model_thresholds **slot =
        &in->thresholds[hash_bytes(t, sizeof *t, 0) % MODEL_INTERN_THRESHOLDS];
    if (!*slot || memcmp(*slot, t, sizeof *t) != 0) {
        struct model_thresholds *copy = ARENA_NEW(a, struct model_thresholds);
        if (!copy)
            return NULL;
        memcpy(copy, t, sizeof *copy);
        *slot = copy;
    }
    return *slot;
}
