/* load_priv: what the files that read a model share.
 * loader    one reading thread's: the model that is filled, where its texts go, what it found.
 * names     regions, probes and maps by their ids in the tables. */
#pragma once

#include "store_priv.h"

#include "model/build.h"

struct names { /* of a table with ids, by id */
    struct name {
        int64_t id;
        const char *text;
    } * list;
    uint32_t n, cap;
};

struct loader {
    struct store *s;
    struct file *f; /* the connection */
    struct model *m;
    struct arena *a;
    struct diag *diag;
    struct model_intern in;
    struct names regions, probes, maps;
    bool failed;   /* out of memory */
    bool dangling; /* an id that leads nowhere: foreign keys were off once */
};

/* "" for an id that leads nowhere, which validation then names. */
const char *load__name_of(struct loader *l, const struct names *names, int64_t id);
/* Services and their endpoints. second: another connection to the same state, by which endpoints are read
 * beside; NULL. */
enum err load__services(struct loader *l, struct file *second) WARN_UNUSED;
