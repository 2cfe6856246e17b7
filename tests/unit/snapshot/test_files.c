/* Files that change, vanish or go bad: what serves goes on serving. */
#include "lab.h"

#include "base/check.h"
#include "config/config.h"
#include "dns/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char zone_path[] = "/tmp/meridian-zone-XXXXXX", geo_path[64];
static struct snapshot_cache *cache;
static struct snapshot *now;

#define ZONE "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n"

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Compiles what the files say now; the finding, error or warning, is left in said. */
static char said[600];
static bool tries; /* it is not going to serve */
static enum err compile(struct snapshot_options options, struct snapshot **out)
{
    char json[900];
    struct diag diag = {0};
    int64_t revision;
    snprintf(json, sizeof json,
             "{\"settings\":{\"geo\":\"%s\"},\"zones\":[{\"name\":\"z.test\",\"file\":\"%s\"}]}",
             geo_path, zone_path);
    struct model *m = model_create();
    options.workers = 1;
    CHECK(m && config_import(m, json, strlen(json), &revision, &diag) == ERR_OK);
    CHECK(model_validate(m, &diag) == ERR_OK);
    enum err e = snapshot_compile(m, cache, &options, out, &diag);
    if (!e && !tries)
        snapshot_cache_serves(cache, *out);
    diag_first(&diag, said, sizeof said);
    diag_fini(&diag);
    model_unref(&m);
    return e;
}

static bool has_name(const struct snapshot *s, const char *name)
{
    struct dns_name n;
    CHECK(dns_name_from_text(name, &n));
    return zone_tree_find_name(&s->tree, n.wire, n.len, DNS_A).kind == ZONE_HIT_NODE;
}

static void copy_file(const char *from, const char *to)
{
    char command[400];
    snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
    assert_int_equal(system(command), 0);
}

static int open_world(void **state)
{
    (void)state;
    struct lab l; /* it knows how to write a database */
    lab_open(&l, "{" LAB_GEO LAB_ZONE "'services':[]}");
    strcpy(geo_path, "/tmp/meridian-geo-XXXXXX");
    int fd = mkstemp(geo_path), fd2 = mkstemp(zone_path);
    assert_true(fd >= 0 && fd2 >= 0);
    close(fd);
    close(fd2);
    copy_file(model_setting(l.s->model, "geo"), geo_path);
    lab_close(&l);
    write_text(zone_path, ZONE);
    cache = snapshot_cache_create();
    assert_int_equal(compile((struct snapshot_options){0}, &now), ERR_OK);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    snapshot_unref(&now);
    snapshot_cache_destroy(&cache);
    unlink(geo_path);
    return unlink(zone_path);
}

static bool compiled_has(const char *name)
{
    struct snapshot *s;
    assert_int_equal(compile((struct snapshot_options){0}, &s), ERR_OK);
    bool has = has_name(s, name);
    snapshot_unref(&s);
    return has;
}

static void files_are_read_again_only_when_told(void **state)
{
    (void)state;
    struct snapshot *next;
    write_text(zone_path, ZONE "new A 192.0.2.1\n");
    assert_false(compiled_has("new.z.test"));
    snapshot_cache_recheck(cache);
    assert_int_equal(compile((struct snapshot_options){0}, &next), ERR_OK);
    assert_true(has_name(next, "new.z.test"));
    assert_ptr_equal(next->base, now->base); /* unchanged: shared */
    snapshot_unref(&next);
}

static void a_zone_file_that_was_only_tried_is_not_what_serves(void **state)
{
    (void)state;
    write_text(zone_path, ZONE "tried A 192.0.2.7\n");
    snapshot_cache_recheck(cache);
    tries = true;
    assert_true(compiled_has("tried.z.test"));
    tries = false;
    assert_false(compiled_has("tried.z.test"));
    snapshot_cache_recheck(cache);
    assert_true(compiled_has("tried.z.test"));
    write_text(zone_path, ZONE);
}

static void a_bad_zone_file_is_refused_and_names_its_line(void **state)
{
    (void)state;
    struct snapshot *next;
    write_text(zone_path, ZONE "bad A 300.1.1.1\n");
    snapshot_cache_recheck(cache);
    assert_int_not_equal(compile((struct snapshot_options){0}, &next), ERR_OK);
    assert_null(next);
    assert_non_null(strstr(said, zone_path));
    assert_non_null(strstr(said, ":5"));
    assert_true(has_name(now, "ns.z.test")); /* what serves is untouched */
}

static void with_keep_zones_the_old_records_stay(void **state)
{
    (void)state;
    struct snapshot *next;
    write_text(zone_path, ZONE "bad A 300.1.1.1\n");
    snapshot_cache_recheck(cache);
    assert_int_equal(compile((struct snapshot_options){.keep_zones = true}, &next), ERR_OK);
    assert_true(has_name(next, "ns.z.test"));
    assert_non_null(strstr(said, "goes on as it was read before"));
    snapshot_unref(&next);
    unlink(zone_path);
    snapshot_cache_recheck(cache);
    assert_int_equal(compile((struct snapshot_options){.keep_zones = true}, &next), ERR_OK);
    assert_true(has_name(next, "ns.z.test"));
    snapshot_unref(&next);
    write_text(zone_path, ZONE);
}

static void a_bad_geo_database_is_refused_or_the_old_one_stays(void **state)
{
    (void)state;
    struct snapshot *next;
    char keep[80];
    snprintf(keep, sizeof keep, "%s.keep", geo_path);
    copy_file(geo_path, keep);
    assert_false(snapshot_cache_stale(cache));
    write_text(geo_path, "not a database");
    assert_true(snapshot_cache_stale(cache));
    snapshot_cache_recheck(cache);
    assert_int_not_equal(compile((struct snapshot_options){0}, &next), ERR_OK);
    assert_non_null(strstr(said, geo_path));
    snapshot_cache_recheck(cache);
    assert_int_equal(compile((struct snapshot_options){.keep_geo = true}, &next), ERR_OK);
    assert_ptr_equal(next->base, now->base);
    assert_non_null(strstr(said, "stays in use"));
    assert_false(snapshot_cache_stale(cache)); /* refused once as it is */
    snapshot_unref(&next);
    copy_file(keep, geo_path);
    assert_true(snapshot_cache_stale(cache));
    snapshot_cache_recheck(cache);
    assert_int_equal(compile((struct snapshot_options){0}, &next), ERR_OK);
    assert_false(snapshot_cache_stale(cache));
    snapshot_unref(&next);
    unlink(keep);
}

static void a_geo_database_that_is_missing_at_the_start_is_a_warning_with_keep_geo(void **state)
{
    (void)state;
    struct snapshot *next;
    char keep[80];
    snprintf(keep, sizeof keep, "%s.keep", geo_path);
    assert_int_equal(rename(geo_path, keep), 0);
    struct snapshot_cache *warm = cache;
    cache = snapshot_cache_create();
    assert_int_not_equal(compile((struct snapshot_options){0}, &next), ERR_OK);
    assert_int_equal(compile((struct snapshot_options){.keep_geo = true}, &next), ERR_OK);
    assert_non_null(strstr(said, "going on without it"));
    assert_int_equal(geo_base_dbs_n(next->base), 0);
    snapshot_unref(&next);
    assert_int_equal(rename(keep, geo_path), 0);
    assert_int_equal(compile((struct snapshot_options){.keep_geo = true}, &next), ERR_OK);
    assert_int_equal(geo_base_dbs_n(next->base), 1);
    snapshot_unref(&next);
    snapshot_cache_destroy(&cache);
    cache = warm;
}

static void what_is_read_ahead_is_found_and_what_is_not_is_said_as_ever(void **state)
{
    (void)state;
    struct snapshot *next;
    char keep[80], list[200];
    snprintf(keep, sizeof keep, "%s.keep", geo_path);
    snprintf(list, sizeof list, " /nowhere.mmdb,, %s ,", geo_path);
    struct snapshot_cache *warm = cache;
    cache = snapshot_cache_create();
    snapshot_cache_read_geo(cache, list);
    assert_int_equal(rename(geo_path, keep), 0); /* not looked at again */
    assert_int_equal(compile((struct snapshot_options){0}, &next), ERR_OK);
    assert_int_equal(geo_base_dbs_n(next->base), 1);
    assert_true(snapshot_cache_stale(cache) == snapshot_cache_stale(warm));
    snapshot_unref(&next);
    snapshot_cache_destroy(&cache);
    cache = snapshot_cache_create();
    snapshot_cache_read_geo(cache, list);
    assert_int_not_equal(compile((struct snapshot_options){0}, &next), ERR_OK);
    assert_non_null(strstr(said, geo_path));
    assert_int_equal(compile((struct snapshot_options){.keep_geo = true}, &next), ERR_OK);
    assert_non_null(strstr(said, "going on without it"));
    snapshot_unref(&next);
    assert_int_equal(rename(keep, geo_path), 0);
    snapshot_cache_destroy(&cache);
    cache = warm;
}

/* So many services that names are placed by a thread: what it has to say is said as by the caller. */
static enum err compile_many(const char *more, struct snapshot **out)
{
    enum { N = 5000 };
    struct diag diag = {0};
    int64_t revision;
    char *json = malloc(64 * N);
    assert_non_null(json);
    size_t n = (size_t)sprintf(
        json, "{\"zones\":[{\"name\":\"z.test\",\"file\":\"%s\"}],\"services\":[", zone_path);
    for (int i = 0; i < N; i++)
        n += (size_t)sprintf(json + n, "{\"name\":\"s%d.z.test\"},", i);
    sprintf(json + n, "{\"name\":\"%s.z.test\"}]}", more);
    struct model *m = model_create();
    CHECK(m && config_import(m, json, strlen(json), &revision, &diag) == ERR_OK);
    CHECK(model_validate(m, NULL) == ERR_OK);
    enum err e = snapshot_compile(m, cache, &(struct snapshot_options){.workers = 1}, out, &diag);
    if (!e)
        snapshot_cache_serves(cache, *out);
    diag_first(&diag, said, sizeof said);
    diag_fini(&diag);
    model_unref(&m);
    free(json);
    return e;
}

static void many_names_are_placed_beside_and_judged_as_ever(void **state)
{
    (void)state;
    struct snapshot *one, *next;
    write_text(zone_path, ZONE);
    struct snapshot_cache *warm = cache;
    cache = snapshot_cache_create();
    assert_int_equal(compile_many("x", &one), ERR_OK);
    assert_int_equal(compile_many("ns", &next), ERR_INVALID);
    assert_null(next);
    assert_non_null(strstr(said, "ns.z.test is a service and has a static A record"));
    assert_int_equal(compile_many("y", &next), ERR_OK);
    for (int i = 0; i < 5000; i++) {
        char name[32];
        sprintf(name, "s%d.z.test", i);
        assert_true(has_name(one, name) && has_name(next, name));
    }
    assert_true(has_name(one, "x.z.test") && !has_name(one, "y.z.test"));
    assert_true(has_name(next, "y.z.test") && !has_name(next, "x.z.test"));
    snapshot_unref(&one);
    snapshot_unref(&next);
    snapshot_cache_destroy(&cache);
    cache = warm;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_again_only_when_told),
        cmocka_unit_test(a_zone_file_that_was_only_tried_is_not_what_serves),
        cmocka_unit_test(a_bad_zone_file_is_refused_and_names_its_line),
        cmocka_unit_test(with_keep_zones_the_old_records_stay),
        cmocka_unit_test(a_bad_geo_database_is_refused_or_the_old_one_stays),
        cmocka_unit_test(a_geo_database_that_is_missing_at_the_start_is_a_warning_with_keep_geo),
        cmocka_unit_test(what_is_read_ahead_is_found_and_what_is_not_is_said_as_ever),
        cmocka_unit_test(many_names_are_placed_beside_and_judged_as_ever),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
