#include "metadata.h"

#include "data.h"
#include <string.h>

#define MARKER "\xab\xcd\xefMaxMind.com"
#define MARKER_BYTES (sizeof MARKER - 1)
#define METADATA_BYTES_MAX (128u * 1024)
#define WORK_MAX (1u << 20)

/* The bytes behind the last marker, which is in the last 128 KiB. */
static bool find(const uint8_t *file, size_t size, struct data *out)
{
    size_t least = size > METADATA_BYTES_MAX ? size - METADATA_BYTES_MAX : 0;
    for (size_t at = size; at >= least + MARKER_BYTES; at--)
        if (memcmp(file + at - MARKER_BYTES, MARKER, MARKER_BYTES) == 0) {
            *out = (struct data){.bytes = file + at, .size = size - at, .work_left = WORK_MAX};
            return true;
        }
    return false;
}

/* Are the next n values texts? *at moves past them. */
static bool are_texts(struct data *d, uint64_t n, size_t *at)
{
    struct data_value v;
    for (; n > 0; n--)
        if (!data_read(d, *at, &v) || v.type != DATA_STRING || !data_skip(d, at))
            return false;
    return true;
}

static bool is_list_sound(struct data *d, size_t at, enum data_type type)
{
    struct data_value v;
    if (!data_read(d, at, &v) || v.type != type)
        return false;
    at = v.at;
    return are_texts(d, type == DATA_MAP ? 2 * (uint64_t)v.size : v.size, &at);
}

bool metadata_is_sound(const uint8_t *file, size_t size)
{
    struct data d;
    struct data_value map, key;
    if (!find(file, size, &d) || !data_read(&d, 0, &map) || map.type != DATA_MAP)
        return false;
    size_t at = map.at;
    for (uint32_t i = 0; i < map.size; i++) {
        if (!data_read(&d, at, &key) || !data_skip(&d, &at))
            return false;
        if (data_string_is(&d, &key, "languages") && !is_list_sound(&d, at, DATA_ARRAY))
            return false;
        if (data_string_is(&d, &key, "description") && !is_list_sound(&d, at, DATA_MAP))
            return false;
        if (!data_skip(&d, &at))
            return false;
    }
    return true;
}
