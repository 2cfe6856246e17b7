#include "metadata.h"
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <maxminddb.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* A tree is walked once: what visits many more nodes than it has runs in circles or shares subtrees
 * so that it would explode. */
#define VISITS_PER_NODE_MAX 4u
#define VISITS_MORE_MAX (1u << 20)
#define WORK_PER_BYTE_MAX 16u
#define WORK_MORE_MAX (1u << 20)
#define BUILD_EPOCH_MAX 253402300799u /* the year 9999: later is nonsense */

struct load {
    const char *path;
    struct diag *diag;
    MMDB_s mmdb;
    bool is_open;
    struct geo_db *db;
    struct records records;
    uint64_t visits_left;
    unsigned family, bits, block_bits; /* of the walk that is going on */
    u128 *weight;                      /* per place, of the block that collapses */
    uint32_t *touched; /* the places with a weight, in order of their first address */
    size_t touched_n, weights_cap;
};

/* ---- reading the file ---- */

static enum err refuse_damaged(struct load *l, const char *what)
{
    return diag_error(l->diag, ERR_CORRUPT, l->path,
                      "the database is damaged: %s; fetch it again or restore it from a copy",
                      what);
}

static enum err refuse_nomem(struct load *l)
{
    return diag_error(l->diag, ERR_NOMEM, l->path, "out of memory while loading the database");
}

static enum err check_file(struct load *l, int fd, struct stat *st)
{
    if (fd < 0 || fstat(fd, st) != 0)
        return diag_error(l->diag, ERR_IO, l->path, "the database cannot be opened: %s",
                          strerror(errno));
    if (!S_ISREG(st->st_mode))
        return diag_error(l->diag, ERR_IO, l->path, "the database is not a regular file");
    if (st->st_size == 0)
        return diag_error(l->diag, ERR_CORRUPT, l->path, "the database is empty (0 bytes)");
    struct geo_db_info *info = &l->db->info;
    info->size_bytes = (uint64_t)st->st_size;
    info->inode = (uint64_t)st->st_ino;
    info->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    return ERR_OK;
}

/* libmaxminddb maps the file that it is given. It gets a copy in memory, because whoever truncates
 * a mapped file (a copy over it in place) kills the process that reads it. */
static enum err copy_file(struct load *l, int fd, int copy)
{
    uint64_t left = l->db->info.size_bytes;
    while (left > 0) {
        ssize_t n = sendfile(copy, fd, NULL, left < (1u << 30) ? (size_t)left : 1u << 30);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return diag_error(l->diag, ERR_IO, l->path, "the database cannot be read: %s",
                              strerror(errno));
        if (n == 0)
            break;
        left -= (uint64_t)n;
    }
    struct stat st;
    if (left > 0 || fstat(fd, &st) != 0 || (uint64_t)st.st_size != l->db->info.size_bytes ||
        (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec != l->db->info.mtime_ns)
        return diag_error(l->diag, ERR_BUSY, l->path,
                          "the database changed while it was read; write it beside and rename it");
    return ERR_OK;
}

static enum err refuse_metadata(struct load *l)
{
    return diag_error(l->diag, ERR_CORRUPT, l->path,
                      "this is no MaxMind database (.mmdb), or it was cut short: "
                      "no metadata that make sense at its end");
}

static enum err check_end(struct load *l, int copy)
{
    size_t size = (size_t)l->db->info.size_bytes;
    void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, copy, 0);
    if (bytes == MAP_FAILED)
        return ERR_NOMEM;
    bool sound = metadata_is_sound(bytes, size);
    munmap(bytes, size);
    return sound ? ERR_OK : refuse_metadata(l);
}

static enum err open_mmdb(struct load *l, const char *name)
{
    int status = MMDB_open(name, MMDB_MODE_MMAP, &l->mmdb);
    l->is_open = status == MMDB_SUCCESS;
    switch (status) {
    case MMDB_SUCCESS:
        return ERR_OK;
    case MMDB_OUT_OF_MEMORY_ERROR:
        return refuse_nomem(l);
    case MMDB_UNKNOWN_DATABASE_FORMAT_ERROR:
    case MMDB_INVALID_METADATA_ERROR:
        return refuse_metadata(l);
    default:
        return refuse_damaged(l, MMDB_strerror(status));
    }
}

static enum err open_copy(struct load *l)
{
    struct stat st;
    int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us */
    enum err e = check_file(l, fd, &st);
    int copy = e ? -1 : memfd_create("meridian-geo", MFD_CLOEXEC);
    if (!e && copy < 0)
        e = diag_error(l->diag, ERR_IO, l->path, "no memory file for the database: %s",
                       strerror(errno));
    if (!e)
        e = copy_file(l, fd, copy);
    if (!e)
        e = check_end(l, copy);
    if (!e) {
        char name[64];
        snprintf(name, sizeof name, "/proc/self/fd/%d", copy);
        e = open_mmdb(l, access(name, R_OK) == 0 ? name : l->path);
    }
    if (fd >= 0)
        close(fd);
    if (copy >= 0)
        close(copy);
    return e;
}

static enum err check_metadata(struct load *l)
{
    const MMDB_metadata_s *m = &l->mmdb.metadata;
    uint64_t tree_bytes = (uint64_t)m->node_count * l->mmdb.full_record_byte_size;
    if (m->ip_version != 4 && m->ip_version != 6)
        return refuse_damaged(l, "its IP version is neither 4 nor 6");
    if (m->node_count > GEO_NODES_MAX)
        return diag_error(l->diag, ERR_LIMIT, l->path,
                          "the database has %u tree nodes, more than %u", m->node_count,
                          GEO_NODES_MAX);
    if (m->node_count == 0 || tree_bytes + SEPARATOR_BYTES > l->db->info.size_bytes)
        return refuse_damaged(l, "its tree is larger than the file, or empty");
    return ERR_OK;
}

/* ---- walking the tree ---- */

static enum err put_range(struct load *l, u128 addr, uint32_t place)
{
    struct ranges_v4 *v4 = &l->db->v4;
    struct ranges_v6 *v6 = &l->db->v6;
    if (l->family == 4) {
        if (v4->n && v4->value[v4->n - 1] == place)
            return ERR_OK;
        if (v4->n == v4->cap && !geo__ranges_v4_reserve(v4, v4->cap + v4->cap / 2 + 1024))
            return ERR_NOMEM;
        v4->start[v4->n] = (uint32_t)addr;
        v4->value[v4->n++] = place;
        return ERR_OK;
    }
    if (v6->n && v6->value[v6->n - 1] == place)
        return ERR_OK;
    if (v6->n == v6->cap && !geo__ranges_v6_reserve(v6, v6->cap + v6->cap / 2 + 1024))
        return ERR_NOMEM;
    v6->start[v6->n] = (uint64_t)(addr >> 64);
    v6->value[v6->n++] = place;
    return ERR_OK;
}

static enum err add_weight(struct load *l, uint32_t place, unsigned depth)
{
    if (place == 0)
        return ERR_OK;
    if (place >= l->weights_cap) {
        size_t cap = l->records.places_cap;
        u128 *w = realloc(l->weight, cap * sizeof *w);
        if (w)
            l->weight = w;
        uint32_t *t = w ? realloc(l->touched, cap * sizeof *t) : NULL;
        if (!t)
            return ERR_NOMEM;
        l->touched = t;
        memset(l->weight + l->weights_cap, 0, (cap - l->weights_cap) * sizeof *w);
        l->weights_cap = cap;
    }
    if (l->weight[place] == 0)
        l->touched[l->touched_n++] = place;
    l->weight[place] += (u128)1 << (l->bits - depth);
    return ERR_OK;
}

/* The place with most addresses among those with a location, else (a database of ASNs) among all;
 * the lowest address where two have the same. Forgets the weights. */
static uint32_t take_majority(struct load *l)
{
    uint32_t best = 0;
    bool best_located = false;
    for (size_t i = 0; i < l->touched_n; i++) {
        uint32_t place = l->touched[i];
        bool located = geo__place_has_location(&l->db->places[place]);
        if (best == 0 || located > best_located ||
            (located == best_located && l->weight[place] > l->weight[best])) {
            best = place;
            best_located = located;
        }
    }
    for (size_t i = 0; i < l->touched_n; i++)
        l->weight[l->touched[i]] = 0;
    l->touched_n = 0;
    return best;
}

static enum err put_leaf(struct load *l, u128 addr, unsigned depth, uint32_t place)
{
    return depth <= l->block_bits ? put_range(l, addr, place) : add_weight(l, place, depth);
}

static enum err put_record(struct load *l, u128 addr, unsigned depth, uint32_t offset)
{
    uint32_t place = 0;
    enum err e = records_place(&l->records, offset, &place);
    if (e == ERR_CORRUPT)
        return refuse_damaged(l, "a record cannot be read");
    if (e == ERR_LIMIT)
        return diag_error(l->diag, e, l->path, "the database has more than %u distinct records",
                          GEO_RECORDS_MAX);
    return e ? e : put_leaf(l, addr, depth, place);
}

/* Is this the IPv4 tree, or one of its aliases in the IPv6 tree? Databases make them by pointing at
 * the same node; the prefixes catch those that copy it. */
static bool is_ipv4_alias(const struct load *l, uint64_t node, u128 addr, unsigned depth)
{
    if (l->family == 4)
        return false;
    if (node == l->mmdb.ipv4_start_node.node_value && node < l->mmdb.metadata.node_count)
        return true;
    switch (depth) {
    case 16:
        return addr == (u128)0x2002 << 112;
    case 32:
        return addr == (u128)0x20010000 << 96;
    case 96:
        return addr == 0 || addr == (u128)0xffff << 32;
    default:
        return false;
    }
}

/* The two records of a node that is there, as check_metadata saw: of 24, 28 or 32 bits. */
static void read_node(const struct load *l, uint32_t number, uint32_t record[2])
{
    unsigned bytes = l->mmdb.full_record_byte_size;
    const uint8_t *p = l->mmdb.file_content + (size_t)number * bytes;
    record[0] = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    if (bytes == 6) {
        record[1] = (uint32_t)p[3] << 16 | (uint32_t)p[4] << 8 | p[5];
    } else if (bytes == 7) { /* the upper four bits of both lie between them */
        record[0] |= (uint32_t)(p[3] >> 4) << 24;
        record[1] = geo__load_be32(p + 3) & 0x0fffffff;
    } else {
        record[0] = record[0] << 8 | p[3];
        record[1] = geo__load_be32(p + 4);
    }
}

static enum err walk_node(struct load *l, uint32_t number, u128 addr, unsigned depth);

/* Below the number of nodes a record is one of them, which is never the first; there it says nothing, above it
 * leads into the data. */
static enum err walk_record(struct load *l, uint32_t value, u128 addr, unsigned depth)
{
    uint32_t nodes = l->mmdb.metadata.node_count;
    if (is_ipv4_alias(l, value, addr, depth) || value == nodes)
        return put_leaf(l, addr, depth, 0);
    if (value > nodes && value - nodes < l->mmdb.data_section_size)
        return put_record(l, addr, depth, value - nodes - SEPARATOR_BYTES);
    if (value > 0 && value < nodes)
        return walk_node(l, value, addr, depth);
    return refuse_damaged(l, "its tree points outside the file");
}

static enum err walk_node(struct load *l, uint32_t number, u128 addr, unsigned depth)
{
    uint32_t record[2];
    if (depth == l->bits)
        return refuse_damaged(l, "its tree is deeper than an address is long");
    if (l->visits_left-- == 0)
        return refuse_damaged(l, "its tree runs in circles");
    read_node(l, number, record);
    depth++;
    enum err e = walk_record(l, record[0], addr, depth);
    addr |= (u128)1 << (l->bits - depth);
    if (!e)
        e = walk_record(l, record[1], addr, depth);
    if (!e && depth == l->block_bits + 1)
        e = put_range(l, addr & ~((u128)1 << (l->bits - depth)), take_majority(l));
    return e;
}

static enum err walk_v4(struct load *l)
{
    l->family = 4;
    l->bits = 32;
    l->block_bits = BLOCK_BITS_V4;
    uint32_t start = l->mmdb.ipv4_start_node.node_value, nodes = l->mmdb.metadata.node_count;
    if (l->mmdb.metadata.ip_version == 4)
        return walk_node(l, 0, 0, 0);
    if (start < nodes)
        return walk_node(l, start, 0, 0);
    /* One leaf for all of IPv4: where the IPv6 tree ends above ::/96. */
    return start == nodes ? put_leaf(l, 0, 0, 0)
                          : put_record(l, 0, 0, start - nodes - SEPARATOR_BYTES);
}

static enum err walk_v6(struct load *l)
{
    l->family = 6;
    l->bits = 128;
    l->block_bits = BLOCK_BITS_V6;
    return l->mmdb.metadata.ip_version == 4 ? put_leaf(l, 0, 0, 0) : walk_node(l, 0, 0, 0);
}

/* ---- the whole ---- */

static const char *keep_type(struct geo_db *db, const char *type)
{
    char text[64];
    snprintf(text, sizeof text, "%s", type ? type : "");
    for (char *p = text; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            *p = '?';
    return arena_strdup(db->arena, text);
}

static enum err finish(struct load *l)
{
    struct geo_db *db = l->db;
    struct geo_db_info *info = &db->info;
    const MMDB_metadata_s *m = &l->mmdb.metadata;
    for (uint32_t i = 1; i < db->places_n; i++) {
        info->has_location |= geo__place_has_location(&db->places[i]);
        info->has_asn |= db->places[i].asn != 0;
    }
    if (!geo__ranges_v4_reserve(&db->v4, db->v4.n) || !geo__ranges_v6_reserve(&db->v6, db->v6.n))
        return ERR_NOMEM;
    info->type = keep_type(db, m->database_type);
    if (!info->type)
        return ERR_NOMEM;
    info->build_epoch = m->build_epoch > BUILD_EPOCH_MAX ? 0 : m->build_epoch;
    info->nodes = m->node_count;
    info->records = db->places_n - 1;
    info->ranges_v4 = (uint32_t)db->v4.n;
    info->ranges_v6 = (uint32_t)db->v6.n;
    if (!info->has_location && !info->has_asn)
        return diag_error(l->diag, ERR_INVALID, l->path,
                          "the database (%s) holds neither locations nor AS numbers; use one of "
                          "type City, Country or ASN",
                          info->type[0] ? info->type : "of no type");
    return ERR_OK;
}

static enum err load(struct load *l)
{
    struct geo_db *db = l->db;
    db->arena = arena_create(0);
    db->info.path = db->arena ? arena_strdup(db->arena, l->path) : NULL;
    if (!db->info.path)
        return ERR_NOMEM;
    enum err e = open_copy(l);
    if (!e)
        e = check_metadata(l);
    if (e)
        return e;
    struct data data = {.bytes = l->mmdb.data_section, .size = l->mmdb.data_section_size};
    data.work_left = (uint64_t)data.size * WORK_PER_BYTE_MAX + WORK_MORE_MAX;
    l->visits_left = (uint64_t)l->mmdb.metadata.node_count * VISITS_PER_NODE_MAX + VISITS_MORE_MAX;
    e = records_open(&l->records, db, data);
    if (!e)
        e = walk_v4(l);
    if (!e)
        e = walk_v6(l);
    return e ? e : finish(l);
}

enum err geo_db_load(const char *path, struct geo_db **out, struct diag *diag)
{
    *out = NULL;
    struct load l = {.path = path, .diag = diag, .db = calloc(1, sizeof *l.db)};
    if (!l.db)
        return refuse_nomem(&l);
    atomic_init(&l.db->refs, 1);
    size_t errors = diag ? diag->errors : 0;
    enum err e = load(&l);
    if (e && diag && diag->errors == errors)
        refuse_nomem(&l); /* the only failure that leaves its sentence to us */
    records_close(&l.records);
    free(l.weight);
    free(l.touched);
    if (l.is_open)
        MMDB_close(&l.mmdb);
    if (e)
        geo_db_unref(&l.db);
    else
        arena_freeze(l.db->arena);
    *out = l.db;
    return e;
}
