/* What is: regions, services, endpoints, databases, one probe now. */
#include "base/check.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "daemon.h"
#include "signal/wiring.h"

#include <stdlib.h>
#include <string.h>

static const char *set_text(enum health_override o)
{
    return o == HEALTH_UP ? "up" : o == HEALTH_DRAIN ? "drain" : o == HEALTH_DOWN ? "down" : "on";
}

static const char *observed_text(enum health_observed o)
{
    return o == HEALTH_OBSERVED_UP         ? "up"
           : o == HEALTH_OBSERVED_DEGRADED ? "degraded"
           : o == HEALTH_OBSERVED_DOWN     ? "down"
                                           : "unknown";
}

static void set_new(json_t *o, const char *key, json_t *value)
{
    json_object_set_new(o, key, value ? value : json_null());
}

/* What the engine cut to its room stays text. */
static void put_text(json_t *o, const char *key, const char *text)
{
    char copy[4 * HEALTH_TEXT_MAX];
    snprintf(copy, sizeof copy, "%s", text);
    set_new(o, key, json_string(utf8_clean(copy)));
}

static void put_time(json_t *o, int64_t since_wall_ms)
{
    char when[TIME_TEXT_MAX];
    set_new(o, "since", since_wall_ms ? json_string(time_format_s(since_wall_ms, when)) : NULL);
    set_new(o, "since_ms", since_wall_ms ? json_integer(clock_wall_ms() - since_wall_ms) : NULL);
}

static void put_state(json_t *o, enum health_observed observed, uint32_t effective, double got,
                      double want, uint32_t latency_us, const char *why)
{
    set_new(o, "observed", json_string(observed_text(observed)));
    set_new(o, "effective", json_real(avail_to_double(effective)));
    set_new(o, "share_got", json_real(got));
    set_new(o, "share_want", json_real(want));
    set_new(o, "rtt_ms", latency_us ? json_real((double)latency_us / 1000) : NULL);
    put_text(o, "why", why[0] ? why : "-");
}

static void put_outages(json_t *o, const struct health_outages *out)
{
    set_new(o, "falls", json_integer(out->falls));
    set_new(o, "down_ms", json_integer(out->down_ms));
    set_new(o, "flaps", json_integer(out->flaps));
    char since[TIME_TEXT_MAX];
    set_new(o, "counted_since",
            out->since_wall_ms ? json_string(time_format_s(out->since_wall_ms, since)) : NULL);
}

/* What the services that a region has make of it: the mean of their sites' effective
 * availabilities, the worst thing observed, and the reason of the worst site. */
struct region_sum {
    double effective;
    uint32_t sites, moved;
    enum health_observed observed;
    double error_rate;
    int64_t since_wall_ms;
    char why[2 * HEALTH_TEXT_MAX];
};

static void sum_site(const struct daemon *d, const struct snapshot *s, uint32_t service,
                     uint32_t site, uint32_t region_effective, struct region_sum *sum)
{
    struct health_site_view v;
    health_site_show(d->health, site, &v);
    uint32_t effective = v.effective < region_effective ? v.effective : region_effective;
    sum->sites++;
    sum->effective += avail_to_double(effective);
    if (v.observed > sum->observed)
        sum->observed = v.observed;
    if (v.error_rate > sum->error_rate)
        sum->error_rate = v.error_rate;
    if (v.effective == AVAIL_FULL)
        return;
    sum->moved++;
    if (v.since_wall_ms > sum->since_wall_ms)
        sum->since_wall_ms = v.since_wall_ms;
    if (sum->moved == 1)
        snprintf(sum->why, sizeof sum->why, "%s: %s", s->model->services[service].name, v.why);
    else
        snprintf(sum->why, sizeof sum->why, "%u services have moved", sum->moved);
}

static void sum_region(const struct daemon *d, const struct snapshot *s, uint32_t region,
                       uint32_t region_effective, struct region_sum *sum)
{
    memset(sum, 0, sizeof *sum);
    for (uint32_t i = 0; i < s->services_n; i++)
        for (uint32_t at = s->service_site_first[i]; at < s->service_site_first[i + 1]; at++)
            if (s->board_site_region[at] == region)
                sum_site(d, s, i, at, region_effective, sum);
    if (sum->sites)
        sum->effective /= sum->sites;
    else
        sum->effective = avail_to_double(region_effective);
}

/* What it can carry, what its own clients ask for, what it will carry, and what it admits of guests. */
static json_t *capacity_json(const struct daemon *d, uint32_t i)
{
    struct signal_capacity_view v;
    signal_capacity_show(d->capacity, i, &v);
    if (v.capacity <= 0)
        return NULL;
    json_t *o = json_pack("{s:f, s:b, s:f, s:f, s:f}", "capacity", v.capacity, "known", v.known,
                          "spill", v.admits[0], "spill_fenced", v.admits[1], "overload", v.level);
    set_new(o, "demand", v.known ? json_real(v.demand) : NULL);
    set_new(o, "utilisation_expected", v.known ? json_real(v.expected / v.capacity) : NULL);
    return o;
}

/* Why its guests go on, where there is nothing worse to say. */
static void put_full(json_t *o, const struct daemon *d, uint32_t i)
{
    struct signal_capacity_view v;
    const char *why = json_string_value(json_object_get(o, "why"));
    char text[80];
    signal_capacity_show(d->capacity, i, &v);
    if (v.admits[0] >= 1 || !why || strcmp(why, "-") != 0)
        return;
    snprintf(text, sizeof text, "full: %.2f of overflow admitted", v.admits[0]);
    set_new(o, "why", json_string(text));
}

/* What the region depends on, null for nothing. */
static json_t *dependency_json(const struct daemon *d, uint32_t region)
{
    uint32_t n, slot = health_dependency(d->health, region);
    const struct signal_dependency *all = signal_dependencies(d->engine_config, &n);
    for (uint32_t i = 0; i < n; i++) {
        if (all[i].slot != slot)
            continue;
        struct health_endpoint_view v;
        health_endpoint_show(d->health, slot, &v);
        json_t *o = json_pack("{s:s, s:s, s:s}", "probe", all[i].probe->name, "target",
                              all[i].address, "observed", observed_text(v.observed));
        put_text(o, "last", v.last);
        set_new(o, "rtt_ms", v.latency_us ? json_real((double)v.latency_us / 1000) : NULL);
        put_outages(o, &v.outages);
        return o;
    }
    return NULL;
}

static json_t *region_json(struct daemon *d, uint32_t i, double got, double want)
{
    const struct snapshot *s = world_now(d);
    struct health_region_view v;
    json_t *o = json_object();
    char when[TIME_TEXT_MAX];
    health_region_show(d->health, i, &v);
    set_new(o, "name", json_string(s->model->regions[i].name));
    set_new(o, "set", json_string(set_text(v.set)));
    bool set = v.set != HEALTH_AUTO;
    set_new(o, "set_maintenance", v.set_maintenance ? json_integer(v.set_maintenance) : NULL);
    set_new(o, "set_to", v.set == HEALTH_DRAIN ? json_real(avail_to_double(v.set_to)) : NULL);
    set_new(o, "set_until",
            set && v.set_until_wall_ms ? json_string(time_format_s(v.set_until_wall_ms, when))
                                       : NULL);
    if (set) {
        put_text(o, "set_author", v.set_author);
        put_text(o, "set_reason", v.set_reason);
    } else {
        set_new(o, "set_author", NULL);
        set_new(o, "set_reason", NULL);
    }
    struct region_sum sum;
    sum_region(d, s, i, v.effective, &sum);
    bool own = v.effective < AVAIL_FULL || set || !sum.moved;
    put_state(o, own ? v.observed : sum.observed, avail_from_double(sum.effective), got, want,
              v.latency_us, own ? v.why : sum.why);
    set_new(o, "error_rate", json_real(sum.error_rate));
    put_time(o, own ? v.since_wall_ms : sum.since_wall_ms);
    put_outages(o, &v.outages);
    set_new(o, "dependency", dependency_json(d, i));
    set_new(o, "sources", reports_sources_json(d, i, HEALTH_NONE, HEALTH_NONE));
    set_new(o, "capacity", capacity_json(d, i));
    put_full(o, d, i);
    return o;
}

static double tally_of(const struct snapshot *s, uint32_t endpoint)
{
    double n = 0;
    for (unsigned w = 0; w < s->workers; w++)
        n += atomic_load_explicit(&s->tally[w].endpoint[endpoint], memory_order_relaxed);
    return n;
}

static json_t *endpoint_json(struct daemon *d, uint32_t site, uint32_t slot,
                             const struct model_endpoint *e, double got, double want)
{
    struct health_endpoint_view v;
    json_t *o = json_object();
    health_endpoint_show(d->health, slot, &v);
    set_new(o, "address", json_string(e->address));
    set_new(o, "weight", json_integer(e->weight));
    set_new(o, "priority", json_integer(e->priority));
    set_new(o, "set", json_string(set_text(v.set)));
    put_state(o, v.observed, v.effective, got, want, v.latency_us, v.why);
    put_time(o, v.since_wall_ms);
    put_text(o, "last", v.last);
    put_outages(o, &v.outages);
    uint32_t region = world_now(d)->board_site_region[site];
    set_new(o, "sources", reports_sources_json(d, region, site, slot));
    return o;
}

/* One site with its endpoints; shares are of the whole service. */
static json_t *site_json(struct daemon *d, uint32_t service, uint32_t site, double total,
                         const double *want)
{
    const struct snapshot *s = world_now(d);
    const struct model_service *svc = &s->model->services[service];
    uint32_t first = s->service_endpoint_first[service];
    struct health_site_view v;
    json_t *o = json_object(), *endpoints = json_array();
    double got_sum = 0, want_sum = 0;
    for (uint32_t k = 0; k < svc->endpoints_n; k++) {
        if (snapshot_board_site(s, service, first + k) != site)
            continue;
        double got = total > 0 ? tally_of(s, first + k) / total : 0;
        got_sum += got;
        want_sum += want[k];
        json_array_append_new(endpoints,
                              endpoint_json(d, site, first + k, &svc->endpoints[k], got, want[k]));
    }
    health_site_show(d->health, site, &v);
    set_new(o, "region", json_string(s->model->regions[s->board_site_region[site]].name));
    put_state(o, v.observed, v.effective, got_sum, want_sum, v.latency_us, v.why);
    set_new(o, "error_rate", json_real(v.error_rate));
    set_new(o, "samples", json_integer(v.samples));
    put_time(o, v.since_wall_ms);
    put_outages(o, &v.outages);
    set_new(o, "sources", reports_sources_json(d, s->board_site_region[site], site, HEALTH_NONE));
    set_new(o, "endpoints", endpoints);
    return o;
}

static json_t *service_json(struct daemon *d, uint32_t i)
{
    const struct snapshot *s = world_now(d);
    const struct model_service *svc = &s->model->services[i];
    double *want = calloc(svc->endpoints_n + 1, sizeof *want), total = 0;
    json_t *o = json_object(), *sites = json_array();
    CHECK(want);
    shares_want_service(d, s, i, want);
    for (uint32_t k = 0; k < svc->endpoints_n; k++)
        total += tally_of(s, s->service_endpoint_first[i] + k);
    uint32_t ttl = atomic_load_explicit(steer_ttl_word(&s->steer, i), memory_order_relaxed);
    set_new(o, "name", json_string(svc->name));
    set_new(o, "ttl", json_integer(ttl));
    set_new(o, "moving", json_boolean(ttl != (uint32_t)svc->ttl_s));
    for (uint32_t at = s->service_site_first[i]; at < s->service_site_first[i + 1]; at++)
        json_array_append_new(sites, site_json(d, i, at, total, want));
    set_new(o, "sites", sites);
    free(want);
    return o;
}

static json_t *counters_json(const struct daemon *d)
{
    json_t *o = json_object();
    for (int k = 0; k < ANSWER_OUTCOMES; k++) {
        char key[64];
        snprintf(key, sizeof key, "answer_%s", answer_outcome_name((enum answer_outcome)k));
        set_new(o, key, json_integer((json_int_t)serve_outcomes(d, (enum answer_outcome)k)));
    }
    for (int k = 0; k < ANSWER_COUNTERS; k++) {
        enum answer_counter c = (enum answer_counter)k;
        set_new(o, answer_counter_name(c), json_integer((json_int_t)serve_counts(d, c)));
    }
    struct net_counters n;
    net_server_counters(d->net, &n);
    set_new(o, "udp_received", json_integer((json_int_t)n.udp_received));
    set_new(o, "udp_sent", json_integer((json_int_t)n.udp_sent));
    set_new(o, "udp_send_failed", json_integer((json_int_t)n.udp_send_failed));
    set_new(o, "tcp_open", json_integer((json_int_t)n.tcp_open));
    set_new(o, "tcp_queries", json_integer((json_int_t)n.tcp_queries));
    set_new(o, "tcp_accepted", json_integer((json_int_t)n.tcp_accepted));
    set_new(o, "udp_no_answer", json_integer((json_int_t)n.udp_no_answer));
    set_new(o, "tcp_closed", json_integer((json_int_t)n.tcp_closed));
    set_new(o, "tcp_idle_closed", json_integer((json_int_t)n.tcp_idle_closed));
    set_new(o, "tcp_shed", json_integer((json_int_t)n.tcp_shed));
    set_new(o, "tcp_refused_per_ip", json_integer((json_int_t)n.tcp_refused_per_ip));
    set_new(o, "tcp_cut_slow", json_integer((json_int_t)n.tcp_cut_slow));
    set_new(o, "tcp_framing_errors", json_integer((json_int_t)n.tcp_framing_errors));
    set_new(o, "loop_errors", json_integer((json_int_t)n.loop_errors));
    set_new(o, "events_dropped",
            json_integer((json_int_t)(d->events_dropped + health_events_lost(d->health))));
    struct probe_stats p;
    probe_runner_stats(d->runner, &p);
    set_new(o, "probes_started", json_integer((json_int_t)p.started));
    set_new(o, "probes_ok", json_integer((json_int_t)p.ok));
    set_new(o, "probes_failed", json_integer((json_int_t)p.failed));
    set_new(o, "probes_late", json_integer((json_int_t)p.late));
    set_new(o, "probes_overdue", json_integer((json_int_t)p.overdue));
    return o;
}

void op_status(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    const struct snapshot *s = world_now(d);
    config_request_names(r->body);
    const char *name = json_string_value(json_object_get(r->body, "service"));
    const struct model_service *svc = name ? model_service(s->model, name) : NULL;
    if (name && !svc) {
        char text[400];
        snprintf(text, sizeof text, "service \"%.300s\" does not exist", name);
        admin_refuse(r, ADMIN_NOT_FOUND, text, NULL);
        return;
    }
    double got[DAEMON_REGIONS_MAX], want[DAEMON_REGIONS_MAX];
    char trouble[256];
    shares_got(d, got);
    shares_want(d, s, want);
    keeper_trouble(d->keeper, trouble, sizeof trouble);
    json_t *o = json_object(), *regions = json_array();
    set_new(o, "version", json_string(MERIDIAN_VERSION));
    set_new(o, "revision", json_integer(s->revision));
    set_new(o, "uptime_ms", json_integer(clock_mono_ms() - d->started_mono_ms));
    set_new(o, "degraded", trouble[0] ? json_string(trouble) : NULL);
    set_new(o, "state_age_ms",
            d->state_restored_age_ms >= 0 ? json_integer(d->state_restored_age_ms) : NULL);
    for (uint32_t i = 0; i < s->regions_n; i++)
        json_array_append_new(regions, region_json(d, i, got[i], want[i]));
    set_new(o, "regions", regions);
    set_new(o, "confirm", confirm_json(d));
    set_new(o, "maintenance", maintenance_json(d));
    if (svc)
        set_new(o, "services",
                json_pack("[o]", service_json(d, (uint32_t)(svc - s->model->services))));
    set_new(o, "counters", counters_json(d));
    admin_reply(r, o);
}

/* ------------------------------------------------------------------------------------------ geo */

json_t *status_place_json(const struct geo_place *p)
{
    json_t *o = json_object();
    set_new(o, "continent", p->continent[0] ? json_string(p->continent) : NULL);
    set_new(o, "country", p->country[0] ? json_string(p->country) : NULL);
    set_new(o, "subdivision", p->subdivision[0] ? json_string(p->subdivision) : NULL);
    set_new(o, "city", p->city && p->city[0] ? json_string(p->city) : NULL);
    set_new(o, "at", p->located ? json_pack("[f,f]", (double)p->lat, (double)p->lon) : NULL);
    set_new(o, "asn", p->asn ? json_integer(p->asn) : NULL);
    set_new(o, "as_org", p->as_org && p->as_org[0] ? json_string(p->as_org) : NULL);
    return o;
}

void op_geo_lookup(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    const struct geo_base *base = world_now(d)->base;
    const char *text = json_string_value(json_object_get(r->body, "address"));
    struct ip given, ip;
    unsigned offset;
    if (!text || !ip_parse(text, &given)) {
        admin_refuse(r, ADMIN_USAGE, "address is an IPv4 or IPv6 address", NULL);
        return;
    }
    ip = geo_client_unmap(&given, ip_bits(&given), &offset);
    json_t *list = json_array(), *own = json_array();
    for (size_t i = 0; i < geo_base_dbs_n(base); i++) {
        const struct geo_db *db = geo_base_db(base, i);
        struct ip_prefix prefix;
        char net[PREFIX_TEXT_MAX];
        const struct geo_place *p = geo_db_lookup(db, &ip, &prefix);
        json_t *o =
            json_pack("{s:s, s:s}", "path", geo_db_info(db)->path, "type", geo_db_info(db)->type);
        set_new(o, "network", p ? json_string(ip_prefix_format(&prefix, net)) : NULL);
        set_new(o, "place", p ? status_place_json(p) : NULL);
        json_array_append_new(list, o);
    }
    for (uint32_t at = geo_base_spot(base, geo_base_find(base, &ip))->own; at != GEO_NONE;
         at = geo_base_own(base, at)->parent) {
        char net[PREFIX_TEXT_MAX];
        json_array_append_new(own,
                              json_string(ip_prefix_format(&geo_base_own(base, at)->prefix, net)));
    }
    char address[IP_TEXT_MAX];
    admin_reply(r, json_pack("{s:s, s:o, s:o}", "address", ip_format(&ip, address), "databases",
                             list, "own", own));
}

void op_geo_status(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    const struct geo_base *base = world_now(d)->base;
    json_t *list = json_array();
    for (size_t i = 0; i < geo_base_dbs_n(base); i++) {
        const struct geo_db_info *info = geo_db_info(geo_base_db(base, i));
        char built[TIME_TEXT_MAX];
        time_format_s((int64_t)info->build_epoch * 1000, built);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:b}", "path",
                                              info->path, "type", info->type, "built", built,
                                              "size", (json_int_t)info->size_bytes, "records",
                                              (json_int_t)info->records, "networks",
                                              (json_int_t)info->ranges_v4 + info->ranges_v6,
                                              "stale", geo_db_stale(geo_base_db(base, i))));
    }
    admin_reply(r, json_pack("{s:o}", "databases", list));
}

/* -------------------------------------------------------------------------------- one probe now */

static void on_once(void *ctx, const struct probe_result *p)
{
    struct admin_request *r = ctx;
    char target[HOSTPORT_TEXT_MAX] = "";
    if (p->peer.port)
        hostport_format(&p->peer, target);
    else if (p->peer.ip.family) /* a program, or several probes: they have no port */
        ip_format(&p->peer.ip, target);
    json_t *timings = json_pack("{s:f, s:f, s:f, s:f}", "connect_ms", p->connect_us / 1000.0,
                                "tls_ms", p->tls_us / 1000.0, "first_byte_ms",
                                p->first_byte_us / 1000.0, "total_ms", p->latency_us / 1000.0);
    admin_reply(r, json_pack("{s:b, s:s, s:f, s:o, s:s?}", "ok_probe", p->ok, "text", p->text,
                             "latency_ms", p->latency_us / 1000.0, "timings", timings, "target",
                             *target ? target : NULL));
}

/* Does the request name something that does not exist? Text is the sentence. */
static bool names_none(const struct model *m, const char *probe, const char *service,
                       const char *region, char text[400])
{
    if (!probe || !model_probe(m, probe))
        snprintf(text, 400, "probe \"%.300s\" does not exist", probe ? probe : "");
    else if (service && !model_service(m, service))
        snprintf(text, 400, "service \"%.300s\" does not exist", service);
    else if (region && !model_region(m, region))
        snprintf(text, 400, "region \"%.300s\" does not exist", region);
    else
        return false;
    return true;
}

void op_probe_run(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    const struct model *m = world_now(d)->model;
    config_request_names(r->body);
    const char *probe = json_string_value(json_object_get(r->body, "probe"));
    const char *service = json_string_value(json_object_get(r->body, "service"));
    const char *region = json_string_value(json_object_get(r->body, "region"));
    const char *address = json_string_value(json_object_get(r->body, "address"));
    char text[400];
    if (names_none(m, probe, service, region, text)) {
        admin_refuse(r, ADMIN_NOT_FOUND, text, NULL);
        return;
    }
    struct probe_target t = {.probe = model_probe(m, probe),
                             .model = m,
                             .service = service ? service : "",
                             .region = region ? region : "",
                             .address = address};
    if (!address && model_probe_targeted(m, t.probe))
        t.address = address = t.probe->target ? t.probe->target : "";
    if (!address) {
        admin_refuse(r, ADMIN_USAGE, "address is what to probe", NULL);
        return;
    }
    ip_parse(address, &t.ip);
    enum err e = probe_runner_once(d->runner, &t, on_once, r);
    if (e)
        admin_refuse(r, ADMIN_REFUSED, err_text(e), NULL);
}
