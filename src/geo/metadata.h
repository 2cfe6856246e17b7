/* metadata: a look at a database's metadata before libmaxminddb sees them.
 * Why       libmaxminddb 1.7.1 gives its list of values back only when it likes all of them: each
 * try to open a file whose languages or description are damaged leaks some kilobytes. Spec
 * maxmind.github.io/MaxMind-DB, "Database Metadata". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when the file ends with metadata whose lists can be read to their ends. */
bool metadata_is_sound(const uint8_t *file, size_t size);
