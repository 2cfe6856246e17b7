/* The document into a model. */
#include "config_priv.h"

#include "cut.h"
#include "model/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const enum config_noun parts[] = {NOUN_REGION, NOUN_ZONE,    NOUN_PROBE,
                                         NOUN_MAP,    NOUN_LATENCY, NOUN_SERVICE};

struct importer {
    struct reader r;
    struct cutter cutter;
};

static bool item_named(enum config_noun noun, const void *item, const char **missing)
{
    const struct model_latency *l = item;
    *missing = "name";
    if (noun != NOUN_LATENCY)
        return *(const char *const *)item != NULL;
    *missing = !l->where.text ? "where" : !l->region ? "region" : "ms";
    return l->where.text && l->region && l->ms >= 0;
}

struct items { /* of one part, growing */
    char *list;
    uint32_t n, room;
};

static void *items_add(struct items *items, size_t size)
{
    if (items->n == items->room) {
        uint32_t room = items->room ? items->room * 2 : 16;
        char *grown = room > items->room ? reallocarray(items->list, room, size) : NULL;
        if (!grown)
            return NULL;
        items->list = grown;
        items->room = room;
    }
    return items->list + items->n++ * size;
}

static enum err read_one(struct importer *im, const struct at *at, enum config_noun noun,
                         struct cut cut, struct items *items)
{
    const char *missing;
    json_t *j;
    enum err e = cut__parse(&im->cutter, cut, &j);
    if (e)
        return e;
    void *item = items_add(items, config__item_size(noun));
    if (item) {
        memcpy(item, &im->r.shape.fallback[noun], config__item_size(noun));
        e = config__read_item(&im->r, at, noun, j, item);
        if (!e && !item_named(noun, item, &missing))
            e = config__missing_key(&im->r, at, missing);
    } else
        e = config__nomem(im->r.diag);
    json_decref(j);
    return e;
}

static enum err read_items(struct importer *im, const struct at *top, enum config_noun noun,
                           struct items *items)
{
    enum err worst = ERR_OK;
    for (size_t i = 0;; i++) {
        struct at here = {.up = top, .index = i};
        struct cut cut;
        bool more;
        enum err e = cut__next(&im->cutter, &more, &cut);
        if (e)
            return e;
        if (!more)
            return worst;
        e = read_one(im, &here, noun, cut, items);
        if (e == ERR_SYNTAX && im->cutter.broken)
            return e;
        worst = worst ? worst : e;
    }
}

static enum err read_part(struct importer *im, enum config_noun noun, struct cut list)
{
    struct at top = {.key = config__list_key(noun)};
    struct items items = {0};
    enum err e;
    if (list.len == 0 || *list.text != '[') {
        json_t *j;
        e = cut__parse(&im->cutter, list, &j);
        if (!e)
            e = config__not_a_list(&im->r, &top, j);
        json_decref(j);
        return e;
    }
    cut__list(&im->cutter, list);
    e = read_items(im, &top, noun, &items);
    if (e)
        free(items.list);
    else
        model_part_take(im->r.m, config__part(noun), items.list, items.n);
    return e;
}

/* A region that was there keeps its order number where the document's order allows, so that reading
 * back what was exported changes nothing. */
static enum err read_regions(struct importer *im, struct cut list)
{
    struct model *m = im->r.m;
    uint32_t n = m->regions_n;
    struct model_region *before = malloc((n + 1) * sizeof *before);
    if (!before)
        return config__nomem(im->r.diag);
    if (n)
        memcpy(before, m->regions, n * sizeof *before);
    enum err e = read_part(im, NOUN_REGION, list);
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
        const struct model_setting_info *info = e ? NULL : model_setting_info(s.key);
        if (info && (info->kind == SETTING_PATHS || info->kind == SETTING_PATH)) {
            if (info->kind == SETTING_PATHS && r->folder && strchr(r->folder, ',') &&
                s.value[0] != '/' && s.value[0])
                e = diag_error(r->diag, ERR_INVALID, config__where(&here, where),
                               "paths in a list cannot be meant from a folder with a comma in its "
                               "name, %s: give them whole",
                               r->folder);
            else
                s.value = info->kind == SETTING_PATH ? config__path(r, s.value, strlen(s.value))
                                                     : config__paths(r, s.value);
            if (!e && !s.value)
                e = config__nomem(r->diag);
        }
        if (!e)
            e = model_setting_check(s.key, s.value, config__where(&here, where), r->diag);
        if (e == ERR_NOT_FOUND) /* by name: the document is wrong, nothing is missing */
            e = ERR_INVALID;
        struct model_setting *item =
            e ? NULL : model_part_insert(r->m, PART_SETTINGS, r->m->settings_n);
        if (item)
            *item = s;
        worst = worst ? worst : e;
    }
    return worst;
}

static enum err check_keys(struct importer *im)
{
    enum err worst = ERR_OK;
    for (unsigned k = 0; k < im->cutter.n; k++) {
        const char *key = im->cutter.key[k];
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
            worst = diag_error(im->r.diag, ERR_INVALID, "",
                               "\"%.60s\" is not a part of the configuration%s; parts are "
                               "settings, zones, regions, probes, maps, latency, services",
                               key, nearest_hint(&near, hint, sizeof hint));
    }
    return worst;
}

static enum err read_revision(struct importer *im, int64_t *revision)
{
    char text[WHERE_MAX];
    json_t *v;
    const struct cut *cut = cut__find(&im->cutter, "revision");
    enum err e = cut ? cut__parse(&im->cutter, *cut, &v) : ERR_OK;
    if (e || !cut)
        return e;
    if (json_is_integer(v) && json_integer_value(v) >= 0)
        *revision = json_integer_value(v);
    else if (!json_is_null(v))
        e = diag_error(im->r.diag, ERR_INVALID, "revision",
                       "%s is not accepted: give a whole number", config__value_text(v, text));
    json_decref(v);
    return e;
}

static enum err read_settings_part(struct importer *im)
{
    json_t *v;
    const struct cut *cut = cut__find(&im->cutter, "settings");
    enum err e = cut ? cut__parse(&im->cutter, *cut, &v) : ERR_OK;
    if (e || !cut)
        return e;
    e = read_settings(&im->r, v);
    json_decref(v);
    return e;
}

/* The values of unknown keys are parsed too: a document is JSON as a whole or refused. */
static enum err check_unknown(struct importer *im)
{
    for (unsigned k = 0; k < im->cutter.n; k++) {
        bool list = false;
        for (size_t i = 0; i < ARRAY_LEN(parts); i++)
            list = list || strcmp(im->cutter.key[k], config__list_key(parts[i])) == 0;
        json_t *v = NULL;
        enum err e = list ? ERR_OK : cut__parse(&im->cutter, im->cutter.value[k], &v);
        json_decref(v);
        if (e)
            return e;
    }
    return ERR_OK;
}

static enum err read_root(struct importer *im, int64_t *revision)
{
    enum err worst = check_unknown(im);
    if (worst)
        return worst;
    worst = check_keys(im);
    enum err e = read_revision(im, revision);
    worst = worst ? worst : e;
    e = read_settings_part(im);
    worst = worst ? worst : e;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const struct cut *list = cut__find(&im->cutter, config__list_key(parts[i]));
        if (!list)
            continue;
        e = parts[i] == NOUN_REGION ? read_regions(im, *list) : read_part(im, parts[i], *list);
        if (e == ERR_SYNTAX && im->cutter.broken)
            return e;
        worst = worst ? worst : e;
    }
    return worst;
}

/* A document that is JSON but no object is told so; what is not JSON gets line and column. */
static enum err not_an_object(struct importer *im, const char *text, size_t len)
{
    char shown[WHERE_MAX];
    json_t *v;
    im->cutter = (struct cutter){.start = text, .p = text, .end = text + len, .diag = im->r.diag};
    enum err e = cut__parse(&im->cutter, (struct cut){text, len}, &v);
    if (!e)
        e = diag_error(im->r.diag, ERR_SYNTAX, "",
                       "the configuration is %s: it must be an object with the keys settings, "
                       "zones, regions, probes, maps, latency, services",
                       config__value_text(v, shown));
    json_decref(v);
    return e;
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

static enum err read_document(struct importer *im, const char *text, size_t len, int64_t *revision)
{
    size_t space = 0;
    while (space < len && strchr(" \t\r\n", text[space]) && text[space])
        space++;
    if (space < len && text[space] != '{')
        return not_an_object(im, text, len);
    enum err e = cut__document(&im->cutter, text, len, im->r.diag);
    return e ? e : read_root(im, revision);
}

enum err config_import(struct model *m, const char *text, size_t len, int64_t *revision,
                       struct diag *diag)
{
    return config_import_from(m, text, len, NULL, revision, diag);
}

enum err config_import_from(struct model *m, const char *text, size_t len, const char *folder,
                            int64_t *revision, struct diag *diag)
{
    *revision = 0;
    struct importer *im = malloc(sizeof *im);
    if (!im)
        return config__nomem(diag);
    config__reader_init(&im->r, m, diag);
    im->r.folder = folder;
    enum err e = read_document(im, text, len, revision);
    free(im);
    if (e)
        return e;
    for (unsigned p = 0; p < PART_COUNT; p++)
        model_part_sort(m, (enum model_part)p);
    return config__endpoints_order(m) ? ERR_OK : config__nomem(diag);
}
