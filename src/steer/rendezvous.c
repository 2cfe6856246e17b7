#include "base/hash.h"
#include "steer/choose.h"

static const uint64_t log2_table[257] = {
#include "log2_table.inc"
};

bool steer_stays(uint64_t client_hash, uint64_t region_hash, uint32_t avail)
{
    /* Another stream than the rendezvous, else who chose a region would stay more often than not.
     */
    uint64_t h = hash_mix(steer_hash_pair(client_hash, region_hash) ^ 0x7374617973746179ull);
    return (h >> 48) < avail;
}

/* log2 of the fraction h / 2^64, negated, as 32.32 fixed point: with h = m * 2^-z, 1 <= m/2^63 < 2,
 * it is z + 1 - log2(m / 2^63); the table is interpolated linearly (error below 2^-18). */
uint64_t steer_rendezvous_cost(uint64_t client_hash, uint64_t name_hash)
{
    uint64_t h = steer_hash_pair(client_hash, name_hash) | 1;
    unsigned z = (unsigned)__builtin_clzll(h);
    uint64_t m = h << z;
    unsigned i = (unsigned)(m >> 55) & 0xff;
    uint64_t part = (m >> 23) & 0xffffffffu; /* where between i and i + 1, 32 bits */
    uint64_t low = log2_table[i], step = log2_table[i + 1] - low;
    uint64_t frac = low + (step * part >> 32);
    return ((uint64_t)(z + 1) << 32) - frac;
}
