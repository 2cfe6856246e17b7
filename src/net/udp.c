/* udp: the path of a datagram. A lane holds the headers of one kind of socket, set once; a batch
 * writes only what differs from packet to packet, and resets only what the kernel changed. */
#include "net_priv.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define BATCHES_PER_WAKE 8    /* then the other handles of the loop have their turn */
#define BUSY_FROM 16u         /* datagrams at once; see set_busy */
#define UDP_TURN_NS 1000000u  /* TCP work between two looks at UDP, at most, and one step */
#define BATCHES_TO_FINISH 256 /* more than a receive buffer of 4 MiB holds */
/* An odd number of cache lines: the starts of the slots spread over all sets of the cache. */
#define IN_STRIDE (NET_UDP_IN_MAX + NET_CACHE_LINE)
#define OUT_STRIDE 1344
_Static_assert(OUT_STRIDE >= NET_UDP_OUT_MAX && OUT_STRIDE % (2 * NET_CACHE_LINE) == NET_CACHE_LINE,
               "an answer fits its slot");

union udp_name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

union udp_control {
    struct cmsghdr header;
    uint8_t room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp_lane {
    bool v6, wildcard;
    size_t used; /* slots whose control length the kernel has changed */
    struct mmsghdr in[NET_BATCH], out[NET_BATCH];
    struct iovec in_iov[NET_BATCH], out_iov[NET_BATCH];
    union udp_name names[NET_BATCH];
    union udp_control control[NET_BATCH];
    struct net_message messages[NET_BATCH];
};

uint8_t *net__udp_bytes_create(void)
{
    return aligned_alloc(NET_CACHE_LINE, NET_BATCH * (IN_STRIDE + OUT_STRIDE));
}

struct udp_lane *net__udp_lane_create(uint8_t *bytes, bool v6, bool wildcard)
{
    struct udp_lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->v6 = v6;
    lane->wildcard = wildcard;
    for (size_t i = 0; i < NET_BATCH; i++) {
        uint8_t *in = bytes + i * IN_STRIDE;
        uint8_t *out = bytes + NET_BATCH * IN_STRIDE + i * OUT_STRIDE;
        lane->in_iov[i] = (struct iovec){in, NET_UDP_IN_MAX};
        struct msghdr *h = &lane->in[i].msg_hdr;
        h->msg_name = &lane->names[i];
        h->msg_namelen = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
        h->msg_iov = &lane->in_iov[i];
        h->msg_iovlen = 1;
        if (wildcard)
            h->msg_control = &lane->control[i];
        lane->out[i].msg_hdr.msg_namelen = h->msg_namelen;
        lane->out[i].msg_hdr.msg_iov = &lane->out_iov[i];
        lane->out[i].msg_hdr.msg_iovlen = 1;
        lane->messages[i].in = in;
        lane->messages[i].source.family = v6 ? 6 : 4;
        lane->messages[i].out = out;
        lane->messages[i].out_cap = NET_UDP_OUT_MAX;
    }
    lane->used = NET_BATCH;
    return lane;
}

/* Returns the number of datagrams; 0 when there are none. */
static size_t receive(struct net_listener *l)
{
    struct udp_lane *lane = l->lane;
    if (lane->wildcard)
        for (size_t i = 0; i < lane->used; i++)
            lane->in[i].msg_hdr.msg_controllen = sizeof lane->control[i];
    int n;
    do
        n = recvmmsg(l->fd, lane->in, NET_BATCH, MSG_DONTWAIT, NULL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN)
        net__count(&l->worker->counters.loop_errors, 1);
    lane->used = n > 0 ? (size_t)n : 0;
    return lane->used;
}

static void describe(struct udp_lane *lane, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct net_message *m = &lane->messages[i];
        m->in_len = lane->in[i].msg_len;
        m->out_len = 0;
        if (lane->v6) {
            memcpy(m->source.b, &lane->names[i].v6.sin6_addr, 16);
            m->source_port = ntohs(lane->names[i].v6.sin6_port);
        } else {
            memcpy(m->source.b, &lane->names[i].v4.sin_addr, 4);
            m->source_port = ntohs(lane->names[i].v4.sin_port);
        }
    }
}

/* The control message of the question becomes that of the answer, in place: the answer leaves from
 * the address that was asked, by whatever route leads back. */
static void turn_round(struct udp_lane *lane, size_t from, struct msghdr *to)
{
    struct msghdr *asked = &lane->in[from].msg_hdr;
    struct cmsghdr *c = &lane->control[from].header;
    to->msg_control = NULL;
    to->msg_controllen = 0;
    if (asked->msg_controllen < sizeof *c)
        return;
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(c);
        info->ipi_ifindex = 0; /* ipi_spec_dst is the local address already */
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo *info = (struct in6_pktinfo *)CMSG_DATA(c);
        if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
            info->ipi6_ifindex = 0;
    } else {
        return;
    }
    to->msg_control = c;
    to->msg_controllen = asked->msg_controllen;
}

/* Lines up the answers; returns how many there are. */
static size_t collect(struct udp_lane *lane, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        const struct net_message *m = &lane->messages[i];
        CHECK(m->out_len <= NET_UDP_OUT_MAX);
        if (m->out_len == 0 || m->source_port == 0) /* nobody can listen on port 0 */
            continue;
        struct msghdr *h = &lane->out[k].msg_hdr;
        h->msg_name = &lane->names[i];
        lane->out_iov[k].iov_base = m->out;
        lane->out_iov[k].iov_len = m->out_len;
        if (lane->wildcard)
            turn_round(lane, i, h);
        k++;
    }
    return k;
}

/* Never waits: an answer that cannot leave now is lost, as on any wire, and counted. Returns the
 * number sent. */
static size_t send_all(int fd, struct mmsghdr *out, size_t n)
{
    size_t done = 0, failed = 0;
    while (done + failed < n) {
        int r = sendmmsg(fd, out + done + failed, (unsigned)(n - done - failed), MSG_DONTWAIT);
        if (r > 0)
            done += (size_t)r;
        else if (errno == EAGAIN || errno == ENOBUFS)
            break; /* the rest would meet the same */
        else if (errno != EINTR)
            failed++; /* this one alone: no route, a firewall, too long for the link */
    }
    return done;
}

static void answer(struct net_listener *l, size_t n)
{
    struct udp_lane *lane = l->lane;
    struct net_worker *w = l->worker;
    describe(lane, n);
    w->batch(w->batch_ctx, lane->messages, n);
    size_t answers = collect(lane, n);
    size_t sent = send_all(l->fd, lane->out, answers);
    net__count(&w->counters.udp_batches, 1);
    net__count(&w->counters.udp_received, n);
    net__count(&w->counters.udp_sent, sent);
    if (answers < n)
        net__count(&w->counters.udp_no_answer, n - answers);
    if (sent < answers)
        net__count(&w->counters.udp_send_failed, answers - sent);
}

/* While anything waits for a socket, as epoll does for those that it was given, the kernel wakes it for each
 * datagram that has left: there is room again. Nobody wants to know, and it is a tenth of what an answer
 * costs. So a listener to which many come at once is taken out, and looked at in each turn of the loop until
 * nothing is there. Out and in again is some calls, which fewer than BUSY_FROM answers do not pay for. */
static void set_busy(struct net_listener *l)
{
    if (l->busy || uv_is_closing((uv_handle_t *)&l->worker->busy))
        return;
    l->busy = true;
    uv_poll_stop(&l->poll);
    uv_idle_start(&l->worker->busy, net__udp_on_busy);
}

/* libuv ends the program when the kernel has no room for one more that is waited for: so it is asked before.
 * False: it has none, and the listener stays busy. */
static bool set_quiet(struct net_listener *l)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = l->fd};
    if (epoll_ctl(uv_backend_fd(&l->worker->loop), EPOLL_CTL_ADD, l->fd, &e) != 0)
        return false;
    l->busy = false;
    int rc = uv_poll_start(&l->poll, UV_READABLE, net__udp_on_poll); /* takes it out, then in */
    CHECK(rc == 0); /* fails for a closing handle only */
    return true;
}

/* Was there anything? */
static bool serve(struct net_listener *l, unsigned batches)
{
    for (unsigned i = 0; i < batches; i++) {
        size_t n = receive(l);
        if (n >= BUSY_FROM)
            set_busy(l);
        if (n > 0)
            answer(l, n);
        if (n < NET_BATCH) /* the queue is empty: spares the call that would only say EAGAIN */
            return i > 0 || n > 0;
    }
    return true;
}

void net__udp_on_poll(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct net_listener *l = poll->data;
    if (status < 0) { /* POLLERR: libuv has stopped the handle and says EBADF, whatever it was */
        net__listener_pause(l);
        return;
    }
    (void)serve(l, BATCHES_PER_WAKE);
}

void net__udp_on_busy(uv_idle_t *busy)
{
    struct net_worker *w = busy->data;
    size_t left = 0;
    for (size_t i = 0; i < w->listeners_n; i++) {
        struct net_listener *l = &w->listeners[i];
        if (l->busy && (serve(l, BATCHES_PER_WAKE) || !set_quiet(l)))
            left++;
    }
    if (left == 0)
        uv_idle_stop(busy);
}

/* One wake may bring a thousand connections, in the order in which they became readable: a datagram
 * that came after them does not wait until all are served. */
void net__udp_turn(struct net_worker *w)
{
    if (uv_hrtime() - w->udp_turn_ns < UDP_TURN_NS)
        return;
    for (size_t i = 0; i < w->listeners_n; i++) {
        struct net_listener *l = &w->listeners[i];
        if (!l->tcp && !l->paused && l->fd >= 0)
            (void)serve(l, BATCHES_PER_WAKE);
    }
    w->udp_turn_ns = uv_hrtime();
}

void net__udp_finish(struct net_listener *l)
{
    (void)serve(l, BATCHES_TO_FINISH);
}
