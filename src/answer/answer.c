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

const char *answer_counter_name(enum answer_counter c)
{
    static const char *const names[] = {
#define COUNTER(name, text) #name,
#include "answer/counters.def"
#undef COUNTER
    };
    return (unsigned)c < ANSWER_COUNTERS ? names[c] : "?";
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

/* What goes into an OPT whatever the answer is. */
static struct dns_opt_reply opt_of(const struct answer_worker *w, const struct snapshot *s,
                                   const struct answer_request *r, const struct underway *u)
{
    struct dns_opt_reply opt = {.nsid = s->nsid, .nsid_len = s->nsid_len, .ede = DNS_EDE_NONE};
    if (u->screened.cookie)
        opt.cookie = u->screened.cookie_reply;
    if (u->q.keepalive && r->tcp) /* RFC 7828 §3.3.2: never over UDP */
        opt.keepalive_100ms = w->tcp_idle_100ms;
    return opt;
}

static uint16_t udp_max(const struct snapshot *s, const struct underway *u)
{
    return u->screened.verified ? s->guard.udp_size : s->guard.udp_size_unverified;
}

static size_t bare_max(const struct snapshot *s, const struct answer_request *r,
                       const struct underway *u)
{
    size_t max = r->tcp ? r->cap : dns_query_udp_limit(&u->q, udp_max(s, u));
    return max < r->cap ? max : r->cap;
}

/* An answer that is only an rcode: header, question where one was read, OPT where one was asked. */
static size_t answer_bare(struct answer_worker *w, const struct snapshot *s,
                          const struct answer_request *r, const struct underway *u, unsigned rcode,
                          uint16_t ede, bool tc)
{
    struct dns_writer writer;
    struct dns_opt_reply opt = opt_of(w, s, r, u);
    struct dns_reply_flags flags = {.rcode = rcode, .tc = tc};
    opt.rcode = rcode;
    opt.ede = ede;
    opt.ede_text = answer_ede_text(ede);
    size_t max = bare_max(s, r, u);
    (void)dns_opt_fit(&u->q, &opt, max);
    dns_writer_begin(&writer, r->out, max, r->msg, &u->q);
    dns_writer_opt(&writer, &u->q, &opt);
    if (rcode == DNS_NOTAUTH)
        dns_writer_tsig(&writer, r->msg, &u->q, DNS_TSIG_BADKEY);
    return dns_writer_finish(&writer, &u->q, &flags);
}

static size_t answer_counted(struct answer_worker *w, const struct snapshot *s,
                             const struct answer_request *r, const struct underway *u,
                             unsigned rcode, enum answer_outcome outcome)
{
    answer__count(&w->outcome[outcome]);
    return answer_bare(w, s, r, u, rcode, DNS_EDE_NONE, false);
}

static size_t answer_odd(struct answer_worker *w, const struct snapshot *s, struct underway *u,
                         const struct answer_request *r)
{
    switch (u->parsed) {
    case DNS_PARSE_OK:
    case DNS_PARSE_DROP:
        break;
    case DNS_PARSE_HEADER_ERROR:
        u->q.has_question = false;
        return answer_counted(w, s, r, u, DNS_FORMERR, ANSWER_formerr);
    case DNS_PARSE_FORMERR:
        return answer_counted(w, s, r, u, DNS_FORMERR, ANSWER_formerr);
    case DNS_PARSE_NOTIMP:
        u->q.has_question = false;
        return answer_counted(w, s, r, u, DNS_NOTIMP, ANSWER_notimp);
    case DNS_PARSE_BADVERS:
        return answer_counted(w, s, r, u, DNS_BADVERS, ANSWER_badvers);
    case DNS_PARSE_TSIG:
        return answer_counted(w, s, r, u, DNS_NOTAUTH, ANSWER_notauth);
    case DNS_PARSE_COOKIE:
        if (s->guard.cookies)
            return answer_counted(w, s, r, u, DNS_NOERROR, ANSWER_cookie);
        return answer_counted(w, s, r, u, DNS_FORMERR, ANSWER_formerr);
    }
    answer__count(&w->outcome[ANSWER_dropped]);
    return 0;
}

/* A limit was met. Who is there after all may ask by TCP, or with the cookie that he gets; nobody
 * gets more octets than he sent, or nearly so. */
static size_t answer_limited(struct answer_worker *w, const struct snapshot *s, struct underway *u,
                             const struct answer_request *r, enum answer_gate gate)
{
    if (gate == GATE_DROP || !u->q.has_question || u->parsed != DNS_PARSE_OK) {
        answer__count(&w->outcome[ANSWER_limited_dropped]);
        return 0;
    }
    answer__count(&w->outcome[ANSWER_limited_slipped]);
    u->q.nsid = false;
    if (u->screened.cookie)
        return answer_bare(w, s, r, u, DNS_BADCOOKIE, DNS_EDE_NONE, false);
    return answer_bare(w, s, r, u, DNS_NOERROR, DNS_EDE_NONE, true);
}

static size_t answer_decided(struct answer_worker *w, const struct snapshot *s, struct underway *u,
                             const struct answer_request *r)
{
    const struct answer_plan *plan = &u->plan;
    if (u->screened.limited) {
        enum answer_gate gate = answer__same(w, s, r, &u->q, plan, plan->kind);
        if (gate != GATE_OPEN)
            return answer_limited(w, s, u, r, gate);
    }
    bool plain = !u->screened.cookie && !u->q.keepalive && !u->q.nsid;
    size_t len = plain ? answer_encode_address(s, &u->q, r, plan, udp_max(s, u)) : 0;
    enum answer_outcome outcome = ANSWER_noerror;
    if (len == 0) {
        struct dns_opt_reply opt = opt_of(w, s, r, u);
        len = answer_encode(s, &u->q, r, plan, &opt, udp_max(s, u), &outcome);
    }
    answer__count(&w->outcome[outcome]);
    if (u->q.ecs.used > 0)
        answer__count(&w->counter[ANSWER_COUNT_queries_with_subnet]);
    if (plan->kind == PLAN_SERVICE) {
        tally(w, s, plan);
        if (w->samples.until-- == 0)
            answer__sample(&w->samples, &w->rng, s, plan);
    }
    return len;
}

#define SAME_ODD 64u /* kinds of limit beside those of plans */

size_t answer__write(struct answer_worker *w, const struct snapshot *s, struct underway *u,
                     const struct answer_request *r)
{
    const struct answer_screened *screened = &u->screened;
    if (screened->gate == GATE_DROP || screened->gate == GATE_SLIP)
        return answer_limited(w, s, u, r, screened->gate);
    if (answer__decided(u))
        return answer_decided(w, s, u, r);
    bool odd = u->parsed != DNS_PARSE_OK;
    if (screened->limited && answer__same(w, s, r, &u->q, NULL, SAME_ODD + u->parsed) != GATE_OPEN)
        return answer_limited(w, s, u, r, GATE_DROP);
    if (odd)
        return answer_odd(w, s, u, r);
    answer__count(&w->outcome[ANSWER_refused]);
    return answer_bare(w, s, r, u, DNS_REFUSED, DNS_EDE_PROHIBITED, false);
}
