/* Regions, maps and latency into the tables of steering. */
#include "base/hash.h"
#include "snapshot_priv.h"

#include <stdlib.h>
#include <string.h>

static uint64_t digest_add(uint64_t digest, const void *bytes, size_t len)
{
    return hash_bytes(bytes, len, digest + 0x5bd1e995u);
}

static enum err compile_regions(struct compile *c)
{
    const struct model *m = c->m;
    struct steer_region *r = ARENA_ARRAY(c->s->arena, struct steer_region, m->regions_n + 1);
    if (!r)
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for regions");
    uint64_t digest = 1;
    for (uint32_t i = 0; i < m->regions_n; i++) {
        const struct model_region *in = &m->regions[i];
        r[i] = (struct steer_region){.name = in->name,
                                     .placed = in->placed,
                                     .lat = in->lat,
                                     .lon = in->lon,
                                     .bias_km = in->bias_km};
        double place[4] = {in->placed, in->lat, in->lon, in->bias_km};
        digest = digest_add(digest, place, sizeof place);
    }
    c->regions_digest = digest;
    c->s->regions = r;
    c->s->regions_n = m->regions_n;
    return ERR_OK;
}

static uint64_t digest_map(const struct model *m, const struct model_map *map)
{
    uint64_t digest = 2;
    for (uint32_t i = 0; i < map->rules_n; i++) {
        const struct model_rule *rule = &map->rules[i];
        digest = digest_add(digest, rule->where.text, strlen(rule->where.text));
        for (uint32_t k = 0; k < rule->regions_n; k++) {
            int index = model_region_index(m, rule->regions[k]);
            digest = digest_add(digest, &index, sizeof index);
        }
    }
    return digest;
}

static uint64_t digest_latency(const struct model *m)
{
    uint64_t digest = 3;
    for (uint32_t i = 0; i < m->latency_n; i++) {
        const struct model_latency *l = &m->latency[i];
        int index = model_region_index(m, l->region);
        digest = digest_add(digest, l->where.text, strlen(l->where.text));
        digest = digest_add(digest, &index, sizeof index);
        digest = digest_add(digest, &l->ms, sizeof l->ms);
    }
    return digest;
}

enum err compile_places(struct compile *c)
{
    const struct model *m = c->m;
    enum err e = compile_regions(c);
    if (e)
        return e;
    c->maps = calloc(m->maps_n + 1, sizeof *c->maps);
    c->map_digest = calloc(m->maps_n + 1, sizeof *c->map_digest);
    if (!c->maps || !c->map_digest)
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for maps");
    for (uint32_t i = 0; i < m->maps_n; i++) {
        c->maps[i] = steer_map_build(m, &m->maps[i], c->s->base, c->s->arena);
        c->map_digest[i] = digest_map(m, &m->maps[i]);
        if (!c->maps[i])
            return diag_error(c->diag, ERR_NOMEM, "", "out of memory for map %s", m->maps[i].name);
    }
    c->latency = steer_latency_build(m, c->s->base, c->s->arena);
    c->latency_digest = digest_latency(m);
    c->s->latency = c->latency;
    return c->latency ? ERR_OK
                      : diag_error(c->diag, ERR_NOMEM, "", "out of memory for the latency table");
}
