/* What would change: asked on the control thread, answered by the keeper's, who may take his time. */
#include "base/check.h"
#include "base/clock.h"
#include "crowd/recent.h"
#include "crowd/whatif.h"
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

struct what_if_job {
    struct keeper_job job;
    struct admin_request *request;
    struct snapshot *before, *after;
    struct crowd answers;
    double load[MODEL_REGIONS_MAX];
    struct crowd_what_if question;
    struct store_revise what; /* document NULL: the configuration stays */
    struct store_revised revised;
    json_t *reply, *lines;
    size_t more;
    enum err e;
    struct diag diag;
};

static void what_if_run(struct keeper *k, struct keeper_job *job)
{
    struct what_if_job *j = (struct what_if_job *)(void *)job;
    if (j->what.document)
        j->e = keeper_try(k, &j->what, &j->revised, &j->after, &j->diag);
    j->question.after = j->after;
    if (!j->e)
        j->e = crowd_what_if(&j->question, &j->reply, &j->diag);
    j->lines = store_revised_take(&j->revised, &j->more);
}

static void what_if_done(void *ctx, struct keeper_job *job)
{
    (void)ctx;
    struct what_if_job *j = (struct what_if_job *)(void *)job;
    if (j->e)
        admin_refuse_diag(j->request, j->e, &j->diag);
    else {
        json_object_set_new(j->reply, "warnings", admin_findings(&j->diag, DIAG_WARNING));
        store_changes_put(j->reply, json_incref(j->lines), j->more);
        admin_reply(j->request, j->reply);
    }
    json_decref(j->lines);
    store_revised_fini(&j->revised);
    snapshot_unref(&j->before);
    snapshot_unref(&j->after);
    crowd_fini(&j->answers);
    diag_fini(&j->diag);
    free(j);
}

/* The largest that a region's reporters say, in the unit of its capacity. */
static double reported_load(const struct daemon *d, const struct snapshot *s, uint32_t region)
{
    struct health_report place = {.region = region, .site = HEALTH_NONE, .endpoint = HEALTH_NONE};
    struct health_source_view v;
    double load = -1;
    for (uint32_t i = 0; health_source_show(d->health, &place, i, &v); i++)
        if (v.has_load && s->model->regions[region].capacity > 0) {
            double x = v.utilisation * (double)s->model->regions[region].capacity;
            load = x > load ? x : load;
        }
    return load;
}

static void take_crowd(struct daemon *d, struct what_if_job *j, const char *service)
{
    const struct model *m = j->before->model;
    const struct model_service *svc = service ? model_service(m, service) : NULL;
    uint32_t which = svc ? (uint32_t)(svc - m->services) : CROWD_ANY;
    recent_take(d);
    if ((svc || !service) &&
        crowd_recent_copy(d->recent, which, clock_mono_ms(), &j->answers, &j->question.seen))
        j->question.answers = &j->answers;
}

void op_what_if(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    config_request_names(r->body);
    json_t *regions = json_object_get(r->body, "regions");
    const char *document;
    size_t len;
    json_t *service = json_object_get(r->body, "service");
    const char *wrong = NULL;
    if (regions && !json_is_object(regions))
        wrong = "regions is an object of availabilities by name, like {\"eu\": 0.4}";
    else if (!ops_document(r, &document, &len))
        wrong = "document is the configuration as text";
    else if (service && !json_is_string(service))
        wrong = "service is a name";
    if (wrong) {
        admin_refuse(r, ADMIN_USAGE, wrong, NULL);
        return;
    }
    struct what_if_job *j = calloc(1, sizeof *j);
    CHECK(j);
    j->job = (struct keeper_job){.run = what_if_run, .done = what_if_done};
    j->request = r;
    j->before = snapshot_ref(world_now(d));
    for (uint32_t i = 0; i < j->before->regions_n; i++)
        j->load[i] = reported_load(d, j->before, i);
    j->question = (struct crowd_what_if){.before = j->before,
                                         .service = json_string_value(service),
                                         .regions = regions,
                                         .load = j->load};
    take_crowd(d, j, j->question.service);
    j->what = (struct store_revise){
        .kind = REVISE_DOCUMENT,
        .document = document,
        .document_len = len,
        .folder = json_string_value(json_object_get(r->body, "folder")),
        .force = true, /* of an older revision it may be: it is only asked about */
        .dry_run = true,
        .meta = {.author = "", .message = "", .verb = "what-if", .wall_ms = clock_wall_ms()}};
    keeper_submit(d->keeper, &j->job);
}
