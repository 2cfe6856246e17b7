/* budget: --max-move, how much of a service's weight the engine moves in a minute by its own doing:
 * gradual ways down (error rate, reports, load) and every way up. A fall, panic, a region that agrees
 * to be down and a person's word are neither bound nor charged.
 *
 * What a service has moved is remembered for a minute, in twelve parts and the one that runs; what is
 * left of max-move may move now, and the rest when enough of it is a minute old. So no minute, whenever
 * it begins, sees more. A budget is at least one dead band: a smaller step is none. What moves is the
 * change of weights times availabilities, with the other levels as they are: a step behind a lower
 * level costs nothing. A region's move needs room in all of its services. */
#include "engine_priv.h"

#define PART_MS 5000
#define NEARLY 1e-6

static double allowed(const struct health *h, uint32_t service)
{
    double most = h->cfg.service[service].config->max_move;
    return most > h->cfg.dead_band ? most : h->cfg.dead_band;
}

/* What may be moved at a time, which is now or later, if nothing is moved until then. */
static double left_at(const struct health *h, uint32_t service, int64_t at_ms)
{
    const struct budget *b = &h->budget[service];
    double left = allowed(h, service);
    for (int64_t k = 0; k < BUDGET_PARTS; k++)
        if (b->part - k >= 0 && b->part - k + BUDGET_PARTS > at_ms / PART_MS)
            left -= (double)b->moved[(b->part - k) % BUDGET_PARTS];
    return left > 0 ? left : 0;
}

static void remember(struct health *h, uint32_t service, double moved)
{
    struct budget *b = &h->budget[service];
    int64_t part = h->now_ms / PART_MS, gone = part - b->part;
    for (int64_t k = 0; k < gone && k < BUDGET_PARTS; k++)
        b->moved[(part - k) % BUDGET_PARTS] = 0;
    b->part = part;
    b->moved[part % BUDGET_PARTS] += (float)moved;
}

/* The part of its service that a site's clients are, moved by an item from one value to another. */
static double cost(const struct health *h, uint32_t site, uint32_t item, uint32_t from, uint32_t to)
{
    struct trial a = {.item = item, .avail = from}, b = {.item = item, .avail = to};
    bool any;
    double full = health__full_weight(h, h->cfg.site[site].service);
    double moved = health__carries(h, site, &a, &any) - health__carries(h, site, &b, &any);
    return full > 0 ? (moved < 0 ? -moved : moved) / full : 0;
}

/* The sites that an item touches, as a range of h->region_site, or one. */
struct touched {
    const uint32_t *site;
    uint32_t n, one;
};

static struct touched sites_of(const struct health *h, uint32_t item)
{
    uint32_t e = h->cfg.endpoints_n, s = h->cfg.sites_n;
    if (item < e + s)
        return (struct touched){.n = 1, .one = item < e ? health__site_of(h, item) : item - e};
    uint32_t region = item - e - s, first = h->region_site_first[region];
    return (struct touched){.site = h->region_site + first,
                            .n = h->region_site_first[region + 1] - first};
}

static uint32_t site_at(const struct touched *t, uint32_t i)
{
    return t->site ? t->site[i] : t->one;
}

static bool limited(const struct health *h, uint32_t site)
{
    return h->cfg.service[h->cfg.site[site].service].config->max_move > 0;
}

static uint32_t limit_site(const struct health *h, uint32_t site, uint32_t item, uint32_t now,
                           uint32_t want)
{
    double left = left_at(h, h->cfg.site[site].service, h->now_ms) + NEARLY;
    if (cost(h, site, item, now, want) <= left)
        return want;
    int64_t fits = now, not = want; /* as far from now as the budget goes */
    while (fits - not > 1 || not -fits > 1) {
        int64_t mid = (fits + not ) / 2;
        if (cost(h, site, item, now, (uint32_t)mid) <= left)
            fits = mid;
        else
            not = mid;
    }
    return (uint32_t)fits;
}

/* Of all that it touches, from now towards want; *service: whose budget binds. */
static uint32_t limit(const struct health *h, uint32_t item, uint32_t now, uint32_t want,
                      uint32_t *service)
{
    struct touched t = sites_of(h, item);
    *service = HEALTH_NONE;
    for (uint32_t i = 0; i < t.n && want != now; i++) {
        uint32_t site = site_at(&t, i), to;
        if (!limited(h, site) || (to = limit_site(h, site, item, now, want)) == want)
            continue;
        want = to;
        *service = h->cfg.site[site].service;
    }
    return want;
}

uint32_t health__budget_bind(const struct health *h, uint32_t item, const struct mover *m,
                             struct mover_rules *r, uint32_t target, bool gradual,
                             struct safety_by *by)
{
    uint32_t service;
    r->most = AVAIL_FULL;
    if (!h->budgeted || target == m->avail || (target < m->avail && !gradual))
        return target;
    uint32_t to = limit(h, item, m->avail, target, &service);
    if (target > m->avail)
        r->most = to;
    else if (to != target)
        *by = (struct safety_by){.rule = RULE_MAX_MOVE, .gradual = true, .service = service};
    return target > m->avail ? target : to;
}

/* When there will be room for a step. */
static int64_t room_ms(const struct health *h, uint32_t item, uint32_t from, uint32_t to,
                       uint32_t *service)
{
    struct touched t = sites_of(h, item);
    int64_t at_ms = h->now_ms + 1;
    for (uint32_t i = 0; i < t.n; i++) {
        uint32_t site = site_at(&t, i), of = h->cfg.site[site].service;
        if (!limited(h, site))
            continue;
        double need = cost(h, site, item, from, to) - NEARLY;
        int64_t due_ms = h->now_ms;
        while (left_at(h, of, due_ms) < need && due_ms < h->now_ms + BUDGET_PARTS * PART_MS)
            due_ms = (due_ms / PART_MS + 1) * PART_MS;
        if (due_ms <= at_ms)
            continue;
        at_ms = due_ms;
        *service = of;
    }
    return at_ms;
}

static void charge(struct health *h, uint32_t item, uint32_t before, uint32_t after)
{
    struct touched t = sites_of(h, item);
    for (uint32_t i = 0; i < t.n; i++) {
        uint32_t site = site_at(&t, i), service = h->cfg.site[site].service;
        if (!limited(h, site))
            continue;
        remember(h, service, cost(h, site, item, before, after));
    }
}

void health__budget_settle(struct health *h, uint32_t item, struct held *held,
                           const struct mover *m, const struct mover_rules *r, uint32_t before,
                           uint32_t want, const struct safety_by *by, int64_t *due_ms)
{
    uint32_t step = avail_from_double(h->cfg.dead_band), service = HEALTH_NONE;
    if (!h->budgeted)
        return;
    if (m->avail > before || (m->avail < before && by->gradual))
        charge(h, item, before, m->avail);
    if (by->rule == RULE_MAX_MOVE && want < m->avail) {
        uint32_t to = want + step < m->avail ? m->avail - step : want;
        int64_t at_ms = room_ms(h, item, m->avail, to, &service);
        *due_ms = at_ms < *due_ms ? at_ms : *due_ms;
    } else if (m->ramping && *due_ms == NEVER_MS) { /* the mover met r->most */
        uint32_t to = health__mover_next(m, r, m->target);
        *due_ms = room_ms(h, item, m->avail, to, &service);
        if (service != HEALTH_NONE) {
            struct safety_by up = {.rule = RULE_MAX_MOVE, .service = service};
            health__safety_say(h, item, held, m, m->target, m->avail, &up);
        }
    }
}
