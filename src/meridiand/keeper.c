#include "keeper_priv.h"

#include "base/beside.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/turn.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ------------------------------------------------------------------------------- the models */

/* The model as it is in force for this run: the head with the command line's settings. A new
 * reference. */
static enum err effective_model(struct keeper *k, struct model *m, struct model **out,
                                struct diag *diag)
{
    if (k->config.overrides_n == 0) {
        *out = model_ref(m);
        return ERR_OK;
    }
    struct model *over = model_over(m);
    if (!over)
        return diag_error(diag, ERR_NOMEM, "", "out of memory for the configuration");
    struct diag found = {0};
    enum err e = config_apply_edits(over, k->config.overrides, k->config.overrides_n, &found);
    if (!e)
        e = model_validate_settings(over, &found);
    if (e) { /* its warnings were said when the model without the settings was validated */
        char text[512];
        diag_error(diag, e, "", "%s", diag_first(&found, text, sizeof text));
    }
    diag_fini(&found);
    if (e)
        model_unref(&over);
    *out = over;
    return e;
}

/* keep: what cannot be read any more stays as it was, with a warning. Else that is so only of files
 * that were named before. */
enum err keeper__compile(struct keeper *k, struct model *m, bool keep, struct snapshot **out,
                         struct diag *diag)
{
    struct model *effective = NULL;
    enum err e = effective_model(k, m, &effective, diag);
    if (e)
        return e;
    struct snapshot_options options = {
        .workers = k->workers, .keep_geo = keep, .keep_zones = keep, .before = k->head};
    e = snapshot_compile(effective, k->cache, &options, out, diag);
    model_unref(&effective);
    return e;
}

enum err keeper__load_head(struct keeper *k, struct model **out, struct diag *diag)
{
    enum err e = store_load(k->store, out, diag);
    if (!e)
        e = model_validate(*out, diag);
    if (e)
        model_unref(out);
    return e;
}

static unsigned count_workers(const struct model *m)
{
    const char *text = model_setting(m, "workers");
    long n = text ? strtol(text, NULL, 10) : 0;
    if (n <= 0) {
        uv_cpu_info_t *cpus = NULL;
        int count = 0;
        if (uv_cpu_info(&cpus, &count) == 0)
            uv_free_cpu_info(cpus, count);
        n = count > 0 ? count : 1;
    }
    return n > 64 ? 64 : (unsigned)n;
}

void keeper__give_back(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

/* Geo databases, read while the model is: they need only their paths. */
struct geo_ahead {
    struct snapshot_cache *cache;
    char *setting;
    struct beside work;
};

static void read_geo(void *ctx)
{
    struct geo_ahead *g = ctx;
    snapshot_cache_read_geo(g->cache, g->setting);
}

/* The setting as it is in force for this run, NULL where none is. */
static char *geo_setting(const struct keeper *k)
{
    char *setting = NULL;
    struct diag unheard = {0};
    for (size_t i = 0; i < k->config.overrides_n; i++) {
        const struct config_edit *e = &k->config.overrides[i];
        const char *value = strcmp(e->name, "geo") == 0
                                ? json_string_value(json_object_get(e->fields, "value"))
                                : NULL;
        if (value) {
            free(setting);
            setting = strdup(value);
        }
    }
    if (!setting)
        (void)!store_setting(k->store, "geo", &setting, &unheard);
    diag_fini(&unheard);
    return setting;
}

static enum err load_first(struct keeper *k, struct diag *diag)
{
    struct geo_ahead geo = {.cache = k->cache, .setting = geo_setting(k)};
    if (geo.setting)
        beside_begin(&geo.work, "geo", read_geo, &geo);
    enum err e = keeper__load_head(k, &k->head, diag);
    beside_end(&geo.work);
    free(geo.setting);
    if (!e)
        keeper__overdue(k);
    return e;
}

enum err keeper_create(const struct keeper_config *config, struct keeper **out,
                       struct snapshot **first, struct diag *diag)
{
    struct keeper *k = calloc(1, sizeof *k);
    if (!k)
        return diag_error(diag, ERR_NOMEM, "", "out of memory");
    k->config = *config;
    pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->wake, &attr);
    pthread_condattr_destroy(&attr);
    k->todo_tail = &k->todo;
    k->finished_tail = &k->finished;
    k->cache = snapshot_cache_create();
    struct model *effective = NULL;
    enum err e = k->cache ? ERR_OK : diag_error(diag, ERR_NOMEM, "", "out of memory");
    if (!e)
        e = store_open(config->db_path, &k->store, diag);
    if (!e)
        e = load_first(k, diag);
    if (!e)
        e = effective_model(k, k->head, &effective, diag);
    if (!e) {
        k->workers = config->workers ? config->workers : count_workers(effective);
        struct snapshot_options options = {
            .workers = k->workers, .keep_geo = true, .keep_zones = true};
        e = snapshot_compile(effective, k->cache, &options, first, diag);
    }
    if (!e)
        snapshot_cache_serves(k->cache, *first);
    model_unref(&effective);
    keeper__give_back();
    if (e)
        keeper_destroy(&k);
    *out = k;
    return e;
}

unsigned keeper_workers(const struct keeper *k)
{
    return k->workers;
}

struct store *keeper_store(struct keeper *k)
{
    return k->store;
}

/* Once per change, not once per attempt. */
static void note(struct keeper *k, char *slot, const char *text, const char *effect,
                 const char *healed)
{
    pthread_mutex_lock(&k->lock);
    bool same = strncmp(slot, text ? text : "", sizeof k->trouble - 1) == 0;
    snprintf(slot, sizeof k->trouble, "%s", text ? text : "");
    pthread_mutex_unlock(&k->lock);
    if (same)
        return;
    if (text)
        log_write(LOG_ERROR, "store", "%s; %s", text, effect);
    else
        log_write(LOG_NOTICE, "store", "%s", healed);
}

void keeper__note_trouble(struct keeper *k, const char *text)
{
    note(k, k->trouble, text, "serving goes on with what is loaded", "the database works again");
}

void keeper_note_history(struct keeper *k, enum err e, const struct diag *diag)
{
    char text[256];
    for (size_t i = 0; i < diag->n; i++)
        if (diag->findings[i].level == DIAG_WARNING)
            log_write(LOG_WARN, "store", "%s", diag->findings[i].text);
    note(k, k->history_trouble, e ? diag_first(diag, text, sizeof text) : NULL,
         "events go to stderr only until it works again", "the history works again");
}

void keeper_trouble(struct keeper *k, char *out, size_t cap)
{
    pthread_mutex_lock(&k->lock);
    snprintf(out, cap, "%s", k->trouble[0] ? k->trouble : k->history_trouble);
    pthread_mutex_unlock(&k->lock);
}

/* ------------------------------------------------------------------------------ edits, reload */

struct revise_ctx {
    struct keeper *k;
    struct snapshot *snapshot;
    enum err refused; /* by the compiler: a missing zone file is no trouble of the database */
};

enum err keeper__older(struct keeper *k, int64_t head, struct diag *diag)
{
    return diag_error(diag, ERR_REFUSED, "",
                      "%s holds revision %lld, which is older than %lld, which serves: put the "
                      "newer database back, or restart to serve the older one",
                      k->config.db_path, (long long)head, (long long)k->head->revision);
}

static enum err compile_edit(void *arg, struct model *m, struct diag *diag)
{
    struct revise_ctx *c = arg;
    snapshot_unref(&c->snapshot);
    if (m->revision <= c->k->head->revision) /* exchanged between a look and the write lock */
        c->refused = keeper__older(c->k, m->revision - 1, diag);
    else
        c->refused = keeper__compile(c->k, m, false, &c->snapshot, diag);
    return c->refused;
}

static bool database_failed(enum err e)
{
    return e == ERR_FULL || e == ERR_IO || e == ERR_CORRUPT || e == ERR_BUSY;
}

void keeper_wrote(struct keeper *k, enum err e, const struct diag *diag)
{
    char text[512];
    if (!e) {
        k->cannot_write = false;
        if (!k->behind)
            keeper__note_trouble(k, NULL);
    } else if (database_failed(e)) {
        k->cannot_write = true;
        keeper__note_trouble(k, diag_first(diag, text, sizeof text));
    }
}

enum err keeper_revise(struct keeper *k, const struct store_revise *what, struct store_revised *out,
                       struct snapshot **snapshot, struct diag *diag)
{
    struct revise_ctx c = {.k = k};
    *out = (struct store_revised){0};
    *snapshot = NULL;
    enum err e = keeper_ready(k, diag);
    if (e)
        return e;
    struct model *head = model_ref(k->head);
    e = store_revise(k->store, &head, what, compile_edit, &c, out, diag);
    if (!e && !what->dry_run && out->changed) {
        model_unref(&k->head);
        k->head = model_ref(head);
        k->behind = false;
        snapshot_cache_serves(k->cache, c.snapshot);
        *snapshot = c.snapshot;
        keeper_wrote(k, ERR_OK, NULL);
    } else {
        snapshot_unref(&c.snapshot);
        if (e && !c.refused)
            keeper_wrote(k, e, diag);
    }
    model_unref(&head);
    return e;
}

enum err keeper_try(struct keeper *k, const struct store_revise *what, struct store_revised *out,
                    struct snapshot **snapshot, struct diag *diag)
{
    struct revise_ctx c = {.k = k};
    *out = (struct store_revised){0};
    CHECK(what->dry_run);
    enum err e = keeper_ready(k, diag);
    struct model *head = model_ref(k->head);
    if (!e)
        e = store_revise(k->store, &head, what, compile_edit, &c, out, diag);
    if (e)
        snapshot_unref(&c.snapshot);
    model_unref(&head);
    *snapshot = c.snapshot;
    return e;
}

enum err keeper_reload(struct keeper *k, struct snapshot **out, struct diag *diag)
{
    snapshot_cache_recheck(k->cache);
    enum err e = keeper__compile(k, k->head, true, out, diag);
    if (!e)
        snapshot_cache_serves(k->cache, *out);
    keeper__give_back();
    return e;
}

/* -------------------------------------------------------------------------------- the thread */

void keeper__finish(struct keeper *k, struct keeper_job *job)
{
    pthread_mutex_lock(&k->lock);
    job->next = NULL;
    *k->finished_tail = job;
    k->finished_tail = &job->next;
    pthread_mutex_unlock(&k->lock);
    uv_async_send(&k->doorbell);
}

static bool is_next(const struct keeper *k, bool brief)
{
    return k->todo && k->todo->brief == brief;
}

static struct timespec next_look(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += KEEPER_POLL_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

/* Until it is this thread's turn, which end_turn() ends; false: there is nothing more to do. *job NULL: it
 * is time to look around. */
static bool begin_turn(struct keeper *k, bool brief, struct keeper_job **job, bool *stopping)
{
    const struct timespec until = next_look();
    bool look = false;
    pthread_mutex_lock(&k->lock);
    while ((k->todo || !k->stopping) && (k->working || !(look || is_next(k, brief)))) {
        if (brief || look)
            pthread_cond_wait(&k->wake, &k->lock);
        else
            look = pthread_cond_timedwait(&k->wake, &k->lock, &until) != 0;
    }
    *job = NULL;
    *stopping = k->stopping;
    bool turn = k->todo || !k->stopping;
    if (turn && is_next(k, brief)) {
        *job = k->todo;
        k->todo = k->todo->next;
        if (!k->todo)
            k->todo_tail = &k->todo;
    }
    k->working |= turn;
    pthread_mutex_unlock(&k->lock);
    return turn;
}

static void end_turn(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    k->working = false;
    pthread_cond_broadcast(&k->wake);
    pthread_mutex_unlock(&k->lock);
}

static void do_job(struct keeper *k, struct keeper_job *job, bool stopping)
{
    if (stopping) /* who stops does not wait long for a lock */
        store_busy_timeout(k->store, LOOK_BUSY_MS);
    job->run(k, job);
    keeper__finish(k, job);
}

static void look_around(struct keeper *k)
{
    int64_t now = clock_mono_ms();
    if (now - k->polled_ms < KEEPER_POLL_MS)
        return;
    k->polled_ms = now;
    keeper__watch_store(k);
    keeper__watch_history(k);
    keeper__watch_geo(k);
}

static void *keeper_main(void *arg)
{
    struct keeper *k = arg;
    struct keeper_job *job;
    pthread_setname_np(pthread_self(), "keeper");
    turn_keeps();
    for (bool stopping; begin_turn(k, false, &job, &stopping); end_turn(k)) {
        if (job)
            do_job(k, job, stopping);
        if (!stopping)
            look_around(k);
    }
    return NULL;
}

static void *brief_main(void *arg)
{
    struct keeper *k = arg;
    struct keeper_job *job;
    pthread_setname_np(pthread_self(), "keeper-brief");
    turn_controls();
    for (bool stopping; begin_turn(k, true, &job, &stopping); end_turn(k))
        if (job)
            do_job(k, job, stopping);
    return NULL;
}

static void collect(uv_async_t *handle)
{
    struct keeper *k = handle->data;
    pthread_mutex_lock(&k->lock);
    struct keeper_job *list = k->finished;
    k->finished = NULL;
    k->finished_tail = &k->finished;
    pthread_mutex_unlock(&k->lock);
    while (list) {
        struct keeper_job *job = list;
        list = job->next;
        job->done(k->config.ctx, job);
    }
}

static void tell_to_stop(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    k->stopping = true;
    pthread_cond_broadcast(&k->wake);
    pthread_mutex_unlock(&k->lock);
}

enum err keeper_start(struct keeper *k, uv_loop_t *loop)
{
    int rc = uv_async_init(loop, &k->doorbell, collect);
    if (rc)
        return (enum err)rc;
    k->doorbell.data = k;
    rc = pthread_create(&k->thread, NULL, keeper_main, k);
    if (rc == 0) {
        rc = pthread_create(&k->brief_thread, NULL, brief_main, k);
        k->running = rc == 0;
        if (rc) {
            tell_to_stop(k);
            pthread_join(k->thread, NULL);
        }
    }
    if (rc) {
        uv_close((uv_handle_t *)&k->doorbell, NULL);
        return (enum err) - rc;
    }
    return ERR_OK;
}

void keeper_submit(struct keeper *k, struct keeper_job *job)
{
    pthread_mutex_lock(&k->lock);
    job->next = NULL;
    *k->todo_tail = job;
    k->todo_tail = &job->next;
    pthread_cond_broadcast(&k->wake);
    pthread_mutex_unlock(&k->lock);
}

void keeper_stop(struct keeper *k)
{
    if (!k->running) { /* jobs of a start that failed */
        while (k->todo) {
            struct keeper_job *job = k->todo;
            k->todo = job->next;
            job->done(k->config.ctx, job);
        }
        return;
    }
    tell_to_stop(k);
    pthread_join(k->thread, NULL);
    pthread_join(k->brief_thread, NULL);
    k->running = false;
    collect(&k->doorbell);
    uv_close((uv_handle_t *)&k->doorbell, NULL);
}

void keeper_destroy(struct keeper **kp)
{
    struct keeper *k = *kp;
    if (!k)
        return;
    CHECK(!k->running);
    store_close(&k->store);
    model_unref(&k->head);
    snapshot_cache_destroy(&k->cache);
    pthread_mutex_destroy(&k->lock);
    pthread_cond_destroy(&k->wake);
    free(k);
    *kp = NULL;
}
