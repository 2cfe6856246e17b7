#include "answer/limit.h"

#define WAYS 4u
#define BURST_NS 1000000000u /* one second's worth at once, or one where that is less */

bool limit_take(struct limit_table *t, uint64_t key, uint64_t interval_ns, int64_t now_ns)
{
    if (!t->slot)
        return true;
    struct limit_slot *line = &t->slot[(key & (LIMIT_SLOTS - 1)) & ~(uint64_t)(WAYS - 1)];
    struct limit_slot *slot = line;
    uint64_t now = (uint64_t)now_ns;
    uint64_t burst_ns = interval_ns > BURST_NS ? interval_ns : BURST_NS;
    for (unsigned i = 0; i < WAYS; i++) {
        if (line[i].key == key) {
            slot = &line[i];
            break;
        }
        if (line[i].whole_ns < slot->whole_ns)
            slot = &line[i];
    }
    if (slot->key != key)
        *slot = (struct limit_slot){.key = key};
    uint64_t from = slot->whole_ns > now ? slot->whole_ns : now;
    if (from + interval_ns > now + burst_ns)
        return false;
    slot->whole_ns = from + interval_ns;
    return true;
}
