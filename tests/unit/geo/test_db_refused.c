#include "database.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void what_is_no_database_is_refused_in_one_sentence(void **state)
{
    (void)state;
    db_assert_refused("/nonexistent/x.mmdb", "No such file");
    db_assert_refused("/tmp", "not a regular file");
    db_assert_refused("/dev/null", "not a regular file");
    file_write(db_path, "", 0);
    db_assert_refused(db_path, "empty");
    file_write(db_path, "hello, world\n", 13);
    db_assert_refused(db_path, "no MaxMind database");
    struct mmdb m;
    mmdb_init(&m, 4, 24);
    mmdb_add(&m, "1.0.0.0/8", mmdb_map(&m, 0));
    m.type = "Test\nType-That-Knows-Nothing";
    mmdb_write(&m, db_path);
    mmdb_fini(&m);
    db_assert_refused(db_path, "Test?Type-That-Knows-Nothing");
    db_assert_refused(db_path, "neither locations nor AS numbers");
}

/* Loads what may be anything: it is served or refused in one sentence. */
static void try_bytes(const uint8_t *bytes, size_t n)
{
    struct geo_db *db;
    struct diag diag = {0};
    file_write(db_path, bytes, n);
    enum err e = geo_db_load(db_path, &db, &diag);
    assert_int_equal(diag.errors, e ? 1 : 0);
    assert_true((e == ERR_OK) == (db != NULL));
    if (db)
        db_find(db, "81.2.69.1");
    geo_db_unref(&db);
    diag_fini(&diag);
}

static void a_database_cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    size_t n;
    uint8_t *bytes = db_good_bytes(&n);
    file_write(db_path, bytes, n);
    struct geo_db *db = db_load_file(db_path);
    assert_string_equal(db_country(db, "81.2.70.1"), "US");
    geo_db_unref(&db);
    for (size_t cut = 0; cut < n; cut++) {
        file_write(db_path, bytes, cut);
        db_assert_refused(db_path, "");
    }
    free(bytes);
}

static void a_database_with_wrong_bytes_never_harms(void **state)
{
    (void)state;
    size_t n;
    uint8_t *good = db_good_bytes(&n), *bytes = malloc(n);
    struct rng r;
    rng_seed(&r, world_seed());
    for (unsigned round = 0; round < 4000; round++) {
        memcpy(bytes, good, n);
        for (unsigned k = rng_below(&r, 6) + 1; k > 0; k--)
            bytes[rng_below(&r, (uint32_t)n)] = (uint8_t)(rng_below(&r, 3) ? rng_next(&r) : 0xff);
        try_bytes(bytes, n);
    }
    free(bytes);
    free(good);
}

static void trees_that_run_in_circles_are_refused(void **state)
{
    (void)state;
    struct mmdb m;
    mmdb_init(&m, 4, 24);
    uint32_t gb = mmdb_place(&m, &(struct mmdb_place){.country = "GB"});
    mmdb_add(&m, "64.0.0.0/2", gb);
    m.nodes[1][0] = 1;
    mmdb_write(&m, db_path);
    mmdb_fini(&m);
    db_assert_refused(db_path, "deeper than an address");
    /* Each node's two sides are the same next node: 2^31 ways through 32 nodes. */
    mmdb_init(&m, 4, 24);
    gb = mmdb_place(&m, &(struct mmdb_place){.country = "GB"});
    m.nodes_n = 32;
    for (uint64_t i = 0; i < 32; i++)
        m.nodes[i][0] = m.nodes[i][1] = i + 1;
    m.nodes[31][0] = MMDB_DATA + gb;
    m.nodes[31][1] = MMDB_EMPTY;
    mmdb_write(&m, db_path);
    mmdb_fini(&m);
    db_assert_refused(db_path, "circles");
    mmdb_init(&m, 6, 24);
    gb = mmdb_place(&m, &(struct mmdb_place){.country = "GB"});
    mmdb_add(&m, "2400::/16", gb);
    m.nodes[5][1] = 3;
    mmdb_write(&m, db_path);
    mmdb_fini(&m);
    db_assert_refused(db_path, "database is damaged");
}

static void records_that_ask_for_endless_work_are_refused(void **state)
{
    (void)state;
    struct mmdb m;
    mmdb_init(&m, 4, 24);
    /* 4096 records, each a map whose first value is everything behind it: quadratic. */
    enum { RECORDS = 4096 };
    uint32_t offset[RECORDS];
    for (unsigned i = 0; i < RECORDS; i++) {
        offset[i] = mmdb_map(&m, 1);
        mmdb_string(&m, "x");
        mmdb_array(&m, 1);
    }
    mmdb_array(&m, 60000);
    for (unsigned i = 0; i < 60000; i++)
        mmdb_map(&m, 0);
    for (unsigned i = 0; i < RECORDS; i++) {
        struct ip_prefix p = {.ip = {.family = 4, .b = {1, (uint8_t)(i >> 4), (uint8_t)(i << 4)}},
                              .len = 20};
        mmdb_add_prefix(&m, &p, MMDB_DATA + offset[i]);
    }
    mmdb_write(&m, db_path);
    mmdb_fini(&m);
    db_assert_refused(db_path, "a record cannot be read");
    /* Pointers to pointers, to themselves, and outside. */
    for (unsigned kind = 0; kind < 3; kind++) {
        mmdb_init(&m, 4, 24);
        uint32_t at = mmdb_pointer(&m, kind == 2 ? 1u << 30 : 0);
        if (kind == 1)
            at = mmdb_pointer(&m, at);
        mmdb_add(&m, "1.0.0.0/8", at);
        mmdb_write(&m, db_path);
        mmdb_fini(&m);
        db_assert_refused(db_path, "a record cannot be read");
    }
}

/* ---- life ---- */

static void published_bad_databases_are_refused_or_harmless(void **state)
{
    (void)state;
    char dir[4096], file[4400];
    if (!db_shared(dir, sizeof dir, "bad"))
        return;
    DIR *d = opendir(dir);
    assert_non_null(d);
    unsigned n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", dir, e->d_name);
        db_assert_refused(file, "");
        n++;
    }
    closedir(d);
    assert_true(n >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_database_is_refused_in_one_sentence),
        cmocka_unit_test(a_database_cut_short_anywhere_is_refused),
        cmocka_unit_test(a_database_with_wrong_bytes_never_harms),
        cmocka_unit_test(trees_that_run_in_circles_are_refused),
        cmocka_unit_test(records_that_ask_for_endless_work_are_refused),
        cmocka_unit_test(published_bad_databases_are_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, db_path_make, db_path_remove);
}
