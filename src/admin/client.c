#include "admin/client.h"

#include "admin/frame.h"
#include "admin/socket.h"
#include "base/clock.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_CHUNK (64u * 1024)
#define NEVER_MS INT64_MAX
#define CONNECT_WAIT_MS 1000
#define CONNECT_RETRY_MS 50

struct admin_stream {
    int fd;
    char *path;
    struct admin_frame frame;
};

static int64_t deadline_of(int64_t timeout_ms)
{
    return timeout_ms > 0 ? clock_mono_ms() + timeout_ms : NEVER_MS;
}

/* 1 ready, 0 the time is over, negative errno. */
static int wait_for(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int wait = -1;
        if (deadline_ms != NEVER_MS) {
            int64_t left = deadline_ms - clock_mono_ms();
            wait = left <= 0 ? 0 : left > 1000000 ? 1000000 : (int)left;
        }
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, wait);
        if (n > 0)
            return 1;
        if (n == 0 && deadline_ms != NEVER_MS && clock_mono_ms() >= deadline_ms)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
}

static enum err unreachable(const char *path, struct diag *diag, const char *what)
{
    return diag_error(diag, ERR_UNREACHABLE, "", "the daemon on %s does not answer: %s", path,
                      what);
}

static enum err send_all(struct admin_stream *s, const char *bytes, size_t len, int64_t deadline_ms,
                         struct diag *diag)
{
    for (size_t sent = 0; sent < len;) {
        int ready = wait_for(s->fd, POLLOUT, deadline_ms);
        if (ready <= 0)
            return unreachable(s->path, diag, ready ? strerror(-ready) : "it takes no request");
        /* Pieces, so that a socket without room never blocks past the deadline. */
        ssize_t n = send(s->fd, bytes + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            sent += (size_t)n;
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            break; /* it may have refused and said why before it closed: read that */
    }
    return ERR_OK;
}

static enum err send_line(struct admin_stream *s, const json_t *request, int64_t deadline_ms,
                          struct diag *diag)
{
    size_t len;
    char *line = admin_line(request, &len);
    if (!line)
        return diag_error(diag, ERR_NOMEM, "", "out of memory for the request");
    enum err e = send_all(s, line, len, deadline_ms, diag);
    free(line);
    return e;
}

/* ERR_OK with *line NULL: the time is over. */
static enum err read_line(struct admin_stream *s, int64_t deadline_ms, json_t **line,
                          struct diag *diag)
{
    *line = NULL;
    const char *text;
    size_t len;
    while (!admin_frame_take(&s->frame, &text, &len)) {
        int ready = wait_for(s->fd, POLLIN, deadline_ms);
        if (ready == 0)
            return ERR_OK;
        char *at;
        size_t room;
        enum err e = admin_frame_room(&s->frame, READ_CHUNK, ADMIN_LINE_MAX, &at, &room);
        if (e)
            return diag_error(diag, e, "", "the daemon's answer is too long");
        ssize_t n = ready < 0 ? -1 : recv(s->fd, at, room, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return unreachable(s->path, diag, strerror(errno));
        if (n == 0)
            return unreachable(s->path, diag, "it closed the connection");
        admin_frame_added(&s->frame, (size_t)n);
    }
    json_error_t at;
    *line = json_loadb(text, len, 0, &at);
    if (!json_is_object(*line)) {
        json_decref(*line);
        *line = NULL;
        return unreachable(s->path, diag, "what it says is not a JSON object");
    }
    return ERR_OK;
}

/* A daemon that has just taken its lock opens its socket a little later. */
static enum err connect_patiently(const char *path, int64_t deadline_ms, int *fd)
{
    int64_t until_ms = clock_mono_ms() + CONNECT_WAIT_MS;
    for (;;) {
        enum err e = admin_socket_connect(path, fd);
        int64_t now_ms = clock_mono_ms();
        if ((e != (enum err) - ENOENT && e != (enum err) - ECONNREFUSED) || now_ms >= until_ms ||
            now_ms >= deadline_ms)
            return e;
        poll(NULL, 0, CONNECT_RETRY_MS);
    }
}

static enum err ask(const char *path, const json_t *request, const char *text, size_t text_len,
                    int64_t timeout_ms, struct admin_stream **out, json_t **first,
                    struct diag *diag)
{
    *out = NULL;
    *first = NULL;
    int64_t deadline_ms = deadline_of(timeout_ms);
    struct admin_stream *s = calloc(1, sizeof *s);
    if (s)
        s->path = strdup(path);
    if (!s || !s->path) {
        free(s);
        return diag_error(diag, ERR_NOMEM, "", "out of memory");
    }
    s->fd = -1;
    enum err e = connect_patiently(path, deadline_ms, &s->fd);
    if (e)
        e = unreachable(path, diag, err_text(e));
    if (!e)
        e = send_line(s, request, deadline_ms, diag);
    if (!e)
        e = send_all(s, text, text_len, deadline_ms, diag);
    if (!e)
        e = read_line(s, deadline_ms, first, diag);
    if (!e && !*first)
        e = unreachable(path, diag, "the time is over; it may still do what was asked");
    if (e)
        admin_stream_close(&s);
    *out = s;
    return e;
}

enum err admin_stream_open(const char *path, const json_t *request, int64_t timeout_ms,
                           struct admin_stream **out, json_t **first, struct diag *diag)
{
    return ask(path, request, NULL, 0, timeout_ms, out, first, diag);
}

enum err admin_call(const char *path, const json_t *request, int64_t timeout_ms, json_t **reply,
                    struct diag *diag)
{
    struct admin_stream *s;
    enum err e = ask(path, request, NULL, 0, timeout_ms, &s, reply, diag);
    admin_stream_close(&s);
    return e;
}

enum err admin_call_with(const char *path, json_t *request, const char *text, size_t len,
                         int64_t timeout_ms, json_t **reply, struct diag *diag)
{
    struct admin_stream *s = NULL;
    *reply = NULL;
    if (json_object_set_new(request, "octets", json_integer((json_int_t)len)) != 0)
        return diag_error(diag, ERR_NOMEM, "", "out of memory for the request");
    enum err e = ask(path, request, text, len, timeout_ms, &s, reply, diag);
    admin_stream_close(&s);
    return e;
}

enum err admin_stream_next(struct admin_stream *s, int64_t timeout_ms, json_t **line,
                           struct diag *diag)
{
    return read_line(s, deadline_of(timeout_ms), line, diag);
}

void admin_stream_close(struct admin_stream **stream)
{
    struct admin_stream *s = *stream;
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    admin_frame_fini(&s->frame);
    free(s->path);
    free(s);
    *stream = NULL;
}
