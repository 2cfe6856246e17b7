/* world: the whole signal flow on a virtual clock: snapshot, engine, board, a prober that does as it
 * is told, and the answer path. The wiring is src/signal, as in the daemon.
 * Owns      everything it makes; world_init to world_fini.
 * Units     milliseconds of the virtual clock.
 * Errors    world_fatal ends the program with the script's line: a scenario fails as a whole. */
#pragma once

#include "answer/answer.h"
#include "config/config.h"
#include "signal/capacity.h"
#include "signal/wiring.h"

#define WORLD_LOG_MAX (1u << 20)
#define WORLD_WATCH 2000u
#define WORLD_WINDOWS 16u

enum habit { HABIT_OK, HABIT_FAIL, HABIT_FLAKY };

struct target { /* one endpoint as the prober sees it */
    enum habit habit;
    double flaky;         /* share of probes that fail */
    uint32_t interval_ms; /* 0: not probed */
    int64_t due_ms;
    int64_t confirm_at_ms; /* INT64_MAX: none asked for */
    bool confirm;          /* that one counts for fall and rise only */
};

struct window { /* of maintenance */
    char region[64];
    struct health_maintenance m; /* id 0: none */
};

struct world {
    struct model *model; /* being edited */
    struct snapshot_cache *cache;
    struct snapshot *s;
    struct signal_config *config;
    struct health *h;
    struct signal_capacity *capacity;
    struct target *target; /* by endpoint, then by what regions depend on */
    uint32_t targets_n;
    struct window window[WORLD_WINDOWS]; /* by id - 1 */
    struct answer_worker worker;
    struct rng rng; /* of the prober */
    int64_t now_ms, wall_ms;
    bool isolated; /* the prober's own network is down: every probe fails */
    char *log;
    size_t log_n;
    uint64_t counted[ANSWER_OUTCOMES]; /* accounted for so far */
    uint32_t watch[WORLD_WATCH];       /* region of each client when last looked at */
};

extern const char *world_script;
extern unsigned world_line;
_Noreturn void world_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void world_init(struct world *w);
void world_fini(struct world *w);
/* The model as edited becomes the world: compiled, adopted, published. */
void world_publish(struct world *w);
void world_advance(struct world *w, int64_t ms);
void world_windows(struct world *w); /* looks at them, as the daemon does often */
/* One probe of an endpoint now. */
void world_probe(struct world *w, uint32_t endpoint, bool ok, bool confirm);
void world_settle(struct world *w); /* board, actions, events, as the daemon does */

/* Through the whole answer path, counted. subnet family 0: none. Returns the answer's length. */
size_t world_ask(struct world *w, const char *name, uint16_t type, struct ip source,
                 const struct ip_prefix *subnet, uint8_t out[4096]);
/* The region that answers the i-th of many client networks; UINT32_MAX for none. */
uint32_t world_region_for(struct world *w, const char *name, uint32_t client);
