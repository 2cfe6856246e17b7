/* The field table and what follows from it. */
#include "config_priv.h"

#include "base/check.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct config_field fields[] = {
#define FIELD(noun, type, member, key, flag, kind, value, accepted, fallback, help, repeat)        \
    {key, flag, FIELD_##kind, value, accepted, fallback, help, repeat},
#include "fields.def"
#undef FIELD
};

static const struct slot slots[] = {
#define FIELD(noun, type, member, key, flag, kind, value, accepted, fallback, help, repeat)        \
    {NOUN_##noun, offsetof(struct type, member), sizeof((struct type *)0)->member,                 \
     _Generic((struct type *)0, struct model_thresholds *                                          \
              : true, default                                                                      \
              : false)},
#include "fields.def"
#undef FIELD
};

static const struct {
    const char *name, *list;
    enum model_part part;
    size_t size;
} nouns[NOUN_COUNT] = {
    [NOUN_SETTING] = {"setting", "settings", PART_SETTINGS, sizeof(struct model_setting)},
    [NOUN_ZONE] = {"zone", "zones", PART_ZONES, sizeof(struct model_zone)},
    [NOUN_REGION] = {"region", "regions", PART_REGIONS, sizeof(struct model_region)},
    [NOUN_PROBE] = {"probe", "probes", PART_PROBES, sizeof(struct model_probe)},
    [NOUN_MAP] = {"map", "maps", PART_MAPS, sizeof(struct model_map)},
    [NOUN_LATENCY] = {"latency", "latency", PART_LATENCY, sizeof(struct model_latency)},
    [NOUN_SERVICE] = {"service", "services", PART_SERVICES, sizeof(struct model_service)},
    [NOUN_ENDPOINT] = {"endpoint", "endpoints", PART_COUNT, sizeof(struct model_endpoint)},
    [NOUN_RULE] = {"rule", "rules", PART_COUNT, sizeof(struct model_rule)},
};

const char *config_noun_name(enum config_noun noun)
{
    return nouns[noun].name;
}

bool config_noun_parse(const char *text, enum config_noun *out)
{
    for (unsigned i = 0; i < NOUN_COUNT; i++)
        if (strcmp(nouns[i].name, text) == 0) {
            *out = (enum config_noun)i;
            return true;
        }
    return false;
}

size_t config__item_size(enum config_noun noun)
{
    return nouns[noun].size;
}

enum model_part config__part(enum config_noun noun)
{
    return nouns[noun].part;
}

const char *config__list_key(enum config_noun noun)
{
    return nouns[noun].list;
}

static size_t first_of(enum config_noun noun)
{
    size_t i = 0;
    while (i < ARRAY_LEN(slots) && slots[i].noun != noun)
        i++;
    return i;
}

const struct config_field *config_fields(enum config_noun noun, size_t *n)
{
    size_t first = first_of(noun), end = first;
    while (end < ARRAY_LEN(slots) && slots[end].noun == noun)
        end++;
    *n = end - first;
    return fields + first;
}

const struct slot *config__slots(enum config_noun noun)
{
    return slots + first_of(noun);
}

/* How many bytes of an item a field of each kind takes. Fields that are more than one member
 * (at, ns, failback, ...) are copied and compared member by member. */
static size_t plain_size(enum config_kind kind)
{
    switch (kind) {
    case FIELD_NAME:
    case FIELD_TEXT:
    case FIELD_POLICY:
    case FIELD_REF:
    case FIELD_PATH:
        return sizeof(const char *);
    case FIELD_DURATION:
    case FIELD_AUTO_DURATION:
        return sizeof(int64_t);
    case FIELD_NUMBER:
    case FIELD_SHARE:
        return sizeof(double);
    case FIELD_BOOL:
        return sizeof(bool);
    case FIELD_ENUM:
        return sizeof(enum model_probe_type);
    default:
        return 0;
    }
}

int64_t config__int(const struct slot *slot, const void *member)
{
    if (slot->size == sizeof(int16_t))
        return *(const int16_t *)member;
    if (slot->size == sizeof(int32_t))
        return *(const int32_t *)member;
    return *(const int64_t *)member;
}

bool config__int_put(const struct slot *slot, void *member, int64_t v)
{
    if (slot->size == sizeof(int16_t))
        *(int16_t *)member = (int16_t)v;
    else if (slot->size == sizeof(int32_t))
        *(int32_t *)member = (int32_t)v;
    else
        *(int64_t *)member = v;
    return config__int(slot, member) == v;
}

void config__field_copy(const struct config_field *f, const struct slot *slot, const void *from,
                        void *to)
{
    size_t size = f->kind == FIELD_INT ? slot->size : plain_size(f->kind);
    if (size) {
        memcpy(config__member(to, slot), config__member(from, slot), size);
    } else if (f->kind == FIELD_LATLON) {
        struct model_region *r = to;
        const struct model_region *d = from;
        r->placed = d->placed;
        r->lat = d->lat;
        r->lon = d->lon;
    } else if (f->kind == FIELD_NS) {
        struct model_zone *z = to;
        z->ns = ((const struct model_zone *)from)->ns;
        z->ns_n = ((const struct model_zone *)from)->ns_n;
    } else if (f->kind == FIELD_LIST && strcmp(f->key, "of") == 0) {
        struct model_probe *p = to;
        p->of = ((const struct model_probe *)from)->of;
        p->of_n = ((const struct model_probe *)from)->of_n;
    } else if (f->kind == FIELD_LIST && slot->noun == NOUN_PROBE) {
        struct model_probe *p = to;
        p->args = ((const struct model_probe *)from)->args;
        p->args_n = ((const struct model_probe *)from)->args_n;
    } else if (f->kind == FIELD_LIST) {
        struct model_rule *r = to;
        r->regions = ((const struct model_rule *)from)->regions;
        r->regions_n = ((const struct model_rule *)from)->regions_n;
    } else if (f->kind == FIELD_FAILBACK) {
        struct model_thresholds *t = config__thresholds(to);
        const struct model_thresholds *d = config__thresholds(from);
        t->failback = d->failback;
        t->failback_after_ms = d->failback_after_ms;
    } else if (f->kind == FIELD_ON_EMPTY) {
        struct model_service *s = to;
        s->on_empty = ((const struct model_service *)from)->on_empty;
        s->on_empty_service = ((const struct model_service *)from)->on_empty_service;
    }
}

static void fill(const struct config_field *f, const struct slot *slot, void *item)
{
    void *member = config__member(item, slot);
    bool none = f->fallback[0] == '\0';
    int64_t whole;
    switch (f->kind) {
    case FIELD_TEXT:
    case FIELD_PATH:
    case FIELD_REF:
    case FIELD_POLICY:
    case FIELD_NAME:
        *(const char **)member = none ? NULL : f->fallback;
        break;
    case FIELD_INT:
        if (none || !model_integer_parse(f->fallback, &whole))
            whole = MODEL_UNSET;
        CHECK(config__int_put(slot, member, whole));
        break;
    case FIELD_DURATION:
    case FIELD_AUTO_DURATION:
        if (none || !duration_parse(f->fallback, member))
            *(int64_t *)member = MODEL_UNSET;
        break;
    case FIELD_NUMBER:
    case FIELD_SHARE:
        *(double *)member = none ? MODEL_UNSET : strtod(f->fallback, NULL);
        break;
    case FIELD_BOOL:
        *(bool *)member = strcmp(f->fallback, "yes") == 0;
        break;
    default:
        break; /* zero-filled is right: http, all, nothing placed, no list */
    }
}

void config__shape_init(struct shape *s)
{
    memset(s, 0, sizeof *s);
    for (unsigned noun = 0; noun < NOUN_COUNT; noun++) {
        size_t n;
        const struct config_field *f = config_fields((enum config_noun)noun, &n);
        const struct slot *slot = config__slots((enum config_noun)noun);
        CHECK(n <= FIELDS_MAX);
        if (noun == NOUN_SERVICE)
            s->fallback[noun].service.thresholds = &model_thresholds_unset;
        for (size_t i = 0; i < n; i++) {
            if (!slot[i].thresholds) /* they have their own fallback */
                fill(&f[i], &slot[i], &s->fallback[noun]);
            size_t at = i;
            for (; at > 0 && strcmp(f[s->order[noun][at - 1]].key, f[i].key) > 0; at--)
                s->order[noun][at] = s->order[noun][at - 1];
            s->order[noun][at] = (uint8_t)i;
        }
    }
}

/* Writes back to front, since the list leads from the value up to the document. */
const char *config__where(const struct at *at, char out[WHERE_MAX])
{
    char piece[160];
    size_t start = WHERE_MAX - 1;
    out[start] = '\0';
    for (; at; at = at->up) {
        bool top = !at->up || at->flag;
        int n = at->flag  ? snprintf(piece, sizeof piece, "--%.100s", at->flag)
                : at->key ? snprintf(piece, sizeof piece, "%s%.100s", top ? "" : ".", at->key)
                          : snprintf(piece, sizeof piece, "[%zu]", at->index);
        if ((size_t)n > start)
            break;
        start -= (size_t)n;
        memcpy(out + start, piece, (size_t)n);
        if (at->flag)
            break;
    }
    memmove(out, out + start, WHERE_MAX - start);
    return out;
}

enum err config__nomem(struct diag *diag)
{
    return diag_error(diag, ERR_NOMEM, "", "out of memory");
}
