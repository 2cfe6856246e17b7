#include "harness.h"

#include "base/clock.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

static void raise_to(_Atomic size_t *to, size_t v)
{
    if (v > atomic_load(to))
        atomic_store(to, v);
}

static void wait_or_sleep(struct seen *seen, const struct net_message *m)
{
    if (m->in_len > 0 && m->in[0] == 'H') {
        atomic_store(&seen->holding, true);
        while (!atomic_load(&seen->released))
            usleep(1000);
    }
    if (m->in_len > 0 && m->in[0] == 'S')
        usleep(1000);
}

static void respond(struct net_message *m)
{
    if (m->in_len > 0 && m->in[0] == 'N')
        return;
    if (m->in_len >= 4 && m->in[0] == 'B') {
        m->out_len = (size_t)m->in[1] << 8 | m->in[2];
        CHECK(m->out_len <= m->out_cap);
        memset(m->out, m->in[3], m->out_len);
        return;
    }
    m->out_len = m->in_len < m->out_cap ? m->in_len : m->out_cap;
    memcpy(m->out, m->in, m->out_len);
}

static void batch(void *ctx, struct net_message *messages, size_t n)
{
    struct seen *seen = ctx;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (!sigismember(&blocked, SIGTERM) || !sigismember(&blocked, SIGPIPE))
        atomic_store(&seen->signals_open, true);
    atomic_fetch_add(&seen->batches, 1);
    atomic_fetch_add(&seen->messages, n);
    raise_to(&seen->batch_max, n);
    for (size_t i = 0; i < n; i++) {
        CHECK(messages[i].out_len == 0);
        CHECK(messages[i].out_cap == (messages[i].tcp ? 65535 : NET_UDP_OUT_MAX));
        raise_to(&seen->in_len_max, messages[i].in_len);
        atomic_fetch_add(&seen->tcp, messages[i].tcp);
        if (!messages[i].tcp)
            atomic_store(&seen->tcp_before_udp, seen->tcp);
        wait_or_sleep(seen, &messages[i]);
        respond(&messages[i]);
    }
}

void bed_prepare(struct bed *b)
{
    struct net_config *c = &b->config;
    c->batch = batch;
    c->workers = c->workers ? c->workers : 1;
    for (unsigned i = 0; i < c->workers; i++)
        c->batch_ctx[i] = &b->seen[i];
    if (c->listen_n == 0) {
        c->listen_n = 1;
        CHECK(ip_parse("127.0.0.1", &c->listen[0].ip));
    }
}

void bed_create(struct bed *b)
{
    bed_prepare(b);
    struct diag diag = {0};
    char text[512];
    enum err e = net_server_create(&b->config, &b->server, &diag);
    diag_first(&diag, text, sizeof text);
    diag_fini(&diag);
    if (e != ERR_OK)
        fail_msg("%s", text);
    struct hostport at;
    CHECK(net_server_addresses(b->server, &at, 1) == 1);
    b->port = at.port;
}

void bed_start(struct bed *b)
{
    bed_create(b);
    CHECK(net_server_start(b->server) == ERR_OK);
}

struct net_counters bed_counters(const struct bed *b)
{
    struct net_counters c;
    net_server_counters(b->server, &c);
    return c;
}

bool bed_reaches(const struct bed *b, size_t offset, uint64_t n)
{
    for (int64_t end = clock_mono_ms() + WAIT_MS; clock_mono_ms() < end;) {
        struct net_counters c = bed_counters(b);
        uint64_t v;
        memcpy(&v, (const char *)&c + offset, sizeof v);
        if (v >= n)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return false;
}

void bed_stop(struct bed *b)
{
    net_server_stop(b->server, 0);
    struct net_counters c = bed_counters(b);
    assert_int_equal(c.udp_received, c.udp_sent + c.udp_send_failed + c.udp_no_answer);
    assert_int_equal(c.tcp_open, 0);
    assert_int_equal(c.tcp_accepted, c.tcp_closed);
    assert_true(c.tcp_answers <= c.tcp_queries);
    assert_true(c.tcp_idle_closed + c.tcp_shed + c.tcp_cut_slow <= c.tcp_closed);
    size_t messages = 0, tcp = 0;
    for (unsigned i = 0; i < b->config.workers; i++) {
        messages += b->seen[i].messages;
        tcp += b->seen[i].tcp;
        assert_false(b->seen[i].signals_open);
    }
    assert_int_equal(c.tcp_queries, tcp);
    assert_int_equal(c.udp_received, messages - tcp);
    net_server_destroy(&b->server);
    assert_null(b->server);
}

int client(const char *address, uint16_t port, int type, const char *from)
{
    struct ip ip;
    struct sockaddr_storage ss;
    CHECK(ip_parse(address, &ip));
    int fd = socket(ip.family == 6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int rc = 0;
    if (from) {
        struct ip source;
        CHECK(ip_parse(from, &source));
        socklen_t len = ip_to_sockaddr(&source, 0, &ss);
        rc = bind(fd, (struct sockaddr *)&ss, len);
    }
    socklen_t len = ip_to_sockaddr(&ip, port, &ss);
    if (rc == 0)
        rc = connect(fd, (struct sockaddr *)&ss, len);
    if (rc != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

bool readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

ssize_t take(int fd, void *buf, size_t cap)
{
    return readable(fd, WAIT_MS) ? recv(fd, buf, cap, MSG_DONTWAIT) : -1;
}

bool take_exactly(int fd, void *buf, size_t len)
{
    for (size_t at = 0; at < len;) {
        if (!readable(fd, WAIT_MS))
            return false;
        ssize_t n = recv(fd, (char *)buf + at, len - at, MSG_DONTWAIT);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

bool has_arrived(int fd)
{
    int left = -1;
    for (int i = 0; i < WAIT_MS && ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0; i++)
        usleep(1000);
    return left == 0;
}

bool is_closed(int fd)
{
    uint8_t byte;
    return readable(fd, WAIT_MS) && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

size_t frame(uint8_t *to, const void *message, size_t len)
{
    to[0] = (uint8_t)(len >> 8);
    to[1] = (uint8_t)len;
    memcpy(to + 2, message, len);
    return 2 + len;
}

void send_frame(int fd, const void *message, size_t len)
{
    static uint8_t buf[2 + 65535];
    size_t n = frame(buf, message, len);
    assert_int_equal(send(fd, buf, n, MSG_NOSIGNAL), n);
}

bool take_frame(int fd, const char *text)
{
    uint8_t buf[256];
    size_t len = strlen(text);
    CHECK(len < sizeof buf - 2);
    return take_exactly(fd, buf, 2 + len) && buf[0] == 0 && buf[1] == len &&
           memcmp(buf + 2, text, len) == 0;
}

int in_child(void (*body)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(60);
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

bool deny_syscall(long number, long first_arg, int error)
{
    struct sock_filter with_arg[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)first_arg, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_filter without[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog p = {.len = ARRAY_LEN(without), .filter = without};
    if (first_arg != -1)
        p = (struct sock_fprog){.len = ARRAY_LEN(with_arg), .filter = with_arg};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) == 0;
}
