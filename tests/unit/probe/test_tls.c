/* https probes and probes/check_tls_expiry against a real nginx; skipped where it is not installed.
 */
#include "harness.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define GOOD "www.gslb.example"
#define SOON "soon.gslb.example"   /* ends in five and a half days */
#define ENDED "ended.gslb.example" /* ended an hour ago */

static struct harness h;
static char dir[] = "/tmp/probe-tls-XXXXXX";
static char ca_file[64];
static uint16_t port_good, port_soon, port_ended;
static pid_t nginx;

static bool run(const char *fmt, ...)
{
    char command[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    return system(command) == 0;
}

static void write_server(FILE *f, const char *name, uint16_t port)
{
    fprintf(f,
            "server { listen 127.0.0.1:%u ssl; listen [::1]:%u ssl;\n"
            "  ssl_certificate %s/%s.pem; ssl_certificate_key %s/%s.key;\n"
            "  location = /healthz { default_type text/plain;\n"
            "    return 200 \"$ssl_server_name $host $ssl_session_reused\\n\"; }\n"
            "  location = /plain { return 302 http://$host:1/; } }\n",
            port, port, dir, name, dir, name);
}

static void wait_for(uint16_t port)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    for (int i = 0; i < 500; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int e = connect(fd, (struct sockaddr *)&sa, sizeof sa);
        close(fd);
        if (e == 0)
            return;
        usleep(10000);
    }
    fail_msg("nginx does not come up");
}

static int start_nginx(void **state)
{
    if (!run("command -v nginx openssl >/dev/null"))
        return 0;
    assert_non_null(mkdtemp(dir));
    const char *make = MERIDIAN_SOURCE_DIR "/tests/e2e/servers/certificate";
    assert_true(run("%s %s %s 8683200", make, dir, GOOD));
    assert_true(run("%s %s %s 475200", make, dir, SOON));
    assert_true(run("%s %s %s -3600", make, dir, ENDED));
    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", dir);
    assert_true(run("cat %s/*.pem > %s", dir, ca_file));
    port_good = port_unused(SOCK_STREAM);
    port_soon = port_unused(SOCK_STREAM);
    port_ended = port_unused(SOCK_STREAM);
    char conf[64];
    snprintf(conf, sizeof conf, "%s/nginx.conf", dir);
    FILE *f = fopen(conf, "w");
    fprintf(f,
            "daemon off; master_process off; pid %s/pid; error_log /dev/null;\n"
            "events {}\nhttp { access_log off; client_body_temp_path %s; proxy_temp_path %s;\n"
            "fastcgi_temp_path %s; uwsgi_temp_path %s; scgi_temp_path %s;\n",
            dir, dir, dir, dir, dir, dir);
    write_server(f, GOOD, port_good);
    write_server(f, SOON, port_soon);
    write_server(f, ENDED, port_ended);
    fprintf(f, "}\n");
    fclose(f);
    char *argv[] = {"nginx", "-c", conf, "-p", dir, "-e", "/dev/null", NULL};
    assert_int_equal(posix_spawnp(&nginx, "nginx", NULL, NULL, argv, environ), 0);
    wait_for(port_ended);
    return harness_warm(state);
}

static int stop_nginx(void **state)
{
    (void)state;
    if (nginx) {
        kill(nginx, SIGTERM);
        waitpid(nginx, NULL, 0);
        run("rm -r %s", dir);
    }
    return 0;
}

static int open_all(void **state)
{
    (void)state;
    if (nginx)
        harness_open(&h, ca_file, 50);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    if (nginx)
        harness_close(&h);
    return 0;
}

#define NEEDS_NGINX()                                                                              \
    do {                                                                                           \
        if (!nginx) {                                                                              \
            print_message("nginx or openssl is not installed\n");                                  \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

static struct model_probe https(uint16_t port)
{
    struct model_probe p = probe_defaults(PROBE_HTTPS, port);
    p.path = "/healthz";
    return p;
}

static void a_certificate_that_verifies_is_ok(void **state)
{
    (void)state;
    NEEDS_NGINX();
    struct model_probe p = https(port_good);
    p.body = GOOD " " GOOD " .\n"; /* SNI and Host are the service's name; a full handshake */
    for (int i = 0; i < 2; i++) {
        struct probe_result r = harness_probe(&h, &p, i ? "::1" : "127.0.0.1", GOOD);
        assert_string_equal(r.ok ? "" : r.text, "");
        assert_true(r.tls_us > r.connect_us && r.first_byte_us >= r.tls_us);
    }
}

static void the_host_of_the_probe_decides_name_and_check(void **state)
{
    (void)state;
    NEEDS_NGINX();
    struct model_probe p = https(port_soon);
    p.host = SOON;
    p.body = SOON " " SOON;
    assert_true(harness_probe(&h, &p, "127.0.0.1", GOOD).ok);
}

static void a_certificate_for_another_name_fails(void **state)
{
    (void)state;
    NEEDS_NGINX();
    struct model_probe p = https(port_soon);
    struct probe_result r = harness_probe(&h, &p, "127.0.0.1", GOOD);
    assert_false(r.ok);
    assert_string_equal(r.text, "certificate: no alternative certificate subject name matches "
                                "target host name '" GOOD "'");
    p.verify = false;
    assert_true(harness_probe(&h, &p, "127.0.0.1", GOOD).ok);
}

static void a_certificate_that_has_ended_fails(void **state)
{
    (void)state;
    NEEDS_NGINX();
    struct model_probe p = https(port_ended);
    assert_string_equal(harness_probe(&h, &p, "127.0.0.1", ENDED).text,
                        "certificate: certificate has expired");
}

static void a_certificate_that_nobody_signed_fails(void **state)
{
    (void)state;
    NEEDS_NGINX();
    harness_close(&h);
    harness_open(&h, NULL, 50); /* the system's bundle */
    struct model_probe p = https(port_good);
    struct probe_result r = harness_probe(&h, &p, "127.0.0.1", GOOD);
    assert_false(r.ok);
    assert_int_equal(strncmp(r.text, "certificate: ", 13), 0);
}

static void a_redirect_from_https_stays_at_the_address(void **state)
{
    (void)state;
    NEEDS_NGINX();
    struct model_probe p = https(port_good);
    p.path = "/plain";
    p.follow = true;
    assert_string_equal(harness_probe(&h, &p, "127.0.0.1", GOOD).text, "connection refused");
}

static void a_missing_bundle_is_not_held_against_the_endpoint(void **state)
{
    (void)state;
    NEEDS_NGINX();
    harness_close(&h);
    harness_open(&h, "/nonexistent/ca.pem", 50);
    struct model_probe p = https(port_good);
    struct probe_result r = harness_probe(&h, &p, "127.0.0.1", GOOD);
    assert_false(r.ok);
    assert_true(r.late);
    assert_int_equal(strncmp(r.text, "the prober cannot read its bundle", 33), 0);
}

static struct probe_result check_expiry(uint16_t port, const char *service, const char *options)
{
    char command[256];
    snprintf(command, sizeof command, "exec %s/probes/check_tls_expiry %s", MERIDIAN_SOURCE_DIR,
             options);
    const char *args[] = {"-c", command};
    struct model_probe p = probe_defaults(PROBE_EXEC, port);
    p.command = "/bin/sh";
    p.args = args;
    p.args_n = 2;
    p.timeout_ms = 10000;
    return harness_probe(&h, &p, "127.0.0.1", service);
}

static void check_tls_expiry_tells_how_long_a_certificate_lasts(void **state)
{
    (void)state;
    NEEDS_NGINX();
    const struct {
        uint16_t port;
        const char *service, *options;
        bool ok;
        const char *text;
    } rows[] = {
        {port_good, GOOD, "", true, "certificate of " GOOD " ends in 100 days, on "},
        {port_good, GOOD, "-w 101", true, "warning: certificate of " GOOD " ends in 100 days"},
        {port_good, GOOD, "-c 101", false, "certificate of " GOOD " ends in 100 days"},
        {port_soon, SOON, "", true, "warning: certificate of " SOON " ends in 5 days"},
        {port_ended, ENDED, "", false, "certificate of " ENDED " ended on "},
        {port_good, GOOD, "-V", false, "certificate of " GOOD " does not verify: 18 (self-signed"},
        {port_good, GOOD, "-c x", false, "unknown: \"x\" is not a number of days"},
        {port_unused(SOCK_STREAM), GOOD, "", false, "no certificate from 127.0.0.1:"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct probe_result r = check_expiry(rows[i].port, rows[i].service, rows[i].options);
        if (strncmp(r.text, rows[i].text, strlen(rows[i].text)) != 0)
            assert_string_equal(r.text, rows[i].text);
        assert_int_equal(r.ok, rows[i].ok);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
    const struct CMUnitTest tests[] = {
        T(a_certificate_that_verifies_is_ok),
        T(the_host_of_the_probe_decides_name_and_check),
        T(a_certificate_for_another_name_fails),
        T(a_certificate_that_has_ended_fails),
        T(a_certificate_that_nobody_signed_fails),
        T(a_missing_bundle_is_not_held_against_the_endpoint),
        T(a_redirect_from_https_stays_at_the_address),
        T(check_tls_expiry_tells_how_long_a_certificate_lasts),
    };
    return cmocka_run_group_tests(tests, start_nginx, stop_nginx);
}
