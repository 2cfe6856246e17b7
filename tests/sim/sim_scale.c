/* scale: how large a world is and how long it lives. A third are dense: minutes to an hour of one
 * fault after the other. Most of the rest live for weeks, with quiet stretches, and probe as rarely
 * as that takes: the work of a world is its probes, and they are what is bounded. Over many seeds the
 * mean is above ten days. */
#include "sim.h"

#define DAY_MS 86400000LL

static const uint32_t intervals[] = {1000,  2000,  5000,   5000,   10000, 20000,
                                     30000, 60000, 120000, 300000, 600000};
#define INTERVALS (sizeof intervals / sizeof *intervals)

/* Small ones are common: half have at most eight regions. */
static uint32_t draw_regions(struct sim *s)
{
    uint32_t most = rng_below(&s->rng, 2) ? 8 : REGIONS_MAX;
    return 3 + rng_below(&s->rng, most - 2);
}

/* One of those with which so many endpoints take at most so many probes a day; else the longest. */
static uint32_t draw_interval(struct sim *s, double a_day)
{
    uint32_t fit[INTERVALS], n = 0;
    for (uint32_t i = 0; i < INTERVALS; i++)
        if ((double)s->ids * (double)DAY_MS / intervals[i] <= a_day)
            fit[n++] = intervals[i];
    return n ? fit[rng_below(&s->rng, n)] : intervals[INTERVALS - 1];
}

void sim_scale_draw(struct sim *s)
{
    uint32_t kind = rng_below(&s->rng, 10);
    double minutes, a_day;
    s->regions = draw_regions(s);
    s->services = 1 + rng_below(&s->rng, SERVICES_MAX);
    s->per_site = 1 + rng_below(&s->rng, PER_SITE_MAX);
    if (kind < 3) { /* dense */
        minutes = 5 + 55 * rng_unit(&s->rng);
        a_day = 2e7;
        if (s->regions > 8)
            minutes /= 2;
    } else if (kind < 5) { /* some hours to three days */
        minutes = 180 + 4140 * rng_unit(&s->rng);
        a_day = 60000;
    } else { /* weeks, up to a month */
        minutes = 1440 * (14 + 17 * rng_unit(&s->rng));
        a_day = 9000;
        if (s->regions > 8) /* a few endpoints each: fewer services */
            s->services = s->per_site = 1;
    }
    s->ids = s->regions * s->services * s->per_site;
    s->proto.interval_ms = draw_interval(s, a_day);
    s->end = (int64_t)(minutes * 60000);
    s->scale.stretch = s->proto.interval_ms > 5000 ? s->proto.interval_ms / 5 : 1000;
    s->scale.quiet = kind < 3 ? 0 : kind < 5 ? DAY_MS / 4 : 2 * DAY_MS;
    s->scale.report_period = kind < 3 ? 2000 : kind < 5 ? 60000 : 600000;
    s->scale.check_every = s->ids / 4 + 1;
}
