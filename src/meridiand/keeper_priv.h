/* The keeper's insides: what keeper.c (jobs, edits, the thread) and watch.c (what others write) share. */
#pragma once

#include "keeper.h"

#include <pthread.h>

#define LOOK_BUSY_MS 100 /* a look at the database is not worth waiting for */

struct keeper {
    struct keeper_config config;
    struct store *store;
    struct model *head; /* what serves, as stored, without the overrides of the command line */
    struct snapshot_cache *cache;
    unsigned workers;

    pthread_t thread, brief_thread;
    bool running;
    pthread_mutex_t lock; /* over all that follows */
    pthread_cond_t wake;
    struct keeper_job *todo, **todo_tail;
    struct keeper_job *finished, **finished_tail;
    bool working; /* one of the threads is: what is not the lock's is its */
    bool stopping;
    char trouble[256], history_trouble[256];

    uv_async_t doorbell;
    /* The thread's that works. */
    int64_t polled_ms, retried_ms, history_retried_ms;
    bool behind; /* what is stored is not what serves */
    bool cannot_write;
    unsigned busy_looks; /* in a row */
};

/* The snapshot of a model, with the settings of the command line. keep: what cannot be read any more stays
 * as it was, with a warning; else that is so only of files that were named before. */
void keeper__overdue(struct keeper *k); /* overdue.c; after the head was loaded */
enum err keeper__compile(struct keeper *k, struct model *m, bool keep, struct snapshot **out,
                         struct diag *diag) WARN_UNUSED;
enum err keeper__load_head(struct keeper *k, struct model **out, struct diag *diag) WARN_UNUSED;
void keeper__finish(struct keeper *k, struct keeper_job *job);
void keeper__note_trouble(struct keeper *k, const char *text);
/* The sentence for a database that is older than what serves. */
enum err keeper__older(struct keeper *k, int64_t head, struct diag *diag);
/* What a start, or reading a geo database, needed for a while goes back to the system. The C library keeps
 * it otherwise: the more is freed at once, the more it takes to be wanted again. Not after an edit, which
 * is followed by others like it. */
void keeper__give_back(void);
/* watch.c */
void keeper__watch_store(struct keeper *k);
void keeper__watch_history(struct keeper *k);
void keeper__watch_geo(struct keeper *k);
