/* Every allocation that the loader and the tree make fails once, until a run comes through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "zone_util.h"

static long fail_at; /* counts down; 0: never */

static bool fails(void)
{
    return fail_at > 0 && --fail_at == 0;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
int __wrap_asprintf(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}
void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}
char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}
int __wrap_asprintf(char **out, const char *fmt, ...)
{
    if (fails())
        return -1;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(out, fmt, ap);
    va_end(ap);
    return n;
}

static enum err load_and_build(struct arena *arena, struct zone_tree *tree, struct diag *diag)
{
    struct dns_name name = nm("gslb.example");
    struct zone_records *records;
    enum err e = zone_load_file(MERIDIAN_SOURCE_DIR "/zones/gslb.example.zone", &name, arena,
                                &records, diag);
    if (e != ERR_OK)
        return e;
    struct zone_input zone = {.name = name, .records = records};
    struct zone_service_input services[50];
    char names[50][64];
    for (int i = 0; i < 50; i++) {
        sprintf(names[i], "s%d.services.gslb.example", i);
        services[i] = (struct zone_service_input){names[i], 0};
    }
    e = zone_tree_build(&zone, 1, services, 50, arena, tree, diag);
    if (e != ERR_OK)
        return e;
    /* The first goes, and comes back as the last. */
    uint32_t now[50] = {ZONE_NONE}, added = 49;
    for (uint32_t i = 1; i < 50; i++) {
        services[i - 1] = services[i];
        now[i] = i - 1;
    }
    services[49].name = names[0];
    struct zone_services_change change = {now, &added, 1, 1};
    struct zone_tree next;
    if (zone_tree_change(tree, &zone, services, &change, arena, &next))
        return ERR_OK;
    return diag_error(diag, ERR_NOMEM, "", "not changed");
}

static void each_failing_allocation_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    enum err e = ERR_NOMEM;
    long n = 0;
    while (e != ERR_OK && ++n < 5000) {
        struct arena *arena = arena_create(0);
        assert_non_null(arena);
        struct zone_tree tree;
        struct diag diag = {0};
        fail_at = n;
        e = load_and_build(arena, &tree, &diag);
        bool hit = fail_at == 0;
        fail_at = 0;
        if (e != ERR_OK) {
            assert_true(hit);
            assert_int_equal(e, ERR_NOMEM);
            assert_true(diag.errors >= 1);
        }
        diag_fini(&diag);
        arena_destroy(arena);
    }
    printf("%ld allocations failed, one at a time\n", n - 1);
    assert_int_equal(e, ERR_OK);
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failing_allocation_is_an_error_and_leaks_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
