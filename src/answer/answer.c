#include "answer/answer.h"
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

size_t answer_query(struct answer_worker *w, const struct snapshot *s,
                    const struct answer_request *r)
{
    struct dns_query q;
    struct answer_plan plan;
    enum answer_outcome outcome;
    enum dns_parse parsed = dns_query_parse(r->msg, r->len, &q);
    if (parsed != DNS_PARSE_OK)
        return answer_odd(w, s, &q, r, parsed);
    answer_decide(s, &q, &r->source, &w->rng, &plan);
    size_t len = answer_encode(s, &q, r, &plan, &outcome);
    count64(&w->outcome[outcome]);
    if (q.ecs.present && q.ecs.source > 0)
        count64(&w->with_subnet);
    if (plan.kind == PLAN_SERVICE)
        tally(w, s, &plan);
    return len;
}
