/* What the files of the answer room share. */
#pragma once

#include "answer/answer.h"

/* What was found out about a query before it was looked at, screen.c. */
enum answer_gate { GATE_OPEN, GATE_DENIED, GATE_DROP, GATE_SLIP };
struct answer_screened {
    enum answer_gate gate;
    bool verified; /* by a server cookie of ours: the client has that address */
    bool limited;  /* rate limits hold for it */
    bool cookie;   /* one goes back */
    uint8_t cookie_reply[COOKIE_REPLY_BYTES];
};

/* One query on its way through a batch. */
struct underway {
    enum dns_parse parsed;
    bool looked_up;                   /* a name is to be found */
    uint32_t service;                 /* at the name, ZONE_NONE */
    const struct snapshot_view *view; /* of the service */
    struct geo_seek place;
    struct answer_screened screened;
    struct zone_seek seek;
    struct zone_hit hit;
    struct dns_query q;
    struct answer_plan plan; /* of one that answer__decided; the client where there is a service */
} __attribute__((aligned(64))); /* what is used of it lies on five lines */

/* Does a decision answer it? Else it is an error, or was stopped. */
static inline bool answer__decided(const struct underway *u)
{
    return u->parsed == DNS_PARSE_OK && u->screened.gate == GATE_OPEN;
}

/* From a plan, where there is one, to octets; counts. 0: none are sent. answer.c */
size_t answer__write(struct answer_worker *w, const struct snapshot *s, struct underway *u,
                     const struct answer_request *r);

/* What the limits and lists of s make of it (what is no query at all is not denied but answered as what
 * it is); cuts the client subnet to what is believed. Cheap where nothing is set. */
void answer__screen(struct answer_worker *w, const struct snapshot *s,
                    const struct answer_request *r, struct dns_query *q, enum dns_parse parsed,
                    struct answer_screened *out);
/* The limit on answers that are the same: what becomes of this one. plan NULL: no decision was made,
 * and what says which error it is. */
enum answer_gate answer__same(struct answer_worker *w, const struct snapshot *s,
                              const struct answer_request *r, const struct dns_query *q,
                              const struct answer_plan *plan, unsigned what);
/* Fewer bits of a client subnet may be used than were given (RFC 7871 §7.1.2). */
void answer__bound_subnet(const struct snapshot_guard *g, struct dns_ecs *ecs);

/* Single writer: a plain add, visible to the reader without tearing. */
static inline void answer__count(_Atomic uint64_t *c)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* One answer is remembered, and how many are left out before the next is drawn. sample.c */
void answer__sample(struct answer_samples *a, struct rng *rng, const struct snapshot *s,
                    const struct answer_plan *p);

/* Class CH: false where there is nothing to be said. chaos.c */
bool answer__chaos(const struct snapshot *s, const struct dns_query *q, const char **text);
/* A class or type that no name is looked up for. */
bool answer__elsewhere(const struct dns_query *q);
void answer__locate(const struct dns_query *q, const struct ip *source,
                    const struct snapshot_view *view, struct geo_client *out);
void answer__plan_init(struct answer_plan *p);
/* The plan is initialised; where it is located already, its client is that of the service at the hit.
 * hit: of the question's name, unless answer__elsewhere. */
void answer__decide(const struct snapshot *s, const struct dns_query *q, const struct ip *source,
                    struct rng *rng, struct zone_hit hit, struct answer_plan *p);
