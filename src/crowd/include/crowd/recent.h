/* crowd/recent: who was answered in the last ten minutes, as far as it was sampled.
 * Shape     a ring of CROWD_CLIENTS_MAX samples, 640 KiB, whatever the load and the configuration:
 *           under load workers leave out as many answers as makes the ring last for the window. What is
 *           older than that is no longer counted.
 * Owns      itself. Services are numbered as in one model; crowd_recent_renumber follows the next.
 * Threads   one: the control thread.
 * Errors    create: NULL when out of memory. */
#pragma once

#include "crowd/crowd.h"

#define CROWD_WINDOW_MS (10 * 60 * 1000)

struct crowd_recent;

struct crowd_recent *crowd_recent_create(void);
void crowd_recent_destroy(struct crowd_recent **r); /* NULL left behind; NULL accepted */
void crowd_recent_add(struct crowd_recent *r, const struct crowd_client *c, int64_t mono_ms);
/* Samples of services that are gone are forgotten. */
void crowd_recent_renumber(struct crowd_recent *r, const struct model *from,
                           const struct model *to);
/* Those of the window, of one service or CROWD_ANY for all. False: fewer than CROWD_ANSWERS_MIN, and
 * nothing is filled; or out of memory. *seen, where asked for: how many there are. */
bool crowd_recent_copy(const struct crowd_recent *r, uint32_t service, int64_t mono_ms,
                       struct crowd *out, uint32_t *seen) WARN_UNUSED;
/* How many answers apart samples are taken, so that at this rate the ring is filled once a window. */
uint32_t crowd_recent_gap(double answers_per_s);
