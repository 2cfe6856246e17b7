#include "base/addr.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Four numbers to 255 without leading zeros; nothing behind them. */
static bool parse_v4(const char *p, uint8_t out[4])
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned v = 0, digits = 0;
        for (; *p >= '0' && *p <= '9' && digits < 4; p++, digits++)
            v = v * 10 + (unsigned)(*p - '0');
        if (digits == 0 || v > 255 || (digits > 1 && p[-(int)digits] == '0') ||
            *p != (i < 3 ? '.' : '\0'))
            return false;
        out[i] = (uint8_t)v;
        p++;
    }
    return true;
}

/* One more than a hex digit is worth; 0: none. */
static const uint8_t hex_digit[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};

/* RFC 4291 §2.2: eight groups of up to four hex digits, "::" once for one or more that are zero, the
 * last two perhaps as an IPv4 address. */
static bool parse_v6(const char *p, uint8_t out[16])
{
    uint8_t b[16];
    unsigned n = 0, gap = 16; /* octets so far; of them before the "::" */
    bool open = false;        /* a group has to follow */
    if (*p == ':' && *++p != ':')
        return false;
    while (*p) {
        if (*p == ':') { /* the second of two */
            if (gap != 16 || n == 16)
                return false;
            gap = n;
            open = false;
            p++;
            continue;
        }
        const char *group = p;
        unsigned v = 0;
        for (unsigned d; (d = hex_digit[(uint8_t)*p]) > 0 && p - group < 5; p++)
            v = v << 4 | (d - 1);
        if (*p == '.') {
            if (n > 12 || !parse_v4(group, b + n))
                return false;
            n += 4;
            open = false;
            break;
        }
        if (p == group || p - group > 4 || n > 14 || (*p && *p != ':'))
            return false;
        b[n++] = (uint8_t)(v >> 8);
        b[n++] = (uint8_t)v;
        open = *p == ':';
        p += open;
    }
    if (open || (gap == 16) != (n == 16))
        return false;
    memset(out, 0, 16);
    memcpy(out, b, gap < n ? gap : n);
    if (gap < n)
        memcpy(out + 16 - (n - gap), b + gap, n - gap);
    return true;
}

bool ip_parse(const char *text, struct ip *out)
{
    memset(out, 0, sizeof *out);
    out->family = parse_v4(text, out->b) ? 4 : parse_v6(text, out->b) ? 6 : 0;
    if (!out->family)
        memset(out, 0, sizeof *out);
    return out->family != 0;
}

char *ip_format(const struct ip *ip, char out[IP_TEXT_MAX])
{
    if (ip->family == 0 ||
        !inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->b, out, IP_TEXT_MAX))
        strcpy(out, "-");
    return out;
}

int ip_compare(const struct ip *a, const struct ip *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return memcmp(a->b, b->b, 16);
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
    return ip_compare(a, b) == 0;
}

/* The upper len bits of a word that lies in network order. */
static uint64_t upper_bits_be(unsigned len)
{
    uint64_t mask = len == 0 ? 0 : len >= 64 ? UINT64_MAX : ~(UINT64_MAX >> len);
    return htobe64(mask);
}

void ip_mask(struct ip *ip, unsigned len)
{
    uint64_t half[2];
    memcpy(half, ip->b, sizeof half);
    half[0] &= upper_bits_be(len);
    half[1] &= upper_bits_be(len > 64 ? len - 64 : 0);
    memcpy(ip->b, half, sizeof half);
}

static bool parse_number(const char *text, unsigned max, unsigned *out)
{
    if (!*text || strlen(text) > 5)
        return false;
    unsigned v = 0;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9')
            return false;
        v = v * 10 + (unsigned)(*p - '0');
    }
    *out = v;
    return v <= max;
}

bool ip_prefix_parse(const char *text, struct ip_prefix *out)
{
    char buf[PREFIX_TEXT_MAX];
    memset(out, 0, sizeof *out);
    if (strlen(text) >= sizeof buf)
        return false;
    strcpy(buf, text);
    char *slash = strchr(buf, '/');
    if (slash)
        *slash = '\0';
    if (!ip_parse(buf, &out->ip))
        return false;
    unsigned len = ip_bits(&out->ip);
    if (slash && !parse_number(slash + 1, len, &len))
        return false;
    out->len = (uint8_t)len;
    struct ip masked = out->ip;
    ip_mask(&masked, len);
    return ip_equal(&masked, &out->ip);
}

char *ip_prefix_format(const struct ip_prefix *p, char out[PREFIX_TEXT_MAX])
{
    char ip[IP_TEXT_MAX];
    snprintf(out, PREFIX_TEXT_MAX, "%s/%u", ip_format(&p->ip, ip), p->len);
    return out;
}

bool ip_prefix_contains(const struct ip_prefix *p, const struct ip *ip)
{
    if (p->ip.family != ip->family)
        return false;
    struct ip masked = *ip;
    ip_mask(&masked, p->len);
    return ip_equal(&masked, &p->ip);
}

bool hostport_parse(const char *text, uint16_t default_port, struct hostport *out)
{
    char buf[80];
    memset(out, 0, sizeof *out);
    if (strlen(text) >= sizeof buf)
        return false;
    strcpy(buf, text);
    char *host = buf, *port = NULL;
    if (buf[0] == '[') {
        char *end = strchr(buf, ']');
        if (!end)
            return false;
        *end = '\0';
        host = buf + 1;
        if (end[1] == ':')
            port = end + 2;
        else if (end[1])
            return false;
    } else {
        char *colon = strchr(buf, ':');
        if (colon && !strchr(colon + 1, ':')) {
            *colon = '\0';
            port = colon + 1;
        }
    }
    unsigned number = default_port;
    if (port && (!parse_number(port, 65535, &number) || number == 0))
        return false;
    out->port = (uint16_t)number;
    if (*host == '\0' || strcmp(host, "*") == 0)
        return port != NULL;
    return ip_parse(host, &out->ip);
}

char *hostport_format(const struct hostport *hp, char out[HOSTPORT_TEXT_MAX])
{
    char ip[IP_TEXT_MAX] = "*";
    if (hp->ip.family)
        ip_format(&hp->ip, ip);
    snprintf(out, HOSTPORT_TEXT_MAX, hp->ip.family == 6 ? "[%s]:%u" : "%s:%u", ip, hp->port);
    return out;
}

void ip_from_sockaddr(const struct sockaddr *sa, struct ip *out)
{
    memset(out, 0, sizeof *out);
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;
        out->family = 4;
        memcpy(out->b, &in->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)sa;
        out->family = 6;
        memcpy(out->b, &in6->sin6_addr, 16);
    }
}

uint16_t port_from_sockaddr(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)sa)->sin_port);
    if (sa->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)sa)->sin6_port);
    return 0;
}

socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (ip->family == 6) {
        struct sockaddr_in6 *in6 = (void *)out;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        memcpy(&in6->sin6_addr, ip->b, 16);
        return sizeof *in6;
    }
    struct sockaddr_in *in = (void *)out;
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    memcpy(&in->sin_addr, ip->b, 4);
    return sizeof *in;
}
