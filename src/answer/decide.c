/* From a question to a plan: find, locate, steer. */
#include "answer_priv.h"

#include "model/model.h"

#include <stddef.h>
#include <string.h>

#define ON_EMPTY_DEPTH_MAX 4

static bool is_meta_type(uint16_t type) /* RFC 6895 §3.1: 128..255 are Q and meta types; and OPT */
{
    return type == DNS_OPT || (type >= 128 && type <= 254);
}

static uint32_t min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t ttl_now(const struct snapshot *s, uint32_t service)
{
    return atomic_load_explicit(steer_ttl_word(&s->steer, service), memory_order_relaxed);
}

static void decide_negative(const struct snapshot *s, struct answer_plan *p, enum answer_kind kind)
{
    p->kind = kind;
    p->rcode = kind == PLAN_NXDOMAIN ? DNS_NXDOMAIN : DNS_NOERROR;
    p->ttl = s->tree.zones[p->zone].negative_ttl;
    if (p->asked_service != ZONE_NONE) /* product.md: the smaller of the SOA rule and the TTL */
        p->ttl = min32(p->ttl, ttl_now(s, p->asked_service));
}

/* ------------------------------------------------------------------------------------- services */

/* The family that answers a type at a service; false: the type does not exist there. Never depends
 * on client or health. */
static bool service_family(const struct steer_service *svc, uint16_t type,
                           enum steer_family *family)
{
    if (svc->families & (1u << STEER_HOST)) {
        *family = STEER_HOST; /* an alias answers every type, RFC 1034 §3.6.2 */
        return true;
    }
    if (type == DNS_ANY) /* RFC 8482 §4.1: one RRset is enough */
        type = svc->families & (1u << STEER_V4) ? DNS_A : DNS_AAAA;
    if (type != DNS_A && type != DNS_AAAA)
        return false;
    *family = type == DNS_A ? STEER_V4 : STEER_V6;
    return (svc->families >> *family & 1) != 0;
}

void answer__locate(const struct dns_query *q, const struct ip *source,
                    const struct snapshot_view *view, struct geo_client *out)
{
    struct geo_client_in in = {.source = *source};
    if (q->ecs.used > 0) {
        in.subnet = q->ecs.ip;
        in.subnet_len = q->ecs.used;
        if (q->ecs.used < q->ecs.source)
            ip_mask(&in.subnet, q->ecs.used);
    }
    *out = geo_client_locate(view->map, &in);
}

static uint8_t longer(uint8_t a, uint8_t b)
{
    return a > b ? a : b;
}

/* Clients are told apart by no more bits than are used, so that no scope need be longer. */
static uint8_t bounded(const struct snapshot *s, const struct dns_query *q, uint8_t scope)
{
    uint8_t max = q->ecs.ip.family == 4 ? s->guard.subnet_max_v4 : s->guard.subnet_max_v6;
    return scope < max ? scope : max;
}

/* One service's word, for a client that is in the plan; its scope only ever grows. */
static void choose(const struct snapshot *s, uint32_t service, const struct dns_query *q,
                   struct steer_client *client, struct answer_plan *p)
{
    const struct snapshot_view *view = snapshot_view_of(s, service);
    const struct snapshot_row *row = &view->rows[p->client.class];
    client->ip = &p->client.looked_up;
    client->network_len = p->client.network_len;
    client->fenced = row->fence != UINT64_MAX;
    steer_choose(&s->steer, service, view->items + row->item, row->n, p->family, client, &p->steer);
    /* Where all clients are steered alike and no hash decides, the answer is everybody's. */
    if (view->rows_n > 1 || p->steer.hashed)
        p->scope = longer(p->scope, p->client.scope);
    if (p->steer.hashed)
        p->scope = longer(p->scope, p->client.hash_scope);
    p->scope = bounded(s, q, p->scope);
    p->row = *row;
    client->allowed &= row->fence;
    p->service = service;
}

static void locate_and_choose(const struct snapshot *s, uint32_t service, const struct dns_query *q,
                              const struct ip *source, struct steer_client *client,
                              struct answer_plan *p)
{
    answer__locate(q, source, snapshot_view_of(s, service), &p->client);
    choose(s, service, q, client, p);
}

/* Another service that has nothing for this client, or a chain too long, is no answer: the service
 * asked for fails open itself, since only its own `on-empty nodata` may make it empty. */
static bool led_astray(const struct answer_plan *p)
{
    return p->steer.n == 0 && (p->service != p->asked_service || p->steer.why == STEER_WHY_SERVICE);
}

/* Empty for every client: NODATA, at scope 0 (RFC 7871 §7.4). Empty behind this client's fence only:
 * SERVFAIL, since caches take NODATA as everybody's and the type does exist. */
static void decide_empty(const struct snapshot *s, struct answer_plan *p)
{
    if (p->steer.why == STEER_WHY_FENCED_OFF) {
        p->kind = PLAN_ERROR;
        p->rcode = DNS_SERVFAIL;
        p->ede = DNS_EDE_OTHER;
        p->aa = false;
        return;
    }
    p->scope = 0;
    decide_negative(s, p, PLAN_NODATA);
}

static void decide_service(const struct snapshot *s, const struct dns_query *q,
                           const struct ip *source, struct rng *rng, uint32_t service,
                           struct answer_plan *p)
{
    p->asked_service = service;
    p->aa = true;
    if (!service_family(&s->steer.service[service], q->qtype, &p->family)) {
        decide_negative(s, p, PLAN_NODATA);
        return;
    }
    struct steer_client client = {.rng = rng, .allowed = UINT64_MAX};
    if (!p->located)
        answer__locate(q, source, snapshot_view_of(s, service), &p->client);
    p->located = true;
    choose(s, service, q, &client, p);
    for (int depth = 0; p->steer.why == STEER_WHY_SERVICE && depth < ON_EMPTY_DEPTH_MAX; depth++)
        locate_and_choose(s, s->steer.on_empty_service[p->service], q, source, &client, p);
    if (led_astray(p)) {
        client = (struct steer_client){
            .rng = rng, .allowed = UINT64_MAX, .ignore_on_empty_service = true};
        locate_and_choose(s, service, q, source, &client, p);
    }
    if (p->steer.n == 0) {
        decide_empty(s, p);
        return;
    }
    p->kind = PLAN_SERVICE;
    p->rcode = DNS_NOERROR;
    p->ttl = ttl_now(s, p->service);
    if (p->service != service)
        p->ttl = min32(p->ttl, ttl_now(s, service));
}

/* ---------------------------------------------------------------------------------- static data */

static const struct zone_tree_rrset *rrset_for(const struct snapshot *s, uint32_t node,
                                               uint16_t type)
{
    const struct zone_node *n = &s->tree.nodes[node];
    if (type == DNS_ANY) /* RFC 8482 §4.1 */
        return n->rrsets_n ? &s->tree.rrsets[n->rrsets] : NULL;
    return zone_node_rrset(&s->tree, node, type);
}

static uint32_t index_of(const struct snapshot *s, const struct zone_tree_rrset *rr)
{
    return (uint32_t)(rr - s->tree.rrsets);
}

/* The single name in the RDATA of a CNAME or DNAME, lower-cased. */
static void rdata_name(const struct snapshot *s, const struct zone_tree_rrset *rr, uint8_t *out,
                       uint8_t *len)
{
    const uint8_t *p = s->tree.rdata + rr->rdata;
    *len = p[1]; /* at most 255: the high octet of the length is 0 */
    memcpy(out, p + 2, *len);
    dns_name_lower(out, *len);
}

/* RFC 6672 §2.2: the owner's suffix of the name becomes the DNAME's target. False: too long. */
static bool dname_target(const struct snapshot *s, const struct zone_tree_rrset *rr, uint32_t owner,
                         const uint8_t *name, size_t name_len, uint8_t *out, uint8_t *out_len)
{
    size_t owner_len;
    uint8_t target[DNS_NAME_MAX], target_len;
    zone_node_name(&s->tree, owner, &owner_len);
    rdata_name(s, rr, target, &target_len);
    size_t prefix = name_len - owner_len;
    if (prefix + target_len > DNS_NAME_MAX)
        return false;
    uint8_t joined[DNS_NAME_MAX];
    memcpy(joined, name, prefix);
    memcpy(joined + prefix, target, target_len);
    *out_len = (uint8_t)(prefix + target_len);
    memcpy(out, joined, *out_len);
    return true;
}

/* The aliases so far are the answer. Behind a DNAME the rest is left to the resolver: only one
 * synthesised name is kept. */
static bool end_chain(struct answer_plan *p)
{
    p->kind = PLAN_OUTSIDE;
    return false;
}

/* Is the service at the hit all that the name can have, whatever its zone's file says? Only beside a
 * service at the apex may the file have records of other types. */
static bool service_is_all(const struct snapshot *s, struct zone_hit hit, uint16_t type)
{
    const struct zone_node *n = &s->tree.nodes[hit.node];
    if (hit.kind != ZONE_HIT_NODE || n->service == ZONE_NONE || hit.zone != n->zone)
        return false;
    return n->parent != ZONE_NONE || type == DNS_A || type == DNS_AAAA || type == DNS_ANY;
}

/* A zone whose file cannot be read. If it never was, what it holds beside its services is not known,
 * and neither NXDOMAIN nor NODATA may be said (RFC 2308 §7.1: a failure is no denial). An alias that
 * leads here is answered; what it leads to is for the next question to fail at. A file that can no
 * longer be read leaves the old records in use, with a remark. True: decided. */
static bool decide_unread(const struct zone_apex *apex, struct answer_plan *p)
{
    if (!apex->unready) {
        p->ede = apex->stale ? DNS_EDE_STALE_ANSWER : p->ede;
        return false;
    }
    p->kind = p->chain_n ? PLAN_OUTSIDE : PLAN_ERROR;
    p->aa = p->chain_n > 0;
    p->rcode = p->chain_n ? DNS_NOERROR : DNS_SERVFAIL;
    p->ede = p->chain_n ? p->ede : DNS_EDE_NOT_READY;
    return true;
}

/* What a hit comes to; true when it is an alias that must be followed (link added, target set). */
static bool decide_hit(const struct snapshot *s, const struct dns_query *q, const struct ip *source,
                       struct rng *rng, struct zone_hit hit, struct answer_plan *p)
{
    p->node = hit.node;
    if (hit.kind != ZONE_HIT_OUTSIDE) {
        p->zone = hit.zone;
        if (s->tree.unread && !service_is_all(s, hit, q->qtype) &&
            decide_unread(&s->tree.zones[hit.zone], p))
            return false;
    }
    switch (hit.kind) {
    case ZONE_HIT_OUTSIDE:
        p->kind = p->chain_n ? PLAN_OUTSIDE : PLAN_REFUSED;
        p->rcode = p->chain_n ? DNS_NOERROR : DNS_REFUSED;
        if (!p->chain_n)
            p->ede = DNS_EDE_NOT_AUTHORITATIVE;
        return false;
    case ZONE_HIT_DELEGATION:
        p->kind = PLAN_REFERRAL;
        p->aa = p->chain_n > 0; /* of the first owner name, RFC 1035 §4.1.1 */
        p->rrset = index_of(s, zone_node_rrset(&s->tree, hit.node, DNS_NS));
        return false;
    case ZONE_HIT_NXDOMAIN:
        p->aa = true;
        decide_negative(s, p, PLAN_NXDOMAIN);
        return false;
    case ZONE_HIT_NODE:
    case ZONE_HIT_WILDCARD:
    case ZONE_HIT_DNAME:
        break;
    }
    p->aa = true;
    bool after_dname = p->chain_n && p->chain[p->chain_n - 1].dname;
    const uint8_t *name = p->target_len ? p->target : q->lower;
    size_t name_len = p->target_len ? p->target_len : q->qname_len;
    if (hit.kind == ZONE_HIT_DNAME) {
        if (after_dname)
            return end_chain(p);
        const struct zone_tree_rrset *rr = zone_node_rrset(&s->tree, hit.node, DNS_DNAME);
        p->chain[p->chain_n++] = (struct answer_link){index_of(s, rr), true, hit.node};
        if (dname_target(s, rr, hit.node, name, name_len, p->target, &p->target_len)) {
            /* The CNAME made here is what such a question asks for (RFC 1034 §3.6.2). */
            bool asked_for = q->qtype == DNS_CNAME || q->qtype == DNS_ANY;
            return asked_for ? end_chain(p) : true;
        }
        p->kind = PLAN_ERROR;
        p->rcode = ANSWER_YXDOMAIN;
        return false;
    }
    const struct zone_tree_rrset *rr = rrset_for(s, hit.node, q->qtype);
    uint32_t service = s->tree.nodes[hit.node].service;
    if (rr && (service == ZONE_NONE || q->qtype != DNS_ANY)) {
        p->kind = PLAN_RRSET;
        p->rrset = index_of(s, rr);
        return false;
    }
    if (service != ZONE_NONE) {
        decide_service(s, q, source, rng, service, p);
        return false;
    }
    rr = zone_node_rrset(&s->tree, hit.node, DNS_CNAME);
    if (rr && after_dname)
        return end_chain(p);
    if (rr) {
        rdata_name(s, rr, p->target, &p->target_len);
        p->chain[p->chain_n++] = (struct answer_link){index_of(s, rr), false, hit.node};
        return true;
    }
    decide_negative(s, p, PLAN_NODATA);
    return false;
}

/* An alias that was followed before ends the chain, and is not said again (RFC 2181 §5): what was
 * found so far is the answer. */
static bool chain_ends(struct answer_plan *p)
{
    const struct answer_link *last = &p->chain[p->chain_n - 1];
    for (uint8_t i = 0; i + 1 < p->chain_n; i++)
        if (!last->dname && p->chain[i].rrset == last->rrset) {
            p->chain_n--;
            return true;
        }
    return p->chain_n == ANSWER_CHAIN_MAX;
}

void answer__plan_init(struct answer_plan *p)
{
    memset(p, 0, offsetof(struct answer_plan, client));
    p->kind = PLAN_REFUSED;
    p->rcode = DNS_NOERROR;
    p->ede = DNS_EDE_NONE;
    p->node = p->zone = p->rrset = p->service = p->asked_service = ZONE_NONE;
    p->steer.n = 0;
    p->steer.why = STEER_WHY_HOME;
}

bool answer__elsewhere(const struct dns_query *q)
{
    return q->qclass != DNS_IN || is_meta_type(q->qtype);
}

void answer__decide(const struct snapshot *s, const struct dns_query *q, const struct ip *source,
                    struct rng *rng, struct zone_hit hit, struct answer_plan *p)
{
    if (answer__chaos(s, q, &p->chaos)) {
        p->kind = PLAN_CHAOS;
        p->aa = true;
        return;
    }
    if (answer__elsewhere(q)) {
        p->rcode = q->qtype == DNS_MAILA || q->qtype == DNS_MAILB ? DNS_NOTIMP : DNS_REFUSED;
        return;
    }
    while (decide_hit(s, q, source, rng, hit, p)) {
        if (chain_ends(p)) {
            p->kind = PLAN_OUTSIDE;
            return;
        }
        hit = zone_tree_find_name(&s->tree, p->target, p->target_len, q->qtype);
        p->located = false; /* that was for the service at the name asked for */
    }
}

void answer_decide(const struct snapshot *s, const struct dns_query *q, const struct ip *source,
                   struct rng *rng, struct answer_plan *p)
{
    struct zone_hit hit = {ZONE_HIT_OUTSIDE, ZONE_NONE, ZONE_NONE};
    struct dns_query bounded_q = *q;
    answer__bound_subnet(&s->guard, &bounded_q.ecs);
    if (!answer__elsewhere(q))
        hit = zone_tree_find(&s->tree, q);
    answer__plan_init(p);
    answer__decide(s, &bounded_q, source, rng, hit, p);
}

void answer_decide_service(const struct snapshot *s, uint32_t service, uint16_t type,
                           const struct geo_client_in *client, struct rng *rng,
                           struct answer_plan *p)
{
    struct dns_query q = {.qtype = type, .qclass = DNS_IN};
    q.ecs.ip = client->subnet;
    q.ecs.source = q.ecs.used = client->subnet_len;
    answer__bound_subnet(&s->guard, &q.ecs);
    answer__plan_init(p);
    /* The name's zone, for the TTL of what is empty, is not looked for: nobody sees it. */
    p->zone = 0;
    decide_service(s, &q, &client->source, rng, service, p);
}
