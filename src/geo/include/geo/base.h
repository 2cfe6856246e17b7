/* geo/base: what all databases and all own networks say together.
 * Shape     an address belongs to exactly one spot: (place, asn, own network, kind); spots are distinct.
 * Ranges    views are built from the merged ranges, 8 and 20 octets each, sorted and gapless over both
 *           families. They are there after build. Of one database at most they go with geo_base_fold,
 *           come back with the next view, and everything else asks the database; of several they stay.
 * Own       networks that the configuration names (`net:` rules, latency rows), any length. A spot's own
 *           is the longest of them that contains it; geo_own.parent leads to the next shorter one.
 * Place     from the first database in the list that has a location for the block; asn from the first
 *           that has an ASN. place 0 is "nowhere".
 * Owns      ranges, spots, own networks; holds references to its databases. Reference counted.
 * Threads   build, fold and geo_view_build: one thread at a time, not a worker. The rest is immutable
 *           after build, and any thread's. */
#pragma once

#include "geo/db.h"

enum geo_kind {
    GEO_KIND_PLAIN,
    GEO_KIND_EMBEDDED, /* an IPv6 range that carries IPv4 clients: ::ffff:0:0/96, 2002::/16, 2001::/32
                        * (Teredo), 64:ff9b::/96 */
    GEO_KIND_PRIVATE   /* 10/8, 172.16/12, 192.168/16 (RFC 1918), fc00::/7 (RFC 4193) */
};

struct geo_spot {
    uint32_t place; /* index for geo_base_place */
    uint32_t asn;
    uint32_t own; /* index for geo_base_own, GEO_NONE */
    uint8_t kind; /* enum geo_kind */
};

struct geo_own {
    struct ip_prefix prefix;
    uint32_t parent; /* the next shorter own network around it, GEO_NONE */
};

struct geo_base;

/* own may hold duplicates; they become one. */
enum err geo_base_build(struct geo_db *const *dbs, size_t dbs_n, const struct ip_prefix *own,
                        size_t own_n, struct geo_base **out, struct diag *diag) WARN_UNUSED;
/* Gives back the memory of the ranges, after the last view of many is built. */
void geo_base_fold(struct geo_base *b);
struct geo_base *geo_base_ref(struct geo_base *b);
void geo_base_unref(struct geo_base **b);

uint32_t geo_base_spots_n(const struct geo_base *b);
const struct geo_spot *geo_base_spot(const struct geo_base *b, uint32_t spot);
uint32_t geo_base_places_n(const struct geo_base *b);
const struct geo_place *geo_base_place(const struct geo_base *b, uint32_t place);
uint32_t geo_base_own_n(const struct geo_base *b);
const struct geo_own *geo_base_own(const struct geo_base *b,
                                   uint32_t own); /* sorted by family, ip, len */
/* GEO_NONE when it is not one of the own networks. */
uint32_t geo_base_own_find(const struct geo_base *b, const struct ip_prefix *p);
/* The spot of an address; total. */
uint32_t geo_base_find(const struct geo_base *b, const struct ip *ip);
size_t geo_base_dbs_n(const struct geo_base *b);
struct geo_db *geo_base_db(const struct geo_base *b, size_t i);
/* Every IPv4 range in order: its first address, its number of /24 blocks (begun ones count), its spot. False:
 * out of memory, and nothing was called. */
bool geo_base_each_v4(const struct geo_base *b,
                      void (*fn)(void *ctx, const struct ip *first, uint64_t blocks, uint32_t spot),
                      void *ctx);
