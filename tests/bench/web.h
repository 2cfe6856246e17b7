/* web: where the web servers of this folder listen: a port of every address there is, IPv4 and IPv6.
 * The socket does not block and is the caller's; -1: errno says why. Threads: any. */
#pragma once

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

static inline int web_listen(const char *port)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6,
                              .sin6_addr = IN6ADDR_ANY_INIT,
                              .sin6_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1, off = 0;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) ||
        bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096))
        return -1;
    return fd;
}
