/* Any bytes as a geo database: it loads or is refused in one sentence, and what loaded can be
 * merged, mapped and asked. */
#include "geo/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void use(struct geo_db *db)
{
    struct geo_base *b = NULL;
    struct geo_view *v = NULL;
    if (geo_base_build(&db, 1, NULL, 0, &b, NULL))
        abort();
    uint32_t n = geo_base_spots_n(b);
    struct geo_value *values = calloc(n, sizeof *values);
    for (uint32_t i = 0; values && i < n; i++)
        values[i] =
            (struct geo_value){(uint16_t)geo_base_spot(b, i)->place, geo_base_spot(b, i)->kind};
    if (!values || geo_view_build(b, values, &v, NULL))
        abort();
    static const char *const asked[] = {"81.2.69.160", "1.1.1.1", "2001:218::1",
                                        "::", "2002:5102:45a0::"};
    for (unsigned i = 0; i < 5; i++) {
        struct geo_client_in in = {.subnet_len = 24};
        struct ip_prefix block;
        if (!ip_parse(asked[i], &in.subnet))
            abort();
        const struct geo_place *p = geo_db_lookup(db, &in.subnet, &block);
        if (!ip_prefix_contains(&block, &in.subnet) || (p && (!p->city || !p->as_org)))
            abort();
        struct geo_found f = geo_view_lookup(v, &in.subnet);
        if (f.class != values[geo_base_find(b, &in.subnet)].class)
            abort();
        ip_mask(&in.subnet, in.subnet_len);
        geo_client_locate(v, &in);
    }
    free(values);
    geo_view_unref(&v);
    geo_base_unref(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("fuzz", 0);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    struct geo_db *db;
    struct diag diag = {0};
    enum err e = geo_db_load(path, &db, &diag);
    if (diag.errors != (e ? 1u : 0u) || (e == ERR_OK) != (db != NULL))
        abort();
    if (db)
        use(db);
    geo_db_unref(&db);
    diag_fini(&diag);
    return 0;
}
