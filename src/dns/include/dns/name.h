/* dns/name: domain names in wire form.
 * Shape     length-prefixed labels with the root's zero octet; any octet is legal in a label
 *           (RFC 2181 §11). "Lower" means ASCII letters lower-cased (RFC 4343).
 * Limits    255 octets, 63 a label, 127 labels (RFC 1035 §2.3.4).
 * Threads   any; no state. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_MAX 255
#define DNS_LABELS_MAX 127
#define DNS_NAME_TEXT_MAX 1024 /* every octet escaped as \DDD, dots, NUL */

struct dns_name {
    uint8_t len; /* with the root octet; 0 means unset */
    uint8_t wire[DNS_NAME_MAX];
};

/* Master-file text (RFC 1035 §5.1 escapes), absolute with or without the last dot; the result is
 * lower-cased. false: empty label, label or name too long, bad escape. */
bool dns_name_from_text(const char *text, struct dns_name *out);
/* Without the last dot, "." for the root. */
char *dns_name_to_text(const uint8_t *wire, char out[DNS_NAME_TEXT_MAX]);
void dns_name_lower(uint8_t *wire, size_t len);
void dns_name_lower_copy(uint8_t *restrict out, const uint8_t *restrict wire, size_t len);
/* Octets of an uncompressed name at wire, 0 if it does not end within max. */
size_t dns_name_length(const uint8_t *wire, size_t max);
unsigned dns_name_labels(const uint8_t *wire); /* without the root */
/* Where each label begins, [n] the root: n. */
unsigned dns_name_label_offsets(const uint8_t *wire, uint8_t off[DNS_LABELS_MAX + 1]);
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);
/* Is child equal to parent or below it? Both lower. */
bool dns_name_within(const struct dns_name *child, const struct dns_name *parent);
/* Canonical order, RFC 4034 §6.1, both lower: <0, 0, >0. */
int dns_name_compare(const uint8_t *a, const uint8_t *b);
/* For name tables; over lower-cased wire octets. */
uint64_t dns_name_hash(const uint8_t *wire, size_t len);
