/* http: http and https probes through curl.
 * Address   the connection always goes to the endpoint's address, given to curl as a number, so
 * that it resolves nothing; the name is only in Host, SNI and the certificate's check. That holds
 * for redirects too: a redirect is followed at the same address, on the port of its URL, so that no
 * other server can answer for this endpoint. Fresh     every probe makes a new connection and a
 * full TLS handshake: that is what it checks. */
#include "probe_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define URL_TEXT_MAX 2048
#define PROBE_HOST_TEXT_MAX 260

struct http {
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    struct probe_match match;
    size_t body_bytes;
    bool matched, stopped; /* stopped: we have seen enough and broke it off */
    int socket_error;      /* errno of a socket that could not be made */
    char error[CURL_ERROR_SIZE];
};

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct probe_run *run = ctx;
    struct http *h = run->state;
    size_t len = size * n;
    long status = 0;
    curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
    bool wanted = h->match.len > 0;
    if (wanted && probe__match_feed(&h->match, bytes, len))
        h->matched = true;
    h->body_bytes += len;
    if (h->matched || h->body_bytes >= PROBE_BODY_BYTES_MAX ||
        !probe__status_accepted(run->target->probe->status, status)) {
        h->stopped = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return len;
}

/* curl would leave it open in child processes. */
static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct http *h = ctx;
    (void)purpose;
    int fd = socket(a->family, a->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->protocol);
    if (fd < 0)
        h->socket_error = errno;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* Host as it was given, else the service's name; where an address alone is tried, the address. */
static const char *host_given(const struct probe_run *run, char room[PROBE_HOST_TEXT_MAX])
{
    const struct probe_target *t = run->target;
    if (t->probe->host)
        return t->probe->host;
    if (*t->service)
        return t->service;
    snprintf(room, PROBE_HOST_TEXT_MAX, t->ip.family == 6 ? "[%s]" : "%s", t->address);
    return room;
}

/* The name without a port, as it goes into URL and SNI. */
static const char *host_of(const struct probe_run *run, char room[PROBE_HOST_TEXT_MAX], int *len)
{
    const char *host = host_given(run, room);
    const char *end = *host == '[' ? strchr(host, ']') : NULL;
    end = end ? end + 1 : host + strcspn(host, ":");
    *len = (int)(end - host);
    return host;
}

/* False if a text is too long for its place. */
static bool set_target(struct probe_run *run)
{
    struct http *h = run->state;
    const struct model_probe *p = run->target->probe;
    char text[URL_TEXT_MAX], ip[IP_TEXT_MAX], room[PROBE_HOST_TEXT_MAX];
    bool https = p->type == PROBE_HTTPS;
    int len;
    const char *host = host_of(run, room, &len);
    const char *path = p->path && *p->path ? p->path : "/";
    int n = snprintf(text, sizeof text, "%s://%.*s:%u%s%s", https ? "https" : "http", len, host,
                     run->port, *path == '/' ? "" : "/", path);
    if (n >= (int)sizeof text || curl_easy_setopt(h->easy, CURLOPT_URL, text) != CURLE_OK)
        return false;
    /* Host is the name as it was given: a port is in it only if it was given too. */
    n = snprintf(text, sizeof text, "Host: %s", host);
    if (n >= (int)sizeof text || !(h->headers = curl_slist_append(NULL, text)))
        return false;
    /* Any host of any URL, on that URL's port. */
    snprintf(text, sizeof text, run->ip.family == 6 ? "::[%s]:" : "::%s:", ip_format(&run->ip, ip));
    h->connect_to = curl_slist_append(NULL, text);
    return h->connect_to != NULL;
}

static void set_options(struct probe_run *run)
{
    struct http *h = run->state;
    const struct model_probe *p = run->target->probe;
    CURL *e = h->easy;
    curl_easy_setopt(e, CURLOPT_PRIVATE, run);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->error);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, run);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, h);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, h->headers);
    curl_easy_setopt(e, CURLOPT_CONNECT_TO, h->connect_to);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "meridian-probe/" MERIDIAN_VERSION);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, p->follow ? 1L : 0L);
    curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)PROBE_REDIRECTS_MAX);
    curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, p->verify ? 1L : 0L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, p->verify ? 2L : 0L);
    /* Debian's default CAPATH switches curl's cache of the bundle off: 22 ms a probe. */
    curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    if (run->runner->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, run->runner->ca_file);
}

static void http_start(struct probe_run *run)
{
    struct http *h = run->state;
    const char *body = run->target->probe->body;
    size_t len = body ? strlen(body) : 0;
    if (len > PROBE_PATTERN_BYTES_MAX) {
        probe__run_end(run, false, "body: the text to find is longer than %d bytes",
                       PROBE_PATTERN_BYTES_MAX);
        return;
    }
    memcpy(h->match.pattern, body ? body : "", len);
    h->match.len = (uint16_t)len;
    probe__match_start(&h->match);
    h->easy = curl_easy_init();
    if (!h->easy) {
        probe__run_end_own(run, "the prober lacks memory");
        return;
    }
    if (!set_target(run)) {
        probe__run_end(run, false, "host and path do not make a URL");
        return;
    }
    set_options(run);
    if (curl_multi_add_handle(run->runner->multi.curl, h->easy) != CURLM_OK)
        probe__run_end_own(run, "the prober lacks memory");
}

static uint32_t time_us(CURL *easy, CURLINFO info)
{
    curl_off_t us = 0;
    curl_easy_getinfo(easy, info, &us);
    return us > 0 && us < UINT32_MAX ? (uint32_t)us : 0;
}

static void http_stop(struct probe_run *run)
{
    struct http *h = run->state;
    if (h->easy) {
        long status = 0;
        curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
        run->result.status = (uint32_t)status;
        run->result.connect_us = time_us(h->easy, CURLINFO_CONNECT_TIME_T);
        run->result.tls_us = time_us(h->easy, CURLINFO_APPCONNECT_TIME_T);
        run->result.first_byte_us = time_us(h->easy, CURLINFO_STARTTRANSFER_TIME_T);
        curl_multi_remove_handle(run->runner->multi.curl, h->easy);
        curl_easy_cleanup(h->easy);
        h->easy = NULL;
    }
    curl_slist_free_all(h->headers);
    curl_slist_free_all(h->connect_to);
    h->headers = h->connect_to = NULL;
}

/* ---- the verdict ---- */

static void judge(struct probe_run *run)
{
    struct http *h = run->state;
    const struct model_probe *p = run->target->probe;
    long status = 0;
    curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
    if (!probe__status_accepted(p->status, status))
        probe__run_end(run, false, "status %ld, expected %s", status, p->status);
    else if (h->match.len > 0 && !h->matched)
        probe__run_end(run, false, "body does not contain \"%.80s\"%s", p->body,
                       h->stopped ? " in its first 64 KiB" : "");
    else {
        uint32_t us = probe__run_elapsed_us(run);
        probe__run_end(run, true, "%ld in %u ms", status, (us + 500) / 1000);
    }
}

/* What curl wrote, without the words that it always puts first. */
static const char *detail(const struct http *h, CURLcode code)
{
    static const char *const prefixes[] = {"SSL certificate problem: ", "SSL: "};
    const char *text = *h->error ? h->error : curl_easy_strerror(code);
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            text += strlen(prefixes[i]);
    return text;
}

static void end_connection(struct probe_run *run, CURLcode code)
{
    struct http *h = run->state;
    long os_error = 0;
    curl_easy_getinfo(h->easy, CURLINFO_OS_ERRNO, &os_error);
    if (h->socket_error)
        os_error = h->socket_error;
    if (os_error > 0)
        probe__run_end_uv(run, code == CURLE_COULDNT_CONNECT ? "" : "connection lost",
                          uv_translate_sys_error((int)os_error));
    else
        probe__run_end(run, false, "%s", detail(h, code));
}

void probe__http_done(struct probe_run *run, CURLcode code)
{
    struct http *h = run->state;
    long status = 0;
    switch (code) {
    case CURLE_OK:
        judge(run);
        return;
    case CURLE_WRITE_ERROR:
        if (h->stopped) {
            judge(run);
            return;
        }
        break;
    case CURLE_COULDNT_CONNECT:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        end_connection(run, code);
        return;
    case CURLE_PEER_FAILED_VERIFICATION:
        probe__run_end(run, false, "certificate: %s", detail(h, code));
        return;
    case CURLE_SSL_CACERT_BADFILE:
        probe__run_end_own(run, "the prober cannot read its bundle of CA certificates: %s",
                           detail(h, code));
        return;
    case CURLE_SSL_CONNECT_ERROR:
        probe__run_end(run, false, "TLS handshake: %s", detail(h, code));
        return;
    case CURLE_GOT_NOTHING:
        probe__run_end(run, false, "connection closed without an answer");
        return;
    case CURLE_PARTIAL_FILE:
        probe__run_end(run, false, "connection closed before the body was complete");
        return;
    case CURLE_UNSUPPORTED_PROTOCOL:
        curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
        probe__run_end(run, false,
                       status ? "status %ld redirects to what is neither http nor https"
                              : "the answer is not HTTP/1",
                       status);
        return;
    case CURLE_WEIRD_SERVER_REPLY:
        probe__run_end(run, false, "the answer is not HTTP: %s", detail(h, code));
        return;
    case CURLE_TOO_MANY_REDIRECTS:
        probe__run_end(run, false, "more than %d redirects", PROBE_REDIRECTS_MAX);
        return;
    case CURLE_OUT_OF_MEMORY:
        probe__run_end_own(run, "the prober lacks memory");
        return;
    default:
        break;
    }
    probe__run_end(run, false, "%s", detail(h, code));
}

const struct probe_driver probe__http_driver = {.state_bytes = sizeof(struct http),
                                                .needs_address = true,
                                                .start = http_start,
                                                .stop = http_stop};
