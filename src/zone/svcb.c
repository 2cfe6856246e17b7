/* Service bindings: parameters from text (RFC 9460 §2.1, appendix A), and what is wrong with a whole
 * record in wire form (§2.2, §7, §8). */
#include "loader_priv.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define PARAMS_MAX 256

enum svc_key { /* IANA dns-svcb */
               KEY_MANDATORY = 0,
               KEY_ALPN = 1,
               KEY_NO_DEFAULT_ALPN = 2,
               KEY_PORT = 3,
               KEY_IPV4HINT = 4,
               KEY_ECH = 5,
               KEY_IPV6HINT = 6,
               KEY_DOHPATH = 7, /* RFC 9461 */
               KEY_OHTTP = 8,   /* RFC 9540 */
               KEY_INVALID = 65535
};

static const char *const keys[] = {"mandatory", "alpn",     "no-default-alpn", "port", "ipv4hint",
                                   "ech",       "ipv6hint", "dohpath",         "ohttp"};
#define KEYS_N (sizeof keys / sizeof keys[0])

struct param {
    uint16_t key;
    const uint8_t *value;
    size_t len;
};

/* Room that is taken from the front; who asks for too much gets the mark. */
struct bytes {
    uint8_t *p;
    size_t len, cap;
    bool overflow;
};

static void put(struct bytes *b, const void *octets, size_t n)
{
    if (b->overflow || b->cap - b->len < n) {
        b->overflow = true;
        return;
    }
    memcpy(b->p + b->len, octets, n);
    b->len += n;
}

static void put16(struct bytes *b, size_t v)
{
    put(b, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

/* ------------------------------------------------------------------------------------- the text */

static bool key_of(const char *text, size_t len, uint16_t *key)
{
    for (size_t i = 0; i < KEYS_N; i++)
        if (strlen(keys[i]) == len && memcmp(keys[i], text, len) == 0) {
            *key = (uint16_t)i;
            return true;
        }
    if (len < 4 || len > 8 || memcmp(text, "key", 3) != 0 || (text[3] == '0' && len > 4))
        return false;
    unsigned v = 0;
    for (size_t i = 3; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (unsigned)(text[i] - '0');
    }
    *key = (uint16_t)v;
    return v < KEY_INVALID;
}

/* A character string up to its closing quote or a blank, its escapes resolved (RFC 1035 §5.1). */
static bool unescape(const char **text, struct bytes *out)
{
    const char *p = *text;
    bool quoted = *p == '"';
    p += quoted;
    while (*p && (quoted ? *p != '"' : *p != ' ' && *p != '\t')) {
        unsigned octet = (unsigned char)*p++;
        if (octet == '"')
            return false;
        if (octet == '\\') {
            if (*p >= '0' && *p <= '9') {
                if (!(p[1] >= '0' && p[1] <= '9' && p[2] >= '0' && p[2] <= '9'))
                    return false;
                octet = (unsigned)((p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0'));
                p += 3;
            } else if (*p) {
                octet = (unsigned char)*p++;
            }
        }
        if (octet > 255)
            return false;
        put(out, &(uint8_t){(uint8_t)octet}, 1);
    }
    if (quoted && *p++ != '"')
        return false;
    *text = p;
    return *p == '\0' || *p == ' ' || *p == '\t';
}

/* The next item of a comma-separated list, "\," and "\\\\" resolved (appendix A.1). */
static bool next_item(const uint8_t **at, const uint8_t *end, uint8_t *item, size_t cap,
                      size_t *len)
{
    const uint8_t *p = *at;
    *len = 0;
    for (; p < end && *p != ','; p++) {
        if (*p == '\\' && (++p == end || (*p != ',' && *p != '\\')))
            return false;
        if (*len == cap)
            return false;
        item[(*len)++] = *p;
    }
    *at = p < end ? p + 1 : NULL;
    return *len > 0;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, 2);
}

static bool put_item(uint16_t key, const uint8_t *item, size_t len, struct bytes *out)
{
    char text[256];
    uint8_t octets[16];
    uint16_t number;
    memcpy(text, item, len);
    text[len] = '\0';
    switch (key) {
    case KEY_ALPN:
        put(out, &(uint8_t){(uint8_t)len}, 1);
        put(out, item, len);
        return true;
    case KEY_MANDATORY:
        if (!key_of(text, len, &number))
            return false;
        put16(out, number);
        return true;
    case KEY_IPV4HINT:
    case KEY_IPV6HINT:
        if (strlen(text) != len ||
            inet_pton(key == KEY_IPV4HINT ? AF_INET : AF_INET6, text, octets) != 1)
            return false;
        put(out, octets, key == KEY_IPV4HINT ? 4 : 16);
        return true;
    default:
        return false;
    }
}

static bool put_list(uint16_t key, const uint8_t *value, size_t len, struct bytes *out)
{
    size_t start = out->len, n;
    uint8_t item[255];
    for (const uint8_t *at = value; at;)
        if (!next_item(&at, value + len, item, sizeof item, &n) || !put_item(key, item, n, out))
            return false;
    if (key == KEY_MANDATORY && !out->overflow)
        qsort(out->p + start, (out->len - start) / 2, 2, compare_keys);
    return true;
}

static bool put_port(const uint8_t *value, size_t len, struct bytes *out)
{
    unsigned v = 0;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9')
            return false;
        v = v * 10 + (unsigned)(value[i] - '0');
        if (v > UINT16_MAX)
            return false;
    }
    put16(out, v);
    return len > 0;
}

/* value has room for one octet more. */
static bool put_base64(uint8_t *value, size_t len, struct bytes *out)
{
    ldns_rdf *rdf = NULL;
    value[len] = '\0';
    if (len == 0 || memchr(value, 0, len) ||
        ldns_str2rdf_b64(&rdf, (const char *)value) != LDNS_STATUS_OK)
        return false;
    put(out, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
    ldns_rdf_deep_free(rdf);
    return true;
}

/* One value as the key wants it. */
static bool put_value(uint16_t key, bool named, uint8_t *value, size_t len, struct bytes *out)
{
    if (named)
        switch (key) {
        case KEY_MANDATORY:
        case KEY_ALPN:
        case KEY_IPV4HINT:
        case KEY_IPV6HINT:
            return put_list(key, value, len, out);
        case KEY_PORT:
            return put_port(value, len, out);
        case KEY_ECH:
            return put_base64(value, len, out);
        }
    put(out, value, len);
    return true;
}

static int compare_params(const void *a, const void *b)
{
    return (int)((const struct param *)a)->key - (int)((const struct param *)b)->key;
}

/* Reads them all into out; value is scratch. */
static const char *read_params(const char *text, struct bytes *value, struct bytes *out,
                               struct param *params, size_t *n)
{
    for (*n = 0;; ++*n) {
        text += strspn(text, " \t");
        if (*text == '\0')
            return NULL;
        if (*n == PARAMS_MAX)
            return "it has more parameters than anybody needs";
        size_t len = strcspn(text, "= \t");
        struct param *p = &params[*n];
        if (!key_of(text, len, &p->key))
            return "expected keys that are known, or written as key65280";
        bool named = strncmp(text, "key", 3) != 0;
        text += len;
        value->len = 0;
        if (*text == '=' && (text++, !unescape(&text, value)))
            return "expected each value in quotes or without blanks, its escapes as \\065 or \\,";
        size_t start = out->len;
        if (!put_value(p->key, named, value->p, value->len, out))
            return "a value does not fit its key: alpn=h2,h3 port=443 ipv4hint=192.0.2.1 "
                   "ipv6hint=2001:db8::1 ech=BASE64 mandatory=alpn,port";
        p->value = out->p + start;
        p->len = out->len - start;
    }
}

const char *load__svcb_params(struct load *l, const char *text)
{
    size_t room = strlen(text) + 1;
    struct bytes value = {.p = malloc(room), .cap = room - 1};
    struct bytes out = {.p = malloc(8 * room), .cap = 8 * room};
    struct param params[PARAMS_MAX];
    const char *why = NULL;
    size_t n = 0;
    if (!value.p || !out.p)
        l->out_of_memory = true;
    else
        why = read_params(text, &value, &out, params, &n);
    if (value.p && out.p && !why) {
        qsort(params, n, sizeof params[0], compare_params);
        for (size_t i = 0; i < n && !why; i++) {
            if (params[i].len > UINT16_MAX || !ldns_buffer_available(l->wire, params[i].len + 4)) {
                why = "it is longer than 65535 octets";
                break;
            }
            ldns_buffer_write_u16(l->wire, params[i].key);
            ldns_buffer_write_u16(l->wire, (uint16_t)params[i].len);
            ldns_buffer_write(l->wire, params[i].value, params[i].len);
        }
    }
    free(value.p);
    free(out.p);
    return why;
}

/* ----------------------------------------------------------------------------------- the octets */

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static bool alpn_is_sound(const uint8_t *p, size_t len)
{
    size_t at = 0;
    while (at < len && p[at] > 0)
        at += p[at] + 1u;
    return len > 0 && at == len;
}

/* Keys that rise, exist, and are not "mandatory" itself (§8). */
static bool mandatory_is_sound(const struct param *params, size_t n)
{
    const struct param *m = &params[0];
    if (m->len == 0 || m->len % 2)
        return false;
    size_t found = 0;
    for (size_t i = 0; i < m->len; i += 2) {
        if (i > 0 && get16(m->value + i) <= get16(m->value + i - 2))
            return false;
        for (size_t k = 1; k < n; k++)
            found += params[k].key == get16(m->value + i);
    }
    return found == m->len / 2;
}

static bool value_is_sound(const struct param *p)
{
    switch (p->key) {
    case KEY_ALPN:
        return alpn_is_sound(p->value, p->len);
    case KEY_NO_DEFAULT_ALPN:
    case KEY_OHTTP:
        return p->len == 0;
    case KEY_PORT:
        return p->len == 2;
    case KEY_IPV4HINT:
        return p->len > 0 && p->len % 4 == 0;
    case KEY_IPV6HINT:
        return p->len > 0 && p->len % 16 == 0;
    case KEY_ECH:
        return p->len > 0;
    default:
        return p->key != KEY_INVALID;
    }
}

const char *load__svcb_wrong(const uint8_t *rdata, size_t len)
{
    struct param params[PARAMS_MAX];
    size_t n = 0, name = len > 2 ? dns_name_length(rdata + 2, len - 2) : 0;
    bool alpn = false, no_default = false;
    if (name == 0)
        return "expected a priority and a target name";
    for (size_t at = 2 + name; at < len; n++) {
        if (n == PARAMS_MAX || len - at < 4 || len - at - 4 < get16(rdata + at + 2))
            return "its parameters are cut short";
        struct param *p = &params[n];
        *p = (struct param){(uint16_t)get16(rdata + at), rdata + at + 4, get16(rdata + at + 2)};
        at += 4 + p->len;
        if (n > 0 && p->key <= params[n - 1].key)
            return "a parameter is there twice, or out of order";
        if (!value_is_sound(p))
            return "a parameter's value is malformed";
        alpn |= p->key == KEY_ALPN;
        no_default |= p->key == KEY_NO_DEFAULT_ALPN;
    }
    if (n > 0 && params[0].key == KEY_MANDATORY && !mandatory_is_sound(params, n))
        return "mandatory names a parameter that is not there";
    if (no_default && !alpn)
        return "no-default-alpn needs an alpn beside it";
    return NULL;
}
