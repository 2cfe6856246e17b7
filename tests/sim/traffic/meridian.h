/* meridian: the real engine and the real steering in a run. The wiring is src/signal, as in the
 * daemon; the defaults are the product's, with a probe every five seconds and a report every ten.
 * Owns      everything it makes; meridian_open to meridian_close. */
#pragma once

#include "signal/capacity.h"
#include "signal/wiring.h"
#include "traffic.h"

struct target {          /* an endpoint as the prober sees it */
    int due, confirm_at; /* confirm_at: -1 none asked for */
    int sent, ends;      /* in flight until ends; -1 not */
    bool ok, confirm;
};

struct meridian {
    struct model *model;
    struct snapshot_cache *cache;
    struct snapshot *s;
    struct signal_config *config;
    struct signal_capacity *capacity;
    struct health *h;
    struct target target[REGIONS_MAX * ENDPOINTS_MAX]; /* by endpoint */
    int region_of[REGIONS_MAX * ENDPOINTS_MAX], index_of[REGIONS_MAX * ENDPOINTS_MAX];
    int site_of[REGIONS_MAX]; /* board site of a region, by our number */
    struct geo_client client[ASKERS_MAX];
    struct rng rng;
    bool changed; /* an availability, in this second */
    uint64_t events;
};

extern bool meridian_log; /* events go to standard output */

struct meridian *meridian_open(const struct world *w);
void meridian_close(struct meridian *m);
struct answer meridian_ask(struct meridian *m, const struct world *w, int asker);
/* What is in force of a region and all of its endpoints: false where an endpoint has its own word. */
bool meridian_region_avail(const struct meridian *m, const struct world *w, int region,
                           uint32_t *avail);
/* What a region admits of guests: its word on the board. */
uint32_t meridian_admits(const struct meridian *m, int region);
/* The part of its own clients that a region has as guests, where it is below 1 and guests are eased. */
double meridian_eased_part(const struct meridian *m, const struct world *w, int region,
                           bool fenced);
bool meridian_eased(const struct meridian *m); /* those below 1 take guests, too */
/* What is in force of each region, for --show. */
void meridian_say_regions(const struct run *r);
/* A person's word, for the movement test: the region keeps this share. */
void meridian_drain(struct meridian *m, const struct world *w, int region, uint32_t keep, int now);
