/* config_priv: what the files of the room share.
 * shape     the field table with offsets, the default item of each noun, keys in sorted order.
 * at        the place of a value in the document, a list on the stack: written out only in errors.
 * reader    JSON to items. text: items to JSON; both walk the same table. */
#pragma once

#include "base/check.h"
#include "config/config.h"
#include "model/build.h"

#define FIELDS_MAX 32 /* of one noun */
#define TEXT_BYTES_MAX 4096
#define WHERE_MAX 400

struct slot { /* the private half of a struct config_field, same index */
    enum config_noun noun;
    size_t offset;
    size_t size;     /* of the member: a whole number may take 2, 4 or 8 octets */
    bool thresholds; /* in those of a service, which are not written in place: config__read_value */
};

union item {
    struct model_setting setting;
    struct model_zone zone;
    struct model_region region;
    struct model_probe probe;
    struct model_map map;
    struct model_latency latency;
    struct model_service service;
    struct model_endpoint endpoint;
    struct model_rule rule;
};

struct shape {
    union item fallback[NOUN_COUNT]; /* strings are static */
    uint8_t order[NOUN_COUNT][FIELDS_MAX];
};
void config__shape_init(struct shape *s);
const struct slot *config__slots(enum config_noun noun); /* as many as config_fields gives */
static inline struct model_thresholds *config__thresholds(const void *service)
{
    return (struct model_thresholds *)(uintptr_t)((const struct model_service *)service)
        ->thresholds;
}
static inline void *config__member(const void *item, const struct slot *slot)
{
    uintptr_t base = (uintptr_t)(slot->thresholds ? config__thresholds(item) : item);
    return (char *)base + slot->offset;
}
/* Copies one field's value from one item to another: how null resets to the default. */
/* FIELD_INT. */
int64_t config__int(const struct slot *slot, const void *member);
bool config__int_put(const struct slot *slot, void *member, int64_t v); /* false: does not fit */
void config__field_copy(const struct config_field *f, const struct slot *slot, const void *from,
                        void *to);
bool config__field_equal(const struct config_field *f, const struct slot *slot, const void *a,
                         const void *b);
size_t config__item_size(enum config_noun noun);
/* The array of a noun; PART_COUNT for endpoints and rules, which lie in other items. */
enum model_part config__part(enum config_noun noun);
const char *config__list_key(enum config_noun noun); /* "zones": the key in the document */

struct at {
    const struct at *up;
    const char *key; /* NULL: index */
    size_t index;
    const char *flag; /* on the command line, in place of everything above */
};
const char *config__where(const struct at *at, char out[WHERE_MAX]);

struct reader {
    struct model *m;
    struct arena *a;
    struct diag *diag;
    struct shape shape;
    struct model_intern in;
    const char *folder; /* what relative paths are meant from; NULL: they stay */
    bool edit;          /* fields of an edit: names stay */
    bool changes;       /* from config_diff: regions carry their order */
};
void config__reader_init(struct reader *r, struct model *m, struct diag *diag);
/* A path of len octets made whole, in the arena; NULL out of memory. */
const char *config__path(struct reader *r, const char *path, size_t len);
/* The same of each path of a list, between commas. */
const char *config__paths(struct reader *r, const char *list);
/* Sets what obj names; item starts as a default or as it was. Reports every error it finds. */
enum err config__read_item(struct reader *r, const struct at *at, enum config_noun noun,
                           json_t *obj, void *item) WARN_UNUSED;
enum err config__read_value(struct reader *r, const struct at *at, const struct config_field *f,
                            const struct slot *slot, json_t *v, void *item) WARN_UNUSED;
/* "\"text\"", "5", "a list": a value as a message names it. */
const char *config__value_text(json_t *v, char out[WHERE_MAX]);
/* An address to canonical text and family; host names get 0. */
enum err config__read_address(struct reader *r, const struct at *at, const char *text,
                              const char **out, uint8_t *family) WARN_UNUSED;
enum err config__read_ns(struct reader *r, const struct at *at, json_t *v,
                         struct model_zone *zone) WARN_UNUSED;
enum err config__read_list(struct reader *r, const struct at *at, json_t *v, bool names,
                           const char *const **list, uint32_t *n) WARN_UNUSED;
enum err config__nomem(struct diag *diag);
enum err config__not_a_list(struct reader *r, const struct at *at, json_t *v);
enum err config__missing_key(struct reader *r, const struct at *at, const char *key);

struct text {
    char *p;
    size_t n, cap;
    bool failed;
};
void config__put(struct text *t, const char *s);
void config__put_item(struct text *t, const struct shape *shape, enum config_noun noun,
                      const void *item, bool full, bool lines, bool with_order);
char *config__text_take(struct text *t); /* NULL if memory ran out; frees it then */

bool config__item_equal(enum config_noun noun, const void *a, const void *b);
/* Endpoints of all services in order; needed when regions or endpoints changed. */
bool config__endpoints_order(struct model *m);

enum err config__remove(struct reader *r, enum config_noun noun, const char *name) WARN_UNUSED;
/* "zone \"x\" does not exist; did you mean …?" */
enum err config__not_found(struct reader *r, enum config_noun noun, const char *name);
/* Position of a named item in its part, -1 if there is none. */
int64_t config__find(const struct model *m, enum config_noun noun, const char *name);
/* The name of an item of a noun in canonical form. */
bool config__canonical(enum config_noun noun, const char *name, char out[MODEL_HOST_TEXT_MAX]);
