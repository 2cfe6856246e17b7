/* signal/capacity: from what regions report of their load to what they admit of guests: an estimate of
 * how much the clients at home in each region ask for, the flows of clients from the snapshot's rows,
 * steer/fill, and the spill words of the board.
 * Demand    a region's load is that of its own clients and of guests. Each report scales the demand of
 *           those who were there, in proportion, by what was reported over what was expected
 *           (Richardson 1972, Lucy 1974: one step), smoothed over half a minute. Who was there follows
 *           the board with the TTL's delay; while many are on the way nothing is learnt. By how much
 *           more than that guests ask for is learnt for each region. A region that never reported is
 *           taken to be as full as the others; without a capacity, to have its part of the networks in
 *           what is known of them.
 * Without   a capacity and a load report nothing is known: every region admits all, as without capacities.
 * Owns      its estimates and flows; carried over to the next snapshot by region name.
 * Lifetime  not longer than the snapshot. Threads: the control thread. Time is given.
 * Limits    SIGNAL_FLOWS_MAX flows, those of the largest demand; beyond SIGNAL_SERVICES_MAX services a
 *           sample of them, evenly spread, stands for all. */
#pragma once

#include "health/engine.h"
#include "snapshot/tables.h"

#define SIGNAL_FLOWS_MAX 512
#define SIGNAL_SERVICES_MAX 2000

struct signal_capacity;

/* before: of the snapshot before, or NULL; it stays as it is. NULL when out of memory. */
struct signal_capacity *signal_capacity_create(const struct snapshot *s,
                                               const struct signal_capacity *before);
void signal_capacity_destroy(struct signal_capacity **c); /* NULL left behind; NULL accepted */

/* Does it need to be told how clients are spread over the classes of views? True when a load is known,
 * until it has been told anything; classes of which nothing is said weigh the same. */
bool signal_capacity_wants(const struct signal_capacity *c, const struct health *h);
/* by_class: the part of the view's clients in each class. view_weight: how many services it
 * has, or as many queries. May be given again, when more is known. ERR_NOMEM. */
enum err signal_capacity_weigh(struct signal_capacity *c, uint32_t view, double view_weight,
                               const double *by_class) WARN_UNUSED;

/* Is there a report of load that has not been looked at yet? */
bool signal_capacity_due(const struct signal_capacity *c, const struct health *h);
/* After a change of availability, or when due: looks at reports and board, writes the spill words,
 * tells the engine what it has to know of guests. True when a word changed. */
bool signal_capacity_look(struct signal_capacity *c, struct health *h, int64_t now_ms,
                          int64_t wall_ms);
size_t signal_capacity_events(struct signal_capacity *c, struct health_event *out, size_t cap);

struct signal_capacity_view {
    double capacity;  /* 0: not set */
    bool known;       /* by reports; else demand is a guess from the others */
    double demand;    /* of its own clients, in the unit of capacity */
    double expected;  /* load, when clients have followed the board */
    double admits[2]; /* [1] those behind a fence */
    double level;     /* above 1: overload, spread evenly */
};
void signal_capacity_show(const struct signal_capacity *c, uint32_t region,
                          struct signal_capacity_view *out);
