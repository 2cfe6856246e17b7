/* runner: brings schedule, targets and runs together on a loop. */
#include "probe_priv.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define STARTS_PER_TURN_MAX 32 /* then the loop gets to look at its sockets */

void probe__runner_hold(struct probe_runner *r)
{
    r->open++;
}

void probe__runner_release(struct probe_runner *r)
{
    CHECK(r->open > 0);
    if (--r->open > 0)
        return;
    CHECK(r->closing && !r->runs);
    void (*closed)(void *) = r->closed;
    void *ctx = r->closed_ctx;
    probe_schedule_destroy(&r->schedule);
    probe__set_unref(&r->set);
    free(r->ca_file);
    free(r);
    curl_global_cleanup();
    if (closed)
        closed(ctx);
}

/* ---- how busy the loop is ---- */

static uint64_t busy_ns(const struct probe_runner *r)
{
    uint64_t elapsed = uv_hrtime() - r->turn_ns;
    uint64_t idle = uv_metrics_idle_time(r->loop) - r->turn_idle_ns;
    uint64_t busy = elapsed > idle ? elapsed - idle : 0;
    return busy / 1000000 > PROBE_STALL_MS_MIN ? busy : 0;
}

uint64_t probe__runner_stalled_ns(const struct probe_runner *r)
{
    return r->stalled_ns + busy_ns(r);
}

/* Once a turn: what was not spent waiting since the last time was spent in callbacks. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct probe_runner *r = prepare->data;
    uint64_t busy = busy_ns(r);
    r->stalled_ns += busy;
    r->stats.stalls += busy > 0;
    r->turn_ns = uv_hrtime();
    r->turn_idle_ns = uv_metrics_idle_time(r->loop);
}

/* ---- the schedule ---- */

static void start_due(struct probe_runner *r, const struct probe_schedule_due *due)
{
    struct probe_run *run;
    if (probe__run_create(r, r->set, due->target, &run) != ERR_OK) {
        probe_schedule_done(r->schedule, due->target, clock_mono_ms());
        r->stats.late++; /* no memory: this turn is lost, and counted */
        return;
    }
    run->index = due->target;
    run->result.confirm = due->confirm;
    run->result.late = due->late;
    probe__run_begin(run);
}

static void start_all_due(struct probe_runner *r)
{
    struct probe_schedule_due due;
    for (int i = 0; i < STARTS_PER_TURN_MAX; i++) {
        /* A result may come at once, and its receiver may change the targets or close. */
        if (r->closing || probe_schedule_take(r->schedule, clock_mono_ms(), &r->rng, &due, 1) == 0)
            break;
        start_due(r, &due);
    }
    if (!r->closing)
        probe__runner_rearm(r);
}

static void on_due(uv_timer_t *timer)
{
    start_all_due(timer->data);
}

void probe__runner_rearm(struct probe_runner *r)
{
    int64_t due_ms = probe_schedule_due(r->schedule);
    if (due_ms == INT64_MAX) {
        uv_timer_stop(&r->timer);
        return;
    }
    int64_t wait_ms = due_ms - clock_mono_ms();
    uv_update_time(r->loop);
    uv_timer_start(&r->timer, on_due, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

/* ---- create ---- */

static enum err open_handles(struct probe_runner *r)
{
    uv_timer_init(r->loop, &r->timer);
    uv_prepare_init(r->loop, &r->prepare);
    r->timer.data = r->prepare.data = r;
    r->open += 2;
    if (uv_loop_configure(r->loop, UV_METRICS_IDLE_TIME) != 0)
        return ERR_INVALID;
    r->turn_ns = uv_hrtime();
    r->turn_idle_ns = uv_metrics_idle_time(r->loop);
    uv_prepare_start(&r->prepare, on_prepare);
    uv_unref((uv_handle_t *)&r->prepare);
    probe__soon_open(r, start_all_due);
    return probe__multi_open(r);
}

enum err probe_runner_create(uv_loop_t *loop, const struct probe_runner_config *config,
                             struct probe_runner **out)
{
    struct probe_runner *r = calloc(1, sizeof *r);
    if (!r)
        return ERR_NOMEM;
    r->loop = loop;
    r->soon.fd = -1;
    r->config = *config;
    rng_seed(&r->rng, config->seed);
    enum err e = probe_schedule_create(NULL, 0, config->concurrency, clock_mono_ms(), &r->rng, NULL,
                                       &r->schedule);
    r->set = probe__set_create(NULL, 0);
    r->ca_file = config->ca_file ? strdup(config->ca_file) : NULL;
    if (e != ERR_OK || !r->set || (config->ca_file && !r->ca_file) ||
        curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        probe_schedule_destroy(&r->schedule);
        probe__set_unref(&r->set);
        free(r->ca_file);
        free(r);
        return ERR_NOMEM;
    }
    e = open_handles(r);
    if (e != ERR_OK) {
        probe_runner_close(&r, NULL, NULL);
        return e;
    }
    probe__close_on_exec_all();
    *out = r;
    return ERR_OK;
}

/* ---- targets ---- */

static enum err build_schedule(struct probe_runner *r, const struct probe_set *set,
                               struct probe_schedule **out)
{
    struct probe_schedule_target *t = calloc(set->n + 1, sizeof *t);
    if (!t)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < set->n; i++)
        t[i] = (struct probe_schedule_target){.key = set->target[i].key,
                                              .interval_ms = set->target[i].t.probe->interval_ms};
    enum err e = probe_schedule_create(t, set->n, r->config.concurrency, clock_mono_ms(), &r->rng,
                                       r->schedule, out);
    free(t);
    return e;
}

/* What becomes of a scheduled run when its target is looked up in the new set. */
static void carry_over(struct probe_runner *r, struct probe_run *run)
{
    const struct set_target *was = &run->set->target[run->target_at];
    uint32_t now_at = probe_schedule_find(r->schedule, was->key);
    if (now_at == PROBE_NONE)
        probe__run_cancel(run);
    else if (r->set->target[now_at].definition != was->definition) {
        int64_t now_ms = clock_mono_ms();
        probe__run_cancel(run);
        probe_schedule_done(r->schedule, now_at, now_ms);
        probe_schedule_soon(r->schedule, now_at, now_ms, false);
    } else
        run->index = now_at;
}

enum err probe_runner_set_targets(struct probe_runner *r, const struct probe_target *targets,
                                  uint32_t n)
{
    CHECK(!r->closing);
    struct probe_set *set = n <= PROBE_TARGETS_MAX ? probe__set_create(targets, n) : NULL;
    if (!set)
        return n <= PROBE_TARGETS_MAX ? ERR_NOMEM : ERR_LIMIT;
    struct probe_schedule *schedule;
    enum err e = build_schedule(r, set, &schedule);
    if (e != ERR_OK) {
        probe__set_unref(&set);
        return e;
    }
    probe_schedule_destroy(&r->schedule);
    probe__set_unref(&r->set);
    r->schedule = schedule;
    r->set = set;
    for (struct probe_run *run = r->runs, *next; run; run = next) {
        next = run->next;
        if (!run->once && !run->ended) /* one that is of others takes those with it */
            carry_over(r, run);
    }
    probe__resolver_prune(r, clock_mono_ms());
    probe__runner_rearm(r);
    return ERR_OK;
}

void probe_runner_set_concurrency(struct probe_runner *r, uint32_t concurrency)
{
    r->config.concurrency = concurrency;
}

void probe_runner_soon(struct probe_runner *r, uint32_t target, int64_t at_ms, bool confirm)
{
    if (r->closing || target >= r->set->n)
        return;
    int64_t now_ms = clock_mono_ms();
    probe_schedule_soon(r->schedule, target, at_ms > now_ms ? at_ms : now_ms, confirm);
    probe__soon_set(r, at_ms, now_ms);
    probe__runner_rearm(r);
}

/* ---- one outside the schedule ---- */

static void on_begin(uv_timer_t *timer)
{
    probe__run_begin(timer->data);
}

enum err probe_runner_once(struct probe_runner *r, const struct probe_target *target,
                           probe_result_fn fn, void *ctx)
{
    CHECK(!r->closing);
    struct probe_set *set = probe__set_create(target, 1);
    if (!set)
        return ERR_NOMEM;
    struct probe_run *run;
    enum err e = probe__run_create(r, set, 0, &run);
    probe__set_unref(&set);
    if (e != ERR_OK)
        return e;
    run->once = fn;
    run->once_ctx = ctx;
    uv_timer_start(&run->timer, on_begin, 0, 0);
    return ERR_OK;
}

/* ---- stats and end ---- */

void probe_runner_stats(const struct probe_runner *r, struct probe_stats *out)
{
    struct probe_schedule_counters c;
    probe_schedule_counters(r->schedule, &c);
    *out = r->stats;
    out->targets = r->set->n;
    out->running = 0;
    for (const struct probe_run *run = r->runs; run; run = run->next)
        out->running++;
    out->overdue = c.overdue;
    out->extra = c.extra;
}

static void on_prepare_closed(uv_handle_t *handle)
{
    probe__runner_release(handle->data);
}

/* In a turn of its own: close may have been called from a result that curl's messages led to. */
static void on_timer_closed(uv_handle_t *handle)
{
    struct probe_runner *r = handle->data;
    probe__multi_close(r);
    probe__runner_release(r);
}

void probe_runner_close(struct probe_runner **runner, void (*closed)(void *ctx), void *ctx)
{
    struct probe_runner *r = *runner;
    *runner = NULL;
    if (!r)
        return;
    r->closing = true;
    r->closed = closed;
    r->closed_ctx = ctx;
    while (r->runs)
        probe__run_cancel(r->runs);
    probe__resolver_close(r);
    probe__soon_close(r);
    uv_close((uv_handle_t *)&r->prepare, on_prepare_closed);
    uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}
