#include "snapshot/publish.h"

#include "base/check.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

struct slot {
    alignas(128) _Atomic(struct snapshot *) announced;
};

struct retired {
    struct retired *next;
    struct snapshot *s;
};

struct snapshot_hub {
    alignas(128) _Atomic(struct snapshot *) current;
    alignas(128) struct retired *retired;
    unsigned workers;
    struct slot slot[];
};

struct snapshot_hub *snapshot_hub_create(unsigned workers)
{
    size_t size = sizeof(struct snapshot_hub) + workers * sizeof(struct slot);
    struct snapshot_hub *h = aligned_alloc(128, (size + 127) & ~(size_t)127);
    if (!h)
        return NULL;
    atomic_init(&h->current, NULL);
    h->retired = NULL;
    h->workers = workers;
    for (unsigned i = 0; i < workers; i++)
        atomic_init(&h->slot[i].announced, NULL);
    return h;
}

void snapshot_hub_destroy(struct snapshot_hub **hp)
{
    struct snapshot_hub *h = *hp;
    if (!h)
        return;
    struct snapshot *last = atomic_load(&h->current);
    snapshot_unref(&last);
    CHECK(snapshot_hub_reap(h, NULL, NULL) == 0);
    free(h);
    *hp = NULL;
}

void snapshot_hub_publish(struct snapshot_hub *h, struct snapshot **s)
{
    struct snapshot *old = atomic_exchange(&h->current, *s);
    *s = NULL;
    if (!old)
        return;
    struct retired *r = malloc(sizeof *r);
    CHECK(r); /* 16 bytes: there is nothing sensible left to do without them */
    *r = (struct retired){.next = h->retired, .s = old};
    h->retired = r;
}

struct snapshot *snapshot_hub_current(const struct snapshot_hub *h)
{
    return atomic_load_explicit(&h->current, memory_order_relaxed);
}

const struct snapshot *snapshot_hub_enter(struct snapshot_hub *h, unsigned worker)
{
    struct slot *slot = &h->slot[worker];
    struct snapshot *s = atomic_load_explicit(&h->current, memory_order_acquire);
    for (;;) {
        atomic_store(&slot->announced, s); /* seq_cst: announced before we look again */
        struct snapshot *again = atomic_load(&h->current);
        if (again == s)
            return s;
        s = again;
    }
}

void snapshot_hub_leave(struct snapshot_hub *h, unsigned worker)
{
    atomic_store_explicit(&h->slot[worker].announced, NULL, memory_order_release);
}

static bool in_use(const struct snapshot_hub *h, const struct snapshot *s)
{
    for (unsigned i = 0; i < h->workers; i++)
        if (atomic_load(&h->slot[i].announced) == s)
            return true;
    return false;
}

unsigned snapshot_hub_reap(struct snapshot_hub *h, void (*gone)(void *ctx, struct snapshot *s),
                           void *ctx)
{
    unsigned left = 0;
    for (struct retired **at = &h->retired; *at;) {
        struct retired *r = *at;
        if (in_use(h, r->s)) {
            left++;
            at = &r->next;
            continue;
        }
        if (gone)
            gone(ctx, r->s);
        *at = r->next;
        snapshot_unref(&r->s);
        free(r);
    }
    return left;
}
