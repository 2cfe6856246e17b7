/* keeper: the one place that touches SQLite and compiles, on threads of its own, so that a slow disk or a
 * big configuration delays neither an answer nor a probe.
 * Work      jobs in order, one at a time: those that take long on a thread that gives way to all others,
 *           brief ones on one that does not, since a person's word is in force no sooner than it is
 *           stored. Results come back on the control loop through done(). Besides jobs it
 *           looks every KEEPER_POLL_MS whether another process has written, and whether a geo file
 *           changed, and hands over the snapshot that follows from it.
 * Owns      the store, the head model, the compiler's cache. Jobs are owned by the keeper until
 *           done().
 * Threads   keeper_submit and callbacks: control thread. run(): the keeper's, one of the two.
 * Errors    a database that fails leaves what serves alone: the word for it is in
 *           keeper_trouble. */
#pragma once

#include "base/log.h"
#include "snapshot/snapshot.h"
#include "store/revise.h"
#include <uv.h>

#define KEEPER_POLL_MS 100

struct keeper;
struct keeper_job {
    struct keeper_job *next;
    bool brief; /* a write of a few rows: milliseconds, most of them the disk's */
    /* Keeper's thread. */
    void (*run)(struct keeper *k, struct keeper_job *job);
    /* Control thread; frees the job. */
    void (*done)(void *ctx, struct keeper_job *job);
};

struct keeper_config {
    const char *db_path;
    const struct config_edit
        *overrides; /* of the command line: --set, --listen; for this run only */
    size_t overrides_n;
    unsigned workers;
    /* A snapshot that follows from outside: another process's revision or a changed file. Control
     * thread; takes *s. why is "revision" or "files". */
    void (*fresh)(void *ctx, struct snapshot **s, const struct store_waiting *waiting,
                  const struct diag *diag);
    void *ctx;
};

/* Opens, loads, compiles the head revision in the calling thread; no thread runs yet. */
enum err keeper_create(const struct keeper_config *config, struct keeper **out,
                       struct snapshot **first, struct diag *diag) WARN_UNUSED;
/* How many the settings (or the command line) ask for. */
unsigned keeper_workers(const struct keeper *k);
enum err keeper_start(struct keeper *k, uv_loop_t *loop) WARN_UNUSED;
void keeper_submit(struct keeper *k, struct keeper_job *job);
/* Finishes the jobs that wait, joins, closes the store. done() of them is called. */
void keeper_stop(struct keeper *k);
void keeper_destroy(struct keeper **k);

/* For run(): the keeper's thread only. */
struct store *keeper_store(struct keeper *k);
enum err keeper_revise(struct keeper *k, const struct store_revise *what, struct store_revised *out,
                       struct snapshot **snapshot, struct diag *diag) WARN_UNUSED;
/* The same up to the commit, and nothing is stored: the snapshot that would serve, NULL where nothing would
 * change. what is a dry run. */
enum err keeper_try(struct keeper *k, const struct store_revise *what, struct store_revised *out,
                    struct snapshot **snapshot, struct diag *diag) WARN_UNUSED;
/* Reads all files again and compiles the head. */
enum err keeper_reload(struct keeper *k, struct snapshot **out, struct diag *diag) WARN_UNUSED;
/* Before anything is written: the file at the path is the database that serves, or one at least as
 * new. A sentence when it is not. */
enum err keeper_ready(struct keeper *k, struct diag *diag) WARN_UNUSED;
/* What came of writing to it. */
void keeper_wrote(struct keeper *k, enum err e, const struct diag *diag);
/* What came of using the history; says so once per change. */
void keeper_note_history(struct keeper *k, enum err e, const struct diag *diag);
/* Any thread: copies why the database cannot be used, "" when it can. */
void keeper_trouble(struct keeper *k, char *out, size_t cap);
