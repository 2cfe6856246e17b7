#include "strip.h"

#include "base/clock.h"
#include "table.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SUMS_WIDTH 18 /* "  FALLS       DOWN" */
#define NAME_MAX_BYTES 300

struct layout {
    unsigned name, columns; /* widths; name 0: on a line of its own */
    int64_t from_ms, span_ms;
    const struct strip *p;
};

static const char *const signs[2][STATE_COUNT + 1] = {
    {"?", " ", "_", "~", "+", "x", "#", "^"},
    {"?", " ", "▁", "░", "▄", "▒", "█", "^"},
};

bool strip_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < 3; i++) {
        const char *v = getenv(names[i]);
        if (v && *v)
            return strcasestr(v, "utf-8") || strcasestr(v, "utf8");
    }
    return false;
}

/* -------------------------------------------------------------------------------------- columns */

static int64_t column_begins(const struct layout *l, unsigned column)
{
    return l->from_ms + l->span_ms * column / l->columns;
}

static unsigned column_of(const struct layout *l, int64_t at_ms)
{
    if (at_ms <= l->from_ms || l->span_ms == 0)
        return 0;
    int64_t c = (at_ms - l->from_ms) * l->columns / l->span_ms;
    return c < l->columns ? (unsigned)c : l->columns - 1;
}

/* The states of each column; of several the worst. */
static void fill(const struct layout *l, const struct state_row *r, enum state *column)
{
    memset(column, 0, l->columns * sizeof *column);
    for (size_t i = 0; i < r->spans_n; i++) {
        int64_t end = i + 1 < r->spans_n ? r->span[i + 1].from_ms : l->p->until_ms;
        unsigned first = column_of(l, r->span[i].from_ms), last = column_of(l, end);
        if (last > first && column_begins(l, last) >= end)
            last--;
        for (unsigned k = first; k <= last; k++)
            if (r->span[i].state > column[k])
                column[k] = r->span[i].state;
    }
}

/* ---------------------------------------------------------------------------------------- lines */

/* The scope of a row: what is below a row before it is indented and named by its last part. */
static const char *name_of(const struct state_row *r, bool in_region, char out[NAME_MAX_BYTES])
{
    if (r->endpoint[0])
        snprintf(out, NAME_MAX_BYTES, "  %s", r->endpoint);
    else if (r->service[0])
        snprintf(out, NAME_MAX_BYTES, "%s%s", in_region ? "  " : "",
                 in_region ? r->service : r->region);
    else
        snprintf(out, NAME_MAX_BYTES, "%s", r->region);
    text_clean(out);
    return out;
}

static void sums(const struct state_row *r, char falls[16], char down[TIME_TEXT_MAX])
{
    snprintf(falls, 16, "%u", r->falls);
    if (r->down_ms)
        r->down_ms < 1000 ? duration_format(r->down_ms, down)
                          : duration_format_rough(r->down_ms, down);
    else
        snprintf(down, TIME_TEXT_MAX, "%s", r->known_ms ? "0" : "-");
}

static void print_columns(const struct layout *l, const enum state *column, FILE *out)
{
    unsigned n = l->columns;
    while (!l->name && n && column[n - 1] == STATE_STOPPED)
        n--; /* no blanks at the end of a line */
    for (unsigned k = 0; k < n; k++)
        fputs(signs[l->p->utf8][column[k]], out);
}

static void print_row(const struct layout *l, const struct state_row *r, bool in_region,
                      enum state *column, FILE *out)
{
    char name[NAME_MAX_BYTES], falls[16], down[TIME_TEXT_MAX];
    name_of(r, in_region, name);
    sums(r, falls, down);
    fill(l, r, column);
    if (l->name) {
        fprintf(out, "%s%*s  ", name, (int)(l->name - text_width(name)), "");
        print_columns(l, column, out);
        fprintf(out, "  %5s %9s\n", falls, down);
        return;
    }
    char tail[80];
    snprintf(tail, sizeof tail, "  %s fall%s, %s down", falls, r->falls == 1 ? "" : "s", down);
    bool fits = text_width(name) + strlen(tail) <= l->p->width;
    fprintf(out, "%s%s%s\n", name, fits ? "" : "\n", tail);
    print_columns(l, column, out);
    fputc('\n', out);
}

static void print_margin(const struct layout *l, const char *text, FILE *out)
{
    if (l->name)
        fprintf(out, "%-*s  ", (int)l->name, text);
}

/* Where the daemon began to run. */
static void print_starts(const struct layout *l, const struct states *s, FILE *out)
{
    size_t n;
    const int64_t *start = states_starts(s, &n);
    unsigned at = 0;
    if (n == 0)
        return;
    print_margin(l, l->name >= 6 ? "daemon" : "", out);
    for (size_t i = 0; i < n; i++) {
        unsigned k = column_of(l, start[i]);
        for (; at < k; at++)
            fputc(' ', out);
        if (at == k)
            fputs(signs[l->p->utf8][STATE_COUNT], out), at++;
    }
    fputc('\n', out);
}

/* ----------------------------------------------------------------------------------------- axis */

#define MINUTE 60000ll
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define LABEL_ROOM 9 /* "|Nov 22" or "|14:00", and a gap */

static int64_t tick_of(const struct layout *l)
{
    static const int64_t steps[] = {
        1000,        5000,        15000,   30000,    MINUTE,   2 * MINUTE, 5 * MINUTE,
        10 * MINUTE, 30 * MINUTE, HOUR,    2 * HOUR, 3 * HOUR, 6 * HOUR,   12 * HOUR,
        DAY,         2 * DAY,     7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY,   365 * DAY};
    size_t i = 0, n = sizeof steps / sizeof steps[0];
    while (i + 1 < n && steps[i] * l->columns / (l->span_ms ? l->span_ms : 1) < LABEL_ROOM)
        i++;
    return steps[i];
}

/* "14:05", "14:05:30" under a minute a tick, "11-22" at midnight or where a tick is a day. */
static void label(int64_t at_ms, int64_t tick_ms, char out[16])
{
    char when[TIME_TEXT_MAX];
    time_format_s(at_ms, when);
    if (at_ms % DAY == 0)
        snprintf(out, 16, "|%.5s", when + 5);
    else
        snprintf(out, 16, "|%.*s", tick_ms < MINUTE ? 8 : 5, when + 11);
}

static void print_axis(const struct layout *l, FILE *out)
{
    int64_t tick = tick_of(l);
    unsigned at = 0;
    print_margin(l, l->name >= 3 ? "UTC" : "", out);
    for (int64_t t = (l->from_ms + tick - 1) / tick * tick; t < l->from_ms + l->span_ms;
         t += tick) {
        char text[16];
        unsigned k = column_of(l, t);
        label(t, tick, text);
        if (k < at || k + strlen(text) > l->columns)
            continue;
        fprintf(out, "%*s%s", (int)(k - at), "", text);
        at = k + (unsigned)strlen(text);
    }
    fputc('\n', out);
}

/* Only what is to be seen is explained. */
static void print_legend(const struct layout *l, const bool *seen, bool starts, FILE *out)
{
    static const char *const means[] = {"unknown",  "daemon stopped",  "up",  "drained",
                                        "degraded", "off by a person", "down"};
    char column[TIME_TEXT_MAX];
    unsigned width = 0;
    for (int i = STATE_COUNT; i >= 0; i--) {
        const char *text = i == STATE_COUNT ? "daemon started" : means[i];
        if (i == STATE_COUNT ? !starts : !seen[i])
            continue;
        const char *sign = i == STATE_STOPPED ? "(blank)" : signs[l->p->utf8][i];
        unsigned w = (unsigned)(text_width(sign) + 1 + strlen(text));
        if (width && width + 2 + w > l->p->width) {
            fputc('\n', out);
            width = 0;
        }
        fprintf(out, "%s%s %s", width ? "  " : "", sign, text);
        width += w + (width ? 2 : 0);
    }
    int64_t ms = l->span_ms / l->columns;
    fprintf(out, "%sa column is %s\n",
            width && width + 24 > l->p->width ? "\n"
            : width                           ? "  "
                                              : "",
            ms < 1000 ? duration_format(ms, column) : duration_format_rough(ms, column));
}

/* ------------------------------------------------------------------------------------- the whole */

static bool quiet(const struct state_row *r)
{
    for (size_t i = 0; i < r->spans_n; i++)
        if (r->span[i].state > STATE_UP)
            return false;
    return true;
}

/* The first row always shows; of many only those of which there is something to tell. */
static bool wanted(const struct states *s, const struct state_row *r, bool many)
{
    return !many || r == states_next(s, NULL) || !quiet(r);
}

static struct layout lay_out(const struct strip *p, const struct states *s, bool in_region,
                             bool many)
{
    unsigned longest = 6;
    for (const struct state_row *r = states_next(s, NULL); r; r = states_next(s, r)) {
        char name[NAME_MAX_BYTES];
        unsigned w = (unsigned)text_width(name_of(r, in_region, name));
        if (wanted(s, r, many) && w > longest)
            longest = w;
    }
    struct layout l = {.name = longest,
                       .columns = p->width,
                       .from_ms = p->from_ms,
                       .span_ms = p->until_ms - p->from_ms,
                       .p = p};
    if (longest + 2 + STRIP_LEAST + SUMS_WIDTH <= p->width)
        l.columns = p->width - longest - 2 - SUMS_WIDTH + 1;
    else
        l.name = 0;
    return l;
}

void strip_print(const struct strip *p, const struct states *s, FILE *out)
{
    const struct state_row *first = states_next(s, NULL);
    bool in_region = first && !first->service[0], seen[STATE_COUNT] = {false};
    size_t rows = 0, left_out = 0, starts;
    char from[TIME_TEXT_MAX], until[TIME_TEXT_MAX];
    for (const struct state_row *r = first; r; r = states_next(s, r))
        rows++;
    bool many = rows > STRIP_QUIET_ROWS;
    struct layout l = lay_out(p, s, in_region, many);
    enum state *column = calloc(l.columns, sizeof *column);
    if (!column)
        return;
    fprintf(out, "%s  %s to %s\n", p->title, time_format_s(p->from_ms, from),
            time_format_s(p->until_ms, until));
    if (l.name)
        fprintf(out, "%*s  %5s %9s\n", (int)(l.name + 2 + l.columns), "", "FALLS", "DOWN");
    for (const struct state_row *r = first; r; r = states_next(s, r)) {
        if (!wanted(s, r, many)) {
            left_out++;
            continue;
        }
        print_row(&l, r, in_region, column, out);
        for (unsigned k = 0; k < l.columns; k++)
            seen[column[k]] = true;
    }
    print_starts(&l, s, out);
    print_axis(&l, out);
    states_starts(s, &starts);
    print_legend(&l, seen, starts > 0, out);
    if (left_out)
        fprintf(out, "and %zu more, up all the time\n", left_out);
    free(column);
}
