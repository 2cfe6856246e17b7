/* dns: one query over UDP (RFC 1035 §4.2.1), with a random ID from a random port (RFC 5452 §9). The
 * answer must have the ID and the question that were sent, NOERROR, and at least one answer record;
 * or be truncated, which says as much. Everything else that arrives is not an answer to us and is
 * passed over. One packet, no retransmission: a probe is repeated anyway, and its latency is to be
 * the server's. */
#include "probe_priv.h"

#include "dns/name.h"
#include "dns/types.h"
#include "dns/writer.h"

#include <stdio.h>
#include <string.h>

#define FLAG_RD 0x0100u
#define FLAG_QR 0x8000u
#define FLAG_TC 0x0200u
#define QUESTION_BYTES_MAX (DNS_NAME_MAX + 4)

struct dns {
    uv_udp_t socket;
    uint8_t query[DNS_HEADER_BYTES + QUESTION_BYTES_MAX + DNS_OPT_BYTES];
    size_t query_len, question_len;
    bool opened;
    char buf[DNS_UDP_EDNS_MAX];
};

static uint16_t get16(const uint8_t *b)
{
    return (uint16_t)(b[0] << 8 | b[1]);
}

static bool same_lower(const uint8_t *a, const uint8_t *b, size_t len)
{
    uint8_t low_a[QUESTION_BYTES_MAX], low_b[QUESTION_BYTES_MAX];
    memcpy(low_a, a, len);
    memcpy(low_b, b, len);
    dns_name_lower(low_a, len - 4); /* not type and class */
    dns_name_lower(low_b, len - 4);
    return memcmp(low_a, low_b, len) == 0;
}

/* A server that gives up early may leave the question out: then the ID has to do. */
static bool is_ours(const struct dns *d, const uint8_t *msg, size_t len)
{
    if (len < DNS_HEADER_BYTES || get16(msg) != get16(d->query) || !(get16(msg + 2) & FLAG_QR))
        return false;
    if (get16(msg + 4) == 0)
        return (get16(msg + 2) & 0xf) != DNS_NOERROR;
    return get16(msg + 4) == 1 && len >= DNS_HEADER_BYTES + d->question_len &&
           same_lower(msg + DNS_HEADER_BYTES, d->query + DNS_HEADER_BYTES, d->question_len);
}

static void judge(struct probe_run *run, const uint8_t *msg)
{
    unsigned flags = get16(msg + 2), answers = get16(msg + 6), rcode = flags & 0xf;
    run->result.status = rcode;
    run->result.first_byte_us = probe__run_elapsed_us(run);
    unsigned ms = (run->result.first_byte_us + 500) / 1000;
    if (rcode != DNS_NOERROR)
        probe__run_end(run, false, "%s, expected NOERROR", dns_rcode_text(rcode));
    else if (flags & FLAG_TC)
        probe__run_end(run, true, "NOERROR, truncated, in %u ms", ms);
    else if (answers == 0)
        probe__run_end(run, false, "NOERROR, but no answer record");
    else
        probe__run_end(run, true, "NOERROR, %u answer%s in %u ms", answers, answers == 1 ? "" : "s",
                       ms);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct dns *d = ((struct probe_run *)handle->data)->state;
    (void)wanted;
    *out = uv_buf_init(d->buf, sizeof d->buf);
}

static void on_datagram(uv_udp_t *socket, ssize_t n, const uv_buf_t *buf,
                        const struct sockaddr *from, unsigned flags)
{
    struct probe_run *run = socket->data;
    (void)flags;
    if (run->ended || (n == 0 && !from))
        return;
    if (n < 0)
        probe__run_end_uv(run, "", (int)n); /* the port is unreachable, mostly */
    else if (is_ours(run->state, (const uint8_t *)buf->base, (size_t)n))
        judge(run, (const uint8_t *)buf->base);
}

/* False: the run has ended, since the question makes no sense. */
static bool write_query(struct probe_run *run)
{
    struct dns *d = run->state;
    const struct model_probe *p = run->target->probe;
    const char *name_text = p->qname ? p->qname : run->target->service;
    struct dns_name name;
    uint16_t type = DNS_A, id = 0;
    if (!*name_text) {
        probe__run_end(run, false, "no name to ask for: set qname, or name a service");
        return false;
    }
    if (!dns_name_from_text(name_text, &name)) {
        probe__run_end(run, false, "\"%s\" is not a domain name", name_text);
        return false;
    }
    if (p->qtype && !dns_type_from_text(p->qtype, &type)) {
        probe__run_end(run, false, "\"%s\" is not a record type", p->qtype);
        return false;
    }
    if (uv_random(NULL, NULL, &id, sizeof id, 0, NULL) != 0) {
        probe__run_end_own(run, "the prober lacks random numbers");
        return false;
    }
    struct dns_writer w = {.buf = d->query, .cap = sizeof d->query};
    const uint16_t header[] = {id, FLAG_RD, 1, 0, 0, 1};
    for (size_t i = 0; i < ARRAY_LEN(header); i++)
        dns_put16(&w, header[i]);
    dns_put_bytes(&w, name.wire, name.len);
    dns_put16(&w, type);
    dns_put16(&w, DNS_IN);
    d->question_len = w.len - DNS_HEADER_BYTES;
    dns_put8(&w, 0); /* OPT, RFC 6891 §6.1.2: root, our size, version 0, no flags, no options */
    dns_put16(&w, DNS_OPT);
    dns_put16(&w, DNS_UDP_EDNS_MAX);
    dns_put32(&w, 0);
    dns_put16(&w, 0);
    CHECK(!w.overflow);
    d->query_len = w.len;
    return true;
}

static int send_query(struct probe_run *run)
{
    struct dns *d = run->state;
    struct sockaddr_storage sa;
    ip_to_sockaddr(&run->ip, run->port, &sa);
    int e = uv_udp_init(run->runner->loop, &d->socket);
    if (e != 0)
        return e;
    probe__run_handle_opened(run, (uv_handle_t *)&d->socket);
    d->opened = true;
    /* Connected: the kernel passes only what the endpoint sends, and tells of a closed port. */
    e = uv_udp_connect(&d->socket, (const struct sockaddr *)&sa);
    if (e == 0)
        e = uv_udp_recv_start(&d->socket, on_alloc, on_datagram);
    if (e != 0)
        return e;
    uv_buf_t buf = uv_buf_init((char *)d->query, (unsigned)d->query_len);
    e = uv_udp_try_send(&d->socket, &buf, 1, NULL);
    return e < 0 ? e : 0;
}

static void dns_start(struct probe_run *run)
{
    if (!write_query(run))
        return;
    int e = send_query(run);
    if (e == UV_EAGAIN)
        probe__run_end_own(run, "the prober's send buffer is full");
    else if (e < 0)
        probe__run_end_uv(run, "", e);
}

static void dns_stop(struct probe_run *run)
{
    struct dns *d = run->state;
    if (d->opened)
        probe__run_handle_close(run, (uv_handle_t *)&d->socket);
}

const struct probe_driver probe__dns_driver = {
    .state_bytes = sizeof(struct dns), .needs_address = true, .start = dns_start, .stop = dns_stop};
