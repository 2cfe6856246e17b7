/* model/nearest: which known name did the person probably mean?
 * Use       nearest_start, offer each known name, nearest_best: NULL if none is near enough.
 * Threads   any; no allocation; offered names are borrowed.
 * Limits    words longer than NEAREST_WORD_MAX have no suggestion. */
#pragma once

#include <stddef.h>

#define NEAREST_WORD_MAX 128

struct nearest {
    const char *word, *best;
    size_t len;
    unsigned distance; /* of best; above the limit while there is none */
};

void nearest_start(struct nearest *n, const char *word);
void nearest_offer(struct nearest *n, const char *name);
const char *nearest_best(const struct nearest *n);
/* "; did you mean \"eu-west\"?" or "". Returns out. */
char *nearest_hint(const struct nearest *n, char *out, size_t cap);
