#include "answer/cookie.h"

#include "base/hash.h"

#include <string.h>

#define VERSION 1
#define AGE_S_MAX 3600
#define AHEAD_S_MAX 300
#define RENEW_S 1800
#define OWN_SECRET_S 86400 /* the day that a secret of our own is for */
#define FIXED_BYTES 8      /* version, reserved, time: what the hash covers of the server cookie */

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_le64(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* RFC 9018 §4.4: client cookie | version | reserved | time | address. */
static void hash_of(const uint8_t secret[COOKIE_SECRET_BYTES], const uint8_t *client_cookie,
                    const uint8_t *fixed, const struct ip *client, uint8_t out[8])
{
    uint8_t text[DNS_CLIENT_COOKIE_BYTES + FIXED_BYTES + 16];
    size_t address = ip_bits(client) / 8;
    memcpy(text, client_cookie, DNS_CLIENT_COOKIE_BYTES);
    memcpy(text + DNS_CLIENT_COOKIE_BYTES, fixed, FIXED_BYTES);
    memcpy(text + DNS_CLIENT_COOKIE_BYTES + FIXED_BYTES, client->b, address);
    put_le64(out, siphash24(secret, text, DNS_CLIENT_COOKIE_BYTES + FIXED_BYTES + address));
}

/* The secret of our own for cookies made at that time. */
static void own_secret(const uint8_t *own, uint32_t made_s, uint8_t out[COOKIE_SECRET_BYTES])
{
    uint8_t text[5] = {0};
    uint32_t day = made_s / OWN_SECRET_S;
    memcpy(text, &day, sizeof day);
    put_le64(out, siphash24(own, text, sizeof text));
    text[4] = 1;
    put_le64(out + 8, siphash24(own, text, sizeof text));
}

static bool fits(const uint8_t secret[COOKIE_SECRET_BYTES], const uint8_t *cookie,
                 const struct ip *client)
{
    const uint8_t *server = cookie + DNS_CLIENT_COOKIE_BYTES;
    uint8_t hash[8];
    hash_of(secret, cookie, server, client, hash);
    return memcmp(hash, server + FIXED_BYTES, sizeof hash) == 0;
}

/* Which secret made it: 0 the one that makes today's, others older or newer ones; -1 none of ours. */
static int maker(const struct cookie_secrets *s, const uint8_t *cookie, const struct ip *client,
                 uint32_t now_s)
{
    if (s->shared_n == 0) {
        uint8_t secret[COOKIE_SECRET_BYTES];
        uint32_t made_s = get32(cookie + DNS_CLIENT_COOKIE_BYTES + 4);
        own_secret(s->own, made_s, secret);
        if (!fits(secret, cookie, client))
            return -1;
        return made_s / OWN_SECRET_S != now_s / OWN_SECRET_S;
    }
    for (size_t i = 0; i < s->shared_n; i++)
        if (fits(s->shared[i], cookie, client))
            return (int)i;
    return -1;
}

static void make(const struct cookie_secrets *s, const struct ip *client, uint32_t now_s,
                 uint8_t reply[COOKIE_REPLY_BYTES])
{
    uint8_t *server = reply + DNS_CLIENT_COOKIE_BYTES, secret[COOKIE_SECRET_BYTES];
    server[0] = VERSION;
    memset(server + 1, 0, 3);
    for (unsigned i = 0; i < 4; i++)
        server[4 + i] = (uint8_t)(now_s >> (24 - 8 * i));
    if (s->shared_n == 0)
        own_secret(s->own, now_s, secret);
    hash_of(s->shared_n ? s->shared[0] : secret, reply, server, client, server + FIXED_BYTES);
}

enum cookie_verdict cookie_check(const struct cookie_secrets *secrets, const uint8_t *cookie,
                                 size_t len, const struct ip *client, uint32_t now_s,
                                 uint8_t reply[COOKIE_REPLY_BYTES])
{
    memcpy(reply, cookie, DNS_CLIENT_COOKIE_BYTES);
    enum cookie_verdict verdict = len > DNS_CLIENT_COOKIE_BYTES ? COOKIE_BAD : COOKIE_NEW;
    const uint8_t *server = cookie + DNS_CLIENT_COOKIE_BYTES;
    if (len == COOKIE_REPLY_BYTES && server[0] == VERSION) {
        int32_t age_s = (int32_t)(now_s - get32(server + 4)); /* serial numbers, RFC 1982 */
        bool timely = age_s <= AGE_S_MAX && age_s >= -AHEAD_S_MAX;
        int by = timely ? maker(secrets, cookie, client, now_s) : -1;
        if (by >= 0)
            verdict = COOKIE_VALID;
        bool as_we_make = (server[1] | server[2] | server[3]) == 0; /* RFC 9018 §4.2 */
        if (by == 0 && as_we_make && age_s <= RENEW_S) {
            memcpy(reply, cookie, COOKIE_REPLY_BYTES);
            return verdict;
        }
    }
    make(secrets, client, now_s, reply);
    return verdict;
}
