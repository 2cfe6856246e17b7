/* query: what the load programs of this folder ask: A or AAAA of a service, with a client subnet.
 * Owns nothing, allocates nothing. Threads: any. RFC 1035 §4.1, RFC 6891, RFC 7871. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define QUERY_BYTES_MAX 320
#define QUERY_A 1
#define QUERY_AAAA 28

static inline int64_t query_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* xorshift64*: the same queries in every run of the same seed. */
static inline uint32_t query_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * 0x2545f4914f6cdd1du) >> 32);
}

/* Length. net: the first three octets of an IPv4 client subnet /24, or 0: none. */
static inline size_t query_put(uint8_t *out, uint16_t id, const char *name, unsigned type,
                               uint32_t net)
{
    const uint8_t header[12] = {(uint8_t)(id >> 8), (uint8_t)id, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    const uint8_t subnet[] = {
        0, 8, 0, 7, 0, 1, 24, 0, (uint8_t)(net >> 16), (uint8_t)(net >> 8), (uint8_t)net};
    const uint8_t tail[] = {0, (uint8_t)type,          0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0,
                            0, net ? sizeof subnet : 0};
    memcpy(out, header, sizeof header);
    size_t len = sizeof header;
    while (*name) {
        size_t n = strcspn(name, ".");
        out[len++] = (uint8_t)n;
        memcpy(out + len, name, n);
        len += n;
        name += n + (name[n] == '.');
    }
    out[len++] = 0;
    memcpy(out + len, tail, sizeof tail);
    len += sizeof tail;
    if (net) {
        memcpy(out + len, subnet, sizeof subnet);
        len += sizeof subnet;
    }
    return len;
}

/* NOERROR with at least one answer. */
static inline bool query_is_answered(const uint8_t *m, size_t len)
{
    return len >= 12 && (m[2] & 0x80) && !(m[2] & 2) && (m[3] & 15) == 0 && (m[6] | m[7]);
}

static inline size_t query__skip_name(const uint8_t *m, size_t len, size_t at)
{
    while (at < len && m[at] && m[at] < 0xc0)
        at += m[at] + 1u;
    return at < len ? at + (m[at] ? 2 : 1) : len;
}

/* The address of the first answer, if that is an A record; else 0. */
static inline uint32_t query_first_address(const uint8_t *m, size_t len)
{
    if (!query_is_answered(m, len))
        return 0;
    size_t at = query__skip_name(m, len, query__skip_name(m, len, 12) + 4);
    if (at + 14 > len || m[at + 1] != QUERY_A || m[at + 9] != 4)
        return 0;
    m += at + 10;
    return (uint32_t)m[0] << 24 | (uint32_t)m[1] << 16 | (uint32_t)m[2] << 8 | m[3];
}
