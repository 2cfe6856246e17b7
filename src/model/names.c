#include "model/model.h"

#include <string.h>

static bool host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Letters, digits, hyphen (RFC 1123 §2.1) and the underscore of service labels; no escapes, so that
 * the text of a name is its key. At most 253 characters: 255 octets in wire form (RFC 1035 §2.3.4).
 */
bool model_host_canonical(const char *text, char out[MODEL_HOST_TEXT_MAX])
{
    size_t n = 0, label = 0;
    for (const char *p = text; *p; p++) {
        char c = lower(*p);
        if (c == '.') {
            if (label == 0)
                return false;
            if (!p[1])
                break; /* the last dot */
            label = 0;
        } else if (!host_char(c) || ++label > 63)
            return false;
        if (n == MODEL_HOST_TEXT_MAX - 1)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return n > 0;
}

bool model_name_canonical(const char *text, char out[MODEL_NAME_TEXT_MAX])
{
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        char c = lower(*p);
        if (!host_char(c) || (n == 0 && (c == '-' || c == '_')) || n == MODEL_NAME_TEXT_MAX - 1)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return n > 0;
}

bool model_host_within(const char *child, const char *parent)
{
    size_t c = strlen(child), p = strlen(parent);
    return c >= p && strcmp(child + c - p, parent) == 0 && (c == p || child[c - p - 1] == '.');
}
