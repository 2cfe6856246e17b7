/* Probes of other probes: all, any, quorum; and targets that a probe names itself. */
#include "harness.h"

#include <string.h>

static struct harness h;
static struct server good, slow;

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
static const struct script answers = {.reply = OK_REPLY, .close = true};
static const struct script hangs = {0};

/* Probes by name, in order: fine answers, hang does not, refused has no server. */
enum { FINE, HANG, REFUSED, TOP, PROBES };
static struct model_probe probes[PROBES];
static struct model m;

static int open_all(void **state)
{
    (void)state;
    harness_open(&h, NULL, 50);
    server_open(&h, &good, "127.0.0.1", &answers, 1);
    server_open(&h, &slow, "127.0.0.1", &hangs, 1);
    probes[FINE] = probe_defaults(PROBE_HTTP, good.port);
    probes[FINE].name = "fine";
    probes[HANG] = probe_defaults(PROBE_HTTP, slow.port);
    probes[HANG].name = "hang";
    probes[HANG].timeout_ms = 15000;
    probes[REFUSED] = probe_defaults(PROBE_TCP, port_unused(SOCK_STREAM));
    probes[REFUSED].name = "refused";
    m = (struct model){.probes = probes, .probes_n = PROBES};
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    server_close(&h, &good);
    server_close(&h, &slow);
    good.listener.data = slow.listener.data = NULL;
    harness_close(&h);
    return 0;
}

static const char *const *names(const char *a, const char *b, const char *c)
{
    static const char *list[3];
    list[0] = a;
    list[1] = b;
    list[2] = c;
    return list;
}

static struct probe_target top(enum model_probe_type type, const char *const *of, uint32_t n)
{
    probes[TOP] = probe_defaults(type, 0);
    probes[TOP].name = "top";
    probes[TOP].of = of;
    probes[TOP].of_n = n;
    probes[TOP].timeout_ms = 14000;
    struct probe_target t = {.probe = &probes[TOP],
                             .model = &m,
                             .service = "a.example",
                             .region = "eu",
                             .address = "127.0.0.1"};
    ip_parse(t.address, &t.ip);
    return t;
}

static void keep(void *ctx, const struct probe_result *r)
{
    (void)ctx;
    h.last = *r;
    h.results++;
    uv_stop(&h.loop);
}

static struct probe_result run(const struct probe_target *t)
{
    h.results = 0;
    assert_int_equal(probe_runner_once(h.runner, t, keep, NULL), ERR_OK);
    while (h.results == 0)
        uv_run(&h.loop, UV_RUN_DEFAULT);
    return h.last;
}

static void all_needs_each_of_them(void **state)
{
    (void)state;
    struct probe_target t = top(PROBE_ALL, names("fine", "fine", NULL), 2);
    struct probe_result r = run(&t);
    assert_true(r.ok);
    assert_string_equal(r.text, "2 of 2 ok");
    t = top(PROBE_ALL, names("fine", "refused", NULL), 2);
    r = run(&t);
    assert_false(r.ok);
    assert_false(r.late);
    assert_string_equal(r.text, "1 of 2 failed, 2 needed: refused: connection refused");
}

static void it_ends_as_soon_as_it_is_decided(void **state)
{
    (void)state;
    struct probe_target t = top(PROBE_ALL, names("hang", "refused", NULL), 2);
    struct probe_result r = run(&t); /* long before the guard, and the timeout of hang */
    assert_false(r.ok);
    t = top(PROBE_ANY, names("hang", "fine", NULL), 2);
    r = run(&t);
    assert_true(r.ok);
    assert_string_equal(r.text, "1 of 2 ok");
    struct probe_stats s;
    probe_runner_stats(h.runner, &s);
    assert_int_equal(s.running, 0);
    assert_int_equal(s.cancelled, 2);
}

static void any_needs_one(void **state)
{
    (void)state;
    struct probe_target t = top(PROBE_ANY, names("refused", "fine", NULL), 2);
    assert_true(run(&t).ok);
    t = top(PROBE_ANY, names("refused", "refused", NULL), 2);
    struct probe_result r = run(&t);
    assert_false(r.ok);
    assert_string_equal(r.text, "2 of 2 failed, 1 needed: refused: connection refused");
}

static void quorum_needs_as_many_as_it_says(void **state)
{
    (void)state;
    struct probe_target t = top(PROBE_QUORUM, names("fine", "refused", "fine"), 3);
    probes[TOP].quorum = 2;
    assert_true(run(&t).ok);
    probes[TOP].quorum = 3;
    assert_false(run(&t).ok);
    t = top(PROBE_QUORUM, names("hang", "refused", "refused"), 3);
    probes[TOP].quorum = 2;
    assert_false(run(&t).ok); /* hang alone cannot make two */
}

static void its_timeout_is_one_for_all(void **state)
{
    (void)state;
    struct probe_target t = top(PROBE_ANY, names("hang", "hang", NULL), 2);
    probes[TOP].timeout_ms = 200;
    struct probe_result r = run(&t);
    assert_false(r.ok);
    assert_string_equal(r.text, "timeout after 200 ms");
}

static void a_member_has_a_timeout_of_its_own(void **state)
{
    (void)state;
    struct probe_target t = top(PROBE_ALL, names("hang", "fine", NULL), 2);
    probes[HANG].timeout_ms = 200;
    struct probe_result r = run(&t);
    assert_false(r.ok);
    assert_string_equal(r.text, "1 of 2 failed, 2 needed: hang: timeout after 200 ms");
}

static void what_a_probe_names_is_checked_instead_of_the_endpoint(void **state)
{
    (void)state;
    struct probe_target t = top(PROBE_ALL, names("fine", NULL, NULL), 1);
    t.address = "127.0.0.9"; /* nobody listens there */
    ip_parse(t.address, &t.ip);
    assert_false(run(&t).ok);
    probes[FINE].target = "127.0.0.1";
    assert_true(run(&t).ok);
    assert_non_null(strstr(good.request, "Host: 127.0.0.1\r\n"));
    probes[FINE].target = NULL;
    probes[TOP].target = "127.0.0.1"; /* for all that it is of */
    assert_true(run(&t).ok);
    assert_non_null(strstr(good.request, "Host: a.example\r\n"));
}

static void closing_in_the_middle_ends_all_of_them(void **state)
{
    (void)state;
    struct probe_target t = top(PROBE_ALL, names("hang", "hang", "hang"), 3);
    probes[TOP].interval_ms = 100;
    probes[TOP].timeout_ms = 90;
    assert_int_equal(probe_runner_set_targets(h.runner, &t, 1), ERR_OK);
    harness_run_results(&h, 3);
    probes[HANG].path = "/other"; /* another definition: the one under way is dropped */
    assert_int_equal(probe_runner_set_targets(h.runner, &t, 1), ERR_OK);
    harness_run_results(&h, 6);
    h.results = 0;
    assert_int_equal(probe_runner_once(h.runner, &t, keep, NULL), ERR_OK);
    harness_run_ms(&h, 20);
    harness_close_runner(&h);
    assert_string_equal(h.last.text, "cancelled");
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(all_needs_each_of_them),
        T(it_ends_as_soon_as_it_is_decided),
        T(any_needs_one),
        T(quorum_needs_as_many_as_it_says),
        T(its_timeout_is_one_for_all),
        T(a_member_has_a_timeout_of_its_own),
        T(what_a_probe_names_is_checked_instead_of_the_endpoint),
        T(closing_in_the_middle_ends_all_of_them),
    };
    return cmocka_run_group_tests(tests, harness_warm, NULL);
}
