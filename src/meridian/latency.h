/* latency: measured milliseconds from a CSV file.
 * Reads     where,region,milliseconds a line; blank lines, lines that begin with '#' and a header
 *           line are passed over. Values may stand in double quotes.
 * Errors    every one names the line; the whole file or nothing. */
#pragma once

#include "config/config.h"

/* The rows as a list of {"where","region","ms"} (new reference); NULL with findings in diag.
 * Regions are looked up in m. */
json_t *latency_parse(const char *text, size_t len, const char *path, const struct model *m,
                      struct diag *diag);
