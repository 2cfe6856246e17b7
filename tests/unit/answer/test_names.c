/* Names on the wire: any octets, any case, whole labels. */
#include "zoned.h"

#include <stdlib.h>
#include <string.h>

static struct zoned z;

static const char zone[] = ZONED_TOP "a\\.b A 192.0.2.1\n"
                                     "a.b A 192.0.2.2\n"
                                     "a\\000b A 192.0.2.3\n"
                                     "\\255\\254 A 192.0.2.4\n"
                                     "a\\032b A 192.0.2.5\n"
                                     "\\042.star A 192.0.2.6\n"
                                     "\\\"\\; A 192.0.2.7\n"
                                     "to CNAME A\\.B\n"
                                     "mail A 192.0.2.25\n"
                                     "@ MX 10 mail\n"
                                     "alias CNAME Mail\n";

static int open_world(void **state)
{
    (void)state;
    zoned_open(&z, &(struct zoned_zone){"z.test", zone}, 1,
               ZONED_SERVICE("www.z.test", 30, "192.0.2.9"));
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    zoned_close(&z);
    return 0;
}

#define ASK(name, type) zoned_ask(&z, name, sizeof name - 1, type, DNS_IN)
#define Z "\1z\4test\0"

static void assert_address(const struct reply *r, uint8_t last)
{
    assert_non_null(r);
    assert_int_equal(r->rcode, DNS_NOERROR);
    assert_int_equal(r->answers, 1);
    assert_int_equal(r->rr[0].type, DNS_A);
    assert_int_equal(r->rr[0].rdata[3], last);
    assert_int_equal(r->rr[0].owner.len, r->qname.len);
    assert_memory_equal(r->rr[0].owner.wire, r->qname.wire, r->qname.len);
}

/* RFC 2181 section 11: any octet may stand in a label, from a zone file and in a question. */
static void any_octet_is_legal_in_a_label(void **state)
{
    (void)state;
    assert_address(ASK("\3a.b" Z, DNS_A), 1);
    assert_address(ASK("\1a\1b" Z, DNS_A), 2);
    assert_address(ASK("\3a\0b" Z, DNS_A), 3);
    assert_address(ASK("\2\xff\xfe" Z, DNS_A), 4);
    assert_address(ASK("\3a b" Z, DNS_A), 5);
    assert_address(ASK("\2\";" Z, DNS_A), 7);
    assert_int_equal(ASK("\3a\1b" Z, DNS_A)->rcode, DNS_NXDOMAIN);
    assert_int_equal(ASK("\1\xff" Z, DNS_A)->rcode, DNS_NXDOMAIN);
    const struct reply *r = ASK("\2to" Z, DNS_A);
    assert_int_equal(r->answers, 2); /* the alias leads to the label with the dot in it */
    assert_int_equal(r->rr[1].rdata[3], 1);
}

/* RFC 4592 section 2.1.1: the octet decides, not how it is written. */
static void an_escaped_asterisk_is_an_asterisk(void **state)
{
    (void)state;
    assert_address(ASK("\1x\4star" Z, DNS_A), 6);
    assert_address(ASK("\1*\4star" Z, DNS_A), 6);
}

/* RFC 4343 section 4.1, RFC 1035 section 2.3.3: case does not matter, and what was asked comes back. */
static void the_question_keeps_its_case_in_every_record_that_points_to_it(void **state)
{
    (void)state;
    const struct reply *r = ASK("\3WwW\1Z\4tEsT\0", DNS_A);
    assert_address(r, 9);
    assert_memory_equal(r->qname.wire, "\3WwW\1Z\4tEsT", 12);
    r = ASK("\5aLiAs\1Z\4tEsT\0", DNS_A);
    assert_string_equal(reply_text(&r->rr[0].owner), "aLiAs.Z.tEsT");
    assert_string_equal(reply_text(&r->rr[0].target), "Mail.z.test"); /* as in the file */
    assert_string_equal(reply_text(&r->rr[1].owner), "Mail.z.test");
    r = ASK("\2nO\1Z\4tEsT\0", DNS_A);
    assert_int_equal(r->rcode, DNS_NXDOMAIN);
    assert_string_equal(reply_text(&r->rr[0].owner), "Z.tEsT"); /* the SOA's */
}

/* RFC 4343 section 3: only the letters of ASCII have a case. */
static void octets_beside_the_letters_have_no_case(void **state)
{
    (void)state;
    assert_int_equal(ASK("\2\xdf\xde" Z, DNS_A)->rcode, DNS_NXDOMAIN); /* \xff\xfe less 0x20 */
    assert_int_equal(ASK("\3a@b" Z, DNS_A)->rcode, DNS_NXDOMAIN);
    assert_int_equal(ASK("\3A.B" Z, DNS_A)->rcode, DNS_NOERROR);
}

/* RFC 1035 section 4.1.4 and 2.3.4: in a question a pointer has nowhere to lead, labels end at 63
 * octets and names at 255. */
static void names_that_are_none_are_format_errors(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t len;
    } bad[] = {
        {"\xc0\x0c", 2},       /* to itself */
        {"\3www\xc0\x0c", 6},  /* back to its own start */
        {"\3www\xc0\x04", 6},  /* into the header */
        {"\3www\xc0\xff", 6},  /* forwards */
        {"\x41\x01" Z, 2 + 8}, /* the label types 01 */
        {"\x80\x01" Z, 2 + 8}, /* and 10 */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct reply *r = zoned_ask(&z, bad[i].name, bad[i].len, DNS_A, DNS_IN);
        assert_non_null(r);
        assert_int_equal(r->rcode, DNS_FORMERR);
        assert_int_equal(r->n, 0);
        assert_int_equal(ask_outcome(), ANSWER_formerr);
    }
    uint8_t longest[300];
    for (size_t i = 0; i < 3; i++) {
        longest[64 * i] = 63;
        memset(longest + 64 * i + 1, 'a', 63);
    }
    for (unsigned last = 54; last <= 55; last++) { /* 255 octets, then 256 */
        longest[192] = (uint8_t)last;
        memset(longest + 193, 'a', last);
        memcpy(longest + 193 + last, Z, 8);
        const struct reply *r = zoned_ask(&z, longest, 193 + last + 8, DNS_A, DNS_IN);
        assert_int_equal(r->rcode, last == 54 ? DNS_NXDOMAIN : DNS_FORMERR);
    }
}

/* RFC 1035 section 4.1.4: what we point with leads backwards, which the reader of these tests checks
 * in each answer; here that owners are pointers at all, so that answers stay small. */
static void owners_are_pointers(void **state)
{
    (void)state;
    ASK("\3www" Z, DNS_A);
    assert_int_equal(ask_length(), 12 + 12 + 4 + 2 + 10 + 4);
    ASK("\2no" Z, DNS_A);
    assert_int_equal(ask_length(), 12 + 11 + 4 + 2 + 10 + 12 + 13 + 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_octet_is_legal_in_a_label),
        cmocka_unit_test(an_escaped_asterisk_is_an_asterisk),
        cmocka_unit_test(the_question_keeps_its_case_in_every_record_that_points_to_it),
        cmocka_unit_test(octets_beside_the_letters_have_no_case),
        cmocka_unit_test(names_that_are_none_are_format_errors),
        cmocka_unit_test(owners_are_pointers),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
