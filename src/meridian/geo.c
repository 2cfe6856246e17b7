/* geo: what the databases say, from the daemon when one runs, else from the files themselves. */
#include "items.h"
#include "runs.h"
#include "session.h"

#include "base/clock.h"
#include "geo/db.h"
#include <stdlib.h>
#include <string.h>

#define DATABASES_MAX 16

struct databases {
    struct geo_db *db[DATABASES_MAX];
    size_t n;
};

static void databases_close(struct databases *d)
{
    for (size_t i = 0; i < d->n; i++)
        geo_db_unref(&d->db[i]);
}

/* Those of the setting `geo`. */
static enum err databases_open(const struct call *c, struct databases *out, struct diag *diag)
{
    struct model *m = NULL;
    enum err e = session_model(c, &m, diag);
    const char *list = e ? "" : model_setting(m, "geo");
    while (!e && *list) {
        size_t len = strcspn(list, ",");
        char *path = strndup(list, len);
        if (out->n == DATABASES_MAX)
            e = diag_error(diag, ERR_LIMIT, "geo", "%d databases are the most", DATABASES_MAX);
        else if (!path)
            e = diag_error(diag, ERR_NOMEM, "", "out of memory");
        else if (len > 0)
            e = geo_db_load(path + strspn(path, " "), &out->db[out->n], diag);
        if (!e && len > 0)
            out->n++;
        free(path);
        list += len;
        list += *list == ',';
    }
    model_unref(&m);
    return e;
}

static json_t *place_json(const struct geo_place *p)
{
    json_t *j = json_object();
    if (!p)
        return j;
    const char *const texts[][2] = {{"continent", p->continent},
                                    {"country", p->country},
                                    {"subdivision", p->subdivision},
                                    {"city", p->city},
                                    {"as_org", p->as_org}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i][1] && texts[i][1][0])
            json_object_set_new(j, texts[i][0], json_string(texts[i][1]));
    if (p->located) {
        json_object_set_new(j, "lat", json_real((double)p->lat));
        json_object_set_new(j, "lon", json_real((double)p->lon));
    }
    if (p->radius_km)
        json_object_set_new(j, "radius_km", json_integer(p->radius_km));
    if (p->asn)
        json_object_set_new(j, "asn", json_integer(p->asn));
    return j;
}

/* The answer of the operation geo-lookup, made here. */
static json_t *lookup_here(const struct databases *d, const struct ip *ip)
{
    char text[IP_TEXT_MAX], network[PREFIX_TEXT_MAX];
    json_t *list = json_array();
    for (size_t i = 0; i < d->n; i++) {
        const struct geo_db_info *info = geo_db_info(d->db[i]);
        struct ip_prefix prefix;
        const struct geo_place *place = geo_db_lookup(d->db[i], ip, &prefix);
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:o, s:o}", "path", info->path, "type", info->type, "network",
                      place ? json_string(ip_prefix_format(&prefix, network)) : json_null(),
                      "place", place_json(place)));
    }
    return json_pack("{s:s, s:o, s:[]}", "address", ip_format(ip, text), "databases", list, "own");
}

static void print_place(const json_t *place)
{
    static const char *const keys[][2] = {
        {"continent", "continent"}, {"country", "country"}, {"subdivision", "subdivision"},
        {"city", "city"},           {"lat", "latitude"},    {"lon", "longitude"},
        {"radius_km", "radius km"}, {"asn", "asn"},         {"as_org", "organisation"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(place, keys[i][0]);
        char *text = value && !json_is_null(value) ? item_text(value) : NULL;
        if (text) {
            text_clean(text);
            printf("  %-12s %s\n", keys[i][1], text);
        }
        free(text);
    }
}

static void print_lookup(const json_t *reply)
{
    json_t *db, *databases = json_object_get(reply, "databases"),
                *own = json_object_get(reply, "own");
    size_t i;
    session_line(json_string_value(json_object_get(reply, "address")));
    json_array_foreach(databases, i, db)
    {
        const char *network = json_string_value(json_object_get(db, "network"));
        const char *type = json_string_value(json_object_get(db, "type"));
        const char *path = json_string_value(json_object_get(db, "path"));
        printf("%s %s (%s)\n", network ? network : "nothing", network ? "by" : "in",
               type ? type : "-");
        printf("  %-12s %s\n", "database", path ? path : "-");
        print_place(json_object_get(db, "place"));
    }
    if (json_array_size(databases) == 0)
        puts("no database is set: meridian set geo PATH");
    char *text = json_array_size(own) ? item_text(own) : NULL;
    if (text)
        printf("own networks: %s\n", text);
    free(text);
}

int run_geo_lookup(struct call *c)
{
    struct diag diag = {0};
    struct ip ip;
    if (!ip_parse(call_arg(c, 0), &ip))
        return session_fail_text(ADMIN_REFUSED, "\"%.64s\" is not an IPv4 or IPv6 address",
                                 call_arg(c, 0));
    struct admin_holder daemon;
    enum err e = session_daemon(c, &daemon, &diag);
    json_t *reply = NULL;
    if (!e && daemon.held) {
        int code = session_ask_at(
            daemon.control, json_pack("{s:s, s:s}", "op", "geo-lookup", "address", call_arg(c, 0)),
            CALL_TIMEOUT_MS, &reply);
        if (code)
            return code;
        json_object_del(reply, "ok");
    } else if (!e) {
        struct databases d = {0};
        e = databases_open(c, &d, &diag);
        if (!e)
            reply = lookup_here(&d, &ip);
        databases_close(&d);
    }
    if (e)
        return session_fail(e, &diag);
    diag_fini(&diag);
    if (c->json)
        return session_json(reply);
    print_lookup(reply);
    json_decref(reply);
    return ADMIN_DONE;
}

static json_t *status_here(const struct databases *d)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->n; i++) {
        const struct geo_db_info *info = geo_db_info(d->db[i]);
        char built[TIME_TEXT_MAX];
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:b}", "path", info->path, "type", info->type,
                      "built", time_format_s((int64_t)info->build_epoch * 1000, built), "size",
                      (json_int_t)info->size_bytes, "records", (json_int_t)info->records,
                      "networks", (json_int_t)info->ranges_v4 + info->ranges_v6, "stale", 0));
    }
    return json_pack("{s:o}", "databases", list);
}

static int print_status(const json_t *reply)
{
    static const char *const head[] = {"DATABASE", "TYPE",     "BUILT", "SIZE",
                                       "RECORDS",  "NETWORKS", NULL};
    struct table t;
    table_start(&t, head, 1u << 3 | 1u << 4 | 1u << 5);
    json_t *db, *databases = json_object_get(reply, "databases");
    size_t i;
    json_array_foreach(databases, i, db)
    {
        static const char *const keys[] = {"path", "type", "built", "size", "records", "networks"};
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            char *text = item_text(json_object_get(db, keys[k]));
            bool stale = k == 0 && json_is_true(json_object_get(db, "stale"));
            table_cell(&t, "%s%s", text ? text : "",
                       stale ? " (changed since: meridian reload)" : "");
            free(text);
        }
    }
    return table_print(&t, stdout, session_terminal()) ? ADMIN_DONE : ADMIN_REFUSED;
}

int run_geo_status(struct call *c)
{
    struct diag diag = {0};
    struct admin_holder daemon;
    enum err e = session_daemon(c, &daemon, &diag);
    json_t *reply = NULL;
    if (!e && daemon.held) {
        int code = session_ask_at(daemon.control, json_pack("{s:s}", "op", "geo-status"),
                                  CALL_TIMEOUT_MS, &reply);
        if (code)
            return code;
        json_object_del(reply, "ok");
    } else if (!e) {
        struct databases d = {0};
        e = databases_open(c, &d, &diag);
        if (!e)
            reply = status_here(&d);
        databases_close(&d);
    }
    if (e)
        return session_fail(e, &diag);
    diag_fini(&diag);
    if (c->json)
        return session_json(reply);
    int code = print_status(reply);
    json_decref(reply);
    return code;
}
