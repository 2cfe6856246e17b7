#include "probe_priv.h"

#include <string.h>

/* Bytes of the well-formed UTF-8 sequence at s (RFC 3629 §4), 0 if it is none. */
static size_t utf8_length(const unsigned char *s, size_t len)
{
    size_t want = s[0] < 0x80   ? 1
                  : s[0] < 0xc2 ? 0
                  : s[0] < 0xe0 ? 2
                  : s[0] < 0xf0 ? 3
                  : s[0] < 0xf5 ? 4
                                : 0;
    if (want == 0 || want > len)
        return 0;
    for (size_t i = 1; i < want; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || /* overlong, surrogate */
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return want;
}

void probe__text_clean(char *out, size_t cap, const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n = 0;
    for (size_t i = 0; i < len && s[i];) {
        size_t step = utf8_length(s + i, len - i);
        bool control =
            s[i] < 0x20 || s[i] == 0x7f || (step == 2 && s[i] == 0xc2 && s[i + 1] < 0xa0);
        if (n + (step ? step : 1) >= cap)
            break;
        if (step == 0 || control)
            out[n++] = s[i] == '\t' ? ' ' : '?';
        else {
            memcpy(out + n, s + i, step);
            n += step;
        }
        i += step ? step : 1;
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

static const char *number(const char *s, long *out)
{
    if (*s < '0' || *s > '9')
        return NULL;
    for (*out = 0; *s >= '0' && *s <= '9' && *out < 100000; s++)
        *out = *out * 10 + (*s - '0');
    return s;
}

bool probe__status_accepted(const char *list, long status)
{
    for (const char *s = list; s && *s;) {
        long low, high;
        s = number(s, &low);
        if (!s)
            return false;
        high = low;
        if (*s == '-' && !(s = number(s + 1, &high)))
            return false;
        if (status >= low && status <= high)
            return true;
        if (*s != ',')
            return false;
        for (s++; *s == ' ';)
            s++;
    }
    return false;
}
