#include "loader_priv.h"

#include "base/check.h"
#include "dns/types.h"
#include "lines.h"

#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MESSAGE_BYTES_MAX 4096
#define RDATA_BUFFER_BYTES 65536

static void place_text(const struct place *at, char *out, size_t cap)
{
    if (at->line > 0)
        snprintf(out, cap, "%s:%u", at->file, at->line);
    else
        snprintf(out, cap, "%s", at->file);
}

void load__error(struct load *l, const struct place *at, const char *fmt, ...)
{
    char where[MESSAGE_BYTES_MAX], text[MESSAGE_BYTES_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    place_text(at, where, sizeof where);
    l->errors++;
    diag_error(l->diag, ERR_SYNTAX, where, "%s", text);
}

void load__warning(struct load *l, const struct place *at, const char *fmt, ...)
{
    char where[MESSAGE_BYTES_MAX], text[MESSAGE_BYTES_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    place_text(at, where, sizeof where);
    diag_warning(l->diag, where, "%s", text);
}

static void file_read(struct load *l, FILE *f, const char *file, const struct dns_name *origin,
                      unsigned depth);

static void directive_origin(struct load *l, struct place *at, const char *name)
{
    struct dns_name origin;
    char excerpt[72];
    if (!name || !load__name(name, &at->origin, &origin))
        load__error(l, at, "$ORIGIN \"%s\" is no domain name",
                    load__excerpt(name ? name : "", excerpt));
    else
        at->origin = origin;
}

static void directive_ttl(struct load *l, const struct place *at, const char *text)
{
    uint64_t ttl;
    char excerpt[72];
    if (!text || !load__ttl(text, &ttl) || ttl > DNS_TTL_MAX) {
        load__error(l, at, "$TTL \"%s\" is no number of seconds from 0 to 2147483647",
                    load__excerpt(text ? text : "", excerpt));
        return;
    }
    l->ttl_default = (uint32_t)ttl;
    l->has_ttl_default = true;
}

static void directive_include(struct load *l, const struct place *at, const char *name,
                              const char *origin_text, unsigned depth)
{
    struct dns_name origin = at->origin;
    if (!name || !*name) {
        load__error(l, at, "$INCLUDE names no file");
        return;
    }
    if (origin_text && !load__name(origin_text, &at->origin, &origin)) {
        load__error(l, at, "$INCLUDE %s: the origin is no domain name", name);
        return;
    }
    if (depth >= ZONE_INCLUDE_DEPTH_MAX) {
        load__error(l, at, "$INCLUDE %s: files are included %d deep already, perhaps in a circle",
                    name, ZONE_INCLUDE_DEPTH_MAX);
        return;
    }
    if (++l->files > ZONE_FILES_MAX) {
        if (l->files == ZONE_FILES_MAX + 1)
            load__error(l, at, "$INCLUDE %s: more than %d files for one zone", name,
                        ZONE_FILES_MAX);
        return;
    }
    char *path = load__include_path(l, at, name);
    FILE *f = path ? load__open(l, at, path, name) : NULL;
    free(path);
    if (!f)
        return;
    const char *file = arena_printf(l->arena, "%s%s", l->prefix, name);
    struct dns_name owner = l->owner;
    if (file)
        file_read(l, f, file, &origin, depth + 1);
    else
        l->out_of_memory = true;
    l->owner = owner; /* RFC 1035 §5.1: nothing of it reaches the file that includes */
    fclose(f);
}

static void directive(struct load *l, struct place *at, char *text, unsigned depth)
{
    char excerpt[72];
    char *word = load__field(&text), *first = load__field(&text), *second = load__field(&text);
    if (strcasecmp(word, "$ORIGIN") == 0)
        directive_origin(l, at, first);
    else if (strcasecmp(word, "$TTL") == 0)
        directive_ttl(l, at, first);
    else if (strcasecmp(word, "$INCLUDE") == 0)
        directive_include(l, at, first, second, depth);
    else if (strcasecmp(word, "$GENERATE") == 0)
        load__error(l, at, "$GENERATE is not supported: write the records out");
    else
        load__error(l, at, "%s is no directive: there are $ORIGIN, $TTL and $INCLUDE",
                    load__excerpt(word, excerpt));
}

static bool goes_on(const struct load *l)
{
    return !l->out_of_memory && !l->too_many;
}

static void file_read(struct load *l, FILE *f, const char *file, const struct dns_name *origin,
                      unsigned depth)
{
    struct lines lines;
    struct place at = {.file = file, .origin = *origin};
    enum lines_got got = LINES_ENTRY;
    const char *problem = NULL;
    lines_init(&lines, f);
    while (goes_on(l) && got != LINES_END && got != LINES_BINARY) {
        got = lines_next(&lines, &problem);
        at.line = lines.start;
        if (got == LINES_BAD)
            load__error(l, &at, "%s", problem);
        else if (got == LINES_BINARY)
            load__error(l, &at, "there are control characters here: this is no zone file");
        else if (got == LINES_NO_MEMORY)
            l->out_of_memory = true;
        else if (got == LINES_ENTRY && lines.text[0] == '$')
            directive(l, &at, lines.text, depth);
        else if (got == LINES_ENTRY)
            load__record(l, &at, lines.text);
    }
    if (ferror(f)) {
        at.line = lines.line;
        load__error(l, &at, "cannot read on: %s", strerror(errno));
    }
    lines_fini(&lines);
}

/* The folder that $INCLUDE is confined to, as it is and as the caller spells it. */
static bool folder_find(struct load *l, const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return false;
    l->folder = realpath(dirname(copy), NULL);
    free(copy);
    const char *slash = strrchr(path, '/');
    l->prefix = arena_printf(l->scratch, "%.*s", slash ? (int)(slash - path + 1) : 0, path);
    return l->folder && l->prefix;
}

static enum err load(struct load *l, const char *path, struct zone_records **out)
{
    struct place at = {.file = arena_strdup(l->arena, path)};
    l->wire = ldns_buffer_new(RDATA_BUFFER_BYTES);
    if (!at.file || !l->wire)
        return ERR_NOMEM;
    FILE *f = load__open(l, &at, path, "the file");
    if (!f)
        return l->out_of_memory ? ERR_NOMEM : ERR_IO;
    if (folder_find(l, path))
        file_read(l, f, at.file, l->zone, 0);
    else
        l->out_of_memory = true;
    fclose(f);
    if (l->too_many) {
        load__error(l, &at, "the zone has more than %u records", ZONE_RECORDS_MAX);
        return ERR_LIMIT;
    }
    if (l->errors == 0 && l->n == 0 && !l->out_of_memory)
        load__error(l, &at, "the file holds no record");
    /* What is wrong between records is worth saying only once each of them is understood. */
    struct zone_records *records = l->errors == 0 && !l->out_of_memory ? load__finish(l) : NULL;
    if (l->out_of_memory || arena_failed(l->arena))
        return ERR_NOMEM;
    if (l->errors > 0)
        return ERR_SYNTAX;
    *out = records;
    return ERR_OK;
}

enum err zone_load_file(const char *path, const struct dns_name *origin, struct arena *arena,
                        struct zone_records **out, struct diag *diag)
{
    struct load l = {.zone = origin, .arena = arena, .diag = diag};
    *out = NULL;
    l.scratch = arena_create(0);
    enum err e = l.scratch ? load(&l, path, out) : ERR_NOMEM;
    if (e == ERR_NOMEM)
        diag_error(diag, e, path, "out of memory after %zu records", l.n);
    free(l.records);
    free(l.folder);
    ldns_buffer_free(l.wire);
    arena_destroy(l.scratch);
    return e;
}
