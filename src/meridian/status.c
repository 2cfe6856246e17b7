/* status: what a person set, what the probes observe and what is in effect, side by side. */
#include "items.h"
#include "runs.h"
#include "session.h"

#include "base/clock.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));
    return text ? text : "";
}

static double number_of(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static void cell_share(struct table *t, const json_t *j)
{
    double got = number_of(j, "share_got"), want = number_of(j, "share_want");
    char g[16] = "-", w[16] = "-";
    if (!isnan(got))
        snprintf(g, sizeof g, "%.0f%%", got * 100);
    if (!isnan(want))
        snprintf(w, sizeof w, "%.0f%%", want * 100);
    table_cell(t, "%s/%s", g, w);
}

static void cell_number(struct table *t, const char *fmt, double v)
{
    char text[32] = "-";
    if (!isnan(v)) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, fmt, v);
#pragma GCC diagnostic pop
    }
    table_cell(t, "%s", text);
}

/* "ana until 12:00: db move"; a day that is not today is written out. */
static void cell_why(struct table *t, const json_t *j)
{
    const char *author = text_of(j, "set_author"), *until = text_of(j, "set_until");
    const char *reason = text_of(j, "set_reason"), *why = text_of(j, "why");
    char now[TIME_TEXT_MAX], to[64] = "", window[48];
    double maintenance = number_of(j, "set_maintenance");
    if (!isnan(maintenance)) {
        snprintf(window, sizeof window, "maintenance %.0f", maintenance);
        author = window;
    }
    if (strcmp(text_of(j, "set"), "on") == 0 || !author[0]) {
        table_cell(t, "%s", why[0] ? why : "-");
        return;
    }
    time_format_s(clock_wall_ms(), now);
    if (strlen(until) >= 16 && strncmp(until, now, 10) == 0)
        snprintf(to, sizeof to, " until %.5s", until + 11);
    else if (until[0])
        snprintf(to, sizeof to, " until %.32s", until);
    table_cell(t, "%s%s%s%s", author, to, reason[0] ? ": " : "", reason);
}

static void cell_since(struct table *t, const json_t *j)
{
    char span[TIME_TEXT_MAX];
    double ms = number_of(j, "since_ms");
    table_cell(t, "%s", isnan(ms) ? "-" : duration_format_rough((int64_t)ms, span));
}

static void cell_set(struct table *t, const json_t *j)
{
    double to = number_of(j, "set_to");
    const char *set = text_of(j, "set");
    if (!isnan(to) && to > 0)
        table_cell(t, "%s %.0f%%", set, to * 100);
    else
        table_cell(t, "%s", set[0] ? set : "on");
}

/* The columns that regions, sites and endpoints share, from OBSERVED on. */
static void cells_of(struct table *t, const json_t *j)
{
    table_cell(t, "%s", text_of(j, "observed"));
    cell_number(t, "%.2f", number_of(j, "effective"));
    cell_share(t, j);
    cell_number(t, "%.1f", number_of(j, "error_rate") * 100);
    cell_number(t, "%.0fms", number_of(j, "rtt_ms"));
    cell_since(t, j);
    cell_why(t, j);
}

static void regions_table(struct table *t, const json_t *reply)
{
    static const char *const head[] = {"REGION", "SET", "OBSERVED", "EFFECTIVE", "SHARE got/want",
                                       "ERR%",   "RTT", "SINCE",    "WHY",       NULL};
    table_start(t, head, 1u << 5 | 1u << 6);
    json_t *region, *regions = json_object_get(reply, "regions");
    size_t i;
    json_array_foreach(regions, i, region)
    {
        table_cell(t, "%s", text_of(region, "name"));
        cell_set(t, region);
        cells_of(t, region);
    }
}

static void service_table(struct table *t, const json_t *service)
{
    static const char *const head[] = {
        "REGION", "ENDPOINT", "SET",   "OBSERVED", "EFFECTIVE", "SHARE got/want",
        "ERR%",   "RTT",      "SINCE", "WHY",      NULL};
    table_start(t, head, 1u << 6 | 1u << 7);
    json_t *site, *sites = json_object_get(service, "sites"), *endpoint;
    size_t i, k;
    json_array_foreach(sites, i, site)
    {
        table_cell(t, "%s", text_of(site, "region"));
        table_cell(t, "-");
        cell_set(t, site);
        cells_of(t, site);
        json_t *endpoints = json_object_get(site, "endpoints");
        json_array_foreach(endpoints, k, endpoint)
        {
            table_cell(t, "%s", text_of(site, "region"));
            table_cell(t, "%s", text_of(endpoint, "address"));
            cell_set(t, endpoint);
            cells_of(t, endpoint);
        }
    }
}

/* What is wrong with the daemon as a whole comes before everything else. */
static void print_warnings(const json_t *reply)
{
    char span[TIME_TEXT_MAX];
    const char *degraded = text_of(reply, "degraded");
    double age_ms = number_of(reply, "state_age_ms");
    if (degraded[0]) {
        printf("degraded: ");
        session_line(degraded);
    }
    const json_t *waits = json_object_get(reply, "confirm");
    if (json_is_object(waits))
        printf("revision %.0f is taken back at %s unless you say: meridian confirm\n",
               number_of(waits, "revision"), text_of(waits, "until"));
    if (!isnan(age_ms))
        printf("health is %s old: kept from before the start until fresh evidence comes\n",
               duration_format_rough((int64_t)age_ms, span));
}

/* "next: maintenance 4 of eu-west, drain from … until …: db move", the first that has not begun. */
static void print_next_window(const json_t *reply)
{
    json_t *w, *list = json_object_get(reply, "maintenance");
    size_t i, planned = 0;
    const json_t *next = NULL;
    char line[600], more[40] = "", to[24] = "";
    json_array_foreach(list, i, w)
    {
        if (strcmp(text_of(w, "phase"), "planned") != 0)
            continue;
        if (planned++ == 0)
            next = w;
    }
    if (!next)
        return;
    if (planned > 1)
        snprintf(more, sizeof more, " (%zu more)", planned - 1);
    if (number_of(next, "to") > 0)
        snprintf(to, sizeof to, " to %.0f%%", number_of(next, "to") * 100);
    snprintf(line, sizeof line, "next: maintenance %.0f of %s, %s%s from %s until %s: %.300s%s",
             number_of(next, "id"), text_of(next, "region"), text_of(next, "state"), to,
             text_of(next, "from"), text_of(next, "until"), text_of(next, "reason"), more);
    session_line(line);
}

int run_status(struct call *c)
{
    const char *name = call_arg(c, 0);
    json_t *reply, *request = json_pack("{s:s}", "op", "status");
    if (name)
        json_object_set_new(request, "service", json_string(name));
    int code = session_ask(c, request, CALL_TIMEOUT_MS, &reply);
    if (code)
        return code;
    if (c->json) {
        json_object_del(reply, "ok");
        return session_json(reply);
    }
    print_warnings(reply);
    struct table t;
    if (name) {
        json_t *service = json_array_get(json_object_get(reply, "services"), 0);
        bool moving = json_is_true(json_object_get(service, "moving"));
        printf("%s  ttl %.0f%s\n", text_of(service, "name"), number_of(service, "ttl"),
               moving ? ", moving" : "");
        service_table(&t, service);
    } else {
        regions_table(&t, reply);
    }
    code = table_print(&t, stdout, session_terminal()) ? ADMIN_DONE : ADMIN_REFUSED;
    if (!name)
        print_next_window(reply);
    json_decref(reply);
    return code;
}
