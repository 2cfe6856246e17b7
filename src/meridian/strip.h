/* strip: rows of states as lines of a terminal.
 * Shape     a line a row: its name, a column a piece of the time, falls and time down. A column that
 *           sees several states shows the worst, so that an outage shorter than a column is seen.
 *           Under the rows come the starts of the daemon, an axis of times and what the signs mean.
 * Narrow    where the strip would have less than STRIP_LEAST columns, name and sums have a line of
 *           their own and the strip the whole width below.
 * Signs     of UTF-8, or ASCII ones; no colours. */
#pragma once

#include "states.h"

#include <stdio.h>

#define STRIP_LEAST 24
#define STRIP_WIDTH_MIN 20
#define STRIP_WIDTH_MAX 1000
#define STRIP_QUIET_ROWS                                                                           \
    40 /* more rows than that: those that were up all the time are counted only */

struct strip {
    const char *title;
    int64_t from_ms, until_ms;
    unsigned width; /* of the terminal */
    bool utf8;
};
void strip_print(const struct strip *p, const struct states *s, FILE *out);
/* Does the environment ask for UTF-8 (LC_ALL, LC_CTYPE, LANG)? */
bool strip_utf8(void);
