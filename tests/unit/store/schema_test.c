/* Files of every past schema open and mean the same; upgrades are copied first and all or nothing.
 * schema-1.sql is what the first release wrote for FULL_DOC. */
#include "testing.h"

#include "store_priv.h"

static void read_sql(const char *name)
{
    char path[500];
    snprintf(path, sizeof path, "%s/tests/unit/store/%s", MERIDIAN_SOURCE_DIR, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *text = calloc(1, 100000), *error = NULL;
    assert_true(fread(text, 1, 99999, f) > 0);
    fclose(f);
    sqlite3 *h;
    assert_int_equal(sqlite3_open(db, &h), SQLITE_OK);
    if (sqlite3_exec(h, text, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s", error);
    sqlite3_close(h);
    free(text);
}

static void a_file_of_schema_1_opens_and_means_the_same(void **state)
{
    (void)state;
    read_sql("schema-1.sql");
    struct store *s = opened();
    char *text = exported(s);
    struct model *wanted = model_create();
    int64_t revision;
    assert_int_equal(config_import(wanted, FULL_DOC, strlen(FULL_DOC), &revision, NULL), ERR_OK);
    assert_int_equal(model_validate(wanted, NULL), ERR_OK);
    wanted->revision = 1;
    char *export = config_export(wanted, true);
    assert_string_equal(text, export);
    must_apply(s, "{\"services\": []}", 2);
    struct model *then;
    assert_int_equal(store_load_at(s, 1, &then, NULL), ERR_OK);
    assert_int_equal(model_validate(then, NULL), ERR_OK);
    char *again = config_export(then, true);
    assert_string_equal(again, export);
    free(text);
    free(export);
    free(again);
    model_unref(&wanted);
    model_unref(&then);
    store_close(&s);
}

static int64_t number(sqlite3 *h, const char *sql)
{
    sqlite3_stmt *st;
    int64_t v = -1;
    if (sqlite3_prepare_v2(h, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return v;
}

/* Another program may take the file to its version while this one serves from it. */
static void a_trial_write_leaves_the_version_alone(void **state)
{
    (void)state;
    struct store *s = made();
    sqlite3 *h;
    assert_int_equal(sqlite3_open(db, &h), SQLITE_OK);
    assert_int_equal(sqlite3_exec(h, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_try_write(s, NULL), ERR_OK);
    assert_int_equal(number(h, "PRAGMA user_version"), 99);
    sqlite3_close(h);
    store_close(&s);
}

static void every_table_is_strict(void **state)
{
    (void)state;
    struct store *s = made();
    assert_true(number(s->config.db,
                       "SELECT count(*) FROM pragma_table_list WHERE schema = "
                       "'main' AND name NOT LIKE 'sqlite_%' AND type = 'table'") > 10);
    assert_int_equal(number(s->config.db, "SELECT count(*) FROM pragma_table_list WHERE schema = "
                                          "'main' AND name NOT LIKE 'sqlite_%' AND NOT strict"),
                     0);
    assert_int_equal(number(s->config.db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(number(s->config.db, "PRAGMA synchronous"), 2);
    assert_int_equal(number(s->config.db, "PRAGMA trusted_schema"), 0);
    assert_int_equal(number(s->config.db, "PRAGMA busy_timeout"), 5000);
    store_close(&s);
}

static void a_service_goes_without_a_look_at_all_others(void **state)
{
    (void)state;
    struct store *s = made();
    sqlite3_stmt *st;
    must_apply(s, FULL_DOC, 1);
    assert_int_equal(sqlite3_prepare_v2(s->config.db,
                                        "DELETE FROM service WHERE name = 'www.z.example'", -1, &st,
                                        NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_DONE);
    assert_int_equal(sqlite3_changes(s->config.db), 1);
    assert_int_equal(sqlite3_stmt_status(st, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0), 0);
    sqlite3_finalize(st);
    store_close(&s);
}

/* The next release, as it will be: one more step behind those there are. */
static struct schema next_release(const char *last_step)
{
    static const char *steps[100];
    int version = store__config_schema.version;
    for (int i = 0; i < version; i++)
        steps[i] = "SELECT no_such_function()"; /* is not run again */
    steps[version] = last_step;
    return (struct schema){STORE_APPLICATION_ID, steps, version + 1, "", ""};
}
static const char next_step[] = "CREATE TABLE extra(x INTEGER) STRICT;"
                                "INSERT INTO extra VALUES(5);";
static const char broken_step[] = "CREATE TABLE extra(x INTEGER) STRICT;"
                                  "CREATE TABLE region(x);";

static void a_file_of_schema_1_takes_a_window(void **state)
{
    (void)state;
    char copy[100];
    int64_t id;
    read_sql("schema-1.sql");
    struct store *s = opened();
    struct store_maintenance m = {0, "eu", "drain", 0.4, 5, 1, 2, 3, "ana", "db move"};
    assert_int_equal(number(s->config.db, "PRAGMA user_version"), store__config_schema.version);
    assert_int_equal(store_maintenance_add(s, &m, &id, NULL), ERR_OK);
    assert_int_equal(id, 1);
    store_close(&s);
    snprintf(copy, sizeof copy, "%s-before-%d", db, store__config_schema.version);
    sqlite3 *h;
    assert_int_equal(sqlite3_open(copy, &h), SQLITE_OK);
    assert_int_equal(number(h, "PRAGMA user_version"), 1);
    sqlite3_close(h);
}

static void an_upgrade_keeps_a_copy(void **state)
{
    (void)state;
    char copy[100];
    struct store *s = made();
    must_apply(s, FULL_DOC, 1);
    const struct schema next = next_release(next_step);
    assert_int_equal(store__migrate(s, &s->config, &next, NULL), ERR_OK);
    assert_int_equal(number(s->config.db, "PRAGMA user_version"), next.version);
    assert_int_equal(number(s->config.db, "SELECT x FROM extra"), 5);
    assert_int_equal(store__migrate(s, &s->config, &next, NULL), ERR_OK); /* nothing to do */
    store_close(&s);
    assert_int_equal(open_fails(), ERR_NEWER);
    snprintf(copy, sizeof copy, "%s-before-%d", db, next.version);
    strcpy(db, copy);
    s = opened();
    struct model *m = loaded(s);
    assert_int_equal(m->services_n, 3);
    model_unref(&m);
    store_close(&s);
}

static void a_failed_upgrade_leaves_the_file_as_it_was(void **state)
{
    (void)state;
    struct store *s = made();
    struct diag d = {0};
    must_apply(s, FULL_DOC, 1);
    const struct schema broken = next_release(broken_step);
    assert_int_not_equal(store__migrate(s, &s->config, &broken, &d), ERR_OK);
    assert_int_equal(d.errors, 1);
    diag_fini(&d);
    assert_int_equal(number(s->config.db, "PRAGMA user_version"), store__config_schema.version);
    assert_int_equal(number(s->config.db, "SELECT count(*) FROM sqlite_schema WHERE name = "
                                          "'extra'"),
                     0);
    must_apply(s, "{\"services\": []}", 2);
    store_close(&s);
}

static bool read_back(void *ctx, const struct store_event *e)
{
    snprintf(ctx, 200, "%lld %s %s %s '%s'%s", (long long)e->id, e->service, e->region, e->line,
             e->facts.rule, e->facts.has_avail ? " avail" : "");
    return true;
}

/* The log that version 1 wrote is there after the upgrade, and goes on. */
static void a_history_of_schema_1_goes_on(void **state)
{
    (void)state;
    char path[120], got[200] = "";
    struct store *s = made();
    sqlite3 *h;
    snprintf(path, sizeof path, "%s-history", db);
    assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
    assert_int_equal(sqlite3_exec(h, store__history_schema.steps[0], NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(h,
                     "PRAGMA application_id = 1298494056; PRAGMA user_version = 1; INSERT INTO "
                     "event VALUES(7, 1000, 'notice', 'availability', 'w', 'eu', '', 3, 'old');"
                     "INSERT INTO state VALUES('w', 'eu', '', 3, 0, 0, 900, 0, 0, 'why');",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(h);
    struct store_event_filter f = {.service = "w"};
    assert_int_equal(store_events_each(s, &f, read_back, got, NULL), ERR_OK);
    assert_string_equal(got, "7 w eu old ''");
    assert_int_equal(number(s->history.db, "PRAGMA user_version"), store__history_schema.version);
    struct store_event e = {
        .wall_ms = 2000, .level = "info", .service = "w", .line = "new", .facts.rule = "fall"};
    assert_int_equal(store_events_add(s, &e, 1, NULL), ERR_OK);
    assert_int_equal(store_events_each(s, &f, read_back, got, NULL), ERR_OK);
    assert_string_equal(got, "8 w  new 'fall'");
    assert_int_equal(number(s->history.db, "SELECT avail FROM state"), 0);
    store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(a_file_of_schema_1_opens_and_means_the_same),
        scratch_test(a_history_of_schema_1_goes_on),
        scratch_test(a_file_of_schema_1_takes_a_window),
        scratch_test(a_trial_write_leaves_the_version_alone),
        scratch_test(every_table_is_strict),
        scratch_test(a_service_goes_without_a_look_at_all_others),
        scratch_test(an_upgrade_keeps_a_copy),
        scratch_test(a_failed_upgrade_leaves_the_file_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
