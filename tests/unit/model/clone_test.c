/* Clones share what their originals hold, and outlive them; also with threads in between. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model/build.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct model_region *add_region(struct model *m, const char *name)
{
    struct model_region *r = model_part_insert(m, PART_REGIONS, m->regions_n);
    assert_non_null(r);
    r->name = arena_strdup(m->arena, name);
    r->order = m->regions_n;
    return r;
}

static void set_setting(struct model *m, const char *key, const char *value)
{
    bool found;
    uint32_t at = model_part_find(m, PART_SETTINGS, &key, &found);
    struct model_setting *s = found ? &m->settings[at] : model_part_insert(m, PART_SETTINGS, at);
    assert_non_null(s);
    s->key = arena_strdup(m->arena, key);
    s->value = arena_strdup(m->arena, value);
}

static void items_go_in_and_out_in_order(void **state)
{
    (void)state;
    static const char *const keys[] = {"ramp", "geo", "window", "fail", "nsid"};
    struct model *m = model_create();
    for (size_t i = 0; i < 5; i++)
        set_setting(m, keys[i], "x");
    for (uint32_t i = 1; i < m->settings_n; i++)
        assert_true(strcmp(m->settings[i - 1].key, m->settings[i].key) < 0);
    assert_string_equal(model_setting(m, "geo"), "x");
    assert_string_equal(model_setting(m, "hold"), "auto");
    assert_null(model_setting(m, "none"));
    model_part_remove(m, PART_SETTINGS, 0);
    assert_int_equal(m->settings_n, 4);
    assert_string_equal(model_setting(m, "fail"), "50%");
    model_unref(&m);
    assert_null(m);
    model_unref(&m); /* and again: nothing */
}

static void a_clone_outlives_its_original(void **state)
{
    (void)state;
    struct model *m = model_create();
    add_region(m, "eu")->capacity = 5;
    m->revision = 3;
    struct model *copy = model_clone(m);
    add_region(copy, "us");
    copy->regions[0].capacity = 6;
    assert_int_equal(m->regions_n, 1);
    assert_int_equal(m->regions[0].capacity, 5);
    model_unref(&m);
    assert_string_equal(copy->regions[0].name, "eu");
    assert_int_equal(copy->revision, 3);
    assert_int_equal(model_region_index(copy, "us"), 1);
    assert_int_equal(model_region_index(copy, "ap"), -1);
    model_unref(&copy);
}

static void a_reference_keeps_a_model(void **state)
{
    (void)state;
    struct model *m = model_create(), *same = model_ref(m);
    add_region(m, "eu");
    assert_ptr_equal(m, same);
    model_unref(&m);
    assert_string_equal(same->regions[0].name, "eu");
    model_unref(&same);
}

/* Each link of the chain adds 64 KB of garbage; only compaction keeps the last one small. */
static void a_long_chain_of_clones_is_compacted(void **state)
{
    (void)state;
    static char text[65536];
    struct model *m = model_create();
    memset(text, 'x', sizeof text - 1);
    add_region(m, "eu");
    for (int i = 0; i < 2000; i++) {
        struct model *next = model_clone(m);
        assert_non_null(next);
        text[0] = (char)('a' + i % 26);
        set_setting(next, "geo", text);
        model_unref(&m);
        m = next;
        assert_string_equal(m->regions[0].name, "eu");
        assert_int_equal(model_setting(m, "geo")[0], text[0]);
    }
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*s %ld", &pages), 1);
    fclose(f);
    assert_true(pages * 4096L < 100L << 20); /* 2000 links uncompacted are above 128 MB */
    model_unref(&m);
}

/* The edits of a day of a large configuration do not copy it. */
static void a_chain_that_holds_little_else_is_not(void **state)
{
    (void)state;
    static char text[4 << 20];
    struct model *m = model_create();
    memset(text, 'x', sizeof text - 1);
    const char *name = add_region(m, text)->name;
    for (int i = 0; i < 100; i++) {
        struct model *next = model_clone(m);
        assert_non_null(next);
        set_setting(next, "geo", "y");
        model_unref(&m);
        m = next;
        assert_ptr_equal(m->regions[0].name, name);
    }
    model_unref(&m);
}

static void *clone_and_drop(void *arg)
{
    struct model *m = arg;
    for (int i = 0; i < 200; i++) {
        struct model *copy = model_clone(m), *again = model_clone(copy);
        set_setting(again, "geo", "x");
        model_unref(&copy);
        assert_true(again->regions_n == 1);
        model_unref(&again);
    }
    model_unref(&m);
    return NULL;
}

static void readers_of_many_threads_drop_at_any_time(void **state)
{
    (void)state;
    pthread_t thread[4];
    struct model *m = model_create();
    add_region(m, "eu");
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, clone_and_drop, model_ref(m)), 0);
    model_unref(&m);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
}

static void endpoints_follow_the_declared_order_of_regions(void **state)
{
    (void)state;
    struct model *m = model_create();
    struct model_endpoint e[] = {
        {.region = "b", .address = "192.0.2.2", .priority = 1},
        {.region = "zz", .address = "192.0.2.9", .priority = 1},
        {.region = "a", .address = "192.0.2.3", .priority = 2},
        {.region = "a", .address = "192.0.2.5", .priority = 1},
        {.region = "a", .address = "192.0.2.4", .priority = 1},
    };
    add_region(m, "b");
    add_region(m, "a");
    model_endpoints_sort(m, e, 5);
    assert_string_equal(e[0].region, "zz"); /* one that does not exist, for validation to name */
    assert_string_equal(e[1].region, "b");
    assert_string_equal(e[2].address, "192.0.2.4");
    assert_string_equal(e[3].address, "192.0.2.5");
    assert_string_equal(e[4].address, "192.0.2.3");
    model_unref(&m);
}

static void settings_lie_over_a_model(void **state)
{
    (void)state;
    struct model *m = model_create();
    struct diag diag = {0};
    add_region(m, "eu");
    set_setting(m, "degrade", "10%");
    assert_int_equal(model_validate(m, &diag), ERR_OK);
    struct model *over = model_over(m), *bad = model_over(m);
    set_setting(over, "degrade", "20%");
    set_setting(bad, "degrade", "90%");
    assert_int_equal(model_validate_settings(over, &diag), ERR_OK);
    assert_int_equal(model_validate_settings(bad, &diag), ERR_INVALID); /* not below fail */
    model_unref(&bad);
    assert_string_equal(model_setting(m, "degrade"), "10%");
    assert_true(m->defaults.degrade == 0.1);
    model_unref(&m); /* the one above keeps it */
    assert_string_equal(model_setting(over, "degrade"), "20%");
    assert_true(over->defaults.degrade == 0.2);
    assert_string_equal(model_region(over, "eu")->name, "eu");
    model_unref(&over);
    diag_fini(&diag);
}

static void a_service_is_judged_by_the_settings_over_it(void **state)
{
    (void)state;
    struct model *m = model_create();
    struct diag diag = {0};
    struct model_zone *z = model_part_insert(m, PART_ZONES, 0);
    z->name = "g.test";
    z->file = "/g.zone";
    struct model_thresholds t = model_thresholds_unset;
    t.degrade = 0.4;
    struct model_service *s = model_part_insert(m, PART_SERVICES, 0);
    *s = (struct model_service){.name = "w.g.test",
                                .policy = "weighted",
                                .ttl_s = 30,
                                .ttl_moving_s = MODEL_UNSET,
                                .thresholds = &t};
    assert_int_equal(model_validate(m, &diag), ERR_OK);
    struct model *over = model_over(m);
    set_setting(over, "fail", "30%");
    assert_int_equal(model_validate_settings(over, &diag), ERR_INVALID);
    model_unref(&over);
    model_unref(&m);
    diag_fini(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_go_in_and_out_in_order),
        cmocka_unit_test(a_clone_outlives_its_original),
        cmocka_unit_test(a_reference_keeps_a_model),
        cmocka_unit_test(a_long_chain_of_clones_is_compacted),
        cmocka_unit_test(a_chain_that_holds_little_else_is_not),
        cmocka_unit_test(readers_of_many_threads_drop_at_any_time),
        cmocka_unit_test(endpoints_follow_the_declared_order_of_regions),
        cmocka_unit_test(settings_lie_over_a_model),
        cmocka_unit_test(a_service_is_judged_by_the_settings_over_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
