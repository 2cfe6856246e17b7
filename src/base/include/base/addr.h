/* addr: IPv4 and IPv6 addresses, prefixes, and address with port, as values.
 * Units     bytes in network order; prefix length in bits of the family (0..32, 0..128).
 * Threads   any; no state.
 * Errors    parse functions return false for text that is not one; they never guess. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define IP_TEXT_MAX 46 /* with NUL */
#define PREFIX_TEXT_MAX 50
#define HOSTPORT_TEXT_MAX 54 /* [v6]:65535 */

struct ip {
    uint8_t family; /* 4, 6, or 0 for none */
    uint8_t b[16];  /* the first 4 for IPv4; the rest zero */
};

struct ip_prefix {
    struct ip ip; /* bits past len are zero */
    uint8_t len;
};

struct hostport {
    struct ip ip;
    uint16_t port; /* host order */
};

bool ip_parse(const char *text, struct ip *out);
char *ip_format(const struct ip *ip, char out[IP_TEXT_MAX]);
bool ip_equal(const struct ip *a, const struct ip *b);
int ip_compare(const struct ip *a, const struct ip *b); /* family first, then bytes */
static inline unsigned ip_bits(const struct ip *ip)
{
    return ip->family == 4 ? 32 : 128;
}
void ip_mask(struct ip *ip, unsigned len); /* zeroes the bits past len */
/* "10.0.0.0/8", "2001:db8::/32", or a single address (full length). false if bits are set past
 * the length, so that a slip of the finger is not silently widened. */
bool ip_prefix_parse(const char *text, struct ip_prefix *out);
char *ip_prefix_format(const struct ip_prefix *p, char out[PREFIX_TEXT_MAX]);
bool ip_prefix_contains(const struct ip_prefix *p, const struct ip *ip);

/* "192.0.2.1:53", "[2001:db8::1]:53", ":53" and "*:53" (any IPv4 and IPv6: ip.family 0), and a bare
 * address, which gets default_port. */
bool hostport_parse(const char *text, uint16_t default_port, struct hostport *out);
char *hostport_format(const struct hostport *hp, char out[HOSTPORT_TEXT_MAX]);

void ip_from_sockaddr(const struct sockaddr *sa, struct ip *out);
uint16_t port_from_sockaddr(const struct sockaddr *sa);
/* Returns the length of the sockaddr written. */
socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *out);
