#include "admin/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Fills in the address; *folder is a descriptor that must stay open while it is used, or -1. */
static enum err address_of(const char *path, struct sockaddr_un *out, int *folder)
{
    *folder = -1;
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) < sizeof out->sun_path) {
        memcpy(out->sun_path, path, strlen(path) + 1);
        return ERR_OK;
    }
    char *copy = strdup(path), *copy2 = strdup(path);
    enum err e = copy && copy2 ? ERR_OK : (enum err)ERR_NOMEM;
    if (!e) {
        *folder = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (*folder < 0)
            e = (enum err) - errno;
    }
    if (!e) {
        int n = snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d/%s", *folder,
                         basename(copy2));
        if (n < 0 || (size_t)n >= sizeof out->sun_path)
            e = (enum err) - ENAMETOOLONG;
    }
    if (e && *folder >= 0) {
        close(*folder);
        *folder = -1;
    }
    free(copy);
    free(copy2);
    return e;
}

static int stream_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

enum err admin_socket_connect(const char *path, int *fd)
{
    struct sockaddr_un address;
    int folder;
    enum err e = address_of(path, &address, &folder);
    if (e)
        return e;
    int s = stream_socket();
    if (s < 0 || connect(s, (struct sockaddr *)&address, sizeof address) != 0) {
        e = (enum err) - errno;
        if (s >= 0)
            close(s);
    } else {
        *fd = s;
    }
    if (folder >= 0)
        close(folder);
    return e;
}

/* Nobody may answer on a socket that we are about to replace. */
static enum err remove_stale(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? ERR_OK : (enum err) - errno;
    if (!S_ISSOCK(st.st_mode))
        return (enum err) - ENOTSOCK;
    int fd;
    enum err e = admin_socket_connect(path, &fd);
    if (!e) {
        close(fd);
        return ERR_EXISTS;
    }
    if (e != (enum err) - ECONNREFUSED && e != (enum err) - ENOENT)
        return e;
    return unlink(path) == 0 || errno == ENOENT ? ERR_OK : (enum err) - errno;
}

enum err admin_socket_bind(const char *path, int *fd)
{
    enum err e = remove_stale(path);
    if (e)
        return e;
    struct sockaddr_un address;
    int folder;
    e = address_of(path, &address, &folder);
    if (e)
        return e;
    int s = stream_socket();
    /* Linux gives the file the mode of the socket (unix(7)), so that no moment exists in which
     * others may connect, and no process-wide umask need be changed. */
    if (s < 0 || fchmod(s, 0600) != 0 ||
        bind(s, (struct sockaddr *)&address, sizeof address) != 0) {
        e = (enum err) - errno;
        if (s >= 0)
            close(s);
    } else {
        *fd = s;
    }
    if (folder >= 0)
        close(folder);
    return e;
}
