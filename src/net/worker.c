/* worker: one thread, one loop, its own sockets.
 *
 *   created ── start ──> running ── stop ──> draining ── last connection, or drain_ms ──> finished
 *
 *   Draining: datagrams and connections that the kernel has queued are still served, then the
 *   listening sockets close; idle connections close at once, others when they become idle. */
#include "net_priv.h"

#include "base/check.h"
#include "base/log.h"
#include "base/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SWEEP_MS_MIN 10
#define SWEEP_MS_MAX 1000

static void on_handle_closed(uv_handle_t *handle)
{
    (void)handle;
}

void net__listener_close(struct net_listener *l)
{
    if (l->fd < 0)
        return;
    /* In this order: libuv aborts if a descriptor that it polls is closed under it. */
    uv_close((uv_handle_t *)&l->poll, on_handle_closed);
    close(l->fd);
    l->fd = -1;
    l->busy = false;
}

void net__listener_pause(struct net_listener *l)
{
    int error = 0;
    socklen_t len = sizeof error;
    (void)getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &len); /* reading it clears it */
    net__count(&l->worker->counters.loop_errors, 1);
    uv_poll_stop(&l->poll);
    l->paused = true;
    net__worker_sweep_soon(l->worker);
}

static void listener_resume(struct net_listener *l)
{
    l->paused = false;
    int rc = uv_poll_start(&l->poll, UV_READABLE, l->tcp ? net__tcp_on_poll : net__udp_on_poll);
    CHECK(rc == 0); /* fails for a closing handle only */
}

static void on_sweep(uv_timer_t *timer)
{
    struct net_worker *w = timer->data;
    net__tcp_sweep(w);
    for (size_t i = 0; i < w->listeners_n; i++)
        if (w->listeners[i].paused && w->listeners[i].fd >= 0)
            listener_resume(&w->listeners[i]);
    if (w->reserve_fd < 0)
        w->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (!w->oldest && w->reserve_fd >= 0)
        uv_timer_stop(&w->sweep);
}

void net__worker_sweep_soon(struct net_worker *w)
{
    if (uv_is_active((uv_handle_t *)&w->sweep) || w->finished)
        return;
    uint64_t every = w->idle_ms / 4;
    every = every < SWEEP_MS_MIN ? SWEEP_MS_MIN : every > SWEEP_MS_MAX ? SWEEP_MS_MAX : every;
    uv_timer_start(&w->sweep, on_sweep, every, every);
}

void net__worker_maybe_finish(struct net_worker *w)
{
    if (!w->draining || w->conns > 0 || w->finished)
        return;
    w->finished = true; /* the loop ends when the last handle is closed */
    uv_close((uv_handle_t *)&w->wake, on_handle_closed);
    uv_close((uv_handle_t *)&w->sweep, on_handle_closed);
    uv_close((uv_handle_t *)&w->drain_end, on_handle_closed);
    uv_close((uv_handle_t *)&w->busy, on_handle_closed);
}

static void on_drain_end(uv_timer_t *timer)
{
    net__tcp_close_all(timer->data);
}

static void drain(struct net_worker *w)
{
    for (size_t i = 0; i < w->listeners_n; i++)
        if (w->listeners[i].tcp)
            net__tcp_accept_all(&w->listeners[i]);
        else
            net__udp_finish(&w->listeners[i]);
    for (size_t i = 0; i < w->listeners_n; i++)
        net__listener_close(&w->listeners[i]);
    uv_update_time(&w->loop);
    uv_timer_start(&w->drain_end, on_drain_end,
                   atomic_load_explicit(&w->drain_ms, memory_order_relaxed), 0);
    w->draining = true;
    net__tcp_drain(w);
    net__worker_maybe_finish(w);
}

static void on_wake(uv_async_t *async)
{
    struct net_worker *w = async->data;
    if (!w->draining && atomic_load_explicit(&w->stop, memory_order_acquire))
        drain(w);
}

static void *run(void *arg)
{
    struct net_worker *w = arg;
    char name[16];
    snprintf(name, sizeof name, "net-%u", w->index);
    pthread_setname_np(pthread_self(), name);
    turn_answers();
    uv_run(&w->loop, UV_RUN_DEFAULT);
    return NULL;
}

static enum err listeners_open(struct net_worker *w, const struct net_config *config,
                               const struct net_address *addresses, size_t n, struct diag *diag)
{
    w->listeners = calloc(2 * n, sizeof *w->listeners);
    if (!w->listeners)
        return ERR_NOMEM;
    for (size_t i = 0; i < 2 * n; i++) {
        const struct net_address *a = &addresses[i / 2];
        struct net_listener *l = &w->listeners[i];
        l->worker = w;
        l->tcp = i % 2 == 1;
        enum err e = l->tcp ? net__tcp_open(a, &l->fd, diag)
                            : net__udp_open(a, config->udp_rcvbuf_bytes, &l->fd, diag);
        if (e != ERR_OK)
            return e;
        w->listeners_n = i + 1;
        if (l->tcp)
            continue;
        struct udp_lane **lane = &w->lanes[a->at.ip.family == 6][a->wildcard];
        if (!*lane)
            *lane = net__udp_lane_create(w->udp_bytes, a->at.ip.family == 6, a->wildcard);
        if (!*lane)
            return ERR_NOMEM;
        l->lane = *lane;
    }
    return ERR_OK;
}

static struct tcp_scratch *tcp_scratch_create(void)
{
    /* 4 MiB of addresses; pages become real as answers are written to them. */
    struct tcp_scratch *t = aligned_alloc(alignof(struct tcp_scratch), sizeof *t);
    for (size_t i = 0; t && i < NET_BATCH; i++)
        t->messages[i] = (struct net_message){
            .tcp = true, .out = t->out[i].bytes, .out_cap = sizeof t->out[i].bytes};
    return t;
}

static size_t share(unsigned limit, unsigned workers)
{
    return (limit + workers - 1) / workers;
}

static enum err fill(struct net_worker *w, const struct net_config *config,
                     const struct net_address *addresses, size_t n, struct diag *diag)
{
    w->batch = config->batch;
    w->batch_ctx = config->batch_ctx[w->index];
    w->idle_ms = config->tcp_idle_ms;
    w->tcp_answer_max = TCP_ANSWER_USUAL;
    w->conns_max = share(config->tcp_clients_max, config->workers);
    w->conns_per_ip_max = share(config->tcp_clients_per_ip_max, config->workers);
    w->udp_bytes = net__udp_bytes_create();
    w->tcp = tcp_scratch_create();
    w->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (!w->udp_bytes || !w->tcp)
        return ERR_NOMEM;
    enum err e = net__peers_init(&w->peers, w->conns_max);
    return e != ERR_OK ? e : listeners_open(w, config, addresses, n, diag);
}

enum err net__worker_create(unsigned index, const struct net_config *config,
                            const struct net_address *addresses, size_t n, struct net_worker **out,
                            struct diag *diag)
{
    struct net_worker *w = aligned_alloc(alignof(struct net_worker), sizeof *w);
    if (!w)
        return ERR_NOMEM;
    *w = (struct net_worker){.index = index, .reserve_fd = -1};
    enum err e = fill(w, config, addresses, n, diag);
    if (e == ERR_OK)
        *out = w;
    else
        net__worker_destroy(w);
    return e;
}

void net__worker_destroy(struct net_worker *w)
{
    for (size_t i = 0; i < w->listeners_n; i++)
        if (w->listeners[i].fd >= 0)
            close(w->listeners[i].fd);
    if (w->reserve_fd >= 0)
        close(w->reserve_fd);
    for (int i = 0; i < 4; i++)
        free(w->lanes[i / 2][i % 2]);
    net__peers_fini(&w->peers);
    free(w->listeners);
    free(w->udp_bytes);
    free(w->tcp);
    free(w);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, on_handle_closed);
}

void net__worker_loop_close(struct net_worker *w)
{
    uv_walk(&w->loop, close_handle, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&w->loop);
    CHECK(rc == 0);
}

static int handles_init(struct net_worker *w)
{
    int rc = uv_async_init(&w->loop, &w->wake, on_wake);
    if (rc != 0)
        return rc;
    uv_timer_init(&w->loop, &w->sweep);
    uv_timer_init(&w->loop, &w->drain_end);
    uv_idle_init(&w->loop, &w->busy);
    w->wake.data = w->sweep.data = w->drain_end.data = w->busy.data = w;
    for (size_t i = 0; i < w->listeners_n; i++) {
        struct net_listener *l = &w->listeners[i];
        rc = uv_poll_init_socket(&w->loop, &l->poll, l->fd);
        if (rc != 0)
            return rc;
        l->poll.data = l;
        listener_resume(l);
    }
    return 0;
}

/* Signals are the control thread's: a worker starts with all of them blocked. */
static int thread_start(struct net_worker *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

enum err net__worker_loop_open(struct net_worker *w)
{
    int rc = uv_loop_init(&w->loop);
    if (rc != 0)
        return (enum err)rc;
    rc = handles_init(w);
    if (rc != 0)
        net__worker_loop_close(w);
    return (enum err)rc;
}

enum err net__worker_start(struct net_worker *w)
{
    enum err e = net__worker_loop_open(w);
    if (e != ERR_OK)
        return e;
    int rc = thread_start(w);
    if (rc != 0)
        net__worker_loop_close(w);
    return (enum err)rc;
}

void net__worker_stop(struct net_worker *w, unsigned drain_ms)
{
    atomic_store_explicit(&w->drain_ms, drain_ms, memory_order_relaxed);
    atomic_store_explicit(&w->stop, true, memory_order_release);
    uv_async_send(&w->wake);
}

void net__worker_join(struct net_worker *w)
{
    pthread_join(w->thread, NULL);
    net__worker_loop_close(w);
}
