/* Probes, engine, board: evidence in, words out. */
#include "base/check.h"
#include "base/clock.h"
#include "daemon.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* --------------------------------------------------------------- the engine's configuration */

struct engine_config { /* in one piece with its texts */
    struct health_config config;
    struct arena *arena;
};

static const struct model_probe *probe_of(const struct model *m, const struct model_service *svc,
                                          const struct model_endpoint *e)
{
    const char *name = e->probe ? e->probe : svc->probe;
    return name ? model_probe(m, name) : NULL;
}

static const char *target_text(struct arena *a, const struct model_endpoint *e,
                               const struct model_probe *p)
{
    uint16_t port = p ? probe_port(p) : 0;
    if (!port)
        return e->address;
    return arena_printf(a, e->ip.family == 6 ? "[%s]:%u" : "%s:%u", e->address, port);
}

static void fill_endpoint(struct arena *a, const struct model *m, const struct model_service *svc,
                          const struct model_endpoint *e, uint32_t site,
                          struct health_endpoint_config *out)
{
    const struct model_probe *p = probe_of(m, svc, e);
    *out = (struct health_endpoint_config){.address = e->address,
                                           .target = target_text(a, e, p),
                                           .probe = p ? p->name : "",
                                           .site = site,
                                           .weight = (uint32_t)e->weight,
                                           .probed = p != NULL};
    if (!p)
        return;
    out->interval_ms = (uint32_t)p->interval_ms;
    out->timeout_ms = (uint32_t)p->timeout_ms;
    out->fall = (uint32_t)p->fall;
    out->rise = (uint32_t)p->rise;
}

static void fill_service(const struct model *m, const struct model_service *svc,
                         struct health_service_config *out)
{
    struct model_effective e = model_service_effective(m, svc);
    *out = (struct health_service_config){.name = svc->name,
                                          .ttl_s = (uint32_t)svc->ttl_s,
                                          .ttl_moving_s = (uint32_t)e.ttl_moving_s,
                                          .degrade = e.degrade,
                                          .fail = e.fail,
                                          .ramp_ms = (uint32_t)e.ramp_ms,
                                          .hold_ms = (uint32_t)e.hold_ms,
                                          .window_ms = (uint32_t)e.window_ms,
                                          .panic = e.panic,
                                          .min_regions = (uint32_t)e.min_regions,
                                          .min_capacity = e.min_capacity,
                                          .failback =
                                              e.failback == FAILBACK_AFTER  ? HEALTH_FAILBACK_AFTER
                                              : e.failback == FAILBACK_HOLD ? HEALTH_FAILBACK_HOLD
                                                                            : HEALTH_FAILBACK_AUTO,
                                          .failback_after_ms = (uint32_t)e.failback_after_ms};
}

static double setting_share(const struct model *m, const char *key, double fallback)
{
    const char *text = model_setting(m, key);
    char *end;
    double v = text ? strtod(text, &end) : fallback;
    return text && *end == '%' ? v / 100 : v;
}

static struct engine_config *engine_config_create(const struct snapshot *s)
{
    const struct model *m = s->model;
    struct arena *a = arena_create(0);
    struct engine_config *c = a ? ARENA_NEW(a, struct engine_config) : NULL;
    CHECK(c);
    struct health_endpoint_config *endpoint =
        ARENA_ARRAY(a, struct health_endpoint_config, s->endpoints_n + 1);
    struct health_site_config *site =
        ARENA_ARRAY(a, struct health_site_config, s->board_sites_n + 1);
    struct health_service_config *service =
        ARENA_ARRAY(a, struct health_service_config, s->services_n + 1);
    struct health_region_config *region =
        ARENA_ARRAY(a, struct health_region_config, s->regions_n + 1);
    CHECK(!arena_failed(a));
    for (uint32_t i = 0; i < s->regions_n; i++)
        region[i].name = m->regions[i].name;
    for (uint32_t i = 0; i < s->services_n; i++) {
        const struct model_service *svc = &m->services[i];
        fill_service(m, svc, &service[i]);
        for (uint32_t at = s->service_site_first[i]; at < s->service_site_first[i + 1]; at++)
            site[at] =
                (struct health_site_config){.service = i, .region = s->board_site_region[at]};
        uint32_t first = s->service_endpoint_first[i];
        for (uint32_t k = 0; k < svc->endpoints_n; k++) {
            uint32_t own = s->steer.site[s->steer.endpoint[first + k].site].board_site;
            fill_endpoint(a, m, svc, &svc->endpoints[k], own, &endpoint[first + k]);
            if (site[own].endpoint_n++ == 0)
                site[own].endpoint_first = first + k;
        }
    }
    CHECK(!arena_failed(a));
    const char *samples = model_setting(m, "min-samples");
    c->arena = a;
    c->config = (struct health_config){.endpoint = endpoint,
                                       .site = site,
                                       .service = service,
                                       .region = region,
                                       .endpoints_n = s->endpoints_n,
                                       .sites_n = s->board_sites_n,
                                       .services_n = s->services_n,
                                       .regions_n = s->regions_n,
                                       .dead_band = setting_share(m, "dead-band", 0.05),
                                       .samples_min = samples ? (uint32_t)atoi(samples) : 10};
    return c;
}

static void engine_config_destroy(struct engine_config *c)
{
    if (c)
        arena_destroy(c->arena);
}

/* ------------------------------------------------------------------------------- the next world */

static void write_board(const struct health *h, const struct snapshot *s)
{
    const struct steer_board *b = &s->steer.board;
    for (uint32_t i = 0; i < s->endpoints_n; i++)
        snapshot_board_set(b->endpoint, i, health_endpoint_word(h, i));
    for (uint32_t i = 0; i < s->board_sites_n; i++)
        snapshot_board_set(b->site, i, health_site_word(h, i));
    for (uint32_t i = 0; i < s->regions_n; i++)
        snapshot_board_set(b->region, i, health_region_word(h, i));
    for (uint32_t i = 0; i < s->services_n; i++)
        snapshot_board_set(b->ttl, i, health_service_ttl_s(h, i));
}

void signals_adopt(struct daemon *d, struct snapshot *next)
{
    int64_t now = clock_mono_ms(), wall = clock_wall_ms();
    struct engine_config *config = engine_config_create(next);
    struct health *fresh = NULL;
    CHECK(health_create(&config->config, now, wall, &fresh) == ERR_OK);
    if (d->health)
        health_adopt(fresh, d->health);
    /* Changes up to here are in the words written below. */
    struct health_change skip[64];
    while (health_take_changes(fresh, skip, 64) == 64)
        ;
    write_board(fresh, next);
    health_destroy(&d->health);
    engine_config_destroy(d->engine_config);
    d->health = fresh;
    d->engine_config = config;
}

void signals_retarget(struct daemon *d)
{
    struct snapshot *s = world_now(d);
    const struct model *m = s->model;
    struct probe_target *t = calloc(s->endpoints_n + 1, sizeof *t);
    uint32_t *slot = calloc(s->endpoints_n + 1, sizeof *slot);
    CHECK(t && slot);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->services_n; i++) {
        const struct model_service *svc = &m->services[i];
        for (uint32_t k = 0; k < svc->endpoints_n; k++) {
            const struct model_endpoint *e = &svc->endpoints[k];
            const struct model_probe *p = probe_of(m, svc, e);
            if (!p)
                continue;
            slot[n] = s->service_endpoint_first[i] + k;
            t[n++] = (struct probe_target){.probe = p,
                                           .service = svc->name,
                                           .region = e->region,
                                           .address = e->address,
                                           .ip = e->ip};
        }
    }
    enum err e = probe_runner_set_targets(d->runner, t, n);
    if (e) {
        events_say(d, LOG_ERROR, "daemon", "probes stay as they were: %s", err_text(e));
        free(slot);
    } else {
        free(d->target_slot);
        d->target_slot = slot;
        d->targets_n = n;
        free(d->slot_target);
        d->slot_target = calloc(s->endpoints_n + 1, sizeof *d->slot_target);
        CHECK(d->slot_target);
        memset(d->slot_target, 0xff, (s->endpoints_n + 1) * sizeof *d->slot_target);
        for (uint32_t i = 0; i < n; i++)
            d->slot_target[slot[i]] = i;
    }
    const char *bound = model_setting(m, "probe-concurrency");
    probe_runner_set_concurrency(d->runner, bound ? (uint32_t)atoi(bound) : 256);
    free(t);
}

/* -------------------------------------------------------------------------- what the engine says
 */

static void publish_changes(struct daemon *d)
{
    const struct snapshot *s = world_now(d);
    struct health_change change[64];
    for (size_t n = 64; n == 64;) {
        n = health_take_changes(d->health, change, 64);
        for (size_t i = 0; i < n; i++) {
            uint32_t at = change[i].index;
            if (change[i].level == 0)
                snapshot_board_set(s->steer.board.endpoint, at,
                                   health_endpoint_word(d->health, at));
            else if (change[i].level == 1)
                snapshot_board_set(s->steer.board.site, at, health_site_word(d->health, at));
            else if (change[i].level == 2)
                snapshot_board_set(s->steer.board.region, at, health_region_word(d->health, at));
            else
                snapshot_board_set(s->steer.board.ttl, at, health_service_ttl_s(d->health, at));
            d->state_dirty = d->state_dirty || change[i].level < 3;
        }
    }
}

static void run_actions(struct daemon *d)
{
    struct health_action action[64];
    for (size_t n = 64; n == 64;) {
        n = health_take_actions(d->health, action, 64);
        for (size_t i = 0; i < n && d->runner; i++)
            if (d->slot_target && d->slot_target[action[i].endpoint] != UINT32_MAX)
                probe_runner_soon(d->runner, d->slot_target[action[i].endpoint], action[i].at_ms,
                                  action[i].confirm);
    }
}

static void say_events(struct daemon *d)
{
    struct health_event event[16];
    for (size_t n = 16; n == 16;) {
        n = health_take_events(d->health, event, 16);
        for (size_t i = 0; i < n; i++)
            events_health(d, &event[i]);
    }
}

static void on_health_timer(uv_timer_t *t)
{
    struct daemon *d = t->data;
    health_advance(d->health, clock_mono_ms(), clock_wall_ms());
    signals_settle(d);
}

/* The board first: what follows may take its time. */
void signals_settle(struct daemon *d)
{
    publish_changes(d);
    run_actions(d);
    say_events(d);
    if (!d->health_timer.data)
        return; /* not started yet */
    int64_t due = health_due(d->health), now = clock_mono_ms();
    if (due == INT64_MAX)
        uv_timer_stop(&d->health_timer);
    else
        uv_timer_start(&d->health_timer, on_health_timer, due > now ? (uint64_t)(due - now) : 0, 0);
}

static void on_result(void *ctx, const struct probe_result *r)
{
    struct daemon *d = ctx;
    if (r->target >= d->targets_n)
        return;
    struct health_sample sample = {.endpoint = d->target_slot[r->target],
                                   .ok = r->ok,
                                   .confirm = r->confirm,
                                   .late = r->late,
                                   .started_ms = r->started_ms,
                                   .now_ms = r->now_ms,
                                   .wall_ms = r->wall_ms,
                                   .latency_us = r->latency_us};
    snprintf(sample.text, sizeof sample.text, "%s", r->text);
    health_sample(d->health, &sample);
    signals_settle(d);
}

enum err signals_create(struct daemon *d)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = uv_hrtime();
    struct probe_runner_config config = {
        .concurrency = 256, .seed = seed, .result = on_result, .ctx = d};
    return probe_runner_create(d->loop, &config, &d->runner);
}

void signals_start(struct daemon *d)
{
    uv_timer_init(d->loop, &d->health_timer);
    d->health_timer.data = d;
    signals_retarget(d);
    signals_settle(d);
}

void signals_stop(struct daemon *d)
{
    if (d->health_timer.data)
        uv_close((uv_handle_t *)&d->health_timer, NULL);
    d->health_timer.data = NULL;
    if (d->runner)
        probe_runner_close(&d->runner, NULL, NULL);
    free(d->target_slot);
    free(d->slot_target);
    d->target_slot = d->slot_target = NULL;
    d->targets_n = 0;
}

void signals_destroy(struct daemon *d)
{
    health_destroy(&d->health);
    engine_config_destroy(d->engine_config);
    d->engine_config = NULL;
}

/* ---------------------------------------------------------------------- state across a restart */

struct save_job {
    struct keeper_job job;
    struct arena *arena;
    struct store_state *rows;
    size_t n, cap;
    int64_t wall_ms;
};

static char *text_or_empty(struct arena *a, const char *s)
{
    return arena_strdup(a, s ? s : "");
}

static void save_row(void *ctx, const struct health_saved *s)
{
    struct save_job *j = ctx;
    if (j->n == j->cap) {
        size_t cap = j->cap ? j->cap * 2 : 64;
        struct store_state *rows = ARENA_ARRAY(j->arena, struct store_state, cap);
        if (!rows)
            return;
        if (j->n)
            memcpy(rows, j->rows, j->n * sizeof *rows);
        j->rows = rows;
        j->cap = cap;
    }
    j->rows[j->n++] = (struct store_state){.service = text_or_empty(j->arena, s->service),
                                           .region = text_or_empty(j->arena, s->region),
                                           .address = text_or_empty(j->arena, s->address),
                                           .observed = s->observed,
                                           .avail = s->avail,
                                           .hold_left_ms = s->hold_left_ms,
                                           .since_wall_ms = s->since_wall_ms,
                                           .released = s->released,
                                           .kept_out = s->kept_out,
                                           .why = text_or_empty(j->arena, s->why)};
}

static void save_run(struct keeper *k, struct keeper_job *job)
{
    struct save_job *j = (struct save_job *)(void *)job;
    struct diag diag = {0};
    char text[512];
    if (store_state_replace(keeper_store(k), j->rows, j->n, j->wall_ms, &diag))
        log_write(LOG_WARN, "store", "region state is not saved: %s",
                  diag_first(&diag, text, sizeof text));
    diag_fini(&diag);
}

static void save_done(void *ctx, struct keeper_job *job)
{
    struct daemon *d = ctx;
    struct save_job *j = (struct save_job *)(void *)job;
    d->saving = false;
    arena_destroy(j->arena);
    free(j);
}

void signals_save(struct daemon *d)
{
    if (!d->state_dirty || d->saving || !d->health)
        return;
    struct save_job *j = calloc(1, sizeof *j);
    CHECK(j);
    j->arena = arena_create(0);
    CHECK(j->arena);
    j->wall_ms = clock_wall_ms();
    health_save(d->health, save_row, j);
    j->job.run = save_run;
    j->job.done = save_done;
    d->state_dirty = false;
    d->saving = true;
    keeper_submit(d->keeper, &j->job);
}

static void restore_row(void *ctx, const struct store_state *row)
{
    struct daemon *d = ctx;
    struct health_saved s = {.service = row->service[0] ? row->service : NULL,
                             .region = row->region,
                             .address = row->address[0] ? row->address : NULL,
                             .observed = (uint8_t)row->observed,
                             .avail = (uint32_t)row->avail,
                             .hold_left_ms = (uint32_t)row->hold_left_ms,
                             .released = row->released,
                             .kept_out = row->kept_out,
                             .since_wall_ms = row->since_wall_ms};
    snprintf(s.why, sizeof s.why, "%s", row->why ? row->why : "");
    health_restore(d->health, &s, clock_mono_ms());
    d->restored_n++;
}

static void restore(struct daemon *d, struct store *store)
{
    struct diag diag = {0};
    int64_t saved = 0;
    char text[512];
    d->state_restored_age_ms = -1;
    if (store_state_each(store, &saved, restore_row, d, &diag))
        log_write(LOG_WARN, "store", "region state is not restored: %s",
                  diag_first(&diag, text, sizeof text));
    else if (d->restored_n) {
        char age[TIME_TEXT_MAX];
        d->state_restored_age_ms = clock_wall_ms() - saved;
        log_write(LOG_NOTICE, "health", "%u states restored from the last run, %s old",
                  d->restored_n, duration_format_rough(d->state_restored_age_ms, age));
    }
    diag_fini(&diag);
}

/* The first world: what the last run knew and what people said, before anybody is answered. */
void signals_first(struct daemon *d, struct snapshot *s, struct store *store)
{
    signals_adopt(d, s);
    restore(d, store);
    overrides_load(d, store);
    overrides_apply(d, s);
    write_board(d->health, s);
}
