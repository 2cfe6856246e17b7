/* witness: a fall needs a success, sent after the first failure of the streak was known, from an
 * endpoint in another region; else it may be the prober that has lost its network.
 *
 *   failing ──────────> LISTED ── success elsewhere ──> WITNESSED (witness_ms)
 *                          │ fall failures                  │ fall failures
 *                          v                                v
 *                        READY ── success elsewhere ──> falls; but where other regions failed as
 *                          │                            well, one more failure is needed, sent
 *                          │                            after the witness: the network may just
 *                          │ witnesses asked have       have come back
 *                          v failed, or time is up
 *                       ISOLATED (the whole engine; one event) until none is READY any more;
 *                          the first success makes every streak that began before it begin anew
 *
 *   transition               function
 *   → LISTED                 health__witness_streak, health__witness_link
 *   LISTED → WITNESSED       health__witness_success
 *   → READY                  health__witness_try_fall
 *   → ISOLATED and back      health__witness_settle, health__witness_deadline
 *   isolated → not failing   start_anew
 *   any → out of the list    health__witness_clear
 *
 * Failures of a listed endpoint do not count in its site's error rate either; they are counted when
 * the witness comes and no other region failed meanwhile (settle_unproven).
 *
 * Lists are per region: a success is a witness for every list but its own region's, and takes each
 * endpoint out once per streak, so a sample costs O(1) amortised.
 *
 * With probed endpoints in one region only nobody could ever be a witness: there the rule does not
 * apply and the event says so. */
#include "engine_priv.h"

#include <stdio.h>

static struct region *region_of(struct health *h, const struct probed *p)
{
    return &h->region[health__region_of(h, p->endpoint)];
}

static uint32_t number(const struct health *h, const struct probed *p)
{
    return (uint32_t)(p - h->probed) + 1;
}

static void latest_add(struct latest *l, uint32_t region, int64_t at_ms)
{
    if (l->region[0] != region) {
        l->region[1] = l->region[0];
        l->at_ms[1] = l->at_ms[0];
        l->region[0] = region;
    }
    l->at_ms[0] = at_ms;
}

static int64_t latest_elsewhere(const struct latest *l, uint32_t region)
{
    return l->region[0] != region ? l->at_ms[0] : l->at_ms[1];
}

void health__witness_link(struct health *h, struct probed *p)
{
    struct region *r = region_of(h, p);
    p->listed = true;
    p->prev = 0;
    p->next = r->unwitnessed;
    if (p->next)
        h->probed[p->next - 1].prev = number(h, p);
    r->unwitnessed = number(h, p);
    h->unwitnessed_n++;
}

void health__witness_remember(struct health *h, const struct probed *p, bool ok)
{
    uint32_t own = health__region_of(h, p->endpoint);
    if (ok) {
        latest_add(&h->answered, own, h->now_ms);
        return;
    }
    latest_add(&h->failed_any, own, h->now_ms);
    if (p->observed != HEALTH_OBSERVED_DOWN)
        latest_add(&h->failed, own, h->now_ms);
}

/* Have other regions failed as well since the first probe of this streak was
 * sent? Then it may be the prober's network.
 * What is down already tells little and is left out for the error rate, but not for a fall. */
static bool network_in_doubt(const struct health *h, const struct probed *p,
                             const struct latest *failed)
{
    uint32_t own = health__region_of(h, p->endpoint);
    return h->isolated || h->isolated_until_ms >= p->first_started_ms ||
           latest_elsewhere(failed, own) >= p->first_started_ms;
}

/* The last that was heard of other regions was a failure, later than the witness: an old witness is
 * none for a network lost since. */
static bool witness_outdated(const struct health *h, const struct probed *p)
{
    uint32_t own = health__region_of(h, p->endpoint);
    int64_t failed = latest_elsewhere(&h->failed, own);
    return failed > p->witness_ms && failed >= latest_elsewhere(&h->answered, own);
}

bool health__witness_proves(const struct health *h, const struct probed *p, int64_t started_ms)
{
    if (p->witness_ms == NEVER_MS || !network_in_doubt(h, p, &h->failed))
        return true;
    return started_ms > p->witness_ms && !h->isolated && !witness_outdated(h, p);
}

static bool fall_proven(const struct health *h, const struct probed *p)
{
    if (p->witness_ms == NEVER_MS || !network_in_doubt(h, p, &h->failed_any))
        return true;
    return p->last_started_ms > p->witness_ms && !witness_outdated(h, p);
}

/* Failures that waited for a witness count in the error rate, unless the last that was heard of
 * other regions before it was a failure too. */
static void settle_unproven(struct health *h, struct probed *p)
{
    struct judged *j = health__judged(h, health__site_of(h, p->endpoint));
    uint32_t own = health__region_of(h, p->endpoint);
    bool answered = latest_elsewhere(&h->answered, own) > latest_elsewhere(&h->failed, own);
    bool episode = h->isolated || h->isolated_until_ms >= p->first_started_ms;
    bool counts = p->in_rate && (!network_in_doubt(h, p, &h->failed) || (answered && !episode));
    if (counts && p->unproven)
        health__window_roll(h, j);
    for (uint32_t i = 0; counts && i < p->unproven; i++)
        health__window_add(j, p, false);
    p->unproven = 0;
}

static void unlink_it(struct health *h, struct probed *p)
{
    settle_unproven(h, p);
    struct region *r = region_of(h, p);
    if (p->prev)
        h->probed[p->prev - 1].next = p->next;
    else
        r->unwitnessed = p->next;
    if (p->next)
        h->probed[p->next - 1].prev = p->prev;
    p->prev = p->next = 0;
    p->listed = false;
    h->unwitnessed_n--;
    if (p->ready)
        h->ready_n--;
    p->ready = false;
}

void health__witness_streak(struct health *h, struct probed *p, int64_t started_ms)
{
    p->first_started_ms = started_ms;
    p->first_fail_ms = h->now_ms;
    p->witness_ms = NEVER_MS;
    if (health__witness_possible(h, health__region_of(h, p->endpoint)) && !p->listed)
        health__witness_link(h, p);
}

bool health__witness_possible(const struct health *h, uint32_t region)
{
    return h->regions_probed_n > (h->region[region].probed_n > 0);
}

void health__witness_clear(struct health *h, struct probed *p)
{
    if (p->listed)
        unlink_it(h, p);
}

static bool good_witness(const struct probed *p)
{
    return p->observed != HEALTH_OBSERVED_DOWN && p->streak_ok;
}

/* The endpoint of region r most likely to answer: the last that did, else one of a few next to the
 * rotor that is not failing, else the one at the rotor. */
static struct probed *candidate(struct health *h, uint32_t region)
{
    struct region *r = &h->region[region];
    if (r->last_ok && good_witness(&h->probed[r->last_ok - 1]))
        return &h->probed[r->last_ok - 1];
    struct probed *any = NULL;
    uint32_t first = h->region_site_first[region], n = h->region_site_first[region + 1] - first;
    for (uint32_t tries = 0; tries < 8 && n; tries++) {
        const struct health_site_config *s = &h->cfg.site[h->region_site[first + r->rotor++ % n]];
        for (uint32_t i = 0; i < s->endpoint_n && i < 8; i++) {
            struct probed *p = health__probed(h, s->endpoint_first + i);
            if (p && p->silent)
                continue;
            if (p && good_witness(p))
                return p;
            if (p && !any)
                any = p;
        }
    }
    return any;
}

static bool witness_ask(struct health *h, uint32_t region)
{
    struct probed *p = candidate(h, region);
    if (!p || p->witness_asked)
        return false;
    int64_t at = h->now_ms + 1; /* so that it is sent later than the failure */
    /* Those who fail ask each other, again with each answer: not faster than confirmations go, or all
     * that is about to die is probed as fast as it answers. */
    if (p->streak && !p->streak_ok && at < p->last_started_ms + CONFIRM_SPACING_MS_MIN)
        at = p->last_started_ms + CONFIRM_SPACING_MS_MIN;
    p->witness_asked = true;
    p->witness_asked_ms = at - 1;
    h->region[region].witnesses_asked_n++;
    h->witnesses_asked_n++;
    health__action(h, p, at);
    return true;
}

/* Asks up to three witnesses in other regions, those first whose last answer was good. */
void health__witness_seek(struct health *h, struct probed *p)
{
    uint32_t own = health__region_of(h, p->endpoint), n = h->cfg.regions_n;
    uint32_t asked = h->witnesses_asked_n - h->region[own].witnesses_asked_n;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 1; i < n && asked < WITNESSES_ASKED; i++) {
            uint32_t r = (own + i) % n;
            uint32_t ok = h->region[r].last_ok;
            bool good = ok && good_witness(&h->probed[ok - 1]);
            if (h->region[r].probed_n && good == (pass == 0) && witness_ask(h, r))
                asked++;
        }
}

void health__witness_answered(struct health *h, struct probed *p, int64_t started_ms)
{
    if (!p->witness_asked || started_ms < p->witness_asked_ms) /* one that was under way already */
        return;
    p->witness_asked = false;
    region_of(h, p)->witnesses_asked_n--;
    h->witnesses_asked_n--;
}

static uint32_t deadline_item(const struct health *h)
{
    return h->items_n - 1;
}

/* Regions come back one by one: what failed before the first answer of an isolated episode says
 * nothing of what is behind the network, and a single failure after it little. */
static bool start_anew(struct health *h, struct probed *p)
{
    if (p->first_started_ms > h->isolated_answer_ms || p->observed == HEALTH_OBSERVED_DOWN)
        return false;
    p->streak = 0;
    health__endpoint_confirm(h, p, h->now_ms + 1);
    return true;
}

void health__witness_try_fall(struct health *h, struct probed *p)
{
    uint32_t fall = health_probe_of(&h->cfg, p->endpoint)->fall;
    if (p->streak < fall || p->observed == HEALTH_OBSERVED_DOWN)
        return;
    if (!p->listed) {
        if (start_anew(h, p))
            return;
        if (fall > 1 && !fall_proven(h, p)) {
            if (p->last_started_ms <= p->witness_ms)
                health__endpoint_confirm(h, p, h->now_ms + 1);
            return;
        }
        health__endpoint_fall(h, p);
        return;
    }
    if (!p->ready) {
        p->ready = true;
        if (h->ready_n++ == 0)
            health__timer_set(h, deadline_item(h), h->now_ms + h->timeout_ms_max + 1000);
    }
    if (!h->isolated)
        health__witness_seek(h, p);
}

/* A success: every endpoint elsewhere that failed before it was sent has its witness now. */
void health__witness_success(struct health *h, struct probed *p, int64_t started_ms)
{
    uint32_t own = health__region_of(h, p->endpoint);
    h->region[own].last_ok = number(h, p);
    if (h->isolated && h->isolated_answer_ms < h->isolated_since_ms)
        h->isolated_answer_ms = h->now_ms;
    for (uint32_t r = 0; h->unwitnessed_n && r < h->cfg.regions_n; r++) {
        uint32_t next = r == own ? 0 : h->region[r].unwitnessed;
        while (next) {
            struct probed *q = &h->probed[next - 1];
            next = q->next;
            if (q->first_fail_ms >= started_ms)
                continue;
            bool ready = q->ready;
            q->witness_ms = started_ms;
            unlink_it(h, q);
            if (!start_anew(h, q) && ready)
                health__witness_try_fall(h, q);
            health__endpoint_judge(h, q->endpoint);
            health__site_judge(h, health__site_of(h, q->endpoint));
        }
    }
    health__witness_settle(h, h->cfg.endpoint[p->endpoint].address);
}

static struct probed *first_ready(struct health *h)
{
    for (uint32_t r = 0; r < h->cfg.regions_n; r++)
        for (uint32_t i = h->region[r].unwitnessed; i; i = h->probed[i - 1].next)
            if (h->probed[i - 1].ready)
                return &h->probed[i - 1];
    return NULL;
}

static void isolate(struct health *h)
{
    const struct probed *p = first_ready(h);
    CHECK(p != NULL);
    h->isolated = true;
    h->isolated_since_ms = h->now_ms;
    struct health_event *e = health__event(
        h, HEALTH_EVENT_ISOLATED, LOG_WARN, health__place_endpoint(h, p->endpoint), RULE_WITNESS,
        "isolated %s rule=witness cause=\"%u failures in a row, and no success from another region "
        "since the first\" effect=\"nothing moves\"",
        h->cfg.endpoint[p->endpoint].address, p->streak);
    health__event_moves(e, p->m.avail, p->m.avail);
    e->failed = e->judged = p->streak;
}

/* Begins and ends the isolated episode as the facts have it. who answered, NULL: nobody did. */
void health__witness_settle(struct health *h, const char *who)
{
    if (h->ready_n == 0) {
        health__timer_set(h, deadline_item(h), NEVER_MS);
        if (!h->isolated)
            return;
        h->isolated = false;
        h->isolated_until_ms = h->now_ms;
        health__reports_resume(h);
        health__event(h, HEALTH_EVENT_ISOLATED, LOG_NOTICE,
                      (struct place){HEALTH_NONE, HEALTH_NONE, HEALTH_NONE}, RULE_WITNESS,
                      "isolated -> over rule=witness cause=\"%s answers\" lasted=%llds",
                      who ? who : "nobody waits any more",
                      (long long)((h->now_ms - h->isolated_since_ms) / 1000));
    } else if (!h->isolated && h->witnesses_asked_n == 0) {
        isolate(h);
    }
}

/* The witnesses were asked, and the prober never came back with anything. */
void health__witness_deadline(struct health *h)
{
    health__timer_set(h, deadline_item(h), NEVER_MS);
    if (h->ready_n && !h->isolated)
        isolate(h);
}
