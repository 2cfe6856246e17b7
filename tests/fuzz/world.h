/* world: a configuration of tests/fuzz, compiled once for a whole run.
 * Text      a JSON document in which @SOURCE@ stands for the repository and @ENDPOINTS@ for five
 *           endpoints in the regions eu, us and ap, three of IPv4 and two of IPv6.
 * Owns      the snapshot, until the program ends.
 * Errors    a configuration that does not compile is the target's own mistake: it ends the run. */
#pragma once

#include "snapshot/tables.h"

const struct snapshot *world_open(const char *file);
/* Two bits of how for each region: whole, half, away, draining; 0xff takes all of them out. */
void world_set_board(const struct snapshot *s, uint8_t how);
