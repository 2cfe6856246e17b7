#include "loader_priv.h"

#include "dns/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

char *load__field(char **text)
{
    char *p = *text;
    while (is_blank(*p))
        p++;
    if (*p == '\0')
        return NULL;
    char *start = p;
    if (*p == '"') {
        start = ++p;
        while (*p && *p != '"')
            p += *p == '\\' && p[1] ? 2 : 1;
    } else {
        while (*p && !is_blank(*p))
            p += *p == '\\' && p[1] ? 2 : 1;
    }
    if (*p)
        *p++ = '\0';
    *text = p;
    return start;
}

const char *load__excerpt(const char *text, char out[72])
{
    size_t n = 0;
    while (is_blank(*text))
        text++;
    for (; *text && n < 60; text++) {
        bool blank = is_blank(*text);
        if (blank && n > 0 && out[n - 1] == ' ')
            continue;
        out[n++] = blank ? ' ' : (unsigned char)*text < ' ' ? '?' : *text;
    }
    while (n > 0 && ((unsigned char)out[n - 1] & 0xc0) == 0x80 && *text) /* not half a letter */
        n--;
    strcpy(out + n, *text ? "..." : "");
    return out;
}

/* "3600", "1h30m", "2w": false for what does not look like one. */
bool load__ttl(const char *text, uint64_t *ttl_s)
{
    uint64_t total = 0;
    const char *p = text;
    while (*p) {
        uint64_t v = 0;
        if (*p < '0' || *p > '9')
            return false;
        for (; *p >= '0' && *p <= '9'; p++)
            v = v > UINT32_MAX ? v : v * 10 + (uint64_t)(*p - '0');
        uint64_t unit = 1;
        switch (*p) {
        case 'w':
        case 'W':
            unit = 7 * 86400;
            break;
        case 'd':
        case 'D':
            unit = 86400;
            break;
        case 'h':
        case 'H':
            unit = 3600;
            break;
        case 'm':
        case 'M':
            unit = 60;
            break;
        case 's':
        case 'S':
        case '\0':
            break;
        default:
            return false;
        }
        total += v * unit;
        total = total > UINT32_MAX ? (uint64_t)UINT32_MAX + 1 : total;
        p += *p != '\0';
    }
    *ttl_s = total;
    return p != text;
}

bool load__name(const char *text, const struct dns_name *origin, struct dns_name *out)
{
    if (strcmp(text, "@") == 0) {
        *out = *origin;
        return true;
    }
    if (!dns_name_from_text(text, out))
        return false;
    size_t len = strlen(text), slashes = 0;
    while (slashes + 1 < len && text[len - 2 - slashes] == '\\')
        slashes++;
    if (text[len - 1] == '.' && slashes % 2 == 0)
        return true; /* absolute */
    if (out->len - 1 + origin->len > DNS_NAME_MAX)
        return false;
    memcpy(out->wire + out->len - 1, origin->wire, origin->len);
    out->len = (uint8_t)(out->len - 1 + origin->len);
    return true;
}

/* TTL and class may come in either order, or not at all (RFC 1035 §5.1). false after a finding. */
static bool ttl_and_class(struct load *l, const struct place *at, char **rest, char **type,
                          uint32_t *ttl)
{
    bool has_ttl = false, has_class = false;
    uint64_t v = 0;
    char *field;
    while ((field = load__field(rest))) {
        if (!has_ttl && load__ttl(field, &v)) {
            has_ttl = true;
            if (v > DNS_TTL_MAX) {
                load__error(l, at, "the TTL %s is larger than 2147483647 seconds (RFC 2181 8)",
                            field);
                return false;
            }
        } else if (!has_class &&
                   (strcasecmp(field, "IN") == 0 || strcasecmp(field, "CLASS1") == 0)) {
            has_class = true;
        } else {
            break;
        }
    }
    if (!field) {
        load__error(l, at, "the record has no type: expected owner, TTL, class, type and data");
        return false;
    }
    *type = field;
    if (has_ttl) {
        l->ttl_last = *ttl = (uint32_t)v;
        l->has_ttl_last = true;
        return true;
    }
    *ttl = l->has_ttl_default ? l->ttl_default : l->ttl_last;
    if (!l->has_ttl_default && !l->has_ttl_last) /* RFC 2308 §4 */
        load__error(l, at, "the record has no TTL: write one, or \"$TTL 3600\" above it");
    return l->has_ttl_default || l->has_ttl_last;
}

static bool type_is_data(struct load *l, const struct place *at, const char *type)
{
    char excerpt[72];
    ldns_rr_type number = ldns_get_rr_type_by_name(type);
    if (strcasecmp(type, "CH") == 0 || strcasecmp(type, "HS") == 0 ||
        strncasecmp(type, "CLASS", 5) == 0) {
        load__error(l, at, "the class is %s: only IN is served", load__excerpt(type, excerpt));
        return false;
    }
    uint16_t checked; /* ldns takes TYPE65536 and TYPE1x */
    if (number == 0 || (strncasecmp(type, "TYPE", 4) == 0 && !dns_type_from_text(type, &checked))) {
        load__error(l, at,
                    "\"%s\" is no record type, TTL or class: unknown types are written TYPE65280",
                    load__excerpt(type, excerpt));
        return false;
    }
    /* RFC 6895 §3.1: question and meta types. */
    if (number == LDNS_RR_TYPE_OPT || (number >= 128 && number <= 255)) {
        load__error(l, at, "a zone cannot hold records of type %s", load__excerpt(type, excerpt));
        return false;
    }
    return true;
}

void load__record(struct load *l, const struct place *at, char *text)
{
    char excerpt[72], zone[DNS_NAME_TEXT_MAX];
    if (!is_blank(*text)) {
        char *owner = load__field(&text);
        if (!owner || !load__name(owner, &at->origin, &l->owner)) {
            l->owner.len = 0;
            load__error(l, at, "\"%s\" is no domain name",
                        load__excerpt(owner ? owner : "", excerpt));
            return;
        }
    } else if (l->owner.len == 0) {
        load__error(l, at, "the record has no owner, and none above has one to take over");
        return;
    }
    char *type;
    uint32_t ttl;
    if (!ttl_and_class(l, at, &text, &type, &ttl) || !type_is_data(l, at, type))
        return;
    if (!dns_name_within(&l->owner, l->zone)) {
        char owner[DNS_NAME_TEXT_MAX];
        load__error(l, at, "%s is outside the zone %s", dns_name_to_text(l->owner.wire, owner),
                    dns_name_to_text(l->zone->wire, zone));
        return;
    }
    load__rdata(l, at, ttl, type, text);
}
