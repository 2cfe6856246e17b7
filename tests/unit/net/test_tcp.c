#include "harness.h"

#include "base/random.h"

#include <errno.h>
#include <netinet/tcp.h>

static int connect_to(const struct bed *b)
{
    int fd = client("127.0.0.1", b->port, SOCK_STREAM, NULL);
    assert_true(fd >= 0);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* The query "B": an answer of len bytes. */
static size_t big_query(uint8_t *to, size_t len, uint8_t fill)
{
    uint8_t q[] = {'B', (uint8_t)(len >> 8), (uint8_t)len, fill};
    return frame(to, q, sizeof q);
}

static bool take_big(int fd, size_t len, uint8_t fill)
{
    static uint8_t buf[65537];
    if (!take_exactly(fd, buf, 2 + len) || ((size_t)buf[0] << 8 | buf[1]) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (buf[2 + i] != fill)
            return false;
    return true;
}

static void a_query_is_answered_with_its_length_in_front(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    int fd = connect_to(&b);
    for (int i = 0; i < 3; i++) { /* the connection stays */
        send_frame(fd, "hello", 5);
        assert_true(take_frame(fd, "hello"));
    }
    assert_true(BED_REACHES(&b, tcp_answers, 3));
    struct net_counters c = bed_counters(&b);
    assert_int_equal(c.tcp_open, 1);
    assert_int_equal(c.tcp_queries, 3);
    close(fd);
    assert_true(BED_REACHES(&b, tcp_closed, 1));
    assert_int_equal(bed_counters(&b).tcp_framing_errors, 0);
    bed_stop(&b);
}

/* RFC 7766 section 6.2.1.1 and RFC 7766 section 6.2.1: pipelined, none waits for another */
static void a_hundred_queries_in_one_write_are_answered_in_order(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    uint8_t out[4096], back[4096];
    size_t len = 0;
    for (int i = 0; i < 100; i++) {
        char text[16];
        len += frame(out + len, text, (size_t)snprintf(text, sizeof text, "query %d", i));
    }
    int fd = connect_to(&b);
    assert_int_equal(send(fd, out, len, 0), len);
    assert_true(take_exactly(fd, back, len));
    assert_memory_equal(back, out, len);
    assert_int_equal(b.seen[0].batch_max, NET_BATCH);
    close(fd);
    bed_stop(&b);
}

/* RFC 7766 section 8 */
static void frames_may_be_cut_anywhere(void **state)
{
    (void)state;
    const char *env = getenv("SEED");
    uint64_t seed = env ? strtoull(env, NULL, 0) : 77;
    printf("SEED=%llu\n", (unsigned long long)seed);
    struct rng rng;
    rng_seed(&rng, seed);
    struct bed b = {0};
    bed_start(&b);
    static uint8_t out[400000], back[400000], message[9000];
    for (int round = 0; round < 20; round++) {
        size_t len = 0, at = 0, got = 0, frames = 1 + rng_below(&rng, 60);
        for (size_t i = 0; i < frames; i++) {
            size_t n = 1 + rng_below(&rng, rng_below(&rng, 8) ? 100 : 6000);
            memset(message, (int)(i + 'a' - 'N' % 3), n);
            message[0] = 'Q';
            len += frame(out + len, message, n);
        }
        int fd = connect_to(&b);
        while (got < len) { /* write in bits, read whatever is there */
            size_t bit = 1 + rng_below(&rng, rng_below(&rng, 2) ? 10 : 3000);
            bit = bit < len - at ? bit : len - at;
            if (bit > 0)
                assert_int_equal(send(fd, out + at, bit, 0), bit);
            at += bit;
            if (!readable(fd, at == len ? WAIT_MS : 0)) {
                assert_true(at < len);
                continue;
            }
            ssize_t n = recv(fd, back + got, len - got, 0);
            assert_true(n > 0);
            got += (size_t)n;
        }
        assert_memory_equal(back, out, len);
        close(fd);
    }
    bed_stop(&b);
}

static void the_longest_message_fits_both_ways(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    static uint8_t message[65535], back[65537];
    memset(message, 'm', sizeof message);
    int fd = connect_to(&b);
    for (int i = 0; i < 3; i++) {
        send_frame(fd, message, sizeof message);
        assert_true(take_exactly(fd, back, sizeof back));
        assert_true(back[0] == 0xff && back[1] == 0xff);
        assert_memory_equal(back + 2, message, sizeof message);
    }
    assert_int_equal(b.seen[0].in_len_max, 65535);
    close(fd);
    bed_stop(&b);
}

static void one_byte_at_a_time_is_a_query_too(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    uint8_t out[64];
    size_t len = frame(out, "slowly", 6);
    len += frame(out + len, "but surely", 10);
    int fd = connect_to(&b);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(send(fd, out + i, 1, 0), 1);
        usleep(1000);
    }
    assert_true(take_frame(fd, "slowly"));
    assert_true(take_frame(fd, "but surely"));
    close(fd);
    bed_stop(&b);
}

static void a_client_that_closes_its_side_still_gets_its_answers(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    uint8_t out[1024];
    size_t len = 0;
    for (int i = 0; i < 20; i++) /* 400 KB: more than the socket takes at once */
        len += big_query(out + len, 20000, (uint8_t)i);
    int fd = connect_to(&b);
    assert_int_equal(send(fd, out, len, 0), len);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    for (int i = 0; i < 20; i++)
        assert_true(take_big(fd, 20000, (uint8_t)i));
    assert_true(is_closed(fd));
    close(fd);
    assert_true(BED_REACHES(&b, tcp_closed, 1));
    assert_int_equal(bed_counters(&b).tcp_framing_errors, 0);
    bed_stop(&b);
}

static void an_empty_frame_ends_the_connection_after_the_answers_before_it(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    uint8_t out[64];
    size_t len = frame(out, "one", 3);
    len += frame(out + len, "", 0);
    len += frame(out + len, "never", 5);
    int fd = connect_to(&b);
    assert_int_equal(send(fd, out, len, 0), len);
    assert_true(take_frame(fd, "one"));
    assert_true(is_closed(fd));
    close(fd);
    assert_true(BED_REACHES(&b, tcp_closed, 1));
    struct net_counters c = bed_counters(&b);
    assert_int_equal(c.tcp_framing_errors, 1);
    assert_int_equal(c.tcp_queries, 1);
    bed_stop(&b);
}

static void an_end_within_a_frame_is_a_framing_error(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    int fd = connect_to(&b);
    assert_int_equal(send(fd, "\0\5hel", 5, 0), 5);
    close(fd);
    assert_true(BED_REACHES(&b, tcp_closed, 1));
    assert_int_equal(bed_counters(&b).tcp_framing_errors, 1);
    bed_stop(&b);
}

static void a_query_without_an_answer_leaves_the_others_theirs(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    uint8_t out[64];
    size_t len = frame(out, "one", 3);
    len += frame(out + len, "N", 1);
    len += frame(out + len, "two", 3);
    int fd = connect_to(&b);
    assert_int_equal(send(fd, out, len, 0), len);
    assert_true(take_frame(fd, "one"));
    assert_true(take_frame(fd, "two"));
    assert_true(BED_REACHES(&b, tcp_queries, 3));
    assert_int_equal(bed_counters(&b).tcp_answers, 2);
    close(fd);
    bed_stop(&b);
}

/* 2,000 queries for 2,000 bytes each, written while nothing is read at first: the server has to
 * stop listening and go on later, with frames left over in its buffer. */
static void a_client_that_reads_late_gets_everything(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    static uint8_t out[2000 * 6];
    size_t len = 0, at = 0;
    for (int i = 0; i < 2000; i++)
        len += big_query(out + len, 2000, (uint8_t)i);
    int fd = connect_to(&b);
    while (at < len) {
        ssize_t n = send(fd, out + at, len - at, MSG_DONTWAIT);
        if (n < 0)
            break; /* it does not read on: so do we, then */
        at += (size_t)n;
    }
    for (int i = 0; i < 2000; i++) {
        assert_true(take_big(fd, 2000, (uint8_t)i));
        if (at < len) {
            ssize_t n = send(fd, out + at, len - at, MSG_DONTWAIT);
            at += n > 0 ? (size_t)n : 0;
        }
    }
    assert_int_equal(bed_counters(&b).tcp_cut_slow, 0);
    close(fd);
    bed_stop(&b);
}

/* 400 answers of 65,535 bytes fit no buffer: after the first batch the server neither reads nor
 * answers on, and the client is cut when its time is over. */
static void a_client_that_does_not_read_stays_within_the_bound_and_is_cut(void **state)
{
    (void)state;
    struct bed b = {.config.tcp_idle_ms = 300};
    bed_start(&b);
    static uint8_t out[400 * 6];
    size_t len = 0;
    for (int i = 0; i < 400; i++)
        len += big_query(out + len, 65535, 'x');
    for (int i = 0; i < 2; i++) { /* the second connection finds the length of answers known */
        uint64_t before = bed_counters(&b).tcp_answers;
        int fd = connect_to(&b);
        assert_int_equal(send(fd, out, len, 0), len);
        assert_true(BED_REACHES(&b, tcp_cut_slow, (uint64_t)i + 1));
        uint64_t answers = bed_counters(&b).tcp_answers - before;
        assert_true(answers > 0 && answers < (i == 0 ? 400 : NET_BATCH));
        close(fd);
    }
    bed_stop(&b);
}

/* Nobody who reads is cut, be his answers ever so long. */
static void a_client_that_reads_gets_a_hundred_of_the_longest_answers(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    uint8_t out[100 * 6];
    size_t len = 0;
    for (int i = 0; i < 100; i++)
        len += big_query(out + len, 65535, (uint8_t)i);
    int fd = connect_to(&b);
    assert_int_equal(send(fd, out, len, 0), len);
    for (int i = 0; i < 100; i++)
        assert_true(take_big(fd, 65535, (uint8_t)i));
    assert_int_equal(bed_counters(&b).tcp_cut_slow, 0);
    close(fd);
    bed_stop(&b);
}

static void a_client_that_stops_reading_is_cut_after_the_idle_time(void **state)
{
    (void)state;
    struct bed b = {.config.tcp_idle_ms = 300};
    bed_start(&b);
    int fd = connect_to(&b), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    uint8_t out[6];
    size_t len = big_query(out, 60000, 'x');
    while (bed_counters(&b).tcp_cut_slow == 0) { /* one by one: never past the byte bound */
        ssize_t n = send(fd, out, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            break;
        usleep(1000);
    }
    assert_true(BED_REACHES(&b, tcp_cut_slow, 1));
    assert_int_equal(bed_counters(&b).tcp_idle_closed, 0);
    close(fd);
    bed_stop(&b);
}

/* Writes into a connection that was reset: SIGPIPE must not come. */
static void clients_that_vanish_harm_nobody(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_DFL);
    struct bed b = {0};
    bed_start(&b);
    uint8_t out[50 * 6];
    size_t len = 0;
    for (int i = 0; i < 50; i++)
        len += big_query(out + len, 9000, 'x');
    for (int i = 0; i < 50; i++) {
        int fd = connect_to(&b);
        assert_int_equal(send(fd, out, len, 0), len);
        if (i % 2) { /* a reset instead of an end */
            struct linger now = {.l_onoff = 1};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        }
        close(fd);
    }
    assert_true(BED_REACHES(&b, tcp_closed, 40)); /* a reset one may never have been accepted */
    int fd = connect_to(&b);
    send_frame(fd, "still here", 10);
    assert_true(take_frame(fd, "still here"));
    close(fd);
    bed_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_is_answered_with_its_length_in_front),
        cmocka_unit_test(a_hundred_queries_in_one_write_are_answered_in_order),
        cmocka_unit_test(frames_may_be_cut_anywhere),
        cmocka_unit_test(the_longest_message_fits_both_ways),
        cmocka_unit_test(one_byte_at_a_time_is_a_query_too),
        cmocka_unit_test(a_client_that_closes_its_side_still_gets_its_answers),
        cmocka_unit_test(an_empty_frame_ends_the_connection_after_the_answers_before_it),
        cmocka_unit_test(an_end_within_a_frame_is_a_framing_error),
        cmocka_unit_test(a_query_without_an_answer_leaves_the_others_theirs),
        cmocka_unit_test(a_client_that_reads_late_gets_everything),
        cmocka_unit_test(a_client_that_does_not_read_stays_within_the_bound_and_is_cut),
        cmocka_unit_test(a_client_that_reads_gets_a_hundred_of_the_longest_answers),
        cmocka_unit_test(a_client_that_stops_reading_is_cut_after_the_idle_time),
        cmocka_unit_test(clients_that_vanish_harm_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
