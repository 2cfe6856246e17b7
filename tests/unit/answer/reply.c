#include "reply.h"

#include <stdio.h>
#include <string.h>

struct cursor {
    const uint8_t *msg;
    size_t len, at;
    const char *bad;
};

static unsigned get(struct cursor *c, unsigned octets)
{
    unsigned v = 0;
    if (c->bad || c->len - c->at < octets) {
        c->bad = c->bad ? c->bad : "ends too early";
        return 0;
    }
    while (octets--)
        v = v << 8 | c->msg[c->at++];
    return v;
}

/* From `at`; leaves the cursor behind the name (behind its first pointer). */
static void get_name(struct cursor *c, struct reply_name *out)
{
    size_t at = c->at, low = c->at, after = 0;
    memset(out, 0, sizeof *out);
    while (!c->bad) {
        if (at >= c->len) {
            c->bad = "a name runs out of the message";
            return;
        }
        unsigned n = c->msg[at];
        if ((n & 0xc0) == 0xc0) {
            if (at + 1 >= c->len) {
                c->bad = "half a pointer";
                return;
            }
            size_t to = (n & 0x3fu) << 8 | c->msg[at + 1];
            after = after ? after : at + 2;
            if (to >= low || to < 12) {
                c->bad = "a pointer that does not lead backwards";
                return;
            }
            at = low = to;
            continue;
        }
        if (n > 63 || at + 1 + n > c->len || out->len + 1u + n > 255) {
            c->bad = "a bad label or a name too long";
            return;
        }
        memcpy(out->wire + out->len, c->msg + at, n + 1);
        out->len = (uint8_t)(out->len + n + 1);
        at += n + 1;
        if (n == 0) {
            c->at = after ? after : at;
            return;
        }
    }
}

const char *reply_text(const struct reply_name *n)
{
    static char text[4][1100];
    static unsigned turn;
    char *out = text[turn++ % 4], *p = out;
    for (size_t at = 0; at < n->len && n->wire[at]; at += n->wire[at] + 1u) {
        if (p != out)
            *p++ = '.';
        for (unsigned i = 1; i <= n->wire[at]; i++) {
            uint8_t o = n->wire[at + i];
            bool plain = (o >= 'a' && o <= 'z') || (o >= 'A' && o <= 'Z') ||
                         (o >= '0' && o <= '9') || o == '-' || o == '_' || o == '*';
            p += plain ? sprintf(p, "%c", o) : sprintf(p, "\\%03u", o);
        }
    }
    *p = '\0';
    return p == out ? "." : out;
}

static uint8_t lower(uint8_t o)
{
    return o >= 'A' && o <= 'Z' ? (uint8_t)(o + 32) : o;
}

static bool same_name(const struct reply_name *a, const struct reply_name *b)
{
    if (a->len != b->len)
        return false;
    for (unsigned i = 0; i < a->len; i++)
        if (lower(a->wire[i]) != lower(b->wire[i]))
            return false;
    return true;
}

static void read_ecs(struct cursor *c, struct reply *r, unsigned n)
{
    if (r->ecs || n < 4) {
        c->bad = "two client subnets, or a short one";
        return;
    }
    r->ecs = true;
    r->ecs_family = (uint16_t)get(c, 2);
    r->ecs_source = (uint8_t)get(c, 1);
    r->ecs_scope = (uint8_t)get(c, 1);
    r->ecs_octets = n - 4;
    if (r->ecs_octets != (r->ecs_source + 7u) / 8 || r->ecs_octets > 16) {
        c->bad = "a client subnet whose address is not as long as it says";
        return;
    }
    memcpy(r->ecs_addr, c->msg + c->at, r->ecs_octets);
    if (r->ecs_scope > (r->ecs_family == 1 ? 32 : 128))
        c->bad = "a scope longer than an address";
}

static void read_nsid(struct cursor *c, struct reply *r, unsigned n)
{
    if (r->nsid || n > 255)
        c->bad = "two NSIDs, or a long one";
    else
        memcpy(r->nsid_text, c->msg + c->at, n);
    r->nsid = true;
}

static void read_ede(struct cursor *c, struct reply *r, unsigned n)
{
    if (r->ede || n < 2 || n > 257) {
        c->bad = "two extended errors, or one of an odd length";
        return;
    }
    r->ede = true;
    r->ede_code = (uint16_t)get(c, 2);
    memcpy(r->ede_text, c->msg + c->at, n - 2);
    r->ede_text[n - 2] = '\0';
    if (strlen(r->ede_text) != n - 2)
        c->bad = "a NUL in the text of an extended error";
}

static void read_option(struct cursor *c, struct reply *r, unsigned code, unsigned n)
{
    size_t end = c->at + n;
    switch (code) {
    case 3:
        read_nsid(c, r, n);
        break;
    case 8:
        read_ecs(c, r, n);
        break;
    case 10:
        if (r->cookie_len || n < 16 || n > 40)
            c->bad = "two cookies, or one without a server cookie";
        else
            memcpy(r->cookie, c->msg + c->at, r->cookie_len = n);
        break;
    case 11:
        if (r->keepalive || n != 2)
            c->bad = "two keepalives, or one that is not two octets";
        else
            r->keepalive_100ms = (uint16_t)get(c, 2);
        r->keepalive = true;
        break;
    case 15:
        read_ede(c, r, n);
        break;
    default:
        c->bad = "an option that nobody asked for";
    }
    c->at = end;
}

static void read_opt(struct cursor *c, struct reply *r, unsigned size, uint32_t ttl, unsigned len)
{
    size_t end = c->at + len;
    if (r->opt) {
        c->bad = "two OPT";
        return;
    }
    r->opt = true;
    r->opt_size = (uint16_t)size;
    r->rcode |= (ttl >> 24) << 4;
    r->opt_do = (ttl & 0x8000) != 0;
    if (ttl & 0x7fff)
        c->bad = "OPT flags other than DO";
    if (ttl >> 16 & 0xff)
        c->bad = "an EDNS version other than 0";
    while (!c->bad && c->at < end) {
        unsigned code = get(c, 2), n = get(c, 2);
        if (c->at + n > end)
            c->bad = "an option longer than the OPT";
        else
            read_option(c, r, code, n);
    }
}

static void read_rdata(struct cursor *c, struct reply_rr *rr)
{
    size_t end = c->at + rr->rdata_len;
    rr->rdata = c->msg + c->at;
    switch (rr->type) {
    case 1:
        if (rr->rdata_len != 4)
            c->bad = "an A that is not 4 octets";
        break;
    case 28:
        if (rr->rdata_len != 16)
            c->bad = "an AAAA that is not 16 octets";
        break;
    case 2:
    case 5:
    case 12:
    case 39:
        get_name(c, &rr->target);
        if (c->at != end)
            c->bad = "a name that does not fill its record";
        break;
    case 6: {
        struct reply_name rname;
        get_name(c, &rr->target);
        get_name(c, &rname);
        if (c->at + 20 != end)
            c->bad = "a SOA of a wrong length";
        break;
    }
    default:
        break;
    }
    c->at = end;
}

static void check_pairs(struct cursor *c, const struct reply *r)
{
    for (unsigned i = 0; !c->bad && i < r->n; i++)
        for (unsigned k = 0; !c->bad && k < i; k++) {
            const struct reply_rr *a = &r->rr[i], *b = &r->rr[k];
            if (!same_name(&a->owner, &b->owner))
                continue;
            if (a->section == 1 && b->section == 1 && (a->type == 5) != (b->type == 5) &&
                a->type != 39 && b->type != 39)
                c->bad = "a CNAME beside other data";
            if (a->type != b->type)
                continue;
            if (a->type == 5)
                c->bad = "two CNAME at one name";
            if (a->ttl != b->ttl && a->section == b->section)
                c->bad = "two TTLs in one RRset";
            if (a->rdata_len == b->rdata_len && memcmp(a->rdata, b->rdata, a->rdata_len) == 0)
                c->bad = "a record twice";
        }
}

const char *reply_read(const uint8_t *msg, size_t len, struct reply *r)
{
    struct cursor c = {.msg = msg, .len = len};
    memset(r, 0, offsetof(struct reply, rr));
    memset(&r->n, 0, sizeof *r - offsetof(struct reply, n));
    r->id = (uint16_t)get(&c, 2);
    unsigned flags = get(&c, 2), counts[4];
    for (int i = 0; i < 4; i++)
        counts[i] = get(&c, 2);
    if (c.bad)
        return c.bad;
    r->opcode = flags >> 11 & 15;
    r->aa = flags >> 10 & 1;
    r->tc = flags >> 9 & 1;
    r->rd = flags >> 8 & 1;
    r->ra = flags >> 7 & 1;
    r->cd = flags >> 4 & 1;
    r->rcode = flags & 15;
    if (!(flags & 0x8000))
        return "QR is not set";
    if (flags & 0x0060)
        return "Z or AD is set";
    if (counts[0] > 1)
        return "several questions";
    if (counts[0]) {
        r->has_question = true;
        get_name(&c, &r->qname);
        r->qtype = (uint16_t)get(&c, 2);
        r->qclass = (uint16_t)get(&c, 2);
    }
    for (uint8_t section = 1; section <= 3; section++)
        for (unsigned i = 0; i < counts[section] && !c.bad; i++) {
            if (r->n == REPLY_RRS_MAX)
                return "more records than fit";
            struct reply_rr *rr = &r->rr[r->n];
            memset(rr, 0, sizeof *rr);
            rr->section = section;
            get_name(&c, &rr->owner);
            rr->type = (uint16_t)get(&c, 2);
            rr->class = (uint16_t)get(&c, 2);
            rr->ttl = get(&c, 4);
            rr->rdata_len = (uint16_t)get(&c, 2);
            if (!c.bad && c.at + rr->rdata_len > len)
                c.bad = "RDATA runs out of the message";
            if (c.bad)
                break;
            if (rr->type == 41) {
                if (rr->owner.len != 1 || section != 3)
                    return "an OPT not at the root or not additional";
                read_opt(&c, r, rr->class, rr->ttl, rr->rdata_len);
                continue;
            }
            if (rr->ttl > 0x7fffffff)
                c.bad = "a TTL above 2^31-1";
            read_rdata(&c, rr);
            r->n++;
            *(section == 1 ? &r->answers : section == 2 ? &r->authorities : &r->additionals) += 1;
        }
    check_pairs(&c, r);
    if (!c.bad && c.at != len)
        c.bad = "octets behind the last record";
    return c.bad;
}
