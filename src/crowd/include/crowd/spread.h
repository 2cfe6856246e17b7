/* crowd/spread: where a crowd goes: the decision of the wire, run for clients that stand for all.
 * Points    pairs of client and service with what they weigh; together 1. Recent answers say which
 *           service each client asks for; of networks every service counts as much, and each is asked by as
 *           many of them as fit, taken at equal distances of weight.
 * Repeats   a point has its own random numbers, the same in every run: two worlds asked with the same
 *           points differ only where the worlds do.
 * Exact     where neither hash nor random number decides. Else off by chance: by at most 0.4 points of a
 *           hundred (two standard deviations) with CROWD_POINTS points.
 * Threads   any; boards are read as workers read them. No allocation.
 * Limits    the number of points asked for, or one for each service where these are more, up to
 *           CROWD_SERVICES_MAX of them at equal distances. */
#pragma once

#include "answer/answer.h"
#include "crowd/crowd.h"

#define CROWD_POINTS 65536u
#define CROWD_SERVICES_MAX 262144u

struct crowd_point {
    uint32_t client, service;
    double weight;
    uint64_t seed;
};

struct crowd_asked { /* how many there were */
    uint32_t points, services;
};

/* service: one, or CROWD_ANY. Nothing is called for an empty crowd. */
struct crowd_asked crowd_points(const struct crowd *c, const struct snapshot *s, uint32_t service,
                                uint32_t points, void (*fn)(void *ctx, const struct crowd_point *p),
                                void *ctx);

/* What client p->client is answered by a service of s. *drawn: a random number had a say. */
void crowd_decide(const struct snapshot *s, const struct crowd *c, const struct crowd_point *p,
                  uint32_t service, struct answer_plan *out, bool *drawn);

/* Adds each endpoint's share of the answers of one service, by its number within it; what another
 * service answers in its place is left out. */
void crowd_spread_service(const struct crowd *c, const struct snapshot *s, uint32_t service,
                          uint32_t points, double *by_endpoint);
/* Adds each region's share of all answers. Of more services than points some are left out, at equal
 * distances. */
void crowd_spread(const struct crowd *c, const struct snapshot *s, uint32_t points,
                  double *by_region);
