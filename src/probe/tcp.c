/* tcp: connect; then send, and look for the text expected, where they are given. */
#include "probe_priv.h"

#include <stdlib.h>
#include <string.h>

#define READ_BYTES 4096

struct tcp {
    uv_tcp_t socket;
    uv_connect_t connect;
    uv_write_t write;
    uint8_t send[PROBE_PATTERN_BYTES_MAX];
    int send_len;
    struct probe_match match;
    size_t read_bytes;
    bool opened;
    char buf[READ_BYTES];
};

static void succeed(struct probe_run *run)
{
    const struct tcp *t = run->state;
    uint32_t ms = (probe__run_elapsed_us(run) + 500) / 1000;
    if (t->match.len > 0)
        probe__run_end(run, true, "found \"%.80s\" in %u ms", run->target->probe->expect, ms);
    else
        probe__run_end(run, true, "connected in %u ms", ms);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct tcp *t = ((struct probe_run *)handle->data)->state;
    (void)wanted;
    *out = uv_buf_init(t->buf, sizeof t->buf);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct probe_run *run = stream->data;
    struct tcp *t = run->state;
    if (run->ended || n == 0)
        return;
    const char *expect = run->target->probe->expect;
    if (n == UV_EOF) {
        probe__run_end(run, false, "connection closed before \"%.80s\" was seen", expect);
        return;
    }
    if (n < 0) {
        probe__run_end_uv(run, "connection lost", (int)n);
        return;
    }
    if (t->read_bytes == 0)
        run->result.first_byte_us = probe__run_elapsed_us(run);
    t->read_bytes += (size_t)n;
    if (probe__match_feed(&t->match, buf->base, (size_t)n))
        succeed(run);
    else if (t->read_bytes >= PROBE_BODY_BYTES_MAX)
        probe__run_end(run, false, "\"%.80s\" is not in the first 64 KiB", expect);
}

static void on_written(uv_write_t *write, int status)
{
    struct probe_run *run = write->data;
    const struct tcp *t = run->state;
    if (run->ended)
        return;
    if (status < 0)
        probe__run_end_uv(run, "connection lost", status);
    else if (t->match.len == 0)
        succeed(run);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct probe_run *run = connect->data;
    struct tcp *t = run->state;
    if (run->ended)
        return;
    if (status < 0) {
        probe__run_end_uv(run, "", status);
        return;
    }
    run->result.connect_us = probe__run_elapsed_us(run);
    if (t->match.len > 0 && (status = uv_read_start((uv_stream_t *)&t->socket, on_alloc, on_read)))
        probe__run_end_uv(run, "read", status);
    else if (t->send_len > 0) {
        uv_buf_t buf = uv_buf_init((char *)t->send, (unsigned)t->send_len);
        t->write.data = run;
        status = uv_write(&t->write, (uv_stream_t *)&t->socket, &buf, 1, on_written);
        if (status < 0)
            probe__run_end_uv(run, "send", status);
    } else if (t->match.len == 0)
        succeed(run);
}

/* False: the run has ended, since one of its texts cannot be read. */
static bool read_texts(struct probe_run *run)
{
    struct tcp *t = run->state;
    const struct model_probe *p = run->target->probe;
    const char *bad = "", *field = "send";
    t->send_len = p->send ? probe__unescape(p->send, t->send, sizeof t->send, &bad) : 0;
    int n = 0;
    if (t->send_len >= 0) {
        field = "expect";
        n = p->expect ? probe__unescape(p->expect, t->match.pattern, sizeof t->match.pattern, &bad)
                      : 0;
    }
    if (t->send_len < 0 || n < 0) {
        probe__run_end(
            run, false,
            "%s: cannot read \"%.20s\"; escapes are \\r \\n \\t \\0 \\\\ \\\" \\xHH, and "
            "%d bytes are the most",
            field, bad, PROBE_PATTERN_BYTES_MAX);
        return false;
    }
    t->match.len = (uint16_t)n;
    probe__match_start(&t->match);
    return true;
}

static void tcp_start(struct probe_run *run)
{
    struct tcp *t = run->state;
    if (run->port == 0) {
        probe__run_end(run, false, "a tcp probe needs a port");
        return;
    }
    if (!read_texts(run))
        return;
    struct sockaddr_storage sa;
    ip_to_sockaddr(&run->ip, run->port, &sa);
    int e = uv_tcp_init(run->runner->loop, &t->socket);
    if (e == 0) {
        probe__run_handle_opened(run, (uv_handle_t *)&t->socket);
        t->opened = true;
        t->connect.data = run;
        e = uv_tcp_connect(&t->connect, &t->socket, (const struct sockaddr *)&sa, on_connected);
    }
    if (e < 0)
        probe__run_end_uv(run, "", e);
}

static void tcp_stop(struct probe_run *run)
{
    struct tcp *t = run->state;
    if (t->opened)
        probe__run_handle_close(run, (uv_handle_t *)&t->socket);
}

const struct probe_driver probe__tcp_driver = {
    .state_bytes = sizeof(struct tcp), .needs_address = true, .start = tcp_start, .stop = tcp_stop};
