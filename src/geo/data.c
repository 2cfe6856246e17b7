#include "data.h"

#include <string.h>

/* A number of n big-endian bytes; the caller has checked that they are there. */
static uint64_t number(const uint8_t *b, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v = v << 8 | b[i];
    return v;
}

/* Takes n bytes at *at. */
static bool take(const struct data *d, size_t *at, unsigned n, uint64_t *out)
{
    if (*at > d->size || d->size - *at < n)
        return false;
    *out = number(d->bytes + *at, n);
    *at += n;
    return true;
}

static bool read_pointer(const struct data *d, unsigned control, size_t *at, struct data_value *out)
{
    static const uint32_t base[4] = {0, 2048, 526336, 0};
    unsigned bytes = (control >> 3 & 3) + 1;
    uint64_t v;
    if (!take(d, at, bytes, &v))
        return false;
    if (bytes < 4)
        v |= (uint64_t)(control & 7) << (8 * bytes);
    *out = (struct data_value){.type = DATA_POINTER, .at = (size_t)(v + base[bytes - 1])};
    return true;
}

static bool read_size(const struct data *d, unsigned control, size_t *at, uint32_t *size)
{
    static const uint32_t base[3] = {29, 285, 65821};
    unsigned n = control & 31;
    *size = n;
    if (n < 29)
        return true;
    uint64_t v;
    if (!take(d, at, n - 28, &v))
        return false;
    *size = (uint32_t)v + base[n - 29];
    return true;
}

static bool known(unsigned type)
{
    return (type >= DATA_STRING && type <= DATA_ARRAY) || type == DATA_BOOL || type == DATA_FLOAT;
}

/* Numbers may leave out leading zero bytes but have no more than their type holds. */
static bool size_fits(enum data_type type, uint32_t size)
{
    switch (type) {
    case DATA_DOUBLE:
        return size == 8;
    case DATA_FLOAT:
        return size == 4;
    case DATA_UINT16:
        return size <= 2;
    case DATA_UINT32:
    case DATA_INT32:
        return size <= 4;
    case DATA_UINT64:
        return size <= 8;
    case DATA_UINT128:
        return size <= 16;
    case DATA_BOOL:
        return size <= 1;
    default:
        return true;
    }
}

static bool has_payload(enum data_type type)
{
    return type != DATA_MAP && type != DATA_ARRAY && type != DATA_BOOL && type != DATA_POINTER;
}

/* The value at *at as it stands there; *at moves past header and payload. */
static bool read_here(struct data *d, size_t *at, struct data_value *out)
{
    uint64_t control, extended;
    if (d->work_left == 0 || !take(d, at, 1, &control))
        return false;
    d->work_left--;
    unsigned type = (unsigned)control >> 5;
    if (type == DATA_POINTER)
        return read_pointer(d, (unsigned)control, at, out);
    if (type == 0) {
        if (!take(d, at, 1, &extended))
            return false;
        type = (unsigned)extended + 7;
    }
    if (!known(type) || !read_size(d, (unsigned)control, at, &out->size))
        return false;
    out->type = (enum data_type)type;
    out->at = *at;
    if (!size_fits(out->type, out->size))
        return false;
    if (has_payload(out->type)) {
        if (d->size - *at < out->size)
            return false;
        *at += out->size;
    }
    return true;
}

bool data_read(struct data *d, size_t at, struct data_value *out)
{
    if (!read_here(d, &at, out))
        return false;
    if (out->type != DATA_POINTER)
        return true;
    at = out->at;
    return read_here(d, &at, out) && out->type != DATA_POINTER;
}

bool data_skip(struct data *d, size_t *at)
{
    for (uint64_t pending = 1; pending > 0; pending--) {
        struct data_value v;
        if (!read_here(d, at, &v))
            return false;
        if (v.type == DATA_MAP)
            pending += 2 * (uint64_t)v.size;
        else if (v.type == DATA_ARRAY)
            pending += v.size;
    }
    return true;
}

bool data_string_is(const struct data *d, const struct data_value *v, const char *text)
{
    return v->type == DATA_STRING && v->size == strlen(text) &&
           memcmp(d->bytes + v->at, text, v->size) == 0;
}

bool data_number(const struct data *d, const struct data_value *v, uint64_t *out)
{
    if (v->type != DATA_UINT16 && v->type != DATA_UINT32 && v->type != DATA_UINT64)
        return false;
    *out = number(d->bytes + v->at, v->size);
    return true;
}

bool data_real(const struct data *d, const struct data_value *v, double *out)
{
    if (v->type == DATA_DOUBLE) {
        uint64_t bits = number(d->bytes + v->at, 8);
        memcpy(out, &bits, sizeof *out);
        return true;
    }
    if (v->type == DATA_FLOAT) {
        uint32_t bits = (uint32_t)number(d->bytes + v->at, 4);
        float f;
        memcpy(&f, &bits, sizeof f);
        *out = (double)f;
        return true;
    }
    return false;
}
