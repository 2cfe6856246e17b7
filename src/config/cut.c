/* The document cut into its items, so that each is parsed by itself: a hundred thousand services as
 * one tree of json_t would take a gigabyte and most of its time in waiting for memory. Only the
 * outermost two levels are walked here; whatever lies inside an item is jansson's to judge. */
#include "cut.h"

#include <stdio.h>
#include <string.h>

static void skip_space(struct cutter *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
        c->p++;
}

enum err cut__syntax(struct cutter *c, const char *at, const char *what)
{
    char where[60];
    size_t line = 1;
    const char *start = c->start;
    for (const char *p = c->start; p < at && p < c->end; p++)
        if (*p == '\n') {
            line++;
            start = p + 1;
        }
    c->broken = true;
    snprintf(where, sizeof where, "line %zu, column %td", line, at - start + 1);
    return diag_error(c->diag, ERR_SYNTAX, where, "the text is not JSON: %s", what);
}

static enum err unexpected(struct cutter *c, const char *wanted)
{
    char what[100];
    if (c->p == c->end)
        snprintf(what, sizeof what, "it ends where %s is needed", wanted);
    else
        snprintf(what, sizeof what, "%s is needed", wanted);
    return cut__syntax(c, c->p, what);
}

static enum err expect(struct cutter *c, char wanted, const char *name)
{
    skip_space(c);
    if (c->p == c->end || *c->p != wanted)
        return unexpected(c, name);
    c->p++;
    return ERR_OK;
}

/* Past the closing quote of the string that starts at p. */
static void pass_string(struct cutter *c)
{
    for (c->p++; c->p < c->end && *c->p != '"'; c->p++)
        if (*c->p == '\\' && c->p + 1 < c->end)
            c->p++;
    if (c->p < c->end)
        c->p++;
}

/* Past the bracket that closes the one at p. */
static void pass_nested(struct cutter *c)
{
    size_t depth = 0;
    while (c->p < c->end) {
        char now = *c->p;
        if (now == '"') {
            pass_string(c);
            continue;
        }
        c->p++;
        if (now == '{' || now == '[')
            depth++;
        else if ((now == '}' || now == ']') && --depth == 0)
            return;
    }
}

static struct cut pass_value(struct cutter *c)
{
    skip_space(c);
    const char *from = c->p;
    if (c->p < c->end && *c->p == '"')
        pass_string(c);
    else if (c->p < c->end && (*c->p == '{' || *c->p == '['))
        pass_nested(c);
    else
        while (c->p < c->end && !strchr(",]} \t\r\n", *c->p))
            c->p++;
    return (struct cut){from, (size_t)(c->p - from)};
}

enum err cut__parse(struct cutter *c, struct cut cut, json_t **out)
{
    json_error_t error;
    *out = NULL;
    if (cut.len == 0) {
        c->p = cut.text;
        return unexpected(c, "a value");
    }
    *out = json_loadb(cut.text, cut.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (*out)
        return ERR_OK;
    size_t at = error.position > 0 ? (size_t)error.position - 1 : 0;
    return cut__syntax(c, cut.text + (at < cut.len ? at : cut.len), error.text);
}

static enum err add_key(struct cutter *c, struct cut name, struct cut value)
{
    json_t *j;
    if (c->n == CUT_KEYS_MAX)
        return cut__syntax(c, name.text, "the document has too many keys");
    enum err e = cut__parse(c, name, &j);
    if (e)
        return e;
    snprintf(c->key[c->n], sizeof c->key[0], "%s", json_string_value(j));
    json_decref(j);
    for (unsigned i = 0; i < c->n; i++)
        if (strcmp(c->key[i], c->key[c->n]) == 0)
            return cut__syntax(c, name.text, "a key is given twice");
    c->value[c->n++] = value;
    return ERR_OK;
}

enum err cut__document(struct cutter *c, const char *text, size_t len, struct diag *diag)
{
    *c = (struct cutter){.start = text, .p = text, .end = text + len, .diag = diag};
    enum err e = expect(c, '{', "an object");
    skip_space(c);
    bool more = !e && !(c->p < c->end && *c->p == '}');
    while (more && !e) {
        skip_space(c);
        if (c->p == c->end || *c->p != '"')
            return unexpected(c, "a key in quotes");
        struct cut name = pass_value(c);
        e = expect(c, ':', "a colon");
        struct cut value = pass_value(c);
        if (!e)
            e = add_key(c, name, value);
        skip_space(c);
        more = c->p < c->end && *c->p == ',';
        c->p += more;
    }
    if (!e)
        e = expect(c, '}', "a comma or a closing brace");
    skip_space(c);
    return e || c->p == c->end ? e : unexpected(c, "the end of the text");
}

const struct cut *cut__find(const struct cutter *c, const char *key)
{
    for (unsigned i = 0; i < c->n; i++)
        if (strcmp(c->key[i], key) == 0)
            return &c->value[i];
    return NULL;
}

void cut__list(struct cutter *c, struct cut list)
{
    c->p = list.text + 1;
    c->list_end = list.text + list.len;
    c->first = true;
}

enum err cut__next(struct cutter *c, bool *more, struct cut *item)
{
    skip_space(c);
    *more = c->p < c->list_end && *c->p != ']';
    if (!*more) {
        enum err e = expect(c, ']', "a closing bracket");
        return e || c->p == c->list_end ? e : unexpected(c, "the end of the list");
    }
    if (!c->first) {
        enum err e = expect(c, ',', "a comma or a closing bracket");
        if (e)
            return e;
    }
    c->first = false;
    *item = pass_value(c);
    return ERR_OK;
}
