#include "view_priv.h"

#include "base/check.h"
#include "base/pages.h"

#include <stdlib.h>

/* Walks a family's ranges as blocks: neighbours with equal values are one range, a range falls into
 * the largest aligned blocks, in order. Such a block is the largest uniform one around each of its
 * addresses, because a larger one would be inside the same range: that is the scope (RFC 7871
 * §7.2.1). */
struct cursor {
    const struct geo_base *base;
    const uint32_t *leaf_of_spot; /* entries without scope */
    unsigned family, bits;
    size_t i;      /* the next range */
    u128 at, last; /* what is left of the current one */
    uint32_t leaf; /* its entry without scope */
    bool done;
};

struct build {
    struct cursor c;
    uint32_t *leaves; /* per spot */
    uint32_t *pool;
    size_t pieces_n, pieces_cap;
    uint64_t blocks_n;
    bool failed;
};

static size_t ranges_n(const struct cursor *c)
{
    return c->family == 4 ? c->base->v4.n : c->base->v6.n;
}

static u128 range_start(const struct cursor *c, size_t i)
{
    return c->family == 4 ? c->base->v4.start[i] : c->base->v6.start[i];
}

static uint32_t range_leaf(const struct cursor *c, size_t i)
{
    return c->leaf_of_spot[c->family == 4 ? c->base->v4.value[i] : c->base->v6.value[i]];
}

static void cursor_next_range(struct cursor *c)
{
    size_t n = ranges_n(c), i = c->i;
    c->done = i == n;
    if (c->done)
        return;
    c->at = range_start(c, i);
    c->leaf = range_leaf(c, i);
    for (i++; i < n && range_leaf(c, i) == c->leaf; i++)
        continue;
    c->last = i < n ? range_start(c, i) - 1 : geo__family_last(c->family);
    c->i = i;
}

static void cursor_open(struct cursor *c, const struct geo_base *base, const uint32_t *leaf_of_spot,
                        unsigned family)
{
    *c = (struct cursor){.base = base,
                         .leaf_of_spot = leaf_of_spot,
                         .family = family,
                         .bits = family == 4 ? 32 : 128};
    cursor_next_range(c);
}

/* Ranges that carry IPv4 clients stay apart from their neighbours whatever the caller says of them,
 * because those clients are looked up elsewhere: a scope that reached into them would lie. Only
 * where everything has one value there is nothing to tell apart. */
static uint32_t *make_leaves(const struct geo_base *b, const struct geo_value *of_spot)
{
    uint32_t *leaf = malloc(b->spots_n * sizeof *leaf);
    bool uniform = true;
    for (uint32_t i = 0; leaf && i < b->spots_n; i++) {
        leaf[i] = (uint32_t)of_spot[i].kind << ENTRY_KIND_SHIFT | of_spot[i].class;
        uniform = uniform && leaf[i] == leaf[0];
    }
    for (uint32_t i = 0; leaf && !uniform && i < b->spots_n; i++)
        if (b->spots[i].kind == GEO_KIND_EMBEDDED)
            leaf[i] = (uint32_t)GEO_KIND_EMBEDDED << ENTRY_KIND_SHIFT | of_spot[i].class;
    return leaf;
}

/* Takes the block at the cursor, whose size is 2^log2, and returns its entry. */
static uint32_t take_block(struct build *w, unsigned log2)
{
    struct cursor *c = &w->c;
    uint32_t entry = c->leaf | (c->bits - log2) << ENTRY_SCOPE_SHIFT;
    u128 last = log2 == 128 ? ~(u128)0 : c->at + (((u128)1 << log2) - 1);
    w->blocks_n++;
    if (last == c->last)
        cursor_next_range(c);
    else
        c->at = last + 1;
    return entry;
}

/* Appends pieces to the pool and returns the number of the first; 0 once it failed. */
static uint32_t add_pieces(struct build *w, size_t n)
{
    if (w->pieces_n + n > w->pieces_cap) {
        size_t cap = w->pieces_cap + w->pieces_cap / 2 + 1024;
        uint32_t *q = cap < ENTRY_CHILD ? realloc(w->pool, cap * PIECE_BYTES) : NULL;
        w->failed |= q == NULL;
        if (!q)
            return 0;
        pages_ready(q, w->pieces_cap * PIECE_BYTES, cap * PIECE_BYTES);
        w->pool = q;
        w->pieces_cap = cap;
    }
    size_t first = w->pieces_n;
    w->pieces_n += n;
    memset((char *)w->pool + first * PIECE_BYTES, 0, n * PIECE_BYTES);
    return (uint32_t)first;
}

static uint32_t write_node(struct build *w, const uint64_t change[4], const uint32_t *entries,
                           unsigned n)
{
    unsigned outside = n > NODE_INSIDE_MAX ? (4 * n + PIECE_BYTES - 1) / PIECE_BYTES : 0;
    uint32_t at = add_pieces(w, 1 + outside);
    if (w->failed)
        return 0;
    struct node node = {.entries_at = outside ? NODE_OUTSIDE_AT : NODE_INSIDE_AT};
    memcpy(node.change, change, sizeof node.change);
    unsigned before = 0;
    for (unsigned i = 0; i < 3; i++) {
        before += view__count_bits(change[i]);
        node.before[i] = (uint8_t)before;
    }
    uint32_t *words = w->pool + (size_t)at * (PIECE_BYTES / 4);
    memcpy(words, &node, sizeof node);
    memcpy(words + node.entries_at, entries, n * sizeof *entries);
    return at | ENTRY_CHILD;
}

/* Builds the node whose slots end after depth bits from the blocks at the cursor. */
static uint32_t build_node(struct build *w, unsigned depth)
{
    uint32_t entries[1u << STRIDE_BITS];
    uint64_t change[4] = {0};
    unsigned n = 0, slot_log2 = w->c.bits - depth;
    for (unsigned slot = 0; slot < 1u << STRIDE_BITS && !w->failed;) {
        unsigned log2 = geo__block_log2(w->c.at, w->c.last, w->c.bits);
        unsigned slots = log2 > slot_log2 ? 1u << (log2 - slot_log2) : 1;
        uint32_t entry =
            log2 >= slot_log2 ? take_block(w, log2) : build_node(w, depth + STRIDE_BITS);
        if (n == 0 || entries[n - 1] != entry) {
            change[slot >> 6] |= (uint64_t)1 << (slot & 63);
            entries[n++] = entry;
        }
        slot += slots;
    }
    return w->failed ? 0 : write_node(w, change, entries, n);
}

static void build_root(struct build *w, uint32_t *root)
{
    unsigned slot_log2 = w->c.bits - ROOT_BITS;
    for (unsigned slot = 0; slot < ROOT_SLOTS && !w->failed;) {
        unsigned log2 = geo__block_log2(w->c.at, w->c.last, w->c.bits);
        unsigned slots = log2 > slot_log2 ? 1u << (log2 - slot_log2) : 1;
        uint32_t entry =
            log2 >= slot_log2 ? take_block(w, log2) : build_node(w, ROOT_BITS + STRIDE_BITS);
        for (unsigned end = slot + slots; slot < end; slot++)
            root[slot] = entry;
    }
    CHECK(w->failed || w->c.done);
}

static enum err build(struct build *w, const struct geo_base *b, const struct geo_value *of_spot,
                      struct geo_view *v)
{
    v->arena = arena_create(0);
    w->leaves = make_leaves(b, of_spot);
    if (!v->arena || !w->leaves)
        return ERR_NOMEM;
    arena_dense(v->arena, true);
    for (unsigned f = 0; f < 2; f++) {
        uint32_t *root = arena_alloc_aligned(v->arena, ROOT_SLOTS * sizeof *root, PIECE_BYTES);
        if (!root)
            return ERR_NOMEM;
        cursor_open(&w->c, b, w->leaves, f ? 6 : 4);
        build_root(w, root);
        v->root[f] = root;
    }
    size_t size = w->pieces_n * PIECE_BYTES;
    void *pool = w->failed ? NULL : arena_alloc_aligned(v->arena, size ? size : 1, PIECE_BYTES);
    if (!pool)
        return ERR_NOMEM;
    if (size)
        memcpy(pool, w->pool, size);
    v->pool = pool;
    v->blocks_n = w->blocks_n;
    v->size_bytes = sizeof *v + arena_size_bytes(v->arena);
    arena_freeze(v->arena);
    return ERR_OK;
}

enum err geo_view_build(struct geo_base *b, const struct geo_value *of_spot, struct geo_view **out,
                        struct diag *diag)
{
    *out = NULL;
    struct geo_view *v = calloc(1, sizeof *v);
    struct build w = {0};
    enum err e = v ? geo__base_spread(b) : ERR_NOMEM;
    if (v)
        atomic_init(&v->refs, 1);
    if (!e)
        e = build(&w, b, of_spot, v);
    free(w.leaves);
    free(w.pool);
    if (e) {
        geo_view_unref(&v);
        return diag_error(diag, e, "geo", "out of memory for a map of %u spots", b->spots_n);
    }
    *out = v;
    return ERR_OK;
}

struct geo_view *geo_view_ref(struct geo_view *v)
{
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    return v;
}

void geo_view_unref(struct geo_view **view)
{
    struct geo_view *v = *view;
    *view = NULL;
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_destroy(v->arena);
    free(v);
}
