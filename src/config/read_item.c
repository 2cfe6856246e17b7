/* A JSON object into an item, with the lists inside it. */
#include "config_priv.h"

#include "model/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void config__reader_init(struct reader *r, struct model *m, struct diag *diag)
{
    memset(r, 0, sizeof *r);
    r->m = m;
    r->a = m->arena;
    r->diag = diag;
    config__shape_init(&r->shape);
}

bool config__canonical(enum config_noun noun, const char *name, char out[MODEL_HOST_TEXT_MAX])
{
    if (noun == NOUN_ZONE || noun == NOUN_SERVICE)
        return model_host_canonical(name, out);
    if (noun != NOUN_SETTING)
        return model_name_canonical(name, out);
    snprintf(out, MODEL_HOST_TEXT_MAX, "%s", name);
    return strlen(name) < MODEL_HOST_TEXT_MAX;
}

static enum err unknown_key(struct reader *r, const struct at *at, enum config_noun noun,
                            const char *key)
{
    char where[WHERE_MAX], hint[NEAREST_WORD_MAX + 40];
    struct nearest near;
    size_t n;
    const struct config_field *f = config_fields(noun, &n);
    nearest_start(&near, key);
    for (size_t i = 0; i < n; i++)
        nearest_offer(&near, f[i].key);
    if (noun == NOUN_SERVICE)
        nearest_offer(&near, "endpoints");
    if (noun == NOUN_MAP)
        nearest_offer(&near, "rules");
    return diag_error(r->diag, ERR_INVALID, config__where(at, where),
                      "\"%.60s\" is not a field of a %s%s", key, config_noun_name(noun),
                      nearest_hint(&near, hint, sizeof hint));
}

enum err config__not_a_list(struct reader *r, const struct at *at, json_t *v)
{
    char where[WHERE_MAX], text[WHERE_MAX];
    return diag_error(r->diag, ERR_INVALID, config__where(at, where),
                      "%s is not accepted: give a list", config__value_text(v, text));
}

enum err config__missing_key(struct reader *r, const struct at *at, const char *key)
{
    char where[WHERE_MAX];
    return diag_error(r->diag, ERR_INVALID, config__where(at, where), "the key \"%s\" is missing",
                      key);
}

/* One item of a list inside another item: an endpoint of a service, a rule of a map. */
static enum err read_child(struct reader *r, const struct at *at, enum config_noun noun, json_t *v,
                           void *item)
{
    bool was_edit = r->edit;
    r->edit = false;
    memcpy(item, &r->shape.fallback[noun], config__item_size(noun));
    enum err e = config__read_item(r, at, noun, v, item);
    r->edit = was_edit;
    if (e)
        return e;
    const struct model_endpoint *endpoint = item;
    const struct model_rule *rule = item;
    if (noun == NOUN_ENDPOINT && !endpoint->region)
        return config__missing_key(r, at, "region");
    if (noun == NOUN_ENDPOINT && !endpoint->address)
        return config__missing_key(r, at, "address");
    if (noun == NOUN_RULE && !rule->where.text)
        return config__missing_key(r, at, "where");
    if (noun == NOUN_RULE && !rule->regions_n)
        return config__missing_key(r, at, "regions");
    return ERR_OK;
}

static enum err read_children(struct reader *r, const struct at *at, enum config_noun noun,
                              json_t *list, void **items, uint32_t *n)
{
    enum err worst = ERR_OK;
    if (!json_is_array(list))
        return config__not_a_list(r, at, list);
    size_t size = config__item_size(noun), count = json_array_size(list);
    char *out = arena_alloc(r->a, size * count);
    if (!out || count > UINT32_MAX)
        return config__nomem(r->diag);
    for (size_t i = 0; i < count; i++) {
        struct at here = {.up = at, .index = i};
        enum err e = read_child(r, &here, noun, json_array_get(list, i), out + i * size);
        worst = worst ? worst : e;
    }
    *items = out;
    *n = (uint32_t)count;
    return worst;
}

static int rule_compare(const void *a, const void *b)
{
    const struct model_rule *x = a, *y = b;
    return model_place_compare(&x->where, &y->where);
}

/* The key of a list inside an item: true when it was one, the outcome in *e. */
static bool read_list_key(struct reader *r, const struct at *at, enum config_noun noun,
                          const char *key, json_t *v, void *item, enum err *e)
{
    void *items = NULL;
    uint32_t n = 0;
    if (noun == NOUN_SERVICE && strcmp(key, "endpoints") == 0) {
        struct model_service *s = item;
        *e = read_children(r, at, NOUN_ENDPOINT, v, &items, &n);
        s->endpoints = *e ? NULL : items;
        s->endpoints_n = *e ? 0 : n;
        if (!*e)
            model_endpoints_sort(r->m, items, n);
        return true;
    }
    if (noun == NOUN_MAP && strcmp(key, "rules") == 0) {
        struct model_map *map = item;
        *e = read_children(r, at, NOUN_RULE, v, &items, &n);
        map->rules = *e ? NULL : items;
        map->rules_n = *e ? 0 : n;
        if (!*e && n)
            qsort(items, n, sizeof(struct model_rule), rule_compare);
        return true;
    }
    if (noun == NOUN_REGION && r->changes && strcmp(key, "order") == 0) {
        ((struct model_region *)item)->order = json_integer_value(v);
        return true;
    }
    return false;
}

enum err config__read_item(struct reader *r, const struct at *at, enum config_noun noun,
                           json_t *obj, void *item)
{
    char where[WHERE_MAX], text[WHERE_MAX];
    enum err worst = ERR_OK;
    const char *key;
    json_t *v;
    size_t n;
    const struct config_field *f = config_fields(noun, &n);
    const struct slot *slot = config__slots(noun);
    if (!json_is_object(obj))
        return diag_error(r->diag, ERR_INVALID, config__where(at, where),
                          "%s is not accepted: give an object with the fields of a %s",
                          config__value_text(obj, text), config_noun_name(noun));
    json_object_foreach(obj, key, v)
    {
        size_t i = 0;
        while (i < n && strcmp(f[i].key, key) != 0)
            i++;
        struct at here = {.up = at, .key = key};
        enum err e = ERR_OK;
        if (i < n) {
            here.flag = r->edit ? f[i].flag : NULL;
            e = config__read_value(r, &here, &f[i], &slot[i], v, item);
        } else if (!read_list_key(r, &here, noun, key, v, item, &e))
            e = unknown_key(r, at, noun, key);
        worst = worst ? worst : e;
    }
    return worst;
}
