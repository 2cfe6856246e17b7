/* list: the items of a noun, as a table or as a JSON list. */
#include "items.h"
#include "runs.h"
#include "session.h"

#include "base/clock.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void zones(const struct model *m, struct table *t)
{
    static const char *const head[] = {"ZONE", "SERVICES", "FILE", "NAME SERVERS", NULL};
    table_start(t, head, 1u << 1);
    for (uint32_t i = 0; i < m->zones_n; i++) {
        const struct model_zone *z = &m->zones[i];
        unsigned services = 0;
        for (uint32_t k = 0; k < m->services_n; k++)
            services += m->services[k].zone && strcmp(m->services[k].zone, z->name) == 0;
        char servers[600] = "";
        size_t used = 0;
        for (uint32_t k = 0; k < z->ns_n && used < sizeof servers; k++)
            used += (size_t)snprintf(servers + used, sizeof servers - used, "%s%s", k ? " " : "",
                                     z->ns[k].name);
        table_cell(t, "%s", z->name);
        table_cell(t, "%u", services);
        table_cell(t, "%s", z->file ? z->file : "");
        table_cell(t, "%s", servers);
    }
}

static void regions(const struct model *m, struct table *t)
{
    static const char *const head[] = {"REGION", "AT", "CAPACITY", "BIAS KM", NULL};
    table_start(t, head, 1u << 2 | 1u << 3);
    for (uint32_t i = 0; i < m->regions_n; i++) {
        const struct model_region *r = &m->regions[i];
        table_cell(t, "%s", r->name);
        if (r->placed)
            table_cell(t, "%.15g,%.15g", r->lat, r->lon);
        else
            table_cell(t, "-");
        if (r->capacity)
            table_cell(t, "%" PRId64, r->capacity);
        else
            table_cell(t, "-");
        table_cell(t, "%.15g", r->bias_km);
    }
}

static void probe_target(const struct model_probe *p, struct table *t)
{
    if (model_probe_combines(p)) {
        char of[MODEL_PROBE_OF_MAX * MODEL_NAME_TEXT_MAX] = "";
        for (uint32_t i = 0; i < p->of_n && i < MODEL_PROBE_OF_MAX; i++) {
            strcat(of, i ? "," : "");
            strcat(of, p->of[i]);
        }
        if (p->type == PROBE_QUORUM)
            table_cell(t, "%" PRId64 " of %s", p->quorum, of);
        else
            table_cell(t, "of %s", of);
    } else if (p->target)
        table_cell(t, "%s", p->target);
    else if (p->type == PROBE_EXEC)
        table_cell(t, "%s", p->command ? p->command : "");
    else if (p->type == PROBE_DNS)
        table_cell(t, "%s %s", p->qname ? p->qname : "the service's name",
                   p->qtype ? p->qtype : "A");
    else if (p->type == PROBE_TCP)
        table_cell(t, "port %" PRId64, p->port);
    else
        table_cell(t, "%s%s", p->host ? p->host : "", p->path ? p->path : "/");
}

static void probes(const struct model *m, struct table *t)
{
    static const char *const head[] = {"PROBE",   "TYPE", "PORT", "TARGET", "INTERVAL",
                                       "TIMEOUT", "FALL", "RISE", NULL};
    table_start(t, head, 1u << 2 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7);
    for (uint32_t i = 0; i < m->probes_n; i++) {
        const struct model_probe *p = &m->probes[i];
        char interval[TIME_TEXT_MAX], timeout[TIME_TEXT_MAX];
        table_cell(t, "%s", p->name);
        table_cell(t, "%s", model_probe_type_name(p->type));
        if (p->port)
            table_cell(t, "%" PRId64, p->port);
        else
            table_cell(t, "-");
        probe_target(p, t);
        table_cell(t, "%s", duration_format(p->interval_ms, interval));
        table_cell(t, "%s", duration_format(p->timeout_ms, timeout));
        table_cell(t, "%" PRId64, p->fall);
        table_cell(t, "%" PRId64, p->rise);
    }
}

static void maps(const struct model *m, struct table *t)
{
    static const char *const head[] = {"MAP", "RULES", "USED BY", NULL};
    table_start(t, head, 1u << 1 | 1u << 2);
    for (uint32_t i = 0; i < m->maps_n; i++) {
        unsigned users = 0;
        for (uint32_t k = 0; k < m->services_n; k++)
            users += m->services[k].map && strcmp(m->services[k].map, m->maps[i].name) == 0;
        table_cell(t, "%s", m->maps[i].name);
        table_cell(t, "%u", m->maps[i].rules_n);
        table_cell(t, "%u", users);
    }
}

static void latencies(const struct model *m, struct table *t)
{
    static const char *const head[] = {"WHERE", "REGION", "MS", NULL};
    table_start(t, head, 1u << 2);
    for (uint32_t i = 0; i < m->latency_n; i++) {
        table_cell(t, "%s", m->latency[i].where.text);
        table_cell(t, "%s", m->latency[i].region);
        table_cell(t, "%.15g", m->latency[i].ms);
    }
}

static void services(const struct model *m, struct table *t)
{
    static const char *const head[] = {"SERVICE", "POLICY",    "TTL", "PROBE",
                                       "MAP",     "ENDPOINTS", NULL};
    table_start(t, head, 1u << 2 | 1u << 5);
    for (uint32_t i = 0; i < m->services_n; i++) {
        const struct model_service *s = &m->services[i];
        table_cell(t, "%s", s->name);
        table_cell(t, "%s", s->policy);
        table_cell(t, "%d", s->ttl_s);
        table_cell(t, "%s", s->probe ? s->probe : "");
        table_cell(t, "%s", s->map ? s->map : "");
        table_cell(t, "%u", s->endpoints_n);
    }
}

#define LIST(part)                                                                                 \
    for (uint32_t i = 0; i < m->part##_n; i++)                                                     \
        json_array_append_new(list, item_json(m, noun, NULL, &m->part[i]));                        \
    break

static json_t *list_json(const struct model *m, enum config_noun noun, const char *only)
{
    json_t *list = json_array();
    switch (noun) {
    case NOUN_ZONE:
        LIST(zones);
    case NOUN_REGION:
        LIST(regions);
    case NOUN_PROBE:
        LIST(probes);
    case NOUN_MAP:
        LIST(maps);
    case NOUN_LATENCY:
        LIST(latency);
    case NOUN_SERVICE:
        LIST(services);
    case NOUN_ENDPOINT:
        for (uint32_t i = 0; i < m->services_n; i++)
            for (uint32_t k = 0; k < m->services[i].endpoints_n; k++)
                if (!only || strcmp(only, m->services[i].name) == 0)
                    json_array_append_new(list, item_json(m, noun, m->services[i].name,
                                                          &m->services[i].endpoints[k]));
        break;
    case NOUN_RULE:
        for (uint32_t i = 0; i < m->maps_n; i++)
            for (uint32_t k = 0; k < m->maps[i].rules_n; k++)
                if (!only || strcmp(only, m->maps[i].name) == 0)
                    json_array_append_new(
                        list, item_json(m, noun, m->maps[i].name, &m->maps[i].rules[k]));
        break;
    default:
        break;
    }
    return list;
}

static void list_table(const struct model *m, enum config_noun noun, const char *only,
                       struct table *t)
{
    switch (noun) {
    case NOUN_ZONE:
        zones(m, t);
        break;
    case NOUN_REGION:
        regions(m, t);
        break;
    case NOUN_PROBE:
        probes(m, t);
        break;
    case NOUN_MAP:
        maps(m, t);
        break;
    case NOUN_LATENCY:
        latencies(m, t);
        break;
    case NOUN_SERVICE:
        services(m, t);
        break;
    case NOUN_ENDPOINT:
        items_endpoints(m, only, NULL, t);
        break;
    default:
        items_rules(m, only, t);
        break;
    }
}

/* Endpoints and rules may be asked for by service or map; one that does not exist is no empty list.
 */
static enum err narrow(const struct model *m, const struct call *c, char only[MODEL_HOST_TEXT_MAX],
                       struct diag *diag)
{
    const char *name = call_arg(c, 0);
    only[0] = '\0';
    if (!name)
        return ERR_OK;
    if (c->command->noun == NOUN_ENDPOINT)
        item_host(name, only);
    else
        item_name(name, only);
    bool there = c->command->noun == NOUN_ENDPOINT ? model_service(m, only) != NULL
                                                   : model_map(m, only) != NULL;
    if (there)
        return ERR_OK;
    return diag_error(diag, ERR_NOT_FOUND, "", "no %s is called \"%.253s\"",
                      c->command->noun == NOUN_ENDPOINT ? "service" : "map", name);
}

int run_list(struct call *c)
{
    struct diag diag = {0};
    struct model *m = NULL;
    char only[MODEL_HOST_TEXT_MAX];
    enum err e = session_model(c, &m, &diag);
    if (!e)
        e = narrow(m, c, only, &diag);
    int code = ADMIN_DONE;
    if (e) {
        code = session_fail(e, &diag);
    } else if (c->json) {
        code = session_json(list_json(m, c->command->noun, only[0] ? only : NULL));
    } else {
        struct table t;
        list_table(m, c->command->noun, only[0] ? only : NULL, &t);
        if (!table_print(&t, stdout, session_terminal()))
            code = session_fail_text(ADMIN_REFUSED, "out of memory for the list");
    }
    model_unref(&m);
    return code;
}
