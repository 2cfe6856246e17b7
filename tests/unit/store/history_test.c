#include "testing.h"

#include "store_priv.h"

#include <sys/wait.h>

static struct store_event event(int64_t wall_ms, const char *service, const char *region,
                                const char *kind, const char *line)
{
    return (struct store_event){.wall_ms = wall_ms,
                                .level = "info",
                                .kind = kind,
                                .service = service,
                                .region = region,
                                .revision = 7,
                                .line = line};
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

static bool keep_json(void *ctx, const struct store_event *e)
{
    char *out = ctx;
    json_t *j = store_event_json(e);
    char *text = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(6));
    snprintf(out + strlen(out), 1200 - strlen(out), "%s\n", text);
    free(text);
    json_decref(j);
    return true;
}

static bool keep_line(void *ctx, const struct store_event *e)
{
    char *out = ctx;
    snprintf(out + strlen(out), 4000 - strlen(out), "%s ", e->line);
    return true;
}

static bool keep_moment(void *ctx, const struct store_event *e)
{
    *(int64_t *)ctx = e->wall_ms;
    return true;
}

struct seen {
    int next, step;
    uint32_t n;
};

static bool in_order(void *ctx, const struct store_event *e)
{
    struct seen *s = ctx;
    assert_int_equal(atoi(e->line), s->next);
    s->next += s->step;
    s->n++;
    return true;
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
    listed_is(s, (struct store_event_filter){.until_wall_ms = 200}, "1:a 2:b ");
    listed_is(s, (struct store_event_filter){.since_wall_ms = 200, .until_wall_ms = 300},
              "2:b 3:c ");
    listed_is(s, (struct store_event_filter){.since_wall_ms = 401}, "");
    listed_is(s, (struct store_event_filter){.until_wall_ms = 99}, "");
    listed_is(s, (struct store_event_filter){.newest_first = true, .limit = 3}, "4:d 3:c 2:b ");
    listed_is(s, (struct store_event_filter){.region = "eu", .limit = 1}, "3:c ");
    listed_is(s, (struct store_event_filter){.region = "eu", .limit = 9}, "1:a 3:c ");
    listed_is(s, (struct store_event_filter){.after_id = 3}, "4:d ");
    listed_is(s, (struct store_event_filter){.limit = 2}, "3:c 4:d ");
    store_close(&s);
}

static void what_a_line_says_comes_back_in_columns(void **state)
{
    (void)state;
    struct store *s = made();
    struct store_event e = event(1500, "w", "eu", "availability", "all of it");
    e.endpoint = "192.0.2.1";
    e.facts = (struct store_facts){.rule = "degrade",
                                   .cause = "error rate 26.0%",
                                   .was = "up",
                                   .is = "degraded",
                                   .has_avail = true,
                                   .before = 1,
                                   .after = 0.7,
                                   .blocked_by = "min-capacity(60%)",
                                   .would = 0.4,
                                   .failed = 26,
                                   .samples = 100,
                                   .effect = "less",
                                   .to = "us",
                                   .moved_by_ms = 31500};
    assert_int_equal(store_events_add(s, &e, 1, NULL), ERR_OK);
    e = event(1600, NULL, NULL, "config", "nothing but a line");
    assert_int_equal(store_events_add(s, &e, 1, NULL), ERR_OK);
    char out[1200] = "";
    assert_int_equal(store_events_each(s, &(struct store_event_filter){0}, keep_json, out, NULL),
                     ERR_OK);
    assert_string_equal(
        out,
        "{\"id\":1,\"time\":\"1970-01-01T00:00:01.500Z\",\"level\":\"info\",\"kind\":"
        "\"availability\","
        "\"service\":\"w\",\"region\":\"eu\",\"endpoint\":\"192.0.2.1\",\"revision\":7,\"rule\":"
        "\"degrade\",\"cause\":\"error rate 26.0%\",\"state_before\":\"up\",\"state_after\":"
        "\"degraded\",\"before\":1.0,\"after\":0.7,\"would\":0.4,\"blocked_by\":"
        "\"min-capacity(60%)\",\"failures\":26,\"samples\":100,\"effect\":\"less\",\"to\":\"us\","
        "\"moved_by\":\"1970-01-01T00:00:31.500Z\",\"line\":\"all of it\"}\n"
        "{\"id\":2,\"time\":\"1970-01-01T00:00:01.600Z\",\"level\":\"info\",\"kind\":\"config\","
        "\"service\":\"\",\"region\":\"\",\"endpoint\":\"\",\"revision\":7,\"rule\":null,\"cause\":"
        "null,"
        "\"state_before\":null,\"state_after\":null,\"before\":null,\"after\":null,\"would\":null,"
        "\"blocked_by\":null,\"failures\":null,\"samples\":null,\"effect\":null,\"to\":null,"
        "\"moved_by\":null,\"line\":\"nothing but a line\"}\n");
    store_close(&s);
}

static bool keep_into_the_next(void *ctx, const struct store_event *e)
{
    struct store *s = ctx;
    struct store_event more = event(e->wall_ms, "w", "eu", "probe", "more");
    assert_int_equal(store_events_add(s, &more, 1, NULL), ERR_OK);
    return true;
}

/* More than a slice, with others between, and written to while it is read. */
static void long_logs_are_read_in_slices(void **state)
{
    (void)state;
    struct store *s = made();
    static struct store_event many[3000];
    static char line[3000][12];
    for (int i = 0; i < 3000; i++) {
        snprintf(line[i], sizeof line[i], "%d", i);
        many[i] = event(1000 + i, i % 2 ? "w" : "v", "eu", "probe", line[i]);
    }
    assert_int_equal(store_events_add(s, many, 3000, NULL), ERR_OK);
    for (int reverse = 0; reverse < 2; reverse++)
        for (uint32_t limit = 0; limit < 1600; limit += 533) {
            struct seen seen = {.next = !reverse ? limit ? 3000 - 2 * (int)limit + 1 : 1 : 2999,
                                .step = reverse ? -2 : 2};
            if (!reverse && seen.next < 1)
                seen.next = 1;
            struct store_event_filter f = {.service = "w", .limit = limit, .newest_first = reverse};
            assert_int_equal(store_events_each(s, &f, in_order, &seen, NULL), ERR_OK);
            assert_int_equal(seen.n, limit && limit < 1500 ? limit : 1500);
        }
    struct store_event_filter f = {.service = "v"};
    assert_int_equal(store_events_each(s, &f, keep_into_the_next, s, NULL), ERR_OK);
    store_close(&s);
}

static void every_filter_reads_by_an_index(void **state)
{
    (void)state;
    struct store *s = made();
    listed_is(s, (struct store_event_filter){0}, "");
    static const struct {
        struct store_event_filter f;
        const char *index;
    } of[] = {
        {{.service = "w"}, "event_service"},
        {{.region = "eu"}, "event_region"},
        {{.endpoint = "192.0.2.1"}, "event_endpoint"},
        {{.kind = "probe"}, "event_kind"},
        {{.rule = "fall"}, "event_rule"},
        {{.level = "warn"}, "event_alarm"},
        {{.level = "error"}, "event_alarm"},
        {{.service = "w", .region = "eu", .kind = "hold", .since_wall_ms = 5}, "event_service"},
        {{.rule = "fall", .kind = "availability", .level = "error"}, "event_rule"},
        {{.since_wall_ms = 5}, "PRIMARY KEY"},
    };
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        char sql[EVENTS_SQL_MAX], explain[EVENTS_SQL_MAX + 40], plan[500] = "";
        store__events_sql(&of[i].f, "line", "ORDER BY id DESC LIMIT ?", sql);
        snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
        struct diag d = {0};
        struct query q = store__query(s, &s->history, explain, &d);
        while (store__row(&q))
            snprintf(plan + strlen(plan), sizeof plan - strlen(plan), "%s;", store__column(&q, 3));
        if (store__end(&q))
            listen_to(&d);
        if (!strstr(plan, "SEARCH") || !strstr(plan, of[i].index) || strstr(plan, "B-TREE"))
            fail_msg("%s\n%s %s", sql, plan, said);
        diag_fini(&d);
    }
    store_close(&s);
}

/* What a follower is shown is what the log has of it. */
static void the_filter_says_the_same_of_an_event_as_the_database(void **state)
{
    (void)state;
    struct store *s = made();
    static const char *const of[] = {"", "a", "b"};
    static const char *const levels[] = {"info", "notice", "warn", "error"};
    const char *given = getenv("SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : 20261122;
    printf("SEED=%u\n", seed);
    static struct store_event e[500];
    static char line[500][8];
    for (int i = 0; i < 500; i++) {
        snprintf(line[i], sizeof line[i], "%d", i);
        e[i] = event(i, of[rand_r(&seed) % 3], of[rand_r(&seed) % 3], of[1 + rand_r(&seed) % 2],
                     line[i]);
        e[i].level = levels[rand_r(&seed) % 4];
        e[i].endpoint = of[rand_r(&seed) % 3];
        e[i].facts.rule = of[rand_r(&seed) % 3];
    }
    assert_int_equal(store_events_add(s, e, 500, NULL), ERR_OK);
    for (int round = 0; round < 400; round++) {
        struct store_event_filter f = {.service = of[rand_r(&seed) % 3],
                                       .region = of[rand_r(&seed) % 3],
                                       .endpoint = of[rand_r(&seed) % 3],
                                       .kind = of[rand_r(&seed) % 3],
                                       .rule = of[rand_r(&seed) % 3],
                                       .level = levels[rand_r(&seed) % 4],
                                       .since_wall_ms = rand_r(&seed) % 500,
                                       .until_wall_ms = rand_r(&seed) % 500};
        char wanted[4000] = "", got[4000] = "";
        for (int i = 0; i < 500; i++)
            if (store_event_matches(&f, &e[i]))
                snprintf(wanted + strlen(wanted), 4000 - strlen(wanted), "%d ", i);
        assert_int_equal(store_events_each(s, &f, keep_line, got, NULL), ERR_OK);
        assert_string_equal(got, wanted);
    }
    store_close(&s);
}

/* All slices; how many it took to drop, sums in out. */
static unsigned trimmed(struct store *s, struct store_trim t, struct store_trimmed *out)
{
    unsigned slices = 0;
    *out = (struct store_trimmed){0};
    for (;;) {
        struct store_trimmed one;
        assert_int_equal(store_events_trim(s, &t, &one, NULL), ERR_OK);
        slices += one.by_time + one.by_size > 0;
        out->by_time += one.by_time;
        out->by_size += one.by_size;
        if (one.by_size)
            out->until_wall_ms = one.until_wall_ms;
        assert_true(one.by_time + one.by_size <= 5000);
        t.bout = one.bout;
        if (!one.more)
            return slices;
    }
}

static int64_t file_size(void)
{
    char path[120];
    struct stat st;
    snprintf(path, sizeof path, "%s-history", db);
    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static void flood(struct store *s, int from, int n)
{
    static struct store_event many[1000];
    for (int done = 0; done < n; done += 1000) {
        for (int k = 0; k < 1000; k++)
            many[k] = event(from + done + k, "www.gslb.example.com", "eu-west", "probe",
                            "a line as long as they are: probe web 203.0.113.10:80 fail: timeout "
                            "after 2000 ms (3/3), and so on");
        assert_int_equal(store_events_add(s, many, 1000, NULL), ERR_OK);
    }
}

static void a_flood_stays_within_the_size(void **state)
{
    (void)state;
    struct store *s = made();
    struct store_trimmed gone;
    const struct store_trim to = {.size_bytes = 2 << 20};
    for (int round = 0; round < 6; round++) { /* as the daemon does it: so many, then a look */
        flood(s, round * 10000, 10000);
        trimmed(s, to, &gone);
        assert_true(gone.by_size > 0 && gone.by_time == 0);
    }
    assert_true(gone.until_wall_ms > 50000 && gone.until_wall_ms < 60000);
    assert_int_equal(store_events_each(s, &(struct store_event_filter){.limit = 1}, keep_moment,
                                       &gone.until_wall_ms, NULL),
                     ERR_OK);
    assert_int_equal(gone.until_wall_ms, 59999); /* the newest stays */
    store_close(&s);                             /* and with it the log of the file */
    assert_in_range(file_size(), 1 << 20, (2 << 20) * 5 / 4);
    s = opened();
    trimmed(s, to, &gone);
    assert_int_equal(gone.by_size, 0); /* there is room for a while */
    store_close(&s);
}

static void some_events_stay_whatever_else_the_file_holds(void **state)
{
    (void)state;
    struct store *s = made();
    struct store_trimmed gone;
    flood(s, 0, 3000);
    trimmed(s, (struct store_trim){.size_bytes = 4096}, &gone);
    assert_int_equal(gone.by_size, 2000);
    store_close(&s);
}

static void old_events_are_trimmed_and_ids_go_on(void **state)
{
    (void)state;
    struct store_trimmed gone;
    struct store *s = made();
    for (int i = 0; i < 12; i++) {
        static struct store_event many[1000];
        for (int k = 0; k < 1000; k++)
            many[k] = event(i, "w", "eu", "probe", "x");
        assert_int_equal(store_events_add(s, many, 1000, NULL), ERR_OK);
    }
    assert_int_equal(trimmed(s, (struct store_trim){.before_wall_ms = 6}, &gone), 2);
    assert_int_equal(gone.by_time, 6000);
    assert_int_equal(gone.by_size, 0);
    listed_is(s, (struct store_event_filter){.limit = 1}, "12000:x ");
    trimmed(s, (struct store_trim){.before_wall_ms = 12}, &gone);
    assert_int_equal(gone.by_time, 6000);
    listed_is(s, (struct store_event_filter){0}, "");
    struct store_event e = event(20, "w", "eu", "probe", "y");
    assert_int_equal(store_events_add(s, &e, 1, NULL), ERR_OK);
    listed_is(s, (struct store_event_filter){0}, "12001:y ");
    store_close(&s);
}

static void keep_state(void *ctx, const struct store_state *r)
{
    char *out = ctx;
    snprintf(out + strlen(out), 400 - strlen(out),
             "%s/%s/%s %lld %lld %lld %lld %d%d %s %lld/%lld/%lld;", r->service, r->region,
             r->address, (long long)r->observed, (long long)r->avail, (long long)r->hold_left_ms,
             (long long)r->since_wall_ms, r->released, r->kept_out, r->why, (long long)r->falls,
             (long long)r->down_ms, (long long)r->counted_since_wall_ms);
}

static void state_is_replaced_as_a_whole(void **state)
{
    (void)state;
    struct store *s = made();
    struct store_state rows[] = {
        {"", "eu", "", 1, 65536, 0, 5, false, true, "because", 3, 4500, 77},
        {"w", "eu", "192.0.2.1", 2, 0, 30000, 6, true, false, "", 0, 0, 0}};
    char out[400] = "";
    int64_t saved = -1;
    assert_int_equal(store_state_each(s, &saved, keep_state, out, NULL), ERR_OK);
    assert_string_equal(out, "");
    assert_int_equal(saved, 0);
    assert_int_equal(store_state_replace(s, rows, 2, 1000, NULL), ERR_OK);
    assert_int_equal(store_state_replace(s, rows, 2, 2000, NULL), ERR_OK);
    assert_int_equal(store_state_each(s, &saved, keep_state, out, NULL), ERR_OK);
    assert_string_equal(
        out, "/eu/ 1 65536 0 5 01 because 3/4500/77;w/eu/192.0.2.1 2 0 30000 6 10  0/0/0;");
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

/* Of two processes that find no history, none may take from the other what it has just made. */
static void add_when_told(int go, const char *line)
{
    char byte;
    struct store *s = opened();
    struct store_event e = event(1, "w", "eu", "probe", line);
    bool told = read(go, &byte, 1) == 0;
    enum err err = told ? store_events_add(s, &e, 1, NULL) : ERR_IO;
    store_close(&s);
    _exit(err == ERR_OK ? 0 : 1);
}

static void one_history_is_begun_by_many_at_once(void **state)
{
    enum { ROUNDS = 40, WRITERS = 3 };
    (void)state;
    char path[120];
    struct store *s = made();
    store_close(&s); /* SQLite is not to be carried over a fork */
    snprintf(path, sizeof path, "%s-history", db);
    for (int round = 0; round < ROUNDS; round++) {
        int go[2];
        pid_t writer[WRITERS];
        assert_int_equal(pipe(go), 0);
        for (int i = 0; i < WRITERS; i++) {
            writer[i] = fork();
            assert_int_not_equal(writer[i], -1);
            if (writer[i] == 0) {
                close(go[1]);
                add_when_told(go[0], "x");
            }
        }
        close(go[0]);
        close(go[1]); /* all begin now */
        for (int i = 0; i < WRITERS; i++) {
            int status;
            assert_int_equal(waitpid(writer[i], &status, 0), writer[i]);
            assert_int_equal(status, 0);
        }
        s = opened();
        listed_is(s, (struct store_event_filter){0}, "1:x 2:x 3:x ");
        store_close(&s);
        assert_int_equal(unlink(path), 0);
    }
}

/* Who may only read the files reads the log all the same while the daemon runs. */
static void a_reader_of_the_history_writes_nothing(void **state)
{
    (void)state;
    char log[140];
    struct stat before, after;
    struct store *s = made();
    struct store_event e = event(1, "w", "eu", "probe", "x");
    assert_int_equal(store_events_add(s, &e, 1, NULL), ERR_OK);
    snprintf(log, sizeof log, "%s-history-wal", db);
    assert_int_equal(stat(log, &before), 0);
    assert_true(before.st_size > 0);
    struct store *reader = opened();
    listed_is(reader, (struct store_event_filter){0}, "1:x ");
    store_close(&reader);
    assert_int_equal(stat(log, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
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
        scratch_test(what_a_line_says_comes_back_in_columns),
        scratch_test(long_logs_are_read_in_slices),
        scratch_test(every_filter_reads_by_an_index),
        scratch_test(the_filter_says_the_same_of_an_event_as_the_database),
        scratch_test(old_events_are_trimmed_and_ids_go_on),
        scratch_test(a_flood_stays_within_the_size),
        scratch_test(some_events_stay_whatever_else_the_file_holds),
        scratch_test(state_is_replaced_as_a_whole),
        scratch_test(a_damaged_history_is_put_aside_with_a_warning),
        scratch_test(damage_found_while_writing_loses_no_new_event),
        scratch_test(a_history_taken_away_begins_anew),
        scratch_test(one_history_is_begun_by_many_at_once),
        scratch_test(a_reader_of_the_history_writes_nothing),
        scratch_test(a_lost_history_never_fails_an_edit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
