#include "admin/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TEXT_MAX (PATH_MAX * 2) /* a path, escaped */

struct admin_lock {
    int fd;
};

/* Two names of one database must lead to one lock. A database that does not exist yet is named by
 * its folder. */
static enum err beside(const char *db_path, const char *suffix, char out[PATH_MAX])
{
    char real[PATH_MAX];
    if (!realpath(db_path, real)) {
        char folder[PATH_MAX];
        const char *slash = strrchr(db_path, '/');
        const char *name = slash ? slash + 1 : db_path;
        int n = snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - db_path + 1) : 1,
                         slash ? db_path : ".");
        if (n < 0 || (size_t)n >= sizeof folder || !realpath(folder, real))
            return (enum err) - ENOENT;
        size_t used = strlen(real);
        if (used + strlen(name) + 2 > sizeof real)
            return (enum err) - ENAMETOOLONG;
        snprintf(real + used, sizeof real - used, "/%s", name);
    }
    int n = snprintf(out, PATH_MAX, "%s%s", real, suffix);
    return n >= 0 && n < PATH_MAX ? ERR_OK : (enum err) - ENAMETOOLONG;
}

enum err admin_control_path(const char *db_path, char out[PATH_MAX])
{
    return beside(db_path, ".sock", out);
}

static enum err write_holder(int fd, const char *control_path)
{
    json_t *j = json_pack("{s:i, s:s}", "pid", (int)getpid(), "control", control_path);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    if (!text)
        return ERR_NOMEM;
    size_t len = strlen(text);
    bool done = ftruncate(fd, 0) == 0 && pwrite(fd, text, len, 0) == (ssize_t)len;
    free(text);
    return done ? ERR_OK : (enum err) - errno;
}

enum err admin_lock_take(const char *db_path, const char *control_path, struct admin_lock **out,
                         struct diag *diag)
{
    char path[PATH_MAX];
    enum err e = beside(db_path, ".lock", path);
    if (e)
        return diag_error(diag, e, db_path, "has no folder for a lock file: %s", err_text(e));
    struct admin_lock *lock = calloc(1, sizeof *lock);
    if (!lock)
        return diag_error(diag, ERR_NOMEM, path, "out of memory");
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock->fd < 0) {
        e = diag_error(diag, ERR_IO, path, "the lock file cannot be opened: %s", strerror(errno));
        free(lock);
        return e;
    }
    /* An open-file-description lock: asking who holds it (F_OFD_GETLK) does not take it, so that a
     * command that looks never keeps a daemon from starting. */
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(lock->fd, F_OFD_SETLK, &whole) != 0) {
        struct admin_holder holder = {0};
        if ((errno == EAGAIN || errno == EACCES) &&
            admin_lock_find(db_path, &holder, NULL) == ERR_OK)
            e = diag_error(
                diag, ERR_BUSY, db_path,
                "another meridiand (process %ld, control socket %s) runs on this database",
                holder.pid, holder.control);
        else
            e = diag_error(diag, ERR_IO, path, "cannot be locked: %s", strerror(errno));
        admin_lock_drop(&lock);
        return e;
    }
    e = write_holder(lock->fd, control_path);
    if (e) {
        diag_error(diag, e, path, "the lock file cannot be written: %s", err_text(e));
        admin_lock_drop(&lock);
        return e;
    }
    *out = lock;
    return ERR_OK;
}

void admin_lock_drop(struct admin_lock **lock)
{
    if (!*lock)
        return;
    close((*lock)->fd);
    free(*lock);
    *lock = NULL;
}

static bool read_holder(int fd, struct admin_holder *out)
{
    char text[LOCK_TEXT_MAX];
    ssize_t n = pread(fd, text, sizeof text, 0);
    json_t *j = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
    const char *control = json_string_value(json_object_get(j, "control"));
    bool whole = control && strlen(control) < sizeof out->control;
    if (whole) {
        out->pid = (long)json_integer_value(json_object_get(j, "pid"));
        strcpy(out->control, control);
    }
    json_decref(j);
    return whole;
}

enum err admin_lock_find(const char *db_path, struct admin_holder *out, struct diag *diag)
{
    memset(out, 0, sizeof *out);
    char path[PATH_MAX];
    if (beside(db_path, ".lock", path) != ERR_OK)
        return ERR_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return ERR_OK;
    if (fd < 0)
        return diag_error(diag, ERR_IO, path, "the lock file cannot be read: %s", strerror(errno));
    enum err e = ERR_OK;
    /* A daemon locks first and writes then: give it a moment. */
    for (int tries = 0; tries < 20; tries++) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fcntl(fd, F_OFD_GETLK, &whole) != 0) {
            e = diag_error(diag, ERR_IO, path, "the lock cannot be read: %s", strerror(errno));
            break;
        }
        out->held = whole.l_type != F_UNLCK;
        if (!out->held || read_holder(fd, out))
            break;
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
    close(fd);
    return e;
}
