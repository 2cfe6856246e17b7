/* cut: the document cut into its items, each parsed by itself.
 * Owns      nothing; cuts point into the text.
 * Errors    ERR_SYNTAX with line and column, after which nothing is read on. */
#pragma once

#include "base/diag.h"

#include <jansson.h>

#define CUT_KEYS_MAX 64
#define CUT_KEY_BYTES 80 /* longer keys are known to nobody and are cut in the message */

struct cut {
    const char *text;
    size_t len;
};

struct cutter {
    const char *start, *p, *end, *list_end;
    struct diag *diag;
    char key[CUT_KEYS_MAX][CUT_KEY_BYTES];
    struct cut value[CUT_KEYS_MAX];
    unsigned n;
    bool first;
    bool broken; /* not JSON: nothing is read on */
};

/* Finds the keys of the outermost object and the extent of their values. */
enum err cut__document(struct cutter *c, const char *text, size_t len,
                       struct diag *diag) WARN_UNUSED;
const struct cut *cut__find(const struct cutter *c, const char *key);
enum err cut__parse(struct cutter *c, struct cut cut, json_t **out) WARN_UNUSED;
/* The items of a list, whose cut starts with '['. */
void cut__list(struct cutter *c, struct cut list);
enum err cut__next(struct cutter *c, bool *more, struct cut *item) WARN_UNUSED;
enum err cut__syntax(struct cutter *c, const char *at, const char *what);
