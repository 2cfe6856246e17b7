/* admin/protocol: what both ends of the control socket agree on (docs/control.md).
 * Shape     one JSON object a line. A request names its "op"; every answer has "ok". A request with
 *           "octets" is followed by so many octets, taken as they are: a document.
 * Units     codes are the exit statuses of the command line (product.md).
 * Limits    ADMIN_LINE_MAX bytes a line, either way; ADMIN_TEXT_MAX of what follows it.
 * Threads   any; no state. */
#pragma once

#include "base/diag.h"
#include <jansson.h>
#include <stdint.h>

#define ADMIN_LINE_MAX (64u * 1024 * 1024)
#define ADMIN_TEXT_MAX (1024u * 1024 * 1024)        /* a million services are 400 MiB */
#define ADMIN_OVER_MS_MAX (366 * INT64_C(86400000)) /* of a drain */

enum admin_code {
    ADMIN_DONE = 0,
    ADMIN_REFUSED = 1,
    ADMIN_USAGE = 2,
    ADMIN_NOT_FOUND = 3,
    ADMIN_UNREACHABLE = 4,
    ADMIN_CONFLICT = 5
};

enum admin_code admin_code_of(enum err e);

/* A request line (without the newline) as an object with a text "op". On failure *out is NULL and
 * diag has the sentence. *op points into *out. */
enum err admin_request_parse(const char *line, size_t len, json_t **out, const char **op,
                             struct diag *diag) WARN_UNUSED;

/* One line, newline included; NULL when out of memory. Caller frees. */
char *admin_line(const json_t *message, size_t *len);

/* A new object {"ok":false,"code":…,"error":…,"findings":[…]}; takes findings, which may be NULL.
 */
json_t *admin_refusal(enum admin_code code, const char *error, json_t *findings);
/* The findings of one level, each "where: text", as a list (new reference). */
json_t *admin_findings(const struct diag *diag, enum diag_level level);
