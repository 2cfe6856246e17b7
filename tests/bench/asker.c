/* asker: one query after the other, each as soon as the answer to the last is there, to see when an
 * answer changes. Times are CLOCK_MONOTONIC in nanoseconds: that of the arrival of the answer.
 *   asker watch PORT NAME NET SECONDS
 *       a line "TIME ADDRESS" for the first answer and each that differs from the one before; at the end
 *       a line "asked N lost N". NET: a client subnet /24 such as 192.0.2.0, or -
 *   asker override PORT NAME SOCKET REGION ADDRESS|- ROUNDS
 *       says over the control socket that REGION, or NAME's endpoint ADDRESS in it, is down, then auto
 *       again, ROUNDS times in turn; a line for each: "TIME CHANGED ACKNOWLEDGED SYNC_TIME SYNCED": of the
 *       writing of the request, microseconds from then to the first different answer and to the daemon's
 *       own reply; then, for the disk to be known apart, a write and fsync of 4 KiB more to a file
 *       beside the socket: longer, as the database's log is with each of them
 *   asker verdict PORT SERVICES WEB
 *       is the web server that the first SERVICES services are probed at, port WEB of every address: the
 *       address of each in region 0 fails in turn, for good; a line for each: "TIME CHANGED", of the
 *       sending of the first reply that says so, and microseconds to the first different answer */
#include "query.h"
#include "web.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CHANGE_NS_MAX 10000000000
#define PAUSE_NS 20000000
#define REST_NS 100000
#define LOST_NS 500000000

struct asker {
    int fd;
    uint16_t id;
    uint64_t asked, lost;
    const char *name;
    uint32_t net;
};

static bool open_asker(struct asker *a, const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_usec = LOST_NS / 1000};
    a->fd = socket(AF_INET, SOCK_DGRAM, 0);
    return a->fd >= 0 && connect(a->fd, (struct sockaddr *)&to, sizeof to) == 0 &&
           setsockopt(a->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0;
}

/* The address that it is answered with; 0: none, or none in time. */
static uint32_t ask(struct asker *a)
{
    uint8_t m[1500];
    size_t len = query_put(m, ++a->id, a->name, QUERY_A, a->net);
    a->asked++;
    if (send(a->fd, m, len, 0) < 0) {
        a->lost++;
        return 0;
    }
    for (;;) {
        ssize_t n = recv(a->fd, m, sizeof m, 0);
        if (n < 0) {
            a->lost++;
            return 0;
        }
        if (n >= 12 && (m[0] << 8 | m[1]) == a->id)
            return query_first_address(m, (size_t)n);
    }
}

/* Without it the worker is busy all the time, and what is measured is how long the kernel lets the
 * threads wait that have something to tell it. */
static void rest(void)
{
    const struct timespec pause = {.tv_nsec = REST_NS};
    nanosleep(&pause, NULL);
}

static int watch(struct asker *a, double seconds)
{
    int64_t end = query_now_ns() + (int64_t)(seconds * 1e9);
    uint32_t last = 0;
    while (query_now_ns() < end) {
        uint32_t now = ask(a);
        if (now && now != last) {
            struct in_addr address = {htonl(now)};
            printf("%lld %s\n", (long long)query_now_ns(), inet_ntoa(address));
            fflush(stdout);
            last = now;
        }
    }
    printf("asked %llu lost %llu\n", (unsigned long long)a->asked, (unsigned long long)a->lost);
    return 0;
}

static int open_control(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? fd : -1;
}

/* Whether the daemon's reply is there, whole; *refused: it did not do it. */
static bool is_acknowledged(int control, int flags, bool *refused)
{
    char line[4096];
    ssize_t n = recv(control, line, sizeof line - 1, flags);
    line[n > 0 ? n : 0] = '\0';
    if (n == 0 || (n > 0 && !strstr(line, "\"ok\":true"))) {
        fprintf(stderr, "asker: the daemon says: %s\n", line);
        *refused = true;
    }
    return n > 0;
}

static int open_sync(const char *socket)
{
    char path[400];
    snprintf(path, sizeof path, "%s.sync", socket);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlink(path);
    return fd;
}

/* One write that must last. False: it does not. */
static bool print_sync(int sync)
{
    static const char block[4096]; /* a page of the database */
    int64_t start = query_now_ns();
    if (write(sync, block, sizeof block) != (ssize_t)sizeof block || fsync(sync) != 0)
        return false;
    printf(" %lld %.1f\n", (long long)start, (double)(query_now_ns() - start) / 1e3);
    return true;
}

/* One override until its effect is seen and it is acknowledged. target: the members that say of what. */
static bool change(struct asker *a, int control, const char *target, const char *state)
{
    char request[600];
    uint32_t before = ask(a);
    int len = snprintf(request, sizeof request,
                       "{\"op\":\"override\",%s,\"state\":\"%s\",\"author\":\"bench\","
                       "\"reason\":\"measured\"}\n",
                       target, state);
    bool refused = false;
    int64_t start = query_now_ns(), changed = 0, acknowledged = 0;
    if (!before || write(control, request, (size_t)len) != len)
        return false;
    while (!refused && (!changed || !acknowledged)) {
        rest();
        uint32_t now = ask(a);
        int64_t at = query_now_ns();
        if (now && now != before && !changed)
            changed = at;
        if (!acknowledged && is_acknowledged(control, MSG_DONTWAIT, &refused))
            acknowledged = query_now_ns();
        if (at - start > CHANGE_NS_MAX) {
            fprintf(stderr, "asker: \"%s\" of %s changed nothing in time\n", state, target);
            return false;
        }
    }
    if (!refused)
        printf("%lld %.1f %.1f", (long long)start, (double)(changed - start) / 1e3,
               (double)(acknowledged - start) / 1e3);
    return !refused;
}

static int override(struct asker *a, const char *path, const char *region, const char *address,
                    unsigned rounds)
{
    char target[400];
    if (strcmp(address, "-") == 0)
        snprintf(target, sizeof target, "\"region\":\"%s\"", region);
    else
        snprintf(target, sizeof target, "\"service\":\"%s\",\"region\":\"%s\",\"address\":\"%s\"",
                 a->name, region, address);
    int control = open_control(path), sync = open_sync(path);
    if (control < 0 || sync < 0) {
        perror(path);
        return 1;
    }
    for (unsigned i = 0; i < 2 * rounds; i++) {
        struct timespec pause = {.tv_nsec = PAUSE_NS};
        if (!change(a, control, target, i % 2 ? "auto" : "down"))
            return 1;
        nanosleep(&pause, NULL);
        if (!print_sync(sync)) {
            perror("asker: fsync");
            return 1;
        }
        nanosleep(&pause, NULL);
    }
    return 0;
}

#define CLIENTS 256
#define SETTLE_S 10

struct web {
    int listener;
    struct client {
        int fd;
        uint32_t asks; /* the IPv4 address that it came to, 0: none */
    } client[CLIENTS];
};

static void accept_all(struct web *w)
{
    int on = 1;
    for (struct client *c = w->client; c < w->client + CLIENTS; c++)
        if (c->fd < 0) {
            struct sockaddr_in6 own = {0};
            socklen_t len = sizeof own;
            c->fd = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK);
            if (c->fd < 0)
                return;
            setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            c->asks = 0;
            if (getsockname(c->fd, (struct sockaddr *)&own, &len) == 0 &&
                IN6_IS_ADDR_V4MAPPED(&own.sin6_addr))
                memcpy(&c->asks, own.sin6_addr.s6_addr + 12, sizeof c->asks);
        }
}

/* Whoever has asked is told that all is well, but for one address. When somebody was told that it is not,
 * 0: nobody. */
static int64_t serve(struct web *w, uint32_t failing)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                                          "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"};
    int64_t told = 0;
    for (struct client *c = w->client; c < w->client + CLIENTS; c++) {
        char request[4096];
        ssize_t n = c->fd < 0 ? -1 : recv(c->fd, request, sizeof request, MSG_DONTWAIT);
        if (n > 0) {
            const char *answer = answers[c->asks == failing];
            told = c->asks == failing ? query_now_ns() : told;
            n = send(c->fd, answer, strlen(answer), MSG_NOSIGNAL) < 0 ? 0 : n;
        }
        if (n == 0) {
            close(c->fd);
            c->fd = -1;
        }
    }
    return told;
}

/* The answer to the last query, if it has come: as ask(), which waits for it. */
static uint32_t hear(struct asker *a)
{
    uint8_t m[1500];
    ssize_t n;
    while ((n = recv(a->fd, m, sizeof m, MSG_DONTWAIT)) >= 0)
        if (n >= 12 && (m[0] << 8 | m[1]) == a->id)
            return query_first_address(m, (size_t)n);
    return 0;
}

static void send_query(struct asker *a)
{
    uint8_t m[QUERY_BYTES_MAX];
    size_t len = query_put(m, ++a->id, a->name, QUERY_A, a->net);
    a->asked++;
    if (send(a->fd, m, len, 0) < 0)
        a->lost++;
}

/* Until something arrives, or for a while. */
static void wait_for_any(const struct web *w, const struct asker *a, int64_t ns)
{
    struct pollfd p[CLIENTS + 2] = {{w->listener, POLLIN, 0}, {a->fd, POLLIN, 0}};
    struct timespec t = {.tv_nsec = ns > 0 ? ns : 0};
    nfds_t n = 2;
    for (const struct client *c = w->client; c < w->client + CLIENTS; c++)
        if (c->fd >= 0)
            p[n++] = (struct pollfd){c->fd, POLLIN, 0};
    ppoll(p, n, &t, NULL);
}

/* For the seconds, or until the answer about a name is another than at first: when its address was said
 * to have failed, and when the answer changed. Probes are answered as they come, as by a server of their
 * own, and not between queries. */
static bool serve_until(struct web *w, struct asker *a, double seconds, uint32_t failing,
                        int64_t *told, int64_t *changed)
{
    int64_t end = query_now_ns() + (int64_t)(seconds * 1e9), now, next = 0;
    uint32_t before = failing ? ask(a) : 0;
    *told = *changed = 0;
    while (!*changed && (now = query_now_ns()) < end) {
        accept_all(w);
        int64_t at = serve(w, failing);
        *told = *told ? *told : at;
        uint32_t heard = hear(a);
        if (heard)
            next = query_now_ns() + REST_NS;
        if (*told && heard && heard != before)
            *changed = query_now_ns();
        else if (before && now >= next) {
            send_query(a);
            next = query_now_ns() + LOST_NS; /* or until the answer is there */
        }
        wait_for_any(w, a, before ? next - query_now_ns() : REST_NS);
    }
    return *changed != 0;
}

static int verdict(struct asker *a, unsigned services, const char *port)
{
    static struct web w;
    char name[64];
    int64_t told, changed;
    w.listener = web_listen(port);
    if (w.listener < 0) {
        perror("asker");
        return 1;
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        w.client[i].fd = -1;
    serve_until(&w, a, SETTLE_S, 0, &told, &changed); /* first verdicts */
    for (unsigned i = 0; i < services; i++) {
        snprintf(name, sizeof name, "svc%06u.gslb.example", i);
        a->name = name;
        if (!serve_until(&w, a, (double)CHANGE_NS_MAX / 1e9, htonl(10u << 24 | i), &told,
                         &changed)) {
            fprintf(stderr, "asker: %s failed and is answered with as before\n", name);
            return 1;
        }
        printf("%lld %.1f\n", (long long)told, (double)(changed - told) / 1e3);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct asker a = {.name = argc > 3 ? argv[3] : ""};
    struct in_addr net = {0};
    prctl(PR_SET_TIMERSLACK, 1UL); /* a rest is no longer than it says */
    if (argc > 2 && !open_asker(&a, argv[2])) {
        perror("asker");
        return 1;
    }
    if (argc == 6 && strcmp(argv[1], "watch") == 0 &&
        (strcmp(argv[4], "-") == 0 || inet_pton(AF_INET, argv[4], &net) == 1)) {
        a.net = ntohl(net.s_addr) >> 8;
        return watch(&a, atof(argv[5]));
    }
    if (argc == 8 && strcmp(argv[1], "override") == 0)
        return override(&a, argv[4], argv[5], argv[6], (unsigned)atoi(argv[7]));
    if (argc == 5 && strcmp(argv[1], "verdict") == 0)
        return verdict(&a, (unsigned)atoi(argv[3]), argv[4]);
    fputs("usage: asker watch PORT NAME NET|- SECONDS\n"
          "       asker override PORT NAME SOCKET REGION ADDRESS|- ROUNDS\n"
          "       asker verdict PORT SERVICES WEB\n",
          stderr);
    return 2;
}
