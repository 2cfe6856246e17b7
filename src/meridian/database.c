/* database: making one, judging one, and having the daemon look at its files again. */
#include "change.h"
#include "runs.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

int run_init(struct call *c)
{
    struct diag diag = {0};
    enum err e = store_init(c->db, &diag);
    if (e)
        return session_fail(e, &diag);
    diag_fini(&diag);
    char real[PATH_MAX];
    const char *path = realpath(c->db, real) ? real : c->db;
    if (c->json)
        return session_json(json_pack("{s:s}", "database", path));
    session_line(path);
    return ADMIN_DONE;
}

static int print_judgement(const struct call *c, const struct model *m, const struct diag *diag)
{
    if (c->json) {
        session_json(json_pack("{s:I, s:b, s:o, s:o}", "revision", (json_int_t)m->revision, "ok",
                               diag->errors == 0, "errors", admin_findings(diag, DIAG_ERROR),
                               "warnings", admin_findings(diag, DIAG_WARNING)));
        return diag->errors ? ADMIN_REFUSED : ADMIN_DONE;
    }
    for (size_t i = 0; i < diag->n; i++) {
        const struct diag_finding *f = &diag->findings[i];
        printf("%s: ", f->level == DIAG_ERROR ? "error" : "warning");
        if (f->where[0])
            printf("%s: ", f->where);
        session_line(f->text);
    }
    if (diag->errors + diag->warnings > diag->n)
        printf("and %zu more\n", diag->errors + diag->warnings - diag->n);
    if (diag->errors == 0)
        printf("revision %" PRId64 " is good: %u zones, %u services, %u regions\n", m->revision,
               m->zones_n, m->services_n, m->regions_n);
    return diag->errors ? ADMIN_REFUSED : ADMIN_DONE;
}

int run_check(struct call *c)
{
    struct diag diag = {0};
    struct store *s = NULL;
    struct model *m = NULL;
    enum err e = session_open(c, &s, &diag);
    if (!e)
        e = store_load(s, &m, &diag);
    store_close(&s);
    if (e)
        return session_fail(e, &diag);
    e = model_validate(m, &diag);
    if (!e)
        e = change_compile(NULL, m, &diag);
    if (e && diag.errors == 0)
        diag_error(&diag, e, "", "%s", err_text(e));
    int code = print_judgement(c, m, &diag);
    diag_fini(&diag);
    model_unref(&m);
    return code;
}

int run_reload(struct call *c)
{
    json_t *reply;
    int code = session_ask(c, json_pack("{s:s}", "op", "reload"), CALL_EDIT_TIMEOUT_MS, &reply);
    if (code)
        return code;
    if (c->json)
        return session_json(reply);
    json_t *files = json_object_get(reply, "reloaded"), *file;
    size_t i;
    json_array_foreach(files, i, file) if (json_is_string(file))
        session_line(json_string_value(file));
    printf("%zu files read again; revision %" JSON_INTEGER_FORMAT " is serving\n",
           json_array_size(files), json_integer_value(json_object_get(reply, "revision")));
    json_decref(reply);
    return ADMIN_DONE;
}
