/* From a plan to octets. Truncation lives here and nowhere else. */
#include "answer/answer.h"
#include "dns/writer.h"

#include <string.h>

#define TARGETS_MAX 8 /* service bindings whose targets are looked up */

struct encoder {
    const struct snapshot *s;
    const struct dns_query *q;
    const struct answer_plan *p;
    struct dns_writer w;
    uint16_t owner; /* of the next answer record: the question's name, or the last alias's target */
};

static void put_rrset(struct encoder *e, enum dns_section section, uint16_t owner,
                      const uint8_t *wire, size_t wire_len, const struct zone_tree_rrset *rr)
{
    const uint8_t *at = e->s->tree.rdata + rr->rdata;
    for (uint16_t i = 0; i < rr->n; i++) {
        size_t len = (size_t)at[0] << 8 | at[1];
        dns_writer_rr(&e->w, section, owner, wire, wire_len, rr->type, rr->ttl, at + 2, len);
        at += 2 + len;
    }
}

/* Is this suffix of the question's name one of whole labels? Octets of a label may look like others
 * (RFC 2181 §11). */
static bool starts_label(const struct dns_query *q, size_t off)
{
    size_t at = 0;
    while (at < off)
        at += q->lower[at] + 1u;
    return at == off && q->lower[at] > 0;
}

/* A name of the tree as owner: a pointer into the question where it is a suffix of it. */
static void put_node_rrset(struct encoder *e, enum dns_section section, uint32_t node,
                           const struct zone_tree_rrset *rr)
{
    size_t len, qlen = e->q->qname_len;
    const uint8_t *wire = zone_node_name(&e->s->tree, node, &len);
    if (len > 1 && len <= qlen && memcmp(e->q->lower + (qlen - len), wire, len) == 0 &&
        starts_label(e->q, qlen - len))
        put_rrset(e, section, (uint16_t)(e->q->qname_off + (qlen - len)), NULL, 0, rr);
    else
        put_rrset(e, section, DNS_OWNER_WIRE, wire, len, rr);
}

/* The aliases on the way; the next owner is the target just written (RFC 1035 §4.1.4). */
static void put_chain(struct encoder *e)
{
    for (uint8_t i = 0; i < e->p->chain_n; i++) {
        const struct answer_link *link = &e->p->chain[i];
        const struct zone_tree_rrset *rr = &e->s->tree.rrsets[link->rrset];
        const uint8_t *at = e->s->tree.rdata + rr->rdata;
        size_t len = (size_t)at[0] << 8 | at[1];
        if (link->dname) {
            put_node_rrset(e, DNS_SECTION_ANSWER, link->owner_node, rr);
            if (e->p->rcode == ANSWER_YXDOMAIN)
                return; /* the DNAME alone says why */
            /* RFC 6672 §3.1: a CNAME for those who do not know DNAME. Only the last link's target
             * is kept, so that a DNAME ends the chain it is followed in. */
            at = NULL;
            len = e->p->target_len;
        }
        dns_writer_rr(&e->w, DNS_SECTION_ANSWER, e->owner, NULL, 0, DNS_CNAME, rr->ttl,
                      at ? at + 2 : e->p->target, len);
        size_t target = e->w.len - len;
        e->owner = target < 0x4000 ? (uint16_t)target : DNS_OWNER_WIRE;
    }
}

static void put_service(struct encoder *e)
{
    const struct steer_tables *t = &e->s->steer;
    const struct answer_plan *p = e->p;
    uint16_t type = p->family == STEER_HOST ? DNS_CNAME : p->family == STEER_V4 ? DNS_A : DNS_AAAA;
    for (uint16_t i = 0; i < p->steer.n; i++) {
        uint8_t len;
        const uint8_t *rdata = steer_rdata(t, p->service, p->steer.endpoint[i], p->family, &len);
        dns_writer_rr(&e->w, DNS_SECTION_ANSWER, e->owner, p->target, p->target_len, type, p->ttl,
                      rdata, len);
    }
}

/* RFC 2308 §3: the SOA with the TTL of the negative answer. */
static void put_soa(struct encoder *e)
{
    const struct zone_apex *apex = &e->s->tree.zones[e->p->zone];
    struct zone_tree_rrset soa = e->s->tree.rrsets[apex->soa];
    soa.ttl = e->p->ttl;
    put_node_rrset(e, DNS_SECTION_AUTHORITY, apex->node, &soa);
}

/* Glue lies below a cut: find_name answers with the cut, the node itself is looked up as DS is. */
static void put_addresses(struct encoder *e, const uint8_t *name, size_t len)
{
    static const uint16_t types[2] = {DNS_A, DNS_AAAA};
    uint32_t node = zone_tree_node(&e->s->tree, name, len);
    for (unsigned k = 0; node != ZONE_NONE && k < 2; k++) {
        const struct zone_tree_rrset *rr = zone_node_rrset(&e->s->tree, node, types[k]);
        if (rr)
            put_node_rrset(e, DNS_SECTION_ADDITIONAL, node, rr);
    }
}

static bool ends_with(const uint8_t *name, size_t len, const uint8_t *suffix, size_t suffix_len)
{
    struct dns_name a = {.len = (uint8_t)len}, b = {.len = (uint8_t)suffix_len};
    memcpy(a.wire, name, len);
    memcpy(b.wire, suffix, suffix_len);
    return dns_name_within(&a, &b);
}

/* Addresses that we hold for the delegation's name servers. RFC 9471 §3.1: of those below the cut all
 * or TC. Of the others what fits: additional data alone never sets TC (RFC 2181 §9). */
static void put_glue(struct encoder *e, const struct zone_tree_rrset *ns)
{
    size_t cut_len;
    const uint8_t *cut = zone_node_name(&e->s->tree, e->p->node, &cut_len);
    for (unsigned needed = 2; needed-- > 0;) {
        const uint8_t *at = e->s->tree.rdata + ns->rdata;
        for (uint16_t i = 0; i < ns->n; i++) {
            size_t len = (size_t)at[0] << 8 | at[1];
            uint8_t name[DNS_NAME_MAX];
            memcpy(name, at + 2, len);
            at += 2 + len;
            dns_name_lower(name, len);
            if (ends_with(name, len, cut, cut_len) != needed)
                continue;
            struct dns_writer before = e->w;
            put_addresses(e, name, len);
            if (!needed && e->w.overflow)
                e->w = before;
        }
    }
}

/* RFC 4892: one TXT record of class CH, which nobody need keep. */
static void put_chaos(struct encoder *e)
{
    uint8_t text[256];
    size_t len = strlen(e->p->chaos);
    text[0] = (uint8_t)len; /* settings are texts of at most 255 octets */
    memcpy(text + 1, e->p->chaos, len);
    dns_writer_rr(&e->w, DNS_SECTION_ANSWER, e->owner, NULL, 0, DNS_TXT, 0, text, 1 + len);
}

/* Sets of a node as additional data: what fits, whole (RFC 2181 §9). own: its owner is the name that
 * the answer is about, which a wildcard may stand in for. */
static void put_extra(struct encoder *e, uint32_t node, uint16_t type, bool own)
{
    const struct zone_tree_rrset *rr = zone_node_rrset(&e->s->tree, node, type);
    struct dns_writer before = e->w;
    if (rr && own)
        put_rrset(e, DNS_SECTION_ADDITIONAL, e->owner, e->p->target, e->p->target_len, rr);
    else if (rr)
        put_node_rrset(e, DNS_SECTION_ADDITIONAL, node, rr);
    if (e->w.overflow)
        e->w = before;
}

/* The node that a service binding leads to, ZONE_NONE when it is none of ours or a service: those
 * addresses depend on the client, and are for a question of their own. */
static uint32_t target_node(const struct encoder *e, const uint8_t *rdata, size_t len)
{
    const struct zone_tree *t = &e->s->tree;
    bool alias = rdata[0] == 0 && rdata[1] == 0;
    uint8_t name[DNS_NAME_MAX];
    size_t n = dns_name_length(rdata + 2, len - 2);
    if (n == 1)
        return alias ? ZONE_NONE : e->p->node; /* ".": the owner, or no service at all */
    memcpy(name, rdata + 2, n);
    dns_name_lower(name, n);
    struct zone_hit hit = zone_tree_find_name(t, name, n, DNS_A);
    if (hit.kind != ZONE_HIT_NODE || t->nodes[hit.node].service != ZONE_NONE ||
        t->zones[hit.zone].unready)
        return ZONE_NONE;
    return hit.node;
}

/* RFC 9460 §4.1: what we hold about the targets of service bindings, each once. */
static void put_targets(struct encoder *e, const struct zone_tree_rrset *rr)
{
    uint32_t done[TARGETS_MAX], done_n = 0;
    const uint8_t *at = e->s->tree.rdata + rr->rdata;
    for (uint16_t i = 0; i < rr->n && done_n < TARGETS_MAX && !e->w.overflow; i++) {
        size_t len = (size_t)at[0] << 8 | at[1];
        const uint8_t *rdata = at + 2;
        uint32_t node = target_node(e, rdata, len), k = 0;
        at += 2 + len;
        while (k < done_n && done[k] != node)
            k++;
        if (node == ZONE_NONE || k < done_n)
            continue;
        done[done_n++] = node;
        bool own = node == e->p->node;
        put_extra(e, node, DNS_A, own);
        put_extra(e, node, DNS_AAAA, own);
        if (!own && rdata[0] == 0 && rdata[1] == 0) /* AliasMode: where the parameters are */
            put_extra(e, node, rr->type, false);
    }
}

static enum answer_outcome put_plan(struct encoder *e)
{
    const struct answer_plan *p = e->p;
    const struct zone_tree_rrset *rrsets = e->s->tree.rrsets;
    put_chain(e);
    switch (p->kind) {
    case PLAN_SERVICE:
        put_service(e);
        return ANSWER_noerror;
    case PLAN_RRSET:
        put_rrset(e, DNS_SECTION_ANSWER, e->owner, p->target, p->target_len, &rrsets[p->rrset]);
        if (rrsets[p->rrset].type == DNS_SVCB || rrsets[p->rrset].type == DNS_HTTPS)
            put_targets(e, &rrsets[p->rrset]);
        return ANSWER_noerror;
    case PLAN_OUTSIDE:
        return ANSWER_noerror;
    case PLAN_CHAOS:
        put_chaos(e);
        return ANSWER_noerror;
    case PLAN_NODATA:
        put_soa(e);
        return p->chain_n ? ANSWER_noerror : ANSWER_nodata;
    case PLAN_NXDOMAIN:
        put_soa(e);
        return ANSWER_nxdomain;
    case PLAN_REFERRAL:
        put_node_rrset(e, DNS_SECTION_AUTHORITY, p->node, &rrsets[p->rrset]);
        put_glue(e, &rrsets[p->rrset]);
        return ANSWER_referral;
    case PLAN_REFUSED:
        return p->rcode == DNS_NOTIMP ? ANSWER_notimp : ANSWER_refused;
    case PLAN_ERROR:
        return p->rcode == ANSWER_YXDOMAIN ? ANSWER_yxdomain : ANSWER_servfail;
    }
    return ANSWER_servfail;
}

const char *answer_ede_text(uint16_t ede)
{
    switch (ede) {
    case DNS_EDE_NONE:
        return NULL;
    case DNS_EDE_OTHER:
        return "all that this client may use is switched off";
    case DNS_EDE_STALE_ANSWER:
        return "the zone file cannot be read any more";
    case DNS_EDE_NOT_READY:
        return "the zone file could not be read yet";
    default:
        return "";
    }
}

static size_t room(const struct dns_query *q, const struct answer_request *r, uint16_t udp_max)
{
    size_t limit = r->tcp ? r->cap : dns_query_udp_limit(q, udp_max);
    return limit < r->cap ? limit : r->cap;
}

size_t answer_encode_address(const struct snapshot *s, const struct dns_query *q,
                             const struct answer_request *r, const struct answer_plan *p,
                             uint16_t udp_max)
{
    if (p->kind != PLAN_SERVICE || p->steer.n != 1 || p->chain_n > 0 || p->family == STEER_HOST ||
        p->ede != DNS_EDE_NONE)
        return 0;
    uint8_t len;
    const uint8_t *rdata =
        steer_rdata(&s->steer, p->service, p->steer.endpoint[0], p->family, &len);
    return dns_write_address(r->out, room(q, r, udp_max), r->msg, q, p->scope, p->ttl, rdata, len);
}

size_t answer_encode(const struct snapshot *s, const struct dns_query *q,
                     const struct answer_request *r, const struct answer_plan *p,
                     struct dns_opt_reply *opt, uint16_t udp_max, enum answer_outcome *outcome)
{
    struct encoder e = {.s = s, .q = q, .p = p, .owner = DNS_OWNER_QNAME};
    size_t limit = room(q, r, udp_max);
    opt->rcode = p->rcode;
    opt->ecs_scope = p->scope;
    opt->ede = p->ede;
    opt->ede_text = answer_ede_text(p->ede);
    size_t reserved = dns_opt_fit(q, opt, limit);
    dns_writer_begin(&e.w, r->out, limit - reserved, r->msg, q);
    *outcome = put_plan(&e);
    bool tc = e.w.overflow;
    if (tc) { /* RFC 2181 §9: what does not fit whole is not sent in part */
        dns_writer_begin(&e.w, r->out, limit - reserved, r->msg, q);
        *outcome = ANSWER_truncated;
    }
    e.w.cap = limit;
    dns_writer_opt(&e.w, q, opt);
    struct dns_reply_flags flags = {.aa = p->aa, .tc = tc, .rcode = p->rcode};
    return dns_writer_finish(&e.w, q, &flags);
}
