/* tcp and dns probes. */
#include "harness.h"

#include "dns/types.h"

#include <stdio.h>
#include <string.h>

static struct harness h;
static struct server srv;

/* ---- a name server that answers from a script ---- */

struct name_server {
    uv_udp_t socket;
    uint16_t port;
    enum { NS_ANSWER, NS_SILENT, NS_WRONG_ID_FIRST, NS_OTHER_QUESTION, NS_GARBAGE, NS_BARE } mode;
    unsigned rcode, answers;
    bool truncated;
    uint8_t query[600];
    size_t query_len;
    unsigned asked;
};
static struct name_server ns;

static void ns_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct name_server *n = handle->data;
    (void)wanted;
    *out = uv_buf_init((char *)n->query, sizeof n->query);
}

static void ns_send(struct name_server *n, const uint8_t *msg, size_t len,
                    const struct sockaddr *to)
{
    uv_buf_t buf = uv_buf_init((char *)msg, (unsigned)len);
    assert_int_equal(uv_udp_try_send(&n->socket, &buf, 1, to), len);
}

static void ns_receive(uv_udp_t *socket, ssize_t len, const uv_buf_t *buf,
                       const struct sockaddr *from, unsigned flags)
{
    struct name_server *n = socket->data;
    (void)flags, (void)buf;
    if (len <= 0 || !from)
        return;
    n->asked++;
    n->query_len = (size_t)len;
    uint8_t msg[700];
    size_t question = 12;
    while (n->query[question])
        question += 1u + n->query[question];
    question += 5;
    memcpy(msg, n->query, question);
    msg[2] = (uint8_t)(0x81 | (n->truncated ? 2 : 0));
    msg[3] = (uint8_t)(0x80 | n->rcode);
    msg[7] = (uint8_t)n->answers;
    msg[11] = 0;
    size_t out = question;
    static const uint8_t a[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
    for (unsigned i = 0; i < n->answers; i++, out += sizeof a)
        memcpy(msg + out, a, sizeof a);
    for (size_t i = 12; i < question - 4; i++) /* names come back in any case */
        if (msg[i] >= 'a' && msg[i] <= 'z' && i % 2)
            msg[i] = (uint8_t)(msg[i] - 32);
    switch (n->mode) {
    case NS_SILENT:
        return;
    case NS_GARBAGE:
        ns_send(n, (const uint8_t *)"\1\2\3", 3, from);
        ns_send(n, (const uint8_t *)"", 0, from);
        return;
    case NS_BARE:
        msg[5] = 0;
        msg[7] = 0;
        ns_send(n, msg, 12, from);
        return;
    case NS_OTHER_QUESTION:
        msg[13] ^= 1;
        break;
    case NS_WRONG_ID_FIRST:
        msg[0] ^= 0x55;
        ns_send(n, msg, out, from);
        msg[0] ^= 0x55;
        break;
    case NS_ANSWER:
        break;
    }
    ns_send(n, msg, out, from);
}

static void ns_open(const char *address)
{
    struct sockaddr_storage sa;
    struct ip ip;
    ip_parse(address, &ip);
    ip_to_sockaddr(&ip, 0, &sa);
    memset(&ns, 0, sizeof ns);
    ns.answers = 1;
    uv_udp_init(&h.loop, &ns.socket);
    ns.socket.data = &ns;
    assert_int_equal(uv_udp_bind(&ns.socket, (struct sockaddr *)&sa, 0), 0);
    int len = sizeof sa;
    uv_udp_getsockname(&ns.socket, (struct sockaddr *)&sa, &len);
    ns.port = port_from_sockaddr((struct sockaddr *)&sa);
    uv_udp_recv_start(&ns.socket, ns_alloc, ns_receive);
}

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
    if (ns.socket.data)
        uv_close((uv_handle_t *)&ns.socket, NULL);
    srv.listener.data = NULL;
    harness_close(&h);
    ns.socket.data = NULL;
    return 0;
}

static struct probe_result probe_with(const struct model_probe *p)
{
    return harness_probe(&h, p, "127.0.0.1", "www.gslb.example");
}

static struct model_probe dns_probe(void)
{
    return probe_defaults(PROBE_DNS, ns.port);
}

/* ---- tcp ---- */

static void connecting_is_enough_for_a_plain_tcp_probe(void **state)
{
    (void)state;
    const struct script script = {0};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_TCP, srv.port);
    struct probe_result r = probe_with(&p);
    assert_true(r.ok);
    assert_int_equal(strncmp(r.text, "connected in ", 13), 0);
    assert_true(r.connect_us > 0);
    p.port = port_unused(SOCK_STREAM);
    r = probe_with(&p);
    assert_false(r.ok);
    assert_string_equal(r.text, "connection refused");
}

static void a_tcp_probe_over_ipv6_works(void **state)
{
    (void)state;
    const struct script script = {0};
    server_open(&h, &srv, "::1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_TCP, srv.port);
    assert_true(harness_probe(&h, &p, "::1", "www.gslb.example").ok);
}

static void what_is_sent_and_expected_may_be_escaped(void **state)
{
    (void)state;
    const struct script script = {.reply = "+PONG\r\n", .drip_ms = 1};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_TCP, srv.port);
    p.send = "PING\\r\\n";
    p.expect = "PONG\\x0d";
    struct probe_result r = probe_with(&p);
    assert_true(r.ok);
    assert_int_equal(strncmp(r.text, "found \"PONG\\x0d\" in ", 20), 0);
    assert_string_equal(srv.request, "PING\r\n");
    assert_true(r.first_byte_us > 0);
    p.expect = "PANG";
    p.timeout_ms = 200;
    assert_string_equal(probe_with(&p).text, "timeout after 200 ms");
    p.expect = "\\y";
    r = probe_with(&p);
    assert_false(r.ok);
    assert_int_equal(strncmp(r.text, "expect: cannot read \"\\y\"; escapes are ", 38), 0);
}

static void a_greeting_is_found_without_sending(void **state)
{
    (void)state;
    const struct script script = {.reply = "220 mail.example ESMTP\r\n", .at_once = true};
    server_open(&h, &srv, "127.0.0.1", &script, 1);
    struct model_probe p = probe_defaults(PROBE_TCP, srv.port);
    p.expect = "220 ";
    assert_true(probe_with(&p).ok);
    p.expect = NULL;
    p.send = "QUIT\\r\\n";
    assert_true(probe_with(&p).ok);
}

static void a_tcp_server_that_closes_early_or_floods_fails(void **state)
{
    (void)state;
    static char flood[40000];
    memset(flood, 'x', sizeof flood);
    const struct script script[] = {
        {.reply = "221 bye\r\n", .at_once = true, .close = true},
        {.reply = flood, .reply_len = sizeof flood, .repeat = 3, .at_once = true}};
    server_open(&h, &srv, "127.0.0.1", script, 2);
    struct model_probe p = probe_defaults(PROBE_TCP, srv.port);
    p.expect = "220";
    assert_string_equal(probe_with(&p).text, "connection closed before \"220\" was seen");
    assert_string_equal(probe_with(&p).text, "\"220\" is not in the first 64 KiB");
}

static void a_tcp_probe_without_a_port_says_so(void **state)
{
    (void)state;
    struct model_probe p = probe_defaults(PROBE_TCP, 0);
    assert_string_equal(probe_with(&p).text, "a tcp probe needs a port");
}

/* ---- dns ---- */

static void a_dns_answer_with_a_record_is_ok(void **state)
{
    (void)state;
    ns_open("127.0.0.1");
    struct model_probe p = dns_probe();
    struct probe_result r = probe_with(&p);
    assert_true(r.ok);
    assert_int_equal(strncmp(r.text, "NOERROR, 1 answer in ", 21), 0);
    /* QD 1, AR 1; www.gslb.example A IN; OPT */
    assert_memory_equal(ns.query + 4, "\0\1\0\0\0\0\0\1\3www\4gslb\7example\0\0\1\0\1\0\0\x29", 31);
    uint8_t first[2] = {ns.query[0], ns.query[1]};
    p.qname = "health.example.";
    p.qtype = "AAAA";
    ns.answers = 2;
    r = probe_with(&p);
    assert_true(r.ok);
    assert_memory_equal(ns.query + 12, "\6health\7example\0\0\x1c\0\1", 20);
    unsigned same = 0; /* IDs are random */
    for (int i = 0; i < 4; i++) {
        probe_with(&p);
        same += memcmp(first, ns.query, 2) == 0;
    }
    assert_true(same < 4);
}

static void a_dns_probe_over_ipv6_works(void **state)
{
    (void)state;
    ns_open("::1");
    struct model_probe p = dns_probe();
    assert_true(harness_probe(&h, &p, "::1", "www.gslb.example").ok);
}

static void dns_errors_and_empty_answers_fail(void **state)
{
    (void)state;
    ns_open("127.0.0.1");
    struct model_probe p = dns_probe();
    ns.rcode = DNS_SERVFAIL;
    struct probe_result r = probe_with(&p);
    assert_false(r.ok);
    assert_int_equal(r.status, 2);
    assert_string_equal(r.text, "SERVFAIL, expected NOERROR");
    ns.mode = NS_BARE; /* header only, as servers do that give up early */
    ns.rcode = DNS_REFUSED;
    assert_string_equal(probe_with(&p).text, "REFUSED, expected NOERROR");
    ns.mode = NS_ANSWER;
    ns.rcode = 0;
    ns.answers = 0;
    assert_string_equal(probe_with(&p).text, "NOERROR, but no answer record");
    ns.truncated = true;
    assert_true(probe_with(&p).ok);
}

static void what_does_not_answer_the_question_is_passed_over(void **state)
{
    (void)state;
    ns_open("127.0.0.1");
    struct model_probe p = dns_probe();
    ns.mode = NS_WRONG_ID_FIRST;
    assert_true(probe_with(&p).ok);
    p.timeout_ms = 150;
    ns.mode = NS_OTHER_QUESTION;
    assert_string_equal(probe_with(&p).text, "timeout after 150 ms");
    ns.mode = NS_GARBAGE;
    assert_string_equal(probe_with(&p).text, "timeout after 150 ms");
    ns.mode = NS_SILENT;
    assert_string_equal(probe_with(&p).text, "timeout after 150 ms");
}

static void a_closed_dns_port_fails_at_once(void **state)
{
    (void)state;
    struct model_probe p = probe_defaults(PROBE_DNS, port_unused(SOCK_DGRAM));
    struct probe_result r = probe_with(&p);
    assert_false(r.ok);
    assert_string_equal(r.text, "connection refused");
    assert_true(r.latency_us < 4000000);
}

static void a_question_that_makes_no_sense_is_named(void **state)
{
    (void)state;
    struct model_probe p = probe_defaults(PROBE_DNS, 53);
    p.qname = "a..b";
    assert_string_equal(probe_with(&p).text, "\"a..b\" is not a domain name");
    p.qname = NULL;
    p.qtype = "APPLE";
    assert_string_equal(probe_with(&p).text, "\"APPLE\" is not a record type");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
    const struct CMUnitTest tests[] = {
        T(connecting_is_enough_for_a_plain_tcp_probe),
        T(a_tcp_probe_over_ipv6_works),
        T(what_is_sent_and_expected_may_be_escaped),
        T(a_greeting_is_found_without_sending),
        T(a_tcp_server_that_closes_early_or_floods_fails),
        T(a_tcp_probe_without_a_port_says_so),
        T(a_dns_answer_with_a_record_is_ok),
        T(a_dns_probe_over_ipv6_works),
        T(dns_errors_and_empty_answers_fail),
        T(what_does_not_answer_the_question_is_passed_over),
        T(a_closed_dns_port_fails_at_once),
        T(a_question_that_makes_no_sense_is_named),
    };
    return cmocka_run_group_tests(tests, harness_warm, NULL);
}
