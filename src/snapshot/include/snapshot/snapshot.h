/* snapshot: everything that configuration decides, compiled, frozen, published with one pointer.
 * Shape     one arena of records that refer to each other by index (snapshot/tables.h), plus references
 *           to what snapshots share because it did not change: geo base and views.
 * Board     one word per endpoint, site, region and one TTL per service, written by the control thread
 *           only, read by workers without a lock; each snapshot has its own.
 * Lifetime  compile (refcount 1) to the last unref; workers hold it through snapshot/publish.h.
 * Threads   compile: any one thread, never a worker. Immutable afterwards but for board and tallies.
 * Errors    compile collects findings (zone files, geo databases, model) and gives nothing on an error:
 *           what serves goes on serving. */
#pragma once

#include "model/model.h"

struct snapshot;
struct
    snapshot_cache; /* what the next compile may share with the last: databases, base, views, zones */

struct snapshot_cache *snapshot_cache_create(void);
void snapshot_cache_destroy(struct snapshot_cache **c);
/* The snapshot is going to serve: the next compilation goes on from its tables, and the cache holds it until
 * another does. Of what was compiled and is not going to serve no table and no zone file is found
 * again; a geo database is, until another is named. */
void snapshot_cache_serves(struct snapshot_cache *c, struct snapshot *s);
/* Reads the geo databases that a setting names into a cache that is new, so that the first compilation finds
 * them there. In any thread while nobody else uses the cache. What cannot be read is tried again, and said,
 * by the compilation. */
void snapshot_cache_read_geo(struct snapshot_cache *c, const char *setting);
/* Forget that files were read: the next compile looks at them again. Unchanged ones stay shared. */
void snapshot_cache_recheck(struct snapshot_cache *c);
void snapshot_cache_recheck_geo(struct snapshot_cache *c); /* not the zone files */

/* Has a geo database file changed, come or gone since it was read (and not already been refused as
 * it is now)? */
bool snapshot_cache_stale(const struct snapshot_cache *c);

/* The model must be validated. workers: how many tallies. keep_geo: a geo database that cannot be read
 * is an error when false; when true the old one of the cache stays and a warning says so. */
struct snapshot_options {
    unsigned workers;
    bool keep_geo;
    bool keep_zones; /* the same for zone files */
    /* Files that this model names already are kept as with keep_geo and keep_zones: an edit is not
     * refused for what it does not bring. NULL: none. */
    const struct model *before;
};
enum err snapshot_compile(struct model *m, struct snapshot_cache *cache,
                          const struct snapshot_options *options, struct snapshot **out,
                          struct diag *diag) WARN_UNUSED;
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot **s);
