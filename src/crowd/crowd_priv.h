/* What the files of the crowd room share. */
#pragma once

#include "crowd/crowd.h"

/* Each service's number in another model, CROWD_ANY where it is not: [from->services_n]. To be freed; NULL
 * when out of memory. */
uint32_t *crowd__match_services(const struct model *from, const struct model *to);
