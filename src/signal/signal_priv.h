/* signal: what the parts of the capacity share, and settings that are shares.
 *   capacity.c   its life, one look at it
 *   flows.c      who asks: clients by class and home, and how their services weigh regions
 *   demand.c     how much they ask for, learned from what regions report
 *   lumps.c      how much room is left, since guests come in lumps
 *   ease.c       who is let in to what is below 1, where the rest is too full
 *   admission.c  what regions admit of guests, what is said of it, what the engine is told */
#pragma once

#include "signal/capacity.h"

#include "steer/fill.h"

#define R STEER_REGIONS_MAX
#define SOME 0.01      /* of the capacity: fewer guests, or less overload, than this is none */
#define KNOWN_FROM 0.3 /* of its own clients have to be at home for a first estimate */
#define EASES_FROM 0.5 /* whoever is available for less than this takes no guests in any case */
#define EVENTS_CAP (2 * (R + 2)) /* two looks, each at all regions, pressure and overload */

struct flow { /* clients of one class that are at home in one region */
    uint32_t view, class;
    uint16_t home; /* item of the row, from 1 on */
    uint8_t region;
    double part; /* of the region's demand */
};

struct estimate { /* of the demand of a region's own clients */
    bool known;
    double demand;
    double reported;    /* load, the last one */
    double swell;       /* what its guests ask for, of what they are believed to; at least 1 */
    double ceiling;     /* more of its guests than that were too many; 1: not known */
    int64_t ceiling_ms; /* when that was found */
    int64_t seen_ms;    /* and when it was reported; INT64_MIN: never */
};

struct signal_capacity {
    const struct snapshot *s;
    uint32_t views_n, step; /* every so many services are looked at */
    double aim, high, dead_band;
    bool any_capacity;

    double *view_weight; /* by view */
    double **class_weight;
    bool weighed, built;
    struct flow *flow;
    struct fill_flow fill[SIGNAL_FLOWS_MAX];
    uint32_t flows_n;
    double home_weight[R]; /* of all clients */
    struct fill_unit *unit;
    uint32_t units_n;
    double *unit_part;             /* by unit: what it would take of guests if those below 1 did */
    uint32_t *unit_first, *unit_n; /* by view */
    double ttl_ms;                 /* the largest, within bounds */

    struct estimate of[R];
    struct fill_region region[R];
    struct fill_result planned, unbound; /* unbound: without ceilings */
    double admit[2][R];                  /* published */
    bool refuses; /* a ceiling has just been found: others have to take more */
    bool eased;   /* and that regions below 1 take guests, too */
    double to[R][R],
        follow[R][R]; /* where a region's clients are sent, and where they are by now */
    bool followed, active;
    int64_t looked_ms;
    int64_t again_ms; /* no more guests are admitted before */
    double level_said;
    double pressure; /* how full those at 1 would be alone, of their capacities */
    bool pressure_said;
    uint32_t waits_n;             /* words on the board that wait */
    int64_t down_ms[R], in_ms[R]; /* since nothing is available there, and guests are let in to it;
                                        INT64_MIN: not so */
    double in_from[R];            /* that ramp's begin */
    bool contested[R];            /* what is reported of it since it went is good */
    bool returning[R];            /* something of it is let in because it is contested */
    bool crowded[R];              /* nobody has room for those who live there */

    struct health_event event[EVENTS_CAP];
    size_t events_n;
};

/* "90%" or "0.9". */
double signal__share(const struct model *m, const char *key, double fallback);

/* capacity.c: the largest of what is planned. */
double signal__level(const struct signal_capacity *c);

/* flows.c */
void signal__measure_units(struct signal_capacity *c);
void signal__build_flows(struct signal_capacity *c);
/* Where each region's clients are sent by the board as it is. */
void signal__measure_ways(struct signal_capacity *c);

/* demand.c */
void signal__follow(struct signal_capacity *c, int64_t now_ms);
double signal__expected(const struct signal_capacity *c, const double ways[R][R], uint32_t region);
void signal__hear(struct signal_capacity *c, const struct health *h);

/* lumps.c: plans anew with room for lumps, if there is as much; regions are left with lower marks. */
void signal__plan_with_room(struct signal_capacity *c, const struct fill_world *w);

/* ease.c: which words wait (any: if any may), and whether those below 1 take guests. */
void signal__mark_waiting(struct signal_capacity *c, const struct health *h, int64_t now_ms,
                          bool any);
void signal__ease(struct signal_capacity *c, bool eased, int64_t now_ms);

/* admission.c: what was planned goes to the board, and is said. */
bool signal__publish(struct signal_capacity *c, int64_t now_ms, int64_t wall_ms);
void signal__tell_engine(struct signal_capacity *c, struct health *h);
