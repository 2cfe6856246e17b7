/* model_priv: what a struct model carries that its readers need not see.
 * Memory    the item arrays are malloc'ed and belong to one model; what they point to lies in
 *           arenas that models share by reference count (struct mem). */
#pragma once

#include "model/build.h"

#include <stdatomic.h>

struct mem {
    struct arena *arena;
    atomic_uint refs;
};

#define MODEL_MEMS_MAX 1024 /* arenas that a model may lean on before a clone copies */

struct held {
    struct model m; /* first, so that a model is its held */
    atomic_uint refs;
    uint32_t room[PART_COUNT];
    struct model *under; /* model_over: every array but the settings' is this one's; NULL */
    struct mem *mems[MODEL_MEMS_MAX]; /* the own one first */
    unsigned mems_n;
    bool valid;           /* as model_validate found it; not inherited */
    size_t compact_bytes; /* of all arenas after the last deep copy */
};

static inline struct held *model__held(struct model *m)
{
    return (struct held *)(void *)m;
}

/* NULL only when the arena failed. */
const struct policy *model__policy(struct arena *a, const struct policy *p);

/* Copies what the items of m (arrays copied already) point to into m->arena. */
bool model__deepen(struct model *m);

/* Parses the settings into m->defaults. */
void model__defaults_fill(struct model *m);
