/* What differs between two models, and how to walk between them. */
#include "config_priv.h"

#include <stdlib.h>
#include <string.h>

static const enum config_noun parts[] = {NOUN_SETTING, NOUN_ZONE,    NOUN_REGION, NOUN_PROBE,
                                         NOUN_MAP,     NOUN_LATENCY, NOUN_SERVICE};

struct differ {
    struct config_changes *out;
    size_t cap;
    struct shape shape;
    bool failed;
};

static char *item_text(struct differ *d, enum config_noun noun, const void *item)
{
    struct text t = {0};
    if (!item)
        return NULL;
    config__put_item(&t, &d->shape, noun, item, false, false, true);
    char *s = config__text_take(&t);
    d->failed = d->failed || !s;
    return s;
}

static char *item_key(enum config_noun noun, const void *item)
{
    const struct model_latency *l = item;
    struct text t = {0};
    if (noun != NOUN_LATENCY)
        return strdup(*(const char *const *)item);
    config__put(&t, l->where.text);
    config__put(&t, " ");
    config__put(&t, l->region);
    return config__text_take(&t);
}

static void differs(struct differ *d, enum config_noun noun, const void *a, const void *b)
{
    if (d->out->n == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 16;
        void *grown = reallocarray(d->out->change, cap, sizeof *d->out->change);
        if (!grown) {
            d->failed = true;
            return;
        }
        d->out->change = grown;
        d->cap = cap;
    }
    struct config_change *c = &d->out->change[d->out->n++];
    *c = (struct config_change){.noun = noun, .key = item_key(noun, a ? a : b)};
    c->before = item_text(d, noun, a);
    c->after = item_text(d, noun, b);
    d->failed = d->failed || !c->key;
}

static void diff_sorted(struct differ *d, enum config_noun noun, const struct model *a,
                        const struct model *b)
{
    enum model_part part = config__part(noun);
    size_t size = model_part_size(part);
    const char *x = model_part_items(a, part), *y = model_part_items(b, part);
    uint32_t x_n = model_part_count(a, part), y_n = model_part_count(b, part), i = 0, j = 0;
    while (i < x_n || j < y_n) {
        const void *p = i < x_n ? x + i * size : NULL, *q = j < y_n ? y + j * size : NULL;
        int c = !p ? 1 : !q ? -1 : model_part_compare(part, p, q);
        if (c != 0 || !config__item_equal(noun, p, q))
            differs(d, noun, c <= 0 ? p : NULL, c >= 0 ? q : NULL);
        i += c <= 0;
        j += c >= 0;
    }
}

/* Regions stand in declared order, and there are few. */
static void diff_regions(struct differ *d, const struct model *a, const struct model *b)
{
    for (uint32_t i = 0; i < a->regions_n; i++) {
        const struct model_region *q = model_region(b, a->regions[i].name);
        if (!q || !config__item_equal(NOUN_REGION, &a->regions[i], q))
            differs(d, NOUN_REGION, &a->regions[i], q);
    }
    for (uint32_t i = 0; i < b->regions_n; i++)
        if (!model_region(a, b->regions[i].name))
            differs(d, NOUN_REGION, NULL, &b->regions[i]);
}

enum err config_diff(const struct model *a, const struct model *b, struct config_changes *out)
{
    struct differ d = {.out = out};
    *out = (struct config_changes){0};
    config__shape_init(&d.shape);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i] == NOUN_REGION)
            diff_regions(&d, a, b);
        else
            diff_sorted(&d, parts[i], a, b);
    if (!d.failed)
        return ERR_OK;
    config_changes_fini(out);
    return ERR_NOMEM;
}

void config_changes_fini(struct config_changes *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->change[i].key);
        free(c->change[i].before);
        free(c->change[i].after);
    }
    free(c->change);
    *c = (struct config_changes){0};
}

/* ---- walking ---- */

/* One change as an item of its part: what it is known by, and what it becomes. */
struct patch {
    union item item; /* parsed from whichever side there is */
    bool remove;
};

static enum err read_change(struct reader *r, const struct config_change *c, bool undo,
                            struct patch *p)
{
    const char *to = undo ? c->before : c->after, *text = to ? to : undo ? c->after : c->before;
    struct at place = {.key = c->key};
    json_error_t error;
    json_t *j = text ? json_loads(text, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (!j)
        return diag_error(r->diag, ERR_CORRUPT, c->key,
                          "the stored change of this %s cannot be read", config_noun_name(c->noun));
    p->item = r->shape.fallback[c->noun];
    p->remove = !to;
    enum err e = config__read_item(r, &place, c->noun, j, &p->item);
    json_decref(j);
    if (!e && !*(const char *const *)(const void *)&p->item && c->noun != NOUN_LATENCY)
        e = config__missing_key(r, &place, "name");
    if (!e && c->noun == NOUN_LATENCY && (!p->item.latency.where.text || !p->item.latency.region))
        e = config__missing_key(r, &place, "where");
    return e;
}

static int patch_compare(const void *a, const void *b, void *part)
{
    return model_part_compare(*(enum model_part *)part, a, b); /* the item comes first */
}

/* Merges sorted patches into the sorted array of a part. */
static enum err merge(struct reader *r, enum model_part part, struct patch *patch, size_t n)
{
    size_t size = model_part_size(part);
    const char *old = model_part_items(r->m, part);
    uint32_t old_n = model_part_count(r->m, part), i = 0, done = 0;
    char *out = old_n + n < UINT32_MAX ? malloc((old_n + n + 1) * size) : NULL;
    if (!out)
        return config__nomem(r->diag);
    qsort_r(patch, n, sizeof *patch, patch_compare, &part);
    for (size_t k = 0; i < old_n || k < n;) {
        int c = i == old_n ? 1
                : k == n   ? -1
                           : model_part_compare(part, old + i * size, &patch[k].item);
        if (c < 0 || !patch[k].remove)
            memcpy(out + done++ * size, c < 0 ? (const void *)(old + i * size) : &patch[k].item,
                   size);
        i += c <= 0;
        k += c >= 0;
    }
    model_part_take(r->m, part, out, done);
    return ERR_OK;
}

static enum err merge_regions(struct reader *r, const struct patch *patch, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        int at = model_region_index(r->m, patch[k].item.region.name);
        if (at >= 0)
            model_part_remove(r->m, PART_REGIONS, (uint32_t)at);
        if (patch[k].remove)
            continue;
        struct model_region *new = model_part_insert(r->m, PART_REGIONS, r->m->regions_n);
        if (!new)
            return config__nomem(r->diag);
        *new = patch[k].item.region;
    }
    model_part_sort(r->m, PART_REGIONS);
    return ERR_OK;
}

static enum err walk(struct reader *r, const struct config_changes *c, bool undo,
                     struct patch *patch)
{
    /* Regions first: the order of endpoints follows theirs. */
    static const enum config_noun order[] = {NOUN_REGION, NOUN_SETTING, NOUN_ZONE,   NOUN_PROBE,
                                             NOUN_MAP,    NOUN_LATENCY, NOUN_SERVICE};
    enum err e = ERR_OK;
    for (size_t i = 0; !e && i < ARRAY_LEN(order); i++) {
        size_t n = 0;
        for (size_t k = 0; !e && k < c->n; k++)
            if (c->change[k].noun == order[i])
                e = read_change(r, &c->change[k], undo, &patch[n++]);
        if (!e && n)
            e = order[i] == NOUN_REGION ? merge_regions(r, patch, n)
                                        : merge(r, config__part(order[i]), patch, n);
    }
    return e;
}

enum err config_apply_changes(struct model *m, const struct config_changes *c, bool undo,
                              struct diag *diag)
{
    struct patch *patch = malloc((c->n + 1) * sizeof *patch);
    struct reader *r = malloc(sizeof *r);
    enum err e = patch && r ? ERR_OK : config__nomem(diag);
    if (!e) {
        config__reader_init(r, m, diag);
        r->changes = true;
        e = walk(r, c, undo, patch);
    }
    free(patch);
    free(r);
    if (!e && !config__endpoints_order(m))
        e = config__nomem(diag);
    return e;
}
