#include "table.h"

#include "base/check.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

size_t text_width(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80; /* UTF-8 continuation bytes take no column */
    return n;
}

void text_clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

void table_start(struct table *t, const char *const *head, unsigned right)
{
    *t = (struct table){.head = head, .right = right};
    while (head[t->columns])
        t->columns++;
    CHECK(t->columns <= TABLE_COLUMNS_MAX);
}

void table_cell(struct table *t, const char *fmt, ...)
{
    if (t->cells == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        char **cell = realloc(t->cell, cap * sizeof *cell);
        if (!cell) {
            t->failed = true;
            return;
        }
        t->cell = cell;
        t->cap = cap;
    }
    va_list ap;
    va_start(ap, fmt);
    char *text = NULL;
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    if (!text) {
        t->failed = true;
        return;
    }
    text_clean(text);
    t->cell[t->cells++] = text;
}

static void print_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
    size_t pad = width > text_width(text) ? width - text_width(text) : 0;
    if (right)
        fprintf(out, "%*s", (int)pad, "");
    fputs(text, out);
    if (!right && !last)
        fprintf(out, "%*s", (int)pad, "");
    fputs(last ? "\n" : "  ", out);
}

static void print_aligned(const struct table *t, FILE *out)
{
    size_t width[TABLE_COLUMNS_MAX] = {0};
    for (size_t i = 0; i < t->columns; i++)
        width[i] = text_width(t->head[i]);
    for (size_t i = 0; i < t->cells; i++)
        if (text_width(t->cell[i]) > width[i % t->columns])
            width[i % t->columns] = text_width(t->cell[i]);
    for (size_t i = 0; i < t->columns; i++)
        print_cell(out, t->head[i], width[i], t->right >> i & 1, i + 1 == t->columns);
    for (size_t i = 0; i < t->cells; i++) {
        size_t column = i % t->columns;
        print_cell(out, t->cell[i][0] ? t->cell[i] : "-", width[column], t->right >> column & 1,
                   column + 1 == t->columns);
    }
}

static void print_tabs(const struct table *t, FILE *out)
{
    for (size_t i = 0; i < t->columns; i++)
        fprintf(out, "%s%c", t->head[i], i + 1 == t->columns ? '\n' : '\t');
    for (size_t i = 0; i < t->cells; i++)
        fprintf(out, "%s%c", t->cell[i][0] ? t->cell[i] : "-",
                (i + 1) % t->columns == 0 ? '\n' : '\t');
}

bool table_print(struct table *t, FILE *out, bool aligned)
{
    bool failed = t->failed;
    if (!failed) {
        CHECK(t->cells % t->columns == 0);
        if (aligned)
            print_aligned(t, out);
        else
            print_tabs(t, out);
    }
    for (size_t i = 0; i < t->cells; i++)
        free(t->cell[i]);
    free(t->cell);
    *t = (struct table){0};
    return !failed;
}
