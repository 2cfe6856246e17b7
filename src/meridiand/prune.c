/* The history is bounded by age (history-days) and by size (history-size): looked at every minute, and
 * after so many events, so that a flood of them cannot fill the disk. A slice at a time goes to the
 * keeper, behind whatever else waits there. What was dropped is said when a bout is over, and then
 * at most once an hour. */
#include "base/clock.h"
#include "daemon.h"
#include "model/settings.h"

#include <stdlib.h>

#define LOOK_EVERY_MS 60000
#define LOOK_EVERY_EVENTS 2000
#define SAY_EVERY_MS 3600000

struct prune_job {
    struct keeper_job job;
    struct store_trim what;
    struct store_trimmed out;
};

static void prune_run(struct keeper *k, struct keeper_job *job)
{
    struct prune_job *j = (struct prune_job *)(void *)job;
    struct diag diag = {0};
    enum err e = store_events_trim(keeper_store(k), &j->what, &j->out, &diag);
    if (e)
        j->out = (struct store_trimmed){0};
    keeper_note_history(k, e, &diag);
    diag_fini(&diag);
}

static void prune_done(void *ctx, struct keeper_job *job)
{
    struct daemon *d = ctx;
    struct prune *p = &d->prune;
    struct prune_job *j = (struct prune_job *)(void *)job;
    p->busy = false;
    p->more = j->out.more;
    p->bout = j->out.bout;
    p->by_time += j->out.by_time;
    p->by_size += j->out.by_size;
    if (j->out.by_time)
        p->before_ms = j->what.before_wall_ms;
    if (j->out.by_size)
        p->until_ms = j->out.until_wall_ms;
    free(j);
}

static void say(struct daemon *d)
{
    struct prune *p = &d->prune;
    const struct model *m = world_now(d)->model;
    char when[TIME_TEXT_MAX];
    if (p->by_time)
        events_say(d, LOG_INFO, "daemon", "prune",
                   "%llu events dropped, older than %s: history-days is %s",
                   (unsigned long long)p->by_time, time_format_s(p->before_ms, when),
                   model_setting(m, "history-days"));
    if (p->by_size)
        events_say(d, LOG_NOTICE, "daemon", "prune",
                   "%llu events dropped, up to %s: history-size is %s",
                   (unsigned long long)p->by_size, time_format_s(p->until_ms, when),
                   model_setting(m, "history-size"));
    p->by_time = p->by_size = 0;
    p->said_ms = clock_mono_ms();
}

static void look(struct daemon *d)
{
    struct prune_job *j = calloc(1, sizeof *j);
    const struct model *m = world_now(d)->model;
    const char *days = model_setting(m, "history-days"), *size = model_setting(m, "history-size");
    if (!j)
        return;
    j->job = (struct keeper_job){.run = prune_run, .done = prune_done};
    j->what.before_wall_ms = clock_wall_ms() - (days ? atoll(days) : 90) * 86400000;
    j->what.bout = d->prune.bout;
    if (size && !model_size_parse(size, &j->what.size_bytes))
        j->what.size_bytes = 0;
    d->prune.busy = true;
    d->prune.looked_ms = clock_mono_ms();
    d->events_added = 0;
    keeper_submit(d->keeper, &j->job);
}

void prune_look(struct daemon *d)
{
    struct prune *p = &d->prune;
    int64_t now_ms = clock_mono_ms();
    if (p->busy)
        return;
    if (!p->more && (p->by_time || p->by_size) &&
        (!p->said_ms || now_ms - p->said_ms >= SAY_EVERY_MS))
        say(d);
    if (p->more || !p->looked_ms || now_ms - p->looked_ms >= LOOK_EVERY_MS ||
        d->events_added >= LOOK_EVERY_EVENTS)
        look(d);
}
