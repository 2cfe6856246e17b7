#include "admin/protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum admin_code admin_code_of(enum err e)
{
    switch (e) {
    case ERR_OK:
        return ADMIN_DONE;
    case ERR_USAGE:
        return ADMIN_USAGE;
    case ERR_NOT_FOUND:
        return ADMIN_NOT_FOUND;
    case ERR_UNREACHABLE:
        return ADMIN_UNREACHABLE;
    case ERR_CONFLICT:
        return ADMIN_CONFLICT;
    default:
        return ADMIN_REFUSED;
    }
}

enum err admin_request_parse(const char *line, size_t len, json_t **out, const char **op,
                             struct diag *diag)
{
    *out = NULL;
    *op = NULL;
    json_error_t at;
    json_t *j = json_loadb(line, len, JSON_REJECT_DUPLICATES, &at);
    if (!j)
        return diag_error(diag, ERR_USAGE, "request",
                          "not a JSON object on one line: %s (column %d)", at.text, at.column);
    const char *name = json_string_value(json_object_get(j, "op"));
    if (!name) {
        json_decref(j);
        return diag_error(diag, ERR_USAGE, "request",
                          "\"op\" is missing: {\"op\":\"ping\"} is one");
    }
    *out = j;
    *op = name;
    return ERR_OK;
}

char *admin_line(const json_t *message, size_t *len)
{
    char *text = json_dumps(message, JSON_COMPACT);
    if (!text)
        return NULL;
    size_t n = strlen(text);
    char *line = realloc(text, n + 2);
    if (!line) {
        free(text);
        return NULL;
    }
    line[n] = '\n';
    line[n + 1] = '\0';
    *len = n + 1;
    return line;
}

json_t *admin_refusal(enum admin_code code, const char *error, json_t *findings)
{
    json_t *j = json_object();
    json_object_set_new(j, "ok", json_false());
    json_object_set_new(j, "code", json_integer(code));
    /* A sentence that quotes bytes of the request, or cuts them, may not be UTF-8. */
    char plain[1024];
    json_t *text = json_string(error);
    if (!text) {
        snprintf(plain, sizeof plain, "%s", error);
        for (char *c = plain; *c; c++)
            *c = (unsigned char)*c < 0x80 ? *c : '?';
        text = json_string(plain);
    }
    json_object_set_new(j, "error", text);
    json_object_set_new(j, "findings", findings ? findings : json_array());
    return j;
}

json_t *admin_findings(const struct diag *diag, enum diag_level level)
{
    json_t *list = json_array();
    for (size_t i = 0; i < diag->n; i++) {
        const struct diag_finding *f = &diag->findings[i];
        if (f->level != level)
            continue;
        json_t *text =
            f->where[0] ? json_sprintf("%s: %s", f->where, f->text) : json_string(f->text);
        if (text)
            json_array_append_new(list, text);
    }
    return list;
}
