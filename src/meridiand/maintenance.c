/* Planned words: stored first, then the engine is told of them, and told again often, since they go
 * by the wall clock. */
#include "base/check.h"
#include "base/clock.h"
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

static char *copy_of(const char *s)
{
    char *copy = strdup(s ? s : "");
    CHECK(copy);
    return copy;
}

static struct window_entry *entry_create(const struct store_maintenance *m)
{
    struct window_entry *e = calloc(1, sizeof *e);
    CHECK(e);
    e->region = copy_of(m->region);
    e->author = copy_of(m->author);
    e->reason = copy_of(m->reason);
    e->m = (struct health_maintenance){.id = (uint32_t)m->id,
                                       .state = strcmp(m->state, "down") == 0 ? HEALTH_DOWN
                                                                              : HEALTH_DRAIN,
                                       .to = avail_from_double(m->to),
                                       .over_ms = m->over_ms,
                                       .created_wall_ms = m->created_wall_ms,
                                       .from_wall_ms = m->from_wall_ms,
                                       .until_wall_ms = m->until_wall_ms,
                                       .author = e->author,
                                       .reason = e->reason};
    return e;
}

static void entry_free(struct window_entry *e)
{
    free(e->region);
    free(e->author);
    free(e->reason);
    free(e);
}

static void insert(struct daemon *d, struct window_entry *e)
{
    struct window_entry **at = &d->windows;
    while (*at && (*at)->m.from_wall_ms <= e->m.from_wall_ms)
        at = &(*at)->next;
    e->next = *at;
    *at = e;
}

static struct window_entry **find(struct daemon *d, json_int_t id)
{
    struct window_entry **at = &d->windows;
    while (*at && (*at)->m.id != id)
        at = &(*at)->next;
    return at;
}

static void take_out(struct window_entry **at)
{
    struct window_entry *e = *at;
    *at = e->next;
    entry_free(e);
}

void maintenance_free(struct daemon *d)
{
    while (d->windows)
        take_out(&d->windows);
}

static void load_row(void *ctx, const struct store_maintenance *m)
{
    struct daemon *d = ctx;
    if (m->id > 0 && m->id < UINT32_MAX)
        insert(d, entry_create(m));
}

void maintenance_load(struct daemon *d, struct store *store)
{
    struct diag diag = {0};
    char text[512];
    if (store_maintenance_each(store, load_row, d, &diag))
        log_write(LOG_WARN, "store", "maintenance windows cannot be read: %s",
                  diag_first(&diag, text, sizeof text));
    diag_fini(&diag);
}

bool maintenance_look(struct daemon *d, const struct snapshot *s)
{
    bool changed = false;
    for (struct window_entry *e = d->windows; e; e = e->next) {
        int region = model_region_index(s->model, e->region);
        if (region >= 0)
            changed |= health_maintenance_look(d->health, (uint32_t)region, &e->m, clock_mono_ms(),
                                               clock_wall_ms());
    }
    return changed;
}

/* ---------------------------------------------------------------------------- what others ask for */

static json_t *time_json(int64_t wall_ms)
{
    char when[TIME_TEXT_MAX];
    return json_string(time_format_s(wall_ms, when));
}

/* Where it is on its way: planned, moving (its notice included), open. */
static const char *phase_of(const struct daemon *d, int region, const struct window_entry *e)
{
    if (region < 0 || !health_maintenance_begun(d->health, (uint32_t)region, e->m.id))
        return "planned";
    return clock_wall_ms() < e->m.from_wall_ms ? "moving" : "open";
}

static json_t *entry_json(const struct daemon *d, const struct window_entry *e)
{
    int region = model_region_index(world_now(d)->model, e->region);
    json_t *o =
        json_pack("{s:I, s:s, s:s, s:f, s:I, s:o, s:o, s:s, s:s, s:s}", "id", (json_int_t)e->m.id,
                  "region", e->region, "state", e->m.state == HEALTH_DOWN ? "down" : "drain", "to",
                  avail_to_double(e->m.to), "over_ms", (json_int_t)e->m.over_ms, "from",
                  time_json(e->m.from_wall_ms), "until", time_json(e->m.until_wall_ms), "author",
                  e->author, "reason", e->reason, "phase", phase_of(d, region, e));
    if (o && region >= 0) {
        struct health_maintenance_times t =
            health_maintenance_times(d->health, (uint32_t)region, &e->m);
        json_object_set_new(o, "notice", time_json(t.notice_ms));
        json_object_set_new(o, "start", time_json(t.start_ms));
    }
    return o;
}

json_t *maintenance_json(const struct daemon *d)
{
    json_t *list = json_array();
    for (const struct window_entry *e = d->windows; e; e = e->next)
        if (!e->m.over)
            json_array_append_new(list, entry_json(d, e));
    return list;
}

json_t *maintenance_begun(const struct daemon *d, const char *region)
{
    json_t *list = json_array();
    int index = model_region_index(world_now(d)->model, region);
    for (const struct window_entry *e = d->windows; e && index >= 0; e = e->next)
        if (strcmp(e->region, region) == 0 &&
            health_maintenance_begun(d->health, (uint32_t)index, e->m.id))
            json_array_append_new(list, json_integer(e->m.id));
    return list;
}

enum err maintenance_delete(struct store *s, const json_t *numbers, struct diag *diag)
{
    size_t i;
    json_t *number;
    json_array_foreach(numbers, i, number)
    {
        struct diag none = {0};
        enum err e = store_maintenance_remove(s, json_integer_value(number), &none);
        if (e && e != ERR_NOT_FOUND) {
            char text[512];
            diag_error(diag, e, "", "%s", diag_first(&none, text, sizeof text));
            diag_fini(&none);
            return e;
        }
        diag_fini(&none);
    }
    return ERR_OK;
}

void maintenance_forget(struct daemon *d, const json_t *numbers)
{
    size_t i;
    json_t *number;
    json_array_foreach(numbers, i, number)
    {
        struct window_entry **at = find(d, json_integer_value(number));
        if (*at)
            take_out(at);
    }
}

/* ---------------------------------------------------------------------------------- operations */

struct window_job {
    struct keeper_job job;
    struct admin_request *request;
    struct store_maintenance row; /* borrows from the request */
    bool remove;
    enum err e;
    struct diag diag;
};

static void window_run(struct keeper *k, struct keeper_job *job)
{
    struct window_job *j = (struct window_job *)(void *)job;
    j->e = keeper_ready(k, &j->diag);
    if (j->e)
        return;
    if (j->remove)
        j->e = store_maintenance_remove(keeper_store(k), j->row.id, &j->diag);
    else
        j->e = store_maintenance_add(keeper_store(k), &j->row, &j->row.id, &j->diag);
    keeper_wrote(k, j->e == ERR_NOT_FOUND || j->e == ERR_LIMIT ? ERR_OK : j->e, &j->diag);
}

static const char *text_of(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(body, key));
    return text ? text : "";
}

static json_t *added(struct daemon *d, const struct store_maintenance *row)
{
    struct window_entry *e = entry_create(row);
    insert(d, e);
    events_say(d, LOG_NOTICE, "override", "maintenance", "maintenance %u of %s planned by %s: %s",
               e->m.id, e->region, e->author, e->reason);
    if (maintenance_look(d, world_now(d)))
        signals_settle(d);
    return entry_json(d, e);
}

static void removed(struct daemon *d, json_int_t id, const char *author)
{
    struct window_entry **at = find(d, id);
    if (!*at)
        return;
    int region = model_region_index(world_now(d)->model, (*at)->region);
    events_say(d, LOG_NOTICE, "override", "maintenance", "maintenance %lld of %s removed by %s",
               (long long)id, (*at)->region, author);
    if (region >= 0 && health_maintenance_remove(d->health, (uint32_t)region, (*at)->m.id, author,
                                                 clock_mono_ms(), clock_wall_ms()))
        signals_settle(d);
    take_out(at);
}

static void window_done(void *ctx, struct keeper_job *job)
{
    struct daemon *d = ctx;
    struct window_job *j = (struct window_job *)(void *)job;
    if (j->e)
        admin_refuse_diag(j->request, j->e, &j->diag);
    else if (j->remove) {
        removed(d, j->row.id, text_of(j->request->body, "author"));
        admin_reply(j->request, NULL);
    } else
        admin_reply(j->request, added(d, &j->row));
    diag_fini(&j->diag);
    free(j);
}

static void submit(struct daemon *d, struct admin_request *r, const struct store_maintenance *row,
                   bool remove)
{
    struct window_job *j = calloc(1, sizeof *j);
    CHECK(j);
    *j = (struct window_job){.job = {.brief = true, .run = window_run, .done = window_done},
                             .request = r,
                             .row = *row,
                             .remove = remove};
    keeper_submit(d->keeper, &j->job);
}

#define WALL_MS_MAX 253402300800000.0 /* the year 10000 */

static int64_t integer_of(const json_t *body, const char *key)
{
    const json_t *v = json_object_get(body, key);
    double n = json_is_number(v) ? json_number_value(v) : 0;
    return n >= 0 && n < WALL_MS_MAX ? (int64_t)n : -1;
}

/* NULL, or the sentence that says what is wrong. */
static const char *wrong(const struct store_maintenance *m)
{
    bool down = strcmp(m->state, "down") == 0;
    if (!down && strcmp(m->state, "drain") != 0)
        return "state is drain or down";
    if (!(m->to >= 0 && m->to <= 1) || m->over_ms < 0 || m->over_ms > ADMIN_OVER_MS_MAX)
        return "to is a share from 0 to 1, over a time of 0 to 366 days in milliseconds";
    if (down && m->to > 0)
        return "to goes with a drain, not with down";
    if (m->from_wall_ms <= 0 || m->until_wall_ms <= m->from_wall_ms)
        return "until is a time after from, before the year 10000";
    if (m->until_wall_ms <= m->created_wall_ms)
        return "until is past already";
    return NULL;
}

void op_maintenance_add(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    config_request_names(r->body);
    const json_t *to = json_object_get(r->body, "to");
    struct store_maintenance m = {.region = text_of(r->body, "region"),
                                  .state = text_of(r->body, "state"),
                                  .to = json_is_number(to) ? json_number_value(to) : 0,
                                  .over_ms = integer_of(r->body, "over_ms"),
                                  .created_wall_ms = clock_wall_ms(),
                                  .from_wall_ms = integer_of(r->body, "from_ms"),
                                  .until_wall_ms = integer_of(r->body, "until_ms"),
                                  .author = text_of(r->body, "author"),
                                  .reason = text_of(r->body, "reason")};
    const char *bad = wrong(&m);
    char text[300];
    if (bad) {
        admin_refuse(r, ADMIN_USAGE, bad, NULL);
    } else if (model_region_index(world_now(d)->model, m.region) < 0) {
        snprintf(text, sizeof text, "region \"%.200s\" does not exist", m.region);
        admin_refuse(r, ADMIN_NOT_FOUND, text, NULL);
    } else {
        submit(d, r, &m, false);
    }
}

void op_maintenance_remove(void *ctx, struct admin_request *r)
{
    struct store_maintenance m = {.id = integer_of(r->body, "id")};
    if (m.id <= 0)
        admin_refuse(r, ADMIN_USAGE, "id is the number of a window", NULL);
    else
        submit(ctx, r, &m, true);
}
