#include "tree_priv.h"

#include "base/check.h"
#include "base/pages.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 16

static bool grow(struct tree_build *b, void *array, size_t *cap, size_t need, size_t item)
{
    if (need <= *cap)
        return true;
    size_t want = *cap * 2 > need ? *cap * 2 : need;
    void *old, *bigger;
    memcpy(&old, array, sizeof old);
    bigger = want > SIZE_MAX / item ? NULL : realloc(old, want * item);
    if (!bigger) {
        b->out_of_memory = true;
        return false;
    }
    pages_ready(bigger, *cap * item, need * item);
    memcpy(array, &bigger, sizeof bigger);
    *cap = want;
    return true;
}

struct zone_tree tree__view(const struct tree_build *b)
{
    return (struct zone_tree){.nodes = b->nodes,
                              .names = b->names,
                              .zones = b->apex,
                              .labels_max = b->labels_max,
                              .slots = b->slots,
                              .slots_mask = (uint32_t)(b->slots_n - 1)};
}

void tree__finding(struct tree_build *b, enum diag_level level, const struct zone_rrset *set,
                   uint32_t zone, const char *fmt, ...)
{
    char where[DNS_NAME_TEXT_MAX], text[3 * DNS_NAME_TEXT_MAX + 256];
    if (set && set->file)
        snprintf(where, sizeof where, "%s:%u", set->file, set->line);
    else
        dns_name_to_text(b->zones[zone].name.wire, where);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (level == DIAG_WARNING) {
        diag_warning(b->diag, where, "%s", text);
        return;
    }
    b->errors++;
    diag_error(b->diag, ERR_INVALID, where, "%s", text);
}

static void slot_put(struct zone_slot *slots, size_t n, struct zone_slot slot)
{
    size_t i = slot.hash & (n - 1);
    while (slots[i].node != ZONE_NONE)
        i = (i + 1) & (n - 1);
    slots[i] = slot;
}

/* At most half full, so that a name that is not there is found missing at once. */
static bool slots_reserve(struct tree_build *b, size_t nodes_n)
{
    size_t n = b->slots_n ? b->slots_n : SLOTS_MIN;
    while (n < nodes_n * 2)
        n *= 2;
    if (n == b->slots_n)
        return true;
    struct zone_slot *slots = malloc(n * sizeof *slots);
    if (!slots) {
        b->out_of_memory = true;
        return false;
    }
    pages_ready(slots, 0, n * sizeof *slots);
    memset(slots, 0xff, n * sizeof *slots); /* ZONE_NONE */
    for (size_t i = 0; i < b->slots_n; i++)
        if (b->slots[i].node != ZONE_NONE)
            slot_put(slots, n, b->slots[i]);
    free(b->slots);
    b->slots = slots;
    b->slots_n = n;
    return true;
}

static void put_name(struct tree_build *b, struct zone_node *n, const uint8_t *name, size_t len)
{
    uint8_t *to = n->inside;
    if (len > ZONE_NAME_INSIDE) {
        n->name = (uint32_t)b->names_n;
        to = b->names + b->names_n;
        b->names_n += 1 + len;
    }
    to[0] = (uint8_t)len;
    memcpy(to + 1, name, len);
}

static uint32_t node_add(struct tree_build *b, uint32_t zone, uint32_t parent, const uint8_t *name,
                         size_t len)
{
    if (b->nodes_n >= INT32_MAX || b->names_n > UINT32_MAX - 256)
        b->out_of_memory = true;
    if (b->out_of_memory || !slots_reserve(b, b->nodes_n + 1) ||
        !grow(b, &b->nodes, &b->nodes_cap, b->nodes_n + 1, sizeof *b->nodes) ||
        (len > ZONE_NAME_INSIDE && !grow(b, &b->names, &b->names_cap, b->names_n + 1 + len, 1)))
        return ZONE_NONE;
    uint32_t node = (uint32_t)b->nodes_n++;
    b->nodes[node] = (struct zone_node){.zone = zone,
                                        .parent = parent,
                                        .cut = ZONE_NONE,
                                        .wildcard = ZONE_NONE,
                                        .service = ZONE_NONE};
    put_name(b, &b->nodes[node], name, len);
    slot_put(b->slots, b->slots_n,
             (struct zone_slot){.hash = (uint32_t)dns_name_hash(name, len), .node = node});
    if (parent != ZONE_NONE && name[0] == 1 && name[1] == '*')
        b->nodes[parent].wildcard = node;
    unsigned labels = dns_name_labels(name);
    b->labels_max = labels > b->labels_max ? labels : b->labels_max;
    return node;
}

uint32_t tree__nearest(const struct tree_build *b, const uint8_t *name, size_t len, size_t *at)
{
    struct zone_tree view = tree__view(b);
    for (size_t i = 0; i < len; i += name[i] + 1u) {
        uint32_t node = zone_tree_node(&view, name + i, len - i);
        if (node != ZONE_NONE) {
            *at = i;
            return node;
        }
    }
    return ZONE_NONE;
}

uint32_t tree__intern(struct tree_build *b, uint32_t nearest, const uint8_t *name, size_t len,
                      size_t at)
{
    uint8_t off[DNS_LABELS_MAX];
    unsigned n = 0;
    for (size_t i = 0; i < at; i += name[i] + 1u)
        off[n++] = (uint8_t)i;
    uint32_t node = nearest;
    while (n > 0 && node != ZONE_NONE) {
        n--;
        node = node_add(b, b->nodes[nearest].zone, node, name + off[n], len - off[n]);
    }
    return node;
}

static void zones_add(struct tree_build *b)
{
    for (uint32_t z = 0; z < b->zones_n && !b->out_of_memory; z++) {
        const struct dns_name *name = &b->zones[z].name;
        struct zone_tree view = tree__view(b);
        if (zone_tree_node(&view, name->wire, name->len) != ZONE_NONE)
            tree__finding(b, DIAG_ERROR, NULL, z, "the zone is there twice: leave one of them out");
        uint32_t node = node_add(b, z, ZONE_NONE, name->wire, name->len);
        b->apex[z] = (struct zone_apex){.node = node,
                                        .soa = ZONE_NONE,
                                        .ns = ZONE_NONE,
                                        .parent = ZONE_NONE,
                                        .name_len = name->len,
                                        .unready = b->zones[z].unready,
                                        .stale = b->zones[z].stale};
    }
}

/* The names between a zone and the zone of ours around it exist in the latter, whether it delegates
 * or not: NXDOMAIN there would deny the inner zone as well (RFC 8020 §2). */
static void zones_link(struct tree_build *b)
{
    for (uint32_t z = 0; z < b->zones_n && !b->out_of_memory; z++) {
        const struct dns_name *name = &b->zones[z].name;
        size_t up = name->wire[0] + 1u, at;
        b->above[z] = ZONE_NONE;
        if (name->len == 1)
            continue;
        uint32_t nearest = tree__nearest(b, name->wire + up, name->len - up, &at);
        if (nearest != ZONE_NONE)
            b->above[z] = tree__intern(b, nearest, name->wire + up, name->len - up, at);
    }
}

static void set_add(struct tree_build *b, uint32_t node, const struct zone_rrset *set)
{
    if (node == ZONE_NONE || !grow(b, &b->sets, &b->sets_cap, b->sets_n + 1, sizeof *b->sets))
        return;
    b->sets[b->sets_n++] = (struct tree_set){node, set};
    for (unsigned i = 0; i < set->n; i++)
        b->rdata_bytes += 2u + set->rr[i].rdata_len;
}

/* What a parent zone says at or below the apex of a zone of ours. NS and addresses are its
 * delegation and glue, which the zone itself replaces. */
static void set_foreign(struct tree_build *b, uint32_t nearest, bool exact,
                        const struct zone_rrset *set)
{
    uint32_t child = b->nodes[nearest].zone;
    bool apex = exact && b->apex[child].node == nearest;
    if (apex && set->type == DNS_DS) {
        set_add(b, nearest, set);
    } else if (!(apex && set->type == DNS_NS) && set->type != DNS_A && set->type != DNS_AAAA) {
        char name[DNS_NAME_TEXT_MAX], zone[DNS_NAME_TEXT_MAX], type[16];
        tree__finding(b, DIAG_ERROR, set, child,
                      "%s %s belongs to the zone %s, which is served here too: put it there",
                      dns_name_to_text(set->owner.wire, name), dns_type_text(set->type, type),
                      dns_name_to_text(b->zones[child].name.wire, zone));
    }
}

static void set_place(struct tree_build *b, uint32_t zone, const struct zone_rrset *set)
{
    size_t at = 0;
    uint32_t nearest = tree__nearest(b, set->owner.wire, set->owner.len, &at);
    if (!dns_name_within(&set->owner, &b->zones[zone].name)) {
        char name[DNS_NAME_TEXT_MAX];
        tree__finding(b, DIAG_ERROR, set, zone, "%s is outside the zone",
                      dns_name_to_text(set->owner.wire, name));
    } else if (b->nodes[nearest].zone != zone) {
        set_foreign(b, nearest, at == 0, set);
    } else {
        set_add(b, tree__intern(b, nearest, set->owner.wire, set->owner.len, at), set);
    }
}

static bool records_have(const struct zone_records *records, const struct zone_rrset *set)
{
    size_t low = 0, high = records ? records->n : 0;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct zone_rrset *have = &records->rrset[mid];
        int c = dns_name_compare(have->owner.wire, set->owner.wire);
        if (c == 0)
            c = (int)have->type - (int)set->type;
        if (c == 0)
            return true;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

static void sets_add(struct tree_build *b)
{
    for (uint32_t z = 0; z < b->zones_n; z++) {
        const struct zone_input *in = &b->zones[z];
        for (size_t i = 0; in->records && i < in->records->n && !b->out_of_memory; i++)
            set_place(b, z, &in->records->rrset[i]);
        for (size_t i = 0; i < in->extra_n && !b->out_of_memory; i++)
            if (!records_have(in->records, &in->extra[i]))
                set_place(b, z, &in->extra[i]);
    }
}

static void service_add(struct tree_build *b, uint32_t service)
{
    const struct zone_service_input *in = &b->services[service];
    CHECK(in->zone < b->zones_n);
    char text[DNS_NAME_TEXT_MAX], other[DNS_NAME_TEXT_MAX];
    struct dns_name name;
    CHECK(dns_name_from_text(in->name, &name));
    size_t at = 0;
    uint32_t node = tree__nearest(b, name.wire, name.len, &at);
    if (node == ZONE_NONE || !dns_name_within(&name, &b->zones[in->zone].name)) {
        tree__finding(b, DIAG_ERROR, NULL, in->zone, "the service %s is outside the zone",
                      dns_name_to_text(name.wire, text));
        return;
    }
    if (b->nodes[node].zone != in->zone) {
        const struct dns_name *inner = &b->zones[b->nodes[node].zone].name;
        tree__finding(b, DIAG_ERROR, NULL, in->zone, "the service %s belongs to the zone %s",
                      dns_name_to_text(name.wire, text), dns_name_to_text(inner->wire, other));
        return;
    }
    node = tree__intern(b, node, name.wire, name.len, at);
    if (node == ZONE_NONE)
        return;
    if (b->nodes[node].service != ZONE_NONE)
        tree__finding(b, DIAG_ERROR, NULL, in->zone, "the service %s is there twice",
                      dns_name_to_text(name.wire, text));
    b->nodes[node].service = service;
}

/* A counting sort: the RRsets of a node lie side by side, in the order in which they came. */
static void sets_sort(struct tree_build *b)
{
    struct tree_set *sorted = calloc(b->sets_n + 1, sizeof *sorted);
    uint32_t *next = calloc(b->nodes_n + 1, sizeof *next);
    if (!sorted || !next || b->rdata_bytes > UINT32_MAX) {
        b->out_of_memory = true;
        free(sorted);
        free(next);
        return;
    }
    for (size_t i = 0; i < b->sets_n; i++)
        next[b->sets[i].node + 1]++;
    for (size_t i = 0; i < b->nodes_n; i++) {
        b->nodes[i].rrsets = next[i];
        b->nodes[i].rrsets_n = (uint16_t)next[i + 1];
        next[i + 1] += next[i];
    }
    for (size_t i = 0; i < b->sets_n; i++)
        sorted[next[b->sets[i].node]++] = b->sets[i];
    free(b->sets);
    free(next);
    b->sets = sorted;
}

static uint32_t set_find(const struct tree_build *b, uint32_t node, uint16_t type)
{
    const struct zone_node *n = &b->nodes[node];
    for (uint32_t i = n->rrsets; i < n->rrsets + n->rrsets_n; i++)
        if (b->sets[i].set->type == type)
            return i;
    return ZONE_NONE;
}

/* RFC 2308 §5: a negative answer lives for the smaller of the SOA's own TTL and its last field. */
static uint32_t negative_ttl(const struct zone_rrset *soa)
{
    const uint8_t *p = soa->rr[0].rdata + soa->rr[0].rdata_len - 4;
    uint32_t minimum = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    return minimum < soa->ttl ? minimum : soa->ttl;
}

static void apexes_fill(struct tree_build *b)
{
    for (uint32_t z = 0; z < b->zones_n; z++) {
        struct zone_apex *apex = &b->apex[z];
        apex->soa = set_find(b, apex->node, DNS_SOA);
        apex->ns = set_find(b, apex->node, DNS_NS);
        if (apex->soa == ZONE_NONE)
            tree__finding(b, DIAG_ERROR, NULL, z, "the zone has no SOA: its file has none");
        else
            apex->negative_ttl = negative_ttl(b->sets[apex->soa].set);
        if (apex->ns == ZONE_NONE)
            tree__finding(b, DIAG_ERROR, NULL, z,
                          "the zone has no name servers: give it NS records or --ns");
        /* Below a cut of that other zone the DS is in neither. */
        uint32_t above = b->above[z];
        if (above != ZONE_NONE && b->nodes[above].cut == ZONE_NONE)
            apex->parent = b->nodes[above].zone;
    }
}

const void *tree__dup(struct arena *arena, const void *bytes, size_t len)
{
    void *p = arena_alloc_aligned(arena, len + 1, 64);
    return p && len > 0 ? memcpy(p, bytes, len) : p;
}

void tree__put(const struct tree_build *b, struct zone_tree *out)
{
    out->nodes = b->nodes;
    out->names = b->names;
    out->zones = b->apex;
    out->slots = b->slots;
    out->nodes_n = (uint32_t)b->nodes_n;
    out->holes_n = (uint32_t)b->holes_n;
    out->names_bytes = (uint32_t)b->names_n;
    out->zones_n = (uint32_t)b->zones_n;
    out->slots_mask = (uint32_t)(b->slots_n - 1);
    out->labels_max = b->labels_max;
}

static enum err tree_store(struct tree_build *b, struct arena *arena, struct zone_tree *out)
{
    struct zone_tree_rrset *rrsets = ARENA_ARRAY(arena, struct zone_tree_rrset, b->sets_n + 1);
    uint8_t *rdata = arena_alloc(arena, b->rdata_bytes + 1);
    tree__put(b, out);
    out->nodes = tree__dup(arena, b->nodes, b->nodes_n * sizeof *b->nodes);
    out->names = tree__dup(arena, b->names, b->names_n);
    out->zones = tree__dup(arena, b->apex, b->zones_n * sizeof *b->apex);
    out->slots = tree__dup(arena, b->slots, b->slots_n * sizeof *b->slots);
    if (arena_failed(arena))
        return ERR_NOMEM;
    for (size_t i = 0; i < b->zones_n; i++)
        out->unread |= b->zones[i].unready || b->zones[i].stale;
    out->rrsets = rrsets;
    out->rrsets_n = (uint32_t)b->sets_n;
    out->rdata = rdata;
    out->rdata_bytes = (uint32_t)b->rdata_bytes;
    uint8_t *p = rdata;
    for (size_t i = 0; i < b->sets_n; i++) {
        const struct zone_rrset *set = b->sets[i].set;
        uint8_t *start = p;
        for (unsigned k = 0; k < set->n; k++) {
            *p++ = (uint8_t)(set->rr[k].rdata_len >> 8);
            *p++ = (uint8_t)set->rr[k].rdata_len;
            memcpy(p, set->rr[k].rdata, set->rr[k].rdata_len);
            p += set->rr[k].rdata_len;
        }
        rrsets[i] = (struct zone_tree_rrset){.type = set->type,
                                             .n = set->n,
                                             .ttl = set->ttl,
                                             .rdata = (uint32_t)(start - rdata),
                                             .rdata_bytes = (uint32_t)(p - start)};
    }
    return ERR_OK;
}

static enum err tree_build(struct tree_build *b, struct arena *arena, struct zone_tree *out)
{
    b->apex = calloc(b->zones_n + 1, sizeof *b->apex);
    b->above = calloc(b->zones_n + 1, sizeof *b->above);
    size_t names = b->zones_n + b->services_n; /* at least, where all are well */
    if (!b->apex || !b->above || !slots_reserve(b, names) ||
        !grow(b, &b->nodes, &b->nodes_cap, names, sizeof *b->nodes))
        return ERR_NOMEM;
    zones_add(b);
    zones_link(b);
    sets_add(b);
    for (uint32_t s = 0; s < b->services_n && !b->out_of_memory; s++)
        service_add(b, s);
    if (!b->out_of_memory)
        sets_sort(b);
    if (!b->out_of_memory)
        tree__check(b);
    if (b->out_of_memory)
        return ERR_NOMEM;
    apexes_fill(b);
    return b->errors > 0 ? ERR_INVALID : tree_store(b, arena, out);
}

enum err zone_tree_build(const struct zone_input *zones, size_t zones_n,
                         const struct zone_service_input *services, size_t services_n,
                         struct arena *arena, struct zone_tree *out, struct diag *diag)
{
    struct tree_build b = {.zones = zones,
                           .zones_n = zones_n,
                           .services = services,
                           .services_n = services_n,
                           .diag = diag};
    memset(out, 0, sizeof *out);
    enum err e = tree_build(&b, arena, out);
    if (e == ERR_NOMEM)
        diag_error(diag, e, "", "out of memory for the table of %zu zones and %zu services",
                   zones_n, services_n);
    free(b.nodes);
    free(b.names);
    free(b.slots);
    free(b.sets);
    free(b.apex);
    free(b.above);
    return e;
}

enum err zone_tree_renew(const struct zone_tree *like, const struct zone_input *zones,
                         struct arena *arena, struct zone_tree *out)
{
    *out = *like;
    uint8_t *rdata = arena_dup(arena, like->rdata, like->rdata_bytes);
    if (!rdata)
        return ERR_NOMEM;
    out->rdata = rdata;
    for (uint32_t z = 0; z < like->zones_n; z++)
        for (size_t i = 0; i < zones[z].extra_n; i++) {
            const struct zone_rrset *set = &zones[z].extra[i];
            if (set->type != DNS_SOA || records_have(zones[z].records, set))
                continue;
            const struct zone_tree_rrset *soa = &like->rrsets[like->zones[z].soa];
            CHECK(soa->rdata_bytes == 2u + set->rr[0].rdata_len);
            memcpy(rdata + soa->rdata + 2, set->rr[0].rdata, set->rr[0].rdata_len);
        }
    return ERR_OK;
}
