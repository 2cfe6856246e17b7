/* dns/types: numbers of the protocol that this server speaks.
 * Threads   any; no state.
 * Spec      IANA dns-parameters. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_DNAME = 39,
    DNS_OPT = 41,
    DNS_DS = 43,
    DNS_RRSIG = 46,
    DNS_NSEC = 47,
    DNS_DNSKEY = 48,
    DNS_SVCB = 64,
    DNS_HTTPS = 65,
    DNS_TSIG = 250,
    DNS_IXFR = 251,
    DNS_AXFR = 252,
    DNS_MAILB = 253,
    DNS_MAILA = 254,
    DNS_ANY = 255,
    DNS_CAA = 257
};
enum dns_class { DNS_IN = 1, DNS_CH = 3, DNS_CLASS_ANY = 255 };
enum dns_opcode { DNS_OP_QUERY = 0, DNS_OP_NOTIFY = 4, DNS_OP_UPDATE = 5 };
enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
    DNS_NOTAUTH = 9,
    DNS_BADVERS = 16,
    DNS_BADCOOKIE = 23
};
enum dns_option {
    DNS_OPTION_NSID = 3,       /* RFC 5001 */
    DNS_OPTION_ECS = 8,        /* RFC 7871 */
    DNS_OPTION_COOKIE = 10,    /* RFC 7873 */
    DNS_OPTION_KEEPALIVE = 11, /* RFC 7828 */
    DNS_OPTION_EDE = 15        /* RFC 8914 */
};
enum dns_ede { /* INFO-CODE, RFC 8914 §4 */
               DNS_EDE_OTHER = 0,
               DNS_EDE_STALE_ANSWER = 3,
               DNS_EDE_NOT_READY = 14,
               DNS_EDE_PROHIBITED = 18,
               DNS_EDE_NOT_AUTHORITATIVE = 20
};
#define DNS_EDE_NONE 0xffff /* of our own: there is nothing to say */

#define DNS_HEADER_BYTES 12
#define DNS_OPT_BYTES 11           /* OPT without options, RFC 6891 §6.1.2 */
#define DNS_OPTION_BYTES 4         /* an option's code and length */
#define DNS_ECS_BYTES 4            /* FAMILY, SOURCE, SCOPE */
#define DNS_CLIENT_COOKIE_BYTES 8  /* RFC 7873 §4 */
#define DNS_SERVER_COOKIE_BYTES 16 /* the interoperable kind, RFC 9018 §4 */
#define DNS_COOKIE_BYTES_MAX 40
#define DNS_RR_BYTES 10         /* TYPE, CLASS, TTL, RDLENGTH: a record without owner and RDATA */
#define DNS_TSIG_FIXED_BYTES 16 /* RDATA but for the algorithm, MAC and Other Data: RFC 8945 §4.2 */
#define DNS_TSIG_BADKEY 17      /* RFC 8945 §3 */
#define DNS_UDP_PLAIN_MAX 512   /* RFC 1035 §4.2.1 */
#define DNS_UDP_EDNS_MAX 1232   /* our own limit, RFC 9715 */
#define DNS_TTL_MAX 0x7fffffffu /* RFC 2181 §8 */

/* "A", "TYPE65280" (RFC 3597 §5), any case. */
bool dns_type_from_text(const char *text, uint16_t *type);
/* Returns a static string for known types, else writes "TYPEnnn" into buf. */
const char *dns_type_text(uint16_t type, char buf[16]);
const char *dns_rcode_text(unsigned rcode); /* "NOERROR", …, "RCODE" for unknown */
