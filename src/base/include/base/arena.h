/* arena: memory that lives and dies together.
 * Owns      its chunks. Lifetime: create to destroy; single pieces are never freed.
 * Threads   one builder; after arena_freeze any number of readers.
 * Errors    arena_alloc returns NULL past the budget or out of memory, and arena_failed stays true:
 *           a builder may check once at its end.
 * Freeze    in checked builds the pages become read-only, so that a stray write dies where it is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;

/* budget_bytes 0 means no bound. NULL when out of memory. */
struct arena *arena_create(size_t budget_bytes);
void arena_destroy(struct arena *a);
/* Dense: what is asked for from here on will be filled, and read at random, so what is large has huge pages, and
 * all of them at once.
 * Not for what is reserved and may stay unused. */
void arena_dense(struct arena *a, bool dense);
/* Zero-filled. align is a power of two, at most 4096. */
void *arena_alloc_aligned(struct arena *a, size_t size, size_t align);
void *arena_alloc(struct arena *a, size_t size); /* aligned for any scalar */
void *arena_dup(struct arena *a, const void *bytes, size_t len);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool arena_failed(const struct arena *a);
void arena_fail(struct arena *a); /* for builders that ran out of something else */
size_t arena_size_bytes(const struct arena *a);
void arena_freeze(struct arena *a);

#define ARENA_NEW(a, type) ((type *)arena_alloc_aligned((a), sizeof(type), _Alignof(type)))
#define ARENA_ARRAY(a, type, n)                                                                    \
    ((type *)arena_alloc_aligned((a), sizeof(type) * (size_t)(n), _Alignof(type)))
