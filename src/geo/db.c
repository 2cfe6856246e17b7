#include "geo_priv.h"

#include <stdlib.h>
#include <sys/stat.h>

struct geo_db *geo_db_ref(struct geo_db *db)
{
    atomic_fetch_add_explicit(&db->refs, 1, memory_order_relaxed);
    return db;
}

void geo_db_unref(struct geo_db **held)
{
    struct geo_db *db = *held;
    *held = NULL;
    if (!db || atomic_fetch_sub_explicit(&db->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_destroy(db->arena);
    free(db->places);
    geo__ranges_v4_fini(&db->v4);
    geo__ranges_v6_fini(&db->v6);
    free(db);
}

const struct geo_db_info *geo_db_info(const struct geo_db *db)
{
    return &db->info;
}

bool geo_db_stale(const struct geo_db *db)
{
    struct stat st;
    if (stat(db->info.path, &st) != 0)
        return false;
    int64_t mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return (uint64_t)st.st_ino != db->info.inode || (uint64_t)st.st_size != db->info.size_bytes ||
           mtime_ns != db->info.mtime_ns;
}

const struct geo_place *geo_db_lookup(const struct geo_db *db, const struct ip *ip,
                                      struct ip_prefix *prefix)
{
    u128 at = geo__number(ip), first, last;
    uint32_t place;
    if (ip->family == 4) {
        size_t i = geo__ranges_v4_find(&db->v4, (uint32_t)at);
        first = db->v4.start[i];
        last = i + 1 < db->v4.n ? db->v4.start[i + 1] - 1 : UINT32_MAX;
        place = db->v4.value[i];
    } else {
        size_t i = geo__ranges_v6_find(&db->v6, (uint64_t)(at >> 64));
        first = (u128)db->v6.start[i] << 64;
        last = (i + 1 < db->v6.n ? (u128)db->v6.start[i + 1] << 64 : 0) - 1;
        place = db->v6.value[i];
    }
    if (prefix) {
        prefix->ip = *ip;
        prefix->len = (uint8_t)geo__block_around(at, first, last, ip_bits(ip));
        ip_mask(&prefix->ip, prefix->len);
    }
    return place ? &db->places[place] : NULL;
}
