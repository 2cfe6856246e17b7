#include "crowd/world.h"

#include "crowd_priv.h"

#include <stdlib.h>
#include <string.h>

static void copy_words(_Atomic uint32_t *to, const _Atomic uint32_t *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        atomic_init(&to[i], atomic_load_explicit(&from[i], memory_order_relaxed));
}

bool crowd_world_init(struct crowd_world *w, struct snapshot *s)
{
    const struct steer_board *b = &s->steer.board;
    size_t n = (size_t)s->endpoints_n + s->board_sites_n + s->regions_n + s->services_n +
               STEER_REGIONS_MAX + 1;
    *w = (struct crowd_world){.words = malloc(n * sizeof *w->words)};
    if (!w->words)
        return false;
    memcpy(&w->as_if, s, sizeof *s);
    w->of = snapshot_ref(s);
    struct steer_board own = {.endpoint = w->words};
    own.site = own.endpoint + s->endpoints_n;
    own.region = own.site + s->board_sites_n;
    own.ttl = own.region + s->regions_n;
    own.spill = own.ttl + s->services_n;
    copy_words(own.endpoint, b->endpoint, s->endpoints_n);
    copy_words(own.site, b->site, s->board_sites_n);
    copy_words(own.region, b->region, s->regions_n);
    copy_words(own.ttl, b->ttl, s->services_n);
    copy_words(own.spill, b->spill, STEER_REGIONS_MAX + 1);
    w->as_if.steer.board = own;
    return true;
}

void crowd_world_fini(struct crowd_world *w)
{
    if (w->of)
        snapshot_unref(&w->of);
    free(w->words);
    *w = (struct crowd_world){0};
}

static uint32_t word_at(const _Atomic uint32_t *words, uint32_t i)
{
    return atomic_load_explicit(&words[i], memory_order_relaxed);
}

static void adopt_sites(struct snapshot *to, uint32_t service, const struct snapshot *from,
                        uint32_t old, const uint8_t *old_region)
{
    for (uint32_t i = to->service_site_first[service]; i < to->service_site_first[service + 1]; i++)
        for (uint32_t k = from->service_site_first[old]; k < from->service_site_first[old + 1]; k++)
            if (old_region[to->board_site_region[i]] == from->board_site_region[k])
                snapshot_board_set(to->steer.board.site, i, word_at(from->steer.board.site, k));
}

static void adopt_endpoints(struct snapshot *to, uint32_t service, const struct snapshot *from,
                            uint32_t old)
{
    const struct model_service *a = &to->model->services[service];
    const struct model_service *b = &from->model->services[old];
    for (uint32_t i = 0; i < a->endpoints_n; i++)
        for (uint32_t k = 0; k < b->endpoints_n; k++)
            if (strcmp(a->endpoints[i].address, b->endpoints[k].address) == 0 &&
                strcmp(a->endpoints[i].region, b->endpoints[k].region) == 0) {
                snapshot_board_set(
                    to->steer.board.endpoint, to->service_endpoint_first[service] + i,
                    word_at(from->steer.board.endpoint, from->service_endpoint_first[old] + k));
                break;
            }
}

bool crowd_world_adopt(struct crowd_world *w, const struct crowd_world *other)
{
    struct snapshot *to = &w->as_if;
    const struct snapshot *from = &other->as_if;
    uint8_t old_region[MODEL_REGIONS_MAX];
    uint32_t *old = crowd__match_services(to->model, from->model);
    if (!old)
        return false;
    for (uint32_t i = 0; i < to->regions_n; i++) {
        int at = model_region_index(from->model, to->model->regions[i].name);
        old_region[i] = at < 0 ? UINT8_MAX : (uint8_t)at;
        if (at < 0)
            continue;
        snapshot_board_set(to->steer.board.region, i,
                           word_at(from->steer.board.region, (uint32_t)at));
        snapshot_spill_set(&to->steer.board, i, word_at(from->steer.board.spill, (uint32_t)at));
    }
    for (uint32_t i = 0; i < to->services_n; i++)
        if (old[i] != CROWD_ANY) {
            adopt_sites(to, i, from, old[i], old_region);
            adopt_endpoints(to, i, from, old[i]);
        }
    free(old);
    return true;
}

void crowd_world_set_region(struct crowd_world *w, uint32_t region, double avail)
{
    snapshot_board_set(w->as_if.steer.board.region, region, avail_from_double(avail));
}
