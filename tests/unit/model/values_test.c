#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model/build.h"
#include "model/nearest.h"

#include <stdio.h>
#include <string.h>

static void every_default_of_the_table_is_accepted(void **state)
{
    (void)state;
    size_t n;
    const struct model_setting_info *t = model_settings_table(&n);
    for (size_t i = 0; i < n; i++) {
        struct diag d = {0};
        char first[300];
        if (model_setting_check(t[i].key, t[i].fallback, "", &d) != ERR_OK)
            fail_msg("%s", diag_first(&d, first, sizeof first));
        assert_true(strlen(t[i].help) > 0);
        assert_ptr_equal(model_setting_info(t[i].key), &t[i]);
        diag_fini(&d);
    }
}

static void setting_is(const char *key, const char *value, const char *message)
{
    struct diag d = {0};
    char first[400];
    enum err e = model_setting_check(key, value, "setting", &d);
    assert_string_equal(diag_first(&d, first, sizeof first), message);
    assert_int_equal(e == ERR_OK, *message == '\0');
    diag_fini(&d);
}

static void settings_are_checked_by_kind(void **state)
{
    (void)state;
    setting_is("listen", "192.0.2.1:53, [2001:db8::1]:5353,*:53", "");
    setting_is("listen", "192.0.2.1", "");
    setting_is("listen", "",
               "setting: listen \"\" is not accepted: give one or more ADDR:PORT, "
               "comma-separated, such as 192.0.2.53:53,[2001:db8::53]:53 or *:53");
    setting_is("workers", "257",
               "setting: workers \"257\" is not accepted: give a whole number from 0 to 256");
    setting_is("admin", "127.0.0.1:9053", "");
    setting_is("admin", "127.0.0.1",
               "setting: admin \"127.0.0.1\" is not accepted: give ADDR:PORT "
               "such as 127.0.0.1:9053, or off");
    setting_is("degrade", "105%",
               "setting: degrade \"105%\" is not accepted: give a share: 0 to 1, or 0% to 100%");
    setting_is("history-size", "16M", "");
    setting_is("history-size", "1T", "");
    for (size_t i = 0; i < 7; i++) {
        static const char *const wrong[] = {"", "M", "15M", "2T", "256", "1GB", "9999999999M"};
        char message[200];
        snprintf(
            message, sizeof message,
            "setting: history-size \"%s\" is not accepted: give a size from 16M to 1T, such as "
            "256M or 2G",
            wrong[i]);
        setting_is("history-size", wrong[i], message);
    }
    setting_is("failback", "after 10m", "");
    setting_is("failback", "after",
               "setting: failback \"after\" is not accepted: give auto, hold, "
               "or after and a duration, such as \"after 10m\"");
    setting_is("hold", "auto", "");
    setting_is("ramp", "auto",
               "setting: ramp \"auto\" is not accepted: give a duration such as "
               "500ms, 5s, 10m or 2h");
    setting_is("worker", "2", "setting: \"worker\" is not a setting; did you mean \"workers\"?");
    setting_is("nsid", "a\nb",
               "setting: nsid \"a\nb\" is not accepted: give a text of at most 255 "
               "octets");
}

static void shares_are_numbers_or_percentages(void **state)
{
    (void)state;
    double v;
    assert_true(model_share_parse("5%", &v) && v == 0.05);
    assert_true(model_share_parse("0.05", &v) && v == 0.05);
    assert_true(model_share_parse("26.1%", &v) && v == 0.261);
    assert_true(model_share_parse("1", &v) && v == 1);
    static const char *const bad[] = {"",    "5",   "-0.1", "101%",  "nan",
                                      "inf", "5 %", "0x1",  "1e400", "1%%"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(model_share_parse(bad[i], &v));
}

static void host_names_lose_case_and_last_dot(void **state)
{
    (void)state;
    char out[MODEL_HOST_TEXT_MAX], text[300];
    assert_true(model_host_canonical("WWW.gslb.Example.", out));
    assert_string_equal(out, "www.gslb.example");
    static const char *const bad[] = {"", ".", "a..b", ".a", "a b", "a\\.b", "*.a", "a.b..", "ä"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(model_host_canonical(bad[i], out));
    memset(text, 'a', sizeof text);
    text[63] = '\0';
    assert_true(model_host_canonical(text, out));
    text[63] = 'a';
    text[64] = '\0';
    assert_false(model_host_canonical(text, out));
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 ? '.' : 'a';
    text[253] = '\0'; /* 127 labels of one letter: 254 octets and the root */
    assert_true(model_host_canonical(text, out));
    text[253] = '.';
    text[254] = '\0';
    assert_true(model_host_canonical(text, out));
    text[254] = 'a';
    text[255] = '\0';
    assert_false(model_host_canonical(text, out));
}

static void names_are_short_and_plain(void **state)
{
    (void)state;
    char out[MODEL_NAME_TEXT_MAX];
    assert_true(model_name_canonical("EU-West_1", out));
    assert_string_equal(out, "eu-west_1");
    assert_false(model_name_canonical("", out));
    assert_false(model_name_canonical("-eu", out));
    assert_false(model_name_canonical("eu.west", out));
    assert_false(model_name_canonical(
        "0123456789012345678901234567890123456789012345678901234567890123", out));
}

static void within_means_at_or_below(void **state)
{
    (void)state;
    assert_true(model_host_within("a.b.example", "b.example"));
    assert_true(model_host_within("b.example", "b.example"));
    assert_false(model_host_within("ab.example", "b.example"));
    assert_false(model_host_within("example", "b.example"));
}

static void place_is(const char *text, const char *canonical)
{
    struct arena *a = arena_create(0);
    struct model_place p, again;
    assert_int_equal(model_place_parse(text, a, &p, "rule", NULL), ERR_OK);
    assert_string_equal(p.text, canonical);
    assert_int_equal(model_place_parse(p.text, a, &again, "rule", NULL), ERR_OK);
    assert_int_equal(model_place_compare(&p, &again), 0);
    arena_destroy(a);
}

static void places_are_canonical(void **state)
{
    (void)state;
    place_is("net:10.0.0.0/8", "net:10.0.0.0/8");
    place_is("NET:2001:DB8:0::/32", "net:2001:db8::/32");
    place_is("net:192.0.2.1", "net:192.0.2.1/32");
    place_is("asn:AS3320", "asn:3320");
    place_is("country:de", "country:DE");
    place_is("subdivision:us-ca", "subdivision:US-CA");
    place_is("city:gb/London", "city:GB/London");
    place_is("city:BR/São Paulo", "city:BR/São Paulo");
    place_is("Continent:eu", "continent:EU");
    place_is("DEFAULT", "default");
}

static void wrong_places_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",        "net:",           "net:10.0.0.1/8",      "net:10.0.0.0/33", "asn:0",
        "asn:x",   "asn:4294967296", "country:DEU",         "country:",        "subdivision:US",
        "city:GB", "city:GB/",       "continent:XX",        "default:x",       "planet:earth",
        "country", "asn:-1",         "subdivision:US-CAAA", "city:GB/a,b"};
    struct arena *a = arena_create(0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct diag d = {0};
        struct model_place p;
        if (model_place_parse(bad[i], a, &p, "rule", &d) != ERR_INVALID)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(d.errors, 1);
        diag_fini(&d);
    }
    arena_destroy(a);
}

static void the_most_specific_kind_comes_first(void **state)
{
    (void)state;
    static const char *const order[] = {
        "net:10.0.0.0/8", "asn:1",        "city:GB/London", "subdivision:US-CA",
        "country:DE",     "continent:EU", "default"};
    struct arena *a = arena_create(0);
    struct model_place p[7];
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(model_place_parse(order[i], a, &p[i], "", NULL), ERR_OK);
    for (size_t i = 1; i < 7; i++)
        assert_true(model_place_compare(&p[i - 1], &p[i]) < 0);
    arena_destroy(a);
}

static const char *near(const char *word)
{
    static const char *const names[] = {"eu-west", "us-east", "ap-south", "eu"};
    struct nearest n;
    nearest_start(&n, word);
    for (size_t i = 0; i < 4; i++)
        nearest_offer(&n, names[i]);
    return nearest_best(&n) ? nearest_best(&n) : "";
}

static void slips_find_the_nearest_name(void **state)
{
    (void)state;
    assert_string_equal(near("eu-wst"), "eu-west");
    assert_string_equal(near("EU-WEST"), "eu-west");
    assert_string_equal(near("su-east"), "us-east");
    assert_string_equal(near("apsouth"), "ap-south");
    assert_string_equal(near("mars"), "");
    assert_string_equal(near(""), "");
    char word[NEAREST_WORD_MAX + 2];
    memset(word, 'a', sizeof word);
    word[sizeof word - 1] = '\0';
    assert_string_equal(near(word), "");
}

static void numbers_survive_their_text(void **state)
{
    (void)state;
    char text[40];
    double v = model_number_round(51.51), back;
    snprintf(text, sizeof text, "%.15g", v);
    assert_string_equal(text, "51.51");
    v = model_number_round(1.0 / 3);
    snprintf(text, sizeof text, "%.15g", v);
    assert_int_equal(sscanf(text, "%lf", &back), 1);
    assert_true(back == v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_of_the_table_is_accepted),
        cmocka_unit_test(settings_are_checked_by_kind),
        cmocka_unit_test(shares_are_numbers_or_percentages),
        cmocka_unit_test(host_names_lose_case_and_last_dot),
        cmocka_unit_test(names_are_short_and_plain),
        cmocka_unit_test(within_means_at_or_below),
        cmocka_unit_test(places_are_canonical),
        cmocka_unit_test(wrong_places_are_refused),
        cmocka_unit_test(the_most_specific_kind_comes_first),
        cmocka_unit_test(slips_find_the_nearest_name),
        cmocka_unit_test(numbers_survive_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
