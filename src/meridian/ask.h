/* ask: one question to one name server, for `doctor`. Blocking, with a bound.
 * Owns      nothing. Threads: the command's only one.
 * Errors    struct asked has the reason in `error`; an answer that makes no sense is one.
 * Limits    ASK_RECORDS_MAX records are kept; the rest of the answer is read and left out. */
#pragma once

#include "base/addr.h"
#include "dns/name.h"

#define ASK_RECORDS_MAX 64
#define ASK_TIMEOUT_MS 2000

struct asked_record {
    uint8_t section; /* enum dns_section */
    uint16_t type;
    uint32_t ttl;
    char owner[DNS_NAME_TEXT_MAX]; /* lower case, without the last dot */
    char data[DNS_NAME_TEXT_MAX]; /* of A and AAAA the address, of NS and CNAME the name; else "" */
};

struct asked {
    char error[96]; /* "": there is an answer */
    unsigned rcode;
    bool aa, tc, edns, subnet; /* subnet: it came back as it was sent */
    size_t n;
    struct asked_record record[ASK_RECORDS_MAX];
};

struct ask {
    struct hostport server;
    const char *name;
    uint16_t type;
    bool tcp, recurse;
    bool subnet; /* with a client subnet of 192.0.2.0/24 */
};
void ask(const struct ask *a, struct asked *out);
/* What an answer says, of any octets; query begins with the id that was asked with. False: it is another's, or
 * none. out is zero before. */
bool ask_read(const uint8_t *msg, size_t len, const uint8_t *query, struct asked *out);
