/* Names that came in a request, as the model writes them. */
#include "config/config.h"

#include "base/addr.h"

#include <string.h>

static bool host_or_address(const char *text, char out[MODEL_HOST_TEXT_MAX])
{
    struct ip ip;
    if (!ip_parse(text, &ip))
        return model_host_canonical(text, out);
    ip_format(&ip, out);
    return true;
}

static bool region_or_probe(const char *text, char out[MODEL_HOST_TEXT_MAX])
{
    return model_name_canonical(text, out);
}

static const struct {
    const char *key;
    bool (*canonical)(const char *text, char out[MODEL_HOST_TEXT_MAX]);
} named[] = {{"service", model_host_canonical},
             {"region", region_or_probe},
             {"probe", region_or_probe},
             {"address", host_or_address},
             {"endpoint", host_or_address}};

/* {"EU": 0.4} to {"eu": 0.4}. */
static void regions_of(json_t *request)
{
    json_t *regions = json_object_get(request, "regions"), *value;
    const char *key;
    if (!json_is_object(regions))
        return;
    json_t *out = json_object();
    json_object_foreach(regions, key, value)
    {
        char name[MODEL_NAME_TEXT_MAX];
        json_object_set(out, model_name_canonical(key, name) ? name : key, value);
    }
    json_object_set_new(request, "regions", out);
}

void config_request_names(json_t *request)
{
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        const char *text = json_string_value(json_object_get(request, named[i].key));
        char name[MODEL_HOST_TEXT_MAX];
        if (text && named[i].canonical(text, name))
            json_object_set_new(request, named[i].key, json_string(name));
    }
    regions_of(request);
}
