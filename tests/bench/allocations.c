#include "allocations.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#ifdef COUNT_ALLOCATIONS
const bool allocations_are_counted = true;
static _Atomic uint64_t count;

/* What glibc has behind the names that are taken here; it sees to it that its own calls come here, too. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

static void one_more(void)
{
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
}

void *malloc(size_t n)
{
    one_more();
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    one_more();
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    one_more();
    return __libc_realloc(p, n);
}

void *memalign(size_t align, size_t n)
{
    one_more();
    return __libc_memalign(align, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    return memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
    void *p = memalign(align, n);
    if (!p)
        return ENOMEM;
    *out = p;
    return 0;
}

void free(void *p)
{
    __libc_free(p);
}

uint64_t allocations_n(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed);
}
#else
const bool allocations_are_counted = false;

uint64_t allocations_n(void)
{
    return 0;
}
#endif
