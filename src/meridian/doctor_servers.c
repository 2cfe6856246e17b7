/* What the parent says of the zone, and whether its name servers say the same of themselves, as anybody
 * would ask them. */
#include "ask.h"
#include "doctor.h"

#include "dns/types.h"
#include "dns/writer.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICES_ASKED_MAX 20
#define NAMES_MAX 32
#define DNS_PORT 53
#define RESOLVER "/etc/resolv.conf"

struct names { /* of the name servers in an answer, sorted */
    char name[NAMES_MAX][DNS_NAME_TEXT_MAX];
    size_t n;
    uint32_t ttl;
};

/* One question more is in flight nowhere: the answer need not be on the stack. */
static struct asked answer;

/* What does not fit into a datagram, or is to be asked for again over TCP, is. */
static void put_question(const struct ask *a)
{
    struct ask whole = *a;
    ask(a, &answer);
    whole.tcp = true;
    if (answer.tc && !a->tcp && !answer.error[0])
        ask(&whole, &answer);
    if (!answer.error[0] && answer.rcode != 0)
        snprintf(answer.error, sizeof answer.error, "%s", dns_rcode_text(answer.rcode));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The NS records at the zone, of whatever section: at the parent they are in authority. */
static void names_of(const char *zone, struct names *out)
{
    out->n = 0;
    for (size_t i = 0; i < answer.n && out->n < NAMES_MAX; i++) {
        const struct asked_record *r = &answer.record[i];
        if (r->type != DNS_NS || strcmp(r->owner, zone) != 0)
            continue;
        snprintf(out->name[out->n++], DNS_NAME_TEXT_MAX, "%s", r->data);
        out->ttl = r->ttl;
    }
    qsort(out->name, out->n, sizeof out->name[0], by_text);
}

static void names_here(const struct model_zone *z, struct names *out)
{
    out->n = 0;
    for (uint32_t i = 0; i < z->ns_n && out->n < NAMES_MAX; i++)
        snprintf(out->name[out->n++], DNS_NAME_TEXT_MAX, "%s", z->ns[i].name);
    qsort(out->name, out->n, sizeof out->name[0], by_text);
    out->ttl = (uint32_t)z->ttl_s;
}

/* False after a finding: name servers that one side has and the other has not. */
static bool same_names(struct doctor *d, const char *check, const char *where,
                       const struct names *there, const struct names *here)
{
    bool same = true;
    for (int way = 0; way < 2; way++) {
        const struct names *a = way ? here : there, *b = way ? there : here;
        for (size_t i = 0; i < a->n; i++)
            if (!bsearch(a->name[i], b->name, b->n, sizeof b->name[0], by_text)) {
                doctor_say(d, DOCTOR_PROBLEM, check, where,
                           way ? "does not name %s, a name server of the zone"
                               : "names %s, which is no name server of the zone here",
                           a->name[i]);
                same = false;
            }
    }
    return same;
}

/* ------------------------------------------------------------------------------------ the parent */

static bool glue_given(const char *name, const char *address)
{
    for (size_t i = 0; i < answer.n; i++)
        if (answer.record[i].section == DNS_SECTION_ADDITIONAL &&
            strcmp(answer.record[i].owner, name) == 0 &&
            strcmp(answer.record[i].data, address) == 0)
            return true;
    return false;
}

static bool same_glue(struct doctor *d, const char *where)
{
    bool same = true;
    for (uint32_t i = 0; i < d->zone->ns_n; i++) {
        const struct model_ns *ns = &d->zone->ns[i];
        for (uint32_t k = 0; k < ns->addresses_n && model_host_within(ns->name, d->zone->name); k++)
            if (!glue_given(ns->name, ns->addresses[k])) {
                doctor_say(d, DOCTOR_PROBLEM, "parent", where, "has no glue %s %s", ns->name,
                           ns->addresses[k]);
                same = false;
            }
    }
    return same;
}

static void look_at_parent(struct doctor *d, const struct hostport *parent)
{
    char where[HOSTPORT_TEXT_MAX];
    static struct names there, here;
    struct ask a = {.server = *parent, .name = d->zone->name, .type = DNS_NS};
    hostport_format(parent, where);
    put_question(&a);
    if (answer.error[0]) {
        doctor_say(d, DOCTOR_PROBLEM, "parent", where, "%s", answer.error);
        return;
    }
    names_of(d->zone->name, &there);
    names_here(d->zone, &here);
    if (there.n == 0) {
        doctor_say(d, DOCTOR_PROBLEM, "parent", where, "does not delegate %s", d->zone->name);
        return;
    }
    if (here.n == 0) { /* they are in the zone file */
        doctor_say(d, DOCTOR_OK, "parent", where, "delegates to %zu name server%s", there.n,
                   there.n == 1 ? "" : "s");
        return;
    }
    bool same = same_names(d, "parent", where, &there, &here);
    same = same_glue(d, where) && same;
    if (there.ttl != here.ttl)
        doctor_say(d, DOCTOR_WARNING, "parent", where, "its NS have TTL %u, here they have %u",
                   there.ttl, here.ttl);
    else if (same)
        doctor_say(d, DOCTOR_OK, "parent", where, "delegates to %zu name server%s, glue as here",
                   there.n, there.n == 1 ? "" : "s");
}

static bool address_of(const char *name, struct hostport *out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *list;
    if (getaddrinfo(name, NULL, &hints, &list) != 0)
        return false;
    ip_from_sockaddr(list->ai_addr, &out->ip);
    out->port = DNS_PORT;
    freeaddrinfo(list);
    return true;
}

/* The first resolver that the system uses. */
static bool resolver(struct hostport *out)
{
    FILE *f = fopen(RESOLVER, "re");
    char line[256], text[128];
    bool found = false;
    while (f && !found && fgets(line, sizeof line, f))
        found = sscanf(line, "nameserver %127s", text) == 1 && ip_parse(text, &out->ip);
    if (f)
        fclose(f);
    out->port = DNS_PORT;
    return found;
}

/* Who is asked for the delegation: a name server of the nearest zone above. */
static bool find_parent(struct doctor *d, struct hostport *out)
{
    static struct names above;
    struct hostport at;
    const char *dot = strchr(d->zone->name, '.');
    bool known = resolver(&at);
    for (; known && dot; dot = strchr(dot + 1, '.')) {
        struct ask a = {.server = at, .name = dot + 1, .type = DNS_NS, .recurse = true};
        ask(&a, &answer);
        names_of(dot + 1, &above);
        for (size_t i = 0; i < above.n; i++)
            if (address_of(above.name[i], out))
                return true;
    }
    doctor_say(d, DOCTOR_WARNING, "parent", d->zone->name,
               "no name server of a zone above was found: --parent ADDR names one");
    return false;
}

/* ------------------------------------------------------------------------------ the name servers */

static bool is_endpoint(const struct model_service *s, const char *data)
{
    for (uint32_t i = 0; i < s->endpoints_n; i++)
        if (strcmp(s->endpoints[i].address, data) == 0)
            return true;
    return false;
}

static bool leads_elsewhere(const struct model_service *s)
{
    return s->on_empty_service != NULL;
}

/* Of a service: answered with its endpoints and TTLs, and the client subnet echoed. */
static bool look_at_service(struct doctor *d, struct ask a, const struct model_service *s,
                            const char *where)
{
    struct model_effective e = model_service_effective(d->m, s);
    bool good = true;
    a.name = s->name;
    a.type = s->endpoints_n && s->endpoints[0].family == 6 ? DNS_AAAA : DNS_A;
    a.subnet = true;
    put_question(&a);
    if (answer.error[0]) {
        doctor_say(d, DOCTOR_PROBLEM, "answer", where, "%s: %s", s->name, answer.error);
        return false;
    }
    if (!answer.subnet) {
        doctor_say(d, DOCTOR_PROBLEM, "subnet", where, "%s: the client subnet is not echoed",
                   s->name);
        good = false;
    }
    for (size_t i = 0; i < answer.n; i++) {
        const struct asked_record *r = &answer.record[i];
        if (r->section != DNS_SECTION_ANSWER)
            continue;
        if (r->data[0] && !is_endpoint(s, r->data) && !leads_elsewhere(s)) {
            doctor_say(d, DOCTOR_PROBLEM, "answer", where, "%s is %s, which is no endpoint here",
                       s->name, r->data);
            good = false;
        } else if (r->ttl != (uint32_t)s->ttl_s && r->ttl != (uint32_t)e.ttl_moving_s &&
                   !leads_elsewhere(s)) {
            doctor_say(d, DOCTOR_PROBLEM, "ttl", where, "%s has TTL %u, here it has %d", s->name,
                       r->ttl, s->ttl_s);
            good = false;
        }
    }
    return good;
}

static bool look_at_services(struct doctor *d, const struct ask *a, const char *where)
{
    bool good = true;
    uint32_t asked = 0;
    for (uint32_t i = 0; i < d->m->services_n && asked < SERVICES_ASKED_MAX; i++) {
        const struct model_service *s = &d->m->services[i];
        if (strcmp(s->zone, d->zone->name) != 0 || s->endpoints_n == 0)
            continue;
        asked++;
        good = look_at_service(d, *a, s, where) && good;
    }
    return good;
}

static bool look_at_zone(struct doctor *d, struct ask a, const char *where)
{
    static struct names there, here;
    const char *way = a.tcp ? "tcp" : "udp";
    put_question(&a);
    if (answer.error[0]) {
        doctor_say(d, DOCTOR_PROBLEM, way, where, "%s", answer.error);
        return false;
    }
    if (!answer.aa) {
        doctor_say(d, DOCTOR_PROBLEM, way, where, "does not answer for %s itself", d->zone->name);
        return false;
    }
    names_of(d->zone->name, &there);
    names_here(d->zone, &here);
    bool same = same_names(d, way, where, &there, &here);
    if (same && there.ttl != here.ttl)
        doctor_say(d, DOCTOR_WARNING, way, where, "its NS have TTL %u, here they have %u",
                   there.ttl, here.ttl);
    return same && there.ttl == here.ttl;
}

static void look_at_server(struct doctor *d, const char *name, const struct hostport *at)
{
    char address[HOSTPORT_TEXT_MAX], where[MODEL_HOST_TEXT_MAX + HOSTPORT_TEXT_MAX];
    struct ask a = {.server = *at, .name = d->zone->name, .type = DNS_NS};
    snprintf(where, sizeof where, "%s %s", name, ip_format(&at->ip, address));
    bool good = look_at_zone(d, a, where);
    if (good)
        good = look_at_services(d, &a, where);
    a.tcp = true;
    if (look_at_zone(d, a, where) && good)
        doctor_say(d, DOCTOR_OK, "server", where,
                   "answers as configured here, over UDP and TCP, and echoes the client subnet");
}

void doctor_servers(struct doctor *d, const char *parent)
{
    struct hostport at = {.port = DNS_PORT};
    if (parent ? hostport_parse(parent, DNS_PORT, &at) : find_parent(d, &at))
        look_at_parent(d, &at);
    if (d->zone->ns_n == 0)
        doctor_say(d, DOCTOR_WARNING, "server", d->zone->name,
                   "its name servers are in the zone file: give them with --ns to have them asked");
    for (uint32_t i = 0; i < d->zone->ns_n; i++) {
        const struct model_ns *ns = &d->zone->ns[i];
        at.port = DNS_PORT;
        for (uint32_t k = 0; k < ns->addresses_n; k++)
            if (ip_parse(ns->addresses[k], &at.ip))
                look_at_server(d, ns->name, &at);
        if (ns->addresses_n == 0 && address_of(ns->name, &at))
            look_at_server(d, ns->name, &at);
        else if (ns->addresses_n == 0)
            doctor_say(d, DOCTOR_PROBLEM, "server", ns->name, "has no address");
    }
}
