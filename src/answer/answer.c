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

/* One query on its way through a batch. */
struct underway {
    struct dns_query q;
    enum dns_parse parsed;
    struct answer_screened screened;
    bool looked_up; /* a name is to be found */
    struct zone_seek seek;
    uint32_t service; /* at the name, ZONE_NONE */
    struct answer_known known;
};

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
    struct answer_plan plan;
    enum answer_outcome outcome;
    answer__decide(s, &u->q, &r->source, &w->rng, &u->known, &plan);
    if (u->screened.limited) {
        enum answer_gate gate = answer__same(w, s, r, &u->q, &plan, plan.kind);
        if (gate != GATE_OPEN)
            return answer_limited(w, s, u, r, gate);
    }
    struct dns_opt_reply opt = opt_of(w, s, r, u);
    size_t len = answer_encode(s, &u->q, r, &plan, &opt, udp_max(s, u), &outcome);
    answer__count(&w->outcome[outcome]);
    if (u->q.ecs.used > 0)
        answer__count(&w->counter[ANSWER_COUNT_queries_with_subnet]);
    if (plan.kind == PLAN_SERVICE) {
        tally(w, s, &plan);
        if (w->samples.until-- == 0)
            answer__sample(&w->samples, &w->rng, s, &plan);
    }
    return len;
}

#define SAME_ODD 64u /* kinds of limit beside those of plans */

static size_t answer_one(struct answer_worker *w, const struct snapshot *s, struct underway *u,
                         const struct answer_request *r)
{
    const struct answer_screened *screened = &u->screened;
    if (screened->gate == GATE_DROP || screened->gate == GATE_SLIP)
        return answer_limited(w, s, u, r, screened->gate);
    bool odd = u->parsed != DNS_PARSE_OK;
    if (!odd && screened->gate == GATE_OPEN)
        return answer_decided(w, s, u, r);
    if (screened->limited && answer__same(w, s, r, &u->q, NULL, SAME_ODD + u->parsed) != GATE_OPEN)
        return answer_limited(w, s, u, r, GATE_DROP);
    if (odd)
        return answer_odd(w, s, u, r);
    answer__count(&w->outcome[ANSWER_refused]);
    return answer_bare(w, s, r, u, DNS_REFUSED, DNS_EDE_PROHIBITED, false);
}

/* What is wrong with an option that means something here. RFC 7828 §3.1: only a server says how long; by
 * UDP the option means nothing. RFC 7873 §5.2.2; without cookies the option is like any unknown one. */
static void parse(const struct snapshot *s, const struct answer_request *r, struct underway *u)
{
    u->parsed = dns_query_parse(r->msg, r->len, &u->q);
    bool bad = (u->q.keepalive_bad && r->tcp) || (u->q.cookie_bad && s->guard.cookies);
    if (bad && u->parsed == DNS_PARSE_OK)
        u->parsed = DNS_PARSE_FORMERR;
}

/* Slot, node, name and service of a name lie each on a line of their own, and each says where the
 * next is. While one query's are on their way the others' are asked for. */
static void seek(const struct snapshot *s, struct underway *under, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct underway *u = &under[i];
        u->looked_up =
            u->parsed == DNS_PARSE_OK && u->screened.gate == GATE_OPEN && !answer__elsewhere(&u->q);
        if (u->looked_up)
            zone_tree_seek_slot(&s->tree, &u->q, &u->seek);
    }
    for (size_t i = 0; i < n; i++)
        if (under[i].looked_up)
            zone_tree_seek_node(&s->tree, &under[i].seek);
    for (size_t i = 0; i < n; i++) {
        uint32_t service = ZONE_NONE;
        if (under[i].looked_up)
            service = zone_tree_seek_name(&s->tree, &under[i].seek);
        if (service != ZONE_NONE)
            __builtin_prefetch(&s->steer.service[service]);
    }
}

static void find(const struct snapshot *s, struct underway *u)
{
    u->service = ZONE_NONE;
    u->known.located = false;
    if (!u->looked_up)
        return;
    u->known.hit = zone_tree_seek_end(&s->tree, &u->q, &u->seek);
    if (u->known.hit.kind != ZONE_HIT_NODE && u->known.hit.kind != ZONE_HIT_WILDCARD)
        return;
    u->service = s->tree.nodes[u->known.hit.node].service;
}

/* What decides where the client is. */
static const struct ip *client_ip(const struct underway *u, const struct answer_request *r)
{
    return u->q.ecs.used ? &u->q.ecs.ip : &r->source;
}

/* The service's tables are on their way while the next query's are asked for. */
static void fetch(const struct answer_worker *w, const struct snapshot *s,
                  const struct answer_request *r, const struct underway *u)
{
    if (u->service == ZONE_NONE)
        return;
    const struct steer_service *svc = &s->steer.service[u->service];
    uint32_t endpoint = svc->endpoint_first;
    const _Atomic uint32_t *words = steer_words(&s->steer, u->service);
    __builtin_prefetch(&s->steer.address[endpoint]);
    __builtin_prefetch(words);
    __builtin_prefetch(words + 9);
    __builtin_prefetch(&s->tally[w->index].endpoint[endpoint], 1);
    geo_view_prefetch_root(s->views[svc->view]->map, client_ip(u, r));
}

void answer_batch(struct answer_worker *w, const struct snapshot *s, struct answer_request *r,
                  size_t n)
{
    struct underway under[ANSWER_BATCH_MAX];
    for (size_t i = 0; i < n; i++)
        parse(s, &r[i], &under[i]);
    for (size_t i = 0; i < n; i++)
        answer__screen(w, s, &r[i], &under[i].q, under[i].parsed, &under[i].screened);
    seek(s, under, n);
    for (size_t i = 0; i < n; i++)
        find(s, &under[i]);
    for (size_t i = 0; i < n; i++)
        fetch(w, s, &r[i], &under[i]);
    for (size_t i = 0; i < n; i++)
        if (under[i].service != ZONE_NONE)
            geo_view_prefetch(snapshot_view_of(s, under[i].service)->map,
                              client_ip(&under[i], &r[i]));
    for (size_t i = 0; i < n; i++) {
        struct underway *u = &under[i];
        if (u->service == ZONE_NONE)
            continue;
        answer__locate(&u->q, &r[i].source, snapshot_view_of(s, u->service), &u->known.client);
        u->known.located = true;
    }
    for (size_t i = 0; i < n; i++)
        r[i].out_len = answer_one(w, s, &under[i], &r[i]);
}

size_t answer_query(struct answer_worker *w, const struct snapshot *s,
                    const struct answer_request *r)
{
    struct answer_request one = *r;
    answer_batch(w, s, &one, 1);
    return one.out_len;
}
