/* harness: a loop with a runner on it, and small servers that misbehave on demand. Everything is
 * in one process and one thread; harness_close checks that no handle and no descriptor is left. */
#pragma once

#include "probe/runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define GUARD_MS 20000 /* nothing here takes that long: a test that does has hung */
#define REQUEST_BYTES 4096
#define PEERS_MAX 64

struct script {        /* what a server does with a connection */
    const char *reply; /* NULL: nothing */
    size_t reply_len;  /* 0: strlen */
    unsigned repeat;   /* the reply is written so many times; 0: once */
    bool at_once;      /* without waiting for a request */
    bool close;        /* after the reply, or after the request without one */
    bool reset;        /* close with RST */
    unsigned drip_ms;  /* one byte of the reply every so often */
};

struct server;
struct peer {
    uv_tcp_t socket;
    uv_timer_t drip;
    struct server *server;
    const struct script *script;
    size_t sent;
    unsigned open; /* handles */
    char buf[REQUEST_BYTES];
};
struct server {
    uv_tcp_t listener;
    uint16_t port;
    const struct script *script; /* connection i gets script i, the last one all further */
    unsigned scripts, connections;
    char request[REQUEST_BYTES]; /* of the last connection */
    size_t request_len;
    struct peer *peer[PEERS_MAX];
    bool closed;
};

struct harness {
    uv_loop_t loop;
    struct probe_runner *runner;
    uv_timer_t guard;
    bool closed;
    int fds;
    struct probe_result last;
    unsigned results;
    unsigned want; /* the loop stops at so many results */
};

void harness_open(struct harness *h, const char *ca_file, uint32_t concurrency);
void harness_close_runner(struct harness *h); /* before the rest, and waits for it */
void harness_close(struct harness *h);
int harness_warm(void **state); /* group setup: what libraries open once is not a leak */
void harness_run_ms(struct harness *h, unsigned ms);
void harness_run_results(struct harness *h, unsigned want);
/* One probe outside the schedule, run to its end. */
struct probe_result harness_probe(struct harness *h, const struct model_probe *p,
                                  const char *address, const char *service);
int fds_open(void);

void server_open(struct harness *h, struct server *s, const char *address,
                 const struct script *script, unsigned scripts);
void server_close(struct harness *h, struct server *s);
/* Writes to everybody connected. */
void peer_all_reply(struct server *s, const char *text);
/* A port on which nobody listens. */
uint16_t port_unused(int type);

/* Probes with what the model would fill in. */
struct model_probe probe_defaults(enum model_probe_type type, uint16_t port);
