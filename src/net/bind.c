/* bind: from listen addresses to bound sockets, or one sentence why not. */
#include "net_priv.h"

#include "base/log.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define PORT_TRIES_MAX 32 /* for port 0: a port that is free for UDP and TCP alike */
#define UDP_SNDBUF_BYTES (1 << 20)
#define TCP_BUF_BYTES (1 << 16) /* bounds what one client holds in the kernel, each way */
#define TCP_BACKLOG 1024

static enum err cannot_listen(struct diag *diag, const struct net_address *a, bool tcp, int error)
{
    char text[HOSTPORT_TEXT_MAX];
    const char *why = strerror(error), *help = "";
    switch (error) {
    case EADDRINUSE:
        why = "address already in use";
        help = tcp ? "; another program holds the TCP port (ss -ltnp shows it): stop it, or listen "
                     "on another address or port"
                   : "; another program holds the UDP port (ss -lunp shows it): stop it, or listen "
                     "on another address or port";
        break;
    case EACCES:
    case EPERM:
        why = "permission denied";
        help = "; ports below 1024 need root or the capability CAP_NET_BIND_SERVICE, or choose a "
               "port from 1024 up";
        break;
    case EADDRNOTAVAIL:
        why = "this host does not have that address";
        help = "; ip address shows the ones it has";
        break;
    case EAFNOSUPPORT:
        why = a->at.ip.family == 6 ? "this host has no IPv6" : "this host has no IPv4";
        break;
    case EMFILE:
        help = "; raise the limit (ulimit -n, LimitNOFILE=) or use fewer workers";
        break;
    default:
        break;
    }
    return diag_error(diag, (enum err) - error, "", "cannot listen on %s: %s%s",
                      hostport_format(&a->at, text), why, help);
}

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

/* A socket of the address's family. IPv4 and IPv6 never share one, or both kinds of control
 * message would arrive for a mapped address. Returns fd or -errno. */
static int open_socket(const struct net_address *a, int type)
{
    bool v6 = a->at.ip.family == 6;
    int fd = socket(v6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (v6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) != 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

static int bind_socket(int fd, const struct net_address *a)
{
    struct sockaddr_storage ss;
    socklen_t len = ip_to_sockaddr(&a->at.ip, a->at.port, &ss);
    return bind(fd, (struct sockaddr *)&ss, len) == 0 ? 0 : -errno;
}

/* SO_REUSEPORT lets a second server of the same user share a port without a word. A socket without
 * it finds out. TCP needs SO_REUSEADDR for connections of the last run in TIME_WAIT; a listening
 * socket still refuses it. With port 0, *port_out is what the kernel chose. */
static int probe(const struct net_address *a, int type, uint16_t *port_out)
{
    int fd = open_socket(a, type);
    if (fd < 0)
        return fd;
    int rc = 0;
    if (type == SOCK_STREAM && set(fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0)
        rc = -errno;
    if (rc == 0)
        rc = bind_socket(fd, a);
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    if (rc == 0 && getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
        rc = -errno;
    if (rc == 0 && port_out)
        *port_out = port_from_sockaddr((struct sockaddr *)&ss);
    close(fd);
    return rc;
}

static bool means_no_ipv6(int rc)
{
    return rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL || rc == -EPROTONOSUPPORT;
}

/* Probes the addresses of one listen entry; drops an optional one that the host cannot have. */
static int probe_entry(struct net_address *a, size_t *n, size_t *failed, bool *failed_tcp)
{
    for (size_t i = 0; i < *n; i++) {
        *failed = i;
        *failed_tcp = false;
        int rc = probe(&a[i], SOCK_DGRAM, NULL);
        if (rc == 0) {
            *failed_tcp = true;
            rc = probe(&a[i], SOCK_STREAM, NULL);
        }
        if (rc != 0 && a[i].optional && means_no_ipv6(rc)) {
            log_write(LOG_WARN, "net", "no IPv6 on this host: listening on IPv4 only");
            *n = i; /* the optional one is the last */
            return 0;
        }
        if (rc != 0)
            return rc;
    }
    return 0;
}

static enum err resolve_entry(struct net_address *a, size_t *n, struct diag *diag)
{
    bool any_port = a[0].at.port == 0, tcp = false;
    size_t failed = 0;
    int rc = 0;
    for (int tries = 0; tries < PORT_TRIES_MAX; tries++) {
        uint16_t port = a[0].at.port;
        if (any_port) {
            a[0].at.port = 0;
            rc = probe(&a[0], SOCK_DGRAM, &port);
            if (rc != 0)
                break;
        }
        for (size_t i = 0; i < *n; i++)
            a[i].at.port = port;
        rc = probe_entry(a, n, &failed, &tcp);
        if (!any_port || rc != -EADDRINUSE)
            break;
    }
    return rc == 0 ? ERR_OK : cannot_listen(diag, &a[failed], tcp, -rc);
}

static bool is_any(const struct ip *ip)
{
    static const uint8_t zero[16];
    return memcmp(ip->b, zero, sizeof zero) == 0;
}

/* Fills in one or two addresses; returns how many. */
static size_t expand(const struct hostport *listen, struct net_address out[2])
{
    memset(out, 0, 2 * sizeof out[0]);
    if (listen->ip.family != 0) {
        out[0] = (struct net_address){.at = *listen, .wildcard = is_any(&listen->ip)};
        return 1;
    }
    for (int i = 0; i < 2; i++) {
        out[i].at.ip.family = i == 0 ? 4 : 6;
        out[i].at.port = listen->port;
        out[i].wildcard = true;
        out[i].optional = i == 1;
    }
    return 2;
}

static bool have(const struct net_address *a, size_t n, const struct hostport *at)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].at.port == at->port && ip_equal(&a[i].at.ip, &at->ip))
            return true;
    return false;
}

enum err net__addresses_resolve(const struct net_config *config,
                                struct net_address out[NET_ADDRESS_MAX], size_t *n,
                                struct diag *diag)
{
    *n = 0;
    for (size_t i = 0; i < config->listen_n; i++) {
        struct net_address entry[2];
        size_t entry_n = expand(&config->listen[i], entry);
        enum err e = resolve_entry(entry, &entry_n, diag);
        if (e != ERR_OK)
            return e;
        for (size_t k = 0; k < entry_n; k++)
            if (!have(out, *n, &entry[k].at))
                out[(*n)++] = entry[k];
    }
    return ERR_OK;
}

static int set_udp_options(int fd, const struct net_address *a, unsigned rcvbuf_bytes)
{
    bool v6 = a->at.ip.family == 6;
    /* Beyond net.core.rmem_max only with CAP_NET_ADMIN; otherwise the kernel's maximum. */
    int rcvbuf = (int)rcvbuf_bytes;
    if (set(fd, SOL_SOCKET, SO_RCVBUFFORCE, rcvbuf) != 0)
        (void)set(fd, SOL_SOCKET, SO_RCVBUF, rcvbuf);
    if (set(fd, SOL_SOCKET, SO_SNDBUFFORCE, UDP_SNDBUF_BYTES) != 0)
        (void)set(fd, SOL_SOCKET, SO_SNDBUF, UDP_SNDBUF_BYTES);
    if (set(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0)
        return -errno;
    /* A forged ICMP "fragmentation needed" must not shrink our packets (RFC 9715 §3). */
    int rc = v6 ? set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT)
                : set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    if (rc == 0 && a->wildcard)
        rc = v6 ? set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) : set(fd, IPPROTO_IP, IP_PKTINFO, 1);
    return rc == 0 ? 0 : -errno;
}

enum err net__udp_open(const struct net_address *a, unsigned rcvbuf_bytes, int *fd,
                       struct diag *diag)
{
    int s = open_socket(a, SOCK_DGRAM);
    if (s < 0)
        return cannot_listen(diag, a, false, -s);
    int rc = set_udp_options(s, a, rcvbuf_bytes);
    if (rc == 0)
        rc = bind_socket(s, a);
    if (rc != 0) {
        close(s);
        return cannot_listen(diag, a, false, -rc);
    }
    *fd = s;
    return ERR_OK;
}

enum err net__tcp_open(const struct net_address *a, int *fd, struct diag *diag)
{
    int s = open_socket(a, SOCK_STREAM);
    if (s < 0)
        return cannot_listen(diag, a, true, -s);
    int rc = 0;
    /* The last three are inherited by what is accepted. */
    if (set(s, SOL_SOCKET, SO_REUSEADDR, 1) != 0 || set(s, SOL_SOCKET, SO_REUSEPORT, 1) != 0 ||
        set(s, IPPROTO_TCP, TCP_NODELAY, 1) != 0 ||
        set(s, SOL_SOCKET, SO_SNDBUF, TCP_BUF_BYTES) != 0 ||
        set(s, SOL_SOCKET, SO_RCVBUF, TCP_BUF_BYTES) != 0)
        rc = -errno;
    if (rc == 0)
        rc = bind_socket(s, a);
    if (rc == 0 && listen(s, TCP_BACKLOG) != 0)
        rc = -errno;
    if (rc != 0) {
        close(s);
        return cannot_listen(diag, a, true, -rc);
    }
    *fd = s;
    return ERR_OK;
}
