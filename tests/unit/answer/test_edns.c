/* EDNS, client subnet, malformed messages: what goes back, and that each query is counted once. */
#include "ask.h"

#include "dns/query.h"

#include <stdio.h>
#include <string.h>

#define WORLD(more)                                                                                \
    "{'settings':{'geo':'@GEO'" more "}," LAB_ZONE                                                 \
    "'regions':[{'name':'eu','at':[51.5,-0.1]},{'name':'us','at':[39.0,-77.5]}],"                  \
    "'services':[{'name':'near.g.test','policy':'nearest','endpoints':" BOTH                       \
    "},{'name':'plain.g.test','policy':'failover','endpoints':" BOTH                               \
    "},{'name':'stick.g.test','policy':'sticky','endpoints':" BOTH "}]}"
#define BOTH                                                                                       \
    "[{'region':'eu','address':'192.0.2.1','priority':1},"                                         \
    "{'region':'us','address':'192.0.2.2','priority':2}]"

static struct lab lab;

static int open_world(void **state)
{
    (void)state;
    lab_open(&lab, WORLD(",'nsid':'box-7'"));
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    lab_close(&lab);
    return 0;
}

static void opt_only_where_it_was_asked(void **state)
{
    (void)state;
    struct lab_question q = {.name = "near.g.test", .type = DNS_A};
    assert_false(ask(&lab, &q)->opt);
    q.edns = 4096;
    const struct reply *r = ask(&lab, &q);
    assert_true(r->opt && !r->ecs && !r->nsid && !r->opt_do);
    assert_int_equal(r->opt_size, 1232);
    q.edns_do = true;
    assert_true(ask(&lab, &q)->opt_do); /* RFC 3225 section 3 */
    q.name = "example.org";
    r = ask(&lab, &q); /* errors too */
    assert_int_equal(r->rcode, DNS_REFUSED);
    assert_true(r->opt);
}

static void nsid_is_given_when_asked_for_and_set(void **state)
{
    (void)state;
    const struct reply *r =
        ask(&lab, &(struct lab_question){.name = "near.g.test", .type = DNS_A, .nsid = true});
    assert_true(r->nsid);
    assert_string_equal(r->nsid_text, "box-7");
    struct lab other;
    lab_open(&other, WORLD(""));
    r = ask(&other, &(struct lab_question){.name = "near.g.test", .type = DNS_A, .nsid = true});
    assert_false(r->nsid);
    lab_close(&other);
}

static void a_version_above_0_is_badvers_without_data(void **state)
{
    (void)state;
    const struct reply *r =
        ask(&lab,
            &(struct lab_question){
                .name = "near.g.test", .type = DNS_A, .edns_version = 1, .subnet = "81.1.1.0/24"});
    assert_int_equal(r->rcode, DNS_BADVERS);
    assert_int_equal(r->n, 0);
    assert_int_equal(ask_outcome(), ANSWER_badvers);
}

static void assert_scope(const char *name, const char *subnet, uint16_t type, unsigned scope)
{
    const struct reply *r =
        ask(&lab, &(struct lab_question){.name = name, .type = type, .subnet = subnet});
    struct ip_prefix p = lab_prefix(subnet);
    assert_true(r->ecs);
    assert_int_equal(r->ecs_family, p.ip.family == 4 ? 1 : 2);
    assert_int_equal(r->ecs_source, p.len);
    assert_memory_equal(r->ecs_addr, p.ip.b, r->ecs_octets);
    assert_int_equal(r->ecs_scope, scope);
}

static void a_client_subnet_is_echoed_with_the_scope(void **state)
{
    (void)state;
    assert_scope("near.g.test", "9.2.3.0/24", DNS_A, 8);
    assert_scope("near.g.test", "9.2.0.0/15", DNS_A, 8);
    assert_scope("near.g.test", "2600:1:2::/48", DNS_A, 16);
    assert_scope("near.g.test", "8.0.0.0/7", DNS_A, 8);          /* too short to decide: longer */
    assert_scope("near.g.test", "2002:902:300::/40", DNS_A, 24); /* 6to4 of 9.2.3.0: 16 + 8 */
}

static void the_scope_is_0_where_the_client_does_not_matter(void **state)
{
    (void)state;
    static const char *const subnets[] = {"81.2.3.0/24",        "10.1.2.0/24",
                                          "2a00:1::/32",        "::ffff:81.2.3.0/120",
                                          "2002:5102:300::/40", "2001:0:1:2:3:4:5:6/128"};
    for (size_t i = 0; i < 6; i++) {
        assert_scope("plain.g.test", subnets[i], DNS_A, 0);
        assert_scope("g.test", subnets[i], DNS_SOA, 0);
        assert_scope("ns1.g.test", subnets[i], DNS_A, 0);
        assert_scope("absent.g.test", subnets[i], DNS_A, 0);
        assert_scope("near.g.test", subnets[i], DNS_AAAA, 0); /* the type does not exist */
        assert_scope("near.g.test", subnets[i], DNS_MX, 0);
        assert_scope("example.org", subnets[i], DNS_A, 0);
    }
}

static void a_hash_makes_the_scope_at_least_a_24_or_48(void **state)
{
    (void)state;
    assert_scope("stick.g.test", "81.2.3.0/24", DNS_A, 24);
    assert_scope("stick.g.test", "81.2.0.0/16", DNS_A, 24);
    assert_scope("stick.g.test", "2a00:1::/32", DNS_A, 48);
    assert_scope("stick.g.test", "2002:5102:300::/40", DNS_A, 40);
    assert_scope("stick.g.test", "::ffff:81.2.3.0/120", DNS_A, 120);
    lab_set_region(&lab, "eu", 0.4);
    assert_scope("plain.g.test", "81.2.3.0/24", DNS_A, 24);
    assert_scope("near.g.test", "81.2.3.0/24", DNS_A, 24);
    assert_scope("near.g.test", "9.2.3.0/24", DNS_A, 8); /* us is not split */
    lab_set_region(&lab, "us", 0); /* nowhere else: but those who do not stay are told apart too */
    assert_scope("plain.g.test", "81.2.3.0/24", DNS_A, 24);
    lab_set_region(&lab, "eu", 0);
    assert_scope("plain.g.test", "81.2.3.0/24", DNS_A, 0);
    lab_set_all(&lab, 1);
}

static void source_0_is_answered_for_the_resolver_with_scope_0(void **state)
{
    (void)state;
    const struct reply *r = ask(
        &lab, &(struct lab_question){
                  .name = "near.g.test", .type = DNS_A, .subnet_zero = true, .source = "9.1.1.1"});
    assert_true(r->ecs);
    assert_int_equal(r->ecs_source, 0);
    assert_int_equal(r->ecs_scope, 0);
    assert_int_equal(r->rr[0].rdata[3], 2); /* us, where the resolver is */
    lab_set_region(&lab, "eu", 0.4);
    r = ask(&lab,
            &(struct lab_question){.name = "stick.g.test", .type = DNS_A, .subnet_zero = true});
    assert_int_equal(r->ecs_scope, 0);
    lab_set_all(&lab, 1);
}

static void a_private_subnet_counts_only_where_a_rule_names_it(void **state)
{
    (void)state;
    const struct reply *r = ask(&lab, &(struct lab_question){.name = "near.g.test",
                                                             .type = DNS_A,
                                                             .subnet = "10.1.2.0/24",
                                                             .source = "9.1.1.1"});
    assert_int_equal(r->rr[0].rdata[3], 2);
    assert_int_equal(r->ecs_scope, 8);
    r = ask(&lab, &(struct lab_question){.name = "near.g.test",
                                         .type = DNS_A,
                                         .subnet = "fd00:1::/32",
                                         .source = "81.1.1.1"});
    assert_int_equal(r->rr[0].rdata[3], 1);
    assert_int_equal(r->ecs_scope, 7);
}

static void the_same_over_tcp(void **state)
{
    (void)state;
    for (int tcp = 0; tcp < 2; tcp++) {
        const struct reply *r = ask(
            &lab, &(struct lab_question){
                      .name = "stick.g.test", .type = DNS_A, .subnet = "9.7.7.0/24", .tcp = tcp});
        static uint8_t first[4];
        if (tcp)
            assert_memory_equal(first, r->rr[0].rdata, 4);
        memcpy(first, r->rr[0].rdata, 4);
        assert_int_equal(r->ecs_scope, 24);
    }
}

/* A question of 255 octets and an OPT with NSID, subnet and cookie. Returns the length. */
static size_t longest(uint8_t *msg, unsigned size, unsigned version, const char *tail,
                      size_t tail_len)
{
    static const uint8_t header[12] = {0x4d, 0x52, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    static const uint8_t options[] = {0, 3,  0, 0, 0,   8,   0,   20,  0,   2,   128, 0,  0, 0,
                                      0, 0,  0, 0, 0,   0,   0,   0,   0,   0,   0,   0,  0, 1,
                                      0, 10, 0, 8, 'c', 'l', 'i', 'e', 'n', 't', 'c', 'k'};
    uint8_t *p = msg;
    memcpy(p, header, sizeof header);
    p += sizeof header;
    for (int i = 0; i < 4; i++) {
        *p = i < 3 ? 62 : 57;
        memset(p + 1, 'n', *p);
        p += *p + 1;
    }
    memcpy(p, "\1g\4test\0\0\1\0\1\0\0\51", 15);
    p += 15;
    *p++ = (uint8_t)(size >> 8);
    *p++ = (uint8_t)size;
    *p++ = 0;
    *p++ = (uint8_t)version;
    memcpy(p, "\0\0\0", 3); /* no flags; RDLENGTH */
    p[3] = (uint8_t)(sizeof options + tail_len);
    p += 4;
    memcpy(p, options, sizeof options);
    memcpy(p + sizeof options, tail, tail_len);
    return (size_t)(p - msg) + sizeof options + tail_len;
}

static void the_longest_question_with_every_option_stays_within_the_clients_size(void **state)
{
    (void)state;
    static const struct {
        unsigned version;
        const char *tail;
        size_t tail_len;
        unsigned rcode;
    } cases[] = {{0, "", 0, DNS_NXDOMAIN}, {0, "\0", 1, DNS_FORMERR}, {1, "", 0, DNS_BADVERS}};
    char more[300];
    uint8_t msg[600];
    struct lab named;
    sprintf(more, ",'nsid':'%0255d'", 0);
    char json[2000];
    snprintf(json, sizeof json, WORLD("%s"), more);
    lab_open(&named, json);
    for (size_t i = 0; i < 3; i++)
        for (unsigned size = 0; size <= 1232; size += 16) {
            size_t len = longest(msg, size, cases[i].version, cases[i].tail, cases[i].tail_len);
            const struct reply *r = ask_bytes(&named, msg, len, false);
            assert_non_null(r);
            assert_int_equal(r->rcode, cases[i].rcode);
            assert_true(r->opt);
            assert_true(ask_length() <= (size < 512 ? 512 : size));
            if (cases[i].version == 0 && size >= 700) /* where there is room it comes */
                assert_true(r->nsid);
        }
    lab_close(&named);
}

static void a_cookie_of_a_bad_length_is_malformed_where_cookies_are_known(void **state)
{
    (void)state;
    static const uint8_t msg[] = "\x4d\x52\0\0\0\1\0\0\0\0\0\1\5plain\1g\4test\0\0\1\0\1"
                                 "\0\0\51\4\320\0\0\0\0\0\7\0\12\0\3bad";
    struct lab without;
    lab_open(&without, WORLD(",'cookies':'off'"));
    for (int tcp = 0; tcp < 2; tcp++) {
        assert_int_equal(ask_bytes(&lab, msg, sizeof msg - 1, tcp)->rcode, DNS_FORMERR);
        const struct reply *r = ask_bytes(&without, msg, sizeof msg - 1, tcp);
        assert_int_equal(r->rcode, DNS_NOERROR);
        assert_true(r->opt && r->n > 0 && !r->cookie_len);
    }
    lab_close(&without);
}

static void odd_messages_have_their_outcome(void **state)
{
    (void)state;
    uint8_t msg[1024];
    struct lab_question q = {.name = "near.g.test", .type = DNS_A, .edns = 1232};
    size_t len = lab_packet(&q, msg);
    assert_null(ask_bytes(&lab, msg, 11, false)); /* shorter than a header */
    msg[2] |= 0x80;
    assert_null(ask_bytes(&lab, msg, len, false)); /* an answer: loops */
    lab_packet(&q, msg);
    msg[2] = 0x28; /* UPDATE */
    const struct reply *r = ask_bytes(&lab, msg, len, false);
    assert_int_equal(r->rcode, DNS_NOTIMP);
    assert_int_equal(r->opcode, 5);
    assert_false(r->has_question);
    assert_int_equal(ask_outcome(), ANSWER_notimp);
    lab_packet(&q, msg);
    msg[5] = 2; /* two questions */
    assert_int_equal(ask_bytes(&lab, msg, len, false)->rcode, DNS_FORMERR);
    lab_packet(&q, msg);
    assert_int_equal(ask_bytes(&lab, msg, len - 3, false)->rcode, DNS_FORMERR);
    assert_int_equal(ask_outcome(), ANSWER_formerr);
    lab_packet(&q, msg);
    memset(msg + 2, 0, 10); /* no question at all */
    assert_int_equal(ask_bytes(&lab, msg, 12, false)->rcode, DNS_FORMERR);
}

/* Every prefix of a query, and every query with one octet changed: an outcome, a readable answer. */
static void no_message_goes_uncounted(void **state)
{
    (void)state;
    uint8_t msg[1024], copy[1024];
    struct lab_question q = {.name = "stick.g.test",
                             .type = DNS_A,
                             .subnet = "9.7.7.0/24",
                             .nsid = true,
                             .edns_do = true};
    size_t len = lab_packet(&q, msg);
    for (size_t n = 0; n <= len; n++)
        ask_bytes(&lab, msg, n, false);
    for (size_t i = 0; i < len; i++)
        for (unsigned v = 0; v < 256; v += 5) {
            memcpy(copy, msg, len);
            copy[i] = (uint8_t)v;
            ask_bytes(&lab, copy, len, v & 1);
        }
    uint64_t sum = 0;
    for (int i = 0; i < ANSWER_OUTCOMES; i++) {
        assert_true(strlen(answer_outcome_name((enum answer_outcome)i)) > 3);
        sum += atomic_load(&lab.worker.outcome[i]);
    }
    assert_true(sum > len * 52);
    assert_true(atomic_load(&lab.worker.counter[ANSWER_COUNT_queries_with_subnet]) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opt_only_where_it_was_asked),
        cmocka_unit_test(nsid_is_given_when_asked_for_and_set),
        cmocka_unit_test(a_version_above_0_is_badvers_without_data),
        cmocka_unit_test(a_client_subnet_is_echoed_with_the_scope),
        cmocka_unit_test(the_scope_is_0_where_the_client_does_not_matter),
        cmocka_unit_test(a_hash_makes_the_scope_at_least_a_24_or_48),
        cmocka_unit_test(source_0_is_answered_for_the_resolver_with_scope_0),
        cmocka_unit_test(a_private_subnet_counts_only_where_a_rule_names_it),
        cmocka_unit_test(the_same_over_tcp),
        cmocka_unit_test(the_longest_question_with_every_option_stays_within_the_clients_size),
        cmocka_unit_test(a_cookie_of_a_bad_length_is_malformed_where_cookies_are_known),
        cmocka_unit_test(odd_messages_have_their_outcome),
        cmocka_unit_test(no_message_goes_uncounted),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
