/* Making, opening, migrating and closing the files. There is no quick_check on opening: loading
 * reads every row of the configuration anyway and reports damage where it finds it, while the check
 * of a large file would cost as much again on each command. */
#include "store_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err nomem(struct diag *diag)
{
    return diag_error(diag, ERR_NOMEM, "", "out of memory");
}

static enum err step(struct store *s, struct file *f, const struct schema *schema, int from,
                     struct diag *diag)
{
    char pragma[100];
    int64_t version;
    enum err e = store__exec(s, f, "BEGIN IMMEDIATE", diag);
    if (e)
        return e;
    e = store__number(s, f, "PRAGMA user_version", &version, diag);
    if (!e && version == from) { /* else another process was quicker */
        e = store__exec(s, f, schema->steps[from], diag);
        snprintf(pragma, sizeof pragma, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
                 schema->application_id, from + 1);
        if (!e)
            e = store__exec(s, f, pragma, diag);
    }
    if (!e)
        e = store__exec(s, f, "COMMIT", diag);
    if (e)
        (void)sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL);
    return e;
}

/* An existing file is copied before it is upgraded: path-before-2 is the file of schema 1. */
static enum err keep_copy(struct store *s, struct file *f, int64_t to, struct diag *diag)
{
    char *copy;
    if (asprintf(&copy, "%s-before-%lld", f->path, (long long)to) < 0)
        return nomem(diag);
    unlink(copy); /* of an upgrade that did not come to its end */
    struct query q = store__query(s, f, "VACUUM INTO ?", diag);
    store__bind_text(&q, 1, copy);
    store__run(&q);
    enum err e = store__end(&q);
    free(copy);
    return e;
}

enum err store__migrate(struct store *s, struct file *f, const struct schema *schema,
                        struct diag *diag)
{
    int64_t version;
    enum err e = store__number(s, f, "PRAGMA user_version", &version, diag);
    if (e)
        return e;
    if (version > schema->version)
        return diag_error(diag, ERR_NEWER, "",
                          "%s was made by a newer version (schema %lld, this program knows %d): "
                          "upgrade this program",
                          f->path, (long long)version, schema->version);
    if (version < 0)
        return store__fail(s, f, SQLITE_CORRUPT, diag);
    if (version > 0 && version < schema->version)
        e = keep_copy(s, f, schema->version, diag);
    for (; !e && version < schema->version; version++)
        e = step(s, f, schema, (int)version, diag);
    return e;
}

static void remember(struct file *f)
{
    struct stat st;
    if (stat(f->path, &st) == 0) {
        f->dev = st.st_dev;
        f->ino = st.st_ino;
    }
}

bool store__file_there(const struct file *f)
{
    struct stat st;
    return stat(f->path, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino &&
           st.st_size > 0; /* emptied: a file without its first page is none of ours */
}

static enum err check_application(struct store *s, struct file *f, const struct schema *schema,
                                  bool may_be_new, struct diag *diag)
{
    int64_t id, pages;
    enum err e = store__number(s, f, "PRAGMA application_id", &id, diag);
    if (!e)
        e = store__number(s, f, "PRAGMA page_count", &pages, diag);
    if (e || id == schema->application_id)
        return e;
    if (may_be_new && pages == 0)
        return store__exec(s, f, schema->begin, diag);
    if (pages == 0)
        return diag_error(diag, ERR_CORRUPT, "",
                          "%s is empty: remove it and make it with: meridian init, or restore it "
                          "from a copy",
                          f->path);
    return diag_error(diag, ERR_CORRUPT, "",
                      "%s is a database of another program: name the right file", f->path);
}

enum err store__open_file(struct store *s, struct file *f, const struct schema *schema, int flags,
                          struct diag *diag)
{
    int rc = sqlite3_open_v2(f->path, &f->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return store__fail(s, f, rc, diag);
    sqlite3_extended_result_codes(f->db, 1);
    sqlite3_busy_timeout(f->db, s->busy_ms);
    enum err e = check_application(s, f, schema, flags & SQLITE_OPEN_CREATE, diag);
    if (!e)
        e = store__exec(s, f, schema->pragmas, diag);
    if (!e)
        e = store__migrate(s, f, schema, diag);
    if (!e)
        remember(f);
    return e;
}

void store__close_file(struct file *f)
{
    sqlite3_close(f->db);
    f->db = NULL;
}

/* ---- init ---- */

enum err store__open_folder(const char *path, int *fd, struct diag *diag)
{
    char *folder = strdup(path);
    if (!folder)
        return nomem(diag);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    *fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err e = *fd >= 0 ? ERR_OK
                          : diag_error(diag, ERR_IO, "", "cannot open the folder %s: %s",
                                       slash ? folder : ".", strerror(errno));
    free(folder);
    return e;
}

static enum err sync_folder(const char *path, struct diag *diag)
{
    int fd;
    enum err e = store__open_folder(path, &fd, diag);
    if (e)
        return e;
    if (fsync(fd) != 0)
        e = diag_error(diag, ERR_IO, "", "cannot sync the folder of %s: %s", path, strerror(errno));
    close(fd);
    return e;
}

static void unlink_with_logs(const char *path)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        char *name;
        if (asprintf(&name, "%s%s", path, tails[i]) < 0)
            continue;
        unlink(name);
        free(name);
    }
}

/* Under its name only once it is whole, and only if the name is free. Not every file system knows
 * RENAME_NOREPLACE; those that do not know link(2), which refuses a name that exists, too. */
static enum err publish(const char *draft, const char *path, struct diag *diag)
{
    if (renameat2(AT_FDCWD, draft, AT_FDCWD, path, RENAME_NOREPLACE) == 0 ||
        (errno == EINVAL && link(draft, path) == 0))
        return sync_folder(path, diag);
    if (errno == EEXIST)
        return diag_error(diag, ERR_EXISTS, "", "%s exists already, and is not touched", path);
    return diag_error(diag, ERR_IO, "", "cannot make %s: %s", path, strerror(errno));
}

/* SQLite would read a log that lies beside a new database into it. */
static enum err no_old_log(const char *path, struct diag *diag)
{
    struct stat st;
    char *log;
    if (asprintf(&log, "%s-wal", path) < 0)
        return nomem(diag);
    enum err e = ERR_OK;
    if (stat(log, &st) == 0 && st.st_size > 0)
        e = diag_error(diag, ERR_EXISTS, "",
                       "%s is left from another database: move it to where that is now", log);
    free(log);
    return e;
}

/* SQLite's sentence would be of the draft, whose name nobody has given. */
static enum err folder_fits(const char *path, struct diag *diag)
{
    int fd;
    enum err e = store__open_folder(path, &fd, diag);
    if (e)
        return e;
    if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
        e = diag_error(diag, ERR_IO, "", "cannot make %s: its folder cannot be written: %s", path,
                       strerror(errno));
    close(fd);
    return e;
}

enum err store_init(const char *path, struct diag *diag)
{
    struct stat st;
    struct store s = {.busy_ms = STORE_BUSY_MS};
    if (lstat(path, &st) == 0)
        return diag_error(diag, ERR_EXISTS, "", "%s exists already, and is not touched", path);
    enum err e = folder_fits(path, diag);
    if (!e)
        e = no_old_log(path, diag);
    if (e)
        return e;
    if (asprintf(&s.config.path, "%s-new-%ld", path, (long)getpid()) < 0)
        return nomem(diag);
    unlink_with_logs(s.config.path);
    e = store__open_file(&s, &s.config, &store__config_schema,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, diag);
    if (!e) /* the log goes into the file, which is then complete by itself */
        e = store__exec(&s, &s.config, "PRAGMA wal_checkpoint(TRUNCATE)", diag);
    store__close_file(&s.config);
    if (!e)
        e = publish(s.config.path, path, diag);
    unlink_with_logs(s.config.path);
    free(s.config.path);
    return e;
}

/* ---- open and close ---- */

static enum err look_first(const char *path, struct diag *diag)
{
    struct stat st;
    if (stat(path, &st) != 0 && errno == ENOENT)
        return diag_error(diag, ERR_NOT_FOUND, "",
                          "cannot open %s: it does not exist; make it with: meridian init --db %s",
                          path, path);
    if (stat(path, &st) != 0)
        return diag_error(diag, ERR_IO, "", "cannot open %s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return diag_error(diag, ERR_IO, "", "cannot open %s: it is a folder, not a database", path);
    if (!S_ISREG(st.st_mode))
        return diag_error(diag, ERR_IO, "", "cannot open %s: it is not a regular file", path);
    return ERR_OK;
}

static enum err open_config(struct store *s, struct diag *diag)
{
    enum err e = look_first(s->config.path, diag);
    if (!e)
        e = store__open_file(s, &s->config, &store__config_schema, SQLITE_OPEN_READWRITE, diag);
    if (!e)
        e = store__number(s, &s->config, "PRAGMA data_version", &s->data_version, diag);
    return e;
}

enum err store_open(const char *path, struct store **out, struct diag *diag)
{
    *out = NULL;
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return nomem(diag);
    s->busy_ms = STORE_BUSY_MS;
    s->config.path = strdup(path);
    if (asprintf(&s->history.path, "%s-history", path) < 0)
        s->history.path = NULL;
    enum err e = s->config.path && s->history.path ? open_config(s, diag) : nomem(diag);
    if (e)
        store_close(&s);
    *out = s;
    return e;
}

void store_close(struct store **out)
{
    struct store *s = *out;
    *out = NULL;
    if (!s)
        return;
    store_abort(s);
    store__close_file(&s->config);
    store__close_file(&s->history);
    free(s->config.path);
    free(s->history.path);
    free(s);
}

const char *store_path(const struct store *s)
{
    return s->config.path;
}

int store_busy_timeout(struct store *s, int ms)
{
    int before = s->busy_ms;
    s->busy_ms = ms;
    if (s->config.db)
        sqlite3_busy_timeout(s->config.db, ms);
    if (s->history.db)
        sqlite3_busy_timeout(s->history.db, ms);
    return before;
}

enum err store__current(struct store *s, bool *again, struct diag *diag)
{
    *again = false;
    if (s->config.db && (s->writing || store__file_there(&s->config)))
        return ERR_OK;
    /* What the log holds still goes to the file that was moved, by its descriptor: a log left under
     * the old name would be taken for that of a database put there later. */
    if (s->config.db)
        (void)sqlite3_exec(s->config.db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    store__close_file(&s->config);
    *again = s->exchanged = true;
    enum err e = open_config(s, diag);
    if (e)
        store__close_file(&s->config);
    return e;
}

bool store_exchanged(const struct store *s)
{
    return s->exchanged;
}

enum err store_changed(struct store *s, bool *changed, struct diag *diag)
{
    int64_t version;
    enum err e = store__current(s, changed, diag);
    if (!e && s->exchanged) {
        *changed = true;
        s->exchanged = false;
    } else if (!e) {
        e = store__number(s, &s->config, "PRAGMA data_version", &version, diag);
        *changed = !e && version != s->data_version;
        if (!e)
            s->data_version = version;
    }
    return e;
}
