/* Why this client gets this answer: the decision of the wire, run again with a trace. */
#include "answer/answer.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "daemon.h"
#include "dns/writer.h"

#include <stdlib.h>
#include <string.h>

struct asked {
    struct dns_name name;
    uint16_t type;
    struct ip_prefix client;
    bool has_client;
};

static bool read_question(struct admin_request *r, struct asked *a)
{
    const char *name = json_string_value(json_object_get(r->body, "name"));
    const char *client = json_string_value(json_object_get(r->body, "client"));
    const char *type = json_string_value(json_object_get(r->body, "type"));
    char wrong[400] = "";
    memset(a, 0, sizeof *a);
    a->type = DNS_A;
    if (!name || !dns_name_from_text(name, &a->name))
        snprintf(wrong, sizeof wrong, "name \"%.253s\" is not a domain name", name ? name : "");
    else if (type && !dns_type_from_text(type, &a->type))
        snprintf(wrong, sizeof wrong,
                 "type \"%.32s\" is not a record type, like A, AAAA or TYPE65280", type);
    else if (client && !ip_prefix_parse(client, &a->client))
        snprintf(wrong, sizeof wrong,
                 "client \"%.64s\" is neither an address nor a network (81.2.69.0/24)", client);
    a->has_client = client != NULL;
    if (*wrong)
        admin_refuse(r, ADMIN_USAGE, wrong, NULL);
    return !*wrong;
}

/* The packet that a resolver would send for this client: its /24 or /48 as client subnet (a longer
 * one where the caller gave a network). */
static size_t make_packet(const struct asked *a, uint8_t *out, size_t cap)
{
    struct dns_writer w = {.buf = out, .cap = cap};
    static const uint8_t header[DNS_HEADER_BYTES] = {0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    dns_put_bytes(&w, header, sizeof header);
    dns_put_bytes(&w, a->name.wire, a->name.len);
    dns_put16(&w, a->type);
    dns_put16(&w, DNS_IN);
    dns_put8(&w, 0);
    dns_put16(&w, DNS_OPT);
    dns_put16(&w, DNS_UDP_EDNS_MAX);
    dns_put32(&w, 0);
    if (!a->has_client) {
        dns_put16(&w, 0);
        return w.len;
    }
    struct ip ip = a->client.ip;
    unsigned len = a->client.len;
    size_t octets = (len + 7) / 8;
    dns_put16(&w, (uint16_t)(8 + octets));
    dns_put16(&w, 8); /* RFC 7871 §6 */
    dns_put16(&w, (uint16_t)(4 + octets));
    dns_put16(&w, ip.family == 4 ? 1 : 2);
    dns_put8(&w, (uint8_t)len);
    dns_put8(&w, 0);
    dns_put_bytes(&w, ip.b, octets);
    return w.len;
}

/* ------------------------------------------------------------------------------------- the trace
 */

static void add_step(void *ctx, const char *step, const char *text)
{
    json_array_append_new(ctx, json_pack("{s:s, s:s}", "step", step, "text", text));
}

static void add_stepf(json_t *steps, const char *step, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void add_stepf(json_t *steps, const char *step, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    add_step(steps, step, text);
}

static const char *from_text(uint8_t from)
{
    return from == GEO_FROM_SUBNET   ? "client subnet"
           : from == GEO_FROM_SOURCE ? "source address"
                                     : "source address (a private client subnet does not count)";
}

static json_t *client_json(const struct snapshot *s, const struct answer_plan *p)
{
    char address[IP_TEXT_MAX], network[PREFIX_TEXT_MAX];
    const struct geo_client *c = &p->client;
    struct ip_prefix net = geo_client_network(c);
    const struct geo_spot *spot = geo_base_spot(s->base, geo_base_find(s->base, &c->looked_up));
    json_t *o = json_pack("{s:s, s:s, s:s, s:o}", "address", ip_format(&c->looked_up, address),
                          "from", from_text(c->from), "network", ip_prefix_format(&net, network),
                          "place", status_place_json(geo_base_place(s->base, spot->place)));
    if (spot->asn && !json_is_integer(json_object_get(json_object_get(o, "place"), "asn")))
        json_object_set_new(json_object_get(o, "place"), "asn", json_integer(spot->asn));
    if (spot->own != GEO_NONE)
        json_object_set_new(
            o, "own_network",
            json_string(ip_prefix_format(&geo_base_own(s->base, spot->own)->prefix, network)));
    return o;
}

struct seen { /* of one candidate */
    const struct snapshot *s;
    const struct answer_plan *p;
    uint64_t client_hash;
};

static bool is_chosen(const struct answer_plan *p, uint32_t endpoint)
{
    for (uint16_t i = 0; i < p->steer.n; i++)
        if (p->steer.endpoint[i] == endpoint)
            return true;
    return false;
}

static bool refuses(const struct seen *x, uint8_t region, uint32_t admit)
{
    return admit < STEER_ADMIT_FULL &&
           !steer_stays(x->client_hash, x->s->steer.region_hash[region], admit);
}

static void verdict_of(const struct seen *x, uint32_t endpoint, unsigned group,
                       unsigned chosen_group, char *out, size_t cap)
{
    const struct steer_tables *t = &x->s->steer;
    const struct steer_endpoint *e = steer_endpoint_of(t, x->p->service, endpoint);
    const struct steer_site *site = steer_site_of(t, x->p->service, endpoint);
    uint32_t flags, avail = steer_effective(t, x->p->service, endpoint, &flags);
    uint32_t admit = steer_admission(&t->board, site->region, x->p->row.fence != UINT64_MAX);
    if (is_chosen(x->p, endpoint) && x->p->steer.why == STEER_WHY_ADMITTED && avail < AVAIL_FULL)
        snprintf(out, cap, "chosen: under pressure it admits %.2f of its guests",
                 avail_to_double(steer_effective_eased(t, x->p->service, endpoint)) *
                     (double)admit / STEER_ADMIT_FULL);
    else if (is_chosen(x->p, endpoint))
        snprintf(out, cap, "chosen");
    else if (e->family != x->p->family)
        snprintf(out, cap, "another address family");
    else if (flags & STEER_WORD_OFF)
        snprintf(out, cap, "switched off by a person");
    else if (flags & STEER_WORD_DRAIN)
        snprintf(out, cap, "drained");
    else if (avail == 0)
        snprintf(out, cap, "not available");
    else if (e->weight == 0)
        snprintf(out, cap, "weight 0 while another can");
    else if (avail < AVAIL_FULL &&
             !steer_stays(x->client_hash, t->region_hash[site->region], avail))
        snprintf(out, cap, "availability %.2f: this client is among those that move",
                 avail_to_double(avail));
    else if (x->p->steer.why == STEER_WHY_ADMITTED && refuses(x, site->region, admit))
        snprintf(out, cap, "full: admits %.2f of its guests, not this one",
                 (double)admit / STEER_ADMIT_FULL);
    else if (group > chosen_group)
        snprintf(out, cap, "a later group");
    else
        snprintf(out, cap, "another was drawn");
}

static json_t *candidates_json(const struct snapshot *s, const struct answer_plan *p)
{
    const struct snapshot_row *row = &p->row;
    const struct steer_service *svc = &s->steer.service[p->service];
    const struct model_service *m = &s->model->services[p->service];
    struct ip_prefix network = geo_client_network(&p->client);
    struct seen x = {s, p, steer_hash_client(&network.ip, network.len)};
    json_t *list = json_array();
    unsigned group = 0, chosen_group = UINT32_MAX;
    for (int pass = 0; pass < 2; pass++, group = 0)
        for (uint16_t i = 0; i < row->n; i++) {
            uint16_t item = snapshot_view_of(s, p->service)->items[row->item + i];
            const struct steer_site *site = &steer_sites(&s->steer, svc)[item & STEER_UNIT];
            group += (item & STEER_GROUP) != 0;
            uint32_t first = svc->endpoint_first + site->first;
            for (uint32_t e = first; e < first + site->endpoint_n; e++) {
                char verdict[160];
                if (pass == 0) {
                    if (is_chosen(p, e) && chosen_group == UINT32_MAX)
                        chosen_group = group;
                    continue;
                }
                verdict_of(&x, e, group, chosen_group, verdict, sizeof verdict);
                const struct model_endpoint *me =
                    &m->endpoints[e - s->service_endpoint_first[p->service]];
                json_array_append_new(
                    list,
                    json_pack("{s:s, s:s, s:i, s:I, s:f, s:s}", "region",
                              s->regions[site->region].name, "address", me->address, "group",
                              (int)group, "weight", (json_int_t)me->weight, "available",
                              avail_to_double(steer_effective(&s->steer, p->service, e, NULL)),
                              "verdict", verdict));
            }
        }
    return list;
}

/* Regions of the client's row that send guests on, and those that take some although they are below 1. */
static void add_full(const struct snapshot *s, const struct answer_plan *p,
                     const struct steer_row *row, json_t *steps)
{
    const struct steer_service *svc = &s->steer.service[p->service];
    uint64_t said = 0;
    for (uint16_t i = 0; i < row->n; i++) {
        uint8_t r = steer_sites(&s->steer, svc)[row->item[i] & STEER_UNIT].region;
        uint32_t admit = steer_admission(&s->steer.board, r, row->fence != UINT64_MAX);
        if (admit < STEER_ADMIT_FULL && !(said >> r & 1))
            add_stepf(steps, "capacity", "region %s full: %.2f of overflow admitted",
                      s->regions[r].name, (double)admit / STEER_ADMIT_FULL);
        said |= 1ull << r;
    }
    if (steer_eased(&s->steer.board))
        add_stepf(steps, "capacity", "pressure: regions below 1 admit guests, too, in part");
}

static void explain_service(const struct snapshot *s, const struct answer_plan *p, json_t *o,
                            json_t *steps)
{
    const struct geo_spot *spot =
        geo_base_spot(s->base, geo_base_find(s->base, &p->client.looked_up));
    struct steer_row row;
    struct steer_trace trace = {.step = add_step, .ctx = steps};
    char policy[POLICY_TEXT_MAX];
    if (p->service != p->asked_service)
        add_stepf(steps, "on-empty", "%s has nothing available: %s answers",
                  s->model->services[p->asked_service].name, s->model->services[p->service].name);
    add_stepf(steps, "policy", "%s", policy_format(s->model->services[p->service].parsed, policy));
    steer_order(&s->shapes[s->steer.service[p->service].view], spot, &row, &trace);
    add_stepf(steps, "choose", "%s", steer_why_text((enum steer_why)p->steer.why));
    add_full(s, p, &row, steps);
    add_stepf(steps, "scope", "/%u: %s", p->scope,
              p->steer.hashed ? "a hash of the client network decided"
              : p->scope      ? "the largest network around the client that is steered alike"
                              : "the answer does not depend on the client, or no subnet was given");
    bool moving = p->ttl != (uint32_t)s->model->services[p->service].ttl_s;
    add_stepf(steps, "ttl", "%u s: %s", p->ttl,
              moving ? "something the service uses is moving" : "the service's");
    json_object_set_new(o, "service", json_string(s->model->services[p->service].name));
    json_object_set_new(o, "client", client_json(s, p));
    json_object_set_new(o, "candidates", candidates_json(s, p));
    if (p->steer.n)
        json_object_set_new(
            o, "region",
            json_string(
                s->regions[steer_site_of(&s->steer, p->service, p->steer.endpoint[0])->region]
                    .name));
}

/* Between the client and what is explained here stands who asks for it: the client itself, or a
 * resolver with the client's subnet. */
static void explain_guard(const struct snapshot *s, const struct asked *a, json_t *steps)
{
    char text[PREFIX_TEXT_MAX];
    if (!a->has_client)
        return;
    if (answer_denied(s, &a->client.ip))
        add_stepf(steps, "deny", "queries from %s itself are REFUSED: deny or allow says so",
                  ip_format(&a->client.ip, text));
    if (s->guard.believes_some)
        add_stepf(steps, "subnet-from",
                  "so for resolvers in subnet-from only: for others, where they stand themselves");
}

/* -------------------------------------------------------------------------------------- answers */

static const char *kind_text(const struct answer_plan *p)
{
    switch (p->kind) {
    case PLAN_SERVICE:
        return "service";
    case PLAN_RRSET:
        return "static";
    case PLAN_NODATA:
        return "nodata";
    case PLAN_NXDOMAIN:
        return "nxdomain";
    case PLAN_REFERRAL:
        return "referral";
    case PLAN_OUTSIDE:
        return "alias";
    case PLAN_REFUSED:
        return "refused";
    case PLAN_CHAOS:
        return "chaos";
    case PLAN_ERROR:
        return "error";
    }
    return "";
}

static void add_rrset(const struct snapshot *s, const struct zone_tree_rrset *rr, json_t *list)
{
    const uint8_t *at = s->tree.rdata + rr->rdata;
    for (uint16_t i = 0; i < rr->n; i++) {
        uint16_t len = (uint16_t)(at[0] << 8 | at[1]);
        char *text = zone_rdata_text(rr->type, at + 2, len);
        json_array_append_new(list, json_string(text ? text : "(not readable)"));
        free(text);
        at += 2u + len;
    }
}

static json_t *answers_json(const struct snapshot *s, const struct answer_plan *p)
{
    json_t *list = json_array();
    char name[DNS_NAME_TEXT_MAX];
    if (p->kind == PLAN_RRSET)
        add_rrset(s, &s->tree.rrsets[p->rrset], list);
    else if (p->kind == PLAN_OUTSIDE && p->target_len)
        json_array_append_new(list, json_string(dns_name_to_text(p->target, name)));
    for (uint16_t i = 0; p->kind == PLAN_SERVICE && i < p->steer.n; i++) {
        const struct model_service *m = &s->model->services[p->service];
        json_array_append_new(
            list,
            json_string(m->endpoints[p->steer.endpoint[i] - s->service_endpoint_first[p->service]]
                            .address));
    }
    return list;
}

/* Each alias on the way, and what it leads to. */
static void explain_chain(const struct snapshot *s, const struct answer_plan *p, json_t *steps)
{
    for (uint8_t i = 0; i < p->chain_n; i++) {
        const struct zone_tree_rrset *rr = &s->tree.rrsets[p->chain[i].rrset];
        const uint8_t *at = s->tree.rdata + rr->rdata;
        char name[DNS_NAME_TEXT_MAX];
        add_stepf(steps, "alias", "%s %s", p->chain[i].dname ? "DNAME" : "CNAME",
                  dns_name_to_text(p->chain[i].dname ? p->target : at + 2, name));
    }
}

static uint32_t ttl_of(const struct snapshot *s, const struct answer_plan *p)
{
    return p->kind == PLAN_RRSET ? s->tree.rrsets[p->rrset].ttl
           : p->kind == PLAN_OUTSIDE && p->chain_n
               ? s->tree.rrsets[p->chain[p->chain_n - 1].rrset].ttl
               : p->ttl;
}

void op_explain(void *ctx, struct admin_request *r)
{
    struct daemon *d = ctx;
    const struct snapshot *s = world_now(d);
    struct asked a;
    uint8_t packet[600];
    struct dns_query q;
    char name[DNS_NAME_TEXT_MAX], type[16];
    if (!read_question(r, &a))
        return;
    size_t len = make_packet(&a, packet, sizeof packet);
    CHECK(dns_query_parse(packet, len, &q) == DNS_PARSE_OK);
    struct answer_plan *p = calloc(1, sizeof *p);
    CHECK(p);
    struct rng rng;
    rng_seed(&rng, (uint64_t)uv_hrtime());
    struct ip source = a.has_client ? a.client.ip : (struct ip){.family = 4, .b = {127, 0, 0, 1}};
    answer_decide(s, &q, &source, &rng, p);
    json_t *o = json_object(), *steps = json_array();
    json_object_set_new(o, "name", json_string(dns_name_to_text(a.name.wire, name)));
    json_object_set_new(o, "type", json_string(dns_type_text(a.type, type)));
    json_object_set_new(o, "revision", json_integer(s->revision));
    json_object_set_new(o, "kind", json_string(kind_text(p)));
    json_object_set_new(o, "rcode", json_string(dns_rcode_text(p->rcode)));
    json_object_set_new(o, "answers", answers_json(s, p));
    json_object_set_new(o, "ttl", json_integer(ttl_of(s, p)));
    json_object_set_new(o, "scope", json_integer(p->scope));
    explain_guard(s, &a, steps);
    if (p->zone != ZONE_NONE)
        add_stepf(steps, "find", "zone %s%s", s->model->zones[p->zone].name,
                  s->tree.zones[p->zone].unready ? ", whose file could not be read yet" : "");
    explain_chain(s, p, steps);
    if (p->located)
        explain_service(s, p, o, steps);
    json_object_set_new(o, "steps", steps);
    free(p);
    admin_reply(r, o);
}
