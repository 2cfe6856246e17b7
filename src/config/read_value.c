/* One value of the document or of a flag into one field of an item. JSON types and command-line
 * text are both read: 30 and "30", [51.5, -0.1] and "51.5,-0.1". */
#include "config_priv.h"

#include "base/clock.h"
#include "model/nearest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *config__value_text(json_t *v, char out[WHERE_MAX])
{
    switch (json_typeof(v)) {
    case JSON_STRING:
        snprintf(out, WHERE_MAX, "\"%.120s\"", json_string_value(v));
        break;
    case JSON_INTEGER:
        snprintf(out, WHERE_MAX, "%lld", (long long)json_integer_value(v));
        break;
    case JSON_REAL:
        snprintf(out, WHERE_MAX, "%.15g", json_real_value(v));
        break;
    default:
        snprintf(out, WHERE_MAX, "%s",
                 json_is_object(v)  ? "an object"
                 : json_is_array(v) ? "a list"
                 : json_is_null(v)  ? "null"
                 : json_is_true(v)  ? "true"
                                    : "false");
    }
    return out;
}

static enum err refuse(struct reader *r, const struct at *at, const struct config_field *f,
                       json_t *v)
{
    char where[WHERE_MAX], text[WHERE_MAX];
    return diag_error(r->diag, ERR_INVALID, config__where(at, where), "%s is not accepted: give %s",
                      config__value_text(v, text), f->accepted);
}

static bool decimal(const char *text, double *out)
{
    char *end;
    if (!*text || strpbrk(text, "xXpPnN"))
        return false;
    *out = strtod(text, &end);
    while (*end == ' ')
        end++;
    return end != text && !*end && isfinite(*out);
}

static bool number(json_t *v, double *out)
{
    if (json_is_number(v))
        *out = json_number_value(v);
    else if (!json_is_string(v) || !decimal(json_string_value(v), out))
        return false;
    *out = model_number_round(*out) + 0.0; /* -0 becomes 0 */
    return isfinite(*out);
}

static bool integer(json_t *v, int64_t *out)
{
    if (json_is_integer(v))
        *out = json_integer_value(v);
    else if (!json_is_string(v) || !model_integer_parse(json_string_value(v), out))
        return false;
    return *out >= 0; /* no field takes negative ones, and -1 means unset */
}

static bool duration(json_t *v, bool can_be_auto, int64_t *out)
{
    if (json_is_number(v)) {
        double s = json_number_value(v);
        *out = s >= 0 && s <= 1e9 ? (int64_t)(s * 1000 + 0.5) : -1;
        return *out >= 0;
    }
    if (!json_is_string(v))
        return false;
    if (can_be_auto && strcasecmp(json_string_value(v), "auto") == 0) {
        *out = MODEL_AUTO;
        return true;
    }
    return duration_parse(json_string_value(v), out);
}

static bool share(json_t *v, double *out)
{
    if (json_is_string(v))
        return model_share_parse(json_string_value(v), out);
    return number(v, out) && *out >= 0 && *out <= 1;
}

static bool boolean(json_t *v, bool *out)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    if (json_is_boolean(v)) {
        *out = json_is_true(v);
        return true;
    }
    for (size_t i = 0; json_is_string(v) && i < ARRAY_LEN(words); i++)
        if (strcasecmp(json_string_value(v), words[i]) == 0) {
            *out = i % 2;
            return true;
        }
    return false;
}

static bool lat_lon(json_t *v, struct model_region *region)
{
    double lat, lon;
    if (json_is_array(v)) {
        if (json_array_size(v) != 2 || !json_is_number(json_array_get(v, 0)) ||
            !json_is_number(json_array_get(v, 1)) || !number(json_array_get(v, 0), &lat) ||
            !number(json_array_get(v, 1), &lon))
            return false;
    } else if (json_is_string(v)) {
        char text[64];
        const char *comma = strchr(json_string_value(v), ',');
        size_t len = comma ? (size_t)(comma - json_string_value(v)) : 0;
        if (!comma || len >= sizeof text)
            return false;
        snprintf(text, sizeof text, "%.*s", (int)len, json_string_value(v));
        if (!decimal(text, &lat) || !decimal(comma + 1, &lon))
            return false;
        lat = model_number_round(lat) + 0.0;
        lon = model_number_round(lon) + 0.0;
    } else
        return false;
    region->placed = true;
    region->lat = lat;
    region->lon = lon;
    return true;
}

static enum err read_enum(struct reader *r, const struct at *at, const struct config_field *f,
                          json_t *v, enum model_probe_type *out)
{
    char where[WHERE_MAX], hint[NEAREST_WORD_MAX + 40];
    struct nearest near;
    if (!json_is_string(v))
        return refuse(r, at, f, v);
    nearest_start(&near, json_string_value(v));
    for (int k = PROBE_HTTP; k <= PROBE_QUORUM; k++) {
        const char *name = model_probe_type_name((enum model_probe_type)k);
        if (strcasecmp(name, json_string_value(v)) == 0) {
            *out = (enum model_probe_type)k;
            return ERR_OK;
        }
        nearest_offer(&near, name);
    }
    return diag_error(r->diag, ERR_INVALID, config__where(at, where),
                      "\"%.60s\" is not a probe type: give %s%s", json_string_value(v), f->accepted,
                      nearest_hint(&near, hint, sizeof hint));
}

static enum err keep(struct reader *r, const char *copy, const char **out)
{
    if (!copy)
        return config__nomem(r->diag);
    *out = copy;
    return ERR_OK;
}

/* Texts are short but for the values of settings, whose kinds have limits of their own. */
static size_t text_max(const struct config_field *f)
{
    size_t n;
    const struct config_field *setting = config_fields(NOUN_SETTING, &n);
    for (size_t i = 0; i < n; i++)
        if (f == &setting[i])
            return MODEL_SETTING_BYTES_MAX;
    return TEXT_BYTES_MAX;
}

static enum err read_text(struct reader *r, const struct at *at, const struct config_field *f,
                          json_t *v, const char **out)
{
    char where[WHERE_MAX], text[32];
    const char *s = json_string_value(v);
    if (json_is_integer(v)) { /* an argument of a program, a status code */
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
        s = text;
    }
    if (json_is_real(v)) {
        snprintf(text, sizeof text, "%.15g", json_real_value(v));
        s = text;
    }
    if (!s)
        return refuse(r, at, f, v);
    if (strlen(s) > text_max(f))
        return diag_error(r->diag, ERR_LIMIT, config__where(at, where),
                          "a text of %zu octets is too long: give at most %zu", strlen(s),
                          text_max(f));
    return keep(r, f->kind == FIELD_PATH ? config__path(r, s, strlen(s)) : arena_strdup(r->a, s),
                out);
}

const char *config__path(struct reader *r, const char *path, size_t len)
{
    if (!r->folder || len == 0 || *path == '/')
        return arena_printf(r->a, "%.*s", (int)len, path);
    for (; len > 2 && strncmp(path, "./", 2) == 0; len -= 2)
        path += 2;
    return arena_printf(r->a, "%s/%.*s", strcmp(r->folder, "/") == 0 ? "" : r->folder, (int)len,
                        path);
}

const char *config__paths(struct reader *r, const char *list)
{
    const char *out = NULL;
    for (const char *at = r->folder ? list : NULL; at;) {
        at += strspn(at, " ");
        size_t len = strcspn(at, ","), end = len;
        while (end && at[end - 1] == ' ')
            end--;
        const char *path = config__path(r, at, end);
        if (path)
            out = out ? arena_printf(r->a, "%s,%s", out, path) : path;
        if (!path || !out)
            return NULL;
        at = at[len] ? at + len + 1 : NULL;
    }
    return out ? out : list;
}

static enum err read_ref(struct reader *r, const struct at *at, const struct config_field *f,
                         json_t *v, const char **out)
{
    char name[MODEL_NAME_TEXT_MAX];
    if (!json_is_string(v) || !model_name_canonical(json_string_value(v), name))
        return refuse(r, at, f, v);
    return keep(r, model_intern(&r->in, r->a, name), out);
}

static enum err read_name(struct reader *r, const struct at *at, const struct config_field *f,
                          const struct slot *slot, json_t *v, const char **out)
{
    char name[MODEL_HOST_TEXT_MAX], where[WHERE_MAX];
    if (!json_is_string(v) || !config__canonical(slot->noun, json_string_value(v), name))
        return refuse(r, at, f, v);
    if (r->edit && *out)
        return strcmp(name, *out) == 0
                   ? ERR_OK
                   : diag_error(r->diag, ERR_INVALID, config__where(at, where),
                                "the name cannot be changed from \"%s\" to \"%s\": add a new one "
                                "and remove the old",
                                *out, name);
    return keep(r, arena_strdup(r->a, name), out);
}

static enum err read_policy(struct reader *r, const struct at *at, const struct config_field *f,
                            json_t *v, struct model_service *s)
{
    char where[WHERE_MAX], canonical[POLICY_TEXT_MAX];
    if (!json_is_string(v))
        return refuse(r, at, f, v);
    if (s->policy && strcmp(json_string_value(v), s->policy) == 0 && s->parsed)
        return ERR_OK;
    struct policy p;
    enum err e = policy_parse(json_string_value(v), config__where(at, where), &p, r->diag);
    if (e)
        return e;
    s->parsed = NULL; /* validation fills it in, once for all that are alike */
    return keep(r, model_intern(&r->in, r->a, policy_format(&p, canonical)), &s->policy);
}

static enum err read_on_empty(struct reader *r, const struct at *at, const struct config_field *f,
                              json_t *v, struct model_service *s)
{
    char name[MODEL_HOST_TEXT_MAX];
    const char *text = json_string_value(v);
    if (!text)
        return refuse(r, at, f, v);
    bool all = strcasecmp(text, "all") == 0, nodata = strcasecmp(text, "nodata") == 0;
    if (all || nodata) {
        s->on_empty = all ? ON_EMPTY_ALL : ON_EMPTY_NODATA;
        s->on_empty_service = NULL;
        return ERR_OK;
    }
    if (!model_host_canonical(text, name))
        return refuse(r, at, f, v);
    s->on_empty = ON_EMPTY_SERVICE;
    return keep(r, arena_strdup(r->a, name), &s->on_empty_service);
}

static enum err read_where(struct reader *r, const struct at *at, const struct config_field *f,
                           json_t *v, struct model_place *out)
{
    char where[WHERE_MAX];
    if (!json_is_string(v))
        return refuse(r, at, f, v);
    return model_place_parse(json_string_value(v), r->a, out, config__where(at, where), r->diag);
}

enum err config__read_address(struct reader *r, const struct at *at, const char *text,
                              const char **out, uint8_t *family)
{
    struct ip ip;
    char canonical[MODEL_HOST_TEXT_MAX], where[WHERE_MAX];
    bool address = ip_parse(text, &ip);
    *family = ip.family;
    if (address)
        return keep(r, arena_strdup(r->a, ip_format(&ip, canonical)), out);
    /* 10.1.2.300 would pass as a host name, and is meant as an address. */
    if (!model_host_canonical(text, canonical) || strspn(text, "0123456789.") == strlen(text))
        return diag_error(r->diag, ERR_INVALID, config__where(at, where),
                          "\"%.120s\" is neither an IPv4 or IPv6 address nor a host name", text);
    return keep(r, arena_strdup(r->a, canonical), out);
}

static enum err read_scalar(struct reader *r, const struct at *at, const struct config_field *f,
                            const struct slot *slot, json_t *v, void *member)
{
    bool good = false;
    int64_t whole;
    double real;
    switch (f->kind) {
    case FIELD_INT:
        good = integer(v, &whole) && config__int_put(slot, member, whole);
        return good ? ERR_OK : refuse(r, at, f, v);
    case FIELD_DURATION:
    case FIELD_AUTO_DURATION:
        good = duration(v, f->kind == FIELD_AUTO_DURATION, &whole);
        break;
    case FIELD_NUMBER:
        if ((good = number(v, &real)))
            *(double *)member = real;
        return good ? ERR_OK : refuse(r, at, f, v);
    case FIELD_SHARE:
        if ((good = share(v, &real)))
            *(double *)member = real;
        return good ? ERR_OK : refuse(r, at, f, v);
    case FIELD_BOOL:
        return boolean(v, member) ? ERR_OK : refuse(r, at, f, v);
    default:
        check_failed("a scalar kind", __FILE__, __LINE__);
    }
    if (good)
        *(int64_t *)member = whole;
    return good ? ERR_OK : refuse(r, at, f, v);
}

static enum err read_failback(struct reader *r, const struct at *at, const struct config_field *f,
                              json_t *v, struct model_thresholds *t)
{
    int failback;
    int64_t after_ms;
    if (!json_is_string(v) || !model_failback_parse(json_string_value(v), &failback, &after_ms))
        return refuse(r, at, f, v);
    t->failback = failback;
    t->failback_after_ms = after_ms;
    return ERR_OK;
}

static enum err read_kind(struct reader *r, const struct at *at, const struct config_field *f,
                          const struct slot *slot, json_t *v, void *item)
{
    void *member = config__member(item, slot);
    struct model_endpoint *endpoint = item;
    struct model_probe *probe = item;
    struct model_rule *rule = item;
    switch (f->kind) {
    case FIELD_NAME:
        return read_name(r, at, f, slot, v, member);
    case FIELD_TEXT:
    case FIELD_PATH:
        return read_text(r, at, f, v, member);
    case FIELD_REF:
        return read_ref(r, at, f, v, member);
    case FIELD_POLICY:
        return read_policy(r, at, f, v, item);
    case FIELD_ON_EMPTY:
        return read_on_empty(r, at, f, v, item);
    case FIELD_FAILBACK:
        return read_failback(r, at, f, v, config__thresholds(item));
    case FIELD_ENUM:
        return read_enum(r, at, f, v, member);
    case FIELD_LATLON:
        return lat_lon(v, item) ? ERR_OK : refuse(r, at, f, v);
    case FIELD_WHERE:
        return read_where(r, at, f, v, member);
    case FIELD_ADDRESS:
        if (!json_is_string(v))
            return refuse(r, at, f, v);
        return config__read_address(r, at, json_string_value(v), &endpoint->address,
                                    &endpoint->family);
    case FIELD_NS:
        return config__read_ns(r, at, v, item);
    case FIELD_LIST:
        if (slot->noun == NOUN_PROBE && strcmp(f->key, "of") == 0)
            return config__read_list(r, at, v, true, &probe->of, &probe->of_n);
        if (slot->noun == NOUN_PROBE)
            return config__read_list(r, at, v, false, &probe->args, &probe->args_n);
        return config__read_list(r, at, v, true, &rule->regions, &rule->regions_n);
    default:
        return read_scalar(r, at, f, slot, v, member);
    }
}

static enum err read_in_place(struct reader *r, const struct at *at, const struct config_field *f,
                              const struct slot *slot, json_t *v, void *item)
{
    char where[WHERE_MAX];
    bool required = f->kind == FIELD_NAME || f->kind == FIELD_WHERE || f->kind == FIELD_ADDRESS ||
                    (slot->noun == NOUN_SETTING) ||
                    (f->kind == FIELD_REF && strcmp(f->key, "region") == 0);
    /* --probe "" is how a command line says null. */
    bool reset = json_is_null(v) || (json_is_string(v) && !*json_string_value(v));
    if (!reset || (slot->noun == NOUN_SETTING && json_is_string(v)))
        return read_kind(r, at, f, slot, v, item);
    if (required)
        return diag_error(r->diag, ERR_INVALID, config__where(at, where), "is needed: give %s",
                          f->accepted);
    config__field_copy(f, slot, &r->shape.fallback[slot->noun], item);
    if (f->kind == FIELD_POLICY)
        ((struct model_service *)item)->parsed = NULL; /* as the default has it; validation fills */
    return ERR_OK;
}

/* Thresholds are shared: what is read goes to a copy, and the copy to where all that are like it are. */
enum err config__read_value(struct reader *r, const struct at *at, const struct config_field *f,
                            const struct slot *slot, json_t *v, void *item)
{
    if (!slot->thresholds)
        return read_in_place(r, at, f, slot, v, item);
    struct model_service *s = item, with = *s;
    struct model_thresholds own;
    memcpy(&own, s->thresholds, sizeof own);
    with.thresholds = &own;
    enum err e = read_in_place(r, at, f, slot, v, &with);
    const struct model_thresholds *kept = model_intern_thresholds(&r->in, r->a, &own);
    if (!kept)
        return config__nomem(r->diag);
    s->thresholds = kept;
    return e;
}
