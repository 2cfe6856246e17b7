#include "crowd/whatif.h"

#include "crowd/world.h"

#include <string.h>

static enum err set_regions(struct crowd_world *w, const json_t *regions, struct diag *diag)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)regions, name, value)
    {
        int region = model_region_index(w->as_if.model, name);
        double avail = json_is_number(value) ? json_number_value(value) : -1;
        if (region < 0)
            return diag_error(diag, ERR_NOT_FOUND, "", "region \"%.300s\" does not exist", name);
        if (!(avail >= 0 && avail <= 1))
            return diag_error(diag, ERR_INVALID, name, "an availability is from 0 to 1");
        crowd_world_set_region(w, (uint32_t)region, avail);
    }
    return ERR_OK;
}

static enum err find_service(const struct crowd_what_if *w, uint32_t *out, struct diag *diag)
{
    const struct model *m = w->before->model;
    *out = CROWD_ANY;
    if (!w->service)
        return ERR_OK;
    const struct model_service *svc = model_service(m, w->service);
    if (!svc)
        return diag_error(diag, ERR_NOT_FOUND, "", "service \"%.300s\" does not exist", w->service);
    *out = (uint32_t)(svc - m->services);
    return ERR_OK;
}

static enum err no_memory(struct diag *diag)
{
    return diag_error(diag, ERR_NOMEM, "", "out of memory to compare two worlds");
}

static enum err open_worlds(const struct crowd_what_if *w, struct crowd_world *before,
                            struct crowd_world *after, struct diag *diag)
{
    if (!crowd_world_init(before, w->before) ||
        !crowd_world_init(after, w->after ? w->after : w->before) ||
        !crowd_world_adopt(after, before))
        return no_memory(diag);
    return w->regions ? set_regions(after, w->regions, diag) : ERR_OK;
}

static enum err compare(const struct crowd_what_if *w, const struct crowd_world *before,
                        const struct crowd_world *after, json_t **out, struct diag *diag)
{
    struct crowd networks = {0};
    struct crowd_outcome outcome = {0};
    struct crowd_question q = {
        .before = &before->as_if, .after = &after->as_if, .points = CROWD_POINTS};
    enum err e = find_service(w, &q.service, diag);
    if (e)
        return e;
    q.crowd = w->answers ? w->answers : &networks;
    bool ok = w->answers || crowd_of_networks(w->before->base, &networks);
    ok = ok && crowd_compare(&q, &outcome);
    if (ok)
        *out = crowd_outcome_json(&outcome, &q, w->load, w->seen);
    crowd_outcome_fini(&outcome);
    crowd_fini(&networks);
    return ok && *out ? ERR_OK : no_memory(diag);
}

enum err crowd_what_if(const struct crowd_what_if *w, json_t **out, struct diag *diag)
{
    struct crowd_world before = {0}, after = {0};
    *out = NULL;
    enum err e = open_worlds(w, &before, &after, diag);
    if (!e)
        e = compare(w, &before, &after, out, diag);
    if (!e)
        json_object_set_new(*out, "revision", json_integer(w->before->revision));
    crowd_world_fini(&before);
    crowd_world_fini(&after);
    return e;
}
