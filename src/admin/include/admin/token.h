/* admin/token: bearer tokens of the HTTP side (RFC 6750). A token is 32 random octets as hexadecimal
 * digits; what is kept of it is its SHA-256. With so many random bits a plain hash is enough: there
 * is nothing to guess, so nothing to slow down.
 * Errors    enum err.
 * Threads   any; no state. */
#pragma once

#include "base/err.h"
#include <stdbool.h>

#define ADMIN_TOKEN_TEXT_MAX 65
#define ADMIN_TOKEN_HASH_MAX 65

enum err admin_token_make(char out[ADMIN_TOKEN_TEXT_MAX]) WARN_UNUSED;
enum err admin_token_hash(const char *token, char out[ADMIN_TOKEN_HASH_MAX]) WARN_UNUSED;
/* Takes as long whether they are equal or not. */
bool admin_token_hash_equal(const char a[ADMIN_TOKEN_HASH_MAX], const char b[ADMIN_TOKEN_HASH_MAX]);
