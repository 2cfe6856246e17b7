/* doctor: is the zone delegated, and do its name servers answer as it is configured here? */
#include "doctor.h"

#include "items.h"
#include "runs.h"
#include "session.h"
#include "table.h"

#include "base/addr.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const result_names[] = {"ok", "warning", "problem"};

void doctor_say(struct doctor *d, enum doctor_result result, const char *check, const char *where,
                const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    d->problems += result == DOCTOR_PROBLEM;
    json_array_append_new(d->findings,
                          json_pack("{s:s, s:s, s:s, s:s}", "result", result_names[result], "check",
                                    check, "where", where, "text", text));
}

static int print_findings(const json_t *findings)
{
    static const char *const head[] = {"RESULT", "CHECK", "WHERE", "WHAT", NULL};
    static const char *const keys[] = {"result", "check", "where", "text"};
    struct table t;
    size_t i;
    json_t *f;
    table_start(&t, head, 0);
    json_array_foreach(findings, i, f) for (size_t k = 0; k < 4; k++)
        table_cell(&t, "%s", json_string_value(json_object_get(f, keys[k])));
    return table_print(&t, stdout, session_terminal())
               ? ADMIN_DONE
               : session_fail_text(ADMIN_REFUSED, "out of memory for the table");
}

int run_doctor(struct call *c)
{
    struct diag diag = {0};
    struct model *m = NULL;
    struct hostport at;
    char name[MODEL_HOST_TEXT_MAX];
    const char *parent = call_flag(c, "parent");
    if (parent && !hostport_parse(parent, 53, &at))
        return session_fail_text(ADMIN_REFUSED, "--parent: \"%.64s\" is not ADDR or ADDR:PORT",
                                 parent);
    item_host(call_arg(c, 0), name);
    enum err e = session_model(c, &m, &diag);
    struct doctor d = {.m = m, .zone = e ? NULL : model_zone(m, name)};
    if (!e && !d.zone)
        e = diag_error(&diag, ERR_NOT_FOUND, "", "no zone is called \"%.253s\"", call_arg(c, 0));
    if (e) {
        model_unref(&m);
        return session_fail(e, &diag);
    }
    d.findings = json_array();
    doctor_servers(&d, parent);
    doctor_config(&d);
    model_unref(&m);
    int code = c->json ? session_json(d.findings) : print_findings(d.findings);
    if (!c->json)
        json_decref(d.findings);
    return code ? code : d.problems ? ADMIN_REFUSED : ADMIN_DONE;
}
