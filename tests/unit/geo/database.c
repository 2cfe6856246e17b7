#include "database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char db_path[64];

int db_path_make(void **state)
{
    (void)state;
    strcpy(db_path, "/tmp/meridian-geo-XXXXXX");
    int fd = mkstemp(db_path);
    return fd < 0 ? -1 : close(fd);
}

int db_path_remove(void **state)
{
    (void)state;
    return unlink(db_path);
}

struct geo_db *db_load_file(const char *file)
{
    struct geo_db *db;
    struct diag diag = {0};
    char text[512];
    if (geo_db_load(file, &db, &diag))
        fail_msg("%s", diag_first(&diag, text, sizeof text));
    diag_fini(&diag);
    return db;
}

struct geo_db *db_load(struct mmdb *m)
{
    mmdb_write(m, db_path);
    mmdb_fini(m);
    return db_load_file(db_path);
}

const struct geo_place *db_find(const struct geo_db *db, const char *text)
{
    struct ip ip = world_ip(text);
    return geo_db_lookup(db, &ip, NULL);
}

const char *db_country(const struct geo_db *db, const char *text)
{
    const struct geo_place *p = db_find(db, text);
    return p ? p->country : "-";
}

/* Refused, with one sentence that names the file and has the word. */
void db_assert_refused(const char *file, const char *word)
{
    struct geo_db *db;
    struct diag diag = {0};
    char text[512];
    enum err e = geo_db_load(file, &db, &diag);
    assert_int_not_equal(e, ERR_OK);
    assert_null(db);
    assert_int_equal(diag.errors, 1);
    diag_first(&diag, text, sizeof text);
    assert_memory_equal(text, file, strlen(file));
    if (!strstr(text, word))
        fail_msg("\"%s\" does not say \"%s\"", text, word);
    diag_fini(&diag);
}

/* ---- fields ---- */

uint8_t *db_good_bytes(size_t *n)
{
    struct mmdb m;
    mmdb_init(&m, 6, 28);
    uint32_t gb = mmdb_place(
        &m, &(struct mmdb_place){"EU", "GB", "ENG", "London", "Example", 51.5, -0.13, 20, 64500});
    uint32_t pointing = mmdb_map(&m, 1);
    mmdb_string(&m, "country");
    uint32_t at = mmdb_pointer(&m, 0);
    uint32_t us = mmdb_map(&m, 1);
    mmdb_string(&m, "iso_code");
    mmdb_string(&m, "US");
    m.data[at + 3] = (uint8_t)(us >> 8);
    m.data[at + 4] = (uint8_t)us;
    mmdb_add(&m, "81.2.69.0/24", gb);
    mmdb_add(&m, "81.2.70.128/25", pointing);
    mmdb_add(&m, "2001:db8::/32", pointing);
    mmdb_alias(&m, "2002::/16");
    uint8_t *bytes = mmdb_bytes_of(&m, n);
    mmdb_fini(&m);
    return bytes;
}

bool db_shared(char *out, size_t cap, const char *file)
{
    const char *dir = getenv("MERIDIAN_GEOIP_DIR");
    snprintf(out, cap, "%s/%s", dir ? dir : MERIDIAN_SOURCE_DIR "/../shared/geoip", file);
    if (access(out, R_OK) == 0)
        return true;
    printf("skipped: no %s (set MERIDIAN_GEOIP_DIR)\n", out);
    return false;
}
