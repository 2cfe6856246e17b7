/* model/policy: the policy language: steps separated by '|'.
 * Grammar   filters (fence), then groupings (geo, nearest [within=KM], latency [within=MS],
 *           failover), then at most one chooser (weighted, sticky, all), last; weighted if none is
 *           named. No step twice. Case-insensitive; canonical text is lower-case with " | " and
 *           the units written.
 * Errors    one sentence that points at the word: its number, the word, what would be accepted,
 *           and the nearest step name for a misspelt one.
 * Threads   any; no allocation. */
#pragma once

#include "base/diag.h"
#include <stddef.h>
#include <stdint.h>

#define POLICY_STEPS_MAX 8
#define POLICY_TEXT_MAX 160

enum policy_step_kind {
    STEP_FENCE,
    STEP_GEO,
    STEP_NEAREST,
    STEP_LATENCY,
    STEP_FAILOVER,
    STEP_WEIGHTED,
    STEP_STICKY,
    STEP_ALL
};

struct policy_step {
    enum policy_step_kind kind;
    double within; /* km or ms; 0: none */
};
struct policy { /* the chooser is always the last step */
    struct policy_step step[POLICY_STEPS_MAX];
    uint8_t n;
};

/* where is what the message starts with, "policy" or "services[2].policy". */
enum err policy_parse(const char *text, const char *where, struct policy *out,
                      struct diag *diag) WARN_UNUSED;
char *policy_format(const struct policy *p, char out[POLICY_TEXT_MAX]);
bool policy_has(const struct policy *p, enum policy_step_kind kind); /* NULL has none */
