/* answer: the hot path: bytes in, bytes out. parse, find, locate, steer, encode.
 * Decides   first, into a struct answer_plan, writes later; explain prints the same plan.
 * Owns      nothing but a worker's generator, counters and the note it leaves.
 * Screened  before it is looked up: allow and deny lists, cookies, rate limits (screen.c).
 * Threads   answer_query: a worker, with its own struct answer_worker. Counters: single writer, relaxed.
 * Cost      no allocation, no lock, no system call.
 * Spec      RFC 1034 §4.3.2, RFC 2308, RFC 4592, RFC 6604, RFC 6891, RFC 7828, RFC 7871, RFC 7873, RFC
 *           8482, RFC 8914, RFC 9018, RFC 9471. */
#pragma once

#include "answer/cookie.h"
#include "answer/limit.h"
#include "answer/sample.h"
#include "dns/writer.h"
#include "snapshot/tables.h"

enum answer_outcome {
#define OUTCOME(name, text) ANSWER_##name,
#include "answer/outcomes.def"
#undef OUTCOME
    ANSWER_OUTCOMES
};
const char *answer_outcome_name(enum answer_outcome o);

enum answer_counter {
#define COUNTER(name, text) ANSWER_COUNT_##name,
#include "answer/counters.def"
#undef COUNTER
    ANSWER_COUNTERS
};
const char *answer_counter_name(enum answer_counter c);

/* Whom a limit or a list met first since the last note was taken, for the log: left by the worker,
 * taken by the control thread. */
enum answer_note_kind { ANSWER_NOTE_LIMIT, ANSWER_NOTE_LIMIT_TOTAL, ANSWER_NOTE_DENIED };
struct answer_note {
    enum answer_note_kind kind;
    bool dry_run;
    struct ip source;
    uint16_t type;
    uint8_t name_len, name[DNS_NAME_MAX]; /* 0: the question could not be read */
};

struct answer_worker {
    unsigned index; /* whose tally */
    struct rng rng;
    /* Set by the caller before a batch; only differences count of mono_ns. */
    int64_t mono_ns;
    uint32_t wall_s;
    /* Set by the caller once. */
    uint8_t cookie_key[COOKIE_SECRET_BYTES]; /* of the process: the same for all workers */
    uint16_t tcp_idle_100ms;                 /* what edns-tcp-keepalive says */
    struct limit_table limits;
    uint32_t slip_turn;
    struct answer_samples samples;
    _Atomic uint64_t outcome[ANSWER_OUTCOMES];
    _Atomic uint64_t counter[ANSWER_COUNTERS];
    _Atomic bool note_waits;
    struct answer_note note;
} __attribute__((aligned(128)));

void answer_worker_init(struct answer_worker *w, unsigned index, uint64_t seed);
/* [control] The note that waits, if one does. */
bool answer_note_take(struct answer_worker *w, struct answer_note *out);

struct answer_request {
    const uint8_t *msg;
    size_t len;
    struct ip source;
    bool tcp;
    uint8_t *out;
    size_t cap;
    size_t out_len; /* filled in by answer_batch; 0: no answer is sent */
};

#define ANSWER_BATCH_MAX 64

/* Answers n requests, at most ANSWER_BATCH_MAX, from one world: all are parsed, then all looked up, then
 * all answered, so that the cache misses of a batch overlap. */
void answer_batch(struct answer_worker *w, const struct snapshot *s, struct answer_request *r,
                  size_t n) __attribute__((noinline)); /* so that a profile can name it */

/* Length of the answer, 0: none is sent. */
size_t answer_query(struct answer_worker *w, const struct snapshot *s,
                    const struct answer_request *r);

/* ------------------------------------------------------------------------------ the decision */

#define ANSWER_YXDOMAIN 6  /* RCODE, RFC 6672 §2.2 */
#define ANSWER_CHAIN_MAX 8 /* CNAMEs followed inside our zones */

enum answer_kind { /* what the last name of the chain came to */
                   PLAN_SERVICE,
                   PLAN_RRSET,
                   PLAN_NODATA,
                   PLAN_NXDOMAIN,
                   PLAN_REFERRAL,
                   PLAN_OUTSIDE, /* the chain left our zones, or for one that is not ready */
                   PLAN_REFUSED,
                   PLAN_CHAOS, /* what the server says of itself, class CH */
                   PLAN_ERROR  /* rcode says which */
};

struct answer_link { /* a CNAME (or DNAME with its synthesised CNAME) on the way */
    uint32_t rrset;
    bool dname;
    uint32_t owner_node; /* DNAME: whose name owns it */
};

struct answer_plan {
    enum answer_kind kind;
    unsigned rcode;
    uint16_t ede; /* enum dns_ede: why, for a client that knows RFC 8914; DNS_EDE_NONE */
    bool aa;
    uint32_t node, zone;
    uint32_t rrset;         /* PLAN_RRSET; PLAN_REFERRAL: the NS set */
    uint32_t service;       /* whose endpoints answer, ZONE_NONE */
    uint32_t asked_service; /* the one at the name: differs where on-empty led to another */
    enum steer_family family;
    uint32_t ttl; /* of a service's answer; of the SOA when negative */
    uint8_t scope;
    uint8_t chain_n;
    uint8_t target_len; /* the last name of the chain, 0: the question's own */
    bool located;
    const char *chaos;        /* PLAN_CHAOS: a text of the snapshot */
    struct geo_client client; /* where located */
    struct snapshot_row row;  /* the client's, of service's view */
    struct steer_plan steer;
    /* Rarely written, and behind all the rest for that. */
    struct answer_link chain[ANSWER_CHAIN_MAX];
    uint8_t target[DNS_NAME_MAX];
};

/* Do deny and allow keep queries from that address out? Not part of the decision: a resolver elsewhere may
 * ask on the client's behalf. */
bool answer_denied(const struct snapshot *s, const struct ip *source);
void answer_decide(const struct snapshot *s, const struct dns_query *q, const struct ip *source,
                   struct rng *rng, struct answer_plan *out);
/* The same from the service on, for one who knows it and wants no message: forecasts. type: A or AAAA
 * (an alias answers both). */
void answer_decide_service(const struct snapshot *s, uint32_t service, uint16_t type,
                           const struct geo_client_in *client, struct rng *rng,
                           struct answer_plan *out);
/* What most answers are: one address at the name asked for, and in the OPT nothing but the subnet. 0: the
 * plan says more than that, or there is no room. udp_max: see answer_encode. */
size_t answer_encode_address(const struct snapshot *s, const struct dns_query *q,
                             const struct answer_request *r, const struct answer_plan *p,
                             uint16_t udp_max);
/* Writes it; *outcome says how it is counted. opt: what goes into an OPT beside RCODE, scope and
 * extended error, which are the plan's. udp_max: octets over UDP, whatever the client offers. */
size_t answer_encode(const struct snapshot *s, const struct dns_query *q,
                     const struct answer_request *r, const struct answer_plan *p,
                     struct dns_opt_reply *opt, uint16_t udp_max, enum answer_outcome *outcome);
/* "" for codes that say enough by themselves. NULL: nothing is to be explained. */
const char *answer_ede_text(uint16_t ede);
