/* states: what regions, services and endpoints were when, folded from the log.
 * Shape     rows first (states_region or states_service, from the configuration), then what is so
 *           now (states_saved, states_override), then the events since `from` in whatever
 *           order (their ids say it), then states_fold, once. From then on each row has its spans.
 * Rule      before its first event a row was what that event says it was before; without an event it
 *           was what it is now. Before known_ms there is no log, and while the daemon stood nobody
 *           looked: neither is counted.
 * Owns      all it holds; texts are copied. Lifetime: create to destroy.
 * Threads   one.
 * Errors    out of memory: states_fold returns false. */
#pragma once

#include "model/model.h"
#include "store/store.h"

enum state { /* what a column of the strip shows of several is the last of them */
             STATE_UNKNOWN,
             STATE_STOPPED, /* the daemon did not run */
             STATE_UP,
             STATE_DRAINED,
             STATE_DEGRADED,
             STATE_OFF, /* by a person */
             STATE_DOWN,
             STATE_COUNT
};
const char *state_name(enum state s);

struct state_span { /* until the next one begins; the last one until the end */
    int64_t from_ms;
    enum state state;
    double avail;
    const char *rule, *cause; /* of the event that began it; "" none */
};
struct state_row {
    const char *service, *region, *endpoint; /* "" where it is all of them */
    struct state_span *span;
    size_t spans_n, spans_cap;
    uint32_t falls; /* to down, in the time shown */
    bool shown;     /* has a row of its own; what makes up one that has need not */
    int64_t down_ms, known_ms;
};

struct states;
/* until_ms is when it ends, now_ms what now is; known_ms the time of the oldest line in the log,
 * INT64_MAX when there is none. NULL: out of memory. */
struct states *states_create(int64_t from_ms, int64_t until_ms, int64_t known_ms);
void states_destroy(struct states **s);
/* A region and the services in it; a service, with its endpoints, in one region (NULL: in each). */
void states_region(struct states *s, const struct model *m, const char *region);
void states_service(struct states *s, const struct model *m, const struct model_service *service,
                    const char *region);
void states_saved(struct states *s, const struct store_state *row);
void states_override(struct states *s, const struct store_override *o);
void states_event(struct states *s, const struct store_event *e);
/* The daemon stood when the time shown began. */
void states_stood(struct states *s);
bool states_fold(struct states *s) WARN_UNUSED;

/* The row after that one, the first for NULL; NULL: no more. */
const struct state_row *states_next(const struct states *s, const struct state_row *row);
const int64_t *states_starts(const struct states *s, size_t *n); /* of the daemon, in that time */
