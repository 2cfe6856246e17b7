#include "base/log.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic int level_min = LOG_INFO;
static const char *const names[] = {"debug", "info", "notice", "warn", "error"};

void log_level_set(enum log_level level)
{
    atomic_store_explicit(&level_min, (int)level, memory_order_relaxed);
}

bool log_level_parse(const char *text, enum log_level *out)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return names[level];
}

size_t log_format_line(char *out, size_t cap, int64_t wall_ms, enum log_level level,
                       const char *scope, const char *text)
{
    char when[TIME_TEXT_MAX];
    int n = snprintf(out, cap, "%s %-6s [%s] %s", time_format(wall_ms, when), names[level], scope,
                     text);
    size_t len = n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
            out[i] = '?';
    return strlen(utf8_clean(out));
}

void log_write_line(enum log_level level, const char *line)
{
    if ((int)level < atomic_load_explicit(&level_min, memory_order_relaxed))
        return;
    char buf[LOG_LINE_MAX + 2];
    size_t len = strnlen(line, LOG_LINE_MAX);
    memcpy(buf, line, len);
    buf[len++] = '\n';
    /* stderr that is gone or full is nobody's reason to stop, nor is a pipe that nobody reads. */
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&room, 1, 0) == 0)
        return;
    if (write(STDERR_FILENO, buf, len) < 0)
        return;
}

void log_write(enum log_level level, const char *scope, const char *fmt, ...)
{
    if ((int)level < atomic_load_explicit(&level_min, memory_order_relaxed))
        return;
    char text[LOG_LINE_MAX], line[LOG_LINE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_format_line(line, sizeof line, clock_wall_ms(), level, scope, text);
    log_write_line(level, line);
}
