/* The engine's words onto the board. */
#include "signal/wiring.h"

void signal_board_write(const struct health *h, const struct snapshot *s)
{
    const struct steer_board *b = &s->steer.board;
    for (uint32_t i = 0; i < s->endpoints_n; i++)
        snapshot_board_set(b->endpoint, i, health_endpoint_word(h, i));
    for (uint32_t i = 0; i < s->board_sites_n; i++)
        snapshot_board_set(b->site, i, health_site_word(h, i));
    for (uint32_t i = 0; i < s->regions_n; i++)
        snapshot_board_set(b->region, i, health_region_word(h, i));
    for (uint32_t i = 0; i < s->services_n; i++)
        snapshot_board_set(b->ttl, i, health_service_ttl_s(h, i));
}

static bool follow(const struct health *h, const struct snapshot *s, struct health_change change)
{
    const struct steer_board *b = &s->steer.board;
    uint32_t at = change.index;
    const uint32_t known[] = {s->endpoints_n, s->board_sites_n, s->regions_n, s->services_n};
    if (at >= known[change.level]) /* what a region depends on */
        return true;
    switch (change.level) {
    case 0:
        snapshot_board_set(b->endpoint, at, health_endpoint_word(h, at));
        return true;
    case 1:
        snapshot_board_set(b->site, at, health_site_word(h, at));
        return true;
    case 2:
        snapshot_board_set(b->region, at, health_region_word(h, at));
        return true;
    default:
        snapshot_board_set(b->ttl, at, health_service_ttl_s(h, at));
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
