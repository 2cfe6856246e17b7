#include "dns/types.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    uint16_t type;
} types[] = {
#define TYPE(name, number) {#name, number},
#include "types.def"
#undef TYPE
};
#define TYPES_N (sizeof types / sizeof types[0])

bool dns_type_from_text(const char *text, uint16_t *type)
{
    for (size_t i = 0; i < TYPES_N; i++) {
        if (strcasecmp(text, types[i].name) == 0) {
            *type = types[i].type;
            return true;
        }
    }
    if (strncasecmp(text, "TYPE", 4) != 0 || text[4] == '\0')
        return false;
    unsigned v = 0;
    for (const char *p = text + 4; *p; p++) {
        if (*p < '0' || *p > '9')
            return false;
        v = v * 10 + (unsigned)(*p - '0');
        if (v > 0xffff)
            return false;
    }
    *type = (uint16_t)v;
    return true;
}

const char *dns_type_text(uint16_t type, char buf[16])
{
    for (size_t i = 0; i < TYPES_N; i++)
        if (types[i].type == type)
            return types[i].name;
    char digits[5], *p = buf;
    unsigned n = 0, v = type;
    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    memcpy(p, "TYPE", 4);
    p += 4;
    while (n > 0)
        *p++ = digits[--n];
    *p = '\0';
    return buf;
}

const char *dns_rcode_text(unsigned rcode)
{
    static const char *const names[] = {
        "NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",  "REFUSED",
        "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE",
    };
    if (rcode < sizeof names / sizeof names[0])
        return names[rcode];
    return rcode == DNS_BADVERS ? "BADVERS" : rcode == DNS_BADCOOKIE ? "BADCOOKIE" : "RCODE";
}
