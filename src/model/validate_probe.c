#include "validate_priv.h"

#include "base/clock.h"
#include "dns/types.h"

#include <string.h>

#define INTERVAL_MS_MIN 100
#define INTERVAL_MS_MAX 86400000
#define TIMEOUT_MS_MIN 10
#define COUNT_MAX 1000

static const char *const type_names[] = {
    [PROBE_HTTP] = "http", [PROBE_HTTPS] = "https", [PROBE_TCP] = "tcp", [PROBE_DNS] = "dns",
    [PROBE_EXEC] = "exec", [PROBE_ALL] = "all",     [PROBE_ANY] = "any", [PROBE_QUORUM] = "quorum",
};

const char *model_probe_type_name(enum model_probe_type type)
{
    return type_names[type];
}

bool model_probe_combines(const struct model_probe *p)
{
    return p->type >= PROBE_ALL;
}

bool model_probe_targeted(const struct model *m, const struct model_probe *p)
{
    if (p->target || !model_probe_combines(p))
        return p->target != NULL;
    for (uint32_t i = 0; i < p->of_n; i++) {
        const struct model_probe *one = model_probe(m, p->of[i]);
        if (!one || !one->target)
            return false;
    }
    return true;
}

static bool code(const char **p, int *out)
{
    int v = 0, n = 0;
    for (; **p >= '0' && **p <= '9' && n < 4; ++*p, n++)
        v = v * 10 + (**p - '0');
    *out = v;
    return n == 3 && v >= 100 && v <= 599;
}

/* "200-399", "200,204,301-302". */
static bool status_valid(const char *p)
{
    for (;; p++) {
        int low, high;
        if (!code(&p, &low))
            return false;
        if (*p == '-') {
            p++;
            if (!code(&p, &high) || high < low)
                return false;
        }
        if (!*p)
            return true;
        if (*p != ',')
            return false;
    }
}

static void http_fields(struct validation *v, const struct model_probe *p)
{
    char canonical[MODEL_HOST_TEXT_MAX];
    if (!p->path || p->path[0] != '/' || strpbrk(p->path, " \t\r\n"))
        FAIL(v, "probe", p->name,
             "path \"%s\" is not accepted: it starts with \"/\" and holds no space",
             p->path ? p->path : "");
    if (p->host && !model_host_canonical(p->host, canonical))
        FAIL(v, "probe", p->name, "host \"%s\" is not a host name", p->host);
    if (!p->status || !status_valid(p->status))
        FAIL(v, "probe", p->name,
             "status \"%s\" is not accepted: give codes and ranges such as 200-399 or 200,204",
             p->status ? p->status : "");
}

static void dns_fields(struct validation *v, const struct model_probe *p)
{
    char canonical[MODEL_HOST_TEXT_MAX];
    uint16_t type;
    if (p->qname && !model_host_canonical(p->qname, canonical))
        FAIL(v, "probe", p->name, "qname \"%s\" is not a domain name", p->qname);
    if (p->qtype && !dns_type_from_text(p->qtype, &type))
        FAIL(v, "probe", p->name, "qtype \"%s\" is not a record type such as A, AAAA or SOA",
             p->qtype);
}

/* A field of another type does no harm, but is a sign of a slip. */
static void idle_fields(struct validation *v, const struct model_probe *p)
{
    bool http = p->type == PROBE_HTTP || p->type == PROBE_HTTPS;
    const struct {
        const char *key;
        bool idle;
    } fields[] = {
        {"path", !http && p->path && strcmp(p->path, "/") != 0},
        {"host", !http && p->host},
        {"body", !http && p->body},
        {"send", p->type != PROBE_TCP && p->send},
        {"expect", p->type != PROBE_TCP && p->expect},
        {"qname", p->type != PROBE_DNS && p->qname},
        {"qtype", p->type != PROBE_DNS && p->qtype},
        {"command", p->type != PROBE_EXEC && p->command},
        {"args", p->type != PROBE_EXEC && p->args_n},
        {"of", !model_probe_combines(p) && p->of_n},
        {"quorum", p->type != PROBE_QUORUM && p->quorum},
        {"port", model_probe_combines(p) && p->port},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (fields[i].idle)
            WARN(v, "probe", p->name, "%s has no effect in a probe of type %s", fields[i].key,
                 type_names[p->type]);
}

static void timing(struct validation *v, const struct model_probe *p)
{
    char interval[TIME_TEXT_MAX], timeout[TIME_TEXT_MAX];
    if (p->interval_ms < INTERVAL_MS_MIN || p->interval_ms > INTERVAL_MS_MAX)
        FAIL(v, "probe", p->name, "interval %s is not accepted: give 100ms to 1d",
             duration_format(p->interval_ms, interval));
    if (p->timeout_ms < TIMEOUT_MS_MIN)
        FAIL(v, "probe", p->name, "timeout %s is not accepted: give 10ms or more",
             duration_format(p->timeout_ms, timeout));
    else if (p->timeout_ms >= p->interval_ms)
        FAIL(v, "probe", p->name, "timeout %s must be below the interval, which is %s",
             duration_format(p->timeout_ms, timeout), duration_format(p->interval_ms, interval));
    validate__range(v, "probe", p->name, "fall", p->fall, 1, COUNT_MAX, "");
    validate__range(v, "probe", p->name, "rise", p->rise, 1, COUNT_MAX, "");
}

/* Of probes that check something themselves: so it is always known how many that are. */
static void members(struct validation *v, const struct model_probe *p)
{
    if (p->of_n < 1 || p->of_n > MODEL_PROBE_OF_MAX)
        FAIL(v, "probe", p->name, "a probe of type %s is of 1 to %d probes: give --of NAME",
             type_names[p->type], MODEL_PROBE_OF_MAX);
    for (uint32_t i = 0; i < p->of_n; i++) {
        const struct model_probe *one = model_probe(v->m, p->of[i]);
        if (!one)
            FAIL(v, "probe", p->name, "probe \"%s\" does not exist%s", p->of[i],
                 validate__hint(v, PART_PROBES, p->of[i]));
        else if (model_probe_combines(one))
            FAIL(v, "probe", p->name,
                 "probe %s is of type %s: name probes that check something themselves", one->name,
                 type_names[one->type]);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(p->of[k], p->of[i]) == 0)
                FAIL(v, "probe", p->name, "names probe %s twice", p->of[i]);
    }
    if (p->type == PROBE_QUORUM)
        validate__range(v, "probe", p->name, "quorum", p->quorum, 1, p->of_n ? p->of_n : 1, "");
}

static void probe(struct validation *v, const struct model_probe *p)
{
    struct ip ip;
    char canonical[MODEL_HOST_TEXT_MAX];
    if (p->target && !ip_parse(p->target, &ip) && !model_host_canonical(p->target, canonical))
        FAIL(v, "probe", p->name, "target \"%s\" is neither an address nor a host name", p->target);
    validate__range(v, "probe", p->name, "port", p->port, 0, 65535, "");
    timing(v, p);
    switch (p->type) {
    case PROBE_HTTP:
    case PROBE_HTTPS:
        http_fields(v, p);
        break;
    case PROBE_TCP:
        if (p->port == 0)
            FAIL(v, "probe", p->name, "a probe of type tcp needs a port: give --port N");
        break;
    case PROBE_DNS:
        dns_fields(v, p);
        break;
    case PROBE_EXEC:
        if (!p->command)
            FAIL(v, "probe", p->name, "a probe of type exec needs a command: give --command PATH");
        break;
    case PROBE_ALL:
    case PROBE_ANY:
    case PROBE_QUORUM:
        members(v, p);
        break;
    }
    idle_fields(v, p);
}

void validate__probes(struct validation *v)
{
    const struct model *m = v->m;
    for (uint32_t i = 0; i < m->probes_n; i++) {
        const struct model_probe *p = &m->probes[i];
        validate__name(v, "probe", p->name, i ? p[-1].name : NULL);
        probe(v, p);
    }
}

/* There is no service whose name it could ask for. */
static void asks_for_itself(struct validation *v, const char *region, const struct model_probe *p)
{
    if (p->type == PROBE_DNS && !p->qname)
        FAIL(v, "region", region,
             "depends_on: probe %s asks for the service's name: give it "
             "--qname",
             p->name);
}

void validate__dependencies(struct validation *v)
{
    const struct model *m = v->m;
    for (uint32_t i = 0; i < m->regions_n; i++) {
        const struct model_region *r = &m->regions[i];
        const struct model_probe *p = r->depends_on ? model_probe(m, r->depends_on) : NULL;
        if (r->depends_on && !p)
            FAIL(v, "region", r->name, "depends_on: probe \"%s\" does not exist%s", r->depends_on,
                 validate__hint(v, PART_PROBES, r->depends_on));
        if (!p)
            continue;
        if (!model_probe_targeted(m, p))
            FAIL(v, "region", r->name,
                 "depends_on: probe %s has no target of its own: give it, or each probe that it is "
                 "of, --target ADDRESS",
                 p->name);
        asks_for_itself(v, r->name, p);
        for (uint32_t k = 0; k < p->of_n; k++)
            if (model_probe(m, p->of[k]))
                asks_for_itself(v, r->name, model_probe(m, p->of[k]));
    }
}
