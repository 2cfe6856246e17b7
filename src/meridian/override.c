#include "override.h"
#include "runs.h"

#include "base/clock.h"
#include "model/settings.h"
#include <stdlib.h>
#include <string.h>

bool moment_parse(const char *text, int64_t now_ms, int sign, int64_t *wall_ms)
{
    int64_t span_ms;
    if (time_parse(text, wall_ms))
        return true;
    if (!duration_parse(text, &span_ms) || span_ms < 0)
        return false;
    *wall_ms = now_ms + sign * span_ms;
    return true;
}

/* The order as the flags say it; 0 or the exit status. */
static int read_order(const struct call *c, const char *state, struct store_override *o)
{
    static const char *const states[] = {"up", "drain", "down", "auto"};
    bool known = false;
    for (size_t i = 0; i < 4; i++)
        known |= strcmp(state, states[i]) == 0;
    if (!known)
        return session_fail_text(ADMIN_REFUSED, "--state: \"%.32s\" is not up, drain, down or auto",
                                 state);
    const char *over = call_flag(c, "over"), *to = call_flag(c, "to"),
               *until = call_flag(c, "until");
    const char *reason = call_flag(c, "reason");
    *o = (struct store_override){.state = state,
                                 .since_wall_ms = clock_wall_ms(),
                                 .author = session_author(c),
                                 .reason = reason ? reason : ""};
    if ((over || to) && strcmp(state, "drain") != 0)
        return session_fail_text(ADMIN_USAGE, "--over and --to go with a drain, not with %s",
                                 state);
    if ((over || to) && c->command->noun == NOUN_ENDPOINT)
        return session_fail_text(ADMIN_USAGE,
                                 "--over and --to drain regions: an endpoint drains at once");
    if (until && strcmp(state, "auto") == 0)
        return session_fail_text(ADMIN_USAGE, "--until goes with up, drain or down, not with auto");
    if (over && (!duration_parse(over, &o->over_ms) || o->over_ms < 0))
        return session_fail_text(ADMIN_REFUSED, "--over: \"%.32s\" is not a duration: 10m is one",
                                 over);
    if (o->over_ms > ADMIN_OVER_MS_MAX)
        return session_fail_text(ADMIN_REFUSED, "--over: %.32s is not accepted: give at most 366d",
                                 over);
    if (to && !model_share_parse(to, &o->to))
        return session_fail_text(ADMIN_REFUSED,
                                 "--to: \"%.32s\" is not a share: 0 to 1, or 0%% to 100%%", to);
    if (until && !moment_parse(until, o->since_wall_ms, 1, &o->until_wall_ms))
        return session_fail_text(
            ADMIN_REFUSED,
            "--until: \"%.40s\" is neither a time (2026-11-22T12:00:00Z) nor a "
            "duration from now (2h)",
            until);
    if (until && o->until_wall_ms <= o->since_wall_ms)
        return session_fail_text(ADMIN_REFUSED, "--until: %.40s is past already", until);
    return ADMIN_DONE;
}

static json_t *order_request(const struct store_override *o)
{
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "op", "override", "region", o->region,
                          "state", o->state, "author", o->author, "reason", o->reason);
    if (o->service) {
        json_object_set_new(j, "service", json_string(o->service));
        json_object_set_new(j, "address", json_string(o->address));
    }
    if (strcmp(o->state, "drain") == 0 && !o->service) {
        json_object_set_new(j, "to", json_real(o->to));
        json_object_set_new(j, "over_ms", json_integer(o->over_ms));
    }
    if (o->until_wall_ms)
        json_object_set_new(j, "until_ms", json_integer(o->until_wall_ms));
    return j;
}

/* Names as the model writes them; ERR_NOT_FOUND names what is missing. */
static enum err resolve(const struct model *m, struct store_override *o, char *region,
                        char *service, char *address, struct diag *diag)
{
    if (!model_name_canonical(o->region, region) || !model_region(m, region))
        return diag_error(diag, ERR_NOT_FOUND, "", "no region is called \"%.64s\"", o->region);
    o->region = region;
    if (!o->service)
        return ERR_OK;
    const struct model_service *s =
        model_host_canonical(o->service, service) ? model_service(m, service) : NULL;
    if (!s)
        return diag_error(diag, ERR_NOT_FOUND, "", "no service is called \"%.253s\"", o->service);
    o->service = service;
    struct ip ip;
    if (ip_parse(o->address, &ip))
        ip_format(&ip, address);
    else if (!model_host_canonical(o->address, address))
        address[0] = '\0';
    for (uint32_t i = 0; i < s->endpoints_n; i++)
        if (strcmp(s->endpoints[i].region, region) == 0 &&
            strcmp(s->endpoints[i].address, address) == 0) {
            o->address = address;
            return ERR_OK;
        }
    return diag_error(diag, ERR_NOT_FOUND, "", "%s has no endpoint %.253s in %s", service,
                      o->address, region);
}

/* The windows that are open on a region: `auto` takes them back too. */
struct open_windows {
    const char *region;
    int64_t now_ms, id[STORE_MAINTENANCE_MAX];
    size_t n;
};

static void note_open(void *ctx, const struct store_maintenance *m)
{
    struct open_windows *w = ctx;
    if (strcmp(m->region, w->region) == 0 && m->from_wall_ms <= w->now_ms &&
        m->until_wall_ms > w->now_ms && w->n < STORE_MAINTENANCE_MAX)
        w->id[w->n++] = m->id;
}

static enum err end_windows(struct store *s, const char *region, struct diag *diag)
{
    struct open_windows w = {.region = region, .now_ms = clock_wall_ms()};
    enum err e = store_maintenance_each(s, note_open, &w, diag);
    for (size_t i = 0; !e && i < w.n; i++)
        e = store_maintenance_remove(s, w.id[i], diag);
    return e;
}

static enum err store_order(const struct call *c, struct store_override *o, struct diag *diag)
{
    struct store *s = NULL;
    struct model *m = NULL;
    char region[MODEL_NAME_TEXT_MAX], service[MODEL_HOST_TEXT_MAX], address[MODEL_HOST_TEXT_MAX];
    char sentence[512];
    enum err e = session_open(c, &s, diag);
    if (!e)
        e = store_load(s, &m, diag);
    if (!e)
        e = resolve(m, o, region, service, address, diag);
    if (!e && strcmp(o->state, "auto") == 0 && !o->service)
        e = end_windows(s, o->region, diag);
    if (!e && strcmp(o->state, "auto") == 0) {
        struct diag none = {0};
        e = store_override_remove(s, o->region, o->service, o->address, &none);
        if (e == ERR_NOT_FOUND)
            e = ERR_OK; /* nothing was said of it: so it is now */
        else if (e)
            diag_error(diag, e, "", "%s", diag_first(&none, sentence, sizeof sentence));
        diag_fini(&none);
    } else if (!e) {
        e = store_override_put(s, o, diag);
    }
    model_unref(&m);
    store_close(&s);
    return e;
}

static void print_order(const struct store_override *o, bool serving)
{
    char span[TIME_TEXT_MAX];
    printf("%s", o->region);
    if (o->service)
        printf(" %s of %s", o->address, o->service);
    if (strcmp(o->state, "auto") == 0)
        printf(": no override");
    else
        printf(": %s", o->state);
    if (o->to > 0)
        printf(" to %.4g%%", o->to * 100);
    if (o->over_ms > 0)
        printf(" over %s", duration_format(o->over_ms, span));
    if (o->until_wall_ms)
        printf(" until %s", time_format_s(o->until_wall_ms, span));
    puts(serving ? "" : "; stored, no daemon runs on this database");
}

/* ended: the numbers of the windows that an `auto` took back; NULL: it is not known of any. */
static int print_done(const struct call *c, const struct store_override *o, bool serving,
                      json_t *ended)
{
    if (c->json)
        return session_json(json_pack("{s:s, s:s*, s:s*, s:s, s:b, s:O*}", "region", o->region,
                                      "service", o->service, "address",
                                      o->service ? o->address : NULL, "state", o->state, "serving",
                                      serving, "ended", ended));
    print_order(o, serving);
    size_t i;
    json_t *number;
    json_array_foreach(ended, i, number)
    {
        printf("maintenance %lld: ended\n", (long long)json_integer_value(number));
    }
    return ADMIN_DONE;
}

int override_set(const struct call *c, const char *state)
{
    struct store_override o;
    int code = read_order(c, state, &o);
    if (code)
        return code;
    bool endpoint = c->command->noun == NOUN_ENDPOINT;
    o.region = call_arg(c, endpoint ? 1 : 0);
    o.service = endpoint ? call_arg(c, 0) : NULL;
    o.address = endpoint ? call_arg(c, 2) : NULL;
    struct diag diag = {0};
    struct admin_holder daemon;
    enum err e = session_daemon(c, &daemon, &diag);
    if (!e && daemon.held) {
        json_t *reply;
        code = session_ask_at(daemon.control, order_request(&o), CALL_TIMEOUT_MS, &reply);
        if (!code)
            code = print_done(c, &o, true, json_object_get(reply, "ended"));
        json_decref(reply);
        return code;
    }
    char region[MODEL_NAME_TEXT_MAX];
    const char *typed = o.region;
    if (!e)
        e = store_order(c, &o, &diag);
    if (e)
        return session_fail(e, &diag);
    diag_fini(&diag);
    /* store_order's canonical texts are gone; what was typed names the same things. */
    o.region = model_name_canonical(typed, region) ? region : typed;
    o.service = endpoint ? call_arg(c, 0) : NULL;
    o.address = endpoint ? call_arg(c, 2) : NULL;
    return print_done(c, &o, false, NULL);
}

int run_drain(struct call *c)
{
    return override_set(c, "drain");
}

int run_undrain(struct call *c)
{
    return override_set(c, "auto");
}

/* Rows of the engine's saved state, copied so that they can be written back. */
struct states {
    struct store_state *row;
    size_t n, cap, released;
    const char *region;
    bool failed;
};

static void copy_state(void *ctx, const struct store_state *row)
{
    struct states *s = ctx;
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        struct store_state *more = realloc(s->row, cap * sizeof *more);
        if (!more) {
            s->failed = true;
            return;
        }
        s->row = more;
        s->cap = cap;
    }
    struct store_state *copy = &s->row[s->n++];
    *copy = *row;
    copy->service = strdup(row->service);
    copy->region = strdup(row->region);
    copy->address = strdup(row->address);
    copy->why = strdup(row->why ? row->why : "");
    if (!copy->service || !copy->region || !copy->address || !copy->why)
        s->failed = true;
    else if (strcmp(copy->region, s->region) == 0 && copy->kept_out) {
        copy->released = true;
        s->released++;
    }
}

static void states_fini(struct states *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free((char *)s->row[i].service);
        free((char *)s->row[i].region);
        free((char *)s->row[i].address);
        free((char *)s->row[i].why);
    }
    free(s->row);
}

/* Without a daemon: the state that it will start from says so. */
static enum err store_release(const struct call *c, size_t *released, struct diag *diag)
{
    struct store *store = NULL;
    struct model *m = NULL;
    char region[MODEL_NAME_TEXT_MAX];
    struct states states = {.region = region};
    int64_t saved_ms = 0;
    enum err e = session_open(c, &store, diag);
    if (!e)
        e = store_load(store, &m, diag);
    if (!e && (!model_name_canonical(call_arg(c, 0), region) || !model_region(m, region)))
        e = diag_error(diag, ERR_NOT_FOUND, "", "no region is called \"%.64s\"", call_arg(c, 0));
    if (!e)
        e = store_state_each(store, &saved_ms, copy_state, &states, diag);
    if (!e && states.failed)
        e = diag_error(diag, ERR_NOMEM, "", "out of memory");
    if (!e && states.released > 0)
        e = store_state_replace(store, states.row, states.n, saved_ms, diag);
    *released = states.released;
    states_fini(&states);
    model_unref(&m);
    store_close(&store);
    return e;
}

int run_release(struct call *c)
{
    struct diag diag = {0};
    struct admin_holder daemon;
    size_t released = 0;
    enum err e = session_daemon(c, &daemon, &diag);
    if (!e && daemon.held) {
        json_t *reply, *j = json_pack("{s:s, s:s, s:s}", "op", "release", "region", call_arg(c, 0),
                                      "author", session_author(c));
        int code = session_ask_at(daemon.control, j, CALL_TIMEOUT_MS, &reply);
        json_decref(reply);
        if (code)
            return code;
    } else if (!e) {
        e = store_release(c, &released, &diag);
    }
    if (e)
        return session_fail(e, &diag);
    diag_fini(&diag);
    if (c->json)
        return session_json(
            json_pack("{s:s, s:b}", "region", call_arg(c, 0), "serving", daemon.held));
    if (daemon.held)
        printf("%s: released\n", call_arg(c, 0));
    else if (released)
        printf("%s: released; stored, no daemon runs on this database\n", call_arg(c, 0));
    else
        printf("%s: nothing keeps it out; no daemon runs on this database\n", call_arg(c, 0));
    return ADMIN_DONE;
}
