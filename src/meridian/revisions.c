/* revisions: history, diff, rollback, and the configuration as one document. */
#include "change.h"
#include "runs.h"
#include "table.h"

#include "base/clock.h"
#include "model/settings.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_SHOWN 20

struct history {
    struct table table;
    json_t *list; /* NULL: the table is wanted */
};

static bool add_revision(void *ctx, const struct store_revision *r)
{
    struct history *h = ctx;
    char when[TIME_TEXT_MAX];
    time_format_s(r->wall_ms, when);
    if (h->list) {
        json_array_append_new(h->list, json_pack("{s:I, s:s, s:s, s:s, s:s, s:I}", "revision",
                                                 (json_int_t)r->revision, "time", when, "author",
                                                 r->author, "verb", r->verb, "message", r->message,
                                                 "changes", (json_int_t)r->changes_n));
        return true;
    }
    table_cell(&h->table, "%" PRId64, r->revision);
    table_cell(&h->table, "%s", when);
    table_cell(&h->table, "%s", r->author);
    table_cell(&h->table, "%u", r->changes_n);
    table_cell(&h->table, "%s", r->verb);
    table_cell(&h->table, "%s", r->message);
    return !h->table.failed;
}

/* A count from a flag; 0 or the exit status. */
static int read_count(const char *flag, const char *text, int64_t *out)
{
    if (!model_integer_parse(text, out) || *out < 0 || *out > UINT32_MAX)
        return session_fail_text(ADMIN_REFUSED, "--%s: \"%.32s\" is not a whole number", flag,
                                 text);
    return ADMIN_DONE;
}

int run_history(struct call *c)
{
    static const char *const head[] = {"REVISION", "TIME",    "AUTHOR", "CHANGES",
                                       "WHAT",     "MESSAGE", NULL};
    int64_t limit = HISTORY_SHOWN;
    int code =
        call_flag(c, "limit") ? read_count("limit", call_flag(c, "limit"), &limit) : ADMIN_DONE;
    if (code)
        return code;
    struct diag diag = {0};
    struct store *s = NULL;
    struct history h = {.list = c->json ? json_array() : NULL};
    table_start(&h.table, head, 1u << 0 | 1u << 3);
    enum err e = session_open(c, &s, &diag);
    if (!e)
        e = store_history(s, 0, limit ? (uint32_t)limit : UINT32_MAX, add_revision, &h, &diag);
    store_close(&s);
    if (e) {
        json_decref(h.list);
        h.table.failed = true;
        table_print(&h.table, stdout, false);
        return session_fail(e, &diag);
    }
    if (h.list)
        return session_json(h.list);
    return table_print(&h.table, stdout, session_terminal()) ? ADMIN_DONE : ADMIN_REFUSED;
}

static int read_revision(const char *text, int64_t head, int64_t *out)
{
    if (!model_integer_parse(text, out) || *out < 0)
        return session_fail_text(ADMIN_REFUSED, "\"%.32s\" is not the number of a revision", text);
    if (*out > head)
        return session_fail_text(ADMIN_NOT_FOUND,
                                 "revision %" PRId64 " does not exist: %" PRId64 " is the newest",
                                 *out, head);
    return ADMIN_DONE;
}

static int diff_range(const struct call *c, int64_t head, int64_t *a, int64_t *b)
{
    *b = head;
    int code = ADMIN_DONE;
    if (call_arg(c, 1))
        code = read_revision(call_arg(c, 1), head, b);
    *a = head > 0 ? head - 1 : 0;
    if (!code && call_arg(c, 0))
        code = read_revision(call_arg(c, 0), head, a);
    return code;
}

static void swap_ends(struct config_changes *changes)
{
    for (size_t i = 0; i < changes->n; i++) {
        char *before = changes->change[i].before;
        changes->change[i].before = changes->change[i].after;
        changes->change[i].after = before;
    }
}

static json_t *item_or_null(const char *text)
{
    json_t *j = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    return j ? j : json_null();
}

static int print_changes(const struct call *c, const struct config_changes *changes)
{
    json_t *list = c->json ? json_array() : NULL;
    for (size_t i = 0; i < changes->n; i++) {
        const struct config_change *change = &changes->change[i];
        char *text = list ? NULL : config_change_text(change);
        if (list)
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:o, s:o}", "noun", config_noun_name(change->noun),
                                "name", change->key, "before", item_or_null(change->before),
                                "after", item_or_null(change->after)));
        else if (text)
            puts(text);
        free(text);
    }
    return list ? session_json(list) : ADMIN_DONE;
}

int run_diff(struct call *c)
{
    struct diag diag = {0};
    struct store *s = NULL;
    struct config_changes changes = {0};
    int64_t head = 0, a = 0, b = 0;
    int code = ADMIN_DONE;
    enum err e = session_open(c, &s, &diag);
    if (!e)
        e = store_head(s, &head, &diag);
    if (!e)
        code = diff_range(c, head, &a, &b);
    if (!e && !code)
        e = store_changes(s, a < b ? a : b, a < b ? b : a, &changes, &diag);
    store_close(&s);
    if (e)
        return session_fail(e, &diag);
    if (!code) {
        if (a > b)
            swap_ends(&changes);
        code = print_changes(c, &changes);
    }
    config_changes_fini(&changes);
    diag_fini(&diag);
    return code;
}

int run_rollback(struct call *c)
{
    int64_t revision;
    int code = read_revision(call_arg(c, 0), INT64_MAX, &revision);
    if (code)
        return code;
    struct change change = {.kind = REVISE_ROLLBACK, .rollback_to = revision};
    return change_submit(c, &change);
}

int run_export(struct call *c)
{
    struct diag diag = {0};
    struct model *m = NULL;
    enum err e = session_model(c, &m, &diag);
    if (e)
        return session_fail(e, &diag);
    char *text = config_export(m, call_has(c, "local"));
    model_unref(&m);
    if (!text)
        return session_fail_text(ADMIN_REFUSED, "out of memory for the document");
    fputs(text, stdout);
    free(text);
    return ADMIN_DONE;
}

/* Without a daemon, too: the next one takes nothing back then. */
static enum err confirm_here(const struct call *c, int64_t *revision, struct diag *diag)
{
    struct store *s = NULL;
    struct store_waiting w = {0};
    enum err e = session_open(c, &s, diag);
    if (!e)
        e = store_waiting_get(s, &w, diag);
    if (!e && !w.revision)
        e = diag_error(diag, ERR_NOT_FOUND, "", "no revision waits for its confirmation");
    if (!e)
        e = store_waiting_end(s, diag);
    store_close(&s);
    *revision = w.revision;
    return e;
}

int run_confirm(struct call *c)
{
    struct diag diag = {0};
    struct admin_holder daemon;
    int64_t revision = 0;
    enum err e = session_daemon(c, &daemon, &diag);
    if (!e && daemon.held) {
        json_t *reply,
            *request = json_pack("{s:s, s:s}", "op", "confirm", "author", session_author(c));
        int code = session_ask_at(daemon.control, request, CALL_TIMEOUT_MS, &reply);
        if (code)
            return code;
        revision = json_integer_value(json_object_get(reply, "revision"));
        json_decref(reply);
    } else if (!e) {
        e = confirm_here(c, &revision, &diag);
    }
    if (e)
        return session_fail(e, &diag);
    diag_fini(&diag);
    if (c->json)
        return session_json(json_pack("{s:I}", "revision", (json_int_t)revision));
    printf("revision %" PRId64 " is confirmed\n", revision);
    return ADMIN_DONE;
}

int run_apply(struct call *c)
{
    struct diag diag = {0};
    size_t len = 0;
    char *text = session_read_file(call_arg(c, 0), &len, &diag);
    if (!text)
        return session_fail(ERR_IO, &diag);
    char *folder = session_folder(call_arg(c, 0));
    struct change change = {.kind = REVISE_DOCUMENT,
                            .document = text,
                            .document_len = len,
                            .folder = folder,
                            .force = call_has(c, "force")};
    int code = change_submit(c, &change);
    free(folder);
    free(text);
    return code;
}
