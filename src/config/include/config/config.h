/* config: the configuration as text, and edits to it.
 * Shape     JSON (jansson) to model and back. One field table per noun (config/fields.c) says name,
 *           kind, default and what is accepted; JSON keys, command-line flags, messages and
 *           documentation come from it.
 * Edits     an edit is {verb, noun, name, fields}; a batch of them is applied to a clone of a
 * model, validated, and compared with the original: the changes go to the store as one revision.
 * Errors    sentences in diag with a JSON path or a flag as place. Nothing is half-applied.
 * Threads   any one thread at a time per model being built. */
#pragma once

#include "model/model.h"
#include <jansson.h>

enum config_noun {
    NOUN_SETTING,
    NOUN_ZONE,
    NOUN_REGION,
    NOUN_PROBE,
    NOUN_MAP,
    NOUN_LATENCY,
    NOUN_SERVICE,
    NOUN_ENDPOINT,
    NOUN_RULE,
    NOUN_COUNT
};
enum config_verb { VERB_ADD, VERB_SET, VERB_REMOVE, VERB_REPLACE_ALL /* latency import */ };

const char *config_noun_name(enum config_noun noun); /* "zone" */
bool config_noun_parse(const char *text, enum config_noun *out);

/* The field table of a noun, for help texts, flags and tables. */
enum config_kind {
    FIELD_NAME,
    FIELD_TEXT,
    FIELD_INT,
    FIELD_NUMBER,
    FIELD_BOOL,
    FIELD_DURATION,
    FIELD_SHARE,
    FIELD_LATLON,
    FIELD_ENUM,
    FIELD_POLICY,
    FIELD_NS,
    FIELD_LIST,
    FIELD_REF,
    FIELD_PATH,
    FIELD_AUTO_DURATION,
    FIELD_FAILBACK,
    FIELD_ON_EMPTY,
    FIELD_WHERE,
    FIELD_ADDRESS
};
struct config_field {
    const char *key;  /* JSON key: "bias_km" */
    const char *flag; /* command-line flag without dashes: "bias"; NULL: an argument */
    enum config_kind kind;
    const char *value;    /* what help shows for the value: "KM" */
    const char *accepted; /* for messages: "a number of kilometres" */
    const char *fallback; /* default as text; "": none, or the setting of that name */
    const char *help;
    bool repeat; /* the flag may be given several times (ns, args) */
};
const struct config_field *config_fields(enum config_noun noun, size_t *n);

struct config_edit {
    enum config_verb verb;
    enum config_noun noun;
    const char *name;    /* zone, region, probe, map, setting, service; for NOUN_RULE the map, for
                          * NOUN_ENDPOINT the service */
    const char *region;  /* endpoint */
    const char *address; /* endpoint; for NOUN_RULE the WHERE */
    json_t *fields; /* object by JSON key; values as JSON or as command-line text (both are read) */
};

/* Applies n edits in order to m (a clone that the caller owns). Not validated yet. A noun that is
 * still referenced cannot be removed: the message names what refers to it. */
enum err config_apply_edits(struct model *m, const struct config_edit *edits, size_t n,
                            struct diag *diag) WARN_UNUSED;
/* {"verb":"add","noun":"region","name":"eu","fields":{...}} as it travels to the daemon. Borrowed
 * strings point into j. */
enum err config_edit_from_json(json_t *j, struct config_edit *out, struct diag *diag) WARN_UNUSED;
/* The names in a request (service, region, probe, address, endpoint, regions) as the model writes
 * them: "WWW.gslb.example." is www.gslb.example. What is no name stays, and is not found. */
void config_request_names(json_t *request);

/* The document. Keys sorted, one item per line. local: with what belongs to one host. Caller frees.
 */
char *config_export(const struct model *m, bool local);
/* Makes m (a clone) equal to the document: an absent top-level key is left alone, an empty list
 * removes. *revision is the document's, 0 if it names none. Unknown keys are errors. folder is what its
 * relative paths are meant from; NULL, as config_import has it: they stay as they are. */
enum err config_import_from(struct model *m, const char *text, size_t len, const char *folder,
                            int64_t *revision, struct diag *diag) WARN_UNUSED;
enum err config_import(struct model *m, const char *text, size_t len, int64_t *revision,
                       struct diag *diag) WARN_UNUSED;

/* One item as a JSON object (new reference), what is default left out unless full: then null stands
 * for "not set". item is a struct model_zone and so on; a setting gives {"key","value"}. */
json_t *config_item_json(const struct model *m, enum config_noun noun, const void *item, bool full);

/* What differs between two models: one entry per item. before/after are compact JSON texts, NULL
 * where the item does not exist. Endpoints belong to their service's entry, rules to their map's.
 */
struct config_change {
    enum config_noun noun;
    char *key;
    char *before, *after;
};
struct config_changes {
    struct config_change *change;
    size_t n;
};
enum err config_diff(const struct model *a, const struct model *b,
                     struct config_changes *out) WARN_UNUSED;
void config_changes_fini(struct config_changes *c);
/* Applies changes backwards (undo) or forwards to a clone: how history and rollback walk. */
enum err config_apply_changes(struct model *m, const struct config_changes *c, bool undo,
                              struct diag *diag) WARN_UNUSED;
/* A change as lines for people: "~ service www.gslb.example: ttl 30 -> 60". Caller frees. */
char *config_change_text(const struct config_change *c);
