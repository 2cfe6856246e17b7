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

/* Two records of so many bits for each node, and the separator, lie before the metadata. */
static bool is_tree_within(uint64_t nodes, uint64_t record_bits, size_t room)
{
    return nodes <= UINT32_MAX && record_bits <= 32 &&
           nodes * (record_bits * 2 / 8) + SEPARATOR_BYTES <= room;
}

bool metadata_is_sound(const uint8_t *file, size_t size)
{
    struct data d;
    struct data_value map, key, value;
    uint64_t nodes = 0, record_bits = 0;
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
        uint64_t *number = data_string_is(&d, &key, "node_count")    ? &nodes
                           : data_string_is(&d, &key, "record_size") ? &record_bits
                                                                     : NULL;
        if (number && (!data_read(&d, at, &value) || !data_number(&d, &value, number)))
            return false;
        if (!data_skip(&d, &at))
            return false;
    }
    return is_tree_within(nodes, record_bits, size - d.size);
}
