/* Operations that change the configuration: they travel to the keeper and come back as a new world.
 */
#include "base/check.h"
#include "base/clock.h"
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

struct edit_job {
    struct keeper_job job;
    struct admin_request *request;
    struct store_revise what;
    struct config_edit *edits;
    struct store_revised revised;
    json_t *lines; /* of the changes, made where there is time; NULL: of none */
    size_t more;
    struct snapshot *snapshot;
    struct store_waiting back; /* revision 0: not the end of a waiting */
    struct store_take_back_words words;
    enum err e;
    struct diag diag;
};

static const char *text_of(const json_t *body, const char *key, const char *fallback)
{
    const char *text = json_string_value(json_object_get(body, key));
    return text ? text : fallback;
}

/* Of a waiting that is over, nothing is taken back. */
static void edit_run(struct keeper *k, struct keeper_job *job)
{
    struct edit_job *j = (struct edit_job *)(void *)job;
    struct store_waiting now = {0};
    if (j->back.revision) /* in an older file that lies there for now nothing waits */
        j->e = keeper_ready(k, &j->diag);
    if (j->back.revision && !j->e) /* confirmed meanwhile? */
        j->e = store_waiting_get(keeper_store(k), &now, &j->diag);
    if (j->e || now.revision != j->back.revision)
        return;
    j->e = keeper_revise(k, &j->what, &j->revised, &j->snapshot, &j->diag);
    if (!j->e)
        j->lines = store_revised_take(&j->revised, &j->more);
    if (j->back.revision && !j->e && !j->revised.changed)
        j->e = store_waiting_end(keeper_store(k), &j->diag);
}

/* Sockets, threads and the control socket are made at the start. */
static void warn_of_restart(const struct snapshot *old, const struct snapshot *next,
                            struct diag *diag)
{
    static const char *const keys[] = {
        "listen", "workers", "control", "admin", "tcp-clients", "tcp-clients-per-ip", "tcp-idle"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *before = model_setting(old->model, keys[i]);
        const char *after = model_setting(next->model, keys[i]);
        if (strcmp(before ? before : "", after ? after : "") != 0)
            diag_warning(diag, keys[i], "takes effect when the daemon starts again");
    }
}

static void say_revision(struct daemon *d, const struct edit_job *j)
{
    const struct store_meta *m = &j->what.meta;
    events_say(d, LOG_NOTICE, "config", "revision", "revision %lld serves: %s by %s%s%s",
               (long long)j->revised.revision, m->verb, m->author, m->message[0] ? ": " : "",
               m->message);
}

/* Does the new revision wait for its confirmation, or end the waiting of another? */
static void wait_for_it(struct daemon *d, const struct edit_job *j)
{
    struct store_waiting w = {j->revised.revision, j->revised.revision - 1,
                              j->what.confirm_until_wall_ms};
    if (w.until_wall_ms)
        confirm_begin(d, &w);
    else if (j->what.kind == REVISE_ROLLBACK)
        confirm_end(d);
}

static json_t *outcome_json(const struct edit_job *j)
{
    char until[TIME_TEXT_MAX];
    bool waits = j->snapshot && j->what.confirm_until_wall_ms && !j->what.dry_run;
    json_t *reply =
        json_pack("{s:I, s:b, s:b, s:s*, s:o}", "revision", (json_int_t)j->revised.revision,
                  "serving", 1, "changed", j->revised.changed, "confirm_until",
                  waits ? time_format_s(j->what.confirm_until_wall_ms, until) : NULL, "warnings",
                  admin_findings(&j->diag, DIAG_WARNING));
    store_changes_put(reply, json_incref(j->lines), j->more);
    return reply;
}

static void edit_done(void *ctx, struct keeper_job *job)
{
    struct daemon *d = ctx;
    struct edit_job *j = (struct edit_job *)(void *)job;
    char text[512];
    if (j->e && j->request)
        admin_refuse_diag(j->request, j->e, &j->diag);
    else if (j->e)
        confirm_taken_back(d, j->back.revision, diag_first(&j->diag, text, sizeof text));
    else {
        if (j->snapshot)
            warn_of_restart(world_now(d), j->snapshot, &j->diag);
        json_t *outcome = j->request ? outcome_json(j) : NULL;
        if (j->snapshot) {
            world_publish(d, &j->snapshot);
            say_revision(d, j);
            wait_for_it(d, j);
        }
        if (!j->revised.changed && j->what.kind == REVISE_ROLLBACK && !j->what.dry_run)
            confirm_end(d);
        if (j->request)
            admin_reply(j->request, outcome);
        else
            confirm_taken_back(d, j->back.revision, NULL);
    }
    json_decref(j->lines);
    store_revised_fini(&j->revised);
    snapshot_unref(&j->snapshot);
    diag_fini(&j->diag);
    free(j->edits);
    free(j);
}

/* The request's body lives until it is answered: the job borrows from it. */
static struct edit_job *edit_create(struct admin_request *r, enum store_revise_kind kind,
                                    const char *verb)
{
    struct edit_job *j = calloc(1, sizeof *j);
    CHECK(j);
    j->job = (struct keeper_job){.run = edit_run, .done = edit_done};
    j->request = r;
    j->what = (struct store_revise){.kind = kind,
                                    .force = json_is_true(json_object_get(r->body, "force")),
                                    .dry_run = json_is_true(json_object_get(r->body, "dry_run")),
                                    .meta = {.author = text_of(r->body, "author", "unknown"),
                                             .message = text_of(r->body, "message", ""),
                                             .verb = text_of(r->body, "verb", verb),
                                             .wall_ms = clock_wall_ms()}};
    return j;
}

/* confirm_within_ms: false after a refusal. */
static bool read_confirm(struct admin_request *r, struct store_revise *what)
{
    const json_t *within = json_object_get(r->body, "confirm_within_ms");
    json_int_t ms = json_integer_value(within);
    if (!within || json_is_null(within))
        return true;
    if (!json_is_integer(within) || ms <= 0 || ms > ADMIN_OVER_MS_MAX) {
        admin_refuse(r, ADMIN_USAGE,
                     "confirm_within_ms is a whole number of milliseconds, above 0 and at most 366 "
                     "days",
                     NULL);
        return false;
    }
    what->confirm_until_wall_ms = what->meta.wall_ms + ms;
    return true;
}

static void submit_edit(struct daemon *d, struct edit_job *j)
{
    if (read_confirm(j->request, &j->what)) {
        keeper_submit(d->keeper, &j->job);
    } else {
        free(j->edits);
        free(j);
    }
}

void ops_take_back(struct daemon *d, const struct store_waiting *w)
{
    struct edit_job *j = calloc(1, sizeof *j);
    CHECK(j);
    j->job = (struct keeper_job){.run = edit_run, .done = edit_done};
    j->back = *w;
    j->what = store_take_back(w, clock_wall_ms(), &j->words);
    keeper_submit(d->keeper, &j->job);
}

static void op_edit(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    json_t *list = json_object_get(r->body, "edits");
    size_t n = json_array_size(list);
    if (n == 0) {
        admin_refuse(r, ADMIN_USAGE, "edits is a list of at least one edit", NULL);
        return;
    }
    struct edit_job *j = edit_create(r, REVISE_EDITS, "edit");
    j->edits = calloc(n, sizeof *j->edits);
    CHECK(j->edits);
    for (size_t i = 0; i < n && !j->e; i++)
        j->e = config_edit_from_json(json_array_get(list, i), &j->edits[i], &j->diag);
    j->what.edits = j->edits;
    j->what.edits_n = n;
    if (j->e)
        edit_done(d, &j->job);
    else
        submit_edit(d, j);
}

bool ops_document(const struct admin_request *r, const char **text, size_t *len)
{
    const json_t *document = json_object_get(r->body, "document");
    *text = r->text ? r->text : json_string_value(document);
    *len = r->text ? r->text_len : json_string_length(document);
    return *text || !document;
}

static void op_apply(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    const char *document;
    size_t len;
    if (!ops_document(r, &document, &len) || !document) {
        admin_refuse(r, ADMIN_USAGE, "document is the configuration as text", NULL);
        return;
    }
    struct edit_job *j = edit_create(r, REVISE_DOCUMENT, "apply");
    j->what.document = document;
    j->what.document_len = len;
    j->what.folder = text_of(r->body, "folder", NULL);
    submit_edit(d, j);
}

static void op_rollback(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    json_t *revision = json_object_get(r->body, "revision");
    if (!json_is_integer(revision)) {
        admin_refuse(r, ADMIN_USAGE, "revision is the number of a revision", NULL);
        return;
    }
    struct edit_job *j = edit_create(r, REVISE_ROLLBACK, "rollback");
    j->what.rollback_to = json_integer_value(revision);
    submit_edit(d, j);
}

static void op_ping(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    char when[TIME_TEXT_MAX], trouble[256];
    keeper_trouble(d->keeper, trouble, sizeof trouble);
    admin_reply(r, json_pack("{s:s, s:I, s:i, s:s, s:s*}", "version", MERIDIAN_VERSION, "revision",
                             (json_int_t)world_now(d)->revision, "pid", (int)getpid(), "started",
                             time_format_s(d->started_wall_ms, when), "degraded",
                             trouble[0] ? trouble : NULL));
}

/* --------------------------------------------------------------------------- files read again */

static void say_warnings(struct daemon *d, const struct diag *diag)
{
    for (size_t i = 0; i < diag->n; i++)
        events_say(d, LOG_WARN, "config", "warning", "%s%s%s", diag->findings[i].where,
                   diag->findings[i].where[0] ? ": " : "", diag->findings[i].text);
}

void ops_fresh(void *ctx, struct snapshot **s, const struct store_waiting *waiting,
               const struct diag *diag)
{
    struct daemon *d = ctx;
    bool files = waiting == NULL;
    if (waiting)
        confirm_follow(d, waiting);
    if (!*s)
        return;
    int64_t revision = (*s)->revision;
    say_warnings(d, diag);
    if (files && (*s)->base == world_now(d)->base)
        return; /* what came was refused: nothing is new */
    world_publish(d, s);
    events_say(d, LOG_NOTICE, "config", "revision", "revision %lld serves: %s", (long long)revision,
               files ? "geo databases changed" : "edited by another process");
}

struct reload_job {
    struct keeper_job job;
    struct admin_request *request; /* NULL: a signal */
    struct snapshot *s;
    enum err e;
    struct diag diag;
};

static void reload_run(struct keeper *k, struct keeper_job *job)
{
    struct reload_job *j = (struct reload_job *)(void *)job;
    j->e = keeper_reload(k, &j->s, &j->diag);
}

/* What the files are, as far as the configuration names them. */
static json_t *files_of(const struct snapshot *s)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < s->model->zones_n; i++)
        if (s->model->zones[i].file)
            json_array_append_new(list, json_string(s->model->zones[i].file));
    for (size_t i = 0; i < geo_base_dbs_n(s->base); i++)
        json_array_append_new(list, json_string(geo_db_info(geo_base_db(s->base, i))->path));
    return list;
}

static void reload_done(void *ctx, struct keeper_job *job)
{
    struct daemon *d = ctx;
    struct reload_job *j = (struct reload_job *)(void *)job;
    if (j->e) {
        char text[512];
        events_say(d, LOG_ERROR, "config", "reload", "reload refused: %s",
                   diag_first(&j->diag, text, sizeof text));
        if (j->request)
            admin_refuse_diag(j->request, j->e, &j->diag);
    } else {
        world_publish(d, &j->s);
        say_warnings(d, &j->diag);
        events_say(d, LOG_NOTICE, "config", "reload", "files read again, revision %lld serves",
                   (long long)world_now(d)->revision);
        if (j->request && j->diag.warnings)
            admin_refuse(j->request, ADMIN_REFUSED, j->diag.findings[0].text,
                         admin_findings(&j->diag, DIAG_WARNING));
        else if (j->request)
            admin_reply(j->request,
                        json_pack("{s:I, s:o}", "revision", (json_int_t)world_now(d)->revision,
                                  "reloaded", files_of(world_now(d))));
    }
    snapshot_unref(&j->s);
    diag_fini(&j->diag);
    free(j);
}

void ops_reload(struct daemon *d, struct admin_request *r)
{
    struct reload_job *j = calloc(1, sizeof *j);
    CHECK(j);
    *j = (struct reload_job){.job = {.run = reload_run, .done = reload_done}, .request = r};
    keeper_submit(d->keeper, &j->job);
}

static void op_reload(void *ctx, struct admin_request *r)
{
    ops_reload(ctx, r);
}

const struct admin_op daemon_ops[] = {
    {"ping", op_ping},
    {"edit", op_edit},
    {"apply", op_apply},
    {"rollback", op_rollback},
    {"confirm", op_confirm},
    {"override", op_override},
    {"release", op_release},
    {"maintenance-add", op_maintenance_add},
    {"maintenance-remove", op_maintenance_remove},
    {"report", op_report},
    {"status", op_status},
    {"explain", op_explain},
    {"what-if", op_what_if},
    {"geo-lookup", op_geo_lookup},
    {"geo-status", op_geo_status},
    {"log-follow", op_log_follow},
    {"reload", op_reload},
    {"probe-run", op_probe_run},
};
const size_t daemon_ops_n = ARRAY_LEN(daemon_ops);
