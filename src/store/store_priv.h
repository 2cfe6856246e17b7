/* store_priv: what the files of the room share.
 * file      one SQLite file: configuration or history.
 * query     a prepared statement with a sticky error: bind, step, end; the first failure is kept
 * and told once, as a sentence, by query_end. */
#pragma once

#include "store/store.h"

#include <sqlite3.h>
#include <sys/types.h>

#define STORE_APPLICATION_ID 0x4d65726e   /* "Mern": configuration */
#define HISTORY_APPLICATION_ID 0x4d657268 /* "Merh": history */

struct file {
    sqlite3 *db;
    char *path;
    dev_t dev; /* of the file opened, to notice when another takes its place */
    ino_t ino;
};

struct store {
    struct file config, history;
    int64_t data_version;
    int64_t head; /* under the write lock */
    int busy_ms;
    bool writing;
    bool exchanged; /* another file took the place of the one opened; until store_changed says so */
};

struct schema { /* migrations: step i takes version i to i + 1 */
    int application_id;
    const char *const *steps;
    int version;
    const char *begin;   /* of a new file, before its first page; "" for none */
    const char *pragmas; /* of each connection: nothing that writes to an open file */
};
extern const struct schema store__config_schema, store__history_schema;

/* A sentence for an SQLite outcome of a file, and the error that goes with it. */
enum err store__fail(struct store *s, const struct file *f, int rc, struct diag *diag);
enum err store__exec(struct store *s, const struct file *f, const char *sql,
                     struct diag *diag) WARN_UNUSED;
/* Opens, checks application_id and version, migrates. flags are SQLite's. */
enum err store__open_file(struct store *s, struct file *f, const struct schema *schema, int flags,
                          struct diag *diag) WARN_UNUSED;
void store__close_file(struct file *f);
/* The folder in which a file of this path lies. */
enum err store__open_folder(const char *path, int *fd, struct diag *diag) WARN_UNUSED;
enum err store__migrate(struct store *s, struct file *f, const struct schema *schema,
                        struct diag *diag) WARN_UNUSED;
/* Is the file at the path still the one opened? */
bool store__file_there(const struct file *f);
/* In the transaction of the edit. */
enum err store__waiting_put(struct store *s, const struct store_waiting *w,
                            struct diag *diag) WARN_UNUSED;
/* The config file opened again if another took its place; *again says so. */
enum err store__current(struct store *s, bool *again, struct diag *diag) WARN_UNUSED;
/* Opens the history on first use; a damaged one is moved aside, with a warning. */
enum err store__history(struct store *s, struct diag *diag) WARN_UNUSED;
/* After a failure: was it damage, and is there a new file now to try once more with? */
bool store__history_renewed(struct store *s, enum err e, struct diag *diag);

/* The statement that a filter comes to; what and tail are its columns and its end. For tests, too. */
#define EVENTS_SQL_MAX 1024
char *store__events_sql(const struct store_event_filter *f, const char *what, const char *tail,
                        char out[EVENTS_SQL_MAX]);

struct query {
    struct store *s;
    struct file *f;
    sqlite3_stmt *st;
    struct diag *diag;
    int rc; /* SQLITE_OK until something failed */
};
struct query store__query(struct store *s, struct file *f, const char *sql, struct diag *diag);
void store__bind_int(struct query *q, int at, int64_t v);
void store__bind_int_or_null(struct query *q, int at, int64_t v); /* MODEL_UNSET is NULL */
void store__bind_real(struct query *q, int at, double v);
void store__bind_share(struct query *q, int at, double v); /* negative is NULL */
void store__bind_text(struct query *q, int at,
                      const char *v); /* NULL is NULL; borrowed until reset */
bool store__row(struct query *q);     /* the next row; false at the end or on failure */
void store__run(struct query *q);     /* steps to the end and resets, for the next values */
/* Finalizes; the sentence if something failed. */
enum err store__end(struct query *q) WARN_UNUSED;
const char *store__column(struct query *q, int at); /* "" for NULL */

/* Every row of a statement "SELECT 1 FROM … WHERE each_row(column, …)", whose values go to fn in the order of
 * the scan; fn false stops. Stepping from row to row, and asking for each column, costs as much again as
 * a short row itself. */
enum err store__each(struct store *s, struct file *f, const char *sql,
                     bool (*fn)(void *ctx, sqlite3_value **v), void *ctx,
                     struct diag *diag) WARN_UNUSED;

/* The first column of the first row; 0 without one. */
enum err store__number(struct store *s, struct file *f, const char *sql, int64_t *out,
                       struct diag *diag) WARN_UNUSED;

enum err store__save(struct store *s, const struct model *before, const struct model *after,
                     const struct config_changes *changes, struct diag *diag) WARN_UNUSED;
