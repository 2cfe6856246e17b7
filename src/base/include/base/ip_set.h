/* ip_set: networks as a set: who may ask, whose word counts.
 * Shape     sorted ranges of addresses, overlapping and adjacent ones merged; IPv4 before IPv6.
 * Owns      nothing: ranges lie where the builder put them, usually in an arena.
 * Threads   any, once built.
 * Errors    ip_set_parse names the piece that is no network.
 * Limits    IP_SET_MAX networks. Cost of a look: a binary search, at most 14 steps. */
#pragma once

#include "base/addr.h"
#include "base/arena.h"

#define IP_SET_MAX 4096

struct ip_range {
    struct ip first, last; /* of one family */
};

struct ip_set {
    const struct ip_range *range;
    uint32_t n; /* 0: nobody is in it */
};

/* "10.0.0.0/8, 2001:db8::/32, 192.0.2.7": networks and single addresses, separated by commas. The
 * empty text is the empty set. arena NULL: only checks. false: bad holds the first piece that is no
 * network (cut to fit), or is empty where memory ran out or there are too many. */
bool ip_set_parse(const char *text, struct arena *arena, struct ip_set *out,
                  char bad[PREFIX_TEXT_MAX]);
bool ip_set_contains(const struct ip_set *s, const struct ip *ip);
