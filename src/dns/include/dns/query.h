/* dns/query: one message from the network, taken apart without copying it.
 * Source    bytes that nobody has vouched for: every length is checked, work is bounded.
 * Owns      nothing; offsets are into the packet, the lower-cased name is a copy inside.
 * Threads   [worker]; no state, no allocation, total: every input gets an outcome.
 * Options   NSID, client subnet, COOKIE and edns-tcp-keepalive are read; all others are skipped.
 * Tolerated octets behind the last record (RFC 1035 §4.1: the counts say what is in a message), and
 *           any AA, TC, RA, Z and RCODE in the header.
 * Spec      RFC 1035 §4.1, RFC 6891 §6.1, RFC 7828 §3, RFC 7871 §6, §7.2.1, RFC 7873 §5.2, RFC 8906
 *           §3, RFC 9619 §4. */
#pragma once

#include "base/addr.h"
#include "dns/name.h"
#include "dns/types.h"

enum dns_parse {
    DNS_PARSE_OK,
    DNS_PARSE_DROP,         /* shorter than a header, or QR=1: never answered (loops) */
    DNS_PARSE_HEADER_ERROR, /* FORMERR, header only: the question could not be read */
    DNS_PARSE_FORMERR, /* FORMERR with the question (and OPT if one was readable); where QDCOUNT
                        * is not 1 has_question is false and no question goes back */
    DNS_PARSE_NOTIMP,  /* an opcode that is not QUERY: header only, RFC 8906 §3.1.4 */
    DNS_PARSE_BADVERS, /* EDNS version above 0, RFC 6891 §6.1.3 */
    DNS_PARSE_TSIG,    /* signed, with a key that nobody can have: RFC 8945 §5.2.1 */
    DNS_PARSE_COOKIE /* no question, but a COOKIE: only a server cookie is wanted, RFC 7873 §5.4 */
};

struct dns_ecs { /* RFC 7871 §6 */
    bool present;
    uint8_t source;      /* SOURCE PREFIX-LENGTH */
    uint16_t family;     /* 1 IPv4, 2 IPv6 */
    struct ip ip;        /* ADDRESS, padded with zeros; family 0 for source 0 of family 0 */
    uint8_t addr_octets; /* as they were sent, to be copied back */
    uint8_t used;        /* bits that may decide: SOURCE, or fewer where the server believes less */
};

struct dns_query {
    uint16_t id;
    uint16_t flags; /* the header's second 16 bits, host order */
    uint8_t opcode;
    bool rd, cd;
    bool has_question;
    uint16_t qname_off; /* 12 */
    uint8_t qname_len;
    uint8_t labels; /* of qname, without the root */
    uint16_t qtype, qclass;
    uint16_t question_end; /* offset just past QCLASS */

    bool edns; /* a readable OPT was there (also with FORMERR and BADVERS) */
    uint8_t edns_version;
    bool edns_do;       /* DO, copied back (RFC 3225 §3) */
    uint16_t udp_size;  /* as sent; 0 without OPT */
    bool nsid;          /* RFC 5001: asked for */
    bool keepalive;     /* RFC 7828: asked for */
    bool keepalive_bad; /* with a TIMEOUT, which only servers send (§3.1): FORMERR over TCP */
    bool
        cookie_bad; /* the first COOKIE has no length of RFC 7873 §5.2.2: FORMERR to who knows cookies */
    uint8_t cookie_len;  /* octets of the first COOKIE, 0: none; 8 or 16 to 40 */
    uint16_t cookie_off; /* of its client cookie in the message */
    struct dns_ecs ecs;

    uint16_t tsig_off; /* of a TSIG's owner in the message, 0: none */
    uint8_t tsig_owner_len, tsig_algorithm_len;

    uint8_t lower[DNS_NAME_MAX]; /* qname lower-cased, qname_len octets; the rest is not set */
};

enum dns_parse dns_query_parse(const uint8_t *msg, size_t len, struct dns_query *out);

/* The largest answer allowed over UDP: 512 without OPT, else min(client, ours), at least 512
 * (RFC 6891 §6.2.3-6.2.5). */
uint16_t dns_query_udp_limit(const struct dns_query *q, uint16_t ours);
