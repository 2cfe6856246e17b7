/* geo_priv: what the files of this room share and nobody else sees.
 * Ranges are sorted and gapless: entry i reaches from its start to just before the next start, the
 * last one to the end of the family. Starts and values lie in separate arrays, so that a search
 * touches starts only. */
#pragma once

#include "base/arena.h"
#include "geo/base.h"
#include "geo/view.h"
#include "index.h"

#include <stdatomic.h>
#include <string.h>

typedef unsigned __int128 u128;

#define BLOCK_BITS_V4 24u /* location is decided per /24 */
#define BLOCK_BITS_V6 48u /* and per /48 */

struct ranges_v4 {
    uint32_t *start;
    uint32_t *value;
    size_t n, cap;
};

struct ranges_v6 { /* of a database: nothing longer than a /48, so the upper half is enough */
    uint64_t *start;
    uint32_t *value;
    size_t n, cap;
};

struct ranges_v6_full { /* of a base: own networks reach to /128 */
    u128 *start;
    uint32_t *value;
    size_t n, cap;
};

struct geo_db {
    atomic_uint refs;
    struct geo_db_info info;
    struct arena *arena;      /* texts */
    struct geo_place *places; /* [0] says nothing */
    uint32_t places_n;
    struct ranges_v4 v4;
    struct ranges_v6 v6;
};

struct geo_base {
    atomic_uint refs;
    struct geo_db **dbs;
    size_t dbs_n;
    uint32_t **place_of; /* by database: its place -> ours */
    struct geo_own *own;
    uint32_t own_n;
    struct ranges_v6_full
        own_ranges[2];        /* IPv4, IPv6: the longest own network around, GEO_NONE for none */
    struct geo_place *places; /* [0] is nowhere; texts belong to the databases */
    uint32_t places_n;
    struct geo_spot *spots;
    uint32_t spots_n;
    size_t spots_cap;
    struct geo_index spot_index;
    bool built; /* no spot is added any more */
    /* What all of the above says. Where it comes and goes, the compiling thread's alone. */
    bool spread;
    struct ranges_v4 v4;
    struct ranges_v6_full v6;
};

/* True when a database's record says where the network is, if only the continent. */
static inline bool geo__place_has_location(const struct geo_place *p)
{
    return p->located || p->continent[0] || p->country[0] || p->subdivision[0] || p->city[0];
}

static inline uint64_t geo__load_be64(const uint8_t *b)
{
    uint64_t v;
    memcpy(&v, b, sizeof v);
    return __builtin_bswap64(v);
}

static inline uint32_t geo__load_be32(const uint8_t *b)
{
    uint32_t v;
    memcpy(&v, b, sizeof v);
    return __builtin_bswap32(v);
}

/* An address as a number of its family: 0..2^32-1 or 0..2^128-1. */
static inline u128 geo__number(const struct ip *ip)
{
    if (ip->family == 4)
        return geo__load_be32(ip->b);
    return (u128)geo__load_be64(ip->b) << 64 | geo__load_be64(ip->b + 8);
}

static inline struct ip geo__address(unsigned family, u128 number)
{
    struct ip ip = {.family = (uint8_t)family};
    unsigned bytes = family == 4 ? 4 : 16;
    for (unsigned i = bytes; i-- > 0; number >>= 8)
        ip.b[i] = (uint8_t)number;
    return ip;
}

static inline u128 geo__family_last(unsigned family)
{
    return family == 4 ? (u128)UINT32_MAX : ~(u128)0;
}

/* How many low bits of x are zero; 128 for 0. */
static inline unsigned geo__trailing_zeros(u128 x)
{
    if ((uint64_t)x)
        return (unsigned)__builtin_ctzll((uint64_t)x);
    return (uint64_t)(x >> 64) ? 64u + (unsigned)__builtin_ctzll((uint64_t)(x >> 64)) : 128u;
}

static inline unsigned geo__log2(u128 x) /* floor; x > 0 */
{
    if ((uint64_t)(x >> 64))
        return 127u - (unsigned)__builtin_clzll((uint64_t)(x >> 64));
    return 63u - (unsigned)__builtin_clzll((uint64_t)x);
}

/* The largest aligned block that starts at `at` and does not reach past last: log2 of its size. */
static inline unsigned geo__block_log2(u128 at, u128 last, unsigned bits)
{
    unsigned aligned = geo__trailing_zeros(at);
    u128 span = last - at;
    unsigned fits = span == geo__family_last(bits == 32 ? 4 : 6) ? bits : geo__log2(span + 1);
    return aligned < fits ? aligned : fits;
}

/* The largest aligned block around `at` that stays within first..last: its prefix length. */
unsigned geo__block_around(u128 at, u128 first, u128 last, unsigned bits);

/* Room for one more; false when out of memory. The element counts are even over all arrays. */
bool geo__ranges_v4_reserve(struct ranges_v4 *r, size_t cap);
bool geo__ranges_v6_reserve(struct ranges_v6 *r, size_t cap);
bool geo__ranges_v6_full_reserve(struct ranges_v6_full *r, size_t cap);
void geo__ranges_v4_fini(struct ranges_v4 *r);
void geo__ranges_v6_fini(struct ranges_v6 *r);
void geo__ranges_v6_full_fini(struct ranges_v6_full *r);
/* Index of the range that holds the key; n > 0 and the first start is 0. */
size_t geo__ranges_v4_find(const struct ranges_v4 *r, uint32_t key);
size_t geo__ranges_v6_find(const struct ranges_v6 *r, uint64_t key);
size_t geo__ranges_v6_full_find(const struct ranges_v6_full *r, u128 key);

/* own.c: the own networks sorted, single, with parents, and flattened into ranges whose value is
 * the index of the longest network around them, GEO_NONE for none. */
enum err geo__own_build(struct geo_base *b, const struct ip_prefix *own, size_t own_n);
enum err geo__own_flatten(const struct geo_base *b, unsigned family, struct ranges_v6_full *out);

/* base_build.c: the number of a spot. Find: the base has it. */
enum err geo__spot_intern(struct geo_base *b, const struct geo_spot *s, uint32_t *out);
uint32_t geo__spot_find(const struct geo_base *b, const struct geo_spot *s);
/* base_build.c: the ranges, where they are not there; views are built from them. */
enum err geo__base_spread(struct geo_base *b);
void geo__base_drop(struct geo_base *b);
/* Merging what one database says costs little, so the ranges go; of several it is dear, and they stay. */
static inline bool geo__base_folds(const struct geo_base *b)
{
    return b->dbs_n <= 1;
}
