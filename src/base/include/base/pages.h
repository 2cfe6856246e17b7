/* pages: memory that is about to be written from start to end.
 * The kernel gives pages as they are written to, each by a fault of its own, and the fault costs more than the
 * page. Asked for together they come without.
 * Threads   any. Errors none: what does not come now comes when it is written to. */
#pragma once

#include <stddef.h>

/* The bytes of an allocation from `from` to before `to`. Cheap for little ones, which it leaves alone. */
void pages_ready(void *allocation, size_t from, size_t to);
