/* What serves, beside what is compiled: an edit leaves nearly all of it as it is. */
#include "snapshot_priv.h"

#include <stdlib.h>
#include <string.h>

/* Texts of a clone lie where the original's do. */
static bool same_regions(const struct model *a, const struct model *b)
{
    bool same = a->regions_n == b->regions_n;
    for (uint32_t i = 0; same && i < a->regions_n; i++)
        same = a->regions[i].name == b->regions[i].name;
    return same;
}

/* Has it the same endpoints, sites and view? */
static bool same_choice(const struct model_service *a, const struct model_service *b)
{
    return a->endpoints == b->endpoints && a->endpoints_n == b->endpoints_n &&
           a->policy == b->policy && a->map == b->map;
}

/* Two services that have one view may have two maps that say the same, of which one says another thing now. */
static bool same_maps(const struct model *a, const struct model *b)
{
    return a->maps_n == b->maps_n &&
           (a->maps_n == 0 || memcmp(a->maps, b->maps, a->maps_n * sizeof *a->maps) == 0);
}

enum err compile_before(struct compile *c)
{
    const struct snapshot *last = c->cache->last;
    const struct model *was = last ? last->model : NULL, *is = c->m;
    if (!last)
        return ERR_OK;
    c->before = malloc((is->services_n + (size_t)1) * sizeof *c->before);
    if (!c->before)
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for %u services", is->services_n);
    bool regions = same_regions(was, is);
    c->same_maps = same_maps(was, is);
    for (uint32_t o = 0, n = 0; n < is->services_n;) {
        const struct model_service *old = o < was->services_n ? &was->services[o] : NULL;
        const struct model_service *new = &is->services[n];
        int order = !old ? 1 : old->name == new->name ? 0 : strcmp(old->name, new->name);
        if (order >= 0)
            c->before[n++] =
                (struct before){.at = (order == 0 ? o : BEFORE_NONE) & BEFORE_NONE,
                                .same = order == 0 && regions && same_choice(old, new)};
        c->kept_n += order == 0;
        o += order <= 0;
    }
    return ERR_OK;
}
