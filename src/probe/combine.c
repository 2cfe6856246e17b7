/* combine: probes of type all, any and quorum. Those that it is of run at the same time against the
 * same target, each a run of its own, and it ends as soon as they have decided it:
 *
 *   need successes     all: each of them; any: one; quorum: N
 *   ok                 that many have succeeded
 *   failed             that many cannot any more
 *
 * Its own timeout ends it as that of any probe; those still under way are cancelled. A failure that
 * counts for nothing in one of them (the prober's own trouble) makes this one count for nothing. */
#include "probe_priv.h"

#include <stdio.h>

struct combine {
    struct probe_run *child[MODEL_PROBE_OF_MAX]; /* under way */
    uint32_t n, need, ok, failed;
    bool late;
    char why[PROBE_TEXT_MAX]; /* the first failure: "db: connection refused" */
};

/* Ends the run when it is decided. */
static void decide(struct probe_run *run)
{
    struct combine *c = run->state;
    if (c->ok >= c->need) {
        probe__run_end(run, true, "%u of %u ok", c->ok, c->n);
        return;
    }
    if (c->n - c->failed >= c->need)
        return;
    run->result.late = run->result.late || c->late;
    probe__run_end(run, false, "%u of %u failed, %u needed: %s", c->failed, c->n, c->need, c->why);
}

static void on_child(void *ctx, const struct probe_result *r)
{
    struct probe_run *run = ctx;
    struct combine *c = run->state;
    for (uint32_t i = 0; i < c->n; i++) {
        if (!c->child[i] || &c->child[i]->result != r)
            continue;
        const struct probe_target *t = c->child[i]->target;
        c->child[i] = NULL;
        c->ok += r->ok;
        c->failed += !r->ok;
        c->late = c->late || (!r->ok && r->late);
        if (!r->ok && !c->why[0])
            snprintf(c->why, sizeof c->why, "%.40s: %.100s", t->probe->name, r->text);
    }
    decide(run);
}

static void start(struct probe_run *run)
{
    struct combine *c = run->state;
    const struct set_target *of = &run->set->target[run->target_at];
    c->n = of->of_n;
    c->need = run->target->probe->type == PROBE_ALL   ? c->n
              : run->target->probe->type == PROBE_ANY ? 1
                                                      : (uint32_t)run->target->probe->quorum;
    if (c->need < 1)
        c->need = 1;
    if (c->n == 0) {
        probe__run_end_own(run, "it is of no probe");
        return;
    }
    for (uint32_t i = 0; i < c->n; i++) {
        if (probe__run_create(run->runner, run->set, of->of_first + i, &c->child[i])) {
            probe__run_end_own(run, "the prober lacks resources: out of memory");
            return;
        }
        c->child[i]->once = on_child;
        c->child[i]->once_ctx = run;
    }
    for (uint32_t i = 0; i < c->n && !run->ended; i++)
        if (c->child[i])
            probe__run_begin(c->child[i]);
}

/* Nothing is heard any more of those that are under way, or wait to say that they were cancelled. */
static void stop(struct probe_run *run)
{
    struct combine *c = run->state;
    for (uint32_t i = 0; i < c->n; i++) {
        struct probe_run *child = c->child[i];
        c->child[i] = NULL;
        if (!child)
            continue;
        child->once = NULL;
        child->tell_cancelled = false;
        if (!child->ended)
            probe__run_cancel(child);
    }
}

const struct probe_driver probe__combine_driver = {
    .state_bytes = sizeof(struct combine), .needs_address = false, .start = start, .stop = stop};
