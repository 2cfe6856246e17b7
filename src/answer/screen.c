/* Who may ask, and how much: before a query is looked up (who, and all that a network gets), and once
 * its answer is known (the same answer over and over).
 *
 * The second limit is what an incident must not meet: when regions move, resolvers ask more often and
 * for more networks than ever, but each of them asks once for each answer, since the client subnet is
 * part of what makes answers the same. Who asks for the same thing faster than any cache would is
 * someone else's victim. The first limit, much wider, is for those who vary the question. */
#include "answer_priv.h"

#include "base/hash.h"

#include <string.h>

#define NO_NODE UINT32_MAX

bool answer_note_take(struct answer_worker *w, struct answer_note *out)
{
    if (!atomic_load_explicit(&w->note_waits, memory_order_acquire))
        return false;
    *out = w->note;
    atomic_store_explicit(&w->note_waits, false, memory_order_release);
    return true;
}

static void leave_note(struct answer_worker *w, enum answer_note_kind kind, bool dry_run,
                       const struct answer_request *r, const struct dns_query *q)
{
    if (atomic_load_explicit(&w->note_waits, memory_order_acquire))
        return;
    w->note = (struct answer_note){.kind = kind, .dry_run = dry_run, .source = r->source};
    if (q->has_question) {
        w->note.type = q->qtype;
        w->note.name_len = q->qname_len;
        memcpy(w->note.name, q->lower, q->qname_len);
    }
    atomic_store_explicit(&w->note_waits, true, memory_order_release);
}

static void check_cookie(struct answer_worker *w, const struct snapshot *s,
                         const struct answer_request *r, const struct dns_query *q,
                         struct answer_screened *out)
{
    static const enum answer_counter counters[] = {[COOKIE_NEW] = ANSWER_COUNT_cookies_new,
                                                   [COOKIE_BAD] = ANSWER_COUNT_cookies_bad,
                                                   [COOKIE_VALID] = ANSWER_COUNT_cookies_valid};
    struct cookie_secrets secrets = {
        .shared = s->guard.secret, .shared_n = s->guard.secrets_n, .own = w->cookie_key};
    enum cookie_verdict v = cookie_check(&secrets, r->msg + q->cookie_off, q->cookie_len,
                                         &r->source, w->wall_s, out->cookie_reply);
    answer__count(&w->counter[counters[v]]);
    out->cookie = true;
    out->verified = v == COOKIE_VALID;
}

void answer__bound_subnet(const struct snapshot_guard *g, struct dns_ecs *ecs)
{
    uint8_t max = ecs->ip.family == 4 ? g->subnet_max_v4 : g->subnet_max_v6;
    if (ecs->used > max)
        ecs->used = max;
}

bool answer_denied(const struct snapshot *s, const struct ip *source)
{
    const struct snapshot_guard *g = &s->guard;
    return ip_set_contains(&g->deny, source) ||
           (g->allow.n > 0 && !ip_set_contains(&g->allow, source));
}

/* What shares a limit; hashed as it lies there, so that nothing may lie between. */
struct limit_subject {
    struct ip network;
    uint8_t what; /* 0: all that the network gets; else a kind of answer */
    uint8_t subnet_len;
    uint16_t type;
    uint32_t node;
    struct ip subnet;
} __attribute__((packed));

static struct limit_subject subject_of(const struct snapshot_guard *g, const struct ip *source)
{
    struct limit_subject x = {.network = *source};
    ip_mask(&x.network, source->family == 4 ? g->prefix_v4 : g->prefix_v6);
    return x;
}

/* Workers share nothing: each has its part of the rate, as the kernel deals clients out. */
static bool within(struct answer_worker *w, const struct snapshot *s, uint32_t rate,
                   const struct limit_subject *x)
{
    uint64_t interval_ns = 1000000000ull * (s->workers ? s->workers : 1) / rate;
    return limit_take(&w->limits, siphash24(w->limits.secret, x, sizeof *x), interval_ns,
                      w->mono_ns);
}

/* One in `slip`, by a keyed hash: were it each `slip`-th in turn, who is limited himself would see whose
 * turn it is, and could see to it that the one in whose name he asks is always dropped. */
static bool slips(struct answer_worker *w, uint32_t slip)
{
    uint32_t turn = w->slip_turn++;
    return slip > 0 && siphash24(w->limits.secret, &turn, sizeof turn) % slip == 0;
}

static enum answer_gate over(struct answer_worker *w, const struct snapshot *s,
                             enum answer_note_kind kind, const struct answer_request *r,
                             const struct dns_query *q)
{
    const struct snapshot_guard *g = &s->guard;
    leave_note(w, kind, g->dry_run, r, q);
    if (g->dry_run) {
        answer__count(&w->counter[ANSWER_COUNT_limited_dry]);
        return GATE_OPEN;
    }
    return slips(w, g->slip) ? GATE_SLIP : GATE_DROP;
}

void answer__screen(struct answer_worker *w, const struct snapshot *s,
                    const struct answer_request *r, struct dns_query *q, enum dns_parse parsed,
                    struct answer_screened *out)
{
    const struct snapshot_guard *g = &s->guard;
    out->gate = GATE_OPEN;
    out->verified = out->limited = out->cookie = false;
    if (q->cookie_len && g->cookies)
        check_cookie(w, s, r, q, out);
    if (g->believes_some && !ip_set_contains(&g->subnet_from, &r->source))
        q->ecs.used = 0; /* RFC 7871 §11.3 */
    answer__bound_subnet(g, &q->ecs);
    if (g->lists && parsed == DNS_PARSE_OK && answer_denied(s, &r->source)) {
        answer__count(&w->counter[ANSWER_COUNT_denied]);
        leave_note(w, ANSWER_NOTE_DENIED, false, r, q);
        out->gate = GATE_DENIED;
    }
    if (!g->limits || r->tcp || out->verified || parsed == DNS_PARSE_DROP ||
        ip_set_contains(&g->exempt, &r->source))
        return;
    out->limited = true;
    struct limit_subject all = subject_of(g, &r->source);
    if (!within(w, s, g->rate_total, &all)) {
        enum answer_gate gate = over(w, s, ANSWER_NOTE_LIMIT_TOTAL, r, q);
        if (gate != GATE_OPEN)
            out->gate = gate;
        out->limited = false; /* a dry run counts once what would have been stopped here */
    }
}

/* Which answers are the same: of one kind and record set at one name (that of a wildcard, a cut or,
 * where nothing exists, the zone, so that random names make one), for one client subnet. */
static void describe(struct limit_subject *x, const struct dns_query *q,
                     const struct answer_plan *p)
{
    x->node = p->kind == PLAN_NXDOMAIN ? p->zone : p->node;
    if (p->kind == PLAN_REFUSED || p->kind == PLAN_ERROR)
        x->node = NO_NODE;
    if (p->kind == PLAN_SERVICE || p->kind == PLAN_RRSET || p->kind == PLAN_NODATA)
        x->type = q->qtype;
    if (p->kind == PLAN_SERVICE && q->ecs.used) {
        x->subnet = q->ecs.ip;
        ip_mask(&x->subnet, q->ecs.used);
        x->subnet_len = q->ecs.used;
    }
}

enum answer_gate answer__same(struct answer_worker *w, const struct snapshot *s,
                              const struct answer_request *r, const struct dns_query *q,
                              const struct answer_plan *plan, unsigned what)
{
    if (s->guard.rate == 0)
        return GATE_OPEN;
    struct limit_subject x = subject_of(&s->guard, &r->source);
    x.what = (uint8_t)(1 + what);
    x.node = NO_NODE;
    if (plan)
        describe(&x, q, plan);
    return within(w, s, s->guard.rate, &x) ? GATE_OPEN : over(w, s, ANSWER_NOTE_LIMIT, r, q);
}
