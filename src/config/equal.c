/* Are two items the same? Values are compared, not text; clones share strings, so that most
 * comparisons end at equal pointers. */
#include "config_priv.h"

#include <stdlib.h>
#include <string.h>

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool lists_equal(const char *const *a, uint32_t a_n, const char *const *b, uint32_t b_n)
{
    if (a_n != b_n)
        return false;
    for (uint32_t i = 0; a != b && i < a_n; i++)
        if (!same(a[i], b[i]))
            return false;
    return true;
}

static bool ns_equal(const struct model_zone *a, const struct model_zone *b)
{
    if (a->ns_n != b->ns_n)
        return false;
    for (uint32_t i = 0; a->ns != b->ns && i < a->ns_n; i++)
        if (!same(a->ns[i].name, b->ns[i].name) ||
            !lists_equal(a->ns[i].addresses, a->ns[i].addresses_n, b->ns[i].addresses,
                         b->ns[i].addresses_n))
            return false;
    return true;
}

static bool compound_equal(const struct config_field *f, const struct slot *slot, const void *a,
                           const void *b)
{
    const void *x = config__member(a, slot), *y = config__member(b, slot);
    switch (f->kind) {
    case FIELD_LATLON: {
        const struct model_region *p = a, *q = b;
        return p->placed == q->placed && (!p->placed || (p->lat == q->lat && p->lon == q->lon));
    }
    case FIELD_NS:
        return ns_equal(a, b);
    case FIELD_LIST: {
        if (slot->noun == NOUN_RULE) {
            const struct model_rule *p = a, *q = b;
            return lists_equal(p->regions, p->regions_n, q->regions, q->regions_n);
        }
        const struct model_probe *p = a, *q = b;
        if (strcmp(f->key, "of") == 0)
            return lists_equal(p->of, p->of_n, q->of, q->of_n);
        return lists_equal(p->args, p->args_n, q->args, q->args_n);
    }
    case FIELD_FAILBACK: {
        const struct model_thresholds *p = config__thresholds(a), *q = config__thresholds(b);
        return p->failback == q->failback && p->failback_after_ms == q->failback_after_ms;
    }
    case FIELD_ON_EMPTY: {
        const struct model_service *p = a, *q = b;
        return p->on_empty == q->on_empty && same(p->on_empty_service, q->on_empty_service);
    }
    case FIELD_WHERE: {
        const struct model_place *p = x, *q = y;
        return same(p->text, q->text);
    }
    default:
        check_failed("a compound kind", __FILE__, __LINE__);
    }
    return false;
}

bool config__field_equal(const struct config_field *f, const struct slot *slot, const void *a,
                         const void *b)
{
    const void *x = config__member(a, slot), *y = config__member(b, slot);
    switch (f->kind) {
    case FIELD_INT:
        return config__int(slot, x) == config__int(slot, y);
    case FIELD_DURATION:
    case FIELD_AUTO_DURATION:
        return *(const int64_t *)x == *(const int64_t *)y;
    case FIELD_NUMBER:
    case FIELD_SHARE:
        return *(const double *)x == *(const double *)y;
    case FIELD_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case FIELD_ENUM:
        return *(const enum model_probe_type *)x == *(const enum model_probe_type *)y;
    case FIELD_NAME:
    case FIELD_TEXT:
    case FIELD_POLICY:
    case FIELD_REF:
    case FIELD_PATH:
    case FIELD_ADDRESS:
        return same(*(const char *const *)x, *(const char *const *)y);
    default:
        return compound_equal(f, slot, a, b);
    }
}

static bool endpoint_equal(const struct model_endpoint *a, const struct model_endpoint *b)
{
    return a->weight == b->weight && a->priority == b->priority && same(a->address, b->address) &&
           same(a->region, b->region) && same(a->probe, b->probe);
}

static int by_key(const void *a, const void *b)
{
    const struct model_endpoint *x = *(const struct model_endpoint *const *)a;
    const struct model_endpoint *y = *(const struct model_endpoint *const *)b;
    int c = strcmp(x->region, y->region);
    return c ? c : strcmp(x->address, y->address);
}

/* Endpoints stand in the declared order of regions, which may differ between two models without the
 * service having changed: so, when a straight comparison fails, they are compared as sets. */
static bool endpoints_equal(const struct model_service *a, const struct model_service *b)
{
    const struct model_endpoint *x[MODEL_ENDPOINTS_PER_SERVICE_MAX];
    const struct model_endpoint *y[MODEL_ENDPOINTS_PER_SERVICE_MAX];
    uint32_t n = a->endpoints_n, i = 0;
    if (n != b->endpoints_n)
        return false;
    if (a->endpoints == b->endpoints)
        return true;
    while (i < n && endpoint_equal(&a->endpoints[i], &b->endpoints[i]))
        i++;
    if (i == n || n > MODEL_ENDPOINTS_PER_SERVICE_MAX)
        return i == n;
    for (i = 0; i < n; i++) {
        x[i] = &a->endpoints[i];
        y[i] = &b->endpoints[i];
    }
    qsort(x, n, sizeof x[0], by_key);
    qsort(y, n, sizeof y[0], by_key);
    for (i = 0; i < n && endpoint_equal(x[i], y[i]);)
        i++;
    return i == n;
}

static bool rules_equal(const struct model_map *a, const struct model_map *b)
{
    if (a->rules_n != b->rules_n)
        return false;
    for (uint32_t i = 0; a->rules != b->rules && i < a->rules_n; i++) {
        const struct model_rule *x = &a->rules[i], *y = &b->rules[i];
        if (!same(x->where.text, y->where.text) ||
            !lists_equal(x->regions, x->regions_n, y->regions, y->regions_n))
            return false;
    }
    return true;
}

/* Is it the same service to the last pointer, as nearly all are after an edit? What validation derives
 * may have been made anew. */
static bool service_untouched(const struct model_service *a, const struct model_service *b)
{
    struct model_service x, y;
    if (memcmp(a, b, sizeof x) == 0)
        return true;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    x.parsed = y.parsed = NULL;
    x.zone = y.zone = NULL;
    return memcmp(&x, &y, sizeof x) == 0;
}

bool config__item_equal(enum config_noun noun, const void *a, const void *b)
{
    if (noun == NOUN_SERVICE && service_untouched(a, b))
        return true;
    size_t n;
    const struct config_field *f = config_fields(noun, &n);
    const struct slot *slot = config__slots(noun);
    for (size_t i = 0; i < n; i++)
        if (!config__field_equal(&f[i], &slot[i], a, b))
            return false;
    if (noun == NOUN_REGION)
        return ((const struct model_region *)a)->order == ((const struct model_region *)b)->order;
    if (noun == NOUN_SERVICE)
        return endpoints_equal(a, b);
    if (noun == NOUN_MAP)
        return rules_equal(a, b);
    return true;
}
