/* load PORT SERVICES SECONDS WINDOW RATE [TRIPS]: queries of random services svcNNNNNN.gslb.example with random
 * client subnets, four A to one AAAA, to 127.0.0.1. The same queries in every run.
 *   RATE 0   as fast as WINDOW queries under way allow
 *   RATE n   n a second; a query without an answer when LAST_NS have passed after the last is lost. What
 *            was not sent for LATE_S is never sent
 * TRIPS: a file that is told of each answer at a rate: a line "TIME MICROSECONDS", of the sending
 * (CLOCK_MONOTONIC in nanoseconds) and the round trip.
 * Prints one JSON line: sent, answered (a response of any kind), good (with an address), lost,
 * seconds, and the percentiles of the round trip in microseconds. */
#include "query.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#define BATCH 32u
#define QUERIES 65536u /* one an ID */
#define ROOM 1500
#define SILENCE_NS 200000000 /* without an answer for so long, those under way are lost */
#define LAST_NS 1000000000
#define RTT_US_MAX 100000u
#define LATE_S 0.005

struct query {
    uint8_t len;
    bool waiting;
    int64_t sent_ns;
    uint8_t bytes[104];
};

static struct query queries[QUERIES];
static uint64_t rtt_us[RTT_US_MAX + 1];
static uint64_t sent, answered, good, lost, under_way;
static int fd;
struct trip {
    int64_t sent_ns;
    uint32_t us;
};
static struct trip *trip; /* NULL: nobody wants them */
static uint64_t trips, trips_max;

static void make_queries(unsigned services)
{
    uint64_t random = 42;
    for (unsigned i = 0; i < QUERIES; i++) {
        char name[40];
        snprintf(name, sizeof name, "svc%06u.gslb.example", query_random(&random) % services);
        unsigned type = query_random(&random) % 5 ? QUERY_A : QUERY_AAAA;
        uint32_t net = (1 + query_random(&random) % 223) << 16 | (query_random(&random) & 0xffff);
        queries[i].len = (uint8_t)query_put(queries[i].bytes, (uint16_t)i, name, type, net);
    }
}

static void send_some(unsigned n)
{
    struct mmsghdr m[BATCH];
    struct iovec iov[BATCH];
    int64_t now = query_now_ns();
    for (unsigned i = 0; i < n; i++) {
        struct query *q = &queries[(sent + i) % QUERIES];
        iov[i] = (struct iovec){q->bytes, q->len};
        m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
        q->waiting = true;
        q->sent_ns = now;
    }
    int done = sendmmsg(fd, m, n, 0);
    sent += done > 0 ? (unsigned)done : 0;
    under_way += done > 0 ? (unsigned)done : 0;
}

static unsigned receive(int flags)
{
    static uint8_t room[BATCH][ROOM];
    struct mmsghdr m[BATCH];
    struct iovec iov[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){room[i], ROOM};
        m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    }
    int n = recvmmsg(fd, m, BATCH, flags, NULL);
    int64_t now = query_now_ns();
    unsigned ours = 0;
    for (int i = 0; i < n; i++) {
        struct query *q = &queries[room[i][0] << 8 | room[i][1]];
        if (m[i].msg_len < 12 || !q->waiting)
            continue;
        int64_t us = (now - q->sent_ns) / 1000;
        rtt_us[us < RTT_US_MAX ? us : RTT_US_MAX]++;
        if (trips < trips_max)
            trip[trips++] = (struct trip){q->sent_ns, (uint32_t)us};
        q->waiting = false;
        good += query_is_answered(room[i], m[i].msg_len);
        ours++;
    }
    answered += ours;
    under_way -= ours < under_way ? ours : under_way;
    return ours;
}

static void closed_loop(double seconds, unsigned window)
{
    int64_t end = query_now_ns() + (int64_t)(seconds * 1e9), heard = query_now_ns();
    while (query_now_ns() < end) {
        while (under_way + BATCH <= window)
            send_some(BATCH);
        if (receive(MSG_WAITFORONE)) {
            heard = query_now_ns();
        } else if (query_now_ns() - heard > SILENCE_NS) {
            under_way = 0;
            heard = query_now_ns();
        }
    }
}

static void open_loop(double seconds, double rate)
{
    int64_t start = query_now_ns(), end = start + (int64_t)(seconds * 1e9), now;
    while ((now = query_now_ns()) < end) {
        uint64_t due = (uint64_t)((double)(now - start) * 1e-9 * rate);
        if (due > sent) {
            uint64_t n = due - sent;
            if ((double)n > BATCH + LATE_S * rate) /* never sent: a busy machine is no burst */
                start += (int64_t)((double)(n - BATCH) / rate * 1e9);
            send_some(n < BATCH ? (unsigned)n : BATCH);
        }
        struct pollfd p = {.fd = fd, .events = POLLIN};
        struct timespec wait = {.tv_nsec =
                                    (long)(5e8 / rate) < 1000000 ? (long)(5e8 / rate) : 1000000};
        if (ppoll(&p, 1, &wait, NULL) > 0)
            receive(MSG_DONTWAIT);
    }
}

static void wait_for_the_last(void)
{
    int64_t end = query_now_ns() + LAST_NS;
    while (answered < sent && query_now_ns() < end)
        receive(MSG_WAITFORONE);
    lost = sent - answered;
}

static unsigned percentile(double share)
{
    uint64_t wanted = (uint64_t)((double)answered * share), seen = 0;
    for (unsigned us = 0; us < RTT_US_MAX; us++)
        if ((seen += rtt_us[us]) >= wanted && seen > 0)
            return us;
    return RTT_US_MAX;
}

static bool make_room_for_trips(double seconds, double rate)
{
    trips_max = (uint64_t)(seconds * rate) + BATCH;
    trip = malloc(trips_max * sizeof *trip);
    if (trip)
        memset(trip, 0, trips_max * sizeof *trip); /* its pages are there before the load is */
    return trip != NULL;
}

static bool write_trips(const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    for (uint64_t i = 0; i < trips; i++)
        fprintf(f, "%lld %u\n", (long long)trip[i].sent_ns, trip[i].us);
    return fclose(f) == 0;
}

int main(int argc, char **argv)
{
    if (argc != 6 && argc != 7) {
        fputs("usage: load PORT SERVICES SECONDS WINDOW RATE [TRIPS]\n", stderr);
        return 2;
    }
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(argv[1])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_usec = 50000};
    int size = 4 << 20;
    unsigned services = (unsigned)atoi(argv[2]), window = (unsigned)atoi(argv[4]);
    double seconds = atof(argv[3]), rate = atof(argv[5]);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || services == 0 || window < BATCH ||
        (argc == 7 && !make_room_for_trips(seconds, rate)) ||
        connect(fd, (struct sockaddr *)&to, sizeof to)) {
        perror("load");
        return 1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    make_queries(services);
    int64_t start = query_now_ns();
    if (rate > 0)
        open_loop(seconds, rate);
    else
        closed_loop(seconds, window);
    double took = (double)(query_now_ns() - start) * 1e-9;
    wait_for_the_last();
    if (argc == 7 && !write_trips(argv[6])) {
        perror(argv[6]);
        return 1;
    }
    printf(
        "{\"sent\": %llu, \"answered\": %llu, \"good\": %llu, \"lost\": %llu, \"seconds\": %.3f, "
        "\"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u}\n",
        (unsigned long long)sent, (unsigned long long)answered, (unsigned long long)good,
        (unsigned long long)lost, took, percentile(0.5), percentile(0.99), percentile(1));
    return 0;
}
