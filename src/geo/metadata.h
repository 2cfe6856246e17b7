/* metadata: a look at a database's metadata before libmaxminddb sees them.
 * Why       libmaxminddb 1.7.1 gives its list of values back only when it likes all of them: each
 * try to open a file whose languages or description are damaged leaks some kilobytes. And it
 * multiplies the number of nodes in 32 bits: of a tree that seems small for that reason it reads
 * nodes far behind the file.
 * Spec      maxmind.github.io/MaxMind-DB, "Database Metadata". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEPARATOR_BYTES 16u /* zeros between tree and data */

/* True when the file ends with metadata whose lists can be read to their ends, and the tree that they
 * tell of lies before them. */
bool metadata_is_sound(const uint8_t *file, size_t size);
