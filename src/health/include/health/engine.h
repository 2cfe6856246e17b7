/* health/engine: evidence in, availability out. A pure state machine: events with `now`, the next due
 * time, and what it wants done; no clock, no socket, no allocation after create.
 * Rules     product.md "Health and the failover engine"; docs/failover.md has the state diagram.
 * Shape     three levels: endpoint; site (one service in one region: the error-rate window, degrade,
 *           hold, ramp, panic live here); region (overrides, and agreement of most of its services).
 *           The effective availability of an endpoint is the smallest of the three.
 * Indices   endpoints, sites, services and regions are numbered by the caller (the snapshot's slots).
 *           State moves from one numbering to the next by key (service name, region name, address).
 * Owns      its state, in one allocation. Lifetime: create to destroy.
 * Threads   the control thread only.
 * Units     *_ms milliseconds; now_ms monotonic and never going backwards (a step back is held);
 *           wall_ms only for showing; availability in 1/65536 (base/avail.h).
 * Limits    256 regions, 65535 endpoints of a site; dead_band 0.001 .. 0.5; the event queue is bounded (health_events_lost); people's words on
 *           all endpoints and regions at once fit; changes and actions cannot overflow.
 * Repeat    same inputs, same outputs, same events: no randomness. */
#pragma once

#include "base/avail.h"
#include "base/err.h"
#include "base/log.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEALTH_NONE UINT32_MAX
#define HEALTH_SOURCE_MAX 40      /* octets of a reporter's name, its end included */
#define HEALTH_SOURCES_PER_ITEM 8 /* reporters of one region, site or endpoint */
#define HEALTH_SOURCE_FORGET_MS 3600000
#define HEALTH_REPORT_COUNT_MAX 100000000 /* successes or errors of one report */
#define HEALTH_REPORT_COVERED_MS_MAX 3600000
#define HEALTH_REPORT_LOAD_MAX 100.0 /* utilisation: a hundred times the capacity */
#define HEALTH_TEXT_MAX 160

enum health_override { HEALTH_AUTO, HEALTH_UP, HEALTH_DRAIN, HEALTH_DOWN };
enum health_failback { HEALTH_FAILBACK_AUTO, HEALTH_FAILBACK_AFTER, HEALTH_FAILBACK_HOLD };

struct health_probe_config { /* shared by all endpoints that it probes */
    const char *name;
    uint16_t port; /* for events: "203.0.113.10:80"; 0: none */
    uint32_t interval_ms, timeout_ms, fall, rise;
};
struct health_endpoint_config {
    const char *address; /* key, and text for events: "203.0.113.10" */
    uint32_t site;
    uint32_t weight;
};
struct health_site_config { /* one service in one region */
    uint32_t service, endpoint_first;
    uint16_t endpoint_n;
    uint8_t region;
};
struct health_service_config { /* shared by services that have the same */
    uint32_t ttl_s, ttl_moving_s;
    double degrade, fail; /* error rates, 0.05 and 0.50 */
    uint32_t ramp_ms;     /* 60 s */
    uint32_t hold_ms;     /* 0: the larger of 30 s and the TTL */
    uint32_t window_ms;   /* 0: the larger of 60 s and 20 intervals */
    double panic;         /* 0.5 */
    uint32_t min_regions; /* 1 */
    double min_capacity;  /* 0: share of full weight that gradual moves must leave */
    double max_move;      /* share of full weight that gradual moves may move in a minute; 0: any */
    enum health_failback failback;
    uint32_t failback_after_ms;
    bool dependencies; /* no service: its sites hold what regions depend on */
};
struct health_service {
    const char *name; /* key */
    const struct health_service_config *config;
};
struct health_region_config {
    const char *name;
    double capacity; /* 0: not set, and then load moves nothing */
    /* A shared service that it cannot do without, probed as an endpoint is: the one endpoint of a
     * site of the region, of a service marked so. HEALTH_NONE: depends on nothing. 0 is read as
     * that where no service is marked. */
    uint32_t dependency;
};
struct health_config { /* borrowed for the engine's lifetime: the caller keeps it alive */
    const struct health_endpoint_config *endpoint;
    const struct health_site_config *site;
    const struct health_service *service;
    const struct health_region_config *region;
    const struct health_probe_config *probe;
    /* By endpoint, numbers in probe from 1 on; 0: none, it is always up by observation. NULL: nothing is
     * probed. */
    const uint32_t *probe_of;
    uint32_t endpoints_n, sites_n, services_n, regions_n, probes_n;
    double dead_band;     /* 0.05 */
    uint32_t samples_min; /* 10 */
    /* What region-level reports are judged by. */
    double degrade, fail;       /* fail 0: 0.05 and 0.50 */
    uint32_t window_ms;         /* 0: 60 s */
    double load_high, load_low; /* utilisation, 0.9 and 0.7; 0: load moves nothing */
};

/* The probe of an endpoint, or NULL. */
static inline const struct health_probe_config *health_probe_of(const struct health_config *c,
                                                                uint32_t endpoint)
{
    uint32_t n = c->probe_of ? c->probe_of[endpoint] : 0;
    return n ? &c->probe[n - 1] : NULL;
}

/* What the engine says happened: one line of the log each. */
enum health_event_kind {
    HEALTH_EVENT_PROBE,        /* a failing probe (each), or the first good one after failures */
    HEALTH_EVENT_ENDPOINT,     /* up -> down, down -> up, unknown -> … : observed state */
    HEALTH_EVENT_AVAILABILITY, /* the effective value of a site or region changed */
    HEALTH_EVENT_HOLD,         /* a wanted change is held back: would=, blocked-by= */
    HEALTH_EVENT_ISOLATED,     /* failures without a witness: nothing moves */
    HEALTH_EVENT_OVERRIDE,     /* a person's word, or its end */
    HEALTH_EVENT_REPORT,       /* a report; the first that is judged; that they became stale */
    HEALTH_EVENT_SPILL         /* what a full region admits changed (signal/capacity.h says it) */
};
struct health_span { /* a part of an event's text */
    uint16_t at, len;
};
struct health_event {
    enum health_event_kind kind;
    enum log_level level;
    int64_t wall_ms;
    uint32_t service, region, endpoint; /* HEALTH_NONE where it does not apply */
    bool has_avail;                     /* before and after say something */
    uint32_t before, after;             /* availability */
    uint32_t would;                     /* with blocked_by: what evidence wants */
    const char *was, *is;    /* observed states, or those of an override; NULL: neither changed */
    uint64_t failed, judged; /* samples that it rests on; judged 0: none */
    int64_t moving_ms;       /* the engine goes on moving for so long by itself */
    char text[HEALTH_TEXT_MAX *
              2];     /* "203.0.113.10 up -> down rule=fall cause=\"3 failures in a row\"" */
    const char *rule; /* "fall", "rise", "degrade", "ramp", "override", "panic", … */
    struct health_span cause, blocked_by, effect; /* len 0: it has none */
};

/* What it wants done. */
enum health_action_kind {
    HEALTH_ACTION_PROBE /* probe this endpoint at at_ms or soon after (confirmation or witness) */
};
struct health_action {
    enum health_action_kind kind;
    uint32_t endpoint;
    int64_t at_ms;
    bool
        confirm; /* counts for fall and rise only: hand it back in the result. Always set: a witness
                   * asked for is such a probe too */
};

struct health_sample {
    uint32_t endpoint;
    bool ok;
    bool confirm;       /* from HEALTH_ACTION_PROBE with confirm */
    bool late;          /* the prober was late itself: counts for nothing */
    int64_t started_ms; /* monotonic, when the probe was sent */
    int64_t now_ms, wall_ms;
    uint32_t latency_us;
    char text[HEALTH_TEXT_MAX]; /* "timeout after 2000 ms", "200 in 12 ms" */
};

struct health;

/* ERR_INVALID: an index or a probe's number out of range, a site's endpoints not its own, fall, rise or interval 0. */
enum err health_create(const struct health_config *config, int64_t now_ms, int64_t wall_ms,
                       struct health **out) WARN_UNUSED;
void health_destroy(struct health **h);
/* Takes over by key what old knows of endpoints, sites, services and regions that still exist; what
 * is new starts unknown. old stays valid and unchanged. To be called before the first sample; take
 * old's events first, and drop its actions: what is needed is asked for again. */
void health_adopt(struct health *h, const struct health *old);

/* Evidence and orders. Each may add events and actions, collected with health_take_*. */
void health_sample(struct health *h, const struct health_sample *s);
/* What a region's own load balancer counted: evidence of its own, judged beside the probes'. */
struct health_report {
    uint32_t region;
    uint32_t site;      /* HEALTH_NONE: the whole region */
    uint32_t endpoint;  /* of that site; HEALTH_NONE: all of it */
    const char *source; /* the reporter's name: each has a window of its own */
    uint64_t ok, errors;
    int64_t covered_ms;      /* the time that it covers; 0: since the one before */
    uint32_t p50_us, p99_us; /* shown; 0 unknown */
    bool has_load;           /* of a region only */
    double utilisation;      /* load as a share of the capacity; may be above 1 */
    int64_t now_ms, wall_ms;
};
/* ERR_INVALID: no such place, or a number out of bounds. ERR_LIMIT: too many reporters. */
enum err health_report(struct health *h, const struct health_report *r) WARN_UNUSED;
struct health_order {
    enum health_override state;
    uint32_t to;     /* HEALTH_DRAIN of a region: availability to keep, AVAIL_NONE for all away */
    int64_t over_ms; /* spread the move over this time; 0: at once */
    int64_t elapsed_ms;          /* given that long ago, by a run before this one; 0: now */
    int64_t until_wall_ms;       /* 0: no end */
    const char *author, *reason; /* copied, shortened */
};
void health_order_region(struct health *h, uint32_t region, const struct health_order *o,
                         int64_t now_ms, int64_t wall_ms);
void health_order_endpoint(struct health *h, uint32_t endpoint, const struct health_order *o,
                           int64_t now_ms, int64_t wall_ms);

/* A word on a region that was planned: health/maintenance.c has the times of it. Its state is told
 * in one go and often, by whoever keeps the windows: the engine knows what there is to do. */
#define HEALTH_MAINTENANCE_MAX 1024       /* in force at once, over all regions */
#define HEALTH_MAINTENANCE_SLACK_MS 60000 /* a clock that is set back by less reopens nothing */
struct health_maintenance {
    uint32_t id;                /* not 0 */
    enum health_override state; /* HEALTH_DRAIN, or HEALTH_DOWN from `from` on */
    uint32_t to;                /* of a drain */
    int64_t over_ms;
    int64_t created_wall_ms, from_wall_ms, until_wall_ms;
    const char *author, *reason; /* copied, shortened */
    bool over;                   /* kept by the engine: its end has come */
};
struct health_maintenance_times { /* wall */
    int64_t notice_ms;            /* the TTL is lowered */
    int64_t start_ms;             /* the drain begins */
};
struct health_maintenance_times health_maintenance_times(const struct health *h, uint32_t region,
                                                         const struct health_maintenance *m);
/* Begins, moves on or ends it as the wall clock has it; true when something changed. */
bool health_maintenance_look(struct health *h, uint32_t region, struct health_maintenance *m,
                             int64_t now_ms, int64_t wall_ms);
/* Somebody took it back: at once. True when it was in force. */
bool health_maintenance_remove(struct health *h, uint32_t region, uint32_t id, const char *author,
                               int64_t now_ms, int64_t wall_ms);
/* Is it in force (its notice included)? An order AUTO on the region takes it back. */
bool health_maintenance_begun(const struct health *h, uint32_t region, uint32_t id);
/* Lets back a region, or one service in it, that --failback hold keeps out. Sites of the region. */
void health_release_region(struct health *h, uint32_t region, int64_t now_ms, int64_t wall_ms);

/* Time. health_advance does what is due at now; health_due is when to call it next (INT64_MAX: never). */
void health_advance(struct health *h, int64_t now_ms, int64_t wall_ms);
int64_t health_due(const struct health *h);

/* What is in force: the words of the board. Low 17 bits availability, then flags. */
#define HEALTH_WORD_AVAIL 0x1ffffu
#define HEALTH_WORD_DRAIN 0x40000000u /* takes no new clients, used before any dead one */
#define HEALTH_WORD_OFF 0x80000000u   /* switched off by a person: never answered */
uint32_t health_endpoint_word(const struct health *h, uint32_t endpoint);
uint32_t health_site_word(const struct health *h, uint32_t site);
uint32_t health_region_word(const struct health *h, uint32_t region);
/* Does it work, and only flap damping or its ramp keep it below 1? The hold itself is over, and evidence
 * has been good for so long at least. level: as of struct health_change. */
bool health_waits(const struct health *h, uint8_t level, uint32_t index, int64_t good_ms);
/* Is a person's or a window's word on it in force? */
bool health_ordered(const struct health *h, uint8_t level, uint32_t index);
/* When the first of the failed probes was sent for which an endpoint is down; INT64_MIN: it is not down,
 * or by something else. */
int64_t health_failing_since_ms(const struct health *h, uint32_t endpoint);
uint32_t health_service_ttl_s(const struct health *h,
                              uint32_t service); /* the one to answer with now */
/* The largest that the configuration gives a service of the region, whatever moves. */
uint32_t health_region_ttl_max_s(const struct health *h, uint32_t region);

/* Fill at most cap, return how many; call until it returns less than cap. Events lost to a full
 * internal queue are counted in health_events_lost. */
size_t health_take_events(struct health *h, struct health_event *out, size_t cap);
size_t health_take_actions(struct health *h, struct health_action *out, size_t cap);
uint64_t health_events_lost(const struct health *h);
/* Slots whose word changed since the last call, so that the board is written in O(changes):
 * level 0 endpoint, 1 site, 2 region, 3 service TTL. */
struct health_change {
    uint8_t level;
    uint32_t index;
};
size_t health_take_changes(struct health *h, struct health_change *out, size_t cap);

/* For status and for the state that survives a restart. */
enum health_observed {
    HEALTH_OBSERVED_UNKNOWN,
    HEALTH_OBSERVED_UP,
    HEALTH_OBSERVED_DEGRADED,
    HEALTH_OBSERVED_DOWN
};
struct health_outages {    /* of what was observed down, however short; they only grow */
    int64_t since_wall_ms; /* when counting began */
    uint32_t falls;
    int64_t down_ms; /* the outage that lasts included */
    uint32_t flaps;  /* falls in a row, for the hold (docs/failover.md); 0 when it is quiet */
};
struct health_endpoint_view {
    enum health_override set;
    enum health_observed observed;
    uint32_t effective; /* min of the three levels */
    uint32_t streak;    /* failures or successes in a row */
    bool streak_ok;
    uint32_t latency_us;   /* smoothed, 0 unknown */
    int64_t since_wall_ms; /* of the effective value */
    char why
        [HEALTH_TEXT_MAX]; /* "3 failures in a row: timeout after 2000 ms", "ana until …: reason", "-" */
    char last[HEALTH_TEXT_MAX];
    struct health_outages outages;
};
struct health_site_view {
    enum health_observed observed;
    uint32_t effective;
    double error_rate, error_rate_low; /* in the window; low is the 95 % bound */
    uint32_t samples, failures;
    uint32_t latency_us;
    int64_t since_wall_ms;
    bool moving;
    char why[HEALTH_TEXT_MAX];
    struct health_outages outages;
};
struct health_region_view {
    enum health_override set;
    uint32_t set_to; /* with HEALTH_DRAIN */
    int64_t set_until_wall_ms;
    uint32_t set_maintenance; /* the window that says so; 0: a person */
    char set_author[40], set_reason[80];
    enum health_observed observed;
    uint32_t effective;
    double error_rate;
    uint32_t latency_us;
    int64_t since_wall_ms;
    char why[HEALTH_TEXT_MAX];
    struct health_outages outages;
};
void health_endpoint_show(const struct health *h, uint32_t endpoint,
                          struct health_endpoint_view *out);
void health_site_show(const struct health *h, uint32_t site, struct health_site_view *out);
void health_region_show(const struct health *h, uint32_t region, struct health_region_view *out);
/* The endpoint that a region depends on, HEALTH_NONE for none. */
uint32_t health_dependency(const struct health *h, uint32_t region);

struct health_source_view { /* one reporter of a region, site or endpoint */
    char source[HEALTH_SOURCE_MAX];
    bool fresh; /* its error rate is judged */
    uint64_t samples, failures;
    double error_rate, error_rate_low;
    bool has_load;
    double utilisation;
    uint32_t p50_us, p99_us;
    uint32_t want; /* the availability that it asks for */
    int64_t age_ms;
    int64_t covered_ms;                   /* by the last report */
    uint64_t last_samples, last_failures; /* in it */
};
/* The nth reporter of the place that a report names; false: no more. */
bool health_source_show(const struct health *h, const struct health_report *place, uint32_t nth,
                        struct health_source_view *out);

/* The worst fresh load reported of a region, as a share of its capacity, and when; false: none. */
bool health_region_load(const struct health *h, uint32_t region, double *utilisation,
                        int64_t *at_ms);
/* What whoever places clients knows of a region. guests: it has some that can be sent elsewhere; then
 * it sheds none of its own yet, and not before the hold once they are told to go. keep: load does not
 * make it shed below this. Not kept over a new configuration: to be said again. */
void health_region_carries(struct health *h, uint32_t region, bool guests, uint32_t keep);
/* All that its clients could go to is full: errors and load take it no further down, save to 0
 * where it has no more load than it can carry. */
void health_region_crowded(struct health *h, uint32_t region, bool crowded);

/* State that survives a restart: what health_save gives, keyed by text, health_restore takes back on a
 * fresh engine, in any order, before the first sample. Orders are not in it: give them again. Restored availabilities serve until fresh evidence says otherwise. */
struct health_saved {
    const char *service, *region, *address; /* address NULL: a site; service NULL too: a region */
    uint8_t observed;
    uint32_t avail;          /* own level's availability */
    uint32_t hold_left_ms;   /* remaining hold */
    bool released, kept_out; /* failback hold */
    int64_t since_wall_ms;
    uint32_t falls; /* outages, as they are shown; the one that lasts is in down_ms, too */
    int64_t down_ms, counted_since_wall_ms;
    char why[HEALTH_TEXT_MAX];
};
/* Calls fn for each endpoint, site and region whose state differs from fresh-and-full, or that has
 * been down. */
void health_save(const struct health *h, void (*fn)(void *ctx, const struct health_saved *s),
                 void *ctx);
/* False where only counts were in it. */
bool health_restore(struct health *h, const struct health_saved *s, int64_t now_ms);

/* NULL, or the invariant that does not hold: for tests and the simulator, O(everything). */
const char *health_check_state(const struct health *h);
