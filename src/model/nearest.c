#include "model/nearest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* A third of the letters may be wrong, at least one: "eu-wst", "latensy", "capcity". */
static unsigned limit(size_t len)
{
    return len < 6 ? 1 + (len > 3) : (unsigned)(len / 3);
}

void nearest_start(struct nearest *n, const char *word)
{
    *n = (struct nearest){.word = word, .len = strlen(word)};
    n->distance = limit(n->len) + 1;
}

/* Edits between the words: insert, delete, replace, swap of neighbours (optimal string alignment).
 * Three rows suffice, since a swap looks two rows back. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    uint8_t rows[3][NEAREST_WORD_MAX + 1];
    uint8_t *before = rows[0], *above = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        above[j] = (uint8_t)j;
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = (uint8_t)i;
        for (size_t j = 1; j <= b_len; j++) {
            char x = lower(a[i - 1]), y = lower(b[j - 1]);
            uint8_t best = (uint8_t)(above[j - 1] + (x != y));
            if (above[j] + 1 < best)
                best = (uint8_t)(above[j] + 1);
            if (now[j - 1] + 1 < best)
                best = (uint8_t)(now[j - 1] + 1);
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]) &&
                before[j - 2] + 1 < best)
                best = (uint8_t)(before[j - 2] + 1);
            now[j] = best;
        }
        uint8_t *spare = before;
        before = above;
        above = now;
        now = spare;
    }
    return above[b_len];
}

void nearest_offer(struct nearest *n, const char *name)
{
    size_t len = strlen(name), gap = len > n->len ? len - n->len : n->len - len;
    if (n->len > NEAREST_WORD_MAX || len > NEAREST_WORD_MAX || gap >= n->distance || !n->len)
        return;
    unsigned d = distance(n->word, n->len, name, len);
    if (d < n->distance && d < (len > n->len ? len : n->len)) {
        n->distance = d;
        n->best = name;
    }
}

const char *nearest_best(const struct nearest *n)
{
    return n->best;
}

char *nearest_hint(const struct nearest *n, char *out, size_t cap)
{
    out[0] = '\0';
    if (n->best)
        snprintf(out, cap, "; did you mean \"%s\"?", n->best);
    return out;
}
