#include "latency.h"
#include "change.h"
#include "items.h"
#include "runs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MS_MAX 60000.0 /* as the field's text says */
#define COLUMNS 3

/* Cuts a line at commas, in place; returns how many columns it has, at most COLUMNS + 1. */
static size_t split(char *line, char *column[COLUMNS])
{
    size_t n = 0;
    while (n <= COLUMNS) {
        char *next = strchr(line, ',');
        if (next)
            *next = '\0';
        line += strspn(line, " \t");
        size_t len = strlen(line);
        while (len > 0 && strchr(" \t\r", line[len - 1]))
            line[--len] = '\0';
        if (len > 1 && line[0] == '"' && line[len - 1] == '"') {
            line[len - 1] = '\0';
            line++;
        }
        if (n < COLUMNS)
            column[n] = line;
        n++;
        if (!next)
            break;
        line = next + 1;
    }
    return n;
}

static bool parse_ms(const char *text, double *ms)
{
    char *end;
    if (!*text || strspn(text, "0123456789.eE+-") != strlen(text))
        return false;
    *ms = strtod(text, &end);
    return *end == '\0' && isfinite(*ms) && *ms > 0 && *ms <= MS_MAX;
}

static bool may_be_measured(enum model_where kind)
{
    return kind == WHERE_NET || kind == WHERE_ASN || kind == WHERE_COUNTRY ||
           kind == WHERE_CONTINENT;
}

struct csv {
    const struct model *m;
    const char *path;
    struct diag *diag;
    struct arena *arena;
    json_t *rows;
    bool header;
};

static void read_line(struct csv *csv, char *line, unsigned number)
{
    char where[300], region[MODEL_NAME_TEXT_MAX], *column[COLUMNS];
    snprintf(where, sizeof where, "%.250s:%u", csv->path, number);
    size_t n = split(line, column);
    if ((n == 1 && !column[0][0]) || column[0][0] == '#')
        return;
    if (n != COLUMNS) {
        diag_error(csv->diag, ERR_SYNTAX, where, "%s than where,region,milliseconds",
                   n < COLUMNS ? "less" : "more");
        return;
    }
    if (number == 1 && strcasecmp(column[0], "where") == 0) {
        csv->header = true;
        return;
    }
    struct model_place place;
    double ms = 0;
    size_t errors = csv->diag->errors;
    if (model_place_parse(column[0], csv->arena, &place, where, csv->diag) != ERR_OK)
        return;
    if (!may_be_measured(place.kind))
        diag_error(csv->diag, ERR_INVALID, where, "\"%s\" is not net, asn, country or continent",
                   column[0]);
    item_name(column[1], region);
    if (!model_region(csv->m, region))
        diag_error(csv->diag, ERR_NOT_FOUND, where, "no region is called \"%.64s\"", column[1]);
    if (!parse_ms(column[2], &ms))
        diag_error(csv->diag, ERR_INVALID, where,
                   "\"%.32s\" is not a number of milliseconds above 0, at most 60000", column[2]);
    if (csv->diag->errors == errors)
        json_array_append_new(csv->rows, json_pack("{s:s, s:s, s:f}", "where", place.text, "region",
                                                   region, "ms", ms));
}

json_t *latency_parse(const char *text, size_t len, const char *path, const struct model *m,
                      struct diag *diag)
{
    struct csv csv = {
        .m = m, .path = path, .diag = diag, .arena = arena_create(0), .rows = json_array()};
    const char *line = text, *end = text + len;
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        line += 3; /* a byte order mark */
    for (unsigned number = 1; csv.arena && line < end; number++) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        const char *stop = next ? next : end;
        if (memchr(line, '\0', (size_t)(stop - line)))
            diag_error(diag, ERR_SYNTAX, path, "line %u is not text", number);
        /* The last line may have no newline; a copy has room for its end. */
        char *copy = strndup(line, (size_t)(stop - line));
        if (!copy)
            break;
        read_line(&csv, copy, number);
        free(copy);
        line = stop + 1;
    }
    arena_destroy(csv.arena);
    /* What should have written it may have failed. */
    if (diag->errors == 0 && !csv.header && json_array_size(csv.rows) == 0)
        diag_error(
            diag, ERR_SYNTAX, path,
            "nothing is in it; the header alone, where,region,milliseconds, empties the table");
    if (diag->errors == 0)
        return csv.rows;
    json_decref(csv.rows);
    return NULL;
}

int run_latency_import(struct call *c)
{
    struct diag diag = {0};
    struct model *m = NULL;
    const char *path = call_arg(c, 0);
    size_t len = 0;
    enum err e = session_model(c, &m, &diag);
    char *text = e ? NULL : session_read_file(path, &len, &diag);
    json_t *rows = text ? latency_parse(text, len, path, m, &diag) : NULL;
    free(text);
    model_unref(&m);
    if (!rows)
        return session_fail(e ? e : (enum err)ERR_SYNTAX, &diag);
    diag_fini(&diag);
    json_t *edit = change_edit("replace", config_noun_name(NOUN_LATENCY), NULL, NULL, NULL,
                               json_pack("{s:o}", "rows", rows));
    struct change change = {.kind = REVISE_EDITS, .edits = json_pack("[o]", edit)};
    return change_submit(c, &change);
}
