/* probe_priv: what the files of the room share: the runner, one run of a probe, the drivers.
 * A run     is one probe under way. It begins, its driver works, it ends exactly once (by the
 *           driver, by its timer, or cancelled), its driver lets go of everything, and its memory
 *           goes when the last of its handles has closed:
 *
 *           begin -> [resolve] -> driver start -> probe__run_end -> driver stop -> result -> free
 *                         +--------- timeout, cancel ---^
 * Rule      driver functions are called from the loop, never from within a curl callback; after
 *           probe__run_end the driver touches nothing of the run. */
#pragma once

#include "base/arena.h"
#include "base/check.h"
#include "probe/runner.h"
#include <curl/curl.h>

struct probe_run;

struct probe_driver {
    size_t state_bytes;                   /* zero-filled room at run->state */
    bool needs_address;                   /* a host name is resolved before start */
    void (*start)(struct probe_run *run); /* may end the run at once */
    /* Closes handles, and fills in what timings it knows; called once for each started run. */
    void (*stop)(struct probe_run *run);
};

extern const struct probe_driver probe__http_driver, probe__tcp_driver, probe__dns_driver,
    probe__exec_driver, probe__combine_driver;

/* ---- targets: copies, kept while a run of them is under way ---- */

struct set_target {
    struct probe_target t;
    const char *key;
    uint64_t definition;     /* hash of what the probe says: a change cancels a run */
    uint32_t of_first, of_n; /* the probes that it is of, as targets */
};
struct probe_set {
    struct arena *arena;
    uint32_t refs, n;
    uint32_t all_n; /* with the probes that others are of, behind those of the schedule */
    struct set_target *target;
};
struct probe_set *probe__set_create(const struct probe_target *targets, uint32_t n);
void probe__set_unref(struct probe_set **set);

/* ---- one run ---- */

struct probe_run {
    struct probe_runner *runner;
    struct probe_run *next, **link; /* in runner->runs */
    struct probe_set *set;
    const struct probe_target *target;
    const struct probe_driver *driver;
    void *state;
    uint32_t target_at; /* in set */
    uint32_t index;     /* in the runner's targets; PROBE_NONE: outside the schedule */
    probe_result_fn once;
    void *once_ctx;
    struct ip ip; /* family 0 until resolved */
    uint16_t port;
    uv_timer_t timer; /* until started: begins a run outside the schedule; then the timeout */
    unsigned handles; /* open handles, each calls back once more */
    bool started;     /* the driver is at work */
    bool ended;
    bool tell_cancelled;                      /* at the end of its life: for `once` */
    struct probe_run *wait_next, **wait_link; /* in the list of a name being resolved */
    int64_t deadline_ms;
    uint64_t started_ns, stalled_ns; /* at start */
    struct probe_result result;
};

/* Of one target of the set, which it holds. Outside the schedule until index is set. */
enum err probe__run_create(struct probe_runner *r, struct probe_set *set, uint32_t set_index,
                           struct probe_run **out) WARN_UNUSED;
void probe__run_begin(struct probe_run *run);
void probe__run_resolved(struct probe_run *run, const struct ip *ip);
void probe__run_end(struct probe_run *run, bool ok, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The end of a run whose failure says nothing of its target: we lacked something. */
void probe__run_end_own(struct probe_run *run, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A failure with a libuv code: as "connection refused", or as our own trouble. */
void probe__run_end_uv(struct probe_run *run, const char *doing, int uv_error);
void probe__run_cancel(struct probe_run *run);
uint32_t probe__run_elapsed_us(const struct probe_run *run);
/* Every handle of a run: after a successful uv_*_init; closing is idempotent. */
void probe__run_handle_opened(struct probe_run *run, uv_handle_t *handle);
void probe__run_handle_close(struct probe_run *run, uv_handle_t *handle);

/* ---- the runner ---- */

struct resolver_name;
#define RESOLVER_BUCKETS 256
struct resolver {
    struct resolver_name *bucket[RESOLVER_BUCKETS];
};

struct probe_multi {
    CURLM *curl;
    uv_timer_t timer;
};

struct probe_runner {
    uv_loop_t *loop;
    struct probe_runner_config config;
    char *ca_file;
    struct rng rng;
    struct probe_schedule *schedule;
    struct probe_set *set;
    struct probe_run *runs;
    struct probe_multi multi;
    struct resolver resolver;
    uv_timer_t timer; /* the schedule's next due time */
    struct probe_soon {
        uv_poll_t poll;
        int fd;         /* -1: the timer above has to do */
        int64_t due_ms; /* INT64_MAX: not set */
        void (*due)(struct probe_runner *r);
    } soon;               /* what is asked for within a few milliseconds */
    uv_prepare_t prepare; /* measures how long the loop was busy at a stretch */
    uint64_t turn_ns, turn_idle_ns, stalled_ns;
    unsigned open; /* handles, runs, lookups, curl sockets: all that calls back once more */
    bool closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
    struct probe_stats stats;
};

void probe__runner_hold(struct probe_runner *r);
void probe__runner_release(struct probe_runner *r); /* the last one of a closing runner frees it */
void probe__runner_rearm(struct probe_runner *r);
/* How long the loop has been busy in stretches of more than PROBE_STALL_MS_MIN, ever. */
#define PROBE_STALL_MS_MIN 100
uint64_t probe__runner_stalled_ns(const struct probe_runner *r);

/* due is called when what was set is, if that is near. */
void probe__soon_open(struct probe_runner *r, void (*due)(struct probe_runner *r));
void probe__soon_set(struct probe_runner *r, int64_t due_ms, int64_t now_ms);
void probe__soon_close(struct probe_runner *r);

/* curl on the loop */
enum err probe__multi_open(struct probe_runner *r) WARN_UNUSED;
void probe__multi_close(struct probe_runner *r);
void probe__http_done(struct probe_run *run, CURLcode code);

/* names */
void probe__resolve(struct probe_run *run); /* calls probe__run_resolved or ends the run */
void probe__resolve_cancel(struct probe_run *run);
void probe__resolver_prune(struct probe_runner *r, int64_t now_ms);
void probe__resolver_close(struct probe_runner *r);

/* children inherit nothing but what they are given */
void probe__close_on_exec_all(void);

/* ---- text and patterns: pure ---- */

/* Copies as UTF-8 without control characters, whole characters only; what is neither becomes '?'.
 */
void probe__text_clean(char *out, size_t cap, const char *text, size_t len);
/* "200-399,404" */
bool probe__status_accepted(const char *list, long status);
/* C escapes: \r \n \t \0 \\ \" \xHH. Returns the length, or -1 with the place of what cannot be
 * read, or does not fit, in *bad. */
int probe__unescape(const char *text, uint8_t *out, size_t cap, const char **bad);

/* Finds a pattern in a stream fed in pieces (Knuth, Morris, Pratt: nothing is carried over). */
struct probe_match {
    uint8_t pattern[PROBE_PATTERN_BYTES_MAX];
    uint16_t border[PROBE_PATTERN_BYTES_MAX]; /* of pattern[0..i]: longest proper prefix = suffix */
    uint16_t len, at;
};
void probe__match_start(struct probe_match *m); /* after pattern and len are set */
bool probe__match_feed(struct probe_match *m, const void *bytes, size_t len);
