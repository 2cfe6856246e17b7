/* tree_priv: the tree while it is being built, and its checks.
 * Owns      its arrays, which grow with realloc; they are copied into the arena at the end. Those of a tree
 *           that is changed lie there from the start, with room for all that comes.
 * Order     nodes: the zones' apexes first, in the order of the inputs; a node comes after its
 * parent. */
#pragma once

#include "zone/tree.h"

struct tree_set { /* an RRset that went to a node */
    uint32_t node;
    const struct zone_rrset *set;
};

struct tree_build {
    const struct zone_input *zones;
    size_t zones_n;
    const struct zone_service_input *services;
    size_t services_n;
    struct diag *diag;
    size_t errors;
    bool out_of_memory;

    struct zone_node *nodes;
    size_t nodes_n, nodes_cap;
    size_t holes_n; /* nodes that no name leads to any more */
    uint8_t *names;
    size_t names_n, names_cap;
    struct zone_slot *slots;
    size_t slots_n;        /* a power of two */
    struct tree_set *sets; /* by node, once tree_build_sort has run */
    size_t sets_n, sets_cap;
    struct zone_apex *apex;
    uint32_t *above; /* per zone: the node one label up, in the zone of ours around it */
    uint32_t labels_max;
    size_t rdata_bytes;
};

/* The tree as it stands, for lookups before it is finished. */
struct zone_tree tree__view(const struct tree_build *b);
/* Says it at the file and line of set, or of the zone as a whole; counts errors. */
void tree__finding(struct tree_build *b, enum diag_level level, const struct zone_rrset *set,
                   uint32_t zone, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The nearest node at or above the name; *at is how many octets of the name lie before it.
 * ZONE_NONE: in no zone. */
uint32_t tree__nearest(const struct tree_build *b, const uint8_t *name, size_t len, size_t *at);
/* Nodes for the name and what is missing between it and `nearest`, top down. ZONE_NONE: no memory. */
uint32_t tree__intern(struct tree_build *b, uint32_t nearest, const uint8_t *name, size_t len,
                      size_t at);
/* All but the RRsets, where they lie. */
void tree__put(const struct tree_build *b, struct zone_tree *out);
/* Like arena_dup, aligned for what is in there. */
const void *tree__dup(struct arena *arena, const void *bytes, size_t len);
/* Cuts, and everything that is wrong with a tree whose RRsets are in place. */
void tree__check(struct tree_build *b);
