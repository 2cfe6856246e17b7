#include "loader_priv.h"

#include "dns/types.h"

#include <stdlib.h>
#include <string.h>

/* Where the name begins that ends the RDATA of these types; others hold octets only. Names are equal
 * in any case (RFC 4343 §2), so that the records are too. */
static size_t name_at(uint16_t type, size_t len)
{
    switch (type) {
    case DNS_NS:
    case DNS_CNAME:
    case DNS_DNAME:
    case DNS_PTR:
        return 0;
    case DNS_MX:
        return 2;
    case DNS_SRV:
        return 6;
    default:
        return len;
    }
}

static uint8_t lower(uint8_t octet)
{
    return octet >= 'A' && octet <= 'Z' ? octet | 0x20 : octet;
}

/* The canonical order (RFC 4034 §6.3). Length octets are below the letters. */
static int rdata_compare(const struct record *a, const struct record *b)
{
    size_t n = a->rdata_len < b->rdata_len ? a->rdata_len : b->rdata_len;
    size_t name = name_at(a->type, n);
    int c = memcmp(a->rdata, b->rdata, name < n ? name : n);
    for (size_t i = name; c == 0 && i < n; i++)
        c = lower(a->rdata[i]) - lower(b->rdata[i]);
    return c != 0 ? c : (a->rdata_len > b->rdata_len) - (a->rdata_len < b->rdata_len);
}

/* Canonical order of names (RFC 4034 §6.1), then by type, then by RDATA: duplicates lie side by
 * side, and what is below a name follows it at once. */
static int record_compare(const void *x, const void *y)
{
    const struct record *a = x, *b = y;
    if (a->owner != b->owner) {
        int c = dns_name_compare(a->owner, b->owner);
        if (c != 0)
            return c;
    }
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    int c = rdata_compare(a, b);
    if (c != 0)
        return c;
    return a->line < b->line ? -1 : a->line > b->line;
}

static bool owner_equal(const struct record *a, const struct record *b)
{
    return a->owner_len == b->owner_len && memcmp(a->owner, b->owner, a->owner_len) == 0;
}

static struct place place_of(const struct record *r)
{
    return (struct place){.file = r->file, .line = r->line};
}

static void check_ttls(struct load *l, const struct record *first, size_t n, uint32_t ttl)
{
    char name[DNS_NAME_TEXT_MAX], type[16];
    if (first->type == DNS_RRSIG) /* each has that of what it covers, RFC 4034 §3 */
        return;
    for (size_t i = 0; i < n; i++) {
        if (first[i].ttl == ttl)
            continue;
        struct place at = place_of(&first[i]);
        load__warning(l, &at, "%s %s has different TTLs, %u and %u: the smaller is used",
                      dns_name_to_text(first->owner, name), dns_type_text(first->type, type), ttl,
                      first[i].ttl);
        return;
    }
}

/* One RRset of the n records from first. */
static void rrset_make(struct load *l, const struct record *first, size_t n, struct zone_rrset *set)
{
    struct zone_rr *rr = ARENA_ARRAY(l->arena, struct zone_rr, n);
    const struct record *top = first;
    uint32_t ttl = first->ttl;
    size_t kept = 0;
    for (size_t i = 0; rr && i < n; i++) {
        ttl = first[i].ttl < ttl ? first[i].ttl : ttl;
        top = first[i].line < top->line ? &first[i] : top;
        if (i == 0 || rdata_compare(&first[i], &first[i - 1]) != 0)
            rr[kept++] = (struct zone_rr){first[i].rdata_len, first[i].rdata};
    }
    check_ttls(l, first, n, ttl);
    set->owner.len = first->owner_len;
    memcpy(set->owner.wire, first->owner, first->owner_len);
    set->type = first->type;
    set->ttl = ttl;
    set->rr = rr;
    set->file = top->file;
    set->line = top->line;
    set->n = (uint16_t)kept;
    struct place at = place_of(top);
    if (kept > UINT16_MAX)
        load__error(l, &at, "more than 65535 records of one name and type");
    else if (kept > 1 &&
             (set->type == DNS_SOA || set->type == DNS_CNAME || set->type == DNS_DNAME)) {
        char name[DNS_NAME_TEXT_MAX], type[16];
        at = place_of(&first[n - 1]);
        load__error(l, &at, "%s has more than one %s record", dns_name_to_text(first->owner, name),
                    dns_type_text(set->type, type));
    }
}

static void rrset_error(struct load *l, const struct zone_rrset *set, const char *what)
{
    char name[DNS_NAME_TEXT_MAX], type[16];
    struct place at = {.file = set->file, .line = set->line};
    load__error(l, &at, "%s %s %s", dns_name_to_text(set->owner.wire, name),
                dns_type_text(set->type, type), what);
}

/* The RRsets of one name. */
static void check_name(struct load *l, const struct zone_rrset *set, size_t n)
{
    bool alias = false;
    for (size_t i = 0; i < n; i++) {
        alias |= set[i].type == DNS_CNAME;
        if (set[i].type == DNS_SOA && !dns_name_equal(&set[i].owner, l->zone))
            rrset_error(l, &set[i], "is not at the top of the zone, the only place for it");
    }
    for (size_t i = 0; alias && i < n; i++) {
        /* RFC 2181 §10.1; signatures are the exception, RFC 4035 §2.5. */
        if (set[i].type != DNS_CNAME && set[i].type != DNS_RRSIG && set[i].type != DNS_NSEC)
            rrset_error(l, &set[i], "stands beside a CNAME, which must be alone at its name");
    }
}

static void check_names(struct load *l, const struct zone_records *records)
{
    const struct zone_rrset *dname = NULL;
    for (size_t i = 0, next; i < records->n; i = next) {
        const struct zone_rrset *set = &records->rrset[i];
        for (next = i;
             next < records->n && dns_name_equal(&records->rrset[next].owner, &set->owner);)
            next++;
        check_name(l, set, next - i);
        if (dname && dns_name_within(&set->owner, &dname->owner))
            rrset_error(l, set, "lies below a DNAME, which hides it"); /* RFC 6672 §2.4 */
        else
            dname = NULL;
        for (size_t k = i; k < next && !dname; k++)
            if (records->rrset[k].type == DNS_DNAME)
                dname = &records->rrset[k];
    }
}

struct zone_records *load__finish(struct load *l)
{
    qsort(l->records, l->n, sizeof *l->records, record_compare);
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += i == 0 || l->records[i].type != l->records[i - 1].type ||
             !owner_equal(&l->records[i], &l->records[i - 1]);
    struct zone_records *out = ARENA_NEW(l->arena, struct zone_records);
    struct zone_rrset *sets = ARENA_ARRAY(l->arena, struct zone_rrset, n);
    if (!out || !sets)
        return NULL;
    size_t made = 0;
    for (size_t i = 0, next; i < l->n; i = next) {
        const struct record *first = &l->records[i];
        for (next = i + 1; next < l->n && l->records[next].type == first->type &&
                           owner_equal(&l->records[next], first);)
            next++;
        rrset_make(l, first, next - i, &sets[made++]);
        if (arena_failed(l->arena))
            return NULL;
    }
    *out = (struct zone_records){.origin = *l->zone, .n = n, .rrset = sets};
    check_names(l, out);
    return out;
}
