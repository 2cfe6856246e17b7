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

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; two and four rounds. */
uint64_t siphash24(const uint8_t key[16], const void *bytes, size_t len)
{
    const uint8_t *p = bytes, *end = p + (len & ~(size_t)7);
    uint64_t k0 = load64_le(key), k1 = load64_le(key + 8);
    uint64_t v0 = k0 ^ 0x736f6d6570736575ull, v1 = k1 ^ 0x646f72616e646f6dull;
    uint64_t v2 = k0 ^ 0x6c7967656e657261ull, v3 = k1 ^ 0x7465646279746573ull;
    for (; p < end; p += 8) {
        uint64_t m = load64_le(p);
        v3 ^= m;
        SIPROUND;
        SIPROUND;
        v0 ^= m;
    }
    uint8_t tail[8] = {0};
    memcpy(tail, p, len & 7);
    uint64_t m = load64_le(tail) | (uint64_t)len << 56;
    v3 ^= m;
    SIPROUND;
    SIPROUND;
    v0 ^= m;
    v2 ^= 0xff;
    SIPROUND;
    SIPROUND;
    SIPROUND;
    SIPROUND;
    return v0 ^ v1 ^ v2 ^ v3;
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

uint64_t steer_hash_client(const struct ip *network, unsigned prefix_len)
{
    uint8_t buf[18] = {network->family, (uint8_t)prefix_len};
    size_t len = network->family == 4 ? 4 : 16;
    memcpy(buf + 2, network->b, len);
    return siphash24(steer_hash_key, buf, 2 + len);
}

uint64_t steer_hash_name(const char *name)
{
    return siphash24(steer_hash_key, name, strlen(name));
}
