/* What comes from outside: another process's revision, an exchanged database, a changed geo file. */
#include "base/check.h"
#include "base/clock.h"
#include "keeper_priv.h"

#include <stdlib.h>

#define BUSY_LOOKS_MAX 15
#define RETRY_MS 1000

struct fresh_job { /* a finished job that nobody asked for */
    struct keeper_job job;
    struct keeper *k;
    struct snapshot *s;           /* NULL: what serves is as it was */
    struct store_waiting waiting; /* of a database that was taken over */
    bool taken_over;
    struct diag diag;
};

static void fresh_done(void *ctx, struct keeper_job *job)
{
    struct fresh_job *f = (struct fresh_job *)(void *)job;
    f->k->config.fresh(ctx, &f->s, f->taken_over ? &f->waiting : NULL, &f->diag);
    snapshot_unref(&f->s);
    diag_fini(&f->diag);
    free(f);
}

static void hand_over(struct keeper *k, struct fresh_job *f, enum err e)
{
    if (e) {
        char text[512];
        log_write(LOG_ERROR, "store", "%s", diag_first(&f->diag, text, sizeof text));
        diag_fini(&f->diag);
        free(f);
        return;
    }
    if (f->s)
        snapshot_cache_serves(k->cache, f->s);
    f->job.done = fresh_done;
    f->k = k;
    keeper__finish(k, &f->job);
}

/* Does the stored configuration differ from what serves? A file that was exchanged may hold
 * another configuration under the same number. */
static enum err differs(struct keeper *k, const struct model *m, bool *out)
{
    struct config_changes changes = {0};
    *out = m->revision != k->head->revision;
    enum err e = *out ? ERR_OK : config_diff(k->head, m, &changes);
    *out = *out || changes.n > 0;
    config_changes_fini(&changes);
    return e;
}

/* What another process stored is compiled and handed over. */
static enum err take_over(struct keeper *k, struct diag *diag)
{
    struct fresh_job *f = calloc(1, sizeof *f);
    struct model *m = NULL;
    bool other = false;
    CHECK(f);
    enum err e = keeper__load_head(k, &m, &f->diag);
    if (!e)
        e = differs(k, m, &other);
    if (!e)
        e = store_waiting_get(k->store, &f->waiting, &f->diag);
    if (!e && other)
        e = keeper__compile(k, m, true, &f->s, &f->diag);
    if (!e) {
        k->behind = false;
        model_unref(&k->head);
        k->head = model_ref(m);
    }
    model_unref(&m);
    if (!e) {
        f->taken_over = true;
        hand_over(k, f, ERR_OK);
        return ERR_OK;
    }
    char text[512];
    diag_error(diag, e, "", "what is stored cannot be served: %s",
               f->diag.n ? diag_first(&f->diag, text, sizeof text) : err_text(e));
    diag_fini(&f->diag);
    free(f);
    return e;
}

/* Is the file at the path a database whose newest revision is not older than what serves? */
static enum err look(struct keeper *k, int64_t *head, struct diag *diag)
{
    bool changed = false;
    int patience_ms = store_busy_timeout(k->store, LOOK_BUSY_MS);
    enum err e = store_changed(k->store, &changed, diag);
    if (!e && changed) {
        k->behind = true;
        k->retried_ms = 0;
    }
    if (!e && k->behind)
        e = store_head(k->store, head, diag);
    store_busy_timeout(k->store, patience_ms);
    /* An older revision never replaces a newer one. */
    return !e && k->behind && *head < k->head->revision ? keeper__older(k, *head, diag) : e;
}

enum err keeper_ready(struct keeper *k, struct diag *diag)
{
    int64_t head = 0;
    enum err e = look(k, &head, diag);
    if (e && e != ERR_BUSY) {
        char text[512];
        keeper__note_trouble(k, diag_first(diag, text, sizeof text));
        return e == ERR_NOT_FOUND ? ERR_IO
                                  : e; /* it is the file that is missing, not a thing in it */
    }
    if (e) { /* the edit itself waits longer */
        diag_fini(diag);
        return ERR_OK;
    }
    return ERR_OK;
}

void keeper__watch_store(struct keeper *k)
{
    struct diag diag = {0};
    int64_t head = 0, now = clock_mono_ms();
    enum err e = look(k, &head, &diag);
    bool due = now - k->retried_ms >= RETRY_MS;
    k->busy_looks = e == ERR_BUSY ? k->busy_looks + 1 : 0;
    if (e == ERR_BUSY && k->busy_looks < BUSY_LOOKS_MAX) {
        diag_fini(&diag);
        return;
    }
    if (!e && (k->behind || k->cannot_write)) {
        if (!due)
            return;
        k->retried_ms = now;
        if (k->behind)
            e = take_over(k, &diag);
        if (!e && k->cannot_write) {
            e = store_try_write(k->store, &diag);
            k->cannot_write = e != ERR_OK;
        }
    }
    char text[512];
    keeper__note_trouble(k, e ? diag_first(&diag, text, sizeof text) : NULL);
    diag_fini(&diag);
}

/* A history that failed is tried again with a line that tells the gap, also when nothing happens. */
void keeper__watch_history(struct keeper *k)
{
    int64_t now = clock_mono_ms();
    if (!k->history_trouble[0] || now - k->history_retried_ms < RETRY_MS)
        return;
    k->history_retried_ms = now;
    char line[LOG_LINE_MAX];
    struct diag diag = {0};
    struct store_event event = {.wall_ms = clock_wall_ms(),
                                .level = log_level_name(LOG_NOTICE),
                                .kind = "daemon",
                                .revision = k->head->revision,
                                .line = line,
                                .facts.rule = "gap"};
    log_format_line(
        line, sizeof line, event.wall_ms, LOG_NOTICE, "store",
        "the history could not be written before this: what happened is on stderr only");
    enum err e = store_events_add(k->store, &event, 1, &diag);
    keeper_note_history(k, e, &diag);
    diag_fini(&diag);
}

void keeper__watch_geo(struct keeper *k)
{
    if (!snapshot_cache_stale(k->cache))
        return;
    struct fresh_job *f = calloc(1, sizeof *f);
    CHECK(f);
    snapshot_cache_recheck_geo(k->cache);
    hand_over(k, f, keeper__compile(k, k->head, true, &f->s, &f->diag));
    keeper__give_back();
}
