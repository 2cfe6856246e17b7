#include "model/model.h"

#include "base/check.h"
#include "base/clock.h"
#include "model_priv.h"

#include <string.h>

#define HOLD_MS_MIN 30000
#define WINDOW_MS_MIN 60000
#define WINDOW_INTERVALS 20
#define INTERVAL_MS_DEFAULT 10000
#define TTL_MOVING_S_MIN 5

/* Settings were checked by model_validate, so that a value which cannot be read is a default. */
static const char *value(const struct model *m, const char *key)
{
    return model_setting(m, key);
}

static double share(const struct model *m, const char *key)
{
    double v = 0;
    if (!model_share_parse(value(m, key), &v))
        CHECK(model_share_parse(model_setting_info(key)->fallback, &v));
    return v;
}

static int64_t duration(const struct model *m, const char *key)
{
    const char *text = value(m, key);
    int64_t ms = 0;
    if (strcmp(text, "auto") == 0 || !duration_parse(text, &ms))
        return MODEL_AUTO;
    return ms;
}

void model__defaults_fill(struct model *m)
{
    struct model_effective *d = &m->defaults;
    int failback = FAILBACK_AUTO;
    *d = (struct model_effective){
        .degrade = share(m, "degrade"),
        .fail = share(m, "fail"),
        .panic = share(m, "panic"),
        .min_capacity = share(m, "min-capacity"),
        .max_move = share(m, "max-move"),
        .ramp_ms = duration(m, "ramp"),
        .hold_ms = duration(m, "hold"),
        .window_ms = duration(m, "window"),
    };
    if (!model_integer_parse(value(m, "min-regions"), &d->min_regions))
        d->min_regions = 1;
    if (model_failback_parse(value(m, "failback"), &failback, &d->failback_after_ms))
        d->failback = (enum model_failback)failback;
    if (d->ramp_ms < 0)
        d->ramp_ms = 60000;
}

static int64_t interval_max(const struct model *m, const struct model_service *s)
{
    const char *last = s->probe;
    const struct model_probe *p = last ? model_probe(m, last) : NULL;
    int64_t ms = p ? p->interval_ms : 0;
    for (uint32_t i = 0; i < s->endpoints_n; i++) {
        const char *own = s->endpoints[i].probe;
        if (!own || own == last)
            continue;
        last = own;
        p = model_probe(m, own);
        if (p && p->interval_ms > ms)
            ms = p->interval_ms;
    }
    return ms ? ms : INTERVAL_MS_DEFAULT;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t ttl_moving(const struct model_service *s)
{
    int64_t ttl = s->ttl_moving_s >= 0 ? s->ttl_moving_s : larger(s->ttl_s / 2, TTL_MOVING_S_MIN);
    return ttl < s->ttl_s ? ttl : s->ttl_s;
}

struct model_effective model_service_effective(const struct model *m, const struct model_service *s)
{
    struct model_effective e = m->defaults;
    const struct model_thresholds *t = s->thresholds;
    e.degrade = t->degrade >= 0 ? t->degrade : e.degrade;
    e.fail = t->fail >= 0 ? t->fail : e.fail;
    e.panic = t->panic >= 0 ? t->panic : e.panic;
    e.min_capacity = t->min_capacity >= 0 ? t->min_capacity : e.min_capacity;
    e.max_move = t->max_move >= 0 ? t->max_move : e.max_move;
    e.ramp_ms = t->ramp_ms >= 0 ? t->ramp_ms : e.ramp_ms;
    e.min_regions = t->min_regions >= 0 ? t->min_regions : e.min_regions;
    e.hold_ms = t->hold_ms != MODEL_UNSET ? t->hold_ms : e.hold_ms;
    e.window_ms = t->window_ms != MODEL_UNSET ? t->window_ms : e.window_ms;
    if (e.hold_ms < 0)
        e.hold_ms = larger(HOLD_MS_MIN, s->ttl_s * 1000ll);
    if (e.window_ms < 0)
        e.window_ms = larger(WINDOW_MS_MIN, WINDOW_INTERVALS * interval_max(m, s));
    if (t->failback >= 0) {
        e.failback = (enum model_failback)t->failback;
        e.failback_after_ms = t->failback_after_ms;
    }
    e.ttl_moving_s = ttl_moving(s);
    return e;
}
