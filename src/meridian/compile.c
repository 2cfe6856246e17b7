/* compile: the command's only meeting with src/snapshot. */
#include "change.h"
#include "snapshot/snapshot.h"

enum err change_compile(void *ctx, struct model *m, struct diag *diag)
{
    (void)ctx;
    struct snapshot_cache *cache = snapshot_cache_create();
    if (!cache)
        return diag_error(diag, ERR_NOMEM, "", "out of memory to compile the configuration");
    struct snapshot_options options = {.workers = 1};
    struct snapshot *snapshot = NULL;
    enum err e = snapshot_compile(m, cache, &options, &snapshot, diag);
    snapshot_unref(&snapshot);
    snapshot_cache_destroy(&cache);
    return e;
}
