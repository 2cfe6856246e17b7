/* The table of all names, kept while no name changed. It is a fifth of a compilation, and an edit of what a
 * service answers touches no name. */
#include "base/hash.h"
#include "snapshot_priv.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------- the key */

struct digest { /* of any length, in pieces, each with what came before in it */
    struct view_key key;
    size_t n;
    uint8_t bytes[4096];
};

static void flush(struct digest *d)
{
    static const uint8_t key_a[16] = "name key, part a", key_b[16] = "name key, part b";
    memcpy(d->bytes + d->n, &d->key, sizeof d->key);
    d->n += sizeof d->key;
    d->key = (struct view_key){siphash24(key_a, d->bytes, d->n), siphash24(key_b, d->bytes, d->n)};
    d->n = 0;
}

static void add(struct digest *d, const void *bytes, size_t len)
{
    for (const uint8_t *p = bytes; len > 0;) {
        size_t room = sizeof d->bytes - sizeof d->key - d->n, take = len < room ? len : room;
        memcpy(d->bytes + d->n, p, take);
        d->n += take;
        p += take;
        len -= take;
        if (take == room)
            flush(d);
    }
}

static void add_text(struct digest *d, const char *text)
{
    add(d, text, strlen(text) + 1);
}

static void add_number(struct digest *d, uint64_t n)
{
    add(d, &n, sizeof n);
}

static void add_zone(struct digest *d, const struct model_zone *z, const struct zone_input *in,
                     uint64_t file)
{
    add_text(d, z->name);
    add_number(d, (uint64_t)z->ttl_s);
    add_number(d, (uint64_t)z->negative_ttl_s);
    add_number(d, (uint64_t)in->unready << 1 | in->stale);
    add_number(d, file);
    add_number(d, z->ns_n);
    for (uint32_t i = 0; i < z->ns_n; i++) {
        add_text(d, z->ns[i].name);
        add_number(d, z->ns[i].addresses_n);
        for (uint32_t k = 0; k < z->ns[i].addresses_n; k++)
            add_text(d, z->ns[i].addresses[k]);
    }
}

/* Over all that the table is made of, but for the serials of the SOAs, which follow the revision. */
static struct view_key names_key(const struct model *m, const struct zone_input *zones,
                                 const struct zone_service_input *services, const uint64_t *files)
{
    struct digest d = {0};
    add_number(&d, m->zones_n);
    for (uint32_t i = 0; i < m->zones_n; i++)
        add_zone(&d, &m->zones[i], &zones[i], files[i]);
    for (uint32_t i = 0; i < m->services_n; i++) {
        add_text(&d, services[i].name);
        add(&d, &services[i].zone, sizeof services[i].zone);
    }
    flush(&d);
    return d.key;
}

/* ----------------------------------------------------------------------------------- the table */

struct names {
    _Atomic uint32_t refs;
    struct arena *arena;
    struct zone_tree tree;
    struct view_key key;
};

void names_unref(struct names *n)
{
    if (!n || atomic_fetch_sub(&n->refs, 1) != 1)
        return;
    arena_destroy(n->arena);
    free(n);
}

static enum err build(struct compile *c, const struct zone_input *zones,
                      const struct zone_service_input *services, struct view_key key,
                      struct names **out)
{
    struct names *n = calloc(1, sizeof *n);
    if (!n || !(n->arena = arena_create(0))) {
        free(n);
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for the table of names");
    }
    atomic_init(&n->refs, 1);
    n->key = key;
    arena_dense(n->arena);
    enum err e = zone_tree_build(zones, c->m->zones_n, services, c->m->services_n, n->arena,
                                 &n->tree, c->diag);
    if (e) {
        names_unref(n);
        return e;
    }
    arena_freeze(n->arena);
    *out = n;
    return ERR_OK;
}

enum err names_get(struct compile *c, const struct zone_input *zones,
                   const struct zone_service_input *services, const uint64_t *files)
{
    struct view_key key = names_key(c->m, zones, services, files);
    struct names *n = c->cache->names;
    if (n && n->key.a == key.a && n->key.b == key.b) {
        atomic_fetch_add(&n->refs, 1);
        c->s->names = n;
        if (zone_tree_renew(&n->tree, zones, c->s->arena, &c->s->tree) == ERR_OK)
            return ERR_OK;
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for the table of names");
    }
    enum err e = build(c, zones, services, key, &n);
    if (e)
        return e;
    names_unref(c->cache->names);
    c->cache->names = n;
    atomic_fetch_add(&n->refs, 1);
    c->s->names = n;
    c->s->tree = n->tree;
    return ERR_OK;
}
