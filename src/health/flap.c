/* flap: what falls again soon after it has come back is held longer each time, and every outage is
 * counted, however short.
 *
 *   fall (flaps 1) ── return within ten minutes ── fall (2) ── return ── fall (3) ...
 *        hold H                                        2 H                   4 H, at most 16 H
 *        ^                                                                        │
 *        └──────────── ten minutes, or the length of the hold, without one ───────┘
 *
 *   transition      function
 *   a fall counts   health__flap_falls, from mover.c move_down
 *   a return        health__flap_returns, from mover.c ramp_begin
 *
 * A return that only the hold kept longer than ten minutes counts as well: the damping must not end
 * itself. Moves down that follow each other without a return between them are one fall. */
#include "engine_priv.h"

#include "base/clock.h"

#include <stdio.h>

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void health__flap_init(struct mover *m)
{
    m->flaps = 0;
    m->trough = AVAIL_FULL;
    m->held_ms = 0;
    m->fell_ms = INT64_MIN / 2;
    m->returned_ms = NEVER_MS;
}

void health__flap_returns(struct mover *m, int64_t at_ms)
{
    if (m->returned_ms != NEVER_MS)
        return;
    m->returned_ms = at_ms;
    m->trough = m->avail;
}

static bool quiet(const struct mover *m, int64_t now_ms)
{
    int64_t from = m->returned_ms != NEVER_MS ? m->returned_ms : m->fell_ms;
    return now_ms - from > larger(FLAP_QUIET_MS, m->held_ms);
}

/* Did it come back soon after its fall, and far enough to count? */
static bool came_back(const struct mover *m)
{
    return m->returned_ms != NEVER_MS &&
           m->returned_ms <= m->fell_ms + larger(FLAP_QUIET_MS, m->held_ms) &&
           (m->trough == 0 || m->avail - m->trough >= FLAP_CLIMB);
}

static int64_t damped(int64_t hold_ms, uint32_t flaps)
{
    int64_t most = hold_ms * FLAP_HOLD_TIMES_MAX;
    if (most > FLAP_HOLD_MS_MAX)
        most = larger(FLAP_HOLD_MS_MAX, hold_ms);
    int64_t hold = hold_ms;
    for (uint32_t i = 1; i < flaps && hold < most; i++)
        hold *= 2;
    return hold < most ? hold : most;
}

int64_t health__flap_falls(struct mover *m, const struct mover_rules *r, int64_t now_ms)
{
    if (quiet(m, now_ms))
        m->flaps = 0;
    if (m->flaps == 0)
        m->flaps = 1;
    else if (came_back(m))
        m->flaps++;
    m->fell_ms = now_ms;
    m->returned_ms = NEVER_MS;
    m->held_ms = damped(r->hold_ms, m->flaps);
    return m->held_ms;
}

uint32_t health__flap_count(const struct mover *m, int64_t now_ms)
{
    bool out = m->returned_ms == NEVER_MS && m->avail < AVAIL_FULL;
    return out || !quiet(m, now_ms) ? m->flaps : 0;
}

const char *health__flap_text(const struct mover *m, char out[FLAP_TEXT_MAX])
{
    char span[TIME_TEXT_MAX];
    out[0] = '\0';
    if (m->flaps > 1)
        snprintf(out, FLAP_TEXT_MAX, " hold=%s flaps=%u", duration_format(m->held_ms, span),
                 m->flaps);
    return out;
}

void health__outage_init(struct outage *o, int64_t wall_ms)
{
    *o = (struct outage){.since_ms = NEVER_MS, .counted_since_wall_ms = wall_ms};
}

void health__outage_set(struct outage *o, bool down, int64_t now_ms)
{
    if (down == (o->since_ms != NEVER_MS))
        return;
    if (down) {
        o->since_ms = now_ms;
        o->falls++;
        return;
    }
    o->down_ms += now_ms - o->since_ms;
    o->since_ms = NEVER_MS;
}

struct health_outages health__outages(const struct outage *o, const struct mover *m, int64_t now_ms)
{
    int64_t running = o->since_ms == NEVER_MS ? 0 : now_ms - o->since_ms;
    return (struct health_outages){.since_wall_ms = o->counted_since_wall_ms,
                                   .falls = o->falls,
                                   .flaps = health__flap_count(m, now_ms),
                                   .down_ms = o->down_ms + running};
}
