/* testing: a scratch folder for each test, and short forms. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "store/store.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char folder[64], db[80], said[1000];

static inline void listen_to(struct diag *d)
{
    diag_first(d, said, sizeof said);
    diag_fini(d);
}

static inline int scratch(void **state)
{
    (void)state;
    /* In memory where there is room: each commit waits for the disk, and others use that too. */
    struct statvfs room;
    bool memory = access("/dev/shm", W_OK | X_OK) == 0 && statvfs("/dev/shm", &room) == 0 &&
                  (uint64_t)room.f_bavail * room.f_frsize >= 1u << 30;
    snprintf(folder, sizeof folder, "%s/meridian-store-XXXXXX", memory ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(db, sizeof db, "%s/m.db", folder);
    return 0;
}

static inline int sweep(void **state)
{
    (void)state;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.' && unlink(path) != 0)
            rmdir(path);
    }
    if (d)
        closedir(d);
    return rmdir(folder);
}

#define scratch_test(f) cmocka_unit_test_setup_teardown(f, scratch, sweep)

static inline struct store *opened(void)
{
    struct diag d = {0};
    struct store *s;
    if (store_open(db, &s, &d) != ERR_OK) {
        listen_to(&d);
        fail_msg("%s", said);
    }
    diag_fini(&d);
    return s;
}

static inline struct store *made(void)
{
    struct diag d = {0};
    enum err e = store_init(db, &d);
    listen_to(&d);
    if (e)
        fail_msg("%s", said);
    return opened();
}

static inline enum err open_fails(void)
{
    struct diag d = {0};
    struct store *s = NULL;
    enum err e = store_open(db, &s, &d);
    listen_to(&d);
    assert_null(s);
    return e;
}

static inline struct model *loaded(struct store *s)
{
    struct diag d = {0};
    struct model *m = NULL;
    enum err e = store_load(s, &m, &d);
    if (!e)
        e = model_validate(m, &d);
    listen_to(&d);
    if (e)
        fail_msg("%s", said);
    return m;
}

/* Applies a document as one revision; the outcome of the first step that fails. */
static inline enum err apply_text(struct store *s, const char *text, int64_t *revision)
{
    struct diag d = {0};
    struct model *before = NULL, *after = NULL;
    int64_t head, of_text;
    struct store_meta meta = {"ana", "a message", "apply", 1700000000000};
    struct config_changes changes = {0};
    enum err e = store_begin(s, &head, &d);
    if (!e)
        e = store_load(s, &before, &d);
    if (!e) {
        after = model_clone(before);
        e = config_import(after, text, strlen(text), &of_text, &d);
    }
    if (!e)
        e = model_validate(after, &d);
    if (!e)
        e = config_diff(before, after, &changes);
    if (!e)
        e = store_commit(s, before, after, &changes, &meta, revision, &d);
    store_abort(s);
    config_changes_fini(&changes);
    listen_to(&d);
    model_unref(&before);
    model_unref(&after);
    return e;
}

static inline void must_apply(struct store *s, const char *text, int64_t revision)
{
    int64_t got = 0;
    if (apply_text(s, text, &got) != ERR_OK)
        fail_msg("%s", said);
    assert_int_equal(got, revision);
}

static inline char *exported(struct store *s)
{
    struct model *m = loaded(s);
    char *text = config_export(m, true);
    model_unref(&m);
    return text;
}

#define FULL_DOC                                                                                   \
    "{\"settings\": {\"ramp\": \"30s\", \"workers\": \"2\"},"                                      \
    "\"zones\": [{\"name\": \"z.example\", \"ns\": [\"ns1.z.example=192.0.2.53,2001:db8::53\", "   \
    "\"ns.other\"], \"ttl\": 60}, {\"name\": \"y.example\", \"file\": \"/etc/y.zone\"}],"          \
    "\"regions\": [{\"name\": \"us\", \"at\": [39.04, -77.49], \"bias_km\": 100.5}, {\"name\": "   \
    "\"eu\", \"at\": [51.51, -0.13], \"capacity\": 40000}, {\"name\": \"bare\"}],"                 \
    "\"probes\": [{\"name\": \"web\", \"path\": \"/healthz\", \"interval\": \"5s\", \"timeout\": " \
    "\"250ms\", \"body\": \"ok\"}, {\"name\": \"nag\", \"type\": \"exec\", \"command\": "          \
    "\"/bin/x\", \"args\": [\"-H\", \"{address}\", \"\\\"q\\\"\"]}],"                              \
    "\"maps\": [{\"name\": \"world\", \"rules\": [{\"where\": \"continent:EU\", \"regions\": "     \
    "[\"eu\", \"us\"]}, {\"where\": \"default\", \"regions\": [\"us\", \"eu\"]}, {\"where\": "     \
    "\"city:GB/West Ham\", \"regions\": [\"eu\"]}]}, {\"name\": \"empty\"}],"                      \
    "\"latency\": [{\"where\": \"country:DE\", \"region\": \"eu\", \"ms\": 12.25}, {\"where\": "   \
    "\"net:10.0.0.0/8\", \"region\": \"us\", \"ms\": 90}],"                                        \
    "\"services\": [{\"name\": \"www.z.example\", \"policy\": \"fence | geo | sticky\", "          \
    "\"map\": \"world\", \"ttl\": 60, \"ttl_moving\": 7, \"probe\": \"web\", \"on_empty\": "       \
    "\"b.z.example\", \"degrade\": 0.01, \"fail\": 0.4, \"ramp\": \"2m\", \"hold\": \"auto\", "    \
    "\"window\": \"90s\", \"failback\": \"after 10m\", \"panic\": 0, \"min_regions\": 2, "         \
    "\"min_capacity\": 0.6, \"endpoints\": [{\"region\": \"eu\", \"address\": \"192.0.2.1\", "     \
    "\"probe\": \"nag\"}, {\"region\": \"us\", \"address\": \"192.0.2.2\", \"weight\": 5}, "       \
    "{\"region\": \"eu\", \"address\": \"192.0.2.3\", \"priority\": 2}]}, {\"name\": "             \
    "\"b.z.example\", \"failback\": \"hold\", \"on_empty\": \"nodata\", \"policy\": \"all\", "     \
    "\"answers\": 3}, {\"name\": \"c.y.example\", \"endpoints\": [{\"region\": \"bare\", "         \
    "\"address\": \"host.example\"}]}]}"
