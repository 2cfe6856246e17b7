/* peers: connections per client address. Keyed hash, because clients choose their addresses. */
#include "net_priv.h"

#include "base/hash.h"

#include <stdlib.h>
#include <sys/random.h>

enum err net__peers_init(struct net_peers *p, size_t conns_max)
{
    size_t n = 16;
    while (n < conns_max)
        n *= 2;
    if (getrandom(p->key, sizeof p->key, 0) != (ssize_t)sizeof p->key)
        return ERR_IO;
    p->buckets = calloc(n, sizeof *p->buckets);
    p->mask = n - 1;
    return p->buckets ? ERR_OK : ERR_NOMEM;
}

void net__peers_fini(struct net_peers *p)
{
    free(p->buckets);
    p->buckets = NULL;
}

static struct net_peer **bucket(struct net_peers *p, const struct ip *network)
{
    return &p->buckets[siphash24(p->key, network, sizeof *network) & p->mask];
}

struct net_peer *net__peers_take(struct net_peers *p, const struct ip *ip, size_t limit,
                                 bool *limited)
{
    struct ip network = *ip;
    if (network.family == 6)
        ip_mask(&network, 64); /* one host has the whole /64 to choose from */
    struct net_peer **head = bucket(p, &network), *peer = *head;
    while (peer && !ip_equal(&peer->network, &network))
        peer = peer->next;
    *limited = peer && peer->conns >= limit;
    if (*limited)
        return NULL;
    if (!peer) {
        peer = calloc(1, sizeof *peer);
        if (!peer)
            return NULL;
        peer->network = network;
        peer->next = *head;
        *head = peer;
    }
    peer->conns++;
    return peer;
}

void net__peers_release(struct net_peers *p, struct net_peer *peer)
{
    if (--peer->conns > 0)
        return;
    struct net_peer **at = bucket(p, &peer->network);
    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    free(peer);
}
