/* harness: a server under test in this process, and clients on loopback.
 * Behaviour of the server, by the first byte of a query:
 *   'N'  no answer
 *   'B'  an answer of the length in bytes 1 and 2, each byte the same as byte 3
 *   'H'  waits until the test sets `released`; `holding` says that it waits
 *   'S'  slow: a millisecond, then as below
 *   else the query itself (cut at out_cap) */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "net/server.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 10000 /* a bound on hanging, not a measurement */

struct seen { /* what the callback saw; the worker writes */
    _Atomic size_t batches, messages, batch_max, in_len_max, tcp;
    _Atomic size_t tcp_before_udp; /* tcp, when the last datagram's turn came */
    _Atomic bool signals_open;     /* a signal could reach a worker */
    _Atomic bool holding, released;
};

struct bed {
    struct net_config config;
    struct net_server *server;
    struct seen seen[4];
    uint16_t port;
};

/* Fills in callback, contexts and, when nothing is set, one worker on 127.0.0.1:0. */
void bed_prepare(struct bed *b);
void bed_create(struct bed *b); /* prepares too; fails the test */
void bed_start(struct bed *b);  /* creates and starts */
void bed_stop(struct bed *b);   /* stop, check that the counters add up, destroy */
struct net_counters bed_counters(const struct bed *b);
/* Waits until a counter (by offset) is at least n; false after WAIT_MS. */
bool bed_reaches(const struct bed *b, size_t offset, uint64_t n);
#define BED_REACHES(b, counter, n) bed_reaches((b), offsetof(struct net_counters, counter), (n))

/* type SOCK_DGRAM or SOCK_STREAM, connected to address and port. from may be NULL. -1: errno. */
int client(const char *address, uint16_t port, int type, const char *from);
/* Waits at most ms for something to read. */
bool readable(int fd, int ms);
/* UDP: one datagram. */
ssize_t take(int fd, void *buf, size_t cap);
/* TCP: exactly len bytes; false at the end of the stream or after WAIT_MS. */
bool take_exactly(int fd, void *buf, size_t len);
/* The peer closes without another byte (a reset counts). */
bool has_arrived(int fd); /* all that was sent: the other side's kernel has it */
bool is_closed(int fd);
/* Writes a frame with its length; returns its size. */
size_t frame(uint8_t *to, const void *message, size_t len);
void send_frame(int fd, const void *message, size_t len);
/* One frame with exactly this text comes. */
bool take_frame(int fd, const char *text);

/* For what would harm the test's own process: runs body in a fork; its exit code 0 passes, 77
 * skips. In the body use MUST instead of assertions. */
int in_child(void (*body)(void));
#define MUST(expr)                                                                                 \
    do {                                                                                           \
        if (!(expr)) {                                                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #expr);                     \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)
/* From now on this system call fails with error in this process; if first_arg is not -1, only when
 * its first argument is that. */
bool deny_syscall(long number, long first_arg, int error);
