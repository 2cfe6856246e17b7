/* The workers: one batch, one world. */
#include "base/clock.h"
#include "daemon.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

struct worker_ctx {
    struct snapshot_hub *hub;
    struct answer_worker *answer;
    unsigned index;
};

_Static_assert(NET_BATCH <= ANSWER_BATCH_MAX, "a batch of the net room is one of the answer room");

/* To the kernel's tick, a few milliseconds: limits and cookies need no better, and it costs a few
 * nanoseconds a batch. */
static void tell_time(struct answer_worker *w)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    w->mono_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    w->wall_s = (uint32_t)t.tv_sec;
}

static void serve_batch(void *ctx, struct net_message *messages, size_t n)
{
    struct worker_ctx *w = ctx;
    struct answer_request r[NET_BATCH];
    for (size_t i = 0; i < n; i++) {
        const struct net_message *m = &messages[i];
        r[i] = (struct answer_request){.msg = m->in,
                                       .len = m->in_len,
                                       .source = m->source,
                                       .tcp = m->tcp,
                                       .out = m->out,
                                       .cap = m->out_cap};
    }
    tell_time(w->answer);
    const struct snapshot *s = snapshot_hub_enter(w->hub, w->index);
    answer_batch(w->answer, s, r, n);
    snapshot_hub_leave(w->hub, w->index);
    for (size_t i = 0; i < n; i++)
        messages[i].out_len = r[i].out_len;
}

static uint64_t fresh_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)uv_hrtime();
    return seed;
}

static enum err fill_random(void *bytes, size_t len, struct diag *diag)
{
    if (getrandom(bytes, len, 0) == (ssize_t)len)
        return ERR_OK;
    return diag_error(diag, ERR_IO, "", "the system gives no random numbers");
}

/* A generator, a table of limits and the secrets of one worker; all have the same cookie key, since a
 * client may come back to another. */
static enum err worker_arm(struct answer_worker *w, unsigned index,
                           const uint8_t cookie_key[COOKIE_SECRET_BYTES], unsigned idle_ms,
                           struct diag *diag)
{
    answer_worker_init(w, index, fresh_seed());
    memcpy(w->cookie_key, cookie_key, COOKIE_SECRET_BYTES);
    unsigned idle_100ms = (idle_ms ? idle_ms : NET_TCP_IDLE_MS) / 100;
    w->tcp_idle_100ms = (uint16_t)(idle_100ms < UINT16_MAX ? idle_100ms : UINT16_MAX);
    size_t bytes = LIMIT_SLOTS * sizeof *w->limits.slot;
    w->limits.slot = aligned_alloc(64, bytes);
    if (!w->limits.slot)
        return diag_error(diag, ERR_NOMEM, "", "out of memory for the rate limits of a worker");
    memset(w->limits.slot, 0, bytes);
    return fill_random(w->limits.secret, sizeof w->limits.secret, diag);
}

static unsigned setting_number(const struct model *m, const char *key)
{
    const char *text = model_setting(m, key);
    return text ? (unsigned)strtoul(text, NULL, 10) : 0;
}

static enum err read_listen(const struct model *m, struct net_config *config, struct diag *diag)
{
    char text[4096], *save = NULL;
    const char *setting = model_setting(m, "listen");
    snprintf(text, sizeof text, "%s", setting ? setting : "");
    for (char *p = strtok_r(text, ", ", &save); p; p = strtok_r(NULL, ", ", &save)) {
        if (config->listen_n == NET_LISTEN_MAX)
            return diag_error(diag, ERR_LIMIT, "listen", "more than %d addresses", NET_LISTEN_MAX);
        if (!hostport_parse(p, 53, &config->listen[config->listen_n++]))
            return diag_error(diag, ERR_INVALID, "listen",
                              "\"%s\" is not ADDR:PORT, like 192.0.2.53:53 or [2001:db8::53]:53",
                              p);
    }
    if (config->listen_n == 0)
        return diag_error(diag, ERR_INVALID, "listen", "no address to listen on");
    return ERR_OK;
}

enum err serve_create(struct daemon *d, const struct model *effective, struct diag *diag)
{
    struct net_config *config = calloc(1, sizeof *config);
    if (!config)
        return diag_error(diag, ERR_NOMEM, "", "out of memory");
    int64_t idle_ms = 0;
    const char *idle = model_setting(effective, "tcp-idle");
    if (idle && duration_parse(idle, &idle_ms))
        config->tcp_idle_ms = (unsigned)idle_ms;
    config->tcp_clients_max = setting_number(effective, "tcp-clients");
    config->tcp_clients_per_ip_max = setting_number(effective, "tcp-clients-per-ip");
    config->workers = d->workers;
    config->batch = serve_batch;
    uint8_t cookie_key[COOKIE_SECRET_BYTES];
    enum err e = read_listen(effective, config, diag);
    if (!e)
        e = fill_random(cookie_key, sizeof cookie_key, diag);
    for (unsigned i = 0; !e && i < d->workers; i++) {
        struct worker_ctx *w = calloc(1, sizeof *w);
        d->answer[i] = aligned_alloc(128, sizeof(struct answer_worker));
        if (d->answer[i])
            memset(d->answer[i], 0, sizeof *d->answer[i]);
        if (!w || !d->answer[i])
            e = diag_error(diag, ERR_NOMEM, "", "out of memory for %u workers", d->workers);
        else {
            e = worker_arm(d->answer[i], i, cookie_key, config->tcp_idle_ms, diag);
            *w = (struct worker_ctx){.hub = d->hub, .answer = d->answer[i], .index = i};
        }
        config->batch_ctx[i] = w;
    }
    if (!e)
        e = net_server_create(config, &d->net, diag);
    if (e)
        for (unsigned i = 0; i < d->workers; i++)
            free(config->batch_ctx[i]);
    else
        memcpy(d->worker_ctx, config->batch_ctx, sizeof d->worker_ctx);
    free(config);
    return e;
}

void serve_destroy(struct daemon *d)
{
    net_server_destroy(&d->net);
    for (unsigned i = 0; i < d->workers; i++) {
        if (d->answer[i])
            free(d->answer[i]->limits.slot);
        free(d->answer[i]);
        free(d->worker_ctx[i]);
        d->answer[i] = NULL;
        d->worker_ctx[i] = NULL;
    }
}

uint64_t serve_outcomes(const struct daemon *d, enum answer_outcome o)
{
    uint64_t n = 0;
    for (unsigned w = 0; w < d->workers; w++)
        n += atomic_load_explicit(&d->answer[w]->outcome[o], memory_order_relaxed);
    return n;
}

uint64_t serve_counts(const struct daemon *d, enum answer_counter c)
{
    uint64_t n = 0;
    for (unsigned w = 0; w < d->workers; w++)
        n += atomic_load_explicit(&d->answer[w]->counter[c], memory_order_relaxed);
    return n;
}
