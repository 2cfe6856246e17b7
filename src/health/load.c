/* load: a region's utilisation, as reported, against its capacity. Above the high mark it sheds
 * availability, below the low mark it takes it back, between them it stays: two marks, so that it
 * does not swing.
 *
 *               above high                        below low, until all is back
 *   STEADY ───────────────────> SHED ─────────────────────────────────────────> STEADY
 *   load_want full               │  ^
 *                                └──┘ above high again, but not before the hold is over;
 *                                     between the marks: no further up either
 *
 *   transition       function
 *   → SHED, deeper   shed
 *   SHED → up        give_back
 *
 * Load is taken to follow availability: at 95 %, with the marks at 90 % and 70 %, the middle (80 %)
 * is aimed at, and availability multiplied by 80/95. Clients follow within a TTL only, so the next
 * look upwards in load is a hold later: without that each report would shed again for the load that
 * has already been told to go. In the same way a region that has guests waits until they have left
 * (signal/capacity.h), and in an overload of all none sheds below what an even level leaves it. */
#include "engine_priv.h"

#define LOAD_SHED_MIN (AVAIL_FULL / 10u) /* load alone leaves so much */

static uint32_t scaled(uint32_t avail, double aim, double load)
{
    double v = avail_to_double(avail) * aim / load;
    return avail_from_double(v);
}

/* Guests go before a region's own clients do, and take a TTL to go. */
static bool guests_first(const struct health *h, const struct region *r)
{
    return r->guests ||
           (r->guests_until_ms != NEVER_MS && h->now_ms < r->guests_until_ms + r->rules.hold_ms);
}

void health_region_carries(struct health *h, uint32_t region, bool guests, uint32_t keep)
{
    struct region *r = &h->region[region];
    if (r->guests && !guests)
        r->guests_until_ms = h->now_ms;
    r->guests = guests;
    r->keep = keep;
}

static void shed(struct health *h, struct region *r, struct source *s, double aim)
{
    uint32_t avail = r->m.avail, step = avail_from_double(h->cfg.dead_band);
    if (s->load_want > avail) /* no further up */
        s->load_want = avail;
    if (h->now_ms < s->load_again_ms || avail <= LOAD_SHED_MIN || guests_first(h, r))
        return;
    uint32_t to = scaled(avail, aim, s->load);
    if (to + step > avail)
        to = avail > step ? avail - step : 0;
    uint32_t least = r->keep > LOAD_SHED_MIN ? r->keep : LOAD_SHED_MIN;
    if (to < least)
        to = least < avail ? least : avail;
    s->load_want = to;
    s->load_again_ms = h->now_ms + r->rules.hold_ms;
}

static void give_back(struct region *r, struct source *s, double aim)
{
    uint32_t to = s->load > 0 ? scaled(r->m.avail, aim, s->load) : AVAIL_FULL;
    if (to > s->load_want)
        s->load_want = to;
}

void health__load_judge(struct health *h, uint32_t region, struct source *s)
{
    struct region *r = &h->region[region];
    double high = h->cfg.load_high, low = h->cfg.load_low, aim = (high + low) / 2;
    if (h->cfg.region[region].capacity <= 0 || high <= 0) {
        s->load_want = AVAIL_FULL;
        return;
    }
    if (s->load > high)
        shed(h, r, s, aim);
    else if (s->load < low)
        give_back(r, s, aim);
    else if (s->load_want < AVAIL_FULL) /* stays: no further up, nor down what was held back */
        s->load_want = r->m.avail;
}
