/* One world gives way to the next. */
#include "daemon.h"

struct snapshot *world_now(const struct daemon *d)
{
    return snapshot_hub_current(d->hub);
}

static void gone(void *ctx, struct snapshot *s)
{
    shares_fold(ctx, s);
}

void world_reap(struct daemon *d)
{
    snapshot_hub_reap(d->hub, gone, d);
}

/* The engine's words are on the next board before anybody can see it: one pointer is one world. An
 * older revision never replaces a newer one. */
void world_publish(struct daemon *d, struct snapshot **s)
{
    struct snapshot *now = world_now(d);
    if (now && (*s)->revision < now->revision) {
        snapshot_unref(s);
        return;
    }
    failopen_forget(d);
    shares_renumber(d, *s);
    recent_renumber(d, *s);
    signals_adopt(d, *s);
    snapshot_hub_publish(d->hub, s);
    if (d->runner)
        signals_retarget(d);
    signals_settle(d);
    world_reap(d);
}
