/* steer/order: from where a client is to the ordered groups of a service's units.
 * Unit      (region, tier): what a service has in one region at one priority. Tiers count from 0, lowest
 *           priority number first; a policy without `failover` has one tier.
 * Row       the units in order; STEER_GROUP marks the first of each group. Units that a fence drops are
 *           not in it. Rows are what classes of a view are: clients with the same row are steered alike.
 * Used by   the compiler, once per distinct spot, and by explain for one client: the same function.
 * Owns      nothing. Threads: any; pure.
 * Source    product.md, "Steering: a policy is a pipeline". */
#pragma once

#include "geo/base.h"
#include "model/policy.h"
#include <stdbool.h>
#include <stdint.h>

#define STEER_UNITS_MAX 256
#define STEER_REGIONS_MAX 64
#define STEER_GROUP 0x8000u
#define STEER_UNIT 0x7fffu

struct steer_region {
    const char *name;
    bool placed;
    double lat, lon, bias_km;
};

struct steer_rule { /* of a map, regions as indices */
    const uint8_t *regions;
    uint32_t regions_n;
    const char *where; /* "country:DE", for explain */
};

struct steer_map; /* compiled against one geo base: steer/places.h */
struct steer_latency;

struct steer_unit {
    uint8_t region;
    uint8_t tier;
};

struct steer_shape {      /* everything that decides a row but the client */
    struct policy policy; /* the chooser is ignored */
    const struct steer_region *regions;
    uint32_t regions_n;
    const struct steer_map *map;         /* NULL: none */
    const struct steer_latency *latency; /* NULL: nothing measured */
    const struct geo_base *base;
    const struct steer_unit *units;
    uint32_t units_n;
};

struct steer_row {
    uint16_t n;
    uint64_t fence; /* bit per region that a fence lets through; all ones without one */
    uint16_t item[STEER_UNITS_MAX];
};

/* One line of explain per step; ctx is the caller's. */
struct steer_trace {
    void (*step)(void *ctx, const char *step, const char *text);
    void *ctx;
};

void steer_order(const struct steer_shape *s, const struct geo_spot *spot, struct steer_row *out,
                 const struct steer_trace *trace);
/* From a spot to a region: measured, else estimated from distance; negative: neither is known. *where:
 * the row of the latency table that says so, NULL. Of the shape only regions, base and latency count. */
double steer_milliseconds(const struct steer_shape *s, const struct geo_spot *spot, uint8_t region,
                          const char **where);
/* Does the AS number of a spot matter to a shape? Else it may be ignored when memoising. */
bool steer_shape_uses_asn(const struct steer_shape *s);
/* Does a `net:` rule or a latency network of this shape contain the spot's own network? */
bool steer_shape_names(const struct steer_shape *s, uint32_t own);
