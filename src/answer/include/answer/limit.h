/* limit: how many answers a second a network may get by UDP, where nothing proves that it asked.
 * Method    GCRA (the leaky bucket as a meter, ITU-T I.371 annex A): one time per key, when its
 *           budget would be whole again. A key may spend one second's worth at once, and one in any case;
 *           then it gets its rate, however much is asked.
 * Shape     a fixed table of 16-byte slots, four to a cache line; a key lives in one line. Keys are
 *           SipHash with a key of the worker's own, so that nobody can aim at a line. When a line is
 *           full the slot that is whole again soonest is given up: under a flood from very many
 *           networks limits get looser, never tighter, and memory does not grow.
 * Owns      nothing: the slots are the caller's, zeroed, aligned to 64 bytes, LIMIT_SLOTS of them.
 * Threads   one worker each: nothing is shared.
 * Units     nanoseconds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMIT_SLOTS 65536u /* 1 MiB a worker */

struct limit_slot {
    uint64_t key;
    uint64_t whole_ns; /* when the budget is whole again */
};

struct limit_table {
    struct limit_slot *slot; /* NULL: no limit is ever met */
    uint8_t secret[16];
};

/* May one more of key go, one each interval_ns on average? Takes it if so. */
bool limit_take(struct limit_table *t, uint64_t key, uint64_t interval_ns, int64_t now_ns);
