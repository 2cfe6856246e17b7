/* The document reader against jansson and against itself: what is taken is JSON, what is refused as
 * JSON is not; what is valid exports to a text that reads back as the same; and the differences from
 * an empty model lead there and back. */
#include "base/check.h"
#include "config/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t differences(const struct model *a, const struct model *b)
{
    struct config_changes c;
    CHECK(config_diff(a, b, &c) == ERR_OK);
    size_t n = c.n;
    for (size_t i = 0; i < n; i++)
        free(config_change_text(&c.change[i]));
    config_changes_fini(&c);
    return n;
}

static void there_and_back(const struct model *m)
{
    struct model *empty = model_create(), *walk = model_clone(empty);
    struct config_changes c;
    CHECK(config_diff(empty, m, &c) == ERR_OK);
    CHECK(config_apply_changes(walk, &c, false, NULL) == ERR_OK);
    CHECK(differences(walk, m) == 0);
    CHECK(config_apply_changes(walk, &c, true, NULL) == ERR_OK);
    CHECK(differences(walk, empty) == 0);
    config_changes_fini(&c);
    model_unref(&empty);
    model_unref(&walk);
}

static void reads_back(const struct model *m)
{
    struct model *back = model_create();
    int64_t revision;
    char *text = config_export(m, true);
    CHECK(text && config_import(back, text, strlen(text), &revision, NULL) == ERR_OK);
    CHECK(model_validate(back, NULL) == ERR_OK);
    CHECK(differences(m, back) == 0);
    free(text);
    model_unref(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag d = {0};
    struct model *m = model_create();
    int64_t revision;
    enum err e = config_import(m, (const char *)data, size, &revision, &d);
    json_t *j = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    CHECK((e == ERR_OK) == (d.errors == 0));
    CHECK(e != ERR_OK || j);
    CHECK(j || e == ERR_SYNTAX || e == ERR_INVALID || e == ERR_LIMIT);
    if (!e && model_validate(m, &d) == ERR_OK) {
        reads_back(m);
        there_and_back(m);
    }
    json_decref(j);
    diag_fini(&d);
    model_unref(&m);
    return 0;
}
