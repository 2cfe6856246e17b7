/* stalls PERIOD_US LATE_US CPU...: when the machine stood still. On each processor a thread of the highest
 * priority there is (SCHED_FIFO; an ordinary one where that is refused) sleeps until PERIOD_US after it
 * last should have woken, and notes when it woke more than LATE_US after that. Whoever is that late was
 * kept waiting by no program: the processor was taken away by the hypervisor, or was in the kernel and
 * could not be had.
 * On the end of its standard input it prints one JSON line: fifo (whether it had the priority), from and
 * to, and for each processor cpu, wakes, used_ns (its own processor time), stolen_ns (what /proc/stat
 * says the hypervisor took, in steps of 10 ms), stalls: pairs of when it was due and when it woke. All
 * times are CLOCK_MONOTONIC in nanoseconds. */
#include "query.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define CPUS_MAX 64
#define STALLS_MAX                                                                                 \
    262144u /* of one processor: a minute of nothing else, the rest is only counted */
#define STACK_BYTES 65536
#define TICK_NS 10000000

struct stall {
    int64_t due_ns, woke_ns;
};

struct watch {
    pthread_t thread;
    int cpu;
    bool fifo;
    uint64_t wakes, used_ns;
    int64_t stolen_ns;
    unsigned n, untold;
    struct stall *stall;
};

static int64_t period_ns, late_ns;
static atomic_bool ends;

static bool take_place(int cpu)
{
    struct sched_param first = {.sched_priority = sched_get_priority_max(SCHED_FIFO)};
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (pthread_setaffinity_np(pthread_self(), sizeof one, &one) != 0) {
        fprintf(stderr, "stalls: no processor %d\n", cpu);
        exit(1);
    }
    return pthread_setschedparam(pthread_self(), SCHED_FIFO, &first) == 0;
}

static void *watch(void *arg)
{
    struct watch *w = arg;
    struct timespec used;
    w->fifo = take_place(w->cpu);
    int64_t due = query_now_ns();
    while (!atomic_load_explicit(&ends, memory_order_relaxed)) {
        due += period_ns;
        const struct timespec t = {due / 1000000000, due % 1000000000};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
            ;
        int64_t woke = query_now_ns();
        w->wakes++;
        if (woke - due <= late_ns)
            continue;
        if (w->n < STALLS_MAX)
            w->stall[w->n++] = (struct stall){due, woke};
        else
            w->untold++;
        due += (woke - due) / period_ns * period_ns;
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    w->used_ns = (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
    return NULL;
}

/* What /proc/stat says was taken from a processor since the start: the eighth figure of its line. */
static int64_t stolen_ns(int cpu)
{
    char line[512], name[16];
    long long ticks = 0;
    FILE *f = fopen("/proc/stat", "r");
    size_t len = (size_t)snprintf(name, sizeof name, "cpu%d ", cpu);
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, len) == 0)
            sscanf(line + len, "%*d %*d %*d %*d %*d %*d %*d %lld", &ticks);
    if (f)
        fclose(f);
    return ticks * TICK_NS;
}

static bool start(struct watch *w)
{
    pthread_attr_t small;
    w->stall = malloc(STALLS_MAX * sizeof *w->stall);
    if (!w->stall)
        return false;
    memset(w->stall, 0, STALLS_MAX * sizeof *w->stall);
    w->stolen_ns = -stolen_ns(w->cpu);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK_BYTES);
    return pthread_create(&w->thread, &small, watch, w) == 0;
}

static void print(const struct watch *w)
{
    printf("{\"cpu\": %d, \"wakes\": %llu, \"used_ns\": %llu, \"stolen_ns\": %lld, \"untold\": %u, "
           "\"stalls\": [",
           w->cpu, (unsigned long long)w->wakes, (unsigned long long)w->used_ns,
           (long long)w->stolen_ns, w->untold);
    for (unsigned i = 0; i < w->n; i++)
        printf("%s[%lld, %lld]", i ? ", " : "", (long long)w->stall[i].due_ns,
               (long long)w->stall[i].woke_ns);
    printf("]}");
}

int main(int argc, char **argv)
{
    static struct watch of[CPUS_MAX];
    int n = argc - 3;
    period_ns = argc > 3 ? atoll(argv[1]) * 1000 : 0;
    late_ns = argc > 3 ? atoll(argv[2]) * 1000 : 0;
    if (n < 1 || n > CPUS_MAX || period_ns <= 0 || late_ns <= 0) {
        fputs("usage: stalls PERIOD_US LATE_US CPU...\n", stderr);
        return 2;
    }
    int64_t from = query_now_ns();
    for (int i = 0; i < n; i++) {
        of[i].cpu = atoi(argv[3 + i]);
        if (!start(&of[i])) {
            perror("stalls");
            return 1;
        }
    }
    (void)mlockall(MCL_CURRENT); /* a page fault is no stall */
    char rest[64];
    while (read(STDIN_FILENO, rest, sizeof rest) > 0)
        ;
    ends = true;
    bool fifo = true;
    for (int i = 0; i < n; i++) {
        pthread_join(of[i].thread, NULL);
        of[i].stolen_ns += stolen_ns(of[i].cpu);
        fifo = fifo && of[i].fifo;
    }
    printf("{\"fifo\": %s, \"from\": %lld, \"to\": %lld, \"cpus\": [", fifo ? "true" : "false",
           (long long)from, (long long)query_now_ns());
    for (int i = 0; i < n; i++) {
        printf("%s", i ? ", " : "");
        print(&of[i]);
    }
    puts("]}");
    return 0;
}
