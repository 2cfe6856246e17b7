/* http probes against servers that behave and servers that do not. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nall is well\n"

static struct harness h;
static struct server srv;

static int open_all(void **state)
{
    (void)state;
    harness_open(&h, NULL, 50);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    if (srv.listener.data)
        server_close(&h, &srv);
    srv.listener.data = NULL;
    harness_close(&h);
    return 0;
}

static struct probe_result probe_with(const struct model_probe *p)
{
    return harness_probe(&h, p, "127.0.0.1", "www.gslb.example");
}

static void a_good_answer_is_ok_with_status_and_timings(void **state)
{
    (void)state;
    const struct script script = {.reply = OK_REPLY};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.path = "/healthz?deep=1";
    struct probe_result r = probe_with(&p);
    assert_true(r.ok);
    assert_false(r.late);
    assert_int_equal(r.status, 200);
    assert_int_equal(strncmp(r.text, "200 in ", 7), 0);
    assert_true(r.connect_us > 0 && r.first_byte_us >= r.connect_us);
    assert_true(r.latency_us >= r.first_byte_us);
    assert_int_equal(r.peer.port, srv.port);
    assert_non_null(strstr(srv.request, "GET /healthz?deep=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(srv.request, "\r\nHost: www.gslb.example\r\n"));
    assert_non_null(strstr(srv.request, "\r\nUser-Agent: meridian-probe/"));
    assert_null(strstr(srv.request, "Accept-Encoding"));
}

static void the_host_header_is_what_the_probe_says(void **state)
{
    (void)state;
    const struct script script = {.reply = OK_REPLY};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.host = "origin.example:8080";
    assert_true(probe_with(&p).ok);
    assert_non_null(strstr(srv.request, "\r\nHost: origin.example:8080\r\n"));
}

static void an_address_alone_is_its_own_host(void **state)
{
    (void)state;
    const struct script script = {.reply = OK_REPLY};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    struct probe_result r = harness_probe(&h, &p, "127.0.0.1", "");
    assert_int_equal(strncmp(r.text, "200 in ", 7), 0);
    assert_non_null(strstr(srv.request, "\r\nHost: 127.0.0.1\r\n"));
}

static void an_ipv6_address_alone_is_its_own_host(void **state)
{
    (void)state;
    const struct script script = {.reply = OK_REPLY};
    server_open(&h, &srv, "::1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    assert_true(harness_probe(&h, &p, "::1", "").ok);
    assert_non_null(strstr(srv.request, "\r\nHost: [::1]\r\n"));
}

static void ipv6_works(void **state)
{
    (void)state;
    const struct script script = {.reply = OK_REPLY};
    server_open(&h, &srv, "::1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    assert_true(harness_probe(&h, &p, "::1", "www.gslb.example").ok);
}

static void the_status_list_decides(void **state)
{
    (void)state;
    const struct script script = {.reply = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    struct probe_result r = probe_with(&p);
    assert_false(r.ok);
    assert_int_equal(r.status, 503);
    assert_string_equal(r.text, "status 503, expected 200-399");
    p.status = "200-299,503";
    assert_true(probe_with(&p).ok);
}

static void a_refused_connection_fails_at_once(void **state)
{
    (void)state;
    struct model_probe p = probe_defaults(PROBE_HTTP, port_unused(SOCK_STREAM));
    struct probe_result r = probe_with(&p);
    assert_false(r.ok);
    assert_false(r.late);
    assert_string_equal(r.text, "connection refused");
    assert_true(r.latency_us < 4000000); /* not the timeout */
}

static void a_server_that_says_nothing_times_out(void **state)
{
    (void)state;
    const struct script script = {0};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.timeout_ms = 200;
    struct probe_result r = probe_with(&p);
    assert_false(r.ok);
    assert_string_equal(r.text, "timeout after 200 ms");
    assert_true(r.latency_us >= 200000);
    assert_true(r.connect_us > 0);
    assert_int_equal(r.first_byte_us, 0);
}

static void a_body_that_drips_times_out(void **state)
{
    (void)state;
    const struct script script = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nxxxxxxx",
                                  .drip_ms = 2};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.timeout_ms = 250;
    assert_string_equal(probe_with(&p).text, "timeout after 250 ms");
}

static void a_connection_closed_without_an_answer_fails(void **state)
{
    (void)state;
    const struct script script = {.close = true};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    assert_string_equal(probe_with(&p).text, "connection closed without an answer");
}

static void a_reset_connection_fails(void **state)
{
    (void)state;
    const struct script script = {.reset = true};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    struct probe_result r = probe_with(&p);
    assert_false(r.ok);
    assert_string_equal(r.text, "connection lost: connection reset by peer");
}

static void what_is_not_http_fails(void **state)
{
    (void)state;
    const struct script script = {.reply = "220 mail.example ESMTP\r\n", .close = true};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    assert_string_equal(probe_with(&p).text, "the answer is not HTTP/1");
}

static void a_body_cut_short_fails(void **state)
{
    (void)state;
    const struct script script = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
                                  .close = true};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    assert_string_equal(probe_with(&p).text, "connection closed before the body was complete");
}

static void the_body_must_contain_the_text(void **state)
{
    (void)state;
    const struct script script = {.reply = OK_REPLY};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.body = "is well";
    assert_true(probe_with(&p).ok);
    p.body = "is swell";
    assert_string_equal(probe_with(&p).text, "body does not contain \"is swell\"");
}

static void the_text_is_found_across_pieces(void **state)
{
    (void)state;
    const struct script script = {
        .reply = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nababababc and so on.", .drip_ms = 1};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.body = "ababc";
    assert_true(probe_with(&p).ok);
}

static void an_endless_body_is_cut_at_its_bound(void **state)
{
    (void)state;
    static char piece[16384];
    memset(piece, 'x', sizeof piece);
    static char reply[sizeof piece + 32];
    int head = snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\n\r\n");
    memcpy(reply + head, piece, sizeof piece);
    const struct script flood = {
        .reply = reply, .reply_len = (size_t)head + sizeof piece, .repeat = 100};
    server_open(&h, &srv, "127.0.0.1", &flood, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    struct probe_result r = probe_with(&p);
    assert_true(r.ok); /* the head was good, and nothing was asked of the body */
    p.body = "needle";
    r = probe_with(&p);
    assert_string_equal(r.text, "body does not contain \"needle\" in its first 64 KiB");
}

static void redirects_are_an_answer_unless_followed(void **state)
{
    (void)state;
    const struct script script[] = {
        {.reply = "HTTP/1.1 302 Found\r\nLocation: /in\r\nContent-Length: 0\r\n\r\n"},
        {.reply = "HTTP/1.1 302 Found\r\nLocation: /in\r\nContent-Length: 0\r\n\r\n"},
        {.reply = OK_REPLY}};
    server_open(&h, &srv, "127.0.0.1", script, 3);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    assert_int_equal(probe_with(&p).status, 302);
    assert_int_equal(srv.connections, 1);
    p.follow = true;
    p.body = "well";
    struct probe_result r = probe_with(&p);
    assert_true(r.ok);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(srv.request, "GET /in "));
}

static void a_redirect_elsewhere_stays_at_the_endpoint(void **state)
{
    (void)state;
    char reply[256];
    struct script script[] = {{.reply = reply}, {.reply = OK_REPLY}};
    server_open(&h, &srv, "127.0.0.1", script, 2);
    snprintf(reply, sizeof reply,
             "HTTP/1.1 301 Moved\r\nLocation: http://203.0.113.9:%u/x\r\nContent-Length: 0\r\n\r\n",
             srv.port);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.follow = true;
    assert_true(probe_with(&p).ok);
    assert_int_equal(srv.connections, 2);
    assert_non_null(strstr(srv.request, "Host: 203.0.113.9"));
}

static void a_redirect_loop_ends(void **state)
{
    (void)state;
    const struct script script = {
        .reply = "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.follow = true;
    assert_string_equal(probe_with(&p).text, "more than 3 redirects");
    assert_int_equal(srv.connections, 4);
}

static void a_redirect_to_another_protocol_fails(void **state)
{
    (void)state;
    const struct script script = {
        .reply = "HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\nContent-Length: 0\r\n\r\n"};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.follow = true;
    assert_string_equal(probe_with(&p).text,
                        "status 302 redirects to what is neither http nor https");
}

static void https_to_a_plain_server_names_the_handshake(void **state)
{
    (void)state;
    const struct script script = {.reply = OK_REPLY};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_HTTPS, srv.port);
    struct probe_result r = probe_with(&p);
    assert_false(r.ok);
    assert_int_equal(strncmp(r.text, "TLS handshake: ", 15), 0);
}

static void a_host_that_makes_no_url_is_a_failure_with_a_sentence(void **state)
{
    (void)state;
    struct model_probe p = probe_defaults(PROBE_HTTP, 80);
    p.host = "two words";
    struct probe_result r = probe_with(&p);
    assert_false(r.ok);
    assert_true(strlen(r.text) > 10);
    char *path = malloc(5000);
    memset(path, 'p', 4999);
    path[4999] = '\0';
    p.host = NULL;
    p.path = path;
    assert_string_equal(probe_with(&p).text, "host and path do not make a URL");
    free(path);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
    const struct CMUnitTest tests[] = {
        T(a_good_answer_is_ok_with_status_and_timings),
        T(the_host_header_is_what_the_probe_says),
        T(an_address_alone_is_its_own_host),
        T(an_ipv6_address_alone_is_its_own_host),
        T(ipv6_works),
        T(the_status_list_decides),
        T(a_refused_connection_fails_at_once),
        T(a_server_that_says_nothing_times_out),
        T(a_body_that_drips_times_out),
        T(a_connection_closed_without_an_answer_fails),
        T(a_reset_connection_fails),
        T(what_is_not_http_fails),
        T(a_body_cut_short_fails),
        T(the_body_must_contain_the_text),
        T(the_text_is_found_across_pieces),
        T(an_endless_body_is_cut_at_its_bound),
        T(redirects_are_an_answer_unless_followed),
        T(a_redirect_elsewhere_stays_at_the_endpoint),
        T(a_redirect_loop_ends),
        T(a_redirect_to_another_protocol_fails),
        T(https_to_a_plain_server_names_the_handshake),
        T(a_host_that_makes_no_url_is_a_failure_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, harness_warm, NULL);
}
