/* view_priv: the shape of a view's memory.
 * Entry     32 bits: either a leaf (class, scope, kind) or, with ENTRY_CHILD, the place of a node.
 * Pool      pieces of 64 bytes, one cache line each. A node is one piece; its entries lie in it
 * when there are at most NODE_INSIDE_MAX, else in the pieces right behind it, so that both are
 *           fetched at once. A child lies before its parent.
 * Node      256 slots for the next 8 bits. change has a bit where a slot's entry differs from that
 * of the slot before (and for slot 0), so that the number of bits up to a slot, less one, is the
 *           index of its entry. */
#pragma once

#include "geo_priv.h"

#define ROOT_BITS 16u
#define ROOT_SLOTS (1u << ROOT_BITS)
#define STRIDE_BITS 8u
#define PIECE_BYTES 64u
#define NODE_INSIDE_MAX 7u
#define NODE_INSIDE_AT 9u /* in words from the node's start */
#define NODE_OUTSIDE_AT 16u
#define ENTRY_CHILD 0x80000000u
#define ENTRY_KIND_SHIFT 24
#define ENTRY_SCOPE_SHIFT 16

struct node {
    uint64_t change[4];
    uint8_t before[3]; /* bits set before change[1], [2], [3] */
    uint8_t entries_at;
    uint32_t inside[NODE_INSIDE_MAX];
};
_Static_assert(sizeof(struct node) == PIECE_BYTES, "a node is one cache line");

struct geo_view {
    const uint32_t *root[2]; /* IPv4, IPv6 */
    const uint32_t *pool;
    atomic_uint refs;
    struct arena *arena; /* both roots and the pool */
    size_t size_bytes;
    uint64_t blocks_n;
};

static inline unsigned view__count_bits(uint64_t x)
{
#if defined(__POPCNT__) || defined(__aarch64__)
    return (unsigned)__builtin_popcountll(x);
#else /* the compiler would call a function with a table */
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)(x * 0x0101010101010101u >> 56);
#endif
}
