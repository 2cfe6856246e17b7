/* What a person is told when the file is not what it should be. */
#include "testing.h"

#include "store_priv.h"

#include <sys/wait.h>

static void said_is(const char *fmt)
{
    char wanted[600];
    size_t n = 0;
    for (const char *p = fmt; *p && n < sizeof wanted - 100; p++)
        if (*p == '@')
            n += (size_t)sprintf(wanted + n, "%s", db);
        else
            wanted[n++] = *p;
    wanted[n] = '\0';
    assert_string_equal(said, wanted);
}

static void put_bytes(const void *bytes, size_t len)
{
    FILE *f = fopen(db, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static void raw(const char *sql)
{
    sqlite3 *h;
    char *text = NULL;
    assert_int_equal(sqlite3_open(db, &h), SQLITE_OK);
    if (sqlite3_exec(h, sql, NULL, NULL, &text) != SQLITE_OK)
        fail_msg("%s: %s", sql, text);
    sqlite3_close(h);
}

static void a_missing_file_says_how_to_make_it(void **state)
{
    (void)state;
    assert_int_equal(open_fails(), ERR_NOT_FOUND);
    said_is("cannot open @: it does not exist; make it with: meridian init --db @");
    assert_int_not_equal(access(db, F_OK), 0); /* and none was made */
}

static void init_touches_nothing_that_exists(void **state)
{
    (void)state;
    struct diag d = {0};
    put_bytes("precious", 8);
    assert_int_equal(store_init(db, &d), ERR_EXISTS);
    listen_to(&d);
    said_is("@ exists already, and is not touched");
    struct stat st;
    assert_int_equal(stat(db, &st), 0);
    assert_int_equal(st.st_size, 8);
}

static void init_refuses_beside_the_log_of_another_database(void **state)
{
    (void)state;
    struct diag d = {0};
    char log[100];
    snprintf(log, sizeof log, "%s-wal", db);
    FILE *f = fopen(log, "w");
    assert_non_null(f);
    fputs("frames", f);
    fclose(f);
    assert_int_equal(store_init(db, &d), ERR_EXISTS);
    listen_to(&d);
    said_is("@-wal is left from another database: move it to where that is now");
    assert_int_not_equal(access(db, F_OK), 0);
}

static void init_says_which_folder_is_missing(void **state)
{
    (void)state;
    struct diag d = {0};
    char path[120];
    snprintf(path, sizeof path, "%s/none/m.db", folder);
    assert_int_equal(store_init(path, &d), ERR_IO);
    listen_to(&d);
    assert_non_null(strstr(said, "No such file or directory"));
}

static void init_leaves_nothing_but_the_database(void **state)
{
    (void)state;
    assert_int_equal(store_init(db, NULL), ERR_OK);
    DIR *dir = opendir(folder);
    int n = 0;
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    assert_int_equal(n, 1);
}

static void an_empty_file_is_no_database(void **state)
{
    (void)state;
    put_bytes("", 0);
    assert_int_equal(open_fails(), ERR_CORRUPT);
    said_is("@ is empty: remove it and make it with: meridian init, or restore it from a copy");
}

static void garbage_is_no_database(void **state)
{
    (void)state;
    char bytes[5000];
    memset(bytes, 'x', sizeof bytes);
    put_bytes(bytes, sizeof bytes);
    assert_int_equal(open_fails(), ERR_CORRUPT);
    said_is("@ is not a database: name the right file, or restore it from a copy");
}

static void a_folder_is_no_database(void **state)
{
    (void)state;
    assert_int_equal(mkdir(db, 0755), 0);
    assert_int_equal(open_fails(), ERR_IO);
    said_is("cannot open @: it is a folder, not a database");
}

static void the_database_of_another_program_is_left_alone(void **state)
{
    (void)state;
    raw("CREATE TABLE t(x); PRAGMA user_version = 1;");
    assert_int_equal(open_fails(), ERR_CORRUPT);
    said_is("@ is a database of another program: name the right file");
}

static void a_newer_schema_is_refused(void **state)
{
    (void)state;
    assert_int_equal(store_init(db, NULL), ERR_OK);
    raw("PRAGMA user_version = 99");
    assert_int_equal(open_fails(), ERR_NEWER);
    char wanted[200];
    snprintf(wanted, sizeof wanted,
             "@ was made by a newer version (schema 99, this program knows %d): upgrade this "
             "program",
             store__config_schema.version);
    said_is(wanted);
}

static long size_of_db(void)
{
    struct stat st;
    assert_int_equal(stat(db, &st), 0);
    return (long)st.st_size;
}

static enum err load_fails(void)
{
    struct diag d = {0};
    struct store *s = NULL;
    struct model *m = NULL;
    enum err e = store_open(db, &s, &d);
    if (!e)
        e = store_load(s, &m, &d);
    listen_to(&d);
    assert_null(m);
    store_close(&s);
    return e;
}

/* Enough services that the tables are trees of several pages. */
static void fill(void)
{
    struct store *s = made();
    char *doc = malloc(400000);
    int n = sprintf(doc, "{\"zones\": [{\"name\": \"z\", \"ns\": [\"n\"]}], \"regions\": "
                         "[{\"name\": \"eu\"}], \"services\": [");
    for (int i = 0; i < 2000; i++)
        n += sprintf(doc + n,
                     "%s{\"name\": \"s%d.z\", \"endpoints\": [{\"region\": \"eu\", \"address\": "
                     "\"10.0.%d.%d\"}]}",
                     i ? "," : "", i, i / 256, i % 256);
    sprintf(doc + n, "]}");
    must_apply(s, doc, 1);
    free(doc);
    store_close(&s);
}

static void a_truncated_file_is_damaged(void **state)
{
    (void)state;
    fill();
    assert_int_equal(truncate(db, size_of_db() / 3), 0);
    assert_int_equal(load_fails(), ERR_CORRUPT);
    said_is("@ is damaged (database disk image is malformed): restore it from a copy");
    assert_int_equal(truncate(db, 50), 0);
    assert_int_equal(open_fails(), ERR_CORRUPT);
    said_is("@ is damaged (database disk image is malformed): restore it from a copy");
}

static void damaged_pages_are_found_on_loading(void **state)
{
    (void)state;
    char page[4096];
    fill();
    memset(page, 0x5a, sizeof page);
    FILE *f = fopen(db, "r+b");
    assert_non_null(f);
    for (long i = 1; i < size_of_db() / 4096; i++) {
        assert_int_equal(fseek(f, i * 4096, SEEK_SET), 0);
        assert_int_equal(fwrite(page, 1, sizeof page, f), sizeof page);
    }
    fclose(f);
    assert_int_equal(load_fails(), ERR_CORRUPT);
    said_is("@ is damaged (database disk image is malformed): restore it from a copy");
}

static void rows_that_lead_nowhere_are_damage(void **state)
{
    (void)state;
    fill();
    raw("PRAGMA foreign_keys = OFF; DELETE FROM region;");
    assert_int_equal(load_fails(), ERR_CORRUPT);
    said_is("@ is damaged (a row refers to one that is not there): restore it from a copy");
}

static void a_missing_table_is_named(void **state)
{
    (void)state;
    assert_int_equal(store_init(db, NULL), ERR_OK);
    raw("DROP TABLE latency");
    assert_int_equal(load_fails(), ERR_CORRUPT);
    said_is("@ is not as it should be (no such table: latency): restore it from a copy");
}

static void a_lock_is_waited_for_and_then_named(void **state)
{
    (void)state;
    struct store *s = made();
    struct diag d = {0};
    sqlite3 *other;
    int64_t head;
    assert_int_equal(sqlite3_open(db, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    store_busy_timeout(s, 100);
    assert_int_equal(store_begin(s, &head, &d), ERR_BUSY);
    listen_to(&d);
    said_is("@ is locked by another process for more than 0.1 s: try again, or find the process "
            "that holds it");
    struct model *m = loaded(s); /* readers do not wait */
    model_unref(&m);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    must_apply(s, FULL_DOC, 1);
    sqlite3_close(other);
    store_close(&s);
}

static void a_full_disk_stores_nothing_and_breaks_nothing(void **state)
{
    (void)state;
    struct store *s = made();
    struct config_changes c;
    char *big = malloc(200000);
    must_apply(s, "{\"regions\": [{\"name\": \"eu\"}]}", 1);
    assert_int_equal(sqlite3_exec(s->config.db, "PRAGMA max_page_count = 1", NULL, NULL, NULL),
                     SQLITE_OK); /* the size that it has */
    int n = sprintf(big, "{\"zones\": [{\"name\": \"z\", \"ns\": [\"n\"]}], \"services\": [");
    for (int i = 0; i < 2000; i++)
        n += sprintf(big + n, "%s{\"name\": \"s%d.z\"}", i ? "," : "", i);
    sprintf(big + n, "]}");
    int64_t revision;
    assert_int_equal(apply_text(s, big, &revision), ERR_FULL);
    said_is("the disk of @ is full: nothing was stored; free some space");
    struct model *m = loaded(s);
    assert_int_equal(m->revision, 1);
    assert_int_equal(m->services_n, 0);
    model_unref(&m);
    assert_int_equal(store_changes(s, 0, 1, &c, NULL), ERR_OK);
    assert_int_equal(c.n, 1);
    config_changes_fini(&c);
    assert_int_equal(sqlite3_exec(s->config.db, "PRAGMA max_page_count = 100000", NULL, NULL, NULL),
                     SQLITE_OK);
    must_apply(s, big, 2);
    free(big);
    store_close(&s);
}

/* As a user who may read but not write; root may do everything, so a child steps down. */
static void a_file_that_may_not_be_written_says_so(void **state)
{
    (void)state;
    int fds[2], status;
    char reply[sizeof said] = "";
    store_close(&(struct store *){made()});
    assert_int_equal(chmod(db, 0444), 0);
    assert_int_equal(chmod(folder, 0555), 0);
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        struct store *s = NULL;
        struct diag d = {0};
        int64_t revision;
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(3);
        enum err e = store_open(db, &s, &d);
        if (e)
            listen_to(&d);
        else
            e = apply_text(s, FULL_DOC, &revision);
        if (write(fds[1], said, sizeof said) != sizeof said)
            _exit(2);
        _exit(e == ERR_IO ? 0 : 1);
    }
    waitpid(child, &status, 0);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(read(fds[0], reply, sizeof reply), sizeof reply);
    strcpy(said, reply);
    said_is("@ cannot be written (attempt to write a readonly database): check the permissions of "
            "the file and its folder");
    assert_int_equal(status, 0);
    close(fds[0]);
    close(fds[1]);
}

static void a_file_that_is_gone_or_replaced_is_noticed(void **state)
{
    (void)state;
    char other[120];
    struct store *s = made();
    struct diag d = {0};
    bool changed;
    int64_t head;
    must_apply(s, FULL_DOC, 1);
    snprintf(other, sizeof other, "%s/other.db", folder);
    assert_int_equal(rename(db, other), 0);
    assert_int_equal(store_changed(s, &changed, &d), ERR_NOT_FOUND);
    listen_to(&d);
    said_is("cannot open @: it does not exist; make it with: meridian init --db @");
    assert_int_equal(store_begin(s, &head, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_init(db, NULL), ERR_OK);
    assert_int_equal(store_changed(s, &changed, NULL), ERR_OK);
    assert_true(changed);
    assert_int_equal(store_head(s, &head, NULL), ERR_OK);
    assert_int_equal(head, 0);
    must_apply(s, FULL_DOC, 1);
    store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(a_missing_file_says_how_to_make_it),
        scratch_test(init_touches_nothing_that_exists),
        scratch_test(init_refuses_beside_the_log_of_another_database),
        scratch_test(init_says_which_folder_is_missing),
        scratch_test(init_leaves_nothing_but_the_database),
        scratch_test(an_empty_file_is_no_database),
        scratch_test(garbage_is_no_database),
        scratch_test(a_folder_is_no_database),
        scratch_test(the_database_of_another_program_is_left_alone),
        scratch_test(a_newer_schema_is_refused),
        scratch_test(a_truncated_file_is_damaged),
        scratch_test(damaged_pages_are_found_on_loading),
        scratch_test(rows_that_lead_nowhere_are_damage),
        scratch_test(a_missing_table_is_named),
        scratch_test(a_lock_is_waited_for_and_then_named),
        scratch_test(a_full_disk_stores_nothing_and_breaks_nothing),
        scratch_test(a_file_that_may_not_be_written_says_so),
        scratch_test(a_file_that_is_gone_or_replaced_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
