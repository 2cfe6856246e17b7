/* States folded from the log, and the strip that is drawn of them. */
#include "strip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define FROM 1000000000000ll /* 2001-09-09T01:46:40Z */
#define MIN 60000ll

static struct model *m;
static struct states *s;
static int64_t id;

static int setup(void **state)
{
    (void)state;
    static const char text[] =
        "{\"zones\": [{\"name\": \"z.example\", \"ns\": [\"ns1.z.example=192.0.2.53\"]}],"
        "\"regions\": [{\"name\": \"eu\"}, {\"name\": \"us\"}],"
        "\"services\": [{\"name\": \"api.z.example\", \"endpoints\": [{\"region\": \"eu\", "
        "\"address\": \"192.0.2.9\"}]}, {\"name\": \"www.z.example\", \"endpoints\": [{\"region\": "
        "\"eu\", \"address\": \"192.0.2.1\"}, {\"region\": \"eu\", \"address\": \"192.0.2.2\"}, "
        "{\"region\": \"us\", \"address\": \"192.0.2.3\"}]}]}";
    int64_t revision;
    m = model_create();
    assert_int_equal(config_import(m, text, strlen(text), &revision, NULL), ERR_OK);
    assert_int_equal(model_validate(m, NULL), ERR_OK);
    s = NULL;
    id = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    states_destroy(&s);
    model_unref(&m);
    return 0;
}

static void an_hour(int64_t known_ms)
{
    s = states_create(FROM, FROM + 60 * MIN, known_ms);
    assert_non_null(s);
}

static void avail(int64_t at_min, const char *service, const char *region, const char *endpoint,
                  const char *rule, double before, double after)
{
    struct store_event e = {.id = ++id,
                            .wall_ms = FROM + at_min * MIN,
                            .kind = "availability",
                            .service = service,
                            .region = region,
                            .endpoint = endpoint,
                            .facts = {.rule = rule,
                                      .cause = "",
                                      .was = "",
                                      .is = "",
                                      .has_avail = true,
                                      .before = before,
                                      .after = after}};
    states_event(s, &e);
}

static void word(int64_t at_min, const char *region, const char *was, const char *is, double before,
                 double after)
{
    struct store_event e = {.id = ++id,
                            .wall_ms = FROM + at_min * MIN,
                            .kind = "override",
                            .service = "",
                            .region = region,
                            .endpoint = "",
                            .facts = {.rule = "override",
                                      .cause = "",
                                      .was = was,
                                      .is = is,
                                      .has_avail = true,
                                      .before = before,
                                      .after = after}};
    states_event(s, &e);
}

static void seen(int64_t at_min, const char *service, const char *region, const char *endpoint,
                 const char *was, const char *is, double before, double after)
{
    struct store_event e = {.id = ++id,
                            .wall_ms = FROM + at_min * MIN,
                            .kind = "endpoint",
                            .service = service,
                            .region = region,
                            .endpoint = endpoint,
                            .facts = {.rule = "fall",
                                      .cause = "3 failures in a row",
                                      .was = was,
                                      .is = is,
                                      .has_avail = true,
                                      .before = before,
                                      .after = after}};
    states_event(s, &e);
}

static void daemon_says(int64_t at_min, const char *rule)
{
    struct store_event e = {.id = ++id,
                            .wall_ms = FROM + at_min * MIN,
                            .kind = "daemon",
                            .service = "",
                            .region = "",
                            .endpoint = "",
                            .facts = {.rule = rule}};
    states_event(s, &e);
}

/* "0 up, 10 down, 15 up" */
static void row_is(const char *service, const char *region, const char *endpoint,
                   const char *wanted)
{
    char got[600] = "";
    for (const struct state_row *r = states_next(s, NULL); r; r = states_next(s, r)) {
        if (strcmp(r->service, service) || strcmp(r->region, region) ||
            strcmp(r->endpoint, endpoint))
            continue;
        for (size_t i = 0; i < r->spans_n; i++) {
            const struct state_span *p = &r->span[i];
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%lld %s", i ? ", " : "",
                     (long long)((p->from_ms - FROM) / MIN), state_name(p->state));
            if (p->avail > 0 && p->avail < 1)
                snprintf(got + strlen(got), sizeof got - strlen(got), " %.2f", p->avail);
        }
        assert_string_equal(got, wanted);
        return;
    }
    fail_msg("no row %s/%s/%s", service, region, endpoint);
}

static const struct state_row *row(size_t n)
{
    const struct state_row *r = states_next(s, NULL);
    while (n-- && r)
        r = states_next(s, r);
    assert_non_null(r);
    return r;
}

static void before_the_first_line_nothing_is_known(void **state)
{
    (void)state;
    an_hour(FROM + 20 * MIN);
    states_region(s, m, "eu");
    avail(30, "www.z.example", "eu", "", "fall", 1, 0);
    assert_true(states_fold(s));
    row_is("www.z.example", "eu", "", "0 unknown, 20 up, 30 down");
    row_is("api.z.example", "eu", "", "0 unknown, 20 up");
    row_is("", "eu", "", "0 unknown, 20 up, 30 degraded");
}

static void without_a_log_all_is_unknown(void **state)
{
    (void)state;
    an_hour(INT64_MAX);
    states_region(s, m, "eu");
    assert_true(states_fold(s));
    row_is("", "eu", "", "0 unknown");
    assert_int_equal(row(0)->known_ms, 0);
}

static void before_its_first_event_a_row_was_what_that_says(void **state)
{
    (void)state;
    an_hour(0);
    states_region(s, m, "eu");
    avail(10, "www.z.example", "eu", "", "ramp", 0.4, 1);
    avail(20, "www.z.example", "eu", "", "fall", 1, 0);
    assert_true(states_fold(s));
    row_is("www.z.example", "eu", "", "0 degraded 0.40, 10 up, 20 down");
    assert_int_equal(row(2)->falls, 1);
    assert_int_equal(row(2)->down_ms, 40 * MIN);
}

static void without_an_event_a_row_was_what_it_is(void **state)
{
    (void)state;
    an_hour(0);
    states_region(s, m, "eu");
    states_saved(
        s,
        &(struct store_state){
            .service = "www.z.example", .region = "eu", .address = "", .observed = 3, .avail = 0});
    assert_true(states_fold(s));
    row_is("www.z.example", "eu", "", "0 down");
    row_is("api.z.example", "eu", "", "0 up");
    row_is("", "eu", "", "0 degraded");
    assert_int_equal(row(2)->falls, 0);
}

static void a_region_is_down_when_all_in_it_is(void **state)
{
    (void)state;
    an_hour(0);
    states_region(s, m, "eu");
    avail(10, "www.z.example", "eu", "", "fall", 1, 0);
    avail(20, "api.z.example", "eu", "", "fall", 1, 0);
    avail(30, "api.z.example", "eu", "", "ramp", 0, 1);
    assert_true(states_fold(s));
    row_is("", "eu", "", "0 up, 10 degraded, 20 down, 30 degraded");
}

static void a_region_out_by_itself_takes_its_services_along(void **state)
{
    (void)state;
    an_hour(0);
    states_region(s, m, "eu");
    avail(10, "", "eu", "", "region", 1, 0);
    avail(20, "", "eu", "", "ramp", 0, 0.5);
    avail(30, "", "eu", "", "ramp", 0.5, 1);
    assert_true(states_fold(s));
    row_is("", "eu", "", "0 up, 10 down, 20 degraded 0.50, 30 up");
    row_is("www.z.example", "eu", "", "0 up, 10 down, 20 degraded 0.50, 30 up");
}

static void a_persons_word_is_told_from_an_outage(void **state)
{
    (void)state;
    an_hour(0);
    states_region(s, m, "eu");
    word(10, "eu", "auto", "drain", 1, 1);
    avail(12, "", "eu", "", "override", 1, 0.5);
    avail(14, "", "eu", "", "override", 0.5, 0);
    word(20, "eu", "drain", "auto", 0, 1);
    word(30, "eu", "auto", "down", 1, 0);
    word(40, "eu", "down", "auto", 0, 1);
    avail(50, "www.z.example", "eu", "", "fall", 1, 0);
    assert_true(states_fold(s));
    row_is("", "eu", "", "0 up, 12 drained 0.50, 14 drained, 20 up, 30 off, 40 up, 50 degraded");
    row_is("api.z.example", "eu", "", "0 up, 12 drained 0.50, 14 drained, 20 up, 30 off, 40 up");
    assert_int_equal(row(0)->falls, 0);
    assert_int_equal(row(0)->down_ms, 0);
}

static void what_is_dead_under_a_drain_is_down_when_the_drain_ends(void **state)
{
    (void)state;
    an_hour(0);
    states_region(s, m, "us");
    word(10, "us", "auto", "drain", 1, 0);
    avail(20, "www.z.example", "us", "", "fall", 1, 0);
    word(30, "us", "drain", "auto", 0, 1);
    assert_true(states_fold(s));
    row_is("www.z.example", "us", "", "0 up, 10 drained, 20 down");
}

static void a_word_given_before_the_time_shown_is_seen_from_its_end(void **state)
{
    (void)state;
    an_hour(0);
    states_region(s, m, "eu");
    word(15, "eu", "drain", "auto", 0, 1);
    assert_true(states_fold(s));
    row_is("", "eu", "", "0 drained, 15 up");
}

static void a_word_that_holds_throughout_is_in_the_table(void **state)
{
    (void)state;
    an_hour(0);
    states_region(s, m, "eu");
    states_override(s, &(struct store_override){.region = "eu", .state = "down"});
    assert_true(states_fold(s));
    row_is("", "eu", "", "0 off");
    row_is("www.z.example", "eu", "", "0 off");
}

static void endpoints_fall_one_by_one_and_their_site_with_the_last(void **state)
{
    (void)state;
    an_hour(0);
    states_service(s, m, &m->services[1], "eu");
    seen(10, "www.z.example", "eu", "192.0.2.1", "up", "down", 1, 0);
    seen(20, "www.z.example", "eu", "192.0.2.2", "up", "down", 1, 0);
    seen(30, "www.z.example", "eu", "192.0.2.2", "down", "up", 0, 0);
    avail(40, "www.z.example", "eu", "192.0.2.2", "ramp", 0, 1);
    assert_true(states_fold(s));
    row_is("www.z.example", "eu", "192.0.2.1", "0 up, 10 down");
    row_is("www.z.example", "eu", "192.0.2.2", "0 up, 20 down, 40 up");
    row_is("www.z.example", "eu", "", "0 up, 20 down, 40 up");
}

static void the_first_verdict_ends_what_was_unknown(void **state)
{
    (void)state;
    an_hour(0);
    states_service(s, m, &m->services[1], "us");
    seen(10, "www.z.example", "us", "192.0.2.3", "unknown", "up", 1, 1);
    assert_true(states_fold(s));
    row_is("www.z.example", "us", "192.0.2.3", "0 unknown, 10 up");
    row_is("www.z.example", "us", "", "0 unknown, 10 up");
}

static void a_start_shows_and_a_stop_is_no_outage(void **state)
{
    (void)state;
    size_t n;
    an_hour(0);
    states_service(s, m, &m->services[1], "us");
    avail(5, "www.z.example", "us", "", "fall", 1, 0);
    daemon_says(10, "stop");
    daemon_says(30, "start");
    seen(31, "www.z.example", "us", "192.0.2.3", "unknown", "up", 1, 1);
    avail(40, "www.z.example", "us", "", "ramp", 0, 1);
    assert_true(states_fold(s));
    row_is("www.z.example", "us", "", "0 up, 5 down, 10 stopped, 30 down, 40 up");
    row_is("www.z.example", "us", "192.0.2.3", "0 up, 10 stopped, 30 up");
    assert_int_equal(row(0)->falls, 1);
    assert_int_equal(row(0)->down_ms, 15 * MIN);
    assert_int_equal(row(0)->known_ms, 40 * MIN);
    assert_int_equal(states_starts(s, &n)[0], FROM + 30 * MIN);
    assert_int_equal(n, 1);
}

static void a_daemon_that_stands_since_before_is_seen(void **state)
{
    (void)state;
    an_hour(0);
    states_region(s, m, "us");
    states_stood(s);
    daemon_says(30, "start");
    assert_true(states_fold(s));
    row_is("", "us", "", "0 stopped, 30 up");
}

static void events_in_any_order_and_of_a_clock_set_back(void **state)
{
    (void)state;
    an_hour(0);
    states_region(s, m, "us");
    id = 5;
    avail(30, "www.z.example", "us", "", "ramp", 0, 1);
    id = 2;
    avail(20, "www.z.example", "us", "", "fall", 1, 0);
    id = 8;
    avail(25, "www.z.example", "us", "", "fall", 1, 0); /* after the one of minute 30 */
    assert_true(states_fold(s));
    row_is("www.z.example", "us", "", "0 up, 20 down, 30 up, 30 down");
}

static char *drawn(unsigned width, bool utf8)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    struct strip p = {"us", FROM, FROM + 60 * MIN, width, utf8};
    strip_print(&p, s, f);
    fclose(f);
    return text;
}

static void an_outage_shorter_than_a_column_is_drawn(void **state)
{
    (void)state;
    an_hour(FROM + 6 * MIN);
    states_region(s, m, "us");
    avail(30, "www.z.example", "us", "", "fall", 1, 0);
    avail(31, "www.z.example", "us", "", "ramp", 0, 1);
    word(50, "us", "auto", "drain", 1, 0);
    daemon_says(58, "start");
    assert_true(states_fold(s));
    char *text = drawn(66, false);
    assert_string_equal(text, "us  2001-09-09T01:46:40Z to 2001-09-09T02:46:40Z\n"
                              "                                                   FALLS      DOWN\n"
                              "us               ???_____________#_________~~~~~~      1        1m\n"
                              "  www.z.example  ???_____________#_________~~~~~~      1        1m\n"
                              "daemon                                         ^\n"
                              "UTC                     |02:00          |02:30\n"
                              "^ daemon started  # down  ~ drained  _ up  ? unknown\n"
                              "a column is 1m52s\n");
    free(text);
}

static void a_narrow_terminal_has_names_on_lines_of_their_own(void **state)
{
    (void)state;
    an_hour(0);
    states_region(s, m, "us");
    avail(30, "www.z.example", "us", "", "fall", 1, 0);
    assert_true(states_fold(s));
    char *text = drawn(30, true);
    assert_string_equal(text, "us  2001-09-09T01:46:40Z to 2001-09-09T02:46:40Z\n"
                              "us  1 fall, 30m down\n"
                              "▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁███████████████\n"
                              "  www.z.example\n"
                              "  1 fall, 30m down\n"
                              "▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁███████████████\n"
                              "      |02:00         |02:30\n"
                              "█ down  ▁ up\n"
                              "a column is 2m\n");
    free(text);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(before_the_first_line_nothing_is_known),
        T(without_a_log_all_is_unknown),
        T(before_its_first_event_a_row_was_what_that_says),
        T(without_an_event_a_row_was_what_it_is),
        T(a_region_is_down_when_all_in_it_is),
        T(a_region_out_by_itself_takes_its_services_along),
        T(a_persons_word_is_told_from_an_outage),
        T(what_is_dead_under_a_drain_is_down_when_the_drain_ends),
        T(a_word_given_before_the_time_shown_is_seen_from_its_end),
        T(a_word_that_holds_throughout_is_in_the_table),
        T(endpoints_fall_one_by_one_and_their_site_with_the_last),
        T(the_first_verdict_ends_what_was_unknown),
        T(a_start_shows_and_a_stop_is_no_outage),
        T(a_daemon_that_stands_since_before_is_seen),
        T(events_in_any_order_and_of_a_clock_set_back),
        T(an_outage_shorter_than_a_column_is_drawn),
        T(a_narrow_terminal_has_names_on_lines_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
