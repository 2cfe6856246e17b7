/* admin/client: the command's side of the control socket; blocking.
 * Owns      struct admin_stream: the connection. Replies are new references.
 * Threads   any one at a time.
 * Units     timeouts in milliseconds for the whole call; 0: none.
 * Patience  a socket that is not there yet is tried for a second: daemons take their lock first.
 * Errors    ERR_UNREACHABLE: nobody answers, the connection broke, or the time is over. A refusal
 * by the daemon is ERR_OK with "ok":false in the reply: its code and sentence are the daemon's. */
#pragma once

#include "admin/protocol.h"

enum err admin_call(const char *path, const json_t *request, int64_t timeout_ms, json_t **reply,
                    struct diag *diag) WARN_UNUSED;

/* The same, with a text that follows the request, which gets its "octets". */
enum err admin_call_with(const char *path, json_t *request, const char *text, size_t len,
                         int64_t timeout_ms, json_t **reply, struct diag *diag) WARN_UNUSED;

struct admin_stream;
/* Sends the request; *first is the daemon's first line: with "ok":false there is no stream. */
enum err admin_stream_open(const char *path, const json_t *request, int64_t timeout_ms,
                           struct admin_stream **out, json_t **first,
                           struct diag *diag) WARN_UNUSED;
/* Waits for the next line; timeout_ms 0 means for ever. *line NULL with ERR_OK: nothing in that
 * time. */
enum err admin_stream_next(struct admin_stream *s, int64_t timeout_ms, json_t **line,
                           struct diag *diag) WARN_UNUSED;
void admin_stream_close(struct admin_stream **s); /* NULL left behind; NULL accepted */
