#include "dns/name.h"

#include <string.h>

#define REPEAT8(b) (0x0101010101010101ull * (b))

/* Eight octets at once: an octet from 'A' to 'Z' gets bit 5. Length octets (0..63) are below 'A',
 * so that a whole name can be passed without looking at its labels. */
static uint64_t lower8(uint64_t x)
{
    uint64_t low7 = x & REPEAT8(0x7f);
    uint64_t above_z = low7 + REPEAT8(0x7f - 'Z');
    uint64_t from_a = low7 + REPEAT8(0x80 - 'A');
    uint64_t upper = ~x & (from_a ^ above_z) & REPEAT8(0x80);
    return x | upper >> 2;
}

static uint8_t lower1(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* The same for sixteen, in what every compiler for a machine with vectors makes a few of. */
typedef uint8_t octets16 __attribute__((vector_size(16)));

static void lower16(uint8_t *restrict out, const uint8_t *restrict wire)
{
    octets16 x;
    memcpy(&x, wire, sizeof x);
    octets16 upper = (octets16)((x - 'A') < (octets16){0} + 26);
    x |= upper & 0x20;
    memcpy(out, &x, sizeof x);
}

void dns_name_lower_copy(uint8_t *restrict out, const uint8_t *restrict wire, size_t len)
{
    if (len >= 16) { /* the last sixteen overlap what is done already */
        for (size_t i = 0; i + 16 < len; i += 16)
            lower16(out + i, wire + i);
        lower16(out + len - 16, wire + len - 16);
        return;
    }
    if (len < 8) {
        for (size_t i = 0; i < len; i++)
            out[i] = lower1(wire[i]);
        return;
    }
    uint64_t first, last;
    memcpy(&first, wire, 8);
    memcpy(&last, wire + len - 8, 8);
    first = lower8(first);
    last = lower8(last);
    memcpy(out, &first, 8);
    memcpy(out + len - 8, &last, 8);
}

void dns_name_lower(uint8_t *wire, size_t len)
{
    for (size_t i = 0; i < len; i++)
        wire[i] = lower1(wire[i]);
}

/* One octet of text at *p, escapes resolved; false for an escape that is none. */
static bool text_octet(const char **p, uint8_t *out)
{
    const unsigned char *s = (const unsigned char *)*p;
    if (*s != '\\') {
        *out = *s;
        *p += 1;
        return true;
    }
    if (s[1] < '0' || s[1] > '9') {
        *out = s[1];
        *p += 2;
        return s[1] != '\0';
    }
    unsigned v = 0;
    for (int i = 1; i <= 3; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (s[i] - '0');
    }
    *out = (uint8_t)v;
    *p += 4;
    return v <= 255;
}

bool dns_name_from_text(const char *text, struct dns_name *out)
{
    out->len = 0;
    size_t label = 0, at = 1; /* offset of the open label's length octet, of the next octet */
    const char *p = text;
    if (strcmp(p, ".") == 0)
        p++;
    else if (*p == '\0')
        return false;
    while (*p) {
        if (*p != '.') {
            uint8_t c;
            /* The root octet must still fit behind this one. */
            if (at >= DNS_NAME_MAX - 1 || at - label > 63 || !text_octet(&p, &c))
                return false;
            out->wire[at++] = lower1(c);
            continue;
        }
        if (at - label == 1)
            return false;
        out->wire[label] = (uint8_t)(at - label - 1);
        label = at++;
        p++;
    }
    if (at - label > 1) { /* no dot at the end */
        out->wire[label] = (uint8_t)(at - label - 1);
        label = at;
    }
    out->wire[label] = 0;
    out->len = (uint8_t)(label + 1);
    return true;
}

static char *octet_to_text(uint8_t c, char *out)
{
    if (c <= ' ' || c >= 0x7f) {
        *out++ = '\\';
        *out++ = (char)('0' + c / 100);
        *out++ = (char)('0' + c / 10 % 10);
        *out++ = (char)('0' + c % 10);
        return out;
    }
    if (strchr(".;\\\"@$()", c))
        *out++ = '\\';
    *out++ = (char)c;
    return out;
}

char *dns_name_to_text(const uint8_t *wire, char out[DNS_NAME_TEXT_MAX])
{
    char *p = out;
    while (*wire) {
        if (p != out)
            *p++ = '.';
        for (unsigned n = *wire++; n > 0; n--)
            p = octet_to_text(*wire++, p);
    }
    if (p == out)
        *p++ = '.';
    *p = '\0';
    return out;
}

size_t dns_name_length(const uint8_t *wire, size_t max)
{
    if (max > DNS_NAME_MAX)
        max = DNS_NAME_MAX;
    for (size_t at = 0; at < max; at += wire[at] + 1u) {
        if (wire[at] == 0)
            return at + 1;
        if (wire[at] > 63)
            return 0;
    }
    return 0;
}

unsigned dns_name_labels(const uint8_t *wire)
{
    unsigned n = 0;
    for (; *wire; wire += *wire + 1)
        n++;
    return n;
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
    return a->len == b->len && memcmp(a->wire, b->wire, a->len) == 0;
}

bool dns_name_within(const struct dns_name *child, const struct dns_name *parent)
{
    size_t at = 0;
    while (child->len - at > parent->len)
        at += child->wire[at] + 1u;
    return child->len - at == parent->len &&
           memcmp(child->wire + at, parent->wire, parent->len) == 0;
}

unsigned dns_name_label_offsets(const uint8_t *wire, uint8_t off[DNS_LABELS_MAX + 1])
{
    unsigned n = 0;
    size_t at = 0;
    for (; wire[at]; at += wire[at] + 1u)
        off[n++] = (uint8_t)at;
    off[n] = (uint8_t)at;
    return n;
}

int dns_name_compare(const uint8_t *a, const uint8_t *b)
{
    uint8_t a_off[DNS_LABELS_MAX + 1], b_off[DNS_LABELS_MAX + 1];
    unsigned i = dns_name_label_offsets(a, a_off), j = dns_name_label_offsets(b, b_off);
    while (i > 0 && j > 0) { /* from the root: the last label is the most significant */
        const uint8_t *x = a + a_off[--i], *y = b + b_off[--j];
        int c = memcmp(x + 1, y + 1, *x < *y ? *x : *y);
        if (c != 0)
            return c;
        if (*x != *y)
            return *x < *y ? -1 : 1;
    }
    return i > 0 ? 1 : j > 0 ? -1 : 0;
}

static uint64_t load8(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t r = (__uint128_t)a * b;
    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

/* Words of eight octets, each multiplied to twice its width and folded. The last word overlaps the
 * one before it, so that no octet is looked at alone. Values depend on the byte order of the
 * machine: they never leave the process. */
uint64_t dns_name_hash(const uint8_t *wire, size_t len)
{
    uint64_t h = 0x9e3779b97f4a7c15ull ^ len;
    if (len < 8) {
        uint64_t v = 0;
        for (size_t i = 0; i < len; i++)
            v = v << 8 | wire[i];
        return fold(h ^ v, 0xa0761d6478bd642full);
    }
    for (size_t i = 0; i + 8 < len; i += 8)
        h = fold(h ^ load8(wire + i), 0xd6e8feb86659fd93ull);
    return fold(h ^ load8(wire + len - 8), 0xa0761d6478bd642full);
}
