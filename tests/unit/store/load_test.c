/* A large database is read over two connections: as over one. */
#include "testing.h"

#include "config/config.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void must(sqlite3 *h, const char *sql)
{
    char *text = NULL;
    if (sqlite3_exec(h, sql, NULL, NULL, &text) != SQLITE_OK)
        fail_msg("%s: %s", sql, text);
}

static void raw(const char *sql)
{
    sqlite3 *h;
    assert_int_equal(sqlite3_open(db, &h), SQLITE_OK);
    must(h, sql);
    sqlite3_close(h);
}

/* 15,000 services of several kinds, some gone again, some without endpoints, in no order of names. */
static void fill(void)
{
    struct store *s = made();
    must_apply(s, FULL_DOC, 1);
    store_close(&s);
    raw("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 15000)"
        "INSERT INTO service(name, policy, ttl_s, answers, on_empty, hold_ms, degrade, fail) "
        "SELECT "
        "printf('s%d.z.example', i * 7919 % 15013), CASE i % 3 WHEN 0 THEN 'weighted' WHEN 1 THEN "
        "'failover' ELSE 'sticky' END, i % 300, 0, 'all', nullif(i % 4, 0) * 10000, CASE WHEN i % "
        "5 = 0 "
        "THEN 0.25 END, CASE WHEN i % 5 = 0 THEN 0.75 END FROM n;"
        "INSERT INTO endpoint(service_id, region_id, address, weight, priority, probe_id) SELECT "
        "s.id, r.id, printf('2001:db8:%x::%x', s.id, k.value), s.id % 100, 1 + k.value % 3, CASE "
        "WHEN k.value = 2 THEN (SELECT min(id) FROM probe) END FROM service s, region r, "
        "json_each('[1,2,3]') k WHERE s.id > 10 AND s.id % 11 > 0;"
        "PRAGMA foreign_keys = ON; DELETE FROM service WHERE id > 10 AND id % 13 = 0");
    struct stat st;
    assert_int_equal(stat(db, &st), 0);
    assert_true(st.st_size > 4 << 20);
}

static void two_connections_give_what_one_does(void **state)
{
    (void)state;
    fill();
    struct store *s = opened();
    struct model *two = loaded(s);
    int64_t head;
    assert_int_equal(store_begin(s, &head, NULL), ERR_OK); /* only one sees what is written */
    struct model *one = loaded(s);
    store_abort(s);
    assert_true(one->services_n > 13000);
    struct config_changes c;
    assert_int_equal(config_diff(one, two, &c), ERR_OK);
    assert_int_equal(c.n, 0);
    config_changes_fini(&c);
    char *a = config_export(one, true), *b = config_export(two, true);
    assert_string_equal(a, b);
    free(a);
    free(b);
    for (uint32_t i = 0; i < two->services_n; i++)
        for (uint32_t k = 0; k < two->services[i].endpoints_n; k++) {
            const struct model_endpoint *e = &two->services[i].endpoints[k];
            assert_ptr_equal(e->region, model_region(two, e->region)->name); /* kept once */
        }
    model_unref(&one);
    model_unref(&two);
    store_close(&s);
}

static void what_leads_nowhere_is_found_in_both(void **state)
{
    static const char *const cuts[] = {
        "DELETE FROM service WHERE id = 5000", "DELETE FROM service WHERE id > 14000",
        "DELETE FROM service", "DELETE FROM region WHERE name = 'eu'",
        "UPDATE service SET probe_id = 99 WHERE id = 77"};
    (void)state;
    fill();
    sqlite3 *h;
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        struct diag d = {0};
        struct model *m;
        char before[100];
        snprintf(before, sizeof before, "%s-kept", db);
        unlink(before);
        assert_int_equal(sqlite3_open(db, &h), SQLITE_OK);
        char *sql = sqlite3_mprintf("VACUUM INTO %Q", before);
        must(h, sql);
        sqlite3_free(sql);
        must(h, cuts[i]);
        sqlite3_close(h);
        struct store *s = opened();
        if (store_load(s, &m, &d) != ERR_CORRUPT)
            fail_msg("%s: is taken", cuts[i]);
        listen_to(&d);
        assert_non_null(strstr(said, "is damaged (a row refers to one that is not there)"));
        store_close(&s);
        assert_int_equal(rename(before, db), 0);
    }
}

/* A child commits the same number in two tables, again and again. Both scans see the same one. */
static void commit_on(void)
{
    sqlite3 *h;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (sqlite3_open(db, &h) != SQLITE_OK)
        _exit(1);
    sqlite3_busy_timeout(h, 5000);
    for (int i = 1;; i = i % 80000 + 1) {
        char sql[200];
        snprintf(
            sql, sizeof sql,
            "BEGIN IMMEDIATE; UPDATE service SET ttl_s = %d WHERE id = 1234; UPDATE endpoint SET "
            "weight = %d WHERE service_id = 1234; COMMIT",
            i, i);
        if (sqlite3_exec(h, sql, NULL, NULL, NULL) != SQLITE_OK)
            _exit(2);
        usleep(150);
    }
}

static void commits_meanwhile_do_not_tear_it(void **state)
{
    (void)state;
    fill();
    raw("UPDATE service SET ttl_s = 1 WHERE id = 1234; UPDATE endpoint SET weight = 1 WHERE "
        "service_id = 1234; PRAGMA synchronous = OFF");
    pid_t child = fork();
    if (child == 0)
        commit_on();
    struct store *s = opened();
    char name[40];
    snprintf(name, sizeof name, "s%d.z.example", (1234 - 3) * 7919 % 15013);
    unsigned differ = 0;
    int32_t last = 0;
    for (int i = 0; i < 40; i++) {
        struct diag d = {0};
        struct model *m;
        assert_int_equal(store_load(s, &m, &d), ERR_OK);
        const struct model_service *svc = model_service(m, name);
        assert_non_null(svc);
        assert_int_equal(svc->endpoints_n, 9);
        for (uint32_t k = 0; k < svc->endpoints_n; k++)
            assert_int_equal(svc->endpoints[k].weight, svc->ttl_s);
        differ += svc->ttl_s != last;
        last = svc->ttl_s;
        model_unref(&m);
        diag_fini(&d);
    }
    assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_true(differ > 10);
    store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(two_connections_give_what_one_does),
        scratch_test(what_leads_nowhere_is_found_in_both),
        scratch_test(commits_meanwhile_do_not_tear_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
