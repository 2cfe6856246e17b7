/* The engine's words onto the board. */
#include "signal/wiring.h"

void signal_board_write(const struct health *h, const struct snapshot *s)
{
    for (uint32_t i = 0; i < s->regions_n; i++)
        snapshot_board_set(s->steer.board.region, i, health_region_word(h, i));
    for (uint32_t i = 0; i < s->services_n; i++) {
        _Atomic uint32_t *word = steer_words(&s->steer, i);
        snapshot_board_set(word++, 0, health_service_ttl_s(h, i));
        for (uint32_t k = s->service_site_first[i]; k < s->service_site_first[i + 1]; k++)
            snapshot_board_set(word++, 0, health_site_word(h, k));
        for (uint32_t k = s->service_endpoint_first[i]; k < s->service_endpoint_first[i + 1]; k++)
            snapshot_board_set(word++, 0, health_endpoint_word(h, k));
    }
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
        snapshot_board_set(steer_endpoint_word(t, own, at), 0, health_endpoint_word(h, at));
        return true;
    case 1:
        own = snapshot_service_with(s, s->service_site_first, at);
        snapshot_board_set(steer_site_word(t, own, at), 0, health_site_word(h, at));
        return true;
    case 2:
        snapshot_board_set(t->board.region, at, health_region_word(h, at));
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
