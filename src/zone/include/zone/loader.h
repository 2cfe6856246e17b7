/* zone/loader: a zone file (RFC 1035 §5 master format) into records in wire form.
 * Reads     entry by entry; owner, TTL, class and directives here, type and RDATA with ldns. $ORIGIN,
 *           $TTL, and $INCLUDE confined to the folder of the zone file (no absolute path, no "..", no
 *           symbolic link out of it); $GENERATE refused.
 * Errors    every finding goes to diag as "file:line: sentence" before it gives up; a file with one
 *           error yields nothing. Out-of-zone data, a CNAME beside other data, two CNAMEs, two SOA or
 *           one below the apex, records below a DNAME, bad TTL and unequal TTLs in one RRset
 *           (warning, smallest wins, RFC 2181 §5.2) are found here, and a file without a record.
 *           Duplicates are dropped (RFC 2181 §5). A file without SOA or NS is fine: the tree takes
 *           them from elsewhere, or says that they are missing.
 * Owns      the result lives in the arena given.
 * Threads   one loader at a time per arena; never on a worker.
 * Limits    ZONE_ENTRY_BYTES_MAX, ZONE_INCLUDE_DEPTH_MAX, ZONE_FILES_MAX, ZONE_RECORDS_MAX. */
#pragma once

#include "base/arena.h"
#include "base/diag.h"
#include "dns/name.h"

#define ZONE_ENTRY_BYTES_MAX (512u * 1024) /* one record, its lines joined, comments left out */
#define ZONE_INCLUDE_DEPTH_MAX 8
#define ZONE_FILES_MAX 256 /* opened for one zone, each $INCLUDE counted */
#define ZONE_RECORDS_MAX 10000000u

struct zone_rr {
    uint16_t rdata_len;
    const uint8_t *rdata; /* uncompressed, embedded names as written */
};

struct zone_rrset {
    struct dns_name owner; /* lower-cased */
    uint16_t type;
    uint32_t ttl;
    uint16_t n;
    const struct zone_rr *rr; /* sorted by RDATA, RFC 4034 §6.3 */
    const char *file;         /* of the first record, for messages */
    unsigned line;
};

struct zone_records {
    struct dns_name origin;
    size_t n;
    const struct zone_rrset *rrset; /* sorted by owner (canonical order), then type */
};

/* path is opened as given; origin is the zone's name. */
enum err zone_load_file(const char *path, const struct dns_name *origin, struct arena *arena,
                        struct zone_records **out, struct diag *diag) WARN_UNUSED;
