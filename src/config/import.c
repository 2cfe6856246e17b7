/* The document into a model. */
#include "config_priv.h"

#include "model/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const enum config_noun parts[] = {NOUN_REGION, NOUN_ZONE,    NOUN_PROBE,
                                         NOUN_MAP,    NOUN_LATENCY, NOUN_SERVICE};

static bool item_named(enum config_noun noun, const void *item, const char **missing)
{
    const struct model_latency *l = item;
    *missing = "name";
    if (noun != NOUN_LATENCY)
        return *(const char *const *)item != NULL;
    *missing = !l->where.text ? "where" : !l->region ? "region" : "ms";
    return l->where.text && l->region && l->ms >= 0;
}

static enum err read_part(struct reader *r, enum config_noun noun, json_t *list)
{
    enum model_part part = config__part(noun);
    struct at top = {.key = config__list_key(noun)};
    const char *missing;
    enum err worst = ERR_OK;
    if (!json_is_array(list))
        return config__not_a_list(r, &top, list);
    size_t n = json_array_size(list), size = model_part_size(part);
    char *items = n < UINT32_MAX ? malloc((n ? n : 1) * size) : NULL;
    if (!items)
        return config__nomem(r->diag);
    for (size_t i = 0; i < n; i++) {
        struct at here = {.up = &top, .index = i};
        void *item = items + i * size;
        memcpy(item, &r->shape.fallback[noun], size);
        enum err e = config__read_item(r, &here, noun, json_array_get(list, i), item);
        if (!e && !item_named(noun, item, &missing))
            e = config__missing_key(r, &here, missing);
        worst = worst ? worst : e;
    }
    if (worst) {
        free(items);
        return worst;
    }
    model_part_take(r->m, part, items, (uint32_t)n);
    return ERR_OK;
}

/* A region that was there keeps its order number where the document's order allows, so that reading
 * back what was exported changes nothing. */
static enum err read_regions(struct reader *r, json_t *list)
{
    struct model *m = r->m;
    uint32_t n = m->regions_n;
    struct model_region *before = malloc((n + 1) * sizeof *before);
    if (!before)
        return config__nomem(r->diag);
    if (n)
        memcpy(before, m->regions, n * sizeof *before);
    enum err e = read_part(r, NOUN_REGION, list);
    int64_t last = 0;
    for (uint32_t i = 0; !e && i < m->regions_n; i++) {
        int64_t order = 0;
        for (uint32_t k = 0; k < n; k++)
            if (strcmp(before[k].name, m->regions[i].name) == 0)
                order = before[k].order;
        m->regions[i].order = order > last ? order : last + 1;
        last = m->regions[i].order;
    }
    free(before);
    return e;
}

/* What belongs to this host stays unless the document names it: it is not exported by default. */
static enum err keep_local(struct reader *r, json_t *settings)
{
    struct model *m = r->m;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->settings_n; i++) {
        const struct model_setting_info *info = model_setting_info(m->settings[i].key);
        if (info && info->local && !json_object_get(settings, m->settings[i].key))
            m->settings[kept++] = m->settings[i];
    }
    m->settings_n = kept;
    return model_part_reserve(m, PART_SETTINGS, kept + (uint32_t)json_object_size(settings))
               ? ERR_OK
               : config__nomem(r->diag);
}

static enum err read_settings(struct reader *r, json_t *settings)
{
    struct at top = {.key = "settings"};
    char where[WHERE_MAX], text[WHERE_MAX];
    const char *key;
    json_t *v;
    if (!json_is_object(settings))
        return diag_error(r->diag, ERR_INVALID, "settings",
                          "%s is not accepted: give an object of settings and their values",
                          config__value_text(settings, text));
    enum err worst = keep_local(r, settings);
    size_t n;
    const struct config_field *f = config_fields(NOUN_SETTING, &n);
    const struct slot *slot = config__slots(NOUN_SETTING);
    json_object_foreach(settings, key, v)
    {
        struct at here = {.up = &top, .key = key};
        struct model_setting s = {.key = arena_strdup(r->a, key)};
        if (json_is_null(v))
            continue;
        enum err e =
            s.key ? config__read_value(r, &here, &f[1], &slot[1], v, &s) : config__nomem(r->diag);
        if (!e)
            e = model_setting_check(s.key, s.value, config__where(&here, where), r->diag);
        struct model_setting *item =
            e ? NULL : model_part_insert(r->m, PART_SETTINGS, r->m->settings_n);
        if (item)
            *item = s;
        worst = worst ? worst : e;
    }
    return worst;
}

static enum err check_keys(struct reader *r, json_t *root)
{
    enum err worst = ERR_OK;
    const char *key;
    json_t *v;
    json_object_foreach(root, key, v)
    {
        struct nearest near;
        char hint[NEAREST_WORD_MAX + 40];
        bool known = strcmp(key, "settings") == 0 || strcmp(key, "revision") == 0;
        nearest_start(&near, key);
        nearest_offer(&near, "settings");
        nearest_offer(&near, "revision");
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
            known = known || strcmp(key, config__list_key(parts[i])) == 0;
            nearest_offer(&near, config__list_key(parts[i]));
        }
        if (!known)
            worst = diag_error(r->diag, ERR_INVALID, "",
                               "\"%.60s\" is not a part of the configuration%s; parts are "
                               "settings, zones, regions, probes, maps, latency, services",
                               key, nearest_hint(&near, hint, sizeof hint));
    }
    return worst;
}

static enum err read_revision(struct reader *r, json_t *v, int64_t *revision)
{
    char text[WHERE_MAX];
    *revision = 0;
    if (!v || json_is_null(v))
        return ERR_OK;
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return diag_error(r->diag, ERR_INVALID, "revision",
                          "%s is not accepted: give a whole number", config__value_text(v, text));
    *revision = json_integer_value(v);
    return ERR_OK;
}

static enum err read_root(struct reader *r, json_t *root, int64_t *revision)
{
    char text[WHERE_MAX];
    if (!json_is_object(root))
        return diag_error(r->diag, ERR_SYNTAX, "",
                          "the configuration is %s: it must be an object with the keys settings, "
                          "zones, regions, probes, maps, latency, services",
                          config__value_text(root, text));
    enum err worst = check_keys(r, root),
             e = read_revision(r, json_object_get(root, "revision"), revision);
    worst = worst ? worst : e;
    json_t *settings = json_object_get(root, "settings");
    e = settings ? read_settings(r, settings) : ERR_OK;
    worst = worst ? worst : e;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        json_t *list = json_object_get(root, config__list_key(parts[i]));
        if (!list)
            continue;
        e = parts[i] == NOUN_REGION ? read_regions(r, list) : read_part(r, parts[i], list);
        worst = worst ? worst : e;
    }
    return worst;
}

bool config__endpoints_order(struct model *m)
{
    for (uint32_t i = 0; i < m->services_n; i++) {
        struct model_service *s = &m->services[i];
        int last = -1;
        bool sorted = true;
        for (uint32_t k = 0; k < s->endpoints_n && sorted; k++) {
            if (k && s->endpoints[k].region == s->endpoints[k - 1].region)
                continue;
            int at = model_region_index(m, s->endpoints[k].region);
            sorted = at >= last;
            last = at;
        }
        if (sorted)
            continue;
        struct model_endpoint *copy = ARENA_ARRAY(m->arena, struct model_endpoint, s->endpoints_n);
        if (!copy)
            return false;
        memcpy(copy, s->endpoints, s->endpoints_n * sizeof *copy);
        model_endpoints_sort(m, copy, s->endpoints_n);
        s->endpoints = copy;
    }
    return true;
}

enum err config_import(struct model *m, const char *text, size_t len, int64_t *revision,
                       struct diag *diag)
{
    json_error_t error;
    *revision = 0;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        char where[60];
        snprintf(where, sizeof where, "line %d, column %d", error.line, error.column);
        return diag_error(diag, ERR_SYNTAX, where, "the text is not JSON: %s", error.text);
    }
    struct reader *r = malloc(sizeof *r);
    enum err e = r ? ERR_OK : config__nomem(diag);
    if (r) {
        config__reader_init(r, m, diag);
        e = read_root(r, root, revision);
        free(r);
    }
    json_decref(root);
    if (e)
        return e;
    for (unsigned p = 0; p < PART_COUNT; p++)
        model_part_sort(m, (enum model_part)p);
    return config__endpoints_order(m) ? ERR_OK : config__nomem(diag);
}
