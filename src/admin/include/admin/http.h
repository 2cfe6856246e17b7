/* admin/http: a small HTTP side (RFC 9110, 9112) on the control thread's loop, by libmicrohttpd
 * without a thread of its own.
 * Shape     two questions to the caller. `admit` comes with method, path and bearer token, before
 *           the body is read: it answers with a status to refuse, 0 to go on. `handle` comes with
 *           the body, parsed as a JSON object, and answers. Both answer at once.
 * Body      one JSON object of at most ADMIN_HTTP_BODY_MAX octets; more is 413, or the end of the
 *           connection where the length was not told; anything else is 400 with a sentence.
 * Owns      its socket, connections and handles. Lifetime: start to stop; memory goes when the loop
 *           has closed the handles.
 * Threads   [control] only. The process must ignore SIGPIPE.
 * Limits    ADMIN_HTTP_CLIENTS_MAX connections, ADMIN_HTTP_IDLE_S without a word.
 * Errors    start says why the address cannot be used. */
#pragma once

#include "admin/protocol.h"
#include "base/addr.h"
#include <uv.h>

#define ADMIN_HTTP_BODY_MAX (64u * 1024)
#define ADMIN_HTTP_CLIENTS_MAX 64
#define ADMIN_HTTP_IDLE_S 15

struct admin_http_request {
    const char *method, *path;
    const char *token; /* NULL: no bearer token came along */
    json_t *body;      /* of handle only; borrowed */
};
/* An HTTP status, with a new *answer: an object. */
typedef unsigned admin_http_fn(void *ctx, const struct admin_http_request *r, json_t **answer);

struct admin_http_config {
    struct hostport address;
    admin_http_fn *admit, *handle;
    void *ctx;
};
struct admin_http;
enum err admin_http_start(uv_loop_t *loop, const struct admin_http_config *config,
                          struct admin_http **out, struct diag *diag) WARN_UNUSED;
void admin_http_stop(struct admin_http **h); /* NULL left behind; NULL accepted */
