#include "harness.h"
#include "net_priv.h"

#include "base/random.h"

#include <errno.h>
#include <netinet/udp.h>
#include <sys/syscall.h>

static void listen_on(struct bed *b, const char *address)
{
    struct hostport *hp = &b->config.listen[b->config.listen_n++];
    if (strcmp(address, "*") != 0)
        assert_true(ip_parse(address, &hp->ip));
}

/* A connected socket takes only what comes from the address it asked. */
static void assert_echo(const char *address, uint16_t port, const char *text)
{
    char buf[2048];
    int fd = client(address, port, SOCK_DGRAM, NULL);
    assert_true(fd >= 0);
    assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
    assert_int_equal(take(fd, buf, sizeof buf), strlen(text));
    assert_memory_equal(buf, text, strlen(text));
    close(fd);
}

static void a_datagram_over_ipv4_is_answered(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    assert_echo("127.0.0.1", b.port, "hello");
    assert_true(BED_REACHES(&b, udp_sent, 1));
    struct net_counters c = bed_counters(&b);
    assert_int_equal(c.udp_received, 1);
    assert_int_equal(c.udp_batches, 1);
    bed_stop(&b);
}

static void a_datagram_over_ipv6_is_answered(void **state)
{
    (void)state;
    struct bed b = {0};
    listen_on(&b, "::1");
    bed_start(&b);
    assert_echo("::1", b.port, "hello");
    bed_stop(&b);
}

/* RFC 5452 section 9.1 */
static void on_every_address_the_answer_leaves_from_the_one_that_was_asked(void **state)
{
    (void)state;
    struct bed b = {0};
    listen_on(&b, "*");
    bed_start(&b);
    const char *asked[] = {"127.0.0.1", "127.0.0.2", "::1", "127.9.8.7", "127.0.0.1"};
    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        assert_echo(asked[i], b.port, asked[i]);
    bed_stop(&b);
}

/* One batch with several destinations: each control message is turned round on its own. */
static void a_batch_may_mix_the_addresses_asked(void **state)
{
    (void)state;
    struct bed b = {0};
    listen_on(&b, "0.0.0.0");
    bed_create(&b);
    int fds[60];
    for (int i = 0; i < 60; i++) { /* queued before a worker runs: they come in one batch */
        char address[32], text[] = {i % 7 == 3 ? 'N' : 'E', (char)i};
        snprintf(address, sizeof address, "127.0.%d.1", i);
        fds[i] = client(address, b.port, SOCK_DGRAM, NULL);
        assert_int_equal(send(fds[i], text, 2, 0), 2);
    }
    assert_int_equal(net_server_start(b.server), ERR_OK);
    for (int i = 0; i < 60; i++) {
        char buf[16];
        if (i % 7 != 3) {
            assert_int_equal(take(fds[i], buf, sizeof buf), 2);
            assert_int_equal(buf[1], i);
        }
    }
    assert_true(BED_REACHES(&b, udp_received, 60));
    for (int i = 0; i < 60; i++) {
        assert_false(readable(fds[i], 0));
        close(fds[i]);
    }
    assert_int_equal(b.seen[0].batch_max, 60);
    assert_int_equal(bed_counters(&b).udp_no_answer, 9);
    bed_stop(&b);
}

static void a_burst_of_200_is_answered_whole_and_once(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    int fd = client("127.0.0.1", b.port, SOCK_DGRAM, NULL);
    bool got[200] = {0};
    for (int i = 0; i < 200; i++) {
        uint8_t text[] = {'Q', (uint8_t)i, 0, 0};
        assert_int_equal(send(fd, text, sizeof text, 0), sizeof text);
    }
    for (int i = 0; i < 200; i++) {
        uint8_t buf[16];
        assert_int_equal(take(fd, buf, sizeof buf), 4);
        assert_true(buf[1] < 200 && !got[buf[1]]);
        got[buf[1]] = true;
    }
    assert_true(BED_REACHES(&b, udp_sent, 200));
    assert_false(readable(fd, 0));
    assert_true(b.seen[0].batch_max <= NET_BATCH);
    close(fd);
    bed_stop(&b);
}

/* A worker whose loop the test turns itself. */
static struct net_worker *worker_open(struct bed *b, struct net_address *at)
{
    struct net_worker *w = NULL;
    size_t n;
    b->config.udp_rcvbuf_bytes = 1 << 20;
    bed_prepare(b);
    assert_int_equal(net__addresses_resolve(&b->config, at, &n, NULL), ERR_OK);
    assert_int_equal(n, 1);
    assert_int_equal(net__worker_create(0, &b->config, at, n, &w, NULL), ERR_OK);
    assert_int_equal(net__worker_loop_open(w), ERR_OK);
    return w;
}

static void send_texts(int fd, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(send(fd, "text", 4, 0), 4);
}

static void take_texts(int fd, unsigned n)
{
    char buf[16];
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(take(fd, buf, sizeof buf), 4);
    assert_false(readable(fd, 0));
}

/* What waits for a socket is woken up for each datagram that leaves. */
static void nothing_waits_for_a_socket_while_much_comes(void **state)
{
    (void)state;
    struct bed b = {0};
    struct net_address at[NET_ADDRESS_MAX];
    struct net_worker *w = worker_open(&b, at);
    struct net_listener *l = &w->listeners[0];
    uv_handle_t *waits = (uv_handle_t *)&l->poll, *busy = (uv_handle_t *)&w->busy;
    int fd = client("127.0.0.1", at[0].at.port, SOCK_DGRAM, NULL);
    send_texts(fd, 3); /* few */
    uv_run(&w->loop, UV_RUN_ONCE);
    take_texts(fd, 3);
    assert_true(uv_is_active(waits) && !uv_is_active(busy));
    send_texts(fd, NET_BATCH);
    uv_run(&w->loop, UV_RUN_ONCE);
    take_texts(fd, NET_BATCH);
    assert_true(!uv_is_active(waits) && uv_is_active(busy));
    send_texts(fd, 3);
    uv_run(&w->loop, UV_RUN_ONCE);
    take_texts(fd, 3);
    assert_true(!uv_is_active(waits) && uv_is_active(busy));
    uv_run(&w->loop, UV_RUN_NOWAIT); /* nothing is there */
    assert_true(uv_is_active(waits) && !uv_is_active(busy));
    send_texts(fd, 1);
    uv_run(&w->loop, UV_RUN_ONCE); /* waits, and is woken up */
    take_texts(fd, 1);
    close(fd);
    net__worker_loop_close(w);
    net__worker_destroy(w);
}

static void a_stop_answers_what_a_busy_listener_has_queued(void **state)
{
    (void)state;
    struct bed b = {0};
    struct net_address at[NET_ADDRESS_MAX];
    struct net_worker *w = worker_open(&b, at);
    int fd = client("127.0.0.1", at[0].at.port, SOCK_DGRAM, NULL);
    send_texts(fd, NET_BATCH);
    uv_run(&w->loop, UV_RUN_ONCE);
    take_texts(fd, NET_BATCH);
    assert_true(w->listeners[0].busy);
    send_texts(fd, 2 * NET_BATCH + 5);
    net__worker_stop(w, 100);
    uv_run(&w->loop, UV_RUN_DEFAULT); /* to its end */
    take_texts(fd, 2 * NET_BATCH + 5);
    close(fd);
    net__worker_loop_close(w);
    net__worker_destroy(w);
}

static void refuse_to_wait_for_more(void)
{
    struct bed b = {0};
    struct net_address at[NET_ADDRESS_MAX];
    struct net_worker *w = worker_open(&b, at);
    int fd = client("127.0.0.1", at[0].at.port, SOCK_DGRAM, NULL);
    char buf[16];
    send_texts(fd, NET_BATCH);
    uv_run(&w->loop, UV_RUN_ONCE);
    take_texts(fd, NET_BATCH);
    if (!deny_syscall(SYS_epoll_ctl, -1, ENOSPC))
        _exit(77);
    for (int i = 0; i < 3; i++) { /* nothing is there, then something */
        uv_run(&w->loop, UV_RUN_NOWAIT);
        MUST(w->listeners[0].busy);
        MUST(send(fd, "text", 4, 0) == 4);
        uv_run(&w->loop, UV_RUN_NOWAIT);
        MUST(take(fd, buf, sizeof buf) == 4);
    }
    _exit(0);
}

static void a_listener_that_nobody_may_wait_for_stays_busy(void **state)
{
    (void)state;
    assert_int_equal(in_child(refuse_to_wait_for_more), 0);
}

/* What a slot held before must not shine through: lengths and texts vary at random, with both
 * families in turn over the same slots. */
static void slots_do_not_remember_earlier_datagrams(void **state)
{
    (void)state;
    const char *env = getenv("SEED");
    uint64_t seed = env ? strtoull(env, NULL, 0) : 20240601;
    printf("SEED=%llu\n", (unsigned long long)seed);
    struct rng rng;
    rng_seed(&rng, seed);
    struct bed b = {0};
    listen_on(&b, "*");
    bed_start(&b);
    int fds[2] = {client("127.0.0.1", b.port, SOCK_DGRAM, NULL),
                  client("::1", b.port, SOCK_DGRAM, NULL)};
    for (int round = 0; round < 100; round++) {
        uint8_t sent[32][1232];
        size_t len[32], n = 1 + rng_below(&rng, 32);
        int fd = fds[rng_below(&rng, 2)];
        for (size_t i = 0; i < n; i++) {
            len[i] = 2 + rng_below(&rng, 1230);
            memset(sent[i], (int)rng_below(&rng, 256), len[i]);
            sent[i][0] = 'Q';
            sent[i][1] = (uint8_t)i;
            assert_int_equal(send(fd, sent[i], len[i], 0), len[i]);
        }
        for (size_t k = 0; k < n; k++) {
            uint8_t buf[2048];
            ssize_t got = take(fd, buf, sizeof buf);
            assert_true(got >= 2 && buf[1] < n);
            assert_int_equal(got, len[buf[1]]);
            assert_memory_equal(buf, sent[buf[1]], (size_t)got);
        }
    }
    close(fds[0]);
    close(fds[1]);
    bed_stop(&b);
}

static void no_answer_is_sent_when_the_callback_gives_none(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    char buf[16];
    int fd = client("127.0.0.1", b.port, SOCK_DGRAM, NULL);
    send(fd, "No", 2, 0);
    send(fd, "", 0, 0); /* an empty datagram is one too; its echo is empty: none */
    send(fd, "yes", 3, 0);
    assert_int_equal(take(fd, buf, sizeof buf), 3);
    assert_true(BED_REACHES(&b, udp_received, 3));
    assert_false(readable(fd, 0));
    assert_int_equal(bed_counters(&b).udp_no_answer, 2);
    close(fd);
    bed_stop(&b);
}

static void a_datagram_longer_than_the_slot_is_cut_and_answered(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    uint8_t text[5000], buf[5000];
    memset(text, 'x', sizeof text);
    int fd = client("127.0.0.1", b.port, SOCK_DGRAM, NULL);
    assert_int_equal(send(fd, text, sizeof text, 0), sizeof text);
    assert_int_equal(take(fd, buf, sizeof buf), NET_UDP_OUT_MAX);
    assert_int_equal(b.seen[0].in_len_max, NET_UDP_IN_MAX);
    close(fd);
    bed_stop(&b);
}

/* RFC 5452 section 9.1: nobody can have asked from there */
static void port_0_is_never_answered(void **state)
{
    (void)state;
    int raw = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
    if (raw < 0)
        skip(); /* needs CAP_NET_RAW */
    struct bed b = {0};
    bed_start(&b);
    struct {
        struct udphdr h;
        char text[4];
    } packet = {.h = {.source = 0, .dest = htons(b.port), .len = htons(12)}, .text = "zero"};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(sendto(raw, &packet, 12, 0, (struct sockaddr *)&to, sizeof to), 12);
    close(raw);
    assert_true(BED_REACHES(&b, udp_received, 1));
    assert_int_equal(bed_counters(&b).udp_no_answer, 1);
    assert_int_equal(bed_counters(&b).udp_sent, 0);
    bed_stop(&b);
}

static struct {
    _Atomic int wrong;
    _Atomic uint16_t port;
} who;

static void note_source(void *ctx, struct net_message *m, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        char text[IP_TEXT_MAX];
        ip_format(&m[i].source, text);
        if (strncmp(text, (const char *)m[i].in, m[i].in_len) != 0)
            who.wrong++;
        who.port = m[i].source_port;
        memcpy(m[i].out, m[i].in, m[i].in_len);
        m[i].out_len = m[i].in_len;
    }
}

static void the_callback_learns_who_asked(void **state)
{
    (void)state;
    struct net_config config = {.workers = 1, .listen_n = 1, .batch = note_source};
    struct net_server *s;
    struct diag diag = {0};
    assert_int_equal(net_server_create(&config, &s, &diag), ERR_OK);
    assert_int_equal(net_server_start(s), ERR_OK);
    struct hostport at;
    net_server_addresses(s, &at, 1);
    const struct {
        const char *to, *from;
    } rows[] = {{"127.0.0.1", "127.1.2.3"}, {"::1", "::1"}, {"127.0.0.3", "127.0.0.1"}};
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        char buf[64];
        int fd =
            client(rows[i / 2].to, at.port, i % 2 ? SOCK_STREAM : SOCK_DGRAM, rows[i / 2].from);
        size_t len = strlen(rows[i / 2].from);
        if (i % 2) {
            send_frame(fd, rows[i / 2].from, len);
            assert_true(take_frame(fd, rows[i / 2].from));
        } else {
            send(fd, rows[i / 2].from, len, 0);
            assert_int_equal(take(fd, buf, sizeof buf), len);
        }
        struct sockaddr_storage ss;
        socklen_t ss_len = sizeof ss;
        getsockname(fd, (struct sockaddr *)&ss, &ss_len);
        assert_int_equal(who.port, port_from_sockaddr((struct sockaddr *)&ss));
        close(fd);
    }
    assert_int_equal(who.wrong, 0);
    net_server_destroy(&s);
}

static void three_workers_share_a_port_and_answer_every_client(void **state)
{
    (void)state;
    struct bed b = {.config.workers = 3};
    listen_on(&b, "127.0.0.1");
    listen_on(&b, "127.0.0.2");
    bed_start(&b);
    for (int i = 0; i < 60; i++)
        assert_echo("127.0.0.1", b.port, "hello");
    assert_true(BED_REACHES(&b, udp_sent, 60));
    int busy = 0;
    for (int i = 0; i < 3; i++)
        busy += b.seen[i].messages > 0;
    assert_true(busy >= 2); /* the kernel spreads by source port */
    bed_stop(&b);
}

static void refuse_sendmmsg(void)
{
    MUST(deny_syscall(SYS_sendmmsg, -1, EPERM));
    struct bed b = {0};
    bed_start(&b);
    int fd = client("127.0.0.1", b.port, SOCK_DGRAM, NULL);
    for (int i = 0; i < 10; i++)
        MUST(send(fd, i % 2 ? "N" : "Y", 1, 0) == 1);
    MUST(BED_REACHES(&b, udp_received, 10));
    MUST(BED_REACHES(&b, udp_send_failed, 5));
    struct net_counters c = bed_counters(&b);
    MUST(c.udp_sent == 0 && c.udp_no_answer == 5);
    bed_stop(&b);
}

/* RFC 9715 section 3.1: a forged ICMP message must not lower the path MTU, and 1,232 octets fit any. */
static void no_path_mtu_is_believed(void **state)
{
    (void)state;
    static const char *const listen[] = {"127.0.0.1", "::1"};
    for (size_t i = 0; i < ARRAY_LEN(listen); i++) {
        struct net_address a = {.at.port = 0};
        struct diag diag = {0};
        int fd = -1, value = -1;
        socklen_t len = sizeof value;
        assert_true(ip_parse(listen[i], &a.at.ip));
        assert_int_equal(net__udp_open(&a, 65536, &fd, &diag), ERR_OK);
        bool v6 = a.at.ip.family == 6;
        assert_int_equal(getsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                                    v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &value, &len),
                         0);
        assert_int_equal(value, v6 ? IPV6_PMTUDISC_OMIT : IP_PMTUDISC_OMIT);
        close(fd);
        diag_fini(&diag);
    }
}

static void answers_that_the_kernel_refuses_are_counted_and_dropped(void **state)
{
    (void)state;
    assert_int_equal(in_child(refuse_sendmmsg), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_path_mtu_is_believed),
        cmocka_unit_test(answers_that_the_kernel_refuses_are_counted_and_dropped),
        cmocka_unit_test(a_datagram_over_ipv4_is_answered),
        cmocka_unit_test(a_datagram_over_ipv6_is_answered),
        cmocka_unit_test(on_every_address_the_answer_leaves_from_the_one_that_was_asked),
        cmocka_unit_test(a_batch_may_mix_the_addresses_asked),
        cmocka_unit_test(a_burst_of_200_is_answered_whole_and_once),
        cmocka_unit_test(nothing_waits_for_a_socket_while_much_comes),
        cmocka_unit_test(a_listener_that_nobody_may_wait_for_stays_busy),
        cmocka_unit_test(a_stop_answers_what_a_busy_listener_has_queued),
        cmocka_unit_test(slots_do_not_remember_earlier_datagrams),
        cmocka_unit_test(no_answer_is_sent_when_the_callback_gives_none),
        cmocka_unit_test(a_datagram_longer_than_the_slot_is_cut_and_answered),
        cmocka_unit_test(port_0_is_never_answered),
        cmocka_unit_test(the_callback_learns_who_asked),
        cmocka_unit_test(three_workers_share_a_port_and_answer_every_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
