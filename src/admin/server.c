#include "server_priv.h"

#include "admin/socket.h"
#include "base/check.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A connection:
 *
 *            line            answer                 more lines
 *   READING ------> UNDER WAY ------> (pump again) ------------> …
 *      |                |  stream_begin
 *      | EOF            +------------> STREAMING --- EOF, or too slow ---> CLOSING
 *      +--> CLOSING     | EOF: remembered; closes after the answer
 *
 * While a request is under way nothing is read, so a client can hold one request and one buffer.
 * Between READING and UNDER WAY lies COMING where a text follows the line: it is read straight into
 * its place, and the request runs once it is whole. */

#define READ_CHUNK (64u * 1024)
#define TEXT_CHUNK (256u * 1024) /* a socket's buffer holds less */

static void pump(struct client *c);

static void server_release(struct admin_server *s)
{
    if (--s->handles > 0)
        return;
    free(s->path);
    free(s);
}

static void on_client_closed(uv_handle_t *h)
{
    struct client *c = h->data;
    struct request *q = c->request;
    if (q) {
        q->client = NULL;
        if (q->streaming) { /* a stream without a reader is over */
            if (q->gone)
                q->gone(q->gone_arg);
            admin__request_free(q);
        }
    }
    admin__request_free(c->coming.request);
    admin_frame_fini(&c->frame);
    server_release(c->server);
    free(c);
}

void admin__client_close(struct client *c)
{
    if (c->closing)
        return;
    c->closing = true;
    struct admin_server *s = c->server;
    s->buffered -= c->buffered;
    s->texts -= c->coming.got;
    s->counts.clients--;
    if (c->prev)
        c->prev->next = c->next;
    else
        s->clients = c->next;
    if (c->next)
        c->next->prev = c->prev;
    uv_close((uv_handle_t *)&c->pipe, on_client_closed);
}

struct answer {
    uv_write_t write;
    char *line;
};

static void on_written(uv_write_t *w, int status)
{
    struct answer *a = w->data;
    struct client *c = w->handle->data;
    free(a->line);
    free(a);
    if (status < 0)
        admin__client_close(c);
    else if (uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) > 0)
        return;
    else if (c->eof && !c->request)
        admin__client_close(c);
    else if (!c->closing && c->request && c->request->drained)
        c->request->drained(c->request->drained_arg);
}

void admin__client_send(struct client *c, const json_t *message)
{
    if (c->closing)
        return;
    uv_stream_t *stream = (uv_stream_t *)&c->pipe;
    /* One answer may be larger than the limit; who leaves earlier ones unread is cut. */
    if (uv_stream_get_write_queue_size(stream) > ADMIN_QUEUE_MAX) {
        c->server->counts.cut_slow++;
        admin__client_close(c);
        return;
    }
    struct answer *a = calloc(1, sizeof *a);
    size_t len = 0;
    if (a)
        a->line = admin_line(message, &len);
    if (!a || !a->line) {
        free(a);
        admin__client_close(c);
        return;
    }
    a->write.data = a;
    uv_buf_t buf = uv_buf_init(a->line, (unsigned)len);
    if (uv_write(&a->write, stream, &buf, 1, on_written) != 0) {
        free(a->line);
        free(a);
        admin__client_close(c);
    }
}

static void refuse_line(struct client *c, enum admin_code code, const char *error)
{
    json_t *j = admin_refusal(code, error, NULL);
    admin__client_send(c, j);
    json_decref(j);
}

static const struct admin_op *find_op(const struct admin_server *s, const char *name)
{
    for (size_t i = 0; i < s->ops_n; i++)
        if (strcmp(s->ops[i].name, name) == 0)
            return &s->ops[i];
    return NULL;
}

/* Afterwards nobody knows where the next line begins. */
static void refuse_and_close(struct client *c, enum admin_code code, const char *error)
{
    refuse_line(c, code, error);
    admin__client_close(c);
}

static void run(struct client *c, struct request *q, const struct admin_op *op)
{
    c->request = q;
    op->run(c->server->ctx, &q->pub);
}

/* The line's "octets": the request waits for them. False: it was refused. */
static bool await_text(struct client *c, struct request *q, const struct admin_op *op,
                       const json_t *octets)
{
    json_int_t n = json_integer_value(octets);
    if (!json_is_integer(octets) || n < 0 || n > ADMIN_TEXT_MAX) {
        refuse_and_close(c, ADMIN_USAGE, "octets is the length of what follows, 1 GiB at most");
        return false;
    }
    q->text = malloc((size_t)n + 1);
    if (!q->text) {
        refuse_and_close(c, ADMIN_REFUSED, "out of memory for what follows");
        return false;
    }
    q->pub.text = q->text;
    q->pub.text_len = (size_t)n;
    c->coming.request = q;
    c->coming.op = op;
    c->coming.got = 0;
    return true;
}

static void text_came(struct client *c, size_t n)
{
    struct admin_server *s = c->server;
    c->coming.got += n;
    s->texts += n;
    if (s->texts > ADMIN_TEXT_MAX)
        refuse_and_close(c, ADMIN_REFUSED, "too much is on its way: try again later");
}

/* Runs the request whose text is whole by now; else there is more to wait for. */
static bool run_if_whole(struct client *c)
{
    struct request *q = c->coming.request;
    text_came(c, admin_frame_take_raw(&c->frame, q->text + c->coming.got,
                                      q->pub.text_len - c->coming.got));
    if (c->closing || c->coming.got < q->pub.text_len)
        return false;
    q->text[q->pub.text_len] = '\0';
    c->server->texts -= c->coming.got;
    c->coming.request = NULL;
    c->coming.got = 0;
    run(c, q, c->coming.op);
    return true;
}

static void dispatch(struct client *c, const char *line, size_t len)
{
    struct admin_server *s = c->server;
    s->counts.requests++;
    struct diag diag = {0};
    json_t *body;
    const char *name;
    char sentence[512];
    if (admin_request_parse(line, len, &body, &name, &diag) != ERR_OK) {
        refuse_line(c, ADMIN_USAGE, diag_first(&diag, sentence, sizeof sentence));
        if (memmem(line, len, "\"octets\"", 8)) /* of what nobody can tell how long it is */
            admin__client_close(c);
        diag_fini(&diag);
        return;
    }
    const struct admin_op *op = find_op(s, name);
    struct request *q = op ? calloc(1, sizeof *q) : NULL;
    if (!q) {
        snprintf(sentence, sizeof sentence,
                 op ? "out of memory"
                    : "no operation is called \"%.64s\": docs/control.md lists them",
                 name);
        refuse_line(c, op ? ADMIN_REFUSED : ADMIN_USAGE, sentence);
        if (json_object_get(body, "octets"))
            admin__client_close(c);
        json_decref(body);
        return;
    }
    q->pub.body = body;
    q->pub.op = name;
    q->client = c;
    const json_t *octets = json_object_get(body, "octets");
    if (!octets)
        run(c, q, op);
    else if (!await_text(c, q, op, octets))
        admin__request_free(q);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct client *c = h->data;
    char *at = NULL;
    size_t room = 0;
    if (c->coming.request) { /* the frame is empty: run_if_whole took all of it */
        size_t left = c->coming.request->pub.text_len - c->coming.got;
        *buf = uv_buf_init(c->coming.request->text + c->coming.got,
                           left < TEXT_CHUNK ? (unsigned)left : TEXT_CHUNK);
        return;
    }
    enum err e = admin_frame_room(&c->frame, READ_CHUNK, ADMIN_LINE_MAX, &at, &room);
    c->server->buffered += c->frame.cap - c->buffered;
    c->buffered = c->frame.cap;
    if (e || c->server->buffered > ADMIN_BUFFERED_MAX)
        room = 0; /* on_read gets UV_ENOBUFS */
    *buf = uv_buf_init(at, (unsigned)room);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct client *c = stream->data;
    if (n == UV_ENOBUFS) {
        c->server->counts.cut_long++;
        refuse_line(c, ADMIN_REFUSED, "the request is too long: 64 MiB is the most");
        admin__client_close(c);
    } else if (n == UV_EOF && !(c->request && c->request->streaming)) {
        c->eof = true;
        uv_read_stop(stream);
        c->reading = false;
        if (uv_stream_get_write_queue_size(stream) == 0)
            admin__client_close(c);
    } else if (n < 0) {
        admin__client_close(c);
    } else if (c->coming.request) {
        text_came(c, (size_t)n);
        pump(c);
    } else if (c->request) {
        c->frame.len = c->frame.taken = c->frame.scanned =
            0; /* talk into a stream: not listened to */
    } else if (n > 0) {
        admin_frame_added(&c->frame, (size_t)n);
        pump(c);
    }
}

static void set_reading(struct client *c, bool on)
{
    if (c->closing || c->eof || c->reading == on)
        return;
    c->reading = on;
    if (!on)
        uv_read_stop((uv_stream_t *)&c->pipe);
    else if (uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0)
        admin__client_close(c);
}

/* Runs what has arrived, one request at a time, until one is answered later. */
static void pump(struct client *c)
{
    if (c->pumping)
        return;
    c->pumping = true;
    const char *line;
    size_t len;
    while (!c->closing && !c->request) {
        if (c->coming.request) {
            if (!run_if_whole(c))
                break;
        } else if (!admin_frame_take(&c->frame, &line, &len)) {
            break;
        } else if (len > 0) {
            dispatch(c, line, len);
        }
    }
    c->pumping = false;
    if (!c->closing && c->frame.taken == c->frame.len && c->frame.cap > 2 * READ_CHUNK) {
        admin_frame_fini(&c->frame); /* a large document is not kept for the next ping */
        c->server->buffered -= c->buffered;
        c->buffered = 0;
    }
    /* A streaming client is read, to see that it goes. */
    set_reading(c, !c->request || c->request->streaming);
}

void admin__client_turn(struct client *c)
{
    pump(c);
}

static void on_refused_closed(uv_handle_t *h)
{
    struct client *c = h->data;
    server_release(c->server);
    free(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct admin_server *s = listener->data;
    if (status < 0)
        return;
    struct client *c = calloc(1, sizeof *c);
    if (!c)
        return; /* libuv asks again with the next connection */
    c->server = s;
    c->pipe.data = c;
    uv_pipe_init(s->loop, &c->pipe, 0);
    c->pipe.data = c;
    s->handles++;
    bool full = s->counts.clients >= ADMIN_CLIENTS_MAX;
    if (uv_accept(listener, (uv_stream_t *)&c->pipe) != 0 || full) {
        if (full) {
            static const char line[] =
                "{\"ok\":false,\"code\":1,\"error\":\"too many connections to "
                "the control socket: 64 is the most\",\"findings\":[]}\n";
            uv_buf_t buf = uv_buf_init((char *)line, sizeof line - 1);
            if (uv_try_write((uv_stream_t *)&c->pipe, &buf, 1) >= 0)
                s->counts.refused_full++;
        }
        uv_close((uv_handle_t *)&c->pipe, on_refused_closed);
        return;
    }
    s->counts.accepted++;
    s->counts.clients++;
    c->next = s->clients;
    if (s->clients)
        s->clients->prev = c;
    s->clients = c;
    set_reading(c, true);
}

static void on_listener_closed(uv_handle_t *h)
{
    server_release(h->data);
}

static const char *bind_sentence(enum err e)
{
    if (e == ERR_EXISTS)
        return "another process answers on this socket";
    if (e == (enum err) - ENOTSOCK)
        return "is there and not a socket: choose another path with the setting `control`";
    return err_text(e);
}

enum err admin_server_start(uv_loop_t *loop, const struct admin_server_config *config,
                            struct admin_server **out, struct diag *diag)
{
    CHECK(config->lock);
    int fd = -1;
    enum err e = admin_socket_bind(config->path, &fd);
    if (e)
        return diag_error(diag, e, config->path, "the control socket cannot be made: %s",
                          bind_sentence(e));
    struct admin_server *s = calloc(1, sizeof *s);
    if (s)
        s->path = strdup(config->path);
    if (!s || !s->path) {
        free(s);
        close(fd);
        unlink(config->path);
        return diag_error(diag, ERR_NOMEM, config->path, "out of memory");
    }
    s->loop = loop;
    s->ops = config->ops;
    s->ops_n = config->ops_n;
    s->ctx = config->ctx;
    uv_pipe_init(loop, &s->listener, 0);
    s->listener.data = s;
    s->handles = 1;
    int rc = uv_pipe_open(&s->listener, fd);
    if (rc != 0)
        close(fd);
    else
        rc = uv_listen((uv_stream_t *)&s->listener, 64, on_connection);
    if (rc != 0) {
        admin_server_stop(&s);
        return diag_error(diag, (enum err)rc, config->path, "the control socket cannot be made: %s",
                          uv_strerror(rc));
    }
    *out = s;
    return ERR_OK;
}

void admin_server_stop(struct admin_server **server)
{
    struct admin_server *s = *server;
    if (!s)
        return;
    *server = NULL;
    unlink(s->path);
    while (s->clients)
        admin__client_close(s->clients);
    uv_close((uv_handle_t *)&s->listener, on_listener_closed);
}

struct admin_server_counts admin_server_counts(const struct admin_server *s)
{
    return s->counts;
}
