/* resolve: host-name endpoints, looked up in libuv's thread pool and remembered.
 * Fresh     for one interval of the probe that asks. After that the known address goes on being
 * used while a new lookup is under way, so that a slow resolver delays no probe but the first.
 * Failure   a name that does not exist fails its probes at once; trouble of the resolver itself
 * does so only when the last good answer is older than RESOLVE_STALE_MS_MAX. */
#include "probe_priv.h"

#include "base/clock.h"
#include "base/hash.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#define RESOLVE_STALE_MS_MAX (5 * 60 * 1000)
#define RESOLVE_UNUSED_MS_MAX (60 * 60 * 1000) /* then the name is forgotten */

struct resolver_name {
    uv_getaddrinfo_t request;
    struct probe_runner *runner;
    struct resolver_name *next;
    struct probe_run *waiting;
    struct ip ip;                       /* family 0: none */
    int64_t asked_ms, good_ms, used_ms; /* last answer of any kind, last address, last use */
    int error;                          /* of the last answer */
    bool known, asking;
    bool orphan; /* forgotten while asking: goes with its answer */
    char name[];
};

static void take_answer(struct resolver_name *n, int status, const struct addrinfo *list)
{
    n->asked_ms = clock_mono_ms();
    n->known = true;
    n->error = status;
    for (const struct addrinfo *a = list; status == 0 && a; a = a->ai_next)
        if (a->ai_family == AF_INET || a->ai_family == AF_INET6) {
            ip_from_sockaddr(a->ai_addr, &n->ip);
            n->good_ms = n->asked_ms;
            return;
        }
    bool stale = n->asked_ms - n->good_ms > RESOLVE_STALE_MS_MAX;
    if (status == 0 || status == UV_EAI_NONAME || status == UV_EAI_NODATA || stale)
        n->ip.family = 0;
}

static void end_unresolved(struct probe_run *run, const struct resolver_name *n)
{
    probe__run_end(run, false, "host name %s does not resolve: %s", n->name,
                   n->error ? uv_strerror(n->error) : "no address");
}

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct resolver_name *n = request->data;
    struct probe_runner *r = n->runner;
    if (!n->orphan)
        take_answer(n, status, list);
    uv_freeaddrinfo(list);
    /* Who waits may close the runner: its runs are cancelled then, and n is left to us, since
     * asking is still true. */
    while (n->waiting) {
        struct probe_run *run = n->waiting;
        probe__resolve_cancel(run);
        if (n->ip.family)
            probe__run_resolved(run, &n->ip);
        else
            end_unresolved(run, n);
    }
    n->asking = false;
    if (n->orphan)
        free(n);
    probe__runner_release(r);
}

static void ask(struct resolver_name *n)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    n->request.data = n;
    int e = uv_getaddrinfo(n->runner->loop, &n->request, on_answer, n->name, NULL, &hints);
    n->asking = e == 0;
    if (n->asking)
        probe__runner_hold(n->runner);
    else
        take_answer(n, e, NULL);
}

static struct resolver_name *find(struct probe_runner *r, const char *name)
{
    size_t len = strlen(name);
    struct resolver_name **bucket =
        &r->resolver.bucket[hash_bytes(name, len, 0) % RESOLVER_BUCKETS];
    for (struct resolver_name *n = *bucket; n; n = n->next)
        if (strcmp(n->name, name) == 0)
            return n;
    struct resolver_name *n = calloc(1, sizeof *n + len + 1);
    if (!n)
        return NULL;
    memcpy(n->name, name, len + 1);
    n->runner = r;
    n->next = *bucket;
    *bucket = n;
    return n;
}

static void wait_for(struct probe_run *run, struct resolver_name *n)
{
    run->wait_next = n->waiting;
    run->wait_link = &n->waiting;
    if (run->wait_next)
        run->wait_next->wait_link = &run->wait_next;
    n->waiting = run;
}

void probe__resolve(struct probe_run *run)
{
    struct resolver_name *n = find(run->runner, run->target->address);
    if (!n) {
        probe__run_end_own(run, "the prober lacks memory");
        return;
    }
    n->used_ms = clock_mono_ms();
    bool fresh = n->known && n->used_ms - n->asked_ms < run->target->probe->interval_ms;
    if (!fresh && !n->asking)
        ask(n);
    if (n->ip.family)
        probe__run_resolved(run, &n->ip);
    else if (n->asking)
        wait_for(run, n);
    else
        end_unresolved(run, n);
}

void probe__resolve_cancel(struct probe_run *run)
{
    *run->wait_link = run->wait_next;
    if (run->wait_next)
        run->wait_next->wait_link = run->wait_link;
    run->wait_link = NULL;
    run->wait_next = NULL;
}

static void forget(struct probe_runner *r, int64_t used_before_ms, bool all)
{
    for (size_t i = 0; i < RESOLVER_BUCKETS; i++)
        for (struct resolver_name **link = &r->resolver.bucket[i], *n; (n = *link);) {
            if (!all && (n->asking || n->waiting || n->used_ms >= used_before_ms)) {
                link = &n->next;
                continue;
            }
            *link = n->next;
            n->orphan = true;
            if (n->asking)
                uv_cancel((uv_req_t *)&n->request); /* else its callback frees it */
            else
                free(n);
        }
}

void probe__resolver_prune(struct probe_runner *r, int64_t now_ms)
{
    forget(r, now_ms - RESOLVE_UNUSED_MS_MAX, false);
}

void probe__resolver_close(struct probe_runner *r)
{
    forget(r, 0, true);
}
