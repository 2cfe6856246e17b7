#include "model/settings.h"

#include "base/addr.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/ip_set.h"
#include "model/model.h"
#include "model/nearest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORKERS_MAX 256
#define COUNT_MAX 1000000
#define TEXT_BYTES_MAX 255
#define LISTEN_BYTES_MAX 4095
_Static_assert(IP_SET_MAX == 4096 && MODEL_SETTING_BYTES_MAX == 65535,
               "as model_setting_accepted says");
#define UDP_SIZE_MIN 512  /* RFC 1035 §4.2.1 */
#define UDP_SIZE_MAX 1232 /* RFC 9715 */
#define SIZE_BYTES_MIN (16ll << 20)
#define SIZE_BYTES_MAX (1ll << 40)
#define DURATION_MS_MAX (int64_t)(30 * 86400000ll)

static const struct model_setting_info table[] = {
#define SETTING(key, fallback, kind, local, help) {key, fallback, SETTING_##kind, local, help},
#include "model/settings.def"
#undef SETTING
};

const struct model_setting_info *model_settings_table(size_t *n)
{
    *n = ARRAY_LEN(table);
    return table;
}

const struct model_setting_info *model_setting_info(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strcmp(table[i].key, key) == 0)
            return &table[i];
    return NULL;
}

const char *model_setting_accepted(enum model_setting_kind kind)
{
    switch (kind) {
    case SETTING_LISTEN:
        return "one or more ADDR:PORT, comma-separated, such as 192.0.2.53:53,[2001:db8::53]:53 or "
               "*:53";
    case SETTING_WORKERS:
        return "a whole number from 0 to 256";
    case SETTING_PATHS:
        return "paths, comma-separated";
    case SETTING_ADMIN:
        return "ADDR:PORT such as 127.0.0.1:9053, or off";
    case SETTING_PATH:
        return "a path";
    case SETTING_TEXT:
        return "a text of at most 255 octets";
    case SETTING_SHARE:
        return "a share: 0 to 1, or 0% to 100%";
    case SETTING_DURATION:
        return "a duration such as 500ms, 5s, 10m or 2h";
    case SETTING_AUTO_DURATION:
        return "auto, or a duration such as 30s";
    case SETTING_COUNT:
        return "a whole number from 1 to 1000000";
    case SETTING_COUNT_OR_NONE:
        return "a whole number from 0 to 1000000";
    case SETTING_FAILBACK:
        return "auto, hold, or after and a duration, such as \"after 10m\"";
    case SETTING_NETWORKS:
        return "networks, comma-separated, such as 192.0.2.0/24,2001:db8::/32, without bits past "
               "the prefix, at most 4096 of them in 65535 octets";
    case SETTING_SWITCH:
        return "on or off";
    case SETTING_LIMIT_MODE:
        return "on or dry-run";
    case SETTING_SECRETS:
        return "up to 3 secrets of 32 hexadecimal digits, comma-separated";
    case SETTING_TOKENS:
        return "up to 64 of NAME:HASH or NAME@REGION:HASH, comma-separated, each HASH 64 "
               "hexadecimal digits";
    case SETTING_PREFIX_V4:
        return "a prefix length from 1 to 32";
    case SETTING_PREFIX_V6:
        return "a prefix length from 1 to 128";
    case SETTING_UDP_SIZE:
        return "a whole number from 512 to 1232";
    case SETTING_SIZE:
        return "a size from 16M to 1T, such as 256M or 2G";
    }
    return "";
}

bool model_integer_parse(const char *text, int64_t *out)
{
    const char *digits = text + (*text == '-');
    if (!*digits || strspn(digits, "0123456789") != strlen(digits))
        return false;
    errno = 0;
    long long v = strtoll(text, NULL, 10);
    *out = v;
    return errno == 0;
}

bool model_size_parse(const char *text, int64_t *bytes)
{
    size_t digits = strspn(text, "0123456789");
    const char *unit = digits && digits < 10 ? strchr("MGT", text[digits]) : NULL;
    if (!unit || !*unit || text[digits + 1])
        return false;
    *bytes = strtoll(text, NULL, 10) << (*unit == 'M' ? 20 : *unit == 'G' ? 30 : 40);
    return *bytes >= SIZE_BYTES_MIN && *bytes <= SIZE_BYTES_MAX;
}

double model_number_round(double v)
{
    char text[40];
    snprintf(text, sizeof text, "%.15g", v);
    return strtod(text, NULL);
}

bool model_share_parse(const char *text, double *out)
{
    if (!((*text >= '0' && *text <= '9') || *text == '.') || strpbrk(text, "xXpP"))
        return false;
    char *end;
    double v = strtod(text, &end);
    if (end == text)
        return false;
    if (strcmp(end, "%") == 0)
        v /= 100;
    else if (*end)
        return false;
    *out = model_number_round(v);
    return *out >= 0 && *out <= 1;
}

bool model_failback_parse(const char *text, int *failback, int64_t *after_ms)
{
    *after_ms = 0;
    if (strcasecmp(text, "auto") == 0) {
        *failback = FAILBACK_AUTO;
        return true;
    }
    if (strcasecmp(text, "hold") == 0) {
        *failback = FAILBACK_HOLD;
        return true;
    }
    if (strncasecmp(text, "after", 5) != 0 || strspn(text + 5, " =:") == 0)
        return false;
    *failback = FAILBACK_AFTER;
    return duration_parse(text + 5 + strspn(text + 5, " =:"), after_ms) &&
           *after_ms <= DURATION_MS_MAX;
}

/* Each comma-separated piece must be an address with a port; *n counts them. */
static bool listen_valid(const char *value)
{
    size_t n = 0;
    if (strlen(value) > LISTEN_BYTES_MAX)
        return false;
    for (const char *p = value;;) {
        p += strspn(p, " ");
        size_t len = strcspn(p, ", ");
        char piece[HOSTPORT_TEXT_MAX];
        struct hostport hp;
        if (len == 0 || len >= sizeof piece)
            return false;
        snprintf(piece, sizeof piece, "%.*s", (int)len, p);
        if (!hostport_parse(piece, 53, &hp))
            return false;
        n++;
        p += len + strspn(p + len, " ");
        if (!*p)
            return n > 0;
        if (*p != ',')
            return false;
        p++;
    }
}

static bool integer_within(const char *value, int64_t min, int64_t max)
{
    int64_t v;
    return model_integer_parse(value, &v) && v >= min && v <= max;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool model_secrets_parse(const char *text, uint8_t out[MODEL_SECRETS_MAX][MODEL_SECRET_BYTES],
                         size_t *n)
{
    *n = 0;
    for (const char *p = text + strspn(text, " "); *p; p += strspn(p, " ")) {
        if (*n == MODEL_SECRETS_MAX || (*n > 0 && *p++ != ','))
            return false;
        p += strspn(p, " ");
        for (size_t i = 0; i < MODEL_SECRET_BYTES; i++, p += 2) {
            int high = hex_digit(p[0]), low = high < 0 ? -1 : hex_digit(p[1]);
            if (low < 0)
                return false;
            out[*n][i] = (uint8_t)(high << 4 | low);
        }
        (*n)++;
    }
    return true;
}

static bool networks_valid(const char *value)
{
    struct ip_set set;
    char bad[PREFIX_TEXT_MAX];
    return strlen(value) <= MODEL_SETTING_BYTES_MAX && ip_set_parse(value, NULL, &set, bad);
}

/* Of a list of networks the piece that is none; else the value. */
static const char *wrong_part(enum model_setting_kind kind, const char *value,
                              char bad[PREFIX_TEXT_MAX])
{
    struct ip_set set;
    if (kind != SETTING_NETWORKS || ip_set_parse(value, NULL, &set, bad))
        return value;
    return bad[0] ? bad : value;
}

static bool secrets_valid(const char *value)
{
    uint8_t secret[MODEL_SECRETS_MAX][MODEL_SECRET_BYTES];
    size_t n;
    return model_secrets_parse(value, secret, &n);
}

/* What stands before one of `ends`, if it fits and is made of `of` alone. */
static bool take(const char **at, const char *of, const char *ends, char *out, size_t cap)
{
    size_t n = strspn(*at, of);
    if (n == 0 || n >= cap || !strchr(ends, (*at)[n]))
        return false;
    memcpy(out, *at, n);
    out[n] = '\0';
    *at += n;
    return true;
}

static const char token_name[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

bool model_token_name_valid(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < sizeof((struct model_token *)NULL)->name &&
           strspn(name, token_name) == len;
}

bool model_tokens_parse(const char *text, struct model_token out[MODEL_TOKENS_MAX], size_t *n)
{
    const char *at = text;
    for (*n = 0; *at; (*n)++) {
        struct model_token *t = &out[*n];
        if (*n == MODEL_TOKENS_MAX || (*n && *at++ != ','))
            return false;
        memset(t, 0, sizeof *t);
        if (!take(&at, token_name, "@:", t->name, sizeof t->name))
            return false;
        if (*at == '@' && (at++, !take(&at, token_name, ":", t->region, sizeof t->region)))
            return false;
        if (at++, !take(&at, "0123456789abcdef", ",", t->hash, sizeof t->hash))
            return false;
        if (strlen(t->hash) != MODEL_TOKEN_HASH_MAX - 1)
            return false;
        for (size_t i = 0; i < *n; i++)
            if (strcmp(out[i].name, t->name) == 0)
                return false;
    }
    return true;
}

static bool tokens_valid(const char *value)
{
    struct model_token token[MODEL_TOKENS_MAX];
    size_t n;
    return model_tokens_parse(value, token, &n);
}

static bool printable(const char *value)
{
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

static bool value_valid(enum model_setting_kind kind, const char *value)
{
    struct hostport hp;
    double share;
    int64_t ms;
    int failback;
    switch (kind) {
    case SETTING_LISTEN:
        return listen_valid(value);
    case SETTING_WORKERS:
        return integer_within(value, 0, WORKERS_MAX);
    case SETTING_PATHS:
    case SETTING_PATH:
        return printable(value) && strlen(value) < 4096;
    case SETTING_ADMIN:
        return strcmp(value, "off") == 0 || (hostport_parse(value, 0, &hp) && hp.port);
    case SETTING_TEXT:
        return printable(value) && strlen(value) <= TEXT_BYTES_MAX;
    case SETTING_SHARE:
        return model_share_parse(value, &share);
    case SETTING_AUTO_DURATION:
        if (strcmp(value, "auto") == 0)
            return true;
        /* fall through */
    case SETTING_DURATION:
        return duration_parse(value, &ms) && ms <= DURATION_MS_MAX;
    case SETTING_COUNT:
        return integer_within(value, 1, COUNT_MAX);
    case SETTING_COUNT_OR_NONE:
        return integer_within(value, 0, COUNT_MAX);
    case SETTING_FAILBACK:
        return model_failback_parse(value, &failback, &ms);
    case SETTING_NETWORKS:
        return networks_valid(value);
    case SETTING_SWITCH:
        return strcmp(value, "on") == 0 || strcmp(value, "off") == 0;
    case SETTING_LIMIT_MODE:
        return strcmp(value, "on") == 0 || strcmp(value, "dry-run") == 0;
    case SETTING_SECRETS:
        return secrets_valid(value);
    case SETTING_TOKENS:
        return tokens_valid(value);
    case SETTING_PREFIX_V4:
        return integer_within(value, 1, 32);
    case SETTING_PREFIX_V6:
        return integer_within(value, 1, 128);
    case SETTING_UDP_SIZE:
        return integer_within(value, UDP_SIZE_MIN, UDP_SIZE_MAX);
    case SETTING_SIZE:
        return model_size_parse(value, &ms);
    }
    return false;
}

enum err model_setting_check(const char *key, const char *value, const char *where,
                             struct diag *diag)
{
    const struct model_setting_info *info = model_setting_info(key);
    if (!info) {
        struct nearest near;
        char hint[NEAREST_WORD_MAX + 40];
        nearest_start(&near, key);
        for (size_t i = 0; i < ARRAY_LEN(table); i++)
            nearest_offer(&near, table[i].key);
        return diag_error(diag, ERR_NOT_FOUND, where, "\"%.80s\" is not a setting%s", key,
                          nearest_hint(&near, hint, sizeof hint));
    }
    char bad[PREFIX_TEXT_MAX];
    if (!value_valid(info->kind, value))
        return diag_error(diag, ERR_INVALID, where, "%s \"%.200s\" is not accepted: give %s", key,
                          wrong_part(info->kind, value, bad), model_setting_accepted(info->kind));
    return ERR_OK;
}
