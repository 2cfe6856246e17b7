#include "base/hash.h"

#include <string.h>

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIPROUND                                                                                   \
    do {                                                                                           \
        v0 += v1;                                                                                  \
        v1 = ROTL(v1, 13);                                                                         \
        v1 ^= v0;                                                                                  \
        v0 = ROTL(v0, 32);                                                                         \
        v2 += v3;                                                                                  \
        v3 = ROTL(v3, 16);                                                                         \
        v3 ^= v2;                                                                                  \
        v0 += v3;                                                                                  \
        v3 = ROTL(v3, 21);                                                                         \
        v3 ^= v0;                                                                                  \
        v2 += v1;                                                                                  \
        v1 = ROTL(v1, 17);                                                                         \
        v1 ^= v2;                                                                                  \
        v2 = ROTL(v2, 32);                                                                         \
    } while (0)

static uint64_t load64_le(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; two and four rounds. Last: up to seven
 * octets behind whole words, and the length. */
static inline uint64_t sip(const uint8_t key[16], const uint8_t *words, const uint8_t *end,
                           uint64_t last)
{
    uint64_t k0 = load64_le(key), k1 = load64_le(key + 8);
    uint64_t v0 = k0 ^ 0x736f6d6570736575ull, v1 = k1 ^ 0x646f72616e646f6dull;
    uint64_t v2 = k0 ^ 0x6c7967656e657261ull, v3 = k1 ^ 0x7465646279746573ull;
    for (; words < end; words += 8) {
        uint64_t m = load64_le(words);
        v3 ^= m;
        SIPROUND;
        SIPROUND;
        v0 ^= m;
    }
    v3 ^= last;
    SIPROUND;
    SIPROUND;
    v0 ^= last;
    v2 ^= 0xff;
    SIPROUND;
    SIPROUND;
    SIPROUND;
    SIPROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}

uint64_t siphash24(const uint8_t key[16], const void *bytes, size_t len)
{
    const uint8_t *p = bytes, *end = p + (len & ~(size_t)7);
    uint8_t tail[8] = {0};
    memcpy(tail, end, len & 7);
    return sip(key, p, end, load64_le(tail) | (uint64_t)len << 56);
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t r = (__uint128_t)a * b;
    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
    const uint8_t *p = bytes;
    uint64_t h = seed ^ 0x9e3779b97f4a7c15ull;
    size_t left = len;
    for (; left > 8; left -= 8, p += 8)
        h = fold(h ^ load64_le(p), 0xd6e8feb86659fd93ull);
    uint8_t tail[8] = {0};
    memcpy(tail, p, left);
    return fold(h ^ load64_le(tail), 0xa0761d6478bd642full ^ len);
}

const uint8_t steer_hash_key[16] = {'m', 'e', 'r', 'i', 'd', 'i', 'a', 'n',
                                    '-', 's', 't', 'e', 'e', 'r', '-', '1'};

/* The six octets of IPv4 in a register: written to memory and read as a word they would be waited for. */
static uint64_t hash_ipv4(const uint8_t b[4], unsigned len)
{
    uint32_t address = (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
    uint32_t mask = __builtin_bswap32(len < 32 ? ~(~0u >> len) : ~0u);
    uint64_t message = (uint64_t)(address & mask) << 16 | (uint64_t)len << 8 | 4;
    return sip(steer_hash_key, NULL, NULL, message | 6ull << 56);
}

uint64_t steer_hash_client(const struct ip *ip, unsigned prefix_len)
{
    if (ip->family == 4)
        return hash_ipv4(ip->b, prefix_len);
    struct ip network = *ip;
    ip_mask(&network, prefix_len);
    uint8_t buf[2 + sizeof network.b] = {network.family, (uint8_t)prefix_len};
    memcpy(buf + 2, network.b, sizeof network.b);
    return siphash24(steer_hash_key, buf, sizeof buf);
}

uint64_t steer_hash_name(const char *name)
{
    return siphash24(steer_hash_key, name, strlen(name));
}
