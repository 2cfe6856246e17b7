/* avail: availability, the share of its normal traffic that something should get now.
 * Units     1/65536: AVAIL_FULL is all of it. Staying compares a 16-bit hash with it, so 0 keeps
 *           nobody and AVAIL_FULL keeps everybody, exactly. */
#pragma once

#include <stdint.h>

#define AVAIL_FULL 65536u
#define AVAIL_NONE 0u

static inline uint32_t avail_from_double(double v)
{
    return v <= 0 ? 0 : v >= 1 ? AVAIL_FULL : (uint32_t)(v * 65536.0 + 0.5);
}

static inline double avail_to_double(uint32_t v)
{
    return (double)v / 65536.0;
}
