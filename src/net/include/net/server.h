/* net/server: worker threads with sockets; bytes in, bytes out. No DNS beyond two-octet framing.
 * Threads   N workers, a libuv loop each, with own UDP and TCP sockets per listen address
 *           (SO_REUSEPORT). The control thread creates, starts, stops and reads counters.
 * UDP       uv_poll_t on own sockets, recvmmsg and sendmmsg of NET_BATCH; the answer leaves from
 *           the address that was asked (IP_PKTINFO, IPV6_PKTINFO) on wildcard sockets. IPv4 and
 *           IPv6 are separate sockets (IPV6_V6ONLY). No path MTU state (IP_PMTUDISC_OMIT).
 * TCP       two-octet length framing (RFC 7766 §8), pipelining, the answers of a batch in one
 *           write. Idle time counts from the last complete query, so that dripping bytes hold
 *           nothing. When full, the connection longest without a query makes room: a newcomer is
 *           always taken. A peer that does not read its answers is not read from either, holds
 *           about NET_TCP_QUEUE_BYTES, and is cut when its idle time is over. TCP cannot keep UDP
 *           waiting: it works in steps of at most 4 KiB of queries, and datagrams have a turn in
 *           between.
 * Batch     the callback gets a whole batch and fills in the answers: everything in one batch is
 *           answered from one world.
 * Limits    are shared out: a worker has 1/N of them, rounded up. IPv6 clients count by /64.
 * Errors    create says which address cannot be bound and why; that another program has the port is
 *           an error, another server of the same user too, which SO_REUSEPORT would hide. Once it
 *           runs, no socket error ends a worker: it is counted in loop_errors.
 * Port 0    the kernel chooses one port, the same for UDP, TCP, IPv4, IPv6 and all workers. */
#pragma once

#include "base/addr.h"
#include "base/diag.h"

#define NET_BATCH 64
#define NET_UDP_IN_MAX 2048
#define NET_UDP_OUT_MAX 1232
#define NET_TCP_QUEUE_BYTES (256u * 1024)
#define NET_TCP_IDLE_MS 10000
#define NET_LISTEN_MAX 64
#define NET_WORKERS_MAX 64

struct net_message {
    const uint8_t *in;
    size_t in_len; /* a longer datagram than NET_UDP_IN_MAX is cut at it */
    struct ip source;
    uint16_t source_port;
    bool tcp;
    uint8_t *out;   /* room for the answer */
    size_t out_cap; /* NET_UDP_OUT_MAX, or 65535 over TCP */
    size_t out_len; /* filled in by the callback; 0: no answer */
};

/* [worker] Fills out and out_len of each message; changes nothing else. ctx is the worker's own.
 * n is 1 to NET_BATCH; all messages came by the same protocol. */
typedef void (*net_batch_fn)(void *ctx, struct net_message *messages, size_t n);

struct net_config {
    struct hostport listen[NET_LISTEN_MAX]; /* ip.family 0: every address, IPv4 and IPv6 */
    size_t listen_n;
    unsigned workers;
    unsigned tcp_clients_max;        /* over all workers; 0: 1000 */
    unsigned tcp_clients_per_ip_max; /* over all workers; 0: 100 */
    unsigned tcp_idle_ms;            /* 0: NET_TCP_IDLE_MS */
    unsigned udp_rcvbuf_bytes;       /* 0: 4 MiB */
    net_batch_fn batch;
    void *batch_ctx[NET_WORKERS_MAX];
};

/* Summed over the workers by the reader. Each received datagram is in exactly one of udp_sent,
 * udp_send_failed and udp_no_answer; tcp_accepted = tcp_closed + tcp_open; idle_closed, shed and
 * cut_slow are among the closed, refused_per_ip are not among the accepted. */
struct net_counters {
    uint64_t udp_received, udp_sent, udp_send_failed, udp_no_answer, udp_batches;
    uint64_t tcp_accepted, tcp_closed, tcp_idle_closed, tcp_shed, tcp_refused_per_ip, tcp_cut_slow;
    uint64_t tcp_queries, tcp_answers, tcp_framing_errors;
    uint64_t tcp_open;    /* now */
    uint64_t loop_errors; /* socket errors that were survived */
};

struct net_server;

/* Binds everything; no thread runs yet. On failure nothing is left bound. */
enum err net_server_create(const struct net_config *config, struct net_server **out,
                           struct diag *diag) WARN_UNUSED;
enum err net_server_start(struct net_server *s) WARN_UNUSED;
/* [control] What the kernel has queued is answered, then nothing new is taken; idle TCP connections
 * close at once, others when idle or after drain_ms. Joins the threads. Counters stay readable. A
 * stopped server does not start again. */
void net_server_stop(struct net_server *s, unsigned drain_ms);
void net_server_destroy(struct net_server **s);
void net_server_counters(const struct net_server *s, struct net_counters *out);
/* The addresses that are bound, for the start line; "every address" is 0.0.0.0 and [::]. */
size_t net_server_addresses(const struct net_server *s, struct hostport *out, size_t cap);
