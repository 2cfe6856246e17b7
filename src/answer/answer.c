#include "answer_priv.h"
#include "dns/writer.h"

#include <string.h>

const char *answer_outcome_name(enum answer_outcome o)
{
    static const char *const names[] = {
#define OUTCOME(name, text) #name,
#include "answer/outcomes.def"
#undef OUTCOME
    };
    return (unsigned)o < ANSWER_OUTCOMES ? names[o] : "?";
}

void answer_worker_init(struct answer_worker *w, unsigned index, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->index = index;
    rng_seed(&w->rng, seed);
}

/* Single writer: a plain add, visible to the reader without tearing. */
static inline void count64(_Atomic uint64_t *c)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static inline void count32(_Atomic uint32_t *c)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static void tally(struct answer_worker *w, const struct snapshot *s, const struct answer_plan *p)
{
    struct snapshot_tally *t = &s->tally[w->index];
    for (uint16_t i = 0; i < p->steer.n; i++)
        count32(&t->endpoint[p->steer.endpoint[i]]);
    if (p->steer.why == STEER_WHY_FAIL_OPEN)
        count32(&t->fail_open[p->service]);
}

/* An answer that is only an rcode: header, question where one was read, OPT where one was asked. */
static size_t answer_error(const struct snapshot *s, const struct dns_query *q,
                           const struct answer_request *r, unsigned rcode)
{
    struct dns_writer w;
    struct dns_opt_reply opt = {.rcode = rcode, .nsid = s->nsid, .nsid_len = s->nsid_len};
    struct dns_reply_flags flags = {.rcode = rcode};
    dns_writer_begin(&w, r->out, r->cap, r->msg, q);
    dns_writer_opt(&w, q, &opt);
    return dns_writer_finish(&w, q, &flags);
}

static size_t answer_odd(struct answer_worker *w, const struct snapshot *s, struct dns_query *q,
                         const struct answer_request *r, enum dns_parse parsed)
{
    switch (parsed) {
    case DNS_PARSE_OK:
    case DNS_PARSE_DROP:
        break;
    case DNS_PARSE_HEADER_ERROR:
        q->has_question = false;
        count64(&w->outcome[ANSWER_formerr]);
        return answer_error(s, q, r, DNS_FORMERR);
    case DNS_PARSE_FORMERR:
        count64(&w->outcome[ANSWER_formerr]);
        return answer_error(s, q, r, DNS_FORMERR);
    case DNS_PARSE_NOTIMP:
        q->has_question = false;
        count64(&w->outcome[ANSWER_notimp]);
        return answer_error(s, q, r, DNS_NOTIMP);
    case DNS_PARSE_BADVERS:
        count64(&w->outcome[ANSWER_badvers]);
        return answer_error(s, q, r, DNS_BADVERS);
    }
    count64(&w->outcome[ANSWER_dropped]);
    return 0;
}

static size_t answer_parsed(struct answer_worker *w, const struct snapshot *s,
                            const struct answer_request *r, struct dns_query *q,
                            enum dns_parse parsed, const struct answer_known *known)
{
    struct answer_plan plan;
    enum answer_outcome outcome;
    if (parsed != DNS_PARSE_OK)
        return answer_odd(w, s, q, r, parsed);
    answer__decide(s, q, &r->source, &w->rng, known, &plan);
    size_t len = answer_encode(s, q, r, &plan, &outcome);
    count64(&w->outcome[outcome]);
    if (q->ecs.present && q->ecs.source > 0)
        count64(&w->with_subnet);
    if (plan.kind == PLAN_SERVICE)
        tally(w, s, &plan);
    return len;
}

/* One query on its way through a batch. */
struct underway {
    struct dns_query q;
    enum dns_parse parsed;
    uint32_t service; /* at the name, ZONE_NONE */
    struct answer_known known;
};

static void find(const struct snapshot *s, struct underway *u)
{
    u->service = ZONE_NONE;
    u->known.located = false;
    if (u->parsed != DNS_PARSE_OK || answer__elsewhere(&u->q))
        return;
    u->known.hit = zone_tree_find(&s->tree, &u->q);
    if (u->known.hit.kind != ZONE_HIT_NODE && u->known.hit.kind != ZONE_HIT_WILDCARD)
        return;
    u->service = s->tree.nodes[u->known.hit.node].service;
    if (u->service == ZONE_NONE)
        return;
    __builtin_prefetch(&s->services[u->service]);
    __builtin_prefetch(&s->steer.service[u->service]);
    __builtin_prefetch(&s->service_endpoint_first[u->service]);
}

/* The service's tables are on their way while the next query's are asked for. */
static void fetch(const struct snapshot *s, const struct answer_request *r,
                  const struct underway *u)
{
    if (u->service == ZONE_NONE)
        return;
    const struct steer_service *svc = &s->steer.service[u->service];
    uint32_t endpoint = s->service_endpoint_first[u->service];
    for (unsigned i = 0; i < svc->site_n && i < 4; i += 2) /* two to a line */
        __builtin_prefetch(&s->steer.site[svc->site_first + i]);
    __builtin_prefetch(&s->steer.endpoint[endpoint]);
    __builtin_prefetch(&s->steer.board.endpoint[endpoint]);
    __builtin_prefetch(&s->steer.board.ttl[u->service]);
    geo_view_prefetch(s->services[u->service].view->map,
                      u->q.ecs.present && u->q.ecs.source ? &u->q.ecs.ip : &r->source);
}

void answer_batch(struct answer_worker *w, const struct snapshot *s, struct answer_request *r,
                  size_t n)
{
    struct underway under[ANSWER_BATCH_MAX];
    for (size_t i = 0; i < n; i++)
        under[i].parsed = dns_query_parse(r[i].msg, r[i].len, &under[i].q);
    for (size_t i = 0; i < n; i++)
        find(s, &under[i]);
    for (size_t i = 0; i < n; i++)
        fetch(s, &r[i], &under[i]);
    for (size_t i = 0; i < n; i++) {
        struct underway *u = &under[i];
        if (u->service == ZONE_NONE)
            continue;
        answer__locate(&u->q, &r[i].source, s->services[u->service].view, &u->known.client);
        u->known.located = true;
    }
    for (size_t i = 0; i < n; i++)
        r[i].out_len = answer_parsed(w, s, &r[i], &under[i].q, under[i].parsed, &under[i].known);
}

size_t answer_query(struct answer_worker *w, const struct snapshot *s,
                    const struct answer_request *r)
{
    struct answer_request one = *r;
    answer_batch(w, s, &one, 1);
    return one.out_len;
}
