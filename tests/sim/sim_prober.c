#include "sim.h"

#include <string.h>

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void changed(struct sim *s, uint32_t id)
{
    const struct truth *t = &s->t[id];
    int64_t due = INT64_MAX;
    if (t->present && !t->unprobed)
        due = least(t->regular_at, t->in_flight ? t->ends : t->wish_at);
    s->prober_due[id] = due;
    uint32_t block = id / DUE_BLOCK;
    due = INT64_MAX;
    for (uint32_t i = block * DUE_BLOCK; i < (block + 1) * DUE_BLOCK; i++)
        due = least(due, s->prober_due[i]);
    s->prober_block[block] = due;
}

void sim_prober_changed(struct sim *s)
{
    for (uint32_t i = 0; i < s->ids; i++)
        changed(s, i);
}

void sim_prober_init(struct sim *s)
{
    for (uint32_t i = 0; i < IDS_MAX + DUE_BLOCK; i++)
        s->prober_due[i] = INT64_MAX;
    for (uint32_t i = 0; i < s->ids; i++) {
        s->t[i].regular_at = s->now + rng_below(&s->rng, s->proto.interval_ms);
        s->t[i].wish_at = INT64_MAX;
    }
    sim_prober_changed(s);
}

int64_t sim_prober_due(const struct sim *s)
{
    int64_t due = INT64_MAX;
    for (uint32_t i = 0; i <= (s->ids - 1) / DUE_BLOCK; i++)
        due = least(due, s->prober_block[i]);
    return due;
}

/* Does it answer now, and how long does that take? */
static bool answers(struct sim *s, const struct truth *t, int64_t *latency)
{
    *latency = 5 + rng_below(&s->rng, 150);
    switch (t->fault) {
    case FAULT_CRASH:
        *latency = t->refuses ? 5 : s->proto.timeout_ms;
        return false;
    case FAULT_BROWN:
        return rng_unit(&s->rng) >= t->p;
    case FAULT_SLOW:
        *latency = s->proto.timeout_ms * 3 / 5 + rng_below(&s->rng, s->proto.timeout_ms);
        return *latency < s->proto.timeout_ms;
    case FAULT_FLAP:
        return (s->now - t->since) / (t->period / 2) % 2 == 1;
    case FAULT_NONE:
        break;
    }
    return true;
}

static void start(struct sim *s, struct truth *t, bool confirm)
{
    int64_t latency;
    t->ok = answers(s, t, &latency);
    t->real = !t->ok;
    if (t->ok && rng_unit(&s->rng) < s->loss) {
        t->ok = false;
        t->real = true; /* lost on the way: as real as the prober can tell */
        latency = s->proto.timeout_ms;
    }
    if (latency > s->proto.timeout_ms)
        latency = s->proto.timeout_ms;
    t->in_flight = true;
    t->confirm = confirm;
    t->started = s->now;
    t->started_mono = sim_mono(s);
    t->ends = s->now + latency;
    t->wish_at = INT64_MAX;
}

static void finish(struct sim *s, uint32_t id)
{
    struct truth *t = &s->t[id];
    uint32_t region = id_region(s, id);
    if (t->ok && ((s->cut[region] & CUT_PROBES) || s->cut_last[region] > t->started)) {
        t->ends = t->started + s->proto.timeout_ms; /* as real as the prober can tell */
        t->ok = false;
        t->real = true;
        if (t->ends > s->now)
            return;
    }
    bool cut = s->isolated || s->isolated_last > t->started;
    if (cut && t->ends < t->started + s->proto.timeout_ms && t->real == false) {
        t->ends = t->started + s->proto.timeout_ms; /* the answer never comes */
        t->ok = false;
        if (t->ends > s->now)
            return;
    }
    if (cut)
        t->ok = false;
    t->in_flight = false;
    bool late = rng_unit(&s->rng) < s->late;
    struct health_sample sample = {.endpoint = sim_config(s)->endpoint_of[id],
                                   .ok = t->ok,
                                   .confirm = t->confirm,
                                   .late = late,
                                   .started_ms = t->started_mono,
                                   .now_ms = sim_mono(s),
                                   .wall_ms = sim_wall(s),
                                   .latency_us = (uint32_t)(t->ends - t->started) * 1000};
    strcpy(sample.text, t->ok ? "200" : t->real ? "refused" : "timeout");
    s->samples++;
    if (!late)
        sim_check_sample(s, id, t->ok, t->real, t->started_mono - s->mono_base);
    health_sample(s->h, &sample);
    sim_check_step(s);
    sim_check_touched(s, id);
}

static void run_one(struct sim *s, uint32_t id)
{
    struct truth *t = &s->t[id];
    if (t->in_flight && t->ends <= s->now)
        finish(s, id);
    if (t->regular_at <= s->now) {
        uint32_t interval = s->proto.interval_ms, jitter = interval < 4000 ? interval / 20 : 200;
        t->regular_at = s->now + interval - jitter + rng_below(&s->rng, jitter + 1);
        if (!t->in_flight) /* an overdue one is skipped */
            start(s, t, false);
    } else if (t->wish_at <= s->now && !t->in_flight) {
        start(s, t, true);
    }
    changed(s, id);
}

/* By number among those due at one time, whoever became due first. */
void sim_prober_run(struct sim *s)
{
    for (uint32_t b = 0; b <= (s->ids - 1) / DUE_BLOCK; b++) {
        if (s->prober_block[b] > s->now)
            continue;
        for (uint32_t i = b * DUE_BLOCK; i < (b + 1) * DUE_BLOCK && !s->failure[0]; i++)
            if (s->prober_due[i] <= s->now)
                run_one(s, i);
    }
}

void sim_prober_wish(struct sim *s, const struct health_action *a)
{
    uint32_t id = sim_config(s)->id_of[a->endpoint];
    struct truth *t = &s->t[id];
    int64_t at = a->at_ms - s->mono_offset;
    at = at > s->now ? at : s->now;
    if (at >= t->wish_at)
        return;
    t->wish_at = at;
    changed(s, id);
}
