/* geo/view: client network -> class, for one way of steering; the only geo table on the query path.
 * Shape     a trie of 64-byte nodes: a root of 2^16 slots, then strides of 8 bits with a 256-bit map
 *           of where the value changes and one popcount to the leaf. IPv4 to /24: two dependent
 *           cache lines; deeper only where own networks are.
 * Scope     neighbours with equal values are merged first; then the scope of an address is the largest
 *           aligned block around it that has one value: scopes never overlap, and no shorter honest
 *           one exists (RFC 7871 §7.2.1). It is stored beside the class.
 * Owns      itself. Reference counted, shared by snapshots.
 * Threads   lookup: any worker, no lock. build: one thread. */
#pragma once

#include "geo/base.h"

#define GEO_CLASSES_MAX 65536u

struct geo_value { /* what the builder says of a spot */
    uint16_t class;
    uint8_t kind; /* enum geo_kind as this view sees it: PRIVATE only where no rule of it names the
                   * network. Ranges that carry IPv4 clients count as EMBEDDED whatever it says, unless
                   * all values are the same. */
};

struct geo_found {
    uint16_t class;
    uint8_t kind;
    uint8_t scope; /* prefix length in bits of the family */
};

struct geo_view;

enum err geo_view_build(struct geo_base *b, const struct geo_value *of_spot /* [spots_n] */,
                        struct geo_view **out, struct diag *diag) WARN_UNUSED;
struct geo_view *geo_view_ref(struct geo_view *v);
void geo_view_unref(struct geo_view **v);
struct geo_found geo_view_lookup(const struct geo_view *v, const struct ip *ip);

/* The same in steps, each of which waits for what the one before asked for: of a batch all first, then all
 * second, and so on. The address stays the same from the first to the last. */
struct geo_seek {
    const uint32_t *entry;
    uint32_t octet;
};
void geo_view_seek_root(const struct geo_view *v, const struct ip *ip, struct geo_seek *seek);
void geo_view_seek_node(const struct geo_view *v, struct geo_seek *seek);
void geo_view_seek_entry(const struct geo_view *v, const struct ip *ip, struct geo_seek *seek);
struct geo_found geo_view_seek_end(const struct geo_view *v, const struct ip *ip,
                                   const struct geo_seek *seek);

size_t geo_view_size_bytes(const struct geo_view *v);
uint64_t geo_view_blocks_n(const struct geo_view *v); /* blocks after merging, both families */
/* Every block in order, for tests and tools: returns false when fn did. */
bool geo_view_each(const struct geo_view *v,
                   bool (*fn)(void *ctx, const struct ip_prefix *block, struct geo_found found),
                   void *ctx);
