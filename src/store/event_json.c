/* An event for programs: the same names over the control socket and from `meridian log --json`. */
#include "base/clock.h"
#include "store/store.h"

#include <math.h>

static void text(json_t *j, const char *name, const char *v)
{
    json_object_set_new(j, name, v && *v ? json_string(v) : json_null());
}

static void share(json_t *j, const char *name, bool there, double v)
{
    json_object_set_new(j, name, there ? json_real(round(v * 1e4) / 1e4) : json_null());
}

static void moment(json_t *j, const char *name, int64_t wall_ms)
{
    char when[TIME_TEXT_MAX];
    json_object_set_new(j, name, wall_ms ? json_string(time_format(wall_ms, when)) : json_null());
}

json_t *store_event_json(const struct store_event *e)
{
    const struct store_facts *f = &e->facts;
    json_t *j = json_object();
    json_object_set_new(j, "id", json_integer(e->id));
    moment(j, "time", e->wall_ms);
    text(j, "level", e->level);
    text(j, "kind", e->kind);
    json_object_set_new(j, "service", json_string(e->service ? e->service : ""));
    json_object_set_new(j, "region", json_string(e->region ? e->region : ""));
    json_object_set_new(j, "endpoint", json_string(e->endpoint ? e->endpoint : ""));
    json_object_set_new(j, "revision", json_integer(e->revision));
    text(j, "rule", f->rule);
    text(j, "cause", f->cause);
    text(j, "state_before", f->was);
    text(j, "state_after", f->is);
    share(j, "before", f->has_avail, f->before);
    share(j, "after", f->has_avail, f->after);
    share(j, "would", f->blocked_by && *f->blocked_by, f->would);
    text(j, "blocked_by", f->blocked_by);
    json_object_set_new(j, "failures", f->samples ? json_integer(f->failed) : json_null());
    json_object_set_new(j, "samples", f->samples ? json_integer(f->samples) : json_null());
    text(j, "effect", f->effect);
    text(j, "to", f->to);
    moment(j, "moved_by", f->moved_by_ms);
    text(j, "line", e->line);
    return j;
}
