/* crowd/world: a snapshot as if: the same tables with a board of one's own.
 * Owns      its board; holds the snapshot. Lifetime: until crowd_world_fini.
 * Threads   made and used by any one thread. The snapshot's board is read as workers read it; nobody
 *           serves from a world.
 * Errors    false when out of memory. */
#pragma once

#include "snapshot/tables.h"

struct crowd_world {
    struct snapshot as_if; /* to be asked; not to be referenced or kept */
    struct snapshot *of;
    _Atomic uint32_t *words;
};

bool crowd_world_init(struct crowd_world *w, struct snapshot *s) WARN_UNUSED;
/* Zero-filled is accepted. */
void crowd_world_fini(struct crowd_world *w);
/* What another world's board says of the endpoints, sites and regions of the same names. What is new is as
 * it was. */
bool crowd_world_adopt(struct crowd_world *w, const struct crowd_world *from) WARN_UNUSED;
/* The region's own availability; whoever had set it is overruled. */
void crowd_world_set_region(struct crowd_world *w, uint32_t region, double avail);
