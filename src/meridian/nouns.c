/* nouns: add, set and remove, the same for every noun. The words of a row say which arguments there
 * are; the field flags become the fields of one edit. */
#include "change.h"
#include "override.h"
#include "runs.h"

#include "model/settings.h"
#include <stdlib.h>
#include <string.h>

/* Text as JSON; a path is made absolute, since the daemon stands in another folder. */
static json_t *field_value(const struct config_field *f, const char *text)
{
    if (!text[0])
        return json_null(); /* an empty value gives the default back */
    if (f->kind != FIELD_PATH)
        return json_string(text);
    char *path = session_absolute(text);
    json_t *j = path ? json_string(path) : NULL;
    free(path);
    return j;
}

static json_t *fields_of(const struct call *c)
{
    json_t *fields = json_object();
    for (size_t i = 0; i < c->flags_n; i++) {
        const struct config_field *f = c->flag[i].field;
        if (!f)
            continue;
        json_t *value = field_value(f, c->flag[i].value), *list = json_object_get(fields, f->key);
        if (!f->repeat || json_is_null(value)) {
            json_object_set_new(fields, f->key, value);
        } else if (json_is_array(list)) {
            json_array_append_new(list, value);
        } else {
            list = json_array();
            json_array_append_new(list, value);
            json_object_set_new(fields, f->key, list);
        }
    }
    return fields;
}

/* "eu-west,us-east" as a list. */
static json_t *comma_list(const char *text)
{
    json_t *list = json_array();
    while (text) {
        text += strspn(text, " ");
        size_t len = strcspn(text, ","), end = len;
        while (end && text[end - 1] == ' ')
            end--;
        json_array_append_new(list, json_stringn(text, end));
        text = text[len] ? text + len + 1 : NULL;
    }
    return list;
}

static int submit(const struct call *c, const char *verb, json_t *fields)
{
    enum config_noun noun = c->command->noun;
    const char *region = NULL, *address = NULL;
    if (noun == NOUN_ENDPOINT) {
        region = call_arg(c, 1);
        address = call_arg(c, 2);
    } else if (noun == NOUN_RULE) {
        address = call_arg(c, 1);
        if (call_arg(c, 2))
            json_object_set_new(fields, "regions", comma_list(call_arg(c, 2)));
    }
    json_t *edit =
        change_edit(verb, config_noun_name(noun), call_arg(c, 0), region, address, fields);
    struct change change = {.kind = REVISE_EDITS, .edits = json_pack("[o]", edit)};
    return change_submit(c, &change);
}

int run_add(struct call *c)
{
    return submit(c, "add", fields_of(c));
}

int run_set(struct call *c)
{
    bool state = call_has(c, "state");
    json_t *fields = fields_of(c);
    size_t n = json_object_size(fields);
    if (!state && (call_has(c, "until") || call_has(c, "reason") || call_has(c, "over") ||
                   call_has(c, "to"))) {
        json_decref(fields);
        return session_fail_text(ADMIN_USAGE, "--until, --reason, --over and --to go with --state");
    }
    if (state && (n > 0 || call_has(c, "dry-run") || call_has(c, "message") ||
                  call_has(c, "confirm-within"))) {
        json_decref(fields);
        return session_fail_text(
            ADMIN_USAGE, "--state is an override and no revision: give it in a command of its own");
    }
    if (state) {
        json_decref(fields);
        return override_set(c, call_flag(c, "state"));
    }
    if (n == 0 && c->command->groups & FLAGS_FIELDS) {
        json_decref(fields);
        return session_fail_text(ADMIN_USAGE,
                                 "%s needs a flag that says what to change: `meridian %s "
                                 "--help` lists them",
                                 c->command->words, c->command->words);
    }
    return submit(c, "set", fields);
}

int run_remove(struct call *c)
{
    return submit(c, "remove", json_object());
}

/* Comma-separated paths, each made absolute. */
static json_t *absolute_paths(const char *text)
{
    json_t *parts = comma_list(text), *part, *out = json_string("");
    size_t i;
    json_array_foreach(parts, i, part)
    {
        const char *p = json_string_value(part);
        char *path = session_absolute(p);
        json_t *next =
            json_sprintf("%s%s%s", json_string_value(out), i ? "," : "", path ? path : p);
        free(path);
        json_decref(out);
        out = next;
    }
    json_decref(parts);
    return out;
}

int run_setting_set(struct call *c)
{
    const char *value = call_arg(c, 1);
    const struct model_setting_info *info = model_setting_info(call_arg(c, 0));
    bool paths = info && (info->kind == SETTING_PATHS || info->kind == SETTING_PATH);
    return submit(c, "set",
                  json_pack("{s:o}", "value", paths ? absolute_paths(value) : json_string(value)));
}

int run_setting_unset(struct call *c)
{
    return submit(c, "remove", json_object());
}
