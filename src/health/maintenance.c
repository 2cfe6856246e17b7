/* maintenance: a word on a region that was planned for a time by the wall clock.
 *
 *      notice        start               done       from                        until
 *   ─────┼─────────────┼──────────────────┼───────────┼───────────────────────────┼──────────────
 *        │  one TTL    │  --over          │ moving TTL│  the region is empty      │ back, --over
 *        │             │  linear, down to │ the last  │  (down: and switched off) │
 *        TTL lowered   │  what is kept    │ who holds │                           │
 *                                           an answer │
 *
 * So that the work can begin at `from`, the drain is done before it. Who is told late shortens the
 * notice first; then the drain begins at once and ends later than `from`, never faster than --over.
 * A window that says `down` is a drain until `from`, since until then the region still works.
 *
 *   transition                  function
 *   → notice, drain             health_maintenance_look → begin
 *   drain → down at `from`      the same
 *   start follows a set clock   follow_clock
 *   → back at `until`, or when the clock was set before the notice, or removed     end
 *   back → none                 health__maintenance_arrived
 *   all of a region → none      health__maintenance_drop, by an order AUTO
 *
 * Each window has an order of its own, a line that depends on its times alone: who starts in the
 * middle is where one is that has run all the time. */
#include "engine_priv.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define CLOCK_DRIFT_MS 2000 /* a line that is off by less stays as it is */

struct health_maintenance_times health_maintenance_times(const struct health *h, uint32_t region,
                                                         const struct health_maintenance *m)
{
    const struct region *r = &h->region[region];
    int64_t start = m->from_wall_ms - r->ttl_moving_ms_max - m->over_ms;
    int64_t notice = start - r->ttl_ms_max;
    return (struct health_maintenance_times){
        .notice_ms = notice < m->created_wall_ms ? m->created_wall_ms : notice,
        .start_ms = start < m->created_wall_ms ? m->created_wall_ms : start};
}

/* The link that leads to the window's order, or to the end of the list. */
static uint32_t *find(struct health *h, uint32_t region, uint32_t id)
{
    uint32_t *at = &h->region[region].planned;
    while (*at && h->order[*at].maintenance != id)
        at = &h->order[*at].next;
    return at;
}

static void unlink_it(struct health *h, uint32_t *at)
{
    uint32_t slot = *at;
    *at = h->order[slot].next;
    health__order_free(h, &slot);
    h->planned_n--;
}

/* A person's word that hides what the windows say. */
static const struct order *hidden_by(const struct health *h, uint32_t region)
{
    const struct order *o = health__region_order(h, region);
    return o && !o->maintenance && o->state != HEALTH_AUTO ? o : NULL;
}

/* The value of a key that stands before the person's text, or is it: that is not searched. */
static void tell(struct health_event *e, const char *key)
{
    const char *at = strstr(e->text, key), *reason = strstr(e->text, " reason=\"");
    if (!at || (reason && at > reason + 1))
        return;
    at += strlen(key);
    bool quoted = at[-1] == '"';
    const char *end = quoted ? strchr(at, '"') : strchr(at, ')');
    if (quoted && reason && at > reason) /* to its last quote: it may hold others */
        end = strrchr(at, '"');
    if (!end || end == at)
        return;
    struct health_span span = {(uint16_t)(at - e->text), (uint16_t)(end - at + !quoted)};
    if (quoted)
        e->cause = span;
    else
        e->blocked_by = span;
}

static void say_begun(struct health *h, uint32_t region, const struct health_maintenance *m,
                      const struct order *o, uint8_t was)
{
    char keep[24] = "", over[TIME_TEXT_MAX + 8] = "", span[TIME_TEXT_MAX], from[TIME_TEXT_MAX],
         until[TIME_TEXT_MAX], masked[sizeof o->author + 40] = "";
    const struct order *person = hidden_by(h, region);
    if (o->state == HEALTH_DRAIN)
        snprintf(keep, sizeof keep, " keep=%.2f", avail_to_double(o->to));
    if (o->state == HEALTH_DRAIN && o->over_ms > 0)
        snprintf(over, sizeof over, " over=%s", duration_format(o->over_ms, span));
    if (person)
        snprintf(masked, sizeof masked, " blocked-by=override(%s)",
                 *person->author ? person->author : "-");
    uint32_t now = health__region_word_now(h, region) & HEALTH_WORD_AVAIL;
    struct health_event *e = health__event(
        h, HEALTH_EVENT_OVERRIDE, LOG_NOTICE, health__place_region(region), RULE_MAINTENANCE,
        "state %s -> %s rule=maintenance%s%s%s from=%s until=%s author=%s reason=\"%s\" "
        "maintenance=%u",
        health__override_name(was),
        health__override_name(person ? person->state : (uint8_t)o->state), keep, over, masked,
        time_format_s(m->from_wall_ms, from), time_format_s(m->until_wall_ms, until),
        *o->author ? o->author : "-", o->reason, o->maintenance);
    health__event_moves(e, h->region_word[region] & HEALTH_WORD_AVAIL, now);
    e->was = health__override_name(was);
    e->is = health__override_name(person ? person->state : (uint8_t)o->state);
    if (!person && o->start_ms + o->over_ms > h->now_ms)
        e->moving_ms = o->start_ms + o->over_ms - h->now_ms;
    tell(e, "reason=\"");
    tell(e, "blocked-by=");
}

static uint8_t state_now(const struct health *h, uint32_t region)
{
    const struct order *o = health__region_order(h, region);
    return o ? o->state : HEALTH_AUTO;
}

/* The order as the window has it now; a drain or, from `from` on, down. */
static void begin(struct health *h, uint32_t region, uint32_t *at,
                  const struct health_maintenance *m, uint8_t state, int64_t start_ms)
{
    uint8_t was = state_now(h, region);
    if (!*at) {
        *at = health__order_new(h);
        h->planned_n++;
    }
    struct order *o = &h->order[*at];
    uint32_t next = o->next, to = m->to > AVAIL_FULL ? AVAIL_FULL : m->to;
    *o = (struct order){.state = state,
                        .maintenance = m->id,
                        .from = AVAIL_FULL,
                        .to = m->state == HEALTH_DOWN ? AVAIL_NONE : to,
                        .cap = AVAIL_FULL,
                        .start_ms = start_ms,
                        .over_ms = state == HEALTH_DOWN ? 0 : m->over_ms,
                        .until_wall_ms = m->until_wall_ms,
                        .since_wall_ms = health_maintenance_times(h, region, m).notice_ms,
                        .next = next};
    if (state == HEALTH_DOWN) {
        o->start_ms = h->now_ms;
        o->since_wall_ms = m->from_wall_ms;
    }
    snprintf(o->author, sizeof o->author, "%s", m->author ? m->author : "");
    snprintf(o->reason, sizeof o->reason, "%s", m->reason ? m->reason : "");
    health__order_step(o, h->now_ms);
    say_begun(h, region, m, o, was);
    health__region_order_follow(h, region, was);
}

/* Back over the time that it went in; at once without one, or under a person's word. */
static void end(struct health *h, uint32_t region, uint32_t *at, int64_t over_ms, const char *cause)
{
    uint8_t was = state_now(h, region);
    uint32_t before = h->region_word[region] & HEALTH_WORD_AVAIL;
    struct order *o = &h->order[*at], old = *o;
    health__order_step(o, h->now_ms);
    if (over_ms > 0 && o->cap < AVAIL_FULL && !hidden_by(h, region)) {
        o->state = HEALTH_AUTO;
        o->from = o->cap;
        o->to = AVAIL_FULL;
        o->start_ms = h->now_ms;
        o->over_ms = over_ms;
        o->since_wall_ms = h->wall_ms;
    } else {
        unlink_it(h, at);
    }
    struct health_event *e = health__event(
        h, HEALTH_EVENT_OVERRIDE, LOG_NOTICE, health__place_region(region), RULE_MAINTENANCE,
        "state %s -> %s rule=maintenance cause=\"%s\" author=%s reason=\"%s\" maintenance=%u",
        health__override_name(was), health__override_name(state_now(h, region)), cause,
        *old.author ? old.author : "-", old.reason, old.maintenance);
    health__event_moves(e, before, health__region_word_now(h, region) & HEALTH_WORD_AVAIL);
    e->was = health__override_name(was);
    e->is = health__override_name(state_now(h, region));
    if (*at && h->order[*at].maintenance == old.maintenance)
        e->moving_ms = over_ms;
    tell(e, "cause=\"");
    health__region_order_follow(h, region, was);
}

/* The clock was set: the line goes by it. */
static bool follow_clock(struct health *h, uint32_t region, struct order *o, int64_t start_ms)
{
    int64_t off_ms = o->start_ms - start_ms;
    if (o->state == HEALTH_DOWN || (off_ms < CLOCK_DRIFT_MS && off_ms > -CLOCK_DRIFT_MS))
        return false;
    uint32_t before = h->region_word[region] & HEALTH_WORD_AVAIL;
    uint8_t was = state_now(h, region);
    o->start_ms = start_ms;
    health__order_step(o, h->now_ms);
    health__order_say_step(h, health__place_region(region), before,
                           health__region_word_now(h, region) & HEALTH_WORD_AVAIL);
    health__region_order_follow(h, region, was);
    return true;
}

bool health_maintenance_look(struct health *h, uint32_t region, struct health_maintenance *m,
                             int64_t now_ms, int64_t wall_ms)
{
    health_advance(h, now_ms, wall_ms);
    if (region >= h->cfg.regions_n || !m->id)
        return false;
    uint32_t *at = find(h, region, m->id);
    struct order *o = *at ? &h->order[*at] : NULL;
    bool begun = o && o->state != HEALTH_AUTO;
    struct health_maintenance_times t = health_maintenance_times(h, region, m);
    int64_t slack_ms = begun ? HEALTH_MAINTENANCE_SLACK_MS : 0;
    char cause[TIME_TEXT_MAX + 16], text[TIME_TEXT_MAX];
    if (wall_ms >= m->until_wall_ms)
        m->over = true;
    else if (wall_ms < m->until_wall_ms - HEALTH_MAINTENANCE_SLACK_MS)
        m->over = false;
    if (m->over || wall_ms < t.notice_ms - slack_ms) {
        snprintf(cause, sizeof cause, "%s has come", time_format_s(m->until_wall_ms, text));
        if (begun)
            end(h, region, at, m->over_ms, m->over ? cause : "the clock was set back");
        return begun;
    }
    if (!o && h->planned_n == HEALTH_MAINTENANCE_MAX)
        return false;
    bool down = begun && o->state == HEALTH_DOWN;
    uint8_t state = m->state == HEALTH_DOWN &&
                            wall_ms >= m->from_wall_ms - (down ? HEALTH_MAINTENANCE_SLACK_MS : 0)
                        ? HEALTH_DOWN
                        : HEALTH_DRAIN;
    int64_t start_ms = h->now_ms + (t.start_ms - wall_ms);
    if (begun && o->state == state)
        return follow_clock(h, region, o, start_ms);
    begin(h, region, at, m, state, start_ms);
    return true;
}

bool health_maintenance_begun(const struct health *h, uint32_t region, uint32_t id)
{
    for (uint32_t i = h->region[region].planned; i; i = h->order[i].next)
        if (h->order[i].maintenance == id)
            return h->order[i].state != HEALTH_AUTO;
    return false;
}

bool health_maintenance_remove(struct health *h, uint32_t region, uint32_t id, const char *author,
                               int64_t now_ms, int64_t wall_ms)
{
    health_advance(h, now_ms, wall_ms);
    uint32_t *at = find(h, region, id);
    if (!*at || h->order[*at].state == HEALTH_AUTO)
        return false;
    char cause[64];
    snprintf(cause, sizeof cause, "removed by %.40s", author && *author ? author : "-");
    end(h, region, at, 0, cause);
    return true;
}

/* A person takes back whatever is said of the region. */
void health__maintenance_drop(struct health *h, uint32_t region, const char *author)
{
    while (h->region[region].planned) {
        uint32_t *at = &h->region[region].planned;
        const struct order *o = &h->order[*at];
        if (o->state != HEALTH_AUTO)
            tell(health__event(h, HEALTH_EVENT_OVERRIDE, LOG_NOTICE, health__place_region(region),
                               RULE_MAINTENANCE,
                               "maintenance %u ended rule=override cause=\"undrain by %.39s\" "
                               "reason=\"%s\"",
                               o->maintenance, author && *author ? author : "-", o->reason),
                 "cause=\"");
        unlink_it(h, at);
    }
}

void health__maintenance_arrived(struct health *h, uint32_t region)
{
    for (uint32_t *at = &h->region[region].planned; *at;) {
        const struct order *o = &h->order[*at];
        if (o->state == HEALTH_AUTO && h->now_ms >= o->start_ms + o->over_ms)
            unlink_it(h, at);
        else
            at = &h->order[*at].next;
    }
}
