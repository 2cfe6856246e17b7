/* beside: one piece of work in a thread of its own, while the caller does another.
 * Owns      the thread, from begin to end; the caller owns what the work reads and writes.
 * Threads   the work touches nothing that the caller touches, until beside_end has returned: all that it
 *           wrote is seen then.
 * Errors    none: where no thread can be had the work is done at once, in the caller's, and takes its
 *           time there. What comes of it is the work's own to keep. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct beside {
    void (*work)(void *ctx);
    void *ctx;
    pthread_t thread;
    bool running;
};

/* name: the thread's, for those who look at the process; at most 15 octets. */
void beside_begin(struct beside *b, const char *name, void (*work)(void *ctx), void *ctx);
void beside_end(struct beside *b);
