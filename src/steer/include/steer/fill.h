/* steer/fill: where clients that cannot stay at home go, so that no region is filled above its capacity
 * while another one that they may use has room, nearest first (water-filling).
 * In        regions with capacities; flows: clients with one row (steer/order.h) and how many of them
 *           there are, in the unit of capacity.
 * Out       for each region the part of the guests who arrive there that it admits (admit). A guest
 *           walks its own row and stays where it is admitted first; steer/choose does the same with the
 *           client's hash, so the flows come true on the wire.
 * Nearest   admit is the largest that fits: what a region has room for it takes, whoever comes first in
 *           whichever row. Fenced guests are placed before the others, who have more to choose from.
 * Overload  where a row's regions cannot carry what comes to them, their capacities count as `level`
 *           times what they are, the smallest level that will do: all of them are filled alike.
 * Owns      nothing. Threads: any; pure; no allocation; some 60 KB of stack.
 * Limits    STEER_REGIONS_MAX regions. Regions with a fence of their own inside a larger one are filled
 *           in one go with it: there a guest of the larger fence may take room that the smaller needs. */
#pragma once

#include "steer/order.h"

struct fill_region {
    double capacity; /* guests are taken up to this load; 0: not set, then all of them */
    double most;     /* its own clients are kept up to this load; not less than capacity */
    double shut;     /* admits at least so much less than all of its guests; 0: may admit all */
    double swell;    /* guests make so many times the load that they are said to; 0: as they are */
};

struct fill_unit { /* of services that are steered alike; row items are indices of these */
    uint8_t region;
    double weight; /* against others of its group; 0: takes nobody */
    double keep;   /* of its own clients: its availability */
    double open; /* 1 takes guests (available in full), 0 does not; between: some of the services */
    double eases; /* takes guests though it is not available in full: so many of those it admits */
};

struct fill_flow {
    const uint16_t *row; /* unit | STEER_GROUP where a group begins */
    uint16_t row_n;
    uint16_t
        home; /* the item of the row where it is at home, from 1 on; 0: its first group, by weight */
    bool fenced;
    const struct fill_unit *unit;
    double demand;
};

struct fill_world {
    const struct fill_region *region;
    uint32_t regions_n;
    const struct fill_flow *flow;
    uint32_t flows_n;
};

struct fill_result { /* by region; [1] for fenced clients */
    double admit[2][STEER_REGIONS_MAX];
    double keep[STEER_REGIONS_MAX];   /* of its own clients, at most: what `most` has room for */
    double own[STEER_REGIONS_MAX];    /* load of its own clients */
    double guests[STEER_REGIONS_MAX]; /* and of guests */
    double level[STEER_REGIONS_MAX];  /* 1; above: overload, spread evenly */
};

void fill_solve(const struct fill_world *w, struct fill_result *out);

/* Where a flow goes under admissions (NULL: all admitted) and a bound on what is kept (NULL: none):
 * shares by region; they sum to 1, or to 0 where no unit is open or keeps anybody. own: the part of it
 * that is at home; may be NULL. */
void fill_spread(const struct fill_flow *f, const double *admit, const double *keep,
                 double share[STEER_REGIONS_MAX], double own[STEER_REGIONS_MAX]);
