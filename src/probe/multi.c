/* multi: one curl multi handle driven by the loop. curl says which sockets and which time it waits
 * for; the loop says when they are there. */
#include "probe_priv.h"

#include <stdlib.h>

struct multi_socket {
    uv_poll_t poll;
    curl_socket_t fd;
    struct probe_runner *runner;
};

/* The only place where finished transfers are looked for: never within a curl callback. */
static void take_finished(struct probe_runner *r)
{
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(r->multi.curl, &left))) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        struct probe_run *run = NULL;
        CURLcode code = msg->data.result; /* msg is gone once its transfer is removed */
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&run);
        probe__http_done(run, code);
        if (r->closing)
            return;
    }
}

static void act(struct probe_runner *r, curl_socket_t fd, int flags)
{
    int running;
    if (r->closing)
        return;
    curl_multi_socket_action(r->multi.curl, fd, flags, &running);
    take_finished(r);
}

/* libuv reports any error of a socket as its own and stops the handle. curl is let to look for
 * itself, which gives it what arrived before a reset, and the reason; if it still wants the socket
 * after that it has to be told, since nothing else would until the timeout. */
static void on_poll_error(struct multi_socket *s)
{
    act(s->runner, s->fd, CURL_CSELECT_IN | CURL_CSELECT_OUT);
    if (!uv_is_closing((uv_handle_t *)&s->poll))
        act(s->runner, s->fd, CURL_CSELECT_ERR);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct multi_socket *s = poll->data;
    if (status < 0) {
        on_poll_error(s);
        return;
    }
    act(s->runner, s->fd,
        (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
            (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct multi_socket *s = handle->data;
    probe__runner_release(s->runner);
    free(s);
}

static void socket_close(struct multi_socket *s)
{
    uv_poll_stop(&s->poll);
    uv_close((uv_handle_t *)&s->poll, on_poll_closed);
}

static struct multi_socket *socket_open(struct probe_runner *r, curl_socket_t fd)
{
    struct multi_socket *s = calloc(1, sizeof *s);
    if (!s || uv_poll_init_socket(r->loop, &s->poll, fd) != 0) {
        free(s);
        return NULL;
    }
    s->fd = fd;
    s->runner = r;
    s->poll.data = s;
    probe__runner_hold(r);
    curl_multi_assign(r->multi.curl, fd, s);
    return s;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket)
{
    struct probe_runner *r = ctx;
    struct multi_socket *s = socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        /* curl closes the socket after this: the loop has to have let go of it. */
        if (s) {
            curl_multi_assign(r->multi.curl, fd, NULL);
            socket_close(s);
        }
        return 0;
    }
    if (!s && !(s = socket_open(r, fd)))
        return -1;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&s->poll, events, on_poll) == 0 ? 0 : -1;
}

static void on_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* 0 means at once, which is not now: acting from within this callback would recurse. */
static int on_timer_wanted(CURLM *curl, long timeout_ms, void *ctx)
{
    struct probe_runner *r = ctx;
    (void)curl;
    if (r->closing)
        return 0;
    if (timeout_ms < 0) {
        uv_timer_stop(&r->multi.timer);
        return 0;
    }
    uv_update_time(r->loop);
    uv_timer_start(&r->multi.timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

enum err probe__multi_open(struct probe_runner *r)
{
    CURLM *m = curl_multi_init();
    if (!m)
        return ERR_NOMEM;
    uv_timer_init(r->loop, &r->multi.timer);
    r->multi.timer.data = r;
    r->multi.curl = m;
    probe__runner_hold(r);
    curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(m, CURLMOPT_SOCKETDATA, r);
    curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(m, CURLMOPT_TIMERDATA, r);
    curl_multi_setopt(m, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return ERR_OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
    probe__runner_release(handle->data);
}

void probe__multi_close(struct probe_runner *r)
{
    if (!r->multi.curl)
        return;
    curl_multi_cleanup(r->multi.curl);
    r->multi.curl = NULL;
    uv_close((uv_handle_t *)&r->multi.timer, on_timer_closed);
}
