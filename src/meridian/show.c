/* show: one item, field by field, with what hangs on it; and the settings. */
#include "items.h"
#include "runs.h"
#include "session.h"

#include "base/clock.h"
#include "model/nearest.h"
#include "model/settings.h"
#include <stdlib.h>
#include <string.h>

/* The item that the arguments name, NULL if there is none; *parent is its service or map. */
static const void *find_item(const struct model *m, const struct call *c, const char **parent)
{
    const char *name = call_arg(c, 0);
    char host[MODEL_HOST_TEXT_MAX], plain[MODEL_NAME_TEXT_MAX];
    item_host(name, host);
    item_name(name, plain);
    const struct model_service *s;
    const struct model_map *map;
    *parent = NULL;
    switch (c->command->noun) {
    case NOUN_ZONE:
        return model_zone(m, host);
    case NOUN_REGION:
        return model_region(m, plain);
    case NOUN_PROBE:
        return model_probe(m, plain);
    case NOUN_MAP:
        return model_map(m, plain);
    case NOUN_SERVICE:
        return model_service(m, host);
    case NOUN_ENDPOINT:
        s = model_service(m, host);
        *parent = s ? s->name : NULL;
        return item_endpoint(s, call_arg(c, 1), call_arg(c, 2));
    case NOUN_RULE:
        map = model_map(m, plain);
        *parent = map ? map->name : NULL;
        return item_rule(map, call_arg(c, 1));
    default:
        return NULL;
    }
}

static enum err not_found(const struct model *m, const struct call *c, const char *parent,
                          struct diag *diag)
{
    const char *name = call_arg(c, 0);
    enum config_noun noun = c->command->noun;
    if (noun == NOUN_ENDPOINT && parent)
        return diag_error(diag, ERR_NOT_FOUND, "", "%s has no endpoint %.253s in %.64s", parent,
                          call_arg(c, 2), call_arg(c, 1));
    if (noun == NOUN_RULE && parent)
        return diag_error(diag, ERR_NOT_FOUND, "", "map %s has no rule for %.100s", parent,
                          call_arg(c, 1));
    struct nearest near;
    char hint[200];
    nearest_start(&near, name);
    for (uint32_t i = 0; noun == NOUN_ZONE && i < m->zones_n; i++)
        nearest_offer(&near, m->zones[i].name);
    for (uint32_t i = 0; noun == NOUN_REGION && i < m->regions_n; i++)
        nearest_offer(&near, m->regions[i].name);
    for (uint32_t i = 0; noun == NOUN_PROBE && i < m->probes_n; i++)
        nearest_offer(&near, m->probes[i].name);
    for (uint32_t i = 0; (noun == NOUN_MAP || noun == NOUN_RULE) && i < m->maps_n; i++)
        nearest_offer(&near, m->maps[i].name);
    for (uint32_t i = 0; (noun == NOUN_SERVICE || noun == NOUN_ENDPOINT) && i < m->services_n; i++)
        nearest_offer(&near, m->services[i].name);
    const char *what = noun == NOUN_RULE       ? "map"
                       : noun == NOUN_ENDPOINT ? "service"
                                               : config_noun_name(noun);
    return diag_error(diag, ERR_NOT_FOUND, "", "no %s is called \"%.253s\"%s", what, name,
                      nearest_hint(&near, hint, sizeof hint));
}

static void print_field(const char *label, const json_t *value, const char *otherwise)
{
    char *text = json_is_null(value) && otherwise ? strdup(otherwise) : item_text(value);
    if (!text)
        return;
    text_clean(text);
    printf("%-14s %s\n", label, text);
    free(text);
}

/* What an unset threshold of a service means now. */
static const char *inherited(const struct model *m, enum config_noun noun, const char *flag,
                             char *out, size_t cap)
{
    const char *setting = noun == NOUN_SERVICE && flag ? model_setting(m, flag) : NULL;
    if (!setting)
        return NULL;
    snprintf(out, cap, "- (setting: %s)", setting);
    return out;
}

static void print_fields(const struct model *m, enum config_noun noun, const json_t *item)
{
    size_t n;
    const struct config_field *fields = config_fields(noun, &n);
    if (noun == NOUN_ENDPOINT)
        print_field("service", json_object_get(item, "service"), NULL);
    if (noun == NOUN_RULE)
        print_field("map", json_object_get(item, "map"), NULL);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_object_get(item, fields[i].key);
        char otherwise[300];
        if (value)
            print_field(fields[i].flag ? fields[i].flag : fields[i].key, value,
                        inherited(m, noun, fields[i].flag, otherwise, sizeof otherwise));
    }
}

struct overrides {
    const char *region, *service, *address;
};

static void print_override(void *ctx, const struct store_override *o)
{
    const struct overrides *want = ctx;
    if (strcmp(o->region, want->region) != 0)
        return;
    if (!want->service != !o->service || (o->service && (strcmp(o->service, want->service) != 0 ||
                                                         strcmp(o->address, want->address) != 0)))
        return;
    char since[TIME_TEXT_MAX], until[TIME_TEXT_MAX], line[600];
    snprintf(line, sizeof line, "%s by %s since %s%s%s%s%s", o->state, o->author,
             time_format_s(o->since_wall_ms, since), o->until_wall_ms ? " until " : "",
             o->until_wall_ms ? time_format_s(o->until_wall_ms, until) : "",
             o->reason && o->reason[0] ? ": " : "", o->reason ? o->reason : "");
    text_clean(line);
    printf("%-14s %s\n", "override", line);
}

static void print_window(void *ctx, const struct store_maintenance *m)
{
    const struct overrides *want = ctx;
    char from[TIME_TEXT_MAX], until[TIME_TEXT_MAX], line[600];
    if (want->service || strcmp(m->region, want->region) != 0 ||
        m->until_wall_ms <= clock_wall_ms())
        return;
    snprintf(line, sizeof line, "%lld: %s from %s until %s by %s: %s", (long long)m->id, m->state,
             time_format_s(m->from_wall_ms, from), time_format_s(m->until_wall_ms, until),
             m->author, m->reason);
    text_clean(line);
    printf("%-14s %s\n", "maintenance", line);
}

static void print_overrides(const struct call *c, enum config_noun noun, const void *item,
                            const char *parent)
{
    struct overrides want = {0};
    if (noun == NOUN_REGION) {
        want.region = ((const struct model_region *)item)->name;
    } else if (noun == NOUN_ENDPOINT) {
        const struct model_endpoint *e = item;
        want = (struct overrides){e->region, parent, e->address};
    } else {
        return;
    }
    struct store *s;
    struct diag unheard = {0};
    if (session_open(c, &s, &unheard) == ERR_OK) {
        (void)!store_override_each(s, print_override, &want, &unheard);
        (void)!store_maintenance_each(s, print_window, &want, &unheard);
        store_close(&s);
    }
    diag_fini(&unheard);
}

static void print_belongings(const struct model *m, enum config_noun noun, const void *item)
{
    struct table t;
    if (noun == NOUN_MAP) {
        items_rules(m, ((const struct model_map *)item)->name, &t);
    } else if (noun == NOUN_REGION) {
        items_endpoints(m, NULL, ((const struct model_region *)item)->name, &t);
    } else if (noun == NOUN_SERVICE) {
        items_endpoints(m, ((const struct model_service *)item)->name, NULL, &t);
    } else if (noun == NOUN_ZONE) {
        static const char *const head[] = {"SERVICE", "POLICY", NULL};
        table_start(&t, head, 0);
        for (uint32_t i = 0; i < m->services_n; i++) {
            const struct model_service *s = &m->services[i];
            if (!s->zone || strcmp(s->zone, ((const struct model_zone *)item)->name) != 0)
                continue;
            table_cell(&t, "%s", s->name);
            table_cell(&t, "%s", s->policy);
        }
    } else {
        return;
    }
    if (t.cells > 0) {
        putchar('\n');
        table_print(&t, stdout, session_terminal());
    }
}

int run_show(struct call *c)
{
    struct diag diag = {0};
    struct model *m = NULL;
    const char *parent = NULL;
    const void *item = NULL;
    enum config_noun noun = c->command->noun;
    enum err e = session_model(c, &m, &diag);
    if (!e) {
        item = find_item(m, c, &parent);
        if (!item)
            e = not_found(m, c, parent, &diag);
    }
    int code = ADMIN_DONE;
    if (e) {
        code = session_fail(e, &diag);
    } else if (c->json) {
        code = session_json(item_json(m, noun, parent, item));
    } else {
        json_t *j = item_json(m, noun, parent, item);
        print_fields(m, noun, j);
        json_decref(j);
        print_overrides(c, noun, item, parent);
        print_belongings(m, noun, item);
    }
    model_unref(&m);
    return code;
}

static int all_settings(const struct call *c, const struct model *m)
{
    static const char *const head[] = {"SETTING", "VALUE", "DEFAULT", "WHAT IT IS", NULL};
    size_t n;
    const struct model_setting_info *info = model_settings_table(&n);
    if (c->json) {
        json_t *j = json_object();
        for (size_t i = 0; i < n; i++)
            json_object_set_new(j, info[i].key,
                                json_pack("{s:s, s:s}", "value", model_setting(m, info[i].key),
                                          "default", info[i].fallback));
        return session_json(j);
    }
    struct table t;
    table_start(&t, head, 0);
    for (size_t i = 0; i < n; i++) {
        table_cell(&t, "%s", info[i].key);
        table_cell(&t, "%s", model_setting(m, info[i].key));
        table_cell(&t, "%s", info[i].fallback);
        table_cell(&t, "%s", info[i].help);
    }
    return table_print(&t, stdout, session_terminal())
               ? ADMIN_DONE
               : session_fail_text(ADMIN_REFUSED, "out of memory for the list");
}

static int one_setting(const struct call *c, const struct model *m, const char *key)
{
    const char *value = model_setting(m, key);
    if (value && c->json)
        return session_json(json_pack("{s:s, s:s}", "key", key, "value", value));
    if (value) {
        session_line(value);
        return ADMIN_DONE;
    }
    struct nearest near;
    char hint[200];
    size_t n;
    const struct model_setting_info *info = model_settings_table(&n);
    nearest_start(&near, key);
    for (size_t i = 0; i < n; i++)
        nearest_offer(&near, info[i].key);
    return session_fail_text(ADMIN_NOT_FOUND, "no setting is called \"%.64s\"%s", key,
                             nearest_hint(&near, hint, sizeof hint));
}

int run_settings(struct call *c)
{
    struct diag diag = {0};
    struct model *m = NULL;
    enum err e = session_model(c, &m, &diag);
    if (e)
        return session_fail(e, &diag);
    const char *key = call_arg(c, 0);
    int code = key ? one_setting(c, m, key) : all_settings(c, m);
    model_unref(&m);
    return code;
}
