#include "change.h"

#include "base/clock.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANGE_TEXT_MAX 512

static void set_text(json_t *j, const char *key, const char *value)
{
    if (value)
        json_object_set_new(j, key, json_string(value));
}

json_t *change_edit(const char *verb, const char *noun, const char *name, const char *region,
                    const char *address, json_t *fields)
{
    json_t *j = json_object();
    set_text(j, "verb", verb);
    set_text(j, "noun", noun);
    set_text(j, "name", name);
    set_text(j, "region", region);
    set_text(j, "address", address);
    json_object_set_new(j, "fields", fields ? fields : json_object());
    return j;
}

struct outcome {
    int64_t revision;
    bool changed, serving, dry_run;
    const char *token, *confirm_until;
    const json_t *changes, *warnings; /* borrowed lists of texts */
    json_int_t more;                  /* changes that are not among them */
};

/* The rest of what is stored can be read; of a dry run nothing is. */
static void print_more(const struct outcome *o)
{
    if (o->dry_run)
        printf("and %" JSON_INTEGER_FORMAT " more changes\n", o->more);
    else
        printf("and %" JSON_INTEGER_FORMAT " more changes: meridian diff %" PRId64 " %" PRId64 "\n",
               o->more, o->revision - 1, o->revision);
}

static int print_outcome(const struct call *c, const struct outcome *o)
{
    if (c->json) {
        json_t *j = json_pack(
            "{s:s*, s:s*, s:I, s:b, s:b, s:b, s:O, s:O}", "token", o->token, "confirm_until",
            o->confirm_until, "revision", (json_int_t)o->revision, "changed", o->changed, "serving",
            o->serving, "dry_run", o->dry_run, "changes", o->changes, "warnings", o->warnings);
        if (o->more > 0)
            json_object_set_new(j, "changes_more", json_integer(o->more));
        return session_json(j);
    }
    size_t i;
    json_t *line;
    if (o->token)
        printf("token %s\n", o->token);
    json_array_foreach(o->warnings, i, line)
        fprintf(stderr, "meridian: warning: %s\n", json_string_value(line));
    if (o->dry_run || json_array_size(o->changes) > 1)
        json_array_foreach(o->changes, i, line) session_line(json_string_value(line));
    if (o->more > 0)
        print_more(o);
    if (!o->changed)
        printf("nothing to change: revision %" PRId64 " is the same\n", o->revision);
    else if (o->dry_run)
        printf("dry run: nothing was stored, revision %" PRId64 " stays\n", o->revision);
    else if (o->serving)
        printf("revision %" PRId64 " is serving\n", o->revision);
    else
        printf("revision %" PRId64 " is stored; no daemon runs on this database\n", o->revision);
    if (o->confirm_until)
        printf("it is taken back at %s unless you say: meridian confirm\n", o->confirm_until);
    return ADMIN_DONE;
}

static json_t *change_request(const struct call *c, const struct change *change, const char *verb)
{
    json_t *j = json_object();
    switch (change->kind) {
    case REVISE_EDITS:
        set_text(j, "op", "edit");
        json_object_set(j, "edits", change->edits);
        break;
    case REVISE_DOCUMENT:
        set_text(j, "op", "apply");
        set_text(j, "folder", change->folder);
        json_object_set_new(j, "force", json_boolean(change->force));
        break;
    case REVISE_ROLLBACK:
        set_text(j, "op", "rollback");
        json_object_set_new(j, "revision", json_integer(change->rollback_to));
        break;
    }
    const char *message = call_flag(c, "message");
    set_text(j, "author", session_author(c));
    set_text(j, "message", message ? message : "");
    set_text(j, "verb", verb);
    json_object_set_new(j, "dry_run", json_boolean(call_has(c, "dry-run")));
    if (change->confirm_within_ms)
        json_object_set_new(j, "confirm_within_ms", json_integer(change->confirm_within_ms));
    return j;
}

static int through_daemon(const struct call *c, const struct change *change, const char *verb,
                          const char *control)
{
    json_t *reply;
    int code = session_ask_with(control, change_request(c, change, verb), change->document,
                                change->document_len, CALL_EDIT_TIMEOUT_MS, &reply);
    if (code)
        return code;
    json_t *none = json_array();
    json_t *changes = json_object_get(reply, "changes"),
           *warnings = json_object_get(reply, "warnings");
    struct outcome o = {.revision = json_integer_value(json_object_get(reply, "revision")),
                        .changed = json_is_true(json_object_get(reply, "changed")),
                        .serving = json_is_true(json_object_get(reply, "serving")),
                        .dry_run = call_has(c, "dry-run"),
                        .token = call_has(c, "dry-run") ? NULL : change->token,
                        .confirm_until = json_string_value(json_object_get(reply, "confirm_until")),
                        .changes = json_is_array(changes) ? changes : none,
                        .more = json_integer_value(json_object_get(reply, "changes_more")),
                        .warnings = json_is_array(warnings) ? warnings : none};
    code = print_outcome(c, &o);
    json_decref(none);
    json_decref(reply);
    return code;
}

static enum err read_edits(const json_t *list, struct config_edit **out, struct diag *diag)
{
    size_t n = json_array_size(list), i;
    json_t *j;
    *out = calloc(n ? n : 1, sizeof **out);
    if (!*out)
        return diag_error(diag, ERR_NOMEM, "", "out of memory for the edits");
    enum err e = ERR_OK;
    json_array_foreach(list, i, j)
    {
        e = config_edit_from_json(j, &(*out)[i], diag);
        if (e)
            break;
    }
    return e;
}

static enum err in_process(const struct call *c, const struct change *change, const char *verb,
                           struct store_revised *out, struct diag *diag)
{
    const char *message = call_flag(c, "message");
    struct config_edit *edits = NULL;
    struct store *store = NULL;
    struct model *head = NULL;
    enum err e = read_edits(change->edits, &edits, diag);
    if (!e)
        e = session_open(c, &store, diag);
    if (!e) {
        struct store_revise what = {.kind = change->kind,
                                    .edits = edits,
                                    .edits_n = json_array_size(change->edits),
                                    .document = change->document,
                                    .document_len = change->document_len,
                                    .folder = change->folder,
                                    .rollback_to = change->rollback_to,
                                    .force = change->force,
                                    .dry_run = call_has(c, "dry-run"),
                                    .meta = {.author = session_author(c),
                                             .message = message ? message : "",
                                             .verb = verb,
                                             .wall_ms = clock_wall_ms()}};
        e = store_revise(store, &head, &what, change_compile, NULL, out, diag);
    }
    model_unref(&head);
    store_close(&store);
    free(edits);
    return e;
}

static int without_daemon(const struct call *c, const struct change *change, const char *verb)
{
    struct diag diag = {0};
    struct store_revised revised = {0};
    enum err e = in_process(c, change, verb, &revised, &diag);
    if (e)
        return session_fail(e, &diag);
    size_t more;
    json_t *lines = store_revised_take(&revised, &more),
           *warnings = admin_findings(&diag, DIAG_WARNING);
    struct outcome o = {.revision = revised.revision,
                        .changed = revised.changed,
                        .dry_run = call_has(c, "dry-run"),
                        .token = call_has(c, "dry-run") ? NULL : change->token,
                        .changes = lines,
                        .more = (json_int_t)more,
                        .warnings = warnings};
    int code = print_outcome(c, &o);
    json_decref(lines);
    json_decref(warnings);
    store_revised_fini(&revised);
    diag_fini(&diag);
    return code;
}

static int read_confirm(const struct call *c, struct change *change)
{
    const char *text = call_flag(c, "confirm-within");
    int64_t *ms = &change->confirm_within_ms;
    if (!text || (duration_parse(text, ms) && *ms > 0 && *ms <= ADMIN_OVER_MS_MAX))
        return ADMIN_DONE;
    return session_fail_text(
        ADMIN_REFUSED,
        "--confirm-within: \"%.32s\" is not accepted: give a duration above 0, at most 366d", text);
}

static int submit(const struct call *c, struct change *change)
{
    char verb[CHANGE_TEXT_MAX];
    call_text(c, verb, sizeof verb);
    struct diag diag = {0};
    struct admin_holder daemon;
    int code = read_confirm(c, change);
    if (code)
        return code;
    enum err e = session_daemon(c, &daemon, &diag);
    if (e)
        return session_fail(e, &diag);
    if (daemon.held)
        return through_daemon(c, change, verb, daemon.control);
    if (change->confirm_within_ms && !call_has(c, "dry-run"))
        return session_fail_text(
            ADMIN_UNREACHABLE,
            "--confirm-within needs the daemon, which takes the edit back, and "
            "none runs on %s: start meridiand --db %s",
            c->db, c->db);
    return without_daemon(c, change, verb);
}

int change_submit(const struct call *c, struct change *change)
{
    int code = submit(c, change);
    json_decref(change->edits);
    change->edits = NULL;
    return code;
}
