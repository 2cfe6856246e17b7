/* snapshot/publish: one pointer is one world.
 * Use       a worker enters before a batch and leaves after it; between the two it sees one snapshot. The
 *           control thread publishes a new one and reaps those that no worker can still see.
 * Threads   enter/leave: worker w only, each with its own slot. publish, reap: the control thread.
 * How       hazard pointers (Michael 2004): the worker announces what it is about to read and looks
 *           again; the reaper frees what nobody announces. No lock; a worker never waits. */
#pragma once

#include "snapshot/snapshot.h"

struct snapshot_hub;

struct snapshot_hub *snapshot_hub_create(unsigned workers);
void snapshot_hub_destroy(struct snapshot_hub **h); /* no worker runs any more */
/* Takes the reference of *s. The one before is retired. */
void snapshot_hub_publish(struct snapshot_hub *h, struct snapshot **s);
struct snapshot *snapshot_hub_current(const struct snapshot_hub *h); /* control thread; borrowed */
const struct snapshot *snapshot_hub_enter(struct snapshot_hub *h,
                                          unsigned worker); /* NULL: none yet */
void snapshot_hub_leave(struct snapshot_hub *h, unsigned worker);
/* Frees retired snapshots; before each, gone(ctx, s), to fold its tallies. Returns how many are left. */
unsigned snapshot_hub_reap(struct snapshot_hub *h, void (*gone)(void *ctx, struct snapshot *s),
                           void *ctx);
