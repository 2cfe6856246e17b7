/* snapshot/tables: what a snapshot looks like inside, for those who answer from it.
 * Numbering endpoints in the order of the model (services by name, then the service's endpoints);
 *           board sites in the order (service, region as declared); services and regions as in the model.
 *           The failover engine and the board use the same numbers.
 * Owns      see snapshot/snapshot.h. Everything is immutable but board words and tallies. */
#pragma once

#include "base/ip_set.h"
#include "geo/client.h"
#include "model/settings.h"
#include "snapshot/snapshot.h"
#include "steer/choose.h"
#include "steer/places.h"
#include "zone/tree.h"

struct snapshot_row { /* of one class of a view */
    uint32_t item;    /* first, in items */
    uint16_t n;
    uint64_t fence;
};

struct snapshot_view { /* reference counted, shared by snapshots; views.c */
    struct geo_view *map;
    const struct snapshot_row *rows; /* by class */
    uint32_t rows_n;
    const uint16_t *items;
};

struct
    snapshot_tally { /* per worker, single writer, relaxed; read and summed by the control thread */
    _Atomic uint32_t *endpoint;  /* answers that named it */
    _Atomic uint32_t *fail_open; /* by service */
};

/* Who may ask, how much, and whose word is believed: the settings, ready for use. guard.c */
struct snapshot_guard {
    bool lists;         /* allow or deny says anything */
    bool limits;        /* a rate limit is set */
    bool believes_some; /* subnet-from says anything */
    bool cookies, dry_run;
    struct ip_set allow, deny, exempt, subnet_from;
    uint32_t rate, rate_total, slip; /* answers a second; slip 0: none */
    uint8_t prefix_v4, prefix_v6;
    uint8_t subnet_max_v4, subnet_max_v6;
    uint16_t udp_size, udp_size_unverified; /* octets */
    uint8_t secrets_n;                      /* 0: the process's own */
    uint8_t secret[MODEL_SECRETS_MAX][MODEL_SECRET_BYTES];
    const char *version; /* of CH TXT version.bind; "": refused */
};

struct snapshot {
    _Atomic uint32_t refs;
    struct arena *arena;
    struct model *model;
    int64_t revision;
    struct geo_base *base;
    struct zone_tree tree;
    struct names *names; /* the memory of most of it, shared while no name changes; names.c */
    struct steer_tables steer;
    uint32_t services_n, endpoints_n, board_sites_n, regions_n;
    const uint32_t *service_endpoint_first; /* [services_n + 1] */
    const uint32_t *service_site_first;     /* board sites, [services_n + 1] */
    const uint8_t *board_site_region;
    const struct steer_region *regions;
    const struct steer_shape *shapes; /* by view, for explain */
    const struct steer_latency *latency;
    const struct snapshot_view **views;
    uint32_t views_n;
    const char *nsid;
    uint32_t nsid_len;
    struct snapshot_guard guard;
    struct arena *words;    /* the memory of board and tallies */
    uint32_t service_words; /* of the board, all that services have together */
    struct snapshot_tally *tally;
    unsigned workers;
    int64_t compiled_wall_ms;
};

static inline const struct snapshot_view *snapshot_view_of(const struct snapshot *s,
                                                           uint32_t service)
{
    return s->views[s->steer.service[service].view];
}

/* Whose an endpoint or board site is; first: service_endpoint_first or service_site_first. */
uint32_t snapshot_service_with(const struct snapshot *s, const uint32_t *first, uint32_t at);

/* The board site of an endpoint of the service. */
static inline uint32_t snapshot_board_site(const struct snapshot *s, uint32_t service,
                                           uint32_t endpoint)
{
    return s->steer.service[service].board_site + steer_site_of(&s->steer, service, endpoint)->slot;
}

static inline bool snapshot_board_set(_Atomic uint32_t *words, uint32_t i, uint32_t word)
{
    uint32_t old = atomic_load_explicit(&words[i], memory_order_relaxed);
    atomic_store_explicit(&words[i], word, memory_order_relaxed);
    return old != word;
}

/* How many words a board has, and a board of its own on so many: regions, spills, services. */
size_t snapshot_board_words(const struct snapshot *s);
struct steer_board snapshot_board_on(const struct snapshot *s, _Atomic uint32_t *words);

/* What a region admits of its guests (steer/choose.h), and whether any admits not all. */
static inline bool snapshot_spill_set(const struct steer_board *b, uint32_t region, uint32_t word)
{
    bool changed = snapshot_board_set(b->spill, region, word);
    uint32_t any = atomic_load_explicit(&b->spill[STEER_REGIONS_MAX], memory_order_relaxed) &
                   STEER_SPILL_EASED;
    for (uint32_t i = 0; changed && i < STEER_REGIONS_MAX; i++)
        any |= atomic_load_explicit(&b->spill[i], memory_order_relaxed) != STEER_SPILL_FULL;
    if (changed)
        snapshot_board_set(b->spill, STEER_REGIONS_MAX, any);
    return changed;
}

static inline bool snapshot_spill_ease(const struct steer_board *b, bool eased)
{
    uint32_t is = atomic_load_explicit(&b->spill[STEER_REGIONS_MAX], memory_order_relaxed);
    return snapshot_board_set(b->spill, STEER_REGIONS_MAX,
                              (is & STEER_SPILL_SOME) | (eased ? STEER_SPILL_EASED : 0));
}
