#include "tree_priv.h"

#include <stdlib.h>
#include <string.h>

#define NONE ZONE_NONE

/* The first RRset of the node with a type that `fits` accepts. */
static const struct zone_rrset *set_where(const struct tree_build *b, uint32_t node,
                                          bool (*fits)(uint16_t type))
{
    const struct zone_node *n = &b->nodes[node];
    for (uint32_t i = n->rrsets; i < n->rrsets + n->rrsets_n; i++)
        if (fits(b->sets[i].set->type))
            return b->sets[i].set;
    return NULL;
}

static bool is_any(uint16_t type)
{
    (void)type;
    return true;
}
static bool is_ns(uint16_t type)
{
    return type == DNS_NS;
}
static bool is_cname(uint16_t type)
{
    return type == DNS_CNAME;
}
static bool is_dname(uint16_t type)
{
    return type == DNS_DNAME;
}
static bool is_address(uint16_t type)
{
    return type == DNS_A || type == DNS_AAAA;
}
static bool is_address_or_alias(uint16_t type)
{
    return is_address(type) || is_cname(type);
}
static bool is_signature(uint16_t type)
{
    return type == DNS_RRSIG || type == DNS_NSEC;
}
/* RFC 2181 §10.1, RFC 4035 §2.5: what an alias does not bear beside it. */
static bool is_against_alias(uint16_t type)
{
    return !is_cname(type) && !is_signature(type);
}
/* What a parent may say at a cut: the delegation, its DS, their signatures, and glue. */
static bool is_against_cut(uint16_t type)
{
    return !is_ns(type) && type != DNS_DS && !is_signature(type) && !is_address(type);
}
static bool is_against_glue(uint16_t type)
{
    return !is_address(type);
}

static const char *name_text(const struct tree_build *b, uint32_t node, char out[DNS_NAME_TEXT_MAX])
{
    return dns_name_to_text(zone_name_of(b->names, &b->nodes[node]) + 1, out);
}

static bool is_wildcard(const struct tree_build *b, uint32_t node)
{
    const uint8_t *name = zone_name_of(b->names, &b->nodes[node]) + 1;
    return name[0] == 1 && name[1] == '*';
}

/* Where delegations begin and DNAMEs hide names. A parent comes before its children, so that one
 * pass hands both down. */
static void node_inherit(struct tree_build *b, uint32_t node)
{
    struct zone_node *n = &b->nodes[node];
    if (set_where(b, node, is_dname))
        n->flags |= ZONE_NODE_DNAME;
    if (n->parent == NONE)
        return;
    const struct zone_node *parent = &b->nodes[n->parent];
    if (parent->flags)
        n->flags |= ZONE_NODE_BELOW_DNAME;
    n->cut = parent->cut != NONE ? parent->cut : set_where(b, node, is_ns) ? node : NONE;
}

static void check_service(struct tree_build *b, uint32_t node)
{
    const struct zone_node *n = &b->nodes[node];
    char name[DNS_NAME_TEXT_MAX], cut[DNS_NAME_TEXT_MAX], type[16];
    if (n->cut != NONE) {
        tree__finding(b, DIAG_ERROR, set_where(b, n->cut, is_ns), n->zone,
                      "the service %s lies in %s, which is delegated to other name servers here",
                      name_text(b, node, name), name_text(b, n->cut, cut));
        return;
    }
    /* An apex has records in any case. */
    const struct zone_rrset *set =
        set_where(b, node, n->parent == NONE ? is_address_or_alias : is_any);
    if (set)
        tree__finding(b, DIAG_ERROR, set, n->zone,
                      "%s is a service and has a static %s record: remove one of them",
                      name_text(b, node, name), dns_type_text(set->type, type));
}

static void check_cut(struct tree_build *b, uint32_t node)
{
    const struct zone_node *n = &b->nodes[node];
    char name[DNS_NAME_TEXT_MAX], cut[DNS_NAME_TEXT_MAX], type[16];
    const struct zone_rrset *set =
        set_where(b, node, n->cut == node ? is_against_cut : is_against_glue);
    if (set)
        tree__finding(b, DIAG_ERROR, set, n->zone,
                      "%s %s would never be answered, since %s is delegated: remove it here or the "
                      "NS there",
                      name_text(b, node, name), dns_type_text(set->type, type),
                      name_text(b, n->cut, cut));
    if (n->cut == node && is_wildcard(b, node)) /* RFC 4592 §4.2 leaves it undefined */
        tree__finding(b, DIAG_ERROR, set_where(b, node, is_ns), n->zone,
                      "a wildcard cannot be delegated: name the zone that %s means",
                      name_text(b, node, name));
}

static void check_aliases(struct tree_build *b, uint32_t node)
{
    const struct zone_node *n = &b->nodes[node];
    char name[DNS_NAME_TEXT_MAX], type[16];
    const struct zone_rrset *set = set_where(b, node, is_cname);
    const struct zone_rrset *other = set ? set_where(b, node, is_against_alias) : NULL;
    if (other)
        tree__finding(b, DIAG_ERROR, set, n->zone, "%s has a CNAME beside %s: a CNAME stands alone",
                      name_text(b, node, name), dns_type_text(other->type, type));
    if ((n->flags & ZONE_NODE_DNAME) && is_wildcard(b, node)) /* RFC 6672 §3.3 */
        tree__finding(b, DIAG_ERROR, set_where(b, node, is_dname), n->zone,
                      "%s has a DNAME, which a wildcard cannot carry", name_text(b, node, name));
    set = set_where(b, node, is_any);
    if ((n->flags & ZONE_NODE_BELOW_DNAME) && (set || n->service != NONE)) /* RFC 6672 §2.4 */
        tree__finding(b, DIAG_ERROR, set, n->zone,
                      "%s lies below a DNAME and would never be answered: remove one of them",
                      name_text(b, node, name));
}

/* One name server: warns where nobody could find its address, and marks the node that has it. */
static void check_target(struct tree_build *b, const struct tree_set *ns, const struct zone_rr *rr,
                         bool *needed)
{
    struct dns_name target = {.len = (uint8_t)dns_name_length(rr->rdata, rr->rdata_len)};
    if (target.len == 0)
        return;
    dns_name_lower_copy(target.wire, rr->rdata, target.len);
    struct zone_tree view = tree__view(b);
    uint32_t node = zone_tree_node(&view, target.wire, target.len);
    if (node != NONE)
        needed[node] = true;
    const struct zone_node *owner = &b->nodes[ns->node];
    bool is_cut = owner->cut == ns->node;
    /* Below a cut only glue leads there (RFC 9471 §3.1), in the zone only its own data. Other names
     * are for others to answer. */
    if (!dns_name_within(&target, is_cut ? &ns->set->owner : &b->zones[owner->zone].name))
        return;
    if (node != NONE && (set_where(b, node, is_address) || b->nodes[node].service != NONE))
        return;
    struct zone_hit hit = zone_tree_find_name(&view, target.wire, target.len, DNS_A);
    char text[DNS_NAME_TEXT_MAX];
    if (is_cut || hit.kind == ZONE_HIT_NODE || hit.kind == ZONE_HIT_NXDOMAIN)
        tree__finding(b, DIAG_WARNING, ns->set, owner->zone,
                      "the name server %s has no address here: add an A or AAAA record for it",
                      dns_name_to_text(target.wire, text));
}

static void check_name_servers(struct tree_build *b)
{
    bool *needed = calloc(b->nodes_n + 1, sizeof *needed);
    if (!needed) {
        b->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < b->sets_n; i++) {
        const struct zone_rrset *set = b->sets[i].set;
        for (unsigned k = 0; set->type == DNS_NS && k < set->n; k++)
            check_target(b, &b->sets[i], &set->rr[k], needed);
    }
    for (uint32_t i = 0; i < b->nodes_n; i++) {
        const struct zone_node *n = &b->nodes[i];
        const struct zone_rrset *set = n->cut != NONE ? set_where(b, i, is_address) : NULL;
        char name[DNS_NAME_TEXT_MAX];
        if (set && !needed[i])
            tree__finding(
                b, DIAG_WARNING, set, n->zone,
                "%s is in a delegated zone and no name server is called so: its address is "
                "never answered",
                name_text(b, i, name));
    }
    free(needed);
}

void tree__check(struct tree_build *b)
{
    for (uint32_t i = 0; i < b->nodes_n; i++) {
        node_inherit(b, i);
        if (b->nodes[i].service != NONE)
            check_service(b, i);
        if (b->nodes[i].cut != NONE)
            check_cut(b, i);
        if (b->nodes[i].rrsets_n > 0 || b->nodes[i].service != NONE)
            check_aliases(b, i);
    }
    check_name_servers(b);
}
