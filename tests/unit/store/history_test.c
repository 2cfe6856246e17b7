#include "testing.h"

static struct store_event event(int64_t wall_ms, const char *service, const char *region,
                                const char *kind, const char *line)
{
    return (struct store_event){0, wall_ms, "info", kind, service, region, NULL, 7, line};
}

static bool keep(void *ctx, const struct store_event *e)
{
    char *out = ctx;
    snprintf(out + strlen(out), 400 - strlen(out), "%lld:%s ", (long long)e->id, e->line);
    return strcmp(e->line, "stop") != 0;
}

static void listed_is(struct store *s, struct store_event_filter f, const char *wanted)
{
    char out[400] = "";
    assert_int_equal(store_events_each(s, &f, keep, out, NULL), ERR_OK);
    assert_string_equal(out, wanted);
}

static void events_are_filtered_and_come_oldest_first(void **state)
{
    (void)state;
    struct store *s = made();
    const struct store_event list[] = {
        event(100, "w", "eu", "probe", "a"), event(200, "w", "us", "probe", "b"),
        event(300, "v", "eu", "hold", "c"), event(400, NULL, NULL, "config", "d")};
    assert_int_equal(store_events_add(s, list, 4, NULL), ERR_OK);
    assert_int_equal(store_events_add(s, NULL, 0, NULL), ERR_OK);
    listed_is(s, (struct store_event_filter){0}, "1:a 2:b 3:c 4:d ");
    listed_is(s, (struct store_event_filter){.service = "w"}, "1:a 2:b ");
    listed_is(s, (struct store_event_filter){.region = "eu"}, "1:a 3:c ");
    listed_is(s, (struct store_event_filter){.region = "eu", .kind = "hold"}, "3:c ");
    listed_is(s, (struct store_event_filter){.since_wall_ms = 300}, "3:c 4:d ");
    listed_is(s, (struct store_event_filter){.after_id = 3}, "4:d ");
    listed_is(s, (struct store_event_filter){.limit = 2}, "3:c 4:d ");
    store_close(&s);
}

static void old_events_are_trimmed_and_ids_go_on(void **state)
{
    (void)state;
    struct store *s = made();
    for (int i = 0; i < 12; i++) {
        static struct store_event many[1000];
        for (int k = 0; k < 1000; k++)
            many[k] = event(i, "w", "eu", "probe", "x");
        assert_int_equal(store_events_add(s, many, 1000, NULL), ERR_OK);
    }
    assert_int_equal(store_events_trim(s, 12, NULL), ERR_OK);
    listed_is(s, (struct store_event_filter){0}, "");
    struct store_event e = event(20, "w", "eu", "probe", "y");
    assert_int_equal(store_events_add(s, &e, 1, NULL), ERR_OK);
    listed_is(s, (struct store_event_filter){0}, "12001:y ");
    store_close(&s);
}

static void keep_state(void *ctx, const struct store_state *r)
{
    char *out = ctx;
    snprintf(out + strlen(out), 400 - strlen(out), "%s/%s/%s %lld %lld %lld %lld %d%d %s;",
             r->service, r->region, r->address, (long long)r->observed, (long long)r->avail,
             (long long)r->hold_left_ms, (long long)r->since_wall_ms, r->released, r->kept_out,
             r->why);
}

static void state_is_replaced_as_a_whole(void **state)
{
    (void)state;
    struct store *s = made();
    struct store_state rows[] = {{"", "eu", "", 1, 65536, 0, 5, false, true, "because"},
                                 {"w", "eu", "192.0.2.1", 2, 0, 30000, 6, true, false, ""}};
    char out[400] = "";
    int64_t saved = -1;
    assert_int_equal(store_state_each(s, &saved, keep_state, out, NULL), ERR_OK);
    assert_string_equal(out, "");
    assert_int_equal(saved, 0);
    assert_int_equal(store_state_replace(s, rows, 2, 1000, NULL), ERR_OK);
    assert_int_equal(store_state_replace(s, rows, 2, 2000, NULL), ERR_OK);
    assert_int_equal(store_state_each(s, &saved, keep_state, out, NULL), ERR_OK);
    assert_string_equal(out, "/eu/ 1 65536 0 5 01 because;w/eu/192.0.2.1 2 0 30000 6 10 ;");
    assert_int_equal(saved, 2000);
    assert_int_equal(store_state_replace(s, NULL, 0, 3000, NULL), ERR_OK);
    out[0] = '\0';
    assert_int_equal(store_state_each(s, &saved, keep_state, out, NULL), ERR_OK);
    assert_string_equal(out, "");
    store_close(&s);
}

static void write_file(const char *path, const char *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static void a_damaged_history_is_put_aside_with_a_warning(void **state)
{
    (void)state;
    char path[120], aside[140], wanted[400];
    struct store *s = made();
    struct diag d = {0};
    snprintf(path, sizeof path, "%s-history", db);
    snprintf(aside, sizeof aside, "%s.damaged", path);
    write_file(path,
               "this is not a database at all, but long enough to be looked at........"
               "...............................................",
               100);
    struct store_event e = event(1, "w", "eu", "probe", "x");
    assert_int_equal(store_events_add(s, &e, 1, &d), ERR_OK);
    assert_int_equal(d.errors, 0);
    assert_int_equal(d.warnings, 1);
    listen_to(&d);
    snprintf(wanted, sizeof wanted, "%s was damaged: it is now %s, and a new history begins", path,
             aside);
    assert_string_equal(said, wanted);
    assert_int_equal(access(aside, F_OK), 0);
    listed_is(s, (struct store_event_filter){0}, "1:x ");
    store_close(&s);
}

static void damage_found_while_writing_loses_no_new_event(void **state)
{
    (void)state;
    char path[120], page[4096];
    struct diag d = {0};
    struct store *s = made();
    snprintf(path, sizeof path, "%s-history", db);
    struct store_event e = event(1, "w", "eu", "probe", "x");
    assert_int_equal(store_events_add(s, &e, 1, NULL), ERR_OK);
    store_close(&s);
    FILE *f = fopen(path, "r+b"); /* all pages but the first, which tells the schema */
    assert_non_null(f);
    memset(page, 0x5a, sizeof page);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long pages = ftell(f) / 4096;
    for (long i = 1; i < pages; i++) {
        assert_int_equal(fseek(f, i * 4096, SEEK_SET), 0);
        assert_int_equal(fwrite(page, 1, sizeof page, f), sizeof page);
    }
    fclose(f);
    s = opened();
    e.line = "y";
    assert_int_equal(store_events_add(s, &e, 1, &d), ERR_OK);
    assert_int_equal(d.errors, 0);
    assert_int_equal(d.warnings, 1);
    diag_fini(&d);
    listed_is(s, (struct store_event_filter){0}, "1:y ");
    store_close(&s);
}

static void a_history_taken_away_begins_anew(void **state)
{
    (void)state;
    char path[120];
    struct diag d = {0};
    struct store *s = made();
    snprintf(path, sizeof path, "%s-history", db);
    struct store_event e = event(1, "w", "eu", "probe", "x");
    assert_int_equal(store_events_add(s, &e, 1, NULL), ERR_OK);
    assert_int_equal(unlink(path), 0);
    e.line = "y";
    assert_int_equal(store_events_add(s, &e, 1, &d), ERR_OK);
    assert_int_equal(d.warnings, 1);
    diag_fini(&d);
    listed_is(s, (struct store_event_filter){0}, "1:y ");
    store_close(&s);
}

static void a_lost_history_never_fails_an_edit(void **state)
{
    (void)state;
    char path[120];
    struct diag d = {0};
    struct store *s = made();
    snprintf(path, sizeof path, "%s-history", db);
    assert_int_equal(mkdir(path, 0755), 0); /* nothing can be opened there */
    struct store_event e = event(1, "w", "eu", "probe", "x");
    assert_int_not_equal(store_events_add(s, &e, 1, &d), ERR_OK);
    assert_int_equal(d.errors, 1);
    diag_fini(&d);
    must_apply(s, FULL_DOC, 1);
    store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(events_are_filtered_and_come_oldest_first),
        scratch_test(old_events_are_trimmed_and_ids_go_on),
        scratch_test(state_is_replaced_as_a_whole),
        scratch_test(a_damaged_history_is_put_aside_with_a_warning),
        scratch_test(damage_found_while_writing_loses_no_new_event),
        scratch_test(a_history_taken_away_begins_anew),
        scratch_test(a_lost_history_never_fails_an_edit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
