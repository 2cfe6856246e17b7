/* order: a person's word on a region or endpoint. It binds at once, or over the time it names;
 * hold, ramp, dead band and the safety rules do not touch it. What the probes observe goes on below
 * it.
 *
 *          order drain, down, up                     until has come, or order auto
 *   NONE ─────────────────────────> IN FORCE ──────────────────────────────────────> NONE
 *                                     │  ^                                            ^
 *                                     v  │ new order           order auto with over   │
 *                                  MOVING over_ms ──────────────> GOING BACK ─────────┘
 *
 *   transition            function
 *   any → in force        give
 *   moving                step (linear, at most 100 steps and one a second)
 *   → none                tick, with its event when it ended by itself
 *
 * A drain over a time is planned: the TTL is lowered when the order comes, and the move begins one
 * full TTL (the region's largest) later, so that clients follow it. So it is in the last TTL before
 * a word ends by its time.
 *
 * A region may also have orders of maintenance windows (maintenance.c). A person's word beats them;
 * among them the one that allows least is in force, and one on its way back allows what it allows. */
#include "engine_priv.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define UNTIL_LOOK_MS 60000 /* the wall clock may be set: look at least so often */

uint32_t health__order_new(struct health *h)
{
    uint32_t slot = h->orders_free;
    if (slot)
        h->orders_free = h->order[slot].next;
    else
        slot = ++h->orders_used;
    CHECK(slot < h->orders_cap); /* one for each endpoint and region, and the windows */
    memset(&h->order[slot], 0, sizeof h->order[slot]);
    return slot;
}

void health__order_free(struct health *h, uint32_t *slot)
{
    uint32_t free = *slot;
    health__moving_set(h, &h->order[free].moving, false, h->order[free].service);
    *slot = 0;
    h->order[free].next = h->orders_free;
    h->orders_free = free;
}

static bool is_moving(const struct order *o, int64_t now_ms)
{
    return (o->over_ms || o->maintenance) && now_ms < o->start_ms + o->over_ms;
}

static bool allows_less(const struct order *a, const struct order *b)
{
    if ((a->state == HEALTH_DOWN) != (b->state == HEALTH_DOWN))
        return a->state == HEALTH_DOWN;
    if (a->cap != b->cap)
        return a->cap < b->cap;
    if (a->to != b->to) /* the one that will */
        return a->to < b->to;
    return a->until_wall_ms > b->until_wall_ms;
}

const struct order *health__region_order(const struct health *h, uint32_t region)
{
    const struct region *r = &h->region[region];
    const struct order *least = r->order ? &h->order[r->order] : NULL;
    if (least && least->state != HEALTH_AUTO)
        return least;
    for (uint32_t i = r->planned; i; i = h->order[i].next)
        if (!least || allows_less(&h->order[i], least))
            least = &h->order[i];
    return least;
}

static bool ends_soon(const struct health *h, const struct order *o, int64_t lead_ms)
{
    if (o->maintenance && o->state == HEALTH_AUTO) /* it has ended, and goes back */
        return false;
    return o->until_wall_ms && o->until_wall_ms - h->wall_ms <= lead_ms;
}

bool health__order_may_move(const struct health *h, const struct order *o, int64_t lead_ms)
{
    return is_moving(o, h->now_ms) || ends_soon(h, o, lead_ms);
}

/* What moves below a person's word moves nothing, nor does the end of what is not in force. */
bool health__region_order_may_move(const struct health *h, uint32_t region)
{
    const struct region *r = &h->region[region];
    const struct order *o = r->order ? &h->order[r->order] : NULL;
    const struct order *least = health__region_order(h, region);
    bool moving = (o && is_moving(o, h->now_ms)) || (least && ends_soon(h, least, r->ttl_ms_max));
    if (o && o->state != HEALTH_AUTO)
        return moving;
    for (uint32_t i = r->planned; i && !moving; i = h->order[i].next)
        moving = is_moving(&h->order[i], h->now_ms);
    return moving;
}

static int64_t step_ms(const struct order *o)
{
    int64_t step = o->over_ms / 100;
    return step < 1000 ? 1000 : step;
}

static void step(struct order *o, int64_t now_ms)
{
    int64_t t = now_ms - o->start_ms;
    if (t >= o->over_ms) {
        o->cap = o->to;
        return;
    }
    t = t < 0 ? 0 : t - t % step_ms(o);
    o->cap = o->from;
    if (t)
        o->cap =
            (uint32_t)((int64_t)o->from + ((int64_t)o->to - (int64_t)o->from) * t / o->over_ms);
}

void health__order_step(struct order *o, int64_t now_ms)
{
    if (o->state == HEALTH_UP)
        o->cap = AVAIL_FULL;
    else if (o->state == HEALTH_DOWN)
        o->cap = AVAIL_NONE;
    else
        step(o, now_ms);
}

void health__order_due(const struct health *h, const struct order *o, int64_t lead_ms,
                       int64_t *due_ms)
{
    if (!o)
        return;
    int64_t due = NEVER_MS;
    if (is_moving(o, h->now_ms)) {
        int64_t t = h->now_ms - o->start_ms, every = step_ms(o);
        due = t < 0 ? o->start_ms : o->start_ms + (t / every + 1) * every;
        if (due > o->start_ms + o->over_ms)
            due = o->start_ms + o->over_ms;
    } else if (o->state == HEALTH_AUTO) {
        due = h->now_ms;
    }
    struct order now = *o;
    health__order_step(&now, h->now_ms);
    if (now.cap !=
        o->cap) /* an engine that takes over on the dot has this step before it, the last one too */
        due = h->now_ms;
    if (o->until_wall_ms && !(o->maintenance && o->state == HEALTH_AUTO)) {
        int64_t left = o->until_wall_ms - h->wall_ms;
        if (left > lead_ms) /* the TTL is lowered first */
            left -= lead_ms;
        else if (o->maintenance) /* its keeper ends it */
            left = UNTIL_LOOK_MS;
        left = left < 0 ? 0 : left > UNTIL_LOOK_MS ? UNTIL_LOOK_MS : left;
        if (h->now_ms + left < due)
            due = h->now_ms + left;
    }
    if (due < *due_ms)
        *due_ms = due;
}

void health__region_order_due(const struct health *h, uint32_t region, int64_t *due_ms)
{
    const struct region *r = &h->region[region];
    if (r->order)
        health__order_due(h, &h->order[r->order], r->ttl_ms_max, due_ms);
    for (uint32_t i = r->planned; i; i = h->order[i].next)
        health__order_due(h, &h->order[i], r->ttl_ms_max, due_ms);
}

/* A word of the region that says `up` covers the words of all that is in it. */
static void publish_below(struct health *h, uint32_t region)
{
    for (uint32_t i = h->region_site_first[region]; i < h->region_site_first[region + 1]; i++) {
        const struct health_site_config *s = &h->cfg.site[h->region_site[i]];
        health__site_publish(h, h->region_site[i]);
        for (uint32_t e = 0; e < s->endpoint_n; e++)
            health__endpoint_publish(h, s->endpoint_first + e);
    }
}

static void follow_endpoint(struct health *h, uint32_t endpoint)
{
    health__endpoint_recount(h, endpoint);
    health__endpoint_judge(h, endpoint);
    const struct order *o = health__endpoint_order(h, endpoint);
    if (o && o->state == HEALTH_UP)
        health__site_lift(h, health__site_of(h, endpoint));
    else
        health__site_judge(h, health__site_of(h, endpoint));
}

/* Below a region only `up` is seen, where it comes and where it goes: without it the region's own
 * word is all that changes, whatever the number of services. */
void health__region_order_follow(struct health *h, uint32_t region, uint8_t was)
{
    const struct order *o = health__region_order(h, region);
    if (was == HEALTH_UP || (o && o->state == HEALTH_UP))
        publish_below(h, region);
    health__region_judge(h, region);
}

/* "state auto -> drain keep=0.40 over=10m until=… author=ana reason=\"db move\"" */
static void say_given(struct health *h, struct place at, uint8_t was, const struct health_order *o,
                      uint32_t slot, uint32_t before, uint32_t after)
{
    char keep[24] = "", over[TIME_TEXT_MAX + 8] = "", until[TIME_TEXT_MAX + 8] = "";
    char text[TIME_TEXT_MAX];
    if (o->state == HEALTH_DRAIN)
        snprintf(keep, sizeof keep, " keep=%.2f", avail_to_double(o->to));
    if (o->over_ms > 0)
        snprintf(over, sizeof over, " over=%s", duration_format(o->over_ms, text));
    if (o->until_wall_ms > 0)
        snprintf(until, sizeof until, " until=%s", time_format_s(o->until_wall_ms, text));
    const char *address = at.endpoint == HEALTH_NONE ? "" : h->cfg.endpoint[at.endpoint].address;
    struct health_event *e = health__event(
        h, HEALTH_EVENT_OVERRIDE, LOG_NOTICE, at, RULE_OVERRIDE,
        "%s%sstate %s -> %s rule=override%s%s%s author=%.39s reason=\"%.79s\"", address,
        *address ? " " : "", health__override_name(was), health__override_name((uint8_t)o->state),
        keep, over, until, o->author && *o->author ? o->author : "-", o->reason ? o->reason : "");
    health__event_moves(e, before, after);
    e->was = health__override_name(was);
    e->is = health__override_name((uint8_t)o->state);
    if (slot && is_moving(&h->order[slot], h->now_ms))
        e->moving_ms = h->order[slot].start_ms + h->order[slot].over_ms - h->now_ms;
    size_t len = strlen(e->text), reason = o->reason ? strnlen(o->reason, 79) : 0;
    if (reason && len > reason + 1 && e->text[len - 1] == '"') /* not cut off */
        e->cause = (struct health_span){(uint16_t)(len - reason - 1), (uint16_t)reason};
}

/* cap is what the words allowed before this one. */
static void give(struct health *h, uint32_t *slot, const struct health_order *o, int64_t lead_ms,
                 uint32_t cap)
{
    int64_t over_ms = o->over_ms > 0 ? o->over_ms : 0;
    int64_t elapsed_ms = o->elapsed_ms > 0 ? o->elapsed_ms : 0;
    if (o->state == HEALTH_AUTO && (!over_ms || cap == AVAIL_FULL)) {
        if (*slot)
            health__order_free(h, slot);
        return;
    }
    if (!*slot)
        *slot = health__order_new(h);
    struct order *n = &h->order[*slot];
    uint32_t to = o->state == HEALTH_DRAIN  ? o->to
                  : o->state == HEALTH_DOWN ? AVAIL_NONE
                                            : AVAIL_FULL;
    *n = (struct order){.moving = n->moving,
                        .service = n->service,
                        .state = (uint8_t)o->state,
                        .from = cap,
                        .to = to > AVAIL_FULL ? AVAIL_FULL : to,
                        .start_ms = h->now_ms - elapsed_ms,
                        .since_wall_ms = h->wall_ms - elapsed_ms,
                        .until_wall_ms = o->until_wall_ms > 0 ? o->until_wall_ms : 0};
    if (o->state == HEALTH_DRAIN || o->state == HEALTH_AUTO)
        n->over_ms = over_ms;
    if (o->state == HEALTH_DRAIN && over_ms && n->to < cap)
        n->start_ms += lead_ms;
    snprintf(n->author, sizeof n->author, "%s", o->author ? o->author : "");
    snprintf(n->reason, sizeof n->reason, "%s", o->reason ? o->reason : "");
    step(n, h->now_ms);
}

static void step_all(struct health *h, struct region *r)
{
    if (r->order)
        health__order_step(&h->order[r->order], h->now_ms);
    for (uint32_t i = r->planned; i; i = h->order[i].next)
        health__order_step(&h->order[i], h->now_ms);
}

void health_order_region(struct health *h, uint32_t region, const struct health_order *o,
                         int64_t now_ms, int64_t wall_ms)
{
    health_advance(h, now_ms, wall_ms);
    if (region >= h->cfg.regions_n)
        return;
    uint32_t before = h->region_word[region] & HEALTH_WORD_AVAIL;
    step_all(h, &h->region[region]);
    const struct order *now = health__region_order(h, region);
    uint8_t was = now ? now->state : HEALTH_AUTO;
    uint32_t cap = now ? now->cap : AVAIL_FULL;
    if (o->state == HEALTH_AUTO) /* whoever said it */
        health__maintenance_drop(h, region, o->author);
    give(h, &h->region[region].order, o, h->region[region].ttl_ms_max, cap);
    say_given(h, health__place_region(region), was, o, h->region[region].order, before,
              health__region_word_now(h, region) & HEALTH_WORD_AVAIL);
    health__region_order_follow(h, region, was);
}

void health_order_endpoint(struct health *h, uint32_t endpoint, const struct health_order *o,
                           int64_t now_ms, int64_t wall_ms)
{
    health_advance(h, now_ms, wall_ms);
    if (endpoint >= h->cfg.endpoints_n)
        return;
    uint32_t before = health_endpoint_word(h, endpoint) & HEALTH_WORD_AVAIL;
    struct order *now = h->order_of[endpoint] ? &h->order[h->order_of[endpoint]] : NULL;
    if (now)
        health__order_step(now, h->now_ms);
    uint8_t was = now ? now->state : HEALTH_AUTO;
    give(h, &h->order_of[endpoint], o,
         (int64_t)h->cfg.service[health__service_of(h, endpoint)].config->ttl_s * 1000,
         now ? now->cap : AVAIL_FULL);
    say_given(h, health__place_endpoint(h, endpoint), was, o, h->order_of[endpoint], before,
              health__endpoint_word_now(h, endpoint) & HEALTH_WORD_AVAIL);
    follow_endpoint(h, endpoint);
}

/* Ended by its time, or arrived on its way back: true, and the slot is free. */
static bool ended(struct health *h, uint32_t *slot, struct place at)
{
    struct order o = h->order[*slot];
    if (o.until_wall_ms && h->wall_ms >= o.until_wall_ms) {
        char text[TIME_TEXT_MAX];
        const char *address =
            at.endpoint == HEALTH_NONE ? "" : h->cfg.endpoint[at.endpoint].address;
        health__order_free(h, slot);
        const struct order *next =
            at.endpoint == HEALTH_NONE ? health__region_order(h, at.region) : NULL;
        struct health_event *e =
            health__event(h, HEALTH_EVENT_OVERRIDE, LOG_NOTICE, at, RULE_UNTIL,
                          "%s%sstate %s -> %s rule=until cause=\"%s has come\" author=%s", address,
                          *address ? " " : "", health__override_name(o.state),
                          health__override_name(next ? next->state : HEALTH_AUTO),
                          time_format_s(o.until_wall_ms, text), *o.author ? o.author : "-");
        e->was = health__override_name(o.state);
        e->is = health__override_name(next ? next->state : HEALTH_AUTO);
        return true;
    }
    if (o.state == HEALTH_AUTO && !is_moving(&o, h->now_ms)) {
        health__order_free(h, slot);
        return true;
    }
    return false;
}

void health__order_say_step(struct health *h, struct place at, uint32_t before, uint32_t after)
{
    if (before == after)
        return;
    const char *address = at.endpoint == HEALTH_NONE ? "" : h->cfg.endpoint[at.endpoint].address;
    struct health_event *e =
        health__event(h, HEALTH_EVENT_AVAILABILITY, LOG_INFO, at, RULE_OVERRIDE,
                      "%s%savailability %.2f -> %.2f rule=override cause=\"over time\"", address,
                      *address ? " " : "", avail_to_double(before), avail_to_double(after));
    health__event_moves(e, before, after);
}

void health__order_tick_region(struct health *h, uint32_t region)
{
    struct region *r = &h->region[region];
    if (!r->order && !r->planned)
        return;
    uint32_t before = h->region_word[region] & HEALTH_WORD_AVAIL;
    bool was_up = r->order && h->order[r->order].state == HEALTH_UP;
    step_all(h, r);
    health__maintenance_arrived(h, region);
    bool end = r->order && ended(h, &r->order, health__place_region(region));
    health__order_say_step(h, health__place_region(region), before,
                           health__region_word_now(h, region) & HEALTH_WORD_AVAIL);
    if (end && was_up)
        publish_below(h, region);
}

void health__order_tick_endpoint(struct health *h, uint32_t endpoint)
{
    uint32_t *slot = &h->order_of[endpoint];
    if (!*slot)
        return;
    uint32_t before = health_endpoint_word(h, endpoint) & HEALTH_WORD_AVAIL;
    bool end = ended(h, slot, health__place_endpoint(h, endpoint));
    if (!end)
        health__order_step(&h->order[*slot], h->now_ms);
    health__order_say_step(h, health__place_endpoint(h, endpoint), before,
                           health__endpoint_word_now(h, endpoint) & HEALTH_WORD_AVAIL);
    if (end)
        follow_endpoint(h, endpoint);
}

static void let_back(struct health *h, struct mover *m)
{
    m->kept_out = false;
    if (!m->ramping &&
        m->hold_until_ms < h->now_ms) /* the way up begins now, not when evidence became good */
        m->hold_until_ms = h->now_ms;
}

void health_release_region(struct health *h, uint32_t region, int64_t now_ms, int64_t wall_ms)
{
    health_advance(h, now_ms, wall_ms);
    if (region >= h->cfg.regions_n)
        return;
    health__event(h, HEALTH_EVENT_OVERRIDE, LOG_NOTICE, health__place_region(region), RULE_OVERRIDE,
                  "released rule=override cause=\"failback hold lifted\"");
    for (uint32_t i = h->region_site_first[region]; i < h->region_site_first[region + 1]; i++) {
        const struct health_site_config *s = &h->cfg.site[h->region_site[i]];
        struct judged *j = health__judged(h, h->region_site[i]);
        for (uint32_t e = s->endpoint_first; j && e < s->endpoint_first + s->endpoint_n; e++) {
            struct probed *p = health__probed(h, e);
            if (!p)
                continue;
            let_back(h, &p->m);
            health__endpoint_judge(h, e);
        }
        if (j) {
            let_back(h, &j->m);
            health__site_judge(h, h->region_site[i]);
        }
    }
}
