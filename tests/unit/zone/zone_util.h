/* zone_util: zone text, in a file of its own, into records and trees. */
#pragma once

#include "zone/loader.h"
#include "zone/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline struct dns_name nm(const char *text)
{
    struct dns_name n;
    assert_true(dns_name_from_text(text, &n));
    return n;
}

static inline void file_write(const char *path, const void *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* Loads text as a zone; "zone:" in a finding is what stands for the file's name. */
static inline enum err load_bytes(const char *origin, const void *bytes, size_t len,
                                  struct arena *arena, struct zone_records **out, struct diag *diag)
{
    char path[] = "/tmp/meridian-zone-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    file_write(path, bytes, len);
    struct dns_name name = nm(origin);
    enum err e = zone_load_file(path, &name, arena, out, diag);
    unlink(path);
    return e;
}

static inline enum err load_text(const char *origin, const char *text, struct arena *arena,
                                 struct zone_records **out, struct diag *diag)
{
    return load_bytes(origin, text, strlen(text), arena, out, diag);
}

static inline struct zone_records *load_good(const char *origin, const char *text,
                                             struct arena *arena)
{
    struct diag diag = {0};
    struct zone_records *records;
    char first[512];
    enum err e = load_text(origin, text, arena, &records, &diag);
    if (e != ERR_OK)
        fail_msg("%s", diag_first(&diag, first, sizeof first));
    diag_fini(&diag);
    return records;
}

static inline const struct zone_rrset *rrset_of(const struct zone_records *r, const char *owner,
                                                uint16_t type)
{
    struct dns_name name = nm(owner);
    for (size_t i = 0; i < r->n; i++)
        if (r->rrset[i].type == type && dns_name_equal(&r->rrset[i].owner, &name))
            return &r->rrset[i];
    return NULL;
}

/* Is there a finding with this in it? */
static inline bool diag_says(const struct diag *diag, enum diag_level level, const char *part)
{
    for (size_t i = 0; i < diag->n; i++)
        if (diag->findings[i].level == level && strstr(diag->findings[i].text, part))
            return true;
    return false;
}

static inline void diag_print(const struct diag *diag)
{
    for (size_t i = 0; i < diag->n; i++)
        printf("  %s: %s\n", diag->findings[i].where, diag->findings[i].text);
}
