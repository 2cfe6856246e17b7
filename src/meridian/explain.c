/* explain: the daemon's decision for one client, as a text to read from top to bottom. */
#include "items.h"
#include "runs.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

static void print_pair(const char *label, const json_t *value)
{
    if (!value || json_is_null(value))
        return;
    char *text = item_text(value);
    if (text) {
        text_clean(text);
        printf("%-10s %s\n", label, text);
    }
    free(text);
}

static void print_client(const json_t *client)
{
    print_pair("client", json_object_get(client, "address"));
    print_pair("  from", json_object_get(client, "from"));
    print_pair("  network", json_object_get(client, "network"));
    const json_t *place = json_object_get(client, "place");
    if (!json_is_object(place)) {
        print_pair("  place", place);
        return;
    }
    static const char *const keys[] = {"continent", "country", "subdivision", "city",
                                       "asn",       "lat",     "lon"};
    printf("%-10s", "  place");
    bool any = false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(place, keys[i]);
        char *text = value && !json_is_null(value) ? item_text(value) : NULL;
        if (text && text[0]) {
            text_clean(text);
            printf(" %s=%s", keys[i], text);
            any = true;
        }
        free(text);
    }
    puts(any ? "" : " unknown");
}

static void print_steps(const json_t *steps)
{
    size_t i;
    json_t *step;
    if (json_array_size(steps) > 0)
        puts("\nsteps");
    json_array_foreach(steps, i, step)
    {
        char *name = item_text(json_object_get(step, "step")),
             *text = item_text(json_object_get(step, "text"));
        if (name && text) {
            text_clean(name);
            text_clean(text);
            printf("  %zu. %-9s %s\n", i + 1, name, text);
        }
        free(name);
        free(text);
    }
}

static bool print_candidates(const json_t *candidates)
{
    static const char *const head[] = {"REGION",    "ADDRESS", "GROUP", "WEIGHT",
                                       "AVAILABLE", "VERDICT", NULL};
    static const char *const keys[] = {"region", "address",   "group",
                                       "weight", "available", "verdict"};
    struct table t;
    size_t i;
    json_t *candidate;
    table_start(&t, head, 1u << 2 | 1u << 3 | 1u << 4);
    json_array_foreach(candidates, i, candidate) for (size_t k = 0; k < sizeof keys / sizeof *keys;
                                                      k++)
    {
        const json_t *value = json_object_get(candidate, keys[k]);
        char *text = json_is_real(value) ? NULL : item_text(value);
        if (json_is_real(value))
            table_cell(&t, "%.2f", json_real_value(value));
        else
            table_cell(&t, "%s", text ? text : "");
        free(text);
    }
    if (json_array_size(candidates) > 0)
        puts("\ncandidates");
    else
        t.failed = true; /* nothing to show */
    return table_print(&t, stdout, session_terminal()) || json_array_size(candidates) == 0;
}

static int print_explanation(const json_t *j)
{
    char *name = item_text(json_object_get(j, "name")),
         *type = item_text(json_object_get(j, "type"));
    if (name && type) {
        text_clean(name);
        text_clean(type);
        printf("%-10s %s %s\n", "question", name, type);
    }
    free(name);
    free(type);
    print_pair("kind", json_object_get(j, "kind"));
    print_pair("service", json_object_get(j, "service"));
    print_client(json_object_get(j, "client"));
    print_steps(json_object_get(j, "steps"));
    if (!print_candidates(json_object_get(j, "candidates")))
        return session_fail_text(ADMIN_REFUSED, "out of memory for the candidates");
    puts("");
    print_pair("rcode", json_object_get(j, "rcode"));
    size_t i;
    json_t *answer, *answers = json_object_get(j, "answers");
    json_array_foreach(answers, i, answer) print_pair("answer", answer);
    if (json_array_size(answers) == 0)
        printf("%-10s (empty)\n", "answer");
    print_pair("region", json_object_get(j, "region"));
    print_pair("scope", json_object_get(j, "scope"));
    print_pair("ttl", json_object_get(j, "ttl"));
    return ADMIN_DONE;
}

int run_explain(struct call *c)
{
    const char *client = call_flag(c, "client"), *type = call_flag(c, "type");
    struct ip ip;
    struct ip_prefix prefix;
    if (client && !ip_parse(client, &ip) && !ip_prefix_parse(client, &prefix))
        return session_fail_text(
            ADMIN_REFUSED, "--client: \"%.64s\" is neither an address nor a network (81.2.69.0/24)",
            client);
    json_t *reply,
        *request = json_pack("{s:s, s:s, s:s, s:s*}", "op", "explain", "name", call_arg(c, 0),
                             "type", type ? type : "A", "client", client);
    int code = session_ask(c, request, CALL_TIMEOUT_MS, &reply);
    if (code)
        return code;
    if (c->json) {
        json_object_del(reply, "ok");
        return session_json(reply);
    }
    code = print_explanation(reply);
    json_decref(reply);
    return code;
}
