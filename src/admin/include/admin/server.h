/* admin/server: the daemon's side of the control socket, on the control thread's loop.
 * Shape     a table of operations; each gets a request and answers it once, now or later.
 * Request   admin_reply, admin_refuse or (after admin_stream_begin) admin_stream_end takes it
 *           away: exactly one of them, once. A client that vanished meanwhile changes nothing for
 *           the handler: the answer is dropped.
 * Streams   admin_stream sends one more line; when the client goes, `gone` is called from the loop
 *           (never from inside admin_stream) and the request is no more.
 * Order     one request of a connection at a time: answers come in order, a client that sends
 *           faster than it is answered is not read meanwhile.
 * Owns      its handles and clients. Lifetime: start to stop; memory goes when the loop has closed
 *           the handles. Requests under way survive stop; their answers are dropped.
 * Threads   [control] only, all of it. The process must ignore SIGPIPE (libuv writes without
 *           MSG_NOSIGNAL).
 * Limits    ADMIN_CLIENTS_MAX connections, ADMIN_LINE_MAX a request, ADMIN_BUFFERED_MAX of
 *           unfinished lines in all, ADMIN_TEXT_MAX of the texts that follow them, in all, while
 *           they come; ADMIN_QUEUE_MAX unsent answers before a slow reader is cut.
 * Errors    start says why the path cannot be used. */
#pragma once

#include "admin/lock.h"
#include "admin/protocol.h"
#include <uv.h>

#define ADMIN_CLIENTS_MAX 64
#define ADMIN_BUFFERED_MAX (128u * 1024 * 1024)
#define ADMIN_QUEUE_MAX (1024u * 1024)

struct admin_request {
    json_t *body;     /* borrowed until the request is answered, as is text */
    const char *text; /* what followed the request; NULL: nothing */
    size_t text_len;
    const char *op; /* points into body */
    void *user;     /* the handler's own */
};

typedef void admin_handler(void *ctx, struct admin_request *r);
struct admin_op {
    const char *name;
    admin_handler *run;
};

struct admin_server;
struct admin_server_config {
    const char *path;              /* of the socket */
    const struct admin_lock *lock; /* proof that a socket file left there is ours to replace */
    const struct admin_op *ops;    /* borrowed for the server's lifetime */
    size_t ops_n;
    void *ctx; /* for the handlers */
};
enum err admin_server_start(uv_loop_t *loop, const struct admin_server_config *config,
                            struct admin_server **out, struct diag *diag) WARN_UNUSED;
void admin_server_stop(struct admin_server **s); /* removes the socket file; NULL left behind */

struct admin_server_counts {
    uint64_t accepted, refused_full, cut_slow, cut_long, requests;
    unsigned clients;
};
struct admin_server_counts admin_server_counts(const struct admin_server *s);

/* Takes answer (an object; NULL means an empty one) and adds "ok":true. */
void admin_reply(struct admin_request *r, json_t *answer);
/* Takes findings, which may be NULL. */
void admin_refuse(struct admin_request *r, enum admin_code code, const char *error,
                  json_t *findings);
/* The code of e, the first error of diag as the sentence, all its findings. */
void admin_refuse_diag(struct admin_request *r, enum err e, const struct diag *diag);

/* Sends {"ok":true}; from here on the request is a stream. */
void admin_stream_begin(struct admin_request *r, void (*gone)(void *arg), void *arg);
void admin_stream(struct admin_request *r, json_t *line); /* takes line */
/* Whoever has more to send than ADMIN_QUEUE_MAX looks how much waits, and goes on when `drained` is
 * called (from the loop, never from inside admin_stream): what was sent is on its way. */
size_t admin_stream_queued(const struct admin_request *r);
void admin_stream_on_drained(struct admin_request *r, void (*drained)(void *arg), void *arg);
void admin_stream_end(struct admin_request *r); /* closes the connection; gone is not called */
