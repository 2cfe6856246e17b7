/* exec probes: small shell programs that keep the contract of probes/README.md, or break it. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct harness h;

static int open_all(void **state)
{
    (void)state;
    harness_open(&h, NULL, 50);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    harness_close(&h);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, not even a dead one */
    return 0;
}

static struct probe_result shell(const char *script, int64_t timeout_ms)
{
    const char *args[] = {"-c", script, "probe", "{address}", "{service}", "{region}", "{port}"};
    struct model_probe p = probe_defaults(PROBE_EXEC, 8443);
    p.command = "/bin/sh";
    p.args = args;
    p.args_n = 7;
    p.timeout_ms = timeout_ms;
    return harness_probe(&h, &p, "192.0.2.1", "www.gslb.example");
}

static void exit_codes_are_those_of_nagios_plugins(void **state)
{
    (void)state;
    const struct {
        const char *script;
        bool ok;
        const char *text;
    } rows[] = {
        {"echo 'all good | time=1ms'; echo more", true, "all good"},
        {"exit 0", true, "ok"},
        {"echo 'disk 91%'; exit 1", true, "warning: disk 91%"},
        {"exit 1", true, "warning"},
        {"echo 'database down'; exit 2", false, "database down"},
        {"exit 2", false, "critical"},
        {"echo 'no credentials'; exit 3", false, "unknown: no credentials"},
        {"exit 7", false, "exit status 7"},
        {"nonesuch-program", false, NULL}, /* 127, and the reason from stderr */
        {"kill -TERM $$", false, "killed by signal 15"},
        {"printf 'a\\033[1mb\\377'", true, "a?[1mb?"},
        {"printf 'no newline'", true, "no newline"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct probe_result r = shell(rows[i].script, 10000);
        assert_int_equal(r.ok, rows[i].ok);
        assert_false(r.late);
        if (rows[i].text)
            assert_string_equal(r.text, rows[i].text);
        else
            assert_non_null(strstr(r.text, "exit status 127: "));
    }
}

static void arguments_and_environment_say_what_to_probe(void **state)
{
    (void)state;
    assert_string_equal(shell("echo \"$1 $2 $3 $4\"", 10000).text,
                        "192.0.2.1 www.gslb.example eu 8443");
    assert_string_equal(shell("echo \"$MERIDIAN_ADDRESS $MERIDIAN_SERVICE $MERIDIAN_REGION "
                              "$MERIDIAN_PORT $MERIDIAN_TIMEOUT_MS $PWD\"",
                              10000)
                            .text,
                        "192.0.2.1 www.gslb.example eu 8443 10000 /");
    const char *args[] = {"%s\n", "x{address}:{port}{nope}{{region}}{"};
    struct model_probe p = probe_defaults(PROBE_EXEC, 1);
    p.command = "/usr/bin/printf";
    p.args = args;
    p.args_n = 2;
    assert_string_equal(harness_probe(&h, &p, "::1", "a.example").text, "x::1:1{nope}{eu}{");
}

static void nothing_of_ours_is_inherited(void **state)
{
    (void)state;
    setenv("SECRET_OF_THE_DAEMON", "x", 1);
    sigset_t block, before;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigaddset(&block, SIGTERM);
    sigprocmask(SIG_BLOCK, &block, &before);
    const char *args[] = {"-m", "/proc/self/fd"};
    struct model_probe p = probe_defaults(PROBE_EXEC, 0);
    p.command = "/bin/ls";
    p.args = args;
    p.args_n = 2;
    assert_string_equal(harness_probe(&h, &p, "192.0.2.1", "a.example").text,
                        "0, 1, 2, 3"); /* 3 is the directory being listed */
    assert_string_equal(shell("echo \"[$SECRET_OF_THE_DAEMON]\" "
                              "$(grep -E 'Sig(Blk|Ign)' /proc/$$/status | tr -s '\\t\\n' '  ')",
                              10000)
                            .text,
                        "[] SigBlk: 0000000000000000 SigIgn: 0000000000000000");
    sigprocmask(SIG_SETMASK, &before, NULL);
    unsetenv("SECRET_OF_THE_DAEMON");
}

static void a_program_that_cannot_be_run_is_named(void **state)
{
    (void)state;
    struct model_probe p = probe_defaults(PROBE_EXEC, 0);
    p.command = "/nonexistent/check";
    struct probe_result r = harness_probe(&h, &p, "192.0.2.1", "a.example");
    assert_false(r.ok);
    assert_string_equal(r.text, "cannot run /nonexistent/check: no such file or directory");
    p.command = "/etc/passwd";
    assert_string_equal(harness_probe(&h, &p, "192.0.2.1", "a.example").text,
                        "cannot run /etc/passwd: permission denied");
}

/* Whether the process whose number the program wrote is gone; waits for it a little. */
static bool gone(const char *path)
{
    FILE *f = fopen(path, "r");
    long pid = 0;
    if (!f || fscanf(f, "%ld", &pid) != 1)
        fail_msg("no process number");
    fclose(f);
    unlink(path);
    for (int i = 0; i < 500; i++) {
        char stat[64], letter = 'Z';
        snprintf(stat, sizeof stat, "/proc/%ld/stat", pid);
        if (!(f = fopen(stat, "r")))
            return true;
        if (fscanf(f, "%*d (%*[^)]) %c", &letter) != 1)
            letter = 'Z';
        fclose(f);
        if (letter == 'Z') /* dead, and for init to wait for: it was not our child */
            return true;
        usleep(10000);
    }
    return false;
}

static void a_timeout_kills_the_whole_group(void **state)
{
    (void)state;
    char path[64], script[256];
    snprintf(path, sizeof path, "/tmp/probe-test-%d", getpid());
    snprintf(script, sizeof script, "trap '' TERM; sleep 1000 & echo $! > %s; wait", path);
    struct probe_result r = shell(script, 300);
    assert_false(r.ok);
    assert_string_equal(r.text, "timeout after 300 ms");
    assert_true(gone(path));
}

static void what_it_leaves_behind_is_killed_and_not_waited_for(void **state)
{
    (void)state;
    char path[64], script[256];
    snprintf(path, sizeof path, "/tmp/probe-test-%d", getpid());
    snprintf(script, sizeof script, "sleep 1000 & echo $! > %s; echo done", path);
    struct probe_result r = shell(script, 10000); /* the child holds the pipe open */
    assert_true(r.ok);
    assert_string_equal(r.text, "done");
    assert_true(gone(path));
}

static void a_flood_of_output_is_cut(void **state)
{
    (void)state;
    struct probe_result r = shell("yes", 10000);
    assert_false(r.ok);
    assert_string_equal(r.text, "wrote more than 64 KiB");
    r = shell("yes x | head -c 60000", 10000);
    assert_true(r.ok);
    assert_string_equal(r.text, "x");
    r = shell("head -c 3000 /dev/zero | tr '\\0' y", 10000); /* one long line */
    assert_true(r.ok);
    assert_int_equal(strlen(r.text), PROBE_TEXT_MAX - 1);
}

static void closing_its_output_does_not_end_it(void **state)
{
    (void)state;
    struct probe_result r = shell("echo early; exec >&- 2>&-; sleep 0.2; exit 2", 10000);
    assert_false(r.ok);
    assert_string_equal(r.text, "early");
    assert_true(r.latency_us >= 150000);
}

static void closing_the_runner_kills_what_runs(void **state)
{
    (void)state;
    char path[64], script[256];
    snprintf(path, sizeof path, "/tmp/probe-test-%d", getpid());
    snprintf(script, sizeof script, "echo $$ > %s; exec sleep 1000", path);
    const char *args[] = {"-c", script};
    struct model_probe p = probe_defaults(PROBE_EXEC, 0);
    p.command = "/bin/sh";
    p.args = args;
    p.args_n = 2;
    p.interval_ms = 50;
    struct probe_target t = {
        .probe = &p, .service = "a.example", .region = "eu", .address = "192.0.2.1"};
    ip_parse(t.address, &t.ip);
    assert_int_equal(probe_runner_set_targets(h.runner, &t, 1), ERR_OK);
    for (int i = 0; i < 100 && access(path, R_OK) != 0; i++)
        harness_run_ms(&h, 50);
    harness_run_ms(&h, 50);
    harness_close_runner(&h);
    assert_true(gone(path));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
    const struct CMUnitTest tests[] = {
        T(exit_codes_are_those_of_nagios_plugins),
        T(arguments_and_environment_say_what_to_probe),
        T(nothing_of_ours_is_inherited),
        T(a_program_that_cannot_be_run_is_named),
        T(a_timeout_kills_the_whole_group),
        T(what_it_leaves_behind_is_killed_and_not_waited_for),
        T(a_flood_of_output_is_cut),
        T(closing_its_output_does_not_end_it),
        T(closing_the_runner_kills_what_runs),
    };
    return cmocka_run_group_tests(tests, harness_warm, NULL);
}
