/* net_echo: a server that only flips the answer bits, to measure what src/net costs beyond the
 * system calls: CPU per datagram, next to a bare loop of recvmmsg and sendmmsg.
 *   net_echo ADDR:PORT [SECONDS]
 * Prints its counters when it ends: after SECONDS, or on SIGTERM or SIGINT. */
#include "net/server.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void echo(void *ctx, struct net_message *messages, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        struct net_message *m = &messages[i];
        size_t len = m->in_len < m->out_cap ? m->in_len : m->out_cap;
        memcpy(m->out, m->in, len);
        if (len > 2)
            m->out[2] |= 0x84; /* QR, AA */
        m->out_len = len;
    }
}

int main(int argc, char **argv)
{
    struct net_config config = {.listen_n = 1, .workers = 1, .batch = echo};
    if (argc < 2 || !hostport_parse(argv[1], 53, &config.listen[0])) {
        fprintf(stderr, "usage: net_echo ADDR:PORT [SECONDS]\n");
        return 2;
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    struct diag diag = {0};
    struct net_server *s = NULL;
    if (net_server_create(&config, &s, &diag) != ERR_OK || net_server_start(s) != ERR_OK) {
        char text[512];
        fprintf(stderr, "%s\n", diag_first(&diag, text, sizeof text));
        diag_fini(&diag);
        net_server_destroy(&s);
        return 1;
    }
    struct timespec wait = {.tv_sec = argc > 2 ? atoi(argv[2]) : 1 << 30};
    (void)sigtimedwait(&ends, NULL, &wait);
    net_server_stop(s, 100);
    struct net_counters c;
    net_server_counters(s, &c);
    printf("received %" PRIu64 " sent %" PRIu64 " failed %" PRIu64 " batches %" PRIu64
           " per batch %.1f\n",
           c.udp_received, c.udp_sent, c.udp_send_failed, c.udp_batches,
           c.udp_batches ? (double)c.udp_received / (double)c.udp_batches : 0.0);
    net_server_destroy(&s);
    return 0;
}
