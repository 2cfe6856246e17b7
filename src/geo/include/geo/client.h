/* geo/client: who is asking, where we look it up, and what scope the answer may claim.
 * Client    the EDNS Client Subnet if present and its source is not 0, else the source address.
 * Embedded  an IPv6 address that carries an IPv4 client (mapped, 6to4, Teredo with its inverted bits,
 *           NAT64 64:ff9b::/96) is looked up as that client; the scope is the IPv4 scope plus the
 *           offset (Teredo: 128). Bits not given are zero, as everywhere: a subnet with fewer than 24
 *           bits of the client then gets a scope longer than its source, and within that scope the
 *           answer that a query with all bits would get. An IPv6 entry could not promise that.
 * Private   a private subnet that no rule of the view names: the source address decides, the scope
 *           covers the private block as far as the view is uniform (its leaf's scope).
 * Hash      over the /24 or /48 of the client subnet, or over the full source address where no subnet
 *           was used. hash_scope is what the scope must at least be when the hash decided: 24 or 48
 *           (plus the offset for embedded ones); 0 without a subnet.
 * Threads   [worker]; pure.
 * Spec      RFC 7871 §7.1.2, §7.2.1, §10; RFC 3056 (6to4), RFC 4380 §4 (Teredo), RFC 6052 §2.2. */
#pragma once

#include "geo/view.h"

enum geo_client_from {
    GEO_FROM_SUBNET,        /* the client subnet */
    GEO_FROM_SOURCE,        /* no usable subnet: the source address */
    GEO_FROM_SOURCE_PRIVATE /* a private subnet was given and does not count */
};

struct geo_client_in {
    struct ip subnet;   /* family 0: none; bits past subnet_len are zero (others are FORMERR) */
    uint8_t subnet_len; /* SOURCE PREFIX-LENGTH */
    struct ip source;   /* of the packet */
};

struct geo_client {
    uint16_t class;
    uint8_t scope;       /* for the ECS option: 0 when no subnet was given */
    uint8_t hash_scope;  /* scope = max(scope, hash_scope) when a hash decided */
    uint8_t from;        /* enum geo_client_from */
    uint8_t network_len; /* bits of looked_up that the hash covers, see geo_client_network */
    struct ip looked_up; /* the address that was looked up (unmapped) */
};

static inline struct ip_prefix geo_client_network(const struct geo_client *c)
{
    struct ip_prefix network = {.ip = c->looked_up, .len = c->network_len};
    ip_mask(&network.ip, network.len);
    return network;
}

struct geo_client geo_client_locate(const struct geo_view *v, const struct geo_client_in *in);
/* The same of a client subnet that was looked up already, where it decides alone. False: it does not (an
 * IPv6 address, which may carry an IPv4 client, or a private one), and locate is to be asked. */
bool geo_client_found(const struct ip *subnet, struct geo_found found, struct geo_client *out);
/* For those who have an address and no view: an EMBEDDED address with at least 24 bits of its IPv4
 * client given gives that client and the offset in bits; any other gives itself and 0. */
struct ip geo_client_unmap(const struct ip *ip, unsigned bits_given, unsigned *offset);
bool geo_is_private(const struct ip *ip);
