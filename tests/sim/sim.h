/* sim: the failover engine on a virtual clock, among faults drawn from a seed.
 *
 *   sim_world.c   regions, services, endpoints; configurations and their numberings; restart, adopt
 *   sim_prober.c  a prober: interval, jitter, timeouts, one probe in flight each, the engine's
 * wishes sim_fault.c   what goes wrong and when: endpoints, the prober's network, clocks, people
 *   sim_report.c  load balancers that report, the truth or not
 *   sim_check.c   what must hold after each step, judged from the samples and events alone
 *
 * An endpoint is known here by its id, which never changes; the engine's numbers do, with each
 * configuration. Time here never jumps; the clocks that the engine sees may. */
#pragma once

#include "base/random.h"
#include "health/engine.h"

#define REGIONS_MAX 8
#define SERVICES_MAX 4
#define PER_SITE_MAX 3
#define IDS_MAX (REGIONS_MAX * SERVICES_MAX * PER_SITE_MAX)
#define SITES_MAX (REGIONS_MAX * SERVICES_MAX)

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

struct reporter { /* of one endpoint, site or region */
    int64_t at;   /* the next report; INT64_MAX: there is no reporter */
    int64_t period;
    uint32_t requests;      /* at most so many each time */
    double demand, carried; /* of a region: its load at 1, and what of it has come */
    double lie;
    int64_t lies_until;
    int64_t sent_at[2], fresh_until[2]; /* by name: the last one, and how long it may be judged */
    int64_t bad_at, heavy_at;           /* the last that told of errors, of too much load */
};

struct sim {
    uint64_t seed;
    struct rng rng;
    bool verbose, hash_only;
    int64_t now, end;
    int64_t mono_offset, wall_offset; /* what the engine's clocks show, less now */
    uint32_t regions, services, per_site;
    struct truth t[IDS_MAX];
    uint32_t ids;
    /* the configuration in force; two, as adopt needs both */
    struct sim_config {
        struct health_endpoint_config endpoint[IDS_MAX];
        struct health_site_config site[SITES_MAX];
        struct health_service_config service[SERVICES_MAX];
        struct health_region_config region[REGIONS_MAX];
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
    bool mono_held;
    bool reports;
    struct rng report_rng;
    struct reporter reporter[IDS_MAX + SITES_MAX + REGIONS_MAX]; /* by id, site key, region */
    double load_high;
    bool orders; /* a person's word is in force somewhere */
    /* check */
    struct item endpoint_item[IDS_MAX], site_item[SITES_MAX], region_item[REGIONS_MAX];
    int64_t site_real_fail[SITES_MAX]; /* by key */
    uint32_t endpoint_board[IDS_MAX], site_board[SITES_MAX], region_board[REGIONS_MAX];
    uint32_t ttl_board[SERVICES_MAX];
    uint64_t hash, events, falls, degrades, isolations, flaps, reported, by_report, by_load;
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
static inline int64_t sim_wall(const struct sim *s)
{
    return s->now + s->wall_offset;
}

void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void sim_world_init(struct sim *s, uint64_t seed, bool reports);
void sim_world_fini(struct sim *s);
void sim_reconfigure(struct sim *s);
void sim_restart(struct sim *s);

void sim_prober_init(struct sim *s);
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

void sim_check_board_reset(struct sim *s);
void sim_check_sample(struct sim *s, uint32_t id, bool ok, bool real, int64_t started);
void sim_check_crash(struct sim *s, uint32_t id);
void sim_check_item_init(struct item *it);
void sim_check_forget_flaps(struct sim *s); /* a new life of the engine */
void sim_check_forget_streaks(struct sim *s);
void sim_check_cancel_promises(struct sim *s);
void sim_check_step(struct sim *s); /* after each call into the engine */
