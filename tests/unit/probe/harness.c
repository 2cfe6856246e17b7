#include "harness.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fds_open(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void on_guard(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("the test hangs");
}

static void on_result(void *ctx, const struct probe_result *r)
{
    struct harness *h = ctx;
    h->last = *r;
    if (++h->results >= h->want)
        uv_stop(&h->loop);
}

static void on_closed(void *ctx)
{
    ((struct harness *)ctx)->closed = true;
}

void harness_open(struct harness *h, const char *ca_file, uint32_t concurrency)
{
    memset(h, 0, sizeof *h);
    signal(SIGPIPE, SIG_IGN);
    h->fds = fds_open();
    uv_loop_init(&h->loop);
    uv_timer_init(&h->loop, &h->guard);
    uv_timer_start(&h->guard, on_guard, GUARD_MS, 0);
    const struct probe_runner_config config = {
        .concurrency = concurrency, .seed = 7, .ca_file = ca_file, .result = on_result, .ctx = h};
    assert_int_equal(probe_runner_create(&h->loop, &config, &h->runner), ERR_OK);
}

void harness_close_runner(struct harness *h)
{
    probe_runner_close(&h->runner, on_closed, h);
    while (!h->closed)
        uv_run(&h->loop, UV_RUN_ONCE);
}

static void close_all(struct harness *h)
{
    if (h->runner)
        probe_runner_close(&h->runner, on_closed, h);
    uv_close((uv_handle_t *)&h->guard, NULL);
    alarm(GUARD_MS / 1000);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    alarm(0);
    assert_true(h->closed);
    assert_int_equal(uv_loop_close(&h->loop), 0);
}

void harness_close(struct harness *h)
{
    close_all(h);
    assert_int_equal(fds_open(), h->fds);
}

int harness_warm(void **state)
{
    struct harness h;
    (void)state;
    harness_open(&h, NULL, 1);
    close_all(&h);
    return 0;
}

struct pause {
    uv_timer_t timer;
    bool over, closed;
};

static void on_pause_over(uv_timer_t *timer)
{
    ((struct pause *)timer->data)->over = true;
}

static void on_pause_closed(uv_handle_t *handle)
{
    ((struct pause *)handle->data)->closed = true;
}

void harness_run_ms(struct harness *h, unsigned ms)
{
    struct pause p = {.timer.data = &p};
    uv_timer_init(&h->loop, &p.timer);
    uv_update_time(&h->loop);
    uv_timer_start(&p.timer, on_pause_over, ms, 0);
    h->want = UINT32_MAX;
    while (!p.over)
        uv_run(&h->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&p.timer, on_pause_closed);
    while (!p.closed)
        uv_run(&h->loop, UV_RUN_NOWAIT);
}

void harness_run_results(struct harness *h, unsigned want)
{
    h->want = want;
    while (h->results < want)
        uv_run(&h->loop, UV_RUN_DEFAULT);
}

struct probe_result harness_probe(struct harness *h, const struct model_probe *p,
                                  const char *address, const char *service)
{
    struct probe_target t = {.probe = p, .service = service, .region = "eu", .address = address};
    ip_parse(address, &t.ip);
    h->results = 0;
    assert_int_equal(probe_runner_once(h->runner, &t, on_result, h), ERR_OK);
    harness_run_results(h, 1);
    assert_int_equal(h->last.target, PROBE_NONE);
    assert_true(h->last.now_ms >= h->last.started_ms);
    return h->last;
}

/* ---- servers ---- */

static void on_peer_closed(uv_handle_t *handle)
{
    struct peer *p = handle->data;
    if (--p->open > 0)
        return;
    for (int i = 0; i < PEERS_MAX; i++)
        if (p->server->peer[i] == p)
            p->server->peer[i] = NULL;
    free(p);
}

static void peer_close(struct peer *p)
{
    if (uv_is_closing((uv_handle_t *)&p->socket))
        return;
    if (p->script->reset)
        uv_tcp_close_reset(&p->socket, on_peer_closed);
    else
        uv_close((uv_handle_t *)&p->socket, on_peer_closed);
    uv_close((uv_handle_t *)&p->drip, on_peer_closed);
}

static void on_written(uv_write_t *write, int status)
{
    struct peer *p = write->data;
    free(write);
    if (status == 0 && p->script->close && !p->script->drip_ms)
        peer_close(p);
}

static void peer_write(struct peer *p, const char *bytes, size_t len)
{
    uv_write_t *write = malloc(sizeof *write);
    uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)len);
    write->data = p;
    if (uv_write(write, (uv_stream_t *)&p->socket, &buf, 1, on_written) != 0)
        free(write);
}

void peer_all_reply(struct server *s, const char *text)
{
    for (int i = 0; i < PEERS_MAX; i++)
        if (s->peer[i])
            peer_write(s->peer[i], text, strlen(text));
}

static size_t reply_length(const struct script *s)
{
    return s->reply_len ? s->reply_len : strlen(s->reply);
}

static void on_drip(uv_timer_t *timer)
{
    struct peer *p = timer->data;
    if (p->sent < reply_length(p->script))
        peer_write(p, p->script->reply + p->sent++, 1);
    else if (p->script->close)
        peer_close(p);
}

static void peer_reply(struct peer *p)
{
    const struct script *s = p->script;
    if (!s->reply) {
        if (s->close || s->reset)
            peer_close(p);
        return;
    }
    if (s->drip_ms) {
        uv_timer_start(&p->drip, on_drip, s->drip_ms, s->drip_ms);
        return;
    }
    for (unsigned i = 0; i < (s->repeat ? s->repeat : 1); i++)
        peer_write(p, s->reply, reply_length(s));
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct peer *p = handle->data;
    (void)wanted;
    *out = uv_buf_init(p->buf, sizeof p->buf);
}

static void on_request(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct peer *p = stream->data;
    struct server *s = p->server;
    if (n < 0) {
        peer_close(p);
        return;
    }
    size_t room = sizeof s->request - 1 - s->request_len;
    size_t take = (size_t)n < room ? (size_t)n : room;
    memcpy(s->request + s->request_len, buf->base, take);
    s->request_len += take;
    s->request[s->request_len] = '\0';
    if (!p->script->at_once)
        peer_reply(p);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct server *s = listener->data;
    assert_int_equal(status, 0);
    struct peer *p = calloc(1, sizeof *p);
    int slot = 0;
    while (slot < PEERS_MAX && s->peer[slot])
        slot++;
    assert_true(slot < PEERS_MAX);
    s->peer[slot] = p;
    p->server = s;
    p->script = &s->script[s->connections < s->scripts ? s->connections : s->scripts - 1];
    s->connections++;
    s->request_len = 0;
    uv_tcp_init(listener->loop, &p->socket);
    uv_timer_init(listener->loop, &p->drip);
    p->socket.data = p->drip.data = p;
    p->open = 2;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&p->socket), 0);
    uv_read_start((uv_stream_t *)&p->socket, on_alloc, on_request);
    if (p->script->at_once)
        peer_reply(p);
}

void server_open(struct harness *h, struct server *s, const char *address,
                 const struct script *script, unsigned scripts)
{
    memset(s, 0, sizeof *s);
    s->script = script;
    s->scripts = scripts;
    struct ip ip;
    struct sockaddr_storage sa;
    assert_true(ip_parse(address, &ip));
    ip_to_sockaddr(&ip, 0, &sa);
    uv_tcp_init(&h->loop, &s->listener);
    s->listener.data = s;
    assert_int_equal(uv_tcp_bind(&s->listener, (struct sockaddr *)&sa, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&s->listener, 512, on_connection), 0);
    int len = sizeof sa;
    uv_tcp_getsockname(&s->listener, (struct sockaddr *)&sa, &len);
    s->port = port_from_sockaddr((struct sockaddr *)&sa);
}

static void on_listener_closed(uv_handle_t *handle)
{
    ((struct server *)handle->data)->closed = true;
}

void server_close(struct harness *h, struct server *s)
{
    uv_close((uv_handle_t *)&s->listener, on_listener_closed);
    for (int i = 0; i < PEERS_MAX; i++)
        if (s->peer[i])
            peer_close(s->peer[i]);
    for (bool busy = true; busy;) {
        uv_run(&h->loop, UV_RUN_NOWAIT);
        busy = !s->closed;
        for (int i = 0; i < PEERS_MAX; i++)
            busy |= s->peer[i] != NULL;
    }
}

uint16_t port_unused(int type)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, type, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    getsockname(fd, (struct sockaddr *)&sa, &len);
    close(fd);
    return ntohs(sa.sin_port);
}

struct model_probe probe_defaults(enum model_probe_type type, uint16_t port)
{
    return (struct model_probe){.name = "web",
                                .type = type,
                                .port = port,
                                .path = "/",
                                .status = "200-399",
                                .verify = true,
                                .interval_ms = 1000,
                                .timeout_ms = 5000,
                                .fall = 3,
                                .rise = 2};
}
