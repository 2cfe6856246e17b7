#include "loader_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

FILE *load__open(struct load *l, const struct place *at, const char *path, const char *name)
{
    /* Not blocking, since a named pipe without a writer would hang here. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        load__error(l, at, "cannot read %s: %s", name, strerror(errno));
        return NULL;
    }
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        load__error(l, at, "%s is %s, not a zone file", name,
                    S_ISDIR(st.st_mode) ? "a directory" : "no regular file");
        close(fd);
        return NULL;
    }
    FILE *f = fdopen(fd, "r");
    if (!f) {
        l->out_of_memory = true;
        close(fd);
    }
    return f;
}

static bool climbs(const char *name)
{
    for (const char *p = name; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.')
            return true;
        p += n + (p[n] == '/');
    }
    return false;
}

/* A zone file may come from somebody who may not read all that the daemon may: what it includes
 * stays in its own folder, links resolved. */
char *load__include_path(struct load *l, const struct place *at, const char *name)
{
    if (name[0] == '/' || climbs(name)) {
        load__error(l, at,
                    "$INCLUDE %s: only files in the folder of the zone file, named from there",
                    name);
        return NULL;
    }
    char *joined = NULL;
    if (asprintf(&joined, "%s/%s", l->folder, name) < 0) {
        l->out_of_memory = true;
        return NULL;
    }
    char *real = realpath(joined, NULL);
    if (!real)
        load__error(l, at, "$INCLUDE %s: %s", name, strerror(errno));
    free(joined);
    size_t n = strlen(l->folder);
    bool root = strcmp(l->folder, "/") == 0;
    if (real && !root && !(strncmp(real, l->folder, n) == 0 && real[n] == '/')) {
        load__error(l, at, "$INCLUDE %s: it is a link out of the folder of the zone file", name);
        free(real);
        return NULL;
    }
    return real;
}
