#include "base/check.h"
#include "base/clock.h"
#include "config/config.h"
#include "snapshot_priv.h"

#include <stdlib.h>
#include <string.h>

struct snapshot_cache *snapshot_cache_create(void)
{
    return calloc(1, sizeof(struct snapshot_cache));
}

void snapshot_cache_destroy(struct snapshot_cache **cp)
{
    struct snapshot_cache *c = *cp;
    if (!c)
        return;
    cache_drop_views(c, false);
    cache_drop_geo(c);
    cache_drop_zones(c);
    snapshot_unref(&c->last);
    free(c->views);
    free(c->own);
    free(c);
    *cp = NULL;
}

void snapshot_cache_serves(struct snapshot_cache *c, struct snapshot *s)
{
    struct snapshot *before = c->last;
    c->last = snapshot_ref(s);
    snapshot_unref(&before);
    cache_settle_zones(c, true);
}

void snapshot_cache_recheck(struct snapshot_cache *c)
{
    c->recheck_geo = c->recheck_zones = true;
}

void snapshot_cache_recheck_geo(struct snapshot_cache *c)
{
    c->recheck_geo = true;
}

static enum err compile_all(struct compile *c)
{
    struct zones_work *zones = NULL;
    enum err e = compile_geo(c);
    if (!e)
        e = compile_before(c);
    if (!e)
        e = compile_places(c);
    if (!e)
        e = compile_zones_begin(c, &zones);
    if (!e)
        e = compile_services(c);
    enum err end = compile_zones_end(c, &zones, !e);
    if (!e)
        e = end;
    if (!e)
        e = compile_guard(c);
    if (!e)
        e = compile_board(c);
    if (!e && arena_failed(c->s->arena))
        e = diag_error(c->diag, ERR_NOMEM, "", "out of memory while compiling the configuration");
    return e;
}

enum err snapshot_compile(struct model *m, struct snapshot_cache *cache,
                          const struct snapshot_options *options, struct snapshot **out,
                          struct diag *diag)
{
    *out = NULL;
    struct snapshot *s = calloc(1, sizeof *s);
    struct arena *arena = s ? arena_create(0) : NULL;
    struct arena *words = arena ? arena_create(0) : NULL;
    if (!words) {
        arena_destroy(arena);
        free(s);
        return diag_error(diag, ERR_NOMEM, "", "out of memory while compiling the configuration");
    }
    arena_dense(arena, true);
    arena_dense(words, true);
    atomic_init(&s->refs, 1);
    s->arena = arena;
    s->words = words;
    s->model = model_ref(m);
    s->revision = m->revision;
    s->workers = options->workers;
    s->compiled_wall_ms = clock_wall_ms();
    struct compile c = {.m = m, .cache = cache, .options = options, .s = s, .diag = diag};
    cache_begin_views(cache);
    cache_settle_zones(cache, false);
    enum err e = compile_all(&c);
    if (cache->base)
        geo_base_fold(cache->base); /* all views are built */
    free(c.maps);
    free(c.map_digest);
    free(c.before);
    cache->recheck_geo = cache->recheck_zones = false;
    if (e) {
        cache_settle_zones(cache, false);
        snapshot_unref(&s);
        return e;
    }
    cache_drop_views(cache, true);
    arena_freeze(arena);
    *out = s;
    return ERR_OK;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void snapshot_unref(struct snapshot **sp)
{
    struct snapshot *s = *sp;
    *sp = NULL;
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    for (uint32_t i = 0; i < s->views_n; i++)
        view_unref(s->views[i]);
    names_unref(s->names);
    geo_base_unref(&s->base);
    model_unref(&s->model);
    arena_destroy(s->words);
    arena_destroy(s->arena);
    free(s);
}

/* Words that are written while the snapshot is read: in an arena that is never frozen. What one
 * thread writes lies on no line with what another does. */
static _Atomic uint32_t *words(struct snapshot *s, size_t n)
{
    return arena_alloc_aligned(s->words, (n * sizeof(uint32_t) + 128) & ~(size_t)127, 128);
}

uint32_t snapshot_service_with(const struct snapshot *s, const uint32_t *first, uint32_t at)
{
    uint32_t low = 0, high = s->services_n;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (first[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Of regions and their spills, up to the start of a line. */
static size_t regions_words(const struct snapshot *s)
{
    size_t n = (size_t)s->regions_n + STEER_REGIONS_MAX + 1;
    return (n + STEER_LINE_WORDS - 1) / STEER_LINE_WORDS * STEER_LINE_WORDS;
}

size_t snapshot_board_words(const struct snapshot *s)
{
    return regions_words(s) + s->service_words;
}

struct steer_board snapshot_board_on(const struct snapshot *s, _Atomic uint32_t *words)
{
    struct steer_board b = {.region = words};
    b.spill = b.region + s->regions_n;
    b.service = words + regions_words(s);
    return b;
}

bool board_alloc(struct snapshot *s)
{
    _Atomic uint32_t *w = words(s, snapshot_board_words(s));
    if (w)
        s->steer.board = snapshot_board_on(s, w);
    return w != NULL;
}

/* Everything starts at full availability; the engine's words are written before the snapshot is
 * published. Those of services came with their addresses. */
static void fill_board(struct snapshot *s)
{
    const struct steer_board *b = &s->steer.board;
    for (uint32_t i = 0; i < s->regions_n; i++)
        atomic_init(&b->region[i], AVAIL_FULL);
    for (size_t i = 0; i <= STEER_REGIONS_MAX; i++)
        atomic_init(&b->spill[i], i < STEER_REGIONS_MAX ? STEER_SPILL_FULL : 0);
}

enum err compile_board(struct compile *c)
{
    struct snapshot *s = c->s;
    s->tally = ARENA_ARRAY(s->arena, struct snapshot_tally, s->workers ? s->workers : 1);
    if (!s->tally)
        return diag_error(c->diag, ERR_NOMEM, "", "out of memory for the availability board");
    fill_board(s);
    arena_dense(s->words, false); /* nobody asks for most services */
    for (unsigned w = 0; w < s->workers; w++) {
        s->tally[w].endpoint = words(s, s->endpoints_n);
        s->tally[w].fail_open = words(s, s->services_n);
        if (!s->tally[w].endpoint || !s->tally[w].fail_open)
            return diag_error(c->diag, ERR_NOMEM, "", "out of memory for the answer tallies");
    }
    return ERR_OK;
}
