/* turn: what each kind of thread asks of the system, and that nobody else's is changed by it. */
#include "base/beside.h"
#include "base/turn.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    void (*take)(void);
    int policy, nice;
    uint64_t slice_ns; /* 0: this Linux does not say */
};

static uint64_t slice_ns(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } a = {.size = sizeof a};
    return syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) == 0 ? a.runtime_ns : 0;
}

static void take_turn(void *ctx)
{
    struct seen *s = ctx;
    if (s->take)
        s->take();
    s->policy = sched_getscheduler(0);
    s->slice_ns = slice_ns();
    errno = 0;
    s->nice = getpriority(PRIO_PROCESS, 0);
    assert_int_equal(errno, 0);
}

static struct seen in_a_thread(void (*take)(void))
{
    struct seen s = {.take = take};
    struct beside b;
    beside_begin(&b, "turn", take_turn, &s);
    beside_end(&b);
    return s;
}

static void each_thread_has_its_turn_and_the_caller_its_own(void **state)
{
    (void)state;
    struct seen before = in_a_thread(NULL), answers = in_a_thread(turn_answers),
                controls = in_a_thread(turn_controls), keeps = in_a_thread(turn_keeps),
                after = in_a_thread(NULL);
    assert_int_equal(answers.policy, SCHED_OTHER);
    assert_int_equal(answers.nice, before.nice);
    assert_int_equal(controls.policy, SCHED_OTHER);
    assert_int_equal(controls.nice, before.nice);
    if (before.slice_ns) {
        assert_true(answers.slice_ns < controls.slice_ns);
        assert_true(controls.slice_ns < before.slice_ns);
    }
    assert_int_equal(after.slice_ns, before.slice_ns);
    assert_int_equal(keeps.policy, before.policy);
    assert_true(keeps.nice == before.nice + 10 || keeps.nice == 19);
    assert_int_equal(after.policy, before.policy);
    assert_int_equal(after.nice, before.nice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_thread_has_its_turn_and_the_caller_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
