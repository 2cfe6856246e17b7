/* Edits: add, set and remove on a model that is being built. */
#include "config_priv.h"

#include "model/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t config__find(const struct model *m, enum config_noun noun, const char *name)
{
    bool found;
    if (noun == NOUN_REGION)
        return model_region_index(m, name);
    uint32_t at = model_part_find(m, config__part(noun), &name, &found);
    return found ? (int64_t)at : -1;
}

enum err config__not_found(struct reader *r, enum config_noun noun, const char *name)
{
    struct nearest near;
    char hint[NEAREST_WORD_MAX + 40];
    enum model_part part = config__part(noun);
    const char *items = model_part_items(r->m, part);
    nearest_start(&near, name);
    for (uint32_t i = 0; i < model_part_count(r->m, part); i++)
        nearest_offer(&near,
                      *(const char *const *)(const void *)(items + i * model_part_size(part)));
    return diag_error(r->diag, ERR_NOT_FOUND, "", "%s \"%.255s\" does not exist%s",
                      config_noun_name(noun), name, nearest_hint(&near, hint, sizeof hint));
}

static enum err usage(struct reader *r, const char *what)
{
    return diag_error(r->diag, ERR_USAGE, "", "%s", what);
}

static enum err read_fields(struct reader *r, enum config_noun noun, json_t *fields, void *item)
{
    return fields ? config__read_item(r, NULL, noun, fields, item) : ERR_OK;
}

static int64_t next_order(const struct model *m)
{
    return m->regions_n ? m->regions[m->regions_n - 1].order + 1 : 1;
}

static enum err add_named(struct reader *r, const struct config_edit *e, const char *name)
{
    bool found;
    enum model_part part = config__part(e->noun);
    uint32_t at =
        e->noun == NOUN_REGION ? r->m->regions_n : model_part_find(r->m, part, &name, &found);
    int64_t order = next_order(r->m);
    const char *copy = arena_strdup(r->a, name);
    void *item = copy ? model_part_insert(r->m, part, at) : NULL;
    if (!item)
        return config__nomem(r->diag);
    memcpy(item, &r->shape.fallback[e->noun], model_part_size(part));
    *(const char **)item = copy;
    if (e->noun == NOUN_REGION)
        ((struct model_region *)item)->order = order;
    return read_fields(r, e->noun, e->fields, item);
}

static enum err edit_named(struct reader *r, const struct config_edit *e)
{
    char name[MODEL_HOST_TEXT_MAX];
    size_t n;
    const char *noun = config_noun_name(e->noun);
    if (!e->name || !config__canonical(e->noun, e->name, name))
        return diag_error(r->diag, ERR_INVALID, "", "%s name \"%.120s\" is not accepted: give %s",
                          noun, e->name ? e->name : "", config_fields(e->noun, &n)[0].accepted);
    int64_t at = config__find(r->m, e->noun, name);
    if (e->verb == VERB_ADD)
        return at < 0 ? add_named(r, e, name)
                      : diag_error(r->diag, ERR_EXISTS, "",
                                   "%s \"%s\" exists already: change it with %s set", noun, name,
                                   noun);
    if (at < 0)
        return config__not_found(r, e->noun, name);
    if (e->verb == VERB_REMOVE)
        return config__remove(r, e->noun, name);
    enum model_part part = config__part(e->noun);
    return read_fields(r, e->noun, e->fields,
                       (char *)model_part_items(r->m, part) + (size_t)at * model_part_size(part));
}

/* ---- settings ---- */

static enum err edit_setting(struct reader *r, const struct config_edit *e)
{
    const char *key = e->name ? e->name : "";
    json_t *v = json_object_get(e->fields, "value");
    size_t n;
    const struct config_field *f = config_fields(NOUN_SETTING, &n);
    bool found, remove = e->verb == VERB_REMOVE || (v && json_is_null(v));
    uint32_t at = model_part_find(r->m, PART_SETTINGS, &key, &found);
    const struct model_setting_info *info = model_setting_info(key);
    struct model_setting s = {.key = info ? info->key : key, .value = info ? info->fallback : ""};
    struct at place = {.key = key};
    enum err err = ERR_OK;
    if (info && !remove && !v)
        return usage(r, "a value is needed: set KEY VALUE");
    if (info && !remove)
        err = config__read_value(r, &place, &f[1], &config__slots(NOUN_SETTING)[1], v, &s);
    if (!err)
        err = model_setting_check(s.key, s.value, "", r->diag);
    if (err)
        return err;
    if (remove) {
        if (found)
            model_part_remove(r->m, PART_SETTINGS, at);
        return ERR_OK;
    }
    struct model_setting *item =
        found ? &r->m->settings[at] : model_part_insert(r->m, PART_SETTINGS, at);
    if (!item)
        return config__nomem(r->diag);
    *item = s;
    return ERR_OK;
}

/* ---- endpoints ---- */

static enum err endpoint_missing(struct reader *r, const struct model_service *s,
                                 const char *region, const char *address)
{
    struct nearest near;
    char hint[NEAREST_WORD_MAX + 40];
    nearest_start(&near, address ? address : region);
    for (uint32_t i = 0; i < s->endpoints_n; i++)
        if (!address || strcmp(s->endpoints[i].region, region) == 0)
            nearest_offer(&near, address ? s->endpoints[i].address : s->endpoints[i].region);
    if (address)
        return diag_error(r->diag, ERR_NOT_FOUND, "",
                          "service %s has no endpoint %s in region %s%s", s->name, address, region,
                          nearest_hint(&near, hint, sizeof hint));
    return diag_error(r->diag, ERR_NOT_FOUND, "", "service %s has no endpoint in region %s%s",
                      s->name, region, nearest_hint(&near, hint, sizeof hint));
}

static bool is_endpoint(const struct model_endpoint *e, const char *region, const char *address)
{
    return strcmp(e->region, region) == 0 && (!address || strcmp(e->address, address) == 0);
}

/* The endpoints of s in an array that may be changed, with room for one more. */
static struct model_endpoint *endpoints_copy(struct reader *r, const struct model_service *s)
{
    struct model_endpoint *copy = ARENA_ARRAY(r->a, struct model_endpoint, s->endpoints_n + 1);
    if (copy && s->endpoints_n)
        memcpy(copy, s->endpoints, s->endpoints_n * sizeof *copy);
    return copy;
}

static enum err endpoint_add(struct reader *r, const struct config_edit *e, struct model_service *s,
                             const struct model_endpoint *key)
{
    for (uint32_t i = 0; i < s->endpoints_n; i++)
        if (is_endpoint(&s->endpoints[i], key->region, key->address))
            return diag_error(r->diag, ERR_EXISTS, "",
                              "service %s has endpoint %s in region %s already: change it with "
                              "endpoint set",
                              s->name, key->address, key->region);
    struct model_endpoint *list = endpoints_copy(r, s);
    if (!list)
        return config__nomem(r->diag);
    struct model_endpoint *new = &list[s->endpoints_n];
    *new = r->shape.fallback[NOUN_ENDPOINT].endpoint;
    new->region = key->region;
    new->address = key->address;
    new->family = key->family;
    enum err err = read_fields(r, NOUN_ENDPOINT, e->fields, new);
    if (err)
        return err;
    s->endpoints = list;
    s->endpoints_n++;
    model_endpoints_sort(r->m, list, s->endpoints_n);
    return ERR_OK;
}

static enum err endpoint_set(struct reader *r, const struct config_edit *e, struct model_service *s,
                             const struct model_endpoint *key)
{
    uint32_t hits = 0, at = 0;
    for (uint32_t i = 0; i < s->endpoints_n; i++)
        if (is_endpoint(&s->endpoints[i], key->region, key->address)) {
            at = i;
            hits++;
        }
    if (hits == 0)
        return endpoint_missing(r, s, key->region, key->address);
    if (hits > 1)
        return diag_error(r->diag, ERR_INVALID, "",
                          "service %s has %u endpoints in region %s: name the address of one",
                          s->name, hits, key->region);
    struct model_endpoint *list = endpoints_copy(r, s);
    if (!list)
        return config__nomem(r->diag);
    enum err err = read_fields(r, NOUN_ENDPOINT, e->fields, &list[at]);
    if (err)
        return err;
    s->endpoints = list;
    model_endpoints_sort(r->m, list, s->endpoints_n);
    return ERR_OK;
}

static enum err endpoint_remove(struct reader *r, struct model_service *s,
                                const struct model_endpoint *key)
{
    uint32_t kept = 0;
    struct model_endpoint *list = endpoints_copy(r, s);
    if (!list)
        return config__nomem(r->diag);
    for (uint32_t i = 0; i < s->endpoints_n; i++)
        if (!is_endpoint(&list[i], key->region, key->address))
            list[kept++] = list[i];
    if (kept == s->endpoints_n)
        return endpoint_missing(r, s, key->region, key->address);
    s->endpoints = list;
    s->endpoints_n = kept;
    return ERR_OK;
}

static enum err edit_endpoint(struct reader *r, const struct config_edit *e)
{
    char name[MODEL_HOST_TEXT_MAX], region[MODEL_NAME_TEXT_MAX];
    struct at place = {.key = "address"};
    struct model_endpoint key = {0};
    if (!e->name || !model_host_canonical(e->name, name))
        return usage(r, "an endpoint is known by service, region and address: name the service");
    int64_t at = config__find(r->m, NOUN_SERVICE, name);
    if (at < 0)
        return config__not_found(r, NOUN_SERVICE, name);
    if (!e->region || !model_name_canonical(e->region, region))
        return usage(r, "an endpoint is known by service, region and address: name the region");
    int index = model_region_index(r->m, region);
    if (index < 0 && e->verb == VERB_ADD)
        return config__not_found(r, NOUN_REGION, region);
    key.region = index < 0 ? arena_strdup(r->a, region) : r->m->regions[index].name;
    if (!key.region)
        return config__nomem(r->diag);
    if (!e->address && e->verb == VERB_ADD)
        return usage(r, "an endpoint needs an address: endpoint add SERVICE REGION ADDRESS");
    if (e->address) {
        enum err err = config__read_address(r, &place, e->address, &key.address, &key.family);
        if (err)
            return err;
    }
    struct model_service *s = &r->m->services[at];
    switch (e->verb) {
    case VERB_ADD:
        return endpoint_add(r, e, s, &key);
    case VERB_SET:
        return endpoint_set(r, e, s, &key);
    default:
        return endpoint_remove(r, s, &key);
    }
}

/* ---- map rules ---- */

static enum err rule_store(struct reader *r, const struct config_edit *e, struct model_map *map,
                           const struct model_place *where, uint32_t at, bool found)
{
    struct model_rule *list = ARENA_ARRAY(r->a, struct model_rule, map->rules_n + 1);
    if (!list)
        return config__nomem(r->diag);
    uint32_t behind = at + (found ? 1 : 0);
    if (map->rules_n) {
        memcpy(list, map->rules, at * sizeof *list);
        memcpy(list + at + 1, map->rules + behind, (map->rules_n - behind) * sizeof *list);
    }
    list[at] = found ? map->rules[at] : r->shape.fallback[NOUN_RULE].rule;
    list[at].where = *where;
    enum err err = read_fields(r, NOUN_RULE, e->fields, &list[at]);
    if (err)
        return err;
    if (list[at].regions_n == 0)
        return usage(r, "a rule needs regions: map rule add MAP WHERE REGION[,REGION...]");
    map->rules = list;
    map->rules_n += found ? 0 : 1;
    return ERR_OK;
}

static enum err rule_remove(struct reader *r, struct model_map *map, uint32_t at)
{
    struct model_rule *list = ARENA_ARRAY(r->a, struct model_rule, map->rules_n);
    if (!list)
        return config__nomem(r->diag);
    memcpy(list, map->rules, at * sizeof *list);
    memcpy(list + at, map->rules + at + 1, (map->rules_n - at - 1) * sizeof *list);
    map->rules = list;
    map->rules_n--;
    return ERR_OK;
}

static enum err edit_rule(struct reader *r, const struct config_edit *e)
{
    char name[MODEL_HOST_TEXT_MAX];
    struct model_place where;
    if (!e->name || !config__canonical(NOUN_MAP, e->name, name))
        return usage(r, "a rule is known by map and place: name the map");
    int64_t index = config__find(r->m, NOUN_MAP, name);
    if (index < 0)
        return config__not_found(r, NOUN_MAP, name);
    if (!e->address)
        return usage(r, "a rule is known by map and place: name the place, such as country:DE");
    enum err err = model_place_parse(e->address, r->a, &where, "", r->diag);
    if (err)
        return err;
    struct model_map *map = &r->m->maps[index];
    uint32_t at = 0;
    while (at < map->rules_n && model_place_compare(&map->rules[at].where, &where) < 0)
        at++;
    bool found = at < map->rules_n && model_place_compare(&map->rules[at].where, &where) == 0;
    if (e->verb == VERB_ADD && found)
        return diag_error(r->diag, ERR_EXISTS, "",
                          "map %s has a rule for %s already: change it with map rule set", name,
                          where.text);
    if (e->verb != VERB_ADD && !found)
        return diag_error(r->diag, ERR_NOT_FOUND, "", "map %s has no rule for %s", name,
                          where.text);
    return e->verb == VERB_REMOVE ? rule_remove(r, map, at)
                                  : rule_store(r, e, map, &where, at, found);
}

/* ---- latency ---- */

static enum err edit_latency(struct reader *r, const struct config_edit *e)
{
    json_t *rows = json_object_get(e->fields, "rows");
    enum err worst = ERR_OK;
    if (e->verb != VERB_REPLACE_ALL || !json_is_array(rows))
        return usage(r, "latency rows are replaced as a whole: latency import FILE.csv");
    size_t n = json_array_size(rows);
    struct model_latency *items = n < UINT32_MAX ? malloc((n + 1) * sizeof *items) : NULL;
    if (!items)
        return config__nomem(r->diag);
    struct at top = {.key = "rows"};
    r->edit = false;
    for (size_t i = 0; i < n; i++) {
        struct at here = {.up = &top, .index = i};
        items[i] = r->shape.fallback[NOUN_LATENCY].latency;
        enum err err =
            config__read_item(r, &here, NOUN_LATENCY, json_array_get(rows, i), &items[i]);
        if (!err && (!items[i].where.text || !items[i].region || items[i].ms < 0))
            err = config__missing_key(r, &here,
                                      !items[i].where.text ? "where"
                                      : !items[i].region   ? "region"
                                                           : "ms");
        worst = worst ? worst : err;
    }
    r->edit = true;
    if (worst) {
        free(items);
        return worst;
    }
    model_part_take(r->m, PART_LATENCY, items, (uint32_t)n);
    model_part_sort(r->m, PART_LATENCY);
    return ERR_OK;
}

static enum err apply_edit(struct reader *r, const struct config_edit *e)
{
    if (e->verb == VERB_REPLACE_ALL && e->noun != NOUN_LATENCY)
        return usage(r, "only the latency table is replaced as a whole");
    switch (e->noun) {
    case NOUN_SETTING:
        return edit_setting(r, e);
    case NOUN_ENDPOINT:
        return edit_endpoint(r, e);
    case NOUN_RULE:
        return edit_rule(r, e);
    case NOUN_LATENCY:
        return edit_latency(r, e);
    default:
        return edit_named(r, e);
    }
}

enum err config_apply_edits(struct model *m, const struct config_edit *edits, size_t n,
                            struct diag *diag)
{
    struct reader *r = malloc(sizeof *r);
    enum err e = r ? ERR_OK : config__nomem(diag);
    if (r) {
        config__reader_init(r, m, diag);
        r->edit = true;
    }
    for (size_t i = 0; !e && i < n; i++)
        e = apply_edit(r, &edits[i]);
    free(r);
    return e;
}

enum err config_edit_from_json(json_t *j, struct config_edit *out, struct diag *diag)
{
    static const char *const verbs[] = {"add", "set", "remove", "replace"};
    const char *verb = json_string_value(json_object_get(j, "verb"));
    const char *noun = json_string_value(json_object_get(j, "noun"));
    memset(out, 0, sizeof *out);
    size_t v = 0;
    while (v < ARRAY_LEN(verbs) && !(verb && strcmp(verb, verbs[v]) == 0))
        v++;
    if (v == ARRAY_LEN(verbs))
        return diag_error(diag, ERR_INVALID, "verb",
                          "\"%.40s\" is not a verb: give add, set, remove or replace",
                          verb ? verb : "");
    if (!noun || !config_noun_parse(noun, &out->noun))
        return diag_error(diag, ERR_INVALID, "noun",
                          "\"%.40s\" is not a noun: give setting, zone, region, probe, map, "
                          "latency, service, endpoint or rule",
                          noun ? noun : "");
    out->verb = (enum config_verb)v;
    out->name = json_string_value(json_object_get(j, "name"));
    out->region = json_string_value(json_object_get(j, "region"));
    out->address = json_string_value(json_object_get(j, "address"));
    out->fields = json_object_get(j, "fields");
    if (out->fields && !json_is_object(out->fields))
        return diag_error(diag, ERR_INVALID, "fields", "must be an object");
    return ERR_OK;
}
