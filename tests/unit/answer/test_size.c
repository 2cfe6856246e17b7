/* Truncation: whole RRsets or TC, never a part; everything over TCP. */
#include "ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct lab lab;
static char zone_path[] = "/tmp/meridian-size-XXXXXX";

static int open_world(void **state)
{
    (void)state;
    static char json[40000], zone[40000];
    size_t n = (size_t)sprintf(zone, "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n");
    for (int i = 0; i < 10; i++) /* 10 servers below the cut, 20 addresses */
        n += (size_t)sprintf(zone + n,
                             "cut NS s%d.cut\ns%d.cut A 192.0.2.%d\ns%d.cut AAAA 2001:db8::%d\n", i,
                             i, i, i, i);
    for (int i = 0; i < 4;
         i++) /* few servers, all of them elsewhere in the zone, some with many addresses */
        n += (size_t)sprintf(zone + n, "far NS f%d\n", i);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 8; k++)
            n += (size_t)sprintf(zone + n, "f%d AAAA 2001:db8:%d::%d\n", i, i, k);
    for (int i = 0; i < 250; i++)
        n += (size_t)sprintf(zone + n, "many A 198.51.100.%d\n", i);
    int fd = mkstemp(zone_path);
    assert_true(fd >= 0 && write(fd, zone, n) == (ssize_t)n && close(fd) == 0);
    n = (size_t)sprintf(json,
                        "{'zones':[{'name':'z.test','file':'%s'}],'regions':[{'name':'eu'}],"
                        "'services':[{'name':'all.z.test','policy':'all','endpoints':[",
                        zone_path);
    for (int i = 0; i < 200; i++)
        n += (size_t)sprintf(json + n, "%s{'region':'eu','address':'192.0.2.%d'}", i ? "," : "", i);
    strcpy(json + n, "]}]}");
    lab_open(&lab, json);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    lab_close(&lab);
    return unlink(zone_path);
}

static void many_answers_are_truncated_to_none_and_tc(void **state)
{
    (void)state;
    static const char *const names[] = {"all.z.test", "many.z.test"};
    static const uint16_t sizes[] = {0, 400, 512, 1232, 65535};
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 5; k++) {
            const struct reply *r = ask(
                &lab, &(struct lab_question){.name = names[i], .type = DNS_A, .edns = sizes[k]});
            assert_true(r->tc && r->aa);
            assert_int_equal(r->n, 0); /* RFC 2181 section 9: nothing in part */
            assert_int_equal(ask_outcome(), ANSWER_truncated);
        }
}

static void everything_goes_over_tcp(void **state)
{
    (void)state;
    const struct reply *r =
        ask(&lab, &(struct lab_question){.name = "all.z.test", .type = DNS_A, .tcp = true});
    assert_int_equal(r->answers, 200);
    r = ask(&lab, &(struct lab_question){.name = "many.z.test", .type = DNS_A, .tcp = true});
    assert_int_equal(r->answers, 250);
    assert_false(r->tc);
}

static void needed_glue_is_whole_or_tc(void **state)
{
    (void)state;
    struct lab_question q = {.name = "x.cut.z.test", .type = DNS_A};
    assert_true(ask(&lab, &q)->tc); /* RFC 9471 section 3.1 */
    q.edns = 1232;
    const struct reply *r = ask(&lab, &q);
    assert_false(r->tc);
    assert_int_equal(r->authorities, 10);
    assert_int_equal(r->additionals, 20);
}

static void other_additional_data_is_dropped_in_silence(void **state)
{
    (void)state;
    struct lab_question q = {.name = "x.far.z.test", .type = DNS_A};
    const struct reply *r = ask(&lab, &q);
    assert_false(r->tc); /* RFC 2181 section 9 */
    assert_int_equal(r->authorities, 4);
    assert_int_equal(r->additionals, 8); /* whole RRsets only */
    q.tcp = true;
    assert_int_equal(ask(&lab, &q)->additionals, 32);
}

static void an_answer_that_just_fits_is_sent_and_one_octet_less_is_not(void **state)
{
    (void)state;
    struct lab one;
    char json[6000];
    for (int n = 20; n < 80; n++) {
        size_t at = (size_t)sprintf(
            json,
            "{" LAB_ZONE "'regions':[{'name':'eu'}],'services':[{'name':'w.g.test','policy':'all',"
            "'endpoints':[");
        for (int i = 0; i < n; i++)
            at += (size_t)sprintf(json + at, "%s{'region':'eu','address':'192.0.2.%d'}",
                                  i ? "," : "", i);
        strcpy(json + at, "]}]}");
        lab_open(&one, json);
        size_t need = 12 + 10 + 4 + 16 * (size_t)n;
        struct lab_question q = {.name = "w.g.test", .type = DNS_A};
        assert_int_equal(ask(&one, &q)->tc, need > 512);
        q.edns = 1232;
        assert_int_equal(ask(&one, &q)->tc, need + 11 > 1232);
        q.subnet = "192.0.2.0/24";
        q.edns = (uint16_t)(need + 11 + 11);
        if (q.edns >= 512 && q.edns <= 1232) {
            assert_false(ask(&one, &q)->tc);
            assert_int_equal(ask_length(), q.edns);
            q.edns--;
            assert_int_equal(ask(&one, &q)->tc, q.edns >= 512);
        }
        lab_close(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_answers_are_truncated_to_none_and_tc),
        cmocka_unit_test(everything_goes_over_tcp),
        cmocka_unit_test(needed_glue_is_whole_or_tc),
        cmocka_unit_test(other_additional_data_is_dropped_in_silence),
        cmocka_unit_test(an_answer_that_just_fits_is_sent_and_one_octet_less_is_not),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
