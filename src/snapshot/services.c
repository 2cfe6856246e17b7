/* Regions, maps and services into the tables of steering. */
#include "base/check.h"
#include "base/hash.h"
#include "snapshot_priv.h"

#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------------- regions, maps, latency */

static uint64_t digest_add(uint64_t digest, const void *bytes, size_t len)
{
    return hash_bytes(bytes, len, digest + 0x5bd1e995u);
}

static enum err compile_regions(struct compile *c)
{
    const struct model *m = c->m;
    struct steer_region *r = ARENA_ARRAY(c->s->arena, struct steer_region, m->regions_n + 1);
    if (!r)
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for regions");
    uint64_t digest = 1;
    for (uint32_t i = 0; i < m->regions_n; i++) {
        const struct model_region *in = &m->regions[i];
        r[i] = (struct steer_region){.name = in->name,
                                     .placed = in->placed,
                                     .lat = in->lat,
                                     .lon = in->lon,
                                     .bias_km = in->bias_km};
        double place[4] = {in->placed, in->lat, in->lon, in->bias_km};
        digest = digest_add(digest, place, sizeof place);
    }
    c->regions_digest = digest;
    c->s->regions = r;
    c->s->regions_n = m->regions_n;
    return ERR_OK;
}

static uint64_t digest_map(const struct model *m, const struct model_map *map)
{
    uint64_t digest = 2;
    for (uint32_t i = 0; i < map->rules_n; i++) {
        const struct model_rule *rule = &map->rules[i];
        digest = digest_add(digest, rule->where.text, strlen(rule->where.text));
        for (uint32_t k = 0; k < rule->regions_n; k++) {
            int index = model_region_index(m, rule->regions[k]);
            digest = digest_add(digest, &index, sizeof index);
        }
    }
    return digest;
}

static uint64_t digest_latency(const struct model *m)
{
    uint64_t digest = 3;
    for (uint32_t i = 0; i < m->latency_n; i++) {
        const struct model_latency *l = &m->latency[i];
        int index = model_region_index(m, l->region);
        digest = digest_add(digest, l->where.text, strlen(l->where.text));
        digest = digest_add(digest, &index, sizeof index);
        digest = digest_add(digest, &l->ms, sizeof l->ms);
    }
    return digest;
}

enum err compile_places(struct compile *c)
{
    const struct model *m = c->m;
    enum err e = compile_regions(c);
    if (e)
        return e;
    c->maps = calloc(m->maps_n + 1, sizeof *c->maps);
    c->map_digest = calloc(m->maps_n + 1, sizeof *c->map_digest);
    if (!c->maps || !c->map_digest)
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for maps");
    for (uint32_t i = 0; i < m->maps_n; i++) {
        c->maps[i] = steer_map_build(m, &m->maps[i], c->s->base, c->s->arena);
        c->map_digest[i] = digest_map(m, &m->maps[i]);
        if (!c->maps[i])
            return diag_error(c->diag, ERR_NOMEM, "", "out of memory for map %s", m->maps[i].name);
    }
    c->latency = steer_latency_build(m, c->s->base, c->s->arena);
    c->latency_digest = digest_latency(m);
    c->s->latency = c->latency;
    return c->latency ? ERR_OK
                      : diag_error(c->diag, ERR_NOMEM, "", "out of memory for the latency table");
}

/* ------------------------------------------------------------------------------------ services */

struct builder { /* where the next record goes */
    struct compile *c;
    struct steer_service *service;
    union steer_address *address; /* by endpoint */
    uint8_t *rdata;
    uint64_t *hash;
    uint8_t *site_region;
    uint32_t *endpoint_first, *site_first;
    uint64_t *region_hash;
    uint32_t endpoints, board_sites, rdata_len, hashes;
    struct layouts layouts;
    uint32_t before_at;               /* the next service of the last compilation */
    const struct snapshot_view *last; /* most services look like the one before */
    uint32_t last_index;
    uint32_t views_cap;
    struct steer_shape *shapes;
};

static bool has_step(const struct policy *p, enum policy_step_kind kind)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (p->step[i].kind == kind)
            return true;
    return false;
}

static enum policy_step_kind chooser_of(const struct policy *p)
{
    enum policy_step_kind last = p->n ? p->step[p->n - 1].kind : STEP_WEIGHTED;
    return last >= STEP_WEIGHTED ? last : STEP_WEIGHTED;
}

/* Priority numbers of a service, ascending: a tier is the place of one in this list. */
struct tiers {
    int64_t priority[STEER_UNITS_MAX];
    uint32_t n;
};

static void find_tiers(const struct model_service *svc, bool failover, struct tiers *t)
{
    t->n = 0;
    for (uint32_t i = 0; failover && i < svc->endpoints_n; i++) {
        int64_t p = svc->endpoints[i].priority;
        uint32_t at = 0;
        while (at < t->n && t->priority[at] < p)
            at++;
        if (at < t->n && t->priority[at] == p)
            continue;
        if (t->n == STEER_UNITS_MAX)
            return;
        memmove(&t->priority[at + 1], &t->priority[at], (t->n - at) * sizeof t->priority[0]);
        t->priority[at] = p;
        t->n++;
    }
}

static uint8_t tier_of(const struct tiers *t, int64_t priority)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->priority[i] == priority)
            return (uint8_t)i;
    return 0;
}

static void add_rdata(struct builder *b, const void *bytes, uint8_t len)
{
    memcpy(b->rdata + b->rdata_len, bytes, len);
    b->rdata_len += len;
}

/* The first endpoint of a service in the last compilation's tables, if it has the same ones: what an edit
 * leaves alone lies where it did. STEER_NONE: it has not. */
static uint32_t known_endpoints(struct builder *b, const struct model_service *svc)
{
    const struct snapshot *last = b->c->cache->last;
    const struct model_service *before = last ? last->model->services : NULL;
    uint32_t at = b->before_at, n = last ? last->services_n : 0;
    if (at + 1 < n && before[at].name != svc->name && before[at + 1].name == svc->name)
        at++; /* one is gone */
    if (at >= n || before[at].name != svc->name)
        return STEER_NONE;
    b->before_at = at + 1;
    return before[at].endpoints == svc->endpoints && before[at].endpoints_n == svc->endpoints_n
               ? last->service_endpoint_first[at]
               : STEER_NONE;
}

/* The octets of an address: 4 or 16. */
static void octets(const struct builder *b, const struct model_endpoint *in, uint32_t known,
                   struct ip *out)
{
    if (known != STEER_NONE) {
        uint8_t len;
        enum steer_family family = in->family == 4 ? STEER_V4 : STEER_V6;
        const uint8_t *rdata = steer_rdata(&b->c->cache->last->steer, known, family, &len);
        memcpy(out->b, rdata, len);
    } else
        CHECK(ip_parse(in->address, out)); /* that is where its family is from */
}

/* known: its number in the last compilation, STEER_NONE. */
static void add_endpoint(struct builder *b, const struct model_endpoint *in, uint32_t known,
                         bool sticky, struct steer_endpoint *out)
{
    union steer_address *address = &b->address[b->endpoints++];
    *out = (struct steer_endpoint){.weight = (uint32_t)in->weight & 0xffffff,
                                   .family = in->family == 4   ? STEER_V4
                                             : in->family == 6 ? STEER_V6
                                                               : STEER_HOST};
    struct ip ip;
    if (sticky)
        b->hash[b->hashes++] = steer_hash_name(in->address);
    if (in->family)
        octets(b, in, known, &ip);
    if (in->family == 4) {
        memcpy(address->a, ip.b, 4);
        return;
    }
    address->at = b->rdata_len;
    if (in->family == 6) {
        add_rdata(b, ip.b, 16);
        return;
    }
    struct dns_name name;
    CHECK(dns_name_from_text(in->address, &name)); /* validated */
    add_rdata(b, &name.len, 1);
    add_rdata(b, name.wire, name.len);
}

/* The weight of a site: the largest, over the families, of what its endpoints weigh together, so
 * that A and AAAA see the same one. */
static void weigh_site(const struct steer_endpoint *first, struct steer_site *site)
{
    uint64_t sum[3] = {0};
    for (uint32_t i = 0; i < site->endpoint_n; i++)
        sum[first[site->first + i].family] += first[site->first + i].weight;
    uint64_t top = sum[0] > sum[1] ? sum[0] : sum[1];
    top = top > sum[2] ? top : sum[2];
    site->weight = top > UINT32_MAX ? UINT32_MAX : (uint32_t)top;
}

/* Sites and endpoints of one service; endpoints come sorted by region and priority. */
static enum err add_sites(struct builder *b, const struct model_service *svc,
                          struct steer_service *out, const struct tiers *tiers,
                          struct steer_unit *units)
{
    struct steer_site site[STEER_UNITS_MAX], *last = NULL;
    struct steer_endpoint endpoint[MODEL_ENDPOINTS_PER_SERVICE_MAX];
    int region = -1;
    uint32_t known = known_endpoints(b, svc);
    for (uint32_t i = 0; i < svc->endpoints_n; i++) {
        const struct model_endpoint *e = &svc->endpoints[i];
        int own = model_region_index(b->c->m, e->region);
        CHECK(own >= 0); /* validated */
        uint8_t tier = tier_of(tiers, e->priority);
        bool new_region = own != region;
        if (new_region) {
            b->site_region[b->board_sites++] = (uint8_t)own;
            out->slots++;
        }
        if (new_region || last->tier != tier) {
            CHECK(out->site_n < STEER_UNITS_MAX);
            units[out->site_n] = (struct steer_unit){(uint8_t)own, tier};
            last = &site[out->site_n++];
            *last = (struct steer_site){.first = (uint16_t)i,
                                        .region = (uint8_t)own,
                                        .tier = tier,
                                        .slot = (uint8_t)(out->slots - 1)};
        }
        region = own;
        add_endpoint(b, e, known == STEER_NONE ? known : known + i, out->chooser == STEP_STICKY,
                     &endpoint[i]);
        last->endpoint_n++;
        out->families |= (uint8_t)(1u << endpoint[i].family);
    }
    for (uint32_t i = 0; i < out->site_n; i++)
        weigh_site(endpoint, &site[i]);
    return layouts_add(&b->layouts, site, out->site_n, endpoint, svc->endpoints_n, &out->layout);
}

static enum err add_view(struct builder *b, const struct snapshot_view *view,
                         const struct steer_shape *shape, uint32_t *index)
{
    struct snapshot *s = b->c->s;
    if (view == b->last) {
        view_unref(view); /* the snapshot holds one reference of each */
        *index = b->last_index;
        return ERR_OK;
    }
    uint32_t i = 0;
    while (i < s->views_n && s->views[i] != view)
        i++;
    if (i < s->views_n)
        view_unref(view);
    else {
        if (s->views_n == b->views_cap) {
            uint32_t cap = b->views_cap ? b->views_cap * 2 : 16;
            const struct snapshot_view **views =
                ARENA_ARRAY(s->arena, const struct snapshot_view *, cap);
            struct steer_shape *shapes = ARENA_ARRAY(s->arena, struct steer_shape, cap);
            if (!views || !shapes) {
                view_unref(view);
                return diag_error(b->c->diag, ERR_NOMEM, "", "out of memory for policies");
            }
            if (s->views_n) {
                memcpy(views, s->views, s->views_n * sizeof *views);
                memcpy(shapes, b->shapes, s->views_n * sizeof *shapes);
            }
            s->views = views;
            b->shapes = shapes;
            b->views_cap = cap;
        }
        b->shapes[i] = *shape;
        b->shapes[i].units =
            arena_dup(s->arena, shape->units, shape->units_n * sizeof *shape->units);
        s->views[s->views_n++] = view;
        s->shapes = b->shapes;
    }
    b->last = view;
    b->last_index = *index = i;
    return ERR_OK;
}

/* Is it the shape of the view found last? Then that need not be looked for. */
static bool like_last(const struct builder *b, const struct steer_shape *shape)
{
    const struct steer_shape *last = b->last ? &b->shapes[b->last_index] : NULL;
    return last && last->map == shape->map && last->latency == shape->latency &&
           last->units_n == shape->units_n &&
           memcmp(last->units, shape->units, shape->units_n * sizeof *shape->units) == 0 &&
           memcmp(&last->policy, &shape->policy, sizeof shape->policy) == 0;
}

static int map_index(const struct model *m, const char *name)
{
    const struct model_map *map = name ? model_map(m, name) : NULL;
    return map ? (int)(map - m->maps) : -1;
}

static enum err add_service(struct builder *b, uint32_t index)
{
    struct compile *c = b->c;
    const struct model_service *svc = &c->m->services[index];
    struct steer_service *out = &b->service[index];
    struct tiers tiers;
    struct steer_unit units[STEER_UNITS_MAX];
    *out = (struct steer_service){.endpoint_first = b->endpoints,
                                  .hash_first = b->hashes,
                                  .board_site = b->board_sites,
                                  .chooser = (uint8_t)chooser_of(svc->parsed),
                                  .on_empty = (uint8_t)svc->on_empty,
                                  .on_empty_service = STEER_NONE,
                                  .answers_max = (uint16_t)svc->answers};
    if (svc->on_empty == ON_EMPTY_SERVICE) {
        const struct model_service *other = model_service(c->m, svc->on_empty_service);
        CHECK(other); /* validated */
        out->on_empty_service = (uint32_t)(other - c->m->services);
    }
    b->endpoint_first[index] = b->endpoints;
    b->site_first[index] = b->board_sites;
    find_tiers(svc, has_step(svc->parsed, STEP_FAILOVER), &tiers);
    enum err e = add_sites(b, svc, out, &tiers, units);
    if (e)
        return diag_error(c->diag, e, "", "no room for the endpoints of %s", svc->name);

    bool placed = has_step(svc->parsed, STEP_FENCE) || has_step(svc->parsed, STEP_GEO) ||
                  has_step(svc->parsed, STEP_NEAREST) || has_step(svc->parsed, STEP_LATENCY);
    int map = map_index(c->m, svc->map);
    struct steer_shape shape = {.policy = *svc->parsed,
                                .regions = c->s->regions,
                                .regions_n = c->s->regions_n,
                                .map = placed && map >= 0 ? c->maps[map] : NULL,
                                .latency = has_step(svc->parsed, STEP_LATENCY) ? c->latency : NULL,
                                .base = c->s->base,
                                .units = units,
                                .units_n = out->site_n};
    if (like_last(b, &shape)) {
        out->view = b->last_index;
        return ERR_OK;
    }
    const struct snapshot_view *view = NULL;
    e = view_get(c, &shape, &view);
    return e ? e : add_view(b, view, &shape, &out->view);
}

/* How much room the tables need. */
struct room {
    size_t endpoints, sites, rdata, hashes;
};

/* Endpoints come sorted by region and priority. */
static void count(const struct model_service *svc, struct room *room)
{
    const struct model_endpoint *before = NULL;
    room->endpoints += svc->endpoints_n;
    room->hashes += chooser_of(svc->parsed) == STEP_STICKY ? svc->endpoints_n : 0;
    for (uint32_t k = 0; k < svc->endpoints_n; k++) {
        const struct model_endpoint *e = &svc->endpoints[k];
        room->sites += !before || e->region != before->region || e->priority != before->priority;
        room->rdata += e->family == 4 ? 0 : e->family == 6 ? 16 : strlen(e->address) + 3;
        before = e;
    }
}

static void *lines(struct arena *a, size_t n, size_t size)
{
    return arena_alloc_aligned(a, n * size, 64);
}

enum err compile_services(struct compile *c)
{
    const struct model *m = c->m;
    struct arena *arena = c->s->arena;
    uint32_t n = m->services_n;
    struct room room = {0};
    for (uint32_t i = 0; i < n; i++)
        count(&m->services[i], &room);
    if (room.endpoints >= UINT32_MAX || room.rdata >= UINT32_MAX)
        return diag_error(c->diag, ERR_LIMIT, "", "more endpoints than can be numbered");
    struct builder b = {.c = c, .last_index = 0};
    b.service = lines(arena, n + 1, sizeof *b.service);
    b.address = lines(arena, room.endpoints + 1, sizeof *b.address);
    b.rdata = lines(arena, room.rdata + 1, 1);
    b.hash = ARENA_ARRAY(arena, uint64_t, room.hashes + 1);
    b.site_region = ARENA_ARRAY(arena, uint8_t, room.sites + 1);
    b.endpoint_first = ARENA_ARRAY(arena, uint32_t, n + 1);
    b.site_first = ARENA_ARRAY(arena, uint32_t, n + 1);
    b.region_hash = ARENA_ARRAY(arena, uint64_t, m->regions_n + 1);
    if (arena_failed(arena))
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for %u services", n);
    for (uint32_t i = 0; i < m->regions_n; i++)
        b.region_hash[i] = steer_hash_name(m->regions[i].name);
    enum err e = ERR_OK;
    for (uint32_t i = 0; !e && i < n; i++)
        e = add_service(&b, i);
    const uint32_t *layout = e ? NULL : layouts_keep(&b.layouts, arena);
    layouts_fini(&b.layouts);
    if (!e && !layout)
        e = diag_error(c->diag, ERR_NOMEM, "", "out of memory for %u services", n);
    if (e)
        return e;
    b.endpoint_first[n] = b.endpoints;
    b.site_first[n] = b.board_sites;
    struct snapshot *s = c->s;
    s->steer.service = b.service;
    s->steer.layout = layout;
    s->steer.address = b.address;
    s->steer.rdata = b.rdata;
    s->steer.hash = b.hash;
    s->steer.region_hash = b.region_hash;
    s->services_n = n;
    s->endpoints_n = b.endpoints;
    s->board_sites_n = b.board_sites;
    s->board_site_region = b.site_region;
    s->service_endpoint_first = b.endpoint_first;
    s->service_site_first = b.site_first;
    return ERR_OK;
}
