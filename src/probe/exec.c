/* exec: a program of the operator's, with the exit codes of Nagios plugins; probes/README.md is the
 * contract.
 * Group     the child leads a process group of its own, and the group is killed with it: on
 * timeout, on too much output, on cancelling, and what it leaves behind when it exits. Zombies the
 * process handle is closed by its exit callback only: one that is closed before is never waited
 * for. So a run that was cut off lives on, unheard, until its child is gone. Inherits  an
 * environment of a few named variables, /dev/null as input, no descriptor of ours, no signal mask
 * or disposition (libuv resets both). */
#include "probe_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES_MAX 512
#define ENV_MAX 16

struct output {
    uv_pipe_t pipe;
    bool opened;
    size_t line_len, total;
    bool line_done;
    char line[LINE_BYTES_MAX];
};

struct exec {
    uv_process_t process;
    bool spawned, exited;
    struct output out, err;
    char buf[4096];
};

/* ---- what it writes ---- */

static void take_output(struct output *o, const char *bytes, size_t len)
{
    o->total += len;
    for (size_t i = 0; i < len && !o->line_done; i++)
        if (bytes[i] == '\n')
            o->line_done = true;
        else if (o->line_len < sizeof o->line)
            o->line[o->line_len++] = bytes[i];
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct exec *x = ((struct probe_run *)handle->data)->state;
    (void)wanted;
    *out = uv_buf_init(x->buf, sizeof x->buf);
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct probe_run *run = stream->data;
    struct exec *x = run->state;
    struct output *o = stream == (uv_stream_t *)&x->out.pipe ? &x->out : &x->err;
    if (run->ended)
        return;
    if (n < 0) {
        uv_read_stop(stream); /* it may close its output and work on */
        return;
    }
    take_output(o, buf->base, (size_t)n);
    if (o->total > PROBE_OUTPUT_BYTES_MAX)
        probe__run_end(run, false, "wrote more than %u KiB", PROBE_OUTPUT_BYTES_MAX / 1024);
}

/* What it wrote before it exited is in the pipe; a child that it left behind may keep the other end
 * open for ever, so the end of the stream is not waited for. */
static void drain(struct exec *x, struct output *o)
{
    uv_os_fd_t fd;
    if (!o->opened || uv_fileno((uv_handle_t *)&o->pipe, &fd) != 0)
        return;
    while (o->total <= PROBE_OUTPUT_BYTES_MAX) {
        ssize_t n = read(fd, x->buf, sizeof x->buf);
        if (n <= 0)
            return;
        take_output(o, x->buf, (size_t)n);
    }
}

/* ---- the verdict ---- */

static void judge(struct probe_run *run, int64_t status, int signal_number)
{
    struct exec *x = run->state;
    const struct output *o = x->out.line_len || !x->err.line_len ? &x->out : &x->err;
    const char *bar = memchr(o->line, '|', o->line_len); /* performance data follows */
    char text[PROBE_TEXT_MAX];
    probe__text_clean(text, sizeof text, o->line, bar ? (size_t)(bar - o->line) : o->line_len);
    const char *colon = *text ? ": " : "";
    run->result.status = (uint32_t)status;
    if (signal_number)
        probe__run_end(run, false, "killed by signal %d%s%s", signal_number, colon, text);
    else if (status == 0)
        probe__run_end(run, true, "%s", *text ? text : "ok");
    else if (status == 1)
        probe__run_end(run, true, "warning%s%s", colon, text);
    else if (status == 2)
        probe__run_end(run, false, "%s", *text ? text : "critical");
    else if (status == 3)
        probe__run_end(run, false, "unknown%s%s", colon, text);
    else
        probe__run_end(run, false, "exit status %d%s%s", (int)status, colon, text);
}

static void on_exit_status(uv_process_t *process, int64_t status, int signal_number)
{
    struct probe_run *run = process->data;
    struct exec *x = run->state;
    x->exited = true;
    if (!run->ended) {
        drain(x, &x->out);
        drain(x, &x->err);
        judge(run, status, signal_number);
    }
    probe__run_handle_close(run, (uv_handle_t *)process);
}

/* ---- arguments and environment ---- */

struct words {
    struct arena *arena;
    const struct probe_run *run;
    char port[8], timeout[24];
};

static const char *word(const struct words *w, const char *name, size_t len)
{
    const struct probe_target *t = w->run->target;
    const struct {
        const char *name, *value;
    } table[] = {
        {"address", t->address}, {"service", t->service}, {"region", t->region}, {"port", w->port}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
            return table[i].value;
    return NULL;
}

/* {address} and so on replaced; other braces are left as they are. NULL: no memory. */
static char *expand(const struct words *w, const char *arg)
{
    char *out = arena_strdup(w->arena, "");
    while (out && *arg) {
        const char *end = *arg == '{' ? strchr(arg, '}') : NULL;
        const char *value = end ? word(w, arg + 1, (size_t)(end - arg - 1)) : NULL;
        if (value) {
            out = arena_printf(w->arena, "%s%s", out, value);
            arg = end + 1;
        } else {
            size_t plain = 1 + strcspn(arg + 1, "{");
            out = arena_printf(w->arena, "%s%.*s", out, (int)plain, arg);
            arg += plain;
        }
    }
    return out;
}

static char **arguments(const struct words *w)
{
    const struct model_probe *p = w->run->target->probe;
    char **argv = ARENA_ARRAY(w->arena, char *, p->args_n + 2);
    if (!argv)
        return NULL;
    argv[0] = arena_strdup(w->arena, p->command ? p->command : "");
    for (uint32_t i = 0; i < p->args_n; i++)
        argv[i + 1] = expand(w, p->args[i]);
    return argv;
}

static char **environment(const struct words *w)
{
    static const char *const kept[] = {"HOME", "TMPDIR", "TZ", "LANG", "SSL_CERT_FILE"};
    const struct probe_target *t = w->run->target;
    struct arena *a = w->arena;
    char **env = ARENA_ARRAY(a, char *, ENV_MAX);
    if (!env)
        return NULL;
    const char *path = getenv("PATH");
    size_t n = 0;
    env[n++] = arena_printf(a, "PATH=%s", path ? path : "/usr/bin:/bin");
    env[n++] = arena_printf(a, "MERIDIAN_SERVICE=%s", t->service);
    env[n++] = arena_printf(a, "MERIDIAN_REGION=%s", t->region);
    env[n++] = arena_printf(a, "MERIDIAN_ADDRESS=%s", t->address);
    env[n++] = arena_printf(a, "MERIDIAN_PORT=%s", w->port);
    env[n++] = arena_printf(a, "MERIDIAN_TIMEOUT_MS=%s", w->timeout);
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        const char *value = getenv(kept[i]);
        if (value)
            env[n++] = arena_printf(a, "%s=%s", kept[i], value);
    }
    return env;
}

/* ---- start and stop ---- */

static int open_output(struct probe_run *run, struct output *o, uv_stdio_container_t *container)
{
    int e = uv_pipe_init(run->runner->loop, &o->pipe, 0);
    if (e != 0)
        return e;
    probe__run_handle_opened(run, (uv_handle_t *)&o->pipe);
    o->opened = true;
    container->flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
    container->data.stream = (uv_stream_t *)&o->pipe;
    return 0;
}

static int spawn(struct probe_run *run, char **argv, char **env)
{
    struct exec *x = run->state;
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}};
    int e = open_output(run, &x->out, &stdio[1]);
    if (e == 0)
        e = open_output(run, &x->err, &stdio[2]);
    if (e != 0)
        return e;
    const uv_process_options_t options = {.exit_cb = on_exit_status,
                                          .file = argv[0],
                                          .args = argv,
                                          .env = env,
                                          .cwd = "/",
                                          .flags = UV_PROCESS_DETACHED,
                                          .stdio_count = 3,
                                          .stdio = stdio};
    e = uv_spawn(run->runner->loop, &x->process, &options);
    probe__run_handle_opened(run, (uv_handle_t *)&x->process); /* even then it has to be closed */
    x->spawned = e == 0;
    if (e != 0) {
        probe__run_handle_close(run, (uv_handle_t *)&x->process);
        return e;
    }
    uv_read_start((uv_stream_t *)&x->out.pipe, on_alloc, on_output);
    uv_read_start((uv_stream_t *)&x->err.pipe, on_alloc, on_output);
    return 0;
}

static void exec_start(struct probe_run *run)
{
    struct words w = {.arena = arena_create(0), .run = run};
    if (!w.arena) {
        probe__run_end_own(run, "the prober lacks memory");
        return;
    }
    snprintf(w.port, sizeof w.port, "%u", run->port);
    snprintf(w.timeout, sizeof w.timeout, "%lld", (long long)run->target->probe->timeout_ms);
    char **argv = arguments(&w), **env = environment(&w);
    int e = arena_failed(w.arena) ? UV_ENOMEM : spawn(run, argv, env);
    arena_destroy(w.arena);
    if (e == UV_EAGAIN || e == UV_ENOMEM)
        probe__run_end_own(run, "the prober cannot start a process: %s", uv_strerror(e));
    else if (e < 0) {
        char doing[PROBE_TEXT_MAX];
        snprintf(doing, sizeof doing, "cannot run %.100s",
                 run->target->probe->command ? run->target->probe->command : "");
        probe__run_end_uv(run, doing, e);
    }
}

static void exec_stop(struct probe_run *run)
{
    struct exec *x = run->state;
    if (x->out.opened)
        probe__run_handle_close(run, (uv_handle_t *)&x->out.pipe);
    if (x->err.opened)
        probe__run_handle_close(run, (uv_handle_t *)&x->err.pipe);
    /* Also after its exit: the number is not given out again while its group has a member. */
    if (x->spawned && kill(-x->process.pid, SIGKILL) != 0 && !x->exited)
        uv_process_kill(&x->process, SIGKILL);
}

const struct probe_driver probe__exec_driver = {.state_bytes = sizeof(struct exec),
                                                .needs_address = false,
                                                .start = exec_start,
                                                .stop = exec_stop};

void probe__close_on_exec_all(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        int fd = atoi(entry->d_name);
        int flags = fd > 2 ? fcntl(fd, F_GETFD) : -1;
        if (flags >= 0 && !(flags & FD_CLOEXEC))
            fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    }
    closedir(dir);
}
