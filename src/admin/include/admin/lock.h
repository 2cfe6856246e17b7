/* admin/lock: one daemon a database, and how the command finds it.
 * Files     <db>.lock beside the database (after symbolic links are followed): an
 *           open-file-description lock, and the text {"pid":…,"control":"…"}. The file stays
 *           behind; the lock does not.
 * Owns      struct admin_lock: the descriptor. Lifetime: take to drop, or the process's end.
 * Threads   any one at a time.
 * Errors    ERR_BUSY from take: another daemon holds it; the sentence says which. */
#pragma once

#include "base/diag.h"
#include <limits.h>
#include <stdbool.h>

struct admin_lock;

enum err admin_lock_take(const char *db_path, const char *control_path, struct admin_lock **out,
                         struct diag *diag) WARN_UNUSED;
void admin_lock_drop(struct admin_lock **lock); /* NULL left behind; NULL accepted */

struct admin_holder {
    bool held; /* false: no daemon runs on this database, the rest is empty */
    long pid;
    char control[PATH_MAX];
};
enum err admin_lock_find(const char *db_path, struct admin_holder *out,
                         struct diag *diag) WARN_UNUSED;

/* The control socket beside the database: "<db>.sock". Returns out. */
enum err admin_control_path(const char *db_path, char out[PATH_MAX]) WARN_UNUSED;
