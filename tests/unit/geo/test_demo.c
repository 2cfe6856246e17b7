#include "world.h"

#include "geo/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static bool can_build; /* the builder's Perl module is there */

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/meridian-demo-XXXXXX");
    can_build = system("perl -MMaxMind::DB::Writer::Tree -e 1 2>/dev/null") == 0;
    if (!can_build)
        printf("skipped: the Perl module MaxMind::DB::Writer::Tree is missing\n");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    static const char *const files[] = {"list.csv", "out.mmdb", "again.mmdb", "log"};
    char path[128];
    for (unsigned i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    return rmdir(dir);
}

/* Runs the builder on a list; its output is in log. Returns the exit status. */
static int run_build(const char *list, const char *out, const char *flags, char *log, size_t cap)
{
    char command[4096];
    snprintf(command, sizeof command,
             "SOURCE_DATE_EPOCH=1700000000 perl %s/geoip/build %s %s/%s %s 2>%s/log",
             MERIDIAN_SOURCE_DIR, list, dir, out, flags, dir);
    int status = system(command);
    snprintf(command, sizeof command, "%s/log", dir);
    FILE *f = fopen(command, "r");
    assert_non_null(f);
    log[fread(log, 1, cap - 1, f)] = '\0';
    fclose(f);
    return WEXITSTATUS(status);
}

static struct geo_db *load(const char *path)
{
    struct geo_db *db;
    struct diag diag = {0};
    char text[512];
    if (geo_db_load(path, &db, &diag))
        fail_msg("%s", diag_first(&diag, text, sizeof text));
    diag_fini(&diag);
    return db;
}

static void the_demonstration_database_knows_its_networks(void **state)
{
    (void)state;
    if (!can_build)
        return;
    struct geo_db *db = load(MERIDIAN_DEMO_MMDB);
    assert_string_equal(geo_db_info(db)->type, "Meridian-City-ASN");
    assert_true(geo_db_info(db)->has_location && geo_db_info(db)->has_asn);
    static const struct {
        const char *ip, *continent, *country, *subdivision, *city;
        uint32_t asn;
    } t[] = {
        {"127.1.0.1", "EU", "GB", "GB-ENG", "London", 0},
        {"127.2.0.1", "NA", "US", "US-VA", "Ashburn", 0},
        {"127.3.255.255", "AS", "JP", "JP-13", "Tokyo", 0},
        {"127.4.0.1", "OC", "AU", "AU-NSW", "Sydney", 0},
        {"127.5.0.1", "SA", "BR", "BR-SP", "S\xc3\xa3o Paulo", 0},
        {"127.6.0.1", "AF", "ZA", "ZA-GP", "Johannesburg", 0},
        {"192.0.2.1", "EU", "DE", "DE-HE", "Frankfurt am Main", 64496},
        {"198.51.100.1", "NA", "US", "US-NY", "New York", 64497},
        {"203.0.113.1", "AS", "SG", "", "Singapore", 64498},
        {"2001:db8:3::1", "AS", "JP", "JP-13", "Tokyo", 64498},
        {"9.9.9.9", "NA", "US", "US-CA", "Berkeley", 19281},
        {"9.9.8.9", "NA", "US", "US-NY", "New York", 0},
        {"1.1.1.1", "OC", "AU", "", "", 13335},
        {"137.158.1.1", "AF", "ZA", "ZA-WC", "Cape Town", 36982},
        {"2001:4860:4860::8888", "NA", "US", "", "", 15169},
        {"2001:4860:1::1", "NA", "US", "US-CA", "Mountain View", 15169},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct ip ip = world_ip(t[i].ip);
        const struct geo_place *p = geo_db_lookup(db, &ip, NULL);
        assert_non_null(p);
        assert_string_equal(p->continent, t[i].continent);
        assert_string_equal(p->country, t[i].country);
        assert_string_equal(p->subdivision, t[i].subdivision);
        assert_string_equal(p->city, t[i].city);
        assert_int_equal(p->asn, t[i].asn);
        assert_true(p->located);
    }
    struct ip unknown = world_ip("127.0.0.1");
    assert_null(geo_db_lookup(db, &unknown, NULL));
    geo_db_unref(&db);
}

/* network,continent,country,subdivision,city,...: no quotes before the last column. */
static void every_line_of_the_source_is_in_it(void **state)
{
    (void)state;
    if (!can_build)
        return;
    struct geo_db *db = load(MERIDIAN_DEMO_MMDB);
    FILE *f = fopen(MERIDIAN_SOURCE_DIR "/geoip/demo.csv", "r");
    assert_non_null(f);
    char line[512];
    unsigned n = 0;
    while (fgets(line, sizeof line, f)) {
        struct ip_prefix network, found;
        char *rest = line, *field[5];
        for (unsigned i = 0; i < 5; i++)
            field[i] = strsep(&rest, ",");
        if (!rest || !ip_prefix_parse(field[0], &network))
            continue;
        const struct geo_place *p = geo_db_lookup(db, &network.ip, &found);
        assert_non_null(p);
        assert_string_equal(p->continent, field[1]);
        assert_string_equal(p->country, field[2]);
        assert_string_equal(p->subdivision, field[3]);
        assert_string_equal(p->city, field[4]);
        n++;
    }
    fclose(f);
    assert_true(n > 300);
    geo_db_unref(&db);
}

static void the_same_list_and_time_make_the_same_file(void **state)
{
    (void)state;
    if (!can_build)
        return;
    char log[4096], command[256];
    assert_int_equal(
        run_build(MERIDIAN_SOURCE_DIR "/geoip/demo.csv", "out.mmdb", "", log, sizeof log), 0);
    setenv("PERL_HASH_SEED", "7", 1);
    assert_int_equal(
        run_build(MERIDIAN_SOURCE_DIR "/geoip/demo.csv", "again.mmdb", "", log, sizeof log), 0);
    unsetenv("PERL_HASH_SEED");
    snprintf(command, sizeof command, "cmp %s/out.mmdb %s/again.mmdb", dir, dir);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "%s/out.mmdb", dir);
    struct geo_db *db = load(command);
    assert_int_equal(geo_db_info(db)->build_epoch, 1700000000);
    geo_db_unref(&db);
}

static void write_list(char *path, const char *text)
{
    sprintf(path, "%s/list.csv", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void the_type_says_what_goes_in(void **state)
{
    (void)state;
    if (!can_build)
        return;
    char list[128], out[128], log[4096];
    write_list(list, "network,country,asn,org\r\n"
                     "192.0.2.0/24,gb,1,\r\n");
    assert_int_equal(run_build(list, "out.mmdb", "", log, sizeof log), 1);
    write_list(list, "\xef\xbb\xbfnetwork,country,asn,org\r\n"
                     "192.0.2.0/24 , GB,AS64500,\"Example, \"\"the\"\" one\"\r\n");
    snprintf(out, sizeof out, "%s/out.mmdb", dir);
    assert_int_equal(run_build(list, "out.mmdb", "--type ASN", log, sizeof log), 0);
    struct geo_db *db = load(out);
    assert_false(geo_db_info(db)->has_location);
    struct ip ip = world_ip("192.0.2.1");
    assert_int_equal(geo_db_lookup(db, &ip, NULL)->asn, 64500);
    assert_string_equal(geo_db_lookup(db, &ip, NULL)->as_org, "Example, \"the\" one");
    geo_db_unref(&db);
    assert_int_equal(run_build(list, "out.mmdb", "--type City", log, sizeof log), 0);
    db = load(out);
    assert_false(geo_db_info(db)->has_asn);
    assert_string_equal(geo_db_lookup(db, &ip, NULL)->country, "GB");
    assert_string_equal(geo_db_lookup(db, &ip, NULL)->continent, "EU"); /* follows from it */
    geo_db_unref(&db);
    assert_int_equal(run_build(list, "out.mmdb", "--type Town", log, sizeof log), 2);
}

static void every_mistake_is_named_with_its_line(void **state)
{
    (void)state;
    if (!can_build)
        return;
    static const struct {
        const char *line, *says;
    } t[] = {
        {"192.0.2.0/24,UK,,,,", "country \"UK\""},
        {"192.0.2.1/24,GB,,,,", "bits set past its length"},
        {"192.0.2.0/33,GB,,,,", "more than 32"},
        {"2001:db8::/129,GB,,,,", "more than 128"},
        {"0.0.0.0/0,GB,,,,", "length of 0"},
        {"192.0.2/24,GB,,,,", "cannot be read"},
        {"::ffff:192.0.2.0/120,GB,,,,", "give the IPv4 network"},
        {"office,GB,,,,", "is not a network"},
        {"192.0.2.0/24,GB,US-CA,,,", "subdivision \"US-CA\""},
        {"192.0.2.0/24,GB,,90.5,0,", "lat \"90.5\""},
        {"192.0.2.0/24,GB,,1,-180.5,", "lon \"-180.5\""},
        {"192.0.2.0/24,GB,,1,,", "go together"},
        {"192.0.2.0/24,GB,,,,4294967296", "asn \"4294967296\""},
        {"192.0.2.0/24,GB", "2 fields instead of 6"},
        {"\"192.0.2.0/24,GB,,,,", "quotes do not match"},
        {"192.0.2.0/24,GB,,,,\xff", "UTF-8"},
        {"192.0.2.0/24,GB,,,,\n192.0.2.0/24,FR,,,,",
         "list.csv:4: network 192.0.2.0/24 is in line 3"},
    };
    char list[128], text[512], log[4096];
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        snprintf(text, sizeof text, "# a list\nnetwork,country,subdivision,lat,lon,asn\n%s\n",
                 t[i].line);
        write_list(list, text);
        assert_int_equal(run_build(list, "out.mmdb", "", log, sizeof log), 1);
        if (!strstr(log, t[i].says) ||
            !strstr(log, i + 1 < sizeof t / sizeof *t ? "list.csv:3: " : "list.csv:4: "))
            fail_msg("\"%s\" gives \"%s\"", t[i].line, log);
    }
    write_list(list, "network,town\n");
    assert_int_equal(run_build(list, "out.mmdb", "", log, sizeof log), 1);
    assert_non_null(strstr(log, "list.csv:1: column \"town\""));
    write_list(list, "# nothing\n");
    assert_int_equal(run_build(list, "out.mmdb", "", log, sizeof log), 1);
    assert_non_null(strstr(log, "no network"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_demonstration_database_knows_its_networks),
        cmocka_unit_test(every_line_of_the_source_is_in_it),
        cmocka_unit_test(the_same_list_and_time_make_the_same_file),
        cmocka_unit_test(the_type_says_what_goes_in),
        cmocka_unit_test(every_mistake_is_named_with_its_line),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
