#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

static void split(int64_t wall_ms, struct tm *tm, int *ms)
{
    time_t s = (time_t)(wall_ms / 1000);
    *ms = (int)(wall_ms % 1000);
    if (*ms < 0) {
        *ms += 1000;
        s--;
    }
    gmtime_r(&s, tm);
}

char *time_format(int64_t wall_ms, char out[TIME_TEXT_MAX])
{
    struct tm tm;
    int ms;
    split(wall_ms, &tm, &ms);
    size_t n = strftime(out, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, TIME_TEXT_MAX - n, ".%03dZ", ms);
    return out;
}

char *time_format_s(int64_t wall_ms, char out[TIME_TEXT_MAX])
{
    struct tm tm;
    int ms;
    split(wall_ms, &tm, &ms);
    strftime(out, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return out;
}

bool time_parse(const char *text, int64_t *wall_ms)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!end)
        return false;
    int64_t ms = 0;
    if (*end == '.') {
        int64_t unit = 100;
        for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
            ms += (*end - '0') * unit;
    }
    int64_t offset_s = 0;
    if (*end == 'Z' || *end == 'z')
        end++;
    else if (*end == '+' || *end == '-') {
        int h, m, n = 0;
        if (sscanf(end + 1, "%2d:%2d%n", &h, &m, &n) != 2 || n != 5)
            return false;
        offset_s = (*end == '-' ? -1 : 1) * (h * 3600 + m * 60);
        end += 6;
    } else
        return false;
    if (*end)
        return false;
    *wall_ms = ((int64_t)timegm(&tm) - offset_s) * 1000 + ms;
    return true;
}

static const struct {
    const char *name;
    int64_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

bool duration_parse(const char *text, int64_t *ms)
{
    if (!((*text >= '0' && *text <= '9') || *text == '.'))
        return false;
    char *end;
    double v = strtod(text, &end);
    if (end == text || v > 1e10)
        return false;
    int64_t unit = *end ? 0 : 1000;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(end, units[i].name) == 0)
            unit = units[i].ms;
    if (!unit)
        return false;
    *ms = (int64_t)(v * (double)unit + 0.5);
    return true;
}

char *duration_format(int64_t ms, char out[TIME_TEXT_MAX])
{
    size_t pick = 0;
    for (size_t i = 1; i < sizeof units / sizeof units[0]; i++)
        if (ms != 0 && ms % units[i].ms == 0)
            pick = i;
    if (ms == 0)
        pick = 1;
    snprintf(out, TIME_TEXT_MAX, "%lld%s", (long long)(ms / units[pick].ms), units[pick].name);
    return out;
}

char *duration_format_rough(int64_t ms, char out[TIME_TEXT_MAX])
{
    long long s = (long long)(ms / 1000);
    if (s < 60)
        snprintf(out, TIME_TEXT_MAX, "%llds", s);
    else if (s < 3600)
        snprintf(out, TIME_TEXT_MAX, s % 60 ? "%lldm%llds" : "%lldm", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, TIME_TEXT_MAX, s % 3600 / 60 ? "%lldh%lldm" : "%lldh", s / 3600,
                 s % 3600 / 60);
    else
        snprintf(out, TIME_TEXT_MAX, "%lldd", s / 86400);
    return out;
}
