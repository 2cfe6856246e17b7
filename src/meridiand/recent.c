/* Who was answered lately: the workers' samples, taken every housekeeping. */
#include "base/clock.h"
#include "crowd/recent.h"
#include "daemon.h"

#define PACE_MS 1000
#define PACE_OVER_MS 60000.0 /* a burst of seconds is sampled as what it is part of */

/* A sample of another revision has another numbering: some milliseconds of one, at each edit. */
static void take(struct daemon *d, const struct snapshot *s, unsigned worker, int64_t now_ms)
{
    struct answer_sample sample[ANSWER_SAMPLES];
    size_t n = answer_samples_take(&d->answer[worker]->samples, sample, ANSWER_SAMPLES);
    for (size_t i = 0; i < n; i++) {
        const struct answer_sample *x = &sample[i];
        if (x->revision != (uint32_t)s->revision || x->service >= s->services_n)
            continue;
        struct crowd_client c = {.address = x->client,
                                 .subnet = x->subnet,
                                 .family = x->family,
                                 .service = x->service,
                                 .weight = (float)x->weight};
        crowd_recent_add(d->recent, &c, now_ms);
    }
}

void recent_take(struct daemon *d)
{
    const struct snapshot *s = world_now(d);
    int64_t now_ms = clock_mono_ms();
    for (unsigned w = 0; s && w < d->workers; w++)
        take(d, s, w, now_ms);
}

/* How far apart samples are follows how much is answered. */
static void pace(struct daemon *d)
{
    int64_t now_ms = clock_mono_ms(), passed_ms = now_ms - d->recent_paced_ms;
    if (passed_ms < PACE_MS)
        return;
    uint64_t answers = serve_outcomes(d, ANSWER_noerror);
    double rate = (double)(answers - d->recent_answers) * 1000 / (double)passed_ms;
    double part = (double)passed_ms / PACE_OVER_MS;
    d->recent_rate += (rate - d->recent_rate) * (part < 1 ? part : 1);
    d->recent_answers = answers;
    d->recent_paced_ms = now_ms;
    uint32_t gap = crowd_recent_gap(d->recent_rate);
    for (unsigned w = 0; w < d->workers; w++)
        answer_samples_gap(&d->answer[w]->samples, gap);
}

void recent_step(struct daemon *d)
{
    recent_take(d);
    pace(d);
}

void recent_renumber(struct daemon *d, const struct snapshot *next)
{
    const struct snapshot *now = world_now(d);
    recent_take(d);
    if (now)
        crowd_recent_renumber(d->recent, now->model, next->model);
}
