/* clock: the only place that reads the time. Pure rooms get it as an argument.
 * Units     milliseconds; mono_ms counts from an arbitrary start, wall_ms from 1970 UTC. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT_MAX 32

int64_t clock_mono_ms(void);
int64_t clock_wall_ms(void);
/* "2026-11-22T02:14:56.120Z" (RFC 3339), and back; without milliseconds "…:26Z". */
char *time_format(int64_t wall_ms, char out[TIME_TEXT_MAX]);
char *time_format_s(int64_t wall_ms, char out[TIME_TEXT_MAX]);
bool time_parse(const char *text, int64_t *wall_ms);
/* "250ms", "5s", "10m", "2h", "1d", a bare number is seconds; "1.5s" is 1500. */
bool duration_parse(const char *text, int64_t *ms);
/* The shortest exact form: 5000 -> "5s", 250 -> "250ms". */
char *duration_format(int64_t ms, char out[TIME_TEXT_MAX]);
/* For people, two parts at most: "2m11s", "9d". */
char *duration_format_rough(int64_t ms, char out[TIME_TEXT_MAX]);
