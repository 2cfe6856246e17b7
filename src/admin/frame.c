#include "admin/frame.h"

#include "base/check.h"
#include <stdlib.h>
#include <string.h>

#define FRAME_FIRST 4096u

enum err admin_frame_room(struct admin_frame *f, size_t want, size_t line_max, char **at,
                          size_t *got)
{
    if (f->taken > 0) {
        memmove(f->bytes, f->bytes + f->taken, f->len - f->taken);
        f->len -= f->taken;
        f->scanned -= f->taken;
        f->taken = 0;
    }
    /* scanned == len: the whole rest is one unfinished line. */
    if (f->scanned == f->len && f->len > line_max)
        return ERR_LIMIT;
    if (f->cap - f->len < want) {
        size_t cap = f->cap ? f->cap : FRAME_FIRST;
        while (cap - f->len < want)
            cap *= 2;
        char *bytes = realloc(f->bytes, cap);
        if (!bytes)
            return ERR_NOMEM;
        f->bytes = bytes;
        f->cap = cap;
    }
    *at = f->bytes + f->len;
    *got = f->cap - f->len;
    return ERR_OK;
}

void admin_frame_added(struct admin_frame *f, size_t n)
{
    CHECK(n <= f->cap - f->len);
    f->len += n;
}

enum err admin_frame_append(struct admin_frame *f, const char *bytes, size_t n, size_t line_max)
{
    if (n == 0)
        return ERR_OK;
    char *at;
    size_t room;
    enum err e = admin_frame_room(f, n, line_max, &at, &room);
    if (e)
        return e;
    memcpy(at, bytes, n);
    admin_frame_added(f, n);
    return ERR_OK;
}

bool admin_frame_take(struct admin_frame *f, const char **line, size_t *len)
{
    if (f->scanned == f->len)
        return false;
    const char *end = memchr(f->bytes + f->scanned, '\n', f->len - f->scanned);
    if (!end) {
        f->scanned = f->len;
        return false;
    }
    size_t n = (size_t)(end - f->bytes) - f->taken;
    *line = f->bytes + f->taken;
    *len = n > 0 && end[-1] == '\r' ? n - 1 : n;
    f->taken = f->scanned = (size_t)(end - f->bytes) + 1;
    return true;
}

size_t admin_frame_take_raw(struct admin_frame *f, char *out, size_t n)
{
    size_t there = f->len - f->taken;
    n = n < there ? n : there;
    if (n > 0)
        memcpy(out, f->bytes + f->taken, n);
    f->taken += n;
    f->scanned = f->scanned > f->taken ? f->scanned : f->taken;
    return n;
}

void admin_frame_fini(struct admin_frame *f)
{
    free(f->bytes);
    *f = (struct admin_frame){0};
}
