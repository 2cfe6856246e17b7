/* crowd: who asks. A bounded list of clients that stands for all of them, whatever the policies are.
 * Basis     answers of the last minutes (crowd/recent.h), or, with too few of them, the IPv4 networks of
 *           the geo base: each /24 counts as much as any other; those that a database locates, or all
 *           where none does. IPv6 networks are left out of that: their sizes say nothing about how many
 *           people are there.
 * Classes   are not kept: they change with every policy and every geo base. A client has its address and
 *           is looked up in whatever view is asked about.
 * Owns      its list, until crowd_fini. Lifetime: nothing of the base or the snapshot is kept.
 * Threads   any; pure but for the heap.
 * Errors    false when out of memory.
 * Limits    CROWD_CLIENTS_MAX clients; class weights of networks are exact while the base has at most
 *           that many located ranges, else systematic samples in the order of addresses. */
#pragma once

#include "snapshot/tables.h"

#define CROWD_CLIENTS_MAX 16384u
#define CROWD_ANY UINT32_MAX   /* of all services alike */
#define CROWD_ANSWERS_MIN 100u /* fewer recent answers than that say nothing */

enum crowd_basis { CROWD_NETWORKS, CROWD_ANSWERS };

struct crowd_client {
    struct ip address; /* as it is looked up (geo/client.h), unmapped */
    bool subnet;       /* known by a client subnet: its hash covers the /24 or /48 */
    uint8_t family;    /* enum steer_family that it asked for; of networks, STEER_V4 */
    uint32_t service;  /* that it asks for, CROWD_ANY */
    float weight;
};

struct crowd {
    struct crowd_client *client;
    double *upto; /* CROWD_NETWORKS: what all up to this one weigh together */
    uint32_t n;
    enum crowd_basis basis;
    int64_t span_ms; /* CROWD_ANSWERS: how long ago the oldest was */
};

bool crowd_of_networks(const struct geo_base *base, struct crowd *out) WARN_UNUSED;
void crowd_fini(struct crowd *c);

/* The class of a client in a view. */
struct geo_client crowd_locate(const struct crowd_client *c, const struct geo_view *map);

/* The weight of each class of a view, weight[rows_n], with sum 1: by the clients that ask for services of
 * this view, and those that ask for any. False: there are none, and all is 0. */
bool crowd_class_weights(const struct crowd *c, const struct snapshot *s, uint32_t view,
                         double *weight);
