/* The table of all names, kept while no name changed: an edit of what a service answers touches none. Where
 * services come and go it is changed, else built, which is a fifth of a compilation. */
#include "base/check.h"
#include "base/hash.h"
#include "base/pages.h"
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

/* Over all of the zones that the table is made of, but for the serials of the SOAs, which follow the
 * revision. */
static struct view_key zones_key(const struct model *m, const struct zone_input *zones,
                                 const uint64_t *files)
{
    struct digest d = {0};
    add_number(&d, m->zones_n);
    for (uint32_t i = 0; i < m->zones_n; i++)
        add_zone(&d, &m->zones[i], &zones[i], files[i]);
    flush(&d);
    return d.key;
}

static bool key_equal(struct view_key x, struct view_key y)
{
    return x.a == y.a && x.b == y.b;
}

/* ----------------------------------------------------------------------------------- the table */

struct names {
    _Atomic uint32_t refs;
    struct arena *arena;
    struct zone_tree tree;
    struct view_key zones;
};

void names_unref(struct names *n)
{
    if (!n || atomic_fetch_sub(&n->refs, 1) != 1)
        return;
    arena_destroy(n->arena);
    free(n);
}

static struct names *create(struct view_key zones)
{
    struct names *n = calloc(1, sizeof *n);
    if (!n || !(n->arena = arena_create(0))) {
        free(n);
        return NULL;
    }
    atomic_init(&n->refs, 1);
    n->zones = zones;
    arena_dense(n->arena, true);
    return n;
}

/* The zone of a service is the zone's own text, and mostly that of the service before. */
static void list_service(const struct model *m, uint32_t i, struct zone_service_input *services)
{
    const struct model_service *s = &m->services[i];
    if (i > 0 && s->zone == s[-1].zone && services[i - 1].name == s[-1].name) {
        services[i] = (struct zone_service_input){s->name, services[i - 1].zone};
        return;
    }
    const struct model_zone *z = s->zone ? model_zone(m, s->zone) : NULL;
    CHECK(z); /* validated */
    services[i] = (struct zone_service_input){s->name, (uint32_t)(z - m->zones)};
}

/* What became of the services that serve; lists those that are new. */
static void compare(const struct compile *c, uint32_t *now, uint32_t *added,
                    struct zone_service_input *services, struct zone_services_change *out)
{
    uint32_t was_n = c->cache->last->services_n, added_n = 0;
    memset(now, 0xff, was_n * sizeof *now); /* ZONE_NONE */
    for (uint32_t i = 0; i < c->m->services_n; i++)
        if (c->before[i].at != BEFORE_NONE)
            now[c->before[i].at] = i;
        else
            added[added_n++] = i;
    for (uint32_t i = 0; i < added_n; i++)
        list_service(c->m, added[i], services);
    *out = (struct zone_services_change){now, added, was_n - c->kept_n, added_n};
}

/* A table with the names of services put in and taken out. NULL: it is to be built. */
static struct names *change(const struct compile *c, const struct zone_input *zones,
                            const struct names *like)
{
    uint32_t *now = malloc((c->cache->last->services_n + (size_t)1) * sizeof *now);
    uint32_t *added = malloc((c->m->services_n + (size_t)1) * sizeof *added);
    struct zone_service_input *services = calloc(c->m->services_n + (size_t)1, sizeof *services);
    struct names *n = now && added && services ? create(like->zones) : NULL;
    struct zone_services_change change;
    if (n) {
        compare(c, now, added, services, &change);
        if (!zone_tree_change(&like->tree, zones, services, &change, n->arena, &n->tree)) {
            names_unref(n);
            n = NULL;
        }
    }
    free(now);
    free(added);
    free(services);
    return n;
}

/* The table of what serves where the same names are in it: a new reference; or a changed one. NULL: it is to
 * be built. A service's name says which zone it is in. */
static struct names *reuse(const struct compile *c, const struct zone_input *zones,
                           struct view_key key)
{
    const struct snapshot *last = c->cache->last;
    if (!last || !key_equal(last->names->zones, key))
        return NULL;
    if (c->kept_n != last->services_n || c->kept_n != c->m->services_n)
        return change(c, zones, last->names);
    atomic_fetch_add(&last->names->refs, 1);
    return last->names;
}

static enum err build(struct compile *c, const struct zone_input *zones, struct view_key key,
                      struct names **out)
{
    struct zone_service_input *services = calloc(c->m->services_n + (size_t)1, sizeof *services);
    struct names *n = services ? create(key) : NULL;
    if (!n) {
        free(services);
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for the table of names");
    }
    pages_ready(services, 0, c->m->services_n * sizeof *services);
    for (uint32_t i = 0; i < c->m->services_n; i++)
        list_service(c->m, i, services);
    enum err e = zone_tree_build(zones, c->m->zones_n, services, c->m->services_n, n->arena,
                                 &n->tree, c->diag);
    free(services);
    if (e)
        names_unref(n);
    else
        *out = n;
    return e;
}

enum err names_find(struct compile *c, const struct zone_input *zones, const uint64_t *files,
                    struct names **out)
{
    struct view_key key = zones_key(c->m, zones, files);
    *out = reuse(c, zones, key);
    return *out ? ERR_OK : build(c, zones, key, out);
}

enum err names_put(struct compile *c, const struct zone_input *zones, struct names *n)
{
    const struct snapshot *last = c->cache->last;
    c->s->names = n;
    if (last && n == last->names) {
        if (zone_tree_renew(&n->tree, zones, c->s->arena, &c->s->tree) == ERR_OK)
            return ERR_OK;
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for the table of names");
    }
    arena_freeze(n->arena);
    c->s->tree = n->tree;
    return ERR_OK;
}
