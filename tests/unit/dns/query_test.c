#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/random.h"
#include "dns/query.h"
#include "packet.h"

#define WWW "\3wWw\7ExAmPlE"
#define ECS24 "\0\10\0\7\0\1\30\0\xc0\0\2"

/* From a copy of exactly this size, so that the sanitizer sees a read past it. */
static enum dns_parse parse(const struct packet *p, struct dns_query *q)
{
    uint8_t *exact = malloc(p->len ? p->len : 1);
    assert_non_null(exact);
    memcpy(exact, p->b, p->len);
    memset(q, 0xa5, sizeof *q);
    enum dns_parse r = dns_query_parse(exact, p->len, q);
    free(exact);
    return r;
}

static enum dns_parse parse_options(const void *options, size_t len, struct dns_query *q)
{
    struct packet p;
    pheader(&p, 0x0100, 1, 0, 0, 1);
    pquestion(&p, WWW, DNS_A, DNS_IN);
    popt(&p, 1232, 0, 0x8000, options, len);
    return parse(&p, q);
}

static void an_ordinary_query_is_taken_apart(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    pheader(&p, 0x0110, 1, 0, 0, 1);
    pquestion(&p, WWW, DNS_AAAA, DNS_IN);
    size_t end = p.len;
    popt(&p, 4096, 0, 0x8000, "\0\3\0\0" ECS24, 15);
    assert_int_equal(parse(&p, &q), DNS_PARSE_OK);
    assert_int_equal(q.id, 0xbeef);
    assert_int_equal(q.flags, 0x0110);
    assert_int_equal(q.opcode, 0);
    assert_true(q.rd && q.cd && q.has_question);
    assert_int_equal(q.qname_off, 12);
    assert_int_equal(q.qname_len, 13);
    assert_int_equal(q.labels, 2);
    uint8_t label_off[DNS_LABELS_MAX + 1];
    assert_int_equal(dns_name_label_offsets(q.lower, label_off), 2);
    assert_memory_equal(label_off, "\0\4\14", 3);
    assert_memory_equal(q.lower, "\3www\7example", 13);
    assert_int_equal(q.qtype, DNS_AAAA);
    assert_int_equal(q.qclass, DNS_IN);
    assert_int_equal(q.question_end, end);
    assert_true(q.edns && q.edns_do && q.nsid && q.ecs.present);
    assert_int_equal(q.udp_size, 4096);
    assert_int_equal(q.ecs.family, 1);
    assert_int_equal(q.ecs.source, 24);
    assert_int_equal(q.ecs.addr_octets, 3);
    assert_int_equal(q.ecs.ip.family, 4);
    assert_memory_equal(q.ecs.ip.b, "\xc0\0\2\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static void a_query_without_opt_has_no_edns(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    pheader(&p, 0, 1, 0, 0, 0);
    pquestion(&p, "", DNS_NS, DNS_IN);
    assert_int_equal(parse(&p, &q), DNS_PARSE_OK);
    assert_false(q.rd || q.cd || q.edns || q.edns_do || q.nsid || q.ecs.present);
    assert_int_equal(q.udp_size, 0);
    assert_int_equal(q.qname_len, 1);
    assert_int_equal(q.labels, 0);
    assert_int_equal(q.lower[0], 0);
    assert_int_equal(dns_query_udp_limit(&q, DNS_UDP_EDNS_MAX), 512);
}

static void responses_and_fragments_of_headers_are_dropped(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    pheader(&p, 0x8000, 1, 0, 0, 0);
    pquestion(&p, WWW, DNS_A, DNS_IN);
    assert_int_equal(parse(&p, &q), DNS_PARSE_DROP);
    pheader(&p, 0x8000 | 4 << 11, 1, 0, 0, 0);
    assert_int_equal(parse(&p, &q), DNS_PARSE_DROP);
    for (p.len = 0; p.len < 12; p.len++)
        assert_int_equal(parse(&p, &q), DNS_PARSE_DROP);
}

static void every_other_opcode_is_not_implemented(void **state)
{
    (void)state;
    for (unsigned opcode = 1; opcode < 16; opcode++) {
        struct packet p;
        struct dns_query q;
        pheader(&p, opcode << 11 | 0x0100, 1, 0, 0, 0);
        pbytes(&p, "\300\300", 2);
        assert_int_equal(parse(&p, &q), DNS_PARSE_NOTIMP);
        assert_int_equal(q.opcode, opcode);
        assert_true(q.rd);
        assert_false(q.has_question);
    }
}

static void flags_that_mean_nothing_in_a_query_are_ignored(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    pheader(&p, 0x07ff, 1, 0, 0, 0); /* AA TC RD RA Z AD CD, RCODE 15 */
    pquestion(&p, WWW, DNS_A, DNS_IN);
    assert_int_equal(parse(&p, &q), DNS_PARSE_OK);
}

static void a_question_that_cannot_be_read_leaves_only_the_header(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"", 0},                       /* nothing */
        {"\3www", 4},                  /* no root */
        {"\3ww", 3},                   /* a label cut off */
        {"\3www\0\0\1\0", 8},          /* half a class */
        {"\100a\0\0\1\0\1", 7},        /* label type 01 */
        {"\200a\0\0\1\0\1", 7},        /* label type 10 */
        {"\300\014\0\1\0\1", 6},       /* a pointer to itself */
        {"\3www\300\014\0\1\0\1", 10}, /* to its own first label */
        {"\300\0\0\1\0\1", 6},         /* into the header */
        {"\300\100\0\1\0\1", 6},       /* forwards */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct packet p;
        struct dns_query q;
        pheader(&p, 0x0100, 1, 0, 0, 0);
        pbytes(&p, bad[i].bytes, bad[i].len);
        if (parse(&p, &q) != DNS_PARSE_HEADER_ERROR || q.has_question)
            fail_msg("case %zu", i);
    }
}

static void names_up_to_255_octets_and_no_longer(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    pheader(&p, 0, 1, 0, 0, 0);
    for (int i = 0; i < 127; i++)
        pbytes(&p, "\1A", 2);
    pquestion(&p, "", DNS_A, DNS_IN);
    assert_int_equal(parse(&p, &q), DNS_PARSE_OK);
    assert_int_equal(q.qname_len, 255);
    assert_int_equal(q.labels, 127);
    assert_int_equal(q.lower[254], 0);
    assert_int_equal(q.lower[253], 'a');
    pheader(&p, 0, 1, 0, 0, 0);
    pbytes(&p, "\2aa", 3);
    for (int i = 0; i < 126; i++)
        pbytes(&p, "\1A", 2);
    pquestion(&p, "", DNS_A, DNS_IN);
    assert_int_equal(parse(&p, &q), DNS_PARSE_HEADER_ERROR);
    pheader(&p, 0, 1, 0, 0, 0);
    for (int i = 0; i < 500; i++)
        pbytes(&p, "\1A", 2);
    assert_int_equal(parse(&p, &q), DNS_PARSE_HEADER_ERROR);
}

static void anything_but_one_question_is_a_format_error(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    pheader(&p, 0, 0, 0, 0, 0);
    assert_int_equal(parse(&p, &q), DNS_PARSE_FORMERR);
    assert_false(q.has_question || q.edns);
    pheader(&p, 0, 0, 0, 0, 1);
    popt(&p, 1232, 0, 0, NULL, 0);
    assert_int_equal(parse(&p, &q), DNS_PARSE_FORMERR);
    assert_false(q.has_question);
    assert_true(q.edns); /* the reply owes it an OPT */
    pheader(&p, 0, 2, 0, 0, 1);
    pquestion(&p, WWW, DNS_A, DNS_IN);
    pbytes(&p, "\300\014\0\1\0\1", 6);
    popt(&p, 1232, 0, 0, NULL, 0);
    assert_int_equal(parse(&p, &q), DNS_PARSE_FORMERR);
    assert_false(q.has_question);
    assert_true(q.edns);
    pheader(&p, 0, 0xffff, 0, 0, 0);
    pquestion(&p, WWW, DNS_A, DNS_IN);
    assert_int_equal(parse(&p, &q), DNS_PARSE_HEADER_ERROR);
}

static void opt_is_found_behind_other_records(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    pheader(&p, 0, 1, 1, 1, 3);
    pquestion(&p, WWW, DNS_A, DNS_IN);
    prr(&p, DNS_A, "\1\2\3\4", 4);
    prr(&p, DNS_TXT, "\1x", 2);
    prr(&p, DNS_A, "\1\2\3\4", 4);
    popt(&p, 600, 0, 0, NULL, 0);
    prr(&p, DNS_A, "\1\2\3\4", 4);
    assert_int_equal(parse(&p, &q), DNS_PARSE_OK);
    assert_true(q.edns);
    assert_int_equal(q.udp_size, 600);
}

static void opt_out_of_place_is_a_format_error(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    for (int section = 0; section < 2; section++) {
        pheader(&p, 0, 1, section == 0, section == 1, 0);
        pquestion(&p, WWW, DNS_A, DNS_IN);
        popt(&p, 1232, 0, 0, NULL, 0);
        assert_int_equal(parse(&p, &q), DNS_PARSE_FORMERR);
        assert_true(q.has_question && !q.edns);
    }
    pheader(&p, 0, 1, 0, 0, 2); /* two of them */
    pquestion(&p, WWW, DNS_A, DNS_IN);
    popt(&p, 1232, 0, 0, NULL, 0);
    popt(&p, 4096, 0, 0, NULL, 0);
    assert_int_equal(parse(&p, &q), DNS_PARSE_FORMERR);
    assert_true(q.has_question && q.edns);
    pheader(&p, 0, 1, 0, 0, 2); /* also where the first is of a later version */
    pquestion(&p, WWW, DNS_A, DNS_IN);
    popt(&p, 1232, 1, 0, NULL, 0);
    popt(&p, 4096, 0, 0, NULL, 0);
    assert_int_equal(parse(&p, &q), DNS_PARSE_FORMERR);
    pheader(&p, 0, 1, 0, 0, 1); /* owned by a name */
    pquestion(&p, WWW, DNS_A, DNS_IN);
    pbytes(&p, "\1a", 2);
    popt(&p, 1232, 0, 0, NULL, 0);
    assert_int_equal(parse(&p, &q), DNS_PARSE_FORMERR);
    assert_false(q.edns);
    pheader(&p, 0, 1, 0, 0, 1); /* by a pointer to a root */
    pquestion(&p, WWW, DNS_A, DNS_IN);
    prr(&p, DNS_OPT, "", 0);
    assert_int_equal(parse(&p, &q), DNS_PARSE_FORMERR);
}

static void records_that_do_not_parse_are_a_format_error(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    pheader(&p, 0, 1, 1, 1, 1);
    pquestion(&p, WWW, DNS_A, DNS_IN);
    size_t question_end = p.len;
    prr(&p, DNS_A, "\1\2\3\4", 4);
    prr(&p, DNS_A, "\1\2\3\4", 4);
    popt(&p, 1232, 0, 0, ECS24, 11);
    size_t whole = p.len;
    for (p.len = question_end; p.len < whole; p.len++)
        assert_int_equal(parse(&p, &q), DNS_PARSE_FORMERR);
    p.len = whole;
    assert_int_equal(parse(&p, &q), DNS_PARSE_OK);
    p.b[question_end + 1] = (uint8_t)question_end; /* an owner that points at itself */
    assert_int_equal(parse(&p, &q), DNS_PARSE_FORMERR);
    p.b[question_end] = 0x80;
    assert_int_equal(parse(&p, &q), DNS_PARSE_FORMERR);
}

static void counts_larger_than_the_message_end_with_it(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    pheader(&p, 0, 1, 0xffff, 0xffff, 0xffff);
    pquestion(&p, WWW, DNS_A, DNS_IN);
    for (int i = 0; i < 50; i++)
        prr(&p, DNS_A, "\1\2\3\4", 4);
    assert_int_equal(parse(&p, &q), DNS_PARSE_FORMERR);
    assert_true(q.has_question);
}

static void octets_behind_the_last_record_are_tolerated(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    pheader(&p, 0, 1, 0, 0, 0);
    pquestion(&p, WWW, DNS_A, DNS_IN);
    pbytes(&p, "\300garbage", 8);
    assert_int_equal(parse(&p, &q), DNS_PARSE_OK);
    assert_false(q.edns);
}

static void a_later_version_of_edns_is_named_as_such(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    pheader(&p, 0, 1, 0, 0, 1);
    pquestion(&p, WWW, DNS_A, DNS_IN);
    popt(&p, 1232, 1, 0x8000, "\0\10\0", 3); /* its options may look otherwise */
    assert_int_equal(parse(&p, &q), DNS_PARSE_BADVERS);
    assert_true(q.edns && q.has_question && q.edns_do);
    assert_int_equal(q.edns_version, 1);
    assert_false(q.ecs.present);
}

static void an_option_list_must_fill_its_record(void **state)
{
    (void)state;
    struct dns_query q;
    static const char cookie[] = "\0\12\0\10abcdefgh\xff\xfe\0\0";
    assert_int_equal(parse_options(cookie, 16, &q), DNS_PARSE_OK);
    assert_int_equal(parse_options("\0\3\0\0\0\3\0\2xy", 10, &q), DNS_PARSE_OK);
    assert_true(q.nsid); /* twice, and not empty: asked for all the same */
    static const char *const bad[] = {"\0", "\0\12", "\0\12\0", "\0\12\0\1", "\0\12\377\377x"};
    static const size_t len[] = {1, 2, 3, 4, 5};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(parse_options(bad[i], len[i], &q), DNS_PARSE_FORMERR);
        assert_true(q.edns && q.has_question);
    }
}

static void a_cookie_is_noted_by_its_length_and_the_first_one_counts(void **state)
{
    (void)state;
    struct dns_query q;
    char options[4 + 50 + 12] = "\0\12";
    for (unsigned n = 0; n <= 50; n++) {
        bool good = n == 8 || (n >= 16 && n <= 40);
        options[3] = (char)n;
        memset(options + 4, 'c', n);
        memcpy(options + 4 + n, "\0\12\0\10another!", 12);
        assert_int_equal(parse_options(options, 4 + n + 12, &q), DNS_PARSE_OK);
        assert_int_equal(q.cookie_bad, !good);
        assert_int_equal(q.cookie_len, good ? n : 0);
    }
}

struct ecs_case {
    const char *bytes; /* behind code and length */
    size_t len;
    bool ok;
};

static const struct ecs_case ecs_cases[] = {
    {"\0\1\0\0", 4, true},
    {"\0\2\0\0", 4, true},
    {"\0\0\0\0", 4, true}, /* what dig +subnet=0 sends */
    {"\0\1\1\0\x80", 5, true},
    {"\0\1\40\0\1\2\3\4", 8, true},
    {"\0\1\27\0\1\2\2", 7, true},
    {"\0\1\30\0\1\2\3", 7, true},
    {"\0\2\70\0\x20\1\x0d\xb8\0\1\2", 11, true},
    {"\0\2\200\0\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 20, true},
    {"", 0, false},
    {"\0\1\0", 3, false},
    {"\0\0\10\0\1", 5, false}, /* a network of no family */
    {"\0\0\1\0", 4, false},
    {"\0\3\0\0", 4, false}, /* an unknown family */
    {"\1\1\30\0\1\2\3", 7, false},
    {"\0\1\30\1\1\2\3", 7, false},     /* SCOPE in a query */
    {"\0\1\41\0\1\2\3\4\0", 9, false}, /* 33 bits of IPv4 */
    {"\0\2\201\0\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\0", 21, false},
    {"\0\1\30\0\1\2", 6, false},     /* an octet short */
    {"\0\1\30\0\1\2\3\0", 8, false}, /* an octet too many */
    {"\0\1\0\0\0", 5, false},
    {"\0\1\27\0\1\2\3", 7, false}, /* a bit past SOURCE */
    {"\0\1\1\0\xc0", 5, false},
};

static void a_subnet_is_accepted_only_in_its_one_right_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ecs_cases / sizeof ecs_cases[0]; i++) {
        const struct ecs_case *c = &ecs_cases[i];
        uint8_t option[64] = {0, 8, 0, (uint8_t)c->len};
        memcpy(option + 4, c->bytes, c->len);
        struct dns_query q;
        enum dns_parse r = parse_options(option, 4 + c->len, &q);
        if (r != (c->ok ? DNS_PARSE_OK : DNS_PARSE_FORMERR) || q.ecs.present != c->ok || !q.edns)
            fail_msg("case %zu: %d", i, r);
        if (c->ok)
            assert_memory_equal(q.ecs.ip.b, c->bytes + 4, c->len - 4);
    }
    struct dns_query q;
    assert_int_equal(parse_options(ECS24 ECS24, 22, &q), DNS_PARSE_FORMERR);
    assert_false(q.ecs.present);
}

static void a_subnet_alone_reads_as_beside_another_option(void **state)
{
    (void)state;
    struct dns_query alone, beside;
    assert_int_equal(parse_options(ECS24, 11, &alone), DNS_PARSE_OK);
    assert_int_equal(parse_options(ECS24 "\xff\xf0\0\0", 15, &beside), DNS_PARSE_OK);
    assert_true(alone.ecs.present && beside.ecs.present);
    assert_int_equal(alone.ecs.family, beside.ecs.family);
    assert_int_equal(alone.ecs.source, beside.ecs.source);
    assert_int_equal(alone.ecs.used, beside.ecs.used);
    assert_int_equal(alone.ecs.addr_octets, beside.ecs.addr_octets);
    assert_int_equal(alone.ecs.ip.family, beside.ecs.ip.family);
    assert_memory_equal(alone.ecs.ip.b, beside.ecs.ip.b, sizeof alone.ecs.ip.b);
}

#define KEY "\3key\4test"
#define HMAC "\13hmac-sha256"
#define TSIG_FIXED                                                                                 \
    "\0\0\51\46\56\260\1\54\0\4MACM\276\357\0\0\0\2xy" /* MAC of 4, Other Data of 2 */
static const char tsig[] = KEY "\0\0\372\0\377\0\0\0\0\0\43" HMAC "\0" TSIG_FIXED;

static enum dns_parse parse_signed(struct packet *p, struct dns_query *q, const char *record,
                                   size_t len, unsigned an, unsigned ar)
{
    pheader(p, 0, 1, an, 0, ar);
    pquestion(p, WWW, DNS_A, DNS_IN);
    pbytes(p, record, len);
    return parse(p, q);
}

static void a_signature_is_found_as_the_last_record_and_nowhere_else(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    size_t len = sizeof tsig - 1;
    assert_int_equal(parse_signed(&p, &q, tsig, len, 0, 1), DNS_PARSE_TSIG);
    assert_int_equal(q.tsig_off, q.question_end);
    assert_int_equal(q.tsig_owner_len, sizeof KEY);
    assert_int_equal(q.tsig_algorithm_len, sizeof HMAC);
    assert_int_equal(parse_signed(&p, &q, tsig, len, 1, 0), DNS_PARSE_FORMERR);
    char two[2 * sizeof tsig];
    memcpy(two, tsig, len);
    memcpy(two + len, tsig, len);
    assert_int_equal(parse_signed(&p, &q, two, 2 * len, 0, 2), DNS_PARSE_FORMERR);
    assert_int_equal(parse_signed(&p, &q, two, 2 * len, 0, 1), DNS_PARSE_TSIG);
    pheader(&p, 0, 0, 0, 0, 2); /* no question: its cookie does not help */
    popt(&p, 1232, 0, 0, "\0\12\0\10clientck", 12);
    pbytes(&p, tsig, len);
    assert_int_equal(parse(&p, &q), DNS_PARSE_FORMERR);
}

static void a_signature_has_one_form(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    size_t len = sizeof tsig - 1, fixed = sizeof KEY;
    char bad[sizeof tsig];
    static const struct {
        size_t at; /* behind the owner */
        char octet;
    } cases[] = {
        {3, 1},                            /* class 1 */
        {7, 1},                            /* a TTL */
        {10, 65},                          /* label type 01 in the algorithm */
        {10 + sizeof HMAC + 9, 5},         /* MAC one longer: Other Data's length elsewhere */
        {10 + sizeof HMAC + 8, 1},         /* MAC far too long */
        {10 + sizeof HMAC + 9 + 4 + 6, 1}, /* Other Data one shorter than the record */
        {10 + sizeof HMAC + 9 + 4 + 6, 3}, /* and one longer */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memcpy(bad, tsig, len);
        bad[fixed + cases[i].at] = cases[i].octet;
        if (parse_signed(&p, &q, bad, len, 0, 1) != DNS_PARSE_FORMERR || q.tsig_off)
            fail_msg("case %zu", i);
    }
    for (size_t n = 0; n < 35; n++) { /* every shorter RDATA */
        memcpy(bad, tsig, len);
        bad[fixed + 9] = (char)n;
        if (parse_signed(&p, &q, bad, len, 0, 1) != DNS_PARSE_FORMERR)
            fail_msg("RDATA of %zu", n);
    }
    memcpy(bad, "\300\14", 2); /* the key's name elsewhere */
    memcpy(bad + 2, tsig + fixed, len - fixed);
    assert_int_equal(parse_signed(&p, &q, bad, len - fixed + 2, 0, 1), DNS_PARSE_FORMERR);
}

static void the_udp_limit_lies_between_512_and_ours(void **state)
{
    (void)state;
    static const unsigned sizes[][2] = {{0, 512},     {511, 512},   {512, 512},   {513, 513},
                                        {1231, 1231}, {1232, 1232}, {4096, 1232}, {65535, 1232}};
    for (size_t i = 0; i < 8; i++) {
        struct dns_query q = {.edns = true, .udp_size = (uint16_t)sizes[i][0]};
        assert_int_equal(dns_query_udp_limit(&q, DNS_UDP_EDNS_MAX), sizes[i][1]);
    }
}

/* Every octet of a good message changed at random: whatever comes out must hold together. */
static void damaged_messages_get_an_outcome_that_holds_together(void **state)
{
    (void)state;
    const char *s = getenv("SEED");
    uint64_t seed = s ? strtoull(s, NULL, 0) : (uint64_t)time(NULL);
    printf("SEED=%llu\n", (unsigned long long)seed);
    struct rng r;
    rng_seed(&r, seed);
    for (int i = 0; i < 100000; i++) {
        struct packet p;
        struct dns_query q;
        pheader(&p, 0x0100, 1, rng_below(&r, 2), 0, 1);
        pquestion(&p, WWW, DNS_A, DNS_IN);
        if (p.b[7])
            prr(&p, DNS_A, "\1\2\3\4", 4);
        popt(&p, 1232, 0, 0, ECS24, 11);
        for (unsigned n = rng_below(&r, 4); n > 0; n--)
            p.b[2 + rng_below(&r, (uint32_t)p.len - 2)] = (uint8_t)rng_next(&r);
        p.len -= rng_below(&r, 8) ? 0 : rng_below(&r, (uint32_t)p.len);
        enum dns_parse got = parse(&p, &q);
        if (got == DNS_PARSE_OK || got == DNS_PARSE_BADVERS || got == DNS_PARSE_TSIG)
            assert_true(q.has_question);
        if (q.has_question) {
            assert_true(q.question_end <= p.len);
            assert_int_equal(dns_name_length(q.lower, q.qname_len), q.qname_len);
            assert_int_equal(dns_name_labels(q.lower), q.labels);
            assert_int_equal(q.lower[q.qname_len - 1], 0);
        }
        if (q.ecs.present)
            assert_true(q.edns && q.ecs.addr_octets == (q.ecs.source + 7) / 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_query_is_taken_apart),
        cmocka_unit_test(a_query_without_opt_has_no_edns),
        cmocka_unit_test(responses_and_fragments_of_headers_are_dropped),
        cmocka_unit_test(every_other_opcode_is_not_implemented),
        cmocka_unit_test(flags_that_mean_nothing_in_a_query_are_ignored),
        cmocka_unit_test(a_question_that_cannot_be_read_leaves_only_the_header),
        cmocka_unit_test(names_up_to_255_octets_and_no_longer),
        cmocka_unit_test(anything_but_one_question_is_a_format_error),
        cmocka_unit_test(opt_is_found_behind_other_records),
        cmocka_unit_test(opt_out_of_place_is_a_format_error),
        cmocka_unit_test(records_that_do_not_parse_are_a_format_error),
        cmocka_unit_test(counts_larger_than_the_message_end_with_it),
        cmocka_unit_test(octets_behind_the_last_record_are_tolerated),
        cmocka_unit_test(a_later_version_of_edns_is_named_as_such),
        cmocka_unit_test(an_option_list_must_fill_its_record),
        cmocka_unit_test(a_cookie_is_noted_by_its_length_and_the_first_one_counts),
        cmocka_unit_test(a_subnet_is_accepted_only_in_its_one_right_form),
        cmocka_unit_test(a_subnet_alone_reads_as_beside_another_option),
        cmocka_unit_test(a_signature_is_found_as_the_last_record_and_nowhere_else),
        cmocka_unit_test(a_signature_has_one_form),
        cmocka_unit_test(the_udp_limit_lies_between_512_and_ours),
        cmocka_unit_test(damaged_messages_get_an_outcome_that_holds_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
