/* meridiand: reads its command line, puts the rooms together, serves, leaves. */
#include "base/check.h"
#include "base/clock.h"
#include "base/turn.h"
#include "crowd/recent.h"
#include "daemon.h"
#include "model/nearest.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DB_DEFAULT "/var/lib/meridian/meridian.db"
#define OVERRIDES_MAX 64
#define HOUSEKEEPING_MS 200
#define DRAIN_MS 2000

/* ------------------------------------------------------------------------------ the command line
 */

struct options {
    const char *db;
    struct config_edit override[OVERRIDES_MAX];
    size_t overrides_n;
    char listen[4096];
    unsigned listens;
};

static const char usage_text[] =
    "usage: meridiand [--db PATH] [--listen ADDR:PORT]... [--set KEY=VALUE]... [--log-level "
    "LEVEL]\n"
    "\n"
    "Serves DNS from the database, in the foreground, logging to stderr.\n"
    "\n"
    "  --db PATH           the database (MERIDIAN_DB, else " DB_DEFAULT ")\n"
    "  --listen ADDR:PORT  answer here, instead of where the setting says; repeatable\n"
    "  --set KEY=VALUE     a setting for this run; repeatable\n"
    "  --log-level LEVEL   debug, info (default), notice, warn, error\n"
    "  --version           which build this is\n"
    "\n"
    "example: meridiand --db ./meridian.db --listen 127.0.0.1:5300 --set workers=1\n";

static void add_override(struct options *o, const char *key, const char *value)
{
    if (o->overrides_n == OVERRIDES_MAX) {
        fprintf(stderr, "meridiand: more than %d settings on the command line\n", OVERRIDES_MAX);
        exit(2);
    }
    o->override[o->overrides_n++] =
        (struct config_edit){.verb = VERB_SET,
                             .noun = NOUN_SETTING,
                             .name = key,
                             .fields = json_pack("{s:s}", "value", value)};
}

static void parse_set(struct options *o, char *text)
{
    char *equals = strchr(text, '=');
    if (!equals) {
        fprintf(stderr, "meridiand: --set takes KEY=VALUE, not \"%s\"\n", text);
        exit(2);
    }
    *equals = '\0';
    add_override(o, text, equals + 1);
}

static void parse_log_level(const char *text)
{
    enum log_level level;
    if (!log_level_parse(text, &level)) {
        fprintf(stderr,
                "meridiand: --log-level \"%s\" is none of debug, info, notice, warn, error\n",
                text);
        exit(2);
    }
    log_level_set(level);
}

static const struct option longs[] = {{"db", required_argument, NULL, 'd'},
                                      {"listen", required_argument, NULL, 'l'},
                                      {"set", required_argument, NULL, 's'},
                                      {"log-level", required_argument, NULL, 'L'},
                                      {"version", no_argument, NULL, 'V'},
                                      {"help", no_argument, NULL, 'h'},
                                      {0}};

/* What getopt_long did not take, as one sentence. */
static void refuse_flag(const char *text)
{
    char word[NEAREST_WORD_MAX + 1];
    struct nearest near;
    const struct option *known = NULL;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(text, "="), text);
    nearest_start(&near, word + strspn(word, "-"));
    for (const struct option *l = longs; l->name; l++) {
        char name[32];
        snprintf(name, sizeof name, "--%s", l->name);
        if (strcmp(name, word) == 0)
            known = l;
        else
            nearest_offer(&near, l->name);
    }
    if (known)
        fprintf(stderr, "meridiand: --%s %s: see `meridiand --help`\n", known->name,
                known->has_arg ? "needs a value" : "takes no value");
    else if (nearest_best(&near))
        fprintf(stderr, "meridiand: \"%.60s\" is not a flag; did you mean \"--%s\"?\n", word,
                nearest_best(&near));
    else
        fprintf(stderr, "meridiand: \"%.60s\" is not a flag: `meridiand --help` lists them\n",
                word);
    exit(2);
}

static void parse_options(int argc, char **argv, struct options *o)
{
    const char *env = getenv("MERIDIAN_DB");
    o->db = env && env[0] ? env : DB_DEFAULT;
    char short_flag[4];
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, ":h", longs, NULL)) != -1;) {
        size_t used = strlen(o->listen);
        switch (c) {
        case 'd':
            o->db = optarg;
            break;
        case 'l':
            if (used + strlen(optarg) + 2 > sizeof o->listen) {
                fprintf(stderr, "meridiand: --listen is given too often\n");
                exit(2);
            }
            snprintf(o->listen + used, sizeof o->listen - used, "%s%s", o->listens++ ? "," : "",
                     optarg);
            break;
        case 's':
            parse_set(o, optarg);
            break;
        case 'L':
            parse_log_level(optarg);
            break;
        case 'V':
            printf("meridiand %s\n", MERIDIAN_VERSION);
            exit(0);
        case 'h':
            fputs(usage_text, stdout);
            exit(0);
        default:
            snprintf(short_flag, sizeof short_flag, "-%c", optopt);
            refuse_flag(strncmp(argv[optind - 1], "--", 2) == 0 ? argv[optind - 1] : short_flag);
        }
    }
    if (optind < argc) {
        fprintf(stderr,
                "meridiand: \"%.60s\" is one word too many; `meridiand --help` says what it "
                "takes\n",
                argv[optind]);
        exit(2);
    }
    if (o->listens)
        add_override(o, "listen", o->listen);
}

/* --------------------------------------------------------------------------------------- stopping
 */

static void close_timer(uv_timer_t *t)
{
    if (t->data)
        uv_close((uv_handle_t *)t, NULL);
    t->data = NULL;
}

static void close_signal(uv_signal_t *s)
{
    if (s->data)
        uv_close((uv_handle_t *)s, NULL);
    s->data = NULL;
}

/* The keeper comes before the control socket: edits that are under way are answered. */
static void stop(struct daemon *d)
{
    if (d->stopping)
        return;
    d->stopping = true;
    if (d->started) /* else the sentence that says why not is enough */
        events_say(d, LOG_NOTICE, "daemon", "stop", "stopping: TCP clients have %d ms to finish",
                   DRAIN_MS);
    net_server_stop(d->net, DRAIN_MS);
    d->state_dirty = true;
    d->saving = false;
    d->save_after_ms = 0;
    signals_save(d);
    events_flush(d);
    keeper_stop(d->keeper);
    events_finish(d);
    events_stop(d);
    http_stop(d);
    admin_server_stop(&d->admin);
    signals_stop(d);
    close_timer(&d->housekeeping);
    close_timer(&d->flush_timer);
    close_signal(&d->sigint);
    close_signal(&d->sigterm);
    close_signal(&d->sighup);
    /* A second word to stop does not cut what the first one lets finish. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

static void on_stop_signal(uv_signal_t *s, int number)
{
    (void)number;
    stop(s->data);
}

static void on_reload_signal(uv_signal_t *s, int number)
{
    (void)number;
    ops_reload(s->data, NULL);
}

static enum err start_control(struct daemon *d, struct diag *diag)
{
    struct admin_server_config config = {.path = d->control_path,
                                         .lock = d->lock,
                                         .ops = daemon_ops,
                                         .ops_n = daemon_ops_n,
                                         .ctx = d};
    return admin_server_start(d->loop, &config, &d->admin, diag);
}

#define SOCKET_LOOK_MS 1000

/* A socket file that somebody removed leaves a daemon that nobody can talk to: it is made again.
 * Whoever is connected is cut off, having been answered or not. */
static void keep_control(struct daemon *d)
{
    struct stat st;
    int64_t now_ms = clock_mono_ms();
    if (now_ms - d->socket_looked_ms < SOCKET_LOOK_MS)
        return;
    d->socket_looked_ms = now_ms;
    if (lstat(d->control_path, &st) == 0 || errno != ENOENT)
        return;
    struct diag diag = {0};
    char text[512];
    events_stop(d);
    admin_server_stop(&d->admin);
    if (start_control(d, &diag) == ERR_OK)
        events_say(d, LOG_WARN, "daemon", "control", "%s was gone and is made again",
                   d->control_path);
    else if (!d->socket_lost)
        events_say(d, LOG_ERROR, "daemon", "control", "%s was gone: %s", d->control_path,
                   diag_first(&diag, text, sizeof text));
    d->socket_lost = !d->admin;
    diag_fini(&diag);
}

static void on_housekeeping(uv_timer_t *t)
{
    struct daemon *d = t->data;
    world_reap(d);
    shares_step(d);
    recent_step(d);
    keep_control(d);
    failopen_look(d);
    limits_look(d);
    if (maintenance_look(d, world_now(d)))
        signals_settle(d);
    signals_save(d);
    confirm_look(d);
    prune_look(d);
}

/* --------------------------------------------------------------------------------------- starting
 */

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            log_write(LOG_WARN, "daemon", "open files stay limited to %llu",
                      (unsigned long long)limit.rlim_cur);
    }
}

static void start_timers(struct daemon *d)
{
    uv_timer_init(d->loop, &d->housekeeping);
    uv_timer_init(d->loop, &d->flush_timer);
    uv_signal_init(d->loop, &d->sigint);
    uv_signal_init(d->loop, &d->sigterm);
    uv_signal_init(d->loop, &d->sighup);
    d->housekeeping.data = d->flush_timer.data = d;
    d->sigint.data = d->sigterm.data = d->sighup.data = d;
    uv_timer_start(&d->housekeeping, on_housekeeping, HOUSEKEEPING_MS, HOUSEKEEPING_MS);
    uv_signal_start(&d->sigint, on_stop_signal, SIGINT);
    uv_signal_start(&d->sigterm, on_stop_signal, SIGTERM);
    uv_signal_start(&d->sighup, on_reload_signal, SIGHUP);
}

static void say_start(struct daemon *d)
{
    struct hostport addresses[NET_LISTEN_MAX * 2];
    size_t n = net_server_addresses(d->net, addresses, ARRAY_LEN(addresses));
    const struct snapshot *s = world_now(d);
    char list[1024] = "", one[HOSTPORT_TEXT_MAX];
    size_t len = 0;
    for (size_t i = 0; i < n && len < sizeof list - HOSTPORT_TEXT_MAX; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "",
                                hostport_format(&addresses[i], one));
    events_say(d, LOG_NOTICE, "daemon", "start",
               "meridiand %s serves revision %lld: %u zone%s, %u service%s, on %s",
               MERIDIAN_VERSION, (long long)s->revision, s->model->zones_n,
               s->model->zones_n == 1 ? "" : "s", s->services_n, s->services_n == 1 ? "" : "s",
               list);
}

/* Where the control socket is: the setting, else beside the database. */
static enum err control_path(struct daemon *d, const struct model *m)
{
    const char *setting = model_setting(m, "control");
    if (setting && setting[0]) {
        snprintf(d->control_path, sizeof d->control_path, "%s", setting);
        return ERR_OK;
    }
    return admin_control_path(d->db_path, d->control_path);
}

static enum err start(struct daemon *d, struct snapshot **first, struct diag *diag)
{
    const struct model *m = (*first)->model;
    d->workers = keeper_workers(d->keeper);
    d->hub = snapshot_hub_create(d->workers);
    d->recent = crowd_recent_create();
    if (!d->hub || !d->recent)
        return diag_error(diag, ERR_NOMEM, "", "out of memory");
    enum err e = control_path(d, m);
    if (!e)
        e = admin_lock_take(d->db_path, d->control_path, &d->lock, diag);
    if (!e)
        e = serve_create(d, m, diag);
    if (e)
        return e;
    signals_first(d, *first, keeper_store(d->keeper));
    snapshot_hub_publish(d->hub, first);
    e = net_server_start(d->net);
    if (e)
        return diag_error(diag, e, "", "the workers cannot start: %s", err_text(e));
    d->serving = true;
    start_timers(d);
    e = start_control(d, diag);
    if (!e) {
        e = signals_create(d);
        if (e)
            diag_error(diag, e, "", "the prober cannot start: %s", err_text(e));
    }
    if (!e) {
        e = keeper_start(d->keeper, d->loop);
        if (e)
            diag_error(diag, e, "", "the keeper cannot start: %s", err_text(e));
    }
    if (!e) {
        signals_start(d);
        http_start(d, world_now(d)->model);
        d->started = true;
        say_start(d);
    }
    return e;
}

static void destroy(struct daemon *d, struct snapshot **first)
{
    snapshot_unref(first);
    serve_destroy(d);
    shares_forget(d);
    crowd_recent_destroy(&d->recent);
    failopen_free(d);
    signals_destroy(d);
    snapshot_hub_destroy(&d->hub);
    keeper_destroy(&d->keeper);
    overrides_free(d);
    maintenance_free(d);
    admin_lock_drop(&d->lock);
}

static int fail(const struct diag *diag)
{
    char text[1024];
    fprintf(stderr, "meridiand: %s\n", diag_first(diag, text, sizeof text));
    for (size_t i = 1; i < diag->n; i++)
        fprintf(stderr, "  %s%s%s\n", diag->findings[i].where,
                diag->findings[i].where[0] ? ": " : "", diag->findings[i].text);
    return 1;
}

/* Workers, keeper and libuv's pool inherit the mask: only the control thread hears signals. */
static void block_signals(sigset_t *old)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, old);
}

static void warn_all(const struct diag *diag)
{
    for (size_t i = 0; i < diag->n; i++)
        if (diag->findings[i].level == DIAG_WARNING)
            log_write(LOG_WARN, "config", "%s%s%s", diag->findings[i].where,
                      diag->findings[i].where[0] ? ": " : "", diag->findings[i].text);
}

/* Threads would each have a heap, and what lies free at the end of one is not given back. Workers allocate
 * nothing, the others not so much that they wait for each other. */
static void share_one_heap(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_ARENA_MAX, 1);
#endif
}

int main(int argc, char **argv)
{
    static struct options o;
    static struct daemon d;
    struct diag diag = {0};
    struct snapshot *first = NULL;
    share_one_heap();
    parse_options(argc, argv, &o);
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    d.loop = uv_default_loop();
    d.db_path = o.db;
    d.started_mono_ms = clock_mono_ms();
    d.started_wall_ms = clock_wall_ms();
    struct keeper_config config = {.db_path = o.db,
                                   .overrides = o.override,
                                   .overrides_n = o.overrides_n,
                                   .fresh = ops_fresh,
                                   .ctx = &d};
    sigset_t old;
    block_signals(&old);
    enum err e = keeper_create(&config, &d.keeper, &first, &diag);
    if (!e)
        e = start(&d, &first, &diag);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    int status = 0;
    if (e) {
        status = fail(&diag);
        if (d.serving)
            stop(&d);
    } else
        warn_all(&diag);
    diag_fini(&diag);
    if (d.serving) {
        turn_controls();
        uv_run(d.loop, UV_RUN_DEFAULT);
    }
    destroy(&d, &first);
    uv_loop_close(d.loop);
    for (size_t i = 0; i < o.overrides_n; i++)
        json_decref(o.override[i].fields);
    return status;
}
