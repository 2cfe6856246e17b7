/* Events: one line each, to stderr, to the history, to those who follow. */
#include "base/check.h"
#include "base/clock.h"
#include "daemon.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_AFTER_MS 100
#define BATCH_MAX 4096
#define STREAM_AHEAD (256u * 1024)
#define PAST_MAX 100000u
#define WAITING_MAX 10000

/* -------------------------------------------------------------------------- on to the history */

struct event_batch {
    struct keeper_job job;
    struct arena *arena;
    struct store_event event[BATCH_MAX];
    size_t n;
    enum err lost; /* why they are not in the history */
};

static void batch_run(struct keeper *k, struct keeper_job *job)
{
    struct event_batch *b = (struct event_batch *)(void *)job;
    struct diag diag = {0};
    b->lost = store_events_add(keeper_store(k), b->event, b->n, &diag);
    keeper_note_history(k, b->lost, &diag);
    diag_fini(&diag);
}

static void batch_done(void *ctx, struct keeper_job *job)
{
    struct daemon *d = ctx;
    struct event_batch *b = (struct event_batch *)(void *)job;
    if (b->lost)
        d->events_dropped += b->n;
    arena_destroy(b->arena);
    free(b);
}

void events_flush(struct daemon *d)
{
    struct event_batch *b = d->batch;
    if (!b)
        return;
    d->batch = NULL;
    b->job.run = batch_run;
    b->job.done = batch_done;
    keeper_submit(d->keeper, &b->job);
}

void events_finish(struct daemon *d)
{
    struct event_batch *b = d->batch;
    d->batch = NULL;
    if (!b)
        return;
    batch_run(d->keeper, &b->job);
    batch_done(d, &b->job);
}

static void on_flush(uv_timer_t *t)
{
    events_flush(t->data);
}

static struct event_batch *batch_of(struct daemon *d)
{
    if (d->batch && d->batch->n == BATCH_MAX)
        events_flush(d);
    if (!d->batch) {
        d->batch = calloc(1, sizeof *d->batch);
        struct arena *a = d->batch ? arena_create(0) : NULL;
        if (!a) {
            free(d->batch);
            d->batch = NULL;
            return NULL;
        }
        d->batch->arena = a;
        if (d->flush_timer.data)
            uv_timer_start(&d->flush_timer, on_flush, FLUSH_AFTER_MS, 0);
    }
    return d->batch;
}

static void remember(struct daemon *d, const struct event_line *e, int64_t revision,
                     const char *line)
{
    struct event_batch *b = batch_of(d);
    if (!b) {
        d->events_dropped++;
        return;
    }
    struct store_event *out = &b->event[b->n];
    *out = (struct store_event){.wall_ms = e->wall_ms,
                                .level = log_level_name(e->level),
                                .kind = e->kind,
                                .service = arena_strdup(b->arena, e->service),
                                .region = arena_strdup(b->arena, e->region),
                                .endpoint = arena_strdup(b->arena, e->endpoint),
                                .revision = revision,
                                .line = arena_strdup(b->arena, line)};
    if (arena_failed(b->arena))
        d->events_dropped++;
    else
        b->n++;
}

/* ------------------------------------------------------------------------------------ followers */

static bool wanted(const struct follower *f, const char *service, const char *region,
                   const char *kind)
{
    return (!f->service || strcmp(f->service, service) == 0) &&
           (!f->region || strcmp(f->region, region) == 0) &&
           (!f->kind || strcmp(f->kind, kind) == 0);
}

static json_t *event_json(int64_t id, const char *line, const char *kind, const char *service,
                          const char *region, const char *endpoint, const char *level,
                          int64_t wall_ms, int64_t revision)
{
    char when[TIME_TEXT_MAX];
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "id", (json_int_t)id, "line",
                     line, "kind", kind, "service", service, "region", region, "endpoint", endpoint,
                     "level", level, "time", time_format(wall_ms, when), "revision",
                     (json_int_t)revision);
}

struct past_job { /* the lines before now, read on the keeper's thread */
    struct keeper_job job;
    struct follower *f; /* NULL: gone meanwhile */
    char *service, *region, *kind;
    int64_t since_ms;
    uint32_t limit;
    json_t *lines;
};

static void follower_free(struct follower *f)
{
    for (struct follower **at = &f->d->followers; *at; at = &(*at)->next_one)
        if (*at == f) {
            *at = f->next_one;
            break;
        }
    free(f->service);
    free(f->region);
    free(f->kind);
    json_decref(f->waiting);
    free(f);
}

/* As fast as it is read: a past may be longer than a reader takes at once. */
static void follower_pump(struct follower *f)
{
    size_t n = json_array_size(f->waiting);
    if (f->past)
        return;
    while (f->next < n && admin_stream_queued(f->request) < STREAM_AHEAD)
        admin_stream(f->request, json_incref(json_array_get(f->waiting, f->next++)));
    if (f->next == n) {
        json_array_clear(f->waiting);
        f->next = f->past_n = 0;
    }
}

static void on_drained(void *arg)
{
    follower_pump(arg);
}

static void follower_cut(struct follower *f)
{
    if (f->past)
        f->past->f = NULL;
    admin_stream_end(f->request);
    follower_free(f);
}

static void tell_followers(struct daemon *d, const struct event_line *e, int64_t revision,
                           const char *line)
{
    for (struct follower *f = d->followers, *next; f; f = next) {
        next = f->next_one;
        if (!wanted(f, e->service, e->region, e->kind))
            continue;
        if (json_array_size(f->waiting) > f->past_n + WAITING_MAX) {
            follower_cut(f); /* it does not read what happens */
            continue;
        }
        json_t *j = event_json(0, line, e->kind, e->service, e->region, e->endpoint,
                               log_level_name(e->level), e->wall_ms, revision);
        json_array_append_new(f->waiting, j);
        follower_pump(f);
    }
}

/* ------------------------------------------------------------------------------------- one line */

static void scope_of(const struct event_line *e, char *out, size_t cap)
{
    if (e->service[0] && e->region[0])
        snprintf(out, cap, "%s/%s", e->service, e->region);
    else
        snprintf(out, cap, "%s", e->service[0] ? e->service : e->region[0] ? e->region : e->kind);
}

void events_log(struct daemon *d, const struct event_line *e)
{
    char scope[400], line[LOG_LINE_MAX];
    const struct snapshot *s = d->hub ? world_now(d) : NULL;
    int64_t revision = s ? s->revision : 0;
    scope_of(e, scope, sizeof scope);
    log_format_line(line, sizeof line, e->wall_ms, e->level, scope, e->text);
    log_write_line(e->level, line);
    if (e->level == LOG_DEBUG) /* for whoever watches stderr; the history keeps what matters */
        return;
    remember(d, e, revision, line);
    tell_followers(d, e, revision, line);
}

void events_say(struct daemon *d, enum log_level level, const char *kind, const char *fmt, ...)
{
    char text[LOG_LINE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct event_line e = {.level = level,
                           .kind = kind,
                           .service = "",
                           .region = "",
                           .endpoint = "",
                           .text = text,
                           .wall_ms = clock_wall_ms()};
    events_log(d, &e);
}

static const char *health_kind(enum health_event_kind kind)
{
    switch (kind) {
    case HEALTH_EVENT_PROBE:
        return "probe";
    case HEALTH_EVENT_ENDPOINT:
        return "endpoint";
    case HEALTH_EVENT_AVAILABILITY:
        return "availability";
    case HEALTH_EVENT_HOLD:
        return "hold";
    case HEALTH_EVENT_ISOLATED:
        return "isolated";
    case HEALTH_EVENT_OVERRIDE:
        return "override";
    case HEALTH_EVENT_REPORT:
        return "report";
    }
    return "health";
}

/* The longest that a resolver may go on using what it was told before a change. */
static uint32_t longest_ttl_s(const struct snapshot *s, uint32_t service, uint32_t region)
{
    if (service != HEALTH_NONE)
        return (uint32_t)s->model->services[service].ttl_s;
    uint32_t ttl = 0;
    for (uint32_t i = 0; i < s->services_n; i++)
        for (uint32_t k = s->service_site_first[i]; k < s->service_site_first[i + 1]; k++)
            if (s->board_site_region[k] == region && s->model->services[i].ttl_s > ttl)
                ttl = (uint32_t)s->model->services[i].ttl_s;
    return ttl;
}

/* What only the daemon knows: where the clients go, until when, under which revision. */
static void append_effect(const struct snapshot *s, const struct health_event *e, char *text,
                          size_t cap)
{
    char when[TIME_TEXT_MAX];
    size_t len = strlen(text);
    int heir = e->service != HEALTH_NONE && e->after < e->before
                   ? shares_heir(s, e->service, e->region)
                   : -1;
    if (heir >= 0)
        len += (size_t)snprintf(text + len, cap - len, " to=%s", s->model->regions[heir].name);
    int64_t until = e->wall_ms + 1000 * (int64_t)longest_ttl_s(s, e->service, e->region);
    if (len < cap)
        snprintf(text + len, cap - len, " moved-by=%s rev=%lld", time_format_s(until, when),
                 (long long)s->revision);
}

void events_health(struct daemon *d, const struct health_event *e)
{
    const struct snapshot *s = world_now(d);
    const struct model *m = s->model;
    char text[LOG_LINE_MAX];
    snprintf(text, sizeof text, "%s", e->text);
    if (e->kind == HEALTH_EVENT_AVAILABILITY && e->region != HEALTH_NONE)
        append_effect(s, e, text, sizeof text);
    struct event_line line = {.level = e->level,
                              .kind = health_kind(e->kind),
                              .service = "",
                              .region = "",
                              .endpoint = "",
                              .text = text,
                              .wall_ms = e->wall_ms};
    if (e->service != HEALTH_NONE)
        line.service = m->services[e->service].name;
    if (e->region != HEALTH_NONE)
        line.region = m->regions[e->region].name;
    if (e->endpoint != HEALTH_NONE && e->service != HEALTH_NONE)
        line.endpoint = m->services[e->service]
                            .endpoints[e->endpoint - s->service_endpoint_first[e->service]]
                            .address;
    events_log(d, &line);
}

/* ----------------------------------------------------------------------------------- log-follow */

static char *optional(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(body, key));
    return text ? strdup(text) : NULL;
}

static void follower_gone(void *arg)
{
    struct follower *f = arg;
    if (f->past)
        f->past->f = NULL;
    follower_free(f);
}

static bool past_line(void *ctx, const struct store_event *e)
{
    struct past_job *p = ctx;
    json_array_append_new(p->lines,
                          event_json(e->id, e->line, e->kind, e->service ? e->service : "",
                                     e->region ? e->region : "", e->endpoint ? e->endpoint : "",
                                     e->level, e->wall_ms, e->revision));
    return true;
}

static void past_run(struct keeper *k, struct keeper_job *job)
{
    struct past_job *p = (struct past_job *)(void *)job;
    struct diag diag = {0};
    struct store_event_filter filter = {.service = p->service,
                                        .region = p->region,
                                        .kind = p->kind,
                                        .since_wall_ms = p->since_ms,
                                        .limit = p->limit ? p->limit : PAST_MAX};
    char text[512];
    if ((p->limit || p->since_ms) &&
        store_events_each(keeper_store(k), &filter, past_line, p, &diag))
        log_write(LOG_WARN, "store", "the history cannot be read: %s",
                  diag_first(&diag, text, sizeof text));
    diag_fini(&diag);
}

static void past_done(void *ctx, struct keeper_job *job)
{
    (void)ctx;
    struct past_job *p = (struct past_job *)(void *)job;
    struct follower *f = p->f;
    if (f) {
        json_t *since = f->waiting;
        f->past = NULL;
        f->past_n = json_array_size(p->lines);
        f->waiting = json_incref(p->lines);
        json_array_extend(f->waiting, since);
        json_decref(since);
        follower_pump(f);
    }
    free(p->service);
    free(p->region);
    free(p->kind);
    json_decref(p->lines);
    free(p);
}

void op_log_follow(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    struct follower *f = calloc(1, sizeof *f);
    struct past_job *p = calloc(1, sizeof *p);
    CHECK(f && p);
    json_t *since = json_object_get(r->body, "since_ms"),
           *limit = json_object_get(r->body, "limit");
    *f = (struct follower){.next_one = d->followers,
                           .d = d,
                           .request = r,
                           .past = p,
                           .service = optional(r->body, "service"),
                           .region = optional(r->body, "region"),
                           .kind = optional(r->body, "kind"),
                           .waiting = json_array()};
    *p =
        (struct past_job){.job = {.run = past_run, .done = past_done},
                          .f = f,
                          .service = optional(r->body, "service"),
                          .region = optional(r->body, "region"),
                          .kind = optional(r->body, "kind"),
                          .since_ms = json_is_integer(since) ? json_integer_value(since) : 0,
                          .limit = json_is_integer(limit) ? (uint32_t)json_integer_value(limit) : 0,
                          .lines = json_array()};
    d->followers = f;
    admin_stream_begin(r, follower_gone, f);
    admin_stream_on_drained(r, on_drained, f);
    events_flush(d); /* what is on its way belongs to the past */
    keeper_submit(d->keeper, &p->job);
}

void events_stop(struct daemon *d)
{
    while (d->followers)
        follower_cut(d->followers);
}
