/* hash: the three hashes of the house.
 * siphash24   keyed, for anything an outsider could aim at (RFC 9018 names it too).
 * hash_bytes  fast, for tables whose keys we chose ourselves; seed differs per table.
 * steer hash  client network and region name to a number, with a fixed published key, the same on
 *             every server: docs/policies.md gives key and test vectors.
 * Threads   any; no state. */
#pragma once

#include "base/addr.h"
#include <stddef.h>
#include <stdint.h>

uint64_t siphash24(const uint8_t key[16], const void *bytes, size_t len);

static inline uint64_t hash_mix(uint64_t x) /* splitmix64's finaliser: a bijection */
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ull;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed);

/* The published key: the ASCII bytes "meridian-steer-1". */
extern const uint8_t steer_hash_key[16];
/* SipHash-2-4 over family byte, prefix length byte and the address bytes, of which the first prefix_len bits
 * count and the rest is 0. */
uint64_t steer_hash_client(const struct ip *ip, unsigned prefix_len);
uint64_t steer_hash_name(const char *name); /* region name, endpoint address text */
static inline uint64_t steer_hash_pair(uint64_t client, uint64_t name)
{
    return hash_mix(client + 0x9e3779b97f4a7c15ull * (name | 1));
}
