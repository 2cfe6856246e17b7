/* confirm: an edit that waits for its confirmation is taken back when its time is up. What waits is in
 * the database, so that a restart forgets nothing; in one run the time goes by the monotonic clock,
 * so that a clock that is set takes nothing back. */
#include "base/check.h"
#include "base/clock.h"
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 1000 /* when it could not be taken back: a full disk, a file that is gone */

void confirm_begin(struct daemon *d, const struct store_waiting *w)
{
    int64_t left_ms = w->until_wall_ms - clock_wall_ms();
    d->waiting = *w;
    d->waiting_due_ms = clock_mono_ms() + (left_ms > 0 ? left_ms : 0);
    d->waiting_failed = false;
}

void confirm_end(struct daemon *d)
{
    d->waiting = (struct store_waiting){0};
}

void confirm_follow(struct daemon *d, const struct store_waiting *w)
{
    if (w->revision == d->waiting.revision && w->until_wall_ms == d->waiting.until_wall_ms)
        return;
    if (w->revision)
        confirm_begin(d, w);
    else
        confirm_end(d);
}

void confirm_load(struct daemon *d, struct store *store)
{
    struct store_waiting w;
    struct diag diag = {0};
    char text[512];
    if (store_waiting_get(store, &w, &diag))
        log_write(LOG_ERROR, "store", "what waits for a confirmation cannot be read: %s",
                  diag_first(&diag, text, sizeof text));
    else if (w.revision)
        confirm_begin(d, &w);
    diag_fini(&diag);
}

void confirm_look(struct daemon *d)
{
    if (!d->waiting.revision || d->taking_back || clock_mono_ms() < d->waiting_due_ms)
        return;
    d->taking_back = true;
    ops_take_back(d, &d->waiting);
}

/* NULL: it has been; else why it could not be. Meanwhile another may have begun to wait. */
void confirm_taken_back(struct daemon *d, int64_t revision, const char *error)
{
    d->taking_back = false;
    if (d->waiting.revision != revision)
        return;
    if (!error) {
        confirm_end(d);
        return;
    }
    if (!d->waiting_failed)
        events_say(
            d, LOG_ERROR, "config", "confirm",
            "revision %lld was not confirmed and cannot be taken back: %s; it is tried again",
            (long long)d->waiting.revision, error);
    d->waiting_failed = true;
    d->waiting_due_ms = clock_mono_ms() + AGAIN_MS;
}

json_t *confirm_json(const struct daemon *d)
{
    char until[TIME_TEXT_MAX];
    if (!d->waiting.revision)
        return json_null();
    return json_pack("{s:I, s:I, s:s}", "revision", (json_int_t)d->waiting.revision, "back_to",
                     (json_int_t)d->waiting.back_to, "until",
                     time_format_s(d->waiting.until_wall_ms, until));
}

struct confirm_job {
    struct keeper_job job;
    struct admin_request *request;
    struct store_waiting was;
    enum err e;
    struct diag diag;
};

static void confirm_run(struct keeper *k, struct keeper_job *job)
{
    struct confirm_job *j = (struct confirm_job *)(void *)job;
    j->e = keeper_ready(k, &j->diag);
    if (!j->e)
        j->e = store_waiting_get(keeper_store(k), &j->was, &j->diag);
    if (!j->e && j->was.revision)
        j->e = store_waiting_end(keeper_store(k), &j->diag);
    keeper_wrote(k, j->e, &j->diag);
    if (!j->e && !j->was.revision)
        j->e = diag_error(&j->diag, ERR_NOT_FOUND, "", "no revision waits for its confirmation");
}

static void confirm_done(void *ctx, struct keeper_job *job)
{
    struct daemon *d = ctx;
    struct confirm_job *j = (struct confirm_job *)(void *)job;
    if (j->e) {
        admin_refuse_diag(j->request, j->e, &j->diag);
    } else {
        const char *author = json_string_value(json_object_get(j->request->body, "author"));
        confirm_end(d);
        events_say(d, LOG_NOTICE, "config", "confirm", "revision %lld is confirmed by %s",
                   (long long)j->was.revision, author ? author : "unknown");
        admin_reply(j->request, json_pack("{s:I}", "revision", (json_int_t)j->was.revision));
    }
    diag_fini(&j->diag);
    free(j);
}

void op_confirm(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    struct confirm_job *j = calloc(1, sizeof *j);
    CHECK(j);
    *j = (struct confirm_job){.job = {.run = confirm_run, .done = confirm_done}, .request = r};
    keeper_submit(d->keeper, &j->job);
}
