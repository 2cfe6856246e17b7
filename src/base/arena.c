#include "base/arena.h"
#include "base/check.h"
#include "base/pages.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK_BYTES_MIN (256u * 1024)
#define PAGE_BYTES 4096u
#define HUGE_BYTES (2u << 20)
#define READY_BYTES (256u * 1024)

struct chunk {
    struct chunk *next;
    size_t size; /* whole mapping */
    size_t used;
    size_t ready; /* up to where its pages are asked for ahead */
};

struct arena {
    struct chunk *head; /* the chunk that is filled now */
    size_t budget, total, chunk_next;
    bool failed, frozen, dense;
};

static void *map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* A mapping that starts where a huge page may, and a wish for some: what is left over at its end is
 * made of small ones. */
static void *map_huge(size_t size)
{
    char *p = map(size + HUGE_BYTES);
    if (!p)
        return NULL;
    size_t before = -(size_t)p & (HUGE_BYTES - 1), after = HUGE_BYTES - before;
    if (before)
        munmap(p, before);
    munmap(p + before + size, after);
    (void)madvise(p + before, size, MADV_HUGEPAGE); /* without them all works as well */
    return p + before;
}

static struct chunk *chunk_map(size_t size, bool dense)
{
    void *p = dense && size >= HUGE_BYTES ? map_huge(size) : map(size);
    if (!p)
        return NULL;
    struct chunk *c = p;
    c->size = size;
    c->used = sizeof *c;
    c->ready = size;
    return c;
}

struct arena *arena_create(size_t budget_bytes)
{
    struct chunk *c = chunk_map(64u * 1024, false);
    if (!c)
        return NULL;
    struct arena *a = (struct arena *)(void *)(c + 1);
    c->used += sizeof *a;
    *a = (struct arena){
        .head = c, .budget = budget_bytes, .total = c->size, .chunk_next = CHUNK_BYTES_MIN};
    return a;
}

void arena_dense(struct arena *a, bool dense)
{
    a->dense = dense;
}

void arena_destroy(struct arena *a)
{
    struct chunk *c = a ? a->head : NULL;
    while (c) { /* the arena itself lies in one of them */
        struct chunk *next = c->next;
        munmap(c, c->size);
        c = next;
    }
}

/* What is larger than a chunk gets one of its own, behind the one that is filled now and goes on to
 * be. */
static struct chunk *grow(struct arena *a, size_t need)
{
    size_t size = a->chunk_next;
    bool own = size < need + sizeof(struct chunk) + PAGE_BYTES;
    if (own)
        size = (need + sizeof(struct chunk) + 2 * PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
    if (a->budget && a->total + size > a->budget)
        return NULL;
    struct chunk *c = chunk_map(size, a->dense);
    if (!c)
        return NULL;
    a->total += size;
    if (own) {
        c->next = a->head->next;
        a->head->next = c;
        if (a->dense)
            pages_ready(c, 0, size);
        return c;
    }
    c->next = a->head;
    a->head = c;
    if (size >= 4 * READY_BYTES && !(a->dense && size >= HUGE_BYTES))
        c->ready = 0;
    if (a->chunk_next < (4u << 20))
        a->chunk_next *= 2;
    return c;
}

/* A chunk is filled from its start to its end: its pages come some at a time, not one by one as they are
 * written to, which costs more than the pages. */
static void make_ready(struct chunk *c)
{
    size_t to = (c->used + READY_BYTES - 1) & ~(size_t)(READY_BYTES - 1);
    to = to < c->size ? to : c->size;
    pages_ready(c, c->ready, to);
    c->ready = to;
}

static void *take(struct chunk *c, size_t size, size_t align)
{
    size_t at = (c->used + align - 1) & ~(align - 1);
    if (at > c->size || size > c->size - at)
        return NULL;
    c->used = at + size;
    if (c->used > c->ready)
        make_ready(c);
    return (char *)c + at;
}

void *arena_alloc_aligned(struct arena *a, size_t size, size_t align)
{
    CHECK(!a->frozen);
    void *p = size > SIZE_MAX / 2 ? NULL : take(a->head, size, align);
    if (!p && size <= SIZE_MAX / 2) {
        struct chunk *c = grow(a, size + align);
        p = c ? take(c, size, align) : NULL;
    }
    a->failed |= !p;
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    return arena_alloc_aligned(a, size, 16);
}

void *arena_dup(struct arena *a, const void *bytes, size_t len)
{
    void *p = arena_alloc_aligned(a, len ? len : 1, 1);
    if (p && len)
        memcpy(p, bytes, len);
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_dup(a, s, strlen(s) + 1);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *s = n < 0 ? NULL : arena_alloc_aligned(a, (size_t)n + 1, 1);
    if (s)
        vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    return s;
}

bool arena_failed(const struct arena *a)
{
    return a->failed;
}

void arena_fail(struct arena *a)
{
    a->failed = true;
}

size_t arena_size_bytes(const struct arena *a)
{
    return a->total;
}

void arena_freeze(struct arena *a)
{
    CHECK(!a->frozen);
    a->frozen = true;
#ifdef MERIDIAN_CHECKED
    for (struct chunk *c = a->head; c;) {
        struct chunk *next = c->next;
        CHECK(mprotect(c, c->size, PROT_READ) == 0);
        c = next;
    }
#endif
}
