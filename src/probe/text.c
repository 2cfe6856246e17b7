#include "base/utf8.h"
#include "probe_priv.h"

#include <string.h>

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
