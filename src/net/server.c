#include "net_priv.h"

#include "base/check.h"

#include <stdlib.h>

struct net_server {
    struct net_address addresses[NET_ADDRESS_MAX];
    size_t addresses_n;
    struct net_worker *workers[NET_WORKERS_MAX];
    unsigned workers_n, running_n;
    bool started;
};

#define X(name) +1
_Static_assert(sizeof(struct net_counters) == (0 NET_COUNTERS(X)) * sizeof(uint64_t),
               "NET_COUNTERS names every counter");
#undef X

static enum err check_config(const struct net_config *config, struct diag *diag)
{
    if (config->workers == 0 || config->workers > NET_WORKERS_MAX)
        return diag_error(diag, ERR_INVALID, "", "workers is %u: from 1 to %d are possible",
                          config->workers, NET_WORKERS_MAX);
    if (config->listen_n == 0)
        return diag_error(diag, ERR_INVALID, "", "listen names no address: give at least one");
    if (config->listen_n > NET_LISTEN_MAX)
        return diag_error(diag, ERR_LIMIT, "",
                          "listen names %zu addresses: at most %d are possible", config->listen_n,
                          NET_LISTEN_MAX);
    CHECK(config->batch);
    return ERR_OK;
}

static struct net_config with_defaults(const struct net_config *config)
{
    struct net_config c = *config;
    c.tcp_clients_max = c.tcp_clients_max ? c.tcp_clients_max : 1000;
    c.tcp_clients_per_ip_max = c.tcp_clients_per_ip_max ? c.tcp_clients_per_ip_max : 100;
    c.tcp_idle_ms = c.tcp_idle_ms ? c.tcp_idle_ms : NET_TCP_IDLE_MS;
    c.udp_rcvbuf_bytes = c.udp_rcvbuf_bytes ? c.udp_rcvbuf_bytes : 4u << 20;
    return c;
}

enum err net_server_create(const struct net_config *config, struct net_server **out,
                           struct diag *diag)
{
    enum err e = check_config(config, diag);
    if (e != ERR_OK)
        return e;
    struct net_server *s = calloc(1, sizeof *s);
    if (!s)
        return diag_error(diag, ERR_NOMEM, "", "out of memory");
    struct net_config c = with_defaults(config);
    e = net__addresses_resolve(&c, s->addresses, &s->addresses_n, diag);
    for (unsigned i = 0; e == ERR_OK && i < c.workers; i++) {
        e = net__worker_create(i, &c, s->addresses, s->addresses_n, &s->workers[i], diag);
        if (e == ERR_OK)
            s->workers_n++;
        else if (e == ERR_NOMEM)
            diag_error(diag, e, "", "out of memory for worker %u of %u", i + 1, c.workers);
    }
    if (e == ERR_OK)
        *out = s;
    else
        net_server_destroy(&s);
    return e;
}

enum err net_server_start(struct net_server *s)
{
    CHECK(!s->started);
    s->started = true;
    for (unsigned i = 0; i < s->workers_n; i++) {
        enum err e = net__worker_start(s->workers[i]);
        if (e != ERR_OK) {
            net_server_stop(s, 0);
            return e;
        }
        s->running_n++;
    }
    return ERR_OK;
}

void net_server_stop(struct net_server *s, unsigned drain_ms)
{
    for (unsigned i = 0; i < s->running_n; i++)
        net__worker_stop(s->workers[i], drain_ms);
    for (unsigned i = 0; i < s->running_n; i++)
        net__worker_join(s->workers[i]);
    s->running_n = 0;
}

void net_server_destroy(struct net_server **s)
{
    if (!*s)
        return;
    net_server_stop(*s, 0);
    for (unsigned i = 0; i < (*s)->workers_n; i++)
        net__worker_destroy((*s)->workers[i]);
    free(*s);
    *s = NULL;
}

void net_server_counters(const struct net_server *s, struct net_counters *out)
{
    *out = (struct net_counters){0};
    for (unsigned i = 0; i < s->workers_n; i++) {
        const struct net_live_counters *live = &s->workers[i]->counters;
#define X(name) out->name += atomic_load_explicit(&live->name, memory_order_relaxed);
        NET_COUNTERS(X)
#undef X
    }
}

size_t net_server_addresses(const struct net_server *s, struct hostport *out, size_t cap)
{
    size_t n = s->addresses_n < cap ? s->addresses_n : cap;
    for (size_t i = 0; i < n; i++)
        out[i] = s->addresses[i].at;
    return n;
}
