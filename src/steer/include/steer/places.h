/* steer/places: maps and the latency table, compiled against one geo base for quick matching.
 * Match     the most specific rule wins: network (longest prefix first), ASN, city, subdivision, country,
 *           continent, default. For latency per region: network, ASN, country, continent.
 * Owns      nothing: lives in the arena given, borrows the model's texts.
 * Threads   build: one; match: any; pure. */
#pragma once

#include "base/arena.h"
#include "model/model.h"
#include "steer/order.h"

/* NULL when the arena failed. The regions of rules must exist in m. */
const struct steer_map *steer_map_build(const struct model *m, const struct model_map *map,
                                        const struct geo_base *base, struct arena *arena);
/* NULL only when the arena failed; an empty table is a table. */
const struct steer_latency *steer_latency_build(const struct model *m, const struct geo_base *base,
                                                struct arena *arena);

/* NULL when no rule matches, not even default. */
const struct steer_rule *steer_map_match(const struct steer_map *map, const struct geo_base *base,
                                         const struct geo_spot *spot);
const struct steer_rule *steer_map_default(const struct steer_map *map);
bool steer_map_uses_asn(const struct steer_map *map);
bool steer_map_names(const struct steer_map *map, const struct geo_base *base, uint32_t own);

/* Measured milliseconds, negative when nothing was measured; *where names the row. */
double steer_latency_measured(const struct steer_latency *l, const struct geo_base *base,
                              const struct geo_spot *spot, uint32_t region, const char **where);
bool steer_latency_uses_asn(const struct steer_latency *l);
bool steer_latency_names(const struct steer_latency *l, const struct geo_base *base, uint32_t own);
