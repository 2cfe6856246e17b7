/* world: a small configuration, a clock and a log around the engine, so that a test reads as a
 * story. Region r, service s, endpoint k of that site has the number world_endpoint(w, s, r, k). */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "health/engine.h"

#define WORLD_MAX 256
#define LOG_MAX (1u << 20)
#define WORLD_EVENTS 64u

struct world {
    uint32_t services, regions, per_site;
    struct health_endpoint_config endpoint[WORLD_MAX];
    struct health_probe_config probe[WORLD_MAX]; /* each its own */
    uint32_t probe_of[WORLD_MAX];
    struct health_site_config site[WORLD_MAX];
    struct health_service_config service[WORLD_MAX]; /* each its own */
    struct health_service named[WORLD_MAX];
    struct health_region_config region[WORLD_MAX];
    char names[3][WORLD_MAX][40];
    struct health_config cfg;
    struct health *h;
    int64_t now, wall;
    char *log; /* one line an event: "rule|text" */
    size_t log_n;
    uint32_t asked[WORLD_MAX]; /* actions by endpoint */
    int64_t asked_at[WORLD_MAX];
    uint32_t changes[4];                     /* by level */
    struct health_event event[WORLD_EVENTS]; /* the newest ones, the last at events_n - 1 */
    size_t events_n;
};

/* Interval 5 s, timeout 2 s, fall 3, rise 2, TTL 30, the defaults of the product. */
void world_init(struct world *w, uint32_t services, uint32_t regions, uint32_t per_site);
void world_start(struct world *w); /* after changes to the configuration */
void world_end(struct world *w);

uint32_t world_endpoint(const struct world *w, uint32_t service, uint32_t region, uint32_t k);
uint32_t world_site(const struct world *w, uint32_t service, uint32_t region);

/* A sample sent now; then the engine's queues are taken in and its state is checked. */
void world_ok(struct world *w, uint32_t endpoint);
void world_fail(struct world *w, uint32_t endpoint);
void world_sample(struct world *w, struct health_sample s);
/* Advances as a caller would: to each due time on the way. */
void world_advance(struct world *w, int64_t ms);
void world_settle(struct world *w); /* takes in the queues, checks the state */
/* All endpoints answer, then time passes, for that many rounds. */
void world_rounds(struct world *w, int rounds, int64_t ms);
/* Takes an endpoint down, with a witness in another region. */
void world_fall(struct world *w, uint32_t endpoint, uint32_t witness);

uint32_t world_avail_endpoint(const struct world *w, uint32_t endpoint);
uint32_t world_avail_site(const struct world *w, uint32_t site);
uint32_t world_avail_region(const struct world *w, uint32_t region);
/* The newest event of that rule whose text has this in it; fails the test when there is none. */
const struct health_event *world_event(const struct world *w, const char *rule, const char *text);
bool world_said(const struct world *w, const char *text);
uint32_t world_count(const struct world *w, const char *text);
void world_forget_log(struct world *w);
enum health_observed world_observed(const struct world *w, uint32_t endpoint);

#define assert_avail(actual, expected)                                                             \
    assert_float_equal(avail_to_double((actual)&HEALTH_WORD_AVAIL), (expected), 0.0051)
#define assert_said(w, text)                                                                       \
    do {                                                                                           \
        if (!world_said((w), (text)))                                                              \
            fail_msg("the log has no \"%s\":\n%s", (text), (w)->log);                              \
    } while (0)
#define assert_not_said(w, text)                                                                   \
    do {                                                                                           \
        if (world_said((w), (text)))                                                               \
            fail_msg("the log has \"%s\":\n%s", (text), (w)->log);                                 \
    } while (0)
