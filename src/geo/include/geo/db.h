/* geo/db: one MaxMind-format database, walked once and kept as sorted ranges.
 * Accepts   City, Country, ASN, ISP, Enterprise and any other MMDB with those fields; which kind it is
 *           shows from the fields found. Every field is optional.
 * Shape     IPv4 as ranges of /24 blocks, IPv6 of /48 blocks: longer networks collapse into the
 *           majority (by addresses) among the located ones of their block. Aliases of the IPv4 tree
 *           (::ffff:0:0/96, 2002::/16, 2001::/32) are not walked: see geo/client.h.
 * Owns      its ranges and texts; a copy of the file is read, and nothing of it stays open when load
 *           returns, so that nobody can truncate it under us. Reference counted: geo_db_ref, _unref.
 * Threads   load: any one thread, never a worker (it takes 0.1 s for a million networks). Immutable
 *           afterwards; the count is atomic.
 * Errors    missing, truncated, malformed, empty, absurd (depth, size, no network at all): one
 *           sentence in diag that names the file and what is wrong. Never a crash, a leak or a hang.
 * Limits    GEO_RECORDS_MAX distinct records, GEO_NODES_MAX tree nodes; work in proportion to the file
 *           (db_load.c). */
#pragma once

#include "base/addr.h"
#include "base/diag.h"

#define GEO_RECORDS_MAX (1u << 22)
#define GEO_NODES_MAX (1u << 28)
#define GEO_NONE UINT32_MAX

struct geo_place {       /* what a database says of a network */
    char continent[3];   /* "EU" or "" */
    char country[3];     /* ISO 3166-1: "GB" or "" */
    char subdivision[8]; /* with the country, ISO 3166-2: "US-CA" or "" */
    bool located;        /* lat and lon are set */
    float lat, lon;
    uint16_t radius_km; /* 0 unknown */
    uint32_t asn;       /* 0 unknown */
    const char *city;   /* English name or "" */
    const char *as_org; /* or "" */
};

struct geo_db;

struct geo_db_info {
    const char *path;
    const char *type;     /* as the database names itself, "GeoLite2-City" */
    uint64_t build_epoch; /* seconds since 1970 */
    uint64_t size_bytes;  /* of the file */
    int64_t mtime_ns;
    uint64_t inode;
    uint32_t nodes, records, ranges_v4, ranges_v6;
    bool has_location, has_asn;
};

enum err geo_db_load(const char *path, struct geo_db **out, struct diag *diag) WARN_UNUSED;
struct geo_db *geo_db_ref(struct geo_db *db);
void geo_db_unref(struct geo_db **db); /* NULL left behind; NULL accepted */
const struct geo_db_info *geo_db_info(const struct geo_db *db);
/* Has the file changed since it was loaded (inode, size or mtime)? A missing file has not. */
bool geo_db_stale(const struct geo_db *db);
/* NULL when the database has nothing for it. prefix, if not NULL, is the range's largest block around ip. */
const struct geo_place *geo_db_lookup(const struct geo_db *db, const struct ip *ip,
                                      struct ip_prefix *prefix);
