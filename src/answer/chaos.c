/* Class CH: what the server says of itself (RFC 4892, RFC 5001). */
#include "answer_priv.h"

#include <string.h>

static const struct {
    const char *name; /* in wire form */
    uint8_t len;
    bool version; /* else the identity */
} names[] = {
    {"\7version\4bind", 14, true},
    {"\7version\6server", 16, true},
    {"\2id\6server", 11, false},
    {"\x8hostname\4bind", 15, false},
};

bool answer__chaos(const struct snapshot *s, const struct dns_query *q, const char **text)
{
    if (q->qclass != DNS_CH || (q->qtype != DNS_TXT && q->qtype != DNS_ANY))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (q->qname_len == names[i].len && memcmp(q->lower, names[i].name, names[i].len) == 0) {
            *text = names[i].version ? s->guard.version : s->nsid;
            return (*text)[0] != '\0';
        }
    return false;
}
