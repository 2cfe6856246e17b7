/* EDNS and client subnets: RFC 6891 and RFC 7871 requirement by requirement, with messages made octet
 * by octet. */
#include "ask.h"

#include <stdio.h>
#include <string.h>

static struct lab lab;

static int open_world(void **state)
{
    (void)state;
    lab_open(&lab,
             "{'settings':{'geo':'@GEO','nsid':'box-7'},"
             "'zones':[{'name':'g.test','ns':[{'name':'ns1.g.test','addresses':['192.0.2.53']}]}],"
             "'regions':[{'name':'eu','at':'51.5,-0.1'},"
             "{'name':'us','at':'39.0,-77.5'}],'services':["
             "{'name':'near.g.test','policy':'nearest','ttl':30,'endpoints':["
             "{'region':'eu','address':'192.0.2.1'},{'region':'us','address':'192.0.2.2'}]},"
             "{'name':'alias.g.test','policy':'nearest','ttl':30,'endpoints':["
             "{'region':'eu','address':'near.g.test'},{'region':'us','address':'us.example.net'}]},"
             "{'name':'all.g.test','policy':'all','ttl':30,'endpoints':["
             "{'region':'eu','address':'192.0.2.1'},{'region':'us','address':'192.0.2.2'}]}]}");
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    lab_close(&lab);
    return 0;
}

struct message {
    uint8_t at[1024];
    size_t len;
};

static void add(struct message *m, const void *octets, size_t n)
{
    assert_true(m->len + n <= sizeof m->at);
    memcpy(m->at + m->len, octets, n);
    m->len += n;
}
#define ADD(m, octets) add((m), octets, sizeof octets - 1)

/* A question for the name, and one OPT of this size with these options. */
static struct message with_options(const char *name, size_t name_len, uint16_t type, uint16_t size,
                                   const void *options, size_t n)
{
    struct message m = {.len = 0};
    ADD(&m, "\x4d\x52\1\0\0\1\0\0\0\0\0\1");
    add(&m, name, name_len);
    add(&m,
        (uint8_t[]){(uint8_t)(type >> 8), (uint8_t)type, 0, 1, 0, 0, 41, (uint8_t)(size >> 8),
                    (uint8_t)size, 0, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n},
        15);
    add(&m, options, n);
    return m;
}

#define NEAR "\4near\1g\4test\0"

static const struct reply *ask_options(const void *options, size_t n)
{
    struct message m = with_options(NEAR, sizeof NEAR - 1, DNS_A, 1232, options, n);
    return ask_bytes(&lab, m.at, m.len, false);
}
#define OPTIONS(octets) ask_options(octets, sizeof octets - 1)

static const struct reply *ask_subnet(const char *name, uint16_t type, const char *subnet)
{
    return ask(&lab, &(struct lab_question){.name = name, .type = type, .subnet = subnet});
}

/* RFC 9619 section 4, RFC 1035 section 4.1: one question, no more and no less. */
static void a_query_has_one_question(void **state)
{
    (void)state;
    for (int questions = 0; questions < 4; questions++) {
        struct message m = {.len = 0};
        ADD(&m, "\x4d\x52\1\0\0\0\0\0\0\0\0\0");
        m.at[5] = (uint8_t)questions;
        for (int i = 0; i < questions; i++)
            ADD(&m, NEAR "\0\1\0\1");
        const struct reply *r = ask_bytes(&lab, m.at, m.len, false);
        assert_non_null(r);
        assert_int_equal(r->rcode, questions == 1 ? DNS_NOERROR : DNS_FORMERR);
        assert_int_equal(r->answers, questions == 1);
    }
}

/* RFC 6891 section 6.1.1: an OPT in the answer where the query had one, also beside an error; none
 * else. */
static void an_opt_answers_an_opt(void **state)
{
    (void)state;
    static const char *const names[] = {"near.g.test", "no.g.test", "g.test", "example.org"};
    for (size_t i = 0; i < 4; i++)
        for (int edns = 0; edns < 2; edns++) {
            const struct reply *r = ask(
                &lab,
                &(struct lab_question){.name = names[i], .type = DNS_A, .edns = edns ? 1232 : 0});
            assert_int_equal(r->opt, edns);
        }
    assert_true(OPTIONS("\0\1\0")->opt); /* a format error */
}

/* RFC 6891 section 6.1.1: one OPT, at the root, in the additional section. */
static void a_second_opt_or_one_out_of_place_is_a_format_error(void **state)
{
    (void)state;
    struct message m = with_options(NEAR, sizeof NEAR - 1, DNS_A, 1232, "", 0);
    ADD(&m, "\0\0\51\4\xd0\0\0\0\0\0\0");
    m.at[11] = 2;
    assert_int_equal(ask_bytes(&lab, m.at, m.len, false)->rcode, DNS_FORMERR);
    m = with_options(NEAR, sizeof NEAR - 1, DNS_A, 1232, "", 0);
    m.at[11] = 0, m.at[7] = 1; /* among the answers */
    assert_int_equal(ask_bytes(&lab, m.at, m.len, false)->rcode, DNS_FORMERR);
    m.at[7] = 0, m.at[9] = 1; /* in the authority section */
    assert_int_equal(ask_bytes(&lab, m.at, m.len, false)->rcode, DNS_FORMERR);
    m = (struct message){.len = 0};
    ADD(&m, "\x4d\x52\1\0\0\1\0\0\0\0\0\1" NEAR "\0\1\0\1\1x\0\0\51\4\xd0\0\0\0\0\0\0");
    assert_int_equal(ask_bytes(&lab, m.at, m.len, false)->rcode, DNS_FORMERR);
}

/* RFC 6891 section 6.1.2: options that we do not know are neither answered nor in the way. */
static void unknown_options_are_ignored(void **state)
{
    (void)state;
    static const struct {
        const char *octets;
        size_t len;
    } options[] = {
        {"\xfd\xe9\0\0", 4}, /* 65001, empty */
        {"\xfd\xe9\0\4abcd", 8},
        {"\0\5\0\2\10\15", 6}, /* DAU, RFC 6975 */
        {"\0\11\0\0", 4},      /* EXPIRE, RFC 7314 section 3 */
        {"\0\15\0\3\1a\0", 7}, /* CHAIN, RFC 7901 */
        {"\xff\xff\0\0\xff\xff\0\0", 8},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const struct reply *r = ask_options(options[i].octets, options[i].len);
        assert_int_equal(r->rcode, DNS_NOERROR); /* and the reader of these tests knows none */
        assert_int_equal(r->answers, 1);
        assert_true(r->opt);
    }
}

/* RFC 6891 section 6.1.2: options fill their record, no more, no less. */
static void an_option_list_that_does_not_fit_is_a_format_error(void **state)
{
    (void)state;
    assert_int_equal(OPTIONS("\xfd")->rcode, DNS_FORMERR);
    assert_int_equal(OPTIONS("\xfd\xe9\0")->rcode, DNS_FORMERR);
    assert_int_equal(OPTIONS("\xfd\xe9\0\1")->rcode, DNS_FORMERR);
    const struct reply *r = OPTIONS("\xfd\xe9\0\0\xfd\xe9\0\2x");
    assert_int_equal(r->rcode, DNS_FORMERR);
    assert_true(r->opt);
    assert_int_equal(r->answers, 0);
}

/* RFC 6891 section 6.1.3: BADVERS with our version, 0, and nothing else. */
static void a_later_version_is_badvers(void **state)
{
    (void)state;
    for (unsigned version = 1; version < 256; version += 127) {
        struct message m = with_options(NEAR, sizeof NEAR - 1, DNS_A, 1232, "", 0);
        m.at[m.len - 5] = (uint8_t)version;
        const struct reply *r = ask_bytes(&lab, m.at, m.len, false);
        assert_int_equal(r->rcode, DNS_BADVERS);
        assert_int_equal(r->n, 0); /* version 0: the reader of these tests */
        assert_false(r->aa);
    }
}

/* RFC 6891 section 6.1.4: DO comes back, the other flags are zero. */
static void of_the_edns_flags_only_do_comes_back(void **state)
{
    (void)state;
    struct message m = with_options(NEAR, sizeof NEAR - 1, DNS_A, 1232, "", 0);
    m.at[m.len - 4] = 0x7f, m.at[m.len - 3] = 0xff;
    assert_false(ask_bytes(&lab, m.at, m.len, false)->opt_do);
    m.at[m.len - 4] = 0xff;
    assert_true(ask_bytes(&lab, m.at, m.len, false)->opt_do); /* Z: the reader of these tests */
}

/* RFC 7830 section 4: no padding where there is nothing to hide, and none that nobody asked for. */
static void padding_is_not_answered_in_clear(void **state)
{
    (void)state;
    const struct reply *r = OPTIONS("\0\14\0\4\0\0\0\0");
    assert_int_equal(r->rcode, DNS_NOERROR); /* the reader of these tests knows no padding */
    assert_int_equal(r->answers, 1);
}

/* RFC 5001 section 2.2: only when asked for, and once. */
static void the_name_of_the_server_is_given_once_when_asked_for(void **state)
{
    (void)state;
    assert_false(OPTIONS("")->nsid);
    assert_string_equal(OPTIONS("\0\3\0\0")->nsid_text, "box-7");
    assert_string_equal(OPTIONS("\0\3\0\0\0\3\0\2hi")->nsid_text, "box-7");
}

/* RFC 1035 section 4.2.1: 512 octets without OPT. RFC 6891 section 6.2.3, 6.2.4 and 6.2.5: else what
 * the client can take, which is 512 at least; RFC 9715 section 3.1: and not more than 1400. */
static void an_answer_over_udp_keeps_to_the_size_of_the_client_and_ours(void **state)
{
    (void)state;
    static char json[60000];
    size_t at = (size_t)sprintf(json, "{" LAB_ZONE "'regions':[{'name':'eu'}],'services':[");
    for (int n = 20; n <= 90; n += 5) { /* 346 to 1466 octets */
        at += (size_t)sprintf(json + at, "%s{'name':'s%d.g.test','policy':'all','endpoints':[",
                              n > 20 ? "," : "", n);
        for (int i = 0; i < n; i++)
            at += (size_t)sprintf(json + at, "%s{'region':'eu','address':'192.0.2.%d'}",
                                  i ? "," : "", i);
        at += (size_t)sprintf(json + at, "]}");
    }
    sprintf(json + at, "]}");
    struct lab big;
    lab_open(&big, json);
    static const uint16_t sizes[] = {0, 1, 511, 512, 513, 900, 1231, 1232, 1233, 1400, 4096, 65535};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int n = 20; n <= 90; n += 5) {
            char name[20];
            sprintf(name, "s%d.g.test", n);
            struct lab_question q = {.name = name, .type = DNS_A, .edns = sizes[i]};
            size_t need = 12 + 16 + 16 * (size_t)n + (sizes[i] ? 11 : 0);
            size_t limit = sizes[i] < 512 ? 512 : sizes[i] < 1232 ? sizes[i] : 1232;
            const struct reply *r = ask(&big, &q);
            assert_int_equal(r->tc, need > limit);
            assert_int_equal(r->answers, need > limit ? 0 : n);
            assert_true(ask_length() <= limit && limit <= 1400);
        }
    lab_close(&big);
}

/* RFC 7871 section 6 and 7.2.1: a family that nobody knows, octets that do not fit SOURCE, bits set
 * behind it, a SCOPE in a query, an option cut short, two of them: FORMERR. */
static void a_malformed_subnet_is_a_format_error(void **state)
{
    (void)state;
    static const struct {
        const char *octets;
        size_t len;
    } bad[] = {
        {"\0\10\0\7\0\3\30\0\xc0\0\2", 11},      /* family 3 */
        {"\0\10\0\6\0\1\30\0\xc0\0", 10},        /* too few octets */
        {"\0\10\0\10\0\1\30\0\xc0\0\2\0", 12},   /* too many */
        {"\0\10\0\7\0\1\27\0\xc0\0\3", 11},      /* a bit behind SOURCE */
        {"\0\10\0\7\0\1\30\1\xc0\0\2", 11},      /* SCOPE 1 */
        {"\0\10\0\11\0\1\41\0\xc0\0\2\1\0", 13}, /* SOURCE 33 */
        {"\0\10\0\3\0\1\0", 7},                  /* no SCOPE */
        {"\0\10\0\0", 4},
        {"\0\10\0\7\0\1\30\0\xc0\0\2\0\10\0\7\0\1\30\0\xc0\0\2", 22},
        {"\0\10\0\25\0\2\x81\0\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\0\0", 25}, /* SOURCE 129 */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct reply *r = ask_options(bad[i].octets, bad[i].len);
        if (r->rcode != DNS_FORMERR || r->answers || !r->opt || r->ecs)
            fail_msg("case %zu: rcode %u", i, r->rcode);
    }
    assert_int_equal(OPTIONS("\0\10\0\7\0\1\30\0\xc0\0\2")->rcode, DNS_NOERROR);
}

/* RFC 7871 section 7.2.1: what was asked comes back as it came, with a SCOPE; unasked none does. */
static void a_subnet_comes_back_as_it_came(void **state)
{
    (void)state;
    const struct reply *r = OPTIONS("\0\10\0\7\0\1\24\0\x51\2\xf0");
    assert_true(r->ecs);
    assert_int_equal(r->ecs_family, 1);
    assert_int_equal(r->ecs_source, 20);
    assert_int_equal(r->ecs_octets, 3);
    assert_memory_equal(r->ecs_addr, "\x51\2\xf0", 3);
    assert_int_equal(r->ecs_scope, 2); /* all of 64/2 is nearest to eu here */
    r = OPTIONS("\0\10\0\11\0\2\47\0\x20\1\xd\xb8\xfe");
    assert_int_equal(r->ecs_family, 2);
    assert_int_equal(r->ecs_source, 39);
    assert_int_equal(r->ecs_octets, 5);
    assert_false(OPTIONS("")->ecs);
}

/* RFC 7871 section 12.1: a subnet that did not matter is answered with SCOPE 0, so that everybody may
 * have the answer. */
static void static_data_has_scope_0(void **state)
{
    (void)state;
    static const uint16_t types[] = {DNS_SOA, DNS_NS};
    for (size_t i = 0; i < 2; i++) {
        const struct reply *r = ask_subnet("g.test", types[i], "81.2.3.0/24");
        assert_int_equal(r->answers, 1);
        assert_true(r->ecs);
        assert_int_equal(r->ecs_scope, 0);
    }
    assert_int_equal(ask_subnet("ns1.g.test", DNS_A, "81.2.3.0/24")->ecs_scope, 0);
    assert_int_equal(ask_subnet("all.g.test", DNS_A, "81.2.3.0/24")->ecs_scope, 0);
}

/* RFC 7871 section 7.4: denials are for everybody. */
static void denials_have_scope_0(void **state)
{
    (void)state;
    const struct reply *r = ask_subnet("near.g.test", DNS_AAAA, "81.2.3.0/24");
    assert_int_equal(r->authorities, 1);
    assert_true(r->ecs);
    assert_int_equal(r->ecs_scope, 0);
    r = ask_subnet("no.g.test", DNS_A, "81.2.3.0/24");
    assert_int_equal(r->rcode, DNS_NXDOMAIN);
    assert_true(r->ecs);
    assert_int_equal(r->ecs_scope, 0);
}

/* RFC 7871 section 7.1.2 and 7.3.1: SOURCE 0 asks that the client's address be left alone: an answer
 * for whoever sent the packet, SCOPE 0. */
static void source_0_is_answered_for_the_sender(void **state)
{
    (void)state;
    static const char *const senders[] = {"81.1.1.1", "9.1.1.1"};
    for (size_t i = 0; i < 2; i++) {
        const struct reply *r = ask(&lab, &(struct lab_question){.name = "near.g.test",
                                                                 .type = DNS_A,
                                                                 .source = senders[i],
                                                                 .subnet_zero = true});
        assert_int_equal(r->rcode, DNS_NOERROR);
        assert_int_equal(r->rr[0].rdata[3], i + 1);
        assert_true(r->ecs);
        assert_int_equal(r->ecs_source, 0);
        assert_int_equal(r->ecs_scope, 0);
    }
}

/* RFC 7871 section 7.2.1: an alias chosen for the client stands alone, even where it leads to a name
 * of ours: the rest would have another scope. */
static void a_tailored_alias_stands_alone(void **state)
{
    (void)state;
    const struct reply *r = ask_subnet("alias.g.test", DNS_A, "81.2.3.0/24");
    assert_int_equal(r->n, 1);
    assert_int_equal(r->rr[0].type, DNS_CNAME);
    assert_string_equal(reply_text(&r->rr[0].target), "near.g.test");
    assert_int_equal(r->ecs_scope, 2);
    r = ask_subnet("alias.g.test", DNS_A, "9.2.3.0/24");
    assert_int_equal(r->n, 1);
    assert_string_equal(reply_text(&r->rr[0].target), "us.example.net");
}

/* RFC 7871 section 10: a private subnet says nothing where no rule names it: the sender's address
 * decides, and the scope is the private block's. */
static void a_private_subnet_is_the_senders(void **state)
{
    (void)state;
    static const char *const senders[] = {"81.1.1.1", "9.1.1.1"};
    for (size_t i = 0; i < 2; i++) {
        struct lab_question q = {
            .name = "near.g.test", .type = DNS_A, .source = senders[i], .subnet = "10.1.2.0/24"};
        const struct reply *r = ask(&lab, &q);
        assert_int_equal(r->rr[0].rdata[3], i + 1);
        assert_int_equal(r->ecs_scope, 8);
        q.subnet = "fd12::/16";
        r = ask(&lab, &q);
        assert_int_equal(r->rr[0].rdata[3], i + 1);
        assert_int_equal(r->ecs_scope, 7);
    }
}

/* RFC 7871 section 7.2.1, RFC 7766 section 5: the same answer and scope over UDP and TCP. */
static void udp_and_tcp_say_the_same(void **state)
{
    (void)state;
    static const char *const subnets[] = {"81.2.3.0/24", "9.0.0.0/8", "80.0.0.0/15", "2600::/12"};
    for (size_t i = 0; i < 4; i++) {
        struct lab_question q = {.name = "near.g.test", .type = DNS_A, .subnet = subnets[i]};
        char over_udp[200];
        strcpy(over_udp, ask_line(&lab, &q));
        unsigned scope = ask(&lab, &q)->ecs_scope;
        q.tcp = true;
        assert_string_equal(ask_line(&lab, &q), over_udp);
        assert_int_equal(ask(&lab, &q)->ecs_scope, scope);
    }
}

/* RFC 8945 section 5.2 and RFC 8945 section 5.2.1: no key is known here, and who signs is told so,
 * unsigned (section 5.3.2). */
static void a_signed_query_is_told_that_its_key_is_not_known(void **state)
{
    (void)state;
    struct message m = {.len = 0};
    ADD(&m, "\x4d\x52\1\0\0\1\0\0\0\0\0\1" NEAR "\0\1\0\1");
    ADD(&m, "\3key\0\0\xfa\0\xff\0\0\0\0\0\x3d"
            "\13hmac-sha256\0\0\0\x5f\x5e\x10\0\1\x2c\0\x20"
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            "\x4d\x52\0\0\0\0");
    const struct reply *r = ask_bytes(&lab, m.at, m.len, false);
    assert_non_null(r);
    assert_int_equal(r->rcode, DNS_NOTAUTH);
    assert_int_equal(r->n, 1);
    assert_int_equal(r->rr[0].section, 3);
    assert_int_equal(r->rr[0].type, DNS_TSIG);
    const uint8_t *end = r->rr[0].rdata + r->rr[0].rdata_len;
    assert_memory_equal(end - 8, "\0\0\x4d\x52\0\x11\0\0",
                        8); /* no MAC, ID, BADKEY, nothing else */
    assert_int_equal(ask_outcome(), ANSWER_notauth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_has_one_question),
        cmocka_unit_test(an_opt_answers_an_opt),
        cmocka_unit_test(a_second_opt_or_one_out_of_place_is_a_format_error),
        cmocka_unit_test(unknown_options_are_ignored),
        cmocka_unit_test(an_option_list_that_does_not_fit_is_a_format_error),
        cmocka_unit_test(a_later_version_is_badvers),
        cmocka_unit_test(of_the_edns_flags_only_do_comes_back),
        cmocka_unit_test(padding_is_not_answered_in_clear),
        cmocka_unit_test(the_name_of_the_server_is_given_once_when_asked_for),
        cmocka_unit_test(an_answer_over_udp_keeps_to_the_size_of_the_client_and_ours),
        cmocka_unit_test(a_malformed_subnet_is_a_format_error),
        cmocka_unit_test(a_subnet_comes_back_as_it_came),
        cmocka_unit_test(static_data_has_scope_0),
        cmocka_unit_test(denials_have_scope_0),
        cmocka_unit_test(source_0_is_answered_for_the_sender),
        cmocka_unit_test(a_tailored_alias_stands_alone),
        cmocka_unit_test(a_private_subnet_is_the_senders),
        cmocka_unit_test(udp_and_tcp_say_the_same),
        cmocka_unit_test(a_signed_query_is_told_that_its_key_is_not_known),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
