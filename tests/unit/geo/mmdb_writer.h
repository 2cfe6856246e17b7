/* mmdb_writer: small MaxMind databases for tests, good ones and bad ones. */
#pragma once

#include "geo/db.h"

#include <stddef.h>
#include <stdint.h>

struct mmdb {
    unsigned ip_version, record_bits; /* 4 or 6; 24, 28 or 32 */
    uint64_t (*nodes)[2];             /* a node number, MMDB_EMPTY, or MMDB_DATA + offset */
    uint32_t nodes_n, nodes_cap;
    uint8_t *data;
    size_t data_n, data_cap;
    const char *type;
    uint64_t epoch;
};

#define MMDB_EMPTY ((uint64_t)1 << 40)
#define MMDB_DATA ((uint64_t)1 << 41)

void mmdb_init(struct mmdb *m, unsigned ip_version, unsigned record_bits);
void mmdb_fini(struct mmdb *m);

/* Values, appended to the data section; each returns its offset. */
uint32_t mmdb_map(struct mmdb *m, unsigned pairs);
uint32_t mmdb_array(struct mmdb *m, unsigned n);
uint32_t mmdb_string(struct mmdb *m, const char *text);
uint32_t mmdb_double(struct mmdb *m, double v);
uint32_t mmdb_uint(struct mmdb *m, unsigned type, unsigned size, uint64_t v);
uint32_t mmdb_pointer(struct mmdb *m, uint32_t offset);
uint32_t mmdb_bytes(struct mmdb *m, const void *bytes, size_t n); /* as they are, no header */

struct mmdb_place { /* NULL and 0 leave a field out */
    const char *continent, *country, *subdivision, *city, *org;
    double lat, lon;
    unsigned radius_km, asn;
};
uint32_t mmdb_place(struct mmdb *m, const struct mmdb_place *p);

/* Longer networks go in after shorter ones. IPv4 goes to ::/96 of an IPv6 tree. */
void mmdb_add(struct mmdb *m, const char *prefix, uint32_t offset);
void mmdb_add_prefix(struct mmdb *m, const struct ip_prefix *p, uint64_t value);
/* Points the prefix at the node of ::/96. */
void mmdb_alias(struct mmdb *m, const char *prefix);

/* The file's bytes; the caller frees. */
uint8_t *mmdb_bytes_of(struct mmdb *m, size_t *n);
void mmdb_write(struct mmdb *m, const char *path);
void file_write(const char *path, const void *bytes, size_t n);
