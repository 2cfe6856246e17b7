/* window: a site's error rate, from one ring of buckets per endpoint, so that the samples of an
 * endpoint that takes no traffic any more can leave. The site keeps the sums and the clock. */
#include "engine_priv.h"

#include <math.h>
#include <string.h>

/* Lower end of the two-sided 95 % Wilson score interval (z = 1.96): 26 of 100 is at least 18.4 %.
 */
double health__wilson_low(uint64_t fail, uint64_t n)
{
    if (n == 0 || fail == 0)
        return 0;
    const double z = 1.96, z2 = z * z;
    double count = (double)n, p = (double)fail / count;
    double middle = p + z2 / (2 * count);
    double half = z * sqrt(p * (1 - p) / count + z2 / (4 * count * count));
    double low = (middle - half) / (1 + z2 / count);
    return low < 0 ? 0 : low;
}

uint32_t health__degraded(double low, double degrade, double fail)
{
    if (low <= degrade)
        return AVAIL_FULL;
    return low >= fail ? AVAIL_NONE : avail_from_double((fail - low) / (fail - degrade));
}

struct proof health__window_proof(const struct judged *j)
{
    return (struct proof){.n = j->n,
                          .fail = j->fail,
                          .low = health__wilson_low(j->fail, j->n),
                          .window_ms = (int64_t)j->bucket_ms * WINDOW_BUCKETS};
}

void health__window_roll(struct health *h, struct judged *j)
{
    int64_t bucket = h->now_ms / j->bucket_ms;
    int64_t gone = bucket - j->bucket;
    if (gone <= 0)
        return;
    if (gone > WINDOW_BUCKETS)
        gone = WINDOW_BUCKETS;
    const struct health_site_config *s = &h->cfg.site[j->site];
    for (uint32_t i = 0; j->n && i < s->endpoint_n; i++) {
        struct probed *p = health__probed(h, s->endpoint_first + i);
        for (int64_t k = 0; p && k < gone; k++) {
            size_t at = (size_t)((bucket - k) % WINDOW_BUCKETS);
            j->n -= p->w.n[at];
            j->fail -= p->w.fail[at];
            p->w.n[at] = p->w.fail[at] = 0;
        }
    }
    j->bucket = bucket;
}

void health__window_add(struct judged *j, struct probed *p, bool ok)
{
    size_t at = (size_t)(j->bucket % WINDOW_BUCKETS);
    if (p->w.n[at] == UINT16_MAX) /* 65535 probes of one endpoint in a twentieth of the window */
        return;
    p->w.n[at]++;
    j->n++;
    if (!ok) {
        p->w.fail[at]++;
        j->fail++;
    }
}

void health__window_forget(struct judged *j, struct probed *p)
{
    for (size_t i = 0; i < WINDOW_BUCKETS; i++) {
        j->n -= p->w.n[i];
        j->fail -= p->w.fail[i];
    }
    memset(&p->w, 0, sizeof p->w);
}
