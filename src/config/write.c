/* Items as JSON text. Written by hand rather than through json_t: a hundred thousand services are
 * exported, compared and stored as text, and what a reader wants as json_t is parsed from it. */
#include "config_priv.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_bytes(struct text *t, const char *s, size_t len)
{
    if (t->failed)
        return;
    if (t->cap - t->n <= len) {
        size_t cap = t->cap ? t->cap : 256;
        while (cap - t->n <= len)
            cap *= 2;
        char *grown = realloc(t->p, cap);
        if (!grown) {
            t->failed = true;
            return;
        }
        t->p = grown;
        t->cap = cap;
    }
    memcpy(t->p + t->n, s, len);
    t->n += len;
    t->p[t->n] = '\0';
}

void config__put(struct text *t, const char *s)
{
    put_bytes(t, s, strlen(s));
}

char *config__text_take(struct text *t)
{
    if (t->failed) {
        free(t->p);
        t->p = NULL;
    }
    char *p = t->p;
    *t = (struct text){0};
    return p;
}

static void put_string(struct text *t, const char *s)
{
    put_bytes(t, "\"", 1);
    while (*s) {
        size_t plain = 0;
        while ((unsigned char)s[plain] >= 0x20 && s[plain] != '"' && s[plain] != '\\')
            plain++;
        put_bytes(t, s, plain);
        s += plain;
        if (!*s)
            break;
        char escaped[8];
        snprintf(escaped, sizeof escaped, *s == '"' || *s == '\\' ? "\\%c" : "\\u%04x", *s);
        config__put(t, escaped);
        s++;
    }
    put_bytes(t, "\"", 1);
}

static void put_string_or_null(struct text *t, const char *s)
{
    if (s)
        put_string(t, s);
    else
        config__put(t, "null");
}

static void put_number(struct text *t, double v)
{
    char out[40];
    snprintf(out, sizeof out, "%.15g", v);
    config__put(t, out);
}

static void put_integer(struct text *t, int64_t v)
{
    char out[24];
    snprintf(out, sizeof out, "%" PRId64, v);
    config__put(t, out);
}

static void put_strings(struct text *t, const char *const *list, uint32_t n)
{
    config__put(t, "[");
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            config__put(t, ", ");
        put_string(t, list[i]);
    }
    config__put(t, "]");
}

static void put_duration(struct text *t, int64_t ms)
{
    char out[TIME_TEXT_MAX];
    if (ms == MODEL_UNSET)
        config__put(t, "null");
    else
        put_string(t, ms == MODEL_AUTO ? "auto" : duration_format(ms, out));
}

static void put_failback(struct text *t, const struct model_thresholds *h)
{
    char out[TIME_TEXT_MAX + 8], wait[TIME_TEXT_MAX];
    if (h->failback == FAILBACK_AFTER) {
        snprintf(out, sizeof out, "after %s", duration_format(h->failback_after_ms, wait));
        put_string(t, out);
    } else
        put_string_or_null(t, h->failback == FAILBACK_AUTO   ? "auto"
                              : h->failback == FAILBACK_HOLD ? "hold"
                                                             : NULL);
}

static void put_ns(struct text *t, const struct model_zone *z)
{
    config__put(t, "[");
    for (uint32_t i = 0; i < z->ns_n; i++) {
        config__put(t, i ? ", {\"addresses\": " : "{\"addresses\": ");
        put_strings(t, z->ns[i].addresses, z->ns[i].addresses_n);
        config__put(t, ", \"name\": ");
        put_string(t, z->ns[i].name);
        config__put(t, "}");
    }
    config__put(t, "]");
}

static void put_at(struct text *t, const struct model_region *r)
{
    if (!r->placed) {
        config__put(t, "null");
        return;
    }
    config__put(t, "[");
    put_number(t, r->lat);
    config__put(t, ", ");
    put_number(t, r->lon);
    config__put(t, "]");
}

static void put_value(struct text *t, const struct config_field *f, const struct slot *slot,
                      const void *item)
{
    const void *member = config__member(item, slot);
    const struct model_service *s = item;
    switch (f->kind) {
    case FIELD_INT:
        if (config__int(slot, member) == MODEL_UNSET)
            config__put(t, "null");
        else
            put_integer(t, config__int(slot, member));
        break;
    case FIELD_NUMBER:
        put_number(t, *(const double *)member);
        break;
    case FIELD_SHARE:
        if (*(const double *)member < 0)
            config__put(t, "null");
        else
            put_number(t, *(const double *)member);
        break;
    case FIELD_BOOL:
        config__put(t, *(const bool *)member ? "true" : "false");
        break;
    case FIELD_DURATION:
    case FIELD_AUTO_DURATION:
        put_duration(t, *(const int64_t *)member);
        break;
    case FIELD_LATLON:
        put_at(t, item);
        break;
    case FIELD_ENUM:
        put_string(t, model_probe_type_name(*(const enum model_probe_type *)member));
        break;
    case FIELD_NS:
        put_ns(t, item);
        break;
    case FIELD_LIST:
        if (slot->noun == NOUN_PROBE && strcmp(f->key, "of") == 0)
            put_strings(t, ((const struct model_probe *)item)->of,
                        ((const struct model_probe *)item)->of_n);
        else if (slot->noun == NOUN_PROBE)
            put_strings(t, ((const struct model_probe *)item)->args,
                        ((const struct model_probe *)item)->args_n);
        else
            put_strings(t, ((const struct model_rule *)item)->regions,
                        ((const struct model_rule *)item)->regions_n);
        break;
    case FIELD_FAILBACK:
        put_failback(t, s->thresholds);
        break;
    case FIELD_ON_EMPTY:
        put_string(t, s->on_empty == ON_EMPTY_ALL      ? "all"
                      : s->on_empty == ON_EMPTY_NODATA ? "nodata"
                                                       : s->on_empty_service);
        break;
    case FIELD_WHERE:
        put_string(t, ((const struct model_place *)member)->text);
        break;
    default: /* names, texts, references, paths, policies, addresses */
        put_string_or_null(t, *(const char *const *)member);
    }
}

static void put_key(struct text *t, const char *key, bool *first)
{
    config__put(t, *first ? "\"" : ", \"");
    config__put(t, key);
    config__put(t, "\": ");
    *first = false;
}

static void put_children(struct text *t, const struct shape *shape, enum config_noun noun,
                         const void *items, uint32_t n, bool full, bool lines)
{
    size_t size = config__item_size(noun);
    config__put(t, "[");
    for (uint32_t i = 0; i < n; i++) {
        config__put(t, i ? "," : "");
        config__put(t, lines ? "\n   " : i ? " " : "");
        config__put_item(t, shape, noun, (const char *)items + i * size, full, false, false);
    }
    config__put(t, "]");
}

/* Keys come sorted: "endpoints" and "rules" are put in where the alphabet wants them. */
static void put_list_before(struct text *t, const struct shape *shape, enum config_noun noun,
                            const void *item, const char *key, bool full, bool lines, bool *done,
                            bool *first)
{
    const char *list = noun == NOUN_SERVICE ? "endpoints" : noun == NOUN_MAP ? "rules" : NULL;
    if (!list || *done || (key && strcmp(list, key) > 0))
        return;
    *done = true;
    const struct model_service *s = item;
    const struct model_map *map = item;
    uint32_t n = noun == NOUN_SERVICE ? s->endpoints_n : map->rules_n;
    if (!n && !full)
        return;
    put_key(t, list, first);
    if (noun == NOUN_SERVICE)
        put_children(t, shape, NOUN_ENDPOINT, s->endpoints, n, full, lines);
    else
        put_children(t, shape, NOUN_RULE, map->rules, n, full, lines);
}

static bool is_key_field(const struct config_field *f)
{
    return !f->flag; /* what an item is known by is always written */
}

void config__put_item(struct text *t, const struct shape *shape, enum config_noun noun,
                      const void *item, bool full, bool lines, bool with_order)
{
    size_t n;
    const struct config_field *f = config_fields(noun, &n);
    const struct slot *slot = config__slots(noun);
    bool first = true, list_done = false, order_done = !with_order || noun != NOUN_REGION;
    config__put(t, "{");
    for (size_t k = 0; k < n; k++) {
        unsigned i = shape->order[noun][k];
        put_list_before(t, shape, noun, item, f[i].key, full, lines, &list_done, &first);
        if (full || is_key_field(&f[i]) ||
            !config__field_equal(&f[i], &slot[i], item, &shape->fallback[noun])) {
            put_key(t, f[i].key, &first);
            put_value(t, &f[i], &slot[i], item);
        }
    }
    put_list_before(t, shape, noun, item, NULL, full, lines, &list_done, &first);
    if (!order_done) { /* "order" is the last of a region's keys by the alphabet, too */
        put_key(t, "order", &first);
        put_integer(t, ((const struct model_region *)item)->order);
    }
    config__put(t, "}");
}

json_t *config_item_json(const struct model *m, enum config_noun noun, const void *item, bool full)
{
    struct shape shape;
    struct text t = {0};
    (void)m;
    config__shape_init(&shape);
    config__put_item(&t, &shape, noun, item, full, false, false);
    char *text = config__text_take(&t);
    json_t *j = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return j;
}

static void put_part(struct text *t, const struct shape *shape, const struct model *m,
                     enum config_noun noun)
{
    enum model_part part = config__part(noun);
    const char *items = model_part_items(m, part);
    uint32_t n = model_part_count(m, part);
    config__put(t, "\"");
    config__put(t, config__list_key(noun));
    config__put(t, "\": [");
    for (uint32_t i = 0; i < n; i++) {
        config__put(t, i ? ",\n  " : "\n  ");
        config__put_item(t, shape, noun, items + i * model_part_size(part), false, true, false);
    }
    config__put(t, n ? "\n ]" : "]");
}

static void put_settings(struct text *t, const struct model *m, bool local)
{
    bool any = false;
    config__put(t, "\"settings\": {");
    for (uint32_t i = 0; i < m->settings_n; i++) {
        const struct model_setting_info *info = model_setting_info(m->settings[i].key);
        if (info && info->local && !local)
            continue;
        config__put(t, any ? ",\n  " : "\n  ");
        put_string(t, m->settings[i].key);
        config__put(t, ": ");
        put_string(t, m->settings[i].value);
        any = true;
    }
    config__put(t, any ? "\n }" : "}");
}

char *config_export(const struct model *m, bool local)
{
    static const enum config_noun before[] = {NOUN_LATENCY, NOUN_MAP, NOUN_PROBE, NOUN_REGION};
    struct shape shape;
    struct text t = {0};
    config__shape_init(&shape);
    config__put(&t, "{\n ");
    for (size_t i = 0; i < ARRAY_LEN(before); i++) {
        put_part(&t, &shape, m, before[i]);
        config__put(&t, ",\n ");
    }
    config__put(&t, "\"revision\": ");
    put_integer(&t, m->revision);
    config__put(&t, ",\n ");
    put_part(&t, &shape, m, NOUN_SERVICE);
    config__put(&t, ",\n ");
    put_settings(&t, m, local);
    config__put(&t, ",\n ");
    put_part(&t, &shape, m, NOUN_ZONE);
    config__put(&t, "\n}\n");
    return config__text_take(&t);
}
