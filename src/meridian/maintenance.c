/* maintenance: words on regions that are planned, through the daemon or into the database. */
#include "override.h"
#include "runs.h"
#include "table.h"

#include "base/clock.h"
#include "model/settings.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --from or --until as a moment; 0 or the exit status. */
static int read_moment(const struct call *c, const char *flag, int64_t now_ms, int64_t *wall_ms)
{
    const char *text = call_flag(c, flag);
    if (!text)
        return session_fail_text(ADMIN_USAGE, "--%s is missing: a window has --from and --until",
                                 flag);
    if (!moment_parse(text, now_ms, 1, wall_ms))
        return session_fail_text(ADMIN_REFUSED,
                                 "--%s: \"%.40s\" is neither a time (2026-11-22T12:00:00Z) nor a "
                                 "duration from now (2h)",
                                 flag, text);
    return ADMIN_DONE;
}

static int read_window(const struct call *c, struct store_maintenance *m)
{
    const char *state = call_flag(c, "state"), *over = call_flag(c, "over"),
               *to = call_flag(c, "to"), *reason = call_flag(c, "reason");
    *m = (struct store_maintenance){.region = call_arg(c, 0),
                                    .state = state ? state : "drain",
                                    .created_wall_ms = clock_wall_ms(),
                                    .author = session_author(c),
                                    .reason = reason};
    bool down = strcmp(m->state, "down") == 0;
    if (!down && strcmp(m->state, "drain") != 0)
        return session_fail_text(ADMIN_REFUSED, "--state: \"%.32s\" is not drain or down",
                                 m->state);
    int code = read_moment(c, "from", m->created_wall_ms, &m->from_wall_ms);
    if (!code)
        code = read_moment(c, "until", m->created_wall_ms, &m->until_wall_ms);
    if (code)
        return code;
    if (!reason || !reason[0])
        return session_fail_text(ADMIN_USAGE, "--reason is missing: say what the window is for");
    if (m->until_wall_ms <= m->from_wall_ms)
        return session_fail_text(ADMIN_REFUSED, "--until: %.40s is not after --from",
                                 call_flag(c, "until"));
    if (m->until_wall_ms <= m->created_wall_ms)
        return session_fail_text(ADMIN_REFUSED, "--until: %.40s is past already",
                                 call_flag(c, "until"));
    if (to && down)
        return session_fail_text(ADMIN_USAGE, "--to goes with a drain, not with down");
    if (over && (!duration_parse(over, &m->over_ms) || m->over_ms < 0))
        return session_fail_text(ADMIN_REFUSED, "--over: \"%.32s\" is not a duration: 10m is one",
                                 over);
    if (m->over_ms > ADMIN_OVER_MS_MAX)
        return session_fail_text(ADMIN_REFUSED, "--over: %.32s is not accepted: give at most 366d",
                                 over);
    if (to && !model_share_parse(to, &m->to))
        return session_fail_text(ADMIN_REFUSED,
                                 "--to: \"%.32s\" is not a share: 0 to 1, or 0%% to 100%%", to);
    return ADMIN_DONE;
}

static json_t *add_request(const struct store_maintenance *m)
{
    return json_pack("{s:s, s:s, s:s, s:f, s:I, s:I, s:I, s:s, s:s}", "op", "maintenance-add",
                     "region", m->region, "state", m->state, "to", m->to, "over_ms",
                     (json_int_t)m->over_ms, "from_ms", (json_int_t)m->from_wall_ms, "until_ms",
                     (json_int_t)m->until_wall_ms, "author", m->author, "reason", m->reason);
}

static enum err store_window(const struct call *c, struct store_maintenance *m, struct diag *diag)
{
    struct store *s = NULL;
    struct model *model = NULL;
    char region[MODEL_NAME_TEXT_MAX];
    enum err e = session_open(c, &s, diag);
    if (!e)
        e = store_load(s, &model, diag);
    if (!e && (!model_name_canonical(m->region, region) || !model_region(model, region)))
        e = diag_error(diag, ERR_NOT_FOUND, "", "no region is called \"%.64s\"", m->region);
    if (!e) {
        struct store_maintenance row = *m;
        row.region = region;
        e = store_maintenance_add(s, &row, &m->id, diag);
    }
    model_unref(&model);
    store_close(&s);
    return e;
}

/* "maintenance 3: eu-west drain to 40% over 10m from … until …" */
static void print_window(const struct store_maintenance *m)
{
    char span[TIME_TEXT_MAX];
    printf("maintenance %lld: %s %s", (long long)m->id, m->region, m->state);
    if (m->to > 0)
        printf(" to %.4g%%", m->to * 100);
    if (m->over_ms > 0)
        printf(" over %s", duration_format(m->over_ms, span));
    printf(" from %s", time_format_s(m->from_wall_ms, span));
    printf(" until %s", time_format_s(m->until_wall_ms, span));
}

int run_maintenance_add(struct call *c)
{
    struct store_maintenance m;
    int code = read_window(c, &m);
    if (code)
        return code;
    struct diag diag = {0};
    struct admin_holder daemon;
    json_t *reply = NULL;
    char region[MODEL_NAME_TEXT_MAX];
    if (model_name_canonical(m.region, region))
        m.region = region;
    enum err e = session_daemon(c, &daemon, &diag);
    if (!e && daemon.held) {
        code = session_ask_at(daemon.control, add_request(&m), CALL_TIMEOUT_MS, &reply);
        if (code)
            return code;
        m.id = json_integer_value(json_object_get(reply, "id"));
    } else if (!e) {
        e = store_window(c, &m, &diag);
    }
    if (e)
        return session_fail(e, &diag);
    diag_fini(&diag);
    const char *start = json_string_value(json_object_get(reply, "start"));
    if (c->json) {
        session_json(json_pack("{s:I, s:s, s:b, s:s*}", "id", (json_int_t)m.id, "region", m.region,
                               "serving", daemon.held, "start", start));
    } else {
        print_window(&m);
        if (start)
            printf("; the drain begins at %s\n", start);
        else
            puts("; stored, no daemon runs on this database");
    }
    json_decref(reply);
    return ADMIN_DONE;
}

int run_maintenance_remove(struct call *c)
{
    struct diag diag = {0};
    struct admin_holder daemon;
    const char *text = call_arg(c, 0);
    char *end;
    errno = 0;
    long long id = strtoll(text, &end, 10);
    if (errno || *end || end == text || id <= 0)
        return session_fail_text(ADMIN_USAGE,
                                 "\"%.32s\" is not the number of a window: `meridian maintenance "
                                 "list` shows them",
                                 text);
    enum err e = session_daemon(c, &daemon, &diag);
    if (!e && daemon.held) {
        json_t *reply;
        int code = session_ask_at(daemon.control,
                                  json_pack("{s:s, s:I, s:s}", "op", "maintenance-remove", "id",
                                            (json_int_t)id, "author", session_author(c)),
                                  CALL_TIMEOUT_MS, &reply);
        json_decref(reply);
        if (code)
            return code;
    } else if (!e) {
        struct store *s = NULL;
        e = session_open(c, &s, &diag);
        if (!e)
            e = store_maintenance_remove(s, id, &diag);
        store_close(&s);
    }
    if (e)
        return session_fail(e, &diag);
    diag_fini(&diag);
    if (c->json)
        return session_json(json_pack("{s:I, s:b}", "id", (json_int_t)id, "serving", daemon.held));
    printf("maintenance %lld: removed%s\n", id,
           daemon.held ? "" : "; no daemon runs on this database");
    return ADMIN_DONE;
}

struct listing {
    bool json;
    int64_t now_ms;
    json_t *list;
    struct table table;
};

static void list_row(void *ctx, const struct store_maintenance *m)
{
    struct listing *l = ctx;
    char from[TIME_TEXT_MAX], until[TIME_TEXT_MAX], span[TIME_TEXT_MAX];
    bool open = m->from_wall_ms <= l->now_ms;
    if (m->until_wall_ms <= l->now_ms)
        return;
    time_format_s(m->from_wall_ms, from);
    time_format_s(m->until_wall_ms, until);
    if (l->json) {
        json_array_append_new(
            l->list, json_pack("{s:I, s:s, s:s, s:f, s:I, s:s, s:s, s:b, s:s, s:s}", "id",
                               (json_int_t)m->id, "region", m->region, "state", m->state, "to",
                               m->to, "over_ms", (json_int_t)m->over_ms, "from", from, "until",
                               until, "open", open, "author", m->author, "reason", m->reason));
        return;
    }
    table_cell(&l->table, "%lld", (long long)m->id);
    table_cell(&l->table, "%s", m->region);
    if (m->to > 0)
        table_cell(&l->table, "%s %.4g%%", m->state, m->to * 100);
    else
        table_cell(&l->table, "%s", m->state);
    table_cell(&l->table, "%s", m->over_ms ? duration_format(m->over_ms, span) : "-");
    table_cell(&l->table, "%s", from);
    table_cell(&l->table, "%s", until);
    if (open)
        table_cell(&l->table, "open");
    else
        table_cell(&l->table, "in %s", duration_format_rough(m->from_wall_ms - l->now_ms, span));
    table_cell(&l->table, "%s", m->author);
    table_cell(&l->table, "%s", m->reason);
}

int run_maintenance_list(struct call *c)
{
    static const char *const head[] = {"ID",    "REGION", "SET", "OVER",   "FROM",
                                       "UNTIL", "STATUS", "BY",  "REASON", NULL};
    struct diag diag = {0};
    struct store *s = NULL;
    struct listing l = {.json = c->json, .now_ms = clock_wall_ms(), .list = json_array()};
    table_start(&l.table, head, 1u << 0);
    enum err e = session_open(c, &s, &diag);
    if (!e)
        e = store_maintenance_each(s, list_row, &l, &diag);
    store_close(&s);
    if (e) {
        json_decref(l.list);
        return session_fail(e, &diag);
    }
    diag_fini(&diag);
    if (c->json)
        return session_json(l.list);
    json_decref(l.list);
    return table_print(&l.table, stdout, session_terminal()) ? ADMIN_DONE : ADMIN_REFUSED;
}
