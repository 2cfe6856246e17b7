/* Settings into a snapshot_guard. model_validate has checked every value. */
#include "snapshot_priv.h"

#include "base/check.h"

#include <string.h>

#define TOTAL_TIMES_RATE 20 /* rate-limit-total, where it is 0 */

static uint32_t number(const struct model *m, const char *key)
{
    int64_t v = 0;
    CHECK(model_integer_parse(model_setting(m, key), &v));
    return (uint32_t)v;
}

static struct ip_set networks(struct compile *c, const char *key)
{
    struct ip_set set;
    char bad[PREFIX_TEXT_MAX];
    if (!ip_set_parse(model_setting(c->m, key), c->s->arena, &set, bad))
        arena_fail(c->s->arena); /* the text is valid: only memory can be missing */
    return set;
}

static bool is(const struct model *m, const char *key, const char *value)
{
    return strcmp(model_setting(m, key), value) == 0;
}

enum err compile_guard(struct compile *c)
{
    const struct model *m = c->m;
    struct snapshot_guard *g = &c->s->guard;
    size_t secrets = 0;
    CHECK(model_secrets_parse(model_setting(m, "cookie-secret"), g->secret, &secrets));
    g->secrets_n = (uint8_t)secrets;
    g->cookies = is(m, "cookies", "on");
    g->allow = networks(c, "allow");
    g->deny = networks(c, "deny");
    g->lists = g->allow.n > 0 || g->deny.n > 0;
    g->rate = number(m, "rate-limit");
    g->rate_total = number(m, "rate-limit-total");
    g->limits = g->rate > 0 || g->rate_total > 0;
    if (g->rate_total == 0)
        g->rate_total = TOTAL_TIMES_RATE * g->rate;
    g->slip = number(m, "rate-limit-slip");
    g->dry_run = is(m, "rate-limit-mode", "dry-run");
    g->prefix_v4 = (uint8_t)number(m, "rate-limit-prefix-v4");
    g->prefix_v6 = (uint8_t)number(m, "rate-limit-prefix-v6");
    g->exempt = networks(c, "rate-limit-exempt");
    g->subnet_from = networks(c, "subnet-from");
    g->believes_some = g->subnet_from.n > 0;
    g->subnet_max_v4 = (uint8_t)number(m, "subnet-max-v4");
    g->subnet_max_v6 = (uint8_t)number(m, "subnet-max-v6");
    g->udp_size = (uint16_t)number(m, "udp-size");
    g->udp_size_unverified = (uint16_t)number(m, "udp-size-unverified");
    if (g->udp_size_unverified > g->udp_size)
        g->udp_size_unverified = g->udp_size;
    g->version = arena_strdup(c->s->arena, model_setting(m, "version"));
    c->s->nsid = arena_strdup(c->s->arena, model_setting(m, "nsid"));
    c->s->nsid_len = c->s->nsid ? (uint32_t)strlen(c->s->nsid) : 0;
    return ERR_OK; /* a failed arena is found at the end */
}
