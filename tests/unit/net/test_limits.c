#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>

static int connect_from(const struct bed *b, const char *from)
{
    int fd = client("127.0.0.1", b->port, SOCK_STREAM, from);
    assert_true(fd >= 0);
    return fd;
}

static void assert_serves(int fd)
{
    send_frame(fd, "ping", 4);
    assert_true(take_frame(fd, "ping"));
}

/* RFC 7766 section 6.2.3 */
static void an_idle_connection_is_closed(void **state)
{
    (void)state;
    struct bed b = {.config.tcp_idle_ms = 100};
    bed_start(&b);
    int silent = connect_from(&b, NULL), served = connect_from(&b, NULL);
    assert_serves(served);
    assert_true(is_closed(silent));
    assert_true(is_closed(served));
    close(silent);
    close(served);
    assert_true(BED_REACHES(&b, tcp_idle_closed, 2));
    bed_stop(&b);
}

static void queries_keep_a_connection(void **state)
{
    (void)state;
    struct bed b = {.config.tcp_idle_ms = 1000};
    bed_start(&b);
    int active = connect_from(&b, NULL), silent = connect_from(&b, NULL);
    while (!readable(silent, 20))
        assert_serves(active);
    assert_serves(active);
    assert_int_equal(bed_counters(&b).tcp_idle_closed, 1);
    close(active);
    close(silent);
    bed_stop(&b);
}

static void dripping_bytes_do_not_hold_a_connection(void **state)
{
    (void)state;
    struct bed b = {.config.tcp_idle_ms = 200};
    bed_start(&b);
    int fd = connect_from(&b, NULL);
    assert_int_equal(send(fd, "\xff\xff", 2, 0), 2);
    bool closed = false;
    for (int i = 0; i < 5000 && !closed; i++) { /* a byte each 2 ms: never idle on the wire */
        closed = send(fd, "x", 1, MSG_NOSIGNAL) < 0;
        usleep(2000);
    }
    assert_true(closed);
    close(fd);
    assert_int_equal(bed_counters(&b).tcp_idle_closed, 1);
    bed_stop(&b);
}

/* RFC 9210 section 4.2 */
static void when_full_the_oldest_makes_room(void **state)
{
    (void)state;
    struct bed b = {.config.tcp_clients_max = 4};
    bed_start(&b);
    int fds[8];
    for (int i = 0; i < 4; i++) {
        fds[i] = connect_from(&b, NULL);
        assert_serves(fds[i]);
    }
    assert_serves(fds[0]); /* now the second is the one longest without a query */
    fds[4] = connect_from(&b, NULL);
    assert_serves(fds[4]);
    assert_true(is_closed(fds[1]));
    assert_serves(fds[0]);
    assert_serves(fds[2]);
    assert_serves(fds[3]);
    for (int i = 5; i < 8; i++) { /* and so on: a newcomer is always taken */
        fds[i] = connect_from(&b, NULL);
        assert_serves(fds[i]);
    }
    struct net_counters c = bed_counters(&b);
    assert_int_equal(c.tcp_open, 4);
    assert_int_equal(c.tcp_shed, 4);
    assert_int_equal(c.tcp_accepted, 8);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    bed_stop(&b);
}

/* RFC 9210 section 4.2 */
static void one_address_cannot_take_every_place(void **state)
{
    (void)state;
    struct bed b = {.config.tcp_clients_per_ip_max = 2};
    bed_start(&b);
    int first = connect_from(&b, "127.0.0.1"), second = connect_from(&b, "127.0.0.1");
    assert_serves(first);
    assert_serves(second);
    int third = connect_from(&b, "127.0.0.1");
    assert_true(is_closed(third));
    int other = connect_from(&b, "127.0.0.2");
    assert_serves(other);
    assert_serves(first);
    close(second);
    assert_true(BED_REACHES(&b, tcp_closed, 1));
    int again = connect_from(&b, "127.0.0.1");
    assert_serves(again);
    assert_int_equal(bed_counters(&b).tcp_refused_per_ip, 1);
    assert_int_equal(bed_counters(&b).tcp_accepted, 4);
    close(first);
    close(third);
    close(other);
    close(again);
    bed_stop(&b);
}

static void many_addresses_come_and_go(void **state)
{
    (void)state;
    struct bed b = {.config.tcp_clients_per_ip_max = 1, .config.tcp_clients_max = 30};
    bed_start(&b);
    int fds[100];
    for (int round = 0; round < 2; round++) { /* the second time all are forgotten again */
        for (int i = 0; i < 100; i++) {
            char from[20];
            snprintf(from, sizeof from, "127.0.1.%d", i + 1);
            fds[i] = connect_from(&b, from);
            assert_serves(fds[i]);
        }
        for (int i = 0; i < 100; i++)
            close(fds[i]);
        assert_true(BED_REACHES(&b, tcp_closed, (uint64_t)(round + 1) * 100));
    }
    assert_int_equal(bed_counters(&b).tcp_refused_per_ip, 0);
    bed_stop(&b);
}

/* All of it is there before the worker looks, the datagram last. */
static void a_datagram_does_not_wait_for_all_of_tcp(void **state)
{
    (void)state;
    enum { CLIENTS = 90 };
    struct bed b = {0};
    bed_start(&b);
    int fds[CLIENTS], udp = client("127.0.0.1", b.port, SOCK_DGRAM, NULL);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = connect_from(&b, NULL);
    assert_true(BED_REACHES(&b, tcp_accepted, CLIENTS));
    send_frame(fds[0], "Hold", 4);
    while (!b.seen[0].holding)
        usleep(1000);
    for (int i = 1; i < CLIENTS; i++)
        send_frame(fds[i], "Slow", 4);
    assert_int_equal(send(udp, "ping", 4, 0), 4);
    b.seen[0].released = true;
    for (int i = 1; i < CLIENTS; i++)
        assert_true(take_frame(fds[i], "Slow"));
    char buf[8];
    assert_int_equal(take(udp, buf, sizeof buf), 4);
    assert_true(b.seen[0].tcp_before_udp < CLIENTS / 2);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    close(udp);
    bed_stop(&b);
}

/* The buffer of a long frame has room for 300 queries behind it: they are not one step. */
static void queries_behind_a_long_frame_leave_a_datagram_its_turn(void **state)
{
    (void)state;
    enum { BEGUN = 30000, FRAME = 40000, QUERIES = 300, LEN = 100, STEP = 4096 / (LEN + 2) + 1 };
    static uint8_t out[2 + FRAME + QUERIES * (LEN + 2)], message[FRAME] = "long", back[sizeof out];
    size_t len = frame(out, message, FRAME);
    message[0] = 'S';
    for (int i = 0; i < QUERIES; i++)
        len += frame(out + len, message, LEN);
    struct bed b = {0};
    bed_start(&b);
    int fd = connect_from(&b, NULL), holder = connect_from(&b, NULL);
    int udp = client("127.0.0.1", b.port, SOCK_DGRAM, NULL);
    assert_int_equal(send(fd, out, BEGUN, 0), BEGUN);
    usleep(20000); /* better if it is read by now, harmless if not */
    send_frame(holder, "Hold", 4);
    while (!b.seen[0].holding)
        usleep(1000);
    assert_int_equal(send(fd, out + BEGUN, len - BEGUN, 0), len - BEGUN);
    b.seen[0].released = true;
    while (b.seen[0].tcp < 5) /* in the midst of the queries */
        usleep(100);
    assert_int_equal(send(udp, "ping", 4, 0), 4);
    size_t sent_at = b.seen[0].tcp;
    assert_int_equal(take(udp, back, sizeof back), 4);
    assert_true(b.seen[0].tcp_before_udp <= sent_at + 2 * STEP);
    assert_true(take_exactly(fd, back, len));
    assert_memory_equal(back, out, len);
    close(fd);
    close(holder);
    close(udp);
    bed_stop(&b);
}

static rlim_t highest_fd(void)
{
    rlim_t highest = 0;
    DIR *d = opendir("/proc/self/fd");
    MUST(d);
    for (struct dirent *e; (e = readdir(d));)
        if (strtoul(e->d_name, NULL, 10) > highest && atoi(e->d_name) != dirfd(d))
            highest = strtoul(e->d_name, NULL, 10);
    closedir(d);
    return highest;
}

static int nonblocking_connect(uint16_t port, int fd)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return connect(fd, (struct sockaddr *)&to, sizeof to);
}

static bool serves(int fd)
{
    uint8_t out[] = {0, 4, 'p', 'i', 'n', 'g'};
    return send(fd, out, sizeof out, MSG_NOSIGNAL) == sizeof out && take_frame(fd, "ping");
}

static void fill_descriptors(rlim_t limit)
{
    struct rlimit r = {.rlim_cur = limit, .rlim_max = 4096};
    MUST(setrlimit(RLIMIT_NOFILE, &r) == 0);
    while (dup(0) >= 0)
        ; /* holes below the limit */
    MUST(errno == EMFILE);
}

/* Client and server share the limit here, so that the clients have their sockets before. */
static void out_of_descriptors(void)
{
    struct bed b = {.config.tcp_idle_ms = 60000};
    bed_start(&b);
    int fds[10];
    for (int i = 0; i < 10; i++)
        MUST((fds[i] = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
    int udp = client("127.0.0.1", b.port, SOCK_DGRAM, NULL);
    char buf[8];
    MUST(udp >= 0);
    rlim_t top = highest_fd() + 1;

    /* None left: the reserve serves one at a time, and UDP does not care. */
    fill_descriptors(top);
    for (int i = 0; i < 3; i++) {
        MUST(nonblocking_connect(b.port, fds[i]) == 0);
        MUST(serves(fds[i]));
        MUST(send(udp, "ping", 4, 0) == 4);
        MUST(take(udp, buf, sizeof buf) == 4);
    }
    MUST(is_closed(fds[0]) && is_closed(fds[1]) && serves(fds[2]));
    struct net_counters c = bed_counters(&b);
    MUST(c.tcp_open == 1 && c.tcp_shed == 2 && c.loop_errors >= 3);

    /* One more: the sweep may hold it back again, or the next client has it. */
    struct rlimit one = {.rlim_cur = top + 1, .rlim_max = 4096};
    MUST(setrlimit(RLIMIT_NOFILE, &one) == 0);
    for (int i = 3; i < 6; i++) {
        MUST(nonblocking_connect(b.port, fds[i]) == 0);
        MUST(serves(fds[i]));
    }
    MUST(is_closed(fds[2]) && is_closed(fds[3]) && serves(fds[5]));
    uint64_t shed = bed_counters(&b).tcp_shed;
    MUST(shed == 4 || shed == 5);

    /* Plenty again: nobody is shed any more. */
    struct rlimit many = {.rlim_cur = 1024, .rlim_max = 4096};
    MUST(setrlimit(RLIMIT_NOFILE, &many) == 0);
    for (int i = 6; i < 10; i++) {
        MUST(nonblocking_connect(b.port, fds[i]) == 0);
        MUST(serves(fds[i]));
    }
    MUST(serves(fds[5]));
    MUST(bed_counters(&b).tcp_shed == shed);
    bed_stop(&b);
}

static void accept_survives_the_end_of_descriptors(void **state)
{
    (void)state;
    assert_int_equal(in_child(out_of_descriptors), 0);
}

struct stopper {
    struct net_server *server;
    unsigned drain_ms;
};

static void *stop_in_thread(void *arg)
{
    struct stopper *s = arg;
    net_server_stop(s->server, s->drain_ms);
    return NULL;
}

static void stopping_lets_a_begun_query_finish_and_closes_the_idle(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    int idle = connect_from(&b, NULL), busy = connect_from(&b, NULL);
    assert_serves(idle);
    assert_serves(busy);
    assert_int_equal(send(busy, "\0\4pi", 4, 0), 4);
    assert_true(has_arrived(busy));
    struct stopper s = {b.server, 60000};
    pthread_t thread;
    pthread_create(&thread, NULL, stop_in_thread, &s);
    assert_true(is_closed(idle));
    assert_int_equal(client("127.0.0.1", b.port, SOCK_STREAM, NULL), -1);
    assert_int_equal(send(busy, "ng", 2, 0), 2);
    assert_true(take_frame(busy, "ping"));
    assert_true(is_closed(busy));
    pthread_join(thread, NULL);
    close(idle);
    close(busy);
    bed_stop(&b);
}

/* The server stops while the client reads what it asked for, and is then hung up on. */
static void stop_while_reading(struct bed *b, int fd, size_t answers)
{
    static uint8_t buf[5 * 60002];
    struct stopper s = {b->server, 60000};
    pthread_t thread;
    assert_true(has_arrived(fd));
    pthread_create(&thread, NULL, stop_in_thread, &s);
    struct timespec nap = {.tv_nsec = 50000000}; /* it stops before they are read, mostly */
    nanosleep(&nap, NULL);
    bool all = take_exactly(fd, buf, answers * 60002), closed = all && is_closed(fd);
    pthread_join(thread, NULL);
    close(fd);
    bed_stop(b);
    assert_true(all);
    assert_true(closed);
}

static void stopping_waits_for_answers_to_be_read(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    int fd = connect_from(&b, NULL);
    for (int i = 0; i < 4; i++)
        send_frame(fd, "B\xea\x60x", 4); /* 60,000 bytes each */
    assert_true(BED_REACHES(&b, tcp_queries, 1));
    stop_while_reading(&b, fd, 4);
}

static void stopping_answers_what_came_while_answers_were_unread(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    int fd = connect_from(&b, NULL), small = 4096;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    uint8_t frames[4 * 6];
    for (int i = 0; i < 4; i++)
        frame(frames + i * 6, "B\xea\x60x", 4);
    assert_int_equal(send(fd, frames, sizeof frames, 0), sizeof frames);
    assert_true(BED_REACHES(&b, tcp_queries, 4)); /* of their answers not all fit the socket */
    send_frame(fd, "B\xea\x60x", 4);
    stop_while_reading(&b, fd, 5);
}

static void stopping_ends_at_the_deadline(void **state)
{
    (void)state;
    struct bed b = {.config.workers = 2};
    bed_start(&b);
    int fds[6];
    for (int i = 0; i < 6; i++) {
        fds[i] = connect_from(&b, NULL);
        assert_int_equal(send(fds[i], "\0\4pi", 4, 0), 4);
    }
    assert_true(BED_REACHES(&b, tcp_accepted, 6));
    net_server_stop(b.server, 50);
    for (int i = 0; i < 6; i++) {
        assert_true(is_closed(fds[i]));
        close(fds[i]);
    }
    bed_stop(&b);
}

static void what_the_kernel_had_queued_is_still_answered(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_create(&b); /* not started yet, so that all of it is still queued */
    int udp = client("127.0.0.1", b.port, SOCK_DGRAM, NULL);
    int tcp = connect_from(&b, NULL);
    uint8_t out[2000 * 8]; /* several reads' worth in one segment; 8 divides the size of a read */
    for (size_t i = 0; i < 2000; i++)
        frame(out + i * 8, "queued", 6);
    assert_int_equal(send(tcp, out, sizeof out, 0), sizeof out);
    for (int i = 0; i < 100; i++)
        assert_int_equal(send(udp, "last", 4, 0), 4);
    assert_int_equal(net_server_start(b.server), ERR_OK);
    net_server_stop(b.server, 1000);
    for (int i = 0; i < 100; i++) {
        char buf[8];
        assert_int_equal(recv(udp, buf, sizeof buf, MSG_DONTWAIT), 4);
    }
    for (int i = 0; i < 2000; i++)
        assert_true(take_frame(tcp, "queued"));
    assert_true(is_closed(tcp));
    close(udp);
    close(tcp);
    bed_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_survives_the_end_of_descriptors),
        cmocka_unit_test(an_idle_connection_is_closed),
        cmocka_unit_test(queries_keep_a_connection),
        cmocka_unit_test(dripping_bytes_do_not_hold_a_connection),
        cmocka_unit_test(when_full_the_oldest_makes_room),
        cmocka_unit_test(one_address_cannot_take_every_place),
        cmocka_unit_test(a_datagram_does_not_wait_for_all_of_tcp),
        cmocka_unit_test(queries_behind_a_long_frame_leave_a_datagram_its_turn),
        cmocka_unit_test(many_addresses_come_and_go),
        cmocka_unit_test(stopping_lets_a_begun_query_finish_and_closes_the_idle),
        cmocka_unit_test(stopping_waits_for_answers_to_be_read),
        cmocka_unit_test(stopping_answers_what_came_while_answers_were_unread),
        cmocka_unit_test(stopping_ends_at_the_deadline),
        cmocka_unit_test(what_the_kernel_had_queued_is_still_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
