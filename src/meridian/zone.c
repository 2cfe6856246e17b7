/* zone: what the parent zone has to say so that resolvers find us. */
#include "items.h"
#include "runs.h"
#include "session.h"

#include <inttypes.h>
#include <string.h>

/* Addresses belong into the parent zone for every name server below it: inside the zone itself
 * (RFC 1034 §4.2.1) and inside a sister zone (RFC 9471 §2.2). Others have theirs where they live.
 */
static bool needs_glue(const struct model_zone *z, uint32_t ns)
{
    const char *dot = strchr(z->name, '.');
    return model_host_within(z->ns[ns].name, dot ? dot + 1 : z->name);
}

static void print_records(const struct model_zone *z)
{
    for (uint32_t i = 0; i < z->ns_n; i++)
        printf("%s. %" PRId64 " IN NS %s.\n", z->name, z->ttl_s, z->ns[i].name);
    /* Glue is needed for name servers inside the zone they serve (RFC 1034 §4.2.1); others have
     * their addresses where they live. */
    for (uint32_t i = 0; i < z->ns_n; i++) {
        if (!needs_glue(z, i))
            continue;
        for (uint32_t k = 0; k < z->ns[i].addresses_n; k++)
            printf("%s. %" PRId64 " IN %s %s\n", z->ns[i].name, z->ttl_s,
                   strchr(z->ns[i].addresses[k], ':') ? "AAAA" : "A", z->ns[i].addresses[k]);
    }
}

static json_t *records_json(const struct model_zone *z)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < z->ns_n; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:s, s:s}", "name", z->name, "ttl",
                                        (json_int_t)z->ttl_s, "type", "NS", "data", z->ns[i].name));
    for (uint32_t i = 0; i < z->ns_n; i++)
        for (uint32_t k = 0; k < z->ns[i].addresses_n && needs_glue(z, i); k++)
            json_array_append_new(list, json_pack("{s:s, s:I, s:s, s:s}", "name", z->ns[i].name,
                                                  "ttl", (json_int_t)z->ttl_s, "type",
                                                  strchr(z->ns[i].addresses[k], ':') ? "AAAA" : "A",
                                                  "data", z->ns[i].addresses[k]));
    return list;
}

int run_zone_delegation(struct call *c)
{
    struct diag diag = {0};
    struct model *m = NULL;
    char name[MODEL_HOST_TEXT_MAX];
    item_host(call_arg(c, 0), name);
    enum err e = session_model(c, &m, &diag);
    const struct model_zone *z = e ? NULL : model_zone(m, name);
    if (!e && !z)
        e = diag_error(&diag, ERR_NOT_FOUND, "", "no zone is called \"%.253s\"", call_arg(c, 0));
    else if (!e && z->ns_n == 0)
        e = diag_error(&diag, ERR_REFUSED, "",
                       "zone %s has no name servers here: `meridian zone set %s --ns NAME=ADDRESS` "
                       "adds them%s",
                       z->name, z->name, z->file ? ", or copy those of its zone file" : "");
    int code = e ? session_fail(e, &diag) : ADMIN_DONE;
    if (!e && c->json)
        code = session_json(records_json(z));
    else if (!e)
        print_records(z);
    model_unref(&m);
    return code;
}
