/* session: what the commands share: the database, the daemon, and what goes to the terminal.
 * Owns      nothing between calls; stores and replies are the caller's.
 * Errors    session_fail prints one sentence a finding on stderr and returns the exit status. */
#pragma once

#include "admin/client.h"
#include "admin/lock.h"
#include "command.h"
#include "store/store.h"

#define CALL_TIMEOUT_MS 30000       /* status, explain, overrides */
#define CALL_EDIT_TIMEOUT_MS 300000 /* an edit may have to compile millions of networks */

/* Prints the errors of diag (the text of e when it has none) and empties it. */
int session_fail(enum err e, struct diag *diag);
int session_fail_text(enum admin_code code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

enum err session_open(const struct call *c, struct store **out, struct diag *diag) WARN_UNUSED;
/* Opens, loads and validates the head, closes. Findings about what is stored go to no one. */
enum err session_model(const struct call *c, struct model **out, struct diag *diag) WARN_UNUSED;

/* Which daemon runs on the database, if any. */
enum err session_daemon(const struct call *c, struct admin_holder *out,
                        struct diag *diag) WARN_UNUSED;
/* Asks the daemon. ADMIN_DONE with a new *reply; else it has been said on stderr and that is the
 * exit status: ADMIN_UNREACHABLE without a daemon, or the daemon's own refusal. request is taken.
 */
int session_ask(const struct call *c, json_t *request, int64_t timeout_ms, json_t **reply);
/* The same with a daemon that was found before, and with a text that goes with the request (NULL: none), for
 * which there is a second more for each MiB. */
int session_ask_with(const char *control, json_t *request, const char *text, size_t len,
                     int64_t timeout_ms, json_t **reply);
int session_ask_at(const char *control, json_t *request, int64_t timeout_ms, json_t **reply);
/* Prints a refusal of the daemon; returns its code. */
int session_refused(const json_t *reply);

/* --author, else $SUDO_USER, else the user's name. */
const char *session_author(const struct call *c);
bool session_terminal(void); /* is standard output one? */
/* Pretty JSON with sorted keys on standard output; takes j. Returns ADMIN_DONE. */
int session_json(json_t *j);
/* Text for a person in one line: control characters replaced. */
void session_line(const char *text);
/* The file (or "-": standard input) as text; at most ADMIN_TEXT_MAX bytes. Caller frees. */
char *session_read_file(const char *path, size_t *len, struct diag *diag);
/* The folder in which it lies ("-": where the command stands), whole. Caller frees. */
char *session_folder(const char *path);
/* A path as given, made absolute; a missing file is not an error here. Caller frees. */
char *session_absolute(const char *path);
