/* model/build: the growing arrays of a model, for those who read one from JSON or tables.
 * Owns      the arrays belong to the model; what their items point to lies in its arena.
 * Lifetime  pointers into an array hold until it grows.
 * Threads   one builder, before the model is shared; another may fill an arena of its own.
 * Errors    NULL or false when out of memory; the model stays as it was. */
#pragma once

#include "model/model.h"

enum model_part {
    PART_SETTINGS,
    PART_ZONES,
    PART_REGIONS,
    PART_PROBES,
    PART_MAPS,
    PART_LATENCY,
    PART_SERVICES,
    PART_COUNT
};

size_t model_part_size(enum model_part part); /* of one item */
void *model_part_items(const struct model *m, enum model_part part);
uint32_t model_part_count(const struct model *m, enum model_part part);
/* Room for n items in all. */
bool model_part_reserve(struct model *m, enum model_part part, uint32_t n) WARN_UNUSED;
/* A zero-filled item at position at; those behind move up. */
void *model_part_insert(struct model *m, enum model_part part, uint32_t at);
void model_part_remove(struct model *m, enum model_part part, uint32_t at);
/* Takes items (malloc) as the new array; the old one is freed. */
void model_part_take(struct model *m, enum model_part part, void *items, uint32_t n);
/* One more arena that belongs to the model, for who fills a part of it in another thread; it is NULL out of
 * memory. */
struct arena *model_arena_more(struct model *m);
/* The first position whose item is not below the one given, by the part's order; *found says
 * whether it equals. Not for regions, whose order is their declaration. */
uint32_t model_part_find(const struct model *m, enum model_part part, const void *item,
                         bool *found);
/* The order of a part: setting key, names, place then region; regions by order. */
int model_part_compare(enum model_part part, const void *a, const void *b);
void model_part_sort(struct model *m, enum model_part part); /* stable */
/* The order of endpoints: region as declared, priority, address. */
void model_endpoints_sort(const struct model *m, struct model_endpoint *e, uint32_t n);

/* Strings that many items share (regions, policies) are kept once: a small cache in front of
 * arena_strdup. Zero-filled is a valid empty one; it must not outlive the arena. */
#define MODEL_INTERN_SLOTS 512
#define MODEL_INTERN_THRESHOLDS 64
struct model_intern {
    const char *slot[MODEL_INTERN_SLOTS];
    const struct model_thresholds *thresholds[MODEL_INTERN_THRESHOLDS];
};
const char *model_intern(struct model_intern *in, struct arena *a, const char *text);

extern const struct model_thresholds model_thresholds_unset;
/* The same for thresholds, which most services have in common; NULL when the arena failed. */
const struct model_thresholds *model_intern_thresholds(struct model_intern *in, struct arena *a,
                                                       const struct model_thresholds *t);
