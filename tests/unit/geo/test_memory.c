#include "mmdb_writer.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The linker sends this room's allocations here (CMakeLists.txt): the Nth one fails. */
static long fail_at; /* 0: none */
static long allocations;

static bool fails(void)
{
    return ++allocations == fail_at;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);

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

void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    return fails() ? MAP_FAILED : __real_mmap(at, n, prot, flags, fd, offset);
}

static char path[64];

static int make_file(void **state)
{
    (void)state;
    strcpy(path, "/tmp/meridian-geo-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    struct mmdb m;
    mmdb_init(&m, 6, 24);
    for (unsigned i = 0; i < 600; i++) { /* enough for tables to grow */
        char city[16], prefix[32];
        snprintf(city, sizeof city, "City %u", i);
        snprintf(prefix, sizeof prefix, "20.%u.%u.%u/25", i / 256, i % 256, i % 2 * 128);
        mmdb_add(&m, prefix,
                 mmdb_place(&m, &(struct mmdb_place){.country = "GB", .city = city, .asn = i}));
    }
    mmdb_add(&m, "2001:db8::/50", mmdb_place(&m, &(struct mmdb_place){.country = "FR"}));
    mmdb_write(&m, path);
    mmdb_fini(&m);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static enum err build_all(struct diag *diag)
{
    struct ip_prefix own[] = {world_prefix("20.0.1.1/32"), world_prefix("2001:db8::1/128")};
    struct geo_db *db = NULL;
    struct geo_base *b = NULL;
    struct geo_view *v = NULL;
    struct geo_value *values = __real_calloc(2000, sizeof *values);
    enum err e = geo_db_load(path, &db, diag);
    if (!e)
        e = geo_base_build(&db, 1, own, 2, &b, diag);
    for (uint32_t i = 0; b && i < geo_base_spots_n(b); i++)
        values[i].class = (uint16_t)i;
    if (!e)
        e = geo_view_build(b, values, &v, diag);
    free(values);
    geo_view_unref(&v);
    geo_base_unref(&b);
    geo_db_unref(&db);
    return e;
}

static void whichever_allocation_fails_it_is_said_and_nothing_leaks(void **state)
{
    (void)state;
    struct diag diag = {0};
    allocations = fail_at = 0;
    assert_int_equal(build_all(&diag), ERR_OK);
    long all = allocations;
    assert_true(all > 30);
    for (long n = 1; n <= all; n++) {
        char text[512];
        allocations = 0;
        fail_at = n;
        enum err e = build_all(&diag);
        fail_at = 0;
        assert_int_equal(e, ERR_NOMEM);
        assert_int_equal(diag.errors, 1);
        assert_non_null(strstr(diag_first(&diag, text, sizeof text), "out of memory"));
        diag_fini(&diag);
    }
    assert_int_equal(build_all(&diag), ERR_OK);
    diag_fini(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whichever_allocation_fails_it_is_said_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
