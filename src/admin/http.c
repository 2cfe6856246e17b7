/* http: libmicrohttpd's epoll descriptor is one more descriptor of the loop.
 *
 *   descriptor readable, or its time is up ──> pump: MHD_run ──> on_request
 *
 *   NEW ── admit refuses ──> answered, the body is not read
 *    │ admitted
 *    v
 *   BODY ── too long ──> cut
 *    │ complete
 *    v
 *   handle ──> answered */
#include "admin/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define TOKEN_TEXT_MAX 256

struct admin_http {
    struct admin_http_config config;
    struct MHD_Daemon *mhd;
    uv_poll_t poll;
    uv_timer_t timer;
    int open; /* handles */
};

struct call { /* one request under way */
    char token[TOKEN_TEXT_MAX];
    bool has_token;
    char *body;
    size_t len;
};

static void pump(struct admin_http *h);

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (!text)
        return MHD_NO;
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (!r) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"meridian\"");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "POST");
    enum MHD_Result done = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return done;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned status, const char *error)
{
    return answer(c, status, admin_refusal(ADMIN_USAGE, error, NULL));
}

/* "Bearer TOKEN" (RFC 6750 section 2.1); the scheme's case does not matter. */
static void read_token(struct MHD_Connection *c, struct call *call)
{
    const char *text =
        MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    if (!text || strncasecmp(text, "Bearer ", 7) != 0)
        return;
    text += 7 + strspn(text + 7, " ");
    size_t n = strcspn(text, " ");
    if (n == 0 || n >= sizeof call->token)
        return;
    memcpy(call->token, text, n);
    call->has_token = true;
}

static bool told_too_long(struct MHD_Connection *c)
{
    const char *text =
        MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return text && strtoull(text, NULL, 10) > ADMIN_HTTP_BODY_MAX;
}

static enum MHD_Result begin(struct admin_http *h, struct MHD_Connection *c,
                             struct admin_http_request *r, void **state)
{
    struct call *call = calloc(1, sizeof *call);
    json_t *said = NULL;
    if (!call)
        return MHD_NO;
    *state = call;
    read_token(c, call);
    r->token = call->has_token ? call->token : NULL;
    unsigned status = h->config.admit(h->config.ctx, r, &said);
    if (status)
        return answer(c, status, said);
    if (told_too_long(c))
        return refuse(c, MHD_HTTP_CONTENT_TOO_LARGE, "the body is longer than 64 KiB");
    return MHD_YES;
}

static enum MHD_Result more(struct call *call, const char *data, size_t *len)
{
    if (*len > ADMIN_HTTP_BODY_MAX - call->len)
        return MHD_NO;
    char *body = realloc(call->body, call->len + *len);
    if (!body)
        return MHD_NO;
    memcpy(body + call->len, data, *len);
    call->body = body;
    call->len += *len;
    *len = 0;
    return MHD_YES;
}

static enum MHD_Result finish(struct admin_http *h, struct MHD_Connection *c,
                              struct admin_http_request *r, const struct call *call)
{
    json_error_t error;
    char text[JSON_ERROR_TEXT_LENGTH + 80];
    json_t *body =
        json_loadb(call->body ? call->body : "", call->len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(body)) {
        snprintf(text, sizeof text, "the body is not a JSON object: %s",
                 body ? "it is another value" : error.text);
        json_decref(body);
        return refuse(c, MHD_HTTP_BAD_REQUEST, text);
    }
    json_t *said = NULL;
    r->token = call->has_token ? call->token : NULL;
    r->body = body;
    unsigned status = h->config.handle(h->config.ctx, r, &said);
    json_decref(body);
    return answer(c, status, said);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **state)
{
    struct admin_http *h = ctx;
    struct admin_http_request r = {.method = method, .path = url};
    (void)version;
    if (!*state)
        return begin(h, c, &r, state);
    if (*len)
        return more(*state, data, len);
    return finish(h, c, &r, *state);
}

static void on_completed(void *ctx, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct call *call = *state;
    (void)ctx;
    (void)c;
    (void)why;
    if (!call)
        return;
    memset(call->token, 0, sizeof call->token);
    free(call->body);
    free(call);
    *state = NULL;
}

/* ------------------------------------------------------------------------------------- the loop */

static void on_readable(uv_poll_t *p, int status, int events)
{
    (void)status;
    (void)events;
    pump(p->data);
}

static void on_time(uv_timer_t *t)
{
    pump(t->data);
}

static void pump(struct admin_http *h)
{
    MHD_UNSIGNED_LONG_LONG left_ms;
    MHD_run(h->mhd);
    if (MHD_get_timeout(h->mhd, &left_ms) == MHD_YES)
        uv_timer_start(&h->timer, on_time, left_ms, 0);
    else
        uv_timer_stop(&h->timer);
}

static enum err listen_on(const struct hostport *hp, int *out)
{
    struct sockaddr_storage sa;
    struct hostport any = *hp;
    if (any.ip.family == 0) { /* "*": both families on one socket */
        memset(&any.ip, 0, sizeof any.ip);
        any.ip.family = 6;
    }
    socklen_t n = ip_to_sockaddr(&any.ip, any.port, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, only = hp->ip.family == 6;
    if (fd < 0)
        return (enum err) - errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (sa.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) != 0) ||
        bind(fd, (struct sockaddr *)&sa, n) != 0 || listen(fd, 64) != 0) {
        enum err e = (enum err) - errno;
        close(fd);
        return e;
    }
    *out = fd;
    return ERR_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct admin_http *h = handle->data;
    if (--h->open == 0)
        free(h);
}

static enum err serve(uv_loop_t *loop, struct admin_http *h, int fd)
{
    h->mhd = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, h, MHD_OPTION_LISTEN_SOCKET,
                              fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_HTTP_CLIENTS_MAX,
                              MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ADMIN_HTTP_IDLE_S,
                              MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    if (!h->mhd) {
        close(fd);
        return ERR_NOMEM;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    int e = info ? uv_poll_init(loop, &h->poll, info->epoll_fd) : UV_ENOTSUP;
    if (e) {
        MHD_stop_daemon(h->mhd);
        return (enum err)e;
    }
    uv_timer_init(loop, &h->timer);
    h->poll.data = h->timer.data = h;
    h->open = 2;
    uv_poll_start(&h->poll, UV_READABLE, on_readable);
    return ERR_OK;
}

enum err admin_http_start(uv_loop_t *loop, const struct admin_http_config *config,
                          struct admin_http **out, struct diag *diag)
{
    char where[HOSTPORT_TEXT_MAX];
    int fd = -1;
    *out = NULL;
    enum err e = listen_on(&config->address, &fd);
    struct admin_http *h = e ? NULL : calloc(1, sizeof *h);
    if (!e && !h) {
        close(fd);
        e = ERR_NOMEM;
    }
    if (!e) {
        h->config = *config;
        e = serve(loop, h, fd);
    }
    if (e) {
        free(h);
        return diag_error(diag, e, "", "the HTTP side cannot listen on %s: %s",
                          hostport_format(&config->address, where), err_text(e));
    }
    *out = h;
    return ERR_OK;
}

void admin_http_stop(struct admin_http **hp)
{
    struct admin_http *h = *hp;
    *hp = NULL;
    if (!h)
        return;
    uv_close((uv_handle_t *)&h->poll, on_closed); /* before its descriptor is closed */
    uv_close((uv_handle_t *)&h->timer, on_closed);
    MHD_stop_daemon(h->mhd);
}
