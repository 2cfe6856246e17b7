/* cookie: server cookies that any server with the same secret can check.
 * Shape     version 1, three reserved octets, a time in seconds, eight octets of SipHash-2-4 over
 *           client cookie, those eight and the client's address.
 * Secrets   configured ones, of which the first makes and all verify, so that servers behind one
 *           address can change them one by one (RFC 9018 §5); else one derived from a key of this
 *           process for the day that the cookie was made, which changes by itself.
 * Times     valid from an hour old to five minutes ahead of us; renewed when half an hour old.
 * Threads   any; pure: the time is passed in.
 * Spec      RFC 7873 §5.2, RFC 9018 §4. */
#pragma once

#include "base/addr.h"
#include "dns/query.h"

#define COOKIE_REPLY_BYTES (DNS_CLIENT_COOKIE_BYTES + DNS_SERVER_COOKIE_BYTES)
#define COOKIE_SECRET_BYTES 16

struct cookie_secrets {
    const uint8_t (*shared)[COOKIE_SECRET_BYTES]; /* shared_n of them */
    size_t shared_n;
    const uint8_t *own; /* where shared_n is 0 */
};

enum cookie_verdict {
    COOKIE_NEW,  /* a client cookie alone */
    COOKIE_BAD,  /* a server cookie that is not ours, or too old: as if it were not there */
    COOKIE_VALID /* the client has the address that it claims */
};

/* cookie: the option's octets, len of them, 8 or 16 to 40. reply gets what goes back: the client's
 * part, and a server cookie: the same while it is fresh, else a new one. */
enum cookie_verdict cookie_check(const struct cookie_secrets *secrets, const uint8_t *cookie,
                                 size_t len, const struct ip *client, uint32_t now_s,
                                 uint8_t reply[COOKIE_REPLY_BYTES]);
