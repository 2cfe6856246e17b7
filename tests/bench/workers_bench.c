/* workers_bench SERVICES POLICY [MMDB|- [ROUNDS]]: answers in process by one worker, two, and so on up to one
 * for each processor: all of one snapshot, as the daemon's are. Beside each count as many processes that share
 * nothing: what workers take longer than those is what they write to lines that another one uses; what both
 * take longer than one alone is the machine's (a cache, a core with two threads). Rounds in turn; medians. */
#include "base/check.h"
#include "config/config.h"
#include "world.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 16
#define QUERIES 65536u /* of a worker, again and again */
#define PASSES 20
#define ROUNDS_USUAL 9

struct result {
    double ns;           /* processor time of an answer */
    double began, ended; /* of the monotonic clock */
};

struct job {
    unsigned index;
    int cpu;
    const struct snapshot *s;
    const struct bench_packet *packet;
    pthread_barrier_t *barrier; /* shared by processes, too */
    struct result *result;
};

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *work(void *arg)
{
    const struct job *job = arg;
    cpu_set_t cpu;
    CPU_ZERO(&cpu);
    CPU_SET(job->cpu, &cpu);
    if (pthread_setaffinity_np(pthread_self(), sizeof cpu, &cpu))
        perror("workers_bench: affinity");
    struct answer_worker *w = aligned_alloc(_Alignof(struct answer_worker), sizeof *w);
    uint8_t(*out)[BENCH_OUT] = malloc(ANSWER_BATCH_MAX * sizeof *out);
    CHECK(w && out);
    answer_worker_init(w, job->index, 1 + job->index);
    for (unsigned i = 0; i < QUERIES; i += ANSWER_BATCH_MAX) /* warm */
        (void)bench_answer(w, job->s, &job->packet[i], out);
    pthread_barrier_wait(job->barrier);
    job->result->began = seconds(CLOCK_MONOTONIC);
    double before = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned pass = 0; pass < PASSES; pass++)
        for (unsigned i = 0; i < QUERIES; i += ANSWER_BATCH_MAX)
            (void)bench_answer(w, job->s, &job->packet[i], out);
    double used = seconds(CLOCK_THREAD_CPUTIME_ID) - before;
    job->result->ended = seconds(CLOCK_MONOTONIC);
    job->result->ns = used * 1e9 / ((double)QUERIES * PASSES);
    pthread_barrier_wait(job->barrier);
    free(out);
    free(w);
    return NULL;
}

static void as_threads(struct job *job, unsigned n)
{
    pthread_t thread[WORKERS_MAX];
    for (unsigned i = 0; i < n; i++)
        CHECK(pthread_create(&thread[i], NULL, work, &job[i]) == 0);
    for (unsigned i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
}

static void as_processes(struct job *job, unsigned n)
{
    pid_t child[WORKERS_MAX];
    fflush(stdout);
    for (unsigned i = 0; i < n; i++) {
        child[i] = fork();
        CHECK(child[i] >= 0);
        if (child[i] == 0) {
            work(&job[i]);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < n; i++)
        waitpid(child[i], NULL, 0);
}

struct rounds {
    double ns[64], per_s[64];
};

/* Of n at once, by threads or processes: the mean of their ns, and answers a second of all. */
static void measure(struct job *job, unsigned n, void (*run)(struct job *, unsigned),
                    struct rounds *out, unsigned round)
{
    pthread_barrierattr_t shared;
    pthread_barrierattr_init(&shared);
    pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(job->barrier, &shared, n);
    run(job, n);
    pthread_barrier_destroy(job->barrier);
    pthread_barrierattr_destroy(&shared);
    double ns = 0, began = job[0].result->began, ended = job[0].result->ended;
    for (unsigned i = 0; i < n; i++) {
        const struct result *r = job[i].result;
        ns += r->ns / n;
        began = r->began < began ? r->began : began;
        ended = r->ended > ended ? r->ended : ended;
    }
    out->ns[round] = ns;
    out->per_s[round] = (double)n * QUERIES * PASSES / (ended - began);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, unsigned n)
{
    qsort(values, n, sizeof *values, by_size);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static struct snapshot *compile(unsigned services, const char *policy, const char *mmdb,
                                unsigned workers)
{
    struct diag diag = {0};
    char text[512], *config = bench_config(services, policy, mmdb);
    struct model *m = model_create();
    struct snapshot_cache *cache = snapshot_cache_create();
    struct snapshot_options options = {.workers = workers};
    struct snapshot *s = NULL;
    int64_t revision;
    if (config_import(m, config, strlen(config), &revision, &diag) || model_validate(m, &diag) ||
        snapshot_compile(m, cache, &options, &s, &diag))
        fprintf(stderr, "workers_bench: %s\n", diag_first(&diag, text, sizeof text));
    snapshot_cache_destroy(&cache);
    model_unref(&m);
    free(config);
    diag_fini(&diag);
    return s;
}

static unsigned processors(int *cpu)
{
    cpu_set_t set;
    unsigned n = 0;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    for (int i = 0; i < CPU_SETSIZE && n < WORKERS_MAX; i++)
        if (CPU_ISSET(i, &set))
            cpu[n++] = i;
    return n;
}

int main(int argc, char **argv)
{
    unsigned services = argc > 2 ? (unsigned)atoi(argv[1]) : 0;
    unsigned rounds = argc > 4 ? (unsigned)atoi(argv[4]) : ROUNDS_USUAL;
    if (services == 0 || rounds == 0 || rounds > 64) {
        fputs("usage: workers_bench SERVICES POLICY [MMDB|- [ROUNDS]]\n", stderr);
        return 2;
    }
    int cpu[WORKERS_MAX];
    unsigned n = processors(cpu);
    struct snapshot *s =
        compile(services, argv[2], argc > 3 && strcmp(argv[3], "-") != 0 ? argv[3] : NULL, n);
    if (!s)
        return 1;
    struct { /* where processes can see it */
        pthread_barrier_t barrier;
        struct result result[WORKERS_MAX] __attribute__((aligned(128)));
    } *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    struct job job[WORKERS_MAX];
    for (unsigned i = 0; i < n; i++) {
        struct bench_packet *packet = calloc(QUERIES, sizeof *packet);
        struct rng rng;
        CHECK(packet);
        rng_seed(&rng, 42 + i);
        for (unsigned k = 0; k < QUERIES; k++)
            bench_packet(&rng, services, &packet[k]);
        job[i] = (struct job){i, cpu[i], s, packet, &shared->barrier, &shared->result[i]};
    }
    static struct rounds together[WORKERS_MAX], apart[WORKERS_MAX];
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned k = 1; k <= n; k++) {
            measure(job, k, as_threads, &together[k - 1], round);
            measure(job, k, as_processes, &apart[k - 1], round);
        }
    for (unsigned k = 0; k < n; k++)
        printf("workers %u: %.0f answers a second, %.1f ns an answer; in processes %.0f, %.1f ns\n",
               k + 1, median(together[k].per_s, rounds), median(together[k].ns, rounds),
               median(apart[k].per_s, rounds), median(apart[k].ns, rounds));
    for (unsigned i = 0; i < n; i++)
        free((void *)(uintptr_t)job[i].packet);
    munmap(shared, sizeof *shared);
    snapshot_unref(&s);
    return 0;
}
