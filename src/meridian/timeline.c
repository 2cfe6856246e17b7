/* timeline: what a region or a service was, hour by hour, from the log in the database. */
#include "items.h"
#include "override.h"
#include "runs.h"
#include "strip.h"

#include "base/clock.h"
#include "model/settings.h"
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SINCE_MS 86400000
#define WIDTH_PIPED 80

struct view {                  /* what was asked for */
    const char *name, *region; /* region NULL: name is a region, or all of a service's */
    char host[MODEL_HOST_TEXT_MAX], site[MODEL_NAME_TEXT_MAX]; /* as the model writes them */
    const struct model_service *service;
    int64_t from_ms, until_ms, now_ms;
    int64_t width;
};

/* ---------------------------------------------------------------------------------- what to show */

/* REGION, SERVICE or SERVICE/REGION. */
static int read_subject(struct view *v, const struct model *m, const char *arg)
{
    char service[MODEL_HOST_TEXT_MAX + 1];
    const char *slash = strchr(arg, '/');
    size_t len = slash ? (size_t)(slash - arg) : strlen(arg);
    snprintf(service, sizeof service, "%.*s", (int)(len < sizeof service ? len : 0), arg);
    item_host(service, v->host);
    item_name(slash ? slash + 1 : arg, v->site);
    if (!slash && model_region(m, v->site)) {
        v->name = v->site;
        return ADMIN_DONE;
    }
    v->service = model_service(m, v->host);
    if (!v->service)
        return session_fail_text(ADMIN_NOT_FOUND, "\"%.*s\" is neither a region nor a service",
                                 (int)(len > 255 ? 255 : len), arg);
    v->name = v->service->name;
    if (slash && !model_region(m, v->site))
        return session_fail_text(ADMIN_NOT_FOUND, "there is no region \"%.63s\"", slash + 1);
    v->region = slash ? v->site : NULL;
    for (uint32_t i = 0; slash && i < v->service->endpoints_n; i++)
        if (strcmp(v->service->endpoints[i].region, v->region) == 0)
            return ADMIN_DONE;
    if (slash)
        return session_fail_text(ADMIN_NOT_FOUND, "%s has no endpoint in %.63s", v->name,
                                 v->region);
    return ADMIN_DONE;
}

static int read_moment(const struct call *c, const char *flag, int64_t now_ms, int64_t *out)
{
    const char *text = call_flag(c, flag);
    if (!text || moment_parse(text, now_ms, -1, out))
        return ADMIN_DONE;
    return session_fail_text(ADMIN_REFUSED,
                             "--%s: \"%.40s\" is neither a time (2026-11-22T12:00:00Z) nor a "
                             "duration back from now (2h)",
                             flag, text);
}

static unsigned terminal_width(void)
{
    struct winsize size;
    if (!session_terminal() || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return WIDTH_PIPED;
    return size.ws_col < STRIP_WIDTH_MIN ? STRIP_WIDTH_MIN : size.ws_col;
}

static int read_flags(const struct call *c, struct view *v)
{
    const char *width = call_flag(c, "width");
    v->now_ms = v->until_ms = clock_wall_ms();
    v->from_ms = v->now_ms - SINCE_MS;
    v->width = terminal_width();
    int code = read_moment(c, "since", v->now_ms, &v->from_ms);
    if (!code)
        code = read_moment(c, "until", v->now_ms, &v->until_ms);
    if (code)
        return code;
    if (v->until_ms > v->now_ms)
        v->until_ms = v->now_ms;
    if (v->from_ms >= v->until_ms)
        return session_fail_text(ADMIN_REFUSED, "--since: nothing lies between it and %s",
                                 call_has(c, "until") ? "--until" : "now");
    if (width && (!model_integer_parse(width, &v->width) || v->width < STRIP_WIDTH_MIN ||
                  v->width > STRIP_WIDTH_MAX))
        return session_fail_text(ADMIN_REFUSED,
                                 "--width: \"%.32s\" is not a whole number from %d to %d", width,
                                 STRIP_WIDTH_MIN, STRIP_WIDTH_MAX);
    return ADMIN_DONE;
}

/* --------------------------------------------------------------------------------- from the store */

static bool take_moment(void *ctx, const struct store_event *e)
{
    *(int64_t *)ctx = e->wall_ms;
    return false;
}

static bool take_event(void *ctx, const struct store_event *e)
{
    states_event(ctx, e);
    return true;
}

static bool take_of_region(void *ctx, const struct store_event *e)
{
    if (!e->service[0])
        states_event(ctx, e);
    return true;
}

static void take_saved(void *ctx, const struct store_state *row)
{
    states_saved(ctx, row);
}

static void take_override(void *ctx, const struct store_override *o)
{
    states_override(ctx, o);
}

/* The last line before the time shown that is of the rule, 0 for none. */
static enum err last_before(struct store *s, const char *rule, int64_t before_ms, int64_t *out,
                            struct diag *diag)
{
    struct store_event_filter f = {.kind = "daemon",
                                   .rule = rule,
                                   .until_wall_ms = before_ms,
                                   .limit = 1,
                                   .newest_first = true};
    *out = 0;
    return store_events_each(s, &f, take_moment, out, diag);
}

/* Where the log begins: its oldest line; where that is of schema 1, which tells nothing in columns,
 * the first start of a daemon that does. */
static bool take_oldest(void *ctx, const struct store_event *e)
{
    *(int64_t *)ctx = *e->facts.rule ? e->wall_ms : INT64_MAX;
    return false;
}

static enum err known_since(struct store *s, int64_t *known_ms, struct diag *diag)
{
    *known_ms = INT64_MAX;
    enum err e = store_events_each(s, &(struct store_event_filter){0}, take_oldest, known_ms, diag);
    if (!e && *known_ms == INT64_MAX)
        e = store_events_each(s, &(struct store_event_filter){.rule = "start"}, take_moment,
                              known_ms, diag);
    return e;
}

static enum err read_events(struct store *s, const struct view *v, const struct model *m,
                            struct states *out, struct diag *diag)
{
    struct store_event_filter f = {.since_wall_ms = v->from_ms};
    enum err e = ERR_OK;
    static const char *const runs[] = {"start", "stop"};
    for (size_t i = 0; i < 2 && !e; i++) {
        f.kind = "daemon";
        f.rule = runs[i];
        e = store_events_each(s, &f, take_event, out, diag);
    }
    f.kind = f.rule = NULL;
    f.service = v->service ? v->service->name : NULL;
    f.region = v->service ? v->region : v->name;
    if (!e)
        e = store_events_each(s, &f, take_event, out, diag);
    f.service = NULL;
    for (uint32_t r = 0; v->service && r < m->regions_n && !e; r++) {
        f.region = m->regions[r].name;
        if (!v->region || strcmp(v->region, f.region) == 0)
            e = store_events_each(s, &f, take_of_region, out, diag);
    }
    return e;
}

static enum err read_store(struct store *s, const struct view *v, const struct model *m,
                           struct states **out, int64_t *known_ms, struct diag *diag)
{
    int64_t start_ms, stop_ms, saved_ms;
    enum err e = known_since(s, known_ms, diag);
    if (e)
        return e;
    struct states *t = *out = states_create(v->from_ms, v->until_ms, *known_ms);
    if (!t)
        return diag_error(diag, ERR_NOMEM, "", "out of memory");
    if (v->service)
        states_service(t, m, v->service, v->region);
    else
        states_region(t, m, v->name);
    e = store_state_each(s, &saved_ms, take_saved, t, diag);
    if (!e)
        e = store_override_each(s, take_override, t, diag);
    if (!e)
        e = last_before(s, "start", v->from_ms, &start_ms, diag);
    if (!e)
        e = last_before(s, "stop", v->from_ms, &stop_ms, diag);
    if (!e && stop_ms > start_ms)
        states_stood(t);
    if (!e)
        e = read_events(s, v, m, t, diag);
    if (!e && !states_fold(t))
        e = diag_error(diag, ERR_NOMEM, "", "out of memory");
    return e;
}

/* ------------------------------------------------------------------------------------ to programs */

static json_t *moment_json(int64_t wall_ms)
{
    char when[TIME_TEXT_MAX];
    return json_string(time_format(wall_ms, when));
}

static json_t *row_json(const struct state_row *r, int64_t until_ms)
{
    json_t *spans = json_array();
    for (size_t i = 0; i < r->spans_n; i++) {
        const struct state_span *p = &r->span[i];
        bool last = i + 1 == r->spans_n, known = p->state >= STATE_UP;
        json_array_append_new(
            spans, json_pack("{s:o, s:o, s:s, s:o, s:s, s:s}", "from", moment_json(p->from_ms),
                             "until", moment_json(last ? until_ms : r->span[i + 1].from_ms),
                             "state", state_name(p->state), "availability",
                             known ? json_real(p->avail) : json_null(), "rule", p->rule, "cause",
                             p->cause));
    }
    return json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:o}", "service", r->service, "region",
                     r->region, "endpoint", r->endpoint, "falls", (int)r->falls, "down_ms",
                     (json_int_t)r->down_ms, "known_ms", (json_int_t)r->known_ms, "spans", spans);
}

static json_t *to_json(const struct view *v, const struct states *t, int64_t known_ms)
{
    json_t *rows = json_array(), *starts = json_array();
    size_t n;
    const int64_t *start = states_starts(t, &n);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(starts, moment_json(start[i]));
    for (const struct state_row *r = states_next(t, NULL); r; r = states_next(t, r))
        json_array_append_new(rows, row_json(r, v->until_ms));
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", v->name, "from",
                     moment_json(v->from_ms), "until", moment_json(v->until_ms), "known_since",
                     known_ms == INT64_MAX ? json_null() : moment_json(known_ms), "daemon_starts",
                     starts, "rows", rows);
}

int run_timeline(struct call *c)
{
    struct view v = {0};
    struct diag diag = {0};
    struct model *m = NULL;
    struct store *s = NULL;
    struct states *t = NULL;
    int64_t known_ms = 0;
    int code = read_flags(c, &v);
    if (code)
        return code;
    enum err e = session_model(c, &m, &diag);
    if (e)
        return session_fail(e, &diag);
    code = read_subject(&v, m, call_arg(c, 0));
    if (!code) {
        e = session_open(c, &s, &diag);
        if (!e)
            e = read_store(s, &v, m, &t, &known_ms, &diag);
        code = e ? session_fail(e, &diag) : ADMIN_DONE;
    }
    if (!code && c->json) {
        code = session_json(to_json(&v, t, known_ms));
    } else if (!code) {
        struct strip p = {v.name, v.from_ms, v.until_ms, (unsigned)v.width, strip_utf8()};
        strip_print(&p, t, stdout);
    }
    diag_fini(&diag);
    states_destroy(&t);
    store_close(&s);
    model_unref(&m);
    return code;
}
