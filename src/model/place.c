#include "model/model.h"

#include "base/check.h"
#include "model/nearest.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PLACE_TEXT_MAX 160
#define ACCEPTED                                                                                   \
    "net:10.0.0.0/8, asn:3320, city:GB/London, subdivision:US-CA, country:DE, continent:EU or "    \
    "default"

static const char *const kinds[] = {
    [WHERE_NET] = "net",         [WHERE_ASN] = "asn",
    [WHERE_CITY] = "city",       [WHERE_SUBDIVISION] = "subdivision",
    [WHERE_COUNTRY] = "country", [WHERE_CONTINENT] = "continent",
    [WHERE_DEFAULT] = "default",
};
static const char *const continents[] = {"AF", "AN", "AS", "EU", "NA", "OC", "SA"};

static bool alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static void upper_copy(char *out, const char *text)
{
    for (; *text; text++)
        *out++ = upper(*text);
    *out = '\0';
}

static enum err refuse(const char *text, const char *where, const char *wanted, struct diag *diag)
{
    return diag_error(diag, ERR_INVALID, where, "\"%.80s\" is not a place: give %s", text, wanted);
}

static bool asn_parse(const char *v, uint32_t *out)
{
    if (upper(v[0]) == 'A' && upper(v[1]) == 'S')
        v += 2;
    int64_t n;
    if (*v == '-' || !model_integer_parse(v, &n) || n < 1 || n > UINT32_MAX)
        return false;
    *out = (uint32_t)n;
    return true;
}

static bool country_valid(const char *v)
{
    return alpha(v[0]) && alpha(v[1]) && !v[2];
}

/* ISO 3166-2: country, hyphen, one to three letters or digits. */
static bool subdivision_valid(const char *v)
{
    size_t n = strlen(v);
    if (n < 4 || n > 6 || !alpha(v[0]) || !alpha(v[1]) || v[2] != '-')
        return false;
    for (const char *p = v + 3; *p; p++)
        if (!alpha(*p) && !(*p >= '0' && *p <= '9'))
            return false;
    return true;
}

static bool city_valid(const char *v)
{
    if (!alpha(v[0]) || !alpha(v[1]) || v[2] != '/' || !v[3] || strlen(v) > 128)
        return false;
    for (const char *p = v + 3; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == ',' || *p == 0x7f)
            return false;
    return true;
}

static bool continent_valid(const char *v)
{
    for (size_t i = 0; i < ARRAY_LEN(continents); i++)
        if (strcasecmp(v, continents[i]) == 0)
            return true;
    return false;
}

/* The part behind the colon; canonical text into out. NULL, or what would be accepted. */
static const char *value_read(const char *v, struct model_place *place, char out[PLACE_TEXT_MAX])
{
    char text[PREFIX_TEXT_MAX];
    switch (place->kind) {
    case WHERE_NET:
        if (!ip_prefix_parse(v, &place->net))
            return "a network without bits behind its length, such as net:10.0.0.0/8 or "
                   "net:2001:db8::/32";
        snprintf(out, PLACE_TEXT_MAX, "net:%s", ip_prefix_format(&place->net, text));
        return NULL;
    case WHERE_ASN:
        if (!asn_parse(v, &place->asn))
            return "an autonomous system number such as asn:3320";
        snprintf(out, PLACE_TEXT_MAX, "asn:%u", place->asn);
        return NULL;
    case WHERE_CITY:
        if (!city_valid(v))
            return "country and city such as city:GB/London";
        snprintf(out, PLACE_TEXT_MAX, "city:%c%c%s", upper(v[0]), upper(v[1]), v + 2);
        return NULL;
    case WHERE_SUBDIVISION:
        if (!subdivision_valid(v))
            return "an ISO 3166-2 code such as subdivision:US-CA";
        break;
    case WHERE_COUNTRY:
        if (!country_valid(v))
            return "a two-letter ISO 3166 code such as country:DE";
        break;
    case WHERE_CONTINENT:
        if (!continent_valid(v))
            return "continent: and one of AF, AN, AS, EU, NA, OC, SA";
        break;
    case WHERE_DEFAULT:
        return ACCEPTED;
    }
    char code[8];
    upper_copy(code, v);
    snprintf(out, PLACE_TEXT_MAX, "%s:%s", kinds[place->kind], code);
    return NULL;
}

enum err model_place_parse(const char *text, struct arena *a, struct model_place *out,
                           const char *where, struct diag *diag)
{
    char canonical[PLACE_TEXT_MAX] = "default";
    memset(out, 0, sizeof *out);
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text), k = 0;
    while (k < ARRAY_LEN(kinds) &&
           !(strlen(kinds[k]) == len && strncasecmp(text, kinds[k], len) == 0))
        k++;
    if (k == ARRAY_LEN(kinds) || (k != WHERE_DEFAULT && !colon))
        return refuse(text, where, ACCEPTED, diag);
    out->kind = (enum model_where)k;
    if (colon) {
        const char *wanted = value_read(colon + 1, out, canonical);
        if (wanted)
            return refuse(text, where, wanted, diag);
    }
    out->text = arena_strdup(a, canonical);
    return out->text ? ERR_OK : diag_error(diag, ERR_NOMEM, where, "out of memory");
}

int model_place_compare(const struct model_place *a, const struct model_place *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->text == b->text ? 0 : strcmp(a->text, b->text);
}
