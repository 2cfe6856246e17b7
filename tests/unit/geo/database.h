/* database: what the tests of geo_db share: a scratch file, loading it, looking things up. */
#pragma once

#include "mmdb_writer.h"
#include "world.h"

extern char db_path[64]; /* the scratch file of the running test */
int db_path_make(void **state);
int db_path_remove(void **state);

struct geo_db *db_load_file(const char *file);
struct geo_db *db_load(struct mmdb *m); /* writes and frees m */
const struct geo_place *db_find(const struct geo_db *db, const char *text);
const char *db_country(const struct geo_db *db, const char *text); /* "-" where there is nothing */
/* Refused, with one sentence that names the file and has the word. */
void db_assert_refused(const char *file, const char *word);
uint8_t *db_good_bytes(size_t *n); /* a small good database; caller frees */
/* The path of a published test database; false where they are not. */
bool db_shared(char *out, size_t cap, const char *file);
