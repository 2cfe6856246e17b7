/* The engine's words onto the board. */
#include "signal/wiring.h"

/* Whether it only waits is known when the capacities have been looked at; but not on the way down. */
static void set(_Atomic uint32_t *words, uint32_t i, uint32_t word)
{
    uint32_t old = atomic_load_explicit(&words[i], memory_order_relaxed);
    bool down = (word & STEER_WORD_AVAIL) < (old & STEER_WORD_AVAIL);
    snapshot_board_set(words, i, word | (down ? 0 : old & STEER_WORD_WAITS));
}

static bool follow(const struct health *h, const struct snapshot *s, struct health_change change)
{
    const struct steer_tables *t = &s->steer;
    uint32_t at = change.index, own;
    const uint32_t known[] = {s->endpoints_n, s->board_sites_n, s->regions_n, s->services_n};
    if (at >= known[change.level]) /* what a region depends on */
        return true;
    switch (change.level) {
    case 0:
        own = snapshot_service_with(s, s->service_endpoint_first, at);
        set(steer_endpoint_word(t, own, at), 0, health_endpoint_word(h, at));
        return true;
    case 1:
        own = snapshot_service_with(s, s->service_site_first, at);
        set(steer_site_word(t, own, at), 0, health_site_word(h, at));
        return true;
    case 2:
        set(t->board.region, at, health_region_word(h, at));
        return true;
    default:
        snapshot_board_set(steer_ttl_word(t, at), 0, health_service_ttl_s(h, at));
        return false;
    }
}

bool signal_board_follow(struct health *h, const struct snapshot *s)
{
    struct health_change change[64];
    bool availability = false;
    for (size_t n = 64; n == 64;) {
        n = health_take_changes(h, change, 64);
        for (size_t i = 0; i < n; i++)
            availability = follow(h, s, change[i]) || availability;
    }
    return availability;
}
