/* crowd/whatif: the question as it is put: regions at other availabilities, another configuration.
 * Used by   the daemon and the command without one: the same answer from both.
 * Owns      nothing; snapshots, crowd and JSON are borrowed.
 * Threads   any one that may take some hundred milliseconds: not a worker, not the control thread.
 * Errors    one sentence in diag: a region or a service that is not there, an availability that is none,
 *           memory. */
#pragma once

#include "crowd/compare.h"

struct crowd_what_if {
    struct snapshot *before, *after; /* after NULL: the same configuration */
    const char *service;             /* NULL: all */
    const json_t *regions;           /* {"eu": 0.4}; NULL */
    const struct crowd *answers;     /* recent ones; NULL: by networks */
    uint32_t seen;                   /* recent answers, too few or not */
    const double *load; /* reported, by region of before; negative: none; NULL: of none */
};

/* As crowd_outcome_json says it, with "revision"; a new reference. */
enum err crowd_what_if(const struct crowd_what_if *w, json_t **out, struct diag *diag) WARN_UNUSED;
