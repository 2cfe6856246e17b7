/* testing: short forms for the tests of this room. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char said[1000]; /* the first sentence of the last operation */

#define BASE                                                                                       \
    "{\"zones\": [{\"name\": \"gslb.example\", \"ns\": [{\"name\": \"ns1.gslb.example\", "         \
    "\"addresses\": [\"192.0.2.53\"]}]}],"                                                         \
    "\"regions\": [{\"name\": \"eu\", \"at\": [51.51, -0.13], \"capacity\": 40000},"               \
    " {\"name\": \"us\", \"at\": [39.04, -77.49], \"bias_km\": 100}],"                             \
    "\"probes\": [{\"name\": \"web\", \"type\": \"http\", \"port\": 80, \"path\": \"/healthz\","   \
    " \"interval\": \"5s\", \"timeout\": \"2s\", \"fall\": 3, \"rise\": 2}],"                      \
    "\"maps\": [{\"name\": \"world\", \"rules\": [{\"where\": \"continent:EU\", \"regions\": "     \
    "[\"eu\", \"us\"]}, {\"where\": \"default\", \"regions\": [\"us\", \"eu\"]}]}],"               \
    "\"services\": [{\"name\": \"www.gslb.example\", \"policy\": \"geo\", \"map\": \"world\","     \
    " \"ttl\": 30, \"probe\": \"web\", \"endpoints\": ["                                           \
    "{\"region\": \"eu\", \"address\": \"203.0.113.20\", \"weight\": 100, \"priority\": 1},"       \
    "{\"region\": \"us\", \"address\": \"203.0.113.10\"}]}]}"

static inline void listen_to(struct diag *d)
{
    diag_first(d, said, sizeof said);
    diag_fini(d);
}

static inline enum err import_into(struct model *m, const char *text)
{
    struct diag d = {0};
    int64_t revision;
    enum err e = config_import(m, text, strlen(text), &revision, &d);
    if (!e)
        e = model_validate(m, &d);
    listen_to(&d);
    return e;
}

static inline struct model *model_of(const char *text)
{
    struct model *m = model_create();
    if (import_into(m, text) != ERR_OK)
        fail_msg("%s", said);
    return m;
}

/* The document is refused with this sentence. */
static inline void import_refused(const char *text, const char *sentence)
{
    struct model *m = model_create();
    enum err e = import_into(m, text);
    assert_string_equal(said, sentence);
    assert_int_not_equal(e, ERR_OK);
    model_unref(&m);
}

static inline enum err edit(struct model *m, enum config_verb verb, enum config_noun noun,
                            const char *name, const char *region, const char *address,
                            const char *fields)
{
    struct diag d = {0};
    json_t *j = fields ? json_loads(fields, 0, NULL) : NULL;
    assert_true(!fields || j);
    struct config_edit e = {verb, noun, name, region, address, j};
    enum err err = config_apply_edits(m, &e, 1, &d);
    if (!err)
        err = model_validate(m, &d);
    listen_to(&d);
    json_decref(j);
    return err;
}

static inline size_t differences(const struct model *a, const struct model *b)
{
    struct config_changes c;
    assert_int_equal(config_diff(a, b, &c), ERR_OK);
    size_t n = c.n;
    config_changes_fini(&c);
    return n;
}
