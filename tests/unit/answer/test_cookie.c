/* DNS cookies (RFC 7873), of the kind that any server with the same secret can check (RFC 9018). */
#include "ask.h"

#include <stdio.h>
#include <string.h>

#define WORLD(more)                                                                                \
    "{'settings':{'nsid':''" more "}," LAB_ZONE "'regions':[{'name':'eu'}],"                       \
    "'services':[{'name':'w.g.test','policy':'failover','endpoints':"                              \
    "[{'region':'eu','address':'192.0.2.1'}]}]}"
#define SECRET_A "e5e973e5a6b2a43f48e7dc849e37bfcf"
#define SECRET_OLD "dd3bdf9344b678b185a6f5cb60fca715"
#define SECRET_NEW "445536bcd2513298075a5d379663c962"
#define NOW 1764100000u

static struct lab lab;

static int open_world(void **state)
{
    (void)state;
    lab_open(&lab, WORLD(",'cookie-secret':'" SECRET_A "'"));
    lab.worker.wall_s = NOW;
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    lab_close(&lab);
    return 0;
}

static size_t unhex(const char *text, uint8_t *out)
{
    size_t n = 0;
    for (; text[0]; text += 2) {
        unsigned v;
        assert_int_equal(sscanf(text, "%2x", &v), 1);
        out[n++] = (uint8_t)v;
    }
    return n;
}

/* A COOKIE option with these octets, and the question it comes with. */
struct asked {
    struct lab_question q;
    uint8_t option[2 * (4 + 60)];
};

static void cookie_query(struct asked *a, const uint8_t *cookie, size_t len)
{
    *a = (struct asked){.q = {.name = "w.g.test", .type = DNS_A}};
    memcpy(a->option, (uint8_t[]){0, 10, 0, (uint8_t)len}, 4);
    if (len)
        memcpy(a->option + 4, cookie, len);
    a->q.options = a->option;
    a->q.options_len = 4 + len;
}

static const struct reply *ask_cookie(const uint8_t *cookie, size_t len, const char *source)
{
    struct asked a;
    cookie_query(&a, cookie, len);
    a.q.source = source;
    return ask(&lab, &a.q);
}

/* What RFC 9018 appendix A prints: RFC 9018 section 4. */
static void the_published_cookies_come_out(void **state)
{
    (void)state;
    static const struct {
        const char *secrets[2], *query, *source;
        uint32_t now_s;
        enum cookie_verdict verdict;
        const char *reply;
    } rows[] = {
        {{SECRET_A},
         "2464c4abcf10c957",
         "198.51.100.100",
         1559731985,
         COOKIE_NEW,
         "2464c4abcf10c957010000005cf79f111f8130c3eee29480"}, /* A.1 */
        {{SECRET_A},
         "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
         "198.51.100.100",
         1559734385,
         COOKIE_VALID,
         "2464c4abcf10c957010000005cf7a871d4a564a1442aca77"}, /* A.2 */
        {{SECRET_A},
         "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
         "203.0.113.203",
         1559728000,
         COOKIE_VALID,
         NULL}, /* A.3, while it is fresh: reserved octets are hashed too, and not sent by us */
        {{SECRET_A},
         "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
         "203.0.113.203",
         1559734700,
         COOKIE_BAD,
         "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"}, /* A.3 */
        {{SECRET_NEW, SECRET_OLD},
         "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
         "2001:db8:220:1:59de:d0f4:8769:82b8",
         1559741961,
         COOKIE_VALID,
         "22681ab97d52c298010000005cf7c609a6bb79d16625507a"}, /* A.4 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t shared[2][COOKIE_SECRET_BYTES], query[40], expected[24], reply[24];
        struct cookie_secrets secrets = {.shared = shared};
        for (; secrets.shared_n < 2 && rows[i].secrets[secrets.shared_n]; secrets.shared_n++)
            unhex(rows[i].secrets[secrets.shared_n], shared[secrets.shared_n]);
        size_t len = unhex(rows[i].query, query);
        struct ip source = lab_ip(rows[i].source);
        assert_int_equal(cookie_check(&secrets, query, len, &source, rows[i].now_s, reply),
                         rows[i].verdict);
        if (!rows[i].reply) {
            assert_memory_equal(reply + 8, "\1\0\0\0", 4);
            continue;
        }
        unhex(rows[i].reply, expected);
        assert_memory_equal(reply, expected, sizeof expected);
    }
}

static const uint8_t client[8] = {1, 2, 3, 4, 5, 6, 7, 8};

/* RFC 7873 section 5.2.3 */
static void a_client_cookie_alone_is_answered_and_gets_a_server_cookie(void **state)
{
    (void)state;
    const struct reply *r = ask_cookie(client, 8, NULL);
    assert_int_equal(r->rcode, DNS_NOERROR);
    assert_int_equal(r->answers, 1);
    assert_int_equal(r->cookie_len, 24);
    assert_memory_equal(r->cookie, client, 8);
    assert_int_equal(r->cookie[8], 1);
    assert_memory_equal(r->cookie + 9, "\0\0\0", 3);
    assert_int_equal(atomic_load(&lab.worker.counter[ANSWER_COUNT_cookies_new]), 1);
}

/* RFC 7873 section 5.2.5; RFC 9018 section 4.3 */
static void a_valid_cookie_comes_back_as_it_was_until_it_is_half_an_hour_old(void **state)
{
    (void)state;
    uint8_t first[24];
    memcpy(first, ask_cookie(client, 8, NULL)->cookie, 24);
    uint64_t before = atomic_load(&lab.worker.counter[ANSWER_COUNT_cookies_valid]);
    lab.worker.wall_s = NOW + 1800;
    assert_memory_equal(ask_cookie(first, 24, NULL)->cookie, first, 24);
    lab.worker.wall_s = NOW + 1801;
    const struct reply *r = ask_cookie(first, 24, NULL);
    assert_memory_not_equal(r->cookie, first, 24);
    assert_memory_equal(r->cookie, first, 8);
    lab.worker.wall_s = NOW - 300; /* another server's clock may be ahead */
    assert_memory_equal(ask_cookie(first, 24, NULL)->cookie, first, 24);
    assert_int_equal(atomic_load(&lab.worker.counter[ANSWER_COUNT_cookies_valid]), before + 3);
    lab.worker.wall_s = NOW;
}

/* RFC 7873 section 5.2.4: as if only the client cookie had come */
static void a_cookie_that_is_not_ours_counts_as_none(void **state)
{
    (void)state;
    uint8_t good[24], bad[40];
    memcpy(good, ask_cookie(client, 8, "198.51.100.7")->cookie, 24);
    uint64_t before = atomic_load(&lab.worker.counter[ANSWER_COUNT_cookies_bad]);
    unsigned asked = 0;
    for (unsigned i = 0; i < 24; i++) { /* any octet changed: of client, version, time, hash */
        memcpy(bad, good, 24);
        bad[i] ^= 0x10;
        const struct reply *r = ask_cookie(bad, 24, "198.51.100.7");
        assert_int_equal(r->rcode, DNS_NOERROR);
        assert_int_equal(r->answers, 1);
        assert_memory_equal(r->cookie, bad, 8);
        assert_memory_not_equal(r->cookie + 8, bad + 8, 16);
        asked++;
    }
    memset(bad, 7, sizeof bad);
    for (size_t len = 16; len <= 40; len++, asked++) /* lengths that others make */
        assert_int_equal(ask_cookie(bad, len, "198.51.100.7")->cookie_len, 24);
    (void)ask_cookie(good, 24, "198.51.100.8"); /* somebody else's */
    (void)ask_cookie(good, 24, "2001:db8::7");
    lab.worker.wall_s = NOW + 3601;
    (void)ask_cookie(good, 24, "198.51.100.7");
    lab.worker.wall_s = NOW - 301;
    (void)ask_cookie(good, 24, "198.51.100.7");
    lab.worker.wall_s = NOW;
    assert_int_equal(atomic_load(&lab.worker.counter[ANSWER_COUNT_cookies_bad]),
                     before + asked + 4);
}

/* RFC 7873 section 5.2.2 */
static void a_cookie_of_an_impossible_length_is_formerr(void **state)
{
    (void)state;
    uint8_t octets[60] = {0};
    for (size_t len = 0; len <= 60; len++) {
        const struct reply *r = ask_cookie(octets, len, NULL);
        bool possible = len == 8 || (len >= 16 && len <= 40);
        assert_int_equal(r->rcode, possible ? DNS_NOERROR : DNS_FORMERR);
        assert_int_equal(r->cookie_len, possible ? 24 : 0);
        assert_true(r->opt);
    }
}

/* RFC 7873 section 5.2: the first of several */
static void of_two_cookies_the_first_counts(void **state)
{
    (void)state;
    struct asked a;
    cookie_query(&a, client, 8);
    memcpy(a.option + 12, (uint8_t[]){0, 10, 0, 3, 9, 9, 9}, 7);
    a.q.options_len = 19;
    const struct reply *r = ask(&lab, &a.q);
    assert_int_equal(r->rcode, DNS_NOERROR);
    assert_memory_equal(r->cookie, client, 8);
}

/* RFC 7873 section 5.4 */
static void a_cookie_without_a_question_gets_a_cookie(void **state)
{
    (void)state;
    struct asked a;
    cookie_query(&a, client, 8);
    a.q.bare = true;
    const struct reply *r = ask(&lab, &a.q);
    assert_int_equal(r->rcode, DNS_NOERROR);
    assert_false(r->has_question);
    assert_int_equal(r->n, 0);
    assert_int_equal(r->cookie_len, 24);
    assert_int_equal(ask_outcome(), ANSWER_cookie);
    struct lab off;
    lab_open(&off, WORLD(",'cookies':'off'"));
    assert_int_equal(ask(&off, &a.q)->rcode, DNS_FORMERR);
    lab_close(&off);
}

static void errors_carry_the_cookie_too(void **state)
{
    (void)state;
    struct asked a;
    cookie_query(&a, client, 8);
    a.q.name = "elsewhere.example";
    const struct reply *r = ask(&lab, &a.q);
    assert_int_equal(r->rcode, DNS_REFUSED);
    assert_int_equal(r->cookie_len, 24);
}

static void switched_off_they_are_an_option_like_any_other(void **state)
{
    (void)state;
    struct lab off;
    struct asked a;
    lab_open(&off, WORLD(",'cookies':'off'"));
    cookie_query(&a, client, 8);
    const struct reply *r = ask(&off, &a.q);
    assert_int_equal(r->rcode, DNS_NOERROR);
    assert_int_equal(r->cookie_len, 0);
    lab_close(&off);
}

/* RFC 9018 section 4 and 5: each server may be one step behind or ahead of the others. */
static void secrets_are_changed_server_by_server(void **state)
{
    (void)state;
    static const char *const steps[] = {WORLD(",'cookie-secret':'" SECRET_OLD "'"),
                                        WORLD(",'cookie-secret':'" SECRET_OLD "," SECRET_NEW "'"),
                                        WORLD(",'cookie-secret':'" SECRET_NEW "," SECRET_OLD "'"),
                                        WORLD(",'cookie-secret':'" SECRET_NEW "'")};
    struct lab server[4];
    struct asked a;
    for (int i = 0; i < 4; i++) {
        lab_open(&server[i], steps[i]);
        server[i].worker.wall_s = NOW;
    }
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 4; k++) {
            uint8_t made[24];
            cookie_query(&a, client, 8);
            memcpy(made, ask(&server[i], &a.q)->cookie, 24);
            cookie_query(&a, made, 24);
            uint64_t before = atomic_load(&server[k].worker.counter[ANSWER_COUNT_cookies_valid]);
            ask(&server[k], &a.q);
            bool valid =
                atomic_load(&server[k].worker.counter[ANSWER_COUNT_cookies_valid]) > before;
            int apart = i > k ? i - k : k - i;
            if (apart <= 1)
                assert_true(valid);
            if (apart == 3)
                assert_false(valid);
        }
    for (int i = 0; i < 4; i++)
        lab_close(&server[i]);
}

/* Without configured secrets: another one each day, and yesterday's cookies hold their hour. */
static void a_secret_of_our_own_changes_every_day(void **state)
{
    (void)state;
    uint8_t own[COOKIE_SECRET_BYTES] = {42}, today[24], reply[24], copy[24];
    struct cookie_secrets secrets = {.own = own};
    struct ip source = lab_ip("192.0.2.9");
    uint32_t midnight = NOW / 86400 * 86400;
    assert_int_equal(cookie_check(&secrets, client, 8, &source, midnight - 60, today), COOKIE_NEW);
    assert_int_equal(cookie_check(&secrets, today, 24, &source, midnight - 1, reply), COOKIE_VALID);
    assert_memory_equal(reply, today, 24);
    assert_int_equal(cookie_check(&secrets, today, 24, &source, midnight + 1, reply), COOKIE_VALID);
    assert_memory_not_equal(reply, today, 24); /* renewed with today's */
    memcpy(copy, today, 24);
    copy[14] ^= 1; /* a time of which another secret would be needed, and another hash */
    assert_int_equal(cookie_check(&secrets, copy, 24, &source, midnight - 1, reply), COOKIE_BAD);
    own[0] = 43; /* another process */
    assert_int_equal(cookie_check(&secrets, today, 24, &source, midnight - 1, reply), COOKIE_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_cookies_come_out),
        cmocka_unit_test(a_client_cookie_alone_is_answered_and_gets_a_server_cookie),
        cmocka_unit_test(a_valid_cookie_comes_back_as_it_was_until_it_is_half_an_hour_old),
        cmocka_unit_test(a_cookie_that_is_not_ours_counts_as_none),
        cmocka_unit_test(a_cookie_of_an_impossible_length_is_formerr),
        cmocka_unit_test(of_two_cookies_the_first_counts),
        cmocka_unit_test(a_cookie_without_a_question_gets_a_cookie),
        cmocka_unit_test(errors_carry_the_cookie_too),
        cmocka_unit_test(switched_off_they_are_an_option_like_any_other),
        cmocka_unit_test(secrets_are_changed_server_by_server),
        cmocka_unit_test(a_secret_of_our_own_changes_every_day),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
