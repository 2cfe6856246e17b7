#include "base/turn.h"

#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ANSWERS_NS 100000  /* the least that Linux takes */
#define CONTROLS_NS 500000 /* a sixth or so of what others have */
#define KEEPER_NICE 10     /* a tenth of the processor beside one that answers without pause */

/* sched_setattr(2), which the C library does not wrap. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

/* Who runs the program with another policy or nice value has said how it is to be. */
static void slice(uint64_t ns)
{
    struct attributes a = {.size = sizeof a,
                           .policy = SCHED_OTHER,
                           .nice = getpriority(PRIO_PROCESS, 0),
                           .runtime_ns = ns};
    if (sched_getscheduler(0) == SCHED_OTHER)
        (void)syscall(SYS_sched_setattr, 0, &a, 0);
}

void turn_answers(void)
{
    slice(ANSWERS_NS);
}

void turn_controls(void)
{
    slice(CONTROLS_NS);
}

void turn_keeps(void)
{
    int now = nice(KEEPER_NICE); /* of this thread alone, on Linux */
    (void)now;
}
