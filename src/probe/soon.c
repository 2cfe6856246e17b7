/* soon: what is asked for within the next milliseconds begins when it is due. The loop's own timers count
 * in whole milliseconds from when they are set, and a witness, which is due in the next millisecond,
 * waited for half of one that nobody had asked for. Where there is no such timer the loop's has to do:
 * it is set as well. */
#include "probe_priv.h"

#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NEAR_MS 2

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct probe_runner *r = poll->data;
    uint64_t times;
    (void)events;
    if (status < 0 || read(r->soon.fd, &times, sizeof times) != (ssize_t)sizeof times)
        return; /* set anew meanwhile */
    r->soon.due_ms = INT64_MAX;
    if (!r->closing)
        r->soon.due(r);
}

void probe__soon_open(struct probe_runner *r, void (*due)(struct probe_runner *r))
{
    struct probe_soon *s = &r->soon;
    s->due = due;
    s->due_ms = INT64_MAX;
    s->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (s->fd < 0)
        return;
    if (uv_poll_init(r->loop, &s->poll, s->fd) != 0) {
        close(s->fd);
        s->fd = -1;
        return;
    }
    s->poll.data = r;
    probe__runner_hold(r);
    uv_poll_start(&s->poll, UV_READABLE, on_poll);
    uv_unref((uv_handle_t *)&s->poll);
}

void probe__soon_set(struct probe_runner *r, int64_t due_ms, int64_t now_ms)
{
    struct probe_soon *s = &r->soon;
    bool near = due_ms > now_ms && due_ms - now_ms <= NEAR_MS;
    if (s->fd < 0 || !near || s->due_ms <= due_ms)
        return;
    const struct itimerspec at = {
        .it_value = {.tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000}};
    if (timerfd_settime(s->fd, TFD_TIMER_ABSTIME, &at, NULL) == 0)
        s->due_ms = due_ms;
}

static void on_closed(uv_handle_t *handle)
{
    probe__runner_release(handle->data);
}

void probe__soon_close(struct probe_runner *r)
{
    if (r->soon.fd < 0)
        return;
    uv_close((uv_handle_t *)&r->soon.poll, on_closed);
    close(r->soon.fd);
    r->soon.fd = -1;
}
