#include "mmdb_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mmdb_init(struct mmdb *m, unsigned ip_version, unsigned record_bits)
{
    *m = (struct mmdb){.ip_version = ip_version,
                       .record_bits = record_bits,
                       .type = "Test-City",
                       .epoch = 1700000000,
                       .nodes_n = 1,
                       .nodes_cap = 1024};
    m->nodes = calloc(m->nodes_cap, sizeof *m->nodes);
    m->nodes[0][0] = m->nodes[0][1] = MMDB_EMPTY;
}

void mmdb_fini(struct mmdb *m)
{
    free(m->nodes);
    free(m->data);
}

uint32_t mmdb_bytes(struct mmdb *m, const void *bytes, size_t n)
{
    while (m->data_n + n > m->data_cap) {
        m->data_cap = m->data_cap ? 2 * m->data_cap : 4096;
        m->data = realloc(m->data, m->data_cap);
    }
    memcpy(m->data + m->data_n, bytes, n);
    m->data_n += n;
    return (uint32_t)(m->data_n - n);
}

static uint32_t header(struct mmdb *m, unsigned type, unsigned size)
{
    uint8_t b[5];
    size_t n = 1;
    b[0] = (uint8_t)(type <= 7 ? type << 5 : 0);
    if (type > 7)
        b[n++] = (uint8_t)(type - 7);
    if (size < 29)
        b[0] |= (uint8_t)size;
    else if (size < 285) {
        b[0] |= 29;
        b[n++] = (uint8_t)(size - 29);
    } else if (size < 65821) {
        b[0] |= 30;
        b[n++] = (uint8_t)((size - 285) >> 8);
        b[n++] = (uint8_t)(size - 285);
    } else {
        b[0] |= 31;
        b[n++] = (uint8_t)((size - 65821) >> 16);
        b[n++] = (uint8_t)((size - 65821) >> 8);
        b[n++] = (uint8_t)(size - 65821);
    }
    return mmdb_bytes(m, b, n);
}

uint32_t mmdb_map(struct mmdb *m, unsigned pairs)
{
    return header(m, 7, pairs);
}

uint32_t mmdb_array(struct mmdb *m, unsigned n)
{
    return header(m, 11, n);
}

uint32_t mmdb_string(struct mmdb *m, const char *text)
{
    uint32_t at = header(m, 2, (unsigned)strlen(text));
    mmdb_bytes(m, text, strlen(text));
    return at;
}

uint32_t mmdb_uint(struct mmdb *m, unsigned type, unsigned size, uint64_t v)
{
    uint32_t at = header(m, type, size);
    for (unsigned i = size; i-- > 0;)
        mmdb_bytes(m, &(uint8_t){(uint8_t)(v >> (8 * i))}, 1);
    return at;
}

uint32_t mmdb_double(struct mmdb *m, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return mmdb_uint(m, 3, 8, bits);
}

uint32_t mmdb_pointer(struct mmdb *m, uint32_t offset)
{
    uint8_t b[5] = {1u << 5 | 3u << 3, (uint8_t)(offset >> 24), (uint8_t)(offset >> 16),
                    (uint8_t)(offset >> 8), (uint8_t)offset};
    return mmdb_bytes(m, b, sizeof b);
}

static void string_pair(struct mmdb *m, const char *key, const char *value)
{
    mmdb_string(m, key);
    mmdb_string(m, value);
}

uint32_t mmdb_place(struct mmdb *m, const struct mmdb_place *p)
{
    bool location = p->lat != 0 || p->lon != 0;
    uint32_t at = mmdb_map(m, !!p->continent + !!p->country + !!p->subdivision + !!p->city +
                                  !!p->org + !!p->asn + location);
    if (p->city) {
        mmdb_string(m, "city");
        mmdb_map(m, 1);
        mmdb_string(m, "names");
        mmdb_map(m, 2);
        string_pair(m, "de", "Anderswo");
        string_pair(m, "en", p->city);
    }
    if (p->continent) {
        mmdb_string(m, "continent");
        mmdb_map(m, 1);
        string_pair(m, "code", p->continent);
    }
    if (p->country) {
        mmdb_string(m, "country");
        mmdb_map(m, 1);
        string_pair(m, "iso_code", p->country);
    }
    if (location) {
        mmdb_string(m, "location");
        mmdb_map(m, p->radius_km ? 3 : 2);
        mmdb_string(m, "latitude");
        mmdb_double(m, p->lat);
        mmdb_string(m, "longitude");
        mmdb_double(m, p->lon);
        if (p->radius_km) {
            mmdb_string(m, "accuracy_radius");
            mmdb_uint(m, 5, 2, p->radius_km);
        }
    }
    if (p->subdivision) {
        mmdb_string(m, "subdivisions");
        mmdb_array(m, 2);
        mmdb_map(m, 1);
        string_pair(m, "iso_code", p->subdivision);
        mmdb_map(m, 1);
        string_pair(m, "iso_code", "XX");
    }
    if (p->asn) {
        mmdb_string(m, "autonomous_system_number");
        mmdb_uint(m, 6, 4, p->asn);
    }
    if (p->org)
        string_pair(m, "autonomous_system_organization", p->org);
    return at;
}

static unsigned bit_of(const struct ip *ip, unsigned i)
{
    return ip->b[i / 8] >> (7 - i % 8) & 1;
}

static struct ip_prefix in_tree(const struct mmdb *m, const struct ip_prefix *p)
{
    if (m->ip_version == 4 || p->ip.family == 6)
        return *p;
    struct ip_prefix six = {.ip.family = 6, .len = (uint8_t)(p->len + 96)};
    memcpy(six.ip.b + 12, p->ip.b, 4);
    return six;
}

/* The record that stands for the prefix; makes the nodes on the way. */
static uint64_t *record_of(struct mmdb *m, const struct ip_prefix *p)
{
    uint32_t node = 0;
    for (unsigned i = 0;; i++) {
        uint64_t *record = &m->nodes[node][bit_of(&p->ip, i)];
        if (i + 1 == p->len)
            return record;
        if (*record >= MMDB_EMPTY) {
            if (m->nodes_n == m->nodes_cap) {
                m->nodes_cap *= 2;
                m->nodes = realloc(m->nodes, m->nodes_cap * sizeof *m->nodes);
                record = &m->nodes[node][bit_of(&p->ip, i)];
            }
            m->nodes[m->nodes_n][0] = m->nodes[m->nodes_n][1] = *record;
            *record = m->nodes_n++;
        }
        node = (uint32_t)*record;
    }
}

void mmdb_add_prefix(struct mmdb *m, const struct ip_prefix *p, uint64_t value)
{
    struct ip_prefix t = in_tree(m, p);
    if (t.len == 0)
        m->nodes[0][0] = m->nodes[0][1] = value;
    else
        *record_of(m, &t) = value;
}

void mmdb_add(struct mmdb *m, const char *prefix, uint32_t offset)
{
    struct ip_prefix p;
    if (!ip_prefix_parse(prefix, &p))
        abort();
    mmdb_add_prefix(m, &p, MMDB_DATA + offset);
}

void mmdb_alias(struct mmdb *m, const char *prefix)
{
    struct ip_prefix p, v4 = {.ip.family = 6, .len = 96};
    if (!ip_prefix_parse(prefix, &p))
        abort();
    uint64_t start = *record_of(m, &v4);
    *record_of(m, &p) = start;
}

static void put_record(uint8_t *at, unsigned bits, uint32_t left, uint32_t right)
{
    unsigned whole = bits / 8;
    for (unsigned i = 0; i < whole; i++) {
        at[i] = (uint8_t)(left >> (8 * (whole - 1 - i)));
        at[bits / 4 - whole + i] = (uint8_t)(right >> (8 * (whole - 1 - i)));
    }
    if (bits == 28)
        at[3] = (uint8_t)((left >> 24) << 4 | (right >> 24 & 15));
}

static void put_metadata(struct mmdb *m)
{
    mmdb_bytes(m, "\xab\xcd\xefMaxMind.com", 14);
    mmdb_map(m, 9);
    mmdb_string(m, "node_count");
    mmdb_uint(m, 6, 4, m->nodes_n);
    mmdb_string(m, "record_size");
    mmdb_uint(m, 5, 2, m->record_bits);
    mmdb_string(m, "ip_version");
    mmdb_uint(m, 5, 2, m->ip_version);
    string_pair(m, "database_type", m->type);
    mmdb_string(m, "languages");
    mmdb_array(m, 1);
    mmdb_string(m, "en");
    mmdb_string(m, "binary_format_major_version");
    mmdb_uint(m, 5, 2, 2);
    mmdb_string(m, "binary_format_minor_version");
    mmdb_uint(m, 5, 2, 0);
    mmdb_string(m, "build_epoch");
    mmdb_uint(m, 9, 8, m->epoch);
    mmdb_string(m, "description");
    mmdb_map(m, 1);
    string_pair(m, "en", "a test");
}

uint8_t *mmdb_bytes_of(struct mmdb *m, size_t *n)
{
    size_t data_n = m->data_n, node_bytes = m->record_bits / 4;
    put_metadata(m);
    *n = m->nodes_n * node_bytes + 16 + m->data_n;
    uint8_t *out = calloc(1, *n);
    for (uint32_t i = 0; i < m->nodes_n; i++) {
        uint32_t r[2];
        for (int k = 0; k < 2; k++) {
            uint64_t v = m->nodes[i][k];
            r[k] = v == MMDB_EMPTY  ? m->nodes_n
                   : v >= MMDB_DATA ? (uint32_t)(v - MMDB_DATA) + m->nodes_n + 16
                                    : (uint32_t)v;
        }
        put_record(out + i * node_bytes, m->record_bits, r[0], r[1]);
    }
    memcpy(out + m->nodes_n * node_bytes + 16, m->data, m->data_n);
    m->data_n = data_n;
    return out;
}

void file_write(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
        abort();
}

void mmdb_write(struct mmdb *m, const char *path)
{
    size_t n;
    uint8_t *bytes = mmdb_bytes_of(m, &n);
    file_write(path, bytes, n);
    free(bytes);
}
