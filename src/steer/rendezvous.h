/* rendezvous: what steer_rendezvous_cost says, to be compiled in where every query comes along. */
#pragma once

#include "base/hash.h"

/* [i] is log2(1 + i / 256) as 32.32 fixed point. */
extern const uint64_t steer__log2_table[257];

/* log2 of the fraction h / 2^64, negated, as 32.32 fixed point: with h = m * 2^-z, 1 <= m/2^63 < 2,
 * it is z + 1 - log2(m / 2^63); the table is interpolated linearly (error below 2^-18). */
static inline uint64_t rendezvous_cost(uint64_t client_hash, uint64_t name_hash)
{
    uint64_t h = steer_hash_pair(client_hash, name_hash) | 1;
    unsigned z = (unsigned)__builtin_clzll(h);
    uint64_t m = h << z;
    unsigned i = (unsigned)(m >> 55) & 0xff;
    uint64_t part = (m >> 23) & 0xffffffffu; /* where between i and i + 1, 32 bits */
    uint64_t low = steer__log2_table[i], step = steer__log2_table[i + 1] - low;
    uint64_t frac = low + (step * part >> 32);
    return ((uint64_t)(z + 1) << 32) - frac;
}
