/* The compiler's insides: what its files share. */
#pragma once

#include "snapshot/tables.h"

#define SNAPSHOT_VIEWS_MAX 4096u

/* 128 bits over everything that a view, or the table of names, depends on: equal keys mean equal ones. */
struct view_key {
    uint64_t a, b;
};

struct view_entry { /* a view with its count and key; the public part first */
    struct snapshot_view view;
    struct view_key key;
    _Atomic uint32_t refs;
    bool used; /* by the snapshot being compiled */
};

struct file_mark { /* which bytes of a file were seen */
    uint64_t inode, size;
    int64_t mtime_ns;
};

struct zone_entry {
    char *name, *file;
    struct arena *arena;
    struct zone_records *records;
    struct zone_entry *before; /* what was read before: comes back should the compilation fail */
    uint64_t serial;           /* of no other that was read */
    bool used, fresh;
    bool stale; /* the file was looked at again and could not be read */
};

struct snapshot_cache {
    struct geo_db **dbs;
    char **db_paths;
    struct file_mark *db_refused; /* the last state of each file that was refused */
    size_t dbs_n;
    char **absent; /* databases that the settings name and nobody could read yet */
    struct file_mark *absent_as;
    size_t absent_n;
    struct geo_base *base;
    uint64_t base_serial; /* changes whenever base does; part of every view key */
    struct ip_prefix *own;
    size_t own_n;
    struct view_entry **views;
    size_t views_n, views_cap;
    struct zone_entry **zones;
    size_t zones_n;
    uint64_t zone_serial;  /* the last one given */
    struct snapshot *last; /* what serves: its addresses are not read again, its names kept; NULL */
    bool recheck_geo, recheck_zones;
};

/* A service in what serves. */
#define BEFORE_NONE 0x7fffffffu
struct before {
    uint32_t at : 31;  /* its number there, BEFORE_NONE: it is new */
    uint32_t same : 1; /* and has the endpoints, sites and view that it has now */
};

/* One compilation. */
struct compile {
    struct model *m;
    struct snapshot_cache *cache;
    const struct snapshot_options *options;
    struct snapshot *s;
    struct diag *diag;
    const struct steer_map **maps; /* by index in the model */
    const struct steer_latency *latency;
    uint64_t *map_digest; /* by index */
    uint64_t latency_digest, regions_digest;
    uint32_t views_used;   /* distinct ones, of this compilation */
    struct before *before; /* by service; NULL: nothing serves */
    uint32_t kept_n;       /* services that are there */
    bool same_maps;        /* maps are what they are there */
};

/* The layouts of services, each once but for a few (steer/choose.h). layout.c */
#define LAYOUTS_SEEN 1024
struct layouts {
    uint32_t *cell; /* owned */
    size_t n, cap;
    struct layout_seen {
        uint32_t at, n;   /* n 0: none */
    } seen[LAYOUTS_SEEN]; /* by hash, the last one */
};
/* Where it is among the cells. ERR_NOMEM, ERR_LIMIT. */
enum err layouts_add(struct layouts *l, const struct steer_site *site, uint32_t site_n,
                     const struct steer_endpoint *endpoint, uint32_t endpoint_n,
                     uint32_t *at) WARN_UNUSED;
const uint32_t *layouts_keep(const struct layouts *l, struct arena *arena); /* NULL: it failed */
void layouts_fini(struct layouts *l);

enum err compile_geo(struct compile *c) WARN_UNUSED;
enum err compile_before(struct compile *c) WARN_UNUSED;
enum err compile_places(struct compile *c) WARN_UNUSED; /* regions, maps, latency */
/* Addresses of endpoints lie on the board, whose memory board_alloc takes once service_words is known. */
enum err compile_services(struct compile *c) WARN_UNUSED;
bool board_alloc(struct snapshot *s) WARN_UNUSED;
/* Zones in two parts: files and inputs, then the table of names, which is made beside what is compiled between
 * the two where there are many. end takes what begin gave, also where that failed; wanted: nothing has
 * failed yet. */
struct zones_work;
enum err compile_zones_begin(struct compile *c, struct zones_work **out) WARN_UNUSED;
enum err compile_zones_end(struct compile *c, struct zones_work **w, bool wanted) WARN_UNUSED;
/* The table of names: that of what serves where nothing in it changed, a changed one, or one that is built: a
 * reference. files: the serial of what each zone's file holds, 0 without one. Touches nothing of the
 * snapshot, and of the cache nothing that others write. */
enum err names_find(struct compile *c, const struct zone_input *zones, const uint64_t *files,
                    struct names **out) WARN_UNUSED;
/* Into the snapshot; takes the reference. */
enum err names_put(struct compile *c, const struct zone_input *zones, struct names *n) WARN_UNUSED;
void names_unref(struct names *n); /* NULL accepted */

enum err compile_guard(struct compile *c) WARN_UNUSED;
enum err compile_board(struct compile *c) WARN_UNUSED;

/* The view of a shape, from the cache or built: a new reference. */
enum err view_get(struct compile *c, const struct steer_shape *shape,
                  const struct snapshot_view **out) WARN_UNUSED;
void view_unref(const struct snapshot_view *v);
void cache_begin_views(struct snapshot_cache *c); /* none is used yet */
void cache_drop_views(struct snapshot_cache *c, bool unused_only);
void cache_drop_geo(struct snapshot_cache *c);
/* What the compilation before read is kept where it serves, else forgotten. */
void cache_settle_zones(struct snapshot_cache *c, bool serves);
void cache_drop_zones(struct snapshot_cache *c);
