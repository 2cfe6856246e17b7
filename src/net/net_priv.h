/* net_priv: what the files of the room share.
 * Threads   everything in a worker belongs to its thread once it runs, but for three things: `stop`
 *           and `drain_ms` (control writes, worker reads) and `counters` (worker writes, anybody
 *           reads), all C11 atomics. libuv's async handle is a doorbell only. */
#pragma once

#include "net/server.h"

#include "base/err.h"
#include <netinet/in.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <uv.h>

#define NET_ADDRESS_MAX (2 * NET_LISTEN_MAX) /* "every address" is an IPv4 and an IPv6 one */
#define NET_CACHE_LINE 64

/* One row a counter: the live ones and their sum come from here. */
/* clang-format off */
#define NET_COUNTERS(X)     \
    X(udp_received)         \
    X(udp_sent)             \
    X(udp_send_failed)      \
    X(udp_no_answer)        \
    X(udp_batches)          \
    X(tcp_accepted)         \
    X(tcp_closed)           \
    X(tcp_idle_closed)      \
    X(tcp_shed)             \
    X(tcp_refused_per_ip)   \
    X(tcp_cut_slow)         \
    X(tcp_queries)          \
    X(tcp_answers)          \
    X(tcp_framing_errors)   \
    X(tcp_open)             \
    X(loop_errors)
/* clang-format on */

struct net_live_counters {
#define X(name) _Atomic uint64_t name;
    NET_COUNTERS(X)
#undef X
};

/* Single writer: no locked instruction. */
static inline void net__count(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t v = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, v + n, memory_order_relaxed);
}

struct net_address {
    struct hostport at;
    bool wildcard; /* the address that was asked is known from control messages only */
    bool optional; /* the IPv6 half of "every address": a host without IPv6 goes on */
};

struct net_worker;
struct udp_lane;

struct net_listener {
    uv_poll_t poll;
    struct net_worker *worker;
    struct udp_lane *lane; /* UDP only */
    int fd;
    bool tcp;
    bool paused; /* taken out of the loop after an error, until the next sweep */
    bool busy;   /* UDP: looked at in each turn of the loop, which does not wait for it */
};

/* How many connections a client address has. */
struct net_peer {
    struct net_peer *next;
    struct ip network; /* IPv4 address, or IPv6 /64 */
    unsigned conns;
};

struct net_peers {
    uint8_t key[16];
    struct net_peer **buckets;
    size_t mask;
};

struct net_conn {
    uv_poll_t poll;
    struct net_worker *worker;
    struct net_conn *older, *newer; /* by the last complete query */
    struct net_peer *peer;
    uint64_t active_ms; /* last complete query, or accept */
    uint8_t *in;        /* bytes not answered yet; NULL when there are none */
    uint8_t *out;       /* bytes not written yet; NULL when there are none */
    size_t in_len, in_cap, out_off, out_len;
    struct ip source;
    int fd, events;
    uint16_t source_port;
    bool doomed; /* framing is lost: write what there is, then close */
    bool more;   /* the last read filled the buffer */
};

#define TCP_FRAME_MAX (2 + 65535)
#define TCP_ANSWER_USUAL (NET_TCP_QUEUE_BYTES / NET_BATCH)
#define TCP_READ_BYTES 4096 /* one wake of one connection: about a hundred queries */

struct tcp_slot { /* an odd number of cache lines, so that slots do not share a set */
    alignas(NET_CACHE_LINE) uint8_t length_be[2];
    uint8_t bytes[65535];
};

struct tcp_scratch {
    struct net_message messages[NET_BATCH];
    struct iovec iov[NET_BATCH];
    uint8_t read[TCP_READ_BYTES];
    struct tcp_slot out[NET_BATCH];
};

struct net_worker {
    alignas(NET_CACHE_LINE) struct net_live_counters counters;
    alignas(NET_CACHE_LINE) _Atomic bool stop;
    _Atomic unsigned drain_ms;
    /* From here on the worker's own. */
    alignas(NET_CACHE_LINE) net_batch_fn batch;
    void *batch_ctx;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t sweep; /* runs while there are connections, paused listeners, or no reserve */
    uv_timer_t drain_end;
    uv_idle_t busy; /* runs while a listener is busy */
    struct net_listener *listeners;
    size_t listeners_n;
    struct udp_lane *lanes[2][2]; /* [IPv6][wildcard], made when needed */
    uint8_t *udp_bytes;           /* slots shared by the lanes */
    struct tcp_scratch *tcp;
    struct net_peers peers;
    struct net_conn *oldest, *newest;
    size_t conns, conns_max, conns_per_ip_max;
    uint64_t idle_ms;
    size_t tcp_answer_max; /* the longest so far, with its length */
    uint64_t udp_turn_ns;  /* when net__udp_turn last looked */
    int reserve_fd;        /* given up when accept meets EMFILE, until the next sweep */
    bool draining, finished;
    unsigned index;
    pthread_t thread;
};

/* bind.c */
enum err net__addresses_resolve(const struct net_config *config,
                                struct net_address out[NET_ADDRESS_MAX], size_t *n,
                                struct diag *diag) WARN_UNUSED;
enum err net__udp_open(const struct net_address *a, unsigned rcvbuf_bytes, int *fd,
                       struct diag *diag) WARN_UNUSED;
enum err net__tcp_open(const struct net_address *a, int *fd, struct diag *diag) WARN_UNUSED;

/* udp.c */
struct udp_lane *net__udp_lane_create(uint8_t *bytes, bool v6, bool wildcard);
uint8_t *net__udp_bytes_create(void);
void net__udp_on_poll(uv_poll_t *poll, int status, int events);
void net__udp_on_busy(uv_idle_t *busy);       /* the worker's data */
void net__udp_turn(struct net_worker *w);     /* called after each step of TCP work */
void net__udp_finish(struct net_listener *l); /* answers what the kernel has queued */

/* tcp.c */
void net__tcp_on_poll(uv_poll_t *poll, int status, int events);
void net__tcp_accept_all(struct net_listener *l);
void net__tcp_sweep(struct net_worker *w);
void net__tcp_drain(struct net_worker *w);     /* closes idle connections, the rest when idle */
void net__tcp_close_all(struct net_worker *w); /* at once */
void net__tcp_lru_touch(struct net_conn *c);
void net__tcp_forget(struct net_conn *c); /* out of the list and the counts */

/* conn.c */
enum err net__conn_open(struct net_worker *w, int fd, const struct sockaddr_storage *from,
                        struct net_conn **out) WARN_UNUSED;
void net__conn_close(struct net_conn *c);
void net__conn_drain(struct net_conn *c);

/* peers.c */
enum err net__peers_init(struct net_peers *p, size_t conns_max) WARN_UNUSED;
void net__peers_fini(struct net_peers *p);
/* One connection more from ip. NULL: at its limit (*limited) or out of memory. */
struct net_peer *net__peers_take(struct net_peers *p, const struct ip *ip, size_t limit,
                                 bool *limited);
void net__peers_release(struct net_peers *p, struct net_peer *peer);

/* worker.c */
enum err net__worker_create(unsigned index, const struct net_config *config,
                            const struct net_address *addresses, size_t n, struct net_worker **out,
                            struct diag *diag) WARN_UNUSED;
enum err net__worker_start(struct net_worker *w) WARN_UNUSED;
/* The parts of start and join that need no thread: who opens the loop himself also runs it. */
enum err net__worker_loop_open(struct net_worker *w) WARN_UNUSED;
void net__worker_loop_close(struct net_worker *w);
void net__worker_stop(struct net_worker *w, unsigned drain_ms); /* asks; does not wait */
void net__worker_join(struct net_worker *w);
void net__worker_destroy(struct net_worker *w);
void net__worker_sweep_soon(struct net_worker *w);
void net__worker_maybe_finish(struct net_worker *w);
/* After an error: out of the loop until the next sweep, so that it cannot spin. */
void net__listener_pause(struct net_listener *l);
void net__listener_close(struct net_listener *l);
