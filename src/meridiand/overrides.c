/* A person's word: stored first, then in force. */
#include "base/check.h"
#include "base/clock.h"
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {
    [HEALTH_AUTO] = "auto", [HEALTH_UP] = "up", [HEALTH_DRAIN] = "drain", [HEALTH_DOWN] = "down"};

static bool parse_state(const char *text, enum health_override *out)
{
    for (size_t i = 0; i < ARRAY_LEN(state_names); i++)
        if (strcmp(text, state_names[i]) == 0) {
            *out = (enum health_override)i;
            return true;
        }
    return false;
}

static char *dup_or_null(const char *s)
{
    char *copy = s && s[0] ? strdup(s) : NULL;
    CHECK(copy || !s || !s[0]);
    return copy;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static void entry_free(struct override_entry *e)
{
    free(e->region);
    free(e->service);
    free(e->address);
    free(e->author);
    free(e->reason);
    free(e);
}

void overrides_free(struct daemon *d)
{
    while (d->overrides) {
        struct override_entry *e = d->overrides;
        d->overrides = e->next;
        entry_free(e);
    }
}

/* ------------------------------------------------------------------------- to slots and engine */

static int endpoint_slot(const struct snapshot *s, const struct override_entry *e)
{
    const struct model_service *svc = model_service(s->model, e->service);
    if (!svc)
        return -1;
    for (uint32_t i = 0; i < svc->endpoints_n; i++)
        if (strcmp(svc->endpoints[i].region, e->region) == 0 &&
            strcmp(svc->endpoints[i].address, e->address) == 0)
            return (int)(s->service_endpoint_first[svc - s->model->services] + i);
    return -1;
}

/* A move over time goes on from where it is by now, whatever happened to this process. */
static void order_of(const struct override_entry *e, int64_t wall_ms, struct health_order *out)
{
    *out = (struct health_order){.state = e->state,
                                 .to = avail_from_double(e->to),
                                 .over_ms = e->over_ms,
                                 .elapsed_ms = wall_ms - e->since_wall_ms,
                                 .until_wall_ms = e->until_wall_ms,
                                 .author = e->author ? e->author : "",
                                 .reason = e->reason ? e->reason : ""};
}

static void apply_in(struct daemon *d, const struct snapshot *s, const struct override_entry *e)
{
    struct health_order order;
    int64_t wall = clock_wall_ms();
    order_of(e, wall, &order);
    if (e->address) {
        int slot = endpoint_slot(s, e);
        if (slot >= 0)
            health_order_endpoint(d->health, (uint32_t)slot, &order, clock_mono_ms(), wall);
        return;
    }
    int region = model_region_index(s->model, e->region);
    if (region >= 0)
        health_order_region(d->health, (uint32_t)region, &order, clock_mono_ms(), wall);
}

static bool in_force(const struct override_entry *e)
{
    return e->state != HEALTH_AUTO && (!e->until_wall_ms || e->until_wall_ms > clock_wall_ms());
}

void overrides_apply(struct daemon *d, const struct snapshot *s)
{
    for (struct override_entry *e = d->overrides; e; e = e->next)
        if (in_force(e))
            apply_in(d, s, e);
}

static bool exists(const struct snapshot *s, const struct override_entry *e)
{
    return e->address ? endpoint_slot(s, e) >= 0 : model_region_index(s->model, e->region) >= 0;
}

/* Overrides are no part of the configuration: what was removed and comes back is as a person left
 * it, as it would be after a restart. */
void overrides_return(struct daemon *d, const struct snapshot *now, const struct snapshot *next)
{
    for (struct override_entry *e = d->overrides; e; e = e->next)
        if (in_force(e) && exists(next, e) && !exists(now, e))
            apply_in(d, next, e);
}

static void load_row(void *ctx, const struct store_override *o)
{
    struct daemon *d = ctx;
    struct override_entry *e = calloc(1, sizeof *e);
    CHECK(e);
    *e = (struct override_entry){.next = d->overrides,
                                 .region = dup_or_null(o->region),
                                 .service = dup_or_null(o->service),
                                 .address = dup_or_null(o->address),
                                 .to = o->to,
                                 .over_ms = o->over_ms,
                                 .since_wall_ms = o->since_wall_ms,
                                 .until_wall_ms = o->until_wall_ms,
                                 .author = dup_or_null(o->author),
                                 .reason = dup_or_null(o->reason)};
    if (!parse_state(o->state, &e->state)) {
        entry_free(e);
        return;
    }
    d->overrides = e;
}

void overrides_load(struct daemon *d, struct store *store)
{
    struct diag diag = {0};
    char text[512];
    if (store_override_each(store, load_row, d, &diag))
        log_write(LOG_WARN, "store", "overrides cannot be read: %s",
                  diag_first(&diag, text, sizeof text));
    diag_fini(&diag);
}

/* ---------------------------------------------------------------------------------- operations */

struct override_job {
    struct keeper_job job;
    struct admin_request *request;
    struct override_entry *entry; /* state AUTO: the override goes */
    json_t *ended;                /* and the windows of these numbers, in force on a region */
    enum err e;
    struct diag diag;
};

static void store_run(struct keeper *k, struct keeper_job *job)
{
    struct override_job *j = (struct override_job *)(void *)job;
    const struct override_entry *e = j->entry;
    struct store_override row = {.region = e->region,
                                 .service = e->service,
                                 .address = e->address,
                                 .state = state_names[e->state],
                                 .to = e->to,
                                 .over_ms = e->over_ms,
                                 .since_wall_ms = e->since_wall_ms,
                                 .until_wall_ms = e->until_wall_ms,
                                 .author = e->author,
                                 .reason = e->reason};
    j->e = keeper_ready(k, &j->diag);
    if (j->e)
        return;
    if (e->state != HEALTH_AUTO)
        j->e = store_override_put(keeper_store(k), &row, &j->diag);
    else
        j->e = maintenance_delete(keeper_store(k), j->ended, &j->diag);
    if (!j->e && e->state == HEALTH_AUTO)
        j->e = store_override_remove(keeper_store(k), e->region, e->service, e->address, &j->diag);
    if (j->e == ERR_NOT_FOUND && e->state == HEALTH_AUTO)
        j->e = ERR_OK; /* there was none: as asked */
    keeper_wrote(k, j->e, &j->diag);
}

static void replace_entry(struct daemon *d, struct override_entry *e)
{
    for (struct override_entry **at = &d->overrides; *at;) {
        struct override_entry *old = *at;
        if (same_text(old->region, e->region) && same_text(old->service, e->service) &&
            same_text(old->address, e->address)) {
            *at = old->next;
            entry_free(old);
        } else
            at = &old->next;
    }
    e->next = d->overrides;
    d->overrides = e;
}

static void store_done(void *ctx, struct keeper_job *job)
{
    struct daemon *d = ctx;
    struct override_job *j = (struct override_job *)(void *)job;
    if (j->e) {
        admin_refuse_diag(j->request, j->e, &j->diag);
        entry_free(j->entry);
    } else {
        struct override_entry *e = j->entry;
        replace_entry(d, e);
        maintenance_forget(d, j->ended);
        apply_in(d, world_now(d), e);
        signals_settle(d);
        admin_reply(j->request, j->ended ? json_pack("{s:O}", "ended", j->ended) : NULL);
    }
    json_decref(j->ended);
    diag_fini(&j->diag);
    free(j);
}

static const char *text_of(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(body, key));
    return text ? text : "";
}

#define WALL_MS_MAX 253402300800000.0 /* the year 10000 */

static int64_t integer_of(const json_t *body, const char *key)
{
    const json_t *v = json_object_get(body, key);
    double n = json_is_number(v) ? json_number_value(v) : 0;
    return n > -WALL_MS_MAX && n < WALL_MS_MAX ? (int64_t)n : n > 0 ? (int64_t)WALL_MS_MAX : -1;
}

/* Does what the override is about exist? The sentence says what does not. */
static bool known(struct daemon *d, struct admin_request *r, const struct override_entry *e)
{
    const struct snapshot *s = world_now(d);
    char text[600];
    if (model_region_index(s->model, e->region ? e->region : "") < 0)
        snprintf(text, sizeof text, "region \"%.200s\" does not exist", e->region ? e->region : "");
    else if (e->address && endpoint_slot(s, e) < 0)
        snprintf(text, sizeof text,
                 "service \"%.200s\" has no endpoint \"%.60s\" in region \"%.100s\"",
                 e->service ? e->service : "", e->address, e->region);
    else
        return true;
    admin_refuse(r, ADMIN_NOT_FOUND, text, NULL);
    return false;
}

void op_override(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    struct override_entry *e = calloc(1, sizeof *e);
    CHECK(e);
    config_request_names(r->body);
    const json_t *to = json_object_get(r->body, "to");
    *e = (struct override_entry){.region = dup_or_null(text_of(r->body, "region")),
                                 .service = dup_or_null(text_of(r->body, "service")),
                                 .address = dup_or_null(text_of(r->body, "address")),
                                 .to = json_is_number(to) ? json_number_value(to) : 0,
                                 .over_ms = integer_of(r->body, "over_ms"),
                                 .since_wall_ms = clock_wall_ms(),
                                 .until_wall_ms = integer_of(r->body, "until_ms"),
                                 .author = dup_or_null(text_of(r->body, "author")),
                                 .reason = dup_or_null(text_of(r->body, "reason"))};
    if (!parse_state(text_of(r->body, "state"), &e->state)) {
        admin_refuse(r, ADMIN_USAGE, "state is one of up, drain, down, auto", NULL);
        entry_free(e);
    } else if (!(e->to >= 0 && e->to <= 1) || e->over_ms < 0 || e->over_ms > ADMIN_OVER_MS_MAX) {
        admin_refuse(r, ADMIN_USAGE,
                     "to is a share from 0 to 1, over a time of 0 to 366 days in milliseconds",
                     NULL);
        entry_free(e);
    } else if (e->until_wall_ms &&
               (e->until_wall_ms <= e->since_wall_ms || e->until_wall_ms >= (int64_t)WALL_MS_MAX)) {
        admin_refuse(r, ADMIN_USAGE, "until is a time to come, before the year 10000", NULL);
        entry_free(e);
    } else if (!e->service != !e->address) {
        admin_refuse(r, ADMIN_USAGE, "an endpoint is service, region and address, all three", NULL);
        entry_free(e);
    } else if (!known(d, r, e)) {
        entry_free(e);
    } else {
        struct override_job *j = calloc(1, sizeof *j);
        CHECK(j);
        *j = (struct override_job){
            .job = {.brief = true, .run = store_run, .done = store_done}, .request = r, .entry = e};
        if (e->state == HEALTH_AUTO && !e->address)
            j->ended = maintenance_begun(d, e->region);
        keeper_submit(d->keeper, &j->job);
    }
}

void op_release(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    config_request_names(r->body);
    int region = model_region_index(world_now(d)->model, text_of(r->body, "region"));
    if (region < 0) {
        char text[300];
        snprintf(text, sizeof text, "region \"%.200s\" does not exist", text_of(r->body, "region"));
        admin_refuse(r, ADMIN_NOT_FOUND, text, NULL);
        return;
    }
    health_release_region(d->health, (uint32_t)region, clock_mono_ms(), clock_wall_ms());
    signals_settle(d);
    admin_reply(r, NULL);
}
