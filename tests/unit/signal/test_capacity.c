/* The loop closed: clients with caches ask the answer path, regions report the load that they make,
 * the engine and the capacities decide, the board is written, clients ask again. */
#include "lab.h"

#include "base/check.h"
#include "signal/capacity.h"
#include "signal/wiring.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGIONS 4u
#define CLIENTS 6000u
#define STEP_MS 10000
#define TTL_STEPS 2u /* 20 s */

struct loop {
    struct lab lab;
    struct signal_config *config;
    struct health *h;
    struct signal_capacity *capacity;
    int64_t now_ms;
    uint8_t at[CLIENTS];
    uint32_t moves[CLIENTS];
    double demand[CLIENTS], load[REGIONS], size[REGIONS];
    bool down[REGIONS], silent;
    uint32_t unreached; /* by the prober; REGIONS: all are */
    double
        heavy; /* those who come to the last region ask for so many times what is reckoned; 0: 1 */
    double lumps; /* and for so much of its capacity more than that */
    uint32_t steps;
    char said[8000];
};

static const char *const names[REGIONS] = {"r0", "r1", "r2", "r3"};

static void append(char **at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void append(char **at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    *at += vsprintf(*at, fmt, ap);
    va_end(ap);
}

static bool last_is_nobodys_home, last_is_small, probed;

/* Eight blocks of client networks, each with an order of its own. */
static void begin(struct loop *x, struct rng *rng, double asked)
{
    static char json[6000];
    char *at = json;
    memset(x, 0, sizeof *x);
    x->unreached = REGIONS;
    append(&at, "{'settings':{'hold':'30s'}," LAB_ZONE "%s'regions':[",
           probed ? "'probes':[{'name':'p','type':'tcp','interval':'5s','timeout':'2s','port':80}],"
                  : "");
    for (uint32_t r = 0; r < REGIONS; r++) {
        x->size[r] = 500 + rng_below(rng, 1500);
        if (r == REGIONS - 1 && last_is_small)
            x->size[r] = 100;
        append(&at, "%s{'name':'%s','capacity':%.0f}", r ? "," : "", names[r], x->size[r]);
    }
    append(&at, "],'maps':[{'name':'m','rules':[");
    for (uint32_t block = 0; block < 8; block++) {
        uint32_t order[REGIONS] = {0, 1, 2, 3};
        for (uint32_t i = REGIONS; i > 1; i--) {
            uint32_t j = rng_below(rng, i), t = order[i - 1];
            order[i - 1] = order[j];
            order[j] = t;
        }
        if (block < REGIONS) { /* each is home to somebody */
            for (uint32_t i = 0; i < REGIONS; i++)
                if (order[i] == block)
                    order[i] = order[0];
            order[0] = block;
        }
        if (last_is_nobodys_home && order[0] == REGIONS - 1) {
            order[0] = order[1];
            order[1] = REGIONS - 1;
        }
        if (block == 7)
            append(&at, "{'where':'default");
        else
            append(&at, "{'where':'net:%u.0.0.0/3", block * 32);
        append(&at, "','regions':['%s','%s','%s','%s']}%s", names[order[0]], names[order[1]],
               names[order[2]], names[order[3]], block == 7 ? "" : ",");
    }
    append(&at,
           "]}],'services':[{'name':'w.g.test','policy':'geo','map':'m','ttl':20,%s'endpoints':[",
           probed ? "'probe':'p'," : "");
    for (uint32_t r = 0; r < REGIONS; r++)
        append(&at, "%s{'region':'%s','address':'192.0.2.%u'}", r ? "," : "", names[r], r + 1);
    append(&at, "]}]}");
    lab_open(&x->lab, json);
    x->config = signal_config_create(x->lab.s);
    x->now_ms = 1000;
    CHECK(x->config &&
          health_create(signal_config_engine(x->config), x->now_ms, 1, &x->h) == ERR_OK);
    x->capacity = signal_capacity_create(x->lab.s, NULL);
    CHECK(x->capacity);
    (void)signal_board_follow(x->h, x->lab.s);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct ip_prefix net = lab_client(i);
        x->at[i] = (uint8_t)lab_region_of(&x->lab, lab_pick_net(&x->lab, "w.g.test", &net, 1));
        x->load[x->at[i]]++;
    }
    /* What each client asks for, so that its home is as full as all together are, more or less. */
    for (uint32_t i = 0; i < CLIENTS; i++)
        x->demand[i] = asked * x->size[x->at[i]] / x->load[x->at[i]];
}

/* What a database or counted queries would tell: how clients are spread over the classes. */
static void weigh(struct loop *x)
{
    static double by_class[64];
    memset(by_class, 0, sizeof by_class);
    assert_true(x->lab.s->views_n == 1 && x->lab.s->views[0]->rows_n <= 64);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct ip_prefix net = lab_client(i);
        by_class[geo_view_lookup(x->lab.s->views[0]->map, &net.ip).class] += x->demand[i];
    }
    assert_int_equal(signal_capacity_weigh(x->capacity, 0, 1, by_class), ERR_OK);
}

static void end(struct loop *x)
{
    signal_capacity_destroy(&x->capacity);
    health_destroy(&x->h);
    signal_config_destroy(&x->config);
    lab_close(&x->lab);
}

static void settle(struct loop *x)
{
    struct health_event e[8];
    bool moved = signal_board_follow(x->h, x->lab.s);
    if (moved || signal_capacity_due(x->capacity, x->h))
        signal_capacity_look(x->capacity, x->h, x->now_ms, 1);
    while (health_take_events(x->h, e, 8) == 8)
        ;
    for (size_t n = 8; n == 8;) {
        n = signal_capacity_events(x->capacity, e, 8);
        for (size_t i = 0; i < n; i++)
            if (strlen(x->said) + strlen(e[i].text) + 8 < sizeof x->said)
                sprintf(x->said + strlen(x->said), "[%u] %s\n", e[i].region, e[i].text);
    }
}

static void take(struct loop *x, uint32_t region, enum health_override word)
{
    struct health_order o = {.state = word, .author = "test", .reason = "test"};
    x->down[region] = word == HEALTH_DOWN;
    health_order_region(x->h, region, &o, x->now_ms, 1);
    settle(x);
}

/* A person keeps a part of its clients there. */
static void drain(struct loop *x, uint32_t region, double part)
{
    struct health_order o = {
        .state = HEALTH_DRAIN, .to = avail_from_double(part), .author = "test", .reason = "test"};
    health_order_region(x->h, region, &o, x->now_ms, 1);
}

/* One probe of each region. */
static void probe(struct loop *x)
{
    x->now_ms += 1000;
    for (uint32_t e = 0; probed && e < x->lab.s->endpoints_n; e++) {
        uint32_t r = x->lab.s->board_site_region[snapshot_board_site(x->lab.s, 0, e)];
        struct health_sample s = {.endpoint = e,
                                  .ok = r != x->unreached,
                                  .started_ms = x->now_ms,
                                  .now_ms = x->now_ms,
                                  .wall_ms = 1};
        health_sample(x->h, &s);
    }
    settle(x);
}

static void step(struct loop *x)
{
    probe(x);
    x->now_ms -= 1000;
    x->now_ms += STEP_MS;
    x->steps++;
    health_advance(x->h, x->now_ms, 1);
    settle(x);
    memset(x->load, 0, sizeof x->load);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        if (i % TTL_STEPS == x->steps % TTL_STEPS) {
            struct ip_prefix net = lab_client(i);
            uint8_t now =
                (uint8_t)lab_region_of(&x->lab, lab_pick_net(&x->lab, "w.g.test", &net, 1));
            x->moves[i] += now != x->at[i];
            x->at[i] = now;
        }
        x->load[x->at[i]] +=
            x->demand[i] * (x->at[i] == REGIONS - 1 && x->heavy > 0 ? x->heavy : 1);
    }
    x->load[REGIONS - 1] += x->lumps * x->size[REGIONS - 1];
    for (uint32_t r = 0; r < REGIONS && !x->silent; r++) {
        struct health_report report = {.region = r,
                                       .site = HEALTH_NONE,
                                       .endpoint = HEALTH_NONE,
                                       .source = "lb",
                                       .ok = probed ? (uint64_t)x->load[r] : 0,
                                       .has_load = true,
                                       .utilisation = x->load[r] / x->size[r],
                                       .now_ms = x->now_ms,
                                       .wall_ms = 1};
        if (x->down[r])
            continue;
        CHECK(health_report(x->h, &report) == ERR_OK);
        settle(x);
    }
}

static double used(const struct loop *x, uint32_t r)
{
    return x->load[r] / x->size[r];
}

static double still_there(const struct loop *x)
{
    double sum = 0;
    for (uint32_t r = 0; r < REGIONS; r++)
        sum += x->down[r] ? 0 : x->size[r];
    return sum;
}

static double asked(const struct loop *x)
{
    double sum = 0;
    for (uint32_t i = 0; i < CLIENTS; i++)
        sum += x->demand[i];
    return sum;
}

#define WORLDS 12

/* One of four fails: the worst utilisation after half a minute, and at the end. */
static void lose_one(struct loop *x, struct rng *rng, int world, bool weighed, double most)
{
    static uint8_t before[CLIENTS];
    for (int k = 0; k < 6; k++)
        step(x);
    memcpy(before, x->at, sizeof before);
    memset(x->moves, 0, sizeof x->moves);
    uint32_t gone = rng_below(rng, REGIONS);
    take(x, gone, HEALTH_DOWN);
    bool room = asked(x) < 0.78 * still_there(x);
    double worst = 0;
    for (int k = 0; k < 60; k++) {
        step(x);
        for (uint32_t r = 0; k > (weighed ? 2 : 30) && r < REGIONS; r++)
            worst = fmax(worst, x->down[r] ? 0 : used(x, r));
    }
    if (room && worst > most)
        fail_msg("world %d: one is at %.3f, asked for is %.3f\n%s", world, worst,
                 asked(x) / still_there(x), x->said);
    uint32_t often = 0;
    for (uint32_t k = 0; k < CLIENTS; k++)
        often += x->moves[k] > 1;
    if (weighed && often > CLIENTS / 25)
        fail_msg("world %d: %u client networks moved more than once\n%s", world, often, x->said);
    for (uint32_t r = 0; r < REGIONS; r++)
        if (!x->down[r]) /* nobody had to shed its own */
            assert_int_equal(health_region_word(x->h, r), AVAIL_FULL);
    take(x, gone, HEALTH_AUTO);
    for (int k = 0; k < 30; k++)
        step(x);
    assert_memory_equal(before, x->at, sizeof before); /* all are back where they were */
}

static void none_is_run_over_while_another_has_room(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, lab_seed());
    for (int i = 0; i < WORLDS; i++) {
        static struct loop x;
        begin(&x, &rng, 0.45 + rng_unit(&rng) / 10);
        weigh(&x);
        lose_one(&x, &rng, i, true, 0.86);
        end(&x);
    }
}

/* Where clients are is not known, or not as it is: what regions report sets it right in the end. */
static void wrong_weights_are_set_right_by_what_is_reported(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, lab_seed());
    for (int i = 0; i < WORLDS; i++) {
        static struct loop x;
        begin(&x, &rng, 0.45 + rng_unit(&rng) / 10);
        lose_one(&x, &rng, i, false, 0.9);
        end(&x);
    }
}

/* A region that is nobody's home has guests alone to learn from, and they are not those reckoned with. */
static void heavy_guests_are_found_where_nobody_is_at_home(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, lab_seed());
    last_is_nobodys_home = true;
    for (int i = 0; i < WORLDS; i++) {
        static struct loop x;
        begin(&x, &rng, 0.6);
        x.heavy = 2;
        weigh(&x);
        for (int k = 0; k < 6; k++)
            step(&x);
        take(&x, rng_below(&rng, REGIONS - 1), HEALTH_DOWN);
        double worst = 0;
        for (int k = 0; k < 60; k++) {
            step(&x);
            worst = k > 15 ? fmax(worst, used(&x, REGIONS - 1)) : 0;
        }
        bool room = asked(&x) + x.size[REGIONS - 1] / 2 < 0.75 * still_there(&x);
        if (room && worst > 0.95)
            fail_msg("world %d: it is at %.3f\n%s", i, worst, x.said);
        end(&x);
    }
    last_is_nobodys_home = false;
}

/* A world whose clients are weighed as they are, once all regions have reported. */
static void begin_settled(struct loop *x, struct rng *rng, double load)
{
    begin(x, rng, load);
    weigh(x);
    for (int k = 0; k < 6; k++)
        step(x);
}

/* A resolver in a small region that is more than guests are ever believed to ask for: fewer are admitted
 * until it has to go. */
static void guests_who_were_too_many_are_refused(void **state)
{
    (void)state;
    struct rng rng;
    struct signal_capacity_view was, is;
    int too_many = 0;
    rng_seed(&rng, lab_seed());
    last_is_nobodys_home = last_is_small = true;
    for (int i = 0; i < WORLDS; i++) {
        static struct loop x;
        begin_settled(&x, &rng, 0.4);
        take(&x, rng_below(&rng, REGIONS - 1), HEALTH_DOWN);
        for (int k = 0; k < 6; k++)
            step(&x);
        signal_capacity_show(x.capacity, REGIONS - 1, &was);
        x.lumps = 1.2;
        for (int k = 0; k < 30; k++)
            step(&x);
        signal_capacity_show(x.capacity, REGIONS - 1, &is);
        too_many += was.admits[0] < 1;
        if (was.admits[0] < 1 && is.admits[0] > 0.1 * was.admits[0])
            fail_msg("world %d: admits %.3f, before %.3f\n%s", i, is.admits[0], was.admits[0],
                     x.said);
        end(&x);
    }
    last_is_nobodys_home = last_is_small = false;
    assert_true(too_many > 0);
}

/* With the first report: those whom the region sends away for it have to be placed. */
static void a_crowd_that_is_too_much_is_believed_at_once(void **state)
{
    (void)state;
    struct rng rng;
    struct signal_capacity_view v;
    rng_seed(&rng, lab_seed());
    for (int i = 0; i < WORLDS; i++) {
        static struct loop x;
        begin_settled(&x, &rng, 0.5);
        for (uint32_t k = 0; k < CLIENTS; k++)
            x.demand[k] *= x.at[k] == 0 ? 3 : 1;
        step(&x);
        signal_capacity_show(x.capacity, 0, &v);
        assert_near(v.demand / x.size[0], 1.5, 0.05);
        end(&x);
    }
}

/* One lump of them would be too much: it is filled less, as long as others have room. */
static void a_small_region_leaves_room_for_lumps_of_guests(void **state)
{
    (void)state;
    struct rng rng;
    int less = 0, even = 0;
    rng_seed(&rng, lab_seed());
    last_is_small = true;
    for (int i = 0; i < 2 * WORLDS; i++) {
        static struct loop x;
        struct signal_capacity_view v;
        double level = 1;
        begin_settled(&x, &rng, i % 2 ? 0.4 : 0.75);
        take(&x, rng_below(&rng, REGIONS - 1), HEALTH_DOWN);
        for (uint32_t r = 0; r < REGIONS; r++) {
            signal_capacity_show(x.capacity, r, &v);
            level = fmax(level, v.level);
        }
        if (level < 1.01 && v.expected > 0.72 * v.capacity)
            fail_msg("world %d: %.1f of %.0f are expected\n%s", i, v.expected, v.capacity, x.said);
        less += level < 1.01;
        even += level > 1.15 && v.expected > 0.85 * v.capacity;
        end(&x);
    }
    last_is_small = false;
    assert_true(less > 0 && even > 0);
}

static void overload_of_all_is_spread_evenly_and_topples_none(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, lab_seed());
    int overloaded = 0;
    for (int i = 0; i < WORLDS; i++) {
        static struct loop x;
        begin_settled(&x, &rng, 0.78);
        take(&x, rng_below(&rng, REGIONS), HEALTH_DOWN);
        double even = asked(&x) / still_there(&x), low = 10, high = 0;
        overloaded += even > 0.92;
        for (int k = 0; k < 60; k++)
            step(&x);
        for (uint32_t r = 0; r < REGIONS; r++) {
            if (x.down[r])
                continue;
            low = fmin(low, used(&x, r));
            high = fmax(high, used(&x, r));
            assert_true(health_region_word(x.h, r) >= avail_from_double(0.75));
        }
        if (even > 0.92 && (high > even + 0.05 || low < even - 0.05))
            fail_msg("world %d: from %.3f to %.3f, all together %.3f\n%s", i, low, high, even,
                     x.said);
        assert_true(even < 0.92 || strstr(x.said, "overload "));
        end(&x);
    }
    assert_true(overloaded > WORLDS / 3);
}

/* One is down, and what is left of another one takes guests as well, of those who pass by. */
static void in_an_overload_what_is_below_1_takes_guests(void **state)
{
    (void)state;
    struct rng rng;
    int helped = 0;
    rng_seed(&rng, lab_seed());
    for (int i = 0; i < WORLDS; i++) {
        static struct loop x;
        begin_settled(&x, &rng, 0.7);
        double own = 0;
        for (uint32_t k = 0; k < CLIENTS; k++)
            own += x.at[k] == 0 ? x.demand[k] : 0;
        drain(&x, 0, 0.7);
        take(&x, 1, HEALTH_DOWN);
        for (int k = 0; k < 40; k++)
            step(&x);
        helped += x.load[0] > 0.8 * own;
        take(&x, 1, HEALTH_AUTO);
        for (int k = 0; k < 30; k++)
            step(&x);
        assert_near(x.load[0] / own, 0.7, 0.05); /* and nobody any more */
        end(&x);
    }
    assert_true(helped >= WORLDS / 3);
}

/* All probes of a region fail, and what is reported of it: good, or nothing. How much of its own clients
 * it has, at least, from the first report on until it has returned. */
static double unreached(struct loop *x, bool reported)
{
    double own = x->load[0], least = 1;
    x->unreached = 0;
    x->down[0] = !reported;
    for (int k = 0; k < 3; k++)
        probe(x);
    for (int k = 0; k < 40; k++) {
        if (k == 20)
            x->unreached = REGIONS;
        step(x);
        if (k > 1 && (k < 20 || reported))
            least = fmin(least, x->load[0] / own);
    }
    return least;
}

static void in_an_overload_a_region_that_is_contested_keeps_its_clients(void **state)
{
    (void)state;
    struct rng rng;
    int kept = 0, full = 0;
    rng_seed(&rng, lab_seed());
    probed = true;
    for (int i = 0; i < WORLDS; i++) {
        static struct loop x;
        begin_settled(&x, &rng, 0.75);
        bool over = asked(&x) > still_there(&x) - x.size[0];
        double least = unreached(&x, true);
        full += over;
        kept += over && least > 0.75;
        assert_near(unreached(&x, false), 0, 1e-9); /* of a dead one nothing is reported */
        end(&x);
    }
    probed = false;
    assert_true(full >= WORLDS / 3);
    assert_int_equal(kept, full);
}

/* How much of its own clients region 0 has, drained to 0.3 while another one is down. */
static double drained(struct loop *x, struct rng *rng, bool contested)
{
    begin_settled(x, rng, 0.75);
    double own = x->load[0];
    take(x, 1, HEALTH_DOWN);
    if (contested)
        (void)unreached(x, true);
    drain(x, 0, 0.3);
    for (int k = 0; k < 40; k++)
        step(x);
    double part = x->load[0] / own;
    end(x);
    return part;
}

/* What was contested and has returned is a region like any other, though others are still too full. */
static void what_was_contested_is_drained_as_said(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, lab_seed());
    probed = true;
    for (int i = 0; i < WORLDS; i++) {
        static struct loop x;
        struct rng again = rng;
        assert_near(drained(&x, &again, true), drained(&x, &rng, false), 0.03);
    }
    probed = false;
}

static void without_reports_it_is_the_plain_overflow(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, lab_seed());
    static struct loop x;
    struct signal_capacity_view v;
    begin(&x, &rng, 0.7);
    x.silent = true;
    step(&x);
    take(&x, 0, HEALTH_DOWN);
    step(&x);
    for (uint32_t r = 0; r < REGIONS; r++) {
        signal_capacity_show(x.capacity, r, &v);
        assert_false(v.known);
        assert_true(v.admits[0] == 1 && v.admits[1] == 1);
    }
    assert_string_equal(x.said, "");
    end(&x);
}

/* Does any region refuse guests? */
static bool refuses_as_before(struct loop *x, struct rng *rng)
{
    struct signal_capacity_view was, is;
    begin(x, rng, 0.7);
    for (int k = 0; k < 6; k++)
        step(x);
    take(x, 0, HEALTH_DOWN);
    for (int k = 0; k < 6; k++)
        step(x);
    struct signal_capacity *next = signal_capacity_create(x->lab.s, x->capacity);
    signal_capacity_look(next, x->h, x->now_ms, 1);
    bool some = false;
    for (uint32_t r = 0; r < REGIONS; r++) {
        signal_capacity_show(x->capacity, r, &was);
        signal_capacity_show(next, r, &is);
        assert_true(was.admits[0] == is.admits[0] && fabs(was.demand - is.demand) < 1e-6);
        some |= is.admits[0] < 1;
    }
    signal_capacity_destroy(&next);
    end(x);
    return some;
}

/* In one world of five all others have room for all that one had. */
static void a_new_configuration_goes_on_refusing(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, lab_seed());
    static struct loop x;
    int some = 0;
    for (int i = 0; i < WORLDS; i++)
        some += refuses_as_before(&x, &rng);
    assert_true(some > WORLDS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_run_over_while_another_has_room),
        cmocka_unit_test(wrong_weights_are_set_right_by_what_is_reported),
        cmocka_unit_test(heavy_guests_are_found_where_nobody_is_at_home),
        cmocka_unit_test(guests_who_were_too_many_are_refused),
        cmocka_unit_test(a_crowd_that_is_too_much_is_believed_at_once),
        cmocka_unit_test(a_small_region_leaves_room_for_lumps_of_guests),
        cmocka_unit_test(overload_of_all_is_spread_evenly_and_topples_none),
        cmocka_unit_test(in_an_overload_what_is_below_1_takes_guests),
        cmocka_unit_test(in_an_overload_a_region_that_is_contested_keeps_its_clients),
        cmocka_unit_test(what_was_contested_is_drained_as_said),
        cmocka_unit_test(without_reports_it_is_the_plain_overflow),
        cmocka_unit_test(a_new_configuration_goes_on_refusing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
