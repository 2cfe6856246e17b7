#include "ask.h"

#include "base/clock.h"
#include "dns/types.h"
#include "dns/writer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLAG_QR 0x8000
#define FLAG_AA 0x0400
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100
#define POINTERS_MAX 64

static const uint8_t subnet_option[] = {0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2}; /* RFC 7871 §6 */

struct message {
    uint8_t octet[65535 + 2];
    size_t len;
};

struct reader {
    const uint8_t *msg;
    size_t len, at;
    bool broken;
};

static unsigned read16(struct reader *r)
{
    if (r->broken || r->len - r->at < 2) {
        r->broken = true;
        return 0;
    }
    r->at += 2;
    return (unsigned)r->msg[r->at - 2] << 8 | r->msg[r->at - 1];
}

static uint32_t read32(struct reader *r)
{
    uint32_t high = read16(r);
    return high << 16 | read16(r);
}

/* A name, compressed or not (RFC 1035 §4.1.4); pointers only lead back. */
static void read_name(struct reader *r, char text[DNS_NAME_TEXT_MAX])
{
    uint8_t wire[DNS_NAME_MAX];
    size_t used = 0, at = r->at, before = r->at;
    unsigned jumps = 0;
    text[0] = '\0';
    while (!r->broken) {
        uint8_t n = at < r->len ? r->msg[at] : 0x80;
        if (n >= 0xc0 && at + 1 < r->len) {
            size_t to = (size_t)(n & 0x3f) << 8 | r->msg[at + 1];
            if (jumps++ == 0)
                r->at = at + 2;
            r->broken = to >= before || jumps > POINTERS_MAX;
            before = at = to;
            continue;
        }
        if (n > 63 || at + n >= r->len || used + n + 1 > sizeof wire) {
            r->broken = true;
            break;
        }
        memcpy(wire + used, r->msg + at, n + 1u);
        used += n + 1u;
        at += n + 1u;
        if (n == 0)
            break;
    }
    if (r->broken)
        return;
    if (jumps == 0)
        r->at = at;
    dns_name_lower(wire, used);
    dns_name_to_text(wire, text);
}

static void read_options(struct reader *r, size_t end, struct asked *out)
{
    out->edns = true;
    while (!r->broken && r->at + 4 <= end) {
        size_t begin = r->at;
        unsigned code = read16(r), len = read16(r);
        if (len > end - r->at)
            r->broken = true;
        else if (code == 8 && len == 7)
            out->subnet = memcmp(r->msg + begin, subnet_option, 7) == 0 &&
                          memcmp(r->msg + begin + 8, subnet_option + 8, 3) == 0;
        r->at += r->broken ? 0 : len;
    }
}

static void read_record(struct reader *r, uint8_t section, struct asked *out)
{
    struct asked_record rr = {.section = section};
    struct ip ip = {.family = 4};
    read_name(r, rr.owner);
    rr.type = (uint16_t)read16(r);
    read16(r);
    rr.ttl = read32(r);
    size_t len = read16(r), end = r->at + len;
    if (r->broken || len > r->len - r->at) {
        r->broken = true;
        return;
    }
    if (rr.type == DNS_OPT) {
        read_options(r, end, out);
    } else if ((rr.type == DNS_A && len == 4) || (rr.type == DNS_AAAA && len == 16)) {
        ip.family = len == 4 ? 4 : 6;
        memcpy(ip.b, r->msg + r->at, len);
        ip_format(&ip, rr.data);
    } else if (rr.type == DNS_NS || rr.type == DNS_CNAME) {
        read_name(r, rr.data);
    }
    r->at = end;
    if (rr.type != DNS_OPT && out->n < ASK_RECORDS_MAX)
        out->record[out->n++] = rr;
}

bool ask_read(const uint8_t *msg, size_t len, const uint8_t *query, struct asked *out)
{
    struct reader r = {.msg = msg, .len = len};
    char name[DNS_NAME_TEXT_MAX];
    unsigned id = read16(&r), flags = read16(&r), count[4];
    for (size_t i = 0; i < 4; i++)
        count[i] = read16(&r);
    if (r.broken || id != ((unsigned)query[0] << 8 | query[1]) || !(flags & FLAG_QR))
        return false;
    out->rcode = flags & 15;
    out->aa = flags & FLAG_AA;
    out->tc = flags & FLAG_TC;
    for (unsigned i = 0; i < count[0] && !r.broken; i++) {
        read_name(&r, name);
        read32(&r);
    }
    for (uint8_t section = 1; section < 4; section++)
        for (unsigned i = 0; i < count[section] && !r.broken; i++)
            read_record(&r, section, out);
    if (r.broken)
        snprintf(out->error, sizeof out->error, "its answer cannot be read");
    return true;
}

static bool write_query(const struct ask *a, struct dns_writer *w)
{
    struct dns_name name;
    uint16_t id = 0;
    if (!dns_name_from_text(a->name, &name) || getrandom(&id, sizeof id, 0) != sizeof id)
        return false;
    const uint16_t header[] = {id, a->recurse ? FLAG_RD : 0, 1, 0, 0, 1};
    for (size_t i = 0; i < sizeof header / sizeof *header; i++)
        dns_put16(w, header[i]);
    dns_put_bytes(w, name.wire, name.len);
    dns_put16(w, a->type);
    dns_put16(w, DNS_IN);
    dns_put8(w, 0); /* RFC 6891 §6.1.2 */
    dns_put16(w, DNS_OPT);
    dns_put16(w, DNS_UDP_EDNS_MAX);
    dns_put32(w, 0);
    dns_put16(w, a->subnet ? sizeof subnet_option : 0);
    if (a->subnet)
        dns_put_bytes(w, subnet_option, sizeof subnet_option);
    return !w->overflow;
}

/* Waits until the deadline; 0 or errno. */
static int wait_for(int fd, short what, int64_t until_ms)
{
    struct pollfd p = {.fd = fd, .events = what};
    for (;;) {
        int64_t left = until_ms - clock_mono_ms();
        int n = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (n > 0)
            return 0;
        if (n == 0)
            return ETIMEDOUT;
        if (errno != EINTR)
            return errno;
    }
}

static int dial(const struct ask *a, int *fd, int64_t until_ms)
{
    struct sockaddr_storage to;
    socklen_t len = ip_to_sockaddr(&a->server.ip, a->server.port, &to);
    *fd =
        socket(to.ss_family, (a->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return errno;
    if (connect(*fd, (struct sockaddr *)&to, len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    int error = wait_for(*fd, POLLOUT, until_ms);
    socklen_t size = sizeof error;
    if (!error && getsockopt(*fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    return error;
}

/* One datagram, or a message with its length before it. */
static int receive(const struct ask *a, int fd, struct message *m, int64_t until_ms)
{
    size_t want = a->tcp ? 2 : 1;
    for (m->len = 0; m->len < want;) {
        int error = wait_for(fd, POLLIN, until_ms);
        ssize_t n = error ? -1 : recv(fd, m->octet + m->len, sizeof m->octet - m->len, 0);
        if (error)
            return error;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return n < 0 ? errno : a->tcp ? ECONNRESET : EBADMSG;
        m->len += (size_t)n;
        if (a->tcp && m->len >= 2)
            want = 2 + ((size_t)m->octet[0] << 8 | m->octet[1]);
    }
    if (a->tcp)
        m->len = want - 2;
    return 0;
}

void ask(const struct ask *a, struct asked *out)
{
    uint8_t octets[600];
    struct dns_writer w = {.buf = octets + 2, .cap = sizeof octets - 2};
    static struct message answer;
    int64_t until_ms = clock_mono_ms() + ASK_TIMEOUT_MS;
    int fd = -1;
    memset(out, 0, sizeof *out);
    int error = write_query(a, &w) ? dial(a, &fd, until_ms) : EINVAL;
    octets[0] = (uint8_t)(w.len >> 8);
    octets[1] = (uint8_t)w.len;
    if (!error && send(fd, octets + (a->tcp ? 0 : 2), w.len + (a->tcp ? 2 : 0), MSG_NOSIGNAL) < 0)
        error = errno;
    bool done = false;
    while (!error && !done) {
        error = receive(a, fd, &answer, until_ms);
        done = !error && ask_read(answer.octet + (a->tcp ? 2 : 0), answer.len, octets + 2, out);
        if (a->tcp && !error && !done)
            error = EBADMSG;
    }
    if (fd >= 0)
        close(fd);
    if (error)
        snprintf(out->error, sizeof out->error, "%s",
                 error == ETIMEDOUT ? "no answer in 2 s" : strerror(error));
}
