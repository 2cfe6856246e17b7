/* Databases and own networks into one geo base; kept in the cache while nothing changed. */
#include "base/check.h"
#include "snapshot_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* No file that is there has this inode; all zero is no file at all. */
#define INODE_ABSENT UINT64_MAX

static struct file_mark mark_file(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return (struct file_mark){.inode = INODE_ABSENT};
    return (struct file_mark){.inode = st.st_ino,
                              .size = (uint64_t)st.st_size,
                              .mtime_ns =
                                  (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec};
}

static bool mark_equal(struct file_mark a, struct file_mark b)
{
    return a.inode == b.inode && a.size == b.size && a.mtime_ns == b.mtime_ns;
}

static bool changed(const struct geo_db *db, struct file_mark now)
{
    return now.inode == INODE_ABSENT || geo_db_stale(db);
}

bool snapshot_cache_stale(const struct snapshot_cache *c)
{
    for (size_t i = 0; i < c->dbs_n; i++) {
        struct file_mark now = mark_file(c->db_paths[i]);
        if (changed(c->dbs[i], now) && !mark_equal(now, c->db_refused[i]))
            return true;
    }
    for (size_t i = 0; i < c->absent_n; i++)
        if (!mark_equal(mark_file(c->absent[i]), c->absent_as[i]))
            return true;
    return false;
}

static void drop_absent(struct snapshot_cache *c)
{
    for (size_t i = 0; i < c->absent_n; i++)
        free(c->absent[i]);
    free(c->absent);
    free(c->absent_as);
    c->absent = NULL;
    c->absent_as = NULL;
    c->absent_n = 0;
}

void cache_drop_geo(struct snapshot_cache *c)
{
    for (size_t i = 0; i < c->dbs_n; i++) {
        geo_db_unref(&c->dbs[i]);
        free(c->db_paths[i]);
    }
    free(c->dbs);
    free(c->db_paths);
    free(c->db_refused);
    c->dbs = NULL;
    c->db_paths = NULL;
    c->db_refused = NULL;
    c->dbs_n = 0;
    drop_absent(c);
    geo_base_unref(&c->base);
}

/* A database of the cache by path: a new reference, NULL. */
static struct geo_db *cached(const struct snapshot_cache *c, const char *path)
{
    for (size_t i = 0; i < c->dbs_n; i++)
        if (c->dbs[i] && strcmp(c->db_paths[i], path) == 0)
            return geo_db_ref(c->dbs[i]);
    return NULL;
}

static bool lists(const char *setting, const char *path)
{
    size_t len = strlen(path);
    for (const char *p = setting; p && (p = strstr(p, path)); p += len)
        if ((p == setting || p[-1] == ',' || p[-1] == ' ') &&
            (p[len] == '\0' || p[len] == ',' || p[len] == ' '))
            return true;
    return false;
}

static bool keeps(const struct compile *c, const char *path)
{
    const struct model *before = c->options->before;
    return c->options->keep_geo || (before && lists(model_setting(before, "geo"), path));
}

/* The database for a path: the cached one, or loaded anew when asked to look again. With keep_geo a
 * failure is a warning, and the old one (perhaps none) stays. */
static enum err get_db(struct compile *c, const char *path, struct geo_db **out,
                       struct file_mark *refused)
{
    struct geo_db *old = cached(c->cache, path);
    *out = old;
    struct file_mark seen = mark_file(path);
    if (old && !(c->cache->recheck_geo && changed(old, seen)))
        return ERR_OK;
    struct diag found = {0};
    struct geo_db *fresh = NULL;
    enum err e = geo_db_load(path, &fresh, &found);
    char text[512];
    diag_first(&found, text, sizeof text);
    diag_fini(&found);
    if (!e) {
        geo_db_unref(&old);
        *out = fresh;
        return ERR_OK;
    }
    if (!keeps(c, path)) {
        geo_db_unref(out);
        return diag_error(c->diag, e, "", "%s", text);
    }
    *refused = seen;
    diag_warning(c->diag, "", "%s; %s", text,
                 old ? "the one read before stays in use" : "going on without it");
    return ERR_OK;
}

struct db_list {
    struct geo_db **dbs;
    char **paths;
    struct file_mark *refused;
    size_t n;
    char **absent;
    struct file_mark *absent_as;
    size_t absent_n;
};

static void db_list_fini(struct db_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        geo_db_unref(&l->dbs[i]);
        free(l->paths[i]);
    }
    free(l->dbs);
    free(l->paths);
    free(l->refused);
    for (size_t i = 0; i < l->absent_n; i++)
        free(l->absent[i]);
    free(l->absent);
    free(l->absent_as);
}

static enum err add(struct db_list *l, const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return ERR_NOMEM;
    if (l->dbs[l->n]) {
        l->paths[l->n++] = copy;
    } else {
        l->absent_as[l->absent_n] = l->refused[l->n];
        l->refused[l->n] = (struct file_mark){0};
        l->absent[l->absent_n++] = copy;
    }
    return ERR_OK;
}

/* Room for as many as the setting names. */
static bool db_list_init(struct db_list *l, const char *setting)
{
    size_t max = 1;
    for (const char *p = setting; *p; p++)
        max += *p == ',';
    l->dbs = calloc(max, sizeof *l->dbs);
    l->paths = calloc(max, sizeof *l->paths);
    l->refused = calloc(max, sizeof *l->refused);
    l->absent = calloc(max, sizeof *l->absent);
    l->absent_as = calloc(max, sizeof *l->absent_as);
    return l->dbs && l->paths && l->refused && l->absent && l->absent_as;
}

/* The next path of a setting, which is cut to pieces; NULL at its end. */
static char *next_path(char **rest)
{
    for (char *p; (p = strsep(rest, ","));) {
        p += strspn(p, " ");
        for (size_t n = strlen(p); n && p[n - 1] == ' '; n--)
            p[n - 1] = '\0';
        if (*p)
            return p;
    }
    return NULL;
}

void snapshot_cache_read_geo(struct snapshot_cache *c, const char *setting)
{
    struct db_list l = {0};
    char *text = strdup(setting), *rest = text;
    if (text && !c->base && !c->dbs_n && db_list_init(&l, setting)) {
        struct diag unheard = {0};
        for (char *p; (p = next_path(&rest));)
            if (!geo_db_load(p, &l.dbs[l.n], &unheard) && add(&l, p) != ERR_OK)
                geo_db_unref(&l.dbs[l.n]);
        diag_fini(&unheard);
        c->dbs = l.dbs;
        c->db_paths = l.paths;
        c->db_refused = l.refused;
        c->dbs_n = l.n;
        l.dbs = NULL;
        l.paths = NULL;
        l.refused = NULL;
        l.n = 0;
    }
    db_list_fini(&l);
    free(text);
}

static enum err read_list(struct compile *c, struct db_list *l)
{
    const char *setting = model_setting(c->m, "geo");
    char *text = strdup(setting ? setting : ""), *rest = text;
    enum err e = text && db_list_init(l, text) ? ERR_OK : ERR_NOMEM;
    for (char *p; !e && (p = next_path(&rest));) {
        e = get_db(c, p, &l->dbs[l->n], &l->refused[l->n]);
        if (!e)
            e = add(l, p);
    }
    free(text);
    return e;
}

static bool same_list(const struct snapshot_cache *c, const struct db_list *l)
{
    if (c->dbs_n != l->n)
        return false;
    for (size_t i = 0; i < l->n; i++)
        if (c->dbs[i] != l->dbs[i])
            return false;
    return true;
}

static int prefix_order(const void *a, const void *b)
{
    const struct ip_prefix *x = a, *y = b;
    int order = ip_compare(&x->ip, &y->ip);
    return order ? order : (int)x->len - (int)y->len;
}

/* Networks that rules and latency rows name, sorted, without duplicates. */
static struct ip_prefix *own_networks(const struct model *m, size_t *n)
{
    size_t max = m->latency_n;
    for (uint32_t i = 0; i < m->maps_n; i++)
        max += m->maps[i].rules_n;
    struct ip_prefix *own = calloc(max ? max : 1, sizeof *own);
    *n = 0;
    if (!own)
        return NULL;
    for (uint32_t i = 0; i < m->maps_n; i++)
        for (uint32_t k = 0; k < m->maps[i].rules_n; k++)
            if (m->maps[i].rules[k].where.kind == WHERE_NET)
                own[(*n)++] = m->maps[i].rules[k].where.net;
    for (uint32_t i = 0; i < m->latency_n; i++)
        if (m->latency[i].where.kind == WHERE_NET)
            own[(*n)++] = m->latency[i].where.net;
    if (*n)
        qsort(own, *n, sizeof *own, prefix_order);
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (i == 0 || prefix_order(&own[i], &own[kept - 1]) != 0)
            own[kept++] = own[i];
    *n = kept;
    return own;
}

static void move_absent(struct snapshot_cache *c, struct db_list *l)
{
    c->absent = l->absent;
    c->absent_as = l->absent_as;
    c->absent_n = l->absent_n;
    l->absent = NULL;
    l->absent_as = NULL;
    l->absent_n = 0;
}

enum err compile_geo(struct compile *c)
{
    struct snapshot_cache *cache = c->cache;
    struct db_list l = {0};
    enum err e = read_list(c, &l);
    size_t own_n = 0;
    struct ip_prefix *own = own_networks(c->m, &own_n);
    if (!own && !e)
        e = ERR_NOMEM;
    for (size_t i = 0; !e && cache->base && i < l.n && same_list(cache, &l); i++)
        if (l.refused[i].inode) /* the old one stays: what was refused need not be read again */
            cache->db_refused[i] = l.refused[i];
    bool same = !e && cache->base && same_list(cache, &l) && own_n == cache->own_n &&
                (own_n == 0 || memcmp(own, cache->own, own_n * sizeof *own) == 0);
    if (!e && !same) {
        struct geo_base *base = NULL;
        e = geo_base_build(l.dbs, l.n, own, own_n, &base, c->diag);
        if (!e) {
            cache_drop_geo(cache);
            free(cache->own);
            cache->base = base;
            cache->base_serial++;
            cache->own = own;
            cache->own_n = own_n;
            cache->dbs = l.dbs;
            cache->db_paths = l.paths;
            cache->db_refused = l.refused;
            cache->dbs_n = l.n;
            move_absent(cache, &l);
            own = NULL;
            l = (struct db_list){0};
        }
    }
    if (!e && l.absent) { /* not moved with a new base */
        drop_absent(cache);
        move_absent(cache, &l);
    }
    free(own);
    db_list_fini(&l);
    if (e == ERR_NOMEM && !(c->diag && c->diag->errors))
        return diag_error(c->diag, e, "", "out of memory while reading geo databases");
    if (!e)
        c->s->base = geo_base_ref(cache->base);
    return e;
}
