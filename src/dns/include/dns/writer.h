/* dns/writer: an answer being built in a caller's buffer.
 * Shape     a cursor with a sticky overflow mark: write ten things, check once. A record that does
 *           not fit is left out whole.
 * Threads   [worker]; no allocation.
 * Names     answers point at the question's name where they can; no other compression is needed,
 *           and none is used inside RDATA of types that RFC 3597 §4 forbids it for. */
#pragma once

#include "dns/query.h"

struct dns_writer {
    uint8_t *buf;
    size_t cap, len;
    bool overflow;      /* until the caller, having made room by setting len back, clears it */
    uint16_t rclass;    /* of the records: CH where the question is of it, else IN */
    uint16_t counts[4]; /* QD, AN, NS, AR */
};

enum dns_section {
    DNS_SECTION_QUESTION,
    DNS_SECTION_ANSWER,
    DNS_SECTION_AUTHORITY,
    DNS_SECTION_ADDITIONAL
};

struct dns_reply_flags {
    bool aa, tc;
    unsigned rcode; /* 12 bits with EDNS; the low 4 go into the header */
};

static inline void dns_put8(struct dns_writer *w, uint8_t v)
{
    if (w->len + 1 > w->cap)
        w->overflow = true;
    else
        w->buf[w->len++] = v;
}
static inline void dns_put16(struct dns_writer *w, uint16_t v)
{
    if (w->len + 2 > w->cap) {
        w->overflow = true;
        return;
    }
    w->buf[w->len] = (uint8_t)(v >> 8);
    w->buf[w->len + 1] = (uint8_t)v;
    w->len += 2;
}
static inline void dns_put32(struct dns_writer *w, uint32_t v)
{
    dns_put16(w, (uint16_t)(v >> 16));
    dns_put16(w, (uint16_t)v);
}
void dns_put_bytes(struct dns_writer *w, const void *bytes, size_t len);

/* Header and, where q has one, the question octet for octet as it was asked (0x20). Counts and
 * flags are written by dns_writer_finish. */
void dns_writer_begin(struct dns_writer *w, uint8_t *buf, size_t cap, const uint8_t *msg,
                      const struct dns_query *q);
/* owner: DNS_OWNER_QNAME, or an offset below 0x4000 into the message of a name written before
 * (answered as a compression pointer), or DNS_OWNER_WIRE with wire/wire_len given. */
#define DNS_OWNER_QNAME 0xfffe
#define DNS_OWNER_WIRE 0xffff
void dns_writer_rr(struct dns_writer *w, enum dns_section section, uint16_t owner,
                   const uint8_t *wire, size_t wire_len, uint16_t type, uint32_t ttl,
                   const void *rdata, size_t rdata_len);
/* OPT, if the query had one (RFC 6891 §6.1.1): our size, DO copied, extended rcode, then NSID if
 * asked for and nsid_len > 0, ECS with FAMILY, SOURCE and ADDRESS as they came (RFC 7871 §7.2.1) and
 * this scope, and what else is set here. PADDING is never added: there is no TLS (RFC 7830 §6). */
struct dns_opt_reply {
    unsigned rcode;
    uint8_t ecs_scope;
    const char *nsid;
    size_t nsid_len;
    const uint8_t *cookie;    /* client cookie and server cookie, 24 octets; NULL: none */
    uint16_t keepalive_100ms; /* RFC 7828 §3.1; 0: none */
    const char *ede_text;     /* NULL: no extended error, whatever ede says; may be "" */
    uint16_t ede;             /* enum dns_ede */
};
void dns_writer_opt(struct dns_writer *w, const struct dns_query *q,
                    const struct dns_opt_reply *opt);
/* Room that dns_writer_opt will take for this query. */
size_t dns_opt_size(const struct dns_query *q, const struct dns_opt_reply *opt);
/* Leaves the NSID out where question and OPT alone would be more than `max` octets: all that is not of
 * our choice fits into the 512 that every client takes. Returns dns_opt_size of what is left. */
size_t dns_opt_fit(const struct dns_query *q, struct dns_opt_reply *opt, size_t max);
/* What nearly every answer is, in one go: one record of class IN at the question's name, AA, an OPT where
 * one was asked and in it nothing but the client subnet. The octets are those that the functions above
 * write. 0: not in so much room (cap, some octets more than the answer is long), and nothing is written.
 * For an ordinary query of class IN; rdata: 4 octets or 16. */
size_t dns_write_address(uint8_t *buf, size_t cap, const uint8_t *msg, const struct dns_query *q,
                         uint8_t ecs_scope, uint32_t ttl, const uint8_t *rdata, size_t rdata_len);
/* Behind OPT: the TSIG of the question without MAC, with this error (RFC 8945 §5.3.2). Left out where
 * it does not fit, which takes names of hundreds of octets. */
void dns_writer_tsig(struct dns_writer *w, const uint8_t *msg, const struct dns_query *q,
                     unsigned error);
/* Writes ID, flags (QR, opcode, RD and CD copied; RA, AD and Z zero) and counts; returns length. */
size_t dns_writer_finish(struct dns_writer *w, const struct dns_query *q,
                         const struct dns_reply_flags *flags);
