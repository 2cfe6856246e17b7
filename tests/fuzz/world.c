#include "world.h"

#include "base/check.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 32768

static const char *const words[][2] = {
    {"@SOURCE@", MERIDIAN_SOURCE_DIR},
    {"@ENDPOINTS@", "[{\"region\":\"eu\",\"address\":\"192.0.2.1\",\"priority\":1},"
                    "{\"region\":\"eu\",\"address\":\"2001:db8::1\",\"priority\":1},"
                    "{\"region\":\"us\",\"address\":\"192.0.2.2\",\"priority\":2},"
                    "{\"region\":\"us\",\"address\":\"2001:db8::2\",\"priority\":2},"
                    "{\"region\":\"ap\",\"address\":\"192.0.2.3\",\"priority\":3}]"},
};

static struct snapshot *the_world;

static void world_end(void) /* its arena is mapped: the leak checker does not look there */
{
    snapshot_unref(&the_world);
}

static size_t read_text(const char *file, char *out, size_t cap)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/fuzz/%s", MERIDIAN_SOURCE_DIR, file);
    FILE *f = fopen(path, "r");
    CHECK(f);
    size_t n = fread(out, 1, cap - 1, f);
    CHECK(n < cap - 1);
    fclose(f);
    out[n] = '\0';
    return n;
}

static void fill_in(const char *from, char *out, size_t cap)
{
    size_t n = 0;
    while (*from) {
        const char *with = NULL;
        for (size_t i = 0; !with && i < sizeof words / sizeof *words; i++)
            if (strncmp(from, words[i][0], strlen(words[i][0])) == 0) {
                with = words[i][1];
                from += strlen(words[i][0]);
            }
        size_t len = with ? strlen(with) : 1;
        CHECK(n + len < cap);
        memcpy(out + n, with ? with : from++, len);
        n += len;
    }
    out[n] = '\0';
}

const struct snapshot *world_open(const char *file)
{
    if (the_world)
        return the_world;
    static char template[TEXT_MAX], json[TEXT_MAX];
    read_text(file, template, sizeof template);
    fill_in(template, json, sizeof json);
    struct diag diag = {0};
    char text[600];
    int64_t revision;
    struct model *m = model_create();
    struct snapshot_cache *cache = snapshot_cache_create();
    struct snapshot_options options = {.workers = 1};
    enum err e = config_import(m, json, strlen(json), &revision, &diag);
    if (!e)
        e = model_validate(m, &diag);
    if (!e)
        e = snapshot_compile(m, cache, &options, &the_world, &diag);
    if (e)
        fprintf(stderr, "%s\n", diag_first(&diag, text, sizeof text));
    CHECK(!e);
    atexit(world_end);
    diag_fini(&diag);
    model_unref(&m);
    snapshot_cache_destroy(&cache);
    return the_world;
}

void world_set_board(const struct snapshot *s, uint8_t how)
{
    static const uint32_t word[4] = {AVAIL_FULL, AVAIL_FULL / 2, 0, STEER_WORD_DRAIN};
    for (uint32_t i = 0; i < s->regions_n; i++)
        snapshot_board_set(s->steer.board.region, i,
                           how == 0xff ? STEER_WORD_OFF : word[how >> (2 * i) & 3]);
}
