/* responder PORT: a web server on every address there is, IPv4 and IPv6, that says "ok" to every request and notes when it came.
 * On SIGTERM it prints one JSON line: requests, and the number of each 100 ms since the first. One
 * thread, epoll; a client may keep its connection. */
#include "query.h"
#include "web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256
#define BIN_NS 100000000
#define BINS_MAX 36000 /* an hour */
#define ROOM 4096

static unsigned bins[BINS_MAX];
static uint64_t requests;
static int64_t first_ns;

static void watch(int epoll, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

static void note(void)
{
    int64_t now = query_now_ns();
    first_ns = first_ns ? first_ns : now;
    int64_t bin = (now - first_ns) / BIN_NS;
    bins[bin < BINS_MAX ? bin : BINS_MAX - 1]++;
    requests++;
}

static void take_all(int epoll, int listener)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(epoll, fd);
    }
}

/* A request comes in one piece: these are small and local. */
static void serve(int fd)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                 "Content-Length: 2\r\n\r\nok";
    char room[ROOM + 1];
    ssize_t n = recv(fd, room, ROOM, 0);
    room[n > 0 ? n : 0] = '\0';
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || !strstr(room, "\r\n\r\n")) {
        close(fd);
        return;
    }
    note();
    if (send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
        close(fd);
}

static void print(void)
{
    int64_t last = (query_now_ns() - first_ns) / BIN_NS;
    printf("{\"requests\": %llu, \"bins\": [", (unsigned long long)requests);
    for (int64_t i = 0; first_ns && i <= last && i < BINS_MAX; i++)
        printf("%s%u", i ? ", " : "", bins[i]);
    puts("]}");
}

int main(int argc, char **argv)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int listener = argc == 2 ? web_listen(argv[1]) : -1;
    int epoll = epoll_create1(0), end = signalfd(-1, &ends, 0);
    if (listener < 0 || epoll < 0 || end < 0) {
        perror("usage: responder PORT");
        return 1;
    }
    watch(epoll, listener);
    watch(epoll, end);
    for (;;) {
        struct epoll_event e[EVENTS];
        int n = epoll_wait(epoll, e, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (e[i].data.fd == end) {
                print();
                return 0;
            }
            if (e[i].data.fd == listener)
                take_all(epoll, listener);
            else
                serve(e[i].data.fd);
        }
    }
}
