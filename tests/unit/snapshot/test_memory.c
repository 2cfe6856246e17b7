/* The compiler with the Nth allocation failing, for each N: refused with a finding, nothing lost,
 * and the cache as good as before. */
#include "lab.h"

#include "base/check.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__real_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);
char *__wrap_strdup(const char *s);

static long left = -1; /* allocations until one fails; negative: none does */

static bool fails(void)
{
    return left >= 0 && left-- == 0;
}

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

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return fails() ? NULL : __real_aligned_alloc(align, n);
}

void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    return fails() ? MAP_FAILED : __real_mmap(at, n, prot, flags, fd, offset);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

static const char config[] =
    "{\"zones\":[{\"name\":\"gslb.example\",\"file\":\"" MERIDIAN_SOURCE_DIR
    "/zones/gslb.example.zone\"},{\"name\":\"bare.example\",\"ns\":[{\"name\":\"ns.bare.example\","
    "\"addresses\":[\"192.0.2.53\",\"2001:db8::53\"]}]}],"
    "\"regions\":[{\"name\":\"eu\",\"at\":[51.5,-0.1]},{\"name\":\"us\",\"at\":[39,-77.5]}],"
    "\"latency\":[{\"where\":\"net:198.51.100.0/24\",\"region\":\"eu\",\"ms\":7}],"
    "\"maps\":[{\"name\":\"m\",\"rules\":[{\"where\":\"net:10.0.0.0/8\",\"regions\":[\"us\"]},"
    "{\"where\":\"default\",\"regions\":[\"eu\"]}]}],"
    "\"services\":[{\"name\":\"www.gslb.example\",\"policy\":\"geo | sticky\",\"map\":\"m\","
    "\"endpoints\":[{\"region\":\"eu\",\"address\":\"192.0.2.1\"},"
    "{\"region\":\"us\",\"address\":\"192.0.2.2\"}]},"
    "{\"name\":\"api.gslb.example\",\"policy\":\"latency\",\"endpoints\":"
    "[{\"region\":\"eu\",\"address\":\"origin.example.net\"}]}]}";

static struct model *make_model(void)
{
    struct diag diag = {0};
    char text[600];
    int64_t revision;
    struct model *m = model_create();
    if (config_import(m, config, strlen(config), &revision, &diag) || model_validate(m, &diag))
        fail_msg("%s", diag_first(&diag, text, sizeof text));
    diag_fini(&diag);
    return m;
}

static bool compile(struct model *m, struct snapshot_cache *cache, long nth)
{
    struct snapshot_options options = {.workers = 2};
    struct snapshot *s = NULL;
    struct diag diag = {0};
    left = nth;
    enum err e = snapshot_compile(m, cache, &options, &s, &diag);
    bool failed = left < 0 && nth >= 0; /* the Nth was reached */
    left = -1;
    if (e) {
        assert_null(s);
        assert_true(failed);
        assert_true(diag.errors > 0);
    } else {
        assert_int_equal(s->services_n, 2);
        snapshot_cache_serves(cache, s);
    }
    snapshot_unref(&s);
    diag_fini(&diag);
    return e == ERR_OK && !failed;
}

static void whichever_allocation_fails_nothing_is_lost(void **state)
{
    (void)state;
    struct model *m = make_model();
    long n = 0;
    for (;; n++) { /* from cold */
        struct snapshot_cache *cache = snapshot_cache_create();
        bool whole = compile(m, cache, n);
        assert_true(compile(m, cache, -1)); /* and the cache is as good as new */
        snapshot_cache_destroy(&cache);
        if (whole)
            break;
        assert_true(n < 20000);
    }
    assert_true(n > 20);
    struct snapshot_cache *cache = snapshot_cache_create();
    assert_true(compile(m, cache, -1));
    for (n = 0; !compile(m, cache, n); n++) { /* warm, with files to be read again */
        assert_true(n < 20000);
        snapshot_cache_recheck(cache);
    }
    snapshot_cache_destroy(&cache);
    model_unref(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whichever_allocation_fails_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
