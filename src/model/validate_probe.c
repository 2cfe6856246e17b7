#include "validate_priv.h"

#include "base/clock.h"
#include "dns/types.h"

#include <string.h>

#define INTERVAL_MS_MIN 100
#define INTERVAL_MS_MAX 86400000
#define TIMEOUT_MS_MIN 10
#define COUNT_MAX 1000

static const char *const type_names[] = {
    [PROBE_HTTP] = "http", [PROBE_HTTPS] = "https", [PROBE_TCP] = "tcp",
    [PROBE_DNS] = "dns",   [PROBE_EXEC] = "exec",
};

const char *model_probe_type_name(enum model_probe_type type)
{
    return type_names[type];
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

static void probe(struct validation *v, const struct model_probe *p)
{
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
