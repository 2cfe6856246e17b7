#include "view_priv.h"

static inline const uint32_t *root_at(const struct geo_view *v, const struct ip *ip)
{
    return &v->root[ip->family == 6][(unsigned)ip->b[0] << 8 | ip->b[1]];
}

static inline uint32_t root_entry(const struct geo_view *v, const struct ip *ip)
{
    return *root_at(v, ip);
}

static inline const struct node *child(const struct geo_view *v, uint32_t entry)
{
    return (const void *)(v->pool + (size_t)(entry & ~ENTRY_CHILD) * (PIECE_BYTES / 4));
}

struct geo_found geo_view_lookup(const struct geo_view *v, const struct ip *ip)
{
    uint32_t entry = root_entry(v, ip);
    /* Ends: an entry at the last bit of the family is a leaf (view_build.c). */
    for (unsigned i = ROOT_BITS / 8; entry & ENTRY_CHILD; i++) {
        const struct node *n = child(v, entry);
        unsigned word = ip->b[i] >> 6, bit = ip->b[i] & 63u;
        unsigned index = view__count_bits(n->change[word] << (63 - bit)) - 1;
        if (word)
            index += n->before[word - 1];
        entry = ((const uint32_t *)(const void *)n)[n->entries_at + index];
    }
    return (struct geo_found){.class = (uint16_t)entry,
                              .kind = (uint8_t)(entry >> ENTRY_KIND_SHIFT),
                              .scope = (uint8_t)(entry >> ENTRY_SCOPE_SHIFT)};
}

void geo_view_prefetch_root(const struct geo_view *v, const struct ip *ip)
{
    __builtin_prefetch(root_at(v, ip));
}

void geo_view_prefetch(const struct geo_view *v, const struct ip *ip)
{
    uint32_t entry = root_entry(v, ip);
    if (entry & ENTRY_CHILD)
        __builtin_prefetch(child(v, entry));
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
