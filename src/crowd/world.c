#include "crowd/world.h"

#include "crowd_priv.h"

#include <stdlib.h>
#include <string.h>

static void copy_words(_Atomic uint32_t *to, const _Atomic uint32_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        atomic_init(&to[i], atomic_load_explicit(&from[i], memory_order_relaxed));
}

bool crowd_world_init(struct crowd_world *w, struct snapshot *s)
{
    size_t n = snapshot_board_words(s);
    *w = (struct crowd_world){.words = malloc(n * sizeof *w->words)};
    if (!w->words)
        return false;
    memcpy(&w->as_if, s, sizeof *s);
    w->of = snapshot_ref(s);
    copy_words(w->words, s->steer.board.region, n); /* the first of them */
    w->as_if.steer.board = snapshot_board_on(s, w->words);
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
                snapshot_board_set(steer_site_word(&to->steer, service, i), 0,
                                   word_at(steer_site_word(&from->steer, old, k), 0));
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
                uint32_t own = to->service_endpoint_first[service] + i;
                uint32_t other = from->service_endpoint_first[old] + k;
                snapshot_board_set(steer_endpoint_word(&to->steer, service, own), 0,
                                   word_at(steer_endpoint_word(&from->steer, old, other), 0));
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
