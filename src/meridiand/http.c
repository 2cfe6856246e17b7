/* What the HTTP side offers: POST /v1/report, with a token. */
#include "admin/http.h"
#include "admin/token.h"
#include "base/check.h"
#include "daemon.h"
#include "model/settings.h"

#include <string.h>

enum {
    OK = 200,
    BAD = 400,
    UNAUTHORIZED = 401,
    FORBIDDEN = 403,
    NOT_FOUND = 404,
    METHOD = 405,
    UNPROCESSABLE = 422
};

static unsigned refuse(json_t **answer, unsigned status, enum admin_code code, const char *text)
{
    *answer = admin_refusal(code, text, NULL);
    return status;
}

/* Whose token it is, by what serves now: a token that is taken back is void at once. */
static bool known(const struct daemon *d, const char *text, struct model_token *out)
{
    struct model_token token[MODEL_TOKENS_MAX];
    const char *list = model_setting(world_now(d)->model, "admin-tokens");
    char hash[ADMIN_TOKEN_HASH_MAX];
    size_t n;
    bool found = false;
    if (!text || !list || !model_tokens_parse(list, token, &n) || admin_token_hash(text, hash))
        return false;
    for (size_t i = 0; i < n; i++)
        if (admin_token_hash_equal(hash, token[i].hash)) {
            *out = token[i];
            found = true;
        }
    return found;
}

static unsigned admit(void *ctx, const struct admin_http_request *r, json_t **answer)
{
    struct model_token who;
    if (strcmp(r->path, "/v1/report") != 0)
        return refuse(answer, NOT_FOUND, ADMIN_NOT_FOUND, "there is only /v1/report");
    if (strcmp(r->method, "POST") != 0)
        return refuse(answer, METHOD, ADMIN_USAGE, "/v1/report takes POST");
    if (!known(ctx, r->token, &who))
        return refuse(answer, UNAUTHORIZED, ADMIN_REFUSED,
                      "a bearer token that is known is needed: meridian token add NAME makes one");
    return 0;
}

static unsigned handle(void *ctx, const struct admin_http_request *r, json_t **answer)
{
    struct model_token who;
    char region[MODEL_NAME_TEXT_MAX], error[400];
    if (!known(ctx, r->token, &who))
        return refuse(answer, UNAUTHORIZED, ADMIN_REFUSED, "the token is not known any more");
    const char *named = json_string_value(json_object_get(r->body, "region"));
    bool own = named && model_name_canonical(named, region) && strcmp(region, who.region) == 0;
    if (who.region[0] && !own) {
        snprintf(error, sizeof error, "this token reports of %s only", who.region);
        return refuse(answer, FORBIDDEN, ADMIN_REFUSED, error);
    }
    if (!json_object_get(r->body, "source"))
        json_object_set_new(r->body, "source", json_string(who.name));
    enum admin_code code = reports_take(ctx, r->body, answer, error, sizeof error);
    if (code)
        return refuse(answer,
                      code == ADMIN_USAGE       ? BAD
                      : code == ADMIN_NOT_FOUND ? NOT_FOUND
                                                : UNPROCESSABLE,
                      code, error);
    json_object_set_new(*answer, "ok", json_true());
    return OK;
}

/* Loopback addresses are this host's own: anybody else's needs a word of warning. */
static bool loopback(const struct ip *ip)
{
    struct ip_prefix v4, v6;
    CHECK(ip_prefix_parse("127.0.0.0/8", &v4) && ip_prefix_parse("::1/128", &v6));
    return ip_prefix_contains(&v4, ip) || ip_prefix_contains(&v6, ip);
}

/* Without it everything else works: a daemon that answers is worth more than one that is told. */
void http_start(struct daemon *d, const struct model *m)
{
    const char *setting = model_setting(m, "admin");
    struct admin_http_config config = {.admit = admit, .handle = handle, .ctx = d};
    char where[HOSTPORT_TEXT_MAX], text[512];
    struct diag diag = {0};
    if (!setting || strcmp(setting, "off") == 0 || !hostport_parse(setting, 0, &config.address))
        return;
    if (admin_http_start(d->loop, &config, &d->http, &diag)) {
        events_say(d, LOG_ERROR, "daemon", "http", "%s", diag_first(&diag, text, sizeof text));
    } else {
        events_say(d, LOG_NOTICE, "daemon", "http", "reports are taken on http://%s/v1/report",
                   hostport_format(&config.address, where));
        if (!loopback(&config.address.ip))
            events_say(d, LOG_WARN, "daemon", "http",
                       "http://%s is no loopback address: tokens go over the network as they are",
                       where);
    }
    diag_fini(&diag);
}

void http_stop(struct daemon *d)
{
    admin_http_stop(&d->http);
}
