/* zone/tree: every name that this server knows, of all zones, in one frozen table.
 * Shape     an open-addressing hash table of nodes keyed by lower-cased wire name; empty
 *           non-terminals have nodes too, so that the closest encloser of a missing name is found
 *           by stripping labels from the left. Indices, not pointers.
 * Owns      nothing: it lives in the arena given to zone_tree_build (one snapshot).
 * Threads   lookup: any worker, no lock. build: one thread.
 * Errors    build collects findings in diag: a name that is both a service and static data (at an
 *           apex: an address or alias beside a service), data below a delegation that is not glue,
 *           a service outside its zone, at or below a cut, or below a DNAME, a zone without SOA or
 *           NS, a delegation or DNAME at a wildcard. Name servers without address and glue that
 *           nothing needs are warnings.
 * Nesting   a name belongs to the longest zone of ours that it is in. What a parent zone has at
 *           the apex of a child zone of ours or below (NS, glue) yields to the child; its DS is
 *           kept.
 * Limits    2^31 nodes; a lookup strips at most 127 labels.
 * Spec      RFC 1034 §4.3.2, RFC 4592 §2.2 and §3.3.1, RFC 8020 §2. */
#pragma once

#include "dns/query.h"
#include "zone/loader.h"

#define ZONE_NONE UINT32_MAX

struct zone_tree_rrset { /* one RRset, in wire form */
    uint16_t type;
    uint16_t n;
    uint32_t ttl;
    uint32_t rdata; /* offset into tree->rdata: n times (uint16 big-endian length, octets) */
    uint32_t rdata_bytes;
};

#define ZONE_NODE_DNAME 1       /* has a DNAME */
#define ZONE_NODE_BELOW_DNAME 2 /* lies below one: only on the way to a zone of our own */

#define ZONE_NAME_INSIDE 31u

struct zone_node {     /* a cache line, for all that a query wants to know of a name */
    uint32_t name;     /* see zone_node_name: of a long one, the offset into tree->names */
    uint32_t zone;     /* index into tree->zones */
    uint32_t parent;   /* node one label up, within the zone; ZONE_NONE at the apex */
    uint32_t cut;      /* the delegation at or above this node, ZONE_NONE if none */
    uint32_t wildcard; /* the node "*.this", ZONE_NONE */
    uint32_t service;  /* service index, ZONE_NONE */
    uint32_t rrsets;   /* first, in tree->rrsets */
    uint16_t rrsets_n;
    uint16_t flags;                       /* ZONE_NODE_* */
    uint8_t inside[1 + ZONE_NAME_INSIDE]; /* length octet, wire name; 0: a long name */
};
_Static_assert(sizeof(struct zone_node) == 64, "a node is one cache line");

struct zone_apex {
    uint32_t node;
    uint32_t soa;          /* rrset index */
    uint32_t ns;           /* rrset index */
    uint32_t negative_ttl; /* min(SOA TTL, MINIMUM), RFC 2308 §5 */
    uint32_t parent; /* the zone of ours that this one is cut from, ZONE_NONE if none: it answers a
                      * DS query at this apex, RFC 4035 §3.1.4.1 */
    uint8_t name_len;
    bool unready; /* its file was never read: only its services are known */
    bool stale;   /* its file cannot be read: the records are those of before */
};

struct zone_tree {
    const struct zone_node *nodes;
    uint32_t nodes_n;
    const struct zone_tree_rrset *rrsets;
    const uint8_t *rdata;
    uint32_t rdata_bytes; /* of all */
    const uint8_t *names;
    const struct zone_apex *zones;
    uint32_t zones_n;
    const struct zone_slot {
        uint32_t hash, node;
    } * slots; /* node ZONE_NONE: empty */
    uint32_t slots_mask;
    uint32_t
        labels_max; /* at least that of all names, so that a longer one starts stripping there */
    bool unread;    /* a zone is unready or stale */
    /* For the next tree: */
    uint32_t rrsets_n, names_bytes;
    uint32_t holes_n; /* nodes that no name leads to: their services are gone */
};

/* What goes in. Apex SOA and NS of a zone come from its records where it has them, else from here.
 */
struct zone_input {
    struct dns_name name;
    const struct zone_records *records; /* NULL: no zone file */
    const struct zone_rrset *extra; /* SOA, NS, glue made from the database; used per (owner, type)
                                     * only where records has no such RRset */
    size_t extra_n;
    bool unready, stale; /* for struct zone_apex */
};
struct zone_service_input {
    const char *name; /* a valid one, as text */
    uint32_t zone;    /* index into the inputs */
};

enum err zone_tree_build(const struct zone_input *zones, size_t zones_n,
                         const struct zone_service_input *services, size_t services_n,
                         struct arena *arena, struct zone_tree *out, struct diag *diag) WARN_UNUSED;
/* The tree of the same inputs, of which only the SOAs made from the database differ, and only in what they
 * say: all but the RDATA is shared with `like`, which has to outlive it. ERR_NOMEM. */
enum err zone_tree_renew(const struct zone_tree *like, const struct zone_input *zones,
                         struct arena *arena, struct zone_tree *out) WARN_UNUSED;
/* The tree of the same zones when services come and go: `like` copied, the names of those put in and
 * taken out. What is found is what zone_tree_build would have it be; nodes and slots may lie
 * elsewhere. False where more is touched than names of their own (a record, a delegation, another
 * zone, what a name server needs), where too many holes are left, or out of memory: build it. */
struct zone_services_change {
    const uint32_t *now;   /* per service of `like`: its number now, ZONE_NONE if it is gone */
    const uint32_t *added; /* numbers of those that are new */
    uint32_t gone_n, added_n;
};
bool zone_tree_change(const struct zone_tree *like, const struct zone_input *zones,
                      const struct zone_service_input *services,
                      const struct zone_services_change *change, struct arena *arena,
                      struct zone_tree *out) WARN_UNUSED;

enum zone_hit_kind {
    ZONE_HIT_OUTSIDE,    /* below no zone of ours: REFUSED */
    ZONE_HIT_NODE,       /* the name exists (perhaps empty): node */
    ZONE_HIT_WILDCARD,   /* synthesise from node ("*.encloser") */
    ZONE_HIT_DNAME,      /* node is the DNAME owner above the name, RFC 6672 */
    ZONE_HIT_DELEGATION, /* node is the cut at or above the name (a DS query at the cut: HIT_NODE)
                          */
    ZONE_HIT_NXDOMAIN    /* node is the closest encloser */
};
/* zone is the node's, but for a DS query at the apex of a zone that lies in another zone of ours:
 * then it is that other zone, whose SOA goes with a NODATA. */
struct zone_hit {
    enum zone_hit_kind kind;
    uint32_t node;
    uint32_t zone;
};

struct zone_hit zone_tree_find(const struct zone_tree *t, const struct dns_query *q);
/* The same in steps, for many names at once: each fetches ahead what the next one reads. */
struct zone_seek {
    uint32_t hash;
    uint32_t node; /* has the name's hash, so very likely the name; ZONE_NONE: none has */
};
void zone_tree_seek_slot(const struct zone_tree *t, const struct dns_query *q,
                         struct zone_seek *seek);
void zone_tree_seek_node(const struct zone_tree *t, struct zone_seek *seek);
/* The service at seek->node, ZONE_NONE. */
uint32_t zone_tree_seek_service(const struct zone_tree *t, const struct zone_seek *seek);
struct zone_hit zone_tree_seek_end(const struct zone_tree *t, const struct dns_query *q,
                                   const struct zone_seek *seek);
/* For a name other than the question's (CNAME targets, glue): lower wire name; qtype decides DS. */
struct zone_hit zone_tree_find_name(const struct zone_tree *t, const uint8_t *lower, size_t len,
                                    uint16_t qtype);
/* The node of exactly this name, also below a cut (glue), ZONE_NONE if there is none. */
uint32_t zone_tree_node(const struct zone_tree *t, const uint8_t *lower, size_t len);
/* NULL when the node has none of that type. */
const struct zone_tree_rrset *zone_node_rrset(const struct zone_tree *t, uint32_t node,
                                              uint16_t type);
/* Length octet and wire name. */
static inline const uint8_t *zone_name_of(const uint8_t *names, const struct zone_node *n)
{
    return n->inside[0] ? n->inside : names + n->name;
}

static inline const uint8_t *zone_node_name(const struct zone_tree *t, uint32_t node, size_t *len)
{
    const uint8_t *p = zone_name_of(t->names, &t->nodes[node]);
    *len = *p;
    return p + 1;
}

/* RDATA as a zone file has it: "10 mail.example.". Caller frees; NULL: out of memory. [any] */
char *zone_rdata_text(uint16_t type, const uint8_t *rdata, uint16_t len);
