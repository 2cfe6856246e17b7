/* crowd/compare: what would change: one crowd asked about two worlds.
 * Moved     a client that is answered another region. Where a random number decides (`weighted`) a client
 *           moves with every answer anyway: there it is what has to move at least, the difference of the
 *           shares in each class.
 * Class     clients with the same order of regions before the change, whatever service's view says so:
 *           "eu > us = ap".
 * Latency   as the policy `latency` sees it: measured, else estimated from distance, over the clients for
 *           which it is known before and after.
 * Load      what regions report, in the unit of their capacity. A region that loses a part of its share
 *           loses that part of its load; those that gain get what was lost, by what their shares gain.
 * Owns      its classes, until crowd_outcome_fini; names are the two snapshots'.
 * Threads   any one.
 * Errors    false when out of memory.
 * Limits    CROWD_CLASSES_MAX classes are told apart, the others are one. */
#pragma once

#include "crowd/spread.h"

#include <jansson.h>

#define CROWD_REGIONS_MAX (2 * MODEL_REGIONS_MAX) /* of both worlds */
#define CROWD_CLASSES_MAX 512u
#define CROWD_CLASSES_SHOWN 20u

struct crowd_question {
    const struct snapshot *before, *after; /* crowd/world.h; may be the same */
    const struct crowd *crowd;
    uint32_t service; /* of before, or CROWD_ANY */
    uint32_t points;
};

struct crowd_shift {   /* of all clients, or of a class; weights are shares of all */
    const char *order; /* NULL: of all, or of the classes past the limit */
    double weight;
    double moved;
    double before[CROWD_REGIONS_MAX + 1], after[CROWD_REGIONS_MAX + 1]; /* last: no answer */
    double known, ms_before, ms_after; /* weight, and sums by weight, where latency is known */
    /* Where a random number decided. */
    double drawn_moved, drawn_before[CROWD_REGIONS_MAX + 1], drawn_after[CROWD_REGIONS_MAX + 1];
};

struct crowd_outcome {
    uint32_t regions_n;
    const char *region[CROWD_REGIONS_MAX]; /* those of before, then new ones */
    int64_t capacity[CROWD_REGIONS_MAX];   /* after; 0: none */
    struct crowd_shift all;
    struct crowd_shift *class; /* heaviest first; the last one may be all others */
    uint32_t classes_n;
    struct crowd_asked asked;
    uint32_t ttl_s; /* the longest that a client which moves may hold on to its answer */
};

bool crowd_compare(const struct crowd_question *q, struct crowd_outcome *out) WARN_UNUSED;
void crowd_outcome_fini(struct crowd_outcome *o);

/* What it says about itself (docs/control.md, op what-if); new reference. load: reported, by region of
 * before, negative where it is not known; NULL: of none. seen: recent answers, too few or not. */
json_t *crowd_outcome_json(const struct crowd_outcome *o, const struct crowd_question *q,
                           const double *load, uint32_t seen);
