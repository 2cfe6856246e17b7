/* report: what a load balancer counted, handed to the daemon. */
#include "runs.h"
#include "session.h"

#include "base/clock.h"
#include "model/settings.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int put_count(const struct call *c, const char *flag, json_t *request)
{
    const char *text = call_flag(c, flag);
    int64_t n;
    if (!text)
        return ADMIN_DONE;
    if (!model_integer_parse(text, &n))
        return session_fail_text(ADMIN_REFUSED, "--%s: \"%.32s\" is not a whole number", flag,
                                 text);
    json_object_set_new(request, flag, json_integer(n));
    return ADMIN_DONE;
}

/* "12ms", "1.5ms", "2s", "350us"; plain numbers are milliseconds. */
static bool latency_ms(const char *text, double *out)
{
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return false;
    *out = strtod(text, &end);
    if (strcmp(end, "s") == 0)
        *out *= 1000;
    else if (strcmp(end, "us") == 0)
        *out /= 1000;
    else if (*end && strcmp(end, "ms") != 0)
        return false;
    return isfinite(*out);
}

static int put_latency(const struct call *c, json_t *request)
{
    const char *text = call_flag(c, "latency");
    if (!text)
        return ADMIN_DONE;
    char copy[128];
    json_t *latency = json_object();
    bool good = strlen(text) < sizeof copy;
    snprintf(copy, sizeof copy, "%s", text);
    char *rest = copy;
    for (char *one; good && (one = strsep(&rest, ",")) != NULL;) {
        char *value = strchr(one, '=');
        double ms = 0;
        good = value && latency_ms(value + 1, &ms) &&
               (strncmp(one, "p50=", 4) == 0 || strncmp(one, "p99=", 4) == 0);
        if (good)
            json_object_set_new(latency, one[1] == '5' ? "p50_ms" : "p99_ms", json_real(ms));
    }
    json_object_set_new(request, "latency", latency);
    if (good)
        return ADMIN_DONE;
    return session_fail_text(ADMIN_REFUSED, "--latency: \"%.64s\" is not p50=12ms,p99=80ms", text);
}

static int put_load(const struct call *c, json_t *request)
{
    const char *text = call_flag(c, "load");
    if (!text)
        return ADMIN_DONE;
    char *end = NULL;
    double load = *text >= '0' && *text <= '9' ? strtod(text, &end) : -1;
    bool share = load >= 0 && strcmp(end, "%") == 0;
    if (load < 0 || !isfinite(load) || (*end && !share))
        return session_fail_text(ADMIN_REFUSED,
                                 "--load: \"%.32s\" is neither a number nor a percentage", text);
    json_object_set_new(request, share ? "utilisation" : "load",
                        json_real(share ? load / 100 : load));
    return ADMIN_DONE;
}

static int put_covers(const struct call *c, json_t *request)
{
    const char *text = call_flag(c, "covers");
    int64_t ms;
    if (!text)
        return ADMIN_DONE;
    if (!duration_parse(text, &ms))
        return session_fail_text(ADMIN_REFUSED, "--covers: \"%.32s\" is not a duration: 10s is one",
                                 text);
    json_object_set_new(request, "covers_ms", json_integer(ms));
    return ADMIN_DONE;
}

static void put_text(const struct call *c, const char *flag, const char *key, json_t *request)
{
    const char *text = call_flag(c, flag);
    if (text)
        json_object_set_new(request, key, json_string(text));
}

static double number_of(const json_t *j, const char *key)
{
    return json_number_value(json_object_get(j, key));
}

/* "eu-west: haproxy has 30.0% errors of 5000, at least 28.7%: wants 0.47; 0.47 is in effect" */
static void print_outcome(const struct call *c, const json_t *reply)
{
    const json_t *use = json_object_get(reply, "utilisation");
    printf("%s: %s", call_arg(c, 0), json_string_value(json_object_get(reply, "source")));
    if (json_is_true(json_object_get(reply, "fresh")))
        printf(" has %.1f%% errors of %.0f, at least %.1f%%", 100 * number_of(reply, "error_rate"),
               number_of(reply, "samples"), 100 * number_of(reply, "error_rate_low"));
    else
        printf(" has too few samples to be judged");
    if (json_is_number(use))
        printf(", utilisation %.0f%%", 100 * json_number_value(use));
    printf(": wants %.2f; %.2f is in effect\n", number_of(reply, "want"),
           number_of(reply, "effective"));
}

int run_report(struct call *c)
{
    json_t *reply, *request = json_pack("{s:s, s:s}", "op", "report", "region", call_arg(c, 0));
    put_text(c, "service", "service", request);
    put_text(c, "endpoint", "address", request);
    put_text(c, "source", "source", request);
    int code = put_count(c, "ok", request);
    code = code ? code : put_count(c, "errors", request);
    code = code ? code : put_latency(c, request);
    code = code ? code : put_load(c, request);
    code = code ? code : put_covers(c, request);
    if (!code && call_has(c, "endpoint") && !call_has(c, "service"))
        code =
            session_fail_text(ADMIN_USAGE, "--endpoint goes with --service: an endpoint is known "
                                           "by service, region and address");
    if (code) {
        json_decref(request);
        return code;
    }
    code = session_ask(c, request, CALL_TIMEOUT_MS, &reply);
    if (code)
        return code;
    if (c->json) {
        json_object_del(reply, "ok");
        return session_json(reply);
    }
    print_outcome(c, reply);
    json_decref(reply);
    return ADMIN_DONE;
}
