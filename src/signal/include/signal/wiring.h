/* signal/wiring: how a snapshot and a failover engine fit together: the engine's configuration from
 * the snapshot, the engine's words onto the board. The daemon and the scenarios use the same.
 * Numbering the snapshot's: endpoints, board sites, services, regions (snapshot/tables.h); after them
 *           what regions depend on, which the board knows nothing of.
 * Owns      a signal_config holds the engine's configuration; its texts are the snapshot's model's.
 * Lifetime  config: as long as the engine made from it, and the snapshot as long as both.
 * Threads   the control thread.
 * Errors    NULL when out of memory. */
#pragma once

#include "health/engine.h"
#include "snapshot/tables.h"

struct signal_config;

struct signal_config *signal_config_create(const struct snapshot *s);
void signal_config_destroy(struct signal_config **c); /* NULL left behind; NULL accepted */
const struct health_config *signal_config_engine(const struct signal_config *c);
uint32_t signal_config_probed_n(const struct signal_config *c); /* endpoints that have a probe */

/* What regions depend on, as endpoints of the engine after those of the snapshot. */
struct signal_dependency {
    uint32_t slot; /* in the engine */
    uint32_t
        first; /* the slot that is probed for all regions that share it: this or an earlier one */
    uint32_t region;
    const struct model_probe *probe;
    const char *address; /* its target, or those of the probes that it is of */
};
const struct signal_dependency *signal_dependencies(const struct signal_config *c, uint32_t *n);

/* The probe of an endpoint: its own, else its service's, else NULL. */
const struct model_probe *signal_probe_of(const struct model *m, const struct model_service *svc,
                                          const struct model_endpoint *e);

/* The words that changed since the last call; of an engine and a snapshot that are both new those that
 * differ from what both begin with, all at 1. True when an availability was among them. */
bool signal_board_follow(struct health *h, const struct snapshot *s);
