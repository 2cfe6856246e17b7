/* What is not done: other opcodes, other classes, meta types, zone maintenance; and headers. */
#include "zoned.h"

#include <string.h>

static struct zoned z;

static const struct zoned_zone zones[] = {{"z.test", ZONED_TOP "mail A 192.0.2.25\n"}};

static int open_world(void **state)
{
    (void)state;
    zoned_open(&z, zones, sizeof zones / sizeof zones[0],
               ZONED_SERVICE("www.z.test", 30, "192.0.2.9"));
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    zoned_close(&z);
    return 0;
}

#define WWW "\3www\1z\4test\0"

/* A question for www.z.test with these octets of flags. */
static const struct reply *ask_flags(uint8_t high, uint8_t low, bool tcp)
{
    uint8_t msg[64] = {0x12, 0x34, high, low, 0, 1};
    memcpy(msg + 12, WWW "\0\1\0\1", 16);
    return ask_bytes(&z.lab, msg, 28, tcp);
}

/* RFC 8906 section 3.1.4, RFC 3425 section 3 (IQUERY), RFC 1996 section 3 (NOTIFY), RFC 2136 section
 * 3.1 (UPDATE), RFC 8490 section 5.1.1 (DSO): NOTIMP with no more than the header, never silence. */
static void other_opcodes_are_not_implemented(void **state)
{
    (void)state;
    for (int tcp = 0; tcp < 2; tcp++)
        for (unsigned opcode = 1; opcode < 16; opcode++) {
            const struct reply *r = ask_flags((uint8_t)(opcode << 3 | 1), 0, tcp);
            assert_non_null(r);
            assert_int_equal(r->rcode, DNS_NOTIMP);
            assert_int_equal(r->opcode, opcode);
            assert_int_equal(r->id, 0x1234);
            assert_int_equal(ask_length(), 12);
            assert_int_equal(ask_outcome(), ANSWER_notimp);
        }
}

/* RFC 1035 section 4.1.1: ID, opcode and RD come back; AA is ours to set, RA and Z are clear; what a
 * query has in AA, TC, RA, Z and RCODE is ignored. */
static void flags_of_a_query_do_not_come_back(void **state)
{
    (void)state;
    for (unsigned high = 0; high < 8; high++)
        for (unsigned low = 0; low < 256; low += low < 16 ? 1 : 15) {
            const struct reply *r = ask_flags((uint8_t)high, (uint8_t)low, false);
            assert_int_equal(r->rcode, DNS_NOERROR);
            assert_int_equal(r->id, 0x1234);
            assert_int_equal(r->rd, high & 1);
            assert_true(r->aa && !r->tc && !r->ra); /* and Z, AD: the reader of these tests */
            assert_int_equal(r->answers, 1);
        }
}

/* RFC 1035 section 4.1.1: an answer is not answered, whatever else it says. */
static void answers_are_not_answered(void **state)
{
    (void)state;
    for (unsigned high = 0x80; high < 0x100; high++) {
        assert_null(ask_flags((uint8_t)high, 0, false));
        assert_int_equal(ask_outcome(), ANSWER_dropped);
    }
}

/* RFC 6895 section 3.2, RFC 1035 section 3.2.4: data of IN is for questions of IN. */
static void other_classes_get_no_data(void **state)
{
    (void)state;
    static const uint16_t classes[] = {0, 2, 4, 5, 254, 255, 256, 65280, 65535};
    static const uint16_t types[] = {DNS_A, DNS_SOA, DNS_ANY};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        for (size_t k = 0; k < 3; k++) {
            const struct reply *r = zoned_ask(&z, WWW, 12, types[k], classes[i]);
            assert_int_equal(r->rcode, DNS_REFUSED);
            assert_int_equal(r->qclass, classes[i]);
            assert_int_equal(r->n, 0);
            assert_false(r->aa);
        }
}

/* RFC 5936 section 2.2.1 (AXFR), RFC 1995 section 4 (IXFR): not offered, and said so. RFC 6895 section
 * 3.1: the other meta types are no data. RFC 9824 section 3.5: NXNAME among them. */
static void transfers_and_meta_types_are_refused(void **state)
{
    (void)state;
    static const uint16_t types[] = {DNS_AXFR, DNS_IXFR, DNS_OPT, 128, 200, 249, 250};
    for (int tcp = 0; tcp < 2; tcp++)
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            const struct reply *r =
                ask(&z.lab, &(struct lab_question){.name = "z.test", .type = types[i], .tcp = tcp});
            assert_int_equal(r->rcode, DNS_REFUSED);
            assert_int_equal(r->n, 0);
            assert_false(r->aa);
        }
}

/* RFC 1035 section 3.2.3: long obsolete, and nobody's data. */
static void mail_questions_of_old_are_not_implemented(void **state)
{
    (void)state;
    assert_line(&z, "z.test", DNS_MAILA, "NOTIMP");
    assert_line(&z, "z.test", DNS_MAILB, "NOTIMP");
}

/* RFC 1034 section 4.3.2: no zone of ours: REFUSED, nothing else, no way to the root. */
static void names_outside_our_zones_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"test", ".", "y.test", "zz.test", "www.example.org"};
    static const uint16_t types[] = {DNS_A, DNS_NS, DNS_SOA, DNS_DS, DNS_ANY};
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < 5; k++) {
            const struct reply *r =
                ask(&z.lab, &(struct lab_question){.name = names[i], .type = types[k]});
            assert_int_equal(r->rcode, DNS_REFUSED);
            assert_int_equal(r->n, 0);
            assert_false(r->aa);
        }
}

/* RFC 4035 section 3.1.6, RFC 6840 section 5.8: AD is clear, CD comes back. RFC 3225 section 3: DO too.
 * RFC 4035 section 3.1 asks for signatures, of which there are none. */
static void a_question_for_signatures_gets_plain_data(void **state)
{
    (void)state;
    assert_true(ask_flags(1, 0x10, false)->cd);
    assert_false(ask_flags(1, 0x20, false)->cd);
    const struct reply *r =
        ask(&z.lab, &(struct lab_question){.name = "www.z.test", .type = DNS_A, .edns_do = true});
    assert_true(r->opt_do);
    assert_int_equal(r->n, 1);
    static const uint16_t types[] = {DNS_RRSIG, DNS_NSEC, DNS_DNSKEY, DNS_DS};
    for (size_t i = 0; i < 4; i++)
        assert_line(&z, "z.test", types[i], "NOERROR aa | z.test 300 SOA ns1.z.test");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_opcodes_are_not_implemented),
        cmocka_unit_test(flags_of_a_query_do_not_come_back),
        cmocka_unit_test(answers_are_not_answered),
        cmocka_unit_test(other_classes_get_no_data),
        cmocka_unit_test(transfers_and_meta_types_are_refused),
        cmocka_unit_test(mail_questions_of_old_are_not_implemented),
        cmocka_unit_test(names_outside_our_zones_are_refused),
        cmocka_unit_test(a_question_for_signatures_gets_plain_data),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
