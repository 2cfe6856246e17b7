#include "model/policy.h"

#include "base/check.h"
#include "model/nearest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum role { ROLE_FILTER, ROLE_GROUPING, ROLE_CHOOSER };

static const struct row {
    const char *name;
    enum role role;
    const char *unit; /* of within; NULL: takes none */
    double within_max;
} rows[] = {
    [STEP_FENCE] = {"fence", ROLE_FILTER, NULL, 0},
    [STEP_GEO] = {"geo", ROLE_GROUPING, NULL, 0},
    [STEP_NEAREST] = {"nearest", ROLE_GROUPING, "km", 20040},
    [STEP_LATENCY] = {"latency", ROLE_GROUPING, "ms", 60000},
    [STEP_FAILOVER] = {"failover", ROLE_GROUPING, NULL, 0},
    [STEP_WEIGHTED] = {"weighted", ROLE_CHOOSER, NULL, 0},
    [STEP_STICKY] = {"sticky", ROLE_CHOOSER, NULL, 0},
    [STEP_ALL] = {"all", ROLE_CHOOSER, NULL, 0},
};
static const char *const role_names[] = {"filter", "grouping", "chooser"};
#define STEP_NAMES "fence, geo, nearest, latency, failover, weighted, sticky, all"
#define WORD_MAX 40

struct parser {
    const char *p;
    const char *where;
    struct diag *diag;
    struct policy *out;
    unsigned word_no;
    char word[WORD_MAX]; /* the one read last; longer ones end in "..." */
};

static void skip_space(struct parser *s)
{
    s->p += strspn(s->p, " \t\r\n");
}

static void read_word(struct parser *s)
{
    size_t len = strcspn(s->p, " \t\r\n|");
    s->word_no++;
    if (len < WORD_MAX)
        snprintf(s->word, WORD_MAX, "%.*s", (int)len, s->p);
    else
        snprintf(s->word, WORD_MAX, "%.*s...", WORD_MAX - 4, s->p);
    s->p += len;
}

static enum err not_a_step(struct parser *s)
{
    struct nearest near;
    char hint[80];
    nearest_start(&near, s->word);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        nearest_offer(&near, rows[i].name);
    if (!nearest_best(&near))
        snprintf(hint, sizeof hint, "; steps are %s", STEP_NAMES);
    else
        nearest_hint(&near, hint, sizeof hint);
    return diag_error(s->diag, ERR_SYNTAX, s->where, "word %u \"%s\" is not a step%s", s->word_no,
                      s->word, hint);
}

/* Filters, then groupings, then one chooser; no step twice. */
static enum err check_order(struct parser *s, enum policy_step_kind kind)
{
    const struct row *r = &rows[kind];
    for (unsigned i = 0; i < s->out->n; i++) {
        enum policy_step_kind before = s->out->step[i].kind;
        if (before == kind)
            return diag_error(s->diag, ERR_INVALID, s->where,
                              "word %u \"%s\" is in the policy already; a step is named once",
                              s->word_no, r->name);
        if (rows[before].role == ROLE_CHOOSER && r->role == ROLE_CHOOSER)
            return diag_error(s->diag, ERR_INVALID, s->where,
                              "word %u \"%s\" is a second chooser after \"%s\"; a policy has one, "
                              "last",
                              s->word_no, r->name, rows[before].name);
        if (rows[before].role > r->role)
            return diag_error(s->diag, ERR_INVALID, s->where,
                              "word %u \"%s\" is a %s and must come before the %s \"%s\"",
                              s->word_no, r->name, role_names[r->role],
                              role_names[rows[before].role], rows[before].name);
    }
    return ERR_OK;
}

static enum err read_step_name(struct parser *s)
{
    read_word(s);
    for (unsigned k = 0; k < ARRAY_LEN(rows); k++) {
        if (strcasecmp(s->word, rows[k].name) != 0)
            continue;
        enum err e = check_order(s, (enum policy_step_kind)k);
        if (e)
            return e;
        CHECK(s->out->n < POLICY_STEPS_MAX); /* no step twice, so at most six fit the order */
        s->out->step[s->out->n++] = (struct policy_step){.kind = (enum policy_step_kind)k};
        return ERR_OK;
    }
    return not_a_step(s);
}

static bool parse_within(const char *text, const struct row *r, double *out)
{
    if (!((*text >= '0' && *text <= '9') || *text == '.') || strpbrk(text, "xXpP"))
        return false;
    char *end;
    double v = strtod(text, &end);
    if (end == text || (*end && strcasecmp(end, r->unit) != 0))
        return false;
    *out = round(v * 1000) / 1000; /* three decimals: as it is written back */
    return *out > 0 && *out <= r->within_max;
}

static enum err read_argument(struct parser *s)
{
    struct policy_step *step = &s->out->step[s->out->n - 1];
    const struct row *r = &rows[step->kind];
    read_word(s);
    if (strncasecmp(s->word, "within=", 7) != 0) {
        for (unsigned k = 0; k < ARRAY_LEN(rows); k++)
            if (strcasecmp(s->word, rows[k].name) == 0)
                return diag_error(s->diag, ERR_SYNTAX, s->where,
                                  "word %u \"%s\" follows \"%s\" without a |; write \"%s | %s\"",
                                  s->word_no, rows[k].name, r->name, r->name, rows[k].name);
        if (r->unit)
            return diag_error(s->diag, ERR_SYNTAX, s->where,
                              "word %u \"%s\" is not understood; \"%s\" takes within=NUMBER%s",
                              s->word_no, s->word, r->name, r->unit);
    }
    if (!r->unit)
        return diag_error(s->diag, ERR_SYNTAX, s->where,
                          "word %u \"%s\" is not understood; \"%s\" takes nothing behind it",
                          s->word_no, s->word, r->name);
    if (step->within > 0)
        return diag_error(s->diag, ERR_INVALID, s->where,
                          "word %u \"%s\" is a second within for \"%s\"", s->word_no, s->word,
                          r->name);
    if (!parse_within(s->word + 7, r, &step->within))
        return diag_error(s->diag, ERR_INVALID, s->where,
                          "word %u \"%s\" is not accepted; \"%s\" takes a number of %s above 0, at "
                          "most %g: within=10%s",
                          s->word_no, s->word, r->name,
                          step->kind == STEP_LATENCY ? "milliseconds" : "kilometres", r->within_max,
                          r->unit);
    return ERR_OK;
}

enum err policy_parse(const char *text, const char *where, struct policy *out, struct diag *diag)
{
    struct parser s = {.p = text, .where = where, .diag = diag, .out = out};
    memset(out, 0, sizeof *out);
    for (;;) {
        skip_space(&s);
        if (*s.p == '|' || !*s.p) {
            if (!s.word_no && !*s.p)
                return diag_error(diag, ERR_SYNTAX, where,
                                  "a policy must name at least one step of %s", STEP_NAMES);
            return diag_error(diag, ERR_SYNTAX, where, "a step is missing %s word %u, at \"|\"",
                              s.word_no ? "after" : "before", s.word_no ? s.word_no : 1);
        }
        enum err e = read_step_name(&s);
        for (skip_space(&s); !e && *s.p && *s.p != '|'; skip_space(&s))
            e = read_argument(&s);
        if (e)
            return e;
        if (!*s.p)
            break;
        s.p++;
    }
    if (rows[out->step[out->n - 1].kind].role != ROLE_CHOOSER)
        out->step[out->n++] = (struct policy_step){.kind = STEP_WEIGHTED};
    return ERR_OK;
}

/* The chooser `weighted` is what goes without saying: it is written only where it stands alone. */
char *policy_format(const struct policy *p, char out[POLICY_TEXT_MAX])
{
    unsigned n = p->n;
    if (n > 1 && p->step[n - 1].kind == STEP_WEIGHTED)
        n--;
    size_t at = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < n; i++) {
        const struct policy_step *step = &p->step[i];
        const struct row *r = &rows[step->kind];
        int w = snprintf(out + at, POLICY_TEXT_MAX - at, "%s%s", i ? " | " : "", r->name);
        CHECK(w > 0 && at + (size_t)w < POLICY_TEXT_MAX);
        at += (size_t)w;
        if (step->within <= 0 || !r->unit)
            continue;
        w = snprintf(out + at, POLICY_TEXT_MAX - at, " within=%.9g%s", step->within, r->unit);
        CHECK(w > 0 && at + (size_t)w < POLICY_TEXT_MAX);
        at += (size_t)w;
    }
    return out;
}

bool policy_has(const struct policy *p, enum policy_step_kind kind)
{
    for (uint8_t i = 0; p && i < p->n; i++)
        if (p->step[i].kind == kind)
            return true;
    return false;
}
