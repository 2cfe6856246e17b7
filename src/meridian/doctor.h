/* doctor: what `meridian doctor` found, line by line.
 * Owns      struct doctor: its list of findings.
 * Threads   the command's only one. */
#pragma once

#include "model/model.h"
#include <jansson.h>

enum doctor_result { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_PROBLEM };

struct doctor {
    const struct model *m;
    const struct model_zone *zone;
    json_t *findings; /* of {"result","check","where","text"} */
    unsigned problems;
};

void doctor_say(struct doctor *d, enum doctor_result result, const char *check, const char *where,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Traps in the configuration of the zone's services. */
void doctor_config(struct doctor *d);
/* Parent, name servers and their answers. parent: "ADDR[:PORT]", NULL: look for it. */
void doctor_servers(struct doctor *d, const char *parent);
