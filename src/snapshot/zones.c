/* Zones: files from the cache or read anew, apex data from the database where the file has none,
 * and the tree of all names. */
#include "base/beside.h"
#include "base/check.h"
#include "snapshot_priv.h"

#include <stdlib.h>
#include <string.h>

#define SOA_REFRESH_S 3600u
#define SOA_RETRY_S 600u
#define SOA_EXPIRE_S 1209600u

/* ------------------------------------------------------------------------------------ the files */

static void entry_free(struct zone_entry *z)
{
    if (!z)
        return;
    entry_free(z->before);
    arena_destroy(z->arena);
    free(z->name);
    free(z->file);
    free(z);
}

void cache_drop_zones(struct snapshot_cache *c)
{
    for (size_t i = 0; i < c->zones_n; i++)
        entry_free(c->zones[i]);
    free(c->zones);
    c->zones = NULL;
    c->zones_n = 0;
}

static struct zone_entry *cached(struct snapshot_cache *c, const struct model_zone *z)
{
    for (size_t i = 0; i < c->zones_n; i++)
        if (strcmp(c->zones[i]->name, z->name) == 0 && strcmp(c->zones[i]->file, z->file) == 0)
            return c->zones[i];
    return NULL;
}

/* Does the file stay what it was when it cannot be read? */
static bool keeps(const struct compile *c, const struct model_zone *z)
{
    const struct model *before = c->options->before;
    const struct model_zone *old = before ? model_zone(before, z->name) : NULL;
    return c->options->keep_zones || (old && old->file && strcmp(old->file, z->file) == 0);
}

static enum err load(struct compile *c, const struct model_zone *z, struct zone_entry **out)
{
    struct zone_entry *e = calloc(1, sizeof *e);
    struct dns_name origin;
    if (!e)
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for zone %s", z->name);
    e->name = strdup(z->name);
    e->file = strdup(z->file);
    e->arena = arena_create(0);
    if (!e->name || !e->file || !e->arena || !dns_name_from_text(z->name, &origin)) {
        entry_free(e);
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for zone %s", z->name);
    }
    struct diag *diag = c->diag, scratch = {0};
    bool keep = keeps(c, z);
    enum err err = zone_load_file(z->file, &origin, e->arena, &e->records, keep ? &scratch : diag);
    if (err) {
        char text[512];
        if (keep)
            diag_warning(diag, "", "%s; zone %s %s", diag_first(&scratch, text, sizeof text),
                         z->name,
                         cached(c->cache, z) ? "goes on as it was read before"
                                             : "has only its services until it can be read");
        entry_free(e);
        e = NULL;
    }
    diag_fini(&scratch);
    *out = e;
    return err;
}

static enum err remember(struct snapshot_cache *c, struct zone_entry *e, struct zone_entry *old)
{
    e->fresh = true;
    e->serial = ++c->zone_serial;
    for (size_t i = 0; i < c->zones_n; i++)
        if (old && c->zones[i] == old) {
            e->before = old;
            c->zones[i] = e;
            return ERR_OK;
        }
    void *p = realloc(c->zones, (c->zones_n + 1) * sizeof(struct zone_entry *));
    if (!p) {
        entry_free(e);
        return ERR_NOMEM;
    }
    c->zones = p;
    c->zones[c->zones_n++] = e;
    return ERR_OK;
}

/* The records of a zone's file; NULL without one. With keep_zones a file that cannot be read leaves
 * what was read before (stale), or a zone that knows only its services (unready). */
static enum err get_records(struct compile *c, const struct model_zone *z, struct zone_input *in,
                            uint64_t *serial)
{
    in->records = NULL;
    *serial = 0;
    if (!z->file)
        return ERR_OK;
    struct zone_entry *old = cached(c->cache, z), *fresh = NULL;
    if (!old || c->cache->recheck_zones) {
        enum err e = load(c, z, &fresh);
        if (e && !keeps(c, z))
            return e;
        if (fresh) {
            e = remember(c->cache, fresh, old);
            if (e)
                return diag_error(c->diag, e, "", "out of memory for zone %s", z->name);
            old = fresh;
        } else if (old) {
            old->stale = true;
        }
    }
    if (old) {
        old->used = true;
        in->records = old->records;
        *serial = old->serial;
        in->stale = old->stale;
    }
    in->unready = !old;
    return ERR_OK;
}

static void keep_used(struct snapshot_cache *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->zones_n; i++)
        if (c->zones[i]->used)
            c->zones[kept++] = c->zones[i];
        else
            entry_free(c->zones[i]);
    c->zones_n = kept;
}

/* What was read for a compilation that failed, or that was only tried, is not what serves: the next one
 * shall not find it. */
void cache_settle_zones(struct snapshot_cache *c, bool serves)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->zones_n; i++) {
        struct zone_entry *z = c->zones[i], *before = z->before;
        z->before = NULL;
        if (serves || !z->fresh) {
            entry_free(before);
        } else {
            entry_free(z);
            z = before;
        }
        if (!z)
            continue;
        z->fresh = false;
        c->zones[kept++] = z;
    }
    c->zones_n = kept;
    if (serves)
        keep_used(c);
    for (size_t i = 0; i < c->zones_n; i++)
        c->zones[i]->used = false;
}

/* ---------------------------------------------------------------- apex data from the database */

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static struct zone_rr *rdata(struct arena *a, const void *bytes, size_t len)
{
    struct zone_rr *rr = ARENA_NEW(a, struct zone_rr);
    if (rr)
        *rr = (struct zone_rr){.rdata_len = (uint16_t)len, .rdata = arena_dup(a, bytes, len)};
    return rr;
}

/* A zone whose file, the only place of its name servers, could not be read still has its services. */
static bool stands_in(const struct model_zone *z, const struct zone_records *records)
{
    return z->ns_n == 0 && z->file && !records;
}

/* RFC 1035 §3.3.13. The serial is the revision: it grows with every edit. */
static void make_soa(struct compile *c, const struct model_zone *z, const struct dns_name *origin,
                     struct zone_rrset *out)
{
    uint8_t buf[2 * DNS_NAME_MAX + 20];
    struct dns_name mname = *origin, rname;
    char text[DNS_NAME_TEXT_MAX + 16] = "hostmaster.";
    if (z->ns_n)
        CHECK(dns_name_from_text(z->ns[0].name, &mname));
    strcat(text, z->name);
    if (!dns_name_from_text(text, &rname))
        rname = *origin; /* a zone name too long for one more label */
    size_t len = 0;
    memcpy(buf, mname.wire, mname.len);
    len += mname.len;
    memcpy(buf + len, rname.wire, rname.len);
    len += rname.len;
    put32(buf + len, (uint32_t)c->m->revision);
    put32(buf + len + 4, SOA_REFRESH_S);
    put32(buf + len + 8, SOA_RETRY_S);
    put32(buf + len + 12, SOA_EXPIRE_S);
    put32(buf + len + 16, (uint32_t)z->negative_ttl_s);
    *out = (struct zone_rrset){.owner = *origin,
                               .type = DNS_SOA,
                               .ttl = (uint32_t)z->ttl_s,
                               .n = 1,
                               .rr = rdata(c->s->arena, buf, len + 20),
                               .file = ""};
}

static void make_ns(struct compile *c, const struct model_zone *z, const struct dns_name *origin,
                    struct zone_rrset *out)
{
    uint32_t ns_n = z->ns_n ? z->ns_n : 1;
    struct zone_rr *rr = ARENA_ARRAY(c->s->arena, struct zone_rr, ns_n);
    for (uint32_t i = 0; rr && i < ns_n; i++) {
        struct dns_name name = *origin;
        CHECK(z->ns_n == 0 || dns_name_from_text(z->ns[i].name, &name));
        rr[i] = (struct zone_rr){.rdata_len = name.len,
                                 .rdata = arena_dup(c->s->arena, name.wire, name.len)};
    }
    *out = (struct zone_rrset){.owner = *origin,
                               .type = DNS_NS,
                               .ttl = (uint32_t)z->ttl_s,
                               .n = (uint16_t)ns_n,
                               .rr = rr,
                               .file = ""};
}

/* Addresses of one name server and family, where its name lies in the zone. */
static bool make_glue(struct compile *c, const struct model_zone *z, const struct model_ns *ns,
                      const struct dns_name *origin, uint8_t family, struct zone_rrset *out)
{
    struct dns_name name;
    CHECK(dns_name_from_text(ns->name, &name));
    struct zone_rr *rr = ARENA_ARRAY(c->s->arena, struct zone_rr, ns->addresses_n + 1);
    uint16_t n = 0;
    for (uint32_t i = 0; rr && dns_name_within(&name, origin) && i < ns->addresses_n; i++) {
        struct ip ip;
        CHECK(ip_parse(ns->addresses[i], &ip));
        if (ip.family == family) {
            size_t len = family == 4 ? 4 : 16;
            rr[n++] = (struct zone_rr){.rdata_len = (uint16_t)len,
                                       .rdata = arena_dup(c->s->arena, ip.b, len)};
        }
    }
    *out = (struct zone_rrset){.owner = name,
                               .type = family == 4 ? DNS_A : DNS_AAAA,
                               .ttl = (uint32_t)z->ttl_s,
                               .n = n,
                               .rr = rr,
                               .file = ""};
    return n > 0;
}

static enum err make_extra(struct compile *c, const struct model_zone *z, struct zone_input *in)
{
    struct zone_rrset *x = ARENA_ARRAY(c->s->arena, struct zone_rrset, 2 + 2 * (size_t)z->ns_n);
    if (!x)
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for zone %s", z->name);
    size_t n = 0;
    make_soa(c, z, &in->name, &x[n++]);
    if (z->ns_n || stands_in(z, in->records))
        make_ns(c, z, &in->name, &x[n++]);
    for (uint32_t i = 0; i < z->ns_n; i++) {
        n += make_glue(c, z, &z->ns[i], &in->name, 4, &x[n]);
        n += make_glue(c, z, &z->ns[i], &in->name, 6, &x[n]);
    }
    in->extra = x;
    in->extra_n = n;
    return ERR_OK;
}

/* ------------------------------------------------------------------------------------- the tree */

/* With fewer services the table is made sooner than a thread is. */
#define BESIDE_SERVICES_MIN 4096

struct zones_work {
    struct zone_input *zones;
    uint64_t *files;
    struct compile c; /* of the thread: findings apart */
    struct diag diag;
    struct names *names;
    struct beside work;
    enum err e;
};

static void find_names(void *ctx)
{
    struct zones_work *w = ctx;
    w->e = names_find(&w->c, w->zones, w->files, &w->names);
}

static struct zones_work *work_create(const struct compile *c)
{
    struct zones_work *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->zones = calloc(c->m->zones_n + 1, sizeof *w->zones);
    w->files = calloc(c->m->zones_n + 1, sizeof *w->files);
    w->c = *c;
    w->c.diag = &w->diag;
    return w;
}

static enum err zone_inputs(struct compile *c, struct zones_work *w)
{
    const struct model *m = c->m;
    enum err first = ERR_OK;
    for (uint32_t i = 0; i < m->zones_n; i++) {
        CHECK(dns_name_from_text(m->zones[i].name, &w->zones[i].name));
        enum err one = get_records(c, &m->zones[i], &w->zones[i], &w->files[i]);
        if (one)
            first = one; /* the next zone's findings are wanted too */
        enum err e = make_extra(c, &m->zones[i], &w->zones[i]);
        if (e)
            return e;
    }
    return first;
}

/* The only failure that may leave its sentence to us. */
static enum err told(struct compile *c, enum err e)
{
    if (e == ERR_NOMEM && !(c->diag && c->diag->errors))
        diag_error(c->diag, e, "", "out of memory while compiling zones");
    return e;
}

enum err compile_zones_begin(struct compile *c, struct zones_work **out)
{
    struct zones_work *w = *out = work_create(c);
    if (!w || !w->zones || !w->files)
        return told(c, ERR_NOMEM);
    enum err e = zone_inputs(c, w);
    if (e)
        return told(c, e);
    if (c->m->services_n >= BESIDE_SERVICES_MIN)
        beside_begin(&w->work, "names", find_names, w);
    else
        find_names(w);
    return ERR_OK;
}

enum err compile_zones_end(struct compile *c, struct zones_work **wp, bool wanted)
{
    struct zones_work *w = *wp;
    *wp = NULL;
    if (!w)
        return ERR_OK;
    beside_end(&w->work);
    enum err e = w->e;
    if (wanted) {
        diag_take(c->diag, &w->diag);
        if (!e)
            e = names_put(c, w->zones, w->names);
    } else {
        diag_fini(&w->diag);
        names_unref(w->names);
    }
    free(w->zones);
    free(w->files);
    free(w);
    return wanted ? told(c, e) : ERR_OK;
}
