#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void world_init(struct world *w, uint32_t services, uint32_t regions, uint32_t per_site)
{
    memset(w, 0, sizeof *w);
    assert_true(services * regions * per_site <= WORLD_MAX);
    w->services = services;
    w->regions = regions;
    w->per_site = per_site;
    w->now = 1000000;
    w->wall = 1800000000000;
    w->log = calloc(1, LOG_MAX);
    assert_non_null(w->log);
    for (uint32_t r = 0; r < regions; r++) {
        snprintf(w->names[0][r], 40, "region-%u", r);
        w->region[r].name = w->names[0][r];
    }
    uint32_t e = 0;
    for (uint32_t s = 0; s < services; s++) {
        snprintf(w->names[1][s], 40, "s%u.gslb.example", s);
        w->service[s] = (struct health_service_config){.ttl_s = 30,
                                                       .degrade = 0.05,
                                                       .fail = 0.5,
                                                       .ramp_ms = 60000,
                                                       .panic = 0.5,
                                                       .min_regions = 1};
        w->named[s] = (struct health_service){w->names[1][s], &w->service[s]};
        for (uint32_t r = 0; r < regions; r++) {
            uint32_t site = s * regions + r;
            w->site[site] = (struct health_site_config){.service = s,
                                                        .region = (uint8_t)r,
                                                        .endpoint_first = e,
                                                        .endpoint_n = (uint16_t)per_site};
            for (uint32_t k = 0; k < per_site; k++, e++) {
                snprintf(w->names[2][e], 40, "10.%u.%u.%u", s, r, k);
                w->probe[e] = (struct health_probe_config){.name = "web",
                                                           .port = 80,
                                                           .interval_ms = 5000,
                                                           .timeout_ms = 2000,
                                                           .fall = 3,
                                                           .rise = 2};
                w->endpoint[e] = (struct health_endpoint_config){
                    .address = w->names[2][e], .site = site, .weight = 100};
                w->probe_of[e] = e + 1;
            }
        }
    }
    w->cfg = (struct health_config){.endpoint = w->endpoint,
                                    .site = w->site,
                                    .service = w->named,
                                    .region = w->region,
                                    .probe = w->probe,
                                    .probe_of = w->probe_of,
                                    .probes_n = WORLD_MAX,
                                    .endpoints_n = e,
                                    .sites_n = services * regions,
                                    .services_n = services,
                                    .regions_n = regions,
                                    .dead_band = 0.05,
                                    .samples_min = 10};
}

void world_start(struct world *w)
{
    assert_int_equal(health_create(&w->cfg, w->now, w->wall, &w->h), ERR_OK);
    world_settle(w);
}

void world_end(struct world *w)
{
    health_destroy(&w->h);
    free(w->log);
    w->log = NULL;
}

uint32_t world_site(const struct world *w, uint32_t service, uint32_t region)
{
    return service * w->regions + region;
}

uint32_t world_endpoint(const struct world *w, uint32_t service, uint32_t region, uint32_t k)
{
    return world_site(w, service, region) * w->per_site + k;
}

void world_settle(struct world *w)
{
    struct health_event ev[8];
    size_t n;
    while ((n = health_take_events(w->h, ev, 8)) > 0)
        for (size_t i = 0; i < n; i++) {
            assert_true(w->log_n + sizeof ev[i].text + 32 < LOG_MAX);
            w->log_n += (size_t)sprintf(w->log + w->log_n, "%s|%s\n", ev[i].rule, ev[i].text);
            w->event[w->events_n++ % WORLD_EVENTS] = ev[i];
        }
    struct health_action a[8];
    while ((n = health_take_actions(w->h, a, 8)) > 0)
        for (size_t i = 0; i < n; i++) {
            assert_true(a[i].confirm);
            w->asked[a[i].endpoint]++;
            w->asked_at[a[i].endpoint] = a[i].at_ms;
        }
    struct health_change c[8];
    while ((n = health_take_changes(w->h, c, 8)) > 0)
        for (size_t i = 0; i < n; i++)
            w->changes[c[i].level]++;
    const char *bad = health_check_state(w->h);
    if (bad)
        fail_msg("invariant: %s", bad);
}

void world_sample(struct world *w, struct health_sample s)
{
    s.now_ms = w->now;
    s.wall_ms = w->wall;
    if (!s.text[0])
        snprintf(s.text, sizeof s.text, "%s", s.ok ? "200 in 12 ms" : "timeout after 2000 ms");
    health_sample(w->h, &s);
    world_settle(w);
}

void world_ok(struct world *w, uint32_t endpoint)
{
    world_sample(w,
                 (struct health_sample){
                     .endpoint = endpoint, .ok = true, .started_ms = w->now, .latency_us = 12000});
}

void world_fail(struct world *w, uint32_t endpoint)
{
    world_sample(w, (struct health_sample){.endpoint = endpoint, .started_ms = w->now});
}

void world_advance(struct world *w, int64_t ms)
{
    int64_t end = w->now + ms;
    while (health_due(w->h) <= end) {
        int64_t due = health_due(w->h) > w->now ? health_due(w->h) : w->now;
        w->wall += due - w->now;
        w->now = due;
        health_advance(w->h, w->now, w->wall);
        world_settle(w);
    }
    w->wall += end - w->now;
    w->now = end;
    health_advance(w->h, w->now, w->wall);
    world_settle(w);
}

void world_rounds(struct world *w, int rounds, int64_t ms)
{
    for (int i = 0; i < rounds; i++) {
        for (uint32_t e = 0; e < w->cfg.endpoints_n; e++)
            if (w->probe_of[e])
                world_ok(w, e);
        world_advance(w, ms);
    }
}

void world_fall(struct world *w, uint32_t endpoint, uint32_t witness)
{
    for (uint32_t i = 0; i < w->probe[endpoint].fall; i++) {
        world_fail(w, endpoint);
        world_advance(w, 1000);
        world_ok(w, witness);
    }
    assert_int_equal(world_observed(w, endpoint), HEALTH_OBSERVED_DOWN);
}

uint32_t world_avail_endpoint(const struct world *w, uint32_t endpoint)
{
    return health_endpoint_word(w->h, endpoint) & HEALTH_WORD_AVAIL;
}

uint32_t world_avail_site(const struct world *w, uint32_t site)
{
    return health_site_word(w->h, site) & HEALTH_WORD_AVAIL;
}

uint32_t world_avail_region(const struct world *w, uint32_t region)
{
    return health_region_word(w->h, region) & HEALTH_WORD_AVAIL;
}

const struct health_event *world_event(const struct world *w, const char *rule, const char *text)
{
    for (size_t i = w->events_n; i > 0 && i + WORLD_EVENTS > w->events_n; i--) {
        const struct health_event *e = &w->event[(i - 1) % WORLD_EVENTS];
        if (strcmp(e->rule, rule) == 0 && strstr(e->text, text))
            return e;
    }
    fail_msg("no event of rule %s with \"%s\":\n%s", rule, text, w->log);
    return NULL;
}

bool world_said(const struct world *w, const char *text)
{
    return strstr(w->log, text) != NULL;
}

uint32_t world_count(const struct world *w, const char *text)
{
    uint32_t n = 0;
    for (const char *at = w->log; (at = strstr(at, text)); at += strlen(text))
        n++;
    return n;
}

void world_forget_log(struct world *w)
{
    w->log_n = 0;
    w->log[0] = 0;
}

enum health_observed world_observed(const struct world *w, uint32_t endpoint)
{
    struct health_endpoint_view v;
    health_endpoint_show(w->h, endpoint, &v);
    return v.observed;
}
