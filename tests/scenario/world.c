#include "world.h"

#include "base/check.h"
#include "base/log.h"
#include "dns/types.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_WALL_MS 1795312800000 /* 2026-11-22T02:00:00Z */

const char *world_script;
unsigned world_line;

void world_fatal(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "%s:%u: ", world_script, world_line);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->model = model_create();
    w->cache = snapshot_cache_create();
    w->log = calloc(1, WORLD_LOG_MAX);
    CHECK(w->model && w->cache && w->log);
    w->now_ms = 1000;
    w->wall_ms = START_WALL_MS;
    rng_seed(&w->rng, 1);
    answer_worker_init(&w->worker, 0, 7);
}

void world_fini(struct world *w)
{
    signal_capacity_destroy(&w->capacity);
    health_destroy(&w->h);
    signal_config_destroy(&w->config);
    snapshot_unref(&w->s);
    snapshot_cache_destroy(&w->cache);
    model_unref(&w->model);
    free(w->target);
    free(w->log);
}

/* ------------------------------------------------------------------------------------ publishing */

/* Probed for the first time: spread over the first interval. */
static void start_target(const struct world *w, struct target *t, const struct model_probe *p,
                         uint32_t at, uint32_t of)
{
    bool fresh = t->interval_ms == 0;
    t->interval_ms = p ? (uint32_t)p->interval_ms : 0;
    if (!fresh)
        return;
    t->due_ms = w->now_ms + (int64_t)t->interval_ms * at / (of + 1);
    t->confirm_at_ms = INT64_MAX;
}

/* What several regions depend on is probed once. */
static void add_dependencies(const struct world *w, const struct signal_config *config,
                             struct target *t, uint32_t slots)
{
    uint32_t n, old_n = 0;
    const struct signal_dependency *d = signal_dependencies(config, &n);
    const struct signal_dependency *old = w->s ? signal_dependencies(w->config, &old_n) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (d[i].first != d[i].slot)
            continue;
        for (uint32_t k = 0; k < old_n; k++)
            if (old[k].first == old[k].slot && strcmp(old[k].probe->name, d[i].probe->name) == 0)
                t[d[i].slot] = w->target[old[k].slot];
        start_target(w, &t[d[i].slot], d[i].probe, d[i].slot, slots);
    }
}

static struct target *make_targets(const struct world *w, const struct snapshot *next,
                                   const struct signal_config *config, uint32_t slots)
{
    struct target *t = calloc(slots + 1, sizeof *t);
    CHECK(t);
    for (uint32_t i = 0; i < next->services_n; i++) {
        const struct model_service *svc = &next->model->services[i];
        const struct model_service *old = w->s ? model_service(w->s->model, svc->name) : NULL;
        for (uint32_t k = 0; k < svc->endpoints_n; k++) {
            uint32_t at = next->service_endpoint_first[i] + k;
            const struct model_probe *p = signal_probe_of(next->model, svc, &svc->endpoints[k]);
            for (uint32_t o = 0; old && o < old->endpoints_n; o++)
                if (strcmp(old->endpoints[o].address, svc->endpoints[k].address) == 0)
                    t[at] =
                        w->target[w->s->service_endpoint_first[old - w->s->model->services] + o];
            start_target(w, &t[at], p, at, next->endpoints_n);
        }
    }
    add_dependencies(w, config, t, slots);
    return t;
}

static void check_word(uint32_t on_board, uint32_t engine)
{
    CHECK((on_board & ~STEER_WORD_WAITS) == engine);
}

/* Only what the engine said changed was written: is all the rest as it says? */
static void check_board(const struct health *h, const struct snapshot *s)
{
    const struct steer_tables *t = &s->steer;
    for (uint32_t i = 0; i < s->regions_n; i++)
        check_word(t->board.region[i], health_region_word(h, i));
    for (uint32_t i = 0; i < s->services_n; i++) {
        CHECK(*steer_ttl_word(t, i) == health_service_ttl_s(h, i));
        for (uint32_t k = s->service_site_first[i]; k < s->service_site_first[i + 1]; k++)
            check_word(*steer_site_word(t, i, k), health_site_word(h, k));
        for (uint32_t k = s->service_endpoint_first[i]; k < s->service_endpoint_first[i + 1]; k++)
            check_word(*steer_endpoint_word(t, i, k), health_endpoint_word(h, k));
    }
}

void world_publish(struct world *w)
{
    struct diag diag = {0};
    char text[600];
    struct snapshot *next = NULL;
    struct model *edited = model_clone(w->model);
    struct snapshot_options options = {.workers = 1};
    w->model->revision++;
    enum err e = model_validate(w->model, &diag);
    if (!e)
        e = snapshot_compile(w->model, w->cache, &options, &next, &diag);
    if (e)
        world_fatal("the configuration is refused: %s", diag_first(&diag, text, sizeof text));
    diag_fini(&diag);
    snapshot_cache_serves(w->cache, next);
    struct signal_config *config = signal_config_create(next);
    struct health *fresh = NULL;
    CHECK(edited && config);
    CHECK(health_create(signal_config_engine(config), w->now_ms, w->wall_ms, &fresh) == ERR_OK);
    if (w->h)
        health_adopt(fresh, w->h);
    (void)signal_board_follow(fresh, next);
    check_board(fresh, next);
    uint32_t slots = signal_config_engine(config)->endpoints_n;
    struct target *target = make_targets(w, next, config, slots);
    struct signal_capacity *capacity = signal_capacity_create(next, w->capacity);
    CHECK(capacity);
    signal_capacity_destroy(&w->capacity);
    w->capacity = capacity;
    signal_capacity_look(capacity, fresh, w->now_ms, w->wall_ms);
    health_destroy(&w->h);
    signal_config_destroy(&w->config);
    snapshot_unref(&w->s);
    free(w->target);
    w->h = fresh;
    w->config = config;
    w->s = next;
    w->target = target;
    w->targets_n = slots;
    model_unref(&w->model);
    w->model = edited; /* the published one is never changed */
    w->model->revision = next->revision;
    world_settle(w);
}

/* -------------------------------------------------------------------------------------- signals */

static void keep_event(struct world *w, const struct health_event *e)
{
    char scope[400], line[LOG_LINE_MAX];
    const struct model *m = w->s->model;
    snprintf(scope, sizeof scope, "%s%s%s",
             e->service != HEALTH_NONE ? m->services[e->service].name : "",
             e->service != HEALTH_NONE && e->region != HEALTH_NONE ? "/" : "",
             e->region != HEALTH_NONE ? m->regions[e->region].name : "");
    size_t n = log_format_line(line, sizeof line, e->wall_ms, e->level, scope, e->text);
    if (w->log_n + n + 2 > WORLD_LOG_MAX)
        world_fatal("the log is full");
    memcpy(w->log + w->log_n, line, n);
    w->log_n += n;
    w->log[w->log_n++] = '\n';
    w->log[w->log_n] = '\0';
}

static uint32_t probed_for(const struct world *w, uint32_t slot)
{
    uint32_t n;
    const struct signal_dependency *d = signal_dependencies(w->config, &n);
    for (uint32_t i = 0; i < n; i++)
        if (d[i].slot == slot)
            return d[i].first;
    return slot;
}

void world_settle(struct world *w)
{
    struct health_action action[64];
    struct health_event event[16];
    bool moved = signal_board_follow(w->h, w->s);
    if (moved || signal_capacity_due(w->capacity, w->h))
        signal_capacity_look(w->capacity, w->h, w->now_ms, w->wall_ms);
    for (size_t n = 64; n == 64;) {
        n = health_take_actions(w->h, action, 64);
        for (size_t i = 0; i < n; i++) {
            struct target *t = &w->target[probed_for(w, action[i].endpoint)];
            if (action[i].at_ms < t->confirm_at_ms) {
                t->confirm_at_ms = action[i].at_ms > w->now_ms ? action[i].at_ms : w->now_ms;
                t->confirm = action[i].confirm;
            }
        }
    }
    for (size_t n = 16; n == 16;) {
        n = health_take_events(w->h, event, 16);
        for (size_t i = 0; i < n; i++)
            keep_event(w, &event[i]);
    }
    for (size_t n = 16; n == 16;) {
        n = signal_capacity_events(w->capacity, event, 16);
        for (size_t i = 0; i < n; i++)
            keep_event(w, &event[i]);
    }
    const char *broken = health_check_state(w->h);
    if (broken)
        world_fatal("the engine's state does not hold: %s", broken);
}

void world_probe(struct world *w, uint32_t endpoint, bool ok, bool confirm)
{
    struct health_sample sample = {.endpoint = endpoint,
                                   .ok = ok,
                                   .confirm = confirm,
                                   .started_ms = w->now_ms,
                                   .now_ms = w->now_ms,
                                   .wall_ms = w->wall_ms,
                                   .latency_us = 12000};
    snprintf(sample.text, sizeof sample.text, "%s", ok ? "200 in 12 ms" : "refused");
    health_sample(w->h, &sample);
    uint32_t n;
    const struct signal_dependency *d = signal_dependencies(w->config, &n);
    for (uint32_t i = 0; i < n; i++)
        if (d[i].first == endpoint && d[i].slot != endpoint) {
            sample.endpoint = d[i].slot;
            health_sample(w->h, &sample);
        }
    world_settle(w);
}

static bool succeeds(struct world *w, const struct target *t)
{
    if (w->isolated || t->habit == HABIT_FAIL)
        return false;
    return t->habit == HABIT_OK || rng_unit(&w->rng) >= t->flaky;
}

static void run_probes(struct world *w)
{
    for (uint32_t i = 0; i < w->targets_n; i++) {
        struct target *t = &w->target[i];
        if (!t->interval_ms)
            continue;
        if (t->confirm_at_ms <= w->now_ms) {
            t->confirm_at_ms = INT64_MAX;
            world_probe(w, i, succeeds(w, t), t->confirm);
        }
        if (t->due_ms <= w->now_ms) {
            t->due_ms += t->interval_ms;
            world_probe(w, i, succeeds(w, t), false);
        }
    }
}

void world_windows(struct world *w)
{
    for (uint32_t i = 0; i < WORLD_WINDOWS; i++) {
        struct window *one = &w->window[i];
        int region = one->m.id ? model_region_index(w->s->model, one->region) : -1;
        if (region >= 0 &&
            health_maintenance_look(w->h, (uint32_t)region, &one->m, w->now_ms, w->wall_ms))
            world_settle(w);
    }
}

static int64_t next_due(const struct world *w)
{
    int64_t due = health_due(w->h);
    for (uint32_t i = 0; i < WORLD_WINDOWS; i++)
        if (w->window[i].m.id && due > w->now_ms + 1000 - w->now_ms % 1000)
            due = w->now_ms + 1000 - w->now_ms % 1000;
    for (uint32_t i = 0; i < w->targets_n; i++) {
        const struct target *t = &w->target[i];
        if (t->interval_ms && t->due_ms < due)
            due = t->due_ms;
        if (t->interval_ms && t->confirm_at_ms < due)
            due = t->confirm_at_ms;
    }
    return due;
}

void world_advance(struct world *w, int64_t ms)
{
    int64_t end = w->now_ms + ms;
    for (uint32_t turns = 0;; turns++) {
        int64_t due = next_due(w), to = due < end ? due : end;
        if (to > w->now_ms) {
            w->wall_ms += to - w->now_ms;
            w->now_ms = to;
        }
        if (due > end)
            return;
        health_advance(w->h, w->now_ms, w->wall_ms);
        world_settle(w);
        world_windows(w);
        run_probes(w);
        if (turns > 1000000)
            world_fatal("time does not pass: something is due at once for ever");
    }
}

/* -------------------------------------------------------------------------------------- queries */

static uint8_t *put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static size_t make_query(const char *name, uint16_t type, const struct ip_prefix *subnet,
                         uint8_t *msg)
{
    struct dns_name wire;
    if (!dns_name_from_text(name, &wire))
        world_fatal("\"%s\" is not a name", name);
    uint8_t *p = put16(put16(msg, 1), 0x0100);
    p = put16(put16(put16(put16(p, 1), 0), 0), subnet->ip.family != 0);
    memcpy(p, wire.wire, wire.len);
    p = put16(put16(p + wire.len, type), DNS_IN);
    if (!subnet->ip.family)
        return (size_t)(p - msg);
    unsigned octets = (subnet->len + 7u) / 8;
    *p++ = 0;
    p = put16(put16(p, DNS_OPT), 1232);
    memset(p, 0, 4);
    p = put16(put16(put16(p + 4, 8 + octets), DNS_OPTION_ECS), 4 + octets);
    p = put16(p, subnet->ip.family == 4 ? 1 : 2);
    *p++ = subnet->len;
    *p++ = 0;
    memcpy(p, subnet->ip.b, octets);
    return (size_t)(p + octets - msg);
}

size_t world_ask(struct world *w, const char *name, uint16_t type, struct ip source,
                 const struct ip_prefix *subnet, uint8_t out[4096])
{
    uint8_t msg[600];
    struct answer_request r = {.msg = msg,
                               .len = make_query(name, type, subnet, msg),
                               .source = source,
                               .out = out,
                               .cap = 4096};
    return answer_query(&w->worker, w->s, &r);
}

uint32_t world_region_for(struct world *w, const char *name, uint32_t client)
{
    uint8_t out[4096];
    uint32_t net = (0x100000u + client * 40503u % 0x800000u) << 8;
    struct ip_prefix subnet = {
        .ip = {.family = 4, .b = {(uint8_t)(net >> 24), (uint8_t)(net >> 16), (uint8_t)(net >> 8)}},
        .len = 24};
    const struct model_service *svc = model_service(w->s->model, name);
    if (!svc)
        world_fatal("there is no service %s", name);
    size_t len =
        world_ask(w, name, DNS_A, (struct ip){.family = 4, .b = {198, 18, 0, 1}}, &subnet, out);
    /* The question ends after the name and four octets; a single A follows it. */
    size_t at = 12 + dns_name_length(out + 12, len - 12) + 4 + 12;
    if (out[7] == 0 || at + 4 > len)
        return UINT32_MAX;
    struct ip ip;
    for (uint32_t i = 0; i < svc->endpoints_n; i++)
        if (ip_parse(svc->endpoints[i].address, &ip) && memcmp(ip.b, out + at, 4) == 0)
            return (uint32_t)model_region_index(w->s->model, svc->endpoints[i].region);
    return UINT32_MAX;
}
