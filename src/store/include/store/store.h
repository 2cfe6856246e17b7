/* store: SQLite, the only keeper of configuration, revisions, region state and history.
 * Files     <path> holds configuration, revisions, overrides (synchronous FULL); <path>-history
 *           holds events and the engine's saved state (synchronous NORMAL), so that a busy log
 *           never delays an edit. Both WAL, STRICT tables, foreign keys on, application_id and
 *           user_version.
 * Migrate   ordered embedded SQL, one IMMEDIATE transaction a step, a copy of the file before an
 *           upgrade of an existing one; a newer version is refused.
 * Errors    one sentence that says which: missing, not a database, locked, full, corrupt,
 *           read-only, from a newer version; ERR_NOT_FOUND, ERR_BUSY, ERR_FULL, ERR_CORRUPT,
 *           ERR_NEWER, ERR_IO. A lost history never fails an edit: its functions report, the
 *           caller logs and goes on.
 * Threads   a struct store belongs to one thread at a time; never a worker.
 * Durable   store_commit returns only when the revision is on disk. */
#pragma once

#include "config/config.h"

struct store;

#define STORE_BUSY_MS 5000 /* how long to wait for a lock, at first */

enum err store_init(const char *path, struct diag *diag) WARN_UNUSED; /* refuses an existing file */
enum err store_open(const char *path, struct store **out, struct diag *diag) WARN_UNUSED;
void store_close(struct store **s);
/* Writes a page and nothing else, without waiting for a lock: can it be written again? */
enum err store_try_write(struct store *s, struct diag *diag) WARN_UNUSED;
const char *store_path(const struct store *s);
int store_busy_timeout(struct store *s, int ms); /* how long to wait for a lock */

/* The head revision, loaded from the tables; validated by the caller. */
enum err store_load(struct store *s, struct model **out, struct diag *diag) WARN_UNUSED;
enum err store_head(struct store *s, int64_t *revision, struct diag *diag) WARN_UNUSED;
/* One setting as it is stored, for who cannot wait for all of it; NULL where it is not set. The caller frees
 * it. */
enum err store_setting(struct store *s, const char *key, char **out, struct diag *diag) WARN_UNUSED;
/* Has another connection committed since the last call (PRAGMA data_version), or another file taken
 * the place of the one opened? ERR_NOT_FOUND while there is none. */
enum err store_changed(struct store *s, bool *changed, struct diag *diag) WARN_UNUSED;

/* Another file took the place of the one opened, and store_changed has not said so yet. */
bool store_exchanged(const struct store *s);

struct store_meta {
    const char *author;  /* "ana" */
    const char *message; /* --message, may be "" */
    const char *verb;    /* what was done, for history: "region add eu", "apply", "rollback 4" */
    int64_t wall_ms;
};
/* An edit: begin takes the write lock (waits up to 5 s, then ERR_BUSY) and gives the head as it is
 * under that lock; the caller clones, edits, validates, compares, compiles; commit writes the changed
 * rows and one revision, or abort. changes: config_diff of the two. If there are none, commit writes
 * nothing and *revision is the head's. */
enum err store_begin(struct store *s, int64_t *head, struct diag *diag) WARN_UNUSED;
enum err store_commit(struct store *s, const struct model *before, const struct model *after,
                      const struct config_changes *changes, const struct store_meta *meta,
                      int64_t *revision, struct diag *diag) WARN_UNUSED;
void store_abort(struct store *s);

/* An edit that is taken back to `back_to` at its time, unless it is confirmed; revision 0: none is. */
struct store_waiting {
    int64_t revision, back_to, until_wall_ms;
};
enum err store_waiting_get(struct store *s, struct store_waiting *out,
                           struct diag *diag) WARN_UNUSED;
enum err store_waiting_end(struct store *s, struct diag *diag) WARN_UNUSED;

struct store_revision {
    int64_t revision, wall_ms;
    const char *author, *message, *verb;
    uint32_t changes_n;
};
/* Newest first, from revision `from` (0: head) at most limit; fn false stops. */
enum err store_history(struct store *s, int64_t from, uint32_t limit,
                       bool (*fn)(void *ctx, const struct store_revision *r), void *ctx,
                       struct diag *diag) WARN_UNUSED;
/* Changes of the revisions a+1..b in order, merged per item. */
enum err store_changes(struct store *s, int64_t a, int64_t b, struct config_changes *out,
                       struct diag *diag) WARN_UNUSED;
/* The model as it was at a revision: head with changes undone. */
enum err store_load_at(struct store *s, int64_t revision, struct model **out,
                       struct diag *diag) WARN_UNUSED;

/* Overrides: operational state in the config file, outside revisions. */
struct store_override {
    const char *region, *service, *address; /* service and address NULL: the region */
    const char *state;                      /* "up", "drain", "down" */
    double to;                              /* drain: share to keep */
    int64_t over_ms, since_wall_ms, until_wall_ms;
    const char *author, *reason;
};
enum err store_override_put(struct store *s, const struct store_override *o,
                            struct diag *diag) WARN_UNUSED;
enum err store_override_remove(struct store *s, const char *region, const char *service,
                               const char *address, struct diag *diag) WARN_UNUSED;
enum err store_override_each(struct store *s, void (*fn)(void *ctx, const struct store_override *o),
                             void *ctx, struct diag *diag) WARN_UNUSED;

/* Maintenance windows: planned words on regions, beside the overrides. */
#define STORE_MAINTENANCE_MAX 1000
struct store_maintenance {
    int64_t id; /* 0 when adding; never given twice */
    const char *region;
    const char *state; /* "drain", "down" */
    double to;         /* drain: share to keep */
    int64_t over_ms, created_wall_ms, from_wall_ms, until_wall_ms;
    const char *author, *reason;
};
/* ERR_LIMIT: STORE_MAINTENANCE_MAX are planned that are not over. */
enum err store_maintenance_add(struct store *s, const struct store_maintenance *m, int64_t *id,
                               struct diag *diag) WARN_UNUSED;
enum err store_maintenance_remove(struct store *s, int64_t id, struct diag *diag) WARN_UNUSED;
/* In the order in which they begin; those that are over, too. */
enum err store_maintenance_each(struct store *s,
                                void (*fn)(void *ctx, const struct store_maintenance *m), void *ctx,
                                struct diag *diag) WARN_UNUSED;

/* History. */
struct store_facts {  /* what a line says, in columns; NULL, 0 and false where it does not say so */
    const char *rule; /* "fall", "degrade", "override", …; of the daemon "start", "stop" */
    const char *cause;    /* "3 failures in a row"; of an override its reason */
    const char *was, *is; /* states: "up" to "down"; of an override "auto" to "drain" */
    bool has_avail;
    double before, after;    /* availability, 0..1 */
    double would;            /* with blocked_by: what is held back */
    const char *blocked_by;  /* "hold(30s)" */
    int64_t failed, samples; /* that it rests on */
    const char *effect;      /* "nothing moves" */
    const char *to;          /* the region that takes most of the clients */
    int64_t moved_by_ms;     /* wall: until then all clients have moved */
};
struct store_event {
    int64_t id; /* 0 when adding */
    int64_t wall_ms;
    const char *level, *kind; /* "info"; "probe", "endpoint", "availability", "hold", "override",
                                 "config", "daemon", … */
    const char *service, *region, *endpoint; /* NULL or "" where it does not apply */
    int64_t revision;
    const char *line; /* the whole log line */
    struct store_facts facts;
};
/* The event as it goes to programs: every name is always there, null where it says nothing (new
 * reference; NULL out of memory). */
json_t *store_event_json(const struct store_event *e);
enum err store_events_add(struct store *s, const struct store_event *e, size_t n,
                          struct diag *diag) WARN_UNUSED;
struct store_event_filter {
    const char *service, *region, *endpoint, *kind, *rule; /* NULL: any */
    const char *level;                                     /* that, and what is worse; NULL: any */
    int64_t since_wall_ms, until_wall_ms; /* until 0: no end; both are part of it */
    int64_t after_id;
    uint32_t limit; /* the newest that many; 0: all */
    bool newest_first;
};
/* Does it pass the filter? The same as the database says; limit and order aside. */
bool store_event_matches(const struct store_event_filter *f, const struct store_event *e);
/* Reads in slices: fn may take its time, nobody is kept from writing meanwhile. */
enum err store_events_each(struct store *s, const struct store_event_filter *f,
                           bool (*fn)(void *ctx, const struct store_event *e), void *ctx,
                           struct diag *diag) WARN_UNUSED; /* oldest first, if not asked else */
/* Drops a slice of what is too old or too much, or gives a slice of free pages back to the disk. */
struct store_trim {
    int64_t before_wall_ms; /* older ones go */
    int64_t size_bytes;     /* that the file may use; above it the oldest go. 0: no bound */
    bool bout;              /* the last call went by size: this one makes room for a while */
};
struct store_trimmed {
    uint64_t by_time, by_size; /* events dropped */
    int64_t until_wall_ms;     /* by size: of the newest dropped */
    bool more, bout;           /* call again; and with bout so */
};
enum err store_events_trim(struct store *s, const struct store_trim *t, struct store_trimmed *out,
                           struct diag *diag) WARN_UNUSED;

/* The engine's state, replaced as a whole or by key. */
struct store_state {
    const char *service, *region, *address; /* "" where the level has none */
    int64_t observed, avail, hold_left_ms, since_wall_ms;
    bool released, kept_out;
    const char *why;
    int64_t falls, down_ms, counted_since_wall_ms; /* outages */
};
enum err store_state_replace(struct store *s, const struct store_state *rows, size_t n,
                             int64_t wall_ms, struct diag *diag) WARN_UNUSED;
enum err store_state_each(struct store *s, int64_t *saved_wall_ms,
                          void (*fn)(void *ctx, const struct store_state *row), void *ctx,
                          struct diag *diag) WARN_UNUSED;
