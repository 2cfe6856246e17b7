#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sim_fail(struct sim *s, const char *fmt, ...)
{
    if (s->failure[0])
        return;
    va_list ap;
    va_start(ap, fmt);
    int n = snprintf(s->failure, sizeof s->failure, "at %.3f s: ", (double)s->now / 1000);
    vsnprintf(s->failure + n, sizeof s->failure - (size_t)n, fmt, ap);
    va_end(ap);
}

static void shuffle(struct sim *s, uint32_t *a, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        a[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t k = rng_below(&s->rng, i), t = a[i - 1];
        a[i - 1] = a[k];
        a[k] = t;
    }
}

/* A configuration of what is present, numbered at random. */
static void configure(struct sim *s, struct sim_config *c)
{
    uint32_t site_key[SITES_MAX], region_key[REGIONS_MAX], service_key[SERVICES_MAX];
    uint32_t regions = 0, services = 0, sites = 0, e = 0;
    shuffle(s, site_key, s->services * s->regions);
    shuffle(s, region_key, s->regions);
    shuffle(s, service_key, s->services);
    for (uint32_t i = 0; i < s->regions; i++) {
        uint32_t key = region_key[i];
        c->region_of[key] = s->region_gone[key] ? HEALTH_NONE : regions;
        if (s->region_gone[key])
            continue;
        c->region[regions].name = s->names[0][key];
        c->region[regions++].capacity = key % 3 ? 1000 : 0;
    }
    for (uint32_t i = 0; i < s->services; i++) {
        uint32_t key = service_key[i];
        c->service_of[key] = s->service_gone[key] ? HEALTH_NONE : services;
        if (s->service_gone[key])
            continue;
        c->service[services] = s->service_proto[key];
        c->named[services] = (struct health_service){s->names[1][key], &c->service[services]};
        services++;
    }
    for (uint32_t i = 0; i < s->services * s->regions; i++) {
        uint32_t key = site_key[i];
        bool gone = s->region_gone[key % s->regions] || s->service_gone[key / s->regions];
        c->site_of[key] = gone ? HEALTH_NONE : sites;
        for (uint32_t k = 0; gone && k < s->per_site; k++)
            c->endpoint_of[key * s->per_site + k] = HEALTH_NONE;
        if (gone)
            continue;
        c->site[sites] =
            (struct health_site_config){.service = c->service_of[key / s->regions],
                                        .region = (uint8_t)c->region_of[key % s->regions],
                                        .endpoint_first = e};
        for (uint32_t k = 0; k < s->per_site; k++) {
            uint32_t id = key * s->per_site + k;
            c->endpoint_of[id] = HEALTH_NONE;
            if (!s->t[id].present)
                continue;
            c->id_of[e] = id;
            c->endpoint_of[id] = e;
            c->endpoint[e] = (struct health_endpoint_config){
                .address = s->names[2][id], .site = sites, .weight = 100};
            c->probe_of[e] = !s->t[id].unprobed;
            c->site[sites].endpoint_n++;
            e++;
        }
        sites++;
    }
    c->cfg = (struct health_config){.endpoint = c->endpoint,
                                    .site = c->site,
                                    .service = c->named,
                                    .region = c->region,
                                    .probe = &s->proto,
                                    .probe_of = c->probe_of,
                                    .probes_n = 1,
                                    .endpoints_n = e,
                                    .sites_n = sites,
                                    .services_n = services,
                                    .regions_n = regions,
                                    .dead_band = 0.05,
                                    .samples_min = 10,
                                    .load_high = s->load_high,
                                    .load_low = 0.7};
}

static struct health *engine(struct sim *s)
{
    struct health *h = NULL;
    if (health_create(&sim_config(s)->cfg, sim_seen(s) + s->mono_base, sim_wall(s), &h) != ERR_OK)
        abort();
    return h;
}

static uint32_t pick(struct sim *s, const uint32_t *from, uint32_t n)
{
    return from[rng_below(&s->rng, n)];
}

static void draw_services(struct sim *s)
{
    static const uint32_t ttls[] = {5, 30, 60, 120}, ramps[] = {0, 20000, 60000};
    for (uint32_t i = 0; i < s->services; i++)
        s->service_proto[i] = (struct health_service_config){
            .ttl_s = pick(s, ttls, 4),
            .degrade = 0.05,
            .fail = 0.5,
            .ramp_ms = pick(s, ramps, 3),
            .panic = rng_below(&s->rng, 2) ? 0.5 : 0.34,
            .min_regions = 1 + rng_below(&s->rng, 2),
            .min_capacity = rng_below(&s->rng, 2) ? 0.5 : 0,
            .failback = (enum health_failback)(rng_below(&s->rng, 4) == 0 ? 1 : 0),
            .failback_after_ms = 45000};
    for (uint32_t i = 0; s->world == WORLD_WIDE && i < s->services; i++) {
        struct health_service_config *v = &s->service_proto[i];
        if (rng_below(&s->rng, 6) == 0)
            v->failback = HEALTH_FAILBACK_HOLD;
        if (rng_below(&s->rng, 4) == 0)
            v->hold_ms = 10000 + rng_below(&s->rng, 600000);
        if (rng_below(&s->rng, 4) == 0)
            v->window_ms = 20000 + rng_below(&s->rng, 3600000);
        v->failback_after_ms += rng_below(&s->rng, 600000);
    }
}

/* As in every version since the first: seeds that failed are kept by it. */
static void draw_short(struct sim *s)
{
    static const uint32_t intervals[] = {1000, 5000, 5000, 10000};
    s->end = 900000;
    s->scale = (struct sim_scale){.stretch = 1000, .report_period = 2000, .check_every = 1};
    s->regions = 2 + rng_below(&s->rng, 7);
    s->services = 1 + rng_below(&s->rng, SERVICES_MAX);
    s->per_site = 1 + rng_below(&s->rng, PER_SITE_MAX);
    s->proto.interval_ms = pick(s, intervals, 4);
}

void sim_world_init(struct sim *s, uint64_t seed, enum world world)
{
    memset(s, 0, sizeof *s);
    s->seed = seed;
    s->world = world;
    s->reports = world == WORLD_SHORT || (world == WORLD_WIDE && seed % 3);
    s->load_high = 0.9;
    rng_seed(&s->rng, seed);
    s->isolated_last = s->any_cut_last = s->restarted_at = s->ordered_at = s->leapt_at =
        INT64_MIN / 2;
    s->promise_next = INT64_MAX;
    s->mono_offset = s->mono_base = s->mono_floor = 5000000;
    s->wall_offset = 1800000000000;
    s->proto = (struct health_probe_config){.name = "web"};
    if (world == WORLD_WIDE)
        sim_scale_draw(s);
    else
        draw_short(s);
    s->ids = s->regions * s->services * s->per_site;
    s->proto.timeout_ms = s->proto.interval_ms * 2 / 5;
    if (world == WORLD_WIDE && s->proto.timeout_ms > 10000)
        s->proto.timeout_ms = 10000;
    s->proto.fall = 2 + rng_below(&s->rng, 3);
    s->proto.rise = 1 + rng_below(&s->rng, 3);
    draw_services(s);
    for (uint32_t i = 0; i < s->ids; i++) {
        snprintf(s->names[0][i], 32, "r%u", i);
        snprintf(s->names[1][i], 32, "s%u.example", i);
        snprintf(s->names[2][i], 32, "10.%u.%u.%u", id_service(s, i) & 255u, id_region(s, i) & 255u,
                 i % s->per_site & 255u);
        s->t[i].present = true;
        s->t[i].down_since = INT64_MAX;
        s->t[i].promise_at = INT64_MAX;
    }
    sim_report_draw(s);
    configure(s, sim_config(s));
    s->h = engine(s);
    for (uint32_t i = 0; i < IDS_MAX; i++)
        sim_check_item_init(&s->endpoint_item[i]);
    for (uint32_t i = 0; i < SITES_MAX; i++) {
        s->site_item[i] = s->endpoint_item[0];
        s->site_real_fail[i] = INT64_MIN / 2;
    }
    for (uint32_t i = 0; i < REGIONS_MAX; i++) {
        s->region_item[i] = s->endpoint_item[0];
        s->cut_last[i] = s->released_at[i] = INT64_MIN / 2;
    }
    sim_check_board_reset(s);
    sim_prober_init(s);
    sim_fault_init(s);
    sim_report_init(s);
}

void sim_world_fini(struct sim *s)
{
    health_destroy(&s->h);
}

struct words {
    uint32_t endpoint[IDS_MAX], site[SITES_MAX], region[REGIONS_MAX];
};

static void words_of(struct sim *s, struct words *w)
{
    const struct sim_config *c = sim_config(s);
    for (uint32_t i = 0; i < s->ids; i++)
        w->endpoint[i] = c->endpoint_of[i] == HEALTH_NONE
                             ? HEALTH_NONE
                             : health_endpoint_word(s->h, c->endpoint_of[i]);
    for (uint32_t i = 0; i < s->services * s->regions; i++)
        w->site[i] =
            c->site_of[i] == HEALTH_NONE ? HEALTH_NONE : health_site_word(s->h, c->site_of[i]);
    for (uint32_t i = 0; i < s->regions; i++)
        w->region[i] = c->region_of[i] == HEALTH_NONE ? HEALTH_NONE
                                                      : health_region_word(s->h, c->region_of[i]);
}

/* What a safety rule held back goes on when it is judged again and others carry more by then. */
static bool alike(const struct sim *s, uint32_t a, uint32_t b)
{
    return a == b || (s->reports && a != HEALTH_NONE && b != HEALTH_NONE && b < a);
}

static void must_be_alike(struct sim *s, const struct words *a, const char *what)
{
    struct words b;
    words_of(s, &b);
    for (uint32_t i = 0; i < s->ids; i++)
        if (!alike(s, a->endpoint[i], b.endpoint[i]))
            sim_fail(s, "%s changed the word of endpoint %s: %x, %x", what, s->names[2][i],
                     a->endpoint[i], b.endpoint[i]);
    for (uint32_t i = 0; i < s->services * s->regions; i++)
        if (!alike(s, a->site[i], b.site[i]) &&
            (!a->site[i] || !b.site[i])) /* the window may have moved */
            sim_fail(s, "%s changed the word of site %u: %x, %x", what, i, a->site[i], b.site[i]);
    for (uint32_t i = 0; i < s->regions; i++)
        if (!alike(s, a->region[i], b.region[i]))
            sim_fail(s, "%s changed the word of region %u: %x, %x", what, i, a->region[i],
                     b.region[i]);
}

/* It is in the configuration from now on, or no longer; it is new when it comes. */
static void come_or_go(struct sim *s, uint32_t id, bool present)
{
    struct truth *t = &s->t[id];
    t->present = present;
    t->in_flight = false;
    t->streak = 0;
    t->wish_at = t->promise_at = INT64_MAX;
    t->regular_at = s->now + rng_below(&s->rng, s->proto.interval_ms);
    t->falls = 0;
    t->down_ms = t->down_ms_seen = 0;
    t->falls_seen = 0;
    t->down_since = INT64_MAX;
    sim_check_item_init(&s->endpoint_item[id]);
}

/* A region or a service leaves with all that is in it, or comes back; two regions stay. */
static void drop(struct sim *s)
{
    uint32_t n = 0, v = rng_below(&s->rng, s->services), r = rng_below(&s->rng, s->regions);
    for (uint32_t i = 0; i < s->regions; i++)
        n += !s->region_gone[i];
    bool of_service = v > 0 && rng_below(&s->rng, 2);
    if (!of_service && n <= 2 && !s->region_gone[r])
        return;
    bool *gone = of_service ? &s->service_gone[v] : &s->region_gone[r];
    *gone = !*gone;
    if (!of_service)
        sim_check_item_init(&s->region_item[r]);
    for (uint32_t i = 0; i < s->ids; i++) {
        if (of_service ? id_service(s, i) != v : id_region(s, i) != r)
            continue;
        come_or_go(s, i, !s->service_gone[id_service(s, i)] && !s->region_gone[id_region(s, i)]);
        sim_check_item_init(&s->site_item[id_site(s, i)]);
    }
}

/* A new numbering, at times with an endpoint more or less, or another ramp. */
void sim_reconfigure(struct sim *s)
{
    struct words before;
    bool same = rng_below(&s->rng, 2) == 0;
    if (!same && s->world == WORLD_WIDE && rng_below(&s->rng, 2)) {
        drop(s);
    } else if (!same && s->per_site > 1) {
        uint32_t id = rng_below(&s->rng, s->ids);
        id -= id % s->per_site; /* the first of its site may go and come: the site stays probed */
        if (!s->region_gone[id_region(s, id)] && !s->service_gone[id_service(s, id)])
            come_or_go(s, id, !s->t[id].present);
    } else if (!same) {
        uint32_t v = rng_below(&s->rng, s->services);
        s->service_proto[v].ramp_ms = s->service_proto[v].ramp_ms == 20000 ? 60000 : 20000;
    }
    words_of(s, &before);
    struct health *old = s->h;
    s->current = !s->current;
    configure(s, sim_config(s));
    s->h = engine(s);
    health_adopt(s->h, old);
    health_destroy(&old);
    if (same)
        must_be_alike(s, &before, "adopt");
    for (uint32_t i = 0; i < s->ids; i++)
        s->t[i].wish_at = INT64_MAX; /* what the old one wanted may be lost */
    sim_prober_changed(s);
    sim_check_cancel_promises(s);
    sim_check_board_reset(s);
    sim_check_step(s);
}

struct kept {
    struct health_saved s[IDS_MAX + SITES_MAX + REGIONS_MAX];
    uint32_t n;
};

static void keep(void *ctx, const struct health_saved *saved)
{
    struct kept *k = ctx;
    k->s[k->n++] = *saved;
}

void sim_restart(struct sim *s)
{
    struct kept *k = calloc(1, sizeof *k);
    struct words before;
    if (!k)
        abort();
    int64_t seen = sim_seen(s);
    s->restarted_at = seen;
    words_of(s, &before);
    health_save(s->h, keep, k);
    health_destroy(&s->h);
    s->mono_offset = 1000000 + rng_below(&s->rng, 1000000) - s->now;
    s->mono_floor = sim_mono(s);
    s->mono_base = s->mono_floor - seen;
    s->h = engine(s);
    while (k->n) { /* in any order */
        uint32_t i = rng_below(&s->rng, k->n);
        health_restore(s->h, &k->s[i], sim_mono(s));
        k->s[i] = k->s[--k->n];
    }
    free(k);
    must_be_alike(s, &before, "restart");
    for (uint32_t i = 0; i < s->ids; i++) {
        s->t[i].in_flight = false;
        s->t[i].wish_at = INT64_MAX;
        s->t[i].regular_at = s->now + rng_below(&s->rng, s->proto.interval_ms);
    }
    sim_prober_changed(s);
    sim_check_forget_streaks(s);
    sim_check_forget_flaps(s);
    sim_check_board_reset(s);
    sim_check_step(s);
}
