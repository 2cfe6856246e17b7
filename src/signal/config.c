/* The engine's configuration from a snapshot. */
#include "base/arena.h"
#include "base/check.h"
#include "base/hash.h"
#include "probe/runner.h"
#include "signal/wiring.h"

#include "signal_priv.h"

#include <stdlib.h>
#include <string.h>

struct signal_config { /* in one piece with its texts */
    struct health_config config;
    uint32_t *probe_of; /* NULL until something is probed */
    uint32_t probed_n;
    struct arena *arena;
    struct signal_dependency *dependency;
    uint32_t dependencies_n;
};

const struct model_probe *signal_probe_of(const struct model *m, const struct model_service *svc,
                                          const struct model_endpoint *e)
{
    const char *name = e->probe ? e->probe : svc->probe;
    return name ? model_probe(m, name) : NULL;
}

static struct health_probe_config *make_probes(struct arena *a, const struct model *m)
{
    struct health_probe_config *out = ARENA_ARRAY(a, struct health_probe_config, m->probes_n + 1);
    for (uint32_t i = 0; out && i < m->probes_n; i++) {
        const struct model_probe *p = &m->probes[i];
        out[i] = (struct health_probe_config){.name = p->name,
                                              .port = probe_port(p),
                                              .interval_ms = (uint32_t)p->interval_ms,
                                              .timeout_ms = (uint32_t)p->timeout_ms,
                                              .fall = (uint32_t)p->fall,
                                              .rise = (uint32_t)p->rise};
    }
    return out;
}

static void fill_service(const struct model *m, const struct model_service *svc,
                         struct health_service_config *out)
{
    struct model_effective e = model_service_effective(m, svc);
    memset(out, 0, sizeof *out); /* what lies between the members is compared, too */
    out->ttl_s = (uint32_t)svc->ttl_s;
    out->ttl_moving_s = (uint32_t)e.ttl_moving_s;
    out->degrade = e.degrade;
    out->fail = e.fail;
    out->ramp_ms = (uint32_t)e.ramp_ms;
    out->hold_ms = (uint32_t)e.hold_ms;
    out->window_ms = (uint32_t)e.window_ms;
    out->panic = e.panic;
    out->min_regions = (uint32_t)e.min_regions;
    out->min_capacity = e.min_capacity;
    out->max_move = e.max_move;
    out->failback = e.failback == FAILBACK_AFTER  ? HEALTH_FAILBACK_AFTER
                    : e.failback == FAILBACK_HOLD ? HEALTH_FAILBACK_HOLD
                                                  : HEALTH_FAILBACK_AUTO;
    out->failback_after_ms = (uint32_t)e.failback_after_ms;
}

/* Services are of a few kinds: one is kept once for as long as its place is not taken by another. NULL
 * past the memory, which the arena remembers. */
struct kinds {
    const struct health_service_config *last, *slot[256];
};

static const struct health_service_config *service_kind(struct arena *a, struct kinds *kinds,
                                                        const struct model *m,
                                                        const struct model_service *svc)
{
    struct health_service_config own;
    fill_service(m, svc, &own);
    if (kinds->last && memcmp(kinds->last, &own, sizeof own) == 0)
        return kinds->last;
    const struct health_service_config **slot =
        &kinds->slot[hash_bytes(&own, sizeof own, 0) % ARRAY_LEN(kinds->slot)];
    if (!*slot || memcmp(*slot, &own, sizeof own) != 0) {
        struct health_service_config *kept = ARENA_NEW(a, struct health_service_config);
        if (kept)
            memcpy(kept, &own, sizeof own);
        *slot = kept;
    }
    return kinds->last = *slot;
}

double signal__share(const struct model *m, const char *key, double fallback)
{
    const char *text = model_setting(m, key);
    char *end;
    double v = text ? strtod(text, &end) : fallback;
    return text && *end == '%' ? v / 100 : v;
}

/* "192.0.2.5", or "192.0.2.5,192.0.2.6" of a probe that is of others. */
static const char *targets_of(struct arena *a, const struct model *m, const struct model_probe *p)
{
    const char *text = p->target ? p->target : "";
    for (uint32_t i = 0; !p->target && text && i < p->of_n; i++) {
        const struct model_probe *one = model_probe(m, p->of[i]);
        text = arena_printf(a, "%s%s%s", text, *text ? "," : "", one ? one->target : "");
    }
    return text;
}

/* The endpoint has this probe. The table of them is made for the first: n endpoints in all. */
static void set_probe(struct signal_config *c, uint32_t n, uint32_t slot, ptrdiff_t probe)
{
    if (!c->probe_of)
        c->probe_of = ARENA_ARRAY(c->arena, uint32_t, n);
    if (c->probe_of)
        c->probe_of[slot] = (uint32_t)probe + 1;
}

/* One service for all, which is none; a site with one endpoint for each region that depends. */
static void add_dependencies(struct signal_config *c, const struct snapshot *s,
                             struct health_service *service, struct health_site_config *site,
                             struct health_endpoint_config *endpoint,
                             struct health_region_config *region)
{
    const struct model *m = s->model;
    static const struct health_service_config none = {
        .ttl_s = 1, .fail = 1, .ramp_ms = 1000, .dependencies = true};
    service[s->services_n] = (struct health_service){"(dependency)", &none};
    for (uint32_t i = 0; i < s->regions_n; i++) {
        const struct model_probe *p =
            m->regions[i].depends_on ? model_probe(m, m->regions[i].depends_on) : NULL;
        region[i].dependency = HEALTH_NONE;
        if (!p)
            continue;
        uint32_t k = c->dependencies_n++, slot = s->endpoints_n + k;
        struct signal_dependency *d = &c->dependency[k];
        *d = (struct signal_dependency){.slot = slot,
                                        .first = slot,
                                        .region = i,
                                        .probe = p,
                                        .address = targets_of(c->arena, m, p)};
        for (uint32_t j = 0; j < k && d->first == slot; j++)
            if (c->dependency[j].probe == p)
                d->first = c->dependency[j].first;
        region[i].dependency = slot;
        site[s->board_sites_n + k] = (struct health_site_config){.service = s->services_n,
                                                                 .region = (uint8_t)i,
                                                                 .endpoint_first = slot,
                                                                 .endpoint_n = 1};
        endpoint[slot] = (struct health_endpoint_config){
            .address = d->address, .site = s->board_sites_n + k, .weight = 1};
        set_probe(c, s->endpoints_n + s->regions_n, slot, p - m->probes);
    }
}

const struct signal_dependency *signal_dependencies(const struct signal_config *c, uint32_t *n)
{
    *n = c->dependencies_n;
    return c->dependency;
}

struct signal_config *signal_config_create(const struct snapshot *s)
{
    const struct model *m = s->model;
    struct arena *a = arena_create(0);
    if (!a)
        return NULL;
    arena_dense(a, true);
    struct signal_config *c = ARENA_NEW(a, struct signal_config);
    struct health_endpoint_config *endpoint =
        ARENA_ARRAY(a, struct health_endpoint_config, s->endpoints_n + s->regions_n + 1);
    struct health_site_config *site =
        ARENA_ARRAY(a, struct health_site_config, s->board_sites_n + s->regions_n + 1);
    struct health_service *service = ARENA_ARRAY(a, struct health_service, s->services_n + 1);
    struct health_region_config *region =
        ARENA_ARRAY(a, struct health_region_config, s->regions_n + 1);
    struct health_probe_config *probes = make_probes(a, m);
    struct signal_dependency *dependency = ARENA_ARRAY(a, struct signal_dependency, s->regions_n);
    if (arena_failed(a)) {
        arena_destroy(a);
        return NULL;
    }
    struct kinds kinds = {0};
    c->arena = a;
    c->dependency = dependency;
    for (uint32_t i = 0; i < s->regions_n; i++)
        region[i] = (struct health_region_config){.name = m->regions[i].name,
                                                  .capacity = (double)m->regions[i].capacity};
    for (uint32_t i = 0; i < s->services_n; i++) {
        const struct model_service *svc = &m->services[i];
        service[i] = (struct health_service){svc->name, service_kind(a, &kinds, m, svc)};
        for (uint32_t at = s->service_site_first[i]; at < s->service_site_first[i + 1]; at++)
            site[at] =
                (struct health_site_config){.service = i, .region = s->board_site_region[at]};
        uint32_t first = s->service_endpoint_first[i];
        for (uint32_t k = 0; k < svc->endpoints_n; k++) {
            uint32_t own = snapshot_board_site(s, i, first + k);
            const struct model_endpoint *e = &svc->endpoints[k];
            const struct model_probe *p = signal_probe_of(m, svc, e);
            c->probed_n += p != NULL;
            endpoint[first + k] = (struct health_endpoint_config){
                .address = e->address, .site = own, .weight = (uint32_t)e->weight};
            if (p)
                set_probe(c, s->endpoints_n + s->regions_n, first + k, p - m->probes);
            if (site[own].endpoint_n++ == 0)
                site[own].endpoint_first = first + k;
        }
    }
    add_dependencies(c, s, service, site, endpoint, region);
    if (arena_failed(a)) {
        arena_destroy(a);
        return NULL;
    }
    const char *samples = model_setting(m, "min-samples");
    uint32_t more = c->dependencies_n;
    c->config = (struct health_config){
        .endpoint = endpoint,
        .site = site,
        .service = service,
        .region = region,
        .probe = probes,
        .probe_of = c->probe_of,
        .probes_n = m->probes_n,
        .endpoints_n = s->endpoints_n + more,
        .sites_n = s->board_sites_n + more,
        .services_n = s->services_n + (more > 0),
        .regions_n = s->regions_n,
        .dead_band = signal__share(m, "dead-band", 0.05),
        .samples_min = samples ? (uint32_t)atoi(samples) : 10,
        .degrade = m->defaults.degrade,
        .fail = m->defaults.fail,
        .window_ms = m->defaults.window_ms > 0 ? (uint32_t)m->defaults.window_ms : 0,
        .load_high = signal__share(m, "load-high", 0.90),
        .load_low = signal__share(m, "load-low", 0.70)};
    return c;
}

void signal_config_destroy(struct signal_config **cp)
{
    struct signal_config *c = *cp;
    *cp = NULL;
    if (c)
        arena_destroy(c->arena);
}

const struct health_config *signal_config_engine(const struct signal_config *c)
{
    return &c->config;
}

uint32_t signal_config_probed_n(const struct signal_config *c)
{
    return c->probed_n;
}
