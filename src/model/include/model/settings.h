/* model/settings: the table of settings and how their values are read.
 * Shape     rows of settings.def; a value is kept as the text that the user gave, checked.
 * Threads   any; no state.
 * Errors    one sentence with the value and what would be accepted.
 * Units     shares 0..1, durations in milliseconds. */
#pragma once

#include "base/diag.h"
#include <stddef.h>
#include <stdint.h>

#define MODEL_SETTING_BYTES_MAX 65535 /* of a value: a list of networks may be long */

enum model_setting_kind {
    SETTING_LISTEN,        /* comma-separated ADDR:PORT */
    SETTING_WORKERS,       /* 0..256 */
    SETTING_PATHS,         /* comma-separated paths, may be empty */
    SETTING_ADMIN,         /* ADDR:PORT or off */
    SETTING_PATH,          /* may be empty */
    SETTING_TEXT,          /* may be empty, at most 255 octets */
    SETTING_SHARE,         /* 0..1 or a percentage */
    SETTING_DURATION,      /* "5s" */
    SETTING_AUTO_DURATION, /* "5s" or auto */
    SETTING_COUNT,         /* 1..1000000 */
    SETTING_COUNT_OR_NONE, /* 0..1000000 */
    SETTING_FAILBACK,      /* auto, hold, "after 10m" */
    SETTING_NETWORKS,      /* comma-separated networks, may be empty */
    SETTING_SWITCH,        /* on or off */
    SETTING_LIMIT_MODE,    /* on or dry-run */
    SETTING_SECRETS,       /* up to MODEL_SECRETS_MAX of 32 hexadecimal digits; may be empty */
    SETTING_TOKENS,        /* up to MODEL_TOKENS_MAX of NAME[@REGION]:HASH; may be empty */
    SETTING_PREFIX_V4,     /* 1..32 */
    SETTING_PREFIX_V6,     /* 1..128 */
    SETTING_UDP_SIZE,      /* 512..1232 */
    SETTING_SIZE           /* "256M", 16M..1T */
};

struct model_setting_info {
    const char *key, *fallback;
    enum model_setting_kind kind;
    bool local; /* belongs to one host: exported only on demand */
    const char *help;
};

const struct model_setting_info *model_settings_table(size_t *n);
const struct model_setting_info *model_setting_info(const char *key); /* NULL: unknown */
/* What a kind accepts, for messages and documentation: "a share: 0 to 1, or 0% to 100%". */
const char *model_setting_accepted(enum model_setting_kind kind);
/* Is key known and value accepted? where is what the message starts with. */
enum err model_setting_check(const char *key, const char *value, const char *where,
                             struct diag *diag) WARN_UNUSED;

/* "5%", "0.05"; false outside 0..1. */
bool model_share_parse(const char *text, double *out);
/* "16M", "2G", "1T" in bytes; false outside 16M..1T. */
bool model_size_parse(const char *text, int64_t *bytes);
/* "auto", "hold", "after 10m" to enum model_failback and the wait; false otherwise. */
bool model_failback_parse(const char *text, int *failback, int64_t *after_ms);
#define MODEL_SECRETS_MAX 3
#define MODEL_SECRET_BYTES 16
/* Comma-separated secrets; *n of them, 0 for the empty text. */
bool model_secrets_parse(const char *text, uint8_t out[MODEL_SECRETS_MAX][MODEL_SECRET_BYTES],
                         size_t *n);
#define MODEL_TOKENS_MAX 64
#define MODEL_TOKEN_NAME_MAX 40
#define MODEL_TOKEN_HASH_MAX 65 /* SHA-256 as hexadecimal digits, its end included */
struct model_token {
    char name[MODEL_TOKEN_NAME_MAX];
    char region[64]; /* "": of any region */
    char hash[MODEL_TOKEN_HASH_MAX];
};
bool model_token_name_valid(const char *name);
/* Comma-separated tokens of names that differ; *n of them, 0 for the empty text. */
bool model_tokens_parse(const char *text, struct model_token out[MODEL_TOKENS_MAX], size_t *n);
/* A whole number, an optional minus and digits only. */
bool model_integer_parse(const char *text, int64_t *out);
/* v as the nearest number with 15 significant digits, so that text and value convert both ways. */
double model_number_round(double v);
