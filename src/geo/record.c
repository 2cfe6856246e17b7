#include "record.h"

#include "base/check.h"
#include "base/hash.h"

#define CITY_BYTES_MAX 128u
#define ORG_BYTES_MAX 256u

/* Where we are in a record, and what we take from there. */
enum spot_in_record { TOP, CONTINENT, COUNTRY, SUBDIVISION, CITY, NAMES, LOCATION, TRAITS, FIELD };
enum field {
    NO_FIELD,
    F_CONTINENT,
    F_COUNTRY,
    F_SUBDIVISION,
    F_CITY,
    F_LAT,
    F_LON,
    F_RADIUS,
    F_ASN,
    F_ORG
};

static const struct {
    enum spot_in_record in;
    const char *key;
    enum spot_in_record next; /* FIELD: take it; else go in, into an array's first element */
    enum field field;
} rows[] = {
    {TOP, "continent", CONTINENT, NO_FIELD},
    {TOP, "country", COUNTRY, NO_FIELD},
    {TOP, "subdivisions", SUBDIVISION, NO_FIELD}, /* the first is the largest */
    {TOP, "city", CITY, NO_FIELD},
    {TOP, "location", LOCATION, NO_FIELD},
    {TOP, "traits", TRAITS, NO_FIELD}, /* Enterprise keeps the AS here, ASN and ISP on top */
    {TOP, "autonomous_system_number", FIELD, F_ASN},
    {TOP, "autonomous_system_organization", FIELD, F_ORG},
    {TRAITS, "autonomous_system_number", FIELD, F_ASN},
    {TRAITS, "autonomous_system_organization", FIELD, F_ORG},
    {CONTINENT, "code", FIELD, F_CONTINENT},
    {COUNTRY, "iso_code", FIELD, F_COUNTRY},
    {SUBDIVISION, "iso_code", FIELD, F_SUBDIVISION},
    {CITY, "names", NAMES, NO_FIELD},
    {NAMES, "en", FIELD, F_CITY},
    {LOCATION, "latitude", FIELD, F_LAT},
    {LOCATION, "longitude", FIELD, F_LON},
    {LOCATION, "accuracy_radius", FIELD, F_RADIUS},
};

struct reading {
    struct geo_place place;
    char subdivision[4]; /* without the country */
    bool has_lat, has_lon;
};

static bool same_text(const void *ctx, uint32_t value, const void *key)
{
    return strcmp(((const struct records *)ctx)->texts[value], key) == 0;
}

/* Bytes that are UTF-8 (RFC 3629 §4) and nothing that would upset a terminal. */
static bool is_text(const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint8_t c = b[i];
        if (c < 0x80) {
            if (c < 0x20 || c == 0x7f)
                return false;
            i++;
            continue;
        }
        unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        static const uint32_t least[4] = {0, 0x80, 0x800, 0x10000};
        uint32_t code = c & (0x3fu >> more);
        if (c < 0xc2 || c > 0xf4 || n - i <= more)
            return false;
        for (unsigned k = 1; k <= more; k++) {
            if ((b[i + k] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (b[i + k] & 0x3fu);
        }
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
            code < 0xa0)
            return false;
        i += more + 1;
    }
    return true;
}

static enum err intern_text(struct records *r, const struct data_value *v, size_t max,
                            const char **out)
{
    char text[ORG_BYTES_MAX + 1];
    const uint8_t *b = r->data.bytes + v->at;
    if (v->type != DATA_STRING || v->size == 0 || v->size > max || !is_text(b, v->size))
        return ERR_OK;
    memcpy(text, b, v->size);
    text[v->size] = '\0';
    if (!geo__index_reserve(&r->by_text))
        return ERR_NOMEM;
    uint32_t hash = (uint32_t)hash_bytes(text, v->size, 0);
    uint32_t at = geo__index_find(&r->by_text, hash, same_text, r, text);
    if (at == GEO_NONE) {
        if (r->texts_n == r->texts_cap) {
            size_t cap = r->texts_cap ? 2 * r->texts_cap : 256;
            const char **q = realloc(r->texts, cap * sizeof *q);
            if (!q)
                return ERR_NOMEM;
            r->texts = q;
            r->texts_cap = cap;
        }
        const char *kept = arena_strdup(r->db->arena, text);
        if (!kept)
            return ERR_NOMEM;
        at = (uint32_t)r->texts_n;
        r->texts[r->texts_n++] = kept;
        geo__index_put(&r->by_text, hash, at);
    }
    *out = r->texts[at];
    return ERR_OK;
}

/* A code of min..max capital letters or digits; anything else leaves out alone. */
static void take_code(const struct data *d, const struct data_value *v, uint32_t min, uint32_t max,
                      bool digits, char *out)
{
    if (v->type != DATA_STRING || v->size < min || v->size > max)
        return;
    for (uint32_t i = 0; i < v->size; i++) {
        uint8_t c = d->bytes[v->at + i];
        if (!((c >= 'A' && c <= 'Z') || (digits && c >= '0' && c <= '9')))
            return;
    }
    memcpy(out, d->bytes + v->at, v->size);
    out[v->size] = '\0';
}

static bool take_degrees(const struct data *d, const struct data_value *v, double most, float *out)
{
    double x;
    if (!data_real(d, v, &x) || !(x >= -most && x <= most))
        return false;
    *out = (float)x;
    return true;
}

static enum err take_field(struct records *r, enum field field, const struct data_value *v,
                           struct reading *out)
{
    const struct data *d = &r->data;
    struct geo_place *p = &out->place;
    uint64_t n;
    switch (field) {
    case F_CONTINENT:
        take_code(d, v, 2, 2, false, p->continent);
        return ERR_OK;
    case F_COUNTRY:
        take_code(d, v, 2, 2, false, p->country);
        return ERR_OK;
    case F_SUBDIVISION:
        take_code(d, v, 1, 3, true, out->subdivision);
        return ERR_OK;
    case F_LAT:
        out->has_lat = take_degrees(d, v, 90, &p->lat);
        return ERR_OK;
    case F_LON:
        out->has_lon = take_degrees(d, v, 180, &p->lon);
        return ERR_OK;
    case F_RADIUS:
        if (data_number(d, v, &n))
            p->radius_km = n > UINT16_MAX ? UINT16_MAX : (uint16_t)n;
        return ERR_OK;
    case F_ASN:
        if (data_number(d, v, &n) && n <= UINT32_MAX)
            p->asn = (uint32_t)n;
        return ERR_OK;
    case F_CITY:
        return intern_text(r, v, CITY_BYTES_MAX, &p->city);
    case F_ORG:
        return intern_text(r, v, ORG_BYTES_MAX, &p->as_org);
    case NO_FIELD:
        break;
    }
    return ERR_OK;
}

static bool find_row(const struct data *d, enum spot_in_record in, const struct data_value *key,
                     size_t *row)
{
    for (*row = 0; *row < ARRAY_LEN(rows); ++*row)
        if (rows[*row].in == in && data_string_is(d, key, rows[*row].key))
            return true;
    return false;
}

/* Reads a map; what is not one says nothing. Goes no deeper than rows[] does. */
static enum err read_map(struct records *r, enum spot_in_record in, size_t at, struct reading *out)
{
    struct data *d = &r->data;
    struct data_value map, key, value;
    if (!data_read(d, at, &map))
        return ERR_CORRUPT;
    if (map.type == DATA_ARRAY && map.size > 0 && in == SUBDIVISION && !data_read(d, map.at, &map))
        return ERR_CORRUPT;
    if (map.type != DATA_MAP)
        return ERR_OK;
    at = map.at;
    for (uint32_t i = 0; i < map.size; i++) {
        size_t row;
        if (!data_read(d, at, &key) || key.type != DATA_STRING || !data_skip(d, &at))
            return ERR_CORRUPT;
        if (find_row(d, in, &key, &row)) {
            enum err e = ERR_OK;
            if (rows[row].next != FIELD)
                e = read_map(r, rows[row].next, at, out);
            else
                e = data_read(d, at, &value) ? take_field(r, rows[row].field, &value, out)
                                             : ERR_CORRUPT;
            if (e)
                return e;
        }
        if (!data_skip(d, &at))
            return ERR_CORRUPT;
    }
    return ERR_OK;
}

/* Texts are interned, so that equal places have equal bytes. */
static bool same_place(const void *ctx, uint32_t value, const void *key)
{
    return memcmp(&((const struct records *)ctx)->db->places[value], key,
                  sizeof(struct geo_place)) == 0;
}

static enum err intern_place(struct records *r, const struct geo_place *p, uint32_t *out)
{
    struct geo_db *db = r->db;
    if (!geo__index_reserve(&r->by_place))
        return ERR_NOMEM;
    uint32_t hash = (uint32_t)hash_bytes(p, sizeof *p, 0);
    *out = geo__index_find(&r->by_place, hash, same_place, r, p);
    if (*out != GEO_NONE)
        return ERR_OK;
    if (db->places_n == r->places_cap) {
        size_t cap = r->places_cap ? 2 * r->places_cap : 256;
        struct geo_place *q = realloc(db->places, cap * sizeof *q);
        if (!q)
            return ERR_NOMEM;
        db->places = q;
        r->places_cap = cap;
    }
    *out = db->places_n++;
    memcpy(&db->places[*out], p, sizeof *p);
    geo__index_put(&r->by_place, hash, *out);
    return ERR_OK;
}

static void reading_init(struct reading *out)
{
    memset(out, 0, sizeof *out); /* padding too: places are compared as bytes */
    out->place.city = out->place.as_org = "";
}

/* What is only known when the whole record was read. */
static void reading_finish(struct reading *out)
{
    struct geo_place *p = &out->place;
    p->located = out->has_lat && out->has_lon;
    if (!p->located) {
        p->lat = p->lon = 0;
        p->radius_km = 0;
    }
    if (p->country[0] && out->subdivision[0]) {
        memcpy(p->subdivision, p->country, 2);
        p->subdivision[2] = '-';
        memcpy(p->subdivision + 3, out->subdivision, sizeof out->subdivision);
    }
}

enum err records_open(struct records *r, struct geo_db *db, struct data data)
{
    *r = (struct records){.db = db, .data = data};
    struct reading nothing;
    uint32_t zero;
    reading_init(&nothing);
    return intern_place(r, &nothing.place, &zero);
}

void records_close(struct records *r)
{
    geo__index_fini(&r->by_offset);
    geo__index_fini(&r->by_place);
    geo__index_fini(&r->by_text);
    free(r->texts);
    r->texts = NULL;
}

static bool same_offset(const void *ctx, uint32_t value, const void *key)
{
    (void)ctx;
    (void)value;
    (void)key;
    return true; /* equal hashes are equal offsets */
}

enum err records_place(struct records *r, uint32_t offset, uint32_t *place)
{
    if (!geo__index_reserve(&r->by_offset))
        return ERR_NOMEM;
    uint32_t hash = offset * 0x9e3779b1u; /* odd: one to one */
    *place = geo__index_find(&r->by_offset, hash, same_offset, NULL, NULL);
    if (*place != GEO_NONE)
        return ERR_OK;
    if (r->by_offset.used == GEO_RECORDS_MAX)
        return ERR_LIMIT;
    struct reading reading;
    reading_init(&reading);
    enum err e = read_map(r, TOP, offset, &reading);
    if (!e) {
        reading_finish(&reading);
        e = intern_place(r, &reading.place, place);
    }
    if (!e)
        geo__index_put(&r->by_offset, hash, *place);
    return e;
}
