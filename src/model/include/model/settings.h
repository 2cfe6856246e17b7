/* model/settings: the table of settings and how their values are read.
 * Shape     rows of settings.def; a value is kept as the text that the user gave, checked.
 * Threads   any; no state.
 * Errors    one sentence with the value and what would be accepted.
 * Units     shares 0..1, durations in milliseconds. */
#pragma once

#include "base/diag.h"
#include <stddef.h>
#include <stdint.h>

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
    SETTING_FAILBACK       /* auto, hold, "after 10m" */
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
/* "auto", "hold", "after 10m" to enum model_failback and the wait; false otherwise. */
bool model_failback_parse(const char *text, int *failback, int64_t *after_ms);
/* A whole number, an optional minus and digits only. */
bool model_integer_parse(const char *text, int64_t *out);
/* v as the nearest number with 15 significant digits, so that text and value convert both ways. */
double model_number_round(double v);
