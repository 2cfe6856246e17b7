#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "dns/types.h"
#include "zone_util.h"

#define SOA "@ 300 IN SOA ns1 host 1 2 3 4 5\n"

static int arena_setup(void **state)
{
    *state = arena_create(0);
    return *state ? 0 : 1;
}

static int arena_teardown(void **state)
{
    arena_destroy(*state);
    return 0;
}

static void rdata_is(const struct zone_records *r, const char *owner, uint16_t type,
                     const void *want, size_t len)
{
    const struct zone_rrset *set = rrset_of(r, owner, type);
    if (!set)
        fail_msg("no %s type %u", owner, type);
    assert_int_equal(set->n, 1);
    assert_int_equal(set->rr[0].rdata_len, len);
    assert_memory_equal(set->rr[0].rdata, want, len);
}

static void records_come_out_in_wire_form(void **state)
{
    struct zone_records *r = load_good("Example.",
                                       "$TTL 60\n" SOA "@ NS @\n"
                                       "WWW A 192.0.2.1\n"
                                       "    AAAA 2001:db8::1\n"
                                       "m MX 10 @\n"
                                       "s SRV 1 2 3 Www\n"
                                       "a CNAME other.test.\n"
                                       "t TXT \"semi;colon (x)\" plain \"\\\"\\065\"\n"
                                       "c CAA 0 issue \"ca.test\"\n"
                                       "h HTTPS 1 . alpn=h2 port=8443\n"
                                       "v SVCB 0 www\n"
                                       "u TYPE65280 \\# 3 010203\n"
                                       "k TYPE1 \\# 4 C0000201\n"
                                       "l A \\# 4 c0 00 02 02\n",
                                       *state);
    rdata_is(r, "www.example", DNS_A, "\xc0\0\2\1", 4);
    rdata_is(r, "www.example", DNS_AAAA, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    rdata_is(r, "example", DNS_NS, "\7example", 9);
    rdata_is(r, "m.example", DNS_MX, "\0\12\7example", 11);
    rdata_is(r, "s.example", DNS_SRV, "\0\1\0\2\0\3\3Www\7example", 19);
    rdata_is(r, "a.example", DNS_CNAME, "\5other\4test", 12);
    rdata_is(r, "t.example", DNS_TXT, "\16semi;colon (x)\5plain\2\"A", 24);
    rdata_is(r, "c.example", 257, "\0\5issueca.test", 14);
    rdata_is(r, "h.example", DNS_HTTPS, "\0\1\0\0\1\0\3\2h2\0\3\0\2\x20\xfb", 16);
    rdata_is(r, "v.example", DNS_SVCB, "\0\0\3www\7example", 15);
    rdata_is(r, "u.example", 65280, "\1\2\3", 3);
    rdata_is(r, "k.example", DNS_A, "\xc0\0\2\1", 4);
    rdata_is(r, "l.example", DNS_A, "\xc0\0\2\2", 4);
    assert_int_equal(rrset_of(r, "example", DNS_SOA)->ttl, 300);
    /* The next without a TTL: $TTL, not the one above. */
    assert_int_equal(rrset_of(r, "example", DNS_NS)->ttl, 60);
    assert_int_equal(rrset_of(r, "m.example", DNS_MX)->line, 6);
    for (size_t i = 1; i < r->n; i++)
        assert_true(dns_name_compare(r->rrset[i - 1].owner.wire, r->rrset[i].owner.wire) <= 0);
}

static void ttl_and_class_come_in_any_order(void **state)
{
    struct zone_records *r =
        load_good("example",
                  "a 1h30m IN A 192.0.2.1\nb IN 2w A 192.0.2.1\nc in A 192.0.2.1\n"
                  "d 5 A 192.0.2.1\ne A 192.0.2.1\n0 0 A 192.0.2.1\n"
                  "in IN A 192.0.2.1\n",
                  *state);
    static const struct {
        const char *name;
        uint32_t ttl;
    } want[] = {{"a", 5400}, {"b", 1209600}, {"c", 1209600}, {"d", 5},
                {"e", 5},    {"0", 0},       {"in", 0}};
    for (size_t i = 0; i < 7; i++) {
        char name[32];
        sprintf(name, "%s.example", want[i].name);
        assert_int_equal(rrset_of(r, name, DNS_A)->ttl, want[i].ttl);
    }
}

static void lines_join_in_parentheses_and_crlf_is_no_matter(void **state)
{
    struct zone_records *r = load_good("example",
                                       "; first a comment\r\n\r\n$TTL 1m\r\n"
                                       "@ SOA ns1 host ( ; the (numbers)\r\n"
                                       "  1 2 ; \"serial\r\n"
                                       "  3 4\r\n\r\n  5 ) ; end\r\n"
                                       "   \t \r\n"
                                       "x ( A\r\n192.0.2.1 )\r\n"
                                       "y A 192.0.2.2",
                                       *state);
    assert_int_equal(rrset_of(r, "example", DNS_SOA)->line, 4);
    assert_int_equal(rrset_of(r, "x.example", DNS_A)->line, 10);
    assert_int_equal(rrset_of(r, "y.example", DNS_A)->line, 12);
}

static void odd_names_are_names(void **state)
{
    struct zone_records *r =
        load_good("example",
                  "$TTL 1\n* A 192.0.2.1\na\\.b A 192.0.2.1\nc\\\\.example. A 192.0.2.1\n"
                  "\\000 A 192.0.2.1\n\\@ A 192.0.2.1\nd\\. A 192.0.2.1\n"
                  "\\$ORIGIN A 192.0.2.1\n\"q\" A 192.0.2.1\n",
                  *state);
    static const char *const want[] = {"*",     "a\\046b", "c\\092",  "\\000",
                                       "\\064", "d\\.",    "$origin", "q"};
    assert_int_equal(r->n, 8);
    for (size_t i = 0; i < 8; i++) {
        char name[32];
        sprintf(name, "%s.example", want[i]);
        assert_non_null(rrset_of(r, name, DNS_A));
    }
}

static void origins_nest_and_are_relative(void **state)
{
    struct zone_records *r = load_good("example",
                                       "$TTL 1\n$ORIGIN a\nx A 192.0.2.1\n$ORIGIN b\nx CNAME y\n"
                                       "$ORIGIN example.\nz A 192.0.2.1\n",
                                       *state);
    assert_non_null(rrset_of(r, "x.a.example", DNS_A));
    rdata_is(r, "x.b.a.example", DNS_CNAME, "\1y\1b\1a\7example", 15);
    assert_non_null(rrset_of(r, "z.example", DNS_A));
}

/* RFC 4343 section 2: names are the same in any case, so that these records are one. RFC 2181
 * section 5: an RRset has no doubles. */
static void records_whose_names_differ_in_case_are_one(void **state)
{
    struct zone_records *r =
        load_good("example",
                  "$TTL 60\nn NS ns\nn NS NS\nm MX 1 a\nm MX 1 A\nm MX 2 a\nc CNAME b\nc CNAME B\n"
                  "s SRV 1 2 97 a\ns SRV 1 2 65 a\nt TXT a\nt TXT A\n",
                  *state);
    static const struct {
        const char *name;
        uint16_t type, n;
    } want[] = {{"n.example", DNS_NS, 1},
                {"m.example", DNS_MX, 2},
                {"c.example", DNS_CNAME, 1},
                {"s.example", DNS_SRV, 2},
                {"t.example", DNS_TXT, 2}};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(rrset_of(r, want[i].name, want[i].type)->n, want[i].n);
    assert_memory_equal(rrset_of(r, "n.example", DNS_NS)->rr[0].rdata, "\2ns", 3); /* the first */
}

static void duplicates_go_and_the_smallest_ttl_wins(void **state)
{
    struct diag diag = {0};
    struct zone_records *r;
    assert_int_equal(load_text("example",
                               "w 60 A 192.0.2.2\nw 30 A 192.0.2.1\nW 60 A 192.0.2.2\n"
                               "q 5 A 192.0.2.1\nq 5 A 192.0.2.1\n",
                               *state, &r, &diag),
                     ERR_OK);
    const struct zone_rrset *set = rrset_of(r, "w.example", DNS_A);
    assert_int_equal(set->n, 2);
    assert_int_equal(set->ttl, 30);
    assert_memory_equal(set->rr[0].rdata, "\xc0\0\2\1", 4);
    assert_int_equal(rrset_of(r, "q.example", DNS_A)->n, 1);
    assert_int_equal(diag.warnings, 1);
    assert_true(diag_says(&diag, DIAG_WARNING, "different TTLs, 30 and 60"));
    diag_fini(&diag);
}

static const struct {
    const char *text, *line, *says;
} bad[] = {
    {"a A 192.0.2.1\n", ":1", "no TTL"},
    {"  5 A 192.0.2.1\n", ":1", "no owner"},
    {"$TTL 5\na A 192.0.2.300\n", ":2", "\"192.0.2.300\" is no A record"},
    {"$TTL 5\na A 192.0.2.1 192.0.2.2\n", ":2", "is no A record"},
    {"$TTL 5\na A\n", ":2", "is no A record"},
    {"$TTL 5\na IN\n", ":2", "no type"},
    {"$TTL 5\na FOO bar\n", ":2", "\"FOO\" is no record type"},
    {"$TTL 5\na CH TXT x\n", ":2", "only IN"},
    {"$TTL 5\na OPT x\n", ":2", "cannot hold"},
    {"$TTL 5\na ANY x\n", ":2", "cannot hold"},
    {"$TTL 5\na AXFR x\n", ":2", "cannot hold"},
    {"$TTL 5\na..b A 192.0.2.1\n", ":2", "\"a..b\" is no domain name"},
    {"$TTL 5\na.test. A 192.0.2.1\n", ":2", "a.test is outside the zone example"},
    {"$TTL 5\nnotexample. A 192.0.2.1\n", ":2", "outside"},
    {"$TTL 2147483648\n", ":1", "$TTL"},
    {"$TTL\n", ":1", "$TTL"},
    {"a 99999999999999999999 A 192.0.2.1\n", ":1", "larger than 2147483647"},
    {"$TTL 5\na A \\# 3 010203\n", ":2", "is no A record"},
    {"$TTL 5\na NS \\# 2 c00c\n", ":2", "is no NS record"},
    {"$TTL 5\na SOA \\# 3 000000\n", ":2", "is no SOA record"},
    {"$TTL 5\na TYPE65280 \\# 4 010203\n", ":2", "is no TYPE65280 record"},
    {"$ORIGIN a..b\n", ":1", "$ORIGIN"},
    {"$ORIGIN\n", ":1", "$ORIGIN"},
    {"$GENERATE 1-9 a$ A 192.0.2.$\n", ":1", "$GENERATE is not supported"},
    {"$TTl 5\n\n$FOO\n", ":3", "$FOO is no directive"},
    {"$TTL 5\na TXT \"x\nb A 192.0.2.1\n", ":2", "quote is not closed"},
    {"$TTL 5\na TXT \"x", ":2", "quote is not closed"},
    {"$TTL 5\na TXT ( x\n\n", ":2", "never closed"},
    {"$TTL 5\na TXT x )\n", ":2", "never opened"},
    {"$TTL 5\na CNAME b\na A 192.0.2.1\n", ":3", "beside a CNAME"},
    {"$TTL 5\na CNAME b\na CNAME c\n", ":3", "more than one CNAME"},
    {"$TTL 5\n" SOA "@ 300 SOA ns2 host 1 2 3 4 5\n", ":3", "more than one SOA"},
    {"$TTL 5\nb SOA ns2 host 1 2 3 4 5\n", ":2", "top of the zone"},
    {"$TTL 5\nd DNAME e\nx.y.d A 192.0.2.1\n", ":3", "below a DNAME"},
    {"$TTL 5\nd DNAME e\nd DNAME f\n", ":3", "more than one DNAME"},
    {"", "", "holds no record"},
    {"; nothing\n\n", "", "holds no record"},
    {"$INCLUDE\n", ":1", "names no file"},
    {"$INCLUDE /etc/hostname\n", ":1", "only files in the folder"},
    {"$INCLUDE ../x\n", ":1", "only files in the folder"},
    {"$INCLUDE a/../../x\n", ":1", "only files in the folder"},
    {"$INCLUDE not-there-at-all\n", ":1", "No such file"},
};

static void what_is_wrong_is_said_with_its_line(void **state)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct diag diag = {0};
        struct zone_records *r = (void *)1;
        enum err e = load_text("example", bad[i].text, *state, &r, &diag);
        const char *where = diag.n ? diag.findings[0].where : "";
        size_t tail = strlen(where) - strlen(bad[i].line);
        if (e == ERR_OK || r || diag.errors < 1 || !diag_says(&diag, DIAG_ERROR, bad[i].says) ||
            strcmp(where + tail, bad[i].line) != 0) {
            diag_print(&diag);
            fail_msg("case %zu: %s", i, bad[i].text);
        }
        diag_fini(&diag);
    }
}

static void every_finding_is_collected(void **state)
{
    struct diag diag = {0};
    struct zone_records *r;
    assert_int_equal(
        load_text("example", "$TTL 5\na A x\nb A 192.0.2.1\nc AAAA y\n) \nd TXT \"\n$FOO\ne BAR\n",
                  *state, &r, &diag),
        ERR_SYNTAX);
    assert_int_equal(diag.errors, 6);
    assert_null(r);
    diag_fini(&diag);
}

static void a_long_line_is_shortened_in_the_message(void **state)
{
    struct diag diag = {0};
    struct zone_records *r;
    char *text = malloc(200000);
    sprintf(text, "$TTL 5\na A ");
    memset(text + 11, 'x', 100000);
    strcpy(text + 100011, "\n");
    assert_int_equal(load_text("example", text, *state, &r, &diag), ERR_SYNTAX);
    assert_int_equal(diag.errors, 1);
    assert_true(strlen(diag.findings[0].text) < 200);
    free(text);
    diag_fini(&diag);
}

static void an_entry_has_a_limit(void **state)
{
    struct diag diag = {0};
    struct zone_records *r;
    size_t len = 600 * 1024;
    char *text = malloc(len + 64);
    int n = sprintf(text, "$TTL 5\na TXT ( ");
    for (size_t i = (size_t)n; i < len; i++)
        text[i] = i % 50 ? 'x' : ' ';
    strcpy(text + len, " )\nb A 192.0.2.1\nc A x\n");
    assert_int_equal(load_text("example", text, *state, &r, &diag), ERR_SYNTAX);
    assert_true(diag_says(&diag, DIAG_ERROR, "longer than 512 KiB"));
    assert_int_equal(diag.errors, 2); /* and what comes after it was read */
    free(text);
    diag_fini(&diag);
}

static void a_long_record_is_read(void **state)
{
    /* 200 strings of 255 octets: 51,200 octets of RDATA. */
    char *text = malloc(100000), *p = text;
    p += sprintf(p, "a 5 TXT (");
    for (int i = 0; i < 200; i++)
        p += sprintf(p, "\n \"%0255d\"", i);
    strcpy(p, " )\n");
    struct zone_records *r = load_good("example", text, *state);
    assert_int_equal(r->rrset[0].rr[0].rdata_len, 51200);
    free(text);
}

static void binary_files_and_things_that_are_no_files_are_refused(void **state)
{
    struct diag diag = {0};
    struct zone_records *r;
    uint8_t bytes[5000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7919 >> 3);
    assert_int_equal(load_bytes("example", bytes, sizeof bytes, *state, &r, &diag), ERR_SYNTAX);
    assert_true(diag_says(&diag, DIAG_ERROR, "no zone file"));
    struct dns_name name = nm("example");
    assert_int_equal(zone_load_file("/nonexistent/zone", &name, *state, &r, &diag), ERR_IO);
    assert_true(diag_says(&diag, DIAG_ERROR, "No such file"));
    assert_int_equal(zone_load_file("/tmp", &name, *state, &r, &diag), ERR_IO);
    assert_true(diag_says(&diag, DIAG_ERROR, "a directory"));
    assert_int_equal(zone_load_file("/dev/zero", &name, *state, &r, &diag), ERR_IO);
    char fifo[64];
    sprintf(fifo, "/tmp/meridian-fifo-%d", getpid());
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(zone_load_file(fifo, &name, *state, &r, &diag), ERR_IO);
    unlink(fifo);
    assert_true(diag_says(&diag, DIAG_ERROR, "no regular file"));
    diag_fini(&diag);
}

struct folder {
    char path[64], outside[64];
};

static void folder_make(struct folder *d)
{
    strcpy(d->path, "/tmp/meridian-zones-XXXXXX");
    assert_non_null(mkdtemp(d->path));
    sprintf(d->outside, "%s.inc", d->path);
    file_write(d->outside, "x 5 A 192.0.2.1\n", 16);
}

static void folder_put(const struct folder *d, const char *name, const char *text)
{
    char path[128];
    sprintf(path, "%s/%s", d->path, name);
    file_write(path, text, strlen(text));
}

static void folder_remove(struct folder *d)
{
    static const char *const names[] = {"zone",     "sub/a.inc", "sub/b.inc",
                                        "link.inc", "self",      "sub"};
    char path[128];
    for (size_t i = 0; i < 6; i++) {
        sprintf(path, "%s/%s", d->path, names[i]);
        remove(path);
    }
    unlink(d->outside);
    assert_int_equal(rmdir(d->path), 0);
}

static enum err folder_load(const struct folder *d, const char *name, struct arena *arena,
                            struct zone_records **r, struct diag *diag)
{
    char path[128];
    sprintf(path, "%s/%s", d->path, name);
    struct dns_name origin = nm("example");
    return zone_load_file(path, &origin, arena, r, diag);
}

static void include_reads_below_the_folder_and_no_further(void **state)
{
    struct folder d;
    struct diag diag = {0};
    struct zone_records *r;
    char path[128];
    folder_make(&d);
    sprintf(path, "%s/sub", d.path);
    assert_int_equal(mkdir(path, 0700), 0);
    folder_put(&d, "zone",
               "$TTL 5\nw A 192.0.2.1\n$INCLUDE sub/a.inc deep\n  AAAA ::1\n"
               "v A 192.0.2.2\n$INCLUDE \"sub/b.inc\"\n");
    folder_put(&d, "sub/a.inc", "x A 192.0.2.3\n$ORIGIN more\n$INCLUDE sub/b.inc\n");
    folder_put(&d, "sub/b.inc", "y A 192.0.2.4\n");
    enum err e = folder_load(&d, "zone", *state, &r, &diag);
    diag_print(&diag);
    assert_int_equal(e, ERR_OK);
    assert_non_null(rrset_of(r, "x.deep.example", DNS_A));
    assert_non_null(rrset_of(r, "y.more.deep.example", DNS_A));
    assert_non_null(rrset_of(r, "w.example", DNS_AAAA)); /* the owner is that of this file */
    assert_non_null(rrset_of(r, "v.example", DNS_A));    /* and so is the origin */
    assert_non_null(rrset_of(r, "y.example", DNS_A));
    sprintf(path, "%s/sub/b.inc", d.path);
    assert_string_equal(rrset_of(r, "y.example", DNS_A)->file, path);

    sprintf(path, "%s/link.inc", d.path);
    assert_int_equal(symlink(d.outside, path), 0);
    folder_put(&d, "zone", "$TTL 5\n$INCLUDE link.inc\n$INCLUDE sub\n");
    assert_int_equal(folder_load(&d, "zone", *state, &r, &diag), ERR_SYNTAX);
    assert_true(diag_says(&diag, DIAG_ERROR, "a link out of the folder"));
    assert_true(diag_says(&diag, DIAG_ERROR, "is a directory"));
    folder_remove(&d);
    diag_fini(&diag);
}

static void circles_of_include_end(void **state)
{
    struct folder d;
    struct diag diag = {0};
    struct zone_records *r;
    folder_make(&d);
    folder_put(&d, "self", "$INCLUDE self\n$INCLUDE self\n$INCLUDE self\na 5 A 192.0.2.1\n");
    assert_int_equal(folder_load(&d, "self", *state, &r, &diag), ERR_SYNTAX);
    assert_true(diag_says(&diag, DIAG_ERROR, "8 deep already"));
    assert_true(diag.errors < 1000);
    folder_remove(&d);
    diag_fini(&diag);
}

static void a_small_budget_is_an_error_not_a_crash(void **state)
{
    (void)state;
    char *text = malloc(400000), *p = text + sprintf(text, "$TTL 5\n");
    for (int i = 0; i < 1500; i++)
        p += sprintf(p, "n%d A 192.0.2.1\nn%d TXT \"some words %d\"\n", i, i, i);
    for (size_t budget = 64 * 1024; budget < 3u << 20; budget += 96 * 1024) {
        struct arena *arena = arena_create(budget);
        struct diag diag = {0};
        struct zone_records *r;
        enum err e = load_text("example", text, arena, &r, &diag);
        assert_true(e == ERR_OK || (e == ERR_NOMEM && !r && diag.errors == 1));
        diag_fini(&diag);
        arena_destroy(arena);
    }
    free(text);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, arena_setup, arena_teardown)
    const struct CMUnitTest tests[] = {
        T(records_come_out_in_wire_form),
        T(ttl_and_class_come_in_any_order),
        T(lines_join_in_parentheses_and_crlf_is_no_matter),
        T(odd_names_are_names),
        T(origins_nest_and_are_relative),
        T(records_whose_names_differ_in_case_are_one),
        T(duplicates_go_and_the_smallest_ttl_wins),
        T(what_is_wrong_is_said_with_its_line),
        T(every_finding_is_collected),
        T(a_long_line_is_shortened_in_the_message),
        T(an_entry_has_a_limit),
        T(a_long_record_is_read),
        T(binary_files_and_things_that_are_no_files_are_refused),
        T(include_reads_below_the_folder_and_no_further),
        T(circles_of_include_end),
        T(a_small_budget_is_an_error_not_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
