/* A zone whose file cannot be read: what it holds is not known, so nothing is denied. */
#include "ask.h"

#include "base/check.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char zone_path[] = "/tmp/meridian-unready-XXXXXX",
            other_path[] = "/tmp/meridian-rest-XXXXXX";

#define ZONE                                                                                       \
    "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\nmail A 192.0.2.25\n@ MX 1 mail\n"    \
    "cut NS ns.far.test.\nold A 192.0.2.66\n"
#define OTHER                                                                                      \
    "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\nto CNAME mail.z.test.\n"             \
    "towww CNAME www.z.test.\nhost A 192.0.2.10\n"

static const char config[] =
    "{\"regions\":[{\"name\":\"eu\"}],\"zones\":[{\"name\":\"z.test\",\"file\":\"%s\"},"
    "{\"name\":\"in.z.test\",\"ns\":[{\"name\":\"ns.far.test\"}]},"
    "{\"name\":\"rest.test\",\"file\":\"%s\"}],\"services\":["
    "{\"name\":\"z.test\",\"ttl\":30,\"endpoints\":[{\"region\":\"eu\",\"address\":\"192.0.2.9\"}]}"
    ","
    "{\"name\":\"www.z.test\",\"ttl\":30,\"endpoints\":[{\"region\":\"eu\",\"address\":\"192.0.2."
    "1\"}]},"
    "{\"name\":\"x.app.z.test\",\"ttl\":30,\"endpoints\":[{\"region\":\"eu\",\"address\":\"192.0.2."
    "2\"}]},"
    "{\"name\":\"a.in.z.test\",\"ttl\":30,\"endpoints\":[{\"region\":\"eu\",\"address\":\"192.0.2."
    "3\"}]}]}";

static struct lab lab;

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* What the daemon does at its start and at a reload: a file that cannot be read is no reason to
 * stop. */
static void compile(void)
{
    char json[2000];
    struct diag diag = {0};
    int64_t revision;
    snprintf(json, sizeof json, config, zone_path, other_path);
    struct model *m = model_create();
    char text[600];
    if (config_import(m, json, strlen(json), &revision, &diag) || model_validate(m, &diag))
        fail_msg("%s", diag_first(&diag, text, sizeof text));
    struct snapshot *s;
    struct snapshot_options options = {.workers = 1, .keep_zones = true};
    snapshot_cache_recheck(lab.cache);
    assert_int_equal(snapshot_compile(m, lab.cache, &options, &s, &diag), ERR_OK);
    snapshot_cache_serves(lab.cache, s);
    diag_fini(&diag);
    model_unref(&m);
    snapshot_unref(&lab.s);
    lab.s = s;
}

static int open_world(void **state)
{
    (void)state;
    int fd = mkstemp(zone_path), fd2 = mkstemp(other_path);
    assert_true(fd >= 0 && fd2 >= 0 && close(fd) == 0 && close(fd2) == 0);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    unlink(other_path);
    return unlink(zone_path);
}

/* The daemon starts, with z.test's file as it is. */
static void start(const char *zone)
{
    memset(&lab, 0, sizeof lab);
    lab.cache = snapshot_cache_create();
    answer_worker_init(&lab.worker, 0, lab_seed());
    write_text(other_path, OTHER);
    write_text(zone_path, zone);
    compile();
}

static unsigned ede_of(const char *name, uint16_t type)
{
    struct answer_plan p;
    lab_decide(&lab, &(struct lab_question){.name = name, .type = type}, &p);
    return p.ede;
}

static void assert_fails(const char *name, uint16_t type)
{
    assert_string_equal(ask_for(&lab, name, type), "SERVFAIL");
    assert_int_equal(ask_outcome(), ANSWER_servfail);
    assert_int_equal(ede_of(name, type), DNS_EDE_NOT_READY);
}

/* RFC 2308 section 7.1: a server that cannot tell says so; RFC 8020 would make a wrong NXDOMAIN
 * deny all that is below. RFC 8914 section 4.15: not ready. */
static void names_of_a_zone_that_was_never_read_are_servfail(void **state)
{
    (void)state;
    start("@ A oops\n");
    assert_fails("mail.z.test", DNS_A);
    assert_fails("mail.z.test", DNS_DS);
    assert_fails("no.such.z.test", DNS_A);
    assert_fails("x.cut.z.test", DNS_A);
    assert_fails("x.www.z.test", DNS_A);
    assert_fails("app.z.test", DNS_A); /* the name above a service, with who knows what */
    assert_fails("z.test", DNS_MX);
    assert_fails("z.test", DNS_SOA);
    assert_fails("z.test", DNS_NS);
    assert_fails("in.z.test", DNS_DS); /* is on this side of the cut, RFC 4035 section 3.1.4.1 */
    lab_close(&lab);
}

static void services_of_a_zone_that_was_never_read_are_answered(void **state)
{
    (void)state;
    start("@ A oops\n");
    assert_string_equal(ask_for(&lab, "www.z.test", DNS_A), "NOERROR aa www.z.test 30 A 192.0.2.1");
    assert_string_equal(ask_for(&lab, "z.test", DNS_A), "NOERROR aa z.test 30 A 192.0.2.9");
    assert_string_equal(ask_for(&lab, "x.app.z.test", DNS_A),
                        "NOERROR aa x.app.z.test 30 A 192.0.2.2");
    assert_int_equal(ede_of("www.z.test", DNS_A), DNS_EDE_NONE);
    /* A service is all that its name has, but at the apex. */
    assert_int_equal(
        ask(&lab, &(struct lab_question){.name = "www.z.test", .type = DNS_TXT})->authorities, 1);
    assert_int_equal(ask_outcome(), ANSWER_nodata);
    assert_string_equal(ask_for(&lab, "a.in.z.test", DNS_A),
                        "NOERROR aa a.in.z.test 30 A 192.0.2.3");
    assert_int_equal(ask(&lab, &(struct lab_question){.name = "b.in.z.test", .type = DNS_A})->rcode,
                     DNS_NXDOMAIN); /* the zone within has no file */
    lab_close(&lab);
}

static void other_zones_do_not_suffer_and_aliases_stand_alone(void **state)
{
    (void)state;
    start("@ A oops\n");
    assert_string_equal(ask_for(&lab, "host.rest.test", DNS_A),
                        "NOERROR aa host.rest.test 60 A 192.0.2.10");
    assert_string_equal(ask_for(&lab, "to.rest.test", DNS_A),
                        "NOERROR aa to.rest.test 60 CNAME mail.z.test");
    assert_string_equal(
        ask_for(&lab, "towww.rest.test", DNS_A),
        "NOERROR aa towww.rest.test 60 CNAME www.z.test; www.z.test 30 A 192.0.2.1");
    lab_close(&lab);
}

static void a_zone_is_ready_once_its_file_can_be_read(void **state)
{
    (void)state;
    start("@ A oops\n");
    assert_fails("mail.z.test", DNS_A);
    write_text(zone_path, ZONE);
    compile();
    assert_string_equal(ask_for(&lab, "mail.z.test", DNS_A),
                        "NOERROR aa mail.z.test 60 A 192.0.2.25");
    assert_string_equal(ask_for(&lab, "no.z.test", DNS_A), "NXDOMAIN aa | z.test 5 SOA ns.z.test");
    assert_int_equal(ede_of("no.z.test", DNS_A), DNS_EDE_NONE);
    lab_close(&lab);
}

static void old_records_of_a_file_gone_bad_are_marked_stale(void **state)
{
    (void)state;
    start(ZONE);
    assert_int_equal(ede_of("mail.z.test", DNS_A), DNS_EDE_NONE);
    write_text(zone_path, "@ A oops\n");
    compile();
    assert_string_equal(ask_for(&lab, "mail.z.test", DNS_A),
                        "NOERROR aa mail.z.test 60 A 192.0.2.25");
    assert_int_equal(ede_of("mail.z.test", DNS_A), DNS_EDE_STALE_ANSWER); /* RFC 8914 section 4.4 */
    assert_int_equal(ede_of("no.z.test", DNS_A), DNS_EDE_STALE_ANSWER);
    assert_int_equal(ede_of("to.rest.test", DNS_A), DNS_EDE_STALE_ANSWER);
    assert_int_equal(ede_of("www.z.test", DNS_A), DNS_EDE_NONE);
    assert_int_equal(ede_of("host.rest.test", DNS_A), DNS_EDE_NONE);
    write_text(zone_path, ZONE "new A 192.0.2.1\n");
    compile();
    assert_int_equal(ede_of("new.z.test", DNS_A), DNS_EDE_NONE);
    lab_close(&lab);
}

static void a_name_in_no_zone_of_ours_is_not_ours_to_say(void **state)
{
    (void)state;
    start(ZONE);
    assert_int_equal(ede_of("example.org", DNS_A), DNS_EDE_NOT_AUTHORITATIVE); /* section 4.21 */
    lab_close(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_a_zone_that_was_never_read_are_servfail),
        cmocka_unit_test(services_of_a_zone_that_was_never_read_are_answered),
        cmocka_unit_test(other_zones_do_not_suffer_and_aliases_stand_alone),
        cmocka_unit_test(a_zone_is_ready_once_its_file_can_be_read),
        cmocka_unit_test(old_records_of_a_file_gone_bad_are_marked_stale),
        cmocka_unit_test(a_name_in_no_zone_of_ours_is_not_ours_to_say),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
