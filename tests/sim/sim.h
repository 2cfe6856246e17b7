/* sim: the failover engine on a virtual clock, among faults drawn from a seed.
 *
 *   sim_world.c   regions, services, endpoints; configurations and their numberings; restart, adopt
 *   sim_scale.c   how large a world is, how often it probes, how long it lives, how often it breaks
 *   sim_prober.c  a prober: interval, jitter, timeouts, one probe in flight each, the engine's wishes
 *   sim_fault.c   what goes wrong and when: endpoints, the prober's network, clocks, people
 *   sim_report.c  load balancers that report, the truth or not
 *   sim_check.c   what must hold after each step, judged from the samples and events alone
 *
 * An endpoint is known here by its id, which never changes; the engine's numbers do, with each
 * configuration. Time here (now) never jumps; the clocks that the engine sees may. Rules of time are
 * judged by sim_seen: the engine's monotonic clock as it must hold it, through every restart. */
#pragma once

#include "base/random.h"
#include "health/engine.h"

#define REGIONS_MAX 50
#define SERVICES_MAX 4
#define PER_SITE_MAX 3
#define IDS_MAX (REGIONS_MAX * SERVICES_MAX * PER_SITE_MAX)
#define SITES_MAX (REGIONS_MAX * SERVICES_MAX)

#define DUE_BLOCK 16
#define REPORTERS_MAX (IDS_MAX + SITES_MAX + REGIONS_MAX)

/* SHORT worlds live for 15 minutes, one fault after the other; BARE ones have no reporters. Their
 * draws are as they ever were, so that a seed that failed once stays what it was. WIDE ones have a
 * scale of their own. */
enum world { WORLD_SHORT, WORLD_BARE, WORLD_WIDE };

enum fault { FAULT_NONE, FAULT_CRASH, FAULT_BROWN, FAULT_SLOW, FAULT_FLAP };

struct truth { /* how an endpoint really is */
    enum fault fault;
    int64_t since;
    double p;       /* FAULT_BROWN: share that fails */
    int64_t period; /* FAULT_FLAP: half of it down */
    bool refuses;   /* FAULT_CRASH: fails at once, not by timeout */
    bool present;   /* in the configuration */
    bool unprobed;  /* judged by reports alone */
    /* the prober's */
    bool in_flight, ok, confirm,
        real; /* real: fails by its own doing, not by the prober's network */
    int64_t started, ends, regular_at, wish_at; /* wish_at: the engine's, INT64_MAX none */
    int64_t started_mono;
    /* the checker's mirror of what was delivered */
    uint32_t streak;
    bool streak_ok, witnessed, streak_real;
    int64_t first_fail, promise_at; /* INT64_MAX: no promise runs */
    uint32_t falls;                 /* and how long it has been down, by the events */
    int64_t down_ms, down_since;    /* INT64_MAX: it is not */
    uint32_t falls_seen;            /* as the engine counts */
    int64_t down_ms_seen;
};

struct item { /* one availability as the events tell it */
    uint32_t avail;
    int64_t down_at, up_at;
    /* flap damping, told from the events alone; vague: too near a limit to tell */
    uint32_t flaps, trough;
    int64_t held, returned_at; /* returned_at: INT64_MAX none since the last move down */
    bool vague;
};

struct reporter {           /* of one endpoint, site or region */
    int64_t period;         /* between two reports, about; 0: there is no reporter */
    uint32_t requests;      /* at most so many each time */
    double demand, carried; /* of a region: its load at 1, and what of it has come */
    double lie;
    int64_t lies_until;
    int64_t sent_at[2], fresh_until[2]; /* by name: the last one, and how long it may be judged */
    int64_t bad_until,
        heavy_until; /* that one that told of errors, of too much load may be judged */
};

enum cut { CUT_PROBES = 1, CUT_REPORTS = 2 }; /* what of a region does not come through */

struct sim {
    uint64_t seed;
    enum world world;
    struct rng rng;
    bool verbose, hash_only;
    int64_t now, end;
    int64_t mono_offset, wall_offset; /* what the engine's clocks show, less now */
    int64_t mono_floor;               /* the monotonic one went back: it is held here */
    int64_t mono_base;                /* of it, less sim_seen */
    struct sim_scale {
        int64_t stretch; /* of the times between faults and until they heal, in thousandths */
        int64_t quiet;   /* ms between two episodes of faults at most; 0: one long episode */
        int64_t report_period;
        uint32_t check_every; /* steps between two full checks */
    } scale;
    bool region_gone[REGIONS_MAX], service_gone[SERVICES_MAX]; /* not in the configuration now */
    int64_t prober_due[IDS_MAX + DUE_BLOCK];
    int64_t prober_block[IDS_MAX / DUE_BLOCK + 1]; /* the least of so many */
    uint32_t regions, services, per_site;
    struct truth t[IDS_MAX];
    uint32_t ids;
    /* the configuration in force; two, as adopt needs both */
    struct sim_config {
        struct health_endpoint_config endpoint[IDS_MAX];
        struct health_site_config site[SITES_MAX];
        struct health_service_config service[SERVICES_MAX];
        struct health_service named[SERVICES_MAX];
        struct health_region_config region[REGIONS_MAX];
        uint32_t probe_of[IDS_MAX];
        struct health_config cfg;
        uint32_t id_of[IDS_MAX], endpoint_of[IDS_MAX];         /* endpoint number <-> id */
        uint32_t site_of[SITES_MAX], service_of[SERVICES_MAX]; /* key -> number */
        uint32_t region_of[REGIONS_MAX];
    } config[2];
    int current;
    struct health_probe_config proto; /* interval and so on, of all */
    struct health_service_config service_proto[SERVICES_MAX];
    char names[3][IDS_MAX][32];
    struct health *h;
    /* faults */
    bool isolated;
    int64_t isolated_since, isolated_last, fault_at, unfault_at;
    int64_t restarted_at;
    double loss, late;
    uint8_t cut[REGIONS_MAX];      /* enum cut */
    int64_t cut_last[REGIONS_MAX]; /* when it ended */
    int64_t any_cut_last;
    bool any_cut;
    int64_t released_at[REGIONS_MAX];
    int64_t leapt_at;   /* the monotonic clock, forward */
    int64_t ordered_at; /* when a person last said something */
    bool reports;
    int64_t report_next;
    uint32_t reporting[REPORTERS_MAX], reporting_n; /* those there are, in order */
    int64_t report_at[REPORTERS_MAX];               /* and when each reports next */
    struct rng report_rng;
    struct reporter reporter[REPORTERS_MAX]; /* by id, site key, region */
    double load_high;
    /* check */
    struct item endpoint_item[IDS_MAX], site_item[SITES_MAX], region_item[REGIONS_MAX];
    int64_t site_real_fail[SITES_MAX]; /* by key */
    uint32_t endpoint_board[IDS_MAX], site_board[SITES_MAX], region_board[REGIONS_MAX];
    uint32_t ttl_board[SERVICES_MAX];
    bool unwitnessed; /* somebody's streak may lack a witness */
    int64_t promise_next;
    bool waits; /* something waits for a witness, by what the samples say */
    int64_t waits_seen;
    uint32_t unchecked; /* steps since the last full check */
    bool check_now;
    uint64_t steps, samples, faults, hash, events, falls, degrades, isolations, flaps, reported,
        by_report, by_load;
    char failure[512];
};

static inline struct sim_config *sim_config(struct sim *s)
{
    return &s->config[s->current];
}
static inline uint32_t id_region(const struct sim *s, uint32_t id)
{
    return id / s->per_site % s->regions;
}
static inline uint32_t id_service(const struct sim *s, uint32_t id)
{
    return id / s->per_site / s->regions;
}
static inline uint32_t id_site(const struct sim *s,
                               uint32_t id) /* key: service * regions + region */
{
    return id / s->per_site;
}
static inline int64_t sim_mono(const struct sim *s)
{
    return s->now + s->mono_offset;
}
static inline int64_t sim_seen(const struct sim *s)
{
    int64_t mono = sim_mono(s);
    return (mono > s->mono_floor ? mono : s->mono_floor) - s->mono_base;
}
static inline int64_t sim_wall(const struct sim *s)
{
    return s->now + s->wall_offset;
}

void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void sim_world_init(struct sim *s, uint64_t seed, enum world world);
void sim_world_fini(struct sim *s);
void sim_reconfigure(struct sim *s);
void sim_restart(struct sim *s);

void sim_scale_draw(struct sim *s);

void sim_prober_init(struct sim *s);
void sim_prober_changed(struct sim *s); /* who is due when has changed from outside */
int64_t sim_prober_due(const struct sim *s);
void sim_prober_run(struct sim *s);
void sim_prober_wish(struct sim *s, const struct health_action *a);

void sim_fault_init(struct sim *s);
int64_t sim_fault_due(const struct sim *s);
void sim_fault_run(struct sim *s);

void sim_report_draw(struct sim *s); /* who is not probed at all */
void sim_report_init(struct sim *s);
int64_t sim_report_due(const struct sim *s);
void sim_report_run(struct sim *s);

void sim_check_touched(struct sim *s, uint32_t id); /* what a sample can move is on the board */
void sim_check_board_reset(struct sim *s);
void sim_check_sample(struct sim *s, uint32_t id, bool ok, bool real, int64_t started);
void sim_check_crash(struct sim *s, uint32_t id);
void sim_check_item_init(struct item *it);
void sim_check_leapt(struct sim *s);
void sim_check_forget_flaps(struct sim *s); /* a new life of the engine */
void sim_check_forget_streaks(struct sim *s);
void sim_check_cancel_promises(struct sim *s);
void sim_report_hold(struct sim *s, bool over); /* the reports that are fresh stay so */
void sim_check_step(struct sim *s);             /* after each call into the engine */
