#include "view_priv.h"

static inline const uint32_t *root_at(const struct geo_view *v, const struct ip *ip)
{
    return &v->root[ip->family == 6][(unsigned)ip->b[0] << 8 | ip->b[1]];
}

static inline const struct node *child(const struct geo_view *v, uint32_t entry)
{
    return (const void *)(v->pool + (size_t)(entry & ~ENTRY_CHILD) * (PIECE_BYTES / 4));
}

static inline const uint32_t *entry_at(const struct node *n, uint8_t slot)
{
    unsigned word = slot >> 6, bit = slot & 63u;
    unsigned index = view__count_bits(n->change[word] << (63 - bit)) - 1;
    if (word)
        index += n->before[word - 1];
    return (const uint32_t *)(const void *)n + n->entries_at + index;
}

/* From an entry on; i: the octet that its node would look at. Ends: an entry at the last bit of the
 * family is a leaf (view_build.c). */
static inline struct geo_found found_from(const struct geo_view *v, uint32_t entry,
                                          const struct ip *ip, unsigned i)
{
    for (; entry & ENTRY_CHILD; i++)
        entry = *entry_at(child(v, entry), ip->b[i]);
    return (struct geo_found){.class = (uint16_t)entry,
                              .kind = (uint8_t)(entry >> ENTRY_KIND_SHIFT),
                              .scope = (uint8_t)(entry >> ENTRY_SCOPE_SHIFT)};
}

struct geo_found geo_view_lookup(const struct geo_view *v, const struct ip *ip)
{
    return found_from(v, *root_at(v, ip), ip, ROOT_BITS / 8);
}

void geo_view_seek_root(const struct geo_view *v, const struct ip *ip, struct geo_seek *seek)
{
    seek->entry = root_at(v, ip);
    __builtin_prefetch(seek->entry);
}

void geo_view_seek_node(const struct geo_view *v, struct geo_seek *seek)
{
    seek->octet = ROOT_BITS / 8;
    if (*seek->entry & ENTRY_CHILD)
        __builtin_prefetch(child(v, *seek->entry));
}

void geo_view_seek_entry(const struct geo_view *v, const struct ip *ip, struct geo_seek *seek)
{
    if (*seek->entry & ENTRY_CHILD) {
        seek->entry = entry_at(child(v, *seek->entry), ip->b[seek->octet++]);
        __builtin_prefetch(seek->entry);
    }
}

struct geo_found geo_view_seek_end(const struct geo_view *v, const struct ip *ip,
                                   const struct geo_seek *seek)
{
    return found_from(v, *seek->entry, ip, seek->octet);
}

size_t geo_view_size_bytes(const struct geo_view *v)
{
    return v->size_bytes;
}

uint64_t geo_view_blocks_n(const struct geo_view *v)
{
    return v->blocks_n;
}

bool geo_view_each(const struct geo_view *v,
                   bool (*fn)(void *ctx, const struct ip_prefix *block, struct geo_found found),
                   void *ctx)
{
    for (unsigned family = 4; family <= 6; family += 2) {
        unsigned bits = family == 4 ? 32 : 128;
        u128 at = 0, last;
        do {
            struct ip_prefix block = {.ip = geo__address(family, at)};
            struct geo_found found = geo_view_lookup(v, &block.ip);
            block.len = found.scope;
            last = at | (found.scope == bits ? 0 : geo__family_last(family) >> found.scope);
            if (!fn(ctx, &block, found))
                return false;
            at = last + 1;
        } while (last != geo__family_last(family));
    }
    return true;
}
