/* lines: a master file as entries: comments gone, lines in parentheses joined (RFC 1035 §5.1).
 * Owns      its buffer, from lines_init to lines_fini; the stream is the caller's.
 * Errors    a malformed entry is one finding with its line; reading goes on behind it.
 * Limits    ZONE_ENTRY_BYTES_MAX a entry. Octets below space, but for tab, end of line and form
 * feed, mean that this is no zone file: reading ends there. */
#pragma once

#include "base/diag.h"

#include <stdio.h>

struct lines {
    FILE *f;
    unsigned line;  /* of the next octet, from 1 */
    unsigned start; /* of the entry */
    char *text;     /* the entry, NUL at its end; quotes and escapes as written */
    size_t len, cap;
};

enum lines_got {
    LINES_ENTRY, /* text begins with a blank where the owner was left out */
    LINES_BAD,   /* problem says why; the next call goes on behind it */
    LINES_BINARY,
    LINES_END,
    LINES_NO_MEMORY
};

void lines_init(struct lines *l, FILE *f);
void lines_fini(struct lines *l);
enum lines_got lines_next(struct lines *l, const char **problem);
