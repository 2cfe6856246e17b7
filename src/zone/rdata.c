/* Type and RDATA of one entry, from text to octets. ldns does the reading; here is what it lets pass. */
#include "loader_priv.h"

#include "dns/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The octets are as long as the answer path relies on them to be, and what a reader of the type
 * expects. ldns checks the text form, but not what came as \# octets (RFC 3597 §5). */
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
    case DNS_TXT:
        for (n = 0; n < len; n += rdata[n] + 1u)
            continue;
        return len > 0 && n == len;
    case DNS_CAA:
        return len > 2 && rdata[1] > 0 && 2u + rdata[1] <= len;
    case DNS_SVCB:
    case DNS_HTTPS:
        return load__svcb_wrong(rdata, len) == NULL;
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

static bool is_generic(const char *rdata)
{
    return rdata[0] == '\\' && rdata[1] == '#' && (rdata[2] == '\0' || is_blank(rdata[2]));
}

static void rdata_refused(struct load *l, const struct place *at, const char *type,
                          const char *rdata, const char *why)
{
    char excerpt[72];
    ldns_rr_type number = ldns_get_rr_type_by_name(type);
    bool generic = is_generic(rdata);
    if (generic)
        why = "expected the number of octets behind \\#, then as many in hexadecimal, fit for the "
              "type";
    for (size_t i = 0; !generic && !why && i < sizeof forms / sizeof forms[0]; i++)
        if (forms[i].type == number)
            why = forms[i].form;
    why = why ? why : "a field is missing, malformed or out of range";
    load__error(l, at, "\"%s\" is no %s record: %s", load__excerpt(rdata, excerpt), type, why);
}

/* A number of the text where the type has one of `max` at most; ldns would cut it to size. */
static bool number_fits(const char *text, uint64_t max)
{
    if (*text == '-' || *text == '+')
        return false;
    uint64_t v = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        v = v > max ? v : v * 10 + (uint64_t)(*text - '0');
    return *text != '\0' || v <= max; /* a mnemonic is for ldns to judge */
}

static bool hex_is_even(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += !is_blank(*text);
    return n % 2 == 0;
}

/* Field by field, as far as each is one word. text is a copy of the RDATA's. */
static bool fields_fit(uint16_t type, char *text)
{
    const ldns_rr_descriptor *d = ldns_rr_descript(type);
    for (size_t i = 0; i < ldns_rr_descriptor_maximum(d) && *text; i++) {
        uint64_t max = UINT64_MAX, period;
        ldns_rdf_type field = ldns_rr_descriptor_field_type(d, i);
        switch (field) {
        case LDNS_RDF_TYPE_INT8:
        case LDNS_RDF_TYPE_ALG:
        case LDNS_RDF_TYPE_CERTIFICATE_USAGE:
        case LDNS_RDF_TYPE_SELECTOR:
        case LDNS_RDF_TYPE_MATCHING_TYPE:
            max = UINT8_MAX;
            break;
        case LDNS_RDF_TYPE_INT16:
        case LDNS_RDF_TYPE_CERT_ALG:
            max = UINT16_MAX;
            break;
        case LDNS_RDF_TYPE_INT32:
        case LDNS_RDF_TYPE_PERIOD:
            max = UINT32_MAX;
            break;
        case LDNS_RDF_TYPE_HEX:
            return hex_is_even(text);
        case LDNS_RDF_TYPE_DNAME:
        case LDNS_RDF_TYPE_STR:
        case LDNS_RDF_TYPE_TAG:
            break;
        default: /* may be several words */
            return true;
        }
        const char *word = load__field(&text);
        if (!word)
            return true;
        if (field == LDNS_RDF_TYPE_PERIOD && (!load__ttl(word, &period) || period > max))
            return false;
        if (field != LDNS_RDF_TYPE_PERIOD && max != UINT64_MAX && !number_fits(word, max))
            return false;
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Are the octets of "\# LENGTH HEX" (RFC 3597 §5) just those that ldns made of it? */
static bool generic_is(const char *text, const uint8_t *octets, size_t len)
{
    char *hex;
    unsigned long length = strtoul(text + 2, &hex, 10);
    size_t n = 0;
    if (length != len)
        return false;
    for (const char *p = hex; *p; p++) {
        if (is_blank(*p))
            continue;
        int v = hex_digit(*p);
        if (v < 0 || n >= 2 * len || (n % 2 ? octets[n / 2] & 15 : octets[n / 2] >> 4) != v)
            return false;
        n++;
    }
    return n == 2 * len;
}

/* Through ldns into l->wire; false after a finding. */
static bool rdata_parse(struct load *l, const struct place *at, uint32_t ttl, const char *type,
                        const char *rdata)
{
    char *text = NULL;
    if (asprintf(&text, ". %u IN %s %s", ttl, type, rdata) < 0) {
        l->out_of_memory = true;
        return false;
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
    ldns_rr_free(rr);
    if (status == LDNS_STATUS_MEM_ERR)
        l->out_of_memory = true;
    else if (status != LDNS_STATUS_OK)
        rdata_refused(l, at, type, rdata, NULL);
    return status == LDNS_STATUS_OK;
}

/* The parameters behind priority and target are read here (RFC 9460 §2.1): ldns takes doubles,
 * ports above 65535 and a mandatory key that is missing, and does not know the escaped comma. */
static bool svcb_parse(struct load *l, const struct place *at, uint32_t ttl, const char *type,
                       const char *rdata, char *copy)
{
    char *rest = copy;
    load__field(&rest);
    load__field(&rest);
    size_t head = (size_t)(rest - copy);
    char *front = strdup(rdata);
    if (!front) {
        l->out_of_memory = true;
        return false;
    }
    front[head] = '\0';
    bool parsed = rdata_parse(l, at, ttl, type, front);
    free(front);
    if (!parsed)
        return false;
    const char *why = load__svcb_params(l, rdata + head);
    if (!why)
        why = load__svcb_wrong(ldns_buffer_begin(l->wire), ldns_buffer_position(l->wire));
    if (why)
        rdata_refused(l, at, type, rdata, why);
    return !why && !l->out_of_memory;
}

void load__rdata(struct load *l, const struct place *at, uint32_t ttl, const char *type,
                 const char *rdata)
{
    while (is_blank(*rdata))
        rdata++;
    uint16_t number = (uint16_t)ldns_get_rr_type_by_name(type);
    bool svcb = number == DNS_SVCB || number == DNS_HTTPS, generic = is_generic(rdata);
    char *copy = strdup(rdata);
    if (!copy) {
        l->out_of_memory = true;
        return;
    }
    bool fits = generic || fields_fit(number, copy);
    strcpy(copy, rdata);
    if (!fits)
        rdata_refused(l, at, type, rdata, NULL);
    else if (svcb && !generic ? svcb_parse(l, at, ttl, type, rdata, copy)
                              : rdata_parse(l, at, ttl, type, rdata)) {
        const uint8_t *wire = ldns_buffer_begin(l->wire);
        size_t len = ldns_buffer_position(l->wire);
        if (len > UINT16_MAX)
            load__error(l, at, "the %s record is longer than 65535 octets", type);
        else if (!rdata_is_sound(number, wire, len) || (generic && !generic_is(rdata, wire, len)))
            rdata_refused(l, at, type, rdata, NULL);
        else
            record_add(l, at, ttl, number);
    }
    free(copy);
}
