/* geo_bench: what a geo database costs here.
 *   geo_bench FILE.mmdb [REGIONS]
 * Loads the database, merges, builds a view whose classes are the nearest of REGIONS sites (default
 * 20) by country, and one with a class per place; then looks up random and hot addresses, one
 * by one and in the steps of a batch of 32, as queries are, with libmaxminddb's own lookup beside. */
#include "base/random.h"
#include "geo/client.h"

#include <maxminddb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ADDRESSES (1u << 20)
#define HOT 512u
#define PART 32u
#define ROUNDS 5

/* CPU time of this thread: the machines that run this are shared. */
static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Random addresses that the database knows, so that lookups go deep. */
static struct ip *addresses(const struct geo_db *db, unsigned family, struct rng *r)
{
    struct ip *ip = calloc(ADDRESSES, sizeof *ip);
    for (unsigned i = 0; ip && i < ADDRESSES;) {
        ip[i].family = (uint8_t)family;
        uint64_t bits = rng_next(r);
        if (family == 6) /* 2400::/5, where the synthetic databases are */
            bits = (bits & 0x07ff07ffffffffffu) | 0x2400000000000000u;
        for (unsigned k = 0; k < (family == 4 ? 4u : 8u); k++)
            ip[i].b[k] = (uint8_t)(bits >> (56 - 8 * k));
        if (family == 4 || rng_below(r, 64) == 0 || geo_db_lookup(db, &ip[i], NULL))
            i++;
    }
    return ip;
}

static double lookup_ns(const struct geo_view *v, const struct ip *ip, unsigned mask, bool chained)
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        unsigned sum = 0;
        double t = now_ms();
        for (unsigned i = 0; i < ADDRESSES; i++) {
            /* chained: the next lookup waits for this one, as a query does */
            const struct ip *a = &ip[(i + (chained ? sum & 1 : 0)) & mask];
            sum += geo_view_lookup(v, a).class;
        }
        t = (now_ms() - t) * 1e6 / ADDRESSES;
        best = t < best ? t : best;
        if (sum == 1)
            putchar(' ');
    }
    return best;
}

/* As answer_batch does. */
static double batch_ns(const struct geo_view *v, const struct ip *ip)
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        unsigned sum = 0;
        double t = now_ms();
        for (unsigned at = 0; at < ADDRESSES; at += PART) {
            struct geo_seek seek[PART];
            for (unsigned i = 0; i < PART; i++)
                geo_view_seek_root(v, &ip[at + i], &seek[i]);
            for (unsigned i = 0; i < PART; i++)
                geo_view_seek_node(v, &seek[i]);
            for (unsigned i = 0; i < PART; i++)
                geo_view_seek_entry(v, &ip[at + i], &seek[i]);
            for (unsigned i = 0; i < PART; i++)
                sum += geo_view_seek_end(v, &ip[at + i], &seek[i]).class;
        }
        t = (now_ms() - t) * 1e6 / ADDRESSES;
        best = t < best ? t : best;
        if (sum == 1)
            putchar(' ');
    }
    return best;
}

static double mmdb_ns(const char *path, const struct ip *ip)
{
    MMDB_s m;
    if (MMDB_open(path, MMDB_MODE_MMAP, &m) != MMDB_SUCCESS)
        return 0;
    double t = now_ms();
    unsigned found = 0;
    for (unsigned i = 0; i < ADDRESSES; i++) {
        struct sockaddr_storage sa;
        int status;
        ip_to_sockaddr(&ip[i], 0, &sa);
        found += MMDB_lookup_sockaddr(&m, (struct sockaddr *)&sa, &status).found_entry;
    }
    t = (now_ms() - t) * 1e6 / ADDRESSES;
    MMDB_close(&m);
    return found ? t : 0;
}

static void measure(struct geo_base *b, const struct geo_db *db, const char *what, unsigned regions,
                    const char *path)
{
    uint32_t n = geo_base_spots_n(b);
    struct geo_value *values = calloc(n, sizeof *values);
    for (uint32_t i = 0; values && i < n; i++) {
        const struct geo_spot *s = geo_base_spot(b, i);
        const struct geo_place *p = geo_base_place(b, s->place);
        unsigned class =
            regions ? (unsigned)(p->country[0] * 7 + p->country[1]) % regions : s->place;
        values[i] = (struct geo_value){(uint16_t) class, s->kind};
    }
    struct geo_view *v = NULL;
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        geo_view_unref(&v);
        double t = now_ms();
        if (!values || geo_view_build(b, values, &v, NULL))
            exit(1);
        best = now_ms() - t < best ? now_ms() - t : best;
    }
    printf("view %-14s %7.1f ms  %llu blocks, %.1f MiB\n", what, best,
           (unsigned long long)geo_view_blocks_n(v), (double)geo_view_size_bytes(v) / 1048576);
    for (unsigned family = 4; family <= 6; family += 2) {
        struct rng r;
        rng_seed(&r, 7);
        struct ip *ip = addresses(db, family, &r);
        if (!ip)
            exit(1);
        printf("  IPv%u lookup: random %5.1f ns, one after the other %5.1f, in a batch %5.1f; "
               "hot %4.1f, %4.1f; libmaxminddb %.0f\n",
               family, lookup_ns(v, ip, ADDRESSES - 1, false),
               lookup_ns(v, ip, ADDRESSES - 1, true), batch_ns(v, ip),
               lookup_ns(v, ip, HOT - 1, false), lookup_ns(v, ip, HOT - 1, true),
               mmdb_ns(path, ip));
        free(ip);
    }
    geo_view_unref(&v);
    free(values);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: geo_bench FILE.mmdb [REGIONS]\n");
        return 2;
    }
    struct diag diag = {0};
    struct geo_db *db = NULL;
    struct geo_base *b = NULL;
    char text[512];
    double load = 1e9, merge = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        geo_base_unref(&b);
        geo_db_unref(&db);
        double t = now_ms();
        if (geo_db_load(argv[1], &db, &diag)) {
            fprintf(stderr, "%s\n", diag_first(&diag, text, sizeof text));
            return 1;
        }
        load = now_ms() - t < load ? now_ms() - t : load;
        t = now_ms();
        if (geo_base_build(&db, 1, NULL, 0, &b, &diag))
            return 1;
        merge = now_ms() - t < merge ? now_ms() - t : merge;
    }
    const struct geo_db_info *info = geo_db_info(db);
    printf("milliseconds of CPU, best of %d\n", ROUNDS);
    printf("load                %7.1f ms  %u nodes, %u records, ranges %u IPv4 (8 bytes each), %u "
           "IPv6 (12)\n",
           load, info->nodes, info->records, info->ranges_v4, info->ranges_v6);
    printf("base                %7.1f ms  %u spots, %u places\n", merge, geo_base_spots_n(b),
           geo_base_places_n(b));
    measure(b, db, "by region", argc > 2 ? (unsigned)atoi(argv[2]) : 20, argv[1]);
    measure(b, db, "by place", 0, argv[1]);
    geo_base_unref(&b);
    geo_db_unref(&db);
    return 0;
}
