#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dns/writer.h"
#include "packet.h"

#define WWW "\3wWw\7ExAmPlE"
#define QUESTION_END (12 + 13 + 4)

static struct packet query(struct dns_query *q, unsigned class, const void *options, size_t len)
{
    struct packet p;
    pheader(&p, 0x0130, 1, 0, 0, 1); /* RD, AD, CD */
    pquestion(&p, WWW, DNS_A, class);
    popt(&p, 4096, 0, 0x8000, options, len);
    assert_int_equal(dns_query_parse(p.b, p.len, q), DNS_PARSE_OK);
    return p;
}

static void an_answer_is_written_octet_for_octet(void **state)
{
    (void)state;
    struct dns_query q;
    struct packet p = query(&q, DNS_IN, "\0\10\0\7\0\1\30\0\xc0\0\2", 11);
    uint8_t buf[512];
    struct dns_writer w;
    dns_writer_begin(&w, buf, sizeof buf, p.b, &q);
    dns_writer_rr(&w, DNS_SECTION_ANSWER, DNS_OWNER_QNAME, NULL, 0, DNS_A, 0x01020304, "\1\2\3\4",
                  4);
    dns_writer_rr(&w, DNS_SECTION_ADDITIONAL, DNS_OWNER_WIRE, (const uint8_t *)"\1x", 3, DNS_TXT, 5,
                  "\1y", 2);
    dns_writer_rr(&w, DNS_SECTION_ADDITIONAL, 0x3fff, NULL, 0, 65280, 5, NULL, 0);
    struct dns_opt_reply opt = {.ecs_scope = 20, .nsid = "unasked", .nsid_len = 7};
    dns_writer_opt(&w, &q, &opt);
    size_t len = dns_writer_finish(&w, &q, &(struct dns_reply_flags){.aa = true, .rcode = 3});
    assert_false(w.overflow);

    struct packet want;
    pheader(&want, 0x8000 | 0x0400 | 0x0100 | 0x0010 | 3, 1, 1, 0, 3); /* AD is not copied */
    pquestion(&want, WWW, DNS_A, DNS_IN);                              /* in the letters asked */
    pbytes(&want, "\300\014\0\1\0\1\1\2\3\4\0\4\1\2\3\4", 16);
    pbytes(&want, "\1x\0\0\20\0\1\0\0\0\5\0\2\1y", 15);
    pbytes(&want, "\377\377\377\0\0\1\0\0\0\5\0\0", 12);
    popt(&want, 1232, 0, 0x8000, "\0\10\0\7\0\1\30\24\xc0\0\2", 11);
    assert_int_equal(len, want.len);
    assert_memory_equal(buf, want.b, want.len);
}

static void opt_carries_the_high_bits_of_the_rcode_and_nsid_if_asked(void **state)
{
    (void)state;
    struct dns_query q;
    struct packet p = query(&q, DNS_IN, "\0\3\0\0", 4);
    uint8_t buf[512];
    struct dns_writer w;
    dns_writer_begin(&w, buf, sizeof buf, p.b, &q);
    struct dns_opt_reply opt = {.rcode = DNS_BADVERS, .nsid = "ns1", .nsid_len = 3};
    dns_writer_opt(&w, &q, &opt);
    assert_int_equal(w.len - QUESTION_END, dns_opt_size(&q, &opt));
    assert_memory_equal(buf + QUESTION_END, "\0\0\51\4\320\1\0\200\0\0\7\0\3\0\3ns1", 18);
    dns_writer_finish(&w, &q, &(struct dns_reply_flags){.rcode = DNS_BADVERS});
    assert_int_equal(buf[3] & 15, 0);
    assert_int_equal(dns_opt_size(&q, &(struct dns_opt_reply){0}), 11);
    q.edns = false; /* none in the query, none in the reply */
    assert_int_equal(dns_opt_size(&q, &opt), 0);
    dns_writer_begin(&w, buf, sizeof buf, p.b, &q);
    dns_writer_opt(&w, &q, &opt);
    assert_int_equal(w.len, QUESTION_END);
}

/* The long way to what dns_write_address writes. */
static size_t write_at_length(uint8_t *buf, size_t cap, const struct packet *p,
                              const struct dns_query *q, uint8_t scope, uint32_t ttl,
                              const uint8_t *rdata, size_t len)
{
    struct dns_writer w;
    struct dns_opt_reply opt = {.ecs_scope = scope};
    dns_writer_begin(&w, buf, cap, p->b, q);
    dns_writer_rr(&w, DNS_SECTION_ANSWER, DNS_OWNER_QNAME, NULL, 0, len == 4 ? DNS_A : DNS_AAAA,
                  ttl, rdata, len);
    dns_writer_opt(&w, q, &opt);
    return w.overflow ? 0
                      : dns_writer_finish(&w, q, &(struct dns_reply_flags){.aa = true, .rcode = 0});
}

static void one_address_is_written_as_at_length(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } options[] = {{"", 0},
                   {"\0\10\0\4\0\0\0\0", 8},
                   {"\0\10\0\4\0\1\0\0", 8},
                   {"\0\10\0\7\0\1\30\0\xc0\0\2", 11},
                   {"\0\10\0\5\0\1\1\0\x80", 9},
                   {"\0\10\0\10\0\1\40\0\xc0\0\2\1\0\3\0\0", 16},
                   {"\0\10\0\13\0\2\70\0\x20\1\xd\xb8\1\2\3", 15},
                   {"\0\10\0\24\0\2\x80\0\x20\1\xd\xb8\1\2\3\4\5\6\7\x8\x9\xa\xb\xc", 24}};
    static const char longest[] = /* 255 octets */
        "\77aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "\77bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        "\77ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
        "\75ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";
    static const char *const names[] = {"", WWW, longest};
    static const uint8_t rdata[16] = {192, 0, 2, 1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255};
    unsigned written = 0;
    for (size_t i = 0; i < 2 * sizeof options / sizeof options[0]; i++)
        for (unsigned k = 0; k < 48; k++) {
            struct dns_query q;
            struct packet p;
            bool edns = i % 2 == 0;
            unsigned flags = (k & 1 ? 0x0100u : 0) | (k & 2 ? 0x0010u : 0) | 0x0220;
            size_t len = k & 4 ? 4 : 16;
            pheader(&p, flags, 1, 0, 0, edns);
            pquestion(&p, names[k / 16], len == 4 ? DNS_A : DNS_AAAA, DNS_IN);
            if (edns)
                popt(&p, 4096, 0, k & 8 ? 0x8000 : 0, options[i / 2].bytes, options[i / 2].len);
            assert_int_equal(dns_query_parse(p.b, p.len, &q), DNS_PARSE_OK);
            for (size_t cap = 0; cap <= 512; cap++) {
                uint8_t want[512], got[512];
                memset(want, 0xee, sizeof want);
                memset(got, 0xee, sizeof got);
                uint32_t ttl = 0x01020304u * (k + 1);
                size_t n = dns_write_address(got, cap, p.b, &q, (uint8_t)k, ttl, rdata, len);
                if (n > 0) {
                    written++;
                    assert_int_equal(
                        n, write_at_length(want, cap, &p, &q, (uint8_t)k, ttl, rdata, len));
                }
                assert_memory_equal(got, want, n);
                for (size_t at = n ? cap : 0; at < sizeof got; at++)
                    assert_int_equal(got[at], 0xee);
                assert_true(n > 0 || cap < 512);
            }
        }
    assert_true(written > 10000);
}

static void a_signature_goes_back_without_mac_or_not_at_all(void **state)
{
    (void)state;
    struct dns_query q;
    struct packet p;
    pheader(&p, 0, 1, 0, 0, 1);
    pquestion(&p, WWW, DNS_A, DNS_IN);
    pbytes(&p, "\3key\0\0\372\0\377\0\0\0\0\0\31\3md5\0", 20);
    pbytes(&p, "\0\0\51\46\56\260\1\54\0\4MACM\0\7\0\0\0\0", 20);
    assert_int_equal(dns_query_parse(p.b, p.len, &q), DNS_PARSE_TSIG);
    for (size_t room = QUESTION_END; room < QUESTION_END + 40; room++) {
        uint8_t buf[QUESTION_END + 40];
        struct dns_writer w;
        dns_writer_begin(&w, buf, room, p.b, &q);
        dns_writer_tsig(&w, p.b, &q, DNS_TSIG_BADKEY);
        size_t len = dns_writer_finish(&w, &q, &(struct dns_reply_flags){.rcode = DNS_NOTAUTH});
        assert_false(w.overflow);
        if (room < QUESTION_END + 36) {
            assert_int_equal(len, QUESTION_END);
            continue;
        }
        struct packet want;
        pheader(&want, 0x8000 | DNS_NOTAUTH, 1, 0, 0, 1);
        pquestion(&want, WWW, DNS_A, DNS_IN);
        pbytes(&want, "\3key\0\0\372\0\377\0\0\0\0\0\25\3md5\0", 20);
        pbytes(&want, "\0\0\51\46\56\260\1\54\0\0\276\357\0\21\0\0", 16);
        assert_int_equal(len, want.len);
        assert_memory_equal(buf, want.b, want.len);
    }
}

static void an_error_without_question_is_a_bare_header(void **state)
{
    (void)state;
    struct packet p;
    struct dns_query q;
    pheader(&p, 0x2900, 1, 2, 3, 4);
    assert_int_equal(dns_query_parse(p.b, p.len, &q), DNS_PARSE_NOTIMP);
    uint8_t buf[12];
    struct dns_writer w;
    dns_writer_begin(&w, buf, sizeof buf, p.b, &q);
    assert_int_equal(dns_writer_finish(&w, &q, &(struct dns_reply_flags){.rcode = DNS_NOTIMP}), 12);
    assert_memory_equal(buf, "\xbe\xef\xa9\4\0\0\0\0\0\0\0\0", 12);
}

static void a_buffer_of_any_size_is_never_overrun(void **state)
{
    (void)state;
    struct dns_query q;
    struct packet p = query(&q, DNS_IN, "\0\10\0\7\0\1\30\0\xc0\0\2", 11);
    size_t whole = QUESTION_END + 16 + dns_opt_size(&q, &(struct dns_opt_reply){0});
    for (size_t cap = 0; cap <= whole; cap++) {
        uint8_t *buf = malloc(cap ? cap : 1);
        struct dns_writer w;
        dns_writer_begin(&w, buf, cap, p.b, &q);
        dns_writer_rr(&w, DNS_SECTION_ANSWER, DNS_OWNER_QNAME, NULL, 0, DNS_A, 1, "\1\2\3\4", 4);
        dns_writer_opt(&w, &q, &(struct dns_opt_reply){0});
        assert_int_equal(w.overflow, cap < whole);
        assert_true(w.len <= cap);
        assert_int_equal(w.counts[DNS_SECTION_ANSWER], cap >= QUESTION_END + 16);
        size_t len = dns_writer_finish(&w, &q, &(struct dns_reply_flags){0});
        assert_true(len <= cap);
        free(buf);
    }
}

static void overflow_sticks_until_room_is_made(void **state)
{
    (void)state;
    struct dns_query q;
    struct packet p = query(&q, DNS_IN, NULL, 0);
    uint8_t buf[QUESTION_END + 20];
    struct dns_writer w;
    dns_writer_begin(&w, buf, sizeof buf, p.b, &q);
    dns_writer_rr(&w, DNS_SECTION_ANSWER, DNS_OWNER_QNAME, NULL, 0, DNS_TXT, 1, "123456789", 9);
    assert_true(w.overflow);
    assert_int_equal(w.len, QUESTION_END);
    dns_put_bytes(&w, "x", 1); /* would fit, but nothing follows what is missing */
    assert_int_equal(w.len, QUESTION_END);
    w.overflow = false;
    dns_put_bytes(&w, "x", 1);
    dns_put8(&w, 1);
    dns_put16(&w, 0x0203);
    dns_put32(&w, 0x04050607);
    assert_false(w.overflow);
    assert_memory_equal(buf + QUESTION_END, "x\1\2\3\4\5\6\7", 8);
    dns_writer_rr(&w, DNS_SECTION_ANSWER, 0x4000, NULL, 0, DNS_A, 1, "", 0);
    assert_true(w.overflow); /* no pointer reaches that far */
}

static void records_of_a_chaos_question_are_chaos(void **state)
{
    (void)state;
    struct dns_query q;
    struct packet p = query(&q, DNS_CH, NULL, 0);
    uint8_t buf[512];
    struct dns_writer w;
    dns_writer_begin(&w, buf, sizeof buf, p.b, &q);
    dns_writer_rr(&w, DNS_SECTION_ANSWER, DNS_OWNER_QNAME, NULL, 0, DNS_TXT, 0, "\1x", 2);
    assert_int_equal(buf[QUESTION_END + 5], DNS_CH);
    query(&q, DNS_CLASS_ANY, NULL, 0);
    dns_writer_begin(&w, buf, sizeof buf, p.b, &q);
    assert_int_equal(w.rclass, DNS_IN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_written_octet_for_octet),
        cmocka_unit_test(opt_carries_the_high_bits_of_the_rcode_and_nsid_if_asked),
        cmocka_unit_test(one_address_is_written_as_at_length),
        cmocka_unit_test(a_signature_goes_back_without_mac_or_not_at_all),
        cmocka_unit_test(an_error_without_question_is_a_bare_header),
        cmocka_unit_test(a_buffer_of_any_size_is_never_overrun),
        cmocka_unit_test(overflow_sticks_until_room_is_made),
        cmocka_unit_test(records_of_a_chaos_question_are_chaos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
