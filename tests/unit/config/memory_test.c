/* Memory runs out at the Nth allocation, for each N: nothing crashes, nothing leaks (under the
 * sanitizer), and with memory the outcome is as ever. The linker sends the allocations of the rooms
 * below here; those inside jansson go through its own hook. */
#include "testing.h"

#include <sys/mman.h>

static long left = -1; /* allocations that still succeed; negative: all */

static bool denied(void)
{
    if (left < 0)
        return false;
    if (left == 0)
        return true;
    left--;
    return false;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
void *__real_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);
void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);

void *__wrap_malloc(size_t n)
{
    return denied() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return denied() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return denied() ? NULL : __real_realloc(p, n);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    return denied() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
    return denied() ? NULL : __real_strdup(s);
}

void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    return denied() ? MAP_FAILED : __real_mmap(at, n, prot, flags, fd, offset);
}

/* Everything that an edit does; true if all of it succeeded. */
static bool one_life(const struct model *before, const char *text)
{
    struct diag d = {0};
    struct config_changes changes = {0};
    int64_t revision;
    struct model *m = model_clone(before), *walk = NULL;
    char *out = NULL, *line = NULL;
    enum err e = m ? config_import(m, text, strlen(text), &revision, &d) : ERR_NOMEM;
    if (!e)
        e = model_validate(m, &d);
    if (!e)
        e = config_diff(before, m, &changes);
    if (!e)
        walk = model_clone(before);
    if (!e)
        e = walk ? config_apply_changes(walk, &changes, false, &d) : ERR_NOMEM;
    if (!e)
        out = config_export(m, true);
    if (!e && changes.n)
        line = config_change_text(&changes.change[0]);
    bool good = !e && out && line;
    free(out);
    free(line);
    config_changes_fini(&changes);
    diag_fini(&d);
    model_unref(&walk);
    model_unref(&m);
    return good;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct model *empty = model_create();
    json_set_alloc_funcs(__wrap_malloc, free);
    left = -1;
    assert_true(one_life(empty, BASE));
    long n = 0;
    for (bool good = false; !good; n++) {
        left = n;
        good = one_life(empty, BASE);
        assert_true(n < 100000);
    }
    left = -1;
    assert_true(n > 100); /* that many places were tried */
    assert_true(one_life(empty, BASE));
    model_unref(&empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
