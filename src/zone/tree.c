#include "zone/tree.h"

#include <string.h>

/* Without a call for names as long as most are: two halves that overlap. */
static inline bool same(const uint8_t *a, const uint8_t *b, size_t len)
{
    if (len < 16 || len > 32)
        return memcmp(a, b, len) == 0;
    return memcmp(a, b, 16) == 0 && memcmp(a + len - 16, b + len - 16, 16) == 0;
}

static inline bool named(const struct zone_tree *t, uint32_t node, const uint8_t *name, size_t len)
{
    const uint8_t *have = zone_name_of(t->names, &t->nodes[node]);
    return *have == len && same(have + 1, name, len);
}

static inline uint32_t probe(const struct zone_tree *t, const uint8_t *name, size_t len)
{
    uint32_t hash = (uint32_t)dns_name_hash(name, len);
    for (uint32_t i = hash & t->slots_mask;; i = (i + 1) & t->slots_mask) {
        struct zone_slot slot = t->slots[i];
        if (slot.node == ZONE_NONE)
            return ZONE_NONE;
        if (slot.hash != hash)
            continue;
        if (named(t, slot.node, name, len))
            return slot.node;
    }
}

uint32_t zone_tree_node(const struct zone_tree *t, const uint8_t *lower, size_t len)
{
    return probe(t, lower, len);
}

/* The name itself is there. */
static struct zone_hit hit_exact(const struct zone_tree *t, uint32_t node, uint16_t qtype)
{
    const struct zone_node *n = &t->nodes[node];
    struct zone_hit hit = {ZONE_HIT_NODE, node, n->zone};
    if (n->cut != ZONE_NONE && !(n->cut == node && qtype == DNS_DS)) {
        hit.kind = ZONE_HIT_DELEGATION;
        hit.node = n->cut;
    } else if (qtype == DNS_DS && n->parent == ZONE_NONE && t->zones[n->zone].parent != ZONE_NONE) {
        hit.zone = t->zones[n->zone].parent;
    }
    return hit;
}

/* The name is not there; encloser is the nearest that is (RFC 4592 §3.3.1). */
static struct zone_hit hit_below(const struct zone_tree *t, uint32_t encloser)
{
    const struct zone_node *n = &t->nodes[encloser];
    struct zone_hit hit = {ZONE_HIT_NXDOMAIN, encloser, n->zone};
    if (n->cut != ZONE_NONE) {
        hit.kind = ZONE_HIT_DELEGATION;
        hit.node = n->cut;
    } else if (n->flags & ZONE_NODE_DNAME) {
        hit.kind = ZONE_HIT_DNAME;
    } else if (n->wildcard != ZONE_NONE) {
        hit.kind = ZONE_HIT_WILDCARD;
        hit.node = n->wildcard;
    }
    return hit;
}

struct zone_hit zone_tree_find_name(const struct zone_tree *t, const uint8_t *lower, size_t len,
                                    uint16_t qtype)
{
    uint8_t label_off[DNS_LABELS_MAX + 1];
    unsigned labels = dns_name_label_offsets(lower, label_off);
    unsigned i = labels > t->labels_max ? labels - t->labels_max : 0;
    for (bool exact = i == 0; i <= labels; i++, exact = false) {
        uint32_t node = probe(t, lower + label_off[i], len - label_off[i]);
        if (node != ZONE_NONE)
            return exact ? hit_exact(t, node, qtype) : hit_below(t, node);
    }
    return (struct zone_hit){ZONE_HIT_OUTSIDE, ZONE_NONE, ZONE_NONE};
}

struct zone_hit zone_tree_find(const struct zone_tree *t, const struct dns_query *q)
{
    return zone_tree_find_name(t, q->lower, q->qname_len, q->qtype);
}

void zone_tree_seek_slot(const struct zone_tree *t, const struct dns_query *q,
                         struct zone_seek *seek)
{
    seek->hash = (uint32_t)dns_name_hash(q->lower, q->qname_len);
    __builtin_prefetch(&t->slots[seek->hash & t->slots_mask]);
}

void zone_tree_seek_node(const struct zone_tree *t, struct zone_seek *seek)
{
    const struct zone_slot *slot = &t->slots[seek->hash & t->slots_mask];
    while (slot->node != ZONE_NONE && slot->hash != seek->hash)
        slot = &t->slots[(size_t)(slot - t->slots + 1) & t->slots_mask];
    seek->node = slot->node;
    if (seek->node != ZONE_NONE)
        __builtin_prefetch(&t->nodes[seek->node]);
}

uint32_t zone_tree_seek_service(const struct zone_tree *t, const struct zone_seek *seek)
{
    if (seek->node == ZONE_NONE)
        return ZONE_NONE;
    const struct zone_node *n = &t->nodes[seek->node];
    if (n->inside[0] == 0)
        __builtin_prefetch(t->names + n->name);
    return n->service;
}

struct zone_hit zone_tree_seek_end(const struct zone_tree *t, const struct dns_query *q,
                                   const struct zone_seek *seek)
{
    if (seek->node != ZONE_NONE && named(t, seek->node, q->lower, q->qname_len))
        return hit_exact(t, seek->node, q->qtype);
    return zone_tree_find(t, q);
}

const struct zone_tree_rrset *zone_node_rrset(const struct zone_tree *t, uint32_t node,
                                              uint16_t type)
{
    const struct zone_node *n = &t->nodes[node];
    const struct zone_tree_rrset *set = t->rrsets + n->rrsets;
    for (const struct zone_tree_rrset *end = set + n->rrsets_n; set < end; set++)
        if (set->type == type)
            return set;
    return NULL;
}
