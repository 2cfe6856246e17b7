#include "harness.h"

#include <errno.h>
#include <sys/syscall.h>

static char sentence[1024];

static enum err create(const struct net_config *config, struct net_server **s)
{
    struct diag diag = {0};
    enum err e = net_server_create(config, s, &diag);
    diag_first(&diag, sentence, sizeof sentence);
    diag_fini(&diag);
    return e;
}

static void add(struct net_config *config, const char *address, uint16_t port)
{
    struct hostport *hp = &config->listen[config->listen_n++];
    hp->port = port;
    if (strcmp(address, "*") != 0)
        CHECK(ip_parse(address, &hp->ip));
}

static struct net_config config_on(const char *address, uint16_t port)
{
    static struct bed b;
    memset(&b, 0, sizeof b);
    add(&b.config, address, port);
    bed_prepare(&b);
    return b.config;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* A plain socket of another program; listens if TCP. Its port is *port, chosen if 0. */
static int foreign(int type, uint16_t *port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, type, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one); /* as generous as can be */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, len) != 0 || (type == SOCK_STREAM && listen(fd, 1) != 0)) {
        close(fd);
        return -1;
    }
    getsockname(fd, (struct sockaddr *)&at, &len);
    *port = ntohs(at.sin_port);
    return fd;
}

/* A port that nobody has, on any address and for both protocols. (A port of the kernel's choice for
 * one socket may be the near end of some connection on another address.) */
static uint16_t free_port(void)
{
    struct net_config config = config_on("*", 0);
    struct net_server *s;
    struct hostport at;
    assert_int_equal(create(&config, &s), ERR_OK);
    net_server_addresses(s, &at, 1);
    net_server_destroy(&s);
    return at.port;
}

static void port_0_becomes_one_port_for_both_protocols_and_families(void **state)
{
    (void)state;
    struct net_config config = config_on("*", 0);
    config.workers = 2;
    config.batch_ctx[1] = config.batch_ctx[0];
    struct net_server *s;
    assert_int_equal(create(&config, &s), ERR_OK);
    struct hostport at[4];
    assert_int_equal(net_server_addresses(s, at, 4), 2);
    assert_int_equal(at[0].ip.family, 4);
    assert_int_equal(at[1].ip.family, 6);
    assert_true(at[0].port != 0);
    assert_int_equal(at[0].port, at[1].port);
    assert_int_equal(net_server_start(s), ERR_OK);
    const char *addresses[] = {"127.0.0.1", "::1"};
    for (int i = 0; i < 2; i++) {
        char buf[8];
        int udp = client(addresses[i], at[0].port, SOCK_DGRAM, NULL);
        int tcp = client(addresses[i], at[0].port, SOCK_STREAM, NULL);
        assert_true(udp >= 0 && tcp >= 0);
        send(udp, "u", 1, 0);
        send_frame(tcp, "t", 1);
        assert_int_equal(take(udp, buf, sizeof buf), 1);
        assert_true(take_frame(tcp, "t"));
        close(udp);
        close(tcp);
    }
    net_server_destroy(&s);
}

static void a_second_server_on_the_port_is_refused_with_a_sentence(void **state)
{
    (void)state;
    struct bed b = {0};
    bed_start(&b);
    struct net_config config = config_on("127.0.0.1", b.port);
    struct net_server *s = NULL;
    char expected[128];
    assert_int_equal(create(&config, &s), -EADDRINUSE);
    assert_null(s);
    snprintf(expected, sizeof expected, "cannot listen on 127.0.0.1:%u: address already in use",
             b.port);
    assert_true(starts_with(sentence, expected));
    bed_stop(&b);
}

static void either_protocol_taken_is_enough_to_refuse(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        uint16_t port = 0;
        int fd = foreign(i ? SOCK_STREAM : SOCK_DGRAM, &port);
        assert_true(fd >= 0);
        struct net_config config = config_on("127.0.0.1", port);
        struct net_server *s = NULL;
        assert_int_equal(create(&config, &s), -EADDRINUSE);
        assert_non_null(strstr(sentence, i ? "holds the TCP port" : "holds the UDP port"));
        config = config_on("*", port);
        assert_int_equal(create(&config, &s), -EADDRINUSE);
        close(fd);
    }
}

static void a_failed_create_leaves_nothing_bound(void **state)
{
    (void)state;
    uint16_t port = free_port(), taken_port = 0;
    int taken = foreign(SOCK_STREAM, &taken_port);
    struct net_config config = config_on("127.0.0.1", port);
    add(&config, "127.0.0.1", taken_port);
    struct net_server *s = NULL;
    assert_int_equal(create(&config, &s), -EADDRINUSE);
    config = config_on("127.0.0.1", port);
    assert_int_equal(create(&config, &s), ERR_OK);
    net_server_destroy(&s);
    close(taken);
}

static void the_same_port_can_be_had_again_at_once(void **state)
{
    (void)state;
    uint16_t port = 0;
    for (int i = 0; i < 3; i++) {
        struct bed b = {.config.workers = 2};
        add(&b.config, "127.0.0.1", port);
        bed_start(&b);
        assert_true(port == 0 || port == b.port);
        port = b.port;
        int tcp = client("127.0.0.1", port, SOCK_STREAM, NULL);
        send_frame(tcp, "hello", 5);
        assert_true(take_frame(tcp, "hello"));
        bed_stop(&b); /* the server closes first: its end goes to TIME_WAIT */
        close(tcp);
    }
}

static void overlapping_addresses_are_bound_and_doubles_only_once(void **state)
{
    (void)state;
    uint16_t port = free_port();
    struct bed b = {0};
    add(&b.config, "*", port);
    add(&b.config, "127.0.0.1", port);
    add(&b.config, "127.0.0.1", port);
    add(&b.config, "::", port);
    bed_start(&b);
    struct hostport at[8];
    assert_int_equal(net_server_addresses(b.server, at, 8), 3);
    assert_int_equal(net_server_addresses(b.server, at, 2), 2);
    bed_stop(&b);
}

static void an_address_of_another_host_is_named(void **state)
{
    (void)state;
    struct net_config config = config_on("192.0.2.77", 5353);
    struct net_server *s = NULL;
    assert_int_equal(create(&config, &s), -EADDRNOTAVAIL);
    assert_true(starts_with(
        sentence, "cannot listen on 192.0.2.77:5353: this host does not have that address"));
}

static void as_nobody(void)
{
    if (geteuid() != 0 || setgid(65534) != 0 || setuid(65534) != 0)
        _exit(77);
    struct net_config config = config_on("127.0.0.1", 79);
    struct net_server *s = NULL;
    enum err e = create(&config, &s);
    if (e == ERR_OK)
        _exit(77); /* net.ipv4.ip_unprivileged_port_start lets everybody */
    MUST(e == (enum err) - EACCES);
    MUST(starts_with(sentence, "cannot listen on 127.0.0.1:79: permission denied; "));
    MUST(strstr(sentence, "CAP_NET_BIND_SERVICE"));
    /* The receive buffer cannot be forced now: the kernel's maximum has to do. */
    config = config_on("127.0.0.1", 0);
    MUST(create(&config, &s) == ERR_OK);
    net_server_destroy(&s);
}

static void an_ordinary_user_is_told_what_port_53_needs(void **state)
{
    (void)state;
    int rc = in_child(as_nobody);
    if (rc == 77)
        skip();
    assert_int_equal(rc, 0);
}

static void without_ipv6(void)
{
    if (!deny_syscall(SYS_socket, AF_INET6, EAFNOSUPPORT))
        _exit(77);
    struct net_config config = config_on("*", 0);
    struct net_server *s = NULL;
    MUST(create(&config, &s) == ERR_OK);
    struct hostport at[2];
    MUST(net_server_addresses(s, at, 2) == 1 && at[0].ip.family == 4 && at[0].port != 0);
    MUST(net_server_start(s) == ERR_OK);
    int fd = client("127.0.0.1", at[0].port, SOCK_DGRAM, NULL);
    char buf[8];
    MUST(send(fd, "u", 1, 0) == 1 && take(fd, buf, sizeof buf) == 1);
    net_server_destroy(&s);
    config = config_on("::1", 0); /* asked for by name it is an error */
    MUST(create(&config, &s) == (enum err) - EAFNOSUPPORT);
    MUST(starts_with(sentence, "cannot listen on [::1]:0: this host has no IPv6"));
}

static void a_host_without_ipv6_listens_on_ipv4(void **state)
{
    (void)state;
    int rc = in_child(without_ipv6);
    if (rc == 77)
        skip();
    assert_int_equal(rc, 0);
}

static void settings_out_of_bounds_are_refused(void **state)
{
    (void)state;
    struct net_server *s = NULL;
    struct net_config config = config_on("127.0.0.1", 0);
    config.workers = 0;
    assert_int_equal(create(&config, &s), ERR_INVALID);
    config.workers = NET_WORKERS_MAX + 1;
    assert_int_equal(create(&config, &s), ERR_INVALID);
    assert_string_equal(sentence, "workers is 65: from 1 to 64 are possible");
    config.workers = 1;
    config.listen_n = 0;
    assert_int_equal(create(&config, &s), ERR_INVALID);
    config.listen_n = NET_LISTEN_MAX + 1;
    assert_int_equal(create(&config, &s), ERR_LIMIT);
    assert_null(s);
}

static void a_server_may_be_destroyed_without_having_run(void **state)
{
    (void)state;
    struct net_config config = config_on("*", 0);
    struct net_server *s = NULL;
    assert_int_equal(create(&config, &s), ERR_OK);
    net_server_stop(s, 100);
    net_server_destroy(&s);
    net_server_destroy(&s);
}

static void no_second_thread(void)
{
    struct bed b = {.config.workers = 3};
    bed_prepare(&b);
    MUST(create(&b.config, &b.server) == ERR_OK);
    /* Threads come from clone3, or clone where that is missing. */
    MUST(deny_syscall(SYS_clone3, -1, EAGAIN) && deny_syscall(SYS_clone, -1, EAGAIN));
    MUST(net_server_start(b.server) == (enum err) - EAGAIN);
    net_server_destroy(&b.server);
}

static void a_thread_that_cannot_start_is_an_error_that_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(in_child(no_second_thread), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_user_is_told_what_port_53_needs),
        cmocka_unit_test(a_host_without_ipv6_listens_on_ipv4),
        cmocka_unit_test(a_thread_that_cannot_start_is_an_error_that_leaves_nothing),
        cmocka_unit_test(port_0_becomes_one_port_for_both_protocols_and_families),
        cmocka_unit_test(a_second_server_on_the_port_is_refused_with_a_sentence),
        cmocka_unit_test(either_protocol_taken_is_enough_to_refuse),
        cmocka_unit_test(a_failed_create_leaves_nothing_bound),
        cmocka_unit_test(the_same_port_can_be_had_again_at_once),
        cmocka_unit_test(overlapping_addresses_are_bound_and_doubles_only_once),
        cmocka_unit_test(an_address_of_another_host_is_named),
        cmocka_unit_test(settings_out_of_bounds_are_refused),
        cmocka_unit_test(a_server_may_be_destroyed_without_having_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
