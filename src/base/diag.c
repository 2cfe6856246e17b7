#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An error is worth more than the last warning: what refuses must be told. */
static bool drop_warning(struct diag *d)
{
    size_t i = d->n;
    while (i > 0 && d->findings[i - 1].level == DIAG_ERROR)
        i--;
    if (i == 0)
        return false;
    free(d->findings[i - 1].where);
    free(d->findings[i - 1].text);
    memmove(&d->findings[i - 1], &d->findings[i], (d->n - i) * sizeof d->findings[0]);
    d->n--;
    return true;
}

__attribute__((format(printf, 4, 0))) static void
add(struct diag *d, enum diag_level level, const char *where, const char *fmt, va_list ap)
{
    if (!d)
        return;
    if (level == DIAG_ERROR)
        d->errors++;
    else
        d->warnings++;
    if (d->n == DIAG_FINDINGS_MAX && (level == DIAG_WARNING || !drop_warning(d)))
        return;
    struct diag_finding *f = &d->findings[d->n];
    f->level = level;
    f->where = strdup(where ? where : "");
    if (!f->where)
        return;
    if (vasprintf(&f->text, fmt, ap) < 0) {
        free(f->where);
        f->where = NULL;
        return;
    }
    d->n++;
}

enum err diag_error(struct diag *d, enum err e, const char *where, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(d, DIAG_ERROR, where, fmt, ap);
    va_end(ap);
    return e;
}

void diag_warning(struct diag *d, const char *where, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(d, DIAG_WARNING, where, fmt, ap);
    va_end(ap);
}

void diag_take(struct diag *d, struct diag *from)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct diag_finding *f = &from->findings[i];
        if (f->level == DIAG_WARNING)
            diag_warning(d, f->where, "%s", f->text);
        else
            (void)diag_error(d, ERR_OK, f->where, "%s", f->text);
        *(f->level == DIAG_WARNING ? &from->warnings : &from->errors) -= 1;
    }
    if (d) { /* those that were only counted */
        d->errors += from->errors;
        d->warnings += from->warnings;
    }
    diag_fini(from);
}

const char *diag_first(const struct diag *d, char *out, size_t cap)
{
    const struct diag_finding *pick = NULL;
    for (size_t i = 0; d && i < d->n && !pick; i++)
        if (d->findings[i].level == DIAG_ERROR)
            pick = &d->findings[i];
    if (!pick && d && d->n)
        pick = &d->findings[0];
    if (!pick)
        out[0] = '\0';
    else if (pick->where[0])
        snprintf(out, cap, "%s: %s", pick->where, pick->text);
    else
        snprintf(out, cap, "%s", pick->text);
    return out;
}

void diag_fini(struct diag *d)
{
    for (size_t i = 0; i < d->n; i++) {
        free(d->findings[i].where);
        free(d->findings[i].text);
    }
    memset(d, 0, sizeof *d);
}
