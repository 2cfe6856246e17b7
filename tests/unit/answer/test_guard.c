/* Who may ask, how much, and whose client subnets count. */
#include "ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S INT64_C(1000000000)

#define WORLD(settings)                                                                            \
    "{'settings':{'geo':'@GEO'" settings "}," LAB_ZONE                                             \
    "'regions':[{'name':'eu','at':[51.5,-0.1]},{'name':'us','at':[39.0,-77.5]}],"                  \
    "'maps':[{'name':'m','rules':[{'where':'net:81.2.3.16/28','regions':['us']},"                  \
    "{'where':'default','regions':['eu','us']}]}],"                                                \
    "'services':[{'name':'w.g.test','policy':'nearest','endpoints':" BOTH "},"                     \
    "{'name':'g28.g.test','policy':'geo','map':'m','endpoints':" BOTH "},"                         \
    "{'name':'stick.g.test','policy':'sticky','endpoints':" BOTH "},"                              \
    "{'name':'v.g.test','policy':'failover','endpoints':" BOTH "}]}"
#define BOTH                                                                                       \
    "[{'region':'eu','address':'192.0.2.1','priority':1},"                                         \
    "{'region':'us','address':'192.0.2.2','priority':2}]"

#define LONG_ID "a-name-server-with-a-long-identifier-of-64-octets-in-all-0123456"

static struct lab lab;

static void open_with(const char *json)
{
    lab_open(&lab, json);
    lab.worker.limits.slot = aligned_alloc(64, LIMIT_SLOTS * sizeof(struct limit_slot));
    assert_non_null(lab.worker.limits.slot);
    memset(lab.worker.limits.slot, 0, LIMIT_SLOTS * sizeof(struct limit_slot));
    lab.worker.mono_ns = 1000 * S;
    lab.worker.wall_s = 1764100000;
}

static void close_it(void)
{
    free(lab.worker.limits.slot);
    lab_close(&lab);
}

static uint64_t outcome(enum answer_outcome o)
{
    return atomic_load(&lab.worker.outcome[o]);
}

static uint64_t counter(enum answer_counter c)
{
    return atomic_load(&lab.worker.counter[c]);
}

static struct lab_question from(const char *source)
{
    return (struct lab_question){.name = "v.g.test", .type = DNS_A, .source = source};
}

/* How many of n the same questions are answered with data. */
static unsigned answered(const struct lab_question *q, unsigned n)
{
    unsigned got = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct reply *r = ask(&lab, q);
        got += r && r->answers > 0;
    }
    return got;
}

/* ------------------------------------------------------------------------------- who may ask */

static void who_is_denied_is_refused_and_counted(void **state)
{
    (void)state;
    open_with(WORLD(",'deny':'203.0.113.0/24,2001:db8::/32'"));
    struct lab_question q = from("203.0.113.9");
    assert_int_equal(ask(&lab, &q)->rcode, DNS_REFUSED);
    q.tcp = true;
    assert_int_equal(ask(&lab, &q)->rcode, DNS_REFUSED);
    q = from("2001:db8::1");
    assert_int_equal(ask(&lab, &q)->rcode, DNS_REFUSED);
    q = from("203.0.112.9");
    assert_int_equal(ask(&lab, &q)->rcode, DNS_NOERROR);
    assert_int_equal(counter(ANSWER_COUNT_denied), 3);
    assert_int_equal(outcome(ANSWER_refused), 3);
    close_it();
}

/* What is no query is not refused, and not counted as if it were. */
static void only_queries_are_denied(void **state)
{
    (void)state;
    open_with(WORLD(",'deny':'198.18.0.0/16'"));
    static const uint8_t answer[12] = {1, 2, 0x80, 0, 0, 1}, notify[12] = {1, 2, 0x20},
                         cut[12] = {1, 2, 0, 0, 0, 1};
    assert_null(ask_bytes(&lab, answer, sizeof answer, false));
    assert_int_equal(ask_bytes(&lab, notify, sizeof notify, false)->rcode, DNS_NOTIMP);
    assert_int_equal(ask_bytes(&lab, cut, sizeof cut, false)->rcode, DNS_FORMERR);
    assert_int_equal(counter(ANSWER_COUNT_denied), 0);
    struct answer_note note;
    assert_false(answer_note_take(&lab.worker, &note));
    struct lab_question q = from("198.18.0.1");
    assert_int_equal(ask(&lab, &q)->rcode, DNS_REFUSED);
    assert_int_equal(counter(ANSWER_COUNT_denied), 1);
    close_it();
}

static void where_some_are_allowed_all_others_are_denied(void **state)
{
    (void)state;
    open_with(WORLD(",'allow':'203.0.113.0/24','deny':'203.0.113.128/25'"));
    struct lab_question q = from("203.0.113.9");
    assert_int_equal(ask(&lab, &q)->rcode, DNS_NOERROR);
    q = from("203.0.113.129"); /* deny comes first */
    assert_int_equal(ask(&lab, &q)->rcode, DNS_REFUSED);
    q = from("198.51.100.1");
    assert_int_equal(ask(&lab, &q)->rcode, DNS_REFUSED);
    q = from("2001:db8::1");
    assert_int_equal(ask(&lab, &q)->rcode, DNS_REFUSED);
    close_it();
}

/* ---------------------------------------------------------------------------------- how much */

static void a_network_gets_its_rate_and_one_seconds_worth_at_once(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit':'10','rate-limit-slip':'0'"));
    struct lab_question q = from("203.0.113.9"), neighbour = from("203.0.113.200");
    assert_int_equal(answered(&q, 100), 10);
    assert_int_equal(outcome(ANSWER_limited_dropped), 90);
    assert_int_equal(answered(&neighbour, 10), 0); /* of the same /24 */
    struct lab_question other = from("203.0.114.9");
    assert_int_equal(answered(&other, 5), 5);
    unsigned got = 0;
    for (int i = 0; i < 100; i++) { /* ten seconds of 100 a second */
        lab.worker.mono_ns += S / 10;
        got += answered(&q, 10);
    }
    assert_int_equal(got, 100);
    lab.worker.mono_ns += 100 * S; /* what was not used is not saved up */
    assert_int_equal(answered(&q, 100), 10);
    close_it();
}

static void slip_says_how_many_of_the_limited_are_truncated(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        unsigned slipped, within;
    } rows[] = {{WORLD(",'rate-limit':'10','rate-limit-slip':'0'"), 0, 0},
                {WORLD(",'rate-limit':'10','rate-limit-slip':'1'"), 600, 0},
                {WORLD(",'rate-limit':'10'"), 300, 60},
                {WORLD(",'rate-limit':'10','rate-limit-slip':'3'"), 200, 60}};
    for (size_t i = 0; i < 4; i++) {
        open_with(rows[i].json);
        struct lab_question q = from("203.0.113.9");
        unsigned truncated = 0;
        for (int k = 0; k < 610; k++) {
            const struct reply *r = ask(&lab, &q);
            if (r && r->tc) {
                assert_int_equal(r->n, 0);
                truncated++;
            }
        }
        assert_near(truncated, rows[i].slipped, rows[i].within);
        assert_int_equal(outcome(ANSWER_limited_slipped), truncated);
        assert_int_equal(outcome(ANSWER_limited_dropped), 600 - truncated);
        close_it();
    }
}

/* Who is limited himself sees what slips, and asks until something did: were it each second one in turn,
 * the next would always be dropped. */
static void nobody_can_tell_who_slips_next(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit':'10'"));
    struct lab_question attacker = from("203.0.113.9"), victim = from("198.51.100.7");
    answered(&attacker, 10);
    answered(&victim, 10);
    unsigned slipped = 0;
    for (int i = 0; i < 400; i++) {
        const struct reply *r = NULL;
        for (int tries = 0; tries < 1000 && !r; tries++)
            r = ask(&lab, &attacker);
        assert_non_null(r);
        r = ask(&lab, &victim);
        slipped += r && r->tc;
    }
    assert_near(slipped, 200, 60);
    close_it();
}

static void a_dry_run_only_counts(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit':'10','rate-limit-mode':'dry-run'"));
    struct lab_question q = from("203.0.113.9");
    assert_int_equal(answered(&q, 100), 100);
    assert_int_equal(counter(ANSWER_COUNT_limited_dry), 90);
    assert_int_equal(outcome(ANSWER_limited_dropped) + outcome(ANSWER_limited_slipped), 0);
    struct answer_note note;
    assert_true(answer_note_take(&lab.worker, &note));
    assert_true(note.dry_run);
    close_it();
}

static void tcp_and_exempt_networks_have_no_limit(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit':'10','rate-limit-exempt':'203.0.113.0/24'"));
    struct lab_question q = from("203.0.113.9"), tcp = from("198.51.100.7");
    assert_int_equal(answered(&q, 100), 100);
    tcp.tcp = true;
    assert_int_equal(answered(&tcp, 100), 100);
    close_it();
}

/* RFC 7873 section 5.2.3: BADCOOKIE teaches a cookie; its holder is not limited */
static void who_holds_a_cookie_has_no_limit(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit':'10','rate-limit-slip':'1'"));
    uint8_t option[28] = {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
    struct lab_question q = from("203.0.113.9");
    q.options = option;
    q.options_len = 12;
    assert_int_equal(answered(&q, 20), 10);
    const struct reply *r = ask(&lab, &q);
    assert_int_equal(r->rcode, DNS_BADCOOKIE);
    assert_false(r->tc);
    assert_int_equal(r->n, 0);
    assert_int_equal(r->cookie_len, 24);
    option[3] = 24;
    memcpy(option + 4, r->cookie, 24);
    q.options_len = 28;
    assert_int_equal(answered(&q, 100), 100);
    q.source = "203.0.113.10"; /* not his to lend */
    assert_int_equal(answered(&q, 100), 0);
    close_it();
}

/* In an incident a resolver asks for many networks at once, more often, and for narrower scopes: each
 * answer is another one. */
static void many_client_subnets_are_many_answers(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit':'10'"));
    unsigned got = 0;
    struct lab_question q = {.name = "stick.g.test", .type = DNS_A, .source = "203.0.113.9"};
    for (unsigned i = 0; i < 190; i++) {
        q.net = (struct ip_prefix){.ip = {.family = 4, .b = {81, 2, (uint8_t)i}}, .len = 24};
        got += answered(&q, 1);
    }
    assert_int_equal(got, 190);
    assert_int_equal(answered(&q, 20), 9); /* the last one again */
    close_it();
}

/* Bits past subnet-max decide nothing, so that varying them makes no other answer. */
static void bits_that_do_not_count_make_no_other_answer(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit':'10','subnet-max-v4':'24'"));
    unsigned got = 0;
    struct lab_question q = {.name = "stick.g.test", .type = DNS_A, .source = "203.0.113.9"};
    for (unsigned i = 0; i < 100; i++) {
        q.net = (struct ip_prefix){.ip = {.family = 4, .b = {81, 2, 3, (uint8_t)i}}, .len = 32};
        got += answered(&q, 1);
    }
    assert_int_equal(got, 10);
    close_it();
}

static void a_rate_below_the_number_of_workers_lets_one_through_at_a_time(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit':'2','rate-limit-slip':'0'"));
    lab.s->workers = 8; /* one answer in four seconds of each of them */
    struct lab_question q = from("203.0.113.9");
    assert_int_equal(answered(&q, 10), 1);
    lab.worker.mono_ns += 3 * S;
    assert_int_equal(answered(&q, 10), 0);
    lab.worker.mono_ns += S;
    assert_int_equal(answered(&q, 10), 1);
    lab.s->workers = 1;
    close_it();
}

/* What is sent over a limit is for whoever did not ask, too. */
static void who_is_limited_gets_no_identifier(void **state)
{
    (void)state;
    open_with(WORLD(",'nsid':'" LONG_ID "','rate-limit':'10','rate-limit-slip':'1'"));
    uint8_t option[12] = {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
    struct lab_question q = from("203.0.113.9");
    q.nsid = true;
    assert_int_equal(answered(&q, 20), 10);
    assert_true(ask(&lab, &q)->tc);
    uint8_t packet[1024];
    assert_int_equal(ask_length(), lab_packet(&q, packet) - 4); /* all but the option */
    q.options = option;
    q.options_len = sizeof option;
    assert_int_equal(ask(&lab, &q)->rcode, DNS_BADCOOKIE);
    assert_int_equal(ask_length(), lab_packet(&q, packet) - 4 + 16);
    close_it();
}

static void who_varies_the_question_meets_the_total(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit':'10','rate-limit-slip':'0'")); /* 20 times that in total */
    unsigned got = 0;
    for (unsigned i = 0; i < 500; i++) {
        struct lab_question q = {
            .name = "stick.g.test",
            .type = DNS_A,
            .source = "203.0.113.9",
            .net = {{.family = 4, .b = {81, (uint8_t)(i >> 8), (uint8_t)i}}, 24}};
        got += answered(&q, 1);
    }
    assert_int_equal(got, 200);
    struct answer_note note;
    bool total = false;
    while (answer_note_take(&lab.worker, &note))
        total |= note.kind == ANSWER_NOTE_LIMIT_TOTAL;
    assert_true(total);
    close_it();
}

static void the_total_needs_no_other_limit(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit-total':'15'"));
    struct lab_question q = from("203.0.113.9"), other = q;
    other.name = "w.g.test";
    assert_int_equal(answered(&q, 10) + answered(&other, 10), 15);
    close_it();
}

static void random_names_that_do_not_exist_are_one_answer(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit':'10','rate-limit-slip':'0'"));
    char name[40];
    unsigned got = 0;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "x%u.g.test", i);
        struct lab_question q = {.name = name, .type = DNS_A, .source = "203.0.113.9"};
        const struct reply *r = ask(&lab, &q);
        got += r != NULL && r->rcode == DNS_NXDOMAIN;
    }
    assert_int_equal(got, 10);
    close_it();
}

static void errors_are_limited_by_kind(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit':'10','rate-limit-slip':'0'"));
    unsigned got = 0;
    uint8_t msg[1024];
    struct lab_question q = {.name = "v.g.test", .type = DNS_A, .edns = 1232};
    size_t len = lab_packet(&q, msg);
    msg[5] = 2; /* two questions */
    for (unsigned i = 0; i < 100; i++)
        got += ask_bytes(&lab, msg, len, false) != NULL;
    assert_int_equal(got, 10);
    q.source = "198.18.0.1"; /* where ask_bytes comes from: other answers are not touched */
    assert_int_equal(answered(&q, 5), 5);
    close_it();
}

static void prefix_lengths_can_be_set(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit':'10','rate-limit-prefix-v4':'32','rate-limit-prefix-v6':'48'"));
    struct lab_question q = from("203.0.113.9"), neighbour = from("203.0.113.10");
    assert_int_equal(answered(&q, 20), 10);
    assert_int_equal(answered(&neighbour, 20), 10);
    struct lab_question six = from("2001:db8:7:100::1"), same48 = from("2001:db8:7:200::1");
    assert_int_equal(answered(&six, 20), 10);
    assert_int_equal(answered(&same48, 20), 0);
    close_it();
}

/* A table is a line of four: the fullest stay limited, whatever else comes by. */
static void strangers_do_not_wash_a_limit_away(void **state)
{
    (void)state;
    static struct limit_table t;
    t.slot = aligned_alloc(64, LIMIT_SLOTS * sizeof *t.slot);
    assert_non_null(t.slot);
    memset(t.slot, 0, LIMIT_SLOTS * sizeof *t.slot);
    int64_t now = 50 * S;
    const uint64_t victim = 0x1234500001ull;
    for (int i = 0; i < 100; i++)
        (void)limit_take(&t, victim, S / 10, now);
    for (uint64_t i = 1; i < 1000; i++) /* all of the same line, one question each */
        assert_true(limit_take(&t, victim + (i << 32), S / 10, now));
    assert_false(limit_take(&t, victim, S / 10, now));
    assert_true(limit_take(&t, victim, S / 10, now + S));
    free(t.slot);
    t.slot = NULL;
    assert_true(limit_take(&t, victim, S / 10, now)); /* without a table nothing is limited */
}

static void a_note_says_whom_it_met_and_waits_until_it_is_taken(void **state)
{
    (void)state;
    open_with(WORLD(",'rate-limit':'10','deny':'198.51.100.0/24'"));
    struct lab_question q = from("203.0.113.9"), denied = from("198.51.100.7");
    struct answer_note note;
    char text[DNS_NAME_TEXT_MAX], address[IP_TEXT_MAX];
    assert_false(answer_note_take(&lab.worker, &note));
    answered(&q, 20);
    (void)ask(&lab, &denied); /* finds one waiting */
    assert_true(answer_note_take(&lab.worker, &note));
    assert_int_equal(note.kind, ANSWER_NOTE_LIMIT);
    assert_string_equal(ip_format(&note.source, address), "203.0.113.9");
    assert_string_equal(dns_name_to_text(note.name, text), "v.g.test");
    assert_int_equal(note.type, DNS_A);
    assert_false(answer_note_take(&lab.worker, &note));
    (void)ask(&lab, &denied);
    assert_true(answer_note_take(&lab.worker, &note));
    assert_int_equal(note.kind, ANSWER_NOTE_DENIED);
    close_it();
}

/* --------------------------------------------------------------------- whose word is believed */

static unsigned scope_of(const char *name, const char *subnet, const char *source, uint8_t *last)
{
    const struct reply *r = ask(
        &lab,
        &(struct lab_question){.name = name, .type = DNS_A, .subnet = subnet, .source = source});
    struct ip_prefix p = lab_prefix(subnet);
    assert_true(r->ecs); /* echoed as it came, whatever was used: RFC 7871 section 7.2.1 */
    assert_int_equal(r->ecs_source, p.len);
    assert_memory_equal(r->ecs_addr, p.ip.b, r->ecs_octets);
    *last = r->rr[0].rdata[3];
    return r->ecs_scope;
}

/* RFC 7871 section 11.3 */
static void subnets_of_strangers_are_not_believed(void **state)
{
    (void)state;
    open_with(WORLD(",'subnet-from':'198.18.0.0/16'"));
    uint8_t last;
    assert_int_equal(scope_of("w.g.test", "9.2.3.0/24", "198.18.0.1", &last), 8);
    assert_int_equal(last, 2); /* us: the subnet's */
    assert_int_equal(scope_of("w.g.test", "9.2.3.0/24", "81.1.1.1", &last), 0);
    assert_int_equal(last, 1); /* eu: the source's, and for all its clients */
    assert_int_equal(scope_of("stick.g.test", "9.2.3.0/24", "81.1.1.1", &last), 0);
    close_it();
}

/* RFC 7871 section 7.1.2: fewer bits are used than given, and nobody is told apart by more. */
static void no_scope_is_longer_than_the_bits_that_are_used(void **state)
{
    (void)state;
    uint8_t last;
    open_with(WORLD(""));
    assert_int_equal(scope_of("g28.g.test", "81.2.3.16/28", "198.18.0.1", &last), 28);
    assert_int_equal(last, 2);
    close_it();
    open_with(WORLD(",'subnet-max-v4':'24','subnet-max-v6':'40'"));
    assert_int_equal(scope_of("g28.g.test", "81.2.3.16/28", "198.18.0.1", &last), 24);
    assert_int_equal(last, 1); /* as 81.2.3.0/24 gets */
    assert_int_equal(scope_of("g28.g.test", "81.2.3.0/24", "198.18.0.1", &last), 24);
    assert_int_equal(last, 1);
    assert_int_equal(scope_of("g28.g.test", "81.2.3.200/32", "198.18.0.1", &last), 24);
    assert_int_equal(scope_of("stick.g.test", "2a00:1:2::/48", "198.18.0.1", &last), 40);
    uint8_t other;
    assert_int_equal(scope_of("stick.g.test", "2a00:1:ff::/48", "198.18.0.1", &other), 40);
    assert_int_equal(last, other); /* both are 2a00:1::/40 now */
    close_it();
}

/* ------------------------------------------------------------------------------- octets */

static void who_proves_nothing_gets_smaller_answers(void **state)
{
    (void)state;
    static char json[9000];
    size_t n = (size_t)sprintf(json, "{'settings':{'udp-size-unverified':'512'}," LAB_ZONE
                                     "'regions':[{'name':'eu'}],'services':[{'name':'v.g.test',"
                                     "'policy':'all','endpoints':[");
    for (int i = 1; i <= 60; i++)
        n += (size_t)sprintf(json + n, "%s{'region':'eu','address':'192.0.2.%d'}", i > 1 ? "," : "",
                             i);
    strcpy(json + n, "]}]}");
    open_with(json);
    uint8_t option[28] = {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
    struct lab_question q = from("203.0.113.9");
    q.edns = 1232;
    assert_true(ask(&lab, &q)->tc);
    q.options = option;
    q.options_len = 12;
    const struct reply *r = ask(&lab, &q);
    assert_true(r->tc);
    option[3] = 24;
    memcpy(option + 4, r->cookie, 24);
    q.options_len = 28;
    r = ask(&lab, &q);
    assert_false(r->tc);
    assert_int_equal(r->answers, 60);
    close_it();
}

/* udp-size holds for everybody: what proves nothing never gets more than what does. */
static void the_smaller_size_holds_for_who_proves_nothing(void **state)
{
    (void)state;
    open_with("{'settings':{'udp-size':'512'}," LAB_ZONE
              "'regions':[{'name':'eu'}],'services':[{'name':'v.g.test','policy':'failover',"
              "'endpoints':[{'region':'eu','address':'192.0.2.1'}]}]}");
    assert_int_equal(lab.s->guard.udp_size, 512);
    assert_int_equal(lab.s->guard.udp_size_unverified, 512);
    close_it();
}

static void settings_that_make_no_sense_are_refused_with_a_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *json, *part;
    } rows[] = {
        {WORLD(",'deny':'10.0.0.1/8'"), "deny \"10.0.0.1/8\" is not accepted"},
        {WORLD(",'allow':'lan'"), "networks, comma-separated"},
        {WORLD(",'cookie-secret':'abc'"), "32 hexadecimal digits"},
        {WORLD(",'cookie-secret':'e5e973e5a6b2a43f48e7dc849e37bfcfaa'"), "32 hexadecimal digits"},
        {WORLD(",'udp-size':'4096'"), "512 to 1232"},
        {WORLD(",'subnet-max-v4':'33'"), "1 to 32"},
        {WORLD(",'cookies':'yes'"), "on or off"},
        {WORLD(",'rate-limit-mode':'off'"), "on or dry-run"},
        {WORLD(",'rate-limit':'-1'"), "0 to 1000000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[600];
        lab_refused(rows[i].json, text, sizeof text);
        if (!strstr(text, rows[i].part))
            fail_msg("\"%s\" does not say \"%s\"", text, rows[i].part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_denied_is_refused_and_counted),
        cmocka_unit_test(only_queries_are_denied),
        cmocka_unit_test(where_some_are_allowed_all_others_are_denied),
        cmocka_unit_test(a_network_gets_its_rate_and_one_seconds_worth_at_once),
        cmocka_unit_test(slip_says_how_many_of_the_limited_are_truncated),
        cmocka_unit_test(nobody_can_tell_who_slips_next),
        cmocka_unit_test(a_dry_run_only_counts),
        cmocka_unit_test(tcp_and_exempt_networks_have_no_limit),
        cmocka_unit_test(who_holds_a_cookie_has_no_limit),
        cmocka_unit_test(many_client_subnets_are_many_answers),
        cmocka_unit_test(bits_that_do_not_count_make_no_other_answer),
        cmocka_unit_test(a_rate_below_the_number_of_workers_lets_one_through_at_a_time),
        cmocka_unit_test(who_is_limited_gets_no_identifier),
        cmocka_unit_test(who_varies_the_question_meets_the_total),
        cmocka_unit_test(the_total_needs_no_other_limit),
        cmocka_unit_test(random_names_that_do_not_exist_are_one_answer),
        cmocka_unit_test(errors_are_limited_by_kind),
        cmocka_unit_test(prefix_lengths_can_be_set),
        cmocka_unit_test(strangers_do_not_wash_a_limit_away),
        cmocka_unit_test(a_note_says_whom_it_met_and_waits_until_it_is_taken),
        cmocka_unit_test(subnets_of_strangers_are_not_believed),
        cmocka_unit_test(no_scope_is_longer_than_the_bits_that_are_used),
        cmocka_unit_test(who_proves_nothing_gets_smaller_answers),
        cmocka_unit_test(the_smaller_size_holds_for_who_proves_nothing),
        cmocka_unit_test(settings_that_make_no_sense_are_refused_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
