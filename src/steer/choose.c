/* The answer: home, or as a guest, or what is left. */
#include "choice_priv.h"

/* -------------------------------------------------------------------------------- one by itself */

const struct steer_site *steer_site_of(const struct steer_tables *t, uint32_t service,
                                       uint32_t endpoint)
{
    struct choice c = choice_of(t, service);
    return holder(&c, endpoint - c.svc->endpoint_first);
}

uint32_t steer_effective(const struct steer_tables *t, uint32_t service, uint32_t endpoint,
                         uint32_t *flags)
{
    struct choice c = choice_of(t, service);
    uint32_t own = endpoint - c.svc->endpoint_first;
    struct bound b = endpoint_bound(&c, own, site_bound(&c, holder(&c, own)));
    if (flags)
        *flags = b.flags;
    return effective(b);
}

uint32_t steer_effective_eased(const struct steer_tables *t, uint32_t service, uint32_t endpoint)
{
    struct choice c = choice_of(t, service);
    uint32_t own = endpoint - c.svc->endpoint_first;
    const struct steer_site *s = holder(&c, own);
    struct bound b = endpoint_bound(&c, own, site_bound(&c, s));
    return b.flags & (STEER_WORD_OFF | STEER_WORD_DRAIN) ? 0 : avail_eased(&c, s, own);
}

/* ----------------------------------------------------------------------------------- the groups */

/* Does any region refuse guests at all? Mostly none. */
static inline bool spilling(const struct choice *c)
{
    return word(c->t->board.spill, STEER_REGIONS_MAX) != 0;
}

/* Up to the first group that admits all guests: is there a region that admits some? Then which one a
 * guest gets is a matter of its hash. */
static bool guests_hashed(const struct choice *c)
{
    for (uint16_t first = 0, end; first < c->row_n; first = end) {
        bool sure = false;
        end = group_end(c, first);
        EACH_CANDIDATE(c, first, end, LEVEL_PLACE, {
            uint32_t admit = admission(c, site->region), avail = effective(b);
            if (avail < AVAIL_FULL && steer_eased(&c->t->board) &&
                !(b.flags & (STEER_WORD_OFF | STEER_WORD_DRAIN)))
                avail = avail_eased(c, site, i);
            else if (avail < AVAIL_FULL)
                avail = 0;
            if (avail > 0 && admit > 0 && (avail < AVAIL_FULL || admit < STEER_ADMIT_FULL))
                return true;
            sure |= avail == AVAIL_FULL && admit == STEER_ADMIT_FULL;
        })
        if (sure)
            return false;
    }
    return false;
}

static bool any_alive(const struct choice *c)
{
    for (uint32_t s = 0; s < c->svc->site_n; s++) {
        const struct steer_site *site = &c->site[s];
        struct bound sb = site_bound(c, site);
        for (uint32_t i = site->first; i < (uint32_t)site->first + site->endpoint_n; i++) {
            struct bound b = endpoint_bound(c, i, sb);
            if (!(b.flags & STEER_WORD_OFF) && b.alive > 0)
                return true;
        }
    }
    return false;
}

/* Is any endpoint of the type asked for not switched off, for whatever client? */
static bool any_on(const struct choice *c)
{
    for (uint32_t s = 0; s < c->svc->site_n; s++) {
        const struct steer_site *site = &c->site[s];
        struct bound sb = site_bound(c, site);
        for (uint32_t i = site->first; i < (uint32_t)site->first + site->endpoint_n; i++)
            if (c->endpoint[i].family == c->family &&
                !(endpoint_bound(c, i, sb).flags & STEER_WORD_OFF))
                return true;
    }
    return false;
}

/* ----------------------------------------------------------------------------------- the answer */

static bool answer_one(const struct choice *c, uint32_t endpoint, enum steer_why why)
{
    if (endpoint == STEER_NONE)
        return false;
    c->plan->endpoint[0] = c->svc->endpoint_first + endpoint;
    c->plan->n = 1;
    c->plan->why = (uint8_t)why;
    return true;
}

/* Weighted and sticky: one endpoint. */
static bool choose_one(const struct choice *c)
{
    struct group where;
    struct home home;
    if (steer__place(c, &home)) {
        bool spills = home.away && spilling(c);
        c->plan->hashed |= home.fraction || (spills && guests_hashed(c));
        if (stays(c, c->t->region_hash[home.region], home.avail))
            return answer_one(c, home.endpoint, STEER_WHY_HOME);
        if (spills &&
            answer_one(c, steer__pick_by_group(c, LEVEL_GUEST, &where), STEER_WHY_ADMITTED))
            return true;
        if (answer_one(c, steer__pick_by_group(c, LEVEL_FULL, &where), STEER_WHY_MOVED))
            return true;
    }
    return answer_one(c, steer__pick(c, 0, c->row_n, LEVEL_PARTIAL), STEER_WHY_PARTIAL) ||
           answer_one(c, steer__pick_by_group(c, LEVEL_ZERO, &where), STEER_WHY_ZERO) ||
           answer_one(c, steer__pick_by_group(c, LEVEL_DRAINED, &where), STEER_WHY_DRAINED);
}

/* The members of a group at a level; with `staying` only those that keep this client. */
static bool collect(const struct choice *c, struct group g, enum level level, bool staying,
                    enum steer_why why)
{
    EACH_CANDIDATE(c, g.first, g.end, level, {
        bool out = (b.flags & (STEER_WORD_OFF | STEER_WORD_DRAIN)) != 0;
        if (staying && (out || !stays(c, c->t->region_hash[site->region], b.avail)))
            continue;
        if (c->plan->n < STEER_ANSWERS_MAX)
            c->plan->endpoint[c->plan->n++] = c->svc->endpoint_first + i;
    })
    c->plan->why = (uint8_t)why;
    return c->plan->n > 0;
}

static bool collect_by_group(const struct choice *c, enum level level, enum steer_why why)
{
    for (uint16_t first = 0, end; first < c->row_n; first = end) {
        end = group_end(c, first);
        if (collect(c, (struct group){first, end}, level, false, why))
            return true;
    }
    return false;
}

/* Nothing is at 1: one endpoint is drawn over all above 0 by weight x availability, and its group
 * answers. */
static bool collect_partial(const struct choice *c)
{
    uint32_t e = steer__pick_weighted(c, 0, c->row_n, LEVEL_PARTIAL);
    for (uint16_t first = 0, end; e != STEER_NONE && first < c->row_n; first = end) {
        end = group_end(c, first);
        for (uint16_t i = first; i < end; i++)
            if (site_of(c, c->row[i]) == holder(c, e))
                return collect(c, (struct group){first, end}, LEVEL_PARTIAL, false,
                               STEER_WHY_PARTIAL);
    }
    return false;
}

/* `all`: every live endpoint of the first group that has one. A client that no member of its own
 * group keeps is a guest elsewhere, and guests go to members at 1, as under the other choosers. */
static bool choose_all(const struct choice *c)
{
    struct group home;
    if (steer__group_with(c, LEVEL_PLACE, &home)) {
        bool away, fraction = steer__any_fraction(c, home, &away);
        bool spills = away && spilling(c);
        c->plan->hashed = fraction || (spills && guests_hashed(c));
        if (collect(c, home, LEVEL_PLACE, true, STEER_WHY_HOME))
            return true;
        if (spills && collect_by_group(c, LEVEL_GUEST, STEER_WHY_ADMITTED))
            return true;
    }
    return collect_by_group(c, LEVEL_FULL, STEER_WHY_MOVED) || collect_partial(c) ||
           collect_by_group(c, LEVEL_ZERO, STEER_WHY_ZERO) ||
           collect_by_group(c, LEVEL_DRAINED, STEER_WHY_DRAINED);
}

static void shuffle(const struct choice *c)
{
    uint32_t *e = c->plan->endpoint;
    for (uint32_t i = c->plan->n; i > 1; i--) {
        uint32_t j = rng_below(c->client->rng, i), x = e[i - 1];
        e[i - 1] = e[j];
        e[j] = x;
    }
    if (c->svc->answers_max && c->plan->n > c->svc->answers_max)
        c->plan->n = c->svc->answers_max;
}

/* As if everything that a person has not switched off were up: weight 0 and drained endpoints then
 * wait for the others as always. */
static bool fail_open(const struct choice *c)
{
    struct group where;
    for (enum level level = LEVEL_OPEN; level <= LEVEL_OPEN_DRAINED; level++)
        if (c->svc->chooser == STEP_ALL
                ? collect_by_group(c, level, STEER_WHY_FAIL_OPEN)
                : answer_one(c, steer__pick_by_group(c, level, &where), STEER_WHY_FAIL_OPEN))
            return true;
    return false;
}

static void choose_when_empty(const struct choice *c)
{
    struct steer_plan *plan = c->plan;
    if (c->svc->on_empty == ON_EMPTY_NODATA && !any_alive(c))
        plan->why = STEER_WHY_NODATA;
    else if (c->svc->on_empty == ON_EMPTY_SERVICE && !c->client->ignore_on_empty_service)
        plan->why = STEER_WHY_SERVICE;
    else if (!fail_open(c))
        plan->why = any_on(c) ? STEER_WHY_FENCED_OFF : STEER_WHY_OFF;
}

static __attribute__((noinline)) void choose_at_length(const struct steer_tables *t,
                                                       uint32_t service, const uint16_t *row,
                                                       uint16_t row_n, enum steer_family family,
                                                       const struct steer_client *client,
                                                       struct steer_plan *out)
{
    struct client_hash hash = {.taken = false};
    struct choice c = choice_of(t, service);
    c.row = row;
    c.row_n = row_n;
    c.family = (uint8_t)family;
    c.client = client;
    c.plan = out;
    c.hash = &hash;
    if (!(c.svc->families >> family & 1))
        return;
    if (!(c.svc->chooser == STEP_ALL ? choose_all(&c) : choose_one(&c)))
        choose_when_empty(&c);
    if (c.svc->chooser == STEP_ALL)
        shuffle(&c);
}

void steer_choose(const struct steer_tables *t, uint32_t service, const uint16_t *row,
                  uint16_t row_n, enum steer_family family, const struct steer_client *client,
                  struct steer_plan *out)
{
    out->hashed = false;
    uint32_t found = steer__steady(t, service, row, row_n, family, client, &out->hashed);
    out->n = found != STEER_NONE;
    out->why = found != STEER_NONE ? STEER_WHY_HOME : STEER_WHY_NO_TYPE;
    out->endpoint[0] = found;
    if (found == STEER_NONE)
        choose_at_length(t, service, row, row_n, family, client, out);
}

const char *steer_why_text(enum steer_why why)
{
    switch (why) {
    case STEER_WHY_HOME:
        return "placed here and stays";
    case STEER_WHY_MOVED:
        return "does not stay where it was placed: next best at full availability";
    case STEER_WHY_ADMITTED:
        return "does not stay where it was placed: next best that has room for it";
    case STEER_WHY_PARTIAL:
        return "nothing at full availability: by weight and availability";
    case STEER_WHY_ZERO:
        return "only endpoints of weight 0 are left";
    case STEER_WHY_DRAINED:
        return "only drained endpoints are left";
    case STEER_WHY_FAIL_OPEN:
        return "nothing is available: fails open";
    case STEER_WHY_NODATA:
        return "nothing is available: no data, as on-empty asks";
    case STEER_WHY_SERVICE:
        return "nothing is available: another service answers, as on-empty asks";
    case STEER_WHY_OFF:
        return "everything is switched off by a person";
    case STEER_WHY_FENCED_OFF:
        return "everything that this client may use is switched off by a person";
    case STEER_WHY_NO_TYPE:
        return "the service has no endpoint of this type";
    }
    return "";
}
