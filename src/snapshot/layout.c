/* Layouts: sites and endpoints of a service but for its addresses. Many services are laid out alike, and
 * what many share is at hand when one of them is asked for. */
#include "base/hash.h"
#include "snapshot_priv.h"

#include <stdlib.h>
#include <string.h>

#define SITE_CELLS (sizeof(struct steer_site) / sizeof(uint32_t))
#define CELLS_MAX (STEER_UNITS_MAX * SITE_CELLS + MODEL_ENDPOINTS_PER_SERVICE_MAX)

_Static_assert(sizeof(struct steer_site) % sizeof(uint32_t) == 0, "sites lie in cells");
_Static_assert(sizeof(struct steer_endpoint) == sizeof(uint32_t), "an endpoint is a cell");

static bool make_room(struct layouts *l, size_t more)
{
    if (l->n + more <= l->cap)
        return true;
    size_t cap = l->cap ? 2 * l->cap : 4 * CELLS_MAX;
    uint32_t *cell = realloc(l->cell, cap * sizeof *cell);
    if (!cell)
        return false;
    l->cell = cell;
    l->cap = cap;
    return true;
}

enum err layouts_add(struct layouts *l, const struct steer_site *site, uint32_t site_n,
                     const struct steer_endpoint *endpoint, uint32_t endpoint_n, uint32_t *at)
{
    uint32_t cell[CELLS_MAX];
    size_t n = site_n * SITE_CELLS + endpoint_n;
    *at = 0;
    if (n == 0)
        return ERR_OK;
    memcpy(cell, site, site_n * sizeof *site);
    memcpy(cell + site_n * SITE_CELLS, endpoint, endpoint_n * sizeof *endpoint);
    uint64_t hash = hash_bytes(cell, n * sizeof *cell, n);
    struct layout_seen *seen = &l->seen[hash % LAYOUTS_SEEN];
    if (seen->n == n && memcmp(l->cell + seen->at, cell, n * sizeof *cell) == 0) {
        *at = seen->at;
        return ERR_OK;
    }
    if (l->n + n > UINT32_MAX)
        return ERR_LIMIT;
    if (!make_room(l, n))
        return ERR_NOMEM;
    *seen = (struct layout_seen){(uint32_t)l->n, (uint32_t)n};
    *at = seen->at;
    memcpy(l->cell + l->n, cell, n * sizeof *cell);
    l->n += n;
    return ERR_OK;
}

const uint32_t *layouts_keep(const struct layouts *l, struct arena *arena)
{
    uint32_t *kept = arena_alloc_aligned(arena, (l->n + 1) * sizeof *kept, 64);
    if (kept && l->n)
        memcpy(kept, l->cell, l->n * sizeof *kept);
    return kept;
}

void layouts_fini(struct layouts *l)
{
    free(l->cell);
    *l = (struct layouts){0};
}
