/* engine_priv: what the files of the failover engine share.
 *
 *   evidence                 judgement                     what is in force
 *   endpoint.c  sample ──>   endpoint: fall, rise          mover.c: hold, ramp, dead band
 *   witness.c   may it fall  site.c: error rate, panic ──> per endpoint, site and region,
 *   window.c    error rate   region.c: agreement           then order.c: a person's word on top,
 *   order.c     a person                                   queue.c: words, changes, actions
 *
 * Every item (endpoint, site, region) has one way to be looked at again: health__*_judge(). It
 * takes what evidence wants, lets the mover do what is due, publishes the word, says it in an
 * event, and sets the item's one timer. Judging twice changes nothing. */
#pragma once

#include "health/engine.h"

#include "base/arena.h"
#include "base/check.h"

#define WINDOW_BUCKETS 20u
#define LAST_TEXT_MAX 64u
#define EVENTS_MIN 1024u
#define EVENTS_MAX 16384u
#define NOTES_MAX 4096u
#define WITNESSES_ASKED 3u
#define CONFIRM_SPACING_MS_MIN 500
#define CONFIRM_AFTER_WITNESS_MS 10 /* so that a witness asked in the same breath is sent first */
#define RAMP_FLOOR (AVAIL_FULL / 10u + 1u) /* 10 % */
#define HOLD_MS_MIN 30000
#define REGION_HOLD_MS_MAX 300000
#define FLAP_QUIET_MS 600000         /* ten minutes: a return within them of the fall is a flap */
#define FLAP_HOLD_TIMES_MAX 16       /* a damped hold is at most so many holds, */
#define FLAP_HOLD_MS_MAX 3600000     /* and an hour, where the hold itself is not longer */
#define FLAP_CLIMB (AVAIL_FULL / 4u) /* less of a way back is not a return */
#define NEVER_MS INT64_MAX

enum rule {
    RULE_NONE,
    RULE_FALL,
    RULE_RISE,
    RULE_DEGRADE,
    RULE_PANIC,
    RULE_REGION,
    RULE_RAMP,
    RULE_OVERRIDE,
    RULE_UNTIL,
    RULE_MIN_REGIONS,
    RULE_MIN_CAPACITY,
    RULE_HOLD,
    RULE_WITNESS,
    RULE_PROBE,
    RULE_LOAD,
    RULE_REPORT,
    RULE_MAX_MOVE,
    RULE_OVERLOAD,
    RULE_MAINTENANCE,
    RULE_DEPENDENCY,
    RULE_LAST_REGION
};

/* Why a move up has to wait. */
enum wait { WAIT_NONE, WAIT_HOLD, WAIT_AFTER, WAIT_RELEASE };

struct mover {              /* one availability: down at once, up after hold and over a ramp */
    uint32_t avail, target; /* in force at this level; what evidence wants */
    uint32_t ramp_from;
    uint8_t rule; /* of the last change */
    uint8_t wait; /* enum wait, while target is above avail */
    bool ramping, kept_out;
    int64_t hold_until_ms; /* no move up before */
    int64_t ramp_at_ms;
    int64_t good_since_ms; /* since when target is above avail; NEVER_MS when it is not */
    int64_t since_wall_ms;
    /* flap damping */
    uint32_t flaps;      /* falls in a row, the first one included */
    uint32_t trough;     /* where the last return began */
    int64_t held_ms;     /* length of the last hold; 0 none yet */
    int64_t fell_ms;     /* the last move down */
    int64_t returned_ms; /* when the return since then began; NEVER_MS none */
};
struct outage { /* what has been observed to be down, however short */
    uint32_t falls;
    int64_t down_ms;  /* of those that are over */
    int64_t since_ms; /* of the one that is not; NEVER_MS */
    int64_t counted_since_wall_ms;
};
struct mover_rules {
    int64_t ramp_ms, hold_ms, after_ms;
    enum health_failback failback;
    double dead_band;
    uint32_t most; /* a way up goes no further now (budget.c) */
};

struct window { /* of one endpoint; its clock is the site's */
    uint16_t n[WINDOW_BUCKETS], fail[WINDOW_BUCKETS];
};

struct held { /* by a safety rule; what was logged last */
    uint8_t by;
    uint32_t would;
};
#define BUDGET_PARTS 13u
struct budget { /* of a service's moves, in parts of its full weight (budget.c) */
    float moved[BUDGET_PARTS];
    int64_t part; /* number of the newest */
};
struct trial { /* something has another availability than it has now */
    uint32_t item, avail;
};
struct safety_by { /* which rule binds, and of which service */
    uint8_t rule;
    bool gradual; /* a way down that the rules bind */
    uint32_t service;
};

#define SOURCES_MAX 16384u

struct source { /* one reporter of one item */
    uint32_t item, next;
    char name[HEALTH_SOURCE_MAX];
    uint32_t bucket_ms;
    int64_t bucket;
    uint32_t n[WINDOW_BUCKETS], fail[WINDOW_BUCKETS];
    uint64_t seen;                  /* samples in the window at the last report */
    uint64_t judged_n, judged_fail; /* those of the last judgement */
    double low;
    uint32_t want; /* the last judgement */
    bool fresh_said;
    int64_t last_ms, fresh_until_ms;
    int64_t covered_ms;         /* the last report: the time that it covers */
    uint64_t last_n, last_fail; /* and what it counted */
    double load;                /* utilisation */
    int64_t load_ms;            /* when it was reported */
    uint32_t load_want;
    int64_t load_until_ms, load_again_ms;
    uint32_t p50_us, p99_us;
};
struct verdict { /* the worst of the fresh sources of an item */
    uint32_t want, load;
    const struct source *by, *load_by; /* NULL: full */
};
struct proof {          /* what a degrade rests on */
    const char *source; /* NULL: probes */
    uint64_t n, fail;
    double low;
    int64_t window_ms;
};

struct probed { /* an endpoint with a probe, or (silent) one of which there have been reports */
    uint32_t endpoint;
    uint8_t observed; /* enum health_observed */
    bool streak_ok;
    bool silent;        /* has no probe: observed is UP */
    bool queued;        /* an action for it waits to be taken */
    bool witness_asked; /* is asked to be one, until its next sample */
    bool listed;        /* failing, not down, no witness yet: in its region's list */
    bool ready;         /* listed, and has failed often enough to fall */
    bool restored;      /* serves the availability of an earlier life, no fresh sample yet */
    bool moving;
    bool in_on, in_up, in_forced; /* counted in the site's on_n, up_n, forced_n */
    bool in_rate;                 /* its samples count in the site's error rate */
    uint32_t streak;
    uint32_t unproven;        /* failures that count in the error rate only if there is a witness */
    uint32_t streak_fall;     /* failures in a row that made it fall */
    int64_t first_fail_ms;    /* when the first failure of the streak was known */
    int64_t first_started_ms; /* and when its probe was sent */
    int64_t witness_ms;       /* start of a later success in another region; NEVER_MS: none yet */
    int64_t last_started_ms, witness_asked_ms;
    uint32_t prev, next; /* 1-based, in its region's list */
    uint32_t latency_us;
    uint32_t note;
    struct held held;
    struct outage out;
    struct mover m;
    struct window w;
};

struct judged { /* a site with at least one probed endpoint, or (silent) one that is reported of */
    uint32_t site;
    struct mover m;
    struct outage out;
    uint32_t evidence;    /* what evidence wants before the safety rules */
    uint32_t rate_target; /* the error rate's share in that */
    uint8_t evidence_rule;
    struct held held;
    bool reported; /* a report is the worst */
    bool silent;   /* has no probed endpoint, and no say in its region */
    bool restored, moving;
    bool zero; /* counted in its region's zero_n */
    uint8_t observed_saved;
    uint32_t bucket_ms;
    int64_t bucket;      /* number of the newest one */
    uint32_t n, fail;    /* sums over the endpoints' windows */
    uint32_t on_n, up_n; /* probed endpoints not switched by a person; those of them not down */
    uint32_t forced_n;   /* probed endpoints that a person has set up */
    uint32_t note;
};

struct order {            /* a person's word on an endpoint or region, or a window's on a region */
    uint8_t state;        /* HEALTH_AUTO only while it is on its way back */
    uint32_t maintenance; /* the window's id; 0: a person's */
    uint32_t from, to;
    uint32_t cap; /* what it allows now */
    int64_t start_ms, over_ms;
    int64_t until_wall_ms, since_wall_ms;
    uint32_t next; /* free, or of the region's windows; 0 none */
    bool moving;   /* of an endpoint: keeps the TTL of that service short */
    uint32_t service;
    char author[40], reason[80];
};

struct region {
    struct mover m;
    struct outage out;
    struct mover_rules rules;
    uint32_t order;   /* a person's; 1-based; 0 none */
    uint32_t planned; /* the windows' orders that are in force, linked by next */
    struct held held;
    bool guests;             /* that can be sent elsewhere */
    bool crowded;            /* nobody else has room for its clients */
    uint32_t keep;           /* load does not shed below */
    int64_t guests_until_ms; /* when the last of them were told to go; NEVER_MS never */
    bool stranded;           /* was said: what it depends on is down, and it is all that is left */
    int64_t stranded_looked_ms;
    uint32_t zero_n, judged_n; /* of the sites that are probed */
    bool moving;
    int64_t ttl_ms_max, ttl_moving_ms_max;
    uint32_t probed_n;
    uint32_t unwitnessed; /* head of the list, 1-based */
    uint32_t last_ok;     /* probed, 1-based: the best witness it has */
    uint32_t rotor;       /* where to look for another one */
    uint32_t witnesses_asked_n;
    uint32_t note;
};

struct latest { /* the newest of something, and the newest elsewhere */
    uint32_t region[2];
    int64_t at_ms[2];
};

struct place { /* what an event is about */
    uint32_t service, region, endpoint;
};

struct health {
    struct arena *arena;
    struct health_config cfg;
    int64_t now_ms, wall_ms, created_wall_ms;

    uint32_t *probed_of; /* by endpoint, 1-based; 0: no probe */
    uint32_t *order_of;  /* by endpoint, 1-based */
    uint32_t *judged_of; /* by site, 1-based */
    struct probed *probed;
    struct judged *judged;
    struct region *region;
    char (*last)[LAST_TEXT_MAX]; /* by probed */
    uint32_t probed_n, judged_n, probed_cap, judged_cap;
    uint32_t *service_moving_n;
    struct budget *budget;                       /* by service */
    bool budgeted;                               /* a service has one */
    uint32_t *service_site_first, *service_site; /* sites by service; NULL: they come so */
    uint32_t *region_site_first, *region_site;   /* sites by region */

    struct source *source; /* 0 unused */
    uint32_t *source_of;   /* by item; 0 none */
    uint32_t sources_top, sources_used, sources_free, sources_cap;

    struct order *order; /* 0 unused */
    uint32_t orders_used, orders_free, orders_cap, planned_n;
    char (*note)[HEALTH_TEXT_MAX]; /* why, from an earlier life; 0 unused */
    uint32_t notes_used;

    struct latest failed;     /* failures of endpoints that were not down */
    struct latest failed_any; /* of any */
    struct latest answered;   /* successes */
    uint32_t regions_probed_n;
    uint32_t unwitnessed_n, ready_n, witnesses_asked_n;
    uint32_t timeout_ms_max;
    bool isolated;
    bool rebuilding; /* regions are judged when all their sites are there */
    int64_t isolated_since_ms, isolated_until_ms; /* until: of the last episode that ended */
    int64_t isolated_answer_ms;                   /* the first success known in the last episode */

    /* Words, the first two as what differs from AVAIL_FULL: most never do, and their pages are not touched. */
    uint32_t *endpoint_not_full, *site_not_full, *region_word, *service_ttl;

    int64_t *timer_due;  /* by item: endpoints, sites, regions, then the isolation verdict */
    uint32_t *timer_pos; /* 1-based in heap; 0: not set */
    uint32_t *heap;
    uint32_t heap_n, items_n;

    struct health_event *event; /* one more than events_cap */
    uint32_t events_cap, events_head, events_n;
    uint64_t events_lost;
    struct health_action *action;
    uint32_t actions_cap, actions_head, actions_n;
    uint8_t *dirty;
    uint32_t *changed;
    uint32_t changes_head, changes_n;

    uint32_t *table; /* endpoints and sites by key, built when first needed */
    uint32_t table_mask;
    bool table_built, table_all; /* all: with those that have no state of their own */
};

/* Lookups. */
static inline uint32_t health__site_of(const struct health *h, uint32_t endpoint)
{
    return h->cfg.endpoint[endpoint].site;
}
static inline uint32_t health__region_of(const struct health *h, uint32_t endpoint)
{
    return h->cfg.site[h->cfg.endpoint[endpoint].site].region;
}
static inline uint32_t health__service_of(const struct health *h, uint32_t endpoint)
{
    return h->cfg.site[h->cfg.endpoint[endpoint].site].service;
}
/* Is the site no service's, but what its region depends on? */
static inline bool health__is_dependency(const struct health *h, uint32_t site)
{
    return h->cfg.service[h->cfg.site[site].service].config->dependencies;
}
static inline struct probed *health__probed(const struct health *h, uint32_t endpoint)
{
    uint32_t i = h->probed_of[endpoint];
    return i ? &h->probed[i - 1] : NULL;
}
static inline struct judged *health__judged(const struct health *h, uint32_t site)
{
    uint32_t i = h->judged_of[site];
    return i ? &h->judged[i - 1] : NULL;
}
static inline const struct order *health__endpoint_order(const struct health *h, uint32_t endpoint)
{
    uint32_t i = h->order_of[endpoint];
    return i ? &h->order[i] : NULL;
}

/* engine.c */
int64_t health__window_ms(const struct health *h, uint32_t site);
/* State of its own for an item that reports are about to judge. */
enum err health__reports_place(struct health *h, uint32_t item) WARN_UNUSED;
void health__clock(struct health *h, int64_t now_ms, int64_t wall_ms);
int64_t health__service_hold_ms(const struct health_service_config *s);
struct mover_rules health__service_rules(const struct health *h, uint32_t service);

/* mover.c */
/* The next value on the way up to target; 0: what is left is inside the dead band. */
uint32_t health__mover_next(const struct mover *m, const struct mover_rules *r, uint32_t target);
void health__mover_init(struct mover *m, int64_t wall_ms);
/* Does what is due; *due_ms is when to look again. True when avail changed. */
bool health__mover_step(struct mover *m, const struct mover_rules *r, uint32_t target,
                        int64_t now_ms, int64_t *due_ms);
void health__mover_lift(struct mover *m, uint32_t to); /* by a person's word */
bool health__mover_moving(const struct mover *m, int64_t now_ms);

/* flap.c */
void health__flap_init(struct mover *m);
void health__flap_returns(struct mover *m, int64_t at_ms);
/* Before a move down to target: counts it, and returns the hold that follows. */
int64_t health__flap_falls(struct mover *m, const struct mover_rules *r, int64_t now_ms);
uint32_t health__flap_count(const struct mover *m, int64_t now_ms); /* 0 when it is quiet */
#define FLAP_TEXT_MAX 64
/* " hold=2m flaps=3", or "" for a fall of its own. */
const char *health__flap_text(const struct mover *m, char out[FLAP_TEXT_MAX]);
void health__outage_init(struct outage *o, int64_t wall_ms);
void health__outage_set(struct outage *o, bool down, int64_t now_ms);
struct health_outages health__outages(const struct outage *o, const struct mover *m,
                                      int64_t now_ms);

/* window.c */
double health__wilson_low(uint64_t fail, uint64_t n);
uint32_t health__degraded(double low, double degrade, double fail);
struct proof health__window_proof(const struct judged *j);
void health__window_roll(struct health *h, struct judged *j);
void health__window_add(struct judged *j, struct probed *p, bool ok);
void health__window_forget(struct judged *j, struct probed *p);

/* endpoint.c */
void health__endpoint_judge(struct health *h, uint32_t endpoint);
enum health_observed health__endpoint_observed(const struct health *h, const struct probed *p);
void health__endpoint_recount(struct health *h, uint32_t endpoint);
void health__endpoint_fall(struct health *h, struct probed *p);
void health__endpoint_confirm(struct health *h, struct probed *p, int64_t not_before_ms);

/* witness.c */
void health__witness_streak(struct health *h, struct probed *p, int64_t started_ms);
void health__witness_clear(struct health *h, struct probed *p);
void health__witness_success(struct health *h, struct probed *p, int64_t started_ms);
void health__witness_answered(struct health *h, struct probed *p, int64_t started_ms);
/* Is this failure the endpoint's own, as far as is known? Only then does the error rate count it.
 */
bool health__witness_proves(const struct health *h, const struct probed *p, int64_t started_ms);
void health__witness_link(struct health *h, struct probed *p);
void health__witness_seek(struct health *h, struct probed *p);
/* Fails often enough: falls, or waits for a witness. */
void health__witness_try_fall(struct health *h, struct probed *p);
void health__witness_deadline(struct health *h);
void health__witness_settle(struct health *h, const char *cause);
void health__witness_remember(struct health *h, const struct probed *p, bool ok);

/* site.c */
void health__site_judge(struct health *h, uint32_t site);
void health__site_lift(struct health *h, uint32_t site); /* a person vouches: up at once */
enum health_observed health__site_observed(const struct health *h, const struct judged *j);

/* safety.c */
uint32_t health__safety_limit(const struct health *h, uint32_t item, uint32_t now, uint32_t want,
                              struct safety_by *by);
/* Says once per change of value that a move is held back, and by which rule. */
void health__safety_say(struct health *h, uint32_t item, struct held *held, const struct mover *m,
                        uint32_t want, uint32_t limited, const struct safety_by *by);

/* What a site carries, by weight, with something else tried; *any: does it take traffic at all? */
double health__carries(const struct health *h, uint32_t site, const struct trial *t, bool *any);
double health__full_weight(const struct health *h, uint32_t service);

/* budget.c: --max-move */
/* Before a step of the mover to target: sets r->most, and returns how far down a gradual way goes. */
uint32_t health__budget_bind(const struct health *h, uint32_t item, const struct mover *m,
                             struct mover_rules *r, uint32_t target, bool gradual,
                             struct safety_by *by);
/* After it: charges what moved, sets when the rest may follow, says what of a way up is held back.
 * want: where a way down goes to in the end. */
void health__budget_settle(struct health *h, uint32_t item, struct held *held,
                           const struct mover *m, const struct mover_rules *r, uint32_t before,
                           uint32_t want, const struct safety_by *by, int64_t *due_ms);

/* report.c, load.c */
void health__reports_tick(struct health *h, uint32_t item);
/* The prober has its network again: its reporters are given time to be heard. */
void health__reports_resume(struct health *h);
struct verdict health__reports_verdict(const struct health *h, uint32_t item);
struct proof health__reports_proof(const struct source *s);
void health__reports_due(const struct health *h, uint32_t item, int64_t *due_ms);
void health__reports_adopt(struct health *h, uint32_t item, const struct health *old,
                           uint32_t old_item);
void health__load_judge(struct health *h, uint32_t region, struct source *s);

/* dependency.c */
void health__dependency_judge(struct health *h, struct probed *p);
/* Does what the region depends on take it out? Says once when it would, and nothing is left. */
bool health__dependency_down(struct health *h, uint32_t region);
/* The earlier of *due_ms and when to look at the others again. */
void health__dependency_due(const struct health *h, uint32_t region, int64_t *due_ms);
bool health__dependency_moving(const struct health *h, uint32_t region);
/* Another region with probed endpoints, which could tell a dead target from a dead prober. */
bool health__witness_possible(const struct health *h, uint32_t region);
bool health__endpoint_may_change(const struct probed *p);
#define TARGET_TEXT_MAX 112
/* Of an endpoint that is probed. */
const char *health__target_text(const struct health *h, uint32_t endpoint,
                                char out[TARGET_TEXT_MAX]);

/* region.c */
void health__region_judge(struct health *h, uint32_t region);
void health__region_count(struct health *h, struct judged *j);
void health__region_rules(struct health *h, uint32_t region);

/* order.c */
void health__order_tick_endpoint(struct health *h, uint32_t endpoint);
void health__order_tick_region(struct health *h, uint32_t region);
/* Moves, or ends by its time within lead_ms: then clients move next. */
bool health__order_may_move(const struct health *h, const struct order *o, int64_t lead_ms);
/* The word that is in force on a region: a person's, else the window's that allows least. */
const struct order *health__region_order(const struct health *h, uint32_t region);
bool health__region_order_may_move(const struct health *h, uint32_t region);
/* The earlier of *due_ms and when the order has to be looked at. */
void health__order_due(const struct health *h, const struct order *o, int64_t lead_ms,
                       int64_t *due_ms);
void health__region_order_due(const struct health *h, uint32_t region, int64_t *due_ms);
uint32_t health__order_new(struct health *h);
void health__order_free(struct health *h, uint32_t *slot);
void health__order_step(struct order *o, int64_t now_ms); /* cap becomes what it allows now */
/* After the words of a region changed. was: the state that was in force. */
void health__region_order_follow(struct health *h, uint32_t region, uint8_t was);
/* Says that what the region's words allow has changed. */
void health__order_say_step(struct health *h, struct place at, uint32_t before, uint32_t after);

/* maintenance.c */
void health__maintenance_drop(struct health *h, uint32_t region, const char *author);
void health__maintenance_arrived(struct health *h, uint32_t region); /* frees what is back */

/* queue.c: words, changes, actions */
static inline uint32_t health__service_site(const struct health *h, uint32_t k)
{
    return h->service_site ? h->service_site[k] : k;
}
uint32_t health__endpoint_word_now(const struct health *h, uint32_t endpoint);
uint32_t health__site_word_now(const struct health *h, uint32_t site);
uint32_t health__region_word_now(const struct health *h, uint32_t region);
/* What the word would be if that were observed. */
uint32_t health__endpoint_word_at(const struct health *h, uint32_t endpoint, uint32_t observed);
uint32_t health__site_word_at(const struct health *h, uint32_t site, uint32_t observed);
uint32_t health__region_word_at(const struct health *h, uint32_t region, uint32_t observed);
void health__endpoint_publish(struct health *h, uint32_t endpoint);
void health__site_publish(struct health *h, uint32_t site);
void health__region_publish(struct health *h, uint32_t region);
void health__service_publish(struct health *h, uint32_t service);
uint32_t health__service_ttl_moving_s(const struct health_service_config *s);
void health__moving_set(struct health *h, bool *flag, bool moving, uint32_t service);
void health__action(struct health *h, struct probed *p, int64_t at_ms);

/* timer.c */
void health__timer_set(struct health *h, uint32_t item, int64_t due_ms);

/* event.c */
const char *health__rule_name(uint8_t rule);
const char *health__observed_name(uint8_t observed);
const char *health__override_name(uint8_t state);
struct place health__place_endpoint(const struct health *h, uint32_t endpoint);
struct place health__place_site(const struct health *h, uint32_t site);
struct place health__place_region(uint32_t region);
struct health_event *health__event(struct health *h, enum health_event_kind kind,
                                   enum log_level level, struct place at, uint8_t rule,
                                   const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void health__event_moves(struct health_event *e, uint32_t before, uint32_t after);
void health__event_waits(struct health *h, struct place at, enum log_level level,
                         const struct mover *m, const struct mover_rules *r);

/* A move down by error rate. */
void health__event_degrade(struct health *h, struct place at, enum log_level level, uint32_t before,
                           uint32_t after, const struct proof *p, const char *more);

/* save.c */
uint32_t health__note(struct health *h, const char *text);

/* adopt.c */
uint32_t health__find(struct health *h, const char *service, const char *region,
                      const char *address); /* item number, HEALTH_NONE */
