#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096u
#define WORTH_BYTES (64u * 1024) /* a call costs what a few faults do */

void pages_ready(void *allocation, size_t from, size_t to)
{
    uintptr_t first =
        ((uintptr_t)allocation + from + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1);
    uintptr_t end = ((uintptr_t)allocation + to) & ~(uintptr_t)(PAGE_BYTES - 1);
    if (end > first && end - first >= WORTH_BYTES)
        (void)madvise((void *)first, end - first, MADV_POPULATE_WRITE);
}
