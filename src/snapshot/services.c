/* Services into the tables of steering. */
#include "base/check.h"
#include "base/hash.h"
#include "snapshot_priv.h"

#include <stdlib.h>
#include <string.h>

/* Where the words of the next service go: on one line if they fit, else from the start of one. */
static uint32_t words_place(uint32_t *next, uint32_t slots, uint32_t endpoints_n)
{
    uint32_t n = steer_words_n(slots, endpoints_n), at = *next % STEER_LINE_WORDS;
    if (at > 0 && at + n > STEER_LINE_WORDS)
        *next += STEER_LINE_WORDS - at;
    uint32_t place = *next;
    *next += n;
    return place;
}

struct builder { /* where the next record goes */
    struct compile *c;
    struct steer_service *service;
    uint32_t *on_empty_service;
    uint8_t *rdata;
    uint64_t *hash;
    uint8_t *site_region;
    uint32_t *endpoint_first, *site_first;
    uint64_t *region_hash;
    uint32_t endpoints, board_sites, rdata_len, hashes, words;
    struct layouts layouts;
    const struct snapshot_view *last; /* most services look like the one before */
    uint32_t last_index;
    struct layout_moved {
        uint32_t was, is; /* of what serves, plus one, and here */
    } layout_moved[LAYOUTS_SEEN];
    uint32_t *view_moved; /* by view of what serves; STEER_NONE: not known yet */
    uint32_t views_cap;
    struct steer_shape *shapes;
};

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

static void add_endpoint(struct builder *b, const struct model_endpoint *in, bool sticky,
                         struct steer_endpoint *out, union steer_address *address)
{
    *out = (struct steer_endpoint){.weight = (uint32_t)in->weight & 0xffffff,
                                   .family = in->family == 4   ? STEER_V4
                                             : in->family == 6 ? STEER_V6
                                                               : STEER_HOST};
    struct ip ip;
    if (sticky)
        b->hash[b->hashes++] = steer_hash_name(in->address);
    if (in->family)
        CHECK(ip_parse(in->address, &ip)); /* that is where its family is from */
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

/* The words of a service, but for the addresses among them. */
static _Atomic uint32_t *put_words(struct builder *b, const struct model_service *svc,
                                   struct steer_service *out)
{
    out->words = words_place(&b->words, out->slots, svc->endpoints_n);
    _Atomic uint32_t *word = &b->c->s->steer.board.service[out->words];
    atomic_init(word++, (uint32_t)svc->ttl_s);
    for (uint32_t k = 0; k < out->slots; k++)
        atomic_init(word++, AVAIL_FULL);
    for (uint32_t k = 0; k < svc->endpoints_n; k++)
        atomic_init(&word[2 * k], AVAIL_FULL);
    return word + 1; /* of the first address */
}

static void put_address(_Atomic uint32_t *word, const union steer_address *address)
{
    uint32_t octets;
    memcpy(&octets, address, sizeof octets);
    atomic_init(word, octets);
}

/* Sites and endpoints of one service; endpoints come sorted by region and priority. */
static enum err add_sites(struct builder *b, const struct model_service *svc,
                          struct steer_service *out, struct steer_unit *units)
{
    struct tiers tiers;
    struct steer_site site[STEER_UNITS_MAX], *last = NULL;
    struct steer_endpoint endpoint[MODEL_ENDPOINTS_PER_SERVICE_MAX];
    union steer_address address[MODEL_ENDPOINTS_PER_SERVICE_MAX];
    int region = -1;
    find_tiers(svc, policy_has(svc->parsed, STEP_FAILOVER), &tiers);
    for (uint32_t i = 0; i < svc->endpoints_n; i++) {
        const struct model_endpoint *e = &svc->endpoints[i];
        int own = model_region_index(b->c->m, e->region);
        CHECK(own >= 0); /* validated */
        uint8_t tier = tier_of(&tiers, e->priority);
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
        add_endpoint(b, e, out->chooser == STEP_STICKY, &endpoint[i], &address[i]);
        last->endpoint_n++;
        out->families |= (uint8_t)(1u << endpoint[i].family);
    }
    for (uint32_t i = 0; i < out->site_n; i++)
        weigh_site(endpoint, &site[i]);
    _Atomic uint32_t *word = put_words(b, svc, out);
    for (uint32_t i = 0; i < svc->endpoints_n; i++)
        put_address(&word[2 * i], &address[i]);
    return layouts_add(&b->layouts, site, out->site_n, endpoint, svc->endpoints_n, &out->layout);
}

/* --------------------------------------------------------------- what is as it is in what serves */

static void copy_addresses(struct builder *b, uint32_t at, const struct steer_endpoint *endpoint,
                           uint32_t n, _Atomic uint32_t *word)
{
    const struct steer_tables *t = &b->c->cache->last->steer;
    uint32_t first = t->service[at].endpoint_first;
    for (uint32_t i = 0; i < n; i++) {
        union steer_address address = *steer_address_of(t, at, first + i);
        if (endpoint[i].family != STEER_V4) {
            const uint8_t *rdata = t->rdata + address.at;
            address.at = b->rdata_len;
            if (endpoint[i].family == STEER_V6)
                add_rdata(b, rdata, 16);
            else
                add_rdata(b, rdata, (uint8_t)(1 + *rdata));
        }
        put_address(&word[2 * i], &address);
    }
}

static enum err copy_layout(struct builder *b, const struct steer_service *was, uint32_t endpoint_n,
                            uint32_t *out)
{
    const struct steer_tables *t = &b->c->cache->last->steer;
    struct layout_moved *moved = &b->layout_moved[was->layout % LAYOUTS_SEEN];
    if (endpoint_n == 0)
        return ERR_OK; /* it has none, and out says so */
    if (moved->was == was->layout + 1) {
        *out = moved->is;
        return ERR_OK;
    }
    enum err e = layouts_add(&b->layouts, steer_sites(t, was), was->site_n, steer_endpoints(t, was),
                             endpoint_n, out);
    *moved = (struct layout_moved){was->layout + 1, *out};
    return e;
}

/* The same as add_sites, without a look at an endpoint. */
static enum err copy_sites(struct builder *b, const struct model_service *svc, uint32_t at,
                           struct steer_service *out, struct steer_unit *units)
{
    const struct snapshot *last = b->c->cache->last;
    const struct steer_service *was = &last->steer.service[at];
    const struct steer_site *site = steer_sites(&last->steer, was);
    out->site_n = was->site_n;
    out->slots = was->slots;
    out->families = was->families;
    for (uint32_t i = 0; i < was->site_n; i++)
        units[i] = (struct steer_unit){site[i].region, site[i].tier};
    memcpy(b->site_region + b->board_sites, last->board_site_region + was->board_site, was->slots);
    b->board_sites += was->slots;
    if (out->chooser == STEP_STICKY) {
        memcpy(b->hash + b->hashes, last->steer.hash + was->hash_first,
               svc->endpoints_n * sizeof *b->hash);
        b->hashes += svc->endpoints_n;
    }
    _Atomic uint32_t *word = put_words(b, svc, out);
    copy_addresses(b, at, steer_endpoints(&last->steer, was), svc->endpoints_n, word);
    return copy_layout(b, was, svc->endpoints_n, &out->layout);
}

/* ------------------------------------------------------------------------------------------ views */

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

static enum err find_view(struct builder *b, const struct model_service *svc,
                          const struct steer_unit *units, uint32_t units_n, uint32_t *index)
{
    struct compile *c = b->c;
    bool placed = policy_has(svc->parsed, STEP_FENCE) || policy_has(svc->parsed, STEP_GEO) ||
                  policy_has(svc->parsed, STEP_NEAREST) || policy_has(svc->parsed, STEP_LATENCY);
    int map = map_index(c->m, svc->map);
    struct steer_shape shape = {.policy = *svc->parsed,
                                .regions = c->s->regions,
                                .regions_n = c->s->regions_n,
                                .map = placed && map >= 0 ? c->maps[map] : NULL,
                                .latency =
                                    policy_has(svc->parsed, STEP_LATENCY) ? c->latency : NULL,
                                .base = c->s->base,
                                .units = units,
                                .units_n = units_n};
    if (like_last(b, &shape)) {
        *index = b->last_index;
        return ERR_OK;
    }
    const struct snapshot_view *view = NULL;
    enum err e = view_get(c, &shape, &view);
    return e ? e : add_view(b, view, &shape, index);
}

static enum err add_service(struct builder *b, uint32_t index)
{
    struct compile *c = b->c;
    const struct model_service *svc = &c->m->services[index];
    struct before before = c->before ? c->before[index] : (struct before){.at = BEFORE_NONE};
    struct steer_service *out = &b->service[index];
    struct steer_unit units[STEER_UNITS_MAX];
    *out = (struct steer_service){.endpoint_first = b->endpoints,
                                  .hash_first = b->hashes,
                                  .board_site = b->board_sites,
                                  .chooser = (uint8_t)chooser_of(svc->parsed),
                                  .on_empty = (uint8_t)svc->on_empty,
                                  .answers_max = (uint16_t)svc->answers};
    b->on_empty_service[index] = STEER_NONE;
    if (svc->on_empty == ON_EMPTY_SERVICE) {
        const struct model_service *other = model_service(c->m, svc->on_empty_service);
        CHECK(other); /* validated */
        b->on_empty_service[index] = (uint32_t)(other - c->m->services);
    }
    b->endpoint_first[index] = b->endpoints;
    b->site_first[index] = b->board_sites;
    b->endpoints += svc->endpoints_n;
    enum err e =
        before.same ? copy_sites(b, svc, before.at, out, units) : add_sites(b, svc, out, units);
    if (e)
        return diag_error(c->diag, e, "", "no room for the endpoints of %s", svc->name);
    uint32_t *moved = before.same && c->same_maps
                          ? &b->view_moved[c->cache->last->steer.service[before.at].view]
                          : NULL;
    if (moved && *moved != STEER_NONE) {
        out->view = *moved;
        return ERR_OK;
    }
    e = find_view(b, svc, units, out->site_n, &out->view);
    if (moved)
        *moved = out->view;
    return e;
}

/* How much room the tables need. endpoints < WORDS_MAX: their words can be numbered. */
#define WORDS_MAX (UINT32_MAX / 8)
struct room {
    size_t endpoints, sites, rdata, hashes;
    uint32_t words;
};

/* Endpoints come sorted by region and priority. Slots. */
static uint32_t count_sites(const struct model_service *svc, struct room *room)
{
    const struct model_endpoint *before = NULL;
    uint32_t slots = 0;
    for (uint32_t k = 0; k < svc->endpoints_n; k++) {
        const struct model_endpoint *e = &svc->endpoints[k];
        slots += !before || e->region != before->region;
        room->rdata += e->family == 4 ? 0 : e->family == 6 ? 16 : strlen(e->address) + 3;
        before = e;
    }
    return slots;
}

/* The same of one that is as it is in what serves. */
static uint32_t count_copied(const struct snapshot *last, uint32_t at, uint32_t n,
                             struct room *room)
{
    const struct steer_service *was = &last->steer.service[at];
    const struct steer_endpoint *endpoint = steer_endpoints(&last->steer, was);
    bool wide = was->families != 1u << STEER_V4;
    for (uint32_t i = 0; wide && i < n; i++)
        if (endpoint[i].family == STEER_V6)
            room->rdata += 16;
        else if (endpoint[i].family == STEER_HOST)
            room->rdata +=
                1u +
                last->steer.rdata[steer_address_of(&last->steer, at, was->endpoint_first + i)->at];
    return was->slots;
}

static void count(const struct compile *c, uint32_t i, struct room *room)
{
    const struct model_service *svc = &c->m->services[i];
    uint32_t n = svc->endpoints_n;
    uint32_t slots = c->before && c->before[i].same
                         ? count_copied(c->cache->last, c->before[i].at, n, room)
                         : count_sites(svc, room);
    room->endpoints += n;
    room->sites += slots;
    room->hashes += chooser_of(svc->parsed) == STEP_STICKY ? n : 0;
    (void)words_place(&room->words, slots, n);
}

static void *lines(struct arena *a, size_t n, size_t size)
{
    return arena_alloc_aligned(a, n * size, 64);
}

static bool begin(struct builder *b, struct compile *c, const struct room *room)
{
    const struct model *m = c->m;
    struct arena *arena = c->s->arena;
    uint32_t n = m->services_n, views = c->before ? c->cache->last->views_n : 0;
    *b = (struct builder){.c = c};
    b->service = lines(arena, n + 1, sizeof *b->service);
    b->on_empty_service = ARENA_ARRAY(arena, uint32_t, n + 1);
    b->rdata = lines(arena, room->rdata + 1, 1);
    b->hash = ARENA_ARRAY(arena, uint64_t, room->hashes + 1);
    b->site_region = ARENA_ARRAY(arena, uint8_t, room->sites + 1);
    b->endpoint_first = ARENA_ARRAY(arena, uint32_t, n + 1);
    b->site_first = ARENA_ARRAY(arena, uint32_t, n + 1);
    b->region_hash = ARENA_ARRAY(arena, uint64_t, m->regions_n + 1);
    b->view_moved = malloc((views + (size_t)1) * sizeof *b->view_moved);
    c->s->service_words = room->words;
    if (!b->view_moved || arena_failed(arena) || !board_alloc(c->s))
        return false;
    memset(b->view_moved, 0xff, views * sizeof *b->view_moved); /* STEER_NONE */
    for (uint32_t i = 0; i < m->regions_n; i++)
        b->region_hash[i] = steer_hash_name(m->regions[i].name);
    return true;
}

static void end(struct builder *b)
{
    layouts_fini(&b->layouts);
    free(b->view_moved);
}

static void put_tables(const struct builder *b, struct snapshot *s)
{
    uint32_t n = s->model->services_n;
    b->endpoint_first[n] = b->endpoints;
    b->site_first[n] = b->board_sites;
    s->steer.service = b->service;
    s->steer.on_empty_service = b->on_empty_service;
    s->steer.rdata = b->rdata;
    s->steer.hash = b->hash;
    s->steer.region_hash = b->region_hash;
    s->services_n = n;
    s->endpoints_n = b->endpoints;
    s->board_sites_n = b->board_sites;
    s->board_site_region = b->site_region;
    s->service_endpoint_first = b->endpoint_first;
    s->service_site_first = b->site_first;
}

enum err compile_services(struct compile *c)
{
    uint32_t n = c->m->services_n;
    struct room room = {0};
    struct builder b;
    for (uint32_t i = 0; i < n; i++)
        count(c, i, &room);
    if (room.endpoints >= WORDS_MAX || room.rdata >= UINT32_MAX)
        return diag_error(c->diag, ERR_LIMIT, "", "more endpoints than can be numbered");
    enum err e = ERR_OK;
    bool begun = begin(&b, c, &room);
    for (uint32_t i = 0; begun && !e && i < n; i++)
        e = add_service(&b, i);
    if (begun && !e)
        c->s->steer.layout = layouts_keep(&b.layouts, c->s->arena);
    end(&b);
    if (!e && !c->s->steer.layout)
        e = diag_error(c->diag, ERR_NOMEM, "", "out of memory for %u services", n);
    if (!e)
        put_tables(&b, c->s);
    return e;
}
