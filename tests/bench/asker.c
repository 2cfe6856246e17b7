/* asker: one query after the other, each as soon as the answer to the last is there, to see when an
 * answer changes. Times are CLOCK_MONOTONIC in nanoseconds: that of the arrival of the answer.
 *   asker watch PORT NAME NET SECONDS
 *       a line "TIME ADDRESS" for the first answer and each that differs from the one before; at the end
 *       a line "asked N lost N". NET: a client subnet /24 such as 192.0.2.0, or -
 *   asker override PORT NAME SOCKET REGION ADDRESS|- ROUNDS
 *       says over the control socket that REGION, or NAME's endpoint ADDRESS in it, is down, then auto
 *       again, ROUNDS times in turn; a line for each: "CHANGED ACKNOWLEDGED", microseconds from the writing of the request to the first
 *       different answer and to the daemon's own reply */
#include "query.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CHANGE_NS_MAX 10000000000
#define PAUSE_NS 20000000

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
    struct timeval patience = {.tv_usec = 500000};
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
        printf("%.1f %.1f\n", (double)(changed - start) / 1e3,
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
    int control = open_control(path);
    if (control < 0) {
        perror(path);
        return 1;
    }
    for (unsigned i = 0; i < 2 * rounds; i++) {
        struct timespec pause = {.tv_nsec = PAUSE_NS};
        if (!change(a, control, target, i % 2 ? "auto" : "down"))
            return 1;
        nanosleep(&pause, NULL);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct asker a = {.name = argc > 3 ? argv[3] : ""};
    struct in_addr net = {0};
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
    fputs("usage: asker watch PORT NAME NET|- SECONDS\n"
          "       asker override PORT NAME SOCKET REGION ADDRESS|- ROUNDS\n",
          stderr);
    return 2;
}
