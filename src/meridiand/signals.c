/* Probes, engine, board: evidence in, words out. */
#include "base/check.h"
#include "base/clock.h"
#include "daemon.h"
#include "signal/capacity.h"
#include "signal/wiring.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ------------------------------------------------------------------------------- the next world */

/* What full regions admit of guests, after availabilities moved or a load was reported. */
static void capacity_look(struct daemon *d, const struct snapshot *s, bool moved)
{
    if (signal_capacity_wants(d->capacity, d->health))
        shares_weigh(d, s, d->capacity);
    if (moved || signal_capacity_due(d->capacity, d->health))
        signal_capacity_look(d->capacity, d->health, clock_mono_ms(), clock_wall_ms());
}

void signals_adopt(struct daemon *d, struct snapshot *next)
{
    int64_t now = clock_mono_ms(), wall = clock_wall_ms();
    struct signal_config *config = signal_config_create(next);
    struct health *fresh = NULL;
    CHECK(config && health_create(signal_config_engine(config), now, wall, &fresh) == ERR_OK);
    if (d->health)
        health_adopt(fresh, d->health);
    health_destroy(&d->health);
    signal_config_destroy(&d->engine_config);
    d->health = fresh;
    d->engine_config = config;
    struct signal_capacity *capacity = signal_capacity_create(next, d->capacity);
    CHECK(capacity);
    signal_capacity_destroy(&d->capacity);
    d->capacity = capacity;
    if (world_now(d))
        overrides_return(d, world_now(d), next);
    (void)maintenance_look(d, next);
    (void)signal_board_follow(fresh, next); /* both began with all at 1: what differs is few */
    capacity_look(d, next, true);           /* what full regions refuse goes over at once */
}

/* What the engine knows of says who is probed: the model's own records are not all looked at again. */
static uint32_t fill_targets(const struct daemon *d, struct probe_target *t, uint32_t *slot)
{
    const struct snapshot *s = world_now(d);
    const struct model *m = s->model;
    const struct health_config *known = signal_config_engine(d->engine_config);
    uint32_t all = signal_config_probed_n(d->engine_config), n = 0;
    for (uint32_t i = 0; i < s->services_n && n < all; i++) {
        const struct model_service *svc = &m->services[i];
        uint32_t first = s->service_endpoint_first[i];
        for (uint32_t at = first; at < s->service_endpoint_first[i + 1]; at++) {
            if (!health_probe_of(known, at))
                continue;
            const struct model_endpoint *e = &svc->endpoints[at - first];
            struct ip ip;
            (void)ip_parse(e->address, &ip); /* family 0 for a host name */
            slot[n] = at;
            t[n++] = (struct probe_target){.probe = signal_probe_of(m, svc, e),
                                           .model = m,
                                           .service = svc->name,
                                           .region = e->region,
                                           .address = e->address,
                                           .ip = ip};
        }
    }
    uint32_t shared_n;
    const struct signal_dependency *shared = signal_dependencies(d->engine_config, &shared_n);
    for (uint32_t i = 0; i < shared_n; i++) {
        if (shared[i].first != shared[i].slot)
            continue;
        slot[n] = shared[i].slot;
        t[n++] = (struct probe_target){.probe = shared[i].probe,
                                       .model = m,
                                       .service = "",
                                       .region = m->regions[shared[i].region].name,
                                       .address = shared[i].address};
    }
    return n;
}

void signals_retarget(struct daemon *d)
{
    struct snapshot *s = world_now(d);
    const struct model *m = s->model;
    uint32_t slots = signal_config_engine(d->engine_config)->endpoints_n, shared_n;
    const struct signal_dependency *shared = signal_dependencies(d->engine_config, &shared_n);
    size_t room = signal_config_probed_n(d->engine_config) + (size_t)shared_n + 1;
    struct probe_target *t = calloc(room, sizeof *t);
    uint32_t *slot = calloc(room, sizeof *slot);
    CHECK(t && slot);
    uint32_t n = fill_targets(d, t, slot);
    enum err e = probe_runner_set_targets(d->runner, t, n);
    if (e) {
        events_say(d, LOG_ERROR, "daemon", "probes", "probes stay as they were: %s", err_text(e));
        free(slot);
    } else {
        free(d->target_slot);
        d->target_slot = slot;
        d->targets_n = n;
        free(d->slot_target);
        d->slot_target = NULL; /* nothing is probed: nothing is asked for */
        if (n) {
            d->slot_target = malloc(slots * sizeof *d->slot_target);
            CHECK(d->slot_target);
            memset(d->slot_target, 0xff, slots * sizeof *d->slot_target);
        }
        for (uint32_t i = 0; i < n; i++)
            d->slot_target[slot[i]] = i;
        for (uint32_t i = 0; i < shared_n; i++)
            d->slot_target[shared[i].slot] = d->slot_target[shared[i].first];
    }
    const char *bound = model_setting(m, "probe-concurrency");
    probe_runner_set_concurrency(d->runner, bound ? (uint32_t)atoi(bound) : 256);
    free(t);
}

/* -------------------------------------------------------------------------- what the engine says
 */

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

static void say_spills(struct daemon *d)
{
    struct health_event event[16];
    for (size_t n = 16; n == 16;) {
        n = signal_capacity_events(d->capacity, event, 16);
        for (size_t i = 0; i < n; i++)
            events_health(d, &event[i]);
    }
}

/* The board first: what follows may take its time. */
void signals_settle(struct daemon *d)
{
    bool moved = signal_board_follow(d->health, world_now(d));
    d->state_dirty |= moved;
    capacity_look(d, world_now(d), moved);
    run_actions(d);
    say_events(d);
    say_spills(d);
    if (!d->health_timer.data)
        return; /* not started yet */
    int64_t due = health_due(d->health), now = clock_mono_ms();
    if (due == INT64_MAX)
        uv_timer_stop(&d->health_timer);
    else
        uv_timer_start(&d->health_timer, on_health_timer, due > now ? (uint64_t)(due - now) : 0, 0);
}

/* What several regions depend on is probed once, and the result is about each of them. */
static void share_sample(struct daemon *d, struct health_sample sample)
{
    uint32_t n, first = sample.endpoint;
    const struct signal_dependency *shared = signal_dependencies(d->engine_config, &n);
    for (uint32_t i = 0; i < n; i++)
        if (shared[i].first == first && shared[i].slot != first) {
            sample.endpoint = shared[i].slot;
            health_sample(d->health, &sample);
        }
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
    share_sample(d, sample);
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
    signal_capacity_destroy(&d->capacity);
    health_destroy(&d->health);
    signal_config_destroy(&d->engine_config);
}

/* ---------------------------------------------------------------------- state across a restart */

struct save_job {
    struct keeper_job job;
    struct arena *arena;
    struct store_state *rows;
    size_t n, cap;
    int64_t wall_ms;
    bool down; /* something is, and counts on */
    enum err e;
};

#define SAVE_AGAIN_MS 2000
#define SAVE_COUNTS_MS 60000 /* how much of an outage a crash may lose */
#define SAVE_ROWS_PER_MS 10  /* a large state is written less often */

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
    j->down |= s->observed == HEALTH_OBSERVED_DOWN;
    j->rows[j->n++] = (struct store_state){.service = text_or_empty(j->arena, s->service),
                                           .region = text_or_empty(j->arena, s->region),
                                           .address = text_or_empty(j->arena, s->address),
                                           .observed = s->observed,
                                           .avail = s->avail,
                                           .hold_left_ms = s->hold_left_ms,
                                           .since_wall_ms = s->since_wall_ms,
                                           .released = s->released,
                                           .kept_out = s->kept_out,
                                           .falls = s->falls,
                                           .down_ms = s->down_ms,
                                           .counted_since_wall_ms = s->counted_since_wall_ms,
                                           .why = text_or_empty(j->arena, s->why)};
}

static void save_run(struct keeper *k, struct keeper_job *job)
{
    struct save_job *j = (struct save_job *)(void *)job;
    struct diag diag = {0};
    j->e = store_state_replace(keeper_store(k), j->rows, j->n, j->wall_ms, &diag);
    keeper_note_history(k, j->e, &diag);
    diag_fini(&diag);
}

static void save_done(void *ctx, struct keeper_job *job)
{
    struct daemon *d = ctx;
    struct save_job *j = (struct save_job *)(void *)job;
    d->saving = false;
    d->save_after_ms = clock_mono_ms() + (int64_t)(j->n / SAVE_ROWS_PER_MS);
    if (j->e) {
        d->state_dirty = true;
        d->save_after_ms = clock_mono_ms() + SAVE_AGAIN_MS;
    }
    arena_destroy(j->arena);
    free(j);
}

void signals_save(struct daemon *d)
{
    if (d->save_counts_ms && clock_mono_ms() >= d->save_counts_ms)
        d->state_dirty = true;
    if (!d->state_dirty || d->saving || !d->health || clock_mono_ms() < d->save_after_ms)
        return;
    struct save_job *j = calloc(1, sizeof *j);
    CHECK(j);
    j->arena = arena_create(0);
    CHECK(j->arena);
    j->wall_ms = clock_wall_ms();
    health_save(d->health, save_row, j);
    d->save_counts_ms = j->down ? clock_mono_ms() + SAVE_COUNTS_MS : 0;
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
                             .since_wall_ms = row->since_wall_ms,
                             .falls = row->falls > UINT32_MAX ? UINT32_MAX : (uint32_t)row->falls,
                             .down_ms = row->down_ms,
                             .counted_since_wall_ms = row->counted_since_wall_ms};
    snprintf(s.why, sizeof s.why, "%s", row->why ? row->why : "");
    if (health_restore(d->health, &s, clock_mono_ms()))
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
    maintenance_load(d, store);
    confirm_load(d, store);
    overrides_apply(d, s);
    (void)maintenance_look(d, s);
    (void)signal_board_follow(d->health, s);
}
