/* tcp: taking connections in and keeping their number within bounds. The list runs from the
 * connection whose last complete query is oldest: one order for idle time and for shedding, and
 * bytes that never make a query move nobody in it. */
#include "net_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define ACCEPTS_PER_WAKE 64 /* then the other handles of the loop have their turn */

static void list_remove(struct net_conn *c)
{
    struct net_worker *w = c->worker;
    *(c->older ? &c->older->newer : &w->oldest) = c->newer;
    *(c->newer ? &c->newer->older : &w->newest) = c->older;
}

static void list_append(struct net_conn *c)
{
    struct net_worker *w = c->worker;
    c->older = w->newest;
    c->newer = NULL;
    *(w->newest ? &w->newest->newer : &w->oldest) = c;
    w->newest = c;
}

void net__tcp_lru_touch(struct net_conn *c)
{
    c->active_ms = uv_now(&c->worker->loop);
    list_remove(c);
    list_append(c);
}

static void set_conns(struct net_worker *w, size_t n)
{
    w->conns = n;
    atomic_store_explicit(&w->counters.tcp_open, n, memory_order_relaxed);
}

void net__tcp_forget(struct net_conn *c)
{
    struct net_worker *w = c->worker;
    list_remove(c);
    net__peers_release(&w->peers, c->peer);
    net__count(&w->counters.tcp_closed, 1);
    set_conns(w, w->conns - 1);
}

static void shed_oldest(struct net_worker *w)
{
    net__count(&w->counters.tcp_shed, 1);
    net__conn_close(w->oldest);
}

static void take_in(struct net_worker *w, int fd, const struct sockaddr_storage *from)
{
    struct ip ip;
    ip_from_sockaddr((const struct sockaddr *)from, &ip);
    bool limited;
    struct net_peer *peer = net__peers_take(&w->peers, &ip, w->conns_per_ip_max, &limited);
    struct net_conn *c = NULL;
    if (!peer || net__conn_open(w, fd, from, &c) != ERR_OK) {
        if (peer)
            net__peers_release(&w->peers, peer);
        net__count(limited ? &w->counters.tcp_refused_per_ip : &w->counters.loop_errors, 1);
        close(fd);
        return;
    }
    c->peer = peer;
    if (w->conns >= w->conns_max)
        shed_oldest(w);
    list_append(c);
    net__count(&w->counters.tcp_accepted, 1);
    set_conns(w, w->conns + 1);
    net__worker_sweep_soon(w);
}

/* Out of descriptors. A connection that waits would wake the loop for ever, so that it has to be
 * taken off the queue: in place of the oldest one or, when there is none to give up, on the
 * descriptor held back for this: however many the rest of the process has taken, every worker can
 * serve one client at a time. The sweep holds one back again. false: not even that. */
static bool make_room(struct net_worker *w)
{
    net__count(&w->counters.loop_errors, 1);
    if (w->oldest) {
        shed_oldest(w);
        return true;
    }
    if (w->reserve_fd < 0)
        return false;
    close(w->reserve_fd);
    w->reserve_fd = -1;
    net__worker_sweep_soon(w);
    return true;
}

/* accept(2) also reports errors of the connection it would have returned. */
static bool is_of_that_connection(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM: /* a firewall */
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

/* accept(2) looks for a descriptor first and for a connection second: EMFILE alone says nothing. */
static bool is_waiting(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

/* false: nothing more to take now. */
static bool accept_one(struct net_listener *l)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    int fd = accept4(l->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        take_in(l->worker, fd, &from);
        return true;
    }
    if (errno == EAGAIN)
        return false;
    if (is_of_that_connection(errno))
        return true;
    if (errno == EMFILE || errno == ENFILE) {
        if (!is_waiting(l->fd))
            return false;
        if (make_room(l->worker))
            return true;
    }
    net__listener_pause(l); /* no memory, or no descriptor at all: try again at the next sweep */
    return false;
}

void net__tcp_on_poll(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct net_listener *l = poll->data;
    if (status < 0) { /* POLLERR: libuv has stopped the handle */
        net__listener_pause(l);
        return;
    }
    for (int i = 0; i < ACCEPTS_PER_WAKE && accept_one(l); i++)
        net__udp_turn(l->worker);
}

void net__tcp_accept_all(struct net_listener *l)
{
    for (size_t i = 0; i < l->worker->conns_max && accept_one(l); i++)
        ;
}

void net__tcp_sweep(struct net_worker *w)
{
    uint64_t now = uv_now(&w->loop);
    while (w->oldest && now - w->oldest->active_ms >= w->idle_ms) {
        bool slow = w->oldest->out != NULL;
        net__count(slow ? &w->counters.tcp_cut_slow : &w->counters.tcp_idle_closed, 1);
        net__conn_close(w->oldest);
        net__udp_turn(w);
    }
}

void net__tcp_drain(struct net_worker *w)
{
    /* A connection that answers in passing moves to the end and is seen twice: harmless, but the
     * walk is bounded by what there was. */
    size_t n = w->conns;
    for (struct net_conn *c = w->oldest, *next; c && n > 0; c = next, n--) {
        next = c->newer;
        net__conn_drain(c);
    }
}

void net__tcp_close_all(struct net_worker *w)
{
    while (w->oldest)
        net__conn_close(w->oldest);
}
