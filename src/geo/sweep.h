/* sweep: what all sources together say of the addresses of a family, from the first to the last.
 * Sources   the databases of a base, its own networks, the kinds: each says one thing of each address.
 * Shape     open, then one step for each address from which on any source says something else; between two
 *           steps one spot is true. Neighbouring steps may have the same spot.
 * Cost      where one database changes and nothing else does, its value tells the spot, which is remembered:
 *           a few instructions a step.
 * Owns      its memory: geo__sweep_close, also after a failed open. The base stays the caller's.
 * Errors    ERR_NOMEM. */
#pragma once

#include "geo_priv.h"

struct sweep_source {
    const void *start;
    const uint32_t *value;
    unsigned start_bits; /* 32: IPv4; 64: the upper half of IPv6; 128 */
    size_t n, i;         /* i: the range that the sweep is in */
};

struct sweep_known {
    uint32_t era; /* 0: never */
    uint32_t spot;
};

struct sweep {
    const struct geo_base *b;
    struct geo_base *grows; /* takes spots that it has not seen; NULL: it has them all */
    u128 at;                /* where it is */
    struct sweep_source *sources;
    size_t n;
    size_t lead;     /* the database with most ranges; n: there is none */
    bool others_end; /* the others say the same to the end, */
    u128 others_at;  /* or up to here: that is an era */
    uint32_t era;
    struct sweep_known *known; /* in this era, by what the lead says */
};

enum err geo__sweep_open(struct sweep *s, const struct geo_base *b, struct geo_base *grows,
                         unsigned family);
void geo__sweep_close(struct sweep *s);
enum err geo__sweep_spot(struct sweep *s, uint32_t *spot);
/* To the next step; false at the end of the family. */
bool geo__sweep_on(struct sweep *s);

/* What all sources say of one address. */
struct geo_spot geo__spot_at(const struct geo_base *b, const struct ip *ip);
