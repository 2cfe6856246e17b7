/* Extended errors (RFC 8914), edns-tcp-keepalive (RFC 7828), and what CH names say (RFC 4892): what
 * a person with dig learns. */
#include "ask.h"

#include <string.h>

#define EP(address) "{'region':'eu','address':'" address "'}"
#define WORLD(more)                                                                                \
    "{'settings':{" more "}," LAB_ZONE "'regions':[{'name':'eu'},{'name':'us'}],"                  \
    "'maps':[{'name':'m','rules':[{'where':'net:198.18.0.0/16','regions':['eu']},"                 \
    "{'where':'default','regions':['us']}]}],"                                                     \
    "'services':[{'name':'w.g.test','policy':'failover','endpoints':[" EP(                         \
        "192.0.2.1") "]},"                                                                         \
                     "{'name':'f.g.test','policy':'fence','map':'m','endpoints':[" EP(             \
                         "192.0.2.1") ",{'region':'us','address':'192.0.2.2'}]}]}"

static struct lab lab;

static int open_world(void **state)
{
    (void)state;
    lab_open(&lab, WORLD("'nsid':'box-7'"));
    lab.worker.tcp_idle_100ms = 100;
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    lab_close(&lab);
    return 0;
}

/* RFC 8914 section 4.21; RFC 8914 section 2: in an OPT that was asked for, beside the RCODE */
static void refused_says_not_authoritative(void **state)
{
    (void)state;
    struct lab_question q = {.name = "elsewhere.example", .type = DNS_A};
    const struct reply *r = ask(&lab, &q);
    assert_int_equal(r->rcode, DNS_REFUSED);
    assert_false(r->ede); /* no EDNS, no option: RFC 6891 section 6.1.1 */
    q.edns = 1232;
    r = ask(&lab, &q);
    assert_int_equal(r->rcode, DNS_REFUSED);
    assert_true(r->ede);
    assert_int_equal(r->ede_code, 20);
}

/* RFC 8914 section 4.19 */
static void refused_by_a_list_says_prohibited(void **state)
{
    (void)state;
    struct lab other;
    lab_open(&other, WORLD("'deny':'198.18.0.0/24'"));
    struct lab_question q = {.name = "w.g.test", .type = DNS_A, .edns = 1232};
    const struct reply *r = ask(&other, &q);
    assert_int_equal(r->rcode, DNS_REFUSED);
    assert_int_equal(r->ede_code, 18);
    lab_close(&other);
}

/* RFC 8914 section 4.1 */
static void servfail_behind_a_fence_says_why(void **state)
{
    (void)state;
    struct lab_question q = {.name = "f.g.test", .type = DNS_A, .edns = 1232};
    lab_set_region_word(&lab, "eu", STEER_WORD_OFF);
    const struct reply *r = ask(&lab, &q);
    assert_int_equal(r->rcode, DNS_SERVFAIL);
    assert_true(r->ede);
    assert_int_equal(r->ede_code, 0);
    assert_true(strlen(r->ede_text) > 10);
    lab_set_all(&lab, 1);
    assert_false(ask(&lab, &q)->ede); /* nothing to explain */
}

static void an_answer_without_trouble_explains_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"w.g.test", "g.test", "absent.g.test", "ns1.g.test"};
    for (size_t i = 0; i < 4; i++)
        assert_false(
            ask(&lab, &(struct lab_question){.name = names[i], .type = DNS_A, .edns = 1232})->ede);
}

static const uint8_t keepalive[] = {0, 11, 0, 0}, keepalive_long[] = {0, 11, 0, 2, 0, 9};

/* RFC 7828 section 3.1, RFC 7828 section 3.3.2 */
static void keepalive_over_tcp_where_it_was_asked(void **state)
{
    (void)state;
    struct lab_question q = {.name = "w.g.test",
                             .type = DNS_A,
                             .tcp = true,
                             .options = keepalive,
                             .options_len = sizeof keepalive};
    const struct reply *r = ask(&lab, &q);
    assert_true(r->keepalive);
    assert_int_equal(r->keepalive_100ms, 100);
    q.options_len = 0;
    q.edns = 1232;
    assert_false(ask(&lab, &q)->keepalive);
    q.options = keepalive_long; /* only a server says how long */
    q.options_len = sizeof keepalive_long;
    assert_int_equal(ask(&lab, &q)->rcode, DNS_FORMERR);
}

/* RFC 7828 section 3.3.1: ignored */
static void keepalive_over_udp_means_nothing(void **state)
{
    (void)state;
    struct lab_question q = {
        .name = "w.g.test", .type = DNS_A, .options = keepalive, .options_len = sizeof keepalive};
    const struct reply *r = ask(&lab, &q);
    assert_int_equal(r->rcode, DNS_NOERROR);
    assert_false(r->keepalive);
    q.options = keepalive_long;
    q.options_len = sizeof keepalive_long;
    assert_int_equal(ask(&lab, &q)->rcode, DNS_NOERROR);
}

/* RFC 7830 section 6: never in clear text; RFC 6891 section 6.1.2 for the others */
static void padding_and_unknown_options_are_not_answered(void **state)
{
    (void)state;
    static const uint8_t options[] = {0, 12, 0, 4, 0, 0, 0, 0, 0xff, 0xfe, 0, 2, 1, 2, 0, 9, 0, 0};
    const struct reply *plain, *r;
    struct lab_question q = {.name = "w.g.test", .type = DNS_A, .edns = 1232};
    plain = ask(&lab, &q);
    assert_int_equal(plain->rcode, DNS_NOERROR);
    size_t length = ask_length();
    q.options = options;
    q.options_len = sizeof options;
    r = ask(&lab, &q);
    assert_int_equal(r->rcode, DNS_NOERROR);
    assert_int_equal(ask_length(), length);
}

static const struct reply *ask_chaos(struct lab *l, const char *name, uint16_t type)
{
    return ask(l, &(struct lab_question){.name = name, .type = type, .class = DNS_CH});
}

static void assert_says(const struct reply *r, const char *text)
{
    assert_int_equal(r->rcode, DNS_NOERROR);
    assert_int_equal(r->answers, 1);
    assert_int_equal(r->rr[0].type, DNS_TXT);
    assert_int_equal(r->rr[0].class, DNS_CH);
    assert_int_equal(r->rr[0].ttl, 0);
    assert_int_equal(r->rr[0].rdata[0], strlen(text));
    assert_memory_equal(r->rr[0].rdata + 1, text, strlen(text));
}

/* RFC 4892 section 2: TXT in class CH */
static void chaos_names_say_what_the_settings_say(void **state)
{
    (void)state;
    assert_says(ask_chaos(&lab, "version.bind", DNS_TXT), "meridian " MERIDIAN_VERSION);
    assert_says(ask_chaos(&lab, "VERSION.server", DNS_TXT), "meridian " MERIDIAN_VERSION);
    assert_says(ask_chaos(&lab, "id.server", DNS_TXT), "box-7");
    assert_says(ask_chaos(&lab, "hostname.bind", DNS_ANY), "box-7");
}

static void other_questions_of_that_class_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t type;
    } rows[] = {{"version.bind", DNS_A},
                {"authors.bind", DNS_TXT},
                {"w.g.test", DNS_TXT},
                {"w.g.test", DNS_A},
                {".", DNS_TXT},
                {"x.version.bind", DNS_TXT},
                {"version.bindx", DNS_TXT},
                {"g.test", DNS_SOA}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct reply *r = ask_chaos(&lab, rows[i].name, rows[i].type);
        assert_int_equal(r->rcode, DNS_REFUSED);
        assert_int_equal(r->n, 0);
    }
    struct lab silent;
    lab_open(&silent, WORLD("'version':''"));
    assert_int_equal(ask_chaos(&silent, "version.bind", DNS_TXT)->rcode, DNS_REFUSED);
    assert_int_equal(ask_chaos(&silent, "id.server", DNS_TXT)->rcode, DNS_REFUSED);
    lab_close(&silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_says_not_authoritative),
        cmocka_unit_test(refused_by_a_list_says_prohibited),
        cmocka_unit_test(servfail_behind_a_fence_says_why),
        cmocka_unit_test(an_answer_without_trouble_explains_nothing),
        cmocka_unit_test(keepalive_over_tcp_where_it_was_asked),
        cmocka_unit_test(keepalive_over_udp_means_nothing),
        cmocka_unit_test(padding_and_unknown_options_are_not_answered),
        cmocka_unit_test(chaos_names_say_what_the_settings_say),
        cmocka_unit_test(other_questions_of_that_class_are_refused),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
