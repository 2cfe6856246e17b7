#include "items.h"

#include <stdlib.h>
#include <string.h>

static char *join(const json_t *list, const char *between)
{
    char *out = strdup("");
    size_t i;
    json_t *value;
    json_array_foreach(list, i, value)
    {
        char *text = item_text(value), *next = NULL;
        if (!out || !text || asprintf(&next, "%s%s%s", out, i ? between : "", text) < 0)
            next = NULL;
        free(text);
        free(out);
        out = next;
    }
    return out;
}

/* A name server: {"name","addresses"}. */
static char *join_server(const json_t *j)
{
    char *addresses = join(json_object_get(j, "addresses"), ","), *out = NULL;
    const char *name = json_string_value(json_object_get(j, "name"));
    if (addresses &&
        asprintf(&out, "%s%s%s", name ? name : "", addresses[0] ? "=" : "", addresses) < 0)
        out = NULL;
    free(addresses);
    return out;
}

char *item_text(const json_t *value)
{
    char number[40];
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        return strdup(json_string_value(value));
    case JSON_TRUE:
        return strdup("yes");
    case JSON_FALSE:
        return strdup("no");
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return strdup(number);
    case JSON_REAL:
        snprintf(number, sizeof number, "%.15g", json_real_value(value));
        return strdup(number);
    case JSON_ARRAY:
        return join(value, json_is_object(json_array_get(value, 0)) ? " " : ",");
    case JSON_OBJECT:
        return join_server(value);
    default:
        return strdup("-");
    }
}

json_t *item_json(const struct model *m, enum config_noun noun, const char *parent,
                  const void *item)
{
    json_t *j = config_item_json(m, noun, item, true);
    if (j && noun == NOUN_ENDPOINT)
        json_object_set_new(j, "service", json_string(parent));
    else if (j && noun == NOUN_RULE)
        json_object_set_new(j, "map", json_string(parent));
    return j;
}

void items_endpoints(const struct model *m, const char *service, const char *region,
                     struct table *t)
{
    static const char *const head[] = {"SERVICE",  "REGION", "ADDRESS", "WEIGHT",
                                       "PRIORITY", "PROBE",  NULL};
    table_start(t, head, 1u << 3 | 1u << 4);
    for (uint32_t i = 0; i < m->services_n; i++) {
        const struct model_service *s = &m->services[i];
        if (service && strcmp(service, s->name) != 0)
            continue;
        for (uint32_t k = 0; k < s->endpoints_n; k++) {
            const struct model_endpoint *e = &s->endpoints[k];
            if (region && strcmp(region, e->region) != 0)
                continue;
            table_cell(t, "%s", s->name);
            table_cell(t, "%s", e->region);
            table_cell(t, "%s", e->address);
            table_cell(t, "%lld", (long long)e->weight);
            table_cell(t, "%lld", (long long)e->priority);
            table_cell(t, "%s", e->probe ? e->probe : s->probe ? s->probe : "");
        }
    }
}

void items_rules(const struct model *m, const char *map, struct table *t)
{
    static const char *const head[] = {"MAP", "WHERE", "REGIONS", NULL};
    table_start(t, head, 0);
    for (uint32_t i = 0; i < m->maps_n; i++) {
        const struct model_map *p = &m->maps[i];
        if (map && strcmp(map, p->name) != 0)
            continue;
        for (uint32_t k = 0; k < p->rules_n; k++) {
            json_t *j = config_item_json(m, NOUN_RULE, &p->rules[k], true);
            char *regions = item_text(json_object_get(j, "regions"));
            table_cell(t, "%s", p->name);
            table_cell(t, "%s", p->rules[k].where.text);
            table_cell(t, "%s", regions ? regions : "");
            free(regions);
            json_decref(j);
        }
    }
}

const struct model_endpoint *item_endpoint(const struct model_service *s, const char *region,
                                           const char *address)
{
    char name[MODEL_NAME_TEXT_MAX], text[MODEL_HOST_TEXT_MAX];
    struct ip ip;
    item_name(region, name);
    if (ip_parse(address, &ip))
        ip_format(&ip, text);
    else
        item_host(address, text);
    for (uint32_t i = 0; s && i < s->endpoints_n; i++)
        if (strcmp(s->endpoints[i].region, name) == 0 && strcmp(s->endpoints[i].address, text) == 0)
            return &s->endpoints[i];
    return NULL;
}

const struct model_rule *item_rule(const struct model_map *map, const char *where)
{
    struct arena *a = arena_create(65536);
    struct model_place place;
    const struct model_rule *found = NULL;
    if (a && model_place_parse(where, a, &place, "", NULL) == ERR_OK)
        for (uint32_t i = 0; map && i < map->rules_n && !found; i++)
            if (strcmp(map->rules[i].where.text, place.text) == 0)
                found = &map->rules[i];
    arena_destroy(a);
    return found;
}

void item_host(const char *text, char out[MODEL_HOST_TEXT_MAX])
{
    if (!model_host_canonical(text, out))
        out[0] = '\0';
}

void item_name(const char *text, char out[MODEL_NAME_TEXT_MAX])
{
    if (!model_name_canonical(text, out))
        out[0] = '\0';
}
