/* load ADDRESS PORT QPS SECONDS NAME [SUBNETS]: a steady stream of A queries that looks at every answer.
 * An answer of NAME is whole when the last octet of each of its addresses equals its TTL: the test sets
 * both in one revision, so that an answer of two revisions shows. With SUBNETS each query carries one of
 * that many client subnets. Ends before its time on SIGTERM. Prints one JSON line; exit 0 unless something
 * could not be done. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
#define ROOM 1500

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct run {
    int fd;
    unsigned subnets;
    uint8_t query[512];
    size_t query_len, subnet_at;
    uint64_t sent, answered, mixed, failed, records;
    int64_t last_answer_us, gap_us_max;
};

static size_t put_name(uint8_t *out, const char *name)
{
    size_t len = 0;
    while (*name) {
        size_t n = strcspn(name, ".");
        out[len++] = (uint8_t)n;
        memcpy(out + len, name, n);
        len += n;
        name += n + (name[n] == '.');
    }
    out[len++] = 0;
    return len;
}

static void make_query(struct run *r, const char *name)
{
    static const uint8_t header[12] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    static const uint8_t tail[] = {0, 1,  0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0,
                                   0, 11, 0, 8, 0, 7, 0,  1, 24,  0, 0, 0, 0};
    memcpy(r->query, header, sizeof header);
    r->query_len = 12 + put_name(r->query + 12, name);
    memcpy(r->query + r->query_len, tail, sizeof tail);
    if (r->subnets == 0) /* an OPT without options */
        r->query[r->query_len + 14] = 0;
    r->query_len += r->subnets ? sizeof tail : 15;
    r->subnet_at = r->query_len - 3;
}

/* One answer: every record of type A has TTL == last octet, all the same. */
static void look(struct run *r, const uint8_t *m, size_t len)
{
    size_t at = 12;
    unsigned n = len > 12 ? (unsigned)(m[6] << 8 | m[7]) : 0, ttl_first = 0;
    r->answered++;
    if (len < 12 || (m[3] & 15) != 0 || n == 0) {
        r->failed++;
        return;
    }
    while (at < len && m[at])
        at += m[at] + 1u;
    at += 5;
    for (unsigned i = 0; i < n && at + 16 <= len; i++) {
        uint32_t ttl = (uint32_t)m[at + 6] << 24 | (uint32_t)m[at + 7] << 16 |
                       (uint32_t)m[at + 8] << 8 | m[at + 9];
        if (i == 0)
            ttl_first = ttl;
        if (ttl != m[at + 15] || ttl != ttl_first)
            r->mixed++;
        r->records++;
        at += 16;
    }
}

static void receive(struct run *r)
{
    uint8_t m[ROOM];
    for (ssize_t n; (n = recv(r->fd, m, sizeof m, MSG_DONTWAIT)) > 0;) {
        int64_t now = now_us();
        if (r->last_answer_us && now - r->last_answer_us > r->gap_us_max)
            r->gap_us_max = now - r->last_answer_us;
        r->last_answer_us = now;
        look(r, m, (size_t)n);
    }
}

static void send_one(struct run *r)
{
    r->query[0] = (uint8_t)(r->sent >> 8);
    r->query[1] = (uint8_t)r->sent;
    if (r->subnets) {
        uint32_t net = (uint32_t)(r->sent % r->subnets);
        r->query[r->subnet_at] = 81;
        r->query[r->subnet_at + 1] = (uint8_t)(net >> 8);
        r->query[r->subnet_at + 2] = (uint8_t)net;
    }
    if (send(r->fd, r->query, r->query_len, 0) > 0)
        r->sent++;
    else
        usleep(200); /* refused: nobody listens just now */
}

static volatile sig_atomic_t over;

static void end_now(int sig)
{
    (void)sig;
    over = 1;
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    struct run r = {.subnets = argc > 6 ? (unsigned)atoi(argv[6]) : 0};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    double qps = atof(argv[3]), seconds = atof(argv[4]);
    int size = 4 << 20;
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    r.fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (r.fd < 0 || connect(r.fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror("socket");
        return 1;
    }
    setsockopt(r.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    make_query(&r, argv[5]);
    signal(SIGTERM, end_now);
    int64_t start = now_us(), end = start + (int64_t)(seconds * 1e6), now = start;
    uint64_t attempts = 0;
    for (; now < end && !over; now = now_us()) {
        uint64_t due = (uint64_t)((double)(now - start) * 1e-6 * qps);
        for (unsigned i = 0; attempts < due && i < BATCH; i++, attempts++)
            send_one(&r);
        receive(&r);
        struct pollfd p = {r.fd, POLLIN, 0};
        if (attempts >= due && poll(&p, 1, 1) < 0)
            break;
    }
    for (int i = 0; i < 500 && r.answered < r.sent; i++) {
        usleep(10000);
        receive(&r);
    }
    printf("{\"sent\":%llu,\"answered\":%llu,\"mixed\":%llu,\"failed\":%llu,\"records\":%llu,"
           "\"gap_ms\":%.1f,\"seconds\":%.3f}\n",
           (unsigned long long)r.sent, (unsigned long long)r.answered, (unsigned long long)r.mixed,
           (unsigned long long)r.failed, (unsigned long long)r.records, (double)r.gap_us_max / 1000,
           (double)(now - start) * 1e-6);
    return 0;
}
