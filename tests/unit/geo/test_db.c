#include "database.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void every_field_of_a_city_record_is_read(void **state)
{
    (void)state;
    for (unsigned bits = 24; bits <= 32; bits += 4) {
        struct mmdb m;
        mmdb_init(&m, 6, bits);
        mmdb_add(&m, "81.2.69.0/24",
                 mmdb_place(&m, &(struct mmdb_place){"EU", "GB", "ENG", "Lond\xc3\xb3n",
                                                     "Example Ltd", 51.5, -0.13, 20, 64500}));
        struct geo_db *db = db_load(&m);
        const struct geo_place *p = db_find(db, "81.2.69.160");
        assert_non_null(p);
        assert_string_equal(p->continent, "EU");
        assert_string_equal(p->country, "GB");
        assert_string_equal(p->subdivision, "GB-ENG");
        assert_string_equal(p->city, "Lond\xc3\xb3n");
        assert_string_equal(p->as_org, "Example Ltd");
        assert_true(p->located);
        assert_true(p->lat == 51.5f && p->lon == -0.13f);
        assert_int_equal(p->radius_km, 20);
        assert_int_equal(p->asn, 64500);
        const struct geo_db_info *info = geo_db_info(db);
        assert_string_equal(info->path, db_path);
        assert_string_equal(info->type, "Test-City");
        assert_int_equal(info->build_epoch, 1700000000);
        assert_int_equal(info->records, 1);
        assert_int_equal(info->ranges_v4, 3);
        assert_int_equal(info->ranges_v6, 1);
        assert_true(info->has_location && info->has_asn);
        struct stat st;
        assert_int_equal(stat(db_path, &st), 0);
        assert_int_equal(info->size_bytes, st.st_size);
        assert_int_equal(info->inode, st.st_ino);
        geo_db_unref(&db);
        assert_null(db);
    }
}

static void every_field_may_be_missing(void **state)
{
    (void)state;
    struct mmdb m;
    mmdb_init(&m, 4, 24);
    mmdb_add(&m, "1.0.0.0/8", mmdb_place(&m, &(struct mmdb_place){.continent = "OC"}));
    mmdb_add(&m, "2.0.0.0/8", mmdb_place(&m, &(struct mmdb_place){.subdivision = "ENG"}));
    mmdb_add(&m, "3.0.0.0/8", mmdb_place(&m, &(struct mmdb_place){.lat = 1, .lon = 2}));
    mmdb_add(&m, "4.0.0.0/8", mmdb_place(&m, &(struct mmdb_place){.org = "x"}));
    mmdb_add(&m, "5.0.0.0/8", mmdb_map(&m, 0));
    struct geo_db *db = db_load(&m);
    assert_string_equal(db_find(db, "1.1.1.1")->continent, "OC");
    assert_string_equal(db_find(db, "1.1.1.1")->city, "");
    assert_null(db_find(db, "2.1.1.1")); /* a subdivision of no country says nothing */
    assert_true(db_find(db, "3.1.1.1")->located);
    assert_int_equal(db_find(db, "4.1.1.1")->asn, 0);
    assert_null(db_find(db, "5.1.1.1"));
    assert_null(db_find(db, "6.1.1.1"));
    geo_db_unref(&db);
}

static void fields_without_sense_are_as_if_missing(void **state)
{
    (void)state;
    struct mmdb m;
    mmdb_init(&m, 4, 32);
    static const char *const countries[] = {"gb", "GBR", "G", "G1", "\xff\xff", "G\n", ""};
    char prefix[32];
    for (unsigned i = 0; i < 7; i++) {
        snprintf(prefix, sizeof prefix, "1.%u.0.0/16", i);
        mmdb_add(&m, prefix,
                 mmdb_place(&m, &(struct mmdb_place){.country = countries[i], .asn = 7}));
    }
    static const char *const cities[] = {
        "\xff",     "a\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "a\x1b[1m", "\xe2\x82",  "\xc2\x85"};
    for (unsigned i = 0; i < 7; i++) {
        snprintf(prefix, sizeof prefix, "2.%u.0.0/16", i);
        mmdb_add(&m, prefix, mmdb_place(&m, &(struct mmdb_place){.city = cities[i], .asn = 7}));
    }
    static const double lats[] = {90.1, -91, INFINITY, NAN, 1e300, 45, 45};
    static const double lons[] = {1, 1, 1, 1, 1, 180.5, NAN};
    for (unsigned i = 0; i < 7; i++) {
        snprintf(prefix, sizeof prefix, "3.%u.0.0/16", i);
        mmdb_add(&m, prefix,
                 mmdb_place(&m, &(struct mmdb_place){.lat = lats[i], .lon = lons[i], .asn = 7}));
    }
    uint32_t odd = mmdb_map(&m, 4); /* other types than expected */
    mmdb_string(&m, "country");
    mmdb_string(&m, "GB");
    mmdb_string(&m, "subdivisions");
    mmdb_array(&m, 0);
    mmdb_string(&m, "location");
    mmdb_map(&m, 2);
    mmdb_string(&m, "latitude");
    mmdb_uint(&m, 6, 1, 5);
    mmdb_string(&m, "longitude");
    mmdb_string(&m, "5");
    mmdb_string(&m, "autonomous_system_number");
    mmdb_uint(&m, 9, 8, 1ull << 40);
    mmdb_add(&m, "4.0.0.0/8", odd);
    mmdb_add(&m, "5.0.0.0/8", mmdb_string(&m, "only a text"));
    struct geo_db *db = db_load(&m);
    for (unsigned list = 1; list <= 3; list++)
        for (unsigned i = 0; i < 7; i++) {
            snprintf(prefix, sizeof prefix, "%u.%u.3.4", list, i);
            const struct geo_place *p = db_find(db, prefix);
            assert_int_equal(p->asn, 7);
            assert_string_equal(p->country, "");
            assert_string_equal(p->city, "");
            assert_false(p->located);
        }
    assert_null(db_find(db, "4.1.1.1"));
    assert_null(db_find(db, "5.1.1.1"));
    assert_false(geo_db_info(db)->has_location);
    geo_db_unref(&db);
}

/* ---- blocks ---- */

static void longer_networks_become_the_majority_of_the_located(void **state)
{
    (void)state;
    struct mmdb m;
    mmdb_init(&m, 6, 28);
    uint32_t gb = mmdb_place(&m, &(struct mmdb_place){.country = "GB"});
    uint32_t fr = mmdb_place(&m, &(struct mmdb_place){.country = "FR"});
    uint32_t as = mmdb_place(&m, &(struct mmdb_place){.asn = 64500});
    /* GB 64 + 32 addresses in two pieces, FR 64, the rest says nothing */
    mmdb_add(&m, "192.0.2.0/26", gb);
    mmdb_add(&m, "192.0.2.64/26", fr);
    mmdb_add(&m, "192.0.2.128/27", gb);
    /* equal: the lowest address decides */
    mmdb_add(&m, "192.0.3.0/32", fr);
    mmdb_add(&m, "192.0.3.255/32", gb);
    /* one located address outweighs an AS of 128 */
    mmdb_add(&m, "192.0.4.0/25", as);
    mmdb_add(&m, "192.0.4.200/32", gb);
    /* nothing but an AS */
    mmdb_add(&m, "192.0.5.7/32", as);
    mmdb_add(&m, "2001:db8:1::/50", gb);
    mmdb_add(&m, "2001:db8:1:4000::/50", gb);
    mmdb_add(&m, "2001:db8:1:8000::/49", fr);
    mmdb_add(&m, "2001:db8:1:ffff:ffff:ffff:ffff:ffff/128", gb);
    mmdb_add(&m, "2001:db8:2::1/128", fr);
    struct geo_db *db = db_load(&m);
    assert_string_equal(db_country(db, "192.0.2.200"), "GB");
    assert_string_equal(db_country(db, "192.0.3.7"), "FR");
    assert_string_equal(db_country(db, "192.0.4.7"), "GB");
    assert_int_equal(db_find(db, "192.0.5.200")->asn, 64500);
    assert_string_equal(db_country(db, "192.0.6.1"), "-");
    assert_string_equal(db_country(db, "192.0.1.255"), "-");
    /* half and half, but for one address */
    assert_string_equal(db_country(db, "2001:db8:1:1::"), "GB");
    assert_string_equal(db_country(db, "2001:db8:2:ffff::"), "FR");
    assert_string_equal(db_country(db, "2001:db8:3::"), "-");
    struct ip ip = world_ip("192.0.2.77");
    struct ip_prefix p;
    char text[PREFIX_TEXT_MAX];
    geo_db_lookup(db, &ip, &p);
    assert_string_equal(ip_prefix_format(&p, text), "192.0.2.0/24");
    ip = world_ip("2001:db8:2::9");
    geo_db_lookup(db, &ip, &p);
    assert_string_equal(ip_prefix_format(&p, text), "2001:db8:2::/48");
    ip = world_ip("200.1.2.3");
    assert_null(geo_db_lookup(db, &ip, &p));
    assert_string_equal(ip_prefix_format(&p, text), "200.0.0.0/5");
    ip = world_ip("ffff::1");
    assert_null(geo_db_lookup(db, &ip, &p));
    assert_string_equal(ip_prefix_format(&p, text), "8000::/1");
    geo_db_unref(&db);
}

static void aliases_of_the_ipv4_tree_are_left_out(void **state)
{
    (void)state;
    struct mmdb m;
    mmdb_init(&m, 6, 24);
    uint32_t gb = mmdb_place(&m, &(struct mmdb_place){.country = "GB"});
    for (unsigned i = 0; i < 128; i++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "%u.0.0.0/9", 2 * i);
        mmdb_add(&m, prefix, gb);
    }
    mmdb_alias(&m, "::ffff:0:0/96");
    mmdb_alias(&m, "2002::/16");
    mmdb_alias(&m, "2400:1::/32"); /* wherever it is */
    mmdb_add(&m, "2001::/40", gb); /* not an alias, but Teredo's */
    mmdb_add(&m, "2003::/16", gb);
    struct geo_db *db = db_load(&m);
    assert_string_equal(db_country(db, "2.1.2.3"), "GB");
    assert_string_equal(db_country(db, "::2.1.2.3"), "-");
    assert_string_equal(db_country(db, "::ffff:2.1.2.3"), "-");
    assert_string_equal(db_country(db, "2002:201:203::"), "-");
    assert_string_equal(db_country(db, "2400:1::"), "-");
    assert_string_equal(db_country(db, "2001:0:1::"), "-");
    assert_string_equal(db_country(db, "2003::1"), "GB");
    assert_int_equal(geo_db_info(db)->ranges_v6, 3);
    geo_db_unref(&db);
}

static void one_family_alone_is_enough(void **state)
{
    (void)state;
    struct mmdb m;
    mmdb_init(&m, 4, 24);
    mmdb_add(&m, "0.0.0.0/0", mmdb_place(&m, &(struct mmdb_place){.country = "GB"}));
    struct geo_db *db = db_load(&m);
    assert_string_equal(db_country(db, "255.255.255.255"), "GB");
    assert_string_equal(db_country(db, "::"), "-");
    assert_int_equal(geo_db_info(db)->ranges_v4, 1);
    geo_db_unref(&db);
    mmdb_init(&m, 6, 24);
    mmdb_add(&m, "8000::/1", mmdb_place(&m, &(struct mmdb_place){.country = "FR"}));
    db = db_load(&m);
    assert_string_equal(db_country(db, "1.2.3.4"), "-");
    assert_string_equal(db_country(db, "ffff::"), "FR");
    geo_db_unref(&db);
    mmdb_init(&m, 6, 32); /* one leaf above ::/96 covers IPv4 too */
    mmdb_add(&m, "::/20", mmdb_place(&m, &(struct mmdb_place){.country = "FR"}));
    db = db_load(&m);
    assert_string_equal(db_country(db, "1.2.3.4"), "FR");
    assert_string_equal(db_country(db, "::1"), "FR");
    geo_db_unref(&db);
}

/* ---- random trees against the obvious way ---- */

#define NETS 120

struct nets {
    struct ip_prefix net[NETS];
    unsigned code[NETS]; /* which place; 0 says nothing */
};

static int by_length(const void *a, const void *b)
{
    return (int)((const struct ip_prefix *)a)->len - (int)((const struct ip_prefix *)b)->len;
}

static unsigned code_at(const struct nets *t, const struct ip *ip)
{
    unsigned code = 0; /* later ones are longer */
    for (unsigned i = 0; i < NETS; i++)
        if (ip_prefix_contains(&t->net[i], ip))
            code = t->code[i];
    return code;
}

/* The majority in the block of `ip`, which is looked at in pieces of 2^-step of it. */
static unsigned majority_at(const struct nets *t, struct ip ip, unsigned block, unsigned step)
{
    unsigned weight[6] = {0}, first[6] = {0}, best = 0;
    ip_mask(&ip, block);
    for (unsigned i = 0; i < 1u << step; i++) {
        for (unsigned k = 0; k < step; k++) {
            unsigned bit = block + step - 1 - k;
            ip.b[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
            if (i >> k & 1)
                ip.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
        }
        unsigned code = code_at(t, &ip);
        if (code && weight[code]++ == 0)
            first[code] = i;
    }
    for (unsigned c = 1; c < 6; c++)
        if (weight[c] > weight[best] ||
            (weight[c] && weight[c] == weight[best] && first[c] < first[best]))
            best = c;
    return best;
}

static void random_trees_are_read_as_by_hand(void **state)
{
    (void)state;
    static const char *const codes[] = {"-", "AA", "BB", "CC", "DD", "EE"};
    struct rng r;
    rng_seed(&r, world_seed());
    for (unsigned round = 0; round < 40; round++) {
        struct nets t;
        struct mmdb m;
        uint32_t offset[6];
        mmdb_init(&m, 6, 24 + 4 * rng_below(&r, 3));
        for (unsigned c = 0; c < 6; c++)
            offset[c] = mmdb_place(&m, &(struct mmdb_place){.country = c ? codes[c] : NULL});
        for (unsigned i = 0; i < NETS; i++) {
            t.net[i] = (struct ip_prefix){.ip = {.family = 4, .b = {203, 0}}};
            if (i % 2)
                t.net[i] = (struct ip_prefix){.ip = {.family = 6, .b = {0x24, 0, 0, 1}}};
            unsigned at = i % 2 ? 5 : 2;
            t.net[i].ip.b[at] = (uint8_t)rng_below(&r, 4);
            t.net[i].ip.b[at + 1] = (uint8_t)rng_next(&r);
            t.net[i].len = (uint8_t)(i % 2 ? 32 + rng_below(&r, 25) : 8 + rng_below(&r, 25));
            ip_mask(&t.net[i].ip, t.net[i].len);
            t.code[i] = 0;
        }
        qsort(t.net, NETS, sizeof *t.net, by_length);
        for (unsigned i = 0; i < NETS; i++) {
            t.code[i] = rng_below(&r, 6);
            mmdb_add_prefix(&m, &t.net[i], MMDB_DATA + offset[t.code[i]]);
        }
        struct geo_db *db = db_load(&m);
        for (unsigned i = 0; i < 200; i++) {
            struct ip ip = t.net[rng_below(&r, NETS)].ip;
            bool six = ip.family == 6;
            ip.b[six ? 5 : 2] ^= (uint8_t)rng_below(&r, 2);
            ip.b[six ? 6 : 3] ^= (uint8_t)rng_next(&r);
            unsigned want = majority_at(&t, ip, six ? 48 : 24, 8);
            struct ip_prefix block;
            const struct geo_place *p = geo_db_lookup(db, &ip, &block);
            assert_string_equal(p ? p->country : "-", codes[want]);
            assert_true(ip_prefix_contains(&block, &ip) && block.len <= (six ? 48 : 24));
        }
        geo_db_unref(&db);
    }
}

static void a_changed_file_is_stale_and_a_missing_one_is_not(void **state)
{
    (void)state;
    size_t n;
    uint8_t *bytes = db_good_bytes(&n);
    file_write(db_path, bytes, n);
    struct geo_db *db = db_load_file(db_path);
    assert_false(geo_db_stale(db));
    char other[80];
    snprintf(other, sizeof other, "%s.new", db_path);
    file_write(other, bytes, n);
    assert_int_equal(rename(other, db_path), 0); /* same size: another inode */
    assert_true(geo_db_stale(db));
    assert_int_equal(unlink(db_path), 0);
    assert_false(geo_db_stale(db));
    file_write(db_path, bytes, n - 1);
    assert_true(geo_db_stale(db));
    /* The loaded one goes on whatever happens to the file. */
    assert_string_equal(db_country(db, "81.2.69.1"), "GB");
    struct geo_db *second = geo_db_ref(db);
    geo_db_unref(&db);
    assert_string_equal(db_country(second, "81.2.69.1"), "GB");
    geo_db_unref(&second);
    geo_db_unref(&second);
    free(bytes);
}

/* ---- bases over databases ---- */

static const struct geo_spot *spot(const struct geo_base *b, const char *text)
{
    struct ip ip = world_ip(text);
    return geo_base_spot(b, geo_base_find(b, &ip));
}

struct walked {
    const struct geo_base *b;
    unsigned n, wrong;
};

static void walk(void *ctx, const struct ip *first, uint64_t blocks, uint32_t at)
{
    struct walked *w = ctx;
    w->n++;
    w->wrong += blocks == 0 || geo_base_find(w->b, first) != at;
}

static void the_first_database_with_an_answer_wins(void **state)
{
    (void)state;
    struct mmdb m;
    mmdb_init(&m, 4, 24);
    mmdb_add(&m, "81.2.0.0/16", mmdb_place(&m, &(struct mmdb_place){"EU", "GB", .city = "London"}));
    struct geo_db *city = db_load(&m);
    mmdb_init(&m, 6, 24);
    mmdb_add(&m, "81.0.0.0/8", mmdb_place(&m, &(struct mmdb_place){.country = "FR", .asn = 64500}));
    mmdb_add(&m, "81.2.3.0/24",
             mmdb_place(&m, &(struct mmdb_place){.asn = 64501, .org = "Example"}));
    mmdb_add(&m, "2400::/16", mmdb_place(&m, &(struct mmdb_place){.country = "FR", .asn = 64502}));
    struct geo_db *asn = db_load(&m);
    struct geo_db *dbs[] = {city, asn};
    struct ip_prefix own[] = {world_prefix("81.2.3.4/32"), world_prefix("2400:1::/64")};
    struct geo_base *b;
    assert_int_equal(geo_base_build(dbs, 2, own, 2, &b, NULL), ERR_OK);
    geo_db_unref(&city);
    geo_db_unref(&asn);
    assert_int_equal(geo_base_dbs_n(b), 2);
    assert_string_equal(geo_db_info(geo_base_db(b, 1))->type, "Test-City");
    assert_string_equal(geo_base_place(b, spot(b, "81.2.3.9")->place)->city, "London");
    assert_int_equal(spot(b, "81.2.3.9")->asn, 64501);
    assert_int_equal(spot(b, "81.2.3.9")->own, GEO_NONE);
    assert_int_equal(spot(b, "81.2.3.4")->own, 0);
    assert_int_equal(spot(b, "81.2.3.4")->asn, 64501);
    assert_int_equal(spot(b, "81.2.4.4")->asn, 64500);
    assert_string_equal(geo_base_place(b, spot(b, "81.9.9.9")->place)->country, "FR");
    assert_int_equal(spot(b, "82.9.9.9")->place, 0);
    assert_int_equal(spot(b, "82.9.9.9")->asn, 0);
    /* FR is one place, whatever the AS: nowhere, London, FR */
    assert_int_equal(geo_base_places_n(b), 3);
    assert_int_equal(spot(b, "2400:1::5")->place, spot(b, "81.9.9.9")->place);
    assert_int_equal(spot(b, "2400:1::5")->own, 1);
    assert_int_equal(spot(b, "2400:1:0:1::5")->own, GEO_NONE);
    assert_int_equal(geo_base_place(b, spot(b, "81.9.9.9")->place)->asn, 0);
    struct geo_value *values = calloc(geo_base_spots_n(b), sizeof *values);
    for (uint32_t i = 0; i < geo_base_spots_n(b); i++)
        values[i] = (struct geo_value){(uint16_t)i, geo_base_spot(b, i)->kind};
    struct world w = {.base = b, .values = values};
    assert_int_equal(geo_view_build(b, values, &w.view, NULL), ERR_OK);
    world_check_blocks(&w);
    geo_base_fold(b); /* of two databases the ranges stay */
    struct walked walked = {.b = b};
    assert_true(geo_base_each_v4(b, walk, &walked));
    assert_true(walked.n > 10 && walked.wrong == 0);
    world_free(&w);
}

/* ---- the published test databases, where they are ---- */

static void published_databases_say_what_is_known_of_them(void **state)
{
    (void)state;
    char file[4096];
    if (!db_shared(file, sizeof file, "GeoIP2-City-Test.mmdb"))
        return;
    struct geo_db *db = db_load_file(file);
    static const char *const t[][5] = {
        {"81.2.69.160", "EU", "GB", "GB-ENG", "London"},
        {"216.160.83.56", "NA", "US", "US-WA", "Milton"},
        {"89.160.20.112", "EU", "SE", "SE-E", "Link\xc3\xb6ping"},
        {"2001:218::1", "AS", "JP", "", ""},
        {"175.16.199.1", "AS", "CN", "CN-22", "Changchun"},
        {"202.196.224.1", "AS", "PH", "", ""},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const struct geo_place *p = db_find(db, t[i][0]);
        assert_non_null(p);
        assert_string_equal(p->continent, t[i][1]);
        assert_string_equal(p->country, t[i][2]);
        assert_string_equal(p->subdivision, t[i][3]);
        assert_string_equal(p->city, t[i][4]);
        assert_true(p->located);
    }
    assert_true(fabsf(db_find(db, "2001:218::1")->lat - 35.69f) < 0.01f);
    geo_db_unref(&db);
    assert_true(db_shared(file, sizeof file, "GeoLite2-ASN-Test.mmdb"));
    db = db_load_file(file);
    assert_int_equal(db_find(db, "1.128.0.1")->asn, 1221);
    assert_string_equal(db_find(db, "1.128.0.1")->as_org, "Telstra Pty Ltd");
    assert_true(geo_db_info(db)->has_asn && !geo_db_info(db)->has_location);
    geo_db_unref(&db);
    assert_true(db_shared(file, sizeof file, "GeoIP2-Country-Test.mmdb"));
    db = db_load_file(file);
    assert_string_equal(db_country(db, "81.2.69.160"), "GB");
    geo_db_unref(&db);
    assert_true(db_shared(file, sizeof file, "GeoIP2-Connection-Type-Test.mmdb"));
    db_assert_refused(file, "neither locations nor AS numbers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_a_city_record_is_read),
        cmocka_unit_test(every_field_may_be_missing),
        cmocka_unit_test(fields_without_sense_are_as_if_missing),
        cmocka_unit_test(longer_networks_become_the_majority_of_the_located),
        cmocka_unit_test(aliases_of_the_ipv4_tree_are_left_out),
        cmocka_unit_test(one_family_alone_is_enough),
        cmocka_unit_test(random_trees_are_read_as_by_hand),
        cmocka_unit_test(a_changed_file_is_stale_and_a_missing_one_is_not),
        cmocka_unit_test(the_first_database_with_an_answer_wins),
        cmocka_unit_test(published_databases_say_what_is_known_of_them),
    };
    return cmocka_run_group_tests(tests, db_path_make, db_path_remove);
}
