/* reply: an answer read back by somebody who trusts nothing: written apart from src/dns on purpose.
 * Strict    every octet must be accounted for; names end, pointers lead backwards; one OPT at most,
 *           at the root, among the additional records; no record twice; one TTL in an RRset; a CNAME
 *           alone at its name; QR set, Z clear.
 * Used by   the tests of the answer room and the fuzz target of the whole answer path. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_RRS_MAX 1500
#define REPLY_NAME_MAX 256

struct reply_name {
    uint8_t len; /* with the root octet */
    uint8_t wire[255];
};

struct reply_rr {
    uint8_t section; /* 1 answer, 2 authority, 3 additional */
    struct reply_name owner;
    uint16_t type, class;
    uint32_t ttl;
    uint16_t rdata_len;
    const uint8_t *rdata;     /* into the message */
    struct reply_name target; /* of CNAME, NS, DNAME, PTR; MNAME of SOA */
};

struct reply {
    uint16_t id;
    bool aa, tc, rd, ra, cd;
    unsigned opcode, rcode; /* 12 bits where an OPT says so */
    bool has_question;
    struct reply_name qname; /* as in the message, case kept */
    uint16_t qtype, qclass;
    struct reply_rr rr[REPLY_RRS_MAX]; /* without the OPT */
    unsigned n, answers, authorities, additionals;
    bool opt, opt_do;
    uint16_t opt_size;
    bool ecs;
    uint16_t ecs_family;
    uint8_t ecs_source, ecs_scope, ecs_addr[16];
    unsigned ecs_octets;
    bool nsid;
    char nsid_text[256];
    unsigned cookie_len; /* 0: none */
    uint8_t cookie[40];
    bool keepalive;
    uint16_t keepalive_100ms;
    bool ede;
    uint16_t ede_code;
    char ede_text[256];
};

/* NULL, or what is wrong with it. */
const char *reply_read(const uint8_t *msg, size_t len, struct reply *out);
/* "www.g.test", octets other than letters, digits, '-', '_' and '*' as \DDD. */
const char *reply_text(const struct reply_name *n);
