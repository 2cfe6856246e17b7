#include "lines.h"

#include "zone/loader.h"

#include <stdlib.h>

void lines_init(struct lines *l, FILE *f)
{
    *l = (struct lines){.f = f, .line = 1};
}

void lines_fini(struct lines *l)
{
    free(l->text);
    l->text = NULL;
}

/* The state of one entry. */
struct scan {
    bool quoted, escaped, comment;
    bool something; /* an octet that is not blank */
    unsigned open, open_line;
    const char *problem;
};

static bool put(struct lines *l, struct scan *s, char c)
{
    if (l->len >= ZONE_ENTRY_BYTES_MAX) {
        s->problem =
            "the entry is longer than 512 KiB: a quote or parenthesis may be missing before";
        return true;
    }
    if (l->len + 1 >= l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 1024;
        char *text = realloc(l->text, cap);
        if (!text)
            return false;
        l->text = text;
        l->cap = cap;
    }
    l->text[l->len++] = c;
    l->text[l->len] = '\0';
    return true;
}

/* At the end of a line: true if the entry ends with it. */
static bool line_ends(struct lines *l, struct scan *s)
{
    s->comment = false;
    s->escaped = false;
    if (s->quoted) {
        s->problem = "a quote is not closed on its line";
        s->quoted = false;
        return true;
    }
    if (s->open > 0)
        return !put(l, s, ' ');
    return true;
}

static bool is_binary(int c)
{
    return (c >= 0 && c < ' ' && c != '\t' && c != '\r' && c != '\n' && c != '\f') || c == 0x7f;
}

/* One octet inside a line; false when memory ran out. */
static bool octet(struct lines *l, struct scan *s, int c)
{
    if (s->comment)
        return true;
    if (s->escaped) {
        s->escaped = false;
        return put(l, s, (char)c);
    }
    if (c == '\r' || c == '\f')
        return true; /* CRLF files; form feeds between pages */
    if (s->quoted || c == '"' || c == '\\') {
        s->escaped = c == '\\';
        s->quoted ^= c == '"';
        s->something = true;
        return put(l, s, (char)c);
    }
    if (c == ';') {
        s->comment = true;
        return true;
    }
    if (c == '(' || c == ')') {
        if (c == '(' && s->open++ == 0)
            s->open_line = l->line;
        else if (c == ')' && s->open-- == 0) {
            s->open = 0;
            s->problem = "a parenthesis is closed that was never opened";
        }
        return put(l, s, ' ');
    }
    s->something |= c != ' ' && c != '\t';
    return put(l, s, (char)c);
}

enum lines_got lines_next(struct lines *l, const char **problem)
{
    struct scan s = {0};
    l->len = 0;
    l->start = l->line;
    for (;;) {
        int c = getc_unlocked(l->f);
        if (is_binary(c)) {
            l->start = l->line;
            return LINES_BINARY;
        }
        if (c != EOF && c != '\n') {
            if (!octet(l, &s, c))
                return LINES_NO_MEMORY;
            continue;
        }
        bool done = c == EOF || line_ends(l, &s);
        if (c == '\n')
            l->line++;
        if (c == EOF && s.open > 0 && !s.problem) {
            s.problem = "a parenthesis is opened that is never closed";
            l->start = s.open_line;
        }
        if (c == EOF && s.quoted && !s.problem)
            s.problem = "a quote is not closed on its line";
        if (!done)
            continue;
        *problem = s.problem;
        if (s.problem)
            return LINES_BAD;
        if (s.something)
            return LINES_ENTRY;
        if (c == EOF)
            return LINES_END;
        l->len = 0; /* an empty line */
        l->start = l->line;
        s = (struct scan){0};
    }
}
