/* record: what a database's record says of a network, as one geo_place among distinct ones.
 * Owns      the tables for interning; places and texts go to the database that is being built.
 * Errors    ERR_CORRUPT when the data cannot be read, ERR_NOMEM, ERR_LIMIT (GEO_RECORDS_MAX).
 * Rule      a field of another type or without sense (a country of three letters, a latitude of 91)
 *           is a field that is not there; bytes that cannot be read are damage. */
#pragma once

#include "data.h"
#include "geo_priv.h"
#include "index.h"

struct records {
    struct geo_db *db;
    struct data data;
    struct geo_index by_offset; /* the hash is the offset, one to one */
    struct geo_index by_place, by_text;
    const char **texts;
    size_t places_cap, texts_n, texts_cap;
};

/* Makes place 0, which says nothing. */
enum err records_open(struct records *r, struct geo_db *db, struct data data);
void records_close(struct records *r);
/* The place that the record at an offset of the data section says; 0 if it says nothing. */
enum err records_place(struct records *r, uint32_t offset, uint32_t *place);
