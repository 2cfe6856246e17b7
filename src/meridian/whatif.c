/* what-if: who would move where. The daemon knows what is observed and who asks; without one the question
 * is answered here, as if everything were up, by the networks of the geo base. */
#include "crowd/whatif.h"
#include "runs.h"
#include "session.h"
#include "store/revise.h"
#include "table.h"

#include "base/clock.h"
#include "model/settings.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPLIT_TEXT_MAX 400

/* ---------------------------------------------------------------------------------- the request */

/* --region eu=0.4; as {"eu": 0.4}. */
static int read_regions(const struct call *c, json_t *out)
{
    for (size_t i = 0; i < c->flags_n; i++) {
        if (strcmp(c->flag[i].name, "region") != 0)
            continue;
        char name[256];
        double share;
        const char *text = c->flag[i].value, *eq = strrchr(text, '=');
        if (!eq || eq == text || (size_t)(eq - text) >= sizeof name ||
            !model_share_parse(eq + 1, &share))
            return session_fail_text(ADMIN_USAGE,
                                     "--region: \"%.80s\" is not NAME=SHARE, like eu-west=0 or "
                                     "eu-west=40%%",
                                     text);
        memcpy(name, text, (size_t)(eq - text));
        name[eq - text] = '\0';
        if (json_object_get(out, name))
            return session_fail_text(ADMIN_USAGE, "--region: %.80s is given twice", name);
        json_object_set_new(out, name, json_real(share));
    }
    return ADMIN_DONE;
}

/* NULL without --apply. */
static int read_document(const struct call *c, json_t *request, char **text, size_t *len)
{
    const char *file = call_flag(c, "apply");
    struct diag diag = {0};
    if (!file)
        return ADMIN_DONE;
    *text = session_read_file(file, len, &diag);
    if (!*text)
        return session_fail(ERR_IO, &diag);
    char *folder = session_folder(file);
    json_object_set_new(request, "folder", json_string(folder));
    free(folder);
    return ADMIN_DONE;
}

static int read_request(const struct call *c, json_t *request, char **text, size_t *len)
{
    json_t *regions = json_object();
    json_object_set_new(request, "op", json_string("what-if"));
    json_object_set_new(request, "regions", regions);
    if (call_flag(c, "service"))
        json_object_set_new(request, "service", json_string(call_flag(c, "service")));
    if (!call_has(c, "apply") && !call_has(c, "region"))
        return session_fail_text(ADMIN_USAGE,
                                 "what-if asks about --region NAME=SHARE, --apply FILE, or both");
    int code = read_regions(c, regions);
    return code ? code : read_document(c, request, text, len);
}

/* ---------------------------------------------------------------------------- without a daemon */

static enum err compile(void *ctx, struct model *m, struct diag *diag)
{
    struct snapshot **out = ctx;
    struct snapshot_cache *cache = snapshot_cache_create();
    if (!cache)
        return diag_error(diag, ERR_NOMEM, "", "out of memory to compile the configuration");
    struct snapshot_options options = {.workers = 1};
    snapshot_unref(out);
    enum err e = snapshot_compile(m, cache, &options, out, diag);
    snapshot_cache_destroy(&cache);
    return e;
}

static enum err try_document(struct store *store, struct model **head, const char *document,
                             size_t len, const char *folder, struct store_revised *revised,
                             struct snapshot **out, struct diag *diag)
{
    struct store_revise what = {
        .kind = REVISE_DOCUMENT,
        .document = document,
        .document_len = len,
        .folder = folder,
        .force = true,
        .dry_run = true,
        .meta = {.author = "", .message = "", .verb = "what-if", .wall_ms = clock_wall_ms()}};
    return store_revise(store, head, &what, compile, out, revised, diag);
}

static enum err ask_here(const struct call *c, const json_t *request, const char *document,
                         size_t len, json_t **reply, struct diag *diag)
{
    struct store *store = NULL;
    struct model *head = NULL;
    struct snapshot *before = NULL, *after = NULL;
    struct store_revised revised = {0};
    enum err e = session_open(c, &store, diag);
    if (!e)
        e = store_load(store, &head, diag);
    if (!e)
        e = model_validate(head, diag);
    if (!e)
        e = compile(&before, head, diag);
    if (!e && document)
        e = try_document(store, &head, document, len,
                         json_string_value(json_object_get(request, "folder")), &revised, &after,
                         diag);
    struct crowd_what_if question = {.before = before,
                                     .after = after,
                                     .service =
                                         json_string_value(json_object_get(request, "service")),
                                     .regions = json_object_get(request, "regions")};
    if (!e)
        e = crowd_what_if(&question, reply, diag);
    if (!e) {
        size_t more;
        json_t *lines = store_revised_take(&revised, &more);
        store_changes_put(*reply, lines, more);
        json_object_set_new(*reply, "warnings", admin_findings(diag, DIAG_WARNING));
        json_object_set_new(*reply, "daemon", json_false());
    }
    store_revised_fini(&revised);
    snapshot_unref(&before);
    snapshot_unref(&after);
    model_unref(&head);
    store_close(&store);
    return e;
}

/* ------------------------------------------------------------------------------------- printing */

static double number_of(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static const char *text_of(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));
    return text ? text : "";
}

static void cell_percent(struct table *t, double v)
{
    if (isnan(v))
        table_cell(t, "-");
    else
        table_cell(t, "%.1f%%", v * 100);
}

static void cell_whole(struct table *t, double v)
{
    if (isnan(v))
        table_cell(t, "-");
    else
        table_cell(t, "%.0f", v);
}

static void print_basis(const json_t *j)
{
    char span[TIME_TEXT_MAX];
    double services = number_of(j, "services"), asked = number_of(j, "services_asked");
    if (strcmp(text_of(j, "basis"), "answers") == 0)
        printf("from %.0f sampled answers of the last %s\n", number_of(j, "answers_seen"),
               duration_format_rough((int64_t)number_of(j, "span_ms"), span));
    else if (json_is_false(json_object_get(j, "daemon")))
        puts("from the networks of the geo base, as if everything were up: no daemon runs on this "
             "database");
    else
        printf("from the networks of the geo base: %.0f recent answers, and fewer than %.0f say "
               "nothing\n",
               number_of(j, "answers_seen"), number_of(j, "answers_needed"));
    if (asked < services)
        printf("%.0f of %.0f services were looked at\n", asked, services);
}

static bool print_regions(const json_t *regions)
{
    static const char *const head[] = {"REGION", "BEFORE",   "AFTER",   "CHANGE", "LOAD",
                                       "THEN",   "CAPACITY", "OVERRUN", NULL};
    struct table t;
    size_t i;
    json_t *r;
    table_start(&t, head, 0xfe);
    json_array_foreach(regions, i, r)
    {
        double before = number_of(r, "before"), after = number_of(r, "after");
        table_cell(&t, "%s", text_of(r, "name"));
        cell_percent(&t, before);
        cell_percent(&t, after);
        table_cell(&t, "%+.1f", (after - before) * 100);
        cell_whole(&t, number_of(r, "load_before"));
        cell_whole(&t, number_of(r, "load_after"));
        cell_whole(&t, number_of(r, "capacity"));
        cell_whole(&t, number_of(r, "overrun"));
    }
    return table_print(&t, stdout, session_terminal());
}

/* "us 70% ap 30%". */
static void cell_split(struct table *t, const json_t *split, double unanswered)
{
    char text[SPLIT_TEXT_MAX] = "";
    size_t len = 0;
    const char *name;
    json_t *share;
    json_object_foreach((json_t *)split, name, share) if (len < sizeof text - 1) len +=
        (size_t)snprintf(text + len, sizeof text - len, "%s%s %.0f%%", len ? " " : "", name,
                         json_number_value(share) * 100);
    if (unanswered > 0 && len < sizeof text - 1)
        snprintf(text + len, sizeof text - len, "%sunanswered %.0f%%", len ? " " : "",
                 unanswered * 100);
    table_cell(t, "%s", text[0] ? text : "-");
}

static void cell_ms(struct table *t, double v)
{
    if (isnan(v))
        table_cell(t, "-");
    else
        table_cell(t, "%.0fms", v);
}

static bool print_classes(const json_t *j)
{
    static const char *const head[] = {"CLIENTS", "SHARE", "MOVED", "BEFORE",
                                       "AFTER",   "RTT",   "THEN",  NULL};
    struct table t;
    size_t i;
    json_t *c;
    table_start(&t, head, 1u << 1 | 1u << 2 | 1u << 5 | 1u << 6);
    json_array_foreach(json_object_get(j, "classes"), i, c)
    {
        const json_t *latency = json_object_get(c, "latency");
        table_cell(&t, "%s", text_of(c, "order"));
        cell_percent(&t, number_of(c, "share"));
        cell_percent(&t, number_of(c, "moved"));
        cell_split(&t, json_object_get(c, "before"), number_of(c, "unanswered_before"));
        cell_split(&t, json_object_get(c, "after"), number_of(c, "unanswered_after"));
        cell_ms(&t, number_of(latency, "before_ms"));
        cell_ms(&t, number_of(latency, "after_ms"));
    }
    const json_t *others = json_object_get(j, "other_classes");
    if (number_of(others, "classes") > 0) {
        table_cell(&t, "%.0f other classes", number_of(others, "classes"));
        cell_percent(&t, number_of(others, "share"));
        cell_percent(&t, number_of(others, "moved"));
        for (int k = 0; k < 4; k++)
            table_cell(&t, "-");
    }
    return table_print(&t, stdout, session_terminal());
}

static void print_sum(const json_t *j)
{
    const json_t *latency = json_object_get(j, "latency");
    double moved = number_of(j, "moved"), ttl = number_of(j, "ttl_s");
    printf("\nmoved      %.1f%% of the clients", moved * 100);
    if (moved > 0 && ttl > 0)
        printf(", all within %.0f s: that long they may hold on to what they know", ttl);
    puts("");
    if (!isnan(number_of(latency, "before_ms")))
        printf("latency    %.1f ms before, %.1f ms after, as far as it is known or estimated: for "
               "%.0f%% of the clients\n",
               number_of(latency, "before_ms"), number_of(latency, "after_ms"),
               number_of(latency, "known") * 100);
    if (number_of(j, "unanswered_before") > 0 || number_of(j, "unanswered_after") > 0)
        printf("unanswered %.1f%% of the clients before, %.1f%% after\n",
               number_of(j, "unanswered_before") * 100, number_of(j, "unanswered_after") * 100);
}

static int print_outcome(const json_t *j)
{
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(j, "warnings"), i, line)
        fprintf(stderr, "meridian: warning: %s\n", json_string_value(line));
    json_array_foreach(json_object_get(j, "changes"), i, line)
        session_line(json_string_value(line));
    if (json_object_get(j, "changes_more"))
        printf("and %.0f more changes\n", number_of(j, "changes_more"));
    print_basis(j);
    puts("");
    bool ok = print_regions(json_object_get(j, "regions"));
    puts("");
    ok = ok && print_classes(j);
    print_sum(j);
    return ok ? ADMIN_DONE : session_fail_text(ADMIN_REFUSED, "out of memory for the table");
}

int run_what_if(struct call *c)
{
    struct diag diag = {0};
    struct admin_holder daemon;
    json_t *reply = NULL, *request = json_object();
    char *text = NULL;
    size_t len = 0;
    int code = read_request(c, request, &text, &len);
    config_request_names(request);
    if (code) {
        json_decref(request);
        return code;
    }
    enum err e = session_daemon(c, &daemon, &diag);
    if (!e && daemon.held)
        code = session_ask_with(daemon.control, json_incref(request), text, len,
                                CALL_EDIT_TIMEOUT_MS, &reply);
    else if (!e)
        e = ask_here(c, request, text, len, &reply, &diag);
    json_decref(request);
    free(text);
    if (e)
        return session_fail(e, &diag);
    diag_fini(&diag);
    if (code)
        return code;
    if (c->json) {
        json_object_del(reply, "ok");
        return session_json(reply);
    }
    code = print_outcome(reply);
    json_decref(reply);
    return code;
}
