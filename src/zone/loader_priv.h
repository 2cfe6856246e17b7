/* loader_priv: one load of one zone, shared by the loader's files. */
#pragma once

#include "zone/loader.h"

#include <ldns/ldns.h>

struct record {
    const uint8_t *owner; /* in scratch; lower */
    const uint8_t *rdata; /* in the result's arena */
    const char *file;
    unsigned line;
    uint32_t ttl;
    uint16_t type, rdata_len;
    uint8_t owner_len;
};

struct load {
    const struct dns_name *zone;
    struct arena *arena;   /* the result's */
    struct arena *scratch; /* gone at the end */
    struct diag *diag;
    size_t errors;
    bool out_of_memory, too_many;
    char *folder;       /* real path of the zone file's folder */
    const char *prefix; /* the same folder as the caller spelt it, with its '/', for messages */
    unsigned files;
    struct record *records;
    size_t n, cap;
    ldns_buffer *wire; /* RDATA of one record */
    /* What one entry leaves to the next. */
    struct dns_name owner; /* len 0: none yet */
    uint32_t ttl_default, ttl_last;
    bool has_ttl_default, has_ttl_last;
};

struct place { /* where an entry stands */
    const char *file;
    unsigned line;
    struct dns_name origin;
};

/* A finding at the place; counts it. */
void load__error(struct load *l, const struct place *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void load__warning(struct load *l, const struct place *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* entry.c: text of one entry into a record. text is changed. */
void load__record(struct load *l, const struct place *at, char *text);
/* The next blank-separated field, a quoted one without its quotes; NULL at the end. Cuts the text.
 */
char *load__field(char **text);
bool load__name(const char *text, const struct dns_name *origin, struct dns_name *out);
bool load__ttl(const char *text, uint64_t *ttl_s);
/* At most 60 octets of text fit for a message. */
const char *load__excerpt(const char *text, char out[72]);

/* rdata.c: type and RDATA of an entry into a record. */
void load__rdata(struct load *l, const struct place *at, uint32_t ttl, const char *type,
                 const char *rdata);

/* svcb.c: SvcParams from text, behind what stands in l->wire; NULL or what is wrong with them. */
const char *load__svcb_params(struct load *l, const char *text);
/* What is wrong with the RDATA of an SVCB or HTTPS record, NULL. */
const char *load__svcb_wrong(const uint8_t *rdata, size_t len);

/* include.c: opens for reading what is a regular file. NULL after a finding. */
FILE *load__open(struct load *l, const struct place *at, const char *path, const char *name);
/* The real path (from malloc) of what $INCLUDE names, NULL after a finding. */
char *load__include_path(struct load *l, const struct place *at, const char *name);

/* records.c: sorts, groups, checks. */
struct zone_records *load__finish(struct load *l);
