/* event: what the engine says happened, in the words of the log. The queue is bounded; what does
 * not fit is counted. */
#include "engine_priv.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *health__rule_name(uint8_t rule)
{
    static const char *const names[] = {
        "none",        "fall",       "rise",       "degrade",     "panic",        "region",
        "ramp",        "override",   "until",      "min-regions", "min-capacity", "hold",
        "witness",     "probe",      "load",       "report",      "max-move",     "overload",
        "maintenance", "dependency", "last-region"};
    return names[rule];
}

const char *health__observed_name(uint8_t observed)
{
    static const char *const names[] = {"unknown", "up", "degraded", "down"};
    return names[observed];
}

const char *health__override_name(uint8_t state)
{
    static const char *const names[] = {"auto", "up", "drain", "down"};
    return names[state];
}

struct place health__place_endpoint(const struct health *h, uint32_t endpoint)
{
    if (health__is_dependency(h, health__site_of(h, endpoint)))
        return health__place_region(health__region_of(h, endpoint));
    return (struct place){health__service_of(h, endpoint), health__region_of(h, endpoint),
                          endpoint};
}

struct place health__place_site(const struct health *h, uint32_t site)
{
    return (struct place){h->cfg.site[site].service, h->cfg.site[site].region, HEALTH_NONE};
}

struct place health__place_region(uint32_t region)
{
    return (struct place){HEALTH_NONE, region, HEALTH_NONE};
}

/* Where the value that follows a key stands in what was written. The keys are the engine's own: names
 * and words of people come behind them, or not at all. */
static struct health_span value_of(const char *text, const char *key, const char *end)
{
    const char *at = strstr(text, key);
    if (!at)
        return (struct health_span){0};
    at += strlen(key);
    return (struct health_span){(uint16_t)(at - text), (uint16_t)strcspn(at, end)};
}

void health__event_moves(struct health_event *e, uint32_t before, uint32_t after)
{
    e->has_avail = true;
    e->before = before;
    e->after = after;
}

struct health_event *health__event(struct health *h, enum health_event_kind kind,
                                   enum log_level level, struct place at, uint8_t rule,
                                   const char *fmt, ...)
{
    struct health_event *e = &h->event[h->events_cap]; /* room to write what will be lost */
    if (h->events_n < h->events_cap) {
        if (h->events_n == 0)
            h->events_head = 0; /* touch no more memory than the deepest queue needed */
        e = &h->event[(h->events_head + h->events_n++) % h->events_cap];
    } else {
        h->events_lost++;
    }
    *e = (struct health_event){.kind = kind,
                               .level = level,
                               .wall_ms = h->wall_ms,
                               .service = at.service,
                               .region = at.region,
                               .endpoint = at.endpoint,
                               .rule = health__rule_name(rule)};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    if ((rule == RULE_OVERRIDE || rule == RULE_MAINTENANCE) && kind == HEALTH_EVENT_OVERRIDE)
        return e; /* a person's text is not searched */
    e->cause = value_of(e->text, " cause=\"", "\"");
    e->effect = value_of(e->text, " effect=\"", "\"");
    e->blocked_by = value_of(e->text, " blocked-by=", ")");
    if (e->blocked_by.len)
        e->blocked_by.len++; /* the bracket */
    return e;
}

void health__event_degrade(struct health *h, struct place at, enum log_level level, uint32_t before,
                           uint32_t after, const struct proof *p, const char *more)
{
    const char *address = at.endpoint == HEALTH_NONE ? "" : h->cfg.endpoint[at.endpoint].address;
    struct health_event *e = health__event(
        h, HEALTH_EVENT_AVAILABILITY, level, at, RULE_DEGRADE,
        "%s%savailability %.2f -> %.2f rule=degrade cause=\"error rate %.1f%%, at least %.1f%%\" "
        "window=%llds n=%llu/%llu%s%s%s",
        address, *address ? " " : "", avail_to_double(before), avail_to_double(after),
        p->n ? 100.0 * (double)p->fail / (double)p->n : 0, 100 * p->low,
        (long long)p->window_ms / 1000, (unsigned long long)p->fail, (unsigned long long)p->n,
        p->source ? " source=" : "", p->source ? p->source : "", more);
    health__event_moves(e, before, after);
    e->failed = p->fail;
    e->judged = p->n;
}

/* A move up that has to wait says so once, when the wait begins. */
void health__event_waits(struct health *h, struct place at, enum log_level level,
                         const struct mover *m, const struct mover_rules *r)
{
    char span[TIME_TEXT_MAX], by[64], flaps[24] = "";
    int64_t hold_ms = m->held_ms ? m->held_ms : r->hold_ms;
    if (m->wait == WAIT_HOLD)
        snprintf(by, sizeof by, "hold(%s)", duration_format(hold_ms, span));
    else if (m->wait == WAIT_AFTER)
        snprintf(by, sizeof by, "failback(after %s)", duration_format(r->after_ms, span));
    else
        snprintf(by, sizeof by, "failback(hold)");
    if (m->wait == WAIT_HOLD && m->flaps > 1)
        snprintf(flaps, sizeof flaps, " flaps=%u", m->flaps);
    const char *address = at.endpoint == HEALTH_NONE ? "" : h->cfg.endpoint[at.endpoint].address;
    struct health_event *e =
        health__event(h, HEALTH_EVENT_HOLD, level, at, RULE_HOLD,
                      "%s%shold %.2f would=%.2f blocked-by=%s%s", address, *address ? " " : "",
                      avail_to_double(m->avail), avail_to_double(m->target), by, flaps);
    health__event_moves(e, m->avail, m->avail);
    e->would = m->target;
}

size_t health_take_events(struct health *h, struct health_event *out, size_t cap)
{
    size_t n = 0;
    while (n < cap && h->events_n) {
        out[n++] = h->event[h->events_head];
        h->events_head = (h->events_head + 1) % h->events_cap;
        h->events_n--;
    }
    return n;
}

uint64_t health_events_lost(const struct health *h)
{
    return h->events_lost;
}
