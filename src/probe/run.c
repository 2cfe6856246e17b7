/* run: the life of one probe, whatever its type. */
#include "probe_priv.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct probe_driver *driver_of(enum model_probe_type type)
{
    switch (type) {
    case PROBE_HTTP:
    case PROBE_HTTPS:
        return &probe__http_driver;
    case PROBE_TCP:
        return &probe__tcp_driver;
    case PROBE_DNS:
        return &probe__dns_driver;
    case PROBE_EXEC:
        return &probe__exec_driver;
    case PROBE_ALL:
    case PROBE_ANY:
    case PROBE_QUORUM:
        return &probe__combine_driver;
    }
    check_failed("probe type", __FILE__, __LINE__);
}

uint16_t probe_port(const struct model_probe *probe)
{
    if (probe->port > 0)
        return (uint16_t)probe->port;
    switch (probe->type) {
    case PROBE_HTTP:
        return 80;
    case PROBE_HTTPS:
        return 443;
    case PROBE_DNS:
        return 53;
    case PROBE_TCP:
    case PROBE_EXEC:
    case PROBE_ALL:
    case PROBE_ANY:
    case PROBE_QUORUM:
        break;
    }
    return 0;
}

/* ---- handles and memory ---- */

static void run_free(struct probe_run *run)
{
    struct probe_runner *r = run->runner;
    if (run->tell_cancelled)
        run->once(run->once_ctx, &run->result);
    probe__set_unref(&run->set);
    free(run->state);
    free(run);
    probe__runner_release(r);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct probe_run *run = handle->data;
    if (--run->handles == 0)
        run_free(run);
}

void probe__run_handle_opened(struct probe_run *run, uv_handle_t *handle)
{
    handle->data = run;
    run->handles++;
}

void probe__run_handle_close(struct probe_run *run, uv_handle_t *handle)
{
    if (handle->data == run && !uv_is_closing(handle))
        uv_close(handle, on_handle_closed);
}

enum err probe__run_create(struct probe_runner *r, struct probe_set *set, uint32_t set_index,
                           struct probe_run **out)
{
    const struct probe_target *t = &set->target[set_index].t;
    const struct probe_driver *driver = driver_of(t->probe->type);
    struct probe_run *run = calloc(1, sizeof *run);
    void *state = calloc(1, driver->state_bytes);
    if (!run || !state || uv_timer_init(r->loop, &run->timer) != 0) {
        free(run);
        free(state);
        return ERR_NOMEM;
    }
    run->runner = r;
    run->set = set;
    set->refs++;
    run->target = t;
    run->target_at = set_index;
    run->driver = driver;
    run->state = state;
    run->index = PROBE_NONE;
    run->ip = t->ip;
    run->port = probe_port(t->probe);
    run->result.target = PROBE_NONE;
    probe__run_handle_opened(run, (uv_handle_t *)&run->timer);
    probe__runner_hold(r);
    run->next = r->runs;
    run->link = &r->runs;
    if (run->next)
        run->next->link = &run->next;
    r->runs = run;
    *out = run;
    return ERR_OK;
}

/* ---- begin ---- */

static void on_timeout(uv_timer_t *timer)
{
    struct probe_run *run = timer->data;
    int64_t left = run->deadline_ms - clock_mono_ms();
    if (left > 0) { /* the loop's idea of now was behind when the timer was set */
        uv_update_time(run->runner->loop);
        uv_timer_start(timer, on_timeout, (uint64_t)left, 0);
        return;
    }
    int64_t fifth_ms = run->target->probe->timeout_ms / 5;
    uint64_t stalled_ns = probe__runner_stalled_ns(run->runner) - run->stalled_ns;
    if (-left > fifth_ms || stalled_ns / 1000000 > (uint64_t)fifth_ms)
        run->result.late = true; /* the answer may have lain there, unread */
    probe__run_end(run, false, "timeout after %lld ms%s", (long long)run->target->probe->timeout_ms,
                   run->wait_link ? " (resolving the host name)" : "");
}

void probe__run_begin(struct probe_run *run)
{
    struct probe_runner *r = run->runner;
    int64_t timeout_ms = run->target->probe->timeout_ms;
    run->started_ns = uv_hrtime();
    run->stalled_ns = probe__runner_stalled_ns(r);
    run->result.started_ms = clock_mono_ms();
    run->deadline_ms = run->result.started_ms + timeout_ms + 1; /* both are cut to whole ms */
    r->stats.started++;
    uv_update_time(r->loop);
    uv_timer_start(&run->timer, on_timeout, (uint64_t)timeout_ms + 1, 0);
    if (run->ip.family == 0 && run->driver->needs_address)
        probe__resolve(run);
    else
        probe__run_resolved(run, &run->ip);
}

void probe__run_resolved(struct probe_run *run, const struct ip *ip)
{
    run->ip = *ip;
    run->result.peer = (struct hostport){.ip = *ip, .port = run->port};
    run->started = true;
    run->driver->start(run);
}

/* ---- end ---- */

uint32_t probe__run_elapsed_us(const struct probe_run *run)
{
    uint64_t us = (uv_hrtime() - run->started_ns) / 1000;
    return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

/* Takes the run out of everything; only its closing handles keep it alive. */
static void detach(struct probe_run *run)
{
    run->ended = true;
    if (run->wait_link)
        probe__resolve_cancel(run);
    if (run->started)
        run->driver->stop(run);
    *run->link = run->next;
    if (run->next)
        run->next->link = run->link;
    probe__run_handle_close(run, (uv_handle_t *)&run->timer);
}

static void deliver(struct probe_run *run)
{
    struct probe_runner *r = run->runner;
    struct probe_result *res = &run->result;
    uint64_t stalled_ns = probe__runner_stalled_ns(r) - run->stalled_ns;
    if (stalled_ns / 1000000 > PROBE_STALL_MS_MAX)
        res->late = true;
    res->target = run->index;
    r->stats.ok += res->ok;
    r->stats.failed += !res->ok;
    r->stats.late += res->late;
    if (run->once) {
        run->once(run->once_ctx, res);
        return;
    }
    probe_schedule_done(r->schedule, run->index, res->now_ms);
    if (r->config.result)
        r->config.result(r->config.ctx, res);
    if (!r->closing)
        probe__runner_rearm(r);
}

static void end(struct probe_run *run, bool ok, const char *fmt, va_list ap)
{
    CHECK(!run->ended);
    char text[4 * PROBE_TEXT_MAX];
    run->result.ok = ok;
    run->result.latency_us = probe__run_elapsed_us(run);
    run->result.now_ms = clock_mono_ms();
    run->result.wall_ms = clock_wall_ms();
    vsnprintf(text, sizeof text, fmt, ap);
    probe__text_clean(run->result.text, sizeof run->result.text, text, strlen(text));
    detach(run);
    deliver(run);
}

void probe__run_end(struct probe_run *run, bool ok, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    end(run, ok, fmt, ap);
    va_end(ap);
}

void probe__run_end_own(struct probe_run *run, const char *fmt, ...)
{
    va_list ap;
    run->result.late = true;
    va_start(ap, fmt);
    end(run, false, fmt, ap);
    va_end(ap);
}

void probe__run_end_uv(struct probe_run *run, const char *doing, int uv_error)
{
    const char *text = uv_strerror(uv_error);
    const char *colon = *doing ? ": " : "";
    switch (uv_error) {
    case UV_EMFILE:
    case UV_ENFILE:
    case UV_ENOMEM:
    case UV_ENOBUFS:
    case UV_EADDRNOTAVAIL: /* no local port left */
        probe__run_end_own(run, "the prober lacks resources: %s", text);
        return;
    default:
        probe__run_end(run, false, "%s%s%s", doing, colon, text);
    }
}

void probe__run_cancel(struct probe_run *run)
{
    run->runner->stats.cancelled++;
    snprintf(run->result.text, sizeof run->result.text, "cancelled");
    run->result.late = true;
    run->result.now_ms = clock_mono_ms();
    run->result.wall_ms = clock_wall_ms();
    run->tell_cancelled = run->once != NULL;
    detach(run);
}
