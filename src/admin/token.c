#include "admin/token.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

static void hex(const unsigned char *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}

enum err admin_token_make(char out[ADMIN_TOKEN_TEXT_MAX])
{
    unsigned char bytes[32];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return (enum err) - EIO;
    hex(bytes, sizeof bytes, out);
    return ERR_OK;
}

enum err admin_token_hash(const char *token, char out[ADMIN_TOKEN_HASH_MAX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!EVP_Digest(token, strlen(token), digest, &n, EVP_sha256(), NULL) || n != 32)
        return ERR_NOMEM;
    hex(digest, n, out);
    return ERR_OK;
}

bool admin_token_hash_equal(const char a[ADMIN_TOKEN_HASH_MAX], const char b[ADMIN_TOKEN_HASH_MAX])
{
    return CRYPTO_memcmp(a, b, ADMIN_TOKEN_HASH_MAX - 1) == 0;
}
