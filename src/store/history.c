/* The history file: opened on first use, made when missing, moved aside when damaged. Nothing here
 * touches the configuration.
 *
 * The daemon and commands do this beside each other. Whoever opens the file has its folder locked
 * meanwhile: else one removes the log of what another has just begun, as one that was left without
 * its file, and nobody sees the other's events. The folder, since SQLite locks files by fcntl, and
 * such locks end when any descriptor of the file is closed. */
#include "store_priv.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_LOOK_MS 2

/* Until *fd is closed. Whoever else has it needs milliseconds. */
static enum err lock_folder(struct store *s, int *fd, struct diag *diag)
{
    int64_t until = clock_mono_ms() + s->busy_ms;
    enum err e = store__open_folder(s->history.path, fd, diag);
    while (!e && flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        int os = errno;
        if (os == EWOULDBLOCK && clock_mono_ms() < until) {
            nanosleep(&(struct timespec){.tv_nsec = LOCK_LOOK_MS * 1000 * 1000}, NULL);
        } else if (os != EINTR) {
            close(*fd);
            e = diag_error(diag, os == EWOULDBLOCK ? ERR_BUSY : ERR_IO, "",
                           "cannot lock the folder of %s: %s", s->history.path, strerror(os));
        }
    }
    return e;
}

static void drop_logs(const char *path)
{
    static const char *const tails[] = {"-wal", "-shm"};
    for (size_t i = 0; i < 2; i++) {
        char *name;
        if (asprintf(&name, "%s%s", path, tails[i]) < 0)
            continue;
        unlink(name);
        free(name);
    }
}

/* The last damaged file is kept for whoever wants to look into it. */
static enum err move_aside(struct store *s, struct diag *diag)
{
    char *aside;
    if (asprintf(&aside, "%s.damaged", s->history.path) < 0)
        return diag_error(diag, ERR_NOMEM, "", "out of memory");
    store__close_file(&s->history);
    enum err e = ERR_OK;
    if (rename(s->history.path, aside) == 0 || errno == ENOENT)
        diag_warning(diag, "", "%s was damaged: it is now %s, and a new history begins",
                     s->history.path, aside);
    else
        e = diag_error(diag, ERR_IO, "", "cannot move the damaged %s aside: %s", s->history.path,
                       strerror(errno));
    if (!e)
        drop_logs(s->history.path);
    free(aside);
    return e;
}

static enum err open_locked(struct store *s, struct diag *diag)
{
    struct diag quiet = {0};
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    struct stat st;
    if (stat(s->history.path, &st) != 0) /* a log without its file is of no use to a new one */
        drop_logs(s->history.path);
    enum err e = store__open_file(s, &s->history, &store__history_schema, flags, &quiet);
    if (e == ERR_CORRUPT) {
        e = move_aside(s, diag);
        if (!e)
            e = store__open_file(s, &s->history, &store__history_schema, flags, diag);
    } else if (e) {
        char first[600];
        diag_error(diag, e, "", "%s", diag_first(&quiet, first, sizeof first));
    }
    diag_fini(&quiet);
    if (e)
        store__close_file(&s->history);
    return e;
}

/* renew: what was open is damaged, and goes aside unless another has done that already. */
static enum err open_history(struct store *s, bool renew, struct diag *diag)
{
    int lock;
    enum err e = lock_folder(s, &lock, diag);
    if (e)
        return e;
    if (renew && store__file_there(&s->history))
        e = move_aside(s, diag);
    store__close_file(&s->history);
    if (!e)
        e = open_locked(s, diag);
    close(lock);
    return e;
}

enum err store__history(struct store *s, struct diag *diag)
{
    if (s->history.db && store__file_there(&s->history))
        return ERR_OK;
    if (s->history.db)
        diag_warning(diag, "", "%s was taken away: a new history begins", s->history.path);
    return open_history(s, false, diag);
}

bool store__history_renewed(struct store *s, enum err e, struct diag *diag)
{
    return e == ERR_CORRUPT && open_history(s, true, diag) == ERR_OK;
}
