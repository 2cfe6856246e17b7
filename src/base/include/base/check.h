/* check: what must be true because we wrote it so. On in every build; aborts.
 * Never used for input from outside, never turned into an optimiser's hint.
 * Threads   any; no state.
 * Errors    none to handle: the expression goes to stderr, then abort(). */
#pragma once

_Noreturn void check_failed(const char *expr, const char *file, int line);

#define CHECK(expr) ((expr) ? (void)0 : check_failed(#expr, __FILE__, __LINE__))
#ifdef MERIDIAN_CHECKED
#define DCHECK(expr) CHECK(expr)
#else
#define DCHECK(expr) ((void)0)
#endif
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
