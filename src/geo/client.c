#include "geo/client.h"

#include <string.h>

#define V4_BITS_MIN 24u /* location is decided per /24 */
#define V6_HASH_BITS 48u
#define TEREDO_OFFSET 96u

static struct ip v4_of(const uint8_t *b, uint8_t flip)
{
    struct ip ip = {.family = 4};
    for (unsigned i = 0; i < 4; i++)
        ip.b[i] = b[i] ^ flip;
    return ip;
}

/* Where the IPv4 client begins inside an IPv6 address, in bits; 0 if it carries none. */
static unsigned embedded_offset(const struct ip *ip, bool *teredo)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* RFC 4291 §2.5.5.2 */
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};    /* RFC 6052 §2.1 */
    static const uint8_t teredo_prefix[4] = {0x20, 0x01};         /* RFC 4380 §2.6 */
    *teredo = false;
    if (ip->family != 6)
        return 0;
    if (ip->b[0] == 0x20) {
        if (ip->b[1] == 0x02) /* RFC 3056 §2 */
            return 16;
        *teredo = memcmp(ip->b, teredo_prefix, sizeof teredo_prefix) == 0;
        return *teredo ? TEREDO_OFFSET : 0;
    }
    if (ip->b[0] == 0 && (memcmp(ip->b, mapped, 12) == 0 || memcmp(ip->b, nat64, 12) == 0))
        return 96;
    return 0;
}

struct ip geo_client_unmap(const struct ip *ip, unsigned bits_given, unsigned *offset)
{
    bool teredo;
    *offset = embedded_offset(ip, &teredo);
    if (*offset == 0 || bits_given < *offset + V4_BITS_MIN) {
        *offset = 0;
        return *ip;
    }
    /* Teredo hides the client's address by inverting its bits (RFC 4380 §4). */
    return v4_of(ip->b + *offset / 8, teredo ? 0xff : 0);
}

bool geo_is_private(const struct ip *ip)
{
    if (ip->family == 6)
        return (ip->b[0] & 0xfe) == 0xfc;
    return ip->family == 4 && (ip->b[0] == 10 || (ip->b[0] == 172 && (ip->b[1] & 0xf0) == 16) ||
                               (ip->b[0] == 192 && ip->b[1] == 168));
}

static void locate_source(const struct geo_view *v, const struct ip *source, struct geo_client *c)
{
    unsigned offset;
    c->looked_up = geo_client_unmap(source, 128, &offset);
    c->class = geo_view_lookup(v, &c->looked_up).class;
    c->network_len = (uint8_t)ip_bits(&c->looked_up);
}

static void found_by_subnet(struct geo_client *c, uint16_t class)
{
    c->from = GEO_FROM_SUBNET;
    c->class = class;
    c->network_len = c->looked_up.family == 4 ? V4_BITS_MIN : V6_HASH_BITS;
}

bool geo_client_found(const struct ip *subnet, struct geo_found found, struct geo_client *out)
{
    if (subnet->family != 4 || found.kind == GEO_KIND_PRIVATE)
        return false;
    out->looked_up = *subnet;
    out->scope = found.scope;
    found_by_subnet(out, found.class);
    out->hash_scope = out->network_len;
    return true;
}

struct geo_client geo_client_locate(const struct geo_view *v, const struct geo_client_in *in)
{
    struct geo_client c = {.from = GEO_FROM_SOURCE};
    if (in->subnet.family == 0 || in->subnet_len == 0) {
        locate_source(v, &in->source, &c); /* SOURCE 0: SCOPE 0, RFC 7871 §7.1.2, §7.2.1 */
        return c;
    }
    bool teredo;
    unsigned offset = embedded_offset(&in->subnet, &teredo);
    c.looked_up = in->subnet;
    if (offset)
        c.looked_up = geo_client_unmap(&in->subnet, 128, &offset);
    struct geo_found found = geo_view_lookup(v, &c.looked_up);
    c.scope = teredo ? 128 : (uint8_t)(found.scope + offset);
    if (found.kind == GEO_KIND_PRIVATE) {
        c.from = GEO_FROM_SOURCE_PRIVATE; /* RFC 7871 §10 */
        locate_source(v, &in->source, &c);
        return c;
    }
    found_by_subnet(&c, found.class);
    c.hash_scope = teredo ? 128 : (uint8_t)(c.network_len + offset);
    return c;
}
