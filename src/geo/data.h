/* data: the values of a MaxMind-format data section, read without trust.
 * Shape     a value is a header (type, size) and a payload; maps and arrays hold values; a pointer
 *           stands for a value elsewhere, which is not a pointer again.
 * Owns      nothing; the bytes are the caller's.
 * Errors    false for anything outside the bytes, of unknown type, or past work_left, the number of
 *           values that may still be looked at: a small file cannot ask for endless work.
 * Spec      maxmind.github.io/MaxMind-DB, "Output Data Section". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum data_type {
    DATA_POINTER = 1,
    DATA_STRING = 2,
    DATA_DOUBLE = 3,
    DATA_BYTES = 4,
    DATA_UINT16 = 5,
    DATA_UINT32 = 6,
    DATA_MAP = 7,
    DATA_INT32 = 8,
    DATA_UINT64 = 9,
    DATA_UINT128 = 10,
    DATA_ARRAY = 11,
    DATA_BOOL = 14,
    DATA_FLOAT = 15
};

struct data {
    const uint8_t *bytes;
    size_t size;
    uint64_t work_left;
};

struct data_value {
    enum data_type type;
    uint32_t size; /* bytes of the payload; pairs of a map; elements of an array */
    size_t at;     /* the payload, or the first key or element */
};

/* The value at an offset, a pointer followed. */
bool data_read(struct data *d, size_t at, struct data_value *out);
/* *at moves past the value there, whatever is in it. */
bool data_skip(struct data *d, size_t *at);
bool data_string_is(const struct data *d, const struct data_value *v, const char *text);
/* False when the value is not a number of that sort. */
bool data_number(const struct data *d, const struct data_value *v, uint64_t *out);
bool data_real(const struct data *d, const struct data_value *v, double *out);
