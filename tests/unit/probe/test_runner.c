/* The runner: schedule, changes of targets, names, bounds, and its own troubles. */
#include "harness.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct harness h;
static struct server srv;

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
static const struct script answers = {.reply = OK_REPLY, .close = true};
static const struct script hangs = {0};

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

static struct probe_target target(const struct model_probe *p, const char *service)
{
    struct probe_target t = {
        .probe = p, .service = service, .region = "eu", .address = "127.0.0.1"};
    ip_parse(t.address, &t.ip);
    return t;
}

static struct probe_stats stats(void)
{
    struct probe_stats s;
    probe_runner_stats(h.runner, &s);
    return s;
}

static void set(const struct probe_target *t, uint32_t n)
{
    assert_int_equal(probe_runner_set_targets(h.runner, t, n), ERR_OK);
}

static void all_targets_are_probed_again_and_again(void **state)
{
    (void)state;
    server_open(&h, &srv, "127.0.0.1", &answers, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.interval_ms = 200;
    p.timeout_ms = 190;
    struct probe_target t[3] = {target(&p, "a.example"), target(&p, "b.example"),
                                target(&p, "c.example")};
    set(t, 3);
    memset(&p, 0xee, sizeof p); /* the runner has its own copy */
    harness_run_results(&h, 30);
    assert_true(h.last.target < 3);
    assert_true(h.last.wall_ms > 1000000000000);
    struct probe_stats s = stats();
    assert_int_equal(s.targets, 3);
    assert_true(s.ok >= 29 && s.ok + s.failed >= 30);
    assert_int_equal(s.started, s.ok + s.failed + s.running);
}

static void a_hanging_target_delays_no_other(void **state)
{
    (void)state;
    struct server good;
    server_open(&h, &srv, "127.0.0.1", &hangs, 1);
    server_open(&h, &good, "127.0.0.1", &answers, 1);
    struct model_probe bad = probe_defaults(PROBE_HTTP, srv.port),
                       fine = probe_defaults(PROBE_HTTP, good.port);
    bad.interval_ms = 200;
    bad.timeout_ms = 60000; /* longer than its interval: it is due again while it hangs */
    fine.interval_ms = 100;
    struct probe_target t[4] = {target(&bad, "a.example"), target(&bad, "b.example"),
                                target(&bad, "c.example"), target(&fine, "d.example")};
    set(t, 4);
    harness_run_results(&h, 20);
    assert_int_equal(h.last.target, 3);
    assert_true(h.last.ok);
    struct probe_stats s = stats();
    assert_int_equal(s.running, 3);
    assert_true(s.overdue >= 3);
    assert_int_equal(s.failed, 0);
    assert_true(srv.connections <= 3); /* nothing piled up */
    server_close(&h, &good);
}

static void the_bound_holds_and_who_waits_is_marked_late(void **state)
{
    (void)state;
    probe_runner_set_concurrency(h.runner, 2);
    server_open(&h, &srv, "127.0.0.1", &hangs, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.interval_ms = 300;
    p.timeout_ms = 299;
    struct probe_target t[12];
    char names[12][16];
    for (int i = 0; i < 12; i++) {
        snprintf(names[i], sizeof names[i], "s%d.example", i);
        t[i] = target(&p, names[i]);
    }
    set(t, 12);
    uint32_t most = 0;
    for (unsigned want = 1; want <= 16; want++) {
        harness_run_results(&h, want);
        uint32_t running = stats().running;
        most = running > most ? running : most;
    }
    assert_true(most <= 2);
    assert_true(stats().late > 0);
    assert_true(h.last.late);
}

static void targets_that_go_are_cancelled_unheard(void **state)
{
    (void)state;
    server_open(&h, &srv, "127.0.0.1", &hangs, 1);
    struct model_probe http = probe_defaults(PROBE_HTTP, srv.port), tcp = http, dns = http,
                       exec = http;
    const char *args[] = {"1000"};
    tcp.type = PROBE_TCP, tcp.expect = "x", tcp.name = "tcp";
    dns.type = PROBE_DNS, dns.name = "dns";
    exec.type = PROBE_EXEC, exec.command = "/bin/sleep", exec.args = args, exec.args_n = 1;
    exec.name = "exec";
    static uv_udp_t sink; /* a name server that never answers */
    struct sockaddr_in sa;
    int len = sizeof sa;
    uv_ip4_addr("127.0.0.1", 0, &sa);
    uv_udp_init(&h.loop, &sink);
    uv_udp_bind(&sink, (struct sockaddr *)&sa, 0);
    uv_udp_getsockname(&sink, (struct sockaddr *)&sa, &len);
    dns.port = ntohs(sa.sin_port);
    struct model_probe *probes[] = {&http, &tcp, &dns, &exec};
    struct probe_target t[4];
    for (int i = 0; i < 4; i++) {
        probes[i]->interval_ms = 100;
        probes[i]->timeout_ms = 60000;
        t[i] = target(probes[i], "a.example");
    }
    set(t, 4);
    while (stats().running < 4)
        harness_run_ms(&h, 20);
    struct probe_target only = t[1];
    set(&only, 1); /* index 1 becomes 0, its probe goes on */
    assert_int_equal(stats().running, 1);
    assert_int_equal(stats().cancelled, 3);
    harness_run_ms(&h, 50);
    assert_int_equal(h.results, 0);
    peer_all_reply(&srv, "x");
    harness_run_results(&h, 1);
    assert_int_equal(h.last.target, 0);
    assert_true(h.last.ok);
    set(NULL, 0);
    assert_int_equal(stats().running, 0);
    uv_close((uv_handle_t *)&sink, NULL);
}

static void a_changed_definition_restarts_the_probe(void **state)
{
    (void)state;
    struct server good;
    server_open(&h, &srv, "127.0.0.1", &hangs, 1);
    server_open(&h, &good, "127.0.0.1", &answers, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.interval_ms = 60000;
    p.timeout_ms = 50000;
    struct probe_target t = target(&p, "a.example");
    set(&t, 1);
    probe_runner_soon(h.runner, 0, 0, false);
    while (stats().running < 1)
        harness_run_ms(&h, 10);
    p.port = good.port;
    set(&t, 1);
    harness_run_results(&h, 1);
    assert_true(h.last.ok);
    assert_false(h.last.confirm);
    assert_int_equal(stats().cancelled, 1);
    set(&t, 1); /* nothing changed: nothing happens */
    harness_run_ms(&h, 50);
    assert_int_equal(h.results, 1);
    server_close(&h, &good);
}

static void an_extra_probe_comes_when_asked_for(void **state)
{
    (void)state;
    server_open(&h, &srv, "127.0.0.1", &answers, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.interval_ms = 3600000;
    struct probe_target t = target(&p, "a.example");
    set(&t, 1);
    int64_t at = clock_mono_ms() + 100;
    probe_runner_soon(h.runner, 0, at, true);
    probe_runner_soon(h.runner, 9, at, true); /* no such target */
    harness_run_results(&h, 1);
    assert_true(h.last.started_ms >= at);
    assert_true(h.last.confirm);
    assert_true(h.last.ok);
    assert_int_equal(stats().extra, 1);
}

static void host_names_are_resolved_and_remembered(void **state)
{
    (void)state;
    server_open(&h, &srv, "127.0.0.1", &answers, 1);
    struct model_probe p = probe_defaults(PROBE_TCP, srv.port);
    struct probe_result r = harness_probe(&h, &p, "localhost", "a.example");
    if (!r.ok) { /* localhost is ::1 first here */
        server_close(&h, &srv);
        server_open(&h, &srv, "::1", &answers, 1);
        p.port = srv.port;
        r = harness_probe(&h, &p, "localhost", "a.example");
    }
    assert_true(r.ok);
    assert_true(r.peer.ip.family != 0);
    assert_true(harness_probe(&h, &p, "localhost", "a.example").ok);
    r = harness_probe(&h, &p, "no..such", "a.example");
    assert_false(r.ok);
    assert_int_equal(r.peer.ip.family, 0);
    assert_non_null(strstr(r.text, "host name no..such does not resolve: "));
}

static void cancel_once(void *ctx, const struct probe_result *r)
{
    struct probe_result *out = ctx;
    *out = *r;
}

static void closing_tells_who_waits_for_one_probe(void **state)
{
    (void)state;
    struct probe_result begun = {0}, fresh = {0}, resolving = {0};
    server_open(&h, &srv, "127.0.0.1", &hangs, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    struct probe_target t = target(&p, "a.example"), name = t;
    name.address = "localhost";
    name.ip.family = 0;
    assert_int_equal(probe_runner_once(h.runner, &t, cancel_once, &begun), ERR_OK);
    harness_run_ms(&h, 30);
    assert_int_equal(probe_runner_once(h.runner, &name, cancel_once, &resolving), ERR_OK);
    uv_run(&h.loop, UV_RUN_NOWAIT);
    assert_int_equal(probe_runner_once(h.runner, &t, cancel_once, &fresh), ERR_OK);
    harness_close_runner(&h);
    assert_string_equal(begun.text, "cancelled");
    assert_string_equal(fresh.text, "cancelled");
    assert_string_equal(resolving.text, "cancelled");
    assert_true(begun.late);
}

static void close_from_result(void *ctx, const struct probe_result *r)
{
    (void)ctx, (void)r;
    static const struct probe_target *none = NULL;
    assert_int_equal(probe_runner_set_targets(h.runner, none, 0), ERR_OK);
    uv_stop(&h.loop);
}

static void a_result_may_change_the_targets(void **state)
{
    (void)state;
    server_open(&h, &srv, "127.0.0.1", &answers, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port), refused = p;
    p.interval_ms = refused.interval_ms = 50;
    refused.port = port_unused(SOCK_STREAM);
    refused.name = "refused";
    struct probe_target t[3] = {target(&p, "a.example"), target(&refused, "a.example"),
                                target(&p, "b.example")};
    set(t, 3);
    assert_int_equal(probe_runner_once(h.runner, &t[0], close_from_result, NULL), ERR_OK);
    uv_run(&h.loop, UV_RUN_DEFAULT);
    while (stats().targets > 0)
        uv_run(&h.loop, UV_RUN_DEFAULT);
    unsigned results = h.results;
    harness_run_ms(&h, 120);
    assert_int_equal(h.results, results);
}

/* ---- our own troubles ---- */

static void on_block(uv_timer_t *timer)
{
    (void)timer;
    usleep(400000);
}

static void a_timeout_while_the_loop_was_stuck_counts_for_nothing(void **state)
{
    (void)state;
    server_open(&h, &srv, "127.0.0.1", &hangs, 1);
    struct model_probe p = probe_defaults(PROBE_HTTP, srv.port);
    p.timeout_ms = 600;
    static uv_timer_t block;
    uv_timer_init(&h.loop, &block);
    uv_timer_start(&block, on_block, 50, 0);
    struct probe_result r = harness_probe(&h, &p, "127.0.0.1", "a.example");
    assert_false(r.ok);
    assert_string_equal(r.text, "timeout after 600 ms");
    assert_true(r.late);
    assert_true(stats().stalls >= 1);
    uv_close((uv_handle_t *)&block, NULL);
    for (int i = 0; i < 5 && r.late; i++) { /* and without a stall it counts */
        p.timeout_ms = 1000;
        r = harness_probe(&h, &p, "127.0.0.1", "a.example");
    }
    assert_string_equal(r.text, "timeout after 1000 ms");
    assert_false(r.late);
}

static void without_descriptors_nothing_is_held_against_the_target(void **state)
{
    (void)state;
    server_open(&h, &srv, "127.0.0.1", &answers, 1);
    struct model_probe p = probe_defaults(PROBE_TCP, srv.port);
    assert_true(harness_probe(&h, &p, "127.0.0.1", "a.example").ok);
    struct rlimit was, none;
    getrlimit(RLIMIT_NOFILE, &was);
    none = was;
    none.rlim_cur = 0;
    for (int type = PROBE_HTTP; type <= PROBE_EXEC; type++) {
        p.type = (enum model_probe_type)type;
        p.command = "/bin/true";
        setrlimit(RLIMIT_NOFILE, &none);
        struct probe_result r = harness_probe(&h, &p, "127.0.0.1", "a.example");
        setrlimit(RLIMIT_NOFILE, &was);
        assert_false(r.ok);
        assert_true(r.late);
        assert_non_null(strstr(r.text, "the prober "));
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
    const struct CMUnitTest tests[] = {
        T(all_targets_are_probed_again_and_again),
        T(a_hanging_target_delays_no_other),
        T(the_bound_holds_and_who_waits_is_marked_late),
        T(targets_that_go_are_cancelled_unheard),
        T(a_changed_definition_restarts_the_probe),
        T(an_extra_probe_comes_when_asked_for),
        T(host_names_are_resolved_and_remembered),
        T(closing_tells_who_waits_for_one_probe),
        T(a_result_may_change_the_targets),
        T(a_timeout_while_the_loop_was_stuck_counts_for_nothing),
        T(without_descriptors_nothing_is_held_against_the_target),
    };
    return cmocka_run_group_tests(tests, harness_warm, NULL);
}
