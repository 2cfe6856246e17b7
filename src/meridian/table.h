/* table: rows for people or for programs.
 * Shape     aligned columns on a terminal, tab-separated when piped; the header line comes first in
 *           both. Cells are cleaned: a control character becomes '?'.
 * Owns      its cells, until table_print, which frees them. Zero-filled is a valid empty one.
 * Limits    TABLE_COLUMNS_MAX columns; memory grows with the rows, for lists that the model holds
 *           anyway. Endless output (the log) does not come through here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct table {
    const char *const *head; /* NULL-terminated */
    size_t columns;
    char **cell; /* rows * columns */
    size_t cells, cap;
    unsigned right; /* bit i: column i is aligned right */
    bool failed;    /* out of memory */
};

void table_start(struct table *t, const char *const *head, unsigned right);
/* Cells from left to right. */
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* false: out of memory, nothing printed. */
bool table_print(struct table *t, FILE *out, bool aligned);
/* Columns that a terminal needs for UTF-8 text. */
size_t text_width(const char *text);
/* Control characters to '?', in place; newline and tab too. */
void text_clean(char *text);
