/* Which answers are remembered. */
#include "answer_priv.h"

void answer__sample(struct answer_samples *a, struct rng *rng, const struct snapshot *s,
                    const struct answer_plan *p)
{
    uint32_t at = atomic_load_explicit(&a->written, memory_order_relaxed);
    uint32_t gap = atomic_load_explicit(&a->gap, memory_order_relaxed);
    if (at - atomic_load_explicit(&a->taken, memory_order_acquire) < ANSWER_SAMPLES) {
        a->ring[at % ANSWER_SAMPLES] =
            (struct answer_sample){.client = p->client.looked_up,
                                   .subnet = p->client.from == GEO_FROM_SUBNET,
                                   .family = (uint8_t)p->family,
                                   .revision = (uint32_t)s->revision,
                                   .service = p->asked_service,
                                   .weight = a->weight ? a->weight : 1};
        atomic_store_explicit(&a->written, at + 1, memory_order_release);
    }
    /* Uniform, with the mean gap - 1: every answer is as likely as any other. */
    a->until = gap > 1 ? rng_below(rng, 2 * gap - 1) : 0;
    a->weight = gap;
}

size_t answer_samples_take(struct answer_samples *a, struct answer_sample *out, size_t cap)
{
    uint32_t from = atomic_load_explicit(&a->taken, memory_order_relaxed);
    uint32_t to = atomic_load_explicit(&a->written, memory_order_acquire);
    size_t n = 0;
    while (from != to && n < cap)
        out[n++] = a->ring[from++ % ANSWER_SAMPLES];
    atomic_store_explicit(&a->taken, from, memory_order_release);
    return n;
}

void answer_samples_gap(struct answer_samples *a, uint32_t gap)
{
    atomic_store_explicit(&a->gap, gap, memory_order_relaxed);
}
