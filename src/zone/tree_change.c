/* Services come and go: the last tree copied, a few names put in and taken out. */
#include "tree_priv.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define NONE ZONE_NONE

/* Names that are gone leave a hole among the nodes; when there are many, building is due. */
#define HOLES_MAX(nodes_n) ((nodes_n) / 8 + 64)

struct room {
    size_t nodes, names_bytes;
};

/* For all that a new service may bring: its name and those between it and the zone. */
static void count(const struct tree_build *b, uint32_t service, struct room *room)
{
    const struct zone_service_input *in = &b->services[service];
    size_t labels = 1, len = strlen(in->name) + 2;
    for (const char *p = in->name; *p; p++)
        labels += *p == '.';
    labels -= dns_name_labels(b->zones[in->zone].name.wire);
    room->nodes += labels;
    room->names_bytes += len > ZONE_NAME_INSIDE ? labels * (1 + len) : 0;
}

/* Where it is to stay, with room for more. */
static void *copy(struct arena *arena, const void *items, size_t n, size_t room, size_t size)
{
    void *p = arena_alloc_aligned(arena, (n + room) * size + 1, 64);
    return p && n ? memcpy(p, items, n * size) : p;
}

static bool start(struct tree_build *b, const struct zone_tree *like,
                  const struct zone_services_change *change, struct arena *arena)
{
    struct room room = {0};
    for (uint32_t i = 0; i < change->added_n; i++)
        count(b, change->added[i], &room);
    b->nodes_n = like->nodes_n;
    b->nodes_cap = like->nodes_n + room.nodes;
    b->nodes = copy(arena, like->nodes, like->nodes_n, room.nodes, sizeof *b->nodes);
    b->names_n = like->names_bytes;
    b->names_cap = like->names_bytes + room.names_bytes;
    b->names = copy(arena, like->names, like->names_bytes, room.names_bytes, 1);
    b->slots_n = (size_t)like->slots_mask + 1;
    b->slots = copy(arena, like->slots, b->slots_n, 0, sizeof *b->slots);
    b->apex = copy(arena, like->zones, like->zones_n, 0, sizeof *b->apex);
    b->labels_max =
        like->labels_max; /* or less, once the longest is gone: it saves a step or two */
    return b->nodes && b->names && b->slots && b->apex;
}

/* ------------------------------------------------------------------------------- what is gone */

/* What follows in the same cluster moves up, unless it stands before its own place then. */
static void slot_drop(struct tree_build *b, uint32_t node)
{
    const uint8_t *name = zone_name_of(b->names, &b->nodes[node]);
    size_t mask = b->slots_n - 1, hole = (uint32_t)dns_name_hash(name + 1, *name) & mask;
    while (b->slots[hole].node != node)
        hole = (hole + 1) & mask;
    for (size_t i = (hole + 1) & mask; b->slots[i].node != NONE; i = (i + 1) & mask)
        if (((i - b->slots[i].hash) & mask) >= ((i - hole) & mask)) {
            b->slots[hole] = b->slots[i];
            hole = i;
        }
    b->slots[hole] = (struct zone_slot){NONE, NONE};
}

/* How many names end in that of each node: children, and apexes of zones that lie in this one. */
static uint32_t *count_below(const struct tree_build *b)
{
    struct zone_tree view = tree__view(b);
    uint32_t *below = calloc(b->nodes_n + 1, sizeof *below);
    for (uint32_t i = 0; below && i < b->nodes_n; i++)
        if (b->nodes[i].parent != NONE)
            below[b->nodes[i].parent]++;
    for (uint32_t z = 0; below && z < b->zones_n; z++) {
        const struct dns_name *name = &b->zones[z].name;
        size_t up = name->wire[0] + 1u;
        uint32_t above =
            name->len > 1 ? zone_tree_node(&view, name->wire + up, name->len - up) : NONE;
        if (above != NONE)
            below[above]++;
    }
    return below;
}

/* The node, unless something else keeps it, and what was there only for it. */
static void node_drop(struct tree_build *b, uint32_t node, uint32_t *below)
{
    while (node != NONE) {
        struct zone_node *n = &b->nodes[node];
        uint32_t parent = n->parent;
        if (parent == NONE || n->service != NONE || n->rrsets_n || below[node])
            return;
        if (b->nodes[parent].wildcard == node)
            b->nodes[parent].wildcard = NONE;
        below[parent]--;
        slot_drop(b, node);
        *n = (struct zone_node){NONE, NONE, NONE, NONE, NONE, NONE, 0, 0, 0, {0}};
        b->holes_n++;
        node = parent;
    }
}

/* Does a name server find its address at a service that goes? Then there is something to warn of. */
static bool needed(const struct tree_build *b, const struct zone_tree *like, const uint32_t *now)
{
    for (uint32_t i = 0; i < like->rrsets_n; i++) {
        const struct zone_tree_rrset *set = &like->rrsets[i];
        const uint8_t *p = like->rdata + set->rdata;
        for (unsigned k = 0; set->type == DNS_NS && k < set->n; k++) {
            unsigned rdata_len = (unsigned)p[0] << 8 | p[1];
            size_t len = dns_name_length(p + 2, rdata_len);
            uint8_t target[DNS_NAME_MAX];
            dns_name_lower_copy(target, p + 2, len);
            struct zone_hit hit = {.node = NONE};
            if (len > 0)
                hit = zone_tree_find_name(like, target, len, DNS_A);
            uint32_t service = hit.node == NONE ? NONE : b->nodes[hit.node].service;
            if (service != NONE && now[service] == NONE)
                return true;
            p += 2 + rdata_len;
        }
    }
    return false;
}

/* All services get their new numbers; those without one go. */
static bool take_out(struct tree_build *b, const struct zone_tree *like,
                     const struct zone_services_change *change)
{
    uint32_t *below = NULL;
    if (change->gone_n && (needed(b, like, change->now) || !(below = count_below(b))))
        return false;
    for (uint32_t i = 0; i < like->nodes_n; i++) {
        struct zone_node *n = &b->nodes[i];
        if (n->service == NONE)
            continue;
        n->service = change->now[n->service];
        if (n->service == NONE)
            node_drop(b, i, below);
    }
    free(below);
    return b->holes_n <= HOLES_MAX(b->nodes_n);
}

/* -------------------------------------------------------------------------------- what is new */

/* Only where there is nothing to judge: no record, delegation, DNAME or other zone is near. And a name that
 * brings an empty one with it takes that from a wildcard, which a name server may be found by. Nor where the
 * slots would have to be more. */
static bool put_in(struct tree_build *b, uint32_t service)
{
    const struct zone_service_input *in = &b->services[service];
    struct dns_name name;
    CHECK(dns_name_from_text(in->name, &name));
    size_t at = 0;
    uint32_t node = tree__nearest(b, name.wire, name.len, &at);
    if (node == NONE)
        return false;
    const struct zone_node *n = &b->nodes[node];
    if (n->zone != in->zone || n->cut != NONE || n->flags ||
        (at == 0 && (n->service != NONE || n->rrsets_n)) ||
        (n->wildcard != NONE && at > name.wire[0] + 1u))
        return false;
    size_t more = dns_name_labels(name.wire) - dns_name_labels(name.wire + at);
    if (2 * (b->nodes_n + more) > b->slots_n)
        return false;
    CHECK(b->nodes_n + more <= b->nodes_cap); /* nothing has to grow, or to move */
    node = tree__intern(b, node, name.wire, name.len, at);
    if (node != NONE)
        b->nodes[node].service = service;
    return node != NONE;
}

/* -------------------------------------------------------------------------------------- whole */

static bool change_tree(struct tree_build *b, const struct zone_tree *like,
                        const struct zone_services_change *change, struct arena *arena)
{
    if (!start(b, like, change, arena) || !take_out(b, like, change))
        return false;
    for (uint32_t i = 0; i < change->added_n; i++)
        if (!put_in(b, change->added[i]))
            return false;
    return true;
}

bool zone_tree_change(const struct zone_tree *like, const struct zone_input *zones,
                      const struct zone_service_input *services,
                      const struct zone_services_change *change, struct arena *arena,
                      struct zone_tree *out)
{
    struct tree_build b = {
        .zones = zones, .zones_n = like->zones_n, .services = services, .holes_n = like->holes_n};
    if (!change_tree(&b, like, change, arena))
        return false;
    *out = *like;
    out->rrsets = tree__dup(arena, like->rrsets, like->rrsets_n * sizeof *like->rrsets);
    tree__put(&b, out);
    return !arena_failed(arena) && zone_tree_renew(out, zones, arena, out) == ERR_OK;
}
