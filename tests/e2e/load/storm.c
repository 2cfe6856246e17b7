/* storm MODE PORT NAME SOURCES NETWORKS SECONDS RATE: A queries to 127.0.0.1 from many addresses.
 * Query k comes from network k % NETWORKS, a /24 each, the first of them SOURCES (127.x.0.0).
 *   closed    RATE queries under way: prints how many were answered
 *   steady    RATE a second: each answer is matched with its query. Prints totals, round-trip times,
 *             and what was sent and answered of each 100 ms (by time of sending)
 *             What was not sent for 5 ms is never sent: a busy machine must not become a burst.
 *   flood     RATE a second, answers are not read. One address sends 16 in a row, which the kernel
 *             takes in one piece (UDP_SEGMENT): a single processor must be able to send more than
 *             the server can answer
 * Times are those of CLOCK_MONOTONIC. Prints one JSON line; exit 0 unless something could not be
 * done. */
#include "query.h"

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64
#define ROOM 1500
#define HOSTS 200 /* addresses used of a network */
#define SLICE_US 100000
#define SLICES_MAX 3000
#define IDS 65536
#define SEGMENTS 16
#define LOST_US 20000 /* closed: without an answer for so long, those under way are lost */
#define LATE_S 0.005
#define LAST_US 1000000

struct pending {
    int64_t sent_us;
    bool waiting;
};

struct storm {
    int fd;
    uint32_t sources;
    unsigned networks, segments;
    double seconds, rate;
    int64_t start_us;
    uint64_t sent, failed, answered, truncated, refused, strangers;
    struct pending pending[IDS];
    unsigned slice_sent[SLICES_MAX], slice_answered[SLICES_MAX];
    uint32_t *rtt_us;
    size_t rtt_max;
    /* one batch */
    struct mmsghdr out[BATCH], in[BATCH];
    struct iovec out_iov[BATCH], in_iov[BATCH];
    union {
        struct cmsghdr header;
        uint8_t room[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control[BATCH];
    struct in_pktinfo *from[BATCH]; /* in control */
    uint8_t query[BATCH][2048], answer[BATCH][ROOM];
    size_t query_len;
    struct sockaddr_in to;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void prepare(struct storm *s, const char *name)
{
    for (size_t i = 0; i < BATCH; i++) {
        for (size_t k = 0; k < s->segments; k++)
            s->query_len = query_put(s->query[i] + k * s->query_len, 0, name, 1, 0);
        s->out_iov[i] = (struct iovec){s->query[i], s->segments * s->query_len};
        s->in_iov[i] = (struct iovec){s->answer[i], ROOM};
        s->control[i].header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo)),
                                                .cmsg_level = IPPROTO_IP,
                                                .cmsg_type = IP_PKTINFO};
        s->from[i] = (struct in_pktinfo *)CMSG_DATA(&s->control[i].header);
        s->out[i].msg_hdr = (struct msghdr){.msg_name = &s->to,
                                            .msg_namelen = sizeof s->to,
                                            .msg_iov = &s->out_iov[i],
                                            .msg_iovlen = 1,
                                            .msg_control = &s->control[i],
                                            .msg_controllen = sizeof s->control[i]};
        s->in[i].msg_hdr = (struct msghdr){.msg_iov = &s->in_iov[i], .msg_iovlen = 1};
    }
}

/* Every address of 127.0.0.0/8 is this host's: one socket speaks for all of them. */
static bool open_socket(struct storm *s, bool reads)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    int size = reads ? 16 << 20 : 1;
    s->fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&any, sizeof any) != 0) {
        perror("socket");
        return false;
    }
    if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return true;
}

/* Once the length of a query is known: messages of several are cut at it. */
static bool cut(struct storm *s)
{
    int len = (int)s->query_len;
    if (s->segments * s->query_len > sizeof s->query[0])
        return false;
    return s->segments == 1 || setsockopt(s->fd, IPPROTO_UDP, UDP_SEGMENT, &len, sizeof len) == 0;
}

static uint32_t source(const struct storm *s, uint64_t k)
{
    uint32_t network = (uint32_t)(k % s->networks), host = (uint32_t)(k / s->networks % HOSTS);
    return s->sources + (network << 8) + 1 + host;
}

static size_t slice(const struct storm *s, int64_t at_us)
{
    size_t i = (size_t)((at_us - s->start_us) / SLICE_US);
    return i < SLICES_MAX ? i : SLICES_MAX - 1;
}

/* Sends n messages at most, n <= BATCH; what the kernel does not take is not repeated. */
static void send_batch(struct storm *s, unsigned n)
{
    int64_t now = now_us();
    for (unsigned i = 0; i < n; i++) {
        uint64_t k = s->sent / s->segments + i;
        s->from[i]->ipi_spec_dst.s_addr = htonl(source(s, k));
        s->query[i][0] = (uint8_t)(k >> 8);
        s->query[i][1] = (uint8_t)k;
        s->pending[k % IDS] = (struct pending){now, true};
    }
    int sent = sendmmsg(s->fd, s->out, n, 0);
    unsigned ok = sent > 0 ? (unsigned)sent : 0;
    s->failed += (n - ok) * s->segments;
    s->sent += ok * s->segments;
    s->slice_sent[slice(s, now)] += ok * s->segments;
}

static void look(struct storm *s, const uint8_t *m, size_t len, int64_t now)
{
    struct pending *p = &s->pending[len >= 2 ? m[0] << 8 | m[1] : 0];
    if (len < 12 || !(m[2] & 0x80) || !p->waiting) {
        s->strangers++;
        return;
    }
    p->waiting = false;
    if (m[2] & 2) {
        s->truncated++;
        return;
    }
    if ((m[3] & 15) != 0 || (m[6] | m[7]) == 0) {
        s->refused++;
        return;
    }
    if (s->answered < s->rtt_max)
        s->rtt_us[s->answered] = (uint32_t)(now - p->sent_us);
    s->answered++;
    s->slice_answered[slice(s, p->sent_us)]++;
}

static bool receive(struct storm *s)
{
    bool any = false;
    for (int n = BATCH; n == BATCH;) {
        n = recvmmsg(s->fd, s->in, BATCH, MSG_DONTWAIT, NULL);
        int64_t now = now_us();
        for (int i = 0; i < n; i++)
            look(s, s->answer[i], s->in[i].msg_len, now);
        any = any || n > 0;
    }
    return any;
}

static void wait_ms(struct storm *s, bool reads, int ms)
{
    struct pollfd p = {s->fd, POLLIN, 0};
    if (reads)
        poll(&p, 1, ms);
    else
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

static void closed_loop(struct storm *s)
{
    int64_t end = s->start_us + (int64_t)(s->seconds * 1e6), last = s->start_us;
    uint64_t window = (uint64_t)s->rate, settled = 0;
    for (int64_t now = last; now < end; now = now_us()) {
        while (s->sent - settled + BATCH <= window)
            send_batch(s, BATCH);
        uint64_t before = s->answered + s->truncated + s->refused;
        if (receive(s))
            last = now;
        settled += s->answered + s->truncated + s->refused - before;
        if (now - last > LOST_US) {
            settled = s->sent;
            last = now;
        }
        if (s->sent - settled + BATCH > window)
            wait_ms(s, true, 1);
    }
}

static void open_loop(struct storm *s, bool reads)
{
    int64_t end = s->start_us + (int64_t)(s->seconds * 1e6);
    uint64_t attempts = 0;
    for (int64_t now = s->start_us; now < end; now = now_us()) {
        uint64_t due = (uint64_t)((double)(now - s->start_us) * 1e-6 * s->rate);
        if ((double)(due - attempts) > s->rate * LATE_S) /* what a pause kept is not made up */
            attempts = due - (uint64_t)(s->rate * LATE_S);
        uint64_t behind = (due - attempts) / s->segments;
        unsigned n = behind < BATCH ? (unsigned)behind : BATCH;
        if (n > 0)
            send_batch(s, n);
        attempts += n * s->segments;
        if (reads)
            receive(s);
        if (n < BATCH)
            wait_ms(s, reads, 1);
    }
    end = now_us() + LAST_US;
    while (reads && s->answered < s->sent && now_us() < end) {
        wait_ms(s, true, 10);
        receive(s);
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_slices(const char *name, const unsigned *slices, size_t n)
{
    printf(",\"%s\":[", name);
    for (size_t i = 0; i < n; i++)
        printf("%s%u", i ? "," : "", slices[i]);
    printf("]");
}

static void print(struct storm *s, int64_t end_us)
{
    size_t n = s->answered < s->rtt_max ? s->answered : s->rtt_max;
    qsort(s->rtt_us, n, sizeof *s->rtt_us, by_size);
    printf("{\"start\":%.6f,\"end\":%.6f,\"sent\":%llu,\"failed\":%llu,\"answered\":%llu,"
           "\"truncated\":%llu,\"refused\":%llu,\"strangers\":%llu",
           (double)s->start_us * 1e-6, (double)end_us * 1e-6, (unsigned long long)s->sent,
           (unsigned long long)s->failed, (unsigned long long)s->answered,
           (unsigned long long)s->truncated, (unsigned long long)s->refused,
           (unsigned long long)s->strangers);
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 1};
    printf(",\"rtt_us\":[");
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        printf("%s%u", i ? "," : "", n ? s->rtt_us[(size_t)(shares[i] * (double)(n - 1))] : 0);
    printf("]");
    size_t slices = slice(s, end_us) + 1;
    print_slices("slice_sent", s->slice_sent, slices);
    print_slices("slice_answered", s->slice_answered, slices);
    printf("}\n");
}

int main(int argc, char **argv)
{
    static struct storm s;
    struct in_addr sources;
    if (argc != 8 || inet_pton(AF_INET, argv[4], &sources) != 1)
        return 2;
    bool closed = strcmp(argv[1], "closed") == 0, flood = strcmp(argv[1], "flood") == 0;
    s.to = (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(argv[2])),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    s.sources = ntohl(sources.s_addr);
    s.networks = (unsigned)atoi(argv[5]);
    s.segments = flood ? SEGMENTS : 1;
    s.seconds = atof(argv[6]);
    s.rate = atof(argv[7]);
    s.rtt_max = flood ? 0 : 4u << 20;
    s.rtt_us = calloc(s.rtt_max + 1, sizeof *s.rtt_us);
    if (!s.rtt_us || s.networks == 0 || !open_socket(&s, !flood))
        return 1;
    prepare(&s, argv[3]);
    if (!cut(&s)) {
        perror("UDP_SEGMENT");
        return 1;
    }
    s.start_us = now_us();
    if (closed)
        closed_loop(&s);
    else
        open_loop(&s, !flood);
    int64_t end_us = now_us();
    print(&s, end_us);
    return 0;
}
