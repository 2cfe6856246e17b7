/* Addresses as text: what the C library reads, and nothing else. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/addr.h"
#include "base/random.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void as_the_library_reads(const char *text)
{
    struct ip ip;
    uint8_t want[16] = {0};
    unsigned family = inet_pton(AF_INET, text, want) == 1 ? 4 : 0;
    if (!family) {
        memset(want, 0, sizeof want);
        family = inet_pton(AF_INET6, text, want) == 1 ? 6 : 0;
    }
    if (ip_parse(text, &ip) != (family != 0) || ip.family != family)
        fail_msg("\"%s\" is read as family %u, not %u", text, ip.family, family);
    if (family && memcmp(ip.b, want, 16) != 0)
        fail_msg("\"%s\" is read otherwise", text);
}

static void odd_texts_are_read_as_the_library_reads_them(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4",
        "1.2.3.4.",
        "1.2.3.4.5",
        "01.2.3.4",
        "1.2.3.04",
        "0.0.0.0",
        "00.0.0.0",
        "256.1.1.1",
        "1.2.3.256",
        "1.2.3.0255",
        " 1.2.3.4",
        "1.2.3.4 ",
        "1..3.4",
        ".1.2.3.4",
        "1.2.3.-4",
        "+1.2.3.4",
        "::",
        ":",
        ":::",
        "::1",
        ":1",
        "1:",
        "1::",
        "1::2::3",
        "::1::",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8:",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1:2:3:4::5:6:7:8",
        "1:2:3:4:5:6:7",
        "12345::",
        "0001::",
        "00001::",
        "fFfF::aBcD",
        "g::",
        "::1.2.3.4",
        "1:2:3:4:5:6:1.2.3.4",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::1.2.3",
        "::1.2.3.4.5",
        "::1.2.3.4:5",
        "1.2.3.4::",
        "::01.2.3.4",
        "::1.2.3.4:",
        "1:2:3:4:5:1.2.3.4",
        "::ffff:0.0.0.0",
        "fe80::1%lo",
        "1::2:",
        ":1::2",
        "1:::2",
        "::1234.2.3.4",
        "1:2:3:4:5:6::1.2.3.4",
        "::a.2.3.4",
        "::1.2.3.4a",
        "1:2:3:4:5:6:7:",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        as_the_library_reads(texts[i]);
}

static void random_texts_are_read_as_the_library_reads_them(void **state)
{
    (void)state;
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 20261125;
    printf("SEED=%llu\n", (unsigned long long)seed);
    struct rng rng;
    rng_seed(&rng, seed);
    static const char *const pieces[] = {":",   "::",      ".",   "0",   "1",    "00",
                                         "255", "256",     "12",  "abc", "FFFF", "1234",
                                         "1.2", "1.2.3.4", "9:8", "f:e"};
    for (unsigned i = 0; i < 300000; i++) {
        char text[96] = "";
        for (uint32_t n = 1 + rng_below(&rng, 16); n > 0; n--)
            strcat(text, pieces[rng_below(&rng, 16)]);
        as_the_library_reads(text);
    }
    for (unsigned i = 0; i < 100000; i++) { /* valid ones, then with one character changed */
        struct ip ip = {.family = rng_below(&rng, 2) ? 4 : 6};
        for (unsigned k = 0; k < ip_bits(&ip) / 8; k++)
            ip.b[k] = rng_below(&rng, 2) ? 0 : (uint8_t)rng_below(&rng, 256);
        char text[IP_TEXT_MAX];
        as_the_library_reads(ip_format(&ip, text));
        text[rng_below(&rng, (uint32_t)strlen(text))] = "0123456789abcdefg:.-"[rng_below(&rng, 20)];
        as_the_library_reads(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_texts_are_read_as_the_library_reads_them),
        cmocka_unit_test(random_texts_are_read_as_the_library_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
