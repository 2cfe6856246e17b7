#include "lab.h"

#include "base/check.h"
#include "config/config.h"
#include "dns/types.h"
#include "mmdb_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t lab_seed(void)
{
    static uint64_t seed;
    if (!seed) {
        const char *text = getenv("SEED");
        seed = text ? strtoull(text, NULL, 0) : 20261122;
        printf("SEED=%llu\n", (unsigned long long)seed);
    }
    return seed;
}

static char geo_path[64];

static void geo_remove(void)
{
    unlink(geo_path);
}

static const struct {
    const char *net;
    struct mmdb_place place;
} geo_nets[] = {
    {"81.0.0.0/8", {"EU", "GB", "ENG", "London", NULL, 51.5, -0.1, 20, 100}},
    {"2a00::/16", {"EU", "GB", "ENG", "London", NULL, 51.5, -0.1, 20, 100}},
    {"80.1.0.0/16", {"EU", "DE", "BE", "Berlin", NULL, 52.5, 13.4, 20, 3320}},
    {"9.0.0.0/8", {"NA", "US", "VA", "Ashburn", NULL, 39.0, -77.5, 20, 0}},
    {"2600::/16", {"NA", "US", "VA", "Ashburn", NULL, 39.0, -77.5, 20, 0}},
    {"9.9.9.0/24", {"NA", "US", "CA", "San Francisco", NULL, 37.8, -122.4, 20, 0}},
    {"58.0.0.0/8", {"AS", "JP", "13", "Tokyo", NULL, 35.7, 139.7, 20, 0}},
    {"200.0.0.0/8", {.continent = "SA", .country = "BR"}},
};

static const char *geo_file(void)
{
    if (geo_path[0])
        return geo_path;
    strcpy(geo_path, "/tmp/meridian-lab-XXXXXX");
    int fd = mkstemp(geo_path);
    CHECK(fd >= 0);
    close(fd);
    atexit(geo_remove);
    struct mmdb m;
    mmdb_init(&m, 6, 28);
    for (size_t i = 0; i < ARRAY_LEN(geo_nets); i++)
        mmdb_add(&m, geo_nets[i].net, mmdb_place(&m, &geo_nets[i].place));
    mmdb_write(&m, geo_path);
    mmdb_fini(&m);
    return geo_path;
}

/* ' to ", @GEO to the database's path. The caller frees. */
static char *to_json(const char *json)
{
    char *text = malloc(strlen(json) + sizeof geo_path * 4), *out = text;
    CHECK(text);
    while (*json) {
        if (strncmp(json, "@GEO", 4) == 0) {
            out = stpcpy(out, geo_file());
            json += 4;
        } else {
            *out++ = *json == '\'' ? '"' : *json;
            json++;
        }
    }
    *out = '\0';
    return text;
}

static enum err compile(struct snapshot_cache *cache, const char *json, struct snapshot **out,
                        struct diag *diag)
{
    char *text = to_json(json);
    struct model *m = model_create();
    CHECK(m);
    int64_t revision = 0;
    enum err e = config_import(m, text, strlen(text), &revision, diag);
    if (!e)
        e = model_validate(m, diag);
    if (!e) {
        m->revision = revision ? revision : 1;
        struct snapshot_options options = {.workers = 1};
        e = snapshot_compile(m, cache, &options, out, diag);
    }
    model_unref(&m);
    free(text);
    return e;
}

void lab_reopen(struct lab *l, const char *json)
{
    struct diag diag = {0};
    char text[600];
    struct snapshot *s = NULL;
    if (compile(l->cache, json, &s, &diag))
        fail_msg("the configuration is refused: %s", diag_first(&diag, text, sizeof text));
    diag_fini(&diag);
    snapshot_cache_serves(l->cache, s);
    snapshot_unref(&l->s);
    l->s = s;
}

void lab_open(struct lab *l, const char *json)
{
    memset(l, 0, sizeof *l);
    l->cache = snapshot_cache_create();
    assert_non_null(l->cache);
    answer_worker_init(&l->worker, 0, lab_seed());
    lab_reopen(l, json);
}

void lab_close(struct lab *l)
{
    snapshot_unref(&l->s);
    snapshot_cache_destroy(&l->cache);
}

void lab_refused(const char *json, char *text, size_t cap)
{
    struct diag diag = {0};
    struct snapshot *s = NULL;
    struct snapshot_cache *cache = snapshot_cache_create();
    assert_int_not_equal(compile(cache, json, &s, &diag), ERR_OK);
    assert_null(s);
    diag_first(&diag, text, cap);
    diag_fini(&diag);
    snapshot_cache_destroy(&cache);
}

/* --------------------------------------------------------------------------------------- slots */

uint32_t lab_service(const struct lab *l, const char *name)
{
    const struct model_service *svc = model_service(l->s->model, name);
    if (!svc)
        fail_msg("no service %s", name);
    return (uint32_t)(svc - l->s->model->services);
}

uint32_t lab_region(const struct lab *l, const char *name)
{
    int i = model_region_index(l->s->model, name);
    if (i < 0)
        fail_msg("no region %s", name);
    return (uint32_t)i;
}

uint32_t lab_endpoint(const struct lab *l, const char *service, const char *address)
{
    uint32_t svc = lab_service(l, service);
    const struct model_service *m = &l->s->model->services[svc];
    for (uint32_t i = 0; i < m->endpoints_n; i++)
        if (strcmp(m->endpoints[i].address, address) == 0)
            return l->s->service_endpoint_first[svc] + i;
    fail_msg("no endpoint %s", address);
    return 0;
}

const char *lab_address(const struct lab *l, uint32_t endpoint)
{
    uint32_t svc = snapshot_service_with(l->s, l->s->service_endpoint_first, endpoint);
    return l->s->model->services[svc]
        .endpoints[endpoint - l->s->service_endpoint_first[svc]]
        .address;
}

uint32_t lab_region_of(const struct lab *l, uint32_t endpoint)
{
    return steer_site_of(&l->s->steer,
                         snapshot_service_with(l->s, l->s->service_endpoint_first, endpoint),
                         endpoint)
        ->region;
}

/* --------------------------------------------------------------------------------------- board */

void lab_set_region_word(struct lab *l, const char *region, uint32_t word)
{
    snapshot_board_set(l->s->steer.board.region, lab_region(l, region), word);
}

void lab_set_region(struct lab *l, const char *region, double avail)
{
    lab_set_region_word(l, region, avail_from_double(avail));
}

void lab_set_site(struct lab *l, const char *service, const char *region, double avail)
{
    uint32_t svc = lab_service(l, service), r = lab_region(l, region);
    for (uint32_t i = l->s->service_site_first[svc]; i < l->s->service_site_first[svc + 1]; i++)
        if (l->s->board_site_region[i] == r)
            snapshot_board_set(steer_site_word(&l->s->steer, svc, i), 0, avail_from_double(avail));
}

void lab_set_endpoint_word(struct lab *l, const char *service, const char *address, uint32_t word)
{
    uint32_t endpoint = lab_endpoint(l, service, address);
    snapshot_board_set(steer_endpoint_word(&l->s->steer, lab_service(l, service), endpoint), 0,
                       word);
}

void lab_set_endpoint(struct lab *l, const char *service, const char *address, double avail)
{
    lab_set_endpoint_word(l, service, address, avail_from_double(avail));
}

void lab_set_spill(struct lab *l, const char *region, double admit, double admit_fenced)
{
    uint32_t word =
        (uint32_t)(admit_fenced * STEER_ADMIT_FULL) << 16 | (uint32_t)(admit * STEER_ADMIT_FULL);
    snapshot_spill_set(&l->s->steer.board, lab_region(l, region), word);
}

void lab_set_all(struct lab *l, double avail)
{
    uint32_t word = avail_from_double(avail);
    for (uint32_t v = 0; v < l->s->services_n; v++) {
        for (uint32_t i = l->s->service_site_first[v]; i < l->s->service_site_first[v + 1]; i++)
            snapshot_board_set(steer_site_word(&l->s->steer, v, i), 0, word);
        for (uint32_t i = l->s->service_endpoint_first[v]; i < l->s->service_endpoint_first[v + 1];
             i++)
            snapshot_board_set(steer_endpoint_word(&l->s->steer, v, i), 0, word);
    }
    for (uint32_t i = 0; i < l->s->regions_n; i++)
        snapshot_board_set(l->s->steer.board.region, i, word);
}

/* --------------------------------------------------------------------------------------- query */

struct ip lab_ip(const char *text)
{
    struct ip ip;
    if (!ip_parse(text, &ip))
        fail_msg("%s is not an address", text);
    return ip;
}

struct ip_prefix lab_prefix(const char *text)
{
    struct ip_prefix p;
    if (!ip_prefix_parse(text, &p))
        fail_msg("%s is not a network", text);
    return p;
}

static uint8_t *put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static uint8_t *put_name(uint8_t *p, const char *name)
{
    while (*name && strcmp(name, ".") != 0) {
        size_t n = strcspn(name, ".");
        *p++ = (uint8_t)n;
        memcpy(p, name, n);
        p += n;
        name += n + (name[n] == '.');
    }
    *p++ = 0;
    return p;
}

static uint8_t *put_options(uint8_t *p, const struct lab_question *q)
{
    struct ip_prefix net = q->net;
    if (q->subnet)
        net = lab_prefix(q->subnet);
    if (q->nsid)
        p = put16(put16(p, DNS_OPTION_NSID), 0);
    if (q->subnet_zero) {
        p = put16(put16(put16(p, DNS_OPTION_ECS), 4), 1);
        p = put16(p, 0);
    } else if (net.ip.family) {
        unsigned octets = (net.len + 7u) / 8;
        p = put16(put16(put16(p, DNS_OPTION_ECS), 4 + octets), net.ip.family == 4 ? 1 : 2);
        *p++ = net.len;
        *p++ = 0;
        memcpy(p, net.ip.b, octets);
        p += octets;
    }
    if (q->options_len)
        memcpy(p, q->options, q->options_len);
    return p + q->options_len;
}

bool lab_has_opt(const struct lab_question *q)
{
    return q->edns || q->subnet || q->net.ip.family || q->subnet_zero || q->nsid ||
           q->edns_version || q->edns_do || q->options_len;
}

size_t lab_packet(const struct lab_question *q, uint8_t out[1024])
{
    bool opt = lab_has_opt(q);
    uint8_t *p = out;
    p = put16(put16(p, 0x4d52), 0x0100);
    p = put16(put16(put16(put16(p, !q->bare), 0), 0), opt);
    if (!q->bare) {
        p = put_name(p, q->name);
        p = put16(put16(p, q->type), q->class ? q->class : DNS_IN);
    }
    if (!opt)
        return (size_t)(p - out);
    *p++ = 0;
    p = put16(put16(p, DNS_OPT), q->edns ? q->edns : 1232);
    *p++ = 0;
    *p++ = q->edns_version;
    p = put16(p, q->edns_do ? 0x8000 : 0);
    uint8_t *len = p, *options = p + 2;
    p = put_options(options, q);
    put16(len, (unsigned)(p - options));
    return (size_t)(p - out);
}

struct ip lab_source(const struct lab_question *q)
{
    return q->source_ip.family ? q->source_ip : lab_ip(q->source ? q->source : "198.18.0.1");
}

void lab_decide(struct lab *l, const struct lab_question *q, struct answer_plan *out)
{
    uint8_t packet[1024];
    size_t len = lab_packet(q, packet);
    struct dns_query parsed;
    struct ip source = lab_source(q);
    assert_int_equal(dns_query_parse(packet, len, &parsed), DNS_PARSE_OK);
    answer_decide(l->s, &parsed, &source, &l->worker.rng, out);
}

uint32_t lab_pick_net(struct lab *l, const char *service, const struct ip_prefix *net,
                      uint16_t type)
{
    struct answer_plan p;
    lab_decide(l, &(struct lab_question){.name = service, .type = type, .net = *net}, &p);
    return p.kind == PLAN_SERVICE && p.steer.n ? p.steer.endpoint[0] : STEER_NONE;
}

const char *lab_pick(struct lab *l, const char *service, const char *subnet)
{
    struct answer_plan p;
    lab_decide(l, &(struct lab_question){.name = service, .type = DNS_A, .subnet = subnet}, &p);
    if (p.kind == PLAN_NODATA)
        return "nodata";
    if (p.kind == PLAN_ERROR)
        return "error";
    assert_int_equal(p.kind, PLAN_SERVICE);
    return lab_address(l, p.steer.endpoint[0]);
}

struct ip_prefix lab_client(uint32_t i)
{
    /* Spread over 16.0.0.0 to 144.0.0.0 by an odd multiplier: all different. */
    uint32_t net = (0x100000u + i * 40503u % 0x800000u) << 8;
    return (struct ip_prefix){
        .ip = {.family = 4, .b = {(uint8_t)(net >> 24), (uint8_t)(net >> 16), (uint8_t)(net >> 8)}},
        .len = 24};
}

const char *lab_row(struct lab *l, const char *service, const char *subnet)
{
    static char text[1024];
    struct answer_plan p;
    lab_decide(l, &(struct lab_question){.name = service, .type = DNS_A, .subnet = subnet}, &p);
    assert_true(p.located);
    uint32_t svc = lab_service(l, service);
    const uint16_t *item = snapshot_view_of(l->s, svc)->items + p.row.item;
    size_t len = 0;
    text[0] = '\0';
    for (uint16_t i = 0; i < p.row.n; i++) {
        const struct steer_site *site =
            &steer_sites(&l->s->steer, &l->s->steer.service[svc])[item[i] & STEER_UNIT];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s",
                                i == 0                    ? ""
                                : (item[i] & STEER_GROUP) ? " > "
                                                          : " = ",
                                l->s->regions[site->region].name);
        if (site->tier)
            len += (size_t)snprintf(text + len, sizeof text - len, "/%u", site->tier);
    }
    return text;
}
