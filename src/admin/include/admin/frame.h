/* admin/frame: bytes in, lines out.
 * Shape     append bytes as they come, then take lines until there is none; a line is valid until
 *           the next call that changes the frame.
 * Owns      its buffer. Lifetime: zero-filled is a valid empty one; fini frees.
 * Threads   one at a time.
 * Errors    append returns ERR_LIMIT for a line longer than line_max, ERR_NOMEM. Each byte is
 *           looked at once, however the line is cut into pieces. */
#pragma once

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

struct admin_frame {
    char *bytes;
    size_t len, cap;
    size_t taken;   /* bytes of lines that were handed out */
    size_t scanned; /* no newline between taken and here */
};

/* Room for at least want bytes at the end, of which *got may be filled; then admin_frame_added. */
enum err admin_frame_room(struct admin_frame *f, size_t want, size_t line_max, char **at,
                          size_t *got) WARN_UNUSED;
void admin_frame_added(struct admin_frame *f, size_t n);
enum err admin_frame_append(struct admin_frame *f, const char *bytes, size_t n,
                            size_t line_max) WARN_UNUSED;
/* The next whole line, without its newline (and a carriage return before it). */
bool admin_frame_take(struct admin_frame *f, const char **line, size_t *len);
/* Takes up to n octets, as they are, into out; how many there were. */
size_t admin_frame_take_raw(struct admin_frame *f, char *out, size_t n);
void admin_frame_fini(struct admin_frame *f);
