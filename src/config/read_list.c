/* The lists of texts inside an item, and name servers with their addresses. */
#include "config_priv.h"

#include <stdio.h>
#include <string.h>

static enum err list_piece(struct reader *r, const struct at *at, const char *piece, size_t len,
                           bool names, const char **out)
{
    char text[TEXT_BYTES_MAX + 1], name[MODEL_NAME_TEXT_MAX], where[WHERE_MAX];
    if (len > TEXT_BYTES_MAX)
        return diag_error(r->diag, ERR_LIMIT, config__where(at, where),
                          "a text of %zu octets is too long: give at most %d", len, TEXT_BYTES_MAX);
    memcpy(text, piece, len);
    text[len] = '\0';
    if (names && !model_name_canonical(text, name))
        return diag_error(r->diag, ERR_INVALID, config__where(at, where),
                          "\"%.80s\" is not the name of a region or probe", text);
    *out = names ? model_intern(&r->in, r->a, name) : arena_strdup(r->a, text);
    return *out ? ERR_OK : config__nomem(r->diag);
}

static size_t pieces(const char *text, bool names)
{
    size_t n = 1;
    for (; names && *text; text++)
        n += *text == ',';
    return n;
}

/* names: each text may be several, comma-separated, as on the command line. */
enum err config__read_list(struct reader *r, const struct at *at, json_t *v, bool names,
                           const char *const **list, uint32_t *n)
{
    bool array = json_is_array(v);
    size_t count = array ? json_array_size(v) : 1, total = 0;
    for (size_t i = 0; i < count; i++) {
        json_t *one = array ? json_array_get(v, i) : v;
        if (!json_is_string(one)) {
            char where[WHERE_MAX], text[WHERE_MAX];
            return diag_error(r->diag, ERR_INVALID, config__where(at, where),
                              "%s is not accepted: give a list of texts",
                              config__value_text(one, text));
        }
        total += pieces(json_string_value(one), names);
    }
    const char **out = ARENA_ARRAY(r->a, const char *, total + 1);
    if (!out || total > UINT32_MAX)
        return config__nomem(r->diag);
    uint32_t done = 0;
    for (size_t i = 0; i < count; i++) {
        struct at here = {.up = at, .index = i};
        const char *p = json_string_value(array ? json_array_get(v, i) : v);
        for (size_t left = pieces(p, names); left; left--) {
            size_t len = names ? strcspn(p, ",") : strlen(p);
            enum err e = list_piece(r, array ? &here : at, p, len, names, &out[done++]);
            if (e)
                return e;
            p += len + (p[len] == ',');
        }
    }
    *list = out;
    *n = done;
    return ERR_OK;
}

#define NS_MAX 32
#define NS_ADDRESSES_MAX 16

struct ns_list {
    const char *name[NS_MAX];
    const char *address[NS_MAX][NS_ADDRESSES_MAX];
    uint32_t addresses_n[NS_MAX];
    uint32_t n;
};

static enum err ns_error(struct reader *r, const struct at *at, const char *text, const char *what)
{
    char where[WHERE_MAX];
    return diag_error(r->diag, ERR_INVALID, config__where(at, where),
                      "\"%.120s\" %s: give a name server as NAME=ADDRESS[,ADDRESS]", text, what);
}

/* The entry of a name server; several mentions of one are merged. */
static enum err ns_entry(struct reader *r, const struct at *at, const char *name,
                         struct ns_list *list, uint32_t *out)
{
    char canonical[MODEL_HOST_TEXT_MAX];
    if (!model_host_canonical(name, canonical))
        return ns_error(r, at, name, "is not a host name");
    for (*out = 0; *out < list->n; ++*out)
        if (strcmp(list->name[*out], canonical) == 0)
            return ERR_OK;
    if (list->n == NS_MAX)
        return ns_error(r, at, name, "is one name server too many");
    list->name[list->n] = arena_strdup(r->a, canonical);
    return list->name[list->n++] ? ERR_OK : config__nomem(r->diag);
}

static enum err ns_address(struct reader *r, const struct at *at, const char *text,
                           struct ns_list *list, uint32_t entry)
{
    char canonical[IP_TEXT_MAX];
    struct ip ip;
    if (!ip_parse(text, &ip))
        return ns_error(r, at, text, "is not an IP address");
    ip_format(&ip, canonical);
    for (uint32_t i = 0; i < list->addresses_n[entry]; i++)
        if (strcmp(list->address[entry][i], canonical) == 0)
            return ERR_OK;
    if (list->addresses_n[entry] == NS_ADDRESSES_MAX)
        return ns_error(r, at, text, "is one address too many");
    const char *copy = arena_strdup(r->a, canonical);
    if (!copy)
        return config__nomem(r->diag);
    list->address[entry][list->addresses_n[entry]++] = copy;
    return ERR_OK;
}

static enum err ns_text(struct reader *r, const struct at *at, const char *text,
                        struct ns_list *list)
{
    char piece[512];
    uint32_t entry = 0;
    if (strlen(text) >= sizeof piece)
        return ns_error(r, at, text, "is too long");
    strcpy(piece, text);
    char *p = strchr(piece, '=');
    if (p)
        *p++ = '\0';
    enum err e = ns_entry(r, at, piece, list, &entry);
    while (!e && p) {
        char *comma = strchr(p, ',');
        if (comma)
            *comma++ = '\0';
        e = ns_address(r, at, p, list, entry);
        p = comma;
    }
    return e;
}

static enum err ns_object(struct reader *r, const struct at *at, json_t *v, struct ns_list *list)
{
    const char *key, *name = json_string_value(json_object_get(v, "name"));
    json_t *value, *addresses = json_object_get(v, "addresses");
    char where[WHERE_MAX];
    uint32_t entry = 0;
    json_object_foreach(v, key, value)
    {
        if (strcmp(key, "name") != 0 && strcmp(key, "addresses") != 0)
            return diag_error(r->diag, ERR_INVALID, config__where(at, where),
                              "\"%.60s\" is not a field of a name server: it has name and "
                              "addresses",
                              key);
    }
    if (!name)
        return config__missing_key(r, at, "name");
    enum err e = ns_entry(r, at, name, list, &entry);
    if (e || !addresses)
        return e;
    if (!json_is_array(addresses))
        return config__not_a_list(r, at, addresses);
    for (size_t i = 0; !e && i < json_array_size(addresses); i++) {
        const char *text = json_string_value(json_array_get(addresses, i));
        e = text ? ns_address(r, at, text, list, entry)
                 : ns_error(r, at, name, "has an address that is not a text");
    }
    return e;
}

enum err config__read_ns(struct reader *r, const struct at *at, json_t *v, struct model_zone *zone)
{
    struct ns_list found = {0}, *list = &found;
    bool array = json_is_array(v);
    enum err e = ERR_OK;
    for (size_t i = 0; !e && i < (array ? json_array_size(v) : 1); i++) {
        struct at here = {.up = at, .index = i};
        json_t *one = array ? json_array_get(v, i) : v;
        const struct at *place = array && !r->edit ? &here : at;
        if (json_is_string(one))
            e = ns_text(r, place, json_string_value(one), list);
        else if (json_is_object(one))
            e = ns_object(r, place, one, list);
        else
            e = config__not_a_list(r, place, one);
    }
    if (e)
        return e;
    struct model_ns *out = ARENA_ARRAY(r->a, struct model_ns, list->n + 1);
    for (uint32_t i = 0; out && i < list->n; i++) {
        out[i] = (struct model_ns){list->name[i], NULL, list->addresses_n[i]};
        const char **addresses = ARENA_ARRAY(r->a, const char *, list->addresses_n[i] + 1);
        if (!addresses)
            return config__nomem(r->diag);
        memcpy(addresses, list->address[i], list->addresses_n[i] * sizeof *addresses);
        out[i].addresses = addresses;
    }
    if (!out)
        return config__nomem(r->diag);
    zone->ns = out;
    zone->ns_n = list->n;
    return ERR_OK;
}
