/* utf8: text for people and JSON stays well formed, wherever a buffer cut it.
 * Threads   any; no state. */
#pragma once

#include <stddef.h>

/* Bytes of the well-formed sequence at s (RFC 3629 §4), 0 if it is none. len is at least 1. */
size_t utf8_length(const unsigned char *s, size_t len);
/* In place: a character cut off at the end goes, other bytes that are none become '?'. Returns text. */
char *utf8_clean(char *text);
