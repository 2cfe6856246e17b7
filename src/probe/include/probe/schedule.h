/* probe/schedule: which target is to be probed when. Pure: time and randomness are passed in.
 * Grid      a target's regular probes are due at phase + k * interval, the phase being a hash of
 *           its key over the interval, each moved by a jitter of at most PROBE_JITTER_PERCENT of
 *           the interval to either side. So targets are never bunched, a target keeps its phase
 *           over every reconfiguration, and at start all are probed within their first interval.
 * Bound     at most `concurrency` probes are under way. Who is due beyond that waits in the order
 *           of due times (nobody starves: a target just taken is due after all who wait) and is
 *           late if it starts more than PROBE_LATE_MS_MAX, or half of its interval, whichever is
 *           less, after it was due.
 * Overdue   a target still under way when it is due again is skipped and counted, as is every
 *           turn that passed while it waited: nothing piles up.
 * Extra     probe_schedule_soon asks for one probe outside the grid, which stays as it is.
 * Owns      its memory, one arena, made by create; nothing is allocated afterwards.
 * Threads   one.
 * Units     milliseconds of one monotonic clock.
 * Cost      O(log n) for each probe taken, asked for or due. */
#pragma once

#include "base/err.h"
#include "base/random.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_NONE UINT32_MAX
#define PROBE_JITTER_PERCENT 5
#define PROBE_LATE_MS_MAX 1000
#define PROBE_TARGETS_MAX 1000000u

struct probe_schedule_target {
    const char *key;     /* unique; copied */
    int64_t interval_ms; /* at least 1 */
};

struct probe_schedule_due {
    uint32_t target;
    int64_t due_ms;
    bool confirm; /* as it was asked for with probe_schedule_soon; false for regular probes */
    bool late;    /* waited for the bound too long, or was asked for too late */
};

struct probe_schedule_counters { /* taken over by reconfiguration */
    uint64_t taken;              /* probes given out */
    uint64_t extra;              /* of those, asked for with probe_schedule_soon */
    uint64_t late;               /* of those, started late */
    uint64_t overdue;            /* regular turns skipped */
};

struct probe_schedule;

/* concurrency 0 is taken for 1. With old, targets whose key and interval are the same keep their
 * next due time, those whose key is the same stay under way if they are, with the extra probe they
 * wait for; the counters go on. old stays valid and unchanged. Errors: ERR_NOMEM, ERR_LIMIT past
 * PROBE_TARGETS_MAX. */
enum err probe_schedule_create(const struct probe_schedule_target *targets, uint32_t n,
                               uint32_t concurrency, int64_t now_ms, struct rng *rng,
                               const struct probe_schedule *old,
                               struct probe_schedule **out) WARN_UNUSED;
void probe_schedule_destroy(struct probe_schedule **s);

/* When to call take next; INT64_MAX: not before a probe_schedule_done, or never. */
int64_t probe_schedule_due(const struct probe_schedule *s);
/* Up to cap targets that are due and fit under the bound, in the order of due times; they are under
 * way until probe_schedule_done. */
size_t probe_schedule_take(struct probe_schedule *s, int64_t now_ms, struct rng *rng,
                           struct probe_schedule_due *out, size_t cap);
/* The probe of target has ended. */
void probe_schedule_done(struct probe_schedule *s, uint32_t target, int64_t now_ms);
/* One extra probe at at_ms; if the target is under way then, as soon as that has ended. Asking
 * again before it has begun keeps the earlier time, and confirm only if both say so: a probe that
 * counts for everything serves both. */
void probe_schedule_soon(struct probe_schedule *s, uint32_t target, int64_t at_ms, bool confirm);

uint32_t probe_schedule_targets(const struct probe_schedule *s);
uint32_t probe_schedule_running(const struct probe_schedule *s);
/* PROBE_NONE when there is no such target. */
uint32_t probe_schedule_find(const struct probe_schedule *s, const char *key);
void probe_schedule_counters(const struct probe_schedule *s, struct probe_schedule_counters *out);
