#include "steer/choose.h"

#include "base/hash.h"
#include "model/model.h"

/* ---------------------------------------------------------------------------------- the request */

enum level {                /* which endpoints count, one after the other until one is found */
             LEVEL_PLACE,   /* weight above 0, as if everything were at 1 */
             LEVEL_GUEST,   /* weight above 0, availability 1, in a region that admits the client */
             LEVEL_FULL,    /* weight above 0, availability 1 */
             LEVEL_PARTIAL, /* weight above 0, availability above 0 */
             LEVEL_ZERO,    /* weight 0, availability above 0 */
             LEVEL_DRAINED, /* drained, but not dead */
             LEVEL_OPEN,    /* fail open, as if all that is not off were up: weight above 0 */
             LEVEL_OPEN_ZERO, /* the same with weight 0 */
             LEVEL_OPEN_DRAINED
};

struct client_hash { /* taken when it is first asked for: mostly nobody does */
    bool taken;
    uint64_t value;
};

struct choice {
    const struct steer_tables *t;
    const struct steer_service *svc;
    const struct steer_site *site; /* the service's, as are the next three */
    const struct steer_endpoint *endpoint;
    const _Atomic uint32_t *slot_word, *endpoint_word;
    const uint16_t *row;
    uint16_t row_n;
    uint8_t family;
    const struct steer_client *client;
    struct steer_plan *plan;
    struct client_hash *hash;
};

struct group { /* items [first, end) of the row */
    uint16_t first, end;
};

/* Endpoints are numbered from the service's first; only an answer names them as the tables do. */
static inline uint32_t word(const _Atomic uint32_t *w, uint32_t i)
{
    return atomic_load_explicit(&w[i], memory_order_relaxed);
}

static inline uint32_t word_avail(uint32_t w)
{
    return w & STEER_WORD_AVAIL;
}

static inline uint32_t min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint64_t client_hash(const struct choice *c)
{
    if (!c->hash->taken)
        *c->hash = (struct client_hash){
            true, steer_hash_client(&c->client->network, c->client->network_len)};
    return c->hash->value;
}

/* Only what is between 0 and 1 needs the hash. */
static inline bool stays(const struct choice *c, uint64_t region_hash, uint32_t avail)
{
    return avail >= AVAIL_FULL || (avail > 0 && steer_stays(client_hash(c), region_hash, avail));
}

/* What the region admits of guests like this one. */
static inline uint32_t admission(const struct choice *c, uint8_t region)
{
    return steer_admission(&c->t->board, region, c->client->fenced);
}

static bool admits(const struct choice *c, uint8_t region)
{
    uint32_t admit = admission(c, region);
    return admit == STEER_ADMIT_FULL ||
           (admit > 0 && steer_stays(client_hash(c), c->t->region_hash[region], admit));
}

static inline const struct steer_site *site_of(const struct choice *c, uint16_t item)
{
    return &c->site[item & STEER_UNIT];
}

/* Of an endpoint of a sticky service. */
static inline uint64_t hash_of(const struct choice *c, uint32_t endpoint)
{
    return c->t->hash[c->svc->hash_first + endpoint];
}

/* Region and site together: what every endpoint of the site is bounded by. */
struct bound {
    uint32_t avail, flags;
    uint32_t alive; /* the same with drains ignored: not dead? */
};

static inline struct bound site_bound(const struct choice *c, const struct steer_site *s)
{
    uint32_t r = word(c->t->board.region, s->region), w = word(c->slot_word, s->slot);
    return (struct bound){.avail = min32(word_avail(r), word_avail(w)),
                          .flags = (r | w) & ~STEER_WORD_AVAIL,
                          .alive = min32(r & STEER_WORD_DRAIN ? AVAIL_FULL : word_avail(r),
                                         w & STEER_WORD_DRAIN ? AVAIL_FULL : word_avail(w))};
}

static inline struct bound endpoint_bound(const struct choice *c, uint32_t endpoint,
                                          struct bound site)
{
    uint32_t w = word(c->endpoint_word, endpoint);
    return (struct bound){.avail = min32(site.avail, word_avail(w)),
                          .flags = site.flags | (w & ~STEER_WORD_AVAIL),
                          .alive =
                              min32(site.alive, w & STEER_WORD_DRAIN ? AVAIL_FULL : word_avail(w))};
}

static inline uint32_t effective(struct bound b)
{
    return b.flags & (STEER_WORD_OFF | STEER_WORD_DRAIN) ? 0 : b.avail;
}

static inline struct choice choice_of(const struct steer_tables *t, uint32_t service)
{
    const struct steer_service *svc = &t->service[service];
    const _Atomic uint32_t *words = steer_words(t, service);
    return (struct choice){.t = t,
                           .svc = svc,
                           .site = steer_sites(t, svc),
                           .endpoint = steer_endpoints(t, svc),
                           .slot_word = words + 1,
                           .endpoint_word = words + 1 + svc->slots};
}

static const struct steer_site *holder(const struct choice *c, uint32_t endpoint)
{
    const struct steer_site *s = c->site;
    while (endpoint - s->first >= s->endpoint_n)
        s++;
    return s;
}

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

/* What an endpoint weighs at a level; 0 when it does not count there. */
static inline uint64_t level_weight(const struct steer_endpoint *e, struct bound b,
                                    enum level level)
{
    if (b.flags & STEER_WORD_OFF && level != LEVEL_PLACE)
        return 0;
    bool drained = (b.flags & STEER_WORD_DRAIN) != 0;
    switch (level) {
    case LEVEL_PLACE:
        return e->weight;
    case LEVEL_GUEST:
    case LEVEL_FULL:
        return !drained && b.avail == AVAIL_FULL ? e->weight : 0;
    case LEVEL_PARTIAL:
        return drained ? 0 : (uint64_t)e->weight * b.avail;
    case LEVEL_ZERO:
        return !drained && e->weight == 0 && b.avail > 0;
    case LEVEL_DRAINED:
        return drained && b.alive > 0 ? (e->weight ? e->weight : 1) : 0;
    case LEVEL_OPEN:
        return drained ? 0 : e->weight;
    case LEVEL_OPEN_ZERO:
        return !drained && e->weight == 0;
    case LEVEL_OPEN_DRAINED:
        return drained ? (e->weight ? e->weight : 1) : 0;
    }
    return 0;
}

/* The group that starts at first: where it ends. */
static inline uint16_t group_end(const struct choice *c, uint16_t first)
{
    uint16_t end = (uint16_t)(first + 1);
    while (end < c->row_n && !(c->row[end] & STEER_GROUP))
        end++;
    return end;
}

/* ------------------------------------------------------------------------- picking one endpoint */

static inline bool allowed(const struct choice *c, const struct steer_site *s)
{
    return (c->client->allowed >> s->region & 1) != 0;
}

static inline uint64_t random_below(struct rng *rng, uint64_t n)
{
    return (uint64_t)(((__uint128_t)rng_next(rng) * n) >> 64);
}

/* Calls for each endpoint of the right family in items [first, end) that counts at the level. */
#define EACH_CANDIDATE(c, from, end, level, ...)                                                   \
    for (uint16_t item_ = (from); item_ < (end); item_++) {                                        \
        const struct steer_site *site = site_of((c), (c)->row[item_]);                             \
        if (!allowed((c), site) || ((level) == LEVEL_GUEST && !admits((c), site->region)))         \
            continue;                                                                              \
        struct bound bound_ = site_bound((c), site);                                               \
        for (uint32_t i = site->first, e_ = i + site->endpoint_n; i < e_; i++) {                   \
            const struct steer_endpoint *e = &(c)->endpoint[i];                                    \
            if (e->family != (c)->family)                                                          \
                continue;                                                                          \
            struct bound b = endpoint_bound((c), i, bound_);                                       \
            uint64_t weight = level_weight(e, b, (level));                                         \
            if (weight == 0)                                                                       \
                continue;                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static uint32_t pick_weighted(const struct choice *c, uint16_t first, uint16_t end,
                              enum level level)
{
    uint64_t total = 0;
    uint32_t n = 0, found = STEER_NONE;
    EACH_CANDIDATE(c, first, end, level, {
        total += weight;
        found = i;
        n++;
    })
    if (n <= 1)
        return found;
    uint64_t at = random_below(c->client->rng, total);
    EACH_CANDIDATE(c, first, end, level, {
        if (at < weight)
            return i;
        at -= weight;
    })
    return found; /* the board moved between the two passes: the last candidate is as good */
}

/* The best so far by rendezvous: the smallest cost/weight, compared without dividing. */
struct best {
    uint32_t index;
    uint64_t cost, weight;
};

static inline void consider(struct best *best, uint32_t index, uint64_t cost, uint64_t weight)
{
    if (best->index == STEER_NONE ||
        (__uint128_t)cost * best->weight < (__uint128_t)best->cost * weight)
        *best = (struct best){index, cost, weight};
}

/* What a region weighs against others: its full weight, so that A and AAAA agree and one dead
 * endpoint does not move the region's clients; where nothing is at 1, weight x availability, the
 * larger of the families' sums for the same reason. */
static uint64_t site_weight(const struct choice *c, const struct steer_site *s, enum level level)
{
    if (level != LEVEL_PARTIAL)
        return s->weight ? s->weight : 1;
    uint64_t sum[3] = {0};
    struct bound sb = site_bound(c, s);
    for (uint32_t i = s->first; i < (uint32_t)s->first + s->endpoint_n; i++)
        sum[c->endpoint[i].family] +=
            level_weight(&c->endpoint[i], endpoint_bound(c, i, sb), level);
    uint64_t top = sum[0] > sum[1] ? sum[0] : sum[1];
    return top > sum[2] ? top : sum[2];
}

/* The region first. */
static uint16_t sticky_item(const struct choice *c, uint16_t first, uint16_t end, enum level level)
{
    struct best best = {.index = STEER_NONE};
    for (uint16_t item = first; item < end; item++) {
        bool counts = false;
        const struct steer_site *s = site_of(c, c->row[item]);
        EACH_CANDIDATE(c, item, item + 1, level, { counts = true; })
        if (!counts)
            continue;
        if (best.index != STEER_NONE)
            c->plan->hashed = true;
        consider(&best, item, steer_rendezvous_cost(client_hash(c), c->t->region_hash[s->region]),
                 site_weight(c, s, level));
    }
    return (uint16_t)(best.index == STEER_NONE ? end : best.index);
}

static uint32_t pick_sticky(const struct choice *c, uint16_t first, uint16_t end, enum level level)
{
    uint16_t item = sticky_item(c, first, end, level);
    if (item == end)
        return STEER_NONE;
    struct best best = {.index = STEER_NONE};
    EACH_CANDIDATE(c, item, item + 1, level, {
        if (best.index != STEER_NONE)
            c->plan->hashed = true;
        consider(&best, i, steer_rendezvous_cost(client_hash(c), hash_of(c, i)), weight);
    })
    return best.index;
}

static uint32_t pick(const struct choice *c, uint16_t first, uint16_t end, enum level level)
{
    return c->svc->chooser == STEP_STICKY ? pick_sticky(c, first, end, level)
                                          : pick_weighted(c, first, end, level);
}

/* ----------------------------------------------------------------------------------- the groups */

/* The first group that has one at this level. */
static uint32_t pick_by_group(const struct choice *c, enum level level, struct group *where)
{
    for (uint16_t first = 0, end; first < c->row_n; first = end) {
        end = group_end(c, first);
        uint32_t e = pick(c, first, end, level);
        if (e != STEER_NONE) {
            *where = (struct group){first, end};
            return e;
        }
    }
    return STEER_NONE;
}

/* The first group with a candidate at the level, without choosing one. */
static bool group_with(const struct choice *c, enum level level, struct group *out)
{
    for (uint16_t first = 0, end; first < c->row_n; first = end) {
        end = group_end(c, first);
        EACH_CANDIDATE(c, first, end, level, {
            out->first = first;
            out->end = end;
            return true;
        })
    }
    return false;
}

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
        EACH_CANDIDATE(c, first, end, LEVEL_FULL, {
            uint32_t admit = admission(c, site->region);
            if (admit > 0 && admit < STEER_ADMIT_FULL)
                return true;
            sure |= admit == STEER_ADMIT_FULL;
        })
        if (sure)
            return false;
    }
    return false;
}

/* Is any member of the group between 0 and 1? Then who stays is a matter of the client's hash. */
static bool any_fraction(const struct choice *c, struct group g, bool *away)
{
    bool fraction = false;
    *away = false;
    EACH_CANDIDATE(c, g.first, g.end, LEVEL_PLACE, {
        uint32_t avail = effective(b);
        fraction |= avail > 0 && avail < AVAIL_FULL;
        *away |= avail < AVAIL_FULL;
    })
    return fraction;
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

/* Where a client is placed. */
struct home {
    uint32_t endpoint, avail; /* effective */
    uint8_t region;
    bool fraction; /* a member of the group is between 0 and 1 */
    bool away;     /* a member of the group is below 1 */
};

#define PLACE_MAX 16 /* members of a group that are looked at once */

/* A group in one pass, as pick_weighted and any_fraction see it in three. More members than fit: how
 * many there are is all that comes of it. */
static uint32_t place_weighted(const struct choice *c, struct group g, struct home *out)
{
    struct member {
        uint32_t endpoint, avail, weight;
        uint8_t region;
    } member[PLACE_MAX];
    uint64_t total = 0;
    uint32_t n = 0;
    out->fraction = out->away = false;
    EACH_CANDIDATE(c, g.first, g.end, LEVEL_PLACE, {
        uint32_t avail = effective(b);
        out->fraction |= avail > 0 && avail < AVAIL_FULL;
        out->away |= avail < AVAIL_FULL;
        if (n < PLACE_MAX)
            member[n] = (struct member){i, avail, (uint32_t)weight, site->region};
        total += weight;
        n++;
    })
    if (n == 0 || n > PLACE_MAX)
        return n;
    const struct member *m = member;
    if (n > 1)
        for (uint64_t at = random_below(c->client->rng, total); at >= m->weight; m++)
            at -= m->weight;
    out->endpoint = m->endpoint;
    out->avail = m->avail;
    out->region = m->region;
    return n;
}

/* The same for sticky services and large groups. */
static bool place_at_length(const struct choice *c, struct group g, struct home *out)
{
    uint32_t e = pick(c, g.first, g.end, LEVEL_PLACE);
    if (e == STEER_NONE)
        return false;
    out->endpoint = e;
    const struct steer_site *s = holder(c, e);
    out->avail = effective(endpoint_bound(c, e, site_bound(c, s)));
    out->region = s->region;
    out->fraction = any_fraction(c, g, &out->away);
    return true;
}

static bool place(const struct choice *c, struct home *out)
{
    for (uint16_t first = 0, end; first < c->row_n; first = end) {
        end = group_end(c, first);
        struct group g = {first, end};
        uint32_t n = PLACE_MAX + 1;
        if (c->svc->chooser != STEP_STICKY)
            n = place_weighted(c, g, out);
        if (n > PLACE_MAX ? place_at_length(c, g, out) : n > 0)
            return true;
    }
    return false;
}

/* Weighted and sticky: one endpoint. */
static bool choose_one(const struct choice *c)
{
    struct group where;
    struct home home;
    if (place(c, &home)) {
        bool spills = home.away && spilling(c);
        c->plan->hashed |= home.fraction || (spills && guests_hashed(c));
        if (stays(c, c->t->region_hash[home.region], home.avail))
            return answer_one(c, home.endpoint, STEER_WHY_HOME);
        if (spills && answer_one(c, pick_by_group(c, LEVEL_GUEST, &where), STEER_WHY_ADMITTED))
            return true;
        if (answer_one(c, pick_by_group(c, LEVEL_FULL, &where), STEER_WHY_MOVED))
            return true;
    }
    return answer_one(c, pick(c, 0, c->row_n, LEVEL_PARTIAL), STEER_WHY_PARTIAL) ||
           answer_one(c, pick_by_group(c, LEVEL_ZERO, &where), STEER_WHY_ZERO) ||
           answer_one(c, pick_by_group(c, LEVEL_DRAINED, &where), STEER_WHY_DRAINED);
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
    uint32_t e = pick_weighted(c, 0, c->row_n, LEVEL_PARTIAL);
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
    if (group_with(c, LEVEL_PLACE, &home)) {
        bool away, fraction = any_fraction(c, home, &away);
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
                : answer_one(c, pick_by_group(c, level, &where), STEER_WHY_FAIL_OPEN))
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

void steer_choose(const struct steer_tables *t, uint32_t service, const uint16_t *row,
                  uint16_t row_n, enum steer_family family, const struct steer_client *client,
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
    out->n = 0;
    out->hashed = false;
    out->why = STEER_WHY_NO_TYPE;
    if (!(c.svc->families >> family & 1))
        return;
    if (!(c.svc->chooser == STEP_ALL ? choose_all(&c) : choose_one(&c)))
        choose_when_empty(&c);
    if (c.svc->chooser == STEP_ALL)
        shuffle(&c);
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
