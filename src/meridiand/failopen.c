/* Says when a service begins to fail open, and when it no longer does. Workers only count; a service
 * that nobody asks about is not noticed, and hurts nobody. */
#include "base/clock.h"
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY_MS 1000
#define QUIET_MS 60000 /* without one such answer: it is over */

struct open_service {
    struct open_service *next;
    int64_t last_ms; /* of the last look that saw one more */
    char name[];
};

static void say(struct daemon *d, const char *service, enum log_level level, const char *text)
{
    struct event_line e = {.level = level,
                           .kind = "fail-open",
                           .service = service,
                           .region = "",
                           .endpoint = "",
                           .text = text,
                           .wall_ms = clock_wall_ms(),
                           .facts = {.rule = "on-empty"}};
    events_log(d, &e);
}

static struct open_service *find(struct daemon *d, const char *name)
{
    for (struct open_service *o = d->open_services; o; o = o->next)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

static void note_open(struct daemon *d, const char *name, int64_t now_ms)
{
    struct open_service *o = find(d, name);
    if (o) {
        o->last_ms = now_ms;
        return;
    }
    o = malloc(sizeof *o + strlen(name) + 1);
    if (!o)
        return;
    o->next = d->open_services;
    o->last_ms = now_ms;
    strcpy(o->name, name);
    d->open_services = o;
    say(d, name, LOG_WARN, "fails open: nothing is available, answers as if everything were up");
}

static void forget_quiet(struct daemon *d, int64_t now_ms)
{
    for (struct open_service **at = &d->open_services; *at;) {
        struct open_service *o = *at;
        if (now_ms - o->last_ms < QUIET_MS) {
            at = &o->next;
            continue;
        }
        say(d, o->name, LOG_NOTICE, "no longer fails open");
        *at = o->next;
        free(o);
    }
}

/* Counts of a new world start at 0. */
static bool follow_world(struct daemon *d, const struct snapshot *s)
{
    if (d->failopen_of == s)
        return true;
    free(d->failopen_seen);
    d->failopen_seen = calloc(s->services_n + 1, sizeof *d->failopen_seen);
    d->failopen_of = d->failopen_seen ? s : NULL;
    return d->failopen_seen != NULL;
}

static uint32_t count_of(const struct snapshot *s, uint32_t service)
{
    uint32_t n = 0;
    for (unsigned w = 0; w < s->workers; w++)
        n += atomic_load_explicit(&s->tally[w].fail_open[service], memory_order_relaxed);
    return n;
}

void failopen_look(struct daemon *d)
{
    int64_t now_ms = clock_mono_ms();
    const struct snapshot *s = world_now(d);
    if (now_ms - d->failopen_looked_ms < LOOK_EVERY_MS || !follow_world(d, s))
        return;
    d->failopen_looked_ms = now_ms;
    for (uint32_t i = 0; i < s->services_n; i++) {
        uint32_t n = count_of(s, i);
        if (n != d->failopen_seen[i])
            note_open(d, s->model->services[i].name, now_ms);
        d->failopen_seen[i] = n;
    }
    forget_quiet(d, now_ms);
}

void failopen_forget(struct daemon *d)
{
    d->failopen_of = NULL; /* another world may come to lie where this one was */
}

void failopen_free(struct daemon *d)
{
    while (d->open_services) {
        struct open_service *o = d->open_services;
        d->open_services = o->next;
        free(o);
    }
    free(d->failopen_seen);
    d->failopen_seen = NULL;
}
