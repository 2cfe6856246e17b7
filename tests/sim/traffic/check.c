/* What must hold of Meridian's answers, judged from the answers and the board alone. */
#include "meridian.h"

#include <string.h>

#define EVERY_S 30 /* also where nothing changed */

struct seen { /* of one asker, and of availabilities, when last looked at */
    int region;
    bool guests;                    /* somebody took guests then */
    uint32_t away_most, home_least; /* availability of its home when it was away, and at home */
};

static struct { /* one run at a time */
    struct seen asker[ASKERS_MAX];
    uint32_t avail[REGIONS_MAX];
    bool plain[REGIONS_MAX]; /* no endpoint has a word of its own */
    uint32_t admits[REGIONS_MAX];
    uint32_t part[REGIONS_MAX][2]; /* of its own clients, as guests; [1] where there are fences */
    bool eased;
    bool admission; /* regions admit more or fewer than when last looked at */
} last;

static void begin(struct run *r)
{
    memset(&last, 0, sizeof last);
    for (int i = 0; i < r->w->askers; i++)
        last.asker[i] = (struct seen){.region = NOWHERE, .home_least = UINT32_MAX};
}

static bool eligible(const struct class *c, int region)
{
    for (int i = 0; i < c->order_n; i++)
        if (c->order[i] == region)
            return true;
    return false;
}

/* Is anybody there to take guests? Else steering goes over all that is left (docs/steering.md). */
static bool hosts(const struct run *r, const struct class *c)
{
    int n = r->w->fenced && c->fenced ? c->order_n : r->w->regions;
    for (int i = 0; i < n; i++) {
        int at = n == c->order_n ? c->order[i] : i;
        if (last.avail[at] == AVAIL_FULL && last.plain[at])
            return true;
    }
    return false;
}

/* Somebody moves only because of his home, the region that he leaves or the one that he goes to; a
 * guest also because of what regions have room for. */
static void check_cause(struct run *r, int asker, int to, const bool *changed)
{
    const struct class *c = &r->w->class[r->w->asker[asker].class];
    int from = last.asker[asker].region;
    if (from == NOWHERE || from == to || changed[from] || changed[to] || changed[c->home])
        return;
    if (last.admission && from != c->home && to != c->home)
        return;
    run_fail(r, "asker %d moved from r%d to r%d, and neither has changed", asker, from, to);
}

/* Who left last comes back first: at a higher availability nobody is away who stayed at a lower. */
static void check_order(struct run *r, int asker, int at, int home, uint32_t avail)
{
    struct seen *s = &last.asker[asker];
    if (at == home && avail < s->home_least)
        s->home_least = avail;
    if (at != home && avail > s->away_most)
        s->away_most = avail;
    if (s->away_most >= s->home_least)
        run_fail(r, "asker %d was away from r%d at %.3f and at home at %.3f", asker, home,
                 avail_to_double(s->away_most), avail_to_double(s->home_least));
}

static uint32_t at_home(const struct class *c, bool fenced)
{
    uint32_t part = last.part[c->home][fenced];
    return part > last.avail[c->home] ? part : last.avail[c->home];
}

static void check_asker(struct run *r, struct meridian *m, int i, const bool *changed)
{
    const struct class *c = &r->w->class[r->w->asker[i].class];
    struct answer a = meridian_ask(m, r->w, i), again = meridian_ask(m, r->w, i);
    if (a.region == NOWHERE || a.region >= r->w->regions) {
        run_fail(r, "asker %d has no answer", i);
        return;
    }
    if (a.region != again.region || a.endpoint != again.endpoint)
        run_fail(r, "asker %d has two answers", i);
    if (r->w->fenced && c->fenced && !eligible(c, a.region))
        run_fail(r, "asker %d is sent to r%d, beyond its fence", i, a.region);
    bool guests = hosts(r, c);
    if (guests && last.asker[i].guests)
        check_cause(r, i, a.region, changed);
    last.asker[i].guests = guests;
    if (guests && last.plain[c->home])
        check_order(r, i, a.region, c->home, at_home(c, r->w->fenced));
    last.asker[i].region = a.region;
}

void check_second(struct run *r)
{
    struct meridian *m = r->state;
    bool changed[REGIONS_MAX];
    if (r->now == 0)
        begin(r);
    if (!m->changed && r->now % EVERY_S)
        return;
    bool eased = meridian_eased(m);
    last.admission = eased != last.eased;
    last.eased = eased;
    for (int i = 0; i < r->w->regions; i++) {
        uint32_t avail, admits = meridian_admits(m, i);
        last.admission |= admits != last.admits[i];
        last.admits[i] = admits;
        bool plain = meridian_region_avail(m, r->w, i, &avail);
        changed[i] = avail != last.avail[i] || plain != last.plain[i] || !plain;
        for (int k = 0; k < 2; k++) {
            uint32_t part = avail_from_double(meridian_eased_part(m, r->w, i, k));
            changed[i] |= part != last.part[i][k];
            last.part[i][k] = part;
        }
        last.avail[i] = avail;
        last.plain[i] = plain;
    }
    for (int i = 0; i < r->w->askers && !r->failure[0]; i++)
        check_asker(r, m, i, changed);
}
