/* steer/choose: from a row, the availabilities and a client's hash to the endpoints of one answer.
 * Rule      availability is the chance to stay: the client is placed as if everything were at 1; the
 *           endpoint so chosen keeps it if the stay hash of (client, region) is below the effective
 *           availability, the smallest of endpoint, site and region. Who does not stay is placed by weight
 *           among the members at 1 of the same group, else of the next group that has one; only where no
 *           group has one, over all above 0 by weight x availability. Then weight-0 endpoints, then
 *           drained ones, then `on-empty`. Failing open is the same once more as if all were up.
 * Spill     where regions have capacities, one that is full passes guests on: it admits those whose stay
 *           number for it is below its spill (steer/fill.h). Whom nobody admits is placed as if all did.
 * Region    is chosen before the address, so that A and AAAA agree under sticky and failover policies; a
 *           region without a live endpoint of the type asked for is skipped.
 * Owns      nothing. Threads: [worker]; pure but for the generator that is passed in; no allocation.
 * Limits    STEER_ANSWERS_MAX endpoints in one answer. */
#pragma once

#include "base/avail.h"
#include "base/random.h"
#include "model/policy.h"
#include "steer/order.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define STEER_ANSWERS_MAX 256
#define STEER_NONE UINT32_MAX

/* Words of the board: low 17 bits availability, then flags (base/avail.h units). */
#define STEER_WORD_AVAIL 0x1ffffu
#define STEER_WORD_DRAIN 0x40000000u
#define STEER_WORD_OFF 0x80000000u
#define STEER_WORD_WAITS 0x20000000u /* it works: where guests are eased they count it as full */

enum steer_family { STEER_V4, STEER_V6, STEER_HOST };

/* The records are as small as they can be: what an answer touches of a service among a hundred
 * thousand is on no line that is at hand. */
struct steer_endpoint {
    uint32_t weight : 24, family : 8; /* enum steer_family */
};

union steer_address { /* as wide as a word of the board, beside which it lies */
    uint8_t a[4];     /* an A's RDATA */
    uint32_t at;      /* others': offset into steer_tables.rdata */
};

struct steer_site {  /* what a service has in one region at one tier: a unit of its view */
    uint32_t weight; /* max over the families of the summed weights */
    uint16_t first;  /* its first endpoint, counted from the service's first */
    uint16_t endpoint_n;
    uint8_t region;
    uint8_t tier;
    uint8_t slot; /* which of the service's board sites: its regions, as declared */
    uint8_t zero; /* layouts are compared octet for octet */
};

struct steer_service {
    uint32_t layout; /* of its sites, then its endpoints: steer_sites, steer_endpoints */
    uint32_t endpoint_first;
    uint16_t site_n;
    uint8_t chooser;      /* STEP_WEIGHTED, STEP_STICKY, STEP_ALL */
    uint8_t on_empty;     /* enum model_on_empty */
    uint16_t answers_max; /* 0: no bound */
    uint8_t families;     /* bit per enum steer_family that it has */
    uint8_t slots;        /* how many board sites it has */
    uint32_t view;        /* whoever owns the rows numbers them */
    uint32_t hash_first;  /* sticky: of its first endpoint, in steer_tables.hash */
    uint32_t board_site;  /* its first */
    uint32_t words;       /* where its words begin, see steer_words */
};

/* What a region admits of the guests who come to it: 0 none, STEER_ADMIT_FULL all; of a spill word's
 * halves the upper one is for clients behind a fence. */
#define STEER_ADMIT_FULL 0xffffu
#define STEER_SPILL_FULL 0xffffffffu
/* In the last spill word: what is at 1 is too full, so what is below 1 takes guests, too. */
#define STEER_SPILL_SOME 1u
#define STEER_SPILL_EASED 2u

/* Words; the control thread writes, workers read relaxed. A service's lie side by side: its TTL, those of
 * its board sites, those of its endpoints, each before the endpoint's address, which nobody writes. Up to
 * STEER_LINE_WORDS lie on one line. */
#define STEER_LINE_WORDS 16u
struct steer_board {
    _Atomic uint32_t *service; /* see steer_words */
    _Atomic uint32_t *region;
    _Atomic uint32_t
        *spill; /* by region; [STEER_REGIONS_MAX]: whether any is not full, and eased */
};

struct steer_tables {
    const struct steer_service *service;
    const uint32_t *layout;           /* services that are laid out alike share one */
    const uint32_t *on_empty_service; /* by service, STEER_NONE */
    const uint8_t *rdata;             /* an AAAA's 16 octets; a host name's length and wire form */
    const uint64_t *hash;        /* steer_hash_name(address text) of what sticky services have */
    const uint64_t *region_hash; /* steer_hash_name(region name) */
    struct steer_board board;
};

enum steer_why {                      /* how the answer came about, for explain and counters */
                 STEER_WHY_HOME,      /* placed and stayed */
                 STEER_WHY_MOVED,     /* did not stay: a member at 1 */
                 STEER_WHY_ADMITTED,  /* the same, and some regions are full */
                 STEER_WHY_PARTIAL,   /* no member at 1: over all above 0 */
                 STEER_WHY_ZERO,      /* only endpoints of weight 0 were left */
                 STEER_WHY_DRAINED,   /* only drained ones were left */
                 STEER_WHY_FAIL_OPEN, /* nothing available: as if all were up */
                 STEER_WHY_NODATA,    /* nothing available and on-empty nodata */
                 STEER_WHY_SERVICE,   /* nothing available: ask on_empty_service */
                 STEER_WHY_OFF,       /* everything switched off by a person */
                 STEER_WHY_FENCED_OFF, /* everything that this client may use; others have some left */
                 STEER_WHY_NO_TYPE     /* the service has no endpoint of this family */
};

struct steer_plan {
    uint8_t why; /* enum steer_why */
    bool hashed; /* a hash of the client decided: the scope is at least its network */
    uint16_t n;
    uint32_t endpoint[STEER_ANSWERS_MAX];
};

struct steer_client {
    const struct ip *ip; /* borrowed; its first network_len bits are what its hash covers */
    uint8_t network_len;
    struct rng *rng;
    uint64_t allowed; /* bit per region: a fence binds also where on-empty leads; else all ones */
    bool fenced;      /* its row has a fence */
    bool ignore_on_empty_service; /* the chain of on-empty ended: fail open instead */
};

static inline const struct steer_site *steer_sites(const struct steer_tables *t,
                                                   const struct steer_service *svc)
{
    return (const struct steer_site *)(const void *)(t->layout + svc->layout);
}

static inline const struct steer_endpoint *steer_endpoints(const struct steer_tables *t,
                                                           const struct steer_service *svc)
{
    return (const struct steer_endpoint *)(const void *)(steer_sites(t, svc) + svc->site_n);
}

static inline const struct steer_endpoint *steer_endpoint_of(const struct steer_tables *t,
                                                             uint32_t service, uint32_t endpoint)
{
    const struct steer_service *svc = &t->service[service];
    return &steer_endpoints(t, svc)[endpoint - svc->endpoint_first];
}

static inline uint32_t steer_words_n(uint32_t slots, uint32_t endpoints_n)
{
    return 1 + slots + 2 * endpoints_n;
}

/* The words of a service: the TTL. Behind it those of slots, then those of endpoints, with addresses. */
static inline _Atomic uint32_t *steer_words(const struct steer_tables *t, uint32_t service)
{
    return &t->board.service[t->service[service].words];
}

static inline _Atomic uint32_t *steer_ttl_word(const struct steer_tables *t, uint32_t service)
{
    return steer_words(t, service);
}

static inline _Atomic uint32_t *steer_site_word(const struct steer_tables *t, uint32_t service,
                                                uint32_t board_site)
{
    return steer_words(t, service) + 1 + (board_site - t->service[service].board_site);
}

static inline _Atomic uint32_t *steer_endpoint_word(const struct steer_tables *t, uint32_t service,
                                                    uint32_t endpoint)
{
    const struct steer_service *svc = &t->service[service];
    return steer_words(t, service) + 1 + svc->slots + 2 * (endpoint - svc->endpoint_first);
}

static inline const union steer_address *steer_address_of(const struct steer_tables *t,
                                                          uint32_t service, uint32_t endpoint)
{
    return (const union steer_address *)(const void *)(steer_endpoint_word(t, service, endpoint) +
                                                       1);
}

/* Whose an endpoint of the service is. */
const struct steer_site *steer_site_of(const struct steer_tables *t, uint32_t service,
                                       uint32_t endpoint);

static inline const uint8_t *steer_rdata(const struct steer_tables *t, uint32_t service,
                                         uint32_t endpoint, enum steer_family family, uint8_t *len)
{
    const union steer_address *address = steer_address_of(t, service, endpoint);
    if (family == STEER_V4) {
        *len = 4;
        return address->a;
    }
    const uint8_t *at = t->rdata + address->at;
    *len = family == STEER_V6 ? 16 : *at;
    return family == STEER_V6 ? at : at + 1;
}

/* row: the client's; items index the service's sites in the view's unit order. */
void steer_choose(const struct steer_tables *t, uint32_t service, const uint16_t *row,
                  uint16_t row_n, enum steer_family family, const struct steer_client *client,
                  struct steer_plan *out);

/* Effective availability of an endpoint now; flags of all levels in *flags (may be NULL). */
uint32_t steer_effective(const struct steer_tables *t, uint32_t service, uint32_t endpoint,
                         uint32_t *flags);

/* The same where guests are eased: what only waits counts as full. */
uint32_t steer_effective_eased(const struct steer_tables *t, uint32_t service, uint32_t endpoint);

/* What a region admits of guests, fenced ones or others. */
static inline uint32_t steer_admission(const struct steer_board *b, uint32_t region, bool fenced)
{
    uint32_t w = atomic_load_explicit(&b->spill[region], memory_order_relaxed);
    return fenced ? w >> 16 : w & STEER_ADMIT_FULL;
}

/* Do regions below 1 take guests, too? */
static inline bool steer_eased(const struct steer_board *b)
{
    return (atomic_load_explicit(&b->spill[STEER_REGIONS_MAX], memory_order_relaxed) &
            STEER_SPILL_EASED) != 0;
}

/* Does the client stay at availability avail of the region with this name hash? */
bool steer_stays(uint64_t client_hash, uint64_t region_hash, uint32_t avail);
/* Rendezvous cost: the smallest of cost/weight wins. -log2 of the hash as a fraction, 32 fraction
 * bits, integer arithmetic only. Source: Thaler and Ravishankar 1998; weighted form, Schindelhauer
 * and Schomaker 2005. */
uint64_t steer_rendezvous_cost(uint64_t client_hash, uint64_t name_hash);
const char *steer_why_text(enum steer_why why);
