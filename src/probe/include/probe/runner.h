/* probe/runner: runs the probes of many targets on a libuv loop and hands back what they saw.
 * Owns      copies of the targets and of all they refer to, so that set_targets may be called
 *           with a model that is freed right after; its timers, sockets, child processes.
 * Lifetime  create to the `closed` callback of close, on a loop that runs until then.
 * Threads   the loop's only (the control thread). Host names are resolved in libuv's pool.
 * Callbacks come from the loop, never from within create, set_targets, soon, once or close;
 *           they may call any function here.
 * Process   exec probes need SIGCHLD: some thread must not block it. SIGPIPE must be ignored.
 *           UV_METRICS_IDLE_TIME is switched on for the loop: it tells how long the loop itself
 *           was busy. Every open file above 2 is made close-on-exec by create.
 * Errors    a target that cannot be probed is a failed probe with a sentence, never an error.
 * Late      a result counts for nothing when the prober itself was in trouble: the probe began
 *           late, the loop was stuck for more than PROBE_STALL_MS_MAX during it, a timeout came
 *           after the loop was stuck for a fifth of it, or we lacked a socket or memory.
 * Limits    PROBE_BODY_BYTES_MAX of a body or stream are looked at, PROBE_OUTPUT_BYTES_MAX of a
 *           program's output are taken; `concurrency` probes at once.
 * Types     docs/probes.md says what each type does; one driver file each in src/probe. */
#pragma once

#include "base/addr.h"
#include "base/err.h"
#include "model/model.h"
#include "probe/schedule.h"
#include <uv.h>

#define PROBE_TEXT_MAX 160
#define PROBE_STALL_MS_MAX 1000
#define PROBE_BODY_BYTES_MAX (64u * 1024)
#define PROBE_OUTPUT_BYTES_MAX (64u * 1024)
#define PROBE_REDIRECTS_MAX 3
#define PROBE_PATTERN_BYTES_MAX 1024 /* body, expect, send: after escapes */

struct probe_target {
    const struct model_probe *probe;
    const struct model *model; /* where the probes are that a probe is of; NULL where none is */
    const char *service;       /* name without the last dot */
    const char *region;
    const char *address; /* text of ip, or a host name */
    struct ip ip;        /* family 0: address is a host name, resolved once an interval */
};

struct probe_result {
    uint32_t target; /* index in the targets now set; PROBE_NONE from probe_runner_once */
    bool ok;
    bool confirm;               /* as asked for with probe_runner_soon */
    bool late;                  /* counts for nothing */
    int64_t started_ms, now_ms; /* monotonic: base/clock.h */
    int64_t wall_ms;            /* at the end */
    uint32_t latency_us;        /* start to end; what a person would call the response time */
    /* Since start, 0 where it does not apply or was not reached. */
    uint32_t connect_us, tls_us, first_byte_us;
    struct hostport peer;      /* what was probed; family 0 if a host name was not resolved */
    uint32_t status;           /* http status, dns rcode or exit status; 0 */
    char text[PROBE_TEXT_MAX]; /* UTF-8, one line: "200 in 12 ms", "timeout after 2000 ms" */
};

typedef void (*probe_result_fn)(void *ctx, const struct probe_result *r);

struct probe_runner_config {
    uint32_t concurrency; /* setting probe-concurrency */
    uint64_t seed;        /* of jitter: differs per process */
    const char *ca_file;  /* PEM bundle for https; NULL: the system's */
    probe_result_fn result;
    void *ctx;
};

struct probe_stats {
    uint32_t targets, running;
    uint64_t started, ok, failed;
    uint64_t cancelled; /* their target went away or changed, or the runner closed */
    uint64_t late;      /* results that count for nothing */
    uint64_t overdue;   /* turns skipped since the last probe was still under way */
    uint64_t extra;     /* confirmations and witnesses */
    uint64_t stalls;    /* times the loop was busy for more than 100 ms at a stretch */
};

struct probe_runner;

enum err probe_runner_create(uv_loop_t *loop, const struct probe_runner_config *config,
                             struct probe_runner **out) WARN_UNUSED;
/* Makes these the targets. Who was there before (same service, region, address and probe name)
 * keeps phase and running probe; if its probe's definition changed the running one is dropped and
 * it is probed anew soon. Probes of who is gone are cancelled, and nothing is heard of them. On
 * error the old targets stay. */
enum err probe_runner_set_targets(struct probe_runner *r, const struct probe_target *targets,
                                  uint32_t n) WARN_UNUSED;
/* From the next set_targets on. */
void probe_runner_set_concurrency(struct probe_runner *r, uint32_t concurrency);
/* One extra probe of target at at_ms (monotonic) or as soon after as it can. */
void probe_runner_soon(struct probe_runner *r, uint32_t target, int64_t at_ms, bool confirm);
/* One probe now, outside schedule and bound. The callback is called exactly once, with the text
 * "cancelled" if the runner is closed before. */
enum err probe_runner_once(struct probe_runner *r, const struct probe_target *target,
                           probe_result_fn fn, void *ctx) WARN_UNUSED;
void probe_runner_stats(const struct probe_runner *r, struct probe_stats *out);
/* Cancels everything, kills what runs, closes all handles, then calls closed (may be NULL) and
 * frees the runner. A name lookup under way in the system's resolver is waited for. */
void probe_runner_close(struct probe_runner **r, void (*closed)(void *ctx), void *ctx);

/* The port a probe uses: its own or its type's; 0 for tcp and exec without one. */
uint16_t probe_port(const struct model_probe *probe);
