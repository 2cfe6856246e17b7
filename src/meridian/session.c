#include "session.h"

#include "table.h"
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_OCTETS_PER_MS 1024 /* of patience: a million services have seven minutes more */

static void complain(const char *kind, const char *where, const char *text)
{
    char *line = NULL;
    if (asprintf(&line, "meridian: %s%s%s%s", kind, where, where[0] ? ": " : "", text) < 0)
        return;
    text_clean(line);
    fprintf(stderr, "%s\n", line);
    free(line);
}

int session_fail(enum err e, struct diag *diag)
{
    for (size_t i = 0; i < diag->n; i++)
        if (diag->findings[i].level == DIAG_ERROR)
            complain("", diag->findings[i].where, diag->findings[i].text);
    if (diag->errors == 0)
        complain("", "", err_text(e));
    else if (diag->errors > DIAG_FINDINGS_MAX)
        fprintf(stderr, "meridian: and %zu more\n", diag->errors - DIAG_FINDINGS_MAX);
    diag_fini(diag);
    return (int)admin_code_of(e);
}

int session_fail_text(enum admin_code code, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) >= 0)
        complain("", "", text);
    va_end(ap);
    free(text);
    return (int)code;
}

enum err session_open(const struct call *c, struct store **out, struct diag *diag)
{
    *out = NULL;
    if (access(c->db, F_OK) != 0 && errno == ENOENT)
        return diag_error(diag, ERR_NOT_FOUND, c->db,
                          "no database is there: `meridian init` makes one, --db names another");
    return store_open(c->db, out, diag);
}

enum err session_model(const struct call *c, struct model **out, struct diag *diag)
{
    struct store *s;
    *out = NULL;
    enum err e = session_open(c, &s, diag);
    if (e)
        return e;
    e = store_load(s, out, diag);
    store_close(&s);
    if (e)
        return e;
    struct diag unheard = {0}; /* `check` is the command that judges what is stored */
    (void)!model_validate(*out, &unheard);
    diag_fini(&unheard);
    return ERR_OK;
}

enum err session_daemon(const struct call *c, struct admin_holder *out, struct diag *diag)
{
    return admin_lock_find(c->db, out, diag);
}

int session_refused(const json_t *reply)
{
    const char *error = json_string_value(json_object_get(reply, "error"));
    json_t *findings = json_object_get(reply, "findings"), *finding;
    size_t i;
    if (json_array_size(findings) == 0)
        complain("", "", error ? error : "the daemon refused and did not say why");
    json_array_foreach(findings, i, finding) if (json_is_string(finding))
        complain("", "", json_string_value(finding));
    int code = (int)json_integer_value(json_object_get(reply, "code"));
    return code >= ADMIN_REFUSED && code <= ADMIN_CONFLICT ? code : ADMIN_REFUSED;
}

int session_ask_at(const char *control, json_t *request, int64_t timeout_ms, json_t **reply)
{
    return session_ask_with(control, request, NULL, 0, timeout_ms, reply);
}

int session_ask_with(const char *control, json_t *request, const char *text, size_t len,
                     int64_t timeout_ms, json_t **reply)
{
    struct diag diag = {0};
    *reply = NULL;
    enum err e = ERR_NOMEM;
    if (request)
        e = text ? admin_call_with(control, request, text, len,
                                   timeout_ms + (int64_t)(len / TEXT_OCTETS_PER_MS), reply, &diag)
                 : admin_call(control, request, timeout_ms, reply, &diag);
    json_decref(request);
    if (e)
        return session_fail(e, &diag);
    diag_fini(&diag);
    if (json_is_true(json_object_get(*reply, "ok")))
        return ADMIN_DONE;
    int code = session_refused(*reply);
    json_decref(*reply);
    *reply = NULL;
    return code;
}

int session_ask(const struct call *c, json_t *request, int64_t timeout_ms, json_t **reply)
{
    struct diag diag = {0};
    struct admin_holder daemon;
    *reply = NULL;
    enum err e = session_daemon(c, &daemon, &diag);
    if (!e && !daemon.held)
        e = diag_error(&diag, ERR_UNREACHABLE, "",
                       "%s needs the daemon, and none runs on %s: start meridiand --db %s",
                       c->command->words, c->db, c->db);
    if (e) {
        json_decref(request);
        return session_fail(e, &diag);
    }
    return session_ask_at(daemon.control, request, timeout_ms, reply);
}

const char *session_author(const struct call *c)
{
    const char *given = call_flag(c, "author");
    if (given && given[0])
        return given;
    const char *sudo = getenv("SUDO_USER");
    if (sudo && sudo[0])
        return sudo;
    const struct passwd *user = getpwuid(getuid());
    return user && user->pw_name[0] ? user->pw_name : "unknown";
}

bool session_terminal(void)
{
    return isatty(STDOUT_FILENO);
}

int session_json(json_t *j)
{
    char *text = j ? json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
    json_decref(j);
    if (!text)
        return session_fail_text(ADMIN_REFUSED, "out of memory for the output");
    puts(text);
    free(text);
    return ADMIN_DONE;
}

void session_line(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return;
    text_clean(copy);
    puts(copy);
    free(copy);
}

char *session_read_file(const char *path, size_t *len, struct diag *diag)
{
    bool input = strcmp(path, "-") == 0;
    FILE *f = input ? stdin : fopen(path, "re");
    if (!f) {
        diag_error(diag, ERR_IO, path, "cannot be read: %s", strerror(errno));
        return NULL;
    }
    char *text = NULL;
    size_t used = 0, cap = 0;
    for (;;) {
        if (used == cap) {
            cap = cap ? cap * 2 : 65536;
            char *more = cap <= 2 * (size_t)ADMIN_TEXT_MAX ? realloc(text, cap) : NULL;
            if (!more)
                break;
            text = more;
        }
        size_t n = fread(text + used, 1, cap - used, f);
        if (n == 0)
            break;
        used += n;
    }
    bool failed = ferror(f), whole = feof(f);
    if (!input)
        fclose(f);
    if (failed || !whole || used > ADMIN_TEXT_MAX) {
        if (failed)
            diag_error(diag, ERR_IO, path, "cannot be read: %s", strerror(errno));
        else
            diag_error(diag, ERR_LIMIT, path, "is too long: 1 GiB is the most");
        free(text);
        return NULL;
    }
    *len = used;
    return text;
}

char *session_folder(const char *path)
{
    char *whole = session_absolute(path);
    char *slash = whole ? strrchr(whole, '/') : NULL;
    if (slash)
        slash[slash == whole] = '\0';
    return whole;
}

char *session_absolute(const char *path)
{
    char *out = NULL, *here = NULL;
    if (path[0] == '/' || path[0] == '\0')
        return strdup(path);
    here = getcwd(NULL, 0);
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    if (!here || asprintf(&out, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path) < 0)
        out = NULL;
    free(here);
    return out;
}
