/* What regions admit of guests: published where it has changed enough, said, and told the engine. */
#include "signal_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CROWDED_UNTIL 0.9 /* of the capacity */
#define TOO_MANY 1.06     /* of what a region is filled up to */
#define AGAIN_TTLS 2      /* until clients have followed, and have been reported */

static void say(struct signal_capacity *c, int64_t wall_ms, uint32_t region, enum log_level level,
                const char *text)
{
    if (c->events_n == EVENTS_CAP)
        return; /* one a region and one of overload, taken after each look */
    struct health_event *e = &c->event[c->events_n++];
    *e = (struct health_event){.kind = HEALTH_EVENT_SPILL,
                               .level = level,
                               .wall_ms = wall_ms,
                               .service = HEALTH_NONE,
                               .region = region,
                               .endpoint = HEALTH_NONE,
                               .rule = "capacity"};
    snprintf(e->text, sizeof e->text, "%s", text);
}

/* Does anybody pass by who might ask to be admitted? Without, there is nothing to refuse. */
static void passers_by(const struct signal_capacity *c, bool out[2][R])
{
    for (uint32_t i = 0; i < c->flows_n; i++) {
        const struct fill_flow *f = &c->fill[i];
        double share[R], own[R], away = 1;
        fill_spread(f, NULL, NULL, share, own);
        for (uint32_t r = 0; r < R; r++)
            away -= own[r];
        for (uint16_t k = 0; away > 1e-6 && f->demand > 0 && k < f->row_n; k++)
            out[f->fenced][f->unit[f->row[k] & STEER_UNIT].region] = true;
    }
}

/* Does more come to a region than it was meant to have, under what is published, or than it was found to
 * carry? In an overload there is nothing to spare: what one has less others have more. */
static bool too_many(const struct signal_capacity *c, bool passes[2][R], uint32_t r)
{
    double ceiling = 1 - c->region[r].shut;
    for (int k = 0; k < 2; k++)
        if (c->of[r].ceiling < 1 && passes[k][r] && c->planned.admit[k][r] <= ceiling &&
            c->admit[k][r] > ceiling)
            return true;
    double level = c->planned.level[r];
    double most = level * c->region[r].capacity * (level > 1 + SOME ? 1 + SOME : TOO_MANY);
    return c->region[r].capacity > 0 && signal__expected(c, c->to, r) > most;
}

/* Fewer guests where there are too many. Whom one refuses go to others, so until none has. */
static void lower(struct signal_capacity *c, bool passes[2][R])
{
    bool moved = true;
    for (uint32_t round = 0; moved && round < R; round++) {
        moved = false;
        for (uint32_t r = 0; r < c->s->regions_n; r++)
            for (int k = 0; too_many(c, passes, r) && k < 2; k++) {
                double want = c->planned.admit[k][r];
                if (passes[k][r] && want < c->admit[k][r]) {
                    c->admit[k][r] = want;
                    moved = true;
                }
            }
        if (moved)
            signal__measure_ways(c);
    }
}

static bool worth_it(double is, double want, double band)
{
    return want > is && (want >= 1 || want >= is + band);
}

/* More guests where a region is below the low mark, and then not soon again; anywhere while another one
 * has too many. */
static void raise(struct signal_capacity *c, bool passes[2][R], int64_t now_ms)
{
    bool crowd = c->refuses, soon = now_ms < c->again_ms;
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        crowd |= too_many(c, passes, r);
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        double low = (double)c->s->model->regions[r].capacity * (2 * c->aim - c->high);
        bool may =
            crowd || c->in_ms[r] != INT64_MIN || (!soon && signal__expected(c, c->to, r) < low);
        for (int k = 0; k < 2; k++) {
            double want = c->planned.admit[k][r];
            if (!passes[k][r] || c->region[r].capacity <= 0)
                c->admit[k][r] = 1;
            else if (may &&
                     worth_it(c->admit[k][r], want, crowd ? c->dead_band / 10 : c->dead_band))
                c->admit[k][r] = want;
        }
    }
}

static uint32_t admit_word(double free_part, double fenced_part)
{
    return (uint32_t)(fenced_part * STEER_ADMIT_FULL) << 16 |
           (uint32_t)(free_part * STEER_ADMIT_FULL);
}

static void say_spill(struct signal_capacity *c, uint32_t r, const double was[2], int64_t wall_ms)
{
    char text[HEALTH_TEXT_MAX * 2], fenced[48] = "", level[24] = "";
    double capacity = (double)c->s->model->regions[r].capacity;
    if (was[1] != c->admit[1][r] && (c->admit[1][r] != c->admit[0][r] || was[1] != was[0]))
        snprintf(fenced, sizeof fenced, " fenced=\"%.2f -> %.2f\"", was[1], c->admit[1][r]);
    if (c->planned.level[r] > 1 + SOME)
        snprintf(level, sizeof level, " overload=%.2f", c->planned.level[r]);
    snprintf(text, sizeof text,
             "spill %.2f -> %.2f%s rule=capacity cause=\"%.0f of its own, guests up to %.0f of "
             "%.0f\" expected=%.1f%%%s",
             was[0], c->admit[0][r], fenced, c->planned.own[r],
             c->region[r].capacity * c->planned.level[r], capacity,
             100 * (c->planned.own[r] + c->planned.guests[r]) / capacity, level);
    say(c, wall_ms, r, LOG_NOTICE, text);
}

static void say_overload(struct signal_capacity *c, int64_t wall_ms)
{
    char text[HEALTH_TEXT_MAX];
    double level = 1;
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        if (c->planned.level[r] > level)
            level = c->planned.level[r];
    if (level <= 1 + SOME)
        level = 1;
    if (level == c->level_said ||
        (level > 1 && c->level_said > 1 && fabs(level - c->level_said) < c->dead_band))
        return;
    if (level > 1)
        snprintf(text, sizeof text,
                 "overload %.2f rule=capacity cause=\"more is asked for than regions can carry\" "
                 "effect=\"spread evenly, up to %.0f%% of each\"",
                 level, 100 * level * c->aim);
    else
        snprintf(text, sizeof text, "overload -> over rule=capacity");
    c->level_said = level;
    say(c, wall_ms, HEALTH_NONE, LOG_WARN, text);
}

static void say_pressure(struct signal_capacity *c, int64_t wall_ms)
{
    char text[HEALTH_TEXT_MAX];
    if (c->eased == c->pressure_said)
        return;
    c->pressure_said = c->eased;
    if (c->eased)
        snprintf(text, sizeof text,
                 "pressure %.2f rule=capacity cause=\"regions at 1 would be filled up to %.0f%%\" "
                 "effect=\"regions below 1 admit guests, too, in part\"",
                 c->pressure, 100 * c->pressure);
    else
        snprintf(text, sizeof text, "pressure -> over rule=capacity");
    say(c, wall_ms, HEALTH_NONE, LOG_NOTICE, text);
}

bool signal__publish(struct signal_capacity *c, int64_t now_ms, int64_t wall_ms)
{
    bool passes[2][R] = {{false}}, changed = false;
    double before[2][R];
    memcpy(before, c->admit, sizeof before);
    if (c->active)
        passers_by(c, passes);
    signal__measure_ways(c);
    changed |= snapshot_spill_ease(&c->s->steer.board, c->eased);
    lower(c, passes);
    raise(c, passes, now_ms);
    c->refuses = false;
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        double was[2] = {before[0][r], before[1][r]};
        snapshot_spill_set(&c->s->steer.board, r, admit_word(c->admit[0][r], c->admit[1][r]));
        if (was[0] == c->admit[0][r] && was[1] == c->admit[1][r])
            continue;
        changed = true;
        say_spill(c, r, was, wall_ms);
    }
    if (changed)
        c->again_ms = now_ms + (int64_t)(AGAIN_TTLS * c->ttl_ms);
    say_pressure(c, wall_ms);
    say_overload(c, wall_ms);
    return changed;
}

/* Has nobody room for those who live in a region? For each of its flows, all that is open is as full as
 * it can be. Once so, it is until a tenth is free again. */
static void find_crowded(struct signal_capacity *c)
{
    bool roomy[R] = {false};
    for (uint32_t i = 0; i < c->flows_n; i++) {
        const struct fill_flow *f = &c->fill[i];
        double most = c->crowded[c->flow[i].region] ? CROWDED_UNTIL : 1;
        for (uint16_t k = 0; f->demand > 0 && k < f->row_n; k++) {
            const struct fill_unit *u = &f->unit[f->row[k] & STEER_UNIT];
            bool room =
                c->region[u->region].capacity <= 0 || c->planned.level[u->region] * c->aim <= most;
            roomy[c->flow[i].region] |= u->open > 0 && u->weight > 0 && room;
        }
    }
    for (uint32_t r = 0; r < c->s->regions_n; r++)
        c->crowded[r] = c->active && !roomy[r];
}

/* Guests leave before a region sheds its own clients; in overload none sheds below what an even
 * level leaves it, or all of them would shed in turn. */
void signal__tell_engine(struct signal_capacity *c, struct health *h)
{
    find_crowded(c);
    for (uint32_t r = 0; r < c->s->regions_n; r++) {
        double own = c->of[r].demand * c->to[r][r], floor = 0, demand = c->of[r].demand;
        bool guests = c->active && c->admit[0][r] + c->admit[1][r] > 0 &&
                      signal__expected(c, c->to, r) - own > SOME * c->region[r].capacity;
        if (c->follow[r][r] > KNOWN_FROM && c->of[r].reported / c->follow[r][r] > demand)
            demand = c->of[r].reported / c->follow[r][r]; /* the estimate is smoothed */
        if (c->active && c->planned.level[r] > 1 + SOME && demand > 0)
            floor = c->region[r].capacity * c->planned.level[r] / demand;
        health_region_crowded(h, r, c->crowded[r]);
        health_region_carries(h, r, guests, avail_from_double(floor < 1 ? floor : 1));
    }
}
