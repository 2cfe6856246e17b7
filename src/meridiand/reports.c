/* What regions' own load balancers report: judged here as text, there as evidence. */
#include "base/check.h"
#include "base/clock.h"
#include "daemon.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define REFUSAL_MAX 400

struct refusal {
    enum admin_code code;
    char text[REFUSAL_MAX];
};

static bool refuse(struct refusal *r, enum admin_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(struct refusal *r, enum admin_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->text, sizeof r->text, fmt, ap);
    va_end(ap);
    r->code = code;
    return false;
}

/* A text, or absent; anything else is refused. */
static bool text_at(const json_t *body, const char *key, const char **out, struct refusal *r)
{
    const json_t *v = json_object_get(body, key);
    *out = json_string_value(v);
    if (v && !json_is_null(v) && !*out)
        return refuse(r, ADMIN_USAGE, "%s is not a text", key);
    if (*out && strlen(*out) != json_string_length(v))
        return refuse(r, ADMIN_USAGE, "%s has a zero octet in it", key);
    return true;
}

static bool count_at(const json_t *body, const char *key, json_int_t most, json_int_t *out,
                     bool *given, struct refusal *r)
{
    const json_t *v = json_object_get(body, key);
    *out = 0;
    if (!v || json_is_null(v))
        return true;
    *given = true;
    *out = json_integer_value(v);
    if (json_is_integer(v) && *out >= 0 && *out <= most)
        return true;
    char *said = json_dumps(v, JSON_ENCODE_ANY);
    refuse(r, ADMIN_REFUSED, "%s %.40s is not accepted: give a whole number from 0 to %lld", key,
           said ? said : "", (long long)most);
    free(said);
    return false;
}

static bool number_at(const json_t *body, const char *key, double most, double *out, bool *given,
                      struct refusal *r)
{
    const json_t *v = json_object_get(body, key);
    *given = v && !json_is_null(v);
    *out = *given ? json_number_value(v) : 0;
    if (!*given || (json_is_number(v) && isfinite(*out) && *out >= 0 && *out <= most))
        return true;
    char *said = json_dumps(v, JSON_ENCODE_ANY);
    refuse(r, ADMIN_REFUSED, "%s %.40s is not accepted: give a number from 0 to %g", key,
           said ? said : "", most);
    free(said);
    return false;
}

/* ------------------------------------------------------------------------------------ of what */

static bool find_service(const struct snapshot *s, const char *name, const char *region,
                         uint32_t *service, struct health_report *out, struct refusal *r)
{
    char canonical[MODEL_HOST_TEXT_MAX];
    const struct model_service *svc =
        model_host_canonical(name, canonical) ? model_service(s->model, canonical) : NULL;
    if (!svc)
        return refuse(r, ADMIN_NOT_FOUND, "no service is called \"%.253s\"", name);
    *service = (uint32_t)(svc - s->model->services);
    for (uint32_t at = s->service_site_first[*service]; at < s->service_site_first[*service + 1];
         at++)
        if (s->board_site_region[at] == out->region)
            out->site = at;
    if (out->site == HEALTH_NONE)
        return refuse(r, ADMIN_NOT_FOUND, "%.253s has no endpoint in %.64s", svc->name, region);
    return true;
}

static bool find_endpoint(const struct snapshot *s, uint32_t service, const char *address,
                          struct health_report *out, struct refusal *r)
{
    const struct model_service *svc = &s->model->services[service];
    const char *region = s->model->regions[out->region].name;
    char canonical[MODEL_HOST_TEXT_MAX] = "";
    struct ip ip;
    if (ip_parse(address, &ip))
        ip_format(&ip, canonical);
    else if (!model_host_canonical(address, canonical))
        canonical[0] = '\0';
    for (uint32_t i = 0; i < svc->endpoints_n; i++)
        if (strcmp(svc->endpoints[i].region, region) == 0 &&
            strcmp(svc->endpoints[i].address, canonical) == 0)
            out->endpoint = s->service_endpoint_first[service] + i;
    if (out->endpoint == HEALTH_NONE)
        return refuse(r, ADMIN_NOT_FOUND, "%.150s has no endpoint %.150s in %.64s", svc->name,
                      address, region);
    return true;
}

static bool read_place(const struct snapshot *s, const json_t *body, struct health_report *out,
                       struct refusal *r)
{
    const char *region, *service, *address;
    char canonical[MODEL_NAME_TEXT_MAX];
    if (!text_at(body, "region", &region, r) || !text_at(body, "service", &service, r) ||
        !text_at(body, "address", &address, r))
        return false;
    if (!region)
        return refuse(r, ADMIN_USAGE, "region is missing");
    int found =
        model_name_canonical(region, canonical) ? model_region_index(s->model, canonical) : -1;
    if (found < 0)
        return refuse(r, ADMIN_NOT_FOUND, "no region is called \"%.64s\"", region);
    if (address && !service)
        return refuse(r, ADMIN_USAGE, "an endpoint is known by service, region and address");
    out->region = (uint32_t)found;
    out->site = out->endpoint = HEALTH_NONE;
    uint32_t at = 0;
    if (service && !find_service(s, service, canonical, &at, out, r))
        return false;
    return !address || find_endpoint(s, at, address, out, r);
}

/* ------------------------------------------------------------------------------------ what of it */

static bool read_source(const json_t *body, const char **out, struct refusal *r)
{
    if (!text_at(body, "source", out, r))
        return false;
    if (!*out)
        *out = "report";
    size_t n = strlen(*out);
    size_t good = strspn(*out, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    if (n && n < HEALTH_SOURCE_MAX && good == n)
        return true;
    return refuse(r, ADMIN_REFUSED,
                  "source \"%.60s\" is not accepted: give letters, digits, '.', '_' and '-', at "
                  "most %d",
                  *out, HEALTH_SOURCE_MAX - 1);
}

static bool read_latency(const json_t *body, struct health_report *out, struct refusal *r)
{
    const json_t *latency = json_object_get(body, "latency");
    double p50, p99;
    bool given;
    if (latency && !json_is_null(latency) && !json_is_object(latency))
        return refuse(r, ADMIN_USAGE, "latency is not an object such as {\"p50_ms\": 12}");
    if (!number_at(latency, "p50_ms", 3600000, &p50, &given, r) ||
        !number_at(latency, "p99_ms", 3600000, &p99, &given, r))
        return false;
    out->p50_us = (uint32_t)(p50 * 1000);
    out->p99_us = (uint32_t)(p99 * 1000);
    return true;
}

/* In the unit of the region's capacity, or as a share of it. */
static bool read_load(const struct snapshot *s, const json_t *body, struct health_report *out,
                      struct refusal *r)
{
    const struct model_region *region = &s->model->regions[out->region];
    double load, share;
    bool has_load, has_share;
    if (!number_at(body, "load", 1e15, &load, &has_load, r) ||
        !number_at(body, "utilisation", HEALTH_REPORT_LOAD_MAX, &share, &has_share, r))
        return false;
    if (!has_load && !has_share)
        return true;
    if (has_load && has_share)
        return refuse(r, ADMIN_USAGE, "load and utilisation say the same: give one of them");
    if (out->site != HEALTH_NONE)
        return refuse(r, ADMIN_USAGE,
                      "load is of a whole region: leave service and endpoint out with it");
    if (has_load && region->capacity <= 0)
        return refuse(r, ADMIN_REFUSED,
                      "load %g has no capacity to compare with: give it as a percentage, or set "
                      "one (region set %.64s --capacity N)",
                      load, region->name);
    out->has_load = true;
    out->utilisation = has_share ? share : load / (double)region->capacity;
    if (out->utilisation > HEALTH_REPORT_LOAD_MAX)
        return refuse(r, ADMIN_REFUSED, "load %g is more than %g times the capacity of %.64s", load,
                      HEALTH_REPORT_LOAD_MAX, region->name);
    return true;
}

/* A misspelt count must not pass for none. */
static bool keys_known(json_t *body, struct refusal *r)
{
    static const char *const keys[] = {"op",        "region",  "service",    "address",
                                       "source",    "ok",      "errors",     "load",
                                       "covers_ms", "latency", "utilisation"};
    const char *key;
    json_t *value;
    json_object_foreach(body, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
            known |= strcmp(key, keys[i]) == 0;
        if (!known)
            return refuse(
                r, ADMIN_USAGE,
                "\"%.40s\" is not part of a report: region, service, address, source, ok, "
                "errors, covers_ms, latency, load and utilisation are",
                key);
    }
    return true;
}

static bool read_report(const struct snapshot *s, json_t *body, struct health_report *out,
                        struct refusal *r)
{
    json_int_t ok, errors, covered_ms;
    bool counted = false, ignored = false;
    *out = (struct health_report){0};
    if (!keys_known(body, r) || !read_place(s, body, out, r) ||
        !read_source(body, &out->source, r) ||
        !count_at(body, "ok", HEALTH_REPORT_COUNT_MAX, &ok, &counted, r) ||
        !count_at(body, "errors", HEALTH_REPORT_COUNT_MAX, &errors, &counted, r) ||
        !count_at(body, "covers_ms", HEALTH_REPORT_COVERED_MS_MAX, &covered_ms, &ignored, r) ||
        !read_latency(body, out, r) || !read_load(s, body, out, r))
        return false;
    if (!counted && !out->has_load)
        return refuse(r, ADMIN_USAGE, "a report says ok and errors, or load");
    out->ok = (uint64_t)ok;
    out->errors = (uint64_t)errors;
    out->covered_ms = covered_ms;
    return true;
}

/* ---------------------------------------------------------------------------------------- intake */

static json_t *source_json(const struct health_source_view *v)
{
    json_t *o =
        json_pack("{s:s, s:b, s:I, s:I, s:f, s:f, s:f, s:I}", "source", v->source, "fresh",
                  v->fresh, "samples", (json_int_t)v->samples, "failures", (json_int_t)v->failures,
                  "error_rate", v->error_rate, "error_rate_low", v->error_rate_low, "want",
                  avail_to_double(v->want), "age_ms", (json_int_t)v->age_ms);
    json_object_set_new(o, "utilisation", v->has_load ? json_real(v->utilisation) : json_null());
    json_object_set_new(o, "p50_ms", v->p50_us ? json_real(v->p50_us / 1000.0) : json_null());
    json_object_set_new(o, "p99_ms", v->p99_us ? json_real(v->p99_us / 1000.0) : json_null());
    return o;
}

json_t *reports_sources_json(const struct daemon *d, uint32_t region, uint32_t site,
                             uint32_t endpoint)
{
    struct health_report place = {.region = region, .site = site, .endpoint = endpoint};
    struct health_source_view v;
    json_t *list = json_array();
    for (uint32_t i = 0; health_source_show(d->health, &place, i, &v); i++)
        json_array_append_new(list, source_json(&v));
    return list;
}

/* What came of it: what the reporter is judged to want, and what is in effect. */
static json_t *outcome(const struct daemon *d, const struct health_report *h)
{
    struct health_source_view v;
    json_t *o = json_object();
    for (uint32_t i = 0; health_source_show(d->health, h, i, &v); i++)
        if (strcmp(v.source, h->source) == 0)
            json_object_update_new(o, source_json(&v));
    uint32_t effective;
    if (h->endpoint != HEALTH_NONE) {
        struct health_endpoint_view e;
        health_endpoint_show(d->health, h->endpoint, &e);
        effective = e.effective;
    } else if (h->site != HEALTH_NONE) {
        struct health_site_view e;
        health_site_show(d->health, h->site, &e);
        effective = e.effective;
    } else {
        effective = health_region_word(d->health, h->region) & HEALTH_WORD_AVAIL;
    }
    json_object_set_new(o, "effective", json_real(avail_to_double(effective)));
    return o;
}

enum admin_code reports_take(struct daemon *d, json_t *body, json_t **answer, char *error,
                             size_t cap)
{
    struct refusal r = {.code = ADMIN_DONE};
    struct health_report h;
    *answer = NULL;
    if (read_report(world_now(d), body, &h, &r)) {
        h.now_ms = clock_mono_ms();
        h.wall_ms = clock_wall_ms();
        enum err e = health_report(d->health, &h);
        signals_settle(d);
        if (e == ERR_LIMIT)
            refuse(&r, ADMIN_REFUSED,
                   "source \"%.40s\" is one too many: %d report of it already, and none is stale",
                   h.source, HEALTH_SOURCES_PER_ITEM);
        else if (e)
            refuse(&r, ADMIN_REFUSED, "the report is not accepted: %s", err_text(e));
        else
            *answer = outcome(d, &h);
    }
    snprintf(error, cap, "%s", r.text);
    return r.code;
}

void op_report(void *ctx, struct admin_request *r)
{
    json_t *answer;
    char error[REFUSAL_MAX];
    enum admin_code code = reports_take(ctx, r->body, &answer, error, sizeof error);
    if (code)
        admin_refuse(r, code, error, NULL);
    else
        admin_reply(r, answer);
}
