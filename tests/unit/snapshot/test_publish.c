/* One pointer is one world: nobody reads what was freed, nothing is kept for ever. */
#include "lab.h"

#include "snapshot/publish.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SMALL                                                                                      \
    "{" LAB_ZONE "'regions':[{'name':'eu'}],'services':[{'name':'w.g.test','endpoints':"           \
    "[{'region':'eu','address':'192.0.2.1'}]}]}"

static struct snapshot *take(struct lab *l) /* a snapshot of its own */
{
    lab_reopen(l, SMALL);
    struct snapshot *s = l->s;
    l->s = NULL;
    return s;
}

static void count_gone(void *ctx, struct snapshot *s)
{
    assert_non_null(s);
    ++*(unsigned *)ctx;
}

static void a_snapshot_lives_while_a_worker_sees_it(void **state)
{
    (void)state;
    struct lab l;
    unsigned gone = 0;
    lab_open(&l, SMALL);
    snapshot_unref(&l.s);
    struct snapshot_hub *h = snapshot_hub_create(2);
    assert_null(snapshot_hub_enter(h, 0)); /* none yet */
    snapshot_hub_leave(h, 0);
    struct snapshot *a = take(&l), *b = take(&l), *first = a, *second = b;
    snapshot_hub_publish(h, &a);
    assert_null(a);
    assert_ptr_equal(snapshot_hub_enter(h, 0), first);
    snapshot_hub_publish(h, &b);
    assert_ptr_equal(snapshot_hub_current(h), second);
    assert_ptr_equal(snapshot_hub_enter(h, 1), second);
    assert_int_equal(snapshot_hub_reap(h, count_gone, &gone), 1); /* worker 0 still reads */
    assert_int_equal(gone, 0);
    snapshot_hub_leave(h, 0);
    assert_int_equal(snapshot_hub_reap(h, count_gone, &gone), 0);
    assert_int_equal(gone, 1);
    snapshot_hub_leave(h, 1);
    snapshot_hub_destroy(&h);
    lab_close(&l);
}

struct reader {
    struct snapshot_hub *h;
    unsigned index;
    _Atomic bool *stop;
    uint64_t looks;
};

static void *read_on(void *arg)
{
    struct reader *r = arg;
    int64_t last = 0;
    while (!atomic_load(r->stop)) {
        const struct snapshot *s = snapshot_hub_enter(r->h, r->index);
        if (s->revision < last || s->endpoints_n != 1 || s->steer.service[0].site_n != 1)
            abort(); /* an older world, or one that was freed */
        last = s->revision;
        atomic_fetch_add_explicit(&s->tally[r->index].endpoint[0], 1, memory_order_relaxed);
        r->looks++;
        snapshot_hub_leave(r->h, r->index);
    }
    return NULL;
}

static void workers_read_while_worlds_come_and_go(void **state)
{
    (void)state;
    struct lab l;
    unsigned gone = 0;
    lab_open(&l, SMALL);
    snapshot_unref(&l.s);
    struct snapshot_hub *h = snapshot_hub_create(1);
    struct snapshot *s = take(&l);
    s->revision = 1;
    snapshot_hub_publish(h, &s);
    _Atomic bool stop = false;
    struct reader r = {.h = h, .index = 0, .stop = &stop};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
    for (int i = 2; i < 150; i++) {
        s = take(&l);
        s->revision = i;
        snapshot_hub_publish(h, &s);
        assert_true(snapshot_hub_reap(h, count_gone, &gone) <= 1);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(snapshot_hub_reap(h, count_gone, &gone), 0);
    assert_int_equal(gone, 148);
    assert_true(r.looks > 0);
    snapshot_hub_destroy(&h);
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_lives_while_a_worker_sees_it),
        cmocka_unit_test(workers_read_while_worlds_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
