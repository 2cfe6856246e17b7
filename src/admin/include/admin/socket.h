/* admin/socket: UNIX stream sockets under paths of any length.
 * Why       sun_path holds 107 characters; a longer path is reached as
 *           /proc/self/fd/<folder>/<name>.
 * Errors    negated errno, and ERR_EXISTS when someone answers on the path.
 * Threads   any. */
#pragma once

#include "base/err.h"

/* A listening-to-be socket bound to path, mode 0600, close-on-exec. Replaces a socket file on which
 * nobody answers; anything else in its place is an error. */
enum err admin_socket_bind(const char *path, int *fd) WARN_UNUSED;
enum err admin_socket_connect(const char *path, int *fd) WARN_UNUSED;
