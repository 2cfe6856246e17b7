/* diag: what a loader or validator has to say, as sentences with a place.
 * Owns      its texts. Lifetime: init to fini; zero-filled is a valid empty one.
 * Threads   one at a time.
 * Limits    DIAG_FINDINGS_MAX findings are kept, later ones only counted; an error takes the place of
 *           a warning.
 * Rule      a finding is one sentence: the field, the value, and what would be accepted. */
#pragma once

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

#define DIAG_FINDINGS_MAX 50

enum diag_level { DIAG_ERROR, DIAG_WARNING };

struct diag_finding {
    enum diag_level level;
    char *where; /* "zones/example.zone:12", "services[3].policy", or "" */
    char *text;
};

struct diag {
    struct diag_finding findings[DIAG_FINDINGS_MAX];
    size_t n;        /* kept */
    size_t errors;   /* all, kept or not */
    size_t warnings; /* all, kept or not */
};

/* Adds an error and returns e, so that a loader can say: return diag_error(d, ERR_SYNTAX, ...). */
enum err diag_error(struct diag *d, enum err e, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void diag_warning(struct diag *d, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* What was found apart (in another thread) goes behind what is there already; from is empty then. */
void diag_take(struct diag *d, struct diag *from);
/* The first error as "where: text" (or the first warning, or ""). Returns out. */
const char *diag_first(const struct diag *d, char *out, size_t cap);
void diag_fini(struct diag *d);
