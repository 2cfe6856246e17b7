/* log: the history from the database, or with --follow the daemon's events as they come. */
#include "override.h"
#include "runs.h"
#include "table.h"

#include "base/clock.h"
#include "base/log.h"
#include "model/settings.h"
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_SHOWN 100
#define LINES_BEFORE_FOLLOW 10
#define FOLLOW_WAKE_MS 1000 /* how soon a reader that left is noticed */

/* A time as the flags take it, or exit status and sentence. */
static int read_moment(const struct call *c, const char *flag, int64_t *out)
{
    const char *text = call_flag(c, flag);
    if (!text || moment_parse(text, clock_wall_ms(), -1, out))
        return ADMIN_DONE;
    return session_fail_text(ADMIN_REFUSED,
                             "--%s: \"%.40s\" is neither a time (2026-11-22T12:00:00Z) nor a "
                             "duration back from now (2h)",
                             flag, text);
}

static int read_level(const char *text)
{
    enum log_level level;
    if (!text || log_level_parse(text, &level))
        return ADMIN_DONE;
    return session_fail_text(ADMIN_REFUSED,
                             "--level: \"%.32s\" is none of info, notice, warn, error", text);
}

/* What goes together with --follow. */
static int check_follow(const struct call *c)
{
    static const char *const not_with[] = {"until", "reverse"};
    for (size_t i = 0; i < 2 && call_has(c, "follow"); i++)
        if (call_has(c, not_with[i]))
            return session_fail_text(ADMIN_USAGE, "--follow has no end: leave --%s out",
                                     not_with[i]);
    return ADMIN_DONE;
}

static int read_kind(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    bool known = !text;
    for (const char *at = LOG_KINDS; *at && !known; at += strspn(at, ", ")) {
        size_t n = strcspn(at, ",");
        known = n == len && memcmp(at, text, n) == 0;
        at += n;
    }
    if (known)
        return ADMIN_DONE;
    return session_fail_text(ADMIN_REFUSED, "--kind: \"%.32s\" is none of " LOG_KINDS, text);
}

/* service, region and endpoint as the log has them: new, the filter borrows from it. */
static json_t *read_names(const struct call *c)
{
    json_t *names = json_pack("{s:s*, s:s*, s:s*}", "service", call_flag(c, "service"), "region",
                              call_flag(c, "region"), "endpoint", call_flag(c, "endpoint"));
    config_request_names(names);
    return names;
}

static const char *name_of(const json_t *names, const char *key)
{
    return json_string_value(json_object_get(names, key));
}

static int read_filter(const struct call *c, const json_t *names, struct store_event_filter *f)
{
    const char *since = call_flag(c, "since"), *text = call_flag(c, "limit");
    int64_t limit = call_has(c, "follow") ? LINES_BEFORE_FOLLOW : since ? 0 : LINES_SHOWN;
    *f = (struct store_event_filter){.service = name_of(names, "service"),
                                     .region = name_of(names, "region"),
                                     .endpoint = name_of(names, "endpoint"),
                                     .kind = call_flag(c, "kind"),
                                     .rule = call_flag(c, "rule"),
                                     .level = call_flag(c, "level"),
                                     .newest_first = call_has(c, "reverse")};
    int code = check_follow(c);
    if (!code)
        code = read_moment(c, "since", &f->since_wall_ms);
    if (!code)
        code = read_moment(c, "until", &f->until_wall_ms);
    if (!code)
        code = read_level(f->level);
    if (!code)
        code = read_kind(f->kind);
    if (code)
        return code;
    if (text && (!model_integer_parse(text, &limit) || limit < 0 || limit > UINT32_MAX))
        return session_fail_text(ADMIN_REFUSED, "--limit: \"%.32s\" is not a whole number", text);
    f->limit = (uint32_t)limit;
    return ADMIN_DONE;
}

static void print_compact(json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
    if (text)
        puts(text);
    free(text);
}

static bool print_event(void *ctx, const struct store_event *e)
{
    const struct call *c = ctx;
    if (c->json) {
        json_t *j = store_event_json(e);
        print_compact(j);
        json_decref(j);
    } else {
        session_line(e->line);
    }
    return !ferror(stdout);
}

static int from_database(struct call *c, const struct store_event_filter *f)
{
    struct diag diag = {0};
    struct store *s;
    enum err e = session_open(c, &s, &diag);
    if (e)
        return session_fail(e, &diag);
    e = store_events_each(s, f, print_event, c, &diag);
    store_close(&s);
    if (e)
        return session_fail(e, &diag);
    diag_fini(&diag);
    return ADMIN_DONE;
}

static json_t *follow_request(const struct store_event_filter *f)
{
    json_t *j =
        json_pack("{s:s, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:I}", "op", "log-follow", "service",
                  f->service, "region", f->region, "endpoint", f->endpoint, "kind", f->kind, "rule",
                  f->rule, "level", f->level, "limit", (json_int_t)f->limit);
    if (f->since_wall_ms)
        json_object_set_new(j, "since_ms", json_integer(f->since_wall_ms));
    return j;
}

/* Has the reader of our output gone (`meridian log --follow | head`)? A write would say so, but
 * there may be none for hours. */
static bool reader_gone(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO};
    return ferror(stdout) || (poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLHUP));
}

static enum err print_stream(const struct call *c, struct admin_stream *stream, struct diag *diag)
{
    enum err e = ERR_OK;
    while (!e && !reader_gone()) {
        json_t *line;
        e = admin_stream_next(stream, FOLLOW_WAKE_MS, &line, diag);
        if (e || !line)
            continue;
        const char *text = json_string_value(json_object_get(line, "line"));
        if (c->json)
            print_compact(line);
        else if (text)
            session_line(text);
        fflush(stdout);
        json_decref(line);
    }
    return e;
}

static int follow(struct call *c, const struct store_event_filter *f)
{
    struct diag diag = {0};
    struct admin_holder daemon;
    struct admin_stream *stream = NULL;
    json_t *first = NULL;
    enum err e = session_daemon(c, &daemon, &diag);
    if (!e && !daemon.held)
        e = diag_error(
            &diag, ERR_UNREACHABLE, "",
            "log --follow needs the daemon, and none runs on %s: without --follow the log is "
            "read from the database",
            c->db);
    if (!e) {
        json_t *request = follow_request(f);
        e = admin_stream_open(daemon.control, request, CALL_TIMEOUT_MS, &stream, &first, &diag);
        json_decref(request);
    }
    int code = ADMIN_DONE;
    if (!e && !json_is_true(json_object_get(first, "ok")))
        code = session_refused(first);
    else if (!e)
        e = print_stream(c, stream, &diag);
    json_decref(first);
    admin_stream_close(&stream);
    if (e)
        return session_fail(e, &diag);
    diag_fini(&diag);
    return code;
}

int run_log(struct call *c)
{
    struct store_event_filter f;
    json_t *names = read_names(c);
    int code = read_filter(c, names, &f);
    if (!code)
        code = call_has(c, "follow") ? follow(c, &f) : from_database(c, &f);
    json_decref(names);
    return code;
}
