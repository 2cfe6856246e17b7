#include "meridian.h"

#include "base/check.h"
#include "config/config.h"
#include "snapshot/snapshot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool meridian_log;

#define INTERVAL_S 5
#define TIMEOUT_S 2
#define WALL_MS 1795312800000 /* 2026-11-22T02:00:00Z */

static int64_t mono_ms(int now)
{
    return 1000000 + (int64_t)now * 1000;
}

static int64_t wall_ms(int now)
{
    return WALL_MS + (int64_t)now * 1000;
}

/* ------------------------------------------------------------------------------ the configuration */

struct text {
    char *at;
    size_t n, cap;
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    t->n += (size_t)vsnprintf(t->at + t->n, t->cap - t->n, fmt, ap);
    va_end(ap);
    CHECK(t->n < t->cap);
}

static void put_rules(struct text *t, const struct world *w)
{
    for (int c = 0; c < w->classes; c++) {
        put(t, "%s{\"where\":\"net:20.%d.0.0/16\",\"regions\":[", c ? "," : "", c);
        for (int i = 0; i < w->class[c].order_n; i++)
            put(t, "%s\"r%d\"", i ? "," : "", w->class[c].order[i]);
        put(t, "]}");
    }
    put(t, ",{\"where\":\"default\",\"regions\":[");
    for (int i = 0; i < w->regions; i++)
        put(t, "%s\"r%d\"", i ? "," : "", i);
    put(t, "]}");
}

static void put_endpoints(struct text *t, const struct world *w)
{
    for (int i = 0; i < w->regions; i++)
        for (int k = 0; k < w->region[i].endpoints; k++)
            put(t, "%s{\"region\":\"r%d\",\"address\":\"198.18.%d.%d\",\"weight\":%d}",
                i || k ? "," : "", i, i, k + 1,
                w->weighted ? 1 + (int)(w->region[i].capacity / 10) : 100);
}

static void put_world(struct text *t, const struct world *w)
{
    put(t, "{\"zones\":[{\"name\":\"g.test\",\"ns\":[{\"name\":\"ns1.g.test\","
           "\"addresses\":[\"192.0.2.53\"]}]}],\"regions\":[");
    for (int i = 0; i < w->regions; i++)
        put(t, "%s{\"name\":\"r%d\",\"capacity\":%.0f}", i ? "," : "", i,
            w->capacities ? w->region[i].capacity : 0);
    put(t,
        "],\"probes\":[{\"name\":\"web\",\"type\":\"http\",\"interval\":\"%ds\","
        "\"timeout\":\"%ds\",\"fall\":3,\"rise\":2}],\"maps\":[{\"name\":\"m\",\"rules\":[",
        INTERVAL_S, TIMEOUT_S);
    put_rules(t, w);
    put(t,
        "]}],\"services\":[{\"name\":\"www.g.test\",\"policy\":\"%s\",\"map\":\"m\","
        "\"ttl\":%d,\"probe\":\"web\",\"endpoints\":[",
        w->weighted ? "sticky"
        : w->fenced ? "fence | geo | sticky"
                    : "geo | sticky",
        TTL_S);
    put_endpoints(t, w);
    put(t, "]}]}");
}

static void compile(struct meridian *m, const struct world *w)
{
    struct diag diag = {0};
    char first[600];
    int64_t revision;
    struct text t = {.cap = 1u << 19};
    t.at = malloc(t.cap);
    m->model = model_create();
    m->cache = snapshot_cache_create();
    CHECK(t.at && m->model && m->cache);
    put_world(&t, w);
    struct snapshot_options options = {.workers = 1};
    enum err e = config_import(m->model, t.at, t.n, &revision, &diag);
    if (!e)
        e = model_validate(m->model, &diag);
    if (!e)
        e = snapshot_compile(m->model, m->cache, &options, &m->s, &diag);
    if (e) {
        fprintf(stderr, "SEED=%llu: the configuration is refused: %s\n",
                (unsigned long long)w->seed, diag_first(&diag, first, sizeof first));
        abort();
    }
    diag_fini(&diag);
    free(t.at);
}

static void number_endpoints(struct meridian *m, const struct world *w)
{
    const struct model_service *svc = &m->s->model->services[0];
    for (uint32_t e = 0; e < svc->endpoints_n; e++) {
        struct ip ip;
        CHECK(ip_parse(svc->endpoints[e].address, &ip));
        m->region_of[e] = ip.b[2];
        m->index_of[e] = ip.b[3] - 1;
        m->site_of[m->region_of[e]] = (int)snapshot_board_site(m->s, 0, e);
        m->target[e] = (struct target){.due = (int)e % INTERVAL_S, .confirm_at = -1, .ends = -1};
    }
    for (int i = 0; i < w->regions; i++) /* declared in our order: numbers agree */
        CHECK(model_region_index(m->s->model, m->s->model->regions[i].name) == i &&
              atoi(m->s->model->regions[i].name + 1) == i);
}

static void locate(struct meridian *m, const struct world *w)
{
    const struct snapshot_view *view = snapshot_view_of(m->s, 0);
    for (int i = 0; i < w->askers; i++) {
        const struct asker *a = &w->asker[i];
        struct geo_client_in in = {.source = a->ip};
        if (a->subnet)
            in = (struct geo_client_in){
                .subnet = a->ip, .subnet_len = 24, .source = {.family = 4, .b = {198, 51, 100, 1}}};
        m->client[i] = geo_client_locate(view->map, &in);
    }
}

/* As the daemon does: by the networks of a class that there could be, not by who asks. */
static void weigh(struct meridian *m, const struct world *w)
{
    const struct snapshot_view *view = snapshot_view_of(m->s, 0);
    double *part = calloc(view->rows_n, sizeof *part);
    bool seen[CLASSES_MAX] = {false};
    CHECK(part);
    for (int i = 0; i < w->askers; i++) {
        int c = w->asker[i].class;
        part[m->client[i].class] += seen[c] ? 0 : 1.0 / w->classes;
        seen[c] = true;
    }
    CHECK(signal_capacity_weigh(m->capacity, m->s->steer.service[0].view, 1, part) == ERR_OK);
    free(part);
}

/* --------------------------------------------------------------------------------------- wiring */

static void say(struct meridian *m, const struct health_event *e, size_t n, int now)
{
    for (size_t i = 0; i < n; i++, m->events++)
        if (meridian_log && now > 60 && e[i].kind != HEALTH_EVENT_PROBE &&
            e[i].kind != HEALTH_EVENT_REPORT)
            printf("%5d r%-3d %s\n", now, e[i].region == HEALTH_NONE ? -1 : (int)e[i].region,
                   e[i].text);
}

static void settle(struct meridian *m, int now)
{
    struct health_action action[64];
    struct health_event event[16];
    bool moved = signal_board_follow(m->h, m->s);
    m->changed |= moved;
    if (moved || signal_capacity_due(m->capacity, m->h))
        m->changed |= signal_capacity_look(m->capacity, m->h, mono_ms(now), wall_ms(now));
    for (size_t n = 64; n == 64;) {
        n = health_take_actions(m->h, action, 64);
        for (size_t i = 0; i < n; i++) {
            struct target *t = &m->target[action[i].endpoint];
            int at = (int)((action[i].at_ms - mono_ms(0) + 999) / 1000);
            at = at > now ? at : now;
            if (t->confirm_at < 0 || at < t->confirm_at)
                t->confirm_at = at;
        }
    }
    for (size_t n = 16; n == 16;) {
        n = health_take_events(m->h, event, 16);
        say(m, event, n, now);
    }
    for (size_t n = 16; n == 16;) {
        n = signal_capacity_events(m->capacity, event, 16);
        say(m, event, n, now);
    }
}

struct meridian *meridian_open(const struct world *w)
{
    struct meridian *m = calloc(1, sizeof *m);
    CHECK(m);
    compile(m, w);
    m->config = signal_config_create(m->s);
    CHECK(m->config);
    CHECK(health_create(signal_config_engine(m->config), mono_ms(0), wall_ms(0), &m->h) == ERR_OK);
    (void)signal_board_follow(m->h, m->s);
    m->capacity = signal_capacity_create(m->s, NULL);
    CHECK(m->capacity);
    rng_seed(&m->rng, 1);
    number_endpoints(m, w);
    locate(m, w);
    weigh(m, w);
    settle(m, 0);
    return m;
}

void meridian_close(struct meridian *m)
{
    signal_capacity_destroy(&m->capacity);
    health_destroy(&m->h);
    signal_config_destroy(&m->config);
    snapshot_unref(&m->s);
    snapshot_cache_destroy(&m->cache);
    model_unref(&m->model);
    free(m);
}

struct answer meridian_ask(struct meridian *m, const struct world *w, int asker)
{
    const struct snapshot_view *view = snapshot_view_of(m->s, 0);
    const struct snapshot_row *row = &view->rows[m->client[asker].class];
    struct steer_client client = {.ip = &m->client[asker].looked_up,
                                  .network_len = m->client[asker].network_len,
                                  .rng = &m->rng,
                                  .allowed = row->fence,
                                  .fenced = row->fence != UINT64_MAX};
    static struct steer_plan plan;
    (void)w;
    steer_choose(&m->s->steer, 0, view->items + row->item, row->n, STEER_V4, &client, &plan);
    if (plan.n != 1)
        return (struct answer){NOWHERE, 0, TTL_S};
    uint32_t ttl = atomic_load_explicit(steer_ttl_word(&m->s->steer, 0), memory_order_relaxed);
    return (struct answer){m->region_of[plan.endpoint[0]], m->index_of[plan.endpoint[0]], (int)ttl};
}

bool meridian_region_avail(const struct meridian *m, const struct world *w, int region,
                           uint32_t *avail)
{
    (void)w;
    const struct steer_tables *t = &m->s->steer;
    uint32_t r = atomic_load(&t->board.region[region]) & STEER_WORD_AVAIL;
    uint32_t s =
        atomic_load(steer_site_word(t, 0, (uint32_t)m->site_of[region])) & STEER_WORD_AVAIL;
    *avail = r < s ? r : s;
    for (uint32_t e = 0; e < m->s->endpoints_n; e++)
        if (m->region_of[e] == region &&
            (health_endpoint_word(m->h, e) & HEALTH_WORD_AVAIL) != AVAIL_FULL)
            return false;
    return true;
}

void meridian_drain(struct meridian *m, const struct world *w, int region, uint32_t keep, int now)
{
    (void)w;
    struct health_order order = {.state = keep == AVAIL_FULL ? HEALTH_AUTO : HEALTH_DRAIN,
                                 .to = keep,
                                 .author = "test",
                                 .reason = "movement"};
    health_order_region(m->h, (uint32_t)region, &order, mono_ms(now), wall_ms(now));
    settle(m, now);
}

/* ------------------------------------------------------------------------------------- evidence */

static void finish(struct run *r, struct meridian *m, uint32_t e)
{
    struct target *t = &m->target[e];
    struct health_sample s = {.endpoint = e,
                              .ok = t->ok,
                              .confirm = t->confirm,
                              .started_ms = mono_ms(t->sent),
                              .now_ms = mono_ms(r->now),
                              .wall_ms = wall_ms(r->now),
                              .latency_us = 20000};
    snprintf(s.text, sizeof s.text, "%s", t->ok ? "200" : "fails");
    t->ends = -1;
    health_sample(m->h, &s);
    settle(m, r->now);
}

static void start(struct run *r, struct meridian *m, uint32_t e, bool confirm)
{
    struct target *t = &m->target[e];
    bool timed_out;
    t->ok = probe_succeeds(r, &r->rng, m->region_of[e], m->index_of[e], true, &timed_out);
    t->confirm = confirm;
    t->confirm_at = -1;
    t->sent = r->now;
    t->ends = r->now + (!t->ok && timed_out ? TIMEOUT_S : 0);
    if (t->ends == r->now)
        finish(r, m, e);
}

static void probe(struct run *r, struct meridian *m)
{
    for (uint32_t e = 0; e < m->s->endpoints_n; e++) {
        struct target *t = &m->target[e];
        if (t->ends >= 0 && t->ends <= r->now)
            finish(r, m, e);
        if (t->due <= r->now) {
            t->due += INTERVAL_S;
            if (t->ends < 0)
                start(r, m, e, false);
        } else if (t->confirm_at >= 0 && t->confirm_at <= r->now && t->ends < 0)
            start(r, m, e, true);
    }
}

static void report(struct run *r, struct meridian *m)
{
    for (int i = 0; i < r->w->regions; i++) {
        if (r->truth.silent[i])
            continue;
        const struct reported *said = &r->reported[i];
        struct health_report report = {.region = (uint32_t)i,
                                       .site = HEALTH_NONE,
                                       .endpoint = HEALTH_NONE,
                                       .source = "balancer",
                                       .ok = (uint64_t)llround(said->ok),
                                       .errors = (uint64_t)llround(said->errors),
                                       .covered_ms = REPORT_S * 1000,
                                       .has_load = true,
                                       .utilisation =
                                           said->load / REPORT_S / r->w->region[i].capacity,
                                       .now_ms = mono_ms(r->now),
                                       .wall_ms = wall_ms(r->now)};
        if (health_report(m->h, &report) != ERR_OK)
            run_fail(r, "a report is refused");
        settle(m, r->now);
    }
}

static void second(struct run *r)
{
    struct meridian *m = r->state;
    m->changed = false;
    while (health_due(m->h) <= mono_ms(r->now)) {
        health_advance(m->h, mono_ms(r->now), wall_ms(r->now));
        settle(m, r->now);
    }
    probe(r, m);
    if (r->now % REPORT_S == REPORT_S - 1)
        report(r, m);
    r->decided |= m->changed;
    const char *broken = health_check_state(m->h);
    if (broken)
        run_fail(r, "the engine's state does not hold: %s", broken);
}

static void *open_run(struct run *r)
{
    return meridian_open(r->w);
}

static void close_run(void *state)
{
    meridian_close(state);
}

static struct answer ask(struct run *r, int asker)
{
    return meridian_ask(r->state, r->w, asker);
}

static double keeps(const struct run *r, int region)
{
    uint32_t avail;
    meridian_region_avail(r->state, r->w, region, &avail);
    return avail_to_double(avail);
}

const struct rule rule_meridian = {.name = "Meridian",
                                   .about = "probes every 5 s, reports every 10 s",
                                   .open = open_run,
                                   .close = close_run,
                                   .second = second,
                                   .ask = ask,
                                   .keeps = keeps};

uint32_t meridian_admits(const struct meridian *m, int region)
{
    return atomic_load_explicit(&m->s->steer.board.spill[region], memory_order_relaxed);
}

bool meridian_eased(const struct meridian *m)
{
    return atomic_load_explicit(&m->s->steer.board.spill[STEER_REGIONS_MAX], memory_order_relaxed) &
           STEER_SPILL_EASED;
}

double meridian_eased_part(const struct meridian *m, const struct world *w, int region, bool fenced)
{
    uint32_t most = 0, avail;
    (void)w;
    if (!meridian_eased(m))
        return 0;
    for (uint32_t e = 0; e < m->s->endpoints_n; e++)
        if (m->region_of[e] == region) {
            avail = steer_effective_eased(&m->s->steer, 0, e);
            most = avail > most ? avail : most;
        }
    return avail_to_double(most) * steer_admission(&m->s->steer.board, (uint32_t)region, fenced) /
           STEER_ADMIT_FULL;
}

void meridian_say_regions(const struct run *r)
{
    struct meridian *m = r->state;
    for (int i = 0; i < r->w->regions; i++) {
        uint32_t avail;
        struct signal_capacity_view v;
        bool plain = meridian_region_avail(m, r->w, i, &avail);
        double c = r->w->region[i].capacity;
        signal_capacity_show(m->capacity, (uint32_t)i, &v);
        printf(
            "          r%-3d avail %.2f%s admits %.2f %.2f | home %.2f believed %.2f | load %.2f "
            "sent %.2f expected %.2f level %.2f%s\n",
            i, avail_to_double(avail), plain ? " " : "*", v.admits[0], v.admits[1], r->home[i] / c,
            v.demand / c, r->load[i] / c, r->sent[i] / c, v.expected / c, v.level,
            r->works[i] ? "" : " (does not work)");
    }
}
