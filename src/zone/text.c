/* RDATA as a zone file has it, for people; types without a shape here as RFC 3597 §5 has them. */
#include "zone/tree.h"

#include "base/addr.h"
#include "dns/name.h"
#include "dns/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* a, A an address; n a name; 1, 2, 4 a number of so many octets; g, q a text with its length before it,
 * bare or quoted; * the last again, to the end; r the rest, quoted. */
static const struct {
    uint16_t type;
    const char *fields;
} shapes[] = {{DNS_A, "a"},     {DNS_AAAA, "A"},  {DNS_NS, "n"},       {DNS_CNAME, "n"},
              {DNS_DNAME, "n"}, {DNS_PTR, "n"},   {DNS_MX, "2n"},      {DNS_SRV, "222n"},
              {DNS_TXT, "q*"},  {DNS_CAA, "1gr"}, {DNS_SOA, "nn44444"}};

struct rest {
    const uint8_t *at;
    size_t len;
    FILE *out;
};

static bool number(struct rest *r, size_t octets)
{
    uint32_t v = 0;
    if (r->len < octets)
        return false;
    for (size_t i = 0; i < octets; i++)
        v = v << 8 | r->at[i];
    fprintf(r->out, "%u", v);
    r->at += octets;
    r->len -= octets;
    return true;
}

static bool address(struct rest *r, uint8_t family)
{
    struct ip ip = {.family = family};
    char text[IP_TEXT_MAX];
    size_t octets = family == 4 ? 4 : 16;
    if (r->len < octets)
        return false;
    memcpy(ip.b, r->at, octets);
    fputs(ip_format(&ip, text), r->out);
    r->at += octets;
    r->len -= octets;
    return true;
}

static bool name(struct rest *r)
{
    char text[DNS_NAME_TEXT_MAX];
    size_t len = dns_name_length(r->at, r->len);
    if (len == 0)
        return false;
    fprintf(r->out, "%s%s", dns_name_to_text(r->at, text), len > 1 ? "." : "");
    r->at += len;
    r->len -= len;
    return true;
}

static bool text(struct rest *r, size_t len, bool quoted)
{
    if (r->len < len)
        return false;
    fputs(quoted ? "\"" : "", r->out);
    for (size_t i = 0; i < len; i++) {
        uint8_t c = r->at[i];
        if (c < ' ' || c > '~')
            fprintf(r->out, "\\%03u", c);
        else
            fprintf(r->out, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
    }
    fputs(quoted ? "\"" : "", r->out);
    r->at += len;
    r->len -= len;
    return true;
}

static bool counted(struct rest *r, bool quoted)
{
    if (r->len == 0)
        return false;
    size_t len = *r->at++;
    r->len--;
    return text(r, len, quoted);
}

static bool field(struct rest *r, char kind)
{
    switch (kind) {
    case 'a':
    case 'A':
        return address(r, kind == 'a' ? 4 : 6);
    case 'n':
        return name(r);
    case 'g':
    case 'q':
        return counted(r, kind == 'q');
    case 'r':
        return text(r, r->len, true);
    default:
        return number(r, (size_t)(kind - '0'));
    }
}

static bool shaped(struct rest *r, const char *fields)
{
    for (const char *f = fields; *f; f++) {
        bool again = *f == '*';
        while (!again || r->len > 0) {
            fputs(f > fields ? " " : "", r->out);
            if (!field(r, again ? f[-1] : *f))
                return false;
            if (!again)
                break;
        }
    }
    return r->len == 0;
}

static bool as_octets(struct rest *r)
{
    fprintf(r->out, "\\# %zu%s", r->len, r->len ? " " : "");
    for (; r->len > 0; r->len--)
        fprintf(r->out, "%02x", *r->at++);
    return true;
}

/* fields NULL: no shape. NULL: it is not of that shape. */
static char *written(const uint8_t *rdata, size_t len, const char *fields)
{
    char *out = NULL;
    size_t size = 0;
    struct rest r = {rdata, len, open_memstream(&out, &size)};
    if (!r.out)
        return NULL;
    bool good = fields ? shaped(&r, fields) : as_octets(&r);
    if (fclose(r.out) != 0 || !good) {
        free(out);
        out = NULL;
    }
    return out;
}

char *zone_rdata_text(uint16_t type, const uint8_t *rdata, uint16_t len)
{
    char *out = NULL;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (shapes[i].type == type)
            out = written(rdata, len, shapes[i].fields);
    return out ? out : written(rdata, len, NULL);
}
