/* start_bench DATABASE: what a start costs, step by step, as the daemon does it: processor time and
 * resident memory of each. A figure, not a test. */
#include "answer/answer.h"
#include "base/clock.h"
#include "signal/wiring.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double used_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double resident_mib(void)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    long kib = 0;
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "Rss:", 4) == 0)
            kib = atol(line + 4);
    if (f)
        fclose(f);
    return (double)kib / 1024;
}

static double last_s, last_mib, first_s;

static void step(const char *what)
{
    double s = used_s(), mib = resident_mib();
    printf("%-28s %7.0f ms %8.1f MiB\n", what, (s - last_s) * 1e3, mib - last_mib);
    last_mib = mib;
    last_s = used_s(); /* reading the pages' table is not the step's */
    first_s += last_s - s;
}

static int fail(struct diag *diag)
{
    char text[512];
    fprintf(stderr, "%s\n", diag_first(diag, text, sizeof text));
    return 1;
}

int main(int argc, char **argv)
{
    struct diag diag = {0};
    struct store *store = NULL;
    struct model *m = NULL;
    struct snapshot *s = NULL;
    struct health *h = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: start_bench DATABASE\n");
        return 2;
    }
    first_s = last_s = used_s();
    step("the program");
    if (store_open(argv[1], &store, &diag) || store_load(store, &m, &diag))
        return fail(&diag);
    step("database to model");
    if (model_validate(m, &diag))
        return fail(&diag);
    step("validation");
    struct snapshot_cache *cache = snapshot_cache_create();
    struct snapshot_options options = {.workers = 1};
    if (snapshot_compile(m, cache, &options, &s, &diag))
        return fail(&diag);
    step("snapshot");
    struct signal_config *config = signal_config_create(s);
    step("configuration of the engine");
    if (!config ||
        health_create(signal_config_engine(config), clock_mono_ms(), clock_wall_ms(), &h))
        return 1;
    step("engine");
    (void)signal_board_follow(h, s);
    step("board");
    static struct answer_worker w;
    answer_worker_init(&w, 0, 1);
    step("one worker");
    printf("%-28s %7.0f ms %8.1f MiB   %u services, %u endpoints\n", "all",
           (last_s - first_s) * 1e3, last_mib, s->services_n, s->endpoints_n);
    printf("arenas: snapshot %.1f MiB, model %.1f MiB\n",
           (double)arena_size_bytes(s->arena) / 1048576,
           (double)arena_size_bytes(m->arena) / 1048576);
    health_destroy(&h);
    signal_config_destroy(&config);
    snapshot_unref(&s);
    snapshot_cache_destroy(&cache);
    model_unref(&m);
    store_close(&store);
    diag_fini(&diag);
    return 0;
}
