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

/* The octets are as long as the answer path relies on them to be. ldns checks the text form, but
 * not what came as \# octets (RFC 3597 §5). */
static bool rdata_is_sound(uint16_t type, const uint8_t *rdata, size_t len)
{
    size_t before = type == DNS_MX ? 2 : type == DNS_SRV ? 6 : 0, n;
    switch (type) {
    case DNS_A:
        return len == 4;
    case DNS_AAAA:
        return len == 16;
    case DNS_NS:
    case DNS_CNAME:
    case DNS_DNAME:
    case DNS_PTR:
    case DNS_MX:
    case DNS_SRV:
        return len > before && dns_name_length(rdata + before, len - before) == len - before;
    case DNS_SOA:
        n = dns_name_length(rdata, len);
        if (n == 0)
            return false;
        before = n;
        n = dns_name_length(rdata + before, len - before);
        return n > 0 && len - before - n == 20;
    default:
        return true;
    }
}

static void record_add(struct load *l, const struct place *at, uint32_t ttl, uint16_t type)
{
    if (l->n >= ZONE_RECORDS_MAX) {
        l->too_many = true;
        return;
    }
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 256;
        struct record *records = realloc(l->records, cap * sizeof *records);
        if (!records) {
            l->out_of_memory = true;
            return;
        }
        l->records = records;
        l->cap = cap;
    }
    size_t len = ldns_buffer_position(l->wire);
    struct record *r = &l->records[l->n++];
    *r = (struct record){
        .owner = l->n > 1 && r[-1].owner_len == l->owner.len &&
                         memcmp(r[-1].owner, l->owner.wire, l->owner.len) == 0
                     ? r[-1].owner
                     : arena_dup(l->scratch, l->owner.wire, l->owner.len),
        .owner_len = l->owner.len,
        .rdata = arena_dup(l->arena, ldns_buffer_begin(l->wire), len),
        .rdata_len = (uint16_t)len,
        .file = at->file,
        .line = at->line,
        .ttl = ttl,
        .type = type,
    };
    if (!r->owner || !r->rdata)
        l->out_of_memory = true;
}

/* What the RDATA of the usual types looks like, since ldns only says that it is wrong. */
static const struct {
    uint16_t type;
    const char *form;
} forms[] = {
    {DNS_A, "expected an IPv4 address"},
    {DNS_AAAA, "expected an IPv6 address"},
    {DNS_NS, "expected a host name"},
    {DNS_CNAME, "expected a name"},
    {DNS_DNAME, "expected a name"},
    {DNS_PTR, "expected a name"},
    {DNS_MX, "expected a preference and a host name"},
    {DNS_TXT, "expected strings of at most 255 octets, in quotes where they hold blanks"},
    {DNS_SRV, "expected priority, weight, port and host name"},
    {DNS_SOA, "expected primary, mailbox, serial, refresh, retry, expire and negative TTL"},
    {DNS_DS, "expected key tag, algorithm, digest type and digest"},
    {DNS_SVCB, "expected priority, target and key=value parameters"},
    {DNS_HTTPS, "expected priority, target and key=value parameters"},
    {DNS_CAA, "expected flags, tag and a value in quotes"},
};

static void rdata_refused(struct load *l, const struct place *at, const char *type,
                          const char *rdata, ldns_status status)
{
    char excerpt[72];
    const char *why = ldns_get_errorstr_by_id(status);
    ldns_rr_type number = ldns_get_rr_type_by_name(type);
    bool generic = strncmp(rdata, "\\#", 2) == 0;
    if (generic)
        why = "expected the number of octets behind \\#, then as many in hexadecimal, fit for the "
              "type";
    for (size_t i = 0; !generic && i < sizeof forms / sizeof forms[0]; i++)
        if (forms[i].type == number)
            why = forms[i].form;
    load__error(l, at, "\"%s\" is no %s record: %s", load__excerpt(rdata, excerpt), type, why);
}

/* Type and RDATA go through ldns; owner and TTL are ours already. */
static void rdata_read(struct load *l, const struct place *at, uint32_t ttl, const char *type,
                       const char *rdata)
{
    char *text = NULL;
    while (is_blank(*rdata))
        rdata++;
    if (asprintf(&text, ". %u IN %s %s", ttl, type, rdata) < 0) {
        l->out_of_memory = true;
        return;
    }
    ldns_rdf *origin = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, at->origin.len, at->origin.wire);
    ldns_rr *rr = NULL;
    ldns_status status =
        origin ? ldns_rr_new_frm_str(&rr, text, ttl, origin, NULL) : LDNS_STATUS_MEM_ERR;
    ldns_rdf_deep_free(origin);
    free(text);
    if (status == LDNS_STATUS_OK) {
        ldns_buffer_clear(l->wire);
        status = ldns_rr_rdata2buffer_wire(l->wire, rr);
    }
    uint16_t number = status == LDNS_STATUS_OK ? (uint16_t)ldns_rr_get_type(rr) : 0;
    if (status == LDNS_STATUS_MEM_ERR)
        l->out_of_memory = true;
    else if (status != LDNS_STATUS_OK)
        rdata_refused(l, at, type, rdata, status);
    else if (ldns_buffer_position(l->wire) > UINT16_MAX)
        load__error(l, at, "the %s record is longer than 65535 octets", type);
    else if (!rdata_is_sound(number, ldns_buffer_begin(l->wire), ldns_buffer_position(l->wire)))
        rdata_refused(l, at, type, rdata, LDNS_STATUS_SYNTAX_RDATA_ERR);
    else
        record_add(l, at, ttl, number);
    ldns_rr_free(rr);
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
        } else if (!has_class && strcasecmp(field, "IN") == 0) {
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
    if (number == 0) {
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
    rdata_read(l, at, ttl, type, text);
}
