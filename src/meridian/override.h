/* override: what a person says of a region or endpoint, through the daemon or into the database. */
#pragma once

#include "session.h"

/* state is up, drain, down or auto; region and endpoint come from the call's arguments: NAME, or
 * SERVICE REGION ADDRESS. Returns the exit status. */
int override_set(const struct call *c, const char *state);

/* "2026-11-22T12:00:00Z", or a duration: sign says where from now it points. false: neither. */
bool moment_parse(const char *text, int64_t now_ms, int sign, int64_t *wall_ms);
