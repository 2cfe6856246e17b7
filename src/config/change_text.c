/* A change as lines for people, from its two JSON texts. */
#include "config_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 200

struct telling {
    struct text t;
    char title[400]; /* "service www.gslb.example" */
};

static const char *shown(json_t *v, char out[SHOWN_MAX])
{
    if (json_is_string(v)) {
        snprintf(out, SHOWN_MAX, "%s", json_string_value(v));
        return out;
    }
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15) | JSON_SORT_KEYS);
    snprintf(out, SHOWN_MAX, "%s", text ? text : "?");
    free(text);
    return out;
}

/* What stands where a key is left out. */
static const char *fallback(enum config_noun noun, const char *key)
{
    size_t n;
    const struct config_field *f = config_fields(noun, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(f[i].key, key) == 0 && f[i].fallback[0])
            return f[i].fallback;
    return "default";
}

static bool is_child_list(enum config_noun noun, const char *key)
{
    return (noun == NOUN_SERVICE && strcmp(key, "endpoints") == 0) ||
           (noun == NOUN_MAP && strcmp(key, "rules") == 0);
}

static bool is_identity(enum config_noun noun, const char *key)
{
    size_t n;
    const struct config_field *f = config_fields(noun, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(f[i].key, key) == 0)
            return !f[i].flag && strcmp(key, "value") != 0 && strcmp(key, "ms") != 0 &&
                   strcmp(key, "regions") != 0;
    return false;
}

static void line(struct telling *w, const char *mark, const char *title)
{
    config__put(&w->t, w->t.n ? "\n" : "");
    config__put(&w->t, mark);
    config__put(&w->t, " ");
    config__put(&w->t, title);
}

/* "+ region eu at [51.51, -0.13], capacity 40000" */
static void whole(struct telling *w, const char *mark, const char *title, enum config_noun noun,
                  json_t *item)
{
    char out[SHOWN_MAX];
    const char *key;
    json_t *v;
    bool first = true;
    line(w, mark, title);
    json_object_foreach(item, key, v)
    {
        if (is_identity(noun, key) || is_child_list(noun, key) || strcmp(key, "order") == 0)
            continue;
        config__put(&w->t, first ? ": " : ", ");
        config__put(&w->t, key);
        config__put(&w->t, " ");
        config__put(&w->t, shown(v, out));
        first = false;
    }
}

static bool child_is(enum config_noun noun, json_t *a, json_t *b)
{
    const char *const keys[] = {noun == NOUN_SERVICE ? "region" : "where",
                                noun == NOUN_SERVICE ? "address" : NULL};
    for (size_t i = 0; i < 2 && keys[i]; i++)
        if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
            return false;
    return true;
}

static json_t *child_find(enum config_noun noun, json_t *list, json_t *like)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (child_is(noun, json_array_get(list, i), like))
            return json_array_get(list, i);
    return NULL;
}

static void child_title(const struct telling *w, enum config_noun noun, json_t *child, char *out,
                        size_t cap)
{
    const char *a = json_string_value(json_object_get(child, "region"));
    const char *b = json_string_value(json_object_get(child, "address"));
    const char *where = json_string_value(json_object_get(child, "where"));
    if (noun == NOUN_SERVICE)
        snprintf(out, cap, "%s endpoint %s %s", w->title, a ? a : "?", b ? b : "?");
    else
        snprintf(out, cap, "%s rule %s", w->title, where ? where : "?");
}

static void fields_changed(struct telling *w, const char *title, enum config_noun noun,
                           json_t *before, json_t *after);

static void children_changed(struct telling *w, enum config_noun noun, json_t *before,
                             json_t *after)
{
    enum config_noun child = noun == NOUN_SERVICE ? NOUN_ENDPOINT : NOUN_RULE;
    char title[900];
    for (size_t i = 0; i < json_array_size(before); i++) {
        json_t *a = json_array_get(before, i), *b = child_find(noun, after, a);
        child_title(w, noun, a, title, sizeof title);
        if (!b)
            whole(w, "-", title, child, a);
        else if (!json_equal(a, b))
            fields_changed(w, title, child, a, b);
    }
    for (size_t i = 0; i < json_array_size(after); i++) {
        json_t *b = json_array_get(after, i);
        child_title(w, noun, b, title, sizeof title);
        if (!child_find(noun, before, b))
            whole(w, "+", title, child, b);
    }
}

static void field_changed(struct telling *w, const char *title, enum config_noun noun,
                          const char *key, json_t *before, json_t *after)
{
    char out[SHOWN_MAX];
    if (is_child_list(noun, key)) {
        children_changed(w, noun, before, after);
        return;
    }
    line(w, "~", title);
    config__put(&w->t, ": ");
    config__put(&w->t, key);
    config__put(&w->t, " ");
    config__put(&w->t, before ? shown(before, out) : fallback(noun, key));
    config__put(&w->t, " -> ");
    config__put(&w->t, after ? shown(after, out) : fallback(noun, key));
}

static void fields_changed(struct telling *w, const char *title, enum config_noun noun,
                           json_t *before, json_t *after)
{
    const char *key;
    json_t *v;
    json_object_foreach(before, key, v)
    {
        json_t *to = json_object_get(after, key);
        if (!to || !json_equal(v, to))
            field_changed(w, title, noun, key, v, to);
    }
    json_object_foreach(after, key, v)
    {
        if (!json_object_get(before, key))
            field_changed(w, title, noun, key, NULL, v);
    }
}

char *config_change_text(const struct config_change *c)
{
    struct telling w = {0};
    json_t *before = c->before ? json_loads(c->before, 0, NULL) : NULL;
    json_t *after = c->after ? json_loads(c->after, 0, NULL) : NULL;
    snprintf(w.title, sizeof w.title, "%s %.300s", config_noun_name(c->noun), c->key);
    if (before && after)
        fields_changed(&w, w.title, c->noun, before, after);
    else if (before || after) {
        whole(&w, after ? "+" : "-", w.title, c->noun, after ? after : before);
        if (c->noun == NOUN_SERVICE || c->noun == NOUN_MAP) {
            const char *list = c->noun == NOUN_SERVICE ? "endpoints" : "rules";
            children_changed(&w, c->noun, json_object_get(before, list),
                             json_object_get(after, list));
        }
    } else
        line(&w, "?", w.title);
    json_decref(before);
    json_decref(after);
    return config__text_take(&w.t);
}
