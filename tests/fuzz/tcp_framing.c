/* The worker's TCP (src/net) under a script of clients: what is sent in which pieces, when the loop
 * turns, who reads, who half-closes, who goes away, what time ends, how it is stopped.
 *
 * The listener is the worker's own, put on a local stream socket: accept, framing, batches, queue
 * and limits are the real code, without ports that wait out their TIME_WAIT. The loop is turned here,
 * in one thread. What must hold:
 *   what a client reads is a prefix of the framed answers to the whole frames he sent, in order;
 *   who is not cut by a limit, by time or by himself gets every one of them, then the end;
 *   the counters say the same; a connection's state fits its buffers, and the list its number;
 *   at the end no connection, peer or descriptor is left, and UDP is answered as ever.
 *
 * Input     0: bits 0-1 connections at most, 2-3 at most per address, 4 and 7 stop at the
 *           end, 5 with time to drain, 6 small socket buffers
 *           then operations: bits 0-3 what, 4-5 which client, see step(). */
#include "net_priv.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS 4
#define SENT_MAX (192u * 1024) /* of one client in one run */
#define FRAMES_MAX 2048
#define SCRIPT_MAX 1024
#define TURNS_MAX 20000 /* without progress: it hangs */
#define IDLE_MS 3600000u
#define UDP_RCVBUF 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct client {
    int fd; /* -1: none */
    bool half_closed;
    uint8_t *bytes; /* everything to be sent: the first `sent` octets are */
    size_t len, sent;
    size_t framed;                    /* where the first frame begins that is not whole */
    bool lost;                        /* a frame of length 0 was sent: nothing behind it counts */
    size_t frame_at[FRAMES_MAX];      /* whole frames, at their length */
    size_t frames_n, read_n, read_at; /* answers: whole ones read, octets of the next */
};

static struct net_worker *w;
static struct sockaddr_un here;
static socklen_t here_len;
static struct net_address addresses[NET_ADDRESS_MAX];
static int udp_client;
static struct client clients[CLIENTS];
static bool small_buffers, went_away;

/* --------------------------------------------------------------------------------- the answerer */

/* A fingerprint of a query: all of a short one, both ends of a long one. */
static uint32_t print_of(const uint8_t *in, size_t len)
{
    uint32_t h = 2166136261u ^ (uint32_t)len;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ in[i]) * 16777619u;
        if (i == 63 && len > 128)
            i = len - 64;
    }
    return h;
}

/* By the first octet; the longest only for the shortest queries, or a run spends its time copying. */
static size_t answer_len(const uint8_t *in, size_t in_len, size_t cap)
{
    static const uint16_t lens[16] = {0,   4,   4,   12,   12,   40,   100,  100,
                                      200, 512, 512, 1000, 3000, 5000, 9000, 65535};
    size_t len = in_len > 3 && (in[0] & 15) > 12 ? 1000 : lens[in[0] & 15];
    return len < cap ? len : cap;
}

static void answer(const uint8_t *in, size_t in_len, uint8_t *out, size_t len)
{
    uint32_t print = print_of(in, in_len);
    memset(out, (int)(print & 0xff), len);
    if (len >= sizeof print)
        memcpy(out, &print, sizeof print);
}

static void on_batch(void *ctx, struct net_message *m, size_t n)
{
    (void)ctx;
    CHECK(n >= 1 && n <= NET_BATCH);
    for (size_t i = 0; i < n; i++) {
        if (m[i].in_len == 0) /* a datagram may be */
            continue;
        m[i].out_len = answer_len(m[i].in, m[i].in_len, m[i].out_cap);
        answer(m[i].in, m[i].in_len, m[i].out, m[i].out_len);
    }
}

/* ----------------------------------------------------------------------------------- the worker */

/* A local stream socket in the place of the TCP listener, and the loop. */
static void worker_loop_open(void)
{
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(sa_family_t);
    here = (struct sockaddr_un){.sun_family = AF_UNIX};
    CHECK(s >= 0 && bind(s, (void *)&here, len) == 0); /* the kernel names it */
    here_len = sizeof here;
    CHECK(getsockname(s, (void *)&here, &here_len) == 0 && listen(s, 64) == 0);
    CHECK(dup2(s, w->listeners[1].fd) >= 0);
    close(s);
    CHECK(net__worker_loop_open(w) == ERR_OK);
}

static void worker_create(void)
{
    struct net_config config = {.listen = {{.ip = {.family = 4, .b = {127, 0, 0, 1}}}},
                                .listen_n = 1,
                                .workers = 1,
                                .tcp_clients_max = 8,
                                .tcp_clients_per_ip_max = 8,
                                .tcp_idle_ms = IDLE_MS,
                                .udp_rcvbuf_bytes = UDP_RCVBUF,
                                .batch = on_batch};
    struct sockaddr_storage to;
    size_t n;
    CHECK(net__addresses_resolve(&config, addresses, &n, NULL) == ERR_OK);
    CHECK(net__worker_create(0, &config, addresses, n, &w, NULL) == ERR_OK);
    CHECK(w->listeners_n == 2 && w->listeners[1].tcp);
    socklen_t len = ip_to_sockaddr(&addresses[0].at.ip, addresses[0].at.port, &to);
    CHECK(connect(udp_client, (void *)&to, len) == 0);
    worker_loop_open();
}

/* After a stop: the same worker is set to work again. Nothing else does that, but a new one for each
 * run would cost more than the run. */
static void worker_reopen(void)
{
    net__worker_loop_close(w);
    CHECK(w->listeners[0].fd < 0 && w->listeners[1].fd < 0);
    atomic_store(&w->stop, false);
    w->draining = w->finished = false;
    CHECK(net__udp_open(&addresses[0], UDP_RCVBUF, &w->listeners[0].fd, NULL) == ERR_OK);
    w->listeners[1].fd = dup(w->listeners[0].fd); /* a number for worker_loop_open */
    CHECK(w->listeners[1].fd >= 0);
    worker_loop_open();
}

static void at_end(void)
{
    if (w) {
        net__worker_loop_close(w);
        net__worker_destroy(w);
    }
    for (int i = 0; i < CLIENTS; i++)
        free(clients[i].bytes);
}

static void open_once(void)
{
    if (w)
        return;
    udp_client = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(udp_client >= 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].bytes = malloc(SENT_MAX);
        CHECK(clients[i].bytes);
    }
    worker_create();
    atexit(at_end);
}

/* What is true of every connection whenever the loop is not running. */
static void check_worker(void)
{
    size_t n = 0;
    const struct net_conn *older = NULL;
    for (const struct net_conn *c = w->oldest; c; older = c, c = c->newer, n++) {
        CHECK(c->older == older && c->worker == w && c->peer && c->peer->conns > 0);
        CHECK((c->in == NULL) == (c->in_len == 0)); /* who waits holds no buffer */
        CHECK(c->in_len <= c->in_cap || !c->in);
        CHECK(!c->in || c->out || c->in_len < TCP_FRAME_MAX);
        CHECK((c->out != NULL) == (c->events == UV_WRITABLE));
        CHECK(!c->out || c->out_off < c->out_len);
        CHECK(!c->doomed || c->out); /* or it would be closed */
    }
    CHECK(w->newest == older && w->conns == n && n <= w->conns_max);
    CHECK(atomic_load(&w->counters.tcp_open) == n);
    CHECK(atomic_load(&w->counters.tcp_accepted) == atomic_load(&w->counters.tcp_closed) + n);
}

static void turn(void)
{
    uv_run(&w->loop, UV_RUN_NOWAIT);
    if (!w->finished)
        check_worker();
}

/* ---------------------------------------------------------------------------------- the clients */

static void client_open(struct client *c)
{
    if (c->fd >= 0)
        return;
    *c = (struct client){.bytes = c->bytes};
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(c->fd >= 0);
    if (connect(c->fd, (void *)&here, here_len) != 0) { /* as many wait as may: nobody accepted */
        CHECK(errno == EAGAIN);
        close(c->fd);
        c->fd = -1;
        turn();
        return;
    }
    if (!small_buffers)
        return;
    uint64_t before = atomic_load(&w->counters.tcp_accepted);
    turn();
    int bytes = 1;
    if (atomic_load(&w->counters.tcp_accepted) == before + 1 && w->newest)
        CHECK(setsockopt(w->newest->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0);
}

static void client_append(struct client *c, const uint8_t *bytes, size_t len)
{
    if (len > SENT_MAX - c->len)
        len = SENT_MAX - c->len;
    memcpy(c->bytes + c->len, bytes, len);
    c->len += len;
}

/* A frame of a length near which something changes; its second octet makes it differ. */
static void client_frame(struct client *c, uint8_t what)
{
    static const uint16_t lens[16] = {1,   2,    3,    12,   17,   40,   509,  510,
                                      511, 1024, 2048, 4093, 4094, 4095, 8192, 16384};
    static uint8_t frame[TCP_FRAME_MAX];
    size_t len = what == 0xff ? 65535 : lens[what >> 4];
    frame[0] = (uint8_t)(len >> 8);
    frame[1] = (uint8_t)len;
    memset(frame + 2, (int)c->len, len);
    frame[2] = what & 15;
    if (SENT_MAX - c->len >= 2 + len)
        client_append(c, frame, 2 + len);
}

/* The frames that the kernel has taken whole. */
static void client_count(struct client *c)
{
    while (!c->lost && c->sent - c->framed >= 2) {
        size_t len = (size_t)c->bytes[c->framed] << 8 | c->bytes[c->framed + 1];
        c->lost = len == 0;
        if (c->lost || c->sent - c->framed - 2 < len || c->frames_n == FRAMES_MAX)
            return;
        c->frame_at[c->frames_n++] = c->framed;
        c->framed += 2 + len;
    }
}

/* True: the kernel took something. */
static bool client_push(struct client *c, size_t len)
{
    if (c->fd < 0 || c->half_closed || c->frames_n == FRAMES_MAX)
        return false;
    len = len < c->len - c->sent ? len : c->len - c->sent;
    /* No more frames than there are places for: a frame takes three octets at least. */
    len = len < 3 * (FRAMES_MAX - c->frames_n) ? len : 3 * (FRAMES_MAX - c->frames_n);
    ssize_t n = len > 0 ? send(c->fd, c->bytes + c->sent, len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (n <= 0)
        return false;
    c->sent += (size_t)n;
    client_count(c);
    return true;
}

/* Octets that were read: they go on where the last ones ended. */
static void client_check(struct client *c, const uint8_t *got, size_t len)
{
    static uint8_t want[TCP_FRAME_MAX];
    while (len > 0) {
        CHECK(c->read_n < c->frames_n); /* else more answers than frames */
        const uint8_t *frame = c->bytes + c->frame_at[c->read_n];
        size_t in_len = (size_t)frame[0] << 8 | frame[1],
               out_len = answer_len(frame + 2, in_len, 65535);
        if (out_len > 0) {
            want[0] = (uint8_t)(out_len >> 8);
            want[1] = (uint8_t)out_len;
            answer(frame + 2, in_len, want + 2, out_len);
            size_t n = 2 + out_len - c->read_at < len ? 2 + out_len - c->read_at : len;
            CHECK(memcmp(want + c->read_at, got, n) == 0);
            c->read_at += n;
            got += n;
            len -= n;
            if (c->read_at < 2 + out_len)
                return;
        }
        c->read_n++;
        c->read_at = 0;
    }
}

enum reading { NOTHING, SOME, END };

static enum reading client_read(struct client *c, size_t len)
{
    static uint8_t buf[TCP_FRAME_MAX];
    if (c->fd < 0)
        return NOTHING;
    ssize_t n = recv(c->fd, buf, len < sizeof buf ? len : sizeof buf, MSG_DONTWAIT);
    if (n > 0)
        client_check(c, buf, (size_t)n);
    return n > 0 ? SOME : n == 0 || (errno != EAGAIN && errno != EINTR) ? END : NOTHING;
}

static void client_half_close(struct client *c)
{
    if (c->fd >= 0 && !c->half_closed)
        (void)shutdown(c->fd, SHUT_WR); /* fails when the server was quicker */
    c->half_closed = true;
}

static void client_leave(struct client *c)
{
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
    went_away = true;
}

/* Does the n-th whole frame have an answer? */
static bool client_is_answered(const struct client *c, size_t n)
{
    const uint8_t *frame = c->bytes + c->frame_at[n];
    return answer_len(frame + 2, (size_t)frame[0] << 8 | frame[1], 65535) > 0;
}

/* Were all answers read? */
static bool client_has_all(const struct client *c)
{
    if (c->read_at > 0)
        return false;
    for (size_t i = c->read_n; i < c->frames_n; i++)
        if (client_is_answered(c, i))
            return false;
    return true;
}

/* ----------------------------------------------------------------------------------- the script */

static void ask_over_udp(void)
{
    uint8_t query[] = {6, 1, 4, 1, 5}, want[100], got[200];
    answer(query, sizeof query, want, sizeof want);
    CHECK(send(udp_client, query, sizeof query, 0) == sizeof query);
    ssize_t n = -1;
    for (int i = 0; n < 0 && i < TURNS_MAX; i++) {
        turn();
        n = recv(udp_client, got, sizeof got, MSG_DONTWAIT);
    }
    CHECK(n == sizeof want && memcmp(got, want, sizeof want) == 0);
}

static void age(size_t n) /* those longest without a query */
{
    uv_update_time(&w->loop);
    for (struct net_conn *c = w->oldest; c && n > 0; c = c->newer, n--)
        c->active_ms = uv_now(&w->loop) - w->idle_ms;
    net__tcp_sweep(w);
    check_worker();
}

static size_t amount(uint8_t what)
{
    static const size_t some[16] = {1,   2,   3,   4,    5,    7,    11,    64,
                                    511, 512, 513, 4095, 4096, 4097, 16384, SENT_MAX};
    return some[what & 15];
}

/* One operation; returns how many octets of the input it took. */
static size_t step(const uint8_t *p, size_t left)
{
    struct client *c = &clients[p[0] >> 4 & 3];
    uint8_t what = left > 1 ? p[1] : 0;
    switch (p[0] & 15) {
    case 0:
        client_open(c);
        return 1;
    case 1:
    case 2:
        client_frame(c, what);
        return 2;
    case 3: { /* octets of the input as they are */
        size_t n = what < left - 1 ? what : left - 2;
        if (left > 2)
            client_append(c, p + 2, n);
        return 2 + n;
    }
    case 4:
        for (int i = 0; i < (what >> 4) * 8; i++) /* many small ones */
            client_frame(c, (what & 15) | 0x30);
        return 2;
    case 5:
    case 6:
        client_push(c, amount(what));
        return 2;
    case 7: /* everything, at once */
        client_push(c, SENT_MAX);
        turn();
        return 1;
    case 8:
    case 9:
        turn();
        return 1;
    case 10:
        client_read(c, amount(what));
        return 2;
    case 11:
        client_half_close(c);
        return 1;
    case 12:
        client_leave(c);
        return 1;
    case 13:
        age(1 + (p[0] >> 4 & 3));
        return 1;
    case 14:
        ask_over_udp();
        return 1;
    default: /* a frame of length 0 */
        client_append(c, (const uint8_t[2]){0, 0}, 2);
        return 1;
    }
}

/* Everybody sends the rest, ends his side and reads to the end. */
static void finish_client(struct client *c)
{
    enum reading got = NOTHING;
    for (unsigned idle = 0; c->fd >= 0 && got != END; idle++) {
        CHECK(idle < TURNS_MAX); /* or somebody waits for ever */
        bool pushed = client_push(c, SENT_MAX);
        if (!pushed && (c->sent == c->len || c->lost || c->frames_n == FRAMES_MAX))
            client_half_close(c);
        turn();
        got = client_read(c, TCP_FRAME_MAX);
        if (pushed || got == SOME)
            idle = 0;
    }
}

struct totals {
    uint64_t queries, answers, framing_errors, cut, accepted;
};

static struct totals totals(void)
{
    const struct net_live_counters *n = &w->counters;
    return (struct totals){.queries = atomic_load(&n->tcp_queries),
                           .answers = atomic_load(&n->tcp_answers),
                           .framing_errors = atomic_load(&n->tcp_framing_errors),
                           .cut = atomic_load(&n->tcp_shed) + atomic_load(&n->tcp_cut_slow) +
                                  atomic_load(&n->tcp_idle_closed) +
                                  atomic_load(&n->tcp_refused_per_ip),
                           .accepted = atomic_load(&n->tcp_accepted)};
}

static void finish_all(const struct totals *before)
{
    struct totals sum = {0};
    uint64_t incomplete = 0;
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &clients[i];
        if (c->fd < 0)
            continue;
        finish_client(c);
        incomplete += !client_has_all(c);
        sum.queries += c->frames_n;
        for (size_t k = 0; k < c->frames_n; k++)
            sum.answers += client_is_answered(c, k);
        sum.framing_errors += c->lost || c->framed < c->sent;
        close(c->fd);
        c->fd = -1;
    }
    struct totals now = totals();
    uint64_t cut = now.cut - before->cut;
    CHECK(incomplete <= cut);
    if (cut > 0 || went_away)
        return;
    CHECK(now.queries - before->queries == sum.queries);
    CHECK(now.answers - before->answers == sum.answers);
    CHECK(now.framing_errors - before->framing_errors == sum.framing_errors);
}

/* The worker ends while clients are at it. Given time, what they read ends with a whole answer. */
static void stop_all(const struct totals *before, bool patient)
{
    bool ended[CLIENTS] = {false};
    net__worker_stop(w, patient ? 60000 : 0);
    for (unsigned i = 0; !w->finished; i++) {
        CHECK(i < TURNS_MAX);
        turn();
        for (int k = 0; k < CLIENTS; k++) {
            ended[k] = ended[k] || client_read(&clients[k], TCP_FRAME_MAX) == END;
            if (i > 100) /* he has begun a frame, and would be waited for */
                client_half_close(&clients[k]);
        }
    }
    bool cut = totals().cut > before->cut;
    for (int k = 0; k < CLIENTS; k++) {
        struct client *c = &clients[k];
        while (client_read(c, TCP_FRAME_MAX) == SOME)
            ;
        CHECK(c->fd < 0 || !patient || cut || c->read_at == 0);
        if (c->fd >= 0)
            close(c->fd);
        c->fd = -1;
    }
    worker_reopen();
}

static int lowest_free_fd(void)
{
    int fd = dup(udp_client);
    close(fd);
    return fd;
}

static void check_nothing_left(void)
{
    turn(); /* takes in who left before he was taken in */
    for (int i = 0; i < TURNS_MAX && w->conns > 0; i++)
        turn();
    turn(); /* handles that were closed are freed by now */
    CHECK(w->conns == 0 && !w->oldest);
    for (size_t i = 0; i <= w->peers.mask; i++)
        CHECK(!w->peers.buckets[i]);
    CHECK(w->loop.closing_handles == NULL && w->reserve_fd >= 0);
    CHECK(atomic_load(&w->counters.loop_errors) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    open_once();
    w->conns_max = 1 + (data[0] & 3);
    w->conns_per_ip_max = 1 + (data[0] >> 2 & 3);
    w->tcp_answer_max = TCP_ANSWER_USUAL;
    small_buffers = data[0] & 64;
    went_away = false;
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = (struct client){.bytes = clients[i].bytes, .fd = -1};
    int fd = lowest_free_fd();
    struct totals before = totals();
    size = size < SCRIPT_MAX ? size : SCRIPT_MAX;
    for (size_t at = 1; at < size;)
        at += step(data + at, size - at);
    if ((data[0] & 144) == 144)
        stop_all(&before, data[0] & 32);
    else
        finish_all(&before);
    check_nothing_left();
    ask_over_udp();
    CHECK(lowest_free_fd() == fd);
    return 0;
}
