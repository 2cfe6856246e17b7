#include "base/beside.h"

static void *run(void *arg)
{
    struct beside *b = arg;
    b->work(b->ctx);
    return NULL;
}

void beside_begin(struct beside *b, const char *name, void (*work)(void *ctx), void *ctx)
{
    b->work = work;
    b->ctx = ctx;
    b->running = pthread_create(&b->thread, NULL, run, b) == 0;
    if (b->running)
        pthread_setname_np(b->thread, name);
    else
        work(ctx);
}

void beside_end(struct beside *b)
{
    if (b->running)
        pthread_join(b->thread, NULL);
    b->running = false;
}
