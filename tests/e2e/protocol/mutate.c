/* mutate ADDRESS PORT udp|tcp COUNT SEED PID: fires mutated packets at a server and reads what comes back.
 *
 * Packets go out in batches with a good query behind each, on sockets that one worker each reads in
 * order: when the good query's answer is here, so is everything that was owed for the batch. Every
 * packet with a header and QR=0 is owed exactly one answer, every other none, and each answer is
 * read as strictly as octets can be. The daemon's memory is read after a tenth and at the end. Prints SEED=
 * and one JSON line; a finding goes to stderr with the packet in hex, and the exit status is 1. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 32
#define SOCKETS 8 /* the kernel spreads them over the workers */
#define PACKET_MAX 1600
#define ANSWER_MAX 65536
#define UDP_ANSWER_MAX 1232
#define PATIENCE_MS 20000
#define GOOD_ID 0xffff
#define HEADER 12
#define OPT 41

struct packet {
    uint8_t b[PACKET_MAX];
    size_t len;
    bool owed, answered;
};

struct run {
    struct sockaddr_in to;
    bool tcp;
    uint64_t rng, count, sent, answered, good, cut;
    long pid, rss_early_kib;
    struct packet batch[BATCH];
    size_t n;
    uint8_t good_query[64];
    size_t good_len;
    uint8_t stream[2 * ANSWER_MAX]; /* TCP: what was read and is not yet a whole message */
    size_t stream_len;
};

static const char *const names[] = {"www.gslb.example",
                                    "WwW.gSlB.eXaMpLe",
                                    "long.gslb.example",
                                    "alias.gslb.example",
                                    "a.b.wild.gslb.example",
                                    "x.sub.gslb.example",
                                    "nothing.gslb.example",
                                    "gslb.example",
                                    "mail.gslb.example",
                                    "both.gslb.example",
                                    "other.test",
                                    "",
                                    "version.bind",
                                    "id.server",
                                    "a.b.c.d.e.f.g.h.i.j.k.l"};
static const uint16_t types[] = {1,   2,   5,   6,   15, 16,  28,   33,    39,   41,
                                 43,  46,  48,  64,  65, 99,  128,  250,   251,  252,
                                 253, 254, 255, 257, 0,  999, 1000, 65280, 65535};
static const uint16_t classes[] = {1, 1, 1, 1, 1, 1, 3, 254, 255, 0};
static const uint16_t sizes[] = {0, 511, 512, 1232, 1232, 4096, 65535};
static const uint16_t codes[] = {3, 5, 8, 8, 8, 9, 10, 10, 11, 12, 13, 15, 18, 65001};
static const uint16_t values[] = {0,      1,      2,      0x7f,   0x80,   0xff,
                                  0x100,  0x4000, 0x7fff, 0x8000, 0xc000, 0xc00c,
                                  0xc00e, 0xfffe, 0xffff, 0x0029, 0x00fa, 0x0008};
#define COUNT_OF(a) (sizeof(a) / sizeof *(a))
#define PICK(r, a) ((a)[pick(r, COUNT_OF(a))])

static uint64_t next(struct run *r) /* xorshift64* */
{
    r->rng ^= r->rng >> 12;
    r->rng ^= r->rng << 25;
    r->rng ^= r->rng >> 27;
    return r->rng * 2685821657736338717ULL;
}

static size_t pick(struct run *r, size_t n)
{
    return (size_t)((next(r) >> 33) % n);
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

__attribute__((noreturn, format(printf, 4, 5))) static void
finding(const struct packet *p, const uint8_t *answer, size_t len, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\nsent ", stderr);
    for (size_t i = 0; p && i < p->len; i++)
        fprintf(stderr, "%02x", p->b[i]);
    fputs("\ncame ", stderr);
    for (size_t i = 0; i < len; i++)
        fprintf(stderr, "%02x", answer[i]);
    fputc('\n', stderr);
    exit(1);
}

/* Good queries of every kind. */

static void put(struct packet *p, const void *octets, size_t n)
{
    if (n > PACKET_MAX - p->len)
        n = PACKET_MAX - p->len;
    memcpy(p->b + p->len, octets, n);
    p->len += n;
}

static void put16(struct packet *p, unsigned v)
{
    put(p, (const uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

static void put_noise(struct run *r, struct packet *p, size_t n)
{
    while (n-- > 0)
        put(p, (const uint8_t[]){(uint8_t)next(r)}, 1);
}

static void put_name(struct packet *p, const char *name)
{
    while (*name) {
        uint8_t n = (uint8_t)strcspn(name, ".");
        put(p, &n, 1);
        put(p, name, n);
        name += n + (name[n] == '.');
    }
    put(p, "", 1);
}

static void put_subnet(struct run *r, struct packet *p)
{
    bool v6 = pick(r, 2);
    size_t octets = pick(r, v6 ? 17 : 5);
    put16(p, 8);
    put16(p, 4 + (unsigned)octets);
    put16(p, v6 ? 2 : 1);
    put16(p, (unsigned)octets * 8 << 8);
    put_noise(r, p, octets);
}

/* Any options in any order; most of the right form. */
static void put_options(struct run *r, struct packet *p)
{
    for (size_t n = pick(r, 4) * pick(r, 3); n > 0; n--) {
        uint16_t code = PICK(r, codes);
        if (code == 8 && pick(r, 8)) {
            put_subnet(r, p);
            continue;
        }
        size_t len = code == 10 ? (pick(r, 2) ? 8 : 24) : code == 3 || code == 11 ? 0 : pick(r, 24);
        put16(p, code);
        put16(p, (unsigned)(len + (pick(r, 16) == 0)));
        put_noise(r, p, len);
    }
}

static void put_opt(struct run *r, struct packet *p)
{
    put(p, "", 1);
    put16(p, OPT);
    put16(p, PICK(r, sizes));
    put16(p, pick(r, 16) ? 0 : (unsigned)pick(r, 3));
    put16(p, pick(r, 2) ? 0x8000 : 0);
    size_t at = p->len;
    put16(p, 0);
    put_options(r, p);
    if (p->len - at > 2) {
        p->b[at] = (uint8_t)((p->len - at - 2) >> 8);
        p->b[at + 1] = (uint8_t)(p->len - at - 2);
    }
}

static void put_record(struct run *r, struct packet *p)
{
    put16(p, 0xc00c);
    put16(p, PICK(r, types));
    put16(p, 1);
    put16(p, 0);
    put16(p, 300);
    size_t len = pick(r, 40);
    put16(p, (unsigned)len);
    put_noise(r, p, len);
}

static void put_tsig(struct packet *p)
{
    static const uint8_t tsig[] = "\3key\0\0\372\0\377\0\0\0\0\0\42\13hmac-sha256\0"
                                  "\0\0\51\46\56\260\1\54\0\5MACMA\0\0\0\0\0";
    put(p, tsig, sizeof tsig);
}

static void make_good(struct run *r, struct packet *p)
{
    static const uint16_t flags[] = {0, 0, 0x100, 0x110, 0x20, 0x40};
    size_t others = pick(r, 8) ? 0 : pick(r, 4), opt = pick(r, 4) > 0, tsig = pick(r, 20) == 0;
    p->len = 0;
    put16(p, 0);
    put16(p, PICK(r, flags));
    put16(p, 1);
    put16(p, 0);
    put16(p, 0);
    put16(p, (unsigned)(others + opt + tsig));
    put_name(p, PICK(r, names));
    put16(p, PICK(r, types));
    put16(p, PICK(r, classes));
    for (size_t i = 0; i < others; i++)
        put_record(r, p);
    if (opt)
        put_opt(r, p);
    if (tsig)
        put_tsig(p);
}

/* Mutations. */

static void cut_out(struct packet *p, size_t at, size_t n)
{
    if (n > p->len - at)
        n = p->len - at;
    memmove(p->b + at, p->b + at + n, p->len - at - n);
    p->len -= n;
}

static void push_in(struct packet *p, size_t at, const uint8_t *octets, size_t n)
{
    uint8_t copy[64];
    if (n > sizeof copy || p->len + n > PACKET_MAX)
        return;
    memcpy(copy, octets, n);
    memmove(p->b + at + n, p->b + at, p->len - at);
    memcpy(p->b + at, copy, n);
    p->len += n;
}

static void splice(struct run *r, struct packet *p)
{
    struct packet other;
    make_good(r, &other);
    size_t at = pick(r, other.len);
    p->len = pick(r, p->len + 1);
    put(p, other.b + at, other.len - at);
}

static void mutate_once(struct run *r, struct packet *p)
{
    if (p->len == 0)
        return;
    size_t at = pick(r, p->len), left = p->len - at;
    uint64_t noise[8];
    switch (pick(r, 10)) {
    case 0:
    case 1:
        p->b[at] ^= (uint8_t)(1u << pick(r, 8));
        return;
    case 2:
        p->b[at] = (uint8_t)next(r);
        return;
    case 3:
        if (left >= 2) {
            uint16_t v = PICK(r, values);
            p->b[at] = (uint8_t)(v >> 8);
            p->b[at + 1] = (uint8_t)v;
        }
        return;
    case 4: /* counts and flags */
        if (p->len >= HEADER)
            p->b[2 + pick(r, 10)] = (uint8_t)(pick(r, 2) ? pick(r, 4) : next(r));
        return;
    case 5:
        p->len = at;
        return;
    case 6:
        cut_out(p, at, 1 + pick(r, 12));
        return;
    case 7:
        for (size_t i = 0; i < COUNT_OF(noise); i++)
            noise[i] = next(r);
        push_in(p, at, (const uint8_t *)noise, 1 + pick(r, sizeof noise - 1));
        return;
    case 8: /* a piece twice */
        push_in(p, at, p->b + at, left < 63 ? left : 1 + pick(r, 63));
        return;
    default:
        splice(r, p);
    }
}

static void make_packet(struct run *r, struct packet *p, uint16_t number)
{
    make_good(r, p);
    for (size_t n = pick(r, 16) ? 1 + pick(r, 4) : 0; n > 0; n--)
        mutate_once(r, p);
    if (r->tcp && p->len == 0)
        p->len = 1;    /* a frame without octets ends the stream: that is the table's */
    if (p->len >= 2) { /* who is answered is known by the number */
        p->b[0] = (uint8_t)(number >> 8);
        p->b[1] = (uint8_t)number;
    }
    p->owed = p->len >= HEADER && !(p->b[2] & 0x80);
    p->answered = false;
}

/* The strict reader. */

struct reader {
    const struct packet *asked;
    const uint8_t *m;
    size_t len, at;
};

static size_t name_end(const struct reader *c, size_t at)
{
    size_t limit = at, end = 0, octets = 0;
    for (;;) {
        if (at >= c->len)
            finding(c->asked, c->m, c->len, "a name runs out of the answer");
        unsigned n = c->m[at];
        if (n >= 0xc0) {
            size_t to = at + 2 <= c->len ? get16(c->m + at) & 0x3fffu : SIZE_MAX;
            if (to < HEADER || to >= limit)
                finding(c->asked, c->m, c->len, "a pointer at %zu that does not lead back", at);
            end = end ? end : at + 2;
            at = limit = to;
            continue;
        }
        octets += n + 1;
        if (n > 63 || octets > 255)
            finding(c->asked, c->m, c->len, "a label or name too long at %zu", at);
        at += n + 1;
        if (n == 0)
            return end ? end : at;
    }
}

static void read_options(const struct reader *c, size_t at, size_t end)
{
    uint64_t seen = 0;
    while (at < end) {
        if (end - at < 4 || end - at - 4 < get16(c->m + at + 2))
            finding(c->asked, c->m, c->len, "an option list that does not fill its OPT");
        unsigned code = get16(c->m + at);
        if (code >= 64 || seen >> code & 1)
            finding(c->asked, c->m, c->len, "option %u, unknown or for the second time", code);
        seen |= 1ULL << code;
        at += 4u + get16(c->m + at + 2);
    }
}

/* Returns the record's type. */
static unsigned read_record(struct reader *c)
{
    size_t owner = c->at, at = name_end(c, c->at);
    if (c->len - at < 10 || c->len - at - 10 < get16(c->m + at + 8))
        finding(c->asked, c->m, c->len, "a record that is cut at %zu", c->at);
    unsigned type = get16(c->m + at);
    c->at = at + 10 + get16(c->m + at + 8);
    if (type != OPT)
        return type;
    if (c->m[owner] != 0 || c->m[at + 5] != 0 || (get16(c->m + at + 6) & 0x7fff))
        finding(c->asked, c->m, c->len, "an OPT with a name, a version or flags");
    read_options(c, at + 10, c->at);
    return type;
}

static void read_header(const struct reader *c)
{
    const uint8_t *m = c->m, *q = c->asked->b;
    unsigned rcode = m[3] & 15;
    if (!(m[2] & 0x80) || (m[2] & 0x79) != (q[2] & 0x79))
        finding(c->asked, m, c->len, "QR, opcode or RD");
    if ((m[3] & 0xe0) || (m[3] & 0x10) != (q[3] & 0x10))
        finding(c->asked, m, c->len, "RA, Z, AD or CD");
    if (rcode > 6 && rcode != 9)
        finding(c->asked, m, c->len, "RCODE %u", rcode);
    if ((m[2] & 2) && get16(m + 6))
        finding(c->asked, m, c->len, "TC and records");
    if (get16(m + 4) > 1)
        finding(c->asked, m, c->len, "QDCOUNT %u", get16(m + 4));
}

static void read_answer(const struct packet *asked, const uint8_t *m, size_t len)
{
    struct reader c = {asked, m, len, HEADER};
    read_header(&c);
    if (get16(m + 4)) {
        c.at = name_end(&c, HEADER) + 4;
        if (c.at > len || c.at > asked->len || memcmp(m + HEADER, asked->b + HEADER, c.at - HEADER))
            finding(asked, m, len, "another question");
    }
    unsigned before = get16(m + 6) + get16(m + 8), n = before + get16(m + 10), opts = 0;
    for (unsigned i = 0; i < n; i++) {
        bool opt = read_record(&c) == OPT;
        opts += opt;
        if (opts > 1 || (opt && i < before))
            finding(asked, m, len, "OPT twice or out of its place");
    }
    if (c.at != len)
        finding(asked, m, len, "%zu octets behind the last record", len - c.at);
}

/* One message from the server; true when it is the good query's answer. */
static bool take(struct run *r, const uint8_t *m, size_t len)
{
    static const uint8_t address[] = {203, 0, 113, 1};
    if (len < HEADER || (!r->tcp && len > UDP_ANSWER_MAX))
        finding(NULL, m, len, "an answer of %zu octets", len);
    unsigned number = get16(m);
    if (number == GOOD_ID) {
        if ((m[3] & 15) || get16(m + 6) != 1 || memcmp(m + len - 4, address, 4))
            finding(NULL, m, len, "a wrong answer to the good query");
        r->good++;
        return true;
    }
    if (number >= r->n)
        finding(NULL, m, len, "an answer to nothing");
    struct packet *p = &r->batch[number];
    if (!p->owed || p->answered)
        finding(p, m, len, p->owed ? "a second answer" : "an answer to what has none");
    p->answered = true;
    r->answered++;
    read_answer(p, m, len);
    return false;
}

static void settle(const struct run *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->batch[i].owed && !r->batch[i].answered)
            finding(&r->batch[i], NULL, 0, "no answer");
}

static void wait_for(const struct run *r, int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    if (poll(&p, 1, PATIENCE_MS) == 1)
        return;
    for (size_t i = 0; i < r->n; i++)
        if (r->batch[i].owed && !r->batch[i].answered)
            finding(&r->batch[i], NULL, 0, "nothing came, nor to the good query behind it");
    finding(&r->batch[r->n - 1], NULL, 0, "the good query was not answered");
}

static void fill_batch(struct run *r)
{
    r->n = r->count - r->sent < BATCH ? (size_t)(r->count - r->sent) : BATCH;
    for (size_t i = 0; i < r->n; i++)
        make_packet(r, &r->batch[i], (uint16_t)i);
}

/* UDP */

static int open_socket(const struct run *r)
{
    int fd = socket(AF_INET, r->tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&r->to, sizeof r->to) != 0) {
        perror("socket");
        exit(1);
    }
    return fd;
}

/* The batch and the good query behind it in one call. */
static void udp_send(struct run *r, int fd)
{
    struct iovec iov[BATCH + 1];
    struct mmsghdr out[BATCH + 1];
    unsigned total = (unsigned)r->n + 1, done = 0;
    memset(out, 0, sizeof out);
    for (unsigned i = 0; i < total; i++) {
        iov[i] = i < r->n ? (struct iovec){r->batch[i].b, r->batch[i].len}
                          : (struct iovec){r->good_query, r->good_len};
        out[i].msg_hdr.msg_iov = &iov[i];
        out[i].msg_hdr.msg_iovlen = 1;
    }
    while (done < total) {
        int n = sendmmsg(fd, out + done, total - done, 0);
        if (n < 0)
            finding(NULL, NULL, 0, "send: %s", strerror(errno));
        done += (unsigned)n;
    }
    r->sent += r->n;
}

/* What is there; true when the good query's answer was among it, which is the last. */
static bool udp_receive(struct run *r, int fd)
{
    static uint8_t answer[BATCH + 1][UDP_ANSWER_MAX + 1];
    struct iovec iov[BATCH + 1];
    struct mmsghdr in[BATCH + 1];
    memset(in, 0, sizeof in);
    for (unsigned i = 0; i < BATCH + 1; i++) {
        iov[i] = (struct iovec){answer[i], sizeof answer[i]};
        in[i].msg_hdr.msg_iov = &iov[i];
        in[i].msg_hdr.msg_iovlen = 1;
    }
    int n = recvmmsg(fd, in, BATCH + 1, MSG_DONTWAIT, NULL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        finding(&r->batch[r->n - 1], NULL, 0, "recv: %s", strerror(errno));
    if (n < 0)
        wait_for(r, fd);
    bool done = false;
    for (int i = 0; i < n; i++) {
        if (done)
            finding(NULL, answer[i], in[i].msg_len, "an answer behind the good query's");
        done = take(r, answer[i], in[i].msg_len);
    }
    return done;
}

static void udp_batch(struct run *r, int fd)
{
    fill_batch(r);
    udp_send(r, fd);
    while (!udp_receive(r, fd))
        ;
    settle(r);
}

/* TCP */

static void send_all(int fd, const uint8_t *octets, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, octets, n, MSG_NOSIGNAL);
        if (k < 0)
            finding(NULL, octets, n, "send: %s", strerror(errno));
        octets += k;
        n -= (size_t)k;
    }
}

static size_t put_frame(uint8_t *out, const uint8_t *octets, size_t n)
{
    out[0] = (uint8_t)(n >> 8);
    out[1] = (uint8_t)n;
    memcpy(out + 2, octets, n);
    return n + 2;
}

/* True when the good query's answer was among the whole messages. */
static bool take_frames(struct run *r)
{
    size_t at = 0;
    bool done = false;
    while (!done && r->stream_len - at >= 2 && r->stream_len - at - 2 >= get16(r->stream + at)) {
        size_t n = get16(r->stream + at);
        done = take(r, r->stream + at + 2, n);
        at += n + 2;
    }
    memmove(r->stream, r->stream + at, r->stream_len - at);
    r->stream_len -= at;
    return done;
}

static void tcp_batch(struct run *r, int fd)
{
    static uint8_t out[(BATCH + 1) * (PACKET_MAX + 2)];
    size_t len = 0;
    fill_batch(r);
    for (size_t i = 0; i < r->n; i++)
        len += put_frame(out + len, r->batch[i].b, r->batch[i].len);
    len += put_frame(out + len, r->good_query, r->good_len);
    size_t first = pick(r, len); /* in two pieces, anywhere */
    send_all(fd, out, first);
    send_all(fd, out + first, len - first);
    r->sent += r->n;
    for (bool done = false; !done;) {
        wait_for(r, fd);
        ssize_t n = recv(fd, r->stream + r->stream_len, sizeof r->stream - r->stream_len, 0);
        if (n <= 0)
            finding(&r->batch[r->n - 1], NULL, 0, "the stream ended: %s",
                    n ? strerror(errno) : "closed");
        r->stream_len += (size_t)n;
        done = take_frames(r);
    }
    settle(r);
}

/* A frame whose length lies, and the end. */
static void tcp_end(struct run *r, int fd)
{
    uint8_t out[PACKET_MAX + 2];
    struct packet p;
    make_packet(r, &p, 0);
    size_t len = put_frame(out, p.b, p.len);
    if (pick(r, 2))
        out[pick(r, 2)] ^= (uint8_t)(1u << pick(r, 8));
    send_all(fd, out, 1 + pick(r, len));
    if (pick(r, 2)) { /* a reset instead of an end */
        struct linger now = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    close(fd);
    r->cut++;
    r->stream_len = 0;
}

/* Of the daemon, in KiB. */
static long rss_kib(long pid)
{
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", pid);
    FILE *f = fopen(path, "re");
    while (f && kib < 0 && fgets(line, sizeof line, f))
        (void)sscanf(line, "Rss: %ld kB", &kib);
    if (f)
        fclose(f);
    if (kib < 0)
        finding(NULL, NULL, 0, "no memory of process %ld to be read", pid);
    return kib;
}

static void udp_run(struct run *r)
{
    int fd[SOCKETS];
    for (int i = 0; i < SOCKETS; i++)
        fd[i] = open_socket(r);
    for (uint64_t b = 0; r->sent < r->count; b++) {
        udp_batch(r, fd[b % SOCKETS]);
        if (!r->rss_early_kib && r->sent >= r->count / 10)
            r->rss_early_kib = rss_kib(r->pid);
    }
    for (int i = 0; i < SOCKETS; i++)
        close(fd[i]);
}

static void tcp_run(struct run *r)
{
    while (r->sent < r->count) {
        int fd = open_socket(r);
        for (size_t batches = 1 + pick(r, 4); batches > 0 && r->sent < r->count; batches--)
            tcp_batch(r, fd);
        tcp_end(r, fd);
        if (!r->rss_early_kib && r->sent >= r->count / 10)
            r->rss_early_kib = rss_kib(r->pid);
    }
}

static void make_good_query(struct run *r)
{
    struct packet p = {.len = 0};
    put16(&p, GOOD_ID);
    for (int i = 0; i < 5; i++)
        put16(&p, i == 1);
    put_name(&p, names[0]);
    put16(&p, 1);
    put16(&p, 1);
    memcpy(r->good_query, p.b, p.len);
    r->good_len = p.len;
}

int main(int argc, char **argv)
{
    static struct run r;
    if (argc != 7)
        return 2;
    r.to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    inet_pton(AF_INET, argv[1], &r.to.sin_addr);
    r.tcp = strcmp(argv[3], "tcp") == 0;
    r.count = strtoull(argv[4], NULL, 10);
    r.rng = strtoull(argv[5], NULL, 10) * 0x9e3779b97f4a7c15ULL + 1;
    r.pid = atol(argv[6]);
    printf("SEED=%s\n", argv[5]);
    fflush(stdout);
    make_good_query(&r);
    if (r.tcp)
        tcp_run(&r);
    else
        udp_run(&r);
    printf("{\"sent\":%llu,\"answered\":%llu,\"good\":%llu,\"cut\":%llu,\"rss_early_kib\":%ld,"
           "\"rss_kib\":%ld}\n",
           (unsigned long long)r.sent, (unsigned long long)r.answered, (unsigned long long)r.good,
           (unsigned long long)r.cut, r.rss_early_kib, rss_kib(r.pid));
    return 0;
}
