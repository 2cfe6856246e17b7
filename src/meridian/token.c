/* token: who may report over HTTP: the setting admin-tokens, one name at a time. */
#include "change.h"
#include "runs.h"
#include "table.h"

#include "admin/token.h"
#include "model/settings.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

struct tokens {
    struct model_token token[MODEL_TOKENS_MAX];
    size_t n;
};

/* The setting is read, changed and set: one command at a time, or two that begin together would each
 * take back what the other gives out. Held until the command ends. flock, since SQLite's own locks
 * on the file are fcntl's. */
static enum err one_at_a_time(const struct call *c, struct diag *diag)
{
    int fd = open(c->db, O_RDONLY | O_CLOEXEC);
    if (fd < 0) /* whoever opens the database next says why */
        return ERR_OK;
    while (flock(fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return diag_error(diag, ERR_IO, "", "cannot lock %s: %s", c->db, strerror(errno));
    return ERR_OK;
}

static enum err read_tokens(const struct call *c, struct tokens *t, const char *region,
                            struct diag *diag)
{
    struct model *m = NULL;
    char name[MODEL_NAME_TEXT_MAX];
    enum err e = session_model(c, &m, diag);
    if (!e && !model_tokens_parse(model_setting(m, "admin-tokens"), t->token, &t->n))
        e = diag_error(diag, ERR_CORRUPT, "", "the setting admin-tokens cannot be read");
    if (!e && region && (!model_name_canonical(region, name) || !model_region(m, name)))
        e = diag_error(diag, ERR_NOT_FOUND, "", "no region is called \"%.64s\"", region);
    model_unref(&m);
    return e;
}

static struct model_token *named(struct tokens *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->token[i].name, name) == 0)
            return &t->token[i];
    return NULL;
}

static int submit(const struct call *c, const struct tokens *t, const char *token)
{
    char text[MODEL_TOKENS_MAX * sizeof(struct model_token)];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < t->n; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s%s%s:%s", i ? "," : "",
                                t->token[i].name, t->token[i].region[0] ? "@" : "",
                                t->token[i].region, t->token[i].hash);
    json_t *edit = change_edit("set", "setting", "admin-tokens", NULL, NULL,
                               json_pack("{s:s}", "value", text));
    struct change change = {.kind = REVISE_EDITS, .edits = json_pack("[o]", edit), .token = token};
    return change_submit(c, &change);
}

int run_token_add(struct call *c)
{
    struct tokens t = {0};
    struct diag diag = {0};
    struct model_token *more = &t.token[0];
    char token[ADMIN_TOKEN_TEXT_MAX], region[MODEL_NAME_TEXT_MAX] = "";
    const char *name = call_arg(c, 0), *only = call_flag(c, "region");
    enum err e = one_at_a_time(c, &diag);
    if (!e)
        e = read_tokens(c, &t, only, &diag);
    if (e)
        return session_fail(e, &diag);
    if (named(&t, name))
        return session_fail_text(ADMIN_REFUSED, "%.64s has a token: remove it first", name);
    if (t.n == MODEL_TOKENS_MAX)
        return session_fail_text(ADMIN_REFUSED, "%d tokens are given out already: remove one",
                                 MODEL_TOKENS_MAX);
    if (!model_token_name_valid(name))
        return session_fail_text(
            ADMIN_REFUSED,
            "\"%.64s\" is no name for a token: up to %zu letters, digits and ._- make one", name,
            sizeof more->name - 1);
    if (only && !model_name_canonical(only, region))
        region[0] = '\0';
    more = &t.token[t.n++];
    snprintf(more->name, sizeof more->name, "%s", name);
    snprintf(more->region, sizeof more->region, "%s", region);
    e = admin_token_make(token);
    if (!e)
        e = admin_token_hash(token, more->hash);
    return e ? session_fail(e, &diag) : submit(c, &t, token);
}

int run_token_remove(struct call *c)
{
    struct tokens t = {0};
    struct diag diag = {0};
    enum err e = one_at_a_time(c, &diag);
    if (!e)
        e = read_tokens(c, &t, NULL, &diag);
    if (e)
        return session_fail(e, &diag);
    struct model_token *gone = named(&t, call_arg(c, 0));
    if (!gone)
        return session_fail_text(ADMIN_NOT_FOUND, "nobody called \"%.64s\" has a token",
                                 call_arg(c, 0));
    t.n--;
    memmove(gone, gone + 1, (size_t)(&t.token[t.n] - gone) * sizeof *gone);
    return submit(c, &t, NULL);
}

int run_token_list(struct call *c)
{
    struct tokens t = {0};
    struct diag diag = {0};
    enum err e = read_tokens(c, &t, NULL, &diag);
    if (e)
        return session_fail(e, &diag);
    json_t *list = json_array();
    static const char *const head[] = {"NAME", "REGION", NULL};
    struct table table;
    if (!c->json)
        table_start(&table, head, 0);
    for (size_t i = 0; i < t.n; i++) {
        const struct model_token *one = &t.token[i];
        json_array_append_new(list, json_pack("{s:s, s:s*}", "name", one->name, "region",
                                              one->region[0] ? one->region : NULL));
        if (!c->json) {
            table_cell(&table, "%s", one->name);
            table_cell(&table, "%s", one->region[0] ? one->region : "any");
        }
    }
    if (c->json)
        return session_json(list);
    json_decref(list);
    return table_print(&table, stdout, session_terminal()) ? ADMIN_DONE : ADMIN_REFUSED;
}
