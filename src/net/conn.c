/* conn: one TCP client. Length framing (RFC 7766 §8), any number of queries in flight (§6.2.1.1).
 *
 *              frames complete, all written             peer closed its side, framing lost,
 *            .-----------------------------.            or draining and nothing begun
 *            v                             |
 *   accept ─> READING ── answers do not ──> FLUSHING      both ── settle ──> closed
 *             (in)       fit the socket     (out)
 *
 *   READING waits for bytes, FLUSHING for room: never both, so that a peer that does not read its
 *   answers is not listened to either, and holds one batch of answers at most. `in` keeps a frame
 *   that has begun, and in FLUSHING whole frames whose turn has not come. Time ends both states:
 *   the sweep in tcp.c. */
#include "net_priv.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN_BYTES_MIN 512

static void on_poll(uv_poll_t *poll, int status, int events);

enum err net__conn_open(struct net_worker *w, int fd, const struct sockaddr_storage *from,
                        struct net_conn **out)
{
    struct net_conn *c = calloc(1, sizeof *c);
    if (!c)
        return ERR_NOMEM;
    int rc = uv_poll_init_socket(&w->loop, &c->poll, fd);
    if (rc != 0) {
        free(c);
        return (enum err)rc;
    }
    c->poll.data = c;
    c->worker = w;
    c->fd = fd;
    c->active_ms = uv_now(&w->loop);
    ip_from_sockaddr((const struct sockaddr *)from, &c->source);
    c->source_port = port_from_sockaddr((const struct sockaddr *)from);
    c->events = UV_READABLE;
    rc = uv_poll_start(&c->poll, UV_READABLE, on_poll);
    CHECK(rc == 0); /* fails for a closing handle only */
    *out = c;
    return ERR_OK;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void net__conn_close(struct net_conn *c)
{
    struct net_worker *w = c->worker;
    net__tcp_forget(c);
    free(c->in);
    free(c->out);
    /* In this order: libuv aborts if a descriptor that it polls is closed under it. */
    uv_close((uv_handle_t *)&c->poll, on_closed);
    close(c->fd);
    net__worker_maybe_finish(w);
}

/* How many queries may be answered before looking whether the peer reads: as many as keep its
 * answers within NET_TCP_QUEUE_BYTES, going by the longest answer so far. */
static size_t batch_max(const struct net_worker *w)
{
    size_t n = NET_TCP_QUEUE_BYTES / w->tcp_answer_max;
    return n < NET_BATCH ? n : NET_BATCH;
}

/* Splits whole frames off buf into messages. Returns their number; *used is where the first frame
 * that was not taken begins. */
static size_t split(struct net_conn *c, const uint8_t *buf, size_t len, size_t *used)
{
    struct net_message *messages = c->worker->tcp->messages;
    size_t n = 0, at = 0, n_max = batch_max(c->worker);
    while (n < n_max && len - at >= 2) {
        size_t frame = (size_t)buf[at] << 8 | buf[at + 1];
        if (frame == 0) { /* no DNS message is empty: the framing is lost */
            net__count(&c->worker->counters.tcp_framing_errors, 1);
            c->doomed = true;
            break;
        }
        if (len - at - 2 < frame)
            break;
        messages[n].in = buf + at + 2;
        messages[n].in_len = frame;
        messages[n].source = c->source;
        messages[n].source_port = c->source_port;
        messages[n].out_len = 0;
        n++;
        at += 2 + frame;
    }
    *used = at;
    return n;
}

/* Keeps what the socket did not take. */
static bool queue_rest(struct net_conn *c, const struct iovec *iov, size_t n, size_t skip,
                       size_t rest)
{
    c->out = malloc(rest);
    if (!c->out) {
        net__count(&c->worker->counters.loop_errors, 1);
        return false;
    }
    c->out_off = c->out_len = 0;
    for (size_t i = 0; i < n; i++) {
        size_t cut = skip < iov[i].iov_len ? skip : iov[i].iov_len;
        skip -= cut;
        memcpy(c->out + c->out_len, (const uint8_t *)iov[i].iov_base + cut, iov[i].iov_len - cut);
        c->out_len += iov[i].iov_len - cut;
    }
    return true;
}

/* All answers in one write: a client that sends together gets its answers together (RFC 7766 §8).
 * false: the connection is over. */
static bool write_answers(struct net_conn *c, size_t n, size_t bytes)
{
    struct iovec *iov = c->worker->tcp->iov;
    struct msghdr h = {.msg_iov = iov, .msg_iovlen = n};
    ssize_t sent;
    do
        sent = sendmsg(c->fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN)
        return false;
    size_t done = sent > 0 ? (size_t)sent : 0;
    return done == bytes || queue_rest(c, iov, n, done, bytes - done);
}

static bool answer_batch(struct net_conn *c, size_t n)
{
    struct net_worker *w = c->worker;
    struct tcp_scratch *t = w->tcp;
    net__tcp_lru_touch(c);
    w->batch(w->batch_ctx, t->messages, n);
    size_t k = 0, bytes = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len = t->messages[i].out_len;
        CHECK(len <= sizeof t->out[i].bytes);
        if (len == 0)
            continue;
        t->out[i].length_be[0] = (uint8_t)(len >> 8);
        t->out[i].length_be[1] = (uint8_t)len;
        t->iov[k++] = (struct iovec){&t->out[i], 2 + len};
        bytes += 2 + len;
        w->tcp_answer_max = 2 + len > w->tcp_answer_max ? 2 + len : w->tcp_answer_max;
    }
    net__count(&w->counters.tcp_queries, n);
    net__count(&w->counters.tcp_answers, k);
    return k == 0 || write_answers(c, k, bytes);
}

/* Answers whole frames of buf, up to the point where answers do not fit the socket any more.
 * false: the connection is over. */
static bool answer_frames(struct net_conn *c, const uint8_t *buf, size_t len, size_t *used)
{
    *used = 0;
    while (!c->out && !c->doomed) {
        size_t taken, n = split(c, buf + *used, len - *used, &taken);
        if (n == 0)
            break;
        *used += taken;
        if (!answer_batch(c, n))
            return false;
    }
    return true;
}

static bool keep(struct net_conn *c, const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return true;
    c->in_cap = len > IN_BYTES_MIN ? len : IN_BYTES_MIN;
    c->in = malloc(c->in_cap);
    if (!c->in) {
        net__count(&c->worker->counters.loop_errors, 1);
        return false;
    }
    memcpy(c->in, bytes, len);
    c->in_len = len;
    return true;
}

static bool answer_kept(struct net_conn *c)
{
    size_t used;
    if (!answer_frames(c, c->in, c->in_len, &used))
        return false;
    c->in_len -= used;
    if (c->in_len > 0 && used > 0)
        memmove(c->in, c->in + used, c->in_len);
    if (c->in_len == 0) {
        free(c->in);
        c->in = NULL;
    }
    return true;
}

/* Makes room behind a frame that has begun, doubling: a length of 65535 alone reserves nothing. */
static bool grow(struct net_conn *c)
{
    if (c->in_len < c->in_cap)
        return true;
    CHECK(c->in_cap < TCP_FRAME_MAX); /* or the frame would be whole */
    size_t cap = 2 * c->in_cap < TCP_FRAME_MAX ? 2 * c->in_cap : TCP_FRAME_MAX;
    uint8_t *in = realloc(c->in, cap);
    if (!in) {
        net__count(&c->worker->counters.loop_errors, 1);
        return false;
    }
    c->in = in;
    c->in_cap = cap;
    return true;
}

/* One read of at most TCP_READ_BYTES, which bounds the queries answered in one step: as many, and
 * the frame that had begun. Without a frame begun it goes through the worker's buffer, so that a waiting
 * connection holds none. false: the connection is over. */
static bool read_some(struct net_conn *c)
{
    bool begun = c->in_len > 0;
    if (begun && !grow(c))
        return false;
    uint8_t *buf = begun ? c->in + c->in_len : c->worker->tcp->read;
    size_t room = begun ? c->in_cap - c->in_len : TCP_READ_BYTES;
    room = room < TCP_READ_BYTES ? room : TCP_READ_BYTES;
    ssize_t n = recv(c->fd, buf, room, MSG_DONTWAIT);
    c->more = n > 0 && (size_t)n == room;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0) {
        if (begun)
            net__count(&c->worker->counters.tcp_framing_errors, 1);
        return false; /* all it asked is answered and written, or this would be FLUSHING */
    }
    if (begun) {
        c->in_len += (size_t)n;
        return answer_kept(c);
    }
    size_t used;
    return answer_frames(c, buf, (size_t)n, &used) && keep(c, buf + used, (size_t)n - used);
}

/* false: the connection is over. */
static bool flush(struct net_conn *c)
{
    ssize_t n =
        send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    c->out_off += (size_t)n;
    if (c->out_off < c->out_len)
        return true;
    free(c->out);
    c->out = NULL;
    return c->in_len == 0 || answer_kept(c);
}

/* After each step: what to wait for next, or the end. */
static void settle(struct net_conn *c, bool alive)
{
    bool idle = c->in_len == 0 && !c->more;
    if (!alive || (!c->out && (c->doomed || (c->worker->draining && idle)))) {
        net__conn_close(c);
        return;
    }
    int want = c->out ? UV_WRITABLE : UV_READABLE;
    if (want == c->events)
        return;
    c->events = want;
    int rc = uv_poll_start(&c->poll, want, on_poll);
    CHECK(rc == 0);
}

/* false: the connection is over. Queries may have come while answers went out: who is to close when there is
 * nothing to do looks once more. */
static bool step(struct net_conn *c)
{
    if (!c->out)
        return read_some(c);
    return flush(c) && (c->out || !c->worker->draining || read_some(c));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct net_conn *c = poll->data;
    struct net_worker *w = c->worker; /* c may be gone afterwards */
    if (status < 0) /* POLLERR: the peer is gone, and libuv has stopped the handle */
        settle(c, false);
    else
        settle(c, step(c));
    net__udp_turn(w);
}

void net__conn_drain(struct net_conn *c)
{
    settle(c, c->out || read_some(c));
}
