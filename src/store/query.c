#include "store_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *reason(const struct file *f, int rc)
{
    const char *text = f->db ? sqlite3_errmsg(f->db) : sqlite3_errstr(rc);
    return strcmp(text, "not an error") == 0 ? sqlite3_errstr(rc) : text;
}

/* SQLite says of a file whose log it cannot make that the log does not exist. */
static const char *open_reason(const struct file *f, int rc, int os)
{
    char folder[4096];
    const char *slash = strrchr(f->path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - f->path + 1) : 1,
             slash ? f->path : ".");
    if (access(f->path, R_OK | W_OK) != 0 && errno != ENOENT)
        return strerror(errno);
    if (access(folder, W_OK | X_OK) != 0)
        return errno == EROFS    ? "its file system is read-only"
               : errno == EACCES ? "its folder cannot be written"
                                 : strerror(errno);
    return os ? strerror(os) : reason(f, rc);
}

enum err store__fail(struct store *s, const struct file *f, int rc, struct diag *diag)
{
    int os = f->db ? sqlite3_system_errno(f->db) : 0;
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return diag_error(diag, ERR_BUSY, "",
                          "%s is locked by another process for more than %g s: try again, or find "
                          "the process that holds it",
                          f->path, s->busy_ms / 1000.0);
    case SQLITE_FULL:
        return diag_error(diag, ERR_FULL, "",
                          "the disk of %s is full: nothing was stored; free some space", f->path);
    case SQLITE_CORRUPT:
        return diag_error(diag, ERR_CORRUPT, "", "%s is damaged (%s): restore it from a copy",
                          f->path, reason(f, rc));
    case SQLITE_NOTADB:
        return diag_error(diag, ERR_CORRUPT, "",
                          "%s is not a database: name the right file, or restore it from a copy",
                          f->path);
    case SQLITE_READONLY:
        return diag_error(diag, ERR_IO, "",
                          "%s cannot be written (%s): check the permissions of the file and its "
                          "folder",
                          f->path, reason(f, rc));
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return diag_error(diag, ERR_IO, "", "cannot open %s: %s", f->path, open_reason(f, rc, os));
    case SQLITE_NOMEM:
        return diag_error(diag, ERR_NOMEM, "", "out of memory while using %s", f->path);
    case SQLITE_IOERR:
        if (os == ENOSPC || os == EDQUOT)
            return store__fail(s, f, SQLITE_FULL, diag);
        return diag_error(diag, ERR_IO, "", "%s cannot be read or written: %s", f->path,
                          os ? strerror(os) : reason(f, rc));
    case SQLITE_CONSTRAINT:
        return diag_error(diag, ERR_INVALID, "", "%s refuses a row: %s", f->path, reason(f, rc));
    default:
        return diag_error(diag, ERR_CORRUPT, "",
                          "%s is not as it should be (%s): restore it from "
                          "a copy",
                          f->path, reason(f, rc));
    }
}

enum err store__exec(struct store *s, const struct file *f, const char *sql, struct diag *diag)
{
    int rc = sqlite3_exec(f->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : store__fail(s, f, rc, diag);
}

struct query store__query(struct store *s, struct file *f, const char *sql, struct diag *diag)
{
    struct query q = {.s = s, .f = f, .diag = diag};
    q.rc = sqlite3_prepare_v2(f->db, sql, -1, &q.st, NULL);
    return q;
}

static void note(struct query *q, int rc)
{
    if (q->rc == SQLITE_OK)
        q->rc = rc;
}

void store__bind_int(struct query *q, int at, int64_t v)
{
    note(q, q->rc ? q->rc : sqlite3_bind_int64(q->st, at, v));
}

void store__bind_int_or_null(struct query *q, int at, int64_t v)
{
    if (v != MODEL_UNSET)
        store__bind_int(q, at, v);
    else
        note(q, q->rc ? q->rc : sqlite3_bind_null(q->st, at));
}

void store__bind_real(struct query *q, int at, double v)
{
    note(q, q->rc ? q->rc : sqlite3_bind_double(q->st, at, v));
}

void store__bind_share(struct query *q, int at, double v)
{
    if (v >= 0)
        store__bind_real(q, at, v);
    else
        note(q, q->rc ? q->rc : sqlite3_bind_null(q->st, at));
}

void store__bind_text(struct query *q, int at, const char *v)
{
    note(q, q->rc ? q->rc : sqlite3_bind_text(q->st, at, v, -1, SQLITE_STATIC));
}

bool store__row(struct query *q)
{
    if (q->rc != SQLITE_OK)
        return false;
    int rc = sqlite3_step(q->st);
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        q->rc = rc;
    return false;
}

void store__run(struct query *q)
{
    while (store__row(q))
        ;
    if (q->rc == SQLITE_OK)
        q->rc = sqlite3_reset(q->st);
}

struct each {
    bool (*fn)(void *ctx, sqlite3_value **v);
    void *ctx;
};

static void each_row(sqlite3_context *c, int n, sqlite3_value **v)
{
    struct each *each = sqlite3_user_data(c);
    (void)n;
    sqlite3_result_int(c, !each->fn(each->ctx, v)); /* a row that comes out is where it stops */
}

enum err store__each(struct store *s, struct file *f, const char *sql,
                     bool (*fn)(void *ctx, sqlite3_value **v), void *ctx, struct diag *diag)
{
    struct each each = {fn, ctx};
    int rc = sqlite3_create_function_v2(f->db, "each_row", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                        &each, each_row, NULL, NULL, NULL);
    struct query q = {.s = s, .f = f, .diag = diag, .rc = rc};
    if (rc == SQLITE_OK)
        q = store__query(s, f, sql, diag);
    (void)!store__row(&q);
    enum err e = store__end(&q);
    (void)sqlite3_create_function_v2(f->db, "each_row", -1, SQLITE_UTF8, NULL, NULL, NULL, NULL,
                                     NULL);
    return e;
}

enum err store__end(struct query *q)
{
    enum err e = q->rc == SQLITE_OK ? ERR_OK : store__fail(q->s, q->f, q->rc, q->diag);
    sqlite3_finalize(q->st);
    q->st = NULL;
    return e;
}

const char *store__column(struct query *q, int at)
{
    const char *text = (const char *)sqlite3_column_text(q->st, at);
    return text ? text : "";
}

enum err store__number(struct store *s, struct file *f, const char *sql, int64_t *out,
                       struct diag *diag)
{
    struct query q = store__query(s, f, sql, diag);
    *out = 0;
    if (store__row(&q))
        *out = sqlite3_column_int64(q.st, 0);
    return store__end(&q);
}
