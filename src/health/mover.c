/* mover: how one availability follows what evidence wants. Endpoints, sites and regions each have
 * one.
 *
 *                  target below avail: at once (dead band)
 *        ┌──────────────────────────────────────────────────────────┐
 *        v                                                          │
 *     HOLDING ── hold over, failback allows ──> RAMPING ── reached ──> STEADY
 *     avail < target, wait != none              avail < target      avail = target, or the
 *        ^                                         │                difference is in the dead band
 *        └──────── target below avail ─────────────┘
 *
 *   transition            function
 *   any → lower           move_down
 *   any → higher at once  health__mover_lift (a person vouches)
 *   STEADY → HOLDING      wait_reason (time of good evidence: good_since_ms)
 *   HOLDING → RAMPING     ramp_begin
 *   RAMPING → higher      ramp_step; → STEADY when no step is left
 *
 * Invariants (health_check_state): ramping means avail < target; wait means avail < target; no
 * change upwards before hold_until_ms; at most 1/ramp_ms a millisecond above the 10 % it starts at.
 * The hold is longer for what flaps (flap.c).
 */
#include "engine_priv.h"

void health__mover_init(struct mover *m, int64_t wall_ms)
{
    *m = (struct mover){.avail = AVAIL_FULL,
                        .target = AVAIL_FULL,
                        .hold_until_ms = INT64_MIN,
                        .good_since_ms = NEVER_MS,
                        .since_wall_ms = wall_ms};
    health__flap_init(m);
}

/* The next value worth publishing on the way up: a multiple of the dead band, at least one dead
 * band above, or full. 0 when the way left is inside the dead band. */
uint32_t health__mover_next(const struct mover *m, const struct mover_rules *r, uint32_t target)
{
    double least = avail_to_double(m->avail) + r->dead_band - 1e-4;
    uint32_t k = (uint32_t)(least / r->dead_band);
    if (k * r->dead_band < least)
        k++;
    uint32_t v = avail_from_double(k * r->dead_band);
    if (target == AVAIL_FULL && v + 8 > AVAIL_FULL)
        return AVAIL_FULL;
    return v <= target ? v : target == AVAIL_FULL ? AVAIL_FULL : 0;
}

static int64_t step_time_ms(const struct mover *m, const struct mover_rules *r, uint32_t v)
{
    if (v <= m->ramp_from)
        return m->ramp_at_ms;
    int64_t way = (int64_t)(v - m->ramp_from) * r->ramp_ms;
    return m->ramp_at_ms + (way + AVAIL_FULL - 1) / AVAIL_FULL;
}

static bool move_down(struct mover *m, const struct mover_rules *r, uint32_t target, int64_t now_ms)
{
    m->ramping = false;
    m->wait = WAIT_NONE;
    m->good_since_ms = NEVER_MS;
    uint32_t way = m->avail - target;
    if (way == 0 || (target != 0 && avail_to_double(way) < r->dead_band - 1e-4))
        return false;
    int64_t hold_ms = health__flap_falls(m, r, now_ms);
    m->avail = target;
    m->hold_until_ms = now_ms + hold_ms;
    if (target == 0)
        m->kept_out = r->failback == HEALTH_FAILBACK_HOLD;
    return true;
}

/* Until when, and why, the way up is closed. Failback is about what had left altogether. */
static int64_t wait_reason(struct mover *m, const struct mover_rules *r, int64_t now_ms)
{
    bool out = m->avail == 0;
    if (out && m->kept_out && r->failback == HEALTH_FAILBACK_HOLD) {
        m->wait = WAIT_RELEASE;
        return NEVER_MS;
    }
    int64_t from = m->good_since_ms > m->hold_until_ms ? m->good_since_ms : m->hold_until_ms;
    m->wait = from > now_ms ? WAIT_HOLD : WAIT_NONE;
    if (out && r->failback == HEALTH_FAILBACK_AFTER && m->good_since_ms + r->after_ms > from) {
        from = m->good_since_ms + r->after_ms;
        m->wait = from > now_ms ? WAIT_AFTER : WAIT_NONE;
    }
    return from;
}

static void ramp_begin(struct mover *m, int64_t at_ms)
{
    health__flap_returns(m, at_ms);
    m->ramping = true;
    m->ramp_at_ms = at_ms;
    m->ramp_from = m->avail > RAMP_FLOOR ? m->avail : RAMP_FLOOR;
    m->kept_out = false;
}

static bool ramp_step(struct mover *m, const struct mover_rules *r, int64_t now_ms, int64_t *due_ms)
{
    uint32_t before = m->avail;
    for (;;) { /* at most one round per dead band */
        uint32_t v = health__mover_next(m, r, m->target);
        if (!v) { /* the rest is inside the dead band: a later way up begins anew */
            m->ramping = false;
            m->good_since_ms = NEVER_MS;
            break;
        }
        int64_t at = step_time_ms(m, r, v);
        if (at > now_ms) {
            *due_ms = at;
            break;
        }
        if (v > r->most) /* whoever holds it back sets when to look again */
            break;
        m->avail = v;
        if (v == m->target) {
            m->ramping = false;
            m->good_since_ms = NEVER_MS;
            break;
        }
    }
    return m->avail != before;
}

bool health__mover_step(struct mover *m, const struct mover_rules *r, uint32_t target,
                        int64_t now_ms, int64_t *due_ms)
{
    *due_ms = NEVER_MS;
    m->target = target;
    if (target <= m->avail) {
        bool moved = move_down(m, r, target, now_ms);
        if (m->hold_until_ms > now_ms) /* the TTL is short until then */
            *due_ms = m->hold_until_ms;
        return moved;
    }
    if (!m->ramping) {
        m->wait = WAIT_NONE;
        if (!health__mover_next(m, r, target)) {
            m->good_since_ms = NEVER_MS;
            if (m->hold_until_ms > now_ms)
                *due_ms = m->hold_until_ms;
            return false;
        }
        if (m->good_since_ms == NEVER_MS)
            m->good_since_ms = now_ms;
        int64_t from = wait_reason(m, r, now_ms);
        if (from > now_ms) {
            *due_ms = from;
            if (m->wait == WAIT_RELEASE && m->hold_until_ms > now_ms)
                *due_ms = m->hold_until_ms;
            return false;
        }
        ramp_begin(m, from);
    }
    return ramp_step(m, r, now_ms, due_ms);
}

/* The hold stands: it binds what the engine does when the person's word is gone. */
void health__mover_lift(struct mover *m, uint32_t to)
{
    m->avail = m->target = to;
    m->ramping = m->kept_out = false;
    m->wait = WAIT_NONE;
    m->good_since_ms = NEVER_MS;
}

bool health__mover_moving(const struct mover *m, int64_t now_ms)
{
    return m->ramping || m->hold_until_ms > now_ms || m->wait == WAIT_HOLD || m->wait == WAIT_AFTER;
}
