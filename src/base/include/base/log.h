/* log: one line a message on stderr: time, level, [scope], text.
 * Threads   any: a line is one write(2).
 * Scope     the room ("probe", "store") or service/region for health events.
 * Level     log_level_set hides what is below; default LOG_INFO. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARN, LOG_ERROR };
#define LOG_LINE_MAX 1024

void log_level_set(enum log_level level);
bool log_level_parse(const char *text, enum log_level *out);
const char *log_level_name(enum log_level level);
void log_write(enum log_level level, const char *scope, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "2026-11-22T02:14:56.120Z info   [scope] text", no newline; control characters become '?'.
 * Returns the length, less than cap. */
size_t log_format_line(char *out, size_t cap, int64_t wall_ms, enum log_level level,
                       const char *scope, const char *text);
/* A line formatted before. */
void log_write_line(enum log_level level, const char *line);
