/* daemon: where all of it meets. The control thread's state; the workers have theirs in serve.c.
 * Threads   control thread only, but for what the hub and the answer workers share by design.
 * Flow      query: serve.c. config: ops.c -> keeper.c -> world.c (publish). signal: signals.c ->
 * board. */
#pragma once

#include "admin/server.h"
#include "answer/answer.h"
#include "crowd/crowd.h"
#include "health/engine.h"
#include "keeper.h"
#include "net/server.h"
#include "probe/runner.h"
#include "signal/capacity.h"
#include "snapshot/publish.h"
#include <uv.h>

#define DAEMON_REGIONS_MAX MODEL_REGIONS_MAX
#define SHARE_RING 7
#define LIMITS_SAID 4 /* dropped, truncated, counted, denied */
#define SHARE_STEP_MS 10000

struct follower { /* one log --follow */
    struct follower *next_one;
    struct daemon *d;
    struct admin_request *request;
    json_t *body; /* of the request: the filter's texts */
    struct store_event_filter filter;
    struct past_job *past; /* until then lines wait */
    json_t *waiting;       /* lines not sent yet, from next on */
    size_t next, past_n;   /* past_n of them are of the past */
};

struct override_entry { /* what the override table says */
    struct override_entry *next;
    char *region, *service, *address; /* service and address NULL: the region */
    enum health_override state;
    double to;
    int64_t over_ms, since_wall_ms, until_wall_ms;
    char *author, *reason;
};

struct window_entry { /* what the maintenance table says */
    struct window_entry *next;
    char *region, *author, *reason;
    struct health_maintenance m; /* its texts are these */
};

struct daemon {
    uv_loop_t *loop;
    const char *db_path;
    char control_path[PATH_MAX];
    int64_t started_mono_ms, started_wall_ms;
    unsigned workers;

    struct admin_lock *lock;
    struct admin_server *admin;
    struct admin_http *http; /* NULL: off */
    struct keeper *keeper;
    struct snapshot_hub *hub;
    struct net_server *net;
    struct answer_worker *answer[NET_WORKERS_MAX];
    void *worker_ctx[NET_WORKERS_MAX];

    struct health *health;               /* of the current snapshot's numbering */
    struct signal_config *engine_config; /* lives as long as health */
    struct signal_capacity *capacity;    /* of the same snapshot */
    struct probe_runner *runner;
    uint32_t *target_slot; /* probe target -> endpoint */
    uint32_t *slot_target; /* endpoint -> probe target, UINT32_MAX */
    uint32_t targets_n;
    struct override_entry *overrides;
    struct window_entry *windows; /* in the order in which they begin */
    struct follower *followers;

    struct store_waiting waiting; /* confirm.c; revision 0: no edit waits */
    int64_t waiting_due_ms;       /* monotonic */
    bool taking_back, waiting_failed;

    uv_timer_t health_timer, housekeeping, flush_timer;
    uv_signal_t sigint, sigterm, sighup;
    int64_t state_restored_age_ms; /* -1: nothing was restored */
    uint32_t restored_n;
    struct open_service *open_services; /* failopen.c */
    const struct snapshot *failopen_of;
    uint32_t *failopen_seen; /* counts at the last look, by service */
    int64_t failopen_looked_ms;
    int64_t save_after_ms, socket_looked_ms;
    int64_t save_counts_ms; /* something is down: save how long it has been; 0: nothing is */
    struct prune {
        int64_t looked_ms, said_ms;  /* 0: never */
        uint64_t by_time, by_size;   /* dropped since it was said */
        int64_t before_ms, until_ms; /* what is older; by size: what is not newer */
        bool busy, more, bout;
    } prune;
    bool socket_lost;
    int64_t limits_said_ms; /* limits.c; 0: never */
    uint64_t limits_said[LIMITS_SAID];
    bool state_dirty, saving, serving, started, stopping;

    struct event_batch *batch; /* events on their way to the history */
    unsigned batches_n;        /* handed to the keeper, not done yet */
    uint64_t events_dropped, events_added;
    uint64_t events_skipped; /* and not said yet */

    uint64_t region_answers[DAEMON_REGIONS_MAX]; /* of snapshots that are gone */
    uint64_t share_ring[SHARE_RING][DAEMON_REGIONS_MAX];
    unsigned share_at;
    struct crowd networks; /* of networks_of, which is held */
    struct geo_base *networks_of;
    int64_t share_stepped_ms;

    struct crowd_recent *recent; /* who was answered lately */
    uint64_t recent_answers;     /* of all workers, at the last look */
    double recent_rate;          /* a second */
    int64_t recent_paced_ms;
};

/* world.c: a new snapshot takes over. Takes *s. */
void world_publish(struct daemon *d, struct snapshot **s);
void world_reap(struct daemon *d);
struct snapshot *world_now(const struct daemon *d);

/* signals.c: probes, engine, board. */
enum err signals_create(struct daemon *d) WARN_UNUSED;
void signals_start(struct daemon *d);
void signals_adopt(struct daemon *d,
                   struct snapshot *next); /* engine and board for the next world */
void signals_retarget(struct daemon *d);   /* the prober's targets follow */
void signals_settle(struct daemon *d);     /* drain changes, actions, events; set the timer */
void signals_stop(struct daemon *d);
void signals_destroy(struct daemon *d);
void signals_save(struct daemon *d); /* the engine's state, if it changed */
/* Engine and board of the first world, with what the last run knew and what people said. */
void signals_first(struct daemon *d, struct snapshot *s, struct store *store);

/* confirm.c: an edit that is taken back unless it is confirmed. */
void confirm_load(struct daemon *d, struct store *store);
void confirm_begin(struct daemon *d, const struct store_waiting *w);
void confirm_end(struct daemon *d);
void confirm_follow(struct daemon *d, const struct store_waiting *w); /* of a database taken over */
void confirm_look(struct daemon *d); /* now and then: is its time up? */
void confirm_taken_back(struct daemon *d, int64_t revision, const char *error);
json_t *confirm_json(const struct daemon *d);
void op_confirm(void *ctx, struct admin_request *r);

/* overrides.c: a person's word. */
void overrides_load(struct daemon *d, struct store *store);
void overrides_apply(struct daemon *d, const struct snapshot *s); /* all of them, to the engine */
/* To the engine of the next world: those whose region or endpoint comes back with it. */
void overrides_return(struct daemon *d, const struct snapshot *now, const struct snapshot *next);
void op_override(void *ctx, struct admin_request *r);
void op_release(void *ctx, struct admin_request *r);
void overrides_free(struct daemon *d);

/* maintenance.c: planned words. */
void maintenance_load(struct daemon *d, struct store *store);
/* To the engine, what the clock makes of them; true when something changed. Often. */
bool maintenance_look(struct daemon *d, const struct snapshot *s);
json_t *maintenance_json(const struct daemon *d); /* those that are not over; new reference */
/* The numbers of those in force on a region, which an order `auto` takes back; new reference. */
json_t *maintenance_begun(const struct daemon *d, const char *region);
enum err maintenance_delete(struct store *s, const json_t *numbers, struct diag *diag) WARN_UNUSED;
void maintenance_forget(struct daemon *d, const json_t *numbers);
void op_maintenance_add(void *ctx, struct admin_request *r);
void op_maintenance_remove(void *ctx, struct admin_request *r);
void maintenance_free(struct daemon *d);

/* reports.c: what load balancers report. */
/* Takes a report in; ADMIN_DONE with a new *answer, or the code and one sentence in error. */
enum admin_code reports_take(struct daemon *d, json_t *body, json_t **answer, char *error,
                             size_t cap);
/* Those who report of a region, a site or an endpoint (HEALTH_NONE: of all of it); new reference. */
json_t *reports_sources_json(const struct daemon *d, uint32_t region, uint32_t site,
                             uint32_t endpoint);
void op_report(void *ctx, struct admin_request *r);

/* http.c: the HTTP side. */
void http_start(struct daemon *d, const struct model *m);
void http_stop(struct daemon *d);

/* events.c: one line each: stderr, history, followers. */
struct event_line {
    enum log_level level;
    const char *kind;                        /* "probe", "availability", "config", … */
    const char *service, *region, *endpoint; /* "" where it does not apply */
    const char *text;                        /* after the scope */
    int64_t wall_ms;
    struct store_facts facts;
};
void events_log(struct daemon *d, const struct event_line *e);
/* rule: what kind of such a line it is, for programs; "" none. */
void events_say(struct daemon *d, enum log_level level, const char *kind, const char *rule,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void events_health(struct daemon *d, const struct health_event *e);
void events_flush(struct daemon *d);
void events_finish(struct daemon *d); /* what is left, when the keeper's thread runs no more */
void op_log_follow(void *ctx, struct admin_request *r);
void events_stop(struct daemon *d);

/* shares.c: who gets how much. */
void shares_step(struct daemon *d);
void shares_renumber(struct daemon *d, const struct snapshot *next); /* before it is published */
void shares_fold(struct daemon *d, const struct snapshot *s); /* a snapshot goes: keep its counts */
void shares_got(const struct daemon *d, double *by_region);
void shares_want_service(struct daemon *d, const struct snapshot *s, uint32_t service,
                         double *by_endpoint);
void shares_want(struct daemon *d, const struct snapshot *s, double *by_region);
/* How clients are spread over classes, of the views that most services have. */
void shares_weigh(struct daemon *d, const struct snapshot *s, struct signal_capacity *c);
void shares_forget(struct daemon *d); /* the networks */
/* Where most of a site's displaced clients go now: a region, or -1. */
int shares_heir(const struct snapshot *s, uint32_t service, uint32_t region);

/* recent.c: who was answered lately. */
void recent_step(struct daemon *d);
void recent_take(struct daemon *d);                                  /* what waits at the workers */
void recent_renumber(struct daemon *d, const struct snapshot *next); /* before it is published */

/* failopen.c: a service that fails open is said. */
void failopen_forget(struct daemon *d); /* a world goes */
void failopen_look(struct daemon *d);
void failopen_free(struct daemon *d);

/* prune.c: what the history may hold. */
void prune_look(struct daemon *d);

/* limits.c: that rate limits or lists bite is said. */
void limits_look(struct daemon *d);

/* serve.c: the workers. */
enum err serve_create(struct daemon *d, const struct model *effective,
                      struct diag *diag) WARN_UNUSED;
void serve_destroy(struct daemon *d);
/* Over all workers. */
uint64_t serve_outcomes(const struct daemon *d, enum answer_outcome o);
uint64_t serve_counts(const struct daemon *d, enum answer_counter c);

/* ops.c, status.c, explain.c: what the control socket offers. */
extern const struct admin_op daemon_ops[];
extern const size_t daemon_ops_n;
json_t *status_place_json(const struct geo_place *p); /* new reference */
void op_status(void *ctx, struct admin_request *r);
void op_explain(void *ctx, struct admin_request *r);
void op_what_if(void *ctx, struct admin_request *r);
void op_geo_lookup(void *ctx, struct admin_request *r);
void op_geo_status(void *ctx, struct admin_request *r);
void op_probe_run(void *ctx, struct admin_request *r);
/* The document that came with a request, as its text or, a short one, in it; NULL: none did. False: what is in
 * it is no text. */
bool ops_document(const struct admin_request *r, const char **text, size_t *len);
void ops_take_back(struct daemon *d, const struct store_waiting *w);
/* SIGHUP and `reload`; r NULL for the signal. */
void ops_reload(struct daemon *d, struct admin_request *r);
/* keeper.h says what comes. */
void ops_fresh(void *ctx, struct snapshot **s, const struct store_waiting *waiting,
               const struct diag *diag);
