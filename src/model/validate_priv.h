/* validate_priv: what the files of model_validate share. */
#pragma once

#include "base/check.h"
#include "model/nearest.h"
#include "model_priv.h"

#define WHERE_TEXT_MAX 320
#define REGION_SLOTS 256 /* a power of two, four times MODEL_REGIONS_MAX */

#define PARSED_POLICIES 64

struct validation {
    struct model *m;
    const struct model *like; /* what is as it is there was judged already; NULL: nothing was */
    struct diag *diag;
    size_t errors;
    char where[WHERE_TEXT_MAX];
    char hint[NEAREST_WORD_MAX + 40];
    uint8_t region_slot[REGION_SLOTS];   /* index + 1, by hash of the name */
    uint8_t measured[MODEL_REGIONS_MAX]; /* has a row in the latency table */
    struct parsed {
        const char *text;
        const struct policy *policy;
    } parsed[PARSED_POLICIES]; /* by hash of the text */
};

/* "service www.gslb.example": what a finding starts with. */
const char *validate__place(struct validation *v, const char *noun, const char *name);
#define FAIL(v, noun, name, ...)                                                                   \
    ((v)->errors++,                                                                                \
     (void)diag_error((v)->diag, ERR_INVALID, validate__place((v), (noun), (name)), __VA_ARGS__))
#define WARN(v, noun, name, ...)                                                                   \
    diag_warning((v)->diag, validate__place((v), (noun), (name)), __VA_ARGS__)

/* min <= value <= max, else an error that names them. */
void validate__range(struct validation *v, const char *noun, const char *name, const char *key,
                     int64_t value, int64_t min, int64_t max, const char *unit);
/* Names of regions, probes and maps. before: the neighbour in an array sorted by name, or NULL. */
void validate__name(struct validation *v, const char *noun, const char *name, const char *before);
/* The index of a region, -1 for an unknown one. */
int validate__region(const struct validation *v, const char *name);
/* The same, and an error with the nearest name for an unknown one. */
int validate__region_named(struct validation *v, const char *noun, const char *of,
                           const char *name);
/* Hint for an unknown name of a sorted part, or of regions. */
const char *validate__hint(struct validation *v, enum model_part part, const char *name);

void validate__probes(struct validation *v);
void validate__dependencies(struct validation *v); /* of regions on probes */
void validate__services(struct validation *v);
/* Of all services, against the settings. */
void validate__thresholds(struct validation *v);
