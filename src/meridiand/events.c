/* Events: one line each, to stderr, to the history, to those who follow. */
#include "base/check.h"
#include "base/clock.h"
#include "daemon.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_AFTER_MS 100
#define BATCH_MAX 4096
#define BATCHES_MAX 32 /* on their way: a keeper that is behind must not fill the memory */
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
    d->events_added += b->n;
    arena_destroy(b->arena);
    free(b);
    if (--d->batches_n == 0 && d->events_skipped) {
        unsigned long long n = d->events_skipped;
        d->events_skipped = 0;
        events_say(d, LOG_WARN, "daemon", "gap",
                   "%llu events are not in the history: they came faster than it is written", n);
    }
}

void events_flush(struct daemon *d)
{
    struct event_batch *b = d->batch;
    if (!b)
        return;
    d->batch = NULL;
    b->job.run = batch_run;
    b->job.done = batch_done;
    d->batches_n++;
    keeper_submit(d->keeper, &b->job);
}

void events_finish(struct daemon *d)
{
    struct event_batch *b = d->batch;
    d->batch = NULL;
    if (!b)
        return;
    d->batches_n++;
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
    if (!d->batch && d->batches_n >= BATCHES_MAX) {
        d->events_skipped++;
        return NULL;
    }
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

static const char *text_kept(struct arena *a, const char *text)
{
    return text && *text ? arena_strdup(a, text) : NULL;
}

static struct store_facts facts_kept(struct arena *a, const struct store_facts *f)
{
    struct store_facts out = *f;
    out.rule = text_kept(a, f->rule);
    out.cause = text_kept(a, f->cause);
    out.was = text_kept(a, f->was);
    out.is = text_kept(a, f->is);
    out.blocked_by = text_kept(a, f->blocked_by);
    out.effect = text_kept(a, f->effect);
    out.to = text_kept(a, f->to);
    return out;
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
                                .line = arena_strdup(b->arena, line),
                                .facts = facts_kept(b->arena, &e->facts)};
    if (arena_failed(b->arena))
        d->events_dropped++;
    else
        b->n++;
}

/* ------------------------------------------------------------------------------------ followers */

struct past_job { /* the lines before now, read on the keeper's thread */
    struct keeper_job job;
    struct follower *f; /* NULL: gone meanwhile */
    json_t *body;       /* of its request: the filter's texts */
    struct store_event_filter filter;
    bool any; /* past lines are wanted */
    json_t *lines;
};

static void follower_free(struct follower *f)
{
    for (struct follower **at = &f->d->followers; *at; at = &(*at)->next_one)
        if (*at == f) {
            *at = f->next_one;
            break;
        }
    json_decref(f->body);
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
    struct store_event event = {.wall_ms = e->wall_ms,
                                .level = log_level_name(e->level),
                                .kind = e->kind,
                                .service = e->service,
                                .region = e->region,
                                .endpoint = e->endpoint,
                                .revision = revision,
                                .line = line,
                                .facts = e->facts};
    for (struct follower *f = d->followers, *next; f; f = next) {
        next = f->next_one;
        if (!store_event_matches(&f->filter, &event))
            continue;
        if (json_array_size(f->waiting) > f->past_n + WAITING_MAX) {
            follower_cut(f); /* it does not read what happens */
            continue;
        }
        json_array_append_new(f->waiting, store_event_json(&event));
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

void events_say(struct daemon *d, enum log_level level, const char *kind, const char *rule,
                const char *fmt, ...)
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
                           .wall_ms = clock_wall_ms(),
                           .facts = {.rule = rule}};
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
    case HEALTH_EVENT_SPILL:
        return "spill";
    }
    return "health";
}

/* The longest that a resolver may go on using what it was told before a change. */
static uint32_t longest_ttl_s(const struct daemon *d, uint32_t service, uint32_t region)
{
    if (service != HEALTH_NONE)
        return (uint32_t)world_now(d)->model->services[service].ttl_s;
    return health_region_ttl_max_s(d->health, region);
}

static bool shifts(const struct health_event *e)
{
    return e->region != HEALTH_NONE && e->has_avail &&
           (e->kind == HEALTH_EVENT_AVAILABILITY || e->before != e->after || e->moving_ms > 0);
}

/* What only the daemon knows: where the clients go, until when, under which revision. */
static void append_effect(const struct daemon *d, const struct health_event *e, char *text,
                          size_t cap, struct store_facts *f)
{
    const struct snapshot *s = world_now(d);
    char when[TIME_TEXT_MAX];
    size_t len = strlen(text);
    bool leaves = e->service != HEALTH_NONE && e->endpoint == HEALTH_NONE && e->after < e->before;
    int heir = leaves ? shares_heir(s, e->service, e->region) : -1;
    if (heir >= 0) {
        f->to = s->model->regions[heir].name;
        len += (size_t)snprintf(text + len, cap - len, " to=%s", f->to);
    }
    f->moved_by_ms =
        e->wall_ms + e->moving_ms + 1000 * (int64_t)longest_ttl_s(d, e->service, e->region);
    if (len < cap)
        snprintf(text + len, cap - len, " moved-by=%s rev=%lld",
                 time_format_s(f->moved_by_ms, when), (long long)s->revision);
}

#define PART_TEXT_MAX 200

static const char *part_of(const struct health_event *e, struct health_span at,
                           char out[PART_TEXT_MAX])
{
    snprintf(out, PART_TEXT_MAX, "%.*s", (int)at.len, e->text + at.at);
    return out;
}

void events_health(struct daemon *d, const struct health_event *e)
{
    const struct snapshot *s = world_now(d);
    const struct model *m = s->model;
    char text[LOG_LINE_MAX];
    char cause[PART_TEXT_MAX], effect[PART_TEXT_MAX], blocked_by[PART_TEXT_MAX];
    snprintf(text, sizeof text, "%s", e->text);
    struct event_line line = {.level = e->level,
                              .kind = health_kind(e->kind),
                              .service = "",
                              .region = "",
                              .endpoint = "",
                              .text = text,
                              .wall_ms = e->wall_ms,
                              .facts = {.rule = e->rule,
                                        .cause = part_of(e, e->cause, cause),
                                        .was = e->was,
                                        .is = e->is,
                                        .has_avail = e->has_avail,
                                        .before = avail_to_double(e->before),
                                        .after = avail_to_double(e->after),
                                        .would = avail_to_double(e->would),
                                        .blocked_by = part_of(e, e->blocked_by, blocked_by),
                                        .failed = (int64_t)e->failed,
                                        .samples = (int64_t)e->judged,
                                        .effect = part_of(e, e->effect, effect)}};
    if (shifts(e))
        append_effect(d, e, text, sizeof text, &line.facts);
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

static const char *text_of(const json_t *body, const char *key)
{
    return json_string_value(json_object_get(body, key));
}

static int64_t integer_of(const json_t *body, const char *key)
{
    return json_integer_value(json_object_get(body, key)); /* 0 for what is none */
}

static struct store_event_filter filter_of(const json_t *body)
{
    int64_t limit = integer_of(body, "limit");
    return (struct store_event_filter){.service = text_of(body, "service"),
                                       .region = text_of(body, "region"),
                                       .endpoint = text_of(body, "endpoint"),
                                       .kind = text_of(body, "kind"),
                                       .rule = text_of(body, "rule"),
                                       .level = text_of(body, "level"),
                                       .since_wall_ms = integer_of(body, "since_ms"),
                                       .limit = limit > 0 && limit < PAST_MAX ? (uint32_t)limit
                                                                              : PAST_MAX};
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
    json_array_append_new(p->lines, store_event_json(e));
    return true;
}

static void past_run(struct keeper *k, struct keeper_job *job)
{
    struct past_job *p = (struct past_job *)(void *)job;
    struct diag diag = {0};
    char text[512];
    if (p->any && store_events_each(keeper_store(k), &p->filter, past_line, p, &diag))
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
    json_decref(p->body);
    json_decref(p->lines);
    free(p);
}

void op_log_follow(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    struct follower *f = calloc(1, sizeof *f);
    struct past_job *p = calloc(1, sizeof *p);
    CHECK(f && p);
    config_request_names(r->body);
    struct store_event_filter filter = filter_of(r->body);
    *f = (struct follower){.next_one = d->followers,
                           .d = d,
                           .request = r,
                           .past = p,
                           .body = json_incref(r->body),
                           .filter = filter,
                           .waiting = json_array()};
    *p = (struct past_job){.job = {.run = past_run, .done = past_done},
                           .f = f,
                           .body = json_incref(r->body),
                           .filter = filter,
                           .any = integer_of(r->body, "limit") > 0 || filter.since_wall_ms > 0,
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
