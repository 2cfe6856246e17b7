/* allocations: how often this program, libraries and all, has asked for memory. It puts itself before the C
 * library's malloc and its like; a sanitizer has put itself there already, so nothing is counted with one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

extern const bool allocations_are_counted;
uint64_t allocations_n(void); /* of all threads, since the start */
